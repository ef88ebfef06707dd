"""Every spelling of a Zigbee sticker that is read, beside those that are refused, and why.

All addresses and codes are made up; the one code with a known key is the specification's own.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import traceback
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hubsec.errors import StickerError
from hubsec.identity import Network
from hubsec.stickers import Form, Sticker, checksum, read_sticker
from tests.core.stickers.zwave_codes import DSK, TAIL

PAGE = Path(__file__).parents[3] / "docs" / "stickers.md"
CODE = "83FED3407A939723A5C639B26916D505C3B5"
KEY = "66B6900981E1EE3CA4206B6B861C02BB"
SHORT = {6: "111213141516DA8D", 8: "1112131415161718B1B6", 12: "1112131415161718191A1B1C9BBA"}
ADDRESS = "00124B0001020304"
DEVICE = "00:12:4b:00:01:02:03:04"
OTHER = "00:12:4b:00:01:02:03:05"
PREFIX = "RB01SG0D8310182648001" + "0" * 19

# Form, text, device. Each is also read in other cases and with other separators, below.
READ = {
    "code alone": (Form.PLAIN, CODE, None),
    "in fours": (Form.PLAIN, "83FE D340 7A93 9723 A5C6 39B2 6916 D505 C3B5", None),
    "with dashes": (Form.PLAIN, "83FE-D340-7A93-9723-A5C6-39B2-6916-D505-C3B5", None),
    "with an en dash": (Form.PLAIN, "83FE\u2013D340\u20137A93\u20139723\u2013A5C639B26916D505C3B5", None),
    "wide digits": (Form.PLAIN, "\uff18\uff13FED3407A939723A5C639B26916D505C3B5", None),
    "bytes with 0x": (Form.PLAIN, " ".join(f"0x{b:02X}" for b in bytes.fromhex(CODE)), None),
    "two lines": (Form.PLAIN, "83FE D340 7A93 9723\nA5C6 39B2 6916 D505 C3B5", None),
    "eights": (Form.PLAIN, "83FED3407A939723 A5C639B26916D505 C3B5", None),
    "address before": (Form.PLAIN, f"{ADDRESS} {CODE}", DEVICE),
    "address before, grouped": (Form.PLAIN, f"{DEVICE} 83FE D340 7A93 9723 A5C6 39B2 6916 D505 C3B5", DEVICE),
    "address before, on a line": (Form.PLAIN, f"{DEVICE}\n{CODE}\n", DEVICE),
    "address before, joined": (Form.PLAIN, ADDRESS + CODE, DEVICE),
    "address after": (Form.PLAIN, f"{CODE} {ADDRESS}", DEVICE),
    "address after, grouped": (Form.PLAIN, f"83FE D340 7A93 9723 A5C6 39B2 6916 D505 C3B5, {DEVICE}", DEVICE),
    "in words": (Form.PLAIN, f"EUI64: {ADDRESS} Install Code: {CODE}", DEVICE),
    "in words, lines": (
        Form.PLAIN,
        f"MAC {DEVICE}\nCODE 83FE D340 7A93 9723\nA5C6 39B2 6916 D505 C3B5",
        DEVICE,
    ),
    "in words, turned": (Form.PLAIN, f"Install code={CODE}; IEEE address={ADDRESS}", DEVICE),
    "one word, address loose": (Form.PLAIN, f"{ADDRESS} install-code {CODE}", DEVICE),
    "one word, code loose": (Form.PLAIN, f"{CODE} EUI-64: {ADDRESS}", DEVICE),
    "one word for both": (Form.PLAIN, f"EUI64: {ADDRESS} {CODE}", DEVICE),
    "one word, code alone": (Form.PLAIN, f"Install code: {CODE}", None),
    "pipe": (Form.PLAIN, f"{ADDRESS}|{CODE}", DEVICE),
    "pipes around": (Form.PLAIN, f"|{ADDRESS}|{CODE}|", DEVICE),
    "fields": (Form.FIELDS, f"Z:{ADDRESS}$I:{CODE}", DEVICE),
    "fields, more": (
        Form.FIELDS,
        f"Z:{ADDRESS}$I:{CODE}$D:202%B:00124B020304$P:613727%M:1220$F:0024",
        DEVICE,
    ),
    "fields, general first": (Form.FIELDS, f"G$M:LAMP-7%Z:{ADDRESS}$I:{CODE}%M:1246", DEVICE),
    "fields, address in A": (
        Form.FIELDS,
        f"G$M:69999$S:680S00000001$D:0000000010000001%Z$A:{ADDRESS}$I:{CODE}",
        DEVICE,
    ),
    "fields, no general": (Form.FIELDS, f"Z$A:{ADDRESS}$I:{CODE}", DEVICE),
    "fields, no address": (Form.FIELDS, f"Z$I:{CODE}", None),
    "hue": (Form.HUE, f"HUE:Z:{CODE} M:{ADDRESS} D:L3B A:1184", DEVICE),
    "hue, two fields": (Form.HUE, f"HUE:Z:{CODE} M:{ADDRESS}", DEVICE),
    "dlk": (Form.DLK, f"{PREFIX}{ADDRESS}DLK{CODE}", DEVICE),
}


@pytest.mark.parametrize(("form", "text", "device"), READ.values(), ids=READ)
@pytest.mark.parametrize("case", [str, str.lower, str.upper], ids=["as is", "lower", "upper"])
@pytest.mark.parametrize("around", ["{}", "  {}\r\n", "\ufeff{}\u200b"], ids=["bare", "blanks", "invisible"])
def test_read(form: Form, text: str, device: str | None, case: type[str], around: str) -> None:
    sticker = read_sticker(around.format(case(text)))
    assert (sticker.form, sticker.device, sticker.network) == (form, device, Network.ZIGBEE)
    assert sticker.credential.reveal().hex().upper() == KEY
    assert sticker.install_code is not None
    assert sticker.install_code.reveal().hex().upper() == CODE
    assert not sticker.ready_key


# What is refused, and a word of the reason. No row is without its neighbour in READ.
REFUSED = {
    "empty": ("", "empty"),
    "blanks": (" \n\t", "empty"),
    "separators": ("--- : ---", "no install code in the text"),
    "words": ("hello world", "no install code and no QR code"),
    "labels alone": ("EUI64: install code:", "install code is missing"),
    "too long": ("8" * 1025, "longer than 1024"),
    "far too many digits": ("8" * 200, "no install code and no QR code"),
    "one digit changed": ("93FED3407A939723A5C639B26916D505C3B5", "one character may be mistyped"),
    "one digit changed, address before": (f"{ADDRESS} {CODE[:-1]}6", "one character may be mistyped"),
    "one digit changed, fields": (f"Z:{ADDRESS}$I:9{CODE[1:]}", "one character may be mistyped"),
    "one digit changed, hue": (f"HUE:Z:9{CODE[1:]} M:{ADDRESS}", "one character may be mistyped"),
    "one digit changed, dlk": (f"{PREFIX}{ADDRESS}DLK9{CODE[1:]}", "one character may be mistyped"),
    "crc swapped": (CODE[:-4] + "B5C3", "swapped"),
    "crc missing": (CODE[:-4], "without the four digits of its CRC"),
    "crc missing, address before": (f"{ADDRESS}|{CODE[:-4]}", "the last four, the CRC, seem to be missing"),
    "crc missing, fields": (f"Z:{ADDRESS}$I:{CODE[:-4]}", "the CRC, may be missing"),
    "crc missing, 12 bytes": (SHORT[12][:-4], "the CRC, may be missing"),
    "a digit short": (CODE[:-1], "this one has 35"),
    "a digit long": (CODE + "0", "this one has 37"),
    "a digit short, dlk": (f"{PREFIX}{ADDRESS}DLK{CODE[:-1]}", "this one has 35"),
    "letter O": (CODE.replace("0", "O"), "letter O, I, L or Q"),
    "letter l": (CODE.replace("1", "l"), "letter O, I, L or Q"),
    "letter O, fields": (f"Z:{ADDRESS}$I:{CODE.replace('0', 'O')}", "letter O, I, L or Q"),
    "letter G": ("G" + CODE[1:], "no install code and no QR code"),
    "address alone": (ADDRESS, "an address without its install code"),
    "address alone, in words": (f"EUI64: {ADDRESS}", "an address without its install code"),
    "address too short": (f"Z:{ADDRESS[:-1]}$I:{CODE}", "this one has 15"),
    "address of nobody": (f"Z:{'F' * 16}$I:{CODE}", "no device"),
    "fields without a code": (f"Z:{ADDRESS}$D:202", "no install code in it"),
    "fields with an empty code": (f"Z:{ADDRESS}$I:", "missing"),
    "hue without a code": (f"HUE:M:{ADDRESS} D:L3B", "no install code in it"),
    "dlk, prefix short": (f"{PREFIX[1:]}{ADDRESS}DLK{CODE}", "56 in all; here there are 55"),
    "two codes": (f"install code {CODE} install code {CODE}", "the same thing twice"),
    "two addresses": (f"{ADDRESS} EUI64 {ADDRESS} install code {CODE}", "the same thing twice"),
    "code and key": (f"install code {CODE} link key {KEY}", "give one of them"),
    "link key too long": (f"link key {KEY}0", "32 hex digits; this one has 33"),
    "matter": ("MT:Y.K9042C00KA0648G00", "Matter"),
    "homekit": ("X-HM://0023ISYWY0000", "HomeKit"),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(text: str, reason: str) -> None:
    with pytest.raises(StickerError, match=reason) as caught:
        read_sticker(text)
    assert caught.value.reason == str(caught.value)


@pytest.mark.parametrize("size", SHORT)
def test_short_codes_are_read_alone_and_behind_an_address(size: int) -> None:
    code = SHORT[size]
    for text in (code, f"{ADDRESS} {code}", f"Z:{ADDRESS}$I:{code}", f"install code: {code} mac: {ADDRESS}"):
        sticker = read_sticker(text)
        assert sticker.install_code is not None
        assert sticker.install_code.reveal().hex().upper() == code
        assert sticker.device == (None if text == code else DEVICE)


def test_a_code_of_six_bytes_and_an_address_are_told_apart_by_the_crc() -> None:
    for text in (f"{ADDRESS}|{SHORT[6]}", f"{SHORT[6]}|{ADDRESS}", ADDRESS + SHORT[6]):
        assert read_sticker(text).device == DEVICE
    with pytest.raises(StickerError, match="short install code with a wrong CRC"):
        read_sticker(f"{ADDRESS}|{SHORT[6][:-1]}0")


def test_two_right_readings_are_refused_until_words_say_which() -> None:
    # Either half is an address, and a code of six bytes with its CRC.
    first, second = (
        SHORT[6],
        "212223242526" + checksum(bytes.fromhex("212223242526")).to_bytes(2, "little").hex(),
    )
    with pytest.raises(StickerError, match="read in two ways"):
        read_sticker(f"{first} {second}")
    sticker = read_sticker(f"code {first} mac {second}")
    assert sticker.install_code is not None
    assert sticker.install_code.reveal().hex().upper() == first


@pytest.mark.parametrize(
    "text",
    [
        f"{PREFIX}{ADDRESS}DLK{KEY}",
        f"link key: {KEY} EUI64: {ADDRESS}",
        f"{ADDRESS} Link Key 66B69009 81E1EE3C A4206B6B 861C02BB",
    ],
)
def test_a_ready_link_key_is_marked_so(text: str) -> None:
    sticker = read_sticker(text)
    assert sticker.ready_key
    assert sticker.install_code is None
    assert sticker.credential.reveal().hex().upper() == KEY
    assert sticker.device == DEVICE


def test_the_device_is_the_callers_where_the_text_names_none() -> None:
    assert read_sticker(CODE, device=ADDRESS).addressed() == DEVICE
    assert read_sticker(f"{ADDRESS}|{CODE}").addressed() == DEVICE
    assert read_sticker(f"{ADDRESS}|{CODE}", device=DEVICE).addressed() == DEVICE
    with pytest.raises(StickerError, match="device="):
        read_sticker(CODE).addressed()
    with pytest.raises(StickerError, match="another device"):
        read_sticker(f"{ADDRESS}|{CODE}", device=OTHER)
    with pytest.raises(StickerError, match="EUI64 is 16 hex digits"):
        read_sticker(CODE, device="lamp")


def test_an_address_printed_backwards_is_turned_round() -> None:
    right, backwards = "00:12:4b:ff:fe:02:03:04", "040302FEFF4B1200"
    turned = read_sticker(f"Z:{backwards}$I:{CODE}")
    assert (turned.device, turned.address_reversed) == (right, True)
    straight = read_sticker(f"Z:{right.replace(':', '')}$I:{CODE}")
    assert (straight.device, straight.address_reversed) == (right, False)
    # The caller knows better than a guess.
    kept = read_sticker(f"Z:{backwards}$I:{CODE}", device=backwards)
    assert (kept.device, kept.address_reversed) == ("04:03:02:fe:ff:4b:12:00", False)
    named = read_sticker(f"Z:{ADDRESS[::-1]}$I:{CODE}", device=bytes.fromhex(ADDRESS[::-1])[::-1].hex())
    assert named.address_reversed


def test_hints_of_the_qr_code_are_kept_and_cut() -> None:
    sticker = read_sticker(READ["fields, general first"][1])
    assert (sticker.model, sticker.manufacturer_code) == ("LAMP-7", 0x1246)
    hostile = read_sticker(f"G$M:\x1b[31m{'A' * 99}%Z:{ADDRESS}$I:{CODE}%M:12x6")
    assert hostile.model == "[31m" + "A" * 28
    assert hostile.manufacturer_code is None
    assert read_sticker(READ["hue"][1]).model == "L3B"
    assert read_sticker(f"G$M:\x1b%Z:{ADDRESS}$I:{CODE}").model is None


EXAMPLES = re.findall(r"```text\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_of_the_page_is_read(text: str) -> None:
    sticker = read_sticker(text)
    if sticker.network is Network.ZWAVE:
        assert (sticker.credential.reveal(), sticker.device) == (DSK, TAIL)
        return
    assert sticker.credential.reveal().hex().upper() == KEY
    assert sticker.device in {None, DEVICE}


def test_the_page_has_an_example_of_each_form() -> None:
    assert {read_sticker(text).form for text in EXAMPLES} == set(Form)


ANY_TEXT = st.text(max_size=120) | st.text("0123456789abcdefABCDEF -:|$%ZIMDLKHUEG\n,;oxl", max_size=160)


@given(ANY_TEXT, st.none() | st.just(DEVICE) | st.text(max_size=20))
@example("$", None)
@example("$I", None)
@example("%$I:", None)
@example("HUE:", None)
@example("HUE::::", None)
@example("DLK", None)
@example("link key", None)
@example("0x", None)
@example("\u00b2" * 16, None)
@example("٣" * 36, None)
def test_any_text_is_a_sticker_or_a_sticker_error(text: str, device: str | None) -> None:
    with contextlib.suppress(StickerError):
        assert isinstance(read_sticker(text, device=device), Sticker)


@st.composite
def spelled(draw: st.DrawFn, digits: str) -> str:
    """`digits` in mixed case, in groups of any size, with any separator."""
    size = draw(st.integers(1, len(digits)))
    separator = draw(st.sampled_from(["", " ", "-", ":", ".", "_", " - ", "\u2011", "\u00a0"]))
    cased = "".join(draw(st.sampled_from([str.lower, str.upper]))(digit) for digit in digits)
    return separator.join(cased[i : i + size] for i in range(0, len(cased), size))


codes = (
    st.sampled_from((6, 8, 12, 16))
    .flatmap(lambda size: st.binary(min_size=size, max_size=size))
    .map(lambda code: (code + checksum(code).to_bytes(2, "little")).hex())
)


@given(st.data(), codes)
def test_every_spelling_has_the_same_key(data: st.DataObject, code: str) -> None:
    expected = read_sticker(f"Z:{ADDRESS}$I:{code}").credential
    address, digits = data.draw(spelled(ADDRESS)), data.draw(spelled(code))
    text = data.draw(
        st.sampled_from(
            [
                f"Z:{address}$I:{digits}",
                f"Z$A:{address}$I:{digits}$D:1%M:1220",
                f"EUI64: {address} Install code: {digits}",
                f"{digits} MAC: {address}",
                f"{PREFIX}{address}DLK{code}",
            ]
        )
    )
    sticker = read_sticker(text)
    assert sticker.credential == expected
    assert sticker.device == DEVICE


@given(st.data(), codes)
def test_a_digit_mistyped_is_refused_in_every_spelling(data: st.DataObject, code: str) -> None:
    at = data.draw(st.integers(0, len(code) - 1))
    wrong = (
        code[:at]
        + data.draw(st.sampled_from([d for d in "0123456789abcdef" if d != code[at]]))
        + code[at + 1 :]
    )
    digits = data.draw(spelled(wrong))
    for text in (f"Z:{ADDRESS}$I:{digits}", f"mac {ADDRESS} code {digits}", f"HUE:Z:{wrong} M:{ADDRESS}"):
        with pytest.raises(StickerError):
            read_sticker(text)


@pytest.mark.parametrize("text", [text for _, text, _ in READ.values()], ids=READ)
def test_nothing_shows_the_secret(text: str) -> None:
    sticker = read_sticker(text)
    shown = f"{sticker!r} {sticker} {msgspec.structs.asdict(sticker)}".upper()
    assert CODE[:6] not in shown
    assert KEY[:6] not in shown
    with pytest.raises(TypeError):
        msgspec.json.encode(sticker)


@pytest.mark.parametrize("text", [text for text, _ in REFUSED.values() if len(text) > 12])
def test_no_error_repeats_the_text(text: str) -> None:
    with pytest.raises(StickerError) as caught:
        read_sticker(text)
    told = "".join(traceback.format_exception_only(caught.value)) + repr(vars(caught.value))
    pieces = {text[i : i + 8] for i in range(len(text) - 8)} - {
        "install ",
        "nstall c",
        "stall co",
        "tall cod",
        "all code",
    }
    assert not [piece for piece in pieces if piece in told and any(c.isdigit() for c in piece)]


def test_reading_a_refusal_imports_no_cryptography() -> None:
    program = (
        "import sys, hubsec.stickers as s\n"
        "try: s.read_sticker('hello')\n"
        "except s.reading.StickerError: pass\n"
        "sys.exit('cryptography' in sys.modules or 'yaml' in sys.modules or 'voluptuous' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
