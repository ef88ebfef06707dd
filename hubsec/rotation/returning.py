"""Taking stragglers back without the network key, for a while: who may, and the hub's side of it.

A radio enforces it (:class:`hubsec.rotation.radio.ReturnRadio`). Here is said who comes into question:

1. The last rotation that may have switched the key went by unicast, both its rounds, and somebody missed it; none is
   under way.
2. The policy hands the key out that way (`rejoining.unsecured: verified`). Who it would not give the key is nobody who
   is expected: an install code, a link key that was proved, no mark, no quarantine.
3. Who was left out of any rotation, and has not been let in anew since, gets its link key erased first.
4. The record of it is durable before anything is erased or opened; it names everybody.
5. It ends when everybody is back, at its time, and whenever somebody is put out or quarantined, or a rotation begins;
   at the latest when an entry of somebody expected runs out. What would end it while it is being opened keeps it shut.
6. That it was not opened after all is recorded, too; and by whom and why it was closed.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from hubsec.audit.records import Act
from hubsec.authority import HubAuthority
from hubsec.entries import Entry
from hubsec.errors import NotEnforceable, RadioError, Refused, StoreError
from hubsec.events import (
    Event,
    Evicted,
    KeyDelivered,
    Quarantined,
    Rejoined,
    TakingBackClosed,
    TakingBackOpened,
)
from hubsec.identity import Identity
from hubsec.policy.settings import UnsecuredRejoin
from hubsec.radio import answering
from hubsec.rotation.due import stragglers
from hubsec.rotation.radio import ReturnOrder, ReturnRadio
from hubsec.rotation.shapes import Delivery, Outcome, RotationProgress, Step, Way
from hubsec.state import HubState

TAKING_BACK: Final = 900.0
"""Seconds of a window by default. Judgement: long enough for the few tries that a device makes at first, a minute and
then a few apart, and for somebody to switch it off and on."""
_RULE: Final = "taking-back"
_US: Final = "hubsec"


class Candidates(msgspec.Struct, frozen=True, kw_only=True):
    """Who is awaited, who is expected to have a link key, and whose is to be erased."""

    awaited: frozenset[Identity]
    expected: frozenset[Identity]
    left_out: frozenset[Identity]


def candidates(
    past: Sequence[RotationProgress],
    entries: Mapping[Identity, Entry],
    members: Iterable[Identity],
    may: Callable[[Identity], bool],
    *,
    now: float,
) -> Candidates:
    """From the rotations of a network, newest first (rules 1 to 3). `members` have an entry on it; `may` is whether the
    policy would give that one the key again; `now` is in seconds since the epoch. Raises
    :class:`~hubsec.errors.Refused`."""
    switched = [one for one in past if _may_have_switched(one)]
    if not switched or switched[0].way is not Way.UNICAST:
        raise Refused("Nobody is taken back but after a rotation by unicast.", rule=_RULE)
    last = switched[0]
    if last.outcome is not Outcome.ROTATED:
        raise Refused(
            "The last rotation did not come to its end, and nobody knows who has which key: rotate again.",
            rule=_RULE,
        )
    left_out = {
        device
        for ended in switched
        for device, delivery in ended.deliveries.items()
        if delivery is Delivery.LEFT_OUT and not _let_in_since(entries.get(device), ended, now)
    }
    missed = stragglers(last, entries)
    awaited = {device for device in missed if device not in left_out and may(device)}
    if not awaited:
        names = ", ".join(last.names.get(device, device) for device in missed)
        raise Refused(
            f"{names} can't be taken back without the network key: only who joined by install code, and has proved a "
            "link key of its own. Re-join with the install code."
            if missed
            else "Nobody is awaited: who missed the last rotation is back.",
            rule=_RULE,
        )
    expected = {device for device in members if device not in left_out and may(device)}
    return Candidates(
        awaited=frozenset(awaited), expected=frozenset(expected | awaited), left_out=frozenset(left_out)
    )


def _may_have_switched(one: RotationProgress) -> bool:
    """Whether the order to switch may have gone out: also of one that was given up, which nobody ended in order."""
    early = one.round == 1 and one.step in {Step.STAGED, Step.DELIVERING}
    return one.outcome is Outcome.ROTATED or not early


def _let_in_since(entry: Entry | None, ended: RotationProgress, now: float) -> bool:
    """Whether it joined after that rotation. Where a clock was wrong it has not, and is to be let in once more: one
    that was set back shows a joining before that, or one that is yet to come."""
    if entry is None or entry.joined_at is None or ended.ended_at is None:
        return False
    return ended.ended_at < entry.joined_at <= now


class _Window:
    """One that is open, or being opened."""

    def __init__(self, authority: HubAuthority) -> None:
        self.authority = authority
        self.correlation = f"return-{secrets.token_hex(4)}"
        self.awaited: set[Identity] = set()
        self.opening = True


class Returns:
    """The windows of a hub, one on each radio. `rotates` is whether a rotation is under way there."""

    def __init__(self, state: HubState, rotates: Callable[[str], bool]) -> None:
        self._state = state
        self._rotates = rotates
        self._open: dict[str, _Window] = {}
        self._closed_by: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, authority: HubAuthority, seconds: float, *, by: str) -> tuple[Identity, ...]:
        """Let stragglers come back for so long; see :meth:`hubsec.hub.Hub.take_back`. Who is awaited."""
        state, radio, name = self._state, authority.radio, authority.radio.name
        if not state.enforcing:
            raise Refused("This hub only observes: it opens nothing.", rule="mode")
        authority.must_be_adopted()
        if state.policy.settings.unsecured_rejoin is not UnsecuredRejoin.VERIFIED:
            raise Refused(
                "The policy hands the network key to nobody who has lost it: `rejoining.unsecured` is to be "
                "`verified`.",
                rule="unsecured-rejoin",
            )
        if not isinstance(radio, ReturnRadio) or authority.network_id is None:
            raise NotEnforceable(
                f"{name} can take nobody back without the network key.", capability="unsecured_rejoin"
            )
        if name in self._open and self._open[name].opening:
            raise Refused("It is being opened already.", rule=_RULE)
        await self.close(name, "It is opened anew.")
        if self._rotates(name):
            raise Refused("The network key is being changed: wait until that is over.", rule="rotation")
        if name in self._open:
            raise Refused("It is being opened already.", rule=_RULE)
        # From here on whatever would end it takes this away again (rule 5).
        window = self._open[name] = _Window(authority)
        try:
            return await self._open_now(window, radio, authority.network_id, seconds, by=by)
        except BaseException:
            if self._open.get(name) is window:
                del self._open[name]
            raise

    async def _open_now(
        self, window: _Window, radio: ReturnRadio, network_id: str, seconds: float, *, by: str
    ) -> tuple[Identity, ...]:
        state, authority, name = self._state, window.authority, window.authority.radio.name
        past = await state.store.run(lambda store: store.rotations(network_id), writes=False)
        members = (entry.device for entry in authority.entries())
        who = candidates(past, state.allowlist, members, authority.would_give_again, now=state.now())
        seconds = min(seconds, self._left(who.expected))
        window.awaited.update(who.awaited)
        order = ReturnOrder(
            correlation=window.correlation,
            awaited=who.awaited,
            expected=who.expected,
            left_out=who.left_out,
            seconds=seconds,
        )
        await state.acted(
            Act(
                act="taking-back-opened",
                by=by,
                radio=name,
                correlation=order.correlation,
                details={
                    "seconds": float(seconds),
                    "awaited": _named(who.awaited),
                    "expected": _named(who.expected),
                    "erased": _named(who.left_out),
                },
            )
        )
        is_open = False
        try:
            self._must_stand(window)
            with answering(name):
                await radio.take_back(order)
            is_open = True
            self._must_stand(window)
        except BaseException as error:
            await self._not_opened(window, radio if is_open else None, by=by, reason=str(error))
            raise
        window.opening = False
        now, awaited = state.now(), tuple(sorted(who.awaited))
        state.publish(
            TakingBackOpened(
                time=now,
                radio=name,
                correlation=order.correlation,
                by=by,
                closes_at=now + seconds,
                awaited=awaited,
            )
        )
        return awaited

    def _left(self, expected: Iterable[Identity]) -> float:
        """Seconds until the first entry of these runs out."""
        entries, now = self._state.allowlist, self._state.now()
        ends = [entries[device].expires_at for device in expected if device in entries]
        return min((end - now for end in ends if end is not None), default=math.inf)

    def _must_stand(self, window: _Window) -> None:
        """Raises :class:`~hubsec.errors.Refused` where it was ended before it was open."""
        if self._open.get(window.authority.radio.name) is not window:
            raise Refused("Nobody is taken back: meanwhile something came up that ends it.", rule=_RULE)

    async def _not_opened(self, window: _Window, radio: ReturnRadio | None, *, by: str, reason: str) -> None:
        """Shut it again on that radio, where it is open there, and record that (rule 6). Raises nothing."""
        state, name = self._state, window.authority.radio.name
        if radio is not None:
            await self._shut(radio, name, reason)
        with suppress(StoreError):  # told as the alarm
            await state.acted(
                Act(
                    act="taking-back-not-opened",
                    by=by,
                    radio=name,
                    correlation=window.correlation,
                    reason=reason,
                )
            )

    async def close(self, name: str, reason: str, *, by: str = _US) -> None:
        """Shut it on that radio, if it is open, or being opened or shut. Raises :class:`~hubsec.errors.RadioError`."""
        shutting = [task for task in self._tasks if task.get_name() == name]
        if shutting:
            await asyncio.wait(shutting)
        found = self._open.pop(name, None)
        if found is None:
            return
        radio = found.authority.radio
        if isinstance(radio, ReturnRadio):
            self._closed_by[name] = by
            try:
                with answering(name):
                    await radio.take_nobody_back(reason)
            finally:
                self._closed_by.pop(name, None)

    def on_event(self, event: Event) -> None:
        """What any radio, or the hub, says (rules 5 and 6)."""
        if isinstance(event, TakingBackClosed):
            by = self._closed_by.pop(event.radio, _US)
            self._state.recorder.closing(
                Act(
                    act="taking-back-closed",
                    by=by,
                    radio=event.radio,
                    correlation=event.correlation,
                    reason=event.reason,
                )
            )
        found = self._open.get(event.radio)
        if found is None:
            return
        awaited = found.awaited
        match event:
            case TakingBackClosed(correlation=which) if which in {"", found.correlation}:
                del self._open[event.radio]
            case Rejoined(device=str(device)) if device in awaited:
                self._back(found, device)
            case KeyDelivered(device=str(device), delivery=Delivery.CONFIRMED) if device in awaited:
                self._back(found, device)
            case Evicted(enforced=True) | Quarantined(enforced=True):
                self._close_soon(event.radio, f"{event.device} may not come back any more.")
            case _:
                pass

    def _back(self, window: _Window, device: Identity) -> None:
        window.awaited.discard(device)
        if not window.awaited:
            self._close_soon(window.authority.radio.name, "Everybody is back.")

    def _close_soon(self, name: str, reason: str) -> None:
        window = self._open.pop(name)  # At once: one that is being opened does not come to be open.
        radio = window.authority.radio
        if isinstance(radio, ReturnRadio):
            self._spawn(name, self._shut(radio, name, reason))

    async def _shut(self, radio: ReturnRadio, name: str, reason: str) -> None:
        try:
            with answering(name):
                await radio.take_nobody_back(reason)
        except RadioError as error:  # The radio tries it again, until it reads it back as shut.
            self._state.lost(name, str(error))

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """The hub closes; the radio shuts what is open with itself."""
        while tasks := tuple(self._tasks):
            await asyncio.gather(*tasks, return_exceptions=True)
            self._tasks.difference_update(tasks)


def _named(devices: Iterable[Identity]) -> str:
    return ", ".join(sorted(devices))
