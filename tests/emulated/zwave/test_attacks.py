"""What a client of the real server sees of frames that an attacker puts on the air."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from hubsec_emulated.errors import EmulationError
from tests.emulated.zwave.host import INSECURE

if TYPE_CHECKING:
    from hubsec_emulated import ZWaveHouse
    from hubsec_emulated.zwave.device import ZWaveDevice
    from tests.emulated.zwave.host import Host

pytestmark = pytest.mark.slow

FLOOD = 20
REPEATED_WITHIN = 0.6
"""Seconds after a report in which a device takes a nonce for a sign that it was not understood, and says it again."""


@pytest_asyncio.fixture
async def lamp(zwave_house: ZWaveHouse, host: Host) -> ZWaveDevice:
    """A lamp under S2 that has just said 10."""
    lamp = zwave_house.lamp()
    await host.include(lamp)
    await host.ready(2)
    lamp.report(10)
    await zwave_house.wait_until(lambda: ("currentValue", 10) in host.values(2))
    await zwave_house.settle()
    await host.command("driver.update_log_config", config={"enabled": True, "level": "silly"})
    host.events.clear()  # all of the report's are here: they came before the answer
    await host.command("driver.start_listening_logs")
    return lamp


async def gains(zwave_house: ZWaveHouse, host: Host, what: Any) -> dict[str, int]:
    """Which of a node's counters go up by how much when this happens."""
    before = await host.statistics(2)
    what()
    await zwave_house.settle()
    after = await host.statistics(2)
    names = ("commandsRX", "commandsDroppedRX")
    return {name: after[name] - before[name] for name in names if after[name] > before[name]}


def logged(host: Host, text: str) -> bool:
    return any(text in str(event["formattedMessage"]) for event in host.of("logging", "driver"))


async def test_a_plain_report_of_a_secure_node_is_discarded(
    zwave_house: ZWaveHouse, host: Host, lamp: ZWaveDevice
) -> None:
    assert await gains(zwave_house, host, lambda: zwave_house.attacker.spoof_report(lamp, 99)) == {
        "commandsRX": 1
    }
    assert host.values(2) == []
    assert logged(host, "[discarded]")


async def test_a_plain_report_of_an_insecure_node_is_believed(zwave_house: ZWaveHouse, host: Host) -> None:
    plug = zwave_house.plug()
    await host.include_as_is(plug, INSECURE)
    await host.ready(2)
    host.events.clear()
    zwave_house.attacker.spoof_report(plug, value=True)
    await zwave_house.wait_until(lambda: ("currentValue", True) in host.values(2))
    assert plug.state is False


async def test_an_exact_replay_is_a_duplicate(zwave_house: ZWaveHouse, host: Host, lamp: ZWaveDevice) -> None:
    assert await gains(zwave_house, host, lambda: zwave_house.attacker.replay(lamp)) == {
        "commandsDroppedRX": 1
    }
    assert host.values(2) == []
    assert logged(host, "Duplicate command")


@pytest.mark.parametrize("attack", ["replay", "bad_tag"])
async def test_what_is_not_authentic_is_dropped_and_the_node_goes_on(
    zwave_house: ZWaveHouse, host: Host, lamp: ZWaveDevice, attack: str
) -> None:
    attacker = zwave_house.attacker
    await asyncio.sleep(REPEATED_WITHIN)
    what = (
        (lambda: attacker.replay(lamp, fresh=True))
        if attack == "replay"
        else (lambda: attacker.bad_tag(lamp))
    )
    assert (await gains(zwave_house, host, what))["commandsDroppedRX"] >= 1
    assert logged(host, "cannot decode")
    lamp.report(20)
    await zwave_house.wait_until(lambda: ("currentValue", 20) in host.values(2))
    assert ("currentValue", 10) not in host.values(2)


async def test_a_forged_reset_of_a_secure_node_is_discarded(
    zwave_house: ZWaveHouse, host: Host, lamp: ZWaveDevice
) -> None:
    await gains(zwave_house, host, lambda: zwave_house.attacker.forged_reset(lamp))
    assert logged(host, "[discarded]")
    assert host.of("node removed") == []


@pytest.mark.parametrize("silent", [False, True])
async def test_a_forged_reset_of_an_insecure_node_removes_it_if_it_is_silent(
    zwave_house: ZWaveHouse, host: Host, *, silent: bool
) -> None:
    plug = zwave_house.plug()
    await host.include_as_is(plug, INSECURE)
    await host.ready(2)
    if silent:
        plug.power_off()
    zwave_house.attacker.forged_reset(plug)
    if silent:
        assert (await host.event("node removed"))["node"]["nodeId"] == 2
    else:
        await zwave_house.wait_until(
            lambda: [event["state"] for event in host.of("inclusion state changed")][-2:] == [3, 0]
        )
        assert host.of("node removed") == []


async def test_a_nonce_flood_shows_in_a_counter_only(
    zwave_house: ZWaveHouse, host: Host, lamp: ZWaveDevice
) -> None:
    await asyncio.sleep(
        0.6
    )  # or else the lamp takes the answer for a sign that its report was not understood
    gained = await gains(zwave_house, host, lambda: zwave_house.attacker.nonce_flood(lamp, FLOOD))
    assert gained == {"commandsRX": FLOOD}
    assert host.values(2) == []


async def test_a_report_of_a_node_that_there_is_not(
    zwave_house: ZWaveHouse, host: Host, lamp: ZWaveDevice
) -> None:
    assert await gains(zwave_house, host, zwave_house.attacker.unknown_node) == {}
    assert logged(host, "is unknown - discarding")


async def test_garbage_under_s2_is_dropped(zwave_house: ZWaveHouse, host: Host, lamp: ZWaveDevice) -> None:
    garbage = bytes.fromhex("9f03f000") + bytes(range(20))
    gained = await gains(zwave_house, host, lambda: zwave_house.attacker.inject(2, garbage))
    assert gained["commandsDroppedRX"] >= 1
    lamp.report(20)
    await zwave_house.wait_until(lambda: ("currentValue", 20) in host.values(2))


async def test_a_device_obeys_nothing_in_plain_text(
    zwave_house: ZWaveHouse, host: Host, lamp: ZWaveDevice
) -> None:
    """An attacker can't switch it: the server itself is made to try, on a node that it takes for an insecure one."""
    zwave_house.attacker.command(lamp, bytes.fromhex("260163"))
    await zwave_house.settle()
    assert lamp.state == 10


async def test_a_lock_without_keys_obeys_nothing_in_plain_text(zwave_house: ZWaveHouse, host: Host) -> None:
    lock = zwave_house.lock()
    await host.include_as_is(lock, INSECURE)
    await host.ready(2)
    assert lock.state is True
    zwave_house.attacker.command(lock, bytes.fromhex("620100"))
    await zwave_house.settle()
    assert lock.state is True


async def test_a_plug_without_security_obeys_anybody(zwave_house: ZWaveHouse, host: Host) -> None:
    plug = zwave_house.plug(security="none")
    await host.include_as_is(plug)
    await host.ready(2)
    zwave_house.attacker.command(plug, bytes.fromhex("2501ff"))
    await zwave_house.wait_until(lambda: plug.state is True)


async def test_an_attack_on_a_device_of_no_network_is_a_mistake_of_the_test(zwave_house: ZWaveHouse) -> None:
    zwave_house.attacker.forged_reset(zwave_house.lamp())
    with pytest.raises(EmulationError, match="lamp 1 is not on the network"):
        await zwave_house.settle()
