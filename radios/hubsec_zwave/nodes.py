"""The nodes of a network, as the server tells of them: where they are, what they say of themselves, who they
are.

A node is called by its address until it has proved its DSK; from then on it is called by that, as long as its entry
says that it is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from hubsec._sanitize import clean
from hubsec.entries import Entry
from hubsec.identity import Identity, SecurityClass, is_address, zwave_address
from hubsec.policy.classes import zwave_device_class
from hubsec.radio import SeenDevice
from hubsec_zwave.limits import NODES
from hubsec_zwave.wire import Status, security_of, shown_identity


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One node as it was last told of. `security` is None while the server does not say. `interviewed`: what
    it says of itself is all there. `dsk`: whose DSK it has shown, where the server says so (schema 47). `sleepy`: it
    listens only when it wakes."""

    node_id: int
    status: int
    interviewed: bool
    security: SecurityClass | None
    device_class: str | None
    manufacturer: str | None
    model: str | None
    name: str
    dsk: Identity | None = None
    sleepy: bool = False

    @property
    def proved(self) -> Identity | None:
        """Who the server says it is, if it came in under keys that prove it."""
        return self.dsk if self.security is not None and self.security.proves_dsk else None

    def may_be(self, device: Identity) -> bool:
        """Whether nothing that the server tells speaks against its being `device`, which has proved its DSK once."""
        return self.dsk in (None, device) and (self.security is None or self.security.proves_dsk)

    @property
    def dead(self) -> bool:
        """Whether it does not answer."""
        return self.status == Status.DEAD


class Nodes:
    """Every node but the controller itself, by number."""

    def __init__(self, home_id: int, own: int) -> None:
        self.home_id = home_id
        self.own = own
        self._nodes: dict[int, Node] = {}
        self._names: dict[int, Identity] = {}

    def __iter__(self) -> Iterator[Node]:
        return iter(list(self._nodes.values()))

    def __contains__(self, node_id: int) -> bool:
        return node_id in self._nodes

    def get(self, node_id: int) -> Node | None:
        """The node of that number."""
        return self._nodes.get(node_id)

    # Who is where

    def address(self, node_id: int) -> Identity:
        """What a node is called by where it is."""
        return zwave_address(self.home_id, node_id)

    def identity(self, node_id: int) -> Identity:
        """What a node is called."""
        name = self._names.get(node_id)
        return self.address(node_id) if name is None else name

    def find(self, device: Identity) -> Node | None:
        """The node that `device` is."""
        return next((node for node in self._nodes.values() if self.identity(node.node_id) == device), None)

    def know(self, entries: Iterable[Entry]) -> None:
        """Take what the allowlist says of who is where."""
        self._names = {}
        prefix = f"{self.home_id:08x}:"
        for entry in entries:
            if entry.address is not None and entry.address.startswith(prefix):
                node = self._nodes.get(int(entry.address.removeprefix(prefix)))
                # Another device may have been given the number while nobody looked; whoever gets that of a node that
                # is not there is another one.
                if node is not None and (is_address(entry.device) or node.may_be(entry.device)):
                    self._names[node.node_id] = entry.device

    def proved(self, node_id: int, device: Identity) -> None:
        """The node has proved that it is `device`, which is nowhere else then."""
        self._names = {number: name for number, name in self._names.items() if name != device}
        self._names[node_id] = device

    def unproved(self, node_id: int) -> None:
        """Whoever has the number now has proved nothing: what was said of it was about another one."""
        self._names.pop(node_id, None)

    def here(self, entry: Entry) -> bool:
        """Whether the entry says that its device is on this network."""
        where = entry.device if entry.address is None else entry.address
        return where.startswith(f"{self.home_id:08x}:")

    # What is there

    def take(self, states: Iterable[Mapping[str, Any]]) -> None:
        """The whole network anew."""
        self._nodes = {}
        for state in states:
            self.seen(state)

    def seen(self, state: Mapping[str, Any]) -> Node | None:
        """A node tells, or is told of. None for the controller, and for what is no node."""
        node_id = state.get("nodeId")
        if type(node_id) is not int or not 0 < node_id <= NODES or node_id == self.own:
            return None
        if state.get("isControllerNode") is True:
            self.own = node_id
            return None
        node = self._nodes[node_id] = _read(node_id, state)
        return node

    def changed(self, node_id: int, *, status: int) -> None:
        """A node's status is another one."""
        node = self._nodes.get(node_id)
        if node is not None:
            self._nodes[node_id] = msgspec.structs.replace(node, status=status)

    def gone(self, node_id: int) -> Identity:
        """The node is no longer there; what it was called."""
        name = self.identity(node_id)
        self._nodes.pop(node_id, None)
        self._names.pop(node_id, None)
        return name

    def listed(self) -> tuple[SeenDevice, ...]:
        """The nodes as devices."""
        return tuple(
            SeenDevice(
                device=self.identity(node.node_id),
                name=node.name,
                manufacturer=node.manufacturer,
                model=node.model,
                device_class=node.device_class,
            )
            for node in self
        )


def _read(node_id: int, state: Mapping[str, Any]) -> Node:
    config = state.get("deviceConfig")
    config = config if isinstance(config, Mapping) else {}
    manufacturer = _text(config.get("manufacturer")) or _number(state.get("manufacturerId"))
    model = _text(config.get("label")) or _number(state.get("productId"))
    status = state.get("status")
    return Node(
        node_id=node_id,
        status=status if isinstance(status, int) else Status.UNKNOWN,
        interviewed=state.get("ready") is True,
        security=security_of(state),
        device_class=class_of(state),
        manufacturer=manufacturer,
        model=model,
        name=_text(state.get("name")) or model or f"Node {node_id}",
        dsk=shown_identity(state.get("dsk")),
        sleepy=state.get("isListening") is False and not state.get("isFrequentListening"),
    )


def class_of(state: Mapping[str, Any]) -> str | None:
    """The kind of device that a node's state tells; None while it tells none."""
    device_class = state.get("deviceClass")
    if not isinstance(device_class, Mapping):
        return None
    generic, specific = (_key(device_class.get(part)) for part in ("generic", "specific"))
    if not generic:
        return None
    return str(zwave_device_class(generic, specific, _command_classes(state)))


def _command_classes(state: Mapping[str, Any]) -> frozenset[int]:
    """The command classes that a node supports, of the ones that its state tells."""
    found: set[int] = set()
    listed = [state.get("supportedCCs"), state.get("commandClasses")]
    endpoints = state.get("endpoints")
    if isinstance(endpoints, list):
        listed += [one.get("commandClasses") for one in endpoints if isinstance(one, Mapping)]
    for classes in listed:
        for one in classes if isinstance(classes, list) else ():
            number = one.get("id") if isinstance(one, Mapping) else one
            if type(number) is int:
                found.add(number)
    return frozenset(found)


def _key(part: object) -> int:
    key = part.get("key") if isinstance(part, Mapping) else part
    return key if type(key) is int else 0


def _text(value: object) -> str | None:
    return (clean(value) or None) if isinstance(value, str) else None


def _number(value: object) -> str | None:
    return f"0x{value:04x}" if type(value) is int and value >= 0 else None
