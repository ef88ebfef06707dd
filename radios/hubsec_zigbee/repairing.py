"""zigpy's database, put right after a rotation that its host did not live to see the end of; while no host has it open.

A host that hubsec is attached to starts without hubsec: zigpy compares its newest backup with the stick, and refuses to
start where the keys differ, or restores the old key to a blank stick. So whoever loads such a host calls
:func:`repair_database` first.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import zigpy.backups

from hubsec.secret import Secret
from hubsec.store.sealed import SecretKind
from hubsec.vault import Vault
from hubsec_zigbee.backups import dead, decoded, encoded, sealed_name
from hubsec_zigbee.host_database import backups_in, replace_backups
from hubsec_zigbee.known_keys import KnownKeys, has_key, key_of, known_keys, network_id_of, renewed

LEFT_BEHIND: Final = "zigpy's newest backup has a network key that the network has left."
DEAD: Final = "zigpy keeps backups with a network key that the network has left."
UNDECIDED: Final = "A rotation was cut off while it switched: which key the stick uses, only the stick knows."
RENEWED: Final = "The newest network key was put into the newest backup; the others are gone."
REMOVED: Final = "They are gone; those with the newest key are there."
SEALED: Final = (
    "zigpy's backups were sealed in hubsec's vault, so that zigpy starts with either key. A stick that comes up blank "
    "now has no network to be given back: do not form one on it, put back the stick that it ran on."
)
REMEMBERED: Final = (
    "zigpy remembers a network key that the network has left: an old database was put back. It would give that key to "
    "a stick that comes up blank."
)
REMINDED: Final = "It has made a new backup, and forgotten the old ones."
TO_REMIND: Final = "Have it make a backup of the network now."


class Repair(msgspec.Struct, frozen=True, kw_only=True):
    """What was wrong with a network's backups, and what was done."""

    network_id: str
    reason: str
    repair: str


async def examine_database(database: Path, vault: Vault) -> tuple[Repair, ...]:
    """What :func:`repair_database` would find and do now. Nothing is changed; `vault` may be one that is only read."""
    return tuple(one.found for one in await _examined(database, vault) if one.found is not None)


async def repair_database(database: Path, vault: Vault) -> tuple[Repair, ...]:
    """Bring the backups in zigpy's `database` to the hub's records; what was done, nothing where all is well.

    Raises :class:`~hubsec.errors.RadioError` where the database can't be worked on, because a host has it open among
    others, and :class:`~hubsec.errors.StoreError`. Nothing is changed then.
    """
    examined = await _examined(database, vault)
    repairs = tuple(one.found for one in examined if one.found is not None)
    if not repairs:
        return ()
    for one in examined:
        if one.found is not None and not one.kept:
            texts = json.dumps([encoded(backup) for backup in one.before])
            await vault.put(SecretKind.BACKUP, sealed_name(one.found.network_id), Secret(texts.encode()))
    kept = sorted((backup for one in examined for backup in one.kept), key=lambda backup: backup.backup_time)
    await asyncio.to_thread(replace_backups, database, [encoded(backup) for backup in kept])
    return repairs


async def remembers_old_key(app: Any, vault: Vault) -> bool:
    """Whether `app`, a zigpy that runs, has backups with a key that its network has left, and the stick has the newest.
    Raises :class:`~hubsec.errors.StoreError`."""
    fresh = app.backups.from_network_state()
    known = await known_keys(vault, network_id_of(fresh.network_info))
    newest = known.newest
    if newest is None or known.journal is not None or not has_key(fresh, newest):
        return False
    return any(dead(one, fresh) and known.retired(key_of(one)) for one in app.backups.backups)


class _Examined(NamedTuple):
    """One network's backups as they are, and as they are to be; `found` is None where that is the same."""

    before: list[zigpy.backups.NetworkBackup]
    kept: list[zigpy.backups.NetworkBackup]
    found: Repair | None


async def _examined(database: Path, vault: Vault) -> list[_Examined]:
    backups = [decoded(text) for text in await asyncio.to_thread(backups_in, database)]
    backups.sort(key=lambda one: one.backup_time)
    examined = []
    for network_id in dict.fromkeys(network_id_of(one.network_info) for one in backups):
        mine = [one for one in backups if network_id_of(one.network_info) == network_id]
        kept, reason, repair = _repaired(mine, await known_keys(vault, network_id))
        found = Repair(network_id=network_id, reason=reason, repair=repair) if reason else None
        examined.append(_Examined(mine, kept, found))
    return examined


def _repaired(
    mine: list[zigpy.backups.NetworkBackup], known: KnownKeys
) -> tuple[list[zigpy.backups.NetworkBackup], str, str]:
    """The backups that one network is to have, and why, and how; no reason where they are well."""
    key = known.newest
    if key is None or all(has_key(one, key) for one in mine):
        return mine, "", ""
    if not known.has(key_of(mine[-1])):
        return mine, "", ""  # The records are the older ones, and know of nothing better.
    if known.undecided:
        return [], UNDECIDED, SEALED
    with_key = [one for one in mine if has_key(one, key)]
    if mine[-1] in with_key:
        return with_key, DEAD, REMOVED
    return [renewed(mine[-1], key)], LEFT_BEHIND, RENEWED
