"""ASH, the serial protocol under EZSP, from the side of the network co-processor; sans-I/O.

Source: Silicon Labs UG101 (UART-EZSP gateway protocol). Frames are ``control [data] crc``, byte-stuffed and ended
by a flag byte; DATA frames carry an EZSP frame, whitened with a fixed pseudo-random sequence.

Rules
1. Before the host's RST nothing is sent, however long it takes: a host on ``tcp://`` takes an RSTACK that it did
   not ask for as a crash of the co-processor.
2. An RST is answered by the owner, by :meth:`AshSecondary.reset_done`; it forgets everything that was under way.
3. A DATA frame with the expected number is delivered and acknowledged, on the back of the next DATA frame if one
   goes out at once.
4. A DATA frame with another number is acknowledged again if it is marked as retransmission, otherwise rejected.
5. A damaged DATA frame is rejected. Of a run of rejected frames only the first one is answered by a NAK.
6. At most :data:`WINDOW` DATA frames are in flight. A NAK, or no acknowledgement in time, sends all of them again,
   marked as retransmission (go back N).
7. After :data:`ACK_TIMEOUTS` timeouts in a row the link has failed: an ERROR frame, and nothing but that until an RST.
"""

from __future__ import annotations

import binascii
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, IntEnum

from hubsec_emulated.errors import FrameError

FLAG = 0x7E
ESCAPE = 0x7D
XON = 0x11
XOFF = 0x13
SUBSTITUTE = 0x18
CANCEL = 0x1A
RESERVED = frozenset((FLAG, ESCAPE, XON, XOFF, SUBSTITUTE, CANCEL))
ESCAPE_FLIP = 0x20

RST = 0xC0
RSTACK = 0xC1
ERROR = 0xC2
ASH_VERSION = 0x02

MIN_DATA = 3
"""Shortest EZSP frame that a DATA frame carries: the legacy header (UG101 section 2.3, UG100 section 3)."""
MAX_DATA = 220
"""Longest EZSP frame that the gateway protocol carries in current stacks (EZSP_MAX_FRAME_LENGTH)."""
MIN_FRAME = 3
"""Control byte and CRC."""
MAX_FRAME = 1 + MAX_DATA + 2
"""Control byte, data and CRC; whatever is longer is thrown away up to the next flag."""

WINDOW = 5
"""DATA frames in flight; the co-processor's default TX_K (UG101 section 6.1)."""
T_RX_ACK_INIT = 1.6
T_RX_ACK_MIN = 0.4
T_RX_ACK_MAX = 3.2
"""Seconds to wait for an acknowledgement: first value and its bounds (UG101 section 6.1)."""
MAX_WAITING = 250
"""Frames that wait for the window, about the packet buffers of a co-processor; what comes beyond them is lost."""
ACK_TIMEOUTS = 4
"""Timeouts in a row before the link has failed (UG101 section 6.1)."""
SEQUENCE_NUMBERS = 8


class ResetCode(IntEnum):
    """Why the co-processor was reset (UG101 table 4)."""

    UNKNOWN = 0x00
    EXTERNAL = 0x01
    POWER_ON = 0x02
    WATCHDOG = 0x03
    ASSERT = 0x06
    BOOTLOADER = 0x09
    SOFTWARE = 0x0B
    ERROR_ACK_TIMEOUTS = 0x51


class LinkState(Enum):
    """Life of the link; see the module's rules."""

    SILENT = "silent"
    CONNECTED = "connected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivered:
    """An EZSP frame arrived, in order and once."""

    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ResetRequested:
    """The host sent an RST."""


type AshEvent = Delivered | ResetRequested


@dataclass(slots=True)
class AshCounters:
    """What went over the link, and what was wrong with it."""

    received: int = 0
    sent: int = 0
    bad_crc: int = 0
    malformed: int = 0
    rejected: int = 0
    duplicates: int = 0
    naks_received: int = 0
    retransmitted: int = 0
    timeouts: int = 0
    overflows: int = 0
    resets: int = 0


def _whitening(length: int) -> bytes:
    """The pseudo-random sequence of UG101 section 4.3: an LFSR with seed 0x42 and feedback 0xB8."""
    sequence = bytearray()
    value = 0x42
    for _ in range(length):
        sequence.append(value)
        value = (value >> 1) ^ (0xB8 if value & 1 else 0)
    return bytes(sequence)


_WHITENING = _whitening(MAX_DATA)


