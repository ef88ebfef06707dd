"""Zigbee networks that ZHA runs.

ZHA has no interface for others. What is used here (its helper for the gateway, the gateway's application controller,
its service `permit`) is what other integrations that attach to it use as well, and is tested on the real ZHA.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.device_registry import CONNECTION_ZIGBEE, DeletedDeviceEntry, DeviceEntry
from homeassistant.helpers.importlib import async_import_module

from hubsec import Network, RadioError
from hubsec.radio import Radio, answering
from hubsec.secret import Secret
from hubsec.vault import Vault

from .stack import Found, Refusal, Stale

if TYPE_CHECKING:
    from hubsec_zigbee.known_keys import KnownKeys

_HELPERS: Final = "homeassistant.components.zha.helpers"
_PERMIT: Final = "permit"
_DURATION: Final = "duration"
_DATABASE: Final = "database_path"
"""Where ZHA's own configuration says that its database is; else it has this name, in the configuration folder."""
_DATABASE_NAME: Final = "zigbee.db"
_INCONSISTENT: Final = "inconsistent_network_settings"
"""ZHA's own issue when its newest backup and the stick differ. Its data have both, keys and all."""
_STICK_BEHIND: Final = (
    "The stick has a network key that this network has left: an old backup was put back on it, or it is another stick. "
    'The devices have a newer one. In ZHA\'s own repair choose "Restore backup".'
)
_NOBODY_KNOWS: Final = (
    "The stick has a network key that neither ZHA nor hubsec has a record of: most likely a backup of Home Assistant "
    'from before the last change of the key was put back. In ZHA\'s own repair choose "Keep the new settings". To '
    "restore the backup there puts the old key on the stick, and the devices have the new one."
)
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

    async def stale(
        self, hass: HomeAssistant, entry: ConfigEntry, vault: Vault, network_id: str
    ) -> Stale | None:
        """By the backups in its database; and by what ZHA has found on the stick, which its own repair knows."""
        repairing = await async_import_module(hass, "hubsec_zigbee.repairing")
        known_keys = await async_import_module(hass, "hubsec_zigbee.known_keys")
        known = await known_keys.known_keys(vault, network_id)
        on_stick = _key_on_stick(hass, network_id)
        if on_stick is not None and (reason := stick_behind(known, on_stick)):
            return Stale(reason=reason, mendable=False)
        repairs = await repairing.examine_database(await self._database(hass), vault)
        reasons = [repair.reason for repair in repairs if repair.network_id == network_id]
        return Stale(reason=" ".join(reasons), mendable=True) if reasons else None

    async def renew(self, hass: HomeAssistant, entry: ConfigEntry, vault: Vault) -> None:
        """The same backups."""
        repairing = await async_import_module(hass, "hubsec_zigbee.repairing")
        await repairing.repair_database(await self._database(hass), vault)

    async def _database(self, hass: HomeAssistant) -> Path:
        helpers = await async_import_module(hass, _HELPERS)
        configured = helpers.get_zha_data(hass).yaml_config.get(_DATABASE)
        return Path(configured or hass.config.path(_DATABASE_NAME))

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


def _key_on_stick(hass: HomeAssistant, network_id: str) -> Secret | None:
    """The network key that ZHA found on the stick when it would not start on it; None where it says nothing of that
    network."""
    issue = ir.async_get(hass).async_get_issue(Zha.domain, _INCONSISTENT)
    match issue.data if issue is not None else None:
        case {
            "new_state": {
                "network_info": {"extended_pan_id": str(known_as), "network_key": {"key": str(key)}}
            }
        }:
            if known_as.replace(":", "").lower() != network_id:
                return None
            with contextlib.suppress(ValueError):
                return Secret(bytes.fromhex(key.replace(":", "")))
    return None


def stick_behind(known: KnownKeys, on_stick: Secret) -> str:
    """What is to be said of a stick with that key, where bringing ZHA's database to hubsec's records would not help."""
    if known.retired(on_stick):
        return _STICK_BEHIND
    recorded = [one.key for one in known.ring.keys]
    if known.journal is not None:
        recorded += [one.key for one in known.journal.chain]
    return "" if on_stick in recorded else _NOBODY_KNOWS


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
