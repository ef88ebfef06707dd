"""Letting Z-Wave devices in: by an operator's sticker, and on a host's word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hubsec import AdmissionEnded, Hub, HubsecError, Mark, Mode, Outcome, Refused, Standing, StoreError, Use
from hubsec.decisions import Allow, Deny, Quarantine
from hubsec.entries import Pinned
from hubsec.errors import EntryError, StickerError
from hubsec.events import AdmissionClosed, AdmissionOpened, Joined, JoinFailed, Knocked
from hubsec.identity import CredentialKind, SecurityClass
from hubsec.policy import load_policy

from .conftest import STICKER as ZIGBEE_STICKER
from .conftest import FakeRadio, collect
from .test_admissions import settled
from .zwave import (
    ACCESS_CONTROL,
    AUTHENTICATED,
    LOCK,
    LOCK_DSK,
    NONE,
    OTHER,
    OTHER_DSK,
    S0,
    SMART_START,
    STICKER,
    UNAUTHENTICATED,
    ZwaveRadio,
    at,
    let_lock_in,
)

HOUR = 3600


@pytest.fixture
def radio() -> ZwaveRadio:
    return ZwaveRadio()


@pytest.fixture
async def hub(radio: ZwaveRadio, tmp_path: Path) -> AsyncIterator[Hub]:
    async with Hub(radio, policy="home", home=tmp_path / "hub") as hub:
        yield hub


# By an operator's sticker


async def test_the_admitted_device_gets_in_and_another_gets_nothing(hub: Hub, radio: ZwaveRadio) -> None:
    async with hub.admit(STICKER, name="Front door") as admission:
        assert isinstance(await radio.shows(OTHER), Deny)
        assert isinstance(await radio.shows(LOCK), Allow)
        assert radio.asked.standing(LOCK) is Standing.APPROVED
        assert isinstance(await radio.arrives(LOCK, 12), Allow)
        device = await admission.joined()
    assert radio.keys_out == [LOCK]
    entry = hub.allowlist[LOCK]
    assert (entry.address, entry.credential, entry.marks) == (at(12), CredentialKind.DSK, frozenset())
    assert device.security.security_class is ACCESS_CONTROL
    assert str(device.security) == "included by its DSK; talks under S2 Access Control"


@pytest.mark.parametrize(
    ("sticker", "said", "smart_start", "window"),
    [
        (STICKER, None, False, 180),
        (SMART_START, None, True, 4 * HOUR),
        (SMART_START, False, False, 180),
        (STICKER, True, True, 4 * HOUR),
    ],
    ids=["DSK", "SmartStart QR", "SmartStart QR by button", "DSK by SmartStart"],
)
async def test_an_order_has_what_the_radio_needs(
    hub: Hub, radio: ZwaveRadio, sticker: str, said: bool | None, smart_start: bool, window: int
) -> None:
    async with hub.admit(sticker, name="Front door", smart_start=said) as admission:
        (order,) = radio.orders.values()
    assert order == admission.order
    assert (order.device, order.name, order.credential) == (LOCK, "Front door", CredentialKind.DSK)
    assert order.secret == LOCK_DSK
    assert (order.smart_start, order.window, order.least) == (smart_start, window, AUTHENTICATED)
    assert admission.entry.smart_start is smart_start


@pytest.mark.parametrize(
    ("device_class", "least"), [(None, AUTHENTICATED), ("lamp", AUTHENTICATED), ("lock", ACCESS_CONTROL)]
)
async def test_the_least_class_is_that_of_the_kind_of_device(
    hub: Hub, radio: ZwaveRadio, device_class: str | None, least: SecurityClass
) -> None:
    assert hub.admit(STICKER, name="Front door", device_class=device_class).order.least is least
    assert radio.asked.least_security(device_class) is least


async def test_smart_start_is_no_way_to_a_longer_window_on_zigbee(tmp_path: Path) -> None:
    async with Hub(FakeRadio(), policy="home", home=tmp_path / "hub") as hub:
        assert hub.admit(ZIGBEE_STICKER, name="Hall lamp", smart_start=False).order.window == 180
        with pytest.raises(EntryError, match="SmartStart"):
            hub.admit(ZIGBEE_STICKER, name="Hall lamp", smart_start=True)


async def test_a_smart_start_admission_is_withdrawn_in_time(hub: Hub, radio: ZwaveRadio) -> None:
    admission = hub.admit(SMART_START, name="Front door")
    admission.order = msgspec.structs.replace(admission.order, window=0.05)
    async with admission:
        with pytest.raises(AdmissionEnded, match="did not join within"):
            await admission.joined()
    assert radio.withdrawn == [admission.id]
    assert LOCK not in hub.allowlist
    assert isinstance(await radio.shows(LOCK), Deny)


async def test_the_word_of_a_list_alone_lets_nobody_in(hub: Hub, radio: ZwaveRadio) -> None:
    """Judged before it has shown itself: its entry is not spent, and it may still not come."""
    async with hub.admit(SMART_START, name="Front door"):
        assert hub.allowlist[LOCK].joined_at is None
        assert radio.asked.standing(LOCK) is Standing.UNKNOWN
    assert LOCK not in hub.allowlist


@pytest.mark.parametrize(
    ("security", "gets", "stays"),
    [(ACCESS_CONTROL, Allow, True), (AUTHENTICATED, Quarantine, False)],
    ids=["as asked", "below"],
)
async def test_who_comes_with_less_is_shut_off_until_it_has_left(
    hub: Hub, radio: ZwaveRadio, security: SecurityClass, gets: type, *, stays: bool
) -> None:
    async with hub.admit(STICKER, name="Front door", device_class="lock") as admission:
        await radio.shows(LOCK)
        assert isinstance(await radio.arrives(LOCK, 12, security), gets)
    assert admission.outcome is (Outcome.JOINED if stays else Outcome.REFUSED)
    entry = hub.allowlist[LOCK]
    assert (entry.quarantined is None) is stays
    assert (entry.expires_at is None) is stays
    assert entry.address == at(12)
    assert radio.asked.standing(LOCK) is (Standing.APPROVED if stays else Standing.QUARANTINED)
    if not stays:
        with pytest.raises(Refused, match="release it first"):
            await hub.admit(STICKER, name="Front door").__aenter__()
        await radio.departs(LOCK)
        assert LOCK not in hub.allowlist
        await let_lock_in(hub, radio)


@pytest.mark.parametrize("security", [NONE, S0, UNAUTHENTICATED, None])
@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
async def test_who_does_not_prove_its_dsk_is_somebody_else(
    hub: Hub, radio: ZwaveRadio, security: SecurityClass | None, *, known: bool
) -> None:
    if known:
        await let_lock_in(hub, radio)
        await radio.departs(LOCK)
    before, key = hub.allowlist.get(LOCK), await hub.allowlist.credential(LOCK)
    events = collect(hub)
    async with hub.admit(STICKER, name="Back door") as admission:
        await radio.shows(LOCK)
        assert isinstance(await radio.arrives(LOCK, 13, security), Quarantine)
        with pytest.raises(AdmissionEnded, match="did not prove") as caught:
            await admission.joined()
    assert caught.value.outcome == Outcome.FAILED
    assert [e.address for e in events if isinstance(e, JoinFailed)] == [at(13)]
    assert hub.allowlist.get(LOCK) == before
    assert await hub.allowlist.credential(LOCK) == key
    assert radio.withdrawn[-1] == admission.id
    assert radio.asked.standing(at(13)) is Standing.QUARANTINED
    assert not [e for e in events if isinstance(e, Joined)]


async def test_an_s2_device_is_held_to_the_class_that_it_came_in_with(hub: Hub, radio: ZwaveRadio) -> None:
    await let_lock_in(hub, radio)
    assert hub.allowlist[LOCK].pinned == Pinned(security_class=ACCESS_CONTROL)
    said = {"device_class": "lock", "manufacturer": "Acme", "model": "L1"}
    assert isinstance(await radio.says(LOCK, **said, security_class=ACCESS_CONTROL), Allow)
    assert hub.allowlist[LOCK].pinned == Pinned(**said, security_class=ACCESS_CONTROL)
    assert isinstance(await radio.says(LOCK, **said, security_class=AUTHENTICATED), Quarantine)
    assert radio.asked.standing(LOCK) is Standing.QUARANTINED


async def test_that_its_class_is_not_known_now_is_no_way_to_a_lesser_one(hub: Hub, radio: ZwaveRadio) -> None:
    await let_lock_in(hub, radio)
    assert isinstance(await radio.says(LOCK, model="L1"), Allow)
    assert hub.allowlist[LOCK].pinned == Pinned(model="L1", security_class=ACCESS_CONTROL)
    assert isinstance(await radio.says(LOCK, model="L1", security_class=AUTHENTICATED), Quarantine)


async def test_nobody_is_approved_on_zwave(hub: Hub, radio: ZwaveRadio) -> None:
    with pytest.raises(Refused, match="Only Zigbee has approvals"):
        hub.approve(
            Knocked(time=hub.now(), radio="zwave", device=LOCK, maker=None, parent=None), name="Front door"
        )
    assert radio.orders == {}


async def test_a_sticker_is_for_the_device_whose_it_is(hub: Hub) -> None:
    for named in (LOCK, STICKER):
        assert hub.admit(STICKER, name="Front door", device=named).device == LOCK
    for named in (OTHER, at(12)):
        with pytest.raises(StickerError, match="another device"):
            hub.admit(STICKER, name="Front door", device=named)


# Ended while it opens


@pytest.mark.parametrize("how", ["evicted", "closed"])
@pytest.mark.parametrize("by", ["hub", "host"])
@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
async def test_what_is_ended_while_it_is_written_opens_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, by: str, *, known: bool
) -> None:
    radio = ZwaveRadio()
    async with Hub(radio, policy="home", home=tmp_path / "hub") as hub:
        if known:
            await let_lock_in(hub, radio)
        events = collect(hub)
        add, reached, go = hub.allowlist.add, asyncio.Event(), asyncio.Event()

        async def slow(*args: Any) -> Any:
            reached.set()
            await go.wait()
            return await add(*args)

        monkeypatch.setattr(hub.allowlist, "add", slow)
        work = hub.admit(STICKER, name="Front door").__aenter__() if by == "hub" else radio.vouch()
        opening = asyncio.ensure_future(work)  # type: ignore[arg-type,var-annotated]
        await reached.wait()
        admissions = hub._opened()[1]
        ending: asyncio.Future[Any] = asyncio.ensure_future(
            admissions.give_up(LOCK, "It is not wanted.", by="Ada")
            if how == "evicted"
            else admissions.settle()
        )
        await asyncio.sleep(0)
        go.set()
        with pytest.raises(Refused, match="not wanted" if how == "evicted" else "hub closed"):
            await opening
        await ending
        assert radio.orders == {}
        assert not admissions.ways
        assert not [e for e in events if isinstance(e, AdmissionOpened | AdmissionClosed)]
        assert (LOCK in hub.allowlist) is (known and how == "closed")


async def test_what_is_withdrawn_while_the_radio_opens_is_not_open_after_it(
    hub: Hub, radio: ZwaveRadio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A radio that has to ask its server first, and knows the order only then."""
    admit, reached, go = radio.admit, asyncio.Event(), asyncio.Event()

    async def slow(order: Any) -> None:
        reached.set()
        await go.wait()
        await admit(order)

    monkeypatch.setattr(radio, "admit", slow)
    opening = asyncio.ensure_future(hub.admit(STICKER, name="Front door").__aenter__())
    await reached.wait()
    assert not (await hub.evict(LOCK)).awaited
    go.set()
    admission = await opening
    assert admission.outcome is Outcome.REFUSED
    assert radio.orders == {}


