"""A row of the allowlist, as everybody but the store sees it: without its secret."""

from __future__ import annotations

import enum
from typing import Annotated, Final

import msgspec

from hubsec.identity import CredentialKind, Identity, Mark, Network, SecurityClass

LABEL_LIMIT: Final = 200
"""Characters of an entry's label. Judgement: the names of maker and model at their longest (Zigbee Cluster Library
3.2.2.2.5: 32 bytes each) fit three times over."""


class Use(enum.StrEnum):
    """How often an entry lets its device in."""

    SINGLE = "single"
    """Once: the first join spends it. The device stays known, and may rejoin."""
    STANDING = "standing"
    """Again and again, until it expires or is revoked."""


class Pinned(msgspec.Struct, frozen=True, kw_only=True):
    """What the device said of itself at its first identification. None: it did not say.

    `security_class` (Z-Wave) is the highest class that it held then.
    """

    device_class: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    security_class: SecurityClass | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One device that may be here: who, by which credential, who said so, until when.

    Times are seconds since the epoch, UTC. `joined_at` is None until it has been let in. `quarantined` is the reason of
    a quarantine, None when there is none. `device_class` and `maker` are what the operator expects, None for anything.
    `address` is where on its network the device is, None while it is not there, or its identity says it. `smart_start`:
    it joins by SmartStart, so that it has to be on its controller's provisioning list.
    """

    device: Identity
    network: Network
    credential: CredentialKind
    label: Annotated[str, msgspec.Meta(max_length=LABEL_LIMIT)]
    approved_by: str
    approved_at: float
    expires_at: float | None = None
    use: Use = Use.STANDING
    device_class: str | None = None
    maker: str | None = None
    joined_at: float | None = None
    marks: frozenset[Mark] = frozenset()
    pinned: Pinned | None = None
    quarantined: str | None = None
    address: Identity | None = None
    smart_start: bool = False
