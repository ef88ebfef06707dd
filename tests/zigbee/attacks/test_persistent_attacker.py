"""Somebody who holds the network key, or makes up addresses without end, against the guard: he reaches neither zigpy
nor the bus, shuts nobody out, and fills neither memory nor disk. Beside each row is the one that passes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from zigpy.types import EUI64

from hubsec.desk import MAX_MALFORMED
from hubsec.errors import Quarantined
from hubsec.events import (
    Denied,
    Evicted,
    Joined,
    Knocked,
    Left,
    ListeningClosed,
    Malformed,
    Rejoined,
    RogueOpening,
    Steered,
)
from hubsec.identity import Standing
from hubsec.requests import JoinRequest, OpenRequest, PresenceRequest
from hubsec_emulated.wire import zdo
from hubsec_zigbee.frames import DEVICE_ANNCE, IEEE_ADDR_RSP, NWK_ADDR_RSP, identity_of
from hubsec_zigbee.limits import MAX_STRANGERS, QUESTIONS_AT_ONCE, REJOINS_AT_ONCE
from hubsec_zigbee.openings import ROGUES_AT_ONCE
from hubsec_zigbee.roster import MAX_DEVICES
from tests.zigbee.guarded import ScriptedAuthority, guarded, identity
from tests.zigbee.test_admission import in_zigpy
from tests.zigbee.test_on_the_network import Bystander, incoming, let_in, zigpy_s

pytestmark = pytest.mark.hosts

STRANGER = 0x00124B0000BADBAD
MADE_UP = 0x5A5A000000000000
SHORT = 0x6B6B


def says_who(cluster: int, eui64: int, short: int) -> bytes:
    """The payload by which `cluster` says that `eui64` is at `short`."""
    who, where = eui64.to_bytes(8, "little"), short.to_bytes(2, "little")
    return b"\x01" + where + who + b"\x8e" if cluster == DEVICE_ANNCE else b"\x01\x00" + who + where


def joined(eui64: int, short: int, status: int, parent: int, decision: int = 3) -> list[Any]:
    """A trustCenterJoinHandler."""
    import bellows.types as t

    return [t.NWK(short), t.EUI64(eui64.to_bytes(8, "little")), status, decision, t.NWK(parent)]


def unnamed(frame: list[Any]) -> list[Any]:
    """The same frame, its sender's EUI64 left out of the NWK header."""
    return [*frame[:3], type(frame[3])([0xFF] * 8), *frame[4:]]


# Names that reach zigpy


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("endpoints", [(0, 1), (1, 0)])
@pytest.mark.parametrize("cluster", [DEVICE_ANNCE, NWK_ADDR_RSP, IEEE_ADDR_RSP])
async def test_zdo_in_the_clothes_of_an_application_message(
    cluster: int, endpoints: tuple[int, int], known: bool
) -> None:
    """zigpy reads ZDO in whatever comes from or to endpoint 0, of any profile."""
    async with guarded() as world:
        lamp = await let_in(world, world.house.lamp())
        world.authority.standings[identity_of(STRANGER)] = Standing.ADOPTED if known else Standing.QUARANTINED
        short = lamp.nwk.short if cluster == DEVICE_ANNCE else SHORT
        source, destination = endpoints
        lamp.aps.send_data(
            dst=0,
            profile=0x0104,
            cluster=cluster,
            src_ep=source,
            dst_ep=destination,
            payload=says_who(cluster, STRANGER, short),
        )
        assert await world.comes(lambda: identity_of(STRANGER) in in_zigpy(world), expected=known) is known


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("cluster", [NWK_ADDR_RSP, IEEE_ADDR_RSP])
async def test_a_name_told_under_the_coordinators_own_address(cluster: int, known: bool) -> None:
    async with guarded() as world:
        world.authority.standings[identity_of(STRANGER)] = Standing.ADOPTED if known else Standing.QUARANTINED
        frame = incoming(world, 0, 0, cluster, says_who(cluster, STRANGER, SHORT))
        world.radio.guard.gate._receive(world.radio.guard.gate.deliver, "incomingMessageHandler", frame)
        assert (identity_of(STRANGER) in in_zigpy(world)) is known


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("version", [13, 14])
async def test_frames_of_nobody_in_particular(version: int, known: bool) -> None:
    """Whoever gives no EUI64 and is not known by his short address is asked who he is; until he says, and is judged,
    zigpy gets nothing."""
    authority = ScriptedAuthority()
    async with guarded(authority, version=version) as world:
        if not known:
            authority.default_standing = Standing.UNKNOWN
        insider = world.house.insider()
        heard: list[int] = []
        received = world.radio.app.packet_received
        world.radio.app.packet_received = lambda packet: (heard.append(packet.src.address), received(packet))
        for _ in range(8):
            insider.aps.send_data(
                dst=0, profile=0x0104, cluster=6, src_ep=1, dst_ep=1, payload=b"\x18\x01\x0a\x00\x00\x10\x01"
            )
            await asyncio.sleep(0.1)
        assert await world.comes(lambda: insider.nwk.short in heard, expected=known) is known
        assert (identity(insider) in in_zigpy(world)) is known


