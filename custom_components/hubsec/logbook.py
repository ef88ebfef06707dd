"""hubsec's events in the logbook: a sentence behind the network's name."""

from __future__ import annotations

from collections.abc import Callable

from homeassistant.components.logbook.const import (
    LOGBOOK_ENTRY_ENTITY_ID,
    LOGBOOK_ENTRY_MESSAGE,
    LOGBOOK_ENTRY_NAME,
)
from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.core import Event, HomeAssistant, callback

from .const import DOMAIN, EVENT_HUBSEC
from .telling import ATTR_NETWORK, ATTR_SENTENCE


@callback
def async_describe_events(
    hass: HomeAssistant,
    async_describe_event: Callable[[str, str, Callable[[Event], dict[str, str]]], None],
) -> None:
    """Say how a `hubsec_event` reads."""

    @callback
    def describe(event: Event) -> dict[str, str]:
        said = str(event.data[ATTR_SENTENCE])
        line = {
            LOGBOOK_ENTRY_NAME: str(event.data[ATTR_NETWORK]),
            LOGBOOK_ENTRY_MESSAGE: said[:1].lower() + said[1:],
        }
        if event.data[ATTR_ENTITY_ID]:
            line[LOGBOOK_ENTRY_ENTITY_ID] = event.data[ATTR_ENTITY_ID]
        return line

    async_describe_event(DOMAIN, EVENT_HUBSEC, describe)
