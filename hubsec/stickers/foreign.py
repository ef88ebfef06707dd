"""Texts of other networks, recognized so that they can be refused by name."""

from __future__ import annotations

import re
from typing import Final

from hubsec.stickers.text import bare

# Z-Wave Plus v2 device type specification: eight groups of five decimal digits, each 16 bits.
_DSK: Final = re.compile(r"\d{5}(?:[ .:-]?\d{5}){7}", re.ASCII)
_DSK_GROUP_MAX: Final = 0xFFFF
# Silicon Labs SDS13937: "90", version, checksum, requested keys and the DSK, all decimal, then more fields.
_SMART_START: Final = re.compile(r"90\d{50,}", re.ASCII)
# The shortest SmartStart text has as many digits as an EUI64 with a 16-byte install code.
_AMBIGUOUS: Final = 52

_ZWAVE: Final = "hubsec reads only Zigbee stickers so far, so it can't be used yet."


def certainly_foreign(text: str) -> str | None:
    """The reason to refuse `text`, a sticker of another network beyond doubt; None when it may be one of Zigbee."""
    lowered = text.lower()
    if lowered.startswith("zws2dsk:"):
        return f"This is a Z-Wave DSK. {_ZWAVE}"
    if lowered.startswith("mt:"):
        return "This is a Matter code. A device with both has another code for Zigbee, often printed as text beside it."
    if lowered.startswith("x-hm:"):
        return "This is a HomeKit code, which has no Zigbee install code in it."
    if _DSK.fullmatch(text):
        groups = re.findall(r"\d{5}", text, re.ASCII)
        if all(int(group) <= _DSK_GROUP_MAX for group in groups):
            return f"This is a Z-Wave DSK. {_ZWAVE}"
    spelled = bare(text)
    if _SMART_START.fullmatch(spelled) and len(spelled) != _AMBIGUOUS:
        return f"This is a Z-Wave SmartStart code. {_ZWAVE}"
    return None


def perhaps_foreign(text: str) -> str | None:
    """The same for a `text` that is no Zigbee sticker: it may then be one that looked like it."""
    if _SMART_START.fullmatch(bare(text)):
        return f"This looks like a Z-Wave SmartStart code. {_ZWAVE}"
    return None
