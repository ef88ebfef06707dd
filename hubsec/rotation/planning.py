"""The dry run: what a rotation would do to each device, said before anything is done. Pure.

Who is left out
- whoever has no entry in force, is quarantined, or is named. A broadcast can't leave anybody out: it says so. Who has
  no entry, and was neither named nor evicted, may be a device that nobody has heard yet: that is an objection.

Who is lost
- who listens all the time and did not answer; whom the radio can't place; and, by unicast, who has never proved a link
  key, for it may have none that the trust center knows.

Who is overheard
- who joined by an approval or under a public key, and who was adopted, since nobody knows how it joined. Whoever
  listened then has its link key, which opens whatever key is sent under it.

What is healed
- By broadcast nothing that somebody knows the present key of: not an eviction, not an exposure. By unicast both, unless
  a device stays that is overheard: whoever listened to it reads the new key too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

import msgspec

from hubsec.entries import Entry
from hubsec.identity import CredentialKind, Identity, Mark, Standing
from hubsec.rotation.machine import FADE
from hubsec.rotation.radio import KeyRoute
from hubsec.rotation.shapes import DeviceOutlook, Outlook, RotationPlan, Way
from hubsec.rotation.triggers import BY_ANY_KEY, Need, Trigger

EACH: Final = 0.5
"""Seconds that one transfer to a device that listens takes at most, three hops and an answer. Judgement, from captures:
30 ms a hop."""
NAMES: Final = 5
"""Names in one sentence; more are counted."""
_OPENS: Final = "the link key, which opens the new key too: re-join with an install code, or remove."
_OVERHEARD: Final = frozenset({CredentialKind.APPROVAL, CredentialKind.ADOPTED})


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """All that a plan is made of. `answered`: who listens, and whether it answered just now; `needs`: why the key is
    due, if it is; `exposed`: it must be taken to be known."""

    radio: str
    network_id: str
    routes: Sequence[KeyRoute]
    entries: Mapping[Identity, Entry]
    answered: Mapping[Identity, bool]
    needs: Sequence[Need] = ()
    exposed: bool = False


def plan_rotation(
    scene: Scene,
    *,
    way: Way,
    standing: Callable[[Identity], Standing],
    leave_out: Collection[Identity] = (),
    at_once: int = 1,
) -> RotationPlan:
    """The plan of a rotation that way. `standing` is how a device stands now; `at_once` transfers at a time."""
    devices = tuple(
        _outlook(scene, route, way, out=route.device in leave_out or _is_out(standing(route.device)))
        for route in scene.routes
    )
    devices = tuple(sorted(devices, key=lambda one: (one.name.casefold(), one.device)))
    unhealed = _unhealed(scene, way, devices, leave_out)
    lost = [device for device in devices if device.outlook is Outlook.LOST]
    reached = [one for one in devices if one.outlook in {Outlook.GETS_IT, Outlook.WHEN_IT_WAKES}]
    why_not = list(unhealed)
    if lost:
        why_not.append(f"{_names(lost)} would be lost: {_advice_for(lost)}")
    strangers = [
        one
        for one in devices
        if one.outlook is Outlook.LEFT_OUT
        and standing(one.device) is Standing.UNKNOWN
        and one.device not in leave_out
        and not any(need.device == one.device for need in scene.needs)
    ]
    if strangers:
        why_not.append(
            f"{_names(strangers)} would be put out for want of an entry: let it stay, or name it to be left out."
        )
    if way is Way.UNICAST and not reached:
        why_not.append("Nobody would get the next key: a unicast needs a device that can be reached.")
    listening = sum(not device.sleepy for device in reached)
    seconds = FADE + listening * EACH / at_once
    if way is Way.UNICAST:
        seconds += listening * EACH / at_once
    return RotationPlan(
        radio=scene.radio,
        network_id=scene.network_id,
        way=way,
        devices=devices,
        heals=not unhealed,
        why_not=tuple(why_not),
        seconds=seconds,
    )


def is_overheard(entry: Entry | None) -> bool:
    """Whether a listener may have the link key of that entry's device."""
    return entry is None or entry.credential in _OVERHEARD or Mark.EXPOSED in entry.marks


def _is_out(standing: Standing) -> bool:
    return standing is Standing.QUARANTINED or standing is Standing.UNKNOWN


