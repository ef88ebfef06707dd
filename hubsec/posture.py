"""How a network stands against its policy."""

from __future__ import annotations

import msgspec

from hubsec.device import Device
from hubsec.identity import Identity, Mode
from hubsec.radio import RadioPosture


class NetworkPosture(msgspec.Struct, frozen=True, kw_only=True):
    """One radio's network. `exposed`: its network key must be taken to be known, since a device joined by approval.

    `adopted`: the list of devices from before hubsec is confirmed. `unconfirmed` lists them while it is not.
    """

    radio: str
    state: RadioPosture
    adopted: bool
    exposed: bool
    unconfirmed: tuple[Identity, ...] = ()


class Posture(msgspec.Struct, frozen=True, kw_only=True):
    """The whole hub: `alarm` is the standing reason why nothing can be recorded, None when all is well."""

    mode: Mode
    policy: str
    policy_hash: str
    networks: tuple[NetworkPosture, ...]
    devices: tuple[Device, ...]
    alarm: str | None = None
