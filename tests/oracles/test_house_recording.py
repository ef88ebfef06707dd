"""A house that unmodified bellows runs, recorded: tshark and the dissector read the recording to the last frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from zigpy.types import KeyData

from hubsec_emulated.capture.pcap import read_capture
from tests.emulated.test_with_bellows import CHANNEL, admitted, house_and_host
from tests.oracles.silicon import Step, join_steps, listen
from tests.oracles.test_silicon_steps import ROUTER_JOIN, THROUGH_ROUTER
from tests.oracles.tshark import second_opinion

pytestmark = [pytest.mark.hosts, pytest.mark.slow]
NEXT_KEY = bytes(range(16, 32))


def contains_in_order(steps: Sequence[Step], wanted: Sequence[Step]) -> bool:
    """Say whether `wanted` is in `steps` in this order; the host's interview may come in between."""
    remaining = iter(steps)
    return all(step in remaining for step in wanted)


async def recorded(path: Path, *, through_router: bool, **options: Any) -> tuple[list[bytes], list[int]]:
    """Record an afternoon to `path`; return the install code keys and the devices' EUI64s."""
    async with house_and_host(**options) as (house, app):
        house.pcap(path)
        lamp = house.lamp(channels=(CHANNEL,))
        sensor = house.sensor(channels=(CHANNEL,), parent=lamp if through_router else None)
        first = await admitted(house, app, lamp)
        await admitted(house, app, sensor)
        await first.endpoints[1].on_off.on()
        states = [lamp.is_on]
        await app._ezsp.broadcastNextNetworkKey(key=KeyData(NEXT_KEY))
        await house.wait_until(lambda: lamp.keys.alternate == 1)
        await house.sleep(20)
        await app._ezsp.broadcastNetworkKeySwitch()
        await house.wait_until(lambda: lamp.key_sequence == 1)
        await first.endpoints[1].on_off.off()
        states.append(lamp.is_on)
        assert states == [True, False]
        await house.settled()
        return [key for device in (lamp, sensor) for key in device.link_keys.preconfigured], [
            lamp.eui64,
            sensor.eui64,
        ]


@pytest.mark.parametrize("through_router", [False, True], ids=["side by side", "through the lamp"])
async def test_the_recording_opens_to_the_last_frame(tmp_path: Path, *, through_router: bool) -> None:
    path = tmp_path / "house.pcap"
    keys, _ = await recorded(path, through_router=through_router)
    opinion = second_opinion(path, keys)
    ear = listen(read_capture(path), keys)
    assert (opinion.malformed, opinion.shut) == ([], [])
    assert (ear.report().malformed, ear.report().unopened) == (0, 0)
    assert opinion.learnt == {key.value for key in ear.report().keys}
    assert ear.holds(NEXT_KEY)
    assert ear.report().by_key["network key 1"] > 0


async def test_the_recording_stays_shut_without_the_install_codes(tmp_path: Path) -> None:
    path = tmp_path / "house.pcap"
    await recorded(path, through_router=False)
    opinion = second_opinion(path)
    report = listen(read_capture(path)).report()
    assert opinion.learnt == set()
    assert (report.keys, report.opened) == ((), 0)
    assert len(opinion.shut) == report.unopened


async def test_the_joins_are_silicons_and_the_hosts_interview(tmp_path: Path) -> None:
    path = tmp_path / "house.pcap"
    keys, (lamp, sensor) = await recorded(path, through_router=True)
    frames = read_capture(path)
    assert contains_in_order(join_steps(frames, lamp, keys), ROUTER_JOIN)
    assert contains_in_order(join_steps(frames, sensor, keys), THROUGH_ROUTER)
    assert not contains_in_order(join_steps(frames, lamp, keys), THROUGH_ROUTER)


async def test_a_lossy_air_is_recorded_whole(tmp_path: Path) -> None:
    path = tmp_path / "house.pcap"
    keys, _ = await recorded(path, through_router=False, seed=3, loss=0.05, duplication=0.05, delay=0.005)
    opinion = second_opinion(path, keys)
    assert (opinion.malformed, opinion.shut) == ([], [])