def _outlook(scene: Scene, route: KeyRoute, way: Way, *, out: bool) -> DeviceOutlook:
    entry = scene.entries.get(route.device)
    by_code = entry is not None and entry.credential is CredentialKind.INSTALL_CODE
    overheard = is_overheard(entry)
    outlook, advice = _what_becomes(scene, route, way, entry, out=out)
    if outlook is Outlook.LOST:
        advice = f"{advice} {_comes_back(by_code=by_code)}"
    elif outlook is not Outlook.LEFT_OUT and overheard:
        advice = (
            f"{advice} Whoever listened when it joined has its link key, which opens the new key too: re-join it with "
            "an install code, or remove it."
        )
    return DeviceOutlook(
        device=route.device,
        name=entry.label if entry is not None else route.name,
        outlook=outlook,
        sleepy=route.sleepy,
        overheard=overheard,
        can_return=by_code or route.own_link_key is True,
        advice=advice.strip(),
    )


def _what_becomes(
    scene: Scene, route: KeyRoute, way: Way, entry: Entry | None, *, out: bool
) -> tuple[Outlook, str]:
    if out and way is Way.UNICAST:
        return Outlook.LEFT_OUT, ""
    advice = "It is to be left out, and a broadcast can't do that." if out else ""
    if not route.placed:
        return Outlook.LOST, "The radio does not know where it is: wait until it has spoken."
    if route.shared_link_key and (way is Way.UNICAST or route.sleepy):
        return Outlook.LOST, "Its link key is one that others have too, so nothing can be sent to it alone."
    if way is Way.UNICAST and entry is not None and Mark.WEAK in entry.marks:
        return Outlook.LOST, "It has never proved a link key that the new key could be sent under."
    if route.sleepy:
        return Outlook.WHEN_IT_WAKES, advice
    if not scene.answered.get(route.device, False):
        return Outlook.LOST, "It does not answer: give it power, and plan anew."
    return Outlook.GETS_IT, advice


def _comes_back(*, by_code: bool) -> str:
    if by_code:
        return "If it misses the key, re-join it with its install code."
    return (
        "If it misses the key it can't come back by itself, for it joined under a key that everybody knows: it has to "
        "be reset and let in anew."
    )


def _unhealed(
    scene: Scene, way: Way, devices: Sequence[DeviceOutlook], leave_out: Collection[Identity]
) -> tuple[str, ...]:
    """Why nothing is healed, a sentence for each reason."""
    staying = [device for device in devices if device.outlook is not Outlook.LEFT_OUT]
    known = [need for need in scene.needs if need.trigger not in BY_ANY_KEY]
    if way is Way.BROADCAST:
        return _unhealed_by_broadcast(scene, known, leave_out)
    overheard = [device for device in staying if device.overheard]
    if overheard and (known or scene.exposed or leave_out or len(staying) < len(devices)):
        return (f"{_names(overheard)} joined where a listener could have had {_OPENS}",)
    return ()


def _unhealed_by_broadcast(
    scene: Scene, known: Sequence[Need], leave_out: Collection[Identity]
) -> tuple[str, ...]:
    reasons = []
    if leave_out:
        reasons.append("A broadcast leaves nobody out: whoever holds the present key reads the next one.")
    if any(need.trigger is Trigger.EVICTION for need in known):
        who = ", ".join(need.device or "" for need in known if need.trigger is Trigger.EVICTION)
        reasons.append(f"{who} holds the present key, and reads the next one if it is broadcast.")
    if scene.exposed or any(need.trigger is Trigger.EXPOSURE for need in known):
        reasons.append("Who has the present key reads the next one if it is broadcast: nothing is healed.")
    return tuple(reasons)


def _advice_for(lost: Sequence[DeviceOutlook]) -> str:
    hopeless = [device for device in lost if not device.can_return]
    if hopeless:
        return f"{_names(hopeless)} would have to be reset and let in anew."
    return "to be re-joined with the install code."


def _names(devices: Sequence[DeviceOutlook]) -> str:
    names = [device.name for device in devices]
    if len(names) <= NAMES:
        return ", ".join(names)
    return f"{', '.join(names[:NAMES])} and {len(names) - NAMES} more"
