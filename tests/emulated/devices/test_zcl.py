"""The devices' applications, spoken to over the air in virtual time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubsec_emulated.devices import ContactSensor, Device, Lamp, Lock, Plug
from hubsec_emulated.wire import zcl, zdo
from hubsec_emulated.wire.zcl import Cluster, DataType, General, ZclFrame, ZclStatus
from tests.emulated.stack.network import Network


class Talk:
    """A joined device, and a coordinator that talks ZCL to it."""

    def __init__(self, make: Callable[..., Device], **options: object) -> None:
        self.network = Network()
        self.device = make(self.network.air, 0x00124B0000000777, channels=(15,), name="device", **options)
        self.device.power_on()
        self.network.until(lambda: self.device.trust_center_link_key_verified)
        self.network.run(5)
        self._tsn = 0

    def ask(self, cluster: int, frame: ZclFrame, *, wait: float = 3.0) -> list[ZclFrame]:
        """Send a frame, return what came back."""
        self.network.received.clear()
        self.network.coordinator.send_data(
            dst=self.device.short,
            profile=zcl.HOME_AUTOMATION,
            cluster=cluster,
            src_ep=1,
            dst_ep=1,
            payload=frame.encode(),
            aps_ack=True,
        )
        return self.wait(wait)

    def wait(self, seconds: float) -> list[ZclFrame]:
        self.network.run(seconds)
        return [
            ZclFrame.decode(indication.payload)
            for indication in self.network.received
            if indication.profile == zcl.HOME_AUTOMATION
        ]

    def general(self, cluster: int, request: object) -> ZclFrame:
        (answer,) = self.ask(cluster, ZclFrame(7, request.COMMAND, request.encode()))
        assert answer.tsn == 7
        return answer

    def order(self, cluster: int, command: int, payload: bytes = b"") -> ZclFrame:
        (answer,) = self.ask(cluster, ZclFrame(9, command, payload, cluster_specific=True))
        return answer

    def bind(self, cluster: int) -> None:
        request = zdo.BindReq(self.device.eui64, 1, cluster, self.network.coordinator.eui64, 1)
        self.network.coordinator.zdo.send(self.device.short, request)
        self.network.run(3)
        assert len(self.device.zdo.bindings) == 1


def status(answer: ZclFrame) -> int:
    assert answer.command == General.DEFAULT_RESPONSE
    return zcl.DefaultResponse.decode(answer.payload).status


def test_every_device_says_who_it_is() -> None:
    for make, model in ((Lamp, "Lamp"), (Plug, "Plug"), (ContactSensor, "Contact"), (Lock, "Lock")):
        talk = Talk(make)
        answer = talk.general(Cluster.BASIC, zcl.ReadAttributes((4, 5, 0x4000)))
        records = zcl.ReadAttributesResponse.decode(answer.payload).records
        assert [record.value.value if record.value else record.status for record in records] == [
            "Emulated",
            model,
            ZclStatus.UNSUPPORTED_ATTRIBUTE,
        ]


def test_an_answer_that_is_too_long_has_what_fits() -> None:
    talk = Talk(Lamp)
    answer = talk.general(Cluster.BASIC, zcl.ReadAttributes((5, *range(0x100, 0x120))))
    records = zcl.ReadAttributesResponse.decode(answer.payload).records
    assert records[0].value == zcl.Value(DataType.STRING, "Lamp")
    assert 20 < len(records) < 33


@pytest.mark.parametrize("make", [Lamp, Plug])
def test_something_that_switches(make: type[Lamp | Plug]) -> None:
    talk = Talk(make)
    assert status(talk.order(Cluster.ON_OFF, zcl.OnOff.ON)) == ZclStatus.SUCCESS
    assert talk.device.is_on
    talk.order(Cluster.ON_OFF, zcl.OnOff.TOGGLE)
    assert not talk.device.is_on
    talk.device.press()
    assert talk.device.is_on
    talk.order(Cluster.ON_OFF, zcl.OnOff.OFF)
    assert not talk.device.is_on


def test_a_dimmable_lamp() -> None:
    talk = Talk(Lamp, dimmable=True)
    assert status(talk.order(Cluster.LEVEL, 4, b"\x40\x00\x00")) == ZclStatus.SUCCESS
    assert (talk.device.level, talk.device.is_on) == (0x40, True)
    assert status(talk.order(Cluster.LEVEL, 0, b"\xff\x00\x00")) == ZclStatus.INVALID_VALUE
    assert status(talk.order(Cluster.LEVEL, 0)) == ZclStatus.MALFORMED_COMMAND
    assert talk.device.level == 0x40


def test_reports_follow_binding_and_configuration() -> None:
    talk = Talk(Plug)
    talk.device.press()
    assert talk.wait(3) == [], "nobody asked for reports"
    talk.bind(Cluster.ON_OFF)
    record = zcl.ReportingConfiguration(0, DataType.BOOL, 2, 60)
    talk.general(Cluster.ON_OFF, zcl.ConfigureReporting((record,)))
    talk.network.received.clear()
    talk.network.run(5)

    talk.device.press()
    talk.device.press()
    talk.device.press()
    first = talk.wait(3)
    assert len(first) <= 2, "not more often than the minimum interval"
    assert zcl.ReportAttributes.decode(first[-1].payload).records[0].value.value == int(talk.device.is_on)

    talk.network.received.clear()
    assert len(talk.wait(121)) == 2, "once a minute although nothing changed"

    never = zcl.ReportingConfiguration(0, DataType.BOOL, 0, 0xFFFF)
    talk.general(Cluster.ON_OFF, zcl.ConfigureReporting((never,)))
    talk.network.received.clear()
    talk.device.press()
    assert talk.wait(100) == []


def test_what_cannot_be_reported_or_written_is_refused() -> None:
    talk = Talk(Plug)
    answer = talk.general(
        Cluster.ON_OFF,
        zcl.ConfigureReporting(
            (zcl.ReportingConfiguration(0x4444, DataType.BOOL), zcl.ReportingConfiguration(0, DataType.MAP8))
        ),
    )
    assert zcl.ConfigureReportingResponse.decode(answer.payload).failures == (
        (ZclStatus.UNSUPPORTED_ATTRIBUTE, 0, 0x4444),
        (ZclStatus.INVALID_DATA_TYPE, 0, 0),
    )
    answer = talk.general(
        Cluster.IDENTIFY,
        zcl.WriteAttributes(
            (
                zcl.Attribute(0, zcl.Value(DataType.UINT16, 5)),
                zcl.Attribute(0, zcl.Value(DataType.BOOL, 1)),
                zcl.Attribute(9, zcl.Value(DataType.BOOL, 1)),
            )
        ),
    )
    assert zcl.WriteAttributesResponse.decode(answer.payload).failures == (
        (ZclStatus.INVALID_DATA_TYPE, 0),
        (ZclStatus.UNSUPPORTED_ATTRIBUTE, 9),
    )
    answer = talk.general(
        Cluster.BASIC, zcl.WriteAttributes((zcl.Attribute(5, zcl.Value(DataType.STRING, "Mine")),))
    )
    assert zcl.WriteAttributesResponse.decode(answer.payload).failures == ((ZclStatus.READ_ONLY, 5),)
    assert status(talk.order(Cluster.DOOR_LOCK, 0)) == ZclStatus.UNSUPPORTED_CLUSTER
    assert status(talk.order(Cluster.ON_OFF, 0x99)) == ZclStatus.UNSUP_COMMAND


def test_a_contact_sensor_enrolls_and_tells() -> None:
    talk = Talk(ContactSensor)
    sensor = talk.device
    sensor.open()
    assert talk.wait(8) == [], "nobody enrolled it"
    cie = zcl.Attribute(zcl.IAS_CIE_ADDRESS, zcl.Value(DataType.EUI64, talk.network.coordinator.eui64))
    answers = talk.ask(
        Cluster.IAS_ZONE,
        ZclFrame(7, zcl.WriteAttributes.COMMAND, zcl.WriteAttributes((cie,)).encode()),
        wait=12,
    )
    assert [answer.command for answer in answers] == [
        General.WRITE_ATTRIBUTES_RESPONSE,
        zcl.IasZoneServer.ENROLL_REQUEST,
    ]
    response = zcl.ZoneEnrollResponse(0, 3).encode()
    talk.ask(
        Cluster.IAS_ZONE,
        ZclFrame(8, zcl.IasZoneClient.ENROLL_RESPONSE, response, cluster_specific=True),
        wait=12,
    )
    assert sensor.is_enrolled

    talk.network.received.clear()
    sensor.close()
    sensor.open()
    changes = [zcl.ZoneStatusChange.decode(frame.payload) for frame in talk.wait(8)]
    assert [(change.status, change.zone_id) for change in changes] == [(0, 3), (1, 3)]
    assert sensor.is_open

    sensor.factory_reset()
    assert not sensor.is_enrolled


def test_a_lock_locks_and_unlocks() -> None:
    talk = Talk(Lock)
    answer = talk.order(Cluster.DOOR_LOCK, zcl.DoorLock.UNLOCK)
    assert (answer.command, zcl.LockResponse.decode(answer.payload).status) == (zcl.DoorLock.UNLOCK, 0)
    assert not talk.device.is_locked
    talk.order(Cluster.DOOR_LOCK, zcl.DoorLock.LOCK, zcl.LockCommand(b"1234").encode())
    assert talk.device.is_locked
    talk.device.toggle()
    assert not talk.device.is_locked


def test_a_sticker_carries_address_and_code(network: Network) -> None:
    code = bytes.fromhex("83FED3407A939723A5C639B26916D505C3B5")
    assert (
        Device(network.air, 0x00124B0001020304, install_code=code).sticker
        == "Z:00124B0001020304$I:83FED3407A939723A5C639B26916D505C3B5"
    )
    assert Device(network.air, 0x00124B0001020304).sticker == "Z:00124B0001020304"


@pytest.fixture
def network() -> Network:
    return Network()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(cluster=st.sampled_from([0, 3, 6, 8, 0x101, 0x500, 0x1234]), payload=st.binary(max_size=60))
def test_no_message_breaks_a_device(cluster: int, payload: bytes) -> None:
    talk = _talk()
    talk.network.coordinator.send_data(
        dst=talk.device.short,
        profile=zcl.HOME_AUTOMATION,
        cluster=cluster,
        src_ep=1,
        dst_ep=1,
        payload=payload,
        aps_ack=True,
    )
    talk.network.run(1)
    talk.general(Cluster.BASIC, zcl.ReadAttributes((5,)))


_talks: list[Talk] = []


def _talk() -> Talk:
    if not _talks:
        _talks.append(Talk(Lamp, dimmable=True))
    return _talks[0]
