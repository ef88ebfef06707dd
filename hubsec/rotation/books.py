"""What a runner is given by its hub: the journal in the vault, the events, and the hold on admissions."""

from __future__ import annotations

import logging

from hubsec.admissions import Admissions
from hubsec.allowlist import Allowlist
from hubsec.authority import HubAuthority
from hubsec.errors import HubsecError
from hubsec.events import (
    KeyDelivered,
    KeyRotated,
    KeysDisagree,
    RotationAbandoned,
    RotationStepped,
)
from hubsec.identity import Identity, Standing
from hubsec.radio import answering
from hubsec.rotation.journal import Journal, KeyRing, pack, secret_name, unpack
from hubsec.rotation.planning import is_overheard
from hubsec.rotation.radio import KeyRadio, KeyState
from hubsec.rotation.shapes import Delivery, Outcome, RotationProgress, Step
from hubsec.rotation.triggers import Need, Trigger
from hubsec.state import HubState
from hubsec.store.sealed import SecretKind

_LOGGER = logging.getLogger(__name__)


class HubBooks:
    """The books of one rotation on `authority`'s radio; see :class:`hubsec.rotation.runner.Books`."""

    def __init__(self, state: HubState, authority: HubAuthority, admissions: Admissions) -> None:
        self._state = state
        self._authority = authority
        self._admissions = admissions
        self._settled: int | None = None
        self._ring: KeyRing | None = None

    def utc(self) -> float:
        """Seconds since the epoch."""
        return self._state.now()

    async def write(self, journal: Journal) -> None:
        """Make it durable, with the keys as it leaves them."""
        now, seals = self.utc(), {SecretKind.JOURNAL: pack(journal)}
        ring, moved = await self._ring_of(journal, now)
        if self._settled != journal.settled:
            seals[SecretKind.NETWORK_KEY] = pack(ring)
        progress, name = journal.progress(), secret_name(journal.network_id)
        await self._state.recorded(
            self._state.store.run(
                lambda store: store.keep_rotation(
                    progress, name=name, seals=seals, at=now, rotated_at=now if moved else None
                )
            )
        )
        self._ring, self._settled = ring, journal.settled

    async def _ring_of(self, journal: Journal, now: float) -> tuple[KeyRing, bool]:
        """The ring as `journal` leaves it, and whether another key is live than it said before."""
        ring = self._ring
        if ring is None:
            sealed = await self._state.vault.get(SecretKind.NETWORK_KEY, secret_name(journal.network_id))
            ring = KeyRing() if sealed is None else unpack(sealed, KeyRing)
        if self._settled == journal.settled:
            return ring, False
        after, live = ring.following(journal, at=now), journal.chain[journal.settled].key
        return after, journal.settled > 0 and (ring.live is None or ring.live.key != live)

    async def finish(self, journal: Journal, ended: RotationProgress, reason: str) -> None:
        """Make durable that it is over, and say it: its journal goes, and the needs that it has dealt with."""
        await self._end(journal, ended, None)
        self._over(ended, reason)

    async def give_up(self, journal: Journal, ended: RotationProgress, reason: str, found: KeyState) -> None:
        """The same for one that had stopped: the key is what the radio has."""
        await self._end(journal, ended, found)
        self._over(ended, reason)

    async def _end(self, journal: Journal, ended: RotationProgress, found: KeyState | None) -> None:
        state, authority, now = self._state, self._authority, self.utc()
        ring, moved = await self._ring_of(journal, now)
        if found is not None:
            ring = ring.holding(found.key, found.sequence, at=now)
        rotated = ended.outcome is Outcome.ROTATED
        healed = rotated and journal.heals and not self._overheard(ended, state.allowlist)
        needs = await state.store.run(lambda store: store.needs(journal.network_id), writes=False)
        settled = [
            need
            for need in needs
            if (healed and self._is_settled(need, journal)) or (rotated and need.trigger is Trigger.ABANDONED)
        ]
        name = secret_name(journal.network_id)
        await state.recorded(
            state.store.run(
                lambda store: store.keep_rotation(
                    ended,
                    name=name,
                    seals={SecretKind.JOURNAL: None, SecretKind.NETWORK_KEY: pack(ring)},
                    at=now,
                    rotated_at=now if moved else None,
                    healed=healed,
                    settled=settled,
                    needed=None if rotated else left_behind(journal, at=now),
                )
            )
        )
        if healed:
            authority.exposed = False

    @staticmethod
    def _overheard(ended: RotationProgress, allowlist: Allowlist) -> bool:
        """Whether a listener may have the link key of anybody who stays; they may have joined since the dry run."""
        return any(
            is_overheard(allowlist.get(device))
            for device, delivery in ended.deliveries.items()
            if delivery is not Delivery.LEFT_OUT
        )

    def _is_settled(self, need: Need, journal: Journal) -> bool:
        """Whether that rotation, which heals, has dealt with it: whoever was put out does not have the new key.

        No clock is asked: one that was set back would say of a later need that it stood before.
        """
        if need.trigger is not Trigger.EVICTION or need.device is None:
            return True
        target = journal.targets.get(need.device)
        if target is None:
            return need.device in journal.evicted
        return target.delivery is Delivery.LEFT_OUT or self.belongs(need.device)

    def belongs(self, device: Identity) -> bool:
        """Whether it may be on the network."""
        standing = self._authority.standing(device)
        return standing is Standing.APPROVED or standing is Standing.ADOPTED

    async def put_out(self, journal: Journal) -> frozenset[Identity]:
        """Who is quarantined, or was evicted. Who just has no entry may be somebody whom nobody has heard yet."""
        needs = await self._state.store.run(lambda store: store.needs(journal.network_id), writes=False)
        evicted = {need.device for need in needs if need.trigger is Trigger.EVICTION}
        return frozenset(
            device
            for device in journal.targets
            if self._authority.standing(device) is Standing.QUARANTINED
            or (device in evicted and not self.belongs(device))
        )

    async def hold(self) -> None:
        """Let no admission begin on that radio, and return when none is open: each that is has its time, and who comes
        later can't put the switch off."""
        self._authority.switching = True
        await self._admissions.quiet(self._authority.radio.name)

    def release(self) -> None:
        """Admissions may begin."""
        self._authority.switching = False

    def moved(self, before: RotationProgress, after: RotationProgress) -> None:
        """Say what is new; of its end, :meth:`finish` does."""
        for device, delivery in after.deliveries.items():
            if before.deliveries.get(device) is not delivery:
                self._say(KeyDelivered, device=device, correlation=after.rotation, delivery=str(delivery))
        if (before.step, before.round) != (after.step, after.round) and after.outcome is None:
            self._say(
                RotationStepped,
                correlation=after.rotation,
                step=str(after.step),
                round=after.round,
                rounds=after.rounds,
                done=after.done,
                devices=len(after.deliveries),
            )

    def _over(self, ended: RotationProgress, reason: str) -> None:
        if ended.outcome is Outcome.ABANDONED:
            self._say(RotationAbandoned, correlation=ended.rotation, reason=reason)
        else:
            self._say(
                KeyRotated,
                correlation=ended.rotation,
                way=str(ended.way),
                sequence=ended.sequence,
                stragglers=ended.stragglers,
                left_out=_of(ended, Delivery.LEFT_OUT),
            )

    def stopped(self, reason: str, repair: str) -> None:
        """Say that it can't go on."""
        self._say(KeysDisagree, reason=reason, repair=repair, repaired=False)

    def _say[E: (KeyDelivered, RotationStepped, KeyRotated, RotationAbandoned, KeysDisagree)](
        self, kind: type[E], **fields: object
    ) -> None:
        self._state.publish(kind(time=self.utc(), radio=self._authority.radio.name, **fields))  # type: ignore[arg-type]


