"""Text that a device supplied, made fit to be stored, logged and shown.

Whatever a device says of itself goes through :func:`clean` once, in the radio that read it. What a page or a terminal
needs on top (HTML, markup) is escaped where it is shown.
"""

from __future__ import annotations

import unicodedata

NAME_LIMIT = 64
"""Characters that are kept. A Zigbee Basic cluster's manufacturer and model have 32 bytes at most (ZCL8, 3.2.2.2), a
Z-Wave node's name 16; twice that leaves room for what maintainers of device databases write."""

_CUT = "…"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Unicode general categories, chapter 4.5: control, format (bidirectional overrides, zero-width characters), surrogate,
# private use, unassigned, line and paragraph separators. None of them has a picture of its own.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MARKS = frozenset({"Mn", "Me"})
_MARKS_LIMIT = 2
"""Combining marks in a row; Vietnamese needs two, and a tower of them hides the lines above."""


def clean(text: str | bytes, limit: int = NAME_LIMIT) -> str:
    """`text` with everything that can't be seen replaced by U+FFFD, in `limit` characters at most.

    Bytes are read as UTF-8. Padding (NUL and white space) at both ends goes; what is cut off shows as ``…``. The result
    can be encoded as UTF-8, and is the same when it is cleaned again.
    """
    if isinstance(text, bytes | bytearray | memoryview):
        text = bytes(text[: 4 * limit + 4]).decode("utf-8", "replace")
    text = text.strip("\0 \t\r\n")
    kept: list[str] = []
    marks = 0
    for char in text[: limit + 1]:
        category = unicodedata.category(char)
        marks = marks + 1 if category in _MARKS else 0
        if category in _UNSEEN or marks > _MARKS_LIMIT:
            char = _REPLACEMENT  # noqa: PLW2901 - one character stands for the other
        kept.append(" " if category == "Zs" else char)
    if len(kept) > limit:
        kept[limit - 1 :] = _CUT
    return "".join(kept).strip()
