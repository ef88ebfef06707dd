"""hubsec: policies say, hubsec decides, radios enforce.

Everything an app needs is here; radios come from their own packages (`hubsec_zigbee`). Importing this loads no
radio stack, no YAML and no cryptography: names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hubsec.admission import Admission, Outcome
    from hubsec.allowlist import Allowlist
    from hubsec.bus import Bus, EventStream, Overflow
    from hubsec.canaries import CANARY, canary
    from hubsec.decisions import Allow, Decision, Deny, Evict, Knock, Quarantine
    from hubsec.device import Device, Security
    from hubsec.entries import Entry, Pinned, Use
    from hubsec.errors import (
        AdmissionEnded,
        HubsecError,
        NotEnforceable,
        PolicyError,
        RadioError,
        Refused,
        RotationStopped,
        SealError,
        StickerError,
        StoreError,
    )
    from hubsec.hub import Hub
    from hubsec.identity import CredentialKind, Identity, Mark, Mode, Network, SecurityClass, Standing
    from hubsec.policy import Policy, decide, load_policy
    from hubsec.posture import NetworkPosture, Posture
    from hubsec.radio import Radio
    from hubsec.rotation.shapes import RotationPlan, RotationProgress, Way
    from hubsec.rotation.triggers import Rotating
    from hubsec.rotations import Rotation
    from hubsec.secret import Secret
    from hubsec.shut import Shut
    from hubsec.stickers import Sticker, read_sticker
    from hubsec.store.ways import KeyFile, OsKeyring, Passphrase

__version__ = "0.1.0"

_HOMES = {
    "hubsec.admission": ("Admission", "Outcome"),
    "hubsec.allowlist": ("Allowlist",),
    "hubsec.bus": ("Bus", "EventStream", "Overflow"),
    "hubsec.canaries": ("CANARY", "canary"),
    "hubsec.decisions": ("Allow", "Decision", "Deny", "Evict", "Knock", "Quarantine"),
    "hubsec.device": ("Device", "Security"),
    "hubsec.entries": ("Entry", "Pinned", "Use"),
    "hubsec.errors": (
        "AdmissionEnded",
        "HubsecError",
        "NotEnforceable",
        "PolicyError",
        "RadioError",
        "Refused",
        "RotationStopped",
        "SealError",
        "StickerError",
        "StoreError",
    ),
    "hubsec.hub": ("Hub",),
    "hubsec.identity": ("CredentialKind", "Identity", "Mark", "Mode", "Network", "SecurityClass", "Standing"),
    "hubsec.policy": ("Policy", "decide", "load_policy"),
    "hubsec.posture": ("NetworkPosture", "Posture"),
    "hubsec.radio": ("Radio",),
    "hubsec.rotation.shapes": ("RotationPlan", "RotationProgress", "Way"),
    "hubsec.rotation.triggers": ("Rotating",),
    "hubsec.rotations": ("Rotation",),
    "hubsec.secret": ("Secret",),
    "hubsec.shut": ("Shut",),
    "hubsec.stickers": ("Sticker", "read_sticker"),
    "hubsec.store.ways": ("KeyFile", "OsKeyring", "Passphrase"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "CANARY",
    "Admission",
    "AdmissionEnded",
    "Allow",
    "Allowlist",
    "Bus",
    "CredentialKind",
    "Decision",
    "Deny",
    "Device",
    "Entry",
    "EventStream",
    "Evict",
    "Hub",
    "HubsecError",
    "Identity",
    "KeyFile",
    "Knock",
    "Mark",
    "Mode",
    "Network",
    "NetworkPosture",
    "NotEnforceable",
    "OsKeyring",
    "Outcome",
    "Overflow",
    "Passphrase",
    "Pinned",
    "Policy",
    "PolicyError",
    "Posture",
    "Quarantine",
    "Radio",
    "RadioError",
    "Refused",
    "Rotating",
    "Rotation",
    "RotationPlan",
    "RotationProgress",
    "RotationStopped",
    "SealError",
    "Secret",
    "Security",
    "SecurityClass",
    "Shut",
    "Standing",
    "Sticker",
    "StickerError",
    "StoreError",
    "Use",
    "Way",
    "__version__",
    "canary",
    "decide",
    "load_policy",
    "read_sticker",
]


def __getattr__(name: str) -> object:
    try:
        module = _HOME_OF[name]
    except KeyError:
        raise AttributeError(f"module 'hubsec' has no attribute {name!r}") from None
    value: object = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
