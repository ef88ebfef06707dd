"""Finds secrets in bytes, in whatever form they were written down. Quick enough to be run after each test.

Each form of a secret is looked for in one of two views of a text: as it is, and *squeezed*, which is in lower case and
without what separates digits, so that hex is one pattern with whatever stands between. A set of numbers says first
whether it is worth looking: every 8 of 15 bytes in a row of a pattern are in it, so that one of them meets a
multiple of 8 in whatever holds the pattern. A text is cut into eights and held against that set, which takes as long
for a thousand secrets as for one. Only what passes is searched for the patterns themselves.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import re
import struct
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

LEAST = 8
"""Bytes of the shortest secret that is looked for: an install code of 6 with its CRC. Less is found by chance."""
VARIETY = 6
"""Different bytes that a secret has at least. A key of zeros is in every file, and nobody's secret."""
LONG = 512
"""Bytes of the longest secret that is looked for as a whole: of a journal or a backup two pieces are, of :data:`PIECE`
bytes each. What such a secret holds (keys above all) is a secret of its own, and is looked for besides."""
PIECE = 64
_WINDOW = 8
_MONOTONE = 2
_SEPARATORS = b" \t\r\n:-_.,;'\"\\/()[]{}|<>"
_LOWER = bytes(range(256)).lower()


class Form(NamedTuple):
    """One way to write a secret down."""

    name: str
    pattern: bytes
    squeezed: bool


def _cores(value: bytes) -> Iterator[bytes]:
    """What base64 makes of `value`, wherever it stands in what is encoded: the digits that no neighbour changes."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + value)
        first = (0, 2, 3)[before]
        last = len(encoded) - (0, 3, 2)[(before + len(value)) % 3]
        yield encoded[first:last]


@functools.lru_cache(maxsize=4096)
def forms(value: bytes) -> tuple[Form, ...]:
    """The ways in which `value` is looked for."""
    if len(value) > LONG:
        middle = len(value) // 2
        pieces = value[middle : middle + PIECE], value[-PIECE:]
        return tuple(form for piece in pieces if is_worth_looking_for(piece) for form in forms(piece))
    found: list[Form] = []
    for name, each in (("", value), (" reversed", value[::-1])):
        numbers = [str(byte) for byte in each]
        found += [
            Form(f"raw{name}", each, squeezed=False),
            Form(f"repr{name}", repr(each)[2:-1].encode(), squeezed=False),
            # It puts a backslash before each apostrophe, and that of bytes does not.
            Form(f"repr of a bytearray{name}", repr(bytearray(each))[12:-2].encode(), squeezed=False),
            Form(f"latin-1{name}", each.decode("latin1").encode(), squeezed=False),
            Form(f"list of ints{name}", ", ".join(numbers).encode(), squeezed=False),
            Form(f"list of ints without spaces{name}", ",".join(numbers).encode(), squeezed=False),
            Form(f"hex{name}", each.hex().encode(), squeezed=True),
            Form(f"list of hex{name}", "".join(f"0x{byte:02x}" for byte in each).encode(), squeezed=True),
            Form(f"list of short hex{name}", "".join(map(hex, each)).encode(), squeezed=True),
        ]
        found += [Form(f"base64{name}", core, squeezed=False) for core in _cores(each)]
        found += [
            Form(f"urlsafe base64{name}", core.translate(bytes.maketrans(b"+/", b"-_")), squeezed=False)
            for core in _cores(each)
        ]
    found.append(Form("hex, its digits reversed", value.hex()[::-1].encode(), squeezed=True))
    if len(value) == 16:
        groups = struct.unpack(">8H", value)
        found.append(Form("DSK", "".join(f"{group:05}" for group in groups).encode(), squeezed=True))
    return tuple({(form.pattern, form.squeezed): form for form in reversed(found)}.values())


class _Marks(NamedTuple):
    """The eights of a secret's forms, for the text as it is and squeezed, and the forms that have none of use."""

    plain: frozenset[int]
    squeezed: frozenset[int]
    others: tuple[Form, ...]


