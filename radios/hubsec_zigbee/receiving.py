"""The receive path: which frames reach the host.

A frame passes in a few look-ups where its sender stands well and it is no ZDO message;
:meth:`ReceivePath.passes` is the function that this costs. Everything else is asked about here:

1. A frame from a short address that was sent the network key proves it: the host hears of the join first, then
   gets the frame.
2. A quarantined device's frames go nowhere.
3. Of a device that is unknown (its identity, or how it stands) frames are held, few and briefly, until the
   answer is there. Without an answer they go nowhere. Questions are bounded, since who asks them can make up addresses.
4. A ZDO message that says who is where passes if the device that it speaks of may be heard, since the host
   makes a device of what it reads there.
5. What makes no sense is counted and goes nowhere.

While the hub only observes, everything passes.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from hubsec.buckets import Bucket
from hubsec.decisions import Allow, Evict
from hubsec.errors import RadioError
from hubsec.identity import Identity, Mode, Standing
from hubsec.requests import PresenceRequest
from hubsec_zigbee.desk import Desk
from hubsec_zigbee.frames import (
    DEVICE_ANNCE,
    IEEE_ADDR_RSP,
    MGMT_LEAVE_RSP,
    MGMT_PERMIT_JOINING_REQ,
    NWK_ADDR_RSP,
    Claim,
    MalformedFrame,
    address_response,
    device_annce,
    leave_response,
    names_nobody,
    permit_joining,
)
from hubsec_zigbee.limits import HELD_DEVICES, HELD_FRAMES, QUESTIONS_AT_ONCE, QUESTIONS_PER_SECOND
from hubsec_zigbee.ncp import FIRST_UNIFORM_VERSION, identity_from
from hubsec_zigbee.roster import MAX_DEVICES, Roster

NONSENSE: Final = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError, MalformedFrame)
"""What a callback of unexpected shape makes Python raise."""

_SAY_WHO: Final = frozenset({DEVICE_ANNCE, NWK_ADDR_RSP, IEEE_ADDR_RSP})
"""The ZDO messages that zigpy makes a device of."""
_INCOMING: Final = "incomingMessageHandler"
_QUARANTINED: Final = Standing.QUARANTINED
_UNKNOWN: Final = Standing.UNKNOWN
_ENFORCE: Final = Mode.ENFORCE


class Listener(Protocol):
    """Who hears what the receive path notices."""

    def proved(self, device: Identity, short: int) -> None:
        """A frame came from a short address that the network key was sent to."""

    def rogue_opening(self, device: Identity | None, short: int, seconds: int) -> None:
        """A node tells the routers to open."""

    def leaving(self, device: Identity) -> None:
        """A device answered that it leaves."""

    def host_has_at(self, short: int) -> Identity | None:
        """Who the host application thinks is at `short`; a frame from there is his to it."""

    def unwanted(self, device: Identity, decision: Evict) -> None:
        """A device that was found on the network is to leave."""


class ReceivePath:
    """`waiting` maps the short addresses that were sent a key to whom; `shut` is whose frames go nowhere for now.
    `hearing`, if anything, is told of each frame of a device that may be heard, and says whether it was meant for it
    alone."""

    def __init__(
        self,
        desk: Desk,
        roster: Roster,
        listener: Listener,
        deliver: Callable[[str, Any], None],
        identity_at: Callable[[int], Any],
        ask_who: Callable[[int], Any],
    ) -> None:
        self._desk = desk
        self._roster = roster
        self._by_short = roster.by_short
        self._listener = listener
        self._deliver = deliver
        self._identity_at = identity_at
        self._ask_who = ask_who
        self._asking = Bucket(QUESTIONS_AT_ONCE, QUESTIONS_PER_SECOND)
        self._judging = Bucket(QUESTIONS_AT_ONCE, QUESTIONS_PER_SECOND)
        self._sender, self._eui64, self._payload = 2, 3, 9
        self._held: dict[Identity | int, deque[Any]] = {}
        self._looked_up: dict[int, float] = {}
        self._refused: dict[Identity, float] = {}
        self._authority: Any = None
        self.hearing: Callable[[Identity, Any], bool] | None = None
        self.waiting: dict[int, Identity] = {}
        self.shut: dict[Identity, None] = {}
        self.coordinator: Identity | None = None
        self.dropped = 0

    def payload(self, args: Any) -> bytes:
        """The message in an incomingMessageHandler with these fields."""
        return bytes(args[self._payload])

    def speak(self, version: int) -> None:
        """The callback's fields stand where EZSP `version` puts them."""
        if version >= FIRST_UNIFORM_VERSION:
            self._sender, self._eui64, self._payload = 2, 3, 9
        else:
            self._sender, self._eui64, self._payload = 4, -1, 7

    def begin(self, authority: Any) -> None:
        """Ask `authority` from now on."""
        self._authority = authority

    def clear(self) -> None:
        """Forget what is held."""
        self._held.clear()
        self._looked_up.clear()
        self._refused.clear()
        self.waiting.clear()
        self.shut.clear()

    # The hot path

    def passes(self, args: Any) -> bool:
        """Whether the incomingMessageHandler with these fields reaches the host. Never raises."""
        try:
            sender = args[self._sender]
            if (
                not sender
            ):  # The coordinator's own, looped back, or of somebody who says that he is the coordinator.
                return not _is_zdo(args[1]) or self._names_nobody_shut_off(args)
            if self.waiting and sender in self.waiting:
                self._proof(sender, args)
            device = self._by_short.get(sender)
            if device is None:
                return self._unidentified(sender, args)
            standing = self._authority.standing(device)
            if standing is _QUARANTINED or standing is _UNKNOWN or device in self.shut:
                return self._doubtful(device, standing, args)
            if self.hearing is not None and self.hearing(device, args):
                return False
            aps = args[1]
            # As zigpy does, which reads ZDO in whatever comes from or to endpoint 0.
            if not (aps.profileId and aps.sourceEndpoint and aps.destinationEndpoint):
                return self._zdo(device, sender, args)
        except NONSENSE as error:
            self._desk.malformed("ezsp", f"{_INCOMING}: {type(error).__name__}")
            return not self._desk.enforcing
        else:
            return True

    # Proof

    def _proof(self, sender: int, args: Any) -> None:
        device = self.waiting[sender]
        said = self._said(args)
        if said is not None and said != device:
            return
        holder = self._by_short.get(sender)
        if (
            said is None
            and holder is not None
            and holder != device
            and not _announces(device, args, self._payload)
        ):
            return  # The address may still be another's, and the frame as well.
        self._roster.learn(device, int(sender))
        self._listener.proved(device, int(sender))

    def _said(self, args: Any) -> Identity | None:
        """Who the NCP says sent it."""
        if self._eui64 < 0:
            return None
        device = identity_from(args[self._eui64])
        return None if names_nobody(device) else device

    # Who is that?

    def _unidentified(self, sender: int, args: Any) -> bool:
        sender = int(sender)
        said = self._said(args) or self._listener.host_has_at(sender)
        if said is not None and self._roster.claim(said, sender, self._shut_off):
            return self._again(sender, args)
        if not self._desk.enforcing:
            return True
        zdo = _is_zdo(args[1])
        if zdo:
            self._overheard(None, sender, args)
        now = self._desk.now()
        if self._looked_up.get(sender, float("-inf")) + self._desk.limits.lookup_pause > now:
            # Nobody knows, and the node was asked: only what says who is where goes on to be looked at.
            passes = zdo and args[1].clusterId in _SAY_WHO and self._zdo(None, sender, args)
            self.dropped += not passes
            return passes
        if self._hold(sender, args):
            if len(self._looked_up) >= HELD_DEVICES:
                self._looked_up.pop(next(iter(self._looked_up)))
            self._looked_up[sender] = now
            self._desk.spawn(self._look_up(sender), f"look up 0x{sender:04x}")
        return False

    def _again(self, sender: int, args: Any) -> bool:
        """Once more, now that the sender is identified."""
        return self._by_short.get(sender) is not None and self.passes(args)

    async def _look_up(self, short: int) -> None:
        try:
            device = await self._identity_at(short)
        except RadioError:
            device = None
        if device is not None and not names_nobody(device):
            self._roster.claim(device, short, self._shut_off)
        elif self._asking.take(self._desk.now()):
            with contextlib.suppress(RadioError):
                await self._ask_who(short)
        self._release(short, keep=True)

    def is_shut_off(self, short: int) -> bool:
        """Whether nothing of the node at `short` may be heard."""
        device = self._by_short.get(short)
        return device is not None and self.is_shut(device)

    def is_shut(self, device: Identity) -> bool:
        """Whether nothing of `device` may be heard."""
        return self._desk.enforcing and self._shut_off(device)

    def shut_off(self, device: Identity) -> None:
        """Nothing of `device` is heard from now on."""
        if len(self.shut) >= MAX_DEVICES:
            self.shut.pop(next(iter(self.shut)))
        self.shut[device] = None

    def _shut_off(self, device: Identity) -> bool:
        return device in self.shut or self._desk.standing(device) is _QUARANTINED

    # How does it stand?

    def _doubtful(self, device: Identity, standing: Standing, args: Any) -> bool:
        if _is_zdo(args[1]):
            self._overheard(device, int(args[self._sender]), args)
        if self._authority.mode is not _ENFORCE:
            if standing is _UNKNOWN:
                self.ask(device)
            return True
        if standing is _UNKNOWN and device not in self.shut:
            self._question(device, args)
        else:
            self.dropped += 1
        return False

    def _just_refused(self, device: Identity) -> bool:
        """Whether the last answer was no, and is fresh."""
        return self._refused.get(device, float("-inf")) + self._desk.limits.lookup_pause > self._desk.now()

    def _question(self, device: Identity, args: Any) -> None:
        """Hold a frame until it is known how `device` stands; drop it where the last answer was no, and fresh."""
        if self._just_refused(device):
            self.dropped += 1
        elif device not in self._held and not self._judging.take(self._desk.now()):
            self.dropped += 1  # Each answer is written to disk; who makes up addresses has to wait.
        elif self._hold(device, args):
            self._desk.spawn(self._ask(device), f"ask about {device}")

    def ask(self, device: Identity) -> None:
        """Put the question how `device` stands, unless it is being asked, or was answered just now."""
        if (
            device not in self._held
            and not self._just_refused(device)
            and len(self._held) < HELD_DEVICES
            and self._judging.take(self._desk.now())
        ):
            self._held[device] = deque(maxlen=HELD_FRAMES)
            self._desk.spawn(self._ask(device), f"ask about {device}")

    async def _ask(self, device: Identity) -> None:
        desk = self._desk
        decision = await desk.judge(PresenceRequest(radio=desk.name, network=desk.network, device=device))
        allowed = isinstance(decision, Allow)
        if isinstance(decision, Evict):
            self._listener.unwanted(device, decision)
        if not allowed:
            if len(self._refused) >= HELD_DEVICES:
                self._refused.pop(next(iter(self._refused)))
            self._refused[device] = self._desk.now()
        self._release(device, keep=allowed)

    # Frames that wait for an answer

    def _hold(self, of: Identity | int, args: Any) -> bool:
        """Keep a frame. Whether the question is still to be put."""
        held = self._held.get(of)
        if held is not None:
            held.append(args)
            return False
        if len(self._held) >= HELD_DEVICES:
            self.dropped += 1
            return False
        self._held[of] = deque((args,), maxlen=HELD_FRAMES)
        return True

    def _release(self, of: Identity | int, *, keep: bool) -> None:
        for args in self._held.pop(of, ()):
            # An allowed device is not asked about twice for one frame, whatever is said of its standing.
            answered = keep and isinstance(of, str) and self._desk.standing(of) is _UNKNOWN
            if answered or (keep and self.passes(args)):
                self._deliver(_INCOMING, args)
            elif not keep:
                self.dropped += 1

    # ZDO

    def _zdo(self, device: Identity | None, sender: int, args: Any) -> bool:
        cluster = args[1].clusterId
        try:
            if cluster == DEVICE_ANNCE:
                return self._announced(device, int(sender), args)
            if cluster in (NWK_ADDR_RSP, IEEE_ADDR_RSP):
                claim = address_response(bytes(args[self._payload]))
                return claim is None or self._answered(device, int(sender), claim, args)
        except MalformedFrame as error:
            self._desk.malformed(error.layer, error.reason, device)
            return not self._desk.enforcing
        self._overheard(device, int(sender), args)
        return True

    def _announced(self, device: Identity | None, sender: int, args: Any) -> bool:
        claim = device_annce(bytes(args[self._payload]))
        if names_nobody(claim.device):  # A Green Power alias; the host ignores it (Green Power A.3.6.3.4.2).
            return True
        if claim.short != sender:
            raise MalformedFrame("zdo", "Device_annce speaks of another address than its sender's")
        if device != claim.device and not self._roster.claim(claim.device, sender, self._shut_off):
            raise MalformedFrame("zdo", "a shut-off device announces itself as another")
        return device == claim.device or self._may_be_heard(claim.device, args)

    def _answered(self, device: Identity | None, sender: int, claim: Claim, args: Any) -> bool:
        if device is None and sender and claim.short == sender and not names_nobody(claim.device):
            self._roster.claim(claim.device, sender, self._shut_off)
        return self._may_be_heard(claim.device, args)

    def _names_nobody_shut_off(self, args: Any) -> bool:
        """Of a ZDO message under the coordinator's own address: whether the host may read it."""
        cluster = args[1].clusterId
        if cluster not in _SAY_WHO or not self._desk.enforcing:
            return True
        payload = bytes(args[self._payload])
        claim = device_annce(payload) if cluster == DEVICE_ANNCE else address_response(payload)
        return claim is None or names_nobody(claim.device) or self._may_be_heard(claim.device, args)

    def _may_be_heard(self, device: Identity, args: Any) -> bool:
        """Whether the host may read of `device`, in a message of somebody who may be heard."""
        if device == self.coordinator:
            return True
        standing = self._authority.standing(device)
        if standing is _UNKNOWN:
            if not self._desk.enforcing:
                self.ask(device)
                return True
            self._question(device, args)
            return False
        if standing is _QUARANTINED or device in self.shut:
            return not self._desk.enforcing
        return True

    def _overheard(self, device: Identity | None, sender: int, args: Any) -> None:
        """Of a frame that nobody may get: what it does to the network all the same, or says of its sender's leaving."""
        cluster = args[1].clusterId
        try:
            if cluster == MGMT_PERMIT_JOINING_REQ:
                seconds = permit_joining(bytes(args[self._payload]))
                if seconds:
                    self._listener.rogue_opening(device, sender, seconds)
            elif (
                cluster == MGMT_LEAVE_RSP
                and device is not None
                and leave_response(bytes(args[self._payload])) == 0
            ):
                self._listener.leaving(device)
        except MalformedFrame as error:
            self._desk.malformed(error.layer, error.reason, device)


def _is_zdo(aps: Any) -> bool:
    """Whether zigpy would read it as ZDO: it looks at the endpoints, and not at the profile."""
    return not (aps.profileId and aps.sourceEndpoint and aps.destinationEndpoint)


def _announces(device: Identity, args: Any, payload: int) -> bool:
    """Whether it is `device`'s own Device_annce."""
    if not _is_zdo(args[1]) or args[1].clusterId != DEVICE_ANNCE:
        return False
    try:
        return device_annce(bytes(args[payload])).device == device
    except MalformedFrame:
        return False