# On a host's word


async def test_a_host_may_vouch_for_a_device(hub: Hub, radio: ZwaveRadio) -> None:
    events = collect(hub)
    order = await radio.vouch(by="client:kitchen", device_class="lock")
    assert (order.device, order.secret, order.least) == (LOCK, LOCK_DSK, ACCESS_CONTROL)
    assert not order.smart_start
    # The radio has asked for it, and is not told of it again.
    assert "admit" not in radio.calls
    entry = hub.allowlist[LOCK]
    assert (entry.approved_by, entry.device_class, entry.joined_at) == ("client:kitchen", "lock", None)
    assert await hub.allowlist.credential(LOCK) == LOCK_DSK
    assert [e.correlation for e in events if isinstance(e, AdmissionOpened)] == [order.admission]
    await radio.shows(LOCK)
    assert isinstance(await radio.arrives(LOCK, 12), Allow)
    await settled(lambda: radio.withdrawn == [order.admission])
    assert [e.outcome for e in events if isinstance(e, AdmissionClosed)] == ["joined"]
    assert hub.allowlist[LOCK].address == at(12)


@pytest.mark.parametrize(
    ("policy", "by", "rule"),
    [
        ("home", "host", None),
        ("home", "client:kitchen", None),
        ("home", "c0ffee01:9", "node-permit"),
        ("strict", "host", "host-inclusion"),
        ("strict", "client:kitchen", "host-inclusion"),
    ],
)
async def test_whose_word_counts_is_the_policys(
    tmp_path: Path, policy: str, by: str, rule: str | None
) -> None:
    radio = ZwaveRadio()
    async with Hub(radio, policy=policy, home=tmp_path / "hub") as hub:
        if rule is None:
            await radio.vouch(by=by)
        else:
            with pytest.raises(Refused) as caught:
                await radio.vouch(by=by)
            assert caught.value.rule == rule
        assert (LOCK in hub.allowlist) is (rule is None)
        # Either way it was asked, and is on record.
        assert [record.device for record in await hub.store.decisions()] == [LOCK]


