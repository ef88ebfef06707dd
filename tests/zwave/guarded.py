"""What the guard's tests share: a host's own client of the server, and the stages that it stands on: unguarded, beside
a hub with a connection of its own, under a hub that has attached to it, and behind the gate."""

from __future__ import annotations

import asyncio
import copy
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from zwave_js_server.client import Client
from zwave_js_server.exceptions import BaseZwaveJSServerError, FailedCommand

from hubsec import Hub
from hubsec.events import Event
from hubsec.identity import Identity, Mode, SecurityClass, zwave_address, zwave_identity
from hubsec_zwave import Limits, Role, ZwaveJs
from hubsec_zwave.gate.credentials import Credentials
from hubsec_zwave.gate.limits import Limits as GateLimits
from hubsec_zwave.gate.server import Gate
from hubsec_zwave.wire import CLASSES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from hubsec_emulated import ZWaveHouse

SHORT: Final = Limits(
    reconnect_first=0.05,
    reconnect_most=0.5,
    look=0.05,
    mirror=0.2,
    exclusion=5.0,
    remove_first=0.3,
    remove_most=2.0,
    claim=1.0,
    announced=0.2,
)
DEFAULT, INSECURE, S0, S2 = 0, 2, 3, 4
"""Inclusion strategies."""
PERSON: Final = 0.1
"""Seconds that whoever sits before a host's dialog takes to answer; nobody is as quick."""
OUTSIDE: Final = "not on the network"


class TellingClient(Client):
    """The library's client, which keeps what it is told."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.told: list[dict[str, Any]] = []

    def _handle_incoming_message(self, msg: dict[str, Any]) -> None:
        if msg["type"] == "event":
            self.told.append(copy.deepcopy(msg["event"]))
        super()._handle_incoming_message(msg)


class HostClient:
    """A client as a host has it, which answers the S2 dialog for its user: it grants what is requested, or the
    `grant` classes, and enters `pin`; each may be False."""

    def __init__(self, client: TellingClient, house: ZWaveHouse) -> None:
        self.client = client
        self.house = house
        self.grant: list[int] | bool = True
        self.pin: str | bool = False
        self.delay = PERSON
        self.errors: list[BaseZwaveJSServerError] = []
        self._answers: set[asyncio.Task[None]] = set()
        self.meet()

    def meet(self) -> None:
        """Answer what the client's present driver is asked."""
        controller = self.controller
        controller.on("grant security classes", self._asked_to_grant)
        controller.on("validate dsk and enter pin", self._asked_for_pin)

    @property
    def controller(self) -> Any:
        assert self.client.driver is not None
        return self.client.driver.controller

    async def command(self, command: str, **arguments: Any) -> dict[str, Any]:
        return await asyncio.wait_for(self.client.async_send_command({"command": command, **arguments}), 30)

    async def refused(self, command: str, **arguments: Any) -> FailedCommand:
        """The error of a command that is not carried out."""
        try:
            result = await self.command(command, **arguments)
        except FailedCommand as error:
            return error
        raise AssertionError(f"{command} passed: {result}")

    @property
    def events(self) -> list[dict[str, Any]]:
        """What the client was told, oldest first."""
        return self.client.told

    def of(self, kind: str, node_id: int | None = None) -> list[dict[str, Any]]:
        found = [event for event in self.events if event["event"] == kind]
        if node_id is None:
            return found
        return [one for one in found if one.get("nodeId", one.get("node", {}).get("nodeId")) == node_id]

    async def event(self, kind: str, node_id: int | None = None) -> dict[str, Any]:
        await self.house.wait_until(lambda: self.of(kind, node_id), PATIENCE, what=f"{kind!r} for the host")
        return self.of(kind, node_id)[-1]

    def forget(self) -> None:
        self.client.told.clear()

    def value(self, node_id: int, property_name: str = "currentValue") -> Any:
        """What the client takes for a node's present value."""
        found = [
            value.value
            for value in self.controller.nodes[node_id].values.values()
            if value.property_ == property_name and value.command_class in (0x25, 0x26, 0x30, 0x62)
        ]
        return found[0] if found else None

    # The dialog

    def _asked_to_grant(self, event: dict[str, Any]) -> None:
        asked = event["requested_grant"]
        classes = [int(one) for one in asked.security_classes] if self.grant is True else self.grant
        grant = False if classes is False else {"securityClasses": classes, "clientSideAuth": False}
        self._answer("controller.grant_security_classes", inclusionGrant=grant)

    def _asked_for_pin(self, event: dict[str, Any]) -> None:
        del event
        self._answer("controller.validate_dsk_and_enter_pin", pin=self.pin)

    def _answer(self, command: str, **arguments: Any) -> None:
        async def answer() -> None:
            await asyncio.sleep(self.delay)
            try:
                await self.command(command, **arguments)
            except BaseZwaveJSServerError as error:
                self.errors.append(error)

        task = asyncio.ensure_future(answer())
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def close(self) -> None:
        for task in self._answers:
            task.cancel()
        await asyncio.gather(*self._answers, return_exceptions=True)


