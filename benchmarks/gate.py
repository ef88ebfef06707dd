"""The gate beside the server that it stands in front of: a burst of values, and how much later a command is answered.

Two servers. The real one, on an emulated network: that is what a house has, where the radio and the driver are what
takes time. And one that does nothing but send, as fast as it is read: what the gate itself can carry. The gate is a
program of its own, as in a house.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web

from benchmarks.harness import Row
from hubsec_emulated import ZWaveHouse
from hubsec_zwave.gate import Credentials
from hubsec_zwave.roles import Role

BURST_AIM = 0.9
"""Of the direct rate."""
LATENCY_AIM = 1.0
"""Milliseconds that the gate may add to a command."""
ROUNDS = 5
REPORTS = 400
COMMANDS = 300
FLOOD = 20_000
LISTEN: tuple[tuple[str, dict[str, object]], ...] = (
    ("set_api_schema", {"schemaVersion": 50}),
    ("start_listening", {}),
)
EVENT = {
    "type": "event",
    "event": {
        "source": "node",
        "event": "value updated",
        "nodeId": 2,
        "args": {
            "commandClassName": "Multilevel Switch",
            "commandClass": 38,
            "property": "currentValue",
            "endpoint": 0,
            "newValue": 50,
            "prevValue": 49,
            "propertyName": "currentValue",
        },
    },
}


@asynccontextmanager
async def client(url: str) -> AsyncIterator[ClientWebSocketResponse]:
    """A client that listens, and was told the network's state."""
    async with ClientSession() as session, session.ws_connect(url, max_msg_size=0) as socket:
        await socket.receive()
        for command, more in LISTEN:
            await ask(socket, command, **more)
        yield socket


async def ask(socket: ClientWebSocketResponse, command: str, **more: object) -> None:
    """Send a command and wait for its answer."""
    await socket.send_json({"messageId": command, "command": command, **more})
    while '"type":"result"' not in (await socket.receive()).data:
        pass


async def count(socket: ClientWebSocketResponse, values: int) -> None:
    """Wait until that many values were told."""
    while values:
        values -= '"event":"value updated"' in (await socket.receive()).data


async def burst(url: str, start: Callable[[], object], values: int) -> float:
    """Values a second that reach a client."""
    async with client(url) as socket:
        started = time.perf_counter()
        start()
        await count(socket, values)
        return values / (time.perf_counter() - started)


async def latency(url: str) -> float:
    """Milliseconds until a command is answered that costs the server nothing."""
    async with client(url) as socket:
        times = []
        for _ in range(COMMANDS):
            started = time.perf_counter()
            await ask(socket, "driver.get_config")
            times.append(time.perf_counter() - started)
        return statistics.median(times) * 1e3


@asynccontextmanager
async def gate(upstream: str, *arguments: str) -> AsyncIterator[str]:
    """`hubsec gate` in front of a server; the URL of a client that may control."""
    with tempfile.TemporaryDirectory() as folder:
        issued = Credentials(Path(folder)).add("bench", Role.CONTROL)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.gate", upstream, folder, *arguments),
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        try:
            if process.stdout is None:
                raise RuntimeError
            yield issued.url(json.loads(await process.stdout.readline())["url"])
        finally:
            process.terminate()
            await process.wait()


async def on_the_real_server() -> tuple[list[Row], list[Row]]:
    """Both lines about a house."""
    direct, through = [], []
    waits_direct, waits_through = [], []
    async with ZWaveHouse(seed=1, nodes={"lamp": 1}) as house, gate(house.url) as url:
        (lamp,) = house.devices

        def report() -> None:
            for value in range(REPORTS):
                lamp.report(value % 100)

        async with client(house.url) as socket:
            await ask(socket, "node.refresh_info", nodeId=2)
            while '"event":"ready"' not in (await socket.receive()).data:
                pass
        await house.settle()
        for _ in range(ROUNDS):
            direct.append(await burst(house.url, report, REPORTS))
            through.append(await burst(url, report, REPORTS))
            waits_direct.append(await latency(house.url))
            waits_through.append(await latency(url))
    share = statistics.median(one / other for one, other in zip(through, direct, strict=True))
    added = statistics.median(one - other for one, other in zip(waits_through, waits_direct, strict=True))
    return (
        [
            Row(
                name="gate: values of a house, direct", value=round(statistics.median(direct), 1), unit="1/s"
            ),
            Row(
                name="gate: values of a house, through it",
                value=round(statistics.median(through), 1),
                unit="1/s",
                peer="direct",
                ratio=round(share, 3),
                aim=f">= {BURST_AIM:g}x",
                met=share >= BURST_AIM,
            ),
        ],
        [
            Row(name="gate: a command, direct", value=round(statistics.median(waits_direct), 3), unit="ms"),
            Row(
                name="gate: a command, added by it",
                value=round(added, 3),
                unit="ms",
                peer="direct",
                aim=f"< {LATENCY_AIM:g} ms",
                met=added < LATENCY_AIM,
            ),
        ],
    )


