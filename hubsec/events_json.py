"""Events as JSON: for programs that are not written in Python, for logs, for what is sent on.

Each event is one object. Its field ``event`` names its type by the type's tag (``"denied"``); the other fields are the
type's own, identities as text, times in seconds since the epoch (UTC). `docs/events.schema.json` holds what
:func:`json_schema` returns for this version; fields are only ever added to it.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

import msgspec

from hubsec import events
from hubsec.errors import HubsecError
from hubsec.events import Event

__all__ = ["SCHEMA_ID", "EventFormatError", "event_types", "from_json", "json_schema", "to_json"]

SCHEMA_ID = "urn:hubsec:events:1"
"""Names the schema; the number changes when something that was valid no longer is."""

_encoder = msgspec.json.Encoder(order="deterministic")


class EventFormatError(HubsecError):
    """What was given is not an event in JSON, or an event that JSON can't carry. `reason` says where and why."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Not an event: {reason}")
        self.reason = reason


@functools.cache
def event_types() -> tuple[type[Event], ...]:
    """Every type of event that hubsec publishes, in that module's order; without those that only group others."""
    found = (thing for thing in vars(events).values() if isinstance(thing, type) and issubclass(thing, Event))
    # msgspec gives a type without a tag of its own the name of its class.
    return tuple(thing for thing in found if thing.__struct_config__.tag != thing.__name__)


def to_json(event: Event) -> bytes:
    """`event` as one JSON object in UTF-8, without a line break.

    Raises :class:`EventFormatError` for text that UTF-8 can't hold; no text that hubsec has sanitized is such.
    """
    try:
        return _encoder.encode(event)
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError) as error:
        raise EventFormatError(str(error)) from error


def from_json(data: bytes | str) -> Event:
    """The event that :func:`to_json` made `data` of. Fields that this version does not know are passed over.

    Raises :class:`EventFormatError` for anything else.
    """
    try:
        return _decoder().decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise EventFormatError(str(error)) from None


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of every event, as plain values."""
    references, definitions = msgspec.json.schema_components(event_types())
    for definition in definitions.values():
        if "description" in definition:  # a docstring, whose indentation Python takes away from 3.13 on
            definition["description"] = inspect.cleandoc(definition["description"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Events of hubsec",
        "oneOf": list(references),
        "$defs": definitions,
    }


@functools.cache
def _decoder() -> msgspec.json.Decoder[Event]:
    first, *others = event_types()
    union: Any = first
    for kind in others:
        union |= kind
    return msgspec.json.Decoder(union)
