"""Which network key ought to be in force, by the hub's own records: the journal of a rotation, and the ring of keys.

The key on the stick is the truth. Only where it is a key that the network has certainly left, or where there is none
because the stick is blank, do the records know better:

1. A rotation has a journal. From the order to switch on (SWITCHING) the next key counts as the one in force where
   nobody can be asked: devices that hold both follow whoever uses the newer one (Zigbee specification 4.3.1.2), and
   none goes back.
2. Without a journal it is the ring's live key.
3. A key is retired when it was live before the one that the records know to be live now.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import zigpy.backups
import zigpy.types

from hubsec.rotation.journal import Journal, KeyRing, LiveKey, secret_name, unpack
from hubsec.rotation.shapes import Step
from hubsec.secret import Secret
from hubsec.store.sealed import SecretKind
from hubsec.vault import Vault

COUNTER_LEAP: Final = 1 << 20
"""What is added to the outgoing frame counter of a backup that is older than a rotation: devices take nothing with a
counter that they have seen. A coordinator sends a few frames a second at the most; this is days of them."""


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """What the records say of one network's keys."""

    journal: Journal | None = None
    ring: KeyRing = field(default_factory=KeyRing)

    @property
    def newest(self) -> LiveKey | None:
        """The key that a blank stick is to be given; None where nothing is recorded."""
        if self.journal is not None:
            chain = self.journal.chain
            return chain[self.journal.round if self.undecided else self.journal.settled]
        return self.ring.live

    @property
    def undecided(self) -> bool:
        """Whether the order to switch may have gone out, and only the stick knows."""
        return self.journal is not None and self.journal.step is Step.SWITCHING

    def has(self, key: Secret) -> bool:
        """Whether the records know `key` at all."""
        in_journal = self.journal is not None and any(one.key == key for one in self.journal.chain)
        return in_journal or self.ring.find(key) is not None

    def retired(self, key: Secret) -> bool:
        """Whether the network has certainly left `key`."""
        if self.journal is not None:
            place = next((at for at, one in enumerate(self.journal.chain) if one.key == key), None)
            if place is not None:
                return place < self.journal.settled
        found = self.ring.find(key)
        return found is not None and found.until is not None


async def known_keys(vault: Vault, network_id: str) -> KnownKeys:
    """The records of the network with that extended PAN id. Raises :class:`~hubsec.errors.StoreError`."""
    name = secret_name(network_id)
    journal = await vault.get(SecretKind.JOURNAL, name)
    ring = await vault.get(SecretKind.NETWORK_KEY, name)
    return KnownKeys(
        None if journal is None else unpack(journal, Journal),
        KeyRing() if ring is None else unpack(ring, KeyRing),
    )


def network_id_of(network_info: Any) -> str:
    """The extended PAN id of zigpy's settings of a network, as 16 hex digits."""
    return str(network_info.extended_pan_id).replace(":", "").lower()


def key_of(backup: zigpy.backups.NetworkBackup) -> Secret:
    """The network key in a backup."""
    return Secret(bytes(backup.network_info.network_key.key))


def has_key(backup: zigpy.backups.NetworkBackup, key: LiveKey) -> bool:
    """Whether it is a backup with that network key."""
    return key_of(backup) == key.key


def renewed(backup: zigpy.backups.NetworkBackup, key: LiveKey) -> zigpy.backups.NetworkBackup:
    """`backup` with `key` in place of its network key, an outgoing frame counter that is beyond what was sent, and no
    children: a sleeper that has found another parent since could not be reached past its entry in the stick's table,
    and one that has not finds a parent anew."""
    info = backup.network_info
    there = info.network_key
    return backup.replace(
        network_info=info.replace(
            children=[],
            network_key=there.replace(
                key=zigpy.types.KeyData(key.key.reveal()),
                seq=key.sequence,
                tx_counter=there.tx_counter + COUNTER_LEAP,
            ),
        )
    )
