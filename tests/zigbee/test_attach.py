"""The guard on somebody else's bellows: it stands, it refuses to the caller, and it leaves without a trace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from bellows.zigbee.application import ControllerApplication
from zigpy.types import EUI64, KeyData

from hubsec import CANARY, canary
from hubsec.decisions import Allow
from hubsec.errors import RadioError, Refused
from hubsec.events import (
    Denied,
    GuardAttached,
    GuardDetached,
    Joined,
    ListeningClosed,
    OpenRefused,
    RadioLost,
    RogueOpening,
)
from hubsec.identity import Mode, Standing
from hubsec.requests import IdentifyRequest, OpenKind, OpenRequest, PresenceRequest
from hubsec_emulated.house import House
from hubsec_emulated.wire.crypto import install_code_key
from hubsec_zigbee import Bellows
from hubsec_zigbee.guard import RETRY_AFTER
from tests.zigbee.guarded import (
    FAST,
    PATIENCE,
    SCALE,
    VERSIONS,
    Guarded,
    ScriptedAuthority,
    identity,
    used_stick,
)
from tests.zigbee.test_admission import in_zigpy, open_transient_keys

pytestmark = pytest.mark.hosts

SETTLED = 3.5
"""Real seconds in which bellows' own task of the start has run out (it sleeps 2 s)."""


@asynccontextmanager
async def somebody_s(house: House) -> AsyncGenerator[ControllerApplication]:
    """A bellows application as a host runs it."""
    settings = {
        "device": {"path": house.url},
        "use_thread": False,
        "backup_enabled": False,
        "watchdog_enabled": False,
        "ota": {"enabled": False},
        "network": {"channel": 15},
    }
    app = await ControllerApplication.new(settings, auto_form=True)
    try:
        yield app
    finally:
        await app.shutdown()
        for task in list(app._tasks):  # zigpy before 2.0 leaves its tasks behind.
            task.cancel()
        await asyncio.gather(*app._tasks, return_exceptions=True)


@asynccontextmanager
async def attached(authority: ScriptedAuthority | None = None, **options: Any) -> AsyncGenerator[Guarded]:
    authority = authority or ScriptedAuthority()
    options.setdefault("tokens", await used_stick(options.get("version", 14)))
    async with House(**{"seed": 1, "scale": SCALE, **options}) as house, somebody_s(house) as app:
        radio = Bellows.attach(app, limits=FAST)
        await radio.open(authority)
        try:
            yield Guarded(house, radio, authority)
        finally:
            await radio.close()


def insides(app: ControllerApplication) -> dict[str, Any]:
    """Everything that an attached guard could have changed."""
    ezsp = app._ezsp
    opening = ("permit", "permit_with_link_key", "permit_gp", "permit_ncp", "write_network_info", "connect")
    return {
        "app": {name: value for name, value in vars(app).items() if name in opening},
        "methods": {name: getattr(app, name, None) for name in opening},
        "ezsp": {name: value for name, value in vars(ezsp).items() if not name.startswith("_ezsp_")},
        "switch": ezsp._switch_protocol_version,
        "protocol": type(ezsp._protocol),
        "handler": {name: vars(ezsp._protocol).get(name) for name in ("command", "_handle_callback")},
        "command": ezsp._protocol.command,
        "listeners": len(app._listeners),
        "class": type(app),
    }


def policies(house: House) -> tuple[int, int]:
    return house.server.ncp.trust_center.policy, house.server.ncp.trust_center.key_requests


async def test_it_leaves_methods_and_policies_as_they_were() -> None:
    async with House(seed=1, scale=SCALE) as house, somebody_s(house) as app:
        await asyncio.sleep(SETTLED)
        before, found = insides(app), policies(house)
        assert found == (0x01, 0x51)
        radio, authority = Bellows.attach(app, limits=FAST), ScriptedAuthority()
        assert insides(app) == before
        await radio.open(authority)
        assert insides(app) != before
        assert policies(house) == (0x00, 0x50)
        await radio.close()
        await radio.close()
        assert insides(app) == before
        assert policies(house) == found
        (detached,) = authority.of(GuardDetached)
        assert detached.restored


async def test_what_was_not_guarded_is_named() -> None:
    async with attached() as world:
        (event,) = world.authority.of(GuardAttached)
        assert event.way == "attach"
        # bellows' start has just opened the trust center, with a key for everybody.
        assert event.gaps == ("trust-center-was-open", "unguarded-start", "wildcard-key-was-there")
        assert open_transient_keys(world) == []
        assert (await world.radio.posture()).closed


