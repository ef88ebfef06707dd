"""Captures of IEEE 802.15.4 as Wireshark keeps them: written as pcap, read as pcap and pcapng.

Source: draft-ietf-opsawg-pcap and -pcapng, the link types of tcpdump.org (195, 230), and the 802.15.4 TAP format of
exegin-com (283).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, Self

from hubsec_emulated.errors import FrameError
from hubsec_emulated.wire._reader import Reader
from hubsec_emulated.wire.mac import FCS_SIZE, MAX_PSDU, MacFrame

LINKTYPE_WITH_FCS: Final = 195
"""LINKTYPE_IEEE802_15_4_WITHFCS."""
LINKTYPE_NO_FCS: Final = 230
"""LINKTYPE_IEEE802_15_4_NOFCS."""
LINKTYPE_TAP: Final = 283
"""LINKTYPE_IEEE802_15_4_TAP."""
MAX_RECORD: Final = 65_536
"""Bytes of the longest record that is believed: Wireshark's own bound for this kind of link is 256 KiB, a frame with
the longest TAP header stays far below this one."""

_NANOSECONDS: Final = 1_000_000_000
_MAGIC_MICRO: Final = 0xA1B2C3D4
_MAGIC_NANO: Final = 0xA1B23C4D
_GLOBAL_HEADER: Final = "IHHiIII"
_RECORD_HEADER: Final = "IIII"
_PCAPNG_SECTION: Final = 0x0A0D0D0A
_PCAPNG_ORDER: Final = 0x1A2B3C4D
_BLOCK_INTERFACE: Final = 1
_BLOCK_SIMPLE: Final = 3
_BLOCK_ENHANCED: Final = 6
_BLOCK_OVERHEAD: Final = 12
_OPTION_TSRESOL: Final = 9
_OPTION_TSOFFSET: Final = 14
_TAP_FCS: Final = 0
_TAP_RSS: Final = 1
_TAP_CHANNEL: Final = 3
_TAP_LQI: Final = 10
_TAP_FCS_NONE: Final = 0
_TAP_FCS_16: Final = 1


@dataclass(frozen=True, slots=True)
class CapturedFrame:
    """One frame of a capture: nanoseconds since the epoch (0 when the capture keeps no time) and the PSDU.

    `has_fcs` says whether the PSDU ends with its FCS; `channel`, `rssi` (dBm) and `lqi` only where they were kept.
    """

    time_ns: int
    psdu: bytes = field(repr=False)
    has_fcs: bool = True
    channel: int | None = None
    rssi: float | None = None
    lqi: int | None = None

    def mac(self) -> MacFrame:
        """Read the MAC layer; FrameError when it is none of Zigbee's or the FCS is wrong."""
        return MacFrame.decode(self.psdu) if self.has_fcs else MacFrame.decode_without_fcs(self.psdu)


class PcapWriter:
    """Writes PSDUs with FCS to a pcap file with nanoseconds; a context manager that closes what it opened."""

    def __init__(self, target: BinaryIO | Path) -> None:
        self._owned = isinstance(target, Path)
        self._file: BinaryIO = target.open("wb") if isinstance(target, Path) else target
        self._file.write(
            struct.pack(f"<{_GLOBAL_HEADER}", _MAGIC_NANO, 2, 4, 0, 0, MAX_RECORD, LINKTYPE_WITH_FCS)
        )

    def write(self, seconds: float, psdu: bytes) -> None:
        """Append a frame that was on the air at `seconds`; FrameError for what no frame can be."""
        if not FCS_SIZE < len(psdu) <= MAX_PSDU:
            raise FrameError(f"A frame has 3 to {MAX_PSDU} bytes, not {len(psdu)}.")
        time_ns = round(seconds * _NANOSECONDS)
        try:
            head = struct.pack(f"<{_RECORD_HEADER}", *divmod(time_ns, _NANOSECONDS), len(psdu), len(psdu))
        except struct.error as error:
            raise FrameError("The time does not fit into a capture.") from error
        self._file.write(head + psdu)

    def flush(self) -> None:
        """Hand everything written so far to the file, so that another program can read it."""
        self._file.flush()

    def close(self) -> None:
        """Close the file when it was opened here; flush it otherwise."""
        if self._owned:
            self._file.close()
        else:
            self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def read_capture(source: Path | bytes) -> list[CapturedFrame]:
    """Read a whole capture, pcap or pcapng, of link type 195, 230 or 283; FrameError when it is none."""
    data = source.read_bytes() if isinstance(source, Path) else source
    if len(data) < 4:
        raise FrameError("The capture is too short.")
    if struct.unpack_from("<I", data)[0] == _PCAPNG_SECTION:
        return list(_pcapng(data))
    return list(_pcap(data))


def _pcap(data: bytes) -> Iterator[CapturedFrame]:
    for order in "<>":
        magic = struct.unpack_from(f"{order}I", data)[0]
        if magic in (_MAGIC_MICRO, _MAGIC_NANO):
            break
    else:
        raise FrameError("The file is neither pcap nor pcapng.")
    reader = Reader(data, "A pcap file")
    size = struct.calcsize(f"{order}{_GLOBAL_HEADER}")
    link = struct.unpack(f"{order}{_GLOBAL_HEADER}", reader.take(size))[-1] & 0xFFFF
    unpack = _unpacker(link)
    unit = 1000 if magic == _MAGIC_MICRO else 1
    while reader.left:
        head = reader.take(struct.calcsize(f"{order}{_RECORD_HEADER}"))
        seconds, fraction, kept, _ = struct.unpack(f"{order}{_RECORD_HEADER}", head)
        yield unpack(seconds * _NANOSECONDS + fraction * unit, reader.take(_bounded(kept)))


