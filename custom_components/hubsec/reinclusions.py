"""New keys on a Z-Wave network, as they were last looked at: where the inclusion of its devices anew stands.

hubsec begins none while Home Assistant's own integration runs the network. What is told here is one that another
program left undone in the same folder.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from homeassistant.core import callback
from homeassistant.util import dt as dt_util

from hubsec.posture import ReinclusionPosture
from hubsec.reinclusion.shapes import ReinclusionProgress

from .network import ProtectedNetwork
from .telling import called

_WHOLE: Final = 100


@callback
def _known(network: ProtectedNetwork) -> ReinclusionPosture | None:
    posture = network.posture
    return posture.networks[0].reinclusion if posture is not None and posture.networks else None


@callback
def including(network: ProtectedNetwork) -> ReinclusionProgress | None:
    """What is under way; None when nothing is."""
    known = _known(network)
    return known.under_way if known is not None else None


@callback
def ended_at(network: ProtectedNetwork) -> datetime | None:
    """When the last one was over."""
    known = _known(network)
    ended = known.last.ended_at if known is not None and known.last is not None else None
    return dt_util.utc_from_timestamp(ended) if ended is not None else None


@callback
def missing(network: ProtectedNetwork) -> list[str] | None:
    """What those are called that the last one gave up; None while nothing is known of the network."""
    if network.posture is None:
        return None
    known = _known(network)
    last = known.last if known is not None else None
    return [called(network, device) for device in last.missing] if last is not None else []


@callback
def included(network: ProtectedNetwork) -> int | None:
    """How many of the devices, in percent, are on the new keys or given up."""
    anew = including(network)
    if anew is None:
        return None
    over = len(anew.devices) - len(anew.awaiting)
    return _WHOLE * over // (len(anew.devices) or 1)


@callback
def inclusion_details(network: ProtectedNetwork) -> dict[str, Any]:
    """What else is to be said of one that is under way."""
    anew = including(network)
    if anew is None:
        return {}
    return {
        "stage": anew.stage.value,
        "paused": anew.paused,
        "next": called(network, anew.current) if anew.current is not None else None,
        "waiting_for": [called(network, device) for device in anew.awaiting],
        "missing": [called(network, device) for device in anew.missing],
        "trouble": anew.standstill,
    }
