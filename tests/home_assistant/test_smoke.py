from __future__ import annotations
from homeassistant.config_entries import ConfigEntryState
from pytest_homeassistant_custom_component.common import MockConfigEntry
import pytest
from homeassistant.exceptions import HomeAssistantError

async def test_it(hass, enable_custom_integrations, zha, caplog):
    xpan = str(zha.app.state.network_info.extended_pan_id).replace(":", "").lower()
    entry = MockConfigEntry(domain="hubsec", title="ZHA", unique_id=xpan, data={"stack":"zha","stack_entry_id":zha.entry.entry_id,"adopt":[]}, options={"mode":"enforce"})
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    net = entry.runtime_data
    print(net.standing, net.problem, net.posture)
    print(hass.states.async_all("binary_sensor"))
    with pytest.raises(HomeAssistantError) as e:
        await zha.permit(60)
    print("said:", str(e.value))
    await zha.reload()
    await hass.async_block_till_done()
    print(net.standing, net.problem)
    with pytest.raises(HomeAssistantError):
        await zha.permit(60)
    assert await hass.config_entries.async_unload(entry.entry_id)
    print([r.message for r in caplog.records if "hubsec" in r.name or "locking" in r.message][:20])
    await zha.permit(1)
    await zha.close()
