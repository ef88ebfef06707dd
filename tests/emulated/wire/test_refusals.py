"""What no frame can carry is refused by the encoder, with the project's own error and without quoting a key."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hubsec_emulated.errors import FrameError, SecurityError
from hubsec_emulated.wire import aps, mac, nwk, security, zcl, zdo
from hubsec_emulated.wire.addresses import format_eui64, format_short, is_broadcast, parse_eui64

KEY = bytes(range(16))
FRAME = nwk.NwkFrame(nwk.NwkType.DATA, 0, 1, 30, 1)
SUPPORT = aps.ApsFrame(aps.ApsType.COMMAND)

REFUSED: dict[str, Callable[[], object]] = {
    "MAC sequence number": lambda: mac.MacFrame(mac.MacType.DATA, 256).encode(),
    "MAC address without a PAN id": lambda: mac.MacFrame(mac.MacType.DATA, 1, dst=1).encode(),
    "MAC address too long": lambda: mac.MacFrame(mac.MacType.DATA, 1, 1, 0x10000).encode(),
    "MAC frame too long": lambda: mac.MacFrame(mac.MacType.DATA, 1, payload=bytes(123)).encode(),
    "MAC version": lambda: mac.MacFrame(mac.MacType.DATA, 1, version=2).encode(),
    "compression with one address": lambda: mac.MacFrame(
        mac.MacType.DATA, 1, 1, 1, pan_compression=True
    ).encode(),
    "compression of two PANs": lambda: mac.MacFrame(
        mac.MacType.DATA, 1, 1, 1, src_pan=2, src=2, pan_compression=True
    ).encode(),
    "beacon depth": lambda: mac.BeaconPayload(1, association_permit=True, depth=16).encode(),
    "network address": lambda: nwk.NwkFrame(nwk.NwkType.DATA, 0x10000, 0, 1, 1).encode(),
    "negative network address": lambda: nwk.NwkFrame(nwk.NwkType.DATA, -1, 0, 1, 1).encode(),
    "EUI64 too long": lambda: nwk.NwkFrame(nwk.NwkType.DATA, 1, 0, 1, 1, dst_ieee=1 << 64).encode(),
    "too many links": lambda: nwk.LinkStatus((nwk.Link(1, 1, 1),) * 32).encode(),
    "too many relays": lambda: nwk.RouteRecord((1,) * 256).encode(),
    "APS data without an endpoint": lambda: aps.ApsFrame(aps.ApsType.DATA).encode(),
    "inter-PAN frame without a cluster": lambda: aps.ApsFrame(aps.ApsType.INTERPAN).encode(),
    "acknowledged fragment without bits": lambda: aps.ApsFrame(
        aps.ApsType.ACK, ack_format=True, fragment=aps.Fragment(first=True, block=1)
    ).encode(),
    "key of 15 bytes": lambda: aps.TransportKey(aps.NetworkKey(KEY[:15], 0, 0, 0)).encode(),
    "partner left out": lambda: aps.RequestKey(aps.KeyType.APPLICATION_LINK_REQUEST).encode(),
    "frame counter": lambda: security.secure_nwk(FRAME, KEY, 0, 1 << 32, 1),
    "source EUI64": lambda: security.secure_aps(
        SUPPORT, KEY, security.KeyId.DATA, 1, 1 << 64, extended_nonce=False
    ),
    "network key without a number": lambda: security.secure_aps(SUPPORT, KEY, security.KeyId.NETWORK, 1, 1),
    "network key of 15 bytes": lambda: security.secure_nwk(FRAME, KEY[:15], 0, 1, 1),
    "frame that is not secured": lambda: security.unsecure_nwk(FRAME.encode(), KEY),
    "APS frame that is not secured": lambda: security.unsecure_aps(SUPPORT.encode(), KEY, 1),
    "binding to nothing": lambda: zdo.encode(1, zdo.BindReq(1, 1, 6)),
    "value out of its type": lambda: zcl.Value(zcl.DataType.UINT8, 256).encode(),
    "value of another type": lambda: zcl.Value(zcl.DataType.UINT8, "text").encode(),
    "string too long": lambda: zcl.Value(zcl.DataType.STRING, "x" * 255).encode(),
    "string that is a number": lambda: zcl.Value(zcl.DataType.STRING, 1).encode(),
    "string with half a character": lambda: zcl.Value(zcl.DataType.STRING, "\ud800").encode(),
    "unknown data type": lambda: zcl.Value(0x4C, 1).encode(),
    "attribute without its value": lambda: zcl.ReadAttributesResponse((zcl.AttributeStatus(1),)).encode(),
    "measure reported without change": lambda: zcl.ConfigureReporting(
        (zcl.ReportingConfiguration(1, 0x20),)
    ).encode(),
    "float out of its type": lambda: zcl.Value(zcl.DataType.SINGLE, 1e300).encode(),
    "binding to an unknown kind of address": lambda: zdo.decode(0x0021, bytes(12) + b"\x02"),
    "EUI64 as a word": lambda: parse_eui64("lamp"),
    "EUI64 too short": lambda: parse_eui64("00:11:22:33:44:55:66"),
    "EUI64 out of range": lambda: format_eui64(1 << 64),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str) -> None:
    with pytest.raises(FrameError) as caught:
        REFUSED[what]()
    assert KEY[:15].hex() not in str(caught.value)


MALFORMED: dict[str, Callable[[], object]] = {
    "MAC frame of 128 bytes": lambda: mac.MacFrame.decode(bytes(128)),
    "MAC frame of four bytes": lambda: mac.MacFrame.decode(bytes(4)),
    "MAC frame with a wrong FCS": lambda: mac.MacFrame.decode(
        mac.MacFrame(mac.MacType.ACK, 1).encode()[:-1] + b"?"
    ),
    "MAC frame of a reserved type": lambda: mac.MacFrame.decode_without_fcs(b"\x07\x00\x01"),
    "MAC frame with MAC security": lambda: mac.MacFrame.decode_without_fcs(b"\x09\x00\x01"),
    "MAC frame of 2015": lambda: mac.MacFrame.decode_without_fcs(b"\x01\x20\x01"),
    "MAC address of a reserved kind": lambda: mac.MacFrame.decode_without_fcs(b"\x01\x04\x01"),
    "MAC compression without addresses": lambda: mac.MacFrame.decode_without_fcs(b"\x41\x00\x01"),
    "MAC header cut short": lambda: mac.MacFrame.decode_without_fcs(b"\x01\x08\x01\x62"),
    "MAC command without content": lambda: mac.decode_command(b""),
    "beacon of another protocol": lambda: mac.BeaconPayload.decode(b"\xff\xcf\x00\x00\x01" + bytes(14)),
    "network frame of a reserved type": lambda: nwk.NwkFrame.decode(b"\x0a\x00" + bytes(6)),
    "network header cut short": lambda: nwk.NwkFrame.decode(b"\x08\x08" + bytes(8)),
    "source route cut short": lambda: nwk.NwkFrame.decode(b"\x08\x04" + bytes(6) + b"\x02\x00\x01\x02"),
    "network key named as a link key": lambda: security.unsecure_nwk(
        b"\x08\x02" + bytes(6) + b"\x00" + bytes(20), KEY
    ),
    "auxiliary header cut short": lambda: security.AuxHeader.decode(b"\x28" + bytes(12)),
    "APS delivery of a reserved mode": lambda: aps.ApsFrame.decode(b"\x04" + bytes(8)),
    "APS header cut short": lambda: aps.ApsFrame.decode(b"\x00\x01"),
    "inter-PAN frame with an extended header": lambda: aps.ApsFrame.decode(b"\x83" + bytes(8)),
    "extended header of no fragment": lambda: aps.ApsFrame.decode(b"\x80" + bytes(9)),
    "key of an unknown type": lambda: aps.decode_command(b"\x05\x09" + bytes(40)),
    "Transport-Key cut short": lambda: aps.decode_command(b"\x05\x01" + KEY),
    "cluster library frame of a reserved type": lambda: zcl.ZclFrame.decode(b"\x02\x01\x01"),
    "value of an unknown type": lambda: zcl.ReportAttributes.decode(b"\x00\x00\x4c\x00"),
    "reporting in no direction": lambda: zcl.ConfigureReporting.decode(b"\x02\x00\x00"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed(what: str) -> None:
    with pytest.raises(FrameError) as caught:
        MALFORMED[what]()
    assert KEY.hex() not in str(caught.value)


def test_an_unknown_sender_can_not_be_opened() -> None:
    sealed = security.secure_aps(SUPPORT, KEY, security.KeyId.DATA, 1, 5, extended_nonce=False)
    with pytest.raises(SecurityError):
        security.unsecure_aps(sealed, KEY, None)


def test_what_may_carry_a_key_stays_out_of_repr() -> None:
    command = aps.TransportKey(aps.TrustCenterLinkKey(KEY, 1, 2))
    frame = aps.ApsFrame(aps.ApsType.COMMAND, payload=command.encode())
    tunnel = aps.Tunnel(1, frame.encode())
    carried = mac.MacFrame(mac.MacType.DATA, 1, payload=nwk.NwkFrame(nwk.NwkType.DATA, 0, 1, 1, 1).encode())
    for value in (command, frame, tunnel, carried, zcl.LockCommand(b"1234")):
        assert repr(KEY)[2:-1] not in repr(value)
        assert "1234" not in repr(value)


def test_addresses_as_text() -> None:
    assert format_eui64(0x00124B0001020304) == "00:12:4b:00:01:02:03:04"
    assert parse_eui64("00:12:4B:00:01:02:03:04") == 0x00124B0001020304
    assert parse_eui64("0x00124b0001020304") == parse_eui64("00124b0001020304") == 0x00124B0001020304
    assert format_short(0x1A2B) == "0x1a2b"
    assert is_broadcast(0xFFFC)
    assert not is_broadcast(0xFFF7)
