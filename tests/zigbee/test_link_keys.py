"""Link keys of each device's own: made by the stick, counted before anybody is admitted, erased with their device."""

from __future__ import annotations

import copy
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hubsec.errors import NotEnforceable, RadioError
from hubsec.events import Denied, Drifted, Joined
from hubsec.identity import Identity
from hubsec.requests import LinkKeyState
from hubsec.secret import Secret
from hubsec_emulated.devices.device import Device
from hubsec_emulated.ncp.policies import JoinPolicy
from hubsec_emulated.ncp.tokens import Tokens
from hubsec_zigbee import Bellows
from hubsec_zigbee.link_keys import GAP_GLOBAL, LinkKeys, LinkKeyTable
from hubsec_zigbee.settings import (
    ClearTransientKeys,
    ImportTransientKey,
    KeyRequests,
    Observed,
    Wish,
    desired,
    differences,
    plan,
)
from tests.zigbee.guarded import VERSIONS, Guarded, guarded, identity, used_stick
from tests.zigbee.test_on_the_network import let_in

hosts = pytest.mark.hosts
HASHED = 0x0080
_formed: dict[int, Tokens] = {}


@asynccontextmanager
async def unique(version: int = 14, **options: Any) -> AsyncGenerator[Guarded]:
    """A guarded house whose network hubsec has formed with unique link keys, once for each version."""
    if version not in _formed:
        async with guarded(tokens=Tokens(), version=version, link_keys="unique") as world:
            assert world.radio.link_keys is LinkKeys.UNIQUE
        _formed[version] = world.house.tokens
    tokens = copy.deepcopy(_formed[version])
    async with guarded(tokens=tokens, version=version, link_keys="unique", **options) as world:
        yield world


async def joined(world: Guarded, device: Device) -> Device:
    await world.admit(device)
    device.power_on()
    here = identity(device)
    await world.until(lambda: here in {event.device for event in world.authority.of(Joined)}, "the join")
    # The stick is told of a verified key at once, who sleeps with its next poll.
    await world.until(lambda: device.trust_center_link_key_verified, "the confirmation")
    return device


def table(world: Guarded) -> dict[int, bytes]:
    return {row.eui64: row.key for row in world.house.tokens.link_keys if row is not None}


@hosts
@pytest.mark.parametrize("version", VERSIONS)
async def test_each_device_gets_a_key_of_its_own_into_the_table(version: int) -> None:
    async with unique(version) as world:
        keys = world.house.tokens.keys
        assert keys is not None
        assert not keys.bitmask & HASHED
        lamp = await joined(world, world.house.lamp())
        sensor = await joined(world, world.house.sensor())
        assert table(world) == {device.eui64: device.link_keys.trust_center_key for device in (lamp, sensor)}
        own = {lamp.link_keys.trust_center_key, sensor.link_keys.trust_center_key}
        assert len(own | {keys.trust_center_key, b"ZigBeeAlliance09"}) == 4
        assert {event.link_key for event in world.authority.of(Joined)} == {LinkKeyState.VERIFIED}
        posture = await world.radio.posture()
        assert posture.closed
        assert posture.settings["link-keys"] == "unique, 2 of 4"
        assert world.authority.of(Drifted) == [], "the key that the stick has made is no drift"
        assert not world.house.sniffer.has_network_key


@hosts
async def test_who_has_no_place_in_the_table_is_not_admitted() -> None:
    async with unique(key_table_capacity=2) as world:
        first, second, third = world.house.lamp(), world.house.lamp(), world.house.lamp()
        await joined(world, first)
        await world.admit(second)
        with pytest.raises(NotEnforceable, match="keeps 2 link keys, and 2 are taken or promised") as refused:
            await world.admit(third)
        assert refused.value.capability == "unique_link_keys"
        assert all(identity(device) in str(refused.value) for device in (first, second))
        third.power_on()
        await world.comes(lambda: third.has_network_key, expected=False)
        assert not third.has_network_key

        second.power_on()
        await world.until(lambda: len(table(world)) == 2, "the second key")
        await world.until(lambda: len(world.authority.of(Joined)) == 2, "the second join")
        first.factory_reset()
        await world.admit(first)  # It has its place already.
        await world.radio.evict(identity(second))
        await world.admit(third)


@hosts
async def test_an_evicted_device_has_no_key_left_to_come_back_with() -> None:
    async with unique() as world:
        lamp, evictee = await joined(world, world.house.lamp()), world.house.evictee()
        await joined(world, evictee)
        eviction = await world.radio.evict(identity(evictee))
        assert eviction.confirmed
        await world.until(lambda: evictee.gone, "its going")
        assert "Its link key was erased." in eviction.detail
        assert table(world) == {lamp.eui64: lamp.link_keys.trust_center_key}

        # A stick that is open to whoever lost the network key, as it might be for a straggler.
        center = world.house.server.ncp.trust_center
        center.policy |= JoinPolicy.ALLOW_UNSECURED_REJOINS
        assert center.may_rejoin_unsecured(lamp.eui64)
        assert not center.may_rejoin_unsecured(evictee.eui64)
        evictee.come_back(secured=False)
        assert not await world.comes(lambda: evictee.loot, expected=False)
        assert world.authority.of(Denied) == []


