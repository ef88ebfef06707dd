"""What stands, in the store, for or against a network's key: why it is due to be changed, and who missed the last
change."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from hubsec.authority import HubAuthority
from hubsec.entries import Entry
from hubsec.errors import StoreError
from hubsec.identity import Identity
from hubsec.rotation.missing import note_back
from hubsec.rotation.radio import KeyRadio
from hubsec.rotation.shapes import RotationProgress
from hubsec.rotation.triggers import Need, Rotating, Trigger, age_need
from hubsec.state import HubState


async def standing_needs(state: HubState, authority: HubAuthority, rotating: Rotating) -> tuple[Need, ...]:
    """Why the key of `authority`'s network is due to be changed; nothing when it is not."""
    network_id = authority.network_id
    if network_id is None:
        return ()
    needs = list(await state.store.run(lambda store: store.needs(network_id), writes=False))
    record = await state.store.network(authority.radio.network, network_id)
    if record is None:
        return tuple(needs)
    if record.exposed_at is not None and record.exposed_reason is not None:
        exposure = Need(
            network_id=network_id,
            trigger=Trigger.EXPOSURE,
            device=None,
            since=record.exposed_at,
            reason=record.exposed_reason,
        )
        needs.append(exposure)
    aged = age_need(
        network_id,
        since=record.rotated_at or record.first_seen,
        now=state.now(),
        after=rotating.after_age,
    )
    return (*needs, *([] if aged is None else [aged]))


async def note_eviction(state: HubState, authority: HubAuthority, device: Identity) -> None:
    """Write down that `device` is put out, and holds the key of a network that could have another; durable when this
    returns. Raises :class:`~hubsec.errors.StoreError`."""
    if authority.network_id is None or not state.enforcing or not isinstance(authority.radio, KeyRadio):
        return
    need = Need(
        network_id=authority.network_id,
        trigger=Trigger.EVICTION,
        device=device,
        since=state.now(),
        reason=f"{device} was put out, and holds the network key.",
    )
    await state.recorded(state.store.run(lambda store: store.need(need)))


async def note_return(state: HubState, authority: HubAuthority, device: Identity) -> None:
    """Write down that `device` has come back by itself, or was let in anew: it is no straggler any more."""
    network_id = authority.network_id
    if network_id is None:
        return  # Heard before the radio has come up: the dry run, or the next rotation, asks it anyway.
    with suppress(StoreError):  # It stays listed until it is said again.
        await note_back(state, network_id, device)


def stragglers(ended: RotationProgress, entries: Mapping[Identity, Entry]) -> tuple[Identity, ...]:
    """Who missed that rotation, or is doubted since, and has not joined after that: who is not on the list any more is
    nobody's concern."""
    since = ended.ended_at if ended.doubted_at is None else ended.doubted_at
    return tuple(
        device
        for device in ended.stragglers
        if (entry := entries.get(device)) is not None
        and (entry.joined_at is None or since is None or entry.joined_at <= since)
    )
