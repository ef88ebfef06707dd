"""What the trust center's settings ought to be, and how to get there; sans-I/O.

Rules
1. There is only what ought to hold now (:class:`Desired`), a pure function of what is open; nothing is ever put back to
   what it was before.
2. Idle: no joins, no rejoins (0x00), Request-Key ignored (0x50), no transient key, nobody permitted.
3. While a device may associate, or knocks are heard: ALLOW_JOINS | DEFER_JOINS (0x21). The NCP sends no key by itself.
   Where the firmware lacks DEFER_JOINS: ALLOW_JOINS | JOINS_USE_INSTALL_CODE_KEY (0x11), for install codes only.
4. While an exchange runs: Request-Key is answered, with the derived key (0x51), or where link keys are unique with a
   new one (0x52), which takes the place of the device's transient key until it is verified.
5. A transient key is held for each device that may associate or exchanges, for that device alone. There is no wildcard.
6. On the way, nothing is ever more open than both ends: what narrows comes first, what widens last.
7. EZSP 13 and later can't delete one transient key: that is clear all, import the others.
8. Stragglers are taken back (:mod:`.taking_back`): ALLOW_UNSECURED_REJOINS (0x02) alone, and only while nothing else is
   open.

Sources: Silicon Labs ezsp-enum.h (EzspDecisionBitmask, EzspDecisionId), UG100; Zigbee specification 4.7.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final

from hubsec.identity import Identity
from hubsec.secret import Secret


class JoinPolicy(IntFlag):
    """Bits of TRUST_CENTER_POLICY (EzspDecisionBitmask, EZSP 8 and later)."""

    CLOSED = 0x00
    ALLOW_JOINS = 0x01
    ALLOW_UNSECURED_REJOINS = 0x02
    SEND_KEY_IN_CLEAR = 0x04
    IGNORE_UNSECURED_REJOINS = 0x08
    JOINS_USE_INSTALL_CODE_KEY = 0x10
    DEFER_JOINS = 0x20


class KeyRequests(IntEnum):
    """Values of TC_KEY_REQUEST_POLICY (EzspDecisionId)."""

    IGNORE = 0x50
    SEND_CURRENT_KEY = 0x51
    GENERATE_NEW_KEY = 0x52


DEFERRED: Final = JoinPolicy.ALLOW_JOINS | JoinPolicy.DEFER_JOINS
INSTALL_CODE_ONLY: Final = JoinPolicy.ALLOW_JOINS | JoinPolicy.JOINS_USE_INSTALL_CODE_KEY
WILDCARD: Final = Identity("ff:ff:ff:ff:ff:ff:ff:ff")
"""The transient key table's entry for everybody (ember-types.h). hubsec never makes one."""

_OPENING: Final = JoinPolicy.ALLOW_JOINS | JoinPolicy.ALLOW_UNSECURED_REJOINS | JoinPolicy.SEND_KEY_IN_CLEAR


@dataclass(frozen=True, slots=True)
class Wish:
    """What one admission needs right now. `routers` None: through any; empty: through the coordinator alone."""

    device: Identity
    link_key: Secret | None
    associating: bool
    exchanging: bool
    routers: frozenset[Identity] | None = None


@dataclass(frozen=True, slots=True)
class Permit:
    """Who is told to accept associations: the coordinator, and which routers (None: all)."""

    coordinator: bool = False
    routers: frozenset[Identity] | None = frozenset()

    @property
    def shut(self) -> bool:
        """Nobody is."""
        return not self.coordinator and self.routers == frozenset()


@dataclass(frozen=True, slots=True)
class Desired:
    """The settings that ought to hold. `generated`: devices whose transient key may by now be one that the NCP made."""

    join_policy: JoinPolicy
    key_requests: KeyRequests
    transient_keys: Mapping[Identity, Secret]
    permit: Permit
    generated: frozenset[Identity] = frozenset()

    def holds(self, device: Identity, key: Secret) -> bool:
        """Whether `device` may have this transient key."""
        known = self.transient_keys.get(device)
        return known == key or (known is not None and device in self.generated)

    @property
    def idle(self) -> bool:
        """Nobody may come in and no key may leave."""
        return (
            self.join_policy is JoinPolicy.CLOSED
            and self.key_requests is KeyRequests.IGNORE
            and not self.transient_keys
            and self.permit.shut
        )


@dataclass(frozen=True, slots=True)
class Observed:
    """The settings as read back. `transient_keys` None: this firmware can't list them."""

    join_policy: int
    key_requests: int
    transient_keys: Mapping[Identity, Secret] | None

    @property
    def refuses(self) -> bool:
        """Whether the trust center refuses everybody."""
        idle = self.join_policy == IDLE.join_policy and self.key_requests == IDLE.key_requests
        return idle and not self.transient_keys

    def shown(self) -> dict[str, str]:
        """Each setting as text, without secrets."""
        keys = self.transient_keys
        return {
            "trust-center-policy": f"0x{self.join_policy:02x}",
            "tc-key-request-policy": f"0x{self.key_requests:02x}",
            "transient-keys": "unreadable" if keys is None else ", ".join(sorted(keys)) or "none",
        }


