"""The blocking store: files, schemas, what it keeps, and what it does when the disk fails."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from hubsec.decisions import Allow, Decision, Deny, Evict, Knock, Quarantine
from hubsec.entries import Pinned, Use
from hubsec.errors import EntryError, StoreError
from hubsec.identity import CredentialKind, Identity, Mark, Network
from hubsec.requests import (
    ExchangeRequest,
    IdentifyRequest,
    JoinKind,
    JoinRequest,
    LinkKeyState,
    OpenKind,
    OpenRequest,
    PresenceRequest,
    Request,
)
from hubsec.store import Record, Store, database
from hubsec.store.database import Database, schemas
from tests.core.store.made import KEY, LAMP, PLUG, entry, record

ZIGBEE = Network.ZIGBEE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def raw(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(folder / "hubsec.db", isolation_level=None)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}


# Files


def test_everything_is_the_owners_alone(folder: Path) -> None:
    before = os.umask(0)
    try:
        with Store(folder) as store:
            store.put(entry(), KEY, by="Ada", at=1.0)
            found = modes(folder)
    finally:
        os.umask(before)
    assert found.pop("store") == 0o700
    assert set(found) == {"hubsec.db", "hubsec.db-wal", "hubsec.db-shm", "hubsec.key"}
    assert set(found.values()) == {0o600}


def test_what_was_opened_to_others_is_closed_again(folder: Path) -> None:
    Store(folder).close()
    folder.chmod(0o755)
    for file in folder.iterdir():
        file.chmod(0o644)
    with Store(folder) as store:
        assert not store.created
        assert modes(folder)["store"] == 0o700
        assert {mode for name, mode in modes(folder).items() if name != "store"} == {0o600}


def test_a_folder_of_others_is_refused(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    (folder / "configuration.yaml").touch()
    with pytest.raises(StoreError, match="a folder of its own"):
        Store(folder)
    assert [file.name for file in folder.iterdir()] == ["configuration.yaml"]
    # The same files in a folder that nobody else enters are no harm.
    folder.chmod(0o700)
    Store(folder).close()


def test_a_file_in_place_of_the_folder_is_refused(folder: Path) -> None:
    folder.touch()
    with pytest.raises(StoreError, match="can't be used"):
        Store(folder)


@pytest.mark.parametrize("name", ["hubsec.db", "hubsec.key"])
def test_a_link_in_place_of_a_file_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    folder.mkdir(mode=0o700)
    target = tmp_path / "target"
    target.write_bytes(bytes(32))
    (folder / name).symlink_to(target)
    with pytest.raises(StoreError, match="can't be opened"):
        Store(folder)
    assert target.read_bytes() == bytes(32)


def test_one_owner_at_a_time(folder: Path) -> None:
    with Store(folder):
        with pytest.raises(StoreError, match="in use by another hub"):
            Store(folder)
        with Store(folder, read_only=True) as reader:
            assert reader.entries() == {}
    Store(folder).close()


def test_a_reader_reads_and_writes_nothing(folder: Path) -> None:
    with pytest.raises(StoreError, match="no store"):
        Store(folder, read_only=True)
    assert not folder.exists()
    with Store(folder) as store:
        store.put(entry(), KEY, by="Ada", at=1.0)
    with Store(folder, read_only=True) as reader:
        assert reader.entries() == {LAMP: entry()}
        assert reader.credential(LAMP) == KEY
        with pytest.raises(StoreError, match="read-only"):
            reader.remove(LAMP, by="Ada", at=2.0)


def test_a_new_store_says_that_it_is_new(folder: Path) -> None:
    with Store(folder) as store:
        assert store.created
        assert store.networks() == ()
    with Store(folder) as store:
        assert not store.created
    (folder / "hubsec.db").unlink()
    with Store(folder) as store:
        assert store.created


def test_closing_twice_is_closing(folder: Path) -> None:
    store = Store(folder)
    store.close()
    store.close()
    with pytest.raises(StoreError):
        store.entries()


# Schemas


def at_schema(folder: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database as the hubsec that knew so many schemas left it."""
    folder.mkdir(mode=0o700)
    (folder / "hubsec.db").touch()
    known = schemas()[:number]
    with monkeypatch.context() as patch:
        patch.setattr(database, "schemas", lambda: known)
        Database(folder / "hubsec.db").close()


