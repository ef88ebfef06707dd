"""The processes: ready, ended with whoever started them, never beyond this machine."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hubsec_emulated import ZWaveHouse
from hubsec_emulated.errors import EmulationError, NotInTimeError
from tests.emulated.zwave.host import connected

if TYPE_CHECKING:
    from tests.emulated.zwave.host import Host

ROOT = Path(__file__).parents[3]
GONE = 10.0
"""Seconds for processes to be gone whose parent was killed."""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def children(pid: int) -> list[int]:
    return [
        int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    ]


def wait_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + GONE
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in pids if alive(pid)]


STARTER = """
    import asyncio
    from hubsec_emulated import ZWaveHouse

    async def main():
        async with ZWaveHouse(quick=True) as house:
            house.pause_server()
            await house.settle()
            print(house.program.pid, flush=True)
            await asyncio.sleep(60)

    asyncio.run(main())
"""


@pytest.mark.slow
def test_nothing_outlives_a_killed_parent(tmp_path: Path) -> None:
    """Not even a server that is paused, and no file."""
    starter = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(STARTER)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    with starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        pids = [pid, *children(pid)]
        assert len(pids) == 2
        assert all(map(alive, pids))
        assert list(tmp_path.iterdir())
        starter.kill()
    wait_gone(pids)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
async def test_the_server_does_not_outlive_the_network() -> None:
    async with ZWaveHouse(quick=True) as house:
        (server,) = children(house.program.pid)
        os.kill(house.program.pid, signal.SIGKILL)
        with pytest.raises(EmulationError, match="The process ended"):
            await house.wait_until(lambda: False)
        with pytest.raises(EmulationError, match="has ended"):
            await house.settle()
    wait_gone([server])


async def test_a_server_that_ends_by_itself_is_told(zwave_house: ZWaveHouse) -> None:
    (server,) = children(zwave_house.program.pid)
    os.kill(server, signal.SIGKILL)
    with pytest.raises(EmulationError, match="The server ended"):
        await zwave_house.wait_until(lambda: False)
    await zwave_house.start_server()
    async with connected(zwave_house):
        pass


async def test_a_start_that_is_cancelled_leaves_nothing() -> None:
    before = set(children(os.getpid()))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.6), ZWaveHouse():
            pytest.fail("That was fast.")
    assert set(children(os.getpid())) <= before


@pytest.mark.slow
async def test_a_house_without_a_server() -> None:
    async with ZWaveHouse(server=False, quick=True) as house:
        lamp = house.lamp()
        lamp.power_on()
        await house.wait_until(lambda: lamp.powered)
        with pytest.raises(NotInTimeError, match=r"The join did not happen within 0\.1 seconds"):
            await house.wait_until(lambda: lamp.node_id, 0.1, what="The join")
        assert children(house.program.pid) == []
        await house.start_server()
        async with connected(house):
            pass


async def test_a_paused_server_goes_on(zwave_house: ZWaveHouse, host: Host) -> None:
    lamp = zwave_house.lamp()
    await host.include(lamp)
    await host.ready(2)
    zwave_house.pause_server()
    lamp.report(42)
    await asyncio.sleep(0.2)
    assert ("currentValue", 42) not in host.values(2)
    zwave_house.resume_server()
    await zwave_house.wait_until(lambda: ("currentValue", 42) in host.values(2))


async def test_a_crash_of_the_server_in_the_middle_of_a_join(zwave_house: ZWaveHouse) -> None:
    lamp = zwave_house.lamp()
    async with connected(zwave_house) as host:
        host.delay = 60
        host.pin = lamp.pin
        await host.command("controller.begin_inclusion", options={"strategy": 0})
        lamp.press_button()
        await host.event("grant security classes")
        await zwave_house.restart_server()
    async with connected(zwave_house) as host:
        assert lamp.node_id == 2
        assert lamp.keys_held == frozenset()
        host.pin = lamp.pin
        await host.command("controller.begin_exclusion")
        lamp.press_button()
        await host.event("exclusion stopped")
        added = await host.include(lamp)
        assert added["result"] == {"lowSecurity": False}


async def test_telemetry_is_off(host: Host) -> None:
    assert (await host.command("driver.is_statistics_enabled"))["statisticsEnabled"] is False


ALONE = """
    import asyncio, fcntl, socket, struct, sys
    from pathlib import Path

    IFF_UP, GET, SET = 1, 0x8913, 0x8914
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = fcntl.ioctl(control, GET, struct.pack("16sH22x", b"lo", 0))
        fcntl.ioctl(control, SET, struct.pack("16sH22x", b"lo", struct.unpack_from("H", request, 16)[0] | IFF_UP))
    assert [name for _, name in socket.if_nameindex()] == ["lo"]

    sys.path.insert(0, sys.argv[1])
    from hubsec_emulated import ZWaveHouse
    from tests.emulated.zwave.host import connected

    def sockets(kind):
        lines = Path(f"/proc/net/{kind}").read_text().splitlines()[1:]
        return [line.split()[1] for line in lines]

    async def main():
        async with ZWaveHouse(quick=True) as house, connected(house) as host:
            lamp = house.lamp()
            assert (await host.include(lamp))["result"] == {"lowSecurity": False}
            await host.ready(2)
            tcp = sockets("tcp")
            assert tcp and all(address.startswith("0100007F:") for address in tcp), tcp
            for kind in ("tcp6", "udp", "udp6", "raw", "raw6"):
                assert sockets(kind) == [], kind
        print("alone")

    asyncio.run(main())
"""


@pytest.mark.slow
def test_a_join_needs_no_network_but_this_machine_s_own() -> None:
    """In a network namespace that has a loopback interface and nothing else."""
    tried = subprocess.run(["unshare", "-rn", "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        # Containers often forbid it, and nothing else can prove this. Where nothing may be skipped it is a failure.
        pytest.skip(f"network namespaces are forbidden here: {tried.stderr.strip()}")
    done = subprocess.run(
        ["unshare", "-rn", sys.executable, "-c", textwrap.dedent(ALONE), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert (done.stdout, done.returncode) == ("alone\n", 0), done.stderr


@pytest.mark.slow
async def test_a_full_network() -> None:
    """231 nodes and the controller, all ready; the last one works, and there is no room for another."""
    nodes = {"plug": 228, "lamp": 1, "sensor": 1, "lock": 1}
    async with ZWaveHouse(nodes=nodes, quick=True) as house, connected(house) as host:
        assert len(host.state["nodes"]) == 232
        ready = {node["nodeId"] for node in host.state["nodes"] if node["ready"]}
        await house.wait_until(
            lambda: len(ready | {event["nodeId"] for event in host.of("ready", "node")}) == 232, 60
        )
        lock = house.devices[-1]
        assert lock.node_id == 232
        assert await host.highest(232) == "S2_AccessControl"
        target = {"commandClass": 98, "endpoint": 0, "property": "targetMode"}
        await host.command("node.set_value", nodeId=232, valueId=target, value=0)
        await house.wait_until(lambda: lock.state is False)
        lock.report(value=True)
        await house.wait_until(lambda: ("currentMode", 255) in host.values(232))
        await host.command("controller.begin_inclusion", options={"strategy": 2})
        house.lamp().press_button()
        await host.event("inclusion failed")
    with pytest.raises(EmulationError, match="231 nodes"):
        ZWaveHouse(nodes={"lamp": 232})
