"""Everything that hubsec tells, as types.

Every event carries `time` (seconds since the epoch, UTC), `radio` (its name, empty for the hub itself), `device`
(identity, or None) and `correlation`: one text for all that belongs to one story, such as an admission from its opening
to the device's keys. Subscribe to a type, or to a base type for all below it. No event carries a secret.

`enforced` is False where the hub only observes: the event then says what would have been done.
"""

from __future__ import annotations

import msgspec

from hubsec.identity import CredentialKind, Identity, Mark, SecurityClass
from hubsec.requests import JoinKind, LinkKeyState, OpenKind


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    """Root of all events."""

    time: float
    radio: str = ""
    device: Identity | None = None
    correlation: str = ""


# Joining


class JoinEvent(Event, frozen=True, kw_only=True):
    """A device asks in, comes in, or is kept out."""


class AdmissionOpened(JoinEvent, frozen=True, kw_only=True, tag="admission-opened"):
    """One device may join until `closes_at`. `exposed`: by approval, so a listener gets the network key."""

    name: str
    credential: CredentialKind
    closes_at: float
    exposed: bool


class AdmissionClosed(JoinEvent, frozen=True, kw_only=True, tag="admission-closed"):
    """An admission ended. `outcome`: joined, expired, cancelled, refused or failed."""

    outcome: str
    reason: str


class Denied(JoinEvent, frozen=True, kw_only=True, tag="denied"):
    """A device asked for the key and got nothing."""

    reason: str
    rule: str
    kind: JoinKind
    parent: Identity | None = None
    enforced: bool = True


class Knocked(JoinEvent, frozen=True, kw_only=True, tag="knocked"):
    """An unapproved device asked while an operator listens; it got nothing. `maker` is the address block's owner, if
    known."""

    maker: str | None
    parent: Identity | None
    enforced: bool = True


class KeySent(JoinEvent, frozen=True, kw_only=True, tag="key-sent"):
    """The network key went to one device, after its decision was durable. `exposed`: under a public key."""

    rule: str
    reason: str
    credential: CredentialKind
    exposed: bool


class Joined(JoinEvent, frozen=True, kw_only=True, tag="joined"):
    """A device is in, as its policy asks. `link_key` (Zigbee): how its exchange ended. `security_class` (Z-Wave): the
    highest that it holds."""

    name: str
    credential: CredentialKind
    link_key: LinkKeyState | None = None
    security_class: SecurityClass | None = None
    marks: frozenset[Mark] = frozenset()


class JoinFailed(JoinEvent, frozen=True, kw_only=True, tag="join-failed"):
    """A device that was being let in came, and its keys did not. On Z-Wave it is on the network all the same: `address`
    says as what, and it is quarantined there."""

    reason: str
    address: Identity | None = None


class Rejoined(JoinEvent, frozen=True, kw_only=True, tag="rejoined"):
    """A known device came back."""

    kind: JoinKind
    parent: Identity | None = None


class Left(JoinEvent, frozen=True, kw_only=True, tag="left"):
    """A device says that it left. Its entry stays: the word of a leave frame is not proof."""


# Devices that are on the network


class DeviceEvent(Event, frozen=True, kw_only=True):
    """Something about a device that is on the network."""


class Marked(DeviceEvent, frozen=True, kw_only=True, tag="marked"):
    """A device is exposed or weak from now on."""

    mark: Mark
    reason: str


class Quarantined(DeviceEvent, frozen=True, kw_only=True, tag="quarantined"):
    """A device was shut off. On Zigbee it still holds the network key."""

    reason: str
    rule: str
    enforced: bool = True


class Released(DeviceEvent, frozen=True, kw_only=True, tag="released"):
    """A quarantine ended."""

    by: str


class Evicted(DeviceEvent, frozen=True, kw_only=True, tag="evicted"):
    """A device was told to leave. `confirmed`: it, or its parent, said that it did. On Zigbee it still holds the
    network key either way, until that is rotated. On Z-Wave nobody can make a living device leave: see
    :class:`RemovalAwaited`."""

    reason: str
    confirmed: bool
    still_holds_network_key: bool
    enforced: bool = True


