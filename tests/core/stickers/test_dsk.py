"""Printed DSKs: every spelling that is read, beside those that are refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from hubsec.errors import StickerError
from hubsec.identity import Network
from hubsec.stickers import Form, Sticker, read_sticker
from tests.core.stickers.zwave_codes import DSK, PIN, PRINTED, TAIL, printed

PLAIN = PRINTED.replace("-", "")
HEX = DSK.hex()
EUI64 = "00:12:4b:00:01:02:03:04"

READ = {
    "as printed": PRINTED,
    "blanks": PRINTED.replace("-", " "),
    "dots": PRINTED.replace("-", "."),
    "en dashes": PRINTED.replace("-", "\u2013"),
    "wide digits": PRINTED.translate({ord("0") + n: 0xFF10 + n for n in range(10)}),
    "a group on each line": PRINTED.replace("-", "\n"),
    "two lines": PRINTED.replace("33746-", "33746-\n"),
    "digits alone": PLAIN,
    "in fours": " ".join(PLAIN[i : i + 4] for i in range(0, 40, 4)),
    "in brackets": f"({PRINTED})",
    "word": f"DSK: {PRINTED}",
    "word, no colon": f"DSK {PRINTED}",
    "word, no blank": f"DSK:{PLAIN}",
    "word joined": f"DSK{PRINTED}",
    "words": f"Z-Wave S2 DSK = {PRINTED}",
    "word, long": f"Device Specific Key:\n{PRINTED}",
    "the text of a DSK's own QR code": f"zws2dsk:{PRINTED}",
    "hex": f"DSK: {HEX}",
    "hex in pairs": "DSK " + ":".join(f"{byte:02x}" for byte in DSK),
    "hex with 0x": f"DSK 0x{HEX}",
    "PIN before": f"PIN: {PIN}\nDSK: {PRINTED}",
    "PIN behind": f"DSK: {PRINTED}\nPIN: {PIN}",
    "PIN behind, DSK without a word": f"{PRINTED} S2 PIN {PIN}",
    "PIN for all of it": f"PIN: {PRINTED}",
    "PIN apart": f"PIN: {PIN} DSK: {TAIL}",
    "PIN apart, behind": f"DSK: {TAIL}, PIN code: {PIN}",
    "PIN apart, first group hidden": f"DSK: *****-{TAIL}, PIN code: {PIN}",
}


@pytest.mark.parametrize("text", READ.values(), ids=READ)
@pytest.mark.parametrize("case", [str, str.lower, str.upper], ids=["as is", "lower", "upper"])
@pytest.mark.parametrize("around", ["{}", "  {}\r\n", "\ufeff{}\u200b"], ids=["bare", "blanks", "invisible"])
def test_read(text: str, case: type[str], around: str) -> None:
    sticker = read_sticker(around.format(case(text)))
    assert (sticker.network, sticker.form, sticker.device) == (Network.ZWAVE, Form.DSK, TAIL)
    assert sticker.credential.reveal() == DSK
    assert sticker.install_code is None
    assert not sticker.ready_key
    assert not sticker.checked
    assert not sticker.smart_start
    assert not sticker.long_range
    assert sticker.requested == frozenset()
    assert (sticker.product, sticker.model, sticker.manufacturer_code) == (None, None, None)


PIN_MISSING = "first five digits of the DSK, the PIN, are missing"
REFUSED = {
    "seven groups": (TAIL, PIN_MISSING),
    "seven groups, joined": (TAIL.replace("-", ""), PIN_MISSING),
    "seven groups, word": (f"DSK: {TAIL}", PIN_MISSING),
    "first group empty": (f"-{TAIL}", PIN_MISSING),
    "first group zeros": (f"00000-{TAIL}", PIN_MISSING),
    "first group zeros, joined": ("00000" + TAIL.replace("-", ""), PIN_MISSING),
    "first group zeros, hex": (f"DSK: 0000{HEX[4:]}", PIN_MISSING),
    "first group stars": (f"*****-{TAIL}", PIN_MISSING),
    "first group X": (f"XXXXX-{TAIL}", PIN_MISSING),
    "first group question marks, word": (f"DSK: ?????-{TAIL}", PIN_MISSING),
    "first group underscores": (f"_____-{TAIL}", PIN_MISSING),
    "first group dashes": (f"----- {TAIL}", PIN_MISSING),
    "PIN of another device": (f"PIN: 34029 DSK: {PRINTED}", "PIN is not the one of the DSK"),
    "PIN too short": (f"PIN: 3402 DSK: {TAIL}", "PIN of a Z-Wave device is the first five digits"),
    "PIN in letters": (f"PIN: abcde DSK: {TAIL}", "PIN of a Z-Wave device is the first five digits"),
    "PIN alone": (f"PIN: {PIN}", "PIN without its DSK"),
    "word alone": ("DSK:", "The DSK is missing"),
    "two DSKs": (f"DSK: {PRINTED} DSK: {PRINTED}", "more than one DSK or PIN"),
    "something before": (f"{EUI64} DSK: {PRINTED}", "give the DSK alone"),
    "first group too large": ("6" + PRINTED[1:].replace("4028", "5536", 1), "Group 1 of the DSK is larger"),
    "last group too large": (PRINTED[:-5] + "65536", "Group 8 of the DSK is larger"),
    "group too large, joined": (PLAIN[:35] + "99999", "Group 8 of the DSK is larger"),
    "a digit short": (PRINTED[:-1], "this one has 39"),
    "a zero left out": (PRINTED.replace("-0", "-"), "this one has 39"),
    "a digit short, word": (f"DSK: {PLAIN[:-1]}", "this one has 39"),
    "a digit long, word": (f"DSK: {PRINTED}1", "this one has 41"),
    "six groups": (PRINTED[:35], "this one has 30"),
    "nine groups": (f"{PRINTED}-00001", "this one has 45"),
    "32 digits behind the word": (f"DSK: {PLAIN[:32]}", "this one has 32"),
    "hex, a digit short": (f"DSK: {HEX[:-1]}", "has 31 hex digits"),
    "hex, forty digits": (f"DSK: {HEX}00000000", "has 40 hex digits"),
    "letter O": (PRINTED.replace("0", "O"), "letter O, I, L or Q"),
    "letter l, joined": (PLAIN.replace("1", "l"), "letter O, I, L or Q"),
    "letter I, word": (f"DSK: {PRINTED.replace('1', 'I')}", "letter O, I, L or Q"),
    "letter G": (f"DSK: G{PRINTED[1:]}", "other characters"),
    "32 hex digits without the word": (HEX, "install code without the four digits of its CRC"),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(text: str, reason: str) -> None:
    with pytest.raises(StickerError, match=reason) as caught:
        read_sticker(text)
    # No four digits of the text, other than what a reason says of any DSK.
    told = str(caught.value).replace("65535", "").replace("40 digits", "")
    spelled = "".join(c for c in text if c.isalnum())
    assert not [
        spelled[i : i + 4]
        for i in range(len(spelled) - 3)
        if spelled[i : i + 4] in told and spelled[i].isdigit()
    ]


def test_the_device_that_is_named_is_the_one_of_the_dsk() -> None:
    for named in (TAIL, PRINTED, f" {TAIL}\n"):
        assert read_sticker(PRINTED, device=named).addressed() == TAIL
    with pytest.raises(StickerError, match="another device"):
        read_sticker(PRINTED, device=TAIL[:-1] + "4")
    with pytest.raises(StickerError, match="another device"):
        read_sticker(PRINTED, device="c0ffee01:12")
    with pytest.raises(StickerError, match="named by its DSK"):
        read_sticker(PRINTED, device="lamp")


def test_a_device_of_the_other_network_is_refused_by_name() -> None:
    with pytest.raises(StickerError, match="a Z-Wave sticker, and device= names a Zigbee device"):
        read_sticker(PRINTED, device=EUI64)
    with pytest.raises(StickerError, match="a Zigbee sticker, and device= names a Z-Wave device"):
        read_sticker("83FED3407A939723A5C639B26916D505C3B5", device=TAIL)


def test_words_of_z_wave_in_a_zigbee_code_change_nothing() -> None:
    for text in (
        "G$M:DSK-7%Z:00124B0001020304$I:83FED3407A939723A5C639B26916D505C3B5",
        "HUE:Z:83FED3407A939723A5C639B26916D505C3B5 M:00124B0001020304 D:PIN",
    ):
        assert read_sticker(text).device == EUI64
    # A PIN may be of anything; what it stands beside is not a DSK.
    with pytest.raises(StickerError, match="no install code and no QR code"):
        read_sticker("83FED3407A939723A5C639B26916D505C3B5 PIN: 1234")


dsks = st.binary(min_size=16, max_size=16).filter(lambda dsk: any(dsk[:2]))
separators = st.sampled_from(["-", " ", "\n", ".", " - ", "\u2011", "\u00a0", ""])
words = st.sampled_from(["", "DSK: ", "dsk ", "zws2dsk:", "S2 DSK=", "Device Specific Key\n"])


@given(dsks, separators, words)
def test_every_dsk_is_read_back(dsk: bytes, between: str, word: str) -> None:
    sticker = read_sticker(word + printed(dsk, between))
    assert sticker.credential.reveal() == dsk
    assert sticker.device == printed(dsk)[6:]


@given(dsks)
def test_every_dsk_in_hex_is_read_back(dsk: bytes) -> None:
    # Thirty-two decimal digits are far likelier the beginning of a DSK.
    assume(not dsk.hex().isdecimal())
    assert read_sticker(f"DSK: {dsk.hex()}").credential.reveal() == dsk


@given(dsks)
def test_no_dsk_is_taken_without_its_pin(dsk: bytes) -> None:
    for text in (printed(dsk)[6:], "00000-" + printed(dsk)[6:], "XXXXX-" + printed(dsk)[6:]):
        for word in ("", "DSK: "):
            with pytest.raises(StickerError, match=PIN_MISSING):
                read_sticker(word + text)


@given(dsks, st.integers(0, 39), st.integers(1, 9))
def test_a_wrong_digit_is_noticed_where_its_group_gets_too_large(dsk: bytes, at: int, by: int) -> None:
    """And nowhere else: a DSK has no checksum. It is then another device's."""
    plain = printed(dsk, "")
    wrong = plain[:at] + str((int(plain[at]) + by) % 10) + plain[at + 1 :]
    start = at - at % 5
    number = int(wrong[start : start + 5])
    if number > 65535:
        with pytest.raises(StickerError, match=f"Group {start // 5 + 1} of the DSK"):
            read_sticker(wrong)
    elif not int(wrong[:5]):
        with pytest.raises(StickerError, match=PIN_MISSING):
            read_sticker(wrong)
    else:
        sticker = read_sticker(wrong)
        assert sticker.credential.reveal() != dsk
        assert not sticker.checked


@given(
    st.text("0123456789abcdefxXoOlL?*#-: \nDSKPINzw2,;|()", max_size=90),
    st.none() | st.just(TAIL) | st.text(max_size=20),
)
@example("DSK", None)
@example("PIN", None)
@example("PIN DSK", None)
@example("DSK: ?", None)
@example("DSK 0x", None)
@example("*****-", None)
@example("-" * 90, None)
@example("٣" * 40, None)
@example("DSK " + "\u00b2" * 40, None)
def test_any_text_is_a_sticker_or_a_sticker_error(text: str, device: str | None) -> None:
    with contextlib.suppress(StickerError):
        assert isinstance(read_sticker(text, device=device), Sticker)


@pytest.mark.parametrize("text", READ.values(), ids=READ)
def test_nothing_shows_the_pin(text: str) -> None:
    sticker = read_sticker(text)
    shown = f"{sticker!r} {sticker}"
    assert PIN not in shown
    assert HEX[:4] not in shown
