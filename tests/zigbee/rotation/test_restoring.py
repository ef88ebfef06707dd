"""A stick, zigpy's backups and the hub's records that do not agree, when a radio starts."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from bellows.zigbee.application import ControllerApplication
from zigpy.exceptions import NetworkSettingsInconsistent

from hubsec import Hub
from hubsec.errors import HubsecError, RadioError, StoreError
from hubsec.events import KeysDisagree
from hubsec.identity import Mode
from hubsec.rotation.journal import Journal, KeyRing, KnownKey, LiveKey, pack, secret_name
from hubsec.rotation.shapes import Step, Way
from hubsec.secret import Secret
from hubsec.store import AsyncStore
from hubsec.store.sealed import SecretKind
from hubsec.vault import Vault
from hubsec_emulated import House
from hubsec_emulated.ncp.tokens import KeyTokens, Tokens
from hubsec_zigbee import Bellows
from hubsec_zigbee.backups import sealed_name
from hubsec_zigbee.host_database import backups_in
from hubsec_zigbee.known_keys import COUNTER_LEAP
from hubsec_zigbee.repairing import (
    DEAD,
    LEFT_BEHIND,
    REMEMBERED,
    REMINDED,
    TO_REMIND,
    UNDECIDED,
    examine_database,
    repair_database,
)
from hubsec_zigbee.restoring import BROUGHT_BACK, NO_BACKUP, OLD_BACKUP, OLD_RECORDS, OLD_STICK
from tests.zigbee.guarded import FAST, used_stick
from tests.zigbee.rotation.test_backups import a_host_with_backups, found_in, settings

pytestmark = pytest.mark.hosts

CHECKED = {"network": {"channel": 15}, "validate_network_settings": True}
"""As Home Assistant's ZHA configures zigpy."""
NEW, FURTHER = Secret(bytes(range(32, 48))), Secret(bytes(range(64, 80)))


def keys_of(tokens: Tokens) -> KeyTokens:
    assert tokens.keys is not None
    return tokens.keys


def network_id(tokens: Tokens) -> str:
    assert tokens.network is not None
    return f"{tokens.network.extended_pan_id:016x}"


def rotated(tokens: Tokens) -> tuple[Tokens, KeyRing]:
    """The stick as a rotation left it, and the ring of keys."""
    after, old = copy.deepcopy(tokens), keys_of(tokens)
    keys_of(after).network_key, keys_of(after).sequence = NEW.reveal(), old.sequence + 1
    ring = KeyRing(
        keys=(
            KnownKey(key=Secret(old.network_key), sequence=old.sequence, rotation="", since=1.0, until=2.0),
            KnownKey(key=NEW, sequence=old.sequence + 1, rotation="r1", since=2.0),
        )
    )
    return after, ring


def journal(tokens: Tokens, step: Step) -> Journal:
    """Of a rotation that was cut off there."""
    old = keys_of(tokens)
    return Journal(
        rotation="r1",
        radio="bellows",
        network_id=network_id(tokens),
        way=Way.UNICAST,
        step=step,
        round=1,
        old=LiveKey(key=Secret(old.network_key), sequence=old.sequence),
        keys=(NEW, FURTHER),
        targets={},
        started_at=1.0,
        deadline=2.0,
        patience=1.0,
        by="somebody",
        reason="",
    )


async def keep(home: Path, tokens: Tokens, *kept: Journal | KeyRing) -> None:
    async with AsyncStore(home) as store:
        vault = Vault(store, lambda: 0.0)
        for one in kept:
            kind = SecretKind.JOURNAL if isinstance(one, Journal) else SecretKind.NETWORK_KEY
            await vault.put(kind, secret_name(network_id(tokens)), pack(one))


@asynccontextmanager
async def started(
    tokens: Tokens, home: Path, *, bring_back: bool = False
) -> AsyncGenerator[tuple[House, Bellows, list[KeysDisagree]]]:
    """A hub on that stick; ZHA has zigpy's check of the settings turned on, and so has this one."""
    async with House(seed=1, scale=20.0, tokens=tokens) as house:
        radio = Bellows(
            house.url,
            limits=FAST,
            config={**CHECKED, "backup_enabled": False},
            bring_back=bring_back,
        )
        hub = Hub(radio, policy="home", home=home)
        said: list[KeysDisagree] = []
        hub.on(KeysDisagree, said.append)
        async with hub:
            yield house, radio, said


async def known_home(folder: Path) -> tuple[Path, Tokens]:
    """A home that has a backup of a stick's network, sealed; and that stick, as it was."""
    home, tokens = folder / "hub", await used_stick()
    async with started(tokens, home):
        pass
    return home, tokens


def blank(tokens: Tokens) -> Tokens:
    wiped = copy.deepcopy(tokens)
    wiped.forget_network(keep_counters=False)
    return wiped


