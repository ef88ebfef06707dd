"""The cluster library: its frame, typed attribute values, general commands, and the clusters the devices serve.

Source: Zigbee Cluster Library revision 8: 2.4 (frame), 2.5 (general commands), 2.6.2 (data types), 3.8 (On/Off),
7.3 (Door Lock), 8.2 (IAS Zone).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar, Final

from hubsec_emulated.errors import FrameError
from hubsec_emulated.wire._reader import Reader, uint

HOME_AUTOMATION: Final = 0x0104
"""Profile id of Home Automation, which Zigbee 3.0 devices use."""


class Cluster(IntEnum):
    """Cluster ids that the emulated devices serve."""

    BASIC = 0x0000
    POWER_CONFIGURATION = 0x0001
    IDENTIFY = 0x0003
    GROUPS = 0x0004
    ON_OFF = 0x0006
    LEVEL = 0x0008
    POLL_CONTROL = 0x0020
    DOOR_LOCK = 0x0101
    IAS_ZONE = 0x0500
    METERING = 0x0702
    ELECTRICAL_MEASUREMENT = 0x0B04
    TOUCHLINK = 0x1000


class General(IntEnum):
    """General command ids, ZCL table 2-3."""

    READ_ATTRIBUTES = 0x00
    READ_ATTRIBUTES_RESPONSE = 0x01
    WRITE_ATTRIBUTES = 0x02
    WRITE_ATTRIBUTES_UNDIVIDED = 0x03
    WRITE_ATTRIBUTES_RESPONSE = 0x04
    WRITE_ATTRIBUTES_NO_RESPONSE = 0x05
    CONFIGURE_REPORTING = 0x06
    CONFIGURE_REPORTING_RESPONSE = 0x07
    REPORT_ATTRIBUTES = 0x0A
    DEFAULT_RESPONSE = 0x0B


class ZclStatus(IntEnum):
    """Status codes, ZCL table 2-12."""

    SUCCESS = 0x00
    FAILURE = 0x01
    NOT_AUTHORIZED = 0x7E
    MALFORMED_COMMAND = 0x80
    UNSUP_COMMAND = 0x81
    INVALID_FIELD = 0x85
    UNSUPPORTED_ATTRIBUTE = 0x86
    INVALID_VALUE = 0x87
    READ_ONLY = 0x88
    NOT_FOUND = 0x8B
    UNREPORTABLE_ATTRIBUTE = 0x8C
    INVALID_DATA_TYPE = 0x8D
    UNSUPPORTED_CLUSTER = 0xC3


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
_ANALOG: Final = frozenset(
    {*range(DataType.UINT8, DataType.INT64 + 1), *_FLOATS, DataType.TIME_OF_DAY, DataType.DATE, DataType.UTC}
)


@dataclass(frozen=True, slots=True)
class Value:
    """A value with its data type: int, float, str (text, its bytes kept where they are no UTF-8) or bytes.

    None is the invalid string (length 0xFF or 0xFFFF) and the value of NO_DATA.
    """

    type: int
    value: int | float | str | bytes | None = None

    def encode(self) -> bytes:
        """Return the type byte and the value."""
        return uint(self.type, 1, "The data type") + self.encode_bare()

    def encode_bare(self) -> bytes:
        """Return the value without its type byte."""
        value, kind = self.value, self.type
        if kind == DataType.NO_DATA and value is None:
            return b""
        if kind in _STRINGS:
            return _encode_string(_STRINGS[DataType(kind)], value)
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


def _encode_string(size: int, value: float | str | bytes | None) -> bytes:
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


@dataclass(frozen=True, slots=True)
class ZclFrame:
    """One cluster library frame; a `cluster_specific` command or a general one. ZCL 2.4.1."""

    tsn: int
    command: int
    payload: bytes = b""
    cluster_specific: bool = False
    server_to_client: bool = False
    disable_default_response: bool = False
    manufacturer: int | None = None

    def encode(self) -> bytes:
        """Return header and payload."""
        control = (
            self.cluster_specific
            | (self.manufacturer is not None) << 2
            | self.server_to_client << 3
            | self.disable_default_response << 4
        )
        return (
            bytes((control,))
            + (b"" if self.manufacturer is None else uint(self.manufacturer, 2, "The manufacturer code"))
            + uint(self.tsn, 1, "The transaction sequence number")
            + uint(self.command, 1, "The command")
            + self.payload
        )

    @classmethod
    def decode(cls, data: bytes) -> ZclFrame:
        """Read a frame from the payload of an APS data frame."""
        reader = Reader(data, "A cluster library frame")
        control = reader.u8()
        if control & 3 > 1:
            raise FrameError("This cluster library frame type is reserved.")
        manufacturer = reader.u16() if control & 4 else None
        return cls(
            manufacturer=manufacturer,
            tsn=reader.u8(),
            command=reader.u8(),
            payload=reader.rest(),
            cluster_specific=bool(control & 1),
            server_to_client=bool(control & 8),
            disable_default_response=bool(control & 16),
        )


def _until_end[Item](reader: Reader, read: Callable[[Reader], Item]) -> Iterator[Item]:
    while reader.left:
        yield read(reader)


@dataclass(frozen=True, slots=True)
class ReadAttributes:
    """Read Attributes."""

    COMMAND: ClassVar[int] = General.READ_ATTRIBUTES
    attributes: tuple[int, ...]

    def encode(self) -> bytes:
        """Return the command's payload."""
        return b"".join(uint(attribute, 2, "An attribute id") for attribute in self.attributes)

    @classmethod
    def decode(cls, payload: bytes) -> ReadAttributes:
        """Read the command's payload."""
        reader = Reader(payload, "Read Attributes")
        return cls(tuple(_until_end(reader, Reader.u16)))


