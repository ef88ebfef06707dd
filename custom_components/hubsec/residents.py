"""Who is on a network, and what is to be said against each."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from homeassistant.core import callback

from hubsec import Identity, Mark
from hubsec.entries import Entry

from .network import ProtectedNetwork


class Concern(enum.StrEnum):
    """What is to be said against a device."""

    UNCONFIRMED = "unconfirmed"
    """It was there before hubsec, and nobody has confirmed it yet."""
    NO_ENTRY = "no_entry"
    NEVER_LET_IN = "never_let_in"
    """It has an entry, but is there without having been let in."""
    EXPIRED = "expired"
    QUARANTINED = "quarantined"
    EXPOSED = "exposed"
    """The network key was sent to it under a public key."""
    WEAK = "weak"
    """It holds no link key of its own that it has proved."""


UNAPPROVED: Final = frozenset(Concern) - {Concern.EXPOSED, Concern.WEAK}
"""The concerns of a device that nobody lets stay."""


@dataclass(frozen=True, kw_only=True)
class Resident:
    """A device that the stack knows. `entry` is its row on the allowlist, None where it has none."""

    device: Identity
    entry: Entry | None
    concerns: tuple[Concern, ...]

    @property
    def approved(self) -> bool:
        """Whether somebody lets it stay."""
        return UNAPPROVED.isdisjoint(self.concerns)


@callback
def residents(network: ProtectedNetwork) -> dict[Identity, Resident]:
    """Every device on the network, as it was last looked at; none while the guard is not attached."""
    hub, posture = network.hub, network.posture
    if hub is None or posture is None:
        return {}
    adopted, now = all(one.adopted for one in posture.networks), hub.now()
    entries = {seen.device: hub.allowlist.get(seen.device) for seen in network.seen}
    return {
        device: Resident(device=device, entry=entry, concerns=_concerns(entry, now, adopted=adopted))
        for device, entry in entries.items()
    }


def _concerns(entry: Entry | None, now: float, *, adopted: bool) -> tuple[Concern, ...]:
    if entry is None:
        return (Concern.NO_ENTRY if adopted else Concern.UNCONFIRMED,)
    found = {
        Concern.NEVER_LET_IN: entry.joined_at is None,
        Concern.EXPIRED: entry.expires_at is not None and entry.expires_at <= now,
        Concern.QUARANTINED: entry.quarantined is not None,
        Concern.EXPOSED: Mark.EXPOSED in entry.marks,
        Concern.WEAK: Mark.WEAK in entry.marks,
    }
    return tuple(concern for concern, holds in found.items() if holds)
