"""Every event of the pinned server: the role that hears it, and what it holds. What is not in here does not pass."""

from __future__ import annotations

import enum
from typing import Final

import msgspec

from hubsec_zwave.roles import Role


class Holds(enum.Enum):
    """What has to be looked at before an event passes."""

    NOTHING = enum.auto()
    ADDED = enum.auto()
    """`node`: a node that the client does not know yet."""
    REMOVED = enum.auto()
    """`node`: a node that is gone."""
    FOUND = enum.auto()
    """`node`: one that asks to come in."""
    STATE = enum.auto()
    """`nodeState`: a node with its values."""
    VALUE = enum.auto()
    """`args`: a value's command class and name."""
    NOTIFICATION = enum.auto()
    """`ccId`: the command class that told."""
    FRAME = enum.auto()
    """`frame`: what a sniffer heard."""
    LOG = enum.auto()
    """`context` and `formattedMessage`: a line of the log."""


class ServerEvent(msgspec.Struct, frozen=True):
    """One row."""

    role: Role
    holds: Holds = Holds.NOTHING


def _rows(
    source: str, role: Role, names: str, holds: Holds = Holds.NOTHING
) -> dict[tuple[str, str], ServerEvent]:
    event = ServerEvent(role, holds)
    return {(source, name.strip()): event for name in names.strip().splitlines()}


EVENTS: Final[dict[tuple[str, str], ServerEvent]] = {
    **_rows(
        "driver",
        Role.OBSERVE,
        """
        driver ready
        all nodes ready
        bootloader ready
        error
        firmware update progress
        firmware update finished
        log config updated
        """,
    ),
    **_rows("driver", Role.ADMINISTER, "logging", Holds.LOG),
    **_rows(
        "controller",
        Role.OBSERVE,
        """
        inclusion started
        inclusion stopped
        inclusion failed
        inclusion state changed
        exclusion started
        exclusion stopped
        exclusion failed
        heal network progress
        heal network done
        rebuild routes progress
        rebuild routes done
        status changed
        statistics updated
        identify
        network found
        network joined
        network left
        joining network failed
        joining network done
        leaving network failed
        firmware update progress
        firmware update finished
        """,
    ),
    **_rows("controller", Role.OBSERVE, "node added", Holds.ADDED),
    **_rows("controller", Role.OBSERVE, "node removed", Holds.REMOVED),
    **_rows("controller", Role.OBSERVE, "node found", Holds.FOUND),
    **_rows(
        "controller",
        Role.INCLUDE,
        """
        grant security classes
        validate dsk and enter pin
        inclusion aborted
        """,
    ),
    **_rows(
        "controller",
        Role.ADMINISTER,
        """
        joining network show dsk
        nvm backup progress
        nvm convert progress
        nvm restore progress
        """,
    ),
    **_rows(
        "node",
        Role.OBSERVE,
        """
        wake up
        sleep
        dead
        alive
        interview started
        interview stage completed
        interview progress
        interview completed
        interview failed
        node info received
        statistics updated
        firmware update progress
        firmware update finished
        test powerlevel progress
        check lifeline health progress
        check route health progress
        check link reliability progress
        """,
    ),
    **_rows("node", Role.OBSERVE, "ready", Holds.STATE),
    **_rows(
        "node",
        Role.OBSERVE,
        """
        value added
        value updated
        value removed
        value notification
        metadata updated
        """,
        Holds.VALUE,
    ),
    **_rows("node", Role.OBSERVE, "notification", Holds.NOTIFICATION),
    **_rows(
        "node",
        Role.CONTROL,
        """
        user added
        user modified
        user deleted
        credential added
        credential modified
        credential deleted
        credential learn progress
        credential learn completed
        """,
    ),
    **_rows("zniffer", Role.ADMINISTER, "ready\nerror\ncorrupted frame"),
    **_rows("zniffer", Role.ADMINISTER, "frame", Holds.FRAME),
}
"""By source and name."""
