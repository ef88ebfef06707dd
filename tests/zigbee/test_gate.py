"""The choke point: a rule for every command, and no callback that makes it raise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import bellows.ash
import bellows.ezsp
import bellows.thread
import bellows.types as t
import bellows.uart
import pytest
from bellows.ezsp.v13 import EZSPv13
from bellows.ezsp.v14 import EZSPv14
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubsec.decisions import Allow
from hubsec.errors import Quarantined, RadioError, Refused
from hubsec.events import Malformed, OpenRefused
from hubsec.identity import Identity, Mode, Standing
from hubsec.requests import OpenKind, OpenRequest
from hubsec_zigbee import gate as gate_module
from hubsec_zigbee.gate import PINNED, Gate, check_pinned
from hubsec_zigbee.guard import Guard
from hubsec_zigbee.limits import Limits
from hubsec_zigbee.rules import HOST_COMMANDS, Rule
from tests.zigbee.guarded import ScriptedAuthority

LAMP = Identity("00:12:4b:00:00:00:00:0a")
LAMP_SHORT = 0x1234


class FakeGateway:
    """The wire below bellows' protocol handler: it takes what is sent, and answers success."""

    def __init__(self) -> None:
        self.handler: Any = None
        self.sent: list[str] = []

    async def send_data(self, data: bytes) -> None:
        sequence = data[0]
        number = int.from_bytes(data[3:5], "little")
        name, _, schema = self.handler.COMMANDS_BY_ID[number]
        self.sent.append(name)
        answer = b"".join(_zero(kind) for kind in schema.values())
        loop = asyncio.get_running_loop()
        loop.call_soon(self.handler, bytes((sequence, 0x80, 0x01)) + data[3:5] + answer)


def _zero(kind: Any) -> bytes:
    try:
        return bytes(kind(0).serialize())
    except (TypeError, ValueError):
        return b"\x00" * 64


class Wired:
    """A guard on an EZSP object of bellows' own, over the fake wire, network up."""

    def __init__(self, authority: ScriptedAuthority, version: int = 14) -> None:
        self.authority = authority
        self.gateway = FakeGateway()
        self.ezsp = bellows.ezsp.EZSP({"path": "tcp://127.0.0.1:1"})
        self.ezsp._gw = self.gateway
        self.ezsp._switch_protocol_version(version)
        self.ezsp.start_ezsp()
        self.gateway.handler = self.ezsp._protocol
        self.heard: list[str] = []
        self.ezsp.add_callback(lambda name, _: self.heard.append(name))
        self.guard = Guard("stick", Limits())
        self.guard.begin(authority)
        self.guard.gate.put_on(self.ezsp, network_up=True)
        self.guard.roster.learn(LAMP, LAMP_SHORT)


@pytest.fixture
async def wired() -> AsyncGenerator[Wired]:
    world = Wired(ScriptedAuthority())
    yield world
    await world.guard.stop()


def aps(profile: int, cluster: int) -> t.EmberApsFrame:
    return t.EmberApsFrame(
        profileId=profile,
        clusterId=cluster,
        sourceEndpoint=0,
        destinationEndpoint=0,
        options=0,
        groupId=0,
        sequence=1,
    )


def test_every_command_of_every_version_has_a_rule() -> None:
    known = set()
    for handler in bellows.ezsp.EZSP._BY_VERSION.values():
        known |= {name for name in handler.COMMANDS if "Handler" not in name}
    unruled = {name for name in known if name not in HOST_COMMANDS}
    # What only versions before 13 have is refused: those are not guarded at all.
    guarded = {
        name
        for version, handler in bellows.ezsp.EZSP._BY_VERSION.items()
        if version >= 13
        for name in handler.COMMANDS
        if "Handler" not in name
    }
    assert not unruled & guarded


def test_what_moves_keys_does_not_pass() -> None:
    passing = {name for name, rule in HOST_COMMANDS.items() if rule is Rule.PASS}
    for name in passing:
        assert not name.startswith(
            ("import", "unicast", "broadcastN", "zllN", "sendTrust", "sendRaw", "updateTc")
        ), name
        assert "TransientKey" not in name


