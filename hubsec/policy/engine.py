"""Deciding: a policy's settings are compiled once into tables of ready decisions, and a decision is a few look-ups.

The rules, in the order in which they are asked. Whatever none of them allows is denied.

A device that asks for the network key (join):
 1. Nothing joins before the network's baseline is confirmed.
 2. It has an entry on this network, is not quarantined, and its admission is open; else it has knocked, if somebody
     listens.
 3. The admission is in time, on this radio, and rests on the entry's credential; the entry is not expired and not
     spent.
 4. The policy takes that credential, class and maker; the router it came through; and not more tries than it says.
A device that has lost the network key (unsecured rejoin) gets it again only where the policy says so, and only if it
was let in by its present entry's install code and nothing is wrong with it.
A device that is on the network (secured rejoin, presence, link key exchange, identification):
 5. Before the baseline is confirmed it goes on working, whatever it is.
 6. Without an entry, or with one that has expired, it gets what the policy says of devices without entry.
 7. Quarantined stays quarantined.
 8. It was let in before, or its admission lives; the policy may be content with an entry.
 9. If it owes a link key exchange it proves one, or gets what the policy says of such devices.
10. What it says of itself fits its entry, what it said before, and the policy's terms for that class and maker.
Whoever asks to open the network, or to put a backup in its place, is refused; the host may be let open Green Power
commissioning alone.

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


type _Way = tuple[Deny | None, Allow, frozenset[Identity] | None, int]
"""What one credential gets a device of one class: a refusal; else the decision, the routers it may come through
(None: any), and how many tries it has. A plain tuple, because that is what Python unpacks fastest."""


_Ways = dict[CredentialKind, dict[str | None, _Way]]
"""By credential, then by the device's class; plain dicts, in which Python looks up fastest."""
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


def _entry_allows(rule: Rule) -> dict[CredentialKind, dict[frozenset[Mark], Allow]]:
    """A ready decision for every credential and marks that an entry can have."""
    return {
        credential: {marks: _allow(rule, credential, marks) for marks in _MARKS}
        for credential in CredentialKind
    }


_JOIN, _SECURED = JoinKind.JOIN, JoinKind.SECURED_REJOIN
_SINGLE = Use.SINGLE
_BASELINE = CredentialKind.ADOPTED
# What does not depend on settings is ready here; a closure's own variables are copied at every call.
_UNCONFIRMED, _NO_ENTRY, _NO_ADMISSION = map(_deny, (Rule.ADOPTION, Rule.NO_ENTRY, Rule.NO_ADMISSION))
_KNOCK, _KNOCK_RATE = Knock(Rule.KNOCK.value, REASONS[Rule.KNOCK]), _deny(Rule.KNOCK_RATE)
_QUARANTINED, _OVER, _OTHER_RADIO = map(_deny, (Rule.QUARANTINED, Rule.ADMISSION_OVER, Rule.OTHER_RADIO))
_MISMATCH, _EXPIRED, _SPENT = map(_deny, (Rule.CREDENTIAL_MISMATCH, Rule.ENTRY_EXPIRED, Rule.ENTRY_SPENT))
_MAKER, _PARENT, _ATTEMPTS = map(_deny, (Rule.MAKER, Rule.PARENT, Rule.ATTEMPTS))
_KNOWN, _ADOPTED, _LISTED, _ADMITTED = map(
    _entry_allows, (Rule.KNOWN, Rule.ADOPTED, Rule.ENTRY, Rule.ADMISSION)
)
_UNSECURED = _deny(Rule.UNSECURED_REJOIN)
_HOST, _RESTORE, _NODE = map(_deny, (Rule.HOST_PERMIT, Rule.HOST_RESTORE, Rule.NODE_PERMIT))
_GREEN_POWER_SHUT, _GREEN_POWER_LENGTH = map(_deny, (Rule.GREEN_POWER_SHUT, Rule.GREEN_POWER_LENGTH))


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


def _ways(settings: Settings) -> _Ways:
    """For each credential, by the class that an entry expects, what it gets; None for a class that nobody has said."""
    ways: _Ways = {}
    for credential in CredentialKind:
        rule = _BY.get(credential, Rule.CREDENTIAL)
        marks = frozenset({Mark.EXPOSED}) if credential is CredentialKind.APPROVAL else _NO_MARKS
        allow = _allow(rule, credential, marks)
        of_class: dict[str | None, _Way] = {}
        for device_class in (None, *DeviceClass):
            joining = joining_for(settings, device_class)
            refused = (
                Rule.CREDENTIAL if credential not in _BY else refusal(settings, credential, device_class)
            )
            deny = None if refused is None else _deny(refused)
            of_class[device_class] = (deny, allow, routers_for(settings, joining), joining.attempts)
        ways[credential] = of_class
    return ways


_Back = Callable[[JoinRequest | ExchangeRequest | IdentifyRequest | PresenceRequest, Context], Decision]


def _back(settings: Settings) -> _Back:
    """Rules 5 to 8. An Allow that rests on an entry has that entry's credential; no other has one."""
    unconfirmed = _allow(Rule.ADOPTION)
    without_entry = _act(settings, Rule.WITHOUT_ENTRY)
    expired = _act(settings, Rule.ENTRY_EXPIRED)
    never = _act(settings, Rule.NEVER_LET_IN)
    quarantined = Quarantine(Rule.QUARANTINED.value, REASONS[Rule.QUARANTINED])
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
        if credential is _BASELINE:
            return _ADOPTED[credential][entry.marks]
        if entry.joined_at is not None:
            return _KNOWN[credential][entry.marks]
        if _is_admitted(device, request.radio, context):
            return _ADMITTED[credential][entry.marks]
        return _LISTED[credential][entry.marks] if entry_is_enough else never

    return back


