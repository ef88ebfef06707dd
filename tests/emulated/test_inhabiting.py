"""Devices that have long lived in a house: their network goes on as one that was joined over the air."""

from __future__ import annotations

import asyncio

import pytest

from hubsec_emulated import EmulationError, House, SimulatedTimeLoop
from hubsec_emulated.inhabiting import Plan
from hubsec_emulated.stack.joining import JoinState
from tests.emulated.test_with_bellows import host, ieee


@pytest.mark.parametrize("devices", [1, 2, 3, 7, 30, 250])
@pytest.mark.parametrize("hops", [1, 2, 3])
def test_every_ring_has_somebody_as_long_as_there_are_enough(devices: int, hops: int) -> None:
    plan = Plan.of(devices, hops, 0.2)
    assert len(plan.routers) + len(plan.sleepers) == devices
    assert len(plan.sleepers) == round(devices / 5)
    assert {ring for ring, _ in plan.routers} == set(range(1, min(hops, len(plan.routers)) + 1))


@pytest.mark.parametrize(("devices", "hops", "sleepy"), [(0, 1, 0.2), (1, 0, 0.2), (5, 1, 1.1), (5, 1, -0.1)])
def test_what_can_not_be_is_refused(devices: int, hops: int, sleepy: float) -> None:
    with pytest.raises(EmulationError, match="at least one device"):
        Plan.of(devices, hops, sleepy)


def test_everybody_lives_on_under_the_key_of_the_stick_however_far_away() -> None:
    async def main() -> None:
        async with House(seed=3, scale=1.0, loss=0.02) as house:
            devices = house.inhabited(40, hops=3, sleepy=0.25)
            with pytest.raises(EmulationError, match="has a network already"):
                house.inhabited(1)
            await house.sleep(600)
            assert house.tokens.keys is not None
            assert all(device.network_key == house.tokens.keys.network_key for device in devices)
            assert [device for device in devices if device.joining.state is not JoinState.JOINED] == []
            assert not house.sniffer.report().keys, "nobody has joined where one could hear it"
            far = [house.coordinator.routing.source_routes.get(device.short, ()) for device in devices]
            assert {len(relays) for relays in far} == {0, 1, 2}
            results: list[bool] = []
            for device in devices:
                house.coordinator.send_data(
                    dst=device.short,
                    profile=0x0104,
                    cluster=6,
                    src_ep=1,
                    dst_ep=1,
                    payload=b"\x01\x00\x02",
                    aps_ack=True,
                    on_result=results.append,
                )
                await house.sleep(0.5)
            await house.sleep(30)
            assert results == [True] * 40

    with asyncio.Runner(loop_factory=SimulatedTimeLoop) as runner:
        runner.run(main())


async def test_a_stick_that_loses_its_memory_has_no_network_for_its_inhabitants() -> None:
    async with House(seed=4) as house:
        (lamp,) = house.inhabited(1, sleepy=0.0)
        own = house.tokens.eui64
        house.server.wipe()
        assert (house.tokens.network, house.tokens.keys, house.tokens.unique_joiners) == (None, None, [])
        assert house.tokens.eui64 == own
        assert not house.coordinator.powered
        assert lamp.joined, "nobody has told it"


@pytest.mark.hosts
def test_a_host_runs_for_an_hour_in_simulated_time() -> None:
    async def main() -> None:
        async with House(seed=2, scale=1.0) as house:
            far = house.inhabited(6, hops=3, sleepy=0.0)[-1]
            async with host(house, network={}) as app:
                app.add_device(ieee(far), far.short)
                before = app._watchdog_task
                await asyncio.sleep(3600)
                assert app._watchdog_task is before, "the host's own watchdog has found nothing amiss"
                await app.devices[ieee(far)].zdo.Node_Desc_req(far.short)

    with asyncio.Runner(loop_factory=SimulatedTimeLoop) as runner:
        runner.run(main())


@pytest.mark.hosts
async def test_a_host_finds_the_network_on_the_stick() -> None:
    async with House(seed=2) as house:
        lamps = house.inhabited(4, hops=2, sleepy=0.0)
        async with host(house, network={}) as app:
            assert house.tokens.keys is not None
            assert app.state.network_info.network_key.key.serialize() == house.tokens.keys.network_key
            for lamp in lamps:
                app.add_device(ieee(lamp), lamp.short)
                assert house.server.ncp.trust_center.known_keys(lamp.eui64).unique_joiner
            far = app.devices[ieee(lamps[-1])]
            await far.zdo.Node_Desc_req(lamps[-1].short)
