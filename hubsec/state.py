"""What the parts of one open hub share: its policy and mode, the time, the bus, and what must last."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hubsec import __version__
from hubsec.allowlist import Allowlist
from hubsec.audit.records import Act, Channel
from hubsec.bus import Bus
from hubsec.errors import StoreError
from hubsec.events import Event, RadioLost
from hubsec.identity import Mode
from hubsec.policy import Policy
from hubsec.recorder import Recorder
from hubsec.store import AsyncStore
from hubsec.vault import Vault


class HubState:
    """`alarm` is the standing reason why nobody is let in: nothing can be recorded, or the audit log is damaged. None
    when all is well."""

    def __init__(
        self,
        *,
        mode: Mode,
        clock: Callable[[], float],
        bus: Bus,
        policy: Policy,
        store: AsyncStore,
        allowlist: Allowlist,
        channel: Channel = Channel.API,
    ) -> None:
        self.mode = mode
        self.now = clock
        self.bus = bus
        self.policy = policy
        self.store = store
        self.allowlist = allowlist
        self.vault = Vault(store, clock)
        self.alarm: str | None = None
        self.recorder = Recorder(self, mode=mode, policy_name=policy.name, version=__version__)
        store.stands_under(policy.hash, channel)

    @property
    def fault(self) -> str | None:
        """What was found wrong with the audit log, with what to do; None when nothing was, or it was accepted."""
        return self.store.fault

    def must_be_whole(self) -> None:
        """Raises :class:`~hubsec.errors.StoreError` while the audit log is damaged, and nobody has accepted that."""
        if self.fault is not None:
            raise StoreError(self.fault)

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
            self.recorder.failed(error)
            raise
        self.recorder.works()
        return result

    async def acted(self, act: Act) -> int:
        """Write down what is about to be done, under the policy in force and with the channel by which this hub is
        asked; durable when this returns its number. Raises :class:`~hubsec.errors.StoreError`: then it is not done."""
        return await self.recorded(self.store.act(act, at=self.now()))
