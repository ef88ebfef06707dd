"""What the component needs of an integration that runs a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant
from homeassistant.helpers.device_registry import DeletedDeviceEntry, DeviceEntry

from hubsec import Network, Refused
from hubsec.radio import Capabilities, Radio, SeenDevice
from hubsec.vault import Vault

type Refusal = Callable[[Refused], Exception]
"""Makes what Home Assistant's user gets when the guard refuses."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A network that a stack runs now.

    `network_id` names it for good (Zigbee: the extended PAN id as 16 hex digits; Z-Wave: the home id as 8). `radio` is
    the kind of stick in words for a person, `capabilities` what hubsec can enforce on it. `devices` leaves the
    coordinator out. `words` are what the set-up's page says besides, by placeholder.
    """

    network_id: str
    radio: str
    capabilities: Capabilities
    devices: tuple[SeenDevice, ...]
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Stale:
    """A stack can't start, for its files, its stick and hubsec's records have not the same network key. `mendable`:
    its files are what is old, and :meth:`Stack.renew` brings them to the key; else `reason` says what to do."""

    reason: str
    mendable: bool


class Stack(Protocol):
    """One integration. Everything here may be called at any time, and answers for what `entry`, an entry of that
    integration, runs then."""

    @property
    def domain(self) -> str:
        """Of its config entries."""

    @property
    def name(self) -> str:
        """For a person."""

    @property
    def network(self) -> Network:
        """The kind of network that it runs."""

    @property
    def page(self) -> str:
        """The step of the set-up that says what hubsec can do there."""

    @property
    def advice(self) -> Mapping[str, str]:
        """By the rule that refused: the text that says what to do. All other rules have `refused`."""

    async def look(self, hass: HomeAssistant, entry: ConfigEntry) -> Found:
        """The network that `entry` runs. Raises :class:`hubsec.RadioError` when it runs none now."""

    async def running(self, hass: HomeAssistant, entry: ConfigEntry) -> object:
        """What runs the network now; another object after each reload. Raises :class:`hubsec.RadioError`."""

    async def failure(self, hass: HomeAssistant) -> type[Exception] | None:
        """The kind of error that the integration takes for a command that failed, whose `error_code` and first of
        `args` its pages show; None where an error of Home Assistant's is shown as it is."""

    async def radio(
        self, hass: HomeAssistant, entry: ConfigEntry, running: object, *, refusal: Refusal
    ) -> Radio:
        """A radio for a hub, attached to `running`; it goes by the stack's domain.

        Raises :class:`hubsec.RadioError`; :class:`hubsec.NotEnforceable` where hubsec can't enforce on it.
        """

    async def close(self, hass: HomeAssistant, entry: ConfigEntry) -> None:
        """Close the network by the integration's own public way. Nothing happens where it runs none."""

    async def hush(self, hass: HomeAssistant) -> CALLBACK_TYPE:
        """Keep the keys out of the log that what runs the network shows there at level debug. What comes back ends
        that."""

    def secrets(self, entry: ConfigEntry | None, running: object) -> tuple[bytes, ...]:
        """Every key that `entry` and `running` hold, so that none of them is shown. Raises nothing."""

    async def stale(
        self, hass: HomeAssistant, entry: ConfigEntry, vault: Vault, network_id: str
    ) -> Stale | None:
        """Whether its own files, which it goes by when it starts, its stick, and the network keys that hubsec has in
        `vault` for that network are apart; None where all is well, or nothing can be said. Asked while it is not
        loaded. Raises :class:`hubsec.HubsecError`."""

    async def renew(self, hass: HomeAssistant, entry: ConfigEntry, vault: Vault) -> None:
        """Bring those files to that key, while it is not loaded. Raises :class:`hubsec.HubsecError`."""

    def addresses(self, device: DeviceEntry | DeletedDeviceEntry) -> Iterable[str]:
        """What a device in Home Assistant's registry is called on its network: its identity, or its address there."""

    async def sing(self, hass: HomeAssistant, entry: ConfigEntry) -> bool:
        """Ask by the integration's own public way to open the network, with a canary. Whether the guard refused it.

        One that nobody refused has opened nothing for longer than it takes to close again.
        """
