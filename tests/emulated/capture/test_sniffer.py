from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubsec_emulated.capture.dissect import Layer, dissect
from hubsec_emulated.capture.keyring import MAX_ADDRESSES, MAX_KEYS, KeyKind, Keyring
from hubsec_emulated.capture.sniffer import Sniffer
from hubsec_emulated.errors import FrameError
from hubsec_emulated.wire import aps, nwk, zdo
from hubsec_emulated.wire.crypto import WELL_KNOWN_KEY, ZLL_KEY
from hubsec_emulated.wire.mac import MacFrame, MacType
from hubsec_emulated.wire.security import KeyId
from tests.emulated.capture import synthetic
from tests.emulated.wire.strategies import FEW

INSTALL_CODE_KEY = bytes.fromhex("66b6900981e1ee3ca4206b6b861c02bb")


def ear_on(recording: synthetic.Recording, keys: Iterable[bytes] = ()) -> Sniffer:
    ear = Sniffer(keys)
    for seconds, psdu in recording.frames:
        ear(seconds, psdu)
    return ear


def learnt(ear: Sniffer) -> dict[bytes, tuple[KeyKind, int | None]]:
    return {key.value: (key.kind, key.eui64) for key in ear.report().keys}


def test_a_join_under_the_well_known_key_is_an_open_book() -> None:
    air = synthetic.join()
    synthetic.join_below(air)
    synthetic.update_network_key(air)
    ear = ear_on(air)
    assert learnt(ear) == {
        synthetic.NETWORK_KEY: (KeyKind.NETWORK, synthetic.LAMP),
        synthetic.LAMP_KEY: (KeyKind.LINK, synthetic.LAMP),
        synthetic.NEXT_NETWORK_KEY: (KeyKind.NETWORK, None),
    }
    report = ear.report()
    assert ear.has_network_key
    assert (report.unopened, report.malformed, report.unopened_layers) == (0, 0, {})
    assert report.opened == report.secured == 16
    assert report.frames == len(air.frames)
    assert report.by_key["network key 1"] == 1


def test_a_join_with_an_install_code_stays_shut() -> None:
    ear = ear_on(synthetic.join(INSTALL_CODE_KEY))
    report = ear.report()
    assert not ear.has_network_key
    assert not ear.holds(synthetic.NETWORK_KEY)
    assert (report.keys, report.opened) == ((), 0)
    assert report.unopened_layers == {Layer.NWK: report.secured - 1, Layer.APS: 1}


def test_who_holds_the_install_code_opens_that_join() -> None:
    ear = ear_on(synthetic.join(INSTALL_CODE_KEY), [INSTALL_CODE_KEY])
    assert ear.has_network_key
    assert ear.holds(synthetic.NETWORK_KEY)
    assert ear.holds(synthetic.LAMP_KEY)
    assert ear.report().unopened == 0


def test_a_tunnelled_network_key_is_learnt() -> None:
    air = synthetic.Recording()
    synthetic.join_below(air)
    ear = Sniffer(network_keys=[synthetic.NETWORK_KEY])
    # Not the frame that comes out of the tunnel: only what goes in.
    for seconds, psdu in air.frames[:-1]:
        ear(seconds, psdu)
    tunnel = ear.heard()[-1].frame
    assert tunnel.aps is not None
    assert isinstance(tunnel.aps.command, aps.Tunnel)
    assert set(tunnel.opened_by) == {Layer.NWK, Layer.TUNNELLED}
    assert tunnel.opened_by[Layer.TUNNELLED].value == WELL_KNOWN_KEY
    # It is the key the ear had: nothing new.
    assert ear.report().keys == ()


def test_a_tunnel_that_stays_shut_says_so() -> None:
    air = synthetic.Recording(INSTALL_CODE_KEY)
    synthetic.join_below(air)
    ear = Sniffer(network_keys=[synthetic.NETWORK_KEY])
    for seconds, psdu in air.frames:
        ear(seconds, psdu)
    assert ear.report().unopened_layers == {Layer.APS: 2, Layer.TUNNELLED: 1}


def test_keys_learnt_later_open_what_was_heard_before() -> None:
    air = synthetic.join()
    early, late = air.frames[8:], air.frames[:8]
    ear = Sniffer()
    for seconds, psdu in early:
        ear(seconds, psdu)
    assert not ear.has_network_key
    assert ear.report().opened == 0
    for seconds, psdu in late:
        ear(seconds, psdu)
    assert ear.report().unopened == 0
    assert synthetic.LAMP_KEY in learnt(ear)


def test_a_network_key_update_is_no_secret_to_who_has_the_old_key() -> None:
    air = synthetic.Recording(INSTALL_CODE_KEY)
    synthetic.update_network_key(air)
    without, ear = ear_on(air), Sniffer(network_keys=[synthetic.NETWORK_KEY])
    for seconds, psdu in air.frames:
        ear(seconds, psdu)
    assert learnt(without) == {}
    assert learnt(ear) == {synthetic.NEXT_NETWORK_KEY: (KeyKind.NETWORK, None)}
    assert [key.learnt_under for key in ear.report().keys] == ["given network key 1"]


