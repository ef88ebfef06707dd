"""A radio without air, a host that speaks raw EZSP, and a bellows on a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest

from hubsec_emulated.clock import Clock, VirtualClock
from hubsec_emulated.ncp.ezsp import Answer, Codec
from hubsec_emulated.ncp.handlers.tables import Endpoint
from hubsec_emulated.ncp.ncp import Ncp
from hubsec_emulated.ncp.port import FoundNetwork, RadioNetwork
from hubsec_emulated.ncp.server import NcpServer
from hubsec_emulated.ncp.tokens import ChildEntry, Tokens
from hubsec_emulated.stack.interface import ApsIndication, DeliveryMode, TrustCenter

ZDO_NODE_DESCRIPTOR_REQUEST = 0x0002
ZDO_ACTIVE_ENDPOINTS_REQUEST = 0x0005
ZDO_SIMPLE_DESCRIPTOR_REQUEST = 0x0004
NODE_DESCRIPTOR = bytes.fromhex("0040 8f 0000 52 5200 412c 5200 00".replace(" ", ""))


@dataclass
class FakeRadio:
    """A coordinator without air: notes what it is told, and answers the device profile for itself."""

    clock: VirtualClock
    sent: list[tuple[Any, ...]] = field(default_factory=list)
    formed: RadioNetwork | None = None
    fresh: bool = False
    nwk_counter: int = 0
    aps_counter: int = 0
    endpoints: Sequence[Endpoint] = ()
    permit: int = 0
    channel: int = 0
    children: list[ChildEntry] = field(default_factory=list)
    staged: tuple[bytes, int] | None = None
    deliver: bool = True
    counter: int = 0
    trust_center: TrustCenter = None  # type: ignore[assignment]
    on_data: Callable[[ApsIndication], None] = print
    on_route_record: Callable[[int, tuple[int, ...]], None] = print
    on_child: Callable[[ChildEntry, bool], None] = print

    def connect(self, trust_center, on_data, on_route_record, on_child) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        self.trust_center = trust_center
        self.on_data = on_data
        self.on_route_record = on_route_record
        self.on_child = on_child

    def start(self, network: RadioNetwork, *, fresh: bool) -> None:
        self.formed, self.fresh = network, fresh
        self.nwk_counter, self.aps_counter = network.nwk_counter, network.aps_counter

    def stop(self) -> None:
        self.formed = None
        self.children.clear()

    def set_channel(self, channel: int) -> None:
        self.channel = channel

    def set_endpoints(self, endpoints: Sequence[Endpoint]) -> None:
        self.endpoints = endpoints

    def permit_joining(self, seconds: int) -> None:
        self.permit = seconds

    def adopt_child(self, child: ChildEntry) -> None:
        self.children = [row for row in self.children if row.eui64 != child.eui64] + [child]

    def end_device_children(self) -> Sequence[ChildEntry]:
        return tuple(self.children)

    def router_neighbours(self) -> Sequence[tuple[int, int, int]]:
        return ((0x1234, 0x11, 255),)

    def routes(self) -> Sequence[tuple[int, int]]:
        return ((0x2345, 0x1234),)

    def eui64_of(self, short: int) -> int | None:
        return next((child.eui64 for child in self.children if child.short == short), None)

    def short_of(self, eui64: int) -> int | None:
        return next((child.short for child in self.children if child.eui64 == eui64), None)

    def set_concentrator(self, period: float | None) -> None:
        self.sent.append(("concentrator", period))

    def scan(self, channels: Sequence[int], done: Callable[[Sequence[FoundNetwork]], None]) -> None:
        self.clock.call_later(0.1, done, [FoundNetwork(channels[0], 0x1A62, 0xEE, True, 2, 0, 200)])

    def send_network_key(self, eui64, short, parent, link_key, *, key=None, key_seq=None) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        self.sent.append(("network key", eui64, short, parent, link_key))

    def send_link_key(self, eui64: int, short: int, new_key: bytes, under: bytes) -> None:
        self.sent.append(("link key", eui64, new_key, under))

    def send_confirm_key(self, eui64: int, short: int, status: int, key: bytes) -> None:
        self.sent.append(("confirm", eui64, status, key))

    def send_remove_device(self, parent_short: int, parent_eui64: int, target_eui64: int, key: bytes) -> None:
        self.sent.append(("remove", parent_short, target_eui64, key))

    def stage_network_key(self, key: bytes, seq: int) -> None:
        self.staged = (key, seq)

    def broadcast_network_key(self, key: bytes, seq: int) -> None:
        self.sent.append(("broadcast key", key, seq))

    def send_next_network_key(self, eui64: int, short: int, link_key: bytes, key: bytes, seq: int) -> None:
        self.sent.append(("next key", eui64, short, link_key, key, seq))

    def switch_network_key(self, seq: int) -> None:
        self.sent.append(("switched", seq))

    def send_switch_key(self, dst: int, key_seq: int) -> None:
        self.sent.append(("switch key", dst, key_seq))

    def send_data(self, *, on_result: Callable[[bool], None] | None = None, **data: Any) -> int:
        self.counter = (self.counter + 1) % 256
        self.nwk_counter += 1
        self.sent.append(("data", data))
        if on_result is not None:
            self.clock.call_later(0.001, on_result, self.deliver)
        if data["dst"] == 0 and data["dst_ep"] == 0 and data["profile"] == 0:
            self.clock.call_later(0.002, self._own_device_profile, data["cluster"], data["payload"])
        return self.counter

    def _own_device_profile(self, cluster: int, request: bytes) -> None:
        if cluster == ZDO_NODE_DESCRIPTOR_REQUEST:
            body = NODE_DESCRIPTOR
        elif cluster == ZDO_ACTIVE_ENDPOINTS_REQUEST:
            body = bytes((len(self.endpoints), *(endpoint.number for endpoint in self.endpoints)))
        else:
            return
        self.on_data(
            ApsIndication(
                src=0,
                src_eui64=None,
                dst=0,
                mode=DeliveryMode.UNICAST,
                profile=0,
                cluster=cluster | 0x8000,
                src_ep=0,
                dst_ep=0,
                counter=1,
                payload=request[:1] + b"\x00\x00\x00" + body,
            )
        )


@dataclass
class EzspHost:
    """Speaks EZSP to an :class:`Ncp` without a serial line."""

    ncp: Ncp
    radio: FakeRadio
    clock: VirtualClock
    answers: list[Answer] = field(default_factory=list)
    sequence: int = 0

    def __post_init__(self) -> None:
        self.ncp.send = lambda frame: self.answers.append(self.ncp.codec.decode_answer(frame))
        self("version", desired=self.ncp.codec.version)

    def __call__(self, name: str, **args: Any) -> dict[str, Any]:
        self.sequence = (self.sequence + 1) % 256
        before = len(self.answers)
        self.ncp.handle_frame(self.ncp.codec.encode_command(self.sequence, name, args))
        answer = self.answers[before]
        assert (answer.sequence, answer.name) == (self.sequence, name)
        return answer.values

    def callbacks(self, name: str) -> list[dict[str, Any]]:
        return [answer.values for answer in self.answers if answer.callback and answer.name == name]

    def form(self, *, bitmask: int = 0x1B84, key: bytes = b"S" * 16, **network: Any) -> None:
        state = {
            "bitmask": bitmask,
            "preconfigured_key": key,
            "network_key": b"N" * 16,
            "sequence": 0,
            "trust_center": 0,
        }
        assert self("setInitialSecurityState", state=state)["status"] == 0
        parameters = {
            "extended_pan_id": 0xEE,
            "pan_id": 0x1A62,
            "tx_power": 8,
            "channel": 15,
            "join_method": 0,
            "manager": 0,
            "update_id": 0,
            "channels": 0x07FFF800,
            **network,
        }
        assert self("formNetwork", parameters=parameters)["status"] == 0
        self.clock.advance(1)
        assert self.callbacks("stackStatusHandler")[-1]["status"].name == "NETWORK_UP"


@pytest.fixture(params=[14])
def host(request: pytest.FixtureRequest) -> EzspHost:
    """A raw EZSP host of version 14; parametrize indirectly for others."""
    clock = VirtualClock()
    radio = FakeRadio(clock)
    return EzspHost(Ncp(radio, Tokens(), clock, version=request.param, seed=1), radio, clock)


class ServerFactory(Protocol):
    def __call__(self, **options: Any) -> AbstractAsyncContextManager[NcpServer]: ...


@pytest.fixture
def server() -> ServerFactory:
    """Start a server over a fake radio, on a clock that runs fast."""

    @asynccontextmanager
    async def start(*, tokens: Tokens | None = None, **options: Any) -> AsyncIterator[NcpServer]:
        clock = Clock(scale=20.0)
        server = NcpServer(FakeRadio(clock), clock=clock, tokens=tokens, **options)
        await server.start()
        try:
            yield server
        finally:
            await server.close()
            clock.close()
            await asyncio.sleep(0)

    return start


def codec(version: int) -> Codec:
    return Codec.for_version(version)
