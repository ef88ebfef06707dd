"""Backups from before the last rotation, put back: of the stick, of zigpy, of the hub's own folder, of everything. Each
is found out before the network runs on it, or can't be, and then the repair is shown."""

from __future__ import annotations

import copy
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hubsec.errors import RadioError
from hubsec.rotation.shapes import Delivery, Outcome, Step, Way
from hubsec_emulated.devices.sensor import ContactSensor
from hubsec_emulated.ncp.tokens import Tokens
from hubsec_zigbee.repairing import LEFT_BEHIND, REMEMBERED
from hubsec_zigbee.restoring import BROUGHT_BACK, OLD_RECORDS
from tests.zigbee.guarded import identity
from tests.zigbee.rotation.crashes import World, a_world, shown
from tests.zigbee.rotation.host import ZHA
from tests.zigbee.rotation.zygote import Zygote

pytestmark = [pytest.mark.hosts, pytest.mark.slow]
each_mode = pytest.mark.parametrize("attached", [False, True], ids=["own", "attached"])
DATABASE, RECORDS = "zigbee.db", "hub"
"""What a backup of Home Assistant has: zigpy's database, and hubsec's folder, with the vault and its key."""


class Past:
    """What there was before the last rotation, and what there is now."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.key = world.keys()
        self.stick: Tokens = copy.deepcopy(world.house.tokens)
        self._then, self._now = folder / "then", folder / "now"
        shutil.copytree(world.folder, self._then)

    def keep(self) -> None:
        shutil.copytree(self.world.folder, self._now)

    def put_back(self, *names: str, newest: bool = False) -> None:
        """Restore these of it, while no host is there."""
        for name in names:
            for old in self.world.folder.glob(f"{name}*"):
                shutil.rmtree(old) if old.is_dir() else old.unlink()
            for kept in (self._now if newest else self._then).glob(f"{name}*"):
                to = self.world.folder / kept.name
                shutil.copytree(kept, to) if kept.is_dir() else shutil.copy(kept, to)


@asynccontextmanager
async def rotated(folder: Path, zygote: Zygote, *, attached: bool) -> AsyncGenerator[tuple[World, Past]]:
    """A network that was rotated once, and no host on it. Whoever sleeps is off: a sleeper that looks for its parent
    while that has an old key may give the network up for good."""
    async with a_world(folder, zygote, seed=9, attached=attached, few=True) as world:
        past = Past(world, folder)
        assert not await world.runs(Way.BROADCAST)
        assert world.keys() != past.key
        past.keep()
        for member in world.members:
            if isinstance(member, ContactSensor):
                member.power_off()
        yield world, past


async def works(world: World, past: Past) -> None:
    """The network that a host runs has the newest key, and so have its records; its devices answer."""
    for member in world.members:
        if isinstance(member, ContactSensor):
            member.power_on()
    assert (await world.check(past.key)).outcome is Outcome.ROTATED


async def nobody_answers(world: World) -> None:
    assert not any([await world.radio.answers(identity(one)) for one in world.members])


@each_mode
def test_of_the_stick(tmp_path: Path, zygote: Zygote, attached: bool) -> None:
    async def main() -> None:
        async with rotated(tmp_path, zygote, attached=attached) as (world, past):
            world.put_back_stick(past.stick)
            if not attached:
                with pytest.raises(RadioError, match="bring_back"):
                    await world.open()
                await world.bury()
                world.said.clear()
            assert not await world.examined()
            await world.open(bring_back=True)
            assert [one.repair for one in world.said] == ([] if attached else [BROUGHT_BACK])
            await works(world, past)

    shown(tmp_path, main)


def test_of_zigpy(tmp_path: Path, zygote: Zygote) -> None:
    async def main() -> None:
        async with rotated(tmp_path, zygote, attached=True) as (world, past):
            past.put_back(DATABASE)
            assert await world.examined() == [LEFT_BEHIND]
            await world.open()  # It is repaired, since ZHA does not load.
            assert not world.said
            await works(world, past)

    shown(tmp_path, main)


def test_of_zigpy_where_it_does_not_look(
    tmp_path: Path, zygote: Zygote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ZHA, "validate_network_settings", False)

    async def main() -> None:
        async with rotated(tmp_path, zygote, attached=True) as (world, past):
            past.put_back(DATABASE)
            await world.open()
            assert [(one.reason, one.repaired) for one in world.said] == [(REMEMBERED, True)]
            await works(world, past)
            await world.close()
            assert not await world.examined()

    shown(tmp_path, main)


@pytest.mark.parametrize("asked", [True, False], ids=["asked", "not asked"])
def test_of_zigpy_and_the_stick_is_blank(tmp_path: Path, zygote: Zygote, asked: bool) -> None:
    """Whoever looks before the start knows. Else zigpy restores the old key, and hubsec says so when it attaches."""

    async def main() -> None:
        async with rotated(tmp_path, zygote, attached=True) as (world, past):
            past.put_back(DATABASE)
            world.blank_stick()
            assert await world.examined() == [LEFT_BEHIND]
            if not asked:
                await world.open()
                assert ["old backup" in one.reason for one in world.said] == [True]
                assert world.keys() == past.key
                await nobody_answers(world)
                await world.close()
                world.said.clear()
            await world.repair()
            await world.open(bring_back=True)
            assert not world.said
            await works(world, past)

    shown(tmp_path, main)


@each_mode
def test_of_everything_but_the_stick(tmp_path: Path, zygote: Zygote, attached: bool) -> None:
    """The records don't know the stick's key. They are the old ones, and the stick is right."""

    async def main() -> None:
        async with rotated(tmp_path, zygote, attached=attached) as (world, past):
            past.put_back(DATABASE, RECORDS)
            if attached:
                assert not await world.examined()
            await world.open()
            (said,) = world.said
            assert not said.repaired
            assert said.reason == OLD_RECORDS or (attached and "before the last rotation" in said.reason)
            posture = (await world.hub.posture()).networks[0].keys
            assert posture is not None
            assert said.reason in posture.trouble
            assert world.keys() != past.key
            # It works, and a rotation brings the records to it.
            await world.rotate(Way.BROADCAST)
            await works(world, past)

    shown(tmp_path, main)


@each_mode
def test_of_everything_and_the_stick_is_blank(tmp_path: Path, zygote: Zygote, attached: bool) -> None:
    """Nothing that is left knows of a newer key: no one can tell, until nobody answers. A newer backup mends it."""

    async def main() -> None:
        async with rotated(tmp_path, zygote, attached=attached) as (world, past):
            past.put_back(DATABASE, RECORDS)
            world.blank_stick()
            await world.open()
            assert not world.said
            assert world.keys() == past.key
            await nobody_answers(world)
            plan = await world.hub.plan_rotation()
            assert plan.why_not
            await world.close()
            past.put_back(RECORDS, newest=True)
            if attached:
                assert await world.examined() == [LEFT_BEHIND]
                await world.repair()
            await world.open(bring_back=True)
            assert [one.repair for one in world.said] == ([] if attached else [BROUGHT_BACK])
            await works(world, past)

    shown(tmp_path, main)


def test_of_the_stick_while_a_rotation_is_under_way(tmp_path: Path, zygote: Zygote) -> None:
    async def main() -> None:
        async with a_world(tmp_path, zygote, seed=9, attached=False) as world:
            for step in (Step.DELIVERING, Step.CONFIRMING):
                past = Past(world, tmp_path / step)
                await world.reach(step, 2, Way.UNICAST)
                for member in world.members:
                    if isinstance(member, ContactSensor):
                        member.power_off()
                world.put_back_stick(past.stick)
                with pytest.raises(RadioError, match="bring_back"):
                    await world.open()
                world.said.clear()
                await world.bury()
                await world.open(bring_back=True)
                await works(world, past)
                progress = (await world.hub.rotations())[0]
                assert [one.repair for one in world.said] == [BROUGHT_BACK]
                assert list(progress.deliveries.values()).count(Delivery.LEFT_OUT) == 1
                await world.close()

    shown(tmp_path, main)
