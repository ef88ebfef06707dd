"""A policy's settings as values: what is left of the YAML once it was read, checked and completed with the defaults.

All durations are whole seconds. The structs are frozen; their JSON is the canonical form that a policy's hash is made
of.
"""

from __future__ import annotations

import enum

import msgspec

from hubsec.identity import CredentialKind, Identity, SecurityClass
from hubsec.policy.classes import DeviceClass

PERMIT_LIMIT = 254
"""Longest window, seconds. Mgmt_Permit_Joining_req's PermitDuration is one byte (Zigbee specification, 2.4.3.3.7), and
255 opens without end on older stacks; EZSP's permitJoining takes the same byte, where 255 means that to this day."""
LISTENING_LIMIT = 180
"""Longest listening window, seconds. Routers have their permit flag up that long, so it is as short as a person needs
to walk to a device; Zigbee Base Device Behavior's bdbcMinCommissioningTime is the same 180 s."""
EXCHANGE_LIMIT = 120
"""Longest time for the link key exchange, seconds. The slowest one measured on silicon ended 10 s after its join."""
ATTEMPTS_LIMIT = 255
"""Most tries in one window. A device that gets no answer associates again about every 2 to 3 s, so 254 s hold some
100."""
KNOCK_RATE_LIMIT = 60
"""Most knocks a minute: one a second is more than a person can read."""
SMART_START_LIMIT = 7 * 24 * 3600
"""Longest time that a SmartStart device may take to come, seconds. Judgement: it is added when it is bought, and
plugged in on the next free day. Its entry on the controller's list lets nobody else in meanwhile."""
SMART_START_WINDOW = 3600
"""How long it may take unless the policy says more, seconds. A device that is switched on announces itself at once, and
then at growing intervals of up to 512 s; one that saves its battery may set 640 to 12,672 s instead (Silicon Labs,
Z-Wave API, ZAF_SetMaxInclusionRequestIntervals)."""
TCLK_REVISION = 21
"""First stack revision whose devices must exchange the trust center link key. The node descriptor's server mask says
it; real devices of older revisions never ask for the exchange."""


class Tclk(enum.StrEnum):
    """Who must end up with a trust center link key of its own, proved by Verify-Key."""

    REQUIRED = "required"
    IF_R21 = "if-r21"
    OPTIONAL = "optional"


class Parents(enum.StrEnum):
    """Through whom a device may join."""

    ANY = "any"
    COORDINATOR = "coordinator"
    LISTED = "listed"


class FailedExchange(enum.StrEnum):
    """What becomes of a device that owes the link key exchange and fails it."""

    EVICT = "evict"
    WEAK = "weak"


class SecuredRejoin(enum.StrEnum):
    """Who may come back with the network key in hand."""

    KNOWN = "known"
    ENTRY = "entry"


class UnsecuredRejoin(enum.StrEnum):
    """Who is sent the network key again when it says that it lost it."""

    REFUSE = "refuse"
    VERIFIED = "verified"


class WithoutEntry(enum.StrEnum):
    """What becomes of a device that is on the network and has no entry."""

    QUARANTINE = "quarantine"
    EVICT = "evict"
    REPORT = "report"


class IdentityChange(enum.StrEnum):
    """What becomes of a device that says something else of itself than before, or than its entry expects."""

    REPORT = "report"
    QUARANTINE = "quarantine"


class HostPermit(enum.StrEnum):
    """What a host application's request to open the network gets."""

    REFUSE = "refuse"


class HostInclusion(enum.StrEnum):
    """What a host application gets that starts a Z-Wave inclusion with S2."""

    REFUSE = "refuse"
    GUARDED = "guarded"
    """It may, and each device gets what the policy lets it have: see :mod:`hubsec.policy.engine`."""


class GreenPower(enum.StrEnum):
    """Whether a host application may open Green Power commissioning."""

    SHUT = "shut"
    OPEN = "open"


class Joining(msgspec.Struct, frozen=True, kw_only=True):
    """What one class of devices is let in by. `credentials` is sorted by name; `security` is a class that proves a
    DSK."""

    credentials: tuple[CredentialKind, ...] = (CredentialKind.DSK, CredentialKind.INSTALL_CODE)
    tclk: Tclk = Tclk.REQUIRED
    failed_exchange: FailedExchange = FailedExchange.EVICT
    window: int = 180
    exchange_limit: int = 30
    attempts: int = 20
    parents: Parents = Parents.ANY
    security: SecurityClass = SecurityClass.S2_AUTHENTICATED
    smart_start_window: int = SMART_START_WINDOW


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A whole policy. `classes` and `makers` None: any. `per_class` holds complete settings, the general ones filled
    in.

    `makers` are case-folded; tuples are sorted. `about` is for people and is not part of the hash.
    """

    name: str
    about: str = ""
    joining: Joining = Joining()
    classes: tuple[DeviceClass, ...] | None = None
    makers: tuple[str, ...] | None = None
    routers: tuple[Identity, ...] = ()
    per_class: dict[DeviceClass, Joining] = {}
    secured_rejoin: SecuredRejoin = SecuredRejoin.KNOWN
    unsecured_rejoin: UnsecuredRejoin = UnsecuredRejoin.REFUSE
    without_entry: WithoutEntry = WithoutEntry.QUARANTINE
    identity_change: IdentityChange = IdentityChange.QUARANTINE
    listening_length: int = 0
    knocks_per_minute: int = 12
    host_permit: HostPermit = HostPermit.REFUSE
    host_inclusion: HostInclusion = HostInclusion.REFUSE
    green_power: GreenPower = GreenPower.SHUT
