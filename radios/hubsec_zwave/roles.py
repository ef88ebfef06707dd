"""What a client of the server may do, in four steps that contain each other."""

from __future__ import annotations

import enum
from typing import Final


class Role(enum.StrEnum):
    """A client's role; each one may do what those before it may.

    `OBSERVE` reads what the server has in its memory, door codes left out. `CONTROL` has the nodes that are on the
    network do what they are there for, door codes included. `INCLUDE` brings nodes in and takes them out, as far as the
    policy lets it. `ADMINISTER` changes how network, server and controller work, and reads what they log and store.
    """

    OBSERVE = "observe"
    CONTROL = "control"
    INCLUDE = "include"
    ADMINISTER = "administer"

    @property
    def rank(self) -> int:
        """0 for the lowest; roles compare by it."""
        return _RANKS[self]

    def covers(self, needed: Role) -> bool:
        """Whether somebody with this role may do what asks for `needed`."""
        return _RANKS[self] >= _RANKS[needed]


_RANKS: Final = {role: rank for rank, role in enumerate(Role)}
