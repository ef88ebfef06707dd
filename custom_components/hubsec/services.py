"""The actions: what an administrator, or a script of theirs, asks of the guard.

A sticker is a secret, and Home Assistant fires the data of every call on its bus before the action runs: to the
recorder, to whoever listens, and into traces. So the action's schema, which runs before that, takes the sticker out of
the caller's data and leaves a word in its place. What that can't reach: an automation or a script in which the sticker
is written down, what the page with the actions remembers in the user's browser, and the log of Home Assistant's web
server at level debug.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
import voluptuous as vol
from homeassistant.components.diagnostics import REDACTED
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util

from hubsec import (
    AdmissionEnded,
    Device,
    Hub,
    HubsecError,
    Identity,
    Network,
    NotEnforceable,
    Outcome,
    PolicyError,
    Refused,
    StickerError,
)
from hubsec.device import device_of
from hubsec.entries import Entry, Use
from hubsec.errors import EntryError
from hubsec.identity import identity_on
from hubsec.policy.classes import DeviceClass
from hubsec.secret import Secret
from hubsec.stickers import read_sticker

from .asking import administrators_only, asker
from .const import DOMAIN
from .key_actions import KEY_ACTIONS
from .network import HubsecConfigEntry, ProtectedNetwork
from .notices import what_to_do
from .residents import residents
from .telling import device_at, name_of, registered

ATTR_CONFIG_ENTRY: Final = "config_entry_id"
ATTR_DEVICE: Final = "device"
ATTR_DEVICE_CLASS: Final = "device_class"
ATTR_DEVICE_ID: Final = "device_id"
ATTR_EXPIRES_AT: Final = "expires_at"
ATTR_MAKER: Final = "maker"
ATTR_NAME: Final = "name"
ATTR_REASON: Final = "reason"
ATTR_SECONDS: Final = "seconds"
ATTR_SINGLE_USE: Final = "single_use"
ATTR_SMART_START: Final = "smart_start"
ATTR_STICKER: Final = "sticker"
ATTR_WAIT: Final = "wait"

LONGEST_LISTENING: Final = 180
"""Seconds; no policy allows more (:mod:`hubsec.listening`)."""
_CALLERS_MISTAKES: Final = (EntryError, NotEnforceable, PolicyError, Refused, StickerError)
_ORDINARY_ENDS: Final = frozenset({Outcome.EXPIRED, Outcome.CANCELLED, Outcome.REFUSED})
"""Of an admission whose device did not come in. Only its failing is more than the caller needs to know."""

type _Handler = Callable[[ServiceCall, ProtectedNetwork, str], Awaitable[dict[str, Any]]]
"""Does it, for a caller of that name; raises :class:`hubsec.HubsecError`."""


def take_sticker(data: dict[str, Any]) -> dict[str, Any]:
    """A copy of `data` with the sticker as a :class:`hubsec.Secret`. In `data` itself, which the caller goes on to use,
    there is none any more."""
    if not isinstance(data, dict):
        raise vol.Invalid("expected a dictionary")
    if ATTR_STICKER not in data:
        return data
    sticker, data[ATTR_STICKER] = data[ATTR_STICKER], REDACTED
    if not isinstance(sticker, str):
        raise vol.Invalid("is no text: put it in quotes", path=[ATTR_STICKER])
    return {**data, ATTR_STICKER: Secret(sticker.encode("utf-8", "replace"))}


_NETWORK: Final[dict[Any, Any]] = {vol.Optional(ATTR_CONFIG_ENTRY): cv.string}
_ONE_DEVICE: Final[dict[Any, Any]] = {
    **_NETWORK,
    vol.Exclusive(ATTR_DEVICE, ATTR_DEVICE): cv.string,
    vol.Exclusive(ATTR_DEVICE_ID, ATTR_DEVICE): cv.string,
}


def _one_device(more: dict[Any, Any]) -> vol.All:
    return vol.All(vol.Schema({**_ONE_DEVICE, **more}), cv.has_at_least_one_key(ATTR_DEVICE, ATTR_DEVICE_ID))


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register the actions."""
    for name, (handler, schema, response) in _ACTIONS.items():
        hass.services.async_register(DOMAIN, name, _for_admins(hass, handler), schema, response)


def _for_admins(
    hass: HomeAssistant, handler: _Handler
) -> Callable[[ServiceCall], Coroutine[Any, Any, ServiceResponse]]:
    """`handler` for administrators only, with hubsec's errors as Home Assistant's."""

    async def handle(call: ServiceCall) -> ServiceResponse:
        await administrators_only(hass, call.context)
        network = _network(hass, call.data.get(ATTR_CONFIG_ENTRY))
        try:
            answer = await handler(call, network, await asker(hass, call.context))
        except HubsecError as error:
            kind = ServiceValidationError if _ordinary(error) else HomeAssistantError
            words = {"network": network.entry.title, "reason": str(error)}
            raise kind(
                translation_domain=DOMAIN, translation_key="not_done", translation_placeholders=words
            ) from error
        return {"network": network.entry.title, **answer} if call.return_response else None

    return handle


