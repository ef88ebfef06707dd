"""What the component needs of an integration that runs a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant

from hubsec import Refused
from hubsec.radio import Capabilities, Radio, SeenDevice

type Refusal = Callable[[Refused], Exception]
"""Makes what Home Assistant's user gets when the guard refuses."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A network that a stack runs now.

    `network_id` names it for good (Zigbee: the extended PAN id as 16 hex digits). `radio` is the kind of stick in words
    for a person, `capabilities` what hubsec can enforce on it. `devices` leaves the coordinator out.
    """

    network_id: str
    radio: str
    capabilities: Capabilities
    devices: tuple[SeenDevice, ...]


class Stack(Protocol):
    """One integration. Everything here may be called at any time, and answers for what is loaded then."""

    @property
    def domain(self) -> str:
        """Of its config entries."""

    @property
    def name(self) -> str:
        """For a person."""

    async def look(self, hass: HomeAssistant, entry: ConfigEntry) -> Found:
        """The network that `entry` runs. Raises :class:`hubsec.RadioError` when it runs none now."""

    async def running(self, hass: HomeAssistant, entry: ConfigEntry) -> object:
        """What runs the network now; another object after each reload. Raises :class:`hubsec.RadioError`."""

    async def radio(self, hass: HomeAssistant, running: object, *, name: str, refusal: Refusal) -> Radio:
        """A radio for a hub, attached to `running`.

        Raises :class:`hubsec.RadioError`; :class:`hubsec.NotEnforceable` where hubsec can't enforce on it.
        """

    async def close(self, hass: HomeAssistant) -> None:
        """Close the network by the integration's own public way. Nothing happens where it runs none."""

    async def hush(self, hass: HomeAssistant) -> CALLBACK_TYPE:
        """Keep the keys out of the log that what runs the network shows there at level debug. What comes back ends
        that."""

    def secrets(self, running: object) -> tuple[bytes, ...]:
        """Every key that `running` holds, so that none of them is shown. Raises nothing."""

    async def sing(self, hass: HomeAssistant) -> bool:
        """Ask by the integration's own public way to open the network, with a canary. Whether the guard refused it.

        One that nobody refused has opened nothing for longer than it takes to close again.
        """
