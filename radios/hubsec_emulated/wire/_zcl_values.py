"""Typed values of the cluster library. ZCL revision 8, 2.6.2."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from hubsec_emulated.errors import FrameError
from hubsec_emulated.wire._reader import Reader, uint


class DataType(IntEnum):
    """Data types that are known, ZCL table 2-10. Collections (arrays, structures) are not."""

    NO_DATA = 0x00
    DATA8 = 0x08
    DATA16 = 0x09
    DATA24 = 0x0A
    DATA32 = 0x0B
    DATA40 = 0x0C
    DATA48 = 0x0D
    DATA56 = 0x0E
    DATA64 = 0x0F
    BOOL = 0x10
    MAP8 = 0x18
    MAP16 = 0x19
    MAP24 = 0x1A
    MAP32 = 0x1B
    MAP40 = 0x1C
    MAP48 = 0x1D
    MAP56 = 0x1E
    MAP64 = 0x1F
    UINT8 = 0x20
    UINT16 = 0x21
    UINT24 = 0x22
    UINT32 = 0x23
    UINT40 = 0x24
    UINT48 = 0x25
    UINT56 = 0x26
    UINT64 = 0x27
    INT8 = 0x28
    INT16 = 0x29
    INT24 = 0x2A
    INT32 = 0x2B
    INT40 = 0x2C
    INT48 = 0x2D
    INT56 = 0x2E
    INT64 = 0x2F
    ENUM8 = 0x30
    ENUM16 = 0x31
    SINGLE = 0x39
    DOUBLE = 0x3A
    OCTET_STRING = 0x41
    STRING = 0x42
    LONG_OCTET_STRING = 0x43
    LONG_STRING = 0x44
    TIME_OF_DAY = 0xE0
    DATE = 0xE1
    UTC = 0xE2
    CLUSTER_ID = 0xE8
    ATTRIBUTE_ID = 0xE9
    BACNET_OID = 0xEA
    EUI64 = 0xF0
    KEY128 = 0xF1


_UNSIGNED: Final = {
    **{kind: kind - 0x07 for kind in range(DataType.DATA8, DataType.DATA64 + 1)},
    **{kind: kind - 0x17 for kind in range(DataType.MAP8, DataType.MAP64 + 1)},
    **{kind: kind - 0x1F for kind in range(DataType.UINT8, DataType.UINT64 + 1)},
    DataType.BOOL: 1,
    DataType.ENUM8: 1,
    DataType.ENUM16: 2,
    DataType.TIME_OF_DAY: 4,
    DataType.DATE: 4,
    DataType.UTC: 4,
    DataType.CLUSTER_ID: 2,
    DataType.ATTRIBUTE_ID: 2,
    DataType.BACNET_OID: 4,
    DataType.EUI64: 8,
}
_SIGNED: Final = {kind: kind - 0x27 for kind in range(DataType.INT8, DataType.INT64 + 1)}
_FLOATS: Final = {DataType.SINGLE: struct.Struct("<f"), DataType.DOUBLE: struct.Struct("<d")}
_STRINGS: Final = {
    DataType.OCTET_STRING: 1,
    DataType.STRING: 1,
    DataType.LONG_OCTET_STRING: 2,
    DataType.LONG_STRING: 2,
}
_TEXTS: Final = (DataType.STRING, DataType.LONG_STRING)
_KEY_SIZE: Final = 16
# Types whose reports carry a reportable change: measures, not names or states. ZCL 2.5.7.1.7 and table 2-10.
ANALOG: Final = frozenset(
    {*range(DataType.UINT8, DataType.INT64 + 1), *_FLOATS, DataType.TIME_OF_DAY, DataType.DATE, DataType.UTC}
)


type Content = int | float | str | bytes | None


@dataclass(frozen=True, slots=True)
class Value:
    """A value with its data type: int, float, str (text, its bytes kept where they are no UTF-8) or bytes.

    None is the invalid string (length 0xFF or 0xFFFF) and the value of NO_DATA.
    """

    type: int
    value: Content = None

    def encode(self) -> bytes:
        """Return the type byte and the value."""
        return uint(self.type, 1, "The data type") + self.encode_bare()

    def encode_bare(self) -> bytes:
        """Return the value without its type byte."""
        value, kind = self.value, self.type
        if kind == DataType.NO_DATA and value is None:
            return b""
        if kind in _STRINGS:
            return encode_string(_STRINGS[DataType(kind)], value)
        if kind == DataType.KEY128 and isinstance(value, bytes) and len(value) == _KEY_SIZE:
            return value
        try:
            if kind in _UNSIGNED and isinstance(value, int):
                return value.to_bytes(_UNSIGNED[kind], "little")
            if kind in _SIGNED and isinstance(value, int):
                return value.to_bytes(_SIGNED[kind], "little", signed=True)
            if kind in _FLOATS and isinstance(value, int | float):
                return _FLOATS[DataType(kind)].pack(value)
        except OverflowError as error:
            raise FrameError(f"The value does not fit into data type 0x{kind:02x}.") from error
        raise FrameError(f"Data type 0x{kind:02x} can't carry a {type(value).__name__}.")

    @classmethod
    def read(cls, reader: Reader) -> Value:
        """Read type byte and value where `reader` stands."""
        return cls.read_bare(reader.u8(), reader)

    @classmethod
    def read_bare(cls, kind: int, reader: Reader) -> Value:
        """Read a value of the data type `kind` where `reader` stands."""
        if kind in _UNSIGNED:
            return cls(kind, reader.uint(_UNSIGNED[kind]))
        if kind in _SIGNED:
            size = _SIGNED[kind]
            return cls(kind, int.from_bytes(reader.take(size), "little", signed=True))
        if kind in _FLOATS:
            layout = _FLOATS[DataType(kind)]
            return cls(kind, layout.unpack(reader.take(layout.size))[0])
        if kind in _STRINGS:
            size = _STRINGS[DataType(kind)]
            length = reader.uint(size)
            if length == (1 << 8 * size) - 1:
                return cls(kind, None)
            raw = reader.take(length)
            return cls(kind, raw.decode("utf-8", "surrogateescape") if kind in _TEXTS else raw)
        if kind == DataType.KEY128:
            return cls(kind, reader.take(_KEY_SIZE))
        if kind == DataType.NO_DATA:
            return cls(kind, None)
        raise FrameError(f"Data type 0x{kind:02x} is not known.")


def encode_string(size: int, value: float | str | bytes | None) -> bytes:
    invalid = (1 << 8 * size) - 1
    if value is None:
        return invalid.to_bytes(size, "little")
    if isinstance(value, str):
        try:
            value = value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            raise FrameError("The text can't be sent as UTF-8.") from error
    if not isinstance(value, bytes):
        raise FrameError(f"A string can't carry a {type(value).__name__}.")
    if len(value) >= invalid:
        raise FrameError(f"A string of {len(value)} bytes is too long for its data type.")
    return len(value).to_bytes(size, "little") + value
