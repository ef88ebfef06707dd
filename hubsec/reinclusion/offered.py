"""What a hub offers about new keys for a Z-Wave network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from hubsec.authority import HubAuthority
from hubsec.identity import Network
from hubsec.reinclusion.shapes import ReinclusionPlan
from hubsec.reinclusions import Reinclusion, Reinclusions
from hubsec.stickers import Sticker, read_sticker

OPERATOR = "operator"


class Reincluding(ABC):
    """The part of a :class:`~hubsec.hub.Hub` that is about this."""

    @property
    @abstractmethod
    def _reinclusions(self) -> Reinclusions: ...

    @abstractmethod
    def _authority(self, radio: str) -> HubAuthority: ...

    @abstractmethod
    def _authority_on(self, network: Network) -> HubAuthority: ...

    def _rekeyed(self, radio: str | None) -> HubAuthority:
        return self._authority(radio) if radio is not None else self._authority_on(Network.ZWAVE)

    async def plan_reinclusion(
        self,
        radio: str | None = None,
        *,
        stickers: Iterable[str | Sticker] = (),
        smart_start: Iterable[str] = (),
    ) -> ReinclusionPlan:
        """What new keys would do to each device of a Z-Wave network, and how long it takes to include them anew: no
        command gives such a device other keys. Nothing is changed.

        `stickers`: of devices whose DSK is not on the allowlist, adopted ones for instance. `smart_start`: which
        devices are to come back by themselves, under another node id, instead of into their place by a button.
        """
        read, stickers = _read(stickers), ()
        return await self._reinclusions.plan(self._rekeyed(radio), stickers=read, smart_start=smart_start)

    async def reinclude(
        self,
        radio: str | None = None,
        *,
        by: str = OPERATOR,
        reason: str = "",
        stickers: Iterable[str | Sticker] = (),
        smart_start: Iterable[str] = (),
        anyway: bool = False,
    ) -> Reinclusion:
        """Give a Z-Wave network new keys: its server is restarted on them, and each device is included anew, for
        which a person resets it. It goes on by itself, and when the hub is opened again.

        Until a device has shown that it has the new keys it is shut off. Raises
        :class:`~hubsec.errors.NotEnforceable` where the server can't be restarted from here, and
        :class:`~hubsec.errors.Refused` where a device would be lost, unless `anyway`, or another one is under way.
        """
        read, stickers = _read(stickers), ()
        return await self._reinclusions.start(
            self._rekeyed(radio),
            by=by,
            reason=reason,
            stickers=read,
            smart_start=smart_start,
            anyway=anyway,
        )

    def reinclusion(self, radio: str | None = None) -> Reinclusion | None:
        """The last re-inclusion of that radio's network, under way or ended; None when there was none."""
        return self._reinclusions.current(self._rekeyed(radio).radio.name)


def _read(stickers: Iterable[str | Sticker]) -> tuple[Sticker, ...]:
    """What they say; from here on their text, which has the secret in it, is nobody's any more."""
    return tuple(one if isinstance(one, Sticker) else read_sticker(one) for one in stickers)
