"""How far a change of the key is, as its sensor says; and whose key a stick has on which ZHA does not start."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from custom_components.hubsec.keys import details, percent
from custom_components.hubsec.stacks.zha import stick_behind
from hubsec import Identity
from hubsec.posture import KeyPosture
from hubsec.rotation.journal import Journal, KeyRing, KnownKey, LiveKey
from hubsec.rotation.shapes import Delivery, RotationProgress, Step, Way
from hubsec.secret import Secret
from hubsec_zigbee.known_keys import KnownKeys

LAMP, PLUG = Identity("00:12:4b:00:00:00:00:01"), Identity("00:12:4b:00:00:00:00:02")
PENDING, SENT, CONFIRMED = Delivery.PENDING, Delivery.SENT, Delivery.CONFIRMED


def network(progress: RotationProgress | None) -> Any:
    """A protected network on which a change of the key stands there; nothing else of it is asked for."""
    keys = KeyPosture(since=None, rotated=False, under_way=progress)
    return SimpleNamespace(
        posture=SimpleNamespace(networks=[SimpleNamespace(keys=keys)]),
        hub=None,
        stack_entry=None,
    )


def at(step: Step, number: int, rounds: int, lamp: Delivery, plug: Delivery) -> RotationProgress:
    """A change at that step of the key of that number."""
    return RotationProgress(
        rotation="rotation-1",
        radio="zha",
        network_id="1122334455667788",
        way=Way.BROADCAST if rounds == 1 else Way.UNICAST,
        step=step,
        round=number,
        rounds=rounds,
        started_at=0.0,
        deadline=0.0,
        by="Anna",
        reason="",
        deliveries={LAMP: lamp, PLUG: plug},
        names={LAMP: "Hall lamp", PLUG: "Old plug"},
        sequence=0,
    )


@pytest.mark.parametrize(
    ("progress", "shown"),
    [
        (at(Step.STAGED, 1, 1, PENDING, PENDING), 0),
        (at(Step.DELIVERING, 1, 1, SENT, PENDING), 25),
        (at(Step.SWITCHING, 1, 1, SENT, PENDING), 50),
        (at(Step.CONFIRMING, 1, 1, CONFIRMED, SENT), 75),
        (at(Step.DELIVERING, 1, 2, SENT, SENT), 33),
        (at(Step.SWITCHED, 1, 2, SENT, SENT), 33),
        (at(Step.DELIVERING, 2, 2, SENT, PENDING), 50),
        (at(Step.CONFIRMING, 2, 2, SENT, SENT), 66),
        (at(Step.ENDED, 2, 2, CONFIRMED, Delivery.MISSED), 100),
    ],
)
def test_how_far_a_change_is(progress: RotationProgress, shown: int) -> None:
    assert percent(network(progress)) == shown


def test_it_never_goes_back() -> None:
    steps = [
        at(Step.STAGED, 1, 2, PENDING, PENDING),
        at(Step.DELIVERING, 1, 2, SENT, PENDING),
        at(Step.DELIVERING, 1, 2, SENT, SENT),
        at(Step.SWITCHING, 1, 2, SENT, SENT),
        at(Step.SWITCHED, 1, 2, SENT, SENT),
        at(Step.DELIVERING, 2, 2, PENDING, PENDING),
        at(Step.DELIVERING, 2, 2, SENT, SENT),
        at(Step.SWITCHED, 2, 2, SENT, SENT),
        at(Step.CONFIRMING, 2, 2, SENT, SENT),
        at(Step.CONFIRMING, 2, 2, CONFIRMED, SENT),
        at(Step.ENDED, 2, 2, CONFIRMED, CONFIRMED),
    ]
    shown = [percent(network(one)) for one in steps]
    assert shown == sorted(shown)


@pytest.mark.parametrize(
    "progress", [at(Step.DELIVERING, 1, 2, SENT, PENDING), at(Step.CONFIRMING, 2, 2, CONFIRMED, SENT)]
)
def test_who_is_waited_for_is_named(progress: RotationProgress) -> None:
    (waiting,) = details(network(progress))["waiting_for"]
    assert waiting.startswith(PLUG)


def test_without_a_change_there_is_nothing_to_say() -> None:
    assert details(network(None)) == {}
    assert percent(network(None)) is None


OLD, NEW, OTHER = Secret(bytes(16)), Secret(bytes(range(16))), Secret(bytes(range(16, 32)))
RING = KeyRing(
    keys=(
        KnownKey(key=OLD, sequence=0, rotation="", since=1.0, until=2.0),
        KnownKey(key=NEW, sequence=1, rotation="rotation-1", since=2.0),
    )
)


def switching() -> Journal:
    """A change that was cut off while it switched."""
    return Journal(
        rotation="rotation-1",
        radio="zha",
        network_id="1122334455667788",
        way=Way.BROADCAST,
        step=Step.SWITCHING,
        round=1,
        old=LiveKey(key=OLD, sequence=0),
        keys=(NEW,),
        targets={},
        started_at=0.0,
        deadline=1.0,
        patience=1.0,
        by="Anna",
        reason="",
    )


@pytest.mark.parametrize(
    ("known", "on_stick", "choose"),
    [
        (KnownKeys(ring=RING), NEW, ""),
        (KnownKeys(ring=RING), OLD, "Restore backup"),
        (KnownKeys(ring=RING), OTHER, "Keep the new settings"),
        (KnownKeys(), OLD, "Keep the new settings"),
        (KnownKeys(journal=switching()), OLD, ""),
        (KnownKeys(journal=switching()), NEW, ""),
        (KnownKeys(journal=switching()), OTHER, "Keep the new settings"),
    ],
)
def test_a_stick_that_zha_does_not_start_on(known: KnownKeys, on_stick: Secret, choose: str) -> None:
    said = stick_behind(known, on_stick)
    assert bool(said) is bool(choose)
    assert choose in said
