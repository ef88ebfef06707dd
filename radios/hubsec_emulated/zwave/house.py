"""The test author's entrance to Z-Wave: a controller with devices behind a real Z-Wave JS server, without hardware.

::

    async with ZWaveHouse(seed=1) as house:
        lamp = house.lamp()
        …                       # a client of house.url provisions lamp.sticker
        lamp.power_on()
        await house.wait_until(lambda: lamp.keys_held)
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from hubsec_emulated.errors import EmulationError, NotInTimeError
from hubsec_emulated.zwave.attacker import ZWaveAttacker
from hubsec_emulated.zwave.device import (
    LAMP,
    LOCK,
    PLUG,
    SENSOR,
    Kind,
    Security,
    ZWaveDevice,
    ZWaveImpostor,
)
from hubsec_emulated.zwave.dsk import PRIVATE_KEY_SIZE, KeyPair
from hubsec_emulated.zwave.program import LOOPBACK, START_TIMEOUT, Event, Program, start

KEY_NAMES: Final = ("S0_Legacy", "S2_Unauthenticated", "S2_Authenticated", "S2_AccessControl")
"""The network keys of a Z-Wave controller, lowest first."""
KEY_SIZE: Final = 16
"""Bytes of a network key."""
MAX_NODES: Final = 231
"""Nodes besides the controller: node ids are 1 to 232 (INS12350)."""
DEFAULT_SCALE: Final = 10.0
"""Devices repeat themselves this much faster than real ones. The host's own timeouts are not touched."""
DEFAULT_TIMEOUT: Final = 30.0
"""Seconds that `wait_until` waits; an inclusion takes about one."""
KINDS: Final = {kind.name: kind for kind in (LAMP, PLUG, SENSOR, LOCK)}
"""What can be in a house, by name."""
_LOOK: Final = 0.02
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SerialFrame:
    """What crossed the serial line: a whole frame of the Serial API, or one byte (ACK, NAK, CAN)."""

    from_host: bool
    data: bytes


