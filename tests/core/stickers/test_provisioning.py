"""QR codes of Z-Wave devices: what they tell, and which are refused."""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubsec.errors import StickerError
from hubsec.identity import Network, SecurityClass
from hubsec.stickers import Form, Product, Sticker, checksum, read_sticker
from tests.core.stickers.zwave_codes import (
    DSK,
    INTERVAL,
    PIN,
    PRODUCT,
    PRODUCT_ID,
    PRODUCT_TYPE,
    PROTOCOLS,
    TAIL,
    UUID,
    block,
    fives,
    printed,
    qr,
    sealed,
)

CODE = qr()


@pytest.mark.parametrize(("version", "form"), [("00", Form.QR_S2), ("01", Form.SMART_START)])
def test_a_code_tells_the_dsk_and_how_the_device_joins(version: str, form: Form) -> None:
    sticker = read_sticker(qr(version=version))
    assert (sticker.network, sticker.form, sticker.device) == (Network.ZWAVE, form, TAIL)
    assert sticker.smart_start is (form is Form.SMART_START)
    assert sticker.credential.reveal() == DSK
    assert sticker.install_code is None
    assert sticker.checked
    assert not sticker.ready_key
    assert sticker.requested == {SecurityClass.S2_UNAUTHENTICATED, SecurityClass.S2_AUTHENTICATED}
    assert PIN not in f"{sticker!r} {sticker}"


def test_a_published_example_is_read() -> None:
    # In the documentation of an open label generator; another program computed its checksum.
    text = "9001621570034149504483534436062309043170212686520047001006144025600220006342867261443005120803003"
    sticker = read_sticker(text)
    assert (sticker.form, sticker.device) == (
        Form.SMART_START,
        "04483-53443-60623-09043-17021-26865-20047",
    )
    assert (sticker.manufacturer_code, sticker.model, sticker.long_range) == (634, "7000:f003", True)


@pytest.mark.parametrize(
    ("keys", "classes"),
    [
        ("000", set()),
        ("001", {SecurityClass.S2_UNAUTHENTICATED}),
        ("002", {SecurityClass.S2_AUTHENTICATED}),
        ("004", {SecurityClass.S2_ACCESS_CONTROL}),
        ("128", {SecurityClass.S0}),
        ("135", set(SecurityClass) - {SecurityClass.NONE}),
    ],
)
def test_the_requested_classes_are_told(keys: str, classes: set[SecurityClass]) -> None:
    assert read_sticker(qr(keys=keys)).requested == classes


def test_what_the_code_tells_of_the_product_is_told() -> None:
    sticker = read_sticker(qr(blocks=(*PRODUCT, INTERVAL, UUID, PROTOCOLS)))
    assert (sticker.manufacturer_code, sticker.model) == (0x0086, "0002:0064")
    assert sticker.product == Product(
        generic_class=0x11,
        specific_class=0x01,
        icon=0x0601,
        product_type=2,
        product_id=100,
        version="1.10",
        request_interval=640,
        uuid="000102030405060708090a0b0c0d0e0f",
    )
    least = read_sticker(qr(blocks=PRODUCT))
    assert least.product is not None
    assert (least.product.request_interval, least.product.uuid, least.long_range) == (None, None, False)


@pytest.mark.parametrize(
    ("mask", "long_range"),
    [
        ("01", False),
        ("02", True),
        ("003", True),
        ("255", True),
        ("001", False),
        ("00002", True),
        ("65533", False),
    ],
)
def test_long_range_is_a_bit_of_the_protocols(mask: str, *, long_range: bool) -> None:
    assert read_sticker(qr(blocks=(*PRODUCT, block(4, mask)))).long_range is long_range


@pytest.mark.parametrize(
    "text",
    [
        f" {CODE}\r\n",
        f"\ufeff{CODE}",
        " ".join(CODE[i : i + 5] for i in range(0, len(CODE), 5)),
        "\n".join(CODE[i : i + 30] for i in range(0, len(CODE), 30)),
        f"QR code: {CODE}",
        f"SmartStart {CODE}",
        f"Z-Wave QR: {CODE}",
    ],
)
def test_blanks_and_words_around_it_do_not_matter(text: str) -> None:
    assert read_sticker(text) == read_sticker(CODE)


