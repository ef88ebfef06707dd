"""An attacker on the emulated air: commands that reach the controller under any node's id.

It is a radio beside the house, so it has no keys; what it replays it has heard.
"""

from __future__ import annotations

from typing import Final

from hubsec_emulated.zwave.device import Tell, Value, ZWaveDevice

FLOOD: Final = 20
"""Commands of one flood, unless told otherwise."""
NOBODY: Final = 200
"""A node id that no small house gives."""
_SWITCHED_ON: Final = bytes.fromhex("2503ff")
"""A Binary Switch report: on."""


class ZWaveAttacker:
    """Puts frames on the air. What is sent is sent in the order of the calls."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def spoof_report(self, device: ZWaveDevice, value: Value) -> None:
        """A report of this state in plain text, under the device's node id."""
        self._tell("spoof", {"device": device.name, "value": device.encode(value)})

    def replay(self, device: ZWaveDevice, *, fresh: bool = False) -> None:
        """The device's last command under S2 once more: exactly, or with an unused sequence number when `fresh`."""
        self._tell("replay", {"device": device.name, "fresh": fresh})

    def bad_tag(self, device: ZWaveDevice) -> None:
        """The device's last command under S2 with an unused sequence number and a tag that is wrong."""
        self._tell("bad-tag", {"device": device.name})

    def forged_reset(self, device: ZWaveDevice) -> None:
        """The device's word in plain text that it was reset (Device Reset Locally)."""
        self._tell("forge-reset", {"device": device.name})

    def nonce_flood(self, device: ZWaveDevice, count: int = FLOOD) -> None:
        """So many requests for a nonce under the device's node id."""
        self._tell("nonce-flood", {"device": device.name, "count": count})

    def unknown_node(self, node_id: int = NOBODY) -> None:
        """A report of a node that there is not."""
        self.inject(node_id, _SWITCHED_ON)

    def inject(self, node_id: int, command: bytes) -> None:
        """Any command, under any node id."""
        self._tell("inject", {"source": node_id, "command": command.hex()})

    def command(self, device: ZWaveDevice, command: bytes) -> None:
        """A command in plain text to the device, as if the controller had sent it."""
        self._tell("command", {"device": device.name, "command": command.hex()})
