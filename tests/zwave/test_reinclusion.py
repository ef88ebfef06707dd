"""New keys on the real server: twenty devices come back into their places, whatever crashes; and what who holds the old
keys gets of a device before that, and after."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
from zwave_js_server.exceptions import FailedCommand

from hubsec import Hub
from hubsec.errors import AwaitsKeys, Refused
from hubsec.events import JoinFailed, Reincluded, ReinclusionAwaits, ReinclusionEnded
from hubsec.identity import Identity, zwave_identity
from hubsec.reinclusion.shapes import Fate, Manner, Phase, Stage
from hubsec.store.sealed import SecretKind
from hubsec_emulated import ZWaveHouse
from hubsec_zwave import ZwaveJs
from tests.zwave.guarded import SHORT, Guarded, HostClient, attached, host_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from hubsec.reinclusions import Reinclusion
    from hubsec.secret import Secret

pytestmark = pytest.mark.slow

QUICK: Final = msgspec.structs.replace(SHORT, look=0.3, mirror=5.0, again=0.6, watch=0.15, restart=60.0)
LONG: Final = 240.0
"""Seconds. Who was cut off with its PIN given is waited for first, for half a minute at least."""
TWENTY: Final = {"lamp": 10, "plug": 4, "sensor": 4, "lock": 2}
MANY: Final = 20
SEED: Final = 9
DIMMER: Final = {"commandClass": 38, "endpoint": 0, "property": "targetValue"}
REINCLUSION: Final = "re-inclusion"


class Owner:
    """Whoever owns the server's process."""

    def __init__(self, house: ZWaveHouse) -> None:
        self.house = house
        self.restarts = 0

    async def restart(self, keys: Mapping[str, Secret]) -> None:
        self.restarts += 1
        given = {name: key.reveal() for name, key in keys.items() if name in self.house.keys}
        await self.house.restart_server(keys=given)


@asynccontextmanager
async def owned(house: ZWaveHouse, home: Path, owner: Owner) -> AsyncIterator[Guarded]:
    radio = ZwaveJs(house.url, server=owner, limits=QUICK)
    async with Hub(radio, home=home) as hub:
        yield Guarded(house, hub, radio)


class Person:
    """Resets each device that is waited for, and presses its button; those in `left` are left alone."""

    def __init__(self, guarded: Guarded) -> None:
        self.devices = {zwave_identity(device.dsk): device for device in guarded.house.devices}
        self.left: set[Identity] = set()
        guarded.hub.on(ReinclusionAwaits, self._asked)

    def catch_up(self, reinclusion: Reinclusion) -> None:
        """Who is waited for may have been told before anybody could listen."""
        waited_for = reinclusion.progress.current
        if waited_for is not None:
            device = self.devices[waited_for]
            device.factory_reset()
            device.press_button()

    def _asked(self, event: ReinclusionAwaits) -> None:
        assert event.device is not None
        if event.device in self.left:
            return
        device = self.devices[event.device]
        device.factory_reset()
        if event.smart_start:
            device.power_off()
            device.power_on()
        else:
            device.press_button()


def running(guarded: Guarded) -> Reinclusion:
    found = guarded.hub.reinclusion()
    assert found is not None
    return found


async def begun(guarded: Guarded, stickers: list[str], **more: Any) -> Reinclusion:
    """Adopt the house, and begin with these stickers."""
    hub = guarded.hub
    await hub.adopt(guarded.radio.name)
    return await hub.reinclude(stickers=stickers, reason="The keys were in a backup.", **more)


async def until(guarded: Guarded, predicate: Callable[[], object], what: str) -> None:
    await guarded.house.wait_until(predicate, LONG, what=what)


def _between(reinclusion: Reinclusion, count: int) -> bool:
    """Whether so many are through, and nobody is being given keys: one that is cut off there has half a minute to show
    itself before its place is opened again."""
    progress = reinclusion.progress
    return progress.done >= count and not progress.of(Phase.REPLACING)


async def _cut_off(guarded: Guarded) -> None:
    link = guarded.radio._guard.station.link
    assert link is not None
    assert link.client._client is not None
    await link.client._client.close()


