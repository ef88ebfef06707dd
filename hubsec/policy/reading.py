"""Reading YAML that may be hostile.

Policies and their cases use a small part of YAML: one document of mappings with words as keys, lists, and plain
values. Everything else is refused before it is built: anchors and aliases (a few hundred bytes of them expand to
gigabytes), tags (annotatedyaml's reach files and the environment), merge keys, duplicate keys, and sizes and depths
that no policy has.

YAML libraries are imported when something is read, not before.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hubsec.errors import PolicyError

MAX_TOLD = 20
"""Most mistakes of one file that are told at once: what stays on a screen."""
MAX_BYTES = 256 * 1024
"""Longest file. The ready policies' cases, the longest that exist, have some 20 KiB."""
MAX_DEPTH = 10
"""Deepest nesting. A policy needs 4, its cases 6. The YAML libraries recurse, and end the process where the stack
ends."""
MAX_NODES = 20_000
"""Most keys and values together; the ready policies' cases have some 2,000."""

type Path_ = tuple[str | int, ...]


class Document:
    """What a file says, and where. `value` is made of dict (keys str), list, str, int, float, bool and None, and may
    be a date.

    `file` is what errors call it, None for text that came without a file.
    """

    __slots__ = ("_lines", "file", "value")

    def __init__(self, value: object, lines: dict[Path_, int], file: str | None) -> None:
        self.value = value
        self.file = file
        self._lines = lines

    def line(self, path: Path_) -> int | None:
        """The line of the key or item at `path`, or of the nearest thing around it."""
        for length in range(len(path), -1, -1):
            line = self._lines.get(path[:length])
            if line is not None:
                return line
        return None

    def error(self, problem: str, path: Path_, allowed: tuple[str, ...] = ()) -> PolicyError:
        """The error that says where."""
        return PolicyError(
            problem, file=self.file, line=self.line(path), key=dotted(path) or None, allowed=allowed
        )


def all_of(errors: Sequence[PolicyError]) -> PolicyError:
    """One error of several, in the order of their lines; what is beyond :data:`MAX_TOLD` is counted."""
    first, *rest = sorted(errors, key=lambda error: error.line or 0)
    told = rest[: MAX_TOLD - 1]
    if len(rest) > len(told):
        told.append(PolicyError(f"There are {len(rest) - len(told)} more mistakes.", file=first.file))
    return PolicyError(
        first.problem,
        file=first.file,
        line=first.line,
        key=first.key,
        allowed=first.allowed,
        others=tuple(told),
    )


def dotted(path: Path_) -> str:
    """A path as errors show it: ``joining.per-class.lock``, ``cases[3].when``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + shown(part).strip("'")
    return text


def shown(value: object) -> str:
    """A value from a file as errors show it: printable, and short."""
    match value:
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case None:
            return "nothing"
        case bool():
            # YAML 1.1 reads on, off, yes and no as these.
            return "true" if value else "false"
        case _:
            text = ascii(value) if isinstance(value, str) else str(value)
            return text if len(text) <= 40 else text[:37] + "..."


def read_file(path: str | os.PathLike[str]) -> Document:
    """Read and check a file; blocking. Raises :class:`~hubsec.errors.PolicyError`."""
    try:
        name = os.fspath(path)
    except TypeError:
        raise PolicyError("A policy is a name, a path, or YAML.") from None
    try:
        with Path(name).open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or "no such path"
        raise PolicyError(f"The file can't be read: {reason}.", file=shown(name).strip("'")) from error
    return read_text(content, file=name)


def read_text(content: str | bytes, file: str | None = None) -> Document:
    """Check a text, or its UTF-8 bytes. Raises :class:`~hubsec.errors.PolicyError`, and nothing else."""
    if len(content) > MAX_BYTES:
        raise PolicyError(f"It is longer than {MAX_BYTES} bytes.", file=file)
    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
        text.encode("utf-8")
    except UnicodeError as error:
        raise PolicyError("It is not UTF-8 text.", file=file) from error
    _check_events(text, file)
    return _build(text, file)


def _check_events(text: str, file: str | None) -> None:
    """Go through the text without building anything; libyaml's event loop does not recurse."""
    import yaml  # noqa: PLC0415 - lazily, see above

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    # For each open mapping its keys so far and whether a key comes next; None for a list.
    open_nodes: list[list[Any] | None] = []
    nodes = documents = 0
    try:
        for event in yaml.parse(text, Loader=loader):
            line = event.start_mark.line + 1 if event.start_mark is not None else 0
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise PolicyError("It has a second document.", file=file, line=line)
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
                raise PolicyError("Anchors and aliases (& and *) are not taken here.", file=file, line=line)
            if isinstance(event, yaml.CollectionEndEvent):
                open_nodes.pop()
                continue
            if not isinstance(event, yaml.NodeEvent):
                continue
            if getattr(event, "tag", None) is not None:
                raise PolicyError("Tags (!) are not taken here.", file=file, line=line)
            nodes += 1
            if nodes > MAX_NODES:
                raise PolicyError(f"It has more than {MAX_NODES} keys and values.", file=file, line=line)
            if open_nodes and open_nodes[-1] is not None:
                _check_key(event, open_nodes[-1], file, line)
            if isinstance(event, yaml.CollectionStartEvent):
                if len(open_nodes) == MAX_DEPTH:
                    raise PolicyError(f"It is nested deeper than {MAX_DEPTH}.", file=file, line=line)
                open_nodes.append([set(), True] if isinstance(event, yaml.MappingStartEvent) else None)
    except yaml.YAMLError as error:
        raise _not_yaml(error, text, file) from error
    except ValueError as error:
        # libyaml's binding decodes what it quotes in an error, and can trip over it.
        raise PolicyError("It is not YAML.", file=file) from error


