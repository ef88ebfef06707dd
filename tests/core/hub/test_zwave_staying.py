"""Z-Wave devices that are on the network: where they are, and until when. Nobody can make one leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hubsec import Hub, Mode, RadioError, Refused, Standing, StoreError
from hubsec.decisions import Allow, Quarantine
from hubsec.errors import EntryError
from hubsec.events import Event, Evicted, Quarantined, Released, RemovalAwaited
from hubsec.identity import CredentialKind, Identity
from hubsec.policy import load_policy
from hubsec.radio import Eviction, SeenDevice
from hubsec.requests import ExchangeRequest

from .conftest import collect
from .zwave import (
    ACCESS_CONTROL,
    AUTHENTICATED,
    LOCK,
    LOCK_DSK,
    NONE,
    OTHER,
    S0,
    STICKER,
    UNAUTHENTICATED,
    ZwaveRadio,
    at,
    let_lock_in,
)

NODE = at(12)


@pytest.fixture
def radio() -> ZwaveRadio:
    return ZwaveRadio()


@pytest.fixture
async def hub(radio: ZwaveRadio, tmp_path: Path) -> AsyncIterator[Hub]:
    async with Hub(radio, policy="home", home=tmp_path / "hub") as hub:
        yield hub


@pytest.fixture
async def baseline(tmp_path: Path) -> AsyncIterator[tuple[Hub, ZwaveRadio]]:
    """A network that had node 12 before there was a hub."""
    radio = ZwaveRadio(formed=False, seen=[SeenDevice(device=NODE, name="Old plug")])
    async with Hub(radio, policy="home", home=tmp_path / "hub") as hub:
        await hub.adopt("zwave")
        yield hub, radio


def shown(events: list[Event]) -> list[tuple[str, str | None]]:
    kinds = Evicted | Quarantined | Released | RemovalAwaited
    return [(type(e).__name__, e.device) for e in events if isinstance(e, kinds)]


# Where they are


async def test_a_device_is_where_it_was_last_let_in(hub: Hub, radio: ZwaveRadio) -> None:
    await let_lock_in(hub, radio, 12)
    await let_lock_in(hub, radio, 13)
    assert hub.allowlist[LOCK].address == at(13)


@pytest.mark.parametrize("security", [NONE, ACCESS_CONTROL], ids=["a stranger", "a device of its own"])
async def test_a_node_belongs_to_who_came_last(hub: Hub, radio: ZwaveRadio, security: Any) -> None:
    await let_lock_in(hub, radio, 12)
    await radio.arrives(OTHER, 12, security)
    assert hub.allowlist[LOCK].address is None
    assert radio.asked.standing(LOCK) is Standing.APPROVED
    assert radio.asked.standing(NODE) is not Standing.APPROVED


@pytest.mark.parametrize(
    ("address", "bound"),
    [(at(12), True), (at(12, 0xBADC0DE5), False), (at(12, 0xC0FFEE0), False)],
    ids=["its own", "another network's", "one that begins alike"],
)
async def test_an_address_is_one_of_this_network(
    hub: Hub, radio: ZwaveRadio, monkeypatch: pytest.MonkeyPatch, address: Identity, *, bound: bool
) -> None:
    monkeypatch.setattr("tests.core.hub.zwave.at", lambda _: address)
    await let_lock_in(hub, radio)
    assert hub.allowlist[LOCK].address == (address if bound else None)


@pytest.mark.parametrize("left", [True, False], ids=["told that it left", "not told"])
@pytest.mark.parametrize("condemned", [False, True], ids=["baseline", "to leave"])
@pytest.mark.parametrize("proves", [False, True], ids=["stranger", "lock"])
async def test_a_newcomer_is_not_taken_for_who_had_its_node_id_before(
    baseline: tuple[Hub, ZwaveRadio], *, left: bool, condemned: bool, proves: bool
) -> None:
    hub, radio = baseline
    if condemned:
        await hub.evict(NODE)
    if left:
        await radio.departs(NODE)
    if proves:
        await let_lock_in(hub, radio, 12)
        assert hub.allowlist[LOCK].address == NODE
        assert NODE not in hub.allowlist
        await radio.departs(LOCK)
    else:
        assert isinstance(await radio.arrives(OTHER, 12, NONE), Quarantine)
        assert hub.allowlist[NODE].credential is CredentialKind.NONE
        assert radio.asked.standing(NODE) is Standing.QUARANTINED
        await radio.departs(NODE)
    assert NODE not in hub.allowlist
    # And the next one there is a stranger, too.
    assert radio.asked.standing(NODE) is Standing.UNKNOWN


# Who leaves


@pytest.mark.parametrize("how", ["by DSK", "by address", "expired", "shut off by an operator", "unknown"])
async def test_what_is_left_of_who_has_departed(baseline: tuple[Hub, ZwaveRadio], how: str) -> None:
    hub, radio = baseline
    await let_lock_in(hub, radio, 13)
    device: Identity = NODE if how == "by address" else LOCK
    match how:
        case "expired":
            await hub.allowlist.update(LOCK, expires_at=hub.now() - 1)
        case "shut off by an operator":
            await hub.quarantine(LOCK, "It behaves oddly.")
        case "unknown":
            device = at(99)
    before = dict(hub.allowlist)
    await radio.asked.departed(device)
    entry = hub.allowlist.get(LOCK)
    match how:
        case "by DSK" | "shut off by an operator":
            assert entry is not None
            assert entry.address is None
            assert entry.quarantined == before[LOCK].quarantined
            assert await hub.allowlist.credential(LOCK) == LOCK_DSK
        case "by address":
            assert NODE not in hub.allowlist
            assert entry == before[LOCK]
        case "expired":
            assert entry is None
            assert await hub.allowlist.credential(LOCK) is None
        case _:
            assert dict(hub.allowlist) == before
    await radio.asked.departed(device)  # Told twice: nothing more to take back.


async def test_another_networks_device_does_not_depart_from_this_one(hub: Hub, radio: ZwaveRadio) -> None:
    await let_lock_in(hub, radio)
    before = dict(hub.allowlist)
    await radio.asked.departed(Identity("00:12:4b:00:00:00:00:01"))
    assert dict(hub.allowlist) == before


async def test_who_departs_while_it_is_revoked_is_gone(
    hub: Hub, radio: ZwaveRadio, monkeypatch: pytest.MonkeyPatch
) -> None:
    await let_lock_in(hub, radio)
    update = hub.allowlist.update

    async def late(*args: Any, **kwargs: Any) -> Any:
        await hub.allowlist.revoke(LOCK, by="operator")
        return await update(*args, **kwargs)

    monkeypatch.setattr(hub.allowlist, "update", late)
    await radio.asked.departed(LOCK)
    assert LOCK not in hub.allowlist


# Who is to leave


async def test_a_stranger_is_shut_off_until_it_has_left(tmp_path: Path) -> None:
    radio = ZwaveRadio()
    async with Hub(radio, policy="home", home=tmp_path / "hub") as hub:
        events = collect(hub)
        assert isinstance(await radio.arrives(OTHER, 12, UNAUTHENTICATED), Quarantine)
        entry = hub.allowlist[NODE]
        assert (entry.credential, entry.label) == (CredentialKind.NONE, NODE)
        assert entry.expires_at is not None
        assert entry.quarantined
        assert shown(events) == [("Quarantined", NODE), ("RemovalAwaited", NODE)]
    # Also when the program ends.
    radio = ZwaveRadio(formed=False)
    async with Hub(radio, policy="home", home=tmp_path / "hub") as hub:
        assert radio.asked.standing(NODE) is Standing.QUARANTINED
        assert [e.device for e in radio.asked.entries()] == [NODE]
        await radio.departs(NODE)
        assert radio.asked.entries() == ()
        assert radio.asked.standing(NODE) is Standing.UNKNOWN


@pytest.mark.parametrize(("condemned", "standing"), [(False, Standing.ADOPTED), (True, Standing.QUARANTINED)])
async def test_who_is_to_leave_is_shut_off_whatever_the_policy_says_of_strangers(
    tmp_path: Path, standing: Standing, *, condemned: bool
) -> None:
    policy = load_policy("policy: open\njoining: {credentials: [dsk]}\ndevices: {without-entry: report}\n")
    radio = ZwaveRadio()
    async with Hub(radio, policy=policy, home=tmp_path / "hub") as hub:
        if condemned:
            await radio.asked.condemn(NODE, "It came by somebody else's inclusion.")
        decision = await radio.there(NODE)
        assert isinstance(decision, Quarantine if condemned else Allow)
        assert radio.asked.standing(NODE) is standing
        hub.forget(NODE)
        assert isinstance(await radio.there(NODE), Quarantine if condemned else Allow)


async def test_who_is_to_leave_may_stay_on_an_operators_word(hub: Hub, radio: ZwaveRadio) -> None:
    radio.seen = (SeenDevice(device=NODE, name="Acme Plug"),)
    await radio.arrives(OTHER, 12, S0)
    allowed = await hub.allow(NODE, by="Ada")
    assert (allowed.name, allowed.security.standing) == ("Acme Plug", Standing.ADOPTED)
    entry = hub.allowlist[NODE]
    assert (entry.approved_by, entry.quarantined, entry.expires_at) == ("Ada", None, None)
    assert radio.asked.standing(NODE) is Standing.ADOPTED


async def test_a_device_of_the_list_that_was_to_leave_stays_as_what_it_was(
    hub: Hub, radio: ZwaveRadio
) -> None:
    await let_lock_in(hub, radio, device_class="lock")
    before = hub.allowlist[LOCK]
    radio.seen = (SeenDevice(device=LOCK, name="Node 12"),)
    await hub.evict(LOCK)
    allowed = await hub.allow(LOCK)
    assert hub.allowlist[LOCK] == before
    assert allowed.security.credential is CredentialKind.DSK
    assert radio.asked.standing(LOCK) is Standing.APPROVED


async def test_released_is_not_allowed(hub: Hub, radio: ZwaveRadio) -> None:
    """The end of a quarantine brings no entry back that is over: the device is a stranger then."""
    await let_lock_in(hub, radio)
    radio.seen = (SeenDevice(device=LOCK, name="Node 12"),)
    await hub.evict(LOCK)
    await hub.release(LOCK)
    assert radio.asked.standing(LOCK) is Standing.UNKNOWN
    assert isinstance(await radio.there(LOCK), Quarantine)
    # Its way back is a new admission.
    await let_lock_in(hub, radio, 13)
    assert radio.asked.standing(LOCK) is Standing.APPROVED


async def test_the_first_reason_is_said_once(hub: Hub, radio: ZwaveRadio) -> None:
    events = collect(hub)
    await radio.there(NODE)
    await radio.asked.condemn(NODE, "It came by somebody else's inclusion.")
    await radio.asked.condemn(NODE, "Another reason.")
    assert hub.allowlist[NODE].quarantined == "It came by somebody else's inclusion."
    assert shown(events) == [("Quarantined", NODE)]


async def test_what_can_not_be_written_is_told(
    hub: Hub, radio: ZwaveRadio, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise StoreError("The disk is full.")

    await let_lock_in(hub, radio)
    for step, call in (
        ("add", lambda: radio.asked.condemn(NODE, "odd")),
        ("update", lambda: radio.asked.condemn(LOCK, "odd")),
        ("update", lambda: radio.asked.departed(LOCK)),
    ):
        with monkeypatch.context() as broken:
            broken.setattr(hub.allowlist, step, full)
            with pytest.raises(StoreError):
                await call()
    assert (await hub.posture()).alarm == "The disk is full."


async def test_who_was_taken_off_the_list_while_it_came_in_is_found_again(tmp_path: Path) -> None:
    radio = ZwaveRadio()
    async with Hub(radio, policy="home", home=tmp_path / "hub") as hub:
        async with hub.admit(STICKER, name="Front door"):
            await radio.shows(LOCK)
            await hub.allowlist.revoke(LOCK, by="operator")
        assert isinstance(await radio.arrives(LOCK, 12), Quarantine)
        assert hub.allowlist[LOCK].quarantined
        # By that a radio knows after a start who is there.
        assert hub.allowlist[LOCK].address == NODE
        radio.seen = (SeenDevice(device=LOCK, name="Node 12"),)
        # Nor is its sticker alone a way to be used: it has been let in by nothing yet.
        await hub.release(LOCK)
        async with hub.admit(STICKER, name="Front door"):
            assert hub.allowlist[LOCK].address == NODE
            assert radio.asked.standing(LOCK) is Standing.UNKNOWN
        await hub.allow(LOCK, name="Front door")
        assert hub.allowlist[LOCK].address == NODE
        await radio.departs(LOCK)
        assert hub.allowlist[LOCK].address is None


@pytest.mark.parametrize("then", ["it is there", "it departed", "another came in its place"])
async def test_who_stays_without_an_entry_is_found_as_long_as_it_is_there(tmp_path: Path, then: str) -> None:
    policy = load_policy("policy: open\njoining: {credentials: [dsk]}\ndevices: {without-entry: report}\n")
    radio = ZwaveRadio()
    async with Hub(radio, policy=policy, home=tmp_path / "hub") as hub:
        assert isinstance(await radio.arrives(LOCK, 12), Allow)
        assert LOCK not in hub.allowlist
        match then:
            case "it departed":
                await radio.departs(LOCK)
            case "another came in its place":
                await radio.arrives(OTHER, 12)
        await radio.asked.condemn(LOCK, "It is to leave.")
        assert hub.allowlist[LOCK].address == (NODE if then == "it is there" else None)


async def test_who_came_with_less_is_to_leave_before_the_radio_has_said_so(tmp_path: Path) -> None:
    """The hub is ended between the decision and what the radio makes of it."""
    radio = ZwaveRadio()
    async with (
        Hub(radio, policy="home", home=tmp_path / "hub") as hub,
        hub.admit(STICKER, name="Front door", device_class="lock"),
    ):
        await radio.shows(LOCK)
        held = {"security_class": AUTHENTICATED, "address": NODE}
        request = ExchangeRequest(radio="zwave", network=radio.network, device=LOCK, **held)
        assert isinstance(await radio.asked.judge(request), Quarantine)
    radio = ZwaveRadio(formed=False)
    async with Hub(radio, policy="home", home=tmp_path / "hub") as hub:
        entry = hub.allowlist[LOCK]
        assert entry.address == NODE
        assert entry.quarantined
        assert entry.expires_at is not None
        await radio.asked.departed(LOCK)
        assert LOCK not in hub.allowlist


# Evicted


async def test_evicting_takes_somebodys_hand(hub: Hub, radio: ZwaveRadio) -> None:
    await let_lock_in(hub, radio)
    radio.seen = (SeenDevice(device=LOCK, name="Node 12"),)
    events = collect(hub)
    eviction = await hub.evict(LOCK, reason="It was sold.")
    assert eviction.awaited is True
    assert not eviction.confirmed
    entry = hub.allowlist[LOCK]
    assert (entry.quarantined, entry.address) == ("It was sold.", NODE)
    assert radio.asked.standing(LOCK) is Standing.QUARANTINED
    assert shown(events) == [("Quarantined", LOCK), ("RemovalAwaited", LOCK)]
    await radio.departs(LOCK)
    assert shown(events)[-1] == ("Evicted", LOCK)
    assert LOCK not in hub.allowlist
    assert await hub.allowlist.credential(LOCK) is None


@pytest.mark.parametrize("spelled", [LOCK, STICKER, NODE, NODE.upper()], ids=["tail", "DSK", "node", "NODE"])
async def test_a_device_is_named_by_any_of_its_names(hub: Hub, radio: ZwaveRadio, spelled: str) -> None:
    await let_lock_in(hub, radio)
    radio.seen = (SeenDevice(device=LOCK, name="Node 12"),)
    await hub.quarantine(spelled, "It behaves oddly.")
    assert hub.allowlist[LOCK].quarantined == "It behaves oddly."
    await hub.release(spelled)
    assert radio.asked.standing(LOCK) is Standing.APPROVED
    assert (await hub.evict(spelled)).awaited is True
    assert radio.leaving == {LOCK: "It was told to leave."}
    assert (await hub.allow(spelled)).identity == LOCK
    assert list(hub.allowlist) == [LOCK]


async def test_a_stranger_that_is_there_can_be_evicted(hub: Hub, radio: ZwaveRadio) -> None:
    radio.seen = (SeenDevice(device=NODE, name="Node 12"),)
    assert (await hub.evict(NODE.upper())).awaited is True
    assert radio.asked.standing(NODE) is Standing.QUARANTINED
    with pytest.raises(Refused, match="is not on the network"):
        await hub.evict(at(99))
    assert at(99) not in hub.allowlist


@pytest.mark.parametrize("was", ["away", "expected", "coming"])
async def test_who_is_not_there_is_off_the_list_and_that_is_all(
    hub: Hub, radio: ZwaveRadio, was: str
) -> None:
    """Nobody could take its entry away if that waited until the device leaves."""
    if was == "away":
        await let_lock_in(hub, radio)
        await radio.departs(LOCK)
    else:
        await hub.admit(STICKER, name="Front door").__aenter__()
        if was == "coming":
            await radio.shows(LOCK)
    events = collect(hub)
    eviction = await hub.evict(LOCK)
    assert not eviction.awaited
    # Keys that are on their way, or that it held, are not called back.
    assert (eviction.confirmed, eviction.still_holds_network_key) == (was != "coming", was != "expected")
    assert LOCK not in hub.allowlist
    assert "evict" not in radio.calls
    assert [(e.device, e.confirmed) for e in events if isinstance(e, Evicted)] == [(LOCK, was != "coming")]
    if was == "coming":
        assert isinstance(await radio.arrives(LOCK, 12), Quarantine)
        assert radio.asked.standing(LOCK) is Standing.QUARANTINED
    else:
        await let_lock_in(hub, radio)


async def test_who_can_not_be_told_to_leave_is_shut_off_all_the_same(hub: Hub, radio: ZwaveRadio) -> None:
    await let_lock_in(hub, radio)
    radio.seen = (SeenDevice(device=LOCK, name="Node 12"),)
    radio.raises["evict"] = TimeoutError()
    with pytest.raises(RadioError):
        await hub.evict(LOCK)
    assert radio.asked.standing(LOCK) is Standing.QUARANTINED


async def test_a_removal_that_is_over_at_once_is_told_at_once(
    hub: Hub, radio: ZwaveRadio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A radio that has struck off a dead device before it answers."""
    await let_lock_in(hub, radio)
    radio.seen = (SeenDevice(device=LOCK, name="Node 12"),)

    async def at_once(device: Identity) -> Eviction:
        await radio.asked.departed(device)
        return Eviction(confirmed=True, still_holds_network_key=True, detail="It was dead.")

    monkeypatch.setattr(radio, "evict", at_once)
    events = collect(hub)
    assert (await hub.evict(LOCK)).confirmed
    assert LOCK not in hub.allowlist
    assert ("Evicted", LOCK) in shown(events)


