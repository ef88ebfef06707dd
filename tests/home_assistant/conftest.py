"""A Home Assistant in an emulated house.

`zha` is the fixture most tests want: ZHA, loaded, on a network of its own. `house` is the house. What the harness
checks after each test (no task, timer or thread is left) holds here, too.
"""

from __future__ import annotations

import asyncio
import functools
import importlib.metadata
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import bellows.ash
import bellows.ezsp
import homeassistant.components.zha.radio_manager
import pytest
import pytest_socket
import zha_house
import zhaquirks
from frontend import Frontend
from homeassistant.core import Context, HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockUser
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator, WebSocketGenerator
from zha.application import gateway as zha_gateway
from zha_house import Zha
from zigpy.application import ControllerApplication
from zwave_home import Zwave

from hubsec_emulated.house import House
from hubsec_emulated.zwave.house import ZWaveHouse

ROOT = Path(__file__).parents[2]

# The harness has a package of this name, too, which is found otherwise. The root is not put on the path instead: hubsec
# is to come from the wheel.
_components = ModuleType("custom_components")
_components.__path__ = [str(ROOT / "custom_components")]
sys.modules["custom_components"] = _components


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Let one process run all tests of Z-Wave: each that does starts a server of its own, which takes seconds."""
    for item in items:
        if "zwave_house" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("zwave"))


@pytest.fixture
def zigbee_house_options(request: pytest.FixtureRequest) -> dict[str, object]:
    """How `house` is made: no frame is kept, unless the test's marker `zigbee_house` says ``record=True``."""
    marker = request.node.get_closest_marker("zigbee_house")
    return {"seed": 1, "scale": 20.0, "record": False, **({} if marker is None else marker.kwargs)}


@pytest.fixture(autouse=True)
def enable_event_loop_debug(event_loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What asyncio's debug mode, which the harness turns on, is wanted for: nobody calls the loop from another thread.

    It also keeps the stack of every future and every callback, which takes longer than all that is tested. Who looks
    for where one was made sets PYTHONASYNCIODEBUG=1.
    """
    home = threading.get_ident()

    def checked[**P, R](call: Callable[P, R]) -> Callable[P, R]:
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            if threading.get_ident() != home:
                raise RuntimeError("The event loop was called from a thread that is not its own.")
            return call(*args, **kwargs)

        return called

    for name in ("call_soon", "call_at"):
        monkeypatch.setattr(event_loop, name, checked(getattr(event_loop, name)))


@pytest.fixture(autouse=True, scope="session")
def _read_once() -> Iterator[None]:
    """Read once what is installed, which no test changes: all packages' entry points, and ZHA's quirks."""
    with (
        patch.object(importlib.metadata, "entry_points", functools.cache(importlib.metadata.entry_points)),
        patch.object(zha_gateway, "setup_quirks", functools.cache(zhaquirks.setup)),
    ):
        yield


@pytest.fixture(autouse=True)
def _loopback() -> None:
    """Let tests reach this machine; the harness goes on refusing all others."""
    pytest_socket.enable_socket()


@pytest.fixture
def house(zigbee_house: House) -> House:
    """An open house, with a blank stick."""
    return zigbee_house


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the seconds that ZHA and bellows sleep for the sake of slow hardware: ZHA after it looked at its
    database, bellows on a socket in case the other end says by itself that it was reset."""
    monkeypatch.setattr(homeassistant.components.zha.radio_manager, "CONNECT_DELAY_S", 0.0)
    monkeypatch.setattr(bellows.ezsp, "NETWORK_COORDINATOR_STARTUP_RESET_WAIT", 0.01)


@pytest.fixture(autouse=True)
def _unfetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetch what two kinds of tasks raise when the connection ends under them: bellows' own for a frame, and the one
    that changes the policy back after a window. Nobody else does, and Home Assistant would be told of an exception that
    nobody fetched, or not, depending on the moment."""

    def fetched(begin: Callable[..., asyncio.Task[Any]]) -> Callable[..., asyncio.Task[Any]]:
        def begun(*args: Any, **kwargs: Any) -> asyncio.Task[Any]:
            task = begin(*args, **kwargs)
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            return task

        return begun

    for place, name in ((bellows.ash, "create_eager_task"), (ControllerApplication, "create_task")):
        monkeypatch.setattr(place, name, fetched(getattr(place, name)))


@pytest.fixture
def load_registries() -> bool:
    """The harness' registries, which forget, are not wanted: `hass` has real ones."""
    return False


@pytest.fixture
async def hass(hass: HomeAssistant, tmp_path: Path) -> HomeAssistant:
    """A running Home Assistant. Its files are in `tmp_path`, its storage is in memory and outlives a restart."""
    hass.config.config_dir = str(tmp_path)
    await zha_house.load_registries(hass)
    return hass


@pytest.fixture
async def unstarted_zha(house: House, hass: HomeAssistant) -> AsyncIterator[Zha]:
    """ZHA on the house's stick, not set up yet."""
    zha = Zha(hass, house)
    yield zha
    await zha.stop()


@pytest.fixture
async def zha(unstarted_zha: Zha) -> Zha:
    """ZHA, loaded, on a network that it formed."""
    await unstarted_zha.started()
    return unstarted_zha


@pytest.fixture
async def zwave(zwave_house: ZWaveHouse, hass: HomeAssistant) -> AsyncIterator[Zwave]:
    """Z-Wave JS, loaded, on an empty network. All such tests of a process share one server."""
    zwave = Zwave(hass, zwave_house)
    await zwave.start()
    yield zwave
    await zwave.stop()


@pytest.fixture
async def frontend(
    zha: Zha, hass_client: ClientSessionGenerator, hass_ws_client: WebSocketGenerator
) -> Frontend:
    """The pages of Home Assistant, in an administrator's browser."""
    return await _pages(zha.hass, hass_client, hass_ws_client)


@pytest.fixture
async def zwave_frontend(
    zwave: Zwave, hass_client: ClientSessionGenerator, hass_ws_client: WebSocketGenerator
) -> Frontend:
    """The same, where Z-Wave JS runs."""
    return await _pages(zwave.hass, hass_client, hass_ws_client)


async def _pages(
    hass: HomeAssistant, client: ClientSessionGenerator, websocket: WebSocketGenerator
) -> Frontend:
    for page in ("websocket_api", "config", "repairs", "diagnostics"):
        assert await async_setup_component(hass, page, {})
    return Frontend(hass, await client(), await websocket(hass))


@pytest.fixture
def admin(hass_admin_user: MockUser) -> Context:
    """The context of what an administrator does."""
    return Context(user_id=hass_admin_user.id)
