"""How a network stands against its policy."""

from __future__ import annotations

import msgspec

from hubsec.device import Device
from hubsec.identity import Identity, Mode
from hubsec.radio import RadioPosture
from hubsec.reinclusion.shapes import ReinclusionProgress
from hubsec.rotation.shapes import RotationProgress


class KeyPosture(msgspec.Struct, frozen=True, kw_only=True):
    """How a network stands with its key. `since`: it is live since then, or, where it was not `rotated` yet, was first
    seen then; None where the network is not known. `under_way` is the rotation that goes on, or has stopped; `last` the
    newest that went through, and `stragglers` who missed that one and has not come back. `overdue`: why the key ought
    to be changed, and why that does not begin by itself. `trouble`: the radio's key is not the one that it ought to
    have; empty when all is well."""

    since: float | None
    rotated: bool
    under_way: RotationProgress | None = None
    last: RotationProgress | None = None
    stragglers: tuple[Identity, ...] = ()
    overdue: tuple[str, ...] = ()
    trouble: str = ""


class ReinclusionPosture(msgspec.Struct, frozen=True, kw_only=True):
    """How a Z-Wave network stands with new keys. `under_way` is the re-inclusion that goes on, is paused or stands
    still; `last` the newest that has ended, with who is missing."""

    under_way: ReinclusionProgress | None = None
    last: ReinclusionProgress | None = None


class NetworkPosture(msgspec.Struct, frozen=True, kw_only=True):
    """One radio's network. `exposed`: its network key must be taken to be known, since a device joined by approval.

    `adopted`: the list of devices from before hubsec is confirmed. `unconfirmed` lists them while it is not.
    `reinclusion` is None on Zigbee, and where there was none.
    """

    radio: str
    state: RadioPosture
    adopted: bool
    exposed: bool
    unconfirmed: tuple[Identity, ...] = ()
    keys: KeyPosture | None = None
    reinclusion: ReinclusionPosture | None = None


class Posture(msgspec.Struct, frozen=True, kw_only=True):
    """The whole hub: `alarm` is the standing reason why nothing can be recorded, None when all is well."""

    mode: Mode
    policy: str
    policy_hash: str
    networks: tuple[NetworkPosture, ...]
    devices: tuple[Device, ...]
    alarm: str | None = None
