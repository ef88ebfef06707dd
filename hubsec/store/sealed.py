"""The table of sealed secrets: the vault on disk. Each function works in the caller's transaction."""

from __future__ import annotations

import enum
import sqlite3
from typing import Final

from hubsec.secret import Secret
from hubsec.store.sealing import Place, Seal

_TABLE: Final = "sealed"


class SecretKind(enum.StrEnum):
    """What a sealed secret is; its name says whose. Kind and name are no secrets themselves."""

    CREDENTIAL = "credential"
    """A device's own: the link key of its install code, or its DSK. Named by its identity; goes with its entry."""
    NETWORK_KEY = "network-key"
    """A key of a network, in force or not. Named by the radio's package: see its module on rotation."""
    JOURNAL = "journal"
    """Where a change of keys stands, written before each step. One for each network, named by it."""
    BACKUP = "backup"
    """A host's backup of its network, keys and all."""
    SIGNING_KEY = "signing-key"
    """By which the audit log's checkpoints are signed."""
    LOG_MARK = "log-mark"
    """Which record of the audit log was its newest checkpoint: no secret, but nobody else can seal another one."""


def put(connection: sqlite3.Connection, kind: SecretKind, name: str, sealed: bytes, at: float) -> None:
    """Put a sealed secret in place of what there was."""
    connection.execute(
        "INSERT INTO sealed (kind, name, secret, sealed_at) VALUES (?, ?, ?, ?) ON CONFLICT (kind, name) "
        "DO UPDATE SET secret = excluded.secret, sealed_at = excluded.sealed_at",
        (kind, name, sealed, at),
    )


def get(connection: sqlite3.Connection, kind: SecretKind, name: str) -> bytes | None:
    """The sealed secret, None when there is none."""
    row = connection.execute("SELECT secret FROM sealed WHERE kind = ? AND name = ?", (kind, name)).fetchone()
    return None if row is None else bytes(row[0])


def names(connection: sqlite3.Connection, kind: SecretKind | None = None) -> tuple[str, ...]:
    """Whose secrets of this kind there are, or of any kind; by name."""
    rows = connection.execute(
        "SELECT name FROM sealed WHERE :kind IS NULL OR kind = :kind ORDER BY name", {"kind": kind}
    )
    return tuple(row[0] for row in rows)


def discard(connection: sqlite3.Connection, kind: SecretKind, name: str) -> None:
    """Take it out, if it is there."""
    connection.execute("DELETE FROM sealed WHERE kind = ? AND name = ?", (kind, name))


def place(store: str, kind: SecretKind, name: str) -> Place:
    """Where such a secret is sealed to, in the database called `store`."""
    return Place((store, _TABLE, f"{kind}:{name}", "secret"))


def seal(key: Seal, store: str, kind: SecretKind, name: str, secret: Secret) -> bytes:
    """`secret` sealed for its row."""
    return key.seal(secret, place(store, kind, name))
