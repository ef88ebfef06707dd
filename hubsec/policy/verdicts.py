"""Decisions that are ready before anybody asks, and what the deciders share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hubsec.decisions import Allow, Decision, Deny, Evict, Quarantine
from hubsec.identity import CredentialKind, Identity, Mark
from hubsec.policy.context import Context
from hubsec.policy.rules import REASONS, Rule
from hubsec.requests import ExchangeRequest, IdentifyRequest, JoinRequest, PresenceRequest

type Way = tuple[Deny | None, Allow, frozenset[Identity] | None, int]
"""What one credential gets a device of one class: a refusal; else the decision, the routers it may come through
(None: any), and how many tries it has. A plain tuple, because that is what Python unpacks fastest."""
type Ways = dict[CredentialKind, dict[str | None, Way]]
"""By credential, then by the device's class; plain dicts, in which Python looks up fastest."""
type Back = Callable[[JoinRequest | ExchangeRequest | IdentifyRequest | PresenceRequest, Context], Decision]
"""What a device gets that is on the network, before anything is asked of it."""

NO_MARKS: Final[frozenset[Mark]] = frozenset()
_MARKS: Final = (
    NO_MARKS,
    frozenset({Mark.EXPOSED}),
    frozenset({Mark.WEAK}),
    frozenset({Mark.EXPOSED, Mark.WEAK}),
)


def deny(rule: Rule) -> Deny:
    """The refusal by `rule`."""
    return Deny(rule.value, REASONS[rule])


def quarantine(rule: Rule) -> Quarantine:
    """The quarantine by `rule`."""
    return Quarantine(rule.value, REASONS[rule])


def evict(rule: Rule) -> Evict:
    """The eviction by `rule`."""
    return Evict(rule.value, REASONS[rule])


def allow(rule: Rule, credential: CredentialKind | None = None, marks: frozenset[Mark] = NO_MARKS) -> Allow:
    """The permission by `rule`."""
    return Allow(rule.value, REASONS[rule], credential, marks)


def entry_allows(rule: Rule) -> dict[CredentialKind, dict[frozenset[Mark], Allow]]:
    """A ready decision for every credential and marks that an entry can have."""
    return {
        credential: {marks: allow(rule, credential, marks) for marks in _MARKS}
        for credential in CredentialKind
    }
