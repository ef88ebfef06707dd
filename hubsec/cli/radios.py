"""`hubsec radios`: what each radio library can enforce, as data from the radios on the shelf."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Annotated, Final

import msgspec
import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hubsec.radio import Capabilities, Capability, Support

CAPABILITIES: Final = "hubsec.capabilities"
_COLUMNS: Final = (
    ("link_key_join", "join", "lets a device in by its own link key, made of its install code"),
    ("refuse_default_key", "refuse", "keeps out whoever comes with the well-known key alone"),
    ("deferred_approval", "defer", "holds the network key back until somebody has decided"),
    ("rotation", "rotate", "changes the network key"),
    ("forced_remove", "remove", "makes a device leave"),
    ("key_table_read", "read", "reads its table of link keys back"),
)
"""Each capability with its heading, short enough for all of them to fit 80 columns, and what that means."""
_STYLE: Final = {Support.YES: "green", Support.PARTLY: "yellow", Support.NO: "red"}


def capabilities() -> Sequence[Capabilities]:
    """The tables of every installed radio package, in the order of their libraries' names within each."""
    found: list[Capabilities] = []
    for point in sorted(entry_points(group=CAPABILITIES), key=lambda point: point.name):
        table = point.load()
        found.extend(table[name] for name in table)
    return found


def show(*, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Say what each radio library can enforce."""
    table = capabilities()
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(table), indent=2).decode())
        return
    console = Console()
    console.print("What a radio library can enforce, and whether hubsec enforces it today.\n")
    console.print(_overview(table))
    for _, heading, meaning in _COLUMNS:
        console.print(f"{heading:8}{meaning}", soft_wrap=True)
    console.print("\nWhat is behind it:\n")
    console.print(_notes(table))


def _plain(*headings: str) -> Table:
    return Table(*headings, box=box.SIMPLE_HEAD, pad_edge=False)


def _overview(table: Sequence[Capabilities]) -> Table:
    drawn = _plain("library", "hubsec", *(heading for _, heading, _ in _COLUMNS))
    for row in table:
        enforced = Text("enforces", style="green") if row.enforced else Text("not yet", style="red")
        cells = [_capability(row, field).support for field, _, _ in _COLUMNS]
        drawn.add_row(row.library, enforced, *(Text(cell.value, style=_STYLE[cell]) for cell in cells))
    return drawn


def _notes(table: Sequence[Capabilities]) -> Table:
    drawn = _plain("library", "what", "", "note")
    for row in table:
        for field, heading, _ in _COLUMNS:
            capability = _capability(row, field)
            if capability.note:
                support = Text(capability.support.value, style=_STYLE[capability.support])
                drawn.add_row(row.library, heading, support, Text(capability.note))
    return drawn


def _capability(row: Capabilities, field: str) -> Capability:
    found: Capability = getattr(row, field)
    return found
