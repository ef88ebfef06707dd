"""The shared medium: 2.4 GHz IEEE 802.15.4 channels that the nodes transmit on.

Frames take their air time, one after the other per channel; an acknowledged frame keeps the channel until its ACK is
through (CSMA-CA is modelled as waiting, collisions are not modelled). Loss, delay and duplication come from one seeded
generator, so that a seed reproduces a run. Every PSDU goes to the taps, lost or not: a tap is an ear beside the sender.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from hubsec_emulated.clock import Timeline
from hubsec_emulated.errors import EmulationError, FrameError
from hubsec_emulated.wire.mac import MacFrame, MacType

#: One byte at 250 kbit/s, seconds (IEEE 802.15.4-2003 6.5).
BYTE_TIME = 32e-6
#: Preamble, start-of-frame delimiter and length octet before each PSDU, bytes (6.3).
PHY_OVERHEAD = 6
#: aTurnaroundTime: 12 symbols between a frame and its ACK, seconds (table 18).
TURNAROUND = 192e-6
#: PSDU length of an ACK, bytes (7.2.2.3).
ACK_LENGTH = 5
#: aMaxPHYPacketSize, bytes (table 18).
MAX_PSDU = 127
#: Two frames with nothing between them: the short interframe space, seconds (7.5.1.2).
INTERFRAME = 192e-6
#: Link quality of a perfect reception (6.9.8).
BEST_LQI = 255


def air_time(length: int) -> float:
    """Seconds that a PSDU of `length` bytes occupies the channel."""
    return (PHY_OVERHEAD + length) * BYTE_TIME


@dataclass(frozen=True, slots=True)
class Transmission:
    """One PSDU on the air: `time` is when its first byte left, simulated seconds; `frame` is None if it is malformed.

    `number` counts what was sent on this air from 1, as a capture of the whole run does. `psdu` includes the FCS.
    `sender` is the transmitting radio's name.
    """

    number: int
    time: float
    channel: int
    sender: str
    psdu: bytes = field(repr=False)
    frame: MacFrame | None


class Radio(Protocol):
    """What the air needs to know of a node's receiver."""

    name: str
    channel: int

    @property
    def listening(self) -> bool:
        """Whether the receiver is on at this moment."""

    def hear(self, transmission: Transmission, lqi: int, rssi: int) -> None:
        """A frame was received; called at its end."""


type Tap = Callable[[Transmission], None]


