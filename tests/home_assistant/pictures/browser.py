"""A browser that has logged in, and what the story needs of it.

Debian's Chromium, driven by Playwright: it finds its way through Home Assistant's shadow roots by itself. The browser
resolves no name: nothing outside this machine is asked.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, Route, ViewportSize, async_playwright

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
"""What the program is called, here and there."""
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=Translate,OptimizationHints,MediaRouter",
    "--font-render-hinting=none",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
WINDOW: ViewportSize = {"width": 960, "height": 720}
PATIENCE_MS = 30_000
THEME = {"theme": "default", "dark": False}


BRANDS = "https://brands.home-assistant.io/**"
"""Where the pages of this Home Assistant look for icons; later ones find hubsec's in its folder."""
OUR_BRAND = Path(__file__).parents[3] / "custom_components" / "hubsec" / "brand"
NOTHING = b"<svg xmlns='http://www.w3.org/2000/svg'/>"


def chromium() -> str:
    """The path of a Chromium. Raises :class:`RuntimeError`, saying what to install."""
    for name in CHROMIUM:
        if (path := shutil.which(name)) is not None:
            return path
    raise RuntimeError("No Chromium was found; on Debian and Ubuntu: apt-get install chromium")


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium with a profile of its own, which is thrown away."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        try:
            yield started
        finally:
            await started.close()


async def logged_in(started: Browser, tokens: dict[str, Any]) -> Page:
    """A window, logged in to Home Assistant with those tokens, that shows everything light and still."""
    context = await started.new_context(
        viewport=WINDOW, locale="en-GB", timezone_id="UTC", color_scheme="light", reduced_motion="reduce"
    )
    kept = {"hassTokens": tokens, "selectedTheme": THEME, "dockedSidebar": "always_hidden"}
    lines = [
        f"localStorage.setItem({json.dumps(key)}, {json.dumps(json.dumps(value))});"
        for key, value in kept.items()
    ]
    await context.add_init_script("\n".join(lines))
    await context.route(BRANDS, _brand)
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    return page


async def _brand(route: Route) -> None:
    """hubsec's own icons from its folder, and nothing for all others."""
    folder, name = route.request.url.rsplit("/", 2)[1:]
    if folder == "hubsec" and (OUR_BRAND / name).is_file():
        await route.fulfill(path=OUR_BRAND / name)
    else:
        await route.fulfill(body=NOTHING, content_type="image/svg+xml")
