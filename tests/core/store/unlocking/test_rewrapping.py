"""From one way of opening a store to another, and at whatever moment that is broken off."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from keyring.backends.fail import Keyring as NoKeyring

from hubsec import Hub, KeyFile, OsKeyring, Passphrase
from hubsec.audit.records import Kind
from hubsec.errors import SealError, StoreError
from hubsec.secret import Secret
from hubsec.store import AsyncStore, Store
from hubsec.store.sealed import SecretKind
from hubsec.store.ways import ByFile, ByKeyring, ByPassphrase, Unlock
from tests.core.store.made import KEY, LAMP, entry
from tests.core.store.unlocking.stage import (
    OTHER,
    WAYS,
    WORDS,
    Kept,
    contents,
    fill,
    raw,
    use,
)

pytestmark = pytest.mark.leaves_secrets(
    "words",
    "*.keyring",
    "[0-9]*.new",
    reason="a file with a passphrase, and a keyring that outlives a program that is killed",
)


# Wrapping anew


@pytest.fixture
def filled(folder: Path) -> Iterator[tuple[Path, list[Any]]]:
    """A store with a row of each kind, and those rows as they lie on disk."""
    with Store(folder) as store:
        store.put(entry(), KEY, by="Ada", at=1.0)
        for kind in SecretKind:
            if kind is not SecretKind.CREDENTIAL:
                store.seal(kind, "one", Secret(f"secret {kind}".encode()), at=1.0)
    rows = raw(folder, "SELECT * FROM sealed")
    yield folder, rows
    assert raw(folder, "SELECT * FROM sealed") == rows


AGAIN: dict[str, Callable[[], Unlock]] = WAYS | {"passphrase": lambda: Passphrase(OTHER)}


@pytest.mark.parametrize(("old", "new"), [(a, b) for a in WAYS for b in AGAIN])
def test_from_one_way_to_the_other(filled: tuple[Path, list[Any]], old: str, new: str, backend: Kept) -> None:
    folder, _ = filled
    with Store(folder) as store:
        store.rewrap(WAYS[old](), by="Ada", at=2.0)
    (wrap,) = raw(folder, "SELECT way, wrapped, key_check FROM data_key")
    old_key = (folder / "hubsec.key").read_bytes() if old == "file" else None
    old_entries = dict(backend.held)
    with Store(folder, unlock=WAYS[old]()) as store:
        data_key = store._key().key
        done = store.rewrap(AGAIN[new](), by="Ada", at=3.0)
        assert (done.way.__struct_config__.tag, done.wrapped_at, done.left) == (new, 3.0, None)
        # Gone while it is still open, from each file that there is.
        left = contents(folder)
        assert wrap[1] not in left
        assert wrap[2] not in left
        assert old_key is None or old_key not in left
        assert not set(old_entries.items()) & set(backend.held.items())
        assert len(backend.held) == (new == "keyring")
        assert store.credential(LAMP) == KEY
    assert {file.name for file in folder.iterdir()} == {"hubsec.db"} | (
        {"hubsec.key"} if new == "file" else set()
    )
    with Store(folder, unlock=AGAIN[new]()) as store:
        assert store.credential(LAMP) == KEY
        assert store._key().key == data_key
        for kind in SecretKind:
            if kind is not SecretKind.CREDENTIAL:
                assert store.unseal(kind, "one") == Secret(f"secret {kind}".encode())
    if (old, new) != ("file", "file") and (old, new) != ("keyring", "keyring"):
        with pytest.raises(SealError):
            Store(folder, unlock=WAYS[old]())


def test_an_open_store_seals_on_under_the_new_wrap(folder: Path) -> None:
    with Store(folder) as store:
        store.rewrap(Passphrase(WORDS), by="Ada", at=2.0)
        store.put(entry(), KEY, by="Ada", at=3.0)
    with Store(folder, unlock=Passphrase(WORDS)) as store:
        assert store.credential(LAMP) == KEY


async def test_a_hub_wraps_anew_and_opens_so(folder: Path) -> None:
    async with Hub(home=folder) as hub:
        await hub.rewrap(Passphrase(WORDS))
        found = await hub.store.wrapping()
        assert found is not None
        assert isinstance(found.way, ByPassphrase)
        told = await hub.store.run(lambda store: store.audit(kinds=[Kind.ACT]), writes=False)
        assert [record.seq for record in told if '"vault-rewrap"' in str(record.body)]
    with pytest.raises(SealError, match="passphrase"):
        await Hub(home=folder).__aenter__()
    async with Hub(home=folder, unlock=Passphrase(WORDS)):
        pass


def test_what_a_reader_keeps_in_the_log_is_named_and_goes_later(
    folder: Path, caplog: pytest.LogCaptureFixture, backend: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubsec.store.database.BUSY_SECONDS", 0.01)
    fill(folder, OsKeyring())
    with Store(folder, unlock=OsKeyring()) as store:
        reader = sqlite3.connect(folder / "hubsec.db", isolation_level=None)
        store.put(entry(), KEY, by="Ada", at=1.0)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM data_key").fetchall()
        with caplog.at_level(logging.WARNING):
            done = store.rewrap(KeyFile(), by="Ada", at=2.0)
        assert isinstance(done.left, ByKeyring)
        assert "not all gone yet" in caplog.text
        assert len(backend.held) == 1
        reader.close()
    with Store(folder, unlock=KeyFile()) as store:
        assert store.wrapping is not None
        assert store.wrapping.left is None
        assert store.credential(LAMP) == KEY
    assert backend.held == {}


def test_a_keyring_that_can_t_be_asked_to_forget_is_asked_later(
    folder: Path, backend: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, OsKeyring())
    with Store(folder, unlock=OsKeyring()) as store:
        use(monkeypatch, NoKeyring())  # type: ignore[no-untyped-call]
        assert isinstance(store.rewrap(Passphrase(WORDS), by="Ada", at=2.0).left, ByKeyring)
    use(monkeypatch, backend)
    with Store(folder, unlock=Passphrase(WORDS)) as store:
        assert store.wrapping is not None
        assert store.wrapping.left is None
    assert backend.held == {}


def test_nothing_is_wrapped_anew_while_what_opened_it_before_is_still_there(
    folder: Path, backend: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, OsKeyring())
    with Store(folder, unlock=OsKeyring()) as store:
        use(monkeypatch, NoKeyring())  # type: ignore[no-untyped-call]
        left = store.rewrap(Passphrase(WORDS), at=2.0)
        assert isinstance(left.left, ByKeyring)
        with pytest.raises(SealError, match="not all gone yet"):
            store.rewrap(KeyFile(), at=3.0)
        assert store.wrapping == left
        use(monkeypatch, backend)
        assert store.rewrap(KeyFile(), at=3.0).left is None
    assert backend.held == {}
    with Store(folder) as store:
        assert store.credential(LAMP) == KEY


def test_a_key_file_in_force_that_has_not_its_name_yet_is_not_thrown_away(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise StoreError("The disk reports an error.")

    fill(folder, None)
    with Store(folder) as store, monkeypatch.context() as broken:
        broken.setattr("hubsec.store.ways.put_in_place", fails)
        assert isinstance(store.rewrap(KeyFile(), at=2.0).left, ByFile)
        with pytest.raises(SealError, match="not all gone yet"):
            store.rewrap(KeyFile(), at=3.0)
    with Store(folder) as store:
        assert store.credential(LAMP) == KEY
        assert store.rewrap(KeyFile(), at=3.0).left is None
    with Store(folder) as store:
        assert store.credential(LAMP) == KEY


@pytest.mark.parametrize("harm", ["commit", "read-only"])
def test_a_re_wrapping_that_fails_leaves_all_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    fill(folder, None)
    with Store(folder) as store:
        before = store.wrapping
        statement = {
            "commit": "CREATE TRIGGER no BEFORE UPDATE ON data_key BEGIN SELECT RAISE (ABORT, 'no'); END"
        }
        store._database._connection.execute(statement.get(harm, "PRAGMA query_only = ON"))
        for unlock in (KeyFile(), Passphrase(WORDS), OsKeyring()):
            with pytest.raises(StoreError):
                store.rewrap(unlock, by="Ada", at=2.0)
            assert store.wrapping == before
        assert store.credential(LAMP) == KEY
    raw(folder, "DROP TRIGGER IF EXISTS no")
    with Store(folder) as store:
        assert store.credential(LAMP) == KEY
    # And the new file that never came into force is gone.
    assert {file.name for file in folder.iterdir()} == {"hubsec.db", "hubsec.key"}


def test_there_is_nothing_to_wrap_where_there_is_no_key(folder: Path) -> None:
    with Store(folder, require_key=False) as store, pytest.raises(SealError, match="no key"):
        store.rewrap(KeyFile(), by="Ada", at=2.0)


# Killed

PROGRAM = """
import itertools, json, os, pathlib, signal, sqlite3, sys

