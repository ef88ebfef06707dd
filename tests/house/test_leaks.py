"""What holds every test to leaving no secret (`tests/leaks`) is shown here to find one: in each form, in each place."""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.leaks.finding import LEAST, Finder, finds_pin, is_worth_looking_for
from tests.leaks.watching import EXPECTED, GIVEN, MARKER

ROOT = Path(__file__).parents[2]
KEY = bytes.fromhex("66B6900981E1EE3CA4206B6B861C02BB")
DSK = bytes.fromhex("84ec5c7551cab50a83d21d07ddf538d9")
CODE = bytes.fromhex("83FED3407A93972A")
WORDS = b"correct horse battery staple"
JOURNAL = random.Random(20).randbytes(3000)

FORMS: dict[str, Callable[[bytes], bytes]] = {
    "raw": bytes,
    "raw reversed": lambda key: key[::-1],
    "hex": lambda key: key.hex().encode(),
    "upper hex": lambda key: key.hex().upper().encode(),
    "hex with colons": lambda key: key.hex(":").upper().encode(),
    "hex with hyphens": lambda key: key.hex("-").encode(),
    "hex with spaces": lambda key: key.hex(" ").encode(),
    "hex in groups": lambda key: key.hex(" ", 4).encode(),
    "hex over lines": lambda key: key.hex("\n", 2).encode(),
    "hex reversed": lambda key: key[::-1].hex().encode(),
    "hex, its digits reversed": lambda key: key.hex()[::-1].encode(),
    "list of hex": lambda key: ", ".join(f"0x{byte:02X}" for byte in key).encode(),
    "list of short hex": lambda key: str([hex(byte) for byte in key]).encode(),
    "base64": base64.b64encode,
    "base64 reversed": lambda key: base64.b64encode(key[::-1]),
    "urlsafe base64": base64.urlsafe_b64encode,
    "base64 within more": lambda key: base64.b64encode(b"x" + key + b"yz"),
    "base64 behind two": lambda key: base64.b64encode(b"xy" + key + b"z"),
    "list of ints": lambda key: str(list(key)).encode(),
    "list of ints reversed": lambda key: str(list(key[::-1])).encode(),
    "json": lambda key: json.dumps({"key": list(key)}, separators=(",", ":")).encode(),
    "tuple": lambda key: str(tuple(key)).encode(),
    "repr": lambda key: repr(key).encode(),
    "repr of a bytearray": lambda key: repr(bytearray(key)).encode(),
    "latin-1": lambda key: key.decode("latin1").encode(),
}
every_form = pytest.mark.parametrize("form", FORMS)
SECRETS = {"key": KEY, "DSK": DSK, "code": CODE, "words": WORDS, "journal": JOURNAL}
every_secret = pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)


@every_form
@every_secret
def test_each_form_is_found_wherever_it_stands(form: str, secret: bytes) -> None:
    finder = Finder(SECRETS.values())
    noise = random.Random(form).randbytes(300)
    for before in range(17):
        text = noise[:before] + b"<" + FORMS[form](secret) + b">" + noise[before:]
        found = finder.find(text)
        assert found is not None, before
        assert found[0] == secret


def test_a_dsk_is_found_in_its_digits() -> None:
    digits = "34028-23669-20938-46346-33746-07431-56821-14553"
    for text in (digits, digits.replace("-", ""), digits.replace("-", " "), f"zws2dsk:{digits}"):
        assert Finder([DSK]).find(text.encode()) == (DSK, "DSK")
    # All but the PIN is the device's name, which is no secret.
    assert Finder([DSK]).find(digits.removeprefix("34028-").encode()) is None


def test_of_a_long_secret_a_part_is_found_too() -> None:
    assert Finder([JOURNAL]).find(JOURNAL[1200:]) is not None
    assert Finder([JOURNAL]).find(JOURNAL[:1200]) is None


@given(st.binary(min_size=LEAST, max_size=40).filter(is_worth_looking_for), st.data())
def test_any_secret_is_found_in_any_form(secret: bytes, data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(sorted(FORMS)))
    text = (
        data.draw(st.binary(max_size=40))
        + b"|"
        + FORMS[form](secret)
        + b"|"
        + data.draw(st.binary(max_size=40))
    )
    assert Finder([KEY, secret]).find(text) is not None, form


@pytest.mark.parametrize(
    "text",
    [
        b"",
        KEY[:-1],
        KEY[1:].hex().encode(),
        b"lamp 00:12:4b:00:01:02:03:04 joined " * 500,
        random.Random(7).randbytes(1 << 18),
        bytes(1 << 16),
    ],
    ids=["nothing", "cut", "cut hex", "words", "noise", "zeros"],
)
def test_what_is_none_is_not_found(text: bytes) -> None:
    assert Finder([KEY, DSK, CODE, WORDS]).find(text) is None


def test_what_is_everybody_s_is_not_looked_for() -> None:
    assert not is_worth_looking_for(bytes(16))
    assert not is_worth_looking_for(b"1234567")
    assert Finder([bytes(16)]).find(bytes(100)) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("the PIN is 34028", True),
        ('{"pin":"34028"}', True),
        ('{"pin":34028}', True),
        ("pin=34028, next", True),
        ("34028", True),
        ("34028.", True),
        ("ws://127.0.0.1:34028", False),
        ("localhost:34028 is open", False),
        ("[::1]:34028", False),
        ("('127.0.0.1', 34028)", False),
        ("1700034028.5", False),
        ("12.34028", False),
        ("34028.75 s", False),
        ("34028-23669", False),
        ("134028", False),
        ("0x34028f", False),
    ],
)
def test_a_pin_is_found_as_a_number_of_its_own(text: str, *, found: bool) -> None:
    assert (finds_pin(["11111", "34028"], text) == "34028") is found