@pytest.mark.parametrize("number", range(len(schemas()) + 1))
def test_every_older_database_is_brought_up_to_date(
    folder: Path,
    number: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_schema(folder, number, monkeypatch)
    with Store(folder) as store:
        store.put(entry(), KEY, by="Ada", at=1.0)
        assert store.credential(LAMP) == KEY
    connection = raw(folder)
    assert connection.execute("PRAGMA user_version").fetchone() == (len(schemas()),)
    assert connection.execute("PRAGMA application_id").fetchone() == (database.APPLICATION_ID,)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_a_schema_that_fails_leaves_the_one_before(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(folder) as store:
        store.put(entry(), None, by="Ada", at=1.0)
    broken = (*schemas(), "CREATE TABLE half (x INTEGER) STRICT; CREATE TABLE entries (x INTEGER) STRICT;")
    with monkeypatch.context() as patch:
        patch.setattr(database, "schemas", lambda: broken)
        with pytest.raises(StoreError):
            Store(folder)
    with Store(folder) as store:
        assert store.entries() == {LAMP: entry()}
    connection = raw(folder)
    assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'half'").fetchone() == (0,)
    connection.close()


def test_a_newer_database_is_refused_and_left_alone(folder: Path) -> None:
    Store(folder).close()
    connection = raw(folder)
    connection.execute(f"PRAGMA user_version = {len(schemas()) + 1}")
    connection.close()
    before = (folder / "hubsec.db").read_bytes()
    with pytest.raises(StoreError, match=r"newer hubsec.*update hubsec, or restore"):
        Store(folder)
    assert (folder / "hubsec.db").read_bytes() == before


def test_an_old_sqlite_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    with pytest.raises(StoreError, match=r"needs 3\.37"):
        Store(folder)
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 37, 0))
    Store(folder).close()


def test_a_database_of_something_else_is_refused(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    connection = raw(folder)
    connection.execute("CREATE TABLE devices (ieee TEXT)")
    connection.close()
    with pytest.raises(StoreError, match="something else"):
        Store(folder)


def test_every_table_is_strict(folder: Path) -> None:
    Store(folder).close()
    connection = raw(folder)
    tables = connection.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main'").fetchall()
    connection.close()
    ours = {name: strict for name, strict in tables if not name.startswith("sqlite_")}
    assert set(ours) == {
        "store",
        "networks",
        "entries",
        "data_key",
        "sealed",
        "audit",
        "rotations",
        "rotation_needs",
        "reinclusions",
    }
    assert set(ours.values()) == {1}


def test_commits_are_synced(folder: Path) -> None:
    with Store(folder) as store, store._database.reading() as connection:
        pragmas = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous")
        }
        assert pragmas == {"journal_mode": "wal", "synchronous": 2}
        assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)


# What it keeps

DEVICE = Identity("00:12:4b:00:01:02:03:04")
REQUESTS: list[Request] = [
    JoinRequest(radio="r", network=ZIGBEE, device=DEVICE, kind=JoinKind.JOIN, parent=DEVICE, attempt=2),
    OpenRequest(radio="r", network=ZIGBEE, kind=OpenKind.PERMIT, asker="host", seconds=60),
    ExchangeRequest(
        radio="r", network=ZIGBEE, device=DEVICE, link_key=LinkKeyState.MISSING, stack_revision=22
    ),
    IdentifyRequest(radio="r", network=ZIGBEE, device=DEVICE, model="\U0001f4a1 'lamp'; --"),
    PresenceRequest(radio="r", network=ZIGBEE, device=DEVICE),
]
DECISIONS: list[Decision] = [
    Allow(
        rule="a", reason="b", credential=CredentialKind.APPROVAL, marks=frozenset({Mark.EXPOSED, Mark.WEAK})
    ),
    Deny(rule="a", reason="b"),
    Knock(rule="a", reason="b"),
    Quarantine(rule="a", reason="b"),
    Evict(rule="a", reason="b"),
]


@pytest.mark.parametrize(("request_", "decision"), [*zip(REQUESTS, DECISIONS, strict=True)])
def test_a_decision_comes_back_as_it_was_made(folder: Path, request_: Request, decision: Decision) -> None:
    made = Record(
        at=12.5, radio="r", device=None, request=request_, decision=decision, policy="p", correlation="c"
    )
    with Store(folder) as store:
        number = store.record(made)
    with Store(folder) as store:
        (found,) = store.decisions()
    assert found.id == number
    assert msgspec.structs.asdict(found) == {**msgspec.structs.asdict(made), "id": number}


