"""A house whose host dies again and again while its network key is changed.

Everything runs in one loop whose time jumps. The host is cut off in-process: at one moment nothing of it goes on, its
files are copied byte by byte as they lie there, and the line to the stick breaks; the stick and the devices live on.
The next host starts on the copy. `test_killed.py` does the same to a process, with a signal, a few times.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import aiosqlite
import pytest
from bellows.exception import EzspError
from bellows.zigbee.application import ControllerApplication

from hubsec import Hub
from hubsec.events import KeysDisagree
from hubsec.rotation.journal import Journal, KeyRing, secret_name, unpack
from hubsec.rotation.shapes import Delivery, Outcome, RotationProgress, Way
from hubsec.rotation.triggers import Rotating
from hubsec.store import AsyncStore
from hubsec.store.sealed import SecretKind
from hubsec.vault import Vault
from hubsec_emulated import House
from hubsec_emulated.devices.device import Device
from hubsec_emulated.ncp.ash import ResetCode
from hubsec_emulated.simulated_loop import SimulatedTimeLoop
from hubsec_emulated.wire.addresses import COORDINATOR
from hubsec_zigbee import Bellows
from hubsec_zigbee.repairing import repair_database
from tests.zigbee.guarded import identity

EPOCH: Final = 1_800_000_000.0
PATIENCE: Final = 300.0
"""Simulated seconds that a phase of a rotation waits: many polls of a sleeper."""
LONGEST: Final = 3600.0
"""Simulated seconds in which a rotation has to end that nobody disturbs any more."""


class Killer:
    """Lets so many steps of a host pass, and stops it at the next: nothing of it goes on from there."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.stopped = asyncio.Event()

    async def step(self) -> None:
        """One step: before and after each command to the stick, and each use of the store."""
        if self.left is None:
            return
        if self.left <= 0:
            self.stopped.set()
            await asyncio.Future()
        self.left -= 1

    def around(
        self, work: Callable[..., Coroutine[Any, Any, Any]]
    ) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def stepped(*args: Any, **more: Any) -> Any:
            await self.step()
            result = await work(*args, **more)
            await self.step()
            return result

        return stepped


