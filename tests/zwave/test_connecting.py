"""A connection that does not come about says why, and what would."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from zwave_js_server.const import MAX_SERVER_SCHEMA_VERSION, MIN_SERVER_SCHEMA_VERSION, __version__

from hubsec import Hub
from hubsec.errors import RadioError
from hubsec_zwave import Limits, ZwaveJs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

QUICK = Limits(connect=0.5)


@asynccontextmanager
async def server(
    version: dict[str, Any] | None, then: Callable[[Any], Any] | None = None
) -> AsyncIterator[str]:
    """Something that says `version` to whoever connects, and does `then` with each of its messages."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if version is not None:
            await socket.send_json(version)
        async for message in socket:
            if then is None:
                continue
            answer = then(json.loads(message.data))
            if answer is None:
                await socket.close()
            else:
                await socket.send_json(answer)
        return socket

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        yield f"ws://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def speaks(least: int, most: int, version: str) -> dict[str, Any]:
    return {
        "type": "version",
        "driverVersion": "15.29.0",
        "serverVersion": version,
        "homeId": 1,
        "minSchemaVersion": least,
        "maxSchemaVersion": most,
    }


async def open_at(url: str, home: Path) -> str:
    with pytest.raises(RadioError) as raised:
        async with Hub(ZwaveJs(url, limits=QUICK), home=home):
            pass
    return str(raised.value)


async def test_a_server_that_is_too_old_is_named_with_what_to_install(tmp_path: Path) -> None:
    async with server(speaks(0, 20, "1.20.0")) as url:
        told = await open_at(url, tmp_path)
    assert __version__ in told
    assert f"{MIN_SERVER_SCHEMA_VERSION} to {MAX_SERVER_SCHEMA_VERSION}" in told
    assert "1.20.0" in told
    assert "newer server" in told


async def test_a_server_that_is_too_new_is_told_from_one_that_is_too_old(tmp_path: Path) -> None:
    async with server(speaks(51, 60, "4.0.0")) as url:
        told = await open_at(url, tmp_path)
    assert "51" in told
    assert "newer zwave-js-server-python" in told


async def test_a_client_that_is_too_new_for_the_server_is_told_which_one_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Client 0.74.0 wants schema 51; server 3.10.2, the newest there is, speaks 50 at most."""
    for module in ("zwave_js_server.client", "hubsec_zwave.connecting"):
        monkeypatch.setattr(f"{module}.MIN_SERVER_SCHEMA_VERSION", 51)
    async with server(speaks(0, 50, "3.10.2")) as url:
        told = await open_at(url, tmp_path)
    assert "zwave-js-server-python 0.73.1" in told


async def test_nobody_there(tmp_path: Path) -> None:
    assert "can't be reached" in await open_at("ws://127.0.0.1:9", tmp_path)


async def test_somebody_who_says_nothing(tmp_path: Path) -> None:
    async with server(None) as url:
        assert "did not answer within 0.5 s" in await open_at(url, tmp_path)


@pytest.mark.parametrize(
    "answer", [None, {"type": "result", "success": False}, {}, {"type": "result", "success": True}]
)
async def test_somebody_who_ends_it_or_talks_nonsense(tmp_path: Path, answer: dict[str, Any] | None) -> None:
    said: list[str] = []

    def then(message: dict[str, Any]) -> dict[str, Any] | None:
        said.append(message["command"])
        return None if answer is None else {**answer, "messageId": message["messageId"]}

    async with server(speaks(0, 50, "3.10.2"), then) as url:
        assert await open_at(url, tmp_path)
    assert said[0] == "initialize"
    await asyncio.sleep(0)


async def test_no_websocket(tmp_path: Path) -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=404)

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    try:
        assert "can't be reached" in await open_at(f"ws://127.0.0.1:{port}", tmp_path)
    finally:
        await runner.cleanup()
