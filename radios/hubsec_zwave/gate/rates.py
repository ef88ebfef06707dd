"""How much of what a client can make happen at will does happen."""

from __future__ import annotations


class Rate:
    """`most` at once, then `per_second`. Times are seconds of one steady clock."""

    def __init__(self, most: float, per_second: float) -> None:
        self._most = self._left = most
        self._per_second = per_second
        self._at: float | None = None

    def allows(self, now: float) -> bool:
        """Whether one more is allowed now; it is counted if so."""
        if self._at is not None:
            self._left = min(self._most, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
