"""Who a device is, on both networks, and the words for how it stands.

An identity is text, and no secret. It is what the allowlist is keyed by.

On Zigbee it is the EUI64 as printed on the box, lower case with colons, most significant byte first
(``00:12:4b:00:01:02:03:04``).

On Z-Wave it is the Device Specific Key (DSK) without its first group (``31425-07161-52741-00815-40962-11111-65535``):
the first five digits are the PIN, and the other seven groups go over the air in the clear in every S2 inclusion. A node
whose DSK nobody has proved is called by its address, the network's home id and its node id (``c0ffee01:12``): that says
where it is, not who.
"""

from __future__ import annotations

import enum
import re
from typing import Final, NewType

from hubsec.errors import StickerError

Identity = NewType("Identity", str)

_EUI64: Final = re.compile(r"(?:0x)?([0-9a-f]{2}(?:[:-]?[0-9a-f]{2}){7})", re.IGNORECASE)
# IEEE 802.15.4-2015, 5.1: all ones is the broadcast address, all zeros is no device's.
_NO_DEVICE: Final = frozenset({"00" * 8, "ff" * 8})
DSK_BYTES: Final = 16
"""A DSK is the first 16 bytes of a device's public key (Z-Wave Command Class Specification, Security 2), printed as
eight groups of five digits, two bytes each."""
_GROUP_BYTES: Final = 2
_DSK: Final = re.compile(r"(?:[0-9]{5}-)?([0-9]{5}(?:-[0-9]{5}){6})")
_GROUP_LIMIT: Final = 0xFFFF
_ADDRESS: Final = re.compile(r"([0-9a-f]{8}):([1-9][0-9]{0,3})", re.IGNORECASE)
NODE_LIMIT: Final = 4000
"""The highest node id: 232 on the mesh, 256 to 4000 on Z-Wave Long Range (ITU-T G.9959 and its Long Range annex)."""


def zigbee_identity(text: str) -> Identity:
    """The identity that `text` spells: 16 hex digits, plain or in pairs split by ``:`` or ``-``, with or without
    ``0x``.

    Raises :class:`~hubsec.errors.StickerError` for anything else, and for the addresses of no device.
    """
    try:
        match = _EUI64.fullmatch(text.strip())
    except (AttributeError, TypeError):
        match = None
    if match is None:
        raise StickerError("An EUI64 is 16 hex digits, such as 00:12:4b:00:01:02:03:04.")
    digits = re.sub("[:-]", "", match[1]).lower()
    if digits in _NO_DEVICE:
        raise StickerError("That EUI64 is the address of no device.")
    return Identity(":".join(digits[i : i + 2] for i in range(0, 16, 2)))


def zwave_identity(text: str) -> Identity:
    """The identity that `text` spells: a DSK with or without its first group, or a node's address.

    Raises :class:`~hubsec.errors.StickerError` for anything else.
    """
    try:
        spelled = text.strip()
        dsk, address = _DSK.fullmatch(spelled), _ADDRESS.fullmatch(spelled)
    except (AttributeError, TypeError):
        dsk = address = None
    if dsk is not None and all(int(group) <= _GROUP_LIMIT for group in dsk[1].split("-")):
        return Identity(dsk[1])
    if address is not None and int(address[2]) <= NODE_LIMIT:
        return zwave_address(int(address[1], 16), int(address[2]))
    raise StickerError(
        "A Z-Wave device is named by its DSK, groups of five digits such as 31425-07161-52741-00815-40962-11111-65535, "
        "or by home id and node id, such as c0ffee01:12."
    )


def zwave_address(home_id: int, node_id: int) -> Identity:
    """What a node is called by where it is, as long as nobody has proved who it is."""
    return Identity(f"{home_id:08x}:{node_id}")


def is_address(device: Identity) -> bool:
    """Whether that says where a device is, and not who it is."""
    return _ADDRESS.fullmatch(device) is not None


