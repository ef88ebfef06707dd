"""A hub whose audit log somebody has written to: who is there goes on, and nobody is let in."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubsec import Hub
from hubsec.audit import Kind
from hubsec.authority import LOG_DAMAGED
from hubsec.decisions import Allow, Deny
from hubsec.errors import StoreError
from hubsec.events import Denied, Event, StoreAlarm, StoreRecovered
from hubsec.identity import Mode, Network, Standing
from hubsec.requests import JoinKind, JoinRequest, OpenKind, OpenRequest
from tests.core.hub.conftest import LAMP, STICKER, STRANGER, FakeRadio, let_in
from tests.core.hub.test_audit import freed, full


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """Of a hub that let the lamp in, and whose log was cut off after that."""
    radio, home = FakeRadio(), tmp_path / "hub"
    async with Hub(radio, home=home) as hub:
        await let_in(hub, radio)
    connection = sqlite3.connect(home / "hubsec.db", isolation_level=None)
    connection.execute("DROP TRIGGER audit_goes_from_its_beginning")
    connection.execute("DELETE FROM audit WHERE seq > (SELECT max(seq) - 4 FROM audit)")
    connection.close()
    return home


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
async def damaged(home: Path, radio: FakeRadio, events: list[Event]) -> AsyncIterator[Hub]:
    hub = Hub(radio, home=home)
    hub.on(Event, events.append)
    async with hub:
        yield hub


def join(kind: JoinKind) -> JoinRequest:
    return JoinRequest(radio="fake", network=Network.ZIGBEE, device=LAMP, kind=kind)


async def test_nobody_is_let_in_and_who_is_there_goes_on(
    damaged: Hub, radio: FakeRadio, events: list[Event]
) -> None:
    hub = damaged
    (alarm,) = [event for event in events if isinstance(event, StoreAlarm)]
    assert "The newest records are missing" in alarm.reason
    assert (await hub.posture()).alarm == alarm.reason
    for opening in (hub.admit(STICKER, name="Again"), hub.listen(10)):
        with pytest.raises(StoreError, match="hubsec audit accept"):
            async with opening:
                pytest.fail("open")
    with pytest.raises(StoreError, match="damaged"):
        await hub.allow(STRANGER)
    with pytest.raises(StoreError, match="damaged"):
        radio.asked.must_be_adopted()  # type: ignore[attr-defined]  # as rotations and re-inclusions ask
    assert (radio.orders, radio.listening, radio.keys_out) == ({}, 0, [])
    for request in (
        join(JoinKind.JOIN),
        join(JoinKind.UNSECURED_REJOIN),
        OpenRequest(radio="fake", network=Network.ZIGBEE, kind=OpenKind.PERMIT, asker="host", seconds=60),
    ):
        assert isinstance(await radio.asked.judge(request), Deny)
    # Who is there, and comes back with the key that it has, is who it was.
    assert isinstance(await radio.asked.judge(join(JoinKind.SECURED_REJOIN)), Allow)
    assert radio.asked.standing(LAMP) is Standing.APPROVED
    # What shuts somebody off or out is done, and recorded, and ends no alarm.
    await hub.quarantine(LAMP, "It is odd.")
    await hub.evict(LAMP)
    assert hub._state.alarm == alarm.reason
    assert (await hub.store.changes(limit=1))[0].change == "revoked"


async def test_what_the_policy_would_allow_is_denied_on_record(
    damaged: Hub, radio: FakeRadio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubsec.authority.decide", lambda *_: Allow("any", "Whoever asks."))
    for request in (join(JoinKind.JOIN), join(JoinKind.SMART_START), join(JoinKind.UNSECURED_REJOIN)):
        decision = await radio.asked.judge(request)
        assert isinstance(decision, Deny)
        assert decision.rule == LOG_DAMAGED
        assert (await damaged.store.decisions(limit=1))[0].decision == decision
    await damaged.accept_log(by="Ada")
    assert isinstance(await radio.asked.judge(join(JoinKind.UNSECURED_REJOIN)), Allow)


async def test_somebody_accepts_it_and_that_is_on_record(
    damaged: Hub, radio: FakeRadio, events: list[Event]
) -> None:
    assert await damaged.accept_log(by="Ada", reason="The card was dying.")
    assert damaged._state.alarm is None
    assert [type(event) for event in events].count(StoreRecovered) == 1
    acts = [record.fields() for record in await damaged.store.audit(kinds=[Kind.ACT], limit=1000)]
    (found,) = [act for act in acts if act["act"] == "log-damaged"]
    assert [(acts[-1][name]) for name in ("act", "by", "reason")] == [
        "log-accepted",
        "Ada",
        "The card was dying.",
    ]
    assert acts[-1]["details"]["fault"] == found["reason"]
    assert not await damaged.accept_log(by="Ada")
    await let_in(damaged, radio)
    async with damaged.listen(10):
        pass


async def test_a_disk_that_fails_and_works_again_does_not_end_it(
    damaged: Hub, radio: FakeRadio, events: list[Event]
) -> None:
    fault = damaged._state.alarm
    await damaged.store.run(full, writes=False)
    with pytest.raises(StoreError):
        await damaged.quarantine(LAMP, "odd")
    assert "read-only" in str(damaged._state.alarm)
    await damaged.store.run(freed, writes=False)
    await damaged.quarantine(LAMP, "odd")
    assert damaged._state.alarm == fault
    told = [type(event) for event in events if isinstance(event, StoreAlarm | StoreRecovered)]
    assert told == [StoreAlarm, StoreAlarm, StoreRecovered, StoreAlarm]
    assert isinstance(await radio.join(STRANGER), Deny)
    assert isinstance(events[-1], Denied)


async def test_a_hub_that_only_observes_says_what_would_have_been(home: Path, radio: FakeRadio) -> None:
    async with Hub(radio, home=home, mode=Mode.OBSERVE) as hub:
        assert hub._state.alarm is not None
        decision = await radio.asked.judge(join(JoinKind.UNSECURED_REJOIN))
        assert decision.rule != LOG_DAMAGED
