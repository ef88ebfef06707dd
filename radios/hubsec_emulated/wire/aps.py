"""The application support layer: frames and its security commands.

Source: Zigbee specification revision 22, 2.2.5 (frames) and 4.4.9 (commands).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from hubsec_emulated.errors import FrameError
from hubsec_emulated.wire._reader import Reader, exactly, uint
from hubsec_emulated.wire.crypto import KEY_SIZE


class ApsType(IntEnum):
    """Frame type, the low two bits of the frame control field. Specification table 2-20."""

    DATA = 0
    COMMAND = 1
    ACK = 2
    INTERPAN = 3


class Delivery(IntEnum):
    """Delivery mode, specification table 2-21."""

    UNICAST = 0
    BROADCAST = 2
    GROUP = 3


class ApsCommand(IntEnum):
    """Command identifier, the first payload byte of a command frame. Specification table 4-28."""

    TRANSPORT_KEY = 0x05
    UPDATE_DEVICE = 0x06
    REMOVE_DEVICE = 0x07
    REQUEST_KEY = 0x08
    SWITCH_KEY = 0x09
    TUNNEL = 0x0E
    VERIFY_KEY = 0x0F
    CONFIRM_KEY = 0x10


class KeyType(IntEnum):
    """Key type of Transport-Key, Request-Key, Verify-Key and Confirm-Key. Specification tables 4-9 and 4-19."""

    NETWORK = 0x01
    APPLICATION_LINK_REQUEST = 0x02
    APPLICATION_LINK = 0x03
    TRUST_CENTER_LINK = 0x04


_TYPES: Final = tuple(ApsType)
_DELIVERIES: Final = (Delivery.UNICAST, None, Delivery.BROADCAST, Delivery.GROUP)
_ACK_FORMAT: Final = 0x10
_SECURITY: Final = 0x20
_ACK_REQUEST: Final = 0x40
_EXTENDED: Final = 0x80
_UNICAST_ADDRESS: Final = struct.Struct("<BHHB")
_GROUP_ADDRESS: Final = struct.Struct("<HHHB")


@dataclass(frozen=True, slots=True)
class Fragment:
    """The extended header of a fragmented message: `first` carries the block count in `block`, others their number.

    `ack_bitfield` is present in acknowledgements only. Specification 2.2.5.1.8.
    """

    first: bool
    block: int
    ack_bitfield: int | None = None


@dataclass(frozen=True, slots=True)
class ApsFrame:
    """One APS frame.

    While `security` is set and the frame has not been opened, `payload` is auxiliary header, ciphertext and MIC.
    DATA has endpoints (a `group` instead of `dst_ep` when delivered to a group), cluster and profile; so has an ACK,
    unless `ack_format` says that it acknowledges a command. COMMAND has only a counter. INTERPAN has cluster and
    profile, and no counter: 0.
    """

    type: ApsType
    delivery: Delivery = Delivery.UNICAST
    dst_ep: int | None = None
    src_ep: int | None = None
    cluster: int | None = None
    profile: int | None = None
    counter: int = 0
    group: int | None = None
    ack_request: bool = False
    security: bool = False
    fragment: Fragment | None = None
    payload: bytes = field(default=b"", repr=False)
    ack_format: bool = False

    @property
    def header_bytes(self) -> bytes:
        """The encoded header, which is what the integrity code also covers."""
        control = self.type | self.delivery << 2
        if self.ack_format:
            control |= _ACK_FORMAT
        if self.security:
            control |= _SECURITY
        if self.ack_request:
            control |= _ACK_REQUEST
        if self.fragment is not None:
            control |= _EXTENDED
        header = bytes((control,))
        try:
            if self.type is ApsType.INTERPAN:
                if self.delivery is Delivery.GROUP:
                    header += struct.pack("<H", self.group)
                return header + struct.pack("<HH", self.cluster, self.profile)
            if self.type is ApsType.DATA or (self.type is ApsType.ACK and not self.ack_format):
                if self.delivery is Delivery.GROUP:
                    header += _GROUP_ADDRESS.pack(self.group, self.cluster, self.profile, self.src_ep)
                else:
                    header += _UNICAST_ADDRESS.pack(self.dst_ep, self.cluster, self.profile, self.src_ep)
        except struct.error as error:
            raise FrameError("An APS address field is missing or does not fit.") from error
        header += uint(self.counter, 1, "The APS counter")
        if self.fragment is not None:
            header += bytes((1 if self.fragment.first else 2,)) + uint(self.fragment.block, 1, "The block")
            if self.type is ApsType.ACK:
                if self.fragment.ack_bitfield is None:
                    raise FrameError("The acknowledgement of a fragment needs its bit field.")
                header += uint(self.fragment.ack_bitfield, 1, "The acknowledgement bit field")
        return header

    def encode(self) -> bytes:
        """Return header and payload. The payload is sent as it is: securing is `secure_aps`'s work."""
        return self.header_bytes + self.payload

    @classmethod
    def decode(cls, apdu: bytes) -> ApsFrame:
        """Read an APS frame without opening it."""
        try:
            control = apdu[0]
            kind = _TYPES[control & 3]
            delivery = _DELIVERIES[control >> 2 & 3]
            if delivery is None:
                raise FrameError("APS delivery mode 1 is reserved.")
            ack_format = bool(control & _ACK_FORMAT)
            at = 1
            dst_ep = src_ep = cluster = profile = group = fragment = None
            if kind is ApsType.INTERPAN:
                if control & _EXTENDED:
                    raise FrameError("An inter-PAN frame has no extended header.")
                if delivery is Delivery.GROUP:
                    (group,) = struct.unpack_from("<H", apdu, at)
                    at += 2
                cluster, profile = struct.unpack_from("<HH", apdu, at)
                at += 4
                counter = 0
            else:
                if kind is ApsType.DATA or (kind is ApsType.ACK and not ack_format):
                    if delivery is Delivery.GROUP:
                        group, cluster, profile, src_ep = _GROUP_ADDRESS.unpack_from(apdu, at)
                        at += 7
                    else:
                        dst_ep, cluster, profile, src_ep = _UNICAST_ADDRESS.unpack_from(apdu, at)
                        at += 6
                counter = apdu[at]
                at += 1
                if control & _EXTENDED:
                    kind_of_block = apdu[at] & 3
                    if kind_of_block not in (1, 2):
                        raise FrameError("An extended APS header without a fragment.")
                    block = apdu[at + 1]
                    at += 2
                    bitfield = None
                    if kind is ApsType.ACK:
                        bitfield = apdu[at]
                        at += 1
                    fragment = Fragment(kind_of_block == 1, block, bitfield)
        except (IndexError, struct.error) as error:
            raise FrameError(f"An APS header ends after {len(apdu)} bytes.") from error
        return cls(
            kind,
            delivery,
            dst_ep,
            src_ep,
            cluster,
            profile,
            counter,
            group,
            bool(control & _ACK_REQUEST),
            bool(control & _SECURITY),
            fragment,
            apdu[at:],
            ack_format,
        )