@asynccontextmanager
async def host_client(house: ZWaveHouse, url: str | None = None) -> AsyncIterator[HostClient]:
    """A host's client that listens, to the house's server or at `url`."""
    async with aiohttp.ClientSession() as session:
        client = TellingClient(house.url if url is None else url, session)
        await client.connect()
        ready = asyncio.Event()
        listening = asyncio.create_task(client.listen(ready))
        await asyncio.wait_for(ready.wait(), 10)
        host = HostClient(client, house)
        try:
            yield host
        finally:
            await host.close()
            listening.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await listening


PATIENCE = 60.0
"""Seconds: on a machine that is busy a server that starts anew takes twenty to ask its nodes who they are."""


class Guarded:
    """A hub with a radio, and what it has told."""

    def __init__(self, house: ZWaveHouse, hub: Hub, radio: ZwaveJs) -> None:
        self.house = house
        self.hub = hub
        self.radio = radio
        self.told: list[Event] = []
        hub.on(Event, self.told.append)

    def of[E: Event](self, kind: type[E]) -> list[E]:
        return [event for event in self.told if isinstance(event, kind)]

    async def event[E: Event](self, kind: type[E], where: Callable[[E], bool] = lambda _: True) -> E:
        def found() -> list[E]:
            return [event for event in self.of(kind) if where(event)]

        await self.house.wait_until(found, PATIENCE, what=f"{kind.__name__}, told by the hub")
        return found()[-1]

    def address(self, node_id: int) -> Identity:
        return zwave_address(self.house.home_id, node_id)

    def is_shut_off(self, node_id: int) -> bool:
        return self.radio.judge.silenced(node_id) is not None

    async def until(self, predicate: Callable[[], object], what: str) -> None:
        await self.house.wait_until(predicate, 20, what=what)

    async def admit(self, device: Any, **more: Any) -> Identity:
        """Let a device in by its button and DSK; who it is then."""
        async with self.hub.admit(device.dsk, name=device.name, **more) as admission:
            device.press_button()
            async with asyncio.timeout(20):
                joined = await admission.joined()
        return Identity(joined.identity)


@asynccontextmanager
async def own(
    house: ZWaveHouse, home: Path, *, mode: Mode = Mode.ENFORCE, policy: Any = "home", limits: Limits = SHORT
) -> AsyncIterator[Guarded]:
    """A hub with a connection of its own."""
    radio = ZwaveJs(house.url, limits=limits)
    async with Hub(radio, policy=policy, home=home, mode=mode) as hub:
        yield Guarded(house, hub, radio)


@asynccontextmanager
async def attached(
    house: ZWaveHouse,
    client: Client,
    home: Path,
    *,
    mode: Mode = Mode.ENFORCE,
    policy: Any = "home",
    limits: Limits = SHORT,
) -> AsyncIterator[Guarded]:
    """A hub that guards somebody's client."""
    radio = ZwaveJs.attach(client, limits=limits)
    async with Hub(radio, policy=policy, home=home, mode=mode) as hub:
        yield Guarded(house, hub, radio)


class Stage:
    """Where a host's client stands; `guarded` is None where nothing guards it."""

    def __init__(self, name: str, house: ZWaveHouse, host: HostClient, guarded: Guarded | None) -> None:
        self.name = name
        self.house = house
        self.host = host
        self.guarded = guarded

    async def ended(self, device: Any, inspector: HostClient) -> str:
        """What a device has ended as, in words: its highest security class, and how it stands."""
        if device.node_id is None:
            return OUTSIDE
        try:
            result = await inspector.command("node.get_highest_security_class", nodeId=device.node_id)
        except FailedCommand:
            return OUTSIDE  # Its inclusion was stopped just then, and the server does not know it.
        held = CLASSES.get(result.get("highestSecurityClass"), SecurityClass.NONE)
        if self.guarded is None:
            return f"{held}"
        if self.guarded.is_shut_off(device.node_id):
            return f"{held}, quarantined"
        identity = (
            zwave_identity(device.dsk) if device.security == "s2" else self.guarded.address(device.node_id)
        )
        listed = self.guarded.hub.allowlist.get(identity)
        return f"{held}, on the allowlist" if listed is not None else f"{held}"


STAGES: Final = ("unguarded", "own", "attach", "gate")


@asynccontextmanager
async def stage(name: str, house: ZWaveHouse, home: Path) -> AsyncIterator[Stage]:
    """One of :data:`STAGES`. In the stage `own` the host's client goes past the hub, to the same server."""
    match name:
        case "unguarded":
            async with host_client(house) as host:
                yield Stage(name, house, host, None)
        case "own":
            async with own(house, home) as guarded, host_client(house) as host:
                yield Stage(name, house, host, guarded)
        case "attach":
            async with host_client(house) as host, attached(house, host.client, home) as guarded:
                yield Stage(name, house, host, guarded)
        case _:
            async with gated(house, home) as (guarded, url), host_client(house, url) as host:
                yield Stage(name, house, host, guarded)


@asynccontextmanager
async def gated(house: ZWaveHouse, home: Path) -> AsyncIterator[tuple[Guarded, str]]:
    """A hub, and a gate in front of its server: where a client of the role administer gets in."""
    async with own(house, home) as guarded:
        credentials = Credentials(home)
        issued = credentials.add("host", Role.ADMINISTER)
        gate = Gate(house.url, guarded.radio.judge, credentials, limits=GateLimits(look=SHORT.look))
        async with gate:
            yield guarded, issued.url(gate.url)
