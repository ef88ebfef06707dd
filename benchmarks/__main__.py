"""Run every benchmark, print the table, write it to build/bench.json. Arguments name the parts to run."""

from __future__ import annotations

import importlib
import platform
import sys
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.harness import Row

PARTS = (
    "buses",
    "streams",
    "policies",
    "guard",
    "audit",
    "joins",
    "rotation",
    "gate",
    "zwave_starts",
    "imports",
)
RESULT = Path("build") / "bench.json"


def table(lines: list[Row]) -> Table:
    """For a person."""
    shown = Table("what", "value", "against", "ratio", "aim", "met", box=None, header_style="bold")
    for line in lines:
        value = line.note if line.value is None else f"{line.value:,.1f} {line.unit}"
        met = {True: "yes", False: "[bold red]no[/]", None: ""}[line.met]
        ratio = "" if line.ratio is None else f"{line.ratio:.3g}x"
        shown.add_row(line.name, value, line.peer, ratio, line.aim, met)
    return shown


def main(parts: list[str]) -> None:
    """Do it."""
    unknown = set(parts) - set(PARTS)
    if unknown:
        sys.exit(f"No such benchmark: {', '.join(sorted(unknown))}. There are: {', '.join(PARTS)}.")
    console = Console(width=130)
    lines: list[Row] = []
    for part in parts or PARTS:
        found = importlib.import_module(f"benchmarks.{part}").run()
        console.print(table(found))
        lines += found
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_bytes(msgspec.json.format(msgspec.json.encode(lines), indent=2))
    missed = [line.name for line in lines if line.met is False]
    build = f"{platform.python_implementation()} {platform.python_version()}"
    console.print(
        f"\n{build}: {sum(line.met is True for line in lines)} aims met, {len(missed)} missed. {RESULT}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
