"""What an operator is told before a radio opens: terms, listening, and the classes that they depend on."""

from __future__ import annotations

import pytest

from hubsec.errors import Refused
from hubsec.identity import CredentialKind
from hubsec.policy import (
    DeviceClass,
    Rule,
    load_policy,
    zigbee_device_class,
)
from tests.core.policy.shapes import (
    ADOPTED,
    APPROVAL,
    LISTED,
    ROUTER,
    joining,
)


def test_terms_are_what_the_policy_says() -> None:
    rules = joining(
        credentials=["approval", "install-code"],
        window="90s",
        makers=["Sample"],
        **LISTED,
        **{"per-class": {"lock": {"credentials": ["install-code"], "parents": "coordinator"}}},
    )
    terms = rules.terms(APPROVAL, "lamp", "sample")
    assert (terms.window, terms.exchange_limit, terms.parents, terms.exposed) == (
        90,
        30,
        frozenset({ROUTER}),
        True,
    )
    lock = rules.terms(CredentialKind.INSTALL_CODE, "lock", "Sample")
    assert (lock.parents, lock.exposed) == (frozenset(), False)
    for arguments, rule, said in (
        ((APPROVAL, "lock", "sample"), Rule.CREDENTIAL, "class lock join by approval, only by install-code."),
        ((ADOPTED, "lamp", "sample"), Rule.CREDENTIAL, "by adopted, only by approval or install-code."),
        ((APPROVAL, "lamp", "simple"), Rule.MAKER, "a device of maker 'simple': see joining.makers"),
        ((APPROVAL, "lamp", None), Rule.MAKER, "a device whose maker is not said: see joining.makers"),
    ):
        with pytest.raises(Refused) as caught:
            rules.terms(*arguments)
        assert caught.value.rule == rule.value
        assert said in caught.value.reason
        assert caught.value.reason.startswith(f"Policy {rules.name} does not ")
    with pytest.raises(
        Refused, match=r"^Policy strict does not let a device join by approval, only by dsk or install-code"
    ):
        load_policy("strict").terms(APPROVAL)
    for device_class, said in (("nonsense", "a device of class other"), (None, "whose class is not said")):
        with pytest.raises(Refused) as caught:
            joining(classes=["lamp"]).terms(CredentialKind.INSTALL_CODE, device_class)
        assert caught.value.rule == Rule.DEVICE_CLASS.value
        assert said in caught.value.reason
        assert caught.value.reason.endswith("only lamp.")


@pytest.mark.parametrize("seconds", [-1, 0, 61, float("nan"), float("inf"), 10**400, "60", None])
def test_nobody_listens_longer_than_allowed(seconds: float) -> None:
    load_policy("home").check_listening(60)
    with pytest.raises(
        Refused, match=r"^Policy home lets you listen for 1m at most; .* was asked.$"
    ) as caught:
        load_policy("home").check_listening(seconds)
    assert caught.value.rule == Rule.LISTENING_LENGTH.value


def test_a_refused_listening_names_the_policy_and_what_was_asked() -> None:
    with pytest.raises(Refused, match="600 s was asked"):
        load_policy("home").check_listening(600)
    with pytest.raises(Refused, match=r"^Policy strict never listens.$"):
        load_policy("strict").check_listening(1)


@pytest.mark.parametrize(
    ("endpoints", "expected"),
    [
        ([], DeviceClass.OTHER),
        ([(0x0104, 0x000A)], DeviceClass.LOCK),
        ([(0x0104, 0x0402), (0x0104, 0x000A)], DeviceClass.LOCK),
        ([(0x0104, 0x0100), (0xA1E0, 0x0061)], DeviceClass.LAMP),
        ([(0x0104, 0x0000)], DeviceClass.SWITCH),
        ([(0xC05E, 0x0000)], DeviceClass.LAMP),
        ([(0x0104, 0x0200)], DeviceClass.COVER),
        ([(0xC05E, 0x0200)], DeviceClass.LAMP),
        ([(0x0104, 0x0403)], DeviceClass.SIREN),
        ([(0x0104, 0x0401)], DeviceClass.KEYPAD),
        ([(0x0104, 0x0301)], DeviceClass.THERMOSTAT),
        ([(0x0104, 0x0051)], DeviceClass.PLUG),
        ([(0x1234, 0x000A)], DeviceClass.OTHER),
        ([(-1, 1 << 40)], DeviceClass.OTHER),
    ],
)
def test_a_device_has_the_class_that_needs_most_care(
    endpoints: list[tuple[int, int]], expected: DeviceClass
) -> None:
    assert zigbee_device_class(endpoints) is expected
