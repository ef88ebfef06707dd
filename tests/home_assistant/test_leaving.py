"""hubsec leaves what it found: the trust center's policies, ZHA's methods, and nothing of its own. Where it is ZHA that
leaves, the network stays shut."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from guarded import DOMAIN, SETTLED, SHUT, ZHAS, GuardedZha, guarded, stick
from homeassistant.const import EVENT_HOMEASSISTANT_FINAL_WRITE, EVENT_HOMEASSISTANT_STOP
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.dispatcher import DATA_DISPATCHER
from zha_house import Zha, end_radio_tasks

from hubsec.events import GuardDetached
from hubsec.identity import Mode

pytestmark = pytest.mark.usefixtures("enable_custom_integrations")


_OTHERS = (EVENT_HOMEASSISTANT_FINAL_WRITE, EVENT_HOMEASSISTANT_STOP)
"""What Home Assistant's own stores listen to while they have something to write, and what the first entity of each
domain leaves there; so are the signals of discovery."""


@pytest.fixture
async def settled(zha: Zha) -> Zha:
    """ZHA, once all that its start began is over, with a lamp."""
    await zha.admitted(zha.house.lamp())
    await zha.entity(zha.house.devices[0], "light")
    await zha.house.sleep(20)  # By then it has steered, which opens the network for others.
    await zha.close()
    await asyncio.sleep(SETTLED)
    assert stick(zha.house) == ZHAS
    return zha


def insides(zha: Zha) -> dict[str, Any]:
    """All that a guard could have changed in ZHA, and all that it could have left in Home Assistant."""
    app, hass = zha.app, zha.hass
    ezsp = app._ezsp
    return {
        "app": {name: value for name, value in vars(app).items() if callable(value)},
        "ezsp": {name: value for name, value in vars(ezsp).items() if callable(value)},
        "protocol": {name: value for name, value in vars(ezsp._protocol).items() if callable(value)},
        "callbacks": ezsp._protocol._handle_callback,
        "zigpy": len(app._listeners),
        "bus": {kind: n for kind, n in hass.bus.async_listeners().items() if n and kind not in _OTHERS},
        "signals": {
            str(signal): len(there)
            for signal, there in hass.data[DATA_DISPATCHER].items()
            if there and not str(signal).startswith("discovery.")
        },
        "filters": {
            name: list(logger.filters)
            for name, logger in logging.Logger.manager.loggerDict.items()
            if name.startswith(("bellows", "zigpy", "zha", "aiosqlite")) and getattr(logger, "filters", None)
        },
    }


def of_hubsec() -> list[str]:
    """The tasks that run code of hubsec's."""
    return [
        task.get_name()
        for task in asyncio.all_tasks()
        if "hubsec" in str(task.get_coro()) and "emulated" not in str(task.get_coro())
    ]


async def left(zha: Zha, before: dict[str, Any]) -> None:
    """All is as it was."""
    await zha.hass.async_block_till_done()
    after = insides(zha)
    for what, there in before.items():
        assert after[what] == there, what
    now = stick(zha.house)
    # A key for everybody is not given back: it would have run out by itself, and to import one is to open the network.
    assert now == ZHAS._replace(transient=())
    assert [task for task in of_hubsec() if "test_" not in task] == []


def home(hass: HomeAssistant, guard: GuardedZha) -> Path:
    return Path(hass.config.path(DOMAIN, str(guard.entry.unique_id)))


async def test_unloading_observing_and_removing_leave_what_was_there(
    settled: Zha, hass: HomeAssistant
) -> None:
    zha, lamp = settled, settled.house.devices[0]
    before = insides(zha)

    guard = await guarded(zha, adopt=[lamp])
    await guard.stands()
    network = guard.network
    assert insides(zha) != before
    await guard.unload()
    await left(zha, before)
    assert [event.restored for event in network.recent if isinstance(event, GuardDetached)] == [True]

    await guard.set_up()
    await guard.stands()
    await guard.choose(Mode.OBSERVE)
    await guard.is_now("stands")
    assert stick(zha.house) == ZHAS._replace(transient=())
    await zha.permit(60)
    assert stick(zha.house).permits
    await zha.close()
    await asyncio.sleep(SETTLED)
    await guard.choose(Mode.ENFORCE)
    await guard.stands()

    folder = home(hass, guard)
    assert {oct(path.stat().st_mode & 0o777) for path in (folder, *folder.iterdir())} <= {"0o700", "0o600"}
    await guard.remove()
    await left(zha, before)
    assert not folder.exists()
    assert dr.async_entries_for_config_entry(dr.async_get(hass), guard.entry.entry_id) == []
    assert er.async_entries_for_config_entry(er.async_get(hass), guard.entry.entry_id) == []
    assert [issue for domain, issue in ir.async_get(hass).issues if domain == DOMAIN] == []
    await zha.permit(60)
    assert stick(zha.house).permits
    await zha.close()


async def test_when_zha_is_unloaded_or_home_assistant_stops_the_stick_stays_shut(settled: Zha) -> None:
    zha = settled
    guard = await guarded(zha, adopt=zha.house.devices)
    await guard.stands()
    assert await zha.unload()
    assert stick(zha.house) == SHUT
    # With the stack gone, nothing is given back to it, whatever becomes of hubsec.
    await guard.reload()
    assert stick(zha.house) == SHUT
    assert await zha.setup()
    await guard.stands()
    await zha.hass.async_stop(force=True)
    await end_radio_tasks()
    assert stick(zha.house) == SHUT
    assert guard.network.hub is None
    assert of_hubsec() == []
