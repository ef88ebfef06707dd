"""Everything once through hubsec's gate: Z-Wave JS connects to it, and hubsec stands on that client as on any."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import Context, HomeAssistant
from pytest_homeassistant_custom_component.typing import WebSocketGenerator
from zha_house import until
from zwave_home import DEFAULT, INSECURE, AddDevice, Zwave, guarded_zwave
from zwave_js_server.exceptions import FailedCommand

import hubsec_zwave.gate.probing
from hubsec import Hub
from hubsec.events import Joined, RadioLost
from hubsec_emulated.zwave.house import ZWaveHouse
from hubsec_zwave import Role, ZwaveJs
from hubsec_zwave.gate import Credentials, Gate

pytestmark = pytest.mark.usefixtures("enable_custom_integrations")


class Gated(Zwave):
    """Z-Wave JS behind a gate. `hub` is the gate's."""

    hub: Hub


@pytest.fixture
async def gated(
    zwave_house: ZWaveHouse, hass: HomeAssistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Gated]:
    """Z-Wave JS, loaded, connected to the gate by a credential of its own."""
    # The harness lets nobody try this machine's other addresses; the server of the house listens on none of them.
    monkeypatch.setattr(hubsec_zwave.gate.probing, "own_addresses", list)
    async with AsyncExitStack() as stack:
        radio = ZwaveJs(zwave_house.url, gaps=())
        hub = await stack.enter_async_context(Hub(radio, policy="home", home=tmp_path / "gate"))
        credentials = Credentials(tmp_path / "gate")
        issued = credentials.add("home-assistant", Role.INCLUDE)
        gate = await stack.enter_async_context(Gate(zwave_house.url, radio.judge, credentials))
        zwave = Gated(hass, zwave_house, issued.url(gate.url))
        zwave.hub = hub
        await zwave.start()
        yield zwave
        await zwave.stop()


async def test_everything_goes_through_the_gate(
    gated: Gated, hass_ws_client: WebSocketGenerator, admin: Context
) -> None:
    home = await guarded_zwave(gated)
    assert home.standing == "stands"
    answer = await home.call("list", context=admin)
    assert answer["networks"][0]["gaps"] == []  # Nobody else reaches the server.

    page = AddDevice(gated, await hass_ws_client(gated.hass))
    refused = await page.ask("add_node", inclusion_strategy=INSECURE)
    assert refused["error"]["message"].startswith("hubsec includes nobody without S2")
    assert (await page.ask("subscribe_s2_inclusion"))["success"]
    assert (await page.ask("add_node", inclusion_strategy=DEFAULT))["success"]
    lamp = gated.house.lamp()
    lamp.press_button()
    await page.hear("validate dsk and enter pin")
    assert (await page.ask("validate_dsk_and_enter_pin", pin=lamp.pin))["success"]
    await page.hear("node added")
    await gated.ready(lamp)
    light = await gated.entity(lamp, "light")
    # Both have it on their lists: each on the word of whom it was asked by.
    assert home.network.hub.allowlist[home.identity(lamp)].approved_by == "host"
    assert gated.hub.allowlist[home.identity(lamp)].approved_by.startswith("client:home-assistant")

    plug = gated.house.plug()
    answer = await home.call("admit", sticker=plug.sticker, name="Plug", context=admin)
    plug.power_on()
    await until(lambda: len(home.heard(Joined)) == 2, "The plug's joining")
    await gated.ready(plug)
    assert plug.keys_held == {"S2_Authenticated"}
    await gated.entity(plug, "switch")

    # What hubsec opens here, and closes again, is closed at the gate.
    late = gated.house.plug()
    await home.call("admit", sticker=late.sticker, name="Late", context=admin)
    await gated.hass.services.async_call(
        "button", "press", {"entity_id": home.entity_id("button", "close_joining")}, blocking=True
    )
    late.power_on()

    # Whom the gate shuts out, Home Assistant sees nothing of, and the other way round.
    await gated.hub.quarantine(home.identity(lamp), "It blinks.")
    await until(lambda: gated.state(light) == STATE_UNAVAILABLE, "The light's going")
    with pytest.raises(FailedCommand, match="It blinks"):
        await gated.controller.nodes[lamp.node_id].async_ping()
    await gated.hub.release(home.identity(lamp))
    await until(lambda: gated.state(light) != STATE_UNAVAILABLE, "The light's coming back")
    await home.call("quarantine", device=home.identity(lamp), reason="It blinks.", context=admin)
    await until(lambda: gated.state(light) == STATE_UNAVAILABLE, "The light's going")
    await home.call("release", device=home.identity(lamp), context=admin)
    await until(lambda: gated.state(light) != STATE_UNAVAILABLE, "The light's coming back")

    assert await gated.reload()
    await home.is_now("stands")
    assert not home.heard(RadioLost)[1:]  # That was the reload's.
    assert late.node_id is None
