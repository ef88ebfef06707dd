"""A key radio on an emulated co-processor, in this process: EZSP frames in and out, no socket and no host stack.

It is what :class:`hubsec.rotation.radio.KeyRadio` asks for, by the raw commands that a real stick takes, so that a
rotation of a large network can be measured by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hubsec import Identity, RadioError
from hubsec.rotation.radio import KeyRoute, KeyState
from hubsec.secret import Secret
from hubsec_emulated import House
from hubsec_emulated.devices.device import Device
from hubsec_emulated.wire import zdo

NETWORK_KEY = 0x01
"""``sl_zb_sec_man_key_type_t``: the network key; index 0 is the present one."""
TRIES = 3
"""Questions that stay unanswered until a device counts as away: a lost route is found anew by then."""
ANSWER = 2.0
"""Seconds for an answer over three hops, a lost frame or two included."""
ANSWER_SLEEPY = 8.0
"""The same of a device that has to wake up for it: its parent keeps a frame for 7.68 s (IEEE 802.15.4,
macTransactionPersistenceTime), no longer."""
_ENABLE_ROUTE_DISCOVERY = 0x0100
_STATUS_OK = 0


@dataclass(frozen=True, slots=True)
class _Question:
    """What one device is asked, however often; each try has a number of its own, which the answer repeats."""

    numbers: set[int] = field(default_factory=set)
    answered: asyncio.Event = field(default_factory=asyncio.Event)


class EmulatedKeyRadio:
    """See the module. The devices are `devices`, which live in `house`."""

    def __init__(self, house: House, devices: Sequence[Device]) -> None:
        self._ncp = house.server.ncp
        self._ncp.send = self._from_ncp
        self._answers: list[Any] = []
        self._devices = {identity(device): device for device in devices}
        self._by_short = {device.short: name for name, device in self._devices.items()}
        self._asked: dict[int, _Question] = {}
        self._switched = asyncio.Event()
        self._listeners: list[Callable[[Identity], None]] = []
        self._sequence = 0
        self.probes = 0
        self("version", desired=self._ncp.codec.version)

    def __call__(self, command: str, **args: object) -> dict[str, Any]:
        """Give one command, return the answer's fields."""
        before = len(self._answers)
        self._sequence = (self._sequence + 1) & 0xFF
        self._ncp.handle_frame(self._ncp.codec.encode_command(self._sequence, command, args))
        answer = self._answers[before]
        del self._answers[before:]
        values: dict[str, Any] = answer.values
        return values

    def _order(self, command: str, **args: object) -> None:
        status = self(command, **args)["status"]
        if status != _STATUS_OK:
            raise RadioError(f"The NCP refused {command}: {status.name}.")

    def _from_ncp(self, frame: bytes) -> None:
        answer = self._ncp.codec.decode_answer(frame)
        if not answer.callback:
            self._answers.append(answer)
        elif answer.name == "switchNetworkKeyHandler":
            self._switched.set()
        elif answer.name == "incomingMessageHandler":
            self._heard_from(answer.values["sender"], answer.values["aps"], answer.values["message"])

    def _heard_from(self, short: int, aps: Mapping[str, Any], message: bytes) -> None:
        question = self._asked.get(short)
        answered = (aps["profile"], aps["cluster"]) == (zdo.PROFILE, zdo.IeeeAddrRsp.CLUSTER)
        if question is not None and answered and message[0] in question.numbers:
            question.answered.set()
        device = self._by_short.get(short)
        if device is not None:
            for listener in tuple(self._listeners):
                listener(device)

    # KeyRadio

    async def key_state(self) -> KeyState:
        """The keys, from the stick."""
        context = dict.fromkeys(("key_type", "index", "derived", "eui64", "network", "flags", "algorithm"), 0)
        key = self("exportKey", context={**context, "key_type": NETWORK_KEY})["key"]
        info = self("getNetworkKeyInfo")["info"]
        following = info["alternate_sequence"] if info["alternate_present"] else None
        return KeyState(key=Secret(key), sequence=info["sequence"], next_sequence=following)

    async def key_routes(self) -> Sequence[KeyRoute]:
        """Everybody."""
        return [
            KeyRoute(
                device=name, name=device.name, sleepy=not device.mac.rx_on, placed=True, own_link_key=False
            )
            for name, device in self._devices.items()
        ]

    async def broadcast_next_key(self, key: Secret) -> None:
        """broadcastNextNetworkKey."""
        self._order("broadcastNextNetworkKey", key=key.reveal())

    async def send_next_key(self, device: Identity, key: Secret) -> bool:
        """unicastNwkKeyUpdate, then a question."""
        node = self._devices[device]
        self._order("unicastNwkKeyUpdate", node=node.short, eui64=node.eui64, key=key.reveal())
        return await self.answers(device)

    async def switch_key(self) -> None:
        """broadcastNetworkKeySwitch."""
        self._switched.clear()
        self._order("broadcastNetworkKeySwitch")
        await self._switched.wait()

    async def answers(self, device: Identity) -> bool:
        """IEEE_addr_req, a few times."""
        node = self._devices[device]
        question = self._asked[node.short] = _Question()
        try:
            for _ in range(TRIES):
                self._ask(node, question)
                try:
                    async with asyncio.timeout(ANSWER if node.mac.rx_on else ANSWER_SLEEPY):
                        await question.answered.wait()
                except TimeoutError:
                    continue
                return True
        finally:
            del self._asked[node.short]
        return False

    def _ask(self, node: Device, question: _Question) -> None:
        self.probes += 1
        question.numbers.add(self.probes & 0xFF)
        aps = {
            "profile": zdo.PROFILE,
            "cluster": zdo.IeeeAddrReq.CLUSTER,
            "source_endpoint": 0,
            "destination_endpoint": 0,
            "options": _ENABLE_ROUTE_DISCOVERY,
            "group": 0,
            "sequence": 0,
        }
        message = zdo.encode(self.probes & 0xFF, zdo.IeeeAddrReq(node.short))
        self._order("sendUnicast", type=0, destination=node.short, aps=aps, tag=0, message=message)

    def heard(self, callback: Callable[[Identity], None]) -> Callable[[], None]:
        """Any message of it."""
        self._listeners.append(callback)

        def stop() -> None:
            if callback in self._listeners:
                self._listeners.remove(callback)

        return stop

    async def follow_key(self) -> None:
        """There is no host whose records could lag."""


def identity(device: Device) -> Identity:
    """The identity of an emulated device."""
    return Identity(":".join(f"{byte:02x}" for byte in device.eui64.to_bytes(8, "big")))
