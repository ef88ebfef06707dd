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

from hubsec_emulated.errors import EmulationError
from hubsec_emulated.program import Kind, Order, app, read_order

ENTRY = "from hubsec.cli import main; main()"


@pytest.mark.parametrize(
    ("text", "order"),
    [("lamp", Order(Kind.LAMP, 1)), ("sensor=3", Order(Kind.SENSOR, 3)), ("lock=0", Order(Kind.LOCK, 0))],
)
def test_an_order_is_read(text: str, order: Order) -> None:
    assert read_order(text) == order


@pytest.mark.parametrize("text", ["", "toaster", "lamp=x", "lamp=-1", "=3"])
def test_a_wrong_order_is_refused(text: str) -> None:
    with pytest.raises(EmulationError):
        read_order(text)


@pytest.mark.parametrize("arguments", [["toaster"], ["--ezsp", "4"], ["--scale", "0"], ["--tokens", "/"]])
def test_what_makes_no_sense_is_refused(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["zigbee", *arguments])
    assert isinstance(result.exception, EmulationError)


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
    assert await asyncio.wait_for(program.wait(), 10) == 0
    assert key in keys.read_text()
    assert keys.stat().st_mode & 0o077 == 0
    assert json.loads(tokens.read_text())["keys"]["network_key"] == key
    assert pcap.stat().st_size > 24
