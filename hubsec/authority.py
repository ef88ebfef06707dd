"""The hub's half of every join: judge, record, apply, in this order.

A radio asks through an :class:`HubAuthority` of its own. What comes back is durable. What follows from a decision for
the allowlist (a mark, a pin, a quarantine) is durable too when :meth:`HubAuthority.judge` returns, so that a radio
which acts on it never runs ahead of the record. Writing takes time, in which an admission may end or an entry be
revoked: what is allowed is therefore decided once more when all is written.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol, assert_never

import msgspec

from hubsec.decisions import Allow, Decision, Deny, Evict, Knock, Quarantine
from hubsec.entries import Entry, Pinned
from hubsec.errors import EntryError, Refused, StoreError
from hubsec.events import Event, Exposed, IdentityChanged, IdentityPinned, Marked
from hubsec.events import Quarantined as QuarantinedEvent
from hubsec.identity import (
    CredentialKind,
    Identity,
    Mark,
    Mode,
    SecurityClass,
    Standing,
    dsk_identity,
    is_address,
)
from hubsec.policy import Context, OpenAdmission, decide
from hubsec.radio import AdmissionOrder, Radio, SeenDevice, answering
from hubsec.recorder import asked
from hubsec.requests import (
    ExchangeRequest,
    IdentifyRequest,
    JoinKind,
    JoinRequest,
    OpenKind,
    OpenRequest,
    PresenceRequest,
    Request,
)
from hubsec.rotation.missing import doubt
from hubsec.secret import Secret
from hubsec.store import Record

if TYPE_CHECKING:
    from hubsec.state import HubState
    from hubsec.vault import Vault

# The span, in seconds, that a policy's rate of knocks is counted over; see hubsec.policy.Context.
KNOCK_SPAN: Final = 60.0
# Devices without an entry in force whose judgement is remembered; ten times a large house. Who makes up more
# addresses than that has the oldest judged anew.
JUDGED_KEPT: Final = 4096
LOG_DAMAGED: Final = "log-damaged"
"""The rule by which nobody is let in while the audit log is damaged."""
_CONDEMNED: Final = "to-leave"
"""The rule of a quarantine that lasts until its device has left."""
_LEFT: Final = "hubsec: the device left"


class Ways(Protocol):
    """What deciding needs to know of the hub's admissions (:class:`hubsec.admissions.Admissions`)."""

    @property
    def ways(self) -> Mapping[Identity, OpenAdmission]:
        """Who may ask for the network key; live."""

    def correlation(self, device: Identity | None) -> str:
        """The id of the admission that is open for `device`, or nothing."""

    def let_in(self, device: Identity) -> None:
        """The network key may leave for `device` now."""

    async def vouch(self, entry: Entry, secret: Secret, *, radio: str) -> AdmissionOrder:
        """An admission that a radio has asked for, open when this returns."""


