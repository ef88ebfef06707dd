"""Every value that the codecs can carry, for hypothesis."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from hubsec_emulated.wire import aps, mac, nwk, zcl, zdo
from hubsec_emulated.wire.security import KeyId

FEW = settings(max_examples=30, deadline=None)
"""Enough to find what a codec gets wrong; a busy machine's slowness is no finding."""
FEWER = settings(FEW, max_examples=12, database=None)
"""For one kind among many."""

u4, u8, u16, u24, u32, u64 = (st.integers(0, (1 << bits) - 1) for bits in (4, 8, 16, 24, 32, 64))
two_bits, three_bits = st.integers(0, 3), st.integers(0, 7)
flag = st.booleans()
key = st.binary(min_size=16, max_size=16)
eui64 = u64
maybe_eui64 = st.none() | u64
shorts = st.lists(u16, max_size=12).map(tuple)
small = st.binary(max_size=40)


@st.composite
def mac_frames(draw: st.DrawFn) -> mac.MacFrame:
    """Draw frames as the decoder returns them: an address comes with its PAN id."""
    dst_long, src_long = draw(flag), draw(flag)
    dst = draw(st.none() | (u64 if dst_long else u16))
    src = draw(st.none() | (u64 if src_long else u16))
    dst_pan = None if dst is None else draw(u16)
    compression = dst is not None and src is not None and draw(flag)
    src_pan = None if src is None else dst_pan if compression else draw(u16)
    return mac.MacFrame(
        type=draw(st.sampled_from(mac.MacType)),
        seq=draw(u8),
        dst_pan=dst_pan,
        dst=dst,
        dst_long=dst is not None and dst_long,
        src_pan=src_pan,
        src=src,
        src_long=src is not None and src_long,
        ack_request=draw(flag),
        frame_pending=draw(flag),
        pan_compression=compression,
        payload=draw(st.binary(max_size=100)),
        version=draw(st.integers(0, 1)),
    )


mac_commands: SearchStrategy[mac.MacCommandPayload] = st.one_of(
    st.builds(mac.AssociationRequest, u8),
    st.builds(mac.AssociationResponse, u16, u8),
    st.builds(mac.Disassociation, u8),
    st.builds(mac.BareCommand, st.integers(4, 255), small),
)
beacons = st.builds(
    mac.BeaconPayload,
    extended_pan_id=u64,
    association_permit=flag,
    pan_coordinator=flag,
    router_capacity=flag,
    end_device_capacity=flag,
    depth=u4,
    update_id=u8,
    stack_profile=u4,
    protocol_version=u4,
    tx_offset=u24,
    beacon_order=u4,
    superframe_order=u4,
    final_cap_slot=u4,
    battery_life_extension=flag,
)
network_frames = st.builds(
    nwk.NwkFrame,
    type=st.sampled_from([nwk.NwkType.DATA, nwk.NwkType.COMMAND]),
    dst=u16,
    src=u16,
    radius=u8,
    seq=u8,
    dst_ieee=maybe_eui64,
    src_ieee=maybe_eui64,
    source_route=st.none() | shorts,
    discover_route=two_bits,
    security=flag,
    end_device_initiator=flag,
    payload=small,
    multicast=st.none() | u8,
    version=u4,
)
interpan_frames = st.builds(
    nwk.NwkFrame,
    type=st.just(nwk.NwkType.INTERPAN),
    dst=st.just(0),
    src=st.just(0),
    radius=st.just(0),
    seq=st.just(0),
    discover_route=two_bits,
    payload=small,
    version=u4,
)
links = st.lists(st.builds(nwk.Link, u16, three_bits, three_bits), max_size=nwk.MAX_LINKS).map(tuple)
network_commands: SearchStrategy[nwk.NwkCommandPayload] = st.one_of(
    st.builds(nwk.RouteRequest, u8, u16, u8, two_bits, maybe_eui64, flag),
    st.builds(nwk.RouteReply, u8, u16, u16, u8, maybe_eui64, maybe_eui64, flag),
    st.builds(nwk.NetworkStatus, u8, u16),
    st.builds(nwk.Leave, flag, flag, flag),
    st.builds(nwk.RouteRecord, shorts),
    st.builds(nwk.RejoinRequest, u8),
    st.builds(nwk.RejoinResponse, u16, u8),
    st.builds(nwk.LinkStatus, links, flag, flag),
    st.builds(nwk.EndDeviceTimeoutRequest, u8, u8),
    st.builds(nwk.EndDeviceTimeoutResponse, u8, u8),
    st.builds(nwk.OtherCommand, st.integers(0x0D, 255), small),
)


