"""EmberZNet's trust center policies, and the one decision that they make about a device that comes.

Sources: ``ezsp-enum.h`` (EzspDecisionBitmask, EzspDecisionId), ``ember-types.h`` (EmberJoinDecision), UG100 section 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum, IntFlag

from hubsec_emulated.stack.interface import DeviceUpdate


class Policy(IntEnum):
    """EzspPolicyId."""

    TRUST_CENTER = 0x00
    BINDING_MODIFICATION = 0x01
    UNICAST_REPLIES = 0x02
    POLL_HANDLER = 0x03
    MESSAGE_CONTENTS_IN_CALLBACK = 0x04
    TC_KEY_REQUEST = 0x05
    APP_KEY_REQUEST = 0x06
    PACKET_VALIDATE_LIBRARY = 0x07
    ZLL = 0x08
    TC_REJOINS_USING_WELL_KNOWN_KEY = 0x09


class JoinPolicy(IntFlag):
    """Bits of TRUST_CENTER_POLICY (version 8 and later)."""

    ALLOW_JOINS = 0x01
    ALLOW_UNSECURED_REJOINS = 0x02
    SEND_KEY_IN_CLEAR = 0x04
    IGNORE_UNSECURED_REJOINS = 0x08
    JOINS_USE_INSTALL_CODE_KEY = 0x10
    DEFER_JOINS = 0x20


BOOT_JOIN_POLICY = JoinPolicy.ALLOW_JOINS | JoinPolicy.ALLOW_UNSECURED_REJOINS
"""In force after every reset until the host speaks (SDK ``em260-common.c``, DEFAULT_TC_POLICY)."""


class KeyRequestPolicy(IntEnum):
    """Values of TC_KEY_REQUEST_POLICY."""

    DENY = 0x50
    SEND_CURRENT_KEY = 0x51
    GENERATE_NEW_KEY = 0x52


class JoinDecision(IntEnum):
    """EmberJoinDecision in trustCenterJoinHandler."""

    USE_PRECONFIGURED_KEY = 0
    SEND_KEY_IN_THE_CLEAR = 1
    DENY_JOIN = 2
    NO_ACTION = 3


class KeyStatus(IntEnum):
    """EmberKeyStatus in zigbeeKeyEstablishmentHandler."""

    KEY_TABLE_FULL = 0x05
    TC_RESPONDED_TO_KEY_REQUEST = 0x06
    TC_REQUEST_KEY_TYPE_NOT_SUPPORTED = 0x09
    TC_NO_LINK_KEY_FOR_REQUESTER = 0x0A
    TC_REQUESTER_VERIFY_KEY_TIMEOUT = 0x32
    TC_REQUESTER_VERIFY_KEY_FAILURE = 0x33
    TC_REQUESTER_VERIFY_KEY_SUCCESS = 0x34


class KeySource(Enum):
    """Which key a decision lets the network key travel under."""

    OWN_TRANSIENT = "own transient key"
    WILDCARD = "wildcard transient key"
    TABLE = "link key table"
    HASHED = "hashed link key"
    GLOBAL = "global link key"


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """What the trust center holds for one device.

    *table* is a key table entry; *hashed* that link keys are derived from a seed; *unique_joiner* that the device came
    to its hashed key by a join under a key of its own (an install code).
    """

    own_transient: bool = False
    wildcard: bool = False
    table: bool = False
    hashed: bool = True
    unique_joiner: bool = False
    well_known_rejoin: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision with the key to use, None unless the decision sends one."""

    decision: JoinDecision
    source: KeySource | None = None


_DENIED = Verdict(JoinDecision.DENY_JOIN)
_NOTHING = Verdict(JoinDecision.NO_ACTION)


def join_key(keys: KnownKeys) -> KeySource | None:
    """The key under which a newcomer is given the network key, None if there is none for it.

    The order (own transient, wildcard, table, global) is assumed: the reading that gives a key away most easily.
    """
    if keys.own_transient:
        return KeySource.OWN_TRANSIENT
    if keys.wildcard:
        return KeySource.WILDCARD
    if keys.table:
        return KeySource.TABLE
    return None if keys.hashed else KeySource.GLOBAL


def rejoin_key(keys: KnownKeys) -> KeySource | None:
    """The key under which a device that lost the network key is given it again, None if it has to stay out.

    A hashed key counts only after a join under the device's own key; a global one only by its own policy.
    """
    if keys.table:
        return KeySource.TABLE
    if keys.hashed:
        return KeySource.HASHED if keys.unique_joiner else None
    return KeySource.GLOBAL if keys.well_known_rejoin else None


def decide(update: DeviceUpdate, policy: JoinPolicy, keys: KnownKeys) -> Verdict:
    """Decide about a device that comes or goes, like EmberZNet.

    1. A secured rejoin and a leave need no key: no action.
    2. An unsecured rejoin is ignored with IGNORE_UNSECURED_REJOINS, else refused without ALLOW_UNSECURED_REJOINS, else
       given the network key if :func:`rejoin_key` has one. DEFER_JOINS does not cover it [assumed].
    3. A join is refused without ALLOW_JOINS; refused with JOINS_USE_INSTALL_CODE_KEY if no transient key is there, a
       wildcard counting as one [assumed]; left alone with DEFER_JOINS; else given the network key if
       :func:`join_key` has one.
    """
    if update in (DeviceUpdate.SECURED_REJOIN, DeviceUpdate.LEFT):
        return _NOTHING
    if update is DeviceUpdate.UNSECURED_REJOIN:
        if policy & JoinPolicy.IGNORE_UNSECURED_REJOINS:
            return _NOTHING
        if not policy & JoinPolicy.ALLOW_UNSECURED_REJOINS:
            return _DENIED
        source = rejoin_key(keys)
        return _DENIED if source is None else Verdict(JoinDecision.USE_PRECONFIGURED_KEY, source)
    if not policy & JoinPolicy.ALLOW_JOINS:
        return _DENIED
    if policy & JoinPolicy.JOINS_USE_INSTALL_CODE_KEY and not (keys.own_transient or keys.wildcard):
        return _DENIED
    if policy & JoinPolicy.DEFER_JOINS:
        return _NOTHING
    source = join_key(keys)
    return _DENIED if source is None else Verdict(JoinDecision.USE_PRECONFIGURED_KEY, source)
