"""What is seen, checked and kept: the pictures of the documentation."""

from __future__ import annotations

import asyncio
import io
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from playwright.async_api import Error, FloatRect, Locator, Page

from .browser import WINDOW

COLOURS = 128
"""Of a picture: enough for a user interface, and a quarter of the size."""
LARGEST = 150_000
"""Bytes of a picture."""
MARGIN = 12
"""Pixels around what a picture is of."""
STILL = 0.4
"""Seconds after the last text has come, for what moves to come to rest."""
UNTRANSLATED = re.compile(
    r"component\.hubsec\.\S+|\bNone\b|\b(?:config|options|issues|entity|services|exceptions)\.[a-z_]+\.[a-z_.]+"
)
"""What the user interface shows where a text is missing."""

# All that can be read on the page, through all shadow roots, without what is hidden.
_READ = """
() => {
  const lines = [];
  const walk = (node) => {
    if (node instanceof Text) {
      lines.push(node.textContent.trim());
    } else if (node instanceof HTMLSlotElement) {
      node.assignedNodes().forEach(walk);
    } else if (!(node instanceof Element) || getComputedStyle(node).display !== "none") {
      (node.shadowRoot ?? node).childNodes.forEach(walk);
    }
  };
  walk(document.body);
  return lines.filter((line) => line).join("\\n");
}
"""


class NotSeen(Exception):
    """The page does not show what it is to show. `seen` is a picture of what it shows."""

    def __init__(self, message: str, seen: Path) -> None:
        super().__init__(message)
        self.seen = seen


class Stage:
    """The browser's window. Pictures go to `pictures`, and what went wrong to `troubles`."""

    def __init__(self, page: Page, url: str, *, pictures: Path, troubles: Path) -> None:
        self.page = page
        self._url = url
        self._pictures = pictures
        self._troubles = troubles

    async def tall(self, height: int = WINDOW["height"]) -> None:
        """Make the window that high; without an argument, as high as it was in the beginning."""
        await self.page.set_viewport_size({**WINDOW, "height": height})

    async def visit(self, path: str) -> None:
        """Open a page of Home Assistant."""
        await self.page.goto(f"{self._url}{path}")

    async def reads(self) -> str:
        """What can be read now."""
        text: str = await self.page.evaluate(_READ)
        return text

    async def sees(self, *texts: str) -> None:
        """Wait until all of these can be read."""
        for text in texts:
            try:
                await self.page.get_by_text(text).locator("visible=true").first.wait_for()
            except Error as error:
                raise NotSeen(f"Nowhere to be read: {text!r}.", await self.keep_trouble()) from error

    async def keep_trouble(self) -> Path:
        """Keep a picture of whatever there is to be seen."""
        return await self._keep(await self.page.screenshot(), self._troubles / "seen.png")

    async def picture(
        self, name: str, of: Locator | None = None, *, top: int | None = None, shows: Sequence[str]
    ) -> None:
        """Take a picture once the page shows those texts: of a part of it, or of the window's `top` pixels (default:
        all)."""
        await self.sees(*shows)
        await asyncio.sleep(STILL)
        if raw := UNTRANSLATED.search(await self.reads()):
            raise NotSeen(f"A text has no words: {raw[0]}.", await self.keep_trouble())
        window = self.page.viewport_size or WINDOW
        whole: FloatRect = {"x": 0, "y": 0, "width": window["width"], "height": top or window["height"]}
        clip = whole if of is None else await self._around(of)
        path = await self._keep(await self.page.screenshot(clip=clip), self._pictures / f"{name}.png")
        sys.stdout.write(f"{path.relative_to(self._pictures.parents[1])}  {path.stat().st_size // 1000} kB\n")

    async def _around(self, of: Locator) -> FloatRect:
        box = await of.bounding_box()
        if box is None:
            raise NotSeen("What the picture is to be of is not there.", await self.keep_trouble())
        left, top = max(box["x"] - MARGIN, 0), max(box["y"] - MARGIN, 0)
        window = self.page.viewport_size or WINDOW
        right = min(box["x"] + box["width"] + MARGIN, window["width"])
        bottom = min(box["y"] + box["height"] + MARGIN, window["height"])
        return {"x": left, "y": top, "width": right - left, "height": bottom - top}

    async def _keep(self, png: bytes, path: Path) -> Path:
        return await asyncio.to_thread(_write_small, png, path)


def _write_small(png: bytes, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(io.BytesIO(png)) as picture:
        few = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
    if path.stat().st_size > LARGEST:
        raise RuntimeError(f"{path} has {path.stat().st_size} bytes; {LARGEST} are allowed")
    return path
