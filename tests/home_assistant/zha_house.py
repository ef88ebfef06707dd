"""The real ZHA of a real Home Assistant, on the stick of an emulated house, and what a user does with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from homeassistant.components.zha.const import DOMAIN
from homeassistant.components.zha.helpers import get_zha_gateway
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from zigpy.application import ControllerApplication
from zigpy.types import EUI64

from hubsec_emulated.devices.device import Device
from hubsec_emulated.house import House
from hubsec_emulated.wire.addresses import format_eui64

PATIENCE = 40.0
"""Seconds that anything may take, on a machine that does other things as well."""
LOOK = 0.02
CHANNEL = 15
NOWHERE = "socket://127.0.0.1:1"
"""A path where no stick is: nothing listens on that port."""


async def until(predicate: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Wait until `predicate()` is true; a test fails with `what` in its message when that takes too long."""
    deadline = time.monotonic() + patience
    while not predicate():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {patience:g} s")
        await asyncio.sleep(LOOK)


def socket_url(house: House) -> str:
    """The house's stick as ZHA's own discovery spells a coordinator on the network."""
    return house.url.replace("tcp://", "socket://")


async def end_window_tasks() -> None:
    """End the tasks by which bellows changes its policy back two seconds after each permit and each start: it does not
    end them itself when it is shut down."""
    tasks = [
        task
        for task in asyncio.all_tasks()
        if getattr(task.get_coro(), "__qualname__", "") == "EZSPv8.pre_permit"
    ]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Zha:
    """ZHA in `hass`, on the stick of `house`. It is set up by `start()`, and not before."""

    def __init__(self, hass: HomeAssistant, house: House, *, path: str | None = None) -> None:
        self.hass = hass
        self.house = house
        # What ZHA's config flow writes (ConfigFlow.VERSION, DEVICE_SCHEMA). MockConfigEntry lets a test reach it.
        self.entry: ConfigEntry = MockConfigEntry(
            domain=DOMAIN,
            version=4,
            title="Emulated stick",
            data={
                "device": {"path": path or socket_url(house), "baudrate": 115200, "flow_control": None},
                "radio_type": "ezsp",
            },
        )
        self.entry.add_to_hass(hass)

    @property
    def app(self) -> ControllerApplication:
        """zigpy's application of the gateway that is loaded now. Another one after each reload."""
        return get_zha_gateway(self.hass).application_controller

    # The entry's life

    async def start(self) -> None:
        """Set ZHA up, for the first time in this Home Assistant: on a blank stick it forms a network."""
        # A channel, so that zigpy doesn't form a network for its energy scan first; and no index of updates is fetched.
        config = {DOMAIN: {"zigpy_config": {"network": {"channel": CHANNEL}, "ota": {"enabled": False}}}}
        await async_setup_component(self.hass, DOMAIN, config)

    async def started(self) -> None:
        """Set ZHA up, and wait until it is loaded."""
        await self.start()
        await self.loaded()

    async def loaded(self) -> None:
        """Wait until ZHA is loaded, as after a reload that somebody else asked for."""
        await until(lambda: self.entry.state is ConfigEntryState.LOADED, "Loading ZHA")

    async def reload(self) -> bool:
        """Reload the entry. False when it could not be set up again."""
        return await self.hass.config_entries.async_reload(self.entry.entry_id)

    async def unload(self) -> bool:
        """Unload the entry: ZHA lets go of the stick."""
        return await self.hass.config_entries.async_unload(self.entry.entry_id)

    async def setup(self) -> bool:
        """Set up the entry again after `unload()`."""
        return await self.hass.config_entries.async_setup(self.entry.entry_id)

    def point_at(self, path: str) -> None:
        """Change where ZHA looks for its stick, from the next load on."""
        device = {**self.entry.data["device"], "path": path}
        self.hass.config_entries.async_update_entry(self.entry, data={**self.entry.data, "device": device})

    async def stop(self) -> None:
        """Unload ZHA, whatever became of it, so that nothing of it outlives the house."""
        if self.entry.state.recoverable and self.entry.state is not ConfigEntryState.NOT_LOADED:
            await self.unload()
        await end_window_tasks()

    # What a user does

    async def permit(self, duration: int = 60, *, context: Context | None = None, **more: Any) -> None:
        """Open the network by ZHA's service, as an automation or the developer tools do."""
        await self.hass.services.async_call(
            DOMAIN, "permit", {"duration": duration, **more}, blocking=True, context=context
        )

    async def remove(self, device: Device) -> None:
        """Remove a device by ZHA's service."""
        await self.hass.services.async_call(DOMAIN, "remove", {"ieee": ieee(device)}, blocking=True)

    async def close(self) -> None:
        """Close the network by ZHA's service."""
        await self.permit(0)

    # What can be seen

    def knows(self, device: Device) -> bool:
        """Whether the device went through ZHA's interview."""
        known = self.app.devices.get(EUI64.convert(ieee(device)))
        return known is not None and known.is_initialized

    def device_entry(self, device: Device) -> dr.DeviceEntry | None:
        """The device in Home Assistant's registry."""
        return dr.async_get(self.hass).async_get_device(identifiers={(DOMAIN, ieee(device))})

    def entities(self, device: Device) -> list[er.RegistryEntry]:
        """What Home Assistant made of the device."""
        entry = self.device_entry(device)
        return [] if entry is None else er.async_entries_for_device(er.async_get(self.hass), entry.id)

    def entity_id(self, device: Device, domain: str) -> str | None:
        """The device's entity of that domain that is the device itself, or None as long as there is none."""
        found = [
            entity for entity in self.entities(device) if entity.domain == domain and not entity.disabled
        ]
        primary = [entity for entity in found if entity.entity_category is None]
        return primary[0].entity_id if primary else None

    async def entity(self, device: Device, domain: str) -> str:
        """Wait for the device's entity of that domain, and for its state."""

        def there() -> bool:
            name = self.entity_id(device, domain)
            return name is not None and self.hass.states.get(name) is not None

        await until(there, f"A {domain} for {device.name}")
        name = self.entity_id(device, domain)
        assert name is not None
        return name

    async def joined(self, device: Device) -> None:
        """Wait until the device has joined and was interviewed."""
        await until(lambda: self.knows(device), f"The interview of {device.name}")

    async def admitted(self, device: Device) -> None:
        """Let the device in by ZHA's own means: with its install code if it has one, and wait for its interview."""
        if device.install_code is None:
            await self.permit()
        else:
            await self.permit(source_ieee=ieee(device), install_code=device.install_code.hex())
        device.power_on()
        await self.joined(device)
        await self.close()


def ieee(device: Device) -> str:
    """The device's address as ZHA writes it."""
    return format_eui64(device.eui64)
