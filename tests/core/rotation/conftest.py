"""A hub on a radio in memory that can change its key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from hubsec import Hub
from hubsec.entries import Entry
from hubsec.identity import CredentialKind, Identity, Network
from hubsec.radio import SeenDevice
from hubsec.rotation.machine import Pace
from hubsec.rotation.triggers import Rotating
from tests.core.hub.conftest import FakeRadio
from tests.core.rotation.network import FakeKeys, Lamp, name_of

FAST = Pace(
    fade=0.02,
    at_once=4,
    asleep_at_once=8,
    again=0.02,
    again_most=0.05,
    heard=0.001,
    asks=3,
    back=0.02,
    grace=0.05,
    idle=60.0,
)
ROTATING = Rotating(pace=FAST, patience=0.5)


class KeyedRadio(FakeRadio, FakeKeys):
    """The radio of the hub's tests, with keys."""

    air_seconds = 0.001
    keep_seconds = 0.01

    def __init__(self, lamps: Sequence[Lamp], *, formed: bool = True) -> None:
        FakeRadio.__init__(self, name="fake", formed=formed)
        FakeKeys.__init__(self, lamps)
        self.seen = tuple(
            SeenDevice(device=lamp.identity, name=f"Lamp {lamp.identity[-2:]}") for lamp in lamps
        )


async def list_all(hub: Hub, radio: KeyedRadio, **how: CredentialKind) -> None:
    """Put every lamp on the allowlist, as joined by install code; or by what `how` says, such as `two=APPROVAL`."""
    numbers = {"one": 1, "two": 2, "three": 3, "sleeper": 9}
    other = {name_of(numbers[name]): credential for name, credential in how.items()}
    for device in radio.lamps:
        await hub.allowlist.put_back(
            Entry(
                device=device,
                network=Network.ZIGBEE,
                credential=other.get(device, CredentialKind.INSTALL_CODE),
                label=f"Lamp {device[-2:]}",
                approved_by="test",
                approved_at=0.0,
                joined_at=1.0,
            ),
            None,
            by="test",
        )


async def keep_waking(radio: FakeKeys, device: Identity) -> None:
    """The sleeper wakes now and then."""
    while True:
        await asyncio.sleep(0.02)
        radio.wakes(device)
        await asyncio.sleep(0.01)
        radio.sleeps(device)


@pytest.fixture
def lamps() -> list[Lamp]:
    """Three that listen, one that sleeps."""
    return [Lamp(1), Lamp(2), Lamp(3), Lamp(9, sleepy=True)]


@pytest.fixture
def keyed(lamps: list[Lamp]) -> KeyedRadio:
    """A radio that formed its network, and has these lamps."""
    return KeyedRadio(lamps)


@pytest.fixture
async def awake(keyed: KeyedRadio) -> AsyncIterator[None]:
    """The sleeper wakes now and then."""
    waking = asyncio.get_running_loop().create_task(keep_waking(keyed, name_of(9)))
    yield
    waking.cancel()


@pytest.fixture
async def hub(keyed: KeyedRadio, tmp_path: Path) -> AsyncIterator[Hub]:
    """A hub on that radio, with everybody on the list by install code."""
    async with Hub(keyed, home=tmp_path / "hub", rotating=ROTATING) as hub:
        await list_all(hub, keyed)
        yield hub
