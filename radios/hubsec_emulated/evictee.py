"""A device that was let in, was told to leave, went, and kept everything: what a new network key has to shut out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Unpack

from hubsec_emulated.air import Air, Transmission
from hubsec_emulated.attackers import Attacker, Insider
from hubsec_emulated.capture.keyring import KeyKind
from hubsec_emulated.capture.sniffer import Sniffer
from hubsec_emulated.devices.device import DeviceOptions
from hubsec_emulated.errors import EmulationError, FrameError, SecurityError
from hubsec_emulated.stack.joining import JoinState
from hubsec_emulated.stack.node import Node
from hubsec_emulated.wire.addresses import BROADCAST_ALL, COORDINATOR
from hubsec_emulated.wire.aps import (
    ApsFrame,
    ApsType,
    Delivery,
    NetworkKey,
    SwitchKey,
    TransportKey,
)
from hubsec_emulated.wire.crypto import KEY_SIZE
from hubsec_emulated.wire.mac import MacType
from hubsec_emulated.wire.nwk import NwkFrame, NwkType
from hubsec_emulated.wire.security import AuxHeader, secure_nwk, unsecure_nwk
from hubsec_emulated.wire.zcl import HOME_AUTOMATION, Cluster, OnOff, ZclFrame

NEXT_SEQUENCES: Final = (1, 2)
"""How far ahead of the last key that it had its own is numbered: the key in force may have taken the first number."""
AHEAD: Final = 16
"""How far above the coordinator's last frame counter its forgeries begin: enough to be taken for new ones, and few
enough that the coordinator's own frames count as new again soon."""
BETWEEN_KEY_AND_SWITCH: Final = 1.0
"""Seconds from its own network key to the order to use it."""

ANSWERED: Final = 5.0
"""Seconds after which it looks whether an order was obeyed; an answer that it can read has come by then."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where it was on the network that it left."""

    channel: int
    pan_id: int
    extended_pan_id: int
    short: int
    parent: int | None
    trust_center: int