async def test_bellows_own_task_of_the_start_opens_nothing_afterwards() -> None:
    async with attached() as world:
        await asyncio.sleep(SETTLED)
        assert policies(world.house) == (0x00, 0x50)
        # It is what the host wants, and what it gets when the guard leaves.
        await world.radio.close()
        assert policies(world.house) == (0x01, 0x51)


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_admission_works_as_on_a_radio_of_its_own(version: int) -> None:
    async with attached(version=version) as world:
        lamp, stranger = world.house.lamp(), world.house.stranger()
        await world.admit(lamp)
        stranger.power_on()
        lamp.power_on()
        await world.until(lambda: world.authority.of(Joined), "the join")
        await world.until(lambda: world.authority.of(Denied), "the stranger's try")
        assert in_zigpy(world) == {identity(lamp)}
        assert not world.house.loot


CALLS = {
    "permit": lambda app: app.permit(60),
    "permit on one node": lambda app: app.permit(60, app.state.node_info.ieee),
    "permit_with_link_key": lambda app: app.permit_with_link_key(
        EUI64.convert("00:12:4b:00:00:00:00:09"), KeyData(b"0123456789abcdef"), 60
    ),
    "permit_ncp": lambda app: app.permit_ncp(60),
}
HAS_GREEN_POWER = hasattr(ControllerApplication, "permit_gp")
"""zigpy has it from 2.4 on."""
if HAS_GREEN_POWER:
    CALLS["permit_gp"] = lambda app: app.permit_gp(60)


@pytest.mark.parametrize("call", CALLS)
async def test_a_refusal_reaches_the_caller(call: str) -> None:
    async with attached() as world:
        with pytest.raises(Refused) as refusal:
            await CALLS[call](world.radio.app)
        assert refusal.value.rule == "host-permit"
        assert len(world.authority.of(OpenRefused)) == 1
        assert world.authority.of(OpenRefused)[0].enforced
        assert (await world.radio.posture()).closed
        assert open_transient_keys(world) == []


async def test_a_backup_is_not_restored_over_a_guarded_network() -> None:
    async with attached() as world:
        app = world.radio.app
        backup = await app.backups.create_backup()
        before = world.house.coordinator.keys.all()
        with pytest.raises(Refused) as refusal:
            await app.backups.restore_backup(backup)
        assert refusal.value.rule == "host-restore"
        assert [event.kind for event in world.authority.of(OpenRefused)] == [OpenKind.RESTORE]
        assert world.house.coordinator.keys.all() == before
        assert (await world.radio.posture()).closed


async def test_observing_a_backup_is_restored_and_told_of() -> None:
    async with attached(ScriptedAuthority(Mode.OBSERVE)) as world:
        app = world.radio.app
        backup = await app.backups.create_backup()
        await app.backups.restore_backup(backup)
        told = world.authority.of(OpenRefused)
        assert OpenKind.RESTORE in [event.kind for event in told]
        assert not any(event.enforced for event in told)


class HostsOwnError(Exception):
    """What a host's users understand."""


@pytest.mark.parametrize("call", ["permit", "permit_ncp", "permit_with_link_key", "raw"])
async def test_a_refusal_is_what_the_host_makes_of_it(call: str) -> None:
    made: list[Refused] = []

    def refusal(refused: Refused) -> Exception:
        made.append(refused)
        return HostsOwnError(refused.reason)

    async with House(seed=1, scale=SCALE) as house, somebody_s(house) as app:
        radio = Bellows.attach(app, limits=FAST, refusal=refusal)
        await radio.open(ScriptedAuthority())
        key = KeyData(bytes(range(16)))
        calls = {
            "permit": lambda: app.permit(60),
            "permit_ncp": lambda: app.permit_ncp(60),
            "permit_with_link_key": lambda: app.permit_with_link_key(EUI64(range(8)), key, 60),
            "raw": lambda: app._ezsp.permitJoining(60),
        }
        with pytest.raises(HostsOwnError):
            await calls[call]()
        assert len(made) == 1
        await radio.close()


@pytest.mark.parametrize("mode", Mode)
async def test_a_canary_is_refused_in_every_mode_and_opens_nothing(mode: Mode) -> None:
    authority = ScriptedAuthority(mode=mode)
    async with attached(authority) as guarded:
        app, before = guarded.radio.app, len(authority.requests)
        ways = (
            lambda: app.permit(60),
            lambda: app.permit_ncp(60),
            lambda: app.permit_with_link_key(EUI64(range(8)), KeyData(bytes(16)), 60),
        )
        for way in ways:
            with canary(), pytest.raises(Refused) as refused:
                await way()
            assert refused.value.rule == CANARY
        assert len(authority.requests) == before
        assert not guarded.house.coordinator.parenting.permit


