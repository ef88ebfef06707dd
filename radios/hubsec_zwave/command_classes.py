"""Which command classes a role may use, and which of their values it may see.

A command class is what a node can do: switching, locking, being associated with others, exchanging keys. Numbers are
those of the Z-Wave Alliance's list of assigned command classes (SDS13781).
"""

from __future__ import annotations

from typing import Final

from hubsec_zwave.command import Access
from hubsec_zwave.roles import Role

USER_CODE: Final = 0x63
USER_CREDENTIAL: Final = 0x83
ENTRY_CONTROL: Final = 0x6F
"""What is typed into a keypad arrives as its notifications."""

_DOOR_CODES: Final = frozenset({USER_CODE, USER_CREDENTIAL})
_ADMIN_CODES: Final = frozenset({"adminCode", "adminPinCode", "masterCode"})
"""zwave-js's names, present and past, for the values of these classes that change all others."""
_ANY_VALUE: Final = frozenset({"setValue", "pollValue", "schedulePoll"})
"""Methods whose arguments name the value."""

_EVERYDAY: Final = frozenset(
    {
        0x20,  # Basic
        0x25,  # Binary Switch
        0x26,  # Multilevel Switch
        0x2B,  # Scene Activation
        0x2C,  # Scene Actuator Configuration
        0x2D,  # Scene Controller Configuration
        0x30,  # Binary Sensor
        0x31,  # Multilevel Sensor
        0x32,  # Meter
        0x33,  # Color Switch
        0x40,  # Thermostat Mode
        0x42,  # Thermostat Operating State
        0x43,  # Thermostat Setpoint
        0x44,  # Thermostat Fan Mode
        0x45,  # Thermostat Fan State
        0x46,  # Climate Control Schedule
        0x47,  # Thermostat Setback
        0x4C,  # Door Lock Logging
        0x4E,  # Schedule Entry Lock
        0x50,  # Basic Window Covering
        0x5B,  # Central Scene
        0x5E,  # Z-Wave Plus Info
        0x62,  # Door Lock
        USER_CODE,
        0x64,  # Humidity Control Setpoint
        0x66,  # Barrier Operator
        0x6A,  # Window Covering
        0x6B,  # Irrigation
        0x6D,  # Humidity Control Mode
        0x6E,  # Humidity Control Operating State
        ENTRY_CONTROL,
        0x70,  # Configuration
        0x71,  # Notification
        0x72,  # Manufacturer Specific
        0x75,  # Protection
        0x76,  # Lock
        0x77,  # Node Naming and Location
        0x79,  # Sound Switch
        0x80,  # Battery
        0x81,  # Clock
        USER_CREDENTIAL,
        0x86,  # Version
        0x87,  # Indicator
        0x89,  # Language
        0x8A,  # Time
        0x8B,  # Time Parameters
        0x90,  # Energy Production
        0x9C,  # Alarm Sensor
    }
)
"""What devices are there for: their methods take no nodes and no frames."""

_EVERYDAY_VALUES: Final = _EVERYDAY | {
    0x84,  # Wake Up: the interval is a value; whom it wakes up for is an argument of its method
    0x91,  # Manufacturer Proprietary: some blinds are moved by such values; its method sends any bytes
}


def role_for_value(command_class: int, name: object) -> Role:
    """The role that sees the value `name` of this class."""
    if command_class in _DOOR_CODES:
        return Role.ADMINISTER if str(name) in _ADMIN_CODES else Role.CONTROL
    return Role.CONTROL if command_class == ENTRY_CONTROL else Role.OBSERVE


def role_for_class(access: Access, command_class: int, name: str = "") -> Role:
    """The role that may do so with this class. `name` is the method's, or the value's.

    A class that is not known to be harmless, key exchange, associations and firmware among them, is the
    administrator's.
    """
    match access:
        case Access.PLAIN:
            return Role.OBSERVE
        case Access.READ:
            return role_for_value(command_class, name)
        case Access.WRITE:
            harmless = command_class in _EVERYDAY_VALUES and name not in _ADMIN_CODES
        case _:
            any_code = command_class in _DOOR_CODES and name in _ANY_VALUE
            harmless = command_class in _EVERYDAY and "admin" not in name.lower() and not any_code
    return Role.CONTROL if harmless else Role.ADMINISTER


def names_nodes(command_class: int) -> bool:
    """Whether arguments of this class's methods may name nodes, in whatever form."""
    return command_class not in _EVERYDAY
