"""`hubsec allowlist`: who may be here, read from the store without changing it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hubsec.allowlist import Allowlist
from hubsec.device import device_of
from hubsec.entries import Entry
from hubsec.hub import default_home
from hubsec.store import AsyncStore

app = typer.Typer(no_args_is_help=True, help="Look at the allowlist.")


@app.callback()
def _group() -> None:
    """Look at the allowlist."""


@app.command("list")
def list_entries(
    *,
    home: Annotated[
        Path | None,
        typer.Option(help="The hub's folder; default: $HUBSEC_HOME, else the user's data folder."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print an export, which has no secret in it.")
    ] = False,
) -> None:
    """List who may be here, also while a hub is running."""
    entries, export = asyncio.run(_read(home if home is not None else default_home()))
    if as_json:
        typer.echo(export.decode())
        return
    table = Table("name", "device", "security", "approved", "until", title="Who may be here")
    for entry in entries:
        # Names are people's and devices' words: text, never markup.
        table.add_row(
            Text(entry.label),
            Text(entry.device),
            Text(_security(entry)),
            Text(f"{_day(entry.approved_at)} by {entry.approved_by}"),
            Text(_day(entry.expires_at)),
        )
    console = Console()
    console.print(table if entries else "Nobody is on the allowlist.")


async def _read(home: Path) -> tuple[tuple[Entry, ...], bytes]:
    # The key file is not needed: what it opens is not shown.
    async with AsyncStore(home, read_only=True, require_key=False) as store:
        allowlist = await Allowlist.load(store)
        return allowlist.list(), allowlist.export()


def _security(entry: Entry) -> str:
    return str(device_of(entry).security) if entry.joined_at is not None else "has not joined yet"


def _day(when: float | None) -> str:
    if when is None:
        return "revoked"
    try:
        return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return "?"
