"""The MAC layer: IEEE 802.15.4-2006 frames as Zigbee uses them, and the Zigbee beacon.

Frame versions 0 and 1 without MAC security, which Zigbee never uses. Source: IEEE 802.15.4-2006 clause 7 and Zigbee
specification 3.6.7 (beacon payload).
"""

from __future__ import annotations

import struct
from binascii import crc_hqx
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Final

from hubsec_emulated.errors import FrameError
from hubsec_emulated.wire._reader import Reader, uint

MAX_PSDU: Final = 127
"""aMaxPHYPacketSize: bytes of the longest frame, FCS included. IEEE 802.15.4 6.4.1."""
FCS_SIZE: Final = 2
"""Bytes of the frame check sequence, IEEE 802.15.4 7.2.1.9."""


class MacType(IntEnum):
    """Frame type, the low three bits of the frame control field."""

    BEACON = 0
    DATA = 1
    ACK = 2
    COMMAND = 3


class MacCommand(IntEnum):
    """Command identifier, the first payload byte of a command frame. IEEE 802.15.4 table 82."""

    ASSOCIATION_REQUEST = 1
    ASSOCIATION_RESPONSE = 2
    DISASSOCIATION = 3
    DATA_REQUEST = 4
    PAN_ID_CONFLICT = 5
    ORPHAN = 6
    BEACON_REQUEST = 7
    REALIGNMENT = 8


class Capability(IntFlag):
    """What a joining device is: the capability field of association, rejoin and Device_annce."""

    ALTERNATE_COORDINATOR = 0x01
    ROUTER = 0x02
    MAINS_POWERED = 0x04
    RX_ON_WHEN_IDLE = 0x08
    SECURITY = 0x40
    ALLOCATE_ADDRESS = 0x80


class AssociationStatus(IntEnum):
    """Status of an Association-Response. IEEE 802.15.4 table 83."""

    SUCCESS = 0
    PAN_AT_CAPACITY = 1
    ACCESS_DENIED = 2


_TYPES: Final = tuple(MacType)
_SECURITY: Final = 0x0008
_PENDING: Final = 0x0010
_ACK_REQUEST: Final = 0x0020
_COMPRESSION: Final = 0x0040
_SHORT: Final = 2
_LONG: Final = 3
_U16: Final = struct.Struct("<H")
_U64: Final = struct.Struct("<Q")
_REVERSED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def fcs(data: bytes) -> bytes:
    """Return the two FCS bytes in transmission order: the ITU-T CRC-16 over `data`. IEEE 802.15.4 7.2.1.9."""
    # The CRC is defined on bits in transmission order, lowest first; the library's runs highest first.
    crc = crc_hqx(data.translate(_REVERSED), 0)
    return bytes((_REVERSED[crc >> 8], _REVERSED[crc & 0xFF]))


