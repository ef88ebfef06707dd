"""Who is near: children, other routers, and which EUI64 has which short address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from hubsec_emulated.clock import Timer
from hubsec_emulated.stack.timing import END_DEVICE_TIMEOUT_DEFAULT, NEIGHBOUR_AGE


@dataclass(slots=True)
class Child:
    """A device whose parent we are. `authenticated` once it sent a frame under the network key."""

    eui64: int
    short: int
    rx_on: bool
    router: bool
    authenticated: bool = False
    timeout: int = END_DEVICE_TIMEOUT_DEFAULT
    keepalive: float = 0.0
    joined_at: float = 0.0
    #: What it used to join in order to tell the trust center; the timer that drops it while it has no key.
    transient: Timer | None = field(default=None, repr=False)

    @property
    def timeout_seconds(self) -> float:
        """How long the child may be silent: 10 s for 0, else 2**n minutes (specification table 3-54)."""
        return 10.0 if self.timeout == 0 else 60.0 * float(2**self.timeout)


@dataclass(slots=True)
class Neighbour:
    """A router or coordinator within reach. Link costs are 1…7, 0 unknown."""

    short: int
    eui64: int | None
    heard: float
    lqi: int = 255
    outgoing_cost: int = 0


@dataclass(slots=True)
class Neighbours:
    """The neighbour table and the address map of one node."""

    children: dict[int, Child] = field(default_factory=dict)
    routers: dict[int, Neighbour] = field(default_factory=dict)
    _short: dict[int, int] = field(default_factory=dict)
    _eui64: dict[int, int] = field(default_factory=dict)

    def learn(self, short: int, eui64: int) -> None:
        """`eui64` now has this short address."""
        old = self._short.get(eui64)
        if old == short and self._eui64.get(short) == eui64:
            return
        if old is not None and self._eui64.get(old) == eui64:
            del self._eui64[old]
        previous = self._eui64.get(short)
        if previous is not None:
            self._short.pop(previous, None)
        self._short[eui64] = short
        self._eui64[short] = eui64

    def eui64_of(self, short: int) -> int | None:
        """The EUI64 with this short address, as far as known."""
        return self._eui64.get(short)

    def short_of(self, eui64: int) -> int | None:
        """The short address of this EUI64, as far as known."""
        return self._short.get(eui64)

    def known_shorts(self) -> Iterator[int]:
        """Every short address in use, as far as known."""
        yield from self._eui64
        yield from self.routers

    def child_at(self, short: int) -> Child | None:
        """The child with this short address."""
        eui64 = self._eui64.get(short)
        child = None if eui64 is None else self.children.get(eui64)
        return child if child is not None and child.short == short else None

    def router_at(self, short: int, now: float) -> Neighbour | None:
        """The router with this short address, if it was heard lately."""
        router = self.routers.get(short)
        return router if router is not None and now - router.heard <= NEIGHBOUR_AGE else None

    def remove_child(self, eui64: int) -> Child | None:
        """Forget a child; the child that it was."""
        child = self.children.pop(eui64, None)
        if child is not None and child.transient is not None:
            child.transient.cancel()
        return child

    def clear(self) -> None:
        """Forget everybody."""
        for eui64 in tuple(self.children):
            self.remove_child(eui64)
        self.routers.clear()
        self._short.clear()
        self._eui64.clear()
