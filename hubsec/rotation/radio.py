"""What a radio does for a rotation of the network key. It keeps no state of it: the hub's journal does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from hubsec.identity import Identity
from hubsec.secret import Secret


class KeyState(msgspec.Struct, frozen=True, kw_only=True):
    """The radio's keys, read back from it. `key` has 16 bytes and `sequence` is its key sequence number, 0 to 255;
    `next_sequence` is that of the key that is staged, None when there is none."""

    key: Secret
    sequence: int
    next_sequence: int | None


class KeyRoute(msgspec.Struct, frozen=True, kw_only=True):
    """How a device can be given a key. `sleepy`: its receiver is off when idle. `placed`: the radio knows where it is.
    `own_link_key`: the trust center holds a link key of its own for it, and not one that is derived for everybody;
    None where that can't be read. `shared_link_key`: it is one that others are given as well, so that
    nothing is sent under it."""

    device: Identity
    name: str
    sleepy: bool
    placed: bool
    own_link_key: bool | None
    shared_link_key: bool = False


class ReturnOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Take back, for `seconds`, who lost the network key. `awaited`: for whose sake. `expected`: who may have a link
    key at the trust center at all, the awaited among them. `left_out`: who is never to get the key again, so that
    their link keys go first. `correlation` is what its events carry."""

    correlation: str
    awaited: frozenset[Identity]
    expected: frozenset[Identity]
    left_out: frozenset[Identity]
    seconds: float


@runtime_checkable
class ReturnRadio(Protocol):
    """A radio whose trust center can take devices back without the network key, each by a link key of its own. Every
    method may raise :class:`~hubsec.errors.RadioError`."""

    async def take_back(self, order: ReturnOrder) -> None:
        """Erase the link keys of who was left out, read back that they are gone and that nobody else has one than who
        is expected, and only then take back. Raises :class:`~hubsec.errors.NotEnforceable` with the reason where any
        of that does not hold; nothing is open then. It ends by itself, and whatever ends it is told."""

    async def take_nobody_back(self, reason: str) -> None:
        """Shut that again, read back. Idempotent."""


@runtime_checkable
class KeyRadio(Protocol):
    """A radio that can change its network's key. Every method may raise :class:`~hubsec.errors.RadioError`."""

    async def key_state(self) -> KeyState:
        """The keys, read back now."""

    async def key_routes(self) -> Sequence[KeyRoute]:
        """Every device that the network is known to have, the coordinator left out."""

    async def broadcast_next_key(self, key: Secret) -> None:
        """Stage `key`, the 16 bytes of the next network key, and send it to everybody under the present one; once.
        Staging the same key again changes nothing but that it is sent again."""

    async def send_next_key(self, device: Identity, key: Secret) -> bool:
        """Stage `key`, and send it to that one device under its own link key. Whether the device answered something
        after that, so that it was there to hear it."""

    async def switch_key(self) -> None:
        """Tell everybody to use the staged key, and use it. Returns when the radio says that it does."""

    async def answers(self, device: Identity) -> bool:
        """Whether the device answers now. What it is asked is secured with the present key, so that whoever answers
        holds that one."""

    def heard(self, callback: Callable[[Identity], None]) -> Callable[[], None]:
        """Call `callback` whenever a device is heard, which is when a sleepy one can be reached. Returns an idempotent
        unsubscribe."""

    async def follow_key(self) -> None:
        """The radio uses another key than before: bring the host's own records of the network to it. Idempotent."""
