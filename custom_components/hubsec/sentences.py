"""What happened, for a person: a sentence for each kind of event.

A sentence begins in lower case, as it stands in the logbook behind the network's name; :func:`capitalized` is for where
it stands alone. What devices say of themselves is in it, cleaned and cut by hubsec; no secret is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from homeassistant.util import dt as dt_util

from hubsec import CredentialKind, Identity, Mark, SecurityClass
from hubsec.events import (
    AdmissionClosed,
    AdmissionOpened,
    AdoptionConfirmed,
    AdoptionListed,
    Denied,
    Drifted,
    Event,
    Evicted,
    Exposed,
    GuardAttached,
    GuardDetached,
    IdentityChanged,
    IdentityPinned,
    Joined,
    JoinFailed,
    KeyDelivered,
    KeyRotated,
    KeysDisagree,
    KeySent,
    Knocked,
    Left,
    ListeningClosed,
    ListeningOpened,
    Malformed,
    Marked,
    OpenRefused,
    Quarantined,
    RadioLost,
    Reincluded,
    ReinclusionAwaits,
    ReinclusionEnded,
    ReinclusionStarted,
    Rejoined,
    Released,
    RemovalAwaited,
    RogueOpening,
    RotationAbandoned,
    RotationOverdue,
    RotationResumed,
    RotationStarted,
    RotationStepped,
    Steered,
    StoreAlarm,
    StoreRecovered,
    SubscriberFailed,
    SubscriberSlow,
    TakingBackClosed,
    TakingBackOpened,
)
from hubsec.requests import JoinKind, LinkKeyState, OpenKind
from hubsec.rotation.shapes import Delivery, Step, Way
from hubsec.rotation.triggers import Trigger

type Called = Callable[[Identity | None], str]
"""What a person calls a device."""

_EUI64: Final = re.compile(r"\b[0-9a-f]{2}(?::[0-9a-f]{2}){7}\b")

_BY: Final = {
    CredentialKind.INSTALL_CODE: "by its install code",
    CredentialKind.DSK: "by its DSK",
    CredentialKind.APPROVAL: "by approval",
    CredentialKind.ADOPTED: "as one of the baseline",
}
_LINK_KEYS: Final = {
    LinkKeyState.VERIFIED: "it holds a link key of its own",
    LinkKeyState.FAILED: "its link key exchange failed",
    LinkKeyState.MISSING: "it has no link key of its own",
}
_CLASSES: Final = {
    SecurityClass.NONE: "it talks in the clear",
    SecurityClass.S0: "it talks under S0",
    SecurityClass.S2_UNAUTHENTICATED: "it talks under S2, unauthenticated",
    SecurityClass.S2_AUTHENTICATED: "it talks under S2, authenticated",
    SecurityClass.S2_ACCESS_CONTROL: "it talks under S2 Access Control",
}
_OPENINGS: Final = {
    OpenKind.PERMIT: "to open the network for whoever comes",
    OpenKind.PERMIT_LINK_KEY: "to open the network for one device",
    OpenKind.GREEN_POWER: "to open Green Power commissioning",
    OpenKind.RESTORE: "to restore a backup of the network",
    OpenKind.INCLUSION: "to include a device",
    OpenKind.INSECURE_INCLUSION: "to include a device without S2",
    OpenKind.TAKEOVER: "to wipe the controller, or to have it join another network",
}
WAYS: Final[dict[str, str]] = {
    Way.BROADCAST: "to everybody at once",
    Way.UNICAST: "to one device after the other",
}
_STEPS: Final[dict[str, str]] = {
    Step.STAGED: "has drawn a new network key, and sent nothing yet",
    Step.DELIVERING: "gives out a new network key",
    Step.SWITCHING: "tells its devices to use the new network key",
    Step.SWITCHED: "uses the new network key",
    Step.CONFIRMING: "asks its devices for an answer under the new network key",
    Step.ENDED: "is through with the change of its network key",
}
_DELIVERIES: Final[dict[str, str]] = {
    Delivery.PENDING: "has yet to give {device} the new network key",
    Delivery.SENT: "gave {device} the new network key",
    Delivery.CONFIRMED: "heard {device} under the new network key",
    Delivery.MISSED: "did not get the new network key through to {device}: re-join it with its install code",
    Delivery.LEFT_OUT: "leaves {device} without the new network key",
}
_TRIGGERS: Final[dict[str, str]] = {
    Trigger.AGE: "it is old",
    Trigger.EVICTION: "somebody who was put out holds it",
    Trigger.EXPOSURE: "somebody may have listened to it",
    Trigger.ABANDONED: "devices still have one that was given up",
}
_NAMED: Final = 12
"""Devices that one sentence names; the rest are counted."""
_BEGINNINGS: Final = frozenset({"A", "An", "Devices", "It", "Its", "Nobody", "That", "The", "This", "Too"})
"""Words that begin a reason and are no names: behind a colon they are small."""


def sentence(event: Event, called: Called) -> str:
    """What `event` says. Raises :class:`KeyError` for a type that has no sentence; a test holds that there is none."""
    return _SENTENCES[type(event)](event, called)


def capitalized(text: str) -> str:
    """`text` with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def with_sentence() -> frozenset[type[Event]]:
    """The types of events that have a sentence."""
    return frozenset(_SENTENCES)


