"""The co-processor's commands, from a host without a serial line over a radio without air."""

from __future__ import annotations

from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubsec_emulated.clock import VirtualClock
from hubsec_emulated.ncp.ezsp import SUPPORTED_VERSIONS, Codec, Status
from hubsec_emulated.ncp.handlers.info import MAX_PAYLOAD
from hubsec_emulated.ncp.ncp import Ncp
from hubsec_emulated.ncp.policies import KeyStatus
from hubsec_emulated.ncp.tokens import ChildEntry, Tokens
from hubsec_emulated.stack.interface import ApsIndication, DeliveryMode, DeviceUpdate, JoinIndication
from hubsec_emulated.wire.crypto import WELL_KNOWN_KEY, hashed_tclk

DEVICE = 0x00124B0001020304
WILDCARD = 0xFFFFFFFFFFFFFFFF
EVERY_VERSION = pytest.mark.parametrize("host", SUPPORTED_VERSIONS, indirect=True)
APS = {
    "profile": 0x0104,
    "cluster": 6,
    "source_endpoint": 1,
    "destination_endpoint": 1,
    "options": 0x0140,
    "group": 0,
    "sequence": 0,
}


class Host(Protocol):
    """The fixture's type: see conftest."""

    ncp: Ncp
    radio: Any
    clock: VirtualClock
    answers: list[Any]
    sequence: int

    def __call__(self, name: str, **args: Any) -> dict[str, Any]: ...
    def callbacks(self, name: str) -> list[dict[str, Any]]: ...
    def form(self, *, bitmask: int = ..., key: bytes = ..., **network: Any) -> None: ...


