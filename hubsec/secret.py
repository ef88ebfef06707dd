"""Bytes that must not be seen.

A :class:`Secret` shows nothing wherever Python would show a value: repr, str, format, logs, tracebacks with locals,
pickle, JSON. Its bytes come out in one way only, :meth:`Secret.reveal`, which is easy to search for.
"""

from __future__ import annotations

import hmac
from typing import Never, Self, final


@final
class Secret:
    """`value` as bytes, shown to nobody. Two secrets compare in constant time; they hash to the same number, all of
    them.

    A copy, deep or not, is the secret itself. Whatever would write one down (pickle, JSON, `vars`) raises TypeError,
    and so does a `value` that is no bytes.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        try:
            self._value = bytes(memoryview(value))
        except TypeError:
            # A traceback with locals would show it.
            del value
            raise TypeError("A secret is made of bytes.") from None

    def reveal(self) -> bytes:
        """The bytes. Only for what seals them, or hands them to a radio."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash(Secret)

    def __repr__(self) -> str:
        return "Secret(…)"

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __getstate__(self) -> Never:
        # What would hand out the slots to whoever asks for an object's state.
        raise TypeError("A secret is not written down.")

    def __reduce__(self) -> Never:
        raise TypeError("A secret is not written down.")
