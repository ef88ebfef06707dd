"""Why a network's key ought to be changed, and whether that may begin by itself.

Pure. What is due is a :class:`Need`; it stands until a rotation has dealt with it. A need starts a rotation only where
the hub was told to act on its kind (:class:`Rotating`), and the dry run has no objection; otherwise it is overdue,
and somebody has to decide.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from typing import Final

import msgspec

from hubsec.errors import HubsecError
from hubsec.identity import Identity
from hubsec.rotation.machine import Pace
from hubsec.rotation.shapes import RotationPlan, Way

PATIENCE: Final = 24 * 3600.0
"""Seconds that each phase of a rotation waits for whoever sleeps. Judgement: a device that reports its battery once a
day is heard in that time."""
LEAST_AGE: Final = 24 * 3600.0
"""Seconds below which no age makes a key due. Judgement: frame counters have room for decades, and each change costs
somebody who sleeps."""


class Trigger(enum.StrEnum):
    """Why a key is due to be changed."""

    AGE = "age"
    EVICTION = "eviction"
    """Somebody who was put out holds it."""
    EXPOSURE = "exposure"
    """It was sent under a public key: who listened has it."""
    ABANDONED = "abandoned"
    """A rotation was given up when devices had its key already, and keep it: whoever holds the present one can order
    them to use it. The key of the next rotation takes its place."""


BY_ANY_KEY: Final = frozenset({Trigger.AGE, Trigger.ABANDONED})
"""What any other key heals, whoever reads it."""


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """One reason why the key of a network ought to be changed. `device`: who was put out, or was let in exposed; None
    for an age."""

    network_id: str
    trigger: Trigger
    device: Identity | None
    since: float
    reason: str


class Rotating(msgspec.Struct, frozen=True, kw_only=True):
    """What a hub does by itself about keys; nothing, unless told otherwise.

    `after_age` seconds a key is due; None: never. `after_eviction`, `after_exposure`: such a need starts a rotation,
    if its dry run has no objection. `patience`: how long each phase waits. `pace`: the waits of a
    rotation. `take_back`: seconds for which stragglers of a unicast may then come back without the network key, where
    policy and radio go along (:meth:`hubsec.hub.Hub.take_back`); 0: not by itself.
    Raises :class:`~hubsec.errors.HubsecError` for an age below :data:`LEAST_AGE`, or no number.
    """

    after_age: float | None = None
    after_eviction: bool = False
    after_exposure: bool = False
    patience: float = PATIENCE
    pace: Pace = Pace()
    take_back: float = 0.0

    def __post_init__(self) -> None:
        if self.after_age is not None and not LEAST_AGE <= self.after_age < math.inf:
            raise HubsecError(f"A key's age is at least {LEAST_AGE:g} s.")
        if not 0 < self.patience < math.inf:
            raise HubsecError("The patience of a rotation is a number of seconds above zero.")
        if not 0 <= self.take_back < math.inf:
            raise HubsecError("Stragglers are taken back for a number of seconds, or 0 for not at all.")

    def acts_on(self, trigger: Trigger) -> bool:
        """Whether a need of that kind may start a rotation."""
        match trigger:
            case Trigger.AGE:
                return self.after_age is not None
            case Trigger.EVICTION:
                return self.after_eviction
            case Trigger.EXPOSURE:
                return self.after_exposure
            case Trigger.ABANDONED:
                return False  # Somebody gave it up, and is to decide.


def age_need(network_id: str, *, since: float, now: float, after: float | None) -> Need | None:
    """The need of a key that is live since then, None while it is young, or where age does not count."""
    if after is None or now - since < after:
        return None
    return Need(
        network_id=network_id,
        trigger=Trigger.AGE,
        device=None,
        since=since + after,
        reason="The network key is older than it is to be.",
    )


def way_for(needs: Iterable[Need]) -> Way:
    """The quickest way that can heal these. Who holds the present key reads what is broadcast under it."""
    return Way.BROADCAST if all(need.trigger in BY_ANY_KEY for need in needs) else Way.UNICAST


def acting(
    needs: Iterable[Need], rotating: Rotating, *, given_up_at: float | None = None
) -> tuple[Need, ...]:
    """Those of these needs that may start a rotation; see :func:`objections`."""
    return tuple(
        need
        for need in needs
        if rotating.acts_on(need.trigger) and (given_up_at is None or need.since > given_up_at)
    )


def objections(
    needs: Iterable[Need], plan: RotationPlan | None, rotating: Rotating, *, given_up_at: float | None = None
) -> tuple[str, ...]:
    """Why these needs may not start a rotation by themselves; nothing when they may. `plan` is the dry run, None where
    none was made. `given_up_at`: when the last rotation was abandoned, None where it was not; what stood then does
    not begin it once more."""
    needs = tuple(needs)
    if any(map(rotating.acts_on, (need.trigger for need in needs))) and not acting(
        needs, rotating, given_up_at=given_up_at
    ):
        return (
            *(need.reason for need in needs),
            "A rotation for that was given up: somebody has to begin it anew.",
        )
    if not any(rotating.acts_on(need.trigger) for need in needs):
        return (
            *(need.reason for need in needs),
            "This hub changes no key by itself: somebody has to begin it.",
        )
    if plan is None:
        return (*(need.reason for need in needs), "What a rotation would do could not be found out.")
    return (*(need.reason for need in needs), *plan.why_not) if plan.why_not else ()
