"""`hubsec audit`: what was decided, done and told, and whether anybody has changed that since.

All but `accept` only read, also while a hub is running.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from hubsec._sanitize import clean
from hubsec.audit.checkpoints import CHECKPOINT_BYTES, Checkpoint, read_checkpoint
from hubsec.audit.exporting import LINE_BYTES, verify_export
from hubsec.audit.records import OPERATOR, Kind
from hubsec.audit.verifying import Verified
from hubsec.errors import AuditError, HubsecError, SealError
from hubsec.hub import default_home
from hubsec.store import Store

app = typer.Typer(no_args_is_help=True, help="Look at the audit log, verify and export it.")

# From so many records on, verifying takes long enough to be watched: half a second.
LONG: Final = 250_000
SHOWN: Final = 50
TEXT_LIMIT: Final = 200
_FAILED: Final = 1
_ONLY: Final = "Only records of this kind; may be repeated."


@app.callback()
def _group() -> None:
    """Look at the audit log, verify and export it."""


type _Home = Annotated[
    Path | None, typer.Option(help="The hub's folder; default: $HUBSEC_HOME, else the user's data folder.")
]
type _Since = Annotated[int, typer.Option(min=0, help="Only records after the one of this number.")]


def _store(home: Path | None) -> Store:
    # The key is looked for when something is to be signed, and only then.
    return Store(home if home is not None else default_home(), read_only=True, require_key=False)


@app.command()
def verify(
    *,
    home: _Home = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            help="A checkpoint that was kept elsewhere: what it knows has to be there. May be repeated."
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help="The public key that has to have signed, as `hubsec audit key` prints it."),
    ] = None,
    export: Annotated[Path | None, typer.Option(help="Verify this export instead of the store.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Verify the whole log: exit code 1, and the first record that is wrong, where it is not what hubsec wrote."""
    try:
        known = [_checkpoint(path) for path in checkpoint or ()]
        found = _of_export(export, known, key) if export is not None else _of_store(home, known, key)
    except AuditError as error:
        if not as_json:
            raise
        told = {"whole": False, "seq": error.seq, "fault": error.fault, "reason": str(error)}
        typer.echo(msgspec.json.encode(told))
        raise typer.Exit(_FAILED) from error
    if as_json:
        typer.echo(msgspec.json.encode({"whole": True, **msgspec.to_builtins(found)}))
    else:
        _tell(found, pinned=key is not None or bool(known))


def _of_store(home: Path | None, known: list[Checkpoint], key: str | None) -> Verified:
    with _store(home) as store, _progress(store.tail()[0]) as progress:
        return store.verify(known=known, key=key, progress=progress)


def _of_export(path: Path, known: list[Checkpoint], key: str | None) -> Verified:
    with _opened(path) as file:
        # One byte more than the longest line shows that a line is longer.
        return verify_export(iter(lambda: file.readline(LINE_BYTES + 1), b""), known=known, key=key)


def _tell(found: Verified, *, pinned: bool) -> None:
    if not found.records:
        typer.echo("There is no record yet.")
        return
    typer.echo(f"{found.records} records, {found.first} to {found.last}: whole.")
    if found.left_out:
        typer.echo(f"{found.left_out} more were left out of the export: of those it says nothing.")
    if found.signed_to is None:
        typer.echo("None of them is signed: whoever can write the database could have written them.")
    else:
        behind = found.last - found.signed_to
        typer.echo(
            f"Signed up to record {found.signed_to}; {behind} {'is' if behind == 1 else 'are'} behind that."
        )
    for public in found.keys:
        typer.echo(f"Key: {public}")
    for number in found.not_compared:
        typer.echo(f"The checkpoint of record {number} says nothing of these: that record is not among them.")
    if found.keys and not found.by_vault:
        typer.echo("Anybody may have a key: the vault was not asked whether it is its own.")
    if len(found.keys) > 1:
        typer.echo("There is more than one key, since the vault's secrets were forgotten; ask who did that.")
    if not pinned:
        typer.echo("Against a checkpoint from elsewhere (--checkpoint) an older copy would show, too.")


