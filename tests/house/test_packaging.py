"""What is in the wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email.parser import Parser
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(sources: Any, tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=sources.root,
        capture_output=True,
        check=True,
    )
    (built,) = folder.glob("hubsec-*.whl")
    return zipfile.Path(built)


@pytest.fixture(scope="module")
def names(wheel: zipfile.Path) -> set[str]:
    return set(wheel.root.namelist())


def test_every_package_is_typed(names: set[str], sources: Any) -> None:
    for package in sources.packages:
        assert f"{package}/__init__.py" in names
        assert f"{package}/py.typed" in names


def test_every_tracked_file_of_the_packages_is_in_it(names: set[str], sources: Any) -> None:
    """Modules, the policies' YAML, SQL schemas, whatever a package reads at run time."""

    def place(path: Path) -> str | None:
        for package, folder in sources.packages.items():
            if path.is_relative_to(folder):
                return f"{package}/{path.relative_to(folder).as_posix()}"
        return None

    expected = {place(path) for path in sources.tracked} - {None}
    assert expected - names == set()
    assert any(name.endswith(".yaml") and name.startswith("hubsec_policies/") for name in names)


def test_the_licence_is_in_it_and_nothing_but_the_packages(names: set[str], sources: Any) -> None:
    tops = {name.split("/")[0] for name in names}
    info = {top for top in tops if top.endswith(".dist-info")}
    assert len(info) == 1
    assert tops - info == set(sources.packages)
    assert {f"{next(iter(info))}/licenses/{name}" for name in ("LICENSE", "NOTICE")} <= names


def test_what_it_says_of_itself(wheel: zipfile.Path) -> None:
    (info,) = (child for child in wheel.iterdir() if child.name.endswith(".dist-info"))
    meta = Parser().parsestr((info / "METADATA").read_text(encoding="utf-8"))
    assert meta["License-Expression"] == "Apache-2.0"
    assert meta["Requires-Python"] == ">=3.12"
    entry_points = (info / "entry_points.txt").read_text(encoding="utf-8")
    for group in ("console_scripts", "hubsec.policies", "pytest11"):
        assert f"[{group}]" in entry_points


def test_every_entry_point_leads_somewhere() -> None:
    from importlib.metadata import entry_points

    ours = [point for point in entry_points() if point.dist is not None and point.dist.name == "hubsec"]
    assert len(ours) >= 5
    for point in ours:
        assert point.load() is not None
