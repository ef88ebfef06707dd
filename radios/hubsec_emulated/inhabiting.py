"""A house full of devices that have long lived there, without a single join on the air.

What joins leave behind is written down directly: the stick's tokens, every device's keys and addresses, neighbour
tables, routes and source routes. Such a network goes on as one that was formed and joined over the air; two hundred
and fifty devices take a moment instead of half an hour.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from hubsec_emulated.devices.device import Device
from hubsec_emulated.errors import EmulationError
from hubsec_emulated.ncp.tokens import ChildEntry, KeyTokens, NetworkTokens, Tokens
from hubsec_emulated.stack.coordinator import Coordinator
from hubsec_emulated.stack.exchange import ExchangeStep
from hubsec_emulated.stack.neighbours import Child, Neighbour
from hubsec_emulated.stack.node import Node
from hubsec_emulated.stack.parenting import MAX_CHILDREN
from hubsec_emulated.wire.addresses import BROADCAST_FIRST, COORDINATOR
from hubsec_emulated.wire.crypto import KEY_SIZE, hashed_tclk

CHANNEL: Final = 15
"""The channel of a network that nobody formed."""
SECURITY_BITMASK: Final = 0x0084
"""TRUST_CENTER_USES_HASHED_LINK_KEY (EmberCurrentSecurityBitmask): how bellows forms its networks."""
RING: Final = 0.9
"""How far the rings of devices are apart, in ranges of a radio: a device hears its own ring and the next ones only."""
END_DEVICE_TYPE: Final = 3
SLEEPY_END_DEVICE_TYPE: Final = 4
"""EmberNodeType, in the stick's child table."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where everybody lives: the ring, which is how many hops it is to the coordinator, and the angle in it."""

    routers: tuple[tuple[int, float], ...]
    sleepers: tuple[tuple[int, float], ...]

    @classmethod
    def of(cls, devices: int, hops: int, sleepy: float) -> Plan:
        """`devices` places over `hops` rings, as many in each as its area has room for; the share `sleepy` sleeps.

        Raises EmulationError for what can't be: no devices, no hops, a share that is none.
        """
        if devices < 1 or hops < 1 or not 0 <= sleepy <= 1:
            raise EmulationError(
                "A house has at least one device, one hop, and a share of sleepers from 0 to 1."
            )
        sleeping = round(devices * sleepy)
        return cls(_around(devices - sleeping, hops), _around(sleeping, hops))


