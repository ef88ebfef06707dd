"""Node.js and its packages: where they are looked for, how they are installed, and what is said when that fails."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from hubsec_emulated.errors import EmulationError
from hubsec_emulated.zwave import node as finding
from hubsec_emulated.zwave.node import SOURCES, Node, find_modules, find_node

PINNED = json.loads((SOURCES / "package.json").read_text(encoding="utf-8"))["dependencies"]


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "_from_wheel", lambda: None)


def test_the_one_that_is_named_comes_first(tmp_path: Path) -> None:
    named = program(tmp_path / "named", "node", "echo v22.1.0")
    npm = program(tmp_path / "named", "npm", "true")
    program(tmp_path / "system", "node", "echo v23.0.0")
    environment = {"HUBSEC_NODE": str(named), "PATH": str(tmp_path / "system")}
    assert find_node(environment) == Node(named, (str(npm),))


def test_the_system_s_is_next_if_it_is_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = program(tmp_path / "new", "node", "echo v20.0.0")
    assert find_node({"PATH": str(new.parent)}).program == new
    old = program(tmp_path / "old", "node", "echo v18.20.0")
    wheel = Node(program(tmp_path / "wheel", "node", "echo v24.0.0"), None)
    monkeypatch.setattr(finding, "_from_wheel", lambda: wheel)
    assert find_node({"PATH": str(old.parent)}) == wheel


@pytest.mark.parametrize("said", ["v18.20.0", "", "no number"])
@pytest.mark.usefixtures("no_wheel")
def test_without_a_new_enough_one_the_error_says_what_to_do(tmp_path: Path, said: str) -> None:
    old = program(tmp_path, "node", f"echo {said}")
    for environment in ({"PATH": str(tmp_path)}, {"PATH": "/nowhere"}, {"PATH": "", "HUBSEC_NODE": str(old)}):
        with pytest.raises(EmulationError, match=r"Install Node\.js 20 or newer") as failed:
            find_node(environment)
        assert "HUBSEC_NODE" in str(failed.value)


@pytest.mark.usefixtures("no_wheel")
def test_a_program_that_can_t_be_run_is_none(tmp_path: Path) -> None:
    with pytest.raises(EmulationError, match=r"is no Node\.js"):
        find_node({"HUBSEC_NODE": str(tmp_path)})


NPM = """
echo "$@" >> {log}
[ -f package-lock.json ] && [ -f .npmrc ] || exit 9
sleep 0.2
mkdir -p node_modules/zwave-js
"""


async def test_packages_are_installed_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = tmp_path / "npm.log"
    node = Node(Path(sys.executable), (str(program(tmp_path, "npm", NPM.format(log=log))),))
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    with caplog.at_level(logging.WARNING):
        one, other = await asyncio.gather(*(find_modules(node, environment) for _ in range(2)))
    assert "This happens once" in caplog.text
    assert one == other
    assert one.parent == tmp_path / "cache" / "hubsec"
    assert (one / "node_modules" / "zwave-js").is_dir()
    assert os.listdir(one.parent) == [one.name], "no half of an installation is left"  # noqa: PTH208 - a list
    calls = log.read_text(encoding="utf-8").splitlines()
    assert set(calls) == {"ci --omit=dev --ignore-scripts --no-audit --no-fund --no-update-notifier"}
    assert await find_modules(node, environment) == one
    assert log.read_text(encoding="utf-8").splitlines() == calls


async def test_an_installation_that_fails_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    node = Node(Path(sys.executable), (str(program(tmp_path, "npm", "echo no such host >&2; exit 1")),))
    with pytest.raises(EmulationError, match="npm could not install the Z-Wave packages: no such host"):
        await find_modules(node, {"XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert list((tmp_path / "cache" / "hubsec").iterdir()) == []
    with pytest.raises(EmulationError, match=r"There is no npm beside .*Install Node\.js"):
        await find_modules(Node(Path(sys.executable), None), {"XDG_CACHE_HOME": str(tmp_path / "cache")})
    (tmp_path / "file").touch()
    with pytest.raises(EmulationError, match="can't be installed into"):
        await find_modules(node, {"XDG_CACHE_HOME": str(tmp_path / "file")})


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        (PINNED, None),
        (PINNED | {"zwave-js": "1.0.0"}, "has zwave-js 1.0.0; it is to be"),
        ({"zwave-js": PINNED["zwave-js"]}, "has no @zwave-js/server"),
        ({}, "has no "),
    ],
)
async def test_a_folder_that_is_named_has_to_have_the_pinned_packages(
    tmp_path: Path, found: dict[str, Any], complaint: str | None
) -> None:
    for name, version in found.items():
        folder = tmp_path / "node_modules" / name
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(json.dumps({"version": version}), encoding="utf-8")
    node, environment = Node(Path(sys.executable), None), {"HUBSEC_ZWAVE_MODULES": str(tmp_path)}
    if complaint is None:
        assert await find_modules(node, environment) == tmp_path
        return
    with pytest.raises(EmulationError, match=complaint):
        await find_modules(node, environment)


def test_the_lock_names_no_place_and_checks_every_package() -> None:
    lock = json.loads((SOURCES / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert len(packages) > 100
    assert all("resolved" not in package and package["integrity"] for package in packages.values())
    assert {name: packages[f"node_modules/{name}"]["version"] for name in PINNED} == PINNED
