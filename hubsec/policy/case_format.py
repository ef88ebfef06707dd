"""The format of cases: what stands in a file of them, and what fills the gaps.

``docs/policies.md`` has the words.
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from hubsec.entries import Use
from hubsec.identity import CredentialKind, Identity, Mark, Network, SecurityClass
from hubsec.policy.settings import Tclk
from hubsec.requests import JoinKind, LinkKeyState, OpenKind

NOW = 1_000_000.0
"""The time of every case, seconds since the epoch."""
RADIO = "radio"
"""The radio of every request in a case."""
DEVICES = {
    Network.ZIGBEE: Identity("00:12:4b:00:01:02:03:04"),
    Network.ZWAVE: Identity("31425-07161-52741-00815-40962-11111-65535"),
}
"""The device of every case on that network."""

_KEBAB: dict[str, Any] = {"frozen": True, "kw_only": True, "forbid_unknown_fields": True, "rename": "kebab"}


class _Strict(msgspec.Struct, **_KEBAB):
    """Root of what a case file may say."""


class GivenPinned(_Strict, **_KEBAB):
    """What the device said of itself at first."""

    device_class: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    security_class: SecurityClass | None = None


class GivenEntry(_Strict, **_KEBAB):
    """The device's row of the allowlist. Times are seconds before and after the request. `network` None: the one that
    the request is about."""

    credential: CredentialKind
    network: Network | None = None
    joined_ago: int | None = None
    expires_in: int | None = None
    use: Use = Use.STANDING
    device_class: str | None = None
    maker: str | None = None
    marks: frozenset[Mark] = frozenset()
    quarantined: str | None = None
    pinned: GivenPinned | None = None


class GivenAdmission(_Strict, **_KEBAB):
    """The device's open admission. Times are seconds before and after the request."""

    credential: CredentialKind
    opened_ago: int = 5
    expires_in: int = 60
    radio: str = RADIO
    parents: frozenset[Identity] | None = None


class Given(_Strict, **_KEBAB):
    """The state of the network, and which one it is."""

    network: Network = Network.ZIGBEE
    adopted: bool = True
    listening: bool = False
    knocks: int = 0
    entry: GivenEntry | None = None
    admission: GivenAdmission | None = None


class _When(_Strict, tag_field="request", **_KEBAB):
    """Root of the questions."""


class WhenJoin(_When, tag="join", **_KEBAB):
    """The device asks for the network's keys, or has come back."""

    kind: JoinKind = JoinKind.JOIN
    parent: Identity | None = None
    through_router: bool = False
    attempt: int = 1


class WhenOpen(_When, tag="open", **_KEBAB):
    """Somebody wants to open the network."""

    kind: OpenKind
    asker: str = "host"
    seconds: int = 60


class WhenExchange(_When, tag="exchange", **_KEBAB):
    """The device has joined: how its link key exchange ended, or which security class it holds."""

    link_key: LinkKeyState | None = None
    stack_revision: int | None = None
    security_class: SecurityClass | None = None


class WhenIdentify(_When, tag="identify", **_KEBAB):
    """The device says what it is."""

    device_class: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    security_class: SecurityClass | None = None


class WhenPresence(_When, tag="presence", **_KEBAB):
    """The device is on the network and was not seen to join."""


class WhenAdmit(_When, tag="admit", **_KEBAB):
    """An operator wants to admit a device that is expected to be of that class and maker."""

    credential: CredentialKind
    device_class: str | None = None
    maker: str | None = None


class WhenListen(_When, tag="listen", **_KEBAB):
    """An operator wants to listen for knocks."""

    seconds: int


type When = WhenJoin | WhenOpen | WhenExchange | WhenIdentify | WhenPresence | WhenAdmit | WhenListen


class Kind(enum.StrEnum):
    """The decisions, by the names that cases use."""

    ALLOW = "allow"
    DENY = "deny"
    KNOCK = "knock"
    QUARANTINE = "quarantine"
    EVICT = "evict"


class Then(_Strict, **_KEBAB):
    """The answer: the decision's kind, and of the rest what matters to the case. The last seven are an
    admission's terms."""

    decision: Kind
    rule: str | None = None
    marks: frozenset[Mark] | None = None
    window: str | None = None
    exchange_limit: str | None = None
    tclk: Tclk | None = None
    attempts: int | None = None
    parents: str | None = None
    security: SecurityClass | None = None
    smart_start_window: str | None = None


class Case(_Strict, **_KEBAB):
    """One case, complete: a counterpart has its case's parts filled in."""

    name: str
    when: When
    then: Then
    given: Given = Given()
