"""The stick fails, is reset, or a caller is cut off, at any step: nothing stays open, and nothing untrue is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import pytest

from hubsec.decisions import Allow
from hubsec.errors import RadioError
from hubsec.events import (
    Drifted,
    Evicted,
    GuardAttached,
    GuardDetached,
    Joined,
    KeySent,
    RadioLost,
    RogueOpening,
)
from hubsec.identity import Mode
from hubsec.requests import ExchangeRequest, LinkKeyState, OpenRequest
from hubsec_emulated.errors import FrameError
from hubsec_emulated.house import House
from hubsec_emulated.ncp.ezsp import Status
from hubsec_emulated.ncp.policies import JoinPolicy, KeyRequestPolicy
from hubsec_zigbee.limits import Limits
from hubsec_zigbee.ncp import OWN_TAG
from hubsec_zigbee.openings import ROGUE_PAUSE
from tests.zigbee.guarded import SCALE, Guarded, ScriptedAuthority, guarded, order_for
from tests.zigbee.test_on_the_network import let_in

pytestmark = pytest.mark.hosts

NO_WATCH = Limits(watch_interval=600.0, evict_wait=1.0, lookup_pause=0.2, time_scale=SCALE)
"""The periodic read-back would mend what the guard left open: here it has to mend it by itself."""
STEPS = (
    "getPolicy",
    "setPolicy",
    "importTransientKey",
    "exportTransientKeyByIndex",
    "permitJoining",
    "sendBroadcast",
)
"""Every command by which an admission opens and closes."""


@contextmanager
def failing(house: House, command: str, times: int = 1, after: int = 0) -> Iterator[None]:
    """The guard's `command` is answered by nonsense so many times, once it was answered well `after` times."""
    handlers = house.server.ncp._handlers
    original, calls = handlers[command], 0

    def fail(args: Any) -> Any:
        nonlocal calls
        if args.get("tag", OWN_TAG) != OWN_TAG:
            return original(args)  # A message of zigpy's.
        calls += 1
        if after < calls <= after + times:
            raise FrameError("the stick has a bad day")
        return original(args)

    handlers[command] = fail
    try:
        yield
    finally:
        handlers[command] = original


def shut(world: Guarded) -> bool:
    """Nobody gets a key and nobody is permitted: read from the stick itself."""
    center = world.house.server.ncp.trust_center
    closed = center.policy == JoinPolicy(0) and center.key_requests is KeyRequestPolicy.DENY
    return closed and not list(center.transient) and not world.house.coordinator.parenting.permit


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("command", STEPS)
async def test_an_admission_that_does_not_open_leaves_nothing_open(command: str, after: int) -> None:
    async with guarded(limits=NO_WATCH) as world:
        lamp = world.house.lamp()
        with failing(world.house, command, after=after):
            failed = False
            try:
                order = await world.admit(lamp)
            except RadioError:
                failed = True
            else:  # It came through before the step that fails.
                with suppress(RadioError):
                    await world.radio.withdraw(order.admission, "anew")
            await world.until(lambda: shut(world), "the closing")
        assert failed or after
        assert not world.authority.of(Drifted)
        await let_in(world, lamp)  # The row that passes: the stick is well again.
        await world.until(lambda: shut(world), "the end")


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("command", ["clearTransientLinkKeys", *STEPS])
async def test_a_window_closes_though_the_stick_fails_at_that(command: str, times: int) -> None:
    async with guarded(limits=NO_WATCH) as world:
        await world.admit(world.house.lamp(), window=6.0 / SCALE)
        assert not shut(world)
        with failing(world.house, command, times=times):
            await world.until(lambda: shut(world), "the closing")
        assert not world.authority.of(Drifted)


@pytest.mark.parametrize("command", STEPS)
async def test_listening_that_does_not_open_leaves_nothing_open(command: str) -> None:
    if command == "importTransientKey":
        command = "setPolicy"  # Nobody has a key while knocks are heard.
    async with guarded(limits=NO_WATCH) as world:
        with failing(world.house, command), pytest.raises(RadioError):
            await world.radio.listen(60, by="operator")
        await world.until(lambda: shut(world), "the closing")
        await world.radio.listen(60, by="operator")
        assert (await world.radio.posture()).listening
        await world.radio.listen(0, by="operator")
        assert shut(world)


