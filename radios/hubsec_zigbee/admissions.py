"""One device's way in, as a state machine; sans-I/O: time is passed in, never read.

    WAITING -> KEY_SENT -> PROVED -> CONCLUDED
    WAITING, KEY_SENT -----------> CONCLUDED

Rules
1. WAITING: the device may associate until `window` seconds have passed, or the admission is withdrawn. A try is
   a claim of an address, nothing more: whoever makes it gets the network key under the device's link key,
   which only the device can open (Zigbee specification 4.4.3.1, 4.7.2).
2. KEY_SENT: the key went out, to one or more short addresses. It stays open: a spoofer's try must not shut the
   device out. Every (short address, parent) has tries of its own, at most :data:`TRIES_AT_ONCE` and then one in
   :data:`TRY_INTERVAL` seconds, so that a spoofer spends only its own.
3. PROVED: a frame came that is secured with the network key, from a short address that was sent one, or a link key was
   established. The association window is over; further tries are refused.
4. The link key exchange (4.7.3.4) may take `exchange_limit` seconds from then on. It ends as VERIFIED with Verify-Key's
   success; at the limit as FAILED if something of it was seen to fail, else as MISSING. A device that is known to owe
   none (stack revision below 21) ends at once as MISSING.
5. The link key is held while the device may associate and until the exchange has ended. Who has been sent the key and
   proves nothing within `exchange_limit` seconds of the last sending, after its window, is let go.
6. Withdrawing shuts the association window; who has the key goes on to its exchange.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from hubsec.radio import AdmissionOrder
from hubsec.requests import LinkKeyState
from hubsec_zigbee.settings import Wish

TRIES_AT_ONCE: Final = 6
"""A router reports a device twice for each association (measured on EmberZNet), and devices associate three
times in a row."""
TRY_INTERVAL: Final = 1.0
"""Seconds; devices that got no answer associate again 2 to 3.2 s later (measured on EmberZNet)."""
ALL_TRIES_AT_ONCE: Final = 32
ALL_TRIES_PER_SECOND: Final = 8.0
"""More than the air carries of honest associations: one takes 0.2 s on silicon."""
MAX_PLACES: Final = 16
"""Pairs of short address and parent that are kept for one admission. A device has one; a spoofer can make up more."""


MAX_SENT: Final = 64
"""Short addresses that the key went to and that may still prove it."""


class Stage(Enum):
    """Where an admission is."""

    WAITING = "waiting"
    KEY_SENT = "key sent"
    PROVED = "proved"
    CONCLUDED = "concluded"


@dataclass(slots=True)
class _Tries:
    """A token bucket."""

    at: float
    most: float = TRIES_AT_ONCE
    per_second: float = 1 / TRY_INTERVAL
    left: float = TRIES_AT_ONCE
    taken: int = 0

    def take(self, now: float) -> bool:
        self.left = min(self.most, self.left + (now - self.at) * self.per_second)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        self.taken += 1
        return True


@dataclass(slots=True)
class Admission:
    """See the module. `opened_at` and every `now` are seconds of one steady clock."""

    order: AdmissionOrder
    opened_at: float
    stage: Stage = Stage.WAITING
    link_key: LinkKeyState | None = None
    """How the exchange ended, once CONCLUDED after PROVED."""
    short: int | None = None
    """The short address under which the device proved itself."""
    _sent: dict[int, None] = field(default_factory=dict)
    _sent_at: float = 0.0
    _proved_at: float = 0.0
    _withdrawn: bool = False
    _failed: bool = False
    _tries: dict[tuple[int, int], _Tries] = field(default_factory=dict)
    _all: _Tries = field(init=False)

    def __post_init__(self) -> None:
        self._all = _Tries(self.opened_at, ALL_TRIES_AT_ONCE, ALL_TRIES_PER_SECOND, ALL_TRIES_AT_ONCE)

    # What comes in

    def tried(self, short: int, parent: int, now: float) -> bool:
        """Somebody claims to be the device; whether that is to be judged and answered (rules 1 to 3)."""
        if not self.associating(now):
            return False
        place = (short, parent)
        tries = self._tries.get(place)
        if tries is None:
            if len(self._tries) >= MAX_PLACES:
                self._tries.pop(next(iter(self._tries)))
            tries = self._tries[place] = _Tries(now)
        return tries.take(now) and self._all.take(now)

    def attempts_from(self, short: int, parent: int) -> int:
        """How many tries from there were taken."""
        tries = self._tries.get((short, parent))
        return tries.taken if tries is not None else 0

    def key_sent(self, short: int, now: float) -> int | None:
        """The network key went out to `short`. The short address that is no longer waited for in its place, if any."""
        if self.stage not in (Stage.WAITING, Stage.KEY_SENT):
            return None
        self.stage = Stage.KEY_SENT
        self._sent[short] = None
        self._sent_at = now
        if len(self._sent) <= MAX_SENT:
            return None
        oldest = next(iter(self._sent))
        del self._sent[oldest]
        return oldest

    def key_not_sent(self, short: int) -> None:
        """The sending to `short` failed after all."""
        self._sent.pop(short, None)
        if self.stage is Stage.KEY_SENT and not self._sent:
            self.stage = Stage.WAITING

    def proved(self, short: int, now: float) -> bool:
        """`short` holds the network key. Whether this is news of the device (rule 3)."""
        if self.stage is not Stage.KEY_SENT or short not in self._sent:
            return False
        self.stage = Stage.PROVED
        self.short = short
        self._proved_at = now
        return True

    def established(self, now: float) -> bool:
        """The device verified its link key. Whether that concludes the admission."""
        if self.stage not in (Stage.KEY_SENT, Stage.PROVED):
            return False
        if self.stage is Stage.KEY_SENT:
            self._proved_at = now
        self._conclude(LinkKeyState.VERIFIED)
        return True

    def failed(self) -> None:
        """A step of the exchange failed; the device may begin anew until the limit."""
        self._failed = True

    def owes_none(self) -> bool:
        """The device's stack is too old for an exchange. Whether that concludes the admission."""
        if self.stage is not Stage.PROVED or self._failed:
            return False
        self._conclude(LinkKeyState.MISSING)
        return True

    def withdraw(self) -> None:
        """Shut the association window now (rule 6)."""
        self._withdrawn = True

    def tick(self, now: float) -> bool:
        """Time has passed. Whether it concluded the admission."""
        if self.stage is Stage.CONCLUDED:
            return False
        deadline = self.deadline()
        if now < deadline or (self.stage is not Stage.PROVED and self.associating(now)):
            return False
        if self.stage is Stage.PROVED:
            self._conclude(LinkKeyState.FAILED if self._failed else LinkKeyState.MISSING)
        else:
            self.stage = Stage.CONCLUDED
        return True

    # What it is now

    @property
    def joined(self) -> bool:
        """The device has proved that it holds the network key."""
        return self.stage is Stage.PROVED or self.link_key is not None

    @property
    def sent_to(self) -> frozenset[int]:
        """The short addresses that the key went to."""
        return frozenset(self._sent)

    @property
    def window_ends(self) -> float:
        """When the association window is over at the latest."""
        return self.opened_at + self.order.window

    def associating(self, now: float) -> bool:
        """Whether the device may ask for the network key."""
        waiting = self.stage in (Stage.WAITING, Stage.KEY_SENT)
        return waiting and not self._withdrawn and now < self.window_ends

    def exchanging(self, now: float) -> bool:
        """Whether Request-Key is to be answered: from the key's sending to the end of the exchange."""
        match self.stage:
            case Stage.KEY_SENT:
                return now < self._sent_at + self.order.exchange_limit
            case Stage.PROVED:
                return now < self._proved_at + self.order.exchange_limit
            case _:
                return False

    def deadline(self) -> float:
        """When the clock next changes something; infinity once concluded."""
        match self.stage:
            case Stage.WAITING:
                return self.opened_at if self._withdrawn else self.window_ends
            case Stage.KEY_SENT:
                limit = self._sent_at + self.order.exchange_limit
                return limit if self._withdrawn else max(limit, self.window_ends)
            case Stage.PROVED:
                return self._proved_at + self.order.exchange_limit
            case Stage.CONCLUDED:
                return float("inf")

    def turning_points(self, now: float) -> tuple[float, ...]:
        """The moments after `now` at which what is wished for changes."""
        moments = [self.deadline()]
        if self.stage in (Stage.WAITING, Stage.KEY_SENT) and not self._withdrawn:
            moments.append(self.window_ends)
        if self.stage is Stage.KEY_SENT:
            moments.append(self._sent_at + self.order.exchange_limit)
        return tuple(moment for moment in moments if now < moment < float("inf"))

    def wish(self, now: float) -> Wish:
        """What the trust center's settings owe this admission now."""
        associating, exchanging = self.associating(now), self.exchanging(now)
        return Wish(
            device=self.order.device,
            link_key=self.order.secret if associating or exchanging else None,
            associating=associating,
            exchanging=exchanging,
            routers=self.order.parents,
        )

    def _conclude(self, state: LinkKeyState) -> None:
        self.stage = Stage.CONCLUDED
        self.link_key = state