@functools.lru_cache(maxsize=4096)
def _marks(value: bytes) -> _Marks:
    views: tuple[set[int], set[int]] = set(), set()
    others = []
    for form in forms(value):
        last = len(form.pattern) - (2 * _WINDOW - 1)
        for first in {0, last // 2, last} if last >= 0 else ():
            parts = [form.pattern[start : start + _WINDOW] for start in range(first, first + _WINDOW)]
            # Eight zeros are met everywhere.
            if min(len(set(part)) for part in parts) > _MONOTONE:
                views[form.squeezed].update(int.from_bytes(part, sys.byteorder) for part in parts)
                break
        else:
            others.append(form)
    return _Marks(frozenset(views[0]), frozenset(views[1]), tuple(others))


def is_worth_looking_for(value: bytes) -> bool:
    """Whether finding `value` somewhere would say anything."""
    return len(value) >= LEAST and len(set(value)) >= VARIETY


def squeezed(text: bytes) -> bytes:
    """`text` in lower case, without what separates digits."""
    return text.translate(_LOWER, _SEPARATORS)


class Finder:
    """Looks for some secrets, of which more may be added, and those be taken away again."""

    def __init__(self, values: Iterable[bytes] = ()) -> None:
        self._values: dict[bytes, None] = {}
        self._plain: set[int] = set()
        self._squeezed: set[int] = set()
        # Few forms are so short, or so even, that no eight of theirs says anything.
        self._others: list[Form] = []
        for value in values:
            self.add(value)

    def add(self, value: bytes) -> None:
        """Look for `value`, too, where that would say anything."""
        if value in self._values or not is_worth_looking_for(value):
            return
        self._values[value] = None
        marks = _marks(value)
        self._plain |= marks.plain
        self._squeezed |= marks.squeezed
        self._others += marks.others

    @contextlib.contextmanager
    def also(self, values: Iterable[bytes]) -> Iterator[None]:
        """Look for `values`, too, meanwhile."""
        own = [value for value in values if value not in self._values]
        plain = set().union(*(_marks(value).plain for value in own)) - self._plain
        packed = set().union(*(_marks(value).squeezed for value in own)) - self._squeezed
        count = len(self._others)
        for value in own:
            self.add(value)
        try:
            yield
        finally:
            self._plain -= plain
            self._squeezed -= packed
            del self._others[count:]
            for value in own:
                self._values.pop(value, None)

    def find(self, text: bytes) -> tuple[bytes, str] | None:
        """A secret that stands in `text`, and its form; None when there is none."""
        if not self._values or len(text) < LEAST:
            return None
        packed = squeezed(text)
        if not (_meets(self._plain, text) or _meets(self._squeezed, packed)) and not any(
            form.pattern in (packed if form.squeezed else text) for form in self._others
        ):
            return None
        for value in self._values:
            for form in forms(value):
                if form.pattern in (packed if form.squeezed else text):
                    return value, form.name
        return None


def _meets(windows: set[int], text: bytes) -> bool:
    whole = len(text) - len(text) % _WINDOW
    return not windows.isdisjoint(memoryview(text)[:whole].cast("Q"))


def finds_pin(pins: Iterable[str], text: str) -> str | None:
    """One of `pins` that stands in `text` as a number of its own; None when there is none.

    Five digits are met by chance: in a port, a time, an address. So they are looked for in what a test of that very
    device says, never in files, and not where a host's name, a point, a dash or more digits stand before or behind
    them.
    """
    pins = tuple(pins)
    if not pins:
        return None
    looked_for = re.compile(rf"(?<![\w.\-])(?<![\w\]]:)(?<!', )(?:{'|'.join(pins)})(?![\w\-]|\.\d)")
    met = looked_for.search(text)
    return None if met is None else met[0]
