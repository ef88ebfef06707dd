"""What a client of the server may do, in four steps that contain each other."""

from __future__ import annotations

import enum
from typing import Self


class Role(enum.StrEnum):
    """A client's role; each one may do what those before it may.

    `OBSERVE` reads what the server has in its memory, door codes left out. `CONTROL` has the nodes that are on the
    network do what they are there for, door codes included. `INCLUDE` brings nodes in and takes them out, as far as the
    policy lets it. `ADMINISTER` changes how network, server and controller work, and reads what they log and store.
    """

    rank: int
    """0 for the lowest; roles compare by it."""

    def __new__(cls, name: str, rank: int) -> Self:
        """A role by its name. It is asked for with every message, so that its rank is looked up nowhere."""
        role = str.__new__(cls, name)
        role._value_ = name
        role.rank = rank
        return role

    OBSERVE = "observe", 0
    CONTROL = "control", 1
    INCLUDE = "include", 2
    ADMINISTER = "administer", 3

    def covers(self, needed: Role) -> bool:
        """Whether somebody with this role may do what asks for `needed`."""
        return self.rank >= needed.rank
