"""`hubsec sticker`: look at the text of a sticker, without showing what is secret in it."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
import typer

from hubsec.errors import StickerError
from hubsec.identity import Identity, Network
from hubsec.stickers import Form, read_sticker
from hubsec.stickers.text import MAX_CHARACTERS

app = typer.Typer(no_args_is_help=True, help="Look at stickers: install codes and QR codes.")


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What may be told of a sticker, as ``--json`` prints it.

    `code_checked`: its CRC is right. A ready link key has none, so that a mistyped one is found out only when its
    device does not join.
    """

    device: Identity | None
    network: Network
    form: Form
    code_checked: bool
    model: str | None
    address_reversed: bool


@app.callback()
def _group() -> None:
    """Look at stickers: install codes and QR codes."""


@app.command()
def check(
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="[TEXT]",
            help="The sticker's text. Left out, it is read from stdin, where no shell keeps it in its history.",
        ),
    ] = None,
    *,
    device: Annotated[
        str | None, typer.Option(help="The device's EUI64, where the sticker does not say it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say whose sticker this is, in which form, and whether its code is right. Its key is never printed."""
    try:
        given = sys.stdin.read(MAX_CHARACTERS + 1) if text is None else text
    except UnicodeError:
        raise StickerError("The text is not UTF-8.") from None
    read = read_sticker(given, device=device)
    reading = Reading(
        device=read.device,
        network=read.network,
        form=read.form,
        code_checked=not read.ready_key,
        model=read.model,
        address_reversed=read.address_reversed,
    )
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(reading), indent=2).decode())
        return
    typer.echo(f"device: {reading.device or 'not said; give it with --device'}")
    typer.echo(f"form:   {reading.form}" + (f", {reading.model}" if reading.model else ""))
    typer.echo(
        "code:   right"
        if reading.code_checked
        else "code:   a ready link key, which has no checksum: read it twice"
    )
