"""The log as somebody else left it: each way to change it, and what is said of it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from hubsec.audit.chain import genesis, link, packed
from hubsec.audit.checkpoints import Checkpoint, Cut, Signer, read_checkpoint
from hubsec.audit.exporting import verify_export
from hubsec.audit.records import Kind
from hubsec.decisions import Allow
from hubsec.errors import AuditError, SealError, StoreError
from hubsec.secret import Secret
from hubsec.store import Store, audited
from hubsec.store.audited import decided
from tests.core.store.made import KEY, LAMP, entry, record

RECORDS = 12
"""In the log of these tests; the seventh is a checkpoint, which signs the first six, and so is the last."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audit") / "store"
    with Store(folder) as store:
        for number in range(5):
            store.record(record(at=float(number), correlation=f"story {number}"))
        store.put(entry(), KEY, by="Ada", at=5.0)
        store.checkpoint(at=6.0)
        for number in range(7, 11):
            store.record(record(at=float(number)))
        store.checkpoint(at=11.0)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of that log, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "store"))


@pytest.fixture
def connection(folder: Path) -> Iterator[sqlite3.Connection]:
    """For who has no respect for triggers."""
    opened = sqlite3.connect(folder / "hubsec.db", isolation_level=None)
    opened.execute("DROP TRIGGER audit_stands")
    opened.execute("DROP TRIGGER audit_goes_from_its_beginning")
    yield opened
    opened.close()


def rehash(connection: sqlite3.Connection, since: int) -> None:
    """Compute every hash from record `since` on anew, as anybody can."""
    rows = connection.execute(
        "SELECT seq, at, kind, device, correlation, body FROM audit ORDER BY seq"
    ).fetchall()
    (name,) = connection.execute("SELECT name FROM store").fetchone()
    previous = genesis(name)
    for seq, at, *texts in rows:
        kind, device, correlation, body = texts
        digest = link(previous, seq, packed((at, kind, device, correlation, body.encode())))
        if seq >= since:
            connection.execute("UPDATE audit SET hash = ? WHERE seq = ?", (digest, seq))
        previous = digest


def close_up(connection: sqlite3.Connection) -> None:
    """Number what is left without a gap."""
    for number, (seq,) in enumerate(connection.execute("SELECT seq FROM audit ORDER BY seq").fetchall(), 1):
        connection.execute("UPDATE audit SET seq = ? WHERE seq = ?", (number, seq))


def test_a_log_that_nobody_touched_is_whole(folder: Path) -> None:
    with Store(folder, read_only=True) as store:
        found = store.verify()
    assert (found.first, found.last, found.records, found.checkpoints) == (1, RECORDS, RECORDS, 2)
    assert (found.signed_to, len(found.keys)) == (RECORDS - 1, 1)


def test_a_log_without_a_record_is_whole(tmp_path: Path) -> None:
    with Store(tmp_path / "empty") as store:
        found = store.verify()
    assert (found.first, found.last, found.records, found.signed_to, found.keys) == (0, 0, 0, None, ())


