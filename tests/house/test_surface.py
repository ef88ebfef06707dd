"""What is public, what is said of it, and what must not be said at all."""

from __future__ import annotations

import ast
import importlib
import re
from typing import Any

import pytest

import hubsec


def defined(module: ast.Module) -> set[str]:
    """The public names that a module makes itself, not those that it imports."""
    names = set()
    for node in module.body:
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                names.add(node.name)
            case ast.Assign():
                names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.TypeAlias(name=ast.Name(id=name)):
                names.add(name)
    return {name for name in names if not name.startswith("_")}


def listed(module: ast.Module) -> set[str] | None:
    """Its `__all__`, when that is a literal; None when it has none."""
    for node in module.body:
        if isinstance(node, ast.Assign) and any(
            getattr(target, "id", "") == "__all__" for target in node.targets
        ):
            if isinstance(node.value, ast.List) and all(
                isinstance(item, ast.Constant) for item in node.value.elts
            ):
                return {item.value for item in node.value.elts}
            return set(hubsec.__all__)
    return None


def test_every_public_name_is_in_all_and_every_name_in_all_is_there(sources: Any) -> None:
    wrong = []
    for name, module in sources.modules.items():
        names = listed(module)
        if names is None:
            continue
        live = importlib.import_module(name)
        wrong += [f"{name}.{one} is in __all__ and not there" for one in names if not hasattr(live, one)]
        wrong += [f"{name}.{one} is private and in __all__" for one in names if re.match("_(?!_)", one)]
        wrong += [f"{name}.{one} is public and not in __all__" for one in sorted(defined(module) - names)]
    assert not wrong, "\n".join(wrong)


def test_the_front_door_says_to_type_checkers_what_it_says_at_run_time(sources: Any) -> None:
    told = set()
    for node in ast.walk(sources.modules["hubsec"]):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hubsec."):
            told |= {alias.name for alias in node.names}
    assert told | {"__version__"} == set(hubsec.__all__)
    for name in hubsec.__all__:
        assert getattr(hubsec, name) is not None
    assert dir(hubsec) == sorted(hubsec.__all__)
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = hubsec.no_such_thing  # type: ignore[attr-defined]


def test_every_module_says_what_it_is_for(sources: Any) -> None:
    silent = [name for name, module in sources.modules.items() if not ast.get_docstring(module)]
    assert silent == []


def test_no_module_is_long(sources: Any) -> None:
    lengths = {
        name: module.body[-1].end_lineno or 0 for name, module in sources.modules.items() if module.body
    }
    assert {name: length for name, length in lengths.items() if length > 700} == {}


# Machines and registries are nobody's business. Written so that this file does not name what it looks for.
FORBIDDEN = re.compile(
    "|".join(
        [
            r"(?<![\w.])/(?:wor" + r"k|roo" + r"t|mnt|opt/whee" + r"ls)/",
            r"/hom" + r"e/\w+/",
            r"(?:test\.)?pypi\.or" + "g",
            r"pythonhoste" + "d",
            r"registry\.npmj" + "s",
            r"index[-_]ur" + "l",
            r"find[-_]lin" + "ks",
        ]
    )
)


def test_no_file_names_a_machine_s_path_or_a_registry(sources: Any) -> None:
    found = []
    for path in sources.tracked:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(sources.root)}: {match[0]}" for match in FORBIDDEN.finditer(text)]
    assert found == []


@pytest.mark.parametrize("text", ["cd /wor" + "k/main", "https://pypi.or" + "g/simple", "--index-ur" + "l=x"])
def test_that_the_test_above_can_fail(text: str) -> None:
    assert FORBIDDEN.search(text)
