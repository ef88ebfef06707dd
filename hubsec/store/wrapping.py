"""The data key: what seals every row, itself wrapped by a key that is not in the database.

The one row of `data_key` has the data key sealed (:mod:`hubsec.store.sealing`) under the key-encryption key, bound to
this database and to the text that says how that key is found; and the key's fingerprint. docs/adr/0006 has the reasons.

The order of a re-wrapping, of which each step may be the last before a crash:

1. the new key is durable, beside the old one;
2. one transaction puts the new wrap in place of the old one, and notes the old way as retired;
3. a new key file takes the old one's place, the write-ahead log is cut, the old key is removed;
4. a transaction takes back the note.

Before 2 the old way opens the store, from then on the new one. An opening that finds a note goes on with 3.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from hubsec.errors import SealError, StoreError
from hubsec.secret import Secret
from hubsec.store import sealed
from hubsec.store.database import Database
from hubsec.store.sealing import KEY_BYTES, Place, Seal
from hubsec.store.ways import (
    PASSPHRASE_VARIABLE,
    KeyFile,
    Passphrase,
    Unlock,
    Way,
    as_stored,
    is_own,
    name_of,
    remove,
    settle,
    way_from,
)

_LOGGER: Final = logging.getLogger(__name__)


class Wrapping(NamedTuple):
    """How a store is opened: `way` says by what, `wrapped_at` since when (seconds since the epoch, UTC); `left` is
    the way before it where that one's key could not be removed yet, else None."""

    way: Way
    wrapped_at: float
    left: Way | None


class _Wrap(NamedTuple):
    way: str
    wrapped: bytes
    key_check: bytes


class DataKey:
    """The data key of the database called `name`, in `folder`. `unlock` None goes by what the store says.

    Every method raises :class:`~hubsec.errors.StoreError`; :class:`~hubsec.errors.SealError` where no key is to be had.
    """

    def __init__(self, database: Database, folder: Path, name: str, unlock: Unlock | None) -> None:
        self._database = database
        self._folder = folder
        self._name = name
        self._unlock = unlock

    def wrapping(self) -> Wrapping | None:
        """How the store is opened; None while there is no key yet."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT way, wrapped_at, retired FROM data_key").fetchone()
        if row is None:
            return None
        way, wrapped_at, retired = row
        return Wrapping(way_from(way), wrapped_at, None if retired is None else way_from(retired))

    def open(self, *, make: bool) -> Seal | None:
        """What seals and opens. With `make` it is made where there was nothing yet, and what a crash left undone is
        done; without, None says that there is nothing."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT way, wrapped, key_check FROM data_key").fetchone()
            holds = bool(sealed.names(connection))
        if row is None:
            if holds:
                raise SealError(
                    "The key that everything is sealed under is gone: the database was changed from outside. Restore "
                    "it from a backup."
                )
            return self._begin() if make else None
        wrap = _Wrap(*row)
        way = way_from(wrap.way)
        unlock = self._unlock_for(way)
        found = unlock.find(self._folder, way)
        key = next((each for each in found if Seal(each).fingerprint == wrap.key_check), None)
        if key is None:
            if holds or not make or not isinstance(unlock, KeyFile):
                raise SealError(unlock.wrong(self._folder, found=bool(found)))
            _LOGGER.warning(
                "The key file of the store in %s is %s. Nothing was sealed under it: %s serves from now on.",
                self._folder,
                "another store's" if found else "missing",
                "that one" if found else "a new one",
            )
            return self._begin()
        seal = Seal(self._unwrapped(wrap, key))
        if make:
            self._finish(way, key)
        return seal

    def _unlock_for(self, way: Way) -> Unlock:
        stored = name_of(way)
        if self._unlock is None:
            return as_stored(way)
        if self._unlock.name != stored:
            raise SealError(
                f"The store in {self._folder} opens by its {stored}, and it was to be opened by {self._unlock.name}: "
                f"say that one, or re-wrap it first, with `hubsec vault rewrap --to {self._unlock.name}`."
            )
        return self._unlock

    def _begin(self) -> Seal:
        """A new data key, where nothing is sealed."""
        unlock = self._unlock
        if unlock is None:
            told = os.environ.get(PASSPHRASE_VARIABLE)
            unlock = Passphrase.read(told) if told else KeyFile()
        data_key = Secret(os.urandom(KEY_BYTES))
        key, way = unlock.make(self._folder, self._name, None)
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM data_key")
            connection.execute(
                "INSERT INTO data_key (id, way, wrapped, key_check, wrapped_at) VALUES (1, ?, ?, ?, ?)",
                (*self._wrapped(data_key, key, way), time.time()),
            )
        return Seal(data_key)

    def rewrap(self, seal: Seal, unlock: Unlock, *, at: float) -> Wrapping:
        """Wrap the data key of `seal` anew, for `unlock`; no row is touched. How the store is opened from now on,
        durable.

        What is left of the way before is gone, or named in the answer's `left`.
        """
        before = self.wrapping()
        if before is None:
            raise SealError("There is no key to wrap anew yet: open the store once for writing.")
        if before.left is not None:
            # A new key would take the place of one that is in force, or make a way in that is still open be forgotten.
            self.open(make=True)
            before = self.wrapping()
            if before is None or before.left is not None:
                raise SealError(
                    f"What opened the store in {self._folder} before is not all gone yet: close what reads the store, "
                    "unlock the keyring, and try again."
                )
        key, way = unlock.make(self._folder, self._name, before.way)
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE data_key SET way = ?, wrapped = ?, key_check = ?, wrapped_at = ?, retired = ?",
                (*self._wrapped(seal.key, key, way), at, _text(before.way)),
            )
        self._unlock = unlock
        self._finish(way, key)
        after = self.wrapping()
        if after is None:
            raise StoreError("The wrap that was written is not there: the database was changed from outside.")
        return after

    def _finish(self, way: Way, key: Secret) -> None:
        """Be rid of the way before. What can't be done yet is done by a later opening."""
        with self._database.reading() as connection:
            retired = connection.execute("SELECT retired FROM data_key").fetchone()[0]
        try:
            settle(self._folder, way, key)
            if retired is None:
                return
            self._database.cut_log()
            old = way_from(retired)
            # A key file in the old one's place has overwritten that one.
            if old != way and is_own(old, self._name):
                remove(self._folder, old)
            elif old != way:
                _LOGGER.warning(
                    "What opened the store in %s before is said to be a keyring entry of somebody else's: the database "
                    "was changed from outside. Nothing is deleted.",
                    self._folder,
                )
            with self._database.transaction() as connection:
                connection.execute("UPDATE data_key SET retired = NULL")
        except StoreError as error:
            _LOGGER.warning("What opened the store in %s before is not all gone yet: %s", self._folder, error)

    def _place(self, way: str) -> Place:
        return Place((self._name, "data_key", way, "wrapped"))

    def _wrapped(self, data_key: Secret, key: Secret, way: Way) -> _Wrap:
        text, seal = _text(way), Seal(key)
        return _Wrap(text, seal.seal(data_key, self._place(text)), seal.fingerprint)

    def _unwrapped(self, wrap: _Wrap, key: Secret) -> Secret:
        try:
            return Seal(key).open(wrap.wrapped, self._place(wrap.way))
        except SealError:
            raise SealError(
                f"The key of the store in {self._folder} is the right one, and does not open what it wraps: the "
                "database was "
                "changed from outside. Restore it from a backup."
            ) from None


def _text(way: Way) -> str:
    return msgspec.json.encode(way).decode()
