"""tshark as a second opinion on a capture, in the two passes that a patient listener makes.

The first pass knows the keys from before the join and reads the keys that Transport-Keys carry; the second knows
them all. What it then calls malformed, or can't decrypt, is wrong with the capture.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from hubsec_emulated.wire.crypto import WELL_KNOWN_KEY, ZLL_KEY

_SECONDS: Final = 60
_FIELDS: Final = (
    "frame.number",
    "_ws.malformed",
    "wpan.fcs_ok",
    "zbee_sec.encrypted_payload",
    "zbee_aps.cmd.key",
    "frame.protocols",
)


@dataclass(frozen=True, slots=True)
class Opinion:
    """What tshark says, frames counted from 1. `shut` frames have a layer that no key opened.

    `learnt` are the keys that it read from Transport-Keys, `zigbee` how many frames it took for Zigbee.
    """

    frames: int
    zigbee: int
    malformed: list[int]
    shut: list[int]
    learnt: set[bytes] = field(repr=False)


def second_opinion(capture: Path, keys: Iterable[bytes] = (), *, public_keys: bool = True) -> Opinion:
    """Return tshark's opinion on a capture; skip the test where there is no tshark."""
    known = {*keys, *((WELL_KNOWN_KEY, ZLL_KEY) if public_keys else ())}
    while True:
        opinion = _pass(capture, known)
        if opinion.learnt <= known:
            return opinion
        known |= opinion.learnt


def _pass(capture: Path, keys: set[bytes]) -> Opinion:
    program = shutil.which("tshark")
    if program is None:
        pytest.skip("tshark is not installed")
    arguments = [program, "-n", "-r", str(capture), "-T", "fields", "-E", "separator=;", "-E", "occurrence=a"]
    for number, key in enumerate(sorted(keys)):
        arguments += ["-o", f'uat:zigbee_pc_keys:"{key.hex()}","Normal","key {number}"']
    for name in _FIELDS:
        arguments += ["-e", name]
    with tempfile.TemporaryDirectory() as empty:
        # An empty configuration: keys that somebody keeps in Wireshark must not help.
        environment = {**os.environ, "WIRESHARK_CONFIG_DIR": empty, "HOME": empty}
        done = subprocess.run(
            arguments, capture_output=True, text=True, timeout=_SECONDS, check=True, env=environment
        )
    rows = [line.split(";") for line in done.stdout.splitlines()]
    return Opinion(
        frames=len(rows),
        zigbee=sum("zbee" in row[5] for row in rows),
        malformed=[int(row[0]) for row in rows if row[1] or row[2] in {"0", "False"}],
        shut=[int(row[0]) for row in rows if row[3]],
        learnt={bytes.fromhex(key.replace(":", "")) for row in rows for key in row[4].split(",") if key},
    )