def _ordinary(error: HubsecError) -> bool:
    """Whether that is the caller's own affair, of which Home Assistant logs no traceback."""
    if isinstance(error, AdmissionEnded):
        return error.outcome in _ORDINARY_ENDS
    return isinstance(error, _CALLERS_MISTAKES)


# The actions


async def _admit(call: ServiceCall, network: ProtectedNetwork, by: str) -> dict[str, Any]:
    said, expires_at = call.data, call.data.get(ATTR_EXPIRES_AT)
    sticker = said[ATTR_STICKER].reveal().decode()
    how: dict[str, Any] = {
        "name": said[ATTR_NAME],
        "device": said.get(ATTR_DEVICE),
        "device_class": said.get(ATTR_DEVICE_CLASS),
        "maker": said.get(ATTR_MAKER),
        "expires_at": _timestamp(expires_at) if expires_at is not None else None,
        "use": Use.SINGLE if said[ATTR_SINGLE_USE] else Use.STANDING,
        "smart_start": said.get(ATTR_SMART_START),
        "by": by,
    }
    if said.get(ATTR_WAIT, not _takes_hours(sticker, network, said)):
        return _device(await network.entrance.admit(sticker, **how))
    device, closes_at = await network.entrance.begin(sticker, **how)
    return {
        "device": device,
        "name": said[ATTR_NAME],
        "closes_at": _time(closes_at),
        "what_to_do": what_to_do(network, device, closes_at),
    }


def _takes_hours(sticker: str, network: ProtectedNetwork, said: Mapping[str, Any]) -> bool:
    """Whether that device may come in hours from now, which nobody is to wait for. Raises
    :class:`hubsec.StickerError`."""
    if network.stack.network is not Network.ZWAVE:
        return False
    read = read_sticker(sticker, device=said.get(ATTR_DEVICE))
    return bool(said.get(ATTR_SMART_START, read.smart_start))


async def _listen(call: ServiceCall, network: ProtectedNetwork, by: str) -> dict[str, Any]:
    return {"closes_at": _time(await network.entrance.listen(call.data.get(ATTR_SECONDS), by=by))}


async def _approve(call: ServiceCall, network: ProtectedNetwork, by: str) -> dict[str, Any]:
    device = _identity(call, network)
    closes_at = await network.entrance.approve(device, name=call.data[ATTR_NAME], by=by)
    return {"device": device, "closes_at": _time(closes_at)}


async def _allow(call: ServiceCall, network: ProtectedNetwork, by: str) -> dict[str, Any]:
    device, name = _identity(call, network), call.data.get(ATTR_NAME)
    hub = network.guarded()
    if name is None and device not in hub.allowlist:
        name = name_of(network, device)
    return _device(await hub.allow(device, name=name, by=by))


async def _revoke(call: ServiceCall, network: ProtectedNetwork, by: str) -> dict[str, Any]:
    entry = await network.guarded().allowlist.revoke(_identity(call, network), by=by)
    await network.look()
    return {"device": entry.device, "name": entry.label}


async def _evict(call: ServiceCall, network: ProtectedNetwork, by: str) -> dict[str, Any]:
    device = _identity(call, network)
    eviction = await network.guarded().evict(device, by=by, reason=call.data.get(ATTR_REASON, ""))
    return {"device": device, **msgspec.to_builtins(eviction)}


async def _quarantine(call: ServiceCall, network: ProtectedNetwork, by: str) -> dict[str, Any]:
    device, hub = _identity(call, network), network.guarded()
    await hub.quarantine(device, call.data[ATTR_REASON], by=by)
    return _listed(hub, device)


async def _release(call: ServiceCall, network: ProtectedNetwork, by: str) -> dict[str, Any]:
    device, hub = _identity(call, network), network.guarded()
    await hub.release(device, by=by)
    return _listed(hub, device)


async def _list(_call: ServiceCall, network: ProtectedNetwork, _by: str) -> dict[str, Any]:
    hub = network.guarded()
    await network.look()
    posture = await hub.posture()
    return {
        "guard": network.standing.value,
        "protected": network.protected,
        "mode": posture.mode.value,
        "policy": posture.policy,
        "alarm": posture.alarm,
        "networks": [
            {
                "network_id": one.state.network_id,
                "adopted": one.adopted,
                "exposed": one.exposed,
                "keys": msgspec.to_builtins(one.keys),
                "closed": one.state.closed,
                "listening": one.state.listening,
                "open_to": list(one.state.open_to),
                "gaps": list(one.state.gaps),
            }
            for one in posture.networks
        ],
        "allowlist": [_entry(entry) for entry in hub.allowlist.list()],
        "unapproved": [
            {
                "device": resident.device,
                "name": name_of(network, resident.device),
                "concerns": [concern.value for concern in resident.concerns],
            }
            for resident in residents(network).values()
            if not resident.approved
        ],
    }


