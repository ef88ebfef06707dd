"""How far a change of the key is, as its sensor says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from custom_components.hubsec.keys import details, percent
from hubsec import Identity
from hubsec.posture import KeyPosture
from hubsec.rotation.shapes import Delivery, RotationProgress, Step, Way

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