def test_what_the_gate_stands_on_is_there() -> None:
    check_pinned()
    ezsp = bellows.ezsp.EZSP({"path": "tcp://127.0.0.1:1"})
    ezsp._switch_protocol_version(14)
    check_pinned(ezsp)
    assert {name for names in PINNED.values() for name in names} >= {"_switch_protocol_version", "command"}


@pytest.mark.parametrize("owner", list(PINNED))
def test_a_bellows_without_it_is_refused(owner: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "PINNED", {owner: ("no_such_name",)})
    with pytest.raises(RadioError, match="no_such_name"):
        check_pinned()


KEY = t.KeyData(b"0123456789abcdef")
EUI64 = t.EUI64.convert(LAMP)
REFUSED = {
    "a key for everybody": ("importTransientKey", (t.EUI64([0xFF] * 8), KEY, 0)),
    "a key for one": ("importTransientKey", (EUI64, KEY, 0)),
    "the network key": ("unicastCurrentNetworkKey", (LAMP_SHORT, EUI64, 0)),
    "the next network key": ("broadcastNextNetworkKey", (KEY,)),
    "a switch of keys": ("broadcastNetworkKeySwitch", ()),
    "a link key while the network is up": ("importLinkKey", (0, EUI64, KEY)),
    "reading an install code's key": ("exportTransientKeyByIndex", (0,)),
    "the network key token": ("setTokenData", (0x0001EB79, 0, t.LVBytes32(b"x" * 17))),
    "the security bitmask": ("setValue", (0x0A, b"\x00\x00")),
    "no security": ("setConfigurationValue", (0x0D, 0)),
    "an index for a destination": ("sendUnicast", (1, 0, aps(260, 6), 1, b"")),
    "a raw frame": ("sendRawMessageExtended", (b"x", 0, True)),
    "a command that is in no table": ("tokenBlender", ()),
}
PASSING = {
    "a value that is no secret": ("setValue", (0x3A, b"\x01")),
    "full security": ("setConfigurationValue", (0x0D, 5)),
    "the child table": ("setTokenData", (0x0001FF0D, 0, t.LVBytes32(b"x"))),
    "an order to a lamp": ("sendUnicast", (0, LAMP_SHORT, aps(260, 6), 1, b"\x01\x02\x01")),
    "closing": ("permitJoining", (0,)),
    "telling routers to close": ("sendBroadcast", (0xFFFF, 0xFFFC, 0, aps(0, 0x36), 0, 1, b"\x01\x00\x00")),
    "another policy": ("setPolicy", (0x06, 0x60)),
    "reading": ("getNodeId", ()),
    "leaving Green Power commissioning": (
        "sendBroadcast",
        (0xFFFF, 0xFFFD, 0, aps(0xA1E0, 0x21), 0, 1, b"\x19\x01\x02\x0a"),
    ),
}
OPENING = {
    "permitJoining": (("permitJoining", (60,)), OpenKind.PERMIT),
    "a broadcast": (
        ("sendBroadcast", (0xFFFF, 0xFFFC, 0, aps(0, 0x36), 0, 1, b"\x01\x3c\x00")),
        OpenKind.PERMIT,
    ),
    "a unicast": (("sendUnicast", (0, LAMP_SHORT, aps(0, 0x36), 1, b"\x01\x3c\x00")), OpenKind.PERMIT),
    "a multicast": (
        ("sendMulticast", (aps(0, 0x36), 0, 0xFFFD, 0xFFFF, 0, 1, b"\x01\x3c\x00")),
        OpenKind.PERMIT,
    ),
    "Green Power": (
        ("sendBroadcast", (0xFFFF, 0xFFFD, 0, aps(0xA1E0, 0x21), 0, 1, b"\x19\x01\x02\x0b\xb4\x00")),
        OpenKind.GREEN_POWER,
    ),
}


async def send(world: Wired, command: tuple[str, tuple[Any, ...]]) -> Any:
    name, args = command
    return await world.ezsp._protocol.command(name, *args)


