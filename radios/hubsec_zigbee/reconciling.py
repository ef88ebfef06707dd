"""Brings the trust center to what ought to hold now, behind one lock, and reads it back.

Nothing is assumed: every change is read back, and what was found otherwise than it was left is drift, told and mended.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from functools import partial
from typing import Final, assert_never

from hubsec.errors import RadioError
from hubsec.events import Drifted
from hubsec.identity import Identity
from hubsec_zigbee.desk import LOGGER, Desk
from hubsec_zigbee.ncp import MAX_PERMIT, ROUTERS, Ncp
from hubsec_zigbee.roster import Roster
from hubsec_zigbee.settings import (
    DEFERRED,
    IDLE,
    ClearTransientKeys,
    Desired,
    ImportTransientKey,
    JoinPolicy,
    KeyRequests,
    Observed,
    Permit,
    SetJoinPolicy,
    SetKeyRequests,
    Step,
    differences,
    plan,
)

TRUST_CENTER_POLICY: Final = 0x00
TC_KEY_REQUEST_POLICY: Final = 0x05
"""EzspPolicyId."""
RENEW_AT: Final = 0.1
"""A permit is renewed when this part of it is left."""
GAP_NO_DEFER: Final = "defer-joins-missing"
"""The firmware drops DEFER_JOINS: the NCP sends the key by itself to a device whose install code is ordered, so
that the key leaves on the record of the admission and not on one of its own; nobody can be approved and no
knock is heard."""
GAP_KEYS_UNREADABLE: Final = "transient-keys-unreadable"
"""The firmware can't list its transient keys: they are cleared and made anew each time, and never read back."""


