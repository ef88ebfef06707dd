"""A house whose host dies again and again while its network key is changed.

The house is in the test's process, its host in one of its own (:mod:`.host`) that is killed with SIGKILL; the stick and
the devices live on. Time is simulated for both (:mod:`.lockstep`). What is checked afterwards, and what befalls the
stick, is done by a host in the test's own process, on the files that the dead one has left.
"""

from __future__ import annotations

import asyncio
import copy
import signal
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from hubsec import Hub
from hubsec.events import KeysDisagree
from hubsec.identity import Identity
from hubsec.rotation.journal import Journal, KeyRing, secret_name, unpack
from hubsec.rotation.shapes import Delivery, Outcome, RotationProgress, Step, Way
from hubsec.store import AsyncStore
from hubsec.store.sealed import SecretKind
from hubsec.vault import Vault
from hubsec_emulated import House
from hubsec_emulated.devices.device import Device
from hubsec_emulated.ncp.ash import ResetCode
from hubsec_emulated.ncp.tokens import Tokens
from hubsec_emulated.wire.addresses import COORDINATOR
from hubsec_zigbee import Bellows
from hubsec_zigbee.repairing import examine_database, repair_database
from tests.zigbee.guarded import identity
from tests.zigbee.rotation.host import EPOCH, Host, simulated
from tests.zigbee.rotation.lockstep import HostProcess, HouseLoop
from tests.zigbee.rotation.zygote import Zygote

LONGEST: Final = 3600.0
"""Simulated seconds in which a rotation has to end that nobody disturbs any more."""


class Moment(NamedTuple):
    """When a host is killed: when it has been at so many entries of the journal, sent so many commands to the stick
    since the last of them, and has then been at work for so many real seconds."""

    entries: int
    commands: int
    seconds: float


