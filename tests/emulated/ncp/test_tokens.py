"""Non-volatile memory: what survives, and that it gives nothing away by the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubsec_emulated.errors import EmulationError
from hubsec_emulated.ncp.tokens import ChildEntry, KeyTokens, LinkKeyEntry, NetworkTokens, Tokens

SECRET = b"secret-of-16-byt"


def full(path: Path | None = None) -> Tokens:
    return Tokens(
        nwk_counter=5,
        aps_counter=7,
        network=NetworkTokens(0x1A62, 0xEE, 15),
        keys=KeyTokens(SECRET, 3, SECRET, 0x94, 1, alternate_key=SECRET, alternate_sequence=4),
        link_keys=[None, LinkKeyEntry(9, SECRET)],
        children=[ChildEntry(8, 0x1234), None],
        unique_joiners=[8],
        application={"1": b"12345678"},
        path=path,
    )


def test_a_file_brings_everything_back(tmp_path: Path) -> None:
    tokens = full(tmp_path / "stick.json")
    tokens.save()
    assert Tokens.load(tmp_path / "stick.json") == tokens
    assert (tmp_path / "stick.json").stat().st_mode & 0o077 == 0


def test_a_stick_without_a_file_is_blank(tmp_path: Path) -> None:
    tokens = Tokens.load(tmp_path / "new.json")
    assert tokens.network is None
    tokens.save()
    assert Tokens.load(tmp_path / "new.json") == tokens


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"keys": 1}', "\xff", '{"manufactured_eui64": "secret-of-16-byt"}']
)
def test_another_file_is_refused_without_quoting_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(EmulationError) as caught:
        Tokens.load(path)
    assert "secret" not in str(caught.value)


def test_a_short_key_in_the_file_is_refused(tmp_path: Path) -> None:
    tokens = full(tmp_path / "stick.json")
    tokens.save()
    path = tmp_path / "stick.json"
    path.write_text(path.read_text().replace(SECRET.hex(), "00"))
    with pytest.raises(EmulationError):
        Tokens.load(path)


def test_unwritable_and_unreadable_files_are_errors_of_the_project(tmp_path: Path) -> None:
    with pytest.raises(EmulationError):
        full(tmp_path / "missing" / "stick.json").save()
    with pytest.raises(EmulationError):
        Tokens.load(tmp_path)


def test_keys_are_not_in_the_repr() -> None:
    assert "secret" not in repr(full())


def test_counters_resume_behind_everything_that_was_sent() -> None:
    tokens = full()
    tokens.reserve_counters()
    assert (tokens.nwk_counter, tokens.aps_counter) == (4096, 4096)
    blank = Tokens()
    blank.reserve_counters()
    assert blank.nwk_counter == 0


def test_a_restored_eui64_comes_before_a_custom_one() -> None:
    tokens = Tokens()
    assert tokens.eui64 == tokens.manufactured_eui64
    tokens.custom_eui64 = 2
    assert tokens.eui64 == 2
    tokens.restored_eui64 = 3
    assert tokens.eui64 == 3