def _around(count: int, hops: int) -> tuple[tuple[int, float], ...]:
    rings = [count * (2 * ring - 1) // hops**2 for ring in range(1, hops + 1)]
    # Few devices: one in each ring from within, so that there is somebody to reach the next one through.
    rings = [max(size, 1) if ring < count else size for ring, size in enumerate(rings)]
    rings[-1] += count - sum(rings)
    return tuple(
        (ring, 2 * math.pi * (at + 0.5) / size)
        for ring, size in enumerate(rings, start=1)
        for at in range(size)
    )


@dataclass(slots=True)
class _Place:
    """Where one node lives: x and y in ranges of a radio."""

    node: Node
    ring: int
    angle: float
    near: list[_Place] = field(default_factory=list)
    parent: _Place | None = None
    children: int = 0

    @property
    def short(self) -> int:
        """Its short address; the coordinator has not got it yet."""
        return self.node.nwk.short if self.ring else COORDINATOR

    @property
    def depth(self) -> int:
        """Hops to the coordinator."""
        return 0 if self.parent is None else self.parent.depth + 1

    def distance(self, other: _Place) -> float:
        """In ranges of a radio."""
        return (
            math.dist(
                (self.ring * math.cos(self.angle), self.ring * math.sin(self.angle)),
                (other.ring * math.cos(other.angle), other.ring * math.sin(other.angle)),
            )
            * RING
        )

    def path(self) -> tuple[int, ...]:
        """The relays from here to the coordinator, the one nearest to here first."""
        relays, place = [], self.parent
        while place is not None and place.ring:
            relays.append(place.node.nwk.short)
            place = place.parent
        return tuple(relays)


def form(tokens: Tokens, source: random.Random) -> None:
    """Write a network with hashed link keys into the memory of a stick that has none.

    Raises EmulationError when it has one.
    """
    if tokens.network is not None:
        raise EmulationError("The stick has a network already: only a blank one can be given inhabitants.")
    tokens.network = NetworkTokens(
        pan_id=source.randrange(1, 0xFFF0), extended_pan_id=source.getrandbits(64), channel=CHANNEL
    )
    tokens.keys = KeyTokens(
        network_key=source.randbytes(KEY_SIZE),
        sequence=0,
        trust_center_key=source.randbytes(KEY_SIZE),
        bitmask=SECURITY_BITMASK,
        trust_center=tokens.eui64,
    )


def inhabit(
    coordinator: Coordinator,
    tokens: Tokens,
    plan: Plan,
    router: Callable[[], Device],
    sleeper: Callable[[], Device],
    source: random.Random,
) -> list[Device]:
    """Let `plan`'s devices live on a network that is written into `tokens` now; they are switched on, nearest first.

    `router` and `sleeper` make one device each, switched off. All have joined under install codes of their own, and
    hold hashed link keys that were verified. The coordinator's own tables are filled; its network is not started.
    Raises EmulationError when the stick has a network already.
    """
    form(tokens, source)
    centre = _Place(coordinator, 0, 0.0)
    routers = [_Place(router(), ring, angle) for ring, angle in plan.routers]
    sleepers = [_Place(sleeper(), ring, angle) for ring, angle in plan.sleepers]
    shorts = source.sample(range(1, BROADCAST_FIRST), len(routers) + len(sleepers))
    for place, short in zip((*routers, *sleepers), shorts, strict=True):
        place.node.mac.short = short
    coordinator.eui64 = coordinator.mac.eui64 = tokens.eui64
    _see_each_other([centre, *routers], sleepers)
    for place in (centre, *routers, *sleepers):
        coordinator.air.limit(place.node.mac, [other.node.mac for other in place.near])
    for place in (*routers, *sleepers):
        _move_in(place, coordinator, tokens)
    _fill_tables(centre, [*routers, *sleepers], tokens)
    devices = [place.node for place in (*routers, *sleepers) if isinstance(place.node, Device)]
    for device in devices:
        device.inhabit()
    return devices


def _see_each_other(routing: Sequence[_Place], sleepers: Sequence[_Place]) -> None:
    for at, place in enumerate(routing):
        for other in routing[at + 1 :]:
            if abs(place.ring - other.ring) <= 1 and place.distance(other) <= 1:
                place.near.append(other)
                other.near.append(place)
    for place in (*routing[1:], *sleepers):
        inner = [one for one in routing if one.ring == place.ring - 1]
        open_to = inner if place in routing else [one for one in inner if one.children < MAX_CHILDREN]
        # With few routers a ring may be empty: whoever is nearest is the parent then, however far away.
        place.parent = min(open_to or routing, key=place.distance)
        if place.parent not in place.near:
            place.near.append(place.parent)
            place.parent.near.append(place)
        if place not in routing:
            place.parent.children += 1


def _move_in(place: _Place, coordinator: Coordinator, tokens: Tokens) -> None:
    node, network, keys, parent = place.node, tokens.network, tokens.keys, place.parent
    if network is None or keys is None or parent is None:
        raise EmulationError("A device can't live on a network that is not there.")
    node.mac.channel, node.mac.pan_id = network.channel, network.pan_id
    node.nwk.extended_pan_id = network.extended_pan_id
    node.nwk.parent, node.nwk.depth = parent.short, place.depth
    node.nwk.end_device_initiator = not node.role.routes
    node.keys.install(keys.network_key, keys.sequence)
    node.link_keys.trust_center_key = hashed_tclk(keys.trust_center_key, node.eui64)
    node.link_keys.verified = True
    node.exchange.step = ExchangeStep.DONE
    node.trust_center_eui64 = tokens.eui64
    node.neighbours.learn(COORDINATOR, tokens.eui64)
    for near in place.near:
        _meet(node, near)
    if node.role.routes:
        node.routing.settle(COORDINATOR, parent.short, place.depth)
    elif parent.node is not coordinator:
        _adopt(parent.node, node)


def _meet(node: Node, near: _Place) -> None:
    short = near.short
    node.neighbours.learn(short, near.node.eui64)
    if node.role.routes and near.node.role.routes:
        node.neighbours.routers[short] = Neighbour(short, near.node.eui64, node.clock.now(), outgoing_cost=1)


def _adopt(parent: Node, node: Node) -> None:
    now = node.clock.now()
    parent.neighbours.learn(node.nwk.short, node.eui64)
    parent.neighbours.children[node.eui64] = Child(
        node.eui64,
        node.nwk.short,
        rx_on=node.mac.rx_on,
        router=False,
        authenticated=True,
        keepalive=now,
        joined_at=now,
    )


def _fill_tables(centre: _Place, places: Sequence[_Place], tokens: Tokens) -> None:
    coordinator = centre.node
    for near in centre.near:
        _meet(coordinator, near)
    for place in places:
        node = place.node
        coordinator.neighbours.learn(node.nwk.short, node.eui64)
        tokens.unique_joiners.append(node.eui64)
        if place.parent is centre and not node.role.routes:
            kind = END_DEVICE_TYPE if node.mac.rx_on else SLEEPY_END_DEVICE_TYPE
            tokens.children.append(ChildEntry(node.eui64, node.nwk.short, kind))
        elif place.parent is not centre:
            coordinator.routing.source_routes[node.nwk.short] = place.path()
    tokens.save()
