"""What holds for the devices of a class: by which credential they may join, and on which terms."""

from __future__ import annotations

from typing import assert_never

import msgspec

from hubsec.identity import CredentialKind, Identity, SecurityClass
from hubsec.policy.classes import DeviceClass
from hubsec.policy.rules import Rule
from hubsec.policy.settings import Joining, Parents, Settings, Tclk


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a device may join by: the numbers for a radio's admission.

    `window`, `exchange_limit` and `smart_start_window` are seconds; the last one stands in the first one's place for a
    device that joins by SmartStart. `parents` are the routers that it may come through besides the coordinator, which
    is always allowed; None means any. `security` is the least security class that a Z-Wave device must end up with.
    `exposed`: the network key goes out under a public key.
    """

    credential: CredentialKind
    window: int
    exchange_limit: int
    tclk: Tclk
    attempts: int
    parents: frozenset[Identity] | None
    security: SecurityClass
    smart_start_window: int
    exposed: bool


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


def terms_for(settings: Settings, credential: CredentialKind, device_class: DeviceClass | None) -> Terms:
    """The terms of an admission by `credential`, which such a device may join by."""
    joining = joining_for(settings, device_class)
    return Terms(
        credential=credential,
        window=joining.window,
        exchange_limit=joining.exchange_limit,
        tclk=joining.tclk,
        attempts=joining.attempts,
        parents=routers_for(settings, joining),
        security=joining.security,
        smart_start_window=joining.smart_start_window,
        exposed=credential is CredentialKind.APPROVAL,
    )
