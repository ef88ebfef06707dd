"""What is printed on a device, against the driver's own parser and against known values."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from hubsec_emulated.zwave.dsk import (
    REQUEST_BITS,
    KeyPair,
    auth_home_id,
    format_dsk,
    nwi_home_id,
    smart_start_code,
)

if TYPE_CHECKING:
    from hubsec_emulated import ZWaveHouse
    from tests.emulated.zwave.host import Host


async def test_the_driver_s_parser_reads_what_was_printed(zwave_house: ZWaveHouse, host: Host) -> None:
    lock = zwave_house.lock(requests=("S2_AccessControl", "S0_Legacy"))
    read = (await host.command("utils.parse_qr_code_string", qr=lock.sticker))["qrProvisioningInformation"]
    assert read == {
        "version": 1,
        "requestedSecurityClasses": [2, 7],
        "securityClasses": [2, 7],
        "dsk": lock.dsk,
        "genericDeviceClass": 0x40,
        "specificDeviceClass": 0x03,
        "installerIconType": 0,
        "manufacturerId": 0xFFFF,
        "productType": 1,
        "productId": 0x40,
        "applicationVersion": "1.0",
    }
    assert lock.printed == f"{lock.dsk[:24]}\n{lock.dsk[24:]}"
    assert lock.pin == lock.dsk[:5]


def test_a_pair_is_that_of_its_private_key() -> None:
    pair = KeyPair.from_bytes(bytes(range(32)))
    assert (
        pair.public == X25519PrivateKey.from_private_bytes(bytes(range(32))).public_key().public_bytes_raw()
    )
    assert pair.dsk == pair.public[:16]


@given(st.binary(min_size=16, max_size=16))
def test_home_ids_are_parts_of_the_dsk_with_their_marks(dsk: bytes) -> None:
    nwi, auth = nwi_home_id(dsk), auth_home_id(dsk)
    assert nwi[0] >> 6 == 0b11
    assert nwi[3] & 1 == 0
    assert auth[0] >> 6 == 0
    assert auth[3] & 1 == 1
    assert nwi[1:3] + auth[1:3] == dsk[9:11] + dsk[13:15]
    assert struct.pack(">8H", *map(int, format_dsk(dsk).split("-"))) == dsk


@pytest.mark.parametrize(
    ("requests", "digits"), [((), "000"), (("S0_Legacy",), "128"), (tuple(REQUEST_BITS), "135")]
)
def test_what_is_requested_is_a_sum_of_bits(requests: tuple[str, ...], digits: str) -> None:
    code = smart_start_code(bytes(16), requests, device_class=(0x10, 0x01), product=(1, 2, 3))
    assert code.isdecimal()
    assert code[:4] == "9001"
    assert code[9:12] == digits
    assert code[12:52] == "0" * 40
    assert code[52:] == "0010" + "04097" + "00000" + "0220" + "00001" + "00002" + "00003" + "00256"
