"""What an opening looks at of the audit log: its end, and what the vault knows of it.

The vault has a *mark*: number and hash of the newest checkpoint, sealed anew with each. The first comes with the first
secret, so that who takes it out would have to take out all of them. Who cuts the log off before that record, or writes
it anew, would have to change the mark too, and can't without the vault's key. Who puts an older copy of the whole
database in place changes both, and nothing in it can tell.
"""

from __future__ import annotations

import sqlite3
import struct
from typing import Final, NamedTuple

from hubsec.audit.chain import DIGEST_BYTES
from hubsec.audit.verifying import Verifier
from hubsec.errors import AuditError
from hubsec.secret import Secret
from hubsec.store import audited

# Of what an opening verifies: at least so many of the newest records, and all behind the newest checkpoint; at most so
# many. Between two checkpoints lie 1,000 and a group; each record takes some 5 us.
LEAST: Final = 64
MOST: Final = 2_048
_mark: Final = struct.Struct(f">Q{DIGEST_BYTES}s")
_WHAT_TO_DO: Final = (
    "Nobody joins, and nothing opens, until somebody has looked at it: `hubsec audit verify` says what is wrong. Put a "
    "backup back, or go on behind it with `hubsec audit accept`."
)


class Mark(NamedTuple):
    """A record's number and hash."""

    seq: int
    hash: bytes

    def sealable(self) -> Secret:
        """As the vault keeps it. It is no secret, but nobody else can make one."""
        return Secret(_mark.pack(*self))


def mark_of(kept: Secret) -> Mark:
    """The mark that was sealed as that. Raises :class:`~hubsec.errors.AuditError` for anything else."""
    try:
        return Mark(*_mark.unpack(kept.reveal()))
    except struct.error:
        raise AuditError("The vault's mark of the log is none.", fault="malformed") from None


def held_to(connection: sqlite3.Connection, mark: Mark) -> None:
    """Raises :class:`~hubsec.errors.AuditError` where the log does not have the record that the vault knows."""
    if not mark.seq:  # It was made before the first record.
        return
    row = connection.execute("SELECT hash FROM audit WHERE seq = ?", (mark.seq,)).fetchone()
    if row is None:
        last = connection.execute("SELECT ifnull(max(seq), 0) FROM audit").fetchone()[0]
        raise AuditError(
            f"The newest records are missing: there are {last}, and the vault knows of record {mark.seq}.",
            fault="cut",
            seq=last + 1,
        )
    if row[0] != mark.hash:
        raise AuditError(
            f"Record {mark.seq} is not the one that the vault knows: it, or one before it, was written anew.",
            fault="forged",
            seq=mark.seq,
        )


def check_end(connection: sqlite3.Connection, name: str) -> None:
    """Verify the end of the log of the store called `name`. Raises :class:`~hubsec.errors.AuditError`."""
    first, last = connection.execute("SELECT min(seq), max(seq) FROM audit").fetchone()
    if last is None:
        return
    accepted = connection.execute("SELECT log_accepted FROM store").fetchone()[0]
    signed = audited.newest_checkpoint(connection) or first
    begin = max(first, accepted + 1, last - MOST + 1, min(signed, last - LEAST + 1))
    if begin > first:
        row = connection.execute("SELECT hash FROM audit WHERE seq = ?", (begin - 1,)).fetchone()
        # Where that one is missing, which is to be named is the one that follows what is there.
        after, previous = begin - 1, b"" if row is None else row[0]
    else:
        after, previous = audited.before(connection, name, first)
    verifier = Verifier(name, after=after, previous=previous)
    verifier.feed(audited.rows_of(connection, after))


def fault(connection: sqlite3.Connection) -> str | None:
    """What was found at an earlier opening and nobody has accepted."""
    found: str | None = connection.execute("SELECT log_fault FROM store").fetchone()[0]
    return found


def note_fault(connection: sqlite3.Connection, text: str) -> None:
    """From now on this stands."""
    connection.execute("UPDATE store SET log_fault = ?", (text,))


def accept(connection: sqlite3.Connection, last: int) -> None:
    """Nothing stands any more, and openings look at nothing before record `last` and at that."""
    connection.execute("UPDATE store SET log_fault = NULL, log_accepted = ?", (last,))


def told(error: Exception) -> str:
    """What is said of a log of which `error` was found."""
    return f"The audit log is damaged: {error} {_WHAT_TO_DO}"
