"""What an import brings in, each in an interpreter of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "aiohttp",
    "annotatedyaml",
    "bellows",
    "cryptography",
    "hubsec_emulated",
    "hubsec_policies",
    "hubsec_zigbee",
    "hubsec_zwave",
    "rich",
    "typer",
    "voluptuous",
    "yaml",
    "zigpy",
    "zwave_js_server",
}
ASK = "import json, sys; before = set(sys.modules); {}; print(json.dumps(sorted(set(sys.modules) - before)))"


def loaded(statement: str) -> set[str]:
    """The modules that `statement` loads."""
    done = subprocess.run(
        [sys.executable, "-c", ASK.format(statement)], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


def heavy(modules: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules} & HEAVY


def test_importing_hubsec_loads_next_to_nothing() -> None:
    modules = loaded("import hubsec")
    assert heavy(modules) == set()
    assert len(modules) <= 20, sorted(modules)


@pytest.mark.parametrize(
    ("statement", "allowed", "budget"),
    [
        ("import hubsec.bus, hubsec.events, hubsec.requests, hubsec.decisions, hubsec.radio", set(), 220),
        ("import hubsec_zigbee", {"hubsec_zigbee"}, 240),
        ("import hubsec_zwave", {"hubsec_zwave"}, 240),
        ("import hubsec_zwave.gate", {"hubsec_zwave"}, 260),
        ("import hubsec_policies", {"hubsec_policies"}, 20),
    ],
)
def test_parts_load_only_what_they_are_about(statement: str, allowed: set[str], budget: int) -> None:
    modules = loaded(statement)
    assert heavy(modules) == allowed
    assert len(modules) <= budget


def test_the_emulated_networks_load_no_host_stack() -> None:
    modules = heavy(loaded("import hubsec_emulated.house"))
    assert not modules & {"bellows", "zigpy", "hubsec_zigbee", "hubsec_zwave", "zwave_js_server"}


BLOCK = "import sys; sys.modules[{!r}] = None; "
"""Python's own way to say that a module can't be imported."""


@pytest.mark.parametrize("missing", ["bellows", "zigpy"])
def test_a_missing_radio_library_is_told_with_what_installs_it(missing: str) -> None:
    code = BLOCK.format(missing) + "from hubsec_zigbee import Bellows"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert f"needs {missing}" in last
    assert 'pip install "hubsec[zigbee]"' in last


def test_a_missing_radio_library_can_be_caught_as_either() -> None:
    code = BLOCK.format("bellows") + (
        "import hubsec_zigbee\n"
        "from hubsec import RadioError\n"
        "for kind in (RadioError, ImportError):\n"
        "    try:\n"
        "        hubsec_zigbee.Bellows\n"
        "    except kind as error:\n"
        "        print(error.name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["bellows", "bellows"]


def test_that_the_question_is_answered() -> None:
    assert heavy(loaded("import voluptuous")) == {"voluptuous"}
