"""zigpy's own database, worked on while no zigpy has it open: the backups in it, which hold every key in clear.

zigpy writes a backup of the whole network into it once a day, keys and all, in a table for each version of its schema;
the tables of older versions stay behind. A row that zigpy deletes leaves its bytes in the file. So a backup is gone
when it is deleted with `secure_delete`, the file is rebuilt (VACUUM), and the write-ahead log is emptied; then the
files are searched for what only a backup has, and nothing is taken for gone that is still found. What a file system or
a disk keeps of a file's former blocks is out of reach.

Every function raises :class:`~hubsec.errors.RadioError`, the database's being in use among its reasons.
"""

from __future__ import annotations

import contextlib
import mmap
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from hubsec.errors import RadioError

TRACES: Final = (b'"network_key"', b'"tc_link_key"', b'"key_table"', b'"hashed_tclk"')
"""What a backup's JSON says beside its keys, and nothing else in that database does."""
SIDE_FILES: Final = ("", "-wal", "-shm", "-journal")
"""SQLite's own files of a database (https://www.sqlite.org/tempfiles.html)."""
BUSY_WAIT: Final = 5.0
"""Seconds until a database that somebody else has locked is said to be in use."""
_TABLES: Final = (
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'network\\_backups%' ESCAPE '\\'"
)
_DONE: Final = 0
"""The first column of `PRAGMA wal_checkpoint`: not busy."""


@contextlib.contextmanager
def _opened(path: Path, *, alone: bool = False) -> Iterator[sqlite3.Connection]:
    """`alone`: fail where anybody else has it open, even if he does nothing with it just now."""
    connection = None
    try:
        connection = sqlite3.connect(path, timeout=BUSY_WAIT, isolation_level=None)
        if alone:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA secure_delete = ON")
        yield connection
    except sqlite3.Error as error:
        # Its text names tables and files, and no values.
        raise RadioError(f"zigpy's database {path.name} can't be worked on: {error}.") from error
    finally:
        if connection is not None:
            connection.close()


def _tables(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in connection.execute(_TABLES)]


def backups_in(path: Path) -> tuple[str, ...]:
    """The JSON text of every backup, the oldest table's first; none where there is no such file."""
    if not path.exists():
        return ()
    with _opened(path) as connection:
        return tuple(
            str(text)
            for table in sorted(_tables(connection), key=lambda name: (len(name), name))
            for (text,) in connection.execute(f'SELECT backup_json FROM "{table}" ORDER BY id')  # noqa: S608  # from sqlite_master
        )


def has_traces(path: Path) -> bool:
    """Whether any of the database's files still has bytes of a backup."""
    return any(_holds(path.with_name(path.name + suffix)) for suffix in SIDE_FILES)


def _holds(file: Path) -> bool:
    try:
        if not file.exists() or not file.stat().st_size:
            return False
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as held:
            return any(held.find(trace) >= 0 for trace in TRACES)
    except OSError as error:
        raise RadioError(f"zigpy's database {file.name} can't be read: {error.strerror}.") from error


def replace_backups(path: Path, kept: Sequence[str]) -> None:
    """Take every backup out of the file for good, and put in `kept` alone. With none kept, nothing of one is left, and
    that is read back."""
    if not path.exists() or not (backups_in(path) or has_traces(path)):
        return
    with _opened(path, alone=True) as connection:
        # A rollback journal would take a copy of each page before it is overwritten.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        tables = _tables(connection)
        for table in tables:
            connection.execute(f'DELETE FROM "{table}"')  # noqa: S608  # from sqlite_master
        newest = max(tables, key=lambda name: (len(name), name), default=None)
        for text in kept if newest is not None else ():
            connection.execute(f'INSERT INTO "{newest}" (id, backup_json) VALUES (NULL, ?)', (text,))  # noqa: S608  # from sqlite_master
        connection.execute("COMMIT")
        connection.execute("VACUUM")
        (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy != _DONE:
        raise RadioError(f"zigpy's database {path.name} is in use: its log could not be emptied.")
    if not kept and has_traces(path):
        raise RadioError(f"zigpy's database {path.name} still holds parts of a backup.")
