from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from tests.emulated.zwave.host import Host, connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hubsec_emulated import ZWaveHouse


@pytest_asyncio.fixture
async def host(zwave_house: ZWaveHouse) -> AsyncIterator[Host]:
    async with connected(zwave_house) as host:
        yield host