def test_decisions_are_found_by_device_and_story(folder: Path) -> None:
    with Store(folder) as store:
        first = store.record(record(LAMP, correlation="one"))
        second = store.record(record(PLUG, correlation="two"))
        third = store.record(record(LAMP, correlation="two"))
        assert [found.id for found in store.decisions()] == [third, second, first]
        assert [found.id for found in store.decisions(LAMP)] == [third, first]
        assert [found.id for found in store.decisions(correlation="two")] == [third, second]
        assert [found.id for found in store.decisions(LAMP, "two")] == [third]
        assert [found.id for found in store.decisions(limit=1)] == [third]


def test_entries_come_back_as_they_were_put(folder: Path) -> None:
    full = entry(
        PLUG,
        expires_at=5.5,
        use=Use.SINGLE,
        device_class="lamp",
        maker="m",
        joined_at=3.0,
        marks=frozenset({Mark.WEAK, Mark.EXPOSED}),
        pinned=Pinned(model="\u2603", manufacturer="'; DROP TABLE entries"),
        quarantined="odd",
    )
    bare = entry()
    with Store(folder) as store:
        store.put(full, None, by="Ada", at=1.0)
        store.put(bare, None, by="Ada", at=2.0)
    with Store(folder) as store:
        assert store.entries() == {full.device: full, bare.device: bare}
        assert [(change.change, change.entry) for change in store.changes()] == [
            ("added", bare),
            ("added", full),
        ]
        assert [change.at for change in store.changes(PLUG)] == [1.0]


def test_a_key_goes_with_its_entry(folder: Path) -> None:
    with Store(folder) as store:
        store.put(entry(), KEY, by="Ada", at=1.0)
        store.change(LAMP, {"label": "Lamp"}, by="Ada", at=2.0)
        assert store.credential(LAMP) == KEY
        store.put(entry(), None, by="Ada", at=3.0)
        assert store.credential(LAMP) is None
        store.put(entry(), KEY, by="Ada", at=4.0)
        store.remove(LAMP, by="Eve", at=5.0)
        assert store.credential(LAMP) is None
        assert store.entries() == {}
        last = store.changes()[0]
        assert (last.change, last.changed_by, last.at) == ("revoked", "Eve", 5.0)
        with pytest.raises(EntryError):
            store.remove(LAMP, by="Ada", at=6.0)


def test_networks_are_adopted_and_exposed_once_each(folder: Path) -> None:
    with Store(folder) as store:
        assert store.network(ZIGBEE, "a") is None
        assert store.see_network(ZIGBEE, "a", at=1.0).first_seen == 1.0
        seen = store.see_network(ZIGBEE, "a", at=2.0)
        assert (seen.first_seen, seen.adopted, seen.exposed) == (1.0, False, False)
        store.put_missing([], by="Ada", at=3.0, adopting=(ZIGBEE, "a"))
        store.mark_exposed(ZIGBEE, "a", reason="approval", at=4.0)
        again = store.mark_exposed(ZIGBEE, "a", reason="other", at=5.0)
        assert (again.exposed_reason, again.exposed_at, again.adopted_by) == ("approval", 4.0, "Ada")
        assert store.mark_exposed(ZIGBEE, "b", reason="approval", at=6.0).exposed
        assert [network.network_id for network in store.networks()] == ["a", "b"]
        assert not store.networks()[1].adopted


# What it does when the disk fails


def full(store: Store) -> None:
    with store._database.reading() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")


def read_only(store: Store) -> None:
    with store._database.reading() as connection:
        connection.execute("PRAGMA query_only = ON")


@pytest.mark.parametrize(("fault", "advice"), [(full, "disk is full"), (read_only, "read-only")])
def test_a_disk_that_fails_leaves_nothing_half_done(
    folder: Path,
    fault: Callable[[Store], None],
    advice: str,
) -> None:
    many = [entry(Identity(f"00:12:4b:00:01:02:{n:02x}:00"), label="x" * 500) for n in range(100)]
    with Store(folder) as store:
        store.put(entry(), None, by="Ada", at=1.0)
        number = store.record(record())
        fault(store)
        with pytest.raises(StoreError, match=advice):
            store.put_missing(many, by="Ada", at=2.0, adopting=(ZIGBEE, "a"))
        outcomes = store.together([lambda: store.record(record(correlation="x" * 500))] * 100)
        assert {type(outcome.error) for outcome in outcomes} == {StoreError}
        assert advice in str(outcomes[0].error)
        # Reading goes on.
        assert list(store.entries().values()) == [entry()]
    with Store(folder) as store:
        assert list(store.entries().values()) == [entry()]
        assert [found.id for found in store.decisions()] == [number]
        assert store.networks() == ()
        assert store.put(entry(PLUG), None, by="Ada", at=3.0) in store.entries().values()