class RemovalAwaited(DeviceEvent, frozen=True, kw_only=True, tag="removal-awaited"):
    """A Z-Wave device is to leave, and stays quarantined until somebody helps: nothing that is sent makes a living
    device leave. `excluding_until`: until then the network lets go of a device whose button is pressed; None: not now.
    Else it goes once it is switched off, for a device that is silent can be removed without it."""

    reason: str
    excluding_until: float | None = None


class IdentityPinned(DeviceEvent, frozen=True, kw_only=True, tag="identity-pinned"):
    """What a device says of itself was written down, and is held against it from now on."""

    device_class: str | None
    manufacturer: str | None
    model: str | None
    security_class: SecurityClass | None = None


class IdentityChanged(DeviceEvent, frozen=True, kw_only=True, tag="identity-changed"):
    """A device says something else of itself than what is pinned."""

    field: str
    pinned: str | None
    seen: str | None


# The network and its guard


class NetworkEvent(Event, frozen=True, kw_only=True):
    """How a network stands, or who tried to change that."""


class GuardAttached(NetworkEvent, frozen=True, kw_only=True, tag="guard-attached"):
    """The guard stands. `gaps`: what it can't hold here, by name."""

    way: str
    gaps: tuple[str, ...] = ()


class GuardDetached(NetworkEvent, frozen=True, kw_only=True, tag="guard-detached"):
    """The guard left. `restored`: policies and methods read back as they were before."""

    restored: bool
    reason: str


class OpenRefused(NetworkEvent, frozen=True, kw_only=True, tag="open-refused"):
    """Somebody asked to open the network, and it stayed shut."""

    kind: OpenKind
    asker: str
    reason: str
    rule: str
    enforced: bool = True


class RogueOpening(NetworkEvent, frozen=True, kw_only=True, tag="rogue-opening"):
    """A node told the routers to open. `closed`: hubsec told them to close again; those that an admission needs
    stay open for it."""

    seconds: int
    closed: bool


class Steered(NetworkEvent, frozen=True, kw_only=True, tag="steered"):
    """A device that has just joined told the routers to open, once, as every Zigbee 3.0 router does (Base Device
    Behavior 8.2). `closed`: hubsec told them to close again; the trust center let nobody in meanwhile. Later, or again,
    it would be a :class:`RogueOpening`."""

    seconds: int
    closed: bool


class ListeningOpened(NetworkEvent, frozen=True, kw_only=True, tag="listening-opened"):
    """Knocks are heard until `closes_at`. Nobody gets a key by knocking."""

    by: str
    closes_at: float


class ListeningClosed(NetworkEvent, frozen=True, kw_only=True, tag="listening-closed"):
    """Knocks are heard no more."""

    reason: str


class TakingBackOpened(NetworkEvent, frozen=True, kw_only=True, tag="taking-back-opened"):
    """Until `closes_at` devices may come back without the network key, each under a link key of its own; for the sake
    of those `awaited`."""

    by: str
    closes_at: float
    awaited: tuple[Identity, ...]


class TakingBackClosed(NetworkEvent, frozen=True, kw_only=True, tag="taking-back-closed"):
    """Nobody comes back without the network key any more."""

    reason: str


class Drifted(NetworkEvent, frozen=True, kw_only=True, tag="drifted"):
    """A setting of the trust center was found otherwise than hubsec left it. `restored`: read back as it should be."""

    setting: str
    expected: str
    found: str
    restored: bool


class Exposed(NetworkEvent, frozen=True, kw_only=True, tag="exposed"):
    """The network key must be taken to be known to whoever listened."""

    reason: str


class AdoptionListed(NetworkEvent, frozen=True, kw_only=True, tag="adoption-listed"):
    """The network has devices that hubsec does not know; they go on working, and an operator is to confirm the
    list."""

    devices: tuple[Identity, ...]


class AdoptionConfirmed(NetworkEvent, frozen=True, kw_only=True, tag="adoption-confirmed"):
    """An operator confirmed these devices as the baseline."""

    devices: tuple[Identity, ...]
    by: str


class Malformed(NetworkEvent, frozen=True, kw_only=True, tag="malformed"):
    """Something arrived that makes no sense. `count`: how often so far, from this device, at this layer."""

    layer: str
    reason: str
    count: int


class RadioLost(NetworkEvent, frozen=True, kw_only=True, tag="radio-lost"):
    """The radio is gone, or did not start. `left_refusing`: it was last read back as refusing all joins."""

    reason: str
    left_refusing: bool


