"""zigpy's backups of the network, sealed in the hub's vault instead of lying in zigpy's database in clear.

For a radio of hubsec's own. Those that are in the database when it is opened move to the vault, and are gone from the
file before the radio starts (:mod:`.host_database`). A new one never gets there: zigpy's database is not told of it.
zigpy has them in memory while it starts, since that is when it restores one to a blank stick, and not after. They are
kept as zigpy keeps them: one supersedes those of the same network and keys before it.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import zigpy.backups

from hubsec.errors import HubsecError, RadioError, StoreError
from hubsec.secret import Secret
from hubsec.store.sealed import SecretKind
from hubsec.vault import Vault
from hubsec_zigbee.desk import LOGGER, Desk
from hubsec_zigbee.host_database import backups_in, replace_backups

MAX_BACKUPS: Final = 8
"""Sealed backups of one radio: zigpy keeps one for each set of keys, and a rotation takes those of the old key out."""
GAP_IN_CLEAR: Final = "backups-in-clear"
"""zigpy writes backups of the network, with every key, into its database in clear."""


def sealed_name(radio: str) -> str:
    """By which the backups of a radio are sealed."""
    return f"zigpy:{radio}"


def decoded(text: str) -> zigpy.backups.NetworkBackup:
    """A backup from its JSON text. Raises :class:`~hubsec.errors.RadioError`."""
    try:
        return zigpy.backups.NetworkBackup.from_dict(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError, AssertionError) as error:
        # Not chained: the cause shows the backup.
        raise RadioError(f"A backup of zigpy's can't be read ({type(error).__name__}).") from None


def encoded(backup: zigpy.backups.NetworkBackup) -> str:
    """The JSON text of a backup, as zigpy writes it."""
    return json.dumps(backup.as_dict())


def dead(backup: Any, fresh: Any) -> bool:
    """Whether `backup` is of the same network as `fresh`, with another network key."""
    there, here = backup.network_info, fresh.network_info
    same = there.extended_pan_id == here.extended_pan_id
    return same and bool(there.network_key.key != here.network_key.key)


class SealedBackups:
    """The backups of the radio whose `desk` that is; a listener of zigpy's backup manager. `readable`: what is sealed
    could be opened when zigpy was to have it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = asyncio.Lock()
        self._fresh: list[str] = []
        self._app: Any = None
        self._started = False
        self.readable = True

    @property
    def _vault(self) -> Vault | None:
        return self._desk.authority.vault

    @property
    def stands(self) -> bool:
        """Whether there is a vault to seal them in."""
        return self._vault is not None

    # What is sealed

    async def load(self) -> list[zigpy.backups.NetworkBackup]:
        """The sealed backups, the oldest first."""
        vault = self._vault
        sealed = None if vault is None else await vault.get(SecretKind.BACKUP, sealed_name(self._desk.name))
        if sealed is None:
            return []
        try:
            texts = json.loads(sealed.reveal())
        except ValueError:
            raise StoreError("The sealed backups can't be read: they were changed from outside.") from None
        return [decoded(text) for text in texts]

    async def _save(self, backups: list[zigpy.backups.NetworkBackup]) -> None:
        vault = self._vault
        if vault is None:
            raise StoreError("There is no vault to seal a backup in.")
        texts = [encoded(backup) for backup in backups[-MAX_BACKUPS:]]
        secret = Secret(json.dumps(texts).encode())
        await vault.put(SecretKind.BACKUP, sealed_name(self._desk.name), secret)

    async def keep(self, texts: list[str], *, only: zigpy.backups.NetworkBackup | None = None) -> None:
        """Seal these as well; durable when this returns. `only`: take those out that have another key of its
        network."""
        async with self._lock:
            before = await self.load()
            manager = zigpy.backups.BackupManager(self._app)
            for backup in sorted([*before, *map(decoded, texts)], key=lambda one: one.backup_time):
                manager.add_backup(backup, suppress_event=True)
            kept = [one for one in manager.backups if only is None or not dead(one, only)]
            if [encoded(one) for one in kept] != [encoded(one) for one in before]:
                await self._save(kept)

    # zigpy's database

    async def take_over(self, database: Path) -> None:
        """Move every backup from zigpy's database to the vault. It is durable there before it goes from the file."""
        texts = await asyncio.to_thread(backups_in, database)
        if texts:
            await self.keep(list(texts))
        await asyncio.to_thread(replace_backups, database, ())

    # zigpy in memory

    async def give_back(self, app: Any) -> None:
        """zigpy starts: it has them from now on, and tells us, and nobody else, of new ones."""
        self._app, self._started = app, False
        app.backups.remove_listener(app._dblistener)
        app.backups.add_listener(self)
        try:
            app.backups.backups[:] = await self.load()
            self.readable = True
        except HubsecError as error:
            self.readable = False
            LOGGER.warning("%s: %s", self._desk.name, error)

    async def started(self) -> None:
        """zigpy has started. A network that there is no backup of gets a first one from what zigpy has just read, so
        that a stick which is lost in the next minutes does not take it along."""
        manager = self._app.backups
        fresh = manager.from_network_state()
        if not any(fresh.is_compatible_with(one) for one in manager.backups):
            self._fresh.append(encoded(fresh))
        self._started = True
        try:
            await self.flush()
        except HubsecError as error:
            LOGGER.warning("%s: %s", self._desk.name, error)
        self._clear()

    def _clear(self) -> None:
        if self._started and not self._fresh:
            self._app.backups.backups.clear()

    def network_backup_created(self, backup: zigpy.backups.NetworkBackup) -> None:
        """zigpy has made one: the listener's method that it calls."""
        self._fresh.append(encoded(backup))
        self._desk.spawn(self.flush(), "seal a backup of zigpy's")

    async def flush(self) -> None:
        """Seal what zigpy has made meanwhile; durable when this returns."""
        texts, self._fresh = self._fresh, []
        if not texts:
            return
        try:
            await self.keep(texts)
        except HubsecError:
            self._fresh = texts + self._fresh
            raise
        self._clear()

    async def forget_dead(self, live: zigpy.backups.NetworkBackup) -> None:
        """Forget those of the network of `live` that have another key."""
        await self.keep([], only=live)

    async def follow(self, fresh: zigpy.backups.NetworkBackup) -> None:
        """The network has the key of `fresh` now: seal it, and forget those of this network with another key."""
        self._fresh.clear()  # It is the newest of those.
        await self.keep([encoded(fresh)], only=fresh)
        self._clear()
