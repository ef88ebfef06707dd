"""`hubsec rotate`: change a Zigbee network's key, or say what that would do.

The program opens the radio by itself, so no other program may have it: where a hub runs, in an app or in Home
Assistant, that one rotates. Radios come from the entry point group `hubsec.radios`: what is named there is called with
the URL, and `database=` where one was given, and returns a :class:`hubsec.radio.Radio`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from hubsec.errors import HubsecError, Refused
from hubsec.events import KeyEvent
from hubsec.hub import Hub, default_home
from hubsec.radio import Radio
from hubsec.rotation.shapes import Outcome, Outlook, RotationPlan, RotationProgress, Way
from hubsec.rotation.triggers import PATIENCE
from hubsec.rotations import Rotation

RADIOS: Final = "hubsec.radios"
BY: Final = "operator, on the command line"
_HOUR: Final = 3600.0
_STYLE: Final = {
    Outlook.GETS_IT: "green",
    Outlook.WHEN_IT_WAKES: "yellow",
    Outlook.LOST: "red",
    Outlook.LEFT_OUT: "magenta",
}


class _Call(NamedTuple):
    """What the command line says of one call."""

    way: Way | None
    leave_out: list[str]
    reason: str
    patience: float
    anyway: bool
    abandon: bool


def rotate(
    *,
    radio: Annotated[str, typer.Option(help="Which radio: one of those that are installed.")] = "bellows",
    url: Annotated[str, typer.Option(help="Where it is: a serial port's path, or tcp://host:port.")],
    database: Annotated[Path | None, typer.Option(help="The radio library's own database.")] = None,
    home: Annotated[
        Path | None,
        typer.Option(help="The hub's folder; default: $HUBSEC_HOME, else the user's data folder."),
    ] = None,
    policy: Annotated[str, typer.Option(help="A ready policy's name, or a file.")] = "home",
    way: Annotated[
        Way | None,
        typer.Option(help="How the key goes out; by default the quickest that heals what is known."),
    ] = None,
    leave_out: Annotated[
        list[str] | None, typer.Option(help="A device that is to lose the network; may be said again.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would do, and change nothing.")
    ] = False,
    abandon: Annotated[
        bool,
        typer.Option(
            "--abandon",
            help="Give up the one that is under way, has stopped, or can't be read; the key is then the one that "
            "the radio has.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also if a device is lost by it, or nothing is healed.")
    ] = False,
    hours: Annotated[
        float, typer.Option(help="How long each phase waits for whoever sleeps, in hours.", min=0)
    ] = PATIENCE / _HOUR,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
) -> None:
    """Change a Zigbee network's key, or say what that would do. Stop the hub that has the radio first.

    A rotation that was interrupted, by Ctrl-C too, goes on when a hub is opened on the network, by this command or
    any other program.
    """
    call = _Call(
        way=way,
        leave_out=leave_out or [],
        reason=reason,
        patience=hours * _HOUR,
        anyway=anyway,
        abandon=abandon,
    )
    if abandon and dry_run:
        raise HubsecError("A rotation is given up, or looked at before: --abandon or --dry-run.")
    told = _Teller(as_json=as_json)
    made = open_radio(radio, url, database)
    where = home if home is not None else default_home()

    async def run() -> None:
        async with Hub(made, policy=policy, home=where) as hub:
            await (_plan(hub, call, told) if dry_run else _rotate(hub, call, told))

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        raise HubsecError(
            "Interrupted. A rotation that has begun goes on when a hub is opened on this network."
        ) from None


def open_radio(name: str, url: str, database: Path | None) -> Radio:
    """The radio of that name among those that are installed. Raises :class:`~hubsec.errors.HubsecError` for one that
    is not, or is none."""
    found = {point.name: point for point in entry_points(group=RADIOS)}
    if name not in found:
        names = ", ".join(sorted(found)) or "none"
        raise HubsecError(f"There is no radio {name!r}; installed are: {names}.")
    try:
        make: Callable[..., Any] = found[name].load()
    except ModuleNotFoundError as missing:
        raise HubsecError(
            f"The radio {name} needs the package {missing.name}: install hubsec with the extra that brings it."
        ) from missing
    made = make(url) if database is None else make(url, database=database)
    if not isinstance(made, Radio):
        raise HubsecError(f"What is installed as the radio {name} is none.")
    return made


class _Teller:
    """Says things to a person, or as JSON to a program."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._console = Console()

    def plan(self, plan: RotationPlan) -> None:
        """The dry run."""
        if self.as_json:
            _print_json(plan)
            return
        table = Table("device", "", "sleeps", "overheard", "what to do", title=f"A rotation by {plan.way}")
        for one in plan.devices:
            # Names are people's and devices' words: text, never markup.
            table.add_row(
                Text(f"{one.name}\n{one.device}"),
                Text(one.outlook.value, style=_STYLE[one.outlook]),
                "yes" if one.sleepy else "",
                Text("yes", style="red") if one.overheard else "",
                Text(one.advice),
            )
        if plan.devices:
            self._console.print(table)
        else:
            self._console.print("The network has no device that is known.")
        self._console.print(
            f"It takes about {plan.seconds:.0f} s, and longer for whoever sleeps. It "
            + ("heals what is known." if plan.heals else "heals nothing.")
        )
        for why in plan.why_not:
            self._console.print(Text(f"It would not start: {why}", style="red"))

    async def follow(self, rotation: Rotation, hub: Hub) -> None:
        """A rotation, until it has ended."""
        if self.as_json:
            _print_json(await rotation.ended())
            return
        with _shown(self._console) as progress:
            bar = progress.add_task("", total=None)

            def show(_: object = None) -> None:
                _draw(progress, bar, rotation.progress)

            stop = hub.on(KeyEvent, show)
            try:
                show()
                ended = await rotation.ended()
                show()
            finally:
                stop()
        self._end(ended)

    def given_up(self, ended: Sequence[RotationProgress]) -> None:
        """The rotation is over, if one was listed."""
        if self.as_json:
            _print_json(ended[0] if ended else None)
            return
        self._console.print(
            "It was given up. The key is the one that the radio has; `hubsec status` lists who has yet to answer under "
            "it."
        )

    def _end(self, ended: RotationProgress) -> None:
        if ended.outcome is not Outcome.ROTATED:
            raise HubsecError("It was given up: no device took the next key. The key is the one from before.")
        self._console.print(f"The network has a new key, number {ended.sequence}.")
        for device in ended.stragglers:
            name = ended.names.get(device, device)
            self._console.print(
                Text(f"{name} ({device}) missed it: re-join it with its install code.", style="yellow")
            )


