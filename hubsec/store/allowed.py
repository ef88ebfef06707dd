"""The allowlist's table, and its sealed keys. Each function works in the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final

import msgspec

from hubsec.entries import Entry, Use
from hubsec.errors import EntryError
from hubsec.identity import Identity
from hubsec.store import sealed
from hubsec.store.sealed import SecretKind

COLUMNS: Final = Entry.__struct_fields__
_JSON_COLUMNS: Final = ("marks", "pinned")
_SELECT: Final = f"SELECT {', '.join(COLUMNS)} FROM entries"  # noqa: S608 - names of our own fields
_UPSERT: Final = (
    f"INSERT INTO entries ({', '.join(COLUMNS)}) VALUES ({', '.join(':' + column for column in COLUMNS)}) "  # noqa: S608
    f"ON CONFLICT (device) DO UPDATE SET {', '.join(f'{column} = excluded.{column}' for column in COLUMNS[1:])}"
)


def encoded(entry: Entry) -> str:
    """`entry` as JSON that is the same for the same entry."""
    return msgspec.json.encode(entry, order="deterministic").decode()


def entries(connection: sqlite3.Connection) -> dict[Identity, Entry]:
    """Every entry."""
    return {entry.device: entry for entry in map(_entry, connection.execute(_SELECT))}


def entry(connection: sqlite3.Connection, device: Identity) -> Entry | None:
    """The entry of `device`."""
    row = connection.execute(f"{_SELECT} WHERE device = ?", (device,)).fetchone()
    return None if row is None else _entry(row)


def existing(connection: sqlite3.Connection, device: Identity) -> Entry:
    """The same. Raises :class:`~hubsec.errors.EntryError` when there is none."""
    found = entry(connection, device)
    if found is None:
        raise EntryError(f"{device} is not on the allowlist.")
    return found


def put(connection: sqlite3.Connection, written: Entry) -> None:
    """Insert or replace an entry; its key stays as it is."""
    connection.execute(_UPSERT, _row(written))


def change(connection: sqlite3.Connection, device: Identity, changes: Mapping[str, object]) -> Entry:
    """Put other values into an entry. Raises :class:`~hubsec.errors.EntryError` when they do not fit."""
    found = existing(connection, device)
    try:
        changed = msgspec.structs.replace(found, **changes)
        # `replace` takes any value: what JSON would not give back is no value of an entry.
        checked = msgspec.json.decode(encoded(changed), type=Entry)
    except (TypeError, msgspec.MsgspecError, UnicodeError) as error:
        raise EntryError(f"The change does not fit an entry: {type(error).__name__}.") from None
    put(connection, checked)
    return checked


def remove(connection: sqlite3.Connection, device: Identity) -> Entry:
    """Take an entry out, and its key with it. Raises :class:`~hubsec.errors.EntryError` when there is none."""
    found = existing(connection, device)
    connection.execute("DELETE FROM entries WHERE device = ?", (device,))
    sealed.discard(connection, SecretKind.CREDENTIAL, device)
    return found


def spend(
    connection: sqlite3.Connection, device: Identity, at: float, since: float | None
) -> tuple[Entry, bool]:
    """Write the first join down, or the first from `since` on, and say whether this was it. A single-use entry loses
    its key with it."""
    found = existing(connection, device)
    if found.joined_at is not None and (since is None or found.joined_at >= since):
        return found, False
    spent = msgspec.structs.replace(found, joined_at=at)
    put(connection, spent)
    if spent.use is Use.SINGLE:
        set_key(connection, device, None, at)
    return spent, True


def set_key(connection: sqlite3.Connection, device: Identity, secret: bytes | None, at: float) -> None:
    """Put the sealed key of `device` in place, or take it out."""
    if secret is None:
        sealed.discard(connection, SecretKind.CREDENTIAL, device)
    else:
        sealed.put(connection, SecretKind.CREDENTIAL, device, secret, at)


def _row(written: Entry) -> dict[str, object]:
    row: dict[str, object] = msgspec.to_builtins(written, order="deterministic")
    for column in _JSON_COLUMNS:
        if row[column] is not None:
            row[column] = msgspec.json.encode(row[column]).decode()
    return row


def _entry(row: tuple[object, ...]) -> Entry:
    values = dict(zip(COLUMNS, row, strict=True))
    values["smart_start"] = bool(values["smart_start"])
    for column in _JSON_COLUMNS:
        text = values[column]
        if isinstance(text, str):
            values[column] = msgspec.json.decode(text)
    return msgspec.convert(values, Entry)
