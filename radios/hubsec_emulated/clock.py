"""Simulated time.

Everything on the emulated air happens at an exact simulated instant: while a timer's function runs,
:meth:`VirtualClock.now` is that timer's due time, whatever the wall clock says, and timers due at the same instant run
in the order in which they were set. A seed therefore gives the same run on a fast machine and on a slow one.

:class:`VirtualClock` stands still until it is advanced: unit tests run hours in milliseconds. :class:`Clock` follows
the running asyncio loop, `scale` simulated seconds to a real one, for everything that talks to a host over a socket.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable

from hubsec_emulated.errors import EmulationError

#: Timers run in one go before the event loop gets its turn, so that a busy air never starves the host's socket.
MAX_BATCH = 64
#: Real seconds that simulated time may fall behind before it gives up catching up. A host that was stalled together
#: with the emulation would otherwise find that all its answers are late.
MAX_LAG = 0.1


class Timer:
    """One function due at one simulated instant. `due` is in simulated seconds."""

    __slots__ = ("_call", "due")

    def __init__(self, due: float, call: Callable[[], object]) -> None:
        self.due = due
        self._call: Callable[[], object] | None = call

    @property
    def pending(self) -> bool:
        """Whether the function will still be called."""
        return self._call is not None

    def cancel(self) -> None:
        """The function will not be called. Harmless when it was called or cancelled already."""
        self._call = None

    def fire(self) -> None:
        """Call the function now, once."""
        call, self._call = self._call, None
        if call is not None:
            call()


class Timeline:
    """Simulated time and what is due on it; how it moves is a subclass's. Times are simulated seconds, from 0 on."""

    def __init__(self) -> None:
        self._now = 0.0
        self._queue: list[tuple[float, int, Timer]] = []
        self._count = 0

    def now(self) -> float:
        """Simulated seconds since the clock was made; never goes back."""
        return self._now

    def call_later[*Args](self, delay: float, function: Callable[[*Args], object], *args: *Args) -> Timer:
        """Call `function(*args)` after `delay` simulated seconds (negative counts as 0)."""
        timer = Timer(self.now() + max(delay, 0.0), lambda: function(*args))
        self._count += 1
        heapq.heappush(self._queue, (timer.due, self._count, timer))
        self._scheduled(timer)
        return timer

    def _scheduled(self, timer: Timer) -> None:
        """A timer was added."""

    def _next_due(self) -> float:
        """The due time of the next live timer, or infinity."""
        while self._queue and not self._queue[0][2].pending:
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else math.inf

    def _step(self, end: float) -> bool:
        """Run the next timer if it is due by `end`; whether one was run."""
        if self._next_due() > end:
            return False
        due, _, timer = heapq.heappop(self._queue)
        self._now = max(self._now, due)
        timer.fire()
        return True


class VirtualClock(Timeline):
    """A clock that moves only when told to."""

    def advance(self, duration: float) -> None:
        """Run everything that is due within the next `duration` seconds, in order, and end there."""
        end = self._now + duration
        while self._step(end):
            pass
        self._now = max(self._now, end)

    def run_until(self, predicate: Callable[[], object], limit: float) -> bool:
        """Run timers until `predicate()` is true; False when it was not within `limit` seconds."""
        end = self._now + limit
        while not predicate():
            if not self._step(end):
                self._now = max(self._now, end)
                return bool(predicate())
        return True


class Clock(Timeline):
    """Simulated time that follows the running asyncio loop: one real second is `scale` simulated seconds.

    Must be made inside a running loop. When the machine is too slow for the scale, simulated time falls behind without
    skipping or reordering anything; after a stall of more than MAX_LAG it does not catch up. Raises EmulationError for
    a scale that is not positive.
    """

    def __init__(self, scale: float = 1.0) -> None:
        if not (scale > 0 and math.isfinite(scale)):
            raise EmulationError(
                "The clock's scale must be a positive number of simulated seconds per second."
            )
        super().__init__()
        self.scale = scale
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()
        self._running = False
        self._wake: asyncio.TimerHandle | None = None
        self._wake_due = math.inf

    def now(self) -> float:
        """Simulated seconds; inside a timer's function exactly its due time, elsewhere never past a timer still due."""
        if not self._running:
            self._now = max(self._now, min(self._real(), self._next_due()))
        return self._now

    async def sleep(self, duration: float) -> None:
        """Wait for `duration` simulated seconds."""
        future: asyncio.Future[None] = self._loop.create_future()
        timer = self.call_later(duration, _resolve, future)
        try:
            await future
        finally:
            timer.cancel()

    async def wait_until(self, predicate: Callable[[], object], limit: float, step: float = 0.05) -> bool:
        """Wait until `predicate()` is true, looking every `step` simulated seconds; False after `limit` seconds."""
        end = self.now() + limit
        while not predicate():
            if self.now() >= end:
                return False
            await self.sleep(step)
        return True

    def close(self) -> None:
        """Cancel every timer. The clock can't be used afterwards."""
        self._queue.clear()
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None

    def _real(self) -> float:
        return (self._loop.time() - self._start) * self.scale

    def _scheduled(self, timer: Timer) -> None:
        if not self._running and timer.due < self._wake_due:
            self._arm()

    def _arm(self) -> None:
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        self._wake_due = self._next_due()
        if self._wake_due < math.inf:
            self._wake = self._loop.call_at(self._start + self._wake_due / self.scale, self._run)

    def _run(self) -> None:
        lag = self._loop.time() - self._start - self._next_due() / self.scale
        if MAX_LAG < lag < math.inf:
            self._start += lag
        self._running = True
        try:
            for _ in range(MAX_BATCH):
                if not self._step(self._real()):
                    break
        finally:
            self._running = False
            self._wake = None
            self._wake_due = math.inf
            self._arm()


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