def test_application_link_keys_are_learnt() -> None:
    air = synthetic.join()
    shared = aps.TransportKey(aps.ApplicationLinkKey(bytes(range(16)), synthetic.CHILD, initiator=True))
    air.support(
        air.aps_command(shared.encode(), key=synthetic.LAMP_KEY, key_id=KeyId.KEY_LOAD),
        synthetic.HUB,
        synthetic.HUB_SHORT,
        synthetic.LAMP_SHORT,
    )
    assert learnt(ear_on(air))[bytes(range(16))] == (KeyKind.APPLICATION, synthetic.CHILD)


def test_wireshark_gets_every_key() -> None:
    lines = ear_on(synthetic.join()).keys_for_wireshark().splitlines()
    assert len(lines) == 4
    for line, key in zip(
        lines, (WELL_KNOWN_KEY, ZLL_KEY, synthetic.NETWORK_KEY, synthetic.LAMP_KEY), strict=True
    ):
        assert line.startswith(f'"{key.hex()}","Normal","')
        assert line.count('"') == 6


def test_no_secret_in_repr() -> None:
    ear = ear_on(synthetic.join())
    shown = f"{ear!r} {ear.report()!r} {ear.keyring!r} {ear.keyring.keys!r} {ear.heard()!r}"
    for key in (WELL_KNOWN_KEY, synthetic.NETWORK_KEY, synthetic.LAMP_KEY):
        assert key.hex() not in shown
        assert repr(key)[2:-1] not in shown


def test_the_layers_of_one_frame() -> None:
    ear = ear_on(synthetic.join())
    frames = [heard.frame for heard in ear.heard()]
    announcement = next(frame for frame in frames if isinstance(frame.zdo, zdo.DeviceAnnce))
    assert announcement.nwk is not None
    assert announcement.nwk.aux is not None
    assert announcement.nwk.aux.source == synthetic.LAMP
    assert announcement.opened_by[Layer.NWK].value == synthetic.NETWORK_KEY
    assert announcement.secured
    assert announcement.shut is None
    assert frames[1].beacon is not None
    assert frames[1].beacon.association_permit
    assert not frames[1].secured
    status = next(frame for frame in frames if frame.nwk is not None and frame.nwk.command is not None)
    assert status.nwk is not None
    assert isinstance(status.nwk.command, nwk.LinkStatus)
    assert [heard.seconds for heard in ear.heard(2, 3)] == [1.01, 1.02]


def test_noise_is_counted_and_nothing_more() -> None:
    ear = ear_on(synthetic.join())
    before = ear.report()
    ear(9.0, b"noise")
    ear(9.1, MacFrame(MacType.DATA, 1, 1, 1, src_pan=1, src=2, payload=b"\x08\x00\x01").encode())
    ear(9.2, MacFrame(MacType.DATA, 1, 1, 1, src_pan=1, src=2, payload=b"\x8c\x00green power").encode())
    after = ear.report()
    assert after.malformed == before.malformed + 2
    assert after.frames == before.frames + 3
    assert after.keys == before.keys


def test_other_inter_pan_frames_are_taken_apart() -> None:
    scan = aps.ApsFrame(
        aps.ApsType.INTERPAN, aps.Delivery.BROADCAST, cluster=0x1000, profile=0xC05E, payload=b"\x11\x01\x00"
    )
    frame = nwk.NwkFrame(nwk.NwkType.INTERPAN, 0, 0, 0, 0, payload=scan.encode())
    seen = dissect(
        MacFrame(MacType.DATA, 1, 0xFFFF, 0xFFFF, src_pan=1, src=2, payload=frame.encode()).encode(),
        Keyring(),
    )
    assert seen.aps is not None
    assert seen.aps.frame == scan
    assert not seen.secured


def test_a_flood_of_forged_keys_is_bounded() -> None:
    air = synthetic.Recording()
    for number in range(MAX_KEYS + 20):
        forged = aps.TransportKey(aps.NetworkKey(number.to_bytes(16, "big"), 0, 0, synthetic.HUB)).encode()
        air.support(air.aps_command(forged), None, synthetic.HUB_SHORT, synthetic.LAMP_SHORT)
    assert len(ear_on(air).report().keys) == MAX_KEYS


def test_a_key_has_sixteen_bytes() -> None:
    with pytest.raises(FrameError):
        Sniffer([b"short"])


@FEW
@given(st.lists(st.binary(max_size=100), max_size=5))
def test_an_ear_never_fails(noise: list[bytes]) -> None:
    ear = Sniffer(network_keys=[bytes(16)])
    for number, data in enumerate(noise):
        ear(number, data, has_fcs=False)
    assert ear.report().frames == len(noise)


@FEW
@given(st.binary(max_size=100))
def test_any_network_payload_is_taken_apart(payload: bytes) -> None:
    frame = MacFrame(MacType.DATA, 1, 1, 1, src_pan=1, src=2, payload=payload)
    assert dissect(frame.encode(), Keyring()).mac == frame


def test_a_flood_of_forged_addresses_is_bounded() -> None:
    keyring = Keyring()
    for number in range(MAX_ADDRESSES + 10):
        frame = nwk.NwkFrame(nwk.NwkType.DATA, 0, number, 1, 1, src_ieee=number, payload=b"\x02\x00")
        mac_frame = MacFrame(MacType.DATA, 1, 1, 0, src_pan=1, src=number, payload=frame.encode())
        keyring.learn(dissect(mac_frame.encode(), keyring))
    assert len(keyring.eui64s(1)) == MAX_ADDRESSES
    assert keyring.eui64_of(1, 0) is None
    assert keyring.eui64_of(1, MAX_ADDRESSES) == MAX_ADDRESSES
