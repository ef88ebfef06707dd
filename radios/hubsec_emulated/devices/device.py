"""A device as a test sees it: a node with a sticker, a ZCL endpoint, and buttons to press."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypedDict

from hubsec_emulated.air import Air
from hubsec_emulated.devices.clusters import AttributeSlot, CommandResult, ServedCluster
from hubsec_emulated.devices.reporting import Reporting
from hubsec_emulated.errors import FrameError
from hubsec_emulated.stack.aps import MAX_PAYLOAD
from hubsec_emulated.stack.interface import ApsIndication, DeliveryMode, Role
from hubsec_emulated.stack.node import Node
from hubsec_emulated.stack.scan import CHANNELS
from hubsec_emulated.stack.timing import SILICON, Timing
from hubsec_emulated.wire.addresses import COORDINATOR
from hubsec_emulated.wire.crypto import WELL_KNOWN_KEY, install_code_key
from hubsec_emulated.wire.zcl import (
    HOME_AUTOMATION,
    Cluster,
    ConfigureReporting,
    DataType,
    DefaultResponse,
    General,
    ReadAttributes,
    ReportAttributes,
    WriteAttributes,
    ZclFrame,
    ZclStatus,
)
from hubsec_emulated.wire.zdo import SimpleDescriptor

ENDPOINT: Final = 1
"""The one application endpoint of every emulated device."""
MANUFACTURER: Final = "Emulated"
MANUFACTURER_CODE: Final = 0x1049
_ZCL_VERSION: Final = 8
_ZCL_HEADER: Final = 3
_MAINS, _BATTERY = 0x01, 0x03


class DeviceOptions(TypedDict, total=False):
    """What :class:`Device` takes besides its place, for subclasses that pass it on."""

    install_code: bytes | None
    well_known: bool
    name: str
    role: Role | None
    timing: Timing
    seed: int
    channels: Sequence[int]
    exchanges_link_key: bool


class Device(Node):
    """A node with a ZCL application on endpoint 1.

    `install_code` is the code with its CRC (None: the device has none). The keys that it takes a network key under: its
    install code's; the well-known one when it has no code, or with `well_known` as well (tried second, as network
    steering does). `exchanges_link_key=False` makes a device of before Zigbee 3.0.
    """

    model = "Device"
    role_default = Role.ROUTER
    device_id = 0x0000

    def __init__(
        self,
        air: Air,
        eui64: int,
        *,
        install_code: bytes | None = None,
        well_known: bool = False,
        name: str = "",
        role: Role | None = None,
        timing: Timing = SILICON,
        seed: int = 0,
        channels: Sequence[int] = CHANNELS,
        exchanges_link_key: bool = True,
    ) -> None:
        keys = [] if install_code is None else [install_code_key(install_code)]
        if well_known or install_code is None:
            keys.append(WELL_KNOWN_KEY)
        super().__init__(
            air,
            eui64,
            role or self.role_default,
            name=name,
            link_keys=keys,
            timing=timing,
            seed=seed,
            channels=channels,
            manufacturer_code=MANUFACTURER_CODE,
        )
        self.install_code = install_code
        self.exchanges_link_key = exchanges_link_key
        self.clusters: dict[int, ServedCluster] = {}
        self.client_clusters: tuple[int, ...] = ()
        #: ZCL frames that made no sense.
        self.malformed = 0
        self._tsn = 0
        self._reporting = Reporting(self._report, self.later, self.clock.now)
        self.serve(
            Cluster.BASIC,
            [
                AttributeSlot(0x0000, DataType.UINT8, _ZCL_VERSION),
                AttributeSlot(0x0004, DataType.STRING, MANUFACTURER),
                AttributeSlot(0x0005, DataType.STRING, self.model),
                AttributeSlot(0x0007, DataType.ENUM8, _MAINS if self.mac.rx_on else _BATTERY),
            ],
        )
        self.serve(Cluster.IDENTIFY, [AttributeSlot(0x0000, DataType.UINT16, 0, writable=True)])

    # What a test looks at

    @property
    def sticker(self) -> str:
        """The text of the device's QR code: `Z:<EUI64>$I:<install code with CRC>`; the first half without a code."""
        text = f"Z:{self.eui64:016X}"
        return text if self.install_code is None else f"{text}$I:{self.install_code.hex().upper()}"

    @property
    def has_network_key(self) -> bool:
        """Whether the device holds a network key."""
        return self.keys.active is not None

    @property
    def network_key(self) -> bytes | None:
        """The network key in use."""
        return self.keys.key

    @property
    def key_sequence(self) -> int | None:
        """The sequence number of the network key in use."""
        return self.keys.active

    @property
    def trust_center_link_key_verified(self) -> bool:
        """Whether the trust center confirmed a link key of the device's own."""
        return self.link_keys.verified

    @property
    def short(self) -> int:
        """The short address."""
        return self.nwk.short

    # ZCL server

    def serve(self, cluster: int, slots: Iterable[AttributeSlot] = ()) -> ServedCluster:
        """Add a server cluster."""
        served = ServedCluster.of(cluster, slots)
        served.on_change = lambda attribute: self._reporting.changed(served, attribute)
        self.clusters[cluster] = served
        self.endpoints = [
            SimpleDescriptor(
                ENDPOINT,
                HOME_AUTOMATION,
                self.device_id,
                input_clusters=tuple(sorted(self.clusters)),
                output_clusters=self.client_clusters,
            )
        ]
        return served

    def command(self, cluster: int, command: int, payload: bytes = b"", *, to_client: bool = False) -> None:
        """Send a cluster command to the coordinator's endpoint 1."""
        self._tsn = (self._tsn + 1) & 0xFF
        frame = ZclFrame(self._tsn, command, payload, cluster_specific=True, server_to_client=to_client)
        self.send(COORDINATOR, ENDPOINT, cluster, frame)

    def send(self, dst: int, dst_ep: int, cluster: int, frame: ZclFrame) -> None:
        """Send a ZCL frame with an APS acknowledgement; nothing happens off the network."""
        if self.joined:
            self.aps.send_data(
                dst=dst,
                profile=HOME_AUTOMATION,
                cluster=cluster,
                src_ep=ENDPOINT,
                dst_ep=dst_ep,
                payload=frame.encode(),
                aps_ack=True,
            )

    def on_app_data(self, indication: ApsIndication) -> None:
        """A message for an application endpoint."""
        if indication.dst_ep not in (ENDPOINT, 0xFF) and indication.mode is not DeliveryMode.GROUP:
            return
        try:
            frame = ZclFrame.decode(indication.payload)
        except FrameError:
            self.malformed += 1
            return
        if frame.server_to_client:
            return
        answer = self._answer(indication.cluster, frame)
        if answer is not None and indication.mode is DeliveryMode.UNICAST:
            self.send(indication.src, indication.src_ep, indication.cluster, answer)

    def _answer(self, cluster_id: int, frame: ZclFrame) -> ZclFrame | None:
        cluster = self.clusters.get(cluster_id)
        if cluster is None or frame.manufacturer is not None:
            return self._default(frame, ZclStatus.UNSUPPORTED_CLUSTER)
        try:
            if frame.cluster_specific:
                return self._execute(cluster, frame)
            return self._general(cluster, frame)
        except FrameError:
            self.malformed += 1
            return self._default(frame, ZclStatus.MALFORMED_COMMAND)

    def _execute(self, cluster: ServedCluster, frame: ZclFrame) -> ZclFrame | None:
        handler = cluster.commands.get(frame.command)
        result = CommandResult(ZclStatus.UNSUP_COMMAND) if handler is None else handler(frame.payload)
        if result.response is None:
            return self._default(frame, result.status)
        return ZclFrame(
            frame.tsn,
            result.response,
            result.payload,
            cluster_specific=True,
            server_to_client=True,
            disable_default_response=True,
        )

    def _general(self, cluster: ServedCluster, frame: ZclFrame) -> ZclFrame | None:
        match frame.command:
            case General.READ_ATTRIBUTES:
                asked = ReadAttributes.decode(frame.payload).attributes
                read = cluster.read(asked)
                while len(read.encode()) > MAX_PAYLOAD - _ZCL_HEADER:
                    # As much as fits; the host asks again for the rest (ZCL 2.5.1.3).
                    asked = asked[:-1]
                    read = cluster.read(asked)
                return _general_response(frame.tsn, read.COMMAND, read.encode())
            case General.WRITE_ATTRIBUTES:
                written = cluster.write(WriteAttributes.decode(frame.payload))
                return _general_response(frame.tsn, written.COMMAND, written.encode())
            case General.CONFIGURE_REPORTING:
                configured = self._reporting.configure(cluster, ConfigureReporting.decode(frame.payload))
                return _general_response(frame.tsn, configured.COMMAND, configured.encode())
            case General.DEFAULT_RESPONSE:
                return None
            case _:
                return self._default(frame, ZclStatus.UNSUP_COMMAND)

    def _default(self, frame: ZclFrame, status: ZclStatus) -> ZclFrame | None:
        if frame.disable_default_response and status is ZclStatus.SUCCESS:
            return None
        payload = DefaultResponse(frame.command, status).encode()
        return _general_response(frame.tsn, General.DEFAULT_RESPONSE, payload)

    # Reports

    def _report(self, cluster: int, report: ReportAttributes) -> None:
        self._tsn = (self._tsn + 1) & 0xFF
        frame = ZclFrame(self._tsn, report.COMMAND, report.encode(), server_to_client=True)
        for binding in self.zdo.bindings:
            if binding.cluster != cluster or binding.dst is None or binding.dst_ep is None:
                continue
            short = COORDINATOR if binding.dst == self.trust_center_eui64 else self.short_of(binding.dst)
            if short is not None:
                self.send(short, binding.dst_ep, cluster, frame)

    # Life

    def power_on(self) -> None:
        """Give it power; configured reports go on."""
        if not self.powered:
            super().power_on()
            self._reporting.resume(self.clusters)

    def _forget(self) -> None:
        super()._forget()
        self._reporting.forget()
        self.zdo.bindings.clear()


def _general_response(tsn: int, command: int, payload: bytes) -> ZclFrame:
    return ZclFrame(tsn, command, payload, server_to_client=True, disable_default_response=True)
