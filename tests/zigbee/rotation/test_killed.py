"""A host that is killed, with SIGKILL, in the middle of a rotation: what the crash table does in-process, for real."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from hubsec_emulated import House
from tests.zigbee.rotation.host import a_hub

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

SCALE = 20.0
LONGEST = 60.0


async def host(house: House, folder: Path, *, rotate: bool) -> asyncio.subprocess.Process:
    told = ["rotate"] if rotate else []
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.zigbee.rotation.host",
        house.url,
        str(folder),
        str(SCALE),
        *told,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


async def lines_until(process: asyncio.subprocess.Process, wanted: str) -> list[str]:
    """What it says, up to a line that begins so."""
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(LONGEST):
        while not (lines and lines[-1].startswith(wanted)):
            line = await process.stdout.readline()
            assert line, f"it ended, having said {lines}"
            lines.append(line.decode().strip())
    return lines


@pytest.mark.parametrize("moment", ["delivering 1", "switching 2"])
async def test_a_killed_hosts_rotation_is_ended_by_the_next(tmp_path: Path, moment: str) -> None:
    async with House(seed=23, scale=SCALE, record=False) as house:
        async with a_hub(house.url, tmp_path, SCALE) as hub:
            lamp, sensor = house.lamp(), house.sensor()
            for device in (lamp, sensor):
                async with hub.admit(device.sticker, name=device.name) as admission:
                    device.power_on()
                    await admission.joined()
                await house.settled(600)
        before = lamp.network_key
        process = await host(house, tmp_path, rotate=True)
        await lines_until(process, moment)
        process.send_signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
        process = await host(house, tmp_path, rotate=False)
        said = await lines_until(process, "rotated")
        assert await process.wait() == 0
        assert said[-1] == "rotated 0"
        keys = house.tokens.keys
        assert keys is not None
        assert keys.sequence == 2
        assert lamp.network_key == sensor.network_key == keys.network_key != before
