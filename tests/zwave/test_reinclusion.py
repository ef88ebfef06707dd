"""New keys on the real server: twenty devices come back into their places, whatever crashes; and what who holds the old
keys gets of a device before that, and after."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec
import pytest
from zwave_js_server.exceptions import FailedCommand

from hubsec import Hub
from hubsec.errors import AwaitsKeys, Refused
from hubsec.events import JoinFailed, KeySent, Reincluded, ReinclusionAwaits, ReinclusionEnded
from hubsec.identity import Identity, zwave_identity
from hubsec.reinclusion.shapes import Fate, Manner, Phase, Stage
from hubsec.store.sealed import SecretKind
from hubsec_emulated import ZWaveHouse
from hubsec_zwave import ZwaveJs
from tests.zwave.guarded import SHORT, Guarded, HostClient, attached, host_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from pathlib import Path

    from hubsec.reinclusion.shapes import DeviceProgress, ReinclusionProgress
    from hubsec.reinclusions import Reinclusion
    from hubsec.secret import Secret
    from hubsec_emulated import ZWaveDevice

pytestmark = pytest.mark.slow

QUICK: Final = msgspec.structs.replace(
    SHORT, look=0.3, mirror=5.0, again=0.6, watch=0.1, restart=60.0, idle=20.0
)
STILL: Final = 120.0
"""Seconds without anything new, after which nothing new comes: far beyond whatever is waited for anywhere (20 s)."""
MOST_ASKED: Final = 10
"""Times that a person is asked for the same device. A machine that is too busy for the ten seconds that a button and a
step of the key exchange have takes some."""
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
    """Stands by for as long as its block lives, and does what it takes for whoever is waited for: resets what is still
    in its place, presses its button while that is open, and presses it again. Those in `left` are left alone."""

    def __init__(self, guarded: Guarded, *, left: Iterable[Identity] = ()) -> None:
        self.left = frozenset(left)
        self.house = guarded.house
        self.hub = guarded.hub
        self._devices = {zwave_identity(device.dsk): device for device in guarded.house.devices}
        self._pressed: tuple[Identity | None, float] = (None, 0.0)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._stand_by())
        return self

    async def __aexit__(self, *trouble: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _stand_by(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            reinclusion = self.hub.reinclusion()
            progress = reinclusion.progress if reinclusion is not None else None
            for row in progress.devices if progress is not None else ():
                if progress is not None and row.device == progress.current and row.device not in self.left:
                    self._do(row)

    def _do(self, row: DeviceProgress) -> None:
        device = self._devices[row.device]
        if row.phase is Phase.PENDING:
            # Whoever is there, be it another one whose button was pressed for long enough.
            for one in self.house.devices:
                if one.node_id is not None and row.place.endswith(f":{one.node_id}"):
                    one.factory_reset()
        elif device.node_id is None and self._may_press(row.device):
            if row.manner is Manner.SMART_START:
                device.power_off()
                device.power_on()
            else:
                device.press_button()

    def _may_press(self, device: Identity) -> bool:
        now = asyncio.get_running_loop().time()
        who, at = self._pressed
        if who == device and now - at < _PRESSED_AGAIN:
            return False
        self._pressed = device, now
        return True


@asynccontextmanager
async def pressing(device: ZWaveDevice) -> AsyncIterator[None]:
    """Somebody presses its button, and again, until it is on the network."""

    async def press() -> None:
        while device.node_id is None:
            device.press_button()
            await asyncio.sleep(_PRESSED_AGAIN)

    task = asyncio.create_task(press())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


_LOOK: Final = 0.05
_PRESSED_AGAIN: Final = 3.0
"""Seconds. A button counts for ten."""


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
    """Wait until it is so, for as long as anything goes on."""
    loop, asked = asyncio.get_running_loop(), Counter[object]()
    before: object = None
    since = loop.time()
    while not predicate():
        reinclusion = guarded.hub.reinclusion()
        now = (
            reinclusion.progress if reinclusion is not None else None,
            len(guarded.told),
            [(one.node_id, one.powered, len(one.keys)) for one in guarded.house.devices],
        )
        if now != before:
            before, since = now, loop.time()
            asked = Counter(event.device for event in guarded.of(ReinclusionAwaits))
        await guarded.house.wait_until(lambda: True)  # It raises what has failed in there.
        assert loop.time() - since < STILL, f"{what}: nothing goes on any more. {now[0]}"
        assert not asked or max(asked.values()) <= MOST_ASKED, (
            f"{what}: it is asked again and again. {now[0]}"
        )
        await asyncio.sleep(_LOOK)


async def ended(guarded: Guarded) -> ReinclusionProgress:
    """Where it stands when it is over."""
    await until(guarded, lambda: running(guarded).progress.stage is Stage.ENDED, "The end")
    return running(guarded).progress


async def key_sent(guarded: Guarded, reinclusion: Reinclusion, count: int) -> None:
    """Wait until so many are through and the next one has been let in: its PIN is on its way."""
    await until(guarded, lambda: reinclusion.progress.done >= count, f"{count} devices")
    sent = len(guarded.of(KeySent))
    if sent < MANY:
        await until(guarded, lambda: len(guarded.of(KeySent)) > sent, "The next device")


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
    through and the next one is just being given its keys."""
    seeded = random.Random(SEED)
    server_dies, client_dies, hub_dies = seeded.randint(1, 2), seeded.randint(3, 4), seeded.randint(6, 8)
    async with ZWaveHouse(seed=SEED, nodes=TWENTY, quick=True, scale=20) as house:
        owner, places = Owner(house), {device.name: device.node_id for device in house.devices}
        old = dict(house.keys)
        async with owned(house, tmp_path, owner) as guarded, Person(guarded):
            reinclusion = await begun(guarded, [device.dsk for device in house.devices])
            await key_sent(guarded, reinclusion, server_dies)
            await house.restart_server()
            await key_sent(guarded, reinclusion, client_dies)
            await _cut_off(guarded)
            await key_sent(guarded, reinclusion, hub_dies)
            await crash(guarded, monkeypatch)
        async with owned(house, tmp_path, owner) as guarded, Person(guarded):
            progress = await ended(guarded)
            assert progress.missing == ()
            assert progress.done == len(house.devices) == MANY
            await guarded.event(ReinclusionEnded, lambda event: event.missing == ())
            new = await _in_vault(guarded, house)
            await house.settle()
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
            assert len(guarded.hub.devices()) == MANY
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
        async with owned(house, tmp_path, owner) as guarded, Person(guarded):
            await until(guarded, lambda: owner.restarts == 1, "The server, told the new keys again")
            await running(guarded).resume()
            assert (await ended(guarded)).missing == ()
            assert house.devices[1].node_id == 3
            assert not set(house.devices[1].keys.values()) & set(old.values())


async def _two_of_three(guarded: Guarded) -> None:
    """The first comes back in its place, after somebody else has tried; the third by itself."""
    house = guarded.house
    first, second, third = house.devices
    one, two, three = (zwave_identity(device.dsk) for device in house.devices)
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
    async with pressing(stranger):
        failed = await guarded.event(JoinFailed)
    assert failed.device == one
    assert stranger.node_id == 2
    assert stranger.keys == {}
    with pytest.raises(Refused) as refused:
        await guarded.radio.client.async_send_command({"command": "node.ping", "nodeId": 2})
    assert refused.value.rule == REINCLUSION
    stranger.power_off()
    await until(guarded, lambda: _phase(reinclusion, one) is Phase.REPLACING, "An open place")
    async with pressing(first):
        await guarded.event(Reincluded, lambda event: event.device == one)
    assert first.node_id == 2
    awaited = [event.detail for event in guarded.of(ReinclusionAwaits) if event.device == one]
    assert "another device" not in awaited[0]
    assert "another device has come in its place" in awaited[-1]
    await reinclusion.skip(two)
    async with Person(guarded, left={two}):
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
    # The one that has not come back yet has its DSK on the allowlist already.
    assert plan.of(Fate.LOST) == ()
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
