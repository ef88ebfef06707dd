"""How many are on a protected network, and how many may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from homeassistant.components.sensor import SensorEntity, SensorEntityDescription, SensorStateClass
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import NetworkEntity
from .network import HubsecConfigEntry, ProtectedNetwork
from .residents import Resident, residents
from .telling import called

PARALLEL_UPDATES = 0

_ATTR_DEVICES: Final = "devices"


@dataclass(frozen=True, kw_only=True)
class _Description(SensorEntityDescription):
    value: Callable[[ProtectedNetwork], int | None]
    attributes: Callable[[ProtectedNetwork], dict[str, Any]] = lambda _: {}


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
)


async def async_setup_entry(
    hass: HomeAssistant, entry: HubsecConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """One of each."""
    async_add_entities(NetworkSensor(entry.runtime_data, description) for description in _SENSORS)


class NetworkSensor(NetworkEntity, SensorEntity):
    """One count."""

    entity_description: _Description
    _unrecorded_attributes = frozenset({_ATTR_DEVICES})

    @property
    def native_value(self) -> int | None:
        """The count; None when it is not known."""
        return self.entity_description.value(self.network)

    @property
    def extra_state_attributes(self) -> dict[str, Any]:
        """Who is counted."""
        return self.entity_description.attributes(self.network)
