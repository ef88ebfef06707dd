"""ASH: the vectors of UG101, and every rule of the module under loss, damage and repetition."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubsec_emulated.errors import FrameError
from hubsec_emulated.ncp import ash
from hubsec_emulated.ncp.ash import (
    AshSecondary,
    Delivered,
    LinkState,
    ResetCode,
    ResetRequested,
    encode,
    whiten,
)

RST = bytes.fromhex("c038bc7e")
PAYLOADS = [bytes((number,)) * 5 for number in range(20)]


def connected() -> AshSecondary:
    link = AshSecondary()
    assert link.feed(bytes((ash.CANCEL,)) * 32 + RST, 0.0) == [ResetRequested()]
    link.reset_done(ResetCode.SOFTWARE)
    link.take()
    return link


def data(number: int, payload: bytes, *, ack: int = 0, again: bool = False) -> bytes:
    return encode(number << 4 | (8 if again else 0) | ack, whiten(payload))


@pytest.mark.parametrize(
    ("control", "body", "wire"),
    [
        (0xC0, b"", "c038bc7e"),
        (0xC1, b"\x02\x02", "c102029b7b7e"),
        (0xC2, b"\x02\x51", "c20251a8bd7e"),
        (0x81, b"", "8160597e"),
        (0xA6, b"", "a634dc7e"),
        (0x25, whiten(bytes.fromhex("00000002")), "254221a856a6097e"),
    ],
    ids=["RST", "RSTACK", "ERROR", "ACK", "NAK", "DATA"],
)
def test_frames_are_those_of_ug101(control: int, body: bytes, wire: str) -> None:
    assert encode(control, body).hex() == wire


def test_reserved_bytes_are_escaped() -> None:
    stuffed = ash.stuff(bytes(range(0x80)))
    assert not ash.RESERVED & set(stuffed[:-1]) - {ash.ESCAPE}


def test_it_is_silent_until_the_host_resets_it() -> None:
    link = AshSecondary()
    link.send(b"abc", 0.0)
    assert link.feed(data(0, b"abc") + encode(0x81), 0.0) == []
    link.tick(100.0)
    assert link.take() == []
    assert link.feed(RST, 0.0) == [ResetRequested()]
    assert link.take() == []
    link.reset_done(ResetCode.SOFTWARE)
    assert link.take() == [encode(0xC1, b"\x02\x0b")]


def test_a_data_frame_is_acknowledged_on_the_back_of_the_answer() -> None:
    link = connected()
    assert link.feed(data(0, b"ping"), 0.0) == [Delivered(b"ping")]
    link.send(b"pong", 0.0)
    assert link.take() == [data(0, b"pong", ack=1)]
    assert link.feed(data(1, b"ping", ack=1), 0.0) == [Delivered(b"ping")]
    assert link.take() == [encode(0x82)]


def test_bytes_may_come_one_at_a_time() -> None:
    link = connected()
    events = [event for byte in data(0, bytes(range(100))) for event in link.feed(bytes((byte,)), 0.0)]
    assert events == [Delivered(bytes(range(100)))]


def test_a_repeated_frame_is_acknowledged_and_not_delivered_again() -> None:
    link = connected()
    link.feed(data(0, b"ping"), 0.0)
    link.take()
    assert link.feed(data(0, b"ping", again=True), 0.0) == []
    assert link.take() == [encode(0x81)]
    assert link.counters.duplicates == 1


def test_of_a_run_of_wrong_frames_the_first_is_rejected() -> None:
    link = connected()
    assert link.feed(data(3, b"late") + data(4, b"later"), 0.0) == []
    assert link.take() == [encode(0xA0)]
    assert link.counters.rejected == 2
    link.feed(data(0, b"ping") + data(5, b"late"), 0.0)
    assert link.take() == [encode(0xA1)]


@pytest.mark.parametrize(
    ("damage", "answer"),
    [
        (data(0, b"ping")[:-2] + b"\x00\x7e", [encode(0xA0)]),
        (data(0, b"pi")[:-1] + b"\x7e", [encode(0xA0)]),
        (encode(0x00), [encode(0xA0)]),
        (encode(0x85)[:-2] + b"\x00\x7e", []),
        (encode(0xE0), []),
        (encode(0x80, b"x"), []),
        (b"\x7e\x7e", []),
        (b"\x20" * 400 + b"\x7e", []),
        (data(0, b"ping")[:4] + bytes((ash.SUBSTITUTE,)) + data(0, b"ping")[4:], []),
        (data(0, b"ping")[:4] + bytes((ash.CANCEL, ash.FLAG)), []),
        (b"\x20\x20\x7d\x7e", [encode(0xA0)]),
    ],
)
def test_damage_is_counted_and_the_next_frame_gets_through(damage: bytes, answer: list[bytes]) -> None:
    link = connected()
    assert link.feed(damage, 0.0) == []
    assert link.take() == answer
    assert link.feed(data(0, b"good"), 0.0) == [Delivered(b"good")]


def test_flow_control_bytes_are_ignored_inside_a_frame() -> None:
    link = connected()
    frame = data(0, b"ping")
    assert link.feed(frame[:3] + bytes((ash.XON, ash.XOFF)) + frame[3:], 0.0) == [Delivered(b"ping")]


def test_at_most_a_window_is_in_flight() -> None:
    link = connected()
    for payload in PAYLOADS:
        link.send(payload, 0.0)
    assert len(link.take()) == ash.WINDOW
    link.feed(encode(0x82), 0.1)
    assert link.take() == [data(5, PAYLOADS[5]), data(6, PAYLOADS[6])]


def test_what_the_host_does_not_take_is_lost_in_the_end() -> None:
    link = connected()
    for _ in range(ash.WINDOW + ash.MAX_WAITING + 3):
        link.send(b"abc", 0.0)
    assert link.counters.overflows == 3


def test_a_nak_sends_everything_after_it_again() -> None:
    link = connected()
    for payload in PAYLOADS[:3]:
        link.send(payload, 0.0)
    link.take()
    link.feed(encode(0xA1), 0.1)
    assert link.take() == [data(1, PAYLOADS[1], again=True), data(2, PAYLOADS[2], again=True)]


def test_an_acknowledgement_of_what_was_never_sent_changes_nothing() -> None:
    link = connected()
    link.send(b"one", 0.0)
    link.take()
    link.feed(encode(0x85), 0.0)
    assert link.deadline == ash.T_RX_ACK_INIT


def test_silence_is_met_by_repetition_and_then_by_an_error() -> None:
    link = connected()
    link.send(b"hello", 0.0)
    link.take()
    now, waited = 0.0, []
    while (deadline := link.deadline) is not None:
        link.tick(deadline - 0.01)
        assert link.take() == []
        link.tick(deadline)
        waited.append(deadline - now)
        now = deadline
        sent = link.take()
    assert waited == pytest.approx([1.6, 3.2, 3.2, 3.2])
    assert sent == [encode(0xC2, b"\x02\x51")]
    assert link.state is LinkState.FAILED
    assert link.feed(data(0, b"ping"), now) == []
    assert link.take() == [encode(0xC2, b"\x02\x51")]
    assert link.feed(RST, now) == [ResetRequested()]


def test_quick_acknowledgements_shorten_the_wait() -> None:
    link = connected()
    for number in range(40):
        link.send(b"abc", 0.0)
        link.feed(encode(0x80 | (number + 1) % 8), 0.0)
    link.send(b"abc", 0.0)
    assert link.deadline == ash.T_RX_ACK_MIN


def test_what_is_too_long_is_an_error_of_the_project() -> None:
    with pytest.raises(FrameError):
        connected().send(bytes(ash.MAX_DATA + 1), 0.0)
    with pytest.raises(FrameError):
        whiten(bytes(ash.MAX_DATA + 1))


def test_a_power_cut_forgets_half_a_frame() -> None:
    link = connected()
    link.feed(data(0, b"ping")[:4], 0.0)
    link.power_off()
    assert link.state is LinkState.SILENT
    assert link.feed(RST, 0.0) == [ResetRequested()]


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_no_bytes_bring_it_down(chunks: list[bytes]) -> None:
    link = connected()
    for chunk in chunks:
        link.feed(chunk, 0.0)
        for frame in link.take():
            assert frame.endswith(b"\x7e")
        link.tick(1e9)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    there=st.lists(st.binary(min_size=3, max_size=40), max_size=12),
    back=st.lists(st.binary(min_size=3, max_size=40), max_size=12),
    loss=st.sampled_from([0.0, 0.002, 0.01]),
)
def test_a_noisy_line_delivers_everything_once_and_in_order(
    seed: int, there: list[bytes], back: list[bytes], loss: float
) -> None:
    noise = random.Random(seed)

    def distort(frame: bytes) -> bytes:
        if noise.random() < 0.05:
            frame += frame
        return bytes(byte ^ 1 << noise.randrange(8) if noise.random() < loss else byte for byte in frame)

    # The other end behaves alike once it is connected.
    ends = (connected(), connected())
    received: tuple[list[bytes], list[bytes]] = ([], [])
    for end, payloads in zip(ends, (there, back), strict=True):
        for payload in payloads:
            end.send(payload, 0.0)
    now = 0.0
    for _ in range(4000):
        busy = False
        for index, end in enumerate(ends):
            for frame in end.take():
                busy = True
                for event in ends[1 - index].feed(distort(frame), now):
                    if isinstance(event, Delivered):
                        received[1 - index].append(event.payload)
        if busy:
            continue
        deadlines = [end.deadline for end in ends if end.deadline is not None]
        if not deadlines:
            break
        now = min(deadlines)
        for end in ends:
            end.tick(now)
    if LinkState.FAILED not in {end.state for end in ends}:
        assert received == (back, there)
    else:
        assert loss
