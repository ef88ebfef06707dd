"""A radio of hubsec's own starts: its stick, zigpy's backups and the hub's records are brought together before zigpy
compares the first two.

1. The stick has a network. Backups of it with another key are dead, and go: zigpy would refuse to start, or restore
   them one day. If the stick's own key is retired (:mod:`.known_keys`), an old backup was restored to it: whoever was
   left out of a rotation since holds that key. The radio does not start, and says how to go on; told to
   (`bring_back`), it writes the newest backup with the newest key to the stick. Who looked for its parent meanwhile may
   have given the network up: everybody is listed until it answers. If the records know another key of that network and
   not the stick's, they are old themselves, or somebody else changed the key: that is said, and the radio starts, since
   the devices use what the stick has.
2. The stick is blank. zigpy is about to restore its newest backup. If that has another key than the newest, it gets
   that one first, which is said: the old key never comes back. Where the records can't be read, the radio does not
   start.
"""

from __future__ import annotations

from typing import Any, Final

from zigpy.exceptions import NetworkNotFormed

from hubsec.errors import RadioError, StoreError
from hubsec.events import KeysDisagree
from hubsec_zigbee.backups import SealedBackups, dead
from hubsec_zigbee.desk import LOGGER, Desk
from hubsec_zigbee.known_keys import KnownKeys, has_key, key_of, known_keys, network_id_of, renewed

OLD_BACKUP: Final = (
    "The stick is blank, and zigpy's newest backup has a network key from before the last rotation."
)
OLD_BACKUP_RENEWED: Final = (
    "The newest network key was put into the backup before zigpy restored it. Devices that do not answer are to be "
    "re-joined with their install codes."
)
OLD_STICK: Final = (
    "The stick has a network key that this network has left: an old backup was restored to it. Whoever was left out of "
    "a rotation since holds that key, and the devices do not."
)
BRING_BACK: Final = (
    "Open it once with bring_back=True: the newest backup is written to the stick, with the newest key."
)
BROUGHT_BACK: Final = (
    "The newest backup was written to the stick, with the newest key. Every device counts as a straggler until it "
    "answers: who has given the network up meanwhile is to be re-joined with its install code."
)
OLD_RECORDS: Final = (
    "The stick has a network key that hubsec has no record of: a backup of hubsec's folder from before the last "
    "rotation was put back, or something else has changed the key."
)
GOES_ON: Final = (
    "The network goes on with the stick's key. Put a newer backup of hubsec's folder back if there is one; else rotate "
    "the network key, so that hubsec has a record of it."
)
NO_BACKUP: Final = "There is no backup of this network to restore: put back the stick that it ran on."


class Restoring:
    """See the module. `bring_back`: write the newest key to a stick that has a retired one."""

    def __init__(self, desk: Desk, backups: SealedBackups, *, bring_back: bool) -> None:
        self._desk = desk
        self._backups = backups
        self._bring_back = bring_back

    async def before_start(self, app: Any) -> None:
        """`app` is connected, and about to start. Raises :class:`~hubsec.errors.HubsecError` where it must not."""
        try:
            await app.load_network_info(load_devices=False)
        except NetworkNotFormed:
            await self._blank(app.backups)
            return
        await self._formed(app)

    async def _known(self, network_info: Any) -> KnownKeys:
        vault = self._desk.authority.vault
        return KnownKeys() if vault is None else await known_keys(vault, network_id_of(network_info))

    async def _blank(self, manager: Any) -> None:
        newest = manager.most_recent_backup()
        if newest is None:
            return
        known = await self._known(newest.network_info)
        key = known.newest
        if key is None or has_key(newest, key) or not known.has(key_of(newest)):
            return  # A backup with a key that the records do not know is newer than they are.
        await self._desk.authority.doubt(network_id_of(newest.network_info))
        manager.backups[-1] = renewed(newest, key)
        self._say(OLD_BACKUP, OLD_BACKUP_RENEWED, repaired=True)

    async def _formed(self, app: Any) -> None:
        manager = app.backups
        fresh = manager.from_network_state()
        outdated = any(dead(one, fresh) for one in manager.backups)
        key = key_of(fresh)
        try:
            known = await self._known(fresh.network_info)
        except StoreError as error:
            # The hub says so, and goes on with no rotation; the lights stay on.
            LOGGER.warning("%s: %s", self._desk.name, error)
        else:
            if known.retired(key):
                await self._retired(manager, fresh, known)
                return
            if (outdated or known.newest is not None) and not known.has(key):
                self._say(OLD_RECORDS, GOES_ON, repaired=False)
        if outdated:
            await self._backups.forget_dead(fresh)
            manager.backups[:] = [one for one in manager.backups if not dead(one, fresh)]

    async def _retired(self, manager: Any, fresh: Any, known: KnownKeys) -> None:
        here = network_id_of(fresh.network_info)
        mine = [one for one in manager.backups if network_id_of(one.network_info) == here]
        key = known.newest
        if not self._bring_back or not mine or key is None:
            repair = BRING_BACK if mine else NO_BACKUP
            self._say(OLD_STICK, repair, repaired=False)
            raise RadioError(f"{OLD_STICK} {repair}")
        # First: who is cut off in between is to find everybody listed.
        await self._desk.authority.doubt(here)
        newest = renewed(mine[-1], key)
        await manager.restore_backup(newest, create_new=False)
        manager.backups[:] = [one for one in manager.backups if not dead(one, newest)]
        self._say(OLD_STICK, BROUGHT_BACK, repaired=True)

    def _say(self, reason: str, repair: str, *, repaired: bool) -> None:
        self._desk.publish(KeysDisagree, reason=reason, repair=repair, repaired=repaired)
