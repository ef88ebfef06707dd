"""The guard on a bellows application that somebody else runs: put on, and taken off without a trace."""

from __future__ import annotations

from typing import Any, Final

import bellows.zigbee.application

from hubsec.errors import RadioError
from hubsec_zigbee.backups import GAP_IN_CLEAR
from hubsec_zigbee.gate import check_pinned
from hubsec_zigbee.guard import Guard
from hubsec_zigbee.hostcalls import GUARDED, HostCalls
from hubsec_zigbee.reconciling import TC_KEY_REQUEST_POLICY, TRUST_CENTER_POLICY
from hubsec_zigbee.settings import WILDCARD

GAP_UNGUARDED_START: Final = "unguarded-start"
"""The network came up before the guard: from networkInit until it was put on, the trust center was as the host
had it."""
GAP_WAS_OPEN: Final = "trust-center-was-open"
"""The trust center let devices in when the guard came."""
GAP_WILDCARD: Final = "wildcard-key-was-there"
"""A link key for everybody was in the transient key table when the guard came."""
_CONNECT: Final = "connect"


def check_running(app: object) -> None:
    """Raises :class:`~hubsec.errors.RadioError` for what is no running bellows application, or one that can't
    be guarded."""
    if not isinstance(app, bellows.zigbee.application.ControllerApplication):
        raise RadioError(f"A guard attaches to a bellows application, not to {type(app).__name__}.")
    ezsp = getattr(app, "_ezsp", None)
    if ezsp is None or not ezsp.is_ezsp_running:
        raise RadioError("That bellows application is not running; start it, then attach.")
    check_pinned(ezsp)


class Attachment:
    """The guard's hold on `app`: its `EZSP` and its opening methods."""

    def __init__(self, guard: Guard, app: Any) -> None:
        self._guard = guard
        self._app = app
        self._put: dict[str, Any] = {}
        self._before: dict[str, Any] = {}
        self._calls: HostCalls | None = None

    async def put_on(self) -> None:
        """Stand between host and radio from now on; note what was found."""
        guard, app = self._guard, self._app
        guard.gate.put_on(app._ezsp, network_up=True)
        found_policy = {p: await guard.ncp.policy(p) for p in (TRUST_CENTER_POLICY, TC_KEY_REQUEST_POLICY)}
        guard.host_policies = {**found_policy, **guard.host_policies}
        guard.gaps.add(GAP_UNGUARDED_START)
        if found_policy[TRUST_CENTER_POLICY]:
            guard.gaps.add(GAP_WAS_OPEN)
        try:
            found = await guard.ncp.transient_keys()
        except RadioError:
            found = {}  # Told as a gap of its own when the firmware is probed.
        if WILDCARD in found:
            guard.gaps.add(GAP_WILDCARD)
        if getattr(app, "_dblistener", None) is not None:
            guard.gaps.add(GAP_IN_CLEAR)
        originals = {name: getattr(app, name) for name in GUARDED if hasattr(app, name)}
        self._calls = HostCalls(guard, app, originals)
        for name in originals:
            self._wrap(name, getattr(self._calls, name))
        connect = app.connect

        async def connect_guarded() -> None:
            await connect()  # It sends nothing that brings the network up.
            if self._put:
                guard.gate.put_on(app._ezsp, network_up=False)

        self._wrap(_CONNECT, connect_guarded)

    def _wrap(self, name: str, guarded: Any) -> None:
        self._put[name] = guarded
        self._before[name] = vars(self._app).get(name)
        setattr(self._app, name, guarded)

    async def shut_green_power(self) -> None:
        """Close a Green Power window that the host left open."""
        if "permit_gp" in self._put:
            await self._app.permit_gp(0)

    async def take_off(self) -> bool:
        """Leave policies and methods as they were, or as the host has wanted them since. Whether all of it was
        read back.

        A transient key for everybody is not
        put back: it would have run out by itself, and to import one is to open the network.
        """
        guard, app = self._guard, self._app
        restored = True
        running = guard.gate.on and app._ezsp is not None and app._ezsp.is_ezsp_running
        try:
            if guard.touched and running:
                restored = await guard.give_back()
        except RadioError:
            restored = False
        finally:
            for name, guarded in self._put.items():
                if vars(app).get(name) is not guarded:
                    restored = False
                elif self._before[name] is not None:  # Somebody had wrapped it before us.
                    setattr(app, name, self._before[name])
                else:
                    delattr(app, name)
            self._put.clear()
            if self._calls is not None:
                self._calls.stands = False
            restored = guard.gate.take_off() and restored
        return restored
