"""Ways out: a rotation whose journal is gone, or can't be read, does not stand in the way for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hubsec import Hub
from hubsec.audit.records import Kind
from hubsec.errors import Refused, StoreError
from hubsec.events import RotationAbandoned, RotationStepped
from hubsec.identity import Mode
from hubsec.rotation.journal import KeyRing, secret_name, unpack
from hubsec.rotation.shapes import Outcome, Way
from hubsec.rotation.triggers import Rotating
from hubsec.secret import Secret
from hubsec.store import AsyncStore
from hubsec.store.sealed import SecretKind
from tests.core.hub.conftest import collect
from tests.core.rotation.conftest import FAST, ROTATING, KeyedRadio, list_all
from tests.core.rotation.network import name_of

ONE, TWO, THREE, SLEEPER = (name_of(number) for number in (1, 2, 3, 9))
PATIENT = Rotating(pace=FAST, patience=60.0)


async def begun(home: Path, radio: KeyedRadio, *, first: bool = False) -> str:
    """A rotation that the hub's end has cut off, after one that went through if `first`."""
    async with Hub(radio, home=home, rotating=ROTATING if first else PATIENT) as hub:
        await list_all(hub, radio)
        if first:
            await (await hub.rotate(way=Way.BROADCAST, anyway=True)).ended()
    async with Hub(radio, home=home, rotating=PATIENT) as hub:
        stepped = asyncio.Event()
        hub.on(RotationStepped, lambda _: stepped.set())
        rotation = await hub.rotate(way=Way.UNICAST, anyway=True)
        await asyncio.wait_for(stepped.wait(), 10)
        return rotation.id


async def spoil(home: Path, network_id: str, *kinds: SecretKind) -> None:
    async with AsyncStore(home) as store:
        for kind in kinds:
            name = secret_name(network_id)
            await store.run(
                lambda one, kind=kind, name=name: one.seal(kind, name, Secret(b"\x81\x01"), at=0.0)
            )


async def test_what_is_forgotten_with_the_secrets_is_over(keyed: KeyedRadio, tmp_path: Path) -> None:
    home = tmp_path / "hub"
    begun_as = await begun(home, keyed)
    async with AsyncStore(home) as store:
        await store.forget_secrets()
        (ended,) = await store.run(lambda one: one.rotations(), writes=False)
        assert (ended.rotation, ended.outcome) == (begun_as, Outcome.ABANDONED)
        assert ended.ended_at is not None
        assert "journal was forgotten" in ended.trouble
        acts = [record.fields() for record in await store.audit(kinds=(Kind.ACT,), limit=1000)]
        assert acts[-1]["details"]["outcome"] == Outcome.ABANDONED
    async with Hub(keyed, home=home, rotating=ROTATING) as hub:
        assert hub.rotation() is None
        keys = (await hub.posture()).networks[0].keys
        assert keys is not None
        assert (keys.under_way, keys.trouble) == (None, "")
        assert (await (await hub.rotate(way=Way.BROADCAST, anyway=True)).ended()).outcome is Outcome.ROTATED


@pytest.mark.parametrize(
    "kinds",
    [
        (SecretKind.JOURNAL,),
        (SecretKind.JOURNAL, SecretKind.NETWORK_KEY),
        (SecretKind.NETWORK_KEY,),
    ],
)
async def test_what_can_not_be_read_is_given_up(
    keyed: KeyedRadio, tmp_path: Path, kinds: tuple[SecretKind, ...]
) -> None:
    home = tmp_path / "hub"
    begun_as = await begun(home, keyed, first=True)
    await spoil(home, keyed.network_id, *kinds)
    async with Hub(keyed, home=home, rotating=ROTATING) as hub:
        told = collect(hub)
        keys = (await hub.posture()).networks[0].keys
        assert keys is not None
        if SecretKind.JOURNAL in kinds:
            assert "hubsec rotate --abandon" in keys.trouble
            with pytest.raises(StoreError, match="--abandon"):
                await hub.rotate(way=Way.BROADCAST, anyway=True)
        await asyncio.wait_for(hub.abandon_rotation(by="anna"), 10)
        (said,) = [event for event in told if isinstance(event, RotationAbandoned)]
        assert (said.correlation, said.reason) == (begun_as, "anna abandoned it.")
        assert hub.rotation() is None
        assert (await hub.rotations())[0].outcome is Outcome.ABANDONED
        sealed = await hub._state.vault.get(SecretKind.NETWORK_KEY, secret_name(keyed.network_id))
        assert sealed is not None
        live = unpack(sealed, KeyRing).live
        assert live is not None
        assert live.key.reveal() == keyed.key
        for _ in range(500):
            keys = (await hub.posture()).networks[0].keys
            assert keys is not None
            if set(keys.stragglers) == {SLEEPER}:
                break
            await asyncio.sleep(0.01)
        assert set(keys.stragglers) == {SLEEPER}, "who listens has answered under the radio's key"
        assert not keys.trouble
        assert (await (await hub.rotate(way=Way.BROADCAST, anyway=True)).ended()).outcome is Outcome.ROTATED


async def test_a_journal_of_nothing_that_is_listed_goes_too(keyed: KeyedRadio, tmp_path: Path) -> None:
    home = tmp_path / "hub"
    async with Hub(keyed, home=home, rotating=ROTATING) as hub:
        await list_all(hub, keyed)
    await spoil(home, keyed.network_id, SecretKind.JOURNAL)
    async with Hub(keyed, home=home, rotating=ROTATING) as hub:
        await hub.abandon_rotation()
        assert await hub._state.vault.get(SecretKind.JOURNAL, secret_name(keyed.network_id)) is None
        with pytest.raises(Refused, match="No rotation is under way"):
            await hub.abandon_rotation()
        assert await hub.rotations() == ()


async def test_one_that_goes_on_is_given_up_the_same_way(keyed: KeyedRadio, tmp_path: Path) -> None:
    home = tmp_path / "hub"
    begun_as = await begun(home, keyed)
    async with Hub(keyed, home=home, rotating=PATIENT) as hub:
        await hub.abandon_rotation(by="anna")
        (ended,) = await hub.rotations()
        assert (ended.rotation, ended.outcome) == (begun_as, Outcome.ABANDONED)


async def test_who_observes_gives_nothing_up(keyed: KeyedRadio, tmp_path: Path) -> None:
    home = tmp_path / "hub"
    await begun(home, keyed)
    async with Hub(keyed, home=home, rotating=PATIENT, mode=Mode.OBSERVE) as hub:
        with pytest.raises(Refused, match="only observes"):
            await hub.abandon_rotation()
