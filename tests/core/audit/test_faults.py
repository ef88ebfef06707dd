"""Disks that tear, flip, fill up and fail to sync: what is there is whole, and what is not whole is told."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hubsec.audit.records import AuditRecord
from hubsec.errors import AuditError, StoreError
from hubsec.store import Store
from hubsec.store.audited import decided
from hubsec.store.store import Failed
from tests.core.store.made import KEY, LAMP, entry, record

RECORDS = 60


def contents(folder: Path) -> tuple[AuditRecord, ...]:
    with Store(folder) as store:
        found = store.verify()
        records = store.audit(limit=10_000)
        assert found.records == len(records)
        return records


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[AuditRecord, ...]]:
    """A store as it lies on disk while a hub has it open: most of it in the write-ahead log."""
    folder, copy = (tmp_path_factory.mktemp("faults") / name for name in ("store", "copy"))
    with Store(folder) as store:
        store.put(entry(), KEY, by="Ada", at=0.0)
        for number in range(RECORDS // 2):
            store.append(*(decided(record(at=float(number))) for _ in range(2)))
        store.checkpoint(at=100.0)
        shutil.copytree(folder, copy)
        return copy, store.audit(limit=10_000)


def torn(written: tuple[Path, tuple[AuditRecord, ...]], tmp_path: Path, seed: int) -> Path:
    return Path(shutil.copytree(written[0], tmp_path / f"torn {seed}"))


def test_of_a_log_whose_end_was_torn_off_the_beginning_is_whole(
    written: tuple[Path, tuple[AuditRecord, ...]], tmp_path: Path
) -> None:
    lengths = set()
    for seed in range(12):
        folder = torn(written, tmp_path, seed)
        log = folder / "hubsec.db-wal"
        (folder / "hubsec.db-shm").unlink()
        content, chance = bytearray(log.read_bytes()), random.Random(seed)
        place = chance.randrange(len(content) // 2, len(content))
        if seed % 2:
            content[place] ^= 1 << chance.randrange(8)
        else:
            del content[place:]
        log.write_bytes(content)
        found = contents(folder)
        assert found == written[1][: len(found)]
        # It goes on from there, and is whole again after that.
        with Store(folder) as store:
            assert store.record(record()) == len(found) + 1
            assert store.verify().last == len(found) + 1
            assert set(store.entries()) == {LAMP}
        lengths.add(len(found))
    assert len(lengths) > 3
    assert max(lengths) <= RECORDS + 2


def test_a_bit_that_flipped_is_told_or_harms_nothing(
    written: tuple[Path, tuple[AuditRecord, ...]], tmp_path: Path
) -> None:
    whole = torn(written, tmp_path, -1)
    assert contents(whole) == written[1]  # and with that all of it is in the database itself
    path = whole / "hubsec.db"
    original, told = path.read_bytes(), 0
    for seed in range(60):
        chance, content = random.Random(seed), bytearray(original)
        content[chance.randrange(4096, len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        try:
            with Store(whole, read_only=True, require_key=False) as store:
                store.verify()
                assert store.audit(limit=10_000) == written[1]
        except (AuditError, StoreError):
            told += 1
    assert told > 10
    # Every bit of what is hashed counts.
    body = written[1][20].body.encode()
    path.write_bytes(original.replace(body, body.replace(b"closed", b"cLosed"), 1))
    changed = original.index(body)
    assert path.read_bytes()[changed : changed + len(body)] != body
    with Store(whole, read_only=True) as store, pytest.raises(AuditError, match="was changed"):
        store.verify()


class Failing:
    """A connection that fails at the statement that is named, once, as a disk would that can't sync."""

    def __init__(self, connection: sqlite3.Connection, statement: str, *, undo: bool) -> None:
        self._connection = connection
        self._statement: str | None = statement
        self._undo = undo

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *arguments: Any) -> Any:
        if self._statement is None or not statement.startswith(self._statement):
            return self._connection.execute(statement, *arguments)
        self._statement = None
        if self._undo:
            # https://sqlite.org/lang_transaction.html, 3.1: after some errors the transaction is rolled back already.
            self._connection.execute("ROLLBACK")
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_IOERR_FSYNC, "SQLITE_IOERR_FSYNC"
        raise error


@pytest.mark.parametrize("undo", [False, True])
@pytest.mark.parametrize(
    "statement", ["BEGIN", "INSERT INTO audit", "INSERT INTO entries", "SAVEPOINT", "COMMIT"]
)
def test_a_sync_that_fails_takes_all_of_its_group_and_nothing_else(
    tmp_path: Path, statement: str, *, undo: bool
) -> None:
    with Store(tmp_path / "store") as store:
        before = store.record(record())
        real = store._database._connection
        store._database._connection = Failing(real, statement, undo=undo and statement != "BEGIN")  # type: ignore[assignment]
        drafts = [decided(record(at=float(number))) for number in range(3)]
        outcomes = store.together([*drafts, lambda: store.put(entry(), KEY, by="Ada", at=1.0), *drafts])
        failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
        # A call that fails for itself, and leaves the transaction alone, takes nobody with it.
        alone = statement in ("INSERT INTO entries", "SAVEPOINT") and not undo
        assert len(failed) == (1 if alone else len(outcomes))
        assert {type(outcome.error) for outcome in failed} == {StoreError}
        assert (store.entries(), store.changes()) == ({}, ())
        kept = before + (6 if alone else 0)
        assert store.tail()[0] == kept
        assert store.record(record()) == kept + 1
        store.put(entry(), KEY, by="Ada", at=2.0)
        assert store.verify().records == kept + 2
        store._database._connection = real


def test_a_file_system_that_fills_up_leaves_a_log_that_is_whole(tmp_path: Path) -> None:
    # A limit on the size of files stands in for a small disk; the store goes on when there is room again.
    program = f"""
import asyncio, resource, signal
from hubsec.errors import StoreError
from hubsec.store import AsyncStore
from tests.core.store.made import record

async def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    async with AsyncStore({str(tmp_path / "store")!r}) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))
        done = []
        while len(done) < 100_000:
            results = await asyncio.gather(*(store.record(record()) for _ in range(16)), return_exceptions=True)
            done += [result for result in results if isinstance(result, int)]
            if any(isinstance(result, StoreError) for result in results):
                break
        newest, _ = await store.tail()
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(len(done), max(done), newest, await store.record(record()))

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    written, last, newest, after = map(int, done.stdout.split())
    assert written == last == newest == after - 1 > 0
    with Store(tmp_path / "store", read_only=True) as store:
        assert store.verify().last == after


def test_a_log_can_be_verified_beside_the_hub_that_writes_it(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store, Store(tmp_path / "store", read_only=True) as reader:
        for number in range(1, 6):
            store.record(record())
            assert reader.verify().last == reader.tail()[0] == number
        store.checkpoint(at=1.0)
        assert reader.verify(known=[reader.checkpoint(at=2.0)]).signed_to == 6
        with pytest.raises(StoreError, match="read-only"):
            reader.record(record())
