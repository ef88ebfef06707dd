"""Home Assistant's event bus beside a bare loop. Runs as a program, in an environment that has Home Assistant.

It prints the samples as JSON, in seconds, the way `benchmarks.harness.measure` returns them.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time

from homeassistant.core import Event, HomeAssistant, callback

ROUNDS = 15
SAMPLE = 0.02


async def main(subscribers: int) -> dict[str, list[float]]:
    """Both, in turns."""
    heard = 0
    with tempfile.TemporaryDirectory() as folder:
        hass = HomeAssistant(folder)
        calls = []
        for _ in range(subscribers):

            @callback
            def hear(event: Event) -> None:  # noqa: ARG001
                nonlocal heard
                heard += 1

            hass.bus.async_listen("left", hear)

            def hear_nothing(event: object) -> None:
                """Do nothing with it."""

            calls.append(hear_nothing)
        hass.bus.async_fire("left", {})
        assert heard == subscribers

        def bare(times: int) -> None:
            def publish(event: object) -> None:
                for call in calls:
                    call(event)

            event = object()
            for _ in range(times):
                publish(event)

        def fire(times: int) -> None:
            for _ in range(times):
                hass.bus.async_fire("left", {})

        cases = {"bare loop": bare, "Home Assistant": fire}
        values: dict[str, list[float]] = {name: [] for name in cases}
        times = {
            name: max(1, round(SAMPLE / statistics.median(one(case) for _ in range(9))))
            for name, case in cases.items()
        }
        for _ in range(ROUNDS):
            for name, case in cases.items():
                started = time.perf_counter()
                case(times[name])
                values[name].append((time.perf_counter() - started) / times[name])
        await hass.async_stop(force=True)
        return values


def one(case: object) -> float:
    """Seconds of a single run, from fifty."""
    started = time.perf_counter()
    case(50)
    return (time.perf_counter() - started) / 50


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(int(sys.argv[1])))))
