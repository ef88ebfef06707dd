"""A device as an app sees it."""

from __future__ import annotations

import msgspec

from hubsec.entries import Entry
from hubsec.identity import CredentialKind, Identity, Mark, Network, SecurityClass, Standing

_PROOF = {
    CredentialKind.INSTALL_CODE: "joined by install code",
    CredentialKind.DSK: "included by its DSK",
    CredentialKind.APPROVAL: "let in by approval",
    CredentialKind.ADOPTED: "adopted",
    CredentialKind.NONE: "came without any credential",
}
_CLASSES = {
    SecurityClass.NONE: "talks in the clear",
    SecurityClass.S0: "talks under S0, whose key others may have heard",
    SecurityClass.S2_UNAUTHENTICATED: "talks under S2, unauthenticated",
    SecurityClass.S2_AUTHENTICATED: "talks under S2, authenticated",
    SecurityClass.S2_ACCESS_CONTROL: "talks under S2 Access Control",
}


class Security(msgspec.Struct, frozen=True, kw_only=True):
    """How far a device can be trusted, and why. `security_class` (Z-Wave) is the one that was written down at its first
    identification. `str()` is one line for a person."""

    credential: CredentialKind
    standing: Standing
    marks: frozenset[Mark] = frozenset()
    quarantined: str | None = None
    security_class: SecurityClass | None = None

    def __str__(self) -> str:
        parts = [_PROOF[self.credential]]
        if Mark.EXPOSED in self.marks:
            parts.append("exposed: the network key travelled under a public key")
        if self.security_class is not None:
            parts.append(_CLASSES[self.security_class])
        if Mark.WEAK in self.marks:
            parts.append("weak: less than the policy asks of it")
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
            security_class=pinned.security_class if pinned else None,
        ),
        manufacturer=pinned.manufacturer if pinned else None,
        model=pinned.model if pinned else None,
        device_class=pinned.device_class if pinned else entry.device_class,
    )
