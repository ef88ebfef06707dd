"""What a radio saw, put as a question.

A request is small, immutable and holds no secret. The same shapes serve both networks. A radio makes one, hands it to
its hub and acts on the decision that comes back; see :mod:`hubsec.decisions`.
"""

from __future__ import annotations

import enum

import msgspec

from hubsec.identity import Identity, Network, SecurityClass


class JoinKind(enum.StrEnum):
    """How a device knocked. Zigbee: the status of Update-Device (Zigbee specification, 4.4.3.2.3)."""

    JOIN = "join"
    """It holds no network key and asks for it. On Z-Wave it has shown its DSK, and waits for the PIN."""
    SMART_START = "smart-start"
    """Z-Wave: its way in is to be opened before it shows itself, for nobody is asked again when it does."""
    SECURED_REJOIN = "secured-rejoin"
    """It holds the network key and is back already: this one is judged afterwards."""
    UNSECURED_REJOIN = "unsecured-rejoin"
    """It says that it has lost the network key and asks for it again."""


class JoinRequest(msgspec.Struct, frozen=True, kw_only=True, tag="join"):
    """A device asks for the network key, or has come back with it.

    `parent` is the router it came through, None when that is the coordinator itself or nobody knows. `attempt` counts
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
    INCLUSION = "inclusion"
    """Z-Wave: inclusion with S2, for whoever presses a button. What it then gets is a question of its own."""
    INSECURE_INCLUSION = "insecure-inclusion"
    """Z-Wave: inclusion without S2, whose key everybody can have, or without any."""
    TAKEOVER = "takeover"
    """Z-Wave: the controller is to be wiped, or to join somebody else's network."""


class OpenRequest(msgspec.Struct, frozen=True, kw_only=True, tag="open"):
    """Somebody other than hubsec asks to open the network: the host application, another client of its server, or a
    node on the air.

    `asker` says who in plain words ("host", "client:kitchen", or the node's identity). `seconds` is the time asked for;
    it is 0 where there is none to say, for closing is no question.
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
    """A device has joined; these are the keys that it ended up with.

    Zigbee: `link_key` says how its link key exchange ended, and `stack_revision` is its node descriptor's, None if it
    did not answer. Z-Wave: `security_class` is the highest that the device holds, which is what counts; `address` is
    where on the network it is (:func:`~hubsec.identity.zwave_address`).
    """

    radio: str
    network: Network
    device: Identity
    link_key: LinkKeyState | None = None
    stack_revision: int | None = None
    security_class: SecurityClass | None = None
    address: Identity | None = None


class IdentifyRequest(msgspec.Struct, frozen=True, kw_only=True, tag="identify"):
    """What a device says of itself, sanitized and cut; None for what it did not say.

    `security_class` (Z-Wave) is no word of its own, but the highest class that it holds.
    """

    radio: str
    network: Network
    device: Identity
    device_class: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    security_class: SecurityClass | None = None


class PresenceRequest(msgspec.Struct, frozen=True, kw_only=True, tag="presence"):
    """A device is on the network, and its frames arrive, without having been seen to join."""

    radio: str
    network: Network
    device: Identity


Request = JoinRequest | OpenRequest | ExchangeRequest | IdentifyRequest | PresenceRequest
