"""tshark agrees: on what the codecs write, and on what is wrong with real captures."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from hubsec_emulated.capture.pcap import PcapWriter, read_capture
from hubsec_emulated.wire import aps
from hubsec_emulated.wire.mac import MacFrame, MacType
from tests.emulated.capture import synthetic
from tests.oracles.silicon import INSTALL_CODE_KEY, captures_folder, listen, real_capture
from tests.oracles.test_silicon_captures import CAPTURES, Capture, names
from tests.oracles.tshark import second_opinion

pytestmark = pytest.mark.slow


@pytest.fixture
def air() -> synthetic.Recording:
    recording = synthetic.join()
    synthetic.join_below(recording)
    synthetic.update_network_key(recording)
    return recording


def saved(recording: synthetic.Recording, folder: Path) -> Path:
    path = folder / "air.pcap"
    with PcapWriter(path) as writer:
        for seconds, psdu in recording.frames:
            writer.write(seconds, psdu)
    return path


def test_tshark_reads_what_the_codecs_write(air: synthetic.Recording, tmp_path: Path) -> None:
    opinion = second_opinion(saved(air, tmp_path))
    assert opinion.frames == len(air.frames)
    assert (opinion.malformed, opinion.shut) == ([], [])
    assert opinion.learnt == {synthetic.NETWORK_KEY, synthetic.LAMP_KEY, synthetic.NEXT_NETWORK_KEY}
    # Everything but the association's frames, which are 802.15.4's own.
    assert opinion.zigbee == len(air.frames) - 5


def test_tshark_opens_no_install_code_join(tmp_path: Path) -> None:
    path = saved(synthetic.join(INSTALL_CODE_KEY), tmp_path)
    shut = second_opinion(path)
    assert (shut.learnt, shut.malformed, len(shut.shut)) == (set(), [], 11)
    assert second_opinion(path, [INSTALL_CODE_KEY]).shut == []


def test_tshark_notices_one_frame_under_a_key_that_was_never_sent(
    air: synthetic.Recording, tmp_path: Path
) -> None:
    switch = aps.SwitchKey(2).encode()
    air.support(
        air.aps_command(switch, key=synthetic.CHILD_KEY),
        synthetic.HUB,
        synthetic.HUB_SHORT,
        synthetic.LAMP_SHORT,
    )
    assert second_opinion(saved(air, tmp_path)).shut == [len(air.frames)]


def test_tshark_notices_a_malformed_frame(air: synthetic.Recording, tmp_path: Path) -> None:
    cut = MacFrame(MacType.DATA, 1, synthetic.PAN, 0, src_pan=synthetic.PAN, src=1, payload=b"\x08\x00\x01")
    broken = bytearray(air.frames[8][1])
    broken[-1] ^= 1
    air.frames += [(9.0, cut.encode()), (9.1, bytes(broken))]
    assert second_opinion(saved(air, tmp_path)).malformed == [len(air.frames) - 1, len(air.frames)]


@pytest.mark.parametrize("capture", CAPTURES, ids=names)
def test_tshark_and_the_dissector_agree_on_silicon(capture: Capture) -> None:
    opinion = second_opinion(captures_folder() / capture.name, capture.keys)
    ear = listen(real_capture(capture.name), capture.keys)
    assert {key.value for key in ear.report().keys} == opinion.learnt
    shut = [
        number
        for number in range(1, capture.frames + 1)
        for heard in ear.heard(number, number)
        if heard.frame.shut is not None
    ]
    assert shut == opinion.shut
    assert len(shut) == capture.shut
    assert set(opinion.malformed) <= set(capture.broken)


def test_wireshark_takes_the_keys_that_an_ear_exports(air: synthetic.Recording, tmp_path: Path) -> None:
    path = saved(air, tmp_path)
    assert second_opinion(path, public_keys=False).shut != []
    keys = tmp_path / "configuration" / "zigbee_pc_keys"
    keys.parent.mkdir()
    keys.write_text(listen(read_capture(path)).keys_for_wireshark())
    done = subprocess.run(
        ["tshark", "-n", "-r", str(path), "-Y", "zbee_sec.encrypted_payload"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "WIRESHARK_CONFIG_DIR": str(keys.parent)},
    )
    assert done.stdout == ""