import keyring, keyring.core
from keyring.backend import KeyringBackend
from hubsec import KeyFile, OsKeyring, Passphrase
from hubsec.store import Store, ways

ways.LOG_N = 13

class InFile(KeyringBackend):
    priority = 1
    def __init__(self, path):
        super().__init__()
        self.path = pathlib.Path(path)
    def held(self):
        return json.loads(self.path.read_text()) if self.path.exists() else {}
    def keep(self, held):
        step()
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(held))
        new.replace(self.path)
    def get_password(self, service, username):
        return self.held().get(username)
    def set_password(self, service, username, password):
        self.keep(self.held() | {username: password})
    def delete_password(self, service, username):
        held = self.held()
        del held[username]
        self.keep(held)

WAYS = {"file": KeyFile, "first": lambda: Passphrase("correct horse battery staple"),
        "keyring": OsKeyring}
steps, last = itertools.count(1), None

def step(*_):
    if last is not None and next(steps) == last:
        os.kill(os.getpid(), signal.SIGKILL)

def run(folder, old, new, at):
    global last
    keyring.core._keyring_backend = InFile(folder + ".keyring")
    connect = sqlite3.connect

    def traced(*args, **kwargs):
        connection = connect(*args, **kwargs)
        connection.set_trace_callback(step)
        return connection

    def counted(call):
        def wrapper(*args, **kwargs):
            step()
            return call(*args, **kwargs)
        return wrapper

    sqlite3.connect = traced
    for name in ("open", "write", "fsync", "link", "unlink", "replace", "rename"):
        setattr(os, name, counted(getattr(os, name)))
    with Store(folder, unlock=WAYS[old]()) as store:
        last = at
        store.rewrap(WAYS[new](), by="Ada", at=3.0)
        os.kill(os.getpid(), signal.SIGTERM)

