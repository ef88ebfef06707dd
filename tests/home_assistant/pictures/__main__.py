"""Plays the story in a real Home Assistant and takes the pictures of the documentation: `make pictures`.

Ends with 1 where a page does not show what it is to show, and says where a picture of that page is.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Error

from .browser import browser, logged_in
from .home import LOG, ROOT, home
from .stage import NotSeen, Stage
from .story import Story

PICTURES = ROOT / "docs" / "pictures"
TROUBLES = ROOT / "build" / "pictures"


OURS = re.compile(r"ERROR .*\[(custom_components\.)?hubsec|custom_components/hubsec/|integration .hubsec. ")
"""What is said of hubsec in Home Assistant's log and must not be."""


async def _play(folder: Path) -> list[str]:
    """Play it all. What went wrong."""
    async with home(folder) as lived_in, browser() as started:
        stage = Stage(
            await logged_in(started, lived_in.tokens), lived_in.url, pictures=PICTURES, troubles=TROUBLES
        )
        wrong = await _played(Story(lived_in, stage), stage)
    log = await asyncio.to_thread((folder / LOG).read_text)
    return wrong + [line for line in log.splitlines() if OURS.search(line)]


async def _played(story: Story, stage: Stage) -> list[str]:
    for scene in story.scenes:
        try:
            await scene()
        except (NotSeen, Error, AssertionError) as error:
            seen = error.seen if isinstance(error, NotSeen) else await stage.keep_trouble()
            return [f"{scene.__name__}: {error}", f"What was seen: {seen}"]
    return []


def main() -> int:
    """The program's exit code."""
    with tempfile.TemporaryDirectory(prefix="home-assistant-") as folder:
        wrong = asyncio.run(_play(Path(folder)))
    sys.stderr.writelines(f"{line}\n" for line in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
