"""The re-inclusions of a hub: planned, begun, and gone on with whenever it is opened."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from hubsec.admission import Admission
from hubsec.admissions import Admissions
from hubsec.authority import HubAuthority
from hubsec.entries import Entry, Use
from hubsec.errors import NotEnforceable, RadioError, Refused, StickerError
from hubsec.events import Event, Joined, ReinclusionStarted
from hubsec.identity import CredentialKind, Identity, Network, SecurityClass, dsk_identity, zwave_identity
from hubsec.posture import ReinclusionPosture
from hubsec.radio import answering
from hubsec.reinclusion import journal, planning
from hubsec.reinclusion.journal import Journal, Row
from hubsec.reinclusion.machine import Machine
from hubsec.reinclusion.radio import KEY_SIZE, REINCLUSION, Place, ReinclusionRadio
from hubsec.reinclusion.running import ASKED_AT_ONCE, Running, held
from hubsec.reinclusion.shapes import (
    DeviceOutlook,
    Fate,
    Manner,
    Phase,
    Proof,
    ReinclusionPlan,
    ReinclusionProgress,
    Stage,
)
from hubsec.secret import Secret
from hubsec.state import HubState
from hubsec.stickers import Sticker
from hubsec.store.sealed import SecretKind

CAPABILITY: Final = "reinclusion"
_STARTED_ANEW: Final = "It fell silent, and its place was opened for it once more."
BEFORE: Final = ":before"
"""Ends the name of a network's key that was in force before the present one."""


class Reinclusion:
    """One re-inclusion, as an app sees it. It goes on by itself, and is gone on with when its hub is opened again."""

    def __init__(self, running: Running) -> None:
        self._running = running

    @property
    def progress(self) -> ReinclusionProgress:
        """Where it stands now."""
        return self._running.progress

    async def ended(self) -> ReinclusionProgress:
        """Where it stands when it is over: each device is on the new keys, or missing."""
        return await self._running.ended()

    async def pause(self) -> None:
        """Wait for nobody until :meth:`resume`; durable when this returns. The devices that are not done stay shut
        off."""
        await self._running.say(self._running.machine.pause)

    async def resume(self) -> None:
        """Go on; after a standstill the server is restarted first."""
        await self._running.say(self._running.machine.resume)

    async def skip(self, device: str) -> None:
        """Take that device up when the others are through."""
        identity = zwave_identity(device)
        await self._running.say(lambda: self._running.machine.skip(identity))

    async def finish(self) -> None:
        """Give up whoever is not on the new keys. Such a device stays shut off until it answers under the server's
        keys, or is admitted anew."""
        await self._running.say(self._running.machine.finish)


