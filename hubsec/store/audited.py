"""The table of the audit log. Each function works in the caller's transaction; :mod:`hubsec.audit` says what is in
it."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from hubsec.audit.chain import genesis, link
from hubsec.audit.checkpoints import Checkpoint, Cut, Signer, read_checkpoint
from hubsec.audit.exporting import export_lines
from hubsec.audit.records import Act, AuditRecord, Channel, Draft, Kind, channel_of, draft
from hubsec.audit.verifying import Progress, Row, Verified, Verifier, anchored, unsigned
from hubsec.decisions import Decision
from hubsec.entries import Entry
from hubsec.errors import AuditError
from hubsec.identity import Identity
from hubsec.requests import Request
from hubsec.store.records import Change, Record, StoredRecord

# So many records pass between two signatures. Judgement: at 25 us each they cost nothing, and a crash leaves no more
# than that unsigned.
CHECKPOINT_EVERY: Final = 1_000
# The oldest go beyond that. With some 580 bytes a decision that is 230 MB; what a flood can write in a day fits (see
# hubsec.recorder).
KEPT: Final = 400_000
# The same for the size of the whole database.
KEPT_BYTES: Final = 256 * 1024 * 1024
# So many go at once: some milliseconds of the writer's time.
CUT_STEP: Final = 2_000
# What is younger, in seconds before the newest record, goes only when the log has this many times its bound.
KEPT_SECONDS: Final = 86_400.0
KEPT_TIMES: Final = 4

_COLUMNS: Final = "seq, at, kind, device, correlation, body, hash"
# As bytes, so that a text that is no UTF-8 any more is a record that was changed, and no error of SQLite's.
_RAW: Final = (
    "SELECT seq, at, CAST(kind AS BLOB), CAST(device AS BLOB), CAST(correlation AS BLOB), CAST(body AS BLOB), hash "
    "FROM audit"
)
_INSERT: Final = f"INSERT INTO audit ({_COLUMNS}) VALUES "  # noqa: S608 - our columns
_VALUES: Final = "(?, ?, ?, ?, ?, ?, ?)"
# Rows of one statement: it takes half the time of as many statements, and SQLite has 32,766 parameters for it
# (https://sqlite.org/limits.html).
ROWS: Final = 64


@functools.cache
def _insert(rows: int) -> str:
    return _INSERT + ", ".join([_VALUES] * rows)


_RARE: Final = (Kind.CHANGE, Kind.CHECKPOINT)
# Word for word as the index of the schema has it, which is used then (https://sqlite.org/partialindex.html, 2).
_IS_RARE: Final = "kind IN ('change', 'checkpoint')"


class _Decided(msgspec.Struct, frozen=True, gc=False):
    by: str
    channel: Channel
    policy: str
    radio: str
    request: Request
    decision: Decision


class _Changed(msgspec.Struct, frozen=True):
    by: str
    channel: Channel
    policy: str
    change: str
    entry: Entry


class _Done(Act, frozen=True, kw_only=True):
    channel: Channel
    policy: str


def decided(made: Record) -> Draft:
    """A decision's record. Raises :class:`~hubsec.errors.StoreError` for values that no database holds."""
    body = _Decided(made.by, made.channel, made.policy, made.radio, made.request, made.decision)
    return draft(made.at, Kind.DECISION, made.device, made.correlation, body)


