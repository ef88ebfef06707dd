"""Who the co-processor is, and commands that only answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubsec_emulated.ncp.config import RELEASES
from hubsec_emulated.ncp.ezsp import Status
from hubsec_emulated.ncp.registry import Args, CommandGroup, Result, command
from hubsec_emulated.ncp.tokens import NO_EUI64

if TYPE_CHECKING:
    from hubsec_emulated.ncp.ncp import Ncp

COUNTERS = 41
"""EmberCounterType has so many members."""
COUNTER_LIMIT = 0xFFFF
TEXT_TOKEN = 16
"""Length of the textual manufacturing tokens, filled up with 0xFF."""
MANUFACTURER_TEXT = b"hubsec"
BOARD_TEXT = b"emulated stick"
MFG_STRING = 0x01
MFG_BOARD_NAME = 0x02
MFG_MANUF_ID = 0x03
MFG_CUSTOM_EUI_64 = 0x0C
EUI64_BYTES = 8
RANDOM_BITS = 16
MAX_PAYLOAD = 82
"""Longest APS payload of one unfragmented, NWK-secured frame (UG100, maximumPayloadLength)."""


class InfoCommands(CommandGroup):
    """Manufacturing tokens, counters, and what needs no state at all."""

    def __init__(self, ncp: Ncp) -> None:
        self._ncp = ncp
        self.counters = [0] * COUNTERS

    def reset(self) -> None:
        """Start counting anew."""
        self.counters = [0] * COUNTERS

    @property
    def release(self) -> tuple[int, int, int, int]:
        """EmberZNet's release: major, minor, patch, special."""
        return RELEASES[self._ncp.codec.version]

    def count(self, counter: int) -> None:
        """Add one to a counter (EmberCounterType), which stops at its end."""
        self.counters[counter] = min(self.counters[counter] + 1, COUNTER_LIMIT)

    @command("nop", "callback", "gpSinkTableInit", "gpSinkTableClearAll", "gpClearProxyTable")
    def _nothing(self, _args: Args) -> Result:
        return None

    @command("gpSinkTableRemoveEntry", "gpProxyTableRemoveEntry")
    def _nothing_to_remove(self, _args: Args) -> Result:
        return None

    @command("gpProxyTableLookup", "gpSinkTableLookup")
    def _no_gp_entry(self, _args: Args) -> Result:
        return {"index": 0xFF}

    @command("gpProxyTableGetEntry", "gpSinkTableGetEntry")
    def _no_gp_row(self, _args: Args) -> Result:
        return {"status": Status.NOT_FOUND}

    @command("gpSinkTableGetNumberOfActiveEntries")
    def _gp_count(self, _args: Args) -> Result:
        return {"count": 0}

    @command("echo")
    def _echo(self, args: Args) -> Result:
        return {"data": args["data"]}

    @command("debugWrite")
    def _debug_write(self, _args: Args) -> Result:
        return None

    @command("getLibraryStatus")
    def _library(self, _args: Args) -> Result:
        return {"status": 0x80}

    @command("getXncpInfo")
    def _no_xncp(self, _args: Args) -> Result:
        return {"status": Status.INVALID_STATE}

    @command("customFrame")
    def _no_custom_frame(self, _args: Args) -> Result:
        return {"status": Status.NOT_AVAILABLE}

    @command("getRandomNumber")
    def _random(self, _args: Args) -> Result:
        return {"value": self._ncp.random.getrandbits(RANDOM_BITS)}

    @command("getEui64")
    def _eui64(self, _args: Args) -> Result:
        return {"eui64": self._ncp.tokens.eui64}

    @command("getMfgToken")
    def _get_mfg_token(self, args: Args) -> Result:
        token = args["token"]
        if token == MFG_STRING:
            return {"data": MANUFACTURER_TEXT.ljust(TEXT_TOKEN, b"\xff")}
        if token == MFG_BOARD_NAME:
            return {"data": BOARD_TEXT.ljust(TEXT_TOKEN, b"\xff")}
        if token == MFG_MANUF_ID:
            return {"data": b"\xff\xff"}
        if token == MFG_CUSTOM_EUI_64:
            return {"data": self._ncp.tokens.custom_eui64.to_bytes(EUI64_BYTES, "little")}
        return {"data": b""}

    @command("setMfgToken")
    def _set_mfg_token(self, args: Args) -> Result:
        tokens = self._ncp.tokens
        if args["token"] != MFG_CUSTOM_EUI_64 or len(args["data"]) != EUI64_BYTES:
            return {"status": Status.INVALID_PARAMETER}
        if tokens.custom_eui64 != NO_EUI64:
            # User data is written once.
            return {"status": Status.INVALID_STATE}
        tokens.custom_eui64 = int.from_bytes(args["data"], "little")
        tokens.save()
        return None

    @command("readCounters")
    def _read_counters(self, _args: Args) -> Result:
        return {"values": tuple(self.counters)}

    @command("readAndClearCounters")
    def _read_and_clear_counters(self, _args: Args) -> Result:
        values = tuple(self.counters)
        self.reset()
        return {"values": values}

    @command("maximumPayloadLength")
    def _maximum_payload(self, _args: Args) -> Result:
        return {"length": MAX_PAYLOAD}

    @command(
        "setBrokenRouteErrorCode",
        "setManufacturerCode",
        "setPowerDescriptor",
        "setRadioIeee802154CcaMode",
        "setSourceRouteDiscoveryMode",
        "setPendingNetworkUpdateChannel",
    )
    def _no_effect_on_air(self, _args: Args) -> Result:
        """Settings of the radio that nothing on the emulated air depends on."""
        return None
