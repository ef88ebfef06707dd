"""Looking at a network again: after everything that happens there, and every few minutes."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Final

from homeassistant.core import CALLBACK_TYPE, HassJob, callback
from homeassistant.helpers.event import async_call_later, async_track_time_interval

from hubsec.events import Event

from .network import ProtectedNetwork

LOOK_EVERY: Final = timedelta(minutes=2)
"""A window that the host opened closes without a word; and what could not be attached may be mended."""
SETTLED: Final = 0.5
"""Seconds; what happens within them is looked at once."""


@callback
def watch(network: ProtectedNetwork) -> CALLBACK_TYPE:
    """Keep the network's posture up to date. What comes back ends that."""
    # Home Assistant's own Debouncer drops what comes while it is at work, and with it the last word.
    waiting: list[CALLBACK_TYPE] = []
    more: list[Event] = []
    turn = asyncio.Lock()

    async def look(_: datetime) -> None:
        async with turn:
            await network.look()

    async def time_passes(now: datetime) -> None:
        await network.mend()
        await look(now)

    async def settled(now: datetime) -> None:
        waiting.clear()
        if more:  # What came last is looked at once it has settled, too.
            more.clear()
            wait()
        await look(now)

    job = HassJob(settled, "hubsec looks again", cancel_on_shutdown=True)

    @callback
    def wait() -> None:
        waiting.append(async_call_later(network.hass, SETTLED, job))

    @callback
    def hear(event: Event) -> None:
        if waiting:
            more[:] = [event]
        else:
            wait()

    ends = [
        network.on_event(hear),
        async_track_time_interval(network.hass, time_passes, LOOK_EVERY, cancel_on_shutdown=True),
    ]

    @callback
    def stop() -> None:
        for end in (*ends, *waiting):
            end()

    return stop
