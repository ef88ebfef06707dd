"""Keeps keys out of the logs of bellows and zigpy.

At their debug level zigpy logs the network's settings, and bellows every command with its arguments and every
frame in hex, the guard's transient keys and the network key among them; aiosqlite, what zigpy writes to its database,
backups with all keys among it. While a guard stands, a filter on those loggers lets such records through without the
keys.
"""

from __future__ import annotations

import functools
import logging
from typing import Final

_COMMAND_LOGGER: Final = "bellows.ezsp.protocol"
_FRAME_LOGGERS: Final = ("bellows.ash", "bellows.uart")
_SETTINGS_LOGGERS: Final = (
    "bellows.ezsp",
    "zigpy.application",
    "zigpy.backups",
    "zigpy.appdb",
    "bellows.ezsp.v4",
    "bellows.ezsp.v13",
)
_DATABASE_LOGGER: Final = "aiosqlite"
_BACKUPS: Final = "network_backups"
"""What every statement says that reads or writes zigpy's table of backups."""
_SETTINGS: Final = frozenset({"NetworkInfo", "NetworkBackup", "Key", "KeyData"})
"""The names of zigpy's types that hold keys and show them."""
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
    """`frames`: hide whatever a record shows; else what belongs to a command, or is of a type, that carries a key."""

    def __init__(self, *, frames: bool) -> None:
        super().__init__()
        self._frames = frames

    def filter(self, record: logging.LogRecord) -> bool:
        args = record.args
        if isinstance(args, tuple) and args:
            if self._frames:
                record.args = tuple(_hidden(arg) for arg in args)
            elif isinstance(args[0], str) and args[0] in _KEY_BEARING:
                record.args = (args[0], *(_hidden(arg) for arg in args[1:]))
            else:
                # Bytes: a frame that was not understood, or what was left of one.
                record.args = tuple(
                    _HIDDEN
                    if isinstance(arg, bytes) or type(arg).__name__ in _SETTINGS or _is_about_backups(arg)
                    else arg
                    for arg in args
                )
        return True


def _hidden(arg: object) -> object:
    """Numbers stay: they are counts and delays, and are formatted as numbers."""
    return arg if isinstance(arg, int | float) else _HIDDEN


def _is_about_backups(arg: object) -> bool:
    """Whether it is a call of the database, as aiosqlite logs it, that has to do with backups."""
    return isinstance(arg, functools.partial) and any(
        isinstance(one, str) and _BACKUPS in one for one in arg.args
    )


class Quiet:
    """The filters, put on and taken off again; nested guards share nothing and disturb each other not."""

    def __init__(self) -> None:
        self._on: list[tuple[logging.Logger, logging.Filter]] = []

    def put_on(self) -> None:
        """Hide keys from now on. Idempotent."""
        if self._on:
            return
        for name in (_COMMAND_LOGGER, *_SETTINGS_LOGGERS, *_FRAME_LOGGERS, _DATABASE_LOGGER):
            logger, hide = logging.getLogger(name), _Hide(frames=name in _FRAME_LOGGERS)
            logger.addFilter(hide)
            self._on.append((logger, hide))

    def take_off(self) -> None:
        """Leave the loggers as they were."""
        for logger, hide in self._on:
            logger.removeFilter(hide)
        self._on.clear()
