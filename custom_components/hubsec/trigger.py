"""Triggers by name, as `trigger: hubsec.denied`: any of the types that a `hubsec_event` has.

    triggers:
      - trigger: hubsec.denied
        config_entry_id: …   # of one network only; of all of them without it
        device: 00:12:4b:…   # of one device only

What the event holds is in `trigger.event.data`. In the editor of automations they are found as the network's device
triggers, which need no YAML.
"""

from __future__ import annotations

from typing import Any, Final

import voluptuous as vol
from homeassistant.components.homeassistant.triggers import event as event_trigger
from homeassistant.const import CONF_EVENT_DATA, CONF_PLATFORM
from homeassistant.core import CALLBACK_TYPE, HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.trigger import TriggerActionType, TriggerInfo
from homeassistant.helpers.typing import ConfigType

from hubsec import StickerError
from hubsec.identity import any_identity

from .const import DOMAIN, EVENT_HUBSEC
from .telling import ATTR_DEVICE, ATTR_ENTRY_ID, ATTR_TYPE, types

CONF_CONFIG_ENTRY: Final = "config_entry_id"
_PREFIX: Final = f"{DOMAIN}."


def _address(value: Any) -> str:
    try:
        return any_identity(cv.string(value))
    except StickerError as error:
        raise vol.Invalid(error.reason) from error


def _named(value: Any) -> str:
    kind = str(value).removeprefix(_PREFIX)
    if kind not in types():
        raise vol.Invalid(f"{value} is no trigger of {DOMAIN}; they are: {', '.join(sorted(types()))}")
    return _PREFIX + kind


TRIGGER_SCHEMA: Final = cv.TRIGGER_BASE_SCHEMA.extend(
    {
        vol.Required(CONF_PLATFORM): _named,
        vol.Optional(CONF_CONFIG_ENTRY): cv.string,
        vol.Optional(ATTR_DEVICE): _address,
    }
)


async def async_validate_trigger_config(hass: HomeAssistant, config: ConfigType) -> ConfigType:
    """The trigger, if it is one of ours."""
    checked: ConfigType = TRIGGER_SCHEMA(config)
    return checked


async def async_attach_trigger(
    hass: HomeAssistant, config: ConfigType, action: TriggerActionType, trigger_info: TriggerInfo
) -> CALLBACK_TYPE:
    """Run `action` at each event of that type."""
    wanted = {
        ATTR_TYPE: config[CONF_PLATFORM].removeprefix(_PREFIX),
        ATTR_ENTRY_ID: config.get(CONF_CONFIG_ENTRY),
        ATTR_DEVICE: config.get(ATTR_DEVICE),
    }
    data = {key: value for key, value in wanted.items() if value is not None}
    return await attach(hass, data, action, trigger_info, platform=config[CONF_PLATFORM])


async def attach(
    hass: HomeAssistant,
    data: dict[str, str],
    action: TriggerActionType,
    trigger_info: TriggerInfo,
    *,
    platform: str,
) -> CALLBACK_TYPE:
    """Run `action` at each event that has such data. `platform` is what `trigger.platform` says."""
    config = event_trigger.TRIGGER_SCHEMA(
        {
            CONF_PLATFORM: "event",
            event_trigger.CONF_EVENT_TYPE: EVENT_HUBSEC,
            CONF_EVENT_DATA: data,
        }
    )
    return await event_trigger.async_attach_trigger(
        hass, config, action, trigger_info, platform_type=platform
    )
