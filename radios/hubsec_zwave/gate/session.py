"""One client's connection, and the one to the server that is its alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec
from aiohttp import ClientWebSocketResponse, WSCloseCode, WSMsgType, web

from hubsec.buckets import Bucket
from hubsec_zwave.commands import COMMANDS
from hubsec_zwave.gate.credentials import Client
from hubsec_zwave.gate.limits import Limits
from hubsec_zwave.gate.relay import encode, relay
from hubsec_zwave.screening import Forward, Judge, Refusal, Screen

LOGGER = logging.getLogger(__package__)

UPSTREAM_GONE: Final = WSCloseCode.SERVICE_RESTART
GONE: Final = "It does not answer."
_REASON_LIMIT: Final = 120
"""Bytes of a close frame's reason: 125, less its code (RFC 6455, 5.5)."""

TOO_MANY: Final = Refusal("This client asks for too much: wait a little.", "too-many-openings")
_ANSWERS: Final = frozenset(
    {
        "controller.grant_security_classes",
        "controller.validate_dsk_and_enter_pin",
        "controller.cancel_secure_bootstrap_s2",
        "controller.stop_inclusion",
        "controller.stop_exclusion",
    }
)
"""What belongs to something that is under way, and is not written down by itself."""
_OPENINGS: Final = frozenset(name for name, command in COMMANDS.items() if command.judged) - _ANSWERS

_decode = msgspec.json.Decoder().decode


class Session:
    """Carries one client's messages until either end closes. `asker` is unique to this connection. `refused` hears of
    every command that did not pass. `downstream` does not answer pings by itself. `openings` is for
    all connections of the client."""

    def __init__(
        self,
        client: Client,
        asker: str,
        judge: Judge,
        *,
        downstream: web.WebSocketResponse,
        transport: asyncio.Transport | None,
        upstream: ClientWebSocketResponse,
        refused: Callable[[str, Refusal], None],
        limits: Limits,
        openings: Bucket,
    ) -> None:
        self.client = client
        self.asker = asker
        self.screen = Screen(asker, client.role, judge)
        self._judge = judge
        self._silent = judge.silent_nodes()
        self._downstream = downstream
        self._transport = transport
        self._upstream = upstream
        self._refused = refused
        self._limits = limits
        self._heard = asyncio.get_running_loop().time()
        self._pinged = False
        self._woken = asyncio.Event()
        self._openings = openings
        self._refusals = Bucket(limits.refusals, limits.refusals_per_second)
        self._untold = 0
        self._waiting_since: float | None = None
        self._ended: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    async def run(self) -> str:
        """Carry messages; returns why it ended. Closes both connections."""
        tasks = {asyncio.create_task(work()) for work in (self._up, self._down, self._look)}
        for task in tasks:
            task.add_done_callback(self._broken)
        try:
            code, reason = await self._ended
        except asyncio.CancelledError:
            code, reason = WSCloseCode.GOING_AWAY, "The gate is closing."
            raise
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._close(code, reason)
        return reason

    def end(self, code: int, reason: str) -> None:
        """Have it end, for that reason."""
        if not self._ended.done():
            self._ended.set_result((code, reason[:_REASON_LIMIT]))

    def _broken(self, task: asyncio.Task[None]) -> None:
        """End for a task's failure. Connections break; whatever else is a mistake here, for which this client pays."""
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        if not isinstance(error, OSError | RuntimeError):
            LOGGER.error("%s: its connection failed.", self.asker, exc_info=error)
        self.end(WSCloseCode.INTERNAL_ERROR, "The connection broke.")

    async def _close(self, code: int, reason: str) -> None:
        if self._waiting_since is not None and self._transport is not None:
            # One that does not read does not read a good-bye either.
            self._transport.abort()
        with suppress(OSError, RuntimeError):
            await self._downstream.close(code=code, message=reason.encode())
        with suppress(OSError, RuntimeError):
            await self._upstream.close()

    # From the client to the server

    async def _up(self) -> None:
        async for message in self._downstream:
            self._heard, self._pinged = asyncio.get_running_loop().time(), False
            if message.type is WSMsgType.PING:
                await self._downstream.pong(message.data)
                continue
            if message.type is WSMsgType.PONG:
                continue
            if message.type is not WSMsgType.TEXT:
                self.end(WSCloseCode.UNSUPPORTED_DATA, "Messages are texts.")
                return
            try:
                command = _decode(message.data)
            except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
                # There is no id to answer to; the server closes, too.
                self.end(WSCloseCode.INVALID_TEXT, "Messages are JSON.")
                return
            await self._command(command)
        self.end(WSCloseCode.OK, "The client left.")

    async def _command(self, command: object) -> None:
        name = command.get("command") if isinstance(command, Mapping) else None
        opens = isinstance(name, str) and name in _OPENINGS
        if opens and not self._openings.take(asyncio.get_running_loop().time()):
            passed: Forward | Refusal = TOO_MANY
        else:
            passed = await self.screen.command(command)
        if isinstance(passed, Refusal):
            self._say(passed)
            message_id = command.get("messageId") if isinstance(command, Mapping) else None
            await self._tell(self.screen.refused(message_id, passed))
            return
        # Written anew: what the server reads is what was looked at, and not what else a text may hold.
        await self._upstream.send_str(encode(passed.message))

    def _say(self, refusal: Refusal) -> None:
        if not self._refusals.take(asyncio.get_running_loop().time()):
            self._untold += 1
            return
        untold, self._untold = self._untold, 0
        more = f" ({untold} more were not told.)" if untold else ""
        self._refused(self.asker, Refusal(refusal.reason + more, refusal.rule))

    # From the server to the client

    async def _down(self) -> None:
        async for message in self._upstream:
            if message.type is not WSMsgType.TEXT:
                break
            text = relay(self.screen, message.data)
            if text is not None:
                await self._send(text)
        self.end(UPSTREAM_GONE, "The Z-Wave JS server is gone; connect again.")

    async def _tell(self, message: Mapping[str, Any]) -> None:
        await self._send(encode(message))

    async def _send(self, text: str) -> None:
        if self._waiting_since is None:
            self._waiting_since = asyncio.get_running_loop().time()
            await self._downstream.send_str(text)
            self._waiting_since = None
        else:
            await self._downstream.send_str(text)

    # What the gate looks after

    def waits_since(self) -> float | None:
        """Since when the client has not read what it was sent; None if it reads."""
        return self._waiting_since

    def wake(self) -> None:
        """Look at once who was shut out."""
        self._woken.set()

    async def _look(self) -> None:
        """Tell the client who is shut out, and who is no more."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._limits.look):
                    await self._woken.wait()
            self._woken.clear()
            await self._news()
            await self._beat()

    async def _beat(self) -> None:
        """Ask a client that has long said nothing whether it is still there."""
        silence = asyncio.get_running_loop().time() - self._heard
        if silence > 2 * self._limits.heartbeat:
            self.end(WSCloseCode.POLICY_VIOLATION, GONE)
        elif silence > self._limits.heartbeat and not self._pinged:
            self._pinged = True
            await self._downstream.ping()

    async def _news(self) -> None:
        silent = self._judge.silent_nodes()
        if silent != self._silent:
            newly, self._silent = silent - self._silent, silent
            for node in sorted(newly):
                news = self.screen.shut_out(node)
                if news is not None:
                    await self._tell(news)
        if self.screen.withheld:
            released = self.screen.release()
            for message in released.messages:
                await self._tell(message)
            for command in released.commands:
                await self._upstream.send_str(encode(command))
