"""The rules of one admission, without a radio and without a clock."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubsec.identity import CredentialKind, Identity
from hubsec.radio import AdmissionOrder
from hubsec.requests import LinkKeyState
from hubsec.secret import Secret
from hubsec_zigbee.admissions import (
    ALL_TRIES_AT_ONCE,
    MAX_PLACES,
    MAX_SENT,
    TRIES_AT_ONCE,
    Admission,
    Stage,
)

DEVICE = Identity("00:12:4b:00:00:00:00:01")
WINDOW, LIMIT = 60.0, 30.0
SHORT, OTHER = 0x1111, 0x2222


def admission() -> Admission:
    order = AdmissionOrder(
        admission="a",
        device=DEVICE,
        name="lamp",
        credential=CredentialKind.INSTALL_CODE,
        secret=Secret(b"k" * 16),
        window=WINDOW,
        exchange_limit=LIMIT,
    )
    return Admission(order, opened_at=100.0)


def test_the_whole_way() -> None:
    it = admission()
    assert it.associating(100.0)
    assert not it.exchanging(100.0)
    assert it.tried(SHORT, 0, 101.0)
    it.key_sent(SHORT, 101.0)
    assert it.stage is Stage.KEY_SENT
    assert it.associating(101.0)
    assert it.exchanging(101.0)
    assert it.proved(SHORT, 101.1)
    assert not it.associating(101.2)
    assert it.exchanging(101.2)
    assert it.wish(101.2).link_key is not None
    assert it.established(104.0)
    assert it.link_key is LinkKeyState.VERIFIED
    assert it.wish(104.0).link_key is None
    assert it.turning_points(104.0) == ()


def test_nobody_comes() -> None:
    it = admission()
    assert not it.tick(100.0 + WINDOW - 0.1)
    assert it.tick(100.0 + WINDOW)
    assert it.stage is Stage.CONCLUDED
    assert it.link_key is None
    assert not it.tick(1000.0)


@pytest.mark.parametrize(("failed", "state"), [(True, LinkKeyState.FAILED), (False, LinkKeyState.MISSING)])
def test_the_exchange_does_not_come(failed: bool, state: LinkKeyState) -> None:
    it = admission()
    it.tried(SHORT, 0, 101.0)
    it.key_sent(SHORT, 101.0)
    it.proved(SHORT, 102.0)
    if failed:
        it.failed()
    assert not it.tick(102.0 + LIMIT - 0.1)
    assert it.tick(102.0 + LIMIT)
    assert it.link_key is state


def test_a_failure_may_be_made_good() -> None:
    it = admission()
    it.key_sent(SHORT, 101.0)
    it.proved(SHORT, 101.0)
    it.failed()
    assert it.established(110.0)
    assert it.link_key is LinkKeyState.VERIFIED


def test_an_old_stack_owes_nothing() -> None:
    it = admission()
    assert not it.owes_none()
    it.key_sent(SHORT, 101.0)
    assert not it.owes_none()
    it.proved(SHORT, 101.0)
    assert it.owes_none()
    assert it.link_key is LinkKeyState.MISSING


def test_a_spoofer_neither_proves_nor_ends_it() -> None:
    it = admission()
    assert it.tried(OTHER, 0, 101.0)
    it.key_sent(OTHER, 101.0)
    assert not it.proved(SHORT, 102.0), "nobody sent it a key"
    assert it.associating(102.0)
    assert it.tried(SHORT, 0, 103.0)
    it.key_sent(SHORT, 103.0)
    assert it.proved(SHORT, 103.1)
    assert not it.proved(OTHER, 103.2)
    assert it.short == SHORT


def test_a_spoofer_spends_its_own_tries_only() -> None:
    it = admission()
    assert [it.tried(OTHER, 0, 101.0) for _ in range(TRIES_AT_ONCE + 1)] == [True] * TRIES_AT_ONCE + [False]
    assert it.tried(SHORT, 0, 101.0)
    assert it.tried(OTHER, 0, 102.0), "one more a second"
    assert it.attempts_from(SHORT, 0) == 1
    assert it.attempts_from(OTHER, 0) == TRIES_AT_ONCE + 1


def test_a_spoofer_of_many_places_is_bounded() -> None:
    it = admission()
    taken = 0
    for place in range(10 * MAX_PLACES):
        taken += it.tried(place, 0, 101.0)
        it.key_sent(place, 101.0)
    assert len(it._tries) == MAX_PLACES
    assert taken == ALL_TRIES_AT_ONCE, "each is written to disk"
    assert len(it.sent_to) == MAX_SENT
    assert it.tried(SHORT, 0, 102.0), "the device comes through as soon as the flood ebbs"


def test_a_sending_that_failed_is_none() -> None:
    it = admission()
    it.key_sent(SHORT, 101.0)
    it.key_not_sent(SHORT)
    assert it.stage is Stage.WAITING
    assert not it.exchanging(101.0)
    assert not it.proved(SHORT, 102.0)
    it.key_sent(SHORT, 101.0)
    it.key_sent(OTHER, 101.0)
    it.key_not_sent(OTHER)
    assert it.sent_to == {SHORT}
    assert it.exchanging(101.0)


def test_who_has_the_key_goes_on_when_it_is_withdrawn() -> None:
    it = admission()
    it.key_sent(SHORT, 101.0)
    it.withdraw()
    assert not it.associating(101.0)
    assert it.exchanging(101.0)
    assert not it.tick(101.0)
    assert it.proved(SHORT, 102.0)
    assert it.established(103.0)


def test_who_has_no_key_is_out_when_it_is_withdrawn() -> None:
    it = admission()
    it.withdraw()
    assert it.tick(101.0)
    assert it.stage is Stage.CONCLUDED


def test_who_proves_nothing_is_let_go() -> None:
    it = admission()
    it.key_sent(SHORT, 150.0)
    assert not it.tick(100.0 + WINDOW)
    assert it.exchanging(170.0)
    assert it.tick(150.0 + LIMIT)
    assert it.link_key is None


EVENTS = st.one_of(
    st.tuples(st.just("tried"), st.sampled_from([SHORT, OTHER])),
    st.tuples(st.just("key_sent"), st.sampled_from([SHORT, OTHER])),
    st.tuples(st.just("key_not_sent"), st.sampled_from([SHORT, OTHER])),
    st.tuples(st.just("proved"), st.sampled_from([SHORT, OTHER])),
    st.tuples(st.sampled_from(["established", "failed", "owes_none", "withdraw", "tick"]), st.none()),
)


@given(st.lists(st.tuples(EVENTS, st.floats(0, 20)), max_size=30))
def test_whatever_happens_it_ends_and_keeps_its_promises(story: list[tuple[tuple[str, Any], float]]) -> None:
    it, now = admission(), 100.0
    for (what, short), pause in story:
        now += pause
        match what:
            case "tried":
                it.tried(short, 0, now)
            case "key_sent":
                if it.associating(now):
                    it.key_sent(short, now)
            case "key_not_sent":
                it.key_not_sent(short)
            case "proved":
                sent = short in it.sent_to
                assert not it.proved(short, now) or sent
            case "established":
                it.established(now)
            case "tick":
                it.tick(now)
            case _:
                getattr(it, what)()
        if it.stage in (Stage.PROVED, Stage.CONCLUDED):
            assert not it.associating(now), "the window ends at the join"
        if it.link_key is not None:
            assert it.stage is Stage.CONCLUDED
        assert (it.wish(now).link_key is not None) == (it.associating(now) or it.exchanging(now))
        assert all(moment > now for moment in it.turning_points(now))
    end = now + WINDOW + 2 * LIMIT
    it.tick(end)
    assert it.stage is Stage.CONCLUDED, "nothing stays open"
