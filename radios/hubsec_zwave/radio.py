"""A Z-Wave network behind a Z-Wave JS server: on a connection of its own, or on a client that somebody else
runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

from hubsec.errors import AwaitsKeys, HubsecError, NotEnforceable, Quarantined, RadioError, Refused
from hubsec.events import GuardAttached, GuardDetached, RadioLost
from hubsec.identity import Identity, Network, any_identity
from hubsec.radio import AdmissionOrder, Authority, Capabilities, Eviction, RadioPosture, SeenDevice
from hubsec.reinclusion.radio import Pace, Place
from hubsec.reinclusion.shapes import Proof
from hubsec.secret import Secret
from hubsec_zwave.capabilities import CAPABILITIES, LIBRARY
from hubsec_zwave.connecting import Connection
from hubsec_zwave.guard import Guard
from hubsec_zwave.limits import Limits
from hubsec_zwave.link import Link, check_client
from hubsec_zwave.observing import Observer
from hubsec_zwave.quiet import Quiet
from hubsec_zwave.reincluding import KEY_NAMES, Reincluding, ServerProcess
from hubsec_zwave.roles import Role
from hubsec_zwave.screening import Judge, Screen
from hubsec_zwave.station import HOST, LOGGER

if TYPE_CHECKING:
    from zwave_js_server.client import Client
    from zwave_js_server.model.node import Node

OTHER_CLIENTS: Final = "other-clients"
"""The gap of a radio that is not behind a gate: the server obeys whoever connects to it."""
_OWN: Final = "own"
_ATTACHED: Final = "attach"
_LOOK: Final = 0.01
"""Seconds until a client is looked at again that takes in what its server has told."""
_INCLUDING: Final = frozenset({1, 3})
"""zwave-js' `InclusionState`: including, and busy with a node."""


