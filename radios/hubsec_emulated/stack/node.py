"""One node: the layers put together, and its life from the first power-on to the last leave."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

from hubsec_emulated.air import Air
from hubsec_emulated.clock import Timer
from hubsec_emulated.errors import FrameError
from hubsec_emulated.stack.aps import Aps, CommandArrival
from hubsec_emulated.stack.broadcast import Broadcasts
from hubsec_emulated.stack.exchange import Exchange
from hubsec_emulated.stack.interface import ApsIndication, DeviceUpdate, Role
from hubsec_emulated.stack.joining import Joining, JoinState
from hubsec_emulated.stack.keys import LinkKeys, NetworkKeys
from hubsec_emulated.stack.mac import Mac, Reception
from hubsec_emulated.stack.neighbours import Child, Neighbour, Neighbours
from hubsec_emulated.stack.nwk import Arrival, Nwk
from hubsec_emulated.stack.parenting import Parenting
from hubsec_emulated.stack.polling import Polling
from hubsec_emulated.stack.routing import Routing, link_cost
from hubsec_emulated.stack.scan import CHANNELS, Parent, Scanner
from hubsec_emulated.stack.security import SecurityCommands
from hubsec_emulated.stack.timing import END_DEVICE_TIMEOUT_DEFAULT, LINK_STATUS_PERIOD, SILICON, Timing
from hubsec_emulated.stack.zdo import Zdo
from hubsec_emulated.wire import mac as mac_wire
from hubsec_emulated.wire.addresses import (
    BROADCAST_ROUTERS,
    BROADCAST_RX_ON,
    COORDINATOR,
    NO_SHORT,
    format_eui64,
)
from hubsec_emulated.wire.mac import MacCommand
from hubsec_emulated.wire.nwk import (
    MAX_LINKS,
    EndDeviceTimeoutRequest,
    Leave,
    Link,
    LinkStatus,
    NetworkStatus,
    NwkCommand,
    NwkFrame,
    NwkType,
    RejoinRequest,
    RejoinResponse,
    RouteRecord,
    RouteReply,
    RouteRequest,
)
from hubsec_emulated.wire.security import KeyId
from hubsec_emulated.wire.zdo import PROFILE as ZDO_PROFILE
from hubsec_emulated.wire.zdo import MgmtPermitJoiningReq, SimpleDescriptor

KEEPALIVES_PER_TIMEOUT: Final = 3
"""So often per timeout a device that does not poll says that it is alive. Specification 3.6.10.3: at least three."""
STEERING_OPEN: Final = 180
"""bdbcMinCommissioningTime: for so many seconds a device that joined opens the network. Base Device Behavior 8.3."""
LEAVE_DELAY: Final = 0.1
"""From the announcement to silence: the frame has to get out first."""
FIRST_COUNTER: Final = 0x1000
"""Where a new node's outgoing counters begin; silicon begins somewhere above 0 as well."""


