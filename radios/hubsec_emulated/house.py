"""The test author's entrance: a house full of Zigbee devices behind one USB stick, without hardware.

::

    async with House(seed=1) as house:
        lamp = house.lamp()
        …                       # a host opens house.url, opens its network for lamp.sticker
        lamp.power_on()
        await house.wait_until(lambda: lamp.joined)
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self, Unpack

from hubsec_emulated.air import Air, Transmission
from hubsec_emulated.attackers import (
    PUBLIC_KEYS,
    Attacker,
    Impostor,
    Insider,
    OpenRouter,
    Rejoiner,
    Stranger,
    WrongCode,
)
from hubsec_emulated.capture.pcap import PcapWriter
from hubsec_emulated.capture.sniffer import Sniffer
from hubsec_emulated.clock import Clock
from hubsec_emulated.devices.device import Device, DeviceOptions
from hubsec_emulated.devices.lock import Lock
from hubsec_emulated.devices.onoff import Lamp, Plug
from hubsec_emulated.devices.sensor import ContactSensor
from hubsec_emulated.errors import EmulationError, NotInTimeError
from hubsec_emulated.evictee import Evictee
from hubsec_emulated.inhabiting import Plan, inhabit
from hubsec_emulated.ncp.radio import Radio
from hubsec_emulated.ncp.server import LOOPBACK, NcpServer
from hubsec_emulated.ncp.tokens import Tokens
from hubsec_emulated.stack.coordinator import Coordinator
from hubsec_emulated.stack.joining import JoinState
from hubsec_emulated.stack.node import Node
from hubsec_emulated.stack.timing import SILICON, Timing
from hubsec_emulated.wire.crypto import install_code_crc

DEFAULT_SCALE: Final = 20.0
"""Simulated seconds per second: a join with its key exchange takes about a third of a second."""
FIRST_EUI64: Final = 0x00124B0000010000
"""The devices' EUI64s count up from here (in the block of Texas Instruments, as many real ones)."""
INSTALL_CODE_SIZE: Final = 16
"""Bytes of the install codes on the stickers, without their CRC."""
_LOOK: Final = 0.05


