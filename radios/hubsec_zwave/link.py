"""The wire between a client object and its server, with something in between.

:class:`Link` stands on one :class:`zwave_js_server.client.Client`: our own, or one that a host runs. It puts itself
into that object's way of sending and of handling what came, and takes itself out again. What the guard sends goes
past the host, and its answers with it.

The private names that it stands on (`_handle_incoming_message`, `_send_json_message`, `_receive_json_or_raise`,
`_result_futures`) are held by tests for each version of the client that hubsec supports."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from aiohttp import ClientError
from zwave_js_server.client import START_LISTENING_MESSAGE_ID, Client
from zwave_js_server.exceptions import BaseZwaveJSServerError, FailedCommand

from hubsec.canaries import refuse_canary
from hubsec.errors import RadioError, Refused
from hubsec_zwave.observing import Observer
from hubsec_zwave.screening import Forward, Refusal, Screen

LOGGER = logging.getLogger(__package__)

_HOOKED: Final = ("_handle_incoming_message", "_send_json_message", "_receive_json_or_raise")
_NEEDED: Final = (*_HOOKED, "_result_futures")
REFUSED: Final = "hubsec_refused"
"""The error code of a command that the guard refused, as clients see it."""

_ours: Final[ContextVar[bool]] = ContextVar("hubsec command", default=False)

type Json = Mapping[str, Any]


class CommandRefused(Refused, FailedCommand):
    """The guard refused a command: one of hubsec's errors, and one that a host knows from its client."""

    def __init__(self, reason: str, *, rule: str, message_id: str = "") -> None:
        # The two bases' own constructors do not fit behind each other.
        Exception.__init__(self, reason)
        self.reason = reason
        self.rule = rule
        self.message_id = message_id
        self.error_code = REFUSED


def check_client(client: object) -> None:
    """Raises :class:`~hubsec.errors.RadioError` for anything but a client whose insides are the known
    ones."""
    if not isinstance(client, Client):
        raise RadioError("A guard attaches to a zwave_js_server.client.Client.")
    missing = [name for name in _NEEDED if not hasattr(client, name)]
    if missing or not inspect.iscoroutinefunction(type(client)._send_json_message):
        raise RadioError(
            f"This zwave-js-server-python is not one that hubsec knows: {', '.join(missing) or 'sending'} is "
            "otherwise. Install a version that the guide on Z-Wave lists."
        )