async def note_first(state: HubState, authority: HubAuthority, radio: KeyRadio) -> None:
    """Seal the key of a network that hubsec sees for the first time. Raises nothing: the network goes on without."""
    if authority.network_id is None:
        return
    try:
        with answering(authority.radio.name):
            live = await radio.key_state()
        ring = KeyRing().holding(live.key, live.sequence, at=state.now())
        name = secret_name(authority.network_id)
        await state.recorded(state.vault.put(SecretKind.NETWORK_KEY, name, pack(ring)))
    except HubsecError as error:
        _LOGGER.warning("%s: its network key was not sealed: %s", authority.radio.name, error)


def left_behind(journal: Journal, *, at: float) -> Need | None:
    """The need that a rotation leaves which is given up there; None where no device can have its key."""
    if journal.step not in {Step.DELIVERING, Step.SWITCHING}:
        return None
    told = sum(
        journal.by_broadcast or target.delivery is Delivery.SENT for target in journal.targets.values()
    )
    if not told:
        return None
    return Need(
        network_id=journal.network_id,
        trigger=Trigger.ABANDONED,
        device=None,
        since=at,
        reason=(
            f"A rotation was given up when its key, number {journal.next.sequence}, was on {told} devices or more: "
            "whoever holds the network key can order them to use it, until another one takes its place."
        ),
    )


def _of(ended: RotationProgress, delivery: Delivery) -> tuple[Identity, ...]:
    return tuple(sorted(device for device, one in ended.deliveries.items() if one is delivery))
