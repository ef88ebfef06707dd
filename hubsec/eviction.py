"""Putting a device out: off the list, its admission ended, and told to leave where anybody can tell it that."""

from __future__ import annotations

from hubsec.admissions import Admissions
from hubsec.adoption import is_present, present
from hubsec.audit.records import Act
from hubsec.authority import HubAuthority
from hubsec.entries import Entry
from hubsec.events import Evicted
from hubsec.identity import Identity, Network, SecurityClass
from hubsec.radio import Eviction, answering
from hubsec.state import HubState


async def put_out(
    state: HubState, admissions: Admissions, authority: HubAuthority, device: Identity, *, by: str, why: str
) -> Eviction:
    """Put `device` out of `authority`'s network; see :meth:`hubsec.hub.Hub.evict`."""
    await state.acted(Act(act="evict", by=by, radio=authority.radio.name, device=device, reason=why))
    listed = state.allowlist.get(device)
    coming = await admissions.give_up(device, why, by=by)
    if authority.radio.network is Network.ZWAVE and listed is not None and not is_present(authority, device):
        await _revoke(state, device, by=by)
        eviction = _absent(listed, coming=coming)
    else:
        await _strike(state, authority, device, by=by, why=why)
        with answering(authority.radio.name):
            eviction = await authority.radio.evict(device)
    if eviction.awaited:
        return eviction
    state.publish(
        Evicted(
            time=state.now(),
            radio=authority.radio.name,
            device=device,
            reason=why,
            confirmed=eviction.confirmed,
            still_holds_network_key=eviction.still_holds_network_key,
        )
    )
    return eviction


async def _strike(state: HubState, authority: HubAuthority, device: Identity, *, by: str, why: str) -> None:
    """Take `device` off the list; on Z-Wave it can't be made to leave, so what is left is that it is shut off."""
    authority.forget(device)
    if authority.radio.network is Network.ZIGBEE:
        await _revoke(state, device, by=by)
        return
    if device not in state.allowlist:
        # Raises for a device that is not there.
        present(authority, device, at=state.now(), by=by, name=None)
    await authority.condemn(device, why, by=by)


async def _revoke(state: HubState, device: Identity, *, by: str) -> None:
    if device in state.allowlist:
        await state.recorded(state.allowlist.revoke(device, by=by))


def _absent(entry: Entry, *, coming: bool) -> Eviction:
    """How the eviction ends of a Z-Wave device that is not on the network. `coming`: keys may be on their way to it."""
    held = entry.pinned.security_class if entry.pinned is not None else None
    return Eviction(
        confirmed=not coming,
        still_holds_network_key=coming or held not in (None, SecurityClass.NONE),
        detail="It is off the list. It was being included: should it come all the same, it has no entry."
        if coming
        else "It is off the list, and was not on the network.",
    )