class Log:
    """The log of the store called `name`. `policy` and `channel` go into what is recorded of changes and acts.

    `signer` gives what signs, None where that can't be had, and `mark` is told number and hash of each checkpoint; both
    may write what they need in the transaction under way.
    """

    def __init__(
        self,
        name: str,
        signer: Callable[[], Signer | None],
        mark: Callable[[int, bytes], object],
        is_marked: Callable[[sqlite3.Connection], bool | None],
    ) -> None:
        self._name = name
        self._signer = signer
        self._mark = mark
        self._is_marked = is_marked
        self._marked = False
        self._tail: tuple[int, bytes] | None = None
        self._signed: int | None = None
        self.policy = ""
        self.channel = Channel.API

    def forget(self) -> None:
        """A transaction was undone: what is remembered of the log's end may not be so."""
        self._tail = self._signed = None
        self._marked = False

    def forget_mark(self) -> None:
        """The vault has none any more."""
        self._marked = False

    @property
    def end(self) -> int | None:
        """The newest record's number, as far as it is remembered."""
        return None if self._tail is None else self._tail[0]

    def tail(self, connection: sqlite3.Connection) -> tuple[int, bytes]:
        """Number and hash of the newest record; 0 and the store's own where there is none."""
        if self._tail is None:
            row = connection.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
            self._tail = (0, genesis(self._name)) if row is None else (row[0], row[1])
        return self._tail

    def append(self, connection: sqlite3.Connection, drafts: Sequence[Draft]) -> int:
        """Write records down, in their order; returns the number of the first."""
        last, digest = self.tail(connection)
        seq = last
        for start in range(0, len(drafts), ROWS):
            part = drafts[start : start + ROWS]
            values: list[object] = []
            for one in part:
                seq += 1
                digest = link(digest, seq, one.own)
                values += (seq, one.at, one.kind, one.device, one.correlation, one.body, digest)
            connection.execute(_insert(len(part)), values)
        self._tail = (seq, digest)
        return last + 1

    def changed(
        self, connection: sqlite3.Connection, what: str, by: str, at: float, entries: Sequence[Entry]
    ) -> None:
        """Write down what happened to each entry of the allowlist."""
        channel = channel_of(by, self.channel)
        self.append(
            connection,
            [
                draft(at, Kind.CHANGE, entry.device, "", _Changed(by, channel, self.policy, what, entry))
                for entry in entries
            ],
        )

    def act(self, act: Act, at: float) -> Draft:
        """The record of an act."""
        body = _Done(
            **msgspec.structs.asdict(act), channel=channel_of(act.by, self.channel), policy=self.policy
        )
        return draft(at, Kind.ACT, act.device, act.correlation, body)

    # Signatures and retention

    def keep_up(self, connection: sqlite3.Connection) -> None:
        """Sign, and drop the oldest, when it is time to. The vault knows of the log from the first secret on."""
        last, digest = self.tail(connection)
        if not self._marked:
            marked = self._is_marked(connection)
            if marked is False:
                self._mark(last, digest)
            self._marked = marked is not None
        if self._signed is None:
            self._signed = newest_checkpoint(connection) or 0
        if last - self._signed >= CHECKPOINT_EVERY:
            # Nobody waits for these seconds but those whose records are in the same commit.
            self.sign(connection, self._due(connection))

    def sign(
        self, connection: sqlite3.Connection, cut: Cut | None = None, at: float | None = None
    ) -> Checkpoint | None:
        """Write a checkpoint, and drop what it says was cut; None where nobody can sign, and then nothing is dropped.

        Its time is `at`, or that of the newest record.
        """
        last, digest = self.tail(connection)
        # It is time again when as many more have come, whether anybody can sign now or not.
        self._signed = last
        signer = self._signer()
        if signer is None:
            return None
        if at is None:
            row = connection.execute("SELECT at FROM audit WHERE seq = ?", (last,)).fetchone()
            at = 0.0 if row is None else row[0]
        made = signer.sign(self._name, last, digest, at=at, cut=cut)
        if cut is not None:
            connection.execute("DELETE FROM audit WHERE seq <= ?", (cut.last,))
        self.append(connection, [draft(made.at, Kind.CHECKPOINT, None, "", msgspec.Raw(made.encode()))])
        self._mark(*self.tail(connection))
        return made

    def cut(self, connection: sqlite3.Connection, last: int) -> Cut | None:
        """What goes when the newest that goes is record `last`, which is there; None when nothing does."""
        first = connection.execute("SELECT min(seq) FROM audit").fetchone()[0]
        if first is None or last < first:
            return None
        digest = connection.execute("SELECT hash FROM audit WHERE seq = ?", (last,)).fetchone()[0]
        return Cut(first=first, last=last, hash=digest.hex())

    def _due(self, connection: sqlite3.Connection) -> Cut | None:
        """What is to go now: one step's records, if there are too many, and all of those are old enough."""
        first = connection.execute("SELECT min(seq) FROM audit").fetchone()[0]
        last, _ = self.tail(connection)
        count = last - first + 1
        if count <= KEPT + CUT_STEP and (count <= CUT_STEP or _used(connection) <= KEPT_BYTES):
            return None
        end = first + CUT_STEP - 1
        newest, now = connection.execute(
            "SELECT (SELECT max(at) FROM audit WHERE seq <= ?), (SELECT at FROM audit WHERE seq = ?)",
            (end, last),
        ).fetchone()
        # The log's own time, which is as good as the clock that wrote it: one that was set back keeps more, not less.
        young = newest > now - KEPT_SECONDS
        if young and count <= KEPT_TIMES * KEPT and _used(connection) <= KEPT_TIMES * KEPT_BYTES:
            return None
        return self.cut(connection, end)


