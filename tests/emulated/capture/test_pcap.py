from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubsec_emulated.capture.pcap import CapturedFrame, PcapWriter, read_capture
from hubsec_emulated.errors import FrameError
from hubsec_emulated.wire.mac import MacFrame, MacType
from tests.emulated.wire.strategies import FEW

PSDU = MacFrame(MacType.ACK, 7).encode()
BARE = PSDU[:-2]


def pcap(*records: bytes, link: int = 195, magic: int = 0xA1B2C3D4, order: str = "<") -> bytes:
    head = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    return head + b"".join(
        struct.pack(f"{order}IIII", 5, 250, len(record), len(record)) + record for record in records
    )


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + length + body + length


def pcapng(*blocks: bytes, order: str = "<") -> bytes:
    section = struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1)
    return block(0x0A0D0D0A, section, order) + b"".join(blocks)


def interface(link: int, options: bytes = b"", order: str = "<") -> bytes:
    return block(1, struct.pack(f"{order}HHI", link, 0, 0) + options, order)


def packet(data: bytes, ticks: int = 0, number: int = 0, order: str = "<") -> bytes:
    head = struct.pack(f"{order}IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
    return block(6, head + data, order)


def tap(psdu: bytes, *fields: tuple[int, bytes], version: int = 0) -> bytes:
    body = b"".join(
        struct.pack("<HH", kind, len(value)) + value + bytes(-len(value) % 4) for kind, value in fields
    )
    return struct.pack("<BBH", version, 0, 4 + len(body)) + body + psdu


@FEW
@given(
    st.lists(
        st.tuples(
            st.floats(0, 4e9, allow_nan=False).map(lambda seconds: round(seconds, 3)),
            st.binary(min_size=3, max_size=127),
        )
    )
)
def test_what_was_written_is_read(frames: list[tuple[float, bytes]]) -> None:
    file = io.BytesIO()
    with PcapWriter(file) as writer:
        for seconds, psdu in frames:
            writer.write(seconds, psdu)
    assert read_capture(file.getvalue()) == [
        CapturedFrame(round(seconds * 1e9), psdu) for seconds, psdu in frames
    ]


def test_files_are_closed_when_they_were_opened_here(tmp_path: Path) -> None:
    path = tmp_path / "air.pcap"
    with PcapWriter(path) as writer:
        writer.write(1.5, PSDU)
        writer.flush()
        assert len(read_capture(path)) == 1
    (frame,) = read_capture(path)
    assert (frame.time_ns, frame.mac()) == (1_500_000_000, MacFrame(MacType.ACK, 7))


@pytest.mark.parametrize(("seconds", "psdu"), [(0, b"12"), (0, bytes(128)), (-1, PSDU), (5e9, PSDU)], ids=str)
def test_the_writer_refuses(seconds: float, psdu: bytes) -> None:
    file = io.BytesIO()
    writer = PcapWriter(file)
    with pytest.raises(FrameError):
        writer.write(seconds, psdu)
    assert read_capture(file.getvalue()) == []


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "fraction"), [(0xA1B2C3D4, 250_000), (0xA1B23C4D, 250)])
def test_pcap_in_both_byte_orders_and_resolutions(order: str, magic: int, fraction: int) -> None:
    (frame,) = read_capture(pcap(PSDU, magic=magic, order=order))
    assert frame == CapturedFrame(5_000_000_000 + fraction, PSDU)


def test_frames_without_fcs() -> None:
    (frame,) = read_capture(pcap(BARE, link=230))
    assert not frame.has_fcs
    assert frame.mac() == MacFrame(MacType.ACK, 7)


def test_frames_with_tap_header() -> None:
    rss, channel = struct.pack("<f", -41.5), struct.pack("<HB", 15, 0)
    record = tap(PSDU, (0, b"\x01"), (1, rss), (3, channel), (10, b"\xc8"), (99, b"what is this"))
    (frame,) = read_capture(pcap(record, link=283))
    assert frame == CapturedFrame(5_000_250_000, PSDU, channel=15, rssi=-41.5, lqi=200)
    (frame,) = read_capture(pcap(tap(BARE, (0, b"\x00")), link=283))
    assert not frame.has_fcs


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng(order: str) -> None:
    def option(code: int, value: bytes) -> bytes:
        return struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)

    binary = interface(230, option(9, b"\x8a"), order)  # ticks of 2**-10 s
    moved = interface(230, option(9, b"\x09") + option(14, struct.pack(f"{order}q", 100)), order)
    data = pcapng(
        interface(195, order=order),
        binary,
        moved,
        block(5, b"statistics are skipped", order),
        packet(PSDU, 1_500_000, order=order),
        packet(BARE, 2048, 1, order=order),
        packet(BARE, 7, 2, order=order),
        block(3, struct.pack(f"{order}I", len(PSDU)) + PSDU, order),
        order=order,
    )
    assert read_capture(data) == [
        CapturedFrame(1_500_000_000, PSDU),
        CapturedFrame(2_000_000_000, BARE, has_fcs=False),
        CapturedFrame(100_000_000_007, BARE, has_fcs=False),
        CapturedFrame(0, PSDU),
    ]


GARBAGE: dict[str, bytes] = {
    "nothing": b"",
    "text": b"not a capture at all, just some text",
    "Ethernet": pcap(PSDU, link=1),
    "record cut short": pcap(PSDU)[:-1],
    "header cut short": pcap()[:20],
    "impossible record": pcap() + struct.pack("<IIII", 0, 0, 1 << 31, 0),
    "TAP of another version": pcap(tap(PSDU, version=1), link=283),
    "TAP with an FCS of 32 bits": pcap(tap(PSDU, (0, b"\x02")), link=283),
    "TAP shorter than itself": pcap(b"\x00\x00\x03\x00", link=283),
    "TAP longer than the record": pcap(b"\x00\x00\x30\x00", link=283),
    "section without byte order": block(0x0A0D0D0A, bytes(16)),
    "block of no length": pcapng() + struct.pack("<II", 1, 0),
    "block of an odd length": pcapng() + struct.pack("<II", 1, 13),
    "block that ends differently": pcapng() + interface(195)[:-4] + bytes(4),
    "packet of no interface": pcapng(packet(PSDU)),
    "simple packet of no interface": pcapng(block(3, struct.pack("<I", 3) + PSDU[:3])),
    "interface of another kind": pcapng(interface(1)),
    "impossible resolution": pcapng(interface(195, struct.pack("<HHI", 9, 1, 0x7F))),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_is_no_capture(what: str) -> None:
    with pytest.raises(FrameError):
        read_capture(GARBAGE[what])


@FEW
@given(st.binary(max_size=80), st.sampled_from([b"", pcap(link=283), pcapng(interface(283)), pcapng()]))
def test_any_bytes_are_a_capture_or_none(data: bytes, head: bytes) -> None:
    try:
        read_capture(head + data)
    except FrameError:
        return
