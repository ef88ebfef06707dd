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
from typing import Any, Final, Protocol, Self, cast

from hubsec.audit.checkpoints import Checkpoint
from hubsec.audit.records import OPERATOR, Act, AuditRecord, Channel, Draft, Kind
from hubsec.errors import StoreError
from hubsec.identity import Identity, Network
from hubsec.store.audited import decided
from hubsec.store.records import Change, NetworkRecord, Record, StoredRecord
from hubsec.store.store import Failed, Store, result_of
from hubsec.store.ways import Unlock
from hubsec.store.wrapping import Wrapping

NOTES: Final = 10_000
"""Records that may wait to be written while nobody waits for them. Judgement: some 5 MB, and a quarter of a second of
what a disk can take."""
# A group much larger than this is no faster (measured: 64 to 100 rows a commit), and lets the first wait for the last.
GROUP: Final = 64


type _Told = Callable[[int | None, Exception | None], object]
type _Work = Draft | Callable[[], object]


class _Waiter(Protocol):
    """Who hears, on the loop, what came of a piece of work: a future, or what behaves as one."""

    def done(self) -> bool:
        """Whether nobody waits any more."""

    def set_result(self, result: Any, /) -> object:  # noqa: ANN401 - each piece of work has its own type
        """What came of it."""

    def set_exception(self, exception: Exception, /) -> object:
        """Why nothing came of it."""


class _Note:
    """Nobody waits for this record: `told` is called."""

    __slots__ = ("_told",)

    def __init__(self, told: _Told) -> None:
        self._told = told

    def done(self) -> bool:
        return False

    def set_result(self, number: int, /) -> None:
        self._told(number, None)

    def set_exception(self, error: Exception, /) -> None:
        self._told(None, error)


class _Call[T]:
    """Somebody waits, and `then` is called before that, also when the caller was cancelled: what is on disk has to be
    in memory."""

    __slots__ = ("_future", "_then")

    def __init__(self, future: asyncio.Future[T], then: Callable[[T], None] | None) -> None:
        self._future = future
        self._then = then

    def done(self) -> bool:
        return False

    def set_result(self, value: T, /) -> None:
        if self._then is not None:
            self._then(value)
        if not self._future.done():
            self._future.set_result(value)

    def set_exception(self, error: Exception, /) -> None:
        if not self._future.done():
            self._future.set_exception(error)


class _Batch:
    """What is asked in one turn of a loop, in its order: pieces of work, each with its waiter.

    Either all of them write, or there is one alone that does not: what reads has to go on where nothing can be written.
    `plain`: all of them are records.
    """

    __slots__ = ("loop", "plain", "waiters", "work", "writes")

    def __init__(self, loop: asyncio.AbstractEventLoop, *, writes: bool = True) -> None:
        self.loop = loop
        self.writes = self.plain = writes
        self.work: list[_Work] = []
        self.waiters: list[_Waiter] = []

    def take_in(self, other: _Batch) -> bool:
        """Go on with what `other` has. Whether that may be in the same transaction, and has been taken."""
        if not (self.writes and other.writes and self.loop is other.loop):
            return False
        self.plain = self.plain and other.plain
        self.work += other.work
        self.waiters += other.waiters
        return True


