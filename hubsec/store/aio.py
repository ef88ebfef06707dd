"""The store for an event loop: one writer thread, and commits in groups.

Whatever is asked while a commit is under way goes into the next one together. The loop itself never waits for the disk;
who awaits does, until the commit that holds its own work.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import queue
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, Self, cast

from hubsec.audit.checkpoints import Checkpoint
from hubsec.audit.records import Act, AuditRecord, Channel, Draft, Kind
from hubsec.errors import StoreError
from hubsec.identity import Identity, Network
from hubsec.store.audited import decided
from hubsec.store.records import Change, NetworkRecord, Record, StoredRecord
from hubsec.store.store import Outcome, Store, outcome
from hubsec.store.ways import Unlock
from hubsec.store.wrapping import Wrapping

NOTES: Final = 10_000
"""Records that may wait to be written while nobody waits for them. Judgement: some 5 MB, and a quarter of a second of
what a disk can take."""
# A group much larger than this is no faster (measured: 64 to 100 rows a commit), and lets the first wait for the last.
GROUP: Final = 64


type _Told = Callable[[int | None, Exception | None], object]


class _Job[T]:
    """One call, or one record, on its way from a loop to the writer thread and back. Who waits has a `future`; what
    nobody waits for is `told`."""

    __slots__ = ("future", "loop", "then", "told", "work", "writes")

    def __init__(
        self,
        work: Callable[[], T] | Draft,
        then: Callable[[T], None] | None = None,
        told: _Told | None = None,
        *,
        writes: bool = True,
    ) -> None:
        self.work = work
        self.writes = writes
        self.then = then
        self.told = told
        self.loop = loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = loop.create_future()

    def finish(self, result: Outcome) -> None:
        """On the loop: hand over what came of it."""
        future, error = self.future, result.error
        # Also when the caller was cancelled: what is on disk has to be in memory.
        if error is None and self.then is not None:
            self.then(cast("T", result.value))
        if self.told is not None:
            self.told(cast("int | None", result.value), error)
        elif future.done():
            pass
        elif error is None:
            future.set_result(cast("T", result.value))
        else:
            future.set_exception(error)


class _Entry:
    """A record that somebody waits for: there are many of them, so it has as little as can be."""

    __slots__ = ("future", "work")
    writes = True

    def __init__(self, work: Draft, future: asyncio.Future[int]) -> None:
        self.work = work
        self.future = future

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self.future.get_loop()

    def finish(self, result: Outcome) -> None:
        """As that of `_Job`."""
        if self.future.done():
            return
        if result.error is None:
            self.future.set_result(cast("int", result.value))
        else:
            self.future.set_exception(result.error)


type _Asked = _Job[Any] | _Entry


class AsyncStore:
    """A :class:`~hubsec.store.store.Store` with its writer thread, from :meth:`open` to :meth:`aclose`.

    Every coroutine returns after the commit and raises as `Store` does; after closing,
    :class:`~hubsec.errors.StoreError`. Cancelling one does not take back what it asked for.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        unlock: Unlock | None = None,
        require_key: bool = True,
        read_only: bool = False,
    ) -> None:
        self._make = functools.partial(
            Store, directory, unlock=unlock, require_key=require_key, read_only=read_only
        )
        self._store: Store | None = None
        self._queue: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closing = False
        self.newest = 0
        """The number of the newest record that anybody has been told of."""

    @classmethod
    async def open(
        cls,
        directory: str | os.PathLike[str],
        *,
        unlock: Unlock | None = None,
        require_key: bool = True,
        read_only: bool = False,
    ) -> Self:
        """The store in `directory`, opened; the arguments are those of `Store`."""
        return await cls(directory, unlock=unlock, require_key=require_key, read_only=read_only).__aenter__()

    async def __aenter__(self) -> Self:
        if self._thread is not None:
            raise StoreError("This store was opened before: make another one.")
        # A daemon: a program that ends without closing is not held up, and SQLite stands being cut off.
        self._thread = threading.Thread(target=self._work, name="hubsec store", daemon=True)
        self._thread.start()
        try:
            self.newest, _ = await self._ask(self._open, writes=False)
        except BaseException:
            await self.aclose()
            raise
        return self

    def _open(self) -> tuple[int, bytes]:
        self._store = self._make()
        return self._store.tail()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Wait for what is under way, then close. Idempotent."""
        if self._thread is None or self._closing:
            return
        self._closing = True
        # The thread has nothing to do after this job but to end.
        last = _Job(self._close, writes=False)
        done = last.future
        self._queue.put(last)
        self._queue.put(None)
        try:
            await asyncio.shield(done)
        finally:
            if done.done():
                self._thread.join()

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()

    @property
    def created(self) -> bool:
        """Whether this opening made the store. It then knows nothing, which is not to say that there is nothing."""
        return self._opened().created

    def _opened(self) -> Store:
        if self._store is None or self._closing:
            raise StoreError("The store is closed.")
        return self._store

    async def run[T](
        self, work: Callable[[Store], T], *, then: Callable[[T], None] | None = None, writes: bool = True
    ) -> T:
        """What `work` returns, which is called with the blocking store on the writer thread.

        After the commit `then` is called on the loop with the result, before this returns, and also when whoever awaits
        this was cancelled. With `writes` False `work` runs outside the groups, and must not write.
        """
        store = self._opened()
        return await self._ask(lambda: work(store), then=then, writes=writes)

    # The audit log

    async def record(self, record: Record) -> int:
        """Write a decision down; returns its number, after the commit."""
        if self._store is None or self._closing:
            raise StoreError("The store is closed.")
        return await self._write(decided(record))

    async def act(self, act: Act, *, at: float) -> int:
        """Write down what is to be done, or was; returns its number, after the commit."""
        return await self.append(self.act_draft(act, at=at))

    def act_draft(self, act: Act, *, at: float) -> Draft:
        """The record of an act, for :meth:`append` and :meth:`note`."""
        return self._opened().log.act(act, at)

    async def append(self, draft: Draft) -> int:
        """Write a record down; returns its number, after the commit."""
        self._opened()
        return await self._write(draft)

    def _write(self, draft: Draft) -> asyncio.Future[int]:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._queue.put(_Entry(draft, future))
        return future

    def note(self, draft: Draft, told: _Told) -> None:
        """Write a record down without waiting. `told` is called on the loop, with its number after the commit or with
        the error; at once where :data:`NOTES` of them wait already, and after closing."""
        if self._store is None or self._closing:
            told(None, StoreError("The store is closed."))
        elif self._queue.qsize() >= NOTES:
            told(None, StoreError("The disk is too slow for what is to be written."))
        else:
            self._queue.put(_Job(draft, None, told))

    async def decisions(
        self, device: Identity | None = None, correlation: str | None = None, *, limit: int = 100
    ) -> tuple[StoredRecord, ...]:
        """The newest decisions, newest first; of one device, of one story, or of all."""
        return await self.run(lambda store: store.decisions(device, correlation, limit=limit), writes=False)

    async def audit(
        self, since: int = 0, *, kinds: Sequence[Kind] = (), limit: int = 100
    ) -> tuple[AuditRecord, ...]:
        """The records after number `since`, oldest first; of these kinds, or of all."""
        return await self.run(lambda store: store.audit(since, kinds=kinds, limit=limit), writes=False)

    async def tail(self) -> tuple[int, bytes]:
        """Number and hash of the newest record; 0 and the store's own where there is none."""
        return await self.run(lambda store: store.tail(), writes=False)

    async def checkpoint(self, *, at: float) -> Checkpoint:
        """A signature over the log as it is now; a record of it too. See `Store`."""
        return await self.run(lambda store: store.checkpoint(at=at))

    async def truncate(self, *, keep: int, at: float) -> int:
        """Drop all but the newest `keep` records, with a signature that says so, and return how many went."""
        return await self.run(lambda store: store.truncate(keep=keep, at=at))

    def stands_under(self, policy: str, channel: Channel) -> None:
        """From now on changes and acts are recorded as done under the policy of that hash, and as asked by that
        channel."""
        log = self._opened().log
        log.policy, log.channel = policy, channel

    # Networks

    async def network(self, network: Network, network_id: str) -> NetworkRecord | None:
        """What is known of one network; None when this store has never seen it."""
        return await self.run(lambda store: store.network(network, network_id), writes=False)

    async def networks(self) -> tuple[NetworkRecord, ...]:
        """Every network that this store has seen."""
        return await self.run(lambda store: store.networks(), writes=False)

    async def see_network(self, network: Network, network_id: str, *, at: float) -> NetworkRecord:
        """Note the first sight of a network; later ones change nothing."""
        return await self.run(lambda store: store.see_network(network, network_id, at=at))

    async def mark_exposed(
        self, network: Network, network_id: str, *, reason: str, at: float
    ) -> NetworkRecord:
        """Note that a network's key has been seen; the first reason stands."""
        return await self.run(lambda store: store.mark_exposed(network, network_id, reason=reason, at=at))

    # The allowlist's journal, and what is sealed

    async def changes(self, device: Identity | None = None, *, limit: int = 100) -> tuple[Change, ...]:
        """The newest changes of the allowlist, newest first."""
        return await self.run(lambda store: store.changes(device, limit=limit), writes=False)

    async def forget_secrets(self) -> tuple[Identity, ...]:
        """Drop every sealed secret, and say whose credentials were among them: the way on after the key was lost for
        good."""
        return await self.run(lambda store: store.forget_secrets())

    async def wrapping(self) -> Wrapping | None:
        """How the key is opened; None while there is none. Needs no key."""
        return await self.run(lambda store: store.wrapping, writes=False)

    async def rewrap(self, unlock: Unlock, *, at: float, by: str = "operator") -> Wrapping:
        """Let `unlock` open the store from now on, and nothing else any more; see `Store`."""
        # Alone, for it has more than one transaction, and cuts the log between them.
        return await self.run(lambda store: store.rewrap(unlock, by=by, at=at), writes=False)

    # The writer thread

    async def _ask[T](
        self, work: Callable[[], T], *, writes: bool, then: Callable[[T], None] | None = None
    ) -> T:
        if self._thread is None or self._closing:
            raise StoreError("The store is closed.")
        job = _Job(work, then, writes=writes)
        self._queue.put(job)
        return await job.future

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            group = [job, *self._waiting()]
            while group:
                # What reads runs alone: it must go on where nothing can be written.
                count = max(1, next((i for i, each in enumerate(group) if not each.writes), len(group)))
                self._run(group[:count])
                del group[:count]

    def _waiting(self) -> list[_Asked]:
        """What else has been asked by now, up to the end of the group."""
        waiting: list[_Asked] = []
        while len(waiting) < GROUP - 1 and not self._queue.empty():
            job = self._queue.get()
            if job is None:
                # Not ours: the thread's last word, to be heard when the group is done.
                self._queue.put(None)
                break
            waiting.append(job)
        return waiting

    def _run(self, jobs: list[_Asked]) -> None:
        """Do jobs that write, in one transaction, or one job alone."""
        if self._store is not None and jobs[0].writes:
            outcomes = self._store.together([job.work for job in jobs])
        else:
            outcomes = [outcome(cast("Callable[[], object]", job.work)) for job in jobs]
        newest = None if self._store is None else self._store.log.end
        loop = jobs[0].loop
        if all(job.loop is loop for job in jobs):
            self._hand_over(jobs, outcomes, newest)
            return
        for job, result in zip(jobs, outcomes, strict=True):
            self._hand_over([job], [result], newest)

    def _hand_over(self, jobs: Sequence[_Asked], outcomes: Sequence[Outcome], newest: int | None) -> None:
        """One call for all that a loop waits for: waking it up costs more than finishing a job."""
        # A loop that is closed has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            jobs[0].loop.call_soon_threadsafe(self._finish, jobs, outcomes, newest)

    def _finish(self, jobs: Sequence[_Asked], outcomes: Sequence[Outcome], newest: int | None) -> None:
        if newest is not None:
            self.newest = newest
        for job, result in zip(jobs, outcomes, strict=True):
            job.finish(result)
