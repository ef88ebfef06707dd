"""Who asks in, who is let in, and how that ends: the shell around :mod:`.admissions`.

1. A stranger's try never reaches the host. It is judged, a few at a time, and told of.
2. A try of a device with an open admission is judged; the network key leaves after an Allow, which is
durable,
   and to that short address through that parent alone. The host hears of the join when the device has proved
   that it holds the key.
3. Without DEFER_JOINS the NCP has sent the key by itself when it tells of the try; who is then not allowed is
   put out again.
4. When the exchange has ended the hub judges it; who may not stay is evicted.
5. An unsecured rejoin is refused: the NCP can open those to everybody only; but see :mod:`.taking_back`. A secured
   one: :mod:`.returning`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, assert_never

from hubsec.decisions import Allow, Decision, Deny, Evict, Knock, Quarantine
from hubsec.errors import RadioError
from hubsec.events import Denied, Joined, KeySent, Knocked, ListeningClosed
from hubsec.events import Quarantined as QuarantinedEvent
from hubsec.identity import CredentialKind, Identity, Standing
from hubsec.radio import AdmissionOrder
from hubsec.requests import ExchangeRequest, JoinKind, JoinRequest
from hubsec_zigbee.admissions import Admission
from hubsec_zigbee.desk import LOGGER, Desk
from hubsec_zigbee.frames import names_nobody
from hubsec_zigbee.limits import MAX_LISTENING
from hubsec_zigbee.makers import maker_of
from hubsec_zigbee.ncp import Ncp, identity_from
from hubsec_zigbee.receiving import ReceivePath
from hubsec_zigbee.returning import JOIN_HANDLER, Host, Returning
from hubsec_zigbee.roster import COORDINATOR, Roster
from hubsec_zigbee.settings import Wish
from hubsec_zigbee.strangers import Strangers

# EmberDeviceUpdate (4.4.3.2).
_SECURED_REJOIN: Final = 0
_UNSECURED_JOIN: Final = 1
_DEVICE_LEFT: Final = 2
_UNSECURED_REJOIN: Final = 3
_DENY_JOIN: Final = 2
"""EmberJoinDecision DENY_JOIN."""

VERIFY_KEY_SUCCESS: Final = 0x34
"""EmberKeyStatus TC_REQUESTER_VERIFY_KEY_SUCCESS."""
FAILURES: Final = frozenset({0x04, 0x05, 0x08, 0x0A, 0x12, 0x13, 0x32, 0x33})
"""EmberKeyStatus: time-out, table full, response failed, no link key, generating or sending it failed,
Verify-Key late or wrong."""

TCLK_REVISION: Final = 21
"""The stack revision from which on a device owes a link key exchange (Zigbee specification 4.7.3.4; older
ones leave the field 0)."""

_NO_ORDER: Final = "no-order"
_PARENT: Final = "parent"
_RADIO: Final = "radio"
_UNSECURED: Final = "unsecured-rejoin"
_ENDED: Final = "Its admission ended before the key could be sent."


@dataclass(frozen=True, slots=True)
class _Try:
    """Somebody asked for the network key. `args` are the callback's; `sent`: the NCP has sent it by
    itself."""

    device: Identity
    short: int
    parent: int
    kind: JoinKind
    args: Any
    sent: bool

    @property
    def place(self) -> tuple[Identity, int, int]:
        """Who, and where."""
        return self.device, self.short, self.parent


class Joining:
    """See the module. `suppressed` counts tries that were too many to be judged."""

    def __init__(self, desk: Desk, ncp: Ncp, roster: Roster, receiving: ReceivePath, host: Host) -> None:
        self._desk = desk
        self._ncp = ncp
        self._roster = roster
        self._receiving = receiving
        self._host = host
        self._returning = Returning(desk, ncp, roster, receiving, host, self)
        self._admissions: dict[Identity, Admission] = {}
        self._calls: dict[int, Any] = {}
        self._in_flight: dict[tuple[Identity, int, int], bool] = {}
        self._strangers = Strangers()
        self._listening_until: float | None = None
        self._erased: set[str] = set()
        self.suppressed = 0

    # What is wished for

    def wishes(self) -> tuple[Wish, ...]:
        """What every admission needs now."""
        now = self._desk.now()
        return tuple(admission.wish(now) for admission in self._admissions.values())

    @property
    def listening(self) -> bool:
        """Whether knocks are heard."""
        return self._listening_until is not None and self._desk.now() < self._listening_until

    def open_to(self) -> tuple[Identity, ...]:
        """Who may associate now."""
        now = self._desk.now()
        return tuple(device for device, admission in self._admissions.items() if admission.associating(now))

    def expected(self) -> tuple[Identity, ...]:
        """Who has an admission that has not ended."""
        return tuple(self._admissions)

    def open_for(self) -> float:
        """Seconds that somebody still has to be permitted."""
        now = self._desk.now()
        ends = [a.window_ends for a in self._admissions.values() if a.associating(now)]
        if self._listening_until is not None:
            ends.append(self._listening_until)
        return max(0.0, max(ends, default=now) - now)

    def next_moment(self) -> float | None:
        """When time next changes something."""
        now = self._desk.now()
        moments = [m for a in self._admissions.values() for m in (*a.turning_points(now), a.deadline())]
        if self._listening_until is not None:
            moments.append(self._listening_until)
        return min((moment for moment in moments if moment < float("inf")), default=None)

    # Orders

    def open(self, order: AdmissionOrder) -> None:
        """Begin an admission."""
        before = self._admissions.get(order.device)
        if before is not None and before.associating(self._desk.now()):
            raise RadioError(f"An admission for {order.device} is open on {self._desk.name} already.")
        if before is not None:
            self._forget(before)
        if order.credential is CredentialKind.APPROVAL and not self._host.defers:
            raise RadioError("This firmware lacks DEFER_JOINS: nobody can be approved, install codes only.")
        self._receiving.shut.pop(order.device, None)
        self._admissions[order.device] = Admission(order, self._desk.now())

    def cancel(self, order: AdmissionOrder) -> None:
        """Take back what :meth:`open` began, because the NCP would not go along."""
        admission = self._admissions.get(order.device)
        if admission is not None and admission.order is order:
            self._forget(admission)

    def withdraw(self, admission_id: str) -> bool:
        """Shut one admission's window. Whether there was one."""
        for admission in self._admissions.values():
            if admission.order.admission == admission_id:
                admission.withdraw()
                return True
        return False

    def listen(self, seconds: float, by: str) -> None:
        """Hear knocks for that long from now on, or no more."""
        if not 0 <= seconds <= MAX_LISTENING:
            raise RadioError(f"A listening window lasts at most {MAX_LISTENING:g} s, not {seconds:g}.")
        if not self._host.defers and seconds:
            raise RadioError(
                "This firmware lacks DEFER_JOINS: knocks can't be heard without letting strangers in."
            )
        if seconds:
            self._strangers = Strangers()
            self._listening_until = self._desk.now() + seconds
        else:
            self._stop_listening(f"{by} stopped it.")

    def _stop_listening(self, reason: str) -> None:
        if self._listening_until is not None:
            self._listening_until = None
            self._desk.publish(ListeningClosed, reason=reason)

    def tick(self) -> None:
        """Time has passed."""
        now = self._desk.now()
        for admission in list(self._admissions.values()):
            if admission.tick(now):
                self._over(admission)
        if self._listening_until is not None and now >= self._listening_until:
            self._stop_listening("The time is over.")

    def clear(self) -> None:
        """The radio is closed: nothing is open any more."""
        for admission in list(self._admissions.values()):
            self._forget(admission)
        self._stop_listening("The radio was closed.")

    # From the NCP

    def on_join(self, args: Any) -> bool:
        """trustCenterJoinHandler: whether the host may hear of it now."""
        short, eui64, status, decision, parent = args
        device, kind = identity_from(eui64), int(status)
        if names_nobody(device) or kind not in (
            _SECURED_REJOIN,
            _UNSECURED_JOIN,
            _DEVICE_LEFT,
            _UNSECURED_REJOIN,
        ):
            self._desk.malformed("ezsp", f"{JOIN_HANDLER}: status {kind} of {device}")
            return False
        if kind == _DEVICE_LEFT:
            return self._returning.left(device)
        if kind == _SECURED_REJOIN:
            admission = self._admissions.get(device)
            if admission is not None and int(short) in admission.sent_to:
                self.proved(device, int(short))
            return self._returning.came_back(device, int(short), int(parent), args)
        join = JoinKind.JOIN if kind == _UNSECURED_JOIN else JoinKind.UNSECURED_REJOIN
        self._asks(_Try(device, int(short), int(parent), join, args, sent=int(decision) < _DENY_JOIN))
        return not self._desk.enforcing

    def on_key(self, partner: Any, status: int) -> None:
        """zigbeeKeyEstablishmentHandler."""
        admission = self._admissions.get(identity_from(partner))
        if admission is None:
            return
        if status in FAILURES:
            admission.failed()
        elif status == VERIFY_KEY_SUCCESS:
            if not admission.joined and admission.sent_to:
                self.proved(admission.order.device, min(admission.sent_to))
            if admission.established(self._desk.now()):
                self._over(admission)

    def proved(self, device: Identity, short: int) -> None:
        """A frame came from a short address that was sent the network key."""
        admission = self._admissions.get(device)
        if admission is None or not admission.proved(short, self._desk.now()):
            self._receiving.waiting.pop(short, None)
            return
        call = self._calls.get(short)
        self._stop_waiting(admission)
        self._roster.learn(device, short, parent=int(call[4]) if call is not None else None)
        self._host.came(device)
        if call is not None:
            self._host.deliver(JOIN_HANDLER, call)
        self._desk.spawn(self._host.reconcile(), f"{device} has joined")

    def interviewed(self, device: Identity) -> None:
        """Its node descriptor is there now: a stack before revision 21 owes no exchange (Zigbee specification
        4.7.3.4)."""
        admission = self._admissions.get(device)
        revision = self._host.stack_revision(device)
        if (
            admission is not None
            and revision is not None
            and revision < TCLK_REVISION
            and admission.owes_none()
        ):
            self._over(admission)

    # Asking in

    def _asks(self, asked: _Try) -> None:
        now, device = self._desk.now(), asked.device
        admission = self._admissions.get(device)
        if admission is not None and asked.kind is JoinKind.JOIN and admission.associating(now):
            taken = admission.tried(asked.short, asked.parent, now)
            attempt = admission.attempts_from(asked.short, asked.parent)
        elif self._answered(asked):
            return
        else:
            taken = self._strangers.take(device, now, listening=self.listening)
            attempt = self._strangers.tries(device)
        if not taken:
            self.suppressed += 1
        elif asked.place in self._in_flight:
            self._in_flight[asked.place] = True
        else:
            self._in_flight[asked.place] = False
            self._desk.spawn(self._answer(asked, attempt), f"answer {device}")

    def _answered(self, asked: _Try) -> bool:
        """Whether this is one more report of a try that was answered: a router tells of each device twice,
        and the second may come when the admission's window has ended by the join."""
        admission = self._admissions.get(asked.device)
        return (
            admission is not None
            and asked.kind is JoinKind.JOIN
            and asked.short in admission.sent_to
            and not admission.associating(self._desk.now())
        )

    async def _answer(self, asked: _Try, attempt: int) -> None:
        try:
            again = True
            while again:
                await self._answer_once(asked, attempt)
                again, self._in_flight[asked.place] = self._in_flight[asked.place], False
                again = again and not self._answered(asked)
                attempt += 1
        finally:
            del self._in_flight[asked.place]

    async def _answer_once(self, asked: _Try, attempt: int) -> None:
        request = JoinRequest(
            radio=self._desk.name,
            network=self._desk.network,
            device=asked.device,
            kind=asked.kind,
            parent=await self._returning.parent(asked.parent),
            through_router=asked.parent != COORDINATOR,
            attempt=attempt,
        )
        decision = await self._desk.judge(request)
        match decision:
            case Allow():
                decision = self._held_to_order(decision, request)
                if isinstance(decision, Allow) and self._desk.enforcing:
                    decision = await self._let_in(asked, decision)
            case Knock():
                self._desk.publish(
                    Knocked,
                    device=asked.device,
                    maker=maker_of(asked.device),
                    parent=request.parent,
                    enforced=self._desk.enforcing,
                )
            case Deny() | Quarantine() | Evict():
                pass
            case _:
                assert_never(decision)
        if isinstance(decision, Allow) or self._answered(asked):
            return
        if not isinstance(decision, Knock):
            self.denied(decision, request)
        await self._kept_out(asked, decision)

    def _held_to_order(self, decision: Allow, request: JoinRequest) -> Decision:
        """An Allow is good for what this radio was ordered to let in, and for nothing else."""
        if request.kind is JoinKind.UNSECURED_REJOIN:
            return Deny(
                _UNSECURED,
                "This radio can take back a device without the network key only by opening to all of them.",
            )
        admission = self._admissions.get(request.device)
        if not self._desk.enforcing:
            return decision
        if admission is None or not admission.associating(self._desk.now()):
            return Deny(_NO_ORDER, "No admission for this device is open on this radio.")
        allowed = admission.order.parents
        if request.through_router and allowed is not None and request.parent not in allowed:
            return Deny(_PARENT, "It came through a router that its admission does not allow.")
        return decision

    def denied(self, decision: Decision, request: JoinRequest) -> None:
        """Tell that a device got nothing."""
        self._desk.publish(
            Denied,
            device=request.device,
            reason=decision.reason,
            rule=decision.rule,
            kind=request.kind,
            parent=request.parent,
            correlation=self.correlation(request.device),
            enforced=self._desk.enforcing,
        )

    async def _kept_out(self, asked: _Try, decision: Decision) -> None:
        """After a no: bound who takes a child slot, and take back what the NCP gave by itself."""
        sent = asked.sent and self._desk.enforcing and not self._is_in(asked.device)
        if sent and asked.kind is JoinKind.UNSECURED_REJOIN:
            sent = not await self._host.sent_nothing(asked.device)
        if sent:
            await self._host.put_out(asked.device, decision, self.correlation(asked.device))
        if self.listening and self._strangers.too_many:
            self._stop_listening("Too many strangers came; each takes a place that a device may need.")
            await self._host.reconcile()

    def _is_in(self, device: Identity) -> bool:
        """What the NCP sent only the device itself can open: who is in is not put out for a claim of its name.

        How a device stands is asked of one that the host has, only: who is asked after counts as heard while adoption
        waits, and anybody can claim any name.
        """
        known = self._host.knows(device)
        return known and self._desk.standing(device) in (Standing.APPROVED, Standing.ADOPTED)

    async def _let_in(self, asked: _Try, decision: Allow) -> Decision:
        """Send the key. What becomes of the Allow: itself, or a Deny where the NCP did not go along."""
        device, short = asked.device, asked.short
        admission = self._admissions[device]
        order = admission.order
        self._calls[short] = asked.args
        self._receiving.waiting[short] = device
        forgotten = admission.key_sent(short, self._desk.now())
        if forgotten is not None:
            self._waits_no_more(device, forgotten)
        why = "" if asked.sent else await self._send(admission, short, asked.parent)
        if why:
            admission.key_not_sent(short)
            self._waits_no_more(device, short)
            return Deny(_RADIO, why)
        self._desk.publish(
            KeySent,
            device=device,
            correlation=order.admission,
            rule=decision.rule,
            reason=decision.reason,
            credential=order.credential,
            exposed=order.credential is not CredentialKind.INSTALL_CODE,
        )
        await self._host.reconcile()
        return decision

    async def _send(self, admission: Admission, short: int, parent: int) -> str:
        """Why it was not sent; empty when it was."""
        order = admission.order
        try:
            if order.admission not in self._erased:
                # A key of an earlier life would be taken instead of the one that it comes with now.
                self._erased.add(order.admission)
                await self._ncp.erase_link_key(order.device)
            if not self._still_open(admission):
                return _ENDED
            if await self._ncp.send_network_key(order.device, short, parent):
                return ""
            # Transient keys run out (TRANSIENT_KEY_TIMEOUT_S): reconciling puts it back.
            await self._host.reconcile()
            if not self._still_open(admission):
                return _ENDED
            if await self._ncp.send_network_key(order.device, short, parent):
                return ""
        except RadioError as error:
            return str(error)
        return "The NCP has no link key for it."

    def _still_open(self, admission: Admission) -> bool:
        """Whether it may still be answered: much can end while the NCP is spoken to."""
        mine = self._admissions.get(admission.order.device) is admission
        return mine and self._desk.enforcing and admission.associating(self._desk.now())

    # The end of an admission

    def _over(self, admission: Admission) -> None:
        self._stop_waiting(admission)
        if admission.joined:
            self._desk.spawn(self._exchanged(admission), f"end of the exchange with {admission.order.device}")
        else:
            self._forget(admission)
            self._desk.spawn(self._host.reconcile(), f"end of the admission of {admission.order.device}")

    async def _exchanged(self, admission: Admission) -> None:
        order, state = admission.order, admission.link_key
        try:
            await self._host.reconcile()
        except RadioError as error:  # What the device did is judged all the same; it is tried again.
            LOGGER.warning("%s: after the exchange with %s: %s", self._desk.name, order.device, error)
        if state is not None:
            request = ExchangeRequest(
                radio=self._desk.name,
                network=self._desk.network,
                device=order.device,
                link_key=state,
                stack_revision=self._host.stack_revision(order.device),
            )
            try:
                await self._concluded(order, await self._desk.judge(request), request)
            finally:
                self._forget(admission)

    async def _concluded(self, order: AdmissionOrder, decision: Decision, request: ExchangeRequest) -> None:
        match decision:
            case Allow():
                self._desk.publish(
                    Joined,
                    device=order.device,
                    correlation=order.admission,
                    name=order.name,
                    credential=order.credential,
                    link_key=request.link_key,
                    marks=decision.marks,
                )
            case Quarantine():
                self.shut_off(order.device, decision, order.admission)
            case Evict() | Deny() | Knock():
                await self._host.put_out(order.device, decision, order.admission)
            case _:
                assert_never(decision)

    def shut_off(self, device: Identity, decision: Decision, correlation: str = "") -> None:
        """The hub has quarantined it, or would have."""
        if self._desk.enforcing:
            self._host.stop_interview(device)
        else:
            self._desk.publish(
                QuarantinedEvent,
                device=device,
                correlation=correlation,
                reason=decision.reason,
                rule=decision.rule,
                enforced=False,
            )

    def _forget(self, admission: Admission) -> None:
        self._stop_waiting(admission)
        self._erased.discard(admission.order.admission)
        if self._admissions.get(admission.order.device) is admission:
            del self._admissions[admission.order.device]

    def _stop_waiting(self, admission: Admission) -> None:
        for short in admission.sent_to:
            self._waits_no_more(admission.order.device, short)

    def _waits_no_more(self, device: Identity, short: int) -> None:
        if self._receiving.waiting.get(short) == device:
            del self._receiving.waiting[short]
            self._calls.pop(short, None)

    def end(self, device: Identity) -> None:
        """It is put out: its admission ends with it."""
        admission = self._admissions.get(device)
        if admission is not None:
            self._forget(admission)
            self._desk.spawn(self._host.reconcile(), f"end of the admission of {device}")

    def correlation(self, device: Identity) -> str:
        """The admission that is under way for `device`, or nothing."""
        admission = self._admissions.get(device)
        return admission.order.admission if admission is not None else ""
