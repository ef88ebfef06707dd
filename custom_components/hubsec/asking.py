"""Who asked for something in Home Assistant, as hubsec's records are to name them: by a page, or by an action."""

from __future__ import annotations

from typing import Final

from homeassistant.auth.models import User
from homeassistant.components.http.const import KEY_HASS_USER
from homeassistant.core import Context, HomeAssistant, callback
from homeassistant.exceptions import Unauthorized, UnknownUser
from homeassistant.helpers.http import current_request

from hubsec.audit.records import OPERATOR

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


@callback
def page_user() -> str:
    """The name of the user whose browser sent the page that is being answered; the operator, where none did."""
    user = _page_user()
    return (user.name if user is not None else None) or OPERATOR


@callback
def page_context() -> Context:
    """The context of what that user asks for."""
    user = _page_user()
    return Context(user_id=user.id if user is not None else None)


def _page_user() -> User | None:
    request = current_request.get()
    user: User | None = None if request is None else request.get(KEY_HASS_USER)
    return user