_ACTIONS: Final[dict[str, tuple[_Handler, vol.Schema | vol.All, SupportsResponse]]] = {
    "admit": (
        _admit,
        vol.All(
            take_sticker,
            vol.Schema(
                {
                    **_NETWORK,
                    vol.Required(ATTR_STICKER): Secret,
                    vol.Required(ATTR_NAME): cv.string,
                    vol.Optional(ATTR_DEVICE): cv.string,
                    vol.Optional(ATTR_DEVICE_CLASS): vol.In([one.value for one in DeviceClass]),
                    vol.Optional(ATTR_MAKER): cv.string,
                    vol.Optional(ATTR_EXPIRES_AT): cv.datetime,
                    vol.Optional(ATTR_SINGLE_USE, default=False): cv.boolean,
                    vol.Optional(ATTR_SMART_START): cv.boolean,
                    vol.Optional(ATTR_WAIT): cv.boolean,
                }
            ),
        ),
        SupportsResponse.OPTIONAL,
    ),
    "listen": (
        _listen,
        vol.Schema(
            {
                **_NETWORK,
                vol.Optional(ATTR_SECONDS): vol.All(
                    vol.Coerce(float), vol.Range(min=1, max=LONGEST_LISTENING)
                ),
            }
        ),
        SupportsResponse.OPTIONAL,
    ),
    "approve": (
        _approve,
        vol.Schema({**_NETWORK, vol.Required(ATTR_DEVICE): cv.string, vol.Required(ATTR_NAME): cv.string}),
        SupportsResponse.OPTIONAL,
    ),
    "allow": (_allow, _one_device({vol.Optional(ATTR_NAME): cv.string}), SupportsResponse.OPTIONAL),
    "revoke": (_revoke, _one_device({}), SupportsResponse.OPTIONAL),
    "evict": (_evict, _one_device({vol.Optional(ATTR_REASON): cv.string}), SupportsResponse.OPTIONAL),
    "quarantine": (
        _quarantine,
        _one_device({vol.Required(ATTR_REASON): cv.string}),
        SupportsResponse.OPTIONAL,
    ),
    "release": (_release, _one_device({}), SupportsResponse.OPTIONAL),
    "list": (_list, vol.Schema(_NETWORK), SupportsResponse.ONLY),
    **{
        name: (handler, vol.Schema({**_NETWORK, **fields}), response)
        for name, (handler, fields, response) in KEY_ACTIONS.items()
    },
}
"""Each with its schema, and whether it answers."""


# What they share


@callback
def _network(hass: HomeAssistant, entry_id: str | None) -> ProtectedNetwork:
    """The network of that entry, or the only one that there is."""
    entries: list[HubsecConfigEntry] = [
        entry for entry in hass.config_entries.async_entries(DOMAIN) if entry_id in (None, entry.entry_id)
    ]
    if len(entries) != 1:
        key = "which_network" if entries else "no_network"
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key=key)
    if entries[0].state is not ConfigEntryState.LOADED:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="not_loaded",
            translation_placeholders={"network": entries[0].title},
        )
    return entries[0].runtime_data


@callback
def _identity(call: ServiceCall, network: ProtectedNetwork) -> Identity:
    """Which device is meant, by its address or by Home Assistant's id of it."""
    device_id = call.data.get(ATTR_DEVICE_ID)
    if device_id is None:
        return identity_on(network.stack.network, call.data[ATTR_DEVICE])
    there = network.stack_entry
    known = registered(network.hass, there.entry_id) if there is not None else {}
    for address, device in known.items():
        if device.id == device_id:
            return device_at(network, address)
    raise ServiceValidationError(
        translation_domain=DOMAIN,
        translation_key="unknown_device",
        translation_placeholders={"network": network.entry.title},
    )


def _device(device: Device) -> dict[str, Any]:
    return {"device": device.identity, "name": device.name, "security": str(device.security)}


def _listed(hub: Hub, device: Identity) -> dict[str, Any]:
    return _device(device_of(hub.allowlist[device]))


def _entry(entry: Entry) -> dict[str, Any]:
    """A row of the allowlist as JSON; it holds no secret."""
    row: dict[str, Any] = msgspec.to_builtins(entry)
    for field in ("approved_at", "expires_at", "joined_at"):
        row[field] = _time(row[field]) if row[field] is not None else None
    return {**row, "security": str(device_of(entry).security)}


def _time(timestamp: float) -> str:
    return dt_util.utc_from_timestamp(timestamp).isoformat()


def _timestamp(time: datetime) -> float:
    """Of a time that is local where it does not say."""
    return dt_util.as_utc(time).timestamp()
