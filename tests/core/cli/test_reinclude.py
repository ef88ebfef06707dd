"""`hubsec reinclude`, on a radio in memory."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from hubsec import Hub
from hubsec.cli import application, rotate
from hubsec.errors import RadioError
from tests.core.cli.test_keys import Point
from tests.core.reinclusion.radio import OLD, ReincludingRadio, sticker
from tests.core.reinclusion.test_hub import until
from tests.core.reinclusion.world import identity

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def radio() -> ReincludingRadio:
    return ReincludingRadio(2)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, radio: ReincludingRadio) -> Path:
    """A hub's folder with an adopted network of two devices, whose radio the program finds."""
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


def status(home: Path) -> tuple[str, Any]:
    """What `hubsec status` says of the network, in one line and as JSON."""
    shown, told = (
        CliRunner()
        .invoke(application(), ["status", "--home", str(home), *more], env={"COLUMNS": "200"})
        .stdout
        for more in ([], ["--json"])
    )
    return " ".join(shown.split()), json.loads(told)[0]


def test_status_says_where_one_stands_and_who_was_missing_in_the_last(
    home: Path, radio: ReincludingRadio
) -> None:
    shown, told = status(home)
    assert told["reinclusion"] is None
    assert "re-in" not in shown

    async def begin() -> None:
        radio.resets = {2}
        async with Hub(radio, home=home) as hub:
            reinclusion = await hub.reinclude(stickers=[sticker(2), sticker(3)], by="Ada")
            await until(lambda: reinclusion.progress.current == identity(3))
            # Paused, so that who is waited for is nobody; and written down.
            await reinclusion.pause()

    asyncio.run(begin())
    shown, told = status(home)
    for said in (
        "under way, including: 1 of 2 devices are done, paused",
        f"device 3 ({identity(3)}): pending",
    ):
        assert said in shown, shown
    assert told["reinclusion"]["under_way"]["stage"] == "including"
    assert told["reinclusion"]["last"] is None
    assert told["rotated"]

    async def wait() -> None:
        radio.raises = [RadioError("It burns.")]
        async with Hub(radio, home=home) as hub:
            reinclusion = hub.reinclusion()
            assert reinclusion is not None
            await reinclusion.resume()
            await until(lambda: reinclusion.progress.current)
            radio.server = OLD
            radio.say(up=False)
            radio.say(up=True)
            await until(lambda: reinclusion.progress.standstill)

    asyncio.run(wait())
    shown, told = status(home)
    assert "standstill The server was not restarted: It burns." in shown

    async def end() -> None:
        async with Hub(radio, home=home) as hub:
            reinclusion = hub.reinclusion()
            assert reinclusion is not None
            await until(lambda: reinclusion.progress.current)
            await reinclusion.finish()
            assert (await reinclusion.ended()).missing == (identity(3),)

    asyncio.run(end())
    shown, told = status(home)
    assert "re-included" in shown
    assert f"Ada: 1 of 2 devices are done missing device 3 ({identity(3)}): it was given up" in shown
    assert told["reinclusion"]["under_way"] is None
    assert told["reinclusion"]["last"]["ended_at"] >= told["reinclusion"]["last"]["started_at"]
    assert radio.server.hex() not in shown


def test_it_begins_nothing(home: Path) -> None:
    result = run(home)
    assert result.exit_code == 1
    assert "hub.reinclude()" in result.stderr
