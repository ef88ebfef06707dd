"""The triggers in the editor of automations: on the network's device, one for each type that its event entity shows."""

from __future__ import annotations

from typing import Final

import voluptuous as vol
from homeassistant.components.device_automation import DEVICE_TRIGGER_BASE_SCHEMA
from homeassistant.components.device_automation.exceptions import InvalidDeviceAutomationConfig
from homeassistant.const import CONF_DEVICE_ID, CONF_DOMAIN, CONF_PLATFORM, CONF_TYPE
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.trigger import TriggerActionType, TriggerInfo
from homeassistant.helpers.typing import ConfigType

from .const import DOMAIN
from .event import SHOWN
from .telling import ATTR_ENTRY_ID, ATTR_TYPE, type_of
from .trigger import attach

TYPES: Final = tuple(type_of(kind) for kind in SHOWN)

TRIGGER_SCHEMA: Final = DEVICE_TRIGGER_BASE_SCHEMA.extend({vol.Required(CONF_TYPE): vol.In(TYPES)})


async def async_get_triggers(hass: HomeAssistant, device_id: str) -> list[dict[str, str]]:
    """What a network's device can trigger."""
    if _entry_id(hass, device_id) is None:
        return []
    of_device = {CONF_PLATFORM: "device", CONF_DEVICE_ID: device_id, CONF_DOMAIN: DOMAIN}
    return [{**of_device, CONF_TYPE: kind} for kind in TYPES]


async def async_attach_trigger(
    hass: HomeAssistant, config: ConfigType, action: TriggerActionType, trigger_info: TriggerInfo
) -> CALLBACK_TYPE:
    """Run `action` at each event of that type on that network."""
    entry_id = _entry_id(hass, config[CONF_DEVICE_ID])
    if entry_id is None:
        raise InvalidDeviceAutomationConfig(f"Device {config[CONF_DEVICE_ID]} is none of {DOMAIN}'s networks")
    data = {ATTR_TYPE: config[CONF_TYPE], ATTR_ENTRY_ID: entry_id}
    return await attach(hass, data, action, trigger_info, platform="device")


@callback
def _entry_id(hass: HomeAssistant, device_id: str) -> str | None:
    """The entry of the network whose device that is."""
    device = dr.async_get(hass).async_get(device_id)
    ours = {network_id for domain, network_id in device.identifiers if domain == DOMAIN} if device else set()
    for entry in hass.config_entries.async_entries(DOMAIN):
        if entry.unique_id in ours:
            return entry.entry_id
    return None
