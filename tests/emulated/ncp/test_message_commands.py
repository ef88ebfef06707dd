"""Commands for messages, tables and tokens."""

from __future__ import annotations

import pytest

from hubsec_emulated.ncp.ezsp import Status
from hubsec_emulated.ncp.handlers.info import MAX_PAYLOAD
from hubsec_emulated.ncp.tokens import ChildEntry
from hubsec_emulated.stack.interface import DeliveryMode
from tests.emulated.ncp.commands import APS, DEVICE, EVERY_VERSION, Host, indication

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
