"""The words of a rotation: how a key goes out, what becomes of each device, the plan, and where it stands."""

from __future__ import annotations

import enum

import msgspec

from hubsec.errors import HubsecError
from hubsec.identity import Identity


class Way(enum.StrEnum):
    """How the next network key goes out."""

    BROADCAST = "broadcast"
    """To everybody at once, under the present key: quick, and whoever holds that one reads the next. Evicts nobody."""
    UNICAST = "unicast"
    """To each device under its own link key: whoever is left out is out. A further key follows by broadcast, under the
    first one, so that the old key's slot is overwritten on every device."""


def way_of(way: Way | str | None) -> Way | None:
    """That way. Raises :class:`~hubsec.errors.HubsecError` for a word that is none."""
    try:
        return None if way is None else Way(way)
    except ValueError:
        raise HubsecError(f"A network key goes out by one of: {', '.join(Way)}.") from None


class Outlook(enum.StrEnum):
    """What a rotation will do to a device, as far as can be said beforehand."""

    GETS_IT = "gets it"
    """It listens all the time, and answered."""
    WHEN_IT_WAKES = "when it wakes"
    """It sleeps: it is given the key when it is next heard, as long as the deadline allows."""
    LOST = "lost"
    """It will not get the key: it does not answer, or can't be given it. To be re-joined with its install code."""
    LEFT_OUT = "left out"
    """It is meant to lose the network: evicted, quarantined, or without an entry."""


class Delivery(enum.StrEnum):
    """How far the key is with one device."""

    PENDING = "pending"
    """Not sent yet."""
    SENT = "sent"
    """Sent, and the device answered after that, still under the key before; or it was told with everybody."""
    CONFIRMED = "confirmed"
    """It has answered something that was sent under the new key."""
    MISSED = "missed"
    """It did not get the key, or did not answer under it until the deadline. To be re-joined with its install code."""
    LEFT_OUT = "left out"
    """It was meant to be left out."""


class Step(enum.StrEnum):
    """Where a rotation stands, in this order; each is in the journal before what it names begins."""

    STAGED = "staged"
    """The new keys are durable in the vault; nothing has been sent."""
    DELIVERING = "delivering"
    """The next key is on its way."""
    SWITCHING = "switching"
    """The order to switch goes out: from here on either key may be the live one, and the radio says which."""
    SWITCHED = "switched"
    """The radio has confirmed the new key, and the host's records follow it."""
    CONFIRMING = "confirming"
    """Each device is asked under the new key."""
    ENDED = "ended"
    """Over. Whoever has not answered is a straggler, by name."""


class Outcome(enum.StrEnum):
    """How a rotation ended."""

    ROTATED = "rotated"
    """The network has the new key. Whoever did not come along is named."""
    ABANDONED = "abandoned"
    """It was given up: nothing was switched, and the key is the one from before. Where it had stopped, or its journal
    was lost, it is whichever the radio has."""


class DeviceOutlook(msgspec.Struct, frozen=True, kw_only=True):
    """One device in a plan. `overheard`: it joined where a listener could have had its link key, which opens every key
    that is sent to it. `can_return`: the trust center would take it back by an unsecured rejoin. `advice` is one
    sentence for a person, empty where nothing is to be done."""

    device: Identity
    name: str
    outlook: Outlook
    sleepy: bool
    overheard: bool
    can_return: bool
    advice: str = ""


class RotationPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a rotation would do: the dry run. `why_not` says why it must not start by itself: each reason names who is
    lost, or why nothing is healed. `seconds` is an estimate of how long it takes, sleepers and their deadline left
    out."""

    radio: str
    network_id: str
    way: Way
    devices: tuple[DeviceOutlook, ...]
    heals: bool
    why_not: tuple[str, ...]
    seconds: float

    def of(self, outlook: Outlook) -> tuple[DeviceOutlook, ...]:
        """The devices with this outlook."""
        return tuple(device for device in self.devices if device.outlook is outlook)


class RotationProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a rotation stands. `round` counts the keys: 1, and for a unicast 2 for the one that follows. `deadline` is
    when whoever is still awaited in the present phase is given up, in seconds since the epoch. `sequence` is the live
    key's. `trouble` says what it waits for or why it stopped, empty when all is well; `ended_at` and `outcome` are None
    while it goes on. `doubted_at`: the radio had an older key again since this ended, an old backup's, so that
    everybody counts as a straggler from then on until it answers; None where that never was."""

    rotation: str
    radio: str
    network_id: str
    way: Way
    step: Step
    round: int
    rounds: int
    started_at: float
    deadline: float
    by: str
    reason: str
    deliveries: dict[Identity, Delivery]
    names: dict[Identity, str]
    sequence: int
    trouble: str = ""
    ended_at: float | None = None
    outcome: Outcome | None = None
    doubted_at: float | None = None

    @property
    def done(self) -> int:
        """How many devices need nothing more."""
        return sum(one in _SETTLED for one in self.deliveries.values())

    @property
    def reached(self) -> int:
        """How many devices have the present round's key, or need nothing more."""
        return sum(one is not Delivery.PENDING for one in self.deliveries.values())

    @property
    def stragglers(self) -> tuple[Identity, ...]:
        """Who missed it, by identity."""
        return tuple(sorted(one for one, how in self.deliveries.items() if how is Delivery.MISSED))


_SETTLED = frozenset({Delivery.CONFIRMED, Delivery.MISSED, Delivery.LEFT_OUT})