@pytest.mark.parametrize("mode", Mode)
async def test_a_canary_that_comes_past_the_applications_methods_is_refused_by_the_gate(mode: Mode) -> None:
    async with attached(ScriptedAuthority(mode=mode)) as guarded:
        app, house = guarded.radio.app, guarded.house
        await app.permit(0)
        asked, before = len(guarded.authority.requests), policies(house)
        ways = (
            lambda: ControllerApplication.permit(app, 60),
            lambda: ControllerApplication.permit_ncp(app, 60),
            lambda: app.get_device(nwk=0).zdo.permit(60),
            lambda: app._ezsp.permitJoining(60),
        )
        for way in ways:
            with canary(), pytest.raises(Refused) as refused:
                await way()
            assert refused.value.rule == CANARY
        assert len(guarded.authority.requests) == asked
        assert policies(house) == before
        assert not house.coordinator.parenting.permit


async def test_who_came_before_the_guard_is_judged_without_having_spoken() -> None:
    async with House(seed=1, scale=SCALE) as house, somebody_s(house) as app:
        plug = house.plug(install_code=None)
        await app.permit(60)
        plug.power_on()
        await house.wait_until(lambda: plug.trust_center_link_key_verified)
        await app.permit(0)
        plug.power_off()
        radio, authority = Bellows.attach(app, limits=FAST), ScriptedAuthority()
        authority.default_standing = Standing.UNKNOWN
        await radio.open(authority)
        await house.wait_until(lambda: authority.asked(PresenceRequest), what="the question")
        await asyncio.sleep(5 * FAST.watch_interval)
        assert [request.device for request in authority.asked(PresenceRequest)] == [identity(plug)]
        await radio.close()


async def test_a_canary_on_an_unguarded_host_sings() -> None:
    async with House(seed=1, scale=SCALE) as house, somebody_s(house) as app:
        with canary():
            await app.permit_ncp(60)
        assert house.coordinator.parenting.permit
        await app.permit_ncp(0)


async def test_the_hosts_closing_ends_no_admission() -> None:
    async with attached() as world:
        app, house = world.radio.app, world.house
        lamp = house.lamp()
        await world.admit(lamp)
        assert house.coordinator.parenting.permit
        await app.permit(0)
        assert not house.coordinator.parenting.permit
        await world.until(lambda: house.coordinator.parenting.permit, "opening again for the lamp")
        lamp.power_on()
        await world.until(lambda: identity(lamp) in in_zigpy(world), "the lamp's join")


async def test_with_nothing_open_the_hosts_closing_leaves_it_closed() -> None:
    async with attached() as world:
        await world.radio.app.permit(0)
        await asyncio.sleep(2 * RETRY_AFTER)
        assert not world.house.coordinator.parenting.permit


async def test_closing_always_passes() -> None:
    async with attached() as world:
        await world.radio.app.permit(0)
        await world.radio.app.permit_ncp(0)
        if HAS_GREEN_POWER:
            await world.radio.app.permit_gp(0)
        assert not world.authority.asked(OpenRequest)
        assert open_transient_keys(world) == []


async def test_what_the_policy_allows_the_host_hears_devices_and_lets_nobody_in_unjudged() -> None:
    authority = ScriptedAuthority()
    authority.answers[OpenRequest] = Allow("host-may", "The host may.")
    async with attached(authority) as world:
        await world.radio.app.permit(60)
        stranger = world.house.stranger()
        stranger.power_on()
        await world.until(lambda: authority.of(Denied), "the stranger's try")
        assert not stranger.loot
        wanted = {OpenKind.PERMIT, OpenKind.GREEN_POWER} if HAS_GREEN_POWER else {OpenKind.PERMIT}
        assert {request.kind for request in authority.asked(OpenRequest)} == wanted
        assert open_transient_keys(world) == []


async def test_a_link_key_that_the_policy_allows_the_host_is_an_admission() -> None:
    authority = ScriptedAuthority()
    authority.answers[OpenRequest] = Allow("host-may", "The host may.")
    async with attached(authority) as world:
        lamp = world.house.lamp()
        assert lamp.install_code is not None
        key = KeyData(install_code_key(lamp.install_code))
        await world.radio.app.permit_with_link_key(EUI64.convert(identity(lamp)), key, 60)
        (admission,) = world.radio.guard.joining._admissions.values()
        authority.orders[identity(lamp)] = admission.order
        lamp.power_on()
        await world.until(lambda: authority.of(Joined), "the join")
        assert not world.house.sniffer.has_network_key


