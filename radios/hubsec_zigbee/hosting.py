"""What the guard reads from zigpy, and what it hears from it. Nothing here enforces: zigpy swallows what a
listener raises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import bellows.types as t
import zigpy.device

from hubsec.errors import RadioError
from hubsec.identity import Identity
from hubsec.policy import zigbee_device_class
from hubsec.radio import SeenDevice
from hubsec_zigbee.backups import dead
from hubsec_zigbee.limits import MAX_TEXT
from hubsec_zigbee.ncp import eui64_of, identity_from

_ZIGBEE_DEVICE: Final = getattr(zigpy.device, "ZigbeeDevice", zigpy.device.Device)
"""From 2.4 on zigpy's devices are of several kinds; a Green Power device has neither keys nor a node descriptor."""
_REVISION_SHIFT: Final = 9
"""The stack compliance revision is in the upper seven bits of the server mask (Zigbee specification 2.3.2.3.10)."""
_RX_ON_WHEN_IDLE: Final = 0x08
"""A bit of the MAC capability flags (2.3.2.3.6)."""
_CHILD: Final = 0x01
"""Mgmt_Lqi: the neighbour is a child of whoever was asked (2.4.4.3.2.1)."""


def sanitized(text: object) -> str | None:
    """What a device says, fit to be shown: printable, without surrounding space, cut. None for nothing."""
    if not isinstance(text, str):
        return None
    shown = "".join(character for character in text if character.isprintable()).strip()[:MAX_TEXT]
    return shown or None


