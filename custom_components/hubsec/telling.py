"""Everything that hubsec says, on Home Assistant's bus: one `hubsec_event` for each of its events.

What is in each: `type` (hubsec's own word for it), `network` and `entry_id`, `device` (its address, or None) with
`name` and `device_id` (Home Assistant's own id of it, where it has one), `entity_id` (the network's event entity, so
that the logbook finds it), and `sentence`; and the fields that this type of event has. All of it is JSON, none of it is
a secret, and nothing is told for each frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from homeassistant.components.event import DOMAIN as EVENT_DOMAIN
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, Context, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er

from hubsec import Identity, Mode
from hubsec.events import Event
from hubsec.events_json import event_types
from hubsec_zigbee.makers import maker_of

from .const import CONF_MODE, CONF_POLICY, DOMAIN, EVENT_HUBSEC
from .naming import in_one_line
from .network import DEFAULT_MODE, DEFAULT_POLICY, ProtectedNetwork
from .sentences import capitalized, sentence
from .stacks import STACKS

ATTR_DEVICE: Final = "device"
ATTR_ENTRY_ID: Final = "entry_id"
ATTR_NETWORK: Final = "network"
ATTR_SENTENCE: Final = "sentence"
ATTR_TYPE: Final = "type"

MODE_CHANGED: Final = "mode_changed"
POLICY_CHANGED: Final = "policy_changed"
"""The two types that are told of a change in Home Assistant instead of one in hubsec."""
_TAG: Final = "event"
EVENTS_KEY: Final = "events"
"""The key of each network's event entity."""


def type_of(event: type[Event] | Event) -> str:
    """What an event's type is called in Home Assistant: hubsec's own word, with underscores."""
    return str(event.__struct_config__.tag).replace("-", "_")


def types() -> frozenset[str]:
    """Every type that can be told."""
    return frozenset({MODE_CHANGED, POLICY_CHANGED, *map(type_of, event_types())})


@callback
def tell(network: ProtectedNetwork) -> CALLBACK_TYPE:
    """Put each of the network's events on the bus. What comes back ends that."""

    @callback
    def hear(event: Event) -> None:
        network.hass.bus.async_fire(EVENT_HUBSEC, told(network, event))

    return network.on_event(hear)


@callback
def told(network: ProtectedNetwork, event: Event) -> dict[str, Any]:
    """What the bus gets to know of `event`."""
    fields: dict[str, Any] = msgspec.to_builtins(event)
    del fields[_TAG]
    said = capitalized(sentence(event, lambda device: called(network, device)))
    there, device = registered_device(network, event.device), event.device
    return {
        **_about(network.hass, network.entry, type_of(event)),
        ATTR_DEVICE: device,
        "device_id": there.id if there is not None else None,
        "name": name_of(network, device) if device is not None else None,
        **fields,
        ATTR_SENTENCE: said,
    }


@callback
def tell_choices(
    hass: HomeAssistant, entry: ConfigEntry, options: Mapping[str, Any], *, by: str, context: Context | None
) -> None:
    """Tell which of these options `by` chose otherwise than `entry` says still, whether or not it is loaded. `context`
    is that of their asking."""

    @callback
    def changed(kind: str, chosen: dict[str, str], said: str) -> None:
        about = {**_about(hass, entry, kind), ATTR_DEVICE: None, "device_id": None, "name": None}
        sentence = f"{said} from now on, on {by}'s word"
        hass.bus.async_fire(
            EVENT_HUBSEC, {**about, **chosen, "by": by, ATTR_SENTENCE: sentence}, context=context
        )

    policy = options.get(CONF_POLICY, DEFAULT_POLICY)
    if policy != entry.options.get(CONF_POLICY, DEFAULT_POLICY):
        changed(POLICY_CHANGED, {"policy": policy}, f"Has the policy {policy}")
    mode = Mode(options.get(CONF_MODE, DEFAULT_MODE))
    if mode is not Mode(entry.options.get(CONF_MODE, DEFAULT_MODE)):
        said = "Enforces its policy" if mode is Mode.ENFORCE else "Only observes"
        changed(MODE_CHANGED, {"mode": mode.value}, said)


# Who is who


@callback
def registered(hass: HomeAssistant, stack_entry_id: str) -> Mapping[str, dr.DeviceEntry]:
    """Home Assistant's own entries for the devices of the stack's entry, by what they are called on its network: their
    identity, or their address there."""
    there = hass.config_entries.async_get_entry(stack_entry_id)
    if there is None:
        return {}
    return {
        address: device
        for device in dr.async_entries_for_config_entry(dr.async_get(hass), stack_entry_id)
        for address in STACKS[there.domain].addresses(device)
    }


@callback
def address_of(network: ProtectedNetwork, device: str) -> str:
    """Where that device is on its network; its identity, where that says it."""
    entry = network.hub.allowlist.get(Identity(device)) if network.hub is not None else None
    return entry.address if entry is not None and entry.address is not None else device


@callback
def device_at(network: ProtectedNetwork, address: str) -> Identity:
    """Who is at that address, as far as the allowlist knows."""
    entries = network.hub.allowlist.list() if network.hub is not None else ()
    return next((entry.device for entry in entries if entry.address == address), Identity(address))


@callback
def registered_device(network: ProtectedNetwork, device: str | None) -> dr.DeviceEntry | None:
    """Home Assistant's own entry for that device of the network; None where it has none."""
    if device is None or network.stack_entry is None:
        return None
    return registered(network.hass, network.stack_entry.entry_id).get(address_of(network, device))


@callback
def name_there(network: ProtectedNetwork, device: str) -> str | None:
    """What the device is called on the stack's own pages; None where it has no name there."""
    there = registered_device(network, device)
    return in_one_line(there.name_by_user or there.name) or None if there is not None else None


@callback
def name_of(network: ProtectedNetwork, device: str) -> str | None:
    """What the device is called: by the user, on the allowlist, by the stack; None where nobody has named it."""
    there = registered_device(network, device)
    if there is not None and there.name_by_user:
        return in_one_line(there.name_by_user) or None
    entry = network.hub.allowlist.get(Identity(device)) if network.hub is not None else None
    if entry is not None and entry.label != device:
        return entry.label
    return in_one_line(there.name) or None if there is not None else None


@callback
def called(network: ProtectedNetwork, device: str | None) -> str:
    """What a sentence calls the device: its name; where it has none, its address and whose address block that is in."""
    if device is None:
        return "a device"
    name = name_of(network, device)
    if name is not None:
        return name
    maker = maker_of(Identity(device))
    return f"{device} (address block of {maker})" if maker is not None else device


@callback
def _about(hass: HomeAssistant, entry: ConfigEntry, kind: str) -> dict[str, Any]:
    unique_id = f"{entry.unique_id}-{EVENTS_KEY}"
    return {
        ATTR_TYPE: kind,
        ATTR_NETWORK: entry.title,
        ATTR_ENTRY_ID: entry.entry_id,
        "entity_id": er.async_get(hass).async_get_entity_id(EVENT_DOMAIN, DOMAIN, unique_id),
    }
