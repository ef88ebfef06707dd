"""Taking stragglers back: for a while, devices may come back without the network key.

A device that missed a change of the network key asks for it by an unsecured rejoin (Zigbee specification R23, 3.6.1.4.3
and 4.6.3.3), and the trust center sends it under that device's link key. EmberZNet permits that with one bit for
everybody (ALLOW_UNSECURED_REJOINS), and sends the key by itself. So what keeps others out is that they have no link key
that the trust center knows:

1. Only where link keys are unique (:mod:`.link_keys`). Hashed ones are derived for whoever says an address.
2. Before it opens, the entries of all who were left out are erased; then the whole table is read back, and each entry
   in it is an expected device's. What can't be read back opens nothing.
3. The rejoin under the global link key (TC_REJOINS_USING_WELL_KNOWN_KEY_POLICY) is forbidden, and read back.
4. Nothing else is open meanwhile. An admission, a listening window, an eviction end it; so does its time, a table that
   is found otherwise, somebody in it who does not stand well any more, more claims than can be judged, and whatever
   closes the radio. What would end it while it is being prepared keeps it shut. It is not opened by any start.
5. The hub's record of the opening is durable before. Whom the key went to is judged and told when the NCP tells it; a
   device counts as back when it has used the key. Who asks is a claim, and only the device itself opens the answer.

While it is open a host that dies leaves it open on a stick that goes on by itself, until the next start shuts it: the
table stays what was read back. The price is in docs/link-keys.md.

Sources: Silicon Labs ezsp-enum.h (EzspDecisionBitmask, EzspPolicyId), UG100.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Protocol

from hubsec.buckets import Bucket
from hubsec.decisions import Allow
from hubsec.errors import HubsecError, NotEnforceable, RadioError
from hubsec.events import KeySent, Rejoined, TakingBackClosed
from hubsec.identity import CredentialKind, Identity, Standing
from hubsec.requests import JoinKind, JoinRequest
from hubsec.rotation.radio import ReturnOrder
from hubsec_zigbee.desk import Desk
from hubsec_zigbee.limits import REJOINS_AT_ONCE, REJOINS_PER_SECOND
from hubsec_zigbee.link_keys import LinkKeyTable
from hubsec_zigbee.ncp import Ncp, identity_from
from hubsec_zigbee.receiving import ReceivePath
from hubsec_zigbee.returning import JOIN_HANDLER
from hubsec_zigbee.roster import COORDINATOR, Roster

MAX_TAKING_BACK: Final = 3600.0
"""Seconds of one window. Devices that lost their network try at most an hour apart (ZCL specification R8, 13.2.2.3.3.4:
MaxRejoinInterval is 3600 s unless commissioned otherwise)."""
CAPABILITY: Final = "unsecured_rejoin"
WELL_KNOWN_REJOINS: Final = 0x09
"""EzspPolicyId TC_REJOINS_USING_WELL_KNOWN_KEY_POLICY."""
FORBIDDEN: Final = 0x00
"""Its value that forbids them. No public list names the values [assumed]; it is read back."""
MAX_CLAIMED: Final = 64
"""Short addresses that the key went to and that have yet to use it; more come only from somebody who makes them up."""

_CLAIM: Final = 3
"""EmberDeviceUpdate STANDARD_SECURITY_UNSECURED_REJOIN."""
_SENT_BELOW: Final = 2
"""EmberJoinDecision: from DENY_JOIN on no key was sent."""


class Host(Protocol):
    """What this needs of the rest of the guard."""

    def deliver(self, name: str, args: Any) -> None:
        """Hand a callback to the host application."""

    async def reconcile(self) -> None:
        """Bring the trust center to what is wished for now."""


class TakingBack:
    """See the module. One window at a time."""

    def __init__(
        self,
        desk: Desk,
        ncp: Ncp,
        roster: Roster,
        receiving: ReceivePath,
        link_keys: LinkKeyTable,
        host: Host,
    ) -> None:
        self._desk = desk
        self._ncp = ncp
        self._roster = roster
        self._receiving = receiving
        self._link_keys = link_keys
        self._host = host
        self._order: ReturnOrder | None = None
        # What ended last, until the stick is read back as shut: what it reported before that is still of the window.
        self._ending: ReturnOrder | None = None
        self._ends = 0
        self._until = 0.0
        self._judged: set[Identity] = set()
        self._claims: dict[int, tuple[Identity, Any]] = {}
        self._judging = Bucket(REJOINS_AT_ONCE, REJOINS_PER_SECOND)

    # What is wished for

    @property
    def open(self) -> bool:
        """Whether devices may come back now."""
        return self._order is not None and self._desk.now() < self._until

    def next_moment(self) -> float | None:
        """When time next changes something."""
        return self._until if self._order is not None else None

    def shown(self) -> dict[str, str]:
        """For the posture: nothing while it is shut."""
        if self._order is None or not self.open:
            return {}
        return {"unsecured-rejoins": f"open for {', '.join(sorted(self._order.awaited))}"}

    # Opening and closing

    @property
    def ends(self) -> int:
        """How often it was ended, open or not: for :meth:`begin`, to be asked before anything is waited for."""
        return self._ends

    async def prepare(self, order: ReturnOrder) -> None:
        """Rules 1 to 3. Raises :class:`~hubsec.errors.NotEnforceable` and :class:`~hubsec.errors.RadioError`."""
        if not 0 < order.seconds <= MAX_TAKING_BACK:
            raise RadioError(
                f"Devices are taken back for at most {MAX_TAKING_BACK:g} s, not {order.seconds:g}."
            )
        if not self._link_keys.unique:
            raise NotEnforceable(
                "Link keys are not unique on this network: whoever was left out would be taken back as well. Re-join "
                "the stragglers with their install codes.",
                capability=CAPABILITY,
            )
        await self._link_keys.check_network()
        for device in sorted(order.left_out):
            await self._ncp.erase_link_key(device)
        owners = await self._look(order)
        awaited = order.awaited & owners
        if not awaited:
            raise NotEnforceable(
                f"The stick has no link key of {', '.join(sorted(order.awaited)) or 'anybody'}, so that nobody could "
                "come back. Re-join with the install code.",
                capability=CAPABILITY,
            )
        await self._ncp.set_policy(WELL_KNOWN_REJOINS, FORBIDDEN)
        found = await self._ncp.policy(WELL_KNOWN_REJOINS)
        if found != FORBIDDEN:
            raise RadioError(
                f"Rejoins under the global link key were forbidden, and read back as 0x{found:02x}."
            )

    async def _look(self, order: ReturnOrder) -> frozenset[Identity]:
        """Whose link keys the stick has. Raises :class:`~hubsec.errors.NotEnforceable` where one of them is not
        expected."""
        _, owners = await self._link_keys.room()
        found = {device for device in order.left_out if await self._ncp.has_link_key(device)}
        kept = sorted((owners | found) & order.left_out)
        if kept:
            raise NotEnforceable(
                f"The link key of {', '.join(kept)} was to be erased, and is still there: nobody is taken back.",
                capability=CAPABILITY,
            )
        others = sorted(owners - order.expected)
        if others:
            raise NotEnforceable(
                f"The stick has a link key of {', '.join(others)}, who is not to come back: evict or re-join whoever "
                "that is first.",
                capability=CAPABILITY,
            )
        self._check_standing(owners)
        return owners

    def _check_standing(self, owners: Iterable[Identity]) -> None:
        """Raises :class:`~hubsec.errors.NotEnforceable` where one of them may not be on the network any more."""
        fallen = sorted(device for device in owners if not self._stands_well(device))
        if fallen:
            raise NotEnforceable(
                f"{', '.join(fallen)} has a link key, and does not stand well: evict or release whoever that is first.",
                capability=CAPABILITY,
            )

    def _stands_well(self, device: Identity) -> bool:
        return self._desk.standing(device) in (Standing.APPROVED, Standing.ADOPTED)

    def begin(self, order: ReturnOrder, ends: int) -> None:
        """From now on. Only behind :meth:`prepare`; `ends` is :attr:`ends` from before it. Raises
        :class:`~hubsec.errors.RadioError` where it was ended since, and :class:`~hubsec.errors.NotEnforceable` where
        somebody has come to stand otherwise."""
        if self._ends != ends:
            raise RadioError("Nobody is taken back: meanwhile something came up that would have ended it.")
        self._check_standing(order.expected)
        self._order, self._until = order, self._desk.now() + order.seconds
        self._judged.clear()

    def check_open_for(self, order: ReturnOrder) -> None:
        """Raises :class:`~hubsec.errors.RadioError` where `order` has ended already."""
        if self._order is not order:
            raise RadioError("It was ended before it was open.")

    def end(self, reason: str) -> bool:
        """No more. Whether it was open; the settings follow with the next reconciling."""
        self._ends += 1
        order, self._order = self._order, None
        if order is not None:
            self._ending = order
            self._desk.publish(TakingBackClosed, correlation=order.correlation, reason=reason)
        return order is not None

    def is_shut(self) -> None:
        """The stick was read back as it ought to be: what it reports from here on is of what is open now."""
        self._ending = None

    def clear(self) -> None:
        """The radio is closed: nothing is open any more, and nobody is waited for."""
        self.end("The radio was closed.")
        for short in tuple(self._claims):
            self._claimed_no_more(short)

    def tick(self) -> None:
        """Time has passed."""
        if self._order is not None and not self.open:
            self.end("The time is over.")

    async def look_again(self) -> None:
        """Whether rule 2 still holds; it ends where that is not so, or can't be read."""
        order = self._order
        if order is None:
            return
        try:
            await self._look(order)
        except HubsecError as error:
            if self._order is order:
                self.end(str(error))

    # Who comes back

    def claimed(self, args: Any) -> bool:
        """A trustCenterJoinHandler: whether it is of somebody who was sent the key in this window. The host hears of it
        when the device has used that."""
        short, eui64, status, decision, parent = args
        device = identity_from(eui64)
        order = self._order or self._ending
        if order is None or int(status) != _CLAIM or int(decision) >= _SENT_BELOW:
            return False
        if device not in order.expected:
            return False
        short = int(short)
        if short not in self._claims and len(self._claims) >= MAX_CLAIMED:
            self._claimed_no_more(next(iter(self._claims)))
        again = self._claims.get(short, (None, None))[0] == device
        self._claims[short] = device, args
        self._receiving.waiting[short] = device
        # Each device's first is judged and recorded, however many others are made up.
        first = device not in self._judged
        self._judged.add(device)
        if again and not first:
            return True
        if self._judging.take(self._desk.now()) or first:
            self._desk.spawn(self._judge(order, device, int(parent)), f"judge {device}, which is taken back")
        else:
            # Nothing leaves for long that is not judged.
            self.end("Too many ask for the key, in the names of those who may.")
            self._desk.spawn(self._host.reconcile(), "too many who come back")
        return True

    async def sent_nothing(self, device: Identity) -> bool:
        """Whether the stick can't have sent `device` the key, whatever it says that it decided: it decides by the bit
        for everybody, and then has no link key to send it under [assumed]. Only while rule 3 holds for sure."""
        if self._order is None and self._ending is None:
            return False
        try:
            return not await self._ncp.has_link_key(device)
        except RadioError:
            return False

    async def _judge(self, order: ReturnOrder, device: Identity, parent: int) -> None:
        request = JoinRequest(
            radio=self._desk.name,
            network=self._desk.network,
            device=device,
            kind=JoinKind.UNSECURED_REJOIN,
            parent=self._roster.by_short.get(parent),
            through_router=parent != COORDINATOR,
        )
        decision = await self._desk.judge(request)
        if isinstance(decision, Allow):
            self._desk.publish(
                KeySent,
                device=device,
                correlation=order.correlation,
                rule=decision.rule,
                reason=decision.reason,
                credential=CredentialKind.INSTALL_CODE,
                exposed=False,
            )
            return
        # The key is out already, and only the device itself can open it. It is the last one.
        if self._order is order:
            self.end(f"{device} came back, and may not any more: {decision.reason}")
        await self._host.reconcile()

    def proved(self, device: Identity, short: int) -> bool:
        """A frame came from `short`, under the network key; this may be after the window. Whether it was awaited."""
        claim = self._claims.get(short)
        if claim is None or claim[0] != device:
            return False
        order, parent = self._order, int(claim[1][4])
        self._claimed_no_more(short)
        if not self._stands_well(device):
            return True
        self._roster.learn(device, short, parent=parent)
        self._host.deliver(JOIN_HANDLER, claim[1])
        self._desk.publish(
            Rejoined,
            device=device,
            correlation="" if order is None else order.correlation,
            kind=JoinKind.UNSECURED_REJOIN,
            parent=self._roster.by_short.get(parent),
        )
        return True

    def _claimed_no_more(self, short: int) -> None:
        device, _ = self._claims.pop(short)
        if self._receiving.waiting.get(short) == device:
            del self._receiving.waiting[short]
