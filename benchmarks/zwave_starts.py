"""How long an emulated Z-Wave house takes to be ready: the first of a test session, and each one after it."""

from __future__ import annotations

import asyncio
import statistics
import time

from benchmarks.harness import Row
from hubsec_emulated.zwave.pool import Pool

STARTS = 5
READY = 4.0
"""Seconds: what a session of tests may wait for once."""
AGAIN = 0.5
"""Seconds: what each of its tests may."""


async def _measure() -> tuple[list[float], list[float]]:
    first, again = [], []
    for _ in range(STARTS):
        pool = Pool()
        try:
            for times in (first, again):
                started = time.perf_counter()
                async with pool.house() as house:
                    times.append(time.perf_counter() - started)
                    house.lamp().power_on()
                    await house.settle()
                    emptying = time.perf_counter()
                if times is again:
                    times[-1] += time.perf_counter() - emptying
        finally:
            pool.close()
    return first, again


def run() -> list[Row]:
    """The lines of the table."""
    lines = []
    for name, values, aim in zip(
        ("first house", "next house, and emptying it"), asyncio.run(_measure()), (READY, AGAIN), strict=True
    ):
        taken = statistics.median(values)
        lines.append(
            Row(
                name=f"emulated Z-Wave: {name}",
                value=round(taken, 2),
                unit="s",
                aim=f"<= {aim:g} s",
                met=taken <= aim,
            )
        )
    return lines