class World:
    """A house with a host on its stick, which is hubsec's own radio, or attached to one that somebody else runs."""

    def __init__(self, house: House, folder: Path, *, attached: bool) -> None:
        self.house = house
        self.attached = attached
        self.killer = Killer()
        self.said: list[KeysDisagree] = []
        self.members: list[Device] = []
        self.thief: Device | None = None
        self._folder = folder
        self._life = 0
        self._frozen = False
        self._app: Any = None
        self.home.mkdir(parents=True)
        self.hub: Hub | None = None
        self.radio: Bellows | None = None

    # The host's life

    @property
    def home(self) -> Path:
        return self._folder / f"life {self._life}" / "hub"

    @property
    def database(self) -> Path:
        return self.home.parent / "zigbee.db"

    def _config(self) -> dict[str, Any]:
        return {
            "network": {"channel": 15},
            "backup_enabled": False,
            "validate_network_settings": True,
            "ota": {"enabled": False},
            "topology_scan_enabled": False,
            "use_thread": False,
        }

    async def open(self, *, bring_back: bool = False) -> Hub:
        """A host starts. Raises what a hub raises."""
        if self.attached:
            async with AsyncStore(self.home) as store:
                await repair_database(self.database, Vault(store, lambda: EPOCH))
            config = {
                **self._config(),
                "device": {"path": self.house.url},
                "database_path": str(self.database),
            }
            self._app = await ControllerApplication.new(config, auto_form=True)
            self.radio = Bellows.attach(self._app)
        else:
            self.radio = Bellows(
                self.house.url, database=self.database, config=self._config(), bring_back=bring_back
            )
        loop = asyncio.get_running_loop()
        hub = Hub(
            self.radio,
            policy="home",
            home=self.home,
            clock=lambda: EPOCH + loop.time(),
            rotating=Rotating(patience=PATIENCE),
        )
        hub.on(KeysDisagree, self.said.append)
        ncp = self.radio.guard.ncp
        ncp._command = self.killer.around(ncp._command)
        before = hub._open_radio

        async def opened(state: Any, *rest: Any) -> None:
            # From here on it has a store.
            if getattr(state.store.run, "__name__", "") != "stepped":
                state.store.run = self.killer.around(state.store.run)
            await before(state, *rest)

        hub._open_radio = opened  # type: ignore[method-assign]
        self.hub = hub
        await hub.__aenter__()
        return hub

    async def close(self) -> None:
        """The host ends as it should."""
        self.killer.left = None
        hub, self.hub = self.hub, None
        if hub is not None:
            await hub.__aexit__(None, None, None)
        if self._app is not None:
            app, self._app = self._app, None
            await app.shutdown()

    def freeze(self) -> None:
        """The host's process is gone now. What it has on disk at this moment is all that is left, and the line to the
        stick is cut. What still runs of it in this process reaches neither."""
        if self._frozen:
            return
        self._frozen = True
        shutil.copytree(self.home.parent, self._folder / f"life {self._life + 1}")
        server = self.house.server
        if server._host is not None:
            server._host.drop()
        server.lose_host()
        self.killer.left = None

    async def die(self) -> None:
        """The same, and nothing of it runs any more."""
        self.freeze()
        await asyncio.sleep(0.01)  # It hears that its line was cut.
        await self._bury()
        shutil.rmtree(self.home.parent)
        self._life += 1
        self._frozen = False

    async def _bury(self) -> None:
        """Take a dead host's remains out of this process. Its files are nobody's any more, and its line is cut."""
        with suppress(Exception):
            await self.close()
        self.hub, self._app = None, None
        self.killer = Killer()

    async def lose_radio(self, *, unplugged: bool) -> None:
        """The stick resets itself, or is unplugged and plugged in again; whoever runs the host starts it anew."""
        if unplugged:
            self.house.server.power_cut()
        else:
            self.house.server.reset(ResetCode.WATCHDOG)
        await self.house.sleep(5)
        await self._bury()

    # The network

    async def settle_in(self) -> None:
        """A lamp, a plug behind it, a sensor that sleeps, and somebody who is to be left out: all by install code."""
        hub, house = await self.open(), self.house
        if self.attached:
            await hub.adopt("bellows", devices=())
        lamp = house.lamp()
        for device in (lamp, house.plug(), house.sensor(), house.lamp()):
            async with hub.admit(device.sticker, name=device.name) as admission:
                device.power_on()
                await admission.joined()
            await house.settled(600)
            self.members.append(device)
        self.thief = self.members.pop()
        assert self.radio is not None
        seen = self.radio.devices
        await house.wait_until(lambda: all(one.manufacturer for one in seen()) and len(seen()) == 4, 600)

    async def rotate(self, way: Way) -> None:
        """Begin a rotation that leaves the thief out, where it can."""
        assert self.hub is not None
        assert self.thief is not None
        out = (identity(self.thief),) if way is Way.UNICAST else ()
        await self.hub.rotate(way=way, leave_out=out, by="somebody", anyway=True)

    def keys(self) -> bytes:
        """The key on the stick."""
        keys = self.house.tokens.keys
        assert keys is not None
        return keys.network_key

    async def ended(self) -> RotationProgress:
        """How the rotation that is under way, or has just ended, ended."""
        assert self.hub is not None
        rotation = self.hub.rotation()
        if rotation is not None:
            async with asyncio.timeout(LONGEST):
                return await rotation.ended()
        return (await self.hub.rotations())[0]

    async def check_if_begun(self, before: bytes, begun: float) -> None:
        """The same; or the host died before there was anything of a rotation, and all is as it was."""
        assert self.hub is not None
        history = await self.hub.rotations()
        if not history or history[0].started_at < EPOCH + begun:
            assert self.keys() == before
            assert await self.journal_of(self.hub) is None
        else:
            await self.check(before)

    async def check(self, before: bytes) -> RotationProgress:
        """What has to hold when a rotation is over: the network works, the key of the records is the key on the air,
        every device is reachable or listed, and who was left out has nothing."""
        progress = await self.ended()
        assert self.hub is not None
        assert self.radio is not None
        vault = Vault(self.hub.store, self.hub.now)
        sealed = await vault.get(SecretKind.NETWORK_KEY, self._name)
        assert sealed is not None
        live = unpack(sealed, KeyRing).live
        assert live is not None
        assert live.key.reveal() == self.keys() == self.house.coordinator.keys.key
        assert (await self.radio.key_state()).key == live.key
        assert await self.journal_of(self.hub) is None
        if progress.outcome is Outcome.ABANDONED:
            assert self.keys() == before
        else:
            assert progress.outcome is Outcome.ROTATED
            assert self.keys() != before
        for device in self.members:
            listed = progress.deliveries[identity(device)] is Delivery.MISSED
            assert await self.reaches(device) or listed, f"{device} is neither reachable nor listed"
        if progress.way is Way.UNICAST and progress.outcome is Outcome.ROTATED and self.thief is not None:
            assert self.keys() not in self.thief.keys.all().values()
        return progress

    async def reaches(self, device: Device) -> bool:
        """Whether the device answers; one that has just lost its way to us finds it again in a while.

        A sleeper that moved to another parent while the stick was down is still in the stick's child table, and is not
        looked for elsewhere until its time there is over (End Device Timeout, hours): that time is over at once here.
        """
        assert self.radio is not None
        for _ in range(4):
            if await self.radio.answers(identity(device)):
                return True
            coordinator = self.house.coordinator
            if device.eui64 in coordinator.neighbours.children and device.nwk.parent != COORDINATOR:
                coordinator.parenting.child_moved(device.eui64)
            await self.house.sleep(20)
        return False

    @property
    def _name(self) -> str:
        assert self.house.tokens.network is not None
        return secret_name(f"{self.house.tokens.network.extended_pan_id:016x}")

    async def journal_of(self, hub: Hub) -> Journal | None:
        """What a hub that is open would find."""
        sealed = await Vault(hub.store, hub.now).get(SecretKind.JOURNAL, self._name)
        return None if sealed is None else unpack(sealed, Journal)

    async def journal(self) -> Journal | None:
        """The journal as it lies on disk, where no hub is open."""
        async with AsyncStore(self.home) as store:
            sealed = await Vault(store, lambda: EPOCH).get(SecretKind.JOURNAL, self._name)
        return None if sealed is None else unpack(sealed, Journal)