def _not_yaml(error: Exception, text: str, file: str | None) -> PolicyError:
    """What the YAML library complains of, in our own words where it is a tab before a line's first word."""
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or "a character that YAML does not allow"
    if mark is None:
        return PolicyError(f"It is not YAML: {what}.", file=file)
    lines = text.split("\n")
    found = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in found[: len(found) - len(found.lstrip())]:
        what = "tabs are not allowed for indentation, use spaces"
    return PolicyError(f"It is not YAML: {what}.", file=file, line=mark.line + 1)


def _check_key(event: object, mapping: list[Any], file: str | None, line: int) -> None:
    """Take the next child of a mapping: a key, which must be a word and new, or that key's value."""
    keys, expects_key = mapping
    mapping[1] = not expects_key
    if not expects_key:
        return
    word = getattr(event, "value", None)
    if word is None:
        raise PolicyError("A key must be a word.", file=file, line=line)
    if word == "<<":
        raise PolicyError("Merge keys (<<) are not taken here.", file=file, line=line)
    if word in keys:
        raise PolicyError("It stands here twice.", file=file, line=line, key=shown(word).strip("'"))
    keys.add(word)


def _build(text: str, file: str | None) -> Document:
    """The checked text as values with their lines."""
    import annotatedyaml  # noqa: PLC0415 - lazily, see above
    import yaml  # noqa: PLC0415 - the same

    try:
        root = annotatedyaml.parse_yaml(text)
    except (yaml.YAMLError, annotatedyaml.YAMLException, ValueError, ArithmeticError) as error:
        # What is left is scalars that look like a number or a date and are none: 2024-99-99, 0b_, 1:99:1e400.
        raise PolicyError("A value in it looks like a number or a date, and is none.", file=file) from error
    lines: dict[Path_, int] = {}
    return Document(_plain(root, (), lines, file), lines, file)


def _plain(node: object, path: Path_, lines: dict[Path_, int], file: str | None) -> object:
    """`node` made of Python's own types; the lines go to `lines`."""
    line = getattr(node, "__line__", None)
    if isinstance(line, int):
        lines.setdefault(path, line)
    if isinstance(node, dict):
        plain: dict[str, object] = {}
        for key, value in node.items():
            key_line = getattr(key, "__line__", None)
            if not isinstance(key, str) or not isinstance(key_line, int):
                raise PolicyError(
                    f"A key must be a word, and {shown(key)} is none.", file=file, line=lines.get(path)
                )
            name = str(key)
            lines[*path, name] = key_line
            plain[name] = _plain(value, (*path, name), lines, file)
        return plain
    if isinstance(node, list):
        return [_plain(item, (*path, place), lines, file) for place, item in enumerate(node)]
    return str(node) if isinstance(node, str) else node