class House:
    """An emulated house: an air, a coordinator on a TCP port of this machine, devices, and attackers.

    `scale` is simulated seconds per second. `seed` makes the run: addresses, codes, jitter, loss. `loss`, `delay` and
    `duplication` are the air's. `version` is the EZSP version (13, 14 or 18), `tokens` the stick's flash memory
    (default: a blank stick), `host` and `port` where a host finds it (default: this machine alone, a free port).
    ``record=False`` is for houses that stand for days: no frame is kept, so `sniffer` and `hostile_frames` stay empty.
    Usable inside ``async with`` only.

    Devices are made switched off; `power_on()` starts them. A device has an install code unless made with
    ``install_code=None``; it joins under it alone, unless made with ``well_known=True``. With `parent` a device hears
    that node alone.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        scale: float = DEFAULT_SCALE,
        loss: float = 0.0,
        delay: float = 0.0,
        duplication: float = 0.0,
        version: int = 14,
        tokens: Tokens | None = None,
        timing: Timing = SILICON,
        key_table_capacity: int = 4,
        host: str = LOOPBACK,
        port: int = 0,
        record: bool = True,
    ) -> None:
        self.seed = seed
        self._record = record
        self._address = (host, port)
        self.timing = timing
        self._scale = scale
        self._air_options = {"loss": loss, "delay": delay, "duplication": duplication}
        self._version = version
        self._key_table_capacity = key_table_capacity
        self.tokens = Tokens() if tokens is None else tokens
        self.random = random.Random(seed)
        self.devices: list[Device] = []
        self.hostile: list[Device] = []
        self.sniffer = Sniffer()
        self._transmissions: list[Transmission] = []
        self._captures: list[PcapWriter] = []
        self._made = 0
        self._clock: Clock | None = None
        self._air: Air | None = None
        self._coordinator: Coordinator | None = None
        self._server: NcpServer | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def __aenter__(self) -> Self:
        if self._server is not None:
            raise EmulationError("The house is open already.")
        self._clock = Clock(self._scale)
        self._air = Air(self._clock, seed=self.seed, **self._air_options)
        if self._record:
            self._air.tap(self._hear)
        self._coordinator = Coordinator(self._air, self.tokens.eui64, timing=self.timing, seed=self.seed)
        self._server = NcpServer(
            Radio(self._coordinator),
            clock=self._clock,
            tokens=self.tokens,
            version=self._version,
            seed=self.seed,
            key_table_capacity=self._key_table_capacity,
        )
        try:
            await self._server.start(*self._address)
        except EmulationError:
            self._clock.close()
            self._server = None
            raise
        self._folder = tempfile.TemporaryDirectory(prefix="house-")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for device in self.devices:
            device.power_off()
        await self.server.close()
        self.clock.close()
        for capture in self._captures:
            capture.close()
        self._captures.clear()
        _opened(self._folder).cleanup()

    # Parts

    @property
    def clock(self) -> Clock:
        """Simulated time."""
        return _opened(self._clock)

    @property
    def air(self) -> Air:
        """The air: who hears whom, loss, taps."""
        return _opened(self._air)

    @property
    def coordinator(self) -> Coordinator:
        """The coordinator's radio, below the NCP."""
        return _opened(self._coordinator)

    @property
    def server(self) -> NcpServer:
        """The NCP: its commands, its faults, its reset button."""
        return _opened(self._server)

    @property
    def url(self) -> str:
        """What a host is to open: ``tcp://127.0.0.1:<port>``."""
        return self.server.url

    @property
    def folder(self) -> Path:
        """A folder for what a host keeps of this house. It goes with the house."""
        return Path(_opened(self._folder).name)

    # Devices

    def lamp(
        self, *, dimmable: bool = False, parent: Node | None = None, **options: Unpack[DeviceOptions]
    ) -> Lamp:
        """A lamp: a router."""
        return self._add(Lamp(self.air, *self._new(options), dimmable=dimmable, **options), parent)

    def plug(self, *, parent: Node | None = None, **options: Unpack[DeviceOptions]) -> Plug:
        """A smart plug: a router."""
        return self._add(Plug(self.air, *self._new(options), **options), parent)

    def sensor(self, *, parent: Node | None = None, **options: Unpack[DeviceOptions]) -> ContactSensor:
        """A contact sensor: a sleepy end device."""
        return self._add(ContactSensor(self.air, *self._new(options), **options), parent)

    def lock(self, *, parent: Node | None = None, **options: Unpack[DeviceOptions]) -> Lock:
        """A door lock: an end device that listens all the time."""
        return self._add(Lock(self.air, *self._new(options), **options), parent)

    def inhabited(self, devices: int, *, hops: int = 1, sleepy: float = 0.2) -> list[Device]:
        """So many devices that have long lived here: the stick has a network with hashed link keys, they are on it.

        Each joined under its install code. The share `sleepy` are contact sensors, the others lamps; they live in rings
        around the coordinator, the outermost `hops` away. The network is up, as after a host that has gone; the next
        host finds it on the stick. Raises EmulationError when the stick has a network already, and for what can't be.
        """
        plan = Plan.of(devices, hops, sleepy)
        found = inhabit(self.coordinator, self.tokens, plan, self.lamp, self.sensor, self.random)
        self.server.ncp.network.go_on()
        return found

    # Attackers

    def stranger(self, *, parent: Node | None = None, **options: Unpack[DeviceOptions]) -> Stranger:
        """A joiner whom nobody invited, with the public keys."""
        options.setdefault("install_code", None)
        return self._add_hostile(Stranger(self.air, *self._new(options), **options), parent)

    def wrong_code(
        self, victim: Device | None = None, *, parent: Node | None = None, **options: Unpack[DeviceOptions]
    ) -> WrongCode:
        """A joiner with a guessed install code and the public keys; under the EUI64 of `victim`, if given.

        No sticker says what it guesses: its own is the address alone.
        """
        (eui64,) = self._new(options)
        if victim is not None:
            eui64 = victim.eui64
        return self._add_hostile(WrongCode(self.air, eui64, **options), parent)

    def impostor(
        self,
        victim: Device,
        *,
        with_code: bool = False,
        parent: Node | None = None,
        **options: Unpack[DeviceOptions],
    ) -> Impostor:
        """A joiner under the EUI64 of `victim`; `with_code` it has the victim's install code, too."""
        self._new(options, impostor=True)
        return self._add_hostile(Impostor(self.air, victim, with_code=with_code, **options), parent)

    def rejoiner(
        self,
        identity: Device | None = None,
        *,
        keys: Sequence[bytes] = (),
        parent: Node | None = None,
        **options: Unpack[DeviceOptions],
    ) -> Rejoiner:
        """Somebody who claims to have been here before: as `identity`, or as nobody in particular."""
        options.setdefault("install_code", None)
        (eui64,) = self._new(options)
        short = None
        if identity is not None:
            eui64, short = identity.eui64, identity.short
        return self._add_hostile(Rejoiner(self.air, eui64, short=short, keys=keys, **options), parent)

    def insider(
        self, *, network_key: bytes | None = None, seq: int = 0, parent: Node | None = None
    ) -> Insider:
        """A node with the network key (default: the one in use), on the network at once."""
        options: DeviceOptions = {"install_code": None}
        insider = self._add_hostile(Insider(self.air, *self._new(options), **options), parent)
        insider.infiltrate(self.coordinator, network_key=network_key, seq=seq)
        return insider

    def evictee(self, *, parent: Node | None = None, **options: Unpack[DeviceOptions]) -> Evictee:
        """A device that joins properly, goes when it is told to, keeps everything, and comes back for more."""
        return self._add_hostile(Evictee(self.air, *self._new(options), **options), parent)

    def open_router(self, *, parent: Node | None = None, **options: Unpack[DeviceOptions]) -> OpenRouter:
        """A lamp that joins properly and then accepts associations for ever."""
        return self._add_hostile(OpenRouter(self.air, *self._new(options), **options), parent)

    @property
    def hostile_frames(self) -> list[Transmission]:
        """Every frame that a hostile node sent, in order."""
        names = {node.name for node in self.hostile}
        return [transmission for transmission in self._transmissions if transmission.sender in names]

    @property
    def loot(self) -> dict[str, Attacker]:
        """The attackers that gained anything, by name."""
        return {node.name: node for node in self.hostile if isinstance(node, Attacker) and node.loot}

    # Waiting

    async def wait_until(
        self, predicate: Callable[[], object], sim_timeout: float = 60.0, *, what: str = "What was waited for"
    ) -> None:
        """Wait until `predicate()` is true; raises NotInTimeError after `sim_timeout` simulated seconds."""
        if not await self.clock.wait_until(predicate, sim_timeout, _LOOK):
            raise NotInTimeError(what, sim_timeout)

    async def settled(self, sim_timeout: float = 60.0) -> None:
        """Wait until no device but hostile ones is on its way in, and no message waits for an acknowledgement."""
        await self.wait_until(self._is_settled, sim_timeout, what="Quiet in the house")

    async def sleep(self, sim_seconds: float) -> None:
        """Let simulated time pass."""
        await self.clock.sleep(sim_seconds)

    # Records

    def pcap(self, path: Path | str) -> PcapWriter:
        """Record everything from now on to a pcap file, which is complete when the house closes.

        Raises EmulationError when the file can't be made.
        """
        try:
            writer = PcapWriter(Path(path))
        except OSError as error:
            raise EmulationError(f"The capture can't be written to {path}: {error.strerror}.") from error
        self._captures.append(writer)
        self.air.tap(lambda transmission: writer.write(transmission.time, transmission.psdu))
        return writer

    def keys(self) -> str:
        """Every key that was ever used, as the lines of Wireshark's `zigbee_pc_keys` file: the secrets themselves.

        Each has a label of its own: ``well-known``, ``ZLL``, ``network key 0``, ``install code of lamp 1``,
        ``link key of lamp 1``.
        """
        found: dict[bytes, str] = dict(zip(PUBLIC_KEYS, ("well-known", "ZLL"), strict=True))
        nodes: list[Node] = [self.coordinator, *self.devices]
        for node in nodes:
            for key, seq in node.keys.ever.items():
                label = f"network key {seq}"
                found.setdefault(key, label if label not in found.values() else f"{label} of {node.name}")
            for code_key in node.link_keys.preconfigured:
                found.setdefault(code_key, f"install code of {node.name}")
            if (link_key := node.link_keys.trust_center_key) is not None:
                found.setdefault(link_key, f"link key of {node.name}")
            for kept in node.held if isinstance(node, Evictee) else ():
                found.setdefault(kept, f"link key of {node.name}")
        return "".join(f'"{key.hex()}","Normal","{name.replace(":", "")}"\n' for key, name in found.items())

    # Inside

    def _hear(self, transmission: Transmission) -> None:
        self._transmissions.append(transmission)
        self.sniffer(transmission.time, transmission.psdu)

    def _is_settled(self) -> bool:
        resting = (JoinState.IDLE, JoinState.JOINED)
        return not self.coordinator.aps.waiting and all(
            device.joining.state in resting and not device.exchange.running and not device.aps.waiting
            for device in self.devices
            if device.powered and device not in self.hostile
        )

    def _new(self, options: DeviceOptions, *, impostor: bool = False) -> tuple[int]:
        self._made += 1
        code = self.random.randbytes(INSTALL_CODE_SIZE)
        if not impostor:
            options.setdefault("install_code", code + install_code_crc(code))
        options.setdefault("seed", self.seed)
        options.setdefault("timing", self.timing)
        return (FIRST_EUI64 + self._made,)

    def _add[D: Device](self, device: D, parent: Node | None) -> D:
        if device.name == type(device).__name__ or ":" in device.name:
            device.name = device.mac.name = f"{type(device).__name__.lower()} {self._made}"
        self.devices.append(device)
        if parent is not None:
            self.air.limit(device.mac, [parent.mac])
        return device

    def _add_hostile[D: Device](self, device: D, parent: Node | None) -> D:
        self.hostile.append(device)
        return self._add(device, parent)


def _opened[T](part: T | None) -> T:
    if part is None:
        raise EmulationError("The house is not open: use it inside `async with House() as house`.")
    return part
