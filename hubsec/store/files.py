"""The store's folder and files: owner-only, owned by one program at a time, durable in their names too."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from typing import Final

from hubsec.errors import StoreError
from hubsec.secret import Secret

DATABASE: Final = "hubsec.db"
KEY: Final = "hubsec.key"
NEXT_KEY: Final = "hubsec.key.new"
FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600
_OTHERS: Final = 0o077
KEY_PART: Final = KEY + ".part"
"""A key file that was not finished: a crash leaves it, and the next opening erases it."""
_OURS: Final = frozenset(
    {DATABASE, KEY, NEXT_KEY, KEY_PART, *(DATABASE + end for end in ("-wal", "-shm", "-journal"))}
)


def prepare_folder(folder: Path) -> None:
    """Make `folder`, or check that it may be the store's own; owner-only in either case.

    A folder that others may enter is tightened when there is nothing in it but a store, and refused when there is.
    Raises :class:`~hubsec.errors.StoreError`.
    """
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        if not stat.S_IMODE(folder.stat().st_mode) & _OTHERS:
            return
        strange = sorted({path.name for path in folder.iterdir()} - _OURS)
        if strange:
            raise StoreError(
                f"{folder} is open to others and holds other files ({strange[0]}): give the store a folder of its own."
            )
        folder.chmod(FOLDER_MODE)
    except OSError as error:
        raise StoreError(f"The store's folder {folder} can't be used: {error.strerror}.") from error


def prepare_file(path: Path) -> bool:
    """Make `path` an owner-only file, empty when it was not there. Says whether it made it.

    SQLite gives the files that it puts beside a database the database's own mode. Raises
    :class:`~hubsec.errors.StoreError`.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
        try:
            found = os.fstat(descriptor)
            if stat.S_IMODE(found.st_mode) & _OTHERS:
                os.fchmod(descriptor, FILE_MODE)
            return found.st_size == 0
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StoreError(f"{path} can't be opened: {error.strerror}.") from error


def read_owned(path: Path, limit: int) -> bytes | None:
    """The first `limit` bytes of `path`, None when there is no such file; tightened to owner-only first."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path} can't be opened: {error.strerror}.") from error
    with os.fdopen(descriptor, "rb") as file:
        try:
            if stat.S_IMODE(os.fstat(descriptor).st_mode) & _OTHERS:
                os.fchmod(descriptor, FILE_MODE)
            return file.read(limit)
        except OSError as error:
            raise StoreError(f"{path} can't be read: {error.strerror}.") from error


def write_new(path: Path, content: Secret) -> None:
    """Put `content` into `path`, which appears whole or not at all, and is on disk when this returns.

    Raises :class:`~hubsec.errors.StoreError`; a `path` that is there already is one reason.
    """
    part = path.with_name(KEY_PART)
    try:
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.reveal())
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, does not replace what is there.
        os.link(part, path)
        part.unlink()
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path} can't be written: {error.strerror}.") from error


def erase(path: Path, *, keep_name: bool = False) -> None:
    """Overwrite `path` and remove it, for good when this returns; nothing happens when there is no such file. With
    `keep_name` a file of zeros stays.

    Overwriting reaches the medium where the file system writes in place; no program can promise more. Raises
    :class:`~hubsec.errors.StoreError`.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"{path} can't be removed: {error.strerror}.") from error
    try:
        try:
            os.write(descriptor, bytes(os.fstat(descriptor).st_size))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if not keep_name:
            path.unlink()
            sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path} can't be removed: {error.strerror}.") from error


def put_in_place(path: Path, place: Path) -> None:
    """Rename `path` to `place`, over what is there, for good when this returns. Raises
    :class:`~hubsec.errors.StoreError`."""
    try:
        path.replace(place)
        sync_folder(place.parent)
    except OSError as error:
        raise StoreError(f"{place} can't be written: {error.strerror}.") from error


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Ownership:
    """The claim of one program on a store's folder, from construction until :meth:`release`, or its death.

    Two hubs over one database would each hold an allowlist in memory that the other one changes on disk. Raises
    :class:`~hubsec.errors.StoreError` when somebody has it already.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise StoreError(f"The store's folder {folder} can't be opened: {error.strerror}.") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise StoreError(
                f"The store in {folder} is in use by another hub: stop that one first, or open it read-only."
            ) from error

    def release(self) -> None:
        """Let go. To be called once."""
        os.close(self._descriptor)
