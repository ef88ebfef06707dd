"""A join, a key exchange, some traffic and a key update, made with nothing but the codecs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hubsec_emulated.wire import aps, mac, nwk, zcl, zdo
from hubsec_emulated.wire.addresses import BROADCAST_ALL, BROADCAST_RX_ON, NO_PAN
from hubsec_emulated.wire.aps import ApsFrame, ApsType, Delivery
from hubsec_emulated.wire.crypto import WELL_KNOWN_KEY, verify_key_hash
from hubsec_emulated.wire.mac import MacFrame, MacType
from hubsec_emulated.wire.nwk import NwkFrame, NwkType
from hubsec_emulated.wire.security import KeyId, secure_aps, secure_nwk

PAN = 0x1A62
HUB, LAMP, CHILD = 0x00124B0000000001, 0x00124B0000000002, 0x00124B0000000003
HUB_SHORT, LAMP_SHORT, CHILD_SHORT = 0x0000, 0x2F10, 0x7C3B
NETWORK_KEY = bytes.fromhex("a1b2c3d4e5f60718293a4b5c6d7e8f90")
NEXT_NETWORK_KEY = bytes.fromhex("0f1e2d3c4b5a69788796a5b4c3d2e1f0")
LAMP_KEY = bytes.fromhex("11223344556677889900aabbccddeeff")
CHILD_KEY = bytes.fromhex("ffeeddccbbaa00998877665544332211")


@dataclass
class Recording:
    """Frames with their times; counters go on by themselves."""

    link_key: bytes = WELL_KNOWN_KEY
    frames: list[tuple[float, bytes]] = field(default_factory=list)
    network_key: bytes = NETWORK_KEY
    key_seq: int = 0
    _count: int = 0

    def _next(self) -> int:
        self._count += 1
        return self._count

    def put(self, frame: MacFrame) -> None:
        """Record a MAC frame."""
        self.frames.append((1.0 + 0.01 * len(self.frames), frame.encode()))

    def command(self, payload: bytes, *, src: int | None, dst: int | None, long: bool = True) -> None:
        """Record a MAC command; without `src` and `dst` it goes to everybody."""
        if src is None or dst is None:
            self.put(MacFrame(MacType.COMMAND, self._next(), NO_PAN, 0xFFFF, payload=payload))
            return
        self.put(
            MacFrame(
                MacType.COMMAND,
                self._next() & 0xFF,
                PAN,
                dst,
                dst_long=long and dst > 0xFFFF,
                src_pan=PAN,
                src=src,
                src_long=src > 0xFFFF,
                ack_request=True,
                pan_compression=True,
                payload=payload,
            )
        )

    def network(self, frame: NwkFrame, sender: int | None, hop: tuple[int, int]) -> None:
        """Record a network frame, secured as `sender` (an EUI64) or not, on the hop from one short address to one."""
        npdu = (
            frame.encode()
            if sender is None
            else secure_nwk(frame, self.network_key, self.key_seq, self._next(), sender)
        )
        src, dst = hop
        self.put(
            MacFrame(
                MacType.DATA,
                self._next() & 0xFF,
                PAN,
                dst,
                src_pan=PAN,
                src=src,
                pan_compression=True,
                ack_request=dst != BROADCAST_ALL,
                payload=npdu,
            )
        )

    def support(
        self, apdu: bytes, sender: int | None, src: int, dst: int, *, src_ieee: int | None = None
    ) -> None:
        """Record an APS frame on a single hop."""
        frame = NwkFrame(NwkType.DATA, dst, src, 30, self._next() & 0xFF, src_ieee=src_ieee, payload=apdu)
        self.network(frame, sender, (src, dst if dst < 0xFFF8 else BROADCAST_ALL))

    def aps_command(
        self,
        payload: bytes,
        *,
        key: bytes | None = None,
        key_id: KeyId = KeyId.DATA,
        source: int = HUB,
        delivery: Delivery = Delivery.UNICAST,
        extended_nonce: bool = True,
    ) -> bytes:
        """Return an APS command, secured under `key` or not."""
        frame = ApsFrame(ApsType.COMMAND, delivery, counter=self._next() & 0xFF, payload=payload)
        if key is None:
            return frame.encode()
        return secure_aps(frame, key, key_id, self._next(), source, extended_nonce=extended_nonce)

    def data(self, cluster: int, profile: int, endpoint: int, payload: bytes) -> ApsFrame:
        """Return an APS data frame."""
        return ApsFrame(
            ApsType.DATA,
            dst_ep=endpoint,
            src_ep=endpoint,
            cluster=cluster,
            profile=profile,
            counter=self._next() & 0xFF,
            payload=payload,
        )

    def device_profile(self, message: zdo.ZdoMessage) -> bytes:
        """Return a device profile message as an APS frame."""
        frame = self.data(message.CLUSTER, zdo.PROFILE, 0, zdo.encode(self._next() & 0xFF, message))
        if isinstance(message, zdo.DeviceAnnce):
            frame = replace(frame, delivery=Delivery.BROADCAST)
        return frame.encode()


def join(link_key: bytes = WELL_KNOWN_KEY) -> Recording:
    """Return a recording of a lamp that joins with `link_key`, trades it for its own, and is used."""
    air = Recording(link_key)
    beacon = mac.BeaconPayload(0x1122334455667788, association_permit=True, pan_coordinator=True)
    air.command(mac.BEACON_REQUEST.encode(), src=None, dst=None)
    air.put(MacFrame(MacType.BEACON, 1, src_pan=PAN, src=HUB_SHORT, payload=beacon.encode()))
    air.command(mac.AssociationRequest(0x8E).encode(), src=LAMP, dst=HUB_SHORT)
    air.put(MacFrame(MacType.ACK, 3))
    air.command(mac.DATA_REQUEST.encode(), src=LAMP, dst=HUB_SHORT)
    air.command(mac.AssociationResponse(LAMP_SHORT, 0).encode(), src=HUB, dst=LAMP)
    hand_over = aps.TransportKey(aps.NetworkKey(NETWORK_KEY, 0, LAMP, HUB)).encode()
    air.support(
        air.aps_command(hand_over, key=link_key, key_id=KeyId.KEY_TRANSPORT), None, HUB_SHORT, LAMP_SHORT
    )
    annce = air.device_profile(zdo.DeviceAnnce(LAMP_SHORT, LAMP, 0x8E))
    air.support(annce, LAMP, LAMP_SHORT, BROADCAST_RX_ON, src_ieee=LAMP)
    status = nwk.LinkStatus((nwk.Link(HUB_SHORT, 1, 1),)).encode()
    air.network(
        NwkFrame(NwkType.COMMAND, 0xFFFC, LAMP_SHORT, 1, 9, src_ieee=LAMP, payload=status),
        LAMP,
        (LAMP_SHORT, BROADCAST_ALL),
    )
    air.support(air.device_profile(zdo.NodeDescReq(HUB_SHORT)), LAMP, LAMP_SHORT, HUB_SHORT)
    descriptor = zdo.NodeDescriptor(zdo.LogicalType.COORDINATOR, 0x8F, server_mask=0x2C41)
    air.support(air.device_profile(zdo.NodeDescRsp(0, HUB_SHORT, descriptor)), HUB, HUB_SHORT, LAMP_SHORT)
    request = aps.RequestKey(aps.KeyType.TRUST_CENTER_LINK).encode()
    air.support(air.aps_command(request, key=link_key, source=LAMP), LAMP, LAMP_SHORT, HUB_SHORT)
    own = aps.TransportKey(aps.TrustCenterLinkKey(LAMP_KEY, LAMP, HUB)).encode()
    air.support(air.aps_command(own, key=link_key, key_id=KeyId.KEY_LOAD), HUB, HUB_SHORT, LAMP_SHORT)
    proof = aps.VerifyKey(aps.KeyType.TRUST_CENTER_LINK, LAMP, verify_key_hash(LAMP_KEY)).encode()
    air.support(air.aps_command(proof), LAMP, LAMP_SHORT, HUB_SHORT)
    confirm = aps.ConfirmKey(0, aps.KeyType.TRUST_CENTER_LINK, LAMP).encode()
    # Without the sender's EUI64: an ear has to know it from elsewhere.
    air.support(air.aps_command(confirm, key=LAMP_KEY, extended_nonce=False), HUB, HUB_SHORT, LAMP_SHORT)
    switch_on = zcl.ZclFrame(1, zcl.OnOff.ON, cluster_specific=True).encode()
    air.support(
        air.data(zcl.Cluster.ON_OFF, zcl.HOME_AUTOMATION, 1, switch_on).encode(), HUB, HUB_SHORT, LAMP_SHORT
    )
    report = zcl.ReportAttributes((zcl.Attribute(0, zcl.Value(zcl.DataType.BOOL, 1)),))
    reported = zcl.ZclFrame(
        2, report.COMMAND, report.encode(), server_to_client=True, disable_default_response=True
    )
    air.support(
        air.data(zcl.Cluster.ON_OFF, zcl.HOME_AUTOMATION, 1, reported.encode()).encode(),
        LAMP,
        LAMP_SHORT,
        HUB_SHORT,
    )
    return air


def join_below(air: Recording) -> None:
    """Go on with a device that joins through the lamp: Update-Device, Tunnel, and the frame that comes out of it."""
    update = aps.UpdateDevice(CHILD, CHILD_SHORT, aps.UpdateStatus.UNSECURED_JOIN).encode()
    air.support(air.aps_command(update, key=LAMP_KEY, source=LAMP), LAMP, LAMP_SHORT, HUB_SHORT)
    hand_over = aps.TransportKey(aps.NetworkKey(air.network_key, air.key_seq, CHILD, HUB)).encode()
    inner = air.aps_command(hand_over, key=air.link_key, key_id=KeyId.KEY_TRANSPORT)
    air.support(air.aps_command(aps.Tunnel(CHILD, inner).encode()), HUB, HUB_SHORT, LAMP_SHORT)
    air.support(inner, None, LAMP_SHORT, CHILD_SHORT)


def update_network_key(air: Recording) -> None:
    """Go on with a broadcast network key update: the new key under the old one, then the switch under the new one."""
    new = aps.TransportKey(aps.NetworkKey(NEXT_NETWORK_KEY, 1, 0, HUB)).encode()
    air.support(
        air.aps_command(new, delivery=Delivery.BROADCAST), HUB, HUB_SHORT, BROADCAST_ALL, src_ieee=HUB
    )
    air.network_key, air.key_seq = NEXT_NETWORK_KEY, 1
    switch = aps.SwitchKey(1).encode()
    air.support(air.aps_command(switch, delivery=Delivery.BROADCAST), HUB, HUB_SHORT, BROADCAST_ALL)
