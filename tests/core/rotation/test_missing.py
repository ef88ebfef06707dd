"""Who is missing after a rotation is looked for, and everybody is once the radio had an old key; in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from hubsec import Hub
from hubsec.entries import Entry
from hubsec.events import KeyDelivered
from hubsec.identity import CredentialKind, Identity, Network
from hubsec.rotation.journal import Journal, secret_name, unpack
from hubsec.rotation.missing import doubt, last_rotated
from hubsec.rotation.shapes import Delivery, Step, Way
from hubsec.rotation.triggers import Rotating
from hubsec.store.sealed import SecretKind
from tests.core.hub.conftest import collect
from tests.core.rotation.conftest import FAST, KeyedRadio, keep_waking, list_all
from tests.core.rotation.network import name_of

ONE, TWO, THREE, SLEEPER = (name_of(number) for number in (1, 2, 3, 9))
QUICK = Rotating(pace=FAST, patience=0.1)


async def stragglers(hub: Hub) -> set[Identity]:
    keys = (await hub.posture()).networks[0].keys
    assert keys is not None
    return set(keys.stragglers)


async def become(hub: Hub, expected: set[Identity]) -> None:
    for _ in range(500):
        if await stragglers(hub) == expected:
            return
        await asyncio.sleep(0.01)
    assert await stragglers(hub) == expected


async def comes(predicate: Callable[[], object]) -> None:
    for _ in range(500):
        if predicate():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("It did not come.")


async def rotated(hub: Hub, radio: KeyedRadio) -> None:
    await list_all(hub, radio)
    rotation = await hub.rotate(way=Way.UNICAST, leave_out=[THREE], anyway=True)
    assert (await rotation.ended()).stragglers == (SLEEPER,)


async def test_a_straggler_that_is_heard_and_answers_is_back(keyed: KeyedRadio, tmp_path: Path) -> None:
    async with Hub(keyed, home=tmp_path / "hub", rotating=QUICK) as hub:
        await rotated(hub, keyed)
        told = collect(hub)
        await comes(lambda: keyed._callbacks)
        asked = keyed.key_calls.count("answers")
        keyed.wakes(SLEEPER)  # It says something, under its old key.
        await comes(lambda: keyed.key_calls.count("answers") > asked)
        assert await stragglers(hub) == {SLEEPER}
        keyed.lamps[SLEEPER].keys = [(keyed.key, keyed.sequence)]
        await asyncio.sleep(2 * FAST.again)
        keyed.wakes(SLEEPER)
        await become(hub, set())
        (back,) = [event for event in told if isinstance(event, KeyDelivered)]
        assert (back.device, back.delivery) == (SLEEPER, Delivery.CONFIRMED)
        await comes(lambda: not keyed._callbacks)


async def test_after_an_old_key_everybody_is_listed_until_it_answers(
    keyed: KeyedRadio, tmp_path: Path
) -> None:
    home = tmp_path / "hub"
    async with Hub(keyed, home=home, rotating=QUICK) as hub:
        await rotated(hub, keyed)
        new = keyed.joins(5)
        new.power = False
        await hub.allowlist.put_back(
            Entry(
                device=new.identity,
                network=Network.ZIGBEE,
                credential=CredentialKind.INSTALL_CODE,
                label="New",
                approved_by="test",
                approved_at=hub.now(),
                joined_at=hub.now(),
            ),
            None,
            by="test",
        )
        await hub._authorities["fake"].doubt(keyed.network_id)
        # Durable at once, for all that the rotation knew; who was left out stays so.
        assert await stragglers(hub) == {ONE, TWO, SLEEPER}
    keyed.lamps[TWO].power = False
    async with Hub(keyed, home=home, rotating=QUICK) as hub:
        await become(hub, {TWO, SLEEPER, new.identity})
        last = await last_rotated(hub._state, keyed.network_id)
        assert last is not None
        assert last.names[new.identity] == "New"
        assert last.deliveries[THREE] is Delivery.LEFT_OUT
        keyed.lamps[TWO].power = True
        keyed.wakes(TWO)
        await become(hub, {SLEEPER, new.identity})


async def test_a_rotation_that_is_under_way_asks_everybody_again(keyed: KeyedRadio, tmp_path: Path) -> None:
    async with Hub(keyed, home=tmp_path / "hub", rotating=Rotating(pace=FAST, patience=60)) as hub:
        await list_all(hub, keyed)
        heard = asyncio.Event()
        hub.on(KeyDelivered, lambda event: heard.set() if event.delivery == Delivery.CONFIRMED else None)
        waking = asyncio.ensure_future(keep_waking(keyed, SLEEPER))
        keyed.check = lambda what, _key: waking.cancel() if what == "switch" else None
        await hub.rotate(way=Way.BROADCAST, anyway=True)
        await asyncio.wait_for(heard.wait(), 10)
        await hub._rotations.settle()
        state, name = hub._state, secret_name(keyed.network_id)

        async def journal() -> Journal:
            sealed = await state.vault.get(SecretKind.JOURNAL, name)
            assert sealed is not None
            return unpack(sealed, Journal)

        before = await journal()
        assert before.step is Step.CONFIRMING
        assert Delivery.CONFIRMED in {target.delivery for target in before.targets.values()}
        await doubt(state, keyed.network_id)
        after = await journal()
        assert Delivery.CONFIRMED not in {target.delivery for target in after.targets.values()}
        assert msgspec.structs.replace(after, targets=before.targets) == before


async def test_under_a_retired_key_an_answer_proves_nothing(keyed: KeyedRadio, tmp_path: Path) -> None:
    home, old = tmp_path / "hub", (keyed.key, keyed.sequence)
    async with Hub(keyed, home=home, rotating=QUICK) as hub:
        await list_all(hub, keyed)
        ended = await (await hub.rotate(way=Way.BROADCAST, anyway=True)).ended()
        assert ended.stragglers == (SLEEPER,)
    new, (keyed.key, keyed.sequence) = (keyed.key, keyed.sequence), old  # Somebody restores an old backup.
    async with Hub(keyed, home=home, rotating=QUICK) as hub:
        keyed.wakes(SLEEPER)
        assert await keyed.answers(SLEEPER)
        await asyncio.sleep(5 * FAST.again)
        assert await stragglers(hub) == {ONE, TWO, THREE, SLEEPER}
    keyed.key, keyed.sequence = new
    keyed.sleeps(SLEEPER)
    async with Hub(keyed, home=home, rotating=QUICK) as hub:
        await become(hub, {SLEEPER})
