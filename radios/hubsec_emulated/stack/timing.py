"""How long things take: the MAC and network constants, and what EmberZNet on silicon was seen to do.

All values are simulated seconds. A test passes its own :class:`Timing` to a device, or speeds up everything with the
clock's scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ACK_WAIT: Final = 864e-6
"""macAckWaitDuration: 54 symbols, IEEE 802.15.4-2006 table 86."""
MAC_RETRIES: Final = 3
"""macMaxFrameRetries, IEEE 802.15.4-2006 table 86."""
PERSISTENCE: Final = 7.68
"""macTransactionPersistenceTime: how long a parent keeps a frame for a sleeping child. Specification annex D.5."""
SCAN_DURATION: Final = 0.138
"""Listening time per channel: scan duration exponent 3, 9 x 960 symbols. IEEE 802.15.4-2006 7.5.2.1."""
BEACON_JITTER: Final = 0.04
"""A parent's longest wait before its beacon; parents that answer at once would collide."""
DATA_WAIT: Final = 0.05
"""How long a poller listens after an ACK with frame-pending: macMaxFrameTotalWaitTime with room for retries."""
BROADCAST_RETRIES: Final = 2
"""nwkMaxBroadcastRetries as EmberZNet uses it: three transmissions in all (read from captures)."""
BROADCAST_GAP: Final = 0.47
"""Between transmissions of one broadcast: 0.45 to 0.5 s on silicon."""
BROADCAST_JITTER: Final = 0.04
"""nwkcMaxBroadcastJitter: the longest wait before a relay, specification table 3-54."""
BROADCAST_LIFETIME: Final = 9.0
"""nwkNetworkBroadcastDeliveryTime: how long a broadcast is remembered, specification 3.5.2.1."""
APS_ACK_WAIT: Final = 1.6
"""apscAckWaitDuration: 0.05 s per hop there and back over nwkcMaxDepth, specification table 2-25."""
APS_ACK_WAIT_SLEEPY: Final = 7.68
"""The same for a destination that has to poll first (EmberZNet: INDIRECT_TRANSMISSION_TIMEOUT)."""
APS_RETRIES: Final = 3
"""apscMaxFrameRetries, specification table 2-25."""
APS_DUPLICATE_WINDOW: Final = 8.0
"""How long a pair of source and APS counter is remembered: longer than all retries of one frame take."""
LINK_STATUS_PERIOD: Final = 15.0
"""nwkLinkStatusPeriod, specification table 3-54."""
ROUTE_DISCOVERY_TIME: Final = 2.0
"""How long frames wait for a route; the specification's nwkcRouteDiscoveryTime is 10 s, EmberZNet gives up sooner."""
NEIGHBOUR_AGE: Final = 60.0
"""A router that was silent for nwkRouterAgeLimit (3) link status periods and one more is no next hop any more."""
TRANSIENT_CHILD: Final = 10.0
"""How long a parent keeps a child that got no key: EmberZNet's TRANSIENT_DEVICE_TIMEOUT."""
END_DEVICE_TIMEOUT_DEFAULT: Final = 8
"""nwkEndDeviceTimeoutDefault: 2**8 minutes, specification table 3-44."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What one device does when. The defaults are read from captures of EmberZNet on silicon, SDK 4.1."""

    #: From the ACK of the Association-Request to the poll for its response.
    association_poll: float = 0.2
    #: From the last beacon to the Association-Request.
    beacon_to_association: float = 0.19
    #: A router that got no network key associates again after this long.
    key_timeout: float = 3.0
    #: The same for a sleepy device.
    key_timeout_sleepy: float = 2.0
    #: A sleepy device that waits for its key polls this often; the first poll comes after `poll_first`.
    poll_for_key: float = 0.2
    poll_first: float = 0.009
    #: From the association's end to the network key, at the trust center.
    key_delay: float = 0.03
    #: From the network key to the Device_annce.
    announce_delay: float = 0.02
    #: From the announce to the TCLK exchange, at least and at most.
    exchange_delay: tuple[float, float] = (2.4, 3.9)
    #: Between the steps of the exchange.
    step_delay: float = 0.035
    #: A step of the exchange that stays unanswered is repeated after this long, this often; then the device gives up.
    exchange_timeout: float = 5.0
    exchange_attempts: int = 3
    #: From Confirm-Key to the Mgmt_Permit_Joining_req by which network steering opens the network for others.
    opening_delay: tuple[float, float] = (2.7, 4.0)
    #: Poll interval of a sleepy device during the exchange and for `awake` seconds after a join.
    poll_fast: float = 1.0
    awake: float = 60.0
    #: Poll interval of a sleepy device later on. Below PERSISTENCE nothing is lost in sleep.
    poll_slow: float = 5.0
    #: From a poll that brought something to the next.
    poll_again: float = 0.003
    #: A joiner that found no open parent scans again after this long, for as long as `steering`.
    rescan: float = 5.0
    steering: float = 180.0
    #: From a sleepy device's Rejoin-Request to its poll for the response.
    rejoin_poll: float = 0.61
    #: Rejoin attempts are this far apart; so many secured ones are followed by unsecured ones.
    rejoin_interval: float = 5.0
    secured_rejoins: int = 2
    #: A sleepy device takes so many failed polls in a row for a lost parent.
    lost_polls: int = 4


SILICON: Final = Timing()
"""The default."""