# Pieces


def by_name(text: str, called: Called) -> str:
    """A text of hubsec's own, with what people call a Zigbee device in the place of each address."""
    return _EUI64.sub(lambda found: called(Identity(found[0])), text)


def _because(reason: str) -> str:
    return f": {_lowered(reason)}" if reason else ""


def _lowered(reason: str) -> str:
    first, blank, rest = reason.rstrip(".").partition(" ")
    return f"{first.lower() if first in _BEGINNINGS else first}{blank}{rest}"


def _done(what: str, reason: str, *, enforced: bool) -> str:
    return f"{what if enforced else f'would have {what} if it enforced'}{_because(reason)}"


def _clock(time: float) -> str:
    return dt_util.as_local(dt_util.utc_from_timestamp(time)).strftime("%H:%M:%S")


def _through(parent: Identity | None, called: Called) -> str:
    return f" through {called(parent)}" if parent is not None else ""


def _devices(count: int) -> str:
    return "one device" if count == 1 else f"{count} devices"


def _words(names: Sequence[str]) -> str:
    return ", ".join(name.replace("-", " ") for name in names)


def _named(devices: Sequence[Identity], called: Called) -> str:
    names = [called(device) for device in devices[:_NAMED]]
    if len(devices) > _NAMED:
        names.append(f"{len(devices) - _NAMED} more")
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


# Joining


def _admission_opened(event: AdmissionOpened, called: Called) -> str:
    opened = f"lets {called(event.device)} in {_BY[event.credential]} until {_clock(event.closes_at)}"
    return f"{opened}; whoever listens then has the network key" if event.exposed else opened


def _admission_closed(event: AdmissionClosed, called: Called) -> str:
    return f"is closed again for {called(event.device)}{_because(event.reason)}"


def _denied(event: Denied, called: Called) -> str:
    asked = "" if event.kind is JoinKind.JOIN else " when it asked to come back"
    who = f"{called(event.device)}{_through(event.parent, called)}{asked}"
    return _done(f"refused {who}", event.reason, enforced=event.enforced)


def _knocked(event: Knocked, called: Called) -> str:
    return f"heard a knock: {called(event.device)} asks to join{_through(event.parent, called)}"


def _key_sent(event: KeySent, called: Called) -> str:
    if event.credential is CredentialKind.DSK:
        return f"lets {called(event.device)} have its keys, for it has shown its DSK"
    under = "under a public key: whoever listened has it" if event.exposed else "under its install code"
    return f"sent {called(event.device)} the network key {under}"


def _joined(event: Joined, called: Called) -> str:
    keys = _LINK_KEYS[event.link_key] if event.link_key is not None else None
    if event.security_class is not None:
        keys = _CLASSES[event.security_class]
    return f"let {called(event.device)} in {_BY[event.credential]}{f': {keys}' if keys else ''}"


def _join_failed(event: JoinFailed, called: Called) -> str:
    where = f" as {event.address}" if event.address is not None else ""
    return f"could not let {called(event.device)} in{where}{_because(event.reason)}"


def _rejoined(event: Rejoined, called: Called) -> str:
    return f"has {called(event.device)} back{_through(event.parent, called)}"


def _left(event: Left, called: Called) -> str:
    return f"heard {called(event.device)} say that it leaves"


# Devices


def _marked(event: Marked, called: Called) -> str:
    word = "exposed" if event.mark is Mark.EXPOSED else "weak"
    return f"marked {called(event.device)} as {word}{_because(event.reason)}"


def _quarantined(event: Quarantined, called: Called) -> str:
    return _done(f"quarantined {called(event.device)}", event.reason, enforced=event.enforced)


def _released(event: Released, called: Called) -> str:
    return f"lets {called(event.device)} stay and be used, on {event.by}'s word"


def _evicted(event: Evicted, called: Called) -> str:
    done = _done(f"evicted {called(event.device)}", event.reason, enforced=event.enforced)
    if not event.enforced:
        return done
    went = "it left" if event.confirmed else "it has not said that it left"
    key = "; it still holds the network key" if event.still_holds_network_key else ""
    return f"{done}; {went}{key}"


