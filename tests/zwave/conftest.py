from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio

from tests.zwave.guarded import attached, host_client, own

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from hubsec_emulated import ZWaveHouse
    from tests.zwave.guarded import Guarded, HostClient


@pytest.fixture(autouse=True)
def no_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiohttp sets its heartbeat's timer anew when the answer to its own closing comes, and leaves it behind."""
    connect = aiohttp.ClientSession.ws_connect

    def ws_connect(self: aiohttp.ClientSession, *arguments: Any, **options: Any) -> Any:
        return connect(self, *arguments, **{**options, "heartbeat": None})

    monkeypatch.setattr(aiohttp.ClientSession, "ws_connect", ws_connect)


@pytest_asyncio.fixture
async def host(zwave_house: ZWaveHouse) -> AsyncIterator[HostClient]:
    """A host's client, straight to the server."""
    async with host_client(zwave_house) as host:
        yield host


@pytest_asyncio.fixture
async def guarded(zwave_house: ZWaveHouse, tmp_path: Path) -> AsyncIterator[Guarded]:
    """A hub with a connection of its own."""
    async with own(zwave_house, tmp_path) as guarded:
        yield guarded


@pytest_asyncio.fixture
async def guard(zwave_house: ZWaveHouse, host: HostClient, tmp_path: Path) -> AsyncIterator[Guarded]:
    """A hub that guards `host`."""
    async with attached(zwave_house, host.client, tmp_path) as guarded:
        yield guarded
