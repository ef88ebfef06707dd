"""`hubsec rotate` and `hubsec status`, on a radio in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console
from typer.testing import CliRunner

from hubsec import Hub
from hubsec.cli import application, rotate
from hubsec.identity import CredentialKind
from hubsec.rotation.journal import secret_name
from hubsec.secret import Secret
from hubsec.store import AsyncStore
from hubsec.store.sealed import SecretKind
from tests.core.hub.conftest import FakeRadio
from tests.core.rotation.conftest import FAST, ROTATING, KeyedRadio, list_all
from tests.core.rotation.network import Lamp, name_of


class Point:
    """An entry point that leads to what is given."""

    def __init__(self, name: str, made: Callable[..., Any] | None) -> None:
        self.name = name
        self._made = made

    def load(self) -> Callable[..., Any]:
        if self._made is None:
            raise ModuleNotFoundError("No module named 'nobody'", name="nobody")
        return self._made


@pytest.fixture
def keyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeyedRadio:
    """A radio that the program finds, with three lamps that a hub has listed before."""
    radio = KeyedRadio([Lamp(1), Lamp(2), Lamp(3)])
    points = [
        Point("memory", lambda _url, **_options: radio),
        Point("nothing", lambda _url: None),
        Point("missing", None),
    ]
    monkeypatch.setattr(rotate, "entry_points", lambda group: points if group == rotate.RADIOS else [])
    monkeypatch.setattr("hubsec.hub.Rotating", lambda: ROTATING)

    async def begin() -> None:
        async with Hub(radio, home=tmp_path) as hub:
            await list_all(hub, radio)

    asyncio.run(begin())
    return radio


def run(home: Path, *arguments: str) -> Any:
    told = [*arguments, "--home", str(home)]
    return CliRunner().invoke(application(), told, env={"COLUMNS": "160"})


def rotating(home: Path, *arguments: str, radio: str = "memory") -> Any:
    return run(home, "rotate", "--radio", radio, "--url", "x", "--hours", "0.0001", *arguments)


def test_a_dry_run_is_a_table_and_changes_nothing(keyed: KeyedRadio, tmp_path: Path) -> None:
    keyed.lamps[name_of(2)].power = False
    result = rotating(tmp_path, "--dry-run")
    assert result.exit_code == 0, result.output
    for said in ("Lamp 01", "gets it", "lost", "does not answer", "would not start", "Lamp 02 would be lost"):
        assert said in " ".join(result.stdout.split()), said
    told = json.loads(rotating(tmp_path, "--dry-run", "--json").stdout)
    assert [one["outlook"] for one in told["devices"]] == ["gets it", "lost", "gets it"]
    assert keyed.air.sent == []


def test_it_rotates_and_names_who_missed_it(keyed: KeyedRadio, tmp_path: Path) -> None:
    old = keyed.key
    keyed.lamps[name_of(2)].power = False
    refused = rotating(tmp_path, "--way", "unicast")
    assert refused.exit_code == 1
    assert "--anyway" in refused.stderr
    assert keyed.key == old
    result = rotating(tmp_path, "--way", "unicast", "--leave-out", name_of(3), "--anyway")
    assert result.exit_code == 0, result.output
    assert "number 0" in result.stdout
    assert f"({name_of(2)}) missed it" in result.stdout
    assert keyed.key != old
    assert not keyed.lamps[name_of(3)].holds(keyed.key)
    assert keyed.key.hex() not in result.output
    status = run(tmp_path, "status")
    assert status.exit_code == 0, status.output
    assert "Lamp 02" in status.stdout
    assert "by unicast" in status.stdout
    told = json.loads(run(tmp_path, "status", "--json").stdout)
    assert [one["device"] for one in told[0]["stragglers"]] == [name_of(2)]
    assert told[0]["rotated"]
    assert told[0]["under_way"] is None


def test_as_json_it_tells_how_it_ended(keyed: KeyedRadio, tmp_path: Path) -> None:
    result = rotating(tmp_path, "--way", "broadcast", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["outcome"] == "rotated"
    assert set(told["deliveries"].values()) == {"confirmed"}
    assert keyed.key.hex() not in result.output


def test_one_that_was_interrupted_goes_on(keyed: KeyedRadio, tmp_path: Path) -> None:
    async def interrupted() -> str:
        async with Hub(keyed, home=tmp_path) as hub:
            return (await hub.rotate(way="broadcast")).id

    began = asyncio.run(interrupted())
    (before,) = json.loads(run(tmp_path, "status", "--json").stdout)
    assert before["under_way"]["rotation"] == began
    assert "under way by broadcast" in run(tmp_path, "status").stdout
    assert json.loads(rotating(tmp_path, "--json").stdout)["rotation"] == began


def test_one_that_can_not_go_on_is_given_up(keyed: KeyedRadio, tmp_path: Path) -> None:
    async def interrupted() -> None:
        async with Hub(keyed, home=tmp_path) as hub:
            await (await hub.rotate(way="broadcast")).ended()
            await hub.rotate(way="broadcast", anyway=True)
        async with AsyncStore(tmp_path) as store:
            name = secret_name(keyed.network_id)
            await store.run(lambda one: one.seal(SecretKind.JOURNAL, name, Secret(b"no journal"), at=0.0))

    asyncio.run(interrupted())
    refused = rotating(tmp_path)
    keyed.lamps[name_of(2)].power = False
    assert refused.exit_code == 1
    assert "hubsec rotate --abandon" in refused.stderr
    assert "under way" in run(tmp_path, "status").stdout
    both = rotating(tmp_path, "--abandon", "--dry-run")
    assert both.exit_code == 1
    assert "--abandon or --dry-run" in both.stderr
    given_up = rotating(tmp_path, "--abandon")
    assert given_up.exit_code == 0, given_up.output
    assert "It was given up" in given_up.stdout
    status = " ".join(run(tmp_path, "status").stdout.split())
    assert "under way" not in status
    assert f"({name_of(2)}): re-join it with its install code, unless it still answers" in status
    again = rotating(tmp_path, "--abandon")
    assert again.exit_code == 1
    assert "No rotation is under way" in again.stderr
    assert keyed.key.hex() not in given_up.output + refused.output


def test_one_that_goes_on_is_given_up_as_json(keyed: KeyedRadio, tmp_path: Path) -> None:
    async def interrupted() -> None:
        async with Hub(keyed, home=tmp_path) as hub:
            await hub.rotate(way="broadcast")

    asyncio.run(interrupted())
    told = json.loads(rotating(tmp_path, "--abandon", "--json").stdout)
    assert told["outcome"] == "abandoned"


def test_what_is_overdue_and_exposed_is_said(keyed: KeyedRadio, tmp_path: Path) -> None:
    async def evict() -> None:
        async with Hub(keyed, home=tmp_path) as hub:
            await list_all(hub, keyed, one=CredentialKind.APPROVAL)
            await hub.evict(name_of(3))
            await hub.store.mark_exposed(keyed.network, keyed.network_id, reason="By approval.", at=0.0)
            await asyncio.sleep(FAST.back)

    asyncio.run(evict())
    said = run(tmp_path, "status").stdout
    assert f"{name_of(3)} was put out" in said
    assert "By approval." in said
    told = rotating(tmp_path, "--dry-run").stdout
    assert "A rotation by unicast" in told
    assert "heals nothing" in told


@pytest.mark.parametrize(
    ("radio", "says"),
    [
        ("other", "installed are: memory, missing, nothing"),
        ("missing", "needs the package nobody"),
        ("nothing", "is none"),
    ],
)
def test_a_radio_that_is_none(keyed: KeyedRadio, tmp_path: Path, radio: str, says: str) -> None:
    before = list(keyed.key_calls)
    result = rotating(tmp_path, radio=radio)
    assert result.exit_code == 1
    assert says in result.stderr
    assert keyed.key_calls == before


def test_what_a_radio_calls_its_network_is_text(tmp_path: Path) -> None:
    async def begin() -> None:
        async with Hub(FakeRadio(network_id="[/b]"), home=tmp_path):
            pass

    asyncio.run(begin())
    assert "zigbee [/b]" in run(tmp_path, "status").stdout


def test_what_a_radio_says_of_its_trouble_is_text(keyed: KeyedRadio, tmp_path: Path) -> None:
    """A port's path in brackets looks like the end of a markup that nobody has begun."""

    async def show() -> str:
        async with Hub(keyed, home=tmp_path, rotating=ROTATING) as hub:
            rotation = await hub.rotate(way="broadcast")
            console = Console(width=120)
            progress = rotate._shown(console)
            bar = progress.add_task("", total=None)
            rotate._draw(
                progress, bar, msgspec.structs.replace(rotation.progress, trouble="[/dev/ttyUSB0] is gone.")
            )
            with console.capture() as written:
                console.print(progress.get_renderable())
            return written.get()

    assert "[/dev/ttyUSB0] is gone." in asyncio.run(show())


def test_where_no_hub_was_there_is_nothing(tmp_path: Path) -> None:
    result = run(tmp_path, "status")
    assert result.exit_code == 1
    assert "There is no store" in result.stderr