class ZwaveJs:
    """A radio for a hub.

    `url` is the server's, such as ``ws://127.0.0.1:3000``. `server` can restart it on other keys; without that,
    `hub.reinclude` refuses, and says what it would do. `name` is what events call the radio. `limits` bounds what
    takes time. `gaps` are what can't be held here, by name: that other clients of the server can do as they like,
    unless it is reached through hubsec's gate alone."""

    def __init__(
        self,
        url: str,
        *,
        server: ServerProcess | None = None,
        name: str = LIBRARY,
        limits: Limits | None = None,
        gaps: Iterable[str] = (OTHER_CLIENTS,),
    ) -> None:
        self._set_up(name, limits or Limits(), gaps)
        self._connection = Connection(url, self._limits)
        self._server = server

    @classmethod
    def attach(
        cls,
        client: Client,
        *,
        name: str = LIBRARY,
        limits: Limits | None = None,
        gaps: Iterable[str] = (OTHER_CLIENTS,),
        refusal: Callable[[Refused], Exception] | None = None,
    ) -> Self:
        """A radio on `client`, which is connected and listens; it stands once it is opened.

        Whoever is refused by the guard gets :class:`~hubsec_zwave.link.CommandRefused`, or what `refusal` makes of
        it: a host has errors of its own that its users understand. Raises :class:`~hubsec.errors.RadioError` for
        anything else than such a client, and for one whose insides are not the known ones."""
        check_client(client)
        if client.driver is None or not client.connected:
            raise RadioError("The client is not listening to its server yet.")
        radio = cls.__new__(cls)
        radio._set_up(name, limits or Limits(), gaps)
        radio._connection = None
        radio._client = client
        radio._refusal = refusal
        return radio

    _connection: Connection | None
    _server: ServerProcess | None = None

    def _set_up(self, name: str, limits: Limits, gaps: Iterable[str]) -> None:
        self._name = name
        self._limits = limits
        self._gaps = tuple(gaps)
        self._guard = Guard(name, self._limits)
        self._reincluding = Reincluding(self._guard.station)
        self._quiet = Quiet()
        self._guard.shut_out.append(self._shut_out)
        self._guard.released.append(self._release)
        self._client: Client | None = None
        self._refusal: Callable[[Refused], Exception] | None = None
        self._screen: Screen | Observer | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._home_id = 0
        self._gone = asyncio.Event()
        self._open = False
        self._stood = 0
        self._formed = False

    # What it is

    @property
    def name(self) -> str:
        """What events call it."""
        return self._name

    @property
    def network(self) -> Network:
        """Z-Wave."""
        return Network.ZWAVE

    @property
    def capabilities(self) -> Capabilities:
        """What can be enforced through Z-Wave JS."""
        return CAPABILITIES[0]

    @property
    def judge(self) -> Judge:
        """The guard, for whoever screens clients of the same server."""
        return self._guard

    def watch(self, shut_out: Callable[[int], None], released: Callable[[], None]) -> Callable[[], None]:
        """Call `shut_out` with the number of every node that is shut out from now on, and `released` when one may be
        no more. Returns an argument-free unsubscribe."""
        self._guard.shut_out.append(shut_out)
        self._guard.released.append(released)

        def unsubscribe() -> None:
            with contextlib.suppress(ValueError):
                self._guard.shut_out.remove(shut_out)
                self._guard.released.remove(released)

        return unsubscribe

    @property
    def client(self) -> Client:
        """The client that the radio stands on. What is sent by it is held to the policy as anybody's. Raises
        :class:`~hubsec.errors.RadioError` while there is no connection."""
        link = self._guard.station.link
        if link is None:
            raise RadioError(f"{self._name} has no connection to its server.")
        return link.client

    def node(self, device: str) -> Node:
        """The client's object of a device. Raises :class:`~hubsec.errors.Quarantined` for one that is shut off,
        :class:`~hubsec.errors.AwaitsKeys` for one that is to be included anew, and :class:`~hubsec.errors.RadioError`
        for one that is not there."""
        identity = any_identity(device)
        found = self._guard.station.nodes.find(identity)
        driver = self.client.driver
        if found is None or driver is None:
            raise RadioError(f"{identity} is not on the network of {self._name}.")
        reason = self._guard.silenced(found.node_id)
        if reason is not None:
            awaits = self._guard.station.holding(found.node_id) is not None
            raise AwaitsKeys(identity, reason) if awaits else Quarantined(identity, reason)
        return driver.controller.nodes[found.node_id]

    def devices(self) -> Sequence[SeenDevice]:
        """Every node but the controller."""
        return self._guard.station.nodes.listed()

    # Opening

    async def open(self, authority: Authority) -> None:
        """Connect, or attach. On any failure the server is as it was, but for an inclusion, which is
        ended."""
        if self._open:
            raise RadioError(f"{self._name} is open already.")
        station = self._guard.station
        station.take(authority)
        self._open = True
        self._quiet.put_on()
        try:
            if self._connection is not None:
                station.link = await self._connection.open(self._link)
            else:
                station.link = self._attach()
            self._home_id = station.nodes.home_id
            self._formed = not station.nodes.listed()
            await self._guard.start()
        except BaseException:
            self._open = False
            await self._guard.stop(give_back=self._connection is None)
            await self._drop()
            self._quiet.take_off()
            raise
        if self._connection is not None:
            self._keeping = asyncio.create_task(self._keep(self._connection), name="hubsec keeps Z-Wave JS")
        station.publish(GuardAttached, way=self._way, gaps=self._gaps)

    @property
    def _way(self) -> str:
        return _ATTACHED if self._connection is None else _OWN

    def _link(self, client: Client) -> Link:
        self._gone.clear()
        return Link(
            client,
            screen=self._new_screen(listening=self._connection is None),
            heard=self._guard.on_event,
            dumped=self._dumped,
            lost=self._lost,
            refusal=self._refusal,
        )

    def _new_screen(self, *, listening: bool) -> Screen | Observer:
        if self._guard.station.enforcing:
            self._screen = Screen(HOST, Role.ADMINISTER, self._guard, listening=listening)
        else:
            self._screen = Observer(HOST, self._guard)
        return self._screen

    def _attach(self) -> Link:
        client = self._client
        if client is None or client.driver is None or not client.connected:
            raise RadioError("The client is not listening to its server any more.")
        controller = client.driver.controller
        nodes = self._guard.station.nodes
        nodes.home_id, nodes.own = int(controller.data["homeId"]), int(controller.data["ownNodeId"])
        nodes.take(node.data for node in controller.nodes.values())
        link = self._link(client)
        link.install()
        return link

    def _dumped(self, state: Mapping[str, Any]) -> None:
        """The server has told of the whole network."""
        controller, nodes = state["controller"], self._guard.station.nodes
        nodes.home_id, nodes.own = int(controller["homeId"]), int(controller["ownNodeId"])
        nodes.take(state["nodes"])
        nodes.know(self._guard.station.authority.entries())
        if self._connection is None:
            # The host has connected its client again; it gets no answers before it has taken this in.
            self._keep_attached()

    # Showing nodes, and not

    def _shut_out(self, node_id: int) -> None:
        link, screen = self._guard.station.link, self._screen
        if link is not None and screen is not None:
            told = screen.shut_out(node_id)
            if told is not None:
                link.tell(told["event"])

    def _release(self) -> None:
        link, screen = self._guard.station.link, self._screen
        if link is None or screen is None or not screen.withheld:
            return
        due = screen.release()
        for message in due.messages:
            link.tell(message["event"])
        for command in due.commands:
            self._guard.station.spawn(link.ask(command), "news of a released node")

    # Losing the server, and finding it again

    def _lost(self) -> None:
        self._guard.lost()
        self._gone.set()
        self._reincluding.say(stands=False)
        link = self._guard.station.link
        if self._connection is None and link is not None:
            link.renew(self._new_screen(listening=False))
        self._guard.station.publish(
            RadioLost, reason="The connection to the Z-Wave JS server has ended.", left_refusing=False
        )

    async def _keep(self, connection: Connection) -> None:
        """Connect again whenever the connection has ended."""
        station = self._guard.station
        while True:
            await self._gone.wait()
            station.link = None
            await connection.close()
            await station.settle()
            pause = self._limits.reconnect_first
            while station.link is None:
                await asyncio.sleep(pause)
                pause = min(2 * pause, self._limits.reconnect_most)
                try:
                    station.link = await connection.open(self._link)
                    if self._is_elsewhere():
                        await self._drop()
                        return
                    await self._guard.start()
                except HubsecError as error:
                    station.link = None
                    await connection.close()
                    await station.settle()
                    LOGGER.debug("%s: not connected yet: %s", self._name, error)
            await self._stand_again()

    def _keep_attached(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
        self._keeping = asyncio.create_task(self._attach_again(), name="hubsec keeps Z-Wave JS")

    async def _attach_again(self) -> None:
        """The host's client has been connected again."""
        station, client = self._guard.station, self._client
        while client is not None and client.driver is None and client.connected:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(_LOOK)
        await station.settle()
        if self._is_elsewhere():
            return
        try:
            await self._guard.start()
        except HubsecError as error:
            LOGGER.warning("%s: the guard does not stand again: %s", self._name, error)
            return
        await self._stand_again()

    def _is_elsewhere(self) -> bool:
        """Whether the server is on another network than before. Who is on that one has to be asked of the operator,
        when the hub is opened for it; until then each of its nodes is a stranger."""
        station = self._guard.station
        if station.nodes.home_id == self._home_id:
            return False
        station.publish(
            RadioLost,
            reason=f"The server is on another network ({station.nodes.home_id:08x}) than before "
            f"({self._home_id:08x}): open the hub anew for it.",
            left_refusing=False,
        )
        return True

    async def _stand_again(self) -> None:
        await self._guard.including.again()
        self._guard.station.publish(GuardAttached, way=self._way, gaps=self._gaps)
        self._stood += 1
        self._reincluding.say(stands=True)

    async def close(self) -> None:
        """Disconnect, or detach and leave the client as it was. Idempotent."""
        if not self._open:
            return
        self._open = False
        if self._keeping is not None:
            self._keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping
            self._keeping = None
        await self._guard.stop(give_back=self._connection is None)
        restored = await self._drop()
        self._quiet.take_off()
        self._guard.station.publish(
            GuardDetached,
            restored=restored,
            reason="The hub has closed."
            if restored
            else "The client's way of sending was changed meanwhile.",
        )
        self._guard.station.take(None)

    async def _drop(self) -> bool:
        link, self._guard.station.link = self._guard.station.link, None
        restored = True if link is None else link.remove()
        if self._connection is not None:
            await self._connection.close()
        return restored

    # What a hub asks

    async def admit(self, order: AdmissionOrder) -> None:
        """Let that one device in. Raises :class:`~hubsec.errors.RadioError` while the controller is busy."""
        await self._guard.admit(order)

    async def withdraw(self, admission: str, reason: str) -> None:  # noqa: ARG002 - the hub tells the reason
        """End an admission early."""
        await self._guard.withdraw(admission)

    async def listen(self, seconds: float, *, by: str) -> None:  # noqa: ARG002 - nobody can
        """Nobody knocks on Z-Wave: whoever presses its button while the network takes devices is on it
        already."""
        if seconds:
            raise NotEnforceable(
                "Z-Wave has no knocking: a device that presses its button while the network is open is on it already. "
                "Admit it by its DSK.",
                capability="deferred_approval",
            )

    async def evict(self, device: Identity) -> Eviction:
        """Have it leave, which takes somebody's hand; goes on after this."""
        return await self._guard.evict(device)

    async def posture(self) -> RadioPosture:
        """How the network stands, read back from the server now."""
        station = self._guard.station
        result = await station.command("controller.get_state")
        state = result["state"]
        including = state.get("inclusionState") in _INCLUDING
        active = await self._guard.provisioning.active()
        link = station.link
        gaps = self._gaps if link is not None and link.stands else (*self._gaps, "bypassed")
        return RadioPosture(
            network=Network.ZWAVE,
            network_id=f"{station.nodes.home_id:08x}",
            formed=self._formed,
            running=True,
            closed=not including and not active,
            listening=False,
            open_to=tuple(station.orders),
            leaving=self._guard.removing.leaving,
            gaps=gaps,
            settings={
                "inclusion": "open" if including else "closed",
                "active provisioning entries": str(active),
            },
        )

    # New keys: see hubsec.reinclusion.radio.ReinclusionRadio

    @property
    def reinclusion_refusal(self) -> str | None:
        """Why the server can't be started on new keys from here; None if it can."""
        if self._connection is None:
            return (
                "hubsec is attached to a client that somebody else runs, and can't start its server on new keys: "
                "use ZwaveJs(url, server=...) where you own the server's process."
            )
        if self._server is None:
            return "Nobody said who can restart the server on new keys: ZwaveJs(url, server=...)."
        return None

    @property
    def key_names(self) -> Sequence[str]:
        """The network's keys, by the server's names."""
        return KEY_NAMES

    @property
    def pace(self) -> Pace:
        """How long is waited between two tries."""
        return Pace(again=self._limits.again, watch=self._limits.watch)

    def places(self) -> Sequence[Place]:
        """Every node but the controller."""
        return self._reincluding.places()

    def hold(self, places: Mapping[Identity, str]) -> None:
        """Shut these addresses and devices off from now on, and no others, as awaiting new keys."""
        station = self._guard.station
        station.held = dict(places)
        if self._open and station.connected:
            station.spawn(self._guard.look(), "looking at who awaits new keys")

    async def start_server(self, keys: Mapping[str, Secret]) -> None:
        """Have the server started on these keys."""
        refusal = self.reinclusion_refusal
        if refusal is not None or self._server is None:
            raise NotEnforceable(refusal or "", capability="reinclusion")
        try:
            await self._server.restart(keys)
        except HubsecError:
            raise
        except Exception as error:  # noqa: BLE001 - an app's own code
            # Its text is anybody's: it may hold what it was given.
            raise RadioError(f"Whoever owns the server raised {type(error).__name__}.") from None

    async def restart_on(self, keys: Mapping[str, Secret]) -> None:
        """Have it restarted, and wait until the guard stands on it again."""
        stood = self._stood
        await self.start_server(keys)
        try:
            async with asyncio.timeout(self._limits.restart):
                while self._stood == stood:  # noqa: ASYNC110 - the connection is kept elsewhere
                    await asyncio.sleep(_LOOK)
        except TimeoutError:
            raise RadioError(
                f"Within {self._limits.restart:g} s there was no new connection to the server: it was not "
                "restarted, or "
                "does not come up."
            ) from None

    async def proof(self, place: Identity) -> Proof:
        """Whether whoever is there reads what the server says."""
        return await self._reincluding.proof(place)

    async def is_silent(self, place: Identity) -> bool:
        """Whether nobody answers a ping there."""
        return await self._reincluding.is_silent(place)

    def is_there(self, place: Identity) -> bool:
        """Whether the network has that node, or another one that is just taking its place."""
        return self._reincluding.node(place) is not None or place in self._guard.station.replaced

    async def recognize(self, place: Identity, device: Identity) -> None:
        """Judge whoever is there as `device`, where the server says that it proved to be that."""
        await self._guard.recognize(place, device)

    async def strike_off(self, place: Identity) -> None:
        """Have the silent node there removed as failed, on hubsec's own account."""
        await self._reincluding.strike_off(place)

    def stands(self, callback: Callable[[bool], None]) -> Callable[[], None]:
        """Call `callback` with False when the connection is lost, with True when the guard stands again."""
        return self._reincluding.stands(callback)
