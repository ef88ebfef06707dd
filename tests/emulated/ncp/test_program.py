"""The program: what it prints, that a host finds the radio there, and what it refuses."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from bellows.zigbee.application import ControllerApplication
from typer.testing import CliRunner

from hubsec.cli import application
from hubsec_emulated import House
from hubsec_emulated.errors import EmulationError
from hubsec_emulated.orders import Order, read_order
from hubsec_emulated.program import MAX_DEVICES, Kind, _as_text

ENTRY = "from hubsec.cli import main; main()"


@pytest.mark.parametrize(
    ("text", "order"),
    [("lamp", Order(Kind.LAMP, 1)), ("sensor=3", Order(Kind.SENSOR, 3)), ("lock=100", Order(Kind.LOCK, 100))],
)
def test_an_order_is_read(text: str, order: Order) -> None:
    assert read_order(text, list(Kind), MAX_DEVICES) == order


@pytest.mark.parametrize(
    "text", ["", "toaster", "lamp=x", "lamp=-1", "=3", "lamp=", "lamp=0", "lamp=101", "lamp=" + "9" * 5000]
)
def test_a_wrong_order_is_refused(text: str) -> None:
    with pytest.raises(EmulationError):
        read_order(text, list(Kind), MAX_DEVICES)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["toaster"], "'toaster' is no device"),
        (["lamp=0"], "from 1 to 100"),
        (["lamp=60", "plug=60"], "room for 100 devices, not for 120"),
        (["--ezsp", "4"], "--ezsp is one of 13, 14, 18, not 4"),
        (["--scale", "0"], "--scale is above 0"),
        (["--scale", "nan"], "--scale is above 0"),
        (["--scale", "1e9"], "at most 1000"),
        (["--loss", "1.5"], "--loss is a probability from 0 to 1, not 1.5"),
        (["--loss", "nan"], "--loss is a probability"),
        (["--tokens", "/"], "can't be read from /: Is a directory"),
        (["--tokens", "/no/such/folder/stick.json"], "stick.json"),
        (
            ["--keys", "/no/such/folder/keys.txt"],
            "--keys: /no/such/folder/keys.txt can't be used: No such file",
        ),
        (["--pcap", "/no/such/folder/air.pcap"], "/no/such/folder/air.pcap: No such file"),
        (["--pcap", "/"], "written to /: Is a directory"),
        (["--host", "a..b"], "can't listen on 'a..b'"),
        (["--host", "192.0.2.1"], "can't listen on 192.0.2.1"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(application(), ["emulate", "zigbee", *arguments])
    assert result.exit_code == 1
    line, end = result.stderr.split("\n")
    assert end == ""
    assert line.startswith("hubsec: ")
    assert said in line


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_a_port_that_there_is_not_is_a_mistake_in_the_call(port: str) -> None:
    result = CliRunner().invoke(application(), ["emulate", "zigbee", "--port", port])
    assert result.exit_code == 2
    assert "--port" in result.stderr


async def test_what_is_printed_says_what_to_do_next() -> None:
    async with House(record=False) as house:
        placed = [house.lamp() for _ in range(10)] + [house.stranger()]
        first, *rows, last = _as_text(house, placed).splitlines()
        assert first == house.url
        assert {row.index("00:12:4b") for row in rows} == {len("stranger 11") + 2}
        assert rows[-1].endswith("no install code")
        assert last == f"Connect a host to {house.url}. The devices keep trying to join. Ctrl-C ends it."


async def test_a_house_that_keeps_nothing_keeps_nothing() -> None:
    async with House(scale=100, record=False) as house:
        lamp = house.lamp()
        lamp.power_on()
        await house.wait_until(lambda: house.air.transmissions >= 4)
        assert house.sniffer.report().frames == 0
        assert house.hostile_frames == []


@pytest.mark.hosts
@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
async def test_a_host_finds_the_radio_that_it_prints(tmp_path: Path, ending: signal.Signals) -> None:
    keys, pcap, tokens = (tmp_path / name for name in ("keys", "air.pcap", "stick.json"))
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        ENTRY,
        *("emulate", "zigbee", "lamp=2", "--json", "--scale", "20"),
        *("--keys", str(keys), "--pcap", str(pcap), "--tokens", str(tokens)),
        stdout=subprocess.PIPE,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert program.stdout is not None
    said = json.loads(await asyncio.wait_for(program.stdout.readline(), 30))
    assert [device["name"] for device in said["devices"]] == ["lamp 1", "lamp 2"]
    assert said["devices"][0]["sticker"].startswith("Z:")
    host = await ControllerApplication.new(
        {
            "device": {"path": said["url"]},
            "use_thread": False,
            "database_path": None,
            "backup_enabled": False,
            "network": {"channel": 15},
        },
        auto_form=True,
    )
    key = host.state.network_info.network_key.key.serialize().hex()
    await host.shutdown()
    program.send_signal(ending)
    assert await asyncio.wait_for(program.wait(), 30) == 0
    assert key in keys.read_text()
    assert keys.stat().st_mode & 0o077 == 0
    assert json.loads(tokens.read_text())["keys"]["network_key"] == key
    assert pcap.stat().st_size > 24
