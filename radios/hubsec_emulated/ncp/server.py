"""The co-processor on a TCP port: what a host opens as ``tcp://127.0.0.1:…``.

The house and the program make it like this::

    server = NcpServer(radio, clock=clock, tokens=Tokens(), version=14, seed=1)
    await server.start()
    …                                # a host connects to server.url
    await server.close()

*radio* is a :class:`hubsec_emulated.ncp.port.CoordinatorPort`: ``hubsec_emulated.ncp.radio.Radio(coordinator)``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from hubsec_emulated.errors import EmulationError
from hubsec_emulated.ncp.ash import AshSecondary, ResetCode, ResetRequested
from hubsec_emulated.ncp.ezsp import DEFAULT_VERSION
from hubsec_emulated.ncp.faults import FaultyLine, LineFaults
from hubsec_emulated.ncp.ncp import CommandRecord, Ncp
from hubsec_emulated.ncp.port import CoordinatorPort, SimulatedClock
from hubsec_emulated.ncp.registry import Args
from hubsec_emulated.ncp.tokens import Tokens

LOOPBACK = "127.0.0.1"
NO_FAULTS = LineFaults()
GRACE = 0.25
"""Real seconds that a second connection waits for the first one to end: a host that restarts at once is not refused."""


class NcpServer:
    """One co-processor for one host at a time; a second connection is closed, unless the first one goes in time.

    *version* is 13, 14 or 18. *seed* serves everything random in the co-processor and on the line. *key_table_capacity*
    is the most entries that the link key table can be set to. *faults* may be changed while it runs.

    ``commands`` is the record of all commands the host gave; ``on_command(name, args)`` is called with each one before
    it is carried out.
    """

    def __init__(
        self,
        coordinator: CoordinatorPort,
        *,
        clock: SimulatedClock,
        tokens: Tokens | None = None,
        version: int = DEFAULT_VERSION,
        seed: int = 0,
        key_table_capacity: int = 4,
        faults: LineFaults = NO_FAULTS,
        on_command: Callable[[str, Args], None] | None = None,
    ) -> None:
        self.tokens = Tokens() if tokens is None else tokens
        self.ash = AshSecondary()
        self.ncp = Ncp(
            coordinator, self.tokens, clock, version=version, seed=seed, key_table_capacity=key_table_capacity
        )
        self.ncp.send = self._from_ncp
        if on_command is not None:
            self.ncp.on_command = on_command
        self.refused_connections = 0
        self._line = FaultyLine(faults, seed)
        self._server: asyncio.Server | None = None
        self._host: _HostConnection | None = None
        self._waiting: list[_HostConnection] = []

    @property
    def url(self) -> str:
        """What a host is to be given.

        :raises EmulationError: the server was not started.
        """
        host, port = self._address()
        return f"tcp://{host}:{port}"

    @property
    def port(self) -> int:
        """The TCP port.

        :raises EmulationError: the server was not started.
        """
        return self._address()[1]

    def _address(self) -> tuple[str, int]:
        if self._server is None or not self._server.sockets:
            raise EmulationError("the co-processor has no address before start()")
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    @property
    def commands(self) -> Sequence[CommandRecord]:
        """Every command that the host gave, oldest first."""
        return tuple(self.ncp.commands)

    @property
    def faults(self) -> LineFaults:
        """The faults of the serial line."""
        return self._line.faults

    @faults.setter
    def faults(self, faults: LineFaults) -> None:
        self._line.faults = faults

    @property
    def connected(self) -> bool:
        """Whether a host is there."""
        return self._host is not None

    async def start(self, host: str = LOOPBACK, port: int = 0) -> None:
        """Listen; port 0 takes a free one.

        :raises EmulationError: the address can't be had.
        """
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: _HostConnection(self), host, port
            )
        except OSError as error:
            raise EmulationError(f"can't listen on {host}:{port}: {error.strerror}") from error
        except UnicodeError as error:
            raise EmulationError(f"can't listen on {host!r}: it is no address") from error

    async def close(self) -> None:
        """Drop the host, take the radio off the air and give the port back. A second call does nothing."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for host in self._waiting:
            host.drop()
        self._waiting.clear()
        if self._host is not None:
            self._host.drop()
        self.lose_host()
        self.ncp.network.halt()
        self.tokens.save()
        await server.wait_closed()

    def reset(self, code: ResetCode = ResetCode.WATCHDOG) -> None:
        """Restart the co-processor by itself: RAM is lost, the host gets an RSTACK it did not ask for."""
        self.ncp.power_off()
        if self._host is None:
            self.ash.power_off()
            return
        self.ash.reset_done(code)
        self.flush()

    def power_cut(self) -> None:
        """Cut the power: RAM is lost, the connection breaks, nothing is sent until the next RST."""
        self.ncp.power_off()
        self.ash.power_off()
        if self._host is not None:
            self._host.drop()
        self.lose_host()

    def wipe(self) -> None:
        """Cut the power and lose the flash memory as well: what comes back is a blank stick of the same address."""
        self.power_cut()
        self.tokens.wipe()

    # Between line and co-processor

    def _from_ncp(self, frame: bytes) -> None:
        self.ash.send(frame, asyncio.get_running_loop().time())
        self.flush()

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes from the host."""
        for event in self.ash.feed(self._line.distort(data), now):
            if isinstance(event, ResetRequested):
                self.ncp.power_off()
                self.ash.reset_done(ResetCode.SOFTWARE)
            else:
                self.ncp.handle_frame(event.payload)
        self.flush()

    def flush(self) -> None:
        """Write what the link has to say, and set its timer."""
        frames = self.ash.take()
        if self._host is not None:
            for frame in frames:
                self._host.write(self._line.to_host(frame), self._line)
            self._host.set_timer(self.ash.deadline)

    def take_host(self, host: _HostConnection) -> None:
        """Accept *host* now or, if there is one already, once that has gone."""
        if self._host is not None:
            self._waiting.append(host)
            return
        self._host = host
        host.accept()

    def refuse(self, host: _HostConnection) -> None:
        """*host* has waited long enough."""
        self._waiting.remove(host)
        self.refused_connections += 1
        host.drop()

    def tick(self, now: float) -> None:
        """The link's time is up."""
        self.ash.tick(now)
        self.flush()

    def lose_host(self) -> None:
        """The host has gone: what was under way on the link is gone with it; the network goes on."""
        self._host = None
        self.ash.power_off()
        if self._waiting:
            self.take_host(self._waiting.pop(0))

    def forget(self, host: _HostConnection) -> None:
        """A connection ended."""
        if host is self._host:
            self.lose_host()
        elif host in self._waiting:
            self._waiting.remove(host)


