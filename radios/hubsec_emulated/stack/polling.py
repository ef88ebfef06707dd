"""When a sleepy device wakes up to ask its parent for frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubsec_emulated.clock import Timer

if TYPE_CHECKING:
    from hubsec_emulated.stack.node import Node


class Polling:
    """The polls of one sleepy device: fast while it expects something, slow otherwise, again at once after a frame."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._timer: Timer | None = None
        self._fast_until = 0.0
        self._failed = 0
        #: A test's switch: a device whose receiver sleeps through everything.
        self.suspended = False

    def start(self, delay: float) -> None:
        """Poll from `delay` seconds on, fast for `Timing.awake` seconds."""
        self._failed = 0
        self.awake(self._node.timing.awake, delay)

    def stop(self) -> None:
        """Poll no more."""
        if self._timer is not None:
            self._timer.cancel()

    def awake(self, duration: float, delay: float = 0.0) -> None:
        """Poll fast for so long, beginning in `delay` seconds."""
        self._fast_until = max(self._fast_until, self._node.clock.now() + duration)
        self.soon(delay)

    def soon(self, delay: float) -> None:
        """The next poll comes after `delay` seconds at the latest."""
        due = self._node.clock.now() + delay
        if self._timer is not None and self._timer.pending:
            if self._timer.due <= due:
                return
            self._timer.cancel()
        self._timer = self._node.later(delay, self._poll)

    def _interval(self) -> float:
        node = self._node
        expecting = node.exchange.running or node.aps.waiting or node.clock.now() < self._fast_until
        return node.timing.poll_fast if expecting else node.timing.poll_slow

    def _poll(self) -> None:
        node = self._node
        if not node.joined or node.nwk.parent is None:
            return
        self._timer = node.later(self._interval(), self._poll)
        if not self.suspended:
            node.mac.poll(node.nwk.parent, self._polled)

    def _polled(self, acked: bool, got: bool) -> None:
        if not acked:
            self._failed += 1
            if self._failed >= self._node.timing.lost_polls:
                self.stop()
                self._node.on_parent_lost()
            return
        self._failed = 0
        if got:
            self.soon(self._node.timing.poll_again)
