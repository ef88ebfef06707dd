"""Forming, starting, leaving and opening the network; scans."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

from hubsec_emulated.clock import Timer
from hubsec_emulated.ncp.ezsp import Status
from hubsec_emulated.ncp.port import FoundNetwork, RadioNetwork
from hubsec_emulated.ncp.registry import Args, CommandGroup, Result, command
from hubsec_emulated.ncp.tokens import ChildEntry, KeyTokens, NetworkTokens

if TYPE_CHECKING:
    from hubsec_emulated.ncp.ncp import Ncp

FIRST_CHANNEL = 11
LAST_CHANNEL = 26
ALL_CHANNELS = 0x07FF_F800
"""Channels 11 to 26, the 2.4 GHz band of IEEE 802.15.4."""
MAX_TX_POWER = 20
MIN_TX_POWER = -43
"""dBm that the emulated radio can be set to, those of the common EFR32MG21."""
MAX_SCAN_DURATION = 14
SUPERFRAME = 0.01536
"""Seconds of aBaseSuperframeDuration; a channel is scanned for (2**duration + 1) of them (IEEE 802.15.4)."""
QUIET_RSSI = (-95, -70)
"""Range of the energy that a scan finds."""
NEAR_RSSI = -40
"""dBm reported for a beacon: the emulated air has no distances."""
UP_SECONDS = 0.05
"""Simulated seconds from formNetwork or networkInit to NETWORK_UP."""
FOREVER = 255
COORDINATOR_TYPE = 1
COORDINATOR_NODE = 0x0000
UNUSED_NODE = 0xFFFF
JOINED = 2
NO_NETWORK = 0
RANDOM_PAN_LIMIT = 0xFFFE


class ScanType(IntEnum):
    """EzspNetworkScanType."""

    ENERGY = 0
    ACTIVE = 1


class NetworkCommands(CommandGroup):
    """The network's life as the host drives it.

    *initial* is what setInitialSecurityState left for the next formNetwork.
    """

    def __init__(self, ncp: Ncp) -> None:
        self._ncp = ncp
        self.initial: KeyTokens | None = None
        self._scan: list[Timer] = []
        self._scan_run = 0
        self._closing: Timer | None = None
        self._coming_up: Timer | None = None

    def reset(self) -> None:
        """Lose the security state of a network that was not formed."""
        self.initial = None

    def halt(self) -> None:
        """Take the radio off the air without a word, and keep its counters."""
        self.store_counters()
        for timer in (*self._scan, self._closing, self._coming_up):
            if timer is not None:
                timer.cancel()
        self._scan.clear()
        self._closing = self._coming_up = None
        if self._ncp.up:
            self._keep_children()
            self._ncp.coordinator.stop()
        self._ncp.up = False

    def store_counters(self) -> None:
        """Take over the frame counters of the running radio."""
        if self._ncp.up:
            self._ncp.tokens.nwk_counter = self._ncp.coordinator.nwk_counter
            self._ncp.tokens.aps_counter = self._ncp.coordinator.aps_counter

    def _keep_children(self) -> None:
        tokens = self._ncp.tokens
        live = {child.eui64: child for child in self._ncp.coordinator.end_device_children()}
        tokens.children = [row if row and row.eui64 in live else None for row in tokens.children]
        for row in tokens.children:
            if row is not None:
                row.short = live.pop(row.eui64).short
        for child in live.values():
            free = next((at for at, row in enumerate(tokens.children) if row is None), None)
            if free is None:
                tokens.children.append(child)
            else:
                tokens.children[free] = child

    def current_children(self) -> list[ChildEntry | None]:
        """The child table, brought up to date."""
        if self._ncp.up:
            self._keep_children()
        return self._ncp.tokens.children

    # Start

    @command("networkState")
    def _state(self, _args: Args) -> Result:
        return {"state": JOINED if self._ncp.up else NO_NETWORK}

    @command("networkInit")
    def _init(self, _args: Args) -> Result:
        return {"status": self.go_on()}

    def go_on(self) -> Status:
        """Start the network that the tokens hold."""
        if self._ncp.up:
            return Status.INVALID_STATE
        if self._ncp.tokens.network is None or self._ncp.tokens.keys is None:
            return Status.NOT_JOINED
        self._start(fresh=False)
        return Status.OK

    @command("formNetwork")
    def _form(self, args: Args) -> Result:
        parameters = args["parameters"]
        if self._ncp.up:
            return {"status": Status.INVALID_STATE}
        if self.initial is None:
            return {"status": Status.SECURITY_STATE_NOT_SET}
        if not FIRST_CHANNEL <= parameters["channel"] <= LAST_CHANNEL:
            return {"status": Status.INVALID_CHANNEL_MASK}
        random = self._ncp.random
        self._ncp.tokens.network = NetworkTokens(
            pan_id=parameters["pan_id"]
            if parameters["pan_id"] != UNUSED_NODE
            else random.randrange(RANDOM_PAN_LIMIT),
            extended_pan_id=parameters["extended_pan_id"] or random.getrandbits(64),
            channel=parameters["channel"],
            tx_power=parameters["tx_power"],
            # Hosts give a manager and an update id as well; forming resets both, as on silicon.
            channels=parameters["channels"] or ALL_CHANNELS,
        )
        self._ncp.tokens.keys = self.initial
        self._ncp.tokens.unique_joiners.clear()
        self.initial = None
        self._ncp.tokens.save()
        self._start(fresh=True)
        return None

    def _start(self, *, fresh: bool) -> None:
        tokens = self._ncp.tokens
        network, keys = tokens.network, tokens.keys
        if network is None or keys is None:
            return
        coordinator = self._ncp.coordinator
        coordinator.start(
            RadioNetwork(
                eui64=tokens.eui64,
                pan_id=network.pan_id,
                extended_pan_id=network.extended_pan_id,
                channel=network.channel,
                keys=keys.held(),
                sequence=keys.sequence,
                nwk_counter=tokens.nwk_counter,
                aps_counter=tokens.aps_counter,
                update_id=network.update_id,
            ),
            fresh=fresh,
        )
        for child in tokens.children:
            if child is not None:
                coordinator.adopt_child(child)
        self._ncp.tables.announce_endpoints()
        self._ncp.up = True
        self._coming_up = self._ncp.clock.call_later(UP_SECONDS, self._ncp.stack_status, Status.NETWORK_UP)

    @command("leaveNetwork")
    def _leave(self, _args: Args) -> Result:
        if not self._ncp.up:
            return {"status": Status.INVALID_STATE}
        self.halt()
        self._ncp.tokens.forget_network(keep_counters=True)
        self._ncp.tokens.save()
        self._ncp.stack_status(Status.NETWORK_DOWN)
        return None

    # Facts about the network

    @command("getNodeId")
    def _node_id(self, _args: Args) -> Result:
        return {"node": COORDINATOR_NODE if self._ncp.up else 0xFFFE}

    @command("getNetworkParameters")
    def _parameters(self, _args: Args) -> Result:
        network = self._ncp.tokens.network
        if network is None or not self._ncp.up:
            return {"status": Status.NOT_JOINED}
        return {
            "type": COORDINATOR_TYPE,
            "parameters": {
                "extended_pan_id": network.extended_pan_id,
                "pan_id": network.pan_id,
                "tx_power": network.tx_power,
                "channel": network.channel,
                "manager": network.manager,
                "update_id": network.update_id,
                "channels": network.channels,
            },
        }

    @command("getParentChildParameters")
    def _family(self, _args: Args) -> Result:
        count = sum(child is not None for child in self.current_children())
        return {"child_count": count, "parent": UNUSED_NODE}

    @command("getLogicalChannel")
    def _channel(self, _args: Args) -> Result:
        network = self._ncp.tokens.network
        return {"channel": network.channel if network else 0}

    @command("setLogicalAndRadioChannel")
    def _set_channel(self, args: Args) -> Result:
        network, channel = self._ncp.tokens.network, args["channel"]
        if network is None or not FIRST_CHANNEL <= channel <= LAST_CHANNEL:
            return {"status": Status.INVALID_PARAMETER}
        network.channel = channel
        self._ncp.tokens.save()
        self._ncp.coordinator.set_channel(channel)
        return None

    @command("setRadioPower")
    def _set_power(self, args: Args) -> Result:
        if not MIN_TX_POWER <= args["power"] <= MAX_TX_POWER:
            return {"status": Status.INVALID_PARAMETER}
        if self._ncp.tokens.network is not None:
            self._ncp.tokens.network.tx_power = args["power"]
        return None

    # Joining

    @command("permitJoining")
    def _permit(self, args: Args) -> Result:
        if not self._ncp.up:
            return {"status": Status.NOT_JOINED}
        duration = args["duration"]
        self._ncp.coordinator.permit_joining(duration)
        was_open = self._closing is not None
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
        if duration == 0:
            if was_open:
                self._ncp.stack_status(Status.NETWORK_CLOSED)
            return None
        self._ncp.stack_status(Status.NETWORK_OPENED)
        seconds = float("inf") if duration == FOREVER else float(duration)
        self._closing = self._ncp.clock.call_later(seconds, self._closed)
        return None

    def _closed(self) -> None:
        self._closing = None
        self._ncp.stack_status(Status.NETWORK_CLOSED)

    # Scans

    @command("startScan")
    def _start_scan(self, args: Args) -> Result:
        channels = [
            channel for channel in range(FIRST_CHANNEL, LAST_CHANNEL + 1) if args["channels"] >> channel & 1
        ]
        if self._scan:
            return {"status": Status.BUSY}
        if not channels or args["type"] not in ScanType or args["duration"] > MAX_SCAN_DURATION:
            return {"status": Status.INVALID_PARAMETER}
        each = SUPERFRAME * (2 ** args["duration"] + 1)
        if args["type"] == ScanType.ACTIVE:
            self._scan_run += 1
            self._scan.append(
                self._ncp.clock.call_later(0.0, self._ask_for_beacons, channels, self._scan_run)
            )
            return None
        for index, channel in enumerate(channels, start=1):
            self._scan.append(self._ncp.clock.call_later(each * index, self._energy, channel))
        self._scan.append(self._ncp.clock.call_later(each * len(channels), self._scan_done))
        return None

    def _energy(self, channel: int) -> None:
        rssi = self._ncp.random.randint(*QUIET_RSSI)
        self._ncp.callback("energyScanResultHandler", channel=channel, rssi=rssi)

    def _ask_for_beacons(self, channels: Sequence[int], run: int) -> None:
        def found(networks: Sequence[FoundNetwork]) -> None:
            if run != self._scan_run or not self._scan:
                return
            for network in networks:
                self._ncp.callback(
                    "networkFoundHandler",
                    network={
                        "channel": network.channel,
                        "pan_id": network.pan_id,
                        "extended_pan_id": network.extended_pan_id,
                        "allow_join": network.allow_join,
                        "stack_profile": network.stack_profile,
                        "update_id": network.update_id,
                    },
                    lqi=network.lqi,
                    rssi=NEAR_RSSI,
                )
            self._scan_done()

        self._ncp.coordinator.scan(channels, found)

    def _scan_done(self) -> None:
        self._scan.clear()
        self._ncp.callback("scanCompleteHandler", status=Status.OK)

    @command("stopScan")
    def _stop_scan(self, _args: Args) -> Result:
        if not self._scan:
            return {"status": Status.INVALID_STATE}
        for timer in self._scan:
            timer.cancel()
        self._scan_done()
        return None
