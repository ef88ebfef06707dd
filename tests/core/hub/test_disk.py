"""A hub on a disk that is full, read-only, or does not sync: each part of what is promised for that."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubsec import Hub
from hubsec.audit import Kind
from hubsec.audit.records import draft
from hubsec.decisions import Allow, Deny
from hubsec.errors import StoreError
from hubsec.events import StoreAlarm, StoreRecovered
from hubsec.identity import Identity, Mark, Network, Standing
from hubsec.requests import JoinKind, JoinRequest, OpenKind, OpenRequest
from hubsec.store import Store
from hubsec.store.database import Database
from tests.core.hub.conftest import LAMP, STICKER, FakeRadio, collect, let_in

PLUG = Identity("00:12:4b:00:00:00:00:02")


class Unsynced:
    """A connection whose commits fail, as on a disk that reports errors."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)

    def execute(self, statement: str, *arguments: Any) -> Any:
        if statement != "COMMIT":
            return self.connection.execute(statement, *arguments)
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_IOERR_FSYNC, "SQLITE_IOERR_FSYNC"
        raise error


def _full(store: Store) -> None:
    database = store._database
    pages = database._connection.execute("PRAGMA page_count").fetchone()[0]
    database._connection.execute(f"PRAGMA max_page_count = {pages}")
    # What is free in pages that are there is taken, to the last record that fits.
    least = draft(1.0, Kind.ACT, None, "", {})
    with pytest.raises(StoreError):  # noqa: PT012 - which of them it is nobody knows
        while True:
            store.append(least)


def _emptied(store: Store) -> None:
    store._database._connection.execute("PRAGMA max_page_count = 1000000")


def _unsynced(store: Store) -> None:
    store._database._connection = Unsynced(store._database._connection)  # type: ignore[assignment]


def _synced(store: Store) -> None:
    store._database._connection = store._database._connection.connection  # type: ignore[attr-defined]


def _read_only(store: Store) -> None:
    store._database._connection.execute("PRAGMA query_only = ON")


def _writable(store: Store) -> None:
    store._database._connection.execute("PRAGMA query_only = OFF")


type _Harm = Callable[[Store], None]
HARM: dict[str, tuple[_Harm, _Harm, str]] = {
    "full": (_full, _emptied, "The disk is full"),
    "read-only": (_read_only, _writable, "The database is read-only"),
    "does not sync": (_unsynced, _synced, "The disk reports an error"),
}


def ask(kind: JoinKind, device: Identity = LAMP) -> JoinRequest:
    return JoinRequest(radio="fake", network=Network.ZIGBEE, device=device, kind=kind)


@pytest.mark.parametrize(("harm", "mend", "said"), HARM.values(), ids=HARM)
async def test_what_is_promised(hub: Hub, radio: FakeRadio, harm: _Harm, mend: _Harm, said: str) -> None:
    await let_in(hub, radio)
    sticker = f"Z:{PLUG.replace(':', '').upper()}$I:{STICKER.partition('$I:')[2]}"
    admission = hub.admit(sticker, name="Plug", by="Ada")
    await admission.__aenter__()
    radio.keys_out.clear()
    await hub.store.run(harm, writes=False)
    newest, events = (await hub.store.tail())[0], collect(hub)
    # No key leaves, not even for who has an open admission, or is known.
    for request in (ask(JoinKind.JOIN, PLUG), ask(JoinKind.UNSECURED_REJOIN)):
        with pytest.raises(StoreError, match=said):
            await radio.asked.judge(request)
    assert isinstance(await radio.join(PLUG), Deny)
    assert radio.keys_out == []
    # No window opens: neither ours nor the host's.
    with pytest.raises(StoreError, match=said):
        async with hub.listen(10):
            pytest.fail("open")
    with pytest.raises(StoreError, match=said):
        await radio.asked.judge(
            OpenRequest(radio="fake", network=Network.ZIGBEE, kind=OpenKind.PERMIT, asker="host", seconds=60)
        )
    assert radio.listening == 0
    # Nothing of what the policy goes by changes, on disk or in memory.
    entries = dict(hub.allowlist)
    for what in (
        lambda: hub.quarantine(LAMP, "odd"),
        lambda: hub.allowlist.approve(LAMP, network=Network.ZIGBEE, label="Plug", by="Ada"),
        lambda: hub.allowlist.update(LAMP, by="Ada", marks=frozenset({Mark.EXPOSED})),
    ):
        with pytest.raises(StoreError, match=said):
            await what()
    assert dict(hub.allowlist) == entries == await hub.store.run(lambda store: store.entries(), writes=False)
    # Who is there goes on.
    assert radio.asked.standing(LAMP) is Standing.APPROVED
    assert radio.asked.entry(LAMP) is not None
    # An alarm stands, and is told once.
    (alarm,) = [event for event in events if isinstance(event, StoreAlarm)]
    assert said in alarm.reason
    assert (await hub.posture()).alarm == hub._state.alarm
    assert said in str(hub._state.alarm)
    # What is open closes.
    await admission.__aexit__(None, None, None)
    assert radio.orders == {}
    assert (await hub.store.tail())[0] == newest
    # And after that it is said what came of it.
    unwritten = len(events)
    await hub.store.run(mend, writes=False)
    assert isinstance(await radio.asked.judge(ask(JoinKind.SECURED_REJOIN)), Allow)
    (recovered,) = [event for event in events if isinstance(event, StoreRecovered)]
    assert (recovered.after, recovered.unwritten) == (newest, unwritten)
    await hub.store.tail()
    acts = [one.fields() for one in await hub.store.audit(newest, kinds=[Kind.ACT])]
    assert [(act["act"], act["by"]) for act in acts] == [("admission-closed", "Ada")]
    assert (await hub.store.run(lambda store: store.verify(), writes=False)).last > newest
    assert hub._state.alarm is None


async def test_a_hub_that_opens_on_such_a_disk_decides_nothing(
    tmp_path: Path, radio: FakeRadio, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = FakeRadio()
    async with Hub(first, home=tmp_path / "hub") as hub:
        await let_in(hub, first)
    opened = Database.__init__

    def read_only(self: Database, *args: Any, **how: Any) -> None:
        opened(self, *args, **how)
        self._connection.execute("PRAGMA query_only = ON")

    monkeypatch.setattr(Database, "__init__", read_only)
    async with Hub(radio, policy="strict", home=tmp_path / "hub") as hub:
        newest = hub.store.newest
        assert "read-only" in str((await hub.posture()).alarm)
        assert radio.asked.standing(LAMP) is Standing.APPROVED
        # Under which policy it is open is not on record, so nothing is decided by it.
        with pytest.raises(StoreError, match="read-only"):
            await radio.asked.judge(ask(JoinKind.UNSECURED_REJOIN))
        with pytest.raises(StoreError, match="read-only"):
            async with hub.admit(STICKER, name="Lamp"):
                pytest.fail("open")
        await hub.store.run(_writable, writes=False)
        await radio.asked.judge(ask(JoinKind.SECURED_REJOIN))
        first_record, *_, last = await hub.store.audit(newest, kinds=[Kind.ACT, Kind.DECISION])
        assert first_record.fields()["act"] == "hub-opened"
        assert first_record.fields()["policy"] == last.fields()["policy"] == hub.policy.hash
        assert last.kind is Kind.DECISION
