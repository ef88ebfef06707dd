"""Who may use the gate: names, roles, and the hashes of credentials that only their holders have.

A credential is 32 random bytes, shown once. Its SHA-256 is what is kept. A slow hash would protect words that people
think of, which can be guessed; of 2^256 equally likely ones nobody finds the right one, whatever a try costs, and a
slow hash would only give strangers a way to keep the gate busy.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from hubsec.errors import HubsecError, StoreError
from hubsec.secret import Secret
from hubsec.store.files import FILE_MODE, prepare_folder, read_owned, sync_folder
from hubsec_zwave.roles import Role

FILE: Final = "gate.json"
"""In the hub's folder."""
SECRET_SIZE: Final = 32
"""Bytes of a credential."""
MAX_CLIENTS: Final = 256
MAX_FILE: Final = 256 * 1024
"""Bytes; a client takes some two hundred."""
MAX_HEADER: Final = 1024
"""Characters of an Authorization header; ours take less than a hundred."""

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_LOCK: Final = "gate.lock"
_PART: Final = "gate.part"


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """One that may connect. `digest` is the SHA-256 of its credential, in hex; `created` seconds since the epoch."""

    name: str
    role: Role
    digest: str
    created: float

    def __repr__(self) -> str:
        return f"Client(name={self.name!r}, role={self.role!r})"


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """A new client and its credential, which nobody can ask for again."""

    client: Client
    secret: Secret

    def bearer(self) -> str:
        """What stands behind ``Authorization: Bearer``."""
        return self.secret.reveal().decode("ascii")

    def url(self, base: str) -> str:
        """`base` (``ws://host:port``) with the credential in it. Whoever logs a client's URL logs the credential."""
        scheme, _, rest = base.partition("://")
        return f"{scheme}://{self.client.name}:{self.bearer()}@{rest}"


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    clients: tuple[Client, ...] = ()


_NOBODY: Final = "0" * 64
_UNREADABLE: Final = (-1, -1, -1)


class Credentials:
    """The file of clients in `folder`, made with the first of them. Several programs may change it.

    What was read is kept until :meth:`reload` finds that the file is another.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / FILE
        self._clients: tuple[Client, ...] = ()
        self._seen: tuple[int, int, int] | None = None
        self.reload()

    @property
    def clients(self) -> tuple[Client, ...]:
        """All of them, by name."""
        return self._clients

    def add(self, name: str, role: Role) -> Issued:
        """Let somebody in from now on.

        Raises :class:`~hubsec.errors.HubsecError` for a name that is taken or can't stand in a URL, and
        :class:`~hubsec.errors.StoreError`.
        """
        if _NAME.fullmatch(name) is None:
            raise HubsecError(
                "A client's name has up to 32 of a-z, 0-9 and hyphens, and begins and ends with none of these."
                if name.strip("-") != name
                else "A client's name has up to 32 of a-z, 0-9 and hyphens."
            )
        secret = Secret(secrets.token_urlsafe(SECRET_SIZE).encode("ascii"))
        client = Client(name=name, role=role, digest=_digest(secret.reveal()), created=time.time())
        with self._changing():
            if any(other.name == name for other in self._clients):
                raise HubsecError(f"There is a client {name}: revoke it first, or take another name.")
            if len(self._clients) >= MAX_CLIENTS:
                raise HubsecError(f"There are {MAX_CLIENTS} clients: revoke some.")
            self._write((*self._clients, client))
        return Issued(client=client, secret=secret)

    def revoke(self, name: str) -> None:
        """Let it in no more; a gate that runs ends its connections.

        Raises :class:`~hubsec.errors.HubsecError` when there is none of that name.
        """
        with self._changing():
            left = tuple(client for client in self._clients if client.name != name)
            if left == self._clients:
                raise HubsecError(f"There is no client {name}.")
            self._write(left)

    def check(self, header: str | None) -> Client | None:
        """Whose credential an ``Authorization`` header has; None for nobody's. Takes as long for either."""
        name, secret = _parse(header)
        digest = _digest(secret)
        found = None
        # One more comparison, so that an empty list takes its time as well.
        for client in (*self._clients, Client(name="", role=Role.OBSERVE, digest=_NOBODY, created=0)):
            right = hmac.compare_digest(client.digest, digest)
            named = name is None or hmac.compare_digest(client.name.encode(), name)
            if right and named:
                found = client
        return found

    def reload(self) -> bool:
        """Look whether the file is another than the one that was read, and read it then. Whether it was.

        One that can't be read lets nobody in; raises :class:`~hubsec.errors.StoreError` then, once.
        """
        try:
            status = self._path.stat()
            seen = (status.st_ino, status.st_mtime_ns, status.st_size)
        except FileNotFoundError:
            changed, self._seen, self._clients = self._seen is not None, None, ()
            return changed
        except OSError as error:
            before, self._seen, self._clients = self._seen, _UNREADABLE, ()
            if before == _UNREADABLE:
                return False
            raise StoreError(f"{self._path} can't be read: {error.strerror}.") from error
        if seen == self._seen:
            return False
        self._seen, self._clients = seen, ()
        self._clients = self._read()
        return True

    def _read(self) -> tuple[Client, ...]:
        content = read_owned(self._path, MAX_FILE + 1)
        if content is None:
            return ()
        try:
            # One that is cut off is not JSON.
            clients = msgspec.json.decode(content[:MAX_FILE], type=_Content).clients
        except (ValueError, RecursionError, msgspec.MsgspecError):
            # Without the reason, which may quote what is in it.
            raise StoreError(
                f"{self._path} is damaged, and nobody is let in: remove it and add the clients again."
            ) from None
        return tuple(sorted(clients, key=lambda client: client.name))

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Alone, and on what the file has now."""
        prepare_folder(self._folder)
        try:
            descriptor = os.open(
                self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE
            )
        except OSError as error:
            raise StoreError(f"{self._folder / _LOCK} can't be opened: {error.strerror}.") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._clients = self._read()
            yield
        finally:
            os.close(descriptor)

    def _write(self, clients: tuple[Client, ...]) -> None:
        """The whole file at once, durably."""
        content = msgspec.json.format(msgspec.json.encode(_Content(clients)), indent=2)
        part = self._folder / _PART
        try:
            with suppress(FileNotFoundError):
                part.unlink()
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path)
            sync_folder(self._folder)
        except OSError as error:
            raise StoreError(f"{self._path} can't be written: {error.strerror}.") from error
        self.reload()


def _digest(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()


def _parse(header: str | None) -> tuple[bytes | None, bytes]:
    """Name (None: any) and secret that a header gives; a secret of no bytes, which nobody has, for anything else."""
    scheme, _, value = (header or "")[: MAX_HEADER + 1].partition(" ")
    value = value.strip()
    if header is not None and len(header) > MAX_HEADER:
        return None, b""
    if scheme.lower() == "bearer":
        return None, value.encode("utf-8", "replace")
    if scheme.lower() == "basic":
        try:
            name, colon, secret = base64.b64decode(value, validate=True).partition(b":")
        except (binascii.Error, ValueError):
            return None, b""
        return (name, secret) if colon else (None, b"")
    return None, b""