class Reconciler:
    """`wanted` says what ought to hold at the moment of the call, `open_for` for how many seconds somebody is
    permitted."""

    def __init__(
        self,
        desk: Desk,
        ncp: Ncp,
        roster: Roster,
        wanted: Callable[[], Desired],
        open_for: Callable[[], float],
    ) -> None:
        self._desk = desk
        self._ncp = ncp
        self._roster = roster
        self._wanted = wanted
        self._open_for = open_for
        self._lock = asyncio.Lock()
        self._held: Desired | None = None
        self._permit: Permit | None = None
        self._permit_until = 0.0
        self._permit_given = 0.0
        self.defers = True
        self.gaps: set[str] = set()

    # The start

    async def close_before_start(self) -> None:
        """Both policies closed and read back, before the network comes up. Not behind the lock: the NCP has
        just been reset, and whoever holds the lock waits for an answer that will not come."""
        self.forget()
        self._ncp.check_version()
        for policy, value in (
            (TRUST_CENTER_POLICY, JoinPolicy.CLOSED),
            (TC_KEY_REQUEST_POLICY, KeyRequests.IGNORE),
        ):
            await self._ncp.set_policy(policy, value)
            found = await self._ncp.policy(policy)
            if found != value:
                raise RadioError(f"The trust center was closed, and was read back as 0x{found:02x}.")

    async def probe_reading(self) -> None:
        """Find out whether this firmware lists its transient keys; changes nothing."""
        try:
            await self._ncp.transient_keys()
        except RadioError:
            self.gaps.add(GAP_KEYS_UNREADABLE)

    async def probe(self) -> None:
        """Find out whether this firmware holds DEFER_JOINS. Only while nobody is permitted and no transient key
        is there."""
        async with self._lock:
            await self._ncp.clear_transient_keys()
            self._held = None
            try:
                await self._ncp.set_policy(TRUST_CENTER_POLICY, DEFERRED)
                found = await self._ncp.policy(TRUST_CENTER_POLICY)
            finally:
                await self._ncp.set_policy(TRUST_CENTER_POLICY, JoinPolicy.CLOSED)
            self.defers = found == DEFERRED
            if not self.defers:
                self.gaps.add(GAP_NO_DEFER)

    def forget(self) -> None:
        """The NCP was reset: nothing that was left there holds any more."""
        self._held = None
        self._permit = None

    # The present

    @property
    def left_idle(self) -> bool:
        """Whether the trust center was last read back as refusing everybody."""
        return self._held is not None and self._held.idle

    @property
    def left_taking_back(self) -> bool:
        """Whether it was last left, or may have been, as sending the key to whoever lost it."""
        return self._held is None or bool(self._held.join_policy & JoinPolicy.ALLOW_UNSECURED_REJOINS)

    async def observe(self) -> Observed:
        """What the NCP holds, read now."""
        return Observed(
            join_policy=await self._ncp.policy(TRUST_CENTER_POLICY),
            key_requests=await self._ncp.policy(TC_KEY_REQUEST_POLICY),
            transient_keys=None if GAP_KEYS_UNREADABLE in self.gaps else await self._ncp.transient_keys(),
        )

    async def reconcile(self) -> None:
        """Bring the NCP to what is wanted now. Raises :class:`~hubsec.errors.RadioError` where it would not; it
        is closed then, as far as it can be."""
        async with self._lock:
            wanted, held = self._wanted(), self._held
            drift: dict[str, tuple[str, str]] = {}
            try:
                observed = await self.observe()
                drift = differences(observed, held) if held is not None else {}
                # Whoever is cut off on the way leaves neither end behind: that would look like drift.
                self._held = None
                if self._permit is None or (wanted.permit.shut and not self._permit.shut):
                    await self._shut_permit()
                await self._bring(observed, wanted)
                self._held = wanted
                if not wanted.permit.shut:
                    await self._keep_permit(wanted.permit)
            except RadioError:
                self._tell(drift, restored=False)
                await self._close()
                raise
            self._tell(drift, restored=True)

    async def _bring(self, observed: Observed, wanted: Desired) -> None:
        steps = plan(observed, wanted)
        for step in steps:
            await self._do(step)
        if not steps:
            return
        found = await self.observe()
        wrong = differences(found, wanted)
        if wrong:
            name, (expected, there) = next(iter(wrong.items()))
            raise RadioError(f"{name} was set to {expected} and read back as {there}.")
        # A key that its device has verified meanwhile is used up: what counts is what is wanted by now.
        imported = {step.device for step in steps if isinstance(step, ImportTransientKey)}
        still = imported & self._wanted().transient_keys.keys()
        if found.transient_keys is not None and not still <= found.transient_keys.keys():
            raise RadioError("A transient key was imported and is not there.")

    async def _do(self, step: Step) -> None:
        match step:
            case SetJoinPolicy(value):
                await self._ncp.set_policy(TRUST_CENTER_POLICY, value)
            case SetKeyRequests(value):
                await self._ncp.set_policy(TC_KEY_REQUEST_POLICY, value)
            case ClearTransientKeys():
                await self._ncp.clear_transient_keys()
            case ImportTransientKey(device, key):
                await self._ncp.import_transient_key(device, key)
            case _:
                assert_never(step)

    def _tell(self, drift: dict[str, tuple[str, str]], *, restored: bool) -> None:
        for setting, (expected, found) in drift.items():
            self._desk.publish(Drifted, setting=setting, expected=expected, found=found, restored=restored)

    async def _close(self) -> None:
        """Shut what can be shut, after something would not hold: one thing that fails keeps no other open."""
        self.forget()
        ncp = self._ncp
        for shut in (
            partial(ncp.set_policy, TRUST_CENTER_POLICY, JoinPolicy.CLOSED),
            partial(ncp.set_policy, TC_KEY_REQUEST_POLICY, KeyRequests.IGNORE),
            ncp.clear_transient_keys,
            partial(ncp.permit_joining, 0),
            partial(ncp.permit_routers, 0),
        ):
            try:
                await shut()
            except RadioError as error:
                LOGGER.warning("%s: while closing: %s", self._desk.name, error)

    async def leave_closed(self) -> None:
        """The guard goes: idle, read back."""
        async with self._lock:
            await self._shut_permit()
            await self._bring(await self.observe(), IDLE)
            self._held = IDLE

    async def leave_as(self, policies: dict[int, int]) -> bool:
        """The guard goes: these policies, and no transient key. Whether they were read back."""
        async with self._lock:
            self.forget()
            await self._shut_permit()
            self._permit = None  # From now on it is the host's.
            await self._ncp.clear_transient_keys()
            for policy, value in policies.items():
                await self._ncp.set_policy(policy, value)
            return all([await self._ncp.policy(policy) == value for policy, value in policies.items()])

    # Permits

    async def shut_again(self) -> None:
        """Somebody else opened: permit as it ought to be."""
        async with self._lock:
            await self._shut_permit()
            wanted = self._wanted()
            if not wanted.permit.shut:
                await self._keep_permit(wanted.permit)

    def renewal(self) -> float | None:
        """When a permit has to be renewed, None if none has to."""
        if (
            self._permit is None
            or self._permit.shut
            or self._open_for() <= self._permit_until - self._desk.now()
        ):
            return None
        return self._permit_until - RENEW_AT * self._permit_given

    def host_closed(self) -> bool:
        """The host is closing the network. Whether that is to be mended, because something is open."""
        if self._permit is None or self._permit.shut:
            return False
        self._permit = None
        return True

    async def _shut_permit(self) -> None:
        self._permit = None
        try:
            await self._ncp.permit_joining(0)
        finally:
            await self._ncp.permit_routers(0)
        self._permit = Permit()

    async def _keep_permit(self, wanted: Permit) -> None:
        now, lasts = self._desk.now(), self._open_for()
        due = self.renewal()
        enough = self._permit_until >= now + lasts or (due is not None and now < due)
        if wanted == self._permit and enough:
            return
        scale = self._desk.limits.time_scale
        seconds = max(1, min(MAX_PERMIT, math.ceil(lasts * scale)))
        before, self._permit = self._permit or Permit(), None
        await self._permit_routers(before, wanted, seconds)
        if wanted.coordinator:
            await self._ncp.permit_joining(seconds)
        self._permit = wanted
        self._permit_given = seconds / scale
        self._permit_until = now + self._permit_given

    async def _permit_routers(self, before: Permit, wanted: Permit, seconds: int) -> None:
        if wanted.routers is None:
            await self._ncp.permit_routers(seconds, ROUTERS)
            return
        if before.routers is None or before.routers - wanted.routers:
            await self._ncp.permit_routers(0, ROUTERS)
        for router in sorted(wanted.routers):
            short = await self._short(router)
            if short is not None:
                await self._ncp.permit_routers(seconds, short)

    async def _short(self, router: Identity) -> int | None:
        place = self._roster.place(router)
        return place.short if place is not None else await self._ncp.short_of(router)
