"""Credentials: shown once, kept as hashes, checked the same way for everybody, and good while they are listed."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from typing import TYPE_CHECKING

import msgspec
import pytest

from hubsec.errors import HubsecError, StoreError
from hubsec_zwave.gate import Credentials
from hubsec_zwave.gate.credentials import FILE, MAX_CLIENTS, SECRET_SIZE
from hubsec_zwave.roles import Role

if TYPE_CHECKING:
    from pathlib import Path


def test_a_credential_is_shown_once_and_kept_as_a_hash(folder: Path) -> None:
    issued = Credentials(folder).add("ha", Role.INCLUDE)
    secret = issued.bearer()
    assert len(secret) >= SECRET_SIZE * 8 / 6
    content = (folder / FILE).read_text("utf-8")
    assert secret not in content
    assert hashlib.sha256(secret.encode()).hexdigest() in content
    assert secret not in repr(issued)
    assert issued.client.digest not in repr(issued)
    assert issued.url("wss://hub.example:3001") == f"wss://ha:{secret}@hub.example:3001"
    others = {Credentials(folder).add(f"c{number}", Role.OBSERVE).bearer() for number in range(20)}
    assert len(others) == 20


def test_the_file_is_the_owner_s_alone(folder: Path) -> None:
    credentials = Credentials(folder)
    credentials.add("ha", Role.INCLUDE)
    credentials.add("dash", Role.OBSERVE)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {FILE: 0o600, "gate.lock": 0o600}
    (folder / FILE).chmod(0o644)
    Credentials(folder)
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600


def test_a_folder_is_made_for_it(tmp_path: Path) -> None:
    home = tmp_path / "new" / "hub"
    assert Credentials(home).clients == ()
    assert not home.exists()
    Credentials(home).add("ha", Role.INCLUDE)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", "A", "a b", "a:b", "a@b", "a/b", "a" * 33, "ä", "a\n", "<b>"]
)
def test_a_name_can_stand_in_a_url(folder: Path, name: str) -> None:
    with pytest.raises(HubsecError, match="name"):
        Credentials(folder).add(name, Role.OBSERVE)
    assert not (folder / FILE).exists()


def test_names_are_given_once_and_taken_back_once(folder: Path) -> None:
    credentials = Credentials(folder)
    first = credentials.add("ha", Role.INCLUDE)
    with pytest.raises(HubsecError, match="There is a client ha"):
        credentials.add("ha", Role.OBSERVE)
    credentials.revoke("ha")
    with pytest.raises(HubsecError, match="There is no client ha"):
        credentials.revoke("ha")
    second = credentials.add("ha", Role.OBSERVE)
    assert credentials.check(f"Bearer {first.bearer()}") is None
    assert credentials.check(f"Bearer {second.bearer()}") == second.client


def test_there_are_so_many_and_no_more(folder: Path) -> None:
    credentials = Credentials(folder)
    credentials.add("ha", Role.OBSERVE)
    content = msgspec.json.decode((folder / FILE).read_bytes())
    content["clients"] = [{**content["clients"][0], "name": f"c{number}"} for number in range(MAX_CLIENTS)]
    (folder / FILE).write_bytes(msgspec.json.encode(content))
    with pytest.raises(HubsecError, match="revoke some"):
        credentials.add("more", Role.OBSERVE)


def test_what_another_program_changes_is_seen(folder: Path) -> None:
    here, there = Credentials(folder), Credentials(folder)
    assert here.reload() is False
    issued = there.add("ha", Role.CONTROL)
    assert here.check(f"Bearer {issued.bearer()}") is None
    assert here.reload() is True
    assert here.reload() is False
    assert here.check(f"Bearer {issued.bearer()}") == issued.client
    there.revoke("ha")
    assert here.reload() is True
    assert here.clients == ()
    there.add("ha", Role.CONTROL)
    here.reload()
    (folder / FILE).unlink()
    assert here.reload() is True
    assert here.clients == ()


def test_two_programs_at_once_lose_nothing(folder: Path) -> None:
    def add(start: int) -> None:
        credentials = Credentials(folder)
        for number in range(start, start + 10):
            credentials.add(f"c{number}", Role.OBSERVE)

    threads = [threading.Thread(target=add, args=(start,)) for start in (0, 10, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Credentials(folder).clients) == 30


DAMAGED = [
    b"",
    b"{",
    b"[]",
    b'{"clients": [{"name": "ha"}]}',
    b'{"clients": [], "more": 1}',
    b'{"clients": [{"name": "x", "role": "king", "digest": "", "created": 0}]}',
    b"\xff",
    b"[" * 300_000,
]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_file_lets_nobody_in(folder: Path, content: bytes) -> None:
    credentials = Credentials(folder)
    issued = credentials.add("ha", Role.ADMINISTER)
    (folder / FILE).write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        credentials.reload()
    assert credentials.reload() is False
    assert credentials.check(f"Bearer {issued.bearer()}") is None
    with pytest.raises(StoreError, match="damaged"):
        credentials.add("other", Role.OBSERVE)
    assert (folder / FILE).read_bytes() == content


def test_a_file_that_is_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text('{"clients": []}', encoding="utf-8")
    (folder / FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError):
        Credentials(folder)


def test_a_list_that_can_not_be_looked_at_lets_nobody_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = Credentials(folder)
    credentials.add("ha", Role.ADMINISTER)

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", denied)
        patch.setattr(type(folder), "stat", denied)
        with pytest.raises(StoreError, match="Permission denied"):
            credentials.reload()
        assert credentials.reload() is False
        assert credentials.clients == ()
    assert credentials.reload() is True
    assert len(credentials.clients) == 1


def test_a_disk_that_is_full_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = Credentials(folder)
    issued = credentials.add("ha", Role.ADMINISTER)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match="No space left"):
            credentials.add("other", Role.OBSERVE)
    assert Credentials(folder).clients == (issued.client,)
    Credentials(folder).add("other", Role.OBSERVE)
