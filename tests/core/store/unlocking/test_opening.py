"""What opens a store, and what does not: key files, passphrases, keyrings."""

from __future__ import annotations

import logging
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import keyring
import keyring.core
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.backends.null import Keyring as Forgetful

from hubsec import KeyFile, OsKeyring, Passphrase
from hubsec.errors import SealError, StoreError
from hubsec.secret import Secret
from hubsec.store import AsyncStore, Store, ways
from hubsec.store.ways import ByFile, ByPassphrase, Unlock
from tests.core.store.made import KEY, LAMP, entry
from tests.core.store.unlocking.stage import (
    OTHER,
    WAYS,
    WORDS,
    Broken,
    PlaintextKeyring,
    contents,
    every_way,
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
