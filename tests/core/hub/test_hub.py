"""The hub's promises, on a radio without air: each way in stands beside the one that must stay shut."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import msgspec
import pytest

from hubsec import AdmissionEnded, Hub, Mark, Mode, Outcome, RadioError, Refused, Standing, StickerError
from hubsec.decisions import Allow, Deny, Evict, Knock, Quarantine
from hubsec.errors import StoreError
from hubsec.events import (
    AdmissionClosed,
    AdmissionOpened,
    AdoptionConfirmed,
    Denied,
    Event,
    Exposed,
    Knocked,
    Marked,
    Quarantined,
    StoreAlarm,
)
from hubsec.identity import CredentialKind
from hubsec.policy import load_policy
from hubsec.radio import SeenDevice
from hubsec.requests import IdentifyRequest, LinkKeyState, PresenceRequest

from .conftest import LAMP, STICKER, STRANGER, FakeRadio, collect, let_in


async def test_the_admitted_device_gets_in_and_the_stranger_gets_nothing(hub: Hub, radio: FakeRadio) -> None:
    events = collect(hub)
    async with hub.admit(STICKER, name="Hall lamp") as admission:
        assert isinstance(await radio.join(STRANGER), Deny)
        assert isinstance(await radio.join(LAMP), Allow)
        await radio.exchange(LAMP)
        device = await admission.joined()
    assert device.name == "Hall lamp"
    assert radio.keys_out == [LAMP]
    assert [e.device for e in events if isinstance(e, Denied)] == [STRANGER]
    assert [e.outcome for e in events if isinstance(e, AdmissionClosed)] == ["joined"]
    opened = next(e for e in events if isinstance(e, AdmissionOpened))
    assert not opened.exposed
    assert "install code" in str(device.security)


async def test_outside_its_block_an_admission_is_shut(hub: Hub, radio: FakeRadio) -> None:
    async with hub.admit(STICKER, name="Hall lamp") as admission:
        assert radio.orders
    assert radio.withdrawn == [admission.id]
    assert isinstance(await radio.join(LAMP), Deny)
    assert radio.keys_out == []
    assert LAMP not in hub.allowlist
    with pytest.raises(AdmissionEnded, match="had not come") as caught:
        await admission.joined()
    assert caught.value.outcome == Outcome.CANCELLED


async def test_who_has_the_key_goes_on_to_its_exchange(hub: Hub, radio: FakeRadio) -> None:
    async with hub.admit(STICKER, name="Hall lamp") as admission:
        await radio.join(LAMP)
    assert isinstance(await radio.join(LAMP), Deny)
    assert LAMP in hub.allowlist
    radio.orders[admission.id] = admission.order
    await radio.exchange(LAMP)
    assert (await admission.joined()).name == "Hall lamp"
    assert LAMP in hub.allowlist


async def test_a_window_ends_by_itself(hub: Hub, radio: FakeRadio) -> None:
    admission = hub.admit(STICKER, name="Hall lamp")
    admission.order = msgspec.structs.replace(admission.order, window=0.05)
    async with admission:
        with pytest.raises(AdmissionEnded, match="did not join within") as caught:
            await admission.joined()
    assert caught.value.outcome == Outcome.EXPIRED
    assert radio.withdrawn == [admission.id]


@pytest.mark.parametrize(
    ("state", "outcome"),
    [(LinkKeyState.VERIFIED, Outcome.JOINED), (LinkKeyState.FAILED, Outcome.REFUSED)],
    ids=["proved", "failed"],
)
async def test_who_fails_its_exchange_is_refused(
    hub: Hub, radio: FakeRadio, state: LinkKeyState, outcome: Outcome
) -> None:
    async with hub.admit(STICKER, name="Hall lamp") as admission:
        await radio.join(LAMP)
        await radio.exchange(LAMP, state)
    assert admission.outcome is outcome
    assert (LAMP in hub.allowlist) is (outcome is Outcome.JOINED)


async def test_an_approval_says_that_a_listener_has_the_key(hub: Hub, radio: FakeRadio) -> None:
    events = collect(hub)
    async with hub.listen() as knocks:
        assert isinstance(await radio.join(LAMP), Knock)
        knock = await anext(knocks)
    assert radio.keys_out == []
    async with hub.approve(knock, name="Old plug") as admission:
        assert admission.exposed
        await radio.join(LAMP)
        await radio.exchange(LAMP)
        device = await admission.joined()
    assert Mark.EXPOSED in device.security.marks
    assert [e for e in events if isinstance(e, Exposed)]
    posture = await hub.posture()
    assert posture.networks[0].exposed


async def test_nobody_knocks_when_nobody_listens(hub: Hub, radio: FakeRadio) -> None:
    events = collect(hub)
    assert isinstance(await radio.join(LAMP), Deny)
    assert not [e for e in events if isinstance(e, Knocked)]


async def test_a_network_with_devices_is_adopted_before_it_is_enforced(tmp_path: Path) -> None:
    old = SeenDevice(device=LAMP, name="Hall lamp")
    radio = FakeRadio(formed=False, seen=[old])
    events: list[Event] = []
    async with Hub(radio, policy="home", home=tmp_path / "hub") as hub:
        hub.on(Event, events.append)
        authority = radio.authority
        assert authority is not None
        assert authority.standing(LAMP) is Standing.ADOPTED
        with pytest.raises(Refused, match="not confirmed"):
            async with hub.admit(STICKER, name="Hall lamp"):
                pass
        assert radio.orders == {}
        await hub.adopt("fake")
        assert [e.devices for e in events if isinstance(e, AdoptionConfirmed)] == [(LAMP,)]
        assert authority.standing(LAMP) is Standing.ADOPTED
        assert authority.standing(STRANGER) is Standing.UNKNOWN
        decision = await authority.judge(
            PresenceRequest(radio="fake", network=radio.network, device=STRANGER)
        )
        assert isinstance(decision, Quarantine)
        assert authority.standing(STRANGER) is Standing.QUARANTINED
    async with Hub(FakeRadio(formed=False, seen=[old]), policy="home", home=tmp_path / "hub") as hub:
        assert (await hub.posture()).networks[0].adopted


async def test_a_stranger_that_is_there_may_stay_on_an_operators_word(tmp_path: Path) -> None:
    radio = FakeRadio(formed=False, seen=[SeenDevice(device=STRANGER, name="Acme Bulb")])
    async with Hub(radio, policy="home", home=tmp_path / "hub") as hub:
        with pytest.raises(Refused, match="not confirmed"):
            await hub.allow(STRANGER)
        await hub.adopt("fake", devices=())
        authority = radio.authority
        assert authority is not None
        asked = PresenceRequest(radio="fake", network=radio.network, device=STRANGER)
        assert isinstance(await authority.judge(asked), Quarantine)
        allowed = await hub.allow(STRANGER, by="Ada")
        assert (allowed.name, allowed.security.standing) == ("Acme Bulb", Standing.ADOPTED)
        assert authority.standing(STRANGER) is Standing.ADOPTED
        assert isinstance(await authority.judge(asked), Allow)
        assert hub.allowlist[STRANGER].approved_by == "Ada"
        hub.forget(STRANGER)
        assert authority.standing(STRANGER) is Standing.ADOPTED
        # It may stay; a key it does not get.
        assert isinstance(await radio.join(STRANGER), Deny)
        assert radio.keys_out == []


async def test_who_was_forgotten_is_asked_about_anew(tmp_path: Path) -> None:
    radio = FakeRadio(formed=False)
    async with Hub(radio, policy="home", home=tmp_path / "hub") as hub:
        await hub.adopt("fake", devices=())
        authority = radio.authority
        assert authority is not None
        asked = PresenceRequest(radio="fake", network=radio.network, device=STRANGER)
        assert isinstance(await authority.judge(asked), Quarantine)
        assert authority.standing(STRANGER) is Standing.QUARANTINED
        hub.forget(STRANGER)
        assert authority.standing(STRANGER) is Standing.UNKNOWN
        with pytest.raises(Refused, match="is not on the network"):
            await hub.allow(STRANGER)


async def test_a_sticker_that_it_did_not_join_by_is_no_proof_of_who_is_there(
    hub: Hub, radio: FakeRadio
) -> None:
    async with hub.admit(STICKER, name="Hall lamp"):
        with pytest.raises(Refused, match="is not on the network"):
            await hub.allow(LAMP, name="Hall lamp")
        assert radio.authority is not None
        await radio.authority.judge(PresenceRequest(radio="fake", network=radio.network, device=LAMP))
        allowed = await hub.allow(LAMP, name="Hall lamp")
    assert allowed.security.credential is CredentialKind.ADOPTED


async def test_a_quarantined_device_is_let_go_with_its_own_proof(hub: Hub, radio: FakeRadio) -> None:
    await let_in(hub, radio)
    await hub.quarantine(LAMP, "It talks too much.")
    allowed = await hub.allow(LAMP)
    assert allowed.security.credential is CredentialKind.INSTALL_CODE
    assert allowed.security.quarantined is None
    assert allowed.name == "Hall lamp"


async def test_a_lost_store_is_never_an_empty_list(tmp_path: Path) -> None:
    radio = FakeRadio(formed=False, seen=[SeenDevice(device=LAMP, name="Hall lamp")])
    async with Hub(radio, policy="home", home=tmp_path / "new") as hub:
        posture = await hub.posture()
        assert not posture.networks[0].adopted
        assert posture.networks[0].unconfirmed == (LAMP,)
        with pytest.raises(Refused, match="no device"):
            await hub.adopt("fake", devices=[STRANGER])


async def test_where_the_host_has_lost_its_list_too_the_devices_are_who_was_heard(tmp_path: Path) -> None:
    radio = FakeRadio(formed=False)
    async with Hub(radio, policy="home", home=tmp_path / "new") as hub:
        with pytest.raises(Refused, match="none has been heard"):
            await hub.adopt("fake")
        assert not (await hub.posture()).networks[0].adopted
        authority = radio.authority
        assert authority is not None
        assert authority.standing(LAMP) is Standing.ADOPTED
        assert (await hub.posture()).networks[0].unconfirmed == (LAMP,)
        assert [entry.device for entry in await hub.adopt("fake")] == [LAMP]
        assert authority.standing(LAMP) is Standing.ADOPTED
        assert authority.standing(STRANGER) is Standing.UNKNOWN


async def test_that_there_is_no_device_has_to_be_said(tmp_path: Path) -> None:
    async with Hub(FakeRadio(formed=False), policy="home", home=tmp_path / "new") as hub:
        assert await hub.adopt("fake", devices=()) == ()
        assert (await hub.posture()).networks[0].adopted


@pytest.mark.parametrize(
    ("state", "weak"), [(LinkKeyState.VERIFIED, False), (LinkKeyState.MISSING, True)], ids=["proved", "weak"]
)
async def test_until_its_exchange_is_judged_a_device_is_weak(
    radio: FakeRadio, tmp_path: Path, state: LinkKeyState, *, weak: bool
) -> None:
    policy = load_policy("policy: lenient\njoining:\n  credentials: [install-code]\n  tclk: optional\n")
    async with Hub(radio, policy=policy, home=tmp_path / "hub") as hub:
        events = collect(hub)
        async with hub.admit(STICKER, name="Hall lamp") as admission:
            await radio.join(LAMP)
            assert hub.allowlist[LAMP].marks == {Mark.WEAK}
            await radio.exchange(LAMP, state)
            device = await admission.joined()
        assert (Mark.WEAK in device.security.marks) is weak
        assert [e.mark for e in events if isinstance(e, Marked)] == [Mark.WEAK] * weak


@pytest.mark.parametrize(
    ("state", "stays"),
    [(LinkKeyState.VERIFIED, True), (LinkKeyState.MISSING, False)],
    ids=["proves", "does not"],
)
async def test_a_lock_that_is_known_as_one_before_its_exchange_is_judged_by_the_exchange(
    hub: Hub, radio: FakeRadio, state: LinkKeyState, *, stays: bool
) -> None:
    authority = radio.authority
    assert authority is not None
    async with hub.admit(STICKER, name="Front door") as admission:
        await radio.join(LAMP)
        said = await authority.judge(
            IdentifyRequest(radio="fake", network=radio.network, device=LAMP, device_class="lock")
        )
        assert isinstance(said, Allow)
        await radio.exchange(LAMP, state)
        if stays:
            await admission.joined()
        else:
            with pytest.raises(AdmissionEnded):
                await admission.joined()
    assert (LAMP in hub.allowlist) is stays


@pytest.mark.parametrize(("model", "shut_off"), [("Lamp", False), ("Lock", True)])
async def test_who_is_put_out_for_what_it_is_stays_out(
    hub: Hub, radio: FakeRadio, monkeypatch: pytest.MonkeyPatch, model: str, *, shut_off: bool
) -> None:
    authority = radio.authority
    assert authority is not None
    async with hub.admit(STICKER, name="Hall lamp") as admission:
        await radio.join(LAMP)
        await radio.exchange(LAMP)
        await admission.joined()
    verdict = Evict("test", "It is a lock.") if shut_off else Allow("test", "It is a lamp.")
    monkeypatch.setattr("hubsec.authority.decide", lambda *_: verdict)
    await authority.judge(
        IdentifyRequest(radio="fake", network=radio.network, device=LAMP, device_class="lamp", model=model)
    )
    assert authority.standing(LAMP) is (Standing.QUARANTINED if shut_off else Standing.APPROVED)


async def test_no_key_without_a_record(hub: Hub, radio: FakeRadio, monkeypatch: pytest.MonkeyPatch) -> None:
    events = collect(hub)

    async def full(*_: object, **__: object) -> int:
        raise StoreError("The disk is full.")

    async with hub.admit(STICKER, name="Hall lamp"):
        with monkeypatch.context() as broken:
            broken.setattr(hub.store, "record", full)
            assert isinstance(await radio.join(LAMP), Deny)
            assert radio.keys_out == []
            assert [e.reason for e in events if isinstance(e, StoreAlarm)] == ["The disk is full."]
            assert (await hub.posture()).alarm == "The disk is full."
        assert isinstance(await radio.join(LAMP), Allow)
        assert (await hub.posture()).alarm is None


async def test_a_radio_that_fails_leaves_nothing_behind(hub: Hub, radio: FakeRadio) -> None:
    radio.raises["admit"] = RadioError("The stick does not answer.")
    with pytest.raises(RadioError):
        async with hub.admit(STICKER, name="Hall lamp"):
            pass
    assert LAMP not in hub.allowlist
    radio.raises.clear()
    async with hub.admit(STICKER, name="Hall lamp"):
        with pytest.raises(Refused, match="open already"):
            async with hub.admit(STICKER, name="Hall lamp"):
                pass


async def test_a_radio_that_does_not_open_closes_the_hub(tmp_path: Path) -> None:
    radio = FakeRadio()
    radio.raises["open"] = RadioError("The stick is not there.")
    with pytest.raises(RadioError):
        async with Hub(radio, policy="home", home=tmp_path / "hub"):
            pytest.fail("opened")
    assert radio.closed


@pytest.mark.parametrize(
    ("policy", "allowed"), [("home", True), ("strict", False)], ids=["home approves", "strict does not"]
)
async def test_who_approves_is_the_policys_word(tmp_path: Path, policy: str, *, allowed: bool) -> None:
    radio = FakeRadio()
    async with Hub(radio, policy=policy, home=tmp_path / "hub") as hub:
        knock = Knocked(time=hub.now(), radio="fake", device=LAMP, maker=None, parent=None)
        if allowed:
            hub.approve(knock, name="Old plug")
        else:
            with pytest.raises(Refused):
                hub.approve(knock, name="Old plug")


async def test_observe_changes_nothing(radio: FakeRadio, tmp_path: Path) -> None:
    async with Hub(radio, policy="home", mode=Mode.OBSERVE, home=tmp_path / "hub") as hub:
        events = collect(hub)
        authority = radio.authority
        assert authority is not None
        decision = await authority.judge(
            PresenceRequest(radio="fake", network=radio.network, device=STRANGER)
        )
        assert isinstance(decision, Quarantine)
        assert authority.standing(STRANGER) is Standing.ADOPTED
        assert len(await hub.store.decisions()) == 1
        assert [e.enforced for e in events if isinstance(e, Quarantined)] == [False]


async def test_every_decision_is_on_disk_before_the_radio_has_it(
    hub: Hub, radio: FakeRadio, tmp_path: Path
) -> None:
    async with hub.admit(STICKER, name="Hall lamp"):
        await radio.join(LAMP)
        with sqlite3.connect(f"file:{tmp_path}/hub/hubsec.db?mode=ro", uri=True) as other:
            rows = other.execute("SELECT count(*) FROM audit WHERE kind = 'decision'").fetchone()
        other.close()
        assert rows == (1,)


async def test_a_second_admission_that_fails_leaves_the_first_ones_entry(hub: Hub, radio: FakeRadio) -> None:
    await let_in(hub, radio)
    before, key = hub.allowlist[LAMP], await hub.allowlist.credential(LAMP)
    async with hub.admit(STICKER, name="Attic lamp"):
        assert hub.allowlist[LAMP].label == "Attic lamp"
    assert hub.allowlist[LAMP] == before
    assert await hub.allowlist.credential(LAMP) == key


async def test_a_bad_sticker_opens_nothing(hub: Hub, radio: FakeRadio) -> None:
    with pytest.raises(StickerError):
        hub.admit(STICKER.replace("C3B5", "C3B6"), name="Hall lamp")
    assert radio.orders == {}


async def test_evict_and_quarantine(hub: Hub, radio: FakeRadio) -> None:
    authority = radio.authority
    assert authority is not None
    await let_in(hub, radio)
    assert authority.standing(LAMP) is Standing.APPROVED
    await hub.quarantine(LAMP, "It behaves oddly.")
    assert authority.standing(LAMP) is Standing.QUARANTINED
    await hub.release(LAMP)
    assert authority.standing(LAMP) is Standing.APPROVED
    eviction = await hub.evict(LAMP)
    assert eviction.still_holds_network_key
    assert LAMP not in hub.allowlist
    assert authority.standing(LAMP) is Standing.UNKNOWN


async def test_a_hub_that_is_not_open_says_so() -> None:
    with pytest.raises(Exception, match="async with Hub"):
        _ = Hub().policy


async def test_closing_a_hub_ends_its_admissions(radio: FakeRadio, tmp_path: Path) -> None:
    async with Hub(radio, policy="home", home=tmp_path / "hub") as hub:
        admission = hub.admit(STICKER, name="Hall lamp")
        await admission.__aenter__()
        waiting = asyncio.ensure_future(admission.joined())
        await asyncio.sleep(0)
    with pytest.raises(AdmissionEnded):
        await waiting
    assert radio.withdrawn == [admission.id]