# Every row that is refused has a neighbour that is read.
READ = {
    "the product's fields the other way round": qr(blocks=(PRODUCT_ID, PRODUCT_TYPE)),
    "critical, and understood": qr(blocks=(block(0, "0435301537", critical=True), PRODUCT_ID)),
    "unknown, not critical": qr(blocks=(*PRODUCT, block(9, "123"))),
    "unknown, empty": qr(blocks=(*PRODUCT, block(49, ""))),
    "a UUID in another presentation": qr(blocks=(*PRODUCT, block(3, "06" + fives(bytes(16))))),
    "an interval of three digits": qr(blocks=(*PRODUCT, block(2, "005"))),
    "a PIN of zeros, which the checksum confirms": qr(bytes(2) + DSK[2:]),
    "largest numbers": qr(
        b"\xff" * 16, blocks=(block(0, "65535" * 2), block(1, "65535" * 4), block(3, "00" + "65535" * 8))
    ),
}
REFUSED = {
    "a later version": (qr(version="02"), "later kind"),
    "wrong checksum": (CODE[:4] + f"{(int(CODE[4:9]) + 1) % 65536:05d}" + CODE[9:], "checksum"),
    "checksum too large": (CODE[:4] + "99999" + CODE[9:], "checksum"),
    "cut": (CODE[:-1], "checksum"),
    "digits behind": (CODE + "12", "checksum"),
    "unknown security class": (qr(keys="008"), "security class"),
    "keys too large": (qr(keys="263"), "security class"),
    "group of the DSK too large": (
        sealed("01", "003" + "65536" + fives(DSK)[5:] + "".join(PRODUCT)),
        "Group 1",
    ),
    "no product type": (qr(blocks=(PRODUCT_ID,)), "which product"),
    "no product id": (qr(blocks=(PRODUCT_TYPE,)), "which product"),
    "product id too short": (qr(blocks=(PRODUCT_TYPE, block(1, "0013400002"))), "which product"),
    "unknown, critical": (qr(blocks=(*PRODUCT, block(9, "123", critical=True))), "must not ignore"),
    "a UUID in another presentation, critical": (
        qr(blocks=(*PRODUCT, block(3, "06" + fives(bytes(16)), critical=True))),
        "must not ignore",
    ),
    "an interval of three digits, critical": (
        qr(blocks=(*PRODUCT, block(2, "005", critical=True))),
        "must not ignore",
    ),
    "product type too large": (qr(blocks=(block(0, "6553600000"), PRODUCT_ID)), "larger than its field"),
    "product id too large": (
        qr(blocks=(PRODUCT_TYPE, block(1, "0" * 15 + "65536"))),
        "larger than its field",
    ),
    "UUID too large": (qr(blocks=(*PRODUCT, block(3, "00" + "65536" + "0" * 35))), "larger than its field"),
    "protocols too large": (qr(blocks=(*PRODUCT, block(4, "256"))), "larger than its field"),
    "protocols of two bytes too large": (qr(blocks=(*PRODUCT, block(4, "65536"))), "larger than its field"),
    "a field cut": (qr(blocks=(*PRODUCT, "0803")), "middle of a field"),
    "a header cut": (qr(blocks=(*PRODUCT, "080")), "middle of a field"),
    "one digit of a header": (qr(blocks=(*PRODUCT, "0")), "middle of a field"),
    "no fields": (qr(blocks=()), "beginning of a Z-Wave QR code"),
    "cut within the DSK": (CODE[:45], "beginning of a Z-Wave QR code"),
    "cut at as many digits as a DSK": (CODE[:40], "beginning of a Z-Wave QR code"),
    "another lead-in": ("91" + CODE[2:], "no install code and no QR code"),
    "letter O": (CODE.replace("0", "O"), "letter O, I, L or Q"),
}


@pytest.mark.parametrize("text", READ.values(), ids=READ)
def test_read(text: str) -> None:
    assert read_sticker(text).network is Network.ZWAVE


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(text: str, reason: str) -> None:
    with pytest.raises(StickerError, match=reason) as caught:
        read_sticker(text)
    told = str(caught.value).replace("65535", "")
    assert not [text[i : i + 4] for i in range(len(text) - 3) if text[i : i + 4] in told]


def test_decimal_digits_that_a_crc_confirms_are_an_install_code() -> None:
    # As many digits as the head of a Z-Wave QR code, and they begin as one.
    address, code = "9012345678901234", "100000000000000000000000012345685529"
    assert checksum(bytes.fromhex(code[:-4])).to_bytes(2, "little").hex() == code[-4:]
    assert read_sticker(address + code).device == "90:12:34:56:78:90:12:34"
    with pytest.raises(StickerError, match="beginning of a Z-Wave QR code"):
        read_sticker(address + code[:-1] + str((int(code[-1]) + 1) % 10))


def test_the_device_that_is_named_is_the_one_of_the_code() -> None:
    assert read_sticker(CODE, device=TAIL).device == TAIL
    with pytest.raises(StickerError, match="another device"):
        read_sticker(CODE, device=printed(bytes(16))[6:])


def test_every_wrong_digit_behind_the_version_is_caught() -> None:
    """All of them, in many codes that stay the same: a checksum of 16 bits can't promise it for every code there is."""
    rng = random.Random(13937)
    tried = 0
    for _ in range(6):
        code = qr(rng.randbytes(16), blocks=rng.choice([PRODUCT, (*PRODUCT, PROTOCOLS), (*PRODUCT, UUID)]))
        assert read_sticker(code).checked
        for at in range(len(code)):
            for digit in "0123456789".replace(code[at], ""):
                wrong = code[:at] + digit + code[at + 1 :]
                if at == 3 and digit == "0":
                    # The checksum doesn't cover it. The device is the same, and is then put into inclusion by hand.
                    assert read_sticker(wrong).form is Form.QR_S2
                    continue
                tried += 1
                with pytest.raises(StickerError):
                    read_sticker(wrong)
    assert tried > 5_000


kinds = st.integers(0, 49)
values = st.text("0123456789", max_size=45)
any_block = st.builds(
    lambda kind, value, critical: block(kind, value, critical=critical), kinds, values, st.booleans()
)


@given(
    st.sampled_from(["00", "01"]),
    st.text("0123456789", min_size=3, max_size=3) | st.just("003"),
    st.binary(min_size=16, max_size=16),
    st.lists(st.sampled_from([*PRODUCT, INTERVAL, UUID, PROTOCOLS]) | any_block, max_size=6),
    st.text("0123456789", max_size=5),
)
def test_any_code_is_a_sticker_of_its_dsk_or_a_sticker_error(
    version: str, keys: str, dsk: bytes, blocks: list[str], rest: str
) -> None:
    with contextlib.suppress(StickerError):
        sticker = read_sticker(sealed(version, keys + fives(dsk) + "".join(blocks) + rest))
        assert sticker.credential.reveal() == dsk
        assert sticker.smart_start is (version == "01")


@given(
    st.text("0123456789", max_size=160).map("90".__add__) | st.text("0123456789 -:qrcodesmt", max_size=160)
)
def test_any_digits_are_a_sticker_or_a_sticker_error(text: str) -> None:
    with contextlib.suppress(StickerError):
        assert isinstance(read_sticker(text), Sticker)