# The keys


class KeyEvent(Event, frozen=True, kw_only=True):
    """The keys of a network, and how they are changed."""


class RotationStarted(KeyEvent, frozen=True, kw_only=True, tag="rotation-started"):
    """A new network key is to go out. `way` is `broadcast` or `unicast`; `left_out` are to lose the network with
    it."""

    way: str
    by: str
    reason: str
    devices: int
    left_out: tuple[Identity, ...] = ()


class RotationResumed(KeyEvent, frozen=True, kw_only=True, tag="rotation-resumed"):
    """A rotation that something had interrupted goes on where it was, with the same keys. `step`, `done` and `devices`
    are as in :class:`RotationStepped`."""

    way: str
    step: str
    done: int
    devices: int


class RotationStepped(KeyEvent, frozen=True, kw_only=True, tag="rotation-stepped"):
    """A rotation goes on. `step` is one of :class:`hubsec.rotation.shapes.Step`; `done` of `devices` need nothing
    more."""

    step: str
    round: int
    rounds: int
    done: int
    devices: int


class KeyDelivered(KeyEvent, frozen=True, kw_only=True, tag="key-delivered"):
    """How far the new key is with one device: one of :class:`hubsec.rotation.shapes.Delivery`."""

    delivery: str


class KeyRotated(KeyEvent, frozen=True, kw_only=True, tag="key-rotated"):
    """A rotation has ended, and the radio uses the new key. `stragglers` are to be re-joined with their install
    codes."""

    way: str
    sequence: int
    stragglers: tuple[Identity, ...] = ()
    left_out: tuple[Identity, ...] = ()


class RotationAbandoned(KeyEvent, frozen=True, kw_only=True, tag="rotation-abandoned"):
    """A rotation has ended before anything was switched: the key is the one from before."""

    reason: str


class RotationOverdue(KeyEvent, frozen=True, kw_only=True, tag="rotation-overdue"):
    """The key ought to be changed, and that would lose a device or heal nothing: somebody has to decide. `reasons` name
    who and why."""

    trigger: str
    reasons: tuple[str, ...]


class KeysDisagree(KeyEvent, frozen=True, kw_only=True, tag="keys-disagree"):
    """The radio, the vault and the host's records do not hold the same key. `repair` says what is to be done, or was:
    `repaired`."""

    reason: str
    repair: str
    repaired: bool


class ReinclusionStarted(KeyEvent, frozen=True, kw_only=True, tag="reinclusion-started"):
    """A Z-Wave network has new keys, and each of its devices is to be included anew."""

    by: str
    reason: str
    devices: int


class ReinclusionAwaits(KeyEvent, frozen=True, kw_only=True, tag="reinclusion-awaits"):
    """A device is to be reset and included anew, in its own place: `detail` says what a person does for that."""

    name: str
    detail: str
    smart_start: bool


class Reincluded(KeyEvent, frozen=True, kw_only=True, tag="reincluded"):
    """A device is back on the new keys: a supervised command said so."""

    name: str
    done: int
    devices: int


class ReinclusionEnded(KeyEvent, frozen=True, kw_only=True, tag="reinclusion-ended"):
    """A re-inclusion has ended. `missing` are not on the new keys."""

    missing: tuple[Identity, ...] = ()


# hubsec itself


class HubEvent(Event, frozen=True, kw_only=True):
    """Something about hubsec itself."""


class StoreAlarm(HubEvent, frozen=True, kw_only=True, tag="store-alarm"):
    """Nothing can be recorded, or the audit log is damaged: joining is closed; adopted devices go on."""

    reason: str


class StoreRecovered(HubEvent, frozen=True, kw_only=True, tag="store-recovered"):
    """Records are durable again. The log goes on after record `after`, the newest before the alarm; `unwritten` events
    were told meanwhile and are not in it."""

    after: int | None = None
    unwritten: int = 0


class SubscriberFailed(HubEvent, frozen=True, kw_only=True, tag="subscriber-failed"):
    """A subscriber raised. The others got their event. `during`: the type of the event that it was given."""

    subscriber: str
    error: str
    during: str


class SubscriberSlow(HubEvent, frozen=True, kw_only=True, tag="subscriber-slow"):
    """A stream's mailbox overflowed; `dropped` events were lost to it alone."""

    subscriber: str
    dropped: int
