"""The store on an event loop: one thread, commits in groups, and a loop that never waits for the disk."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from hubsec.audit.records import Draft
from hubsec.entries import Entry
from hubsec.errors import EntryError, SealError, StoreError
from hubsec.identity import Network
from hubsec.store import AsyncStore, Store, aio
from tests.core.store.made import KEY, LAMP, entry, record

THREAD = "hubsec store"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == THREAD]


async def test_a_record_is_durable_when_it_returns(folder: Path) -> None:
    async with AsyncStore(folder) as store:
        assert store.created
        number = await store.record(record())
        # Seen by somebody else, so it has been committed.
        with Store(folder, read_only=True) as other:
            assert [found.id for found in other.decisions()] == [number]
        assert [found.id for found in await store.decisions(LAMP)] == [number]
        assert await store.truncate(keep=0, by="Ada", at=2.0) == 1
        assert await store.decisions() == ()


async def test_many_at_once_share_a_commit_and_keep_their_order(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups: list[int] = []
    written = Store.written

    def counted(self: Store, drafts: Sequence[Draft]) -> Sequence[object]:
        groups.append(len(drafts))
        return written(self, drafts)

    monkeypatch.setattr(Store, "written", counted)
    async with AsyncStore(folder) as store:
        numbers = await asyncio.gather(*(store.record(record(at=float(n))) for n in range(300)))
        found = await store.decisions(limit=1000)
    assert numbers == sorted(numbers)
    assert [each.at for each in reversed(found)] == [float(n) for n in range(300)]
    # What is asked in one turn is not torn apart, unless it is more than a group.
    assert groups == [aio.GROUP] * (300 // aio.GROUP) + [300 % aio.GROUP]


async def test_there_is_one_thread_and_it_ends(folder: Path) -> None:
    assert threads() == []
    store = await AsyncStore.open(folder)
    assert threads() == [THREAD]
    await store.aclose()
    assert threads() == []
    await store.aclose()
    for work in (store.networks(), store.record, store.see_network(Network.ZIGBEE, "a", at=1.0)):
        with pytest.raises(StoreError, match="closed"):
            await (work if asyncio.iscoroutine(work) else work(None))  # type: ignore[misc,arg-type,operator]
    with pytest.raises(StoreError, match="closed"):
        _ = store.created
    with pytest.raises(StoreError, match="opened before"):
        await store.__aenter__()


async def test_closing_waits_for_what_is_under_way(folder: Path) -> None:
    store = await AsyncStore.open(folder)
    tasks = [asyncio.create_task(store.record(record())) for _ in range(100)]
    await asyncio.sleep(0)
    await asyncio.gather(store.aclose(), store.aclose())
    assert len({await task for task in tasks}) == 100
    with Store(folder) as blocking:
        assert len(blocking.decisions(limit=1000)) == 100


async def test_an_opening_that_fails_leaves_no_thread(folder: Path) -> None:
    with Store(folder) as blocking:
        blocking.put(entry(), KEY, by="Ada", at=1.0)
        with pytest.raises(StoreError, match="in use"):
            await AsyncStore.open(folder)
    assert threads() == []
    (folder / "hubsec.key").unlink()
    with pytest.raises(SealError):
        await AsyncStore.open(folder)
    assert threads() == []
    async with AsyncStore(folder, require_key=False) as store:
        with pytest.raises(SealError):
            await store.run(lambda blocking: blocking.credential(LAMP), writes=False)
        assert await store.forget_secrets() == (LAMP,)
        assert len(await store.changes()) == 1


async def test_the_loop_goes_on_while_the_disk_is_slow(folder: Path) -> None:
    async with AsyncStore(folder) as store:
        go = threading.Event()
        slow = asyncio.create_task(store.run(lambda _: go.wait(20)))
        for _ in range(10):
            await asyncio.sleep(0.005)
        assert not slow.done()
        go.set()
        assert await slow, "the disk waited for the loop, not the loop for the disk"


async def test_a_cancelled_caller_takes_nothing_back(folder: Path) -> None:
    seen: list[Entry] = []
    async with AsyncStore(folder) as store:
        begun, go = threading.Event(), threading.Event()

        def work(blocking: Store) -> Entry:
            begun.set()
            go.wait(5)
            return blocking.put(entry(), None, by="Ada", at=1.0)

        task = asyncio.create_task(store.run(work, then=seen.append))
        await asyncio.to_thread(begun.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go.set()
        assert list(await store.run(lambda blocking: blocking.entries(), writes=False)) == [LAMP]
        assert seen == [entry()]


async def test_errors_reach_their_own_caller_and_the_thread_lives(folder: Path) -> None:
    async with AsyncStore(folder) as store:
        blocked = asyncio.create_task(store.run(lambda _: time.sleep(0.05)))
        await asyncio.sleep(0.01)
        results = await asyncio.gather(
            store.record(record()),
            store.run(lambda blocking: blocking.remove(LAMP, by="Ada", at=1.0)),
            store.run(lambda blocking: [*blocking.entries()][1]),
            store.record(record()),
            return_exceptions=True,
        )
        await blocked
        assert [type(result) for result in results] == [int, EntryError, IndexError, int]
        assert len(await store.decisions()) == 2


async def test_when_the_disk_is_full_a_group_fails_whole_and_memory_learns_nothing(folder: Path) -> None:
    told: list[int] = []
    long = record(correlation="x" * 5000)

    def fill(blocking: Store) -> None:
        with blocking._database.reading() as connection:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages + 8}")

    def drain(blocking: Store) -> None:
        with blocking._database.reading() as connection:
            connection.execute("PRAGMA max_page_count = 1000000")

    async with AsyncStore(folder) as store:
        await store.run(fill, writes=False)
        results = await asyncio.gather(
            *(store.run(lambda blocking: blocking.record(long), then=told.append) for _ in range(50)),
            return_exceptions=True,
        )
        stored = {found.id for found in await store.decisions(limit=1000)}
        assert {type(result) for result in results} >= {StoreError}
        assert {result for result in results if isinstance(result, int)} == stored == set(told)
        await store.run(drain, writes=False)
        await store.record(record())


def test_a_loop_that_ended_early_harms_nobody(folder: Path) -> None:
    async def leave() -> AsyncStore:
        store = await AsyncStore.open(folder)
        store._put(lambda: time.sleep(0.1), writes=True)
        return store

    store = asyncio.run(leave())

    async def close() -> None:
        await store.record(record())
        await store.aclose()

    asyncio.run(close())
    assert threads() == []


def test_a_program_that_forgets_to_close_ends_all_the_same(folder: Path) -> None:
    program = f"""
import asyncio, hubsec.store
kept = asyncio.run(hubsec.store.AsyncStore.open({str(folder)!r}))
"""
    done = subprocess.run([sys.executable, "-c", program], timeout=20, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    Store(folder).close()
