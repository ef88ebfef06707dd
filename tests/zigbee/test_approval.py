"""Knocks are heard only while somebody listens, get nothing, and an approved device gets in at its next try."""

from __future__ import annotations

import asyncio

import pytest

from hubsec.errors import RadioError
from hubsec.events import Denied, Joined, KeySent, Knocked, ListeningClosed
from hubsec.identity import CredentialKind
from hubsec_zigbee.limits import MAX_LISTENING, MAX_STRANGERS
from tests.zigbee.guarded import SCALE, Guarded, guarded, identity
from tests.zigbee.test_admission import comes_to_rest, idle, in_zigpy, open_transient_keys

pytestmark = pytest.mark.hosts


async def listen(world: Guarded, seconds: float) -> None:
    world.authority.listening = True
    await world.radio.listen(seconds, by="operator")


async def test_a_knock_is_heard_and_gets_nothing() -> None:
    async with guarded() as world:
        await listen(world, 60)
        posture = await world.radio.posture()
        assert posture.listening
        assert not posture.closed
        assert posture.open_to == ()
        assert open_transient_keys(world) == []
        stranger = world.house.stranger()
        stranger.power_on()
        await world.until(lambda: world.authority.of(Knocked), "the knock")
        (knock,) = {event.device for event in world.authority.of(Knocked)}
        assert knock == identity(stranger)
        assert world.authority.of(Knocked)[0].maker == "Texas Instruments"
        assert in_zigpy(world) == set()
        assert "unicastCurrentNetworkKey" not in world.commands()
        assert not stranger.loot


async def test_nobody_is_heard_when_nobody_listens() -> None:
    async with guarded() as world:
        stranger = world.house.stranger()
        stranger.power_on()
        await asyncio.sleep(0.3)
        assert not world.authority.of(Knocked)
        assert in_zigpy(world) == set()
        await listen(world, 60)  # The row that passes.
        await world.until(lambda: world.authority.of(Knocked), "the knock")


async def test_an_approved_device_gets_in_at_its_next_try() -> None:
    async with guarded() as world:
        await listen(world, 120)
        lamp = world.house.lamp(install_code=None)
        lamp.power_on()
        await world.until(lambda: world.authority.of(Knocked), "the knock")
        await world.admit(lamp, approval=True)
        await world.until(lambda: world.authority.of(Joined), "the join")
        (sent,) = world.authority.of(KeySent)[:1]
        assert sent.exposed
        assert sent.credential is CredentialKind.APPROVAL
        assert in_zigpy(world) == {identity(lamp)}
        # What an approval costs: the listener has the key.
        assert world.house.sniffer.has_network_key


@pytest.mark.parametrize(
    ("seconds", "passes"), [(MAX_LISTENING, True), (MAX_LISTENING + 1, False), (-1, False)]
)
async def test_a_window_is_bounded(seconds: float, passes: bool) -> None:
    async with guarded() as world:
        if passes:
            await listen(world, seconds)
            assert (await world.radio.posture()).listening
        else:
            with pytest.raises(RadioError, match="180"):
                await listen(world, seconds)
            assert await idle(world)


async def test_the_window_ends_with_the_time_and_with_a_word() -> None:
    async with guarded() as world:
        await listen(world, 4 / SCALE)
        await world.until(lambda: world.authority.of(ListeningClosed), "the end")
        await comes_to_rest(world)
        await listen(world, 60)
        await world.radio.listen(0, by="operator")
        assert len(world.authority.of(ListeningClosed)) == 2
        assert await idle(world)


async def test_a_crowd_closes_the_window() -> None:
    async with guarded() as world:
        await listen(world, 120)
        joining = world.radio.guard.joining
        join = world.radio.guard.received
        eui64 = world.radio.app.state.node_info.ieee
        for number in range(MAX_STRANGERS + 2):
            joining._strangers._left = 8  # As if they had taken their time.
            other = type(eui64)([number, 1, 1, 1, 1, 1, 1, 1])
            assert not join("trustCenterJoinHandler", [0x1000 + number, other, 1, 3, 0])
            await asyncio.sleep(0.01)
        await world.until(lambda: world.authority.of(ListeningClosed), "the end")
        assert "strangers" in world.authority.of(ListeningClosed)[0].reason
        await comes_to_rest(world)


async def test_a_flood_is_judged_a_few_at_a_time() -> None:
    async with guarded() as world:
        eui64 = world.radio.app.state.node_info.ieee
        for number in range(200):
            other = type(eui64)([number, 1, 1, 1, 1, 1, 1, 1])
            world.radio.guard.received("trustCenterJoinHandler", [0x1000 + number, other, 1, 2, 0])
        await world.until(lambda: world.authority.of(Denied), "the first denial")
        await asyncio.sleep(0.1)
        assert 1 <= len(world.authority.of(Denied)) <= 10
        assert world.radio.guard.joining.suppressed >= 190
