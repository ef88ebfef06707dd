"""What kind of thing a device is, in the few words that a policy uses.

The words serve both networks. On Zigbee they come from the device ids that a device's simple descriptors name (Zigbee
Cluster Library application profiles: Home Automation 0x0104, and Light Link 0xC05E, whose ids mean other things). On
Z-Wave they come from a device's generic and specific device class and from its command classes (the registries of
device classes and command classes, in the state of Z-Wave JS 15.29). It is the device that says so, and nothing proves
it: a class tightens what is asked of a device, and never loosens what it was let in by.
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
    BARRIER = "barrier"
    """A garage door, gate, or what drives one. Zigbee has no device id for it: such a device says something else."""
    SIREN = "siren"
    """A warning device."""
    COVER = "cover"
    """A blind, shade, or awning."""
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

_SPECIFIC_CLASSES: dict[DeviceClass, dict[int, tuple[int, ...]]] = {
    DeviceClass.LOCK: {0x40: (1, 2, 3, 10)},
    DeviceClass.KEYPAD: {0x40: (11,)},
    DeviceClass.BARRIER: {0x40: (5, 6, 7, 8, 9)},
    DeviceClass.SIREN: {0x03: (1, 18), 0x10: (5,)},
    DeviceClass.COVER: {0x11: (3, 5, 6, 7)},
    DeviceClass.LAMP: {0x10: (2,), 0x11: (1, 2)},
    DeviceClass.SWITCH: {0x02: (2,)},
    DeviceClass.OTHER: {0x10: (6, 7), 0x11: (8,)},
}
"""What a specific device class tells, where it tells more than its generic one."""
_GENERIC_CLASSES: dict[DeviceClass, tuple[int, ...]] = {
    # An entry control device whose kind is not known is taken for a lock: the class of most care among them.
    DeviceClass.LOCK: (0x40,),
    # An alarm's panel is what the alarm is operated with.
    DeviceClass.KEYPAD: (0x17,),
    DeviceClass.THERMOSTAT: (0x08,),
    DeviceClass.COVER: (0x09,),
    DeviceClass.PLUG: (0x10, 0x13),
    DeviceClass.LAMP: (0x11,),
    DeviceClass.SWITCH: (0x01, 0x12, 0x18),
    DeviceClass.SENSOR: (0x07, 0x20, 0x21, 0x30, 0x31, 0xA1),
}
_COMMAND_CLASSES: dict[DeviceClass, tuple[int, ...]] = {
    # Door Lock, Door Lock Logging, Schedule Entry Lock, Lock.
    DeviceClass.LOCK: (0x62, 0x4C, 0x4E, 0x76),
    # Entry Control, User Code, User Credential.
    DeviceClass.KEYPAD: (0x6F, 0x63, 0x83),
    DeviceClass.BARRIER: (0x66,),
    # Sound Switch.
    DeviceClass.SIREN: (0x79,),
    # Window Covering, Basic Window Covering, Move To Position Window Covering.
    DeviceClass.COVER: (0x6A, 0x50, 0x51),
    # Thermostat Mode and Thermostat Setpoint.
    DeviceClass.THERMOSTAT: (0x40, 0x43),
}
"""The command classes that a device carries for what it does, whatever it calls itself. Those of switches and sensors
are left out: nearly every device has one of them besides."""
_OF_SPECIFIC = {
    (generic, specific): device_class
    for device_class, table in _SPECIFIC_CLASSES.items()
    for generic, numbers in table.items()
    for specific in numbers
}
_OF_GENERIC = {
    number: device_class for device_class, numbers in _GENERIC_CLASSES.items() for number in numbers
}
_OF_COMMANDS = {
    number: device_class for device_class, numbers in _COMMAND_CLASSES.items() for number in numbers
}
_CARE = {device_class: place for place, device_class in enumerate(DeviceClass)}


def zigbee_device_class(endpoints: Iterable[tuple[int, int]]) -> DeviceClass:
    """The class of a device whose endpoints have these (profile id, device id) pairs; the one that needs most care
    wins."""
    found = (_BY_ID.get(pair, DeviceClass.OTHER) for pair in endpoints)
    return min(found, key=_CARE.__getitem__, default=DeviceClass.OTHER)


def zwave_device_class(generic: int, specific: int, command_classes: Iterable[int] = ()) -> DeviceClass:
    """The class of a device with these generic and specific device classes that supports these command classes (not
    those that it only controls); the one that needs most care wins. Numbers that mean nothing here change nothing."""
    own = _OF_SPECIFIC.get((generic, specific)) or _OF_GENERIC.get(generic, DeviceClass.OTHER)
    found = (_OF_COMMANDS.get(number, DeviceClass.OTHER) for number in command_classes)
    return min((own, *found), key=_CARE.__getitem__)
