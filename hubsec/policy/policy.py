"""A compiled policy, and what it says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import assert_never

import msgspec

from hubsec.decisions import Decision
from hubsec.errors import Refused
from hubsec.identity import CredentialKind, SecurityClass
from hubsec.policy.classes import DeviceClass
from hubsec.policy.context import Context
from hubsec.policy.engine import Deciders, build
from hubsec.policy.keys import duration_text
from hubsec.policy.reading import shown
from hubsec.policy.rules import Rule
from hubsec.policy.settings import (
    GreenPower,
    HostInclusion,
    HostPermit,
    IdentityChange,
    Settings,
    WithoutEntry,
)
from hubsec.policy.terms import Terms, class_of, joining_for, refusal, terms_for
from hubsec.requests import (
    ExchangeRequest,
    IdentifyRequest,
    JoinRequest,
    OpenRequest,
    PresenceRequest,
    Request,
)


class Policy(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """A policy, ready to decide. Made by :func:`compile_policy`; immutable, and safe to share between threads.

    `hash` is the SHA-256, in hex, of the settings' canonical form: two files that mean the same have the same hash,
    whatever their spelling, comments and `about`. `deciders` and `join` are what :func:`decide` calls; `join` stands by
    itself because it is asked most.
    """

    settings: Settings
    hash: str
    deciders: Deciders
    join: Callable[[JoinRequest, Context], Decision]

    @property
    def name(self) -> str:
        """Its name."""
        return self.settings.name

    @property
    def green_power(self) -> GreenPower:
        """Whether a host application may open Green Power commissioning."""
        return self.settings.green_power

    @property
    def without_entry(self) -> WithoutEntry:
        """What becomes of a device on the network that has no entry."""
        return self.settings.without_entry

    @property
    def identity_change(self) -> IdentityChange:
        """What becomes of a device that says something else of itself than before."""
        return self.settings.identity_change

    @property
    def host_permit(self) -> HostPermit:
        """What a host application's request to open the network gets."""
        return self.settings.host_permit

    @property
    def host_inclusion(self) -> HostInclusion:
        """What a host application gets that starts a Z-Wave inclusion with S2."""
        return self.settings.host_inclusion

    @property
    def listening_length(self) -> int:
        """Longest listening window, seconds; 0: there is none."""
        return self.settings.listening_length

    @property
    def knocks_per_minute(self) -> int:
        """How many knocks are told of within 60 seconds; see :attr:`~hubsec.policy.Context.knocks`."""
        return self.settings.knocks_per_minute

    def terms(
        self, credential: CredentialKind, device_class: str | None = None, maker: str | None = None
    ) -> Terms:
        """The terms of an admission by `credential` for a device that its entry expects to be of that class and maker.

        Raises :class:`~hubsec.errors.Refused`, with the rule, where such a device may not join by it.
        """
        known_class = class_of(device_class)
        rule = refusal(self.settings, credential, known_class)
        makers = self.settings.makers
        if rule is None and makers is not None and (maker is None or maker.casefold() not in makers):
            rule = Rule.MAKER
        if rule is not None:
            raise Refused(self._refusal(rule, credential, known_class, maker), rule=rule.value)
        return terms_for(self.settings, credential, known_class)

    def least_security(self, device_class: str | None) -> SecurityClass:
        """The least security class that a Z-Wave device of that class must end up with; None: nobody has said its
        class."""
        return joining_for(self.settings, class_of(device_class)).security

    def check_listening(self, seconds: float) -> None:
        """Raises :class:`~hubsec.errors.Refused`, with the rule, where nobody may listen for that long."""
        longest = self.settings.listening_length
        try:
            if 0 < seconds <= longest:
                return
            asked = f"{float(seconds):g} s"
        except (TypeError, ValueError, OverflowError):
            asked = "something else"
        if longest:
            reason = (
                f"Policy {self.name} lets you listen for {duration_text(longest)} at most; {asked} was asked."
            )
        else:
            reason = f"Policy {self.name} never listens."
        raise Refused(reason, rule=Rule.LISTENING_LENGTH.value)

    def _refusal(
        self, rule: Rule, credential: CredentialKind, known_class: DeviceClass | None, maker: str | None
    ) -> str:
        """Why such a device may not join, and what could."""
        such = (
            "a device whose class is not said" if known_class is None else f"a device of class {known_class}"
        )
        match rule:
            case Rule.CREDENTIAL:
                taken = " or ".join(joining_for(self.settings, known_class).credentials) or "nothing"
                whom = "a device" if known_class is None else such
                return f"Policy {self.name} does not let {whom} join by {credential}, only by {taken}."
            case Rule.DEVICE_CLASS:
                taken = ", ".join(self.settings.classes or ()) or "nothing"
                return f"Policy {self.name} does not take {such}, only {taken}."
            case _:
                such = (
                    "a device whose maker is not said"
                    if maker is None
                    else f"a device of maker {shown(maker)}"
                )
                return f"Policy {self.name} does not take {such}: see joining.makers in it."

    def __repr__(self) -> str:
        return f"Policy({self.name!r}, hash={self.hash[:12]!r})"


def compile_policy(settings: Settings) -> Policy:
    """The policy with these settings, which must have been checked (:func:`~hubsec.policy.load_policy` does both)."""
    meaning = msgspec.structs.replace(settings, about="")
    canonical = msgspec.json.encode(meaning, order="deterministic")
    deciders = build(settings)
    return Policy(
        settings=settings, hash=hashlib.sha256(canonical).hexdigest(), deciders=deciders, join=deciders.join
    )


def decide(request: Request, policy: Policy, context: Context) -> Decision:
    """What `policy` says to `request`. Pure, and takes the same time however many entries there are."""
    # Class patterns would take four times as long as isinstance.
    if isinstance(request, JoinRequest):
        return policy.join(request, context)
    if isinstance(request, PresenceRequest):
        return policy.deciders.presence(request, context)
    if isinstance(request, ExchangeRequest):
        return policy.deciders.exchange(request, context)
    if isinstance(request, IdentifyRequest):
        return policy.deciders.identify(request, context)
    if isinstance(request, OpenRequest):
        return policy.deciders.open(request, context)
    assert_never(request)
