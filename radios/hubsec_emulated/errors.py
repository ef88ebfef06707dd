"""Errors of the emulation: bytes that make no sense, and security that does not check out."""

from __future__ import annotations

from hubsec.errors import HubsecError


class EmulationError(HubsecError):
    """Root of the emulation's errors."""


class FrameError(EmulationError):
    """Bytes that are no frame of the layer they were given to."""


class SecurityError(EmulationError):
    """A secured frame that the given key does not open."""


class NotInTimeError(EmulationError):
    """What was waited for did not happen in time. `limit` is in `unit`."""

    def __init__(self, what: str, limit: float, *, unit: str = "simulated seconds") -> None:
        super().__init__(f"{what} did not happen within {limit:g} {unit}.")
        self.limit = limit
