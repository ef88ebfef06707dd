"""What a rotation has to find again after a crash: its journal, and the ring of a network's keys. Both are sealed.

They are msgpack, versioned and bounded. What can't be read raises :class:`~hubsec.errors.StoreError`: nobody goes on
with a guess, least of all with a fresh key.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

import msgspec

from hubsec.errors import StoreError
from hubsec.identity import Identity
from hubsec.rotation.shapes import Delivery, Outcome, RotationProgress, Step, Way
from hubsec.secret import Secret

VERSION: Final = 1
KEY_BYTES: Final = 16
"""A network key is an AES-128 key (Zigbee specification R23, 4.2.1)."""
SEQUENCES: Final = 256
"""A key sequence number is one byte that wraps (R23, 4.3.1.2)."""
MAX_DEVICES: Final = 2048
"""Devices of a rotation. Judgement: several times what coordinators are sold for (200 to 300)."""
MAX_BYTES: Final = 2 * 1024 * 1024
"""Bytes of a journal: a kilobyte a device, of which it takes less than half."""
KEYS_KEPT: Final = 16
"""Keys in a ring, the newest: eight unicast rotations."""


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One device of a rotation. `alone`: what is broadcast may not reach it, since it sleeps or joined after that.
    `waited`: the dry run expects it, so that the switch waits for it until the deadline."""

    name: Annotated[str, msgspec.Meta(max_length=1024)]
    delivery: Delivery
    sleepy: bool = False
    alone: bool = False
    waited: bool = True


class LiveKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A network key and its sequence number."""

    key: Secret
    sequence: int


class Journal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where one rotation stands. `keys` are the next ones, one for each round, drawn before the first is sent; `old` is
    the one from before. `deadline` is that of the present phase, `patience` the seconds that each phase has. `heals`
    is what the dry run said, until a key went out meanwhile that a listener could open. `evicted`: who had been put out
    when this began, and holds no newer key than the old one."""

    what: ClassVar[str] = "journal of a rotation"
    version: int = VERSION
    rotation: str
    radio: str
    network_id: str
    way: Way
    step: Step
    round: int
    old: LiveKey
    keys: Annotated[tuple[Secret, ...], msgspec.Meta(min_length=1, max_length=2)]
    targets: Annotated[dict[Identity, Target], msgspec.Meta(max_length=MAX_DEVICES)]
    started_at: float
    deadline: float
    patience: float
    by: str
    reason: str
    heals: bool = False
    evicted: tuple[Identity, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether keys, sequence numbers and rounds are such as a rotation has."""
        return (
            1 <= self.round <= len(self.keys) == rounds_of(self.way)
            and all(map(_is_key, self.chain))
            and len({one.key.reveal() for one in self.chain}) == len(self.chain)
        )

    @property
    def chain(self) -> tuple[LiveKey, ...]:
        """The old key and the new ones, in the order in which they are live."""
        first = self.old.sequence
        following = (
            LiveKey(key=key, sequence=(first + place) % SEQUENCES)
            for place, key in enumerate(self.keys, start=1)
        )
        return (self.old, *following)

    @property
    def settled(self) -> int:
        """Which key of the chain is known to be live: its place."""
        return self.round if self.step in _SWITCHED else self.round - 1

    @property
    def next(self) -> LiveKey:
        """The key of the present round."""
        return self.chain[self.round]

    @property
    def by_broadcast(self) -> bool:
        """Whether the present round's key is broadcast."""
        return self.way is Way.BROADCAST or self.round > 1

    def progress(
        self, *, trouble: str = "", ended_at: float | None = None, outcome: Outcome | None = None
    ) -> RotationProgress:
        """The same for everybody, without the keys."""
        return RotationProgress(
            rotation=self.rotation,
            radio=self.radio,
            network_id=self.network_id,
            way=self.way,
            step=self.step,
            round=self.round,
            rounds=len(self.keys),
            started_at=self.started_at,
            deadline=self.deadline,
            by=self.by,
            reason=self.reason,
            deliveries={device: target.delivery for device, target in self.targets.items()},
            names={device: target.name for device, target in self.targets.items()},
            sequence=self.chain[self.settled].sequence,
            trouble=trouble,
            ended_at=ended_at,
            outcome=outcome,
        )


_SWITCHED: Final = frozenset({Step.SWITCHED, Step.CONFIRMING, Step.ENDED})


class KnownKey(LiveKey, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key of a network's past, present, or of a future that never came: `since` is None for one that was staged
    and never live, `until` for the one that is live."""

    rotation: str
    since: float | None = None
    until: float | None = None


class KeyRing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The newest keys of a network, the newest last."""

    what: ClassVar[str] = "ring of network keys"
    version: int = VERSION
    keys: Annotated[tuple[KnownKey, ...], msgspec.Meta(max_length=KEYS_KEPT)] = ()

    @property
    def fits(self) -> bool:
        """Whether these are keys."""
        return all(map(_is_key, self.keys))

    @property
    def live(self) -> KnownKey | None:
        """The key that was live when this was written; None where that was never known."""
        return next((one for one in reversed(self.keys) if one.since is not None and one.until is None), None)

    def find(self, key: Secret) -> KnownKey | None:
        """What is known of `key`, None when it never was this network's."""
        return next((one for one in reversed(self.keys) if one.key == key), None)

    def following(self, journal: Journal, *, at: float) -> KeyRing:
        """The ring as a rotation's journal leaves it: the keys up to the one that is settled have been live, what was
        not switched to is kept as such."""
        ring, live = self, journal.chain[journal.settled]
        for place, one in enumerate(journal.chain):
            ring = ring._with(
                KnownKey(key=one.key, sequence=one.sequence, rotation=journal.rotation if place else "")
            )
            known = ring.find(one.key)
            if place < journal.settled and known is not None and known.since is None:
                # It was live for a while, and is not any more.
                ring = ring.holding(one.key, one.sequence, at=at if place else journal.started_at)
        return ring.holding(live.key, live.sequence, at=at if journal.settled else journal.started_at)

    def holding(self, key: Secret, sequence: int, *, at: float) -> KeyRing:
        """The same ring with that key as the live one, whatever was live before."""
        ring = self._with(KnownKey(key=key, sequence=sequence, rotation="", since=at))
        keys = []
        for one in ring.keys:
            if one.key == key:
                known = msgspec.structs.replace(one, since=at if one.since is None else one.since, until=None)
                keys.append(msgspec.structs.replace(known, sequence=sequence))
            elif one.since is not None and one.until is None:
                keys.append(msgspec.structs.replace(one, until=at))
            else:
                keys.append(one)
        return KeyRing(keys=tuple(keys))

    def _with(self, known: KnownKey) -> KeyRing:
        """The same ring and that key, if it is not there; the oldest goes."""
        if self.find(known.key) is not None:
            return self
        return KeyRing(keys=(*self.keys, known)[-KEYS_KEPT:])


def rounds_of(way: Way) -> int:
    """How many keys a rotation of that way has."""
    return 1 if way is Way.BROADCAST else 2


def secret_name(network_id: str) -> str:
    """By which the journal and the ring of a Zigbee network are sealed, each under its own kind."""
    return f"zigbee:{network_id}"


def pack(kept: Journal | KeyRing) -> Secret:
    """`kept` as bytes to be sealed."""
    return Secret(msgspec.msgpack.encode(kept, enc_hook=_bytes_of))


def unpack[K: (Journal, KeyRing)](packed: Secret, kind: type[K]) -> K:
    """What :func:`pack` made. Raises :class:`~hubsec.errors.StoreError`, which says what to do."""
    what = kind.what
    if len(packed) > MAX_BYTES:
        raise StoreError(f"The {what} is too long: it was changed from outside.")
    try:
        version = msgspec.msgpack.decode(packed.reveal(), type=_Versioned).version
        if version != VERSION:
            raise StoreError(f"The {what} has version {version}; this hubsec reads {VERSION}: update hubsec.")
        kept = msgspec.msgpack.decode(packed.reveal(), type=kind, dec_hook=_secret_of)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise StoreError(
            f"The {what} can't be read: it was changed from outside. Restore the store from a backup."
        ) from None
    if not kept.fits:
        raise StoreError(f"The {what} makes no sense: it was changed from outside.")
    return kept


class _Versioned(msgspec.Struct):
    version: int


def _is_key(one: LiveKey) -> bool:
    return len(one.key) == KEY_BYTES and 0 <= one.sequence < SEQUENCES


def _bytes_of(value: object) -> bytes:
    if isinstance(value, Secret):
        return value.reveal()
    raise StoreError(f"A {type(value).__name__} has no place in a journal.")


def _secret_of(kind: type[Any], value: Any) -> Any:  # noqa: ANN401 - whatever stands there
    if kind is Secret and isinstance(value, bytes):
        return Secret(value)
    raise msgspec.ValidationError("no secret")
