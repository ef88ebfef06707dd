"""Whose address block an EUI64 is in.

A small table of makers that build Zigbee devices, for the person who reads a knock. The prefix is the IEEE's assignment
(MA-L registry); an address is easy to spoof, so it is a hint and never a proof.
"""

from __future__ import annotations

from typing import Final

from hubsec.identity import Identity

_PREFIXES: Final[dict[str, str]] = {
    "00:0b:57": "Silicon Labs",
    "00:0d:6f": "Ember (Silicon Labs)",
    "00:12:4b": "Texas Instruments",
    "00:13:a2": "Digi",
    "00:15:5f": "GreenPeak",
    "00:15:8d": "Jennic (NXP)",
    "00:17:88": "Signify (Philips Hue)",
    "00:17:7a": "Assa Abloy",
    "00:1f:ee": "ubisys",
    "00:21:2e": "dresden elektronik",
    "00:22:a3": "California Eastern Laboratories",
    "04:cf:8c": "Xiaomi",
    "14:b4:57": "Silicon Labs",
    "28:6d:97": "SAMJIN (SmartThings)",
    "54:ef:44": "Lumi (Aqara)",
    "7c:b0:3e": "OSRAM",
    "84:18:26": "OSRAM",
    "84:2e:14": "Silicon Labs",
    "90:fd:9f": "Silicon Labs",
    "a4:c1:38": "Telink",
    "ec:1b:bd": "Silicon Labs",
}
_PREFIX_LENGTH: Final = len("00:00:00")


def maker_of(device: Identity) -> str | None:
    """The owner of `device`'s address block, None if it is not in the table."""
    return _PREFIXES.get(device[:_PREFIX_LENGTH])
