"""A node's keys, its outgoing counters, and what it has seen of other nodes' counters."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from hubsec_emulated.errors import SecurityError
from hubsec_emulated.wire.nwk import NwkFrame
from hubsec_emulated.wire.security import AuxHeader, secure_nwk, unsecure_nwk

HEARD_AT_ONCE: Final = 64
"""Frames whose opening is remembered. All neighbours hear the same bytes, and open them with the same key."""
_opened = lru_cache(maxsize=HEARD_AT_ONCE)(unsecure_nwk)


@dataclass(slots=True)
class NetworkKeys:
    """The active network key, at most one other (EmberZNet keeps two), and the frame counters (specification 4.3.1).

    Outgoing counters go on across key switches and factory resets, as on silicon. Incoming counters are kept per
    sender and key sequence number. A key that was switched away from still opens frames until a further key
    overwrites its slot [assumed: no capture shows it]. `ever` has the sequence number of every key that was held: what
    opens a recording, and nothing else.
    """

    counter: int = 0
    active: int | None = None
    _keys: dict[int, bytes] = field(default_factory=dict, repr=False)
    _seen: dict[tuple[int, int], int] = field(default_factory=dict, repr=False)
    replays: int = 0
    ever: dict[bytes, int] = field(default_factory=dict, repr=False)

    @property
    def key(self) -> bytes | None:
        """The active network key, or None."""
        return None if self.active is None else self._keys[self.active]

    @property
    def alternate(self) -> int | None:
        """The sequence number of the other key held, or None."""
        return next((seq for seq in self._keys if seq != self.active), None)

    def get(self, seq: int) -> bytes | None:
        """The key of this sequence number, if held."""
        return self._keys.get(seq)

    def all(self) -> dict[int, bytes]:
        """Every key held, by sequence number."""
        return dict(self._keys)

    def install(self, key: bytes, seq: int) -> None:
        """Forget all keys and use this one."""
        self._meet(key, seq)
        self._keys = {seq: key}
        self.active = seq

    def stage(self, key: bytes, seq: int) -> None:
        """Keep a key for later, in the slot of whatever key is not active."""
        if self.active is None:
            self.install(key, seq)
            return
        if seq != self.active:
            self._meet(key, seq)
            self._keys = {self.active: self._keys[self.active], seq: key}

    def _meet(self, key: bytes, seq: int) -> None:
        """Remember a key. Another one of a known sequence number: its counters are no continuation."""
        self.ever.setdefault(key, seq)
        if self._keys.get(seq) != key:
            self._seen = {sender: counter for sender, counter in self._seen.items() if sender[1] != seq}

    def restart(self) -> None:
        """Lose what is only in RAM: the counters of others. Their old frames would be taken once more."""
        self._seen = {}

    def switch(self, seq: int) -> bool:
        """Use the key of this sequence number; False (and nothing changed) when it is not held."""
        if seq not in self._keys:
            return False
        self.active = seq
        return True

    def is_newer(self, seq: int) -> bool:
        """Whether `seq` follows the active sequence number (modulo 256)."""
        return self.active is not None and 0 < (seq - self.active) & 0xFF < 128

    def forget(self) -> None:
        """Drop all keys; the outgoing counter stays."""
        self._keys = {}
        self.active = None
        self._seen = {}

    def next_counter(self) -> int:
        """Use up one outgoing frame counter."""
        self.counter += 1
        return self.counter

    def secure(self, frame: NwkFrame, source: int) -> bytes:
        """`frame` under the active key. Raises SecurityError when there is none."""
        if self.active is None:
            raise SecurityError("There is no network key to secure a frame with.")
        return secure_nwk(frame, self._keys[self.active], self.active, self.next_counter(), source)

    def unsecure(self, npdu: bytes, aux: AuxHeader) -> NwkFrame:
        """Open a secured frame whose auxiliary header is `aux`.

        Raises SecurityError when the key is not held, the MIC is wrong, or the counter is not newer than the last one.
        """
        key = None if aux.key_seq is None else self._keys.get(aux.key_seq)
        if key is None or aux.source is None or aux.key_seq is None:
            raise SecurityError("The network key of this frame is not held.")
        sender = (aux.source, aux.key_seq)
        if aux.counter <= self._seen.get(sender, -1):
            self.replays += 1
            raise SecurityError("The frame counter was used before.")
        frame, _ = _opened(npdu, key)
        self._seen[sender] = aux.counter
        return frame


@dataclass(slots=True)
class LinkKeys:
    """The link keys of a node that is not the trust center: what it was made with, and what it got.

    `preconfigured` are tried for the first network key, one per association (`attempt`), as network steering does; the
    trust center link key for everything later. `verified` tells whether the trust center confirmed that key. `counter`
    is the outgoing APS frame counter.
    """

    preconfigured: tuple[bytes, ...] = field(default=(), repr=False)
    trust_center_key: bytes | None = field(default=None, repr=False)
    pending_key: bytes | None = field(default=None, repr=False)
    verified: bool = False
    counter: int = 0
    attempt: int = 0
    _seen: dict[tuple[int, bytes], int] = field(default_factory=dict, repr=False)

    def candidates(self) -> tuple[bytes, ...]:
        """The keys a secured APS frame from the trust center may be under, the likeliest first."""
        first = tuple(key for key in (self.pending_key, self.trust_center_key) if key is not None)
        if self.verified or not self.preconfigured:
            return first
        return (*first, self.preconfigured[self.attempt % len(self.preconfigured)])

    def next_counter(self) -> int:
        """Use up one outgoing APS frame counter."""
        self.counter += 1
        return self.counter

    def fresh(self, source: int, key: bytes, counter: int) -> bool:
        """Whether this counter of `source` under `key` is new; remembers it."""
        last = self._seen.get((source, key), -1)
        if counter <= last:
            return False
        self._seen[source, key] = counter
        return True

    def forget(self) -> None:
        """Back to what the node was made with."""
        self.trust_center_key = self.pending_key = None
        self.verified = False
        self._seen = {}