class NullRadio:
    """Enough of a radio for commands that need none."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


def context(key_type: int, index: int = 0, **more: int) -> dict[str, Any]:
    return {
        "key_type": key_type,
        "index": index,
        "derived": 0,
        "eui64": 0,
        "network": 0,
        "flags": 0,
        "algorithm": 0,
        **more,
    }


def indication(**change: Any) -> ApsIndication:
    values: dict[str, Any] = {
        "src": 0x1234,
        "src_eui64": DEVICE,
        "dst": 0,
        "mode": DeliveryMode.UNICAST,
        "profile": 0x0104,
        "cluster": 6,
        "src_ep": 1,
        "dst_ep": 1,
        "counter": 9,
        "payload": b"hello",
    }
    return ApsIndication(**{**values, **change})


# Frames


def test_before_the_version_every_command_is_refused(host: Host) -> None:
    host.ncp.power_off()
    host.ncp.handle_frame(host.ncp.codec.encode_command(7, "nop", {}))
    assert (host.answers[-1].name, host.answers[-1].values["reason"]) == ("invalidCommand", 0x30)
    assert host("version", desired=14)["protocol"] == 14
    assert host("nop") == {}


def test_an_unknown_command_is_counted_and_refused(host: Host) -> None:
    host.ncp.handle_frame(bytes.fromhex("660001fff0"))
    assert (host.answers[-1].name, host.answers[-1].sequence) == ("invalidCommand", 0x66)
    assert host.ncp.faults["INVALID_FRAME_ID"] == 1


@EVERY_VERSION
def test_every_command_of_the_table_is_implemented(host: Host) -> None:
    commands = {name for name, spec in host.ncp.codec.by_name.items() if spec.response is not None}
    unanswered = []
    for name in sorted(commands - {"tokenFactoryReset", "leaveNetwork"}):
        host.ncp.handle_frame(host.ncp.codec.encode_command(1, name, {}))
        if host.answers[-1].name == "invalidCommand":
            unanswered.append(name)
    assert unanswered == []


def test_a_callback_carries_the_sequence_that_was_answered_last(host: Host) -> None:
    host("nop")
    host.radio.on_data(indication())
    assert host.answers[-1].callback
    assert host.answers[-1].sequence == host.sequence


def test_what_a_command_brings_about_follows_its_response(host: Host) -> None:
    host.form()
    host("permitJoining", duration=60)
    assert [answer.name for answer in host.answers[-2:]] == ["permitJoining", "stackStatusHandler"]


def test_callbacks_wait_for_the_version(host: Host) -> None:
    host.ncp.power_off()
    before = len(host.answers)
    host.radio.on_data(indication())
    assert len(host.answers) == before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    frames=st.lists(st.binary(max_size=120), max_size=5),
    name=st.integers(0, 0x120),
    body=st.binary(max_size=120),
)
def test_no_frame_brings_it_down(host: Host, frames: list[bytes], name: int, body: bytes) -> None:
    for frame in (*frames, bytes((1, 0, 1)) + name.to_bytes(2, "little") + body):
        host.ncp.handle_frame(frame)


def test_the_record_and_the_hook_see_every_command(host: Host) -> None:
    seen: list[str] = []
    host.ncp.on_command = lambda name, args: seen.append(name)
    host("nop")
    host("permitJoining", duration=3)
    assert seen == ["nop", "permitJoining"]
    assert (host.ncp.commands[-1].name, host.ncp.commands[-1].args) == ("permitJoining", {"duration": 3})


def test_the_record_shows_no_key(host: Host) -> None:
    host("importTransientKey", eui64=DEVICE, key=b"secret-of-16-byt")
    assert "secret" not in repr(list(host.ncp.commands))
    host.form()
    assert "NNNN" not in repr(host.radio.formed)


# The network's life


@EVERY_VERSION
def test_form_restart_and_leave(host: Host) -> None:
    assert host("networkInit")["status"] == Status.NOT_JOINED
    assert host("networkState")["state"] == 0
    host.form(channel=20)
    assert host.radio.fresh
    assert host("networkState")["state"] == 2
    assert host("networkInit")["status"] == Status.INVALID_STATE
    assert host("getNetworkParameters")["parameters"]["channel"] == 20
    host.ncp.power_off()
    assert host.radio.formed is None
    host("version", desired=14)
    assert host("networkState")["state"] == 0
    assert host("networkInit")["status"] == Status.OK
    host.clock.advance(1)
    assert host.callbacks("stackStatusHandler")[-1]["status"] is Status.NETWORK_UP
    assert not host.radio.fresh
    assert host("leaveNetwork")["status"] == Status.OK
    assert host.callbacks("stackStatusHandler")[-1]["status"] is Status.NETWORK_DOWN
    assert host("networkInit")["status"] == Status.NOT_JOINED
    assert host("getNetworkParameters")["status"] == Status.NOT_JOINED
    assert host("leaveNetwork")["status"] == Status.INVALID_STATE


def test_forming_needs_a_security_state_and_a_channel(host: Host) -> None:
    parameters = dict.fromkeys(("extended_pan_id", "pan_id", "tx_power", "join_method", "manager"), 0)
    parameters |= {"update_id": 0, "channels": 0, "channel": 15}
    assert host("formNetwork", parameters=parameters)["status"] == Status.SECURITY_STATE_NOT_SET
    host("setInitialSecurityState")
    assert (
        host("formNetwork", parameters={**parameters, "channel": 27})["status"] == Status.INVALID_CHANNEL_MASK
    )
    assert host("formNetwork", parameters=parameters)["status"] == Status.OK
    assert host("formNetwork", parameters=parameters)["status"] == Status.INVALID_STATE
    assert host("setInitialSecurityState")["status"] == Status.INVALID_STATE


def test_frame_counters_go_on_after_a_restart(host: Host) -> None:
    assert host("setValue", value_id=0x23, value=(5000).to_bytes(4, "little"))["status"] == Status.OK
    host.form()
    assert host("getNetworkKeyInfo")["info"]["counter"] == 5000
    host.radio.nwk_counter = 6000
    assert host("setValue", value_id=0x23, value=bytes(4))["status"] == Status.INVALID_STATE
    for _ in range(3):
        host.ncp.power_off()
    host("version", desired=14)
    host("networkInit")
    assert host("getNetworkKeyInfo")["info"]["counter"] == 8192
    assert host.ncp.tokens.boot_count == 3


def test_forming_without_keeping_counters_starts_them_anew(host: Host) -> None:
    host("setValue", value_id=0x23, value=(5000).to_bytes(4, "little"))
    host.form(bitmask=0x0B84)
    assert host("getNetworkKeyInfo")["info"]["counter"] == 0


def test_a_factory_reset_leaves_nothing(host: Host) -> None:
    host.form()
    host("importLinkKey", index=0, eui64=DEVICE, key=b"k" * 16)
    host("tokenFactoryReset", keep_frame_counters=0, keep_boot_counter=0)
    assert host("networkInit")["status"] == Status.NOT_JOINED
    assert host("findKeyTableEntry", eui64=DEVICE)["index"] == 0xFF
    assert host.ncp.tokens == Tokens()


def test_opening_and_closing_are_told(host: Host) -> None:
    host.form()
    host("permitJoining", duration=60)
    assert host.radio.permit == 60
    host.clock.advance(61)
    host("permitJoining", duration=255)
    host.clock.advance(1000)
    host("permitJoining", duration=0)
    host("permitJoining", duration=0)
    assert host.radio.permit == 0
    told = [values["status"] for values in host.callbacks("stackStatusHandler")[1:]]
    assert told == [Status.NETWORK_OPENED, Status.NETWORK_CLOSED] * 2


def test_the_permit_flag_does_not_touch_the_trust_centers_policy(host: Host) -> None:
    host.form()
    host("setPolicy", policy=0, decision=0x21)
    host("permitJoining", duration=60)
    host("permitJoining", duration=0)
    assert host("getPolicy", policy=0)["decision"] == 0x21


def test_an_energy_scan_takes_its_time(host: Host) -> None:
    assert host("startScan", type=0, channels=0x07FFF800, duration=2)["status"] == Status.OK
    assert host("startScan", type=0, channels=0x07FFF800, duration=2)["status"] == Status.BUSY
    assert host.callbacks("energyScanResultHandler") == []
    host.clock.advance(2)
    assert [values["channel"] for values in host.callbacks("energyScanResultHandler")] == list(range(11, 27))
    assert len(host.callbacks("scanCompleteHandler")) == 1
    assert host("stopScan")["status"] == Status.INVALID_STATE


def test_an_active_scan_lists_networks(host: Host) -> None:
    host("startScan", type=1, channels=1 << 15, duration=3)
    host.clock.advance(2)
    assert host.callbacks("networkFoundHandler")[0]["network"]["pan_id"] == 0x1A62
    assert host.callbacks("scanCompleteHandler")[0]["status"] is Status.OK
    host("startScan", type=1, channels=1 << 15, duration=3)
    assert host("stopScan")["status"] == Status.OK
    host.clock.advance(2)
    assert len(host.callbacks("networkFoundHandler")) == 1


@pytest.mark.parametrize(
    ("kind", "channels", "duration"), [(0, 0, 2), (0, 1, 2), (7, 1 << 15, 2), (0, 1 << 15, 15)]
)
def test_a_scan_of_nothing_is_refused(host: Host, kind: int, channels: int, duration: int) -> None:
    values = host("startScan", type=kind, channels=channels, duration=duration)
    assert values["status"] == Status.INVALID_PARAMETER


# Policies and settings


def test_the_boot_policy_is_open_and_comes_back_with_every_reset(host: Host) -> None:
    assert host("getPolicy", policy=0)["decision"] == 0x03
    host("setPolicy", policy=0, decision=0)
    host("setPolicy", policy=5, decision=0x50)
    assert host("getPolicy", policy=0)["decision"] == 0
    assert host("getPolicy", policy=5)["decision"] == 0x50
    host.ncp.power_off()
    host("version", desired=14)
    assert host("getPolicy", policy=0)["decision"] == 0x03
    assert host("getPolicy", policy=5)["decision"] == 0x51


@pytest.mark.parametrize(
    ("policy", "decision", "status"),
    [
        (0, 0x3B, Status.OK),
        (0, 0x40, Status.INVALID_PARAMETER),
        (0, 0x05, Status.INVALID_PARAMETER),
        (5, 0x52, Status.OK),
        (5, 0x53, Status.INVALID_PARAMETER),
        (4, 0x41, Status.OK),
        (9, 1, Status.OK),
        (77, 0, Status.INVALID_PARAMETER),
    ],
)
def test_policies_are_checked(host: Host, policy: int, decision: int, status: Status) -> None:
    assert host("setPolicy", policy=policy, decision=decision)["status"] == status
    if status is Status.OK:
        assert host("getPolicy", policy=policy)["decision"] == decision


def test_the_policy_for_the_well_known_key_ends_by_itself(host: Host) -> None:
    host("setConfigurationValue", config=0x38, value=90)
    host("setPolicy", policy=9, decision=1)
    host.clock.advance(91)
    assert host("getPolicy", policy=9)["decision"] == 0


def test_configuration_is_kept_until_the_reset(host: Host) -> None:
    assert host("setConfigurationValue", config=0x05, value=40)["status"] == Status.OK
    assert host("getConfigurationValue", config=0x05)["value"] == 40
    assert host("getConfigurationValue", config=0x99)["status"] == Status.NOT_FOUND
    assert host("setConfigurationValue", config=0x99, value=1)["status"] == Status.NOT_FOUND
    host.ncp.power_off()
    host("version", desired=14)
    assert host("getConfigurationValue", config=0x05)["value"] == 16


def test_the_key_table_is_only_as_large_as_the_firmware_made_it(host: Host) -> None:
    assert host("setConfigurationValue", config=0x1E, value=5)["status"] == Status.NO_MORE_RESOURCE
    assert host("setConfigurationValue", config=0x1E, value=3)["status"] == Status.OK
    host.form()
    assert host("setConfigurationValue", config=0x1E, value=4)["status"] == Status.INVALID_STATE


def test_version_info_ends_with_general_availability(host: Host) -> None:
    value = host("getValue", value_id=0x11)["value"]
    assert len(value) == 7
    assert value[-1] == 0xAA


def test_an_extended_value_has_two_bytes_even_if_it_fails(host: Host) -> None:
    host("addEndpoint", endpoint=1, profile=0x0104, device=5, input_count=1, inputs=(6,))
    assert host("getExtendedValue", value_id=0, characteristics=1) == {
        "status": Status.OK,
        "value": b"\x01\x00",
    }
    failed = host("getExtendedValue", value_id=0, characteristics=9)
    assert (failed["status"], len(failed["value"])) == (Status.INVALID_PARAMETER, 2)


def test_endpoints_belong_to_the_time_before_the_network(host: Host) -> None:
    assert host("addEndpoint", endpoint=1, profile=0x0104)["status"] == Status.OK
    assert host("addEndpoint", endpoint=1, profile=0x0104)["status"] == Status.INVALID_STATE
    host.form()
    assert [endpoint.number for endpoint in host.radio.endpoints] == [1]
    assert host("addEndpoint", endpoint=2, profile=0x0104)["status"] == Status.INVALID_STATE


# Keys


@EVERY_VERSION
def test_transient_keys_in_and_out(host: Host) -> None:
    assert host("importTransientKey", eui64=DEVICE, key=b"k" * 16)["status"] == Status.OK
    assert host("importTransientKey", eui64=WILDCARD, key=WELL_KNOWN_KEY)["status"] == Status.OK
    assert host("importTransientKey", eui64=0, key=b"k" * 16)["status"] == Status.INVALID_PARAMETER
    host.clock.advance(100)
    first = host("exportTransientKeyByIndex", index=0)
    assert (first["key"], first["context"]["eui64"], first["metadata"]["ttl"]) == (b"k" * 16, DEVICE, 200)
    assert host("exportTransientKeyByEui", eui64=WILDCARD)["key"] == WELL_KNOWN_KEY
    assert host("exportTransientKeyByIndex", index=2)["status"] == Status.NOT_FOUND
    assert host("exportTransientKeyByEui", eui64=1)["status"] == Status.NOT_FOUND
    assert host("exportKey", context=context(3, 1))["key"] == WELL_KNOWN_KEY
    assert host("exportKey", context=context(3, 7, eui64=DEVICE, flags=2))["key"] == b"k" * 16
    host("clearTransientLinkKeys")
    assert host("exportTransientKeyByIndex", index=0)["status"] == Status.NOT_FOUND


def test_the_time_to_live_can_be_set(host: Host) -> None:
    host("setConfigurationValue", config=0x36, value=10)
    host("importTransientKey", eui64=DEVICE, key=b"k" * 16)
    assert host("getValue", value_id=0x3B)["value"] == bytes((10, 0))
    host.clock.advance(11)
    assert host("exportTransientKeyByEui", eui64=DEVICE)["status"] == Status.NOT_FOUND


@EVERY_VERSION
def test_the_key_table_in_and_out(host: Host) -> None:
    assert host("importLinkKey", index=1, eui64=DEVICE, key=b"k" * 16)["status"] == Status.OK
    assert host("importLinkKey", index=4, eui64=DEVICE, key=b"k" * 16)["status"] == Status.INVALID_INDEX
    assert host("findKeyTableEntry", eui64=DEVICE)["index"] == 1
    assert host("exportLinkKeyByIndex", index=0)["status"] == Status.NOT_FOUND
    assert host("exportLinkKeyByIndex", index=1)["key"] == b"k" * 16
    assert host("exportLinkKeyByIndex", index=9)["status"] == Status.INVALID_INDEX
    assert host("exportLinkKeyByEui", eui64=DEVICE)["key"] == b"k" * 16
    assert host("exportLinkKeyByEui", eui64=1)["status"] == Status.NOT_FOUND
    assert host("exportKey", context=context(4, 1))["key"] == b"k" * 16
    assert host("getApsKeyInfo", context=context(4, 1))["metadata"]["bitmask"] & 0x10
    assert host("getApsKeyInfo", context=context(4, 0))["status"] == Status.NOT_FOUND
    assert host("importKey", context=context(4, 2, eui64=1), key=b"j" * 16)["status"] == Status.OK
    assert host("importKey", context=context(3, eui64=7), key=b"j" * 16)["status"] == Status.OK
    assert host("importKey", context=context(1), key=b"j" * 16)["status"] == Status.INVALID_STATE
    assert host("eraseKeyTableEntry", index=1)["status"] == Status.OK
    assert host("eraseKeyTableEntry", index=1)["status"] == Status.INVALID_INDEX
    for eui64 in (2, 3, 4):
        assert host("importLinkKey", index=0xFF, eui64=eui64, key=b"k" * 16)["status"] == Status.OK
    assert host("importLinkKey", index=0xFF, eui64=5, key=b"k" * 16)["status"] == Status.FULL
    host("clearKeyTable")
    assert host("findKeyTableEntry", eui64=2)["index"] == 0xFF


@EVERY_VERSION
def test_the_networks_keys_can_be_read(host: Host) -> None:
    assert host("exportKey", context=context(1))["status"] == Status.NOT_FOUND
    assert not host("getNetworkKeyInfo")["info"]["present"]
    assert host("getCurrentSecurityState")["status"] == Status.NOT_JOINED
    host.form()
    assert host("exportKey", context=context(1))["key"] == b"N" * 16
    assert host("exportKey", context=context(2))["key"] == b"S" * 16
    assert host("getNetworkKeyInfo")["info"]["present"]
    state = host("getCurrentSecurityState")["state"]
    assert state == {"bitmask": 0x0094, "trust_center": host.ncp.tokens.eui64}
    assert host("checkKeyContext", context=context(1))["status"] == Status.OK
    assert host("checkKeyContext", context=context(77))["status"] == Status.INVALID_PARAMETER


# The trust center on the host's order


def test_joins_are_told_with_their_decision(host: Host) -> None:
    host.form()
    host("importTransientKey", eui64=WILDCARD, key=WELL_KNOWN_KEY)
    host.radio.trust_center.on_join(JoinIndication(DEVICE, 0x1234, 0, DeviceUpdate.UNSECURED_JOIN))
    host("setPolicy", policy=0, decision=0)
    host.radio.trust_center.on_join(JoinIndication(DEVICE, 0x1234, 7, DeviceUpdate.UNSECURED_JOIN))
    told = [(v["node"], v["decision"], v["parent"]) for v in host.callbacks("trustCenterJoinHandler")]
    assert told == [(0x1234, 0, 0), (0x1234, 2, 7)]
    host.radio.trust_center.on_request_key(DEVICE, 0x1234, None, WELL_KNOWN_KEY)
    assert host.callbacks("zigbeeKeyEstablishmentHandler")[-1] == {
        "eui64": DEVICE,
        "status": KeyStatus.TC_RESPONDED_TO_KEY_REQUEST,
    }


def test_the_network_key_for_one_device(host: Host) -> None:
    device = {"node": 0x1234, "eui64": DEVICE, "parent": 0x77}
    assert host("unicastCurrentNetworkKey", **device)["status"] == Status.NOT_JOINED
    host.form()
    assert host("unicastCurrentNetworkKey", **device)["status"] == Status.INVALID_KEY
    host("importTransientKey", eui64=DEVICE, key=b"k" * 16)
    assert host("unicastCurrentNetworkKey", **device)["status"] == Status.OK
    assert host.radio.sent == [("network key", DEVICE, 0x1234, 0x77, b"k" * 16)]


def test_removal_and_link_key_go_under_the_devices_key(host: Host) -> None:
    assert host("removeDevice", node=1, eui64=DEVICE, target=DEVICE)["status"] == Status.INVALID_KEY
    assert host("sendTrustCenterLinkKey", node=1, eui64=DEVICE)["status"] == Status.INVALID_KEY
    host.form()
    key = hashed_tclk(b"S" * 16, DEVICE)
    assert host("removeDevice", node=1, eui64=DEVICE, target=5)["status"] == Status.OK
    assert host("sendTrustCenterLinkKey", node=1, eui64=DEVICE)["status"] == Status.OK
    assert host.radio.sent == [("remove", 1, 5, key), ("link key", DEVICE, key, key)]


def test_rotation_by_broadcast(host: Host) -> None:
    assert host("broadcastNextNetworkKey", key=b"M" * 16)["status"] == Status.NOT_JOINED
    assert host("broadcastNetworkKeySwitch")["status"] == Status.INVALID_STATE
    host.form()
    assert host("broadcastNetworkKeySwitch")["status"] == Status.INVALID_STATE
    assert host("broadcastNextNetworkKey", key=b"M" * 16)["status"] == Status.OK
    assert host.radio.staged == (b"M" * 16, 1)
    info = host("getNetworkKeyInfo")["info"]
    assert (info["sequence"], info["alternate_present"], info["alternate_sequence"]) == (0, 1, 1)
    assert host("exportKey", context=context(1, 1))["key"] == b"M" * 16
    assert host("broadcastNetworkKeySwitch")["status"] == Status.TOO_SOON_FOR_SWITCH_KEY
    host.clock.advance(20)
    assert host("broadcastNetworkKeySwitch")["status"] == Status.OK
    assert host.radio.sent == [("broadcast key", b"M" * 16, 1), ("switched", 1), ("switch key", 0xFFFF, 1)]
    assert host.callbacks("switchNetworkKeyHandler") == [{"sequence": 1}]
    info = host("getNetworkKeyInfo")["info"]
    assert (info["sequence"], info["alternate_present"]) == (1, 0)
    assert host("exportKey", context=context(1))["key"] == b"M" * 16


def test_rotation_by_unicast_under_each_devices_key(host: Host) -> None:
    device = {"node": 0x1234, "eui64": DEVICE}
    assert host("unicastNwkKeyUpdate", **device, key=b"M" * 16)["status"] == Status.NOT_JOINED
    host.form()
    assert host("unicastNwkKeyUpdate", **device, key=bytes(16))["status"] == Status.INVALID_PARAMETER
    assert host("unicastNwkKeyUpdate", **device, key=b"M" * 16)["status"] == Status.OK
    key = hashed_tclk(b"S" * 16, DEVICE)
    assert host.radio.sent == [("next key", DEVICE, 0x1234, key, b"M" * 16, 1)]
    assert host("broadcastNetworkKeySwitch")["status"] == Status.OK


def test_a_restart_in_the_middle_of_a_rotation_keeps_both_keys(host: Host) -> None:
    host.form()
    host("broadcastNextNetworkKey", key=bytes(16))
    alternate = host.radio.staged
    assert alternate is not None
    assert alternate[0] != bytes(16)
    host.ncp.power_off()
    host("version", desired=14)
    host("networkInit")
    assert host.radio.formed.keys == {0: b"N" * 16, 1: alternate[0]}
    assert host("getNetworkKeyInfo")["info"]["alternate_present"]
    assert host("broadcastNetworkKeySwitch")["status"] == Status.OK
    host.ncp.power_off()
    host("version", desired=14)
    host("networkInit")
    assert (host.radio.formed.keys, host.radio.formed.sequence) == ({1: alternate[0]}, 1)


# Messages


@EVERY_VERSION
def test_a_unicast_and_its_fate(host: Host) -> None:
    message = {"type": 0, "destination": 0x1234, "aps": APS, "tag": 7, "message": b"hi"}
    assert host("sendUnicast", **message)["status"] == Status.NOT_JOINED
    host.form()
    sequence = host("sendUnicast", **message)["sequence"]
    host.clock.advance(1)
    sent = host.callbacks("messageSentHandler")[-1]
    assert (sent["status"], sent["destination"], sent["tag"], sent["message"]) == (Status.OK, 0x1234, 7, b"")
    assert sent["aps"]["sequence"] == sequence
    assert host.radio.sent[-1][1]["aps_ack"]
    assert not host.radio.sent[-1][1]["aps_security"]
    host.radio.deliver = False
    host("setPolicy", policy=4, decision=0x41)
    host("sendUnicast", **{**message, "aps": {**APS, "options": 0x20}})
    host.clock.advance(1)
    sent = host.callbacks("messageSentHandler")[-1]
    assert (sent["status"], sent["message"]) == (Status.DELIVERY_FAILED, b"hi")
    assert host.radio.sent[-1][1]["aps_security"]
    counters = host("readAndClearCounters")["values"]
    assert (counters[9], counters[11]) == (1, 1)
    assert sum(host("readCounters")["values"]) == 0


def test_a_unicast_by_table(host: Host) -> None:
    host.form()
    message = {"type": 1, "destination": 3, "aps": APS, "tag": 7, "message": b"hi"}
    assert host("sendUnicast", **message)["status"] == Status.INVALID_INDEX
    host("setAddressTableInfo", index=3, eui64=DEVICE, node=0x1234)
    assert host("sendUnicast", **message)["status"] == Status.OK
    assert host.radio.sent[-1][1]["dst"] == 0x1234
    message["type"] = 2
    assert host("sendUnicast", **message)["status"] == Status.INVALID_INDEX
    binding = {"type": 1, "local": 1, "cluster": 6, "remote": 1, "identifier": DEVICE, "network": 0}
    host("setBinding", index=3, binding=binding)
    assert host("sendUnicast", **message)["status"] == Status.OK
    message["type"] = 6
    assert host("sendUnicast", **message)["status"] == Status.INVALID_PARAMETER


def test_what_is_too_long_is_refused(host: Host) -> None:
    host.form()
    message = {"type": 0, "destination": 0x1234, "aps": APS, "tag": 7, "message": bytes(MAX_PAYLOAD + 1)}
    assert host("sendUnicast", **message)["status"] == Status.MESSAGE_TOO_LONG
    assert host("maximumPayloadLength")["length"] == MAX_PAYLOAD


def test_broadcasts_and_multicasts(host: Host) -> None:
    host.form()
    message = {
        "aps": {**APS, "group": 5},
        "tag": 1,
        "message": b"all",
        "alias": 0xFFFF,
        "destination": 0xFFFD,
    }
    assert host("sendBroadcast", **message)["status"] == Status.OK
    assert host.radio.sent[-1][1]["dst"] == 0xFFFD
    assert host.radio.sent[-1][1]["group"] is None
    assert host("sendMulticast", **message)["status"] == Status.OK
    assert host.radio.sent[-1][1]["group"] == 5
    assert host("sendBroadcast", **{**message, "alias": 5})["status"] == Status.NOT_SUPPORTED
    assert host("sendMulticast", **{**message, "alias": 5})["status"] == Status.NOT_SUPPORTED
    assert host("sendReply", destination=0x1234, aps=APS, message=b"ok")["status"] == Status.OK


@EVERY_VERSION
def test_what_arrives_goes_to_the_host(host: Host) -> None:
    host.radio.on_data(indication(aps_secured=True))
    came = host.callbacks("incomingMessageHandler")[-1]
    assert (came["type"], came["sender"], came["message"]) == (0, 0x1234, b"hello")
    assert came["aps"]["options"] & 0x20
    assert came["aps"]["sequence"] == 9


def test_multicasts_only_to_groups_of_the_table(host: Host) -> None:
    host.radio.on_data(indication(mode=DeliveryMode.GROUP, group=5, dst=0xFFFD))
    assert host.callbacks("incomingMessageHandler") == []
    host("setMulticastTableEntry", index=2, entry={"group": 5, "endpoint": 1, "network": 0})
    assert host("getMulticastTableEntry", index=2)["entry"]["group"] == 5
    assert host("setMulticastTableEntry", index=16)["status"] == Status.INVALID_INDEX
    assert host("getMulticastTableEntry", index=16)["status"] == Status.INVALID_INDEX
    host.radio.on_data(indication(mode=DeliveryMode.GROUP, group=5, dst=0xFFFD))
    assert host.callbacks("incomingMessageHandler")[-1]["type"] == 2


@pytest.mark.parametrize(
    ("flags", "cluster", "source", "shown"),
    [
        (0, 0x8002, 0x1234, True),
        (0, 0x0013, 0x1234, True),
        (0, 0x0002, 0x1234, False),
        (1, 0x0002, 0x1234, True),
        (1, 0x0002, 0x0000, False),
    ],
    ids=["response", "announcement", "request", "request, asked for", "our own request"],
)
def test_device_profile_messages(host: Host, flags: int, cluster: int, source: int, *, shown: bool) -> None:
    host("setConfigurationValue", config=0x2A, value=flags)
    host.radio.on_data(indication(profile=0, cluster=cluster, src=source, dst_ep=0))
    assert bool(host.callbacks("incomingMessageHandler")) is shown


def test_route_records_and_children_are_told(host: Host) -> None:
    host.form()
    child = ChildEntry(DEVICE, 0x1234)
    host.radio.children.append(child)
    host.radio.on_child(child, joined=True)
    assert host.callbacks("childJoinHandler")[-1]["index"] == 0
    host.radio.on_route_record(0x1234, (1, 2))
    record = host.callbacks("incomingRouteRecordHandler")[-1]
    assert (record["eui64"], record["relays"]) == (DEVICE, (1, 2))
    host.radio.children.clear()
    host.radio.on_child(child, joined=False)
    assert host.callbacks("childJoinHandler")[-1]["index"] == 0xFF


def test_the_concentrator_is_the_radios(host: Host) -> None:
    host.form()
    host("setConcentrator", on=1, max_time=30)
    host("sendManyToOneRouteRequest")
    host("setConcentrator", on=0)
    assert host.radio.sent == [("concentrator", 30.0), ("concentrator", 30.0), ("concentrator", None)]


# Tables and tokens


@EVERY_VERSION
def test_empty_child_slots_say_not_joined(host: Host) -> None:
    host.form()
    assert host("getChildData", index=0)["status"] == Status.NOT_JOINED
    host.radio.children += [ChildEntry(DEVICE, 0x1234), ChildEntry(5, 0x55, 3)]
    assert host("getChildData", index=0)["child"]["eui64"] == DEVICE
    assert host("getChildData", index=1)["child"]["type"] == 3
    del host.radio.children[0]
    assert host("getChildData", index=0)["status"] == Status.NOT_JOINED
    assert host("getChildData", index=1)["child"]["eui64"] == 5
    host.radio.children.append(ChildEntry(6, 0x66))
    assert host("getChildData", index=0)["child"]["eui64"] == 6
    assert host("getParentChildParameters")["child_count"] == 2
    assert host("getChildData", index=255)["status"] == Status.NOT_JOINED


def test_children_can_be_restored(host: Host) -> None:
    host.form()
    child = {"eui64": DEVICE, "type": 4, "id": 0x1234}
    assert host("setChildData", index=1, child=child)["status"] == Status.OK
    assert host("setChildData", index=32, child=child)["status"] == Status.INVALID_INDEX
    assert host("getTokenData", token=0x10580, index=1)["data"][-1] == 0x80
    host.ncp.power_off()
    host("version", desired=14)
    host("networkInit")
    assert [row.eui64 for row in host.radio.children] == [DEVICE]


@EVERY_VERSION
def test_addresses(host: Host) -> None:
    host.form()
    assert host("lookupNodeIdByEui64", eui64=DEVICE)["node"] == 0xFFFF
    assert host("lookupEui64ByNodeId", node=0x1234)["status"] == Status.NOT_FOUND
    replaced = host("replaceAddressTableEntry", index=0, eui64=DEVICE, node=0x1234, extended=1)
    assert (replaced["old_node"], replaced["old_extended"]) == (0xFFFF, 0)
    assert host("lookupNodeIdByEui64", eui64=DEVICE)["node"] == 0x1234
    assert host("lookupEui64ByNodeId", node=0x1234)["eui64"] == DEVICE
    assert host("replaceAddressTableEntry", index=16, eui64=1)["status"] == Status.INVALID_INDEX
    extended = host("getExtendedTimeout", eui64=DEVICE)
    assert extended.get("status", Status.OK if extended.get("extended") else Status.FAIL) == Status.OK
    host("setExtendedTimeout", eui64=DEVICE, extended=0)
    extended = host("getExtendedTimeout", eui64=DEVICE)
    assert extended.get("status", Status.OK if extended.get("extended") else Status.FAIL) == Status.FAIL


@pytest.mark.parametrize("host", [13], indirect=True)
def test_addresses_of_version_13(host: Host) -> None:
    assert host("setAddressTableRemoteEui64", index=1, eui64=DEVICE)["status"] == Status.OK
    host("setAddressTableRemoteNodeId", index=1, node=0x1234)
    assert host("getAddressTableRemoteEui64", index=1)["eui64"] == DEVICE
    assert host("getAddressTableRemoteNodeId", index=1)["node"] == 0x1234
    assert host("getAddressTableRemoteNodeId", index=2)["node"] == 0xFFFF
    assert host("setAddressTableRemoteEui64", index=99, eui64=DEVICE)["status"] == Status.INVALID_INDEX


def test_the_address_table_says_where_it_is_empty(host: Host) -> None:
    assert host("getAddressTableInfo", index=0)["status"] == Status.INVALID_INDEX
    host("setAddressTableInfo", index=0, eui64=DEVICE, node=0x1234)
    assert host("getAddressTableInfo", index=0) == {"status": Status.OK, "node": 0x1234, "eui64": DEVICE}
    assert host("setAddressTableInfo", index=16, eui64=DEVICE, node=0x1234)["status"] == Status.INVALID_INDEX


def test_bindings(host: Host) -> None:
    binding = {"type": 1, "local": 1, "cluster": 6, "remote": 1, "identifier": DEVICE, "network": 0}
    host("setBinding", index=0, binding=binding)
    assert host("getBinding", index=0)["binding"] == binding
    assert host("bindingIsActive", index=0)["active"]
    assert host("deleteBinding", index=0)["status"] == Status.OK
    assert host("deleteBinding", index=0)["status"] == Status.INVALID_INDEX
    assert host("setBinding", index=99, binding=binding)["status"] == Status.INVALID_INDEX
    assert host("getBinding", index=99)["status"] == Status.INVALID_INDEX
    host("setBinding", index=1, binding=binding)
    host("clearBindingTable")
    assert not host("bindingIsActive", index=1)["active"]


def test_neighbours_and_routes(host: Host) -> None:
    assert host("neighborCount")["count"] == 1
    assert host("getNeighbor", index=0)["neighbor"]["short"] == 0x1234
    assert host("getNeighbor", index=1)["status"] == Status.FAIL
    assert host("getRouteTableEntry", index=0)["route"]["next_hop"] == 0x1234
    assert host("getRouteTableEntry", index=1)["route"]["status"] == 3
    assert host("getRouteTableEntry", index=99)["status"] == Status.INVALID_INDEX


def test_the_eui64_can_be_restored_any_number_of_times_and_burned_once(host: Host) -> None:
    burned = (7).to_bytes(8, "little")
    assert host("getMfgToken", token=0x0C)["data"] == b"\xff" * 8
    assert host("setMfgToken", token=0x0C, data=burned)["status"] == Status.OK
    assert host("setMfgToken", token=0x0C, data=burned)["status"] == Status.INVALID_STATE
    assert host("setMfgToken", token=0x01, data=burned)["status"] == Status.INVALID_PARAMETER
    assert host("getEui64")["eui64"] == 7
    for eui64 in (8, 9):
        host("setTokenData", token=0xE12A, index=0, data=eui64.to_bytes(8, "little"))
        assert host("getEui64")["eui64"] == eui64


def test_raw_tokens(host: Host) -> None:
    for token in (0x1EE64, 0x1E125, 0x1E124, 0x10580, 0x99):
        assert host("getTokenData", token=token)["status"] == Status.NOT_FOUND
        assert host("setTokenData", token=token, data=b"")["status"] != Status.OK
    host.form()
    for token in (0x1EE64, 0x1E125, 0x1E124):
        data = host("getTokenData", token=token)["data"]
        assert host("setTokenData", token=token, data=data)["status"] == Status.OK
        assert host("setTokenData", token=token, data=data + b"x")["status"] == Status.INVALID_PARAMETER
    host("setTokenData", token=0x1E125, data=bytes.fromhex("00f8ff0700000500"))
    assert host("getNetworkParameters")["parameters"]["update_id"] == 5
    assert host("getTokenCount")["count"] == 5
    assert host("getTokenInfo", index=0)["info"]["size"] == 8
    assert host("getTokenInfo", index=5)["status"] == Status.INVALID_INDEX
    host("setToken", token=3, data=b"12345678")
    assert host("getToken", token=3)["data"] == b"12345678"
    assert host("getToken", token=4)["data"] == bytes(8)


def test_radio_settings(host: Host) -> None:
    assert host("setLogicalAndRadioChannel", channel=20)["status"] == Status.INVALID_PARAMETER
    host.form()
    assert host("setLogicalAndRadioChannel", channel=20)["status"] == Status.OK
    assert host("getLogicalChannel")["channel"] == host.radio.channel == 20
    assert host("setRadioPower", power=10)["status"] == Status.OK
    assert host("getNetworkParameters")["parameters"]["tx_power"] == 10
    assert host("setRadioPower", power=100)["status"] == Status.INVALID_PARAMETER


def test_small_talk(host: Host) -> None:
    assert host("echo", data=b"hello")["data"] == b"hello"
    assert host("customFrame", payload=b"\x00\x00")["status"] != Status.OK
    assert host("getNodeId")["node"] == 0xFFFE
    assert host("getMfgToken", token=1)["data"].startswith(b"hubsec")
    assert host("getMfgToken", token=9)["data"] == b""
    assert host("getValue", value_id=0x99)["status"] == Status.NOT_FOUND
    assert host("setValue", value_id=0x99, value=b"")["status"] == Status.NOT_FOUND
    assert host("setValue", value_id=0x43, value=b"ab")["status"] == Status.OK
    assert host("getValue", value_id=0x43)["value"] == b"ab"
    assert host("getValue", value_id=0x23)["value"] == bytes(4)


def test_the_same_seed_gives_the_same_randomness() -> None:
    def numbers(seed: int) -> list[bytes]:
        frames: list[bytes] = []
        clock = VirtualClock()
        ncp = Ncp(NullRadio(), Tokens(), clock, seed=seed)
        ncp.send = frames.append
        for name in ("version", "getRandomNumber", "getRandomNumber"):
            ncp.handle_frame(Codec.for_version(14).encode_command(1, name, {}))
        return frames

    assert numbers(1) == numbers(1) != numbers(2)
