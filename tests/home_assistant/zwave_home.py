"""The real Z-Wave integration of a real Home Assistant, on the server of an emulated house, and what a user does with
it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from guarded import Guarded, hubsec_entry
from homeassistant.components.persistent_notification import _async_get_or_create_notifications
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MockHAClientWebSocket
from zha_house import PATIENCE, until
from zwave_js_server.client import Client
from zwave_js_server.model.controller import Controller

from hubsec.identity import Mode
from hubsec_emulated.zwave.device import ZWaveDevice
from hubsec_emulated.zwave.house import ZWaveHouse

DOMAIN = "zwave_js"
TITLE = "Emulated controller"
DEFAULT, INSECURE, S0, S2 = 0, 2, 3, 4
"""The strategies of the page "Add device"."""


def zwave_entry(url: str) -> MockConfigEntry:
    """An entry as the integration's config flow makes it for a server that somebody else runs."""
    data = {"url": url, "usb_path": None, "use_addon": False, "integration_created_addon": False}
    return MockConfigEntry(domain=DOMAIN, title=TITLE, data=data, unique_id=url)


class Zwave:
    """Z-Wave JS in `hass`, on the server of `house`. It is set up by `start()`, and not before."""

    def __init__(self, hass: HomeAssistant, house: ZWaveHouse, url: str | None = None) -> None:
        self.hass = hass
        self.house = house
        entry = zwave_entry(url or house.url)
        entry.add_to_hass(hass)
        self.entry: ConfigEntry = entry

    @property
    def client(self) -> Client:
        """The server's client. Another one after each reload."""
        client: Client = self.entry.runtime_data["client"]
        return client

    @property
    def controller(self) -> Controller:
        """What the integration believes of the network."""
        driver = self.client.driver
        assert driver is not None
        return driver.controller

    @property
    def home_id(self) -> int:
        """The network's."""
        return int(self.controller.data["homeId"])

    def address(self, device: ZWaveDevice) -> str:
        """What the device is called by where it is."""
        return f"{self.home_id:08x}:{device.node_id}"

    # The entry's life

    async def start(self) -> None:
        """Set it up. To be called before the first websocket client is made."""
        assert await async_setup_component(self.hass, DOMAIN, {})
        await self.loaded()

    async def loaded(self) -> None:
        """Wait until it is loaded, as after a reload that somebody else asked for."""
        await until(lambda: self.entry.state is ConfigEntryState.LOADED, "Loading Z-Wave JS")

    async def reload(self) -> bool:
        """Reload the entry."""
        return await self.hass.config_entries.async_reload(self.entry.entry_id)

    async def unload(self) -> bool:
        """Unload the entry."""
        return await self.hass.config_entries.async_unload(self.entry.entry_id)

    async def setup(self) -> bool:
        """Set up the entry again after `unload()`."""
        return await self.hass.config_entries.async_setup(self.entry.entry_id)

    async def stop(self) -> None:
        """Unload it, whatever became of it."""
        if self.entry.state.recoverable and self.entry.state is not ConfigEntryState.NOT_LOADED:
            await self.unload()

    # What a user does

    async def included(self, device: ZWaveDevice) -> ZWaveDevice:
        """Let the device in as it was before hubsec: with S2 if it has that, else in the clear."""
        controller = self.controller
        granted = asyncio.Event()

        def grant(event: dict[str, Any]) -> None:
            self.hass.async_create_task(controller.async_grant_security_classes(event["requested_grant"]))
            granted.set()

        def pin(_: dict[str, Any]) -> None:
            self.hass.async_create_task(controller.async_validate_dsk_and_enter_pin(device.pin))

        ends = [
            controller.on("grant security classes", grant),
            controller.on("validate dsk and enter pin", pin),
        ]
        assert await controller.async_begin_inclusion(S2 if device.security == "s2" else INSECURE)  # type: ignore[arg-type]
        device.press_button()
        await self.ready(device)
        for end in ends:
            end()
        return device

    async def ready(self, device: ZWaveDevice) -> None:
        """Wait until the device is on the network, was interviewed, and the integration has made its entities."""
        await until(lambda: device.node_id in self.controller.nodes, f"The inclusion of {device.name}")
        await until(lambda: self.controller.nodes[device.node_id].ready, f"The interview of {device.name}")
        await self.hass.async_block_till_done()

    # What can be seen

    def device_entry(self, device: ZWaveDevice) -> dr.DeviceEntry | None:
        """The device in Home Assistant's registry."""
        known_as = {(DOMAIN, f"{self.home_id}-{device.node_id}")}
        return dr.async_get(self.hass).async_get_device(identifiers=known_as)

    def entity_id(self, device: ZWaveDevice, domain: str) -> str | None:
        """The device's entity of that domain that is the device itself, or None as long as there is none."""
        there = self.device_entry(device)
        found = [] if there is None else er.async_entries_for_device(er.async_get(self.hass), there.id)
        primary = [one.entity_id for one in found if one.domain == domain and one.entity_category is None]
        return primary[0] if primary else None

    async def entity(self, device: ZWaveDevice, domain: str) -> str:
        """Wait for the device's entity of that domain, and for its state."""

        def there() -> bool:
            name = self.entity_id(device, domain)
            return name is not None and self.hass.states.get(name) is not None

        await until(there, f"A {domain} for {device.name}")
        name = self.entity_id(device, domain)
        assert name is not None
        return name

    def state(self, entity_id: str) -> str:
        """The state of that entity."""
        state = self.hass.states.get(entity_id)
        assert state is not None
        return state.state


