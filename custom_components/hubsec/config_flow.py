"""Setting a network up for protection, in the user interface."""

from __future__ import annotations

from homeassistant.config_entries import ConfigFlow

from .const import DOMAIN


class HubsecConfigFlow(ConfigFlow, domain=DOMAIN):
    """One entry for each network."""

    VERSION = 1