@dataclass(frozen=True, slots=True)
class _Interface:
    unpack: Callable[[int, bytes], CapturedFrame]
    per_second: int
    offset: int


def _pcapng(data: bytes) -> Iterator[CapturedFrame]:
    order = "<"
    interfaces: list[_Interface] = []
    reader = Reader(data, "A pcapng file")
    while reader.left:
        head = reader.take(8)
        (kind,) = struct.unpack_from(f"{order}I", head)
        body_start = b""
        if kind == _PCAPNG_SECTION:
            body_start = reader.take(4)
            order = "<" if struct.unpack("<I", body_start)[0] == _PCAPNG_ORDER else ">"
            if struct.unpack(f"{order}I", body_start)[0] != _PCAPNG_ORDER:
                raise FrameError("A pcapng section has no byte order.")
            interfaces = []
        (length,) = struct.unpack_from(f"{order}I", head, 4)
        if length % 4 or length < _BLOCK_OVERHEAD + len(body_start):
            raise FrameError(f"A pcapng block of {length} bytes is impossible.")
        body = body_start + reader.take(length - _BLOCK_OVERHEAD - len(body_start))
        if struct.unpack(f"{order}I", reader.take(4))[0] != length:
            raise FrameError("A pcapng block ends with another length than it began with.")
        if kind == _BLOCK_INTERFACE:
            interfaces.append(_interface(body, order))
        elif kind == _BLOCK_ENHANCED:
            yield _enhanced(body, order, interfaces)
        elif kind == _BLOCK_SIMPLE:
            yield _simple(body, order, interfaces)


def _interface(body: bytes, order: str) -> _Interface:
    reader = Reader(body, "A pcapng interface")
    (link,) = struct.unpack(f"{order}H", reader.take(2))
    reader.take(6)
    per_second, offset = 1_000_000, 0
    while reader.left:
        code, size = struct.unpack(f"{order}HH", reader.take(4))
        value = reader.take(size)
        reader.take(-size % 4)
        if code == _OPTION_TSRESOL and size == 1:
            exponent = value[0] & 0x7F
            # Above these the resolution would be finer than any clock and the division below meaningless.
            if exponent > 63:
                raise FrameError("The time resolution of a pcapng interface is impossible.")
            per_second = 2**exponent if value[0] & 0x80 else 10**exponent
        elif code == _OPTION_TSOFFSET and size == 8:
            (offset,) = struct.unpack(f"{order}q", value)
    return _Interface(_unpacker(link), per_second, offset)


def _enhanced(body: bytes, order: str, interfaces: list[_Interface]) -> CapturedFrame:
    reader = Reader(body, "A pcapng packet")
    number: int
    number, high, low, kept, _ = struct.unpack(f"{order}IIIII", reader.take(20))
    if number >= len(interfaces):
        raise FrameError("A pcapng packet names an interface that was not described.")
    interface = interfaces[number]
    ticks = high << 32 | low
    time_ns = interface.offset * _NANOSECONDS + ticks * _NANOSECONDS // interface.per_second
    return interface.unpack(time_ns, reader.take(_bounded(kept)))


def _simple(body: bytes, order: str, interfaces: list[_Interface]) -> CapturedFrame:
    reader = Reader(body, "A pcapng packet")
    if not interfaces:
        raise FrameError("A pcapng packet names an interface that was not described.")
    (size,) = struct.unpack(f"{order}I", reader.take(4))
    return interfaces[0].unpack(0, reader.take(_bounded(size)))


def _bounded(size: int) -> int:
    if size > MAX_RECORD:
        raise FrameError(f"A record of {size} bytes is no frame.")
    return size


def _unpacker(link: int) -> Callable[[int, bytes], CapturedFrame]:
    match link:
        case 195:
            return CapturedFrame
        case 230:
            return lambda time_ns, psdu: CapturedFrame(time_ns, psdu, has_fcs=False)
        case 283:
            return _tap
        case _:
            raise FrameError(f"Link type {link} is not IEEE 802.15.4.")


def _tap(time_ns: int, record: bytes) -> CapturedFrame:
    reader = Reader(record, "A TAP header")
    version, _, length = reader.u8(), reader.u8(), reader.u16()
    if version or length < 4:
        raise FrameError("The TAP header is of an unknown version.")
    fields = Reader(reader.take(length - 4), "A TAP header")
    fcs_type, channel, rssi, lqi = _TAP_FCS_NONE, None, None, None
    while fields.left:
        kind, size = fields.u16(), fields.u16()
        value = fields.take(size)
        fields.take(-size % 4)
        if kind == _TAP_FCS and size >= 1:
            fcs_type = value[0]
        elif kind == _TAP_RSS and size == 4:
            (rssi,) = struct.unpack("<f", value)
        elif kind == _TAP_CHANNEL and size >= 2:
            channel = int.from_bytes(value[:2], "little")
        elif kind == _TAP_LQI and size == 1:
            lqi = value[0]
    if fcs_type not in (_TAP_FCS_NONE, _TAP_FCS_16):
        raise FrameError("The frame has an FCS of 32 bits, which Zigbee at 2.4 GHz has not.")
    return CapturedFrame(time_ns, reader.rest(), fcs_type == _TAP_FCS_16, channel, rssi, lqi)
