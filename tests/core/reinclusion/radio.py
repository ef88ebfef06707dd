"""A Z-Wave radio in memory whose devices have keys, a server that is restarted on others, and a person."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from hubsec.errors import NotEnforceable, RadioError
from hubsec.events import Joined
from hubsec.identity import Identity, Network, SecurityClass
from hubsec.radio import Capabilities, Capability, Eviction, RadioPosture, SeenDevice, Support
from hubsec.reinclusion.radio import Pace, Place
from hubsec.reinclusion.shapes import Proof
from hubsec.requests import ExchangeRequest, JoinKind, JoinRequest
from tests.core.reinclusion.world import identity, place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hubsec.radio import AdmissionOrder, Authority
    from hubsec.secret import Secret

NO = Capability(support=Support.NO)
YES = Capability(support=Support.YES)
OLD = b"o" * 16
PIN = "31337"


def sticker(number: int) -> str:
    """The DSK of a device: its PIN, and who it is."""
    return f"{PIN}-{identity(number)}"


class ReincludingRadio:
    """`count` devices from node 2 on, each on the `server`'s key. Whoever is in `resets` is reset as soon as it is
    held; `raises`: what a restart raises, once each; `cuts`: at whose keys the connection breaks off,
    `loses`: and they with it."""

    name = "memory"
    network = Network.ZWAVE
    capabilities = Capabilities(
        library="memory",
        enforced=True,
        link_key_join=YES,
        refuse_default_key=YES,
        deferred_approval=NO,
        rotation=NO,
        forced_remove=NO,
        key_table_read=NO,
    )
    key_names = ("S2_Authenticated",)
    pace = Pace(again=0.001, watch=0.001)

    def __init__(self, count: int) -> None:
        self.server = OLD
        self.keys: dict[int, bytes | None] = dict.fromkeys(range(2, 2 + count), OLD)
        self.resets: set[int] = set(self.keys)
        self.held: dict[Identity, str] = {}
        self.raises: list[Exception] = []
        self.reinclusion_refusal: str | None = None
        self.down = False
        self.cuts: int | None = None
        self.loses = False
        self.orders: list[AdmissionOrder] = []
        self.restarts = 0
        self.names: dict[int, Identity] = {}
        self.recognized: list[Identity] = []
        self._authority: Authority | None = None
        self._told: list[Callable[[bool], None]] = []
        self._joining: set[asyncio.Task[None]] = set()

    # What every radio has

    async def open(self, authority: Authority) -> None:
        if self.down:
            raise RadioError("The server is down.")
        self._authority = authority

    async def close(self) -> None:
        await asyncio.gather(*self._joining, return_exceptions=True)

    async def admit(self, order: AdmissionOrder) -> None:
        self.orders.append(order)
        task = asyncio.get_running_loop().create_task(self._join(order))
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)

    async def withdraw(self, admission: str, reason: str) -> None:
        del reason
        self.orders = [order for order in self.orders if order.admission != admission]

    async def listen(self, seconds: float, *, by: str) -> None:
        del seconds, by

    async def evict(self, device: Identity) -> Eviction:
        raise RadioError(f"{device} stays.")

    def devices(self) -> Sequence[SeenDevice]:
        return [SeenDevice(device=self._name(number), name=f"device {number}") for number in self.keys]

    async def posture(self) -> RadioPosture:
        return RadioPosture(
            network=self.network,
            network_id="c0ffee01",
            formed=False,
            running=True,
            closed=not self.orders,
            listening=False,
        )

    async def _join(self, order: AdmissionOrder) -> None:
        """The device of an order comes back."""
        authority = self._authority
        assert authority is not None
        number = int(order.device[-5:])
        request = JoinRequest(radio=self.name, network=self.network, device=order.device, kind=JoinKind.JOIN)
        await authority.judge(request)
        self.keys[number] = self.server
        if self.cuts == number:
            # The connection breaks off between the keys and the news of it.
            self.cuts = None
            if self.loses:
                self.keys[number] = None
            self.say(up=False)
            self.say(up=True)
            return
        await self._arrived(number, order.device)
        authority.publish(
            Joined(
                time=authority.now(),
                radio=self.name,
                device=order.device,
                correlation=order.admission,
                name=order.name,
                credential=order.credential,
            )
        )

    async def _arrived(self, number: int, device: Identity) -> None:
        assert self._authority is not None
        self.names[number] = device
        await self._authority.judge(
            ExchangeRequest(
                radio=self.name,
                network=self.network,
                device=device,
                security_class=SecurityClass.S2_AUTHENTICATED,
                address=place(number),
            )
        )

    def _name(self, number: int) -> Identity:
        return self.names.get(number, place(number))

    # What this one has besides

    def places(self) -> Sequence[Place]:
        return [
            Place(
                device=self._name(number),
                place=place(number),
                name=f"device {number}",
                security=SecurityClass.S2_AUTHENTICATED,
                proved=identity(number),
                sleepy=False,
            )
            for number in self.keys
        ]

    def hold(self, places: Mapping[Identity, str]) -> None:
        self.held = dict(places)

    async def start_server(self, keys: Mapping[str, Secret]) -> None:
        self.restarts += 1
        if self.raises:
            raise self.raises.pop()
        if self.reinclusion_refusal is not None:
            raise NotEnforceable(self.reinclusion_refusal, capability="reinclusion")
        self.server = keys["S2_Authenticated"].reveal()
        self.down = False

    async def restart_on(self, keys: Mapping[str, Secret]) -> None:
        self.say(up=False)
        await self.start_server(keys)
        self.say(up=True)

    def say(self, *, up: bool) -> None:
        """The connection is lost, or there again."""
        for told in list(self._told):
            told(up)

    async def proof(self, place: Identity) -> Proof:
        key = self.keys.get(_number(place))
        if key is None:
            return Proof.SILENT
        return Proof.KEYED if key == self.server else Proof.OTHER_KEYS

    async def is_silent(self, place: Identity) -> bool:
        number = _number(place)
        if number in self.resets:
            self.resets.discard(number)
            self.keys[number] = None
        return self.keys.get(number) is None

    def is_there(self, place: Identity) -> bool:
        return _number(place) in self.keys

    async def recognize(self, place: Identity, device: Identity) -> None:
        self.recognized.append(device)
        number = _number(place)
        if self.names.get(number) != device:
            await self._arrived(number, device)

    async def strike_off(self, place: Identity) -> None:
        del place

    def stands(self, callback: Callable[[bool], None]) -> Callable[[], None]:
        self._told.append(callback)

        def unsubscribe() -> None:
            with contextlib.suppress(ValueError):
                self._told.remove(callback)

        return unsubscribe


def _number(place: Identity) -> int:
    return int(place.partition(":")[2])
