"""The audit log: durable records a second, and how long one takes, against SQLite alone and against the disk.

Taken in turns, on the same disk and in the same run: `fdatasync` after each record's bytes, in a file that grows;
SQLite in WAL mode with ``synchronous=FULL``, in groups from 64 coroutines, each of which waits for its own row; and
the hub's store, which also makes the JSON, chains the hashes and signs. No two records are the same, for a row that is
written again and again never leaves the processor's cache. SQLite is given the same rows, ready-made, and the same two
indexes, for a log in which nothing is found is not the same; what it does with a row of nothing but
the text is shown beside it. The indexes name one column each, as the hub's do: SQLite puts the row's number behind it
of itself. What a virtual machine's `fdatasync` takes says nothing about an SD card's: the ratios do.

How long a record takes is measured in three ways. One producer: nobody else is there. 64 producers, of which each
writes some 40 times a second, at times of its own: five times what the air of a Zigbee channel can carry, and less than
a disk can take. And 64 who write as fast as they can: then each waits for 63 others, so that it is the rate over again,
and SQLite alone shows what can be had.

CPU is what the process takes for a record, on both of its threads. It hardly depends on the disk, and so shows a
change where a rate, on a disk that others use, does not.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import queue
import random
import resource
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Self

import msgspec

from benchmarks.harness import Row, ratio
from hubsec.decisions import Deny
from hubsec.identity import Network, zigbee_identity
from hubsec.requests import JoinKind, JoinRequest
from hubsec.store import AsyncStore, Record
from hubsec.store.audited import decided

PRODUCERS = 64
PAUSE = 0.025
"""Seconds between two records of one producer, on average, where they do not write as fast as they can.

IEEE 802.15.4-2015, 12.1.2: 250 kbit/s, which is some 470 frames of 60 bytes a second, if nobody ever waited.
"""
RECORDS = 100
"""Of each producer, in one round."""
PAUSED_RECORDS = 10
"""The same, where it pauses."""
ROUNDS = 15
SATURATED = f"{PRODUCERS} producers without a pause"
WAITING = {
    "1 producer": (1, RECORDS, 0.0),
    f"{PRODUCERS} producers, {PRODUCERS / PAUSE:,.0f} records/s": (PRODUCERS, PAUSED_RECORDS, PAUSE),
    SATURATED: (PRODUCERS, RECORDS, 0.0),
}
"""By name: how many producers, how many records of each in a round, and its pause."""
LEAST_RATE = 0.8
MOST_LATENCY = 4.0

DEVICE = zigbee_identity("00124b0001020304")
RECORD = Record(
    at=1_700_000_000.5,
    radio="bellows",
    device=DEVICE,
    request=JoinRequest(radio="bellows", network=Network.ZIGBEE, device=DEVICE, kind=JoinKind.JOIN),
    decision=Deny(rule="closed", reason="No admission is open for it, and nobody listens."),
    policy="00caa7beb23802e4d096ce32c267a2473853fe5e6f7dd192f9",
    correlation="admission-01234567",
    by="bellows",
)
MADE = decided(RECORD)
DIFFERENT = 2 * PRODUCERS * RECORDS
"""Records, each of another time, story and attempt; after so many they come again."""
NAMES = {"bare": "SQLite alone, the text only", "same": "SQLite alone", "ours": "audit log"}
BARE = "CREATE TABLE record (seq INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT"
SAME = """
CREATE TABLE record (
    seq INTEGER PRIMARY KEY, at REAL NOT NULL, kind TEXT NOT NULL, device TEXT, correlation TEXT NOT NULL,
    body TEXT NOT NULL, hash BLOB NOT NULL
) STRICT;
CREATE INDEX by_device ON record (device);
CREATE INDEX by_correlation ON record (correlation);
"""

type Values = tuple[object, ...]
type Write = Callable[[], Awaitable[object]]


class Alone:
    """SQLite, one writer thread, and groups by one statement each: nothing but rows, and who waits for them."""

    def __init__(self, folder: Path, schema: str, insert: str, rows: list[Values]) -> None:
        self._rows, self._insert = itertools.cycle(rows), insert
        self._marks = f"({', '.join('?' * len(rows[0]))})"
        self._connection = sqlite3.connect(
            folder / f"{len(rows[0])}.db", isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(schema)
        self._queue: queue.SimpleQueue[tuple[Values, asyncio.Future[None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    async def write(self) -> None:
        """One row, durable when this returns."""
        future = asyncio.get_running_loop().create_future()
        self._queue.put((next(self._rows), future))
        await future

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            group = [first]
            while len(group) < PRODUCERS and not self._queue.empty():
                another = self._queue.get()
                if another is None:
                    self._queue.put(None)
                    break
                group.append(another)
            values: list[object] = []
            for row, _ in group:
                values += row
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(self._insert + ", ".join([self._marks] * len(group)), values)
            self._connection.execute("COMMIT")
            futures = [future for _, future in group]
            futures[0].get_loop().call_soon_threadsafe(_finish, futures)


def _finish(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        future.set_result(None)


async def produce(
    write: Write, producers: int, records: int, latencies: list[float] | None = None, *, pause: float = 0.0
) -> float:
    """Records a second, from so many who each wait for their own, and for up to twice `pause` before it; how long each
    took goes into `latencies`."""
    chance = random.Random(1)

    async def one() -> None:
        for _ in range(records):
            if pause:
                await asyncio.sleep(chance.uniform(0, 2 * pause))
            begun = time.perf_counter()
            await write()
            if latencies is not None:
                latencies.append(time.perf_counter() - begun)

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(producers)))
    return producers * records / (time.perf_counter() - started)


def _different(number: int) -> Record:
    request = msgspec.structs.replace(RECORD.request, attempt=number + 1)
    return msgspec.structs.replace(
        RECORD, at=RECORD.at + number, correlation=f"admission-{number:08x}", request=request
    )


def _recording(store: AsyncStore, records: Iterator[Record]) -> Write:
    async def write() -> None:
        await store.record(next(records))

    return write


def cpu() -> float:
    """Seconds that this process has taken so far, on all of its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def synced(file: int, records: int) -> list[float]:
    """Seconds of each write with `fdatasync`."""
    body, taken = MADE.body.encode(), []
    for _ in range(records):
        begun = time.perf_counter()
        os.write(file, body)
        os.fdatasync(file)
        taken.append(time.perf_counter() - begun)
    return taken