class GuardedZwave(Guarded):
    """hubsec's entry for `zwave`."""

    def __init__(self, zwave: Zwave, entry: ConfigEntry) -> None:
        super().__init__(zwave.hass, zwave.entry, entry)
        self.zwave = zwave

    def identity(self, device: ZWaveDevice) -> str:
        """What the device is called once it has proved its DSK."""
        return device.dsk.partition("-")[2]

    def notifications(self) -> dict[str, str]:
        """hubsec's notifications that are shown: title and text."""
        shown = _async_get_or_create_notifications(self.hass)
        return {
            str(one["title"]): one["message"].replace("\\", "")
            for known_as, one in shown.items()
            if known_as.startswith("hubsec")
        }


async def guarded_zwave(
    zwave: Zwave,
    mode: str = Mode.ENFORCE,
    *,
    adopt: Iterable[ZWaveDevice] | None = (),
    policy: str = "home",
) -> GuardedZwave:
    """hubsec, set up on a Z-Wave JS that is loaded."""
    known = None if adopt is None else [zwave.address(device) for device in adopt]
    entry = hubsec_entry(zwave.entry, f"{zwave.home_id:08x}", mode, known, policy)
    entry.add_to_hass(zwave.hass)
    made = GuardedZwave(zwave, entry)
    await made.set_up()
    await zwave.hass.async_block_till_done()
    return made


class AddDevice:
    """The page "Add device", in an administrator's browser: what it asks, and what it is told."""

    def __init__(self, zwave: Zwave, websocket: MockHAClientWebSocket) -> None:
        self.zwave = zwave
        self._websocket = websocket
        self.told: list[dict[str, Any]] = []

    async def ask(self, command: str, **more: Any) -> dict[str, Any]:
        """Ask for something of Z-Wave JS; the answer, with or without success."""
        whose = {} if "device_id" in more else {"entry_id": self.zwave.entry.entry_id}
        asked = {"type": f"{DOMAIN}/{command}", **whose, **more}
        await self._websocket.send_json_auto_id(asked)
        while True:
            answer: dict[str, Any] = await self._websocket.receive_json(timeout=PATIENCE)
            if answer["type"] == "result":
                return answer
            self.told.append(answer["event"])

    async def hear(self, kind: str) -> dict[str, Any]:
        """Wait until the page is told of that."""
        while not (found := [one for one in self.told if one.get("event") == kind]):
            answer = await self._websocket.receive_json(timeout=PATIENCE)
            self.told.append(answer["event"])
        return found[-1]


@asynccontextmanager
async def other_client(house: ZWaveHouse) -> AsyncGenerator[Client]:
    """Another client of the same server."""
    async with aiohttp.ClientSession() as session:
        client = Client(house.url, session)
        await client.connect()
        ready = asyncio.Event()
        listening = asyncio.ensure_future(client.listen(ready))
        await ready.wait()
        try:
            yield client
        finally:
            await client.disconnect()
            await asyncio.gather(listening, return_exceptions=True)