class _HostConnection(asyncio.Protocol):
    """The TCP connection of one host. What it sends is not read before it is accepted."""

    def __init__(self, server: NcpServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._queue: list[bytes] = []
        self._pump: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise EmulationError("a stream transport is needed")
        self._transport = transport
        transport.pause_reading()
        self._timer = self._loop.call_later(GRACE, self._server.refuse, self)
        self._server.take_host(self)

    def accept(self) -> None:
        """Begin to listen."""
        self.set_timer(None)
        if self._transport is not None:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._server.receive(data, self._loop.time())

    def connection_lost(self, _exc: Exception | None) -> None:
        self._stop()
        if self._transport is not None:
            self._transport = None
            self._server.forget(self)

    def write(self, data: bytes, line: FaultyLine) -> None:
        """Send bytes, in pieces if the line is paced."""
        if self._transport is None:
            return
        if not line.faults.paced and not self._queue:
            self._transport.write(data)
            return
        self._queue += line.pieces(data)
        if self._pump is None:
            self._pump = self._loop.call_later(line.faults.delay, self._write_next, line)

    def _write_next(self, line: FaultyLine) -> None:
        self._pump = None
        if self._transport is None or not self._queue:
            return
        self._transport.write(self._queue.pop(0))
        if self._queue:
            self._pump = self._loop.call_later(line.faults.delay, self._write_next, line)

    def set_timer(self, deadline: float | None) -> None:
        """Call the link again at *deadline*."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._server.tick(self._loop.time())

    def drop(self) -> None:
        """Close the connection now."""
        self._stop()
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def _stop(self) -> None:
        for handle in (self._timer, self._pump):
            if handle is not None:
                handle.cancel()
        self._timer = self._pump = None
        self._queue.clear()
