"""SQLite as the store uses it: durable when a transaction returns, numbered schemas, and one kind of error.

WAL with ``synchronous=FULL`` syncs the log at each commit (https://sqlite.org/pragma.html#pragma_synchronous): what a
commit returned for outlives the program and the power.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Final

import msgspec

from hubsec.errors import StoreError

# "hubs": tells SQLite's own tools, and us, whose file it is.
APPLICATION_ID: Final = 0x68756273
# Seconds that a statement waits for somebody who reads or checkpoints; the writing thread alone waits so long.
BUSY_SECONDS: Final = 2.0

# SQLite's primary result codes (https://sqlite.org/rescode.html), and what a person can do about each.
_ADVICE: Final = {
    sqlite3.SQLITE_FULL: "The disk is full: make room.",
    sqlite3.SQLITE_READONLY: "The database is read-only: the disk may have been remounted after an error.",
    sqlite3.SQLITE_BUSY: "The database is locked: another program is writing to it.",
    sqlite3.SQLITE_LOCKED: "The database is locked: another program is writing to it.",
    sqlite3.SQLITE_IOERR: "The disk reports an error.",
    sqlite3.SQLITE_CORRUPT: "The database is damaged: restore it from a backup.",
    sqlite3.SQLITE_NOTADB: "The file is no database, or is damaged: restore it from a backup.",
    sqlite3.SQLITE_CANTOPEN: "The database can't be opened: look at the folder's permissions.",
    sqlite3.SQLITE_PERM: "The database can't be opened: look at the folder's permissions.",
}
_PRIMARY: Final = 0xFF
# The first with STRICT tables (https://sqlite.org/stricttables.html).
SQLITE_FLOOR: Final = (3, 37, 0)


def schemas() -> tuple[str, ...]:
    """The numbered schemas, from 0001 on: each brings a database of the number before it to its own."""
    folder = resources.files("hubsec.store") / "schemas"
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    return tuple(file.read_text("utf-8") for file in files)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise :class:`~hubsec.errors.StoreError` for whatever SQLite, or a value that it can't hold, raises within.

    SQLite's text is left out: it may quote a statement's values.
    """
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        advice = _ADVICE.get(code & _PRIMARY) if code is not None else None
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        raise StoreError(f"{advice or 'The database refused.'} ({name})") from None
    except (UnicodeError, OverflowError) as error:
        raise StoreError(f"The database can't hold such a value ({type(error).__name__}).") from None
    except msgspec.MsgspecError as error:
        raise StoreError(
            f"A row can't be read: it was changed from outside ({type(error).__name__})."
        ) from None


class Database:
    """A connection that any thread may use, one at a time. Every method raises :class:`~hubsec.errors.StoreError`.

    `ending` is called before a transaction is committed, `undone` after one, or a part of one, was taken back.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        if sqlite3.sqlite_version_info < SQLITE_FLOOR:
            raise StoreError(
                f"This Python has SQLite {sqlite3.sqlite_version}; the store needs 3.37 or newer."
            )
        self._lock = threading.RLock()
        self.ending: Callable[[sqlite3.Connection], object] | None = None
        self.undone: Callable[[], object] | None = None
        with translated():
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}",
                uri=True,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
        try:
            self._prepare(path, read_only=read_only)
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, path: Path, *, read_only: bool) -> None:
        with translated():
            found = self._number("application_id")
            version = self._number("user_version")
            empty = not self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
            if found != APPLICATION_ID and not (empty and found == 0 and version == 0):
                raise StoreError(
                    f"{path} is a database of something else: give the store a folder of its own."
                )
            known = schemas()
            if version > len(known):
                raise StoreError(
                    f"{path} was written by a newer hubsec (schema {version}, this one knows {len(known)}): update "
                    "hubsec, or restore the backup from before the update."
                )
            for pragma in ("foreign_keys = ON", "trusted_schema = OFF", "cell_size_check = ON"):
                self._connection.execute(f"PRAGMA {pragma}")
            if read_only:
                if version < len(known):
                    raise StoreError(f"{path} has an old schema: open it once for writing, then read-only.")
                return
            mode = self._connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise StoreError(f"{path} lies on a disk that can't keep a write-ahead log.")
            # FULL syncs each commit. fullfsync makes that mean the medium on macOS. secure_delete overwrites what is
            # deleted, so that a revoked key's sealed form is gone too.
            for pragma in ("synchronous = FULL", "fullfsync = ON", "secure_delete = ON"):
                self._connection.execute(f"PRAGMA {pragma}")
            for number, schema in enumerate(known[version:], start=version + 1):
                self._migrate(number, schema)

    def _number(self, pragma: str) -> int:
        return int(self._connection.execute(f"PRAGMA {pragma}").fetchone()[0])

    def _migrate(self, number: int, schema: str) -> None:
        try:
            self._connection.executescript(
                f"BEGIN IMMEDIATE;\n{schema}\nPRAGMA application_id = {APPLICATION_ID};\n"
                f"PRAGMA user_version = {number};\nCOMMIT;"
            )
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def hold(self, error: Exception) -> None:
        """Raise `error` when it ended the transaction under way, as a full or broken disk can at any statement."""
        if not self._connection.in_transaction:
            raise error

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, to read from."""
        with self._lock, translated():
            yield self._connection

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """The same, for several statements that are to see one moment, whoever writes meanwhile."""
        with self._lock, translated():
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The connection, to write through: all that is done within is durable when this ends, or none of it is done.

        Inside another transaction it is a part of that one, which can fail for itself.
        """
        with self._lock, translated():
            nested = self._connection.in_transaction
            self._connection.execute("SAVEPOINT part" if nested else "BEGIN IMMEDIATE")
            try:
                yield self._connection
                if self.ending is not None and not nested:
                    self.ending(self._connection)
                self._connection.execute("RELEASE part" if nested else "COMMIT")
            except BaseException:
                if self.undone is not None:
                    self.undone()
                # A full or broken disk may have ended the transaction already, the outer one too.
                if self._connection.in_transaction:
                    if nested:
                        self._connection.execute("ROLLBACK TO part")
                        self._connection.execute("RELEASE part")
                    else:
                        self._connection.execute("ROLLBACK")
                raise

    def cut_log(self) -> None:
        """Bring all that is committed into the database's own file, and leave nothing in the log beside it. Raises
        where somebody who reads stands in the way. Not to be called in a transaction."""
        with self._lock, translated():
            busy = self._connection.execute("PRAGMA wal_checkpoint (TRUNCATE)").fetchone()[0]
        if busy:
            raise StoreError("Another program reads the database: its log can't be cut now.")

    def close(self) -> None:
        """Checkpoint and close."""
        with self._lock, translated():
            self._connection.close()
