"""What the trust center does on the host's order: hand the network key out, change it, remove a device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubsec_emulated.ncp.ezsp import Status
from hubsec_emulated.ncp.handlers.keys import ZERO_KEY
from hubsec_emulated.ncp.registry import Args, CommandGroup, Result, command
from hubsec_emulated.ncp.tokens import KEY_LENGTH, KeyTokens
from hubsec_emulated.wire.addresses import BROADCAST_ALL

if TYPE_CHECKING:
    from hubsec_emulated.ncp.ncp import Ncp

SEQUENCE_MODULUS = 256
NEXT_KEY_BROADCAST = 1.5
"""Simulated seconds in which the broadcast of the next key is still being repeated (three times)."""


class RotationCommands(CommandGroup):
    """Network key distribution and rotation. The alternate key lives in the tokens, so a rotation survives a reset."""

    def __init__(self, ncp: Ncp) -> None:
        self._ncp = ncp
        self._broadcast_at: float | None = None

    def reset(self) -> None:
        """Forget the broadcast under way."""
        self._broadcast_at = None

    @command("unicastCurrentNetworkKey")
    def _unicast_current(self, args: Args) -> Result:
        if not self._ncp.up:
            return {"status": Status.NOT_JOINED}
        center = self._ncp.trust_center
        done = center.send_current_network_key(args["eui64"], args["node"], args["parent"])
        return {"status": Status.OK if done else Status.INVALID_KEY}

    @command("sendTrustCenterLinkKey")
    def _send_link_key(self, args: Args) -> Result:
        key = self._ncp.trust_center.current_link_key(args["eui64"])
        if key is None or not self._ncp.up:
            return {"status": Status.INVALID_KEY}
        self._ncp.coordinator.send_link_key(args["eui64"], args["node"], key, key)
        return None

    @command("removeDevice")
    def _remove_device(self, args: Args) -> Result:
        key = self._ncp.trust_center.current_link_key(args["eui64"])
        if key is None or not self._ncp.up:
            return {"status": Status.INVALID_KEY}
        self._ncp.coordinator.send_remove_device(args["node"], args["eui64"], args["target"], key)
        return None

    def _stage(self, key: bytes) -> KeyTokens | None:
        """Make *key* the alternate key, a random one for all zeros; an alternate already set is replaced.

        The same key keeps its sequence number; None without a network.
        """
        keys = self._ncp.tokens.keys
        if keys is None or not self._ncp.up:
            return None
        if key == ZERO_KEY:
            key = self._ncp.random.randbytes(KEY_LENGTH)
        keys.stage(key, (keys.sequence + 1) % SEQUENCE_MODULUS)
        self._ncp.tokens.save()
        self._ncp.coordinator.stage_network_key(key, keys.alternate_sequence)
        return keys

    @command("broadcastNextNetworkKey")
    def _broadcast_next(self, args: Args) -> Result:
        keys = self._stage(args["key"])
        if keys is None or keys.alternate_key is None:
            return {"status": Status.NOT_JOINED}
        self._broadcast_at = self._ncp.clock.now()
        self._ncp.coordinator.broadcast_network_key(keys.alternate_key, keys.alternate_sequence)
        return None

    @command("unicastNwkKeyUpdate")
    def _unicast_next(self, args: Args) -> Result:
        center = self._ncp.trust_center
        if not self._ncp.up or args["key"] == ZERO_KEY:
            return {"status": Status.NOT_JOINED if not self._ncp.up else Status.INVALID_PARAMETER}
        link_key = center.current_link_key(args["eui64"])
        keys = self._stage(args["key"])
        if link_key is None or keys is None or keys.alternate_key is None:
            return {"status": Status.INVALID_KEY}
        self._ncp.coordinator.send_next_network_key(
            args["eui64"], args["node"], link_key, keys.alternate_key, keys.alternate_sequence
        )
        return None

    @command("broadcastNetworkKeySwitch")
    def _switch(self, _args: Args) -> Result:
        keys = self._ncp.tokens.keys
        if keys is None or keys.alternate_key is None or not self._ncp.up:
            return {"status": Status.INVALID_STATE}
        now = self._ncp.clock.now()
        if self._broadcast_at is not None and now - self._broadcast_at < NEXT_KEY_BROADCAST:
            return {"status": Status.TOO_SOON_FOR_SWITCH_KEY}
        sequence = keys.alternate_sequence
        keys.switch(keys.alternate_key)
        self._ncp.tokens.save()
        # Silicon secures the broadcast with the key that it announces, so our own switch comes first.
        self._ncp.coordinator.switch_network_key(sequence)
        self._ncp.coordinator.send_switch_key(BROADCAST_ALL, sequence)
        self._ncp.callback("switchNetworkKeyHandler", sequence=sequence)
        return None
