"""What a record of the audit log is, and how it gets its text.

A record's body is JSON that is the same for the same values. Of a decision it has ``by``, ``channel``, ``policy`` (a
hash), ``radio``, ``request`` and ``decision``; of a change of the allowlist ``by``, ``channel``, ``policy``,
``change`` and ``entry``; of an act the fields of :class:`Act` and those three; of an event what
:func:`hubsec.events_json.to_json` makes of it; of a checkpoint a :class:`~hubsec.audit.checkpoints.Checkpoint`. No
record carries a secret.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from hubsec.audit.chain import packed
from hubsec.errors import StoreError
from hubsec.identity import Identity

OPERATOR: Final = "operator"
"""Who asks, where nobody says who."""
_encode: Final = msgspec.json.Encoder(order="deterministic").encode


class Kind(enum.StrEnum):
    """What a record is about."""

    DECISION = "decision"
    """A policy's answer to a request."""
    CHANGE = "change"
    """Of the allowlist, in one transaction with it."""
    ACT = "act"
    """Something that somebody, or hubsec itself, did."""
    EVENT = "event"
    """What the bus told."""
    CHECKPOINT = "checkpoint"
    """A signature over all that is before it; it may say that the oldest were dropped."""


class Channel(enum.StrEnum):
    """How somebody asked."""

    API = "api"
    """A program that uses hubsec."""
    CLI = "cli"
    """The program `hubsec`."""
    HOME_ASSISTANT = "home-assistant"
    """Home Assistant's component."""
    HOST = "host"
    """The application whose radio is guarded."""
    GATE = "gate"
    """A client of a guarded server."""
    RADIO = "radio"
    """A device on the air."""
    HUB = "hub"
    """Nobody asked: hubsec followed its policy and its rules."""


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was done. `act` names it in words joined by hyphens (``listening-opened``), `by` says who,
    `reason` why; `details` are whatever else belongs to it, and no secret."""

    act: str
    by: str
    radio: str = ""
    device: Identity | None = None
    correlation: str = ""
    reason: str = ""
    details: Mapping[str, str | float | bool | None] = {}


class Draft(msgspec.Struct, frozen=True, gc=False):
    """A record that has no number yet. `own` is its part of what is hashed."""

    at: float
    kind: str
    device: str | None
    correlation: str
    body: str
    own: bytes


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record of the log. `seq` counts from 1 without a gap, `at` is seconds since the epoch, `body` JSON."""

    seq: int
    at: float
    kind: Kind
    device: Identity | None
    correlation: str
    body: str
    hash: bytes

    def fields(self) -> dict[str, Any]:
        """The body's fields. Raises :class:`~hubsec.errors.StoreError` when it was changed from outside."""
        try:
            return msgspec.json.decode(self.body, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            raise StoreError(f"Record {self.seq} of the audit log can't be read.") from None


def draft(at: float, kind: Kind, device: str | None, correlation: str, body: object) -> Draft:
    """A record that can be stored. A `body` that is JSON already is a :class:`msgspec.Raw`. Raises
    :class:`~hubsec.errors.StoreError` for values that no database holds."""
    try:
        text = _encode(body)
        # What is added turns a negative zero, which SQLite does not keep, into the other one.
        at += 0.0
        # Raises for a time that is not finite, which SQLite keeps as NULL.
        int(at)
        # SQLite's module is several times slower for a subclass of str, such as an enumeration's member is.
        name = kind._value_
        own = packed((at, name, device, correlation, text))
        return Draft(at, name, device, correlation, text.decode(), own)
    except (UnicodeError, ValueError, TypeError, OverflowError, msgspec.MsgspecError) as error:
        raise StoreError(f"The database can't hold such a value ({type(error).__name__}).") from None


def channel_of(by: str, opened_as: Channel) -> Channel:
    """How `by` asked a hub that was opened as `opened_as`: hubsec itself, a host and a guarded server's clients have
    channels of their own."""
    return _CHANNELS.get(by.partition(":")[0], opened_as)


# By what stands before a colon, or alone, where hubsec writes who did something.
_CHANNELS: Final = {"hubsec": Channel.HUB, "host": Channel.HOST, "client": Channel.GATE}
