"""Closed means closed: from the first command of a start, after every reset, and for as long as it runs."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hubsec.errors import RadioError, Refused
from hubsec.events import Drifted, GuardAttached, RadioLost
from hubsec.requests import IdentifyRequest
from hubsec_emulated.devices.device import Device
from hubsec_emulated.house import House
from hubsec_emulated.ncp.policies import JoinPolicy, KeyRequestPolicy
from hubsec_emulated.ncp.tokens import Tokens
from hubsec_zigbee import Bellows
from tests.zigbee.guarded import (
    FAST,
    SCALE,
    VERSIONS,
    Guarded,
    ScriptedAuthority,
    guarded,
    identity,
    order_for,
)
from tests.zigbee.test_admission import idle, open_transient_keys

pytestmark = pytest.mark.hosts

CLOSING = [
    ("setPolicy", 0x00, 0x00),
    ("getPolicy", 0x00, None),
    ("setPolicy", 0x05, 0x50),
    ("getPolicy", 0x05, None),
]


def settings_of(house: House) -> list[tuple[str, int | None, int | None]]:
    """The commands that matter, each with policy and value."""
    kept = ("setPolicy", "getPolicy", "networkInit", "formNetwork", "importTransientKey", "permitJoining")
    rows = []
    for record in house.server.ncp.commands:
        if record.name in kept:
            values = [int(value) for value in record.args.values() if isinstance(value, int)]
            rows.append((record.name, values[0] if values else None, values[1] if len(values) > 1 else None))
    return rows


@pytest.mark.parametrize("version", VERSIONS)
async def test_both_policies_are_set_and_read_back_before_the_network_comes_up(version: int) -> None:
    async with guarded(version=version, tokens=Tokens()) as world:
        await world.radio.close()
        await world.radio.open(world.authority)  # Once on a blank stick, once on a formed one.
        rows = settings_of(world.house)
        starts = [at for at, row in enumerate(rows) if row[0] in ("networkInit", "formNetwork")]
        assert len(starts) >= 4
        for at in starts:
            assert rows[at - 4 : at] == CLOSING
        trust_center = [row for row in rows if row[:2] == ("setPolicy", 0x00)]
        # 0x21 only as the probe for DEFER_JOINS, with nobody permitted and closed again at once.
        assert {value for _, _, value in trust_center} == {0x00, 0x21}
        assert not [row for row in rows if row[0] == "importTransientKey"]
        assert {row[1] for row in rows if row[0] == "permitJoining"} == {0}


async def test_there_is_never_a_key_for_everybody() -> None:
    async with guarded() as world:
        with pytest.raises(Refused):
            await world.radio.app._ezsp.pre_permit(1)  # As bellows' permit does.
        assert open_transient_keys(world) == []
        assert await idle(world)


@pytest.mark.parametrize(
    "command", ["addEndpoint", "networkInit", "getNetworkParameters", "getMulticastTableEntry"]
)
async def test_a_failed_start_leaves_the_stick_refusing(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bellows.ezsp.protocol import ProtocolHandler

    async with House(seed=1, scale=SCALE) as house:
        radio = Bellows(house.url, limits=FAST, config={"network": {"channel": 15}, "backup_enabled": False})
        await radio.open(ScriptedAuthority())
        await radio.close()
        began = len(house.server.ncp.commands)
        asked = ProtocolHandler.command

        async def failing(self: Any, name: str, *args: Any, **kwargs: Any) -> Any:
            answer = await asked(self, name, *args, **kwargs)
            if name == command:
                raise TimeoutError(name)
            return answer

        monkeypatch.setattr(ProtocolHandler, "command", failing)
        with pytest.raises(RadioError):
            await radio.open(ScriptedAuthority())
        monkeypatch.undo()
        names = [record.name for record in house.server.ncp.commands][began:]
        trust_center = house.server.ncp.trust_center
        assert "networkInit" not in names if command == "addEndpoint" else trust_center.policy == 0
        assert not list(trust_center.transient)
        await radio.open(ScriptedAuthority())  # The row that passes: the same radio, a stick that answers.
        await radio.close()


async def test_a_stick_that_does_not_take_the_policy_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    from hubsec_emulated.ncp.trust_center import EmberTrustCenter

    monkeypatch.setattr(EmberTrustCenter, "set_policy", lambda _self, _policy: True)
    async with House(seed=1, scale=SCALE) as house:
        radio = Bellows(house.url, limits=FAST)
        with pytest.raises(RadioError, match="read back as 0x03"):
            await radio.open(ScriptedAuthority())
        assert "networkInit" not in [record.name for record in house.server.ncp.commands]


async def test_drift_is_found_mended_and_told() -> None:
    async with guarded() as world:
        trust_center = world.house.server.ncp.trust_center
        trust_center.policy = JoinPolicy.ALLOW_JOINS
        trust_center.key_requests = KeyRequestPolicy.SEND_CURRENT_KEY
        trust_center.transient.add(0xFFFFFFFFFFFFFFFF, b"ZigBeeAlliance09")
        await world.until(lambda: len(world.authority.of(Drifted)) >= 3, "the finding")
        told = {event.setting: event for event in world.authority.of(Drifted)}
        assert (told["trust-center-policy"].expected, told["trust-center-policy"].found) == ("0x00", "0x01")
        assert told["tc-key-request-policy"].found == "0x51"
        assert told["transient-keys"].found == "ff:ff:ff:ff:ff:ff:ff:ff"
        assert all(event.restored for event in told.values())
        assert await idle(world)


async def test_what_ought_to_be_is_no_drift() -> None:
    async with guarded() as world:
        await admit(world, world.house.lamp())
        await asyncio.sleep(0.4)
        assert not world.authority.of(Drifted)


async def admit(world: Guarded, device: Device) -> None:
    await world.radio.admit(order_for(device))


async def test_the_host_s_reset_changes_nothing() -> None:
    async with guarded() as world:
        lamp = world.house.lamp()
        await world.admit(lamp)
        await world.radio.app._reset()
        await world.radio.app._ensure_network_running()
        rows = settings_of(world.house)
        at = len(rows) - 1 - [row[0] for row in rows][::-1].index("networkInit")
        assert rows[at - 4 : at] == CLOSING
        # The admission is open again: its key is back in the table.
        await world.until(lambda: open_transient_keys(world) == [lamp.eui64], "the key's return")
        assert (await world.radio.posture()).open_to


async def test_firmware_without_deferring_is_told_of_and_takes_install_codes_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from hubsec_emulated.ncp.trust_center import EmberTrustCenter

    def forgetful(self: EmberTrustCenter, policy: JoinPolicy) -> bool:
        self.policy = policy & ~JoinPolicy.DEFER_JOINS
        return True

    monkeypatch.setattr(EmberTrustCenter, "set_policy", forgetful)
    async with guarded() as world:
        (attached,) = world.authority.of(GuardAttached)
        assert attached.gaps == ("defer-joins-missing",)
        with pytest.raises(RadioError, match="DEFER_JOINS"):
            await world.radio.listen(1, by="operator")
        with pytest.raises(RadioError, match="install codes only"):
            await world.admit(world.house.lamp(install_code=None), approval=True)
        lamp, stranger = world.house.lamp(), world.house.stranger()
        await world.admit(lamp)
        assert (await world.radio.posture()).settings["trust-center-policy"] == "0x11"
        stranger.power_on()
        lamp.power_on()
        await world.until(lambda: lamp.trust_center_link_key_verified, "the join")
        await asyncio.sleep(0.1)
        assert not stranger.loot
        assert await idle(world)


async def test_old_firmware_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from hubsec.errors import NotEnforceable

    monkeypatch.setattr("hubsec_zigbee.ncp.OLDEST_VERSION", 15)
    async with House(seed=1, scale=SCALE) as house:
        radio = Bellows(house.url, limits=FAST)
        with pytest.raises(NotEnforceable) as refusal:
            await radio.open(ScriptedAuthority())
        assert refusal.value.capability == "deferred_approval"
        assert "networkInit" not in [record.name for record in house.server.ncp.commands]


async def test_a_formed_network_is_taken_up_again(tmp_path: Path) -> None:
    async with House(seed=1, scale=SCALE) as house:
        lamp = house.lamp()
        for again in (False, True):
            radio = Bellows(
                house.url,
                database=tmp_path / "zigbee.db",
                limits=FAST,
                config={"network": {"channel": 15}, "backup_enabled": False},
            )
            world = Guarded(house, radio, ScriptedAuthority())
            await radio.open(world.authority)
            posture = await radio.posture()
            assert posture.formed is not again
            assert len(posture.network_id) == 16
            if not again:
                await world.admit(lamp)
                lamp.power_on()
                await world.until(partial(world.authority.asked, IdentifyRequest), "the interview")
            assert [seen.device for seen in radio.devices()] == [identity(lamp)]
            await radio.device(identity(lamp)).endpoints[1].on_off.toggle()
            assert lamp.is_on is not again
            await radio.close()
            assert house.server.ncp.trust_center.policy == 0


async def test_a_lost_radio_is_told_once() -> None:
    async with guarded() as world:
        await world.house.server.close()
        await world.until(lambda: world.authority.of(RadioLost), "the loss")
        await asyncio.sleep(0.3)
        assert len(world.authority.of(RadioLost)) == 1
        assert world.authority.of(RadioLost)[0].left_refusing
