"""What kind of thing a device is, in the few words that a policy uses.

The words serve both networks. On Zigbee they come from the device ids that a device's simple descriptors name (Zigbee
Cluster Library application profiles: Home Automation 0x0104, and Light Link 0xC05E, whose ids mean other things). It
is the device that says so, and nothing proves it: a class tightens what is asked of a device, and never loosens what
it was let in by.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable


class DeviceClass(enum.StrEnum):
    """A device's kind. The order is the order of care: of two, the earlier one is what counts."""

    LOCK = "lock"
    """A door lock."""
    KEYPAD = "keypad"
    """What locks and alarms are operated with."""
    SIREN = "siren"
    """A warning device."""
    COVER = "cover"
    """A blind, shade, or door drive."""
    THERMOSTAT = "thermostat"
    """Whatever heats or cools, or commands that."""
    PLUG = "plug"
    """A switched outlet or relay."""
    LAMP = "lamp"
    """A light."""
    SWITCH = "switch"
    """A button, dimmer or remote that commands others."""
    SENSOR = "sensor"
    """It measures or notices."""
    OTHER = "other"
    """Anything else, and whatever said nothing that is known here."""


HOME_AUTOMATION = 0x0104
"""Profile id of Zigbee Home Automation; Zigbee 3.0 devices use it too."""
LIGHT_LINK = 0xC05E
"""Profile id of Zigbee Light Link."""

_HOME_AUTOMATION_IDS: dict[DeviceClass, tuple[int, ...]] = {
    DeviceClass.LOCK: (0x000A,),
    DeviceClass.KEYPAD: (0x000B, 0x0401),
    DeviceClass.SIREN: (0x0403,),
    DeviceClass.COVER: (0x0200, 0x0202),
    DeviceClass.THERMOSTAT: (0x0300, 0x0301, 0x0307),
    DeviceClass.PLUG: (0x0002, 0x0003, 0x0009, 0x0051, 0x010A, 0x010B),
    DeviceClass.LAMP: (0x0100, 0x0101, 0x0102, 0x0108, 0x0109, 0x010C, 0x010D),
    DeviceClass.SWITCH: (0x0000, 0x0001, 0x0004, 0x0006, 0x0103, 0x0104, 0x0105, 0x0201, 0x0203),
    DeviceClass.SENSOR: (0x000C, 0x000D, 0x0053, 0x0106, 0x0107, 0x010E, 0x0302, 0x0305, 0x0306, 0x0402),
}
_LIGHT_LINK_IDS: dict[DeviceClass, tuple[int, ...]] = {
    DeviceClass.LAMP: (0x0000, 0x0100, 0x0200, 0x0210, 0x0220),
    DeviceClass.PLUG: (0x0010, 0x0110),
    DeviceClass.SWITCH: (0x0800, 0x0810, 0x0820, 0x0830, 0x0840),
    DeviceClass.SENSOR: (0x0850,),
}
_BY_ID: dict[tuple[int, int], DeviceClass] = {
    (profile, number): device_class
    for profile, table in ((HOME_AUTOMATION, _HOME_AUTOMATION_IDS), (LIGHT_LINK, _LIGHT_LINK_IDS))
    for device_class, numbers in table.items()
    for number in numbers
}
_CARE = {device_class: place for place, device_class in enumerate(DeviceClass)}


def zigbee_device_class(endpoints: Iterable[tuple[int, int]]) -> DeviceClass:
    """The class of a device whose endpoints have these (profile id, device id) pairs; the one that needs most care
    wins."""
    found = (_BY_ID.get(pair, DeviceClass.OTHER) for pair in endpoints)
    return min(found, key=_CARE.__getitem__, default=DeviceClass.OTHER)
