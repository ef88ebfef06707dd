"""A new key for many devices at once, by hubsec's own machine on raw EZSP, in simulated time."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks import rotation
from benchmarks.emulated_keys import EmulatedKeyRadio
from hubsec.rotation.shapes import Delivery, Outcome
from hubsec_emulated import House, SimulatedTimeLoop


@pytest.mark.parametrize("devices", [40, pytest.param(rotation.DEVICES, marks=pytest.mark.slow)])
def test_everybody_gets_it_in_little_more_time_than_waits_and_air_take(devices: int) -> None:
    with asyncio.Runner(loop_factory=SimulatedTimeLoop) as runner:
        bound, taken, lost = runner.run(rotation.measure(devices))
    assert lost == 0
    assert taken <= rotation.AIM * bound.total


@pytest.mark.slow
def test_a_device_without_power_is_a_straggler_and_nobody_else_is() -> None:
    async def main() -> None:
        async with House(seed=5, scale=1.0, loss=0.02, record=False) as house:
            devices = house.inhabited(12, hops=2, sleepy=0.25)
            radio = EmulatedKeyRadio(house, devices)
            # A leaf: nobody is behind it.
            devices[-1].power_off()
            ended = await rotation.rotate(radio)
            assert ended.outcome is Outcome.ROTATED
            missed = [one for one, delivery in ended.deliveries.items() if delivery is Delivery.MISSED]
            assert missed == [next(reversed(ended.deliveries))]
            state = await radio.key_state()
            assert (state.sequence, state.next_sequence) == (2, None)
            assert {device.network_key for device in devices[:-1]} == {state.key.reveal()}
            assert devices[-1].key_sequence == 0

    with asyncio.Runner(loop_factory=SimulatedTimeLoop) as runner:
        runner.run(main())
