"""Listening windows: for a while, unapproved devices that ask are told of. Nobody gets a key by knocking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from hubsec.audit.records import Act
from hubsec.authority import HubAuthority
from hubsec.bus import EventStream, Overflow
from hubsec.errors import RadioError, Refused
from hubsec.events import Knocked, ListeningClosed, ListeningOpened
from hubsec.radio import answering
from hubsec.state import HubState

# A listening window is at most 180 s and its knocks are rated, so this many are never reached by an honest house.
KNOCKS_KEPT: Final = 256
_RULE: Final = "listening"
_US: Final = "hubsec"


@asynccontextmanager
async def listening(
    state: HubState, authority: HubAuthority, seconds: float, *, by: str
) -> AsyncGenerator[EventStream[Knocked]]:
    """Hear knocks on one radio while the block lives, for `seconds` at most; the stream ends with the window.

    Raises :class:`~hubsec.errors.Refused` where the policy does not listen so long, in mode observe, before
    adoption, and while another window is open on that radio; :class:`~hubsec.errors.StoreError` where it can't be
    recorded.
    """
    radio = authority.radio
    state.policy.check_listening(seconds)
    if not state.enforcing:
        raise Refused("This hub only observes: it opens nothing, so nobody would knock.", rule="mode")
    authority.must_be_adopted()
    if authority.listening:
        raise Refused(f"{radio.name} is listening already: one window at a time.", rule=_RULE)
    window = authority.window = object()
    recorded = False

    def shut(by: str, reason: str) -> asyncio.Future[None] | None:
        knocks.close()
        if authority.window is not window:
            return None
        authority.window = None
        if not recorded:
            return None
        return state.recorder.closing(Act(act="listening-closed", by=by, radio=radio.name, reason=reason))

    def heard(event: ListeningClosed) -> None:
        if event.radio == radio.name:
            shut(_US, event.reason)

    knocks = state.bus.events(Knocked, capacity=KNOCKS_KEPT, overflow=Overflow.DROP_NEWEST, radio=radio.name)
    stop_hearing = state.bus.on(ListeningClosed, heard)
    timer = asyncio.get_running_loop().call_later(seconds, shut, _US, f"Its {seconds:g} s are over.")
    try:
        async with knocks:
            await state.acted(
                Act(act="listening-opened", by=by, radio=radio.name, details={"seconds": float(seconds)})
            )
            recorded = True
            with answering(radio.name):
                await radio.listen(seconds, by=by)
            now = state.now()
            state.publish(ListeningOpened(time=now, radio=radio.name, by=by, closes_at=now + seconds))
            yield knocks
    finally:
        timer.cancel()
        stop_hearing()
        mine = authority.window in (window, None)
        closing = shut(by, "Its block was left.")
        if mine:
            await _stop(state, authority, by)
        if closing is not None:
            await closing


async def _stop(state: HubState, authority: HubAuthority, by: str) -> None:
    try:
        with answering(authority.radio.name):
            await authority.radio.listen(0, by=by)
    except RadioError as error:
        # What the block raised, or nothing, is what its user has to see.
        state.lost(authority.radio.name, str(error))
