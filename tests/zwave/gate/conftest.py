from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, ClientWebSocketResponse

from hubsec_zwave.gate import Credentials, Gate, Issued, Limits, Seen
from hubsec_zwave.roles import Role
from tests.zwave.fakes import FakeJudge
from tests.zwave.gate.upstream import Upstream, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

QUICK = Limits(look=0.02, slow=0.5, close=0.2, login=0.5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "hub"
    path.mkdir(mode=0o700)
    return path


@dataclass
class Stage:
    """A gate in front of a server, with whatever a test of it needs."""

    upstream: Upstream
    judge: FakeJudge
    credentials: Credentials
    gate: Gate
    http: ClientSession
    seen: list[Seen] = field(default_factory=list)

    def issue(self, role: Role, name: str | None = None) -> Issued:
        return self.credentials.add(name or role, role)

    async def connect(self, issued: Issued | str, **options: Any) -> ClientWebSocketResponse:
        """A client that was told the version."""
        secret = issued if isinstance(issued, str) else issued.bearer()
        headers = {"Authorization": f"Bearer {secret}"}
        socket = await self.http.ws_connect(self.gate.url, headers=headers, **options)
        assert (await socket.receive_json())["type"] == "version"
        return socket

    async def enter(self, role: Role) -> ClientWebSocketResponse:
        return await self.connect(self.issue(role))

    def kinds(self) -> list[str]:
        return [one.kind for one in self.seen]


async def ask(socket: ClientWebSocketResponse, command: str, **more: Any) -> dict[str, Any]:
    """The answer to a command, with what was told before it left out."""
    await socket.send_json({"messageId": command, "command": command, **more})
    while True:
        told: dict[str, Any] = await socket.receive_json()
        if told["type"] == "result":
            return told


def basic(name: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


@pytest.fixture
def limits() -> Limits:
    return QUICK


@pytest_asyncio.fixture
async def stage(folder: Path, limits: Limits) -> AsyncIterator[Stage]:
    judge, credentials = FakeJudge(), Credentials(folder)
    seen: list[Seen] = []
    async with running() as upstream, ClientSession() as http:
        gate = Gate(upstream.url, judge, credentials, limits=limits, seen=seen.append)
        async with gate:
            yield Stage(upstream, judge, credentials, gate, http, seen)
