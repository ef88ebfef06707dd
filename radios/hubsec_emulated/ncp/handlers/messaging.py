"""APS messages to and from the host, and routes."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from hubsec_emulated.errors import EmulationError
from hubsec_emulated.ncp.config import Config
from hubsec_emulated.ncp.ezsp import Status
from hubsec_emulated.ncp.handlers.info import MAX_PAYLOAD
from hubsec_emulated.ncp.registry import Args, CommandGroup, Result, command
from hubsec_emulated.stack.interface import ApsIndication, DeliveryMode
from hubsec_emulated.wire.addresses import BROADCAST_RX_ON, COORDINATOR

if TYPE_CHECKING:
    from hubsec_emulated.ncp.ncp import Ncp

OPTION_ENCRYPTION = 0x0020
OPTION_RETRY = 0x0040
OPTION_ENABLE_ROUTE_DISCOVERY = 0x0100
"""EmberApsOption."""
DEFAULT_RADIUS = 30
"""Hops for a radius of 0: twice the maximum depth (EMBER_MAX_HOPS)."""
NO_BINDING = 0xFF
NO_ALIAS = 0xFFFF
OWN_NAME = (NO_ALIAS, COORDINATOR)
"""Values of the alias that put nobody else in the source's place; the emulated radio sends in its own name only."""
MTORR_PERIOD = 60.0
"""Seconds between many-to-one route requests if the host did not say."""
ZDO_PROFILE = 0x0000
ZDO_RESPONSE = 0x8000
ZDO_DEVICE_ANNOUNCE = 0x0013
"""Device profile: response clusters have the top bit set; the announcement has no response (specification 2.4)."""
APP_RECEIVES_SUPPORTED_ZDO_REQUESTS = 0x01
"""Flag of CONFIG APPLICATION_ZDO_FLAGS: requests that the stack answers are shown to the host as well."""
MICROSECONDS = 1_000_000
TIMESTAMP_MODULUS = 1 << 32

COUNTER_RX_BROADCAST = 6
COUNTER_TX_BROADCAST = 7
COUNTER_RX_UNICAST = 8
COUNTER_TX_SUCCESS = 9
COUNTER_TX_FAILED = 11
"""EmberCounterType of the APS data counters."""


class Outgoing(IntEnum):
    """EmberOutgoingMessageType."""

    DIRECT = 0
    VIA_ADDRESS_TABLE = 1
    VIA_BINDING = 2
    MULTICAST = 3
    MULTICAST_WITH_ALIAS = 4
    BROADCAST_WITH_ALIAS = 5
    BROADCAST = 6


class Incoming(IntEnum):
    """EmberIncomingMessageType."""

    UNICAST = 0
    MULTICAST = 2
    BROADCAST = 4


INCOMING = {
    DeliveryMode.UNICAST: Incoming.UNICAST,
    DeliveryMode.GROUP: Incoming.MULTICAST,
    DeliveryMode.BROADCAST: Incoming.BROADCAST,
}


