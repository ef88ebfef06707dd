"""The allowlist: what it lets in, what it refuses, and that memory and disk never part."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubsec.allowlist import CHANGEABLE, Allowlist
from hubsec.entries import LABEL_LIMIT, Entry, Pinned, Use
from hubsec.errors import EntryError, HubsecError, StoreError
from hubsec.identity import CredentialKind, Identity, Mark, Network, SecurityClass, zwave_address
from hubsec.secret import Secret
from hubsec.store import AsyncStore, Store
from tests.core.store.made import DSK, KEY, LAMP, LOCK, PLACE, PLUG, entry, lock

APPROVAL = CredentialKind.APPROVAL
ADOPTED = CredentialKind.ADOPTED
INSTALL_CODE = CredentialKind.INSTALL_CODE
ON_ZWAVE = {"device": LOCK, "network": Network.ZWAVE, "credential": CredentialKind.DSK}
NOW = 1000.0


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[AsyncStore]:
    async with AsyncStore(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
async def allowlist(store: AsyncStore) -> Allowlist:
    return await Allowlist.load(store, clock=lambda: NOW)


async def on_disk(store: AsyncStore) -> dict[Identity, Entry]:
    return await store.run(lambda blocking: blocking.entries(), writes=False)


# What may be put on the list, beside what may not.
@pytest.mark.parametrize(
    ("good", "bad", "reason"),
    [
        (({}, 16), ({}, None), "comes with its secret"),
        (({"credential": APPROVAL}, None), ({"credential": APPROVAL}, 16), "comes with its secret"),
        (({"credential": ADOPTED}, None), ({"credential": ADOPTED}, 16), "comes with its secret"),
        (({}, 16), ({}, 15), "16 bytes; this one has 15"),
        (({"label": ""}, 16), ({"label": None}, 16), "does not fit"),
        (
            ({"label": "x" * LABEL_LIMIT}, 16),
            ({"label": "x" * (LABEL_LIMIT + 1)}, 16),
            "at most 200 characters",
        ),
        (({"approved_at": 1}, 16), ({"approved_at": "now"}, 16), "does not fit"),
        (({"label": "\U0001f4a1"}, 16), ({"label": "\ud800"}, 16), "does not fit"),
        (
            ({"device": "00:12:4b:00:01:02:03:04"}, 16),
            ({"device": "00124b0001020304"}, 16),
            "spells it: 00:12:4b:00:01:02:03:04",
        ),
        (
            ({"device": "00:12:4b:00:01:02:03:0a"}, 16),
            ({"device": "00:12:4B:00:01:02:03:0A"}, 16),
            "spells it: 00:12:4b:00:01:02:03:0a",
        ),
        (
            ({"device": "00:12:4b:00:01:02:03:04"}, 16),
            ({"device": "ff:ff:ff:ff:ff:ff:ff:ff"}, 16),
            "no device",
        ),
        # On Z-Wave
        (({**ON_ZWAVE}, DSK), ({**ON_ZWAVE}, None), "comes with its secret"),
        (({**ON_ZWAVE}, DSK), ({**ON_ZWAVE}, bytes(16)), "DSK of another device"),
        (({**ON_ZWAVE}, DSK), ({**ON_ZWAVE, "device": PLACE}, DSK), "not for whoever is at an address"),
        (({**ON_ZWAVE}, DSK), ({**ON_ZWAVE, "device": f"34028-{LOCK}"}, DSK), f"spells it: {LOCK}"),
        (
            ({**ON_ZWAVE, "device": PLACE, "credential": ADOPTED}, None),
            ({**ON_ZWAVE, "device": PLACE.upper(), "credential": ADOPTED}, None),
            f"spells it: {PLACE}",
        ),
        (({**ON_ZWAVE}, DSK), ({**ON_ZWAVE, "credential": INSTALL_CODE}, 16), "no install-code on zwave"),
        (({}, 16), ({"credential": CredentialKind.DSK}, DSK), "no dsk on zigbee"),
        (({**ON_ZWAVE, "smart_start": True}, DSK), ({"smart_start": True}, 16), "Only a Z-Wave device"),
        (({**ON_ZWAVE, "address": PLACE}, DSK), ({"address": PLACE}, 16), "Only a Z-Wave device"),
        (({**ON_ZWAVE, "address": PLACE}, DSK), ({**ON_ZWAVE, "address": LOCK}, DSK), "home id and node id"),
        (
            ({**ON_ZWAVE, "address": PLACE}, DSK),
            ({**ON_ZWAVE, "address": "c0ffee01:4001"}, DSK),
            "home id and node id",
        ),
    ],
)
@pytest.mark.leaves_secrets(
    "tracebacks", reason="a DSK is given where a device is named: it is in the caller's own arguments"
)
async def test_add(
    allowlist: Allowlist,
    store: AsyncStore,
    good: tuple[dict[str, Any], int | bytes | None],
    bad: tuple[dict[str, Any], int | bytes | None],
    reason: str,
) -> None:
    def secret(value: int | bytes | None) -> Secret | None:
        return None if value is None else Secret(bytes(value))

    with pytest.raises(EntryError, match=reason):
        await allowlist.add(entry(**bad[0]), secret(bad[1]))
    assert dict(allowlist) == await on_disk(store) == {}
    added = await allowlist.add(entry(**good[0]), secret(good[1]))
    assert dict(allowlist) == await on_disk(store) == {added.device: added}
    assert await allowlist.credential(added.device) == secret(good[1])


# Changes that an entry takes, beside those that it does not.
@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ({"label": "Lamp"}, {"device": "00:12:4b:00:01:02:03:05"}),
        ({"expires_at": 5}, {"expires_at": "tomorrow"}),
        ({"marks": frozenset({Mark.EXPOSED})}, {"marks": frozenset({"shiny"})}),
        ({"pinned": Pinned(model="m")}, {"pinned": "m"}),
        ({"quarantined": "odd"}, {"quarantine": "odd"}),
        ({"device_class": "lamp", "maker": "m"}, {"approved_by": "Eve"}),
        ({"joined_at": 2.0}, {"credential": ADOPTED}),
        ({"label": "x"}, {"label": "\ud800"}),
        ({}, {"use": Use.SINGLE}),
    ],
)
async def test_update(
    allowlist: Allowlist,
    store: AsyncStore,
    good: dict[str, Any],
    bad: dict[str, Any],
) -> None:
    before = await allowlist.add(entry(), KEY)
    with pytest.raises(EntryError):
        await allowlist.update(LAMP, **bad)
    assert allowlist[LAMP] == before
    changed = await allowlist.update(LAMP, by="Ada", **good)
    assert {name: getattr(changed, name) for name in good} == good
    assert dict(allowlist) == await on_disk(store) == {LAMP: changed}
    assert (await store.changes())[0].changed_by == "Ada"
    assert await allowlist.credential(LAMP) == KEY


def test_what_changes_is_a_field_of_an_entry() -> None:
    assert set(Entry.__struct_fields__) > CHANGEABLE


async def test_revoked_is_gone_with_its_secret(
    allowlist: Allowlist,
    store: AsyncStore,
) -> None:
    added = await allowlist.add(entry(), KEY)
    kept = await allowlist.add(entry(PLUG), KEY)
    assert await allowlist.revoke(LAMP, by="Eve") == added
    assert dict(allowlist) == await on_disk(store) == {PLUG: kept}
    assert await allowlist.credential(LAMP) is None
    assert await allowlist.credential(PLUG) == KEY
    assert (await store.changes())[0].changed_by == "Eve"
    for change in (
        allowlist.revoke(LAMP, by="Eve"),
        allowlist.update(LAMP, label="x"),
        allowlist.spend(LAMP),
    ):
        with pytest.raises(EntryError, match="not on the allowlist"):
            await change


@pytest.mark.parametrize(("use", "keeps"), [(Use.STANDING, True), (Use.SINGLE, False)])
async def test_the_first_join_spends_a_single_use(
    allowlist: Allowlist,
    store: AsyncStore,
    use: Use,
    keeps: bool,
) -> None:
    await allowlist.add(entry(use=use), KEY)
    first = await allowlist.spend(LAMP, at=7.0)
    assert first.joined_at == 7.0
    assert await allowlist.spend(LAMP) == first
    assert dict(allowlist) == await on_disk(store) == {LAMP: first}
    assert (await allowlist.credential(LAMP) == KEY) is keeps
    assert [change.change for change in await store.changes()] == ["joined", "added"]


async def test_approval_is_an_entry_without_a_secret(allowlist: Allowlist) -> None:
    made = await allowlist.approve(
        LAMP, network=Network.ZIGBEE, label="Lamp", by="Ada", use=Use.SINGLE, expires_at=NOW + 60
    )
    assert (made.credential, made.approved_by, made.approved_at, made.use) == (
        APPROVAL,
        "Ada",
        NOW,
        Use.SINGLE,
    )
    assert await allowlist.credential(LAMP) is None
    assert allowlist.expired(NOW) == ()
    assert allowlist.expired(NOW + 60) == (made,)


async def test_a_baseline_is_adopted_whole_and_takes_no_entry_away(
    allowlist: Allowlist,
    store: AsyncStore,
) -> None:
    known = await allowlist.add(entry(), KEY)
    baseline = [entry(credential=ADOPTED), entry(PLUG, credential=ADOPTED, label="Plug")]
    assert await store.network(Network.ZIGBEE, "net") is None
    elsewhere = entry(zwave_address(0xC0FFEE01, 12), credential=ADOPTED, network=Network.ZWAVE)
    for wrong in (entry(PLUG, credential=APPROVAL), elsewhere):
        with pytest.raises(EntryError, match="baseline"):
            await allowlist.adopt(Network.ZIGBEE, "net", [*baseline, wrong], by="Ada")
    assert list(allowlist) == [LAMP]
    assert await store.network(Network.ZIGBEE, "net") is None
    assert await allowlist.adopt(Network.ZIGBEE, "net", baseline, by="Ada") == (known, baseline[1])
    assert dict(allowlist) == await on_disk(store) == {LAMP: known, PLUG: baseline[1]}
    assert await allowlist.credential(LAMP) == KEY
    network = await store.network(Network.ZIGBEE, "net")
    assert network is not None
    assert (network.adopted_by, network.adopted_at) == ("Ada", NOW)


async def test_an_empty_baseline_is_a_confirmation_too(allowlist: Allowlist, store: AsyncStore) -> None:
    assert await allowlist.adopt(Network.ZIGBEE, "net", [], by="Ada") == ()
    assert [network.adopted for network in await store.networks()] == [True]


async def test_it_is_loaded_as_it_was_left(tmp_path: Path) -> None:
    folder = tmp_path / "other"
    async with AsyncStore(folder) as store:
        allowlist = await Allowlist.load(store)
        await allowlist.add(entry(label="b"), KEY)
        await allowlist.approve(
            Identity("00:12:4b:00:01:02:03:05"), network=Network.ZIGBEE, label="A", by="Ada"
        )
        left = dict(allowlist)
        assert [each.label for each in allowlist.list()] == ["A", "b"]
    async with AsyncStore(folder) as store:
        assert dict(await Allowlist.load(store)) == left


# Memory and disk


async def test_nothing_is_visible_before_it_is_committed(allowlist: Allowlist, store: AsyncStore) -> None:
    go = threading.Event()
    blocked = asyncio.create_task(store.run(lambda _: go.wait(5)))
    adding = asyncio.create_task(allowlist.add(entry(credential=APPROVAL)))
    await asyncio.sleep(0.02)
    assert LAMP not in allowlist
    go.set()
    await asyncio.gather(blocked, adding)
    assert LAMP in allowlist


async def test_what_can_not_be_committed_is_not_in_memory(allowlist: Allowlist, store: AsyncStore) -> None:
    before = await allowlist.add(entry(credential=APPROVAL))

    def query_only(blocking: Store, *, on: bool) -> None:
        with blocking._database.reading() as connection:
            connection.execute(f"PRAGMA query_only = {int(on)}")

    await store.run(lambda blocking: query_only(blocking, on=True), writes=False)
    for change in (
        allowlist.add(entry(PLUG, credential=APPROVAL)),
        allowlist.update(LAMP, quarantined="odd"),
        allowlist.revoke(LAMP, by="Ada"),
        allowlist.spend(LAMP),
        allowlist.adopt(Network.ZIGBEE, "net", [entry(PLUG, credential=ADOPTED)], by="Ada"),
    ):
        with pytest.raises(StoreError, match="read-only"):
            await change
    assert dict(allowlist) == {LAMP: before}
    await store.run(lambda blocking: query_only(blocking, on=False), writes=False)
    await allowlist.revoke(LAMP, by="Ada")
    assert dict(allowlist) == {}


async def test_a_cancelled_change_is_in_both_or_in_neither(allowlist: Allowlist, store: AsyncStore) -> None:
    for turns in range(6):
        adding = asyncio.create_task(allowlist.add(entry(credential=APPROVAL, label=str(turns))))
        for _ in range(turns):
            await asyncio.sleep(0)
        adding.cancel()
        await asyncio.gather(adding, return_exceptions=True)
        assert await on_disk(store) == dict(allowlist)
    await allowlist.add(entry(credential=APPROVAL))
    assert await on_disk(store) == dict(allowlist) == {LAMP: entry(credential=APPROVAL)}


async def test_changes_at_once_are_all_kept(allowlist: Allowlist, store: AsyncStore) -> None:
    await allowlist.add(entry(credential=APPROVAL))
    await asyncio.gather(
        allowlist.update(LAMP, label="Lamp"),
        allowlist.update(LAMP, marks=frozenset({Mark.WEAK})),
        allowlist.spend(LAMP, at=3.0),
        allowlist.update(LAMP, quarantined="odd"),
    )
    found = allowlist[LAMP]
    assert (found.label, found.marks, found.joined_at, found.quarantined) == ("Lamp", {Mark.WEAK}, 3.0, "odd")
    assert await on_disk(store) == {LAMP: found}


async def test_iterating_is_not_disturbed_by_a_change(allowlist: Allowlist) -> None:
    await allowlist.add(entry(credential=APPROVAL))
    seen = iter(allowlist)
    await allowlist.add(entry(PLUG, credential=APPROVAL))
    assert [*seen] == [LAMP]
    assert set(allowlist) == {LAMP, PLUG}


# Z-Wave


@pytest.mark.parametrize(
    ("address", "fits"),
    [
        (PLACE, True),
        (None, True),
        ("c0ffee01:0", False),
        ("C0FFEE01:12", False),
        ("c0ffee01:twelve", False),
        (LOCK, False),
        ("", False),
        (12, False),
    ],
)
async def test_where_a_device_is_said_to_be_is_an_address(
    allowlist: Allowlist, store: AsyncStore, address: Any, *, fits: bool
) -> None:
    before = await allowlist.add(lock(), Secret(DSK))
    if fits:
        assert (await allowlist.update(LOCK, address=address)).address == address
    else:
        with pytest.raises(EntryError, match="home id and node id"):
            await allowlist.update(LOCK, address=address)
        assert await on_disk(store) == {LOCK: before}


async def test_a_dsk_is_kept_apart_and_goes_with_its_entry(allowlist: Allowlist, store: AsyncStore) -> None:
    added = await allowlist.add(lock(smart_start=True, address=PLACE), Secret(DSK))
    pinned = Pinned(device_class="lock", security_class=SecurityClass.S2_ACCESS_CONTROL)
    changed = await allowlist.update(LOCK, pinned=pinned)
    assert dict(allowlist) == await on_disk(store) == {LOCK: changed}
    assert (changed.smart_start, changed.address, changed.pinned) == (True, PLACE, pinned)
    assert await allowlist.credential(LOCK) == Secret(DSK)
    assert await allowlist.revoke(LOCK, by="Ada") == changed
    assert await allowlist.credential(LOCK) is None
    assert added.pinned is None


async def test_an_export_has_no_dsk_and_comes_back(tmp_path: Path, allowlist: Allowlist) -> None:
    marked = lock(
        smart_start=True,
        address=PLACE,
        joined_at=7.0,
        pinned=Pinned(security_class=SecurityClass.S2_AUTHENTICATED),
    )
    await allowlist.add(marked, Secret(DSK))
    there = zwave_address(0xC0FFEE01, 13)
    await allowlist.add(entry(there, network=Network.ZWAVE, credential=ADOPTED))
    data = allowlist.export()
    assert b"34028" not in data
    async with AsyncStore(tmp_path / "other") as store:
        other = await Allowlist.load(store, clock=lambda: NOW)
        assert {one.device for one in (await other.import_(data, by="Eve")).added} == {LOCK, there}
        assert dict(other) == await on_disk(store) == dict(allowlist)
        assert await other.credential(LOCK) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (PLACE.encode(), b"c0ffee01:nine"),
        (PLACE.encode(), b"c0ffee01:9999"),
        (b'"dsk"', b'"install-code"'),
        (b'"zwave"', b'"zigbee"'),
    ],
)
async def test_an_import_takes_no_address_that_is_none(
    tmp_path: Path, allowlist: Allowlist, before: bytes, after: bytes
) -> None:
    await allowlist.add(lock(address=PLACE), Secret(DSK))
    data = allowlist.export()
    async with AsyncStore(tmp_path / "other") as store:
        other = await Allowlist.load(store)
        with pytest.raises(EntryError):
            await other.import_(data.replace(before, after), by="Eve")
        assert (await other.import_(data, by="Eve")).added == (allowlist[LOCK],)


# Carrying it elsewhere


async def test_an_export_has_no_secret_and_comes_back(
    tmp_path: Path,
    allowlist: Allowlist,
) -> None:
    await allowlist.add(entry(), KEY)
    await allowlist.add(
        entry(PLUG, credential=APPROVAL, marks=frozenset({Mark.EXPOSED}), pinned=Pinned(model="m"))
    )
    data = allowlist.export()
    assert KEY.reveal().hex() not in data.decode().lower()
    async with AsyncStore(tmp_path / "other") as store:
        other = await Allowlist.load(store, clock=lambda: NOW)
        kept = await other.add(entry(PLUG, credential=APPROVAL, label="mine"))
        imported = await other.import_(data, by="Eve")
        assert imported.added == (allowlist[LAMP],)
        assert imported.kept == (PLUG,)
        assert dict(other) == await on_disk(store) == {LAMP: allowlist[LAMP], PLUG: kept}
        assert await other.credential(LAMP) is None
        assert (await store.changes())[0].changed_by == "Eve"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b" " * (8 * 1024 * 1024 + 1),
        json.dumps({"hubsec_allowlist": 2, "entries": []}).encode(),
        json.dumps({"hubsec_allowlist": 1, "entries": [{"device": "x"}]}).encode(),
    ],
    ids=range(8),
)
async def test_anything_else_is_no_export(allowlist: Allowlist, data: bytes) -> None:
    with pytest.raises(EntryError):
        await allowlist.import_(data, by="Ada")
    assert dict(allowlist) == {}


async def test_an_import_with_one_bad_entry_takes_in_none(allowlist: Allowlist, store: AsyncStore) -> None:
    await allowlist.add(entry(credential=APPROVAL))
    await allowlist.add(entry(PLUG, credential=APPROVAL))
    data = allowlist.export()
    await allowlist.revoke(PLUG, by="Ada")
    with pytest.raises(EntryError):
        await allowlist.import_(
            data.replace(b"00:12:4b:00:01:02:03:04", b"00:12:4B:00:01:02:03:04"), by="Ada"
        )
    assert PLUG not in allowlist
    assert (await allowlist.import_(data, by="Ada")).added == (allowlist[PLUG],)
    assert dict(allowlist) == await on_disk(store)


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: json.dumps(text).encode()))
def test_no_data_leaks_another_error(data: bytes) -> None:
    # What is wrong with the data is found before the store is asked.
    closed = Allowlist(AsyncStore("never opened"), {}, lambda: NOW)
    with pytest.raises(HubsecError):
        asyncio.run(closed.import_(data, by="Ada"))