def _removal_awaited(event: RemovalAwaited, called: Called) -> str:
    button = (
        f"press its button until {_clock(event.excluding_until)}, or switch it off"
        if event.excluding_until is not None
        else "switch it off"
    )
    return f"waits for {called(event.device)} to leave, which nothing can make it do: {button}"


def _identity_pinned(event: IdentityPinned, called: Called) -> str:
    said = [part for part in (event.device_class, event.manufacturer, event.model) if part]
    return f"wrote down what {called(event.device)} says it is: {', '.join(said) or 'nothing'}"


def _identity_changed(event: IdentityChanged, called: Called) -> str:
    field = event.field.replace("_", " ")
    return (
        f"found that {called(event.device)} says another {field} than before: "
        f"{event.seen or 'nothing'}, not {event.pinned or 'nothing'}"
    )


# The network


def _guard_attached(event: GuardAttached, _: Called) -> str:
    return f"is guarded{'; not held here: ' + _words(event.gaps) if event.gaps else ''}"


def _guard_detached(event: GuardDetached, _: Called) -> str:
    left = "all is as it was before" if event.restored else "not all could be put back as it was before"
    return f"is guarded no more{_because(event.reason)}; {left}"


def _open_refused(event: OpenRefused, called: Called) -> str:
    what = _OPENINGS[event.kind] + (f", {called(event.device)}" if event.device is not None else "")
    asker = "the host" if event.asker == "host" else event.asker.removeprefix("client:")
    return _done(f"refused {asker} {what}", event.reason, enforced=event.enforced)


def _opening(event: RogueOpening | Steered, called: Called) -> str:
    closed = "they were told to close again" if event.closed else "they were not told to close again"
    why = ", as new routers do" if isinstance(event, Steered) else ""
    who = called(event.device) if event.device is not None else "an unknown node"
    return f"heard {who} tell the routers to open for {event.seconds} s{why}; {closed}"


def _listening_opened(event: ListeningOpened, _: Called) -> str:
    return f"listens for knocks until {_clock(event.closes_at)}, as {event.by} asked"


def _listening_closed(event: ListeningClosed, _: Called) -> str:
    return f"listens for knocks no more{_because(event.reason)}"


def _taking_back_opened(event: TakingBackOpened, called: Called) -> str:
    who, until = _named(event.awaited, called), _clock(event.closes_at)
    return f"takes {who} back without the network key until {until}, as {event.by} asked"


def _taking_back_closed(event: TakingBackClosed, _: Called) -> str:
    return f"takes nobody back without the network key any more{_because(event.reason)}"


def _drifted(event: Drifted, _: Called) -> str:
    mended = "it was put right" if event.restored else "it could not be put right"
    return f"found {event.setting} at {event.found} instead of {event.expected}; {mended}"


def _exposed(event: Exposed, called: Called) -> str:
    return f"has a network key that must be taken to be known{_because(by_name(event.reason, called))}"


def _adoption_listed(event: AdoptionListed, _: Called) -> str:
    return f"has {_devices(len(event.devices))} that nobody has confirmed yet"


def _adoption_confirmed(event: AdoptionConfirmed, _: Called) -> str:
    return f"has {_devices(len(event.devices))} as its baseline, on {event.by}'s word"


def _malformed(event: Malformed, called: Called) -> str:
    sender = f" from {called(event.device)}" if event.device is not None else ""
    return f"got something that makes no sense{sender} ({event.count} so far, {event.layer}){_because(event.reason)}"


def _radio_lost(event: RadioLost, _: Called) -> str:
    left = (
        "it was last refusing all joins" if event.left_refusing else "whether it refuses joins is not known"
    )
    return f"lost its radio{_because(event.reason)}; {left}"


# The keys


def _rotation_started(event: RotationStarted, called: Called) -> str:
    way = WAYS.get(event.way, event.way)
    left = f"; {_named(event.left_out, called)} will be left without it" if event.left_out else ""
    begun = f"changes its network key, {way} ({_devices(event.devices)}), on {event.by}'s word"
    return f"{begun}{_because(event.reason)}{left}"


def _rotation_resumed(event: RotationResumed, _: Called) -> str:
    return f"goes on with the change of its network key, where it was ({event.done} of {_devices(event.devices)} done)"


def _rotation_stepped(event: RotationStepped, _: Called) -> str:
    key = f", key {event.round} of {event.rounds}" if event.rounds > 1 else ""
    return f"{_STEPS.get(event.step, event.step)} ({event.done} of {_devices(event.devices)} done{key})"


