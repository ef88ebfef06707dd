"""The way out of a rotation whose records can't be read: it is given up, and the key is whichever the radio has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from hubsec.errors import Refused, SealError, StoreError
from hubsec.rotation.journal import Journal, KeyRing, pack, secret_name, unpack
from hubsec.rotation.radio import KeyState
from hubsec.rotation.shapes import Outcome, RotationProgress
from hubsec.secret import Secret
from hubsec.store.sealed import SecretKind

if TYPE_CHECKING:
    from hubsec.state import HubState


class Remains(msgspec.Struct, frozen=True, kw_only=True):
    """What is there of a network's rotations. `journal` and `ring` are None where there is none, or it can't be read:
    `journal_lost`, `ring_lost`. `under_way`: what the store lists as such."""

    journal: Journal | None
    journal_lost: bool
    ring: KeyRing | None
    ring_lost: bool
    under_way: RotationProgress | None


async def remains(state: HubState, network_id: str) -> Remains:
    """Look what there is. Raises :class:`~hubsec.errors.StoreError` where the store does not answer."""
    journal, journal_lost = await _look(state, network_id, SecretKind.JOURNAL, Journal)
    ring, ring_lost = await _look(state, network_id, SecretKind.NETWORK_KEY, KeyRing)
    past = await state.store.run(lambda store: store.rotations(network_id), writes=False)
    return Remains(
        journal=journal,
        journal_lost=journal_lost,
        ring=ring,
        ring_lost=ring_lost,
        under_way=next((one for one in past if one.outcome is None), None),
    )


async def _look[K: (Journal, KeyRing)](
    state: HubState, network_id: str, kind: SecretKind, what: type[K]
) -> tuple[K | None, bool]:
    try:
        sealed: Secret | None = await state.vault.get(kind, secret_name(network_id))
    except SealError:
        return None, True
    if sealed is None:
        return None, False
    try:
        return unpack(sealed, what), False
    except StoreError:
        return None, True


async def mend_ring(state: HubState, network_id: str, found: KeyState) -> None:
    """Put a ring that holds the radio's key in place of one that can't be read."""
    ring = KeyRing().holding(found.key, found.sequence, at=state.now())
    await state.recorded(state.vault.put(SecretKind.NETWORK_KEY, secret_name(network_id), pack(ring)))


async def give_up(
    state: HubState, network_id: str, left: Remains, found: KeyState
) -> RotationProgress | None:
    """Make durable that it is over, with the radio's key as the live one. How it ended; None where the store lists
    nothing. Raises :class:`~hubsec.errors.Refused` where there is nothing to be given up."""
    now, name = state.now(), secret_name(network_id)
    if not left.journal_lost and not left.ring_lost and left.under_way is None:
        raise Refused("No rotation is under way, and nothing stands in the way of one.", rule="rotation")
    ring = (left.ring or KeyRing()).holding(found.key, found.sequence, at=now)
    if left.under_way is None:
        await state.recorded(state.vault.put(SecretKind.NETWORK_KEY, name, pack(ring)))
        await state.recorded(state.vault.discard(SecretKind.JOURNAL, name))
        return None
    ended = msgspec.structs.replace(left.under_way, outcome=Outcome.ABANDONED, ended_at=now, trouble="")
    seals = {SecretKind.JOURNAL: None, SecretKind.NETWORK_KEY: pack(ring)}
    await state.recorded(
        state.store.run(lambda store: store.keep_rotation(ended, name=name, seals=seals, at=now))
    )
    return ended
