"""The co-processor with a real coordinator, devices and strangers on the air, in simulated time that stands still."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubsec_emulated.attackers import Stranger
from hubsec_emulated.devices.device import Device
from hubsec_emulated.devices.onoff import Lamp
from hubsec_emulated.devices.sensor import ContactSensor
from hubsec_emulated.ncp.ezsp import SUPPORTED_VERSIONS, Status
from hubsec_emulated.ncp.ncp import Ncp
from hubsec_emulated.ncp.policies import JoinDecision, KeyStatus
from hubsec_emulated.ncp.radio import Radio
from hubsec_emulated.stack.coordinator import Coordinator
from hubsec_emulated.stack.interface import DeviceUpdate
from hubsec_emulated.wire.crypto import WELL_KNOWN_KEY
from tests.emulated.ncp.site import CODES, DEFER, JOINS, NEW_KEY, REJOINS, WILDCARD, Site


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.mark.parametrize("version", SUPPORTED_VERSIONS)
@pytest.mark.parametrize("kind", [Lamp, ContactSensor])
def test_a_device_joins_under_its_install_code(version: int, kind: type[Device]) -> None:
    site = Site(version)
    device = site.device(kind)
    site.open(JOINS | CODES)
    site.admit(device)
    site.join(device)
    join = site.callbacks("trustCenterJoinHandler")[0]
    assert (join["eui64"], join["update"], join["decision"], join["parent"]) == (device.eui64, 1, 0, 0)
    statuses = [values["status"] for values in site.callbacks("zigbeeKeyEstablishmentHandler")]
    assert statuses == [KeyStatus.TC_RESPONDED_TO_KEY_REQUEST, KeyStatus.TC_REQUESTER_VERIFY_KEY_SUCCESS]
    assert device.link_keys.trust_center_key == site.ncp.trust_center.current_link_key(device.eui64)
    announced = [
        values for values in site.callbacks("incomingMessageHandler") if values["aps"]["cluster"] == 0x0013
    ]
    assert announced
    assert site.reaches(device)
    child = site("getChildData", index=0)
    assert (child["status"] is Status.OK) is (kind is ContactSensor)


def test_a_device_joins_behind_a_router(site: Site) -> None:
    lamp, sensor = site.device(Lamp), site.device(ContactSensor)
    site.open(JOINS | CODES)
    site.admit(lamp)
    site.join(lamp)
    site.air.limit(sensor.mac, [lamp.mac])
    lamp.parenting.permit_joining(254)
    site.admit(sensor)
    site.join(sensor)
    joins = [values for values in site.callbacks("trustCenterJoinHandler") if values["eui64"] == sensor.eui64]
    assert {values["parent"] for values in joins} == {site.short(lamp)}
    assert site.reaches(sensor)
    assert site("getChildData", index=0)["status"] is Status.NOT_JOINED
    site("removeDevice", node=site.short(lamp), eui64=lamp.eui64, target=sensor.eui64)
    assert site.within(30, lambda: not sensor.joined)


@pytest.mark.parametrize(
    ("policy", "wildcard", "gets_in"),
    [
        (JOINS, True, True),
        (JOINS, False, False),
        (0, True, False),
        (JOINS | CODES, True, True),
        (JOINS | CODES, False, False),
        (JOINS | DEFER, True, False),
    ],
)
def test_whether_a_stranger_gets_the_network_key(
    site: Site, policy: int, wildcard: bool, gets_in: bool
) -> None:
    stranger = site.device(Stranger, code=False)
    site.open(policy, wildcard=wildcard)
    stranger.power_on()
    assert site.within(30, lambda: site.callbacks("trustCenterJoinHandler"))
    site.clock.advance(30)
    assert stranger.has_network_key is gets_in
    decision = site.callbacks("trustCenterJoinHandler")[0]["decision"]
    assert (decision == JoinDecision.USE_PRECONFIGURED_KEY) is gets_in


def test_clearing_the_transient_keys_closes_the_door_that_the_wildcard_left_open(site: Site) -> None:
    stranger = site.device(Stranger, code=False)
    site.open(JOINS | CODES, wildcard=True)
    site("clearTransientLinkKeys")
    stranger.power_on()
    site.clock.advance(60)
    assert not stranger.has_network_key


def test_the_wildcard_expires_by_itself(site: Site) -> None:
    stranger = site.device(Stranger, code=False)
    site.open(JOINS, wildcard=True)
    site.clock.advance(301)
    site("permitJoining", duration=254)
    stranger.power_on()
    site.clock.advance(60)
    assert not stranger.has_network_key


def test_nobody_knocks_on_a_closed_network(site: Site) -> None:
    stranger = site.device(Stranger, code=False)
    site("importTransientKey", eui64=WILDCARD, key=WELL_KNOWN_KEY)
    stranger.power_on()
    site.clock.advance(60)
    assert site.callbacks("trustCenterJoinHandler") == []


def test_an_approval_lets_in_the_device_that_waits(site: Site) -> None:
    lamp = site.device(Lamp)
    site.open(JOINS | DEFER)
    site.admit(lamp)
    lamp.power_on()
    assert site.within(30, lambda: site.callbacks("trustCenterJoinHandler"))
    join = site.callbacks("trustCenterJoinHandler")[0]
    assert join["decision"] == JoinDecision.NO_ACTION
    approved = site("unicastCurrentNetworkKey", node=join["node"], eui64=join["eui64"], parent=join["parent"])
    assert approved["status"] is Status.OK
    assert site.within(30, lambda: lamp.joined and lamp.trust_center_link_key_verified)


def test_without_an_approval_it_stays_out(site: Site) -> None:
    lamp = site.device(Lamp)
    site.open(JOINS | DEFER)
    site.admit(lamp)
    lamp.power_on()
    site.clock.advance(60)
    assert site.callbacks("trustCenterJoinHandler")
    assert not lamp.has_network_key


def test_key_requests_can_be_refused(site: Site) -> None:
    lamp = site.device(Lamp)
    site("setPolicy", policy=5, decision=0x50)
    site.open(JOINS | CODES)
    site.admit(lamp)
    lamp.power_on()
    assert site.within(30, lambda: lamp.joined)
    site.clock.advance(60)
    assert not lamp.trust_center_link_key_verified
    assert site.callbacks("zigbeeKeyEstablishmentHandler") == []


def test_a_generated_key_ends_in_the_table(site: Site) -> None:
    lamp = site.device(Lamp)
    site("setPolicy", policy=5, decision=0x52)
    site.open(JOINS | CODES)
    site.admit(lamp)
    site.join(lamp)
    exported = site("exportLinkKeyByEui", eui64=lamp.eui64)
    assert exported["status"] is Status.OK
    assert exported["key"] == lamp.link_keys.trust_center_key


def test_rotation_by_broadcast_takes_everybody_along(site: Site) -> None:
    lamp, plug = site.device(Lamp), site.device(Lamp)
    site.open(JOINS | CODES)
    for device in (lamp, plug):
        site.admit(device)
        site.join(device)
    site("broadcastNextNetworkKey", key=NEW_KEY)
    site.clock.advance(20.5)
    assert lamp.key_sequence == 0
    before = site.coordinator.keys.counter
    assert site("broadcastNetworkKeySwitch")["status"] is Status.OK
    site.clock.advance(5)
    for device in (lamp, plug):
        assert (device.network_key, device.key_sequence) == (NEW_KEY, 1)
        assert site.reaches(device)
    assert site.coordinator.keys.counter > before
    assert site("getNetworkKeyInfo")["info"]["sequence"] == 1


def test_rotation_by_unicast_leaves_behind_who_is_skipped(site: Site) -> None:
    lamp, thief = site.device(Lamp), site.device(Lamp)
    site.open(JOINS | CODES)
    for device in (lamp, thief):
        site.admit(device)
        site.join(device)
    update = {"node": site.short(lamp), "eui64": lamp.eui64, "key": NEW_KEY}
    assert site("unicastNwkKeyUpdate", **update)["status"] is Status.OK
    site.clock.advance(5)
    assert site("broadcastNetworkKeySwitch")["status"] is Status.OK
    site.clock.advance(5)
    assert lamp.network_key == NEW_KEY
    assert thief.network_key != NEW_KEY
    assert site.reaches(lamp)
    assert not site.reaches(thief)


@pytest.mark.parametrize(
    ("own_code", "policy", "comes_back"),
    [(True, REJOINS, True), (True, JOINS, False), (False, REJOINS, False), (True, REJOINS | 0x08, False)],
    ids=["own code", "not allowed", "public key", "ignored"],
)
def test_whether_a_straggler_comes_back(site: Site, own_code: bool, policy: int, comes_back: bool) -> None:
    lamp = site.device(Lamp, code=own_code)
    site.open(JOINS, wildcard=not own_code)
    if own_code:
        site.admit(lamp)
    site.join(lamp)
    lamp.power_off()
    site("broadcastNextNetworkKey", key=NEW_KEY)
    site.clock.advance(20.5)
    site("broadcastNetworkKeySwitch")
    site.clock.advance(5)
    site("permitJoining", duration=0)
    site("clearTransientLinkKeys")
    site("setPolicy", policy=0, decision=policy)
    lamp.power_on()
    lamp.rejoin(secured=False)
    site.clock.advance(60)
    assert (lamp.network_key == NEW_KEY) is comes_back
    updates = [values["update"] for values in site.callbacks("trustCenterJoinHandler")]
    assert (DeviceUpdate.UNSECURED_REJOIN in updates) is comes_back


def test_the_network_goes_on_after_a_restart_with_the_boot_policy(site: Site) -> None:
    lamp, sensor = site.device(Lamp), site.device(ContactSensor)
    site.open(JOINS | CODES)
    for device in (lamp, sensor):
        site.admit(device)
        site.join(device)
    site("setPolicy", policy=0, decision=0)
    site.ncp.power_off()
    assert not site.coordinator.powered
    site.clock.advance(2)
    site("version", desired=14)
    assert site("networkInit")["status"] is Status.OK
    assert site("getPolicy", policy=0)["decision"] == JOINS | REJOINS
    site.clock.advance(30)
    assert site.reaches(lamp)
    assert site.reaches(sensor)
    assert site("getChildData", index=0)["child"]["eui64"] == sensor.eui64


def test_another_radio_with_the_same_memory_goes_on_with_the_network(site: Site) -> None:
    lamp, sensor = site.device(Lamp), site.device(ContactSensor)
    site.open(JOINS | CODES)
    for device in (lamp, sensor):
        site.admit(device)
        site.join(device)
    site.ncp.power_off()
    replaced = Coordinator(site.air, 5, seed=9)
    site.ncp = Ncp(Radio(replaced), site.tokens, site.clock, seed=9)
    site.ncp.send = lambda frame: site.answers.append(site.ncp.codec.decode_answer(frame))
    site("version", desired=14)
    assert site("networkInit")["status"] is Status.OK
    assert replaced.eui64 == site.tokens.eui64
    site.clock.advance(30)
    assert site.reaches(sensor)
    assert site.reaches(lamp)


def test_an_active_scan_finds_a_neighbour_and_our_own_network_goes_on(site: Site) -> None:
    other = Coordinator(site.air, 2, trust_center=site.ncp.trust_center, seed=2)
    network = {"eui64": 2, "pan_id": 0x2222, "extended_pan_id": 0xDD, "channel": 20, "network_key": b"O" * 16}
    other.form(**network)
    lamp = site.device(Lamp)
    site.open(JOINS | CODES)
    site.admit(lamp)
    site.join(lamp)
    site("startScan", type=1, channels=0x07FFF800, duration=3)
    assert site.within(30, lambda: site.callbacks("scanCompleteHandler"))
    assert 0x2222 in {values["network"]["pan_id"] for values in site.callbacks("networkFoundHandler")}
    assert site.reaches(lamp)


@settings(max_examples=40)
@given(data=st.data())
def test_no_sequence_of_commands_brings_down_the_radio(data: st.DataObject) -> None:
    site = Site()
    site.open(JOINS | CODES)
    lamp = site.device(Lamp)
    site.admit(lamp)
    site.join(lamp)
    ids = sorted(spec.frame_id for spec in site.ncp.codec.by_name.values() if spec.response is not None)
    for _ in range(data.draw(st.integers(1, 8))):
        frame_id = data.draw(st.sampled_from(ids))
        body = data.draw(st.binary(max_size=60))
        site.ncp.handle_frame(bytes((1, 0, 1)) + frame_id.to_bytes(2, "little") + body)
        site.clock.advance(data.draw(st.sampled_from([0.0, 0.5, 20.0])))
    site("nop")
