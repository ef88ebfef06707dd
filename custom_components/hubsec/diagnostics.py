"""What a user sends along with a report: how the network stands, who is on it, what happened lately. And no secret.

Everything goes through :mod:`.redacting`, by value; ZHA's own diagnostics, which leave link keys in, are no part of it.
Names are left as they are: they are what makes the file readable, and the page that offers it says that it can be read.
"""

from __future__ import annotations

import importlib.metadata
from typing import Any, Final

import msgspec
from homeassistant.const import __version__ as home_assistant_version
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from hubsec import HubsecError, Network

from .network import HubsecConfigEntry, ProtectedNetwork
from .redacting import Redactor
from .residents import residents
from .telling import told

_PACKAGES: Final = ("hubsec", "zha", "zigpy", "bellows", "zwave-js-server-python")
_HASH_SHOWN: Final = 12
"""Digits of a policy's hash; all of them would look like a key."""


async def async_get_config_entry_diagnostics(hass: HomeAssistant, entry: HubsecConfigEntry) -> dict[str, Any]:
    """The entry's network, as it stands now."""
    network = entry.runtime_data
    await network.look()
    cleaner = Redactor(await _secrets(network), nameless=_names(network))
    cleaned: dict[str, Any] = cleaner.clean(
        {
            "versions": {
                "home_assistant": home_assistant_version,
                **await hass.async_add_executor_job(_versions),
            },
            "entry": {
                "title": entry.title,
                "stack": network.stack.domain,
                "stack_state": network.stack_entry.state.value if network.stack_entry is not None else None,
                "options": dict(entry.options),
            },
            "guard": {
                "standing": network.standing,
                "problem": network.problem,
                "protected": network.protected,
            },
            "posture": _posture(network),
            "allowlist": _plain(network.hub.allowlist.list()) if network.hub is not None else None,
            "devices": [
                {"device": one.device, "concerns": list(one.concerns)} for one in residents(network).values()
            ],
            "entrance": {
                "open_to": network.entrance.open_to,
                "open_until": _time(network.entrance.open_until),
                "listening_until": _time(network.entrance.listening_until),
                "knocks": list(network.entrance.knocks),
            },
            "events": [{"at": _time(event.time), **told(network, event)} for event in network.recent],
        }
    )
    return cleaned


def _names(network: ProtectedNetwork) -> list[str]:
    """The network's id, as it may be written."""
    known_as = network.network_id
    if network.stack.network is not Network.ZWAVE:
        return [known_as]
    return [known_as, str(int(known_as, 16))]


def _posture(network: ProtectedNetwork) -> Any:
    if network.posture is None:
        return None
    posture = _plain(network.posture)
    posture["policy_hash"] = posture["policy_hash"][:_HASH_SHOWN]
    return posture


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)


def _time(timestamp: float | None) -> str | None:
    return dt_util.utc_from_timestamp(timestamp).isoformat() if timestamp is not None else None


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found


async def _secrets(network: ProtectedNetwork) -> list[bytes]:
    """Every key that the stack and the store hold."""
    held = list(network.secrets())
    hub = network.hub
    for device in list(hub.allowlist) if hub is not None else ():
        try:
            key = await hub.allowlist.credential(device) if hub is not None else None
        except HubsecError:
            continue  # What can't be opened here can't be shown here.
        if key is not None:
            held.append(key.reveal())
    return held
