"""Proving that a host's own way to open the network leads past the guard, without opening anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from hubsec.errors import Refused

CANARY: Final = "canary"
"""The rule by which a canary is refused."""

_trying: ContextVar[bool] = ContextVar("hubsec canary", default=False)


@contextmanager
def canary() -> Iterator[None]:
    """Whatever is asked inside this block to be opened, by whatever way of the host, is refused in every mode with the
    rule :data:`CANARY`, if it gets to a guard. If nothing refuses it, no guard stood in its way: close the network.

    It counts for what the block calls and for the tasks that are started in it.
    """
    before = _trying.set(True)
    try:
        yield
    finally:
        _trying.reset(before)


def refuse_canary() -> None:
    """Raises :class:`~hubsec.errors.Refused` inside such a block. For guards."""
    if _trying.get():
        raise Refused("This only tried whether the guard stands in the way. It does.", rule=CANARY)
