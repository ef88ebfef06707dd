"""Host applications that wrap, fragment, ask twice, and log: the guard stands between, and leaves what it found."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from zigpy.types import EUI64, KeyData

from hubsec.decisions import Allow
from hubsec.errors import Quarantined, Refused
from hubsec.events import Drifted, GuardDetached
from hubsec.identity import Standing
from hubsec.requests import OpenKind, OpenRequest
from hubsec_emulated.house import House
from hubsec_zigbee import Bellows
from hubsec_zigbee.quiet import Quiet
from tests.zigbee.guarded import FAST, SCALE, ScriptedAuthority, guarded, identity
from tests.zigbee.test_attach import attached, insides, somebody_s
from tests.zigbee.test_on_the_network import let_in, zigpy_s

pytestmark = pytest.mark.hosts


def wrap(owner: Any, name: str, calls: list[str]) -> Any:
    """As an integration wraps a method of somebody's object: by an attribute of that object."""
    before = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        return before(*args, **kwargs)

    setattr(owner, name, wrapped)
    return wrapped


@pytest.mark.parametrize("wraps", ["before", "after"])
async def test_another_s_wrapper_outlives_the_guard(wraps: str) -> None:
    async with House(seed=1, scale=SCALE) as house, somebody_s(house) as app:
        radio, authority, calls = Bellows.attach(app, limits=FAST), ScriptedAuthority(), list[str]()
        if wraps == "before":
            theirs = wrap(app, "permit", calls), wrap(app._ezsp._protocol, "command", calls)
            found = insides(app)
            await radio.open(authority)
        else:
            await radio.open(authority)
            theirs = (wrap(app, "permit", calls),)
        with pytest.raises(Refused):
            await app.permit(60)
        await radio.close()
        calls.clear()
        assert app.permit is theirs[0]
        await app.permit(0)
        assert "permit" in calls
        (detached,) = authority.of(GuardDetached)
        # Who wrapped what the guard had put on still calls through it; that is said, not hidden.
        assert detached.restored is (wraps == "before")
        if wraps == "before":
            assert insides(app) == found
            assert "command" in calls


@pytest.mark.parametrize("part", ["command", "_handle_callback", "_switch_protocol_version"])
async def test_whoever_takes_the_gate_away_is_noticed(part: str) -> None:
    async with attached() as world:
        ezsp = world.radio.app._ezsp
        owner = ezsp if part == "_switch_protocol_version" else ezsp._protocol
        ours = vars(owner)[part]
        setattr(owner, part, lambda *_args, **_kwargs: asyncio.sleep(0))
        await world.until(lambda: world.authority.of(Drifted), "the finding")
        assert world.authority.of(Drifted)[0].setting == "gate"
        assert vars(owner)[part] is not None
        assert (vars(owner)[part] is ours) is (part == "_switch_protocol_version")
        assert (await world.radio.posture()).closed
        with pytest.raises(Refused):
            await world.radio.app.permit(60)


async def test_what_was_allowed_for_one_device_is_asked_again_for_the_next() -> None:
    authority = ScriptedAuthority()
    async with attached(authority) as world:
        lamp, plug = world.house.lamp(), world.house.plug()

        def lamp_only(request: OpenRequest) -> Any:
            allowed = request.kind is OpenKind.PERMIT_LINK_KEY and request.device == identity(lamp)
            return Allow("lamp", "It may.") if allowed else authority._usual(request)

        authority.answers[OpenRequest] = lamp_only
        for device in (lamp, plug):
            key = KeyData(device.link_keys.preconfigured[0])
            node = EUI64.convert(identity(device))
            if device is lamp:
                await world.radio.app.permit_with_link_key(node, key, 60)
                continue
            with pytest.raises(Refused):
                await world.radio.app.permit_with_link_key(node, key, 60)
        assert (await world.radio.posture()).open_to == (identity(lamp),)


@pytest.mark.parametrize(("seconds", "asked"), [(60, 1), (254, 2)])
async def test_what_was_allowed_is_no_longer_than_it_was_allowed_for(seconds: int, asked: int) -> None:
    authority = ScriptedAuthority()
    async with attached(authority) as world:
        allowed = Allow("host", "It may.")
        authority.answers[OpenRequest] = lambda r: allowed if r.seconds <= 60 else authority._usual(r)
        await world.radio.guard.ask_to_open(OpenKind.PERMIT, 60)
        if asked == 1:
            await world.radio.app._ezsp.permitJoining(seconds)
        else:
            with pytest.raises(Refused):
                await world.radio.app._ezsp.permitJoining(seconds)
        assert len(authority.asked(OpenRequest)) == asked


@pytest.mark.parametrize("standing", [Standing.APPROVED, Standing.QUARANTINED])
async def test_fragments_of_a_shut_off_device(standing: Standing) -> None:
    """bellows puts them together, and acknowledges them, before anybody is asked; version 13 alone reads them right."""
    async with guarded(version=13) as world:
        lamp = await let_in(world, world.house.lamp())
        native = zigpy_s(world, lamp)
        world.authority.standings[identity(lamp)] = standing
        before, heard = world.commands().count("sendReply"), list[Any]()
        world.radio.app.packet_received = heard.append
        for index in (0, 1):
            world.house.server.ncp.callback(
                "incomingMessageHandler",
                type=0,
                aps={
                    "profile": 0x0104,
                    "cluster": 6,
                    "source_endpoint": 1,
                    "destination_endpoint": 1,
                    "options": 0x8000,
                    "group": (0x0200 | index) if index == 0 else index,
                    "sequence": 9,
                },
                sender=lamp.nwk.short,
                eui64=0,
                binding=0xFF,
                address=0xFF,
                lqi=255,
                rssi=-40,
                timestamp=0,
                message=b"\x18\x01\x0a",
            )
            await asyncio.sleep(0.1)
            fragments = world.radio.app._ezsp._protocol._fragment_manager
            for timer in fragments._cleanup_timers.values():
                timer.cancel()  # It would run out by itself, after the test.
        approved = standing is Standing.APPROVED
        assert await world.comes(lambda: heard, expected=approved) is approved
        assert (world.commands().count("sendReply") > before) is approved
        if not approved:
            with pytest.raises(Quarantined):
                await native.endpoints[1].on_off.on()


def test_a_frame_that_bellows_does_not_understand_is_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    quiet, secret = Quiet(), b"\xabnetwork key"
    caplog.set_level(logging.DEBUG)
    quiet.put_on()
    try:
        protocol, ezsp = logging.getLogger("bellows.ezsp.protocol"), logging.getLogger("bellows.ezsp")
        protocol.debug("Frame contains trailing data: %s", secret)
        protocol.debug("Unknown application frame 0x%04X received: %s (%s)", 7, secret, secret)
        ezsp.debug("Couldn't send command %s(%s, %s)", "importLinkKey", ("network key",), {})
        ezsp.debug("EZSP Stack Type: %s", "mesh")
    finally:
        quiet.take_off()
    assert "network key" not in caplog.text
    assert "mesh" in caplog.text
