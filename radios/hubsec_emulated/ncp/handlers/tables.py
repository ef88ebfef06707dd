"""Tables of the co-processor: endpoints, addresses, multicast groups, bindings, children, neighbours, routes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubsec_emulated.ncp.config import Config
from hubsec_emulated.ncp.ezsp import Status
from hubsec_emulated.ncp.registry import Args, CommandGroup, Result, command
from hubsec_emulated.ncp.tokens import NO_EUI64, ChildEntry

if TYPE_CHECKING:
    from hubsec_emulated.ncp.ncp import Ncp

UNUSED_NODE = 0xFFFF
ZERO_EUI64 = 0
NO_INDEX = 0xFF
ROUTE_UNUSED = 3
ROUTE_ACTIVE = 0
MAX_ENDPOINTS = 16
"""Endpoints that the host may add [assumed; the SDK's tables are dynamic]."""
LINK_COST = 1


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A simple descriptor of the host's (Zigbee specification 2.3.2.5)."""

    number: int
    profile: int
    device: int
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(slots=True)
class Address:
    """An entry of the address table; *extended* asks for longer retries to a sleepy device."""

    eui64: int = ZERO_EUI64
    node: int = UNUSED_NODE
    extended: bool = False


@dataclass(slots=True)
class Group:
    """An entry of the multicast table; endpoint 0 marks a free one."""

    group: int = 0
    endpoint: int = 0


class TableCommands(CommandGroup):
    """Tables in RAM, and views on those of the radio."""

    def __init__(self, ncp: Ncp) -> None:
        self._ncp = ncp
        self.reset()

    def reset(self) -> None:
        """Empty all tables."""
        self.endpoints: dict[int, Endpoint] = {}
        self.addresses: dict[int, Address] = {}
        self.groups: dict[int, Group] = {}
        self.bindings: dict[int, Args] = {}
        self.extended: set[int] = set()

    def _size(self, config: Config) -> int:
        return self._ncp.settings.config[config]

    # Endpoints

    def has_endpoint(self, number: int) -> bool:
        """Whether the host added this endpoint."""
        return number in self.endpoints

    def announce_endpoints(self) -> None:
        """Let the device profile of the radio answer for the host's endpoints."""
        self._ncp.coordinator.set_endpoints(tuple(self.endpoints.values()))

    @command("addEndpoint")
    def _add_endpoint(self, args: Args) -> Result:
        number = args["endpoint"]
        if self._ncp.up or number in self.endpoints or len(self.endpoints) >= MAX_ENDPOINTS:
            return {"status": Status.INVALID_STATE}
        self.endpoints[number] = Endpoint(
            number, args["profile"], args["device"], args["flags"], args["inputs"], args["outputs"]
        )
        return None

    # Addresses

    def node_of(self, index: int) -> int | None:
        """The short address in the address table's entry, None if there is none."""
        entry = self.addresses.get(index)
        return None if entry is None or entry.node == UNUSED_NODE else entry.node

    def _address(self, index: int) -> Address:
        return self.addresses.setdefault(index, Address())

    @command("setAddressTableInfo")
    def _set_address(self, args: Args) -> Result:
        if args["index"] >= self._size(Config.ADDRESS_TABLE_SIZE):
            return {"status": Status.INVALID_INDEX}
        self.addresses[args["index"]] = Address(args["eui64"], args["node"])
        return None

    @command("getAddressTableInfo")
    def _get_address(self, args: Args) -> Result:
        entry = self.addresses.get(args["index"])
        if entry is None or entry.eui64 == ZERO_EUI64:
            return {"status": Status.INVALID_INDEX, "node": UNUSED_NODE}
        return {"node": entry.node, "eui64": entry.eui64}

    @command("setAddressTableRemoteEui64")
    def _set_address_eui64(self, args: Args) -> Result:
        if args["index"] >= self._size(Config.ADDRESS_TABLE_SIZE):
            return {"status": Status.INVALID_INDEX}
        self._address(args["index"]).eui64 = args["eui64"]
        return None

    @command("setAddressTableRemoteNodeId")
    def _set_address_node(self, args: Args) -> Result:
        if args["index"] < self._size(Config.ADDRESS_TABLE_SIZE):
            self._address(args["index"]).node = args["node"]
        return None

    @command("getAddressTableRemoteEui64")
    def _get_address_eui64(self, args: Args) -> Result:
        entry = self.addresses.get(args["index"])
        return {"eui64": entry.eui64 if entry else ZERO_EUI64}

    @command("getAddressTableRemoteNodeId")
    def _get_address_node(self, args: Args) -> Result:
        entry = self.addresses.get(args["index"])
        return {"node": entry.node if entry else UNUSED_NODE}

    @command("replaceAddressTableEntry")
    def _replace_address(self, args: Args) -> Result:
        index = args["index"]
        if index >= self._size(Config.ADDRESS_TABLE_SIZE):
            return {"status": Status.INVALID_INDEX, "old_node": UNUSED_NODE}
        old = self.addresses.get(index, Address())
        self.addresses[index] = Address(args["eui64"], args["node"], bool(args["extended"]))
        return {"old_eui64": old.eui64, "old_node": old.node, "old_extended": old.extended}

    @command("setExtendedTimeout")
    def _set_extended(self, args: Args) -> Result:
        for entry in self.addresses.values():
            if entry.eui64 == args["eui64"]:
                entry.extended = bool(args["extended"])
        if args["extended"]:
            self.extended.add(args["eui64"])
        else:
            self.extended.discard(args["eui64"])
        return None

    @command("getExtendedTimeout")
    def _get_extended(self, args: Args) -> Result:
        extended = args["eui64"] in self.extended or any(
            entry.extended for entry in self.addresses.values() if entry.eui64 == args["eui64"]
        )
        # Version 14 made a status of the flag.
        return {"extended": extended, "status": Status.OK if extended else Status.FAIL}

    def short_of(self, eui64: int) -> int | None:
        """The short address of *eui64*, from the radio or the address table."""
        short = self._ncp.coordinator.short_of(eui64)
        if short is not None:
            return short
        return next((entry.node for entry in self.addresses.values() if entry.eui64 == eui64), None)

    def eui64_of(self, short: int) -> int | None:
        """The EUI64 of *short*, from the radio or the address table."""
        eui64 = self._ncp.coordinator.eui64_of(short)
        if eui64 is not None:
            return eui64
        return next((entry.eui64 for entry in self.addresses.values() if entry.node == short), None)

    @command("lookupNodeIdByEui64")
    def _lookup_node(self, args: Args) -> Result:
        short = self.short_of(args["eui64"])
        if short is None:
            return {"status": Status.NOT_FOUND, "node": UNUSED_NODE}
        return {"node": short}

    @command("lookupEui64ByNodeId")
    def _lookup_eui64(self, args: Args) -> Result:
        eui64 = self.eui64_of(args["node"])
        if eui64 is None or eui64 in (ZERO_EUI64, NO_EUI64):
            return {"status": Status.NOT_FOUND}
        return {"eui64": eui64}

    # Groups

    def is_member(self, group: int) -> bool:
        """Whether the host wants multicasts to *group*."""
        return any(entry.endpoint and entry.group == group for entry in self.groups.values())

    @command("getMulticastTableEntry")
    def _get_group(self, args: Args) -> Result:
        if args["index"] >= self._size(Config.MULTICAST_TABLE_SIZE):
            return {"status": Status.INVALID_INDEX}
        entry = self.groups.get(args["index"], Group())
        return {"entry": {"group": entry.group, "endpoint": entry.endpoint}}

    @command("setMulticastTableEntry")
    def _set_group(self, args: Args) -> Result:
        if args["index"] >= self._size(Config.MULTICAST_TABLE_SIZE):
            return {"status": Status.INVALID_INDEX}
        entry = args["entry"]
        self.groups[args["index"]] = Group(entry["group"], entry["endpoint"])
        return None

    # Bindings

    @command("clearBindingTable")
    def _clear_bindings(self, _args: Args) -> Result:
        self.bindings.clear()
        return None

    @command("setBinding")
    def _set_binding(self, args: Args) -> Result:
        if args["index"] >= self._size(Config.BINDING_TABLE_SIZE):
            return {"status": Status.INVALID_INDEX}
        self.bindings[args["index"]] = args["binding"]
        return None

    @command("getBinding")
    def _get_binding(self, args: Args) -> Result:
        if args["index"] >= self._size(Config.BINDING_TABLE_SIZE):
            return {"status": Status.INVALID_INDEX}
        return {"binding": self.bindings.get(args["index"], {})}

    @command("deleteBinding")
    def _delete_binding(self, args: Args) -> Result:
        if self.bindings.pop(args["index"], None) is None:
            return {"status": Status.INVALID_INDEX}
        return None

    @command("bindingIsActive")
    def _binding_active(self, args: Args) -> Result:
        return {"active": args["index"] in self.bindings}

    # Children, neighbours, routes

    def child_changed(self, child: ChildEntry, *, joined: bool) -> None:
        """Tell the host that a child came or went."""
        rows = self._ncp.network.current_children()
        index = next((at for at, row in enumerate(rows) if row and row.eui64 == child.eui64), NO_INDEX)
        self._ncp.callback(
            "childJoinHandler",
            index=index,
            joining=joined,
            child=child.short,
            eui64=child.eui64,
            type=child.type,
        )

    @command("getChildData")
    def _get_child(self, args: Args) -> Result:
        children = self._ncp.network.current_children()
        child = children[args["index"]] if args["index"] < len(children) else None
        if child is None:
            # Hosts take any other status for a child.
            return {"status": Status.NOT_JOINED}
        return {"child": {"eui64": child.eui64, "type": child.type, "id": child.short}}

    @command("setChildData")
    def _set_child(self, args: Args) -> Result:
        index, child = args["index"], args["child"]
        if index >= self._size(Config.MAX_END_DEVICE_CHILDREN):
            return {"status": Status.INVALID_INDEX}
        rows = self._ncp.network.current_children()
        rows.extend([None] * (index + 1 - len(rows)))
        row = rows[index] = ChildEntry(child["eui64"], child["id"], child["type"])
        if self._ncp.up:
            self._ncp.coordinator.adopt_child(row)
        self._ncp.tokens.save()
        return None

    @command("neighborCount")
    def _neighbour_count(self, _args: Args) -> Result:
        return {"count": len(self._ncp.coordinator.router_neighbours())}

    @command("getNeighbor")
    def _neighbour(self, args: Args) -> Result:
        rows = self._ncp.coordinator.router_neighbours()
        if args["index"] >= len(rows):
            return {"status": Status.FAIL}
        short, eui64, lqi = rows[args["index"]]
        return {
            "neighbor": {
                "short": short,
                "lqi": lqi,
                "in_cost": LINK_COST,
                "out_cost": LINK_COST,
                "eui64": eui64,
            }
        }

    @command("getRouteTableEntry")
    def _route(self, args: Args) -> Result:
        if args["index"] >= self._size(Config.ROUTE_TABLE_SIZE):
            return {"status": Status.INVALID_INDEX}
        rows = self._ncp.coordinator.routes()
        if args["index"] >= len(rows):
            return {"route": {"destination": UNUSED_NODE, "next_hop": UNUSED_NODE, "status": ROUTE_UNUSED}}
        destination, next_hop = rows[args["index"]]
        return {"route": {"destination": destination, "next_hop": next_hop, "status": ROUTE_ACTIVE}}
