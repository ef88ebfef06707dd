"""Deciding: a policy's settings are compiled once into tables of ready decisions, and a decision is a few look-ups.

The rules, in the order in which they are asked. Whatever none of them allows is denied.

A device that asks for the network key (join):
 1. Nothing joins before the network's baseline is confirmed.
 2. It has an entry on this network, is not quarantined, and its admission is open; else it has knocked, if somebody listens.
 3. The admission is in time, on this radio, and rests on the entry's credential; the entry is not expired and not spent.
 4. The policy takes that credential, class and maker; the router it came through; and not more tries than it says.
A device that has lost the network key (unsecured rejoin) gets it again only where the policy says so, and only if it was let in by
an install code and nothing is wrong with it.
A device that is on the network (secured rejoin, presence, link key exchange, identification):
 5. Before the baseline is confirmed it goes on working, whatever it is.
 6. Without an entry, or with one that has expired, it gets what the policy says of devices without entry.
 7. Quarantined stays quarantined.
 8. It was let in before, or its admission is open; the policy may be content with an entry.
 9. If it owes a link key exchange it proves one, or gets what the policy says of such devices.
10. What it says of itself fits its entry, what it said before, and the policy's terms for that class and maker.
Whoever asks to open the network is refused; the host may be let open Green Power commissioning alone.

Deciding does no I/O, has no clock and no randomness: equal arguments make equal decisions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, assert_never

from hubsec.decisions import Allow, Decision, Deny, Evict, Knock, Quarantine
from hubsec.entries import Entry, Use
from hubsec.identity import CredentialKind, Identity, Mark
from hubsec.policy.classes import DeviceClass
from hubsec.policy.context import Context
from hubsec.policy.rules import REASONS, Rule
from hubsec.policy.settings import (
    PERMIT_LIMIT,
    TCLK_REVISION,
    FailedExchange,
    GreenPower,
    IdentityChange,
    Joining,
    Parents,
    SecuredRejoin,
    Settings,
    Tclk,
    UnsecuredRejoin,
    WithoutEntry,
)
from hubsec.requests import (
    ExchangeRequest,
    IdentifyRequest,
    JoinKind,
    JoinRequest,
    LinkKeyState,
    OpenKind,
    OpenRequest,
    PresenceRequest,
)

HOST = "host"
"""Who asks when it is the host application (:attr:`~hubsec.requests.OpenRequest.asker`)."""


class Deciders(NamedTuple):
    """One function for each type of request."""

    join: Callable[[JoinRequest, Context], Decision]
    exchange: Callable[[ExchangeRequest, Context], Decision]
    identify: Callable[[IdentifyRequest, Context], Decision]
    presence: Callable[[PresenceRequest, Context], Decision]
    open: Callable[[OpenRequest, Context], Decision]


class _Way(NamedTuple):
    """What one credential gets a device of one class. `deny` None: it may join. `routers` None: through any."""

    deny: Deny | None
    allow: Allow
    routers: frozenset[Identity] | None
    attempts: int
    joining: Joining


_Ways = dict[CredentialKind, dict[str | None, _Way]]
_NO_MARKS: frozenset[Mark] = frozenset()
_MARKS = (
    _NO_MARKS,
    frozenset({Mark.EXPOSED}),
    frozenset({Mark.WEAK}),
    frozenset({Mark.EXPOSED, Mark.WEAK}),
)
_BY = {CredentialKind.INSTALL_CODE: Rule.INSTALL_CODE, CredentialKind.APPROVAL: Rule.APPROVAL}


def class_of(word: str | None) -> DeviceClass | None:
    """The class that `word` means; None for None, :attr:`DeviceClass.OTHER` for a word that is none."""
    if word is None:
        return None
    try:
        return DeviceClass(word)
    except ValueError:
        return DeviceClass.OTHER


def joining_for(settings: Settings, device_class: DeviceClass | None) -> Joining:
    """What holds for devices of that class; None for a class that nobody has said."""
    if device_class is None:
        return settings.joining
    return settings.per_class.get(device_class, settings.joining)


def routers_for(settings: Settings, joining: Joining) -> frozenset[Identity] | None:
    """The routers that a device may join through besides the coordinator; None for any."""
    match joining.parents:
        case Parents.ANY:
            return None
        case Parents.COORDINATOR:
            return frozenset()
        case Parents.LISTED:
            return frozenset(settings.routers)
        case _:
            assert_never(joining.parents)


def refusal(settings: Settings, credential: CredentialKind, device_class: DeviceClass | None) -> Rule | None:
    """The rule by which a device of that class may not join by that credential; None if it may."""
    if settings.classes is not None and device_class not in settings.classes:
        return Rule.DEVICE_CLASS
    if credential not in joining_for(settings, device_class).credentials:
        return Rule.CREDENTIAL
    return None


def build(settings: Settings) -> Deciders:
    """The deciders of a policy with these settings."""
    ways = _ways(settings)
    back = _back(settings)
    return Deciders(
        join=_join(settings, ways, back),
        exchange=_exchange(settings, back),
        identify=_identify(settings, ways, back),
        presence=back,
        open=_open(settings),
    )


def _deny(rule: Rule) -> Deny:
    return Deny(rule.value, REASONS[rule])


def _allow(rule: Rule, credential: CredentialKind | None = None, marks: frozenset[Mark] = _NO_MARKS) -> Allow:
    return Allow(rule.value, REASONS[rule], credential, marks)


def _act(settings: Settings, rule: Rule) -> Decision:
    """What the policy says of devices without entry, by `rule`."""
    match settings.without_entry:
        case WithoutEntry.QUARANTINE:
            return Quarantine(rule.value, REASONS[rule])
        case WithoutEntry.EVICT:
            return Evict(rule.value, REASONS[rule])
        case WithoutEntry.REPORT:
            return _allow(rule)
        case _:
            assert_never(settings.without_entry)


def _entry_allows(rule: Rule) -> dict[CredentialKind, dict[frozenset[Mark], Allow]]:
    """A ready decision for every credential and marks that an entry can have."""
    return {
        credential: {marks: _allow(rule, credential, marks) for marks in _MARKS} for credential in CredentialKind
    }


def _ways(settings: Settings) -> _Ways:
    """For each credential, by the class that an entry expects, what it gets; None for a class that nobody has said."""
    ways: _Ways = {}
    for credential in CredentialKind:
        rule = _BY.get(credential, Rule.CREDENTIAL)
        marks = frozenset({Mark.EXPOSED}) if credential is CredentialKind.APPROVAL else _NO_MARKS
        allow = _allow(rule, credential, marks)
        of_class = ways[credential] = {}
        for device_class in (None, *DeviceClass):
            joining = joining_for(settings, device_class)
            refused = Rule.CREDENTIAL if credential not in _BY else refusal(settings, credential, device_class)
            deny = None if refused is None else _deny(refused)
            of_class[device_class] = _Way(deny, allow, routers_for(settings, joining), joining.attempts, joining)
    return ways


_Back = Callable[[JoinRequest | ExchangeRequest | IdentifyRequest | PresenceRequest, Context], Decision]


def _back(settings: Settings) -> _Back:
    """Rules 5 to 8. An Allow that rests on an entry has that entry's credential; no other has one."""
    unconfirmed = _allow(Rule.ADOPTION)
    without_entry = _act(settings, Rule.WITHOUT_ENTRY)
    expired = _act(settings, Rule.ENTRY_EXPIRED)
    never = _act(settings, Rule.NEVER_LET_IN)
    quarantined = Quarantine(Rule.QUARANTINED.value, REASONS[Rule.QUARANTINED])
    known, adopted, listed, admitted = map(
        _entry_allows, (Rule.KNOWN, Rule.ADOPTED, Rule.ENTRY, Rule.ADMISSION)
    )
    entry_is_enough = settings.secured_rejoin is SecuredRejoin.ENTRY

    def back(
        request: JoinRequest | ExchangeRequest | IdentifyRequest | PresenceRequest, context: Context
    ) -> Decision:
        if not context.adopted:
            return unconfirmed
        device = request.device
        entry = context.entries.get(device)
        if entry is None or entry.network is not request.network:
            return without_entry
        if entry.quarantined is not None:
            return quarantined
        if entry.expires_at is not None and entry.expires_at <= context.now:
            return expired
        credential = entry.credential
        if credential is CredentialKind.ADOPTED:
            return adopted[credential][entry.marks]
        if entry.joined_at is not None:
            return known[credential][entry.marks]
        if _is_open(device, request.radio, context):
            return admitted[credential][entry.marks]
        return listed[credential][entry.marks] if entry_is_enough else never

    return back


