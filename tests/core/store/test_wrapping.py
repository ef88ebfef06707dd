"""What opens a store: each of the ways, from one to the other, and at whatever moment that is broken off."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keyring
import keyring.core
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.backends.null import Keyring as Forgetful

from hubsec import Hub, KeyFile, OsKeyring, Passphrase
from hubsec.audit.records import Kind
from hubsec.errors import SealError, StoreError
from hubsec.secret import Secret
from hubsec.store import AsyncStore, Store, ways
from hubsec.store.sealed import SecretKind
from hubsec.store.ways import ByFile, ByKeyring, ByPassphrase, Unlock
from tests.core.store.made import KEY, LAMP, entry

pytestmark = pytest.mark.leaves_secrets(
    "words",
    "*.keyring",
    "[0-9]*.new",
    reason="a file with a passphrase, and a keyring that outlives a program that is killed",
)

WORDS = "correct horse battery staple"
OTHER = "five other words by chance"


class Kept(KeyringBackend):
    """A keyring that lasts as long as a test."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.held[service, username]


class PlaintextKeyring(Kept):
    """Named like the one that writes everything into a file."""


class Broken(Kept):
    def set_password(self, service: str, username: str, password: str) -> None:
        raise OSError(f"no bus for {password}")


@pytest.fixture(autouse=True)
def backend(monkeypatch: pytest.MonkeyPatch) -> Kept:
    kept = Kept()
    use(monkeypatch, kept)
    # As much work as nothing: what is tried here is not how long guessing takes.
    monkeypatch.setattr(ways, "LOG_N", 13)
    monkeypatch.delenv("HUBSEC_PASSPHRASE_FILE", raising=False)
    return kept


def use(monkeypatch: pytest.MonkeyPatch, backend: KeyringBackend) -> None:
    monkeypatch.setattr(keyring.core, "_keyring_backend", backend)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


WAYS: dict[str, Callable[[], Unlock]] = {
    "file": KeyFile,
    "passphrase": lambda: Passphrase(WORDS),
    "keyring": OsKeyring,
}
every_way = pytest.mark.parametrize("way", WAYS)


def fill(folder: Path, unlock: Unlock | None) -> None:
    with Store(folder, unlock=unlock) as store:
        store.put(entry(), KEY, by="Ada", at=1.0)


def raw(folder: Path, statement: str, *values: object) -> list[Any]:
    """What somebody with the disk in hand reads, or writes."""
    connection = sqlite3.connect(folder / "hubsec.db", isolation_level=None)
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


def contents(folder: Path) -> bytes:
    return b"\n".join(file.read_bytes() for file in folder.iterdir())


# Opening


@every_way
def test_each_way_opens_what_it_wrapped(folder: Path, way: str) -> None:
    fill(folder, WAYS[way]())
    with Store(folder, unlock=WAYS[way]()) as store:
        assert store.credential(LAMP) == KEY
        assert store.wrapping is not None
        assert store.wrapping.way.__struct_config__.tag == way
    with Store(folder, unlock=WAYS[way](), read_only=True) as store:
        assert store.credential(LAMP) == KEY
    assert (folder / "hubsec.key").exists() is (way == "file")
    assert KEY.reveal() not in contents(folder)


def test_a_key_file_is_its_owner_s_alone(folder: Path) -> None:
    fill(folder, None)
    path = folder / "hubsec.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_bytes()) == 32
    # It is not what the rows are sealed under.
    with Store(folder) as store:
        assert store._key().key != Secret(path.read_bytes())


def test_the_numbers_are_owasp_s() -> None:
    assert (ways.BLOCK, ways.PARALLEL) == (8, 1)
    source = Path(ways.__file__).read_text("utf-8")
    assert "\nLOG_N: Final = 17\n" in source


@every_way
def test_told_nothing_it_goes_by_what_the_store_says(
    folder: Path, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, WAYS[way]())
    words = tmp_path / "words"
    words.write_text(WORDS + "\n")
    monkeypatch.setenv("HUBSEC_PASSPHRASE_FILE", str(words))
    with Store(folder) as store:
        assert store.credential(LAMP) == KEY


