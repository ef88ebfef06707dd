"""The table of networks. Each function works in the caller's transaction."""

from __future__ import annotations

import sqlite3
from typing import Final

import msgspec

from hubsec.identity import Network
from hubsec.store.records import NetworkRecord

_COLUMNS: Final = NetworkRecord.__struct_fields__
_SELECT: Final = f"SELECT {', '.join(_COLUMNS)} FROM networks"  # noqa: S608 - names of our own fields


def network(connection: sqlite3.Connection, kind: Network, network_id: str) -> NetworkRecord | None:
    """What is known of one network; None when this store has never seen it."""
    row = connection.execute(f"{_SELECT} WHERE network = ? AND network_id = ?", (kind, network_id)).fetchone()
    return None if row is None else _record(row)


def networks(connection: sqlite3.Connection) -> tuple[NetworkRecord, ...]:
    """Every network that this store has seen."""
    return tuple(map(_record, connection.execute(f"{_SELECT} ORDER BY network, network_id")))


def see(connection: sqlite3.Connection, kind: Network, network_id: str, at: float) -> bool:
    """Note the first sight of a network; later ones change nothing. Whether it was the first."""
    cursor = connection.execute(
        "INSERT INTO networks (network, network_id, first_seen) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (kind, network_id, at),
    )
    return cursor.rowcount > 0


def adopt(connection: sqlite3.Connection, kind: Network, network_id: str, by: str, at: float) -> None:
    """Note that an operator confirmed who is on a network; the latest confirmation stands."""
    see(connection, kind, network_id, at)
    connection.execute(
        "UPDATE networks SET adopted_at = ?, adopted_by = ? WHERE network = ? AND network_id = ?",
        (at, by, kind, network_id),
    )


def expose(connection: sqlite3.Connection, kind: Network, network_id: str, reason: str, at: float) -> bool:
    """Note that a network's key has been seen; the first reason stands. Whether this was it."""
    see(connection, kind, network_id, at)
    cursor = connection.execute(
        "UPDATE networks SET exposed_at = ?, exposed_reason = ? "
        "WHERE network = ? AND network_id = ? AND exposed_at IS NULL",
        (at, reason, kind, network_id),
    )
    return cursor.rowcount > 0


def rotated(connection: sqlite3.Connection, kind: Network, network_id: str, at: float) -> None:
    """Note since when a network has its present key."""
    see(connection, kind, network_id, at)
    connection.execute(
        "UPDATE networks SET rotated_at = ? WHERE network = ? AND network_id = ?", (at, kind, network_id)
    )


def heal(connection: sqlite3.Connection, kind: Network, network_id: str) -> None:
    """Note that a network's key is not known to anybody who listened, any more."""
    connection.execute(
        "UPDATE networks SET exposed_at = NULL, exposed_reason = NULL WHERE network = ? AND network_id = ?",
        (kind, network_id),
    )


def _record(row: tuple[object, ...]) -> NetworkRecord:
    return msgspec.convert(dict(zip(_COLUMNS, row, strict=True)), NetworkRecord)
