"""The guard of one EZSP network: it joins the gate, the receive path, the admissions and the trust center's settings.

It is a thin shell. What ought to hold is a pure function of what is open (:mod:`.settings`), one admission is a
state machine (:mod:`.admissions`), what a frame may do is asked in :mod:`.receiving`, and what the host may do
in :mod:`.gate`.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from hubsec.decisions import Allow, Decision, Deny, Evict, Knock, Quarantine
from hubsec.errors import Quarantined, RadioError, Refused
from hubsec.events import Drifted, Evicted, RadioLost
from hubsec.identity import Identity, Standing
from hubsec.radio import AdmissionOrder, Authority, Eviction, RadioPosture
from hubsec.requests import IdentifyRequest, OpenKind
from hubsec.rotation.radio import ReturnOrder
from hubsec_zigbee.answered import is_answered
from hubsec_zigbee.desk import Desk
from hubsec_zigbee.evicting import Evictions
from hubsec_zigbee.gate import Gate, Refusal
from hubsec_zigbee.hosting import Hosting
from hubsec_zigbee.joining import Joining
from hubsec_zigbee.limits import MAX_LISTENING, Limits
from hubsec_zigbee.link_keys import LinkKeyTable
from hubsec_zigbee.ncp import OWN_TAG, Ncp, identity_from
from hubsec_zigbee.openings import PAIRING_SLACK, RAW_COMMAND, Openings
from hubsec_zigbee.receiving import NONSENSE, ReceivePath
from hubsec_zigbee.reconciling import Reconciler
from hubsec_zigbee.roster import COORDINATOR, Roster
from hubsec_zigbee.rotating import Rotating
from hubsec_zigbee.settings import Desired, desired
from hubsec_zigbee.taking_back import TakingBack

_GP_COMMISSIONING: Final = 0xE0
"""GPD command id (Green Power Basic specification A.4.1)."""
_NETWORK_UP: Final = frozenset({0x15, 0x90})
_NETWORK_DOWN: Final = frozenset({0x16, 0x91})
_NETWORK_OPENED: Final = frozenset({0x0C18, 0x9C})
"""sl_Status and EmberStatus; no value of one means something else in the other here."""
RETRY_AFTER: Final = 1.0
"""Seconds until what the NCP did not take is tried again, before the next read-back would."""
_MODE_POLL: Final = 1.0
"""Seconds in which a change from observing to enforcing is noticed, and a stranger on the host's list."""


def _as_it_is(refused: Refused) -> Refused:
    return refused


