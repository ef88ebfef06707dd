"""What a hub offers about new keys for its networks: over the air on Zigbee, by including devices anew on Z-Wave."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

from hubsec.audit.records import OPERATOR
from hubsec.authority import HubAuthority
from hubsec.identity import Identity, Network
from hubsec.reinclusion.shapes import ReinclusionPlan
from hubsec.reinclusions import Reinclusion, Reinclusions
from hubsec.rotation.returning import TAKING_BACK
from hubsec.rotation.shapes import RotationPlan, RotationProgress, Way, way_of
from hubsec.rotations import Rotation, Rotations
from hubsec.stickers import Sticker, read_sticker
from hubsec.store import AsyncStore


class RotatingKeys(ABC):
    """The part of a :class:`~hubsec.hub.Hub` that is about this."""

    @property
    @abstractmethod
    def _rotations(self) -> Rotations: ...

    @property
    @abstractmethod
    def store(self) -> AsyncStore:
        """Where everything that must last is."""

    @abstractmethod
    def _identity(self, device: str) -> Identity: ...

    @abstractmethod
    def _authority(self, radio: str) -> HubAuthority: ...

    @abstractmethod
    def _authority_on(self, network: Network) -> HubAuthority: ...

    async def plan_rotation(
        self,
        radio: str | None = None,
        *,
        way: Way | str | None = None,
        leave_out: Iterable[str] = (),
        progress: Callable[[int, int], object] | None = None,
    ) -> RotationPlan:
        """What a change of a Zigbee network's key would do to each device: the dry run. Nothing is changed; whoever
        listens is asked whether it is there, and `progress` is told how many of how many have been.

        `way`: by default the quickest that heals what is known. `leave_out` are devices that are to lose the network,
        besides those that are quarantined or have no entry. Raises :class:`~hubsec.errors.NotEnforceable` for a radio
        that can't change its key, and :class:`~hubsec.errors.Refused` before the network is adopted.
        """
        authority = self._authority_for_keys(radio)
        out = frozenset(self._identity(device) for device in leave_out)
        return await self._rotations.plan(authority, way=way_of(way), leave_out=out, progress=progress)

    async def rotate(
        self,
        plan: RotationPlan | None = None,
        *,
        way: Way | str | None = None,
        leave_out: Iterable[str] = (),
        radio: str | None = None,
        by: str = OPERATOR,
        reason: str = "",
        patience: float | None = None,
        anyway: bool = False,
    ) -> Rotation:
        """Change a Zigbee network's key, as `plan` says, or a plan made now. It goes on by itself from here, whatever
        becomes of what is returned, and across restarts; one at a time on each radio.

        `patience`: seconds that each of its phases waits for whoever sleeps; a day by default. `anyway`: also where the
        dry run says that a device is lost or nothing is healed. Raises :class:`~hubsec.errors.Refused` with its reasons
        otherwise, in mode observe, and where nobody would get the key; :class:`~hubsec.errors.NotEnforceable` for a
        radio that can't.
        """
        if plan is None:
            plan = await self.plan_rotation(radio, way=way, leave_out=leave_out)
        authority = self._authority_for_keys(plan.radio)
        return await self._rotations.start(
            authority, plan, by=by, reason=reason, patience=patience, anyway=anyway
        )

    def rotation(self, radio: str | None = None) -> Rotation | None:
        """The rotation that is under way on that radio, or has stopped there; None when there is none."""
        return self._rotations.current(self._authority_for_keys(radio))

    async def abandon_rotation(self, radio: str | None = None, *, by: str = OPERATOR) -> None:
        """Give up the rotation on that radio, also one that has stopped, or whose journal can't be read: the key is
        the one from before, or, in the last two cases, the one that the radio has, and every device counts as a
        straggler then until it answers.

        Raises :class:`~hubsec.errors.Refused` where there is none, and once the order to switch may be out.
        """
        await self._rotations.abandon(self._authority_for_keys(radio), by=by)

    async def rotations(self, *, limit: int = 100) -> tuple[RotationProgress, ...]:
        """Every rotation, newest first: the one under way, as it stands, and those that have ended."""
        return await self.store.run(lambda store: store.rotations(limit=limit), writes=False)

    async def take_back(
        self, seconds: float = TAKING_BACK, *, by: str = OPERATOR, radio: str | None = None
    ) -> tuple[Identity, ...]:
        """Let who missed the last rotation come back without the network key, for `seconds`; 0 ends that. Returns who
        is awaited. It ends by itself when they are all back, and when anything else is opened.

        The link keys of whoever was left out are erased first, and read back. It has a price
        (docs/link-keys.md), so that nothing does it unless asked: the policy says `rejoining.unsecured: verified`, and
        the network has unique link keys. Raises :class:`~hubsec.errors.Refused` where the policy or the devices stand
        against it, :class:`~hubsec.errors.NotEnforceable` where the radio does, and
        :class:`~hubsec.errors.StoreError` where it can't be recorded; nothing is open then.
        """
        authority = self._authority_for_keys(radio)
        returns = self._rotations.returns
        if not seconds:
            await returns.close(authority.radio.name, f"{by} ended it.", by=by)
            return ()
        return await returns.open(authority, seconds, by=by)

    def _authority_for_keys(self, radio: str | None) -> HubAuthority:
        return self._authority(radio) if radio is not None else self._authority_on(Network.ZIGBEE)


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