@pytest.mark.leaves_secrets("tracebacks", reason="zigpy's own error quotes the keys that differ")
async def test_alone_zigpy_refuses_a_stick_with_another_key_than_its_backup(tmp_path: Path) -> None:
    database, tokens = await a_host_with_backups(tmp_path)
    after, _ = rotated(tokens)
    async with House(seed=1, scale=20.0, tokens=after) as house:
        config = settings(house.url, database)
        config |= CHECKED
        app = ControllerApplication(config)
        await app._load_db()
        with pytest.raises(NetworkSettingsInconsistent):
            await app.startup(auto_form=True)
        await app.shutdown()


async def test_a_backup_from_before_the_rotation_goes_before_zigpy_looks(tmp_path: Path) -> None:
    home, tokens = await known_home(tmp_path)
    after, ring = rotated(tokens)
    await keep(home, tokens, ring)
    async with started(after, home) as (_, radio, said):
        assert (await radio.key_state()).key == NEW
        assert not said
    async with AsyncStore(home) as store:
        sealed = await Vault(store, lambda: 0.0).get(SecretKind.BACKUP, sealed_name("bellows"))
    assert sealed is not None
    assert [json.loads(one)["network_info"]["network_key"]["seq"] for one in json.loads(sealed.reveal())] == [
        1
    ]


async def test_a_blank_stick_gets_the_newest_key_and_not_the_backups(tmp_path: Path) -> None:
    home, tokens = await known_home(tmp_path)
    await keep(home, tokens, rotated(tokens)[1])
    wiped = blank(tokens)
    async with started(wiped, home) as (_, radio, said):
        state = await radio.key_state()
        assert (state.key, state.sequence) == (NEW, 1)
        assert [(one.reason, one.repaired) for one in said] == [(OLD_BACKUP, True)]
    assert network_id(wiped) == network_id(tokens)
    assert wiped.nwk_counter >= COUNTER_LEAP


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "key", "sequence"),
    [(Step.DELIVERING, None, 0), (Step.SWITCHING, NEW, 1), (Step.CONFIRMING, NEW, 1)],
)
async def test_cut_off_in_a_rotation_a_blank_stick_gets_the_key_that_may_be_live(
    tmp_path: Path, step: Step, key: Secret | None, sequence: int
) -> None:
    home, tokens = await known_home(tmp_path)
    await keep(home, tokens, journal(tokens, step))
    async with started(blank(tokens), home) as (_, radio, _):
        state = await radio.key_state()
        assert (state.key, state.sequence) == (key or Secret(keys_of(tokens).network_key), sequence)


async def test_a_stick_with_a_retired_key_is_not_started_and_is_left_refusing(tmp_path: Path) -> None:
    home, tokens = await known_home(tmp_path)
    await keep(home, tokens, rotated(tokens)[1])
    async with House(seed=1, scale=20.0, tokens=tokens) as house:
        hub = Hub(Bellows(house.url, limits=FAST), policy="home", home=home)
        said: list[KeysDisagree] = []
        hub.on(KeysDisagree, said.append)
        with pytest.raises(RadioError, match="bring_back=True"):
            async with hub:
                pass
        assert [(one.reason, one.repaired) for one in said] == [(OLD_STICK, False)]
        assert house.server.ncp.trust_center.policy == 0
    assert keys_of(tokens).network_key != NEW.reveal()


async def test_told_to_it_brings_the_newest_key_back(tmp_path: Path) -> None:
    home, tokens = await known_home(tmp_path)
    await keep(home, tokens, rotated(tokens)[1])
    stick = copy.deepcopy(tokens)
    async with started(stick, home, bring_back=True) as (_, radio, said):
        state = await radio.key_state()
        assert (state.key, state.sequence) == (NEW, 1)
        assert [(one.repair, one.repaired) for one in said] == [(BROUGHT_BACK, True)]
    assert network_id(stick) == network_id(tokens)
    assert stick.nwk_counter > tokens.nwk_counter
    async with started(stick, home) as (_, radio, said):
        assert not said


async def test_records_that_do_not_know_the_sticks_key_are_the_old_ones(tmp_path: Path) -> None:
    home, tokens = await known_home(tmp_path)
    async with started(rotated(tokens)[0], home) as (_, radio, said):
        assert (await radio.key_state()).key == NEW
        assert [(one.reason, one.repaired) for one in said] == [(OLD_RECORDS, False)]
    # By now there is a backup with that key, and a blank stick gets it.
    async with started(blank(tokens), home) as (_, radio, _):
        assert (await radio.key_state()).key == NEW


@pytest.mark.slow
async def test_without_a_backup_it_says_so(tmp_path: Path) -> None:
    home, tokens = tmp_path / "hub", await used_stick()
    await keep(home, tokens, rotated(tokens)[1])
    with pytest.raises(RadioError, match=NO_BACKUP[:40]):
        async with started(tokens, home, bring_back=True):
            pass


def torn(monkeypatch: pytest.MonkeyPatch, kind: SecretKind) -> None:
    """Secrets of that kind can't be read."""
    get = Vault.get

    async def read(self: Vault, asked: SecretKind, name: str) -> Secret | None:
        if asked is kind:
            raise StoreError("The disk does not answer.")
        return await get(self, asked, name)

    monkeypatch.setattr(Vault, "get", read)


