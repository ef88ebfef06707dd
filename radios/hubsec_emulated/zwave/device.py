"""An emulated Z-Wave device, as a test holds it in its hand: its sticker, its switch, its button."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from hubsec_emulated.errors import EmulationError
from hubsec_emulated.zwave.dsk import KeyPair, auth_home_id, format_dsk, nwi_home_id, smart_start_code

type Security = Literal["s2", "s0", "none", "s0-requesting"]
type Value = int | bool
type Tell = Callable[[str, Mapping[str, object]], None]

MANUFACTURER: Final = 0xFFFF
"""Manufacturer ID of all devices: one that nobody was given."""
PRODUCT_TYPE: Final = 0x0001
_DOOR_SECURED: Final = 0xFF
_DOOR_UNSECURED: Final = 0x00


@dataclass(frozen=True, slots=True)
class Kind:
    """What is the same for all devices of a kind. `requests` are the S2 classes that it asks for, highest first."""

    name: str
    device_class: tuple[int, int]
    requests: tuple[str, ...]
    initial: Value


LAMP: Final = Kind("lamp", (0x11, 0x01), ("S2_Authenticated", "S2_Unauthenticated"), 0)
PLUG: Final = Kind("plug", (0x10, 0x01), ("S2_Authenticated", "S2_Unauthenticated"), initial=False)
SENSOR: Final = Kind("sensor", (0x20, 0x01), ("S2_Authenticated", "S2_Unauthenticated"), initial=False)
LOCK: Final = Kind("lock", (0x40, 0x03), ("S2_AccessControl",), initial=True)


class ZWaveDevice:
    """A device. Its house makes it, switched off and belonging to no network.

    What it is (`node_id`, `keys`, `powered`, `state`) follows what happens on the air within milliseconds: wait with
    the house's `wait_until`. What it does (`power_on` and so on) is done in the order of the calls, soon after them.
    """

    def __init__(
        self,
        tell: Tell,
        *,
        name: str,
        kind: Kind,
        security: Security,
        requests: tuple[str, ...],
        key_pair: KeyPair,
    ) -> None:
        self.name = name
        self.kind = kind
        self.security = security
        self.requests = requests
        self.key_pair = key_pair
        self.node_id: int | None = None
        self.keys: dict[str, bytes] = {}
        self.powered = False
        self.state: Value = kind.initial
        self._tell = tell

    def __repr__(self) -> str:
        place = "no node" if self.node_id is None else f"node {self.node_id}"
        return f"<{self.name}: {place}>"

    # What is printed on it

    @property
    def dsk(self) -> str:
        """Its device-specific key: eight groups of five digits."""
        self._check_s2()
        return format_dsk(self.key_pair.dsk)

    @property
    def pin(self) -> str:
        """The first five digits of the DSK."""
        return self.dsk[:5]

    @property
    def printed(self) -> str:
        """The DSK as labels have it: two lines of four groups."""
        groups = self.dsk.split("-")
        return f"{'-'.join(groups[:4])}-\n{'-'.join(groups[4:])}"

    @property
    def sticker(self) -> str:
        """The text of its SmartStart QR code."""
        self._check_s2()
        return smart_start_code(
            self.key_pair.dsk,
            self.requests,
            device_class=self.kind.device_class,
            product=(MANUFACTURER, PRODUCT_TYPE, self.kind.device_class[0]),
        )

    # What it is

    @property
    def keys_held(self) -> frozenset[str]:
        """The names of the network keys that it holds."""
        return frozenset(self.keys)

    # What is done with it

    def power_on(self) -> None:
        """Switch it on. One with S2 that belongs to no network asks to be let in by SmartStart, again and again."""
        self._do("power-on")

    def power_off(self) -> None:
        """Switch it off: it answers nothing, and forgets nothing."""
        self._do("power-off")

    def press_button(self) -> None:
        """Press its button, and switch it on without SmartStart if it is off.

        For ten seconds it can be included, excluded, or take a failed node's place, whichever the controller is waiting
        for. Otherwise a node just tells who it is.
        """
        self._do("press")

    def factory_reset(self) -> None:
        """Make it forget its network, which is not told."""
        self._do("factory-reset")

    def report(self, value: Value) -> None:
        """Take on this state and report it, encrypted under its highest key.

        A lamp has 0 to 99, a plug and a sensor true and false, a lock true for locked.
        """
        self._do("report", value=self.encode(value))

    def encode(self, value: Value) -> Value:
        """A state as the device's command class has it."""
        if self.kind is LOCK:
            return _DOOR_SECURED if value else _DOOR_UNSECURED
        return value

    # Inside

    def announcement(self) -> dict[str, object]:
        """What the Node program is told of it."""
        return {
            "name": self.name,
            "kind": self.kind.name,
            "security": self.security,
            "requests": self.requests,
            "privateKey": self.key_pair.private.hex(),
            "publicKey": self.key_pair.public.hex(),
            "dsk": format_dsk(self.key_pair.dsk) if self.security == "s2" else None,
            "nwi": nwi_home_id(self.key_pair.dsk).hex(),
            "auth": auth_home_id(self.key_pair.dsk).hex(),
            "hostile": False,
        }

    def follow(self, event: Mapping[str, Any]) -> None:
        """Take on what the Node program says of it."""
        self.node_id = event["nodeId"]
        self.powered = event["powered"]
        self.keys = {name: bytes.fromhex(key) for name, key in event["keys"].items()}
        state = event["state"]
        self.state = state == _DOOR_SECURED if self.kind is LOCK else state

    def _do(self, what: str, **fields: object) -> None:
        self._tell(what, {"device": self.name, **fields})

    def _check_s2(self) -> None:
        if self.security != "s2":
            raise EmulationError(f"{self.name} has no S2, so there is no DSK on it.")


class ZWaveImpostor(ZWaveDevice):
    """Another device that asks to be let in under the home IDs of `victim`, which it heard on the air.

    It has a key pair of its own. When its key exchange is refused it does not leave, as a proper device does.
    """

    def __init__(self, tell: Tell, victim: ZWaveDevice, *, name: str, key_pair: KeyPair) -> None:
        super().__init__(
            tell, name=name, kind=victim.kind, security="s2", requests=victim.requests, key_pair=key_pair
        )
        self.victim = victim

    def announcement(self) -> dict[str, object]:
        """What the Node program is told of it."""
        asked = self.victim.announcement()
        return {**super().announcement(), "nwi": asked["nwi"], "auth": asked["auth"], "hostile": True}