async def measured(folder: Path) -> dict[str, list[float]]:
    """By case, a value a round: rates, and medians of latencies."""
    values: dict[str, list[float]] = {}

    def note(case: str, value: float) -> None:
        values.setdefault(case, []).append(value)

    records = [_different(number) for number in range(DIFFERENT)]
    drafts = [decided(record) for record in records]
    rows: list[Values] = [
        (one.at, one.kind, one.device, one.correlation, one.body, bytes([number % 256]) * 32)
        for number, one in enumerate(drafts)
    ]
    file = os.open(folder / "synced", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with (
        Alone(
            folder, SAME, "INSERT INTO record (at, kind, device, correlation, body, hash) VALUES ", rows
        ) as same,
        Alone(folder, BARE, "INSERT INTO record (body) VALUES ", [(one.body,) for one in drafts]) as bare,
    ):
        async with AsyncStore(folder / "store") as store:
            ways: dict[str, Write] = {
                "bare": bare.write,
                "same": same.write,
                "ours": _recording(store, itertools.cycle(records)),
            }
            for write in ways.values():
                await produce(write, PRODUCERS, RECORDS)
            for _ in range(ROUNDS):
                note("fdatasync", statistics.median(synced(file, RECORDS)))
                for case, write in ways.items():
                    begun = cpu()
                    note(case, await produce(write, PRODUCERS, RECORDS))
                    note(f"{case}, cpu", (cpu() - begun) / (PRODUCERS * RECORDS))
                    for way, (producers, records, pause) in WAITING.items():
                        latencies: list[float] = []
                        await produce(write, producers, records, latencies, pause=pause)
                        note(f"{case}, {way}", statistics.median(latencies))
    os.close(file)
    return values


def run() -> list[Row]:
    """The lines of the table."""
    with tempfile.TemporaryDirectory() as folder:
        values = asyncio.run(measured(Path(folder)))
    return [*rates(values), *latencies(values)]


def rates(values: dict[str, list[float]]) -> list[Row]:
    """How many a second, and what each takes of the processor."""
    lines = []
    for case, name in NAMES.items():
        ours = case == "ours"
        share = ratio(values[case], values["same"]) if ours else None
        lines.append(
            Row(
                name=f"{PRODUCERS} producers: {name}",
                value=round(statistics.median(values[case]), 1),
                unit="/s",
                peer=NAMES["same"] if ours else "",
                ratio=share,
                aim=f">= {LEAST_RATE:g}x" if ours else "",
                met=None if share is None else share >= LEAST_RATE,
            )
        )
    for case, name in NAMES.items():
        taken = values[f"{case}, cpu"]
        lines.append(
            Row(
                name=f"CPU of a record, {PRODUCERS} producers: {name}",
                value=round(statistics.median(taken) * 1e6, 1),
                unit="us",
                peer=NAMES["same"] if case == "ours" else "",
                ratio=ratio(taken, values["same, cpu"]) if case == "ours" else None,
            )
        )
    return lines


def latencies(values: dict[str, list[float]]) -> list[Row]:
    """How long until a record is durable, against one `fdatasync` of its bytes."""
    taken = statistics.median(values["fdatasync"])
    lines = [Row(name="durable: fdatasync of its bytes", value=round(taken * 1e6, 1), unit="us")]
    for case, name in NAMES.items():
        for way in WAITING:
            found = values[f"{case}, {way}"]
            # Of those who never pause even the peer only shows its rate.
            times, aimed = ratio(found, values["fdatasync"]), case == "ours" and way != SATURATED
            lines.append(
                Row(
                    name=f"durable, {way}: {name}",
                    value=round(statistics.median(found) * 1e6, 1),
                    unit="us",
                    peer="fdatasync",
                    ratio=times,
                    aim=f"<= {MOST_LATENCY:g}x" if aimed else "",
                    met=times <= MOST_LATENCY if aimed else None,
                )
            )
    return lines
