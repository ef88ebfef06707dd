"""Who may be without the network, after everything: listed until it is seen to be there.

A straggler of a rotation that has ended may have the key all the same, and only not have been heard. And a stick that
had a key which its network has left, since an old backup was restored to it, has sent away whoever looked for its
parent meanwhile; some devices give the network up for good then. Nobody hears that. So

1. From the moment that such a key is found, and before it is mended, everybody of that network counts as a straggler
   (:func:`doubt`), durably.
2. Whoever answers something under the present key is none any more. Everybody who is listed is asked once, and again
   when it is heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from hubsec.entries import Entry
from hubsec.errors import HubsecError
from hubsec.events import KeyDelivered
from hubsec.identity import Identity
from hubsec.radio import answering
from hubsec.rotation.journal import Journal, pack, secret_name, unpack
from hubsec.rotation.radio import KeyRadio
from hubsec.rotation.shapes import Delivery, Outcome, RotationProgress
from hubsec.store.sealed import SecretKind

if TYPE_CHECKING:
    from hubsec.authority import HubAuthority
    from hubsec.state import HubState


async def last_rotated(state: HubState, network_id: str) -> RotationProgress | None:
    """The newest rotation of that network that went through. Raises :class:`~hubsec.errors.StoreError`."""
    past = await state.store.run(lambda store: store.rotations(network_id), writes=False)
    return next((one for one in past if one.outcome is Outcome.ROTATED), None)


async def doubt(state: HubState, network_id: str) -> None:
    """Everybody on that network counts as missing until it has answered (rule 1); durable when this returns.

    Raises :class:`~hubsec.errors.StoreError`."""
    now = state.now()

    def missed(last: RotationProgress) -> RotationProgress:
        deliveries = {
            device: how if how is Delivery.LEFT_OUT else Delivery.MISSED
            for device, how in last.deliveries.items()
        }
        return msgspec.structs.replace(last, deliveries=deliveries, doubted_at=now)

    await _revise(state, network_id, missed)
    name = secret_name(network_id)
    sealed = await state.vault.get(SecretKind.JOURNAL, name)
    if sealed is None:
        return
    journal = unpack(sealed, Journal)
    targets = {
        device: msgspec.structs.replace(target, delivery=Delivery.SENT)
        if target.delivery is Delivery.CONFIRMED
        else target
        for device, target in journal.targets.items()
    }
    asked_again = msgspec.structs.replace(journal, targets=targets)
    seals = {SecretKind.JOURNAL: pack(asked_again)}
    await state.recorded(
        state.store.run(
            lambda store: store.keep_rotation(asked_again.progress(), name=name, seals=seals, at=now)
        )
    )


async def note_back(state: HubState, network_id: str, device: Identity) -> RotationProgress | None:
    """Write down that `device` is no straggler any more. The rotation that it was one of, None where it was of none.

    Raises :class:`~hubsec.errors.StoreError`."""
    was_one = False

    def back(last: RotationProgress) -> RotationProgress:
        nonlocal was_one
        was_one = device in last.stragglers
        if not was_one:
            return last
        return msgspec.structs.replace(last, deliveries={**last.deliveries, device: Delivery.CONFIRMED})

    known = await _revise(state, network_id, back)
    return known if was_one else None


async def _revise(
    state: HubState, network_id: str, change: Callable[[RotationProgress], RotationProgress]
) -> RotationProgress | None:
    """In one transaction: devices come back side by side."""
    return await state.recorded(state.store.run(lambda store: store.revise_rotation(network_id, change)))


class Missing:
    """Looks for the stragglers of one radio's network (rule 2), until all are back or it is cancelled. `at_once` are
    asked at a time; `again` seconds pass between two questions to one that is heard."""

    def __init__(self, state: HubState, authority: HubAuthority, *, at_once: int, again: float) -> None:
        self._state = state
        self._authority = authority
        self._at_once = at_once
        self._again = again
        self._missing: set[Identity] = set()
        self._heard: dict[Identity, None] = {}
        self._spoke = asyncio.Event()

    async def run(self, listed: Callable[[RotationProgress], tuple[Identity, ...]]) -> None:
        """Look for whoever `listed` says of the last rotation. Raises :class:`~hubsec.errors.HubsecError`."""
        radio, network_id = self._authority.radio, self._authority.network_id
        if not isinstance(radio, KeyRadio) or network_id is None:
            return
        last = await last_rotated(self._state, network_id)
        if last is None:
            return
        if last.doubted_at is not None:
            last = await self._with_newcomers(radio, last)
        self._missing = set(listed(last))
        if not self._missing:
            return
        with answering(radio.name):
            stop = radio.heard(self._hear)
        try:
            await self._ask_everybody(radio)
            await self._ask_who_is_heard(radio)
        finally:
            stop()

    def _hear(self, device: Identity) -> None:
        # This is every frame's way.
        if device in self._missing:
            self._heard[device] = None
            self._spoke.set()

    async def _with_newcomers(self, radio: KeyRadio, last: RotationProgress) -> RotationProgress:
        """Who joined between that rotation and the doubt is doubted, too."""
        routes, entries = await self._answer(radio.key_routes()), self._state.allowlist

        def extended(now: RotationProgress) -> RotationProgress:
            came = {
                route.device: entry.label
                for route in routes
                if (entry := entries.get(route.device)) is not None
                and _came_between(entry, now, now.deliveries.get(route.device))
            }
            deliveries = {**now.deliveries, **dict.fromkeys(came, Delivery.MISSED)}
            return msgspec.structs.replace(now, deliveries=deliveries, names={**now.names, **came})

        return await _revise(self._state, last.network_id, extended) or last

    async def _ask_everybody(self, radio: KeyRadio) -> None:
        """Once: a question to a sleeper waits at its parent for a while, and may find it awake."""
        routes = sorted(await self._answer(radio.key_routes()), key=lambda route: route.sleepy)
        free = asyncio.Semaphore(self._at_once)

        async def ask(device: Identity) -> None:
            async with free:
                await self._ask(radio, device)

        async with asyncio.TaskGroup() as group:
            for route in routes:
                if route.device in self._missing:
                    group.create_task(ask(route.device))

    async def _ask_who_is_heard(self, radio: KeyRadio) -> None:
        loop, asked = asyncio.get_running_loop(), dict[Identity, float]()
        while self._missing:
            await self._spoke.wait()
            self._spoke.clear()
            heard, self._heard = self._heard, {}
            for device in heard:
                if asked.get(device, float("-inf")) + self._again <= loop.time():
                    await self._ask(radio, device)
                    asked[device] = loop.time()

    async def _ask(self, radio: KeyRadio, device: Identity) -> None:
        with suppress(HubsecError):  # It stays listed.
            if await self._answer(radio.answers(device)):
                await self._back(device)
                self._missing.discard(device)

    async def _back(self, device: Identity) -> None:
        network_id = self._authority.network_id
        known = None if network_id is None else await note_back(self._state, network_id, device)
        if known is not None:
            self._state.publish(
                KeyDelivered(
                    time=self._state.now(),
                    radio=self._authority.radio.name,
                    device=device,
                    correlation=known.rotation,
                    delivery=str(Delivery.CONFIRMED),
                )
            )

    async def _answer[T](self, work: Awaitable[T]) -> T:
        with answering(self._authority.radio.name):
            return await work


def _came_between(entry: Entry, last: RotationProgress, how: Delivery | None) -> bool:
    """Whether it came after that rotation and before the doubt: unknown to the one, or left out of it."""
    if entry.joined_at is None or last.doubted_at is None or entry.joined_at > last.doubted_at:
        return False
    if how is Delivery.LEFT_OUT:
        return last.ended_at is not None and entry.joined_at > last.ended_at
    return how is None
