"""What an open hub writes into its log, what it counts instead, and what it says of a disk that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from hubsec import Hub, __version__, recorder
from hubsec.audit import Act, Channel, Kind
from hubsec.audit.records import draft
from hubsec.buckets import Bucket
from hubsec.decisions import Allow, Deny, Quarantine
from hubsec.errors import HubsecError, RadioError, StoreError
from hubsec.events import (
    AdmissionClosed,
    Event,
    Joined,
    Left,
    ListeningClosed,
    StoreAlarm,
    StoreRecovered,
)
from hubsec.identity import Identity, Mode, Network, Standing
from hubsec.replay import Replay
from hubsec.requests import JoinKind, JoinRequest, OpenKind, OpenRequest, PresenceRequest
from hubsec.store import Store
from hubsec.streams import SubscriptionError
from tests.core.hub.conftest import CODE, LAMP, STICKER, STRANGER, FakeRadio, collect, let_in

KEY = "66B6900981E1EE3CA4206B6B861C02BB"


async def logged(hub: Hub, *kinds: Kind) -> list[dict[str, Any]]:
    """The bodies of what the log has, in its order."""
    return [record.fields() for record in await hub.store.audit(kinds=kinds, limit=10_000)]


def left(device: Identity = LAMP) -> Left:
    return Left(time=1.0, radio="fake", device=device)


# What is written


async def test_a_life_in_records(hub: Hub, radio: FakeRadio) -> None:
    await let_in(hub, radio, by="Ada")
    async with hub.listen(10, by="Ada"):
        pass
    await hub.quarantine(LAMP, "It behaves oddly.", by="Bob")
    await hub.release(LAMP, by="Bob")
    await hub.evict(LAMP, by="Bob", reason="Sold.")
    acts = await logged(hub, Kind.ACT)
    assert [(act["act"], act["by"], act["channel"]) for act in acts] == [
        ("hub-opened", "program", "api"),
        ("network-met", "hubsec", "hub"),
        ("network-adopted", "hubsec: it formed the network itself", "hub"),
        ("admission-opened", "Ada", "api"),
        ("admission-closed", "hubsec", "hub"),
        ("listening-opened", "Ada", "api"),
        ("listening-closed", "Ada", "api"),
        ("evict", "Bob", "api"),
    ]
    assert acts[0]["details"] == {
        "mode": "enforce",
        "policy_name": "home",
        "version": __version__,
        "after": 0,
    }
    assert acts[-1]["reason"] == "Sold."
    changes = await logged(hub, Kind.CHANGE)
    assert [(change["change"], change["by"], change["channel"]) for change in changes] == [
        ("added", "Ada", "api"),
        ("joined", "hubsec", "hub"),
        ("changed", "hubsec", "hub"),
        ("changed", "hubsec", "hub"),
        ("quarantined", "Bob", "api"),
        ("released", "Bob", "api"),
        ("revoked", "Bob", "api"),
    ]
    assert changes[4]["entry"]["quarantined"] == "It behaves oddly."
    decisions = await logged(hub, Kind.DECISION)
    assert [(one["by"], one["channel"]) for one in decisions] == [(LAMP, "radio"), (LAMP, "radio")]
    everything = [*acts, *changes, *decisions]
    assert {one["policy"] for one in everything} == {hub.policy.hash}


async def test_every_event_is_written_with_its_story(hub: Hub, radio: FakeRadio) -> None:
    events = collect(hub)
    await let_in(hub, radio)
    await hub.store.tail()
    records = await hub.store.audit(kinds=[Kind.EVENT], limit=1000)
    told = [type(event).__struct_config__.tag for event in events]
    assert [record.fields()["event"] for record in records][-len(told) :] == told
    assert len({record.correlation for record in records[1:]}) == 1
    assert {record.device for record in records[1:]} == {LAMP}


async def test_an_admission_is_on_record_before_the_radio_hears_of_it(hub: Hub, radio: FakeRadio) -> None:
    radio.held["admit"] = asyncio.Event()
    admission = hub.admit(STICKER, name="Hall lamp")
    opening = asyncio.create_task(admission.__aenter__())
    while "admit" not in radio.calls:  # noqa: ASYNC110 - the radio has nothing to wait for
        await asyncio.sleep(0.001)
    (act,) = [one for one in await logged(hub, Kind.ACT) if one["act"] == "admission-opened"]
    assert (act["device"], act["correlation"]) == (LAMP, admission.id)
    radio.held["admit"].set()
    await opening
    await admission.__aexit__(None, None, None)


@pytest.mark.parametrize(
    ("how", "by", "outcome"),
    [
        ("joined", "hubsec", "joined"),
        ("left", "Ada", "cancelled"),
        ("evicted", "Bob", "refused"),
        ("time", "hubsec", "expired"),
        ("radio", "hubsec", "failed"),
    ],
)
async def test_an_admission_closes_on_record(
    hub: Hub, radio: FakeRadio, how: str, by: str, outcome: str
) -> None:
    admission = hub.admit(STICKER, name="Hall lamp", by="Ada")
    await admission.__aenter__()
    match how:
        case "joined":
            await radio.join(LAMP)
            await radio.exchange(LAMP)
            await admission.joined()
        case "evicted":
            await hub.evict(LAMP, by="Bob", reason="Sold.")
        case "time":
            hub._admissions._time_is_up(hub._admissions._running[LAMP])
        case "radio":
            radio.raises["admit"] = RadioError("It has no room.")
            await admission.__aexit__(None, None, None)
            admission = hub.admit(STICKER, name="Hall lamp", by="Ada")
            with pytest.raises(RadioError):
                await admission.__aenter__()
        case _:
            pass
    await admission.__aexit__(None, None, None)
    act = [act for act in await logged(hub, Kind.ACT) if act["correlation"] == admission.id][-1]
    assert (act["act"], act["by"], act["details"]) == ("admission-closed", by, {"outcome": outcome})
    assert (act["device"], act["correlation"], act["reason"]) == (LAMP, admission.id, admission.reason)
    assert admission.reason


async def test_a_listening_window_closes_on_record(hub: Hub, radio: FakeRadio) -> None:
    for reason, by in (
        ("Its block was left.", "Ada"),
        ("Its 0.01 s are over.", "hubsec"),
        ("The firmware shut it.", "hubsec"),
    ):
        newest = hub.store.newest
        async with hub.listen(0.01 if "over" in reason else 60, by="Ada") as knocks:
            if "over" in reason:
                assert [knock async for knock in knocks] == []
            elif "firmware" in reason:
                radio.tell(ListeningClosed(time=1.0, radio="fake", reason=reason))
        acts = [record.fields() for record in await hub.store.audit(newest, kinds=[Kind.ACT])]
        assert [(act["act"], act["by"]) for act in acts] == [
            ("listening-opened", "Ada"),
            ("listening-closed", by),
        ]
        assert acts[1]["reason"] == reason
    radio.raises["listen"] = RadioError("It does not hear.")
    with pytest.raises(RadioError):
        async with hub.listen(60, by="Ada"):
            pytest.fail("open")
    acts = await logged(hub, Kind.ACT)
    assert [act["act"] for act in acts[-2:]] == ["listening-opened", "listening-closed"]


@pytest.mark.parametrize(
    ("asker", "network", "channel"),
    [
        ("host", Network.ZIGBEE, "host"),
        ("host", Network.ZWAVE, "host"),
        ("00:12:4b:00:00:00:00:05", Network.ZIGBEE, "radio"),
        ("client:kitchen#1", Network.ZWAVE, "gate"),
    ],
)
async def test_who_asks_to_open_says_by_which_channel(
    hub: Hub, radio: FakeRadio, asker: str, network: Network, channel: str
) -> None:
    await radio.asked.judge(
        OpenRequest(radio="fake", network=network, kind=OpenKind.PERMIT, asker=asker, seconds=60)
    )
    (record,) = await hub.store.decisions()
    assert (record.by, record.channel) == (asker, channel)


async def test_what_a_hub_is_opened_as_is_in_its_records(radio: FakeRadio, tmp_path: Path) -> None:
    async with Hub(radio, home=tmp_path / "hub", channel=Channel.HOME_ASSISTANT, mode=Mode.OBSERVE) as hub:
        await hub.allowlist.approve(LAMP, network=Network.ZIGBEE, label="Lamp", by="Ada")
        await hub.allowlist.approve(STRANGER, network=Network.ZIGBEE, label="Plug", by="client:kitchen#1")
        assert [one["channel"] for one in await logged(hub, Kind.CHANGE)] == ["home-assistant", "gate"]
        assert (await hub.store.changes(LAMP))[0].channel is Channel.HOME_ASSISTANT
        assert (await logged(hub, Kind.ACT))[0]["details"]["mode"] == "observe"
    with pytest.raises(HubsecError, match="home-assistant"):
        Hub(radio, channel="telepathy")  # type: ignore[arg-type]


async def test_a_hub_that_closes_signs_what_it_wrote(radio: FakeRadio, tmp_path: Path) -> None:
    async with Hub(radio, home=tmp_path / "hub") as hub:
        await let_in(hub, radio)
    with Store(tmp_path / "hub", read_only=True) as store:
        found = store.verify()
        assert found.signed_to == found.last - 1
        assert store.newest_records(kinds=[Kind.ACT], limit=1)[0].fields()["act"] == "hub-closed"
    async with Hub(FakeRadio(), home=tmp_path / "hub") as hub:
        await hub.store.act(Act(act="test", by="Ada"), at=1.0)
    with Store(tmp_path / "hub", read_only=True) as store:
        again = store.verify()
        assert again.keys == found.keys
        assert again.last > found.last


async def test_nothing_in_the_log_is_secret(hub: Hub, radio: FakeRadio) -> None:
    await let_in(hub, radio)
    await hub.evict(LAMP)
    await hub.store.checkpoint(at=1.0)
    text = "\n".join(record.body for record in await hub.store.audit(limit=1000)).casefold()
    assert LAMP in text
    assert not any(secret.casefold() in text for secret in (KEY, CODE, STICKER, CODE[:-4]))
    signer = await hub.store.run(lambda store: store._signer())
    assert signer is not None
    assert signer._key.private_bytes_raw().hex() not in text


# Floods


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """Allowances of five, that do not grow."""
    monkeypatch.setattr(recorder, "AT_ONCE", 5)
    monkeypatch.setattr(recorder, "PER_SECOND", 0.0)
    return 5


@pytest.fixture
async def flooded(few: int, radio: FakeRadio, tmp_path: Path) -> AsyncIterator[Hub]:
    async with Hub(radio, home=tmp_path / "flooded") as hub:
        for number in range(20):
            device = Identity(f"00:12:4b:00:00:00:01:{number % 7:02x}")
            assert isinstance(await radio.join(device), Deny)
        yield hub


async def test_a_flood_of_refusals_is_counted(flooded: Hub, radio: FakeRadio, few: int) -> None:
    assert len(await flooded.store.decisions()) == few
    assert [one["act"] for one in await logged(flooded, Kind.ACT)][-1] == "decisions-are-counted"
    events = [one for one in await logged(flooded, Kind.EVENT) if one["event"] == "denied"]
    assert len(events) == few
    # Who is let in meanwhile is written down, each time.
    await let_in(flooded, radio)
    assert [type(one.decision) for one in await flooded.store.decisions(LAMP)] == [Allow, Allow]
    counted = flooded._state.recorder
    counted._tell_count()
    last = (await logged(flooded, Kind.ACT))[-1]
    assert (last["act"], last["details"]["decisions"], last["details"]["devices"]) == (
        "decisions-counted",
        15,
        7,
    )
    assert last["details"]["rules"]
    # When none came for a while, that is over, and the next one is announced anew.
    counted._tell_count()
    assert counted._counted is None
    await radio.join(STRANGER)
    assert [one["act"] for one in await logged(flooded, Kind.ACT)][-1] == "decisions-are-counted"


async def test_who_makes_up_addresses_is_counted_and_shut_off_all_the_same(
    flooded: Hub, radio: FakeRadio, few: int
) -> None:
    device = Identity("00:12:4b:00:00:00:02:00")
    request = PresenceRequest(radio="fake", network=Network.ZIGBEE, device=device)
    assert isinstance(await radio.asked.judge(request), Quarantine)
    assert radio.asked.standing(device) is Standing.QUARANTINED
    assert len(await flooded.store.decisions()) == few


async def test_what_was_counted_is_told_at_the_end(few: int, radio: FakeRadio, tmp_path: Path) -> None:
    async with Hub(radio, home=tmp_path / "hub"):
        for _ in range(9):
            await radio.join(STRANGER)
    with Store(tmp_path / "hub", read_only=True) as store:
        acts = [one.fields() for one in store.newest_records(kinds=[Kind.ACT], limit=3)]
    told = {act["act"]: act["details"] for act in acts}
    assert told["decisions-counted"]["decisions"] == 9 - few
    assert told["events-counted"] == {"event": "denied", "count": 9 - few}
    assert acts[-1]["act"] == "hub-closed"


async def test_an_allowance_that_has_grown_again_tells_what_was_passed_over(
    few: int, hub: Hub, radio: FakeRadio
) -> None:
    for _ in range(few + 3):
        radio.tell(left())
    hub._state.recorder._allowances[Left] = Bucket(5, 0.0)
    radio.tell(left())
    records = await hub.store.audit(limit=1000)
    act, event = (record.fields() for record in records[-2:])
    assert act["details"] == {"event": "left", "count": 3}
    assert event["event"] == "left"


async def test_a_flood_that_can_not_be_announced_is_refused_all_the_same(
    few: int, flooded: Hub, radio: FakeRadio, monkeypatch: pytest.MonkeyPatch
) -> None:
    flooded._state.recorder._tell_count()
    flooded._state.recorder._tell_count()
    monkeypatch.setattr(flooded.store, "act", failing)
    request = JoinRequest(radio="fake", network=Network.ZIGBEE, device=STRANGER, kind=JoinKind.JOIN)
    for _ in range(2):
        with pytest.raises(StoreError):
            await radio.asked.judge(request)


# A disk that fails


async def failing(*_: object, **__: object) -> int:
    raise StoreError("The disk is full: make room.")


def full(store: Store) -> None:
    with store._database.reading() as connection:
        connection.execute("PRAGMA query_only = ON")


def freed(store: Store) -> None:
    with store._database.reading() as connection:
        connection.execute("PRAGMA query_only = OFF")


async def test_while_nothing_can_be_written_nothing_opens_and_who_is_there_goes_on(
    hub: Hub, radio: FakeRadio
) -> None:
    await let_in(hub, radio)
    events, newest = collect(hub), (await hub.store.tail())[0]
    await hub.store.run(full, writes=False)
    calls = len(radio.calls)
    with pytest.raises(StoreError):
        async with hub.admit(STICKER, name="Again"):
            pytest.fail("open")
    with pytest.raises(StoreError):
        async with hub.listen(10):
            pytest.fail("open")
    for what in (
        lambda: hub.evict(LAMP),
        lambda: hub.quarantine(LAMP, "odd"),
        lambda: hub.allowlist.approve(STRANGER, network=Network.ZIGBEE, label="Plug", by="Ada"),
    ):
        with pytest.raises(StoreError):
            await what()
    assert isinstance(await radio.join(STRANGER), Deny)
    assert {"admit", "evict"}.isdisjoint(radio.calls[calls:])
    assert radio.listening == 0
    assert radio.asked.standing(LAMP) is Standing.APPROVED
    assert (await hub.store.tail())[0] == newest
    assert hub._state.alarm is not None
    assert [type(event) for event in events].count(StoreAlarm) == 1
    # And on it goes, with what was lost.
    await hub.store.run(freed, writes=False)
    lost = len([event for event in events if not isinstance(event, StoreRecovered)])
    await hub.quarantine(LAMP, "odd")
    (recovered,) = [event for event in events if isinstance(event, StoreRecovered)]
    assert (recovered.after, recovered.unwritten) == (newest, lost)
    assert hub._state.alarm is None
    after = await hub.store.audit(newest, limit=10)
    assert [record.kind for record in after][:2] == [Kind.CHANGE, Kind.EVENT]
    assert after[1].fields()["event"] == "store-recovered"
    assert (await hub.store.run(lambda store: store.verify(), writes=False)).last >= newest + 2


async def test_a_full_disk_keeps_nothing_open_and_what_closed_is_on_record_once_there_is_room(
    hub: Hub, radio: FakeRadio
) -> None:
    admission = hub.admit(STICKER, name="Hall lamp", by="Ada")
    await admission.__aenter__()
    async with hub.listen(60, by="Ada"):
        newest = (await hub.store.tail())[0]
        await hub.store.run(full, writes=False)
    await admission.__aexit__(None, None, None)
    assert (radio.orders, radio.listening) == ({}, 0)
    assert isinstance(await radio.join(LAMP), Deny)
    assert hub._state.alarm is not None
    assert (await hub.store.tail())[0] == newest
    await hub.store.run(freed, writes=False)
    await hub.store.act(Act(act="test", by="Ada"), at=1.0)
    assert hub._state.alarm is not None, "that was not the hub's own"
    await hub._state.acted(Act(act="test", by="Ada"))
    await hub.store.tail()
    acts = [record.fields() for record in await hub.store.audit(newest, kinds=[Kind.ACT])]
    assert [act["act"] for act in acts] == ["test", "test", "listening-closed", "admission-closed"]
    assert {act["by"] for act in acts[2:]} == {"Ada"}


async def test_a_disk_that_failed_is_tried_again(
    hub: Hub, radio: FakeRadio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "PROBE_SECONDS", 0.01)
    async with hub.events(StoreRecovered) as recovered:
        await hub.store.run(full, writes=False)
        radio.tell(left())
        async with asyncio.timeout(20):
            while hub._state.alarm is None:  # noqa: ASYNC110 - that is what is tested
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.03)
            await hub.store.run(freed, writes=False)
            event = await anext(recovered)
    assert event.unwritten == 2
    assert (await logged(hub, Kind.ACT))[-1]["act"] == "store-tried"


async def test_nothing_is_decided_before_it_is_on_record_who_decides(
    radio: FakeRadio, tmp_path: Path
) -> None:
    async with Hub(radio, home=tmp_path / "hub"):
        pass
    radio = FakeRadio()
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr("hubsec.store.AsyncStore.act", failing)
        hub = Hub(radio, policy="strict", home=tmp_path / "hub")
        await hub.__aenter__()
        assert isinstance(await radio.join(STRANGER), Deny)
        assert await hub.store.decisions() == ()
    await radio.join(STRANGER)
    acts, (decision,) = await logged(hub, Kind.ACT), await hub.store.decisions()
    opened = next(act for act in reversed(acts) if act["act"] == "hub-opened")
    assert opened["policy"] == decision.policy == hub.policy.hash
    await hub.__aexit__(None, None, None)


async def test_a_clock_that_was_set_back_harms_no_record(radio: FakeRadio, tmp_path: Path) -> None:
    now = [1_000_000.0]
    async with Hub(radio, home=tmp_path / "hub", clock=lambda: now[0]) as hub:
        await let_in(hub, radio)
        now[0] = 5.0
        await hub.quarantine(LAMP, "odd")
        assert [change.change for change in await hub.store.changes(limit=1)] == ["quarantined"]
    with Store(tmp_path / "hub", read_only=True) as store:
        assert store.verify().records > 10


# Replays


async def take(replay: Replay[Any], count: int) -> list[tuple[int, Event]]:
    async with asyncio.timeout(20):
        return [(replay.seq, event) async for event, _ in zip_async(replay, count)]


async def zip_async(replay: Replay[Any], count: int) -> AsyncIterator[tuple[Event, int]]:
    for number in range(count):
        yield await anext(replay), number


async def test_a_replay_goes_from_the_past_into_the_present(hub: Hub, radio: FakeRadio) -> None:
    heard = collect(hub)
    await let_in(hub, radio)
    async with hub.events(Event, since=0) as replay:
        radio.tell(left())
        radio.tell(left(STRANGER))
        # The first is from before anybody listened.
        got = [event for _, event in await take(replay, len(heard) + 1)]
        assert got[1:] == heard
        radio.tell(left())
        (seq, event), *_ = await take(replay, 1)
        assert event == heard[-1]
        (record,) = await hub.store.audit(seq - 1, limit=1)
        assert record.fields()["event"] == "left"
    async with hub.events(Event, since=seq) as replay:
        radio.tell(left(STRANGER))
        assert [event for _, event in await take(replay, 1)] == [heard[-1]]


async def test_a_replay_is_of_a_type(hub: Hub, radio: FakeRadio) -> None:
    await let_in(hub, radio)
    async with hub.events(Joined, since=0) as replay:
        radio.tell(left())
        ((seq, event),) = await take(replay, 1)
        assert isinstance(event, Joined)
        assert (await hub.store.audit(seq - 1, limit=1))[0].fields()["event"] == "joined"


@pytest.mark.parametrize("page", [1, 3, 1000])
async def test_a_reader_that_falls_behind_misses_nothing_and_gets_nothing_twice(
    hub: Hub, radio: FakeRadio, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr("hubsec.replay.PAGE", page)
    async with hub.events(Left, since=0, capacity=4) as replay:
        seqs = []
        for burst in (3, 30, 1, 5, 4, 0, 50):
            for _ in range(burst):
                radio.tell(left())
            if burst % 2:
                await hub.store.tail()
            seqs += [seq for seq, _ in await take(replay, burst)]
        assert replay.dropped == 0
        assert len(replay._told) <= 4
    stored = [one.seq for one in await hub.store.audit(kinds=[Kind.EVENT], limit=1000) if "left" in one.body]
    assert seqs == stored
    assert len(seqs) == 93


async def test_what_could_not_be_written_is_passed_on_without_a_number(hub: Hub, radio: FakeRadio) -> None:
    async with hub.events(Event, since=(await hub.store.tail())[0]) as replay:
        radio.tell(left())
        ((seq, _),) = await take(replay, 1)
        await hub.store.run(full, writes=False)
        radio.tell(left(STRANGER))
        got = await take(replay, 2)
        assert [type(event) for _, event in got] == [Left, StoreAlarm]
        assert {number for number, _ in got} == {seq}
        await hub.store.run(freed, writes=False)


async def test_who_stops_waiting_and_comes_back_misses_nothing(hub: Hub, radio: FakeRadio) -> None:
    for _ in range(3):
        radio.tell(left())
    await hub.store.tail()
    async with hub.events(Left, since=0) as replay:
        for turns in range(4):
            reading = asyncio.create_task(anext(replay))
            for _ in range(turns):
                await asyncio.sleep(0)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        assert len(await take(replay, 3)) == 3


async def test_a_record_that_is_no_event_takes_no_other_with_it(hub: Hub, radio: FakeRadio) -> None:
    radio.tell(left())
    seq = await hub.store.append(draft(1.0, Kind.EVENT, None, "", {"event": "gossip"}))
    radio.tell(left())
    async with hub.events(Left, since=0) as replay:
        got = await take(replay, 1)
        with pytest.raises(StoreError, match=f"Record {seq} holds no event"):
            await anext(replay)
        got += await take(replay, 1)
        assert [number for number, _ in got] == [seq - 1, seq + 1]


async def test_a_replay_ends_with_the_hub(radio: FakeRadio, tmp_path: Path) -> None:
    async with Hub(radio, home=tmp_path / "hub") as hub:
        replay = hub.events(AdmissionClosed, since=0)
        assert isinstance(replay, Replay)
        await replay.__aenter__()
        reading = asyncio.create_task(anext(replay, None))
        await asyncio.sleep(0.01)
    assert await asyncio.wait_for(reading, 20) is None
    await replay.__aexit__(None, None, None)
    with pytest.raises(SubscriptionError, match="once"):
        await replay.__aenter__()
    with pytest.raises(HubsecError):
        hub.events(Event, since=0)


async def test_a_replay_that_can_not_be_is_refused(hub: Hub) -> None:
    wrong: list[Callable[[], object]] = [
        lambda: hub.events(Event, since=-1),
        lambda: hub.events(Event, since=True),
        lambda: hub.events(Event, since="1"),  # type: ignore[call-overload]
        lambda: hub.events(Event, since=1 << 63),
        lambda: hub.events(Event, since=0, capacity=0),
        lambda: hub.events(Hub, since=0),  # type: ignore[type-var]
    ]
    for call in wrong:
        with pytest.raises(SubscriptionError):
            call()
    replay = hub.events(Event, since=0)
    assert isinstance(replay, Replay)
    with pytest.raises(SubscriptionError, match="inside its block"):
        await anext(replay)


async def test_a_replay_from_before_what_there_is_says_so(hub: Hub, radio: FakeRadio) -> None:
    for _ in range(5):
        radio.tell(left())
    await hub.store.truncate(keep=2, by="Ada", at=1.0)
    first = (await hub.store.audit(limit=1))[0].seq
    async with hub.events(Left, since=1) as replay:
        with pytest.raises(StoreError, match=f"since={first - 1}"):
            await anext(replay)
    for since in (0, first - 1):
        async with hub.events(Left, since=since) as replay:
            assert len(await take(replay, 2)) == 2
