"""`hubsec sticker`: look at the text of a sticker, without showing what is secret in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated, Final

import msgspec
import typer

from hubsec.errors import StickerError
from hubsec.identity import Identity, Network, SecurityClass
from hubsec.stickers import Form, Product, Sticker, read_sticker
from hubsec.stickers.text import MAX_CHARACTERS

_ABOUT: Final = "Look at stickers: install codes, DSKs and QR codes."
app = typer.Typer(no_args_is_help=True, help=_ABOUT)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What may be told of a sticker, as ``--json`` prints it.

    `code_checked`: it has a checksum, and that is right. A ready link key and a printed DSK have none, so that a
    mistyped one is found out only when its device does not join. `requested` has the weakest class first; it and what
    follows are empty, False or None where the sticker doesn't say.
    """

    device: Identity | None
    network: Network
    form: Form
    code_checked: bool
    model: str | None
    address_reversed: bool
    manufacturer_code: int | None
    smart_start: bool
    requested: list[SecurityClass]
    long_range: bool
    product: Product | None


@app.callback()
def _group() -> None:
    """Look at stickers: install codes, DSKs and QR codes."""


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
        str | None, typer.Option(help="The device's EUI64, where a Zigbee sticker does not say it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say whose sticker this is, in which form, and whether its code is right. Its key or PIN is never printed."""
    try:
        given = sys.stdin.read(MAX_CHARACTERS + 1) if text is None else text
    except UnicodeError:
        raise StickerError("The text is not UTF-8.") from None
    read = read_sticker(given, device=device)
    reading = Reading(
        device=read.device,
        network=read.network,
        form=read.form,
        code_checked=read.checked,
        model=read.model,
        address_reversed=read.address_reversed,
        manufacturer_code=read.manufacturer_code,
        smart_start=read.smart_start,
        requested=sorted(read.requested, key=lambda security: security.rank),
        long_range=read.long_range,
        product=read.product,
    )
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(reading), indent=2).decode())
        return
    for line in _lines(read, reading):
        typer.echo(line)


def _lines(read: Sticker, reading: Reading) -> Iterator[str]:
    """The same for a person, one fact in each line."""
    yield f"device:  {reading.device or 'not said; give it with --device'}"
    yield f"network: {reading.network}"
    yield f"form:    {reading.form}" + (f", {reading.model}" if reading.model else "")
    if read.network is Network.ZIGBEE:
        yield "code:    " + (
            "right" if reading.code_checked else "a ready link key, which has no checksum: read it twice"
        )
        return
    yield "dsk:     " + (
        "right, by the checksum of the QR code"
        if reading.code_checked
        else "whole, but without a checksum: read it twice"
    )
    if reading.product is None or reading.manufacturer_code is None:
        return
    yield f"joins:   {'by itself, by SmartStart' if reading.smart_start else 'by hand: put it into inclusion'}"
    yield f"asks:    {', '.join(reading.requested) or 'for no security class'}"
    yield f"maker:   0x{reading.manufacturer_code:04x}, firmware {reading.product.version}"
    yield f"range:   {'Z-Wave and Long Range' if reading.long_range else 'Z-Wave'}"
