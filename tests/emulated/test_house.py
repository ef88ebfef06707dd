"""The house itself: what a test author touches, without a host."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hubsec_emulated import House
from hubsec_emulated.capture.pcap import read_capture
from hubsec_emulated.devices import Lamp
from hubsec_emulated.errors import EmulationError
from hubsec_emulated.house import NotInTimeError
from hubsec_emulated.ncp.tokens import Tokens


async def test_devices_differ_and_a_seed_makes_them_again() -> None:
    async def stickers(seed: int) -> list[str]:
        async with House(seed=seed) as house:
            made = [house.lamp(), house.plug(), house.sensor(), house.lock(), house.lamp()]
            assert len({device.eui64 for device in made}) == len({device.name for device in made}) == 5
            return [device.sticker for device in made]

    first = await stickers(1)
    assert first == await stickers(1) != await stickers(2)
    assert all("$I:" in sticker for sticker in first)


async def test_hostile_nodes_are_listed() -> None:
    async with House() as house:
        lamp = house.lamp()
        hostile = [
            house.stranger(),
            house.wrong_code(),
            house.wrong_code(lamp),
            house.impostor(lamp),
            house.rejoiner(),
            house.rejoiner(lamp),
            house.evictee(),
            house.open_router(),
        ]
        assert house.loot == {}
        assert house.hostile == hostile
        assert lamp not in house.hostile
        assert hostile[2].eui64 == hostile[3].eui64 == hostile[5].eui64 == lamp.eui64
        assert hostile[2].install_code != lamp.install_code
        assert not any("$I:" in hostile[number].sticker for number in (1, 2))
        with pytest.raises(EmulationError):
            house.insider()


async def test_everything_on_the_air_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "house.pcap"
    async with House(scale=100) as house:
        house.pcap(path)
        lamp, stranger = house.lamp(channels=(15,)), house.stranger(channels=(15,))
        lamp.power_on()
        stranger.power_on()
        await house.wait_until(lambda: house.air.transmissions >= 4)
        assert {frame.sender for frame in house.hostile_frames} == {stranger.name}
        for_wireshark = house.keys()
        assert f'"{lamp.link_keys.preconfigured[0].hex()}","Normal","install code of lamp 1"' in for_wireshark
        labels = [line.split(",")[2] for line in for_wireshark.splitlines()]
        assert labels[:2] == ['"well-known"', '"ZLL"']
        assert len(set(labels)) == len(labels)
    assert len(read_capture(path)) >= 4
    assert house.sniffer.report().frames >= 4


async def test_what_does_not_happen_in_time_is_said() -> None:
    async with House(scale=200) as house:
        lamp = house.lamp()
        with pytest.raises(
            NotInTimeError, match="The join did not happen within 3 simulated seconds"
        ) as caught:
            await house.wait_until(lambda: lamp.joined, 3, what="The join")
        assert caught.value.limit == 3


async def test_a_house_is_used_inside_its_block_and_once() -> None:
    house = House()
    with pytest.raises(EmulationError, match="async with"):
        house.lamp()
    async with house:
        assert house.url.startswith("tcp://127.0.0.1:")
        with pytest.raises(EmulationError, match="open already"):
            await house.__aenter__()


async def test_the_sticks_memory_can_be_kept() -> None:
    tokens = Tokens(manufactured_eui64=0x00124B0000000042)
    async with House(tokens=tokens) as house:
        assert house.coordinator.eui64 == 0x00124B0000000042


@pytest.mark.zigbee_house(seed=7, scale=50)
async def test_the_fixture_takes_the_markers_options(zigbee_house: House) -> None:
    assert zigbee_house.seed == 7
    assert zigbee_house.clock.scale == 50
    assert isinstance(zigbee_house.lamp(), Lamp)


def test_the_plugin_loads_no_emulator() -> None:
    code = (
        "import sys, hubsec_emulated.pytest_plugin;"
        "heavy = [name for name in sys.modules if name.startswith('hubsec_emulated.') and 'plugin' not in name];"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_package_gives_its_names_when_asked() -> None:
    import hubsec_emulated

    for name in hubsec_emulated.__all__:
        assert getattr(hubsec_emulated, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        hubsec_emulated.Nothing  # noqa: B018 - the access is the test
