"""Stickers: the text of a box, a label or a QR code, read into what a device needs to join.

:func:`read_sticker` takes any spelling that is known and answers with a :class:`Sticker`, or refuses with a
:class:`~hubsec.errors.StickerError` that says why. The text is a secret: no error, repr or log repeats any of it.
"""

from hubsec.stickers.installcode import checksum, link_key
from hubsec.stickers.reading import read_sticker
from hubsec.stickers.sticker import Form, Product, Sticker

__all__ = ["Form", "Product", "Sticker", "checksum", "link_key", "read_sticker"]