@st.composite
def aps_frames(draw: st.DrawFn) -> aps.ApsFrame:
    """Draw frames as the decoder returns them: a field that the frame does not send is None, or 0 for the counter."""
    kind = draw(st.sampled_from(aps.ApsType))
    delivery = draw(st.sampled_from(aps.Delivery))
    ack_format = draw(flag)
    group = delivery is aps.Delivery.GROUP
    addressed = kind is aps.ApsType.DATA or (kind is aps.ApsType.ACK and not ack_format)
    interpan = kind is aps.ApsType.INTERPAN
    fragment = None
    if not interpan and draw(flag):
        bits = draw(u8) if kind is aps.ApsType.ACK else None
        fragment = aps.Fragment(draw(flag), draw(u8), bits)
    return aps.ApsFrame(
        type=kind,
        delivery=delivery,
        dst_ep=draw(u8) if addressed and not group else None,
        src_ep=draw(u8) if addressed else None,
        cluster=draw(u16) if addressed or interpan else None,
        profile=draw(u16) if addressed or interpan else None,
        counter=0 if interpan else draw(u8),
        group=draw(u16) if (addressed or interpan) and group else None,
        ack_request=draw(flag),
        security=draw(flag),
        fragment=fragment,
        payload=draw(small),
        ack_format=ack_format,
    )


aps_commands: SearchStrategy[aps.ApsCommandPayload] = st.one_of(
    st.builds(
        aps.TransportKey,
        st.one_of(
            st.builds(aps.NetworkKey, key, u8, eui64, eui64),
            st.builds(aps.TrustCenterLinkKey, key, eui64, eui64),
            st.builds(aps.ApplicationLinkKey, key, eui64, flag),
        ),
    ),
    st.builds(aps.UpdateDevice, eui64, u16, u8),
    st.builds(aps.RemoveDevice, eui64),
    st.builds(aps.RequestKey, st.just(4)),
    st.builds(aps.RequestKey, st.just(2), eui64),
    st.builds(aps.SwitchKey, u8),
    st.builds(aps.Tunnel, eui64, small),
    st.builds(aps.VerifyKey, u8, eui64, key),
    st.builds(aps.ConfirmKey, u8, u8, eui64),
    st.builds(aps.OtherCommand, st.integers(0x11, 255), small),
)
aps_keys = st.sampled_from(KeyId)

node_descriptors = st.builds(
    zdo.NodeDescriptor,
    logical_type=three_bits,
    capability=u8,
    manufacturer=u16,
    server_mask=u16,
    max_buffer=u8,
    max_incoming=u16,
    max_outgoing=u16,
    descriptor_capability=u8,
    frequency_band=st.integers(0, 31),
    aps_flags=three_bits,
    optional_descriptors=two_bits,
)
simple_descriptors = st.builds(zdo.SimpleDescriptor, u8, u16, u16, u4, shorts, shorts)
endpoints = st.lists(u8, max_size=10).map(tuple)
eui64s = st.lists(eui64, max_size=5).map(tuple)
neighbors = st.builds(zdo.Neighbor, u64, eui64, u16, two_bits, two_bits, three_bits, two_bits, u8, u8)
routes = st.builds(zdo.Route, u16, three_bits, u16, flag, flag, flag)
failure = st.integers(1, 255)
ok = st.just(0)
children = st.none() | st.lists(u16, min_size=1, max_size=5).map(tuple)
ZDO_MESSAGES: list[SearchStrategy[zdo.ZdoMessage]] = [
    st.builds(zdo.NwkAddrReq, eui64, u8, u8),
    st.builds(zdo.IeeeAddrReq, u16, u8, u8),
    st.builds(zdo.NwkAddrRsp, u8, eui64, u16, st.none() | st.just(())),
    st.builds(zdo.NwkAddrRsp, u8, eui64, u16, st.lists(u16, min_size=1, max_size=5).map(tuple), u8),
    st.builds(zdo.IeeeAddrRsp, u8, eui64, u16, st.none() | st.just(())),
    st.builds(zdo.IeeeAddrRsp, u8, eui64, u16, st.lists(u16, min_size=1, max_size=5).map(tuple), u8),
    st.builds(zdo.NodeDescReq, u16),
    st.builds(zdo.NodeDescRsp, failure, u16),
    st.builds(zdo.NodeDescRsp, ok, u16, node_descriptors),
    st.builds(zdo.SimpleDescReq, u16, u8),
    st.builds(zdo.SimpleDescRsp, failure, u16),
    st.builds(zdo.SimpleDescRsp, ok, u16, simple_descriptors),
    st.builds(zdo.ActiveEpReq, u16),
    st.builds(zdo.ActiveEpRsp, u8, u16, endpoints),
    st.builds(zdo.MatchDescReq, u16, u16, shorts, shorts),
    st.builds(zdo.MatchDescRsp, u8, u16, endpoints),
    st.builds(zdo.DeviceAnnce, u16, eui64, u8),
    st.builds(zdo.ParentAnnce, eui64s),
    st.builds(zdo.ParentAnnceRsp, u8, eui64s),
    st.builds(zdo.BindReq, eui64, u8, u16, eui64, u8),
    st.builds(zdo.BindReq, eui64, u8, u16, group=u16),
    st.builds(zdo.BindRsp, u8),
    st.builds(zdo.UnbindReq, eui64, u8, u16, eui64, u8),
    st.builds(zdo.UnbindReq, eui64, u8, u16, group=u16),
    st.builds(zdo.UnbindRsp, u8),
    st.builds(zdo.MgmtLqiReq, u8),
    st.builds(zdo.MgmtLqiRsp, failure),
    st.builds(zdo.MgmtLqiRsp, ok, u8, u8, st.lists(neighbors, max_size=3).map(tuple)),
    st.builds(zdo.MgmtRtgReq, u8),
    st.builds(zdo.MgmtRtgRsp, failure),
    st.builds(zdo.MgmtRtgRsp, ok, u8, u8, st.lists(routes, max_size=8).map(tuple)),
    st.builds(zdo.MgmtLeaveReq, eui64, flag, flag),
    st.builds(zdo.MgmtLeaveRsp, u8),
    st.builds(zdo.MgmtPermitJoiningReq, u8, u8),
    st.builds(zdo.MgmtPermitJoiningRsp, u8),
    st.builds(zdo.OtherMessage, st.integers(0x0100, 0x7FFF), small),
]


