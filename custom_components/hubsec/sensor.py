"""How many are on a protected network, and how many may be; how old its key is, and how far a change of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import PERCENTAGE, EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from hubsec import Network

from .entity import NetworkEntity
from .keys import details, in_use_since, last_changed, percent, stragglers, under_way
from .network import HubsecConfigEntry, ProtectedNetwork
from .reinclusions import ended_at, included, including, inclusion_details, missing
from .residents import Resident, residents
from .telling import called

PARALLEL_UPDATES = 0

_ATTR_DEVICES: Final = "devices"
_ATTR_MISSING: Final = "missing"
_ATTR_WAITING: Final = "waiting_for"
_ZIGBEE: Final = frozenset({Network.ZIGBEE})
"""On Z-Wave the keys can't be changed over the air,"""
_ZWAVE: Final = frozenset({Network.ZWAVE})
"""where every device is included anew."""


@dataclass(frozen=True, kw_only=True)
class _Description(SensorEntityDescription):
    value: Callable[[ProtectedNetwork], int | datetime | None]
    attributes: Callable[[ProtectedNetwork], dict[str, Any]] = lambda _: {}
    guarded: bool = True
    there: Callable[[ProtectedNetwork], bool] = lambda _: True
    """Whether there is anything to say."""
    networks: frozenset[Network] = frozenset(Network)
    """The kinds of networks that it makes sense of."""


def _without_key(network: ProtectedNetwork) -> list[str] | None:
    return missing(network) if network.stack.network is Network.ZWAVE else stragglers(network)


def _stragglers(network: ProtectedNetwork) -> int | None:
    devices = _without_key(network)
    return len(devices) if devices is not None else None


def _last_changed(network: ProtectedNetwork) -> datetime | None:
    return ended_at(network) if network.stack.network is Network.ZWAVE else last_changed(network)


def _unapproved(network: ProtectedNetwork) -> list[Resident]:
    return [resident for resident in residents(network).values() if not resident.approved]


_SENSORS: Final = (
    _Description(
        key="unapproved",
        translation_key="unapproved",
        entity_category=EntityCategory.DIAGNOSTIC,
        state_class=SensorStateClass.MEASUREMENT,
        value=lambda network: len(_unapproved(network)) if network.posture is not None else None,
        attributes=lambda network: {
            _ATTR_DEVICES: [called(network, resident.device) for resident in _unapproved(network)]
        },
    ),
    _Description(
        key="allowlist",
        translation_key="allowlist",
        entity_category=EntityCategory.DIAGNOSTIC,
        state_class=SensorStateClass.MEASUREMENT,
        value=lambda network: len(network.hub.allowlist) if network.hub is not None else None,
    ),
    _Description(
        key="key_since",
        translation_key="key_since",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        value=in_use_since,
    ),
    _Description(
        key="last_rotation",
        translation_key="last_rotation",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        value=_last_changed,
    ),
    _Description(
        key="stragglers",
        translation_key="stragglers",
        entity_category=EntityCategory.DIAGNOSTIC,
        state_class=SensorStateClass.MEASUREMENT,
        value=_stragglers,
        attributes=lambda network: {_ATTR_DEVICES: _without_key(network) or []},
    ),
    _Description(
        key="rotation",
        translation_key="rotation",
        entity_category=EntityCategory.DIAGNOSTIC,
        native_unit_of_measurement=PERCENTAGE,
        value=percent,
        attributes=details,
        guarded=False,
        there=lambda network: under_way(network) is not None,
        networks=_ZIGBEE,
    ),
    _Description(
        key="reinclusion",
        translation_key="reinclusion",
        entity_category=EntityCategory.DIAGNOSTIC,
        native_unit_of_measurement=PERCENTAGE,
        value=included,
        attributes=inclusion_details,
        there=lambda network: including(network) is not None,
        networks=_ZWAVE,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant, entry: HubsecConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """One of each."""
    network = entry.runtime_data
    async_add_entities(
        NetworkSensor(network, description)
        for description in _SENSORS
        if network.stack.network in description.networks
    )


class NetworkSensor(NetworkEntity, SensorEntity):
    """One count, or one moment."""

    entity_description: _Description
    _unrecorded_attributes = frozenset({_ATTR_DEVICES, _ATTR_WAITING, _ATTR_MISSING})

    def __init__(self, network: ProtectedNetwork, description: _Description) -> None:
        super().__init__(network, description, guarded=description.guarded)

    @property
    def available(self) -> bool:
        """Whether it can be said."""
        return super().available and self.entity_description.there(self.network)

    @property
    def native_value(self) -> int | datetime | None:
        """The count, or the moment; None when it is not known."""
        return self.entity_description.value(self.network)

    @property
    def extra_state_attributes(self) -> dict[str, Any]:
        """Who is counted, or what belongs to it."""
        return self.entity_description.attributes(self.network)