class Hosting:
    """`app` is the running zigpy `ControllerApplication`; the callbacks get an identity."""

    def __init__(
        self,
        app: Any,
        *,
        interviewed: Callable[[Identity], None],
        lost: Callable[[str], None],
    ) -> None:
        self.app = app
        self._interviewed = interviewed
        self._lost = lost
        self._listening = False

    # zigpy's listener interface: methods are found by name.

    def device_initialized(self, device: Any) -> None:
        """zigpy has interviewed a device, or met it again."""
        if isinstance(device, _ZIGBEE_DEVICE) and not self._is_coordinator(device):
            self._interviewed(identity_from(device.ieee))

    device_reinterviewed = device_initialized

    def connection_lost(self, error: object) -> None:
        """The connection ended. bellows says so too when it closes the connection itself; that is no loss."""
        if error is not None:
            self._lost(type(error).__name__)
        elif not self._stopped():
            self._lost("the other end closed the connection")

    def _stopped(self) -> bool:
        """Whether this is a bellows that has stopped its EZSP, as it does first when it disconnects."""
        return hasattr(self.app, "_ezsp") and (self.app._ezsp is None or not self.app._ezsp.is_ezsp_running)

    def hear(self) -> None:
        """Listen to zigpy from now on."""
        if not self._listening:
            self.app.add_listener(self)
            self._listening = True

    def hear_no_more(self) -> None:
        """Stop listening."""
        if self._listening:
            self.app.remove_listener(self)
            self._listening = False

    # Reading

    @property
    def network_id(self) -> str:
        """The extended PAN id as 16 hex digits."""
        return str(self.app.state.network_info.extended_pan_id).replace(":", "").lower()

    def coordinator(self) -> Identity:
        """The coordinator's identity."""
        return identity_from(self.app.state.node_info.ieee)

    def _is_coordinator(self, device: Any) -> bool:
        return bool(device.ieee == self.app.state.node_info.ieee)

    def _zigbee_devices(self) -> Iterator[Any]:
        devices = self.app.devices.values()
        return (d for d in devices if isinstance(d, _ZIGBEE_DEVICE) and not self._is_coordinator(d))

    def find(self, device: Identity) -> Any:
        """zigpy's own object; raises :class:`~hubsec.errors.RadioError` if it has none."""
        found = self._found(device)
        if found is None:
            raise RadioError(f"zigpy has no device {device}.")
        return found

    def _found(self, device: Identity) -> Any:
        found = self.app.devices.get(eui64_of(device))
        return found if isinstance(found, _ZIGBEE_DEVICE) else None

    def seen(self) -> list[SeenDevice]:
        """Every device that zigpy has, the coordinator left out."""
        return [self._seen(device) for device in self._zigbee_devices()]

    def _seen(self, device: Any) -> SeenDevice:
        manufacturer, model = sanitized(device.manufacturer), sanitized(device.model)
        identity = identity_from(device.ieee)
        name = " ".join(part for part in (manufacturer, model) if part) or identity
        return SeenDevice(
            device=identity, name=name, manufacturer=manufacturer, model=model, device_class=_class_of(device)
        )

    def described(self, device: Identity) -> SeenDevice | None:
        """What one device says of itself, None if zigpy does not have it."""
        found = self._found(device)
        return None if found is None else self._seen(found)

    def places(self) -> Iterator[tuple[Identity, int]]:
        """Every device with its short address."""
        return ((identity_from(device.ieee), int(device.nwk)) for device in self._zigbee_devices())

    def stack_revision(self, device: Identity) -> int | None:
        """From its node descriptor, None while that is not there."""
        descriptor = getattr(self._found(device), "node_desc", None)
        mask = getattr(descriptor, "server_mask", None)
        return None if mask is None else int(mask) >> _REVISION_SHIFT

    def identity_at(self, short: int) -> Identity | None:
        """Who zigpy thinks is at `short`."""
        try:
            found = self.app.get_device(nwk=short)
        except KeyError:
            return None
        ours = isinstance(found, _ZIGBEE_DEVICE) and not self._is_coordinator(found)
        return identity_from(found.ieee) if ours else None

    def short_of(self, device: Identity) -> int | None:
        """Its short address as zigpy has it."""
        found = self._found(device)
        return None if found is None else int(found.nwk)

    def is_end_device(self, device: Identity) -> bool:
        """Whether its node descriptor says so."""
        descriptor = getattr(self._found(device), "node_desc", None)
        return descriptor is not None and bool(descriptor.is_end_device)

    def is_sleepy(self, device: Identity) -> bool:
        """Whether its receiver is off when idle, as its node descriptor says."""
        descriptor = getattr(self._found(device), "node_desc", None)
        flags = getattr(descriptor, "mac_capability_flags", None)
        return self.is_end_device(device) and flags is not None and not int(flags) & _RX_ON_WHEN_IDLE

    def parent_of(self, device: Identity) -> Identity | None:
        """Its parent, from zigpy's last topology scan; None for a router, or when there was none."""
        if not self.is_end_device(device):
            return None
        wanted = eui64_of(device)
        for parent, neighbours in self.app.topology.neighbors.items():
            if any(n.ieee == wanted and int(n.relationship) == _CHILD for n in neighbours):
                identity = identity_from(parent)
                return None if identity == self.coordinator() else identity
        return None

    # Doing

    async def follow_key(self) -> Any:
        """Bring zigpy's state to the network key that the stick uses, make a backup, and take those of this network
        with another key off zigpy's list: zigpy goes by the key when it looks which backups are superseded, and would
        keep them for ever. Returns the backup. Raises :class:`~hubsec.errors.RadioError`."""
        manager = self.app.backups
        try:
            fresh = await manager.create_backup()
        except Exception as error:  # noqa: BLE001  # whatever a library raises; its text may show the key
            raise RadioError(f"zigpy could not follow the network key ({type(error).__name__}).") from None
        for backup in [one for one in manager.backups if dead(one, fresh)]:
            manager.listener_event("network_backup_removed", backup)
            manager.backups.remove(backup)
        return fresh

    def stop_interview(self, device: Identity) -> None:
        """zigpy is to leave it alone."""
        found = self._found(device)
        if found is not None and hasattr(found, "cancel_initialization"):
            found.cancel_initialization()

    def forget(self, device: Identity) -> None:
        """Take it off zigpy's list, and tell zigpy's listeners, as zigpy does when a device was removed."""
        found = self._found(device)
        if found is None or self._is_coordinator(found):
            return
        self.stop_interview(device)
        self.app.devices.pop(t.EUI64.convert(device), None)
        self.app.listener_event("device_removed", found)


def _class_of(device: Any) -> str | None:
    pairs = [
        (int(endpoint.profile_id), int(endpoint.device_type))
        for number, endpoint in device.endpoints.items()
        if number and endpoint.profile_id is not None and endpoint.device_type is not None
    ]
    return zigbee_device_class(pairs).value if pairs else None