@pytest.mark.parametrize("command", STEPS)
async def test_a_caller_that_is_cut_off_leaves_nothing_open(command: str) -> None:
    async with guarded(limits=NO_WATCH) as world:
        lamp = world.house.lamp()
        caller = asyncio.create_task(world.admit(lamp))

        def cut(name: str, _args: Any) -> None:
            if name == command:
                world.house.server.ncp.on_command = lambda *_: None
                caller.cancel()

        world.house.server.ncp.on_command = cut
        with suppress(asyncio.CancelledError):
            await caller
        assert caller.cancelled()
        await world.until(lambda: shut(world), "the closing")
        assert (await world.radio.posture()).open_to == ()
        assert not world.authority.of(Drifted), "what was cut off is not somebody else's doing"
        await let_in(world, lamp)


@pytest.mark.parametrize("withdrawn", [True, False])
async def test_no_key_leaves_once_its_admission_was_withdrawn_on_the_way(withdrawn: bool) -> None:
    async with guarded() as world:
        lamp = world.house.lamp()
        order = await world.admit(lamp)

        def on_the_way(name: str, _args: Any) -> None:
            if name == "findKeyTableEntry" and withdrawn:
                world.radio.guard.joining.withdraw(order.admission)

        world.house.server.ncp.on_command = on_the_way
        lamp.power_on()
        await world.until(lambda: "findKeyTableEntry" in world.commands(), "the try")
        await asyncio.sleep(0.3)
        assert ("unicastCurrentNetworkKey" in world.commands()) is not withdrawn
        assert bool(world.authority.of(KeySent)) is not withdrawn
        assert lamp.has_network_key is not withdrawn


@pytest.mark.parametrize("how", ["reset", "power_cut"])
async def test_a_stick_that_restarts_in_an_admission_is_told_of_and_lets_nobody_in(how: str) -> None:
    async with guarded() as world:
        lamp, stranger = world.house.lamp(), world.house.stranger()
        await world.admit(lamp)
        getattr(world.house.server, how)()
        stranger.power_on()
        lamp.power_on()
        await world.until(lambda: world.authority.of(RadioLost), "the loss")
        assert not world.authority.of(RadioLost)[0].left_refusing, "it was open when it was last read"
        with pytest.raises(RadioError):
            await world.radio.admit(order_for(world.house.plug()))
        await asyncio.sleep(0.3)
        assert not stranger.loot
        assert not lamp.has_network_key
        await world.radio.close()
        assert "left refusing" not in world.authority.of(GuardDetached)[0].reason
        await world.radio.open(world.authority)  # The row that passes: the stick is there again.
        await let_in(world, world.house.plug())


@pytest.mark.parametrize("command", ["setPolicy", "getPolicy", "clearTransientLinkKeys", "permitJoining"])
async def test_from_observing_to_enforcing_though_the_stick_fails_at_that(command: str) -> None:
    authority = ScriptedAuthority(Mode.OBSERVE)
    async with guarded(authority, limits=NO_WATCH) as world:
        await world.radio.app.permit(60)
        assert not shut(world), "observing, the host opens as it likes"
        with failing(world.house, command, times=2):
            authority.mode = Mode.ENFORCE
            await world.until(lambda: shut(world), "the closing")
        assert (await world.radio.posture()).closed


@pytest.mark.parametrize("command", ["removeDevice", None])
async def test_an_eviction_is_told_whatever_the_radio_does(command: str | None) -> None:
    authority = ScriptedAuthority()
    async with guarded(authority) as world:
        lamp = world.house.lamp(exchanges_link_key=False)
        await world.admit(lamp, exchange_limit=4 / SCALE)
        lamp.power_on()
        with failing(world.house, command, times=9) if command else nullcontext():
            await world.until(lambda: authority.of(Evicted), "the word")
        assert authority.asked(ExchangeRequest)[0].link_key is LinkKeyState.MISSING
        assert authority.of(Evicted)[0].confirmed is (command is None)
        assert authority.of(Evicted)[0].still_holds_network_key
        assert not world.radio.guard.joining.open_to()
        assert not world.radio.guard.joining.wishes(), "nothing is left of the admission"


