"""Who asks for the network key without an admission, and how many of those tries are judged.

Every judged try is written to disk, and its maker can claim any address. In a listening window each stranger has
:data:`FIRST_TRIES` of its own, so that a noisy one does not drown the device that the operator waits for; all else, and
all of it outside of a window, comes out of one bucket.
"""

from __future__ import annotations

from typing import Final

from hubsec.buckets import Bucket
from hubsec.identity import Identity
from hubsec_zigbee.limits import KNOCKS_AT_ONCE, KNOCKS_PER_SECOND, MAX_STRANGERS

FIRST_TRIES: Final = 2
"""One that is heard, and one after it was approved or refused. A window takes :data:`~.limits.MAX_STRANGERS` strangers,
which bounds them all."""


class Strangers:
    """Of one listening window, or of the time between two."""

    def __init__(self) -> None:
        self._bucket = Bucket(KNOCKS_AT_ONCE, KNOCKS_PER_SECOND)
        self._tries: dict[Identity, int] = {}

    def take(self, device: Identity, now: float, *, listening: bool) -> bool:
        """Whether this try is judged."""
        tried = self._tries.get(device, 0)
        first = listening and tried < FIRST_TRIES and not self.too_many
        if not (first or self._bucket.take(now)):
            return False
        if device not in self._tries and self.too_many:
            self._tries.pop(next(iter(self._tries)))
        self._tries[device] = tried + 1
        return True

    def tries(self, device: Identity) -> int:
        """How many tries of `device` were judged, at least 1."""
        return self._tries.get(device, 1)

    @property
    def too_many(self) -> bool:
        """Whether more strangers came than a listening window takes."""
        return len(self._tries) > MAX_STRANGERS
