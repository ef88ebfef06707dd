"""The rotations of a hub: planned, started, resumed, and what makes one due.

The rules
1. One rotation at a time on each radio. It outlives the hub: whatever has a journal is resumed when a hub opens on that
   network, before anybody asks for it.
2. No rotation starts without its dry run; one that has an objection starts on an operator's word alone.
3. Old key, new keys and the journal are durable before anything is sent, in one transaction with where it stands.
4. A device that joins meanwhile is part of it from then on, one that is put out before it has the next key is not any
   more.
5. A need stands, in the store, until a rotation has dealt with it.
6. What can't be read, or is not what it should be, stops it and is said. The network goes on as it is.
7. The key of a network is sealed when it is first seen: a backup from before its first rotation is then told from the
   network as it is.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from hubsec.admissions import Admissions
from hubsec.audit.records import OPERATOR
from hubsec.authority import HubAuthority
from hubsec.errors import HubsecError, NotEnforceable, Refused, StoreError
from hubsec.events import (
    Event,
    Evicted,
    Exposed,
    Joined,
    KeysDisagree,
    KeySent,
    Quarantined,
    Rejoined,
    RotationAbandoned,
    RotationOverdue,
    RotationResumed,
    RotationStarted,
)
from hubsec.identity import Identity, Network
from hubsec.posture import KeyPosture
from hubsec.radio import Support, answering
from hubsec.rotation.books import HubBooks, note_first
from hubsec.rotation.comparing import compare
from hubsec.rotation.due import note_eviction, note_return, standing_needs, stragglers
from hubsec.rotation.giving_up import give_up, mend_ring, remains
from hubsec.rotation.journal import (
    KEY_BYTES,
    MAX_DEVICES,
    Journal,
    KeyRing,
    LiveKey,
    Target,
    rounds_of,
    secret_name,
    unpack,
)
from hubsec.rotation.missing import Missing
from hubsec.rotation.planning import Scene, plan_rotation
from hubsec.rotation.radio import KeyRadio, KeyRoute, KeyState
from hubsec.rotation.returning import Returns
from hubsec.rotation.runner import Runner
from hubsec.rotation.shapes import Delivery, Outcome, Outlook, RotationPlan, RotationProgress, Step, Way
from hubsec.rotation.triggers import Rotating, Trigger, acting, objections, way_for
from hubsec.secret import Secret
from hubsec.state import HubState
from hubsec.store.sealed import SecretKind

_LOGGER = logging.getLogger(__name__)
PROBE_SECONDS: Final = 15.0
"""Seconds that one device may take to answer the dry run; the radio gives up before that. Judgement."""
_RULE: Final = "rotation"
_BY: Final = "hubsec"


class Rotation:
    """A rotation that is under way, or has ended. It goes on whether or not anybody holds this, and when the hub is
    opened again."""

    def __init__(self, runner: Runner, abandon: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        self._runner = runner
        self._abandon = abandon

    @property
    def id(self) -> str:
        """The correlation that all its events carry."""
        return self._runner.progress.rotation

    @property
    def progress(self) -> RotationProgress:
        """Where it stands now."""
        return self._runner.progress

    async def ended(self) -> RotationProgress:
        """How it ended. Raises :class:`~hubsec.errors.RotationStopped` when it can't go on, and
        :class:`~hubsec.errors.HubsecError` when the hub was closed before: it goes on when that is opened again."""
        return await self._runner.ended()

    async def abandon(self, *, by: str = OPERATOR) -> None:
        """Give it up: the key stays the one from before. Until another rotation, which is overdue from then on, whoever
        holds the network key can order devices that have the next one to use it. Raises
        :class:`~hubsec.errors.Refused` once the order may be out, unless it has stopped: the radio's key stays then."""
        await self._abandon(f"{by} abandoned it.")