async def crash(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed process does not do: it puts no entry right."""

    async def nothing(running: object) -> None:
        del running

    monkeypatch.setattr(guarded.hub._admissions, "_put_right", nothing)


async def test_twenty_devices_come_back_into_their_places_whatever_crashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is killed, hubsec's client is cut off, and hubsec is killed, each when a seeded number of devices is
    through."""
    seeded = random.Random(SEED)
    server_dies, client_dies, hub_dies = seeded.randint(2, 5), seeded.randint(7, 10), seeded.randint(12, 16)
    async with ZWaveHouse(seed=SEED, nodes=TWENTY) as house:
        owner, places = Owner(house), {device.name: device.node_id for device in house.devices}
        old = dict(house.keys)
        async with owned(house, tmp_path, owner) as guarded:
            Person(guarded)
            reinclusion = await begun(guarded, [device.dsk for device in house.devices])
            await until(guarded, lambda: _between(reinclusion, server_dies), "Some devices")
            await house.restart_server()
            await until(guarded, lambda: _between(reinclusion, client_dies), "More devices")
            await _cut_off(guarded)
            await until(guarded, lambda: _between(reinclusion, hub_dies), "Most devices")
            await crash(guarded, monkeypatch)
        async with owned(house, tmp_path, owner) as guarded:
            # Who was waited for when it crashed may have been reset already, and is told again.
            person, reinclusion = Person(guarded), running(guarded)
            person.catch_up(reinclusion)
            async with asyncio.timeout(LONG):
                progress = await reinclusion.ended()
            assert progress.missing == ()
            assert progress.done == len(house.devices) == MANY
            assert guarded.of(ReinclusionEnded)[-1].missing == ()
            new = await _in_vault(guarded, house)
            for device in house.devices:
                identity = zwave_identity(device.dsk)
                assert device.node_id == places[device.name]
                assert device.keys == {name: new[name] for name in device.keys}
                assert not set(device.keys.values()) & set(old.values())
                entry = guarded.hub.allowlist[identity]
                assert entry.address == guarded.address(device.node_id or 0)
                assert entry.quarantined is None
                assert not guarded.is_shut_off(device.node_id or 0)
                assert guarded.radio.node(identity).node_id == device.node_id
            assert house.keys == new


async def _in_vault(guarded: Guarded, house: ZWaveHouse) -> dict[str, bytes]:
    found = {}
    for name in house.keys:
        key = await guarded.hub.store.run(
            lambda store, name=name: store.unseal(
                SecretKind.NETWORK_KEY, f"zwave:{house.home_id:08x}:{name}"
            ),
            writes=False,
        )
        assert key is not None
        found[name] = key.reveal()
    return found


async def test_who_has_the_old_keys_gets_nothing_of_a_device_that_was_reincluded(tmp_path: Path) -> None:
    """Its row stands beside that of a device that was not yet; and what comes between the two."""
    async with ZWaveHouse(seed=3, nodes={"lamp": 3}, quick=True) as house:
        old = dict(house.keys)
        async with owned(house, tmp_path, Owner(house)) as guarded:
            await _two_of_three(guarded)
        async with (
            host_client(house) as host,
            attached(house, host.client, tmp_path, limits=QUICK) as guarded,
        ):
            await _held_in_a_host_too(guarded, host)
        await house.restart_server(keys=old)
        async with host_client(house) as thief:
            await _as_who_has_the_old_keys(thief)
        # The server was put on the old keys: a device says so, it is restarted, and the last one comes back.
        owner = Owner(house)
        async with owned(house, tmp_path, owner) as guarded:
            Person(guarded)
            await until(guarded, lambda: owner.restarts == 1, "The server, told the new keys again")
            await running(guarded).resume()
            async with asyncio.timeout(LONG):
                progress = await running(guarded).ended()
            assert progress.missing == ()
            assert house.devices[1].node_id == 3
            assert not set(house.devices[1].keys.values()) & set(old.values())


async def _two_of_three(guarded: Guarded) -> None:
    """The first comes back in its place, after somebody else has tried; the third by itself."""
    house = guarded.house
    first, second, third = house.devices
    one, two, three = (zwave_identity(device.dsk) for device in house.devices)
    person = Person(guarded)
    person.left = {one, two}
    stranger = house.lamp(name="stranger")
    reinclusion = await begun(guarded, [first.dsk, second.dsk, third.dsk], smart_start=[third.dsk])
    await until(guarded, lambda: guarded.is_shut_off(2), "The lamp, shut off")
    assert guarded.radio.judge.rule(2) == REINCLUSION
    # The server is back then, and the connection to it.
    await guarded.event(ReinclusionAwaits, lambda event: event.device == one)
    with pytest.raises(AwaitsKeys):
        guarded.radio.node(guarded.address(2))
    assert not guarded.radio.client.driver.controller.nodes[2].values  # type: ignore[union-attr]
    # The wrong button: whoever it is gets no keys, and not the place.
    first.factory_reset()
    await until(guarded, lambda: _phase(reinclusion, one) is Phase.REPLACING, "An open place")
    stranger.press_button()
    failed = await guarded.event(JoinFailed)
    assert failed.device == one
    assert stranger.node_id == 2
    assert stranger.keys == {}
    with pytest.raises(Refused) as refused:
        await guarded.radio.client.async_send_command({"command": "node.ping", "nodeId": 2})
    assert refused.value.rule == REINCLUSION
    stranger.power_off()
    await until(guarded, lambda: _phase(reinclusion, one) is Phase.REPLACING, "An open place")
    first.press_button()
    await guarded.event(Reincluded, lambda event: event.device == one)
    assert first.node_id == 2
    await reinclusion.skip(two)
    await guarded.event(Reincluded, lambda event: event.device == three)
    assert third.node_id not in (None, 4)
    assert guarded.hub.allowlist[three].address == guarded.address(third.node_id or 0)
    await until(guarded, lambda: reinclusion.progress.current == two, "The last one")
    await reinclusion.pause()


async def _held_in_a_host_too(guarded: Guarded, host: HostClient) -> None:
    """In a host that hubsec is attached to it is the same, and nothing more can be done there."""
    progress = running(guarded).progress
    assert (progress.stage, progress.paused, progress.done) == (Stage.INCLUDING, True, 2)
    with pytest.raises(Refused) as refused:
        await host.command("node.set_value", nodeId=3, valueId=DIMMER, value=10)
    assert refused.value.rule == REINCLUSION
    await host.command("node.set_value", nodeId=2, valueId=DIMMER, value=10)
    assert guarded.house.devices[0].state == 10
    with pytest.raises(Refused, match="under way"):
        await guarded.hub.reinclude()
    plan = await guarded.hub.plan_reinclusion()
    # The one that has not come back yet is still an adopted one, without a DSK.
    assert [one.device for one in plan.of(Fate.LOST)] == [guarded.address(3)]
    assert {one.manner for one in plan.of(Fate.REINCLUDED)} == {Manner.IN_PLACE}
    assert plan.refusal is not None
    assert "attached" in plan.refusal


async def _as_who_has_the_old_keys(thief: HostClient) -> None:
    """As strong as can be: the controller itself, on them."""
    house = thief.house
    first, second = house.devices[:2]
    for node, lamp, obeys in ((3, second, True), (2, first, False)):
        with suppress(FailedCommand):
            await thief.command("node.set_value", nodeId=node, valueId=DIMMER, value=30)
        assert (lamp.state == 30) is obeys
    thief.forget()
    second.report(41)
    first.report(42)
    await house.wait_until(lambda: thief.value(3) == 41, 20)
    assert thief.value(2) != 42


def _phase(reinclusion: Reinclusion, device: Identity) -> Phase:
    return next(one.phase for one in reinclusion.progress.devices if one.device == device)


def test_without_an_owner_of_the_server_it_is_said_what_is_missing() -> None:
    refusal = ZwaveJs("ws://127.0.0.1:9").reinclusion_refusal
    assert refusal is not None
    assert "server=" in refusal
