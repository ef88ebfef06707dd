"""Whatever comes and goes, in whatever order: the guard follows Z-Wave JS, and leaves it as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import Context
from homeassistant.exceptions import ServiceValidationError
from zha_house import until
from zwave_home import GuardedZwave, Zwave, guarded_zwave, other_client
from zwave_js_server.client import Client
from zwave_js_server.const import InclusionStrategy
from zwave_js_server.model.controller import Controller

from hubsec.events import GuardDetached, OpenRefused, RadioLost

pytestmark = pytest.mark.usefixtures("enable_custom_integrations")


@contextmanager
def canaries(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """How each try to begin an inclusion by the controller ended."""
    ended: list[str] = []
    begin = Controller.async_begin_inclusion

    async def begun(self: Controller, *args: Any, **kwargs: Any) -> bool:
        try:
            done = await begin(self, *args, **kwargs)
        except Exception as error:
            ended.append(getattr(error, "rule", type(error).__name__))
            raise
        ended.append("began")
        return done

    with monkeypatch.context() as patch:
        patch.setattr(Controller, "async_begin_inclusion", begun)
        yield ended


def insides(client: Client) -> dict[str, Any]:
    """What stands on the client itself, and would not be there without a guard."""
    return {name: value for name, value in vars(client).items() if callable(value)}


async def refuses(home: GuardedZwave) -> None:
    """Wait until the guard stands, and try it."""
    await home.is_now("stands")
    with pytest.raises(ServiceValidationError):
        await home.zwave.controller.async_begin_inclusion(InclusionStrategy.INSECURE)


async def test_the_guard_follows_a_reload_and_the_server_s_restart(
    zwave: Zwave, admin: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    lamp = await zwave.included(zwave.house.lamp())
    with canaries(monkeypatch) as sung:
        home = await guarded_zwave(zwave, adopt=[lamp])
        await refuses(home)
        assert sung == ["canary", "insecure-inclusion"]
        await home.call("quarantine", device=zwave.address(lamp), reason="It blinks.", context=admin)
        light = await zwave.entity(lamp, "light")

        before = zwave.client
        assert await zwave.reload()
        assert zwave.client is not before
        await refuses(home)
        assert sung == ["canary", "insecure-inclusion"] * 2
        await until(lambda: zwave.state(light) == STATE_UNAVAILABLE, "The lamp's being shut off again")

        await zwave.house.restart_server()
        await until(lambda: zwave.entry.state is not ConfigEntryState.LOADED, "Losing the server")
        await until(lambda: home.standing == "waiting", "The guard's waiting")
        assert home.entity("protected") == "off"
        assert home.heard(RadioLost)
        if zwave.entry.state is ConfigEntryState.SETUP_RETRY:  # It would try again in some seconds.
            await zwave.reload()
        await zwave.loaded()
        await refuses(home)
        assert sung == ["canary", "insecure-inclusion"] * 3
        await until(lambda: zwave.state(light) == STATE_UNAVAILABLE, "The lamp's being shut off again")


async def test_it_waits_for_z_wave_js_and_leaves_the_client_as_it_was(zwave: Zwave) -> None:
    before = insides(zwave.client)
    home = await guarded_zwave(zwave)
    assert insides(zwave.client) != before
    assert await zwave.unload()
    await home.is_now("waiting")
    assert await zwave.setup()
    await refuses(home)
    await home.unload()
    assert insides(zwave.client) == before
    assert await zwave.controller.async_begin_inclusion(InclusionStrategy.INSECURE)
    assert await zwave.controller.async_stop_inclusion()

    assert await zwave.unload()
    await home.set_up()
    await home.is_now("waiting")
    assert await zwave.setup()
    await refuses(home)
    (network,) = home.network.posture.networks
    assert network.adopted
    await home.remove()
    assert insides(zwave.client) == before
    assert not home.network.home.exists()


async def test_a_guard_that_was_passed_by_says_so(zwave: Zwave, monkeypatch: pytest.MonkeyPatch) -> None:
    home = await guarded_zwave(zwave)
    with monkeypatch.context() as patch:
        # Something of somebody's that goes past what hubsec stands in.
        async def past(self: Controller, *_: Any, **__: Any) -> bool:
            return True

        patch.setattr(Controller, "async_begin_inclusion", past)
        assert await zwave.reload()
        await home.is_now("silent")
    assert await zwave.reload()
    await refuses(home)


async def test_what_another_client_of_the_server_begins_is_ended(zwave: Zwave) -> None:
    home = await guarded_zwave(zwave)
    plug = zwave.house.plug(security="none")
    async with other_client(zwave.house) as other:
        assert other.driver is not None
        await other.driver.controller.async_begin_inclusion(InclusionStrategy.INSECURE)
        await until(lambda: home.heard(OpenRefused), "The guard's hearing of it")
        assert home.heard(OpenRefused)[0].asker == "another client of the server"
        await zwave.house.settle()
        plug.press_button()
        await zwave.house.settle()
    assert plug.node_id is None
    await home.unload()
    assert [one.restored for one in home.heard(GuardDetached)] == [True]
