"""Primitive and compound types of EZSP: bytes to values and back, little-endian throughout.

A value is an int, a bool, bytes, a tuple of values or, for a structure, a dict by field name. A schema is a tuple of
fields; its text form is ``name:type name:type``, where a type is one of the names below, ``type[]`` (a count byte
and that many) or ``type*field`` (as many as that earlier field says). Source: UG100 sections 2 and 3.
"""

# ruff: noqa: ANN401 - what a value may be is said by its wire type, when the program runs

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hubsec_emulated.errors import FrameError
from hubsec_emulated.ncp.ezsp.status import (
    EMBER_ERR_FATAL,
    EMBER_STATUS,
    EZSP_ERROR_INVALID_CALL,
    EZSP_STATUS,
    Status,
)

type Values = dict[str, Any]

MAX_LIST = 255
"""A count byte says no more."""


@dataclass(frozen=True, slots=True)
class Wire:
    """How one type travels: ``encode(value)``, ``decode(data, offset) -> (value, next offset)``, a zero value."""

    encode: Callable[[Any], bytes]
    decode: Callable[[bytes, int], tuple[Any, int]]
    zero: Any


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a schema; *count_field* names the earlier field that holds the number of elements."""

    name: str
    wire: Wire
    count_field: str | None = None


type Schema = tuple[Field, ...]


def _take(data: bytes, offset: int, length: int) -> tuple[bytes, int]:
    end = offset + length
    if end > len(data):
        raise FrameError(f"the frame ends {end - len(data)} bytes too early")
    return data[offset:end], end


def integer(size: int, *, signed: bool = False) -> Wire:
    """An integer of *size* bytes."""

    def encode(value: Any) -> bytes:
        try:
            return int(value).to_bytes(size, "little", signed=signed)
        except (OverflowError, TypeError, ValueError) as error:
            raise FrameError(f"no {size}-byte integer") from error

    def decode(data: bytes, offset: int) -> tuple[int, int]:
        raw, offset = _take(data, offset, size)
        return int.from_bytes(raw, "little", signed=signed), offset

    return Wire(encode, decode, 0)


def octets(size: int) -> Wire:
    """Exactly *size* bytes."""

    def encode(value: Any) -> bytes:
        if not isinstance(value, bytes) or len(value) != size:
            raise FrameError(f"not {size} bytes")
        return value

    def decode(data: bytes, offset: int) -> tuple[bytes, int]:
        return _take(data, offset, size)

    return Wire(encode, decode, bytes(size))


def counted_octets(length_size: int) -> Wire:
    """Bytes with their number before them, in *length_size* bytes."""
    length_wire = integer(length_size)

    def encode(value: Any) -> bytes:
        return length_wire.encode(len(value)) + bytes(value)

    def decode(data: bytes, offset: int) -> tuple[bytes, int]:
        length, offset = length_wire.decode(data, offset)
        return _take(data, offset, length)

    return Wire(encode, decode, b"")


def array(element: Wire) -> Wire:
    """A count byte and that many elements."""

    def encode(value: Any) -> bytes:
        if len(value) > MAX_LIST:
            raise FrameError(f"a list of {len(value)} elements has no count byte")
        return bytes((len(value),)) + b"".join(map(element.encode, value))

    def decode(data: bytes, offset: int) -> tuple[tuple[Any, ...], int]:
        raw, offset = _take(data, offset, 1)
        return _decode_many(element, raw[0], data, offset)

    return Wire(encode, decode, ())


def vector(element: Wire) -> Wire:
    """Elements up to the end of the frame."""

    def encode(value: Any) -> bytes:
        return b"".join(map(element.encode, value))

    def decode(data: bytes, offset: int) -> tuple[tuple[Any, ...], int]:
        elements = []
        while offset < len(data):
            value, offset = element.decode(data, offset)
            elements.append(value)
        return tuple(elements), offset

    return Wire(encode, decode, ())


def _decode_many(element: Wire, count: int, data: bytes, offset: int) -> tuple[tuple[Any, ...], int]:
    elements = []
    for _ in range(count):
        value, offset = element.decode(data, offset)
        elements.append(value)
    return tuple(elements), offset


def _one_byte_status(codes: Mapping[Status, int], default: int) -> Wire:
    back = {code: status for status, code in reversed(list(codes.items()))}

    def encode(value: Any) -> bytes:
        return bytes((codes.get(Status(value), default),))

    def decode(data: bytes, offset: int) -> tuple[Status, int]:
        raw, offset = _take(data, offset, 1)
        return back.get(raw[0], Status.FAIL), offset

    return Wire(encode, decode, Status.OK)


def _sl_status() -> Wire:
    word = integer(4)

    def decode(data: bytes, offset: int) -> tuple[Status, int]:
        raw, offset = word.decode(data, offset)
        return (Status(raw) if raw in Status else Status.FAIL), offset

    return Wire(word.encode, decode, Status.OK)


def structure(schema: Schema) -> Wire:
    """The fields of *schema* one after the other, as a dict."""

    def encode(value: Any) -> bytes:
        return encode_fields(schema, value)

    def decode(data: bytes, offset: int) -> tuple[Values, int]:
        return decode_fields(schema, data, offset)

    return Wire(encode, decode, {entry.name: entry.wire.zero for entry in schema})


def encode_fields(schema: Schema, values: Mapping[str, Any]) -> bytes:
    """Encode *values*; a field that is missing goes out as zero.

    :raises FrameError: a value does not fit its type, or is of no field of the schema.
    """
    unknown = values.keys() - {entry.name for entry in schema}
    if unknown:
        raise FrameError(f"no such field: {', '.join(sorted(unknown))}")
    encoded = bytearray()
    for entry in schema:
        value = values.get(entry.name, entry.wire.zero)
        if entry.count_field is None:
            encoded += entry.wire.encode(value)
        else:
            encoded += b"".join(map(entry.wire.encode, value or ()))
    return bytes(encoded)


def decode_fields(schema: Schema, data: bytes, offset: int = 0) -> tuple[Values, int]:
    """Decode the fields of *schema* from *offset* on; return them and where they end.

    :raises FrameError: the data ends too early.
    """
    values: Values = {}
    for entry in schema:
        if entry.count_field is None:
            values[entry.name], offset = entry.wire.decode(data, offset)
        else:
            values[entry.name], offset = _decode_many(entry.wire, values[entry.count_field], data, offset)
    return values, offset


_SL_STATUS = _sl_status()

WIRES: dict[str, Wire] = {
    "u8": integer(1),
    "u16": integer(2),
    "u32": integer(4),
    "i8": integer(1, signed=True),
    "bool": integer(1),
    "eui64": integer(8),
    "key": octets(16),
    "octets8": octets(8),
    "octets10": octets(10),
    "octets16": octets(16),
    "octets62": octets(62),
    "bytes": counted_octets(1),
    "long_bytes": counted_octets(4),
    "counters": vector(integer(2)),
    "sl": _SL_STATUS,
}
"""Types that are the same in every version."""

STATUS_13 = {
    "status": _one_byte_status(EMBER_STATUS, EMBER_ERR_FATAL),
    "ezsp_status": _one_byte_status(EZSP_STATUS, EZSP_ERROR_INVALID_CALL),
}
STATUS_14 = {"status": _SL_STATUS, "ezsp_status": _SL_STATUS}

STRUCTURES: dict[str, str] = {
    "aps": "profile:u16 cluster:u16 source_endpoint:u8 destination_endpoint:u8 options:u16 group:u16 sequence:u8",
    "network": "extended_pan_id:eui64 pan_id:u16 tx_power:i8 channel:u8 join_method:u8 manager:u16 update_id:u8"
    " channels:u32",
    "found": "channel:u8 pan_id:u16 extended_pan_id:eui64 allow_join:bool stack_profile:u8 update_id:u8",
    "initial_security": "bitmask:u16 preconfigured_key:key network_key:key sequence:u8 trust_center:eui64",
    "current_security": "bitmask:u16 trust_center:eui64",
    "key_context": "key_type:u8 index:u8 derived:u16 eui64:eui64 network:u8 flags:u8 algorithm:u32",
    "key_metadata": "bitmask:u16 outgoing:u32 incoming:u32 ttl:u16",
    "network_key_info": "present:bool alternate_present:bool sequence:u8 alternate_sequence:u8 counter:u32",
    "child": "eui64:eui64 type:u8 id:u16 phy:u8 power:u8 timeout:u8 remaining:u32",
    "neighbor": "short:u16 lqi:u8 in_cost:u8 out_cost:u8 age:u8 eui64:eui64",
    "route": "destination:u16 next_hop:u16 status:u8 age:u8 concentrator:u8 record_state:u8",
    "multicast": "group:u16 endpoint:u8 network:u8",
    "binding": "type:u8 local:u8 cluster:u16 remote:u8 identifier:eui64 network:u8",
    "token_info": "key:u32 counter:bool indexed:bool size:u8 array_size:u8",
}
"""Structures as text, by the name that the command tables use."""


def wires(version: int) -> dict[str, Wire]:
    """All types of one protocol version by name."""
    known = {**WIRES, **(STATUS_13 if version < 14 else STATUS_14)}
    for name, text in STRUCTURES.items():
        known[name] = structure(parse_schema(text, known))
    return known


def parse_schema(text: str, known: Mapping[str, Wire]) -> Schema:
    """Read the text form of a schema; the tables are part of the program, so a mistake in one is a KeyError."""
    fields = []
    for item in text.split():
        name, _, kind = item.partition(":")
        kind, _, count_field = kind.partition("*")
        wire = array(known[kind[:-2]]) if kind.endswith("[]") else known[kind]
        fields.append(Field(name, wire, count_field or None))
    return tuple(fields)
