"""The admissions of a hub, from their opening until nothing is left of them but their outcome.

The rules
1. An admission is open for one device on one radio. Its entry is durable before the radio hears of it.
2. What was known of a device that is admitted again (its marks, what is pinned, that it has been let in) goes on to
   hold: a crash in the middle finds a device that may work. A quarantined device has to be released first.
3. :meth:`Admissions.let_in` is the point of no return: the network key may leave from then on. When the window closes
   after that, the device has its exchange yet to do, and is judged by it.
4. The first word on how it ended counts. Whatever ended it, the radio is told to withdraw, and the entry of a
   device that did not join is what it was before, or none. Three things outlive that: a quarantine, where the device
   is, and that a listener has the key. An eviction leaves no entry.
5. Nothing that a radio or the store raises keeps an admission alive, and no cancellation parts it from its entry.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from hubsec.admission import Admission, Outcome
from hubsec.allowlist import checked_entry
from hubsec.audit.records import Act
from hubsec.authority import HubAuthority
from hubsec.device import Device, device_of
from hubsec.entries import Entry
from hubsec.errors import HubsecError, RadioError, Refused
from hubsec.events import (
    AdmissionClosed,
    AdmissionOpened,
    Event,
    Evicted,
    Joined,
    JoinFailed,
    Quarantined,
)
from hubsec.identity import SEALED, CredentialKind, Identity, Mark, SecurityClass
from hubsec.policy import OpenAdmission
from hubsec.radio import AdmissionOrder, answering
from hubsec.secret import Secret
from hubsec.state import HubState

_LOGGER = logging.getLogger(__name__)
# A radio waits the exchange limit for a device that was sent the key to show itself, and once more for its exchange.
EXCHANGE_WAITS: Final = 2
# What a radio may take, beyond that, to say how an exchange ended; seconds.
EXCHANGE_SLACK: Final = 2.0
_US: Final = "hubsec"
_BY: Final = "hubsec: the admission ended without it"


@dataclass(slots=True, eq=False)
class _Running:
    """An admission between its opening and its end."""

    admission: Admission
    before: Entry | None
    before_key: Secret | None = None
    adding: asyncio.Task[Entry] | None = None
    recorded: bool = False
    let_in: bool = False
    in_exchange: bool = False
    timer: asyncio.TimerHandle | None = None
    ending: asyncio.Task[None] | None = None

    @property
    def device(self) -> Identity:
        return self.admission.order.device


class Admissions:
    """`ways` is what deciding looks into: a live mapping of who may ask for the network key.

    `authorities` has the hub's half of each radio, by the radio's name.
    """

    def __init__(self, state: HubState, authorities: Mapping[str, HubAuthority]) -> None:
        self._state = state
        self._authorities = authorities
        self._running: dict[Identity, _Running] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing = False
        self._ended_one = asyncio.Event()
        self.ways: dict[Identity, OpenAdmission] = {}

    def make(
        self,
        entry: Entry,
        secret: Secret,
        *,
        radio: str,
        smart_start: bool | None = None,
        least: SecurityClass | None = None,
        replaces: Identity | None = None,
    ) -> Admission:
        """An admission that is not open yet. `smart_start`: by default as the entry says; `least`: what its device is
        to hold at least, besides what the policy asks; `replaces`: the failed node whose place it takes. Raises
        :class:`~hubsec.errors.Refused` where the policy takes no such device, and :class:`~hubsec.errors.EntryError`
        for an entry that can't be."""
        entry = checked_entry(entry)
        terms = self._state.policy.terms(entry.credential, entry.device_class, entry.maker)
        by_itself = entry.smart_start if smart_start is None else smart_start
        asked = terms.security if least is None else max(terms.security, least, key=lambda one: one.rank)
        order = AdmissionOrder(
            admission=f"admission-{secrets.token_hex(4)}",
            device=entry.device,
            name=entry.label,
            credential=entry.credential,
            secret=secret,
            window=terms.smart_start_window if by_itself else terms.window,
            exchange_limit=terms.exchange_limit,
            parents=terms.parents,
            least=asked,
            smart_start=by_itself,
            replaces=replaces,
        )
        admission = Admission(self, order, entry, radio=radio)
        self._check(admission)
        return admission

    async def quiet(self, radio: str) -> None:
        """Return once no admission is open on `radio`, nor anything of one under way."""
        while any(running.admission.radio == radio for running in self._running.values()):
            self._ended_one.clear()
            await self._ended_one.wait()

    # What others ask

    def correlation(self, device: Identity | None) -> str:
        """The id of the admission that is open for `device`, or nothing."""
        running = self._running.get(device) if device is not None else None
        return running.admission.id if running is not None else ""

    def let_in(self, device: Identity) -> None:
        """The network key may leave for `device` now (rule 3)."""
        running = self._running.get(device)
        if running is not None:
            running.let_in = True

    # Opening and closing

    async def vouch(self, entry: Entry, secret: Secret, *, radio: str) -> AdmissionOrder:
        """An admission that the radio itself has asked for, because its host named the device: open when this returns,
        and ended by its device or its time. Raises what :meth:`make` and :meth:`open` raise."""
        admission = self.make(entry, secret, radio=radio)
        await self.open(admission, tell_radio=False)
        return admission.order

    async def open(self, admission: Admission, *, tell_radio: bool = True) -> None:
        """Record it, say so, open the radio. :class:`Admission` calls this on entering its block.

        Raises :class:`~hubsec.errors.Refused`, :class:`~hubsec.errors.StoreError` or
        :class:`~hubsec.errors.RadioError`; nothing is open then, and no entry is left.
        """
        self._check(admission)
        device = admission.order.device
        authority = self._authorities[admission.radio]
        if not self._state.enforcing:
            raise Refused(
                "This hub only observes: who joins is up to the host. Enforce to admit.", rule="mode"
            )
        authority.must_be_adopted()
        if authority.switching:
            raise Refused(
                "The network key is being switched, as soon as the admissions that are open have ended, and a device "
                "that joins now would get the old one: try again in a few minutes.",
                rule="rotation",
            )
        if device in self._running:
            raise Refused(f"An admission for {device} is open already.", rule="admission")
        before = self._state.allowlist.get(device)
        if before is not None and before.quarantined is not None:
            raise Refused(f"{device} is quarantined: release it first, then admit it.", rule="quarantined")
        running = self._running[device] = _Running(admission, before)
        try:
            await self._record(running)
            self._say_open(running)
            if tell_radio:
                with answering(authority.radio.name):
                    await authority.radio.admit(admission.order)
                if admission.outcome is not None:
                    # What was withdrawn while it opened may have been opened after that.
                    await self._withdraw(running, admission.reason)
        except BaseException as error:
            cancelled = isinstance(error, asyncio.CancelledError)
            self._end(
                running,
                Outcome.CANCELLED if cancelled else Outcome.FAILED,
                str(error) or f"{admission.name} could not be admitted.",
                by=admission.entry.approved_by if cancelled else _US,
            )
            await self._ended(running)
            raise

    def _check(self, admission: Admission) -> None:
        if self._closing:
            raise HubsecError("The hub is closed: nothing can be admitted any more.")
        expires_at = admission.entry.expires_at
        if expires_at is not None and expires_at <= self._state.now():
            raise Refused("expires_at lies in the past: nobody could join.", rule="entry-expired")

    async def _record(self, running: _Running) -> None:
        admission, allowlist = running.admission, self._state.allowlist
        entry, before = admission.entry, running.before
        if before is not None:
            running.before_key = await allowlist.credential(running.device)
            entry = msgspec.structs.replace(
                entry,
                # Who came without a credential was not let in; it only was there.
                joined_at=None if before.credential is CredentialKind.NONE else before.joined_at,
                marks=before.marks,
                pinned=before.pinned,
                address=before.address,
            )
        adding = allowlist.add(entry, admission.order.secret if entry.credential in SEALED else None)
        # A task of its own: who is cancelled here must still be able to take back what the store goes on to write.
        running.adding = self._spawn(self._state.recorded(adding))
        await asyncio.shield(running.adding)
        # In a task of its own for the same reason; an admission that ends meanwhile has its end recorded behind it.
        await asyncio.shield(self._spawn(self._say_opening(running, entry)))
        if admission.outcome is not None:
            # Evicted, or the hub closed, while it was written.
            raise Refused(admission.reason, rule="admission")

    async def _say_opening(self, running: _Running, entry: Entry) -> None:
        await self._state.acted(_opening(running.admission, entry))
        running.recorded = True

    def _say_open(self, running: _Running) -> None:
        admission, now = running.admission, self._state.now()
        admission.closes_at = now + admission.order.window
        self.ways[running.device] = OpenAdmission(
            credential=admission.order.credential,
            opened_at=now,
            expires_at=admission.closes_at,
            radio=admission.radio,
        )
        self._set_timer(running, admission.order.window)
        self._state.publish(
            AdmissionOpened(
                time=now,
                radio=admission.radio,
                device=running.device,
                correlation=admission.id,
                name=admission.name,
                credential=admission.order.credential,
                closes_at=admission.closes_at,
                exposed=admission.exposed,
            )
        )

    async def close(self, admission: Admission) -> None:
        """Close the radio for it. :class:`Admission` calls this on leaving its block. Idempotent, raises nothing.

        A device that may have been sent the key by then goes on to its exchange, and is judged by that.
        """
        running = self._running.get(admission.order.device)
        if running is None or running.admission is not admission:
            return
        if running.let_in and admission.outcome is None:
            if self._shut_window(running):
                await self._withdraw(running, "Its window is over.")
            return
        reason = f"{admission.name} had not come when its block was left."
        self._end(running, Outcome.CANCELLED, reason, by=admission.entry.approved_by)
        await self._ended(running)

    async def give_up(self, device: Identity, reason: str, *, by: str) -> bool:
        """End the admission of a device that `by` evicts; what was there before it does not come back. Whether it may
        have been sent the key by then."""
        running = self._running.get(device)
        if running is None:
            return False
        self._end(running, Outcome.REFUSED, reason, by=by)
        await self._ended(running)
        return running.let_in

    async def resolve(self, device: Identity, *, came: bool, reason: str) -> None:
        """What became of a device that had been let in when its admission was left, of whom nobody has heard since: it
        `came`, or it did not, for that `reason`. Where there is no such admission this does nothing."""
        running = self._running.get(device)
        if running is None or not running.in_exchange:
            return
        entry = self._state.allowlist.get(device)
        if came and entry is not None:
            self._end(running, Outcome.JOINED, f"{running.admission.name} joined.", device_of(entry))
        else:
            self._end(running, Outcome.FAILED, reason)
        await self._ended(running)

    async def settle(self) -> None:
        """The hub closes: end every admission, and wait for what is under way. None opens after this."""
        self._closing = True
        for running in list(self._running.values()):
            self._end(running, Outcome.CANCELLED, f"The hub closed before {running.admission.name} was in.")
        while tasks := tuple(self._tasks):
            await asyncio.gather(*tasks, return_exceptions=True)
            # Where all are done already, gather returns without the loop having had its turn to call their discard.
            self._tasks.difference_update(tasks)

    # How it goes on

    def on_event(self, event: Event) -> None:
        """What the radio, or the hub's half of it, says of a device with an admission."""
        running = self._running.get(event.device) if event.device is not None else None
        if running is None or running.admission.id != event.correlation:
            return
        match event:
            case Joined():
                entry = self._state.allowlist.get(running.device)
                if entry is None:
                    self._end(
                        running, Outcome.REFUSED, f"{running.admission.name} was revoked while it joined."
                    )
                else:
                    self._end(running, Outcome.JOINED, f"{running.admission.name} joined.", device_of(entry))
            case Evicted(enforced=True) | Quarantined(enforced=True):
                self._end(running, Outcome.REFUSED, event.reason)
            case JoinFailed():
                self._end(running, Outcome.FAILED, event.reason)
            case _:
                pass

    def _shut_window(self, running: _Running) -> bool:
        """Nobody may ask for the key any more; who has it goes on to its exchange. Whether it was open."""
        if running.in_exchange or running.admission.outcome is not None:
            return False
        running.in_exchange = True
        self.ways[running.device] = msgspec.structs.replace(self.ways[running.device], expires_at=-math.inf)
        self._set_timer(running, EXCHANGE_WAITS * running.admission.order.exchange_limit + EXCHANGE_SLACK)
        return True

    def _set_timer(self, running: _Running, seconds: float) -> None:
        if running.timer is not None:
            running.timer.cancel()
        running.timer = asyncio.get_running_loop().call_later(seconds, self._time_is_up, running)

    def _time_is_up(self, running: _Running) -> None:
        name, order = running.admission.name, running.admission.order
        if running.in_exchange:
            self._end(running, Outcome.EXPIRED, f"{name} was sent the key and did not show that it is in.")
        elif not running.let_in:
            self._end(running, Outcome.EXPIRED, f"{name} did not join within {order.window:g} s.")
        elif self._shut_window(running):
            self._spawn(self._withdraw(running, "Its window is over."))

    # How it ends

    def _end(
        self,
        running: _Running,
        outcome: Outcome,
        reason: str,
        device: Device | None = None,
        *,
        by: str = _US,
    ) -> None:
        admission = running.admission
        if not admission.end(outcome, reason, device):
            return
        if running.timer is not None:
            running.timer.cancel()
        opened = self.ways.pop(running.device, None) is not None
        if opened:
            self._state.publish(
                AdmissionClosed(
                    time=self._state.now(),
                    radio=admission.radio,
                    device=running.device,
                    correlation=admission.id,
                    outcome=str(outcome),
                    reason=reason,
                )
            )
        running.ending = self._spawn(self._wind_up(running, opened=opened, by=by))

    async def _ended(self, running: _Running) -> None:
        if running.ending is not None:
            await asyncio.shield(running.ending)

    async def _wind_up(self, running: _Running, *, opened: bool, by: str) -> None:
        try:
            if opened:
                await self._withdraw(running, running.admission.reason)
            if running.recorded:
                await self._state.recorder.closing(_closing(running.admission, by))
            await self._put_right(running)
        except HubsecError:
            _LOGGER.warning("The entry of %s outlived its admission.", running.device)
        finally:
            del self._running[running.device]
            self._ended_one.set()
            for authority in self._authorities.values():
                authority.forget(running.device)

    async def _withdraw(self, running: _Running, reason: str) -> None:
        admission = running.admission
        try:
            with answering(admission.radio):
                await self._authorities[admission.radio].radio.withdraw(admission.id, reason)
        except RadioError as error:
            self._state.lost(admission.radio, str(error))

    async def _put_right(self, running: _Running) -> None:
        """If it let nobody in, the device's entry is what it was before, or none (rule 4)."""
        if running.adding is None:
            return
        await asyncio.wait([running.adding])
        if running.adding.exception() is not None:
            return
        state, outcome, before = self._state, running.admission.outcome, running.before
        entry = state.allowlist.get(running.device)
        if outcome is Outcome.JOINED or entry is None or entry.quarantined is not None:
            return
        if before is None or outcome is Outcome.REFUSED:
            await state.recorded(state.allowlist.revoke(running.device, by=_BY))
            return
        exposed = entry.marks & {Mark.EXPOSED}
        # Where it is may have changed meanwhile, and is not the admission's to take back.
        before = msgspec.structs.replace(before, marks=before.marks | exposed, address=entry.address)
        await state.recorded(state.allowlist.put_back(before, running.before_key, by=_BY))

    def _spawn[T](self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _opening(admission: Admission, entry: Entry) -> Act:
    """What is recorded before anybody hears of an admission."""
    order = admission.order
    return Act(
        act="admission-opened",
        by=entry.approved_by,
        radio=admission.radio,
        device=order.device,
        correlation=order.admission,
        details={"credential": order.credential, "window": order.window, "smart_start": order.smart_start},
    )


def _closing(admission: Admission, by: str) -> Act:
    """What is recorded once nobody can come in by it any more."""
    order = admission.order
    return Act(
        act="admission-closed",
        by=by,
        radio=admission.radio,
        device=order.device,
        correlation=order.admission,
        reason=admission.reason,
        details={"outcome": str(admission.outcome)},
    )
