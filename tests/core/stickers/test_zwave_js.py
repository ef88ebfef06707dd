"""Z-Wave QR codes, as zwave-js reads them: the same verdict, the same DSK, the same everything.

It needs Node.js and the packages of the emulated Z-Wave house, which it finds, or installs once, as that does.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hubsec.errors import StickerError
from hubsec.identity import Network, SecurityClass
from hubsec.stickers import Form, read_sticker
from hubsec_emulated.errors import EmulationError
from hubsec_emulated.zwave.node import find_modules, find_node
from tests.core.stickers.zwave_codes import (
    INTERVAL,
    PRODUCT,
    PRODUCT_ID,
    PRODUCT_TYPE,
    PROTOCOLS,
    UUID,
    block,
    fives,
    printed,
    qr,
    sealed,
)

# A list of texts comes in, and what was made of each goes out: null where it was refused.
PROGRAM = """
const load = require("module").createRequire(process.argv[1] + "/texts.js");
const { parseQRCodeString } = load("@zwave-js/core/qr");
const { tryParseDSKFromQRCodeString } = load("@zwave-js/core/dsk");
const texts = JSON.parse(require("fs").readFileSync(0, "utf8"));
(async () => {
    const told = [];
    for (const text of texts) {
        const dsk = tryParseDSKFromQRCodeString(text);
        told.push(dsk ? { dsk } : await parseQRCodeString(text).catch((error) => {
            if (error.code !== 1406) throw error;
            return null;
        }));
    }
    console.log(JSON.stringify(told));
})();
"""
CLASSES = {
    0: SecurityClass.S2_UNAUTHENTICATED,
    1: SecurityClass.S2_AUTHENTICATED,
    2: SecurityClass.S2_ACCESS_CONTROL,
    7: SecurityClass.S0,
}
LONG_RANGE = 1
LENGTHS = {0: {10}, 1: {20}, 2: {2}, 3: {42}, 4: {2, 3, 5}}

Told = dict[str, Any] | None
Oracle = Callable[[list[str]], list[Told]]


@pytest.fixture(scope="module")
def zwave_js() -> Oracle:
    """What zwave-js makes of texts."""
    try:
        found = find_node()
        folder = asyncio.run(find_modules(found))
    except EmulationError as error:
        # Without Node.js there is no zwave-js to ask. Where nothing may be skipped this is a failure.
        pytest.skip(f"zwave-js can't be asked: {error}")
    node = found.program

    def ask(texts: list[str]) -> list[Told]:
        answer = subprocess.run(
            [str(node), "-e", PROGRAM, str(folder.resolve())],
            input=json.dumps(texts),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert answer.returncode == 0, answer.stderr
        told: list[Told] = json.loads(answer.stdout)
        assert len(told) == len(texts)
        return told

    return ask


def ours(text: str) -> Told:
    """What hubsec makes of it, in zwave-js' words."""
    try:
        sticker = read_sticker(text)
    except StickerError:
        return None
    assert sticker.network is Network.ZWAVE
    told: dict[str, Any] = {"dsk": printed(sticker.credential.reveal())}
    if sticker.form is Form.DSK:
        return told
    product = sticker.product
    assert product is not None
    told |= {
        "version": int(sticker.smart_start),
        "classes": sticker.requested,
        "long_range": sticker.long_range,
        "manufacturerId": sticker.manufacturer_code,
        "genericDeviceClass": product.generic_class,
        "specificDeviceClass": product.specific_class,
        "installerIconType": product.icon,
        "productType": product.product_type,
        "productId": product.product_id,
        "applicationVersion": product.version,
        "maxInclusionRequestInterval": product.request_interval,
        "uuid": product.uuid,
    }
    return told


def theirs(told: Told) -> Told:
    """What zwave-js made of it, with the same names."""
    if told is None or "version" not in told:
        return told
    told["classes"] = frozenset(CLASSES[bit] for bit in told.pop("requestedSecurityClasses"))
    assert frozenset(CLASSES[bit] for bit in told.pop("securityClasses")) == told["classes"]
    told["long_range"] = LONG_RANGE in told.pop("supportedProtocols", ())
    told = {"maxInclusionRequestInterval": None, "uuid": None} | told
    # What it did not understand it hands on under the number's name.
    return {name: value for name, value in told.items() if name != "undefined" and not name[0].isupper()}


