"""`hubsec status`: how each network stands with its key, read from the store without changing it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hubsec.allowlist import Allowlist
from hubsec.hub import default_home
from hubsec.identity import Identity, Network
from hubsec.posture import ReinclusionPosture
from hubsec.reinclusion.planning import todo_for
from hubsec.reinclusion.shapes import ReinclusionProgress, Stage
from hubsec.rotation.due import stragglers
from hubsec.rotation.shapes import Outcome, RotationProgress
from hubsec.rotation.triggers import Need
from hubsec.store import AsyncStore, NetworkRecord

DAY: Final = 24 * 3600.0


class Straggler(msgspec.Struct, frozen=True, kw_only=True):
    """A device that missed the last rotation, and has not joined since."""

    device: Identity
    name: str


class NetworkStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One network, as ``--json`` prints it. `key_since`: its key is live since then, or, where it was not `rotated`
    yet, was first seen then; seconds since the epoch. What is `under_way`, here and in `reinclusion`, is as it stood
    when it was last written."""

    network: Network
    network_id: str
    adopted: bool
    key_since: float
    rotated: bool
    exposed: str | None
    overdue: tuple[Need, ...]
    under_way: RotationProgress | None
    last: RotationProgress | None
    stragglers: tuple[Straggler, ...]
    reinclusion: ReinclusionPosture | None


def show(
    *,
    home: Annotated[
        Path | None,
        typer.Option(help="The hub's folder; default: $HUBSEC_HOME, else the user's data folder."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say how old each network's key is, and what became of its last rotation or re-inclusion, also while a hub is
    running."""
    found = asyncio.run(_read(home if home is not None else default_home()))
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    console = Console()
    if not found:
        console.print("No hub has seen a network here yet.")
    now = time.time()
    for status in found:
        console.print(_table(status, now))


async def _read(home: Path) -> list[NetworkStatus]:
    # The key is not needed: what it opens is not shown.
    async with AsyncStore(home, read_only=True, require_key=False) as store:
        allowlist = await Allowlist.load(store)
        networks = await store.networks()
        past = await store.run(lambda blocking: blocking.rotations(limit=_ALL), writes=False)
        anew = await store.run(lambda blocking: blocking.reinclusions(limit=_ALL), writes=False)
        needs = await store.run(lambda blocking: blocking.needs(), writes=False)
    return [_status(record, past, anew, needs, allowlist) for record in networks]


_ALL: Final = 10_000
"""Rotations, and re-inclusions, that are read: a hundred of as many networks."""


def _status(
    record: NetworkRecord,
    past: tuple[RotationProgress, ...],
    anew: tuple[ReinclusionProgress, ...],
    needs: tuple[Need, ...],
    allowlist: Allowlist,
) -> NetworkStatus:
    mine = [one for one in past if one.network_id == record.network_id]
    last = next((one for one in mine if one.outcome is Outcome.ROTATED), None)
    missing = stragglers(last, allowlist) if last is not None else ()
    return NetworkStatus(
        network=record.network,
        network_id=record.network_id,
        adopted=record.adopted,
        key_since=record.rotated_at or record.first_seen,
        rotated=record.rotated_at is not None,
        exposed=record.exposed_reason,
        overdue=tuple(need for need in needs if need.network_id == record.network_id),
        under_way=next((one for one in mine if one.outcome is None), None),
        last=last,
        stragglers=tuple(Straggler(device=one, name=allowlist[one].label) for one in missing),
        reinclusion=_reinclusion([one for one in anew if one.network_id == record.network_id]),
    )


def _reinclusion(anew: list[ReinclusionProgress]) -> ReinclusionPosture | None:
    if not anew:
        return None
    return ReinclusionPosture(
        under_way=anew[0] if anew[0].stage is not Stage.ENDED else None,
        last=next((one for one in anew if one.stage is Stage.ENDED), None),
    )


def _table(status: NetworkStatus, now: float) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 4, 0, 0))
    table.add_row("network", Text(f"{status.network} {status.network_id}"))
    if not status.adopted:
        table.add_row("adopted", Text("not yet: its devices are to be confirmed", style="yellow"))
    age = max(0.0, now - status.key_since) / DAY
    known = "changed" if status.rotated else "never changed since it was first seen"
    table.add_row("key", f"{known}, {_day(status.key_since)}, {age:.0f} days ago")
    table.add_row("exposed", Text(status.exposed, style="red") if status.exposed else "no")
    if status.under_way is not None:
        one = status.under_way
        table.add_row(
            "rotation",
            Text(
                f"under way by {one.way}: {one.step}, {one.reached} of {len(one.deliveries)} devices, until "
                f"{_day(one.deadline)}"
            ),
        )
    if status.last is not None:
        table.add_row("last", Text(f"by {status.last.way}, {_day(status.last.ended_at)}, {status.last.by}"))
    for straggler in status.stragglers:
        doubted = status.last is not None and status.last.doubted_at is not None
        when = ", unless it still answers: an old key was on the stick" if doubted else ""
        text = f"{straggler.name} ({straggler.device}): re-join it with its install code{when}"
        table.add_row("straggler", Text(text, style="yellow"))
    if status.reinclusion is not None:
        _add_reinclusion(table, status.reinclusion)
    for need in status.overdue:
        table.add_row("overdue", Text(f"{need.reason} Since {_day(need.since)}.", style="yellow"))
    return table


def _add_reinclusion(table: Table, anew: ReinclusionPosture) -> None:
    if anew.under_way is not None:
        one = anew.under_way
        where = f"under way, {one.stage}: {one.done} of {len(one.devices)} devices are done"
        table.add_row("re-inclusion", Text(f"{where}, paused" if one.paused else where))
        if one.standstill is not None:
            table.add_row("standstill", Text(one.standstill, style="red"))
        awaiting = frozenset(one.awaiting)
        for device in one.devices:
            if device.device in awaiting:
                todo = todo_for(device.manner, sleepy=False) if device.device == one.current else device.phase
                table.add_row("awaits keys", Text(f"{device.name} ({device.device}): {todo}"))
    for one in filter(None, (anew.under_way, anew.last)):
        if one.stage is Stage.ENDED:
            done = f"{one.done} of {len(one.devices)} devices are done"
            table.add_row("re-included", Text(f"{_day(one.ended_at)}, {one.by}: {done}"))
        missing = frozenset(one.missing)
        for device in one.devices:
            if device.device in missing:
                text = f"{device.name} ({device.device}): {device.detail or 'it was given up'}"
                table.add_row("missing", Text(text, style="yellow"))


def _day(when: float | None) -> str:
    try:
        return "?" if when is None else datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return "?"
