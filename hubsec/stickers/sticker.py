"""What a sticker says, once it is read."""

from __future__ import annotations

import enum

import msgspec

from hubsec.errors import StickerError
from hubsec.identity import Identity, Network, SecurityClass, identity_on
from hubsec.secret import Secret


class Form(enum.StrEnum):
    """Which spelling a sticker was read from; docs/stickers.md has an example of each."""

    PLAIN = "plain"
    """Zigbee: hex digits, grouped or not, with or without an address and with or without words before them."""
    FIELDS = "fields"
    """Zigbee: ``Z:…$I:…``, or with the address in ``$A:``: sections split by ``%``, fields by ``$``."""
    HUE = "hue"
    """Zigbee: ``HUE:Z:… M:…``: the code stands in Z, the address in M."""
    DLK = "dlk"
    """Zigbee: 40 characters, the address, ``DLK``, and an install code or a ready link key."""
    DSK = "dsk"
    """Z-Wave: the DSK as printed, eight groups of five digits, or as hex digits behind the word ``DSK``."""
    QR_S2 = "qr-s2"
    """Z-Wave: the digits of a QR code, which begin ``9000``. The device is put into inclusion by hand."""
    SMART_START = "smart-start"
    """Z-Wave: the same, beginning ``9001``. The device asks to be included by itself, when it has power."""


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """What the QR code of a Z-Wave device tells of its product. All of it is hints; nothing vouches for it.

    `generic_class`, `specific_class` and `icon` are the numbers of its device class and installer icon.
    `product_type` and `product_id` are its maker's own numbers, `version` is that of the firmware it left the factory
    with. `request_interval` is how many seconds at most lie between two inclusion requests of a SmartStart device.
    `uuid` is 32 hex digits. Those two are None where the code leaves them out.
    """

    generic_class: int
    specific_class: int
    icon: int
    product_type: int
    product_id: int
    version: str
    request_interval: int | None = None
    uuid: str | None = None


class Sticker(msgspec.Struct, frozen=True, kw_only=True):
    """One device's credential, as printed.

    On Zigbee `credential` is the 16-byte link key under which the device expects the network key. `install_code` is the
    code it was made of, with its CRC, and None where the sticker carries a ready link key. `device` is None where
    neither the sticker nor the caller named it. `address_reversed`: the address was printed lowest byte first; `device`
    has it the right way round.

    On Z-Wave `credential` is the 16-byte DSK, PIN included; `install_code` is None, and `device` is the DSK without its
    PIN. What follows only a QR code tells: `smart_start`, whether the device asks to be included by itself;
    `requested`, the security classes that it will ask for; `long_range`, whether it can do Z-Wave Long Range;
    `product`. From a printed DSK these are False, empty and None.

    `model`, `manufacturer_code` and `product` are hints of the QR code, sanitized; nothing vouches for them. On Z-Wave
    the model is product type and product id, four hex digits each.
    """

    network: Network
    form: Form
    credential: Secret
    install_code: Secret | None
    device: Identity | None = None
    address_reversed: bool = False
    model: str | None = None
    manufacturer_code: int | None = None
    smart_start: bool = False
    requested: frozenset[SecurityClass] = frozenset()
    long_range: bool = False
    product: Product | None = None

    @property
    def ready_key(self) -> bool:
        """Whether the sticker is a Zigbee one that carries the link key itself, and no install code."""
        return self.network is Network.ZIGBEE and self.install_code is None

    @property
    def checked(self) -> bool:
        """Whether a checksum has vouched for the credential: the CRC of an install code, or that of a Z-Wave QR code.

        A ready link key and a printed DSK have none: a mistyped one is found out only when the device does not join.
        """
        return not self.ready_key and self.form is not Form.DSK

    def addressed(self, named: str | None = None) -> Identity:
        """The device, or the one that is `named` where the sticker does not say. Raises
        :class:`~hubsec.errors.StickerError` when nobody named it, saying what to give, and when both say another."""
        if named is not None:
            device = identity_on(self.network, named)
            if self.device not in (None, device):
                raise StickerError("The sticker belongs to another device than the one named by device=.")
            return device
        if self.device is None:
            raise StickerError(
                "The sticker does not say which device it belongs to: give its EUI64, the 16 hex digits printed on the "
                "device or its box, as device=."
            )
        return self.device