class Evictee(Insider):
    """It joins like any device, and leaves when it is told to. What it keeps: every network key and link key that it
    had, the public ones, and all that was on the air since it was switched on.

    While it is a member nothing of that is loot; what it gets hold of afterwards is. `left_at` is when it went, in
    simulated seconds, None before. Its attacks (`sneak_in` and then what an :class:`Insider` does,
    `speak_as_coordinator`, `take_over`, `come_back`, `join_again`, `read`) raise EmulationError before it has left.
    """

    def __init__(
        self, air: Air, eui64: int, *, keys: Iterable[bytes] = (), **options: Unpack[DeviceOptions]
    ) -> None:
        super().__init__(air, eui64, keys=keys, **options)
        self.left_at: float | None = None
        self._network_keys: dict[int, bytes] = {}
        self._recording: list[Transmission] = []
        self._place: _Place | None = None
        self._hears = False
        self._forged = 0

    # A member

    def power_on(self) -> None:
        """It listens to everything from now on."""
        if not self._hears:
            self._hears = True
            self.air.tap(self._recording.append)
        super().power_on()

    @property
    def gone(self) -> bool:
        """Whether it was a member and has left."""
        return self.left_at is not None

    def on_joined(self, *, rejoined: bool) -> None:
        """A key is no loot while it may have it."""
        if self.gone:
            self._gained(self.keys.all(), "It is on the network again")
        super(Attacker, self).on_joined(rejoined=rejoined)

    def stage_network_key(self, key: bytes, seq: int) -> None:
        """The next one; the same holds."""
        if self.gone:
            self._gained({seq: key}, "")
        super(Attacker, self).stage_network_key(key, seq)

    def on_exchange_ended(self, *, verified: bool) -> None:
        """A link key; the same holds."""
        if self.gone:
            super().on_exchange_ended(verified=verified)
        else:
            super(Attacker, self).on_exchange_ended(verified=verified)

    def _forget(self) -> None:
        if self.keys.active is not None and not self.gone and self.trust_center_eui64 is not None:
            self._network_keys = dict(
                sorted(self.keys.all().items(), key=lambda held: held[0] == self.keys.active)
            )
            own = (self.link_keys.trust_center_key, self.link_keys.pending_key)
            self.held = (*(key for key in own if key is not None), *self.held)
            self._place = _Place(
                self.mac.channel,
                self.mac.pan_id,
                self.nwk.extended_pan_id,
                self.mac.short,
                self.nwk.parent,
                self.trust_center_eui64,
            )
            self.left_at = self.clock.now()
        super()._forget()

    def _gained(self, keys: dict[int, bytes], without: str) -> None:
        new = {seq: key for seq, key in keys.items() if key not in self._network_keys.values()}
        self.loot.network_keys.update(new)
        if not new and without:
            self.loot.commands.append(without)

    def _left(self) -> _Place:
        if self._place is None:
            raise EmulationError(f"{self.name} has not left a network yet.")
        return self._place

    # Listening

    def read(self, since: float) -> int:
        """How many secured frames of others, sent from `since` on, it opens a layer of with everything that it has.

        What it finds in any frame is loot: network keys that it never had, and link keys of others.
        """
        self._left()
        held = set(self.held)
        ear = Sniffer(held, network_keys=self._network_keys.values())
        others = [sent for sent in self._recording if sent.sender != self.name]
        for sent in others:
            ear(sent.time, sent.psdu)
        for known in ear.report().keys:
            if known.kind is KeyKind.NETWORK:
                self._gained({known.sequence or 0: known.value}, "")
            elif known.value not in held and known.value not in self.loot.link_keys:
                self.loot.link_keys.append(known.value)
        opened = sum(heard.seconds >= since and bool(heard.frame.opened_by) for heard in ear.heard())
        self.loot.frames = max(self.loot.frames, opened)
        return opened

    # Speaking

    def sneak_in(self, *, seq: int | None = None) -> None:
        """Behave as if it had never left, under a key that it kept: the last, or the one numbered `seq`."""
        place = self._left()
        number = next(reversed(self._network_keys)) if seq is None else seq
        key = self._network_keys.get(number)
        if key is None:
            raise EmulationError(f"{self.name} never had a network key {number}.")
        self._appear(place)
        self.keys.install(key, number)
        self.joining.state = JoinState.JOINED
        self.send_link_status()

    def _appear(self, place: _Place) -> None:
        self.power_off()
        self.mac.power(True)
        self.mac.channel, self.mac.pan_id, self.mac.short = place.channel, place.pan_id, place.short
        self.nwk.extended_pan_id, self.nwk.parent, self.nwk.depth = place.extended_pan_id, place.parent, 1
        self.trust_center_eui64 = place.trust_center
        self.neighbours.learn(COORDINATOR, place.trust_center)

    def switch(self, target: Node, *, on: bool = True) -> None:
        """Order a lamp on or off; loot when it acknowledges, or is seen to obey: its answer may be under a new key."""
        before = getattr(target, "is_on", None)
        super().switch(target, on=on)
        self.later(ANSWERED, self._look, target, before, on, f"On/Off reached {target.name}")

    def _look(self, target: Node, before: object, on: bool, what: str) -> None:
        if before is not on and getattr(target, "is_on", None) is on and what not in self.loot.commands:
            self.loot.commands.append(what)

    def speak_as_coordinator(self, target: Node, *, on: bool = True) -> None:
        """Order a lamp on or off in the coordinator's name, under each key that it kept; loot when the lamp is seen to
        obey."""
        place = self._left()
        frame = ZclFrame(1, OnOff.ON if on else OnOff.OFF, cluster_specific=True).encode()
        before = getattr(target, "is_on", None)
        for seq, key in self._network_keys.items():
            data = ApsFrame(
                ApsType.DATA,
                Delivery.UNICAST,
                dst_ep=1,
                src_ep=1,
                cluster=Cluster.ON_OFF,
                profile=HOME_AUTOMATION,
                counter=self.aps.next_counter(),
                payload=frame,
            )
            self._forge(place, target.nwk.short, data, key, seq)
        what = f"In the coordinator's name On/Off reached {target.name}"
        self.later(ANSWERED, self._look, target, before, on, what)

    def take_over(self, target: Node) -> None:
        """Give everybody in reach a network key of its own in the coordinator's name, and order them to use it; loot
        when `target` then sends a frame under it."""
        place = self._left()
        own = self.random.randbytes(KEY_SIZE)
        last = next(reversed(self._network_keys))
        self.air.tap(lambda sent: self._taken(sent, target, own))
        for ahead in NEXT_SEQUENCES:
            number = (last + ahead) & 0xFF
            carried = TransportKey(NetworkKey(own, number, 0, place.trust_center)).encode()
            for seq, key in self._network_keys.items():
                self._forge(place, BROADCAST_ALL, self._command(carried), key, seq)
            order = self._command(SwitchKey(number).encode())
            self.later(BETWEEN_KEY_AND_SWITCH, self._forge, place, BROADCAST_ALL, order, own, number)

    def _command(self, payload: bytes) -> ApsFrame:
        return ApsFrame(ApsType.COMMAND, Delivery.BROADCAST, counter=self.aps.next_counter(), payload=payload)

    def _forge(self, place: _Place, dst: int, data: ApsFrame, key: bytes, seq: int) -> None:
        self._forged += 1
        frame = NwkFrame(
            NwkType.DATA,
            dst,
            COORDINATOR,
            1,
            self.nwk.next_sequence(),
            security=True,
            payload=data.encode(),
        )
        counter = self._last_counter(place.trust_center) + AHEAD + self._forged
        self.mac.send(dst, secure_nwk(frame, key, seq, counter, place.trust_center))

    def _last_counter(self, source: int) -> int:
        """The last frame counter that was heard of a node: it is not encrypted."""
        counters = [0]
        for sent in self._recording:
            if sent.frame is None or sent.frame.type is not MacType.DATA:
                continue
            try:
                frame = NwkFrame.decode(sent.frame.payload)
                aux = AuxHeader.decode(frame.payload) if frame.security else None
            except FrameError:
                continue
            if aux is not None and aux.source == source:
                counters.append(aux.counter)
        return max(counters)

    def _taken(self, sent: Transmission, target: Node, own: bytes) -> None:
        what = f"{target.name} uses a network key that {self.name} made"
        if sent.sender != target.name or sent.frame is None or sent.frame.type is not MacType.DATA:
            return
        try:
            unsecure_nwk(sent.frame.payload, own)
        except (FrameError, SecurityError):
            return
        if what not in self.loot.commands:
            self.loot.commands.append(what)

    # Coming back

    def come_back(self, *, secured: bool) -> None:
        """Ask for a rejoin: under the last key that it kept, or without one, with its link keys."""
        place = self._left()
        self._appear(place)
        last = next(reversed(self._network_keys))
        self.keys.install(self._network_keys[last], last)
        self.falls_back_to_unsecured = False
        self.joining.rejoin(secured=secured)

    def join_again(self) -> None:
        """Associate with whoever is open, as long as steering takes, with every key that it has."""
        self._left()
        self.power_off()
        super()._forget()
        self.power_on()