class Guard:
    """One for a radio's whole life; `name` is the radio's. `refusal` makes what a host's caller gets in place of a
    :class:`~hubsec.errors.Refused`; that itself unless the host has errors of its own."""

    def __init__(self, name: str, limits: Limits, refusal: Refusal | None = None) -> None:
        self.refusal: Refusal = refusal or _as_it_is
        self.desk = Desk(name, limits)
        self.gate = Gate(self)
        self.ncp = Ncp(self.gate.raw, lambda: self.gate.version)
        self.roster = Roster()
        self.receiving = ReceivePath(
            self.desk, self.roster, self, self.gate.deliver, self.ncp.identity_at, self.ncp.ask_who
        )
        self.passes = self.receiving.passes
        self.openings = Openings(self.desk, self._shut_again)
        self.joining = Joining(self.desk, self.ncp, self.roster, self.receiving, self)
        self.settings = Reconciler(self.desk, self.ncp, self.roster, self._wanted, self.joining.open_for)
        self.link_keys = LinkKeyTable(self.ncp)
        self.taking_back = TakingBack(self.desk, self.ncp, self.roster, self.receiving, self.link_keys, self)
        self.evictions = Evictions(
            self.desk, self.ncp, self.roster, self.receiving, self, self.link_keys.erase
        )
        self._admitting = asyncio.Lock()
        self.rotating = Rotating(self.desk, self.ncp, self.roster, self.receiving, self._open_host)
        self.hosting: Hosting | None = None
        self.host_policies: dict[int, int] = {}
        self.gaps: set[str] = set()
        self.formed = False
        self.ready = False
        self.touched = False
        self._lost = False
        self._timer: asyncio.TimerHandle | None = None

    # Life

    def begin(self, authority: Authority) -> None:
        """Ask `authority` from now on."""
        self.desk.take(authority)
        self.receiving.begin(authority)

    async def stand(self, hosting: Hosting) -> None:
        """The network is up: read who is there, close what is open, find the gaps, and watch from now on."""
        self.hosting = hosting
        self.receiving.coordinator = hosting.coordinator()
        for device, short in hosting.places():
            self.roster.learn(device, short)
        self.ncp.check_version()
        self.gaps |= await self.link_keys.check_network()
        if self.desk.enforcing:
            await self._enforce()
        hosting.hear()
        self.ready = True
        self.desk.spawn(self._watch(), "watch for drift")

    async def _enforce(self) -> None:
        """Close, and read back. In this order: nothing is probed while anything is open."""
        self.touched = True
        await self.settings.probe_reading()
        await self.settings.reconcile()
        await self.settings.probe()
        await self.settings.reconcile()

    async def stop(self) -> None:
        """Nothing is open any more and nothing runs beside. The gate stays where it is."""
        self.ready = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.hosting is not None:
            self.hosting.hear_no_more()
        self.joining.clear()
        self.taking_back.clear()
        self.openings.withdraw()
        self.rotating.stop()
        await self.evictions.stop()
        await self.desk.settle()
        self.receiving.clear()

    # What ought to hold

    @property
    def defers(self) -> bool:
        """Whether the firmware can leave a join undecided."""
        return self.settings.defers

    def _wanted(self) -> Desired:
        return desired(
            self.joining.wishes(),
            listening=self.joining.listening,
            defers=self.defers,
            unique=self.link_keys.unique,
            taking_back=self.taking_back.open,
        )

    async def reconcile(self) -> None:
        """Bring the trust center to what is wished for now, if that is enforced."""
        if self.desk.enforcing and self.gate.on and self.gate.network_up:
            try:
                await self.settings.reconcile()
            except BaseException:  # Cut off on the way, too: what it left half done is put right.
                self._arm(again_in=RETRY_AFTER)
                raise
            if not self.settings.left_taking_back:
                self.taking_back.is_shut()
            self._arm()

    async def _shut_again(self) -> None:
        try:
            await self.settings.shut_again()
        except BaseException:
            self._arm(again_in=RETRY_AFTER)
            raise
        self._arm()

    def _arm(self, *, again_in: float | None = None) -> None:
        """Wake when time next changes something, or in `again_in` seconds."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        turns = (self.joining.next_moment(), self.settings.renewal(), self.taking_back.next_moment())
        moments = [moment for moment in turns if moment is not None]
        if again_in is not None:
            moments = [loop.time() + again_in]
        if moments and self.gate.on and self.ready:
            self._timer = loop.call_at(min(moments), self._wake)

    def _wake(self) -> None:
        self._timer = None
        self.joining.tick()
        self.taking_back.tick()
        self.desk.spawn(self.reconcile(), "a time that is over")

    async def _watch(self) -> None:
        """Read back, now and then; notice a change of mode, and who is there unknown, at once."""
        desk, since = self.desk, 0.0
        enforced = desk.enforcing
        pause = min(_MODE_POLL, desk.limits.watch_interval)
        while True:
            await asyncio.sleep(pause)
            since += pause
            self._ask_about_strangers()
            if desk.enforcing is enforced and since < desk.limits.watch_interval:
                continue
            changed, enforcing, since = desk.enforcing is not enforced, desk.enforcing, 0.0
            if not self.gate.on:
                continue
            try:
                if enforcing:
                    await self._look(begins=changed)
                elif changed:
                    await self._give_back()
                # Only now: a change that the radio did not take is tried again at the next pause.
                self._lost, enforced = False, enforcing
            except RadioError as error:
                self.lost(str(error))

    def _ask_about_strangers(self) -> None:
        """Who came while no guard stood is judged now, and not only once it speaks."""
        for device, _ in self._host().places():
            if self.desk.standing(device) is Standing.UNKNOWN and device not in self.receiving.shut:
                self.receiving.ask(device)

    async def _look(self, *, begins: bool) -> None:
        if not self.gate.intact():
            self.desk.publish(Drifted, setting="gate", expected="in place", found="replaced", restored=True)
        if begins:
            await self._enforce()
        await self.taking_back.look_again()
        await self.reconcile()

    async def _give_back(self) -> None:
        """Only observing from now on: what is open ends, and the trust center is the host's again."""
        self.joining.clear()
        self.taking_back.end("hubsec only observes from now on.")
        if self.touched:
            await self.give_back()

    async def give_back(self) -> bool:
        """The policies as the host has wanted them last. Whether they were read back."""
        restored = await self.settings.leave_as(self.host_policies)
        self.touched = False
        return restored

    def lost(self, reason: str) -> None:
        """The radio is gone; said once until it is back."""
        if not self._lost:
            self._lost = True
            self.desk.publish(RadioLost, reason=reason, left_refusing=self.settings.left_idle)

    # Orders of the hub

    async def admit(self, order: AdmissionOrder) -> None:
        """See :meth:`hubsec.radio.Radio.admit`."""
        self._must_enforce()
        async with self._admitting:  # Nobody else takes the last place meanwhile.
            await self.link_keys.check_room(order.device, self.joining.expected())
            self.joining.open(order)
            self.taking_back.end("A device is being admitted.")
        try:
            await self.reconcile()
        except BaseException:
            self.joining.cancel(order)
            self.desk.spawn(self.reconcile(), "an admission that did not open")
            raise

    async def withdraw(self, admission: str) -> None:
        """See :meth:`hubsec.radio.Radio.withdraw`."""
        if self.joining.withdraw(admission):
            self.joining.tick()
            await self.reconcile()

    async def listen(self, seconds: float, by: str) -> None:
        """See :meth:`hubsec.radio.Radio.listen`."""
        if seconds:
            self._must_enforce()
        self.joining.listen(seconds, by)
        self.taking_back.end("Knocks are listened for.")
        try:
            await self.reconcile()
        except BaseException:
            self.joining.listen(0, by)
            self.desk.spawn(self.reconcile(), "a listening window that did not open")
            raise

    async def take_back(self, order: ReturnOrder) -> None:
        """See :meth:`hubsec.rotation.radio.ReturnRadio.take_back`."""
        self._must_enforce()
        ends = self.taking_back.ends
        async with self._admitting:  # Nobody gets a place in the table meanwhile.
            if self.joining.expected() or self.joining.listening:
                raise RadioError(
                    f"{self.desk.name} is admitting a device, or listens for knocks: wait until that is over."
                )
            await self.taking_back.prepare(order)
            self.taking_back.begin(order, ends)
        try:
            await self.reconcile()
            self.taking_back.check_open_for(order)
        except BaseException:
            self.taking_back.end("The stick would not open for it.")
            self.desk.spawn(self.reconcile(), "a window that did not open")
            raise

    async def take_nobody_back(self, reason: str) -> None:
        """See :meth:`hubsec.rotation.radio.ReturnRadio.take_nobody_back`."""
        if self.taking_back.end(reason):
            await self.reconcile()

    def _must_enforce(self) -> None:
        if not self.ready:
            raise RadioError(f"{self.desk.name} is not open.")
        if not self.desk.enforcing:
            raise RadioError(
                f"{self.desk.name} only observes: who joins is up to the host application. Enforce to admit."
            )

    async def evict(self, device: Identity) -> Eviction:
        """See :meth:`hubsec.radio.Radio.evict`."""
        await self._take_nobody_back_for(device)
        return await self.evictions.evict(device)

    async def _take_nobody_back_for(self, device: Identity) -> None:
        """`device` is to leave: it has a link key until that is erased, by which it could come back."""
        try:
            await self.take_nobody_back(f"{device} is being put out.")
        except RadioError as error:  # It is tried again; and to put it out is tried all the same.
            self.lost(str(error))

    async def posture(self) -> RadioPosture:
        """See :meth:`hubsec.radio.Radio.posture`."""
        observed = await self.settings.observe()
        return RadioPosture(
            network=self.desk.network,
            network_id=self._host().network_id,
            formed=self.formed,
            running=self.ready and self.gate.on,
            closed=observed.refuses,
            listening=self.joining.listening,
            open_to=self.joining.open_to(),
            gaps=tuple(sorted(self.gaps | self.settings.gaps)),
            settings={
                **observed.shown(),
                **await self.link_keys.shown(),
                **self.taking_back.shown(),
                "ezsp-version": str(self.gate.version),
                "frames-dropped": str(self.receiving.dropped),
                "tries-suppressed": str(self.joining.suppressed),
                "malformed": str(self.desk.malformed_count()),
            },
        )

    def _host(self) -> Hosting:
        if self.hosting is None:
            raise RadioError(f"{self.desk.name} is not open.")
        return self.hosting

    def _open_host(self) -> Hosting:
        if not self.ready:
            raise RadioError(f"{self.desk.name} is not open.")
        return self._host()

    # What the gate asks (Keeper)

    @property
    def enforcing(self) -> bool:
        """Whether a refusal is carried out."""
        return self.desk.enforcing

    async def before_start(self) -> None:
        """Close the trust center before the network comes up."""
        if self.enforcing:
            self.touched = True
            await self.settings.close_before_start()

    async def ask_to_open(self, kind: OpenKind, seconds: int, device: Identity | None = None) -> None:
        """The host wants to open."""
        if self._told:
            return
        fresh = not self.openings.granted(kind)
        allowed = await self.openings.ask(kind, seconds, device)
        if allowed and fresh and kind is OpenKind.PERMIT and self.enforcing and self.defers:
            # The host's permit lets devices be heard; each is judged when it comes.
            self.joining.listen(min(float(seconds), MAX_LISTENING), "the host")
            self.taking_back.end("Knocks are listened for.")
            await self.reconcile()

    def host_closed(self) -> None:
        """The host closes the network: what an admission or a listening window needs is opened again after it."""
        if self.enforcing and self.settings.host_closed():
            self._arm(again_in=RETRY_AFTER)

    @property
    def _told(self) -> bool:
        """Whether what the host sends now is part of an opening that was told, and is not held up: hubsec observes."""
        return is_answered() and not self.enforcing

    def ask_to_pair(self) -> None:
        """The host wants to give a Green Power device's key to its proxies."""
        if self._told or self.openings.granted(OpenKind.GREEN_POWER, slack=PAIRING_SLACK):
            return
        reason = "Green Power commissioning is shut."
        self.openings.say_refused(OpenKind.GREEN_POWER, reason, RAW_COMMAND)
        if self.enforcing:
            raise Refused(reason, rule=RAW_COMMAND)

    def ask_to_send(self, short: int) -> None:
        """The host wants to send something to one device."""
        device = self.roster.by_short.get(short) or self.host_has_at(short)
        if device is None or not self.enforcing:
            return
        if device in self.receiving.shut or self.desk.standing(device) is Standing.QUARANTINED:
            raise self.quarantined(device)

    def quarantined(self, device: Identity) -> Quarantined:
        """The error for `device`, with its reason."""
        entry = self.desk.authority.entry(device)
        reason = entry.quarantined if entry is not None else None
        return Quarantined(device, reason or "it is not on the allowlist.")

    def host_policy(self, policy: int, value: int) -> None:
        """The host wanted this of a policy that is hubsec's; a detaching guard leaves it so."""
        self.host_policies[policy] = value

    def forms(self, state: Any) -> None:
        """The host forms a network."""
        self.link_keys.forms(state)

    def refused(self, _command: str, reason: str) -> None:
        """The host sent what it may not; the reason names it."""
        if self._told:
            return
        self.openings.say_refused(OpenKind.PERMIT_LINK_KEY, reason, RAW_COMMAND)

    def restarted(self, version: int) -> None:
        """The NCP was reset, or its version is known now."""
        self.receiving.speak(version)
        self.settings.forget()
        self.taking_back.end("The stick was reset.")

    # What the NCP says

    def received(self, name: str, args: Any) -> bool:
        """Any callback but incomingMessageHandler: whether it reaches the host. Never raises."""
        try:
            return self._received(name, args)
        except NONSENSE as error:
            self.desk.malformed("ezsp", f"{name}: {type(error).__name__}")
            return not self.enforcing

    def _received(self, name: str, args: Any) -> bool:
        match name:
            case "trustCenterJoinHandler":
                told_by = int(args[4])
                if told_by and told_by != int(args[0]) and self.receiving.is_shut_off(told_by):
                    self.receiving.dropped += 1  # What a shut-off router tells of others goes nowhere, too.
                    return False
                if int(args[2]) == 2:
                    self.evictions.left(identity_from(args[1]))
                elif int(args[2]) == 0:
                    self.rotating.noticed(identity_from(args[1]))
                return not self.taking_back.claimed(args) and self.joining.on_join(args)
            case "zigbeeKeyEstablishmentHandler":
                self.joining.on_key(args[0], int(args[1]))
            case "switchNetworkKeyHandler":
                self.rotating.switched(int(args[0]))
            case "childJoinHandler":
                self._child(args)
            case "incomingRouteRecordHandler":
                return self._routed(args)
            case "messageSentHandler":
                return not self._sent_by_us(args)
            case "stackStatusHandler":
                self._stack_status(int(args[0]))
            case "gpepIncomingMessageHandler":
                shut = self.enforcing and not self.openings.granted(OpenKind.GREEN_POWER)
                return not (shut and int(args[9]) == _GP_COMMISSIONING)
        return True

    def _child(self, args: Any) -> None:
        _, joining, _, eui64, _ = args
        if not joining:
            self.evictions.left(identity_from(eui64))

    def _routed(self, args: Any) -> bool:
        """A route to who may be heard; the host would ask after anybody else."""
        short = int(args[0])
        known = self.roster.by_short.get(short) or self.host_has_at(short) or identity_from(args[1])
        standing = self.desk.standing(known)
        shut = (
            standing is Standing.QUARANTINED or standing is Standing.UNKNOWN or known in self.receiving.shut
        )
        return not (shut and self.enforcing)

    def _sent_by_us(self, args: Any) -> bool:
        aps, tag = (args[3], args[4]) if self.gate.version >= 14 else (args[2], args[3])
        return (
            int(tag) == OWN_TAG and int(aps.profileId) == 0 and int(aps.clusterId) in (0x0001, 0x0034, 0x0036)
        )

    def _stack_status(self, status: int) -> None:
        if status in _NETWORK_UP:
            self.gate.network_is(up=True)
            if self.ready:
                self.desk.spawn(self.reconcile(), "the network is up again")
        elif status in _NETWORK_DOWN:
            self.gate.network_is(up=False)
            self.taking_back.end("The network is down.")
        elif status in _NETWORK_OPENED and self.ready and self.enforcing and self._wanted().permit.shut:
            # While it observes, that was the host, and has been told.
            self.openings.opened(None, COORDINATOR, 0)

    # What the receive path and the joining notice

    def proved(self, device: Identity, short: int) -> None:
        """A device holds the network key."""
        if not self.taking_back.proved(device, short):
            self.joining.proved(device, short)

    def rogue_opening(self, device: Identity | None, short: int, seconds: int) -> None:
        """A node tells the routers to open."""
        self.openings.opened(device, short, seconds)

    def leaving(self, device: Identity) -> None:
        """It answered that it leaves."""
        self.evictions.left(device)

    def host_has_at(self, short: int) -> Identity | None:
        """From zigpy's list."""
        return self.hosting.identity_at(short) if self.hosting is not None else None

    def unwanted(self, device: Identity, decision: Evict) -> None:
        """A device that was found on the network is to leave."""
        self.desk.spawn(self.put_out(device, decision, ""), f"evict {device}")

    def deliver(self, name: str, args: Any) -> None:
        """Hand a callback to the host application."""
        self.gate.deliver(name, args)

    async def sent_nothing(self, device: Identity) -> bool:
        """Whether `device`, which asked for the key that it lost, can't have been sent it."""
        return await self.taking_back.sent_nothing(device)

    def came(self, device: Identity) -> None:
        """`device` has joined just now."""
        self.openings.came(device)

    async def put_out(self, device: Identity, decision: Decision, correlation: str) -> None:
        """Evict, and say so; only say so while observing."""
        eviction = Eviction(confirmed=False, still_holds_network_key=True, detail="")
        correlation = correlation or self.joining.correlation(device)
        if self.enforcing:
            self.stop_interview(device)
            self.joining.end(device)
            await self._take_nobody_back_for(device)
            eviction = await self.evictions.evict(device)
        # Said whatever became of it: the device is shut off.
        self.desk.publish(
            Evicted,
            device=device,
            correlation=correlation,
            reason=f"{decision.reason} {eviction.detail}".strip(),
            confirmed=eviction.confirmed,
            still_holds_network_key=eviction.still_holds_network_key,
            enforced=self.enforcing,
        )

    # What zigpy knows and says

    def stack_revision(self, device: Identity) -> int | None:
        """From its node descriptor."""
        return self._host().stack_revision(device)

    def stop_interview(self, device: Identity) -> None:
        """zigpy is to leave it alone."""
        self._host().stop_interview(device)

    def parent_of(self, device: Identity) -> Identity | None:
        """From zigpy's topology."""
        return self._host().parent_of(device)

    def short_of(self, device: Identity) -> int | None:
        """From zigpy."""
        return self._host().short_of(device)

    def knows(self, device: Identity) -> bool:
        """Whether zigpy has it."""
        return self._host().described(device) is not None

    def is_end_device(self, device: Identity) -> bool:
        """From its node descriptor."""
        return self._host().is_end_device(device)

    def forget(self, device: Identity) -> None:
        """Take it off zigpy's list."""
        self._host().forget(device)

    def interviewed(self, device: Identity) -> None:
        """zigpy knows what a device says of itself."""
        self.joining.interviewed(device)
        self.desk.spawn(self._identify(device), f"identify {device}")

    async def _identify(self, device: Identity) -> None:
        seen = self._host().described(device)
        if seen is None:
            return
        request = IdentifyRequest(
            radio=self.desk.name,
            network=self.desk.network,
            device=device,
            device_class=seen.device_class,
            manufacturer=seen.manufacturer,
            model=seen.model,
        )
        decision = await self.desk.judge(request)
        match decision:
            case Quarantine():
                self.joining.shut_off(device, decision)
            case Evict():
                await self.put_out(device, decision, "")
            case Allow() | Deny() | Knock():
                pass  # It stands as it stood: what it says of itself opens nothing.
