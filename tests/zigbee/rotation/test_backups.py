"""zigpy's backups: sealed, gone from its database, and there again when a blank stick needs one."""

from __future__ import annotations

import base64
import copy
import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from bellows.zigbee.application import ControllerApplication

from hubsec import Hub
from hubsec.errors import RadioError, StoreError
from hubsec.secret import Secret
from hubsec.store import AsyncStore
from hubsec.store.sealed import SecretKind
from hubsec.vault import Vault
from hubsec_emulated import House
from hubsec_emulated.ncp.tokens import Tokens
from hubsec_zigbee import Bellows
from hubsec_zigbee.backups import GAP_IN_CLEAR, sealed_name
from hubsec_zigbee.host_database import SIDE_FILES, backups_in, has_traces, replace_backups
from tests.zigbee.guarded import FADED, FAST, used_stick

pytestmark = pytest.mark.hosts

KEY = Secret(bytes(range(32, 48)))
SETTLING = 2.2
"""Seconds: bellows closes its start's window after two, from a task of its own."""
_cut_off: dict[str, bytes] = {}
_stick: list[Tokens] = []


def settings(url: str, database: Path) -> dict[str, object]:
    return {
        "device": {"path": url},
        "use_thread": False,
        "database_path": str(database),
        "backup_enabled": False,
        "network": {"channel": 15},
    }


def spellings(secret: bytes) -> list[bytes]:
    """The ways in which a key may lie in a file."""
    colons = ":".join(f"{byte:02x}" for byte in secret)
    return [
        secret,
        secret[::-1],
        secret.hex().encode(),
        secret.hex().upper().encode(),
        secret[::-1].hex().encode(),
        base64.b64encode(secret),
        base64.b64encode(secret)[:-3],
        json.dumps(list(secret)).encode(),
        json.dumps(list(secret), separators=(",", ":")).encode(),
        colons.encode(),
        colons.upper().encode(),
    ]


def found_in(folder: Path, *secrets: bytes) -> list[str]:
    """The files under `folder` in which one of the secrets is, in whatever spelling."""
    return [
        file.name
        for file in folder.rglob("*")
        if file.is_file()
        and any(spelled in file.read_bytes() for one in secrets for spelled in spellings(one))
    ]


async def a_host_with_backups(folder: Path) -> tuple[Path, Tokens]:
    """The database of a plain bellows that has written backups and was cut off, its log still there; and its stick."""
    if not _cut_off:
        tokens = await used_stick()
        database = folder / "before" / "zigbee.db"
        database.parent.mkdir()
        async with House(seed=1, tokens=tokens) as house:
            app = await ControllerApplication.new(settings(house.url, database), auto_form=False)
            for _ in range(2):
                await app.backups.create_backup(load_devices=False)
            await app._dblistener._callback_handlers.join()
            await app._dblistener._commit(force=True)
            _cut_off.update({file.name: file.read_bytes() for file in database.parent.iterdir()})
            await app.shutdown()
        _stick.append(tokens)
        shutil.rmtree(database.parent)
    database = folder / "host" / "zigbee.db"
    database.parent.mkdir()
    for name, data in _cut_off.items():
        (database.parent / name).write_bytes(data)
    return database, copy.deepcopy(_stick[0])


def keys_of(tokens: Tokens) -> tuple[bytes, bytes]:
    keys = tokens.keys
    assert keys is not None
    return keys.network_key, keys.trust_center_key


async def sealed_in(home: Path, radio: str = "bellows") -> list[dict[str, dict[str, dict[str, object]]]]:
    async with AsyncStore(home) as store:
        sealed = await Vault(store, lambda: 0.0).get(SecretKind.BACKUP, sealed_name(radio))
    return [] if sealed is None else [json.loads(text) for text in json.loads(sealed.reveal())]


def hub_on(house: House, database: Path | None, home: Path) -> Hub:
    radio = Bellows(house.url, database=database, limits=FAST, config={"network": {"channel": 15}})
    return Hub(radio, policy="home", home=home)


async def test_what_is_in_the_database_moves_to_the_vault(tmp_path: Path) -> None:
    database, tokens = await a_host_with_backups(tmp_path)
    home, secrets = tmp_path / "hub", keys_of(tokens)
    assert found_in(database.parent, *secrets)
    async with House(seed=1, tokens=tokens) as house:
        async with hub_on(house, database, home) as hub:
            assert not found_in(tmp_path, *secrets)
            assert GAP_IN_CLEAR not in (await hub.posture()).networks[0].state.gaps
        assert not found_in(tmp_path, *secrets)
        (backup,) = await sealed_in(home)
        assert str(backup["network_info"]["network_key"]["key"]).replace(":", "") == secrets[0].hex()


