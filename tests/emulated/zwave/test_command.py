"""`hubsec emulate zwave`."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys

import aiohttp
import pytest
from typer.testing import CliRunner

from hubsec.cli import application


@pytest.mark.slow
async def test_it_says_where_and_what_and_ends_when_told() -> None:
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from hubsec.cli import main; main()",
        *("emulate", "zwave", "lamp=2", "lock", "--json"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert program.stdin is not None
    assert program.stdout is not None
    told = json.loads(await asyncio.wait_for(program.stdout.readline(), 60))
    assert [device["name"] for device in told["devices"]] == ["lamp 1", "lamp 2", "lock 3"]
    lamp = told["devices"][1]
    assert lamp["dsk"].startswith(lamp["pin"])
    assert lamp["sticker"].startswith("90")
    async with (
        asyncio.timeout(30),
        aiohttp.ClientSession() as session,
        session.ws_connect(told["url"]) as socket,
    ):
        assert (await socket.receive_json())["serverVersion"] == "3.10.2"
        await socket.send_json({"messageId": "1", "command": "initialize", "schemaVersion": 50})
        await socket.send_json({"messageId": "2", "command": "start_listening"})
        begin = {"command": "controller.begin_inclusion", "options": {"strategy": 2}}
        await socket.send_json({"messageId": "3", **begin})
        async for message in socket:
            if message.json().get("messageId") == "3":
                program.stdin.write(b"nobody\nlamp 2\n")
            if message.json().get("event", {}).get("event") == "node added":
                break
    program.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(program.wait(), 20) == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["boiler"], "'boiler' is no device: say one of lamp, plug, sensor, lock"),
        (["lamp=232"], "a number from 1 to 231"),
        (["lamp=200", "plug=32"], "A house has room for 231 devices, not for 232."),
        (["--scale", "0"], "--scale is above 0"),
        (["--scale", "101"], "--scale is above 0 and at most 100"),
    ],
)
def test_what_can_t_be_is_refused(arguments: list[str], complaint: str) -> None:
    result = CliRunner().invoke(application(), ["emulate", "zwave", *arguments])
    assert result.exit_code == 1
    assert result.stderr.startswith("hubsec: ")
    assert complaint in result.stderr
