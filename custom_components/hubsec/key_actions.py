"""The actions for the keys and the audit log. None of them shows a key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import msgspec
import voluptuous as vol
from homeassistant.core import ServiceCall, SupportsResponse
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import config_validation as cv

from hubsec import Identity, Network
from hubsec.audit.checkpoints import read_checkpoint
from hubsec.errors import AuditError
from hubsec.identity import identity_on
from hubsec.rotation.shapes import Outlook, RotationPlan, Way

from .audit import MOST_ANSWERED, answer, sign, verify, write
from .const import DOMAIN
from .keys import why_not
from .network import ProtectedNetwork
from .telling import called

ATTR_ACCEPT_LOSSES: Final = "accept_losses"
ATTR_CHECKPOINT: Final = "checkpoint"
ATTR_LEAVE_OUT: Final = "leave_out"
ATTR_LIMIT: Final = "limit"
ATTR_PATH: Final = "path"
ATTR_PATIENCE: Final = "patience"
ATTR_REASON: Final = "reason"
ATTR_SINCE: Final = "since"
ATTR_WAY: Final = "way"

_LONGEST_CHECKPOINT: Final = 4096
"""Characters; it is one line of JSON, a tenth of that."""


# The network key


async def _plan(call: ServiceCall, network: ProtectedNetwork, _by: str) -> dict[str, Any]:
    return planned(network, await _planned(call, network))


async def _planned(call: ServiceCall, network: ProtectedNetwork) -> RotationPlan:
    out = _devices(network, call.data[ATTR_LEAVE_OUT])
    return await network.guarded().plan_rotation(
        network.stack.domain, way=call.data.get(ATTR_WAY), leave_out=out
    )


async def _rotate(call: ServiceCall, network: ProtectedNetwork, by: str) -> dict[str, Any]:
    if network.stack.network is Network.ZWAVE:
        raise await _can_not_begin(network)
    said = call.data
    accepted = set(_devices(network, said[ATTR_ACCEPT_LOSSES]))
    plan = await _planned(call, network)
    lost = plan.of(Outlook.LOST)
    if accepted != {one.device for one in lost}:
        # What the dry run finds may change from one call to the next: who is named has to be who is lost now.
        raise _loses(network, plan) if not accepted else _loses_others(network, plan)
    patience: timedelta | None = said.get(ATTR_PATIENCE)
    rotation = await network.guarded().rotate(
        plan,
        by=by,
        reason=said.get(ATTR_REASON, ""),
        patience=patience.total_seconds() if patience is not None else None,
        anyway=True,
    )
    await network.look()
    return {"rotation": rotation.id, **planned(network, plan)}


def _loses(network: ProtectedNetwork, plan: RotationPlan) -> ServiceValidationError:
    return _lost(network, plan, "rotation_loses", " ".join(why_not(network, plan)))


def _loses_others(network: ProtectedNetwork, plan: RotationPlan) -> ServiceValidationError:
    return _lost(network, plan, "rotation_loses_others", "")


def _lost(network: ProtectedNetwork, plan: RotationPlan, key: str, reason: str) -> ServiceValidationError:
    lost = [f"{called(network, one.device)} ({one.device})" for one in plan.of(Outlook.LOST)]
    return ServiceValidationError(
        translation_domain=DOMAIN,
        translation_key=key,
        translation_placeholders={
            "network": network.entry.title,
            "devices": ", ".join(lost) or "none",
            "reason": reason,
        },
    )


def planned(network: ProtectedNetwork, plan: RotationPlan) -> dict[str, Any]:
    """A dry run as an answer has it."""
    return {
        "way": plan.way.value,
        "heals": plan.heals,
        "why_not": list(why_not(network, plan)),
        "seconds": round(plan.seconds),
        "devices": [
            {**msgspec.to_builtins(one), "name": called(network, one.device)} for one in plan.devices
        ],
    }


async def _can_not_begin(network: ProtectedNetwork) -> ServiceValidationError:
    """On Z-Wave there is the plan alone."""
    plan = await network.guarded().plan_reinclusion(network.stack.domain)
    return ServiceValidationError(
        translation_domain=DOMAIN,
        translation_key="reinclusion_attached",
        translation_placeholders={
            "network": network.entry.title,
            "stack": network.stack.name,
            "reason": plan.refusal or "",
        },
    )


async def _plan_reinclusion(_call: ServiceCall, network: ProtectedNetwork, _by: str) -> dict[str, Any]:
    hub = network.guarded()
    plan = await hub.plan_reinclusion(network.stack.domain)
    answered: dict[str, Any] = msgspec.to_builtins(plan)
    for one in answered["devices"]:
        one["name"] = called(network, one["device"])
    return answered


# The audit log


async def _export(call: ServiceCall, network: ProtectedNetwork, _by: str) -> dict[str, Any]:
    since, path = call.data[ATTR_SINCE], call.data.get(ATTR_PATH)
    if path is None:
        exported = await answer(network, since=since, limit=call.data[ATTR_LIMIT])
        return {"records": exported.records, "last": exported.last, "lines": exported.lines}
    exported = await write(network, path, since=since)
    return {"records": exported.records, "last": exported.last, "path": path}


async def _verify(call: ServiceCall, network: ProtectedNetwork, _by: str) -> dict[str, Any]:
    text = call.data.get(ATTR_CHECKPOINT)
    try:
        verified = await verify(network, [] if text is None else [read_checkpoint(text)])
    except AuditError as error:
        return {"whole": False, "problem": str(error), "fault": error.fault, "record": error.seq}
    return {"whole": True, **msgspec.to_builtins(verified)}


async def _checkpoint(_call: ServiceCall, network: ProtectedNetwork, _by: str) -> dict[str, Any]:
    signed = await sign(network)
    return {"record": signed.seq, "checkpoint": signed.encode().decode()}


# What they share


def _devices(network: ProtectedNetwork, addresses: list[str]) -> list[Identity]:
    return [identity_on(network.stack.network, address) for address in addresses]


_DEVICES: Final = vol.All(cv.ensure_list, [cv.string])
_HOW: Final[dict[Any, Any]] = {
    vol.Optional(ATTR_WAY): vol.In([one.value for one in Way]),
    vol.Optional(ATTR_LEAVE_OUT, default=list): _DEVICES,
}

KEY_ACTIONS: Final = {
    "plan_rotation": (_plan, _HOW, SupportsResponse.ONLY),
    "rotate_network_key": (
        _rotate,
        {
            **_HOW,
            vol.Optional(ATTR_ACCEPT_LOSSES, default=list): _DEVICES,
            vol.Optional(ATTR_REASON): cv.string,
            vol.Optional(ATTR_PATIENCE): cv.positive_time_period,
        },
        SupportsResponse.OPTIONAL,
    ),
    "plan_reinclusion": (_plan_reinclusion, {}, SupportsResponse.ONLY),
    "export_audit": (
        _export,
        {
            vol.Optional(ATTR_PATH): cv.string,
            vol.Optional(ATTR_SINCE, default=0): vol.All(vol.Coerce(int), vol.Range(min=0)),
            vol.Optional(ATTR_LIMIT, default=MOST_ANSWERED): vol.All(
                vol.Coerce(int), vol.Range(min=1, max=MOST_ANSWERED)
            ),
        },
        SupportsResponse.ONLY,
    ),
    "checkpoint_audit": (_checkpoint, {}, SupportsResponse.ONLY),
    "verify_audit": (
        _verify,
        {vol.Optional(ATTR_CHECKPOINT): vol.All(cv.string, vol.Length(max=_LONGEST_CHECKPOINT))},
        SupportsResponse.ONLY,
    ),
}
"""Each with the fields of its schema beside the network, and whether it answers."""
