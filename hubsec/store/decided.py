"""The table of decisions. Each function works in the caller's transaction."""

from __future__ import annotations

import sqlite3
from typing import Final

import msgspec

from hubsec.decisions import Allow, Decision, Deny, Evict, Knock, Quarantine
from hubsec.identity import Identity
from hubsec.requests import Request
from hubsec.store.records import Record, StoredRecord

# Of each verdict the newest so many are kept, so that whoever knocks for a day pushes out knocks only. With some 500
# bytes a row, all five at their bound fill 250 MB.
KEPT_OF_EACH: Final = 100_000
# How many records pass between two looks at that bound.
_PRUNE_EVERY: Final = 1_000
_VERDICTS: Final = (Allow, Deny, Knock, Quarantine, Evict)


def record(connection: sqlite3.Connection, made: Record) -> int:
    """Write a decision down, and return its number; drop the oldest now and then."""
    cursor = connection.execute(
        "INSERT INTO decisions (at, radio, device, request, verdict, decision, policy, correlation) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            made.at,
            made.radio,
            made.device,
            msgspec.json.encode(made.request).decode(),
            _verdict(type(made.decision)),
            msgspec.json.encode(made.decision, order="deterministic").decode(),
            made.policy,
            made.correlation,
        ),
    )
    number = int(cursor.lastrowid or 0)
    if not number % _PRUNE_EVERY:
        prune(connection, KEPT_OF_EACH)
    return number


def prune(connection: sqlite3.Connection, keep: int) -> int:
    """Drop all but the newest `keep` of each verdict, and return how many went."""
    return sum(
        connection.execute(
            "DELETE FROM decisions WHERE verdict = :verdict AND id <= "
            "(SELECT id FROM decisions WHERE verdict = :verdict ORDER BY id DESC LIMIT 1 OFFSET :keep)",
            {"verdict": _verdict(kind), "keep": max(keep, 0)},
        ).rowcount
        for kind in _VERDICTS
    )


def decisions(
    connection: sqlite3.Connection, device: Identity | None, correlation: str | None, limit: int
) -> tuple[StoredRecord, ...]:
    """The newest decisions, newest first; of one device, of one story, or of all."""
    # One statement for each case, so that each finds its index.
    asked = {"device": device, "correlation": correlation}
    conditions = [f"{column} = :{column}" for column, value in asked.items() if value is not None]
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    rows = connection.execute(
        "SELECT id, at, radio, device, request, decision, policy, correlation FROM decisions "  # noqa: S608 - our columns
        f"{where}ORDER BY id DESC LIMIT :limit",
        {**asked, "limit": limit},
    )
    return tuple(
        StoredRecord(
            id=number,
            at=at,
            radio=radio,
            device=None if whose is None else Identity(whose),
            request=msgspec.json.decode(request, type=Request),
            decision=msgspec.json.decode(decision, type=Decision),
            policy=policy,
            correlation=story,
        )
        for number, at, radio, whose, request, decision, policy, story in rows
    )


def _verdict(kind: type[Decision]) -> str:
    return str(kind.__struct_config__.tag)