class Link:
    """`heard` gets every event of the server before the client does, and `dumped` the state of the whole
    network when the client asks for it; `lost` is called once when the connection ends. `screen` judges what
    the host sends and what it may see."""

    def __init__(
        self,
        client: Client,
        *,
        screen: Screen | Observer,
        heard: Callable[[Json], None],
        dumped: Callable[[Json], None],
        lost: Callable[[], None],
        refusal: Callable[[Refused], Exception] | None = None,
    ) -> None:
        check_client(client)
        self.client = client
        self._screen: Screen | Observer | None = screen
        self._heard = heard
        self._dumped = dumped
        self._lost = lost
        self._is_lost = False
        self._refusal = refusal
        self._mine: set[str] = set()
        self._before: dict[str, Any] = {}
        self._put: dict[str, Any] = {}

    @property
    def connected(self) -> bool:
        """Whether commands get through: the client is connected, and has been told of the whole network."""
        return bool(self.client.connected) and not self._is_lost

    def renew(self, screen: Screen | Observer) -> None:
        """Judge by this one from now on: what its forerunner waited for will not come."""
        self._screen = screen
        self._mine.clear()

    # Getting in and out of the way

    def install(self) -> None:
        """Stand in the way from now on."""
        for name in _HOOKED:
            self._before[name] = self.client.__dict__.get(name)
        self._put = {
            "_handle_incoming_message": self._handle,
            "_send_json_message": self._send,
            "_receive_json_or_raise": self._receive,
        }
        for name, function in self._put.items():
            setattr(self.client, name, function)

    @property
    def stands(self) -> bool:
        """Whether nobody has put something else in its place."""
        return all(self.client.__dict__.get(name) == function for name, function in self._put.items())

    def remove(self) -> bool:
        """Get out of the way. Whether the client is as it was before: where somebody has wrapped what is
        ours, it stays and lets everything pass."""
        restored = bool(self._put)
        self._is_lost, self._screen = True, None
        for name, function in self._put.items():
            if self.client.__dict__.get(name) != function:
                restored = False
            elif self._before[name] is None:
                delattr(self.client, name)
            else:
                setattr(self.client, name, self._before[name])
        self._put = {}
        return restored

    def _original(self, name: str) -> Any:
        before = self._before[name]
        return getattr(type(self.client), name).__get__(self.client) if before is None else before

    # What the guard says for itself

    async def command(self, command: str, *, timeout: float, **arguments: Any) -> dict[str, Any]:  # noqa: ASYNC109 - it is the guard's own limit
        """Send a command past the screen. Its result; raises :class:`~hubsec.errors.RadioError` when there is
        none."""
        self._must_be_told(command)
        try:
            async with asyncio.timeout(timeout):
                with self._as_guard():
                    result = await self.client.async_send_command({"command": command, **arguments})
        except BaseZwaveJSServerError as error:
            raise RadioError(f"The server did not do {command}: {error}") from error
        except TimeoutError:
            raise RadioError(f"The server did not answer {command} within {timeout:g} s.") from None
        except (OSError, ClientError):
            raise RadioError(f"The connection broke before {command} was sent.") from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self.connected or (task is not None and task.cancelling()):
                # Whoever ends a task waits for it, whatever has become of the connection.
                raise
            # The client cancels whatever still waits when its connection ends.
            raise RadioError(f"The connection ended before {command} was answered.") from None
        return dict(result)

    async def ask(self, message: Json) -> None:
        """Send a command of the screen's own, whose answer the screen makes news of."""
        self._must_be_told(message["command"])
        try:
            await self._original("_send_json_message")(dict(message))
        except (OSError, ClientError, BaseZwaveJSServerError):
            raise RadioError(f"The connection broke before {message['command']} was sent.") from None

    def _must_be_told(self, command: str) -> None:
        """A client that has been connected again takes the next answer for the one to its own first question."""
        if self._is_lost:
            raise RadioError(f"The connection was lost, so {command} can't be sent.")

    def tell(self, event: Json) -> None:
        """Have the client believe that the server said this."""
        if self.client.driver is None:
            return
        try:
            self._original("_handle_incoming_message")({"type": "event", "event": dict(event)})
        except Exception as error:  # noqa: BLE001 - whatever a host's listeners raise, the guard goes on
            LOGGER.warning("The client did not take %s: %s", event.get("event"), type(error).__name__)

    @contextmanager
    def _as_guard(self) -> Iterator[None]:
        before = _ours.set(True)
        try:
            yield
        finally:
            _ours.reset(before)

    # What stands in the way

    async def _send(self, message: dict[str, Any]) -> None:
        send = self._original("_send_json_message")
        if _ours.get():
            self._mine.add(message["messageId"])
            await send(message)
            return
        screen = self._screen
        if screen is None:
            await send(message)
            return
        passed = await self._screened(screen, message)
        if isinstance(passed, Refusal):
            self.client._result_futures.pop(message["messageId"], None)
            error = CommandRefused(passed.reason, rule=passed.rule, message_id=message["messageId"])
            if self._refusal is None:
                raise error
            raise self._refusal(error) from error
        await send(dict(passed.message))

    async def _screened(self, screen: Screen | Observer, message: Json) -> Forward | Refusal:
        try:
            refuse_canary()
        except Refused as refused:
            return Refusal(refused.reason, refused.rule)
        return await screen.command(message)

    async def _receive(self) -> dict[str, Any]:
        try:
            message: dict[str, Any] = await self._original("_receive_json_or_raise")()
        except BaseException:
            if not self._is_lost:
                self._is_lost = True
                self._lost()
            raise
        if message.get("messageId") != START_LISTENING_MESSAGE_ID or not message.get("success"):
            return message
        if self._screen is None:
            return message
        self._is_lost = False
        self._dumped(message["result"]["state"])
        refused = {"success": False, "errorCode": REFUSED, "message": "Nobody had asked for that."}
        return self._shown(message) or {**message, **refused}

    def _shown(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """What the client may see of it; None for nothing."""
        if self._screen is None:
            return message
        shown = self._screen.message(message)
        return None if shown is None else dict(shown)

    def _handle(self, message: dict[str, Any]) -> None:
        handle = self._original("_handle_incoming_message")
        kind = message.get("type")
        if kind == "result" and message.get("messageId") in self._mine:
            self._mine.discard(message["messageId"])
            handle(message)
            return
        if kind == "event" and isinstance(message.get("event"), dict):
            self._heard(message["event"])
            _mend(message["event"])
        shown = self._shown(message)
        if shown is not None:
            handle(shown)


def _mend(event: dict[str, Any]) -> None:
    """zwave-js-server-python up to 0.74 takes no node without a device class, which is what a node is while
    it replaces another: its listening would end with that. A device class that says nothing stands in."""
    node = event.get("node")
    if event.get("event") == "node found" and isinstance(node, dict) and node.get("deviceClass") is None:
        unknown = {"key": 0, "label": "Unknown"}
        node["deviceClass"] = {
            "basic": unknown,
            "generic": unknown,
            "specific": unknown,
            "mandatorySupportedCCs": [],
            "mandatoryControlledCCs": [],
        }
