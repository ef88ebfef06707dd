"""What the dry run says of each device, and why a rotation would not begin by itself."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hubsec.entries import Entry
from hubsec.errors import HubsecError, StoreError
from hubsec.identity import CredentialKind, Identity, Mark, Network, Standing
from hubsec.rotation.journal import Journal, KeyRing, KnownKey, pack, unpack
from hubsec.rotation.planning import NAMES, Scene, plan_rotation
from hubsec.rotation.radio import KeyRoute
from hubsec.rotation.shapes import Outlook, RotationPlan, Step, Way
from hubsec.rotation.triggers import LEAST_AGE, Need, Rotating, Trigger, age_need, objections, way_for
from hubsec.secret import Secret
from tests.core.rotation.network import FakeKeys, Lamp, name_of, staged

ID = "00124b00000000aa"
ONE, TWO = name_of(1), name_of(2)
CODE, ADOPTED, APPROVAL = CredentialKind.INSTALL_CODE, CredentialKind.ADOPTED, CredentialKind.APPROVAL


def route(device: Identity, *, sleepy: bool = False, placed: bool = True) -> KeyRoute:
    return KeyRoute(device=device, name=f"on {device[-2:]}", sleepy=sleepy, placed=placed, own_link_key=None)


def shared(device: Identity, *, sleepy: bool = False) -> KeyRoute:
    return msgspec.structs.replace(route(device, sleepy=sleepy), shared_link_key=True)


def test_nothing_is_sent_under_a_link_key_that_everybody_has() -> None:
    plan = planned(shared(ONE), shared(TWO))
    assert {one.outlook for one in plan.devices} == {Outlook.LOST}
    assert "others have" in plan.devices[0].advice
    assert any("Nobody would get" in why for why in plan.why_not)
    plan = planned(shared(ONE), shared(TWO, sleepy=True), way=Way.BROADCAST)
    assert [one.outlook for one in plan.devices] == [Outlook.GETS_IT, Outlook.LOST]


def entry(device: Identity, credential: CredentialKind = CODE, **fields: Any) -> Entry:
    return Entry(
        device=device,
        network=Network.ZIGBEE,
        credential=credential,
        label=f"Lamp {device[-2:]}",
        approved_by="anna",
        approved_at=0.0,
        joined_at=1.0,
        **fields,
    )


def need(trigger: Trigger, device: Identity | None = None) -> Need:
    return Need(network_id=ID, trigger=trigger, device=device, since=0.0, reason=f"{trigger} it is.")


def planned(
    *routes: KeyRoute,
    way: Way = Way.UNICAST,
    entries: tuple[Entry, ...] | None = None,
    answered: bool = True,
    standing: Standing = Standing.APPROVED,
    leave_out: tuple[Identity, ...] = (),
    **how: Any,
) -> RotationPlan:
    """The plan for these; the second stands well, the first as said."""
    listed = (entry(ONE), entry(TWO)) if entries is None else entries
    scene = Scene(
        radio="radio",
        network_id=ID,
        routes=routes or (route(ONE), route(TWO)),
        entries={one.device: one for one in listed},
        answered={ONE: answered, TWO: True},
        **how,
    )
    return plan_rotation(
        scene,
        way=way,
        standing=lambda device: standing if device == ONE else Standing.APPROVED,
        leave_out=leave_out,
    )


@pytest.mark.parametrize(
    ("how", "unicast", "broadcast"),
    [
        ({}, Outlook.GETS_IT, Outlook.GETS_IT),
        ({"answered": False}, Outlook.LOST, Outlook.LOST),
        ({"standing": Standing.QUARANTINED}, Outlook.LEFT_OUT, Outlook.GETS_IT),
        ({"standing": Standing.UNKNOWN}, Outlook.LEFT_OUT, Outlook.GETS_IT),
        ({"leave_out": (ONE,)}, Outlook.LEFT_OUT, Outlook.GETS_IT),
        (
            {"entries": (entry(ONE, marks=frozenset({Mark.WEAK})), entry(TWO))},
            Outlook.LOST,
            Outlook.GETS_IT,
        ),
    ],
    ids=["well", "silent", "quarantined", "unknown", "named", "no link key of its own"],
)
def test_what_becomes_of_who_listens(how: dict[str, Any], unicast: Outlook, broadcast: Outlook) -> None:
    for way, outlook in ((Way.UNICAST, unicast), (Way.BROADCAST, broadcast)):
        plan = planned(way=way, **how)
        assert [one.outlook for one in plan.devices] == [outlook, Outlook.GETS_IT]
        assert any("Lamp 01 would be lost" in why for why in plan.why_not) is (outlook is Outlook.LOST)


@pytest.mark.parametrize("way", list(Way))
def test_who_sleeps_gets_it_when_it_wakes_and_who_is_nowhere_not(way: Way) -> None:
    plan = planned(route(ONE, sleepy=True), route(TWO, placed=False), way=way)
    assert [one.outlook for one in plan.devices] == [Outlook.WHEN_IT_WAKES, Outlook.LOST]
    assert plan.of(Outlook.LOST)[0].name == "Lamp 02"


@pytest.mark.parametrize(
    ("listed", "overheard"),
    [
        (entry(ONE), False),
        (entry(ONE, APPROVAL), True),
        (entry(ONE, ADOPTED), True),
        (entry(ONE, marks=frozenset({Mark.EXPOSED})), True),
    ],
    ids=["install code", "approval", "adopted", "exposed once"],
)
@pytest.mark.parametrize(
    "known",
    [
        {"needs": (need(Trigger.EVICTION, name_of(7)),)},
        {"exposed": True},
        {"leave_out": (TWO,)},
    ],
    ids=["evicted", "exposed", "left out"],
)
def test_a_unicast_heals_unless_somebody_stays_who_was_overheard(
    listed: Entry, known: dict[str, Any], *, overheard: bool
) -> None:
    plan = planned(entries=(listed, entry(TWO)), **known)
    assert plan.devices[0].overheard is overheard
    assert plan.heals is not overheard
    assert any("Lamp 01 joined where a listener" in why for why in plan.why_not) is overheard
    assert ("install code, or remove it" in plan.devices[0].advice) is overheard
    # Put out instead, it does no harm.
    assert planned(
        entries=(listed, entry(TWO)), standing=Standing.QUARANTINED, needs=(need(Trigger.EXPOSURE),)
    ).heals


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ({"needs": (need(Trigger.EVICTION, name_of(7)),)}, "holds the present key"),
        ({"needs": (need(Trigger.EXPOSURE),)}, "nothing is healed"),
        ({"exposed": True}, "nothing is healed"),
        ({"leave_out": (ONE,)}, "leaves nobody out"),
    ],
    ids=["evicted", "exposure", "exposed", "left out"],
)
def test_a_broadcast_heals_nothing_that_somebody_knows_the_key_of(known: dict[str, Any], says: str) -> None:
    plan = planned(way=Way.BROADCAST, **known)
    assert not plan.heals
    assert any(says in why for why in plan.why_not)


def test_a_broadcast_for_its_age_alone_is_fine() -> None:
    plan = planned(way=Way.BROADCAST, needs=(need(Trigger.AGE),))
    assert plan.heals
    assert plan.why_not == ()


def test_a_straggler_that_joined_under_a_public_key_can_not_come_back() -> None:
    plan = planned(entries=(entry(ONE, ADOPTED), entry(TWO)), answered=False)
    assert [one.can_return for one in plan.devices] == [False, True]
    assert "can't come back by itself" in plan.devices[0].advice
    assert any("reset" in why for why in plan.why_not)


@pytest.mark.parametrize(
    ("standing", "how", "objected"),
    [
        (Standing.UNKNOWN, {}, True),
        (Standing.UNKNOWN, {"leave_out": (ONE,)}, False),
        (Standing.UNKNOWN, {"needs": (need(Trigger.EVICTION, ONE),)}, False),
        (Standing.QUARANTINED, {}, False),
        (Standing.APPROVED, {}, False),
    ],
    ids=["nobody said so", "named", "evicted", "quarantined", "may stay"],
)
def test_nobody_is_put_out_unsaid(standing: Standing, how: dict[str, Any], *, objected: bool) -> None:
    plan = planned(entries=(entry(TWO),), standing=standing, **how)
    assert any("for want of an entry" in why for why in plan.why_not) is objected


def test_a_unicast_that_nobody_would_hear() -> None:
    plan = planned(route(ONE), standing=Standing.UNKNOWN)
    assert any("Nobody would get" in why for why in plan.why_not)


def test_many_names_are_counted() -> None:
    many = [route(name_of(number)) for number in range(0x10, 0x10 + NAMES + 3)]
    plan = planned(*many, entries=tuple(entry(one.device) for one in many))
    (lost,) = plan.why_not[:1]
    assert "and 3 more would be lost" in lost
    assert "NaN" not in msgspec.json.encode(plan).decode()


# Triggers


@pytest.mark.parametrize(
    ("rotating", "why_not", "starts"),
    [
        (Rotating(), (), False),
        (Rotating(after_eviction=True), (), True),
        (Rotating(after_eviction=True), ("Lamp 01 would be lost.",), False),
        (Rotating(after_exposure=True), (), False),
    ],
    ids=["not asked to", "asked to", "somebody is lost", "asked for something else"],
)
def test_a_need_starts_a_rotation_only_where_that_was_asked_for_and_loses_nobody(
    rotating: Rotating, why_not: tuple[str, ...], *, starts: bool
) -> None:
    plan = msgspec.structs.replace(planned(), why_not=why_not)
    against = objections([need(Trigger.EVICTION, ONE)], plan, rotating)
    assert (against == ()) is starts
    assert starts or against[0] == "eviction it is."
    assert objections([need(Trigger.EVICTION, ONE)], None, rotating)


def test_the_way_for_a_need() -> None:
    assert way_for([need(Trigger.AGE)]) is Way.BROADCAST
    assert way_for([need(Trigger.AGE), need(Trigger.EVICTION)]) is Way.UNICAST


def test_age_counts_where_it_was_asked_for() -> None:
    month = 30 * LEAST_AGE
    assert age_need(ID, since=0, now=month, after=None) is None
    assert age_need(ID, since=1, now=month, after=month) is None
    due = age_need(ID, since=0, now=month + 5, after=month)
    assert due is not None
    assert due.since == month


@pytest.mark.parametrize(
    "how", [{"after_age": 5.0}, {"after_age": float("nan")}, {"patience": 0}, {"patience": float("inf")}]
)
def test_what_can_not_be_asked_for(how: dict[str, float]) -> None:
    with pytest.raises(HubsecError):
        Rotating(**how)  # type: ignore[arg-type]


# The journal


def a_journal() -> Journal:
    return staged(FakeKeys([Lamp(1), Lamp(2)]), Way.UNICAST)


def test_a_journal_comes_back_as_it_was_and_shows_no_key() -> None:
    journal = a_journal()
    assert unpack(pack(journal), Journal) == journal
    shown = repr(journal) + repr(journal.progress()) + msgspec.json.encode(journal.progress()).decode()
    for one in journal.chain:
        assert one.key.reveal().hex() not in shown.lower()
        assert repr(one.key.reveal())[2:-1] not in shown
    with pytest.raises(TypeError):
        msgspec.json.encode(journal)


@pytest.mark.parametrize(
    "spoiled",
    [
        lambda one: msgspec.structs.replace(one, round=3),
        lambda one: msgspec.structs.replace(one, round=0),
        lambda one: msgspec.structs.replace(one, keys=one.keys[:1]),
        lambda one: msgspec.structs.replace(one, keys=(one.keys[0], one.keys[0])),
        lambda one: msgspec.structs.replace(one, keys=(one.old.key, one.keys[0])),
        lambda one: msgspec.structs.replace(one, keys=(one.keys[0], Secret(b"short"))),
        lambda one: msgspec.structs.replace(one, old=msgspec.structs.replace(one.old, sequence=256)),
        lambda one: msgspec.structs.replace(one, way="shout"),
        lambda one: msgspec.structs.replace(one, version=2),
        lambda one: msgspec.structs.replace(one, step="lost"),
        lambda one: msgspec.structs.replace(one, targets=None),
    ],
)
def test_a_journal_that_makes_no_sense_is_refused(spoiled: Any) -> None:
    with pytest.raises(StoreError):
        unpack(pack(spoiled(a_journal())), Journal)


@pytest.mark.parametrize("raw", [b"", b"\xc1", b"\x80", b"\xff" * 50, pack(KeyRing()).reveal()])
def test_bytes_that_are_no_journal_are_refused(raw: bytes) -> None:
    with pytest.raises(StoreError):
        unpack(Secret(raw), Journal)


def test_the_ring_keeps_the_newest_and_knows_which_is_live() -> None:
    ring, journal = KeyRing(), a_journal()
    for place in range(30):
        one = msgspec.structs.replace(journal, rotation=str(place))
        one = msgspec.structs.replace(one, keys=tuple(Secret(bytes([place, n]) * 8) for n in (1, 2)))
        ring = ring.following(one, at=float(place))
        assert ring.live is not None
        assert ring.live.key == one.old.key
        ended = msgspec.structs.replace(one, round=2, step=Step.ENDED)
        ring = ring.following(ended, at=place + 0.5)
        assert ring.live.key == one.keys[-1]
        journal = msgspec.structs.replace(journal, old=one.chain[-1])
        assert unpack(pack(ring), KeyRing) == ring
    assert ring.find(Secret(bytes([0, 1]) * 8)) is None
    assert ring.find(Secret(bytes([29, 1]) * 8)) is not None
    assert [one.until for one in ring.keys].count(None) == 1


def test_the_live_key_is_never_the_one_that_goes() -> None:
    live = KnownKey(key=Secret(bytes(16)), sequence=0, rotation="", since=0.0)
    ring = KeyRing(keys=(live,))
    journal = msgspec.structs.replace(a_journal(), old=live)
    for place in range(1, 30):
        keys = tuple(Secret(bytes([place, n]) * 8) for n in (1, 2))
        ring = ring.following(msgspec.structs.replace(journal, keys=keys), at=float(place))
        assert ring.live is not None
        assert ring.live.key == live.key
