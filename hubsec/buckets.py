"""How much of what others can make happen at will is answered: token buckets."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Bucket:
    """`most` at once, then `per_second`; every `now` is in seconds of one steady clock."""

    most: float
    per_second: float
    taken: int = 0
    _left: float = field(init=False)
    _at: float = field(default=float("-inf"), init=False)

    def __post_init__(self) -> None:
        self._left = self.most

    def take(self, now: float) -> bool:
        """Whether one more is answered now."""
        self._left = min(self.most, self._left + (now - self._at) * self.per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        self.taken += 1
        return True
