"""An emulated house in virtual time, its air recorded: the same devices and trust center as House has, no sockets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from hubsec_emulated.air import Air, Transmission
from hubsec_emulated.capture.pcap import CapturedFrame, PcapWriter
from hubsec_emulated.clock import VirtualClock
from hubsec_emulated.devices.device import Device
from hubsec_emulated.devices.onoff import Lamp
from hubsec_emulated.devices.sensor import ContactSensor
from hubsec_emulated.ncp.ncp import Ncp
from hubsec_emulated.ncp.policies import JoinPolicy, KeyRequestPolicy
from hubsec_emulated.ncp.port import RadioNetwork
from hubsec_emulated.ncp.radio import Radio
from hubsec_emulated.ncp.tokens import KeyTokens, NetworkTokens, Tokens
from hubsec_emulated.ncp.transient import WILDCARD_EUI64
from hubsec_emulated.ncp.trust_center import USES_HASHED_LINK_KEY
from hubsec_emulated.stack.coordinator import Coordinator
from hubsec_emulated.wire.crypto import WELL_KNOWN_KEY, install_code_crc, install_code_key

INSTALL_CODE: Final = bytes.fromhex("83FED3407A939723A5C639B26916D505")
STICKER: Final = INSTALL_CODE + install_code_crc(INSTALL_CODE)
LAMP: Final = 0x00124B0000010001
SENSOR: Final = 0x00124B0000010002
PAN_ID: Final = 0x1A62
EXTENDED_PAN_ID: Final = 0x00124B00AABBCCDD
CHANNEL: Final = 15
NETWORK_KEY: Final = bytes.fromhex("00112233445566778899aabbccddeeff")
SEED_OF_LINK_KEYS: Final = bytes.fromhex("ffeeddccbbaa99887766554433221100")
JOIN_LIMIT: Final = 60.0
"""Simulated seconds within which a join and everything after it must be over: silicon takes 10 to 20."""


class EmulatedNetwork:
    """A coordinator with the co-processor's trust center, formed and open; time stands still between calls."""

    def __init__(self, seed: int = 1) -> None:
        self.clock = VirtualClock()
        self.air = Air(self.clock, seed=seed)
        self.heard: list[Transmission] = []
        #: How many frames there were at the end of each join.
        self.marks: list[int] = []
        self.air.tap(self.heard.append)
        self.seed = seed
        tokens = Tokens()
        self.coordinator = Coordinator(self.air, tokens.eui64, seed=seed)
        radio = Radio(self.coordinator)
        self.ncp = Ncp(radio, tokens, self.clock, seed=seed)
        tokens.network = NetworkTokens(PAN_ID, EXTENDED_PAN_ID, CHANNEL)
        tokens.keys = KeyTokens(
            NETWORK_KEY, 0, SEED_OF_LINK_KEYS, 0x0004 | USES_HASHED_LINK_KEY, tokens.eui64
        )
        network = RadioNetwork(
            tokens.eui64, PAN_ID, EXTENDED_PAN_ID, CHANNEL, {0: NETWORK_KEY}, 0, 0x1000, 0x1000, 0
        )
        radio.start(network, fresh=True)
        self.trust_center = self.ncp.trust_center
        self.trust_center.policy = JoinPolicy.ALLOW_JOINS
        self.trust_center.key_requests = KeyRequestPolicy.SEND_CURRENT_KEY
        self.coordinator.set_concentrator(60.0)
        self.coordinator.permit_joining(255)

    def add(
        self, kind: Callable[..., Device], eui64: int, *, parent: Device | None = None, **options: object
    ) -> Device:
        """Return a device, switched off, that hears everybody or `parent` alone."""
        device = kind(self.air, eui64, seed=self.seed, channels=(CHANNEL,), **options)
        if parent is not None:
            self.air.limit(device.mac, [parent.mac])
        return device

    def join(self, device: Device) -> None:
        """Switch `device` on, and let time pass until silicon would have nothing left to do."""
        device.power_on()
        self.clock.advance(JOIN_LIMIT)
        self.marks.append(len(self.heard))

    def expect(self, eui64: int, key: bytes) -> None:
        """Let the trust center know a link key for this device."""
        assert self.trust_center.transient.add(eui64, key)

    def frames(self) -> list[CapturedFrame]:
        """Everything that was on the air."""
        return [CapturedFrame(round(sent.time * 1e9), sent.psdu) for sent in self.heard]

    def save(self, path: Path) -> Path:
        """Write everything that was on the air to a pcap file."""
        with PcapWriter(path) as writer:
            for sent in self.heard:
                writer.write(sent.time, sent.psdu)
        return path


def install_code_join(
    lamp: Callable[..., Device] = Lamp, sensor: Callable[..., Device] = ContactSensor
) -> EmulatedNetwork:
    """Let a lamp and a sensor join, each with its install code."""
    network = EmulatedNetwork()
    for kind, eui64 in ((lamp, LAMP), (sensor, SENSOR)):
        network.expect(eui64, install_code_key(STICKER))
        network.join(network.add(kind, eui64, install_code=STICKER))
    return network


def well_known_key_join() -> EmulatedNetwork:
    """Let a lamp and a sensor join with the well-known key, after the install codes that nobody knows of."""
    network = EmulatedNetwork()
    network.expect(WILDCARD_EUI64, WELL_KNOWN_KEY)
    for kind, eui64 in ((Lamp, LAMP), (ContactSensor, SENSOR)):
        network.join(network.add(kind, eui64, install_code=STICKER, well_known=True))
    return network


def join_through_router(
    lamp: Callable[..., Device] = Lamp, sensor: Callable[..., Device] = ContactSensor
) -> EmulatedNetwork:
    """Let a sensor join through a lamp, both with the well-known key alone."""
    network = EmulatedNetwork()
    network.expect(WILDCARD_EUI64, WELL_KNOWN_KEY)
    parent = network.add(lamp, LAMP)
    network.join(parent)
    network.join(network.add(sensor, SENSOR, parent=parent))
    return network
