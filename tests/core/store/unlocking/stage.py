"""What the tests of opening a store share: each way, keyrings in memory, and the disk as somebody else sees it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keyring
import keyring.core
import pytest
from keyring.backend import KeyringBackend

from hubsec import KeyFile, OsKeyring, Passphrase
from hubsec.store import Store
from hubsec.store.ways import Unlock
from tests.core.store.made import KEY, entry

WORDS = "correct horse battery staple"
OTHER = "five other words by chance"


class Kept(KeyringBackend):
    """A keyring that lasts as long as a test."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.held[service, username]


class PlaintextKeyring(Kept):
    """Named like the one that writes everything into a file."""


class Broken(Kept):
    def set_password(self, service: str, username: str, password: str) -> None:
        raise OSError(f"no bus for {password}")


def use(monkeypatch: pytest.MonkeyPatch, backend: KeyringBackend) -> None:
    monkeypatch.setattr(keyring.core, "_keyring_backend", backend)


WAYS: dict[str, Callable[[], Unlock]] = {
    "file": KeyFile,
    "passphrase": lambda: Passphrase(WORDS),
    "keyring": OsKeyring,
}
every_way = pytest.mark.parametrize("way", WAYS)


def fill(folder: Path, unlock: Unlock | None) -> None:
    with Store(folder, unlock=unlock) as store:
        store.put(entry(), KEY, by="Ada", at=1.0)


def raw(folder: Path, statement: str, *values: object) -> list[Any]:
    """What somebody with the disk in hand reads, or writes."""
    connection = sqlite3.connect(folder / "hubsec.db", isolation_level=None)
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


def contents(folder: Path) -> bytes:
    return b"\n".join(file.read_bytes() for file in folder.iterdir())