async def test_a_policy_that_takes_no_dsk_takes_none_from_a_host(tmp_path: Path) -> None:
    policy = load_policy(
        "policy: codes\njoining: {credentials: [install-code]}\nopening: {host-inclusion: guarded}\n"
    )
    radio = ZwaveRadio()
    async with Hub(radio, policy=policy, home=tmp_path / "hub") as hub:
        with pytest.raises(Refused) as caught:
            await radio.vouch()
        assert caught.value.rule == "credential"
        assert LOCK not in hub.allowlist


@pytest.mark.parametrize("why", ["observes", "not adopted", "closed"])
async def test_a_hub_that_lets_nobody_in_takes_nobodys_word(tmp_path: Path, why: str) -> None:
    radio = ZwaveRadio(formed=why != "not adopted")
    mode = Mode.OBSERVE if why == "observes" else Mode.ENFORCE
    async with Hub(radio, policy="home", home=tmp_path / "hub", mode=mode) as hub:
        if why == "closed":
            await hub._opened()[1].settle()
        with pytest.raises(HubsecError):
            await radio.vouch()
        assert LOCK not in hub.allowlist
        assert not hub._opened()[1].ways


async def test_a_device_that_is_vouched_for_anew_keeps_what_an_operator_said(
    hub: Hub, radio: ZwaveRadio
) -> None:
    until = hub.now() + HOUR
    await let_lock_in(hub, radio, device_class="lock", maker="Acme", use=Use.SINGLE, expires_at=until)
    await radio.says(LOCK, device_class="lock", manufacturer="Acme", security_class=ACCESS_CONTROL)
    before = hub.allowlist[LOCK]
    order = await radio.vouch(by="client:kitchen", device_class="lamp")
    assert order.least is ACCESS_CONTROL
    entry = hub.allowlist[LOCK]
    kept = ("label", "device_class", "maker", "use", "expires_at", "joined_at", "pinned", "marks", "address")
    assert {name: getattr(entry, name) for name in kept} == {name: getattr(before, name) for name in kept}
    assert (entry.label, entry.expires_at, entry.approved_by) == ("Front door", until, "client:kitchen")
    assert radio.asked.standing(LOCK) is Standing.APPROVED


