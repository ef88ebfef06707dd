"""What a radio saw, put as a question.

A request is small, immutable and holds no secret. The same shapes serve both networks. A radio makes one,
hands it to
its hub and acts on the decision that comes back; see :mod:`hubsec.decisions`.
"""

from __future__ import annotations

import enum

import msgspec

from hubsec.identity import Identity, Network


class JoinKind(enum.StrEnum):
    """How a device knocked. Zigbee: the status of Update-Device (Zigbee specification, 4.4.3.2.3)."""

    JOIN = "join"
    """It holds no network key and asks for it."""
    SECURED_REJOIN = "secured-rejoin"
    """It holds the network key and is back already: this one is judged afterwards."""
    UNSECURED_REJOIN = "unsecured-rejoin"
    """It says that it has lost the network key and asks for it again."""


class JoinRequest(msgspec.Struct, frozen=True, kw_only=True, tag="join"):
    """A device asks for the network key, or has come back with it.

    `parent` is the router it came through, None when that is the coordinator itself or nobody knows.
    `attempt` counts
    this device's tries in the radio's present window, from 1.
    """

    radio: str
    network: Network
    device: Identity
    kind: JoinKind
    parent: Identity | None = None
    through_router: bool = False
    attempt: int = 1


class OpenKind(enum.StrEnum):
    """What somebody wants to open."""

    PERMIT = "permit"
    """The network, for whoever comes."""
    PERMIT_LINK_KEY = "permit-link-key"
    """The network, with a link key for one device."""
    GREEN_POWER = "green-power"
    """Green Power commissioning."""
    RESTORE = "restore"
    """The network as it is in a backup: other keys, and devices that joined under them."""


class OpenRequest(msgspec.Struct, frozen=True, kw_only=True, tag="open"):
    """Somebody other than hubsec asks to open the network: the host application, or a node on the air.

    `asker` says who in plain words ("host", or the node's identity). `seconds` is the time asked for; it is 0 for a
    restore alone, for closing is no question.
    """

    radio: str
    network: Network
    kind: OpenKind
    asker: str
    seconds: int
    device: Identity | None = None


class LinkKeyState(enum.StrEnum):
    """What is known of a device's trust center link key."""

    VERIFIED = "verified"
    """It was exchanged, and the device proved that it holds it (Verify-Key, 4.7.3.8)."""
    FAILED = "failed"
    """The exchange began and failed."""
    MISSING = "missing"
    """The time limit passed without one."""


class ExchangeRequest(msgspec.Struct, frozen=True, kw_only=True, tag="exchange"):
    """A device has joined; this is how its link key exchange ended. `stack_revision` is its node
    descriptor's, None if it
    did not answer."""

    radio: str
    network: Network
    device: Identity
    link_key: LinkKeyState
    stack_revision: int | None = None


class IdentifyRequest(msgspec.Struct, frozen=True, kw_only=True, tag="identify"):
    """What a device says of itself, sanitized and cut; None for what it did not say."""

    radio: str
    network: Network
    device: Identity
    device_class: str | None = None
    manufacturer: str | None = None
    model: str | None = None


class PresenceRequest(msgspec.Struct, frozen=True, kw_only=True, tag="presence"):
    """A device is on the network, and its frames arrive, without having been seen to join."""

    radio: str
    network: Network
    device: Identity


Request = JoinRequest | OpenRequest | ExchangeRequest | IdentifyRequest | PresenceRequest
