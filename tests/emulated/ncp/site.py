"""A formed network behind a raw EZSP host, on the air, in simulated time that stands still."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hubsec_emulated.air import Air
from hubsec_emulated.clock import VirtualClock
from hubsec_emulated.devices.device import Device
from hubsec_emulated.ncp.ezsp import Answer, Status
from hubsec_emulated.ncp.ncp import Ncp
from hubsec_emulated.ncp.radio import Radio
from hubsec_emulated.ncp.tokens import Tokens
from hubsec_emulated.stack.coordinator import Coordinator
from hubsec_emulated.wire.crypto import WELL_KNOWN_KEY, install_code_crc, install_code_key

WILDCARD = 0xFFFFFFFFFFFFFFFF
JOINS, REJOINS, CODES, DEFER = 0x01, 0x02, 0x10, 0x20
NEW_KEY = b"M" * 16
APS = {
    "profile": 0x0104,
    "cluster": 6,
    "source_endpoint": 1,
    "destination_endpoint": 1,
    "options": 0x0140,
    "group": 0,
    "sequence": 0,
}


@dataclass
class Site:
    """A formed network behind a raw EZSP host, and whatever is switched on near it."""

    version: int = 14
    answers: list[Answer] = field(default_factory=list)
    made: int = 0

    def __post_init__(self) -> None:
        self.clock = VirtualClock()
        self.air = Air(self.clock, seed=1)
        self.coordinator = Coordinator(self.air, 1, seed=1)
        self.tokens = Tokens()
        self.ncp = Ncp(Radio(self.coordinator), self.tokens, self.clock, version=self.version, seed=1)
        self.ncp.send = lambda frame: self.answers.append(self.ncp.codec.decode_answer(frame))
        self("version", desired=self.version)
        self("addEndpoint", endpoint=1, profile=0x0104, device=5, output_count=1, outputs=(6,))
        state = {
            "bitmask": 0x1B84,
            "preconfigured_key": b"S" * 16,
            "network_key": b"N" * 16,
            "sequence": 0,
            "trust_center": 0,
        }
        self("setInitialSecurityState", state=state)
        parameters = dict.fromkeys(("tx_power", "join_method", "manager", "update_id", "channels"), 0)
        parameters |= {"extended_pan_id": 0xEE, "pan_id": 0x1A62, "channel": 15}
        self("formNetwork", parameters=parameters)
        self.clock.advance(1)

    def __call__(self, command: str, **args: Any) -> dict[str, Any]:
        before = len(self.answers)
        self.ncp.handle_frame(self.ncp.codec.encode_command(1, command, args))
        answer = self.answers[before]
        assert answer.name == command
        return answer.values

    def callbacks(self, name: str) -> list[dict[str, Any]]:
        return [answer.values for answer in self.answers if answer.callback and answer.name == name]

    def open(self, policy: int, *, wildcard: bool = False) -> None:
        self("setPolicy", policy=0, decision=policy)
        self("permitJoining", duration=254)
        if wildcard:
            self("importTransientKey", eui64=WILDCARD, key=WELL_KNOWN_KEY)

    def device(self, kind: type[Device], *, code: bool = True, parent: Device | None = None) -> Device:
        self.made += 1
        install_code = bytes((self.made,)) * 16
        device = kind(
            self.air,
            0x00124B0000010000 + self.made,
            install_code=install_code + install_code_crc(install_code) if code else None,
            seed=self.made,
        )
        if parent is not None:
            self.air.limit(device.mac, [parent.mac])
        return device

    def admit(self, device: Device) -> None:
        self("importTransientKey", eui64=device.eui64, key=code_key(device))

    def join(self, device: Device) -> Device:
        device.power_on()
        assert self.within(60, lambda: device.joined and device.trust_center_link_key_verified)
        self.clock.advance(5)
        return device

    def within(self, seconds: float, predicate: Callable[[], object]) -> bool:
        return self.clock.run_until(predicate, seconds)

    def short(self, device: Device) -> int:
        node = self("lookupNodeIdByEui64", eui64=device.eui64)["node"]
        assert isinstance(node, int)
        return node

    def reaches(self, device: Device) -> bool:
        """Whether a command of the host gets an acknowledgement."""
        before = len(self.callbacks("messageSentHandler"))
        message = bytes((0x01, before & 0xFF, 0x02))
        self(
            "sendUnicast", type=0, destination=self.short(device), aps=APS, tag=before & 0xFF, message=message
        )
        assert self.within(60, lambda: len(self.callbacks("messageSentHandler")) > before)
        return bool(self.callbacks("messageSentHandler")[-1]["status"] is Status.OK)


def code_key(device: Device) -> bytes:
    assert device.install_code is not None
    return install_code_key(device.install_code)
