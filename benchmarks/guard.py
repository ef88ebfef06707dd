"""One attribute report, from the callback that bellows makes of it: what zigpy does with it, and what the guard adds.

The guard's look at a frame is measured by itself and held against the path that follows when it lets the frame through.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from types import SimpleNamespace
from typing import Any

import zigpy.types as t
from bellows.zigbee.application import ControllerApplication
from zigpy.zcl.clusters.measurement import TemperatureMeasurement

from benchmarks.harness import Case, Row, measure, rows
from hubsec.identity import Identity, Mode, Standing
from hubsec_zigbee.desk import Desk
from hubsec_zigbee.limits import Limits
from hubsec_zigbee.receiving import ReceivePath
from hubsec_zigbee.roster import Roster

PASS_AIM = 0.05
"""Of the whole path: below that nobody can tell a guarded stick from one that is not."""
DROP_AIM = 0.05
"""The same, so that whoever floods the stick costs less behind the guard than in front of it."""

SHORT = 0x1234
EUI64 = "00:12:4b:00:01:02:03:04"
HOME_AUTOMATION = 0x0104
REPORT = 0x0A


class Authority:
    """Knows one device, which stands as it is told."""

    def __init__(self) -> None:
        self.mode = Mode.ENFORCE
        self.answer = Standing.APPROVED

    def standing(self, device: Identity) -> Standing:
        """The same for everybody."""
        del device
        return self.answer


def guard(authority: Authority) -> ReceivePath:
    """A receive path that knows the device."""
    desk, roster = Desk("bellows", Limits()), Roster()
    desk.take(authority)  # type: ignore[arg-type]  # the receive path asks for no more than that
    roster.learn(Identity(EUI64), SHORT)
    nothing: Any = SimpleNamespace()
    path = ReceivePath(
        desk, roster, nothing, lambda _name, _args: None, lambda _short: None, ask_who=lambda _short: None
    )
    path.begin(authority)
    return path


async def application() -> ControllerApplication:
    """An application of bellows that has one device, which reports its temperature, and no radio."""
    app = ControllerApplication({"device": {"path": "tcp://127.0.0.1:1"}, "database_path": None})
    device = app.add_device(t.EUI64.convert(EUI64), t.NWK(SHORT))
    device.add_endpoint(1).add_input_cluster(TemperatureMeasurement.cluster_id)
    device.endpoints[1].status = type(device.endpoints[1].status).ZDO_INIT
    device.endpoints[1].profile_id = HOME_AUTOMATION
    device.status = type(device.status).ENDPOINTS_INIT
    return app


def packet(sequence: int) -> t.ZigbeePacket:
    """A report of 21.5 degrees."""
    return t.ZigbeePacket(
        src=t.AddrModeAddress(addr_mode=t.AddrMode.NWK, address=t.NWK(SHORT)),
        src_ep=1,
        dst=t.AddrModeAddress(addr_mode=t.AddrMode.NWK, address=t.NWK(0)),
        dst_ep=1,
        tsn=sequence,
        profile_id=HOME_AUTOMATION,
        cluster_id=TemperatureMeasurement.cluster_id,
        data=t.SerializableBytes(
            bytes([0x18, sequence, REPORT]) + b"\x00\x00\x29" + (2150).to_bytes(2, "little")
        ),
        lqi=255,
        rssi=-50,
    )


async def compare() -> dict[str, list[float]]:
    """All of it, in turns."""
    app = await application()
    cluster = app.devices[t.EUI64.convert(EUI64)].endpoints[1].in_clusters[TemperatureMeasurement.cluster_id]
    standing, quarantined = Authority(), Authority()
    quarantined.answer = Standing.QUARANTINED
    passing, dropping = guard(standing), guard(quarantined)
    frame = SimpleNamespace(
        sourceEndpoint=1,
        destinationEndpoint=1,
        profileId=HOME_AUTOMATION,
        clusterId=TemperatureMeasurement.cluster_id,
    )
    # EZSP 14: type, APS frame, sender, its EUI64, …, message
    args = [0, frame, SHORT, t.EUI64.convert(EUI64), None, None, None, None, None, b""]
    assert passing.passes(args)
    assert not dropping.passes(args)
    sequence = 0

    def unguarded(times: int) -> None:
        nonlocal sequence
        for _ in range(times):
            sequence = (sequence + 1) % 256
            app.packet_received(packets[sequence])

    def repeat(path: ReceivePath) -> Case:
        def run(times: int) -> None:
            for _ in range(times):
                path.passes(args)

        return run

    packets = [packet(number) for number in range(256)]
    window = app.devices[t.EUI64.convert(EUI64)]._packet_debouncer
    window.filter = lambda *_args, **_kwargs: False  # each of them is news, however fast they come
    unguarded(1)
    assert cluster.get("measured_value") == 2150
    try:
        return measure({"zigpy": unguarded, "passed": repeat(passing), "dropped": repeat(dropping)})
    finally:
        gc.collect()


def run() -> list[Row]:
    """The lines of the table."""
    logging.getLogger("zigpy").setLevel(logging.WARNING)
    values = asyncio.run(compare())
    lines = rows("frame", values, ours=("passed",), aim=PASS_AIM)
    lines[2] = rows("frame", values, ours=("dropped",), aim=DROP_AIM)[2]
    return lines