class MessagingCommands(CommandGroup):
    """What the host sends goes on the air; what arrives goes to the host."""

    def __init__(self, ncp: Ncp) -> None:
        self._ncp = ncp
        self._period: float | None = None

    def reset(self) -> None:
        """No concentrator until the host asks for one."""
        self._period = None

    # Out

    @command("sendUnicast")
    def _send_unicast(self, args: Args) -> Result:
        kind, destination = args["type"], args["destination"]
        if kind == Outgoing.VIA_ADDRESS_TABLE:
            node = self._ncp.tables.node_of(destination)
        elif kind == Outgoing.VIA_BINDING:
            binding = self._ncp.tables.bindings.get(destination)
            node = self._ncp.tables.short_of(binding["identifier"]) if binding else None
        elif kind == Outgoing.DIRECT:
            node = destination
        else:
            return {"status": Status.INVALID_PARAMETER}
        if node is None:
            return {"status": Status.INVALID_INDEX}
        return self._send(args, kind, node, radius=DEFAULT_RADIUS)

    @command("sendReply")
    def _send_reply(self, args: Args) -> Result:
        return self._send({**args, "tag": 0}, Outgoing.DIRECT, args["destination"], radius=DEFAULT_RADIUS)

    @command("sendBroadcast", "proxyBroadcast")
    def _send_broadcast(self, args: Args) -> Result:
        if args.get("alias", NO_ALIAS) not in OWN_NAME:
            return {"status": Status.NOT_SUPPORTED}
        radius = args["radius"] or DEFAULT_RADIUS
        return self._send(args, Outgoing.BROADCAST, args["destination"], radius=radius)

    @command("sendMulticast", "sendMulticastWithAlias")
    def _send_multicast(self, args: Args) -> Result:
        if args.get("alias", NO_ALIAS) not in OWN_NAME:
            return {"status": Status.NOT_SUPPORTED}
        radius = args["hops"] or DEFAULT_RADIUS
        destination = args.get("destination", BROADCAST_RX_ON)
        return self._send(args, Outgoing.MULTICAST, destination, radius=radius, group=args["aps"]["group"])

    def _send(self, args: Args, kind: int, node: int, *, radius: int, group: int | None = None) -> Result:
        if not self._ncp.up:
            return {"status": Status.NOT_JOINED}
        aps, message = args["aps"], args["message"]
        if len(message) > MAX_PAYLOAD:
            return {"status": Status.MESSAGE_TOO_LONG}
        unicast = kind in (Outgoing.DIRECT, Outgoing.VIA_ADDRESS_TABLE, Outgoing.VIA_BINDING)
        sent: list[int] = []

        def result(delivered: bool) -> None:
            self._sent(args, kind, node, sent[0] if sent else 0, delivered=delivered)

        try:
            counter = self._ncp.coordinator.send_data(
                dst=node,
                profile=aps["profile"],
                cluster=aps["cluster"],
                src_ep=aps["source_endpoint"],
                dst_ep=aps["destination_endpoint"],
                payload=message,
                aps_ack=unicast and bool(aps["options"] & OPTION_RETRY),
                radius=radius,
                aps_security=unicast and bool(aps["options"] & OPTION_ENCRYPTION),
                group=group,
                on_result=result,
            )
        except EmulationError:
            return {"status": Status.FAIL}
        sent.append(counter)
        return {"sequence": counter}

    def _sent(self, args: Args, kind: int, node: int, counter: int, *, delivered: bool) -> None:
        unicast = kind in (Outgoing.DIRECT, Outgoing.VIA_ADDRESS_TABLE, Outgoing.VIA_BINDING)
        if unicast:
            self._ncp.info.count(COUNTER_TX_SUCCESS if delivered else COUNTER_TX_FAILED)
        else:
            self._ncp.info.count(COUNTER_TX_BROADCAST)
        self._ncp.callback(
            "messageSentHandler",
            status=Status.OK if delivered else Status.DELIVERY_FAILED,
            type=kind,
            destination=node if kind == Outgoing.DIRECT or not unicast else args["destination"],
            aps={**args["aps"], "sequence": counter},
            tag=args["tag"],
            message=args["message"] if self._ncp.settings.contents_in_callback else b"",
        )

    # In

    def deliver(self, data: ApsIndication) -> None:
        """Hand APS data to the host: multicasts only to groups in its table, device profile requests if it asked."""
        if data.mode is DeliveryMode.GROUP and not self._ncp.tables.is_member(data.group or 0):
            return
        if data.profile == ZDO_PROFILE and not self._wants_zdo(data):
            return
        self._ncp.info.count(
            COUNTER_RX_UNICAST if data.mode is DeliveryMode.UNICAST else COUNTER_RX_BROADCAST
        )
        options = OPTION_ENABLE_ROUTE_DISCOVERY | (OPTION_ENCRYPTION if data.aps_secured else 0)
        self._ncp.callback(
            "incomingMessageHandler",
            type=INCOMING[data.mode],
            aps={
                "profile": data.profile,
                "cluster": data.cluster,
                "source_endpoint": data.src_ep,
                "destination_endpoint": data.dst_ep,
                "options": options,
                "group": data.group or 0,
                "sequence": data.counter,
            },
            sender=data.src,
            eui64=data.src_eui64 or 0,
            binding=NO_BINDING,
            address=NO_BINDING,
            lqi=data.lqi,
            rssi=data.rssi,
            timestamp=int(self._ncp.clock.now() * MICROSECONDS) % TIMESTAMP_MODULUS,
            message=data.payload,
        )

    def _wants_zdo(self, data: ApsIndication) -> bool:
        if data.cluster & ZDO_RESPONSE or data.cluster == ZDO_DEVICE_ANNOUNCE:
            return True
        flags = self._ncp.settings.config[Config.APPLICATION_ZDO_FLAGS]
        return data.src != COORDINATOR and bool(flags & APP_RECEIVES_SUPPORTED_ZDO_REQUESTS)

    def route_record(self, source: int, relays: tuple[int, ...]) -> None:
        """Tell the host by which relays *source* reached us."""
        self._ncp.callback(
            "incomingRouteRecordHandler",
            source=source,
            eui64=self._ncp.tables.eui64_of(source) or 0,
            lqi=255,
            rssi=-40,
            relays=relays,
        )

    # Routes

    @command("setConcentrator")
    def _set_concentrator(self, args: Args) -> Result:
        self._period = float(args["max_time"]) if args["on"] else None
        if self._ncp.up:
            self._ncp.coordinator.set_concentrator(self._period)
        return None

    @command("sendManyToOneRouteRequest")
    def _many_to_one(self, _args: Args) -> Result:
        if not self._ncp.up:
            return {"status": Status.NOT_JOINED}
        self._ncp.coordinator.set_concentrator(self._period or MTORR_PERIOD)
        return None

    @command("setSourceRoute")
    def _set_source_route(self, _args: Args) -> Result:
        """Accepted; the radio goes by the routes that it learned itself, as EmberZNet from version 9 on."""
        return None