def _shown(console: Console) -> Progress:
    # What a radio says of its trouble is text, never markup.
    return Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), console=console
    )


def _draw(progress: Progress, bar: TaskID, now: RotationProgress) -> None:
    of = f", key {now.round} of {now.rounds}" if now.rounds > 1 else ""
    progress.update(
        bar,
        description=f"{now.trouble or now.step}{of}",
        total=len(now.deliveries),
        completed=now.reached if now.ended_at is None else now.done,
    )


async def _plan(hub: Hub, call: _Call, told: _Teller) -> None:
    told.plan(await hub.plan_rotation(way=call.way, leave_out=call.leave_out))


async def _rotate(hub: Hub, call: _Call, told: _Teller) -> None:
    if call.abandon:
        await hub.abandon_rotation(by=BY)
        told.given_up((await hub.rotations(limit=1))[:1])
        return
    rotation = hub.rotation()
    if rotation is None:
        plan = await hub.plan_rotation(way=call.way, leave_out=call.leave_out)
        if not told.as_json or (plan.why_not and not call.anyway):
            told.plan(plan)
        if plan.why_not and not call.anyway:
            raise Refused("It would lose a device or heal nothing. With --anyway it starts all the same.")
        rotation = await hub.rotate(
            plan, by=BY, reason=call.reason, patience=call.patience, anyway=call.anyway
        )
    await told.follow(rotation, hub)


def _print_json(value: object) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
