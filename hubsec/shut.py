"""In place of a hub that can't be opened: its radio, shut.

A guard that could not be put up for want of a policy or a store would leave the network as open as its host likes. So
nobody joins until there is a hub again; whoever is there goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Never, Self, assert_never

from hubsec.decisions import Allow, Decision, Deny
from hubsec.entries import Entry
from hubsec.errors import Refused
from hubsec.events import Event
from hubsec.identity import Identity, Mode, SecurityClass, Standing
from hubsec.radio import Radio, answering
from hubsec.requests import (
    ExchangeRequest,
    IdentifyRequest,
    JoinKind,
    JoinRequest,
    OpenRequest,
    PresenceRequest,
    Request,
)
from hubsec.secret import Secret

NO_HUB: Final = "no-hub"
"""The rule by which everybody is refused, and by which whoever is there stays."""


class Shut:
    """`radio` is shut while the ``async with`` block lives. `reason` is one sentence for whoever is refused; `tell`
    gets the radio's events.

    Entering raises what the radio raises. There is no store, so nothing is recorded, and nothing is let in.
    """

    def __init__(self, radio: Radio, *, reason: str, tell: Callable[[Event], object]) -> None:
        self._radio = radio
        self._reason = reason
        self._tell = tell

    async def __aenter__(self) -> Self:
        with answering(self._radio.name):
            await self._radio.open(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with answering(self._radio.name):
            await self._radio.close()

    # What the radio asks: see hubsec.radio.Authority.

    @property
    def mode(self) -> Mode:
        """It enforces."""
        return Mode.ENFORCE

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return time.time()

    async def judge(self, request: Request) -> Decision:
        """Whoever asks for the network key, or to open the network, is refused."""
        match request:
            case (
                JoinRequest(kind=JoinKind.SECURED_REJOIN)
                | ExchangeRequest()
                | IdentifyRequest()
                | PresenceRequest()
            ):
                return Allow(NO_HUB, "It is there, and nobody can say that it may not be.")
            case JoinRequest() | OpenRequest():
                return Deny(NO_HUB, self._reason)
            case _:
                assert_never(request)

    def standing(self, device: Identity) -> Standing:  # noqa: ARG002 - nobody is known, so everybody is the same
        """Nobody is shut off."""
        return Standing.ADOPTED

    def entry(self, device: Identity) -> Entry | None:  # noqa: ARG002 - the same
        """There is no allowlist."""
        return None

    def entries(self) -> Sequence[Entry]:
        """The same."""
        return ()

    async def secret(self, device: Identity) -> Secret | None:  # noqa: ARG002 - the same
        """The same."""
        return None

    async def vouch(
        self,
        secret: Secret,  # noqa: ARG002 - nobody is let in, whoever it is
        *,
        by: str,  # noqa: ARG002 - the same
        device_class: str | None = None,  # noqa: ARG002 - the same
        smart_start: bool = False,  # noqa: ARG002 - the same
    ) -> Never:
        """Refuse."""
        raise Refused(self._reason, rule=NO_HUB)

    def least_security(self, device_class: str | None) -> SecurityClass:  # noqa: ARG002 - there is no policy
        """The best, for no policy says that less will do."""
        return SecurityClass.S2_ACCESS_CONTROL

    async def condemn(self, device: Identity, reason: str) -> None:
        """There is nowhere to write it down."""

    async def doubt(self, network_id: str) -> None:
        """There is nowhere to write it down."""

    async def departed(self, device: Identity) -> None:
        """There is nothing to take back."""

    @property
    def vault(self) -> None:
        """There is none."""

    def publish(self, event: Event) -> None:
        """Hand the event on."""
        self._tell(event)
