"""The NV3 token interface: raw access to non-volatile memory, as far as hosts use it.

Layouts: little-endian structures of EmberZNet's ``stack-tokens``, as current hosts read and write them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from hubsec_emulated.ncp.ezsp import Status
from hubsec_emulated.ncp.registry import Args, CommandGroup, Result, command
from hubsec_emulated.ncp.tokens import ChildEntry, Tokens

if TYPE_CHECKING:
    from hubsec_emulated.ncp.ncp import Ncp

RESTORED_EUI64 = 0xE12A
NODE_DATA = 0x1EE64
NETWORK_MANAGEMENT = 0x1E125
TRUST_CENTER = 0x1E124
CHILD_TABLE = 0x10580
"""NVM3 object ids; the first one without the 0x10000 of EmberZNet's own, as NCP firmware has it."""

EUI64_LAYOUT = struct.Struct("<Q")
NODE_DATA_LAYOUT = struct.Struct("<HbBBBHQ")
NETWORK_MANAGEMENT_LAYOUT = struct.Struct("<IHBB")
TRUST_CENTER_LAYOUT = struct.Struct("<HQ16s")
CHILD_LAYOUT = struct.Struct("<QHB")
STACK_PROFILE = 2
COORDINATOR_TYPE = 1
CHILD_IN_USE = 0x80
SIMPLE_TOKEN_BYTES = 8


def _read_restored_eui64(tokens: Tokens, _index: int) -> bytes | None:
    return EUI64_LAYOUT.pack(tokens.restored_eui64)


def _write_restored_eui64(tokens: Tokens, _index: int, data: bytes) -> bool:
    (tokens.restored_eui64,) = EUI64_LAYOUT.unpack(data)
    return True


def _read_node_data(tokens: Tokens, _index: int) -> bytes | None:
    network = tokens.network
    if network is None:
        return None
    return NODE_DATA_LAYOUT.pack(
        network.pan_id,
        network.tx_power,
        network.channel,
        STACK_PROFILE,
        COORDINATOR_TYPE,
        0,
        network.extended_pan_id,
    )


def _write_node_data(tokens: Tokens, _index: int, data: bytes) -> bool:
    network = tokens.network
    if network is None:
        return False
    pan_id, tx_power, channel, _, _, _, extended_pan_id = NODE_DATA_LAYOUT.unpack(data)
    network.pan_id, network.tx_power, network.channel = pan_id, tx_power, channel
    network.extended_pan_id = extended_pan_id
    return True


def _read_network_management(tokens: Tokens, _index: int) -> bytes | None:
    network = tokens.network
    if network is None:
        return None
    return NETWORK_MANAGEMENT_LAYOUT.pack(network.channels, network.manager, network.update_id, 0)


def _write_network_management(tokens: Tokens, _index: int, data: bytes) -> bool:
    network = tokens.network
    if network is None:
        return False
    network.channels, network.manager, network.update_id, _ = NETWORK_MANAGEMENT_LAYOUT.unpack(data)
    return True


def _read_trust_center(tokens: Tokens, _index: int) -> bytes | None:
    keys = tokens.keys
    if keys is None:
        return None
    return TRUST_CENTER_LAYOUT.pack(keys.bitmask, keys.trust_center, keys.trust_center_key)


def _write_trust_center(tokens: Tokens, _index: int, data: bytes) -> bool:
    keys = tokens.keys
    if keys is None:
        return False
    keys.bitmask, keys.trust_center, keys.trust_center_key = TRUST_CENTER_LAYOUT.unpack(data)
    return True


def _read_child(tokens: Tokens, index: int) -> bytes | None:
    child = tokens.children[index] if index < len(tokens.children) else None
    if child is None:
        return None
    return CHILD_LAYOUT.pack(child.eui64, child.short, CHILD_IN_USE)


def _write_child(tokens: Tokens, index: int, data: bytes) -> bool:
    eui64, short, _ = CHILD_LAYOUT.unpack(data)
    if index >= len(tokens.children):
        return False
    tokens.children[index] = ChildEntry(eui64, short)
    return True


type Access = tuple[
    struct.Struct, Callable[[Tokens, int], bytes | None], Callable[[Tokens, int, bytes], bool]
]

TOKENS: dict[int, Access] = {
    RESTORED_EUI64: (EUI64_LAYOUT, _read_restored_eui64, _write_restored_eui64),
    NODE_DATA: (NODE_DATA_LAYOUT, _read_node_data, _write_node_data),
    NETWORK_MANAGEMENT: (
        NETWORK_MANAGEMENT_LAYOUT,
        _read_network_management,
        _write_network_management,
    ),
    TRUST_CENTER: (TRUST_CENTER_LAYOUT, _read_trust_center, _write_trust_center),
    CHILD_TABLE: (CHILD_LAYOUT, _read_child, _write_child),
}


class TokenCommands(CommandGroup):
    """Tokens by NVM3 key, and the application's small ones."""

    def __init__(self, ncp: Ncp) -> None:
        self._ncp = ncp

    @command("getTokenCount")
    def _count(self, _args: Args) -> Result:
        return {"count": len(TOKENS)}

    @command("getTokenInfo")
    def _info(self, args: Args) -> Result:
        if args["index"] >= len(TOKENS):
            return {"status": Status.INVALID_INDEX}
        key, (layout, _, _) = list(TOKENS.items())[args["index"]]
        indexed = key == CHILD_TABLE
        size = len(self._ncp.tokens.children) if indexed else 1
        return {"info": {"key": key, "indexed": indexed, "size": layout.size, "array_size": size}}

    @command("getTokenData")
    def _get_data(self, args: Args) -> Result:
        access = TOKENS.get(args["token"])
        data = access and access[1](self._ncp.tokens, args["index"])
        if data is None:
            return {"status": Status.NOT_FOUND}
        return {"data": data}

    @command("setTokenData")
    def _set_data(self, args: Args) -> Result:
        access = TOKENS.get(args["token"])
        if access is None:
            return {"status": Status.NOT_FOUND}
        layout, _, write = access
        if len(args["data"]) != layout.size or not write(self._ncp.tokens, args["index"], args["data"]):
            return {"status": Status.INVALID_PARAMETER}
        self._ncp.tokens.save()
        return None

    @command("setToken")
    def _set_token(self, args: Args) -> Result:
        self._ncp.tokens.application[str(args["token"])] = args["data"]
        self._ncp.tokens.save()
        return None

    @command("getToken")
    def _get_token(self, args: Args) -> Result:
        return {"data": self._ncp.tokens.application.get(str(args["token"]), bytes(SIMPLE_TOKEN_BYTES))}

    @command("tokenFactoryReset")
    def _factory_reset(self, args: Args) -> Result:
        self._ncp.network.halt()
        self._ncp.tokens.forget_network(keep_counters=bool(args["keep_frame_counters"]))
        if not args["keep_boot_counter"]:
            self._ncp.tokens.boot_count = 0
        self._ncp.tokens.save()
        return None
