"""Programs out of the documentation, run as a reader would run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PATIENCE = 60
# What bellows leaves behind when its port is closed while a frame waits for its acknowledgement (see HOST_LEFTOVERS in
# tests/conftest.py): not the program's doing, and no use of bellows' API prevents it.
HOST_LEFTOVER = re.compile(
    r"Task exception was never retrieved\nfuture: <Task \S+ \S+ coro=<AshProtocol\._send_data_frame\(\) done.*\n"
    r"Traceback .*\n(?:  .*\n)+RuntimeError: Connection has been closed\n"
)


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
        env={**os.environ, "HOME": str(folder)},
    )
    assert (done.returncode, HOST_LEFTOVER.sub("", done.stderr)) == (0, "")
    return done.stdout
