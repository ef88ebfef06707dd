"""Adoption: a network's devices are listed and confirmed before anybody on it is taken for a stranger."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from hubsec.authority import HubAuthority
from hubsec.entries import LABEL_LIMIT, Entry
from hubsec.errors import HubsecError, Refused, StickerError, StoreError
from hubsec.events import AdoptionConfirmed, AdoptionListed
from hubsec.identity import CredentialKind, Identity, Network, identity_on
from hubsec.radio import RadioPosture, SeenDevice
from hubsec.state import HubState

BY_FORMING: Final = "hubsec: it formed the network itself"
_RULE: Final = "adoption"


async def meet(state: HubState, authority: HubAuthority, seen: RadioPosture) -> None:
    """Look up what is known of the network that a radio has come up on, as its posture says.

    One that the radio formed just now has no devices from before, and is adopted at once; of another the devices are
    listed. A store that can't be written raises the standing alarm: a network that is known is held to its policy all
    the same, and one that is not known stays unconfirmed, where nobody joins and nobody is shut off.
    """
    authority.network_id = seen.network_id
    network = authority.radio.network
    known = await state.store.network(network, seen.network_id)
    if known is not None:
        authority.exposed = known.exposed
        if known.adopted:
            authority.confirm_adoption()
            return
    try:
        if known is None:
            await state.recorded(state.store.see_network(network, seen.network_id, at=state.now()))
        if seen.formed:
            await confirm(state, authority, by=BY_FORMING, devices=())
            return
    except StoreError:
        pass  # It is told as the alarm.
    state.publish(
        AdoptionListed(
            time=state.now(),
            radio=authority.radio.name,
            devices=tuple(device.device for device in authority.devices()),
        )
    )


async def confirm(
    state: HubState, authority: HubAuthority, *, by: str, devices: Iterable[str] | None
) -> tuple[Entry, ...]:
    """Make `devices`, all that the radio lists by default, the network's baseline. See
    :meth:`hubsec.hub.Hub.adopt`."""
    radio = authority.radio
    if authority.network_id is None:
        raise Refused(f"{radio.name} has not said which network it is on.", rule=_RULE)
    listed = {seen.device: seen for seen in authority.devices()}
    if devices is None and not listed:
        raise Refused(
            f"{radio.name} lists no device, and none has been heard yet. Wait until the devices have spoken; or, "
            "if there are none, say so: adopt(…, devices=()).",
            rule=_RULE,
        )
    wanted = tuple(listed) if devices is None else _identities(devices, radio.network)
    unknown = [device for device in wanted if device not in listed]
    if unknown:
        raise Refused(f"{radio.name} has no device {', '.join(unknown)}.", rule=_RULE)
    now = state.now()
    entries = [_entry(listed[device], radio.network, at=now, by=by) for device in wanted]
    adopted = await state.recorded(state.allowlist.adopt(radio.network, authority.network_id, entries, by=by))
    authority.confirm_adoption()
    state.publish(
        AdoptionConfirmed(
            time=state.now(), radio=radio.name, devices=tuple(entry.device for entry in adopted), by=by
        )
    )
    return adopted


def present(authority: HubAuthority, device: Identity, *, at: float, by: str, name: str | None) -> Entry:
    """The entry of a device that is there and may stay, on `by`'s word. `name`: by default what it calls itself.

    Raises :class:`~hubsec.errors.Refused` for one that is not there.
    """
    listed = {seen.device: seen for seen in authority.devices()}
    if not is_present(authority, device):
        raise Refused(
            f"{device} is not on the network of {authority.radio.name}: to let it in, admit it by its sticker.",
            rule="presence",
        )
    seen = listed.get(device, SeenDevice(device=device, name=device))
    if name is not None:
        seen = msgspec.structs.replace(seen, name=name)
    entry = _entry(seen, authority.radio.network, at=at, by=by)
    return msgspec.structs.replace(entry, address=authority.place(device))


def is_present(authority: HubAuthority, device: Identity) -> bool:
    """Whether `device` is on that network, as far as the radio or anybody who was judged says."""
    return authority.has_met(device) or any(seen.device == device for seen in authority.devices())


def _entry(seen: SeenDevice, network: Network, *, at: float, by: str) -> Entry:
    return Entry(
        device=seen.device,
        network=network,
        credential=CredentialKind.ADOPTED,
        label=seen.name[:LABEL_LIMIT],
        approved_by=by,
        approved_at=at,
        joined_at=at,
        device_class=seen.device_class,
    )


def _identities(devices: Iterable[str], network: Network) -> tuple[Identity, ...]:
    """Each once, as the allowlist spells it."""
    try:
        spelled = [identity_on(network, one) for one in devices]
    except StickerError as error:
        raise Refused(f"That is no device to adopt. {error.reason}", rule=_RULE) from None
    except TypeError:
        raise HubsecError("The devices to adopt are a list of identities.") from None
    return tuple(dict.fromkeys(spelled))
