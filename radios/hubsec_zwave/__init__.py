"""Enforces who may join a Z-Wave network, on the Z-Wave JS server that people already run.

:class:`ZwaveJs` is the radio: ``ZwaveJs("ws://127.0.0.1:3000")`` connects to a server, ``ZwaveJs.attach(client)``
guards a client that somebody else runs. Importing this loads no client library; the names load when used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubsec_zwave.capabilities import CAPABILITIES
from hubsec_zwave.limits import Limits
from hubsec_zwave.roles import Role
from hubsec_zwave.screening import Forward, Judge, Refusal, Released, Screen

if TYPE_CHECKING:
    from hubsec_zwave.link import CommandRefused
    from hubsec_zwave.radio import OTHER_CLIENTS, ZwaveJs

__all__ = [
    "CAPABILITIES",
    "OTHER_CLIENTS",
    "CommandRefused",
    "Forward",
    "Judge",
    "Limits",
    "Refusal",
    "Released",
    "Role",
    "Screen",
    "ZwaveJs",
]


def __getattr__(name: str) -> object:
    if name in ("OTHER_CLIENTS", "ZwaveJs"):
        from hubsec_zwave import radio  # noqa: PLC0415 - loaded when used

        return getattr(radio, name)
    if name == "CommandRefused":
        from hubsec_zwave.link import CommandRefused  # noqa: PLC0415 - loaded when used

        return CommandRefused
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