@pytest.mark.parametrize("command", REFUSED)
async def test_the_host_may_not_send(command: str, wired: Wired) -> None:
    with pytest.raises(Refused):
        await send(wired, REFUSED[command])
    assert not wired.gateway.sent
    assert wired.authority.of(OpenRefused)[0].enforced
    assert KEY.serialize().hex() not in repr(wired.authority.events)


@pytest.mark.parametrize("command", PASSING)
async def test_the_host_may_send(command: str, wired: Wired) -> None:
    await send(wired, PASSING[command])
    assert wired.gateway.sent == [PASSING[command][0]]
    assert not wired.authority.events


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("command", OPENING)
async def test_opening_is_a_question(command: str, allowed: bool, wired: Wired) -> None:
    row, kind = OPENING[command]
    if allowed:
        wired.authority.answers[OpenRequest] = Allow("host-may", "The host may.")
        await wired.guard.openings.ask(kind, 180)  # As the application's own call does before it.
        await send(wired, row)
        assert wired.gateway.sent == [row[0]]
        assert len(wired.authority.requests) == 1
    else:
        with pytest.raises(Refused):
            await send(wired, row)
        assert not wired.gateway.sent
        assert [request.kind for request in wired.authority.asked(OpenRequest)] == [kind]


@pytest.mark.parametrize("policy", [0x00, 0x05, 0x09])
async def test_the_trust_center_s_policies_are_answered_and_not_set(policy: int, wired: Wired) -> None:
    (status,) = await send(wired, ("setPolicy", (policy, 0x03)))
    assert status == t.sl_Status.OK
    assert not wired.gateway.sent
    assert wired.guard.host_policies == {policy: 0x03}


async def test_erasing_a_link_key_is_answered_and_not_done(wired: Wired) -> None:
    assert await send(wired, ("eraseKeyTableEntry", (0,))) == [t.sl_Status.OK]
    assert not wired.gateway.sent


async def test_keys_may_be_set_while_no_network_is_up(wired: Wired) -> None:
    wired.guard.gate.network_is(up=False)
    await send(wired, REFUSED["a link key while the network is up"])
    assert wired.gateway.sent == ["importLinkKey"]


@pytest.mark.parametrize("standing", [Standing.QUARANTINED, Standing.APPROVED])
async def test_nothing_goes_to_a_quarantined_device(standing: Standing, wired: Wired) -> None:
    wired.authority.standings[LAMP] = standing
    if standing is Standing.APPROVED:
        await send(wired, PASSING["an order to a lamp"])
        return
    with pytest.raises(Quarantined) as refusal:
        await send(wired, PASSING["an order to a lamp"])
    assert refusal.value.device == LAMP
    assert not wired.gateway.sent


@pytest.mark.parametrize("command", [*REFUSED, *PASSING])
async def test_observing_everything_passes(command: str) -> None:
    world = Wired(ScriptedAuthority(Mode.OBSERVE))
    row = {**REFUSED, **PASSING}[command]
    if row[0] in world.ezsp._protocol.COMMANDS:
        await send(world, row)
        assert world.gateway.sent == [row[0]]
    assert all(not event.enforced for event in world.authority.of(OpenRefused))
    await world.guard.stop()


async def test_a_new_handler_is_instrumented_before_anything_is_sent(wired: Wired) -> None:
    wired.ezsp._switch_protocol_version(13)
    wired.gateway.handler = wired.ezsp._protocol
    assert isinstance(wired.ezsp._protocol, EZSPv13)
    with pytest.raises(Refused):
        await send(wired, REFUSED["a key for one"])
    assert wired.guard.gate.intact()


async def test_what_somebody_puts_in_its_place_is_found(wired: Wired) -> None:
    wired.ezsp._protocol = EZSPv14(wired.ezsp.handle_callback, wired.gateway)
    assert not wired.guard.gate.intact()
    assert wired.guard.gate.intact()


async def test_taken_off_it_leaves_no_trace(wired: Wired) -> None:
    handler = wired.ezsp._protocol
    assert wired.guard.gate.take_off()
    assert "_switch_protocol_version" not in vars(wired.ezsp)
    assert "command" not in vars(handler)
    assert vars(handler)["_handle_callback"] == wired.ezsp.handle_callback
    assert wired.guard.gate.take_off(), "twice is once"


