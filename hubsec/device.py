"""A device as an app sees it."""

from __future__ import annotations

import msgspec

from hubsec.entries import Entry
from hubsec.identity import CredentialKind, Identity, Mark, Network, Standing

_PROOF = {
    CredentialKind.INSTALL_CODE: "joined by install code",
    CredentialKind.APPROVAL: "let in by approval",
    CredentialKind.ADOPTED: "adopted",
}


class Security(msgspec.Struct, frozen=True, kw_only=True):
    """How far a device can be trusted, and why. `str()` is one line for a person."""

    credential: CredentialKind
    standing: Standing
    marks: frozenset[Mark] = frozenset()
    quarantined: str | None = None

    def __str__(self) -> str:
        parts = [_PROOF[self.credential]]
        if Mark.EXPOSED in self.marks:
            parts.append("exposed: the network key travelled under a public key")
        if Mark.WEAK in self.marks:
            parts.append("weak: it has no link key of its own")
        elif self.credential is CredentialKind.INSTALL_CODE:
            parts.append("holds a link key of its own")
        if self.quarantined is not None:
            parts.append(f"quarantined: {self.quarantined}")
        return "; ".join(parts)


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A device on the allowlist, as it stood when it was asked for."""

    identity: Identity
    name: str
    network: Network
    security: Security
    manufacturer: str | None = None
    model: str | None = None
    device_class: str | None = None


def device_of(entry: Entry) -> Device:
    """The device that `entry` lets in."""
    standing = Standing.APPROVED
    if entry.quarantined is not None:
        standing = Standing.QUARANTINED
    elif entry.credential is CredentialKind.ADOPTED:
        standing = Standing.ADOPTED
    pinned = entry.pinned
    return Device(
        identity=entry.device,
        name=entry.label,
        network=entry.network,
        security=Security(
            credential=entry.credential,
            standing=standing,
            marks=entry.marks,
            quarantined=entry.quarantined,
        ),
        manufacturer=pinned.manufacturer if pinned else None,
        model=pinned.model if pinned else None,
        device_class=pinned.device_class if pinned else entry.device_class,
    )
