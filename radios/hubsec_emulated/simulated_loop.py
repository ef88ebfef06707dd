"""An event loop whose time is simulated, for a whole program at once: emulation, host and hub.

When nothing is ready to run and no socket has anything to read, the loop's time jumps to its next timer instead of
waiting for it. Sockets of this machine keep working: what one end has written, the other end has before time moves. So
an hour with a network takes as long as its work does, and busy machines miss no time limit::

    with asyncio.Runner(loop_factory=SimulatedTimeLoop) as runner:
        runner.run(main())

A :class:`~hubsec_emulated.clock.Clock` of scale 1 follows it like any loop. Threads are not simulated: time would jump
past the moment at which one answers, so it waits while `run_in_executor` (`asyncio.to_thread`) is under way, and
`patience` real seconds for other threads before each jump.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any


class SimulatedTimeLoop(asyncio.SelectorEventLoop):
    """See the module. `time()` begins at 0, in simulated seconds, and never goes back."""

    def __init__(self, *, patience: float = 0.0) -> None:
        self._simulated = 0.0
        self._outside = 0
        super().__init__(_JumpingSelector(self._jump, lambda: self._outside > 0, patience))

    def time(self) -> float:
        """Simulated seconds."""
        return self._simulated

    def _jump(self, seconds: float) -> None:
        self._simulated += seconds

    def run_in_executor[*Args, Result](
        self, executor: Executor | None, func: Callable[[*Args], Result], *args: *Args
    ) -> asyncio.Future[Result]:
        """As any loop's; time stands still until it is done."""
        future: asyncio.Future[Result] = super().run_in_executor(executor, func, *args)
        self._outside += 1
        future.add_done_callback(self._back)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as any loop's
        """As any loop's, while time stands still."""
        self._outside += 1
        try:
            await super().shutdown_default_executor(timeout)
        finally:
            self._outside -= 1

    def _back(self, _done: asyncio.Future[Any]) -> None:
        self._outside -= 1


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits for time to pass: `jump(seconds)` moves it, unless `stands` says that it must not."""

    def __init__(self, jump: Callable[[float], None], stands: Callable[[], bool], patience: float) -> None:
        super().__init__()
        self._jump = jump
        self._stands = stands
        self._patience = patience

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now; nothing, and it is `timeout` seconds later; with no timer to wait for, whatever comes."""
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None or self._stands():
            return super().select(None)
        if self._patience:
            ready = super().select(self._patience)
        if not ready:
            self._jump(timeout)
        return ready
