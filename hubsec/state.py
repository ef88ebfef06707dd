"""What the parts of one open hub share: its policy and mode, the time, the bus, and what must last."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hubsec.allowlist import Allowlist
from hubsec.bus import Bus
from hubsec.errors import StoreError
from hubsec.events import Event, RadioLost, StoreAlarm, StoreRecovered
from hubsec.identity import Mode
from hubsec.policy import Policy
from hubsec.store import AsyncStore
from hubsec.vault import Vault


class HubState:
    """`alarm` is the standing reason why nothing can be recorded, None when all is well."""

    def __init__(
        self,
        *,
        mode: Mode,
        clock: Callable[[], float],
        bus: Bus,
        policy: Policy,
        store: AsyncStore,
        allowlist: Allowlist,
    ) -> None:
        self.mode = mode
        self.now = clock
        self.bus = bus
        self.policy = policy
        self.store = store
        self.allowlist = allowlist
        self.vault = Vault(store, clock)
        self.alarm: str | None = None

    @property
    def enforcing(self) -> bool:
        """Whether decisions are carried out, not only said."""
        return self.mode is Mode.ENFORCE

    def publish(self, event: Event) -> None:
        """Put an event on the bus. Never raises."""
        self.bus.publish(event)

    def lost(self, radio: str, reason: str) -> None:
        """Say that `radio` did not do what was asked, where nobody waits for the error."""
        self.publish(RadioLost(time=self.now(), radio=radio, reason=reason, left_refusing=False))

    async def recorded[T](self, writing: Awaitable[T]) -> T:
        """Wait until `writing` is durable; a store that fails raises the standing alarm, one that works again
        ends it."""
        try:
            result = await writing
        except StoreError as error:
            if self.alarm is None:
                self.publish(StoreAlarm(time=self.now(), reason=str(error)))
            self.alarm = str(error)
            raise
        if self.alarm is not None:
            self.alarm = None
            self.publish(StoreRecovered(time=self.now()))
        return result