class Rotations:
    """`authorities` has the hub's half of each radio, by name. `rotating` says what is done without being asked."""

    def __init__(
        self,
        state: HubState,
        authorities: Mapping[str, HubAuthority],
        admissions: Admissions,
        rotating: Rotating,
    ) -> None:
        self._state = state
        self._authorities = authorities
        self._admissions = admissions
        self._rotating = rotating
        self._runners: dict[str, Runner] = {}
        self._starting: set[str] = set()
        self._overdue: dict[str, tuple[str, ...]] = {}
        self._troubles: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        # What is being written, and must be before the store is closed.
        self._notes: set[asyncio.Task[Any]] = set()
        self._looking: dict[str, asyncio.Lock] = {}
        self._missing: dict[str, asyncio.Task[None]] = {}
        self.returns = Returns(
            state, lambda name: name in self._starting or self._under_way(name) is not None
        )

    # Planning

    async def plan(
        self,
        authority: HubAuthority,
        *,
        way: Way | None = None,
        leave_out: Collection[Identity] = (),
        progress: Callable[[int, int], object] | None = None,
    ) -> RotationPlan:
        """The dry run; see :meth:`hubsec.hub.Hub.plan_rotation`."""
        radio = key_radio(authority)
        authority.must_be_adopted()
        network_id = _network_id(authority)
        with answering(authority.radio.name):
            routes = tuple(await radio.key_routes())
        unknown = sorted(set(leave_out) - {route.device for route in routes})
        if unknown:
            raise Refused(f"{authority.radio.name} has no device {', '.join(unknown)}.", rule=_RULE)
        needs = await standing_needs(self._state, authority, self._rotating)
        if way is None:
            known = leave_out or authority.exposed
            way = Way.UNICAST if known else way_for(needs)
        scene = Scene(
            radio=authority.radio.name,
            network_id=network_id,
            routes=routes,
            entries=self._state.allowlist,
            answered=await self._probe(authority, radio, routes, progress),
            needs=needs,
            exposed=authority.exposed,
        )
        return plan_rotation(
            scene,
            way=way,
            standing=authority.standing,
            leave_out=frozenset(leave_out),
            at_once=self._rotating.pace.at_once,
        )

    async def _probe(
        self,
        authority: HubAuthority,
        radio: KeyRadio,
        routes: Sequence[KeyRoute],
        progress: Callable[[int, int], object] | None,
    ) -> dict[Identity, bool]:
        """Who of those that listen answers now, a few at a time."""
        asked = [route.device for route in routes if route.placed and not route.sleepy]
        answered: dict[Identity, bool] = {}
        free = asyncio.Semaphore(self._rotating.pace.at_once)

        async def ask(device: Identity) -> None:
            async with free:
                try:
                    async with asyncio.timeout(PROBE_SECONDS):
                        with answering(authority.radio.name):
                            answered[device] = await radio.answers(device)
                except (HubsecError, TimeoutError):
                    answered[device] = False
            if progress is not None:
                progress(len(answered), len(asked))

        async with asyncio.TaskGroup() as group:
            for device in asked:
                group.create_task(ask(device))
        return answered

    # Starting

    async def start(
        self,
        authority: HubAuthority,
        plan: RotationPlan,
        *,
        by: str,
        reason: str = "",
        patience: float | None = None,
        anyway: bool = False,
    ) -> Rotation:
        """Begin what was planned; see :meth:`hubsec.hub.Hub.rotate`."""
        radio, name = key_radio(authority), authority.radio.name
        if not self._state.enforcing:
            raise Refused("This hub only observes: it changes no key.", rule="mode")
        authority.must_be_adopted()
        if plan.why_not and not anyway:
            raise Refused(" ".join(plan.why_not), rule=_RULE)
        if not any(one.outlook in {Outlook.GETS_IT, Outlook.WHEN_IT_WAKES} for one in plan.devices):
            raise Refused("Nobody would get the next key, so there is nothing to switch to.", rule=_RULE)
        waits = self._rotating.patience if patience is None else patience
        Rotating(patience=waits)  # raises for what is no patience
        if name in self._starting or self._under_way(name) is not None:
            raise Refused(f"A rotation on {name} is under way already: one at a time.", rule=_RULE)
        self._starting.add(name)

        async def begin() -> Runner:
            try:
                await self.returns.close(name, "The network key is to be changed.")
                journal = await self._stage(authority, radio, plan, by=by, reason=reason, patience=waits)
                return self._run(authority, radio, journal)
            finally:
                self._starting.discard(name)

        # In a task of its own: who is cancelled here leaves no journal behind that nobody goes on with.
        return self._handle(authority, await asyncio.shield(self._write_down(begin())))

    async def _stage(
        self,
        authority: HubAuthority,
        radio: KeyRadio,
        plan: RotationPlan,
        *,
        by: str,
        reason: str,
        patience: float,
    ) -> Journal:
        """Draw the keys, and make them durable (rule 3)."""
        state, name, network_id = self._state, authority.radio.name, _network_id(authority)
        if plan.network_id != network_id or plan.radio != name:
            raise Refused("That plan is for another network: plan anew.", rule=_RULE)
        left = await remains(state, network_id)
        if left.journal_lost or left.ring_lost:
            what = Journal.what if left.journal_lost else KeyRing.what
            raise StoreError(f"The {what} can't be read. {_UNREADABLE}")
        if left.journal is not None:
            raise Refused(
                f"A rotation on {name} has not ended: open the hub again, and see what becomes of it.",
                rule=_RULE,
            )
        with answering(name):
            present = {route.device for route in await radio.key_routes()}
            live = await radio.key_state()
        if present != {one.device for one in plan.devices}:
            raise Refused("Devices have come or gone since that was planned: plan anew.", rule=_RULE)
        if len(plan.devices) > MAX_DEVICES:
            raise Refused(f"A rotation has at most {MAX_DEVICES} devices.", rule=_RULE)
        now = state.now()
        journal = Journal(
            rotation=f"rotation-{secrets.token_hex(4)}",
            radio=name,
            network_id=network_id,
            way=plan.way,
            step=Step.STAGED,
            round=1,
            old=LiveKey(key=live.key, sequence=live.sequence),
            keys=tuple(_fresh_key() for _ in range(rounds_of(plan.way))),
            targets={one.device: _target(one.name, one.outlook, sleepy=one.sleepy) for one in plan.devices},
            started_at=now,
            deadline=now + patience,
            patience=patience,
            by=by,
            reason=reason,
            heals=plan.heals,
            evicted=tuple(
                need.device
                for need in await standing_needs(self._state, authority, self._rotating)
                if need.trigger is Trigger.EVICTION and need.device is not None
            ),
        )
        books = self._books(authority)
        await books.write(journal)
        state.publish(
            RotationStarted(
                time=state.now(),
                radio=name,
                correlation=journal.rotation,
                way=str(plan.way),
                by=by,
                reason=reason,
                devices=len(plan.devices),
                left_out=tuple(one.device for one in plan.of(Outlook.LEFT_OUT)),
            )
        )
        return journal

    def _books(self, authority: HubAuthority) -> HubBooks:
        return HubBooks(self._state, authority, self._admissions)

    def _run(self, authority: HubAuthority, radio: KeyRadio, journal: Journal) -> Runner:
        books = self._books(authority)
        runner = Runner(journal, radio=radio, books=books, pace=self._rotating.pace)
        if journal.step is Step.SWITCHING:
            # Nobody is to join before it is known which key is live.
            authority.switching = True
        self._runners[authority.radio.name] = runner
        self._look_for_nobody(authority.radio.name)

        async def run() -> None:
            await runner.run()
            if runner.progress.outcome is Outcome.ROTATED:
                self._troubles.pop(authority.radio.name, None)
                await self._take_back(authority, runner.progress)
            if self._under_way(authority.radio.name) is None:
                self._look_for_the_missing(authority)
            await self.look(authority)

        self._spawn(run())
        return runner

    async def _take_back(self, authority: HubAuthority, ended: RotationProgress) -> None:
        """Let stragglers back, where that was asked for; what stands against it stays with them, listed."""
        if not self._rotating.take_back or not ended.stragglers or ended.way is not Way.UNICAST:
            return
        try:
            await self.returns.open(authority, self._rotating.take_back, by=_BY)
        except HubsecError as error:
            _LOGGER.warning("%s: nobody is taken back: %s", authority.radio.name, error)

    def _tell_resumed(self, journal: Journal) -> None:
        progress = journal.progress()
        self._state.publish(
            RotationResumed(
                time=self._state.now(),
                radio=progress.radio,
                correlation=progress.rotation,
                way=str(progress.way),
                step=str(progress.step),
                done=progress.done,
                devices=len(progress.deliveries),
            )
        )

    async def resume(self, authority: HubAuthority) -> None:
        """Go on with what a hub before this one left (rule 1), and see whether the radio has the key that it ought to
        have. Raises nothing that the network could go without."""
        radio, name = authority.radio, authority.radio.name
        if not isinstance(radio, KeyRadio) or authority.network_id is None:
            return
        try:
            journal = await self._read(authority.network_id, SecretKind.JOURNAL, Journal)
            if journal is not None and self._state.enforcing:
                self._run(authority, radio, journal)
                self._tell_resumed(journal)
            elif journal is not None:
                self._troubles[name] = _NOT_ENDED
            ring = await self._read(authority.network_id, SecretKind.NETWORK_KEY, KeyRing)
            if journal is None and ring is None:
                await note_first(self._state, authority, radio)
            elif journal is None and ring is not None and name not in self._troubles:
                with answering(name):
                    state = await radio.key_state()
                await self._compare(authority, ring, state)
        except HubsecError as error:
            self._disagree(authority, str(error), _UNREADABLE)
        self._spawn(self._keep_looking(authority))
        if self._under_way(name) is None and name not in self._troubles:
            # Under a key that it ought not to have an answer proves nothing.
            self._look_for_the_missing(authority)

    def _look_for_the_missing(self, authority: HubAuthority) -> None:
        """Who is listed may be there all the same, or come back: until the next rotation asks everybody."""
        state, name = self._state, authority.radio.name
        self._look_for_nobody(name)
        pace = self._rotating.pace
        missing = Missing(state, authority, at_once=pace.at_once, again=pace.again)

        async def look() -> None:
            try:
                await missing.run(lambda last: stragglers(last, state.allowlist))
            except HubsecError as error:
                _LOGGER.warning("%s: who is missing is not looked for: %s", name, error)

        self._missing[name] = self._spawn(look())

    def _look_for_nobody(self, name: str) -> None:
        looking = self._missing.pop(name, None)
        if looking is not None:
            looking.cancel()

    async def _compare(self, authority: HubAuthority, ring: KeyRing, state: KeyState) -> None:
        found = compare(ring, state)
        if found is None:
            return
        self._look_for_nobody(authority.radio.name)
        if found.retired and authority.network_id is not None:
            await authority.doubt(authority.network_id)
        self._disagree(authority, found.reason, found.repair)

    def _on_disagreement(self, authority: HubAuthority, event: KeysDisagree) -> None:
        if authority.network_id is not None:
            self._spawn(self._compare_again(authority))
        else:  # While it opened: it is said once.
            self._troubles[event.radio] = f"{event.reason} {event.repair}"

    async def _compare_again(self, authority: HubAuthority) -> None:
        """Whether the radio still has the key that it ought to have. Raises nothing."""
        name, radio = authority.radio.name, authority.radio
        if self._under_way(name) is not None or not isinstance(radio, KeyRadio):
            return
        try:
            ring = await self._read(_network_id(authority), SecretKind.NETWORK_KEY, KeyRing)
            if ring is not None:
                with answering(name):
                    state = await radio.key_state()
                if self._under_way(name) is None:
                    await self._compare(authority, ring, state)
        except HubsecError as error:
            _LOGGER.warning("%s: which key it has could not be found out: %s", name, error)

    def _disagree(self, authority: HubAuthority, reason: str, repair: str) -> None:
        trouble = f"{reason} {repair}"
        if self._troubles.get(authority.radio.name) == trouble:
            return
        self._troubles[authority.radio.name] = trouble
        self._state.publish(
            KeysDisagree(
                time=self._state.now(),
                radio=authority.radio.name,
                reason=reason,
                repair=repair,
                repaired=False,
            )
        )

    async def _read[K: (Journal, KeyRing)](
        self, network_id: str, kind: SecretKind, what: type[K]
    ) -> K | None:
        sealed = await self._state.vault.get(kind, secret_name(network_id))
        return None if sealed is None else unpack(sealed, what)

    # Looking

    def _under_way(self, radio: str) -> Runner | None:
        runner = self._runners.get(radio)
        return runner if runner is not None and runner.progress.outcome is None else None

    def current(self, authority: HubAuthority) -> Rotation | None:
        """The rotation that is under way on that radio, or has stopped there; None when there is none."""
        runner = self._under_way(authority.radio.name)
        return self._handle(authority, runner) if runner is not None else None

    def _handle(self, authority: HubAuthority, runner: Runner) -> Rotation:
        async def abandon(reason: str) -> None:
            await self._abandon(authority, runner, reason)

        return Rotation(runner, abandon)

    async def _abandon(self, authority: HubAuthority, runner: Runner, reason: str) -> None:
        runner.abandon(reason)
        if runner.stopped is not None:
            with answering(authority.radio.name):
                found = await key_radio(authority).key_state()
            ended = runner.journal.progress(ended_at=self._state.now(), outcome=Outcome.ABANDONED)
            await self._books(authority).give_up(runner.journal, ended, reason, found)
            self._runners.pop(authority.radio.name, None)
            await self._given_up(authority)
            return
        if (await runner.ended()).outcome is not Outcome.ABANDONED:
            raise Refused("It was too late: the network has switched.", rule=_RULE)

    async def _given_up(self, authority: HubAuthority) -> None:
        """The radio's key is the live one, whatever anybody had meant: who does not answer under it is listed."""
        self._troubles.pop(authority.radio.name, None)
        await authority.doubt(_network_id(authority))
        self._look_for_the_missing(authority)

    async def abandon(self, authority: HubAuthority, *, by: str) -> None:
        """Give up what is under way; see :meth:`hubsec.rekeying.RotatingKeys.abandon_rotation`."""
        state, name, network_id = self._state, authority.radio.name, _network_id(authority)
        if not state.enforcing:
            raise Refused("This hub only observes: it gives up no rotation.", rule="mode")
        with answering(name):
            found = await key_radio(authority).key_state()
        left, reason = await remains(state, network_id), f"{by} abandoned it."
        runner = self._under_way(name)
        if runner is not None:
            if left.ring_lost:
                await mend_ring(state, network_id, found)
                self._troubles.pop(name, None)
            await self._abandon(authority, runner, reason)
            return
        ended = await give_up(state, network_id, left, found)
        correlation = "" if ended is None else ended.rotation
        state.publish(RotationAbandoned(time=state.now(), radio=name, correlation=correlation, reason=reason))
        await self._given_up(authority)

    async def posture(self, authority: HubAuthority) -> KeyPosture | None:
        """How a radio's network stands with its key; None where nothing is known of it."""
        if authority.network_id is None:
            return None
        name, network_id = authority.radio.name, authority.network_id
        record = await self._state.store.network(authority.radio.network, network_id)
        past = await self._state.store.run(lambda store: store.rotations(network_id), writes=False)
        runner = self._under_way(name)
        last = next((one for one in past if one.outcome is Outcome.ROTATED), None)
        return KeyPosture(
            since=(record.rotated_at or record.first_seen) if record is not None else None,
            rotated=record is not None and record.rotated_at is not None,
            under_way=runner.progress if runner is not None else None,
            last=last,
            stragglers=stragglers(last, self._state.allowlist) if last is not None else (),
            # What a rotation has just dealt with stands no more, though nobody has looked yet.
            overdue=self._overdue.get(name, ())
            if await standing_needs(self._state, authority, self._rotating)
            else (),
            trouble=str(runner.stopped)
            if runner is not None and runner.stopped is not None
            else self._troubles.get(name, ""),
        )

    # What makes it due

    async def _keep_looking(self, authority: HubAuthority) -> None:
        while True:
            await self.look(authority)
            await asyncio.sleep(self._rotating.pace.idle)
            await self._compare_again(authority)

    async def look(self, authority: HubAuthority) -> None:
        """Is the key due? Begin what may begin by itself, and say what may not. Raises nothing."""
        name = authority.radio.name
        async with self._looking.setdefault(name, asyncio.Lock()):
            try:
                await self._look(authority)
            except HubsecError as error:
                _LOGGER.warning("%s: whether its key is due could not be found out: %s", name, error)

    async def _look(self, authority: HubAuthority) -> None:
        name = authority.radio.name
        if not self._state.enforcing or not authority.adopted or self._under_way(name) is not None:
            return
        needs = await standing_needs(self._state, authority, self._rotating)
        if not needs:
            self._overdue.pop(name, None)
            return
        plan, given_up_at = None, await self._given_up_at(authority)
        if acting(needs, self._rotating, given_up_at=given_up_at):
            with suppress(HubsecError):
                plan = await self.plan(authority, way=way_for(needs))
        against = objections(needs, plan, self._rotating, given_up_at=given_up_at)
        if not against and plan is not None:
            self._overdue.pop(name, None)
            reason = " ".join(need.reason for need in needs)
            await self.start(authority, plan, by=_BY, reason=reason)
            return
        if against != self._overdue.get(name):
            self._overdue[name] = against
            self._state.publish(
                RotationOverdue(
                    time=self._state.now(), radio=name, trigger=str(needs[0].trigger), reasons=against
                )
            )

    async def _given_up_at(self, authority: HubAuthority) -> float | None:
        """When the last rotation of that network was abandoned; None where it was not."""
        network_id = _network_id(authority)
        past = await self._state.store.run(lambda store: store.rotations(network_id, limit=1), writes=False)
        return past[0].ended_at if past and past[0].outcome is Outcome.ABANDONED else None

    # What happens meanwhile

    def on_event(self, event: Event) -> None:
        """What any radio, or the hub, says (rules 4 and 5)."""
        self.returns.on_event(event)
        authority = self._authorities.get(event.radio)
        if authority is None or not isinstance(authority.radio, KeyRadio):
            return
        runner = self._under_way(event.radio)
        match event:
            case Joined(device=str(device), name=name):
                if runner is not None:
                    runner.joined(device, name)
                self._write_down(note_return(self._state, authority, device))
            case Rejoined(device=str(device)):
                self._write_down(note_return(self._state, authority, device))
            case Evicted(device=str(device), enforced=True):
                if runner is not None:
                    runner.put_out(device)
                if event.still_holds_network_key:
                    self._write_down(self._note_and_look(authority, device))
            case Quarantined(device=str(device), enforced=True):
                if runner is not None:
                    runner.put_out(device)
            case KeysDisagree(repaired=False) if runner is None:
                self._on_disagreement(authority, event)
            case KeySent(exposed=True) if runner is not None:
                runner.exposed()
            case Exposed():
                if runner is not None:
                    runner.exposed()
                self._spawn(self.look(authority))
            case _:
                pass

    async def _note_and_look(self, authority: HubAuthority, device: Identity) -> None:
        with suppress(StoreError):  # told as the alarm
            await note_eviction(self._state, authority, device)
        self._spawn(self.look(authority))

    async def settle(self) -> None:
        """The hub closes: whatever runs ends where it is, when all that others count on is written."""
        while self._notes:
            await asyncio.wait(tuple(self._notes))
        for runner in self._runners.values():
            runner.close()
        await self.returns.settle()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _write_down[T](self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)
        # Whoever has asked for it may be gone.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())
        return task


