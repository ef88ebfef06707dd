"""What the parts of a Z-Wave guard share: whom to ask, the wire to the server, the nodes, and who may come
in."""

from __future__ import annotations

import logging
from typing import Any, Final

from hubsec.decisions import Allow
from hubsec.desk import Desk
from hubsec.errors import RadioError
from hubsec.events import OpenRefused
from hubsec.identity import Identity, Network
from hubsec.radio import AdmissionOrder
from hubsec.requests import OpenKind, OpenRequest
from hubsec_zwave.limits import Limits
from hubsec_zwave.link import Link
from hubsec_zwave.nodes import Nodes

LOGGER = logging.getLogger(__package__)

HOST: Final = "host"
"""Who a client is called that the radio itself stands on."""


class Station(Desk):
    """`link` is None while there is no connection, `nodes` knows none before the first one. `orders` are the
    admissions that are open, by their devices. `held` says of addresses and of devices why nothing of or to them passes
    until they have new keys; `struck` are addresses that are taken off the network on hubsec's own account, `replaced`
    those whose node is gone for another one that is just coming."""

    def __init__(self, name: str, limits: Limits) -> None:
        super().__init__(name, Network.ZWAVE, LOGGER)
        self.limits = limits
        self.link: Link | None = None
        self.nodes = Nodes(0, 0)
        self.orders: dict[Identity, AdmissionOrder] = {}
        self.held: dict[Identity, str] = {}
        self.struck: set[Identity] = set()
        self.replaced: set[Identity] = set()

    def holding(self, node_id: int) -> str | None:
        """Why a node awaits new keys; None if it does not."""
        if not self.held:
            return None
        return self.held.get(self.nodes.address(node_id)) or self.held.get(self.nodes.identity(node_id))

    @property
    def is_open(self) -> bool:
        """Whether there is a hub to ask. Without one it is not observed only, but nobody's."""
        return self._authority is not None

    @property
    def connected(self) -> bool:
        """Whether the server hears, and is heard."""
        return self.link is not None and self.link.connected

    async def command(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Have the server do something. Raises :class:`~hubsec.errors.RadioError` when it did not."""
        if self.link is None:
            raise RadioError(f"{self.name} has no connection to its server.")
        return await self.link.command(command, timeout=self.limits.command, **arguments)

    def order(self, admission: str) -> AdmissionOrder | None:
        """The open admission of that id."""
        return next((one for one in self.orders.values() if one.admission == admission), None)

    def correlation(self, device: Identity | None) -> str:
        """The id of the admission that is open for `device`, or nothing."""
        order = self.orders.get(device) if device is not None else None
        return order.admission if order is not None else ""

    async def may_open(
        self, kind: OpenKind, asker: str, *, seconds: int = 0, device: Identity | None = None
    ) -> tuple[str, str] | None:
        """Somebody else wants to open the network. None where they may, else why not and by which rule; it
        has been told then."""
        decision = await self.judge(
            OpenRequest(
                radio=self.name, network=self.network, kind=kind, asker=asker, seconds=seconds, device=device
            )
        )
        if isinstance(decision, Allow):
            return None
        self.publish(
            OpenRefused,
            device=device,
            kind=kind,
            asker=asker,
            reason=decision.reason,
            rule=decision.rule,
            enforced=self.enforcing,
        )
        return decision.reason, decision.rule
