"""A new network key for a large house, each device under its own link key, and the bound below which it can't be.

The house: 250 devices over three hops, a fifth of them asleep, two receptions in a hundred lost, hashed link keys, on
the emulated air. What is measured is hubsec's own machine with its runner, on a radio in this process that gives raw
EZSP commands (no bellows, no zigpy, no disk). Time is simulated, and goes as fast as the work is done.

The bound is what the protocol and the air cost when nothing is lost and nothing waits for anything but them:

- the air carries 250 kbit/s, one frame at a time over the whole house: every frame of a delivery takes its length,
  turnaround, acknowledgement and interframe space, at every hop. CSMA-CA's random wait is not in it (the emulated air
  has none either: its senders wait until the channel is free);
- a sleeping device is there once in a poll interval, and a pass over everybody takes no less;
- the key that follows goes out by broadcast and has to fade, 20 s (SDK), before the switch to it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.emulated_keys import EmulatedKeyRadio
from benchmarks.harness import Row
from hubsec import Identity
from hubsec.rotation.journal import Journal, LiveKey, Target, pack, rounds_of
from hubsec.rotation.machine import Pace
from hubsec.rotation.radio import KeyRadio
from hubsec.rotation.runner import Runner
from hubsec.rotation.shapes import Delivery, RotationProgress, Step, Way
from hubsec.secret import Secret
from hubsec_emulated import House, SimulatedTimeLoop
from hubsec_emulated.air import ACK_LENGTH, INTERFRAME, TURNAROUND, air_time
from hubsec_emulated.devices.device import Device

DEVICES: Final = 250
HOPS: Final = 3
SLEEPY: Final = 0.2
LOSS: Final = 0.02
AIM: Final = 1.5
"""Of the bound, in simulated time."""
PATIENCE: Final = 3600.0
"""Seconds until a straggler would be given up: far more than the rotation takes."""
KEY_BYTES: Final = 16

MAC_OVERHEAD: Final = 11
"""Bytes of frame control, sequence number, PAN id, two short addresses and checksum (IEEE 802.15.4-2006 7.2.1)."""
NWK_OVERHEAD: Final = 8 + 14 + 4
"""Bytes of header, auxiliary header and integrity code of a network frame (Zigbee specification 3.3.1, 4.5.1)."""
RELAY: Final = 2
"""Bytes of each relay in a source route, beside two for count and index (specification 3.3.1.9)."""
TRANSPORT_KEY: Final = 2 + 13 + 35 + 4
"""Bytes of an APS command: header, auxiliary header with the sender's EUI64, key descriptor, integrity code
(specification 4.4.10.1)."""
QUESTION: Final = 8 + 5
"""Bytes of an APS data frame with IEEE_addr_req (specification 2.2.5.1, 2.4.3.1.2)."""
ANSWER: Final = 8 + 12
"""The same with IEEE_addr_rsp (2.4.4.1.2)."""
POLL: Final = 12
"""Bytes of a MAC data request with short addresses (IEEE 802.15.4-2006 7.3.4)."""


def exchange(length: int) -> float:
    """Seconds that the channel is taken by one acknowledged PSDU of so many bytes."""
    return air_time(length) + TURNAROUND + air_time(ACK_LENGTH) + INTERFRAME


def down(apdu: int, relays: int) -> float:
    """Seconds for an APS frame on its way to a device over so many relays."""
    route = 2 + RELAY * relays if relays else 0
    last = exchange(MAC_OVERHEAD + NWK_OVERHEAD + apdu)
    return last + relays * exchange(MAC_OVERHEAD + NWK_OVERHEAD + apdu + route)


def up(apdu: int, relays: int) -> float:
    """Seconds for an APS frame of a device on its way to the coordinator over so many relays."""
    return (relays + 1) * exchange(MAC_OVERHEAD + NWK_OVERHEAD + apdu)


@dataclass(frozen=True, slots=True)
class Bound:
    """Seconds, by what they are for."""

    keys: float
    fade: float
    questions: float

    @property
    def total(self) -> float:
        """All of them."""
        return self.keys + self.fade + self.questions

    @classmethod
    def of(cls, house: House, devices: Sequence[Device]) -> Bound:
        """For `devices` where they live in `house`."""
        relays = house.coordinator.routing.source_routes
        keys = questions = 0.0
        for device in devices:
            between = len(relays.get(device.short, ()))
            asleep = 0.0 if device.mac.rx_on else exchange(POLL)
            questions += down(QUESTION, between) + up(ANSWER, between) + asleep
            keys += down(TRANSPORT_KEY, between) + asleep
        asleep = max((device.timing.poll_slow for device in devices if not device.mac.rx_on), default=0.0)
        # Each delivery is asked after, or nobody could say who has the key.
        return cls(max(keys + questions, asleep), Pace().fade, max(questions, asleep))


class Books:
    """A runner's books that keep nothing: the journal's way to the disk is no part of simulated time."""

    def __init__(self) -> None:
        self.writes = 0

    def utc(self) -> float:
        """The loop's time."""
        return asyncio.get_running_loop().time()

    async def write(self, journal: Journal) -> None:
        """Pack it, as a hub does before it seals it."""
        pack(journal)
        self.writes += 1

    async def finish(self, journal: Journal, ended: RotationProgress, reason: str) -> None:
        """It is over."""

    def belongs(self, device: Identity) -> bool:  # noqa: ARG002 - the protocol names it
        """Nobody joins meanwhile."""
        return False

    async def put_out(self, journal: Journal) -> frozenset[Identity]:  # noqa: ARG002 - the same
        """Nobody is put out meanwhile."""
        return frozenset()

    async def hold(self) -> None:
        """No admission is open."""

    def release(self) -> None:
        """None waits."""

    def moved(self, before: RotationProgress, after: RotationProgress) -> None:
        """Nobody watches."""

    def stopped(self, reason: str, repair: str) -> None:
        """Can't happen to a radio that does what it is told; `ended` raises."""


