"""A house whose ZHA is guarded by hubsec, and what is asked of it there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry
from zha_house import Zha, ieee, until

from hubsec_emulated.devices.device import Device

DOMAIN = "hubsec"


class Guarded:
    """hubsec on `zha`. `entry` is its entry."""

    def __init__(self, zha: Zha, entry: ConfigEntry) -> None:
        self.zha = zha
        self.hass: HomeAssistant = zha.hass
        self.entry = entry
        self._network = entry.runtime_data

    @property
    def network(self) -> Any:
        """The component's object: another one after each reload of the entry, the last one while it is unloaded."""
        self._network = getattr(self.entry, "runtime_data", self._network)
        return self._network

    def entity_id(self, domain: str, key: str) -> str:
        """The network's entity of that key."""
        registry = er.async_get(self.hass)
        found = registry.async_get_entity_id(domain, DOMAIN, f"{self.entry.unique_id}-{key}")
        assert found is not None, (domain, key)
        return found

    def state(self, domain: str, key: str) -> str:
        """The state of that entity."""
        state = self.hass.states.get(self.entity_id(domain, key))
        assert state is not None
        return state.state

    def attributes(self, domain: str, key: str) -> dict[str, Any]:
        """The attributes of that entity."""
        state = self.hass.states.get(self.entity_id(domain, key))
        assert state is not None
        return dict(state.attributes)

    async def call(self, action: str, *, context: Context | None = None, **data: Any) -> dict[str, Any]:
        """What that action of hubsec answers."""
        answer = await self.hass.services.async_call(
            DOMAIN, action, data, blocking=True, return_response=True, context=context
        )
        assert isinstance(answer, dict)
        return answer

    async def admitted(self, device: Device, name: str) -> dict[str, Any]:
        """Let the device in by its sticker."""
        device.power_on()
        answer = await self.call("admit", sticker=device.sticker, name=name)
        await self.settled(device)
        return answer

    async def settled(self, device: Device) -> None:
        """Wait until ZHA has done all that it does with a new device: unloaded in the middle of it, it leaves a thread
        behind."""
        await self.zha.joined(device)
        await until(lambda: self.zha.device_entry(device), f"{device.name} in Home Assistant")
        await self.hass.async_block_till_done()


async def guarded(
    zha: Zha, mode: str = "enforce", *, adopt: Sequence[Device] | None = (), policy: str = "home"
) -> Guarded:
    """Set hubsec up on `zha`, on which `adopt` is confirmed as the baseline; nothing is, where that is None."""
    network_id = str(zha.app.state.network_info.extended_pan_id).replace(":", "").lower()
    data: dict[str, Any] = {"stack": "zha", "stack_entry_id": zha.entry.entry_id}
    if adopt is not None:
        data["adopt"] = [ieee(device) for device in adopt]
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="Stick",
        unique_id=network_id,
        data=data,
        options={"mode": mode, "policy": policy},
    )
    entry.add_to_hass(zha.hass)
    assert await zha.hass.config_entries.async_setup(entry.entry_id)
    await zha.hass.async_block_till_done()
    return Guarded(zha, entry)
