"""Faults of the serial line between host and co-processor, reproducible from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LineFaults:
    """What goes wrong on the line; the default is nothing.

    *bit_errors*: chance of each byte, either way, to have one bit flipped. *duplicates*: chance of each frame to the
    host to be sent twice. *chunk*: most bytes in one piece to the host, None for no limit. *delay*: real seconds before
    each piece.
    """

    bit_errors: float = 0.0
    duplicates: float = 0.0
    chunk: int | None = None
    delay: float = 0.0

    @property
    def paced(self) -> bool:
        """Whether the bytes have to be doled out."""
        return self.chunk is not None or self.delay > 0


class FaultyLine:
    """Apply :class:`LineFaults`, with one random sequence for both directions."""

    def __init__(self, faults: LineFaults, seed: int) -> None:
        self.faults = faults
        self._random = random.Random(seed)

    def distort(self, data: bytes) -> bytes:
        """Flip bits."""
        if not self.faults.bit_errors:
            return data
        return bytes(
            byte ^ 1 << self._random.randrange(8) if self._random.random() < self.faults.bit_errors else byte
            for byte in data
        )

    def to_host(self, frame: bytes) -> bytes:
        """One frame on its way to the host."""
        if self.faults.duplicates and self._random.random() < self.faults.duplicates:
            frame *= 2
        return self.distort(frame)

    def pieces(self, data: bytes) -> list[bytes]:
        """Cut into the pieces in which the bytes arrive."""
        size = self.faults.chunk or len(data)
        return [data[start : start + size] for start in range(0, len(data), size)]
