"""Admissions at their seams: cancelled, failing, raced, left. Whatever happens, what is left is right."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from hubsec import (
    AdmissionEnded,
    Hub,
    HubsecError,
    Mark,
    Outcome,
    RadioError,
    Refused,
    Standing,
    StoreError,
    Use,
)
from hubsec.decisions import Allow, Deny, Quarantine
from hubsec.events import AdmissionClosed, AdmissionOpened, Evicted, Knocked, RadioLost
from hubsec.identity import CredentialKind
from hubsec.radio import SeenDevice
from hubsec.requests import IdentifyRequest, JoinKind, JoinRequest, LinkKeyState, PresenceRequest

from .conftest import CODE, LAMP, STICKER, FakeRadio, collect, let_in


def present(radio: FakeRadio) -> PresenceRequest:
    return PresenceRequest(radio=radio.name, network=radio.network, device=LAMP)


def knock(hub: Hub) -> Knocked:
    return Knocked(time=hub.now(), radio="fake", device=LAMP, maker=None, parent=None)


async def settled(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - conditions of many kinds
            await asyncio.sleep(0.001)


# Cancelled, or failing, in the middle


@pytest.mark.parametrize("known", [False, True], ids=["new device", "known device"])
@pytest.mark.parametrize("step", ["credential", "add", "admit"])
async def test_cancelling_an_opening_takes_everything_back(
    hub: Hub, radio: FakeRadio, monkeypatch: pytest.MonkeyPatch, step: str, *, known: bool
) -> None:
    if known:
        await let_in(hub, radio)
    elif step == "credential":
        step = "add"  # A new device has none to read.
    before, key = hub.allowlist.get(LAMP), await hub.allowlist.credential(LAMP)
    reached = asyncio.Event()
    if step == "admit":
        radio.held["admit"] = asyncio.Event()
    else:
        original = getattr(hub.allowlist, step)

        async def slow(*args: Any) -> Any:
            reached.set()
            await asyncio.sleep(0.02)  # The store goes on to write when the caller is gone.
            return await original(*args)

        monkeypatch.setattr(hub.allowlist, step, slow)
    opening = asyncio.ensure_future(hub.admit(STICKER, name="Attic lamp").__aenter__())
    await settled(lambda: reached.is_set() or (step == "admit" and radio.calls[-1] == "admit"))
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    monkeypatch.undo()
    radio.held.clear()
    assert hub.allowlist.get(LAMP) == before
    assert await hub.allowlist.credential(LAMP) == key
    assert radio.orders == {}
    await let_in(hub, radio)  # Nothing of it is in the way.


@pytest.mark.parametrize("step", ["credential", "add"])
async def test_a_store_that_fails_at_the_opening_changes_nothing(
    hub: Hub, radio: FakeRadio, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    await let_in(hub, radio)
    before, key = hub.allowlist[LAMP], await hub.allowlist.credential(LAMP)

    async def full(*_: object) -> None:
        raise StoreError("The disk is full.")

    admission = hub.admit(STICKER, name="Attic lamp")
    with monkeypatch.context() as broken:
        broken.setattr(hub.allowlist, step, full)
        with pytest.raises(StoreError, match="The disk is full"):
            await admission.__aenter__()
    assert radio.calls.count("admit") == 1
    assert hub.allowlist[LAMP] == before
    assert await hub.allowlist.credential(LAMP) == key
    with pytest.raises(AdmissionEnded) as caught:
        await admission.joined()
    assert caught.value.outcome == Outcome.FAILED


async def test_a_store_that_fails_at_the_end_keeps_nothing_open(
    hub: Hub, radio: FakeRadio, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise StoreError("The disk is full.")

    with monkeypatch.context() as broken:
        async with hub.admit(STICKER, name="Hall lamp"):
            broken.setattr(hub.allowlist, "revoke", full)
    assert (await hub.posture()).alarm == "The disk is full."
    assert isinstance(await radio.join(LAMP), Deny)
    assert radio.asked.standing(LAMP) is Standing.UNKNOWN
    await let_in(hub, radio)


@pytest.mark.parametrize("error", [RadioError("The stick is gone."), OSError("gone")], ids=["ours", "any"])
async def test_a_radio_that_fails_to_open_says_how_it_ended(
    hub: Hub, radio: FakeRadio, error: Exception
) -> None:
    events = collect(hub)
    radio.raises["admit"] = error
    admission = hub.admit(STICKER, name="Hall lamp")
    with pytest.raises(RadioError):
        await admission.__aenter__()
    with pytest.raises(AdmissionEnded) as caught:
        await admission.joined()
    assert caught.value.outcome == Outcome.FAILED
    assert [e.outcome for e in events if isinstance(e, AdmissionClosed)] == ["failed"]
    # It may have opened before it failed.
    assert radio.withdrawn == [admission.id]
    assert LAMP not in hub.allowlist


@pytest.mark.parametrize("error", [RadioError("The stick is gone."), OSError("gone")], ids=["ours", "any"])
@pytest.mark.parametrize("sent", [False, True], ids=["nobody came", "key sent"])
async def test_a_radio_that_does_not_withdraw_hides_no_error_and_holds_nothing_open(
    hub: Hub, radio: FakeRadio, error: Exception, *, sent: bool
) -> None:
    events = collect(hub)
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - what the block raises is the matter
        async with hub.admit(STICKER, name="Hall lamp") as admission:
            if sent:
                await radio.join(LAMP)
            radio.raises["withdraw"] = error
            raise ZeroDivisionError
    assert [e.radio for e in events if isinstance(e, RadioLost)] == ["fake"]
    assert isinstance(await radio.join(LAMP), Deny)
    radio.raises.clear()
    if not sent:
        assert admission.outcome is Outcome.CANCELLED
        await let_in(hub, radio)


async def test_events_of_an_admission_come_in_order(hub: Hub, radio: FakeRadio) -> None:
    events = collect(hub)
    radio.held["admit"] = asyncio.Event()
    opening = asyncio.ensure_future(hub.admit(STICKER, name="Hall lamp").__aenter__())
    await settled(lambda: radio.orders)
    # It joins before the radio has said that it is open.
    assert isinstance(await radio.join(LAMP), Allow)
    await radio.exchange(LAMP)
    radio.held["admit"].set()
    admission = await opening
    assert (await admission.joined()).name == "Hall lamp"
    await admission.__aexit__(None, None, None)
    assert [type(e).__name__ for e in events if e.correlation == admission.id] == [
        "AdmissionOpened",
        "KeySent",
        "Joined",
        "AdmissionClosed",
    ]


async def test_an_admission_is_entered_once(hub: Hub) -> None:
    admission = hub.admit(STICKER, name="Hall lamp")
    assert admission.credential is CredentialKind.INSTALL_CODE
    async with admission:
        pass
    with pytest.raises(Refused, match="once"):
        await admission.__aenter__()


# Between the decision and the key


@pytest.mark.parametrize("how", ["revoked", "left", "quarantined", "evicted"])
async def test_what_ends_while_the_decision_is_written_lets_nobody_in(
    hub: Hub, radio: FakeRadio, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    admission = await hub.admit(STICKER, name="Hall lamp").__aenter__()
    record, written = hub.store.record, asyncio.Event()

    async def slow(made: Any) -> int:
        number = await record(made)
        await written.wait()
        return number

    monkeypatch.setattr(hub.store, "record", slow)
    joining = asyncio.ensure_future(radio.join(LAMP))
    await asyncio.sleep(0.01)
    match how:
        case "revoked":
            await hub.allowlist.revoke(LAMP, by="operator")
        case "left":
            await admission.__aexit__(None, None, None)
        case "quarantined":
            await hub.quarantine(LAMP, "It behaves oddly.")
        case "evicted":
            await hub.evict(LAMP)
    written.set()
    assert not isinstance(await joining, Allow)
    assert radio.keys_out == []
    newest, oldest = await hub.store.decisions()
    assert isinstance(oldest.decision, Allow)
    assert isinstance(newest.decision, Deny)
    await admission.__aexit__(None, None, None)


async def test_from_the_decision_on_the_device_goes_on_to_its_exchange(hub: Hub, radio: FakeRadio) -> None:
    async with hub.admit(STICKER, name="Hall lamp") as admission:
        # The radio is about to send the key, and has not said so yet.
        decision = await radio.asked.judge(
            JoinRequest(radio="fake", network=radio.network, device=LAMP, kind=JoinKind.JOIN)
        )
        assert isinstance(decision, Allow)
        order = admission.order
    assert admission.outcome is None
    assert LAMP in hub.allowlist
    radio.orders[order.admission] = order
    await radio.exchange(LAMP)
    assert (await admission.joined()).name == "Hall lamp"


async def test_a_rejoin_is_no_way_to_spend_an_admission(hub: Hub, radio: FakeRadio) -> None:
    """Who holds the network key, and the lamp's address, has not come in by the lamp's install code."""
    async with hub.admit(STICKER, name="Hall lamp"):
        await radio.asked.judge(
            JoinRequest(radio="fake", network=radio.network, device=LAMP, kind=JoinKind.SECURED_REJOIN)
        )
        assert hub.allowlist[LAMP].joined_at is None
        assert radio.asked.standing(LAMP) is Standing.UNKNOWN
    assert LAMP not in hub.allowlist


async def test_the_window_and_the_exchange_end_by_themselves(hub: Hub, radio: FakeRadio) -> None:
    admission = hub.admit(STICKER, name="Hall lamp")
    admission.order = msgspec.structs.replace(admission.order, exchange_limit=-0.99)
    async with admission:
        await radio.join(LAMP)
        admissions = hub._opened()[1]
        admissions._set_timer(
            admissions._running[LAMP], 0.02
        )  # Its window ends, and not before it has the key.
        await settled(lambda: radio.withdrawn)
        assert isinstance(await radio.join(LAMP), Deny)
        with pytest.raises(AdmissionEnded, match="did not show"):
            await admission.joined()
    assert LAMP not in hub.allowlist


# A device that is known is admitted again


async def test_a_known_device_stays_known_while_it_is_admitted_again(hub: Hub, radio: FakeRadio) -> None:
    await let_in(hub, radio)
    await radio.asked.judge(IdentifyRequest(radio="fake", network=radio.network, device=LAMP, model="lamp 1"))
    before = hub.allowlist[LAMP]
    async with hub.admit(STICKER, name="Attic lamp"):
        now = hub.allowlist[LAMP]
        assert (now.joined_at, now.pinned, now.marks) == (before.joined_at, before.pinned, before.marks)
        assert radio.asked.standing(LAMP) is Standing.APPROVED
        # This is what a crash would leave.
        assert isinstance(await radio.asked.judge(present(radio)), Allow)
    assert hub.allowlist[LAMP] == before


async def test_a_single_use_is_good_once_for_each_admission(hub: Hub, radio: FakeRadio) -> None:
    for _ in range(2):
        await let_in(hub, radio, use=Use.SINGLE)
        assert await hub.allowlist.credential(LAMP) is None
        assert isinstance(await radio.join(LAMP), Deny)
    assert radio.keys_out == [LAMP, LAMP]


async def test_a_quarantined_device_is_released_before_it_is_admitted(hub: Hub, radio: FakeRadio) -> None:
    await let_in(hub, radio)
    await hub.quarantine(LAMP, "It behaves oddly.")
    with pytest.raises(Refused, match="release it first") as caught:
        await hub.admit(STICKER, name="Hall lamp").__aenter__()
    assert caught.value.rule == "quarantined"
    assert radio.asked.standing(LAMP) is Standing.QUARANTINED
    await hub.release(LAMP)
    await let_in(hub, radio)


async def test_an_admission_opens_no_way_for_a_stranger_that_is_shut_off(hub: Hub, radio: FakeRadio) -> None:
    assert isinstance(await radio.asked.judge(present(radio)), Quarantine)
    async with hub.admit(STICKER, name="Hall lamp"):
        assert radio.asked.standing(LAMP) is Standing.QUARANTINED
        await radio.join(LAMP)
        assert radio.asked.standing(LAMP) is Standing.APPROVED


async def test_what_an_admission_allowed_ends_with_it(hub: Hub, radio: FakeRadio) -> None:
    async with hub.admit(STICKER, name="Hall lamp"):
        assert isinstance(await radio.asked.judge(present(radio)), Allow)
        assert radio.asked.standing(LAMP) is Standing.APPROVED
    assert radio.asked.standing(LAMP) is Standing.UNKNOWN
    assert isinstance(await radio.asked.judge(present(radio)), Quarantine)


@pytest.mark.parametrize("known", [False, True], ids=["new device", "known device"])
async def test_a_quarantine_outlives_the_admission_that_it_came_in(
    hub: Hub, radio: FakeRadio, *, known: bool
) -> None:
    if known:
        await let_in(hub, radio)
    async with hub.admit(STICKER, name="Hall lamp") as admission:
        await radio.join(LAMP)
        await hub.quarantine(LAMP, "It behaves oddly.")
    assert admission.outcome is Outcome.REFUSED
    assert hub.allowlist[LAMP].quarantined == "It behaves oddly."
    assert radio.asked.standing(LAMP) is Standing.QUARANTINED


@pytest.mark.parametrize("known", [False, True], ids=["new device", "known device"])
async def test_an_eviction_outlives_the_admission_that_it_came_in(
    hub: Hub, radio: FakeRadio, *, known: bool
) -> None:
    if known:
        await let_in(hub, radio)
    events = collect(hub)
    async with hub.admit(STICKER, name="Hall lamp") as admission:
        await hub.evict(LAMP)
        assert radio.withdrawn[-1] == admission.id
        assert isinstance(await radio.join(LAMP), Deny)
    assert admission.outcome is Outcome.REFUSED
    assert LAMP not in hub.allowlist
    assert len([e for e in events if isinstance(e, Evicted)]) == 1


@pytest.mark.parametrize(
    ("sent", "left"), [(True, False), (False, True)], ids=["failed its exchange", "nobody came"]
)
async def test_who_was_put_out_does_not_get_its_old_entry_back(
    hub: Hub, radio: FakeRadio, *, sent: bool, left: bool
) -> None:
    await let_in(hub, radio)
    async with hub.admit(STICKER, name="Attic lamp"):
        if sent:
            await radio.join(LAMP)
            await radio.exchange(LAMP, LinkKeyState.FAILED)
    assert (LAMP in hub.allowlist) is left


async def test_an_exposure_outlives_the_approval_that_failed(hub: Hub, radio: FakeRadio) -> None:
    await let_in(hub, radio)
    admission = hub.approve(knock(hub), name="Hall lamp")
    admission.order = msgspec.structs.replace(admission.order, exchange_limit=-0.99)
    async with admission:
        await radio.join(LAMP)
    with pytest.raises(AdmissionEnded):
        await admission.joined()
    await settled(lambda: hub.allowlist[LAMP].credential is CredentialKind.INSTALL_CODE)
    assert hub.allowlist[LAMP].marks == {Mark.EXPOSED}
    assert (await hub.posture()).networks[0].exposed


async def test_the_next_admission_sees_what_the_last_one_left(
    hub: Hub, radio: FakeRadio, monkeypatch: pytest.MonkeyPatch
) -> None:
    revoke, gone = hub.allowlist.revoke, asyncio.Event()

    async def slow(*args: Any, **kwargs: Any) -> Any:
        await gone.wait()
        return await revoke(*args, **kwargs)

    first = await hub.admit(STICKER, name="Hall lamp").__aenter__()
    monkeypatch.setattr(hub.allowlist, "revoke", slow)
    leaving = asyncio.ensure_future(first.__aexit__(None, None, None))
    await settled(lambda: radio.withdrawn)
    with pytest.raises(Refused, match="open already"):
        await hub.admit(STICKER, name="Hall lamp").__aenter__()
    gone.set()
    await leaving
    async with hub.admit(STICKER, name="Hall lamp"):
        pass
    assert LAMP not in hub.allowlist


async def test_leaving_a_block_can_be_cancelled_and_the_end_comes_all_the_same(
    hub: Hub, radio: FakeRadio
) -> None:
    admission = await hub.admit(STICKER, name="Hall lamp").__aenter__()
    radio.held["withdraw"] = asyncio.Event()
    leaving = asyncio.ensure_future(admission.__aexit__(None, None, None))
    await settled(lambda: radio.calls[-1] == "withdraw")
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    radio.held["withdraw"].set()
    await settled(lambda: LAMP not in hub.allowlist)


# The hub closes


@contextmanager
def not_for_ever() -> Iterator[None]:
    """TimeoutError in a block that keeps even the loop from looking at its clock."""

    def stop(*_: object) -> None:
        raise TimeoutError("It goes round and round.")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(5)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


async def test_a_hub_closes_though_what_it_waits_for_has_ended_this_very_moment(hub: Hub) -> None:
    admissions = hub._opened()[1]
    work = admissions._spawn(asyncio.sleep(0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert work.done()
    assert admissions._tasks == {work}, "nobody has been told yet that it is done"
    with not_for_ever():
        await admissions.settle()
    assert not admissions._tasks


@pytest.mark.parametrize("sent", [False, True], ids=["nobody came", "key sent"])
async def test_a_closing_hub_ends_admissions_while_the_radio_can_be_told(
    tmp_path: Any, *, sent: bool
) -> None:
    radio = FakeRadio()
    hub = Hub(radio, home=tmp_path / "hub")
    async with hub:
        admission = await hub.admit(STICKER, name="Hall lamp").__aenter__()
        if sent:
            await radio.join(LAMP)
            await admission.__aexit__(None, None, None)
        late = hub.admit(STICKER, name="Hall lamp")
    assert radio.calls[-2:] == ["withdraw", "close"]
    assert admission.outcome is Outcome.CANCELLED
    await admission.__aexit__(None, None, None)
    with pytest.raises(HubsecError, match="closed"):
        await late.__aenter__()
    async with Hub(FakeRadio(formed=False), home=tmp_path / "hub") as again:
        assert LAMP not in again.allowlist


async def test_an_entry_that_expires_lets_in_until_then_and_not_after(tmp_path: Any) -> None:
    now = 1_000.0
    radio = FakeRadio()
    async with Hub(radio, home=tmp_path / "hub", clock=lambda: now) as hub:
        await let_in(hub, radio, expires_at=2_000.0)
        late = hub.admit(STICKER, name="Hall lamp", expires_at=2_000.0)
        now = 1_999.0
        assert radio.asked.standing(LAMP) is Standing.APPROVED
        now = 2_000.0
        assert radio.asked.standing(LAMP) is Standing.UNKNOWN
        assert isinstance(await radio.asked.judge(present(radio)), Quarantine)
        assert radio.asked.standing(LAMP) is Standing.QUARANTINED
        with pytest.raises(Refused, match="past"):
            await late.__aenter__()
        with pytest.raises(Refused, match="past"):
            hub.admit(STICKER, name="Hall lamp", expires_at=2_000.0)
        # Nothing of that is written into the entry: a longer term brings it back.
        await hub.allowlist.update(LAMP, expires_at=3_000.0)
        assert radio.asked.standing(LAMP) is Standing.APPROVED


async def test_the_link_key_is_shown_nowhere(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    events = collect(hub)
    async with hub.admit(STICKER, name="Hall lamp") as admission:
        shown = [repr(admission.order), f"{admission.order}", repr(admission), repr(events), caplog.text]
        shown += [repr(change) for change in await hub.store.changes()]
        with pytest.raises(TypeError):
            msgspec.json.encode(admission.order)
    key = admission.order.secret.reveal()
    assert [e for e in events if isinstance(e, AdmissionOpened)]
    for text in shown:
        for secret in (key.hex(), repr(key)[2:-1], CODE):
            assert secret.casefold() not in text.casefold()


async def test_a_baseline_device_is_a_stranger_to_nobody(tmp_path: Any) -> None:
    radio = FakeRadio(formed=False, seen=[SeenDevice(device=LAMP, name="Hall lamp")])
    async with Hub(radio, home=tmp_path / "hub") as hub:
        await hub.adopt("fake")
        async with hub.admit(STICKER, name="Hall lamp"):
            assert radio.asked.standing(LAMP) is Standing.APPROVED
        assert radio.asked.standing(LAMP) is Standing.ADOPTED
