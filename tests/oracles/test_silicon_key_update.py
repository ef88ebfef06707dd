"""A new network key, and the sleepy device that missed it: the emulated house does what silicon did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import pytest

from hubsec_emulated.capture.pcap import CapturedFrame
from hubsec_emulated.devices.onoff import Lamp
from hubsec_emulated.devices.sensor import ContactSensor
from hubsec_emulated.ncp.policies import JoinPolicy
from hubsec_emulated.wire.aps import Delivery, SwitchKey, TransportKey
from hubsec_emulated.wire.crypto import install_code_key
from tests.oracles.emulated import LAMP, SENSOR, STICKER, EmulatedNetwork
from tests.oracles.silicon import SLEEPY, join_headers, join_steps, listen, real_capture

NEXT_KEY: Final = bytes(range(32, 48))
BETWEEN: Final = 20.5
"""Simulated seconds from the new key to the switch, as on silicon."""
REPETITION: Final = (0.35, 0.6)
"""How far apart the transmissions of one broadcast are on silicon: 0.44 to 0.5 s."""
CAPTURES: Final = ("emberznet-network-key-update.pcapng", "emberznet-trust-center-rejoin.pcapng")


class Transmission(NamedTuple):
    """One transmission of a key broadcast: by the trust center or a relay, under which network key, how far it goes."""

    command: str
    relayed: bool
    nwk_key: int | None
    radius: int
    aps_secured: bool
    delivery: Delivery


class Timed(NamedTuple):
    """A transmission with its time in seconds and the frame counter of who transmitted it."""

    what: Transmission
    seconds: float
    counter: int


def key_broadcasts(frames: Sequence[CapturedFrame], keys: Iterable[bytes] = ()) -> list[Timed]:
    """Return every transmission of a broadcast Transport-Key and Switch-Key, repetitions and relays included."""
    found = []
    for heard in listen(frames, keys).heard():
        nwk, aps = heard.frame.nwk, heard.frame.aps
        if nwk is None or nwk.aux is None or aps is None or aps.frame.delivery is not Delivery.BROADCAST:
            continue
        if isinstance(aps.command, TransportKey | SwitchKey):
            transmission = Transmission(
                type(aps.command).__name__,
                heard.frame.mac.src != nwk.frame.src,
                nwk.aux.key_seq,
                nwk.frame.radius,
                aps.aux is not None,
                aps.frame.delivery,
            )
            found.append(Timed(transmission, heard.seconds, nwk.aux.counter))
    return found


@pytest.fixture(scope="module")
def updated() -> EmulatedNetwork:
    """A lamp and a sensor with install codes; the sensor sleeps through a key update and comes back."""
    network = EmulatedNetwork()
    lamp = network.add(Lamp, LAMP, install_code=STICKER)
    sensor = network.add(ContactSensor, SENSOR, install_code=STICKER)
    for device in (lamp, sensor):
        network.expect(device.eui64, install_code_key(STICKER))
        network.join(device)
    sensor.power_off()
    network.ncp.up = True
    order = network.ncp._handlers
    assert order["broadcastNextNetworkKey"]({"key": NEXT_KEY}) is None
    network.clock.advance(BETWEEN)
    assert order["broadcastNetworkKeySwitch"]({}) is None
    network.clock.advance(BETWEEN)
    network.marks.append(len(network.heard))
    network.trust_center.policy |= JoinPolicy.ALLOW_UNSECURED_REJOINS
    sensor.power_on()
    sensor.rejoin(secured=False)
    network.clock.advance(BETWEEN)
    return network


KEYS = [install_code_key(STICKER)]


@pytest.mark.parametrize("capture", CAPTURES)
def test_the_new_key_and_the_switch_go_out_as_on_silicon(updated: EmulatedNetwork, capture: str) -> None:
    silicon, emulated = key_broadcasts(real_capture(capture)), key_broadcasts(updated.frames(), KEYS)
    assert len(silicon) == 8
    assert [sent.what for sent in silicon] == [sent.what for sent in emulated]


@pytest.mark.parametrize("capture", [*CAPTURES, ""])
def test_the_trust_center_repeats_in_time_and_its_counter_goes_on(
    updated: EmulatedNetwork, capture: str
) -> None:
    sent = key_broadcasts(real_capture(capture)) if capture else key_broadcasts(updated.frames(), KEYS)
    own = [one for one in sent if not one.what.relayed]
    gaps = [later.seconds - earlier.seconds for earlier, later in pairwise(own)]
    assert len(gaps) == 5
    assert all(REPETITION[0] < gap < REPETITION[1] for gap in gaps[:2] + gaps[3:])
    assert 18 < gaps[2] < 21
    # The switch is under the new key; the counter does not restart for it.
    counters = [one.counter for one in own]
    assert counters == sorted(set(counters))
    assert counters[-1] - counters[0] < 20


def test_the_straggler_comes_back_as_on_silicon(updated: EmulatedNetwork) -> None:
    name = "emberznet-trust-center-rejoin.pcapng"
    silicon = join_headers(real_capture(name), SLEEPY, first=167)
    emulated = join_headers(updated.frames(), SENSOR, KEYS, first=updated.marks[-1] + 1)
    assert len(silicon) == 6
    assert silicon == emulated[:6]


def test_the_straggler_missed_everything_before(updated: EmulatedNetwork) -> None:
    steps = join_steps(updated.frames(), SENSOR, KEYS, first=updated.marks[-2] + 1, last=updated.marks[-1])
    assert steps == []