class ZWaveHouse:
    """An emulated Z-Wave house: a controller, devices, an attacker, and the real driver and server on top.

    `seed` makes keys, DSKs and home ID. `keys` are the server's network keys by name (:data:`KEY_NAMES`; default: by
    the seed). `scale` is how much faster than real ones devices repeat themselves; `tx_delay` how many milliseconds a
    frame takes on the air. `nodes` says how many of each kind are on the network already, with keys and known to the
    server, when it starts. ``server=False`` leaves the server out: `start_server` starts it. ``quick=True`` starts it
    over a second faster, by NODE_ENV=test, under which the driver logs keys and takes other branches. `port` is the
    server's (default: a free one). `program` is one that is left running, and empty. Usable inside ``async with`` only.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        keys: Mapping[str, bytes] | None = None,
        scale: float = DEFAULT_SCALE,
        tx_delay: int = 0,
        nodes: Mapping[str, int] | None = None,
        server: bool = True,
        quick: bool = False,
        port: int = 0,
        program: Program | None = None,
    ) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.home_id = self.random.getrandbits(32) | 0xC000_0000
        made = {name: self.random.randbytes(KEY_SIZE) for name in KEY_NAMES}
        self.keys = made if keys is None else dict(keys)
        self._first_keys = dict(self.keys)
        self.devices: list[ZWaveDevice] = []
        self.recording: list[SerialFrame] = []
        self.faults: list[str] = []
        self.attacker = ZWaveAttacker(self._tell)
        self._scale = scale
        self._tx_delay = tx_delay
        self._nodes = dict(nodes or {})
        self._wants_server = server
        self._quick = quick
        self._port = port
        self._given = program
        self._program: Program | None = None
        self._ready = self._serving = False
        self._server_said = ""
        self._answers: dict[int, asyncio.Future[object]] = {}
        self._asked = 0
        if sum(self._nodes.values()) > MAX_NODES:
            raise EmulationError(f"A network has room for {MAX_NODES} nodes.")

    async def __aenter__(self) -> Self:
        if self._program is not None:
            raise EmulationError("The house is open already.")
        self._program = self._given or await start()
        self._program.attach(self._hear)
        try:
            if self._program.begun:
                self._ready = self._serving = True
                self._tell("tune", {"scale": self._scale, "txDelay": self._tx_delay})
            else:
                await self._start()
        except BaseException:
            await self._program.end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        program = self.program
        kept = False
        try:
            if (
                self._given is not None
                and self._serving
                and self.keys == self._first_keys
                and not program.dead
            ):
                await self.reset()
                program.detach()
                kept = True
        except EmulationError as failed:
            # What was to be done in this house is over. The next one gets processes of its own.
            _log.info("The emulated network could not be emptied, and is ended: %s", failed)
        finally:
            if not kept:
                await program.end()
        if kind is None:
            self._raise_faults()

    async def _start(self) -> None:
        self.program.begun = True
        self.program.port = self._port or self.program.port
        options: dict[str, object] = {
            "homeId": self.home_id,
            "keys": _hex(self.keys),
            "scale": self._scale,
            "txDelay": self._tx_delay,
        }
        if self._wants_server and not self._nodes:
            options["server"] = self._server_options()
        self._tell("start", options)
        for name, count in self._nodes.items():
            for _ in range(count):
                self._make(KINDS[name], "s2", included=True)
        if self._nodes:
            self._tell("remember", {"folder": str(self._cache)})
        if self._wants_server and self._nodes:
            self._tell("serve", self._server_options())
        await self.wait_until(
            lambda: self._ready and (self._serving or not self._wants_server),
            START_TIMEOUT,
            what="The start of the emulated network",
        )

    # Parts

    @property
    def program(self) -> Program:
        """The processes."""
        if self._program is None:
            raise EmulationError("The house is not open: use it inside `async with ZWaveHouse() as house`.")
        return self._program

    @property
    def url(self) -> str:
        """What a client of the server is to open: ``ws://127.0.0.1:<port>``."""
        return f"ws://{LOOPBACK}:{self.program.port}"

    @property
    def folder(self) -> Path:
        """A folder for what belongs to this house; the server keeps its cache in it. It goes with the house."""
        return Path(self.program.folder.name)

    # Devices

    def lamp(
        self, *, security: Security = "s2", requests: tuple[str, ...] | None = None, name: str | None = None
    ) -> ZWaveDevice:
        """A dimmable lamp (Multilevel Switch)."""
        return self._make(LAMP, security, requests, name)

    def plug(
        self, *, security: Security = "s2", requests: tuple[str, ...] | None = None, name: str | None = None
    ) -> ZWaveDevice:
        """A smart plug (Binary Switch)."""
        return self._make(PLUG, security, requests, name)

    def sensor(
        self, *, security: Security = "s2", requests: tuple[str, ...] | None = None, name: str | None = None
    ) -> ZWaveDevice:
        """A door contact (Binary Sensor) on mains: it listens all the time."""
        return self._make(SENSOR, security, requests, name)

    def lock(
        self, *, security: Security = "s2", requests: tuple[str, ...] | None = None, name: str | None = None
    ) -> ZWaveDevice:
        """A door lock. It obeys nothing in plain text."""
        return self._make(LOCK, security, requests, name)

    def impostor(self, victim: ZWaveDevice, *, name: str | None = None) -> ZWaveImpostor:
        """Another device that asks to be let in as `victim`."""
        name = name or f"impostor {len(self.devices) + 1}"
        return self._add(ZWaveImpostor(self._tell, victim, name=name, key_pair=self._key_pair()))

    # The server

    async def start_server(self, *, keys: Mapping[str, bytes] | None = None) -> None:
        """Start the server, on `keys` or the ones from before, at the same URL; return when it listens."""
        if keys is not None:
            self.keys = dict(keys)
        self._serving = False
        self._server_said = ""
        await self._ask("serve", self._server_options())
        await self.wait_until(lambda: self._serving, START_TIMEOUT, what="The start of the server")

    async def stop_server(self, *, kill: bool = True) -> None:
        """End the server: at once, as in a crash, or in order."""
        self._wants_server = False
        await self._ask("stop-server", {"signal": "SIGKILL" if kill else "SIGTERM"})

    async def restart_server(self, *, keys: Mapping[str, bytes] | None = None, kill: bool = True) -> None:
        """End the server and start it again, on other keys if they are given."""
        await self.stop_server(kill=kill)
        await self.start_server(keys=keys)

    def pause_server(self) -> None:
        """Stop the server where it is, as a machine does that is out of memory."""
        self._tell("signal-server", {"signal": "SIGSTOP"})

    def resume_server(self) -> None:
        """Let it go on."""
        self._tell("signal-server", {"signal": "SIGCONT"})

    # Records

    def record(self, *, on: bool = True) -> None:
        """Keep every frame of the serial line in `recording` from now on, or stop that.

        What devices say to the controller and hear from it crosses this line as it crosses the air.
        """
        self._tell("record", {"on": on})

    # Waiting

    async def wait_until(
        self,
        predicate: Callable[[], object],
        seconds: float = DEFAULT_TIMEOUT,
        *,
        what: str = "What was waited for",
    ) -> None:
        """Wait until `predicate()` is true.

        :raises NotInTimeError: it was not, for so many seconds.
        :raises EmulationError: a process ended or failed meanwhile.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while not predicate():
            self._raise_faults()
            if asyncio.get_running_loop().time() > deadline:
                raise NotInTimeError(what, seconds, unit="seconds")
            await asyncio.sleep(_LOOK)

    async def settle(self) -> None:
        """Wait until no device is exchanging keys and nothing has crossed the serial line for a moment.

        All that was told to devices before is done then.
        """
        await self._ask("settle", {})
        self._raise_faults()

    async def reset(self) -> None:
        """Empty the house: no device, no node, no provisioning entry; what the server was doing is ended.

        It takes a hundredth of a start. Settings of the server's (its log, for instance) stay.
        """
        await self._ask("reset", {"port": self.program.port})
        self.devices.clear()
        self.recording.clear()
        self._raise_faults()

    # Inside

    def _make(
        self,
        kind: Kind,
        security: Security,
        requests: tuple[str, ...] | None = None,
        name: str | None = None,
        *,
        included: bool = False,
    ) -> ZWaveDevice:
        if security == "s0-requesting":
            requests = ("S0_Legacy",)
        device = ZWaveDevice(
            self._tell,
            name=name or f"{kind.name} {len(self.devices) + 1}",
            kind=kind,
            security=security,
            requests=kind.requests if requests is None else requests,
            key_pair=self._key_pair(),
        )
        return self._add(device, included=included)

    def _add[D: ZWaveDevice](self, device: D, *, included: bool = False) -> D:
        if any(device.name == other.name for other in self.devices):
            raise EmulationError(f"There is a {device.name} in the house already.")
        self.devices.append(device)
        keys = list(device.requests)
        self._tell("add", {**device.announcement(), "included": included, "keys": keys})
        return device

    def _key_pair(self) -> KeyPair:
        return KeyPair.from_bytes(self.random.randbytes(PRIVATE_KEY_SIZE))

    def _server_options(self) -> dict[str, object]:
        """Write the server's configuration, and say where it is.

        A server that was killed leaves locks on its cache, which are good for some seconds more.
        """
        for lock in self._cache.glob("*.lock"):
            shutil.rmtree(lock, ignore_errors=True)
        path = self.folder / "server.json"
        path.touch(mode=0o600)
        config = {
            "securityKeys": _hex(self.keys),
            "storage": {"cacheDir": str(self._cache)},
            "logConfig": {"enabled": False},
        }
        path.write_text(json.dumps(config), encoding="utf-8")
        return {"port": self.program.port, "config": str(path), "quick": self._quick}

    @property
    def _cache(self) -> Path:
        """Where the server keeps what it knows of the nodes."""
        return self.folder / "cache"

    def _tell(self, do: str, fields: Mapping[str, object]) -> None:
        self.program.send(do, fields)

    async def _ask(self, do: str, fields: Mapping[str, object]) -> object:
        if self.program.dead:
            raise EmulationError("The emulated network has ended.")
        self._asked += 1
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._answers[self._asked] = answer
        self._tell(do, {**fields, "id": self._asked})
        return await answer

    def _hear(self, event: Event) -> None:
        match event["event"]:
            case "device":
                for device in self.devices:
                    if device.name == event["device"]:
                        device.follow(event)
            case "frame":
                self.recording.append(SerialFrame(event["fromHost"], bytes.fromhex(event["data"])))
            case "ready":
                self._ready = True
            case "server":
                self._hear_server(event)
            case "done" | "failed":
                self._answer(event)
            case "fault":
                self.faults.append(event["text"])
            case "end":
                self.faults.append(f"The process ended: {self.program.said()}")
                for answer in self._answers.values():
                    if not answer.done():
                        answer.set_exception(EmulationError(self.faults[-1]))

    def _hear_server(self, event: Event) -> None:
        self._serving = event["state"] == "ready"
        if not self._serving and self._wants_server:
            self.faults.append(
                f"The server ended ({event['code']}, {event['signal']}): {event['output'][-2000:]}"
            )

    def _answer(self, event: Event) -> None:
        answer = self._answers.pop(event["id"])
        if answer.done():
            return  # whoever asked was cancelled
        if event["event"] == "done":
            answer.set_result(event.get("result"))
        else:
            answer.set_exception(EmulationError(event["text"]))

    def _raise_faults(self) -> None:
        if self.faults:
            told = "\n".join(self.faults)
            self.faults.clear()
            raise EmulationError(f"The emulated network failed: {told}")


def _hex(keys: Mapping[str, bytes]) -> dict[str, str]:
    return {name: key.hex() for name, key in keys.items()}
