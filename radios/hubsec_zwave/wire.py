"""The server's own numbers and words, as far as the guard reads or says them.

They are those of zwave-js (`SecurityClass`, `InclusionStrategy`, `ProvisioningEntryStatus`, `ExclusionStrategy`,
`NodeStatus`, `RemoveNodeReason`) as @zwave-js/server passes them on."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from hubsec.errors import StickerError
from hubsec.identity import DSK_BYTES, Identity, SecurityClass, zwave_identity
from hubsec.secret import Secret

CLASSES: Final[Mapping[int, SecurityClass]] = {
    -1: SecurityClass.NONE,
    0: SecurityClass.S2_UNAUTHENTICATED,
    1: SecurityClass.S2_AUTHENTICATED,
    2: SecurityClass.S2_ACCESS_CONTROL,
    7: SecurityClass.S0,
}
NUMBERS: Final[Mapping[SecurityClass, int]] = {security: number for number, security in CLASSES.items()}


class Strategy(enum.IntEnum):
    """How a node is to be included."""

    DEFAULT = 0
    SMART_START = 1
    INSECURE = 2
    SECURITY_S0 = 3
    SECURITY_S2 = 4


class Provisioned(enum.IntEnum):
    """Whether an entry of the provisioning list lets its device in."""

    ACTIVE = 0
    INACTIVE = 1


EXCLUDE_ONLY: Final = 0
"""The exclusion strategy that leaves the provisioning list as it is."""


KEX_CANCELED: Final = 6
"""The word for a key exchange that somebody ends (zwave-js' `KEXFailType.BootstrappingCanceled`)."""


class Status(enum.IntEnum):
    """How a node answers."""

    UNKNOWN = 0
    ASLEEP = 1
    AWAKE = 2
    DEAD = 3
    ALIVE = 4


REPLACED: Final = frozenset({3, 4})
"""Reasons of a removal after which another node takes the number: replaced, and replaced by an inclusion controller."""

PIN_DIGITS: Final = 5
_PIN: Final = re.compile(r"[0-9]{5}")
_PIN_BYTES: Final = 2


def security_of(state: Mapping[str, Any]) -> SecurityClass | None:
    """The highest class that a node's state tells; None while it tells none."""
    number = state.get("highestSecurityClass")
    return CLASSES.get(number) if isinstance(number, int) and not isinstance(number, bool) else None


def classes_of(numbers: object) -> tuple[SecurityClass, ...]:
    """The classes that a list of numbers names; unknown ones are left out."""
    if not isinstance(numbers, Iterable) or isinstance(numbers, str | bytes | Mapping):
        return ()
    found = (CLASSES.get(number) for number in numbers if type(number) is int)
    return tuple(dict.fromkeys(security for security in found if security is not None))


def numbers_of(classes: Iterable[SecurityClass]) -> list[int]:
    """What the server calls those classes, the weakest first."""
    return [NUMBERS[security] for security in sorted(set(classes), key=lambda one: one.rank)]


def dsk_text(dsk: Secret) -> str:
    """A DSK as the server spells it. It is a secret: for a command's argument only."""
    raw = dsk.reveal()
    return "-".join(f"{int.from_bytes(raw[at : at + 2]):05}" for at in range(0, DSK_BYTES, 2))


def pin_text(dsk: Secret) -> str:
    """The PIN: a DSK's first group. It is a secret."""
    return dsk_text(dsk)[:PIN_DIGITS]


def read_pin(value: object) -> str | None:
    """A PIN as typed; None when it is none."""
    return value if isinstance(value, str) and _PIN.fullmatch(value) and int(value) <= 0xFFFF else None


def shown_identity(dsk: object) -> Identity | None:
    """Whose DSK a node has shown, or an entry names: the server gives it with or without its first group."""
    if not isinstance(dsk, str):
        return None
    try:
        return zwave_identity(dsk.lstrip("-"))
    except StickerError:
        return None


def whole_dsk(pin: str, device: Identity) -> Secret:
    """The DSK of `device`, whose first group is `pin`."""
    groups = (pin, *device.split("-"))
    return Secret(b"".join(int(group).to_bytes(_PIN_BYTES) for group in groups))
