"""The real ZHA of a real Home Assistant, on the stick of an emulated house, and what a user does with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import bellows
import zigpy
from homeassistant.bootstrap import DATA_REGISTRIES_LOADED
from homeassistant.components.zha.const import DOMAIN
from homeassistant.components.zha.helpers import get_zha_gateway
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_STARTED
from homeassistant.core import Context, CoreState, HomeAssistant
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import category_registry as cr
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import floor_registry as fr
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers import label_registry as lr
from homeassistant.helpers import restore_state
from homeassistant.setup import async_setup_component
from homeassistant.util.async_ import _SHUTDOWN_RUN_CALLBACK_THREADSAFE
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_test_home_assistant
from pytest_homeassistant_custom_component.typing import MockHAClientWebSocket
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


async def end_radio_tasks() -> None:
    """End what bellows and zigpy leave running when they are shut down in the middle of something: the task that
    changes the policy back two seconds after each window, interviews, answers that nobody waits for. Nobody else's."""
    folders = tuple(str(Path(package.__file__).parent) for package in (bellows, zigpy))
    tasks = [
        task
        for task in asyncio.all_tasks()
        if (code := getattr(task.get_coro(), "cr_code", None)) and code.co_filename.startswith(folders)
    ]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def load_registries(hass: HomeAssistant) -> None:
    """Load the registries as a start does, before Home Assistant runs, from the storage that the harness keeps in
    memory, and let them write there. The harness' own registries forget everything."""
    hass.set_state(CoreState.not_running)
    for registry in (ar, cr, dr, er, fr, ir, lr, restore_state):
        await registry.async_load(hass)
    hass.data[DATA_REGISTRIES_LOADED] = None
    hass.set_state(CoreState.running)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)


def zha_entry(path: str) -> MockConfigEntry:
    """An entry as ZHA's config flow makes it for an EZSP stick at this path."""
    device = {"path": path, "baudrate": 115200, "flow_control": None}
    data = {"device": device, "radio_type": "ezsp"}
    return MockConfigEntry(domain=DOMAIN, version=4, title="Emulated stick", data=data)


class Zha:
    """ZHA in `hass`, on the stick of `house`. It is set up by `start()`, and not before."""

    def __init__(self, hass: HomeAssistant, house: House, entry: ConfigEntry | None = None) -> None:
        self.hass = hass
        self.house = house
        if entry is None:
            entry = zha_entry(socket_url(house))
            entry.add_to_hass(hass)
        self.entry: ConfigEntry = entry

    @property
    def app(self) -> ControllerApplication:
        """zigpy's application of the gateway that is loaded now. Another one after each reload."""
        return get_zha_gateway(self.hass).application_controller

    # The entry's life

    async def start(self) -> None:
        """Set ZHA up, for the first time in this Home Assistant: on a blank stick it forms a network.

        To be called before the first websocket client is made: with that, the harness lets no component add web pages.
        """
        # A channel, so that zigpy doesn't form a network for its energy scan first; and no index of updates is fetched.
        config = {DOMAIN: {"zigpy_config": {"network": {"channel": CHANNEL}, "ota": {"enabled": False}}}}
        assert await async_setup_component(self.hass, DOMAIN, config)

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
        await end_radio_tasks()

    @asynccontextmanager
    async def without_stick(self) -> AsyncGenerator[None]:
        """Pull the stick: the connection breaks, and nothing answers at its address until the block ends."""
        port = self.house.server.port
        await self.house.server.close()
        try:
            yield
        finally:
            await self.house.server.start(port=port)

    @asynccontextmanager
    async def restarted(self) -> AsyncGenerator[Zha]:
        """Stop this Home Assistant and start another one on what it left: its storage, ZHA's database, and the stick,
        which stayed powered. ZHA is not set up in it yet."""
        self.hass.config_entries._async_schedule_save()
        await self.hass.async_stop(force=True)
        await end_radio_tasks()
        # The harness ends one Home Assistant in each loop; this mark would keep the next one from using threads.
        vars(self.hass.loop).pop(_SHUTDOWN_RUN_CALLBACK_THREADSAFE, None)
        folder = self.hass.config.config_dir
        async with async_test_home_assistant(load_registries=False, config_dir=folder) as hass:
            await load_registries(hass)
            await hass.config_entries.async_initialize()
            entry = hass.config_entries.async_get_entry(self.entry.entry_id)
            zha = Zha(hass, self.house, entry)
            try:
                yield zha
            finally:
                await zha.stop()
                await hass.async_stop(force=True)

    # What a user does

    async def permit(self, duration: int = 60, *, context: Context | None = None, **more: Any) -> None:
        """Open the network by ZHA's service, as an automation or the developer tools do."""
        await self.hass.services.async_call(
            DOMAIN, "permit", {"duration": duration, **more}, blocking=True, context=context
        )

    async def permit_on_page(
        self, websocket: MockHAClientWebSocket, duration: int = 60, **more: Any
    ) -> dict[str, Any]:
        """Open the network as the page "Add device" does. What comes back is the answer, with or without success; what
        the page shows of ZHA's log in the meantime is left out."""
        await websocket.send_json_auto_id({"type": "zha/devices/permit", "duration": duration, **more})
        while True:
            answer: dict[str, Any] = await websocket.receive_json(timeout=PATIENCE)
            if answer["type"] == "result":
                return answer

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

    async def steered(self, device: Device) -> None:
        """Wait until the device has opened the network for others, as each does that has come in."""
        if device.exchanges_link_key and device.opens_network:
            await until(lambda: device.link_keys.verified, f"The link key of {device.name}")
            await self.house.sleep(max(device.timing.opening_delay))

    async def admitted(self, device: Device) -> None:
        """Let the device in by ZHA's own means: with its install code if it has one, and wait for its interview. What
        it opens is closed again."""
        if device.install_code is None:
            await self.permit()
        else:
            await self.permit(source_ieee=ieee(device), install_code=device.install_code.hex())
        device.power_on()
        await self.joined(device)
        await self.steered(device)
        await self.close()


def ieee(device: Device) -> str:
    """The device's address as ZHA writes it."""
    return format_eui64(device.eui64)
