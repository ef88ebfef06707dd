"""Whether a radio has the key that it ought to have, and if not, which it is. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from hubsec.rotation.journal import KeyRing
from hubsec.rotation.radio import KeyState

_OLD_KEY: Final = (
    "The radio uses a key that this network had before its last rotation: an old backup was restored to it."
)
_RESTORE: Final = (
    "Its devices use a newer one. Restore the newest backup of the stick, from after the last rotation; "
    "or let each device that does not answer join anew."
)
_STAGED_KEY: Final = (
    "The radio uses the key of a rotation that was given up: something else has ordered the switch to it."
)
_FOREIGN_KEY: Final = (
    "The radio uses a key that hubsec has never seen on this network: something else has changed it, or a backup of "
    "hubsec's folder from before the last rotation was put back."
)
_PUT_BACK: Final = (
    "If a backup was put back, the network is well, and hubsec's records are old; "
    "put a newer one back, if there is one. Else: "
)
_LOOK_WHO: Final = (
    "Look who did: another program that drives this stick, or another stick in its place. A rotation brings the "
    "network to a key of hubsec's again."
)


class Disagreement(NamedTuple):
    """What is wrong with a radio's key, and what is to be done. `retired`: the network has left that key."""

    reason: str
    repair: str
    retired: bool = False


def compare(ring: KeyRing, state: KeyState) -> Disagreement | None:
    """The radio's key against the live one of the ring; None where they agree, or none is known to be live."""
    live = ring.live
    if live is None or live.key == state.key:
        return None
    known = ring.find(state.key)
    if known is None:
        return Disagreement(_FOREIGN_KEY, _PUT_BACK + _LOOK_WHO)
    if known.since is None:
        return Disagreement(_STAGED_KEY, _LOOK_WHO)
    return Disagreement(_OLD_KEY, _RESTORE, retired=True)
