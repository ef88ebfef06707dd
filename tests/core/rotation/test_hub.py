"""A hub changes its network's key: planned, started, resumed, told, and refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hubsec import Hub
from hubsec.errors import HubsecError, NotEnforceable, Refused, RotationStopped, StoreError
from hubsec.events import (
    Evicted,
    Joined,
    KeyDelivered,
    KeyRotated,
    KeysDisagree,
    KeySent,
    Rejoined,
    RotationAbandoned,
    RotationOverdue,
    RotationResumed,
    RotationStarted,
    RotationStepped,
)
from hubsec.identity import CredentialKind, Mode
from hubsec.radio import Support
from hubsec.requests import JoinKind
from hubsec.rotation.journal import KeyRing, secret_name, unpack
from hubsec.rotation.shapes import Delivery, Outcome, Outlook, Step, Way
from hubsec.rotation.triggers import Need, Rotating, Trigger
from hubsec.secret import Secret
from hubsec.store.sealed import SecretKind
from hubsec.vault import Vault
from tests.core.hub.conftest import FakeRadio, collect, let_in
from tests.core.rotation.conftest import FAST, ROTATING, KeyedRadio, list_all
from tests.core.rotation.network import Lamp, name_of

ONE, TWO, THREE, SLEEPER = (name_of(number) for number in (1, 2, 3, 9))


async def ring_of(hub: Hub, radio: KeyedRadio) -> KeyRing:
    sealed = await hub._state.vault.get(SecretKind.NETWORK_KEY, secret_name(radio.network_id))
    assert sealed is not None
    return unpack(sealed, KeyRing)


@pytest.mark.usefixtures("awake")
@pytest.mark.parametrize("way", list(Way))
async def test_everybody_gets_the_key_and_it_is_told(hub: Hub, keyed: KeyedRadio, way: Way) -> None:
    told, old = collect(hub), keyed.key
    rotation = await hub.rotate(way=way, by="anna")
    assert hub.rotation() is not None
    ended = await rotation.ended()
    assert ended.outcome is Outcome.ROTATED
    assert set(ended.deliveries.values()) == {Delivery.CONFIRMED}
    kinds = [type(event) for event in told]
    assert kinds[0] is RotationStarted
    assert kinds.count(KeyRotated) == 1
    assert kinds.index(KeyRotated) > kinds.index(RotationStepped)
    assert {event.device for event in told if isinstance(event, KeyDelivered)} == {ONE, TWO, THREE, SLEEPER}
    assert {event.correlation for event in told} == {rotation.id}
    assert hub.rotation() is None
    assert await hub.rotations() == (ended,)
    ring = await ring_of(hub, keyed)
    assert ring.live is not None
    assert ring.live.key == Secret(keyed.key)
    assert ring.keys[0].key == Secret(old)
    assert ring.keys[0].until is not None
    assert await hub._state.vault.get(SecretKind.JOURNAL, secret_name(keyed.network_id)) is None
    keys = (await hub.posture()).networks[0].keys
    assert keys is not None
    assert keys.rotated
    assert keys.last == ended
    assert keys.stragglers == ()
    assert keys.under_way is None


async def overdue_of(hub: Hub, *, some: bool) -> tuple[str, ...]:
    """What is overdue, once there is something, or nothing."""
    for _ in range(500):
        keys = (await hub.posture()).networks[0].keys
        assert keys is not None
        if bool(keys.overdue) is some:
            return keys.overdue
        await asyncio.sleep(0.01)
    raise AssertionError(keys)


# The dry run


@pytest.mark.usefixtures("awake")
async def test_the_plan_says_what_becomes_of_each(hub: Hub, keyed: KeyedRadio) -> None:
    await list_all(hub, keyed, two=CredentialKind.APPROVAL)
    keyed.lamps[ONE].power = False
    plan = await hub.plan_rotation(way="unicast", leave_out=[THREE])
    assert {one.device: one.outlook for one in plan.devices} == {
        ONE: Outlook.LOST,
        TWO: Outlook.GETS_IT,
        THREE: Outlook.LEFT_OUT,
        SLEEPER: Outlook.WHEN_IT_WAKES,
    }
    assert [one.device for one in plan.devices if one.overheard] == [TWO]
    assert not plan.heals
    assert any("Lamp 01" in why for why in plan.why_not)
    assert any("Lamp 02" in why for why in plan.why_not)
    with pytest.raises(Refused, match="Lamp 01 would be lost"):
        await hub.rotate(plan)
    rotation = await hub.rotate(plan, anyway=True)
    ended = await rotation.ended()
    assert ended.stragglers == (ONE,)
    assert ended.deliveries[THREE] is Delivery.LEFT_OUT
    keys = (await hub.posture()).networks[0].keys
    assert keys is not None
    assert keys.stragglers == (ONE,)


async def test_a_plan_tells_how_far_it_is(hub: Hub) -> None:
    told: list[tuple[int, int]] = []
    await hub.plan_rotation(progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]


async def test_a_plan_that_is_out_of_date_is_refused(hub: Hub, keyed: KeyedRadio) -> None:
    plan = await hub.plan_rotation()
    keyed.joins(5)
    with pytest.raises(Refused, match="plan anew"):
        await hub.rotate(plan)


# Who can't


async def test_a_radio_without_keys_says_why(tmp_path: Path) -> None:
    radio = FakeRadio()
    async with Hub(radio, home=tmp_path / "hub") as hub:
        with pytest.raises(NotEnforceable, match="does not change") as missing:
            await hub.plan_rotation()
        assert missing.value.capability == "rotation"
    plain = FakeRadio()
    table = FakeRadio.capabilities
    no = type(table.rotation)(support=Support.NO, note="the key is set when forming")
    plain.capabilities = type(table)(  # type: ignore[misc]
        **{name: getattr(table, name) for name in table.__struct_fields__ if name != "rotation"}, rotation=no
    )
    async with Hub(plain, home=tmp_path / "other") as hub:
        with pytest.raises(NotEnforceable, match="set when forming"):
            await hub.rotate()


async def test_who_observes_plans_and_does_not_rotate(keyed: KeyedRadio, tmp_path: Path) -> None:
    async with Hub(keyed, home=tmp_path / "hub", mode=Mode.OBSERVE, rotating=ROTATING) as hub:
        await list_all(hub, keyed)
        plan = await hub.plan_rotation()
        with pytest.raises(Refused, match="observes"):
            await hub.rotate(plan, anyway=True)
        assert keyed.air.sent == []


async def test_one_at_a_time(hub: Hub) -> None:
    rotation = await hub.rotate(way="broadcast")
    with pytest.raises(Refused, match="under way"):
        await hub.rotate(way="broadcast")
    await rotation.abandon()
    assert rotation.progress.outcome is Outcome.ABANDONED


async def test_nothing_goes_out_when_the_journal_can_not_be_written(
    hub: Hub, keyed: KeyedRadio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreError("The disk is full.")

    monkeypatch.setattr("hubsec.store.store.Store.keep_rotation", full)
    with pytest.raises(StoreError):
        await hub.rotate(way="broadcast")
    assert keyed.air.sent == []


@pytest.mark.parametrize("way", ["shout", "", 3])
async def test_a_way_that_is_none(hub: Hub, way: str) -> None:
    with pytest.raises(HubsecError, match="broadcast, unicast"):
        await hub.plan_rotation(way=way)


# Across restarts


@pytest.mark.parametrize("step", [Step.STAGED, Step.DELIVERING, Step.SWITCHED, Step.CONFIRMING])
async def test_another_hub_goes_on_with_the_same_keys(keyed: KeyedRadio, tmp_path: Path, step: Step) -> None:
    slow = Rotating(pace=FAST, patience=0.4)
    reached = asyncio.Event()
    async with Hub(keyed, home=tmp_path / "hub", rotating=slow) as hub:
        await list_all(hub, keyed)
        hub.on(RotationStepped, lambda e: reached.set() if e.step == step else None)
        if step is Step.STAGED:
            keyed.down = False
            hub.on(RotationStarted, lambda _: reached.set())
        rotation = await hub.rotate(way="unicast", anyway=True)
        await asyncio.wait_for(reached.wait(), 10)
    with pytest.raises(HubsecError, match="opened again"):
        await rotation.ended()
    planned = {key for key, _ in keyed.air.sent}
    again = Hub(keyed, home=tmp_path / "hub", rotating=slow)
    told: list[RotationResumed] = []
    again.on(RotationResumed, told.append)
    async with again as hub:
        resumed = hub.rotation()
        assert resumed is not None
        assert resumed.id == rotation.id
        assert [(one.correlation, one.way, one.step) for one in told] == [
            (rotation.id, Way.UNICAST, rotation.progress.step)
        ]
        ended = await asyncio.wait_for(resumed.ended(), 10)
        assert ended.outcome is Outcome.ROTATED
        assert ended.stragglers == (SLEEPER,)
        assert len({key for key, _ in keyed.air.sent} | planned) == 2
        assert (await ring_of(hub, keyed)).live is not None


async def test_a_journal_that_can_not_be_read_stops_it(keyed: KeyedRadio, tmp_path: Path) -> None:
    async with Hub(keyed, home=tmp_path / "hub", rotating=ROTATING) as hub:
        await list_all(hub, keyed)
        await hub._state.vault.put(SecretKind.JOURNAL, secret_name(keyed.network_id), Secret(b"\x81\x01"))
    async with Hub(keyed, home=tmp_path / "hub", rotating=ROTATING) as hub:
        keys = (await hub.posture()).networks[0].keys
        assert keys is not None
        assert "can't be read" in keys.trouble
        with pytest.raises(StoreError, match="can't be read"):
            await hub.rotate(way="broadcast")
    assert keyed.air.sent == []


@pytest.mark.usefixtures("awake")
@pytest.mark.parametrize(("found", "says"), [(True, "old backup"), (False, "never seen")])
async def test_a_stick_with_another_key_is_told_at_the_next_start(
    keyed: KeyedRadio, tmp_path: Path, *, found: bool, says: str
) -> None:
    old = keyed.key
    async with Hub(keyed, home=tmp_path / "hub", rotating=ROTATING) as hub:
        await list_all(hub, keyed)
        await (await hub.rotate(way="broadcast")).ended()
    keyed.key = old if found else bytes(16)
    hub = Hub(keyed, home=tmp_path / "hub", rotating=ROTATING)
    told = collect(hub)
    async with hub:
        (disagree,) = [event for event in told if isinstance(event, KeysDisagree)]
        assert says in disagree.reason
        keys = (await hub.posture()).networks[0].keys
        assert keys is not None
        assert says in keys.trouble


async def test_a_key_is_sealed_when_it_is_first_seen(keyed: KeyedRadio, tmp_path: Path) -> None:
    """So a backup from before the first rotation is told from the network as it is."""
    async with Hub(keyed, home=tmp_path / "hub", rotating=ROTATING) as hub:
        live = (await ring_of(hub, keyed)).live
        assert live is not None
        assert (live.key, live.rotation) == (Secret(keyed.key), "")
    keyed.key = bytes(16)
    hub = Hub(keyed, home=tmp_path / "hub", rotating=ROTATING)
    told = collect(hub)
    async with hub:
        (disagree,) = [event for event in told if isinstance(event, KeysDisagree)]
        assert "backup of hubsec's folder" in disagree.reason
        assert (await ring_of(hub, keyed)).live == live


async def test_a_key_that_can_not_be_sealed_puts_out_no_lights(
    keyed: KeyedRadio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise StoreError("The disk is full.")

    monkeypatch.setattr(Vault, "put", full)
    async with Hub(keyed, home=tmp_path / "hub", rotating=ROTATING) as hub:
        keys = (await hub.posture()).networks[0].keys
        assert keys is not None
        assert not keys.trouble


async def test_what_has_stopped_can_be_abandoned(keyed: KeyedRadio, tmp_path: Path) -> None:
    async with Hub(keyed, home=tmp_path / "hub", rotating=Rotating(pace=FAST, patience=60)) as hub:
        await list_all(hub, keyed)
        told = asyncio.Event()
        hub.on(RotationStepped, lambda _: told.set())
        await hub.rotate(way="unicast")
        await told.wait()
    keyed.key = bytes(range(16))
    async with Hub(keyed, home=tmp_path / "hub", rotating=ROTATING) as hub:
        events = collect(hub)
        rotation = hub.rotation()
        assert rotation is not None
        with pytest.raises(RotationStopped, match="neither"):
            await rotation.ended()
        await rotation.abandon(by="anna")
        assert [type(event) for event in events if not isinstance(event, KeysDisagree)] == [RotationAbandoned]
        live = (await ring_of(hub, keyed)).live
        assert live is not None
        assert live.key == Secret(bytes(range(16)))
        assert hub.rotation() is None
        await (await hub.rotate(way="broadcast", anyway=True)).abandon()


# Who comes and goes meanwhile


async def test_who_is_admitted_meanwhile_gets_the_next_key(keyed: KeyedRadio, tmp_path: Path) -> None:
    async with Hub(keyed, home=tmp_path / "hub", rotating=Rotating(pace=FAST, patience=60)) as hub:
        await list_all(hub, keyed)
        rotation = await hub.rotate(way="unicast")
        new = Lamp(1)
        assert new.identity in keyed.lamps
        del keyed.lamps[SLEEPER]
        await let_in(hub, keyed)
        hub._state.publish(
            Joined(time=0, radio="fake", device=SLEEPER, name="New", credential=CredentialKind.INSTALL_CODE)
        )
        keyed.joins(9)
        ended = await asyncio.wait_for(rotation.ended(), 10)
        assert ended.names[SLEEPER] == "New"
        assert set(ended.deliveries.values()) == {Delivery.CONFIRMED}


async def test_nobody_is_admitted_while_it_switches(hub: Hub, keyed: KeyedRadio) -> None:
    del keyed.lamps[SLEEPER]
    keyed.seen = keyed.seen[:3]
    tried: list[str] = []

    def try_to_admit(what: str, _key: bytes) -> None:
        if what == "switch":
            tasks.append(asyncio.ensure_future(admit()))

    async def admit() -> None:
        with pytest.raises(Refused, match="being switched") as refused:
            async with hub.admit("83FED3407A939723A5C639B26916D505C3B5", device=name_of(7), name="Late"):
                pass
        tried.append(refused.value.rule)

    tasks: list[asyncio.Future[None]] = []
    keyed.check = try_to_admit
    await (await hub.rotate(way="unicast")).ended()
    await asyncio.gather(*tasks)
    assert tried == ["rotation", "rotation"]
    async with hub.admit("83FED3407A939723A5C639B26916D505C3B5", device=name_of(7), name="Late"):
        pass


async def about_to_switch(hub: Hub) -> None:
    for _ in range(1000):
        if hub._authorities["fake"].switching:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("It waits for admissions, and lets others begin.")


async def test_admissions_one_after_the_other_do_not_put_the_switch_off(
    keyed: KeyedRadio, tmp_path: Path
) -> None:
    del keyed.lamps[SLEEPER]
    keyed.seen = keyed.seen[:3]
    code = "83FED3407A939723A5C639B26916D505C3B5"
    async with Hub(keyed, home=tmp_path / "hub", rotating=Rotating(pace=FAST, patience=60)) as hub:
        await list_all(hub, keyed)
        async with hub.admit(code, device=name_of(7), name="First"):
            rotation = await hub.rotate(way="broadcast")
            await about_to_switch(hub)
            with pytest.raises(Refused, match="the admissions that are open have ended"):
                async with hub.admit(code, device=name_of(8), name="Second"):
                    pytest.fail("the switch would wait for it, too")
            assert "switch_key" not in keyed.key_calls
        assert (await asyncio.wait_for(rotation.ended(), 10)).outcome is Outcome.ROTATED
        async with hub.admit(code, device=name_of(8), name="Second"):
            pass


async def test_who_gives_it_up_while_it_waits_for_an_admission_lets_others_in_again(
    hub: Hub, keyed: KeyedRadio
) -> None:
    code = "83FED3407A939723A5C639B26916D505C3B5"
    async with hub.admit(code, device=name_of(7), name="First"):
        rotation = await hub.rotate(way="broadcast", patience=0.1)
        await about_to_switch(hub)
        await rotation.abandon()
        async with hub.admit(code, device=name_of(8), name="Second"):
            assert "switch_key" not in keyed.key_calls


@pytest.mark.usefixtures("awake")
async def test_who_is_quarantined_after_the_plan_is_sent_nothing(hub: Hub, keyed: KeyedRadio) -> None:
    plan = await hub.plan_rotation(way="unicast")
    await hub.quarantine(SLEEPER, "It lies.")
    keyed.air.sent.clear()
    ended = await (await hub.rotate(plan)).ended()
    assert ended.deliveries[SLEEPER] is Delivery.LEFT_OUT
    assert SLEEPER not in {under for _, under in keyed.air.sent}
    assert not keyed.lamps[SLEEPER].holds(keyed.key)


# What makes it due


async def test_an_eviction_stands_until_it_is_rotated_out(keyed: KeyedRadio, tmp_path: Path) -> None:
    del keyed.lamps[SLEEPER]
    home = tmp_path / "hub"
    async with Hub(keyed, home=home, rotating=ROTATING) as hub:
        await list_all(hub, keyed)
        overdue = asyncio.Event()
        hub.on(RotationOverdue, lambda _: overdue.set())
        await hub.evict(THREE)
        await asyncio.wait_for(overdue.wait(), 10)
    async with Hub(keyed, home=home, rotating=ROTATING) as hub:
        assert THREE in (await overdue_of(hub, some=True))[0]
        plan = await hub.plan_rotation()
        assert plan.way is Way.UNICAST
        assert plan.heals
        await (await hub.rotate(plan)).ended()
        assert not keyed.lamps[THREE].holds(keyed.key)
        assert await overdue_of(hub, some=False) == ()


@pytest.mark.parametrize("overheard", [False, True])
async def test_an_eviction_starts_one_only_where_that_heals(
    keyed: KeyedRadio, tmp_path: Path, *, overheard: bool
) -> None:
    del keyed.lamps[SLEEPER]
    rotating = Rotating(pace=FAST, patience=0.5, after_eviction=True)
    async with Hub(keyed, home=tmp_path / "hub", rotating=rotating) as hub:
        await list_all(hub, keyed, **({"two": CredentialKind.APPROVAL} if overheard else {}))
        told = collect(hub)
        done = asyncio.Event()
        hub.on(RotationOverdue if overheard else KeyRotated, lambda _: done.set())
        await hub.evict(THREE)
        await asyncio.wait_for(done.wait(), 10)
        kinds = {type(event) for event in told}
        assert (RotationOverdue in kinds) is overheard
        assert (RotationStarted in kinds) is not overheard
        assert keyed.lamps[THREE].holds(keyed.key) is overheard


@pytest.mark.parametrize("old", [False, True])
async def test_age_starts_a_broadcast_where_it_was_asked_for(
    keyed: KeyedRadio, tmp_path: Path, *, old: bool
) -> None:
    del keyed.lamps[SLEEPER]
    now = 1_700_000_000.0
    rotating = Rotating(pace=FAST, patience=0.5, after_age=30 * 24 * 3600.0 if old else None)
    async with Hub(keyed, home=tmp_path / "hub", rotating=rotating, clock=lambda: now) as hub:
        await list_all(hub, keyed)
    later = now + 31 * 24 * 3600
    hub = Hub(keyed, home=tmp_path / "hub", rotating=rotating, clock=lambda: later)
    ended = asyncio.Event()
    hub.on(KeyRotated, lambda _: ended.set())
    async with hub:
        if old:
            await asyncio.wait_for(ended.wait(), 10)
            assert (await hub.rotations())[0].way is Way.BROADCAST
        else:
            await asyncio.sleep(0.1)
            assert await hub.rotations() == ()


# Stragglers


@pytest.mark.parametrize("comes", [False, True])
async def test_who_comes_back_is_no_straggler_any_more(hub: Hub, keyed: KeyedRadio, *, comes: bool) -> None:
    ended = await (await hub.rotate(way="broadcast")).ended()
    assert ended.stragglers == (SLEEPER,)
    await (await hub.rotate(way="broadcast", anyway=True)).abandon()
    if comes:
        keyed.tell(Rejoined(time=0, radio="fake", device=SLEEPER, kind=JoinKind.SECURED_REJOIN))
        await asyncio.sleep(0.1)
    keys = (await hub.posture()).networks[0].keys
    assert keys is not None
    assert keys.stragglers == (() if comes else (SLEEPER,))


async def test_an_eviction_is_written_down_before_the_device_is_told(
    hub: Hub, keyed: KeyedRadio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreError("The disk is full.")

    monkeypatch.setattr("hubsec.store.store.Store.need", full)
    with pytest.raises(StoreError):
        await hub.evict(ONE)
    assert "evict" not in keyed.calls
    assert ONE in hub.allowlist


async def test_who_observes_leaves_a_rotation_to_one_that_enforces(keyed: KeyedRadio, tmp_path: Path) -> None:
    async with Hub(keyed, home=tmp_path / "hub", rotating=ROTATING) as hub:
        await list_all(hub, keyed)
        await hub.rotate(way="broadcast")
    sent = len(keyed.air.sent)
    async with Hub(keyed, home=tmp_path / "hub", rotating=ROTATING, mode=Mode.OBSERVE) as hub:
        keys = (await hub.posture()).networks[0].keys
        assert keys is not None
        assert "only observes" in keys.trouble
        assert hub.rotation() is None
    assert len(keyed.air.sent) == sent


async def test_whoever_stops_waiting_for_its_beginning_has_begun_it(hub: Hub, keyed: KeyedRadio) -> None:
    plan = await hub.plan_rotation(way="broadcast")
    beginning = asyncio.ensure_future(hub.rotate(plan))
    calls = len(keyed.key_calls)
    for _ in range(1000):
        if len(keyed.key_calls) >= calls + 2:
            break
        await asyncio.sleep(0.001)
    beginning.cancel()
    await asyncio.gather(beginning, return_exceptions=True)
    started = asyncio.Event()
    hub.on(RotationStarted, lambda _: started.set())
    await asyncio.wait_for(started.wait(), 10)
    rotation = hub.rotation()
    assert rotation is not None
    assert (await rotation.ended()).outcome is Outcome.ROTATED


async def test_a_need_is_written_down_however_soon_the_hub_closes(keyed: KeyedRadio, tmp_path: Path) -> None:
    home = tmp_path / "hub"
    async with Hub(keyed, home=home, rotating=ROTATING) as hub:
        await list_all(hub, keyed)
        hub._state.publish(
            Evicted(
                time=0,
                radio="fake",
                device=THREE,
                reason="It lies.",
                confirmed=True,
                still_holds_network_key=True,
            )
        )
    async with Hub(keyed, home=home, rotating=ROTATING) as hub:
        assert [need.device for need in await needs_of(hub)] == [THREE]


async def needs_of(hub: Hub) -> tuple[Need, ...]:
    return await hub.store.run(lambda store: store.needs(), writes=False)


async def test_who_is_put_out_again_with_the_new_key_is_still_to_be_rotated_out(
    keyed: KeyedRadio, tmp_path: Path
) -> None:
    async with Hub(keyed, home=tmp_path / "hub", rotating=Rotating(pace=FAST, patience=1.0)) as hub:
        await list_all(hub, keyed)
        await hub.evict(THREE)
        await overdue_of(hub, some=True)
        await list_all(hub, keyed)  # It is let in anew.
        sent = asyncio.Event()
        hub.on(KeyDelivered, lambda e: sent.set() if e.device == THREE else None)
        rotation = await hub.rotate(way="unicast")
        await asyncio.wait_for(sent.wait(), 10)
        await hub.evict(THREE)
        await rotation.ended()
        assert keyed.lamps[THREE].holds(keyed.key)
        assert [need.device for need in await needs_of(hub)] == [THREE]


@pytest.mark.usefixtures("awake")
@pytest.mark.parametrize("again", [False, True])
async def test_what_is_exposed_meanwhile_stays_exposed(hub: Hub, keyed: KeyedRadio, *, again: bool) -> None:
    await hub._authorities["fake"]._expose("Somebody listened.")
    await overdue_of(hub, some=True)
    rotation = await hub.rotate()
    assert rotation.progress.way is Way.UNICAST
    if again:
        hub._state.publish(
            KeySent(
                time=0,
                radio="fake",
                device=name_of(7),
                rule="approval",
                reason="By approval.",
                credential=CredentialKind.APPROVAL,
                exposed=True,
            )
        )
    assert (await rotation.ended()).outcome is Outcome.ROTATED
    assert (await hub.posture()).networks[0].exposed is again
    assert bool(await overdue_of(hub, some=again)) is again


async def test_a_clock_that_is_set_back_rotates_nobody_twice(keyed: KeyedRadio, tmp_path: Path) -> None:
    del keyed.lamps[SLEEPER]
    now = 1_700_000_000.0
    rotating = Rotating(pace=FAST, patience=0.5, after_eviction=True)
    async with Hub(keyed, home=tmp_path / "hub", rotating=rotating, clock=lambda: now) as hub:
        await list_all(hub, keyed)
        ended = asyncio.Event()
        hub.on(RotationStarted, lambda _: ended.set())
        await hub.store.run(
            lambda store: store.need(
                Need(
                    network_id=keyed.network_id,
                    trigger=Trigger.EVICTION,
                    device=name_of(8),
                    since=now + 86_400,
                    reason="It was put out, by a clock that was ahead.",
                )
            )
        )
        await hub._rotations.look(hub._authorities["fake"])
        rotation = hub.rotation()
        assert rotation is not None
        await rotation.ended()
        assert await needs_of(hub) == ()
        await asyncio.sleep(0.05)
        assert len(await hub.rotations()) == 1


async def test_what_was_given_up_does_not_begin_by_itself_once_more(
    keyed: KeyedRadio, tmp_path: Path
) -> None:
    rotating = Rotating(pace=FAST, patience=60.0, after_eviction=True)
    async with Hub(keyed, home=tmp_path / "hub", rotating=rotating) as hub:
        await list_all(hub, keyed)
        started = asyncio.Event()
        hub.on(RotationStarted, lambda _: started.set())
        await hub.evict(THREE)
        await asyncio.wait_for(started.wait(), 10)
        rotation = hub.rotation()
        assert rotation is not None
        await rotation.abandon(by="anna")
        assert "given up" in (await overdue_of(hub, some=True))[-1]
        assert hub.rotation() is None
        assert [one.outcome for one in await hub.rotations()] == [Outcome.ABANDONED]