class World:
    """A house with a host on its stick, which is hubsec's own radio, or attached to one that somebody else runs."""

    def __init__(self, house: House, folder: Path, zygote: Zygote, *, attached: bool) -> None:
        self.house = house
        self.attached = attached
        self.folder = folder / "host"
        self.folder.mkdir()
        self.said: list[KeysDisagree] = []
        self.members: list[Device] = []
        self.thief: Device | None = None
        self.killed: Counter[str] = Counter()
        self._zygote = zygote
        self._host: Host | None = None

    # A host in a process of its own

    async def runs(
        self, way: Way | None = None, *, last: str | None = None, moment: Moment | None = None
    ) -> bool:
        """A host goes on with the rotation that it finds, or with `way` begins one that leaves the thief out where it
        can; it is killed when its journal says `last`, or at that `moment`. Whether it was killed."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, HouseLoop)
        order = {
            "url": self.house.url,
            "folder": str(self.folder),
            "clock": str(loop.clock),
            "attached": self.attached,
            "way": way,
            "leave_out": self._leave_out(way),
            "last": last,
        }
        pid, end = self._zygote.fork(order)
        host = loop.host = HostProcess(pid, end, last=last)
        ncp, since = self.house.server.ncp, 0

        def counted(_name: str, _args: object) -> None:
            nonlocal since
            since += len(host.lines) >= moment.entries
            if since == moment.commands:
                host.kill_in(moment.seconds)

        before = ncp.on_command
        if moment is not None:
            ncp.on_command = counted
        try:
            async with asyncio.timeout(LONGEST):
                await host.done
        finally:
            ncp.on_command = before
            loop.host = None
            host.close()
            status = self._zygote.wait(pid)
        assert status in {0, -signal.SIGKILL}, f"{status} after {host.lines}: {self._zygote.errors}"
        killed = status != 0
        if killed:
            self.killed[host.lines[-1] if host.lines else ""] += 1
        else:
            assert host.lines[-1] == "ended"
        await asyncio.sleep(0.01)  # The stick sees that its line was cut.
        return killed

    async def reach(self, step: Step, number: int, way: Way | None = None) -> None:
        """A host goes on until its journal says that, and is dead then."""
        assert await self.runs(way, last=f"{step} {number}")
        journal = await self.journal()
        assert journal is not None
        assert (journal.step, journal.round) == (step, number)

    async def look_at_what_is_left(self) -> None:
        """A dead host's records can be read, and say of the key on the stick that it is live, or may be."""
        journal = await self.journal()
        if journal is not None:
            switching = journal.step is Step.SWITCHING
            may_be_live = journal.chain[journal.settled : journal.settled + 1 + switching]
            assert self.keys() in {one.key.reveal() for one in may_be_live}

    # A host in the test's process

    @property
    def hub(self) -> Hub:
        assert self._host is not None
        return self._host.hub

    @property
    def radio(self) -> Bellows:
        assert self._host is not None
        return self._host.radio

    async def open(self, *, bring_back: bool = False) -> Hub:
        """A host starts. Raises what a hub raises."""
        host = self._host = Host(self.house.url, self.folder, attached=self.attached, bring_back=bring_back)
        await host.open()
        host.hub.on(KeysDisagree, self.said.append)
        await host.hub.__aenter__()
        return host.hub

    async def close(self) -> None:
        """The host ends as it should."""
        host, self._host = self._host, None
        if host is not None:
            await host.hub.__aexit__(None, None, None)
            await host.close()

    async def bury(self) -> None:
        """Take a host's remains out of this process, whatever state it is in."""
        with suppress(Exception):
            await self.close()

    async def lose_radio(self, *, unplugged: bool) -> None:
        """The stick resets itself, or is unplugged and plugged in again; whoever runs the host starts it anew."""
        if unplugged:
            self.house.server.power_cut()
        else:
            self.house.server.reset(ResetCode.WATCHDOG)
        await self.house.sleep(5)
        await self.bury()

    async def examined(self) -> list[str]:
        """What hubsec finds wrong with the other host's database, which nobody has open."""
        async with AsyncStore(self.folder / "hub", read_only=True) as store:
            found = await examine_database(self.folder / "zigbee.db", Vault(store, lambda: EPOCH))
        return [one.reason for one in found]

    async def repair(self) -> None:
        """And puts it right."""
        async with AsyncStore(self.folder / "hub") as store:
            await repair_database(self.folder / "zigbee.db", Vault(store, lambda: EPOCH))

    def blank_stick(self) -> None:
        """The stick, which nobody is on now, has lost its flash memory."""
        self.house.server.ncp.power_off()
        self.house.tokens.forget_network(keep_counters=False)

    def put_back_stick(self, old: Tokens) -> None:
        """Somebody restores an old backup of the stick to it: flash is as it was then."""
        self.house.server.ncp.power_off()
        tokens, before = self.house.tokens, copy.deepcopy(old)
        tokens.network, tokens.keys = before.network, before.keys
        tokens.nwk_counter, tokens.aps_counter = before.nwk_counter, before.aps_counter

    # The network

    async def settle_in(self, *, few: bool) -> None:
        """A lamp, a plug, a sensor that sleeps, and somebody who is to be left out, all by install code; or a lamp and
        a sensor."""
        hub, house = await self.open(), self.house
        if self.attached:
            await hub.adopt("bellows", devices=())
        lamp = house.lamp()
        for device in (lamp, house.sensor()) if few else (lamp, house.plug(), house.sensor(), house.lamp()):
            async with hub.admit(device.sticker, name=device.name) as admission:
                device.power_on()
                await admission.joined()
            await house.settled(600)
            self.members.append(device)
        seen = self.radio.devices
        count = len(self.members)
        await house.wait_until(lambda: all(one.manufacturer for one in seen()) and len(seen()) == count, 600)
        if not few:
            self.thief = self.members.pop()
        assert self._host is not None
        await self._host.back_up()
        await self.close()

    async def rotate(self, way: Way) -> None:
        """Begin a rotation that leaves the thief out, where it can, on the host in this process."""
        await self.hub.rotate(way=way, leave_out=self._leave_out(way), by="somebody", anyway=True)

    def _leave_out(self, way: Way | None) -> list[Identity]:
        return [identity(self.thief)] if self.thief is not None and way is Way.UNICAST else []

    def keys(self) -> bytes:
        """The key on the stick."""
        keys = self.house.tokens.keys
        assert keys is not None
        return keys.network_key

    async def ended(self) -> RotationProgress:
        """How the rotation that is under way, or has just ended, ended."""
        rotation = self.hub.rotation()
        if rotation is not None:
            async with asyncio.timeout(LONGEST):
                return await rotation.ended()
        return (await self.hub.rotations())[0]

    async def check_if_begun(self, before: bytes, begun: float) -> None:
        """The same; or the host died before there was anything of a rotation, and all is as it was."""
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
        async with AsyncStore(self.folder / "hub") as store:
            sealed = await Vault(store, lambda: EPOCH).get(SecretKind.JOURNAL, self._name)
        return None if sealed is None else unpack(sealed, Journal)


@asynccontextmanager
async def a_world(
    folder: Path, zygote: Zygote, *, seed: int, attached: bool, few: bool = False
) -> AsyncGenerator[World]:
    """A network with devices, and no host on it."""
    async with House(seed=seed, scale=1.0, record=False) as house:
        world = World(house, folder, zygote, attached=attached)
        try:
            await world.settle_in(few=few)
            yield world
        finally:
            await world.bury()


def shown(folder: Path, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `main` in a house's loop."""
    simulated(main, lambda: HouseLoop(folder / "clock"))