def whiten(data: bytes) -> bytes:
    """Apply or remove (it is the same) the whitening of a DATA frame's data, at most :data:`MAX_DATA` bytes."""
    if len(data) > MAX_DATA:
        raise FrameError(f"{len(data)} bytes do not fit into an ASH DATA frame")
    return bytes(byte ^ mask for byte, mask in zip(data, _WHITENING, strict=False))


def stuff(frame: bytes) -> bytes:
    """Escape reserved bytes and end the frame by a flag."""
    stuffed = bytearray()
    for byte in frame:
        if byte in RESERVED:
            stuffed += bytes((ESCAPE, byte ^ ESCAPE_FLIP))
        else:
            stuffed.append(byte)
    stuffed.append(FLAG)
    return bytes(stuffed)


def with_crc(body: bytes) -> bytes:
    """Append the CRC-CCITT (start 0xFFFF, big-endian) of control byte and data."""
    return body + binascii.crc_hqx(body, 0xFFFF).to_bytes(2, "big")


def encode(control: int, data: bytes = b"") -> bytes:
    """One frame as it goes over the wire; *data* must be whitened already."""
    return stuff(with_crc(bytes((control,)) + data))


class AshSecondary:
    """The co-processor's end of the link.

    Times are seconds of any monotonic clock. Feed bytes with :meth:`feed`, hand over EZSP frames with :meth:`send`,
    take what is to be written with :meth:`take`, and call :meth:`tick` at :attr:`deadline`.
    """

    def __init__(self) -> None:
        self.counters = AshCounters()
        self.state = LinkState.SILENT
        self._frame = bytearray()
        self._escaped = False
        self._discarding = False
        self._output: list[bytes] = []
        self._forget()

    def _forget(self) -> None:
        self._next_in = 0
        self._next_out = 0
        self._rejecting = False
        self._acknowledge = False
        self._waiting: deque[bytes] = deque()
        self._flying: deque[tuple[int, bytes]] = deque()
        self._ack_timeout = T_RX_ACK_INIT
        self._timeouts = 0
        self._sent_at: float | None = None

    @property
    def deadline(self) -> float | None:
        """When :meth:`tick` is due, or None while nothing waits for an acknowledgement."""
        return None if self._sent_at is None else self._sent_at + self._ack_timeout

    def power_off(self) -> None:
        """Forget everything and fall silent until the next RST; the counters stay."""
        self._forget()
        self._frame.clear()
        self._escaped = self._discarding = False
        self._output.clear()
        self.state = LinkState.SILENT

    def reset_done(self, code: ResetCode) -> None:
        """The co-processor has started anew: tell the host, whether or not it asked for it."""
        self._forget()
        self.state = LinkState.CONNECTED
        self._output.append(encode(RSTACK, bytes((ASH_VERSION, code))))

    def send(self, payload: bytes, now: float) -> None:
        """Queue an EZSP frame for the host; dropped unless the link is connected and there is room.

        :raises FrameError: it is longer than :data:`MAX_DATA`.
        """
        if len(payload) > MAX_DATA:
            raise FrameError(f"{len(payload)} bytes do not fit into an ASH DATA frame")
        if self.state is not LinkState.CONNECTED:
            return
        if len(self._waiting) >= MAX_WAITING:
            self.counters.overflows += 1
            return
        self._waiting.append(payload)
        self._fill_window(now)

    def take(self) -> list[bytes]:
        """The frames to write now, each complete with its flag."""
        if self._acknowledge and self.state is LinkState.CONNECTED:
            self._output.append(encode(0x80 | self._next_in))
            self._acknowledge = False
        frames, self._output = self._output, []
        return frames

    def tick(self, now: float) -> None:
        """Send again what was not acknowledged in time, or give the link up."""
        deadline = self.deadline
        if deadline is None or now < deadline:
            return
        self.counters.timeouts += 1
        self._timeouts += 1
        if self._timeouts >= ACK_TIMEOUTS:
            self._forget()
            self.state = LinkState.FAILED
            self._send_error()
            return
        self._ack_timeout = min(self._ack_timeout * 2, T_RX_ACK_MAX)
        self._go_back(now)

    def feed(self, data: bytes, now: float) -> list[AshEvent]:
        """Take bytes from the host, in any portions; return what they brought. Never raises."""
        events: list[AshEvent] = []
        for byte in data:
            if byte == FLAG:
                events += self._end_of_frame(now)
            elif byte == CANCEL:
                self._drop_frame()
            elif byte == SUBSTITUTE:
                self._drop_frame()
                self._discarding = True
            elif byte in (XON, XOFF) or self._discarding:
                continue
            elif byte == ESCAPE:
                self._escaped = True
            else:
                self._frame.append(byte ^ ESCAPE_FLIP if self._escaped else byte)
                self._escaped = False
                if len(self._frame) > MAX_FRAME:
                    self.counters.malformed += 1
                    self._drop_frame()
                    self._discarding = True
        return events

    def _drop_frame(self) -> None:
        self._frame.clear()
        self._escaped = self._discarding = False

    def _end_of_frame(self, now: float) -> list[AshEvent]:
        frame, discarding, escaped = bytes(self._frame), self._discarding, self._escaped
        self._drop_frame()
        if discarding or not frame:
            return []
        if escaped or len(frame) < MIN_FRAME or with_crc(frame[:-2]) != frame:
            self.counters.bad_crc += 1
            if not frame[0] & 0x80:
                self._reject()
            return []
        return self._receive(frame[0], frame[1:-2], now)

    def _receive(self, control: int, data: bytes, now: float) -> list[AshEvent]:
        if control == RST and not data:
            self.counters.resets += 1
            self._forget()
            self.state = LinkState.SILENT
            return [ResetRequested()]
        if self.state is LinkState.FAILED:
            self._send_error()
            return []
        if self.state is LinkState.SILENT:
            return []
        if not control & 0x80:
            self._acknowledged(control & 0x07, now)
            return self._receive_data(control, data)
        if control & 0xE0 in (0x80, 0xA0) and not data:
            self._acknowledged(control & 0x07, now)
            if control & 0x20:
                self.counters.naks_received += 1
                self._go_back(now)
            return []
        self.counters.malformed += 1
        return []

    def _receive_data(self, control: int, data: bytes) -> list[AshEvent]:
        number = control >> 4 & 0x07
        if not MIN_DATA <= len(data) <= MAX_DATA:
            self.counters.malformed += 1
            self._reject()
            return []
        if number == self._next_in:
            self._next_in = (number + 1) % SEQUENCE_NUMBERS
            self._rejecting = False
            self._acknowledge = True
            self.counters.received += 1
            return [Delivered(whiten(data))]
        if control & 0x08:
            self.counters.duplicates += 1
            self._acknowledge = True
        else:
            self._reject()
        return []

    def _reject(self) -> None:
        if self.state is not LinkState.CONNECTED:
            return
        self.counters.rejected += 1
        if not self._rejecting:
            self._rejecting = True
            self._acknowledge = False
            self._output.append(encode(0xA0 | self._next_in))

    def _send_error(self) -> None:
        self._output.append(encode(ERROR, bytes((ASH_VERSION, ResetCode.ERROR_ACK_TIMEOUTS))))

    def _acknowledged(self, number: int, now: float) -> None:
        """*number* is the next frame that the host expects; anything outside the window says nothing."""
        numbers = [sequence for sequence, _ in self._flying]
        if number == self._next_out:
            done = len(numbers)
        elif number in numbers:
            done = numbers.index(number)
        else:
            return
        if not done:
            return
        for _ in range(done):
            self._flying.popleft()
        self._timeouts = 0
        if self._sent_at is not None:
            measured = self._ack_timeout * 7 / 8 + (now - self._sent_at) / 2
            self._ack_timeout = max(T_RX_ACK_MIN, min(measured, T_RX_ACK_MAX))
        self._sent_at = now if self._flying else None
        self._fill_window(now)

    def _fill_window(self, now: float) -> None:
        while self._waiting and len(self._flying) < WINDOW:
            payload = self._waiting.popleft()
            self._flying.append((self._next_out, payload))
            self._transmit(self._next_out, payload, again=False)
            self._next_out = (self._next_out + 1) % SEQUENCE_NUMBERS
            if self._sent_at is None:
                self._sent_at = now
            self.counters.sent += 1

    def _go_back(self, now: float) -> None:
        for number, payload in self._flying:
            self._transmit(number, payload, again=True)
            self.counters.retransmitted += 1
        self._sent_at = now if self._flying else None

    def _transmit(self, number: int, payload: bytes, *, again: bool) -> None:
        self._output.append(encode(number << 4 | (0x08 if again else 0) | self._next_in, whiten(payload)))
        self._acknowledge = False