def test_a_full_file_system_is_told_and_survived(folder: Path) -> None:
    # A limit on the size of files stands in for a small disk: writing fails in the kernel, below SQLite.
    program = f"""
import resource, signal
from hubsec.entries import Entry
from hubsec.errors import StoreError
from hubsec.identity import *
from hubsec.store import Store
store = Store({str(folder)!r})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
written = 0
try:
    for n in range(10_000):
        device = zigbee_identity(f"{{n + 1:016x}}")
        store.put(Entry(device=device, network=Network.ZIGBEE, credential=CredentialKind.APPROVAL, label="x" * 200,
                        approved_by="Ada", approved_at=1.0), None, by="Ada", at=1.0)
        written += 1
except StoreError as error:
    print(written, len(store.entries()), error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    written, found, message = done.stdout.split(maxsplit=2)
    assert written == found
    assert "disk" in message
    with Store(folder) as store:
        assert len(store.entries()) == int(written) > 0


def test_a_locked_database_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    with Store(folder) as store:
        other = raw(folder)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            store.put(entry(), None, by="Ada", at=1.0)
        other.execute("ROLLBACK")
        other.close()
        assert store.entries() == {}
        store.put(entry(), None, by="Ada", at=1.0)


def test_a_damaged_database_is_told(folder: Path) -> None:
    with Store(folder) as store:
        store.put(entry(), None, by="Ada", at=1.0)
    path = folder / "hubsec.db"
    content = bytearray(path.read_bytes())
    content[200:] = b"\xa5" * (len(content) - 200)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        Store(folder)
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match="damaged"):
        Store(folder)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET marks = '[\"shiny\"]'",
        "UPDATE entries SET marks = '['",
        "UPDATE entries SET network = 'lora'",
        "UPDATE entries SET pinned = '[]'",
    ],
)
def test_a_row_changed_from_outside_is_told(folder: Path, statement: str) -> None:
    with Store(folder) as store:
        store.put(entry(), None, by="Ada", at=1.0)
    connection = raw(folder)
    connection.execute(statement)
    connection.close()
    with Store(folder) as store, pytest.raises(StoreError, match="changed from outside"):
        store.entries()


def test_values_that_do_not_fit_are_told(folder: Path) -> None:
    with Store(folder) as store:
        for work in (
            lambda: store.put(entry(label="\ud800"), None, by="Ada", at=1.0),
            lambda: store.put(entry(), None, by="\ud800", at=1.0),
            lambda: store.record(record(correlation="\ud800")),
            lambda: store.record(record(at=float("nan"))),
            lambda: store.decisions(limit=1 << 70),
        ):
            with pytest.raises(StoreError):
                work()
        assert store.entries() == {}
        assert store.decisions() == ()


def test_of_jobs_done_together_one_can_fail_alone(folder: Path) -> None:
    with Store(folder) as store:
        outcomes = store.together(
            [
                lambda: store.record(record()),
                lambda: store.remove(LAMP, by="Ada", at=1.0),
                lambda: store.put(entry(), None, by="Ada", at=2.0),
            ]
        )
        assert [type(getattr(outcome, "error", None)) for outcome in outcomes] == [
            type(None),
            EntryError,
            type(None),
        ]
        assert list(store.entries()) == [LAMP]
        assert len(store.decisions()) == 1
        assert [change.change for change in store.changes()] == ["added"]


@pytest.mark.parametrize("options", ["", ", require_key=False"])
def test_importing_and_opening_loads_nothing_heavy(folder: Path, options: str) -> None:
    # Only the key is opened with cryptography.
    program = (
        "import sys, hubsec.store, hubsec.allowlist\n"
        f"heavy = {{'keyring', 'yaml', 'voluptuous', 'hubsec.policy', {'cryptography' if options else ''!r}}}\n"
        f"hubsec.store.Store({str(folder)!r}{options}).close()\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