async def test_who_has_expired_may_be_vouched_for_again(tmp_path: Path) -> None:
    now, radio = 1_000.0, ZwaveRadio()
    async with Hub(radio, policy="home", home=tmp_path / "hub", clock=lambda: now) as hub:
        await let_lock_in(hub, radio, expires_at=2_000.0)
        now = 2_000.0
        await radio.vouch()
        assert hub.allowlist[LOCK].expires_at is None


async def test_a_device_that_is_shut_off_has_no_host_to_vouch_for_it(hub: Hub, radio: ZwaveRadio) -> None:
    await let_lock_in(hub, radio)
    await hub.quarantine(LOCK, "It behaves oddly.")
    before = hub.allowlist[LOCK]
    with pytest.raises(Refused, match="release it first"):
        await radio.vouch()
    assert hub.allowlist[LOCK] == before
    assert await hub.allowlist.credential(LOCK) == LOCK_DSK


async def test_a_device_has_one_admission_at_a_time(hub: Hub, radio: ZwaveRadio) -> None:
    async with hub.admit(STICKER, name="Front door") as admission:
        with pytest.raises(Refused, match="open already"):
            await radio.vouch()
        assert list(radio.orders) == [admission.id]
        assert hub.allowlist[LOCK].approved_by == "operator"
    first, second, other = await asyncio.gather(
        radio.vouch(), radio.vouch(by="client:kitchen"), radio.vouch(OTHER_DSK), return_exceptions=True
    )
    assert isinstance(second, Refused)
    assert {LOCK, OTHER} == {order.device for order in radio.orders.values()}
    assert not isinstance(first, BaseException)
    assert not isinstance(other, BaseException)


