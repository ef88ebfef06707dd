"""A door lock on a battery."""

from __future__ import annotations

from typing import Unpack

from hubsec_emulated.air import Air
from hubsec_emulated.devices.clusters import AttributeSlot, CommandResult
from hubsec_emulated.devices.device import Device, DeviceOptions
from hubsec_emulated.stack.interface import Role
from hubsec_emulated.wire.zcl import (
    LOCK_STATE_LOCKED,
    LOCK_STATE_UNLOCKED,
    Cluster,
    DataType,
    DoorLock,
    LockCommand,
    LockResponse,
)

LOCK_STATE = 0x0000
_DOOR_LOCK = 0x000A


class Lock(Device):
    """A door lock: an end device that listens all the time. It begins locked and takes commands without a PIN."""

    model = "Lock"
    role_default = Role.END_DEVICE
    device_id = _DOOR_LOCK

    def __init__(self, air: Air, eui64: int, **options: Unpack[DeviceOptions]) -> None:
        super().__init__(air, eui64, **options)
        self._lock = self.serve(
            Cluster.DOOR_LOCK,
            [
                AttributeSlot(LOCK_STATE, DataType.ENUM8, LOCK_STATE_LOCKED),
                AttributeSlot(0x0001, DataType.ENUM8, 0),
                AttributeSlot(0x0002, DataType.BOOL, 1),
            ],
        )
        self._lock.commands = {
            DoorLock.LOCK: lambda payload: self._order(payload, DoorLock.LOCK, LOCK_STATE_LOCKED),
            DoorLock.UNLOCK: lambda payload: self._order(payload, DoorLock.UNLOCK, LOCK_STATE_UNLOCKED),
        }

    @property
    def is_locked(self) -> bool:
        """Whether the bolt is out."""
        return self._lock[LOCK_STATE] == LOCK_STATE_LOCKED

    def toggle(self) -> None:
        """Turn the knob: locked becomes unlocked and back, and is reported if that was configured."""
        self._lock[LOCK_STATE] = LOCK_STATE_UNLOCKED if self.is_locked else LOCK_STATE_LOCKED

    def _order(self, payload: bytes, command: DoorLock, state: int) -> CommandResult:
        LockCommand.decode(payload)
        self._lock[LOCK_STATE] = state
        return CommandResult(response=command, payload=LockResponse(0).encode())