@hosts
async def test_a_network_with_hashed_keys_stays_so() -> None:
    with pytest.raises(NotEnforceable, match="formed with hashed link keys"):
        async with guarded(tokens=await used_stick(), link_keys="unique"):
            pytest.fail("it must not open")
    async with guarded(tokens=Tokens()) as world:
        assert world.radio.link_keys is LinkKeys.HASHED
        assert world.house.tokens.keys is not None
        assert world.house.tokens.keys.bitmask & HASHED, "as bellows forms one"
        posture = await world.radio.posture()
        assert "link-keys" not in posture.settings
        assert GAP_GLOBAL not in posture.gaps


@hosts
async def test_a_network_of_unique_keys_that_is_opened_as_any_other_has_a_gap() -> None:
    async with unique() as world:
        tokens = world.house.tokens
    async with guarded(tokens=tokens) as world:
        assert GAP_GLOBAL in (await world.radio.posture()).gaps
        lamp = await let_in(world, world.house.lamp())
        (route,) = await world.radio.key_routes()
        assert route.shared_link_key
        sent = Secret(bytes(range(32, 48)))
        assert not await world.radio.send_next_key(route.device, sent)
        assert (await world.radio.key_state()).next_sequence is None
        assert lamp.network_key != sent.reveal()


def test_other_words_for_link_keys_are_refused() -> None:
    with pytest.raises(RadioError, match="hashed or unique, not 'own'"):
        Bellows("tcp://127.0.0.1:1", link_keys="own")


# Without a stick

DEVICE, OTHER = Identity("00:12:4b:00:00:00:00:01"), Identity("00:12:4b:00:00:00:00:02")
CODE, MADE = Secret(bytes(16)), Secret(bytes(range(16)))


@pytest.mark.parametrize("exchanging", [True, False])
def test_a_key_that_the_stick_made_counts_only_while_its_device_exchanges(exchanging: bool) -> None:
    wish = Wish(DEVICE, CODE, associating=not exchanging, exchanging=exchanging)
    wanted = desired([wish], unique=True)
    assert wanted.key_requests is (KeyRequests.GENERATE_NEW_KEY if exchanging else KeyRequests.IGNORE)
    found = Observed(wanted.join_policy, wanted.key_requests, {DEVICE: MADE})
    again = (ClearTransientKeys(), ImportTransientKey(DEVICE, CODE))
    assert plan(found, wanted) == (() if exchanging else again)
    assert bool(differences(found, wanted)) is not exchanging


def test_a_strangers_key_never_counts() -> None:
    wanted = desired([Wish(DEVICE, CODE, associating=False, exchanging=True)], unique=True)
    found = Observed(wanted.join_policy, wanted.key_requests, {DEVICE: MADE, OTHER: MADE})
    assert plan(found, wanted)[0] == ClearTransientKeys()
    assert "transient-keys" in differences(found, wanted)


def test_hashed_keys_are_held_to_what_was_imported() -> None:
    wanted = desired([Wish(DEVICE, CODE, associating=False, exchanging=True)])
    assert wanted.key_requests is KeyRequests.SEND_CURRENT_KEY
    assert plan(Observed(wanted.join_policy, wanted.key_requests, {DEVICE: MADE}), wanted)


class FakeNcp:
    """A key table that does not do what it is told."""

    def __init__(self, *, erases: bool = True, answers: bool = True) -> None:
        self.held = {DEVICE}
        self.erases, self.answers = erases, answers

    async def erase_link_key(self, device: Identity) -> None:
        if not self.answers:
            raise RadioError("The NCP is being reset.")
        if self.erases:
            self.held.discard(device)

    async def has_link_key(self, device: Identity) -> bool:
        return device in self.held


@pytest.mark.parametrize(
    ("ncp", "says"),
    [
        (FakeNcp(), "Its link key was erased."),
        (FakeNcp(erases=False), "Its link key was to be erased, and is still there."),
        (FakeNcp(answers=False), "Its link key could not be erased: The NCP is being reset."),
    ],
)
async def test_an_erased_key_is_read_back(ncp: Any, says: str) -> None:
    keys = LinkKeyTable(ncp)
    assert await keys.erase(DEVICE) == ""
    assert ncp.held, "a hashed key is in no table"
    keys.kind = LinkKeys.UNIQUE
    assert await keys.erase(DEVICE) == says
