"""What ought to hold, and the way there: nothing in between is more open than both ends."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubsec.identity import Identity
from hubsec.secret import Secret
from hubsec_zigbee.settings import (
    DEFERRED,
    IDLE,
    INSTALL_CODE_ONLY,
    WILDCARD,
    ClearTransientKeys,
    Desired,
    ImportTransientKey,
    JoinPolicy,
    KeyRequests,
    Observed,
    Permit,
    SetJoinPolicy,
    SetKeyRequests,
    Wish,
    desired,
    differences,
    opens_more,
    plan,
)

A, B, R = (Identity(f"00:12:4b:00:00:00:00:0{n}") for n in "abc")
KEY_A, KEY_B = Secret(b"a" * 16), Secret(b"b" * 16)


def wish(device: Identity = A, key: Secret | None = KEY_A, **changes: object) -> Wish:
    return Wish(**{"device": device, "link_key": key, "associating": False, "exchanging": False, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wishes", "listening", "defers", "policy", "requests", "keys"),
    [
        pytest.param((), False, True, JoinPolicy.CLOSED, KeyRequests.IGNORE, set(), id="idle"),
        pytest.param((), True, True, DEFERRED, KeyRequests.IGNORE, set(), id="listening: no key"),
        pytest.param(
            (), True, False, JoinPolicy.CLOSED, KeyRequests.IGNORE, set(), id="nothing is heard without defer"
        ),
        pytest.param(
            (wish(associating=True),), False, True, DEFERRED, KeyRequests.IGNORE, {A}, id="associating"
        ),
        pytest.param(
            (wish(associating=True),),
            False,
            False,
            INSTALL_CODE_ONLY,
            KeyRequests.IGNORE,
            {A},
            id="without defer",
        ),
        pytest.param(
            (wish(exchanging=True),),
            False,
            True,
            JoinPolicy.CLOSED,
            KeyRequests.SEND_CURRENT_KEY,
            {A},
            id="exchanging",
        ),
        pytest.param(
            (wish(exchanging=True), wish(B, KEY_B, associating=True)),
            False,
            True,
            DEFERRED,
            KeyRequests.SEND_CURRENT_KEY,
            {A, B},
            id="both",
        ),
        pytest.param((wish(key=None),), False, True, JoinPolicy.CLOSED, KeyRequests.IGNORE, set(), id="over"),
    ],
)
def test_what_ought_to_hold(
    wishes: tuple[Wish, ...],
    listening: bool,
    defers: bool,
    policy: JoinPolicy,
    requests: KeyRequests,
    keys: set[Identity],
) -> None:
    wanted = desired(wishes, listening=listening, defers=defers)
    assert (wanted.join_policy, wanted.key_requests, set(wanted.transient_keys)) == (policy, requests, keys)
    assert WILDCARD not in wanted.transient_keys


@pytest.mark.parametrize(
    ("wishes", "listening", "permit"),
    [
        ((), False, Permit()),
        ((), True, Permit(coordinator=True, routers=None)),
        ((wish(associating=True),), False, Permit(coordinator=True, routers=None)),
        ((wish(associating=True, routers=frozenset()),), False, Permit(coordinator=True)),
        (
            (wish(associating=True, routers=frozenset({R})),),
            False,
            Permit(coordinator=True, routers=frozenset({R})),
        ),
        ((wish(exchanging=True, routers=frozenset({R})),), False, Permit()),
        (
            (wish(associating=True, routers=frozenset({R})), wish(B, KEY_B, associating=True)),
            False,
            Permit(coordinator=True, routers=None),
        ),
    ],
)
def test_who_is_told_to_permit(wishes: tuple[Wish, ...], listening: bool, permit: Permit) -> None:
    assert desired(wishes, listening=listening).permit == permit


OPEN = Desired(DEFERRED, KeyRequests.SEND_CURRENT_KEY, {A: KEY_A}, Permit(coordinator=True, routers=None))


def test_closing_narrows_first_and_opening_widens_last() -> None:
    assert plan(Observed(0x21, 0x51, {A: KEY_A}), IDLE) == (
        SetJoinPolicy(JoinPolicy.CLOSED),
        SetKeyRequests(KeyRequests.IGNORE),
        ClearTransientKeys(),
    )
    assert plan(Observed(0x00, 0x50, {}), OPEN) == (
        ImportTransientKey(A, KEY_A),
        SetJoinPolicy(DEFERRED),
        SetKeyRequests(KeyRequests.SEND_CURRENT_KEY),
    )
    assert plan(Observed(0x21, 0x51, {A: KEY_A}), OPEN) == ()


def test_removing_one_key_is_clear_and_import_the_others() -> None:
    wanted = desired((wish(B, KEY_B, associating=True),))
    assert plan(Observed(0x21, 0x50, {A: KEY_A, B: KEY_B}), wanted) == (
        ClearTransientKeys(),
        ImportTransientKey(B, KEY_B),
    )
    assert plan(Observed(0x21, 0x50, {B: Secret(b"x" * 16)}), wanted)[0] == ClearTransientKeys()
    assert plan(Observed(0x21, 0x50, None), wanted) == (ClearTransientKeys(), ImportTransientKey(B, KEY_B))


policies = st.sampled_from([0x00, 0x01, 0x02, 0x03, 0x09, 0x11, 0x21, 0x23, 0x31])
devices = st.sampled_from([A, B, R, WILDCARD])
keys = st.sampled_from([KEY_A, KEY_B])
tables = st.dictionaries(devices, keys, max_size=4)
wishes = st.lists(
    st.builds(
        Wish,
        device=st.sampled_from([A, B]),
        link_key=keys,
        associating=st.booleans(),
        exchanging=st.booleans(),
        routers=st.none() | st.frozensets(st.just(R)),
    ),
    max_size=3,
    unique_by=lambda wish: wish.device,
)


@given(policies, st.sampled_from([0x50, 0x51, 0x52]), tables, wishes, st.booleans(), st.booleans())
def test_every_plan_arrives_and_opens_nothing_on_the_way(
    policy: int,
    requests: int,
    table: dict[Identity, Secret],
    wished: list[Wish],
    listening: bool,
    defers: bool,
) -> None:
    wanted = desired(wished, listening=listening, defers=defers)
    states = [Observed(policy, requests, dict(table))]
    for step in plan(states[0], wanted):
        last = states[-1]
        held = dict(last.transient_keys or {})
        match step:
            case SetJoinPolicy(value):
                states.append(Observed(value, last.key_requests, held))
            case SetKeyRequests(value):
                states.append(Observed(last.join_policy, value, held))
            case ClearTransientKeys():
                states.append(Observed(last.join_policy, last.key_requests, {}))
            case ImportTransientKey(device, key):
                states.append(Observed(last.join_policy, last.key_requests, {**held, device: key}))
    end = states[-1]
    assert not differences(end, wanted)
    assert end.transient_keys == wanted.transient_keys
    assert plan(end, wanted) == ()
    for before, after in pairwise(states):
        assert (
            not opens_more(after.join_policy, wanted.join_policy) or after.join_policy == before.join_policy
        )
        # Once the trust center lets joins in, nobody's key is in the table but those that are wanted.
        if after.join_policy & 1 and not before.join_policy & 1:
            assert after.transient_keys is not None
            assert after.transient_keys.keys() <= wanted.transient_keys.keys()


def test_a_difference_shows_no_key() -> None:
    found = differences(Observed(0x03, 0x51, {WILDCARD: Secret(b"ZigBeeAlliance09")}), IDLE)
    assert set(found) == {"trust-center-policy", "tc-key-request-policy", "transient-keys"}
    assert "ZigBee" not in repr(found)
    assert not differences(Observed(0x00, 0x50, {}), IDLE)
    assert not differences(Observed(0x21, 0x51, {}), OPEN), "a key that was used up is no drift"