@dataclass(frozen=True, slots=True)
class AttributeStatus:
    """One attribute in a Read Attributes Response: its `value`, or a `status` that is not SUCCESS."""

    attribute: int
    status: int = ZclStatus.SUCCESS
    value: Value | None = None


@dataclass(frozen=True, slots=True)
class ReadAttributesResponse:
    """Read Attributes Response."""

    COMMAND: ClassVar[int] = General.READ_ATTRIBUTES_RESPONSE
    records: tuple[AttributeStatus, ...]

    def encode(self) -> bytes:
        """Return the command's payload."""
        return b"".join(map(_encode_attribute_status, self.records))

    @classmethod
    def decode(cls, payload: bytes) -> ReadAttributesResponse:
        """Read the command's payload."""
        return cls(tuple(_until_end(Reader(payload, "Read Attributes Response"), _read_attribute_status)))


def _encode_attribute_status(record: AttributeStatus) -> bytes:
    head = uint(record.attribute, 2, "An attribute id") + uint(record.status, 1, "The status")
    if (record.status == ZclStatus.SUCCESS) != (record.value is not None):
        raise FrameError("An attribute has a value when its status is SUCCESS, and only then.")
    return head if record.value is None else head + record.value.encode()


def _read_attribute_status(reader: Reader) -> AttributeStatus:
    attribute, status = reader.u16(), reader.u8()
    return AttributeStatus(attribute, status, None if status else Value.read(reader))


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute with its value, in Write Attributes and Report Attributes."""

    attribute: int
    value: Value


@dataclass(frozen=True, slots=True)
class _Attributes:
    """What Write Attributes and Report Attributes have in common."""

    records: tuple[Attribute, ...]

    def encode(self) -> bytes:
        """Return the command's payload."""
        return b"".join(
            uint(record.attribute, 2, "An attribute id") + record.value.encode() for record in self.records
        )


@dataclass(frozen=True, slots=True)
class WriteAttributes(_Attributes):
    """Write Attributes, also undivided and without response."""

    COMMAND: ClassVar[int] = General.WRITE_ATTRIBUTES

    @classmethod
    def decode(cls, payload: bytes) -> WriteAttributes:
        """Read the command's payload."""
        return cls(tuple(_until_end(Reader(payload, "Write Attributes"), _read_attribute)))


@dataclass(frozen=True, slots=True)
class ReportAttributes(_Attributes):
    """Report Attributes."""

    COMMAND: ClassVar[int] = General.REPORT_ATTRIBUTES

    @classmethod
    def decode(cls, payload: bytes) -> ReportAttributes:
        """Read the command's payload."""
        return cls(tuple(_until_end(Reader(payload, "Report Attributes"), _read_attribute)))


def _read_attribute(reader: Reader) -> Attribute:
    return Attribute(reader.u16(), Value.read(reader))


