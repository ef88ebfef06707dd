"""A new network key over the air, step by step: who gets it, who follows, what a stick keeps when it is cut off."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hubsec_emulated.air import Transmission
from hubsec_emulated.devices.device import Device
from hubsec_emulated.devices.onoff import Lamp
from hubsec_emulated.devices.sensor import ContactSensor
from hubsec_emulated.ncp.ezsp import SUPPORTED_VERSIONS, Status
from hubsec_emulated.stack.aps import Aps
from hubsec_emulated.wire import zdo
from hubsec_emulated.wire.mac import MacType
from hubsec_emulated.wire.nwk import NwkFrame, NwkType
from hubsec_emulated.wire.security import AuxHeader, secure_nwk
from tests.emulated.ncp.commands import context
from tests.emulated.ncp.site import APS, CODES, JOINS, NEW_KEY, REJOINS, Site


@pytest.fixture
def site() -> Site:
    return Site()


OLD_KEY, THIRD_KEY = b"N" * 16, b"O" * 16
EVERY_VERSION = pytest.mark.parametrize("version", SUPPORTED_VERSIONS)


def joined(
    site: Site, *kinds: type[Device], behind: Device | None = None, before: Device | None = None
) -> list[Device]:
    """Devices that have joined under their install codes, through `behind` alone, which is itself behind `before`."""
    site.open(JOINS | CODES)
    found: list[Device] = []
    for kind in kinds:
        device = site.device(kind, parent=behind)
        if behind is not None:
            behind.parenting.permit_joining(254)
            if before is not None:
                near = [before, *found, device]
                site.air.limit(behind.mac, [node.mac for node in near])
        site.admit(device)
        found.append(site.join(device))
    site("permitJoining", duration=0)
    return found


def send_next(site: Site, *devices: Device, key: bytes = NEW_KEY) -> None:
    """Give the next key to these, all at once."""
    for device in devices:
        done = site("unicastNwkKeyUpdate", node=device.short, eui64=device.eui64, key=key)
        assert done["status"] is Status.OK


def switch(site: Site) -> None:
    assert site("broadcastNetworkKeySwitch")["status"] is Status.OK
    site.clock.advance(5)


def sequences(device: Device, since: int, transmissions: Sequence[Transmission]) -> set[int | None]:
    """The key sequence numbers under which a device has sent network frames of its own."""
    found = set()
    for sent in transmissions[since:]:
        if sent.sender == device.mac.name and sent.frame is not None and sent.frame.type is MacType.DATA:
            frame = NwkFrame.decode(sent.frame.payload)
            assert frame.security
            found.add(AuxHeader.decode(frame.payload).key_seq)
    return found


# Delivery


@EVERY_VERSION
def test_the_next_key_reaches_sleepers_and_who_is_behind_routers_several_at_once(version: int) -> None:
    site = Site(version)
    lamp, sensor = joined(site, Lamp, ContactSensor)
    (far,) = joined(site, Lamp, behind=lamp)
    farther, asleep = joined(site, Lamp, ContactSensor, behind=far, before=lamp)
    everybody = (lamp, sensor, far, farther, asleep)
    send_next(site, *everybody)
    # A sleeping device is there once in a poll interval; its parent keeps the key that long.
    site.clock.advance(max(device.timing.poll_slow for device in everybody) + 1)
    assert [device.keys.get(1) for device in everybody] == [NEW_KEY] * 5
    assert {device.key_sequence for device in everybody} == {0}
    switch(site)
    site.clock.advance(10)
    assert {device.key_sequence for device in everybody} == {1}
    assert all(site.reaches(device) for device in everybody)


def test_a_sleeper_that_does_not_poll_in_time_is_left_behind(site: Site) -> None:
    lamp, sensor = joined(site, Lamp, ContactSensor)
    sensor.polling.suspended = True
    send_next(site, lamp, sensor)
    site.clock.advance(30)
    assert sensor.keys.get(1) is None
    sensor.polling.suspended = False
    send_next(site, sensor)
    site.clock.advance(10)
    assert sensor.keys.get(1) == NEW_KEY, "the same key again, once it is awake"


def test_who_missed_the_switch_follows_with_the_first_frame_under_the_new_key(site: Site) -> None:
    lamp, sensor = joined(site, Lamp, ContactSensor)
    send_next(site, lamp, sensor)
    site.clock.advance(10)
    lamp.power_off()
    sensor.polling.suspended = True
    switch(site)
    site.clock.advance(20)
    assert (lamp.key_sequence, sensor.key_sequence) == (0, 0)
    lamp.power_on()
    sensor.polling.suspended = False
    assert site.reaches(lamp)
    assert site.reaches(sensor)
    assert (lamp.key_sequence, sensor.key_sequence) == (1, 1)


# What the stick says


@EVERY_VERSION
def test_both_keys_can_be_read_until_the_switch(version: int) -> None:
    site = Site(version)
    (lamp,) = joined(site, Lamp)
    send_next(site, lamp)
    site.clock.advance(2)
    info = site("getNetworkKeyInfo")["info"]
    assert (info["sequence"], info["alternate_present"], info["alternate_sequence"]) == (0, 1, 1)
    assert site("exportKey", context=context(1))["key"] == OLD_KEY
    assert site("exportKey", context=context(1, 1))["key"] == NEW_KEY
    assert site.callbacks("switchNetworkKeyHandler") == []
    switch(site)
    assert site.callbacks("switchNetworkKeyHandler") == [{"sequence": 1}]
    info = site("getNetworkKeyInfo")["info"]
    assert (info["sequence"], info["alternate_present"]) == (1, 0)
    assert site("exportKey", context=context(1))["key"] == NEW_KEY
    assert site("exportKey", context=context(1, 1))["status"] is Status.NOT_FOUND
    assert site("broadcastNetworkKeySwitch")["status"] is Status.INVALID_STATE


@EVERY_VERSION
def test_a_switch_right_after_the_broadcast_is_too_soon(version: int) -> None:
    site = Site(version)
    assert site("broadcastNextNetworkKey", key=NEW_KEY)["status"] is Status.OK
    assert site("broadcastNetworkKeySwitch")["status"] is Status.TOO_SOON_FOR_SWITCH_KEY
    site.clock.advance(20)
    assert site("broadcastNetworkKeySwitch")["status"] is Status.OK


# Old keys


def speaks_under(site: Site, device: Device, key: bytes, seq: int, to: Device | None = None) -> bool:
    """Whether a frame of `device` under this key is opened by the coordinator, or by another device."""
    receiver = site.coordinator if to is None else to
    frame = NwkFrame(NwkType.DATA, receiver.nwk.short, device.short, 1, 7, security=True, payload=b"\x08\x00")
    device.keys.counter += 1000
    before = receiver.nwk.dropped.get("security", 0)
    device.mac.send(receiver.nwk.short, secure_nwk(frame, key, seq, device.keys.counter, device.eui64))
    site.clock.advance(0.1)
    return receiver.nwk.dropped.get("security", 0) == before


def test_the_key_before_opens_frames_until_a_further_one_takes_its_slot(site: Site) -> None:
    lamp, other = joined(site, Lamp, Lamp)
    send_next(site, lamp, other)
    site.clock.advance(2)
    switch(site)
    assert speaks_under(site, lamp, OLD_KEY, 0)
    assert speaks_under(site, lamp, OLD_KEY, 0, to=other)
    site.ncp.power_off()
    site("version", desired=14)
    assert site("networkInit")["status"] is Status.OK
    site.clock.advance(5)
    assert speaks_under(site, lamp, OLD_KEY, 0), (
        "the slot is flash memory: a reset empties it no more than the other"
    )

    site("broadcastNextNetworkKey", key=THIRD_KEY)
    site.clock.advance(20.5)
    assert not speaks_under(site, lamp, OLD_KEY, 0)
    assert not speaks_under(site, lamp, OLD_KEY, 0, to=other)
    assert speaks_under(site, lamp, NEW_KEY, 1)


def test_devices_answer_under_the_key_in_force(site: Site) -> None:
    (lamp,) = joined(site, Lamp)
    sent: list[Transmission] = []
    site.air.tap(sent.append)

    def asked() -> bool:
        before = len(site.callbacks("incomingMessageHandler"))
        aps = {**APS, "profile": 0, "cluster": 1, "source_endpoint": 0, "destination_endpoint": 0}
        site(
            "sendUnicast",
            type=0,
            destination=lamp.short,
            aps=aps,
            tag=0,
            message=zdo.encode(9, zdo.IeeeAddrReq(lamp.short)),
        )
        site.clock.advance(2)
        answers = site.callbacks("incomingMessageHandler")[before:]
        return any(values["aps"]["cluster"] == zdo.IeeeAddrRsp.CLUSTER for values in answers)

    send_next(site, lamp)
    site.clock.advance(2)
    since = len(sent)
    assert asked()
    assert sequences(lamp, since, sent) == {0}, "staged is not in force"
    switch(site)
    since = len(sent)
    assert asked()
    assert sequences(lamp, since, sent) == {1}


def test_who_was_left_out_answers_nothing_that_is_asked_under_the_new_key(site: Site) -> None:
    lamp, left_out = joined(site, Lamp, Lamp)
    send_next(site, lamp)
    site.clock.advance(2)
    switch(site)
    assert site.reaches(lamp)
    assert not site.reaches(left_out)


# Stragglers


@pytest.mark.parametrize("own_code", [True, False], ids=["install code", "well-known key"])
def test_a_straggler_behind_a_router_comes_back_only_if_its_key_is_its_own(
    site: Site, own_code: bool
) -> None:
    (lamp,) = joined(site, Lamp)
    straggler = site.device(ContactSensor, code=own_code, parent=lamp)
    lamp.parenting.permit_joining(254)
    site.open(JOINS, wildcard=not own_code)
    if own_code:
        site.admit(straggler)
    site.join(straggler)
    site("permitJoining", duration=0)
    site("clearTransientLinkKeys")
    straggler.polling.suspended = True
    send_next(site, lamp)
    site.clock.advance(2)
    switch(site)
    site("setPolicy", policy=0, decision=REJOINS)
    straggler.polling.suspended = False
    straggler.rejoin(secured=False)
    site.clock.advance(60)
    assert (straggler.network_key == NEW_KEY) is own_code


# A stick that is cut off


@pytest.mark.parametrize("way", ["unicast", "broadcast"])
def test_a_reset_between_next_and_switch_goes_on_with_the_same_key(site: Site, way: str) -> None:
    lamp, sensor = joined(site, Lamp, ContactSensor)
    if way == "unicast":
        send_next(site, lamp, sensor)
    else:
        site("broadcastNextNetworkKey", key=NEW_KEY)
    site.clock.advance(20.5)
    site.ncp.power_off()
    site.clock.advance(1)
    site("version", desired=14)
    assert site("networkInit")["status"] is Status.OK
    assert site("getNetworkKeyInfo")["info"]["alternate_sequence"] == 1
    assert site("exportKey", context=context(1, 1))["key"] == NEW_KEY
    site.clock.advance(10)
    assert site.reaches(lamp)
    switch(site)
    site.clock.advance(10)
    assert (lamp.network_key, sensor.network_key) == (NEW_KEY, NEW_KEY)
    assert site.reaches(sensor)


def test_a_stick_that_lost_its_memory_knows_no_network_and_no_key(site: Site) -> None:
    joined(site, Lamp)
    site("broadcastNextNetworkKey", key=NEW_KEY)
    site.ncp.power_off()
    own = site.tokens.manufactured_eui64
    site.tokens.wipe()
    site("version", desired=14)
    assert site("networkInit")["status"] is Status.NOT_JOINED
    assert site("exportKey", context=context(1))["status"] is Status.NOT_FOUND
    assert not site("getNetworkKeyInfo")["info"]["present"]
    assert site.tokens.eui64 == own


# Large networks


def test_a_counter_that_comes_again_is_another_frame_unless_it_asked_for_an_acknowledgement(
    site: Site,
) -> None:
    (lamp,) = joined(site, Lamp)
    send_next(site, lamp)
    site.clock.advance(1)
    aps: Aps = site.coordinator.aps
    for _ in range(255):
        aps.next_counter()
    send_next(site, lamp, key=THIRD_KEY)
    site.clock.advance(1)
    assert lamp.keys.get(1) == THIRD_KEY
