"""How long and how much: the bounds of a guarded radio, each with where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_LISTENING: Final = 180.0
"""Seconds of one listening window: what a commissioning window of Base Device Behavior 3.0, 8.1.2
(bdbcMinCommissioningTime) lasts. Longer is a standing invitation."""


@dataclass(frozen=True, slots=True)
class Limits:
    """All in seconds of the event loop's clock unless said otherwise.

    `watch_interval` between two read-backs. `evict_wait` for an awake device's leaving; a sleepy one polls
    every few seconds (EmberZNet's indirect queue keeps a frame 7.68 s). `lookup_pause` before an unidentified
    address is looked up again. `probe_wait` for an awake device's answer to a question: more than EmberZNet's own
    three tries of 1.6 s take; `sleepy_wait` for a sleepy one's. `switch_wait` for the NCP's word that it uses the next
    network key. `time_scale`: how many of the radio's seconds pass in one of ours; 1 on
    silicon, more on an emulated network that runs fast. It converts only what is told to devices.
    """

    watch_interval: float = 30.0
    evict_wait: float = 15.0
    lookup_pause: float = 10.0
    probe_wait: float = 6.0
    sleepy_wait: float = 10.0
    switch_wait: float = 10.0
    time_scale: float = 1.0


LAST_COMMANDS: Final = 2.0
"""Seconds that the host's commands may still take when the radio is closed: more than an ASH acknowledgement takes on a
good line (0.4 to 3.2 s before a frame is sent again, UG101 T_RX_ACK_MIN and _MAX)."""
HELD_FRAMES: Final = 16
"""Frames that are kept for one device while it is asked about: an interview's worth."""
HELD_DEVICES: Final = 64
"""Devices that frames are kept for at once; more come only from somebody who makes them up."""
KNOCKS_AT_ONCE: Final = 8
"""Strangers' tries that are judged at once …"""
KNOCKS_PER_SECOND: Final = 1.0
"""… and then this many a second, over all strangers: each one is written to disk. An honest device tries every
2 to 3.2 s."""
MAX_STRANGERS: Final = 16
"""Distinct strangers in one listening window, each of which may take a child slot of the coordinator (bellows
asks for 32). After that the window closes."""
QUESTIONS_AT_ONCE: Final = 64
QUESTIONS_PER_SECOND: Final = 1.0
"""Devices that nobody has let in about whom is asked, and nodes that are asked who they are: at once as many as
frames are kept for, then one a second. Each answer is a row on disk, each question a frame on air."""
REJOINS_AT_ONCE: Final = 64
REJOINS_PER_SECOND: Final = 2.0
"""Secured rejoins that are judged: a house after a power cut at once, then no more than disk and operator can take."""
MAX_TEXT: Final = 64
"""Characters kept of what a device says of itself. ZCL's model and manufacturer strings have at most 32 bytes."""
