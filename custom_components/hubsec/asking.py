"""Who asked for something in Home Assistant, as hubsec's records are to name them."""

from __future__ import annotations

from typing import Final

from homeassistant.core import Context, HomeAssistant

HOME_ASSISTANT: Final = "Home Assistant"
"""Whoever is no user: an automation, a script, Home Assistant itself."""


async def asker(hass: HomeAssistant, context: Context | None) -> str:
    """The name of the user of that context."""
    if context is None or context.user_id is None:
        return HOME_ASSISTANT
    user = await hass.auth.async_get_user(context.user_id)
    return user.name or HOME_ASSISTANT if user is not None else HOME_ASSISTANT
