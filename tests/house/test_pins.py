"""The versions: what is declared, what is pinned, and what Home Assistant has."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

# Home Assistant 2025.4.4, homeassistant/package_constraints.txt: installing hubsec there must move nothing.
HOME_ASSISTANT = {
    "cryptography": "44.0.1",
    "pyyaml": "6.0.2",
    "voluptuous": "0.15.2",
    "annotatedyaml": "0.4.5",
}
# The same release's requirements_all.txt, for the ZHA integration's stack.
HOME_ASSISTANT_ZHA = {"zigpy": "0.78.1", "bellows": "0.44.1"}

# And for its Z-Wave integration, with aiohttp from the constraints.
HOME_ASSISTANT_ZWAVE = {"zwave-js-server-python": "0.62.0", "aiohttp": "3.11.16"}


@pytest.fixture(scope="module")
def project(sources: Any) -> dict[str, Any]:
    return tomllib.loads((sources.root / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pins(sources: Any) -> dict[str, Version]:
    lines = (sources.root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = {}
    for line in lines:
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            match = re.fullmatch(r"==([0-9A-Za-z.+!]+)", str(requirement.specifier))
            assert match, f"not a plain pin: {line}"
            assert requirement.url is None, f"not a plain pin: {line}"
            if requirement.marker is None or requirement.marker.evaluate():
                found[canonicalize_name(requirement.name)] = Version(match[1])
    return found


def declared(project: dict[str, Any]) -> list[Requirement]:
    """Everything that `make` installs; the bench-ha group has an environment of its own."""
    groups = project["dependency-groups"]
    texts = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *(one for extra in project["project"]["optional-dependencies"].values() for one in extra),
        *(one for name, group in groups.items() if name != "bench-ha" for one in group),
    ]
    return [Requirement(text) for text in texts]


def test_every_declared_dependency_is_pinned_within_its_bounds(
    project: dict[str, Any], pins: dict[str, Version]
) -> None:
    for requirement in declared(project):
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{name} has no pin"
        assert pins[name] in requirement.specifier, (
            f"{name} is pinned to {pins[name]}, outside {requirement.specifier}"
        )


def test_what_is_installed_is_what_is_pinned(pins: dict[str, Version], project: dict[str, Any]) -> None:
    from importlib.metadata import version

    for requirement in declared(project):
        assert Version(version(requirement.name)) == pins[canonicalize_name(requirement.name)]


def test_floors_fit_home_assistant(project: dict[str, Any]) -> None:
    known = HOME_ASSISTANT | HOME_ASSISTANT_ZHA | HOME_ASSISTANT_ZWAVE
    fitting = set()
    extras = project["project"]["optional-dependencies"]
    for text in [*project["project"]["dependencies"], *extras["zigbee"], *extras["zwave"]]:
        requirement = Requirement(text)
        if requirement.name in known:
            assert Version(known[requirement.name]) in requirement.specifier
            fitting.add(requirement.name)
    assert fitting >= {"cryptography", "voluptuous", "zigpy", "bellows", "zwave-js-server-python", "aiohttp"}


def test_the_core_s_dependencies_are_a_handful(project: dict[str, Any]) -> None:
    assert len(project["project"]["dependencies"]) <= 7