@pytest.mark.parametrize("step", ["record", "add"])
@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
async def test_nobody_is_vouched_for_without_a_record(
    hub: Hub, radio: ZwaveRadio, monkeypatch: pytest.MonkeyPatch, step: str, *, known: bool
) -> None:
    if known:
        await let_lock_in(hub, radio)
    before, key = hub.allowlist.get(LOCK), await hub.allowlist.credential(LOCK)
    orders = dict(radio.orders)

    async def full(*_: object) -> None:
        raise StoreError("The disk is full.")

    with monkeypatch.context() as broken:
        broken.setattr(hub.store if step == "record" else hub.allowlist, step, full)
        with pytest.raises(StoreError, match="The disk is full"):
            await radio.vouch()
    assert radio.orders == orders
    assert hub.allowlist.get(LOCK) == before
    assert await hub.allowlist.credential(LOCK) == key
    await radio.vouch()


@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
@pytest.mark.parametrize("how", ["time", "hub closes"])
async def test_a_word_that_nobody_came_for_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, *, known: bool
) -> None:
    radio = ZwaveRadio()
    async with Hub(radio, policy="home", home=tmp_path / "hub") as hub:
        if known:
            await let_lock_in(hub, radio)
        before = hub.allowlist.get(LOCK)
        order = await radio.vouch()
        if how == "time":
            admissions = hub._opened()[1]
            admissions._set_timer(admissions._running[LOCK], 0.01)
            await settled(lambda: radio.withdrawn and radio.withdrawn[-1] == order.admission)
            await settled(lambda: LOCK not in admissions._running)
            assert hub.allowlist.get(LOCK) == before
            assert isinstance(await radio.shows(LOCK), Deny)
    assert radio.withdrawn[-1] == order.admission
    async with Hub(ZwaveRadio(formed=False), policy="home", home=tmp_path / "hub") as again:
        assert again.allowlist.get(LOCK) == before


@pytest.mark.parametrize("node", [12, 13], ids=["where it was", "elsewhere"])
async def test_an_admission_that_fails_takes_no_address_back(hub: Hub, radio: ZwaveRadio, node: int) -> None:
    """It left its old place while it was to come in anew: nobody who gets that node id is to be taken for it."""
    await let_lock_in(hub, radio)
    async with hub.admit(STICKER, name="Front door"):
        await radio.departs(LOCK)
    assert hub.allowlist[LOCK].address is None
    assert isinstance(await radio.arrives(OTHER, node, NONE), Quarantine)
    assert radio.asked.standing(at(node)) is Standing.QUARANTINED
    assert radio.asked.standing(LOCK) is Standing.APPROVED


async def test_weak_is_who_has_not_shown_its_keys_yet(hub: Hub, radio: ZwaveRadio) -> None:
    async with hub.admit(STICKER, name="Front door"):
        await radio.shows(LOCK)
        assert hub.allowlist[LOCK].marks == {Mark.WEAK}
        await radio.arrives(LOCK, 12)
        assert hub.allowlist[LOCK].marks == frozenset()
