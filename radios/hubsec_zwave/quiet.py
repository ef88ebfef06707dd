"""Keeps DSKs, PINs and QR codes out of the log of zwave-js-server-python.

At its debug level the client logs every message that it sends and gets: the guard's PINs and provisioning entries among
them, and what a host's own pages send. While a guard stands, a filter on its loggers lets such records through without
them. The network's keys are never on that wire.
"""

from __future__ import annotations

import logging
import re
from typing import Final

_LOGGERS: Final = ("zwave_js_server", "zwave_js_server.server")
"""The client's own, and the one under which it shows the server's lines."""
_HIDDEN: Final = "…"
# The first group of a DSK is its PIN. A server's line may break a long text, but no group.
_DSK: Final = re.compile(r"(?<![0-9])[0-9]{5}(?=(?:-[0-9]{5}){7}(?![0-9]))")
# A QR code begins with 90 and has 52 digits at least (Z-Wave SmartStart, S2 QR code).
_QR: Final = re.compile(r"(?<![0-9])90[0-9]{50,}")
_PIN: Final = re.compile(r"""(['"]?pin['"]?\s*[:=]\s*['"]?)[0-9]{5}""", re.IGNORECASE)


def without_secrets(text: str) -> str:
    """`text`, without the PINs in it."""
    text = _PIN.sub(rf"\g<1>{_HIDDEN}", text)
    return _QR.sub(_HIDDEN, _DSK.sub(_HIDDEN, text))


class _Hide(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and record.args:
            record.args = tuple(without_secrets(one) if isinstance(one, str) else one for one in record.args)
        if isinstance(record.msg, str):
            record.msg = without_secrets(record.msg)
        return True


class Quiet:
    """The filters, put on and taken off again; nested guards share nothing and disturb each other not."""

    def __init__(self) -> None:
        self._on: list[tuple[logging.Logger, logging.Filter]] = []

    def put_on(self) -> None:
        """Hide secrets from now on. Idempotent."""
        if self._on:
            return
        for name in _LOGGERS:
            logger, hide = logging.getLogger(name), _Hide()
            logger.addFilter(hide)
            self._on.append((logger, hide))

    def take_off(self) -> None:
        """Leave the loggers as they were."""
        for logger, hide in self._on:
            logger.removeFilter(hide)
        self._on.clear()
