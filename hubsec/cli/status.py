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
    yet, was first seen then; seconds since the epoch. `under_way` is as it stood when it was last written."""

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


def show(
    *,
    home: Annotated[
        Path | None,
        typer.Option(help="The hub's folder; default: $HUBSEC_HOME, else the user's data folder."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say how old each network's key is, and what became of its last rotation, also while a hub is running."""
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
        needs = await store.run(lambda blocking: blocking.needs(), writes=False)
    return [_status(record, past, needs, allowlist) for record in networks]


_ALL: Final = 10_000
"""Rotations that are read: a hundred of as many networks."""


def _status(
    record: NetworkRecord,
    past: tuple[RotationProgress, ...],
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
    )


def _table(status: NetworkStatus, now: float) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 4, 0, 0))
    table.add_row("network", Text(f"{status.network} {status.network_id}"))
    if not status.adopted:
        table.add_row("adopted", Text("not yet: its devices are to be confirmed", style="yellow"))
    if status.network is Network.ZIGBEE:
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
        text = f"{straggler.name} ({straggler.device}): re-join it with its install code"
        table.add_row("straggler", Text(text, style="yellow"))
    for need in status.overdue:
        table.add_row("overdue", Text(f"{need.reason} Since {_day(need.since)}.", style="yellow"))
    return table


def _day(when: float | None) -> str:
    try:
        return "?" if when is None else datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return "?"
