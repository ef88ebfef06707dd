from __future__ import annotations

import pytest

from hubsec_emulated.errors import FrameError, SecurityError
from hubsec_emulated.wire import crypto

CODE = bytes.fromhex("83FED3407A939723A5C639B26916D505")


def test_install_code_of_the_base_device_behavior_specification() -> None:
    assert crypto.install_code_crc(CODE).hex() == "c3b5"
    key = crypto.install_code_key(CODE + crypto.install_code_crc(CODE))
    assert key.hex() == "66b6900981e1ee3ca4206b6b861c02bb"


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        # Zigbee specification C.5.1 and C.5.2: one byte, one block.
        ("c0", "ae3a102a28d43ee0d4a09e22788b206c"),
        ("c0c1c2c3c4c5c6c7c8c9cacbcccdcecf", "a7977e88bc0b61e8210827109a228f2d"),
    ],
)
def test_hash_vectors_of_the_specification(message: str, digest: str) -> None:
    assert crypto.aes_mmo(bytes.fromhex(message)).hex() == digest


def test_keyed_hash_vector_of_the_specification() -> None:
    # Zigbee specification C.6.1.
    key = bytes.fromhex("404142434445464748494a4b4c4d4e4f")
    assert crypto.keyed_hash(key, b"\xc0").hex() == "4512807bf94cb3400f0e2c25fb76e999"


def test_long_messages_are_padded_differently() -> None:
    short, long = bytes(8191), bytes(8192)
    assert crypto.aes_mmo(short) != crypto.aes_mmo(long)
    assert len(crypto.aes_mmo(long)) == 16


def test_ccm_star_vector_of_the_specification() -> None:
    # Zigbee specification C.4 uses a MIC of 8 bytes; with 4 the ciphertext is the same.
    key = bytes.fromhex("c0c1c2c3c4c5c6c7c8c9cacbcccdcecf")
    nonce = bytes.fromhex("a0a1a2a3a4a5a6a70302010006")
    plain = bytes.fromhex("08090a0b0c0d0e0f101112131415161718191a1b1c1d1e")
    sealed = crypto.ccm_seal(key, nonce, bytes(range(8)), plain)
    assert sealed[:-4].hex() == "1a55a36abb6c610d066b3375649cef10d4664ecad854a8"
    assert crypto.ccm_open(key, nonce, bytes(range(8)), sealed) == plain


def test_keys_derived_from_the_well_known_key() -> None:
    assert crypto.key_transport_key(crypto.WELL_KNOWN_KEY).hex() == "4bab0f173e1434a2d572e1c1ef478782"
    assert crypto.key_load_key(crypto.WELL_KNOWN_KEY) == crypto.keyed_hash(crypto.WELL_KNOWN_KEY, b"\x02")


def test_hashed_link_keys_differ_by_device_and_seed() -> None:
    keys = {crypto.hashed_tclk(seed, eui64) for seed in (bytes(16), CODE) for eui64 in (1, 2)}
    assert len(keys) == 4


@pytest.mark.parametrize(
    "code",
    [b"", CODE, CODE + b"\x00\x00", CODE[:5] + b"\x00\x00"],
    ids=["empty", "without CRC", "wrong CRC", "of no known length"],
)
def test_no_install_code(code: bytes) -> None:
    with pytest.raises(FrameError) as caught:
        crypto.install_code_key(code)
    if code:
        assert code.hex() not in str(caught.value).lower()


@pytest.mark.parametrize("size", [6, 8, 12, 16])
def test_install_codes_of_every_length(size: int) -> None:
    code = CODE[:size]
    assert len(crypto.install_code_key(code + crypto.install_code_crc(code))) == 16


def test_wrong_keys_and_short_frames() -> None:
    nonce = bytes(crypto.NONCE_SIZE)
    sealed = crypto.ccm_seal(bytes(16), nonce, b"header", b"plain")
    with pytest.raises(SecurityError):
        crypto.ccm_open(CODE, nonce, b"header", sealed)
    with pytest.raises(FrameError):
        crypto.ccm_open(CODE, nonce, b"header", sealed[:3])
    with pytest.raises(FrameError):
        crypto.ccm_seal(b"short", nonce, b"", b"")
    with pytest.raises(FrameError):
        crypto.keyed_hash(b"short", b"")
