"""The security commands that a device obeys, and whom it takes them from (specification 4.4).

A network key is taken while joining under a link key; later from the trust center only, under network security and,
when it is not a broadcast, under a link key as well. Everything else comes from the trust center too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubsec_emulated.stack.aps import CommandArrival
from hubsec_emulated.wire.addresses import COORDINATOR, is_broadcast
from hubsec_emulated.wire.aps import (
    ConfirmKey,
    NetworkKey,
    RemoveDevice,
    SwitchKey,
    TransportKey,
    TrustCenterLinkKey,
    Tunnel,
)
from hubsec_emulated.wire.security import KeyId

if TYPE_CHECKING:
    from hubsec_emulated.stack.node import Node


class SecurityCommands:
    """The commands of the trust center, as one device takes them."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def handle(self, came: CommandArrival) -> None:
        """Act on one command, or ignore it."""
        node, command = self._node, came.command
        if isinstance(command, TransportKey):
            self._transport_key(came, command)
            return
        if not came.arrival.secured or came.arrival.frame.src != COORDINATOR:
            return
        match command:
            case SwitchKey():
                node.switch_network_key(command.sequence)
            case ConfirmKey():
                node.exchange.on_confirm(command, came.key)
            case RemoveDevice() if came.key is not None:
                if command.eui64 == node.eui64:
                    node.leave()
                else:
                    node.parenting.remove(command.eui64)
            case Tunnel() if node.role.routes:
                node.parenting.on_tunnel(command)
            case _:
                pass

    def _transport_key(self, came: CommandArrival, command: TransportKey) -> None:
        node, carried = self._node, command.descriptor
        arrival = came.arrival
        match carried:
            case NetworkKey() if not arrival.secured:
                if came.key is not None and came.key_id is KeyId.KEY_TRANSPORT:
                    node.joining.on_network_key(carried, came.key)
            case NetworkKey() if arrival.frame.src == COORDINATOR and carried.dst in (0, node.eui64):
                if came.key is not None or is_broadcast(arrival.frame.dst):
                    node.stage_network_key(carried.key, carried.sequence)
            case TrustCenterLinkKey() if came.key is not None and arrival.frame.src == COORDINATOR:
                node.exchange.on_link_key(carried)
            case _:
                pass
