"""The security manager: network key, trust center key, key table, transient keys; and the initial security state."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from hubsec_emulated.ncp.ezsp import Status
from hubsec_emulated.ncp.registry import Args, CommandGroup, Result, command
from hubsec_emulated.ncp.tokens import KEY_LENGTH, NO_EUI64, KeyTokens, LinkKeyEntry
from hubsec_emulated.ncp.transient import TransientKey

if TYPE_CHECKING:
    from hubsec_emulated.ncp.ncp import Ncp

HAVE_PRECONFIGURED_KEY = 0x0100
HAVE_NETWORK_KEY = 0x0200
HAVE_TRUST_CENTER_EUI64 = 0x0040
NO_FRAME_COUNTER_RESET = 0x1000
HASHED_OR_GLOBAL = 0x0084
HAVE_TRUST_CENTER_LINK_KEY = 0x0010
"""EmberInitialSecurityBitmask and EmberCurrentSecurityBitmask."""
NO_INDEX = 0xFF
ZERO_KEY = bytes(KEY_LENGTH)


class KeyType(IntEnum):
    """``sl_zb_sec_man_key_type_t``."""

    NETWORK = 0x01
    TC_LINK = 0x02
    TC_LINK_WITH_TIMEOUT = 0x03
    APP_LINK = 0x04


class KeyBits(IntEnum):
    """EmberKeyStructBitmask."""

    HAS_OUTGOING_COUNTER = 0x0002
    HAS_INCOMING_COUNTER = 0x0004
    HAS_PARTNER_EUI64 = 0x0008
    IS_AUTHORIZED = 0x0010
    UNCONFIRMED_TRANSIENT = 0x0040


class ContextFlags(IntEnum):
    """``sl_zigbee_sec_man_flags_t``."""

    KEY_INDEX_IS_VALID = 0x01
    EUI_IS_VALID = 0x02
    UNCONFIRMED_TRANSIENT_KEY = 0x04


class KeyCommands(CommandGroup):
    """Keys in and out. Real NCP firmware hands keys to its host in clear, and so does this one."""

    def __init__(self, ncp: Ncp) -> None:
        self._ncp = ncp

    @command("setInitialSecurityState")
    def _set_initial_state(self, args: Args) -> Result:
        if self._ncp.up:
            return {"status": Status.INVALID_STATE}
        state = args["state"]
        bitmask = state["bitmask"]
        random = self._ncp.random
        trust_center = state["trust_center"] if bitmask & HAVE_TRUST_CENTER_EUI64 else self._ncp.tokens.eui64
        self._ncp.network.initial = KeyTokens(
            network_key=state["network_key"] if bitmask & HAVE_NETWORK_KEY else random.randbytes(KEY_LENGTH),
            sequence=state["sequence"] if bitmask & HAVE_NETWORK_KEY else 0,
            trust_center_key=(
                state["preconfigured_key"]
                if bitmask & HAVE_PRECONFIGURED_KEY
                else random.randbytes(KEY_LENGTH)
            ),
            bitmask=bitmask & HASHED_OR_GLOBAL | HAVE_TRUST_CENTER_LINK_KEY,
            trust_center=trust_center,
        )
        if not bitmask & NO_FRAME_COUNTER_RESET:
            self._ncp.tokens.nwk_counter = self._ncp.tokens.aps_counter = 0
        return None

    @command("getCurrentSecurityState")
    def _get_current_state(self, _args: Args) -> Result:
        keys = self._ncp.tokens.keys
        if keys is None or not self._ncp.up:
            return {"status": Status.NOT_JOINED}
        return {"state": {"bitmask": keys.bitmask, "trust_center": keys.trust_center}}

    @command("getNetworkKeyInfo")
    def _network_key_info(self, _args: Args) -> Result:
        keys = self._ncp.tokens.keys
        if keys is None:
            return {"info": {}}
        self._ncp.network.store_counters()
        return {
            "info": {
                "present": True,
                "alternate_present": keys.alternate_key is not None,
                "sequence": keys.sequence,
                "alternate_sequence": keys.alternate_sequence,
                "counter": self._ncp.tokens.nwk_counter,
            }
        }

    @command("exportKey")
    def _export_key(self, args: Args) -> Result:
        context = args["context"]
        keys = self._ncp.tokens.keys
        key: bytes | None = None
        if keys is not None and context["key_type"] == KeyType.NETWORK:
            key = keys.alternate_key if context["index"] else keys.network_key
        elif keys is not None and context["key_type"] == KeyType.TC_LINK:
            key = keys.trust_center_key
        elif context["key_type"] == KeyType.APP_LINK:
            entry = self._table_row(context["index"])
            key = entry.key if entry else None
        elif context["key_type"] == KeyType.TC_LINK_WITH_TIMEOUT:
            transient = self._transient(context)
            key = transient.key if transient else None
        if key is None:
            return {"status": Status.NOT_FOUND, "context": context}
        return {"key": key, "context": context}

    @command("importKey")
    def _import_key(self, args: Args) -> Result:
        context, key = args["context"], args["key"]
        if context["key_type"] == KeyType.TC_LINK_WITH_TIMEOUT:
            status = self._add_transient(context["eui64"], key)
        elif context["key_type"] == KeyType.APP_LINK:
            status = self._set_row(context["index"], context["eui64"], key)
        else:
            # The network key and the trust center's own come by setInitialSecurityState.
            status = Status.INVALID_STATE
        return {"status": status, "context": context}

    @command("checkKeyContext")
    def _check_context(self, args: Args) -> Result:
        known = args["context"]["key_type"] in KeyType
        return {"status": Status.OK if known else Status.INVALID_PARAMETER}

    # Key table

    def _table_row(self, index: int) -> LinkKeyEntry | None:
        rows = self._ncp.tokens.link_keys
        return rows[index] if index < len(rows) else None

    def _set_row(self, index: int, eui64: int, key: bytes) -> Status:
        slot = None if index == NO_INDEX else index
        if self._ncp.trust_center.store_link_key(eui64, key, slot):
            return Status.OK
        return Status.FULL if slot is None else Status.INVALID_INDEX

    @command("importLinkKey")
    def _import_link_key(self, args: Args) -> Result:
        return {"status": self._set_row(args["index"], args["eui64"], args["key"])}

    @command("exportLinkKeyByIndex")
    def _export_row(self, args: Args) -> Result:
        index = args["index"]
        if index >= self._ncp.settings.key_table_size:
            return {"status": Status.INVALID_INDEX}
        return self._row(index)

    @command("exportLinkKeyByEui")
    def _export_row_of(self, args: Args) -> Result:
        index = self._index_of(args["eui64"])
        return {"status": Status.NOT_FOUND} if index is None else self._row(index)

    def _index_of(self, eui64: int) -> int | None:
        rows = self._ncp.tokens.link_keys
        return next((at for at, row in enumerate(rows) if row and row.eui64 == eui64), None)

    def _row(self, index: int) -> Result:
        row = self._table_row(index)
        if row is None:
            return {"status": Status.NOT_FOUND}
        bits = KeyBits.HAS_PARTNER_EUI64 | (KeyBits.IS_AUTHORIZED if row.authorized else 0)
        return {
            "eui64": row.eui64,
            "index": index,
            "context": {
                "key_type": KeyType.APP_LINK,
                "index": index,
                "eui64": row.eui64,
                "flags": ContextFlags.KEY_INDEX_IS_VALID | ContextFlags.EUI_IS_VALID,
            },
            "key": row.key,
            "metadata": {"bitmask": bits},
        }

    @command("getApsKeyInfo")
    def _aps_key_info(self, args: Args) -> Result:
        context = args["context"]
        row = self._row(context["index"]) if context["key_type"] == KeyType.APP_LINK else None
        if row is None or "metadata" not in row:
            return {"status": Status.NOT_FOUND, "context": context}
        return {"eui64": row["eui64"], "context": row["context"], "metadata": row["metadata"]}

    @command("findKeyTableEntry")
    def _find_row(self, args: Args) -> Result:
        index = self._index_of(args["eui64"])
        return {"index": NO_INDEX if index is None else index}

    @command("eraseKeyTableEntry")
    def _erase_row(self, args: Args) -> Result:
        if self._table_row(args["index"]) is None:
            return {"status": Status.INVALID_INDEX}
        self._ncp.tokens.link_keys[args["index"]] = None
        self._ncp.tokens.save()
        return None

    @command("clearKeyTable")
    def _clear_table(self, _args: Args) -> Result:
        self._ncp.tokens.link_keys.clear()
        self._ncp.tokens.save()
        return None

    # Transient keys

    def _add_transient(self, eui64: int, key: bytes) -> Status:
        if eui64 == 0:
            return Status.INVALID_PARAMETER
        done = self._ncp.trust_center.transient.add(eui64, key)
        return Status.OK if done else Status.FULL

    def _transient(self, context: Args) -> TransientKey | None:
        table = self._ncp.trust_center.transient
        if context["flags"] & ContextFlags.EUI_IS_VALID:
            return table.get(context["eui64"])
        entries = list(table)
        return entries[context["index"]] if context["index"] < len(entries) else None

    @command("importTransientKey")
    def _import_transient(self, args: Args) -> Result:
        return {"status": self._add_transient(args["eui64"], args["key"])}

    @command("exportTransientKeyByIndex")
    def _export_transient(self, args: Args) -> Result:
        entries = list(self._ncp.trust_center.transient)
        if args["index"] >= len(entries):
            return {"status": Status.NOT_FOUND}
        return self._transient_row(entries[args["index"]], args["index"])

    @command("exportTransientKeyByEui")
    def _export_transient_of(self, args: Args) -> Result:
        entries = list(self._ncp.trust_center.transient)
        for index, entry in enumerate(entries):
            if entry.eui64 == args["eui64"]:
                return self._transient_row(entry, index)
        return {"status": Status.NOT_FOUND}

    def _transient_row(self, entry: TransientKey, index: int) -> Result:
        unconfirmed = KeyBits.UNCONFIRMED_TRANSIENT if entry.unconfirmed else 0
        return {
            "context": {
                "key_type": KeyType.TC_LINK_WITH_TIMEOUT,
                "index": index,
                "eui64": entry.eui64,
                "flags": ContextFlags.KEY_INDEX_IS_VALID
                | (0 if entry.eui64 == NO_EUI64 else ContextFlags.EUI_IS_VALID)
                | (ContextFlags.UNCONFIRMED_TRANSIENT_KEY if entry.unconfirmed else 0),
            },
            "key": entry.key,
            "metadata": {
                "bitmask": KeyBits.HAS_PARTNER_EUI64 | unconfirmed,
                "ttl": self._ncp.trust_center.transient.remaining(entry),
            },
        }

    @command("clearTransientLinkKeys")
    def _clear_transient(self, _args: Args) -> Result:
        self._ncp.trust_center.transient.clear()
        return None