@dataclass(frozen=True, slots=True)
class NetworkKey:
    """Descriptor of a Transport-Key that carries a network key; `dst` 0 when it goes to everybody."""

    key: bytes = field(repr=False)
    sequence: int
    dst: int
    src: int


@dataclass(frozen=True, slots=True)
class TrustCenterLinkKey:
    """Descriptor of a Transport-Key that carries the trust center link key of `dst`."""

    key: bytes = field(repr=False)
    dst: int
    src: int


@dataclass(frozen=True, slots=True)
class ApplicationLinkKey:
    """Descriptor of a Transport-Key that carries a link key shared with `partner`."""

    key: bytes = field(repr=False)
    partner: int
    initiator: bool


@dataclass(frozen=True, slots=True)
class TransportKey:
    """Transport-Key, specification 4.4.9.1."""

    descriptor: NetworkKey | TrustCenterLinkKey | ApplicationLinkKey

    def encode(self) -> bytes:
        """Return the command's payload, its identifier first."""
        carried = self.descriptor
        key = exactly(carried.key, KEY_SIZE, "A key")
        match carried:
            case NetworkKey():
                return (
                    bytes((ApsCommand.TRANSPORT_KEY, KeyType.NETWORK))
                    + key
                    + uint(carried.sequence, 1, "The key sequence number")
                    + uint(carried.dst, 8, "The destination's EUI64")
                    + uint(carried.src, 8, "The source's EUI64")
                )
            case TrustCenterLinkKey():
                return (
                    bytes((ApsCommand.TRANSPORT_KEY, KeyType.TRUST_CENTER_LINK))
                    + key
                    + uint(carried.dst, 8, "The destination's EUI64")
                    + uint(carried.src, 8, "The source's EUI64")
                )
            case ApplicationLinkKey():
                return (
                    bytes((ApsCommand.TRANSPORT_KEY, KeyType.APPLICATION_LINK))
                    + key
                    + uint(carried.partner, 8, "The partner's EUI64")
                    + bytes((carried.initiator,))
                )


class UpdateStatus(IntEnum):
    """Status of an Update-Device. Specification table 4-13, the values above 3 left out."""

    SECURED_REJOIN = 0
    UNSECURED_JOIN = 1
    LEFT = 2
    UNSECURED_REJOIN = 3


@dataclass(frozen=True, slots=True)
class UpdateDevice:
    """Update-Device, specification 4.4.9.3: a router tells of a device below it; see :class:`UpdateStatus`."""

    eui64: int
    short: int
    status: int

    def encode(self) -> bytes:
        """Return the command's payload, its identifier first."""
        return (
            bytes((ApsCommand.UPDATE_DEVICE,))
            + uint(self.eui64, 8, "The device's EUI64")
            + uint(self.short, 2, "The short address")
            + uint(self.status, 1, "The status")
        )


