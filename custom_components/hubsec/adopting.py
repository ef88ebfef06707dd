"""Confirming the devices that a guarded network has, as its baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hubsec.radio import SeenDevice

from .choices import labels
from .network import ProtectedNetwork
from .telling import name_there


async def unconfirmed(network: ProtectedNetwork) -> Mapping[str, str] | None:
    """The devices that wait to be confirmed, each with its line for a person; None when nobody waits for that.

    Raises :class:`hubsec.Refused` while the guard is not attached: nobody knows then.
    """
    network.guarded()
    await network.look()
    posture = network.posture
    waiting = [one for one in posture.networks if not one.adopted] if posture is not None else []
    if not waiting:
        return None
    seen = {device.device: device for device in network.seen}
    listed = [
        seen.get(device, SeenDevice(device=device, name=device))
        for one in waiting
        for device in one.unconfirmed
    ]
    return labels(listed, lambda device: name_there(network, device))


async def adopt(network: ProtectedNetwork, devices: Sequence[str], *, by: str) -> None:
    """Make those the baseline. Raises what :meth:`hubsec.Hub.adopt` raises."""
    await network.guarded().adopt(network.stack.domain, by=by, devices=devices)
    await network.look()
