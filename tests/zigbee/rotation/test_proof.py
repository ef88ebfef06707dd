"""The proof: who was left out of a unicast rotation has nothing afterwards, if everybody else joined by install code.

What the evicted device has is its old network key, its link key, the public keys, and a recording of every frame since
it joined. Each row is run without a rotation first, where it has to succeed: a lock is proved by what it shuts out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from bellows.zigbee.application import ControllerApplication
from zigpy.types import EUI64, KeyData

from hubsec import Hub
from hubsec.rotation.shapes import Delivery, Outcome, Way
from hubsec.rotation.triggers import Rotating
from hubsec_emulated import House
from hubsec_emulated.devices.device import Device
from hubsec_emulated.devices.onoff import Lamp
from hubsec_emulated.evictee import Evictee
from hubsec_emulated.wire.crypto import install_code_key
from hubsec_zigbee import Bellows
from tests.oracles.tshark import second_opinion
from tests.zigbee.guarded import identity
from tests.zigbee.rotation.crashes import simulated

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

EVENING = 60.0
"""Simulated seconds in which the house goes about its business, or an attack may have its answer."""
READS = "opens frames"
COMMANDS = "switches a lamp under a key that it kept"
SPEAKS = "switches a lamp in the coordinator's name"
TAKES_OVER = "gives a lamp a key of its own"
SECURED = "rejoins with the old key"
UNSECURED = "rejoins without a key"
WINDOW_REJOIN = "rejoins without a key in a later window"
WINDOW_JOIN = "joins in a later window"
EVERYTHING = frozenset({READS, COMMANDS, SPEAKS, TAKES_OVER, SECURED, WINDOW_REJOIN, WINDOW_JOIN})
"""What it gets on a network without a rotation, of which somebody opens windows."""


@dataclass
class Scene:
    """A house from which somebody was put out. `since`: the moment from which on nothing of it should be his.
    `window` opens the network as its people do, for a new device."""

    house: House
    lamp: Lamp
    evictee: Evictee
    since: float
    window: Callable[[Device], AbstractAsyncContextManager[None]]
    capture: Path

    async def evening(self, seconds: float = EVENING) -> None:
        self.lamp.press()
        await self.house.sleep(seconds)

    def spoils(self) -> int:
        loot = self.evictee.loot
        return len(loot.network_keys) + len(loot.link_keys) + len(loot.commands)

    async def attack(self) -> frozenset[str]:
        """Everything that it can do, one after the other; what it came away with."""
        got: set[str] = set()
        await self.evening()
        if self.evictee.read(self.since):
            got.add(READS)
        for name, row in (
            (COMMANDS, self._commands),
            (SPEAKS, self._speaks),
            (TAKES_OVER, self._takes_over),
            (SECURED, self._secured),
            (UNSECURED, self._unsecured),
            (WINDOW_REJOIN, self._rejoins_in_a_window),
            (WINDOW_JOIN, self._joins_in_a_window),
        ):
            before = self.spoils()
            await row()
            if self.spoils() > before:
                got.add(name)
            self.evictee.power_off()
        if self.evictee.read(self.since):
            got.add(READS)
        return frozenset(got)

    async def _commands(self) -> None:
        self.evictee.sneak_in()
        await self.house.sleep(2)
        self.evictee.switch(self.lamp, on=not self.lamp.is_on)
        await self.house.sleep(EVENING)

    async def _speaks(self) -> None:
        self.evictee.sneak_in()
        self.evictee.speak_as_coordinator(self.lamp, on=not self.lamp.is_on)
        await self.house.sleep(EVENING)

    async def _takes_over(self) -> None:
        self.evictee.sneak_in()
        self.evictee.take_over(self.lamp)
        await self.house.sleep(3)
        await self.evening()

    async def _secured(self) -> None:
        self.evictee.come_back(secured=True)
        await self.house.sleep(EVENING)

    async def _unsecured(self) -> None:
        self.evictee.come_back(secured=False)
        await self.house.sleep(EVENING)

    async def _rejoins_in_a_window(self) -> None:
        async with self.window(self.house.lamp()):
            await self._unsecured()

    async def _joins_in_a_window(self) -> None:
        async with self.window(self.house.lamp()):
            self.evictee.join_again()
            await self.house.sleep(EVENING)


@asynccontextmanager
async def guarded(folder: Path, *, way: Way | None, overheard: bool = False) -> AsyncGenerator[Scene]:
    """Under hubsec; everybody by install code, or one by an approval."""
    async with House(seed=17, scale=1.0) as house:
        capture = folder / "air.pcap"
        house.pcap(capture)
        radio = Bellows(house.url, config={"network": {"channel": 15}, "backup_enabled": False})
        hub = Hub(radio, policy="home", home=folder / "hub", rotating=Rotating(patience=300.0))
        async with hub:

            async def let_in(device: Device) -> None:
                async with hub.admit(device.sticker, name=device.name) as admission:
                    device.power_on()
                    await admission.joined()
                await house.settled(600)

            @asynccontextmanager
            async def window(device: Device) -> AsyncGenerator[None]:
                async with hub.admit(device.sticker, name=device.name):
                    yield

            lamp, evictee = house.lamp(), house.evictee()
            for device in (evictee, lamp, house.plug(), house.sensor()):
                await let_in(device)
            if overheard:
                plug = house.plug(install_code=None)
                async with hub.listen() as knocks:
                    plug.power_on()
                    knock = await anext(knocks)
                async with hub.approve(knock, name="Plug") as admission:
                    await admission.joined()
                await house.settled(600)
            await house.sleep(EVENING)
            await hub.evict(identity(evictee))
            await house.wait_until(lambda: evictee.gone, 60)
            if way is not None:
                rotation = await hub.rotate(way=way, anyway=True)
                async with asyncio.timeout(3600):
                    ended = await rotation.ended()
                assert ended.outcome is Outcome.ROTATED
                assert set(ended.deliveries.values()) == {Delivery.CONFIRMED}
            yield Scene(house, lamp, evictee, house.clock.now(), window, capture)


@asynccontextmanager
async def unguarded(folder: Path) -> AsyncGenerator[Scene]:
    """bellows alone, by install code as well, and its windows open as its authors mean them to be."""
    async with House(seed=17, scale=1.0) as house:
        app = await ControllerApplication.new(
            {
                "device": {"path": house.url},
                "use_thread": False,
                "database_path": None,
                "backup_enabled": False,
                "network": {"channel": 15},
                "ota": {"enabled": False},
            },
            auto_form=True,
        )
        await house.sleep(5)
        lamp, evictee = house.lamp(), house.evictee()
        for device in (evictee, lamp, house.plug()):
            assert device.install_code is not None
            node = EUI64.convert(identity(device))
            await app.permit_with_link_key(node, KeyData(install_code_key(device.install_code)), 60)
            device.power_on()
            await house.wait_until(lambda device=device: device.trust_center_link_key_verified, 60)
            await house.settled(600)
            await app.permit(0)
            await house.sleep(5)

        @asynccontextmanager
        async def window(device: Device) -> AsyncGenerator[None]:
            await app.permit(250)
            await house.sleep(1)
            yield
            await app.permit(0)
            await house.sleep(5)

        await app.remove(EUI64.convert(identity(evictee)))
        await house.wait_until(lambda: evictee.gone, 60)
        yield Scene(house, lamp, evictee, house.clock.now(), window, folder / "none.pcap")
        await house.sleep(5)
        await app.shutdown()


@dataclass
class Outcomes:
    """What the evicted device got; what it has; and the frames of the first evening, by number in the capture."""

    got: frozenset[str]
    has: set[bytes]
    live: bytes
    evening: set[int]
    capture: Path


def run(stage: Callable[[], AbstractAsyncContextManager[Scene]]) -> Outcomes:
    """The evicted device does all that it can, on that stage."""
    result: list[Outcomes] = []

    async def main() -> None:
        async with stage() as scene:
            evictee, live = scene.evictee, scene.house.coordinator.keys.key
            assert live is not None
            got = await scene.attack()
            evening = {
                number
                for number, heard in enumerate(scene.house.sniffer.heard(), start=1)
                if scene.since <= heard.seconds < scene.since + EVENING and heard.frame.secured
            }
            has = {*evictee.held, *evictee._network_keys.values()}
            result.append(Outcomes(got, has, live, evening, scene.capture))

    simulated(main)
    return result[0]


def test_on_the_unguarded_stack_it_gets_everything(tmp_path: Path) -> None:
    assert run(lambda: unguarded(tmp_path)).got == EVERYTHING


def test_evicted_without_a_rotation_it_goes_on_reading_and_commanding(tmp_path: Path) -> None:
    assert run(lambda: guarded(tmp_path, way=None)).got >= {READS, COMMANDS, SPEAKS, TAKES_OVER, SECURED}


def test_after_a_broadcast_it_goes_on_reading(tmp_path: Path) -> None:
    assert READS in run(lambda: guarded(tmp_path, way=Way.BROADCAST)).got


def test_after_a_unicast_it_gets_nothing(tmp_path: Path) -> None:
    outcomes = run(lambda: guarded(tmp_path, way=Way.UNICAST))
    assert outcomes.got == frozenset()
    assert len(outcomes.evening) > 10
    opinion = second_opinion(outcomes.capture, outcomes.has)
    assert outcomes.live not in opinion.learnt
    assert outcomes.evening <= set(opinion.shut)


def test_after_a_unicast_with_one_overheard_join_it_reads_on(tmp_path: Path) -> None:
    outcomes = run(lambda: guarded(tmp_path, way=Way.UNICAST, overheard=True))
    assert READS in outcomes.got
    opinion = second_opinion(outcomes.capture, outcomes.has)
    assert outcomes.live in opinion.learnt
    assert not outcomes.evening & set(opinion.shut)
