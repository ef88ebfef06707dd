"""Listening, adoption, radios that raise, and two radios in one hub."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from hubsec import Hub, RadioError, Refused, Standing, StoreError
from hubsec.decisions import Deny, Knock, Quarantine
from hubsec.events import (
    AdoptionConfirmed,
    AdoptionListed,
    Evicted,
    ListeningClosed,
    Quarantined,
    RadioLost,
    Released,
    StoreAlarm,
)
from hubsec.radio import SeenDevice
from hubsec.requests import JoinKind, JoinRequest, PresenceRequest
from hubsec.store import AsyncStore

from .conftest import LAMP, STICKER, STRANGER, FakeRadio, collect, let_in

SEEN = [SeenDevice(device=LAMP, name="Hall lamp")]


# Listening


async def test_one_window_at_a_time(hub: Hub, radio: FakeRadio) -> None:
    async with hub.listen():
        with pytest.raises(Refused, match="one window"):
            await hub.listen().__aenter__()
        assert isinstance(await radio.join(LAMP), Knock)
        assert radio.listening
    assert not radio.listening
    assert isinstance(await radio.join(LAMP), Deny)
    async with hub.listen():
        assert radio.listening


@pytest.mark.parametrize("who", ["hub", "radio"])
async def test_the_stream_of_knocks_ends_with_the_window(hub: Hub, radio: FakeRadio, who: str) -> None:
    async with hub.listen(0.5 if who == "hub" else None) as knocks:
        await radio.join(LAMP)
        if who == "radio":
            radio.tell(ListeningClosed(time=hub.now(), radio="fake", reason="The time is over."))
        async with asyncio.timeout(20):
            assert [knock.device async for knock in knocks] == [LAMP]
        assert isinstance(await radio.join(LAMP), Deny)
        # Its block is not left yet, and the next window is open: leaving does not shut that one.
        second = hub.listen()
        await second.__aenter__()
    assert radio.listening
    assert isinstance(await radio.join(LAMP), Knock)
    await second.__aexit__(None, None, None)
    assert not radio.listening


@pytest.mark.parametrize("error", [RadioError("The stick is gone."), OSError("gone")], ids=["ours", "any"])
async def test_a_radio_that_can_not_listen_leaves_no_window(
    hub: Hub, radio: FakeRadio, error: Exception
) -> None:
    radio.raises["listen"] = error
    with pytest.raises(RadioError):
        await hub.listen().__aenter__()
    assert isinstance(await radio.join(LAMP), Deny)
    radio.raises.clear()
    events = collect(hub)
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - what the block raises is the matter
        async with hub.listen():
            radio.raises["listen"] = error
            raise ZeroDivisionError
    assert [e.radio for e in events if isinstance(e, RadioLost)] == ["fake"]
    assert isinstance(await radio.join(LAMP), Deny)


# Radios that raise


@pytest.mark.parametrize("error", [RadioError("The stick is gone."), KeyError("gone")], ids=["ours", "any"])
@pytest.mark.parametrize("method", ["open", "posture", "devices"])
async def test_a_radio_that_fails_at_the_start_closes_the_hub(
    tmp_path: Path, method: str, error: Exception
) -> None:
    first, second = (
        FakeRadio(name="first"),
        FakeRadio(name="second", network_id="00124b00000000bb", formed=False, seen=SEEN),
    )
    second.raises[method] = error
    hub = Hub(first, second, home=tmp_path / "hub")
    events = collect(hub)
    with pytest.raises(RadioError):
        await hub.__aenter__()
    assert first.closed
    assert second.closed
    assert [e.radio for e in events if isinstance(e, RadioLost)] == ["second"]
    async with Hub(FakeRadio(), home=tmp_path / "hub"):
        pass  # The store is free again.


async def test_a_radio_that_does_not_close_keeps_nothing_else_open(tmp_path: Path) -> None:
    first, second = FakeRadio(name="first"), FakeRadio(name="second")
    second.raises["close"] = OSError("gone")
    with pytest.raises(RadioError, match="second"):
        async with Hub(first, second, home=tmp_path / "hub"):
            pass
    assert first.closed
    async with Hub(FakeRadio(), home=tmp_path / "hub"):
        pass


async def test_who_can_not_be_told_to_leave_is_off_the_list(hub: Hub, radio: FakeRadio) -> None:
    await let_in(hub, radio)
    events = collect(hub)
    radio.raises["evict"] = TimeoutError()
    with pytest.raises(RadioError, match="TimeoutError"):
        await hub.evict(LAMP)
    assert LAMP not in hub.allowlist
    assert radio.asked.standing(LAMP) is Standing.UNKNOWN
    assert not [e for e in events if isinstance(e, Evicted)]


async def test_a_stream_ends_with_the_hub(tmp_path: Path) -> None:
    hub = Hub(FakeRadio(), home=tmp_path / "hub")
    async with hub.events(Evicted) as stream:
        async with hub:
            pass
        async with asyncio.timeout(20):
            assert [event async for event in stream] == []


# What follows from judging


async def test_a_quarantine_keeps_its_first_reason(hub: Hub, radio: FakeRadio) -> None:
    await let_in(hub, radio)
    events = collect(hub)
    await hub.quarantine(LAMP, "It behaves oddly.")
    decision = await radio.asked.judge(
        JoinRequest(radio="fake", network=radio.network, device=LAMP, kind=JoinKind.SECURED_REJOIN)
    )
    assert isinstance(decision, Quarantine)
    assert hub.allowlist[LAMP].quarantined == "It behaves oddly."
    assert [e.reason for e in events if isinstance(e, Quarantined)] == ["It behaves oddly."]


async def test_a_baseline_that_is_confirmed_meanwhile_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    radio = FakeRadio(formed=False, seen=SEEN)
    async with Hub(radio, home=tmp_path / "hub") as hub:
        record, written = hub.store.record, asyncio.Event()

        async def slow(made: Any) -> int:
            await written.wait()
            return await record(made)

        monkeypatch.setattr(hub.store, "record", slow)
        asking = asyncio.ensure_future(
            radio.asked.judge(PresenceRequest(radio="fake", network=radio.network, device=STRANGER))
        )
        await asyncio.sleep(0)
        await hub.adopt("fake")
        written.set()
        assert isinstance(await asking, Quarantine)
        assert radio.asked.standing(STRANGER) is Standing.QUARANTINED


# Adoption


@pytest.mark.parametrize(
    "devices",
    [None, [LAMP], [LAMP, LAMP], (one for one in [LAMP.upper()]), [LAMP.replace(":", "")]],
    ids=["all", "one", "twice", "capitals", "bare"],
)
async def test_a_baseline_has_each_device_once(tmp_path: Path, devices: Any) -> None:
    radio = FakeRadio(formed=False, seen=SEEN)
    async with Hub(radio, home=tmp_path / "hub") as hub:
        adopted = await hub.adopt("fake", devices=devices)
        assert [entry.device for entry in adopted] == [LAMP]


@pytest.mark.parametrize(
    "devices", [LAMP, [STRANGER], [LAMP, STRANGER], 5], ids=["text", "none", "half", "number"]
)
async def test_a_baseline_has_what_the_radio_lists(tmp_path: Path, devices: Any) -> None:
    radio = FakeRadio(formed=False, seen=SEEN)
    async with Hub(radio, home=tmp_path / "hub") as hub:
        with pytest.raises(Exception, match=r"no device|no EUI64|list of identities"):
            await hub.adopt("fake", devices=devices)
        assert len(hub.allowlist) == 0
        assert not (await hub.posture()).networks[0].adopted


@pytest.mark.parametrize(
    ("seen_before", "adopted"), [(True, True), (False, False)], ids=["known network", "unknown network"]
)
async def test_a_full_disk_does_not_keep_the_house_dark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, seen_before: bool, adopted: bool
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise StoreError("The disk is full.")

    if seen_before:
        async with Hub(FakeRadio(formed=False, seen=SEEN), home=tmp_path / "hub") as hub:
            await hub.adopt("fake")
    monkeypatch.setattr(AsyncStore, "see_network", full)
    radio = FakeRadio(formed=False, seen=SEEN)
    hub = Hub(radio, home=tmp_path / "hub")
    events = collect(hub)
    async with hub:
        assert radio.asked.standing(LAMP) is Standing.ADOPTED
        assert (await hub.posture()).networks[0].adopted is adopted
        assert bool([e for e in events if isinstance(e, StoreAlarm)]) is not adopted
        assert bool([e for e in events if isinstance(e, AdoptionListed)]) is not adopted
        assert not [e for e in events if isinstance(e, AdoptionConfirmed)]


# Two radios


async def test_each_radio_has_its_own_devices_and_windows(tmp_path: Path) -> None:
    one = FakeRadio(name="one", seen=SEEN)
    two = FakeRadio(name="two", network_id="00124b00000000bb")
    async with Hub(one, two, home=tmp_path / "hub") as hub:
        events = collect(hub)
        with pytest.raises(Refused, match="say which"):
            hub.admit(STICKER, name="Hall lamp")
        with pytest.raises(Refused, match="say which"):
            await hub.evict(STRANGER)
        async with hub.admit(STICKER, name="Hall lamp", radio="one") as admission:
            assert isinstance(await two.join(LAMP), Deny)
            await one.join(LAMP)
            await one.exchange(LAMP)
            await admission.joined()
        async with hub.listen(radio="one") as knocks, hub.listen(radio="two"):
            assert isinstance(await two.join(STRANGER), Knock)
            assert isinstance(await one.join(LAMP), Knock)
            assert (await anext(knocks)).radio == "one"
        await hub.quarantine(LAMP, "It behaves oddly.")
        await hub.release(LAMP)
        assert [e.radio for e in events if isinstance(e, Quarantined | Released)] == ["one", "one"]
        await hub.evict(LAMP)
        assert "evict" not in two.calls
        await hub.evict(STRANGER, radio="two")
        assert "evict" in two.calls
