"""The table of re-inclusions. Each function works in the caller's transaction."""

from __future__ import annotations

import sqlite3
from typing import Final

import msgspec

from hubsec.audit.records import Act
from hubsec.reinclusion.shapes import ReinclusionProgress, Stage

KEPT: Final = 20
"""Re-inclusions of a network that are kept, the newest. Judgement: each takes somebody's evening, so that few are ever
made."""


def keep(connection: sqlite3.Connection, progress: ReinclusionProgress) -> ReinclusionProgress | None:
    """Write down where a re-inclusion stands; the oldest of its network go. Returns where it stood before."""
    row = connection.execute(
        "SELECT about FROM reinclusions WHERE reinclusion = ?", (progress.reinclusion,)
    ).fetchone()
    connection.execute(
        "INSERT INTO reinclusions (reinclusion, network_id, started_at, about) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (reinclusion) DO UPDATE SET about = excluded.about",
        (
            progress.reinclusion,
            progress.network_id,
            progress.started_at,
            msgspec.json.encode(progress, order="sorted").decode(),
        ),
    )
    connection.execute(
        "DELETE FROM reinclusions WHERE network_id = :network AND reinclusion NOT IN (SELECT reinclusion FROM "
        "reinclusions WHERE network_id = :network ORDER BY started_at DESC, reinclusion LIMIT :kept)",
        {"network": progress.network_id, "kept": KEPT},
    )
    return None if row is None else _read(row[0])


def has_come_on(before: ReinclusionProgress | None, progress: ReinclusionProgress) -> bool:
    """Whether that is a step of the whole, and not of one device."""
    return before is None or (before.stage, before.paused) != (progress.stage, progress.paused)


def is_live(before: ReinclusionProgress | None, progress: ReinclusionProgress) -> bool:
    """Whether a device has shown just now that the server has the new keys."""
    return progress.stage is Stage.INCLUDING and (before is None or before.stage is not Stage.INCLUDING)


def step(progress: ReinclusionProgress) -> Act:
    """What the audit log says of such a step."""
    return Act(
        act="reinclusion-step",
        by=progress.by,
        radio=progress.radio,
        correlation=progress.reinclusion,
        reason=progress.reason,
        details={
            "stage": progress.stage,
            "paused": progress.paused,
            "done": progress.done,
            "devices": len(progress.devices),
        },
    )


def reinclusions(
    connection: sqlite3.Connection, network_id: str | None, limit: int
) -> tuple[ReinclusionProgress, ...]:
    """The newest re-inclusions of a network, or of all, newest first."""
    rows = connection.execute(
        "SELECT about FROM reinclusions WHERE :network IS NULL OR network_id = :network "
        "ORDER BY started_at DESC, reinclusion LIMIT :limit",
        {"network": network_id, "limit": limit},
    )
    return tuple(_read(row[0]) for row in rows)


def _read(about: str) -> ReinclusionProgress:
    return msgspec.json.decode(about, type=ReinclusionProgress)