CUT_UNSIGNED = """
UPDATE audit SET body = json_set(
    body, '$.cut', json_object('first', 1, 'last', 3, 'hash', (SELECT lower(hex(hash)) FROM audit WHERE seq = 3))
) WHERE seq = 7
"""
# Statement, then what is said: the number of the first bad record, and what is wrong with it. Where `rehash` is a
# number the hashes from there on are made to fit again.
TAMPERED: dict[str, tuple[list[str], int | None, int, str]] = {
    "a body": (["UPDATE audit SET body = replace(body, 'Ada', 'Eve') WHERE seq = 6"], None, 6, "changed"),
    "a time": (["UPDATE audit SET at = at + 1 WHERE seq = 3"], None, 3, "changed"),
    "a kind": (["UPDATE audit SET kind = 'event' WHERE seq = 3"], None, 3, "changed"),
    "no kind": (["UPDATE audit SET kind = 'gossip' WHERE seq = 3"], None, 3, "changed"),
    "a device": (["UPDATE audit SET device = NULL WHERE seq = 3"], None, 3, "changed"),
    "no device": (["UPDATE audit SET device = '' WHERE seq = 7"], None, 7, "changed"),
    "a story": (["UPDATE audit SET correlation = 'story 0' WHERE seq = 3"], None, 3, "changed"),
    "a hash": (["UPDATE audit SET hash = randomblob(32) WHERE seq = 9"], None, 9, "changed"),
    "a short hash": (["UPDATE audit SET hash = x'00' WHERE seq = 9"], None, 9, "changed"),
    "a text that is no text": (
        ["UPDATE audit SET body = CAST(x'ff' AS TEXT) WHERE seq = 9"],
        None,
        9,
        "changed",
    ),
    "a body between two texts": (
        [
            "UPDATE audit SET correlation = correlation || substr(body, 1, 1), body = substr(body, 2) WHERE seq = 9"
        ],
        None,
        9,
        "changed",
    ),
    "one removed": (["DELETE FROM audit WHERE seq = 4"], None, 4, "removed"),
    "several removed": (["DELETE FROM audit WHERE seq IN (4, 5)"], None, 4, "removed"),
    "a checkpoint removed": (["DELETE FROM audit WHERE seq = 7"], None, 7, "removed"),
    "two exchanged": (
        [
            "UPDATE audit SET seq = -1 WHERE seq = 2",
            "UPDATE audit SET seq = 2 WHERE seq = 3",
            "UPDATE audit SET seq = 3 WHERE seq = -1",
        ],
        None,
        2,
        "changed",
    ),
    "one put in at the end": (
        ["INSERT INTO audit SELECT 13, at, kind, device, correlation, body, hash FROM audit WHERE seq = 3"],
        None,
        RECORDS + 1,
        "changed",
    ),
    "one before the first": (["UPDATE audit SET seq = 0 WHERE seq = 1"], None, 0, "truncated"),
    "one written anew, with every hash": (
        ["UPDATE audit SET body = replace(body, 'closed', 'open') WHERE seq = 2"],
        2,
        7,
        "forged",
    ),
    "one behind a signature written anew, with every hash": (
        ["UPDATE audit SET body = replace(body, 'closed', 'open') WHERE seq = 9"],
        9,
        7,
        "forged",
    ),
    "one removed, renumbered, with every hash": (["DELETE FROM audit WHERE seq = 4"], 4, 6, "forged"),
    "the oldest cut": (["DELETE FROM audit WHERE seq < 4"], None, 4, "truncated"),
    "all but the last cut": (["DELETE FROM audit WHERE seq < 12"], None, RECORDS, "truncated"),
    "a checkpoint that is none": (["UPDATE audit SET body = '{}' WHERE seq = 7"], 7, 7, "malformed"),
    "a checkpoint of another time": (
        ["UPDATE audit SET body = json_set(body, '$.at', 1.0) WHERE seq = 7"],
        7,
        7,
        "forged",
    ),
    "a cut that was not signed": (
        [
            CUT_UNSIGNED,
            "DELETE FROM audit WHERE seq < 4",
        ],
        None,
        4,
        "truncated",
    ),
}


@pytest.mark.parametrize(("statements", "again", "seq", "fault"), TAMPERED.values(), ids=TAMPERED)
def test_what_was_tampered_with_is_named(
    folder: Path,
    connection: sqlite3.Connection,
    statements: list[str],
    again: int | None,
    seq: int,
    fault: str,
) -> None:
    for statement in statements:
        connection.execute(statement)
    if again is not None:
        close_up(connection)
        rehash(connection, again)
    # No key is needed to see it.
    with Store(folder, read_only=True, require_key=False) as store, pytest.raises(AuditError) as raised:
        store.verify()
    assert (raised.value.seq, raised.value.fault) == (seq, fault)


