"""What is sealed opens in its own place with its own key, and nowhere else."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubsec.errors import SealError
from hubsec.secret import Secret
from hubsec.store import Store
from hubsec.store.sealing import KEY_BYTES, NONCE_BYTES, Place, Seal
from tests.core.store.made import DSK, KEY, LAMP, LOCK, PLACE, PLUG, entry, lock

SEAL = Seal(Secret(bytes(range(KEY_BYTES))))
HERE = Place(("store", "credentials", "device", "secret"))
SECRET = Secret(b"sixteen bytes of")


def raw(folder: Path) -> sqlite3.Connection:
    """The database, as somebody with the disk in hand opens it."""
    return sqlite3.connect(folder / "hubsec.db", isolation_level=None)


def test_it_opens_where_it_was_sealed() -> None:
    assert SEAL.open(SEAL.seal(SECRET, HERE), HERE) == SECRET


@pytest.mark.parametrize(
    "place",
    [
        ("other", "credentials", "device", "secret"),
        ("store", "other", "device", "secret"),
        ("store", "credentials", "other", "secret"),
        ("store", "credentials", "device", "other"),
        # The same letters, parted otherwise.
        ("store", "credentialsd", "evice", "secret"),
    ],
)
def test_it_opens_nowhere_else(place: tuple[str, str, str, str]) -> None:
    sealed = SEAL.seal(SECRET, HERE)
    assert SEAL.open(sealed, HERE) == SECRET
    with pytest.raises(SealError, match="does not open"):
        SEAL.open(sealed, Place(place))


def test_it_opens_with_no_other_key() -> None:
    with pytest.raises(SealError):
        Seal(Secret(bytes(KEY_BYTES))).open(SEAL.seal(SECRET, HERE), HERE)


def test_each_sealing_has_a_nonce_of_its_own() -> None:
    nonces = {SEAL.seal(SECRET, HERE)[1 : 1 + NONCE_BYTES] for _ in range(100)}
    assert len(nonces) == 100


@given(st.binary(max_size=64), st.data())
def test_a_changed_byte_is_noticed(value: bytes, data: st.DataObject) -> None:
    sealed = bytearray(SEAL.seal(Secret(value), HERE))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SealError):
        SEAL.open(bytes(sealed), HERE)


@given(st.binary(max_size=80))
def test_anything_else_is_noticed(sealed: bytes) -> None:
    with pytest.raises(SealError):
        SEAL.open(sealed, HERE)


def filled(folder: Path) -> None:
    with Store(folder) as store:
        store.put(entry(), KEY, by="Ada", at=1.0)


def lose(folder: Path) -> None:
    (folder / "hubsec.key").unlink()


def replace(folder: Path) -> None:
    (folder / "hubsec.key").write_bytes(bytes(KEY_BYTES))


def lengthen(folder: Path) -> None:
    with (folder / "hubsec.key").open("ab") as file:
        file.write(b"\n")


def cut(folder: Path) -> None:
    (folder / "hubsec.key").write_bytes(bytes(KEY_BYTES - 1))


@pytest.mark.parametrize(
    ("harm", "reason"),
    [(lose, "missing"), (replace, "another store"), (cut, "no key file"), (lengthen, "no key file")],
)
def test_without_the_key_file_one_error_says_what_to_do(
    tmp_path: Path,
    harm: Callable[[Path], None],
    reason: str,
) -> None:
    folder = tmp_path / "store"
    filled(folder)
    with Store(folder) as store:
        assert store.credential(LAMP) == KEY
    harm(folder)
    before = [(file.name, file.read_bytes()) for file in folder.glob("*.key*")]
    with pytest.raises(SealError, match=reason) as caught:
        Store(folder)
    assert "backup" in str(caught.value)
    assert [(file.name, file.read_bytes()) for file in folder.glob("*.key*")] == before
    # Who insists gets everything but the secrets, and can write all but secrets.
    with Store(folder, require_key=False) as store:
        assert store.entries() == {LAMP: entry()}
        with pytest.raises(SealError, match=reason):
            store.credential(LAMP)
        with pytest.raises(SealError, match=reason):
            store.put(entry(), KEY, by="Ada", at=2.0)
        assert store.change(LAMP, {"quarantined": "odd"}, by="Ada", at=3.0).quarantined == "odd"
        assert store.forget_secrets() == (LAMP,)


@pytest.mark.parametrize("harm", [lose, replace])
def test_once_nothing_is_sealed_a_new_key_serves(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    folder = tmp_path / "store"
    filled(folder)
    harm(folder)
    with Store(folder, require_key=False) as store:
        store.forget_secrets()
    with Store(folder) as store:
        assert store.entries() == {LAMP: entry()}
        assert store.credential(LAMP) is None
        store.put(entry(), KEY, by="Ada", at=4.0)
    with Store(folder) as store:
        assert store.credential(LAMP) == KEY


def test_a_key_moved_to_another_row_does_not_open(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    with Store(folder) as store:
        store.put(entry(), KEY, by="Ada", at=1.0)
        store.put(entry(PLUG), Secret(bytes(16)), by="Ada", at=1.0)
    with raw(folder) as connection:
        connection.execute(
            "UPDATE sealed SET secret = (SELECT secret FROM sealed WHERE name = ?) WHERE name = ?",
            (LAMP, PLUG),
        )
    connection.close()
    with Store(folder) as store:
        assert store.credential(LAMP) == KEY
        with pytest.raises(SealError, match=PLUG):
            store.credential(PLUG)


def test_no_file_has_the_key_in_the_clear(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    filled(folder)
    with Store(folder) as store:
        store.credential(LAMP)
        contents = {file.name: file.read_bytes() for file in folder.iterdir()}
        assert any(b"Hall lamp" in content for content in contents.values())
        for name, content in contents.items():
            assert KEY.reveal() not in content, name
            assert KEY.reveal().hex().encode() not in content.lower(), name


def test_no_file_has_a_dsk_in_the_clear(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    with Store(folder) as store:
        store.put(lock(address=PLACE), Secret(DSK), by="Ada", at=1.0)
        assert store.credential(LOCK) == Secret(DSK)
        contents = b"".join(file.read_bytes() for file in folder.iterdir())
    assert LOCK.encode() in contents
    for shown in (DSK, DSK.hex().encode(), b"34028"):
        assert shown not in contents.lower()


def test_a_revoked_key_is_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    filled(folder)
    connection = raw(folder)
    sealed = connection.execute("SELECT secret FROM sealed").fetchone()[0]
    connection.close()
    assert sealed in (folder / "hubsec.db").read_bytes()
    with Store(folder) as store:
        store.remove(LAMP, by="Ada", at=2.0)
    assert sealed not in b"".join(file.read_bytes() for file in folder.iterdir())
