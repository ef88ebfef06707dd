"""The demo's story goes as told, and what it leaves is what it says it is."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from hubsec import __version__
from hubsec.events_json import from_json
from hubsec_emulated.capture.pcap import read_capture
from hubsec_emulated.wire.mac import MacFrame, MacType
from tests.oracles.tshark import second_opinion

ROOT = Path(__file__).parents[2]
PATIENCE = 300
"""Seconds, beside other tests. Alone it takes less than a minute: the build server holds `make demo` to that."""

pytestmark = pytest.mark.hosts


def _tell(folder: Path) -> None:
    """The demo's story, with all that it leaves, into that folder."""
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the demo leaves. It is told once in a run: processes that test side by side share it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "demo"
    folder.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "console").exists():
            _tell(folder)
    return folder


def _hostile(folder: Path) -> dict[int, str]:
    content = (folder / "hostile.json").read_bytes()
    rows = msgspec.json.decode(content)
    assert all(set(row) == {"frame", "sender"} for row in rows)
    assert content.count(b"\n") == len(rows) + 2
    return {row["frame"]: row["sender"] for row in rows}


def _keys(folder: Path) -> dict[str, bytes]:
    """By their labels."""
    lines = [line.split('"') for line in (folder / "keys.txt").read_text(encoding="utf-8").splitlines()]
    return {line[5]: bytes.fromhex(line[1]) for line in lines}


def _senders(folder: Path) -> dict[int, tuple[int, bool] | None]:
    """Who sent each frame, by what is on the air: its address, and whether that is an EUI64.

    An acknowledgement names nobody: it comes from whom the frame with its sequence number before it was for. None
    for a beacon request, which says nothing of who sent it.
    """
    senders: dict[int, tuple[int, bool] | None] = {}
    addressed: dict[int, tuple[int, bool]] = {}
    for number, captured in enumerate(read_capture(folder / "zigbee.pcap"), start=1):
        frame = MacFrame.decode(captured.psdu)
        if frame.type is MacType.ACK:
            senders[number] = addressed[frame.seq]
            continue
        senders[number] = None if frame.src is None else (frame.src, frame.src_long)
        if frame.ack_request and frame.dst is not None:
            addressed[frame.seq] = (frame.dst, frame.dst_long)
    return senders


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
        "KeyRotated",
        "Quarantined",
    }
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert "All went as told." in report
    assert "✗" not in report
    for name in ("zigbee.pcap", "keys.txt", "zigbee_pc_keys", "hostile.json", "events.jsonl"):
        assert f"`{name}`" in report
    last = rf"\*\*All went as told\.\*\* hubsec {re.escape(__version__)}, \d{{4}}-\d\d-\d\d, seed 2026\."
    assert re.fullmatch(last, report.splitlines()[-1])
    expected = {
        "well-known",
        "ZLL",
        *(f"network key {n}" for n in range(3)),
        "install code of lamp 1",
        "link key of lamp 1",
    }
    keys = _keys(folder)
    assert expected <= set(keys)
    assert len(keys) == (folder / "keys.txt").read_bytes().count(b"\n")


def test_the_console_has_sentences_and_the_report_has_registers(folder: Path) -> None:
    console = (folder / "console").read_text(encoding="utf-8")
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert "trust-center-policy" in report
    assert "trust-center-policy" not in console
    assert "address block of Texas Instruments" in console
    assert "as Zigbee 3.0 devices do" in console


def test_tshark_opens_all_but_what_is_listed_as_hostile(folder: Path) -> None:
    opinion = second_opinion(folder / "zigbee.pcap", _keys(folder).values())
    assert opinion.zigbee > 0
    assert not opinion.malformed
    assert set(opinion.shut) <= set(_hostile(folder))


def test_tshark_opens_as_much_by_what_it_learns_from_the_keys_before_the_joins(folder: Path) -> None:
    keys = _keys(folder)
    before = {
        key
        for label, key in keys.items()
        if label in {"well-known", "ZLL"} or label.startswith("install code of ")
    }
    opinion = second_opinion(folder / "zigbee.pcap", before)
    assert opinion.zigbee > 0
    assert not opinion.malformed
    assert set(opinion.shut) <= set(_hostile(folder))
    assert not before & opinion.learnt
    assert before | opinion.learnt == set(keys.values())


def test_nothing_that_an_honest_device_sent_is_listed_as_hostile(folder: Path) -> None:
    hostile, senders = _hostile(folder), _senders(folder)
    listed = {sender for number, sender in senders.items() if sender is not None and number in hostile}
    others = {sender for number, sender in senders.items() if sender is not None and number not in hostile}
    assert listed
    assert others
    assert not listed & others
    assert {name.split()[0] for name in hostile.values()} == {"stranger", "insider", "evictee"}


def test_with_the_public_keys_alone_it_does_not(folder: Path) -> None:
    assert not set(second_opinion(folder / "zigbee.pcap").shut) <= set(_hostile(folder))


def test_with_the_first_key_and_the_public_ones_nothing_opens_after_the_change(folder: Path) -> None:
    """Up to the approval, from which on everybody who listens has the key."""
    keys = _keys(folder)
    first, second = keys["network key 0"], keys["network key 1"]
    before, after = second_opinion(folder / "zigbee.pcap", [first]), second_opinion(folder / "zigbee.pcap")
    assert second not in before.learnt
    assert len(before.shut) < len(after.shut)


def test_no_key_is_in_what_it_tells(folder: Path) -> None:
    keys = _keys(folder).values()
    for name in ("events.jsonl", "report.md", "hostile.json"):
        text = (folder / name).read_text(encoding="utf-8").lower()
        assert not [key for key in keys if key.hex() in text]
        assert not [key for key in keys if str(list(key))[1:-1] in text]
