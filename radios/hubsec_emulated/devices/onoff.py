"""Mains devices that switch: a lamp and a plug. Both are routers."""

from __future__ import annotations

from typing import Unpack

from hubsec_emulated.air import Air
from hubsec_emulated.devices.clusters import AttributeSlot, CommandResult
from hubsec_emulated.devices.device import Device, DeviceOptions
from hubsec_emulated.errors import FrameError
from hubsec_emulated.wire.zcl import Cluster, DataType, OnOff, ZclStatus

ON_OFF_STATE = 0x0000
CURRENT_LEVEL = 0x0000
MAX_LEVEL = 0xFE
"""Highest value of CurrentLevel, ZCL 3.10.2.3.1."""
_MOVE_TO_LEVEL, _MOVE_TO_LEVEL_WITH_ON_OFF = 0x00, 0x04
_ON_OFF_LIGHT, _DIMMABLE_LIGHT, _SMART_PLUG = 0x0100, 0x0101, 0x0051


class Switchable(Device):
    """Something with an On/Off server cluster."""

    def __init__(self, air: Air, eui64: int, **options: Unpack[DeviceOptions]) -> None:
        super().__init__(air, eui64, **options)
        self._on_off = self.serve(Cluster.ON_OFF, [AttributeSlot(ON_OFF_STATE, DataType.BOOL, 0)])
        self.serve(Cluster.GROUPS, [AttributeSlot(0x0000, DataType.MAP8, 0)])
        self._on_off.commands = {
            OnOff.OFF: lambda _: self._switch(False),
            OnOff.ON: lambda _: self._switch(True),
            OnOff.TOGGLE: lambda _: self._switch(not self.is_on),
        }

    @property
    def is_on(self) -> bool:
        """Whether it is switched on."""
        return bool(self._on_off[ON_OFF_STATE])

    def press(self) -> None:
        """Press the button on the device: it toggles, and reports that if it was told to."""
        self._switch(not self.is_on)

    def _switch(self, on: bool) -> CommandResult:
        self._on_off[ON_OFF_STATE] = int(on)
        return CommandResult()


class Plug(Switchable):
    """A smart plug."""

    model = "Plug"
    device_id = _SMART_PLUG


class Lamp(Switchable):
    """A lamp; with `dimmable` it has a level as well."""

    model = "Lamp"
    device_id = _ON_OFF_LIGHT

    def __init__(
        self, air: Air, eui64: int, *, dimmable: bool = False, **options: Unpack[DeviceOptions]
    ) -> None:
        if dimmable:
            self.device_id = _DIMMABLE_LIGHT
        super().__init__(air, eui64, **options)
        self._dimmer = None
        if dimmable:
            self._dimmer = self.serve(
                Cluster.LEVEL, [AttributeSlot(CURRENT_LEVEL, DataType.UINT8, MAX_LEVEL)]
            )
            self._dimmer.commands = {
                _MOVE_TO_LEVEL: self._move_to_level,
                _MOVE_TO_LEVEL_WITH_ON_OFF: self._move_with_on_off,
            }

    @property
    def level(self) -> int:
        """Brightness, 0 to 254; 254 for a lamp that can't be dimmed."""
        value = MAX_LEVEL if self._dimmer is None else self._dimmer[CURRENT_LEVEL]
        return value if isinstance(value, int) else MAX_LEVEL

    def _move_to_level(self, payload: bytes) -> CommandResult:
        if not payload:
            raise FrameError("Move to Level has a level.")
        if self._dimmer is None or payload[0] > MAX_LEVEL:
            return CommandResult(ZclStatus.INVALID_VALUE)
        self._dimmer[CURRENT_LEVEL] = payload[0]
        return CommandResult()

    def _move_with_on_off(self, payload: bytes) -> CommandResult:
        result = self._move_to_level(payload)
        if result.status is ZclStatus.SUCCESS:
            self._switch(payload[0] > 0)
        return result