def _key_delivered(event: KeyDelivered, called: Called) -> str:
    device, said = called(event.device), _DELIVERIES.get(event.delivery)
    return said.format(device=device) if said is not None else f"{device}: {event.delivery}"


def _key_rotated(event: KeyRotated, called: Called) -> str:
    late = (
        f"; {_named(event.stragglers, called)} did not come along: re-join with the install code"
        if event.stragglers
        else ""
    )
    left = f"; {_named(event.left_out, called)} was left out" if event.left_out else ""
    return f"has a new network key, number {event.sequence}{late}{left}"


def _rotation_abandoned(event: RotationAbandoned, _: Called) -> str:
    return f"keeps the network key that it has, for the change was given up{_because(event.reason)}"


def _rotation_overdue(event: RotationOverdue, called: Called) -> str:
    reasons = "; ".join(_lowered(by_name(reason, called)) for reason in event.reasons)
    why = _TRIGGERS.get(event.trigger, event.trigger)
    return f"ought to have a new network key, for {why}; somebody has to decide{_because(reasons)}"


def _keys_disagree(event: KeysDisagree, _: Called) -> str:
    done = "mended" if event.repaired else "to be done"
    return f"has keys that do not agree{_because(event.reason)}; {done}{_because(event.repair)}"


def _reinclusion_started(event: ReinclusionStarted, _: Called) -> str:
    anew = f"has new keys, and {_devices(event.devices)} to include anew, on {event.by}'s word"
    return f"{anew}{_because(event.reason)}"


def _reinclusion_awaits(event: ReinclusionAwaits, _: Called) -> str:
    return f"waits for {event.name} to be included anew{_because(event.detail)}"


def _reincluded(event: Reincluded, _: Called) -> str:
    return f"has {event.name} back, on the new keys ({event.done} of {_devices(event.devices)})"


def _reinclusion_ended(event: ReinclusionEnded, called: Called) -> str:
    missing = f"without {_named(event.missing, called)}" if event.missing else "with every device"
    return f"is through with including its devices anew, {missing}"


# hubsec itself


def _store_alarm(event: StoreAlarm, _: Called) -> str:
    return f"can record nothing, so nobody joins{_because(event.reason)}"


def _store_recovered(_event: StoreRecovered, _: Called) -> str:
    return "can record again"


def _subscriber_failed(event: SubscriberFailed, _: Called) -> str:
    return f"told {event.subscriber} of {event.during}, which raised {event.error}"


def _subscriber_slow(event: SubscriberSlow, _: Called) -> str:
    return f"lost {event.dropped} events for {event.subscriber}, which is too slow"


_SENTENCES: Final[dict[type[Event], Callable[[Any, Called], str]]] = {
    AdmissionOpened: _admission_opened,
    AdmissionClosed: _admission_closed,
    Denied: _denied,
    Knocked: _knocked,
    KeySent: _key_sent,
    Joined: _joined,
    JoinFailed: _join_failed,
    Rejoined: _rejoined,
    Left: _left,
    Marked: _marked,
    Quarantined: _quarantined,
    Released: _released,
    Evicted: _evicted,
    RemovalAwaited: _removal_awaited,
    IdentityPinned: _identity_pinned,
    IdentityChanged: _identity_changed,
    GuardAttached: _guard_attached,
    GuardDetached: _guard_detached,
    OpenRefused: _open_refused,
    RogueOpening: _opening,
    Steered: _opening,
    ListeningOpened: _listening_opened,
    ListeningClosed: _listening_closed,
    TakingBackOpened: _taking_back_opened,
    TakingBackClosed: _taking_back_closed,
    Drifted: _drifted,
    Exposed: _exposed,
    AdoptionListed: _adoption_listed,
    AdoptionConfirmed: _adoption_confirmed,
    Malformed: _malformed,
    RadioLost: _radio_lost,
    RotationStarted: _rotation_started,
    RotationResumed: _rotation_resumed,
    RotationStepped: _rotation_stepped,
    KeyDelivered: _key_delivered,
    KeyRotated: _key_rotated,
    RotationAbandoned: _rotation_abandoned,
    RotationOverdue: _rotation_overdue,
    KeysDisagree: _keys_disagree,
    ReinclusionStarted: _reinclusion_started,
    ReinclusionAwaits: _reinclusion_awaits,
    Reincluded: _reincluded,
    ReinclusionEnded: _reinclusion_ended,
    StoreAlarm: _store_alarm,
    StoreRecovered: _store_recovered,
    SubscriberFailed: _subscriber_failed,
    SubscriberSlow: _subscriber_slow,
}
