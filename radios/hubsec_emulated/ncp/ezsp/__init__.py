"""EZSP, the serial interface of EmberZNet co-processors: an own codec and command tables of versions 13, 14 and 18."""

from hubsec_emulated.ncp.ezsp.codec import (
    DEFAULT_VERSION,
    SUPPORTED_VERSIONS,
    Answer,
    Codec,
    Command,
    InvalidFrameError,
)
from hubsec_emulated.ncp.ezsp.status import InvalidCommand, Status

__all__ = [
    "DEFAULT_VERSION",
    "SUPPORTED_VERSIONS",
    "Answer",
    "Codec",
    "Command",
    "InvalidCommand",
    "InvalidFrameError",
    "Status",
]