for at in map(int, sys.argv[4:]):
    child = os.fork()
    if not child:
        run(os.path.join(sys.argv[1], str(at)), sys.argv[2], sys.argv[3], at)
        os._exit(9)
    how = os.WTERMSIG(os.waitpid(child, 0)[1])
    print(at, how, flush=True)
    if how == signal.SIGTERM:
        break
"""
LONGEST = 80
KILLED: dict[str, Callable[[], Unlock]] = {
    "file": KeyFile,
    "first": lambda: Passphrase(WORDS),
    "keyring": OsKeyring,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("file", "file"),
        ("file", "first"),
        ("first", "file"),
        ("keyring", "keyring"),
        ("keyring", "first"),
    ],
)
def test_killed_at_each_step_the_old_way_opens_it_or_the_new_one(
    tmp_path: Path, old: str, new: str, backend: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "made"
    fill(made, KILLED[old]())
    (wrap,) = raw(made, "SELECT wrapped, key_check FROM data_key")
    for at in range(1, LONGEST):
        folder = tmp_path / str(at)
        folder.mkdir(mode=0o700)
        for file in made.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        (tmp_path / f"{at}.keyring").write_text(
            json.dumps({name: key for (_, name), key in backend.held.items()})
        )
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), old, new, *map(str, range(1, LONGEST))],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    ends = [line.split() for line in done.stdout.splitlines()]
    assert all(how == str(int(signal.SIGKILL)) for _, how in ends[:-1])
    assert ends[-1][1] == str(int(signal.SIGTERM)), "it had more steps than were tried"
    opened = set()
    for at, _ in ends:
        folder = tmp_path / at
        held = json.loads((tmp_path / f"{at}.keyring").read_text())
        backend.held = {("hubsec", name): key for name, key in held.items()}
        found = None
        for name in (old, new):
            try:
                with Store(folder, unlock=KILLED[name]()) as store:
                    found = name
                    assert store.credential(LAMP) == KEY
                    assert store.wrapping is not None
                    assert store.wrapping.left is None
                    break
            except SealError:
                continue
        assert found is not None, at
        (now,) = raw(folder, "SELECT wrapped, key_check FROM data_key")
        opened.add(now == wrap)
        if now != wrap:
            # What was begun is ended by the next opening.
            left = contents(folder)
            assert wrap[0] not in left
            assert wrap[1] not in left
            assert len(backend.held) == (new == "keyring")
        assert (folder / "hubsec.key").exists() is (found == "file")
        assert not (folder / "hubsec.key.new").exists()
    assert opened == {True, False}


async def test_a_cancelled_re_wrapping_is_done_all_the_same(folder: Path) -> None:
    async with AsyncStore(folder) as store:
        asking = asyncio.ensure_future(store.rewrap(Passphrase(WORDS), by="Ada", at=2.0))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        found = await store.wrapping()
        assert found is not None
        assert isinstance(found.way, ByPassphrase)


@pytest.mark.parametrize(
    ("service", "account"), [("mail", "anna"), ("hubsec", "another-store/1"), ("hubsec", "{name}/3")]
)
def test_a_way_before_that_is_somebody_elses_entry_is_not_deleted(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    service: str,
    account: str,
) -> None:
    kept = Kept()
    use(monkeypatch, kept)
    fill(tmp_path, KeyFile())
    with Store(tmp_path) as store:
        account = account.format(name=store.name)
    kept.set_password(service, account, "c2VjcmV0")
    written = json.dumps({"way": "keyring", "service": service, "account": account})
    raw(tmp_path, "UPDATE data_key SET retired = ?", written)
    with Store(tmp_path) as store:
        assert store.wrapping is not None
        assert store.wrapping.left is None, "it stands in nobody's way"
    assert (service, account) in kept.held
    assert "changed from outside" in caplog.text
