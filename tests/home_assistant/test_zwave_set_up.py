"""Setting a Z-Wave network up, beside a Zigbee one as well."""

from __future__ import annotations

import json

import pytest
from frontend import ABORT, CREATED, FORM, Frontend, entry_of
from guarded import guarded
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.components.diagnostics import get_diagnostics_for_config_entry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from zha_house import Zha, until
from zwave_home import Zwave, guarded_zwave

from hubsec.events import AdoptionConfirmed, Quarantined

pytestmark = pytest.mark.usefixtures("enable_custom_integrations")


async def test_a_network_is_set_up_by_its_pages(zwave: Zwave, zwave_frontend: Frontend) -> None:
    lamp = await zwave.included(zwave.house.lamp())
    stranger = await zwave.included(zwave.house.plug(security="none"))
    page = await zwave_frontend.add()
    assert (page.type, page.step) == (FORM, "zwave")
    for said in (
        "Emulated controller runs on a Z-Wave JS server 3.10.2, with 2 devices",
        "by the DSK or QR code on its sticker: yes (S2 by DSK)",
        "Make a device leave: partly: a living device leaves by its own button",
        "Hold other clients of the server to the policy: no: whoever reaches the server can command it",
        "Enforcing is experimental",
    ):
        assert said in page.text
    assert page.default("mode") == "observe"
    assert list(page.choices("mode")) == ["observe", "enforce"]

    page = await page.submit(policy="home", mode="enforce")
    assert page.step == "adopt"
    assert page.choices("adopt").keys() == {zwave.address(lamp), zwave.address(stranger)}
    page = await page.submit(adopt=[zwave.address(lamp)])
    assert page.type == CREATED
    await zwave.hass.async_block_till_done()

    entry = entry_of(zwave.hass)
    network = entry.runtime_data
    assert entry.unique_id == f"{zwave.home_id:08x}"
    assert entry.data["stack"] == "zwave_js"
    assert network.standing == "stands"
    assert [one.devices for one in network.recent if isinstance(one, AdoptionConfirmed)] == [
        (zwave.address(lamp),)
    ]
    assert network.posture.networks[0].state.gaps == ("other-clients",)
    # Who was left out is a stranger, and there is a repair for it.
    await until(lambda: [one for one in network.recent if isinstance(one, Quarantined)], "Who is a stranger")
    assert set(await zwave_frontend.repairs()) == {"unapproved_zwave_device"}
    keys = {
        one.unique_id.removeprefix(f"{entry.unique_id}-")
        for one in er.async_entries_for_config_entry(er.async_get(zwave.hass), entry.entry_id)
    }
    assert {"protected", "joining", "store_alarm", "unapproved", "allowlist", "enforcement"} <= keys
    assert "exposed" not in keys  # No key ever goes out under a public one.
    # There is nobody else to protect.
    page = await zwave_frontend.add()
    assert (page.type, page.reason) == (ABORT, "all_protected")


async def test_diagnostics_tell_no_dsk_and_no_address(
    zwave: Zwave, hass: HomeAssistant, hass_client: ClientSessionGenerator
) -> None:
    assert await async_setup_component(hass, "diagnostics", {})
    hass.config_entries.async_update_entry(
        zwave.entry, data={**zwave.entry.data, "s2_access_control_key": "5a39c0ffee0102030405060708090a0b"}
    )
    home = await guarded_zwave(zwave)
    lock = zwave.house.lock()
    # Somebody takes the sticker's text for the name, and the network's key as well.
    name = f"{lock.dsk} 5A39C0FFEE0102030405060708090A0B {zwave.home_id}"
    await home.call("admit", sticker=lock.sticker, name=name)
    told = json.dumps(await get_diagnostics_for_config_entry(hass, hass_client, home.entry))
    for secret in (
        lock.dsk,
        lock.pin,
        home.identity(lock),
        "5a39c0ffee",
        f"{zwave.home_id:08x}",
        str(zwave.home_id),
    ):
        assert secret.lower() not in told.lower()
    assert "DSK#1" in told
    assert '"zwave-js-server-python": "0.62.0"' in told


async def test_zigbee_and_z_wave_are_protected_side_by_side(zha: Zha, zwave: Zwave) -> None:
    sticks = await guarded(zha)
    home = await guarded_zwave(zwave)
    assert (sticks.standing, home.standing) == ("stands", "stands")
    assert sticks.network.home != home.network.home
    with pytest.raises(ServiceValidationError, match="Several networks are protected"):
        await home.call("list")
    lamp = zwave.house.lamp()
    with pytest.raises(
        ServiceValidationError, match="Emulated stick: That is the sticker of a Z-Wave device"
    ):
        await home.call("admit", config_entry_id=sticks.entry.entry_id, sticker=lamp.dsk, name="Lamp")
    with pytest.raises(
        ServiceValidationError, match="Emulated controller: A Z-Wave device is named by its DSK"
    ):
        await home.call("allow", config_entry_id=home.entry.entry_id, device="00:12:4b:00:01:02:03:04")
    answer = await home.call("list", config_entry_id=home.entry.entry_id)
    assert answer["networks"][0]["gaps"] == ["other-clients"]
    with pytest.raises(ServiceValidationError, match="Emulated stick closed"):
        await zha.permit()
    await sticks.unload()
    assert home.standing == "stands"
