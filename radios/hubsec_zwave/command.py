"""What the table of commands is made of."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from hubsec_zwave.roles import Role


class Kind(enum.Enum):
    """What a command's argument is, which says how it is checked."""

    NODE = enum.auto()
    """Number of a node that hears of the command, or that the command is about."""
    SLOT = enum.auto()
    """Number of a node whose place in the network is meant: it is removed or replaced, and hears nothing."""
    NODES = enum.auto()
    """List of numbers of nodes that hear of the command."""
    ROUTE = enum.auto()
    """A route: an object whose `repeaters` are nodes."""
    ROUTES = enum.auto()
    """List of routes."""
    TARGET = enum.auto()
    """An association's other end: an object with `nodeId`."""
    TARGETS = enum.auto()
    """List of them."""
    ENTRY = enum.auto()
    """A provisioning entry's DSK, or a node's number."""
    CLASS = enum.auto()
    """Number of a command class."""
    METHOD = enum.auto()
    """Name of a method of a command class."""
    VALUE_ID = enum.auto()
    """Which of a node's values."""
    INTEGER = enum.auto()
    NUMBER = enum.auto()
    FLAG = enum.auto()
    TEXT = enum.auto()
    SCALAR = enum.auto()
    """Text, a number or a flag, as the command will have it."""
    FILE = enum.auto()
    """Text as long as a message may be: a file's bytes in base64."""
    FIELDS = enum.auto()
    """An object."""
    LIST = enum.auto()
    ANY = enum.auto()
    """Anything: the value that a device is to take."""


class Scope(enum.Enum):
    """Whom a command reaches besides those that its arguments name."""

    NAMED = enum.auto()
    """Nobody."""
    EVERYBODY = enum.auto()
    """Every node, or what every node said: it is refused while any of them is shut out."""


class Access(enum.Enum):
    """How a command's role also depends on the command class that it is about."""

    PLAIN = enum.auto()
    """Not at all."""
    READ = enum.auto()
    """It reads a value that the server has."""
    WRITE = enum.auto()
    """It has a device take or tell a value of that class."""
    CALL = enum.auto()
    """It calls a method of that class, with arguments of its own."""


class Answer(enum.Enum):
    """What a command's result holds that not everybody may see."""

    PLAIN = enum.auto()
    """Nothing of the kind."""
    NETWORK = enum.auto()
    """`state`: driver, controller and all nodes."""
    NODE = enum.auto()
    """`state` or `node`: one node with its values."""
    DSK = enum.auto()
    """DSKs, wherever in it."""
    BY_NODE = enum.auto()
    """An object whose only field is an object by node numbers."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One row: who may send it, with what. `judged`: the guard is asked, and may change it."""

    name: str
    role: Role
    arguments: Mapping[str, Kind]
    judged: bool = False
    scope: Scope = Scope.NAMED
    access: Access = Access.PLAIN
    answer: Answer = Answer.PLAIN
