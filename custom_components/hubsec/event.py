"""What happened on a protected network, as an entity: what a person may want to know of, and no more."""

from __future__ import annotations

from typing import Final

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from hubsec.events import (
    Denied,
    Drifted,
    Event,
    Evicted,
    Exposed,
    GuardDetached,
    IdentityChanged,
    Joined,
    JoinFailed,
    KeyRotated,
    KeysDisagree,
    Knocked,
    Left,
    Marked,
    OpenRefused,
    Quarantined,
    RadioLost,
    ReinclusionAwaits,
    ReinclusionEnded,
    ReinclusionStarted,
    Released,
    RemovalAwaited,
    RogueOpening,
    RotationAbandoned,
    RotationOverdue,
    RotationResumed,
    RotationStarted,
    StoreAlarm,
    StoreRecovered,
)

from .entity import NetworkEntity
from .network import HubsecConfigEntry
from .telling import ATTR_ENTRY_ID, ATTR_NETWORK, ATTR_TYPE, EVENTS_KEY, told, type_of

PARALLEL_UPDATES = 0

SHOWN: Final[tuple[type[Event], ...]] = (
    Denied,
    Knocked,
    Joined,
    JoinFailed,
    Left,
    Marked,
    Quarantined,
    Released,
    Evicted,
    RemovalAwaited,
    IdentityChanged,
    OpenRefused,
    RogueOpening,
    Exposed,
    Drifted,
    GuardDetached,
    RadioLost,
    RotationStarted,
    RotationResumed,
    KeyRotated,
    RotationAbandoned,
    RotationOverdue,
    KeysDisagree,
    ReinclusionStarted,
    ReinclusionAwaits,
    ReinclusionEnded,
    StoreAlarm,
    StoreRecovered,
)
OBSERVED: Final = "observed"
"""The type that stands for all of these while hubsec observes: nothing was refused or shut off, whatever it would be
called."""
_ELSEWHERE: Final = frozenset({ATTR_TYPE, ATTR_NETWORK, ATTR_ENTRY_ID, "entity_id"})
"""What the entity says already, by being this network's."""


async def async_setup_entry(
    hass: HomeAssistant, entry: HubsecConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """The one entity."""
    description = EventEntityDescription(
        key=EVENTS_KEY, translation_key=EVENTS_KEY, event_types=[*map(type_of, SHOWN), OBSERVED]
    )
    async_add_entities([NetworkEvents(entry.runtime_data, description, guarded=False)])


class NetworkEvents(NetworkEntity, EventEntity):
    """The latest event; its attributes are those of the `hubsec_event`, the sentence among them."""

    async def async_added_to_hass(self) -> None:
        """Hear the network's events."""
        await super().async_added_to_hass()
        self.async_on_remove(self.network.on_event(self._hear))

    @callback
    def _hear(self, event: Event) -> None:
        if isinstance(event, SHOWN):
            fields = {key: value for key, value in told(self.network, event).items() if key not in _ELSEWHERE}
            acted = getattr(event, "enforced", True)
            self._trigger_event(type_of(event) if acted else OBSERVED, fields)
            self.async_write_ha_state()