def test_what_needs_something_from_elsewhere(folder: Path, connection: sqlite3.Connection) -> None:
    with Store(folder, read_only=True) as store:
        kept = store.checkpoint(at=20.0)
    connection.execute("DELETE FROM audit WHERE seq > 9")
    with Store(folder, read_only=True) as store:
        with pytest.raises(AuditError, match="newest records are missing") as raised:
            store.verify(known=[kept])
        assert (raised.value.seq, raised.value.fault) == (10, "cut")
        # The vault knows as well.
        with pytest.raises(AuditError, match="newest records are missing") as raised:
            store.verify()
        assert (raised.value.seq, raised.value.fault) == (10, "cut")
    connection.execute("UPDATE audit SET body = replace(body, 'closed', 'open') WHERE seq = 8")
    rehash(connection, 8)
    with Store(folder, read_only=True) as store:
        older = msgspec.structs.replace(kept, seq=9)
        with pytest.raises(AuditError, match="not that of its key"):
            store.verify(known=[older])
        with pytest.raises(AuditError, match="another key"):
            store.verify(key="0" * 64)
    (folder / "hubsec.key").unlink()
    with Store(folder, read_only=True, require_key=False) as store:
        # The chain is whole as far as it goes.
        assert store.verify().last == 9


def test_a_log_written_anew_under_another_key_is_not_the_vaults(
    folder: Path, connection: sqlite3.Connection
) -> None:
    with Store(folder, read_only=True) as store:
        (key,), kept = store.verify().keys, store.checkpoint(at=20.0)
    (name,) = connection.execute("SELECT name FROM store").fetchone()
    forger = Signer(Secret(bytes(32)))
    connection.execute("UPDATE audit SET body = replace(body, 'closed', 'open') WHERE seq = 2")
    rehash(connection, 2)
    for seq in (7, RECORDS):
        (previous,) = connection.execute("SELECT hash FROM audit WHERE seq = ?", (seq - 1,)).fetchone()
        body = forger.sign(name, seq - 1, previous, at=1.0).encode().decode()
        connection.execute("UPDATE audit SET body = ? WHERE seq = ?", (body, seq))
        rehash(connection, seq)
    with Store(folder, read_only=True) as store:
        with pytest.raises(AuditError, match="another key than the vault's"):
            store.verify()
        for how in ({"key": key}, {"known": [kept]}):
            with pytest.raises(AuditError, match="another key than this log's"):
                store.verify(**how)  # type: ignore[arg-type]
    (folder / "hubsec.key").unlink()
    with Store(folder, read_only=True, require_key=False) as store:
        # Whoever knows neither can only be told which key it was.
        assert store.verify().keys == (forger.key,)


def test_a_log_whose_signatures_were_all_taken_out_is_not_the_vaults(
    folder: Path, connection: sqlite3.Connection
) -> None:
    connection.execute("DELETE FROM audit WHERE seq >= 7")
    connection.execute("UPDATE audit SET body = replace(body, 'closed', 'open') WHERE seq = 2")
    rehash(connection, 1)
    with Store(folder, read_only=True) as store:
        with pytest.raises(AuditError, match="no signature is left") as raised:
            store.verify()
        assert raised.value.fault == "forged"
    connection.execute("DELETE FROM audit")
    with Store(folder, read_only=True) as store, pytest.raises(AuditError, match="no signature is left"):
        store.verify()
    (folder / "hubsec.key").unlink()
    with Store(folder, read_only=True, require_key=False) as store:
        assert not store.verify().by_vault