def test_a_new_store_takes_the_passphrase_that_the_environment_names(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = tmp_path / "words"
    words.write_text(WORDS)
    monkeypatch.setenv("HUBSEC_PASSPHRASE_FILE", str(words))
    fill(folder, None)
    assert not (folder / "hubsec.key").exists()
    monkeypatch.delenv("HUBSEC_PASSPHRASE_FILE")
    with pytest.raises(SealError, match=r"opens with a passphrase.*HUBSEC_PASSPHRASE_FILE"):
        Store(folder)
    with Store(folder, unlock=Passphrase(WORDS)) as store:
        assert store.credential(LAMP) == KEY


@pytest.mark.parametrize(("sealed", "given"), [(a, b) for a in WAYS for b in WAYS if a != b], ids=str)
def test_no_way_is_taken_for_another(folder: Path, sealed: str, given: str) -> None:
    fill(folder, WAYS[sealed]())
    before = contents(folder)
    with pytest.raises(SealError, match=f"opens by its {sealed}.*rewrap --to {given}"):
        Store(folder, unlock=WAYS[given]())
    assert contents(folder) == before


def forget_entry(folder: Path) -> None:
    keyring.core.get_keyring().held.clear()  # type: ignore[attr-defined]


def another_entry(folder: Path) -> None:
    held = keyring.core.get_keyring().held  # type: ignore[attr-defined]
    held.update(dict.fromkeys(held, "AAAA"))


def no_base64(folder: Path) -> None:
    held = keyring.core.get_keyring().held  # type: ignore[attr-defined]
    held.update(dict.fromkeys(held, "what?"))


def lose_file(folder: Path) -> None:
    (folder / "hubsec.key").unlink()


def other_file(folder: Path) -> None:
    (folder / "hubsec.key").write_bytes(bytes(32))


@pytest.mark.parametrize(
    ("sealed", "given", "harm", "says"),
    [
        (KeyFile(), KeyFile(), lose_file, "is missing: put the right one back from a backup"),
        (KeyFile(), KeyFile(), other_file, "belongs to another store: put the right one back"),
        (Passphrase(WORDS), Passphrase(OTHER), None, "does not open the store in .*: give the one that"),
        (OsKeyring(), OsKeyring(), forget_entry, "keyring does not have its key.*: open it as the user"),
        (OsKeyring(), OsKeyring(), another_entry, "keyring has another store's key"),
        (OsKeyring(), OsKeyring(), no_base64, "keyring does not have its key"),
    ],
    ids=["file lost", "other file", "other passphrase", "entry lost", "other entry", "no entry of ours"],
)
def test_a_wrong_key_is_one_error_that_says_what_to_do(
    folder: Path, sealed: Unlock, given: Unlock, harm: Callable[[Path], None] | None, says: str
) -> None:
    fill(folder, sealed)
    if harm is not None:
        harm(folder)
    before = contents(folder)
    with pytest.raises(SealError, match=says) as caught:
        Store(folder, unlock=given)
    assert "forget the" in str(caught.value)
    assert contents(folder) == before
    # Who insists gets all but the secrets, and the way on.
    with Store(folder, unlock=given, require_key=False) as store:
        assert store.entries() == {LAMP: entry()}
        for _ in range(2):
            with pytest.raises(SealError, match=says):
                store.credential(LAMP)
        assert store.forget_secrets() == (LAMP,)
        assert store.wrapping is None
        with pytest.raises(SealError):
            store.put(entry(), KEY, by="Ada", at=2.0)
    fill(folder, given)
    with Store(folder, unlock=given) as store:
        assert store.credential(LAMP) == KEY


@pytest.mark.parametrize("kept", [True, False])
def test_a_lost_file_that_sealed_nothing_is_replaced_and_that_is_said(
    folder: Path, caplog: pytest.LogCaptureFixture, *, kept: bool
) -> None:
    Store(folder).close()
    (other_file if kept else lose_file)(folder)
    with caplog.at_level(logging.WARNING):
        fill(folder, None)
    assert ("another store's" if kept else "missing") in caplog.text
    assert "serves from now on" in caplog.text
    if kept:
        assert (folder / "hubsec.key").read_bytes() == bytes(32)
    with Store(folder) as store:
        assert store.credential(LAMP) == KEY


def test_a_passphrase_that_does_not_fit_never_becomes_the_passphrase(folder: Path) -> None:
    Store(folder, unlock=Passphrase(WORDS)).close()
    with pytest.raises(SealError, match="does not open"):
        Store(folder, unlock=Passphrase(OTHER))
    fill(folder, Passphrase(WORDS))


@every_way
def test_a_damaged_wrap_is_not_taken_for_a_wrong_key(folder: Path, way: str) -> None:
    fill(folder, WAYS[way]())
    wrapped = bytearray(raw(folder, "SELECT wrapped FROM data_key")[0][0])
    wrapped[20] ^= 1
    raw(folder, "UPDATE data_key SET wrapped = ?", bytes(wrapped))
    with pytest.raises(SealError, match="is the right one, and does not open what it wraps"):
        Store(folder, unlock=WAYS[way]())


def test_a_wrap_of_another_store_does_not_open(folder: Path, tmp_path: Path) -> None:
    fill(folder, Passphrase(WORDS))
    fill(tmp_path / "other", Passphrase(WORDS))
    (row,) = raw(tmp_path / "other", "SELECT way, wrapped, key_check FROM data_key")
    raw(folder, "UPDATE data_key SET way = ?, wrapped = ?, key_check = ?", *row)
    with pytest.raises(SealError, match="the database was changed from outside"):
        Store(folder, unlock=Passphrase(WORDS))


def test_a_wrap_that_is_gone_is_not_made_anew_over_what_is_sealed(folder: Path) -> None:
    fill(folder, None)
    raw(folder, "DELETE FROM data_key")
    with pytest.raises(SealError, match="is gone"):
        Store(folder)


SALT = "QUJDREVGR0hJSktMTU5PUA=="


@pytest.mark.parametrize(
    "way",
    [
        "",
        "[]",
        '{"way":"none"}',
        '{"way":"passphrase"}',
        f'{{"way":"passphrase","salt":"{SALT}","log_n":31,"r":8,"p":1}}',
        f'{{"way":"passphrase","salt":"{SALT}","log_n":4,"r":8,"p":1}}',
        f'{{"way":"passphrase","salt":"{SALT}","log_n":17,"r":1000,"p":1}}',
        f'{{"way":"passphrase","salt":"{SALT}","log_n":17,"r":8,"p":100000}}',
        '{"way":"passphrase","salt":"QUJD","log_n":17,"r":8,"p":1}',
        '{"way":"keyring","service":1,"account":"a"}',
    ],
)
def test_what_is_read_of_a_way_is_bounded(folder: Path, way: str) -> None:
    fill(folder, Passphrase(WORDS))
    raw(folder, "UPDATE data_key SET way = ?", way)
    with pytest.raises(StoreError, match="changed from outside"):
        Store(folder, unlock=Passphrase(WORDS))


# Passphrases


def test_the_same_letters_are_the_same_passphrase(folder: Path) -> None:
    fill(folder, Passphrase("gr\u00fcne Stra\u00dfe 12"))
    with Store(folder, unlock=Passphrase("gru\u0308ne Stra\u00dfe 12")) as store:
        assert store.credential(LAMP) == KEY


@pytest.mark.parametrize("text", ["", "x" * 1025, "\ud800"])
def test_what_is_no_passphrase_is_refused(text: str) -> None:
    with pytest.raises(SealError, match="passphrase"):
        Passphrase(text)


def test_a_new_passphrase_is_not_short(folder: Path) -> None:
    with pytest.raises(SealError, match="15 characters"):
        Store(folder, unlock=Passphrase("fourteen chars"))
    assert "fourteen" not in repr(Passphrase("fourteen chars"))


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "can't be read"), (b"\xff\xfe", "not text"), (b"\n", "1 to 1024"), (b"x" * 5000, "1 to 1024")],
)
def test_a_file_that_holds_no_passphrase(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "words"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SealError, match=says):
        Passphrase.read(path)


