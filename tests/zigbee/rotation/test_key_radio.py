"""What a stick does for a rotation of the network key, on the emulated air."""

from __future__ import annotations

import asyncio

import pytest

from hubsec.errors import RadioError, Refused
from hubsec.events import KeysDisagree, OpenRefused
from hubsec.identity import Identity, Mode
from hubsec.rotation.radio import KeyRadio
from hubsec.secret import Secret
from hubsec_emulated.devices.device import Device
from hubsec_emulated.wire import zdo
from tests.zigbee.guarded import FADED, VERSIONS, Guarded, ScriptedAuthority, guarded, identity
from tests.zigbee.test_on_the_network import let_in

pytestmark = pytest.mark.hosts

KEY, FURTHER = Secret(bytes(range(32, 48))), Secret(bytes(range(64, 80)))


async def switched(world: Guarded, *devices: Device) -> None:
    await world.house.sleep(FADED)
    await world.radio.switch_key()
    key = (await world.radio.key_state()).key.reveal()
    await world.until(lambda: all(device.network_key == key for device in devices), "the switch")


@pytest.mark.parametrize(
    "version", [one if one == 14 else pytest.param(one, marks=pytest.mark.slow) for one in VERSIONS]
)
async def test_a_key_goes_out_and_is_used(version: int) -> None:
    async with guarded(version=version) as world:
        radio = world.radio
        assert isinstance(radio, KeyRadio)
        lamp = await let_in(world, world.house.lamp())
        before = await radio.key_state()
        assert before.key.reveal() == lamp.network_key
        assert before.next_sequence is None
        assert await radio.send_next_key(identity(lamp), KEY)
        await radio.broadcast_next_key(KEY)
        staged = await radio.key_state()
        assert (staged.key, staged.sequence) == (before.key, before.sequence)
        assert staged.next_sequence == before.sequence + 1
        await switched(world, lamp)
        after = await radio.key_state()
        assert (after.key, after.sequence, after.next_sequence) == (KEY, before.sequence + 1, None)
        assert await radio.answers(identity(lamp))
        assert not world.authority.of(KeysDisagree)


async def test_who_is_left_out_does_not_get_the_key() -> None:
    async with guarded() as world:
        radio = world.radio
        lamp = await let_in(world, world.house.lamp())
        thief = await let_in(world, world.house.plug())
        assert await radio.send_next_key(identity(lamp), KEY)
        await switched(world, lamp)
        assert thief.network_key != KEY.reveal()
        assert await radio.answers(identity(lamp))
        assert not await radio.answers(identity(thief))


async def test_a_sleeper_is_given_its_key_when_it_polls() -> None:
    async with guarded() as world:
        sensor = await let_in(world, world.house.sensor())
        (route,) = await world.radio.key_routes()
        assert route.device == identity(sensor)
        assert route.sleepy
        assert route.placed
        assert route.own_link_key is False
        assert await world.radio.send_next_key(identity(sensor), KEY)
        await switched(world)
        assert await world.radio.answers(identity(sensor))
        assert sensor.network_key == KEY.reveal()


async def test_a_router_is_no_sleeper_and_a_table_entry_is_a_key_of_its_own() -> None:
    async with guarded() as world:
        lamp = await let_in(world, world.house.lamp())
        world.house.server.ncp.trust_center.store_link_key(lamp.eui64, bytes(16), 0)
        (route,) = await world.radio.key_routes()
        assert (route.sleepy, route.own_link_key) == (False, True)


@pytest.mark.slow
async def test_who_is_switched_off_or_unknown_does_not_answer() -> None:
    async with guarded() as world:
        lamp = await let_in(world, world.house.lamp())
        lamp.power_off()
        assert not await world.radio.answers(identity(lamp))
        assert not await world.radio.send_next_key(identity(lamp), KEY)
        assert not await world.radio.answers(Identity("00:12:4b:00:00:00:00:77"))


async def test_an_answer_is_not_the_hosts_and_not_anybody_elses() -> None:
    async with guarded() as world:
        lamp, plug = await let_in(world, world.house.lamp()), await let_in(world, world.house.plug())
        told: list[object] = []
        heard: list[Identity] = []
        world.radio.app.add_listener(type("Listener", (), {"handle_message": lambda _, *a: told.append(a)})())
        forget = world.radio.heard(heard.append)
        assert await world.radio.answers(identity(lamp))
        assert not told
        assert heard == [identity(lamp)]
        # Who is asked under another's address answers in its own name, and that counts for nobody.
        world.radio.guard.roster.learn(identity(lamp), plug.nwk.short)
        assert not await world.radio.answers(identity(lamp))
        forget()
        forget()
        heard.clear()
        lamp.zdo.send(0, zdo.NodeDescReq(0))
        await asyncio.sleep(0.2)
        assert not heard


