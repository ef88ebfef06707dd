"""Who is asking, as hubsec's records are to name them."""

from __future__ import annotations

from homeassistant.auth.models import User
from homeassistant.components.http.const import KEY_HASS_USER
from homeassistant.core import Context, callback
from homeassistant.helpers.http import current_request

from hubsec.hub import OPERATOR


@callback
def who() -> str:
    """The name of the user whose browser sent the page that is being answered; the operator, where none did."""
    user = _user()
    return (user.name if user is not None else None) or OPERATOR


@callback
def context() -> Context:
    """The context of what that user asks for."""
    user = _user()
    return Context(user_id=user.id if user is not None else None)


def _user() -> User | None:
    request = current_request.get()
    user: User | None = None if request is None else request.get(KEY_HASS_USER)
    return user