def _is_open(device: Identity, radio: str, context: Context) -> bool:
    admission = context.admissions.get(device)
    return admission is not None and admission.radio == radio and context.now < admission.expires_at


def _join(settings: Settings, ways: _Ways, back: _Back) -> Callable[[JoinRequest, Context], Decision]:
    """Rules 1 to 4, and unsecured rejoins."""
    unconfirmed, no_entry, no_admission = map(_deny, (Rule.ADOPTION, Rule.NO_ENTRY, Rule.NO_ADMISSION))
    knock = Knock(Rule.KNOCK.value, REASONS[Rule.KNOCK])
    knock_rate = _deny(Rule.KNOCK_RATE)
    quarantined, over, other_radio = map(_deny, (Rule.QUARANTINED, Rule.ADMISSION_OVER, Rule.OTHER_RADIO))
    mismatch, expired, spent = map(
        _deny, (Rule.CREDENTIAL_MISMATCH, Rule.ENTRY_EXPIRED, Rule.ENTRY_SPENT)
    )
    maker, parent, attempts = map(_deny, (Rule.MAKER, Rule.PARENT, Rule.ATTEMPTS))
    may_listen = settings.listening_length > 0
    rate = settings.knocks_per_minute
    makers = None if settings.makers is None else frozenset(settings.makers)
    unsecured = _unsecured(settings, back)
    join_kind = JoinKind.JOIN
    secured_kind = JoinKind.SECURED_REJOIN
    single = Use.SINGLE

    def join(request: JoinRequest, context: Context) -> Decision:
        kind = request.kind
        if kind is not join_kind:
            return back(request, context) if kind is secured_kind else unsecured(request, context)
        if not context.adopted:
            return unconfirmed
        device = request.device
        entry = context.entries.get(device)
        if entry is not None and entry.network is not request.network:
            entry = None
        if entry is not None and entry.quarantined is not None:
            return quarantined
        admission = context.admissions.get(device)
        if entry is None or admission is None:
            if context.listening and may_listen:
                return knock if context.knocks < rate else knock_rate
            return no_entry if entry is None else no_admission
        now = context.now
        if admission.expires_at <= now:
            return over
        if admission.radio != request.radio:
            return other_radio
        credential = admission.credential
        if credential is not entry.credential:
            return mismatch
        if entry.expires_at is not None and entry.expires_at <= now:
            return expired
        # A device that got no answer asks again in the same admission: that is still its one join.
        if entry.use is single and entry.joined_at is not None and entry.joined_at < admission.opened_at:
            return spent
        of_class = ways[credential]
        device_class = entry.device_class
        way = of_class[device_class] if device_class in of_class else of_class["other"]
        if way.deny is not None:
            return way.deny
        if makers is not None and (entry.maker is None or entry.maker.casefold() not in makers):
            return maker
        if request.through_router:
            if way.routers is not None and request.parent not in way.routers:
                return parent
            if admission.parents is not None and request.parent not in admission.parents:
                return parent
        return way.allow if request.attempt <= way.attempts else attempts

    return join