async def test_the_guard_has_no_radio_before_it_stands() -> None:
    guard = Guard("stick", Limits())
    with pytest.raises(RadioError):
        await guard.ncp.policy(0)
    with pytest.raises(RadioError):
        await guard.posture()
    assert not Gate(guard).intact()


CALLBACKS = sorted(name for name in EZSPv14.COMMANDS if name.endswith("Handler"))
junk = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2**70) | st.binary(max_size=20) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=11),
    max_leaves=12,
)
addresses = st.integers(0, 2**64 - 1).map(lambda number: t.EUI64(number.to_bytes(8, "little")))
zdo = st.builds(
    lambda cluster, short, eui64, payload: [
        t.EmberIncomingMessageType(0),
        aps(0, cluster),
        t.NWK(short),
        eui64,
        255,
        255,
        200,
        -50,
        0,
        payload,
    ],
    st.sampled_from([0x0013, 0x0036, 0x8000, 0x8001, 0x8034, 0x0002]),
    st.sampled_from([0, LAMP_SHORT, 0x4444, 0xFFFC]),
    addresses,
    st.binary(max_size=16),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(CALLBACKS), junk | zdo | st.lists(junk, max_size=11)), max_size=6))
async def test_whatever_the_ncp_says_nothing_is_raised(story: list[tuple[str, Any]]) -> None:
    world = Wired(ScriptedAuthority())
    world.authority.default_standing = Standing.UNKNOWN
    handler = world.ezsp._protocol
    for name, args in story:
        handler._handle_callback(name, args)
    await asyncio.sleep(0)
    counted = world.guard.desk.malformed_count()
    assert counted >= len(world.authority.of(Malformed))
    await world.guard.stop()


@settings(max_examples=150, deadline=None)
@given(zdo)
async def test_a_zdo_frame_reaches_the_host_only_if_its_subject_may_be_heard(frame: list[Any]) -> None:
    world = Wired(ScriptedAuthority())
    world.authority.default_standing = Standing.QUARANTINED
    if frame[2] != 0:
        assert not world.guard.passes(frame) or frame[2] not in world.guard.roster.by_short
    await world.guard.stop()


async def test_a_flood_of_nonsense_is_told_ever_more_rarely(wired: Wired) -> None:
    for _ in range(1000):
        wired.ezsp._protocol._handle_callback("trustCenterJoinHandler", [1])
    assert wired.guard.desk.malformed_count() == 1000
    assert [event.count for event in wired.authority.of(Malformed)] == [2**n for n in range(10)]
    assert "trustCenterJoinHandler" not in wired.heard


async def test_draining_waits_for_a_frame_whose_sender_waits_no_more(wired: Wired) -> None:
    """bellows would leave its task behind, with an exception that nobody fetches, when the port is closed."""
    gateway = bellows.uart.Gateway(wired.ezsp)
    ash = gateway._transport = bellows.ash.AshProtocol(gateway)
    wired.ezsp._gw = bellows.thread.ThreadsafeProxy(gateway, asyncio.get_running_loop())
    acknowledgement = ash._pending_data_frames[3] = asyncio.get_running_loop().create_future()
    draining = asyncio.create_task(wired.guard.gate.drain(5))
    await asyncio.sleep(0.05)
    assert not draining.done()
    acknowledgement.set_result(True)
    del ash._pending_data_frames[3]
    await draining
    assert not wired.guard.gate._unacknowledged()


async def test_draining_waits_no_longer_than_it_is_told(wired: Wired) -> None:
    gateway = bellows.uart.Gateway(wired.ezsp)
    ash = gateway._transport = bellows.ash.AshProtocol(gateway)
    wired.ezsp._gw = bellows.thread.ThreadsafeProxy(gateway, asyncio.get_running_loop())
    ash._pending_data_frames[3] = asyncio.get_running_loop().create_future()
    await asyncio.wait_for(wired.guard.gate.drain(0.05), 5)
    assert wired.guard.gate._unacknowledged()
