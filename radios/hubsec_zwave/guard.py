"""The guard of a Z-Wave network: what the server tells goes in, and what follows from it for who is heard.

It stands between every client and the server that it is put in front of (:class:`~hubsec_zwave.screening.Judge`), and
takes the server's events in the order in which they came. Whoever comes onto the network is judged before anything of
it passes; whoever is on it is looked at again and again, for how a device stands can change by the clock alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from hubsec.decisions import Allow, Quarantine
from hubsec.entries import Entry, Pinned
from hubsec.errors import HubsecError, RadioError, StoreError
from hubsec.events import Joined, JoinFailed, Left
from hubsec.identity import CredentialKind, Identity, SecurityClass, Standing
from hubsec.policy.rules import Rule
from hubsec.radio import AdmissionOrder, Eviction
from hubsec.reinclusion.radio import REINCLUSION
from hubsec.requests import ExchangeRequest, IdentifyRequest, PresenceRequest
from hubsec_zwave.dialog import Dialog
from hubsec_zwave.including import Including
from hubsec_zwave.inclusion import Inclusion
from hubsec_zwave.limits import EVENTS_KEPT, Limits
from hubsec_zwave.nodes import Node, class_of
from hubsec_zwave.provisioning import Provisioning
from hubsec_zwave.removing import Removing
from hubsec_zwave.screening import QUARANTINE, QUESTIONS, Refusal
from hubsec_zwave.station import HOST, LOGGER, Station
from hubsec_zwave.wire import REPLACED, Status

type Json = Mapping[str, Any]

IDLE: Final = frozenset({0, 4})
"""zwave-js' `InclusionState`: idle, and listening for SmartStart."""
BUSY: Final = frozenset({1, 3})
"""Including, and busy with whoever has come."""
NOBODY: Final = 0
"""The number of no node."""
UNJUDGED: Final = "Nobody has judged it yet."
CLOSED: Final = "The hub is not open, so nobody can judge it."
_STATUS: Final = {
    "dead": Status.DEAD,
    "alive": Status.ALIVE,
    "wake up": Status.AWAKE,
    "sleep": Status.ASLEEP,
}


