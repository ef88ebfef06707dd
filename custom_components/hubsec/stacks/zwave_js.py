"""Z-Wave networks that Home Assistant's Z-Wave integration runs, on a Z-Wave JS server.

What is used here is what its entry keeps for its own pages, actions and entities: the client of the server, with its
controller. It is tested on the real integration and the real server.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.device_registry import DeletedDeviceEntry, DeviceEntry
from homeassistant.helpers.importlib import async_import_module
from yarl import URL

from hubsec import Network, RadioError
from hubsec.identity import zwave_address
from hubsec.radio import Radio, answering
from hubsec.vault import Vault

from .stack import Found, Refusal, Stale

_CLIENT: Final = "client"
"""Where the entry's data have it."""
_URL: Final = "url"
_KEYS: Final = "_key"
"""How the names of the entry's fields end that hold the network's keys, for the server that it starts itself."""


class ZwaveJs:
    """Home Assistant's own Z-Wave integration. It has an entry for each network."""

    domain: Final = "zwave_js"
    name: Final = "Z-Wave JS"
    network: Final = Network.ZWAVE
    page: Final = "zwave"
    advice: Final[Mapping[str, str]] = MappingProxyType(
        {
            "host-inclusion": "refused_inclusion",
            "insecure-inclusion": "refused_insecure_inclusion",
            "host-restore": "refused_restore",
            "takeover": "refused_takeover",
            "quarantine": "refused_quarantined",
            "provisioning": "refused_provisioning",
        }
    )

    async def running(self, hass: HomeAssistant, entry: ConfigEntry) -> Any:
        """The client of the entry's server. The integration makes another one whenever it has lost the server."""
        data = getattr(entry, "runtime_data", None) if entry.state is ConfigEntryState.LOADED else None
        client = data.get(_CLIENT) if isinstance(data, dict) else None
        if client is None or client.driver is None or not client.connected:
            raise RadioError("Z-Wave JS is not running.")
        return client

    async def look(self, hass: HomeAssistant, entry: ConfigEntry) -> Found:
        """The network of the entry's server."""
        client = await self.running(hass, entry)
        surveying = await async_import_module(hass, "hubsec_zwave.surveying")
        seen = surveying.survey(client)
        gaps = await self._gaps(hass, entry)
        return Found(
            network_id=seen.network_id,
            radio=f"Z-Wave JS server {seen.server}",
            capabilities=seen.capabilities,
            devices=seen.devices,
            words={"others": _others(gaps)},
        )

    async def failure(self, hass: HomeAssistant) -> type[Exception] | None:
        """What a command of the client raises that the server did not do."""
        exceptions = await async_import_module(hass, "zwave_js_server.exceptions")
        failed: type[Exception] = exceptions.FailedCommand
        return failed

    async def radio(
        self, hass: HomeAssistant, entry: ConfigEntry, running: object, *, refusal: Refusal
    ) -> Radio:
        """A guard on that client."""
        zwave = await async_import_module(hass, "hubsec_zwave.radio")
        gaps = await self._gaps(hass, entry)
        radio: Radio = zwave.ZwaveJs.attach(
            running,
            name=self.domain,
            gaps=(zwave.OTHER_CLIENTS,) if gaps is None else gaps,
            refusal=refusal,
        )
        return radio

    async def _gaps(self, hass: HomeAssistant, entry: ConfigEntry) -> tuple[str, ...] | None:
        """What hubsec's gate can't hold that the entry's server is reached through; None where it is none."""
        asking = await async_import_module(hass, "hubsec_zwave.gate.asking")
        gaps: tuple[str, ...] | None = await asking.gaps(
            str(entry.data.get(_URL)), async_get_clientsession(hass)
        )
        return gaps

    async def close(self, hass: HomeAssistant, entry: ConfigEntry) -> None:
        """By the controller's own way to stop an inclusion, where one runs."""
        const = await async_import_module(hass, "zwave_js_server.const")
        with contextlib.suppress(RadioError):
            controller = (await self.running(hass, entry)).driver.controller
            if controller.inclusion_state is const.InclusionState.INCLUDING:
                await self._stop(controller)

    async def _stop(self, controller: Any) -> None:
        try:
            await controller.async_stop_inclusion()
        except HomeAssistantError:  # The guard's own.
            raise
        except Exception as error:
            raise HomeAssistantError(f"Z-Wave JS did not stop the inclusion: {error}") from error

    async def hush(self, hass: HomeAssistant) -> CALLBACK_TYPE:
        """Of the server's client."""
        quiet = (await async_import_module(hass, "hubsec_zwave.quiet")).Quiet()
        quiet.put_on()

        @callback
        def end() -> None:
            quiet.take_off()

        return end

    def secrets(self, entry: ConfigEntry | None, running: object) -> tuple[bytes, ...]:
        """The keys that the entry has for a server of its own, and its credential at a gate. The client knows none."""
        return () if entry is None else tuple(_secrets(entry.data))

    async def stale(
        self, hass: HomeAssistant, entry: ConfigEntry, vault: Vault, network_id: str
    ) -> Stale | None:
        """It keeps no keys: its server does."""
        return None

    async def renew(self, hass: HomeAssistant, entry: ConfigEntry, vault: Vault) -> None:
        """Nothing is to be done."""

    def addresses(self, device: DeviceEntry | DeletedDeviceEntry) -> Iterable[str]:
        """Home id and node id."""
        for domain, known_as in device.identifiers:
            home_id, _, node_id = known_as.partition("-")
            if domain == self.domain and home_id.isdecimal() and node_id.isdecimal():
                yield zwave_address(int(home_id), int(node_id))

    async def sing(self, hass: HomeAssistant, entry: ConfigEntry) -> bool:
        """A canary through the controller's own way to begin an inclusion, which the page "Add device" takes as
        well."""
        canaries = await async_import_module(hass, "hubsec.canaries")
        const = await async_import_module(hass, "zwave_js_server.const")
        refused: list[str] = []
        # Whatever else is raised is no refusal, and may have opened.
        with contextlib.suppress(RadioError), answering(self.name), canaries.canary():
            controller = (await self.running(hass, entry)).driver.controller
            try:
                await controller.async_begin_inclusion(const.InclusionStrategy.INSECURE)
            except HomeAssistantError as error:
                refused.append(getattr(error, "rule", ""))
        if refused == [canaries.CANARY]:
            return True
        with contextlib.suppress(RadioError, HomeAssistantError):
            await self._stop((await self.running(hass, entry)).driver.controller)
        return False


def _others(gaps: tuple[str, ...] | None) -> str:
    if gaps is None:
        return "no: whoever reaches the server can command it. Put hubsec's gate before it, and connect through that"
    if gaps:
        return "partly: there is a way past the gate, for the server answers others as well"
    return "yes, by the gate"


def _secrets(data: Mapping[str, Any]) -> Iterator[bytes]:
    for name, value in data.items():
        if name.endswith(_KEYS) and isinstance(value, str):
            with contextlib.suppress(ValueError):
                yield bytes.fromhex(value)
    with contextlib.suppress(ValueError, TypeError):
        password = URL(data[_URL]).password if _URL in data else None
        if password:
            yield password.encode()
