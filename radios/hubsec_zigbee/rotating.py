"""Changing the network key, on raw EZSP: bellows has the commands and no call for any of it.

What is done when is the hub's (:mod:`hubsec.rotation`); here is how. Nothing is kept between two calls.

1. The key is read back from the NCP (exportKey, getNetworkKeyInfo), never from what zigpy remembers.
2. A key goes out as broadcastNextNetworkKey, under the key in force, or as unicastNwkKeyUpdate, under one device's link
   key. Either stages it in the NCP, whose tokens keep it over a reset.
   Under a link key that everybody is given nothing goes out: where keys are not hashed, only to who has one of its own.
3. Whether a device is there is asked by an IEEE_addr_req of our own, which every device answers (Zigbee specification
   2.4.3.1.2), and not through zigpy, which tries again and again. The answer has to name that device; the host does not
   get it.
4. The switch is over when the NCP has said so (switchNetworkKeyHandler) and reads back the sequence number that was
   staged. A switch that nobody here ordered is told.

Sources: Silicon Labs UG100 and trust-center.h; Zigbee specification 4.6.3.4 (updating the network key).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from hubsec.errors import RadioError
from hubsec.events import KeysDisagree
from hubsec.identity import Identity
from hubsec.rotation.radio import KeyRoute, KeyState
from hubsec.secret import Secret
from hubsec_zigbee.desk import Desk
from hubsec_zigbee.frames import IEEE_ADDR_RSP, address_response
from hubsec_zigbee.hosting import Hosting
from hubsec_zigbee.link_keys import HASHED_ALONE
from hubsec_zigbee.ncp import Ncp
from hubsec_zigbee.receiving import ReceivePath
from hubsec_zigbee.roster import Roster

SWITCHED_BY_OTHERS: Final = (
    "The stick uses another network key since just now, and hubsec did not tell it to."
)
LOOK: Final = "Find out who changed it, then rotate the network key, so that nobody else has it."


class Rotating:
    """`hosting` gives what zigpy knows, and raises :class:`~hubsec.errors.RadioError` while the radio is not open."""

    def __init__(
        self, desk: Desk, ncp: Ncp, roster: Roster, receiving: ReceivePath, hosting: Callable[[], Hosting]
    ) -> None:
        self._desk = desk
        self._ncp = ncp
        self._roster = roster
        self._receiving = receiving
        self._hosting = hosting
        self._listeners: dict[object, Callable[[Identity], None]] = {}
        self._probes: dict[tuple[Identity, int], asyncio.Event] = {}
        self._expected: int | None = None
        self._switched = asyncio.Event()

    # Reading

    async def key_state(self) -> KeyState:
        """See :meth:`hubsec.rotation.radio.KeyRadio.key_state`."""
        self._hosting()
        info = await self._ncp.key_info()
        return KeyState(
            key=await self._ncp.network_key(), sequence=info.sequence, next_sequence=info.next_sequence
        )

    async def key_routes(self) -> list[KeyRoute]:
        """See :meth:`hubsec.rotation.radio.KeyRadio.key_routes`."""
        hosting, hashed = self._hosting(), await self._hashed()
        routes = []
        for seen in hosting.seen():
            own = await self._has_own_key(seen.device)
            route = KeyRoute(
                device=seen.device,
                name=seen.name,
                sleepy=hosting.is_sleepy(seen.device),
                placed=await self._short(seen.device) is not None,
                own_link_key=own,
                shared_link_key=not hashed and own is not True,
            )
            routes.append(route)
        return routes

    async def _hashed(self) -> bool:
        """Whether each device's link key is derived for it alone. Else who has none of its own has everybody's."""
        return bool(await self._ncp.security_bitmask() & HASHED_ALONE)

    async def _has_own_key(self, device: Identity) -> bool | None:
        try:
            return await self._ncp.has_link_key(device)
        except RadioError:
            return None

    async def _short(self, device: Identity) -> int | None:
        place = self._roster.place(device)
        if place is not None:
            return place.short
        return self._hosting().short_of(device) or await self._ncp.short_of(device)

    # Sending

    async def broadcast_next_key(self, key: Secret) -> None:
        """See :meth:`hubsec.rotation.radio.KeyRadio.broadcast_next_key`."""
        self._hosting()
        await self._ncp.broadcast_next_key(key)

    async def send_next_key(self, device: Identity, key: Secret) -> bool:
        """See :meth:`hubsec.rotation.radio.KeyRadio.send_next_key`."""
        self._hosting()
        if not await self._hashed() and await self._has_own_key(device) is not True:
            return False
        short = await self._short(device)
        if short is None or not await self._ncp.send_next_key(device, short, key):
            return False
        return await self._ask(device, short)

    async def answers(self, device: Identity) -> bool:
        """See :meth:`hubsec.rotation.radio.KeyRadio.answers`."""
        short = await self._short(device)
        return short is not None and await self._ask(device, short)

    async def _ask(self, device: Identity, short: int) -> bool:
        limits = self._desk.limits
        wait = limits.sleepy_wait if self._hosting().is_sleepy(device) else limits.probe_wait
        answered = asyncio.Event()
        probe = (device, self._ncp.next_transaction())
        self._probes[probe] = answered
        self._listen()
        try:
            async with asyncio.timeout(wait):
                await self._ncp.ask_who(short, probe[1])
                await answered.wait()
        except TimeoutError:
            return False
        else:
            return True
        finally:
            self._probes.pop(probe, None)
            self._listen()

    # The switch

    async def switch_key(self) -> None:
        """See :meth:`hubsec.rotation.radio.KeyRadio.switch_key`."""
        self._hosting()
        staged = (await self._ncp.key_info()).next_sequence
        if staged is None:
            raise RadioError("The stick holds no next network key that it could switch to.")
        self._switched.clear()
        self._expected = staged
        try:
            await self._ncp.switch_network_key()
            async with asyncio.timeout(self._desk.limits.switch_wait):
                await self._switched.wait()
        except TimeoutError:
            pass  # What is read back decides.
        finally:
            self._expected = None
        found = (await self._ncp.key_info()).sequence
        if found != staged:
            raise RadioError(
                f"The stick was told to use the network key with the sequence number {staged}, and uses that with "
                f"{found}."
            )

    def switched(self, sequence: int) -> None:
        """The NCP says that it uses the key with this sequence number."""
        if sequence == self._expected:
            self._switched.set()
        else:
            self._desk.publish(KeysDisagree, reason=SWITCHED_BY_OTHERS, repair=LOOK, repaired=False)

    # Hearing

    def heard(self, callback: Callable[[Identity], None]) -> Callable[[], None]:
        """See :meth:`hubsec.rotation.radio.KeyRadio.heard`."""
        ticket = object()
        self._listeners[ticket] = callback
        self._listen()

        def forget() -> None:
            self._listeners.pop(ticket, None)
            self._listen()

        return forget

    def stop(self) -> None:
        """Nobody listens any more; who waits for an answer gets none."""
        self._listeners.clear()
        self._probes.clear()
        self._listen()

    def noticed(self, device: Identity) -> None:
        """`device` has come back with the network key."""
        for callback in tuple(self._listeners.values()):
            callback(device)

    def _listen(self) -> None:
        # The receive path is every frame's way: it asks only while there is somebody to tell.
        self._receiving.hearing = self._frame if self._listeners or self._probes else None

    def _frame(self, device: Identity, args: Any) -> bool:
        """Whether this frame answers a question of ours."""
        self.noticed(device)
        if not self._probes or args[1].clusterId != IEEE_ADDR_RSP or int(args[1].profileId):
            return False
        payload = self._receiving.payload(args)
        claim = address_response(payload)
        if claim is None or claim.device != device:
            return False
        answered = self._probes.get((device, payload[0]))
        if answered is None:
            return False
        answered.set()
        return True
