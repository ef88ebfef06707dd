"""The README's program runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.programs import run

ROOT = Path(__file__).parents[2]
MOST_LINES = 20


def program() -> str:
    found = re.search(
        r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    assert found is not None
    return found[1]


@pytest.mark.hosts
def test_the_readmes_program_admits_the_lamp_and_refuses_the_stranger(tmp_path: Path) -> None:
    printed = run(program(), tmp_path)
    assert "Hall lamp: joined by install code" in printed
    assert re.search(r"^refused \S+: It has no entry", printed, re.MULTILINE)


def test_it_is_short() -> None:
    code = [
        line for line in program().splitlines() if line.strip() and not line.startswith(("import", "from"))
    ]
    assert len(code) <= MOST_LINES
