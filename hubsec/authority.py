"""The hub's half of every join: judge, record, apply, in this order.

A radio asks through an :class:`HubAuthority` of its own. What comes back is durable. What follows from a
decision for the
allowlist (a mark, a pin, a quarantine) is durable too when :meth:`HubAuthority.judge` returns, so that a
radio which acts
on it never runs ahead of the record.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, assert_never

from hubsec.decisions import Allow, Decision, Deny, Evict, Knock, Quarantine
from hubsec.entries import Entry, Pinned
from hubsec.errors import StoreError
from hubsec.events import Event, Exposed, IdentityChanged, IdentityPinned, Marked
from hubsec.events import Quarantined as QuarantinedEvent
from hubsec.identity import CredentialKind, Identity, Mark, Mode, Standing
from hubsec.policy import Context, decide
from hubsec.requests import (
    ExchangeRequest,
    IdentifyRequest,
    JoinRequest,
    OpenRequest,
    PresenceRequest,
    Request,
)
from hubsec.store import Record

if TYPE_CHECKING:
    from hubsec.hub import Hub
    from hubsec.radio import Radio

# The span, in seconds, that a policy's rate of knocks is counted over; see hubsec.policy.Context.
KNOCK_SPAN: Final = 60.0


class HubAuthority:
    """What one radio may ask of its hub (:class:`hubsec.radio.Authority`)."""

    def __init__(self, hub: Hub, radio: Radio) -> None:
        self._hub = hub
        self._radio = radio
        self.network_id: str | None = None
        self.adopted = False
        self.exposed = False
        self.listening = False
        self._judged: dict[Identity, Standing] = {}
        self._knocks: deque[float] = deque()

    @property
    def mode(self) -> Mode:
        """Whether decisions are to be carried out."""
        return self._hub.mode

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return self._hub.now()

    def publish(self, event: Event) -> None:
        """Put an event on the bus."""
        self._hub.publish(event)

    def entry(self, device: Identity) -> Entry | None:
        """The allowlist's row, or None."""
        return self._hub.allowlist.get(device)

    def standing(self, device: Identity) -> Standing:
        """How `device` stands; constant time."""
        entry = self._hub.allowlist.get(device)
        if entry is not None:
            if entry.quarantined is not None:
                return Standing.QUARANTINED
            return Standing.ADOPTED if entry.credential is CredentialKind.ADOPTED else Standing.APPROVED
        if not self.adopted:
            return Standing.ADOPTED
        return self._judged.get(device, Standing.UNKNOWN)

    def confirm_adoption(self) -> None:
        """From now on a device without entry is a stranger."""
        self.adopted = True
        self._judged.clear()

    def forget(self, device: Identity) -> None:
        """Ask anew about `device` when it is next heard."""
        self._judged.pop(device, None)

    async def judge(self, request: Request) -> Decision:
        """The decision, recorded, with what follows from it for the allowlist recorded too."""
        decision = decide(request, self._hub.policy, self._context())
        if isinstance(decision, Knock):
            self._knocks.append(self.now())
        device = getattr(request, "device", None)
        await self._hub.recorded(
            self._hub.store.record(
                Record(
                    at=self.now(),
                    radio=self._radio.name,
                    device=device,
                    request=request,
                    decision=decision,
                    policy=self._hub.policy.hash,
                    correlation=self._hub.correlation(device),
                )
            )
        )
        if self.mode is Mode.ENFORCE:
            await self._hub.recorded(self._apply(request, decision))
        return decision

    def _context(self) -> Context:
        return Context(
            now=self.now(),
            entries=self._hub.allowlist,
            admissions=self._hub.open_admissions,
            listening=self.listening,
            adopted=self.adopted,
            knocks=self._recent_knocks(),
        )

    def _recent_knocks(self) -> int:
        oldest = self.now() - KNOCK_SPAN
        while self._knocks and self._knocks[0] < oldest:
            self._knocks.popleft()
        return len(self._knocks)

    async def _apply(self, request: Request, decision: Decision) -> None:
        match request:
            case JoinRequest():
                await self._joining(request.device, decision)
            case ExchangeRequest():
                await self._exchanged(request.device, decision)
            case IdentifyRequest():
                await self._identified(request, decision)
            case PresenceRequest():
                await self._present(request.device, decision)
            case OpenRequest():
                pass  # Opening leaves no trace but its record.
            case _:
                assert_never(request)

    async def _joining(self, device: Identity, decision: Decision) -> None:
        match decision:
            case Allow(marks=marks):
                await self._let_in(device)
                if Mark.EXPOSED in marks:
                    # From its first transmission on the key is known to whoever listens.
                    await self._mark(device, marks, "The network key was sent to it under a public key.")
                    await self._expose(f"{device} was let in by approval: who listened has the network key.")
            case Quarantine():
                await self._quarantine(device, decision)
            case Deny() | Knock() | Evict():
                pass
            case _:
                assert_never(decision)

    async def _let_in(self, device: Identity) -> None:
        """Spend the entry, once an admission: it has been let in from the moment that the key may leave."""
        entry, admission = self._hub.allowlist.get(device), self._hub.open_admissions.get(device)
        if entry is None or admission is None:
            return
        if entry.joined_at is None or entry.joined_at < admission.opened_at:
            await self._hub.allowlist.spend(device, at=self.now())

    async def _exchanged(self, device: Identity, decision: Decision) -> None:
        match decision:
            case Allow(marks=marks):
                await self._mark(device, marks, decision.reason)
            case Quarantine():
                await self._quarantine(device, decision)
            case Deny() | Knock() | Evict():
                pass
            case _:
                assert_never(decision)

    async def _identified(self, request: IdentifyRequest, decision: Decision) -> None:
        entry = self._hub.allowlist.get(request.device)
        if entry is None:
            return
        seen = Pinned(
            device_class=request.device_class, manufacturer=request.manufacturer, model=request.model
        )
        if entry.pinned is None and isinstance(decision, Allow):
            await self._hub.allowlist.update(request.device, pinned=seen)
            self.publish(
                IdentityPinned(
                    time=self.now(),
                    radio=self._radio.name,
                    device=request.device,
                    device_class=seen.device_class,
                    manufacturer=seen.manufacturer,
                    model=seen.model,
                )
            )
        elif entry.pinned is not None:
            for field in Pinned.__struct_fields__:
                before, after = getattr(entry.pinned, field), getattr(seen, field)
                if before != after and after is not None:
                    self.publish(
                        IdentityChanged(
                            time=self.now(),
                            radio=self._radio.name,
                            device=request.device,
                            field=field,
                            pinned=before,
                            seen=after,
                        )
                    )
        if isinstance(decision, Quarantine):
            await self._quarantine(request.device, decision)

    async def _present(self, device: Identity, decision: Decision) -> None:
        match decision:
            case Allow():
                self._judged[device] = Standing.ADOPTED
            case Quarantine() | Evict() | Deny() | Knock():
                self._judged[device] = Standing.QUARANTINED
                self._say_quarantined(device, decision)
            case _:
                assert_never(decision)

    async def _mark(self, device: Identity, marks: frozenset[Mark], reason: str) -> None:
        """Let `device` carry these marks and no others; say which are new."""
        entry = self._hub.allowlist.get(device)
        if entry is None or entry.marks == marks:
            return
        await self._hub.allowlist.update(device, marks=marks)
        for mark in sorted(marks - entry.marks):
            self.publish(
                Marked(
                    time=self.now(),
                    radio=self._radio.name,
                    device=device,
                    correlation=self._hub.correlation(device),
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
        await self._hub.store.mark_exposed(self._radio.network, self.network_id, reason=reason, at=self.now())
        self.exposed = True
        self.publish(Exposed(time=self.now(), radio=self._radio.name, reason=reason))

    async def _quarantine(self, device: Identity, decision: Quarantine) -> None:
        if device in self._hub.allowlist:
            await self._hub.allowlist.update(device, quarantined=decision.reason)
        else:
            self._judged[device] = Standing.QUARANTINED
        self._say_quarantined(device, decision)

    def _say_quarantined(self, device: Identity, decision: Decision) -> None:
        self.publish(
            QuarantinedEvent(
                time=self.now(),
                radio=self._radio.name,
                device=device,
                correlation=self._hub.correlation(device),
                reason=decision.reason,
                rule=decision.rule,
            )
        )
