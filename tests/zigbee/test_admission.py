"""A device with an admission gets in, and nobody else does, on every EZSP version."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from hubsec.decisions import Allow
from hubsec.errors import RadioError
from hubsec.events import Denied, Evicted, Joined, KeySent
from hubsec.identity import Mark
from hubsec.requests import ExchangeRequest, JoinRequest, LinkKeyState
from tests.zigbee.guarded import PATIENCE, SCALE, VERSIONS, Guarded, ScriptedAuthority, guarded, identity

pytestmark = pytest.mark.hosts


def in_zigpy(world: Guarded) -> set[str]:
    """Who zigpy knows, the coordinator left out."""
    return {str(ieee) for ieee in world.radio.app.devices} - {str(world.radio.app.state.node_info.ieee)}


def open_transient_keys(world: Guarded) -> list[int]:
    return [entry.eui64 for entry in world.house.server.ncp.trust_center.transient]


async def idle(world: Guarded) -> bool:
    posture = await world.radio.posture()
    return posture.closed and not posture.open_to


async def comes_to_rest(world: Guarded) -> None:
    """Wait until nothing is open; what closes it has been set going."""
    async with asyncio.timeout(PATIENCE):
        while not await idle(world):  # noqa: ASYNC110 - the radio is asked, it has no event
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_install_code_lets_its_device_in_and_nobody_learns_the_key(version: int) -> None:
    async with guarded(version=version) as world:
        lamp, stranger = world.house.lamp(), world.house.stranger()
        order = await world.admit(lamp)
        stranger.power_on()
        lamp.power_on()
        await world.until(lambda: world.authority.of(Joined), "the join")
        await world.until(lambda: world.authority.of(Denied), "the stranger's try")

        (joined,) = world.authority.of(Joined)
        assert (joined.device, joined.link_key, joined.correlation) == (
            identity(lamp),
            LinkKeyState.VERIFIED,
            order.admission,
        )
        (sent,) = {event.device for event in world.authority.of(KeySent)}
        assert sent == identity(lamp)
        assert not world.authority.of(KeySent)[0].exposed
        assert {event.device for event in world.authority.of(Denied)} == {identity(stranger)}
        assert lamp.trust_center_link_key_verified
        assert in_zigpy(world) == {identity(lamp)}
        assert not world.house.loot
        assert not world.house.sniffer.has_network_key
        await comes_to_rest(world)
        assert open_transient_keys(world) == []


async def test_the_key_leaves_after_the_decision_is_durable() -> None:
    authority = ScriptedAuthority()
    authority.delay = 0.05
    async with guarded(authority) as world:
        lamp = world.house.lamp()
        await world.admit(lamp)
        lamp.power_on()
        await world.until(lambda: authority.asked(JoinRequest), "the question")
        assert "unicastCurrentNetworkKey" not in world.commands()
        await world.until(lambda: authority.of(Joined), "the join")
        assert world.commands().count("unicastCurrentNetworkKey") == 1


async def test_what_can_not_be_recorded_is_denied() -> None:
    authority = ScriptedAuthority()
    async with guarded(authority) as world:
        lamp = world.house.lamp()
        await world.admit(lamp)
        authority.broken = True
        lamp.power_on()
        await world.until(lambda: authority.of(Denied), "the denial")
        assert "unicastCurrentNetworkKey" not in world.commands()
        assert not lamp.has_network_key
        authority.broken = (
            False  # The row that passes: the same device, the same admission, a disk that works.
        )
        await world.until(lambda: authority.of(Joined), "the join")


async def test_it_comes_through_a_router_that_its_admission_allows() -> None:
    async with guarded() as world:
        router = world.house.lamp()
        await world.admit(router)
        router.power_on()
        await world.until(lambda: world.authority.of(Joined), "the router's join")
        child = world.house.sensor(parent=router)
        await world.admit(child, parents=frozenset({identity(router)}))
        child.power_on()
        await world.until(lambda: len(world.authority.of(Joined)) == 2, "the child's join")
        assert world.authority.asked(JoinRequest)[-1].parent == identity(router)
        assert world.authority.asked(JoinRequest)[-1].through_router
        assert not world.authority.of(Denied), "the router's second report of it is no stranger's"
        assert not world.house.sniffer.has_network_key


async def test_it_does_not_come_through_another_router() -> None:
    async with guarded() as world:
        router = world.house.lamp()
        await world.admit(router)
        router.power_on()
        await world.until(lambda: world.authority.of(Joined), "the router's join")
        router.parenting.stuck_open = True  # It accepts whoever comes, whatever it is told.
        child = world.house.sensor(parent=router)
        await world.admit(child, parents=frozenset())
        child.power_on()
        await world.until(lambda: world.authority.of(Denied), "the denial")
        assert world.authority.of(Denied)[0].rule == "parent"
        assert not child.has_network_key


async def test_two_at_once_and_one_ends_in_the_middle_of_the_other() -> None:
    async with guarded() as world:
        lamp, sensor = world.house.lamp(), world.house.sensor()
        await world.admit(lamp)
        await world.admit(sensor)
        assert sorted(open_transient_keys(world)) == sorted((lamp.eui64, sensor.eui64))
        lamp.power_on()
        await world.until(lambda: len(world.authority.of(KeySent)) == 1, "the lamp's key")
        sensor.power_on()
        await world.until(lambda: len(world.authority.of(Joined)) == 2, "both joins")
        assert {event.link_key for event in world.authority.of(Joined)} == {LinkKeyState.VERIFIED}
        await comes_to_rest(world)
        assert open_transient_keys(world) == []


async def test_removing_one_key_leaves_the_others() -> None:
    async with guarded() as world:
        lamp, plug = world.house.lamp(), world.house.plug()
        order = await world.admit(lamp)
        await world.admit(plug)
        await world.radio.withdraw(order.admission, "changed my mind")
        assert open_transient_keys(world) == [plug.eui64]
        keys = ("clearTransientLinkKeys", "importTransientKey", "exportTransientKeyByIndex")
        names = [name for name in world.commands() if name in keys]
        cleared = len(names) - 1 - names[::-1].index("clearTransientLinkKeys")
        assert names[cleared + 1] == "importTransientKey"
        assert "exportTransientKeyByIndex" in names[cleared + 2 :]
        plug.power_on()
        await world.until(lambda: world.authority.of(Joined), "the other's join")
        lamp.power_on()
        await asyncio.sleep(0.3)
        assert not lamp.has_network_key


async def test_a_sleepy_device_joins() -> None:
    async with guarded() as world:
        sensor = world.house.sensor()
        await world.admit(sensor)
        sensor.power_on()
        await world.until(lambda: world.authority.of(Joined), "the join")
        await world.until(lambda: sensor.trust_center_link_key_verified, "the key's confirmation")


@pytest.mark.parametrize("weak_is_fine", [False, True], ids=["evicted", "weak"])
async def test_without_a_link_key_exchange_it_is_judged(weak_is_fine: bool) -> None:
    authority = ScriptedAuthority()
    if weak_is_fine:
        authority.answers[ExchangeRequest] = Allow("weak", "Weak is fine.", None, frozenset({Mark.WEAK}))
    async with guarded(authority) as world:
        lamp = world.house.lamp(exchanges_link_key=False)
        await world.admit(lamp, exchange_limit=4 / SCALE)
        lamp.power_on()
        await world.until(lambda: authority.asked(ExchangeRequest), "the judgement")
        assert authority.asked(ExchangeRequest)[0].link_key is LinkKeyState.MISSING
        if weak_is_fine:
            await world.until(lambda: authority.of(Joined), "the join")
            assert authority.of(Joined)[0].marks == {Mark.WEAK}
            assert in_zigpy(world) == {identity(lamp)}
        else:
            await world.until(lambda: authority.of(Evicted), "the eviction")
            assert authority.of(Evicted)[0].confirmed
            assert authority.of(Evicted)[0].still_holds_network_key
            assert in_zigpy(world) == set()
            await world.until(lambda: not lamp.joined, "the lamp's leave")


async def test_a_spoofer_without_the_code_gains_nothing_and_ends_nothing() -> None:
    async with guarded() as world:
        lamp = world.house.lamp()
        impostor = world.house.impostor(lamp)
        await world.admit(lamp)
        impostor.power_on()
        await world.until(lambda: world.authority.of(KeySent), "the spoofer's try")
        await asyncio.sleep(0.3)
        assert in_zigpy(world) == set()
        assert not world.authority.of(Joined)
        impostor.power_off()
        lamp.power_on()
        await world.until(lambda: world.authority.of(Joined), "the real one's join")
        assert not impostor.loot
        assert not world.house.sniffer.has_network_key
        assert in_zigpy(world) == {identity(lamp)}


async def test_key_requests_are_answered_during_the_exchange_and_not_before_or_after() -> None:
    async with guarded() as world:
        lamp = world.house.lamp()
        await world.admit(lamp)
        lamp.power_on()
        await world.until(lambda: world.authority.of(Joined), "the join")
        story = [
            record.name if record.name != "setPolicy" else f"requests 0x{int(record.args['decision']):02x}"
            for record in world.house.server.ncp.commands
            if record.name == "unicastCurrentNetworkKey"
            or (record.name == "setPolicy" and int(record.args["policy"]) == 0x05)
        ]
        assert story[-3:] == ["unicastCurrentNetworkKey", "requests 0x51", "requests 0x50"]
        assert "requests 0x51" not in story[:-3]


async def test_a_bad_air_hinders_nobody_and_helps_nobody() -> None:
    async with guarded(loss=0.05, duplication=0.1, seed=3) as world:
        lamp, sensor = world.house.lamp(), world.house.sensor()
        await world.admit(lamp)
        await world.admit(sensor)
        lamp.power_on()
        sensor.power_on()
        await world.until(lambda: len(world.authority.of(Joined)) == 2, "both joins")
        assert not world.house.sniffer.has_network_key


async def test_the_window_ends_with_the_time() -> None:
    async with guarded() as world:
        lamp = world.house.lamp()
        await world.admit(lamp, window=4 / SCALE)
        posture = await world.radio.posture()
        assert posture.open_to == (identity(lamp),)
        assert posture.settings["trust-center-policy"] == "0x21"
        assert not posture.closed
        await comes_to_rest(world)
        assert open_transient_keys(world) == []
        lamp.power_on()
        await asyncio.sleep(0.3)
        assert not lamp.has_network_key


async def test_the_same_device_can_not_be_admitted_twice_at_once() -> None:
    async with guarded() as world:
        lamp = world.house.lamp()
        order = await world.admit(lamp)
        with pytest.raises(RadioError, match="open"):
            await world.radio.admit(order)
        await world.radio.withdraw(order.admission, "anew")
        await world.admit(lamp)
        lamp.power_on()
        await world.until(lambda: world.authority.of(Joined), "the join")


async def test_a_transient_key_that_ran_out_is_put_back() -> None:
    async with guarded() as world:
        lamp = world.house.lamp()
        await world.admit(lamp)
        world.house.server.ncp.trust_center.transient.clear()
        lamp.power_on()
        await world.until(lambda: world.authority.of(Joined), "the join")


async def test_no_log_shows_a_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with guarded() as world:
        lamp = world.house.lamp()
        order = await world.admit(lamp)
        lamp.power_on()
        await world.until(lambda: world.authority.of(Joined), "the join")
        network_key = world.house.coordinator.keys.key
    assert network_key is not None
    assert "importTransientKey" in caplog.text, "the host's log is on"
    for key in (order.secret.reveal(), network_key):
        spelt = (key.hex(), ":".join(f"{byte:02x}" for byte in key), str(list(key)), repr(key)[2:-1])
        assert not [form for form in spelt if form.lower() in caplog.text.lower()]


async def test_a_try_from_another_s_address_proves_nothing_by_that_one_s_frames() -> None:
    async with guarded(version=13) as world:  # Version 13 does not say who sent a frame.
        lamp = world.house.lamp()
        await world.admit(lamp)
        lamp.power_on()
        await world.until(lambda: world.authority.of(Joined), "the lamp's join")
        plug = world.house.plug()
        await world.admit(plug)
        address = type(world.radio.app.state.node_info.ieee)(plug.eui64.to_bytes(8, "little"))
        world.radio.guard.received("trustCenterJoinHandler", [lamp.nwk.short, address, 1, 3, 0])
        await world.until(lambda: len(world.authority.of(KeySent)) == 2, "the liar's key")
        await world.radio.app.devices[lamp_s(world, identity(lamp))].endpoints[1].on_off.on()
        assert world.radio.guard.roster.by_short[lamp.nwk.short] == identity(lamp)
        assert in_zigpy(world) == {identity(lamp)}
        plug.power_on()
        await world.until(lambda: len(world.authority.of(Joined)) == 2, "the plug's join")


def lamp_s(world: Guarded, device: str) -> Any:
    return next(ieee for ieee in world.radio.app.devices if str(ieee) == device)
