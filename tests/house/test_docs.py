"""The documentation's pages: all of them in the menu, and what they show is there."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest


@pytest.fixture(scope="module")
def menu(sources: Any) -> set[str]:
    text = (sources.root / "mkdocs.yml").read_text(encoding="utf-8")
    nav = text[text.index("\nnav:") : text.index("\nplugins:")]
    return set(re.findall(r"[\w/.-]+\.md", nav))


def test_every_page_is_in_the_menu_and_every_entry_is_a_page(menu: set[str], sources: Any) -> None:
    docs = sources.root / "docs"
    assert {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")} == menu


def test_what_the_reference_shows_is_there(sources: Any) -> None:
    shown = set()
    for page in (sources.root / "docs" / "reference").glob("*.md"):
        shown |= set(re.findall(r"^::: ([\w.]+)$", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert len(shown) > 15
    for name in shown:
        module, _, last = name.rpartition(".")
        if last[0].isupper():
            assert hasattr(importlib.import_module(module), last), name
        else:
            assert importlib.import_module(name).__doc__


def test_names_in_code_blocks_can_be_imported(sources: Any) -> None:
    """Every `from hubsec… import …` that a page or the README shows."""
    pages = [*(sources.root / "docs").rglob("*.md"), sources.root / "README.md"]
    lines = {
        match
        for page in pages
        for match in re.findall(
            r"^from (hubsec[\w.]*) import ([\w, ]+)$", page.read_text("utf-8"), re.MULTILINE
        )
    }
    assert len(lines) > 3
    for module, names in lines:
        for name in names.split(","):
            assert hasattr(importlib.import_module(module), name.strip()), f"{module}.{name}"


def test_python_in_code_blocks_compiles(sources: Any) -> None:
    import ast
    import textwrap

    blocks = 0
    for page in [*(sources.root / "docs").rglob("*.md"), sources.root / "README.md"]:
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
            # Blocks show the inside of a coroutine as often as a whole file.
            ast.parse("async def block():\n" + textwrap.indent(block, "    "), filename=str(page))
            blocks += 1
    assert blocks > 5
