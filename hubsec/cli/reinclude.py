"""`hubsec reinclude --dry-run`: what new keys would do to a Z-Wave network, device by device.

It only looks. Who begins one is an app that owns the process of the Z-Wave JS server, by `hub.reinclude`.
"""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hubsec.cli.rotate import open_radio
from hubsec.errors import NotEnforceable
from hubsec.hub import Hub, default_home
from hubsec.identity import Mode
from hubsec.radio import Radio
from hubsec.reinclusion.shapes import Fate, ReinclusionPlan

_MINUTE: Final = 60.0
_STYLE: Final = {
    Fate.REINCLUDED: "green",
    Fate.LOST: "red",
    Fate.LEFT_OUT: "magenta",
    Fate.UNTOUCHED: "yellow",
}


def reinclude(
    *,
    radio: Annotated[str, typer.Option(help="Which radio: one of those that are installed.")] = "zwave-js",
    url: Annotated[str, typer.Option(help="Where its server is: ws://host:port.")],
    home: Annotated[
        Path | None,
        typer.Option(help="The hub's folder; default: $HUBSEC_HOME, else the user's data folder."),
    ] = None,
    policy: Annotated[str, typer.Option(help="A ready policy's name, or a file.")] = "home",
    sticker: Annotated[
        list[str] | None,
        typer.Option(help="The DSK of a device that hubsec has none of; may be said again."),
    ] = None,
    smart_start: Annotated[
        list[str] | None,
        typer.Option(help="A device that is to come by itself, under another node id; may be said again."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would do, and change nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what new keys would do to each device of a Z-Wave network. Stop the hub that has it first.

    No command gives a Z-Wave device other keys: each one is reset by a person, and included anew in its place.
    """
    if not dry_run:
        raise NotEnforceable(
            "Only an app that can restart the Z-Wave JS server begins a re-inclusion: ZwaveJs(url, server=...) and "
            "hub.reinclude(). Here there is the plan: --dry-run.",
            capability="reinclusion",
        )
    made = open_radio(radio, url, None)
    where = home if home is not None else default_home()
    plan = asyncio.run(_plan(made, where, policy, sticker or [], smart_start or []))
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(plan), indent=2).decode())
    else:
        _show(plan)


async def _plan(
    radio: Radio, home: Path, policy: str, stickers: list[str], smart_start: list[str]
) -> ReinclusionPlan:
    # In mode observe nothing that the server has is touched.
    async with Hub(radio, policy=policy, home=home, mode=Mode.OBSERVE) as hub:
        return await hub.plan_reinclusion(stickers=stickers, smart_start=smart_start)


def _show(plan: ReinclusionPlan) -> None:
    console = Console()
    table = Table("device", "", "how", "what to do", title="A re-inclusion")
    for one in plan.devices:
        # Names are people's and devices' words: text, never markup.
        table.add_row(
            Text(f"{one.name}\n{one.device}"),
            Text(one.fate.value, style=_STYLE[one.fate]),
            Text("" if one.manner is None else one.manner.value),
            Text(one.todo),
        )
    if plan.devices:
        console.print(table)
    else:
        console.print("The network has no device.")
    console.print(
        f"It takes about {math.ceil(plan.seconds / _MINUTE)} minutes, the ways between the devices left out."
    )
    if plan.refusal is not None:
        console.print(Text(f"Not from here: {plan.refusal}", style="red"))
    for why in plan.why_not:
        console.print(Text(f"It would not start: {why}", style="red"))
