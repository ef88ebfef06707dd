"""What leaves the house in a file that people post in public.

Three rules, whatever the field is called:

1. A secret is taken out by its value, in every form that it may have been written in: hexadecimal (either case, joined
   or in pairs), base64, a list of numbers, text.
2. What has a secret's type, or only looks like one (a run of hexadecimal digits longer than an address), is taken out
   unseen.
3. Addresses go by a number behind their address block: ``00:12:4b#1``. Who reads can follow each device through the
   file and see its maker, and can't find the house by it. A Z-Wave device's DSK, less its PIN, is ``DSK#2`` in the same
   way. The network's own id goes entirely.
"""

from __future__ import annotations

import base64
import enum
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from homeassistant.components.diagnostics import REDACTED

_ADDRESS: Final = re.compile(
    r"(?<![0-9a-f])(?:0x)?([0-9a-f]{2}(?:[:-]?[0-9a-f]{2}){7})(?![0-9a-f]|[:-][0-9a-f]{2})", re.IGNORECASE
)
# The shortest install code has 8 bytes with its checksum, as many as an address, and is taken for one. All longer ones,
# and keys, have 10 bytes or more.
_LIKE_A_SECRET: Final = re.compile(
    r"(?<![0-9a-f])[0-9a-f]{2}(?:[\s:,-]?[0-9a-f]{2}){9,}(?![0-9a-f])", re.IGNORECASE
)
_WHOLE_DSK: Final = re.compile(r"(?<![0-9-])[0-9]{5}(?:-[0-9]{5}){7}(?![0-9-])")
_DSK: Final = re.compile(r"(?<![0-9-])[0-9]{5}(?:-[0-9]{5}){6}(?![0-9-])")
"""What is left of one without its first group, the PIN."""
_QR: Final = re.compile(r"(?<![0-9])90[0-9]{50,}(?![0-9])")
"""The text of a Z-Wave QR code, which has the DSK in it."""
_BLOCK: Final = len("00:12:4b")
_SHORTEST: Final = 6
"""Bytes; what is shorter is no secret, and would be found everywhere."""


class Redactor:
    """Takes `secrets`, and what looks like one, out of plain values. `nameless` texts go as well, wherever they are."""

    def __init__(self, secrets: Iterable[bytes], *, nameless: Iterable[str] = ()) -> None:
        held = {secret for secret in secrets if len(secret) >= _SHORTEST}
        self._lists = {tuple(secret) for secret in held}
        forms = {form for secret in held for form in _forms(secret)} | set(nameless)
        self._forms = re.compile(
            "|".join(map(re.escape, sorted(forms, key=len, reverse=True))), re.IGNORECASE
        )
        self._any = bool(forms)
        self._numbers: dict[str, str] = {}

    def clean(self, value: Any) -> Any:
        """`value` as JSON, without them."""
        match value:
            case None | bool() | float():
                return value
            case enum.Enum():
                return self.clean(value.value)
            case int():
                return value
            case str():
                return self._text(value)
            case Mapping():
                return {self._text(str(key)): self.clean(one) for key, one in value.items()}
            case list() | tuple() | set() | frozenset():
                return self._several(list(value))
            case _:
                return REDACTED

    def _several(self, values: list[Any]) -> Any:
        if all(isinstance(one, int) for one in values):
            for secret in self._lists:
                if any(tuple(values[i : i + len(secret)]) == secret for i in range(len(values))):
                    return REDACTED
        return [self.clean(one) for one in values]

    def _text(self, text: str) -> str:
        if self._any:
            text = self._forms.sub(REDACTED, text)
        for like_a_secret in (_WHOLE_DSK, _QR):
            text = like_a_secret.sub(REDACTED, text)
        text = _DSK.sub(lambda found: self._number(found[0], "DSK"), text)
        text = _LIKE_A_SECRET.sub(REDACTED, text)
        return _ADDRESS.sub(self._numbered, text)

    def _numbered(self, found: re.Match[str]) -> str:
        digits = re.sub("[:-]", "", found[1]).lower()
        return self._number(digits, ":".join(digits[i : i + 2] for i in range(0, 6, 2))[:_BLOCK])

    def _number(self, device: str, block: str) -> str:
        if device not in self._numbers:
            self._numbers[device] = f"{block}#{len(self._numbers) + 1}"
        return self._numbers[device]


def _forms(secret: bytes) -> Iterable[str]:
    yield secret.hex()
    for separator in (":", "-", " "):
        yield secret.hex(separator)
    yield base64.b64encode(secret).decode().rstrip("=")
    yield base64.urlsafe_b64encode(secret).decode().rstrip("=")
    for separator in (", ", ","):
        yield separator.join(map(str, secret))
    if secret.isascii() and secret.decode("ascii").isprintable():
        yield secret.decode("ascii")
