"""The characters of a sticker: what separates, what is a digit, and what is neither."""

from __future__ import annotations

import re
import string
import unicodedata
from typing import Final

from hubsec.errors import StickerError
from hubsec.stickers.installcode import wrong_length

# A QR code of version 40 could hold more, but no sticker does: the longest known has 136 characters.
MAX_CHARACTERS: Final = 1024
# What people and label printers put between groups of digits.
_WITHIN: Final = frozenset(" -:._'\"()[]{}<>")
# Letters that are taken for digits on small print.
LOOKALIKES: Final = frozenset("oOiIlLqQ")
_HEX: Final = frozenset(string.hexdigits)
_HEX_PREFIX: Final = re.compile(r"(?<![0-9a-z])0x", re.IGNORECASE | re.ASCII)
_HINT_CHARACTERS: Final = 32


def tidy(text: str) -> str:
    """`text` with the many Unicode dashes, blanks and wide forms as their ASCII ones, and invisible characters gone."""
    if len(text) > MAX_CHARACTERS:
        raise StickerError(f"The text is longer than {MAX_CHARACTERS} characters: that is no sticker.")
    tidied = []
    for character in unicodedata.normalize("NFKC", text):
        match unicodedata.category(character):
            case "Pd":
                tidied.append("-")
            case "Zs":
                tidied.append(" ")
            case "Cf":
                pass
            case _:
                tidied.append(character)
    return "".join(tidied).strip()


def bare(text: str) -> str:
    """`text` without blanks, line ends and what else stands between groups of digits, in lower case."""
    return "".join(c for c in text if c not in _WITHIN and not c.isspace()).lower()


def digits(text: str) -> str:
    """The hex digits that `text` spells, in lower case, ``0x`` before a group left out.

    Raises :class:`~hubsec.errors.StickerError` for any other character.
    """
    spelled = bare(_HEX_PREFIX.sub("", text))
    strange = frozenset(spelled) - _HEX
    if not strange:
        return spelled
    if strange <= LOOKALIKES:
        raise StickerError(
            "There is a letter O, I, L or Q among the hex digits, which are 0-9 and A-F: it is probably a 0 or a 1."
        )
    raise StickerError("This is no install code and no QR code that hubsec knows.")


def code_bytes(text: str) -> bytes:
    """The bytes of the install code that `text` spells; its CRC is not looked at, but half a byte is refused."""
    spelled = digits(text)
    if not spelled:
        raise StickerError("The install code is missing.")
    if len(spelled) % 2:
        raise StickerError(wrong_length(len(spelled)))
    return bytes.fromhex(spelled)


def hint(text: str | None) -> str | None:
    """A hint of a QR code, cut and with printable ASCII only; None when nothing is left."""
    if text is None:
        return None
    kept = "".join(c for c in text if " " <= c <= "~").strip()
    return kept[:_HINT_CHARACTERS] or None
