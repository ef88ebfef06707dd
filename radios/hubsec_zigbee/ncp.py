"""The EZSP commands that the guard itself sends, typed, for EZSP 13 to 19.

Every method raises :class:`~hubsec.errors.RadioError` for anything but success. Up to version 13 most commands
answer with one-byte EmberStatus or EzspStatus and the key commands with four-byte sl_Status; from 14 on all
answer with sl_Status, and some fields changed places. Zero is success in all three.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import bellows.types as t
from bellows.ash import NcpFailure
from zigpy.exceptions import ZigbeeException

from hubsec.errors import NotEnforceable, RadioError
from hubsec.identity import Identity
from hubsec.secret import Secret
from hubsec_zigbee.frames import (
    IEEE_ADDR_REQ,
    MGMT_LEAVE_REQ,
    MGMT_PERMIT_JOINING_REQ,
    ZDO_PROFILE,
    identity_of,
)
from hubsec_zigbee.roster import FIRST_RESERVED

OLDEST_VERSION: Final = 13
"""The first EZSP version with importTransientKey, whose table can be read back, and with getNetworkKeyInfo."""
FIRST_UNIFORM_VERSION: Final = 14
"""From here on every status is an sl_Status and stands first."""
OWN_TAG: Final = 0xB5
"""The tag of messages that the guard sends, so that its own reports of sending don't reach the host. One byte
up to 13."""
COMMAND_LIMIT: Final = 30.0
"""Seconds; bellows gives an answer 10 s, and a few commands of the host may be before ours."""
MAX_TRANSIENT_KEYS: Final = 64
"""Bound on reading the transient key table; EmberZNet takes its entries from packet buffers and holds about 30."""
ROUTERS: Final = 0xFFFC
"""The broadcast address of all routers and the coordinator (Zigbee specification 3.6.5)."""
MAX_PERMIT: Final = 254
"""Seconds; 255 would be for ever (permitJoining, Mgmt_Permit_Joining_req)."""
_EUI64: Final = slice(4, 12)
_KEY: Final = slice(18, 34)
"""In an exported transient key: sl_zb_sec_man_context_t (type, index, derivation, EUI64, network, flags,
algorithm), then the key."""
_STATUS: Final = 4
_KEY_LENGTH: Final = 16
_KEY_INFO: Final = "<??BBI"
"""sl_zb_sec_man_network_key_info_t: the key is there, an alternate one is there, their sequence numbers, and the
outgoing frame counter."""
_NO_SUCH_ENTRY: Final = frozenset({0x21, 0x27, 0x28, 0x2D})
"""sl_Status INVALID_PARAMETER, INVALID_INDEX, INVALID_RANGE, NOT_FOUND: there is no key at that index."""
_NO_ALIAS: Final = 0xFFFF
_UNKNOWN_INDEX: Final = 0xFF

Command = Callable[..., Awaitable[Any]]


class _Unseen:
    """A key as bellows takes it: its bytes when iterated over, nothing when printed, since bellows logs its
    arguments."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    def __iter__(self) -> Iterator[int]:
        return iter(self._key.reveal())

    def __len__(self) -> int:
        return len(self._key)

    def __repr__(self) -> str:
        return repr(self._key)


def eui64_of(device: Identity) -> Any:
    """`device` as bellows spells an address."""
    return t.EUI64.convert(device)