@pytest.mark.parametrize("standing", [Standing.ADOPTED, Standing.UNKNOWN, Standing.QUARANTINED])
async def test_a_route_to_a_stranger(standing: Standing) -> None:
    """zigpy would ask after him all over the network."""
    async with guarded() as world:
        world.authority.standings[identity_of(STRANGER)] = standing
        address = EUI64.convert(identity_of(STRANGER))
        passes = world.radio.guard.received("incomingRouteRecordHandler", [SHORT, address, 255, -40, []])
        assert passes is (standing is Standing.ADOPTED)


# A quarantined device that wants out


@pytest.mark.parametrize("standing", [Standing.QUARANTINED, Standing.APPROVED])
async def test_more_names_than_are_kept_do_not_make_a_quarantine_forgotten(standing: Standing) -> None:
    async with guarded() as world:
        lamp = await let_in(world, world.house.lamp())
        native, guard = zigpy_s(world, lamp), world.radio.guard
        world.authority.standings[identity(lamp)] = standing
        for number in range(1, MAX_DEVICES + 10):
            guard.passes(incoming(world, 0x1000 + number, MADE_UP + number, 0x8005, b"\x01\x00"))
        assert lamp.nwk.short not in guard.roster.by_short, "what is kept is bounded"
        if standing is Standing.QUARANTINED:
            with pytest.raises(Quarantined):
                await native.endpoints[1].on_off.on()
        frame = unnamed(incoming(world, lamp.nwk.short, lamp.eui64, 0x8005, b"\x01\x00"))
        assert guard.passes(frame) is (standing is Standing.APPROVED)
        if standing is Standing.APPROVED:
            await native.endpoints[1].on_off.on()


@pytest.mark.parametrize("standing", [Standing.QUARANTINED, Standing.APPROVED])
async def test_a_rejoin_under_another_s_name_at_its_own_address(standing: Standing) -> None:
    async with guarded() as world:
        lamp, plug = await let_in(world, world.house.lamp()), await let_in(world, world.house.plug())
        world.authority.standings[identity(lamp)] = standing
        told = world.radio.guard.received(
            "trustCenterJoinHandler", joined(plug.eui64, lamp.nwk.short, 0, plug.nwk.short)
        )
        at = world.radio.guard.roster.by_short[lamp.nwk.short]
        quarantined = standing is Standing.QUARANTINED
        assert at == identity(lamp if quarantined else plug)
        assert told is not quarantined
        assert bool(world.authority.of(Malformed)) is quarantined


@pytest.mark.parametrize("standing", [Standing.QUARANTINED, Standing.APPROVED])
async def test_what_a_router_tells_of_others(standing: Standing) -> None:
    async with guarded() as world:
        router, plug = await let_in(world, world.house.lamp()), await let_in(world, world.house.plug())
        world.authority.standings[identity(router)] = standing
        heard: list[Any] = []
        world.radio.app.add_listener(
            type("App", (), {"device_left": lambda _, device: heard.append(device)})()
        )
        for status, short in ((2, plug.nwk.short), (0, 0x7777)):
            world.radio.guard.received(
                "trustCenterJoinHandler", joined(plug.eui64, short, status, router.nwk.short)
            )
        approved = standing is Standing.APPROVED
        for kind in (Left, Rejoined):
            assert (
                await world.comes(lambda kind=kind: world.authority.of(kind), expected=approved) is approved
            )


@pytest.mark.parametrize("teller", ["itself", "a quarantined router"])
async def test_an_eviction_is_not_confirmed_by_somebody_who_is_shut_off(teller: str) -> None:
    async with guarded() as world:
        router, plug = await let_in(world, world.house.lamp()), await let_in(world, world.house.plug())
        world.authority.standings[identity(router)] = Standing.QUARANTINED
        if teller != "itself":
            plug.mac.power(False)  # It does not hear the order.
        parent = 0 if teller == "itself" else router.nwk.short
        evicting = asyncio.create_task(world.radio.evict(identity(plug)))
        await asyncio.sleep(0.1)
        if teller != "itself":
            world.radio.guard.received(
                "trustCenterJoinHandler", joined(plug.eui64, plug.nwk.short, 2, parent)
            )
        assert (await evicting).confirmed is (teller == "itself")


