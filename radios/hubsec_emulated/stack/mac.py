"""The MAC of one node: addressing, ACKs, retries, polls and frames kept for children that sleep.

IEEE 802.15.4-2006 without beacons (superframe order 15) and without MAC security, as Zigbee uses it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from hubsec_emulated.air import Air, Transmission
from hubsec_emulated.clock import Timer
from hubsec_emulated.errors import FrameError
from hubsec_emulated.stack.timing import ACK_WAIT, DATA_WAIT, MAC_RETRIES, PERSISTENCE
from hubsec_emulated.wire.addresses import BROADCAST_ALL, NO_PAN, NO_SHORT
from hubsec_emulated.wire.mac import MacCommand, MacFrame, MacType

DUPLICATE_WINDOW: Final = 0.1
"""Two frames of one sender with one sequence number within this time are one frame whose ACK was lost, seconds."""
MAX_INDIRECT: Final = 16
"""Frames kept for sleeping children at a time; EmberZNet has about as many buffers for it."""

type Payload = bytes | Callable[[], bytes | None]
"""What a frame carries, or the function that makes it when the frame really leaves, so that counters are in order.

That function may return None: then there is nothing to send any more, and the frame counts as not sent.
"""
type Done = Callable[[bool], None]
"""Told whether a frame was acknowledged (a broadcast: sent)."""


@dataclass(frozen=True, slots=True)
class Reception:
    """A MAC frame for us and how well it was heard."""

    frame: MacFrame
    lqi: int
    rssi: int


class MacUser(Protocol):
    """The layer above."""

    def on_mac_data(self, reception: Reception) -> None:
        """A data frame for this node or everybody."""

    def on_mac_command(self, reception: Reception) -> None:
        """A command other than Data-Request."""

    def on_mac_beacon(self, reception: Reception) -> None:
        """A beacon, whoever asked for it."""

    def on_mac_poll(self, source: int, source_long: bool) -> bool:
        """A Data-Request of `source`; returns whether its ACK shall promise a frame although none is queued yet."""


@dataclass(slots=True)
class _Outgoing:
    frame: MacFrame
    payload: Payload
    done: Done | None
    attempts: int = 0
    psdu: bytes = b""
    pending: bool = False


@dataclass(slots=True)
class _Indirect:
    destination: tuple[int, bool]
    outgoing: _Outgoing
    expiry: Timer


class Mac:
    """One radio. `short` is NO_SHORT and `pan_id` NO_PAN while the node is on no network.

    `rx_on` keeps the receiver on; otherwise it is on only around the node's own transmissions and after a poll that was
    promised a frame. Nothing is sent or heard while `powered` is False.
    """

    def __init__(self, air: Air, user: MacUser, eui64: int, name: str, *, rx_on: bool) -> None:
        self.air = air
        self.clock = air.clock
        self.name = name
        self.eui64 = eui64
        self.rx_on = rx_on
        self.channel = 11
        self.pan_id = NO_PAN
        self.short = NO_SHORT
        self.powered = False
        #: Frames that did not fit and were not sent.
        self.too_long = 0
        self._user = user
        self._sequence = eui64 & 0xFF
        self._queue: deque[_Outgoing] = deque()
        self._current: _Outgoing | None = None
        self._ack_timer: Timer | None = None
        self._awake_until = 0.0
        self._indirect: list[_Indirect] = []
        self._seen: dict[int, tuple[int, float]] = {}
        self._got_frame: Callable[[bool], None] | None = None
        self._poll_timer: Timer | None = None

    @property
    def listening(self) -> bool:
        """Whether the receiver is on now."""
        if not self.powered:
            return False
        return self.rx_on or self._current is not None or self.clock.now() <= self._awake_until

    def power(self, on: bool) -> None:
        """Switch the radio; off drops everything queued without a word to whoever queued it."""
        if on == self.powered:
            return
        self.powered = on
        if on:
            self.air.attach(self)
            return
        self.air.detach(self)
        self._queue.clear()
        self._current = None
        self._stop(self._ack_timer)
        self._stop(self._poll_timer)
        self._got_frame = None
        for entry in self._indirect:
            entry.expiry.cancel()
        self._indirect.clear()
        self._seen.clear()

    def stay_awake(self, duration: float) -> None:
        """Keep the receiver on for `duration` seconds from now."""
        self._awake_until = max(self._awake_until, self.clock.now() + duration)

    # Sending

    def send(self, dst: int, payload: Payload, done: Done | None = None, *, dst_long: bool = False) -> None:
        """Send data to the short address `dst` (or EUI64 with `dst_long`); 0xFFFF is a broadcast, without ACK."""
        self._enqueue(self._outgoing(MacType.DATA, dst, dst_long, payload, done))

    def send_command(
        self,
        dst: int,
        payload: bytes,
        done: Done | None = None,
        *,
        dst_long: bool = False,
        src_long: bool = False,
    ) -> None:
        """Send a MAC command within our PAN, from our EUI64 with `src_long`."""
        self._enqueue(self._outgoing(MacType.COMMAND, dst, dst_long, payload, done, src_long=src_long))

    def send_frame(self, frame: MacFrame, done: Done | None = None) -> None:
        """Send a frame with the addressing as given; its sequence number is set here."""
        self._enqueue(_Outgoing(replace(frame, seq=self._next_sequence()), frame.payload, done))

    def send_indirect(
        self,
        dst: int,
        payload: Payload,
        done: Done | None = None,
        *,
        dst_long: bool = False,
        command: bool = False,
        src_long: bool = False,
    ) -> None:
        """Keep a frame until `dst` polls for it, PERSISTENCE seconds at most; then `done(False)`."""
        kind = MacType.COMMAND if command else MacType.DATA
        outgoing = self._outgoing(kind, dst, dst_long, payload, done, src_long=src_long)
        if len(self._indirect) >= MAX_INDIRECT:
            _tell(done, False)
            return
        destination = (dst, dst_long)
        entry = _Indirect(destination, outgoing, self.clock.call_later(PERSISTENCE, self._expire, outgoing))
        self._indirect.append(entry)

    def forget_indirect(self, dst: int, *, dst_long: bool = False) -> None:
        """Drop what is kept for `dst`."""
        for entry in [entry for entry in self._indirect if entry.destination == (dst, dst_long)]:
            self._indirect.remove(entry)
            entry.expiry.cancel()
            _tell(entry.outgoing.done, False)

    def poll(self, parent: int, done: Callable[[bool, bool], None], *, src_long: bool = False) -> None:
        """Ask `parent` for a frame. `done(acked, got)`: whether it answered, and whether a frame then came."""

        def acked(ok: bool) -> None:
            if not (ok and outgoing.pending):
                done(ok, False)
                return
            self.stay_awake(DATA_WAIT)
            self._stop(self._poll_timer)
            self._got_frame = finish
            self._poll_timer = self.clock.call_later(DATA_WAIT, finish, False)

        def finish(got: bool) -> None:
            self._stop(self._poll_timer)
            self._got_frame = None
            done(True, got)

        payload = bytes((MacCommand.DATA_REQUEST,))
        outgoing = self._outgoing(MacType.COMMAND, parent, False, payload, acked, src_long=src_long)
        self._enqueue(outgoing)

    def _outgoing(
        self,
        kind: MacType,
        dst: int,
        dst_long: bool,
        payload: Payload,
        done: Done | None,
        *,
        src_long: bool = False,
    ) -> _Outgoing:
        frame = MacFrame(
            kind,
            self._next_sequence(),
            dst_pan=self.pan_id,
            dst=dst,
            dst_long=dst_long,
            src_pan=self.pan_id,
            src=self.eui64 if src_long else self.short,
            src_long=src_long,
            ack_request=dst_long or dst != BROADCAST_ALL,
            pan_compression=True,
        )
        return _Outgoing(frame, payload, done)

    def _next_sequence(self) -> int:
        self._sequence = (self._sequence + 1) & 0xFF
        return self._sequence

    def _enqueue(self, outgoing: _Outgoing, *, first: bool = False) -> None:
        if not self.powered:
            return
        if first:
            self._queue.appendleft(outgoing)
        else:
            self._queue.append(outgoing)
        self._next()

    def _next(self) -> None:
        if self._current is not None or not self._queue:
            return
        outgoing = self._queue.popleft()
        self._current = outgoing
        payload = outgoing.payload() if callable(outgoing.payload) else outgoing.payload
        if payload is None:
            self._finish(outgoing, False)
            return
        try:
            outgoing.psdu = replace(outgoing.frame, payload=payload).encode()
        except FrameError:
            # Too long with everything that was put around it: as a radio does, it is refused, not sent.
            self.too_long += 1
            self._finish(outgoing, False)
            return
        self._transmit(outgoing)

    def _transmit(self, outgoing: _Outgoing) -> None:
        outgoing.attempts += 1
        end = self.air.transmit(self, outgoing.psdu) - self.clock.now()
        if outgoing.frame.ack_request:
            self._ack_timer = self.clock.call_later(end + ACK_WAIT, self._no_ack, outgoing)
        else:
            self._ack_timer = self.clock.call_later(end, self._finish, outgoing, True)

    def _no_ack(self, outgoing: _Outgoing) -> None:
        if outgoing.attempts <= MAC_RETRIES:
            self._transmit(outgoing)
        else:
            self._finish(outgoing, False)

    def _finish(self, outgoing: _Outgoing, ok: bool) -> None:
        self._stop(self._ack_timer)
        self._current = None
        _tell(outgoing.done, ok)
        self._next()

    # Frames for sleeping children

    def _expire(self, outgoing: _Outgoing) -> None:
        for entry in self._indirect:
            if entry.outgoing is outgoing:
                self._indirect.remove(entry)
                break
        _tell(outgoing.done, False)

    def _holds_for(self, destination: tuple[int, bool]) -> int:
        return sum(entry.destination == destination for entry in self._indirect)

    def _answer_poll(self, destination: tuple[int, bool]) -> None:
        for entry in self._indirect:
            if entry.destination == destination:
                break
        else:
            return
        self._indirect.remove(entry)
        kept = entry.outgoing

        def done(ok: bool) -> None:
            if ok or not entry.expiry.pending:
                entry.expiry.cancel()
                _tell(kept.done, ok)
            else:
                self._indirect.insert(0, entry)

        # Data for a sleeping child always promises more: it polls until an ACK says that there is none (as on silicon).
        frame = replace(kept.frame, frame_pending=kept.frame.type is MacType.DATA)
        self._enqueue(_Outgoing(frame, kept.payload, done), first=True)

    # Receiving

    def hear(self, transmission: Transmission, lqi: int, rssi: int) -> None:
        """The air's call: a frame ended that this radio was listening to."""
        frame = transmission.frame
        if frame is None:
            return
        if frame.type is MacType.ACK:
            current = self._current
            if current is not None and current.frame.ack_request and current.frame.seq == frame.seq:
                current.pending = frame.frame_pending
                self._finish(current, True)
            return
        reception = Reception(frame, lqi, rssi)
        if frame.type is MacType.BEACON:
            self._user.on_mac_beacon(reception)
            return
        if frame.src is None:
            if frame.type is MacType.COMMAND and frame.payload[:1] == bytes((MacCommand.BEACON_REQUEST,)):
                self._user.on_mac_command(reception)
            return
        if frame.dst is None or not frame.payload or frame.dst_pan not in (self.pan_id, NO_PAN):
            return
        for_us = frame.dst == self.eui64 if frame.dst_long else frame.dst == self.short
        if not for_us and (frame.dst_long or frame.dst != BROADCAST_ALL):
            return
        poll = frame.type is MacType.COMMAND and frame.payload[0] == MacCommand.DATA_REQUEST
        if frame.ack_request and for_us:
            pending = poll and (
                self._user.on_mac_poll(frame.src, frame.src_long)
                or self._holds_for((frame.src, frame.src_long)) > 0
            )
            self.air.transmit(self, MacFrame(MacType.ACK, frame.seq, frame_pending=pending).encode())
        if poll:
            self._answer_poll((frame.src, frame.src_long))
            return
        if self._duplicate(frame):
            return
        if for_us and self._got_frame is not None:
            self._got_frame(True)
        if frame.type is MacType.DATA:
            self._user.on_mac_data(reception)
        else:
            self._user.on_mac_command(reception)

    def _duplicate(self, frame: MacFrame) -> bool:
        source = frame.src
        if source is None:
            return False
        now = self.clock.now()
        before = self._seen.get(source)
        self._seen[source] = (frame.seq, now)
        return before is not None and before[0] == frame.seq and now - before[1] < DUPLICATE_WINDOW

    @staticmethod
    def _stop(timer: Timer | None) -> None:
        if timer is not None:
            timer.cancel()


def _tell(done: Done | None, ok: bool) -> None:
    if done is not None:
        done(ok)
