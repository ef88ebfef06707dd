"""The plan of a re-inclusion: which device, which button, how long, and who can't be taken along. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from hubsec.entries import Entry
from hubsec.identity import Identity, SecurityClass
from hubsec.reinclusion.radio import Place
from hubsec.reinclusion.shapes import DeviceOutlook, Fate, Manner, ReinclusionPlan

RESTART_SECONDS: Final = 60.0
"""A server's restart until all nodes have been looked at. Measured: 4 s on a fast machine with 231 nodes; the
controllers and computers that people have take ten times as long."""
PERSON_SECONDS: Final = 60.0
"""Judgement: to reset a device that one stands at, and to press its button."""
JOIN_SECONDS: Final = 30.0
"""Bootstrapping with S2, and the interview behind it. Measured: under 3 s without air; on the air each of about a
hundred frames takes some 30 ms, and more over repeaters."""
SMART_START_SECONDS: Final = 60.0
"""A device primes 16 s after it got power, then after twice as long each time (Z-Wave Network Layer Specification,
SmartStart)."""

LEAST: Final = SecurityClass.S2_AUTHENTICATED
"""What a device comes back with at least: anything below proves no DSK."""


def plan(
    places: Sequence[Place],
    entries: Mapping[Identity, Entry],
    *,
    radio: str,
    network_id: str,
    now: float,
    dsks: Collection[Identity],
    smart_start: Collection[Identity] = (),
    refusal: str | None = None,
) -> ReinclusionPlan:
    """What new keys would do to each of `places`, by the allowlist's `entries`, at `now` in seconds since the epoch.

    `dsks`: whose whole DSK is there. `smart_start`: who is to come back by itself. `refusal`: why it can't be done
    here."""
    devices = tuple(
        _outlook(place, entries, now=now, dsks=dsks, smart_start=smart_start)
        for place in sorted(places, key=lambda one: (one.name.casefold(), one.place))
    )
    if not any(one.fate is Fate.REINCLUDED for one in devices):
        refusal = refusal or "There is no device here that could be included anew by its DSK."
    return ReinclusionPlan(
        radio=radio,
        network_id=network_id,
        devices=devices,
        seconds=RESTART_SECONDS + sum(one.seconds for one in devices),
        refusal=refusal,
        why_not=tuple(f"{one.name} would be lost: {one.todo}" for one in devices if one.fate is Fate.LOST),
    )


def _outlook(
    place: Place,
    entries: Mapping[Identity, Entry],
    *,
    now: float,
    dsks: Collection[Identity],
    smart_start: Collection[Identity],
) -> DeviceOutlook:
    holder = next((one for one in (place.device, place.proved) if one is not None and one in dsks), None)
    # An adopted device may have an entry by its DSK besides, which its admission will go by.
    known = [entries[one] for one in (place.device, holder) if one is not None and one in entries]
    name = known[0].label if known else place.name
    manner: Manner | None = None
    seconds = 0.0
    if any(entry.quarantined is not None for entry in known):
        fate = Fate.LEFT_OUT
        todo = "It is quarantined and stays so, without the new keys: have it leave, by hub.evict()."
    elif place.security is SecurityClass.NONE:
        fate = Fate.UNTOUCHED
        todo = (
            "It talks in the clear, which no key changes. If it has S2, exclude it and admit it by its DSK."
        )
    elif any(entry.expires_at is not None and entry.expires_at <= now for entry in known):
        fate = Fate.LOST
        todo = "Its entry has expired: admit it by its sticker when this is over."
    elif holder is None:
        fate = Fate.LOST
        todo = _without_dsk(place)
    else:
        fate = Fate.REINCLUDED
        by_itself = bool({holder, place.device, place.place} & set(smart_start))
        manner = Manner.SMART_START if by_itself else Manner.IN_PLACE
        seconds = PERSON_SECONDS + JOIN_SECONDS + (SMART_START_SECONDS if by_itself else 0.0)
        todo = todo_for(manner, sleepy=place.sleepy)
    return DeviceOutlook(
        device=holder or place.device,
        name=name,
        place=place.place,
        fate=fate,
        manner=manner,
        security=place.security,
        seconds=seconds,
        todo=todo,
    )


def _without_dsk(place: Place) -> str:
    if place.security is SecurityClass.S0:
        return (
            "it has S0 alone as far as is known, so there is no DSK to know it by again. Give its sticker if "
            "it has S2; else its "
            "host has to include it anew, and it is shut off until you allow it."
        )
    return "hubsec has no DSK of it. Give its sticker, and it is included anew."


def todo_for(manner: Manner, *, sleepy: bool) -> str:
    """What a person does for a device that is included anew."""
    wake = " It sleeps: wake it first, as its manual says." if sleepy else ""
    if manner is Manner.SMART_START:
        return (
            "Reset it to factory settings, as its manual says, and leave it on power: it comes by itself, "
            "under another node id." + wake
        )
    return (
        "Reset it to factory settings, as its manual says, then press its button as for an inclusion." + wake
    )