@dataclass(frozen=True, slots=True)
class WriteAttributesResponse:
    """Write Attributes Response: the failures as (status, attribute); none means that all were written."""

    COMMAND: ClassVar[int] = General.WRITE_ATTRIBUTES_RESPONSE
    failures: tuple[tuple[int, int], ...] = ()

    def encode(self) -> bytes:
        """Return the command's payload."""
        if not self.failures:
            return bytes((ZclStatus.SUCCESS,))
        return b"".join(
            uint(status, 1, "The status") + uint(attribute, 2, "An attribute id")
            for status, attribute in self.failures
        )

    @classmethod
    def decode(cls, payload: bytes) -> WriteAttributesResponse:
        """Read the command's payload."""
        if payload == bytes((ZclStatus.SUCCESS,)):
            return cls()
        reader = Reader(payload, "Write Attributes Response")
        return cls(tuple(_until_end(reader, lambda at: (at.u8(), at.u16()))))


@dataclass(frozen=True, slots=True)
class ReportingConfiguration:
    """How one attribute is to be reported: intervals in seconds, `change` for measures only.

    With `timeout` set it is the other direction: the receiver is told how often to expect reports.
    """

    attribute: int
    type: int = 0
    minimum: int = 0
    maximum: int = 0
    change: Value | None = None
    timeout: int | None = None


@dataclass(frozen=True, slots=True)
class ConfigureReporting:
    """Configure Reporting."""

    COMMAND: ClassVar[int] = General.CONFIGURE_REPORTING
    records: tuple[ReportingConfiguration, ...]

    def encode(self) -> bytes:
        """Return the command's payload."""
        return b"".join(map(_encode_reporting, self.records))

    @classmethod
    def decode(cls, payload: bytes) -> ConfigureReporting:
        """Read the command's payload."""
        return cls(tuple(_until_end(Reader(payload, "Configure Reporting"), _read_reporting)))


def _encode_reporting(record: ReportingConfiguration) -> bytes:
    if record.timeout is not None:
        return b"\x01" + uint(record.attribute, 2, "An attribute id") + uint(record.timeout, 2, "The timeout")
    if (record.type in _ANALOG) != (record.change is not None):
        raise FrameError("A measure is reported by change, anything else is not.")
    return (
        b"\x00"
        + uint(record.attribute, 2, "An attribute id")
        + uint(record.type, 1, "The data type")
        + uint(record.minimum, 2, "The minimum interval")
        + uint(record.maximum, 2, "The maximum interval")
        + (b"" if record.change is None else record.change.encode_bare())
    )


def _read_reporting(reader: Reader) -> ReportingConfiguration:
    direction, attribute = reader.u8(), reader.u16()
    if direction == 1:
        return ReportingConfiguration(attribute, timeout=reader.u16())
    if direction:
        raise FrameError("The direction of a reporting configuration is 0 or 1.")
    kind, minimum, maximum = reader.u8(), reader.u16(), reader.u16()
    change = Value.read_bare(kind, reader) if kind in _ANALOG else None
    return ReportingConfiguration(attribute, kind, minimum, maximum, change)


@dataclass(frozen=True, slots=True)
class ConfigureReportingResponse:
    """Configure Reporting Response: the failures as (status, direction, attribute); none means all are configured."""

    COMMAND: ClassVar[int] = General.CONFIGURE_REPORTING_RESPONSE
    failures: tuple[tuple[int, int, int], ...] = ()

    def encode(self) -> bytes:
        """Return the command's payload."""
        if not self.failures:
            return bytes((ZclStatus.SUCCESS,))
        return b"".join(
            uint(status, 1, "The status")
            + uint(direction, 1, "Direction")
            + uint(attribute, 2, "An attribute id")
            for status, direction, attribute in self.failures
        )

    @classmethod
    def decode(cls, payload: bytes) -> ConfigureReportingResponse:
        """Read the command's payload."""
        if payload == bytes((ZclStatus.SUCCESS,)):
            return cls()
        reader = Reader(payload, "Configure Reporting Response")
        return cls(tuple(_until_end(reader, lambda at: (at.u8(), at.u8(), at.u16()))))


@dataclass(frozen=True, slots=True)
class DefaultResponse:
    """Default Response: what became of `command`."""

    COMMAND: ClassVar[int] = General.DEFAULT_RESPONSE
    command: int
    status: int = ZclStatus.SUCCESS

    def encode(self) -> bytes:
        """Return the command's payload."""
        return uint(self.command, 1, "The command") + uint(self.status, 1, "The status")

    @classmethod
    def decode(cls, payload: bytes) -> DefaultResponse:
        """Read the command's payload."""
        reader = Reader(payload, "Default Response")
        return cls(reader.u8(), reader.u8())