class Air:
    """All channels at once, and who hears whom on them: by default everybody.

    `loss` and `duplication` are probabilities (0…1) per reception, `delay` is the longest additional wait before a
    frame leaves, simulated seconds. They may be changed at any time. Raises EmulationError for values out of range.
    """

    def __init__(
        self,
        clock: Timeline,
        *,
        seed: int = 0,
        loss: float = 0.0,
        delay: float = 0.0,
        duplication: float = 0.0,
    ) -> None:
        for name, probability in (("loss", loss), ("duplication", duplication)):
            if not 0 <= probability <= 1:
                raise EmulationError(f"{name} is a probability from 0 to 1, not {probability:g}.")
        if not delay >= 0:
            raise EmulationError(f"delay is a time of 0 seconds or more, not {delay:g}.")
        self.clock = clock
        self.loss = loss
        self.delay = delay
        self.duplication = duplication
        self.transmissions = 0
        self._random = random.Random(seed)
        self._radios: list[Radio] = []
        self._taps: list[Tap] = []
        self._free: dict[int, float] = {}
        self._cut: set[frozenset[int]] = set()
        self._only: dict[int, frozenset[int]] = {}
        self._quality: dict[frozenset[int], int] = {}
        #: Who is within reach of whom, by the sender's id, as long as nothing of it changes.
        self._reach: dict[int, tuple[Radio, ...]] = {}

    def attach(self, radio: Radio) -> None:
        """`radio` takes part from now on."""
        if radio not in self._radios:
            self._radios.append(radio)
            self._reach.clear()

    def detach(self, radio: Radio) -> None:
        """`radio` neither hears nor is heard any more."""
        if radio in self._radios:
            self._radios.remove(radio)
            self._reach.clear()

    def tap(self, tap: Tap) -> Callable[[], None]:
        """Give every transmission to `tap` as it starts; returns a function that ends this."""
        self._taps.append(tap)

        def stop() -> None:
            if tap in self._taps:
                self._taps.remove(tap)

        return stop

    def cut(self, one: Radio, other: Radio) -> None:
        """`one` and `other` don't hear each other until `heal`."""
        self._cut.add(_pair(one, other))
        self._reach.clear()

    def heal(self, one: Radio, other: Radio) -> None:
        """Undo `cut`."""
        self._cut.discard(_pair(one, other))
        self._reach.clear()

    def limit(self, radio: Radio, neighbours: Iterable[Radio] | None) -> None:
        """`radio` hears and is heard by `neighbours` alone; None lifts the limit."""
        if neighbours is None:
            self._only.pop(id(radio), None)
        else:
            self._only[id(radio)] = frozenset(id(neighbour) for neighbour in neighbours)
        self._reach.clear()

    def set_quality(self, one: Radio, other: Radio, lqi: int) -> None:
        """Frames between the two arrive with this LQI (0…255); default 255."""
        self._quality[_pair(one, other)] = lqi

    def connected(self, one: Radio, other: Radio) -> bool:
        """Whether the two are within reach of each other."""
        if not (self._cut or self._only):
            return True
        if _pair(one, other) in self._cut:
            return False
        return all(
            id(far) in self._only.get(id(near), (id(far),)) for near, far in ((one, other), (other, one))
        )

    def transmit(self, radio: Radio, psdu: bytes) -> float:
        """Send `psdu` (with FCS) as soon as the channel is free; returns when its last byte is out (simulated time).

        An ACK does not wait: it leaves one turnaround after the frame that it answers. Raises EmulationError for a
        PSDU that is too long.
        """
        if len(psdu) > MAX_PSDU:
            raise EmulationError(f"A PSDU has at most {MAX_PSDU} bytes, this one has {len(psdu)}.")
        try:
            frame: MacFrame | None = MacFrame.decode(psdu)
        except FrameError:
            frame = None
        now = self.clock.now()
        length = air_time(len(psdu))
        if frame is not None and frame.type is MacType.ACK:
            start = now + TURNAROUND
            end = start + length
        else:
            wait = self._random.uniform(0.0, self.delay) if self.delay else 0.0
            start = max(now + wait, self._free.get(radio.channel, 0.0))
            end = start + length
            reserve = TURNAROUND + air_time(ACK_LENGTH) if frame is not None and frame.ack_request else 0.0
            self._free[radio.channel] = end + reserve + INTERFRAME
        self.clock.call_later(start - now, self._leave, radio, radio.channel, psdu, frame)
        return end

    def _leave(self, radio: Radio, channel: int, psdu: bytes, frame: MacFrame | None) -> None:
        self.transmissions += 1
        transmission = Transmission(self.transmissions, self.clock.now(), channel, radio.name, psdu, frame)
        for tap in tuple(self._taps):
            tap(transmission)
        self.clock.call_later(air_time(len(psdu)), self._arrive, radio, transmission)

    def _arrive(self, sender: Radio, transmission: Transmission) -> None:
        for radio in self._within_reach(sender):
            if radio.channel != transmission.channel or not radio.listening:
                continue
            copies = 1
            if self.loss and self._random.random() < self.loss:
                continue
            if self.duplication and self._random.random() < self.duplication:
                copies = 2
            lqi = self._quality.get(_pair(sender, radio), BEST_LQI) if self._quality else BEST_LQI
            for _ in range(copies):
                radio.hear(transmission, lqi, -100 + lqi * 60 // 255)

    def _within_reach(self, sender: Radio) -> tuple[Radio, ...]:
        near = self._reach.get(id(sender))
        if near is None:
            near = tuple(
                radio for radio in self._radios if radio is not sender and self.connected(sender, radio)
            )
            self._reach[id(sender)] = near
        return near


def _pair(one: Radio, other: Radio) -> frozenset[int]:
    return frozenset((id(one), id(other)))
