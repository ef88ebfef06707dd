"""What a person reads of the keys and their change."""

from __future__ import annotations

import pytest

from custom_components.hubsec.sentences import capitalized, sentence
from hubsec import Identity
from hubsec.events import (
    KeyDelivered,
    KeyEvent,
    KeyRotated,
    KeysDisagree,
    Reincluded,
    ReinclusionAwaits,
    ReinclusionEnded,
    ReinclusionStarted,
    RotationAbandoned,
    RotationOverdue,
    RotationResumed,
    RotationStarted,
    RotationStepped,
)

LAMP = Identity("00:12:4b:00:00:00:00:01")
PLUG = Identity("00:12:4b:00:00:00:00:02")
NAMES = {LAMP: "Hall lamp", PLUG: "Old plug"}


def told(kind: type[KeyEvent], **fields: object) -> str:
    """What such an event says, as it stands alone."""
    return capitalized(sentence(kind(time=0.0, **fields), lambda device: NAMES.get(device, str(device))))


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        (
            RotationStarted,
            {"way": "unicast", "by": "Anna", "reason": "It is time.", "devices": 1, "left_out": (PLUG,)},
            (
                "Changes its network key, to one device after the other (one device), on Anna's word: it is time; "
                "Old plug will be left without it"
            ),
        ),
        (
            RotationStarted,
            {"way": "broadcast", "by": "Anna", "reason": "", "devices": 3},
            "Changes its network key, to everybody at once (3 devices), on Anna's word",
        ),
        (
            RotationResumed,
            {"way": "unicast", "step": "delivering", "done": 1, "devices": 3},
            "Goes on with the change of its network key, where it was (1 of 3 devices done)",
        ),
        (
            RotationStepped,
            {"step": "delivering", "round": 1, "rounds": 2, "done": 1, "devices": 3},
            "Gives out a new network key (1 of 3 devices done, key 1 of 2)",
        ),
        (
            RotationStepped,
            {"step": "switched", "round": 1, "rounds": 1, "done": 0, "devices": 1},
            "Uses the new network key (0 of one device done)",
        ),
        (
            KeyDelivered,
            {"device": LAMP, "delivery": "confirmed"},
            "Heard Hall lamp under the new network key",
        ),
        (
            KeyDelivered,
            {"device": LAMP, "delivery": "missed"},
            "Did not get the new network key through to Hall lamp: re-join it with its install code",
        ),
        (KeyRotated, {"way": "broadcast", "sequence": 1}, "Has a new network key, number 1"),
        (
            KeyRotated,
            {"way": "unicast", "sequence": 2, "stragglers": (LAMP,), "left_out": (PLUG,)},
            (
                "Has a new network key, number 2; Hall lamp did not come along: re-join with the install code; "
                "Old plug was left out"
            ),
        ),
        (
            RotationAbandoned,
            {"reason": "No device has taken the next key."},
            "Keeps the network key that it has, for the change was given up: No device has taken the next key",
        ),
        (
            RotationOverdue,
            {"trigger": "eviction", "reasons": ("Old plug was put out.", "Hall lamp would be lost.")},
            (
                "Ought to have a new network key, for somebody who was put out holds it; somebody has to decide: "
                "Old plug was put out; Hall lamp would be lost"
            ),
        ),
        (
            KeysDisagree,
            {"reason": "The stick is another one.", "repair": "Put the old one back.", "repaired": False},
            "Has keys that do not agree: the stick is another one; to be done: Put the old one back",
        ),
        (
            ReinclusionStarted,
            {"by": "Anna", "reason": "A key is known.", "devices": 2},
            "Has new keys, and 2 devices to include anew, on Anna's word: a key is known",
        ),
        (
            ReinclusionAwaits,
            {"device": LAMP, "name": "Hall lamp", "detail": "Reset it.", "smart_start": False},
            "Waits for Hall lamp to be included anew: Reset it",
        ),
        (
            Reincluded,
            {"device": LAMP, "name": "Hall lamp", "done": 1, "devices": 2},
            "Has Hall lamp back, on the new keys (1 of 2 devices)",
        ),
        (
            ReinclusionEnded,
            {"missing": (PLUG,)},
            "Is through with including its devices anew, without Old plug",
        ),
        (ReinclusionEnded, {}, "Is through with including its devices anew, with every device"),
    ],
)
def test_a_change_of_keys_is_told_in_a_sentence(
    kind: type[KeyEvent], fields: dict[str, object], said: str
) -> None:
    assert told(kind, **fields) == said


def test_many_devices_are_counted_and_not_named_one_by_one() -> None:
    many = tuple(Identity(f"00:12:4b:00:00:00:01:{number:02x}") for number in range(40))
    said = told(KeyRotated, way="unicast", sequence=2, stragglers=many)
    assert "00:12:4b:00:00:00:01:0b and 28 more did not come along" in said


def test_what_a_later_version_says_is_passed_on_in_its_own_words() -> None:
    assert told(RotationOverdue, trigger="a whim", reasons=()).startswith(
        "Ought to have a new network key, for a whim;"
    )
    assert told(KeyDelivered, device=LAMP, delivery="lost") == "Hall lamp: lost"