class OnOff(IntEnum):
    """Commands of the On/Off cluster; attribute 0 is its state."""

    OFF = 0
    ON = 1
    TOGGLE = 2


class IasZoneServer(IntEnum):
    """Commands that the IAS Zone server (the sensor) sends."""

    STATUS_CHANGE = 0
    ENROLL_REQUEST = 1


class IasZoneClient(IntEnum):
    """Commands that the IAS Zone client (the hub) sends."""

    ENROLL_RESPONSE = 0


IAS_ZONE_STATE: Final = 0x0000
IAS_ZONE_TYPE: Final = 0x0001
IAS_ZONE_STATUS: Final = 0x0002
IAS_CIE_ADDRESS: Final = 0x0010
IAS_ZONE_ID: Final = 0x0011
IAS_CONTACT_SWITCH: Final = 0x0015
"""Zone type of a door or window contact, ZCL table 8-5."""
IAS_ALARM_1: Final = 0x0001
"""Zone status bit: opened, for a contact. ZCL table 8-6."""


@dataclass(frozen=True, slots=True)
class ZoneStatusChange:
    """Zone Status Change Notification; `delay` in quarter seconds since the change."""

    status: int
    extended: int = 0
    zone_id: int = 0xFF
    delay: int = 0

    def encode(self) -> bytes:
        """Return the command's payload."""
        return (
            uint(self.status, 2, "The zone status")
            + uint(self.extended, 1, "The extended status")
            + uint(self.zone_id, 1, "The zone id")
            + uint(self.delay, 2, "The delay")
        )

    @classmethod
    def decode(cls, payload: bytes) -> ZoneStatusChange:
        """Read the command's payload."""
        reader = Reader(payload, "A zone status change")
        return cls(reader.u16(), reader.u8(), reader.u8(), reader.u16())


@dataclass(frozen=True, slots=True)
class ZoneEnrollRequest:
    """Zone Enroll Request."""

    zone_type: int
    manufacturer: int = 0

    def encode(self) -> bytes:
        """Return the command's payload."""
        return uint(self.zone_type, 2, "The zone type") + uint(self.manufacturer, 2, "The manufacturer code")

    @classmethod
    def decode(cls, payload: bytes) -> ZoneEnrollRequest:
        """Read the command's payload."""
        reader = Reader(payload, "A zone enroll request")
        return cls(reader.u16(), reader.u16())


@dataclass(frozen=True, slots=True)
class ZoneEnrollResponse:
    """Zone Enroll Response; `code` 0 is success."""

    code: int
    zone_id: int

    def encode(self) -> bytes:
        """Return the command's payload."""
        return uint(self.code, 1, "The enroll response code") + uint(self.zone_id, 1, "The zone id")

    @classmethod
    def decode(cls, payload: bytes) -> ZoneEnrollResponse:
        """Read the command's payload."""
        reader = Reader(payload, "A zone enroll response")
        return cls(reader.u8(), reader.u8())


class DoorLock(IntEnum):
    """Commands of the Door Lock cluster; the responses have the same numbers. Attribute 0 is the lock's state."""

    LOCK = 0
    UNLOCK = 1


LOCK_STATE_LOCKED: Final = 1
LOCK_STATE_UNLOCKED: Final = 2


@dataclass(frozen=True, slots=True)
class LockCommand:
    """Payload of Lock Door and Unlock Door: the `pin`, which may be left out. It is a secret."""

    pin: bytes | None = field(default=None, repr=False)

    def encode(self) -> bytes:
        """Return the command's payload."""
        return b"" if self.pin is None else _encode_string(1, self.pin)

    @classmethod
    def decode(cls, payload: bytes) -> LockCommand:
        """Read the command's payload."""
        if not payload:
            return cls()
        value = Value.read_bare(DataType.OCTET_STRING, Reader(payload, "A door lock command")).value
        return cls(value if isinstance(value, bytes) else None)


@dataclass(frozen=True, slots=True)
class LockResponse:
    """Payload of Lock Door Response and Unlock Door Response: `status` 0 when it was done."""

    status: int = 0

    def encode(self) -> bytes:
        """Return the command's payload."""
        return uint(self.status, 1, "The status")

    @classmethod
    def decode(cls, payload: bytes) -> LockResponse:
        """Read the command's payload."""
        return cls(Reader(payload, "A door lock response").u8())
