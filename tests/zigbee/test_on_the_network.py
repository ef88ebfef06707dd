"""Devices that are on the network: quarantine, strangers that were never let in, coming back, leaving, rogue
openings."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from zigpy.types import EUI64

from hubsec.decisions import Allow, Evict, Quarantine
from hubsec.errors import Quarantined, RadioError
from hubsec.events import Denied, Evicted, Joined, KeySent, Left, Malformed, Rejoined, RogueOpening
from hubsec.events import Quarantined as QuarantinedEvent
from hubsec.identity import Identity, Mode, Standing
from hubsec.requests import ExchangeRequest, IdentifyRequest, JoinKind, JoinRequest, PresenceRequest
from hubsec_emulated.devices.device import Device
from hubsec_emulated.wire import zdo
from tests.zigbee.guarded import Guarded, ScriptedAuthority, guarded, identity
from tests.zigbee.test_admission import in_zigpy

pytestmark = pytest.mark.hosts


class Bystander:
    """A listener of zigpy's, as an app has one."""

    def __init__(self, world: Guarded) -> None:
        self.heard: list[str] = []
        world.radio.app.add_listener(self)

    def handle_message(self, sender: Any, *_: Any) -> None:
        self.heard.append(str(sender.ieee))

    def device_joined(self, device: Any) -> None:
        self.heard.append(f"joined {device.ieee}")


async def let_in[D: Device](world: Guarded, device: D) -> D:
    already = len(world.authority.of(Joined))
    await world.admit(device)
    device.power_on()
    await world.until(lambda: len(world.authority.of(Joined)) > already, "the join")
    await world.until(
        lambda: any(r.device == identity(device) for r in world.authority.asked(IdentifyRequest)),
        "the interview",
    )
    return device


def announce(device: Device) -> None:
    """As a device does that has come back."""
    device.zdo.send(0xFFFD, zdo.DeviceAnnce(device.nwk.short, device.eui64, device.role.capability))


def zigpy_s(world: Guarded, device: Device) -> Any:
    return world.radio.app.devices[EUI64.convert(identity(device))]


@pytest.mark.parametrize("standing", [Standing.APPROVED, Standing.QUARANTINED])
async def test_a_quarantined_device_is_neither_heard_nor_reached(standing: Standing) -> None:
    async with guarded() as world:
        lamp = await let_in(world, world.house.lamp())
        native = zigpy_s(world, lamp)
        bystander = Bystander(world)
        world.authority.standings[identity(lamp)] = standing
        dropped = world.radio.guard.receiving.dropped
        if standing is Standing.APPROVED:
            await native.endpoints[1].on_off.on()
            assert world.radio.device(identity(lamp)) is native
        else:
            with pytest.raises(Quarantined):
                await native.endpoints[1].on_off.on()
            with pytest.raises(Quarantined):
                world.radio.device(identity(lamp))
        announce(lamp)
        approved = standing is Standing.APPROVED
        assert await world.comes(lambda: identity(lamp) in bystander.heard, expected=approved) is approved
        assert (world.radio.guard.receiving.dropped > dropped) is (standing is Standing.QUARANTINED)
        assert lamp.is_on is (standing is Standing.APPROVED)


async def test_a_device_that_zigpy_does_not_have_is_an_error() -> None:
    async with guarded() as world:
        with pytest.raises(RadioError):
            world.radio.device("00:12:4b:00:00:00:00:77")
        lamp = await let_in(world, world.house.lamp())
        assert world.radio.device(identity(lamp)).model == "Lamp"
        assert [seen.device for seen in world.radio.devices()] == [identity(lamp)]


@pytest.mark.parametrize("known", [False, True])
async def test_somebody_on_the_network_is_asked_about_before_he_is_heard(known: bool) -> None:
    authority = ScriptedAuthority()
    async with guarded(authority) as world:
        await let_in(world, world.house.lamp())
        authority.default_standing = Standing.UNKNOWN
        if known:

            def adopt(request: PresenceRequest) -> Allow:
                authority.standings[request.device] = Standing.ADOPTED
                return Allow("adopted", "It was here.")

            authority.answers[PresenceRequest] = adopt
        insider = world.house.insider()
        announce(insider)
        await world.until(lambda: authority.asked(PresenceRequest), "the question")
        assert await world.comes(lambda: identity(insider) in in_zigpy(world), expected=known) is known
        assert {request.device for request in authority.asked(PresenceRequest)} == {identity(insider)}