def _unsecured(settings: Settings, back: _Back) -> Callable[[JoinRequest, Context], Decision]:
    """Who gets the network key again. Only a link key that nobody else can know may carry it."""
    unconfirmed, refused = map(_deny, (Rule.ADOPTION, Rule.UNSECURED_REJOIN))
    allowed = _allow(Rule.VERIFIED_REJOIN, CredentialKind.INSTALL_CODE)
    verified_may = settings.unsecured_rejoin is UnsecuredRejoin.VERIFIED

    def unsecured(request: JoinRequest, context: Context) -> Decision:
        if not context.adopted:
            return unconfirmed
        held = back(request, context)
        if (
            verified_may
            and isinstance(held, Allow)
            and held.rule == Rule.KNOWN
            and held.credential is CredentialKind.INSTALL_CODE
            and not held.marks
        ):
            return allowed
        return refused

    return unsecured


def _exchange(settings: Settings, back: _Back) -> Callable[[ExchangeRequest, Context], Decision]:
    """Rule 9. A device whose revision is unknown owes the exchange, so that silence is no way around it."""
    exchanged, not_owed = map(_entry_allows, (Rule.EXCHANGED, Rule.EXCHANGE_NOT_OWED))
    weak = _entry_allows(Rule.FAILED_EXCHANGE)
    evict = Evict(Rule.FAILED_EXCHANGE.value, REASONS[Rule.FAILED_EXCHANGE])

    def exchange(request: ExchangeRequest, context: Context) -> Decision:
        held = back(request, context)
        if not isinstance(held, Allow) or held.credential is None:
            return held
        entry = context.entries[request.device]
        credential = held.credential
        marks = entry.marks - {Mark.WEAK}
        if credential is CredentialKind.APPROVAL:
            marks |= {Mark.EXPOSED}
        if request.link_key is LinkKeyState.VERIFIED:
            return exchanged[credential][marks]
        marks |= {Mark.WEAK}
        joining = joining_for(settings, _class_of_entry(entry))
        match joining.tclk:
            case Tclk.REQUIRED:
                owes = True
            case Tclk.IF_R21:
                owes = request.stack_revision is None or request.stack_revision >= TCLK_REVISION
            case Tclk.OPTIONAL:
                owes = False
            case _:
                assert_never(joining.tclk)
        if not owes or credential is CredentialKind.ADOPTED:
            return not_owed[credential][marks]
        return evict if joining.failed_exchange is FailedExchange.EVICT else weak[credential][marks]

    return exchange


