"""One event to 1, 10 and 100 plain callables: hubsec, other buses, and a bare loop of calls, which nothing can beat."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import blinker
import pyee

from benchmarks.harness import Case, Row, measure, rows
from hubsec.bus import Bus
from hubsec.events import Left

AIMS = {1: 2.0, 10: 1.25, 100: 1.1}
HOME_ASSISTANT = Path(".venv-bench") / "bin" / "python"
WORKER = Path(__file__).with_name("home_assistant_bus.py")


def repeat(publish: Callable[[Any], object], event: object) -> Case:
    """Publish one event many times."""

    def run(times: int) -> None:
        for _ in range(times):
            publish(event)

    return run


def cases(subscribers: int) -> dict[str, Case]:
    """Every bus that lives in this environment, with that many subscribers."""
    event = Left(time=0.0)
    calls: list[Callable[[object], None]] = []

    def bare_loop(event: object) -> None:
        for call in calls:
            call(event)

    # Each gets callables of its own: the emitters keep them by identity.
    def some() -> list[Callable[[object], None]]:
        return [lambda event: None for _ in range(subscribers)]  # noqa: ARG005

    bus = Bus()
    emitter = pyee.EventEmitter()
    signal = blinker.Signal()
    kept = some()
    for call in some():
        bus.on(Left, call)
    for call in some():
        emitter.on("left", call)
    for call in kept:
        signal.connect(call)
    calls[:] = some()

    def keep_alive(sender: object, _kept: object = kept) -> None:
        signal.send(sender)

    return {
        "bare loop": repeat(bare_loop, event),
        "hubsec": repeat(bus.publish, event),
        "pyee": repeat(lambda event: emitter.emit("left", event), event),
        "blinker": repeat(keep_alive, event),
    }


def run() -> list[Row]:
    """The lines of the table."""
    lines = []
    for subscribers, aim in AIMS.items():
        title = f"bus, {subscribers} subscriber{'s' * (subscribers > 1)}"
        lines += rows(title, measure(cases(subscribers)), ours=("hubsec",), aim=aim)
        lines.append(home_assistant(title, subscribers))
    return lines


def home_assistant(title: str, subscribers: int) -> Row:
    """Home Assistant's own bus, from its own environment, held against a bare loop that takes turns with it there."""
    name = f"{title}: Home Assistant"
    if not HOME_ASSISTANT.exists():
        return Row(
            name=name, value=None, unit="ns", note="not run: it needs Python 3.13 (make .venv-bench/ready)"
        )
    done = subprocess.run(
        [HOME_ASSISTANT, WORKER, str(subscribers)], capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        return Row(name=name, value=None, unit="ns", note=f"not run: {reason[0]}")
    values = json.loads(done.stdout)
    return rows(title, values, ours=(), aim=None)[1]