@pytest.mark.parametrize("kind", [SecretKind.BACKUP, SecretKind.NETWORK_KEY])
async def test_records_that_can_not_be_read_form_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: SecretKind
) -> None:
    home, tokens = await known_home(tmp_path)
    wiped = blank(tokens)
    torn(monkeypatch, kind)
    with pytest.raises(HubsecError):
        async with started(wiped, home):
            pass
    assert wiped.network is None


async def test_records_that_can_not_be_read_put_out_no_lights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, tokens = await known_home(tmp_path)
    torn(monkeypatch, SecretKind.JOURNAL)
    async with started(tokens, home) as (_, radio, said):
        assert (await radio.posture()).running
        assert len(said) == 1


@pytest.mark.slow
@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.OBSERVE])
async def test_a_host_that_runs_with_an_old_database_makes_a_new_backup(tmp_path: Path, mode: Mode) -> None:
    database, tokens = await a_host_with_backups(tmp_path)
    after, ring = rotated(tokens)
    await keep(tmp_path / "hub", tokens, ring)
    async with House(seed=1, scale=20.0, tokens=after) as house:
        app = await ControllerApplication.new(settings(house.url, database), auto_form=False)
        hub = Hub(Bellows.attach(app, limits=FAST), policy="home", home=tmp_path / "hub", mode=mode)
        said: list[KeysDisagree] = []
        hub.on(KeysDisagree, said.append)
        async with hub:
            told = REMINDED if mode is Mode.ENFORCE else TO_REMIND
            assert [(one.reason, one.repair) for one in said] == [(REMEMBERED, told)]
        keys = {Secret(bytes(one.network_info.network_key.key)) for one in app.backups.backups}
        assert keys == ({NEW} if mode is Mode.ENFORCE else {Secret(keys_of(tokens).network_key)})
        await house.sleep(50)
        await app.shutdown()


# zigpy's database, repaired while its host is not there


async def repaired(folder: Path, *, with_new: bool, kept: str) -> tuple[list[str], list[int], Path]:
    database, tokens = await a_host_with_backups(folder)
    after, ring = rotated(tokens)
    if with_new:
        async with House(seed=1, scale=20.0, tokens=after) as house:
            app = await ControllerApplication.new(settings(house.url, database), auto_form=False)
            await app.backups.create_backup(load_devices=False)
            await house.sleep(50)
            await app.shutdown()
    older = KeyRing().holding(Secret(keys_of(tokens).network_key), 0, at=1.0)
    known = {"ring": ring, "older": older, "journal": journal(tokens, Step.SWITCHING)}
    home = folder / "hub"
    if kept:
        await keep(home, tokens, known[kept])
    async with AsyncStore(home) as store:
        before, vault = backups_in(database), Vault(store, lambda: 0.0)
        examined = await examine_database(database, vault)
        assert backups_in(database) == before
        repairs = await repair_database(database, vault)
        assert repairs == examined
        reasons = [one.reason for one in repairs]
        assert not await examine_database(database, vault)
        assert not await repair_database(database, vault)
    if reasons:
        assert not found_in(database.parent, keys_of(tokens).network_key)
    return (
        reasons,
        [json.loads(one)["network_info"]["network_key"]["seq"] for one in backups_in(database)],
        database,
    )


async def test_a_database_that_was_left_behind_gets_the_newest_key(tmp_path: Path) -> None:
    reasons, sequences, database = await repaired(tmp_path, with_new=False, kept="ring")
    assert (reasons, sequences) == ([LEFT_BEHIND], [1])
    async with House(seed=1, scale=20.0, tokens=rotated(await used_stick())[0]) as house:
        config = settings(house.url, database)
        config |= CHECKED
        app = await ControllerApplication.new(config, auto_form=True)
        assert bytes(app.state.network_info.network_key.key) == NEW.reveal()
        await house.sleep(50)
        await app.shutdown()


@pytest.mark.slow
async def test_dead_backups_go_from_a_database_that_has_the_newest(tmp_path: Path) -> None:
    reasons, sequences, _ = await repaired(tmp_path, with_new=True, kept="ring")
    assert (reasons, sequences) == ([DEAD], [1])


async def test_cut_off_while_it_switched_the_backups_are_sealed(tmp_path: Path) -> None:
    reasons, sequences, _ = await repaired(tmp_path, with_new=False, kept="journal")
    assert (reasons, sequences) == ([UNDECIDED], [])
    async with AsyncStore(tmp_path / "hub") as store:
        (name,) = await Vault(store, lambda: 0.0).names(SecretKind.BACKUP)
    assert name == sealed_name(network_id(await used_stick()))


@pytest.mark.slow
async def test_a_database_that_is_newer_than_the_records_is_left_alone(tmp_path: Path) -> None:
    reasons, sequences, _ = await repaired(tmp_path, with_new=True, kept="older")
    assert not reasons
    assert sequences == [0, 1]


async def test_a_database_of_which_nothing_is_known_is_left_alone(tmp_path: Path) -> None:
    reasons, sequences, _ = await repaired(tmp_path, with_new=False, kept="")
    assert not reasons
    assert sequences
