"""Asking whether a URL leads to a gate, as a client that only knows the URL: Home Assistant's, for one.

A gate answers whoever has a credential and asks for no websocket. It is taken at its word: who can put a server
at that URL is who the client is connected to anyway.
"""

from __future__ import annotations

from typing import Final

from aiohttp import ClientError, ClientSession, ClientTimeout
from yarl import URL

GAPS_HEADER: Final = "Hubsec-Gaps"
"""What a gate answers: the names of what it can't hold, with commas between; empty when all is held."""
NO_WEBSOCKET: Final = 426
PATIENCE: Final = 5.0
"""Seconds that an answer may take; a gate answers at once."""
_SCHEMES: Final = {"ws": "http", "wss": "https"}


async def gaps(url: str, session: ClientSession) -> tuple[str, ...] | None:
    """What the gate at `url`, which holds a credential, can't hold; None where there is no gate, or it does not
    answer."""
    try:
        parts = URL(url)
        where = parts.with_scheme(_SCHEMES[parts.scheme]).with_path("/")
    except (KeyError, TypeError, ValueError):
        return None
    if not where.user or not where.password:
        return None
    try:
        async with session.get(
            where, allow_redirects=False, timeout=ClientTimeout(total=PATIENCE)
        ) as response:
            told = response.headers.get(GAPS_HEADER)
            if response.status != NO_WEBSOCKET or told is None:
                return None
    except (ClientError, OSError, TimeoutError):
        return None
    return tuple(one for one in told.split(",") if one)