@pytest.mark.parametrize("command", ["permitJoining", None])
async def test_a_rogue_opening_is_told_even_if_it_could_not_be_closed(command: str | None) -> None:
    async with guarded(limits=NO_WATCH) as world:
        insider = world.house.insider()
        with failing(world.house, command, times=1) if command else nullcontext():
            insider.open_network()
            await world.until(lambda: world.authority.of(RogueOpening), "the word")
        assert world.authority.of(RogueOpening)[0].closed is (command is None)
        await world.until(lambda: shut(world), "the closing, tried again")
        world.authority.answers[OpenRequest] = Allow("opens", "Nodes may.")
        await asyncio.sleep(ROGUE_PAUSE)
        insider.open_network()
        await world.until(lambda: len(world.authority.of(RogueOpening)) == 2, "the word")
        assert not world.authority.of(RogueOpening)[1].closed


@pytest.mark.parametrize("status", [Status.BUSY, Status.NOT_FOUND])
async def test_a_table_that_is_not_read_is_not_taken_for_an_empty_one(status: Status) -> None:
    async with guarded(limits=NO_WATCH) as world:
        center = world.house.server.ncp.trust_center
        center.transient.add(0x00124B0000000099, b"somebody's key..")
        handlers = world.house.server.ncp._handlers
        original = handlers["exportTransientKeyByIndex"]
        if status is Status.BUSY:
            handlers["exportTransientKeyByIndex"] = lambda _args: {"status": status}
            with pytest.raises(RadioError):
                await world.radio.posture()
            handlers["exportTransientKeyByIndex"] = original
        posture = await world.radio.posture()
        assert not posture.closed
        assert "00:12:4b:00:00:00:00:99" in posture.settings["transient-keys"]


@pytest.mark.parametrize("lists", [True, False])
async def test_firmware_that_can_not_list_its_keys_is_named_and_still_guarded(
    lists: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hubsec_emulated.ncp.handlers.keys import KeyCommands

    if not lists:

        def unknown(self: KeyCommands, args: Any) -> Any:
            raise FrameError("no such command")

        unknown._ezsp_commands = ("exportTransientKeyByIndex",)  # type: ignore[attr-defined]
        monkeypatch.setattr(KeyCommands, "_export_transient", unknown)
    async with guarded() as world:
        assert world.authority.of(GuardAttached)[0].gaps == (() if lists else ("transient-keys-unreadable",))
        await let_in(world, world.house.lamp())
        await world.until(lambda: shut(world), "the end")
        assert (await world.radio.posture()).settings["transient-keys"] == ("none" if lists else "unreadable")


async def test_a_hub_that_leaves_in_the_middle_of_an_exchange_leaves_the_stick_refusing() -> None:
    async with guarded() as world:
        lamp = world.house.lamp()
        await world.admit(lamp)
        lamp.power_on()
        await world.until(lambda: world.authority.of(KeySent), "the key's leaving")
        assert not world.authority.of(Joined)
        await world.radio.close()
        assert shut(world)
        assert "left refusing" in world.authority.of(GuardDetached)[0].reason


async def test_a_closing_that_is_cut_off_goes_on() -> None:
    async with guarded() as world:
        await world.admit(world.house.lamp())
        closing = asyncio.create_task(world.radio.close())
        await asyncio.sleep(0)
        closing.cancel()
        with suppress(asyncio.CancelledError):
            await closing
        await world.radio.close()  # Who asks again waits for the same end.
        assert shut(world)
        assert len(world.authority.of(GuardDetached)) == 1
        assert not world.radio.guard.gate.on


async def test_the_steps_are_all_there_are() -> None:
    async with guarded(limits=NO_WATCH) as world:
        before = len(world.commands())
        order = await world.admit(world.house.lamp())
        await world.radio.withdraw(order.admission, "enough")
        sent = set(world.commands()[before:]) - {"readCounters", "getValue", "nop"}
        assert sent == {*STEPS, "clearTransientLinkKeys"}
