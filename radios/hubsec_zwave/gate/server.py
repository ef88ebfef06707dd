"""The gate: a websocket server in front of the Z-Wave JS server, for clients that have a credential.

Each client that comes in gets a connection to the server of its own, so that schema, events and dialogs are the
server's; a :class:`~hubsec_zwave.screening.Screen` holds what passes over it. What ends one does not end another: a
client that leaves takes its own connection to the server along, and when the server goes every client is told, closed,
and let in again as soon as the server is back. A client can't be held on to without its server, for a server that
starts again has states and dialogs of its own, which clients ask for when they connect.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from aiohttp import (
    ClientError,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    ClientWSTimeout,
    WSCloseCode,
    web,
)

from hubsec.buckets import Bucket
from hubsec.errors import HubsecError, RadioError, StoreError
from hubsec_zwave.gate.asking import GAPS_HEADER, NO_WEBSOCKET
from hubsec_zwave.gate.credentials import Client, Credentials
from hubsec_zwave.gate.limits import Limits
from hubsec_zwave.gate.probing import BYPASSABLE, LOOPBACK, Exposure, is_loopback, probe, split
from hubsec_zwave.gate.seen import Seen
from hubsec_zwave.gate.session import Session
from hubsec_zwave.roles import Role
from hubsec_zwave.screening import Judge, Refusal

LOGGER = logging.getLogger(__package__)

REVOKED: Final = WSCloseCode.POLICY_VIOLATION
SLOW: Final = "It does not read what it is sent."
type Watch = Callable[[Callable[[int], None], Callable[[], None]], Callable[[], None]]
"""Takes what to call with the number of a node that is shut out, and what when one may be no more; gives the way to
end that."""

_CHALLENGE: Final = 'Basic realm="hubsec gate", charset="UTF-8"'
_ATTEMPTS: Final = 8
"""Times as many connections as there is room for may begin within the time that a login has."""
_RETRY: Final = "5"
"""Seconds after which a client may try again where there is no server, or no room."""


class Gate:
    """Listens on `host` and `port` (0: any free one) for clients of `credentials`, before the server at `upstream`.

    `judge` decides what the policy has to decide. `ready` says why nobody is let in now, None when everybody with a
    credential is. `watch` tells of changes in who is shut out, which are otherwise looked for now and then. Beyond
    loopback it wants `tls`, unless `plain` says that somebody else sees to that. `seen` hears of what happens.
    """

    def __init__(
        self,
        upstream: str,
        judge: Judge,
        credentials: Credentials,
        *,
        host: str = LOOPBACK,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        plain: bool = False,
        limits: Limits | None = None,
        ready: Callable[[], str | None] = lambda: None,
        watch: Watch | None = None,
        seen: Callable[[Seen], None] | None = None,
    ) -> None:
        split(upstream)
        if tls is None and not plain and not is_loopback(host):
            raise HubsecError(
                f"Beyond loopback credentials would cross the network in the clear: give the gate a certificate, or say"
                f" that {host} is reached by something that encrypts (--plain)."
            )
        self._upstream = upstream
        self._judge = judge
        self._credentials = credentials
        self._host, self._port = host, port
        self._tls = tls
        self._limits = limits if limits is not None else Limits()
        self._ready = ready
        self._seen = seen
        self._watch = watch
        self._unwatch: Callable[[], None] = lambda: None
        self._numbers = itertools.count(1)
        self._sessions: set[Session] = set()
        self._entering = 0
        self._fresh: dict[asyncio.BaseProtocol, float] = {}
        self._failures: dict[str, tuple[float, int]] = {}
        self._openings: dict[str, Bucket] = {}
        self._http: ClientSession | None = None
        self._runner: web.Server | None = None
        self._listener: asyncio.Server | None = None
        self._looking: asyncio.Task[None] | None = None
        self._exposure: Exposure | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Probe the server and listen. Raises :class:`~hubsec.errors.RadioError` when the address can't be had."""
        self._exposure = await probe(self._upstream)
        self._http = ClientSession(timeout=ClientTimeout(total=None, sock_connect=self._limits.connect))
        self._runner = web.Server(self._handle, access_log=None, keepalive_timeout=self._limits.login)
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(
                self._accept,
                self._host,
                self._port,
                ssl=self._tls,
                ssl_handshake_timeout=self._ssl_patience(),
            )
        except OSError as error:
            await self.close()
            raise RadioError(
                f"The gate can't listen on {self._host}:{self._port}: {error.strerror}."
            ) from error
        self._looking = loop.create_task(self._look())
        if self._watch is not None:
            self._unwatch = self._watch(lambda _: self._wake(), self._wake)

    def _ssl_patience(self) -> float | None:
        return None if self._tls is None else self._limits.login

    async def close(self) -> None:
        """Close every connection, and listen no more. Idempotent."""
        self._unwatch()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
            self._looking = None
        if self._listener is not None:
            self._listener.close()
        for session in self._sessions:
            session.end(WSCloseCode.GOING_AWAY, "The gate is closing.")
        if self._runner is not None:
            await self._runner.shutdown(self._limits.close)
            self._runner = None
        if self._listener is not None:
            await self._listener.wait_closed()
            self._listener = None
        if self._http is not None:
            await self._http.close()
            self._http = None

    # How it stands

    @property
    def port(self) -> int:
        """Where it listens."""
        if self._listener is None:
            raise RadioError("The gate is not open.")
        return int(self._listener.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """What clients open, less their credential."""
        scheme = "ws" if self._tls is None else "wss"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}:{self.port}"

    @property
    def exposure(self) -> Exposure:
        """What the probe found when the gate was opened."""
        if self._exposure is None:
            raise RadioError("The gate is not open.")
        return self._exposure

    @property
    def askers(self) -> tuple[str, ...]:
        """The connections of clients that are in."""
        return tuple(sorted(session.asker for session in self._sessions))

    def _told(self, kind: str, asker: str, detail: str = "") -> None:
        LOGGER.log(
            logging.DEBUG if kind in ("entered", "left") else logging.INFO, "%s %s: %s", asker, kind, detail
        )
        if self._seen is not None:
            self._seen(Seen(kind=kind, asker=asker, detail=detail))

    # Coming in

    def _accept(self) -> asyncio.BaseProtocol:
        if self._runner is None or len(self._runner.connections) >= self._limits.connections:
            return _Nobody()
        if len(self._fresh) >= _ATTEMPTS * self._limits.connections:
            return _Nobody()
        protocol = self._runner()
        self._fresh[protocol] = asyncio.get_running_loop().time()
        return protocol

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        client = self._login(request)
        if isinstance(client, web.Response):
            client.force_close()
            return client
        refused = self._unfit(request, client)
        if refused is not None:
            refused.force_close()
            return refused
        self._entering += 1
        try:
            upstream = await self._connect()
        except (ClientError, OSError, TimeoutError):
            self._told("turned-away", _address(request), f"{client.name}: the server can't be reached")
            response = _answer(503, "The Z-Wave JS server can't be reached. Try again.")
            response.force_close()
            return response
        finally:
            self._entering -= 1
        self._fresh.pop(request.protocol, None)
        size = self._limits.file_size if client.role is Role.ADMINISTER else self._limits.command_size
        # Not compressed: values are short, and what is compressed with a secret can be guessed by its length.
        downstream = web.WebSocketResponse(
            timeout=self._limits.close, autoping=False, compress=False, max_msg_size=size
        )
        session = Session(
            client,
            f"client:{client.name}#{next(self._numbers)}",
            self._judge,
            downstream=downstream,
            transport=request.transport,
            upstream=upstream,
            refused=self._refused,
            limits=self._limits,
            openings=self._openings.setdefault(
                client.name, Bucket(self._limits.openings, self._limits.openings_per_second)
            ),
        )
        self._sessions.add(session)
        reason = "It left before it was in."
        try:
            await downstream.prepare(request)
            self._told("entered", session.asker, client.role)
            reason = await session.run()
        finally:
            self._sessions.discard(session)
            if not upstream.closed:
                await upstream.close()
            self._told("left", session.asker, reason)
        return downstream

    async def _connect(self) -> ClientWebSocketResponse:
        if self._http is None:
            raise ConnectionError
        async with asyncio.timeout(self._limits.connect):
            return await self._http.ws_connect(
                self._upstream,
                timeout=ClientWSTimeout(ws_close=self._limits.close),
                compress=0,
                max_msg_size=self._limits.answer_size,
            )

    def _login(self, request: web.BaseRequest) -> Client | web.Response:
        client = self._credentials.check(request.headers.get("Authorization"))
        if client is not None:
            return client
        address = _address(request)
        if self._failed(address):
            self._told("turned-away", address, "wrong or no credential")
        response = _answer(401, "This gate takes a credential: `hubsec gate client add` makes one.")
        response.headers["WWW-Authenticate"] = _CHALLENGE
        return response

    def _failed(self, address: str) -> bool:
        """Count it; whether it is to be told. Nobody is locked out: good clients and bad ones share an address."""
        now = asyncio.get_running_loop().time()
        since, count = self._failures.get(address, (now, 0))
        if now - since > self._limits.failures_window:
            since, count = now, 0
        if address not in self._failures and len(self._failures) >= self._limits.addresses:
            del self._failures[next(iter(self._failures))]
        self._failures[address] = (since, count + 1)
        return count < self._limits.failures

    def _unfit(self, request: web.BaseRequest, client: Client) -> web.Response | None:
        if "Origin" in request.headers:
            # A browser sends it, and with it what it keeps for this address, whatever page it shows.
            return _answer(403, "Web pages are not let in.")
        if request.method != "GET" or request.path != "/":
            return _answer(404, "There is nothing but the websocket at /.")
        if request.headers.get("Upgrade", "").lower() != "websocket":
            answer = _answer(NO_WEBSOCKET, "This is a websocket.")
            answer.headers[GAPS_HEADER] = BYPASSABLE if self.exposure.bypassable else ""
            return answer
        why = self._ready()
        if why is not None:
            return _answer(503, why)
        mine = sum(session.client.name == client.name for session in self._sessions)
        if len(self._sessions) + self._entering >= self._limits.sessions or mine >= self._limits.per_client:
            self._told("turned-away", _address(request), f"{client.name}: too many connections")
            return _answer(503, "There are too many connections.")
        return None

    def _refused(self, asker: str, refusal: Refusal) -> None:
        self._told("refused", asker, f"{refusal.rule}: {refusal.reason}")

    # Looking after them

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._limits.look)
            now = asyncio.get_running_loop().time()
            self._look_for_revoked()
            for session in self._sessions:
                since = session.waits_since()
                if since is not None and now - since > self._limits.slow:
                    self._told("slow", session.asker, SLOW)
                    session.end(WSCloseCode.POLICY_VIOLATION, SLOW)
            for protocol, since in list(self._fresh.items()):
                if now - since > self._limits.login:
                    del self._fresh[protocol]
                    # None where it is gone already, or has not come as far as that.
                    transport = getattr(protocol, "transport", None)
                    if transport is not None:
                        transport.abort()

    def _wake(self) -> None:
        for session in self._sessions:
            session.wake()

    def _look_for_revoked(self) -> None:
        try:
            self._credentials.reload()
        except StoreError as error:
            self._told("credentials", "gate", str(error))
        allowed = self._credentials.clients
        for session in self._sessions:
            if session.client not in allowed:
                self._told("revoked", session.asker)
                session.end(REVOKED, "This credential was revoked.")


class _Nobody(asyncio.Protocol):
    """A connection more than there is room for."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it."""
        if isinstance(transport, asyncio.Transport):
            transport.abort()


def _address(request: web.BaseRequest) -> str:
    return request.remote or "unknown"


def _answer(status: int, text: str) -> web.Response:
    headers = {"Retry-After": _RETRY} if status == 503 else {}
    return web.Response(status=status, text=text + "\n", headers=headers)
