"""A cursor over received bytes whose only failure is a FrameError."""

from __future__ import annotations

from hubsec_emulated.errors import FrameError


class Reader:
    """Reads little-endian fields one after the other; raises FrameError where the bytes end too early."""

    __slots__ = ("_at", "_data", "_what")

    def __init__(self, data: bytes, what: str, at: int = 0) -> None:
        self._data = data
        self._what = what
        self._at = at

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        end = self._at + count
        if count < 0 or end > len(self._data):
            raise FrameError(f"{self._what} ends after {len(self._data)} of at least {end} bytes")
        chunk = self._data[self._at : end]
        self._at = end
        return chunk

    def uint(self, size: int) -> int:
        """Return the next `size` bytes as an unsigned number."""
        return int.from_bytes(self.take(size), "little")

    def u8(self) -> int:
        """Return the next byte."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Return the next 16-bit number."""
        return self.uint(2)

    def u64(self) -> int:
        """Return the next 64-bit number, which is how an EUI64 travels."""
        return self.uint(8)

    def u16_list(self, count: int) -> tuple[int, ...]:
        """Return the next `count` 16-bit numbers."""
        return tuple(self.u16() for _ in range(count))

    def rest(self) -> bytes:
        """Return everything that is left."""
        return self.take(len(self._data) - self._at)

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self._at


def uint(value: int, size: int, what: str) -> bytes:
    """Encode an unsigned number little-endian; FrameError when it does not fit into `size` bytes."""
    try:
        return value.to_bytes(size, "little")
    except OverflowError as error:
        raise FrameError(f"{what} does not fit into {size} bytes") from error


def exactly(value: bytes, size: int, what: str) -> bytes:
    """Return `value` when it has `size` bytes; FrameError otherwise. The value is not quoted: it may be a key."""
    if len(value) != size:
        raise FrameError(f"{what} must have {size} bytes, not {len(value)}")
    return value
