"""Frames that real devices sent open with the project's codecs, all of them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from hubsec_emulated.capture.dissect import Dissection, Layer
from hubsec_emulated.capture.keyring import KeyKind
from hubsec_emulated.capture.sniffer import Sniffer
from hubsec_emulated.wire import aps, zdo
from hubsec_emulated.wire.crypto import verify_key_hash
from tests.oracles.silicon import INSTALL_CODE_KEY, ROUTER, SLEEPY, listen, real_capture

TOUCHLINK_NETWORK_KEY = bytes.fromhex("0134fe9e66908714e694f1d28403eed6")
HUE_NETWORK_KEY = bytes.fromhex("02398409245156e31d98a92157a8a66f")


@dataclass(frozen=True)
class Capture:
    """What an EmberZNet capture holds; `broken` frames (from 1) had errors; tshark rejects most of them too."""

    name: str
    frames: int
    secured: int
    network_keys: int
    link_keys: int
    install_code: bool = False
    broken: tuple[int, ...] = ()
    shut: int = 0

    @property
    def keys(self) -> list[bytes]:
        return [INSTALL_CODE_KEY] if self.install_code else []


CAPTURES = [
    Capture("emberznet-join-install-code.pcapng", 179, 93, 1, 2, install_code=True),
    Capture("emberznet-join-well-known-key.pcapng", 186, 70, 1, 2),
    # Frame 266 is a repetition of an earlier one, with bit errors in it.
    Capture(
        "emberznet-join-through-router.pcapng", 383, 290, 1, 1, install_code=True, broken=(248, 351), shut=1
    ),
    Capture("emberznet-network-key-update.pcapng", 155, 71, 2, 2),
    Capture("emberznet-trust-center-rejoin.pcapng", 202, 84, 2, 2, broken=(59, 60)),
    Capture("emberznet-hashed-link-keys.pcapng", 193, 80, 1, 2, broken=(52,)),
]


def names(capture: Capture) -> str:
    return capture.name.removesuffix(".pcapng")


@pytest.mark.parametrize("capture", CAPTURES, ids=names)
def test_every_secured_frame_opens_once_the_keys_are_learnt(capture: Capture) -> None:
    ear = listen(real_capture(capture.name), capture.keys)
    report = ear.report()
    kinds = [key.kind for key in report.keys]
    assert report.frames == capture.frames
    assert report.malformed == len(capture.broken)
    assert (report.secured, report.unopened) == (capture.secured, capture.shut)
    assert kinds.count(KeyKind.NETWORK) == capture.network_keys
    assert kinds.count(KeyKind.LINK) == capture.link_keys


@pytest.mark.parametrize("capture", CAPTURES, ids=names)
def test_only_what_was_received_with_errors_is_malformed(capture: Capture) -> None:
    ear = listen(real_capture(capture.name), capture.keys)
    whole = {number for number in range(1, capture.frames + 1) if ear.heard(number, number)}
    assert set(range(1, capture.frames + 1)) - whole == set(capture.broken)
    assert [heard.frame for heard in ear.heard() if heard.frame.malformed is not None] == []


@pytest.mark.parametrize("capture", CAPTURES, ids=names)
def test_the_codecs_write_what_silicon_wrote(capture: Capture) -> None:
    ear = listen(real_capture(capture.name), capture.keys)
    written = 0
    for heard in ear.heard():
        written += _rewritten(heard.frame)
    assert written > capture.secured


def _rewritten(frame: Dissection) -> int:
    """Encode what was decoded, layer by layer; return how many layers came out as the same bytes."""
    count = 0
    if frame.mac_command is not None:
        assert frame.mac_command.encode() == frame.mac.payload
        count += 1
    if frame.beacon is not None:
        assert frame.beacon.encode() == frame.mac.payload
        count += 1
    if frame.nwk is not None:
        if frame.nwk.aux is None:
            assert frame.nwk.frame.encode() == frame.mac.payload
        else:
            assert frame.mac.payload.startswith(frame.nwk.frame.header_bytes + frame.nwk.aux.encode())
        count += 1
        if frame.nwk.command is not None:
            assert frame.nwk.command.encode() == frame.nwk.frame.payload
            count += 1
    layer, carrier = frame.aps, None if frame.nwk is None else frame.nwk.frame.payload
    while layer is not None and carrier is not None:
        aux = b"" if layer.aux is None else layer.aux.encode()
        assert carrier.startswith(layer.frame.header_bytes + aux)
        count += 1
        if layer.command is not None:
            assert layer.command.encode() == layer.frame.payload
            count += 1
        carrier = layer.command.frame if isinstance(layer.command, aps.Tunnel) else None
        layer = layer.tunnelled
    if frame.zdo is not None and frame.aps is not None:
        payload = frame.aps.frame.payload
        assert zdo.encode(payload[0], frame.zdo) == payload
        count += 1
    return count


@pytest.mark.parametrize("capture", CAPTURES, ids=names)
def test_without_the_keys_from_before_the_join_nothing_opens(capture: Capture) -> None:
    if capture.install_code:
        report = listen(real_capture(capture.name)).report()
        assert (report.opened, report.keys) == (0, ())
        return
    # A join without an install code is public to whoever listens: both link keys and all.
    ear = listen(real_capture(capture.name))
    assert ear.has_network_key
    assert {key.eui64 for key in ear.report().keys if key.kind is KeyKind.LINK} == {ROUTER, SLEEPY}


@pytest.mark.parametrize("capture", CAPTURES, ids=names)
def test_verify_key_proves_the_key_that_was_sent(capture: Capture) -> None:
    ear = listen(real_capture(capture.name), capture.keys)
    link_keys = {key.eui64: key.value for key in ear.report().keys if key.kind is KeyKind.LINK}
    proofs = [
        heard.frame.aps.command
        for heard in ear.heard()
        if heard.frame.aps is not None and isinstance(heard.frame.aps.command, aps.VerifyKey)
    ]
    assert {proof.src for proof in proofs} == set(link_keys)
    for proof in proofs:
        assert proof.hash == verify_key_hash(link_keys[proof.src])


def _network_frames(ear: Sniffer) -> tuple[int, int]:
    frames = [heard.frame for heard in ear.heard() if heard.frame.nwk and heard.frame.nwk.aux]
    return sum(frame.shut is not Layer.NWK for frame in frames), len(frames)


def test_hue_association_opens_191_of_191() -> None:
    ear = listen(real_capture("hue-association.pcap"))
    assert _network_frames(ear) == (191, 191)
    assert [key.value for key in ear.report().keys] == [HUE_NETWORK_KEY]
    assert ear.report().unopened == 0
    assert [heard for heard in ear.heard() if heard.frame.malformed is not None] == []


def test_touchlink_opens_37_of_41() -> None:
    ear = Sniffer(network_keys=[TOUCHLINK_NETWORK_KEY])
    for frame in real_capture("touchlink-provisioning.pcap"):
        ear(frame.time_ns / 1e9, frame.psdu, has_fcs=frame.has_fcs)
    # The four others are of the network from before.
    assert _network_frames(ear) == (37, 41)
    assert listen(real_capture("touchlink-provisioning.pcap")).report().opened == 0
