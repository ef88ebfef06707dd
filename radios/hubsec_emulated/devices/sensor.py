"""A contact sensor on a battery: a sleepy end device that is an IAS zone."""

from __future__ import annotations

from typing import Unpack

from hubsec_emulated.air import Air
from hubsec_emulated.devices.clusters import AttributeSlot, CommandResult
from hubsec_emulated.devices.device import Device, DeviceOptions
from hubsec_emulated.stack.interface import Role
from hubsec_emulated.wire.zcl import (
    IAS_ALARM_1,
    IAS_CIE_ADDRESS,
    IAS_CONTACT_SWITCH,
    IAS_ZONE_ID,
    IAS_ZONE_STATE,
    IAS_ZONE_STATUS,
    IAS_ZONE_TYPE,
    Cluster,
    DataType,
    IasZoneClient,
    IasZoneServer,
    ZoneEnrollRequest,
    ZoneEnrollResponse,
    ZoneStatusChange,
)

NOT_ENROLLED_ID = 0xFF
_IAS_ZONE_DEVICE = 0x0402
_BATTERY_PERCENTAGE, _FULL = 0x0021, 200


class ContactSensor(Device):
    """A door or window contact: reports by Zone Status Change Notification once it is enrolled."""

    model = "Contact"
    role_default = Role.SLEEPY_END_DEVICE
    device_id = _IAS_ZONE_DEVICE

    def __init__(self, air: Air, eui64: int, **options: Unpack[DeviceOptions]) -> None:
        super().__init__(air, eui64, **options)
        self.serve(Cluster.POWER_CONFIGURATION, [AttributeSlot(_BATTERY_PERCENTAGE, DataType.UINT8, _FULL)])
        self._zone = self.serve(
            Cluster.IAS_ZONE,
            [
                AttributeSlot(IAS_ZONE_STATE, DataType.ENUM8, 0),
                AttributeSlot(IAS_ZONE_TYPE, DataType.ENUM16, IAS_CONTACT_SWITCH),
                AttributeSlot(IAS_ZONE_STATUS, DataType.MAP16, 0),
                AttributeSlot(
                    IAS_CIE_ADDRESS, DataType.EUI64, 0, writable=True, on_write=self._ask_for_enrollment
                ),
                AttributeSlot(IAS_ZONE_ID, DataType.UINT8, NOT_ENROLLED_ID),
            ],
        )
        self._zone.commands = {IasZoneClient.ENROLL_RESPONSE: self._enrolled}

    @property
    def is_open(self) -> bool:
        """Whether the contact is open."""
        status = self._zone[IAS_ZONE_STATUS]
        return isinstance(status, int) and bool(status & IAS_ALARM_1)

    @property
    def is_enrolled(self) -> bool:
        """Whether a hub enrolled the zone."""
        return bool(self._zone[IAS_ZONE_STATE])

    def open(self) -> None:
        """Open the door."""
        self._set(IAS_ALARM_1)

    def close(self) -> None:
        """Close the door."""
        self._set(0)

    def _set(self, status: int) -> None:
        self._zone[IAS_ZONE_STATUS] = status
        zone_id = self._zone[IAS_ZONE_ID]
        if self.is_enrolled and isinstance(zone_id, int):
            change = ZoneStatusChange(status, zone_id=zone_id)
            self.command(Cluster.IAS_ZONE, IasZoneServer.STATUS_CHANGE, change.encode(), to_client=True)

    def _ask_for_enrollment(self) -> None:
        request = ZoneEnrollRequest(IAS_CONTACT_SWITCH, self.manufacturer_code)
        self.later(
            0.1,
            lambda: self.command(
                Cluster.IAS_ZONE, IasZoneServer.ENROLL_REQUEST, request.encode(), to_client=True
            ),
        )

    def _enrolled(self, payload: bytes) -> CommandResult:
        response = ZoneEnrollResponse.decode(payload)
        if response.code == 0:
            self._zone[IAS_ZONE_ID] = response.zone_id
            self._zone[IAS_ZONE_STATE] = 1
        return CommandResult()

    def _forget(self) -> None:
        super()._forget()
        self._zone[IAS_ZONE_STATE] = 0
        self._zone[IAS_ZONE_ID] = NOT_ENROLLED_ID
        self._zone[IAS_CIE_ADDRESS] = 0