def _class_of_entry(entry: Entry) -> DeviceClass | None:
    """What the operator expects; else what the device said of itself; else None."""
    if entry.device_class is None and entry.pinned is not None:
        return class_of(entry.pinned.device_class)
    return class_of(entry.device_class)


def _identify(
    settings: Settings, ways: _Ways, back: _Back
) -> Callable[[IdentifyRequest, Context], Decision]:
    """Rule 10. What it does not say contradicts nothing. The baseline's devices keep to no terms: they were there before them."""
    same, reported = map(_entry_allows, (Rule.IDENTITY, Rule.IDENTITY_CHANGE))
    changed = Quarantine(Rule.IDENTITY_CHANGE.value, REASONS[Rule.IDENTITY_CHANGE])
    maker = Quarantine(Rule.MAKER.value, REASONS[Rule.MAKER])
    evict = Evict(Rule.FAILED_EXCHANGE.value, REASONS[Rule.FAILED_EXCHANGE])
    makers = settings.makers

    def identify(request: IdentifyRequest, context: Context) -> Decision:
        held = back(request, context)
        if not isinstance(held, Allow) or held.credential is None:
            return held
        entry = context.entries[request.device]
        credential = held.credential
        said = class_of(request.device_class)
        if credential is not CredentialKind.ADOPTED:
            if said is not None:
                way = ways[credential][said]
                if way.deny is not None:
                    return Quarantine(way.deny.rule, way.deny.reason)
                terms = way.joining
                owes = terms.tclk is Tclk.REQUIRED and terms.failed_exchange is FailedExchange.EVICT
                if owes and Mark.WEAK in entry.marks:
                    return evict
            if makers is not None and request.manufacturer is not None:
                if request.manufacturer.casefold() not in makers:
                    return maker
        if _differs(request, entry):
            if settings.identity_change is IdentityChange.QUARANTINE:
                return changed
            return reported[credential][entry.marks]
        return same[credential][entry.marks]

    return identify


def _differs(request: IdentifyRequest, entry: Entry) -> bool:
    """Whether the device says something else than is pinned, or than its entry expects."""
    said = class_of(request.device_class)
    pairs: list[tuple[str | None, str | None]] = [(said, class_of(entry.device_class))]
    if entry.maker is not None and request.manufacturer is not None:
        pairs.append((request.manufacturer.casefold(), entry.maker.casefold()))
    if entry.pinned is not None:
        pairs.append((said, class_of(entry.pinned.device_class)))
        pairs.append((request.manufacturer, entry.pinned.manufacturer))
        pairs.append((request.model, entry.pinned.model))
    return any(now is not None and then is not None and now != then for now, then in pairs)


def _open(settings: Settings) -> Callable[[OpenRequest, Context], Decision]:
    """Nothing opens the network but an admission."""
    host, node, shut, too_long, unconfirmed = map(
        _deny,
        (
            Rule.HOST_PERMIT,
            Rule.NODE_PERMIT,
            Rule.GREEN_POWER_SHUT,
            Rule.GREEN_POWER_LENGTH,
            Rule.ADOPTION,
        ),
    )
    allowed = _allow(Rule.GREEN_POWER)
    green_power_may = settings.green_power is GreenPower.OPEN

    def opening(request: OpenRequest, context: Context) -> Decision:
        if request.asker != HOST:
            return node
        match request.kind:
            case OpenKind.PERMIT | OpenKind.PERMIT_LINK_KEY:
                return host
            case OpenKind.GREEN_POWER:
                if not context.adopted:
                    return unconfirmed
                if not green_power_may:
                    return shut
                return allowed if 0 < request.seconds <= PERMIT_LIMIT else too_long
            case _:
                assert_never(request.kind)

    return opening
