"""Keeps keys out of the logs of bellows.

At its debug level bellows logs every command with its arguments and every frame in hex, the guard's transient keys and the
network key among them. While a guard stands, a filter on those loggers lets such records through without the bytes.
"""

from __future__ import annotations

import logging
from typing import Final

_COMMAND_LOGGER: Final = "bellows.ezsp.protocol"
_FRAME_LOGGERS: Final = ("bellows.ash", "bellows.uart")
_KEY_BEARING: Final = frozenset(
    {
        "addTransientLinkKey",
        "broadcastNextNetworkKey",
        "exportKey",
        "exportLinkKeyByEui",
        "exportLinkKeyByIndex",
        "exportTransientKeyByEui",
        "exportTransientKeyByIndex",
        "getTokenData",
        "importKey",
        "importLinkKey",
        "importTransientKey",
        "setInitialSecurityState",
        "setTokenData",
        "unicastNwkKeyUpdate",
    }
)
_HIDDEN: Final = "…"


class _Hide(logging.Filter):
    """`frames`: hide whatever a record shows; else only what belongs to a command that carries a key."""

    def __init__(self, *, frames: bool) -> None:
        super().__init__()
        self._frames = frames

    def filter(self, record: logging.LogRecord) -> bool:
        args = record.args
        if isinstance(args, tuple) and args:
            if self._frames:
                record.args = tuple(arg if isinstance(arg, int | float) else _HIDDEN for arg in args)
            elif args[0] in _KEY_BEARING:
                record.args = (args[0], *(_HIDDEN for _ in args[1:]))
        return True


class Quiet:
    """The filters, put on and taken off again; nested guards share nothing and disturb each other not."""

    def __init__(self) -> None:
        self._on: list[tuple[logging.Logger, logging.Filter]] = []

    def put_on(self) -> None:
        """Hide keys from now on. Idempotent."""
        if self._on:
            return
        for name, frames in ((_COMMAND_LOGGER, False), *((name, True) for name in _FRAME_LOGGERS)):
            logger, hide = logging.getLogger(name), _Hide(frames=frames)
            logger.addFilter(hide)
            self._on.append((logger, hide))

    def take_off(self) -> None:
        """Leave the loggers as they were."""
        for logger, hide in self._on:
            logger.removeFilter(hide)
        self._on.clear()
