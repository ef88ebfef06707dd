"""What a sticker says, once it is read."""

from __future__ import annotations

import enum

import msgspec

from hubsec.errors import StickerError
from hubsec.identity import Identity, Network
from hubsec.secret import Secret


class Form(enum.StrEnum):
    """Which spelling a sticker was read from; docs/stickers.md has an example of each."""

    PLAIN = "plain"
    """Hex digits, grouped or not, with or without an address and with or without words before them."""
    FIELDS = "fields"
    """``Z:…$I:…``, or with the address in ``$A:``: sections split by ``%``, fields by ``$``."""
    HUE = "hue"
    """``HUE:Z:… M:…``: the code stands in Z, the address in M."""
    DLK = "dlk"
    """40 characters, the address, ``DLK``, and an install code or a ready link key."""


class Sticker(msgspec.Struct, frozen=True, kw_only=True):
    """One device's credential, as printed.

    `credential` is the 16-byte link key under which the device expects the network key. `install_code` is the code it
    was made of, with its CRC, and None where the sticker carries a ready link key: such a key has no CRC, so that a
    mistyped one is found out only when the device does not join. `device` is None where neither the sticker nor the
    caller named it. `address_reversed`: the address was printed lowest byte first; `device` has it the right way round.

    `model` and `manufacturer_code` are hints of the QR code, sanitized; nothing vouches for them.
    """

    network: Network
    form: Form
    credential: Secret
    install_code: Secret | None
    device: Identity | None = None
    address_reversed: bool = False
    model: str | None = None
    manufacturer_code: int | None = None

    @property
    def ready_key(self) -> bool:
        """Whether the sticker carries the link key itself, and no install code."""
        return self.install_code is None

    def addressed(self) -> Identity:
        """The device. Raises :class:`~hubsec.errors.StickerError` when nobody named it, saying what to give."""
        if self.device is None:
            raise StickerError(
                "The sticker does not say which device it belongs to: give its EUI64, the 16 hex digits printed on the "
                "device or its box, as device=."
            )
        return self.device
