"""The end of the log, which an opening looks at: against itself, and against what the vault knows."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from hubsec.audit import Kind
from hubsec.audit.checkpoints import Signer
from hubsec.audit.records import Act, Draft
from hubsec.errors import AuditError, StoreError
from hubsec.secret import Secret
from hubsec.store import Store, watched
from hubsec.store.sealed import SecretKind
from tests.core.audit.test_verify import rehash
from tests.core.store.made import KEY, LAMP, entry

RECORDS = 12
"""In the log of these tests; the sixth is a checkpoint, and so is the last."""


def acts(store: Store, count: int) -> list[Draft]:
    return [store.log.act(Act(act="test", by="Ada"), 1.0) for _ in range(count)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("end") / "store"
    with Store(folder) as store:
        store.put(entry(), KEY, by="Ada", at=0.0)
        for count in (4, 5):
            store.append(*acts(store, count))
            store.checkpoint(at=1.0)
        assert store.tail()[0] == RECORDS
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "store"))


def change(folder: Path, *statements: str, again: int | None = None) -> None:
    """Write to the database as somebody who has no respect for triggers; from record `again` on hashes fit anew."""
    connection = sqlite3.connect(folder / "hubsec.db", isolation_level=None)
    for trigger in ("audit_stands", "audit_goes_from_its_beginning"):
        connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
    for statement in statements:
        connection.executescript(statement)
    if again is not None:
        rehash(connection, again)
    connection.close()


ANEW = "UPDATE audit SET body = replace(body, 'test', 'best') WHERE seq = 9"
# Statement, whether every hash is made to fit again, and what is said.
DAMAGE = {
    "a body": (ANEW, False, "Record 9 was changed"),
    "one removed": ("DELETE FROM audit WHERE seq = 8", False, "Record 8 was removed"),
    "the end, with its checkpoint": ("DELETE FROM audit WHERE seq > 8", False, "vault knows of record 12"),
    "all of it": ("DELETE FROM audit", False, "there are 0, and the vault knows"),
    "one, and every hash behind it": (ANEW, True, "Record 12 is not the one that the vault knows"),
    "the mark": ("DELETE FROM sealed WHERE kind = 'log-mark'", False, "mark of the log's end was taken out"),
    "the mark, the key that signs, and the end": (
        "DELETE FROM audit WHERE seq > 3; DELETE FROM sealed WHERE kind IN ('log-mark', 'signing-key')",
        False,
        "mark of the log's end was taken out",
    ),
    "the mark's text": (
        "UPDATE sealed SET secret = randomblob(80) WHERE kind = 'log-mark'",
        False,
        "The audit log is damaged",
    ),
}


@pytest.mark.parametrize(("statement", "again", "said"), DAMAGE.values(), ids=DAMAGE)
def test_an_opening_finds_it_and_says_so_until_it_is_accepted(
    folder: Path, statement: str, *, again: bool, said: str
) -> None:
    change(folder, statement, again=9 if again else None)
    with Store(folder, read_only=True) as store:
        assert store.fault is None, "who only reads, verifies"
        with pytest.raises((AuditError, StoreError)):
            store.verify()
    with Store(folder) as store:
        found = store.fault
        assert found is not None
        assert said in found
        assert "hubsec audit accept" in found
        (last,) = store.newest_records(limit=1)
        assert [last.fields()[name] for name in ("act", "by", "reason")] == ["log-damaged", "hubsec", found]
        # It goes on, so far that no opening would see it any more.
        store.append(*acts(store, watched.MOST))
        # What it protects is there.
        assert list(store.entries()) == [LAMP]
    for _ in range(2):
        with Store(folder) as store:
            assert store.fault == found
            assert sum("log-damaged" in one.body for one in store.audit(limit=5000)) == 1
    with Store(folder) as store:
        assert store.accept_log(by="Ada", at=3.0, reason="It was me.")
        accepted, checkpoint = store.newest_records(limit=2)
        assert [accepted.fields()[name] for name in ("act", "by", "reason", "details")] == [
            "log-accepted",
            "Ada",
            "It was me.",
            {"fault": found},
        ]
        assert checkpoint.kind is Kind.CHECKPOINT
        assert not store.accept_log(by="Ada", at=3.0)
    with Store(folder) as store:
        assert store.fault is None
        store.append(*acts(store, 1))
    change(folder, "DELETE FROM audit WHERE seq = (SELECT max(seq) - 1 FROM audit)")
    with Store(folder) as store:
        # What was accepted is no word on what comes later.
        assert store.fault is not None


def test_what_was_accepted_is_found_no_more_though_it_is_near_the_end(folder: Path) -> None:
    change(folder, ANEW)
    with Store(folder) as store:
        assert store.accept_log(by="Ada", at=3.0)
    with Store(folder) as store:
        assert store.fault is None
        # It is still there, and named.
        with pytest.raises(AuditError, match="Record 9"):
            store.verify()


def test_a_log_under_another_key_is_not_the_one_that_the_vault_knows(folder: Path) -> None:
    forger = Signer(Secret(bytes(32)))
    connection = sqlite3.connect(folder / "hubsec.db", isolation_level=None)
    (name,) = connection.execute("SELECT name FROM store").fetchone()
    (digest,) = connection.execute("SELECT hash FROM audit WHERE seq = ?", (RECORDS - 1,)).fetchone()
    connection.close()
    body = forger.sign(name, RECORDS - 1, digest, at=1.0).encode().decode()
    change(folder, f"UPDATE audit SET body = '{body}' WHERE seq = {RECORDS}", again=RECORDS)  # noqa: S608
    with Store(folder) as store:
        assert "Record 12 is not the one" in str(store.fault)


def test_an_older_copy_with_its_mark_is_not_told_from_what_it_was(tmp_path: Path, folder: Path) -> None:
    older = Path(shutil.copytree(folder, tmp_path / "older"))
    with Store(folder) as store:
        store.append(*acts(store, 3))
        kept = store.checkpoint(at=2.0)
    with Store(older) as store:
        assert store.fault is None
        assert store.verify().last == RECORDS
        # That takes something from elsewhere.
        with pytest.raises(AuditError, match="newest records are missing"):
            store.verify(known=[kept])


def test_what_was_never_signed_may_go_unseen(folder: Path) -> None:
    with Store(folder) as store:
        store.append(*acts(store, 3))
    change(folder, f"DELETE FROM audit WHERE seq > {RECORDS + 1}")  # noqa: S608
    with Store(folder) as store:
        assert store.fault is None


def test_an_opening_reads_no_more_than_its_bound(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(folder) as store:
        store.append(*acts(store, 20))
    change(folder, ANEW)
    monkeypatch.setattr(watched, "LEAST", 4)
    with Store(folder) as store:
        assert store.fault is None, "it is before the newest checkpoint, and old"
    change(folder, "UPDATE audit SET body = replace(body, 'test', 'best') WHERE seq = 15")
    monkeypatch.setattr(watched, "MOST", 17)
    with Store(folder) as store:
        assert store.fault is None
    monkeypatch.setattr(watched, "MOST", 18)
    with Store(folder) as store:
        assert "Record 15 was changed" in str(store.fault)


def test_without_the_key_an_opening_looks_at_what_it_can(folder: Path) -> None:
    (folder / "hubsec.key").unlink()
    with Store(folder, require_key=False) as store:
        assert store.fault is None
    change(folder, ANEW)
    with Store(folder, require_key=False) as store:
        assert "Record 9 was changed" in str(store.fault)
        assert store.accept_log(by="Ada", at=1.0)
        store.forget_secrets(by="Ada")
    with Store(folder) as store:
        assert store.fault is None


def test_where_it_can_not_be_written_down_it_is_known_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(folder, ANEW)

    def full(*_: object) -> None:
        raise StoreError("The disk is full: make room.")

    with monkeypatch.context() as broken:
        broken.setattr(watched, "note_fault", full)
        with Store(folder) as store:
            assert store.fault is not None
            assert store.tail()[0] == RECORDS
    with Store(folder) as store:
        assert store.fault is not None
        assert store.tail()[0] == RECORDS + 1


def test_the_first_secret_brings_the_mark(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    with Store(folder) as store:
        store.append(*acts(store, 2))
        assert store.sealed_names(SecretKind.LOG_MARK) == ()
        store.put(entry(), KEY, by="Ada", at=0.0)
        assert store.sealed_names(SecretKind.LOG_MARK)
        store.append(*acts(store, 2))
        store.forget_secrets()
        assert store.sealed_names(SecretKind.LOG_MARK) == ()
    with Store(folder) as store:
        assert store.fault is None, "nothing is sealed, and nothing amiss"
        store.put(entry(), KEY, by="Ada", at=0.0)
    with Store(folder) as store:
        assert store.fault is None
    change(folder, "DELETE FROM audit WHERE seq > 4")
    with Store(folder) as store:
        assert store.fault is not None, "a log that has no checkpoint yet is held to it as well"


def test_a_secret_before_any_record_is_no_damage(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    with Store(folder) as store:
        store.seal(SecretKind.CREDENTIAL, LAMP, KEY, at=0.0)
    with Store(folder) as store:
        assert store.fault is None
