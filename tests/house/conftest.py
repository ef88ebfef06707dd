"""The project's own files, for the tests about it."""

from __future__ import annotations

import ast
import subprocess
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class Sources:
    """What lies in the repository."""

    root = ROOT
    packages = {  # noqa: RUF012 - read by tests only
        "hubsec": ROOT / "hubsec",
        "hubsec_zigbee": ROOT / "radios" / "hubsec_zigbee",
        "hubsec_zwave": ROOT / "radios" / "hubsec_zwave",
        "hubsec_emulated": ROOT / "radios" / "hubsec_emulated",
        "hubsec_policies": ROOT / "policies" / "hubsec_policies",
    }

    @cached_property
    def modules(self) -> dict[str, ast.Module]:
        """Every module of the packages, parsed, by its dotted name."""
        found = {}
        for package, folder in self.packages.items():
            for path in sorted(folder.rglob("*.py")):
                parts = path.relative_to(folder).with_suffix("").parts
                name = ".".join([package, *(part for part in parts if part != "__init__")])
                found[name] = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        return found

    @cached_property
    def tracked(self) -> list[Path]:
        """Every file that is in git, or would be after `git add`."""
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        paths = (ROOT / name for name in listed.stdout.decode().split("\0") if name)
        return [path for path in paths if path.is_file()]


def imported(module: ast.Module) -> set[str]:
    """The dotted names that it imports, wherever in it."""
    names = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.fixture(scope="session")
def sources() -> Sources:
    return Sources()


@pytest.fixture(scope="session")
def imports(sources: Sources) -> dict[str, set[str]]:
    """What each module imports."""
    return {name: imported(module) for name, module in sources.modules.items()}
