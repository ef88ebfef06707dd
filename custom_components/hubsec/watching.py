"""Looking at a network again: after everything that happens there, and every few minutes."""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, Final

from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.helpers.debounce import Debouncer
from homeassistant.helpers.event import async_track_time_interval

from hubsec.events import Event

from .network import ProtectedNetwork

_LOGGER = logging.getLogger(__name__)
LOOK_EVERY: Final = timedelta(minutes=2)
"""A window that the host opened closes without a word."""
SETTLED: Final = 0.5
"""Seconds; what happens within them is looked at once."""


@callback
def watch(network: ProtectedNetwork) -> CALLBACK_TYPE:
    """Keep the network's posture up to date. What comes back ends that."""
    looking: Debouncer[Coroutine[Any, Any, None]] = Debouncer(
        network.hass,
        _LOGGER,
        cooldown=SETTLED,
        immediate=False,
        function=network.look,
        background=True,
    )

    @callback
    def hear(_: Event) -> None:
        looking.async_schedule_call()

    async def look(_: datetime) -> None:
        await network.look()

    ends = [
        network.on_event(hear),
        async_track_time_interval(network.hass, look, LOOK_EVERY, cancel_on_shutdown=True),
        looking.async_shutdown,
    ]

    @callback
    def stop() -> None:
        for end in ends:
            end()

    return stop
