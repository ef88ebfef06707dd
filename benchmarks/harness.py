"""Measuring: cases take turns, and each is held against the first, which is the limit or the peer."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable

import msgspec

ROUNDS = 15
SAMPLE = 0.02
"""Seconds that one sample of one case takes."""

type Case = Callable[[int], object]
"""Does the work that many times."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table. `ratio` is `value` against `peer`'s, `aim` the largest ratio or value that is good enough.

    `met` is None where nothing is aimed at: the peers' own lines. `note` stands for a value that could not be measured.
    """

    name: str
    value: float | None
    unit: str
    peer: str = ""
    ratio: float | None = None
    aim: str = ""
    met: bool | None = None
    note: str = ""


def seconds(case: Case, times: int) -> float:
    """How long `case` takes to do its work `times` times."""
    started = time.perf_counter()
    case(times)
    return time.perf_counter() - started


def measure(
    cases: dict[str, Case], *, rounds: int = ROUNDS, sample: float = SAMPLE
) -> dict[str, list[float]]:
    """Seconds that each case takes for doing its work once, one value a round."""
    times = {}
    for name, case in cases.items():
        count, taken = 1, seconds(case, 1)
        while taken < sample / 4:
            count *= 4
            taken = seconds(case, count)
        times[name] = max(1, round(count * sample / taken))
    values: dict[str, list[float]] = {name: [] for name in cases}
    was_enabled = gc.isenabled()
    try:
        for _ in range(rounds):
            for name, case in cases.items():
                gc.collect()
                gc.disable()
                values[name].append(seconds(case, times[name]) / times[name])
                gc.enable()
    finally:
        (gc.enable if was_enabled else gc.disable)()
    return values


def ratio(values: list[float], against: list[float]) -> float:
    """The median of each round's ratio."""
    return statistics.median(one / other for one, other in zip(values, against, strict=True))


def rows(
    title: str,
    values: dict[str, list[float]],
    *,
    ours: tuple[str, ...],
    aim: float | None,
    scale: float = 1e9,
    unit: str = "ns",
) -> list[Row]:
    """A line for each case of `values`, held against the first; `ours` are those that `aim` is for."""
    limit = next(iter(values))
    lines = []
    for name, measured in values.items():
        share = ratio(measured, values[limit])
        aimed = name in ours and aim is not None
        lines.append(
            Row(
                name=f"{title}: {name}",
                value=round(statistics.median(measured) * scale, 1),
                unit=unit,
                peer="" if name == limit else limit,
                ratio=None if name == limit else round(share, 5),
                aim=f"<= {aim:g}x" if aimed else "",
                met=share <= aim if aimed and aim is not None else None,
            )
        )
    return lines
