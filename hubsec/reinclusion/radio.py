"""What a radio does for a re-inclusion. It keeps no state of it but who is held: the hub's journal does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from hubsec.identity import Identity, SecurityClass
from hubsec.reinclusion.shapes import Proof
from hubsec.secret import Secret

REINCLUSION: str = "re-inclusion"
"""The rule by which a device is shut off that awaits new keys."""
KEY_SIZE: int = 16
"""Bytes of a Z-Wave network key: AES-128 (Z-Wave specification, S0 and S2)."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """In seconds. `again`: until somebody is asked again who said nothing, or a place is tried again. `watch`:
    between two looks whether a device has fallen silent."""

    again: float
    watch: float


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A device that is on the network. `place` is its address, `device` what it is called; `proved`: who the server
    says it proved to be, by its DSK, None where it did not. `sleepy`: it listens only when it wakes."""

    device: Identity
    place: Identity
    name: str
    security: SecurityClass
    proved: Identity | None
    sleepy: bool


@runtime_checkable
class ReinclusionRadio(Protocol):
    """A radio whose devices can be included anew, in place. Every method may raise
    :class:`~hubsec.errors.RadioError`."""

    @property
    def reinclusion_refusal(self) -> str | None:
        """Why the server can't be started on new keys from here, in one sentence; None if it can."""

    @property
    def key_names(self) -> Sequence[str]:
        """The network's keys, as its server calls them."""

    @property
    def pace(self) -> Pace:
        """How long is waited between two tries."""

    def places(self) -> Sequence[Place]:
        """Every device that the network has, the controller left out."""

    def hold(self, places: Mapping[Identity, str]) -> None:
        """Nothing of or to these passes from now on, for the reason given, until they are no longer among those that
        this was last called with: addresses, and devices wherever they are. It can be called before the radio is
        opened."""

    async def start_server(self, keys: Mapping[str, Secret]) -> None:
        """Have the server started on these keys, while there is no connection to it."""

    async def restart_on(self, keys: Mapping[str, Secret]) -> None:
        """Have the server restarted on these keys; when it returns the radio stands on it again."""

    async def proof(self, place: Identity) -> Proof:
        """Ask whoever is at that address under the server's keys."""

    async def is_silent(self, place: Identity) -> bool:
        """Whether nobody answers at that address. A device that was reset does not."""

    def is_there(self, place: Identity) -> bool:
        """Whether the network still has that address."""

    async def recognize(self, place: Identity, device: Identity) -> None:
        """Whoever is at `place` has the server's keys, and it was not seen that it came. Where the network has it for
        `device` by its DSK, judge it as that, as after an inclusion."""

    async def strike_off(self, place: Identity) -> None:
        """Take the silent node at that address off the network, without counting its device as gone."""

    def stands(self, callback: Callable[[bool], None]) -> Callable[[], None]:
        """Call `callback` with False when the connection to the server is lost, and with True when the radio stands
        again. Returns an idempotent unsubscribe."""
