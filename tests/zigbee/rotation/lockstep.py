"""Simulated time for two processes: a house's, which has the time, and its host's, which goes by it.

Time moves only in the house's process, and only when neither has anything to do. A house that has nothing to do asks
its host; the host answers as soon as it has nothing to do either, with the time at which it will have. All that was
written to the host before the question is there before the question is, so that an answer is never one from before it.
So a host in a process of its own takes as long as its work does, a busy machine misses no time limit, and there is no
moment at which nothing happens that a signal could be wasted on.

On the line between them: `?7` asks, `=7 12.5` answers that question with a time, `!text` says something.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import selectors
import signal
import socket
import struct
import threading
from pathlib import Path
from typing import Final

from hubsec_emulated.simulated_loop import SimulatedTimeLoop

CLOCK_BYTES: Final = 8
"""A double: the house's time."""
RESOLUTION: Final = 1e-9
"""Seconds by which asyncio takes a timer for due already."""
STUCK: Final = 60.0
"""Real seconds without a word in which a host is stuck."""
IDLE: Final = 3600.0
"""Seconds after which a host looks whether there is something to do: a loop without timers would wait for work, and
answer nobody."""


class Line:
    """One end of the line between house and host: short texts, in order."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self._rest = b""

    def send(self, text: str) -> None:
        """Raises :class:`OSError` when the other end is gone."""
        self.socket.sendall(f"{text}\n".encode())

    def receive(self) -> list[str] | None:
        """What has come, at least one text; waits for it. None when the other end is gone."""
        while b"\n" not in self._rest:
            try:
                data = self.socket.recv(4096)
            except ConnectionError:
                data = b""
            if not data:
                return None
            self._rest += data
        *lines, self._rest = self._rest.split(b"\n")
        return [line.decode() for line in lines]


class HouseLoop(SimulatedTimeLoop):
    """The house's. `clock` is a file of its own, through which the host sees the time."""

    def __init__(self, clock: Path) -> None:
        clock.write_bytes(struct.pack("d", 0.0))
        with clock.open("r+b") as file:
            self._clock = mmap.mmap(file.fileno(), CLOCK_BYTES)
        self.clock = clock
        self.host: HostProcess | None = None
        super().__init__()

    def close(self) -> None:
        super().close()
        self._clock.close()

    def _jump(self, seconds: float) -> None:
        then = self._simulated + seconds
        if self.host is not None:
            until = self.host.ask()
            if until is None or selectors.DefaultSelector.select(self._selector, 0):  # type: ignore[attr-defined]
                return  # Time stands while there is something to do.
            then = min(then, until)
        self._simulated = max(self._simulated, then)
        struct.pack_into("d", self._clock, 0, self._simulated)


class HostLoop(SimulatedTimeLoop):
    """The host's. `line` leads to the house, whose time is in `clock`."""

    def __init__(self, line: Line, clock: Path) -> None:
        with clock.open("rb") as file:
            self._clock = mmap.mmap(file.fileno(), CLOCK_BYTES, access=mmap.ACCESS_READ)
        self._line = line
        self._asked: str | None = None
        self._waiting: selectors.BaseSelector | None = None
        super().__init__()
        self._look()

    def _look(self) -> None:
        self._looking = self.call_later(IDLE, self._look)

    def time(self) -> float:
        """The house's."""
        return float(struct.unpack_from("d", self._clock, 0)[0])

    def close(self) -> None:
        self._looking.cancel()
        super().close()
        if self._waiting is not None:
            self._waiting.close()

    def _jump(self, seconds: float) -> None:
        due = self.time() + seconds
        if self._waiting is None:
            self._waiting = selectors.DefaultSelector()
            self._waiting.register(self._line.socket, selectors.EVENT_READ, "line")
            # What the loop waits for, all of it at once.
            self._waiting.register(self._selector.fileno(), selectors.EVENT_READ, "work")  # type: ignore[attr-defined]
        while self.time() < due - RESOLUTION:
            ready = {key.data for key, _ in self._waiting.select(0 if self._asked else None)}
            if "line" in ready:
                lines = self._line.receive()
                if lines is None:
                    os._exit(1)  # The house is gone.
                self._asked = lines[-1].removeprefix("?")
            elif "work" in ready:
                return
            elif self._asked:
                self._line.send(f"={self._asked} {due!r}")
                self._asked = None


class HostProcess:
    """A host in a process of its own, as the house sees it. `lines` is what it has said; it is killed when it says
    `last`, and `done` when it is gone, however that came."""

    def __init__(self, pid: int, end: socket.socket, *, last: str | None) -> None:
        end.settimeout(STUCK)
        self.pid = pid
        self.lines: list[str] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line = Line(end)
        self._last = last
        self._asked = 0
        self._killing: threading.Timer | None = None

    def kill(self) -> None:
        """SIGKILL: nothing of it goes on from here."""
        os.kill(self.pid, signal.SIGKILL)

    def kill_in(self, seconds: float) -> None:
        """The same after so many real seconds, whatever it does then."""
        if self._killing is None:
            self._killing = threading.Timer(seconds, self.kill)
            self._killing.start()

    def ask(self) -> float | None:
        """When it has something to do, now that it has nothing to do; None when it has said something, or is gone."""
        self._asked += 1
        try:
            self._line.send(f"?{self._asked}")
        except ConnectionError:
            return self._gone()
        answer = f"={self._asked} "
        while True:
            lines = self._line.receive()
            if lines is None:
                return self._gone()
            spoke = False
            for line in lines:
                if line.startswith("!"):
                    self.lines.append(line[1:])
                    spoke = True
                    if self.lines[-1] == self._last:
                        self.kill()
                elif line.startswith(answer):
                    return None if spoke else float(line.removeprefix(answer))
            if spoke:
                return None

    def _gone(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def close(self) -> None:
        """Nobody is killed, nor asked, from here on."""
        if self._killing is not None:
            self._killing.cancel()
            self._killing.join()
        self._line.socket.close()
