"""How a protected network stands, yes or no; and whether anything is to be said against each device on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from homeassistant.components.binary_sensor import (
    DOMAIN as BINARY_SENSOR_DOMAIN,
)
from homeassistant.components.binary_sensor import (
    BinarySensorDeviceClass,
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util import dt as dt_util

from hubsec import Identity, Mode, Network
from hubsec.device import device_of

from .entity import NetworkEntity
from .keys import overdue
from .network import HubsecConfigEntry, ProtectedNetwork
from .residents import Resident, residents
from .telling import called, registered_device

PARALLEL_UPDATES = 0

_CONCERN_KEY: Final = "concern"


@dataclass(frozen=True, kw_only=True)
class _Description(BinarySensorEntityDescription):
    is_on: Callable[[ProtectedNetwork], bool | None]
    attributes: Callable[[ProtectedNetwork], dict[str, Any]] = lambda _: {}
    guarded: bool = True
    networks: frozenset[Network] = frozenset(Network)
    """The kinds of networks that it makes sense of."""


def _joining(network: ProtectedNetwork) -> bool | None:
    if network.entrance.open_until is not None:
        return True
    if network.posture is None or network.posture.mode is Mode.OBSERVE:
        return None  # Who joins is up to the stack there, and its trust center refuses nobody.
    return any(one.state.open_to or not one.state.closed for one in network.posture.networks)


def _way_in(network: ProtectedNetwork) -> dict[str, Any]:
    entrance = network.entrance
    until = entrance.open_until
    return {
        "open_to": [called(network, device) for device in entrance.open_to],
        "listening": entrance.listening_until is not None,
        "until": dt_util.utc_from_timestamp(until).isoformat() if until is not None else None,
    }


def _exposed(network: ProtectedNetwork) -> bool | None:
    return None if network.posture is None else any(one.exposed for one in network.posture.networks)


def _overdue(network: ProtectedNetwork) -> bool | None:
    reasons = overdue(network)
    return bool(reasons) if reasons is not None else None


def _alarm(network: ProtectedNetwork) -> bool | None:
    if network.broken:
        return True
    return None if network.posture is None else network.posture.alarm is not None


def _records(network: ProtectedNetwork) -> dict[str, Any]:
    alarm, verified = network.posture.alarm if network.posture is not None else None, network.verified_at
    return {
        "problem": alarm or network.broken or None,
        "verified": dt_util.utc_from_timestamp(verified).isoformat() if verified is not None else None,
    }


_SENSORS: Final = (
    _Description(
        key="protected",
        translation_key="protected",
        entity_category=EntityCategory.DIAGNOSTIC,
        is_on=lambda network: network.protected,
        attributes=lambda network: {"guard": network.standing.value, "problem": network.problem or None},
        guarded=False,
    ),
    _Description(
        key="joining",
        translation_key="joining",
        device_class=BinarySensorDeviceClass.OPENING,
        is_on=_joining,
        attributes=_way_in,
    ),
    _Description(
        key="store_alarm",
        translation_key="store_alarm",
        device_class=BinarySensorDeviceClass.PROBLEM,
        entity_category=EntityCategory.DIAGNOSTIC,
        is_on=_alarm,
        attributes=_records,
    ),
    _Description(
        key="exposed",
        translation_key="exposed",
        device_class=BinarySensorDeviceClass.PROBLEM,
        entity_category=EntityCategory.DIAGNOSTIC,
        is_on=_exposed,
        networks=frozenset({Network.ZIGBEE}),
    ),
    _Description(
        key="rotation_overdue",
        translation_key="rotation_overdue",
        device_class=BinarySensorDeviceClass.PROBLEM,
        entity_category=EntityCategory.DIAGNOSTIC,
        is_on=_overdue,
        attributes=lambda network: {"reasons": list(overdue(network) or ())},
        networks=frozenset({Network.ZIGBEE}),
    ),
)


async def async_setup_entry(
    hass: HomeAssistant, entry: HubsecConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """One of each, and one for each device that is or comes on the network, as long as it is there."""
    network = entry.runtime_data
    async_add_entities(
        NetworkBinarySensor(network, description)
        for description in _SENSORS
        if network.stack.network in description.networks
    )
    there: set[Identity] = set()

    @callback
    def follow() -> None:
        if network.posture is None:
            return
        now = set(residents(network))
        if new := now - there:
            async_add_entities(DeviceBinarySensor(network, device) for device in sorted(new))
        _forget(hass, entry, keep={_unique_id(network, device) for device in now})
        there.clear()
        there.update(now)

    entry.async_on_unload(network.on_change(follow))
    follow()


@callback
def _forget(hass: HomeAssistant, entry: HubsecConfigEntry, *, keep: set[str]) -> None:
    """Take the entities of devices that are gone out of the registry."""
    registry = er.async_get(hass)
    for known in er.async_entries_for_config_entry(registry, entry.entry_id):
        ours = known.domain == BINARY_SENSOR_DOMAIN and known.unique_id.endswith(f"-{_CONCERN_KEY}")
        if ours and known.unique_id not in keep:
            registry.async_remove(known.entity_id)


def _unique_id(network: ProtectedNetwork, device: Identity) -> str:
    return f"{network.network_id}-{device}-{_CONCERN_KEY}"


class NetworkBinarySensor(NetworkEntity, BinarySensorEntity):
    """One question about the network."""

    entity_description: _Description

    def __init__(self, network: ProtectedNetwork, description: _Description) -> None:
        super().__init__(network, description, guarded=description.guarded)

    @property
    def is_on(self) -> bool | None:
        """The answer; None when it is not known."""
        return self.entity_description.is_on(self.network)

    @property
    def extra_state_attributes(self) -> dict[str, Any]:
        """What belongs to it."""
        return self.entity_description.attributes(self.network)


class DeviceBinarySensor(NetworkEntity, BinarySensorEntity):
    """Whether anything is to be said against one device.

    It belongs to the network's own device. On the stack's it can't stand: Home Assistant 2025.4 takes an entity out of
    its registry at the next change of a device that does not belong to the entity's config entry, and to put our entry
    on the stack's devices is what later versions forbid.
    """

    _attr_entity_registry_enabled_default = False

    def __init__(self, network: ProtectedNetwork, device: Identity) -> None:
        super().__init__(
            network,
            BinarySensorEntityDescription(
                key=f"{device}-{_CONCERN_KEY}",
                translation_key=_CONCERN_KEY,
                device_class=BinarySensorDeviceClass.PROBLEM,
                entity_category=EntityCategory.DIAGNOSTIC,
            ),
        )
        self._device = device
        self._attr_translation_placeholders = {"device": called(network, device)}

    @property
    def available(self) -> bool:
        """Whether it can be said."""
        return self._resident is not None

    @property
    def is_on(self) -> bool | None:
        """Whether there is any concern."""
        resident = self._resident
        return None if resident is None else bool(resident.concerns)

    @property
    def extra_state_attributes(self) -> dict[str, Any]:
        """Which, and what it came in by."""
        resident, there = self._resident, registered_device(self.network, self._device)
        if resident is None:
            return {}
        entry = resident.entry
        return {
            "address": self._device,
            "device_id": there.id if there is not None else None,
            "concerns": [concern.value for concern in resident.concerns],
            "security": str(device_of(entry).security) if entry is not None else None,
        }

    @property
    def _resident(self) -> Resident | None:
        return residents(self.network).get(self._device)
