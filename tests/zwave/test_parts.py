"""Numbers and words of the server's, and what is known of its nodes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubsec.entries import Entry
from hubsec.identity import CredentialKind, Identity, Network, SecurityClass, dsk_identity, zwave_address
from hubsec.secret import Secret
from hubsec_zwave.nodes import Nodes, class_of
from hubsec_zwave.reincluding import KEY_NAMES, server_keys
from hubsec_zwave.wire import (
    CLASSES,
    classes_of,
    dsk_text,
    numbers_of,
    pin_text,
    read_pin,
    security_of,
    shown_identity,
    whole_dsk,
)

HOME = 0xC0FFEE01
LAMP = Identity("31425-07161-52741-00815-40962-11111-65535")
OTHER = Identity("00001-00002-00003-00004-00005-00006-00007")
dsks = st.binary(min_size=16, max_size=16)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(dsks)
def test_a_dsk_is_its_pin_and_its_identity(raw: bytes) -> None:
    secret, device = Secret(raw), dsk_identity(raw)
    assert dsk_text(secret) == f"{pin_text(secret)}-{device}"
    assert whole_dsk(pin_text(secret), device).reveal() == raw
    assert shown_identity(dsk_text(secret)) == device
    assert shown_identity("-" + device) == device
    assert read_pin(pin_text(secret)) == pin_text(secret)


@given(anything)
def test_what_is_no_pin_and_no_dsk_is_none(value: Any) -> None:
    pin = read_pin(value)
    assert pin is None or (pin == value and len(pin) == 5 and pin.isdecimal())
    shown = shown_identity(value)
    assert shown is None or shown in value


@pytest.mark.parametrize(
    "pin",
    [
        "1234",
        "123456",
        "65536",
        "99999",
        " 1234",
        "1234a",
        "\uff11\uff12\uff13\uff14\uff15",
        "12345\n",
        12345,
    ],
)
def test_no_pin(pin: object) -> None:
    assert read_pin(pin) is None


@given(st.sets(st.sampled_from(list(SecurityClass))))
def test_classes_and_their_numbers(classes: set[SecurityClass]) -> None:
    assert set(classes_of(numbers_of(classes))) == classes


@given(anything)
def test_classes_of_anything(value: Any) -> None:
    assert set(classes_of(value)) <= set(CLASSES.values())


@pytest.mark.parametrize(
    ("number", "security"),
    [
        (-1, SecurityClass.NONE),
        (7, SecurityClass.S0),
        (0, SecurityClass.S2_UNAUTHENTICATED),
        (1, SecurityClass.S2_AUTHENTICATED),
        (2, SecurityClass.S2_ACCESS_CONTROL),
        (3, None),
        (None, None),
        (False, None),
        ("2", None),
    ],
)
def test_the_class_that_a_state_tells(number: object, security: SecurityClass | None) -> None:
    assert security_of({"highestSecurityClass": number}) is security


# Nodes


def nodes(*states: dict[str, Any]) -> Nodes:
    found = Nodes(HOME, 1)
    found.take(states)
    return found


def state(number: int = 5, **more: Any) -> dict[str, Any]:
    return {"nodeId": number, "status": 4, "ready": True, "highestSecurityClass": 1, **more}


def entry(device: Identity = LAMP, **more: Any) -> Entry:
    return Entry(
        device=device,
        network=Network.ZWAVE,
        credential=CredentialKind.DSK,
        label="Lamp",
        approved_by="test",
        approved_at=0.0,
        **{"joined_at": 1.0, "address": zwave_address(HOME, 5), **more},
    )


def test_a_node_is_called_by_its_address_until_its_entry_says_who_it_is() -> None:
    known = nodes(state())
    assert known.identity(5) == "c0ffee01:5"
    known.know([entry()])
    assert known.identity(5) == LAMP
    found = known.find(LAMP)
    assert found is not None
    assert found.node_id == 5
    assert known.gone(5) == LAMP
    assert known.identity(5) == "c0ffee01:5"


def test_an_entry_of_another_network_names_nobody() -> None:
    known = nodes(state())
    known.know([entry(address=zwave_address(0xC0FFEE02, 5)), entry(OTHER, address=None)])
    assert known.identity(5) == "c0ffee01:5"
    assert not known.here(entry(address=zwave_address(0xC0FFEE02, 5)))


def test_a_node_that_has_shown_another_dsk_is_not_the_one_that_had_its_number() -> None:
    known = nodes(state(dsk=f"12345-{OTHER}"))
    known.know([entry()])
    assert known.identity(5) == "c0ffee01:5"
    node = known.get(5)
    assert node is not None
    assert node.proved == OTHER


@pytest.mark.parametrize("number", [-1, 0, 7, None])
def test_a_dsk_proves_nothing_under_lesser_keys(number: int | None) -> None:
    node = nodes(state(dsk=f"12345-{LAMP}", highestSecurityClass=number)).get(5)
    assert node is not None
    assert node.proved is None


def test_a_device_is_in_one_place() -> None:
    known = nodes(state(5), state(6))
    known.know([entry()])
    known.proved(6, LAMP)
    assert known.identity(5) == "c0ffee01:5"
    assert known.identity(6) == LAMP


@pytest.mark.parametrize(
    "bad", [{"nodeId": 0}, {"nodeId": 4001}, {"nodeId": "5"}, {"nodeId": True}, {}, {"nodeId": 1}]
)
def test_what_is_no_node(bad: dict[str, Any]) -> None:
    assert nodes().seen(bad) is None


def test_the_controller_is_none() -> None:
    known = nodes(state(9, isControllerNode=True), state(5))
    assert [node.node_id for node in known] == [5]
    assert known.own == 9


@given(
    st.fixed_dictionaries(
        {"nodeId": st.integers(2, 232)},
        optional=dict.fromkeys(
            (
                "status",
                "ready",
                "highestSecurityClass",
                "deviceClass",
                "deviceConfig",
                "manufacturerId",
                "productId",
                "name",
                "dsk",
                "endpoints",
                "commandClasses",
                "supportedCCs",
                "isControllerNode",
            ),
            anything,
        ),
    )
)
def test_whatever_a_state_holds_it_is_read(odd: dict[str, Any]) -> None:
    known = nodes()
    node = known.seen(odd)
    if node is not None:
        assert [device.device for device in known.listed()] == [zwave_address(HOME, odd["nodeId"])]


@pytest.mark.parametrize(
    ("generic", "specific", "kind"), [(0x40, 0x03, "lock"), (0x11, 0x01, "lamp"), (0x20, 0x01, "sensor")]
)
def test_the_kind_of_device(generic: int, specific: int, kind: str) -> None:
    told = {"generic": {"key": generic, "label": "x"}, "specific": {"key": specific, "label": "y"}}
    assert class_of({"deviceClass": told}) == kind
    assert class_of({"deviceClass": {"generic": generic, "specific": specific}}) == kind


def test_no_kind_of_device() -> None:
    assert class_of({"deviceClass": None}) is None
    assert class_of({}) is None


def test_keys_are_said_as_the_servers_settings_have_them() -> None:
    keys = {name: Secret(bytes([number]) * 16) for number, name in enumerate(KEY_NAMES)}
    settings = server_keys(keys)
    assert settings["securityKeys"]["S2_AccessControl"] == "03" * 16
    assert set(settings["securityKeys"]) == {
        "S0_Legacy",
        "S2_Unauthenticated",
        "S2_Authenticated",
        "S2_AccessControl",
    }
    assert settings["securityKeysLongRange"] == {"S2_Authenticated": "04" * 16, "S2_AccessControl": "05" * 16}
