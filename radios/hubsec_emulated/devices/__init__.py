"""Ready-made devices: what a house has."""

from hubsec_emulated.devices.device import Device
from hubsec_emulated.devices.lock import Lock
from hubsec_emulated.devices.onoff import Lamp, Plug
from hubsec_emulated.devices.sensor import ContactSensor

__all__ = ["ContactSensor", "Device", "Lamp", "Lock", "Plug"]
