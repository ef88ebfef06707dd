"""What the guard's tests share: an authority that a test scripts, and a house with a guarded stick in it."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from bellows.ezsp import EZSP
from bellows.zigbee.application import ControllerApplication

from hubsec.decisions import Allow, Decision, Deny, Evict, Knock, Quarantine
from hubsec.entries import Entry
from hubsec.errors import StoreError
from hubsec.events import Event
from hubsec.identity import CredentialKind, Identity, Mode, Standing
from hubsec.radio import AdmissionOrder
from hubsec.requests import (
    ExchangeRequest,
    IdentifyRequest,
    JoinKind,
    JoinRequest,
    LinkKeyState,
    OpenKind,
    OpenRequest,
    PresenceRequest,
    Request,
)
from hubsec.secret import Secret
from hubsec_emulated.devices.device import Device
from hubsec_emulated.house import House
from hubsec_emulated.ncp.tokens import Tokens
from hubsec_emulated.wire.addresses import format_eui64
from hubsec_emulated.wire.crypto import install_code_key
from hubsec_zigbee import Bellows
from hubsec_zigbee.limits import Limits

SCALE = 20.0
VERSIONS = sorted({13, 14, 18} & EZSP._BY_VERSION.keys())
"""The EZSP versions of the emulated stick that this bellows speaks (before 1.0 it stops at 14)."""
FAST = Limits(
    watch_interval=0.1,
    evict_wait=1.0,
    lookup_pause=0.2,
    probe_wait=1.0,
    sleepy_wait=2.0,
    switch_wait=2.0,
    time_scale=SCALE,
)
PATIENCE = 20.0
"""Seconds; a join with its interview takes half a second, and many times that on a machine with other work."""
WINDOW = 3 * PATIENCE
FADED = 3.0
"""Simulated seconds until the emulated stick takes the order to switch to the next network key."""
QUIET = 0.3
"""Seconds in which nothing may happen; it would take a few milliseconds."""
WELL_KNOWN = Secret(b"ZigBeeAlliance09")
_used: dict[int, Tokens] = {}


async def used_stick(version: int = 14) -> Tokens:
    """The flash of a stick on which an unguarded bellows has formed a network, as in most houses that hubsec comes to.

    A copy, for a house of its own. It is formed once in a run: that takes four times as long as to start on it.
    """
    if version not in _used:
        async with House(seed=1, scale=SCALE, version=version) as house:
            settings = {"device": {"path": house.url}, "backup_enabled": False, "network": {"channel": 15}}
            app = await ControllerApplication.new(settings, auto_form=True)
            await app.shutdown()
            _used[version] = house.tokens
    return copy.deepcopy(_used[version])


class ScriptedAuthority:
    """A hub as a test wants it. `answers` maps a request's type to what is answered, or a function of the request."""

    def __init__(self, mode: Mode = Mode.ENFORCE) -> None:
        self.mode = mode
        self.standings: dict[Identity, Standing] = {}
        self.default_standing = Standing.ADOPTED
        self.requests: list[Request] = []
        self.events: list[Event] = []
        self.entries: dict[Identity, Entry] = {}
        self.vault = None
        self.orders: dict[Identity, AdmissionOrder] = {}
        self.listening = False
        self.delay = 0.0
        self.broken = False
        self.answers: dict[type, Decision | Callable[[Any], Decision]] = {}

    def now(self) -> float:
        return time.time()

    def standing(self, device: Identity) -> Standing:
        return self.standings.get(device, self.default_standing)

    def entry(self, device: Identity) -> Entry | None:
        return self.entries.get(device)

    def publish(self, event: Event) -> None:
        self.events.append(event)

    async def judge(self, request: Request) -> Decision:
        self.requests.append(request)
        await asyncio.sleep(self.delay)
        if self.broken:
            raise StoreError("The disk is full.")
        answer = self.answers.get(type(request))
        if answer is not None:
            return answer if not callable(answer) else answer(request)
        return self._usual(request)

    def _usual(self, request: Request) -> Decision:
        match request:
            case JoinRequest(kind=JoinKind.JOIN):
                order = self.orders.get(request.device)
                if order is not None:
                    self.standings[request.device] = Standing.APPROVED
                    return Allow(order.credential.value, "Its admission is open.", order.credential)
                return (
                    Knock("knock", "It knocked.") if self.listening else Deny("no-entry", "Nobody knows it.")
                )
            case JoinRequest(kind=JoinKind.UNSECURED_REJOIN):
                return Deny("unsecured-rejoin", "It lost the key.")
            case JoinRequest():
                return Allow("known", "It was here.")
            case ExchangeRequest(link_key=LinkKeyState.VERIFIED):
                return Allow("exchanged", "It proved its link key.")
            case ExchangeRequest():
                return Evict("failed-exchange", "It proved no link key.")
            case IdentifyRequest():
                return Allow("identity", "It says what it said.")
            case PresenceRequest():
                self.standings[request.device] = Standing.QUARANTINED
                return Quarantine("without-entry", "Nobody let it in.")
            case OpenRequest(kind=OpenKind.RESTORE):
                return Deny("host-restore", "A backup brings other keys.")
            case OpenRequest():
                return Deny("host-permit", "Nothing opens the network but an admission.")

    def of[E: Event](self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def asked[R](self, kind: type[R]) -> list[R]:
        return [request for request in self.requests if isinstance(request, kind)]


def identity(device: Device) -> Identity:
    return Identity(format_eui64(device.eui64))


def order_for(device: Device, *, approval: bool = False, **changes: Any) -> AdmissionOrder:
    """An order with the device's own install code, or with the public key. Its window is far longer than anything
    that a test waits for, so that what closes before is not closed by the time, however busy the machine is."""
    code = device.install_code
    fields: dict[str, Any] = {
        "admission": f"admission-{device.eui64:x}",
        "device": identity(device),
        "name": device.name,
        "credential": CredentialKind.APPROVAL if approval else CredentialKind.INSTALL_CODE,
        "secret": WELL_KNOWN if approval or code is None else Secret(install_code_key(code)),
        "window": WINDOW,
        "exchange_limit": WINDOW,
    }
    return AdmissionOrder(**{**fields, **changes})


class Guarded:
    """A house, a radio on its stick, and the authority behind it."""

    def __init__(self, house: House, radio: Bellows, authority: ScriptedAuthority) -> None:
        self.house = house
        self.radio = radio
        self.authority = authority

    async def admit(self, device: Device, *, approval: bool = False, **changes: Any) -> AdmissionOrder:
        order = order_for(device, approval=approval, **changes)
        self.authority.orders[order.device] = order
        await self.radio.admit(order)
        return order

    async def until(self, predicate: Callable[[], object], what: str) -> None:
        """Wait for what must come; how soon is the machine's affair."""
        await self.house.wait_until(predicate, PATIENCE * SCALE, what=what)

    async def comes(self, predicate: Callable[[], object], *, expected: bool) -> bool:
        """Whether `predicate` comes true: what is expected gets its time, what is not has :data:`QUIET` for it."""
        await (self.until(predicate, "what is expected") if expected else asyncio.sleep(QUIET))
        return bool(predicate())

    def commands(self) -> list[str]:
        return [record.name for record in self.house.server.ncp.commands]


@asynccontextmanager
async def guarded(
    authority: ScriptedAuthority | None = None,
    *,
    limits: Limits = FAST,
    link_keys: str = "hashed",
    **options: Any,
) -> AsyncGenerator[Guarded]:
    """A house with a radio of hubsec's own on its stick, which is a used one unless `tokens` says otherwise."""
    authority = authority or ScriptedAuthority()
    options.setdefault("tokens", await used_stick(options.get("version", 14)))
    async with House(**{"seed": 1, "scale": SCALE, **options}) as house:
        radio = Bellows(
            house.url,
            limits=limits,
            config={"network": {"channel": 15}, "backup_enabled": False},
            link_keys=link_keys,
        )
        await radio.open(authority)
        try:
            yield Guarded(house, radio, authority)
        finally:
            await radio.close()
