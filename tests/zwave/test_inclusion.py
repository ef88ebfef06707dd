"""The rules of one inclusion, as its module says them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubsec.identity import Identity, SecurityClass
from hubsec_zwave.inclusion import HUBSEC, STRANGER, Inclusion

LAMP = Identity("31425-07161-52741-00815-40962-11111-65535")
NONE, S0, UNAUTHENTICATED, AUTHENTICATED, ACCESS = SecurityClass
classes = st.sampled_from(list(SecurityClass))


@pytest.mark.parametrize(
    ("owner", "asker", "may"),
    [
        (HUBSEC, HUBSEC, True),
        (HUBSEC, "host", False),
        ("host", "host", True),
        ("host", "client:kitchen#1", False),
        ("client:kitchen#1", "client:kitchen#2", False),
        (STRANGER, "host", False),
        (STRANGER, STRANGER, False),
    ],
)
def test_only_whoever_began_it_answers(owner: str, asker: str, *, may: bool) -> None:
    assert Inclusion(owner).may_answer(asker) is may


@pytest.mark.parametrize(
    ("asked", "least", "granted"),
    [
        ({ACCESS, AUTHENTICATED, UNAUTHENTICATED, S0}, [AUTHENTICATED], {ACCESS, AUTHENTICATED}),
        ({ACCESS, AUTHENTICATED, UNAUTHENTICATED, S0}, [ACCESS], {ACCESS}),
        ({AUTHENTICATED, UNAUTHENTICATED}, [AUTHENTICATED, ACCESS], set()),
        ({UNAUTHENTICATED, S0}, [UNAUTHENTICATED], {UNAUTHENTICATED}),
        ({S0}, [S0], {S0}),
        ({S0}, [], set()),
        ({NONE}, [NONE], set()),
        (set(), [NONE], set()),
    ],
)
def test_what_is_granted(
    asked: set[SecurityClass], least: list[SecurityClass], granted: set[SecurityClass]
) -> None:
    inclusion = Inclusion(HUBSEC)
    assert inclusion.grant(asked, least) == granted
    assert (inclusion.refused is None) is bool(granted)


@given(st.sets(classes), st.lists(classes))
def test_nothing_that_was_not_asked_for_and_nothing_below_the_least_is_granted(
    asked: set[SecurityClass], least: list[SecurityClass]
) -> None:
    granted = Inclusion(HUBSEC).grant(asked, least)
    assert granted <= asked
    assert all(one.rank >= wanted.rank for one in granted for wanted in least)
    assert NONE not in granted


def test_a_refusal_says_what_was_asked_and_what_is_wanted() -> None:
    inclusion = Inclusion(HUBSEC)
    inclusion.grant({AUTHENTICATED}, [ACCESS])
    assert inclusion.refused == (
        "It asks for s2-authenticated at most, and the policy wants s2-access-control of it."
    )


@given(st.one_of(st.none(), classes))
def test_only_an_allowed_dsk_and_a_class_that_proves_it_make_an_identity(
    security: SecurityClass | None,
) -> None:
    inclusion = Inclusion(HUBSEC)
    inclusion.show(LAMP)
    assert inclusion.proved(security) is None
    inclusion.allow(LAMP)
    assert inclusion.proved(security) == (LAMP if security in (AUTHENTICATED, ACCESS) else None)
