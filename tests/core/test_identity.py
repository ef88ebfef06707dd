"""Who a device is: every spelling of one identity is that identity, and nothing else is any."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubsec.errors import HubsecError, StickerError
from hubsec.identity import (
    DSK_BYTES,
    NODE_LIMIT,
    Identity,
    Network,
    SecurityClass,
    any_identity,
    dsk_identity,
    identity_on,
    is_address,
    network_of,
    zigbee_identity,
    zwave_address,
    zwave_identity,
)
from tests.core.stickers.zwave_codes import DSK, PRINTED, TAIL, printed

EUI64 = "00:12:4b:00:01:02:03:04"
NODE = "c0ffee01:12"


@pytest.mark.parametrize(
    ("text", "identity"),
    [
        (TAIL, TAIL),
        (PRINTED, TAIL),
        (f" {PRINTED}\n", TAIL),
        ("-".join(["65535"] * 8), "-".join(["65535"] * 7)),
        ("-".join(["65535"] * 7), "-".join(["65535"] * 7)),
        # The PIN is not looked at, and not kept.
        (f"99999-{TAIL}", TAIL),
        ("-".join(["65536"] * 7), None),
        (f"{TAIL[:-5]}65536", None),
        (TAIL[6:], None),
        (f"{PRINTED}-00000", None),
        (TAIL.replace("-", ""), None),
        (TAIL.replace("-", " "), None),
        (TAIL.replace("0", "\u0660"), None),
        (NODE, NODE),
        ("C0FFEE01:12", NODE),
        ("00000000:1", "00000000:1"),
        (f"c0ffee01:{NODE_LIMIT}", f"c0ffee01:{NODE_LIMIT}"),
        (f"c0ffee01:{NODE_LIMIT + 1}", None),
        ("c0ffee01:0", None),
        ("c0ffee01:012", None),
        ("c0ffee01:-1", None),
        ("c0ffee1:12", None),
        ("0xc0ffee01:12", None),
        ("c0ffee01:12\u0662", None),
        (EUI64, None),
        ("", None),
        (None, None),
        (12, None),
        (b"c0ffee01:12", None),
    ],
)
@pytest.mark.leaves_secrets(
    "tracebacks", reason="a DSK is given where a device is named: it is in the caller's own arguments"
)
def test_a_zwave_device_is_its_dsk_or_its_place(text: Any, identity: str | None) -> None:
    if identity is None:
        with pytest.raises(StickerError, match="c0ffee01:12"):
            zwave_identity(text)
    else:
        assert zwave_identity(text) == any_identity(text) == identity_on(Network.ZWAVE, text) == identity
        assert is_address(Identity(identity)) is (":" in identity)
        with pytest.raises(StickerError):
            identity_on(Network.ZIGBEE, text)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        (TAIL, Network.ZWAVE),
        (NODE, Network.ZWAVE),
        (EUI64, Network.ZIGBEE),
        (EUI64.upper().replace(":", "-"), Network.ZIGBEE),
        ("00124b0001020304", Network.ZIGBEE),
    ],
)
def test_an_identity_says_its_network(text: str, network: Network) -> None:
    identity = any_identity(text)
    assert network_of(identity) is network
    assert identity_on(network, text) == identity


@pytest.mark.parametrize("value", [None, 5, b"x", [], object(), "", "nonsense", "\0", "\ud800", PRINTED[:-1]])
@pytest.mark.leaves_secrets(
    "tracebacks", reason="a DSK is given where a device is named: it is in the caller's own arguments"
)
def test_nonsense_is_nobody_and_is_not_told_again(value: Any) -> None:
    for read in (any_identity, zigbee_identity, zwave_identity):
        with pytest.raises(StickerError) as caught:
            read(value)
        # It may be most of a secret.
        assert "34028" not in str(caught.value)


@given(st.binary(min_size=DSK_BYTES, max_size=DSK_BYTES))
def test_the_whole_dsk_and_what_the_air_shows_of_it_are_one_identity(dsk: bytes) -> None:
    text = printed(dsk)
    identity = dsk_identity(dsk)
    assert identity == text[6:]
    assert zwave_identity(text) == zwave_identity(identity) == identity
    assert network_of(identity) is Network.ZWAVE
    assert not is_address(identity)


@given(st.binary(max_size=40).filter(lambda data: len(data) != DSK_BYTES))
def test_a_dsk_has_sixteen_bytes(data: bytes) -> None:
    assert dsk_identity(DSK) == TAIL
    with pytest.raises(StickerError, match="16 bytes"):
        dsk_identity(data)


@given(st.integers(0, 2**32 - 1), st.integers(1, NODE_LIMIT))
def test_an_address_is_read_as_it_was_made(home_id: int, node_id: int) -> None:
    address = zwave_address(home_id, node_id)
    assert zwave_identity(address.upper()) == address
    assert is_address(address)


@given(st.text(max_size=60))
def test_any_text_is_an_identity_or_an_error_of_ours(text: str) -> None:
    try:
        identity = any_identity(text)
    except HubsecError:
        return
    assert any_identity(identity) == identity


def test_the_classes_stand_in_order() -> None:
    weakest_first = [
        SecurityClass.NONE,
        SecurityClass.S0,
        SecurityClass.S2_UNAUTHENTICATED,
        SecurityClass.S2_AUTHENTICATED,
        SecurityClass.S2_ACCESS_CONTROL,
    ]
    assert sorted(SecurityClass, key=lambda one: one.rank) == weakest_first
    # Words would sort otherwise.
    assert sorted(SecurityClass) != weakest_first
    assert [one.proves_dsk for one in weakest_first] == [False, False, False, True, True]
