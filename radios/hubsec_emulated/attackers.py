"""Hostile nodes: what somebody with a radio, public keys, and perhaps stolen ones, does to a network.

Every attacker holds the well-known and the ZLL key and tries all keys that it has at once. What it got away with is in
its `loot`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Unpack

from hubsec_emulated.air import Air
from hubsec_emulated.devices.device import Device, DeviceOptions
from hubsec_emulated.devices.onoff import Lamp
from hubsec_emulated.errors import EmulationError
from hubsec_emulated.stack.coordinator import Coordinator
from hubsec_emulated.stack.joining import JoinState
from hubsec_emulated.stack.neighbours import Neighbour
from hubsec_emulated.stack.node import Node
from hubsec_emulated.stack.scan import Parent
from hubsec_emulated.wire import zdo
from hubsec_emulated.wire.addresses import BROADCAST_FIRST, BROADCAST_ROUTERS, COORDINATOR
from hubsec_emulated.wire.crypto import WELL_KNOWN_KEY, ZLL_KEY, install_code_key
from hubsec_emulated.wire.security import KeyId
from hubsec_emulated.wire.zcl import HOME_AUTOMATION, Cluster, OnOff, ZclFrame

PUBLIC_KEYS: Final = (WELL_KNOWN_KEY, ZLL_KEY)
"""Link keys that everybody has."""
COUNTER_LEAP: Final = 1 << 24
"""An impostor's counters begin so far above its victim's that no replay protection stands in its way."""
_LOOK_AFTER: Final = 1.0


@dataclass(slots=True)
class Loot:
    """What an attacker has gained: keys by where they came from, orders that were obeyed, as sentences, and how many
    frames it read that were not for it."""

    network_keys: dict[int, bytes] = field(default_factory=dict, repr=False)
    link_keys: list[bytes] = field(default_factory=list, repr=False)
    commands: list[str] = field(default_factory=list)
    frames: int = 0

    def __bool__(self) -> bool:
        return bool(self.network_keys or self.link_keys or self.commands or self.frames)


class Attacker(Device):
    """A joiner with every public key and those in `keys`: `held` are the link keys that it tries. Powered on, it tries
    to join like anybody else."""

    model = "Innocent"

    def __init__(
        self, air: Air, eui64: int, *, keys: Iterable[bytes] = (), **options: Unpack[DeviceOptions]
    ) -> None:
        super().__init__(air, eui64, **options)
        self.loot = Loot()
        self.held = (*keys, *self.link_keys.preconfigured, *PUBLIC_KEYS)
        self.leaves_without_link_key = False
        self.opens_network = False

    def candidate_link_keys(self, source: int | None, key_id: KeyId) -> tuple[bytes, ...]:
        """Whatever it has, for whatever it hears."""
        return tuple(dict.fromkeys((*self.link_keys.candidates(), *self.held)))

    def on_joined(self, *, rejoined: bool) -> None:
        """It got a network key."""
        self.loot.network_keys.update(self.keys.all())
        super().on_joined(rejoined=rejoined)

    def stage_network_key(self, key: bytes, seq: int) -> None:
        """It got the next one, too."""
        self.loot.network_keys[seq] = key
        super().stage_network_key(key, seq)

    def on_exchange_ended(self, *, verified: bool) -> None:
        """It may have got a link key."""
        if verified and self.link_keys.trust_center_key is not None:
            self.loot.link_keys.append(self.link_keys.trust_center_key)
        super().on_exchange_ended(verified=verified)


class Stranger(Attacker):
    """Somebody's device that nobody invited: it joins with the public keys."""


class WrongCode(Attacker):
    """A joiner whose install code is not the one that the house knows for its EUI64: it guesses."""

    def __init__(self, air: Air, eui64: int, **options: Unpack[DeviceOptions]) -> None:
        if options.get("install_code") is None:
            raise EmulationError("A joiner with a wrong install code needs that code.")
        super().__init__(air, eui64, **options)

    @property
    def sticker(self) -> str:
        """Its address alone: no sticker says what somebody guesses."""
        return f"Z:{self.eui64:016X}"


class Impostor(Attacker):
    """It takes the EUI64 of `victim`; `with_code` it has read the victim's install code as well."""

    def __init__(
        self, air: Air, victim: Device, *, with_code: bool = False, **options: Unpack[DeviceOptions]
    ) -> None:
        stolen: tuple[bytes, ...] = ()
        if with_code:
            if victim.install_code is None:
                raise EmulationError("The victim has no install code to be read.")
            stolen = (install_code_key(victim.install_code),)
        options.setdefault("role", victim.role)
        super().__init__(air, victim.eui64, keys=stolen, **options)
        self.keys.counter = victim.keys.counter + COUNTER_LEAP
        self.link_keys.counter = victim.link_keys.counter + COUNTER_LEAP


