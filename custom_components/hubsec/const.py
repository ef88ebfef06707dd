"""Names that several parts of the component share."""

from __future__ import annotations

from typing import Final

from homeassistant.const import Platform

DOMAIN: Final = "hubsec"

# What an entry remembers. `unique_id` is the network's id: the extended PAN id, or the home id.
CONF_STACK: Final = "stack"
"""The domain of the integration that runs the network."""
CONF_STACK_ENTRY: Final = "stack_entry_id"
"""Its config entry."""
CONF_ADOPT: Final = "adopt"
"""The devices that a user has confirmed, until the hub has written them down."""
CONF_UNDERSTOOD: Final = "understood"
"""What a user was told and can't mend, once they have said that they know."""

# What a user chooses.
CONF_POLICY: Final = "policy"
CONF_MODE: Final = "mode"

EVENT_HUBSEC: Final = "hubsec_event"
"""The event on Home Assistant's bus."""

PLATFORMS: Final = [
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.EVENT,
    Platform.SENSOR,
    Platform.SWITCH,
]
