"""The CRC and the hash of install codes, against the specification's vector and independent ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubsec.errors import StickerError
from hubsec.stickers import checksum, link_key

# Base Device Behavior 3.0.1, 10.1: the worked example.
SPEC_CODE = "83FED3407A939723A5C639B26916D505C3B5"
SPEC_KEY = "66B6900981E1EE3CA4206B6B861C02BB"

codes = st.sampled_from((6, 8, 12, 16)).flatmap(lambda size: st.binary(min_size=size, max_size=size))


def with_crc(code: bytes) -> bytes:
    return code + checksum(code).to_bytes(2, "little")


# All but the first come from another implementation of CRC and hash.
@pytest.mark.parametrize(
    ("code", "key"),
    [
        (SPEC_CODE, SPEC_KEY),
        ("111213141516DA8D", "e52329b3c5aa0945c666ee91e4817fb3"),
        ("1112131415161718B1B6", "392f51c5c3bdb42b6eea0f7920164235"),
        ("1112131415161718191A1B1C9BBA", "c0cf06d26cf93ce74b805c252b96277c"),
        ("1112131415161718191A1B1C1D1E1F20C7C1", "c63e0bd51e4d703f640fa43e878c007d"),
    ],
)
def test_each_length_makes_its_key(code: str, key: str) -> None:
    assert link_key(bytes.fromhex(code)).reveal() == bytes.fromhex(key)


def test_the_crc_is_x25_by_its_check_value() -> None:
    # The check value of CRC-16/X-25 (IBM-SDLC) in the catalogue of parametrised CRC algorithms.
    assert checksum(b"123456789") == 0x906E


@given(codes, st.data())
def test_one_wrong_digit_is_always_refused(code: bytes, data: st.DataObject) -> None:
    text = with_crc(code).hex()
    at = data.draw(st.integers(0, len(text) - 1))
    digit = data.draw(st.sampled_from([d for d in "0123456789abcdef" if d != text[at]]))
    assert len(link_key(bytes.fromhex(text))) == 16
    with pytest.raises(StickerError):
        link_key(bytes.fromhex(text[:at] + digit + text[at + 1 :]))


@pytest.mark.parametrize("size", [0, 1, 2, 7, 9, 11, 13, 17, 19, 40])
def test_other_lengths_are_refused(size: int) -> None:
    with pytest.raises(StickerError, match="16, 20, 28 or 36 hex digits"):
        link_key(bytes(size))


@pytest.mark.parametrize("size", [6, 12, 16])
def test_a_missing_crc_is_named(size: int) -> None:
    with pytest.raises(StickerError, match="the CRC, may be missing"):
        link_key(bytes(size))


def test_a_swapped_crc_is_named() -> None:
    code = bytes.fromhex(SPEC_CODE)
    with pytest.raises(StickerError, match="swapped"):
        link_key(code[:-2] + code[-1:] + code[-2:-1])
