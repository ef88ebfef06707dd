"""Commands of the clusters that the emulated devices serve. ZCL revision 8: 3.8, 7.3, 8.2."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from hubsec_emulated.wire._reader import Reader, uint
from hubsec_emulated.wire._zcl_values import DataType, Value, encode_string


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
        return b"" if self.pin is None else encode_string(1, self.pin)

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