def codes(rng: random.Random) -> Iterator[str]:
    """QR codes, most of them right."""
    optional = [INTERVAL, UUID, PROTOCOLS, block(4, "01"), block(4, "00002"), block(2, "99"), block(4, "000")]
    strange = [
        block(9, "123"),
        block(5, ""),
        block(27, "0101", critical=True),
        block(3, "04" + fives(rng.randbytes(16))),
        block(3, "06" + fives(rng.randbytes(16)), critical=True),
        block(1, "99999" * 4),
        block(4, "999"),
    ]
    while True:
        blocks = [
            block(0, fives(rng.randbytes(4)), critical=rng.random() < 0.2),
            block(1, fives(rng.randbytes(8)), critical=rng.random() < 0.2),
            *rng.sample(optional, rng.randrange(3)),
            *rng.sample(strange, int(rng.random() < 0.25)),
        ]
        rng.shuffle(blocks)
        if rng.random() < 0.1:
            blocks.pop()
        keys = rng.choice(["001", "003", "007", "135", "128", f"{rng.randrange(1000):03d}"])
        version = rng.choice(["00", "01", "01", "01", f"{rng.randrange(100):02d}"])
        yield qr(rng.randbytes(16), version=version, keys=keys, blocks=blocks)


def damaged(code: str, rng: random.Random) -> str:
    """The same with a slip in it, and sometimes with a checksum that is right all the same."""
    at = rng.randrange(1, len(code) - 1)
    digit = rng.choice("0123456789")
    wrong = rng.choice(
        [
            code[:at] + digit + code[at + 1 :],
            code[:at] + digit + code[at:],
            code[:at] + code[at + 1 :],
            code[: at - 1] + code[at] + code[at - 1] + code[at + 1 :],
            code[: max(at, 60)],
        ]
    )
    return sealed(wrong[2:4], wrong[9:]) if rng.random() < 0.5 else wrong


def has_odd_lengths(code: str) -> bool:
    """Whether a field that both know has another length than it ought to."""
    rest = code[52:]
    while len(rest) >= 4:
        kind, length = int(rest[:2]) >> 1, int(rest[2:4])
        if length not in LENGTHS.get(kind, {length}):
            return True
        rest = rest[4 + length :]
    return False


@pytest.mark.parametrize("seed", range(3))
def test_codes_right_and_damaged_are_read_alike(zwave_js: Oracle, seed: int) -> None:
    rng = random.Random(seed)
    texts = []
    for code, _ in zip(codes(rng), range(700), strict=False):
        texts.append(code)
        wrong = damaged(code, rng)
        # Two things are told apart below: fields of odd lengths, and codes within longer texts.
        if not has_odd_lengths(wrong) and code not in wrong:
            texts.append(wrong)
    for text, told in zip(texts, zwave_js(texts), strict=True):
        assert ours(text) == theirs(told), text
    taken = sum(ours(text) is not None for text in texts)
    assert len(texts) > 1000
    assert 300 < taken < len(texts) - 300


ALIKE = {
    "s2": qr(version="00"),
    "all fields": qr(blocks=(*PRODUCT, INTERVAL, UUID, PROTOCOLS)),
    "zeros": qr(bytes(16)),
    "largest": qr(b"\xff" * 16),
    "other order": qr(blocks=(PRODUCT_ID, PRODUCT_TYPE)),
    "twice the same": qr(blocks=(*PRODUCT, block(1, "0" * 20), block(4, "01"), PROTOCOLS)),
    "blanks around": f" {qr()}\r\n",
    "blanks within": " ".join(qr()),
    "printed": printed(bytes(range(1, 17))),
    "printed, marked": f"zws2dsk:{printed(bytes(range(1, 17)))}",
    "printed, a group too large": "34028-23669-20938-46346-33746-07431-56821-65536",
    "printed, without PIN": "23669-20938-46346-33746-07431-56821-14553",
}
# A checksum of 16 bits that fits a part of the digits, a number that is none, a PIN that somebody blanked.
ONLY_ZWAVE_JS_TAKES = {
    "digits behind it": qr() + "12",
    "digits before it": "12" + qr(),
    "a product id without its end": qr(blocks=(PRODUCT_TYPE, block(1, "00134"))),
    "a critical field of an odd length": qr(blocks=(*PRODUCT, block(2, "005", critical=True))),
    "a PIN of zeros": "00000-23669-20938-46346-33746-07431-56821-14553",
}
ONLY_HUBSEC_TAKES = {
    "dashes": "-".join(qr()),
    "dashes and blanks": " - ".join(qr()),
    "dots": ".".join(qr()),
    "a word": f"QR code: {'-'.join(qr())}",
    "a printed DSK with blanks": printed(bytes(range(1, 17)), " "),
    "a printed DSK with a word": f"DSK: {printed(bytes(range(1, 17)))}",
}


def test_chosen_texts_are_read_alike(zwave_js: Oracle) -> None:
    for text, told in zip(ALIKE.values(), zwave_js([*ALIKE.values()]), strict=True):
        assert ours(text) == theirs(told), text


def test_where_the_two_differ(zwave_js: Oracle) -> None:
    """Said row by row, so that a change of either shows."""
    differ = ONLY_ZWAVE_JS_TAKES | ONLY_HUBSEC_TAKES
    told = dict(zip(differ, zwave_js([*differ.values()]), strict=True))
    assert {name for name in differ if told[name] is not None} == set(ONLY_ZWAVE_JS_TAKES)
    assert {name for name in differ if ours(differ[name]) is not None} == set(ONLY_HUBSEC_TAKES)