class Guard:
    """`shut_out` is called with the number of a node that is shut out from now on, `released` when one may be no
    more: both are for whoever shows nodes to a client."""

    def __init__(self, name: str, limits: Limits) -> None:
        self.station = Station(name, limits)
        self.including = Including(self.station, self._after_events)
        self.provisioning = Provisioning(self.station)
        self.removing = Removing(self.station, lambda: self.including.inclusion is not None)
        self.dialog = Dialog(self.station, self.including, self.provisioning, self.removing)
        self.shut_out: list[Callable[[int], None]] = []
        self.released: list[Callable[[], None]] = []
        self._queue: asyncio.Queue[Json | Callable[[], None]] = asyncio.Queue(EVENTS_KEPT)
        self._silent: frozenset[int] = frozenset()
        self._judging: set[int] = set()
        self._arriving: set[int] = set()
        self._unwritten: dict[int, tuple[Identity, str]] = {}
        self._there: frozenset[int] | None = None
        self._identified: dict[int, Node] = {}
        self._handlers: dict[tuple[str, str], Callable[[Json], Awaitable[None]]] = {
            ("controller", "inclusion started"): self._started,
            ("controller", "inclusion stopped"): self._stopped,
            ("controller", "inclusion state changed"): self._state_changed,
            ("controller", "inclusion failed"): self._failed,
            ("controller", "node found"): self._found,
            ("controller", "node added"): self._added,
            ("controller", "node removed"): self._removed,
            ("node", "ready"): self._ready,
            **{("node", name): self._status for name in _STATUS},
            **{("controller", name): self.including.asked for name in QUESTIONS},
        }

    # Coming and going

    async def start(self) -> None:
        """The nodes are known and the wire stands: judge who is there, and see to the provisioning list."""
        station = self.station
        station.nodes.know(station.authority.entries())
        await self._resume()
        await self._recognize()
        await self.look()
        if station.enforcing:
            await self._shut_inclusion()
        await self.provisioning.mirror()
        station.spawn(self._take_events(), "events")
        if self._queue.qsize():
            await self._taken_in()
        station.spawn(self._keep_looking(), "looking")
        station.spawn(self._keep_mirroring(), "provisioning list")

    async def stop(self, *, give_back: bool) -> None:
        """End what is open, and everything that runs. With `give_back` the provisioning list is left as it was
        found."""
        station = self.station
        orders, station.orders = list(station.orders.values()), {}
        connected = station.connected
        if connected:
            for order in orders:
                with contextlib.suppress(HubsecError):
                    if order.smart_start:
                        await self.provisioning.close_for(order)
            with contextlib.suppress(HubsecError):
                await self.including.close_for()
            with contextlib.suppress(HubsecError):
                await self.removing.make_way()
        await station.settle()
        if connected and give_back:
            with contextlib.suppress(HubsecError):
                await self.provisioning.give_back()
        self.lost()

    def lost(self) -> None:
        """The connection has ended, and with it every inclusion, as far as anybody here could go on with
        it."""
        self.including.over()
        self.removing.pause()
        self.station.replaced.clear()
        self._arriving.clear()
        self._there = frozenset(node.node_id for node in self.station.nodes)
        while not self._queue.empty():
            event = self._queue.get_nowait()
            if not isinstance(event, Mapping):
                event()  # Somebody waits for it.

    async def _shut_inclusion(self) -> None:
        """Whatever inclusion ran before the guard stood is nobody's. Who put its questions before that waits for an
        answer, and the controller with it: for 240 s, as zwave-js has it (TAI1, TAI2)."""
        if self.including.inclusion is None:
            with contextlib.suppress(RadioError):
                await self.station.command("controller.stop_inclusion")
            await self.including.say_no()
            await self._until_idle()

    async def _until_idle(self) -> None:
        """Whoever has the PIN already goes on to the end, and is judged by that; nothing is asked of anybody before."""
        station = self.station
        deadline = station.now() + station.limits.idle
        with contextlib.suppress(RadioError):
            while station.now() < deadline:
                result = await station.command("controller.get_state")
                if result["state"].get("inclusionState") not in BUSY:
                    return
                await asyncio.sleep(station.limits.veto)

    async def _resume(self) -> None:
        """Who was to leave before the start still is; whoever has left meanwhile has."""
        station = self.station
        self.removing.resume()
        now = station.utc
        for entry in station.authority.entries():
            node = station.nodes.find(entry.device)
            if node is None:
                if entry.address in station.held or entry.device in station.held:
                    continue  # Whoever is in its place now, it is to come back into it.
                if entry.joined_at is not None and station.nodes.here(entry):
                    await station.authority.departed(entry.device)
                    self.removing.left(entry.device)
            elif entry.quarantined is not None and entry.expires_at is not None and entry.expires_at <= now:
                self.removing.start(entry.device, entry.quarantined, security=node.security)

    async def _recognize(self) -> None:
        """Nodes that came while nobody looked. One that the server names by a DSK whose device had been let in is that
        device: something failed between its keys and this. Of the rest, whoever has come since the connection was
        lost is judged as after an inclusion. Where a device awaits new keys, whoever has come is judged by its verdict;
        see :meth:`recognize`."""
        station, there = self.station, self._there
        for node in station.nodes:
            if station.nodes.identity(node.node_id) != station.nodes.address(node.node_id):
                continue
            if station.holding(node.node_id) is not None:
                continue
            entry = station.authority.entry(node.proved) if node.proved is not None else None
            if entry is not None and entry.joined_at is not None and entry.credential is CredentialKind.DSK:
                await self._judge_arrival(node, entry.device, None)
            elif there is not None and node.node_id not in there:
                await self._judge_arrival(node, None, None)

    # For the hub

    async def recognize(self, place: Identity, device: Identity) -> None:
        """Whoever is at `place` has the server's keys, and came while nobody looked: where the server names it by
        `device`, a DSK, it is judged as that."""
        station = self.station
        node = next((node for node in station.nodes if station.nodes.address(node.node_id) == place), None)
        if node is not None and node.proved == device:
            await self._judge_arrival(node, device, None)

    async def admit(self, order: AdmissionOrder) -> None:
        """Let that one device in."""
        await self.removing.make_way()
        if order.smart_start:
            await self.provisioning.open_for(order)
        else:
            await self.including.open_for(order)

    async def withdraw(self, admission: str) -> None:
        """Its admission has ended."""
        order = self.station.order(admission)
        if order is None:
            return
        del self.station.orders[order.device]
        if order.smart_start:
            await self.provisioning.close_for(order)
        else:
            await self.including.close_for()
        self.removing.offer()

    async def evict(self, device: Identity) -> Eviction:
        """Have `device` leave; goes on after this."""
        node = self.station.nodes.find(device)
        if node is None:
            raise RadioError(f"{device} is not on the network of {self.station.name}.")
        reason = self._reason(device) or "It is to leave."
        await self.look()
        self.removing.start(device, reason, security=node.security)
        self.removing.offer(device)
        return Eviction(
            confirmed=False,
            still_holds_network_key=node.security not in (None, SecurityClass.NONE),
            detail="Nothing that is sent makes a living Z-Wave device leave: press its button now, or switch it off. "
            "Until it has left it is shut off.",
            awaited=True,
        )

    # For whoever stands between a client and the server

    def silenced(self, node_id: int) -> str | None:
        """Why nothing of or to that node passes; None if it does."""
        station = self.station
        if not station.is_open:
            return CLOSED
        if node_id == station.nodes.own or not station.enforcing:
            return None
        if node_id in self._arriving:
            return UNJUDGED
        if node_id in self._unwritten:
            return self._unwritten[node_id][1]
        held = station.holding(node_id)
        if held is not None:
            return held
        device = station.nodes.identity(node_id)
        standing = station.standing(device)
        if standing is Standing.QUARANTINED:
            return self._reason(device) or "It is not on the allowlist."
        if standing is Standing.UNKNOWN:
            self._ask(node_id, device)
            return UNJUDGED
        return None

    def rule(self, node_id: int) -> str:
        """By which rule nothing of or to that node passes."""
        return QUARANTINE if self.station.holding(node_id) is None else REINCLUSION

    def silent_nodes(self) -> frozenset[int]:
        """All of them."""
        there = {node.node_id for node in self.station.nodes} | self._arriving
        return frozenset(node_id for node_id in there if self.silenced(node_id) is not None)

    async def command(self, asker: str, message: Json) -> Json | Refusal:
        """What becomes of a client's command that is about who is on the network."""
        return await self.dialog.command(asker, message)

    def heard(self, asker: str, event: Json) -> None:
        """An inclusion's question, seen on a client's own wire."""
        if asker != HOST:
            self.dialog.heard(asker, event)

    def on_event(self, event: Json) -> None:
        """What the server tells on the radio's own wire. Never waits, never raises."""
        key = (str(event.get("source")), str(event.get("event")))
        if key not in self._handlers:
            return
        inclusion = self.including.inclusion
        if key[1] in QUESTIONS and inclusion is not None and inclusion.may_answer(HOST):
            self.dialog.heard(HOST, event)
            return
        if key == ("controller", "node added"):
            # What was known of whoever had this number does not hold for who has it now.
            self._arriving |= {_number_of(event)} - {NOBODY}
        try:
            # The client that is told next puts objects of its own into the same event.
            self._queue.put_nowait(dict(event))
        except asyncio.QueueFull:
            self.station.malformed("events", "More events came than the guard could take.")

    async def _taken_in(self) -> None:
        """Wait until all that the server has told by now is taken in."""
        taken_in = asyncio.Event()
        self._after_events(taken_in.set)
        await taken_in.wait()

    def _after_events(self, call: Callable[[], None]) -> None:
        try:
            self._queue.put_nowait(call)
        except asyncio.QueueFull:
            call()

    def _reason(self, device: Identity) -> str | None:
        entry = self.station.authority.entry(device)
        return entry.quarantined if entry is not None else None

    def _ask(self, node_id: int, device: Identity) -> None:
        """Have a node judged that is there without anybody knowing why; one that is just coming in is judged
        by that."""
        inclusion = self.including.inclusion
        coming = inclusion is not None and inclusion.node == node_id
        if coming or node_id in self._judging or node_id not in self.station.nodes:
            return
        self._judging.add(node_id)

        async def judge() -> None:
            try:
                await self.station.judge(
                    PresenceRequest(radio=self.station.name, network=self.station.network, device=device)
                )
            finally:
                self._judging.discard(node_id)

        self.station.spawn(judge(), f"presence of {device}")

    # Looking

    async def look(self) -> None:
        """Compare how everybody stands with what was shown of them, and hold them to what they said of
        themselves."""
        if not self.station.enforcing:
            self._observe()
        for node_id in list(self._unwritten):
            await self._write_down(node_id)
        silent = self.silent_nodes()
        new, self._silent, before = silent - self._silent, silent, self._silent
        for node_id in sorted(new):
            for tell in self.shut_out:
                tell(node_id)
        for node_id in before - silent:
            self.removing.forgive(self.station.nodes.identity(node_id))
        for release in self.released:
            release()
        for node in self.station.nodes:
            entry = self.station.authority.entry(self.station.nodes.identity(node.node_id))
            if entry is None or self._identified.get(node.node_id) == node:
                continue  # Without an entry it has nothing to be held to yet.
            if self.station.holding(node.node_id) is not None:
                continue  # It is held to what it was when it has its keys.
            if node.interviewed or _holds_less(node, entry):
                self._identified[node.node_id] = node
                await self._identify(node)

    def _observe(self) -> None:
        """Nobody is shut out; who would be is told."""
        for node in self.station.nodes:
            device = self.station.nodes.identity(node.node_id)
            if self.station.standing(device) is Standing.UNKNOWN:
                self._ask(node.node_id, device)

    async def _identify(self, node: Node) -> None:
        station = self.station
        device = station.nodes.identity(node.node_id)
        entry = station.authority.entry(device)
        said = Pinned(
            device_class=node.device_class,
            manufacturer=node.manufacturer,
            model=node.model,
            security_class=node.security,
        )
        if entry is None or entry.pinned == said:
            return
        decision = await station.judge(
            IdentifyRequest(
                radio=station.name,
                network=station.network,
                device=device,
                device_class=said.device_class,
                manufacturer=said.manufacturer,
                model=said.model,
                security_class=said.security_class,
            )
        )
        has_just_joined = entry.credential is CredentialKind.DSK and (
            entry.pinned is None or entry.pinned == Pinned(security_class=entry.pinned.security_class)
        )
        is_lesser = isinstance(decision, Quarantine) and decision.rule == Rule.SECURITY_CLASS
        if station.enforcing and has_just_joined and is_lesser:
            await self._put_out(node, device, decision.reason)

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(self.station.limits.look)
            with contextlib.suppress(HubsecError):
                await self.look()

    async def _keep_mirroring(self) -> None:
        while True:
            await asyncio.sleep(self.station.limits.mirror)
            if self.station.connected:
                with contextlib.suppress(HubsecError):
                    await self.provisioning.mirror()

    # What the server tells

    async def _take_events(self) -> None:
        while True:
            event = await self._queue.get()
            if not isinstance(event, Mapping):
                event()
                continue
            handler = self._handlers[str(event.get("source")), str(event.get("event"))]
            try:
                await handler(event)
            except HubsecError as error:
                LOGGER.warning("%s: %s: %s", self.station.name, event.get("event"), error)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                self.station.malformed("events", f"{event.get('event')}: {type(error).__name__}")

    async def _started(self, event: Json) -> None:
        await self.including.started(event.get("strategy"))

    async def _stopped(self, event: Json) -> None:  # noqa: ARG002 - it says no more
        self.including.stopped()

    async def _state_changed(self, event: Json) -> None:
        if event.get("state") in IDLE:
            inclusion = self.including.inclusion
            if inclusion is not None and inclusion.node is not None:
                self.station.spawn(self._unannounced(inclusion, inclusion.node), "look for a node")
            await self.including.idle()

    async def _unannounced(self, inclusion: Inclusion, node_id: int) -> None:
        """An inclusion that is stopped just when a device has answered is dropped by zwave-js: the node is there, and
        nobody is told."""
        await asyncio.sleep(self.station.limits.announced)
        if self._is_told(inclusion, node_id):
            return
        try:
            result = await self.station.command("node.get_state", nodeId=node_id)
        except RadioError:  # It is not there.
            self.including.over()
            await self.including.again()
            return
        if not self._is_told(inclusion, node_id):
            self.on_event({"source": "controller", "event": "node added", "node": result["state"]})

    def _is_told(self, inclusion: Inclusion, node_id: int) -> bool:
        """Whether the server has told of the inclusion's node by now. What it told may still wait to be judged."""
        return self.including.inclusion is not inclusion or node_id in self._arriving

    async def _failed(self, event: Json) -> None:  # noqa: ARG002 - it says no more
        self.including.over()
        await self.including.again()

    async def _found(self, event: Json) -> None:
        node = event["node"]
        self.including.found(int(node["nodeId"]), class_of(node))

    async def _added(self, event: Json) -> None:
        station, inclusion = self.station, self.including.inclusion
        node = station.nodes.seen(event["node"])
        station.replaced.discard(station.nodes.address(_number_of(event)))
        if node is None:
            self._arriving.discard(_number_of(event))
            return
        if inclusion is not None and inclusion.node not in (None, node.node_id):
            inclusion = None
        try:
            await self._arrived(node, inclusion)
        finally:
            self._arriving.discard(node.node_id)
            self.including.over()
            await self.look()
        await self.including.again()

    async def _arrived(self, node: Node, inclusion: Inclusion | None) -> None:
        """Judge who an inclusion has left on the network, by what it holds."""
        security = node.security or SecurityClass.NONE
        if inclusion is not None and inclusion.smart_start and security.proves_dsk:
            device = node.proved or await self.provisioning.whose(node.node_id)
            if device is not None:
                await self.including.join(inclusion, device)
        proved = inclusion.proved(security) if inclusion is not None else None
        if proved is not None and not node.may_be(proved):
            proved = None
        if proved is None and self.station.holding(node.node_id) is not None:
            await self._in_anothers_place(node, inclusion)
            return
        await self._judge_arrival(node, proved, inclusion)

    async def _in_anothers_place(self, node: Node, inclusion: Inclusion | None) -> None:
        """Somebody is where a device is to come back, and has not proved to be it: it stays shut off with that place,
        which it does not keep."""
        station, address = self.station, self.station.nodes.address(node.node_id)
        station.nodes.unproved(node.node_id)
        await station.judge(
            ExchangeRequest(
                radio=station.name,
                network=station.network,
                device=address,
                security_class=node.security or SecurityClass.NONE,
            )
        )
        refused = inclusion.refused if inclusion is not None else None
        order = station.orders.get(inclusion.only) if inclusion is not None and inclusion.only else None
        if order is not None:
            self.including.not_replaced(
                order,
                refused
                or "Whoever came did not prove to be it: another device, or a connection that broke off.",
            )

    async def _judge_arrival(self, node: Node, proved: Identity | None, inclusion: Inclusion | None) -> None:
        """The same, where it is known who has proved to be that."""
        station = self.station
        security = node.security or SecurityClass.NONE
        address = station.nodes.address(node.node_id)
        device = address if proved is None else proved
        if proved is None:
            station.nodes.unproved(node.node_id)
        else:
            station.nodes.proved(node.node_id, proved)
        order = station.orders.get(device)
        decision = await station.judge(
            ExchangeRequest(
                radio=station.name,
                network=station.network,
                device=device,
                security_class=security,
                address=address,
            )
        )
        if isinstance(decision, Allow):
            if order is not None:
                if not order.smart_start:
                    del station.orders[device]
                station.publish(
                    Joined,
                    device=device,
                    correlation=order.admission,
                    name=order.name,
                    credential=order.credential,
                    security_class=security,
                    marks=decision.marks,
                )
            return
        self._say_failed(inclusion, proved, security, address)
        if not station.enforcing:
            return
        reason = decision.reason
        if proved is None and inclusion is not None and inclusion.refused:
            reason = inclusion.refused
        await self._put_out(node, device, reason)

    async def _put_out(self, node: Node, device: Identity, reason: str) -> None:
        self._unwritten[node.node_id] = device, reason
        await self._write_down(node.node_id)
        self.removing.start(device, reason, security=node.security)
        self.removing.offer()

    async def _write_down(self, node_id: int) -> None:
        """Condemn a node that is to leave; while that can't be recorded it is shut off all the same."""
        device, reason = self._unwritten[node_id]
        if self.station.nodes.identity(node_id) == device and node_id in self.station.nodes:
            try:
                await self.station.authority.condemn(device, reason)
            except StoreError:
                return
        self._unwritten.pop(node_id, None)

    def _say_failed(
        self,
        inclusion: Inclusion | None,
        proved: Identity | None,
        security: SecurityClass,
        address: Identity,
    ) -> None:
        """A device whose keys had been allowed came without them."""
        if inclusion is None or inclusion.allowed is None or proved is not None:
            return
        self.station.publish(
            JoinFailed,
            device=inclusion.allowed,
            correlation=self.station.correlation(inclusion.allowed),
            reason=f"It did not prove its DSK, and is on the network with security class {security}: a wrong PIN, or a "
            "connection that broke off.",
            address=address,
        )

    async def _removed(self, event: Json) -> None:
        node_id = int(event["node"]["nodeId"])
        station = self.station
        if node_id not in station.nodes:
            return
        address, held = station.nodes.address(node_id), station.holding(node_id) is not None
        device = station.nodes.gone(node_id)
        self._identified.pop(node_id, None)
        self._silent -= {node_id}
        self._unwritten.pop(node_id, None)
        if held and (event.get("reason") in REPLACED or address in station.struck):
            if address not in station.struck:
                station.replaced.add(address)
            station.struck.discard(address)
            return  # It is to come back.
        try:
            await station.authority.departed(device)
        finally:
            if not self.removing.left(device):
                station.publish(Left, device=device)

    async def _ready(self, event: Json) -> None:
        state = event.get("nodeState")
        if isinstance(state, Mapping):
            self.station.nodes.seen(state)
        await self.look()

    async def _status(self, event: Json) -> None:
        node_id, status = int(event["nodeId"]), _STATUS[str(event["event"])]
        self.station.nodes.changed(node_id, status=status)
        if status is Status.DEAD:
            self.removing.nudge(self.station.nodes.identity(node_id))


def _number_of(event: Json) -> int:
    """The number of the node that an event is about; :data:`NOBODY` where it says none."""
    node = event.get("node")
    number = node.get("nodeId") if isinstance(node, Mapping) else None
    return number if type(number) is int else NOBODY


def _holds_less(node: Node, entry: Entry) -> bool:
    """Whether its keys are lesser than those of the device that it stands for. Whoever has come in that one's place
    need never end its interview."""
    then = entry.pinned.security_class if entry.pinned is not None else None
    return then is not None and node.security is not None and node.security.rank < then.rank
