"""Texts of networks that hubsec does not guard, recognized so that they can be refused by name."""

from __future__ import annotations


def foreign(text: str) -> str | None:
    """The reason to refuse `text`, a code of another network; None when it is none."""
    lowered = text.lower()
    if lowered.startswith("mt:"):
        return (
            "This is a Matter code. A device with both has another code for Zigbee or Z-Wave, often printed as text "
            "beside it."
        )
    if lowered.startswith("x-hm:"):
        return "This is a HomeKit code, which has no Zigbee install code and no Z-Wave DSK in it."
    return None