async def test_an_evicted_device_gets_nothing_more() -> None:
    async with guarded() as world:
        lamp, plug = await let_in(world, world.house.lamp()), await let_in(world, world.house.plug())
        native, other = zigpy_s(world, lamp), zigpy_s(world, plug)
        lamp.mac.power(False)
        assert not (await world.radio.evict(identity(lamp))).confirmed
        with pytest.raises(Quarantined):
            await native.endpoints[1].on_off.on()
        await other.endpoints[1].on_off.on()


@pytest.mark.parametrize("kind", ["group", "broadcast"])
async def test_a_quarantined_device_hears_groups_and_broadcasts_and_is_not_heard(kind: str) -> None:
    """It is physics: it holds the network key, and they name nobody. What it says in return goes nowhere."""
    async with guarded() as world:
        lamp = await let_in(world, world.house.lamp())
        bystander = Bystander(world)
        world.authority.standings[identity(lamp)] = Standing.QUARANTINED
        frame = incoming(world, lamp.nwk.short, lamp.eui64, 6, b"\x18\x01\x0a\x00\x00\x10\x01")
        frame[0] = type(frame[0])(3 if kind == "group" else 1)
        for named in (frame, unnamed(frame)):
            assert not world.radio.guard.passes(named)
        await world.radio.app.broadcast(0x0104, 6, 1, 1, 0, 0, 7, b"\x01\x07\x01")
        await world.until(lambda: lamp.is_on, "the order that names nobody")
        assert not bystander.heard
        world.authority.standings[identity(lamp)] = Standing.APPROVED
        assert world.radio.guard.passes(frame)


# Floods


async def test_made_up_names_do_not_fill_the_disk() -> None:
    authority = ScriptedAuthority()
    async with guarded(authority) as world:
        lamp = await let_in(world, world.house.lamp())
        authority.default_standing = Standing.UNKNOWN
        authority.standings[identity(lamp)] = Standing.APPROVED
        for number in range(1, 600):
            world.radio.guard.passes(incoming(world, 0x1000 + number, MADE_UP + number, 0x0006, b"\x01\x00"))
            await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        assert len(authority.asked(PresenceRequest)) <= QUESTIONS_AT_ONCE + 3
        assert world.radio.guard.passes(incoming(world, lamp.nwk.short, lamp.eui64, 6, b"\x18\x01\x0a"))


async def test_made_up_rejoins_do_not_fill_the_disk() -> None:
    async with guarded() as world:
        lamp = await let_in(world, world.house.lamp())
        for number in range(1, 300):
            frame = joined(MADE_UP + number, 0x1000 + number, 0, lamp.nwk.short)
            world.radio.guard.received("trustCenterJoinHandler", frame)
            await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        rejoins = [r for r in world.authority.asked(JoinRequest) if r.device != identity(lamp)]
        assert 0 < len(rejoins) <= REJOINS_AT_ONCE + 3


async def test_openings_without_end_are_not_answered_without_end() -> None:
    """Each is written to disk and answered by broadcasts, of which a network carries few."""
    async with guarded() as world:
        before = world.commands().count("sendBroadcast")
        for number in range(1, 200):
            frame = incoming(world, 0x1000 + number, MADE_UP + number, 0x0036, b"\x01\xfe\x01")
            world.radio.guard.passes(frame)
            await asyncio.sleep(0)
        await world.until(lambda: world.authority.of(RogueOpening), "the word")
        await asyncio.sleep(0.5)
        assert len(world.authority.asked(OpenRequest)) <= ROGUES_AT_ONCE + 1
        assert world.commands().count("sendBroadcast") - before <= ROGUES_AT_ONCE + 1
        assert all(event.closed for event in world.authority.of(RogueOpening))


async def test_nonsense_is_counted_in_bounds() -> None:
    async with guarded() as world:
        for number in range(1, 3 * MAX_MALFORMED):
            world.radio.guard.passes(
                incoming(world, 0x1000 + number, MADE_UP + number, DEVICE_ANNCE, b"\x01")
            )
        guard = world.radio.guard
        assert guard.desk.malformed_count() == 3 * MAX_MALFORMED - 1
        assert len(guard.desk._malformed) <= MAX_MALFORMED + 1
        assert len(world.authority.of(Malformed)) <= MAX_MALFORMED + 10


async def test_a_spoofer_s_addresses_are_forgotten_with_the_admission() -> None:
    async with guarded() as world:
        lamp, guard = world.house.lamp(), world.radio.guard
        order = await world.admit(lamp)
        for number in range(1, 120):
            guard.received("trustCenterJoinHandler", joined(lamp.eui64, 0x1000 + number, 1, 0))
            await asyncio.sleep(0.02)
        assert guard.receiving.waiting
        await world.radio.withdraw(order.admission, "enough")
        guard.joining.clear()
        assert not guard.receiving.waiting
        assert not guard.joining._calls
        await let_in(world, lamp)


