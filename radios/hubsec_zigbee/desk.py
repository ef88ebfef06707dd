"""What the parts of a Zigbee guard share; see :mod:`hubsec.desk`."""

from __future__ import annotations

import logging

from hubsec import desk
from hubsec.identity import Network
from hubsec_zigbee.limits import Limits

LOGGER = logging.getLogger(__package__)


class Desk(desk.Desk):
    """`limits` bounds what takes time."""

    def __init__(self, name: str, limits: Limits) -> None:
        super().__init__(name, Network.ZIGBEE, LOGGER)
        self.limits = limits