@dataclass(frozen=True, slots=True)
class MacFrame:
    """One MAC frame. Addresses are None where the frame leaves them out; `dst_long`/`src_long` say EUI64.

    With `pan_compression` the source PAN id is not sent: it equals `dst_pan`, and decoding fills it in.
    """

    type: MacType
    seq: int
    dst_pan: int | None = None
    dst: int | None = None
    dst_long: bool = False
    src_pan: int | None = None
    src: int | None = None
    src_long: bool = False
    ack_request: bool = False
    frame_pending: bool = False
    pan_compression: bool = False
    payload: bytes = field(default=b"", repr=False)
    version: int = 0

    def encode(self) -> bytes:
        """Return the PSDU: header, payload and FCS."""
        control = self.type | self.version << 12
        if self.frame_pending:
            control |= _PENDING
        if self.ack_request:
            control |= _ACK_REQUEST
        if self.pan_compression:
            if self.dst is None or self.src is None or self.src_pan not in (None, self.dst_pan):
                raise FrameError("PAN id compression needs both addresses and one PAN id.")
            control |= _COMPRESSION
        try:
            addresses = b""
            if self.dst is not None:
                control |= (_LONG if self.dst_long else _SHORT) << 10
                addresses = _U16.pack(self.dst_pan) + (_U64 if self.dst_long else _U16).pack(self.dst)
            if self.src is not None:
                control |= (_LONG if self.src_long else _SHORT) << 14
                if not self.pan_compression:
                    addresses += _U16.pack(self.src_pan)
                addresses += (_U64 if self.src_long else _U16).pack(self.src)
            body = _U16.pack(control) + bytes((self.seq,)) + addresses + self.payload
        except (struct.error, ValueError) as error:
            raise FrameError("A MAC field is missing or does not fit.") from error
        if self.version not in (0, 1):
            raise FrameError("Only frame versions 0 and 1 are known.")
        if len(body) + FCS_SIZE > MAX_PSDU:
            raise FrameError(f"A frame has at most {MAX_PSDU} bytes, not {len(body) + FCS_SIZE}.")
        return body + fcs(body)

    @classmethod
    def decode(cls, psdu: bytes) -> MacFrame:
        """Read a PSDU with its FCS; FrameError when the FCS is wrong or the header is none of Zigbee's."""
        if len(psdu) > MAX_PSDU:
            raise FrameError(f"A frame has at most {MAX_PSDU} bytes, not {len(psdu)}.")
        if len(psdu) < 3 + FCS_SIZE:
            raise FrameError(f"{len(psdu)} bytes are too few for a frame.")
        body = psdu[:-FCS_SIZE]
        if fcs(body) != psdu[-FCS_SIZE:]:
            raise FrameError("The frame check sequence is wrong.")
        return cls.decode_without_fcs(body)

    @classmethod
    def decode_without_fcs(cls, body: bytes) -> MacFrame:
        """Read a frame whose FCS was taken off, as captures of link type 230 hold it."""
        try:
            control = body[0] | body[1] << 8
            if control & 7 >= len(_TYPES) or control & (_SECURITY | 0x0380):
                raise FrameError("This frame type or MAC security is not part of Zigbee.")
            version = control >> 12 & 3
            dst_mode = control >> 10 & 3
            src_mode = control >> 14
            if version > 1 or dst_mode == 1 or src_mode == 1:
                raise FrameError("This frame version or addressing mode is not part of Zigbee.")
            compression = bool(control & _COMPRESSION)
            if compression and not (dst_mode and src_mode):
                raise FrameError("PAN id compression without both addresses.")
            at = 3
            dst_pan = dst = src_pan = src = None
            if dst_mode:
                (dst_pan,) = _U16.unpack_from(body, at)
                if dst_mode == _SHORT:
                    (dst,) = _U16.unpack_from(body, at + 2)
                    at += 4
                else:
                    (dst,) = _U64.unpack_from(body, at + 2)
                    at += 10
            if src_mode:
                if compression:
                    src_pan = dst_pan
                else:
                    (src_pan,) = _U16.unpack_from(body, at)
                    at += 2
                if src_mode == _SHORT:
                    (src,) = _U16.unpack_from(body, at)
                    at += 2
                else:
                    (src,) = _U64.unpack_from(body, at)
                    at += 8
            return cls(
                _TYPES[control & 7],
                body[2],
                dst_pan,
                dst,
                dst_mode == _LONG,
                src_pan,
                src,
                src_mode == _LONG,
                bool(control & _ACK_REQUEST),
                bool(control & _PENDING),
                compression,
                body[at:],
                version,
            )
        except (IndexError, struct.error) as error:
            raise FrameError(f"A MAC header ends after {len(body)} bytes.") from error


@dataclass(frozen=True, slots=True)
class AssociationRequest:
    """Payload of an Association-Request: the joiner's :class:`Capability` bits."""

    capability: int

    def encode(self) -> bytes:
        """Return the command's payload, its identifier first."""
        return bytes((MacCommand.ASSOCIATION_REQUEST,)) + uint(self.capability, 1, "The capability field")


@dataclass(frozen=True, slots=True)
class AssociationResponse:
    """Payload of an Association-Response: the short address (0xFFFF when refused) and :class:`AssociationStatus`."""

    short: int
    status: int

    def encode(self) -> bytes:
        """Return the command's payload, its identifier first."""
        return (
            bytes((MacCommand.ASSOCIATION_RESPONSE,))
            + uint(self.short, 2, "The short address")
            + uint(self.status, 1, "The association status")
        )


@dataclass(frozen=True, slots=True)
class Disassociation:
    """Payload of a disassociation notification: its reason code."""

    reason: int

    def encode(self) -> bytes:
        """Return the command's payload, its identifier first."""
        return bytes((MacCommand.DISASSOCIATION,)) + uint(self.reason, 1, "The reason")


