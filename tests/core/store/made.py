"""Entries and records to put into a store, all made up."""

from __future__ import annotations

from typing import Any

from hubsec.decisions import Decision, Deny
from hubsec.entries import Entry
from hubsec.identity import CredentialKind, Identity, Network, zigbee_identity, zwave_address, zwave_identity
from hubsec.requests import JoinKind, JoinRequest
from hubsec.secret import Secret
from hubsec.store import Record

LAMP = zigbee_identity("00124b0001020304")
PLUG = zigbee_identity("00124b0001020305")
KEY = Secret(bytes.fromhex("66B6900981E1EE3CA4206B6B861C02BB"))
# A DSK whose PIN is 34028, whose it is, and where that device may be.
DSK = bytes.fromhex("84ec5c7551cab50a83d21d07ddf538d9")
LOCK = zwave_identity("23669-20938-46346-33746-07431-56821-14553")
PLACE = zwave_address(0xC0FFEE01, 12)


def entry(device: Identity = LAMP, **fields: Any) -> Entry:
    given: dict[str, Any] = {
        "network": Network.ZIGBEE,
        "credential": CredentialKind.INSTALL_CODE,
        "label": "Hall lamp",
        "approved_by": "Ada",
        "approved_at": 100.0,
    }
    return Entry(device=device, **{**given, **fields})


def lock(**fields: Any) -> Entry:
    """An entry by DSK."""
    given = {"network": Network.ZWAVE, "credential": CredentialKind.DSK, "label": "Front door"}
    return entry(LOCK, **{**given, **fields})


def record(
    device: Identity = LAMP, *, decision: Decision | None = None, at: float = 1.0, **fields: str
) -> Record:
    return Record(
        at=at,
        radio=fields.get("radio", "stick"),
        device=device,
        request=JoinRequest(radio="stick", network=Network.ZIGBEE, device=device, kind=JoinKind.JOIN),
        decision=Deny(rule="closed", reason="Nothing is open.") if decision is None else decision,
        policy="hash",
        correlation=fields.get("correlation", "story"),
    )
