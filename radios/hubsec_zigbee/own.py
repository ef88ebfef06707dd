"""A bellows application of hubsec's own, guarded from its first command on."""

from __future__ import annotations

from typing import Any

import bellows.zigbee.application

from hubsec_zigbee.backups import SealedBackups
from hubsec_zigbee.guard import Guard
from hubsec_zigbee.hostcalls import HostCalls
from hubsec_zigbee.restoring import Restoring


class _Application(bellows.zigbee.application.ControllerApplication):  # type: ignore[misc]  # bellows is untyped
    """bellows' application: its backups in the vault, where there is one, and its keys looked at before it starts."""

    sealed: SealedBackups
    before: Restoring

    async def _load_db(self) -> None:
        await super()._load_db()
        if self.sealed.stands:
            await self.sealed.give_back(self)

    async def initialize(self, *, auto_form: bool = False) -> None:
        if self.sealed.stands:
            await self.before.before_start(self)
            # Without a look at the backups nobody can say that a blank stick has no network to be given back.
            auto_form = auto_form and self.sealed.readable
        await super().initialize(auto_form=auto_form)


def guarded_application(guard: Guard, backups: SealedBackups, restoring: Restoring) -> type[Any]:
    """A `ControllerApplication` class whose `EZSP` gets the guard's gate the moment it is made, before it connects, and
    whose backups are `backups`, where there is a vault for them; `restoring` has its say before it starts.

    The one instance that is made of it is kept as the class's `instance`, so that a failed start can be cleaned up.
    """

    class GuardedApplication(_Application):
        """bellows' application, behind the gate."""

        sealed = backups
        before = restoring
        instance: Any = None

        def __init__(self, config: Any) -> None:
            type(self).instance = self
            self._guarded_ezsp: Any = None
            super().__init__(config)
            originals = {"permit_ncp": super().permit_ncp, "permit": super().permit}
            for name in ("permit_gp", "permit_with_link_key"):
                if hasattr(super(), name):
                    originals[name] = getattr(super(), name)
            self._host_calls = HostCalls(guard, self, originals)

        @property
        def _ezsp(self) -> Any:
            return self._guarded_ezsp

        @_ezsp.setter
        def _ezsp(self, ezsp: Any) -> None:
            self._guarded_ezsp = ezsp
            if ezsp is not None:
                guard.gate.put_on(ezsp, network_up=False)

        async def form_network(self, *args: Any, **kwargs: Any) -> Any:
            formed = await super().form_network(*args, **kwargs)
            guard.formed = True
            return formed

        async def permit(self, time_s: int = 60, node: Any = None) -> None:
            await self._host_calls.permit(time_s, node)

        async def permit_with_link_key(self, node: Any, link_key: Any, time_s: int = 60) -> None:
            await self._host_calls.permit_with_link_key(node, link_key, time_s)

        async def permit_gp(self, time_s: int) -> None:
            await self._host_calls.permit_gp(time_s)

        async def permit_ncp(self, time_s: int = 60) -> Any:
            return await self._host_calls.permit_ncp(time_s)

    return GuardedApplication
