"""Deciding: a policy's settings are compiled once into tables of ready decisions, and a decision is a few look-ups.

The rules, in the order in which they are asked. Whatever none of them allows is denied.

A device that asks for the network's keys (join), or is to be let in unasked when it shows itself (SmartStart):
 1. Nothing joins before the network's baseline is confirmed.
 2. It has an entry on this network, is not quarantined, and its admission is open; else it has knocked, if somebody
     listens on a Zigbee network.
 3. The admission is in time, on this radio, and rests on the entry's credential; the entry is not expired and not
     spent.
 4. The policy takes that credential, class and maker; the router it came through; and not more tries than it says.
A device that has lost the network key (unsecured rejoin) gets it again only where the policy says so, and only if it
was let in by its present entry's install code and nothing is wrong with it.
A device that is on the network (secured rejoin, presence, the keys that it ended up with, identification):
 5. Before the baseline is confirmed it goes on working, whatever it is.
 6. Without an entry, or with one that has expired, it gets what the policy says of devices without entry.
 7. Quarantined stays quarantined.
 8. It was let in before, or its admission lives; the policy may be content with an entry.
 9. Zigbee: if it owes a link key exchange it proves one. Z-Wave: it holds the security class that is asked of its
     class of devices. Else it gets what the policy says of such devices; but nothing makes a living Z-Wave device
     leave, so that it is quarantined instead. A security class that proves no DSK is not forgiven at all.
10. Its security class is no lesser than it was. What it says of itself fits its entry, what it said before, and the
     policy's terms for that class and maker.
Whoever asks to open the network, to put a backup in its place, or to take the controller over, is refused. The policy
may let the host open Green Power commissioning, and let it and its server's other clients begin a Z-Wave inclusion
with S2, in which each device is judged by the rules above.

Deciding does no I/O, has no clock and no randomness: equal arguments make equal decisions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, assert_never

from hubsec.decisions import Allow, Decision, Knock
from hubsec.entries import Entry, Use
from hubsec.identity import CredentialKind, Identity, Mark, Network
from hubsec.policy.classes import DeviceClass
from hubsec.policy.context import Context
from hubsec.policy.opening import opening
from hubsec.policy.rules import REASONS, Rule
from hubsec.policy.settings import SecuredRejoin, Settings, UnsecuredRejoin, WithoutEntry
from hubsec.policy.staying import exchange, identify
from hubsec.policy.terms import joining_for, refusal, routers_for
from hubsec.policy.verdicts import NO_MARKS, Back, Way, Ways, allow, deny, entry_allows, evict, quarantine
from hubsec.requests import (
    ExchangeRequest,
    IdentifyRequest,
    JoinKind,
    JoinRequest,
    OpenRequest,
    PresenceRequest,
)


class Deciders(NamedTuple):
    """One function for each type of request."""

    join: Callable[[JoinRequest, Context], Decision]
    exchange: Callable[[ExchangeRequest, Context], Decision]
    identify: Callable[[IdentifyRequest, Context], Decision]
    presence: Callable[[PresenceRequest, Context], Decision]
    open: Callable[[OpenRequest, Context], Decision]


_BY = {
    CredentialKind.INSTALL_CODE: Rule.INSTALL_CODE,
    CredentialKind.DSK: Rule.DSK,
    CredentialKind.APPROVAL: Rule.APPROVAL,
}
"""The credentials that let a device join."""


def build(settings: Settings) -> Deciders:
    """The deciders of a policy with these settings."""
    ways = _ways(settings)
    back = _back(settings)
    return Deciders(
        join=_join(settings, ways, back),
        exchange=exchange(settings, back),
        identify=identify(settings, ways, back),
        presence=back,
        open=opening(settings),
    )


_JOIN, _SMART_START, _SECURED = JoinKind.JOIN, JoinKind.SMART_START, JoinKind.SECURED_REJOIN
_SINGLE = Use.SINGLE
_BASELINE = CredentialKind.ADOPTED
_ZIGBEE = Network.ZIGBEE
# What does not depend on settings is ready here; a closure's own variables are copied at every call.
_UNCONFIRMED, _NO_ENTRY, _NO_ADMISSION = map(deny, (Rule.ADOPTION, Rule.NO_ENTRY, Rule.NO_ADMISSION))
_KNOCK, _KNOCK_RATE = Knock(Rule.KNOCK.value, REASONS[Rule.KNOCK]), deny(Rule.KNOCK_RATE)
_QUARANTINED, _OVER, _OTHER_RADIO = map(deny, (Rule.QUARANTINED, Rule.ADMISSION_OVER, Rule.OTHER_RADIO))
_MISMATCH, _EXPIRED, _SPENT = map(deny, (Rule.CREDENTIAL_MISMATCH, Rule.ENTRY_EXPIRED, Rule.ENTRY_SPENT))
_MAKER, _PARENT, _ATTEMPTS = map(deny, (Rule.MAKER, Rule.PARENT, Rule.ATTEMPTS))
_KNOWN, _ADOPTED, _LISTED, _ADMITTED = map(
    entry_allows, (Rule.KNOWN, Rule.ADOPTED, Rule.ENTRY, Rule.ADMISSION)
)
_UNSECURED = deny(Rule.UNSECURED_REJOIN)


def _act(settings: Settings, rule: Rule) -> Decision:
    """What the policy says of devices without entry, by `rule`."""
    match settings.without_entry:
        case WithoutEntry.QUARANTINE:
            return quarantine(rule)
        case WithoutEntry.EVICT:
            return evict(rule)
        case WithoutEntry.REPORT:
            return allow(rule)
        case _:
            assert_never(settings.without_entry)


def _ways(settings: Settings) -> Ways:
    """For each credential, by the class that an entry expects, what it gets; None for a class that nobody has said."""
    ways: Ways = {}
    for credential in CredentialKind:
        rule = _BY.get(credential, Rule.CREDENTIAL)
        marks = frozenset({Mark.EXPOSED}) if credential is CredentialKind.APPROVAL else NO_MARKS
        allowed = allow(rule, credential, marks)
        of_class: dict[str | None, Way] = {}
        for device_class in (None, *DeviceClass):
            joining = joining_for(settings, device_class)
            refused = (
                Rule.CREDENTIAL if credential not in _BY else refusal(settings, credential, device_class)
            )
            denied = None if refused is None else deny(refused)
            of_class[device_class] = (denied, allowed, routers_for(settings, joining), joining.attempts)
        ways[credential] = of_class
    return ways


def _back(settings: Settings) -> Back:
    """Rules 5 to 8. An Allow that rests on an entry has that entry's credential; no other has one."""
    unconfirmed = allow(Rule.ADOPTION)
    without_entry = _act(settings, Rule.WITHOUT_ENTRY)
    expired = _act(settings, Rule.ENTRY_EXPIRED)
    never = _act(settings, Rule.NEVER_LET_IN)
    quarantined = quarantine(Rule.QUARANTINED)
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
    settings: Settings, ways: Ways, back: Back
) -> Callable[[JoinRequest, Context], Decision]:
    """Rules 1 to 4, and who is sent the network key again."""
    rate = settings.knocks_per_minute if settings.listening_length else 0
    makers = None if settings.makers is None else frozenset(settings.makers)
    unsecured = _unsecured(settings, back)

    # In one piece, because every call would cost a tenth of the whole.
    def join(request: JoinRequest, context: Context) -> Decision:  # noqa: C901, PLR0911, PLR0912
        kind = request.kind
        if kind is not _JOIN and kind is not _SMART_START:
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
            if rate and context.listening and request.network is _ZIGBEE:
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
            denied, allowed, routers, most = ways[credential][entry.device_class]
        except KeyError:  # A word that is no class.
            denied, allowed, routers, most = ways[credential][DeviceClass.OTHER]
        if denied is not None:
            return denied
        if makers is not None and (entry.maker is None or entry.maker.casefold() not in makers):
            return _MAKER
        if request.through_router:
            if routers is not None and request.parent not in routers:
                return _PARENT
            if admission.parents is not None and request.parent not in admission.parents:
                return _PARENT
        return allowed if request.attempt <= most else _ATTEMPTS

    return join


def _joined_by(entry: Entry) -> bool:
    """Whether the device was let in by this entry's own credential, and not only by one that it had before."""
    return entry.joined_at is not None and entry.joined_at >= entry.approved_at


def _unsecured(settings: Settings, back: Back) -> Callable[[JoinRequest, Context], Decision]:
    """Who gets the network key again: only a link key that nobody else can know may carry it."""
    allowed = allow(Rule.VERIFIED_REJOIN, CredentialKind.INSTALL_CODE)
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