class Rejoiner(Attacker):
    """It says that it was on the network before and lost the key: an unsecured rejoin as `eui64`.

    `short` is the address that it claims (default: any). It does not associate, so a closed permit flag is no obstacle.
    """

    def __init__(
        self,
        air: Air,
        eui64: int,
        *,
        short: int | None = None,
        keys: Iterable[bytes] = (),
        **options: Unpack[DeviceOptions],
    ) -> None:
        super().__init__(air, eui64, keys=keys, **options)
        self._claimed = short
        self.keys.counter += COUNTER_LEAP

    def power_on(self) -> None:
        """Look for a network and claim to belong to it."""
        if self.powered:
            return
        self.mac.power(True)
        self.joining.state = JoinState.SCANNING
        self.scanner.scan(self.channels, self._found)

    def _found(self, parents: Sequence[Parent]) -> None:
        if not parents:
            self.later(self.timing.rescan, self.scanner.scan, self.channels, self._found)
            return
        parent = parents[0]
        self.nwk.extended_pan_id = parent.beacon.extended_pan_id
        self.mac.channel, self.mac.pan_id = parent.channel, parent.pan_id
        self.mac.short = self._claimed or self.random.randrange(1, BROADCAST_FIRST)
        self.joining.rejoin(secured=False)


class Insider(Attacker):
    """It holds the network key already: read out of a thrown-away bulb, say. It never joined."""

    def infiltrate(self, coordinator: Coordinator, *, network_key: bytes | None = None, seq: int = 0) -> None:
        """Appear on the network with the key in use, or with `network_key` (and its sequence number)."""
        key, active = coordinator.keys.key, coordinator.keys.active
        if network_key is not None:
            key, active = network_key, seq
        if key is None or active is None:
            raise EmulationError("There is no network to infiltrate yet.")
        self.mac.power(True)
        self.mac.channel, self.mac.pan_id = coordinator.mac.channel, coordinator.mac.pan_id
        self.mac.short = self.random.randrange(1, BROADCAST_FIRST)
        self.nwk.extended_pan_id = coordinator.nwk.extended_pan_id
        self.nwk.parent, self.nwk.depth = COORDINATOR, 1
        self.keys.install(key, active)
        self.joining.state = JoinState.JOINED
        self.trust_center_eui64 = coordinator.eui64
        self.neighbours.learn(COORDINATOR, coordinator.eui64)
        self.send_link_status()
        self._run()

    def ask_for_link_key(self, *, under: bytes = WELL_KNOWN_KEY) -> None:
        """Begin a link key exchange under `under`: if it succeeds, a link key is among the loot."""
        self.link_keys.verified = False
        self.link_keys.trust_center_key = under
        self.exchange.start()

    def open_network(self, seconds: int = 254) -> None:
        """Tell everybody to accept associations, then look whether anybody does."""
        self.zdo.send(BROADCAST_ROUTERS, zdo.MgmtPermitJoiningReq(seconds))
        self.zdo.send(COORDINATOR, zdo.MgmtPermitJoiningReq(seconds))
        self.later(_LOOK_AFTER, lambda: self.scanner.scan((self.mac.channel,), self._looked))

    def _looked(self, parents: Sequence[Parent]) -> None:
        self.loot.commands += [
            f"Mgmt_Permit_Joining opened 0x{parent.short:04x}"
            for parent in parents
            if parent.beacon.association_permit and parent.beacon.extended_pan_id == self.nwk.extended_pan_id
        ]

    def switch(self, target: Node, *, on: bool = True) -> None:
        """Order a lamp or plug on or off; loot when it acknowledges."""
        frame = ZclFrame(1, OnOff.ON if on else OnOff.OFF, cluster_specific=True)
        self._order(target, Cluster.ON_OFF, frame.encode(), "On/Off")

    def expel(self, target: Node) -> None:
        """Ask a device by Mgmt_Leave_req to leave; loot when it acknowledges."""
        request = zdo.encode(1, zdo.MgmtLeaveReq(target.eui64))
        self._order(target, zdo.MgmtLeaveReq.CLUSTER, request, "Mgmt_Leave", profile=zdo.PROFILE, endpoint=0)

    def _order(
        self,
        target: Node,
        cluster: int,
        payload: bytes,
        what: str,
        *,
        profile: int = HOME_AUTOMATION,
        endpoint: int = 1,
    ) -> None:
        def result(ok: bool) -> None:
            if ok:
                self.loot.commands.append(f"{what} reached {target.name}")

        # It stands beside its victim: routes, whose replies may be under a key it lacks, are not needed.
        short = target.nwk.short
        self.neighbours.routers[short] = Neighbour(short, target.eui64, self.clock.now())
        self.aps.send_data(
            dst=short,
            profile=profile,
            cluster=cluster,
            src_ep=endpoint,
            dst_ep=endpoint,
            payload=payload,
            aps_ack=True,
            on_result=result,
        )


class OpenRouter(Lamp):
    """A lamp that joins properly, and whose permit flag then never closes."""

    model = "Careless lamp"

    def on_joined(self, *, rejoined: bool) -> None:
        """On the network: open for everybody."""
        self.parenting.stuck_open = True
        super().on_joined(rejoined=rejoined)
