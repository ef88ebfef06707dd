"""The table of transient link keys: in RAM, each with its time to live, lost at a reset."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

WILDCARD_EUI64 = 0xFFFF_FFFF_FFFF_FFFF
"""An entry for this EUI64 serves every device."""
DEFAULT_TIMEOUT = 300
"""Seconds that an entry lives unless CONFIG TRANSIENT_KEY_TIMEOUT_S says otherwise (its default in the SDK)."""
MAX_ENTRIES = 30
"""Bound of the table [assumed; silicon takes the entries from its packet buffers]."""


@dataclass(slots=True)
class TransientKey:
    """One entry. *unconfirmed* marks a key that the trust center generated and the device has not verified."""

    eui64: int
    key: bytes = field(repr=False)
    expires: float
    unconfirmed: bool = False


class TransientKeys:
    """At most :data:`MAX_ENTRIES` keys by EUI64; *now* gives simulated seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.timeout: float = DEFAULT_TIMEOUT
        self._now = now
        self._entries: dict[int, TransientKey] = {}

    def __iter__(self) -> Iterator[TransientKey]:
        """The live entries, oldest first."""
        now = self._now()
        self._entries = {eui64: entry for eui64, entry in self._entries.items() if entry.expires > now}
        return iter(tuple(self._entries.values()))

    def add(self, eui64: int, key: bytes, *, unconfirmed: bool = False) -> bool:
        """Set the key of *eui64* and start its time anew; False if the table is full."""
        live = {entry.eui64 for entry in self}
        if eui64 not in live and len(live) >= MAX_ENTRIES:
            return False
        self._entries.pop(eui64, None)
        self._entries[eui64] = TransientKey(eui64, key, self._now() + self.timeout, unconfirmed)
        return True

    def get(self, eui64: int) -> TransientKey | None:
        """The live entry of exactly *eui64*."""
        return next((entry for entry in self if entry.eui64 == eui64), None)

    def remaining(self, entry: TransientKey) -> int:
        """Whole seconds that *entry* still lives."""
        return max(0, int(entry.expires - self._now()))

    def remove(self, eui64: int) -> None:
        """Forget the entry of *eui64*, if any."""
        self._entries.pop(eui64, None)

    def clear(self) -> None:
        """Forget all entries."""
        self._entries.clear()