async def test_a_new_backup_never_gets_into_the_database(tmp_path: Path) -> None:
    database, home = tmp_path / "zigbee.db", tmp_path / "hub"
    async with House(seed=1, tokens=await used_stick()) as house:
        radio = Bellows(house.url, database=database, limits=FAST, config={"network": {"channel": 15}})
        async with Hub(radio, policy="home", home=home):
            await radio.app.backups.create_backup()
            await house.wait_until(lambda: not radio.app.backups.backups, 100)
            await radio.app._dblistener._callback_handlers.join()
            assert not found_in(tmp_path, *keys_of(house.tokens))
        assert not found_in(tmp_path, *keys_of(house.tokens))
        assert len(await sealed_in(home)) == 1


async def test_a_blank_stick_gets_its_network_back(tmp_path: Path) -> None:
    home = tmp_path / "hub"
    async with House(seed=1, tokens=await used_stick()) as house:
        async with hub_on(house, None, home) as hub:
            network_id = (await hub.posture()).networks[0].state.network_id
        before = keys_of(house.tokens)
        house.tokens.forget_network(keep_counters=False)
        async with hub_on(house, None, home) as hub:
            assert (await hub.posture()).networks[0].state.network_id == network_id
        assert keys_of(house.tokens) == before


async def test_after_a_rotation_only_the_new_key_is_kept(tmp_path: Path) -> None:
    home = tmp_path / "hub"
    async with House(seed=1, tokens=await used_stick()) as house:
        radio = Bellows(house.url, limits=FAST, config={"network": {"channel": 15}})
        async with Hub(radio, policy="home", home=home):
            await radio.broadcast_next_key(KEY)
            await house.sleep(FADED)
            await radio.switch_key()
            await radio.follow_key()
            assert not radio.app.backups.backups
        kept = [backup["network_info"]["network_key"] for backup in await sealed_in(home)]
        assert [(str(key["key"]).replace(":", ""), key["seq"]) for key in kept] == [(KEY.reveal().hex(), 1)]


async def test_a_database_in_use_is_left_alone_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubsec_zigbee.host_database.BUSY_WAIT", 0.05)
    database, _ = await a_host_with_backups(tmp_path)
    before = backups_in(database)
    other = sqlite3.connect(database)
    other.execute("SELECT count(*) FROM sqlite_master").fetchall()  # And nothing more: it just has it open.
    with pytest.raises(RadioError, match="locked"):
        replace_backups(database, ())
    other.close()
    assert backups_in(database) == before


async def test_traces_without_a_row_are_wiped_too(tmp_path: Path) -> None:
    database, tokens = await a_host_with_backups(tmp_path)
    with sqlite3.connect(database) as other:
        other.execute("PRAGMA secure_delete = OFF")
        tables = other.execute("SELECT name FROM sqlite_master WHERE name LIKE 'network_back%'").fetchall()
        for (table,) in tables:
            other.execute(f'DELETE FROM "{table}"')  # noqa: S608
    other.close()
    assert not backups_in(database)
    assert has_traces(database)
    assert found_in(database.parent, *keys_of(tokens))
    replace_backups(database, ())
    assert not has_traces(database)
    assert not found_in(database.parent, *keys_of(tokens))


async def test_what_can_not_be_sealed_stays_and_that_is_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, tokens = await a_host_with_backups(tmp_path)
    before = backups_in(database)

    async def full(*_: object) -> None:
        raise StoreError("The disk is full.")

    monkeypatch.setattr(Vault, "put", full)
    async with House(seed=1, tokens=tokens) as house, hub_on(house, database, tmp_path / "hub") as hub:
        assert GAP_IN_CLEAR in (await hub.posture()).networks[0].state.gaps
        assert backups_in(database) == before


async def test_attached_it_is_said_and_nothing_is_touched(tmp_path: Path) -> None:
    database, tokens = await a_host_with_backups(tmp_path)
    async with House(seed=1, scale=20.0, tokens=tokens) as house:
        app = await ControllerApplication.new(settings(house.url, database), auto_form=False)
        before = backups_in(database)
        async with Hub(Bellows.attach(app, limits=FAST), policy="home", home=tmp_path / "hub") as hub:
            assert GAP_IN_CLEAR in (await hub.posture()).networks[0].state.gaps
        assert backups_in(database) == before
        assert len(app.backups.backups) == len(before)
        await house.sleep(SETTLING * 20)  # Until bellows' own task after its start is over.
        await app.shutdown()


def test_what_is_no_database_is_said_and_what_is_not_there_is_no_fault(tmp_path: Path) -> None:
    assert backups_in(tmp_path / "none.db") == ()
    replace_backups(tmp_path / "none.db", ())
    assert not (tmp_path / "none.db").exists()
    text = tmp_path / "text.db"
    text.write_bytes(b"This is no database. " * 100)
    with pytest.raises(RadioError, match="can't be worked on"):
        backups_in(text)
    assert [suffix for suffix in SIDE_FILES if text.with_name(text.name + suffix).exists()] == [""]
