"""Who asked for something in Home Assistant, as hubsec's records are to name them."""

from __future__ import annotations

from typing import Final

from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import Unauthorized, UnknownUser

HOME_ASSISTANT: Final = "Home Assistant"
"""Whoever is no user: an automation, a script, Home Assistant itself."""


async def asker(hass: HomeAssistant, context: Context | None) -> str:
    """The name of the user of that context."""
    if context is None or context.user_id is None:
        return HOME_ASSISTANT
    user = await hass.auth.async_get_user(context.user_id)
    return user.name or HOME_ASSISTANT if user is not None else HOME_ASSISTANT


def in_person(context: Context | None) -> bool:
    """Whether a user asked, and no automation. A script that a user runs is that user."""
    return context is not None and context.user_id is not None


async def administrators_only(hass: HomeAssistant, context: Context | None) -> None:
    """Raises :class:`homeassistant.exceptions.Unauthorized` for a user who is no administrator, and
    :class:`homeassistant.exceptions.UnknownUser` for one that is gone. Whoever is no user may: automations are written
    by administrators."""
    if context is None or context.user_id is None:
        return
    user = await hass.auth.async_get_user(context.user_id)
    if user is None:
        raise UnknownUser(context=context)
    if not user.is_admin:
        raise Unauthorized(context=context)