def test_no_memory_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.hazmat.primitives.kdf import scrypt

    def full(*_: object, **__: object) -> None:
        raise MemoryError

    fill(folder, Passphrase(WORDS))
    monkeypatch.setattr(scrypt, "Scrypt", full)
    with pytest.raises(SealError, match="takes 8 MiB of memory"):
        Store(folder, unlock=Passphrase(WORDS))


async def test_the_loop_does_not_derive_keys(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []
    derive = Passphrase._derive

    def watched(self: Passphrase, way: ByPassphrase) -> Secret:
        threads.append(threading.current_thread().name)
        return derive(self, way)

    monkeypatch.setattr(Passphrase, "_derive", watched)
    async with AsyncStore(folder, unlock=Passphrase(WORDS)) as store:
        await store.rewrap(Passphrase(OTHER), by="Ada", at=2.0)
    assert threads == ["hubsec store"] * 2


# Keyrings


@pytest.mark.parametrize(
    ("backend_type", "says"),
    [
        (NoKeyring, r"does not answer \(NoKeyringError\): .*take a passphrase or the file"),
        (Forgetful, "did not keep the key"),
        (PlaintextKeyring, "keeps secrets in a plain file"),
        (Broken, r"does not answer \(OSError\)"),
    ],
)
def test_a_keyring_that_is_none_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, backend_type: type[KeyringBackend], says: str
) -> None:
    use(monkeypatch, backend_type())  # type: ignore[no-untyped-call]
    with pytest.raises(SealError, match=says):
        Store(folder, unlock=OsKeyring())
    fill(folder, None)
    with Store(folder) as store:
        with pytest.raises(SealError, match=says):
            store.rewrap(OsKeyring(), by="Ada", at=2.0)
        assert store.wrapping is not None
        assert store.wrapping.way == ByFile()
    with Store(folder) as store:
        assert store.credential(LAMP) == KEY


def test_without_the_library_its_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(SealError, match=r'pip install "hubsec\[keyring\]"'):
        Store(folder, unlock=OsKeyring())


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
