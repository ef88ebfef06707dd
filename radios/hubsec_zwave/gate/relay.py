"""Texts from the server to a client: most of them pass as they came, and only as much of them is read as that takes."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from hubsec_zwave.screening import Screen


class _Event(msgspec.Struct):
    source: str
    event: str
    nodeId: int | None = None  # noqa: N815 - the server's name
    args: msgspec.Raw = msgspec.Raw(b"null")


class _Head(msgspec.Struct):
    type: str
    event: _Event | None = None


class _Value(msgspec.Struct):
    commandClass: int  # noqa: N815 - the server's name
    property: str | int | None = None


_head = msgspec.json.Decoder(_Head)
_value = msgspec.json.Decoder(_Value)
_whole: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()


def relay(screen: Screen, text: str) -> str | None:
    """What a client is sent for a text of the server's; None for nothing."""
    try:
        passes = _glance(screen, text)
        if passes is not None:
            return text if passes else None
        message = _decode(text)
    except (ValueError, RecursionError):
        # The server does not send such things; whatever it is, nobody knows what is in it.
        return None
    shown = screen.message(message)
    if shown is None:
        return None
    return text if shown is message else encode(shown)


def _glance(screen: Screen, text: str) -> bool | None:
    """Whether an event passes unread; None for what has to be read, or is no event."""
    try:
        event = _head.decode(text).event
    except msgspec.MsgspecError:
        return None
    if event is None:
        return None
    passes = screen.passes(event.source, event.event, event.nodeId)
    if passes is not None:
        return passes
    try:
        value = _value.decode(event.args)
    except msgspec.MsgspecError:
        return None
    return screen.passes_value(event.source, event.event, event.nodeId, value.commandClass, value.property)


def _decode(text: str) -> Any:
    try:
        return _whole.decode(text)
    except msgspec.DecodeError:
        # A device may give itself half a character for a name, which JavaScript passes on, and JSON has a way to write.
        return json.loads(text)


def encode(message: object) -> str:
    """JSON."""
    try:
        return _encoder.encode(message).decode()
    except UnicodeEncodeError:
        return json.dumps(message, separators=(",", ":"))
