"""A host on an emulated stick, in the test's process or in one of its own, that changes the network key.

In one of its own it says where it stands, a line for each step, and ends by itself when the rotation has.
"""

from __future__ import annotations

import asyncio
import functools
import signal
import socket
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import aiosqlite
import pytest
from bellows.exception import EzspError
from bellows.zigbee.application import ControllerApplication
from zigpy.exceptions import NetworkSettingsInconsistent

from hubsec import Hub
from hubsec.events import RotationStarted, RotationStepped
from hubsec.policy import Policy, load_policy
from hubsec.rotation.shapes import Step, Way
from hubsec.rotation.triggers import Rotating
from hubsec.store import AsyncStore
from hubsec.vault import Vault
from hubsec_emulated import House
from hubsec_emulated.simulated_loop import SimulatedTimeLoop
from hubsec_zigbee import Bellows
from hubsec_zigbee.repairing import Repair, repair_database
from tests.zigbee.rotation.lockstep import HostLoop, Line

EPOCH: Final = 1_800_000_000.0
PATIENCE: Final = 300.0
"""Simulated seconds that a phase of a rotation waits: many polls of a sleeper."""
ZHA: Final = {
    "network": {"channel": 15},
    "backup_enabled": False,
    "validate_network_settings": True,
    "ota": {"enabled": False},
    "topology_scan_enabled": False,
    "use_thread": False,
}
"""zigpy configured as Home Assistant's ZHA does it, but for its backup of every day."""


class Host:
    """A hub in `folder` on the stick at `url`: with a radio of its own, or attached to one that somebody else runs.
    `bring_back`: a stick with an old key is to get the newest."""

    def __init__(self, url: str, folder: Path, *, attached: bool, bring_back: bool = False) -> None:
        self._url = url
        self._attached = attached
        self._bring_back = bring_back
        self._app: Any = None
        self._home = folder / "hub"
        self.database = folder / "zigbee.db"
        self.radio: Bellows
        self.hub: Hub

    async def open(self) -> None:
        """Raises what a hub raises, and what the other host does."""
        if self._attached:
            await self._begin()
            self.radio = Bellows.attach(self._app)
        else:
            self.radio = Bellows(self._url, database=self.database, config=ZHA, bring_back=self._bring_back)
        loop = asyncio.get_running_loop()
        self.hub = Hub(
            self.radio,
            policy=_home(),
            home=self._home,
            clock=lambda: EPOCH + loop.time(),
            rotating=Rotating(patience=PATIENCE),
        )

    async def _begin(self) -> None:
        """The other host starts, as it is. Where zigpy refuses, Home Assistant's ZHA does not load, and what a person
        does then is done: hubsec's repair; where that helps nothing, what ZHA's own offers, to restore its newest
        backup to the stick if that is to be brought back, else to keep the stick's settings."""
        for mend in (self.repair, self._restore if self._bring_back else self._keep):
            try:
                await self._start()
            except NetworkSettingsInconsistent:
                await mend()
            else:
                return
        await self._start()

    async def _start(self) -> None:
        app = ControllerApplication(self._config)
        await app._load_db()
        try:
            await app.startup(auto_form=True)
        except BaseException:
            await app.shutdown()
            raise
        self._app = app

    @property
    def _config(self) -> dict[str, Any]:
        return {**ZHA, "device": {"path": self._url}, "database_path": str(self.database)}

    async def repair(self) -> tuple[Repair, ...]:
        """What hubsec's repair does to the database while no host has it open."""
        async with AsyncStore(self._home) as store:
            return await repair_database(self.database, Vault(store, lambda: EPOCH))

    async def _restore(self) -> None:
        await self._in_zigpy(lambda app: app.backups.restore_backup(app.backups.most_recent_backup()))

    async def _keep(self) -> None:
        await self._in_zigpy(lambda app: app.backups.create_backup())

    async def _in_zigpy(self, mend: Callable[[Any], Coroutine[Any, Any, Any]]) -> None:
        app = ControllerApplication(self._config)
        await app._load_db()
        try:
            await app.connect()
            await mend(app)
        finally:
            await app.shutdown()

    async def back_up(self) -> None:
        """What ZHA does once a day."""
        if self._app is not None:
            await self._app.backups.create_backup()

    async def close(self) -> None:
        """The other host ends; the hub has before."""
        if self._app is not None:
            app, self._app = self._app, None
            await app.shutdown()


@functools.cache
def _home() -> Policy:
    """Read once for all hosts."""
    return load_policy("home")


def run(end: socket.socket, order: dict[str, Any]) -> None:
    """A process that is a host. It begins a rotation if `order` has a way for one, else goes on with what it finds; it
    stands still where it has said the `last` that it is to say."""
    line = Line(end)

    async def main() -> None:
        host = Host(order["url"], Path(order["folder"]), attached=order["attached"])
        await host.open()
        try:
            await _rotate(host, line, order)
        finally:
            await host.close()

    simulated(main, lambda: HostLoop(line, Path(order["clock"])))


def rehearse() -> None:
    """Start both kinds of host once, so that all is imported and compiled that they need."""

    async def main() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with House(scale=1.0, record=False) as house:
                for attached in (False, True):
                    host = Host(house.url, Path(folder), attached=attached)
                    await host.open()
                    async with host.hub:
                        pass
                    await host.close()

    simulated(main)


async def _rotate(host: Host, line: Line, order: dict[str, Any]) -> None:
    def at(step: str, number: int) -> None:
        line.send(f"!{step} {number}")
        if f"{step} {number}" == order["last"]:
            signal.pause()

    host.hub.on(RotationStarted, lambda _: at(Step.STAGED, 1))
    host.hub.on(RotationStepped, lambda event: at(event.step, event.round))
    async with host.hub as hub:
        rotation = hub.rotation()
        if rotation is not None:
            at(rotation.progress.step, rotation.progress.round)
        elif order["way"] is not None:
            rotation = await hub.rotate(
                way=Way(order["way"]), leave_out=tuple(order["leave_out"]), by="somebody", anyway=True
            )
        if rotation is not None:
            await rotation.ended()
        line.send("!ended")


def simulated(main: Any, loop_factory: Any = SimulatedTimeLoop) -> None:
    """Run `main` in a loop whose time jumps, and stands while a database of the store's or zigpy's is at work."""
    with pytest.MonkeyPatch.context() as patched, asyncio.Runner(loop_factory=loop_factory) as runner:
        for name in ("_ask", "record", "append", "aclose"):
            patched.setattr(AsyncStore, name, _holding_time(getattr(AsyncStore, name)))
        patched.setattr(aiosqlite.Connection, "_execute", _holding_time(aiosqlite.Connection._execute))
        patched.setattr(aiosqlite.Connection, "_connect", _holding_time(aiosqlite.Connection._connect))
        runner.get_loop().set_exception_handler(_checked)
        runner.run(main())


def _holding_time(work: Any) -> Any:
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
