"""How long things take, and how many of them there are."""

from __future__ import annotations

from typing import Final

import msgspec

NODES: Final = 4000
"""Node numbers (ITU-T G.9959 and its Long Range annex)."""
EVENTS_KEPT: Final = 4096
"""Events that wait for the guard. A mesh of 232 nodes at 40 kbit/s brings fewer than a hundred a second."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """All in seconds.

    `connect`: until the server has answered. `command`: until it has answered a command of the guard's own.
    `reconnect_first`, `reconnect_most`: the pauses before trying to connect again, doubled each time. `look`: how
    often the guard compares how each node stands with what its clients are shown. `mirror`: how often the
    provisioning list is compared with the allowlist. `exclusion`: how long the network lets go of whoever presses a
    button, for a removal. `remove_first`, `remove_most`: the pauses before a silent device's removal is tried again,
    doubled each time. `busy`: how long the controller may be busy with something short before an inclusion can begin.
    `veto`: how often a question that somebody else's inclusion puts is answered with no; the server takes the first
    answer, and a client that asks its user takes seconds. `claim`: how long an inclusion that a client wants to begin
    may take to start; replacing a node is tried with pings first. `bootstrap`: how long an inclusion may last that a
    client has begun, and how long a node may take from being found to being added; zwave-js gives up after 240 s by
    itself. `announced`: when the controller is idle again, zwave-js tells at once of the node that it has taken in.
    `idle`: how long it is waited, when the guard comes to stand, for the end of an inclusion that was under way and has
    been answered with no; zwave-js gives a device 10 s for each step (TA1 to TA5 of S2 bootstrapping).
    `restart`: until the guard stands on a server again that was restarted on new keys. `interview`: how long it is
    waited for what a device can, before the verdict on its new keys is asked for by what every device with S2 can.
    `again`: until somebody is asked again who said nothing, or a place is tried again. `watch`: the pause between two
    pings of a device that is to be reset."""

    connect: float = 10.0
    command: float = 30.0
    reconnect_first: float = 0.5
    reconnect_most: float = 30.0
    look: float = 0.5
    mirror: float = 5.0
    exclusion: float = 60.0
    remove_first: float = 20.0
    remove_most: float = 600.0
    busy: float = 5.0
    veto: float = 0.02
    claim: float = 30.0
    bootstrap: float = 300.0
    announced: float = 1.0
    idle: float = 12.0
    restart: float = 120.0
    interview: float = 120.0
    again: float = 5.0
    watch: float = 3.0