class HubAuthority:
    """What one radio may ask of its hub (:class:`hubsec.radio.Authority`), and what the hub knows of that radio.

    `window` stands for the listening window that is open, None when there is none. `switching`: the network key is
    being switched, or is to be when no admission is open any more, so that none may begin.
    """

    def __init__(self, state: HubState, admissions: Ways, radio: Radio) -> None:
        self._state = state
        self._admissions = admissions
        self.radio = radio
        self.network_id: str | None = None
        self.adopted = False
        self.exposed = False
        self.window: object | None = None
        self.switching = False
        self._judged: dict[Identity, Standing] = {}
        self._heard: dict[Identity, None] = {}
        self._places: dict[Identity, Identity] = {}
        self._knocks: deque[float] = deque()

    @property
    def mode(self) -> Mode:
        """Whether decisions are to be carried out."""
        return self._state.mode

    @property
    def listening(self) -> bool:
        """Whether a listening window is open."""
        return self.window is not None

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return self._state.now()

    @property
    def vault(self) -> Vault:
        """Where secrets are kept sealed."""
        return self._state.vault

    def publish(self, event: Event) -> None:
        """Put an event on the bus."""
        self._state.publish(event)

    def entry(self, device: Identity) -> Entry | None:
        """The allowlist's row, or None."""
        return self._state.allowlist.get(device)

    def entries(self) -> Sequence[Entry]:
        """The allowlist's rows of this radio's network."""
        network = self.radio.network
        return tuple(entry for entry in self._state.allowlist.values() if entry.network is network)

    async def secret(self, device: Identity) -> Secret | None:
        """The sealed credential of an entry of this radio's network, opened; None where it has none."""
        entry = self.entry(device)
        if entry is None or entry.network is not self.radio.network:
            return None
        return await self._state.allowlist.credential(device)

    def least_security(self, device_class: str | None) -> SecurityClass:
        """The least security class that the policy asks of a device of that class."""
        return self._state.policy.least_security(device_class)

    async def vouch(
        self, secret: Secret, *, by: str, device_class: str | None = None, smart_start: bool = False
    ) -> AdmissionOrder:
        """An admission for the device whose DSK `by` has given; see :class:`hubsec.radio.Authority`."""
        device = dsk_identity(secret.reveal())
        decision = await self.judge(
            OpenRequest(
                radio=self.radio.name,
                network=self.radio.network,
                kind=OpenKind.INCLUSION,
                asker=by,
                seconds=0,
                device=device,
            )
        )
        if not isinstance(decision, Allow):
            raise Refused(decision.reason, rule=decision.rule)
        now = self.now()
        entry = Entry(
            device=device,
            network=self.radio.network,
            credential=CredentialKind.DSK,
            label=f"Z-Wave device {device.partition('-')[0]}",
            approved_by=by,
            approved_at=now,
            device_class=device_class,
            smart_start=smart_start,
        )
        before = self.entry(device)
        if before is not None:
            # What an operator has said of it is not a host's to change, least of all until when it may be here.
            entry = msgspec.structs.replace(
                entry,
                label=before.label,
                use=before.use,
                expires_at=before.expires_at if _in_time(before, now) else None,
                device_class=before.device_class or device_class,
                maker=before.maker,
            )
        return await self._admissions.vouch(entry, secret, radio=self.radio.name)

    async def condemn(self, device: Identity, reason: str, *, by: str = "hubsec") -> None:
        """Shut `device` off until it has left; see :class:`hubsec.radio.Authority`."""
        state, now, entry = self._state, self.now(), self.entry(device)
        if not state.enforcing:
            self._shut_off(device, Quarantine(_CONDEMNED, reason))
            return
        said = self.standing(device) is Standing.QUARANTINED
        self.forget(device)
        if entry is None:
            kept = Entry(
                device=device,
                network=self.radio.network,
                credential=CredentialKind.NONE,
                label=device,
                approved_by=by,
                approved_at=now,
                joined_at=now,
                expires_at=now,
                quarantined=reason,
                address=self.place(device),
            )
            await state.recorded(state.allowlist.add(kept))
        else:
            changes = {"quarantined": entry.quarantined or reason, "expires_at": now}
            await state.recorded(state.allowlist.update(device, by=by, **changes))
        if not said:
            self._say_quarantined(device, Quarantine(_CONDEMNED, reason))

    async def departed(self, device: Identity) -> None:
        """The device is no longer on the network; see :class:`hubsec.radio.Authority`.

        An entry whose time is over was kept for its quarantine alone, and ends as well.
        """
        self.forget(device)
        self._heard.pop(device, None)
        self._places.pop(device, None)
        entry = self.entry(device)
        if entry is None or entry.network is not self.radio.network:
            return
        # Revoked meanwhile? Then all is said.
        with contextlib.suppress(EntryError):
            if is_address(device) or not _in_time(entry, self.now()):
                await self._state.recorded(self._state.allowlist.revoke(device, by=_LEFT))
            else:
                await self._state.recorded(self._state.allowlist.update(device, by=_LEFT, address=None))

    def place(self, device: Identity) -> Identity | None:
        """Where on the network `device` is, as far as its identity does not say it."""
        entry = self.entry(device)
        return self._places.get(device) if entry is None else entry.address

    def devices(self) -> Sequence[SeenDevice]:
        """What the radio lists, and who else was heard while adoption waits: the host's own list may be lost, too.

        Raises :class:`~hubsec.errors.RadioError`.
        """
        with answering(self.radio.name):
            listed = tuple(self.radio.devices())
        known = {seen.device for seen in listed}
        return (*listed, *(SeenDevice(device=one, name=one) for one in self._heard if one not in known))

    def standing(self, device: Identity) -> Standing:
        """How `device` stands; constant time.

        An entry counts from the moment that the device was let in until it expires; before and after, it stands as the
        policy says of it.
        """
        entry = self._state.allowlist.get(device)
        if entry is not None:
            if entry.quarantined is not None:
                return Standing.QUARANTINED
            if entry.joined_at is not None and _in_time(entry, self.now()):
                return Standing.ADOPTED if entry.credential is CredentialKind.ADOPTED else Standing.APPROVED
        if not self.adopted:
            if device not in self._heard and len(self._heard) < JUDGED_KEPT:
                self._heard[device] = None
            return Standing.ADOPTED
        return self._judged.get(device, Standing.UNKNOWN)

    async def doubt(self, network_id: str) -> None:
        """Its radio had a key that this network has left; see :class:`hubsec.radio.Authority`."""
        await doubt(self._state, network_id)

    def confirm_adoption(self) -> None:
        """From now on a device without entry is a stranger."""
        self.adopted = True
        self._judged.clear()
        self._heard.clear()

    def must_be_adopted(self) -> None:
        """Raises :class:`~hubsec.errors.Refused` while the network's devices are not confirmed, and
        :class:`~hubsec.errors.StoreError` while the audit log is damaged."""
        self._state.must_be_whole()
        if not self.adopted:
            raise Refused(
                f"The devices that {self.radio.name} already has are not confirmed: look at hub.posture(), "
                "then call hub.adopt().",
                rule="adoption",
            )

    def entered(self, device: Identity) -> bool:
        """Whether `device` may have been given the network key: it was let in, or is there."""
        entry = self.entry(device)
        return (entry is not None and entry.joined_at is not None) or device in {
            seen.device for seen in self.devices()
        }

    def would_give_again(self, device: Identity) -> bool:
        """Whether the policy would give `device` the network key again, if it said that it lost it."""
        asked = JoinRequest(
            radio=self.radio.name,
            network=self.radio.network,
            device=device,
            kind=JoinKind.UNSECURED_REJOIN,
            parent=None,
            through_router=False,
        )
        return isinstance(decide(asked, self._state.policy, self._context()), Allow)

    def has_met(self, device: Identity) -> bool:
        """Whether `device` was judged as being there, and is not forgotten."""
        return device in self._judged

    def forget(self, device: Identity) -> None:
        """Ask anew about `device` when it is next heard."""
        self._judged.pop(device, None)

    async def judge(self, request: Request) -> Decision:
        """The decision, recorded, with what follows from it for the allowlist recorded too."""
        state = self._state
        while True:
            decision = self._decide(request)
            await self._record(request, decision)
            await state.recorded(self._apply(request, decision))
            if not isinstance(decision, Allow):
                return decision
            if isinstance(self._decide(request), Allow):
                break
        if state.enforcing and isinstance(request, JoinRequest) and request.kind is JoinKind.JOIN:
            self._admissions.let_in(request.device)
        return decision

    def _decide(self, request: Request) -> Decision:
        """As the policy says; but nothing opens, and no key leaves, while the audit log is damaged: who wrote to it may
        have written to the allowlist."""
        state = self._state
        decision = decide(request, state.policy, self._context())
        fault = state.fault if state.enforcing else None
        if fault is not None and isinstance(decision, Allow) and _lets_in(request):
            return Deny(LOG_DAMAGED, fault)
        return decision

    async def _record(self, request: Request, decision: Decision) -> None:
        if isinstance(decision, Knock):
            self._knocks.append(self.now())
        device, (by, channel) = request.device, asked(request)
        await self._state.recorder.decided(
            Record(
                at=self.now(),
                radio=self.radio.name,
                device=device,
                request=request,
                decision=decision,
                policy=self._state.policy.hash,
                correlation=self._admissions.correlation(device),
                by=by,
                channel=channel,
            )
        )

    def _context(self) -> Context:
        return Context(
            now=self.now(),
            entries=self._state.allowlist,
            admissions=self._admissions.ways,
            listening=self.listening,
            adopted=self.adopted,
            knocks=self._recent_knocks(),
        )

    def _recent_knocks(self) -> int:
        now = self.now()
        # A knock from the future is one from before the clock was set back.
        while self._knocks and not now - KNOCK_SPAN <= self._knocks[0] <= now:
            self._knocks.popleft()
        return len(self._knocks)

    # What follows from a decision

    async def _apply(self, request: Request, decision: Decision) -> None:
        if isinstance(request, PresenceRequest):
            self._present(request.device, decision)
            return
        if isinstance(request, ExchangeRequest) and request.address is not None:
            await self._found_at(request.device, request.address)
        if not self._state.enforcing:
            return
        match request:
            case JoinRequest():
                await self._joining(request, decision)
            case ExchangeRequest():
                await self._exchanged(request, decision)
            case IdentifyRequest():
                await self._identified(request, decision)
            case OpenRequest():
                pass  # Opening leaves no trace but its record.
            case _:
                assert_never(request)

    async def _joining(self, request: JoinRequest, decision: Decision) -> None:
        device = request.device
        match decision:
            case Allow(marks=marks):
                if request.kind is not JoinKind.JOIN:
                    return  # It holds the key, or has held it; or, with SmartStart, it is yet to come.
                await self._let_in(device)
                if Mark.EXPOSED in marks:
                    # From its first transmission on the key is known to whoever listens.
                    marks |= self._marks_of(device)
                    await self._mark(device, marks, "The network key was sent to it under a public key.")
                    await self._expose(f"{device} was let in by approval: who listened has the network key.")
            case Quarantine():
                self._shut_off(device, decision)
            case Deny() | Knock() | Evict():
                pass
            case _:
                assert_never(decision)

    async def _let_in(self, device: Identity) -> None:
        """Spend the entry, once an admission: it has been let in from the moment that the key may leave.

        Until its link key exchange is judged it counts as weak, so that a crash in between leaves no device that is
        taken for a proved one.
        """
        way = self._admissions.ways.get(device)
        if way is None:
            return
        # Revoked meanwhile? The decision that follows says so.
        with contextlib.suppress(EntryError):
            entry = await self._state.allowlist.spend(device, at=self.now(), since=way.opened_at)
            if Mark.WEAK not in entry.marks:
                await self._state.allowlist.update(device, marks=entry.marks | {Mark.WEAK})

    async def _found_at(self, device: Identity, address: Identity) -> None:
        """Write down where a device is that has just come; whoever was said to be there is not.

        An address of another network, such as one that the radio had before, says nothing of this one.
        """
        if self.network_id is not None and not address.startswith(f"{self.network_id}:"):
            return
        for entry in self.entries():
            if entry.device == address:
                # It was about another node: it is not to vouch for this one, nor for the next.
                await self.departed(address)
            elif entry.address == address and entry.device != device:
                await self._change(entry.device, address=None)
        self._places = {who: where for who, where in self._places.items() if where != address}
        if device != address and not await self._change(device, address=address):
            self._places[device] = address

    async def _exchanged(self, request: ExchangeRequest, decision: Decision) -> None:
        device = request.device
        match decision:
            case Allow(marks=marks):
                await self._mark(device, marks, decision.reason, presumed=frozenset({Mark.WEAK}))
                await self._hold_to(device, request.security_class)
            case Quarantine():
                await self._quarantine(device, decision)
                if request.security_class is not None:
                    # It is to leave, and nobody can make it: its entry is kept for its quarantine alone.
                    await self._change(device, expires_at=self.now())
            case Deny() | Knock() | Evict():
                pass
            case _:
                assert_never(decision)

    async def _hold_to(self, device: Identity, security: SecurityClass | None) -> None:
        """Pin the class that a device came in with; what else it says of itself it has yet to say."""
        entry = self.entry(device)
        if entry is not None and security is not None:
            pinned = msgspec.structs.replace(entry.pinned or Pinned(), security_class=security)
            await self._change(device, pinned=pinned)

    async def _identified(self, request: IdentifyRequest, decision: Decision) -> None:
        entry = self.entry(request.device)
        if entry is None:
            return
        held = entry.pinned.security_class if entry.pinned is not None else None
        seen = Pinned(
            device_class=request.device_class,
            manufacturer=request.manufacturer,
            model=request.model,
            # That the radio does not know it now is no word against what it held before.
            security_class=request.security_class or held,
        )
        if entry.pinned is not None and entry.pinned != Pinned(security_class=held):
            self._compare(request.device, entry.pinned, seen)
        elif isinstance(decision, Allow) and await self._change(request.device, pinned=seen):
            self.publish(
                IdentityPinned(
                    time=self.now(),
                    radio=self.radio.name,
                    device=request.device,
                    device_class=seen.device_class,
                    manufacturer=seen.manufacturer,
                    model=seen.model,
                    security_class=seen.security_class,
                )
            )
        if isinstance(decision, Allow):
            await self._mark(request.device, decision.marks, decision.reason)
        elif isinstance(decision, Quarantine):
            await self._quarantine(request.device, decision)
        elif isinstance(decision, Evict) and not self._admissions.correlation(request.device):
            # Put out for what it is: should it not go, or come back, its entry is not to vouch for it.
            await self._change(request.device, quarantined=decision.reason)

    def _compare(self, device: Identity, pinned: Pinned, seen: Pinned) -> None:
        for field in Pinned.__struct_fields__:
            before, after = getattr(pinned, field), getattr(seen, field)
            if before != after and after is not None:
                self.publish(
                    IdentityChanged(
                        time=self.now(),
                        radio=self.radio.name,
                        device=device,
                        field=field,
                        pinned=before,
                        seen=after,
                    )
                )

    def _present(self, device: Identity, decision: Decision) -> None:
        match decision:
            case Allow():
                listed = device in self._state.allowlist
                self._judge(device, Standing.APPROVED if listed else Standing.ADOPTED)
            case Quarantine() | Evict() | Deny() | Knock():
                self._shut_off(device, decision)
            case _:
                assert_never(decision)

    def _judge(self, device: Identity, standing: Standing) -> None:
        """Remember how a device without an entry in force stands."""
        if device not in self._judged and len(self._judged) >= JUDGED_KEPT:
            del self._judged[next(iter(self._judged))]
        self._judged[device] = standing

    def _marks_of(self, device: Identity) -> frozenset[Mark]:
        entry = self.entry(device)
        return entry.marks if entry is not None else frozenset()

    async def _mark(
        self,
        device: Identity,
        marks: frozenset[Mark],
        reason: str,
        *,
        presumed: frozenset[Mark] = frozenset(),
    ) -> None:
        """Let `device` carry these marks and no others; say which are new. `presumed` ones were never said."""
        before = self._marks_of(device)
        if before != marks and not await self._change(device, marks=marks):
            return
        for mark in sorted(marks - (before - presumed)):
            self.publish(
                Marked(
                    time=self.now(),
                    radio=self.radio.name,
                    device=device,
                    correlation=self._admissions.correlation(device),
                    mark=mark,
                    reason=reason,
                )
            )

    async def _expose(self, reason: str) -> None:
        if self.network_id is None:
            raise StoreError(
                "The network that this join would expose is not known yet, so it can't be marked."
            )
        if self.exposed:
            return
        await self._state.store.mark_exposed(
            self.radio.network, self.network_id, reason=reason, at=self.now()
        )
        self.exposed = True
        self.publish(Exposed(time=self.now(), radio=self.radio.name, reason=reason))

    async def _quarantine(self, device: Identity, decision: Quarantine) -> None:
        """Shut off a device for what it did, in its entry if it has one in force; else it is judged by what it
        lacks."""
        standing = self.standing(device)
        in_force = standing is Standing.APPROVED or standing is Standing.ADOPTED
        if in_force and await self._change(device, quarantined=decision.reason):
            self._say_quarantined(device, decision)
        else:
            self._shut_off(device, decision)

    async def _change(
        self, device: Identity, **changes: str | float | Pinned | frozenset[Mark] | None
    ) -> bool:
        """Change an entry. Whether it was still there."""
        try:
            await self._state.allowlist.update(device, by="hubsec", **changes)
        except EntryError:
            return False
        return True

    def _shut_off(self, device: Identity, decision: Decision) -> None:
        """A device is not to be heard, and it is not its entry that says so. One that only is observed goes on."""
        enforcing = self._state.enforcing
        if not enforcing:
            self._judge(device, Standing.ADOPTED)
        elif self.standing(device) is Standing.QUARANTINED:
            return
        else:
            self._judge(device, Standing.QUARANTINED)
        self._say_quarantined(device, decision, enforced=enforcing)

    def _say_quarantined(self, device: Identity, decision: Decision, *, enforced: bool = True) -> None:
        self.publish(
            QuarantinedEvent(
                time=self.now(),
                radio=self.radio.name,
                device=device,
                correlation=self._admissions.correlation(device),
                reason=decision.reason,
                rule=decision.rule,
                enforced=enforced,
            )
        )


def _lets_in(request: Request) -> bool:
    """Whether to allow that is to open the network, or to give somebody its key."""
    match request:
        case OpenRequest():
            return True
        case JoinRequest(kind=kind):
            return kind is not JoinKind.SECURED_REJOIN
        case _:
            return False


def _in_time(entry: Entry, now: float) -> bool:
    """Whether an entry has not expired."""
    return entry.expires_at is None or now < entry.expires_at
