"""The calls by which a host application opens its network, guarded.

What bellows does in them beside opening (a wildcard key, policies of its own, from a task that outlives the
call) is left out; closing always passes. A refusal reaches the caller as :class:`~hubsec.errors.Refused`, or as what
the host made of it. While hubsec observes, the original runs, and what would have been refused is told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import zigpy.application

from hubsec.canaries import refuse_canary
from hubsec.errors import Refused
from hubsec.identity import CredentialKind, Identity
from hubsec.radio import AdmissionOrder
from hubsec.requests import OpenKind
from hubsec.secret import Secret
from hubsec_zigbee.answered import answered, is_answered
from hubsec_zigbee.guard import Guard
from hubsec_zigbee.ncp import identity_from

GUARDED: Final = ("permit", "permit_with_link_key", "permit_gp", "permit_ncp", "write_network_info")
"""The methods of a bellows application that open its network, or put another in its place; zigpy before 2.4 has no
`permit_gp`."""
HOST_EXCHANGE_LIMIT: Final = 30.0
"""Seconds; EmberZNet's slowest measured exchange ends 10 s after the join."""
_PUBLIC_KEY: Final = Secret(b"ZigBeeAlliance09")
"""The default global trust center link key (Zigbee specification 4.4.3): known to everybody."""

Original = Callable[..., Awaitable[Any]]


class HostCalls:
    """`originals` are the application's own methods, by name, as far as it has them. Once it no longer `stands`
    it passes everything on, for whoever wrapped what it had put on."""

    def __init__(self, guard: Guard, app: Any, originals: dict[str, Original]) -> None:
        self._guard = guard
        self._app = app
        self._originals = originals
        self._orders = 0
        self.stands = True

    async def _ask(self, kind: OpenKind, seconds: int, device: Identity | None = None) -> None:
        """Raises the host's own error where the network stays shut."""
        guard = self._guard
        try:
            refuse_canary()
            await guard.ask_to_open(kind, seconds, device)
        except Refused as refused:
            raise guard.refusal(refused) from refused

    async def permit(self, time_s: int = 60, node: Any = None) -> None:
        """As zigpy's `permit`."""
        guard = self._guard
        if self.stands and time_s:
            await self._ask(OpenKind.PERMIT, time_s)
        if not (self.stands and guard.enforcing):
            with answered():
                await self._originals["permit"](time_s, node)
            return
        # zigpy's own, past bellows' pre_permit, which imports a key for everybody and opens the trust center.
        with answered():
            await zigpy.application.ControllerApplication.permit(self._app, time_s, node)

    async def permit_with_link_key(self, node: Any, link_key: Any, time_s: int = 60) -> None:
        """As zigpy's `permit_with_link_key`; what is allowed becomes an admission."""
        guard, device = self._guard, identity_from(node)
        if self.stands and time_s:
            await self._ask(OpenKind.PERMIT_LINK_KEY, time_s, device)
        if not (self.stands and guard.enforcing):
            with answered():
                await self._originals["permit_with_link_key"](node, link_key, time_s)
            return
        key = Secret(bytes(link_key))
        self._orders += 1
        await guard.admit(
            AdmissionOrder(
                admission=f"host-{self._orders}",
                device=device,
                name=device,
                credential=CredentialKind.APPROVAL if key == _PUBLIC_KEY else CredentialKind.INSTALL_CODE,
                secret=key,
                window=float(time_s),
                exchange_limit=HOST_EXCHANGE_LIMIT,
            )
        )

    async def permit_gp(self, time_s: int) -> None:
        """As zigpy's `permit_gp`. Inside a `permit` that was allowed it stays shut quietly where the policy
        keeps it shut."""
        if self.stands and time_s:
            if not is_answered():
                await self._ask(OpenKind.GREEN_POWER, time_s)
            else:
                try:
                    await self._guard.ask_to_open(OpenKind.GREEN_POWER, time_s)
                except Refused:
                    return
        with answered():
            await self._originals["permit_gp"](time_s)

    async def permit_ncp(self, time_s: int = 60) -> Any:
        """As bellows' `permit_ncp`."""
        if self.stands and time_s:
            await self._ask(OpenKind.PERMIT, time_s)
        with answered():
            return await self._originals["permit_ncp"](time_s)

    async def write_network_info(self, *args: Any, **settings: Any) -> None:
        """As zigpy's `write_network_info`: what restoring a backup ends in."""
        if self.stands:
            await self._ask(OpenKind.RESTORE, 0)
        with answered():
            await self._originals["write_network_info"](*args, **settings)
