"""Who has which short address, and who is whose parent, as far as the radio has been told.

A short address is handed out and taken back, and a frame shows nothing else of its sender. So what is believed here
decides whose frame a frame is. A claim is believed only from someone who holds the network key, and never where
it would give the address of a shut-off device to another (:meth:`Roster.claim`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hubsec.identity import Identity

COORDINATOR: Final = 0x0000
"""The coordinator's short address (Zigbee specification 3.6.1.6)."""
FIRST_RESERVED: Final = 0xFFF8
"""From here on a short address is no device's (3.6.5)."""
MAX_DEVICES: Final = 1024
"""More than any EmberZNet network has (its address tables end at 256); bounds what a liar can make us keep."""


@dataclass(slots=True)
class Place:
    """Where a device is. `parent` None: nobody said, or a router needs none."""

    short: int
    parent: int | None = None


class Roster:
    """Two maps that agree: short address -> identity and identity -> place."""

    def __init__(self) -> None:
        self.by_short: dict[int, Identity] = {}
        self._places: dict[Identity, Place] = {}

    def learn(self, device: Identity, short: int, *, parent: int | None = None) -> None:
        """`device` is at `short`; a parent that is not said is kept if the address is the same."""
        if not COORDINATOR < short < FIRST_RESERVED:
            return
        place = self._places.get(device)
        if place is None:
            if len(self._places) >= MAX_DEVICES:
                self.forget(next(iter(self._places)))
            place = self._places[device] = Place(short)
        if place.short != short:
            if self.by_short.get(place.short) == device:
                del self.by_short[place.short]
            place.short, place.parent = short, None
        if parent is not None:
            place.parent = parent
        before = self.by_short.get(short)
        if before is not None and before != device:
            self._places.pop(before, None)
        self.by_short[short] = device

    def claim(
        self,
        device: Identity,
        short: int,
        shut_off: Callable[[Identity], bool],
        *,
        parent: int | None = None,
    ) -> bool:
        """A frame from `short` says that it is `device`. Believed, unless it would free a shut-off device of
        its address."""
        before = self.by_short.get(short)
        if before is not None and before != device and shut_off(before):
            return False
        self.learn(device, short, parent=parent)
        return True

    def forget(self, device: Identity) -> None:
        """`device` is gone."""
        place = self._places.pop(device, None)
        if place is not None and self.by_short.get(place.short) == device:
            del self.by_short[place.short]

    def place(self, device: Identity) -> Place | None:
        """Where `device` was last, None if unknown."""
        return self._places.get(device)

    def __len__(self) -> int:
        return len(self._places)
