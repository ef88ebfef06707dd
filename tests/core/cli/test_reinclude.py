"""`hubsec reinclude`, on a radio in memory."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from hubsec import Hub
from hubsec.cli import application, rotate
from tests.core.cli.test_keys import Point
from tests.core.reinclusion.radio import ReincludingRadio, sticker
from tests.core.reinclusion.world import identity

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub's folder with an adopted network of two devices, whose radio the program finds."""
    radio = ReincludingRadio(2)
    points = [Point("zwave-js", lambda _url: radio)]
    monkeypatch.setattr(rotate, "entry_points", lambda group: points if group == rotate.RADIOS else [])

    async def begin() -> None:
        async with Hub(radio, home=tmp_path) as hub:
            await hub.adopt(radio.name)

    asyncio.run(begin())
    return tmp_path


def run(home: Path, *arguments: str) -> Any:
    told = ["reinclude", "--url", "x", "--home", str(home), *arguments]
    return CliRunner().invoke(application(), told, env={"COLUMNS": "160"})


def test_a_dry_run_is_a_table_and_json(home: Path) -> None:
    result = run(home, "--dry-run", "--sticker", sticker(2))
    assert result.exit_code == 0, result.output
    said = " ".join(result.stdout.split())
    for words in (
        "device 2",
        "re-included",
        "in place",
        "press its button",
        "lost",
        "3 minutes",
        "device 3 would be",
    ):
        assert words in said, words
    told = json.loads(run(home, "--dry-run", "--json", "--sticker", sticker(2)).stdout)
    assert [(one["device"], one["fate"]) for one in told["devices"]] == [
        (identity(2), "re-included"),
        ("c0ffee01:3", "lost"),
    ]
    assert sticker(2) not in result.output


def test_it_begins_nothing(home: Path) -> None:
    result = run(home)
    assert result.exit_code == 1
    assert "hub.reinclude()" in result.stderr
