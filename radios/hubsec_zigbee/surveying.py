"""What a zigpy application runs, read from outside: nothing is put on it, and no frame is sent."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import zigpy.application

from hubsec.errors import RadioError
from hubsec.radio import Capabilities, SeenDevice
from hubsec_zigbee.capabilities import capabilities_of
from hubsec_zigbee.hosting import Hosting

_PACKAGES: Final = {
    "bellows": "bellows",
    "zigpy_znp": "znp",
    "zigpy_deconz": "deconz",
    "zigpy_xbee": "xbee",
    "zigpy_zigate": "zigate",
    "zigpy_ziggurat": "ziggurat",
    "zigpy_zboss": "zboss",
    "zigpy_blz": "blz",
}
"""The radio libraries' import packages, each with its row in the table of capabilities."""


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """A running network. `network_id` is the extended PAN id as 16 hex digits; `devices` leaves the coordinator out."""

    network_id: str
    capabilities: Capabilities
    devices: tuple[SeenDevice, ...]


def survey(app: Any) -> Survey:
    """The network that `app`, a running zigpy `ControllerApplication` of any radio library, runs.

    Raises :class:`~hubsec.errors.RadioError` for anything else, and :class:`~hubsec.errors.NotEnforceable` for a radio
    library that nothing is known of.
    """
    if not isinstance(app, zigpy.application.ControllerApplication):
        raise RadioError(f"That is no zigpy application, but a {type(app).__name__}.")
    hosting = Hosting(app, interviewed=_nothing, lost=_nothing)
    return Survey(
        network_id=hosting.network_id,
        capabilities=capabilities_of(_library(app)),
        devices=tuple(hosting.seen()),
    )


def _library(app: object) -> str:
    packages = [kind.__module__.partition(".")[0] for kind in type(app).__mro__]
    known = [_PACKAGES[package] for package in packages if package in _PACKAGES]
    return known[0] if known else packages[0]


def _nothing(_: str) -> None:
    """Nobody listens: the application is only read."""
