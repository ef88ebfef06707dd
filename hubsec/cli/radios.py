"""`hubsec radios`: what each radio library can enforce, as data from the radios on the shelf."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hubsec.radio import Capabilities, Support

CAPABILITIES = "hubsec.capabilities"
_COLUMNS = (
    ("link_key_join", "join by link key"),
    ("refuse_default_key", "refuse the well-known key"),
    ("deferred_approval", "deferred approval"),
    ("rotation", "key rotation"),
    ("forced_remove", "forced remove"),
    ("key_table_read", "key table"),
)
_STYLE = {Support.YES: "green", Support.PARTLY: "yellow", Support.NO: "red"}


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
    drawn = Table(title="What a radio library can enforce", caption="Details: hubsec radios --json")
    drawn.add_column("library")
    drawn.add_column("hubsec enforces")
    for _, heading in _COLUMNS:
        drawn.add_column(heading)
    for row in table:
        cells = []
        for field, _ in _COLUMNS:
            capability = getattr(row, field)
            cells.append(Text(capability.support.value, style=_STYLE[capability.support]))
        drawn.add_row(
            row.library, Text("yes", style="green") if row.enforced else Text("not yet", style="red"), *cells
        )
    Console().print(drawn)
