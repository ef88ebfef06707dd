"""Active scans: ask every channel for beacons and collect the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hubsec_emulated.errors import FrameError
from hubsec_emulated.stack.mac import Reception
from hubsec_emulated.stack.timing import SCAN_DURATION
from hubsec_emulated.wire.addresses import BROADCAST_ALL, NO_PAN
from hubsec_emulated.wire.mac import BEACON_REQUEST, BeaconPayload, MacFrame, MacType

if TYPE_CHECKING:
    from hubsec_emulated.stack.node import Node

CHANNELS: Final = tuple(range(11, 27))
"""The channels of the 2.4 GHz band. IEEE 802.15.4-2006 6.1.2."""
STACK_PROFILE_PRO: Final = 2
"""Stack profile in the beacon of a Zigbee PRO network. Specification 3.6.7."""


@dataclass(frozen=True, slots=True)
class Parent:
    """A possible parent, as its beacon told."""

    short: int
    pan_id: int
    channel: int
    beacon: BeaconPayload
    lqi: int


class Scanner:
    """One node's scans, one at a time: a new one ends the one before without a word."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._found: dict[tuple[int, int], Parent] | None = None
        self._run = 0

    def scan(self, channels: Sequence[int], done: Callable[[list[Parent]], None]) -> None:
        """Scan `channels` in this order; `done` gets what was found, in the order of its beacons."""
        self._found = {}
        self._run += 1
        self._visit(list(channels), done, self._run)

    def stop(self) -> None:
        """End the scan without a word."""
        self._run += 1
        self._found = None

    def on_beacon(self, reception: Reception) -> None:
        """A beacon was heard."""
        frame = reception.frame
        if self._found is None or frame.src is None or frame.src_pan is None or frame.src_long:
            return
        try:
            beacon = BeaconPayload.decode(frame.payload)
        except FrameError:
            return
        if beacon.stack_profile == STACK_PROFILE_PRO:
            parent = Parent(frame.src, frame.src_pan, self._node.mac.channel, beacon, reception.lqi)
            self._found[frame.src_pan, frame.src] = parent

    def _visit(self, channels: list[int], done: Callable[[list[Parent]], None], run: int) -> None:
        if run != self._run or self._found is None:
            return
        if not channels:
            found, self._found = list(self._found.values()), None
            done(found)
            return
        mac = self._node.mac
        mac.channel = channels[0]
        mac.stay_awake(SCAN_DURATION)
        request = MacFrame(
            MacType.COMMAND, 0, dst_pan=NO_PAN, dst=BROADCAST_ALL, payload=BEACON_REQUEST.encode()
        )
        mac.send_frame(request)
        self._node.later(SCAN_DURATION, self._visit, channels[1:], done, run)
