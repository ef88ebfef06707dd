"""Zigbee networks that ZHA runs.

ZHA has no interface for others. What is used here (its helper for the gateway, the gateway's application controller,
its service `permit`) is what other integrations that attach to it use as well, and is tested on the real ZHA.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.device_registry import CONNECTION_ZIGBEE, DeletedDeviceEntry, DeviceEntry
from homeassistant.helpers.importlib import async_import_module

from hubsec import Network, RadioError
from hubsec.radio import Radio, answering

from .stack import Found, Refusal

_HELPERS: Final = "homeassistant.components.zha.helpers"
_PERMIT: Final = "permit"
_DURATION: Final = "duration"
_CANARY_SECONDS: Final = 1
"""What a canary asks for: the least that opens anything."""
_STICKS: Final = {
    "bellows": "Silicon Labs stick (EZSP)",
    "znp": "Texas Instruments stick (Z-Stack)",
    "deconz": "ConBee or RaspBee (deCONZ)",
    "xbee": "Digi XBee",
    "zigate": "ZiGate",
    "zboss": "Nordic stick (ZBOSS)",
    "blz": "Bouffalo Lab stick (BLZ)",
}
"""What people call them, by radio library. Any other goes by its library's name."""


class Zha:
    """Home Assistant's own Zigbee integration."""

    domain: Final = "zha"
    name: Final = "ZHA"
    network: Final = Network.ZIGBEE
    page: Final = "network"
    advice: Final[Mapping[str, str]] = MappingProxyType(
        {
            "host-permit": "refused_host_permit",
            "host-restore": "refused_restore",
            "green-power-shut": "refused_green_power",
            "quarantine": "refused_quarantined",
            "raw-command": "refused_raw_command",
        }
    )

    async def running(self, hass: HomeAssistant, entry: ConfigEntry) -> Any:
        """zigpy's application of the gateway that is loaded now. ZHA has one gateway at a time."""
        helpers = await async_import_module(hass, _HELPERS)
        try:
            app = helpers.get_zha_gateway(hass).application_controller
        except (KeyError, ValueError):
            app = None
        if app is None:
            raise RadioError("ZHA is not running.")
        return app

    async def look(self, hass: HomeAssistant, entry: ConfigEntry) -> Found:
        """The network that ZHA runs now."""
        app = await self.running(hass, entry)
        surveying = await async_import_module(hass, "hubsec_zigbee.surveying")
        seen = surveying.survey(app)
        return Found(
            network_id=seen.network_id,
            radio=_STICKS.get(seen.capabilities.library, seen.capabilities.library),
            capabilities=seen.capabilities,
            devices=seen.devices,
        )

    async def failure(self, hass: HomeAssistant) -> type[Exception] | None:
        """ZHA lets any error of Home Assistant's through."""
        return None

    async def radio(
        self, hass: HomeAssistant, entry: ConfigEntry, running: object, *, refusal: Refusal
    ) -> Radio:
        """A guard on that application; on a radio that can't be enforced on, one that only watches."""
        surveying = await async_import_module(hass, "hubsec_zigbee.surveying")
        radio: Radio
        if surveying.survey(running).capabilities.enforced:
            bellows = await async_import_module(hass, "hubsec_zigbee.bellows")
            radio = bellows.Bellows.attach(running, name=self.domain, refusal=refusal)
        else:
            observed = await async_import_module(hass, "hubsec_zigbee.observed")
            radio = observed.Observed.attach(running, name=self.domain, refusal=refusal)
        return radio

    async def close(self, hass: HomeAssistant, entry: ConfigEntry) -> None:
        """By the service `zha.permit`, for no time."""
        if hass.services.has_service(self.domain, _PERMIT):
            await hass.services.async_call(self.domain, _PERMIT, {_DURATION: 0}, blocking=True)

    async def hush(self, hass: HomeAssistant) -> CALLBACK_TYPE:
        """Of the libraries below ZHA, also while it starts, when no guard stands yet."""
        quiet = (await async_import_module(hass, "hubsec_zigbee.quiet")).Quiet()
        quiet.put_on()

        @callback
        def end() -> None:
            quiet.take_off()

        return end

    def secrets(self, entry: ConfigEntry | None, running: Any) -> tuple[bytes, ...]:
        """What zigpy knows of the network, now and in its backups."""
        infos = [running.state.network_info, *(backup.network_info for backup in running.backups.backups)]
        return tuple(key for info in infos for key in _keys(info))

    def addresses(self, device: DeviceEntry | DeletedDeviceEntry) -> Iterable[str]:
        """Its EUI64."""
        return (address for kind, address in device.connections if kind == CONNECTION_ZIGBEE)

    async def sing(self, hass: HomeAssistant, entry: ConfigEntry) -> bool:
        """A canary through the service `zha.permit`."""
        canaries = await async_import_module(hass, "hubsec.canaries")
        refused: list[str] = []
        # Whatever else is raised is no refusal, and may have opened.
        with contextlib.suppress(RadioError), answering(self.name), canaries.canary():
            try:
                await hass.services.async_call(
                    self.domain, _PERMIT, {_DURATION: _CANARY_SECONDS}, blocking=True
                )
            except HomeAssistantError as error:
                refused.append(getattr(error, "rule", ""))
        if refused == [canaries.CANARY]:
            return True
        with contextlib.suppress(RadioError), answering(self.name):
            await self.close(hass, entry)
        return False


def _keys(info: Any) -> Iterator[bytes]:
    for key in (info.network_key, info.tc_link_key, *info.key_table):
        if key is not None:
            yield key.key.serialize()
    # zigpy checks nothing of this in a backup that somebody brought along.
    match info.stack_specific:
        case {"ezsp": {"hashed_tclk": str(hashed)}}:
            yield hashed.encode("utf-8", "replace")
            with contextlib.suppress(ValueError):
                yield bytes.fromhex(hashed)