class AsyncStore:
    """A :class:`~hubsec.store.store.Store` with its writer thread, from :meth:`open` to :meth:`aclose`.

    Whatever is awaited returns after the commit and raises as `Store` does; after closing,
    :class:`~hubsec.errors.StoreError`. Cancelling it does not take back what was asked for.
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
        self._queue: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._turn: _Batch | None = None
        # The one is counted by the loop's thread alone, the other by the writer's.
        self._asked = self._done = 0
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
        # The thread has nothing to do after this but to end.
        done = self._put(self._close, writes=False)
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
        # There are many of these, so each call and each object counts.
        if self._store is None or self._closing:
            raise StoreError("The store is closed.")
        draft, turn = decided(record), self._turn
        if turn is None or turn.loop is not asyncio.get_running_loop():
            turn = self._begin()
        future: asyncio.Future[int] = asyncio.Future(loop=turn.loop)
        turn.work.append(draft)
        turn.waiters.append(future)
        return await future

    async def act(self, act: Act, *, at: float) -> int:
        """Write down what is to be done, or was; returns its number, after the commit."""
        return await self.append(self.act_draft(act, at=at))

    def act_draft(self, act: Act, *, at: float) -> Draft:
        """The record of an act, for :meth:`append` and :meth:`note`."""
        return self._opened().log.act(act, at)

    async def append(self, draft: Draft) -> int:
        """Write a record down; returns its number, after the commit."""
        self._opened()
        turn = self._begun()
        future: asyncio.Future[int] = asyncio.Future(loop=turn.loop)
        turn.work.append(draft)
        turn.waiters.append(future)
        return await future

    def note(self, draft: Draft, told: _Told) -> None:
        """Write a record down without waiting. `told` is called on the loop, with its number after the commit or with
        the error; at once where :data:`NOTES` of them wait already, and after closing."""
        if self._store is None or self._closing:
            told(None, StoreError("The store is closed."))
            return
        turn = self._begun()
        if self._asked - self._done + len(turn.work) >= NOTES:
            told(None, StoreError("The disk is too slow for what is to be written."))
        else:
            turn.work.append(draft)
            turn.waiters.append(_Note(told))

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

    async def truncate(self, *, keep: int, by: str, at: float) -> int:
        """Drop all but the newest `keep` records, as `by` asks, and return how many went; see `Store`."""
        return await self.run(lambda store: store.truncate(keep=keep, by=by, at=at))

    @property
    def fault(self) -> str | None:
        """What an opening found wrong with the log's end; see `Store`."""
        return None if self._store is None else self._store.fault

    async def accept_log(self, *, by: str, at: float, reason: str = "") -> bool:
        """Go on behind a log that is damaged; see `Store`."""
        return await self.run(lambda store: store.accept_log(by=by, at=at, reason=reason))

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

    async def rewrap(self, unlock: Unlock, *, at: float, by: str = OPERATOR) -> Wrapping:
        """Let `unlock` open the store from now on, and nothing else any more; see `Store`."""
        # Alone, for it has more than one transaction, and cuts the log between them.
        return await self.run(lambda store: store.rewrap(unlock, by=by, at=at), writes=False)

    # The writer thread

    async def _ask[T](
        self, work: Callable[[], T], *, writes: bool, then: Callable[[T], None] | None = None
    ) -> T:
        if self._thread is None or self._closing:
            raise StoreError("The store is closed.")
        return await self._put(work, writes=writes, then=then)

    def _put[T](
        self, work: Callable[[], T], *, writes: bool, then: Callable[[T], None] | None = None
    ) -> asyncio.Future[T]:
        turn = self._begun() if writes else self._begin(writes=False)
        future: asyncio.Future[T] = asyncio.Future(loop=turn.loop)
        turn.plain = False
        turn.work.append(work)
        turn.waiters.append(_Call(future, then))
        if not writes:
            self._flush()
        return future

    def _begun(self) -> _Batch:
        """Where that which is asked in this turn of the loop belongs. The thread hears of it when the turn is over, of
        all at once."""
        turn = self._turn
        return turn if turn is not None and turn.loop is asyncio.get_running_loop() else self._begin()

    def _begin(self, *, writes: bool = True) -> _Batch:
        self._flush()
        loop = asyncio.get_running_loop()
        self._turn = _Batch(loop, writes=writes)
        if writes:
            loop.call_soon(self._flush)
        return self._turn

    def _flush(self) -> None:
        turn = self._turn
        if turn is not None:
            self._turn = None
            self._asked += len(turn.work)
            self._queue.put(turn)

    def _work(self) -> None:
        following: _Batch | None = None
        while (batch := following or self._queue.get()) is not None:
            following = self._fill(batch)
            for start in range(0, len(batch.work), GROUP):
                group = slice(start, start + GROUP)
                self._run(batch, batch.work[group], batch.waiters[group])

    def _fill(self, batch: _Batch) -> _Batch | None:
        """Add to `batch` what else has been asked by now, until it is a group; returns what has to follow it."""
        while len(batch.work) < GROUP and not self._queue.empty():
            another = self._queue.get()
            if another is None:
                # The thread's last word, to be heard when all is done.
                self._queue.put(None)
                break
            if not batch.take_in(another):
                return another
        return None

    def _run(self, batch: _Batch, work: list[_Work], waiters: list[_Waiter]) -> None:
        """Do what writes in one transaction, or one call alone."""
        store = self._store
        results: Sequence[object]
        if store is not None and batch.writes:
            results = store.written(cast("list[Draft]", work)) if batch.plain else store.together(work)
        else:
            results = [result_of(call) for call in work if callable(call)]
        newest = None if store is None else store.log.end
        self._done += len(work)
        # One call for all that a loop waits for: waking it up costs more than finishing a piece of work. A loop that
        # is closed has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            batch.loop.call_soon_threadsafe(self._finish, waiters, results, newest)

    def _finish(self, waiters: list[_Waiter], results: Sequence[object], newest: int | None) -> None:
        if newest is not None:
            self.newest = newest
        for waiter, result in zip(waiters, results, strict=True):
            if waiter.done():
                continue  # Who waited was cancelled.
            if type(result) is Failed:
                waiter.set_exception(result.error)
            else:
                waiter.set_result(result)
