"""The README's program runs as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_LINES = 20
PATIENCE = 60


def program() -> str:
    found = re.search(
        r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    assert found is not None
    return found[1]


@pytest.mark.hosts
def test_the_readmes_program_admits_the_lamp_and_refuses_the_stranger(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(program(), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert "Hall lamp: joined by install code" in done.stdout
    assert re.search(r"^refused \S+: It has no entry", done.stdout, re.MULTILINE)
    assert not done.stderr


def test_it_is_short() -> None:
    code = [
        line for line in program().splitlines() if line.strip() and not line.startswith(("import", "from"))
    ]
    assert len(code) <= MOST_LINES
