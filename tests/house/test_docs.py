"""The documentation's pages: all of them in the menu, what they show is there, and what they say to do works.

`python tests/house/test_docs.py` brings the list of events up to date.
"""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hubsec import Network, events
from hubsec.stickers import read_sticker
from tests.house.programs import run

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = (*sorted(DOCS.rglob("*.md")), ROOT / "README.md")
DEVICE = "00:12:4b:00:01:02:03:04"


def blocks(page: Path, language: str) -> list[str]:
    """The page's code blocks in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def python_of(page: Path) -> Iterator[ast.AST]:
    """The page's blocks of Python, parsed. They show the inside of a coroutine as often as a whole file."""
    for block in blocks(page, "python"):
        yield ast.parse("async def block():\n" + textwrap.indent(block, "    "), filename=str(page))


# The menu


@pytest.fixture(scope="module")
def menu(sources: Any) -> set[str]:
    text = (sources.root / "mkdocs.yml").read_text(encoding="utf-8")
    nav = text[text.index("\nnav:") : text.index("\nplugins:")]
    return set(re.findall(r"[\w/.-]+\.md", nav))


def test_every_page_is_in_the_menu_and_every_entry_is_a_page(menu: set[str]) -> None:
    assert {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} == menu


def test_what_the_reference_shows_is_there() -> None:
    shown = set()
    for page in (DOCS / "reference").glob("*.md"):
        shown |= set(re.findall(r"^::: ([\w.]+)$", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert len(shown) > 15
    for name in shown:
        module, _, last = name.rpartition(".")
        if last[0].isupper():
            assert hasattr(importlib.import_module(module), last), name
        else:
            assert importlib.import_module(name).__doc__


# Examples


def test_names_in_code_blocks_can_be_imported() -> None:
    """Every `from hubsec… import …` that a page or the README shows, on however many lines."""
    imported = set()
    for page in PAGES:
        for block in python_of(page):
            for node in ast.walk(block):
                if isinstance(node, ast.ImportFrom):
                    imported |= {(node.module or "", alias.name) for alias in node.names}
    assert len(imported) > 10
    for module, name in imported:
        assert hasattr(importlib.import_module(module), name), f"{module}.{name}"


def test_python_in_code_blocks_parses() -> None:
    assert sum(1 for page in PAGES for _ in python_of(page)) > 10


# An install code or a whole DSK, however it is grouped, or what only a sticker has.
LOOKS_LIKE_ONE = re.compile(
    r"(?:[0-9A-F]{4}[ -]?){5,}|(?:[0-9]{5}[ -]){7}[0-9]{5}|\$I:|DLK:?\s|DSK:\s", re.IGNORECASE
)


def sticker_texts() -> list[str]:
    """Every text that a page gives as a sticker's: strings in its Python, code in its lines, blocks of text."""
    found = []
    for page in PAGES:
        strings = [
            node.value
            for block in python_of(page)
            for node in ast.walk(block)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        prose = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        code = re.findall(r"`([^`\n]+)`", prose)
        found += [text for text in (*strings, *code, *blocks(page, "text")) if LOOKS_LIKE_ONE.search(text)]
    return found


def test_every_sticker_that_is_shown_can_be_read() -> None:
    texts = sticker_texts()
    assert len(texts) > 12
    for text in texts:
        # One of Zigbee that says whose it is says so in agreement with this; one of Z-Wave always says it.
        sticker = read_sticker(text)
        if sticker.network is Network.ZIGBEE:
            sticker = read_sticker(text, device=DEVICE)
            assert sticker.device == DEVICE, text
        assert sticker.addressed()


def test_every_block_of_text_on_the_page_of_stickers_is_one() -> None:
    page = DOCS / "stickers.md"
    assert set(blocks(page, "text")) <= set(sticker_texts())


@pytest.mark.hosts
@pytest.mark.parametrize("name", ["attach.md", "z-wave.md"])
def test_the_program_that_attaches_prints_what_the_page_says(tmp_path: Path, name: str) -> None:
    page = DOCS / "guides" / name
    (program,) = (block for block in blocks(page, "python") if "asyncio.run(" in block)
    (printed,) = blocks(page, "text")
    assert run(program, tmp_path) == printed


@pytest.mark.hosts
def test_the_test_that_is_there_to_be_copied_passes(pytester: pytest.Pytester) -> None:
    page = DOCS / "guides" / "emulation.md"
    (test,), (ini,) = blocks(page, "python"), blocks(page, "ini")
    pytester.makepyfile(test)
    pytester.makeini(ini + "filterwarnings = error\n")
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_the_only_program_that_is_not_run_needs_a_stick() -> None:
    programs = [block for page in PAGES for block in blocks(page, "python") if "asyncio.run(" in block]
    assert len(programs) == 4
    assert ["/dev/ttyUSB0" in program for program in programs].count(True) == 1


# The events


def event_tree() -> str:
    """Every event with what is in it, as the page shows it."""

    def fields(kind: type[events.Event]) -> str:
        above = kind.__base__.__struct_fields__ if kind is not events.Event and kind.__base__ else ()
        return ", ".join(name for name in kind.__struct_fields__ if name not in above)

    lines = [f"Event: {fields(events.Event)}"]
    for base in events.Event.__subclasses__():
        if base.__module__ != events.__name__:
            continue
        lines.append(f"  {base.__name__}")
        lines += [f"    {kind.__name__}: {fields(kind)}".rstrip(": ") for kind in base.__subclasses__()]
    return "\n".join(lines)


def renewed(page: str) -> str:
    start = page.index("-->", page.index("<!-- events: ")) + len("-->")
    end = page.index("<!-- end of events -->")
    return f"{page[:start]}\n\n```text\n{event_tree()}\n```\n\n{page[end:]}"


EVENTS = DOCS / "guides" / "events.md"


def test_the_page_has_the_events_that_there_are() -> None:
    page = EVENTS.read_text(encoding="utf-8")
    assert renewed(page) == page


# What a reader's browser fetches

FETCHED = re.compile(
    r"<(?:script|link|img|iframe|source|object)\b[^>]*\b(?:src|href|data)=[\"']?(?:https?:)?//", re.IGNORECASE
)
IMPORTED = re.compile(r"(?:@import\s+|url\()\s*[\"']?(?:https?:)?//", re.IGNORECASE)


@pytest.mark.slow
@pytest.mark.leaves_secrets(
    "*.html", "search_index.json", reason="the specification's example of an install code"
)
def test_reading_a_page_fetches_nothing_from_elsewhere(tmp_path: Path) -> None:
    subprocess.run(
        [
            sys.executable,
            "-m",
            "mkdocs",
            "build",
            "--strict",
            "--quiet",
            "--site-dir",
            str(tmp_path / "site"),
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    pages = {path: path.read_text("utf-8") for path in (tmp_path / "site").rglob("*.html")}
    assert len(pages) > 15
    assert {str(path): FETCHED.findall(text) for path, text in pages.items() if FETCHED.search(text)} == {}
    # The theme's script fetches this one when there is anything for it to draw.
    assert not [path for path, text in pages.items() if re.search(r"class=[\"']?mermaid", text)]
    styles = [path for kind in ("*.css", "*.svg") for path in (tmp_path / "site").rglob(kind)]
    assert not [path for path in styles if IMPORTED.search(path.read_text("utf-8"))]


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://cdn.example/x.js">',
        "<link rel=stylesheet href=//fonts.example/css>",
        '<img alt="" src="http://x.example/y.png">',
    ],
)
def test_that_the_test_above_can_fail(text: str) -> None:
    assert FETCHED.search(text)
    assert IMPORTED.search("@import url(https://x.example/y.css)")


if __name__ == "__main__":
    EVENTS.write_text(renewed(EVENTS.read_text(encoding="utf-8")), encoding="utf-8")
