"""Configuration, values and policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubsec_emulated.ncp.config import (
    BUILD,
    DEFAULTS,
    FIXED_BEFORE_UP,
    GENERAL_AVAILABILITY,
    VALUE_DEFAULTS,
    Config,
    Value,
)
from hubsec_emulated.ncp.ezsp import Status
from hubsec_emulated.ncp.policies import JoinPolicy, KeyRequestPolicy, Policy
from hubsec_emulated.ncp.registry import Args, CommandGroup, Result, command

if TYPE_CHECKING:
    from hubsec_emulated.ncp.ncp import Ncp

OTHER_POLICIES: dict[int, int] = {
    Policy.BINDING_MODIFICATION: 0x10,
    Policy.UNICAST_REPLIES: 0x20,
    Policy.POLL_HANDLER: 0x30,
    Policy.MESSAGE_CONTENTS_IN_CALLBACK: 0x40,
    Policy.APP_KEY_REQUEST: 0x60,
    Policy.PACKET_VALIDATE_LIBRARY: 0x62,
    Policy.ZLL: 0x00,
}
"""Policies that only the host reads back, with their values after a reset (EzspDecisionId)."""
CONTENTS_IN_CALLBACK = 0x41
ALLOW_REJOINS_WITH_WELL_KNOWN_KEY = 0x01
ALL_JOIN_BITS = 0x3F
FRAME_COUNTERS = {Value.NWK_FRAME_COUNTER: "nwk_counter", Value.APS_FRAME_COUNTER: "aps_counter"}
COUNTER_BYTES = 4


class SettingCommands(CommandGroup):
    """What the host sets before it starts the network; all of it is lost at a reset."""

    def __init__(self, ncp: Ncp) -> None:
        self._ncp = ncp
        self.reset()

    def reset(self) -> None:
        """Back to the defaults."""
        self.config = dict(DEFAULTS)
        self.config[Config.KEY_TABLE_SIZE] = min(
            self._ncp.key_table_capacity, DEFAULTS[Config.KEY_TABLE_SIZE]
        )
        self.values = dict(VALUE_DEFAULTS)
        self.policies = dict(OTHER_POLICIES)

    @property
    def key_table_size(self) -> int:
        """Entries of the link key table."""
        return self.config[Config.KEY_TABLE_SIZE]

    @property
    def contents_in_callback(self) -> bool:
        """Whether messageSentHandler brings the message back."""
        return self.policies[Policy.MESSAGE_CONTENTS_IN_CALLBACK] == CONTENTS_IN_CALLBACK

    @command("getConfigurationValue")
    def _get_config(self, args: Args) -> Result:
        value = self.config.get(args["config"])
        if value is None:
            return {"status": Status.NOT_FOUND}
        return {"value": value}

    @command("setConfigurationValue")
    def _set_config(self, args: Args) -> Result:
        config, value = args["config"], args["value"]
        if config not in self.config:
            return {"status": Status.NOT_FOUND}
        if self._ncp.up and config in FIXED_BEFORE_UP and value != self.config[config]:
            return {"status": Status.INVALID_STATE}
        if config == Config.KEY_TABLE_SIZE and value > self._ncp.key_table_capacity:
            return {"status": Status.NO_MORE_RESOURCE}
        self.config[config] = value
        if config == Config.TRANSIENT_KEY_TIMEOUT_S:
            self._ncp.trust_center.transient.timeout = value
        return None

    @command("setPolicy")
    def _set_policy(self, args: Args) -> Result:
        policy, decision = args["policy"], args["decision"]
        center = self._ncp.trust_center
        if policy == Policy.TRUST_CENTER and decision <= ALL_JOIN_BITS:
            done = center.set_policy(JoinPolicy(decision))
            return {"status": Status.OK if done else Status.INVALID_PARAMETER}
        if policy == Policy.TC_KEY_REQUEST and decision in KeyRequestPolicy:
            center.key_requests = KeyRequestPolicy(decision)
            return None
        if policy == Policy.TC_REJOINS_USING_WELL_KNOWN_KEY:
            allowed = decision == ALLOW_REJOINS_WITH_WELL_KNOWN_KEY
            seconds = self.config[Config.TC_REJOINS_USING_WELL_KNOWN_KEY_TIMEOUT_S] if allowed else 0
            center.allow_well_known_rejoin(seconds)
            return None
        if policy in self.policies:
            self.policies[policy] = decision
            return None
        return {"status": Status.INVALID_PARAMETER}

    @command("getPolicy")
    def _get_policy(self, args: Args) -> Result:
        policy = args["policy"]
        center = self._ncp.trust_center
        if policy == Policy.TRUST_CENTER:
            return {"decision": center.policy}
        if policy == Policy.TC_KEY_REQUEST:
            return {"decision": center.key_requests}
        if policy == Policy.TC_REJOINS_USING_WELL_KNOWN_KEY:
            return {"decision": int(center.well_known_rejoin)}
        if policy in self.policies:
            return {"decision": self.policies[policy]}
        return {"status": Status.INVALID_PARAMETER}

    @command("getValue")
    def _get_value(self, args: Args) -> Result:
        value_id = args["value_id"]
        if value_id == Value.VERSION_INFO:
            release = bytes(self._ncp.info.release)
            return {"value": BUILD.to_bytes(2, "little") + release + bytes((GENERAL_AVAILABILITY,))}
        if value_id in FRAME_COUNTERS:
            self._ncp.network.store_counters()
            counter = getattr(self._ncp.tokens, FRAME_COUNTERS[value_id])
            return {"value": counter.to_bytes(COUNTER_BYTES, "little")}
        if value_id == Value.TRANSIENT_KEY_TIMEOUT_S:
            return {"value": int(self._ncp.trust_center.transient.timeout).to_bytes(2, "little")}
        if value_id == Value.NODE_SHORT_ID:
            return {"value": bytes(2)}
        if value_id in self.values:
            return {"value": self.values[value_id]}
        return {"status": Status.NOT_FOUND}

    @command("setValue")
    def _set_value(self, args: Args) -> Result:
        value_id, value = args["value_id"], args["value"]
        if value_id in FRAME_COUNTERS:
            if self._ncp.up or len(value) != COUNTER_BYTES:
                return {"status": Status.INVALID_STATE}
            setattr(self._ncp.tokens, FRAME_COUNTERS[value_id], int.from_bytes(value, "little"))
            self._ncp.tokens.save()
            return None
        if value_id == Value.TRANSIENT_KEY_TIMEOUT_S:
            self._ncp.trust_center.transient.timeout = int.from_bytes(value, "little")
            return None
        if value_id in self.values:
            self.values[value_id] = value
            return None
        return {"status": Status.NOT_FOUND}

    @command("getExtendedValue")
    def _get_extended_value(self, args: Args) -> Result:
        # Hosts read two bytes whatever the status says.
        if args["value_id"] == 0 and self._ncp.tables.has_endpoint(args["characteristics"]):
            return {"value": self.values[Value.ENDPOINT_FLAGS]}
        return {"status": Status.INVALID_PARAMETER, "value": bytes(2)}
