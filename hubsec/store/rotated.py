"""The tables of rotations, and of what makes one due. Each function works in the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from hubsec.audit.records import Act
from hubsec.identity import Identity
from hubsec.rotation.shapes import Outcome, RotationProgress
from hubsec.rotation.triggers import Need, Trigger

KEPT: Final = 100
"""Rotations of a network that are kept, the newest. Judgement: one a month for eight years."""
NEEDS_KEPT: Final = 1024
"""Needs of a network that are kept; far more than anybody puts out before changing the key."""

FORGOTTEN: Final = "Its journal was forgotten with the other secrets: the key is whichever the radio has."


def keep(connection: sqlite3.Connection, progress: RotationProgress) -> bool:
    """Write down where a rotation stands; the oldest of its network go. Whether it has come a step further."""
    row = connection.execute(
        "SELECT about FROM rotations WHERE rotation = ?", (progress.rotation,)
    ).fetchone()
    before = None if row is None else msgspec.json.decode(row[0], type=RotationProgress)
    connection.execute(
        "INSERT INTO rotations (rotation, network_id, started_at, about) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (rotation) DO UPDATE SET about = excluded.about",
        (
            progress.rotation,
            progress.network_id,
            progress.started_at,
            msgspec.json.encode(progress, order="deterministic").decode(),
        ),
    )
    connection.execute(
        "DELETE FROM rotations WHERE network_id = :network AND rotation NOT IN (SELECT rotation FROM rotations "
        "WHERE network_id = :network ORDER BY started_at DESC, rotation LIMIT :kept)",
        {"network": progress.network_id, "kept": KEPT},
    )
    return before is None or _place(before) != _place(progress)


def _place(progress: RotationProgress) -> tuple[object, ...]:
    return progress.step, progress.round, progress.outcome


def step(progress: RotationProgress) -> Act:
    """What the audit log says of a rotation's step."""
    return Act(
        act="rotation-step",
        by=progress.by,
        radio=progress.radio,
        correlation=progress.rotation,
        reason=progress.reason,
        details={
            "way": progress.way,
            "step": progress.step,
            "round": progress.round,
            "sequence": progress.sequence,
            "outcome": progress.outcome,
        },
    )


def rotations(
    connection: sqlite3.Connection, network_id: str | None, limit: int
) -> tuple[RotationProgress, ...]:
    """The newest rotations of a network, or of all, newest first."""
    rows = connection.execute(
        "SELECT about FROM rotations WHERE :network IS NULL OR network_id = :network "
        "ORDER BY started_at DESC, rotation LIMIT :limit",
        {"network": network_id, "limit": limit},
    )
    return tuple(msgspec.json.decode(row[0], type=RotationProgress) for row in rows)


def revise(
    connection: sqlite3.Connection, network_id: str, change: Callable[[RotationProgress], RotationProgress]
) -> RotationProgress | None:
    """Put what `change` makes of it in place of the newest rotation that went through; None where there is none."""
    past = rotations(connection, network_id, KEPT)
    last = next((one for one in past if one.outcome is Outcome.ROTATED), None)
    if last is None:
        return None
    revised = change(last)
    if revised != last:
        keep(connection, revised)
    return revised


def forget(connection: sqlite3.Connection, at: float) -> tuple[RotationProgress, ...]:
    """The journals are gone: whatever was under way has ended there, and is what this returns."""
    ended = tuple(
        msgspec.structs.replace(one, outcome=Outcome.ABANDONED, ended_at=at, trouble=FORGOTTEN)
        for one in rotations(connection, None, -1)
        if one.outcome is None
    )
    for one in ended:
        keep(connection, one)
    return ended


def need(connection: sqlite3.Connection, needed: Need) -> None:
    """Note a need; one that stands already stays as it is."""
    connection.execute(
        "INSERT INTO rotation_needs (network_id, trigger, device, since, reason) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT DO NOTHING",
        (needed.network_id, needed.trigger, needed.device or "", needed.since, needed.reason),
    )
    connection.execute(
        "DELETE FROM rotation_needs WHERE network_id = :network AND since < (SELECT min(since) FROM (SELECT since FROM "
        "rotation_needs WHERE network_id = :network ORDER BY since DESC LIMIT :kept))",
        {"network": needed.network_id, "kept": NEEDS_KEPT},
    )


def needs(connection: sqlite3.Connection, network_id: str | None) -> tuple[Need, ...]:
    """What stands for a network, or for any; the oldest first."""
    rows = connection.execute(
        "SELECT network_id, trigger, device, since, reason FROM rotation_needs "
        "WHERE :network IS NULL OR network_id = :network ORDER BY since, trigger, device",
        {"network": network_id},
    )
    return tuple(
        msgspec.convert(
            {
                "network_id": network,
                "trigger": trigger,
                "device": Identity(device) if device else None,
                "since": since,
                "reason": reason,
            },
            Need,
        )
        for network, trigger, device, since, reason in rows
    )


def settle(connection: sqlite3.Connection, settled: Iterable[Need]) -> None:
    """These are dealt with."""
    connection.executemany(
        "DELETE FROM rotation_needs WHERE network_id = ? AND trigger = ? AND device = ?",
        [(one.network_id, Trigger(one.trigger), one.device or "") for one in settled],
    )