async def test_a_noisy_stranger_does_not_drown_the_one_who_is_waited_for() -> None:
    authority = ScriptedAuthority()
    async with guarded(authority) as world:
        authority.listening = True
        await world.radio.listen(60, by="operator")
        for number in range(60):
            noisy = joined(STRANGER, 0x1000 + number, 1, 0)
            world.radio.guard.received("trustCenterJoinHandler", noisy)
            await asyncio.sleep(0)
        world.house.lamp(install_code=None).power_on()
        honest = identity(world.house.devices[-1])
        await world.until(lambda: any(k.device == honest for k in authority.of(Knocked)), "the knock")
        assert not authority.of(ListeningClosed)


async def test_more_strangers_than_there_is_room_for_close_the_window() -> None:
    authority = ScriptedAuthority()
    async with guarded(authority) as world:
        authority.listening = True
        await world.radio.listen(60, by="operator")
        for number in range(MAX_STRANGERS + 2):
            assert not authority.of(ListeningClosed)
            world.radio.guard.received("trustCenterJoinHandler", joined(MADE_UP + number, 0x1000, 1, 0))
        await world.until(lambda: authority.of(ListeningClosed), "the end")
        await world.until(lambda: world.house.server.ncp.trust_center.policy == 0, "the closing")


# Whom the guard puts out, and what it calls an opening


@pytest.mark.parametrize("is_in", [True, False])
async def test_a_claim_of_its_name_does_not_get_a_device_evicted(
    is_in: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without DEFER_JOINS the NCP answers by itself; only the device can open that."""
    from hubsec_emulated.ncp.policies import JoinPolicy
    from hubsec_emulated.ncp.trust_center import EmberTrustCenter

    def forgetful(self: EmberTrustCenter, policy: JoinPolicy) -> bool:
        self.policy = policy & ~JoinPolicy.DEFER_JOINS
        return True

    monkeypatch.setattr(EmberTrustCenter, "set_policy", forgetful)
    async with guarded() as world:
        lamp = await let_in(world, world.house.lamp())
        del world.authority.orders[identity(lamp)]
        await world.admit(world.house.plug())
        named = lamp.eui64 if is_in else STRANGER
        world.radio.guard.received("trustCenterJoinHandler", joined(named, SHORT, 1, 0, decision=0))
        await world.until(lambda: world.authority.of(Denied), "the denial")
        await asyncio.sleep(1.3)
        assert bool(world.authority.of(Evicted)) is not is_in
        assert lamp.joined
        assert world.radio.guard.roster.by_short[lamp.nwk.short] == identity(lamp)


async def test_a_newcomer_that_steers_is_told_calmly_and_shut_all_the_same() -> None:
    async with guarded() as world:
        lamp = await let_in(world, world.house.lamp())
        await world.until(lambda: world.authority.of(Steered), "its steering")
        (steered,) = world.authority.of(Steered)
        assert (steered.device, steered.seconds, steered.closed) == (identity(lamp), 180, True)
        assert not world.authority.of(RogueOpening)
        assert len(world.authority.asked(OpenRequest)) == 1, "it is judged and recorded as any other"
        await asyncio.sleep(1.1)
        lamp.zdo.send(0xFFFC, zdo.MgmtPermitJoiningReq(180))  # Once is what the specification asks of it.
        await world.until(lambda: world.authority.of(RogueOpening), "the second opening")
        assert world.authority.of(RogueOpening)[0].device == identity(lamp)


@pytest.mark.parametrize(("seconds", "calm"), [(180, True), (254, False)])
async def test_a_newcomer_that_opens_for_longer_does_not_steer(seconds: int, calm: bool) -> None:
    async with guarded() as world:
        lamp = world.house.lamp()
        lamp.opens_network = False
        await let_in(world, lamp)
        lamp.zdo.send(0xFFFC, zdo.MgmtPermitJoiningReq(seconds))
        kind = Steered if calm else RogueOpening
        await world.until(lambda: world.authority.of(kind), "the word")
        assert len(world.authority.of(Steered)) + len(world.authority.of(RogueOpening)) == 1


@pytest.mark.parametrize("asks", [True, False])
async def test_an_insider_asks_for_a_link_key_while_somebody_s_exchange_runs(asks: bool) -> None:
    """Key requests are answered for everybody then; his is not sealed with a key that the trust center has for him."""
    async with guarded() as world:
        insider, lamp = world.house.insider(), world.house.lamp()
        await world.admit(lamp)
        stop = _repeat(insider.ask_for_link_key) if asks else None
        lamp.power_on()
        await world.until(lambda: world.authority.of(Joined), "the join")
        if stop is not None:
            stop()
        assert not insider.loot.link_keys
        assert lamp.trust_center_link_key_verified


def _repeat(call: Callable[[], None]) -> Callable[[], object]:
    async def again() -> None:
        while True:
            call()
            await asyncio.sleep(0.05)

    return asyncio.get_running_loop().create_task(again()).cancel