@dataclass(frozen=True, slots=True)
class RemoveDevice:
    """Remove-Device, specification 4.4.9.4: the trust center has a router's child removed, or the router itself."""

    eui64: int

    def encode(self) -> bytes:
        """Return the command's payload, its identifier first."""
        return bytes((ApsCommand.REMOVE_DEVICE,)) + uint(self.eui64, 8, "The target's EUI64")


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Request-Key, specification 4.4.9.5: a :class:`KeyType`, and the `partner` of an application link key."""

    type: int
    partner: int | None = None

    def encode(self) -> bytes:
        """Return the command's payload, its identifier first."""
        head = bytes((ApsCommand.REQUEST_KEY,)) + uint(self.type, 1, "The key type")
        if self.type == KeyType.APPLICATION_LINK_REQUEST:
            if self.partner is None:
                raise FrameError("A request for an application link key names its partner.")
            return head + uint(self.partner, 8, "The partner's EUI64")
        return head


@dataclass(frozen=True, slots=True)
class SwitchKey:
    """Switch-Key, specification 4.4.9.6: the sequence number of the network key to use from now on."""

    sequence: int

    def encode(self) -> bytes:
        """Return the command's payload, its identifier first."""
        return bytes((ApsCommand.SWITCH_KEY,)) + uint(self.sequence, 1, "The key sequence number")


@dataclass(frozen=True, slots=True)
class Tunnel:
    """Tunnel, specification 4.4.9.7: a router passes the secured APS `frame` on to its child `dst`."""

    dst: int
    frame: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the command's payload, its identifier first."""
        return bytes((ApsCommand.TUNNEL,)) + uint(self.dst, 8, "The destination's EUI64") + self.frame


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """Verify-Key, specification 4.4.9.8: `src` proves by `hash` that it holds its new link key."""

    type: int
    src: int
    hash: bytes

    def encode(self) -> bytes:
        """Return the command's payload, its identifier first."""
        return (
            bytes((ApsCommand.VERIFY_KEY,))
            + uint(self.type, 1, "The key type")
            + uint(self.src, 8, "The source's EUI64")
            + exactly(self.hash, KEY_SIZE, "The hash")
        )


@dataclass(frozen=True, slots=True)
class ConfirmKey:
    """Confirm-Key, specification 4.4.9.9: `status` 0 when the key of `dst` was verified."""

    status: int
    type: int
    dst: int

    def encode(self) -> bytes:
        """Return the command's payload, its identifier first."""
        return (
            bytes((ApsCommand.CONFIRM_KEY,))
            + uint(self.status, 1, "The status")
            + uint(self.type, 1, "The key type")
            + uint(self.dst, 8, "The destination's EUI64")
        )


@dataclass(frozen=True, slots=True)
class OtherCommand:
    """A command that is not taken apart."""

    id: int
    payload: bytes = field(default=b"", repr=False)

    def encode(self) -> bytes:
        """Return the command's payload, its identifier first."""
        return uint(self.id, 1, "The command identifier") + self.payload


type ApsCommandPayload = (
    TransportKey
    | UpdateDevice
    | RemoveDevice
    | RequestKey
    | SwitchKey
    | Tunnel
    | VerifyKey
    | ConfirmKey
    | OtherCommand
)


def decode_command(payload: bytes) -> ApsCommandPayload:
    """Read the plain payload of a command frame. Bytes after the known fields (later revisions' TLVs) are ignored."""
    reader = Reader(payload, "An APS command")
    identifier = reader.u8()
    match identifier:
        case ApsCommand.TRANSPORT_KEY:
            return _transport_key(reader)
        case ApsCommand.UPDATE_DEVICE:
            return UpdateDevice(reader.u64(), reader.u16(), reader.u8())
        case ApsCommand.REMOVE_DEVICE:
            return RemoveDevice(reader.u64())
        case ApsCommand.REQUEST_KEY:
            kind = reader.u8()
            return RequestKey(kind, reader.u64() if kind == KeyType.APPLICATION_LINK_REQUEST else None)
        case ApsCommand.SWITCH_KEY:
            return SwitchKey(reader.u8())
        case ApsCommand.TUNNEL:
            return Tunnel(reader.u64(), reader.rest())
        case ApsCommand.VERIFY_KEY:
            return VerifyKey(reader.u8(), reader.u64(), reader.take(KEY_SIZE))
        case ApsCommand.CONFIRM_KEY:
            return ConfirmKey(reader.u8(), reader.u8(), reader.u64())
        case _:
            return OtherCommand(identifier, reader.rest())


def _transport_key(reader: Reader) -> TransportKey:
    kind = reader.u8()
    key = reader.take(KEY_SIZE)
    match kind:
        case KeyType.NETWORK:
            return TransportKey(NetworkKey(key, reader.u8(), reader.u64(), reader.u64()))
        case KeyType.TRUST_CENTER_LINK:
            return TransportKey(TrustCenterLinkKey(key, reader.u64(), reader.u64()))
        case KeyType.APPLICATION_LINK:
            return TransportKey(ApplicationLinkKey(key, reader.u64(), bool(reader.u8())))
        case _:
            raise FrameError(f"A Transport-Key carries a key of unknown type {kind}.")
