"""What real devices did, as a list of steps that an emulated device can be compared with.

`join_steps` turns a capture (real or emulated) into the ordered steps of one device's join. It leaves out what
depends on luck and timing, and nothing else: MAC and APS acknowledgements, polls, Link-Status, routing (route
request, reply and record, network status), and repetitions of a frame (same network source and sequence number,
also as relayed by others, or same APS counter of the same sender).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from hubsec_emulated.capture.dissect import ApsLayer, Dissection
from hubsec_emulated.capture.pcap import CapturedFrame, read_capture
from hubsec_emulated.capture.sniffer import Sniffer
from hubsec_emulated.wire import aps, mac, nwk, zdo
from hubsec_emulated.wire.addresses import is_broadcast
from hubsec_emulated.wire.aps import ApsType
from hubsec_emulated.wire.mac import MacType
from hubsec_emulated.wire.nwk import NwkType

INSTALL_CODE_KEY: Final = bytes.fromhex("66B6900981E1EE3CA4206B6B861C02BB")
ROUTER: Final = 0x50325FFFFEE767CB
"""The router of all EmberZNet captures."""
SLEEPY: Final = 0x50325FFFFEE76785
"""The sleepy end device of all EmberZNet captures."""

REPETITION_SECONDS: Final = 15.0
"""For so long a sequence number or counter marks a repetition; later it has come round again (they have 8 bits)."""

_ROUTING: Final = (nwk.LinkStatus, nwk.RouteRequest, nwk.RouteReply, nwk.RouteRecord, nwk.NetworkStatus)


class Step(NamedTuple):
    """One frame: its type or command, who sent it to whom, the network key's number and the APS key (None: none)."""

    command: str
    direction: str
    nwk_key: int | None
    aps_key: str | None


def captures_folder() -> Path:
    """Return the folder of real captures; skip the test where it is missing."""
    named = os.environ.get("HUBSEC_CAPTURES")
    folder = Path(named) if named else Path(__file__).resolve().parents[3] / "shared" / "captures"
    if not folder.is_dir():
        pytest.skip("the real captures are not here: set HUBSEC_CAPTURES to their folder")
    return folder


def real_capture(name: str) -> list[CapturedFrame]:
    """Return the frames of a real capture."""
    return read_capture(captures_folder() / name)


def listen(frames: Iterable[CapturedFrame], keys: Iterable[bytes] = ()) -> Sniffer:
    """Return an ear that heard these frames, and holds `keys` on top of the public ones."""
    ear = Sniffer(keys)
    for frame in frames:
        ear(frame.time_ns / 1e9, frame.psdu, has_fcs=frame.has_fcs)
    return ear


class Header(NamedTuple):
    """What the headers of a step's frame say, apart from addresses, numbers and contents.

    MAC: acknowledgement asked for, long source, long destination, broadcast. Network: radius, route discovery,
    end device initiator, EUI64 of the destination and of the source, source route. APS, from the outside in: delivery
    mode, acknowledgement asked for, extended nonce (None: not secured).
    """

    mac: tuple[bool, bool, bool, bool]
    nwk: tuple[int, int, bool, bool, bool, bool] | None
    aps: tuple[tuple[int, bool, bool | None], ...]


def join_steps(
    frames: Sequence[CapturedFrame],
    device: int,
    keys: Iterable[bytes] = (),
    *,
    first: int = 1,
    last: int | None = None,
) -> list[Step]:
    """Return the steps of `device` (its EUI64) in the frames `first` to `last`, counted from 1 as Wireshark counts.

    Keys and the device's short address are learnt from all frames.
    """
    return [step for step, _ in join_headers(frames, device, keys, first=first, last=last)]


def join_headers(
    frames: Sequence[CapturedFrame],
    device: int,
    keys: Iterable[bytes] = (),
    *,
    first: int = 1,
    last: int | None = None,
) -> list[tuple[Step, Header]]:
    """Return the steps of :func:`join_steps`, each with what its headers say."""
    ear = listen(frames, keys)
    shorts: set[int] = set()
    for heard in ear.heard():
        _learn_short(heard.frame, device, shorts)
    steps: list[tuple[Step, Header]] = []
    seen: dict[tuple[object, ...], float] = {}
    for heard in ear.heard(first, last):
        step = _step(heard.frame, device, shorts)
        if step is None:
            continue
        marks = _marks(heard.frame)
        if not any(heard.seconds - seen.get(mark, -math.inf) < REPETITION_SECONDS for mark in marks):
            steps.append((step, _header(heard.frame)))
        seen.update(dict.fromkeys(marks, heard.seconds))
    return steps