_NOT_ENDED: Final = (
    "A rotation has not ended, and this hub only observes: it goes on under one that enforces."
)
_UNREADABLE: Final = (
    "Until it can be read no rotation goes on, and none is started. Restore the hub's folder from a backup; or give "
    "the rotation up, with the key that the radio has: `hubsec rotate --abandon`, or hub.abandon_rotation()."
)


def key_radio(authority: HubAuthority) -> KeyRadio:
    """That radio, as one that can change its network's key. Raises :class:`~hubsec.errors.NotEnforceable` with the
    reason where it can't."""
    radio = authority.radio
    can = radio.capabilities.rotation
    if can.support is not Support.NO and isinstance(radio, KeyRadio):
        return radio
    library = radio.capabilities.library
    if authority.radio.network is Network.ZWAVE:
        reason = (
            "Z-Wave has no way to change a network's keys over the air: its devices have to be included anew, by "
            "hub.reinclude()."
        )
    elif can.support is Support.NO:
        reason = f"A {library} radio can't change its network key{f': {can.note}' if can.note else ''}."
    else:
        reason = f"hubsec does not change the network key on a {library} radio yet."
    raise NotEnforceable(reason, capability="rotation")


def _network_id(authority: HubAuthority) -> str:
    if authority.network_id is None:
        raise Refused(f"{authority.radio.name} has not said which network it is on.", rule=_RULE)
    return authority.network_id


def _fresh_key() -> Secret:
    return Secret(os.urandom(KEY_BYTES))


def _target(name: str, outlook: Outlook, *, sleepy: bool) -> Target:
    return Target(
        name=name,
        delivery=Delivery.LEFT_OUT if outlook is Outlook.LEFT_OUT else Delivery.PENDING,
        sleepy=sleepy,
        alone=sleepy,
        waited=outlook is not Outlook.LOST,
    )
