"""How a protected network stands, yes or no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from homeassistant.components.binary_sensor import BinarySensorEntity, BinarySensorEntityDescription
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import NetworkEntity
from .network import HubsecConfigEntry, ProtectedNetwork


@dataclass(frozen=True, kw_only=True)
class _Description(BinarySensorEntityDescription):
    is_on: Callable[[ProtectedNetwork], bool | None]
    attributes: Callable[[ProtectedNetwork], dict[str, Any]] = lambda _: {}


_SENSORS = (
    _Description(
        key="protected",
        translation_key="protected",
        entity_category=EntityCategory.DIAGNOSTIC,
        is_on=lambda network: network.protected,
        attributes=lambda network: {"guard": network.standing.value, "problem": network.problem or None},
    ),
)


async def async_setup_entry(
    hass: HomeAssistant, entry: HubsecConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """One of each."""
    async_add_entities(NetworkBinarySensor(entry.runtime_data, description) for description in _SENSORS)


class NetworkBinarySensor(NetworkEntity, BinarySensorEntity):
    """One question about the network."""

    entity_description: _Description

    @property
    def is_on(self) -> bool | None:
        """The answer; None when it is not known."""
        return self.entity_description.is_on(self.network)

    @property
    def extra_state_attributes(self) -> dict[str, Any]:
        """What belongs to it."""
        return self.entity_description.attributes(self.network)
