"""The blocking face of the store."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from hubsec.audit.checkpoints import KEY_BYTES as SIGNING_BYTES
from hubsec.audit.checkpoints import Checkpoint, Signer
from hubsec.audit.records import OPERATOR, Act, AuditRecord, Draft, Kind
from hubsec.audit.verifying import SECRETS_FORGOTTEN, Verified
from hubsec.entries import Entry
from hubsec.errors import AuditError, SealError, StoreError
from hubsec.identity import Identity, Network
from hubsec.reinclusion.shapes import ReinclusionProgress
from hubsec.rotation.shapes import RotationProgress
from hubsec.rotation.triggers import Need
from hubsec.secret import Secret
from hubsec.store import allowed, audited, nets, reincluded, rotated, sealed, watched
from hubsec.store.database import Database
from hubsec.store.files import DATABASE, KEY_PART, Ownership, erase, prepare_file, prepare_folder, sync_folder
from hubsec.store.records import Change, NetworkRecord, Record, StoredRecord
from hubsec.store.sealed import SecretKind
from hubsec.store.sealing import Seal
from hubsec.store.ways import Unlock
from hubsec.store.wrapping import DataKey, Wrapping

# Under which name the vault has the key that signs checkpoints.
SIGNING_KEY: Final = "audit"


class Store:
    """One folder with a database and its key file, owned until :meth:`close`.

    The folder is the store's own; it is made when it is missing. Another owner, in this program or another one, is
    refused, unless it is `read_only`. `unlock` is the way to its key; None goes by what the store says, and gives a new
    one a key file. Where that way does not lead to the right key opening raises :class:`~hubsec.errors.SealError`,
    so that nobody goes on unaware; with `require_key` False it opens, looks for the key when that is needed first,
    raises that same error then, and makes no key.

    Every method may be called from any thread, blocks until its transaction is on disk, and raises
    :class:`~hubsec.errors.StoreError` when it could not be; nothing is half done then.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        unlock: Unlock | None = None,
        require_key: bool = True,
        read_only: bool = False,
    ) -> None:
        self._folder = Path(directory)
        self._read_only = read_only
        self._unlocking = threading.Lock()
        self._seal: Seal | None = None
        self._seal_error: SealError | None = None
        self._created = False
        with contextlib.ExitStack() as stack:
            if not read_only:
                prepare_folder(self._folder)
                ownership = Ownership(self._folder)
                stack.callback(ownership.release)
                erase(self._folder / KEY_PART)
                self._created = prepare_file(self._folder / DATABASE)
            elif not (self._folder / DATABASE).exists():
                raise StoreError(f"There is no store in {self._folder}.")
            self._database = Database(self._folder / DATABASE, read_only=read_only)
            stack.callback(self._database.close)
            self._name = self._introduce()
            self.log = audited.Log(self._name, self._signer, self._set_mark, self._is_marked)
            self._database.ending = self.log.keep_up
            self._database.undone = self._undone
            self._new_key: Secret | None = None
            self._data_key = DataKey(self._database, self._folder, self._name, unlock)
            if require_key:
                self._seal = self._data_key.open(make=not read_only)
            self._fault = None if read_only else self._look_at_log()
            self._stack = stack.pop_all()

    def _introduce(self) -> str:
        """The database's name, which is given to it when it is new."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT name FROM store").fetchone()
        if row is not None:
            return str(row[0])
        if self._read_only:
            raise StoreError(f"The store in {self._folder} was never finished: open it once for writing.")
        name = uuid.uuid4().hex
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO store (id, name, created_at) VALUES (1, ?, ?)", (name, time.time())
            )
        try:
            sync_folder(self._folder)
        except OSError as error:
            raise StoreError(
                f"The store's folder {self._folder} can't be written: {error.strerror}."
            ) from error
        # A crash between file and name leaves an empty database: it knows as little as a new one.
        self._created = True
        return name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database and let the folder go. Idempotent."""
        self._stack.close()

    @property
    def created(self) -> bool:
        """Whether this opening made the store. It then knows nothing, which is not to say that there is nothing."""
        return self._created

    def _key(self) -> Seal:
        with self._unlocking:
            if self._seal_error is not None:
                raise self._seal_error
            if self._seal is None:
                try:
                    # Not made here: this may be in a transaction, which may not come to be.
                    self._seal = self._data_key.open(make=False)
                except SealError as error:
                    self._seal_error = error
                    raise
            if self._seal is None:
                raise SealError(
                    f"There is no key in {self._folder} yet: open the store once with one, for writing."
                )
            return self._seal

    @property
    def wrapping(self) -> Wrapping | None:
        """How the key is opened; None while there is none. Needs no key."""
        return self._data_key.wrapping()

    def rewrap(self, unlock: Unlock, *, at: float, by: str = OPERATOR) -> Wrapping:
        """Let `unlock` open the store from now on, and nothing else any more. No sealed row is touched.

        That it was asked for is on record before. Killed at any moment, the store opens as before or as it shall.
        Raises :class:`~hubsec.errors.SealError`, and leaves all as it was, where the new way can't be had. To be
        called outside transactions.
        """
        seal = self._key()
        act = Act(act="vault-rewrap", by=by, details={"to": unlock.name})
        self.append(self.log.act(act, at))
        return self._data_key.rewrap(seal, unlock, at=at)

    # The allowlist

    def entries(self) -> dict[Identity, Entry]:
        """Every entry, by device."""
        with self._database.reading() as connection:
            return allowed.entries(connection)

    def put(self, entry: Entry, secret: Secret | None, *, by: str, at: float) -> Entry:
        """Insert an entry, or replace it whole, with its secret or without one."""
        key = None if secret is None else self._sealed(SecretKind.CREDENTIAL, entry.device, secret)
        with self._database.transaction() as connection:
            allowed.put(connection, entry)
            allowed.set_key(connection, entry.device, key, at)
            self.log.changed(connection, "added", by, at, [entry])
        return entry

    def put_missing(
        self,
        entries: Iterable[Entry],
        *,
        by: str,
        at: float,
        what: str = "imported",
        adopting: tuple[Network, str] | None = None,
    ) -> tuple[Entry, ...]:
        """Insert the entries of devices that have none, and return those; entries that are there stay as they are.

        With `adopting` the network of that id counts as adopted from the same moment on.
        """
        added = []
        with self._database.transaction() as connection:
            for entry in entries:
                if allowed.entry(connection, entry.device) is None:
                    allowed.put(connection, entry)
                    added.append(entry)
            self.log.changed(connection, what, by, at, added)
            if adopting is not None:
                nets.adopt(connection, *adopting, by, at)
                self._done(connection, Act(act="network-adopted", by=by, details=_place(*adopting)), at)
        return tuple(added)

    def change(self, device: Identity, changes: Mapping[str, object], *, by: str, at: float) -> Entry:
        """Put other values into an entry. Raises :class:`~hubsec.errors.EntryError` when that can't be."""
        with self._database.transaction() as connection:
            before = allowed.existing(connection, device).quarantined
            changed = allowed.change(connection, device, changes)
            what = "changed"
            if changed.quarantined != before:
                what = "released" if changed.quarantined is None else "quarantined"
            self.log.changed(connection, what, by, at, [changed])
        return changed

    def remove(self, device: Identity, *, by: str, at: float) -> Entry:
        """Take an entry out, with its key. Raises :class:`~hubsec.errors.EntryError` when there is none."""
        with self._database.transaction() as connection:
            removed = allowed.remove(connection, device)
            self.log.changed(connection, "revoked", by, at, [removed])
        return removed

    def spend(self, device: Identity, *, by: str, at: float, since: float | None = None) -> Entry:
        """Write down the first join of `device`, or the first from `since` on; a single-use entry loses its key. Later
        calls change nothing."""
        with self._database.transaction() as connection:
            spent, first = allowed.spend(connection, device, at, since)
            if first:
                self.log.changed(connection, "joined", by, at, [spent])
        return spent

    def credential(self, device: Identity) -> Secret | None:
        """The secret of `device`, opened; None when it has none. Raises :class:`~hubsec.errors.SealError`."""
        return self.unseal(SecretKind.CREDENTIAL, device)

    def changes(self, device: Identity | None = None, *, limit: int = 100) -> tuple[Change, ...]:
        """The newest changes of the allowlist, newest first."""
        with self._database.reading() as connection:
            return audited.changes(connection, device, limit)

    # The vault

    def seal(self, kind: SecretKind, name: str, secret: Secret, *, at: float) -> None:
        """Keep a secret, in place of the one of that kind and name. Raises :class:`~hubsec.errors.SealError`."""
        blob = self._sealed(kind, name, secret)
        with self._database.transaction() as connection:
            sealed.put(connection, kind, name, blob, at)

    def _sealed(self, kind: SecretKind, name: str, secret: Secret) -> bytes:
        return sealed.seal(self._key(), self._name, kind, name, secret)

    def unseal(self, kind: SecretKind, name: str) -> Secret | None:
        """That secret, opened; None when there is none. Raises :class:`~hubsec.errors.SealError`."""
        with self._database.reading() as connection:
            blob = sealed.get(connection, kind, name)
        return None if blob is None else self._key().open(blob, sealed.place(self._name, kind, name))

    def sealed_names(self, kind: SecretKind) -> tuple[str, ...]:
        """Whose secrets of this kind there are."""
        with self._database.reading() as connection:
            return sealed.names(connection, kind)

    def discard(self, kind: SecretKind, name: str) -> None:
        """Forget a secret, if it is there; its sealed form is overwritten."""
        with self._database.transaction() as connection:
            sealed.discard(connection, kind, name)

    def forget_secrets(self, *, by: str = OPERATOR) -> tuple[Identity, ...]:
        """Drop every sealed secret, and say whose credentials were among them: the way on after the key was lost for
        good. A rotation that was under way has ended by that.

        Where it was, a new key is made at the next opening, in the way that is asked for then.
        """
        with self._database.transaction() as connection:
            devices = sealed.names(connection, SecretKind.CREDENTIAL)
            connection.execute("DELETE FROM sealed")
            if self._seal is None:
                connection.execute("DELETE FROM data_key")
            self._new_key = None
            self.log.forget_mark()
            now = time.time()
            act = Act(act=SECRETS_FORGOTTEN, by=by, details={"credentials": len(devices)})
            self._done(connection, act, now)
            for ended in rotated.forget(connection, now):
                self._done(connection, rotated.step(ended), now)
        return tuple(map(Identity, devices))

    # The audit log

    @property
    def name(self) -> str:
        """By which the audit log knows this store."""
        return self._name

    def record(self, record: Record) -> int:
        """Write a decision down; returns its number, after the commit."""
        return self.append(audited.decided(record))

    def append(self, *drafts: Draft) -> int:
        """Write records down; returns the number of the first, after the commit."""
        with self._database.transaction() as connection:
            return self.log.append(connection, drafts)

    def _done(self, connection: sqlite3.Connection, act: Act, at: float) -> None:
        self.log.append(connection, [self.log.act(act, at)])

    def decisions(
        self, device: Identity | None = None, correlation: str | None = None, *, limit: int = 100
    ) -> tuple[StoredRecord, ...]:
        """The newest decisions, newest first; of one device, of one story, or of all."""
        with self._database.reading() as connection:
            return audited.decisions(connection, device, correlation, limit)

    def audit(
        self, since: int = 0, *, kinds: Sequence[Kind] = (), limit: int = 100
    ) -> tuple[AuditRecord, ...]:
        """The records after number `since`, oldest first; of these kinds, or of all."""
        with self._database.reading() as connection:
            return audited.records(connection, since, kinds, limit)

    def newest_records(self, *, kinds: Sequence[Kind] = (), limit: int = 100) -> tuple[AuditRecord, ...]:
        """The newest `limit` records, oldest first; of these kinds, or of all."""
        with self._database.reading() as connection:
            return audited.newest(connection, kinds, limit)

    def tail(self) -> tuple[int, bytes]:
        """Number and hash of the newest record; 0 and the store's own where there is none."""
        with self._database.reading() as connection:
            if self._read_only:
                self.log.forget()  # Its owner writes on.
            return self.log.tail(connection)

    def checkpoint(self, *, at: float) -> Checkpoint:
        """A signature over the log as it is now, at `at`; a record of it too, unless the store is read-only.

        Raises :class:`~hubsec.errors.SealError` where nobody can sign: without the vault's key, and, read-only, before
        the first checkpoint was made.
        """
        if self._read_only:
            signer = self._signer()
            made = None if signer is None else signer.sign(self._name, *self.tail(), at=at)
        else:
            with self._database.transaction() as connection:
                made = self.log.sign(connection, at=at)
        if made is None:
            raise SealError(
                "Nobody can sign a checkpoint: the vault does not open, or a hub has yet to make the key in it."
            )
        return made

    def truncate(self, *, keep: int, by: str, at: float) -> int:
        """Drop all but the newest `keep` records, as `by` asks, with a record and a signature that say so; return how
        many went. Where nobody can sign nothing goes."""
        with self._database.transaction() as connection:
            last, _ = self.log.tail(connection)
            cut = self.log.cut(connection, last - max(keep, 0))
            if cut is None or self._signer() is None:
                return 0
            details = {"first": cut.first, "last": cut.last}
            self._done(connection, Act(act="log-truncated", by=by, details=details), at)
            self.log.sign(connection, cut, at)
            return cut.count

    # What an opening found

    @property
    def fault(self) -> str | None:
        """What an opening found wrong with the log's end, with what to do; None when nothing was, or it was
        accepted."""
        return self._fault

    def accept_log(self, *, by: str, at: float, reason: str = "") -> bool:
        """Go on behind a log that is damaged, as `by` says. It stays as it is, and is what `verify` names. Whether
        anything was found wrong."""
        if self._fault is None:
            return False
        with self._database.transaction() as connection:
            last, _ = self.log.tail(connection)
            act = Act(act="log-accepted", by=by, reason=reason, details={"fault": self._fault})
            self._done(connection, act, at)
            watched.accept(connection, last)
            self.log.sign(connection, at=at)
        self._fault = None
        return True

    def _look_at_log(self) -> str | None:
        try:
            with self._database.snapshot() as connection:
                if (known := watched.fault(connection)) is not None:
                    return known
                # Where the key was not asked for, it is not needed for this either.
                self._hold_to_mark(connection, self._seal)
                watched.check_end(connection, self._name)
        except (AuditError, StoreError) as error:
            found = watched.told(error)
        else:
            return None
        # Where it can't be written down it is found again, as long as it is near the end.
        with contextlib.suppress(StoreError), self._database.transaction() as connection:
            watched.note_fault(connection, found)
            self._done(connection, Act(act="log-damaged", by="hubsec", reason=found), time.time())
        return found

    def _hold_to_mark(self, connection: sqlite3.Connection, key: Seal | None) -> None:
        """Raises :class:`~hubsec.errors.AuditError` where the log's end is not the one that the vault knows; without
        `key`, only where the vault has no word on it."""
        kept = sealed.get(connection, SecretKind.LOG_MARK, SIGNING_KEY)
        if kept is None:
            if sealed.names(connection):  # The mark came with the first of them.
                raise AuditError("The vault's mark of the log's end was taken out.", fault="forged")
        elif key is not None:
            mark = key.open(kept, sealed.place(self._name, SecretKind.LOG_MARK, SIGNING_KEY))
            watched.held_to(connection, watched.mark_of(mark))

    def _is_marked(self, connection: sqlite3.Connection) -> bool | None:
        """Whether the vault has a mark of the log's end; None where it has none, and needs none yet: nothing is sealed,
        or nobody can seal."""
        if sealed.get(connection, SecretKind.LOG_MARK, SIGNING_KEY) is not None:
            return True
        return False if self._seal is not None and sealed.names(connection) else None

    def _set_mark(self, seq: int, digest: bytes) -> None:
        mark = watched.Mark(seq, digest)
        self.seal(SecretKind.LOG_MARK, SIGNING_KEY, mark.sealable(), at=time.time())

    def verify(
        self,
        *,
        known: Sequence[Checkpoint] = (),
        key: str | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> Verified:
        """Verify the whole log on disk: against checkpoints from elsewhere and a public key that is known, if any, and
        against the vault's own, and its mark, where that opens.

        Raises :class:`~hubsec.errors.AuditError`, which names the first record that is wrong.
        """
        with self._database.snapshot() as connection:
            found = audited.verify(connection, self._name, known=known, key=key, progress=progress)
            signer = self._signer(make=False)
            if signer is None:
                self._hold_to_mark(connection, None)
                return found
            if found.keys and found.keys[-1] != signer.key:
                raise AuditError(
                    "The log is signed by another key than the vault's: it is forged.", fault="forged"
                )
            if not found.checkpoints:
                # The key was made for a checkpoint, in one transaction with it.
                raise AuditError(
                    "The vault's key has signed this log, and no signature is left in it: it was written anew.",
                    fault="forged",
                    seq=found.first or None,
                )
            self._hold_to_mark(connection, self._key())
        return msgspec.structs.replace(found, by_vault=True)

    def export(self, write: Callable[[bytes], object], *, since: int = 0, kinds: Sequence[Kind] = ()) -> int:
        """Write the records after number `since` as lines of JSON; of these kinds, or of all. Returns how many."""
        with self._database.snapshot() as connection:
            return audited.export(connection, self._name, write, since, kinds)

    def _signer(self, *, make: bool = True) -> Signer | None:
        """Who signs; the key is made at the first signature, in its transaction. None without the vault's key."""
        try:
            secret = self._new_key or self.unseal(SecretKind.SIGNING_KEY, SIGNING_KEY)
            if secret is None and make and not self._read_only:
                secret = Secret(os.urandom(SIGNING_BYTES))
                self.seal(SecretKind.SIGNING_KEY, SIGNING_KEY, secret, at=time.time())
                self._new_key = secret
        except SealError:
            return None
        return None if secret is None else Signer(secret)

    def _undone(self) -> None:
        self.log.forget()
        self._new_key = None

    # Networks

    def network(self, network: Network, network_id: str) -> NetworkRecord | None:
        """What is known of one network; None when this store has never seen it."""
        with self._database.reading() as connection:
            return nets.network(connection, network, network_id)

    def networks(self) -> tuple[NetworkRecord, ...]:
        """Every network that this store has seen."""
        with self._database.reading() as connection:
            return nets.networks(connection)

    def see_network(self, network: Network, network_id: str, *, at: float) -> NetworkRecord:
        """Note the first sight of a network; later ones change nothing."""
        with self._database.transaction() as connection:
            if nets.see(connection, network, network_id, at):
                where = _place(network, network_id)
                self._done(connection, Act(act="network-met", by="hubsec", details=where), at)
            return self._known(network, network_id)

    def mark_exposed(self, network: Network, network_id: str, *, reason: str, at: float) -> NetworkRecord:
        """Note that a network's key has been seen; the first reason stands."""
        with self._database.transaction() as connection:
            if nets.expose(connection, network, network_id, reason, at):
                where = _place(network, network_id)
                act = Act(act="network-exposed", by="hubsec", reason=reason, details=where)
                self._done(connection, act, at)
            return self._known(network, network_id)

    # Rotations

    def keep_rotation(
        self,
        progress: RotationProgress,
        *,
        name: str,
        seals: Mapping[SecretKind, Secret | None],
        at: float,
        rotated_at: float | None = None,
        healed: bool = False,
        settled: Iterable[Need] = (),
        needed: Need | None = None,
    ) -> None:
        """Write down where a rotation stands, all of it in one transaction: `seals` kept under `name`, or forgotten
        where they are None; since when the network has its key, where that has changed; `healed`: that it is exposed no
        more; and the needs that are `settled` with it, or the one that is `needed` after it."""
        blobs = {
            kind: None if secret is None else self._sealed(kind, name, secret)
            for kind, secret in seals.items()
        }
        with self._database.transaction() as connection:
            for kind, blob in blobs.items():
                if blob is None:
                    sealed.discard(connection, kind, name)
                else:
                    sealed.put(connection, kind, name, blob, at)
            if rotated.keep(connection, progress):
                self._done(connection, rotated.step(progress), at)
            if rotated_at is not None:
                nets.rotated(connection, Network.ZIGBEE, progress.network_id, rotated_at)
            if healed:
                nets.heal(connection, Network.ZIGBEE, progress.network_id)
            rotated.settle(connection, settled)
            if needed is not None:
                rotated.need(connection, needed)

    def revise_rotation(
        self, network_id: str, change: Callable[[RotationProgress], RotationProgress]
    ) -> RotationProgress | None:
        """Write down what has become known, since it ended, of the newest rotation of a network that went through: what
        `change` makes of it. That, or None where there is none."""
        with self._database.transaction() as connection:
            return rotated.revise(connection, network_id, change)

    def rotations(self, network_id: str | None = None, *, limit: int = 100) -> tuple[RotationProgress, ...]:
        """The newest rotations of a network, or of all, newest first; the one under way among them."""
        with self._database.reading() as connection:
            return rotated.rotations(connection, network_id, limit)

    def need(self, needed: Need) -> None:
        """Note why a network's key ought to be changed; what stands already stays as it is."""
        with self._database.transaction() as connection:
            rotated.need(connection, needed)

    def needs(self, network_id: str | None = None) -> tuple[Need, ...]:
        """Why keys ought to be changed, of a network or of all, the oldest first."""
        with self._database.reading() as connection:
            return rotated.needs(connection, network_id)

    # Re-inclusions

    def keep_reinclusion(
        self, progress: ReinclusionProgress, *, name: str, journal: Secret, at: float
    ) -> None:
        """Write down where a re-inclusion stands, in one transaction with its journal, which is sealed under `name`."""
        blob = self._sealed(SecretKind.JOURNAL, name, journal)
        with self._database.transaction() as connection:
            sealed.put(connection, SecretKind.JOURNAL, name, blob, at)
            before = reincluded.keep(connection, progress)
            if reincluded.has_come_on(before, progress):
                self._done(connection, reincluded.step(progress), at)
            if reincluded.is_live(before, progress):
                nets.rotated(connection, Network.ZWAVE, progress.network_id, at)

    def note_reinclusion(self, progress: ReinclusionProgress) -> None:
        """Write down what is not in its journal: whom it waits for, and why it stands still."""
        with self._database.transaction() as connection:
            reincluded.keep(connection, progress)

    def reinclusions(
        self, network_id: str | None = None, *, limit: int = 100
    ) -> tuple[ReinclusionProgress, ...]:
        """The newest re-inclusions of a network, or of all, newest first; the one under way among them."""
        with self._database.reading() as connection:
            return reincluded.reinclusions(connection, network_id, limit)

    def _known(self, network: Network, network_id: str) -> NetworkRecord:
        found = self.network(network, network_id)
        if found is None:
            raise StoreError(
                "The network that was written is not there: the database was changed from outside."
            )
        return found

    # Several at once

    def together(self, jobs: Sequence[Draft | Callable[[], object]]) -> list[object]:
        """Do `jobs`, each a record to write down or a call of the methods above, in one transaction; the record's
        number, or what the call returned, or :class:`Failed`.

        A call that fails takes nothing with it but itself, unless the disk fails: then all fail with that error.
        """
        results: list[object] = []
        try:
            with self._database.transaction() as connection:
                waiting: list[Draft] = []
                for job in jobs:
                    if isinstance(job, Draft):
                        waiting.append(job)
                        continue
                    self._write(connection, waiting, results)
                    result = result_of(job)
                    results.append(result)
                    if isinstance(result, Failed):
                        self._database.hold(result.error)
                self._write(connection, waiting, results)
        except Exception as error:  # noqa: BLE001 - it is handed to whoever asked
            return [Failed(error)] * len(jobs)
        return results

    def written(self, drafts: Sequence[Draft]) -> Sequence[object]:
        """The same for records alone."""
        count = len(drafts)
        try:
            first = self.append(*drafts)
        except Exception as error:  # noqa: BLE001 - the same
            return [Failed(error)] * count
        return range(first, first + count)

    def _write(self, connection: sqlite3.Connection, waiting: list[Draft], results: list[object]) -> None:
        """All that wait, by one statement: what could fail alone was refused when it was made."""
        if waiting:
            first = self.log.append(connection, waiting)
            results += range(first, first + len(waiting))
            waiting.clear()


def _place(network: Network, network_id: str) -> dict[str, str | float | bool | None]:
    return {"network": network, "network_id": network_id}


class Failed(msgspec.Struct, frozen=True):
    """Stands for the result of a call that raised `error`."""

    error: Exception


def result_of(job: Callable[[], object]) -> object:
    """What `job` returns, or :class:`Failed`."""
    try:
        return job()
    except Exception as error:  # noqa: BLE001 - the same
        return Failed(error)
