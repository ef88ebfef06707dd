"""Stragglers that come back without the network key, and everybody else, who does not.

Each row is run on the stack without a guard first, where it has to succeed: its windows are open for everybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from bellows.zigbee.application import ControllerApplication

from hubsec.decisions import Allow
from hubsec.errors import NotEnforceable, RadioError
from hubsec.events import Denied, Drifted, Evicted, Joined, KeySent, Rejoined, TakingBackClosed
from hubsec.identity import CredentialKind, Standing
from hubsec.requests import JoinKind, JoinRequest, OpenKind, OpenRequest
from hubsec.rotation.radio import ReturnOrder, ReturnRadio
from hubsec.secret import Secret
from hubsec_emulated.devices.device import Device
from hubsec_emulated.ncp.handlers.keys import KeyCommands
from hubsec_emulated.ncp.policies import (
    JoinDecision,
    JoinPolicy,
    KnownKeys,
    Policy,
    Verdict,
    decide,
)
from hubsec_emulated.ncp.registry import Args, Result, command
from hubsec_emulated.stack.interface import DeviceUpdate
from hubsec_emulated.wire.crypto import WELL_KNOWN_KEY
from hubsec_zigbee import Bellows
from hubsec_zigbee.limits import REJOINS_AT_ONCE
from hubsec_zigbee.ncp import eui64_of
from hubsec_zigbee.taking_back import MAX_CLAIMED, MAX_TAKING_BACK
from tests.zigbee.guarded import FADED, FAST, VERSIONS, Guarded, guarded, identity
from tests.zigbee.test_link_keys import joined, table, unique

pytestmark = pytest.mark.hosts

KEY, FURTHER = Secret(bytes(range(32, 48))), Secret(bytes(range(64, 80)))
SECONDS = 60.0
CAME_BACK = Allow("verified-rejoin", "It has a link key of its own.", CredentialKind.INSTALL_CODE)


@dataclass
class Scene:
    """A network whose key was changed by unicast: `straggler` slept through it, `other` was left out."""

    world: Guarded
    straggler: Device
    lamp: Device
    other: Device

    def order(self, **changes: object) -> ReturnOrder:
        """For everybody but who was left out."""
        here = frozenset(map(identity, (self.straggler, self.lamp)))
        fields: dict[str, object] = {
            "correlation": "return-1",
            "awaited": frozenset({identity(self.straggler)}),
            "expected": here,
            "left_out": frozenset({identity(self.other)}),
            "seconds": SECONDS,
        }
        return ReturnOrder(**{**fields, **changes})  # type: ignore[arg-type]

    async def take_back(self, **changes: object) -> None:
        await self.world.radio.take_back(self.order(**changes))

    @property
    def policy(self) -> int:
        return int(self.world.house.server.ncp.trust_center.policy)

    def has_the_key(self, *devices: Device) -> bool:
        return all(FURTHER.reveal() in device.keys.all().values() for device in devices)

    async def comes_back(self, device: Device, *, expected: bool) -> bool:
        """It asks for the key, and whether it gets it."""
        device.power_on()
        device.rejoin(secured=False)
        return await self.world.comes(lambda: self.has_the_key(device), expected=expected)

    async def closed_again(self, why: str) -> None:
        await self.world.until(lambda: self.policy == 0, "the bit to be shut")
        assert [event.reason for event in self.world.authority.of(TakingBackClosed)] == [why]


@asynccontextmanager
async def rotated(version: int = 14, *, hashed: bool = False, through: bool = False) -> AsyncGenerator[Scene]:
    """The scene, after both rounds of keys; `through`: the two are children of the lamp."""
    async with guarded(version=version) if hashed else unique(version) as world:
        house, radio = world.house, world.radio
        lamp = house.lamp()
        parent = lamp if through else None
        straggler, other = house.sensor(parent=parent), house.plug(parent=parent)
        for device in (lamp, straggler, other):
            await joined(world, device)
        await world.until(lambda: len(world.authority.of(Joined)) == 3, "the joins")
        await world.until(lambda: not world.radio.guard.joining.expected(), "the end of the admissions")
        world.authority.answers[JoinRequest] = answer
        straggler.power_off()
        for key, goes_out in ((KEY, one_by_one(radio, lamp)), (FURTHER, radio.broadcast_next_key)):
            await goes_out(key)
            await house.sleep(FADED)
            await radio.switch_key()
            await world.until(lambda key=key: lamp.network_key == key.reveal(), "the switch")
        yield Scene(world, straggler, lamp, other)


def one_by_one(radio: Bellows, lamp: Device) -> Callable[[Secret], Awaitable[object]]:
    return lambda key: radio.send_next_key(identity(lamp), key)


def answer(request: JoinRequest) -> Allow:
    rejoins = request.kind is JoinKind.UNSECURED_REJOIN
    return CAME_BACK if rejoins else Allow("known", "It was here.", CredentialKind.INSTALL_CODE)


@asynccontextmanager
async def unguarded(scene: Scene) -> AsyncGenerator[ControllerApplication]:
    """The same stick and devices under bellows alone, which opens the network as it does for a new device."""
    await scene.world.radio.close()
    settings = {"device": {"path": scene.world.house.url}, "backup_enabled": False, "use_thread": False}
    app = await ControllerApplication.new(settings, auto_form=False)
    try:
        await app.permit(200)
        yield app
    finally:
        await app.shutdown()


@pytest.mark.parametrize(
    "version", [one if one == 14 else pytest.param(one, marks=pytest.mark.slow) for one in VERSIONS]
)
async def test_a_straggler_comes_back_and_the_bit_is_shut(version: int) -> None:
    async with rotated(version) as scene:
        world, here = scene.world, identity(scene.straggler)
        assert isinstance(world.radio, ReturnRadio)
        assert not await scene.comes_back(scene.straggler, expected=False), "nobody is, until it is opened"
        scene.straggler.power_off()
        await scene.take_back()
        assert scene.policy == JoinPolicy.ALLOW_UNSECURED_REJOINS
        posture = await world.radio.posture()
        assert not posture.closed
        assert posture.settings["unsecured-rejoins"] == f"open for {here}"

        scene.straggler.power_on()  # Under its old key at first, which nobody knows any more.
        await world.until(lambda: world.authority.of(Rejoined), "its return")
        assert scene.has_the_key(scene.straggler)
        await world.until(lambda: scene.straggler.network_key == FURTHER.reveal(), "its using the key")
        (back,) = world.authority.of(Rejoined)
        assert (back.device, back.kind, back.correlation) == (here, JoinKind.UNSECURED_REJOIN, "return-1")
        assert world.authority.of(KeySent)[-1].correlation == "return-1"
        assert not world.authority.of(KeySent)[-1].exposed
        assert await world.radio.answers(here)
        # Its own link key was all that the key went out under.
        assert not world.house.sniffer.has_network_key

        await world.radio.take_nobody_back("Everybody is back.")
        await world.radio.take_nobody_back("Everybody is back.")
        await scene.closed_again("Everybody is back.")
        assert (await world.radio.posture()).closed
        assert not world.authority.of(Drifted)


# Who does not


@pytest.mark.parametrize("through", [False, True], ids=["by itself", "through a router"])
async def test_who_was_left_out_is_erased_and_does_not_come_back(*, through: bool) -> None:
    """A router lets whoever asks rejoin, and asks the trust center then, twice."""
    async with rotated(through=through) as scene:
        assert scene.other.eui64 in table(scene.world)
        await scene.take_back()
        assert scene.other.eui64 not in table(scene.world)
        assert not await scene.comes_back(scene.other, expected=False)
        assert await scene.comes_back(scene.straggler, expected=True), "and yet it was open"
        assert (scene.straggler.nwk.parent == scene.lamp.nwk.short) is through
        assert not scene.has_the_key(scene.other)
        assert not scene.world.house.sniffer.has_network_key


@command("eraseKeyTableEntry")
def erases_nothing(_group: object, _args: Args) -> Result:
    """A stick that says that it did."""
    return None


async def test_an_entry_that_can_not_be_read_back_as_erased_opens_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(KeyCommands, "_erase_row", erases_nothing)
    async with rotated() as scene:
        with pytest.raises(NotEnforceable, match=f"{identity(scene.other)} was to be erased") as refused:
            await scene.take_back()
        assert refused.value.capability == "unsecured_rejoin"
        assert scene.policy == 0
        assert not await scene.comes_back(scene.other, expected=False)
        assert not await scene.comes_back(scene.straggler, expected=False)
        assert not scene.world.authority.of(TakingBackClosed)
        async with unguarded(scene):
            assert await scene.comes_back(scene.other, expected=True)
            assert await scene.comes_back(scene.straggler, expected=True)


async def test_hashed_link_keys_never_open_it() -> None:
    async with rotated(hashed=True) as scene:
        with pytest.raises(NotEnforceable, match="not unique"):
            await scene.take_back()
        assert scene.policy == 0
        assert not await scene.comes_back(scene.other, expected=False)
        scene.other.power_off()
        async with unguarded(scene):
            assert await scene.comes_back(scene.other, expected=True)


async def test_a_stranger_with_the_public_keys_gets_nothing() -> None:
    async with rotated() as scene:
        house, center = scene.world.house, scene.world.house.server.ncp.trust_center
        # A stick whose global link key is everybody's, and that takes rejoins under it: the worst that there is.
        keys = house.tokens.keys
        assert keys is not None
        keys.trust_center_key = WELL_KNOWN_KEY
        center.allow_well_known_rejoin(3600)
        await scene.take_back()
        assert not center.well_known_rejoin
        stranger, spoofer = house.rejoiner(), house.rejoiner(scene.straggler)
        for attacker in (stranger, spoofer):
            attacker.power_on()
            assert not await scene.world.comes(lambda one=attacker: one.loot, expected=False)
            attacker.power_off()
        assert not house.sniffer.has_network_key
        # Who only says a name has not come back, whatever was sent to it.
        assert not scene.world.authority.of(Rejoined)
        assert {event.device for event in scene.world.authority.of(KeySent)[-1:]} == {identity(spoofer)}
        assert await scene.comes_back(scene.straggler, expected=True)

        async with unguarded(scene) as app:
            await app._ezsp.setPolicy(Policy.TC_REJOINS_USING_WELL_KNOWN_KEY, 1)
            stranger.power_on()
            assert await scene.world.comes(lambda: stranger.loot, expected=True)


async def test_somebody_elses_link_key_opens_nothing_and_it_ends_with_whatever_else_opens() -> None:
    async with rotated() as scene:
        world, radio, lamp = scene.world, scene.world.radio, identity(scene.lamp)
        bit, center = JoinPolicy.ALLOW_UNSECURED_REJOINS, scene.world.house.server.ncp.trust_center

        with pytest.raises(NotEnforceable, match=f"{lamp}, who is not to come back"):
            await scene.take_back(expected=scene.order().expected - {lamp})
        for seconds in (0.0, -1.0, MAX_TAKING_BACK + 1):
            with pytest.raises(RadioError, match="at most"):
                await scene.take_back(seconds=seconds)
        assert scene.policy == 0

        async def admit() -> None:
            order = await world.admit(world.house.lamp())
            with pytest.raises(RadioError, match="wait until that is over"):
                await scene.take_back()
            assert not scene.policy & bit
            await radio.withdraw(order.admission, "Enough.")
            await world.until(lambda: not radio.guard.joining.expected(), "its end")

        async def listen() -> None:
            await radio.listen(30, by="anna")
            await radio.listen(0, by="anna")

        async def find_another_entry() -> None:
            center.store_link_key(0x1234, bytes(16))
            await world.until(lambda: not scene.policy & bit, "somebody to look")
            world.house.tokens.link_keys[:] = [
                row for row in world.house.tokens.link_keys if row is None or row.eui64 != 0x1234
            ]

        async def come_back_when_nothing_can_be_recorded() -> None:
            world.authority.broken = True
            scene.straggler.power_on()
            await world.until(lambda: not scene.policy & bit, "its end")
            world.authority.broken = False

        async def flood() -> None:
            claimed = eui64_of(identity(scene.straggler))
            for short in range(1, REJOINS_AT_ONCE + 2):
                radio.guard.received("trustCenterJoinHandler", [short, claimed, 3, 0, 0])
            assert len(radio.guard.receiving.waiting) <= MAX_CLAIMED

        async def evict() -> None:
            await radio.evict(lamp)

        async def wait() -> None:
            await world.until(lambda: not scene.policy & bit, "its end")

        for what, why in (
            (admit, "A device is being admitted."),
            (listen, "Knocks are listened for."),
            (find_another_entry, "00:00:00:00:00:00:12:34, who is not to come back"),
            (wait, "The time is over."),
            (come_back_when_nothing_can_be_recorded, "may not any more"),
            (flood, "Too many ask"),
            (evict, f"{lamp} is being put out."),
        ):
            await scene.take_back(seconds=0.2 if what is wait else SECONDS)
            assert scene.policy == bit
            await what()
            await world.until(lambda: scene.policy == 0, "the bit to be shut")
            assert why in world.authority.of(TakingBackClosed)[-1].reason
        assert len(world.authority.of(TakingBackClosed)) == 7
        assert not world.authority.of(Drifted)

        gone = identity(scene.straggler)
        await radio.guard.ncp.erase_link_key(gone)
        with pytest.raises(NotEnforceable, match=f"no link key of {gone}"):
            await scene.take_back()
        assert scene.policy == 0


async def test_a_host_that_dies_meanwhile_shuts_it_before_the_network_is_up_again() -> None:
    async with rotated() as scene:
        world = scene.world
        await scene.take_back()
        server = world.house.server
        assert server._host is not None
        server._host.drop()
        server.lose_host()
        await asyncio.sleep(0.1)
        assert scene.policy == JoinPolicy.ALLOW_UNSECURED_REJOINS, "a stick goes on by itself"
        seen = len(world.house.server.ncp.commands)
        again = Bellows(
            world.house.url,
            limits=FAST,
            config={"network": {"channel": 15}, "backup_enabled": False},
            link_keys="unique",
        )
        await again.open(world.authority)
        try:
            ran = list(world.house.server.ncp.commands)[seen:]
            up = next(at for at, record in enumerate(ran) if record.name == "networkInit")
            shut = [
                record.args["decision"]
                for record in ran[:up]
                if record.name == "setPolicy" and record.args["policy"] == Policy.TRUST_CENTER
            ]
            assert shut[-1] == 0
            assert scene.policy == 0
            assert (await again.posture()).closed
            assert not await scene.comes_back(scene.straggler, expected=False)
        finally:
            await again.close()


# What comes between


async def test_what_would_end_it_while_it_is_prepared_keeps_it_shut(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rotated() as scene:
        world, radio, lamp = scene.world, scene.world.radio, identity(scene.lamp)
        guard = radio.guard
        forbid = guard.ncp.set_policy

        async def quarantine() -> None:
            world.authority.standings[lamp] = Standing.QUARANTINED

        async def close() -> None:
            world.authority.standings.pop(lamp)
            guard.taking_back.clear()

        async def rotate() -> None:
            await radio.take_nobody_back("The network key is to be changed.")

        async def listen() -> None:
            await radio.listen(30, by="anna")

        async def evict() -> None:
            await radio.evict(lamp)

        async def meanwhile(policy: int, value: int) -> None:
            if policy == Policy.TC_REJOINS_USING_WELL_KNOWN_KEY:
                monkeypatch.setattr(guard.ncp, "set_policy", forbid)
                await what()
            await forbid(policy, value)

        for what in (quarantine, close, rotate, listen, evict):
            monkeypatch.setattr(guard.ncp, "set_policy", meanwhile)
            if what is evict:
                await radio.listen(0, by="anna")
            with pytest.raises((RadioError, NotEnforceable)):
                await scene.take_back()
            assert not guard.taking_back.open
            assert not scene.policy & JoinPolicy.ALLOW_UNSECURED_REJOINS
        assert not world.authority.of(TakingBackClosed), "it never was open"


async def test_it_ends_when_somebody_in_the_table_does_not_stand_well_any_more() -> None:
    async with rotated() as scene:
        lamp = identity(scene.lamp)
        await scene.take_back()
        scene.world.authority.standings[lamp] = Standing.UNKNOWN  # Its entry has run out, say.
        await scene.world.until(lambda: scene.policy == 0, "somebody to look")
        assert f"{lamp} has a link key" in scene.world.authority.of(TakingBackClosed)[-1].reason


async def test_it_does_not_go_on_after_the_host_has_listened() -> None:
    async with rotated() as scene:
        world = scene.world
        world.authority.answers[OpenRequest] = Allow("host-permit", "It may.")
        await scene.take_back()
        await world.radio.guard.ask_to_open(OpenKind.PERMIT, 30)
        await scene.world.until(lambda: not scene.policy & JoinPolicy.ALLOW_UNSECURED_REJOINS, "its end")
        world.radio.guard.joining.listen(0, "the host")
        await world.radio.guard.reconcile()
        await scene.closed_again("Knocks are listened for.")


async def test_however_many_names_are_made_up_a_stragglers_key_is_recorded() -> None:
    async with rotated() as scene:
        taking, here = scene.world.radio.guard.taking_back, identity(scene.straggler)
        await scene.take_back()
        for short in range(0x4000, 0x4000 + 2 * REJOINS_AT_ONCE):
            assert taking.claimed((short, eui64_of(identity(scene.lamp)), 3, 0, 0))
        assert taking.claimed((0x5000, eui64_of(here), 3, 0, 0))
        await scene.world.until(
            lambda: (
                (here, "return-1")
                in {(event.device, event.correlation) for event in scene.world.authority.of(KeySent)}
            ),
            "the record",
        )


async def test_a_key_that_was_sent_just_before_the_end_is_no_refusal() -> None:
    async with rotated() as scene:
        world, here = scene.world, identity(scene.straggler)
        await scene.take_back()
        guard = world.radio.guard
        sent = len(world.authority.of(KeySent))
        guard.taking_back.end("The time is over.")
        # The stick had sent it, and said so, before it was told.
        guard.received("trustCenterJoinHandler", (0x4000, eui64_of(here), 3, 0, 0))
        await world.until(lambda: len(world.authority.of(KeySent)) > sent, "the record")
        await guard.reconcile()
        guard.received("trustCenterJoinHandler", (0x4000, eui64_of(here), 3, 2, 0))
        await world.until(lambda: world.authority.of(Denied), "the refusal of a later one")
        assert len(world.authority.of(Denied)) == 1
        assert len(world.authority.of(KeySent)) == sent + 1


async def test_a_stranger_whom_the_stick_has_nothing_for_is_not_put_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def by_the_bit(update: DeviceUpdate, policy: JoinPolicy, keys: KnownKeys) -> Verdict:
        """A stick that decides by the bit for everybody, and only then looks for a link key."""
        verdict = decide(update, policy, keys)
        opened = update is DeviceUpdate.UNSECURED_REJOIN and policy & JoinPolicy.ALLOW_UNSECURED_REJOINS
        return Verdict(JoinDecision.USE_PRECONFIGURED_KEY, verdict.source) if opened else verdict

    monkeypatch.setattr("hubsec_emulated.ncp.trust_center.decide", by_the_bit)
    async with rotated() as scene:
        world, stranger = scene.world, scene.world.house.rejoiner()
        await scene.take_back()
        stranger.power_on()
        await world.until(lambda: world.authority.of(Denied), "the refusal")
        assert not await world.comes(lambda: world.authority.of(Evicted), expected=False)
        assert not stranger.loot
        assert not world.authority.of(TakingBackClosed)
        assert await scene.comes_back(scene.straggler, expected=True)
