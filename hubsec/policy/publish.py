"""A policy for readers: its settings as text, the JSON schema for editors, the tables of the reference page."""

from __future__ import annotations

import enum
from typing import Any

from hubsec.policy.classes import DeviceClass
from hubsec.policy.keys import CLASS_SECTION, JOINING_KEYS, KEYS, Key, duration_text
from hubsec.policy.rules import REASONS, Rule
from hubsec.policy.settings import Settings

SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""The JSON schema dialect of :func:`json_schema`."""

_DURATIONS = frozenset({"window", "exchange_limit", "smart_start_window", "listening_length"})


def effective(settings: Settings) -> dict[str, str]:
    """Every key with the value that holds, as it would stand in a file; a class has only keys that differ."""
    general = {key.path[-1]: key for key in JOINING_KEYS}
    values: dict[str, str] = {}
    for key in KEYS:
        is_general = key.path[:-1] == ("joining",) and key.path[-1] in general
        holder = settings.joining if is_general else settings
        values[".".join(key.path)] = _text(key, getattr(holder, key.field))
    for device_class, joining in settings.per_class.items():
        for key in JOINING_KEYS:
            value = getattr(joining, key.field)
            if value != getattr(settings.joining, key.field):
                values[".".join((*CLASS_SECTION, device_class.value, *key.path))] = _text(key, value)
    return values


def json_schema() -> dict[str, Any]:
    """The JSON schema of a policy's file. It lets through what only a look at several keys can find."""
    root = _object()
    for key in KEYS:
        _place(root, key.path, key)
    for device_class in DeviceClass:
        for key in JOINING_KEYS:
            _place(root, (*CLASS_SECTION, device_class.value, *key.path), key)
    return {"$schema": SCHEMA_DIALECT, "title": "hubsec policy", **root}


def key_table() -> str:
    """The reference page's section on keys, in Markdown."""
    classes = {key.path for key in JOINING_KEYS}
    parts = []
    for key in KEYS:
        own = key.path[:-1] == ("joining",) and key.path[1:] in classes
        default = "none: it must be there" if key.default is None else f"`{key.default}`"
        parts.append(
            f"### `{'.'.join(key.path)}`\n\n{key.why}\n\n"
            f"- Allowed: {', '.join(_code(each) for each in key.allowed)}\n"
            f"- Default: {default}\n" + ("- A class of devices can have its own.\n" if own else "")
        )
    return "\n".join(parts)


def rule_table() -> str:
    """The reference page's table of rules, in Markdown."""
    rows = [f"| `{rule.value}` | {REASONS[rule]} |" for rule in Rule]
    return "\n".join(["| rule | reason |", "| --- | --- |", *rows]) + "\n"


def _text(key: Key, value: object) -> str:
    if value is None:
        return "any"
    if isinstance(value, int) and key.field in _DURATIONS:
        return duration_text(value)
    if isinstance(value, tuple):
        return f"[{', '.join(_text(key, item) for item in value)}]"
    return value.value if isinstance(value, enum.StrEnum) else str(value)


def _code(allowed: str) -> str:
    """A word that stands in a file as code; a description as it is."""
    return f"`{allowed}`" if " " not in allowed else allowed


def _object() -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": {}}


def _place(root: dict[str, Any], path: tuple[str, ...], key: Key) -> None:
    node = root
    for step in path[:-1]:
        node = node["properties"].setdefault(step, _object())
    node["properties"][path[-1]] = {**key.schema, "description": key.why}
    if key.default is None:
        node.setdefault("required", []).append(path[-1])