def test_the_log_goes_on_under_a_new_key_when_the_secrets_were_forgotten(folder: Path) -> None:
    with Store(folder, read_only=True) as store:
        kept = store.checkpoint(at=20.0)
    (folder / "hubsec.key").unlink()
    with Store(folder, require_key=False) as store:
        with pytest.raises(SealError, match="Nobody can sign"):
            store.checkpoint(at=20.0)
        store.forget_secrets(by="Ada")
    with Store(folder) as store:
        store.checkpoint(at=21.0)
        found = store.verify()
        assert len(found.keys) == 2
        assert found.keys[0] == kept.key
        # Whoever has kept something from before is told.
        with pytest.raises(AuditError, match="another key"):
            store.verify(known=[kept])


def test_the_oldest_go_with_a_signature_that_says_so(folder: Path) -> None:
    with Store(folder) as store:
        kept = store.checkpoint(at=20.0)
        assert store.truncate(keep=4, by="Ada", at=21.0) == RECORDS + 1 - 4
        found = store.verify(known=[kept])
        assert (found.first, found.records) == (RECORDS - 2, 6)
        asked, newest = store.newest_records(limit=2)
        said = asked.fields()
        assert (said["act"], said["by"], said["details"]) == ("log-truncated", "Ada", {"first": 1, "last": 9})
        assert read_checkpoint(newest.body).cut == Cut(first=1, last=9, hash=anchor(store))
        assert store.truncate(keep=1000, by="Ada", at=22.0) == 0
        # What is gone is gone for who reads as well.
        assert {one.id for one in store.decisions()} == {10, 11}
        assert store.changes() == ()
        assert store.truncate(keep=0, by="Ada", at=23.0) == 6
        assert store.verify().records == 2


def anchor(store: Store) -> str:
    lines: list[bytes] = []
    store.export(lines.append)
    previous: str = msgspec.json.decode(lines[0])["previous"]
    return previous


def test_only_the_oldest_goes_and_none_is_rewritten(folder: Path) -> None:
    connection = sqlite3.connect(folder / "hubsec.db", isolation_level=None)
    with pytest.raises(sqlite3.IntegrityError, match="not rewritten"):
        connection.execute("UPDATE audit SET at = 0")
    with pytest.raises(sqlite3.IntegrityError, match="only the oldest"):
        connection.execute("DELETE FROM audit WHERE seq = 2")
    connection.close()


def test_it_is_signed_and_cut_as_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"CHECKPOINT_EVERY": 10, "KEPT": 30, "CUT_STEP": 20, "KEPT_SECONDS": 20.0}.items():
        monkeypatch.setattr(audited, name, value)
    with Store(tmp_path / "store") as store:
        for number in range(10):
            store.append(*(decided(record(at=float(number * 12 + more))) for more in range(12)))
            assert store.verify().records <= 30 + 2 * 20 + 12
        found = store.verify()
        assert found.first > 60
        assert found.checkpoints > 2
        assert found.last - (found.signed_to or 0) <= 12


def test_a_flood_within_the_newest_day_pushes_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"CHECKPOINT_EVERY": 10, "KEPT": 20, "CUT_STEP": 20}.items():
        monkeypatch.setattr(audited, name, value)
    with Store(tmp_path / "store") as store:

        def flood(*times: float) -> int:
            """The number of the oldest record, after as many groups of ten as there are times."""
            for at in times:
                store.append(*(decided(record(at=at)) for _ in range(10)))
            return store.audit(limit=1)[0].seq

        allowed = store.record(record(decision=Allow(rule="a", reason="b"), at=100.0))
        assert flood(*[101.0] * 6) == allowed
        # Even that has a bound.
        assert flood(*[101.0] * 6) > allowed
        # And a day later the usual one holds again.
        later = 102.0 + audited.KEPT_SECONDS
        flood(*[later] * 5)
        assert store.verify().records <= 20 + 2 * 20 + 10
        # A clock that was set back makes nothing older than it is.
        first = flood()
        assert flood(5.0) == first


