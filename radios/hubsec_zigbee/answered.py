"""One opening of a host is many calls and commands inside each other: it is asked about once, and told once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_answered: Final[ContextVar[bool]] = ContextVar("hubsec opening", default=False)


@contextmanager
def answered() -> Iterator[None]:
    """What this block calls and sends, and the tasks that are started in it, belong to an opening that has been asked
    about."""
    before = _answered.set(True)
    try:
        yield
    finally:
        _answered.reset(before)


def is_answered() -> bool:
    """Whether this is inside such a block."""
    return _answered.get()
