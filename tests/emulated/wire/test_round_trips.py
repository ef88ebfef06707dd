from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubsec_emulated.errors import FrameError, SecurityError
from hubsec_emulated.wire import aps, mac, nwk, security, zcl, zdo
from tests.emulated.wire import strategies as some

KEY = bytes(range(16))


@some.FEW
@given(some.mac_frames())
def test_mac_frames(frame: mac.MacFrame) -> None:
    assert mac.MacFrame.decode(frame.encode()) == frame


@some.FEW
@given(some.mac_commands)
def test_mac_commands(command: mac.MacCommandPayload) -> None:
    assert mac.decode_command(command.encode()) == command


@some.FEW
@given(some.beacons)
def test_beacons(beacon: mac.BeaconPayload) -> None:
    assert mac.BeaconPayload.decode(beacon.encode()) == beacon


@some.FEW
@given(some.network_frames | some.interpan_frames)
def test_network_frames(frame: nwk.NwkFrame) -> None:
    assert nwk.NwkFrame.decode(frame.encode()) == frame
    assert frame.encode() == frame.header_bytes + frame.payload


@some.FEW
@given(some.network_commands)
def test_network_commands(command: nwk.NwkCommandPayload) -> None:
    assert nwk.decode_command(command.encode()) == command


@some.FEW
@given(some.aps_frames())
def test_aps_frames(frame: aps.ApsFrame) -> None:
    assert aps.ApsFrame.decode(frame.encode()) == frame


@some.FEW
@given(some.aps_commands)
def test_aps_commands(command: aps.ApsCommandPayload) -> None:
    assert aps.decode_command(command.encode()) == command


@pytest.mark.parametrize("messages", some.ZDO_MESSAGES)
def test_device_profile(messages: st.SearchStrategy[zdo.ZdoMessage]) -> None:
    @given(some.u8, messages)
    @some.FEWER
    def check(sequence: int, message: zdo.ZdoMessage) -> None:
        assert zdo.decode(message.CLUSTER, zdo.encode(sequence, message)) == (sequence, message)

    check()


@pytest.mark.parametrize("values", some.VALUES)
def test_attribute_values(values: st.SearchStrategy[zcl.Value]) -> None:
    @given(values)
    @some.FEWER
    def check(value: zcl.Value) -> None:
        report = zcl.ReportAttributes((zcl.Attribute(1, value), zcl.Attribute(2, value)))
        assert zcl.ReportAttributes.decode(report.encode()) == report

    check()


@some.FEW
@given(some.zcl_frames)
def test_cluster_library_frames(frame: zcl.ZclFrame) -> None:
    assert zcl.ZclFrame.decode(frame.encode()) == frame


@some.FEW
@given(some.zcl_messages)
def test_cluster_library_messages(message: zcl.ReadAttributes) -> None:
    assert type(message).decode(message.encode()) == message


@some.FEW
@given(some.network_frames, some.key, some.u8, some.u32, some.eui64)
def test_secured_network_frames(
    frame: nwk.NwkFrame, key: bytes, key_seq: int, counter: int, source: int
) -> None:
    opened, aux = security.unsecure_nwk(security.secure_nwk(frame, key, key_seq, counter, source), key)
    assert opened.payload == frame.payload
    assert opened.security
    assert (aux.key_seq, aux.counter, aux.source, aux.level) == (key_seq, counter, source, 0)
    assert opened.header_bytes[2:] == frame.header_bytes[2:]


@pytest.mark.parametrize("extended", [True, False], ids=["with its sender", "without its sender"])
@some.FEW
@given(frame=some.aps_frames(), key=some.key, key_id=some.aps_keys, counter=some.u32, source=some.eui64)
def test_secured_aps_frames(
    extended: bool, frame: aps.ApsFrame, key: bytes, key_id: security.KeyId, counter: int, source: int
) -> None:
    sealed = security.secure_aps(frame, key, key_id, counter, source, extended_nonce=extended, key_seq=7)
    opened, aux = security.unsecure_aps(sealed, key, source)
    assert opened.payload == frame.payload
    assert (aux.key_id, aux.counter) == (key_id, counter)
    assert aux.source == (source if extended else None)


@some.FEW
@given(some.network_frames, st.data())
def test_one_changed_bit_shuts_a_secured_frame(frame: nwk.NwkFrame, data: st.DataObject) -> None:
    sealed = bytearray(security.secure_nwk(frame, KEY, 0, 1, 2))
    place = data.draw(st.integers(0, 8 * len(sealed) - 1))
    # The level is the one field that the air does not show and the receiver puts back.
    level = 8 * (len(sealed) - len(frame.payload) - 4 - 14)
    if level <= place < level + 3:
        place = level + 3
    sealed[place // 8] ^= 1 << place % 8
    with pytest.raises((SecurityError, FrameError)):
        security.unsecure_nwk(bytes(sealed), KEY)


DECODERS: dict[str, Callable[[bytes], object]] = {
    "MAC frame": mac.MacFrame.decode,
    "MAC frame without FCS": mac.MacFrame.decode_without_fcs,
    "MAC frame with a good FCS": lambda data: mac.MacFrame.decode(data + mac.fcs(data)),
    "MAC command": mac.decode_command,
    "beacon": mac.BeaconPayload.decode,
    "network frame": nwk.NwkFrame.decode,
    "network command": nwk.decode_command,
    "APS frame": aps.ApsFrame.decode,
    "APS command": aps.decode_command,
    "auxiliary header": security.AuxHeader.decode,
    "cluster library frame": zcl.ZclFrame.decode,
    **{
        message.__name__: message.decode
        for message in (
            zcl.ReadAttributes,
            zcl.ReadAttributesResponse,
            zcl.WriteAttributes,
            zcl.WriteAttributesResponse,
            zcl.ReportAttributes,
            zcl.ConfigureReporting,
            zcl.ConfigureReportingResponse,
            zcl.DefaultResponse,
            zcl.ZoneStatusChange,
            zcl.ZoneEnrollRequest,
            zcl.ZoneEnrollResponse,
            zcl.LockCommand,
            zcl.LockResponse,
        )
    },
}


@pytest.mark.parametrize("name", DECODERS)
def test_any_bytes_are_a_value_or_no_frame(name: str) -> None:
    decode = DECODERS[name]

    @given(st.binary(max_size=60))
    @some.FEW
    def check(data: bytes) -> None:
        try:
            decode(data)
        except FrameError:
            return

    check()


@some.FEW
@given(some.u16 | st.integers(0, 0x40) | st.integers(0x8000, 0x8040), st.binary(max_size=60))
def test_any_bytes_are_a_device_profile_message_or_none(cluster: int, data: bytes) -> None:
    try:
        zdo.decode(cluster, data)
    except FrameError:
        return


@some.FEW
@given(st.binary(max_size=60))
def test_any_bytes_are_opened_or_refused(data: bytes) -> None:
    for open_it in (
        lambda: security.unsecure_nwk(data, KEY),
        lambda: security.unsecure_aps(data, KEY, 1),
        lambda: security.unsecure_aps(data, KEY, None),
    ):
        with pytest.raises((FrameError, SecurityError)):
            open_it()
