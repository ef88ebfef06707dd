"""The demo's story goes as told, and what it leaves is what it says it is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from hubsec import __version__
from hubsec.events_json import from_json
from tests.oracles.tshark import second_opinion

ROOT = Path(__file__).parents[2]
PATIENCE = 60
"""Seconds: `make demo` is to take less than a minute."""

pytestmark = pytest.mark.hosts


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo", "--folder", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "console").write_text(" ".join(done.stdout.split()), encoding="utf-8")
    return folder


def _hostile(folder: Path) -> set[int]:
    content = (folder / "hostile.json").read_bytes()
    rows = msgspec.json.decode(content)
    assert all(set(row) == {"frame", "sender"} for row in rows)
    assert content.count(b"\n") == len(rows) + 2
    return {row["frame"] for row in rows}


def test_it_leaves_its_records(folder: Path) -> None:
    events = [from_json(line) for line in (folder / "events.jsonl").read_bytes().splitlines()]
    said = {type(event).__name__ for event in events}
    assert said >= {
        "Joined",
        "Denied",
        "Knocked",
        "Exposed",
        "RogueOpening",
        "AdmissionClosed",
        "Quarantined",
    }
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert "All went as told." in report
    assert "✗" not in report
    for name in ("zigbee.pcap", "keys.txt", "zigbee_pc_keys", "hostile.json", "events.jsonl"):
        assert f"`{name}`" in report
    last = rf"\*\*All went as told\.\*\* hubsec {re.escape(__version__)}, \d{{4}}-\d\d-\d\d, seed 2026\."
    assert re.fullmatch(last, report.splitlines()[-1])
    labels = [line.split('"')[5] for line in (folder / "keys.txt").read_text(encoding="utf-8").splitlines()]
    assert {"well-known", "ZLL", "network key 0", "install code of lamp 1", "link key of lamp 1"} <= set(
        labels
    )
    assert len(set(labels)) == len(labels)


def test_the_console_has_sentences_and_the_report_has_registers(folder: Path) -> None:
    console = (folder / "console").read_text(encoding="utf-8")
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert "trust-center-policy" in report
    assert "trust-center-policy" not in console
    assert "address block of Texas Instruments" in console
    assert "as Zigbee 3.0 devices do" in console


def test_tshark_opens_all_but_what_is_listed_as_hostile(folder: Path) -> None:
    keys = [bytes.fromhex(line.split('"')[1]) for line in (folder / "keys.txt").read_text().splitlines()]
    opinion = second_opinion(folder / "zigbee.pcap", keys)
    assert opinion.zigbee > 0
    assert not opinion.malformed
    assert set(opinion.shut) <= _hostile(folder)


def test_with_the_public_keys_alone_it_does_not(folder: Path) -> None:
    assert not set(second_opinion(folder / "zigbee.pcap").shut) <= _hostile(folder)


def test_no_key_is_in_what_it_tells(folder: Path) -> None:
    keys = [line.split('"')[1] for line in (folder / "keys.txt").read_text().splitlines()]
    for name in ("events.jsonl", "report.md", "hostile.json"):
        text = (folder / name).read_text(encoding="utf-8").lower()
        assert not [key for key in keys if key in text]
        assert not [key for key in keys if str(list(bytes.fromhex(key)))[1:-1] in text]
