"""A loop whose time jumps: what waits does not take time, what works does, and threads and sockets stay in order."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine

import pytest

from hubsec_emulated import SimulatedTimeLoop
from hubsec_emulated.clock import Clock


def simulated[Result](main: Callable[[], Coroutine[None, None, Result]], **options: float) -> Result:
    """Run a program in simulated time."""
    with asyncio.Runner(loop_factory=lambda: SimulatedTimeLoop(**options)) as runner:
        return runner.run(main())


def test_an_hour_takes_no_time_and_everything_comes_in_order() -> None:
    async def main() -> list[tuple[str, float]]:
        loop, seen = asyncio.get_running_loop(), []

        async def at(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            seen.append((name, round(loop.time(), 6)))

        await asyncio.gather(at("late", 3600), at("soon", 0.001), at("between", 60))
        return seen

    started = time.perf_counter()
    assert simulated(main) == [("soon", 0.001), ("between", 60.0), ("late", 3600.0)]
    assert time.perf_counter() - started < 60


def test_a_time_limit_is_met_exactly() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert simulated(main) == pytest.approx(5)


def test_a_socket_of_this_machine_is_read_before_time_moves() -> None:
    async def main() -> tuple[bytes, float]:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(5))
            writer.close()

        async with await asyncio.start_server(echo, "127.0.0.1") as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            before = asyncio.get_running_loop().time()
            # A limit that is over at once as soon as time jumps.
            async with asyncio.timeout(1e-6):
                writer.write(b"hello")
                told = await reader.read()
            writer.close()
            await writer.wait_closed()
        return told, asyncio.get_running_loop().time() - before

    assert simulated(main) == (b"hello", 0.0)


@pytest.mark.parametrize("patience", [0.0, 0.5])
def test_time_stands_still_while_a_thread_works(patience: float) -> None:
    async def main() -> float:
        async with asyncio.timeout(0.001):
            await asyncio.to_thread(time.sleep, 0.02)
        return asyncio.get_running_loop().time()

    assert simulated(main, patience=patience) < 0.001


def test_a_thread_that_the_loop_does_not_know_needs_patience() -> None:
    async def main() -> bool:
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        work = asyncio.create_task(asyncio.sleep(30))
        thread = threading.Timer(0.05, loop.call_soon_threadsafe, [told.set])
        thread.start()
        done, _ = await asyncio.wait(
            [work, waiting := asyncio.create_task(told.wait())], return_when=asyncio.FIRST_COMPLETED
        )
        work.cancel()
        waiting.cancel()
        await asyncio.to_thread(thread.join)
        return waiting in done

    assert simulated(main, patience=5.0)
    assert not simulated(main)


def test_a_clock_follows_the_loop() -> None:
    async def main() -> tuple[float, float]:
        clock = Clock()
        await clock.sleep(100)
        now = clock.now()
        clock.close()
        return now, asyncio.get_running_loop().time()

    assert simulated(main) == (pytest.approx(100), pytest.approx(100))