async def test_what_it_says_of_itself_is_judged() -> None:
    authority = ScriptedAuthority()
    authority.answers[IdentifyRequest] = Evict("class", "It is a lamp and no lock.")
    async with guarded(authority) as world:
        lamp = world.house.lamp()
        await world.admit(lamp)
        lamp.power_on()
        await world.until(lambda: authority.of(Evicted), "the eviction")
        (request,) = authority.asked(IdentifyRequest)[:1]
        assert (request.device_class, request.manufacturer, request.model) == ("lamp", "Emulated", "Lamp")
        await world.until(lambda: not lamp.joined, "its leave")


async def test_an_exchange_that_ends_in_quarantine_shuts_it_off() -> None:
    authority = ScriptedAuthority()

    def quarantine(request: ExchangeRequest) -> Quarantine:
        authority.standings[request.device] = Standing.QUARANTINED
        return Quarantine("exchange", "Not like this.")

    authority.answers[ExchangeRequest] = quarantine
    async with guarded(authority) as world:
        lamp = world.house.lamp()
        await world.admit(lamp)
        lamp.power_on()
        await world.until(lambda: authority.asked(ExchangeRequest), "the judgement")
        with pytest.raises(Quarantined):
            world.radio.device(identity(lamp))


async def test_eviction_goes_through_the_parent() -> None:
    async with guarded() as world:
        router = await let_in(world, world.house.lamp())
        child = await let_in(world, world.house.sensor(parent=router))
        eviction = await world.radio.evict(identity(child))
        assert eviction.confirmed, eviction.detail
        assert eviction.still_holds_network_key
        assert "parent" in eviction.detail
        (order,) = [r for r in world.house.server.ncp.commands if r.name == "removeDevice"]
        assert router.nwk.short in order.args.values()
        assert in_zigpy(world) == {identity(router)}
        await world.until(lambda: not child.joined, "its leave")


@pytest.mark.parametrize("kind", ["sensor", "lock", "lamp"])
async def test_a_neighbour_of_the_coordinator_is_evicted(kind: str) -> None:
    async with guarded() as world:
        device = await let_in(world, getattr(world.house, kind)())
        other = await let_in(world, world.house.plug())
        assert (await world.radio.evict(identity(device))).confirmed
        await world.until(lambda: not device.joined, "its leave")
        assert other.joined
        assert in_zigpy(world) == {identity(other)}
        # It may come back by an admission, as anybody.
        device.power_off()
        await let_in(world, device)
        assert in_zigpy(world) == {identity(device), identity(other)}


async def test_an_eviction_that_nobody_confirms_says_so() -> None:
    async with guarded() as world:
        lamp = await let_in(world, world.house.lamp())
        lamp.power_off()
        eviction = await world.radio.evict(identity(lamp))
        assert not eviction.confirmed
        assert eviction.still_holds_network_key
        assert "Nobody confirmed" in eviction.detail
        bystander = Bystander(world)
        lamp.power_on()  # It comes back as if nothing had been: nothing of it is heard.
        announce(lamp)
        await asyncio.sleep(0.3)
        assert identity(lamp) not in bystander.heard


async def test_nobody_is_evicted_from_nowhere() -> None:
    async with guarded() as world:
        eviction = await world.radio.evict(Identity("00:12:4b:00:00:00:00:77"))
        assert not eviction.confirmed


async def test_a_secured_rejoin_is_judged_afterwards() -> None:
    async with guarded() as world:
        sensor = await let_in(world, world.house.sensor())
        sensor.joining.rejoin(secured=True)
        await world.until(lambda: world.authority.of(Rejoined), "the rejoin")
        assert world.authority.of(Rejoined)[0].kind is JoinKind.SECURED_REJOIN
        await world.until(lambda: sensor.joined, "the device's own view of it")


async def test_an_unsecured_rejoin_is_refused() -> None:
    async with guarded() as world:
        lamp = await let_in(world, world.house.lamp())
        victim = await let_in(world, world.house.plug())
        victim.power_off()
        sent = len(world.authority.of(KeySent))
        rejoiner = world.house.rejoiner(victim, parent=lamp)
        rejoiner.power_on()
        await world.until(
            lambda: any(r.kind is JoinKind.UNSECURED_REJOIN for r in world.authority.asked(JoinRequest)),
            "the claim",
        )
        await world.until(lambda: world.authority.of(Denied), "the denial")
        assert world.authority.of(Denied)[-1].kind is JoinKind.UNSECURED_REJOIN
        assert len(world.authority.of(KeySent)) == sent
        assert not rejoiner.loot