@dataclass(frozen=True, slots=True)
class SetJoinPolicy:
    """setPolicy TRUST_CENTER_POLICY."""

    value: JoinPolicy


@dataclass(frozen=True, slots=True)
class SetKeyRequests:
    """setPolicy TC_KEY_REQUEST_POLICY."""

    value: KeyRequests


@dataclass(frozen=True, slots=True)
class ClearTransientKeys:
    """clearTransientLinkKeys."""


@dataclass(frozen=True, slots=True)
class ImportTransientKey:
    """importTransientKey, for one device."""

    device: Identity
    link_key: Secret


Step = SetJoinPolicy | SetKeyRequests | ClearTransientKeys | ImportTransientKey

IDLE: Final = Desired(JoinPolicy.CLOSED, KeyRequests.IGNORE, {}, Permit())


def desired(
    wishes: Iterable[Wish],
    *,
    listening: bool = False,
    defers: bool = True,
    unique: bool = False,
    taking_back: bool = False,
) -> Desired:
    """What ought to hold, given what the admissions need, whether knocks are heard and stragglers are taken back.

    `defers`: the firmware knows DEFER_JOINS. Without it nothing is heard, and only what has a key of its own gets in.
    `unique`: each device is made a link key of its own.
    """
    wished = tuple(wishes)
    associating = [wish for wish in wished if wish.associating]
    listening = listening and defers
    open_policy = DEFERRED if defers else INSTALL_CODE_ONLY
    join_policy = open_policy if associating or listening else JoinPolicy.CLOSED
    if taking_back and unique and not wished and not listening:
        join_policy = JoinPolicy.ALLOW_UNSECURED_REJOINS
    exchanging = frozenset(wish.device for wish in wished if wish.exchanging)
    answer = KeyRequests.GENERATE_NEW_KEY if unique else KeyRequests.SEND_CURRENT_KEY
    return Desired(
        join_policy=join_policy,
        key_requests=answer if exchanging else KeyRequests.IGNORE,
        transient_keys={wish.device: wish.link_key for wish in wished if wish.link_key is not None},
        permit=_permit(associating, listening=listening),
        generated=exchanging if unique else frozenset(),
    )


def _permit(associating: Iterable[Wish], *, listening: bool) -> Permit:
    if listening:
        return Permit(coordinator=True, routers=None)
    routers: frozenset[Identity] | None = frozenset()
    coordinator = False
    for wish in associating:
        coordinator = True
        routers = None if routers is None or wish.routers is None else routers | wish.routers
    return Permit(coordinator=coordinator, routers=routers)


def opens_more(observed: int, wanted: JoinPolicy) -> bool:
    """Whether the policy `observed` lets somebody in that `wanted` does not."""
    now = JoinPolicy(observed & 0xFF)
    if now & _OPENING & ~wanted:
        return True
    lets_in = bool(now & _OPENING)
    return lets_in and bool(wanted & ~_OPENING & ~now)


def plan(observed: Observed, wanted: Desired) -> tuple[Step, ...]:
    """The steps from `observed` to `wanted`, in the order of rule 6; empty when it holds already."""
    narrowing: list[Step] = []
    widening: list[Step] = []
    if observed.join_policy != wanted.join_policy:
        step = SetJoinPolicy(wanted.join_policy)
        if not opens_more(observed.join_policy, wanted.join_policy):
            widening.append(step)
        elif (
            wanted.join_policy & _OPENING & ~observed.join_policy
        ):  # Each opens what the other does not: shut in between.
            narrowing.append(SetJoinPolicy(JoinPolicy.CLOSED))
            widening.append(step)
        else:
            narrowing.append(step)
    if observed.key_requests != wanted.key_requests:
        narrows = wanted.key_requests is KeyRequests.IGNORE
        (narrowing if narrows else widening).append(SetKeyRequests(wanted.key_requests))
    return (*narrowing, *_key_steps(observed.transient_keys, wanted), *widening)


def _key_steps(held: Mapping[Identity, Secret] | None, wanted: Desired) -> list[Step]:
    keys = wanted.transient_keys
    # What can't be read is made; what is not ours goes, which is to make them all anew.
    if held is None or not all(wanted.holds(device, key) for device, key in held.items()):
        return [ClearTransientKeys(), *(ImportTransientKey(device, key) for device, key in keys.items())]
    return [ImportTransientKey(device, key) for device, key in keys.items() if device not in held]


def differences(observed: Observed, wanted: Desired) -> dict[str, tuple[str, str]]:
    """By setting: what it should be and what it was found to be, as text without secrets; empty when all is as
    it should."""
    found: dict[str, tuple[str, str]] = {}
    if observed.join_policy != wanted.join_policy:
        found["trust-center-policy"] = (f"0x{wanted.join_policy:02x}", f"0x{observed.join_policy:02x}")
    if observed.key_requests != wanted.key_requests:
        found["tc-key-request-policy"] = (f"0x{wanted.key_requests:02x}", f"0x{observed.key_requests:02x}")
    if observed.transient_keys is not None:
        foreign = [d for d, key in observed.transient_keys.items() if not wanted.holds(d, key)]
        if foreign:
            found["transient-keys"] = (
                ", ".join(sorted(wanted.transient_keys)) or "none",
                ", ".join(sorted(foreign)),
            )
    return found
