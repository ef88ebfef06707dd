"""A server that speaks as a Z-Wave JS server does, and does nothing."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

VERSION = {
    "type": "version",
    "homeId": 0xC0FFEE01,
    "driverVersion": "15.29.0",
    "serverVersion": "3.10.2",
    "minSchemaVersion": 0,
    "maxSchemaVersion": 50,
}


class Upstream:
    """`heard` is what each connection was sent, as text; `nodes` what `start_listening` answers with."""

    def __init__(self) -> None:
        self.port = 0
        self.heard: list[str] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.nodes: list[dict[str, Any]] = []
        self.results: dict[str, dict[str, Any]] = {}
        self._runner: web.ServerRunner | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        for socket in self.sockets:
            await socket.close()
        self.sockets.clear()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def say(self, **event: Any) -> None:
        """Tell every client."""
        for socket in self.sockets:
            await socket.send_str(json.dumps({"type": "event", "event": event}))

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json(VERSION)
        self.sockets.append(socket)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self.heard.append(message.data)
                await self._answer(socket, json.loads(message.data))
        if socket in self.sockets:
            self.sockets.remove(socket)
        return socket

    async def _answer(self, socket: web.WebSocketResponse, command: dict[str, Any]) -> None:
        result = self.results.get(command["command"], {})
        if command["command"] == "start_listening":
            result = {"state": {"driver": {}, "controller": {}, "nodes": self.nodes}}
        if command["command"] == "node.get_state":
            result = {"state": {"nodeId": command["nodeId"], "ready": True, "status": 4, "values": []}}
        told = {"type": "result", "success": True, "messageId": command["messageId"], "result": result}
        await socket.send_json(told)


@asynccontextmanager
async def running() -> AsyncIterator[Upstream]:
    upstream = Upstream()
    await upstream.start()
    try:
        yield upstream
    finally:
        await upstream.stop()


async def until(predicate: Any, seconds: float = 5.0) -> None:
    """Wait until `predicate()` is true."""
    async with asyncio.timeout(seconds):
        while not predicate():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