async def test_an_unsecured_rejoin_is_refused_even_where_the_hub_would_allow_it() -> None:
    authority = ScriptedAuthority()
    async with guarded(authority) as world:
        eui64 = world.radio.app.state.node_info.ieee
        authority.answers[JoinRequest] = Allow("verified", "It may.")
        assert not world.radio.guard.received(
            "trustCenterJoinHandler", [0x1234, type(eui64)([9] * 8), 3, 2, 0]
        )
        await world.until(lambda: authority.of(Denied), "the denial")
        assert authority.of(Denied)[0].rule == "unsecured-rejoin"
        assert "unicastCurrentNetworkKey" not in world.commands()


async def test_a_node_that_opens_the_network_is_told_of_and_shut() -> None:
    async with guarded() as world:
        lamp = await let_in(world, world.house.lamp())
        world.authority.events.clear()
        insider = world.house.insider()
        insider.open_network()
        await world.until(lambda: world.authority.of(RogueOpening), "the opening")
        assert world.authority.of(RogueOpening)[0].closed
        assert world.authority.of(RogueOpening)[0].seconds == 254
        stranger = world.house.stranger()
        stranger.power_on()
        await asyncio.sleep(0.3)
        assert not stranger.loot
        assert lamp.joined


async def test_a_device_that_leaves_is_told_of() -> None:
    async with guarded() as world:
        sensor = await let_in(world, world.house.sensor())
        sensor.leave()
        await world.until(lambda: world.authority.of(Left), "the leave")
        assert world.authority.of(Left)[0].device == identity(sensor)


async def test_observing_nobody_is_shut_off() -> None:
    authority = ScriptedAuthority(Mode.OBSERVE)
    async with guarded(authority) as world:
        await world.radio.app.permit(60)
        lamp = world.house.lamp(install_code=None)
        lamp.power_on()
        await world.until(lambda: authority.asked(IdentifyRequest), "the interview")
        authority.standings[identity(lamp)] = Standing.QUARANTINED
        await zigpy_s(world, lamp).endpoints[1].on_off.on()
        assert lamp.is_on
        authority.answers[IdentifyRequest] = Quarantine("class", "It would be shut off.")
        world.radio.guard.interviewed(identity(lamp))
        await world.until(lambda: authority.of(QuarantinedEvent), "the saying")
        assert not authority.of(QuarantinedEvent)[0].enforced


async def test_a_shut_off_device_can_not_take_another_s_name() -> None:
    async with guarded() as world:
        lamp, plug = await let_in(world, world.house.lamp()), await let_in(world, world.house.plug())
        world.authority.standings[identity(lamp)] = Standing.QUARANTINED
        announce = (
            bytes([1]) + lamp.nwk.short.to_bytes(2, "little") + plug.eui64.to_bytes(8, "little") + b"\x8e"
        )
        frame = incoming(world, lamp.nwk.short, lamp.eui64, 0x0013, announce)
        assert not world.radio.guard.passes(frame)
        frame[3] = type(frame[3])([0xFF] * 8)
        assert not world.radio.guard.passes(frame)
        assert world.radio.guard.roster.by_short[lamp.nwk.short] == identity(lamp)
        good = bytes([1]) + plug.nwk.short.to_bytes(2, "little") + plug.eui64.to_bytes(8, "little") + b"\x8e"
        assert world.radio.guard.passes(incoming(world, plug.nwk.short, plug.eui64, 0x0013, good))
        lie = bytes([1]) + b"\x34\x12" + plug.eui64.to_bytes(8, "little") + b"\x8e"
        assert not world.radio.guard.passes(incoming(world, plug.nwk.short, plug.eui64, 0x0013, lie))
        assert world.authority.of(Malformed)


def incoming(world: Guarded, short: int, eui64: int, cluster: int, payload: bytes) -> list[Any]:
    """An incomingMessageHandler as version 14 has it."""
    import bellows.types as t

    aps = t.EmberApsFrame(
        profileId=0,
        clusterId=cluster,
        sourceEndpoint=0,
        destinationEndpoint=0,
        options=0,
        groupId=0,
        sequence=1,
    )
    address = t.EUI64(eui64.to_bytes(8, "little"))
    assert world.house.server.ncp is not None
    return [t.EmberIncomingMessageType(0), aps, t.NWK(short), address, 255, 255, 200, -50, 0, payload]
