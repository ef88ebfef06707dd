"""Who may know whom. The contracts are in pyproject.toml; these are the ones that they can't say, and that they run."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

# Which part of a test or example may know the emulation: all. Which part of the project: only the emulation itself.
EMULATED = "hubsec_emulated"


def test_the_contracts_are_kept(sources: Any) -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--no-cache"], cwd=sources.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_nothing_but_tests_and_examples_knows_the_emulation(
    imports: dict[str, set[str]], sources: Any
) -> None:
    knowing = [
        name
        for name, names in imports.items()
        if not name.startswith(EMULATED) and any(one.startswith(EMULATED) for one in names)
    ]
    assert knowing == []
    assert any(name.startswith(EMULATED) for name in sources.modules)


def test_the_emulation_takes_nothing_from_hubsec_but_its_errors(imports: dict[str, set[str]]) -> None:
    taken = {
        f"{name}: {one}"
        for name, names in imports.items()
        if name.startswith(EMULATED)
        for one in names
        if one.split(".")[0] == "hubsec" and not one.startswith("hubsec.errors")
    }
    assert taken == set()


def test_no_module_imports_by_a_name_that_can_not_be_followed(sources: Any) -> None:
    """Importing a computed name would go round every contract; the front door's table is a literal."""
    calls = {
        name
        for name, module in sources.modules.items()
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute | ast.Name)
        and ast.unparse(node.func) in {"importlib.import_module", "import_module", "__import__"}
    }
    assert calls <= {"hubsec"}
