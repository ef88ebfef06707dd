"""A connection of our own to the server: made, kept, and made again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import aiohttp
from zwave_js_server.client import Client
from zwave_js_server.const import MAX_SERVER_SCHEMA_VERSION, MIN_SERVER_SCHEMA_VERSION, __version__
from zwave_js_server.exceptions import BaseZwaveJSServerError, InvalidServerVersion
from zwave_js_server.model.version import VersionInfo

from hubsec.errors import RadioError
from hubsec_zwave.limits import Limits
from hubsec_zwave.link import Link

FITTING: Final = {50: "0.73.1"}
"""For the newest schema that a server speaks: a zwave-js-server-python that can talk to it."""

_GOOD_BYE: Final = 1.0
"""Seconds that a server has for its part of closing."""


class Connection:
    """One websocket and the client on it; `link` puts itself between the two before anything is said."""

    def __init__(self, url: str, limits: Limits) -> None:
        self._url = url
        self._limits = limits
        self._session: aiohttp.ClientSession | None = None
        self._client: Client | None = None
        self._listening: asyncio.Task[None] | None = None

    async def open(self, make_link: Callable[[Client], Link]) -> Link:
        """Connect, and listen until it ends. Raises :class:`~hubsec.errors.RadioError` when the server can't
        be reached, or speaks another schema."""
        self._session = aiohttp.ClientSession()
        client = self._client = Client(self._url, self._session)
        try:
            async with asyncio.timeout(self._limits.connect):
                link = make_link(client)
                link.install()
                await client.connect()
                ready = asyncio.Event()
                listening = asyncio.create_task(client.listen(ready), name="hubsec listens to Z-Wave JS")
                self._listening = listening
                waiting = asyncio.ensure_future(ready.wait())
                await asyncio.wait((waiting, listening), return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                _still_listening(listening)
        except InvalidServerVersion as error:
            await self.close()
            if client.version is None:
                raise RadioError(str(error)) from error
            raise RadioError(_no_common_schema(client.version)) from error
        except TimeoutError:
            await self.close()
            raise RadioError(
                f"The Z-Wave JS server did not answer within {self._limits.connect:g} s."
            ) from None
        except (BaseZwaveJSServerError, OSError, aiohttp.ClientError) as error:
            await self.close()
            raise RadioError(
                f"The Z-Wave JS server can't be reached ({type(error).__name__}): look whether it runs, and where."
            ) from None
        except BaseException:
            await self.close()
            raise
        return link

    async def close(self) -> None:
        """End it. Idempotent."""
        if self._listening is not None:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._listening
            self._listening = None
        client, self._client = self._client, None
        if client is not None and client.connected and client.driver is None:
            # Nobody has listened yet, so that nobody else closes it.
            with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
                async with asyncio.timeout(_GOOD_BYE):
                    await client.disconnect()
        if self._session is not None:
            await self._session.close()
            self._session = None


def _still_listening(listening: asyncio.Task[None]) -> None:
    if listening.done():
        raise RadioError("The Z-Wave JS server ended the connection before it was up.") from (
            listening.exception()
        )


def _no_common_schema(version: VersionInfo) -> str:
    newest = version.max_schema_version
    if newest < MIN_SERVER_SCHEMA_VERSION:
        fitting = FITTING.get(newest)
        advice = f"install zwave-js-server-python {fitting}, or" if fitting else "install"
        advice += " a newer server"
    else:
        advice = "install a newer zwave-js-server-python"
    return (
        f"zwave-js-server-python {__version__} speaks schema {MIN_SERVER_SCHEMA_VERSION} to "
        f"{MAX_SERVER_SCHEMA_VERSION}, and the server {version.server_version} {version.min_schema_version} to "
        f"{newest}: {advice}."
    )
