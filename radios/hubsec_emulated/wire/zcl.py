"""The cluster library: its frame, typed attribute values, general commands, and the clusters the devices serve.

Source: Zigbee Cluster Library revision 8: 2.4 (frame), 2.5 (general commands), 2.6.2 (data types), 3.8 (On/Off),
7.3 (Door Lock), 8.2 (IAS Zone).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final

from hubsec_emulated.errors import FrameError
from hubsec_emulated.wire._reader import Reader, uint
from hubsec_emulated.wire._zcl_clusters import (
    IAS_ALARM_1,
    IAS_CIE_ADDRESS,
    IAS_CONTACT_SWITCH,
    IAS_ZONE_ID,
    IAS_ZONE_STATE,
    IAS_ZONE_STATUS,
    IAS_ZONE_TYPE,
    LOCK_STATE_LOCKED,
    LOCK_STATE_UNLOCKED,
    DoorLock,
    IasZoneClient,
    IasZoneServer,
    LockCommand,
    LockResponse,
    OnOff,
    ZoneEnrollRequest,
    ZoneEnrollResponse,
    ZoneStatusChange,
)
from hubsec_emulated.wire._zcl_values import ANALOG, Content, DataType, Value

__all__ = [
    "HOME_AUTOMATION",
    "IAS_ALARM_1",
    "IAS_CIE_ADDRESS",
    "IAS_CONTACT_SWITCH",
    "IAS_ZONE_ID",
    "IAS_ZONE_STATE",
    "IAS_ZONE_STATUS",
    "IAS_ZONE_TYPE",
    "LOCK_STATE_LOCKED",
    "LOCK_STATE_UNLOCKED",
    "Attribute",
    "AttributeStatus",
    "Cluster",
    "ConfigureReporting",
    "ConfigureReportingResponse",
    "Content",
    "DataType",
    "DefaultResponse",
    "DoorLock",
    "General",
    "IasZoneClient",
    "IasZoneServer",
    "LockCommand",
    "LockResponse",
    "OnOff",
    "ReadAttributes",
    "ReadAttributesResponse",
    "ReportAttributes",
    "ReportingConfiguration",
    "Value",
    "WriteAttributes",
    "WriteAttributesResponse",
    "ZclFrame",
    "ZclStatus",
    "ZoneEnrollRequest",
    "ZoneEnrollResponse",
    "ZoneStatusChange",
]

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
    if (record.type in ANALOG) != (record.change is not None):
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
    change = Value.read_bare(kind, reader) if kind in ANALOG else None
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