async def test_observing_it_only_says() -> None:
    authority = ScriptedAuthority(Mode.OBSERVE)
    async with attached(authority) as world:
        app = world.radio.app
        await app.permit(60)
        await world.until(lambda: open_transient_keys(world), "the key for everybody")
        told = [(event.kind, event.enforced) for event in authority.of(OpenRefused)]
        assert told == [(OpenKind.PERMIT, False)]  # Once, however many commands it takes.
        assert policies(world.house)[0] == 0x03
        assert open_transient_keys(world) == [0xFFFFFFFFFFFFFFFF]
        stranger = world.house.stranger()
        stranger.power_on()
        await world.until(lambda: stranger.has_network_key, "the join of whoever comes")
        await world.until(lambda: identity(stranger) in in_zigpy(world), "the host's notice")
        await world.until(lambda: authority.asked(IdentifyRequest), "the host's interview")
        assert authority.of(Denied)
        assert not authority.of(Denied)[0].enforced
        assert authority.of(RogueOpening) == []  # It was the host, and has been told.
        with pytest.raises(RadioError, match="observes"):
            await world.admit(world.house.lamp())


@pytest.mark.parametrize("call", ["permit", "permit_ncp", "permit_with_link_key"])
async def test_observing_each_opening_is_told_once_and_closing_never(call: str) -> None:
    authority = ScriptedAuthority(Mode.OBSERVE)
    async with attached(authority) as world:
        app = world.radio.app
        await CALLS[call](app)
        await world.until(lambda: authority.of(OpenRefused), "the word")
        assert len(authority.of(OpenRefused)) == 1
        await app.permit(0)
        await app.permit_ncp(0)
        await asyncio.sleep(SETTLED)
        assert len(authority.of(OpenRefused)) == 1
        # What the host does past its own calls is told as before.
        await app._ezsp.permitJoining(60)
        assert len(authority.of(OpenRefused)) == 2


async def test_a_change_to_enforcing_is_noticed() -> None:
    authority = ScriptedAuthority(Mode.OBSERVE)
    async with attached(authority) as world:
        assert policies(world.house) != (0x00, 0x50)
        authority.mode = Mode.ENFORCE
        await world.until(lambda: policies(world.house) == (0x00, 0x50), "the closing")
        lamp = world.house.lamp()
        await world.admit(lamp)
        lamp.power_on()
        await world.until(lambda: authority.of(Joined), "the join")


async def test_a_change_to_observing_gives_the_trust_center_back() -> None:
    async with attached() as world:
        await asyncio.sleep(SETTLED)
        await world.radio.listen(5, by="operator")
        assert policies(world.house) == (0x21, 0x50)
        world.authority.mode = Mode.OBSERVE
        await world.until(lambda: policies(world.house) == (0x01, 0x51), "the giving back")
        assert world.authority.of(ListeningClosed)
        world.authority.mode = Mode.ENFORCE
        await world.until(lambda: policies(world.house) == (0x00, 0x50), "the closing")


async def test_it_survives_a_reconnect_of_the_same_application() -> None:
    async with attached() as world:
        app = world.radio.app
        await app.disconnect()
        began = len(world.house.server.ncp.commands)
        await app.connect()
        await app.initialize()
        rows = [record.name for record in world.house.server.ncp.commands][began:]
        assert rows.index("setPolicy") < rows.index("networkInit")
        assert policies(world.house) == (0x00, 0x50)
        lamp = world.house.lamp()
        await world.admit(lamp)
        lamp.power_on()
        await world.until(lambda: world.authority.of(Joined), "the join")


async def test_a_host_that_disconnects_by_itself_has_lost_nothing() -> None:
    async with attached() as world:
        await world.radio.app.disconnect()
        assert not world.authority.of(RadioLost)


async def test_a_host_whose_connection_is_closed_has_lost_its_radio() -> None:
    async with attached() as world:
        await world.house.server.close()
        await world.until(lambda: world.authority.of(RadioLost), "the loss")
        (lost,) = world.authority.of(RadioLost)
        assert lost.left_refusing
        assert lost.reason != "NoneType"


async def test_what_is_no_running_bellows_is_refused() -> None:
    with pytest.raises(RadioError, match="bellows application"):
        Bellows.attach(object())
    async with House(seed=1, scale=SCALE) as house, somebody_s(house) as app:
        await app.disconnect()
        with pytest.raises(RadioError, match="not running"):
            Bellows.attach(app)


async def test_a_wrapper_on_top_is_stepped_aside_from() -> None:
    async with House(seed=1, scale=SCALE) as house, somebody_s(house) as app:
        radio, authority = Bellows.attach(app, limits=FAST), ScriptedAuthority()
        await radio.open(authority)
        guarded = app.permit

        async def wrapped(time_s: int = 60, node: Any = None) -> None:
            await guarded(time_s, node)

        app.permit = wrapped
        await radio.close()
        assert not authority.of(GuardDetached)[0].restored
        await app.permit(1)  # It passes: the guard has gone, and stands in nobody's way.
        await house.wait_until(lambda: policies(house)[0] == 0x03, PATIENCE * SCALE)