async def _flood(request: web.BaseRequest) -> web.StreamResponse:
    """A server that tells a client as many values as it names in place of a schema."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_json({"type": "version"})
    text = json.dumps(EVENT, separators=(",", ":"))
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            break
        command = message.json()
        result: dict[str, object] = (
            {"state": {"nodes": []}} if command["command"] == "start_listening" else {}
        )
        told = {"type": "result", "success": True, "messageId": command["messageId"], "result": result}
        await socket.send_str(json.dumps(told, separators=(",", ":")))
        if command["command"] == "node.ping":
            for _ in range(FLOOD):
                await socket.send_str(text)
    return socket


async def flooded(url: str) -> float:
    """Values a second out of a server that does nothing else."""
    async with client(url) as socket:
        started = time.perf_counter()
        await socket.send_json({"messageId": "1", "command": "node.ping", "nodeId": 2})
        await count(socket, FLOOD)
        return FLOOD / (time.perf_counter() - started)


async def on_a_server_that_floods() -> list[Row]:
    """What the gate can carry."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.gate", "flood"),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        if process.stdout is None:
            raise RuntimeError
        server = json.loads(await process.stdout.readline())["url"]
        async with gate(server, "nobody") as url:
            direct, through = [], []
            for _ in range(ROUNDS):
                direct.append(await flooded(server))
                through.append(await flooded(url))
    finally:
        process.terminate()
        await process.wait()
    share = statistics.median(one / other for one, other in zip(through, direct, strict=True))
    return [
        Row(name="gate: a flood of values, direct", value=round(statistics.median(direct), 1), unit="1/s"),
        Row(
            name="gate: a flood of values, through it",
            value=round(statistics.median(through), 1),
            unit="1/s",
            peer="direct",
            ratio=round(share, 3),
        ),
    ]


def run() -> list[Row]:
    """The lines of the table."""
    values, waits = asyncio.run(on_the_real_server())
    return [*values, *waits, *asyncio.run(on_a_server_that_floods())]


# The other processes


class _Nobody:
    """A guard of a network that nobody is shut out of."""

    def rule(self, node_id: int) -> str:
        """By none."""
        del node_id
        return ""

    def silenced(self, node_id: int) -> None:
        """Nobody is."""

    def silent_nodes(self) -> frozenset[int]:
        """None."""
        return frozenset()

    async def command(self, asker: str, message: object) -> object:
        """As it is."""
        del asker
        return message

    def heard(self, asker: str, event: object) -> None:
        """Nothing."""


async def _serve(arguments: list[str]) -> None:
    from hubsec import Hub  # noqa: PLC0415 - each process loads what it needs
    from hubsec_zwave.gate import Gate  # noqa: PLC0415
    from hubsec_zwave.radio import ZwaveJs  # noqa: PLC0415

    if arguments == ["flood"]:
        runner = web.ServerRunner(web.Server(_flood))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        sys.stdout.write(json.dumps({"url": f"ws://127.0.0.1:{runner.addresses[0][1]}"}) + "\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().create_future()
    upstream, folder = arguments[:2]
    radio = ZwaveJs(upstream, gaps=())
    nobody = arguments[2:] == ["nobody"]
    judge = _Nobody() if nobody else radio.judge
    async with Gate(upstream, judge, Credentials(Path(folder))) as door:  # type: ignore[arg-type]
        hub = Hub(radio, home=Path(folder) / "hub")
        async with _open(hub, nobody=nobody):
            if not nobody:
                await hub.adopt(radio.name)
            sys.stdout.write(json.dumps({"url": door.url}) + "\n")
            sys.stdout.flush()
            await asyncio.get_running_loop().create_future()


@asynccontextmanager
async def _open(hub: object, *, nobody: bool) -> AsyncIterator[None]:
    if nobody:
        yield
        return
    async with hub:  # type: ignore[attr-defined]
        yield


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(sys.argv[1:]))
