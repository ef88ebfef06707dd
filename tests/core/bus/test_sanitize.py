from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubsec._sanitize import NAME_LIMIT, clean


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("IKEA of Sweden", "IKEA of Sweden"),
        ("  TRÅDFRI bulb\0\0\0", "TRÅDFRI bulb"),
        ("灯", "灯"),
        ("Nguyễn", "Nguyễn"),
        (b"_TZ3000_abc", "_TZ3000_abc"),
        (b"caf\xe9", "caf\ufffd"),
        ("a\nERROR all is lost", "a\ufffdERROR all is lost"),
        ("\x1b[2Jgone", "\ufffd[2Jgone"),
        ("lamp\u202efdp.exe", "lamp\ufffdfdp.exe"),
        ("zero\u200bwidth", "zero\ufffdwidth"),
        ("\ud800", "\ufffd"),
        ("wide\u00a0space", "wide space"),
        ("Z" + "\u0301" * 4, "Z\u0301\u0301\ufffd\ufffd"),
        ("x" * 64, "x" * 64),
        ("x" * 65, "x" * 63 + "…"),
        ("", ""),
        (b"", ""),
        ("\0", ""),
    ],
)
def test_table(said: str | bytes, kept: str) -> None:
    assert clean(said) == kept


def test_a_limit_of_its_own() -> None:
    assert clean("abcdef", 3) == "ab…"
    assert clean(b"abcdef" * 1000, 3) == "ab…"


@given(st.text(alphabet=st.characters()) | st.binary(max_size=400))
def test_whatever_a_device_says(said: str | bytes) -> None:
    kept = clean(said)
    assert len(kept) <= NAME_LIMIT
    assert kept.isprintable()
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} for char in kept)
    assert clean(kept) == kept
    kept.encode()
