"""Status codes of EZSP, as one enumeration whatever the protocol version.

From version 14 on every status is a 4-byte ``sl_status_t``. Version 13 has three kinds: 1-byte ``EmberStatus``, 1-byte
``EzspStatus``, and ``sl_status_t`` in the commands of the security manager. Handlers speak :class:`Status` alone; the
codec translates. Source: ``sl_status.h`` (Simplicity SDK), UG100 section 2.
"""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """The ``sl_status_t`` values that this co-processor uses."""

    OK = 0x0000
    FAIL = 0x0001
    INVALID_STATE = 0x0002
    NOT_READY = 0x0003
    BUSY = 0x0004
    NOT_AVAILABLE = 0x000E
    NOT_SUPPORTED = 0x000F
    NETWORK_UP = 0x0015
    NETWORK_DOWN = 0x0016
    NOT_JOINED = 0x0017
    NO_MORE_RESOURCE = 0x001A
    FULL = 0x001C
    INVALID_PARAMETER = 0x0021
    INVALID_CONFIGURATION = 0x0023
    INVALID_INDEX = 0x0027
    INVALID_KEY = 0x0029
    NOT_FOUND = 0x002D
    MESSAGE_TOO_LONG = 0x0038
    INVALID_CHANNEL_MASK = 0x004F
    DELIVERY_FAILED = 0x0C02
    SECURITY_STATE_NOT_SET = 0x0C0B
    TOO_SOON_FOR_SWITCH_KEY = 0x0C0C
    NETWORK_OPENED = 0x0C18
    NETWORK_CLOSED = 0x0C19


class InvalidCommand(IntEnum):
    """Why a frame was refused: the ``EzspStatus`` in invalidCommand (UG100 section 2)."""

    VERSION_NOT_SET = 0x30
    INVALID_FRAME_ID = 0x31
    TRUNCATED = 0x33
    INVALID_VALUE = 0x36


EMBER_STATUS: dict[Status, int] = {
    Status.OK: 0x00,
    Status.FAIL: 0x01,
    Status.INVALID_PARAMETER: 0x02,
    Status.NOT_FOUND: 0x03,
    Status.NO_MORE_RESOURCE: 0x18,
    Status.INVALID_CHANNEL_MASK: 0x35,
    Status.DELIVERY_FAILED: 0x66,
    Status.INVALID_STATE: 0x70,
    Status.NOT_READY: 0x70,
    Status.NOT_SUPPORTED: 0x70,
    Status.MESSAGE_TOO_LONG: 0x74,
    Status.NETWORK_UP: 0x90,
    Status.NETWORK_DOWN: 0x91,
    Status.NOT_JOINED: 0x93,
    Status.NETWORK_OPENED: 0x9C,
    Status.NETWORK_CLOSED: 0x9D,
    Status.BUSY: 0xA1,
    Status.SECURITY_STATE_NOT_SET: 0xA8,
    Status.INVALID_INDEX: 0xB1,
    Status.INVALID_KEY: 0xB2,
    Status.FULL: 0xB4,
    Status.NOT_AVAILABLE: 0xB5,
    Status.INVALID_CONFIGURATION: 0xB7,
    Status.TOO_SOON_FOR_SWITCH_KEY: 0xB8,
}
"""``EmberStatus`` of each status, for version 13 (UG100 section 2)."""

EZSP_STATUS: dict[Status, int] = {
    Status.OK: 0x00,
    Status.NO_MORE_RESOURCE: 0x35,
    Status.INVALID_PARAMETER: 0x36,
    Status.NOT_FOUND: 0x37,
    Status.INVALID_STATE: 0x38,
}
"""``EzspStatus`` of each status, for version 13; what is missing is ERROR_INVALID_CALL (0x38)."""

EZSP_ERROR_INVALID_CALL = 0x38
EMBER_ERR_FATAL = 0x01