def test_exceptions_have_reasons() -> None:
    assert all(len(reason) >= len("the same") for reason in (*EXPECTED.values(), *GIVEN.values()))
    for path in (ROOT / "tests").rglob("test_*.py"):
        for marker in re.findall(rf"mark\.{MARKER}\(([^)]*)\)", path.read_text("utf-8")):
            assert "reason=" in marker, path.name


# In each place

LEAKS = """
import asyncio, hashlib, logging, os, subprocess, sys
from pathlib import Path

import pytest

from hubsec import Bus, Secret
from hubsec.errors import HubsecError, PolicyError
from hubsec.events import StoreAlarm
from hubsec_emulated import House

MODULE = Secret(hashlib.sha256(b"of the module").digest())
KEY = hashlib.sha256(b"of a test").digest()

def made():
    return Secret(KEY)

@pytest.fixture(scope="module")
def wide():
    return Secret(hashlib.sha256(b"of a fixture").digest())

def test_clean_secret_that_is_kept(tmp_path):
    made()
    (tmp_path / "out").write_bytes(os.urandom(1000))
    logging.getLogger("hubsec.x").debug("%s", made())
    print(made())

def test_clean_bytes_that_are_no_secret(tmp_path):
    (tmp_path / "out").write_bytes(KEY)

def test_in_a_file(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "deep").write_text(made().reveal().hex(":"))

def test_of_the_module(tmp_path):
    (tmp_path / "out").write_bytes(MODULE.reveal())

def test_of_a_fixture_in_its_first_test(wide, tmp_path):
    (tmp_path / "out").write_bytes(wide.reveal())

def test_of_a_fixture_in_another_test(wide, tmp_path):
    (tmp_path / "out").write_bytes(wide.reveal())

def test_in_a_log():
    logging.getLogger("hubsec.x").debug("%s", made().reveal().hex())

def test_in_a_log_of_somebody_else():
    logging.getLogger("other").warning("%s", list(made().reveal()))

def test_in_a_log_s_traceback():
    key = made().reveal().hex()
    try:
        raise ValueError(key)
    except ValueError:
        logging.getLogger("hubsec.x").exception("failed")

async def test_in_an_event():
    Bus().publish(StoreAlarm(time=1.0, reason=made().reveal().hex()))

def test_in_an_error_that_nobody_saw():
    try:
        raise HubsecError("wrong: " + made().reveal().hex())
    except HubsecError:
        pass

def test_in_an_attribute_of_an_error():
    PolicyError("wrong", key=made().reveal().hex())

def test_in_a_traceback():
    with pytest.raises(ValueError):
        raise ValueError(made().reveal().hex())

def test_in_a_cause():
    with pytest.raises(KeyError):
        try:
            raise ValueError(made().reveal().hex())
        except ValueError:
            raise KeyError(1)

def test_in_a_local_variable(monkeypatch):
    import hubsec.buckets
    file = hubsec.buckets.__file__
    space = {}
    exec(compile("def leak(secret):\\n    raw = secret.reveal()\\n    raise ValueError", file, "exec"), space)
    with pytest.raises(ValueError):
        space["leak"](made())

def test_printed():
    print(made().reveal().hex())

def test_printed_by_a_program():
    subprocess.run([sys.executable, "-c", f"print({list(made().reveal())})"], check=True)

async def test_key_of_a_house(tmp_path):
    async with House(seed=5) as house:
        line = house.keys().splitlines()[-1]
        lamp = house.lamp()
    (tmp_path / "out").write_text(lamp.sticker)

async def test_clean_key_of_a_house_that_was_another_test_s(tmp_path):
    async with House(seed=6) as house:
        (tmp_path / "out").write_text("".join(house.keys().splitlines()[:2]))

@pytest.mark.leaves_secrets("out", "log", reason="shows that this can be said")
def test_clean_where_it_is_said(tmp_path):
    (tmp_path / "out").write_bytes(made().reveal())
    logging.getLogger("hubsec.x").debug("%s", made().reveal().hex())

@pytest.mark.leaves_secrets("other", reason="shows that it holds for what is named")
def test_where_something_else_is_said(tmp_path):
    (tmp_path / "out").write_bytes(made().reveal())
"""


@pytest.mark.slow
def test_it_is_found_in_each_place(pytester: pytest.Pytester) -> None:
    pytester.makeconftest((ROOT / "tests" / "conftest.py").read_text())
    pytester.makeini(
        f"[pytest]\npythonpath = {ROOT}\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
    )
    pytester.makepyfile(LEAKS)
    out = pytester.runpytest_subprocess("-rA", "-p", "no:cacheprovider", "-p", "no:xdist").stdout.str()
    names = re.findall(r"^(?:async )?def (test_\w+)", LEAKS, re.MULTILINE)
    failed = set(re.findall(r"ERROR test_it_is_found_in_each_place.py::(\w+)", out))
    assert failed == {name for name in names if not name.startswith("test_clean")}
    for place in (
        "its log (hubsec.x)",
        "its events (StoreAlarm)",
        "its errors (PolicyError)",
        "its tracebacks (leak, raw)",
    ):
        assert place in out
    # Nor does what tells of it.
    assert Finder([bytes.fromhex("00")]).find(out.encode()) is None
