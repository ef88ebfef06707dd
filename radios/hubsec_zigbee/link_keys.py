"""Trust center link keys: derived from one secret for everybody, or one of its own for each device.

Hashed (bellows' way, the default): a device's link key is a keyed hash of its address under the stick's secret (Zigbee
leaves that to the trust center; EmberZNet calls it TRUST_CENTER_USES_HASHED_LINK_KEY). It takes no memory, and can't be
taken back from one device alone.

Unique: the NCP makes a random key for each device that asks, and keeps it in its link key table
(TC_KEY_REQUEST_POLICY GENERATE_NEW_KEY). Erased, it opens nothing any more. The rules that go with it:

1. The network is formed without the hashed bit; what then remains as the global link key is a random one that nobody
   is ever given.
2. The table is small (public firmware has 1 to 12 entries). Its size and what is in it are read before an admission
   opens, with a place kept for every admission that is open already; beyond that it is refused.
3. An evicted device's entry is erased, and read back.
4. A network that was formed with hashed keys stays so: this is settled when it is formed.

Sources: Silicon Labs ezsp-enum.h (EzspDecisionId), ember-types.h (EmberInitialSecurityBitmask), UG100.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

from hubsec.errors import NotEnforceable, RadioError
from hubsec.identity import Identity
from hubsec_zigbee.ncp import Ncp

HASHED_ALONE: Final = 0x0080
"""What distinguishes TRUST_CENTER_USES_HASHED_LINK_KEY (0x0084) from TRUST_CENTER_GLOBAL_LINK_KEY (0x0004)."""
CAPABILITY: Final = "unique_link_keys"
GAP_GLOBAL: Final = "link-keys-global"
"""The network was formed without hashed link keys, and is not opened with unique ones: everybody who joins is given the
same global link key, and can open what is sent to the others under it."""


class LinkKeys(StrEnum):
    """How a network's link keys are made."""

    HASHED = "hashed"
    UNIQUE = "unique"


class LinkKeyTable:
    """The NCP's table, as far as `kind` asks for one: nothing is read or erased while link keys are hashed."""

    def __init__(self, ncp: Ncp) -> None:
        self._ncp = ncp
        self.kind = LinkKeys.HASHED

    @property
    def unique(self) -> bool:
        """Whether each device has a key of its own."""
        return self.kind is LinkKeys.UNIQUE

    def forms(self, state: Any) -> None:
        """The host forms a network from this EmberInitialSecurityState: take the hashed bit out where that is asked
        for. The key in it was drawn for hashing, and stays a secret that no device gets."""
        if self.unique:
            state.bitmask = type(state.bitmask)(int(state.bitmask) & ~HASHED_ALONE)

    async def check_network(self) -> frozenset[str]:
        """What is amiss with the network's link keys, as gaps of the posture.

        Raises :class:`~hubsec.errors.NotEnforceable` where they are hashed and are to be unique."""
        hashed = bool(await self._ncp.security_bitmask() & HASHED_ALONE)
        if not self.unique:
            return frozenset() if hashed else frozenset({GAP_GLOBAL})
        if hashed:
            raise NotEnforceable(
                "This network was formed with hashed link keys, and stays so: only a new network can have unique ones. "
                "Leave link_keys out, or form a new network and join every device again.",
                capability=CAPABILITY,
            )
        return frozenset()

    async def room(self) -> tuple[int, frozenset[Identity]]:
        """How many entries the table has, and whose they are."""
        size = await self._ncp.key_table_size()
        held = [await self._ncp.link_key_owner(index) for index in range(size)]
        return size, frozenset(owner for owner in held if owner is not None)

    async def check_room(self, device: Identity, expected: Iterable[Identity]) -> None:
        """Raises :class:`~hubsec.errors.NotEnforceable` when the table has no place for `device`, beside those that
        have one and those that are `expected`."""
        if not self.unique:
            return
        size, held = await self.room()
        taken = (held | frozenset(expected)) - {device}
        if len(taken) >= size:
            whose = ", ".join(sorted(taken))
            raise NotEnforceable(
                f"The stick keeps {size} link keys, and {len(taken)} are taken or promised: {whose}. "
                "Evict a device, configure a larger table (CONFIG_KEY_TABLE_SIZE) if the firmware has one, or form the "
                "network with hashed link keys.",
                capability=CAPABILITY,
            )

    async def erase(self, device: Identity) -> str:
        """Erase `device`'s entry and read that back; a sentence for whoever evicts it, empty while keys are hashed."""
        if not self.unique:
            return ""
        try:
            await self._ncp.erase_link_key(device)
            gone = not await self._ncp.has_link_key(device)
        except RadioError as error:
            return f"Its link key could not be erased: {error}"
        return "Its link key was erased." if gone else "Its link key was to be erased, and is still there."

    async def shown(self) -> dict[str, str]:
        """For the posture: nothing while keys are hashed."""
        if not self.unique:
            return {}
        size, held = await self.room()
        return {"link-keys": f"unique, {len(held)} of {size}"}
