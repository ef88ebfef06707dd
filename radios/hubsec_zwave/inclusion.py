"""One inclusion, from its start to what it left on the network. No I/O: what happened goes in, what to do comes out.

The rules
1. An inclusion belongs to whoever began it: hubsec for its admissions, or one client of the server. Nobody else may
   answer its questions or end it. One that belongs to nobody known (another client of an ungated server, an inclusion
   controller) is a stranger's, and every question of it is answered with no.
2. What is granted is what the device asks for, less every class below the least that the policy wants of it. Its class
   of device, as its first frame names it, counts as well as what its entry expects. Where nothing is left, the answer
   is no.
3. The PIN goes out for a device whose admission is open and whose join was judged Allow, after it has shown the other
   seven groups of that DSK. Nobody's PIN goes to anybody else.
4. Whoever is on the network when it ends is judged by the highest class that it holds, and by nothing that the server
   says of how it went. Only S2 Authenticated or better proves a DSK.
5. An inclusion in a failed node's place is for one device. Whoever else comes into it gets no PIN, whatever admission
   is open for it.

Sources: Z-Wave Network Layer Specification, S2 bootstrapping; the order of questions is that of zwave-js.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hubsec.identity import Identity, SecurityClass

HUBSEC: Final = "hubsec"
"""Who an inclusion belongs to that is an admission's."""
STRANGER: Final = ""
"""Who it belongs to when nobody knows."""


class Inclusion:
    """`owner` began it. `smart_start`: the controller did by itself, for an active entry of the provisioning
    list. `only`: a failed node's place is open, for this device (rule 5)."""

    def __init__(self, owner: str, *, smart_start: bool = False, only: Identity | None = None) -> None:
        self.owner = owner
        self.smart_start = smart_start
        self.only = only
        self.stopped = False
        self.node: int | None = None
        self.device_class: str | None = None
        self.asked: tuple[SecurityClass, ...] = ()
        self.granted: frozenset[SecurityClass] = frozenset()
        self.shown: Identity | None = None
        self.allowed: Identity | None = None
        self.refused: str | None = None

    def may_answer(self, asker: str) -> bool:
        """Rule 1."""
        return bool(self.owner) and asker == self.owner

    def found(self, node: int, device_class: str | None) -> None:
        """A node has answered; what another one has asked, shown and been allowed before is not its."""
        if self.node not in (None, node):
            self.asked, self.granted = (), frozenset()
            self.shown = self.allowed = self.refused = None
        self.node = node
        self.device_class = device_class

    def grant(
        self, asked: Iterable[SecurityClass], least: Iterable[SecurityClass]
    ) -> frozenset[SecurityClass]:
        """Rule 2. `least` are all the least classes that are wanted of this device, of which the best
        counts."""
        self.asked = tuple(asked)
        floor = max((one.rank for one in least), default=SecurityClass.S2_AUTHENTICATED.rank)
        floor = max(floor, SecurityClass.S0.rank)
        self.granted = frozenset(one for one in self.asked if one.rank >= floor)
        if not self.granted:
            self.refused = _too_little(self.asked, floor)
        return self.granted

    def show(self, device: Identity) -> None:
        """The device shows the public part of its DSK."""
        self.shown = device

    def allow(self, device: Identity) -> None:
        """Its join was judged Allow."""
        self.allowed = device

    def refuse(self, reason: str) -> None:
        """It was not."""
        self.refused = reason

    def proved(self, security: SecurityClass | None) -> Identity | None:
        """Rule 4: who the node is that the inclusion has left, by the highest class that it holds."""
        if security is None or not security.proves_dsk:
            return None
        return self.allowed


def _too_little(asked: tuple[SecurityClass, ...], floor: int) -> str:
    wanted = next(one for one in SecurityClass if one.rank == floor)
    best = max(asked, key=lambda one: one.rank, default=SecurityClass.NONE)
    return f"It asks for {best} at most, and the policy wants {wanted} of it."