def _is_admitted(device: Identity, radio: str, context: Context) -> bool:
    """Whether its admission lives: when the window is over, who was sent the key has the exchange yet to do."""
    admission = context.admissions.get(device)
    return admission is not None and admission.radio == radio


def _join(  # noqa: C901 - what counts is the function in it
    settings: Settings, ways: _Ways, back: _Back
) -> Callable[[JoinRequest, Context], Decision]:
    """Rules 1 to 4, and who is sent the network key again."""
    rate = settings.knocks_per_minute if settings.listening_length else 0
    makers = None if settings.makers is None else frozenset(settings.makers)
    unsecured = _unsecured(settings, back)

    # In one piece, because every call would cost a tenth of the whole.
    def join(request: JoinRequest, context: Context) -> Decision:  # noqa: C901, PLR0911, PLR0912
        kind = request.kind
        if kind is not _JOIN:
            return back(request, context) if kind is _SECURED else unsecured(request, context)
        if not context.adopted:
            return _UNCONFIRMED
        device = request.device
        entry = context.entries.get(device)
        if entry is not None:
            if entry.network is not request.network:
                entry = None
            elif entry.quarantined is not None:
                return _QUARANTINED
        admission = context.admissions.get(device)
        if entry is None or admission is None:
            if rate and context.listening:
                return _KNOCK if context.knocks < rate else _KNOCK_RATE
            return _NO_ENTRY if entry is None else _NO_ADMISSION
        now = context.now
        if admission.expires_at <= now:
            return _OVER
        if request.radio != admission.radio:
            return _OTHER_RADIO
        credential = entry.credential
        if credential is not admission.credential:
            return _MISMATCH
        if entry.expires_at is not None and entry.expires_at <= now:
            return _EXPIRED
        # A device that got no answer asks again in the same admission: that is still its one join. And a join from
        # before the approval was another approval's.
        joined_at = entry.joined_at
        if (
            joined_at is not None
            and entry.use is _SINGLE
            and entry.approved_at <= joined_at < admission.opened_at
        ):
            return _SPENT
        try:
            deny, allow, routers, most = ways[credential][entry.device_class]
        except KeyError:  # A word that is no class.
            deny, allow, routers, most = ways[credential][DeviceClass.OTHER]
        if deny is not None:
            return deny
        if makers is not None and (entry.maker is None or entry.maker.casefold() not in makers):
            return _MAKER
        if request.through_router:
            if routers is not None and request.parent not in routers:
                return _PARENT
            if admission.parents is not None and request.parent not in admission.parents:
                return _PARENT
        return allow if request.attempt <= most else _ATTEMPTS

    return join


def _joined_by(entry: Entry) -> bool:
    """Whether the device was let in by this entry's own credential, and not only by one that it had before."""
    return entry.joined_at is not None and entry.joined_at >= entry.approved_at


def _unsecured(settings: Settings, back: _Back) -> Callable[[JoinRequest, Context], Decision]:
    """Who gets the network key again: only a link key that nobody else can know may carry it."""
    allowed = _allow(Rule.VERIFIED_REJOIN, CredentialKind.INSTALL_CODE)
    verified_may = settings.unsecured_rejoin is UnsecuredRejoin.VERIFIED

    def unsecured(request: JoinRequest, context: Context) -> Decision:
        if not context.adopted:
            return _UNCONFIRMED
        held = back(request, context)
        if (
            verified_may
            and isinstance(held, Allow)
            and held.rule == Rule.KNOWN
            and held.credential is CredentialKind.INSTALL_CODE
            and not held.marks
            and _joined_by(context.entries[request.device])
        ):
            return allowed
        return _UNSECURED

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


def _identify(settings: Settings, ways: _Ways, back: _Back) -> Callable[[IdentifyRequest, Context], Decision]:
    """Rule 10. What it does not say contradicts nothing. The baseline's devices keep to no terms: they were there
    before them."""
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
                deny = ways[credential][said][0]
                if deny is not None:
                    return Quarantine(deny.rule, deny.reason)
                terms = joining_for(settings, said)
                owes = terms.tclk is Tclk.REQUIRED and terms.failed_exchange is FailedExchange.EVICT
                # While its admission runs, the exchange is yet to be judged, and then by this class.
                if owes and Mark.WEAK in entry.marks and request.device not in context.admissions:
                    return evict
            said_maker = request.manufacturer
            if makers is not None and said_maker is not None and said_maker.casefold() not in makers:
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
    allowed = _allow(Rule.GREEN_POWER)
    green_power_may = settings.green_power is GreenPower.OPEN

    def opening(request: OpenRequest, context: Context) -> Decision:
        if request.asker != HOST:
            return _NODE
        match request.kind:
            case OpenKind.PERMIT | OpenKind.PERMIT_LINK_KEY:
                return _HOST
            case OpenKind.RESTORE:
                return _RESTORE
            case OpenKind.GREEN_POWER:
                if not context.adopted:
                    return _UNCONFIRMED
                if not green_power_may:
                    return _GREEN_POWER_SHUT
                return allowed if 0 < request.seconds <= PERMIT_LIMIT else _GREEN_POWER_LENGTH
            case _:
                assert_never(request.kind)

    return opening
