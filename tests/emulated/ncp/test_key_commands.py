"""Commands for keys, and the trust center on the host's order."""

from __future__ import annotations

from hubsec_emulated.ncp.ezsp import Status
from hubsec_emulated.ncp.policies import KeyStatus
from hubsec_emulated.stack.interface import DeviceUpdate, JoinIndication
from hubsec_emulated.wire.crypto import WELL_KNOWN_KEY, hashed_tclk
from tests.emulated.ncp.commands import DEVICE, EVERY_VERSION, WILDCARD, Host, context

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


@EVERY_VERSION
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


@EVERY_VERSION
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
    # The slot of the key before still holds it.
    assert (host.radio.formed.keys, host.radio.formed.sequence) == ({0: b"N" * 16, 1: alternate[0]}, 1)
    assert not host("getNetworkKeyInfo")["info"]["alternate_present"]
    host("broadcastNextNetworkKey", key=b"O" * 16)
    host.ncp.power_off()
    host("version", desired=14)
    host("networkInit")
    assert host.radio.formed.keys == {1: alternate[0], 2: b"O" * 16}