def identity_from(eui64: Any) -> Identity:
    """The identity of an address as bellows spells it."""
    return Identity(str(eui64))


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What getNetworkKeyInfo says: the sequence numbers of the key in force and of the one that is staged (None: none
    is), and the outgoing frame counter."""

    sequence: int
    next_sequence: int | None
    counter: int


class Ncp:
    """`command` sends an EZSP command by name, past the gate; `version` says which EZSP is spoken now."""

    def __init__(self, command: Command, version: Callable[[], int]) -> None:
        self._command = command
        self._version = version
        self._sequence = 0

    @property
    def version(self) -> int:
        """The EZSP version that is spoken now."""
        return self._version()

    def check_version(self) -> None:
        """Raises :class:`~hubsec.errors.NotEnforceable` for a firmware that is too old to be guarded."""
        if self.version < OLDEST_VERSION:
            raise NotEnforceable(
                f"The stick speaks EZSP {self.version}; {OLDEST_VERSION} (EmberZNet 7.4) is the oldest that can be "
                "guarded. Update its firmware.",
                capability="deferred_approval",
            )

    async def _send(self, name: str, *args: object) -> Sequence[Any]:
        try:
            async with asyncio.timeout(COMMAND_LIMIT):
                answer = await self._command(name, *args)
        except (
            ZigbeeException,
            NcpFailure,
            OSError,
            AttributeError,
            KeyError,
            ValueError,
            AssertionError,
            RuntimeError,  # what bellows has for a frame whose connection was closed under it
        ) as error:
            # Not chained: what bellows says of a failed command may show its arguments, and those may be keys.
            raise RadioError(f"The NCP did not answer {name} ({type(error).__name__}).") from None
        return list(answer)

    async def _expect(self, name: str, *args: object) -> Sequence[Any]:
        """The answer's fields behind the status, which has to be success and stands first."""
        status, *fields = await self._send(name, *args)
        if int(status) != 0:
            raise RadioError(f"The NCP refused {name}: {_name(status)}.")
        return fields

    # Policies

    async def policy(self, policy: int) -> int:
        """The value that a policy has."""
        (value,) = await self._expect("getPolicy", t.EzspPolicyId(policy))
        return int(value)

    async def set_policy(self, policy: int, value: int) -> None:
        """Set a policy. It is not read back here."""
        await self._expect("setPolicy", t.EzspPolicyId(policy), int(value))

    # Transient keys

    async def clear_transient_keys(self) -> None:
        """Empty the table."""
        await self._send("clearTransientLinkKeys")

    async def import_transient_key(self, device: Identity, key: Secret) -> None:
        """Hold `key` for `device` alone."""
        flags = t.SecurityManagerContextFlags.NONE
        await self._expect("importTransientKey", eui64_of(device), _Unseen(key), flags)

    async def transient_keys(self) -> Mapping[Identity, Secret]:
        """The whole table, as it is."""
        held: dict[Identity, Secret] = {}
        uniform = self.version >= FIRST_UNIFORM_VERSION
        for index in range(MAX_TRANSIENT_KEYS):
            # Read from the bytes: bellows before 1.0 takes version 14's fields in version 13's order.
            answer = _bytes(await self._send("exportTransientKeyByIndex", index))
            status, entry = (answer[:4], answer[4:]) if uniform else (answer[-4:], answer)
            if any(status):
                if int.from_bytes(status, "little") not in _NO_SUCH_ENTRY:
                    # No end of the table: to take it for one would be to read back what is not known.
                    raise RadioError("The NCP refused exportTransientKeyByIndex.")
                break
            if len(entry) < _KEY.stop:
                raise RadioError("The NCP's answer to exportTransientKeyByIndex is too short.")
            held[identity_of(int.from_bytes(entry[_EUI64], "little"))] = Secret(entry[_KEY])
        return held

    # The network key

    async def send_network_key(self, device: Identity, short: int, parent: int) -> bool:
        """unicastCurrentNetworkKey to `device` at `short` through `parent`. False if the NCP has no link key for it."""
        (status, *_) = await self._send("unicastCurrentNetworkKey", short, eui64_of(device), parent)
        return int(status) == 0

    async def network_key(self) -> Secret:
        """The key in force (exportKey)."""
        context = t.SecurityManagerContextV13(
            core_key_type=t.SecurityManagerKeyType.NETWORK,
            key_index=0,
            derived_type=t.SecurityManagerDerivedKeyTypeV13.NONE,
            eui64=t.EUI64.convert("00:00:00:00:00:00:00:00"),
            multi_network_index=0,
            flags=t.SecurityManagerContextFlags.NONE,
            psa_key_alg_permission=0,
        )
        answer = _bytes(await self._send("exportKey", context))
        uniform = self.version >= FIRST_UNIFORM_VERSION
        if len(answer) < _STATUS + _KEY_LENGTH:
            raise RadioError("The NCP's answer to exportKey is too short.")
        status, key = (answer[:_STATUS], answer[_STATUS:]) if uniform else (answer[_KEY_LENGTH:], answer)
        if any(status[:_STATUS]):
            raise RadioError("The NCP refused exportKey.")
        return Secret(key[:_KEY_LENGTH])

    async def key_info(self) -> KeyInfo:
        """The sequence numbers of the network keys. Raises where there is no key in force."""
        answer = _bytes(await self._expect("getNetworkKeyInfo"))
        try:
            here, staged, sequence, following, counter = struct.unpack_from(_KEY_INFO, answer)
        except struct.error:
            raise RadioError("The NCP's answer to getNetworkKeyInfo is too short.") from None
        if not here:
            raise RadioError("The NCP has no network key.")
        return KeyInfo(sequence, following if staged else None, counter)

    async def broadcast_next_key(self, key: Secret) -> None:
        """Stage `key` as the next network key, and send it to everybody under the one in force."""
        await self._expect("broadcastNextNetworkKey", _Unseen(key))

    async def send_next_key(self, device: Identity, short: int, key: Secret) -> bool:
        """Stage `key` as the next network key, and send it to `device` under its link key. False if the NCP did not
        send it."""
        (status, *_) = await self._send("unicastNwkKeyUpdate", short, eui64_of(device), _Unseen(key))
        return int(status) == 0

    async def switch_network_key(self) -> None:
        """Tell everybody to use the staged key, and use it."""
        await self._expect("broadcastNetworkKeySwitch")

    # Link keys

    async def has_link_key(self, device: Identity) -> bool:
        """Whether the link key table has an entry of `device`."""
        (index, *_) = await self._send("findKeyTableEntry", eui64_of(device), True)  # noqa: FBT003  # bellows' order
        return int(index) != _UNKNOWN_INDEX

    async def key_table_size(self) -> int:
        """How many entries the link key table has."""
        (value,) = await self._expect("getConfigurationValue", t.EzspConfigId.CONFIG_KEY_TABLE_SIZE)
        return int(value)

    async def link_key_owner(self, index: int) -> Identity | None:
        """Whose link key the table has at `index`, None where it is empty."""
        # From the bytes, as with transient keys. The key itself is not looked at.
        answer = _bytes(await self._send("exportLinkKeyByIndex", index))
        uniform = self.version >= FIRST_UNIFORM_VERSION
        status, owner = (answer[:4], answer[8:16]) if uniform else (answer[-4:], answer[:8])
        if any(status):
            if int.from_bytes(status, "little") not in _NO_SUCH_ENTRY:
                raise RadioError("The NCP refused exportLinkKeyByIndex.")
            return None
        return identity_of(int.from_bytes(owner, "little"))

    async def security_bitmask(self) -> int:
        """How the network's keys are made (EmberCurrentSecurityBitmask)."""
        (state,) = await self._expect("getCurrentSecurityState")
        return int(state.bitmask)

    async def erase_link_key(self, device: Identity) -> None:
        """Remove `device`'s entry from the link key table, if it has one."""
        (index, *_) = await self._send("findKeyTableEntry", eui64_of(device), True)  # noqa: FBT003  # bellows' order
        if int(index) != _UNKNOWN_INDEX:
            await self._expect("eraseKeyTableEntry", int(index))

    # Permitting

    async def permit_joining(self, seconds: int) -> None:
        """The coordinator accepts associations for that long, 0 to stop."""
        await self._expect("permitJoining", min(seconds, MAX_PERMIT))

    async def permit_routers(self, seconds: int, destination: int = ROUTERS) -> None:
        """Tell routers to accept associations for that long, 0 to stop; all of them, or one."""
        # TC_Significance is 1 from stack revision 21 on (2.4.3.3.7.1).
        await self._zdo(destination, MGMT_PERMIT_JOINING_REQ, bytes((min(seconds, MAX_PERMIT), 1)))

    # Putting out

    async def remove_device(self, device: Identity, recipient: Identity, recipient_short: int) -> bool:
        """APS Remove-Device for `device` to `recipient`, which is its parent or itself. False if it could not
        be sent."""
        (status, *_) = await self._send(
            "removeDevice", recipient_short, eui64_of(recipient), eui64_of(device)
        )
        return int(status) == 0

    async def ask_to_leave(self, device: Identity, short: int) -> None:
        """Mgmt_Leave_req to `device` itself (2.4.3.3.5): it alone, without rejoining."""
        await self._zdo(short, MGMT_LEAVE_REQ, eui64_of(device).serialize() + b"\x00")

    # Addresses

    def next_transaction(self) -> int:
        """A ZDO transaction sequence number (2.4.2.8.1.1), used up."""
        self._sequence = (self._sequence + 1) & 0xFF
        return self._sequence

    async def ask_who(self, short: int, transaction: int | None = None) -> None:
        """IEEE_addr_req to the node at `short` (2.4.3.1.2): who it is. The answer comes as a message with the same
        transaction sequence number, the next one by default."""
        await self._zdo(short, IEEE_ADDR_REQ, short.to_bytes(2, "little") + b"\x00\x00", transaction)

    async def identity_at(self, short: int) -> Identity | None:
        """Who the NCP thinks is at `short`."""
        status, eui64 = await self._send("lookupEui64ByNodeId", short)
        return identity_from(eui64) if int(status) == 0 else None

    async def short_of(self, device: Identity) -> int | None:
        """Where the NCP thinks that `device` is."""
        answer = await self._send("lookupNodeIdByEui64", eui64_of(device))
        uniform = self.version >= FIRST_UNIFORM_VERSION
        # bellows before 1.0 takes version 14's status for the address: no answer rather than a wrong one.
        if uniform and (len(answer) < 2 or int(answer[0]) != 0):
            return None
        short = int(answer[-1])
        return None if short >= FIRST_RESERVED else short

    async def _zdo(
        self, destination: int, cluster: int, payload: bytes, transaction: int | None = None
    ) -> None:
        sequence = self.next_transaction() if transaction is None else transaction
        data = bytes((sequence,)) + payload
        aps = t.EmberApsFrame(
            profileId=ZDO_PROFILE,
            clusterId=cluster,
            sourceEndpoint=0,
            destinationEndpoint=0,
            options=t.EmberApsOption.APS_OPTION_ENABLE_ROUTE_DISCOVERY,
            groupId=0,
            sequence=sequence,
        )
        uniform = self.version >= FIRST_UNIFORM_VERSION
        if destination < FIRST_RESERVED:
            direct = t.EmberOutgoingMessageType.OUTGOING_DIRECT
            await self._expect("sendUnicast", direct, destination, aps, OWN_TAG, data)
        elif uniform:
            await self._expect("sendBroadcast", _NO_ALIAS, destination, 0, aps, 0, OWN_TAG, data)
        else:
            await self._expect("sendBroadcast", destination, aps, 0, OWN_TAG, data)


def _bytes(fields: Sequence[Any]) -> bytes:
    """What bellows made these fields of."""
    try:
        return b"".join(bytes(field.serialize()) for field in fields)
    except (AttributeError, TypeError, ValueError):
        raise RadioError("bellows could not read the NCP's answer.") from None


def _name(status: object) -> str:
    return str(getattr(status, "name", status))