class Node:
    """A Zigbee node over the emulated air. Off until `power_on`.

    Keys, addresses and counters survive `power_off`, like flash memory; queues and timers do not. Outgoing counters
    even survive `factory_reset` (specification 4.3.1.2). Hooks (`on_…`) are overridden by what is built on top.
    """

    def __init__(
        self,
        air: Air,
        eui64: int,
        role: Role,
        *,
        name: str = "",
        link_keys: Sequence[bytes] = (),
        timing: Timing = SILICON,
        seed: int = 0,
        channels: Sequence[int] = CHANNELS,
        manufacturer_code: int = 0,
    ) -> None:
        self.air = air
        self.clock = air.clock
        self.eui64 = eui64
        self.role = role
        self.name = name or format_eui64(eui64)
        self.timing = timing
        self.channels = tuple(channels)
        self.manufacturer_code = manufacturer_code
        self.random = random.Random(f"{seed}/{eui64}")
        self.endpoints: list[SimpleDescriptor] = []
        #: Whether this device does the trust center link key exchange, and whether it stays without it.
        self.exchanges_link_key = True
        self.leaves_without_link_key = True
        #: Whether it opens the network for others once it has joined, as Base Device Behavior's steering does.
        self.opens_network = True
        #: Whether lost devices end up asking for the network key again.
        self.falls_back_to_unsecured = True
        self.end_device_timeout = END_DEVICE_TIMEOUT_DEFAULT
        self.trust_center_eui64: int | None = None
        self.known_sleepy: set[int] = set()
        self.keys = NetworkKeys(counter=FIRST_COUNTER)
        self.link_keys = LinkKeys(preconfigured=tuple(link_keys), counter=FIRST_COUNTER)
        self.neighbours = Neighbours()
        self._epoch = 0
        self._leaving = False
        self.mac = Mac(air, self, eui64, self.name, rx_on=role is not Role.SLEEPY_END_DEVICE)
        self.routing = Routing(self)
        self.broadcasts = Broadcasts(self)
        self.nwk = Nwk(self)
        self.aps = Aps(self)
        self.zdo = Zdo(self)
        self.scanner = Scanner(self)
        self.parenting = Parenting(self)
        self.joining = Joining(self)
        self.exchange = Exchange(self)
        self.polling = Polling(self)
        self.security = SecurityCommands(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {'joined' if self.joined else 'not joined'}>"

    # State

    @property
    def powered(self) -> bool:
        """Whether it has power."""
        return self.mac.powered

    @property
    def joined(self) -> bool:
        """Whether it has power, is on a network and holds its key."""
        return self.powered and self.joining.state is JoinState.JOINED and self.keys.active is not None

    @property
    def key_timeout(self) -> float:
        """How long it waits for a network key."""
        return self.timing.key_timeout if self.mac.rx_on else self.timing.key_timeout_sleepy

    def later[*Args](self, delay: float, function: Callable[[*Args], object], *args: *Args) -> Timer:
        """Call `function` after `delay` simulated seconds, unless the power goes before."""
        epoch = self._epoch

        def call() -> None:
            if epoch == self._epoch:
                function(*args)

        return self.clock.call_later(delay, call)

    def eui64_of(self, short: int) -> int | None:
        """The EUI64 of a short address, as far as known."""
        return self.eui64 if short == self.nwk.short else self.neighbours.eui64_of(short)

    def short_of(self, eui64: int) -> int | None:
        """The short address of an EUI64, as far as known."""
        return self.nwk.short if eui64 == self.eui64 else self.neighbours.short_of(eui64)

    # Life

    def power_on(self) -> None:
        """Give it power: it goes on in its network, or looks for one."""
        if self.powered:
            return
        self.mac.power(True)
        if self.keys.active is None or self.mac.short == NO_SHORT:
            self.joining.steer()
            return
        self.joining.state = JoinState.JOINED
        self._run()
        if not self.role.routes:
            self.joining.rejoin(secured=True)

    def inhabit(self) -> None:
        """Be on the network at once, as who joined it long ago: keys, addresses and neighbours are set already."""
        self.mac.power(True)
        self.joining.state = JoinState.JOINED
        if self.mac.rx_on:
            self._run()
        else:
            self.polling.soon(self.random.uniform(0.0, self.timing.poll_slow))

    def power_off(self) -> None:
        """Take its power away, without a word to anybody."""
        self._epoch += 1
        self._leaving = False
        self.joining.stop()
        self.polling.stop()
        self.exchange.reset()
        self.aps.clear()
        self.broadcasts.clear()
        self.mac.power(False)

    def factory_reset(self) -> None:
        """Forget the network without a word, and look for a new one if there is power."""
        powered = self.powered
        self.power_off()
        self._forget()
        if powered:
            self.power_on()

    def rejoin(self, *, secured: bool = True) -> None:
        """Come back to the network through a parent: under the network key, or without it."""
        self.polling.stop()
        self.joining.rejoin(secured=secured)

    def leave(self, *, rejoin: bool = False) -> None:
        """Announce that it leaves, and forget the network; with `rejoin` it comes back at once."""
        if not self.joined or self._leaving:
            return
        self._leaving = True
        self.polling.stop()
        command = Leave(rejoin=rejoin).encode()
        self.nwk.send(BROADCAST_RX_ON, command, command=True, radius=1, with_ieee=True)
        self.later(LEAVE_DELAY, self._gone, rejoin)

    def _gone(self, rejoin: bool) -> None:
        self._leaving = False
        if rejoin:
            self.rejoin(secured=True)
            return
        self._forget()
        self.on_left()

    def _forget(self) -> None:
        self.exchange.reset()
        self.polling.stop()
        self.aps.clear()
        self.keys.forget()
        self.link_keys.forget()
        self.nwk.leave_network()
        self.trust_center_eui64 = None
        self.joining.stop()
        self.joining.state = JoinState.IDLE

    def _run(self) -> None:
        if self.role.routes:
            self.parenting.start()
            self.later(self.random.uniform(0.5, 1.0) * LINK_STATUS_PERIOD, self._link_status_due)
        elif self.mac.rx_on:
            self.later(self._keepalive_period(), self._keep_alive)
        else:
            self.polling.start(self.timing.announce_delay + self.timing.poll_first)

    def _keepalive_period(self) -> float:
        timeout = 10.0 if self.end_device_timeout == 0 else 60.0 * float(2**self.end_device_timeout)
        return timeout / KEEPALIVES_PER_TIMEOUT

    def _keep_alive(self) -> None:
        """An end device that does not poll says in another way that it is there (specification 3.6.10.3)."""
        if self.joined:
            self.request_timeout()
            self.later(self._keepalive_period(), self._keep_alive)

    def request_timeout(self) -> None:
        """Tell the parent how long we may be silent."""
        parent = self.nwk.parent
        if parent is not None:
            request = EndDeviceTimeoutRequest(self.end_device_timeout).encode()
            self.nwk.send_to_neighbour(
                parent, request, self.routing.parent_answered, dst_ieee=self.eui64_of(parent)
            )

    def _link_status_due(self) -> None:
        if self.joined:
            self.send_link_status()
            self.later(self.random.uniform(0.9, 1.1) * LINK_STATUS_PERIOD, self._link_status_due)

    def send_link_status(self) -> None:
        """Tell the neighbours which routers we hear."""
        now = self.clock.now()
        near = (self.neighbours.router_at(short, now) for short in sorted(self.neighbours.routers))
        links = [
            Link(router.short, link_cost(router.lqi), router.outgoing_cost or 1) for router in near if router
        ]
        command = LinkStatus(tuple(links[:MAX_LINKS])).encode()
        self.nwk.send(BROADCAST_ROUTERS, command, command=True, radius=1, with_ieee=True)

    # Hooks

    def wants(self, parent: Parent) -> bool:
        """Whether this parent's network is one that the device would join."""
        return True

    def on_joined(self, *, rejoined: bool) -> None:
        """The network key is here."""
        self._run()

    def on_announced(self) -> None:
        """The Device_annce was sent: the link key exchange comes next."""
        if not self.mac.rx_on:
            self.polling.soon(self.timing.poll_first)
        if self.exchanges_link_key and not self.link_keys.verified:
            self.later(self.random.uniform(*self.timing.exchange_delay), self._start_exchange)

    def _start_exchange(self) -> None:
        if self.joined and not self.exchange.running and not self.link_keys.verified:
            self.exchange.start()

    def on_exchange_ended(self, *, verified: bool) -> None:
        """The link key exchange is over: network steering ends by opening the network for others, or by leaving."""
        if verified and self.opens_network:
            self.later(self.random.uniform(*self.timing.opening_delay), self._open_network)
        elif not verified and self.leaves_without_link_key:
            self.leave()

    def _open_network(self) -> None:
        if self.joined:
            self.zdo.send(BROADCAST_ROUTERS, MgmtPermitJoiningReq(STEERING_OPEN))
            if self.role.routes:
                self.parenting.permit_joining(STEERING_OPEN)

    def on_left(self) -> None:
        """The device is off the network."""

    def on_parent_lost(self) -> None:
        """The parent does not answer any more: look for another."""
        if self.joined:
            self.rejoin(secured=True)

    def on_expecting(self) -> None:
        """An answer is on its way: a sleepy device has to wake up for it."""
        if not self.mac.rx_on and self.joined:
            self.polling.soon(self.timing.poll_fast)

    def on_app_data(self, indication: ApsIndication) -> None:
        """Application data came."""

    def on_device_update(self, eui64: int, short: int, parent: int, status: DeviceUpdate) -> None:
        """A device came or went, and we are the trust center."""

    def on_child_changed(self, child: Child, *, present: bool) -> None:
        """A device has become our child, or is it no longer."""

    def may_rejoin_unsecured(self, eui64: int) -> bool:
        """Whether an unsecured Rejoin-Request is answered; routers leave the judgement to the trust center."""
        return True

    # Network keys

    def stage_network_key(self, key: bytes, seq: int) -> None:
        """Keep the next network key; it is used from the Switch-Key on, or from the first frame under it."""
        self.keys.stage(key, seq)

    def switch_network_key(self, seq: int) -> None:
        """Use a staged key from now on; nothing happens when it is not held."""
        self.keys.switch(seq)

    def on_newer_key_used(self, seq: int) -> None:
        """Somebody used the staged key already: so do we."""
        self.switch_network_key(seq)

    def candidate_link_keys(self, source: int | None, key_id: KeyId) -> tuple[bytes, ...]:
        """The keys that may open an APS frame of `source`."""
        if self.trust_center_eui64 not in (None, source) and self.joined:
            return ()
        return self.link_keys.candidates()

    # From the MAC

    def on_mac_data(self, reception: Reception) -> None:
        """A MAC data frame."""
        self.nwk.receive(reception)

    def on_mac_beacon(self, reception: Reception) -> None:
        """A beacon."""
        self.scanner.on_beacon(reception)

    def on_mac_poll(self, source: int, source_long: bool) -> bool:
        """A poll."""
        self.parenting.on_poll(source, source_long)
        return False

    def on_mac_command(self, reception: Reception) -> None:
        """A MAC command."""
        try:
            command = mac_wire.decode_command(reception.frame.payload)
        except FrameError:
            return
        match command:
            case mac_wire.AssociationRequest():
                self.parenting.on_association_request(reception, command.capability)
            case mac_wire.AssociationResponse():
                sender = reception.frame.src if reception.frame.src_long else None
                self.joining.on_association_response(command, sender)
            case mac_wire.BareCommand(id=MacCommand.BEACON_REQUEST):
                self.parenting.on_beacon_request()
            case _:
                pass

    # From the network layer

    def accepts_unsecured(self, frame: NwkFrame) -> bool:
        """Whether a frame without network security is looked at: only what starts a join or a rejoin."""
        if frame.type is NwkType.DATA:
            return self.joining.awaits_key
        if frame.payload[:1] == bytes((NwkCommand.REJOIN_REQUEST,)):
            return self.joined and self.role.routes
        if frame.payload[:1] == bytes((NwkCommand.REJOIN_RESPONSE,)):
            return self.joining.awaits_unsecured_rejoin
        return False

    def deliver(self, arrival: Arrival) -> None:
        """A network frame for us."""
        if arrival.frame.type is NwkType.DATA:
            self.aps.receive(arrival)
            return
        command = self.nwk.command(arrival)
        match command:
            case RouteRequest():
                self.routing.on_request(arrival, command)
            case RouteReply():
                self.routing.on_reply(arrival, command)
            case RouteRecord():
                self.routing.on_record(arrival, command)
            case NetworkStatus():
                self.routing.on_status(command)
            case LinkStatus():
                self._on_link_status(arrival, command)
            case Leave():
                self._on_leave(arrival, command)
            case RejoinRequest():
                self.parenting.on_rejoin_request(arrival, command)
            case RejoinResponse():
                self.joining.on_rejoin_response(arrival, command)
            case EndDeviceTimeoutRequest():
                self.parenting.on_timeout_request(arrival, command)
            case _:
                pass

    def relay_command(self, arrival: Arrival) -> None:
        """A network command for somebody else."""
        command = self.nwk.command(arrival)
        if isinstance(command, RouteRecord):
            self.routing.relay_record(arrival, command)
        elif command is not None:
            self.routing.forward(arrival.frame, None, came_from=arrival.hop)

    def _on_link_status(self, arrival: Arrival, status: LinkStatus) -> None:
        if not self.role.routes:
            return
        router = self.neighbours.routers.get(arrival.hop)
        if router is None:
            router = Neighbour(arrival.hop, arrival.hop_eui64, self.clock.now(), arrival.lqi)
            self.neighbours.routers[arrival.hop] = router
        router.eui64 = arrival.hop_eui64
        for link in status.links:
            if link.neighbour == self.nwk.short:
                router.outgoing_cost = link.incoming_cost

    def _on_leave(self, arrival: Arrival, leave: Leave) -> None:
        frame = arrival.frame
        if not arrival.secured:
            return
        if leave.request:
            if self.role is not Role.COORDINATOR and frame.src in (COORDINATOR, self.nwk.parent):
                self.leave(rejoin=leave.rejoin)
            return
        eui64 = frame.src_ieee if frame.src_ieee is not None else self.eui64_of(frame.src)
        self.neighbours.routers.pop(frame.src, None)
        self.routing.forget(frame.src)
        if eui64 is not None and not leave.rejoin:
            self.parenting.on_child_left(eui64)
        if frame.src == self.nwk.parent and not self.role.routes:
            self.on_parent_lost()

    # From the application support layer

    def on_aps_command(self, came: CommandArrival) -> None:
        """A security command."""
        self.security.handle(came)

    def on_aps_data(self, indication: ApsIndication) -> None:
        """Application data: the device profile's, or an application's."""
        if indication.profile == ZDO_PROFILE and indication.dst_ep == 0:
            self.zdo.handle(indication)
        else:
            self.on_app_data(indication)
