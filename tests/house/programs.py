"""Programs out of the documentation, run as a reader would run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import bellows

PATIENCE = 300
"""Seconds, on a machine that is busy with other tests."""
# What bellows leaves behind when its port is closed while a frame waits for its acknowledgement (see HOST_LEFTOVERS in
# tests/conftest.py): not the program's doing, and no use of bellows' API prevents it. It is known by name and place.
_ASH = re.escape(str(Path(bellows.__file__).with_name("ash.py")))
HOST_LEFTOVER = re.compile(
    r"Task exception was never retrieved\n"
    rf"future: <Task \S+ \S+ coro=<AshProtocol\._send_data_frame\(\) done, defined at {_ASH}:\d+> .*\n"
    r"Traceback .*\n(?:  .*\n)+RuntimeError: Connection has been closed\n"
)
# What the emulated Z-Wave house says where nobody has used it before.
INSTALLING = re.compile(r"Installing the Z-Wave packages into \S+\. This happens once\.\n")
# The packages that it has brought are found again, in whatever home the program runs.
CACHE = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")


def run(code: str, folder: Path) -> str:
    """What the program prints; it ends well, warns of nothing and complains of nothing."""
    path = folder / "program.py"
    path.write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, "HOME": str(folder), "XDG_CACHE_HOME": CACHE},
    )
    complaints = INSTALLING.sub("", HOST_LEFTOVER.sub("", done.stderr))
    assert (done.returncode, complaints) == (0, ""), complaints
    return done.stdout
