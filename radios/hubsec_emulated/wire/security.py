"""Frame security: the auxiliary header, and securing and opening network and APS frames.

Zigbee PRO uses CCM* at level 5 (encryption and a MIC of 32 bits) everywhere; the level is zero on air and put back
for the calculation. Source: Zigbee specification revision 22, 4.3.1 (network), 4.4.1 (APS), 4.5 (auxiliary header).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from hubsec_emulated.errors import FrameError, SecurityError
from hubsec_emulated.wire.aps import ApsFrame
from hubsec_emulated.wire.crypto import ccm_open, ccm_seal, key_load_key, key_transport_key
from hubsec_emulated.wire.nwk import NwkFrame, fields_of

LEVEL: Final = 5
"""ENC-MIC-32, the nwkSecurityLevel of Zigbee PRO. Specification table 4-30 and 4.3.3."""


class KeyId(IntEnum):
    """Which key secured a frame. Specification table 4-31."""

    DATA = 0
    NETWORK = 1
    KEY_TRANSPORT = 2
    KEY_LOAD = 3


_KEY_IDS: Final = tuple(KeyId)
_LEVEL_BITS: Final = 0x07
_EXTENDED_NONCE: Final = 0x20
# The security bit within the second byte of a network frame control field, and within the only one of APS.
_NWK_SECURITY: Final = 0x02
_APS_SECURITY: Final = 0x20
_CONTROL_COUNTER: Final = struct.Struct("<BI")
_CONTROL_COUNTER_SOURCE: Final = struct.Struct("<BIQ")
_U64: Final = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class AuxHeader:
    """The auxiliary header of a secured frame.

    `source` is the sender's EUI64 when the header carries it (extended nonce, always in network frames); `key_seq`
    exists for :attr:`KeyId.NETWORK` only. `level` is as on air: 0.
    """

    level: int
    key_id: KeyId
    counter: int
    source: int | None = None
    key_seq: int | None = None

    def encode(self) -> bytes:
        """Return the header as it is sent."""
        control = self.level | self.key_id << 3
        try:
            if self.source is None:
                header = _CONTROL_COUNTER.pack(control, self.counter)
            else:
                header = _CONTROL_COUNTER_SOURCE.pack(control | _EXTENDED_NONCE, self.counter, self.source)
            if self.key_id is KeyId.NETWORK:
                header += struct.pack("<B", self.key_seq)
        except struct.error as error:
            raise FrameError("A field of the auxiliary header is missing or does not fit.") from error
        return header

    @property
    def size(self) -> int:
        """How many bytes the header has."""
        return 5 + (8 if self.source is not None else 0) + (self.key_id is KeyId.NETWORK)

    @classmethod
    def decode(cls, data: bytes) -> AuxHeader:
        """Read the header at the start of a secured payload."""
        try:
            control, counter = _CONTROL_COUNTER.unpack_from(data)
            key_id = _KEY_IDS[control >> 3 & 3]
            at = 5
            source = key_seq = None
            if control & _EXTENDED_NONCE:
                (source,) = _U64.unpack_from(data, at)
                at += 8
            if key_id is KeyId.NETWORK:
                key_seq = data[at]
        except (IndexError, struct.error) as error:
            raise FrameError(f"An auxiliary header ends after {len(data)} bytes.") from error
        return cls(control & 7, key_id, counter, source, key_seq)


def derived_key(link_key: bytes, key_id: KeyId) -> bytes:
    """Return the key that really secures a frame which names `key_id`. Specification 4.5.3.

    A link key as it is for DATA, its key-transport or key-load key for those; a network key for NETWORK.
    """
    match key_id:
        case KeyId.KEY_TRANSPORT:
            return key_transport_key(link_key)
        case KeyId.KEY_LOAD:
            return key_load_key(link_key)
        case _:
            return link_key


def secure_nwk(frame: NwkFrame, key: bytes, key_seq: int, counter: int, source: int) -> bytes:
    """Return the bytes of `frame` secured under the network key, whose sequence number is `key_seq`.

    `counter` is the sender's outgoing frame counter, `source` the EUI64 of the node that transmits this hop.
    """
    aux = AuxHeader(0, KeyId.NETWORK, counter, source, key_seq).encode()
    header = frame.header_bytes
    header = bytes((header[0], header[1] | _NWK_SECURITY)) + header[2:]
    return header + aux + _seal(key, source, header, aux, frame.payload)


def unsecure_nwk(npdu: bytes, key: bytes) -> tuple[NwkFrame, AuxHeader]:
    """Open a secured network frame: the frame with its plain payload (`security` stays set), and its header.

    FrameError when it is not a secured network frame; SecurityError when `key` does not open it.
    """
    (
        kind,
        dst,
        src,
        radius,
        seq,
        dst_ieee,
        src_ieee,
        source_route,
        source_route_index,
        discover_route,
        security,
        end_device_initiator,
        secured,
        multicast,
        version,
    ) = fields_of(npdu)
    if not security:
        raise FrameError("The network frame is not secured.")
    aux = AuxHeader.decode(secured)
    if aux.source is None or aux.key_id is not KeyId.NETWORK:
        raise FrameError("A network frame names its sender's EUI64 and the network key.")
    plain = _open(key, aux.source, aux.size, npdu[: len(npdu) - len(secured)], secured)
    frame = NwkFrame(
        kind,
        dst,
        src,
        radius,
        seq,
        dst_ieee,
        src_ieee,
        source_route,
        source_route_index,
        discover_route,
        security,
        end_device_initiator,
        plain,
        multicast,
        version,
    )
    return frame, aux


def secure_aps(
    frame: ApsFrame,
    key: bytes,
    key_id: KeyId,
    counter: int,
    source: int,
    *,
    extended_nonce: bool = True,
    key_seq: int | None = None,
) -> bytes:
    """Return the bytes of `frame` secured under `key`.

    `key` is the link key itself, also for KEY_TRANSPORT and KEY_LOAD, whose keys are derived here. `source` is the
    sender's EUI64, sent along with `extended_nonce`. `key_seq` belongs to KeyId.NETWORK.
    """
    aux = AuxHeader(0, key_id, counter, source if extended_nonce else None, key_seq).encode()
    header = frame.header_bytes
    header = bytes((header[0] | _APS_SECURITY,)) + header[1:]
    return header + aux + _seal(derived_key(key, key_id), source, header, aux, frame.payload)


def unsecure_aps(apdu: bytes, key: bytes, source_ieee: int | None) -> tuple[ApsFrame, AuxHeader]:
    """Open a secured APS frame: the frame with its plain payload (`security` stays set), and its header.

    `key` is the link key (or network key, when the header names that); the keys derived from it are found here.
    `source_ieee` is the sender's EUI64, needed when the frame does not carry it. FrameError when it is not a secured
    APS frame; SecurityError when `key` does not open it or the sender's EUI64 is not known.
    """
    frame = ApsFrame.decode(apdu)
    if not frame.security:
        raise FrameError("The APS frame is not secured.")
    secured = frame.payload
    aux = AuxHeader.decode(secured)
    source = source_ieee if aux.source is None else aux.source
    if source is None:
        raise SecurityError("The sender's EUI64 is neither in the frame nor known.")
    plain = _open(derived_key(key, aux.key_id), source, aux.size, apdu[: len(apdu) - len(secured)], secured)
    return replace(frame, payload=plain), aux


def _seal(key: bytes, source: int, header: bytes, aux: bytes, plain: bytes) -> bytes:
    control = bytes((aux[0] | LEVEL,))
    nonce = _nonce(source, aux[1:5], control)
    return ccm_seal(key, nonce, header + control + aux[1:], plain)


def _open(key: bytes, source: int, aux_size: int, header: bytes, secured: bytes) -> bytes:
    # Whatever level the air shows, the calculation knows one: the receiver puts it back. Specification 4.3.1.2.
    control = bytes((secured[0] & ~_LEVEL_BITS | LEVEL,))
    nonce = _nonce(source, secured[1:5], control)
    return ccm_open(key, nonce, header + control + secured[1:aux_size], secured[aux_size:])


def _nonce(source: int, counter: bytes, control: bytes) -> bytes:
    """Sender's EUI64, frame counter, security control. Specification 4.5.2.2."""
    try:
        return _U64.pack(source) + counter + control
    except struct.error as error:
        raise FrameError("The sender's EUI64 does not fit.") from error
