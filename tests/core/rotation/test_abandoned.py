"""A rotation that is given up leaves its key on devices, and somebody may use that: what is said, and what heals it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from hubsec import Hub
from hubsec.events import KeysDisagree
from hubsec.rotation.books import left_behind
from hubsec.rotation.journal import KeyRing, secret_name, unpack
from hubsec.rotation.shapes import Delivery, Outcome, Step, Way
from hubsec.rotation.triggers import Need, Rotating, Trigger, way_for
from hubsec.store.sealed import SecretKind
from tests.core.hub.conftest import collect
from tests.core.rotation.conftest import FAST, KeyedRadio, list_all
from tests.core.rotation.network import FakeKeys, Lamp, name_of, staged

ONE = name_of(1)
PATIENT = Rotating(pace=FAST, patience=60.0)


@pytest.mark.parametrize(
    ("way", "step", "sent", "devices"),
    [
        (Way.UNICAST, Step.STAGED, 0, None),
        (Way.UNICAST, Step.DELIVERING, 0, None),
        (Way.UNICAST, Step.DELIVERING, 2, "2 devices"),
        (Way.UNICAST, Step.SWITCHING, 2, "2 devices"),
        (Way.UNICAST, Step.CONFIRMING, 2, None),
        (Way.BROADCAST, Step.STAGED, 0, None),
        (Way.BROADCAST, Step.DELIVERING, 0, "3 devices"),
    ],
)
def test_what_is_left_behind(way: Way, step: Step, sent: int, devices: str | None) -> None:
    journal = staged(FakeKeys([Lamp(1), Lamp(2), Lamp(3)]), way)
    targets = {
        device: msgspec.structs.replace(target, delivery=Delivery.SENT) if place < sent else target
        for place, (device, target) in enumerate(journal.targets.items())
    }
    need = left_behind(msgspec.structs.replace(journal, step=step, targets=targets), at=1.0)
    if devices is None:
        assert need is None
    else:
        assert need is not None
        assert need.trigger is Trigger.ABANDONED
        assert f"number {journal.next.sequence}, was on {devices}" in need.reason
        assert way_for([need]) is Way.BROADCAST


async def given_up(hub: Hub, radio: KeyedRadio) -> bytes:
    """A broadcast that was given up when its key was out. That key."""
    await list_all(hub, radio)
    rotation = await hub.rotate(way=Way.BROADCAST)
    for _ in range(1000):
        if radio.lamps[ONE].holds(radio.staged or b""):
            break
        await asyncio.sleep(0.002)
    await rotation.abandon(by="anna")
    assert radio.staged is not None
    return radio.staged


async def needs_of(hub: Hub) -> list[Need]:
    return list(await hub.store.run(lambda store: store.needs(), writes=False))


@pytest.mark.usefixtures("awake")
@pytest.mark.parametrize("way", list(Way))
async def test_it_is_overdue_until_another_key_has_taken_its_place(
    keyed: KeyedRadio, tmp_path: Path, way: Way
) -> None:
    async with Hub(keyed, home=tmp_path / "hub", rotating=PATIENT) as hub:
        key = await given_up(hub, keyed)
        (need,) = await needs_of(hub)
        assert "was on 4 devices or more" in need.reason
        await hub._rotations.look(hub._authorities["fake"])
        keys = (await hub.posture()).networks[0].keys
        assert keys is not None
        assert need.reason in keys.overdue
        plan = await hub.plan_rotation()
        assert plan.way is Way.BROADCAST
        assert plan.heals
        assert (await (await hub.rotate(way=way)).ended()).outcome is Outcome.ROTATED
        assert await needs_of(hub) == []
        assert not any(lamp.holds(key) for lamp in keyed.lamps.values())
        assert (await hub.rotations())[1].outcome is Outcome.ABANDONED


async def test_somebody_else_who_orders_the_switch_is_noticed(keyed: KeyedRadio, tmp_path: Path) -> None:
    quick = Rotating(pace=msgspec.structs.replace(FAST, idle=0.02), patience=60.0)
    async with Hub(keyed, home=tmp_path / "hub", rotating=quick) as hub:
        told = collect(hub)
        key = await given_up(hub, keyed)
        assert not [event for event in told if isinstance(event, KeysDisagree)]
        keyed.key, keyed.sequence, keyed.staged = key, keyed.next_sequence, None
        for _ in range(500):
            if any(isinstance(event, KeysDisagree) for event in told):
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        (disagree,) = [event for event in told if isinstance(event, KeysDisagree)]
        assert "a rotation that was given up" in disagree.reason
        keys = (await hub.posture()).networks[0].keys
        assert keys is not None
        assert "given up" in keys.trouble
    # The same, at the next start.
    again = Hub(keyed, home=tmp_path / "hub", rotating=PATIENT)
    told = collect(again)
    async with again as hub:
        (disagree,) = [event for event in told if isinstance(event, KeysDisagree)]
        assert "a rotation that was given up" in disagree.reason
        del keyed.lamps[name_of(9)]
        keyed.seen = keyed.seen[:3]
        assert (await (await hub.rotate(way=Way.BROADCAST)).ended()).outcome is Outcome.ROTATED
        sealed = await hub._state.vault.get(SecretKind.NETWORK_KEY, secret_name(keyed.network_id))
        assert sealed is not None
        live = unpack(sealed, KeyRing).live
        assert live is not None
        assert live.key.reveal() == keyed.key


async def test_what_the_radio_notices_stands_in_the_posture(keyed: KeyedRadio, tmp_path: Path) -> None:
    async with Hub(keyed, home=tmp_path / "hub", rotating=PATIENT) as hub:
        key = await given_up(hub, keyed)
        keyed.key, keyed.sequence, keyed.staged = key, keyed.next_sequence, None
        keyed.tell(KeysDisagree(time=0, radio="fake", reason="Just now.", repair="Look.", repaired=False))
        for _ in range(500):
            keys = (await hub.posture()).networks[0].keys
            assert keys is not None
            if keys.trouble:
                break
            await asyncio.sleep(0.01)
        assert "given up" in keys.trouble
