"""A Zigbee network on a radio that hubsec does not enforce on: what happens there is told, and nothing is held.

It is for hubs that observe. Their policy is asked, and the events say what would have been done; the trust center, the
frames and the keys stay the firmware's own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Self

from hubsec.canaries import refuse_canary
from hubsec.errors import HubsecError, NotEnforceable, RadioError, Refused
from hubsec.events import GuardAttached, GuardDetached, RadioLost
from hubsec.identity import Identity, Mode, Network, Standing
from hubsec.radio import AdmissionOrder, Authority, Capabilities, Eviction, RadioPosture, SeenDevice
from hubsec.requests import OpenKind, PresenceRequest
from hubsec_zigbee.answered import answered, is_answered
from hubsec_zigbee.desk import Desk
from hubsec_zigbee.gate import Refusal
from hubsec_zigbee.hostcalls import GUARDED
from hubsec_zigbee.hosting import Hosting
from hubsec_zigbee.limits import Limits
from hubsec_zigbee.ncp import identity_from
from hubsec_zigbee.openings import Openings
from hubsec_zigbee.surveying import survey

GAPS: Final = ("frames-not-filtered", "keys-not-read-back", "trust-center-not-guarded")
"""What is not held on such a radio, by name."""
_KINDS: Final = {
    "permit": OpenKind.PERMIT,
    "permit_ncp": OpenKind.PERMIT,
    "permit_with_link_key": OpenKind.PERMIT_LINK_KEY,
    "permit_gp": OpenKind.GREEN_POWER,
    "write_network_info": OpenKind.RESTORE,
}
_DEFAULT_SECONDS: Final = 60
"""How long zigpy opens for when its caller does not say."""


class Observed:
    """A radio for a hub, on any running zigpy application that is not bellows'."""

    def __init__(self, app: Any, name: str, refusal: Refusal | None) -> None:
        self._app = app
        self._desk = Desk(name, Limits())
        self._openings = Openings(self._desk, self._nothing_to_close)
        self._refusal = refusal
        self._capabilities = survey(app).capabilities
        self._hosting = Hosting(app, interviewed=self._seen, lost=self._lost)
        self._before: dict[str, Any] = {}
        self._put: dict[str, Any] = {}
        self._open = False

    @classmethod
    def attach(cls, app: Any, *, name: str = "zigpy", refusal: Refusal | None = None) -> Self:
        """A radio on `app`. `refusal` makes what the caller of a refused canary gets; see
        :meth:`hubsec_zigbee.Bellows.attach`. Raises :class:`~hubsec.errors.RadioError` for what is no zigpy
        application."""
        return cls(app, name, refusal)

    @property
    def name(self) -> str:
        """What events call it."""
        return self._desk.name

    @property
    def network(self) -> Network:
        """Zigbee."""
        return Network.ZIGBEE

    @property
    def capabilities(self) -> Capabilities:
        """What its library can do, and that hubsec does not enforce on it."""
        return self._capabilities

    # Opening and closing

    async def open(self, authority: Authority) -> None:
        """Watch from now on. Raises :class:`~hubsec.errors.NotEnforceable` for a hub that enforces."""
        if self._open:
            raise RadioError(f"{self.name} is open already.")
        if authority.mode is Mode.ENFORCE:
            raise self._not_enforceable("enforced")
        self._desk.take(authority)
        for method, kind in _KINDS.items():
            if method in GUARDED and hasattr(self._app, method):
                self._wrap(method, kind)
        self._hosting.hear()
        self._open = True
        for device in self._hosting.seen():
            self._seen(device.device)
        self._desk.publish(GuardAttached, way="observe", gaps=GAPS)

    def _wrap(self, method: str, kind: OpenKind) -> None:
        original: Callable[..., Awaitable[Any]] = getattr(self._app, method)

        async def watched(*args: Any, **more: Any) -> Any:
            # The calls of a library inside each other, such as zigpy-znp's permit_with_link_key and permit, are one.
            if not is_answered():
                await self._ask(kind, args, more)
            with answered():
                return await original(*args, **more)

        self._before[method] = vars(self._app).get(method)
        self._put[method] = watched
        setattr(self._app, method, watched)

    async def _ask(self, kind: OpenKind, args: tuple[Any, ...], more: dict[str, Any]) -> None:
        device = None
        if kind is OpenKind.RESTORE:
            seconds = 0
        else:
            named = dict(zip(_ARGUMENTS[kind], args, strict=False)) | more
            seconds = int(named.get("time_s", _DEFAULT_SECONDS))
            if not seconds:
                return
            if kind is OpenKind.PERMIT_LINK_KEY:
                device = identity_from(named["node"])
        try:
            refuse_canary()
        except Refused as refused:
            raise (self._refusal(refused) if self._refusal is not None else refused) from refused
        await self._openings.ask(kind, seconds, device)

    async def close(self) -> None:
        """Leave the application as it was. Idempotent."""
        if not self._open:
            return
        self._open = False
        self._hosting.hear_no_more()
        restored = True
        for method, watched in self._put.items():
            if vars(self._app).get(method) is not watched:
                restored = False
            elif self._before[method] is not None:
                setattr(self._app, method, self._before[method])
            else:
                delattr(self._app, method)
        self._put.clear()
        await self._desk.settle()
        self._desk.publish(GuardDetached, restored=restored, reason="It was detached.")

    # What is seen

    def _seen(self, device: Identity) -> None:
        if self._desk.standing(device) is Standing.UNKNOWN:
            self._desk.spawn(self._judge(device), f"ask about {device}")

    async def _judge(self, device: Identity) -> None:
        await self._desk.judge(PresenceRequest(radio=self.name, network=self.network, device=device))

    def _lost(self, error: str) -> None:
        self._desk.publish(RadioLost, reason=f"The host lost its radio: {error}.", left_refusing=False)

    def devices(self) -> Sequence[SeenDevice]:
        """Every device that zigpy has, the coordinator left out."""
        return self._hosting.seen()

    async def posture(self) -> RadioPosture:
        """How it stands: nothing is held."""
        return RadioPosture(
            network=self.network,
            network_id=self._hosting.network_id,
            formed=False,
            running=self._open,
            closed=False,
            listening=False,
            gaps=GAPS,
        )

    # What it can't

    def _not_enforceable(self, capability: str) -> HubsecError:
        return NotEnforceable(
            f"hubsec does not enforce on a {self._capabilities.library} radio yet: let it observe.",
            capability=capability,
        )

    async def _nothing_to_close(self) -> None:
        """Nobody is told to close: no frame is sent on such a radio."""

    async def admit(self, order: AdmissionOrder) -> None:
        """Always raises :class:`~hubsec.errors.NotEnforceable`."""
        raise self._not_enforceable("deferred_approval")

    async def withdraw(self, admission: str, reason: str) -> None:
        """Nothing is ever open."""

    async def listen(self, seconds: float, *, by: str) -> None:
        """Raises :class:`~hubsec.errors.NotEnforceable`, unless it is to stop."""
        if seconds:
            raise self._not_enforceable("deferred_approval")

    async def evict(self, device: Identity) -> Eviction:
        """Always raises :class:`~hubsec.errors.NotEnforceable`."""
        raise self._not_enforceable("forced_remove")


_ARGUMENTS: Final = {
    OpenKind.PERMIT: ("time_s", "node"),
    OpenKind.PERMIT_LINK_KEY: ("node", "link_key", "time_s"),
    OpenKind.GREEN_POWER: ("time_s",),
}
"""The order of zigpy's arguments."""
