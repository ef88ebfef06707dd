"""pytest fixtures for emulated houses. The emulator is imported when a fixture is used, not before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING

import pytest

try:
    from pytest_asyncio import fixture as async_fixture
except ImportError:  # another plugin (anyio's) may run asynchronous fixtures
    async_fixture = pytest.fixture  # type: ignore[assignment]  # used in the same way

if TYPE_CHECKING:
    from hubsec_emulated.house import House
    from hubsec_emulated.zwave.house import ZWaveHouse
    from hubsec_emulated.zwave.pool import Pool


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker that the fixtures read."""
    config.addinivalue_line(
        "markers",
        "zigbee_house(**options): how the zigbee_house fixture makes its House, e.g. seed=7, loss=0.1",
    )
    config.addinivalue_line(
        "markers",
        "zwave_house(**options): how the zwave_house fixture makes its ZWaveHouse, e.g. seed=7, tx_delay=10",
    )


@pytest.fixture
def zigbee_house_options(request: pytest.FixtureRequest) -> dict[str, object]:
    """What `zigbee_house` passes to House: the keywords of the `zigbee_house` marker. Override it to set your own."""
    marker = request.node.get_closest_marker("zigbee_house")
    return {} if marker is None else dict(marker.kwargs)


@async_fixture
async def zigbee_house(zigbee_house_options: dict[str, object]) -> AsyncIterator[House]:
    """An open :class:`~hubsec_emulated.house.House`; its `url` is what a host connects to."""
    from hubsec_emulated.house import House  # noqa: PLC0415 - not before a test needs it

    make: Callable[..., House] = House
    async with make(**zigbee_house_options) as house:
        yield house


@pytest.fixture(scope="session")
def zwave_pool() -> Iterator[Pool]:
    """The processes that the session's Z-Wave houses stand on, one house after the other."""
    from hubsec_emulated.zwave.pool import Pool  # noqa: PLC0415 - not before a test needs it

    pool = Pool()
    yield pool
    pool.close()


@pytest.fixture
def zwave_house_options(request: pytest.FixtureRequest) -> dict[str, object]:
    """What `zwave_house` passes to ZWaveHouse: the keywords of the `zwave_house` marker. Override to set your own."""
    marker = request.node.get_closest_marker("zwave_house")
    return {} if marker is None else dict(marker.kwargs)


@async_fixture
async def zwave_house(zwave_pool: Pool, zwave_house_options: dict[str, object]) -> AsyncIterator[ZWaveHouse]:
    """An open, empty :class:`~hubsec_emulated.zwave.house.ZWaveHouse`; its `url` is what a client connects to."""
    async with zwave_pool.house(**zwave_house_options) as house:
        yield house
