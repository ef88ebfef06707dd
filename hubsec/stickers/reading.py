"""From any text to a sticker, or to the reason why not."""

from __future__ import annotations

from typing import Final

from hubsec.errors import StickerError
from hubsec.identity import Identity, Network, identity_on, zigbee_identity
from hubsec.secret import Secret
from hubsec.stickers.dsk import read_dsk
from hubsec.stickers.foreign import foreign
from hubsec.stickers.installcode import link_key
from hubsec.stickers.plain import read_plain
from hubsec.stickers.provisioning import is_cut_short, read_provisioning
from hubsec.stickers.qr import ADDRESS_DIGITS, LINK_KEY_DIGITS, Parts, read_qr
from hubsec.stickers.sticker import Sticker
from hubsec.stickers.text import code_bytes, digits, tidy

# An EUI64 made of a MAC address has FFFE in its middle (IEEE, "Guidelines for Use of EUI, OUI and CID"). Some labels
# print the address lowest byte first; FEFF stands there then.
_MIDDLE: Final = slice(6, 10)
_REVERSED_MIDDLE: Final = "feff"
_NAMES: Final = {Network.ZIGBEE: "Zigbee", Network.ZWAVE: "Z-Wave"}
_ANOTHERS: Final = "The sticker belongs to another device than the one named by device=."


def read_sticker(text: str, *, device: str | None = None) -> Sticker:
    """The sticker that `text` spells: an install code or a DSK as printed, or the text of a QR code.

    `device` is the EUI64 where the text of a Zigbee sticker has none. A text that belongs to another device is refused;
    one of Z-Wave always says whose it is. Raises :class:`~hubsec.errors.StickerError`, and nothing else, with a reason
    that repeats nothing of the text.
    """
    try:
        tidied = tidy(text)
    except TypeError:
        raise StickerError("A sticker is text.") from None
    if not tidied:
        raise StickerError("The text is empty.")
    refused = foreign(tidied)
    if refused is not None:
        raise StickerError(refused)
    try:
        return _read(tidied, device)
    except StickerError:
        if not is_cut_short(tidied):
            raise
    raise StickerError(
        "This looks like the beginning of a Z-Wave QR code: the rest of its digits is missing."
    )


def _read(text: str, device: str | None) -> Sticker:
    parts = read_qr(text)
    zwave = None if parts else read_dsk(text) or read_provisioning(text)
    if zwave is not None:
        if device is not None and _named(device, Network.ZWAVE) != zwave.device:
            raise StickerError(_ANOTHERS)
        return zwave
    known = None if device is None else _named(device, Network.ZIGBEE)
    return _sticker(parts or read_plain(text, address_known=known is not None), known)


def _named(device: str, network: Network) -> Identity:
    """The device of that network that the caller named."""
    other = Network.ZIGBEE if network is Network.ZWAVE else Network.ZWAVE
    try:
        return identity_on(network, device)
    except StickerError:
        try:
            identity_on(other, device)
        except StickerError:
            pass
        else:
            raise StickerError(
                f"This is a {_NAMES[network]} sticker, and device= names a {_NAMES[other]} device."
            ) from None
        raise


def _sticker(parts: Parts, known: Identity | None) -> Sticker:
    if parts.key is not None:
        # Whoever found a key has seen that it has as many characters as one.
        key, install_code = Secret(bytes.fromhex(_key_digits(parts.key))), None
    else:
        code = code_bytes(parts.code or "")
        key, install_code = link_key(code), Secret(code)
    device, backwards = _device(parts.address, known)
    return Sticker(
        network=Network.ZIGBEE,
        form=parts.form,
        credential=key,
        install_code=install_code,
        device=device,
        address_reversed=backwards,
        model=parts.model,
        manufacturer_code=parts.manufacturer_code,
    )


def _key_digits(text: str) -> str:
    spelled = digits(text)
    if len(spelled) != LINK_KEY_DIGITS:
        raise StickerError(f"A link key has {LINK_KEY_DIGITS} hex digits; this one has {len(spelled)}.")
    return spelled


def _device(address: str | None, known: Identity | None) -> tuple[Identity | None, bool]:
    """Who the device is, and whether its address was printed backwards."""
    spelled = "" if address is None else digits(address)
    if not spelled:
        return known, False
    if len(spelled) != ADDRESS_DIGITS:
        raise StickerError(
            f"The device's address, its EUI64, has {ADDRESS_DIGITS} hex digits; this one has {len(spelled)}."
        )
    forwards = zigbee_identity(spelled)
    backwards = zigbee_identity(bytes.fromhex(spelled)[::-1].hex())
    if known is not None:
        if known not in (forwards, backwards):
            raise StickerError(_ANOTHERS)
        return known, known != forwards
    if spelled[_MIDDLE] == _REVERSED_MIDDLE:
        return backwards, True
    return forwards, False
