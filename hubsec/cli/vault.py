"""`hubsec vault`: what opens the store, and how to let something else open it.

A passphrase is asked for without being shown, or read from a file. It is never an argument: those are read by everybody
on the machine, and kept by shells.
"""

from __future__ import annotations

import asyncio
import enum
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hubsec.audit.records import OPERATOR, Channel
from hubsec.errors import SealError
from hubsec.hub import default_home
from hubsec.store import AsyncStore
from hubsec.store.sealed import SecretKind
from hubsec.store.ways import (
    PASSPHRASE_VARIABLE,
    ByFile,
    ByKeyring,
    ByPassphrase,
    KeyFile,
    OsKeyring,
    Passphrase,
    Unlock,
    Way,
    name_of,
)
from hubsec.store.wrapping import Wrapping

app = typer.Typer(no_args_is_help=True, help="Look at what opens the store, and change it.")


@app.callback()
def _group() -> None:
    """Look at what opens the store, and change it."""


type _Home = Annotated[
    Path | None, typer.Option(help="The hub's folder; default: $HUBSEC_HOME, else the user's data folder.")
]


class Target(enum.StrEnum):
    """What is to open the store."""

    FILE = "file"
    PASSPHRASE = "passphrase"  # noqa: S105 - it names a way
    KEYRING = "keyring"


_NAMES: Final[dict[type[Way], str]] = {
    ByFile: "key file",
    ByPassphrase: "passphrase",
    ByKeyring: "keyring",
}


class _Found(NamedTuple):
    wrapping: Wrapping | None
    sealed: dict[SecretKind, int]


async def _look(home: Path) -> _Found:
    # Needs no key, and asks for none: a hub may be running.
    async with AsyncStore(home, read_only=True, require_key=False) as store:
        counts = await store.run(
            lambda store: {kind: len(store.sealed_names(kind)) for kind in SecretKind}, writes=False
        )
        return _Found(await store.wrapping(), {kind: count for kind, count in counts.items() if count})


@app.command("status")
def status(
    *,
    home: _Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what opens the store, and what is sealed in it, also while a hub is running."""
    found = asyncio.run(_look(home if home is not None else default_home()))
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(_told(found)), indent=2).decode())
        return
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 4, 0, 0))
    if found.wrapping is None:
        table.add_row("opened by", "nothing yet: no hub has had a key here")
    else:
        table.add_row("opened by", _NAMES[type(found.wrapping.way)])
        table.add_row("since", _day(found.wrapping.wrapped_at))
        if found.wrapping.left is not None:
            before = _NAMES[type(found.wrapping.left)]
            table.add_row(
                "left", Text(f"the {before} before it is not all gone yet; the next opening tries again")
            )
    sealed = ", ".join(f"{kind} {count}" for kind, count in found.sealed.items())
    table.add_row("sealed", Text(sealed or "nothing"))
    Console().print(table)


def _day(when: float) -> str:
    try:
        return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return "?"


def _told(found: _Found) -> dict[str, object]:
    wrapping = found.wrapping
    told: dict[str, object] = {"way": None, "since": None, "left": None, "sealed": found.sealed}
    if wrapping is not None:
        told["way"] = name_of(wrapping.way)
        told["since"] = wrapping.wrapped_at
        told["left"] = None if wrapping.left is None else name_of(wrapping.left)
        if isinstance(wrapping.way, ByPassphrase):
            told["scrypt"] = {"log_n": wrapping.way.log_n, "r": wrapping.way.r, "p": wrapping.way.p}
    return told


_TOLD: Final = (
    f"A file with the passphrase that opens it now; default: ${PASSPHRASE_VARIABLE}, else it is asked for."
)
_NEW: Final = "A file with the passphrase that is to open it; else it is asked for."


@app.command("rewrap")
def rewrap(
    *,
    to: Annotated[Target, typer.Option(help="What is to open the store from now on.")],
    home: _Home = None,
    passphrase_file: Annotated[Path | None, typer.Option(help=_TOLD)] = None,
    new_passphrase_file: Annotated[Path | None, typer.Option(help=_NEW)] = None,
) -> None:
    """Let something else open the store. No sealed secret is touched. Stop the hub first."""
    home = home if home is not None else default_home()
    wrapping = asyncio.run(_look(home)).wrapping
    if wrapping is None:
        raise SealError(f"There is no key in {home} yet: open a hub there once.")
    now = _present(wrapping.way, passphrase_file)
    after = asyncio.run(_rewrap(home, now, _wanted(to, new_passphrase_file)))
    typer.echo(f"The store opens by {_article(after.way)} now.{_gone(wrapping.way, after)}")
    if after.left is not None:
        raise SealError(
            f"What opened it before ({_NAMES[type(after.left)]}) is not all gone yet: close what reads the store, "
            "unlock the "
            "keyring, and open the store once more."
        )


async def _rewrap(home: Path, now: Unlock, then: Unlock) -> Wrapping:
    async with AsyncStore(home, unlock=now) as store:
        store.stands_under("", Channel.CLI)
        return await store.rewrap(then, by=OPERATOR, at=time.time())


def _present(way: Way, file: Path | None) -> Unlock:
    match way:
        case ByFile():
            return KeyFile()
        case ByKeyring():
            return OsKeyring()
        case ByPassphrase():
            told = file or os.environ.get(PASSPHRASE_VARIABLE)
            return Passphrase.read(told) if told else Passphrase(typer.prompt("Passphrase", hide_input=True))


def _wanted(to: Target, file: Path | None) -> Unlock:
    match to:
        case Target.FILE:
            return KeyFile()
        case Target.KEYRING:
            return OsKeyring()
        case Target.PASSPHRASE if file is not None:
            return Passphrase.read(file)
        case Target.PASSPHRASE:
            return Passphrase(typer.prompt("New passphrase", hide_input=True, confirmation_prompt=True))


def _article(way: Way) -> str:
    return "a passphrase" if isinstance(way, ByPassphrase) else f"the {_NAMES[type(way)]}"


def _gone(before: Way, after: Wrapping) -> str:
    if after.left is not None or isinstance(before, ByPassphrase):
        return ""
    old = "old " if type(before) is type(after.way) else ""
    return f" The {old}key {'file' if isinstance(before, ByFile) else 'in the keyring'} is gone."
