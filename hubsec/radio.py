"""The shelf: what a radio must be, and what it may ask of its hub.

A radio is an object that is given to a hub. It turns what it sees into requests, asks, and enforces. It never decides,
and never acts on a key before the hub's answer, which is durable when it arrives.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

from hubsec.decisions import Decision
from hubsec.entries import Entry
from hubsec.errors import HubsecError, RadioError
from hubsec.events import Event
from hubsec.identity import CredentialKind, Identity, Mode, Network, SecurityClass, Standing
from hubsec.requests import Request
from hubsec.secret import Secret

if TYPE_CHECKING:
    from hubsec.vault import Vault


class Support(enum.StrEnum):
    """How well a radio library can do a thing."""

    YES = "yes"
    PARTLY = "partly"
    NO = "no"


class Capability(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a policy may ask of a radio. `note` says what is behind a `partly` or a `no`."""

    support: Support
    note: str = ""


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What one radio library can do, as measured or read from its source. `enforced`: hubsec enforces on it today."""

    library: str
    enforced: bool
    link_key_join: Capability
    refuse_default_key: Capability
    deferred_approval: Capability
    rotation: Capability
    forced_remove: Capability
    key_table_read: Capability


class AdmissionOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Let this one device in, for this long. The radio holds it in memory only.

    `secret` has 16 bytes. Zigbee: the link key under which the network key goes out, made from the install code, or
    the public one for an approval. Z-Wave: the DSK. `window` seconds the device has to come, `exchange_limit` seconds
    its key exchange may take after that. `parents` (Zigbee) are the routers that it may come through besides the
    coordinator: None means any, an empty set none. `least` (Z-Wave) is the least security class that it must end up
    with; nothing below is granted. `smart_start`: by the provisioning list, instead of an inclusion for which
    somebody presses a button. `replaces`: the address of a failed node, in whose place it comes with that number, and
    nobody else."""

    admission: str
    device: Identity
    name: str
    credential: CredentialKind
    secret: Secret
    window: float
    exchange_limit: float
    parents: frozenset[Identity] | None = None
    least: SecurityClass = SecurityClass.S2_AUTHENTICATED
    smart_start: bool = False
    replaces: Identity | None = None


class SeenDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A device that the radio's network has, whether or not hubsec knows it."""

    device: Identity
    name: str
    manufacturer: str | None = None
    model: str | None = None
    device_class: str | None = None


class Eviction(msgspec.Struct, frozen=True, kw_only=True):
    """How an eviction ended, or how it stands. `confirmed`: the device left, as it or its parent said; `detail` for a
    person. `awaited`: it goes on, and the radio tells the rest as events."""

    confirmed: bool
    still_holds_network_key: bool
    detail: str
    awaited: bool = False


class RadioPosture(msgspec.Struct, frozen=True, kw_only=True):
    """How a radio stands, as read back from it just now.

    `network_id` names the network for good (Zigbee: the extended PAN id as 16 hex digits; Z-Wave: the home id as 8).
    `formed`: this radio formed it since it was opened, so there can be no devices from before. `closed`: the trust
    center, or the controller, takes nobody. `open_to` lists the devices that may join now. `listening`: knocks are
    heard. `leaving` lists the devices that are quarantined on the network until somebody helps them out of it. `gaps`:
    what can't be held here, by name. `settings`: each setting with the value read back.
    """

    network: Network
    network_id: str
    formed: bool
    running: bool
    closed: bool
    listening: bool
    open_to: tuple[Identity, ...] = ()
    leaving: tuple[Identity, ...] = ()
    gaps: tuple[str, ...] = ()
    settings: dict[str, str] = {}


