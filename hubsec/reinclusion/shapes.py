"""The words of a re-inclusion: what becomes of each device, the plan, and where it stands."""

from __future__ import annotations

import enum

import msgspec

from hubsec.identity import Identity, SecurityClass


class Manner(enum.StrEnum):
    """How a device is included anew."""

    IN_PLACE = "in place"
    """It takes its own place again, with its node id: a person resets it and presses its button."""
    SMART_START = "smart start"
    """It comes by itself once it was reset and has power, under another node id: for hosts another device."""


class Fate(enum.StrEnum):
    """What new keys will do to a device, as far as can be said beforehand."""

    REINCLUDED = "re-included"
    """It is included anew by its DSK."""
    LOST = "lost"
    """It loses its keys with the restart, and hubsec has no DSK to include it anew with."""
    LEFT_OUT = "left out"
    """It is quarantined: it keeps the old keys, which are good for nothing any more."""
    UNTOUCHED = "untouched"
    """It talks in the clear: it has no keys to lose, and gets none."""


class Phase(enum.StrEnum):
    """Where a device stands; each is in the journal before what it names begins."""

    PENDING = "pending"
    """On the old keys; nothing was begun."""
    REPLACING = "replacing"
    """Its place is open for it, or was when something broke: it may have either keys."""
    KEYED = "keyed"
    """It was given the new keys; the verdict is awaited."""
    DONE = "done"
    """A supervised command said so under the new keys."""
    MISSING = "missing"
    """It is not on the new keys, and was given up."""


class Stage(enum.StrEnum):
    """Where a re-inclusion stands, in this order; each is in the journal before what it names begins."""

    DRAWN = "drawn"
    """The new keys are durable in the vault; the server has not heard of them."""
    RESTARTING = "restarting"
    """The server is being started on them: it may be on either."""
    PROVING = "proving"
    """The server is said to be on them; no device has shown it yet."""
    INCLUDING = "including"
    """A device has shown it. The devices are included anew, one after the other."""
    ENDED = "ended"
    """Over. Whoever is not on the new keys is listed."""


class Proof(enum.StrEnum):
    """What came of asking a device under the server's keys."""

    KEYED = "keyed"
    """It answered under them, so that it has them."""
    OTHER_KEYS = "other keys"
    """It could not read that: it has others."""
    SILENT = "silent"
    """Nothing can be said: it is off or asleep, was reset, or is still being interviewed."""
    ABSENT = "absent"
    """Not even a ping is answered by a device that listens all the time: it is off, or was reset."""


class DeviceOutlook(msgspec.Struct, frozen=True, kw_only=True):
    """One device in a plan. `place` is its address, `seconds` what it takes, a person's walk to it left out. `todo` is
    one sentence for that person, empty where nothing is to be done."""

    device: Identity
    name: str
    place: Identity
    fate: Fate
    manner: Manner | None
    security: SecurityClass
    seconds: float
    todo: str = ""


class ReinclusionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a re-inclusion would do. `refusal` says why it can't be done here at all, None where it can. `why_not`
    says why it is not started without being told so: who is lost. `seconds` is an estimate for all of it."""

    radio: str
    network_id: str
    devices: tuple[DeviceOutlook, ...]
    seconds: float
    refusal: str | None
    why_not: tuple[str, ...]

    def of(self, fate: Fate) -> tuple[DeviceOutlook, ...]:
        """The devices with this fate."""
        return tuple(device for device in self.devices if device.fate is fate)


class DeviceProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Where one device stands. `detail`: why it did not work the last time, or what it waits for."""

    device: Identity
    name: str
    place: Identity
    manner: Manner
    phase: Phase
    detail: str = ""


class ReinclusionProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a re-inclusion stands. `current` is the device that a person is waited for. `standstill` says why nothing
    goes on, None while something does. `ended_at`, as `started_at`, in seconds since the epoch; None while it is under
    way."""

    reinclusion: str
    radio: str
    network_id: str
    by: str
    reason: str
    started_at: float
    stage: Stage
    paused: bool
    devices: tuple[DeviceProgress, ...]
    current: Identity | None
    standstill: str | None
    ended_at: float | None = None

    def of(self, phase: Phase) -> tuple[Identity, ...]:
        """The devices in this phase."""
        return tuple(device.device for device in self.devices if device.phase is phase)

    @property
    def done(self) -> int:
        """How many devices are on the new keys."""
        return len(self.of(Phase.DONE))

    @property
    def awaiting(self) -> tuple[Identity, ...]:
        """Who awaits the new keys, or the verdict that it has them; shut off until then."""
        over = (Phase.DONE, Phase.MISSING)
        return tuple(device.device for device in self.devices if device.phase not in over)

    @property
    def missing(self) -> tuple[Identity, ...]:
        """Who was given up."""
        return self.of(Phase.MISSING)