def test_the_database_has_a_bound_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "CHECKPOINT_EVERY": 10,
        "CUT_STEP": 30,
        "KEPT_BYTES": 200_000,
        "KEPT_SECONDS": 0.0,
    }.items():
        monkeypatch.setattr(audited, name, value)
    with Store(tmp_path / "store") as store:
        for number in range(40):
            store.append(*(decided(record(at=float(number), correlation="x" * 1000)) for _ in range(10)))
        assert store.verify().records < 200
        with store._database.reading() as connection:
            assert audited._used(connection) < 300_000


def test_without_the_vaults_key_nothing_is_signed_or_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path / "store") as store:
        store.put(entry(), KEY, by="Ada", at=1.0)
    (tmp_path / "store" / "hubsec.key").unlink()
    for name, value in {"CHECKPOINT_EVERY": 5, "KEPT": 5, "CUT_STEP": 5, "KEPT_SECONDS": 0.0}.items():
        monkeypatch.setattr(audited, name, value)
    with Store(tmp_path / "store", require_key=False) as store:
        store.append(*(decided(record(at=float(number))) for number in range(30)))
        store.record(record(at=30.0))
        assert store.truncate(keep=0, by="Ada", at=1.0) == 0
        found = store.verify()
        assert (found.first, found.last, found.signed_to) == (1, 32, None)


def test_a_checkpoint_of_a_store_that_never_had_one_is_not_made_up(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        store.record(record())
    with (
        Store(tmp_path / "store", read_only=True) as store,
        pytest.raises(SealError, match="has yet to make"),
    ):
        store.checkpoint(at=1.0)


def test_two_checkpoints_that_disagree(folder: Path) -> None:
    with Store(folder, read_only=True) as store:
        kept = store.checkpoint(at=20.0)
        signer = store._signer()
        assert signer is not None
        other = signer.sign(store._name, kept.seq, bytes(32), at=20.0)
        with pytest.raises(AuditError, match="disagree"):
            store.verify(known=[kept, other])
        with pytest.raises(AuditError, match="not the one that the checkpoint was made of"):
            store.verify(known=[other])
        elsewhere = signer.sign("elsewhere", kept.seq, bytes(32), at=20.0)
        with pytest.raises(AuditError, match="another store's"):
            store.verify(known=[elsewhere])
        assert store.verify(known=[kept, kept]).signed_to == RECORDS


# Exports


def exported(folder: Path, **how: object) -> list[bytes]:
    lines: list[bytes] = []
    with Store(folder, read_only=True, require_key=False) as store:
        store.export(lines.append, **how)  # type: ignore[arg-type]
    return lines


def test_an_export_is_verified_as_the_log_is(folder: Path) -> None:
    lines = exported(folder)
    with Store(folder, read_only=True) as store:
        assert verify_export(lines) == msgspec.structs.replace(store.verify(), by_vault=False)
        assert verify_export(lines, known=[store.checkpoint(at=20.0)]).signed_to == RECORDS
    later = exported(folder, since=8)
    found = verify_export(later)
    assert (found.first, found.last, found.records) == (9, RECORDS, 4)
    some = exported(folder, kinds=[Kind.CHANGE, Kind.CHECKPOINT])
    found = verify_export(some)
    assert (found.records, found.left_out) == (3, RECORDS - 3)
    with Store(folder, read_only=True) as store:
        signed = [read_checkpoint(one.body) for one in store.audit(kinds=[Kind.CHECKPOINT])]
    kept = [one for one in signed if one.seq == 6]
    assert verify_export(lines, known=kept).not_compared == ()
    assert verify_export(later, known=kept).not_compared == (6,)
    acts = exported(folder, since=2, kinds=[Kind.DECISION])
    assert verify_export(acts, known=kept).not_compared == (6,)
    # Each line is for other programs, too.
    body = msgspec.json.decode(some[1])["body"]
    assert (body["by"], body["change"], body["entry"]["device"]) == ("Ada", "added", LAMP)
    with pytest.raises(AuditError, match="ends with record"):
        exported(folder, since=1000)


def test_an_export_of_a_log_that_was_cut(folder: Path) -> None:
    with Store(folder) as store:
        store.truncate(keep=3, by="Ada", at=1.0)
    found = verify_export(exported(folder))
    assert (found.first, found.records) == (10, 5)


CHANGED_EXPORTS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "a word": (lambda lines: [*lines[:6], lines[6].replace(b"Ada", b"Eve"), *lines[7:]], "changed"),
    "a space": (lambda lines: [*lines[:6], lines[6].replace(b'"by":', b'"by": '), *lines[7:]], "changed"),
    "a line less": (lambda lines: lines[:4] + lines[5:], "removed"),
    "two lines exchanged": (lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]], "removed"),
    "a line twice": (lambda lines: [*lines[:5], lines[4], *lines[5:]], "reordered"),
    "a gap that is said in a complete one": (
        lambda lines: [*lines[:4], lines[5][:-2] + b',"previous":"' + b"0" * 64 + b'"}\n', *lines[6:]],
        "removed",
    ),
    "half a line": (lambda lines: [*lines[:-1], lines[-1][:40]], "malformed"),
    "no header": (lambda lines: lines[1:], "malformed"),
    "another store's name": (
        lambda lines: [lines[0].replace(b'"store":"', b'"store":"f', 1), *lines[1:]],
        "changed",
    ),
    "a later format": (
        lambda lines: [lines[0].replace(b'"hubsec_audit":1', b'"hubsec_audit":2'), *lines[1:]],
        "malformed",
    ),
    "nothing": (lambda _: [], "malformed"),
    "a line without an end": (lambda lines: [lines[0], b" " * 5_000_000], "malformed"),
}