class Authority(Protocol):
    """What a radio may ask of its hub."""

    @property
    def mode(self) -> Mode:
        """Whether decisions are to be carried out."""

    def now(self) -> float:
        """Seconds since the epoch, UTC: the clock that events carry."""

    async def judge(self, request: Request) -> Decision:
        """The decision, recorded durably before this returns.

        Raises :class:`~hubsec.errors.StoreError` when it could not be recorded: the radio then does what it would do
        for a :class:`~hubsec.decisions.Deny`.
        """

    def standing(self, device: Identity) -> Standing:
        """How `device` stands. Constant time, no I/O: ask it for every frame and keep no answer.

        Until adoption is confirmed nobody is unknown. UNKNOWN asks for one
        :class:`~hubsec.requests.PresenceRequest`; from its decision on this answers otherwise.
        """

    def entry(self, device: Identity) -> Entry | None:
        """The allowlist's row, or None."""

    def entries(self) -> Sequence[Entry]:
        """The allowlist's rows of this radio's network."""

    async def secret(self, device: Identity) -> Secret | None:
        """The sealed credential of an entry of this radio's network, opened; None where it has none. Raises
        :class:`~hubsec.errors.StoreError`."""

    async def vouch(
        self, secret: Secret, *, by: str, device_class: str | None = None, smart_start: bool = False
    ) -> AdmissionOrder:
        """Z-Wave: `by`, who may let devices in through its host, has given the whole DSK of one: an admission, open
        from now on, which the radio need not be told of again. Its entry is durable when this returns.

        Raises :class:`~hubsec.errors.Refused` where the policy takes no such device, or not from a host.
        """

    def least_security(self, device_class: str | None) -> SecurityClass:
        """Z-Wave: the least security class that the policy asks of a device of that class; None: nobody has said."""

    async def condemn(self, device: Identity, reason: str) -> None:
        """Z-Wave: the device is to leave, and nobody can make it. It is quarantined from now on, whatever else the
        policy says of it, in an entry that lasts until it has departed."""

    async def departed(self, device: Identity) -> None:
        """The device is no longer on the network: what its entry says of its address is over. An entry that knows the
        device by its address alone ends with that, for the next node may get the same one."""

    async def doubt(self, network_id: str) -> None:
        """Zigbee: the radio had, or has, a network key that this network has left, or none: its devices may have given
        the network up. They are listed as stragglers until they answer; durable when this returns, so that it is said
        before anything is mended. Raises :class:`~hubsec.errors.StoreError`."""

    @property
    def vault(self) -> Vault | None:
        """Where secrets are kept sealed; None where there is no store."""

    def publish(self, event: Event) -> None:
        """Put an event on the bus. Never raises, never blocks."""


@runtime_checkable
class Radio(Protocol):
    """One network's enforcement point. Every method may raise :class:`~hubsec.errors.RadioError`."""

    @property
    def name(self) -> str:
        """What events call it; unique in a hub."""

    @property
    def network(self) -> Network:
        """Which network it is on."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    async def open(self, authority: Authority) -> None:
        """Start, or attach; when it returns the guard stands and is read back. On any failure it leaves the trust
        center refusing."""

    async def close(self) -> None:
        """Stop, or detach and leave what was there before. Idempotent."""

    async def admit(self, order: AdmissionOrder) -> None:
        """Open for that one device. The outcome arrives through `judge` and as events of the order's
        correlation."""

    async def withdraw(self, admission: str, reason: str) -> None:
        """End an admission early; nothing happens if it has ended. A device that already has the key goes on to its
        exchange."""

    async def listen(self, seconds: float, *, by: str) -> None:
        """Hear knocks for that long; 0 stops."""

    async def evict(self, device: Identity) -> Eviction:
        """Make it leave, through its parent; says whether it did. On Z-Wave that needs somebody's hand: what goes on
        after this is told by events, and the last one is an :class:`~hubsec.events.Evicted`."""

    def devices(self) -> Sequence[SeenDevice]:
        """Every device that the network is known to have, the coordinator left out."""

    async def posture(self) -> RadioPosture:
        """How the radio stands, read back from it now."""


@contextmanager
def answering(radio: str) -> Iterator[None]:
    """Around a call of a radio's method: whatever it raises that is no error of hubsec's leaves as a
    :class:`~hubsec.errors.RadioError`."""
    try:
        yield
    except HubsecError:
        raise
    except Exception as error:
        raise RadioError(f"The radio {radio} failed: {type(error).__name__}.") from error