@app.command()
def accept(
    *,
    home: _Home = None,
    by: Annotated[str, typer.Option(help="Who says so.")] = OPERATOR,
    reason: Annotated[str, typer.Option(help="Why it may be as it is.")] = "",
) -> None:
    """Go on behind a log that was found damaged, so that devices may be let in again. Needs the store for itself."""
    folder = home if home is not None else default_home()
    try:
        opened = Store(folder)
    except SealError:
        # What a hub has found is known without the key, too.
        opened = Store(folder, require_key=False)
    with opened as store:
        fault = store.fault
        if not store.accept_log(by=by, at=time.time(), reason=reason):
            typer.echo("Nothing was found wrong with the log at its end.")
            return
    typer.echo(f"Accepted, and on record: {fault}")


@app.command()
def checkpoint(*, home: _Home = None) -> None:
    """Print a signed checkpoint of the log as it is now, to be kept elsewhere."""
    with _store(home) as store:
        typer.echo(store.checkpoint(at=time.time()).encode())


@app.command()
def key(*, home: _Home = None) -> None:
    """Print the public key that checkpoints are signed by."""
    with _store(home) as store:
        typer.echo(store.checkpoint(at=time.time()).key)


@app.command()
def export(
    *,
    home: _Home = None,
    since: _Since = 0,
    kind: Annotated[list[Kind] | None, typer.Option(help=_ONLY)] = None,
) -> None:
    """Print the log as lines of JSON, each with its number and hash: `verify --export` verifies them."""
    out = sys.stdout.buffer
    with _store(home) as store:
        try:
            store.export(out.write, since=since, kinds=kind or ())
            out.flush()
        except OSError as error:
            raise HubsecError(f"The export could not be written: {error.strerror}.") from error


@app.command()
def show(
    *,
    home: _Home = None,
    since: Annotated[
        int | None, typer.Option(min=0, help="From the record after this one on; default: the newest.")
    ] = None,
    kind: Annotated[list[Kind] | None, typer.Option(help=_ONLY)] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = SHOWN,
) -> None:
    """Show records, oldest first."""
    with _store(home) as store:
        found = (
            store.newest_records(kinds=kind or (), limit=limit)
            if since is None
            else store.audit(since, kinds=kind or (), limit=limit)
        )
    table = Table("record", "at (UTC)", "kind", "by", "device", "what", box=box.SIMPLE_HEAD, pad_edge=False)
    for record in found:
        said = record.fields()
        # Names are people's and devices' words: text, never markup.
        table.add_row(
            str(record.seq),
            _moment(record.at),
            record.kind,
            Text(_who(said)),
            Text(record.device or ""),
            Text(clean(_said(record.kind, said), TEXT_LIMIT)),
        )
    Console().print(table if found else "There is no such record.")


def _who(said: dict[str, Any]) -> str:
    by, channel = said.get("by"), said.get("channel")
    return "" if not by else f"{by} ({channel})" if channel else str(by)


def _said(kind: Kind, said: dict[str, Any]) -> str:
    try:
        return _what(kind, said)
    except (KeyError, TypeError, AttributeError):
        return "It is not what hubsec writes: verify the log."


def _what(kind: Kind, said: dict[str, Any]) -> str:
    match kind:
        case Kind.DECISION:
            decision = said["decision"]
            return (
                f"{decision['type']} to {said['request']['type']}: {decision['reason']} [{decision['rule']}]"
            )
        case Kind.CHANGE:
            return ": ".join(
                filter(None, (said["change"], said["entry"]["label"], said["entry"]["quarantined"]))
            )
        case Kind.ACT:
            details = (f"{name} {value}" for name, value in said["details"].items())
            return ": ".join(filter(None, (said["act"], said["reason"], ", ".join(details))))
        case Kind.EVENT:
            return ": ".join(filter(None, (said["event"], str(said.get("reason", "")))))
        case Kind.CHECKPOINT:
            cut = said["cut"]
            return f"signed {said['seq']}" + (f", dropped {cut['first']} to {cut['last']}" if cut else "")


def _moment(at: float) -> str:
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "?"


def _checkpoint(path: Path) -> Checkpoint:
    with _opened(path) as file:
        return read_checkpoint(file.read(CHECKPOINT_BYTES + 1))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise HubsecError(f"{path} can't be read: {error.strerror}.") from error


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], object] | None]:
    """A bar for who watches a long verification; nothing in a pipe."""
    console = Console(stderr=True)
    if total < LONG or not console.is_terminal:
        yield None
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("Verifying", total=total)
        yield lambda done: bar.update(task, completed=done)