async def journal_of(radio: KeyRadio) -> Journal:
    """A unicast rotation of everybody, as it stands before anything is sent."""
    state, routes = await radio.key_state(), await radio.key_routes()
    now = asyncio.get_running_loop().time()
    targets = {
        route.device: Target(
            name=route.name, delivery=Delivery.PENDING, sleepy=route.sleepy, alone=route.sleepy
        )
        for route in routes
    }
    return Journal(
        rotation="benchmark",
        radio="emulated",
        network_id="emulated",
        way=Way.UNICAST,
        step=Step.STAGED,
        round=1,
        old=LiveKey(key=state.key, sequence=state.sequence),
        keys=tuple(Secret(secrets.token_bytes(KEY_BYTES)) for _ in range(rounds_of(Way.UNICAST))),
        targets=targets,
        started_at=now,
        deadline=now + PATIENCE,
        patience=PATIENCE,
        by="benchmark",
        reason="measuring",
    )


async def rotate(radio: KeyRadio) -> RotationProgress:
    """Run one to its end."""
    runner = Runner(await journal_of(radio), radio=radio, books=Books(), pace=Pace())
    async with asyncio.TaskGroup() as group:
        group.create_task(runner.run())
        return await runner.ended()


async def measure(count: int = DEVICES) -> tuple[Bound, float, int]:
    """Bound and result in simulated seconds for so many devices, and how many of them the rotation lost."""
    async with House(seed=1, scale=1.0, loss=LOSS, record=False) as house:
        devices = house.inhabited(count, hops=HOPS, sleepy=SLEEPY)
        radio = EmulatedKeyRadio(house, devices)
        await house.sleep(1.0)
        bound = Bound.of(house, devices)
        started = house.clock.now()
        ended = await rotate(radio)
        lost = [name for name, delivery in ended.deliveries.items() if delivery is not Delivery.CONFIRMED]
        return bound, house.clock.now() - started, len(lost)


def run() -> list[Row]:
    """The lines of the table."""
    started = time.perf_counter()
    with asyncio.Runner(loop_factory=SimulatedTimeLoop) as runner:
        bound, taken, lost = runner.run(measure())
    wall = time.perf_counter() - started
    title = f"new key, {DEVICES} devices, {HOPS} hops"
    parts = (("to each device", bound.keys), ("broadcasts fade", bound.fade), ("each asked", bound.questions))
    lines = [
        Row(name=f"{title}: bound, {name}", value=round(value, 1), unit="s simulated")
        for name, value in parts
    ]
    share = taken / bound.total
    return [
        *lines,
        Row(name=f"{title}: bound", value=round(bound.total, 1), unit="s simulated"),
        Row(
            name=f"{title}: the rotation's machine on raw EZSP",
            value=round(taken, 1),
            unit="s simulated",
            peer="the bound",
            ratio=round(share, 3),
            aim=f"<= {AIM:g}x",
            met=share <= AIM and lost == 0,
        ),
        Row(name=f"{title}: devices lost", value=float(lost), unit="devices", aim="0", met=lost == 0),
        Row(name=f"{title}: real time", value=round(wall, 1), unit="s"),
    ]
