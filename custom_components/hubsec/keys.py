"""A network's key and its change, as they were last looked at. No key is among what is here."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from functools import partial
from typing import Any, Final

from homeassistant.core import callback
from homeassistant.util import dt as dt_util

from hubsec import Identity
from hubsec.posture import KeyPosture
from hubsec.rotation.shapes import Delivery, RotationPlan, RotationProgress, Step

from .network import ProtectedNetwork
from .sentences import by_name
from .telling import called

_NOT_RUNNING: Final = "{stack} is not running."
_WHOLE: Final = 100
_SENT: Final = frozenset(Delivery) - {Delivery.PENDING}
_DELIVERED: Final = frozenset({Step.SWITCHING, Step.SWITCHED})
"""The steps of a round whose key is out."""


@callback
def keys(network: ProtectedNetwork) -> KeyPosture | None:
    """How the network stands with its key; None while that is not known."""
    posture = network.posture
    return posture.networks[0].keys if posture is not None and posture.networks else None


@callback
def under_way(network: ProtectedNetwork) -> RotationProgress | None:
    """The change of the key that goes on, has stopped, or waits for the guard; None when there is none."""
    known = keys(network)
    return known.under_way if known is not None else network.waiting


@callback
def trouble(network: ProtectedNetwork) -> str:
    """Why that change does not go on; nothing while it does, or where there is none."""
    progress = under_way(network)
    if progress is None:
        return ""
    if network.hub is None:
        return network.problem or _NOT_RUNNING.format(stack=network.stack.name)
    return progress.trouble


@callback
def in_use_since(network: ProtectedNetwork) -> datetime | None:
    """Since when the network has its key, as far as hubsec has seen."""
    known = keys(network)
    return _moment(known.since) if known is not None else None


@callback
def last_changed(network: ProtectedNetwork) -> datetime | None:
    """When hubsec last changed it."""
    known = keys(network)
    return _moment(known.last.ended_at) if known is not None and known.last is not None else None


@callback
def stragglers(network: ProtectedNetwork) -> list[str] | None:
    """What those are called that did not come along."""
    known = keys(network)
    return [called(network, device) for device in known.stragglers] if known is not None else None


@callback
def overdue(network: ProtectedNetwork) -> tuple[str, ...] | None:
    """Why somebody has to decide; nothing when nobody has."""
    known = keys(network)
    if known is None:
        return None
    return tuple(by_name(reason, partial(called, network)) for reason in known.overdue)


@callback
def why_not(network: ProtectedNetwork, plan: RotationPlan) -> tuple[str, ...]:
    """What a dry run says against it, with the devices called as they are everywhere else: it knows them by the names
    of the allowlist. A name that two have stays as it is."""
    names = Counter(one.name for one in plan.devices)
    told = {
        one.name: called(network, one.device) for one in plan.devices if one.name and names[one.name] == 1
    }
    if not told:
        return plan.why_not
    longest = sorted(told, key=len, reverse=True)
    name = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest))})(?!\w)")
    return tuple(name.sub(lambda found: told[found[0]], reason) for reason in plan.why_not)


@callback
def percent(network: ProtectedNetwork) -> int | None:
    """How far the change is: each key's going out is as long as asking everybody at the end."""
    progress = under_way(network)
    if progress is None:
        return None
    if progress.step is Step.ENDED:
        return _WHOLE
    devices = len(progress.deliveries) or 1
    if progress.step is Step.CONFIRMING:
        done = progress.rounds + progress.done / devices
    elif progress.step in _DELIVERED:
        done = float(progress.round)
    else:
        done = progress.round - 1 + sum(one in _SENT for one in progress.deliveries.values()) / devices
    return int(_WHOLE * done / (progress.rounds + 1))


@callback
def details(network: ProtectedNetwork) -> dict[str, Any]:
    """What else is to be said of a change that is under way."""
    progress = under_way(network)
    if progress is None:
        return {}
    waiting = [device for device, how in progress.deliveries.items() if how in _awaited(progress.step)]
    deadline = _moment(progress.deadline)
    return {
        "step": progress.step.value,
        "way": progress.way.value,
        "key": progress.round,
        "keys": progress.rounds,
        "waiting_for": [_called(network, progress, device) for device in waiting],
        "deadline": deadline.isoformat() if deadline is not None else None,
        "trouble": trouble(network) or None,
    }


def _called(network: ProtectedNetwork, progress: RotationProgress, device: Identity) -> str:
    """What the allowlist calls it; while there is no hub to ask, what it did when the change was written down."""
    written = progress.names.get(device) if network.hub is None else None
    return written or called(network, device)


def _awaited(step: Step) -> frozenset[Delivery]:
    if step is Step.CONFIRMING:
        return frozenset({Delivery.PENDING, Delivery.SENT})
    return frozenset({Delivery.PENDING})


def _moment(timestamp: float | None) -> datetime | None:
    return dt_util.utc_from_timestamp(timestamp) if timestamp is not None else None
