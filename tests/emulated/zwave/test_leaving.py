"""How a node leaves: excluded, removed as failed, replaced; and what a restart of the server does to it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from hubsec_emulated.errors import NotInTimeError
from tests.emulated.zwave.host import CommandError, Host, connected

if TYPE_CHECKING:
    from hubsec_emulated import ZWaveHouse

pytestmark = pytest.mark.slow

EXCLUDED, FAILED, REPLACED = 0, 2, 3
"""Reasons of `node removed`."""
MULTILEVEL_SWITCH = 38
TARGET = {"commandClass": MULTILEVEL_SWITCH, "endpoint": 0, "property": "targetValue"}
REPORTED = [("currentValue", 40), ("currentValue", 41)]
CURRENT = {"commandClass": MULTILEVEL_SWITCH, "endpoint": 0, "property": "currentValue"}


async def test_a_button_excludes_a_node(zwave_house: ZWaveHouse, host: Host) -> None:
    lamp = zwave_house.lamp()
    await host.include(lamp)
    await host.command("controller.begin_exclusion")
    lamp.press_button()
    removed = await host.event("node removed")
    assert removed["reason"] == EXCLUDED
    await zwave_house.wait_until(lambda: lamp.node_id is None and not lamp.keys_held)
    added = await host.include(lamp)
    assert added["node"]["nodeId"] == 3


async def test_a_live_node_can_t_be_removed_as_failed_and_a_silent_one_can(
    zwave_house: ZWaveHouse, host: Host
) -> None:
    lamp = zwave_house.lamp()
    await host.include(lamp)
    await host.ready(2)
    with pytest.raises(CommandError) as refused:
        await host.command("controller.remove_failed_node", nodeId=2)
    assert refused.value.number == 360
    lamp.power_off()
    await host.command("controller.remove_failed_node", nodeId=2)
    removed = await host.event("node removed")
    assert removed["reason"] == FAILED
    assert lamp.node_id == 2, "nobody told it"
    lamp.factory_reset()
    await zwave_house.wait_until(lambda: lamp.node_id is None)


async def test_a_new_device_takes_a_failed_node_s_place(zwave_house: ZWaveHouse, host: Host) -> None:
    lamp, new = zwave_house.lamp(), zwave_house.lamp()
    await host.include(lamp)
    await host.ready(2)
    lamp.power_off()
    host.events.clear()
    host.pin = new.pin
    await host.command("controller.replace_failed_node", nodeId=2, options={"strategy": 4})
    new.press_button()
    assert (await host.event("node removed"))["reason"] == REPLACED
    added = await host.event("node added")
    assert added["node"]["nodeId"] == 2
    assert added["result"] == {"lowSecurity": False}
    await zwave_house.wait_until(lambda: new.node_id == 2 and "S2_Authenticated" in new.keys_held)


async def test_a_node_that_is_off_answers_nothing(zwave_house: ZWaveHouse, host: Host) -> None:
    lamp = zwave_house.lamp()
    await host.include(lamp)
    await host.ready(2)
    lamp.power_off()
    assert (await host.command("node.ping", nodeId=2))["responded"] is False
    await host.event("dead", "node")
    lamp.power_on()
    assert (await host.command("node.ping", nodeId=2))["responded"] is True
    await host.command("node.set_value", nodeId=2, valueId=TARGET, value=30)
    await zwave_house.wait_until(lambda: lamp.state == 30)


async def test_stop_before_anybody_came(zwave_house: ZWaveHouse, host: Host) -> None:
    await host.command("controller.begin_inclusion", options={"strategy": 0})
    assert (await host.command("controller.stop_inclusion"))["success"] is True
    await host.command("controller.begin_exclusion")
    assert (await host.command("controller.stop_exclusion"))["success"] is True
    lamp = zwave_house.lamp()
    lamp.press_button()
    await zwave_house.settle()
    assert lamp.node_id is None
    await host.include(lamp)


async def test_a_device_of_no_network_can_be_excluded(zwave_house: ZWaveHouse, host: Host) -> None:
    lamp = zwave_house.lamp()
    await host.command("controller.begin_exclusion")
    lamp.press_button()
    await host.event("exclusion stopped")
    assert host.of("node removed") == []


async def test_a_restart_on_the_same_keys_changes_nothing(zwave_house: ZWaveHouse) -> None:
    lamp = zwave_house.lamp()
    async with connected(zwave_house) as host:
        await host.include(lamp)
        await host.ready(2)
    await zwave_house.restart_server()
    async with connected(zwave_house) as host:
        await zwave_house.settle()
        assert await host.highest(2) == "S2_Authenticated"
        await host.command("node.set_value", nodeId=2, valueId=TARGET, value=30)
        await zwave_house.wait_until(lambda: lamp.state == 30)
        # The first report may find that the server has forgotten which nonce is next, and is lost with that.
        for value in (40, 41):
            lamp.report(value)
            with suppress(NotInTimeError):
                await zwave_house.wait_until(lambda: any(told in REPORTED for told in host.values(2)), 15)
                break
        assert any(told in REPORTED for told in host.values(2))


async def test_after_a_restart_on_other_keys_nobody_understands_anybody(zwave_house: ZWaveHouse) -> None:
    lamp = zwave_house.lamp()
    async with connected(zwave_house) as host:
        await host.include(lamp)
        await host.ready(2)
    # Not killed: what the interview found out may not be in the server's cache yet, and there would be no second one.
    await zwave_house.restart_server(
        keys={name: key[::-1] for name, key in zwave_house.keys.items()}, kill=False
    )
    async with connected(zwave_house) as host:
        await zwave_house.settle()
        assert await host.highest(2) == "S2_Authenticated", "so the server believes"
        assert (await host.command("node.ping", nodeId=2))["responded"] is True
        before = (await host.statistics(2))["commandsDroppedRX"]
        lamp.report(40)
        await zwave_house.settle()
        assert host.values(2) == []
        assert (await host.statistics(2))["commandsDroppedRX"] > before
        with pytest.raises(CommandError) as failed:
            await host.command("node.poll_value", nodeId=2, valueId=CURRENT)
        assert failed.value.number == 1405
        assert lamp.state == 40
