"""Commands for the network's life, its policies and its settings."""

from __future__ import annotations

import pytest

from hubsec_emulated.ncp.ezsp import Status
from hubsec_emulated.ncp.tokens import Tokens
from tests.emulated.ncp.commands import DEVICE, EVERY_VERSION, Host

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