@dataclass(frozen=True, slots=True)
class BareCommand:
    """A command that its identifier says all about (Data-Request, Beacon-Request), or one we don't take apart."""

    id: int
    payload: bytes = b""

    def encode(self) -> bytes:
        """Return the command's payload, its identifier first."""
        return uint(self.id, 1, "The command identifier") + self.payload


type MacCommandPayload = AssociationRequest | AssociationResponse | Disassociation | BareCommand

DATA_REQUEST: Final = BareCommand(MacCommand.DATA_REQUEST)
"""A poll: whether the parent holds something for its sender."""
BEACON_REQUEST: Final = BareCommand(MacCommand.BEACON_REQUEST)
"""The active scan's question who is there."""


def decode_command(payload: bytes) -> MacCommandPayload:
    """Read the payload of a MAC command frame."""
    reader = Reader(payload, "A MAC command")
    identifier = reader.u8()
    if identifier == MacCommand.ASSOCIATION_REQUEST:
        return AssociationRequest(reader.u8())
    if identifier == MacCommand.ASSOCIATION_RESPONSE:
        return AssociationResponse(reader.u16(), reader.u8())
    if identifier == MacCommand.DISASSOCIATION:
        return Disassociation(reader.u8())
    return BareCommand(identifier, reader.rest())


@dataclass(frozen=True, slots=True)
class BeaconPayload:
    """Payload of a Zigbee beacon: superframe fields and the network's own. Zigbee specification 3.6.7.

    `association_permit` is the flag that tells joiners whether this parent takes them. `depth` is at most 15,
    `tx_offset` 24 bits (0xFFFFFF: beaconless), `stack_profile` 2 for Zigbee PRO.
    """

    extended_pan_id: int
    association_permit: bool
    pan_coordinator: bool = False
    router_capacity: bool = True
    end_device_capacity: bool = True
    depth: int = 0
    update_id: int = 0
    stack_profile: int = 2
    protocol_version: int = 2
    tx_offset: int = 0xFFFFFF
    beacon_order: int = 15
    superframe_order: int = 15
    final_cap_slot: int = 15
    battery_life_extension: bool = False

    def encode(self) -> bytes:
        """Return the payload of the beacon frame, superframe specification first."""
        nibbles = (
            self.depth,
            self.stack_profile,
            self.protocol_version,
            self.beacon_order,
            self.superframe_order,
            self.final_cap_slot,
        )
        if any(not 0 <= nibble <= 15 for nibble in nibbles):
            raise FrameError("A beacon field of four bits is out of its range.")
        superframe = (
            self.beacon_order
            | self.superframe_order << 4
            | self.final_cap_slot << 8
            | self.battery_life_extension << 12
            | self.pan_coordinator << 14
            | self.association_permit << 15
        )
        capacity = self.router_capacity << 2 | self.depth << 3 | self.end_device_capacity << 7
        return (
            uint(superframe, 2, "The superframe specification")
            + b"\0\0\0"  # no guaranteed time slots, no pending addresses, protocol id 0: Zigbee
            + bytes((self.stack_profile | self.protocol_version << 4, capacity))
            + uint(self.extended_pan_id, 8, "The extended PAN id")
            + uint(self.tx_offset, 3, "The tx offset")
            + uint(self.update_id, 1, "The update id")
        )

    @classmethod
    def decode(cls, payload: bytes) -> BeaconPayload:
        """Read the payload of a beacon frame; FrameError when it is no Zigbee beacon."""
        reader = Reader(payload, "A beacon")
        superframe = reader.u16()
        slots = reader.u8() & 0x07
        if slots:
            reader.take(1 + 3 * slots)
        pending = reader.u8()
        reader.take(2 * (pending & 7) + 8 * (pending >> 4 & 7))
        if reader.u8() != 0:
            raise FrameError("The beacon's protocol is not Zigbee.")
        profile, capacity = reader.u8(), reader.u8()
        return cls(
            extended_pan_id=reader.u64(),
            association_permit=bool(superframe & 0x8000),
            pan_coordinator=bool(superframe & 0x4000),
            router_capacity=bool(capacity & 0x04),
            end_device_capacity=bool(capacity & 0x80),
            depth=capacity >> 3 & 15,
            tx_offset=reader.uint(3),
            update_id=reader.u8(),
            stack_profile=profile & 15,
            protocol_version=profile >> 4,
            beacon_order=superframe & 15,
            superframe_order=superframe >> 4 & 15,
            final_cap_slot=superframe >> 8 & 15,
            battery_life_extension=bool(superframe & 0x1000),
        )
