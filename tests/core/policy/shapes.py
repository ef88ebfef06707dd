"""A device, its entry, its admission, and the requests about it, with whatever a test does not say filled in."""

from __future__ import annotations

from typing import Any

import msgspec
import yaml

from hubsec.decisions import Allow, Deny, Evict, Knock, Quarantine
from hubsec.entries import Entry
from hubsec.identity import CredentialKind, Identity, Network
from hubsec.policy import Context, OpenAdmission, Policy, load_policy
from hubsec.requests import (
    ExchangeRequest,
    IdentifyRequest,
    JoinKind,
    JoinRequest,
    OpenRequest,
    PresenceRequest,
    Request,
)

NOW = 1_000.0
DEVICE = Identity("00:12:4b:00:01:02:03:04")
ROUTER = Identity("00:12:4b:00:0a:0b:0c:0d")
STRANGER = Identity("00:12:4b:00:0a:0b:0c:0e")
SEALED = Identity("31425-07161-52741-00815-40962-11111-65535")
"""A Z-Wave device."""
NODE = Identity("c0ffee01:12")
"""A Z-Wave node that has proved nothing."""
DECISIONS = (Allow, Deny, Knock, Quarantine, Evict)


def entry(**fields: Any) -> Entry:
    base: dict[str, Any] = {
        "device": DEVICE,
        "network": Network.ZIGBEE,
        "credential": CredentialKind.INSTALL_CODE,
        "label": "lamp",
        "approved_by": "me",
        "approved_at": 0.0,
    }
    return Entry(**{**base, **fields})


def admission(**fields: Any) -> OpenAdmission:
    base: dict[str, Any] = {
        "credential": CredentialKind.INSTALL_CODE,
        "opened_at": NOW - 5,
        "expires_at": NOW + 60,
        "radio": "r",
    }
    return OpenAdmission(**{**base, **fields})


def context(row: Entry | None = None, way: OpenAdmission | None = None, **fields: Any) -> Context:
    device = DEVICE if row is None else row.device
    base: dict[str, Any] = {
        "now": NOW,
        "entries": {} if row is None else {device: row},
        "admissions": {} if way is None else {device: way},
        "adopted": True,
    }
    return Context(**{**base, **fields})


def join(**fields: Any) -> JoinRequest:
    base: dict[str, Any] = {"radio": "r", "network": Network.ZIGBEE, "device": DEVICE, "kind": JoinKind.JOIN}
    return JoinRequest(**{**base, **fields})


def zwave_entry(**fields: Any) -> Entry:
    base: dict[str, Any] = {"device": SEALED, "network": Network.ZWAVE, "credential": DSK}
    return entry(**{**base, **fields})


def zwave[R: Request](request: R) -> R:
    """The same about the Z-Wave device, on its network."""
    device = {} if isinstance(request, OpenRequest) else {"device": SEALED}
    return msgspec.structs.replace(request, network=Network.ZWAVE, **device)


def about(kind: type[ExchangeRequest | IdentifyRequest | PresenceRequest], **fields: Any) -> Request:
    return kind(radio="r", network=Network.ZIGBEE, device=DEVICE, **fields)


def opening(**fields: Any) -> OpenRequest:
    base: dict[str, Any] = {"radio": "r", "network": Network.ZIGBEE, "asker": "host", "seconds": 60}
    return OpenRequest(**{**base, **fields})


def policy(text: str = "") -> Policy:
    return load_policy("policy: x\n" + text)


def joining(**keys: Any) -> Policy:
    return load_policy(yaml.safe_dump({"policy": "x", "joining": keys}))


DSK = CredentialKind.DSK
APPROVAL = CredentialKind.APPROVAL
ADOPTED = CredentialKind.ADOPTED
LISTED = {"parents": "listed", "routers": [ROUTER]}
IN = {"joined_at": NOW - 500}
