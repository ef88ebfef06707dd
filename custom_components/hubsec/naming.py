"""Names that a user typed or a device gave itself, fit for one line of a page."""

from __future__ import annotations

from typing import Final

LONGEST_NAME: Final = 64
"""Characters. What is longer is no name, and Home Assistant's lists are narrow."""


def in_one_line(name: str | None) -> str:
    """What is left of `name` without what can't be seen, cut; nothing where nothing is left.

    Among what can't be seen are characters that turn the line round: a device could show another address by them.
    """
    return "".join(one for one in name or "" if one.isprintable()).strip()[:LONGEST_NAME].rstrip()
