"""Taking stragglers back without the network key, for a while: who may, and the hub's side of it.

A radio enforces it (:class:`hubsec.rotation.radio.ReturnRadio`). Here is said who comes into question:

1. The last rotation went by unicast, both its rounds, and somebody missed it; none is under way.
2. The policy hands the key out that way (`rejoining.unsecured: verified`). Who it would not give the key is nobody who
   is expected: an install code, a link key that was proved, no mark, no quarantine.
3. Who was left out of any rotation, and has not been let in anew since, gets its link key erased first.
4. The record of it is durable before anything is erased or opened; it names everybody.
5. It ends when everybody is back, at its time, and whenever somebody is put out or quarantined, or a rotation begins.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from hubsec.audit.records import Act
from hubsec.authority import HubAuthority
from hubsec.entries import Entry
from hubsec.errors import NotEnforceable, RadioError, Refused
from hubsec.events import Event, Evicted, Quarantined, Rejoined, TakingBackClosed, TakingBackOpened
from hubsec.identity import Identity
from hubsec.policy.settings import UnsecuredRejoin
from hubsec.radio import answering
from hubsec.rotation.due import stragglers
from hubsec.rotation.radio import ReturnOrder, ReturnRadio
from hubsec.rotation.shapes import Delivery, Outcome, RotationProgress, Way
from hubsec.state import HubState

TAKING_BACK: Final = 900.0
"""Seconds of a window by default. Judgement: long enough for the few tries that a device makes at first, a minute and
then a few apart, and for somebody to switch it off and on."""
_RULE: Final = "taking-back"


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
) -> Candidates:
    """From the rotations of a network, newest first (rules 1 to 3). `members` have an entry on it; `may` is whether the
    policy would give that one the key again. Raises :class:`~hubsec.errors.Refused`."""
    through = [one for one in past if one.outcome is Outcome.ROTATED]
    if not through or through[0].way is not Way.UNICAST:
        raise Refused("Nobody is taken back but after a rotation by unicast.", rule=_RULE)
    last = through[0]
    left_out = {
        device
        for ended in through
        for device, delivery in ended.deliveries.items()
        if delivery is Delivery.LEFT_OUT and not _let_in_since(entries.get(device), ended)
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


def _let_in_since(entry: Entry | None, ended: RotationProgress) -> bool:
    """Whether it joined after that rotation; a clock that was set back makes it one that has not, and is to be let in
    once more."""
    if entry is None or entry.joined_at is None or ended.ended_at is None:
        return False
    return entry.joined_at > ended.ended_at


class Returns:
    """The windows of a hub, one on each radio. `rotates` is whether a rotation is under way there."""

    def __init__(self, state: HubState, rotates: Callable[[str], bool]) -> None:
        self._state = state
        self._rotates = rotates
        self._open: dict[str, tuple[HubAuthority, set[Identity]]] = {}
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
        if self._rotates(name):
            raise Refused("The network key is being changed: wait until that is over.", rule="rotation")
        network_id = authority.network_id
        past = await state.store.run(lambda store: store.rotations(network_id), writes=False)
        members = (entry.device for entry in authority.entries())
        who = candidates(past, state.allowlist, members, authority.would_give_again)
        order = ReturnOrder(
            correlation=f"return-{secrets.token_hex(4)}",
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
        await self.close(name, "It is opened anew.")
        self._open[name] = authority, set(who.awaited)
        try:
            with answering(name):
                await radio.take_back(order)
        except BaseException:
            self._open.pop(name, None)
            raise
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

    async def close(self, name: str, reason: str) -> None:
        """Shut it on that radio, if it is open. Raises :class:`~hubsec.errors.RadioError`."""
        found = self._open.pop(name, None)
        if found is None:
            return
        radio = found[0].radio
        if isinstance(radio, ReturnRadio):
            with answering(name):
                await radio.take_nobody_back(reason)

    def on_event(self, event: Event) -> None:
        """What any radio, or the hub, says (rule 5)."""
        found = self._open.get(event.radio)
        if found is None:
            return
        awaited = found[1]
        match event:
            case TakingBackClosed():
                del self._open[event.radio]
            case Rejoined(device=str(device)) if device in awaited:
                awaited.discard(device)
                if not awaited:
                    self._close_soon(event.radio, "Everybody is back.")
            case Evicted(enforced=True) | Quarantined(enforced=True):
                self._close_soon(event.radio, f"{event.device} may not come back any more.")
            case _:
                pass

    def _close_soon(self, name: str, reason: str) -> None:
        async def close() -> None:
            try:
                await self.close(name, reason)
            except RadioError as error:  # The radio tries it again, until it reads it back as shut.
                self._state.lost(name, str(error))

        self._spawn(close())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """The hub closes; the radio shuts what is open with itself."""
        while tasks := tuple(self._tasks):
            await asyncio.gather(*tasks, return_exceptions=True)
            self._tasks.difference_update(tasks)


def _named(devices: Iterable[Identity]) -> str:
    return ", ".join(sorted(devices))