# Only watched


async def test_observing_changes_nothing_but_where_devices_are(tmp_path: Path) -> None:
    radio = ZwaveRadio()
    async with Hub(radio, policy="home", home=tmp_path / "hub") as hub:
        await let_lock_in(hub, radio)
        before = hub.allowlist[LOCK]
    radio = ZwaveRadio(formed=False, seen=[SeenDevice(device=LOCK, name="Node 12")])
    async with Hub(radio, policy="home", home=tmp_path / "hub", mode=Mode.OBSERVE) as hub:
        events = collect(hub)
        assert isinstance(await radio.arrives(LOCK, 13, ACCESS_CONTROL), Allow)
        assert isinstance(await radio.arrives(OTHER, 14, NONE), Quarantine)
        assert isinstance(await radio.says(LOCK, security_class=NONE), Quarantine)
        await radio.asked.condemn(LOCK, "It is to leave.")
        for refused in (hub.evict(LOCK), radio.vouch(), hub.admit(STICKER, name="x").__aenter__()):
            with pytest.raises(Refused, match="observes"):
                await refused
        moved = hub.allowlist[LOCK]
        assert moved.address == at(13)
        assert (moved.quarantined, moved.expires_at, moved.pinned) == (None, None, before.pinned)
        assert list(hub.allowlist) == [LOCK]
        assert {e.enforced for e in events if isinstance(e, Quarantined)} == {False}
        assert radio.asked.standing(LOCK) is Standing.APPROVED
        await radio.asked.departed(LOCK)
        assert hub.allowlist[LOCK].address is None


# Two at once


async def test_two_that_come_at_once_each_have_their_place(hub: Hub, radio: ZwaveRadio) -> None:
    await let_lock_in(hub, radio)
    await asyncio.gather(
        radio.arrives(OTHER, 13, NONE), radio.arrives(OTHER, 14, NONE), hub.quarantine(LOCK, "odd")
    )
    assert {entry.device for entry in radio.asked.entries()} == {LOCK, at(13), at(14)}
    assert all(radio.asked.standing(one.device) is Standing.QUARANTINED for one in radio.asked.entries())


@pytest.mark.leaves_secrets(
    "tracebacks", reason="a DSK is given where a device is named: it is in the caller's own arguments"
)
async def test_nobody_is_shut_off_without_an_entry_by_an_operator(hub: Hub) -> None:
    for device in (LOCK, STICKER, NODE):
        with pytest.raises(EntryError, match="not on the allowlist") as caught:
            await hub.quarantine(device, "odd")
        assert STICKER not in str(caught.value)