def dsk_identity(dsk: bytes) -> Identity:
    """Whose DSK this is. Raises :class:`~hubsec.errors.StickerError` when it has not 16 bytes."""
    if len(dsk) != DSK_BYTES:
        raise StickerError(f"A DSK has {DSK_BYTES} bytes; this one has {len(dsk)}.")
    public = dsk[_GROUP_BYTES:]
    groups = (public[i : i + _GROUP_BYTES] for i in range(0, len(public), _GROUP_BYTES))
    return Identity("-".join(f"{int.from_bytes(group):05}" for group in groups))


def any_identity(text: str) -> Identity:
    """The identity that `text` spells on either network. Raises :class:`~hubsec.errors.StickerError`."""
    for spelled in (zwave_identity, zigbee_identity):
        try:
            return spelled(text)
        except StickerError:
            continue
    raise StickerError(
        "A device is named by its EUI64, such as 00:12:4b:00:01:02:03:04; on Z-Wave by its DSK or by home id and node "
        "id, such as c0ffee01:12."
    )


def identity_on(network: Network, text: str) -> Identity:
    """The identity that `text` spells on that network. Raises :class:`~hubsec.errors.StickerError`."""
    return zigbee_identity(text) if network is Network.ZIGBEE else zwave_identity(text)


def network_of(device: Identity) -> Network:
    """The network that such an identity belongs to."""
    return Network.ZWAVE if _DSK.fullmatch(device) or _ADDRESS.fullmatch(device) else Network.ZIGBEE


class Network(enum.StrEnum):
    """Which of the two radio networks."""

    ZIGBEE = "zigbee"
    ZWAVE = "zwave"


class Mode(enum.StrEnum):
    """Whether decisions are carried out, or only said."""

    OBSERVE = "observe"
    ENFORCE = "enforce"


class CredentialKind(enum.StrEnum):
    """By which proof a device may join."""

    INSTALL_CODE = "install-code"
    DSK = "dsk"
    """The Device Specific Key on a Z-Wave device's sticker: with it an S2 inclusion is sure of whom it talks to."""
    APPROVAL = "approval"
    """No secret: an operator let it in. On Zigbee the key then travels under a public key."""
    ADOPTED = "adopted"
    """It was on the network before hubsec was, and an operator confirmed it."""
    NONE = "none"
    """It came without any, and its entry is kept for its quarantine alone."""


SEALED: Final = frozenset({CredentialKind.INSTALL_CODE, CredentialKind.DSK})
"""The credentials that are a secret, which the store keeps sealed with the entry."""


class SecurityClass(enum.StrEnum):
    """Under which keys a Z-Wave device talks, the weakest first (Z-Wave specification, Security Classes)."""

    NONE = "none"
    """In the clear: anybody can command it, and speak as it."""
    S0 = "s0"
    """The first generation: the key went over the air under a key that everybody knows."""
    S2_UNAUTHENTICATED = "s2-unauthenticated"
    """S2, with whoever was there: nobody has compared the DSK."""
    S2_AUTHENTICATED = "s2-authenticated"
    """S2, and the DSK was compared."""
    S2_ACCESS_CONTROL = "s2-access-control"
    """The same, under the key of locks and doors."""

    @property
    def rank(self) -> int:
        """Its place in the order, from 0: of two, the higher one is the better."""
        return _RANK[self]

    @property
    def proves_dsk(self) -> bool:
        """Whether a device with it has shown that it owns its DSK."""
        return self in _PROVING


_RANK: Final = {security: place for place, security in enumerate(SecurityClass)}
_PROVING: Final = frozenset({SecurityClass.S2_AUTHENTICATED, SecurityClass.S2_ACCESS_CONTROL})


class Mark(enum.StrEnum):
    """What is lasting and wrong about a device that is let in all the same."""

    EXPOSED = "exposed"
    """The network key was sent to it under a public key: who listened has it."""
    WEAK = "weak"
    """It holds no link key of its own that it has proved; on Z-Wave, a lesser security class than the policy asks."""


class Standing(enum.StrEnum):
    """How a device stands with hubsec right now."""

    APPROVED = "approved"
    ADOPTED = "adopted"
    """It was here before hubsec, and is confirmed, or waits for that."""
    QUARANTINED = "quarantined"
    UNKNOWN = "unknown"
    """No entry, and the policy has not been asked about it yet."""
