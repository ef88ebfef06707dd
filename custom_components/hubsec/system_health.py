"""How hubsec is, in a line or two, on Home Assistant's page of system information."""

from __future__ import annotations

from typing import Any

from homeassistant.components import system_health
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback

import hubsec

from .const import DOMAIN


@callback
def async_register(hass: HomeAssistant, register: system_health.SystemHealthRegistration) -> None:
    """Register the lines."""
    register.async_register_info(system_health_info)


async def system_health_info(hass: HomeAssistant) -> dict[str, Any]:
    """The lines: hubsec's version, and of how many networks the guard stands, and which do not."""
    entries = hass.config_entries.async_entries(DOMAIN)
    networks = [entry.runtime_data for entry in entries if entry.state is ConfigEntryState.LOADED]
    unprotected = [f"{one.entry.title} ({one.standing})" for one in networks if not one.protected]
    return {
        "version": hubsec.__version__,
        "networks": len(entries),
        "protected": sum(one.protected for one in networks),
        "unprotected": ", ".join(unprotected) or "none",
    }
