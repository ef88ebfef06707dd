"""Who is asking, as hubsec's records are to name them."""

from __future__ import annotations

from homeassistant.components.http.const import KEY_HASS_USER
from homeassistant.core import callback
from homeassistant.helpers.http import current_request

from hubsec.hub import OPERATOR


@callback
def who() -> str:
    """The name of the user whose browser sent the page that is being answered; the operator, where none did."""
    request = current_request.get()
    user = None if request is None else request.get(KEY_HASS_USER)
    return getattr(user, "name", None) or OPERATOR