def side_by_side(left: Sequence[Step], right: Sequence[Step], titles: tuple[str, str]) -> str:
    """Return both lists as a table; lines that differ are marked."""
    width = max([len(titles[0]), *(len(_line(step)) for step in left)])
    rows = [f"   {titles[0]:{width}} | {titles[1]}"]
    rows += [
        f"{'  ' if one == other else '!='} {_line(one):{width}} | {_line(other)}"
        for one, other in zip_longest(left, right)
    ]
    return "\n".join(rows)


def _line(step: Step | None) -> str:
    if step is None:
        return ""
    network = "-" if step.nwk_key is None else step.nwk_key
    return f"{step.direction:14} {step.command:34} nwk {network} aps {step.aps_key or '-'}"


def _step(frame: Dissection, device: int, shorts: set[int]) -> Step | None:
    header = frame.mac
    if header.type is MacType.COMMAND:
        if device not in (header.src, header.dst):
            return None
        return _association(frame, device)
    if frame.nwk is None or frame.nwk.frame.type is NwkType.INTERPAN:
        return None
    network = frame.nwk
    about = _about(frame.aps)
    if device != about and not shorts & {network.frame.src, network.frame.dst}:
        return None
    direction = f"{_role(network.frame.src, shorts)}>{_role(network.frame.dst, shorts)}"
    key = None if network.aux is None else network.aux.key_seq
    if network.command is not None:
        if isinstance(network.command, _ROUTING):
            return None
        return Step(_name(network.command), direction, key, None)
    layer = frame.aps
    if layer is None or layer.frame.type is ApsType.ACK:
        return None
    name = _aps_name(layer, frame.zdo)
    while layer.tunnelled is not None:
        layer = layer.tunnelled
        name = f"{name}/{_aps_name(layer, None)}"
    return Step(name, direction, key, None if layer.aux is None else layer.aux.key_id.name)


def _header(frame: Dissection) -> Header:
    mac_header = frame.mac
    network = None
    if frame.nwk is not None:
        sent = frame.nwk.frame
        network = (
            sent.radius,
            sent.discover_route,
            sent.end_device_initiator,
            sent.dst_ieee is not None,
            sent.src_ieee is not None,
            sent.source_route is not None,
        )
    support = []
    layer = frame.aps
    while layer is not None:
        nonce = None if layer.aux is None else layer.aux.source is not None
        support.append((int(layer.frame.delivery), layer.frame.ack_request, nonce))
        layer = layer.tunnelled
    to_all = not mac_header.dst_long and is_broadcast(mac_header.dst or 0)
    return Header(
        (mac_header.ack_request, mac_header.src_long, mac_header.dst_long, to_all), network, tuple(support)
    )


def _learn_short(frame: Dissection, device: int, shorts: set[int]) -> None:
    match frame.mac_command, None if frame.nwk is None else frame.nwk.command:
        case mac.AssociationResponse(short=short), _ if frame.mac.dst == device:
            shorts.add(short)
        case _, nwk.RejoinResponse(short=short) if frame.nwk and frame.nwk.frame.dst_ieee == device:
            shorts.add(short)


def _association(frame: Dissection, device: int) -> Step | None:
    if isinstance(frame.mac_command, mac.BareCommand):
        return None
    direction = "device>parent" if frame.mac.src == device else "parent>device"
    return Step(_name(frame.mac_command), direction, None, None)


def _role(short: int, shorts: set[int]) -> str:
    if is_broadcast(short):
        return "all"
    if short in shorts:
        return "device"
    return "router" if short else "tc"


def _about(layer: ApsLayer | None) -> int | None:
    """Whom a trust center's or router's command is about."""
    match None if layer is None else layer.command:
        case aps.UpdateDevice(eui64=eui64) | aps.RemoveDevice(eui64=eui64) | aps.Tunnel(dst=eui64):
            return eui64
        case _:
            return None


def _marks(frame: Dissection) -> list[tuple[object, ...]]:
    """What makes a later frame a repetition of this one."""
    if frame.nwk is None:
        return [("mac", frame.mac.src, frame.mac.seq)]
    header = frame.nwk.frame
    marks: list[tuple[object, ...]] = [("nwk", header.src, header.seq)]
    if frame.aps is not None and frame.nwk.opened:
        support = frame.aps.frame
        marks.append(("aps", header.src, header.dst, support.type, support.cluster, support.counter))
    return marks


def _aps_name(layer: ApsLayer, message: zdo.ZdoMessage | None) -> str:
    if message is not None:
        return type(message).__name__
    match layer.command:
        case aps.TransportKey(descriptor=descriptor):
            return f"TransportKey({type(descriptor).__name__})"
        case None:
            return f"cluster {layer.frame.cluster:#06x}" if layer.frame.cluster is not None else "shut"
        case command:
            return _name(command)


def _name(command: object) -> str:
    return type(command).__name__
