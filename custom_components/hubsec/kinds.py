"""The kinds of what a user ought to mend."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final, NamedTuple

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import callback
from homeassistant.helpers import issue_registry as ir

from .const import CONF_UNDERSTOOD


class Kind(enum.StrEnum):
    """The issues, by translation key."""

    UNAPPROVED_DEVICE = "unapproved_device"
    UNAPPROVED_ZWAVE_DEVICE = "unapproved_zwave_device"
    DEVICE_LEAVING = "device_leaving"
    KNOCK = "knock"
    NOT_ADOPTED = "not_adopted"
    GUARD_DETACHED = "guard_detached"
    SHUT = "shut"
    STACK_REMOVED = "stack_removed"
    OTHER_NETWORK = "other_network"
    CANNOT_ENFORCE = "cannot_enforce"
    STORE_ALARM = "store_alarm"
    ROTATION_OVERDUE = "rotation_overdue"
    ROTATION_INTERRUPTED = "rotation_interrupted"
    KEYS_DISAGREE = "keys_disagree"
    REINCLUSION_HALTED = "reinclusion_halted"
    STALE_DATABASE = "stale_database"
    AUDIT_BROKEN = "audit_broken"
    LOG_DAMAGED = "log_damaged"
    PLAINTEXT_BACKUPS = "plaintext_backups"
    ZHA_DIAGNOSTICS = "zha_diagnostics"


SEVERITY: Final = dict.fromkeys(
    (
        Kind.GUARD_DETACHED,
        Kind.SHUT,
        Kind.STACK_REMOVED,
        Kind.OTHER_NETWORK,
        Kind.CANNOT_ENFORCE,
        Kind.STORE_ALARM,
        Kind.LOG_DAMAGED,
        Kind.KEYS_DISAGREE,
        Kind.STALE_DATABASE,
        Kind.AUDIT_BROKEN,
    ),
    ir.IssueSeverity.ERROR,
)
"""All others warn."""
UNFIXABLE: Final = frozenset(
    {
        Kind.SHUT,
        Kind.STACK_REMOVED,
        Kind.OTHER_NETWORK,
        Kind.STORE_ALARM,
        Kind.KEYS_DISAGREE,
        Kind.REINCLUSION_HALTED,
        Kind.AUDIT_BROKEN,
    }
)
"""Where to mend it is somewhere else, and the issue's text says where."""


class Issue(NamedTuple):
    """One issue: about that device, or about the network. `placeholders` are its text's. With another `reason` it is
    another issue, which is told though a user chose to ignore the one before."""

    kind: Kind
    device: str | None
    placeholders: Mapping[str, str]
    reason: str = ""


@callback
def understood(entry: ConfigEntry, kind: Kind) -> bool:
    """Whether a user has said so, of something that can't be mended."""
    return kind in entry.data.get(CONF_UNDERSTOOD, ())
