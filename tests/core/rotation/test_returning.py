"""Who may come back without the network key after a rotation, and what ends that; on a radio in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from hubsec import Hub
from hubsec.audit.records import Act
from hubsec.entries import Entry
from hubsec.errors import HubsecError, NotEnforceable, RadioError, Refused, StoreError
from hubsec.events import KeyDelivered, Rejoined, TakingBackClosed, TakingBackOpened
from hubsec.identity import CredentialKind, Identity, Mode, Network
from hubsec.requests import JoinKind
from hubsec.rotation.radio import ReturnOrder
from hubsec.rotation.returning import TAKING_BACK, candidates
from hubsec.rotation.shapes import Delivery, Outcome, RotationProgress, Step, Way
from hubsec.rotation.triggers import Rotating
from hubsec.rotations import Rotation
from tests.core.hub.conftest import collect
from tests.core.policy.shapes import policy
from tests.core.rotation.conftest import FAST, KeyedRadio, list_all
from tests.core.rotation.network import Lamp, name_of

ONE, TWO, THREE, SLEEPER = (name_of(number) for number in (1, 2, 3, 9))
VERIFIED = policy("rejoining: {unsecured: verified}\n")


# Who, as a table


def rotation(ended_at: float, way: Way = Way.UNICAST, **deliveries: Delivery) -> RotationProgress:
    names = {"one": ONE, "two": TWO, "three": THREE, "sleeper": SLEEPER}
    return RotationProgress(
        rotation=f"rotation-{ended_at:g}",
        radio="fake",
        network_id="00124b00000000aa",
        way=way,
        step=Step.ENDED,
        round=2,
        rounds=2,
        started_at=ended_at - 10,
        deadline=ended_at,
        by="anna",
        reason="",
        deliveries={names[name]: delivery for name, delivery in deliveries.items()},
        names={},
        sequence=1,
        ended_at=ended_at,
        outcome=Outcome.ROTATED,
    )


def entries(**joined_at: float) -> dict[Identity, Entry]:
    names = {"one": ONE, "two": TWO, "three": THREE, "sleeper": SLEEPER}
    return {
        names[name]: Entry(
            device=names[name],
            network=Network.ZIGBEE,
            credential=CredentialKind.INSTALL_CODE,
            label=name,
            approved_by="anna",
            approved_at=0.0,
            joined_at=at,
        )
        for name, at in joined_at.items()
    }


NOW = 1_000.0
MISSED, OUT, GOT = Delivery.MISSED, Delivery.LEFT_OUT, Delivery.CONFIRMED


@pytest.mark.parametrize(
    ("past", "listed", "may_not", "awaited", "left_out"),
    [
        ([rotation(100, one=GOT, sleeper=MISSED)], {"one": 1, "sleeper": 1}, (), {SLEEPER}, set()),
        # Left out: never, also by a name that it still has on the list.
        (
            [rotation(100, one=OUT, sleeper=MISSED)],
            {"one": 1, "sleeper": 1},
            (),
            {SLEEPER},
            {ONE},
        ),
        # Left out of an earlier one, and lost to the last, since it is still on the list: never.
        (
            [rotation(200, one=MISSED, sleeper=MISSED), rotation(100, one=OUT)],
            {"one": 1, "sleeper": 1},
            (),
            {SLEEPER},
            {ONE},
        ),
        # Let in anew since.
        (
            [rotation(200, one=MISSED, sleeper=GOT), rotation(100, one=OUT)],
            {"one": 150, "sleeper": 1},
            (),
            {ONE},
            set(),
        ),
        # Let in before, by a clock that was far ahead then.
        (
            [rotation(200, one=MISSED, sleeper=MISSED), rotation(100, one=OUT)],
            {"one": NOW + 1, "sleeper": 1},
            (),
            {SLEEPER},
            {ONE},
        ),
        # Whom the policy would not give it.
        ([rotation(100, one=MISSED, two=MISSED)], {"one": 1, "two": 1}, (TWO,), {ONE}, set()),
    ],
)
def test_who_is_awaited_and_who_is_erased(
    past: Sequence[RotationProgress],
    listed: dict[str, float],
    may_not: tuple[Identity, ...],
    awaited: set[Identity],
    left_out: set[Identity],
) -> None:
    known = entries(**listed)
    found = candidates(past, known, known, lambda device: device not in may_not, now=NOW)
    assert found.awaited == awaited
    assert found.left_out == left_out
    assert found.expected == known.keys() - left_out - set(may_not)


@pytest.mark.parametrize(
    ("past", "says"),
    [
        ([], "after a rotation by unicast"),
        ([rotation(100, Way.BROADCAST, one=MISSED)], "after a rotation by unicast"),
        ([rotation(100, one=GOT)], "Nobody is awaited"),
        ([rotation(100, one=OUT)], "Nobody is awaited"),
        ([rotation(100, two=MISSED)], "can't be taken back"),
    ],
)
def test_where_nobody_is_nothing_opens(past: Sequence[RotationProgress], says: str) -> None:
    known = entries(one=1, two=1)
    with pytest.raises(Refused, match=says):
        candidates(past, known, known, lambda device: device != TWO, now=NOW)


# With a hub


class TakingBackRadio(KeyedRadio):
    """The radio, whose trust center can take devices back."""

    def __init__(self, lamps: Sequence[Lamp]) -> None:
        super().__init__(lamps)
        self.orders_back: list[ReturnOrder] = []
        self.ended: list[str] = []
        self.refuses = False

    async def take_back(self, order: ReturnOrder) -> None:
        if self.refuses:
            raise NotEnforceable("Not unique.", capability="unsecured_rejoin")
        self.orders_back.append(order)

    async def take_nobody_back(self, reason: str) -> None:
        self.ended.append(reason)
        self.tell(TakingBackClosed(time=0, radio="fake", reason=reason))


@pytest.fixture
def radio(lamps: list[Lamp]) -> TakingBackRadio:
    return TakingBackRadio(lamps)


async def rotated(hub: Hub, radio: TakingBackRadio) -> None:
    """A unicast that leaves one out, and that the sleeper sleeps through."""
    await list_all(hub, radio)
    ended = await (await hub.rotate(way="unicast", leave_out=[THREE], anyway=True)).ended()
    assert ended.stragglers == (SLEEPER,)


@pytest.fixture
async def hub(radio: TakingBackRadio, tmp_path: Path) -> AsyncIterator[Hub]:
    async with Hub(
        radio, policy=VERIFIED, home=tmp_path / "hub", rotating=Rotating(pace=FAST, patience=0.1)
    ) as hub:
        await rotated(hub, radio)
        yield hub


async def comes(predicate: Callable[[], object]) -> None:
    for _ in range(2000):
        if predicate():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("It did not come.")


async def test_the_record_names_everybody_before_the_radio_hears_of_it(
    hub: Hub, radio: TakingBackRadio, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = collect(hub)
    assert await hub.take_back(by="anna") == (SLEEPER,)
    (order,) = radio.orders_back
    assert (order.awaited, order.left_out, order.seconds) == ({SLEEPER}, {THREE}, TAKING_BACK)
    assert order.expected == {ONE, TWO, SLEEPER}
    (opened,) = [event for event in told if isinstance(event, TakingBackOpened)]
    assert (opened.by, opened.awaited, opened.correlation) == ("anna", (SLEEPER,), order.correlation)
    records = [record.fields() for record in await hub.store.audit(limit=1000)]
    (act,) = [fields for fields in records if fields.get("act") == "taking-back-opened"]
    assert act["by"] == "anna"
    assert act["details"] == {
        "seconds": TAKING_BACK,
        "awaited": SLEEPER,
        "expected": f"{ONE}, {TWO}, {SLEEPER}",
        "erased": THREE,
    }

    async def full(*_: object, **__: object) -> int:
        raise StoreError("The disk is full.")

    monkeypatch.setattr(hub._state, "acted", full)
    with pytest.raises(StoreError):
        await hub.take_back()
    assert len(radio.orders_back) == 1


async def test_it_ends_when_everybody_is_back(hub: Hub, radio: TakingBackRadio) -> None:
    await hub.take_back()
    radio.tell(Rejoined(time=0, radio="fake", device=ONE, kind=JoinKind.SECURED_REJOIN))
    radio.tell(Rejoined(time=0, radio="fake", device=SLEEPER, kind=JoinKind.UNSECURED_REJOIN))
    await comes(lambda: radio.ended)
    assert radio.ended == ["Everybody is back."]
    for _ in range(1000):
        keys = (await hub.posture()).networks[0].keys
        assert keys is not None
        if not keys.stragglers:
            break
        await asyncio.sleep(0.005)
    with pytest.raises(Refused, match="Nobody is awaited"):
        await hub.take_back()


@pytest.mark.parametrize("what", ["evict", "quarantine", "rotate", "stop"])
async def test_it_ends_when_somebody_goes_and_before_a_rotation(
    hub: Hub, radio: TakingBackRadio, what: str
) -> None:
    await hub.take_back()
    match what:
        case "evict":
            await hub.evict(TWO)
        case "quarantine":
            await hub.quarantine(TWO, "It lies.")
        case "rotate":
            calls: list[int] = []
            radio.check = lambda _what, _key: calls.append(len(radio.ended))
            await (await hub.rotate(way="unicast", anyway=True)).ended()
            assert calls[0] == 1, "before the first key goes out"
        case _:
            assert await hub.take_back(0, by="anna") == ()
            assert await hub.take_back(0, by="anna") == ()
    await comes(lambda: radio.ended)
    assert len(radio.ended) == 1


async def test_what_the_radio_ends_or_refuses_is_over(hub: Hub, radio: TakingBackRadio) -> None:
    await hub.take_back()
    radio.tell(TakingBackClosed(time=0, radio="fake", reason="The time is over."))
    await hub.take_back(0)
    assert not radio.ended
    radio.refuses = True
    with pytest.raises(NotEnforceable):
        await hub.take_back()
    await hub.take_back(0)
    assert not radio.ended


async def test_a_radio_that_will_not_shut_is_told_of(
    hub: Hub, radio: TakingBackRadio, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stuck(_reason: str) -> None:
        radio.ended.append("")
        raise RadioError("The stick does not answer.")

    told = collect(hub)
    await hub.take_back()
    monkeypatch.setattr(radio, "take_nobody_back", stuck)
    await hub.evict(TWO)
    await comes(lambda: radio.ended)
    await comes(lambda: any("does not answer" in getattr(event, "reason", "") for event in told))


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"policy": "home"}, "rejoining.unsecured"),
        ({"mode": Mode.OBSERVE}, "only observes"),
    ],
)
async def test_policy_and_mode_stand_against_it(
    radio: TakingBackRadio, tmp_path: Path, how: dict[str, object], says: str
) -> None:
    async with Hub(radio, home=tmp_path / "hub", **{"policy": VERIFIED, **how}) as hub:  # type: ignore[arg-type]
        with pytest.raises(Refused, match=says):
            await hub.take_back()


async def test_a_radio_that_can_not_and_a_rotation_that_goes_on_stand_against_it(
    keyed: KeyedRadio, radio: TakingBackRadio, hub: Hub, tmp_path: Path
) -> None:
    async with Hub(keyed, policy=VERIFIED, home=tmp_path / "other") as other:
        with pytest.raises(NotEnforceable, match="take nobody back"):
            await other.take_back()
    rotation = await hub.rotate(way="unicast", anyway=True)
    with pytest.raises(Refused, match="being changed"):
        await hub.take_back()
    await rotation.ended()
    assert not radio.orders_back


@pytest.mark.parametrize("asked", [True, False])
async def test_by_itself_only_where_it_was_asked_for(
    radio: TakingBackRadio, tmp_path: Path, *, asked: bool
) -> None:
    rotating = Rotating(pace=FAST, patience=0.1, take_back=60.0 if asked else 0.0)
    async with Hub(radio, policy=VERIFIED, home=tmp_path / "hub", rotating=rotating) as hub:
        await rotated(hub, radio)
        await (comes(lambda: radio.orders_back) if asked else asyncio.sleep(0.05))
        assert [order.seconds for order in radio.orders_back] == ([60.0] if asked else [])


def test_a_time_that_is_none() -> None:
    with pytest.raises(HubsecError, match="taken back"):
        Rotating(take_back=-1.0)


# What comes between


def given_up(ended_at: float, step: Step, round_: int = 1, **deliveries: Delivery) -> RotationProgress:
    whole = rotation(ended_at, **deliveries)
    return msgspec.structs.replace(whole, outcome=Outcome.ABANDONED, step=step, round=round_)


@pytest.mark.parametrize(
    ("step", "round_", "may_have_switched"),
    [
        (Step.STAGED, 1, False),
        (Step.DELIVERING, 1, False),
        (Step.SWITCHING, 1, True),
        (Step.CONFIRMING, 2, True),
        (Step.DELIVERING, 2, True),
    ],
)
def test_who_was_left_out_of_a_rotation_that_was_given_up(
    step: Step, round_: int, *, may_have_switched: bool
) -> None:
    known = entries(one=1, two=1, sleeper=1)
    lost = given_up(100, step, round_, one=OUT)
    found = candidates(
        [rotation(200, one=MISSED, sleeper=MISSED), lost], known, known, lambda _: True, now=NOW
    )
    assert found.left_out == ({ONE} if may_have_switched else set())
    assert (ONE in found.awaited) is not may_have_switched
    past = [lost, rotation(50, one=GOT, sleeper=MISSED)]
    if may_have_switched:
        with pytest.raises(Refused, match="rotate again"):
            candidates(past, known, known, lambda _: True, now=NOW)
    else:
        assert candidates(past, known, known, lambda _: True, now=NOW).awaited == {SLEEPER}


@pytest.mark.parametrize("what", ["evict", "quarantine", "rotate", "again"])
@pytest.mark.parametrize("when", ["recorded", "prepared"])
async def test_what_would_end_it_while_it_is_opened_keeps_it_shut(
    hub: Hub, radio: TakingBackRadio, monkeypatch: pytest.MonkeyPatch, what: str, when: str
) -> None:
    told, rotations = collect(hub), list[Rotation]()

    async def meanwhile() -> None:
        monkeypatch.undo()
        match what:
            case "evict":
                await hub.evict(TWO)
            case "quarantine":
                await hub.quarantine(TWO, "It lies.")
            case "rotate":
                rotations.append(await hub.rotate(way="unicast", anyway=True))
            case _:
                with pytest.raises(Refused, match="being opened already"):
                    await hub.take_back()
                await hub.take_back(0)

    acted, take_back = hub._state.acted, radio.take_back

    async def recorded(act: Act) -> int:
        if act.act == "taking-back-opened":
            await meanwhile()
        return await acted(act)

    async def prepared(order: ReturnOrder) -> None:
        await meanwhile()
        await take_back(order)

    monkeypatch.setattr(
        *((hub._state, "acted", recorded) if when == "recorded" else (radio, "take_back", prepared))
    )
    with pytest.raises(Refused, match="came up"):
        await hub.take_back()
    assert radio.ended, "and it is shut again"
    assert len(radio.orders_back) == (when == "prepared")
    assert not [event for event in told if isinstance(event, TakingBackOpened)]
    records = [record.fields() for record in await hub.store.audit(limit=1000)]
    assert [fields["reason"] for fields in records if fields.get("act") == "taking-back-not-opened"]
    for one in rotations:
        await one.ended()


async def test_it_lasts_no_longer_than_an_entry_that_one_of_them_has(
    hub: Hub, radio: TakingBackRadio
) -> None:
    await hub.allowlist.update(TWO, by="anna", expires_at=hub.now() + 30)
    await hub.take_back()
    assert 0 < radio.orders_back[-1].seconds <= 30


async def test_who_is_found_to_be_there_is_awaited_no_more(hub: Hub, radio: TakingBackRadio) -> None:
    await hub.take_back()
    radio.tell(KeyDelivered(time=0, radio="fake", device=SLEEPER, delivery="confirmed"))
    await comes(lambda: radio.ended)
    assert radio.ended == ["Everybody is back."]


async def test_by_whom_and_why_it_was_closed_is_recorded(hub: Hub, radio: TakingBackRadio) -> None:
    await hub.take_back()
    await hub.take_back(0, by="anna")
    await hub.take_back()
    radio.tell(TakingBackClosed(time=0, radio="fake", reason="The time is over."))
    await hub.take_back()
    await hub.evict(TWO, by="bert")
    await comes(lambda: len(radio.ended) == 2)
    for _ in range(1000):
        records = [record.fields() for record in await hub.store.audit(limit=1000)]
        closed = [(one["by"], one["reason"]) for one in records if one.get("act") == "taking-back-closed"]
        if len(closed) == 3:
            break
        await asyncio.sleep(0.005)
    assert closed == [
        ("anna", "anna ended it."),
        ("hubsec", "The time is over."),
        ("hubsec", f"{TWO} may not come back any more."),
    ]
