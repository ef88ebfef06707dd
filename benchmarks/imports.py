"""How long `import hubsec` takes in a fresh interpreter, with compiled bytecode, over one that imports nothing."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

from benchmarks.harness import ROUNDS, Row

MILLISECONDS = 80.0
"""What a command line or a restart does not feel; asyncio alone takes half of it."""
PROGRAMS = {
    "bare interpreter": "pass",
    "asyncio": "import asyncio",
    "import hubsec": "import hubsec",
    "import hubsec, and its hub": "import hubsec; hubsec.Hub",
    "import hubsec_zigbee": "import hubsec_zigbee",
}
AIMED = ("import hubsec",)


def start(statement: str, environment: dict[str, str]) -> float:
    """Seconds from start to end of an interpreter that runs `statement`."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True, env=environment)
    return time.perf_counter() - started


def run() -> list[Row]:
    """The lines of the table."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for statement in PROGRAMS.values():
        start(statement, environment)  # writes the bytecode
    values: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(ROUNDS):
        for name, statement in PROGRAMS.items():
            values[name].append(start(statement, environment))
    bare = values.pop("bare interpreter")
    lines = []
    for name, measured in values.items():
        taken = statistics.median(one - other for one, other in zip(measured, bare, strict=True)) * 1e3
        aimed = name in AIMED
        lines.append(
            Row(
                name=f"start: {name}",
                value=round(taken, 1),
                unit="ms",
                peer="bare interpreter",
                aim=f"<= {MILLISECONDS:g} ms" if aimed else "",
                met=taken <= MILLISECONDS if aimed else None,
            )
        )
    return lines
