"""What all entities of a protected network share."""

from __future__ import annotations

from homeassistant.core import callback
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.entity import Entity, EntityDescription

from .const import DOMAIN
from .network import ProtectedNetwork


class NetworkEntity(Entity):
    """One of a network's. It is written anew whenever something changed there.

    `guarded` entities know nothing while the guard is not attached, and are unavailable then.
    """

    _attr_has_entity_name = True
    _attr_should_poll = False

    def __init__(
        self, network: ProtectedNetwork, description: EntityDescription, *, guarded: bool = True
    ) -> None:
        self.network = network
        self.entity_description = description
        self._guarded = guarded
        self._attr_unique_id = f"{network.network_id}-{description.key}"
        self._attr_device_info = DeviceInfo(
            entry_type=DeviceEntryType.SERVICE,
            identifiers={(DOMAIN, network.network_id)},
            name=network.entry.title,
            manufacturer="hubsec",
            model=f"Guard on {network.stack.name}",
        )

    @property
    def available(self) -> bool:
        """Whether it can be said."""
        return not self._guarded or self.network.hub is not None

    async def async_added_to_hass(self) -> None:
        """Follow the network."""
        await super().async_added_to_hass()
        self.async_on_remove(self.network.on_change(self._changed))

    @callback
    def _changed(self) -> None:
        self.async_write_ha_state()