async def test_without_a_staged_key_nothing_is_switched() -> None:
    async with guarded() as world:
        with pytest.raises(RadioError, match="no next network key"):
            await world.radio.switch_key()
        assert "broadcastNetworkKeySwitch" not in world.commands()


async def test_a_switch_that_comes_too_soon_is_an_error_and_changes_nothing() -> None:
    async with guarded() as world:
        before = await world.radio.key_state()
        await world.radio.broadcast_next_key(KEY)
        with pytest.raises(RadioError, match="TOO_SOON"):
            await world.radio.switch_key()
        after = await world.radio.key_state()
        assert (after.key, after.next_sequence) == (before.key, before.sequence + 1)
        assert not world.authority.of(KeysDisagree)


@pytest.mark.slow
async def test_the_staged_key_outlives_a_reset_and_the_same_goes_out_again() -> None:
    async with guarded() as world:
        lamp = await let_in(world, world.house.lamp())
        before = await world.radio.key_state()
        await world.radio.broadcast_next_key(KEY)
        await world.radio.broadcast_next_key(KEY)
        assert (await world.radio.key_state()).next_sequence == before.sequence + 1
        await switched(world, lamp)
        await world.radio.broadcast_next_key(FURTHER)
        await switched(world, lamp)
        after = await world.radio.key_state()
        assert (after.key, after.sequence) == (FURTHER, before.sequence + 2)


async def test_zigpy_follows_the_key_and_keeps_no_backup_with_another() -> None:
    async with guarded() as world:
        app = world.radio.app
        await app.backups.create_backup()
        await world.radio.broadcast_next_key(KEY)
        await switched(world)
        await world.radio.follow_key()
        await world.radio.follow_key()
        assert bytes(app.state.network_info.network_key.key) == KEY.reveal()
        assert {bytes(one.network_info.network_key.key) for one in app.backups.backups} == {KEY.reveal()}


async def test_the_hosts_own_rotation_is_refused_while_enforcing() -> None:
    async with guarded() as world:
        ezsp = world.radio.app._ezsp
        for command, args in (
            ("broadcastNextNetworkKey", (KEY.reveal(),)),
            ("broadcastNetworkKeySwitch", ()),
            ("unicastNwkKeyUpdate", (0x1234, world.radio.app.state.node_info.ieee, KEY.reveal())),
        ):
            with pytest.raises(Refused):
                await getattr(ezsp, command)(*args)
            assert command not in world.commands()
        assert (await world.radio.key_state()).next_sequence is None


async def test_the_hosts_own_rotation_is_told_while_observing() -> None:
    async with guarded(ScriptedAuthority(Mode.OBSERVE)) as world:
        ezsp = world.radio.app._ezsp
        await ezsp.broadcastNextNetworkKey(KEY.reveal())
        await world.house.sleep(FADED)
        await ezsp.broadcastNetworkKeySwitch()
        await world.until(lambda: world.authority.of(KeysDisagree), "the switch that nobody ordered")
        assert len(world.authority.of(OpenRefused)) == 2
        assert not any(event.enforced for event in world.authority.of(OpenRefused))


async def test_a_switch_that_somebody_else_orders_is_told_while_enforcing() -> None:
    async with guarded() as world:
        await world.radio.broadcast_next_key(KEY)
        await world.house.sleep(FADED)
        # Past the gate, as from another program that has the stick.
        await world.radio.guard.gate.raw("broadcastNetworkKeySwitch")
        await world.until(lambda: world.authority.of(KeysDisagree), "the switch that nobody ordered")
        (event,) = world.authority.of(KeysDisagree)
        assert "did not tell it to" in event.reason
        assert (await world.radio.key_state()).key == KEY


async def test_a_further_key_takes_the_place_of_one_that_was_given_up() -> None:
    async with guarded() as world:
        lamp = await let_in(world, world.house.lamp())
        await world.radio.broadcast_next_key(KEY)
        await world.until(lambda: KEY.reveal() in lamp.keys.all().values(), "the first key")
        await world.house.sleep(FADED)
        await world.radio.broadcast_next_key(FURTHER)
        await switched(world, lamp)
        assert (await world.radio.key_state()).key == FURTHER
        assert KEY.reveal() not in lamp.keys.all().values()


async def test_a_radio_that_is_not_open_says_so() -> None:
    async with guarded() as world:
        radio = world.radio
        await radio.close()
        nobody = Identity("00:12:4b:00:00:00:00:77")
        for ask in (
            radio.key_state,
            radio.key_routes,
            lambda: radio.broadcast_next_key(KEY),
            lambda: radio.send_next_key(nobody, KEY),
            radio.switch_key,
            lambda: radio.answers(nobody),
            radio.follow_key,
        ):
            with pytest.raises(RadioError, match="not open"):
                await ask()