@pytest.mark.parametrize(("change", "fault"), CHANGED_EXPORTS.values(), ids=CHANGED_EXPORTS)
def test_a_changed_export_is_told(
    folder: Path, change: Callable[[list[bytes]], list[bytes]], fault: str
) -> None:
    with pytest.raises(AuditError) as raised:
        verify_export(change(exported(folder)))
    assert raised.value.fault == fault


def test_a_checkpoint_is_read_as_it_was_written() -> None:
    signer = Signer(Secret(bytes(range(32))))
    made = signer.sign("s", 7, bytes(32), at=1.5, cut=Cut(first=1, last=3, hash="ab" * 32))
    assert made.cut is not None
    assert made.cut.count == 3
    assert read_checkpoint(made.encode()) == made
    made.check()
    for text in (b"", b"{}", b"\xff", made.encode()[:-1], made.encode() + b"x" * 5000, b"[" * 4000):
        with pytest.raises(AuditError) as raised:
            read_checkpoint(text)
        assert raised.value.fault == "malformed"


def test_each_field_of_a_checkpoint_is_signed() -> None:
    signer = Signer(Secret(bytes(range(32))))
    made = signer.sign("s", 7, bytes(32), at=1.5, cut=Cut(first=1, last=3, hash="ab" * 32))
    others: dict[str, object] = {
        "store": "t",
        "seq": 8,
        "hash": "01" * 32,
        "at": 1.25,
        "key": Signer(Secret(bytes(32))).key,
        "signature": "0" * 128,
        "cut": None,
    }
    assert set(others) == set(Checkpoint.__struct_fields__)
    for name, value in others.items():
        with pytest.raises(AuditError, match="forged"):
            msgspec.structs.replace(made, **{name: value}).check()
    for name, value in {"first": 2, "last": 4, "hash": "cd" * 32}.items():
        with pytest.raises(AuditError, match="forged"):
            msgspec.structs.replace(made, cut=msgspec.structs.replace(made.cut, **{name: value})).check()


def test_a_body_that_is_no_json_is_told(folder: Path, connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE audit SET body = '[' WHERE seq = 2")
    with Store(folder, read_only=True) as store, pytest.raises(StoreError, match="Record 2"):
        store.audit(1, limit=1)[0].fields()