@asynccontextmanager
async def a_world(folder: Path, *, seed: int, attached: bool) -> AsyncGenerator[World]:
    """A network with devices, and a host on it."""
    async with House(seed=seed, scale=1.0, record=False) as house:
        world = World(house, folder, attached=attached)
        try:
            await world.settle_in()
            yield world
        finally:
            await world._bury()


def simulated(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `main` in a loop whose time jumps, and stands while a database of the store's or zigpy's is at work."""
    with (
        pytest.MonkeyPatch.context() as patched,
        asyncio.Runner(loop_factory=SimulatedTimeLoop) as runner,
    ):
        patched.setattr(AsyncStore, "_ask", _holding_time(AsyncStore._ask))
        patched.setattr(aiosqlite.Connection, "_execute", _holding_time(aiosqlite.Connection._execute))
        patched.setattr(aiosqlite.Connection, "_connect", _holding_time(aiosqlite.Connection._connect))
        runner.get_loop().set_exception_handler(_checked)
        runner.run(main())


def _holding_time(work: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def held(*args: Any, **more: Any) -> Any:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulatedTimeLoop)
        loop._outside += 1
        try:
            return await work(*args, **more)
        finally:
            loop._outside -= 1

    return held


def _checked(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Tell of what nobody fetched as always; but bellows' own futures for answers whose commands failed to go out, when
    an answer comes after all from a stick that has reset itself, are nobody's to fetch."""
    future = context.get("future")
    lost = isinstance(future, asyncio.Future) and not isinstance(future, asyncio.Task)
    if not (lost and isinstance(context.get("exception"), EzspError)):
        loop.default_exception_handler(context)
