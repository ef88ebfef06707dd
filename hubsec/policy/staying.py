"""A device is on the network: the keys that it ended up with, and what it says of itself (rules 9 and 10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, assert_never

from hubsec.decisions import Allow, Decision, Quarantine
from hubsec.entries import Entry
from hubsec.identity import CredentialKind, Mark, Network, SecurityClass
from hubsec.policy.classes import DeviceClass
from hubsec.policy.context import Context
from hubsec.policy.rules import Rule
from hubsec.policy.settings import TCLK_REVISION, FailedExchange, IdentityChange, Joining, Settings, Tclk
from hubsec.policy.terms import class_of, joining_for
from hubsec.policy.verdicts import Back, Ways, entry_allows, evict, quarantine
from hubsec.requests import ExchangeRequest, IdentifyRequest, LinkKeyState

_EVICT, _LESSER = evict(Rule.FAILED_EXCHANGE), quarantine(Rule.SECURITY_CLASS)


def exchange(settings: Settings, back: Back) -> Callable[[ExchangeRequest, Context], Decision]:
    """The decider of how a join ended."""
    link_key, secured = _link_key(settings), _secured(settings)

    def decide_exchange(request: ExchangeRequest, context: Context) -> Decision:
        held = back(request, context)
        if not isinstance(held, Allow) or held.credential is None:
            return held
        entry = context.entries[request.device]
        return (secured if request.network is Network.ZWAVE else link_key)(request, entry)

    return decide_exchange


def _link_key(settings: Settings) -> Callable[[ExchangeRequest, Entry], Decision]:
    """Zigbee. A device whose revision is unknown owes the exchange, so that silence is no way around it."""
    exchanged, not_owed = map(entry_allows, (Rule.EXCHANGED, Rule.EXCHANGE_NOT_OWED))
    weak = entry_allows(Rule.FAILED_EXCHANGE)

    def link_key(request: ExchangeRequest, entry: Entry) -> Decision:
        credential, marks = entry.credential, _kept(entry)
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
        return _EVICT if joining.failed_exchange is FailedExchange.EVICT else weak[credential][marks]

    return link_key


def _secured(settings: Settings) -> Callable[[ExchangeRequest, Entry], Decision]:
    """Z-Wave. A security class that the radio does not know is none."""
    secured, not_owed = map(entry_allows, (Rule.SECURED, Rule.SECURITY_NOT_OWED))
    weak = entry_allows(Rule.SECURITY_CLASS)

    def decide_secured(request: ExchangeRequest, entry: Entry) -> Decision:
        held = request.security_class if request.security_class is not None else SecurityClass.NONE
        credential, marks = entry.credential, _kept(entry)
        short = _short(held, entry, joining_for(settings, _class_of_entry(entry)))
        if not short.is_lesser:
            return secured[credential][marks]
        marks |= {Mark.WEAK}
        if credential is CredentialKind.ADOPTED:
            return not_owed[credential][marks]
        return weak[credential][marks] if short.is_forgiven else _LESSER

    return decide_secured


class _Short(NamedTuple):
    """Whether a security class is less than what is asked, and whether the policy forgives it."""

    is_lesser: bool
    is_forgiven: bool


def _short(held: SecurityClass, entry: Entry, joining: Joining) -> _Short:
    """How the class that a device holds stands to what is asked of it.

    One that proves no DSK is never enough for an entry that a DSK was given for, and never forgiven: who is there is
    not shown to be who the entry says.
    """
    proved = held.proves_dsk
    is_lesser = held.rank < joining.security.rank or not (
        proved or entry.credential is CredentialKind.ADOPTED
    )
    return _Short(is_lesser, proved and joining.failed_exchange is FailedExchange.WEAK)


def _kept(entry: Entry) -> frozenset[Mark]:
    """The marks that an entry has whatever its device proves."""
    kept = entry.marks - {Mark.WEAK}
    return kept | {Mark.EXPOSED} if entry.credential is CredentialKind.APPROVAL else kept


def _class_of_entry(entry: Entry) -> DeviceClass | None:
    """What the operator expects; else what the device said of itself; else None."""
    if entry.device_class is None and entry.pinned is not None:
        return class_of(entry.pinned.device_class)
    return class_of(entry.device_class)


def identify(settings: Settings, ways: Ways, back: Back) -> Callable[[IdentifyRequest, Context], Decision]:
    """The decider of what a device says of itself. What it does not say contradicts nothing. The baseline's devices
    keep to no terms: they were there before them."""
    same, reported, weak = map(entry_allows, (Rule.IDENTITY, Rule.IDENTITY_CHANGE, Rule.SECURITY_CLASS))
    changed = quarantine(Rule.IDENTITY_CHANGE)
    unbound = _unbound(settings, ways)

    def decide_identity(request: IdentifyRequest, context: Context) -> Decision:
        held = back(request, context)
        if not isinstance(held, Allow) or held.credential is None:
            return held
        entry = context.entries[request.device]
        if _fell(request, entry):
            return _LESSER
        credential, marks = held.credential, entry.marks
        is_weak = False
        if credential is not CredentialKind.ADOPTED:
            against = unbound(request, entry, context)
            if against is not None:
                return against
            short = _lacks(settings, request, entry)
            if short.is_lesser and not short.is_forgiven:
                return _LESSER
            is_weak = short.is_lesser
            marks = marks | {Mark.WEAK} if is_weak else marks
        if _differs(request, entry):
            if settings.identity_change is IdentityChange.QUARANTINE:
                return changed
            return reported[credential][marks]
        return (weak if is_weak else same)[credential][marks]

    return decide_identity


def _fell(request: IdentifyRequest, entry: Entry) -> bool:
    """Whether a Z-Wave device holds less than it did: somebody included it anew, or another one in its place."""
    if request.network is not Network.ZWAVE or request.security_class is None or entry.pinned is None:
        return False
    then = entry.pinned.security_class
    return then is not None and request.security_class.rank < then.rank


def _lacks(settings: Settings, request: IdentifyRequest, entry: Entry) -> _Short:
    """How a Z-Wave device's security class stands to what is asked of the class that it says now."""
    if request.network is not Network.ZWAVE or request.security_class is None:
        return _Short(is_lesser=False, is_forgiven=False)
    said = class_of(request.device_class)
    joining = joining_for(settings, said if said is not None else _class_of_entry(entry))
    return _short(request.security_class, entry, joining)


def _unbound(settings: Settings, ways: Ways) -> Callable[[IdentifyRequest, Entry, Context], Decision | None]:
    """What speaks against a device by the terms of the class and the maker that it says now; None: nothing."""
    maker = quarantine(Rule.MAKER)
    makers = settings.makers

    def unbound(request: IdentifyRequest, entry: Entry, context: Context) -> Decision | None:
        said = class_of(request.device_class)
        if said is not None:
            denied = ways[entry.credential][said][0]
            if denied is not None:
                return Quarantine(denied.rule, denied.reason)
            terms = joining_for(settings, said)
            owes = terms.tclk is Tclk.REQUIRED and terms.failed_exchange is FailedExchange.EVICT
            # While its admission runs, the exchange is yet to be judged, and then by this class.
            if (
                owes
                and request.network is Network.ZIGBEE
                and Mark.WEAK in entry.marks
                and request.device not in context.admissions
            ):
                return _EVICT
        said_maker = request.manufacturer
        if makers is not None and said_maker is not None and said_maker.casefold() not in makers:
            return maker
        return None

    return unbound


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
