"""Shutting the door at once."""

from __future__ import annotations

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import NetworkEntity
from .network import HubsecConfigEntry

PARALLEL_UPDATES = 1


async def async_setup_entry(
    hass: HomeAssistant, entry: HubsecConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """The one button."""
    description = ButtonEntityDescription(key="close_joining", translation_key="close_joining")
    async_add_entities([CloseJoiningButton(entry.runtime_data, description, guarded=False)])


class CloseJoiningButton(NetworkEntity, ButtonEntity):
    """Ends every way in: admissions, the listening window, and what the stack itself has opened."""

    async def async_press(self) -> None:
        """Close."""
        await self.network.entrance.close()
        there = self.network.stack_entry
        if there is not None:
            await self.network.stack.close(self.hass, there)
        await self.network.look()
