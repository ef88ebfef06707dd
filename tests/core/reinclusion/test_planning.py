"""The plan: who comes back how, and who can't, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hubsec.entries import Entry
from hubsec.identity import CredentialKind, Identity, Network, SecurityClass
from hubsec.reinclusion.planning import (
    JOIN_SECONDS,
    PERSON_SECONDS,
    RESTART_SECONDS,
    SMART_START_SECONDS,
    plan,
)
from hubsec.reinclusion.radio import Place
from hubsec.reinclusion.shapes import Fate, Manner, ReinclusionPlan
from tests.core.reinclusion.world import identity, place

if TYPE_CHECKING:
    from collections.abc import Collection

S2 = SecurityClass.S2_AUTHENTICATED
NOW = 1000.0


def there(number: int, *, security: SecurityClass = S2, known: bool = True, **more: Any) -> Place:
    told = {"proved": identity(number), "sleepy": False, **more}
    device = identity(number) if known else place(number)
    return Place(device=device, place=place(number), name=f"node {number}", security=security, **told)


def entry(device: Identity, credential: CredentialKind = CredentialKind.DSK, **more: Any) -> Entry:
    return Entry(
        device=device,
        network=Network.ZWAVE,
        credential=credential,
        label=f"the {device[-5:]}",
        approved_by="operator",
        approved_at=1.0,
        **more,
    )


def planned(
    places: list[Place],
    entries: list[Entry],
    *,
    dsks: Collection[Identity] | None = None,
    smart_start: Collection[Identity] = (),
    refusal: str | None = None,
) -> ReinclusionPlan:
    if dsks is None:
        dsks = {one.device for one in entries if one.credential is CredentialKind.DSK}
    return plan(
        places,
        {one.device: one for one in entries},
        radio="zwave-js",
        network_id="c0ffee01",
        now=NOW,
        dsks=dsks,
        smart_start=smart_start,
        refusal=refusal,
    )


ADOPTED = CredentialKind.ADOPTED
PLAIN, S0 = SecurityClass.NONE, SecurityClass.S0
FATES = {
    "by its DSK": (there(2), entry(identity(2)), None, Fate.REINCLUDED, "press its button"),
    "its DSK is gone with its one use": (there(2), entry(identity(2)), [], Fate.LOST, "Give its sticker"),
    "adopted": (there(2, known=False), entry(place(2), ADOPTED), [], Fate.LOST, "Give its sticker"),
    "adopted, with its sticker": (
        there(2, known=False),
        entry(place(2), ADOPTED),
        [identity(2)],
        Fate.REINCLUDED,
        "press its button",
    ),
    "somebody else's sticker": (
        there(2, known=False),
        entry(place(2), ADOPTED),
        [identity(3)],
        Fate.LOST,
        "Give its sticker",
    ),
    "S0": (
        there(2, security=S0, known=False, proved=None),
        entry(place(2), ADOPTED),
        [],
        Fate.LOST,
        "S0 alone",
    ),
    "plain": (
        there(2, security=PLAIN, known=False, proved=None),
        entry(place(2), ADOPTED),
        [],
        Fate.UNTOUCHED,
        "in the clear",
    ),
    "quarantined": (there(2), entry(identity(2), quarantined="It is odd."), None, Fate.LEFT_OUT, "evict"),
    "expired": (there(2), entry(identity(2), expires_at=NOW), None, Fate.LOST, "expired"),
    "nobody's": (there(2, known=False), None, [], Fate.LOST, "Give its sticker"),
    "asleep": (there(2, sleepy=True), entry(identity(2)), None, Fate.REINCLUDED, "wake it first"),
}


@pytest.mark.parametrize("what", FATES)
def test_what_becomes_of_each_device(what: str) -> None:
    node, listed, dsks, fate, words = FATES[what]
    made = planned([node], [] if listed is None else [listed], dsks=dsks)
    (device,) = made.devices
    assert device.fate is fate
    assert words in device.todo
    assert (device.manner is None) is (fate is not Fate.REINCLUDED)
    assert bool(made.why_not) is (fate is Fate.LOST)
    assert (made.refusal is None) is (fate is Fate.REINCLUDED)
    assert device.name in " ".join([*made.why_not, device.name])


def test_how_long_it_takes_is_the_sum_of_what_each_one_takes() -> None:
    places, entries = (
        [there(2), there(3), there(4)],
        [entry(identity(2)), entry(identity(3)), entry(identity(4))],
    )
    each = PERSON_SECONDS + JOIN_SECONDS
    assert planned(places, entries).seconds == RESTART_SECONDS + 3 * each
    by_itself = planned(places, entries, smart_start={identity(3)})
    assert by_itself.seconds == RESTART_SECONDS + 3 * each + SMART_START_SECONDS
    assert [device.manner for device in by_itself.devices] == [
        Manner.IN_PLACE,
        Manner.SMART_START,
        Manner.IN_PLACE,
    ]
    assert "another node id" in by_itself.devices[1].todo


def test_each_one_that_is_lost_is_named_and_a_refusal_is_passed_on() -> None:
    made = planned(
        [there(2), there(3, known=False), there(4, known=False)],
        [entry(identity(2)), entry(place(3), ADOPTED), entry(place(4), ADOPTED)],
        refusal="Nobody owns the server.",
    )
    assert [text.partition(" would")[0] for text in made.why_not] == ["the e01:3", "the e01:4"]
    assert made.refusal == "Nobody owns the server."
    assert [device.device for device in made.of(Fate.REINCLUDED)] == [identity(2)]


@pytest.mark.parametrize(("how", "fate"), [("quarantined", Fate.LEFT_OUT), ("expired", Fate.LOST)])
def test_an_adopted_device_goes_by_its_own_entry_too(how: str, fate: Fate) -> None:
    """By which it is to be let in again: one that would be refused is not begun with."""
    changed = {"quarantined": "It was stolen."} if how == "quarantined" else {"expires_at": NOW}
    found = planned(
        [there(2, known=False)], [entry(place(2), ADOPTED), entry(identity(2), **changed)], refusal="no"
    )
    assert [one.fate for one in found.devices] == [fate]