class Reinclusions:
    """All of a hub's. `authorities` has the hub's half of each radio, by the radio's name."""

    def __init__(
        self, state: HubState, authorities: Mapping[str, HubAuthority], admissions: Admissions
    ) -> None:
        self._state = state
        self._authorities = authorities
        self._admissions = admissions
        self._running: dict[str, Running] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def on_event(self, event: Event) -> None:
        """What the radios say of devices that join."""
        if isinstance(event, Joined) and event.device is not None:
            running = self._running.get(event.radio)
            if running is not None:
                entry = self._state.allowlist.get(event.device)
                running.joined(event.device, entry.address if entry is not None else None, event.correlation)

    # Opening and closing

    async def open(self, authority: HubAuthority) -> None:
        """Open a radio. Who awaits new keys is shut off from the first moment; a server that a crash has left down is
        started on the journal's keys."""
        radio = authority.radio
        left = await self._left(authority) if isinstance(radio, ReinclusionRadio) else None
        if not isinstance(radio, ReinclusionRadio) or left is None:
            await radio.open(authority)
            return
        radio.hold(held(left))
        try:
            await radio.open(authority)
        except RadioError:
            if (
                left.stage is Stage.ENDED
                or radio.reinclusion_refusal is not None
                or not self._state.enforcing
            ):
                raise
            await radio.start_server(left.keys)
            await radio.open(authority)

    async def _left(self, authority: HubAuthority) -> Journal | None:
        """The journal of that radio's network, as far as it is known before it is opened: the newest that names it."""
        vault, found = self._state.vault, []
        for network_id in await journal.networks(vault):
            left = await journal.read(vault, network_id)
            if left is not None and left.radio == authority.radio.name:
                found.append(left)
        return max(found, key=lambda one: one.started_at, default=None)

    async def resume(self, authority: HubAuthority) -> None:
        """Go on with what was under way on the network that the radio turned out to be on."""
        radio = authority.radio
        if not isinstance(radio, ReinclusionRadio) or authority.network_id is None:
            return
        left = await journal.read(self._state.vault, authority.network_id)
        if left is None:
            radio.hold({})
        elif self._state.enforcing:
            left = msgspec.structs.replace(left, radio=radio.name)
            await self._keep_keys(left)
            self._run(authority, radio, left)

    async def settle(self) -> None:
        """The hub closes: everything stops where it is, and the journals say where."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # What a hub offers

    def current(self, radio: str) -> Reinclusion | None:
        """The last one of that radio's network: under way, or ended."""
        running = self._running.get(radio)
        return None if running is None else Reinclusion(running)

    async def posture(self, authority: HubAuthority) -> ReinclusionPosture | None:
        """What is known of new keys for that radio's network; None where there were never any."""
        network_id = authority.network_id
        if network_id is None or authority.radio.network is not Network.ZWAVE:
            return None
        past = await self._state.store.run(lambda store: store.reinclusions(network_id), writes=False)
        running = self._running.get(authority.radio.name)
        newest = running.progress if running is not None else next(iter(past), None)
        if newest is None:
            return None
        ended = (one for one in (newest, *past) if one.stage is Stage.ENDED)
        return ReinclusionPosture(
            under_way=newest if newest.stage is not Stage.ENDED else None, last=next(ended, None)
        )

    async def plan(
        self, authority: HubAuthority, *, stickers: Iterable[Sticker] = (), smart_start: Iterable[str] = ()
    ) -> ReinclusionPlan:
        """What new keys would do."""
        _, plan = await self._planned(authority, stickers, smart_start)
        return plan

    async def _planned(
        self, authority: HubAuthority, stickers: Iterable[Sticker], smart_start: Iterable[str]
    ) -> tuple[dict[Identity, Secret], ReinclusionPlan]:
        radio = _reincludable(authority)
        dsks = {entry.device: await authority.secret(entry.device) for entry in authority.entries()}
        known = {device: dsk for device, dsk in dsks.items() if dsk is not None}
        for sticker in stickers:
            if sticker.network is not Network.ZWAVE:
                raise StickerError("That is the sticker of a Zigbee device.")
            known[dsk_identity(sticker.credential.reveal())] = sticker.credential
        with answering(authority.radio.name):
            places = radio.places()
        plan = planning.plan(
            places,
            {entry.device: entry for entry in authority.entries()},
            radio=authority.radio.name,
            network_id=authority.network_id or "",
            now=self._state.now(),
            dsks=known,
            smart_start={zwave_identity(one) for one in smart_start},
            refusal=radio.reinclusion_refusal,
        )
        return known, plan

    async def start(
        self,
        authority: HubAuthority,
        *,
        by: str,
        reason: str,
        stickers: Iterable[Sticker] = (),
        smart_start: Iterable[str] = (),
        anyway: bool = False,
    ) -> Reinclusion:
        """Begin one."""
        radio, state = _reincludable(authority), self._state
        if not state.enforcing:
            raise Refused("This hub only observes: it changes no keys.", rule="mode")
        authority.must_be_adopted()
        before = self._running.get(authority.radio.name)
        if before is not None and not before.machine.is_over:
            raise Refused("A re-inclusion is under way on this network: finish it first.", rule=REINCLUSION)
        dsks, plan = await self._planned(authority, stickers, smart_start)
        if plan.refusal is not None:
            raise NotEnforceable(plan.refusal, capability=CAPABILITY)
        if plan.why_not and not anyway:
            raise Refused(
                f"{' '.join(plan.why_not)} To go on all the same, say anyway=True.", rule=REINCLUSION
            )
        witnesses = await self._witnesses(radio, plan)
        for one in plan.of(Fate.REINCLUDED):
            await self._write_in(authority, one, dsks[one.device], by=by)
        left = Journal(
            reinclusion=f"reinclusion-{secrets.token_hex(4)}",
            radio=authority.radio.name,
            network_id=plan.network_id,
            by=by,
            reason=reason,
            started_at=state.now(),
            keys={name: Secret(os.urandom(KEY_SIZE)) for name in radio.key_names},
            rows=tuple(
                self._row(authority, one, dsks.get(one.device), places=radio.places(), witnesses=witnesses)
                for one in plan.devices
                if one.fate in (Fate.REINCLUDED, Fate.LOST)
            ),
        )
        await self._stop(authority.radio.name)
        await state.recorded(journal.write(state.store, left, left.progress(), at=state.now()))
        await self._keep_keys(left)
        state.publish(
            ReinclusionStarted(
                time=state.now(),
                radio=left.radio,
                correlation=left.reinclusion,
                by=by,
                reason=reason,
                devices=len(plan.of(Fate.REINCLUDED)),
            )
        )
        return Reinclusion(self._run(authority, radio, left))

    # Inside

    async def _witnesses(self, radio: ReinclusionRadio, plan: ReinclusionPlan) -> frozenset[Identity]:
        """Who answers under the keys that the server has now, and will show by it that it has others."""
        asking = asyncio.Semaphore(ASKED_AT_ONCE)

        async def answers(place: Identity) -> bool:
            async with asking:
                return await radio.proof(place) is Proof.KEYED

        places = [one.place for one in plan.of(Fate.REINCLUDED)]
        answered = await asyncio.gather(*(answers(place) for place in places))
        witnesses = frozenset(place for place, does in zip(places, answered, strict=True) if does)
        if not witnesses:
            raise Refused(
                "No device answers under the keys that the server has now, so that none could show that it has others: "
                "switch one on first.",
                rule=REINCLUSION,
            )
        return witnesses

    def _row(
        self,
        authority: HubAuthority,
        one: DeviceOutlook,
        dsk: Secret | None,
        *,
        places: Iterable[Place],
        witnesses: frozenset[Identity],
    ) -> Row:
        entry = authority.entry(one.device)
        asked = authority.least_security(entry.device_class if entry is not None else None)
        least = max(asked, one.security, planning.LEAST, key=lambda security: security.rank)
        lost = one.fate is Fate.LOST or dsk is None
        return Row(
            device=one.device,
            name=one.name,
            place=one.place,
            manner=one.manner or Manner.IN_PLACE,
            least=least,
            sleepy=any(place.place == one.place and place.sleepy for place in places),
            witness=one.place in witnesses,
            dsk=None if lost else dsk,
            phase=Phase.MISSING if lost else Phase.PENDING,
            detail=one.todo if lost else "",
        )

    async def _write_in(self, authority: HubAuthority, one: DeviceOutlook, dsk: Secret, *, by: str) -> None:
        """The entry of a device whose sticker was given: it was let in long ago, and its DSK is its proof from now on.
        Whatever breaks off when it comes back, that goes on to hold."""
        state, entry = self._state, authority.entry(one.device)
        if entry is None or entry.credential is not CredentialKind.DSK:
            entry = by_its_dsk(one.device, one.name, authority.entry(one.place), by=by, now=state.now())
            await state.recorded(state.allowlist.add(entry, dsk))

    async def _keep_keys(self, left: Journal) -> None:
        """The new keys, beside the journal; those from before are kept once more. Doing it again changes nothing."""
        vault, state = self._state.vault, self._state
        for key_name, secret in left.keys.items():
            name = f"zwave:{left.network_id}:{key_name}"
            present = await vault.get(SecretKind.NETWORK_KEY, name)
            if present == secret:
                continue
            if present is not None:
                await state.recorded(vault.put(SecretKind.NETWORK_KEY, f"{name}{BEFORE}", present))
            await state.recorded(vault.put(SecretKind.NETWORK_KEY, name, secret))

    def _run(self, authority: HubAuthority, radio: ReinclusionRadio, left: Journal) -> Running:
        door = _Door(self._state, self._admissions, authority, by=left.by)
        running = self._running[left.radio] = Running(self._state, radio, Machine(left), door)
        self._tasks[left.radio] = asyncio.get_running_loop().create_task(
            running.run(), name=f"hubsec {left.reinclusion}"
        )
        return running

    async def _stop(self, radio: str) -> None:
        task = self._tasks.pop(radio, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class _Door:
    """See :class:`hubsec.reinclusion.running.Door`. `by` is who began the re-inclusion."""

    def __init__(self, state: HubState, admissions: Admissions, authority: HubAuthority, *, by: str) -> None:
        self._state = state
        self._admissions = admissions
        self._authority = authority
        self._by = by

    async def admission(self, row: Row) -> Admission:
        """What the entry of the row's device says of it goes on to hold."""
        await self._admissions.resolve(row.device, came=False, reason=_STARTED_ANEW)
        authority, now = self._authority, self._state.now()
        entry = authority.entry(row.device)
        if row.dsk is None:
            raise Refused(f"hubsec has no DSK of {row.name}.", rule=REINCLUSION)
        if entry is None or entry.credential is not CredentialKind.DSK:
            entry = by_its_dsk(row.device, row.name, authority.entry(row.place), by=self._by, now=now)
        elif entry.use is Use.SINGLE:
            entry = msgspec.structs.replace(entry, approved_by=self._by, approved_at=now)
        in_place = row.manner is Manner.IN_PLACE
        return self._admissions.make(
            entry,
            row.dsk,
            radio=authority.radio.name,
            smart_start=not in_place,
            least=SecurityClass(row.least),
            replaces=row.place if in_place else None,
        )

    async def came(self, device: Identity) -> None:
        """Its admission has nothing left to wait for."""
        await self._admissions.resolve(device, came=True, reason="")


def by_its_dsk(device: Identity, name: str, adopted: Entry | None, *, by: str, now: float) -> Entry:
    """The entry of a device that is on the network, and was known by its address alone."""
    return Entry(
        device=device,
        network=Network.ZWAVE,
        credential=CredentialKind.DSK,
        label=name,
        approved_by=by,
        approved_at=now,
        joined_at=adopted.joined_at if adopted is not None else None,
        expires_at=adopted.expires_at if adopted is not None else None,
        device_class=adopted.device_class if adopted is not None else None,
        maker=adopted.maker if adopted is not None else None,
    )


def _reincludable(authority: HubAuthority) -> ReinclusionRadio:
    radio = authority.radio
    if not isinstance(radio, ReinclusionRadio):
        raise NotEnforceable(
            f"{radio.name} can't include devices anew: on Zigbee the network's key is rotated, by hub.rotate().",
            capability=CAPABILITY,
        )
    return radio