def _used(connection: sqlite3.Connection) -> int:
    """Bytes of the database that are not free."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


# Reading


def decisions(
    connection: sqlite3.Connection, device: Identity | None, correlation: str | None, limit: int
) -> tuple[StoredRecord, ...]:
    """The newest decisions, newest first; of one device, of one story, or of all."""
    rows = _newest(connection, Kind.DECISION, {"device": device, "correlation": correlation}, limit)
    return tuple(map(_decision, rows))


def _decision(row: tuple[int, float, str | None, str, str]) -> StoredRecord:
    seq, at, device, correlation, body = row
    made = msgspec.json.decode(body, type=_Decided)
    return StoredRecord(
        id=seq,
        at=at,
        radio=made.radio,
        device=None if device is None else Identity(device),
        request=made.request,
        decision=made.decision,
        policy=made.policy,
        correlation=correlation,
        by=made.by,
        channel=made.channel,
    )


def changes(connection: sqlite3.Connection, device: Identity | None, limit: int) -> tuple[Change, ...]:
    """The newest changes of the allowlist, of all devices or of one, newest first."""
    return tuple(map(_change, _newest(connection, Kind.CHANGE, {"device": device}, limit)))


def _change(row: tuple[int, float, str | None, str, str]) -> Change:
    seq, at, _, _, body = row
    made = msgspec.json.decode(body, type=_Changed)
    return Change(
        id=seq,
        at=at,
        device=made.entry.device,
        change=made.change,
        changed_by=made.by,
        channel=made.channel,
        policy=made.policy,
        entry=made.entry,
    )


def _newest(
    connection: sqlite3.Connection, kind: Kind, asked: dict[str, str | None], limit: int
) -> Iterator[tuple[int, float, str | None, str, str]]:
    # One statement for each case, with the kind written out, so that each finds its index.
    conditions = [f"{column} = :{column}" for column, value in asked.items() if value is not None]
    if asked.get("correlation") is not None:
        conditions.append("correlation <> ''")
    if kind in _RARE:
        conditions.append(_IS_RARE)
    where = " AND ".join([f"kind = '{kind}'", *conditions])
    return connection.execute(
        f"SELECT seq, at, device, correlation, body FROM audit WHERE {where} ORDER BY seq DESC LIMIT :limit",  # noqa: S608
        {**asked, "limit": limit},
    )


def records(
    connection: sqlite3.Connection, since: int, kinds: Sequence[Kind], limit: int
) -> tuple[AuditRecord, ...]:
    """The records after number `since`, oldest first; of these kinds, or of all."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM audit WHERE seq > ? AND {_among(kinds)} ORDER BY seq LIMIT ?",  # noqa: S608 - our words
        (since, limit),
    )
    return tuple(map(_record, rows))


def newest(connection: sqlite3.Connection, kinds: Sequence[Kind], limit: int) -> tuple[AuditRecord, ...]:
    """The newest records, oldest first; of these kinds, or of all."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM audit WHERE {_among(kinds)} ORDER BY seq DESC LIMIT ?",  # noqa: S608 - the same
        (limit,),
    )
    return tuple(map(_record, rows))[::-1]


def _among(kinds: Sequence[Kind]) -> str:
    return f"kind IN ({', '.join(repr(str(kind)) for kind in kinds)})" if kinds else "TRUE"


def _record(row: tuple[object, ...]) -> AuditRecord:
    return msgspec.convert(dict(zip(AuditRecord.__struct_fields__, row, strict=True)), AuditRecord)


def newest_checkpoint(connection: sqlite3.Connection) -> int | None:
    """The number of the newest checkpoint's record."""
    found: int | None = connection.execute(
        f"SELECT max(seq) FROM audit WHERE kind = 'checkpoint' AND {_IS_RARE}"  # noqa: S608 - our words
    ).fetchone()[0]
    return found


def rows_of(connection: sqlite3.Connection, since: int) -> Iterator[Row]:
    """The records after number `since`, as bytes."""
    return connection.execute(f"{_RAW} WHERE seq > ? ORDER BY seq", (since,))


def before(connection: sqlite3.Connection, name: str, first: int) -> tuple[int, bytes]:
    """Number and hash of what record `first`, the log's oldest, follows. Raises
    :class:`~hubsec.errors.AuditError` where the oldest were dropped and nobody signed for it."""
    if first == 1:
        return 0, genesis(name)
    rows = connection.execute("SELECT CAST(body AS BLOB) FROM audit WHERE kind = 'checkpoint' ORDER BY seq")
    for (body,) in rows:
        try:
            found = read_checkpoint(body)
            if found.cut is not None and found.cut.last == first - 1:
                return anchored(found, first)
        except AuditError:
            continue  # It is named when the chain comes to it, unless it is needed here.
    raise unsigned(first)


def export(
    connection: sqlite3.Connection,
    name: str,
    write: Callable[[bytes], object],
    since: int,
    kinds: Sequence[Kind],
) -> int:
    """Write the records after number `since` as lines of JSON. Raises :class:`~hubsec.errors.AuditError` as
    :func:`before` does."""
    row = connection.execute("SELECT seq, hash FROM audit WHERE seq = ?", (since,)).fetchone()
    if row is None:
        first, last = connection.execute("SELECT min(seq), max(seq) FROM audit").fetchone()
        if last is not None and since > last:
            raise AuditError(f"The log ends with record {last}: there is nothing after {since}.", fault="cut")
        row = before(connection, name, first or 1)
    after, previous = row
    return export_lines(
        rows_of(connection, after), write, store=name, after=after, previous=previous, kinds=kinds
    )


def verify(
    connection: sqlite3.Connection,
    name: str,
    *,
    known: Sequence[Checkpoint],
    key: str | None,
    progress: Progress | None,
) -> Verified:
    """Verify all of the log. Raises :class:`~hubsec.errors.AuditError` with the first record that is wrong."""
    first = connection.execute("SELECT ifnull(min(seq), 1) FROM audit").fetchone()[0]
    after, previous = before(connection, name, first)
    verifier = Verifier(name, after=after, previous=previous, known=known, key=key)
    verifier.feed(rows_of(connection, after), progress)
    return verifier.done()
