"""How far a change of the key is, as its sensor says; and whose key a stick has on which ZHA does not start."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from custom_components.hubsec import key_issues
from custom_components.hubsec.key_issues import KeyIssues
from custom_components.hubsec.keys import details, percent
from custom_components.hubsec.kinds import Kind
from custom_components.hubsec.reinclusions import ended_at, included, inclusion_details, missing
from custom_components.hubsec.stacks import Stale
from custom_components.hubsec.stacks.zha import stick_behind
from hubsec import Identity
from hubsec.posture import KeyPosture, ReinclusionPosture
from hubsec.reinclusion.shapes import DeviceProgress, Manner, Phase, ReinclusionProgress, Stage
from hubsec.rotation.journal import Journal, KeyRing, KnownKey, LiveKey
from hubsec.rotation.shapes import Delivery, RotationProgress, Step, Way
from hubsec.secret import Secret
from hubsec_zigbee.known_keys import KnownKeys

LAMP, PLUG = Identity("00:12:4b:00:00:00:00:01"), Identity("00:12:4b:00:00:00:00:02")
LOCK, BLIND = Identity("12345-00001"), Identity("12345-00002")
PENDING, SENT, CONFIRMED = Delivery.PENDING, Delivery.SENT, Delivery.CONFIRMED


def network(progress: RotationProgress | None) -> Any:
    """A protected network on which a change of the key stands there; nothing else of it is asked for."""
    keys = KeyPosture(since=None, rotated=False, under_way=progress)
    return SimpleNamespace(
        posture=SimpleNamespace(networks=[SimpleNamespace(keys=keys)]),
        hub=None,
        stack=SimpleNamespace(name="ZHA"),
        problem="",
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
    assert waiting == "Old plug"


def test_without_a_change_there_is_nothing_to_say() -> None:
    assert details(network(None)) == {}
    assert percent(network(None)) is None


def including(*phases: Phase, **more: Any) -> ReinclusionProgress:
    """A network's devices that are being included anew, in these phases."""
    devices = [
        DeviceProgress(
            device=device, name="", place=Identity(f"c0ffee01:{node}"), manner=Manner.IN_PLACE, phase=phase
        )
        for node, (device, phase) in enumerate(zip((LOCK, BLIND), phases, strict=True), start=2)
    ]
    known: dict[str, Any] = {"stage": Stage.INCLUDING, "current": None, "standstill": None, "paused": False}
    return ReinclusionProgress(
        reinclusion="reinclusion-1",
        radio="zwave_js",
        network_id="c0ffee01",
        by="Anna",
        reason="",
        started_at=0.0,
        devices=tuple(devices),
        **known | more,
    )


def zwave_network(**known: ReinclusionProgress) -> Any:
    """A protected network on which the inclusion of its devices anew stands there."""
    posture = ReinclusionPosture(**known)
    return SimpleNamespace(
        posture=SimpleNamespace(networks=[SimpleNamespace(reinclusion=posture)]), hub=None, stack_entry=None
    )


def test_how_far_the_inclusion_of_devices_anew_is() -> None:
    anew = including(Phase.MISSING, Phase.REPLACING, current=BLIND, paused=True, standstill="It is off.")
    network = zwave_network(under_way=anew)
    assert included(network) == 50
    assert inclusion_details(network) == {
        "stage": "including",
        "paused": True,
        "next": BLIND,
        "waiting_for": [BLIND],
        "missing": [LOCK],
        "trouble": "It is off.",
    }
    assert (missing(network), ended_at(network)) == ([], None)


def test_who_was_given_up_is_named_once_it_is_over() -> None:
    over = including(Phase.MISSING, Phase.DONE, stage=Stage.ENDED, ended_at=1.0)
    network = zwave_network(last=over)
    assert missing(network) == [LOCK]
    assert ended_at(network) == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert (included(network), inclusion_details(network)) == (None, {})


def test_an_inclusion_anew_that_stands_still_is_told() -> None:
    halted = including(Phase.DONE, Phase.PENDING, standstill="The server is gone")
    assert troubled(anew=halted) == {(Kind.REINCLUSION_HALTED, "The server is gone")}
    assert troubled(anew=including(Phase.DONE, Phase.PENDING)) == set()


def troubled(
    *, stale: Stale | None = None, broken: str = "", anew: ReinclusionProgress | None = None, **keys: Any
) -> set[tuple[Kind, str]]:
    """What is told of a network that stands so with its key: the kinds, each with what its text says of it."""
    posture = KeyPosture(since=None, rotated=False, **keys)
    network: Any = SimpleNamespace(
        posture=SimpleNamespace(
            networks=[
                SimpleNamespace(
                    keys=posture,
                    reinclusion=ReinclusionPosture(under_way=anew),
                    state=SimpleNamespace(gaps=()),
                )
            ]
        ),
        hub=object(),
        stack=SimpleNamespace(name="ZHA"),
        problem="",
        stale=stale,
        broken=broken,
    )
    return {(one.kind, "".join(one.placeholders.values())) for one in KeyIssues(network).wrong()}


def test_what_is_wrong_with_the_keys_is_told_once_and_by_its_name() -> None:
    assert troubled() == set()
    assert troubled(trouble="An old backup") == {(Kind.KEYS_DISAGREE, "An old backup")}
    assert troubled(overdue=("It is old", "Nobody began")) == {
        (Kind.ROTATION_OVERDUE, "- It is old\n- Nobody began")
    }
    assert troubled(broken="Record 2") == {(Kind.AUDIT_BROKEN, "Record 2")}
    assert troubled(stale=Stale(reason="An old one", mendable=True)) == {(Kind.STALE_DATABASE, "An old one")}
    assert troubled(stale=Stale(reason="Nobody knows", mendable=False)) == {
        (Kind.KEYS_DISAGREE, "Nobody knows")
    }


def test_while_a_change_is_under_way_nobody_is_asked_to_begin_one() -> None:
    waiting = at(Step.DELIVERING, 1, 2, SENT, PENDING)
    assert troubled(under_way=waiting, overdue=("It is old",)) == set()
    halted = msgspec.structs.replace(waiting, trouble="The stick is gone")
    assert troubled(under_way=halted) == set(), "What has halted just now may go on by itself"


def test_a_change_that_has_halted_for_a_while_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_issues, "PATIENCE", timedelta(0))
    halted = msgspec.structs.replace(at(Step.DELIVERING, 1, 2, SENT, PENDING), trouble="The stick is gone")
    assert troubled(under_way=halted) == {(Kind.ROTATION_INTERRUPTED, "delivering02The stick is gone")}
    assert {kind for kind, _ in troubled(under_way=halted, trouble="Another key")} == {Kind.KEYS_DISAGREE}


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
