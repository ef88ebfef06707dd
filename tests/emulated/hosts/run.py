"""Run the afternoon of scenario.py with every supported host version, each in an environment of its own.

``python tests/emulated/hosts/run.py [NAME …]``: makes ``.venv-hosts-…`` as needed and prints a line for each host and
EZSP version; the exit code says whether all went well. The names are those of :data:`HOSTS`, ``herdsman`` (needs node
and npm), and ``here`` for the running interpreter; without one it is :data:`HOSTS`.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from hubsec_emulated.devices.device import Device
from hubsec_emulated.house import House
from hubsec_emulated.ncp.ezsp import SUPPORTED_VERSIONS
from hubsec_emulated.stack.joining import JoinState
from hubsec_emulated.wire.addresses import format_eui64
from hubsec_emulated.wire.crypto import install_code_key

ROOT = Path(__file__).parents[3]
SCENARIO = Path(__file__).with_name("scenario.py")
HOSTS = {
    "1.2": ("bellows==1.2.1", "zigpy==2.4.0"),
    "1.1": ("bellows==1.1.0", "zigpy==2.3.0"),
    "0.44": ("bellows==0.44.1", "zigpy==0.78.1"),
}
"""The newest versions, those before, and the oldest ones that the package's floors allow."""
OLDEST_SPEAKS = {"0.44": (13, 14)}
HERDSMAN = "zigbee-herdsman@10.9.5"
"""The newest one that installs with the published ``zigbee-on-host``."""
LIMIT = 300.0
AT_ONCE = 3
"""Afternoons in parallel: each of them mostly waits."""
PRESS_AGAIN = 5.0
EXPECTED = {
    "form": 15,
    "join": ["Lamp", "Contact", "Plug"],
    "read": "Lamp",
    "write": 300,
    "command": [True, False, True],
    "report": True,
    "restart": "Lamp",
    "restore": True,
}

HERDSMAN_EXPECTED = {
    "form": "reset",
    "join": ["successful"] * 3,
    "command": 1,
    "restart": "resumed",
    "read": "Lamp",
    "rotate": "Lamp",
    "backup": 1,
    "stop": True,
}


def environment(name: str) -> Path:
    """The interpreter of the environment that has this host, which is made if need be."""
    if name == "here":
        return Path(sys.executable)
    if name == "herdsman":
        return herdsman_folder()
    folder = ROOT / f".venv-hosts-{name}"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        subprocess.run([ROOT / ".ci" / "venv", folder, *HOSTS[name]], check=True, cwd=ROOT)
        (folder / "ready").touch()
    return python


def herdsman_folder() -> Path:
    """The folder that has zigbee-herdsman."""
    folder = ROOT / ".venv-hosts-herdsman"
    if not (folder / "node_modules" / "zigbee-herdsman").exists():
        folder.mkdir(exist_ok=True)
        install = ("npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", folder, HERDSMAN)
        subprocess.run(install, check=True)
    return folder


def argument(device: Device) -> str:
    """How the scenario is told of a device."""
    code = device.install_code
    return f"{format_eui64(device.eui64)}={install_code_key(code).hex() if code else ''}"


async def press_buttons(house: House) -> None:
    """Let devices that gave up look for a network again, as their owner would."""
    while True:
        await house.sleep(PRESS_AGAIN)
        for device in house.devices:
            if not device.joined and device.joining.state is JoinState.IDLE:
                device.joining.steer()


async def afternoon(python: Path | str, version: int, *, seed: int = 1) -> dict[str, Any]:
    """The verdict of one host on one house; ``wrong`` in it lists what did not come out as it should."""
    async with House(seed=seed, version=version) as house:
        lamp, sensor, plug = house.lamp(), house.sensor(), house.plug(install_code=None)
        arguments = [house.url, *map(argument, (lamp, sensor, plug))]
        verdict = await outcome(house, [python, SCENARIO, *arguments], EXPECTED)
        verdict["wrong"] += [
            f"{device.name} is off the network" for device in (lamp, sensor) if not device.joined
        ]
        if format_eui64(plug.eui64) in verdict.get("remove", [format_eui64(plug.eui64)]):
            verdict["wrong"].append("the plug was not removed")
        return verdict


async def herdsman_afternoon(version: int, *, seed: int = 1) -> dict[str, Any]:
    """The same for zigbee-herdsman."""
    folder = herdsman_folder()
    async with House(seed=seed, version=version) as house:
        lamp, sensor, plug = house.lamp(), house.sensor(), house.plug(install_code=None)
        command = ["node", SCENARIO.with_name("herdsman.mjs"), house.url, lamp.sticker, sensor.sticker]
        verdict = await outcome(house, command, HERDSMAN_EXPECTED, folder)
        for device in (lamp, sensor, plug):
            if (device.joined, device.key_sequence) != (True, 1):
                verdict["wrong"].append(f"{device.name} did not follow the new key")
        return verdict


async def outcome(
    house: House, command: list[Path | str], expected: dict[str, Any], folder: Path = ROOT
) -> dict[str, Any]:
    """Switch everything on, run *command* in *folder*, and compare its verdict with *expected*."""
    for device in house.devices:
        device.power_on()
    pressing = asyncio.create_task(press_buttons(house))
    program = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder
    )
    try:
        output, errors = await asyncio.wait_for(program.communicate(), LIMIT)
    finally:
        pressing.cancel()
        await asyncio.gather(pressing, return_exceptions=True)
    lines = output.decode().splitlines()
    if not lines:
        return {"wrong": [f"no verdict: {errors.decode()[-500:]}"]}
    verdict: dict[str, Any] = json.loads(lines[-1])
    wrong = [name for name, value in expected.items() if verdict.get(name) != value]
    wrong += [verdict["failed"]] if "failed" in verdict else []
    wrong += [f"refused frames: {dict(house.server.ncp.faults)}"] if house.server.ncp.faults else []
    return {**verdict, "wrong": wrong}


async def verdict_of(name: str, version: int, python: Path, turn: asyncio.Semaphore) -> dict[str, Any]:
    """The verdict of that host, when it is its turn."""
    async with turn:
        return await (herdsman_afternoon(version) if name == "herdsman" else afternoon(python, version))


async def main(names: list[str]) -> int:
    """Run the matrix and print it."""
    names = names or list(HOSTS)
    pythons = await asyncio.gather(*(asyncio.to_thread(environment, name) for name in names))
    turn = asyncio.Semaphore(AT_ONCE)
    failures = 0
    async with asyncio.TaskGroup() as group:
        rows = [
            (name, version, group.create_task(verdict_of(name, version, python, turn)))
            for name, python in zip(names, pythons, strict=True)
            for version in OLDEST_SPEAKS.get(name, SUPPORTED_VERSIONS)
        ]
        for name, version, row in rows:
            verdict = await row
            failures += bool(verdict["wrong"])
            host = " ".join(f"{key} {value}" for key, value in verdict.get("host", {}).items())
            said = "; ".join(verdict["wrong"]) or "all well"
            sys.stdout.write(f"{host or name:32} EZSP {version}  {said}\n")
            sys.stdout.flush()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