def _unsigned(bits: int) -> SearchStrategy[int]:
    return st.integers(0, (1 << bits) - 1)


def _signed(bits: int) -> SearchStrategy[int]:
    return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1)


def _values(kind: int, content: SearchStrategy[zcl.Content]) -> SearchStrategy[zcl.Value]:
    return content.map(lambda value: zcl.Value(int(kind), value))


_text = st.none() | st.text(st.characters(codec="utf-8"), max_size=20)
_no_text = st.binary(max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
MEASURES = [
    *(_values(kind, _unsigned(8 * (kind - 0x1F))) for kind in range(0x20, 0x28)),
    *(_values(kind, _signed(8 * (kind - 0x27))) for kind in range(0x28, 0x30)),
    _values(zcl.DataType.SINGLE, st.floats(width=32, allow_nan=False)),
    _values(zcl.DataType.DOUBLE, st.floats(allow_nan=False)),
    _values(zcl.DataType.UTC, u32),
]
VALUES = [
    *MEASURES,
    _values(zcl.DataType.NO_DATA, st.none()),
    _values(zcl.DataType.BOOL, u8),
    _values(zcl.DataType.ENUM8, u8),
    _values(zcl.DataType.ENUM16, u16),
    _values(zcl.DataType.MAP16, u16),
    _values(zcl.DataType.EUI64, u64),
    _values(zcl.DataType.KEY128, key),
    _values(zcl.DataType.OCTET_STRING, st.none() | st.binary(max_size=20)),
    _values(zcl.DataType.STRING, _text),
    _values(zcl.DataType.STRING, _no_text),
    _values(zcl.DataType.LONG_OCTET_STRING, st.none() | st.binary(max_size=300)),
    _values(zcl.DataType.LONG_STRING, _text),
]
values = st.one_of(VALUES)


@st.composite
def _reporting(draw: st.DrawFn) -> zcl.ReportingConfiguration:
    match draw(st.integers(0, 2)):
        case 0:
            return zcl.ReportingConfiguration(draw(u16), timeout=draw(u16))
        case 1:
            kind = draw(st.sampled_from([0x10, 0x18, 0x30, 0x42]))
            return zcl.ReportingConfiguration(draw(u16), kind, draw(u16), draw(u16))
        case _:
            change = draw(st.one_of(MEASURES))
            return zcl.ReportingConfiguration(draw(u16), change.type, draw(u16), draw(u16), change)


_attributes = st.lists(st.builds(zcl.Attribute, u16, values), max_size=5).map(tuple)
zcl_frames = st.builds(zcl.ZclFrame, u8, u8, small, flag, flag, flag, st.none() | u16)
zcl_messages = st.one_of(
    st.builds(zcl.ReadAttributes, shorts),
    st.builds(
        zcl.ReadAttributesResponse,
        st.lists(
            st.builds(zcl.AttributeStatus, u16, ok, values) | st.builds(zcl.AttributeStatus, u16, failure),
            max_size=5,
        ).map(tuple),
    ),
    st.builds(zcl.WriteAttributes, _attributes),
    st.builds(zcl.ReportAttributes, _attributes),
    st.builds(zcl.WriteAttributesResponse, st.lists(st.tuples(failure, u16), max_size=4).map(tuple)),
    st.builds(zcl.ConfigureReporting, st.lists(_reporting(), max_size=4).map(tuple)),
    st.builds(zcl.ConfigureReportingResponse, st.lists(st.tuples(failure, u8, u16), max_size=4).map(tuple)),
    st.builds(zcl.DefaultResponse, u8, u8),
    st.builds(zcl.ZoneStatusChange, u16, u8, u8, u16),
    st.builds(zcl.ZoneEnrollRequest, u16, u16),
    st.builds(zcl.ZoneEnrollResponse, u8, u8),
    st.builds(zcl.LockCommand, st.none() | st.binary(max_size=20)),
    st.builds(zcl.LockResponse, u8),
)
