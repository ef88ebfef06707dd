"""The hub: policies say, the hub decides, radios enforce.

async with Hub(Bellows(url), policy="home") as hub:
hub.on(Denied, lambda e: print(f"refused {e.device}: {e.reason}"))
async with hub.admit(sticker, name="Hall lamp") as admission:
device = await admission.joined()
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from hubsec.admission import Admission, Outcome
from hubsec.allowlist import Allowlist
from hubsec.authority import HubAuthority
from hubsec.bus import Bus, EventStream, Overflow
from hubsec.device import Device, device_of
from hubsec.entries import Entry, Use
from hubsec.errors import HubsecError, RadioError, Refused, StoreError
from hubsec.events import (
    AdmissionClosed,
    AdmissionOpened,
    AdoptionConfirmed,
    AdoptionListed,
    Event,
    Evicted,
    Joined,
    KeySent,
    Knocked,
    ListeningClosed,
    ListeningOpened,
    RadioLost,
    Released,
    StoreAlarm,
    StoreRecovered,
)
from hubsec.identity import CredentialKind, Identity, Mode, Network
from hubsec.policy import OpenAdmission, Policy, load_policy
from hubsec.posture import NetworkPosture, Posture
from hubsec.radio import AdmissionOrder, Eviction, Radio
from hubsec.secret import Secret
from hubsec.stickers import Sticker, read_sticker
from hubsec.store import AsyncStore

_LOGGER = logging.getLogger(__name__)
HOME_VARIABLE = "HUBSEC_HOME"
OPERATOR = "operator"
# What a radio may take, beyond the policy's exchange limit, to say how an exchange ended.
EXCHANGE_SLACK = 2.0
# A listening window is at most 180 s and its knocks are rated, so this many are never reached by an honest
# house.
KNOCKS_KEPT = 256
# Zigbee specification R23, 4.4.3 and 2.2.3: "ZigBeeAlliance09", the default global trust center link key.
# Known to everybody.
WELL_KNOWN_LINK_KEY = Secret(b"ZigBeeAlliance09")


def default_home() -> Path:
    """Where a hub keeps its store when it is told nothing: `$HUBSEC_HOME`, or `hubsec` in the XDG data
    folder."""
    told = os.environ.get(HOME_VARIABLE)
    if told:
        return Path(told)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "hubsec"


class Hub:
    """One policy, one allowlist, any number of radios.

    `policy` is a ready policy's name, a path to a YAML file, or a :class:`~hubsec.policy.Policy`. `home` is
    the folder of
    the store and its key file, owner-only; see :func:`default_home`. `mode` is `enforce` unless told
    otherwise.
    """

    def __init__(
        self,
        *radios: Radio,
        policy: str | Path | Policy = "home",
        mode: Mode = Mode.ENFORCE,
        home: str | Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        names = [radio.name for radio in radios]
        if len(set(names)) != len(names):
            raise HubsecError(f"Two radios of one hub have the same name: {', '.join(sorted(names))}.")
        self._radios = {radio.name: radio for radio in radios}
        self._policy_source = policy
        self._mode = mode
        self._home = Path(home) if home is not None else default_home()
        self._clock = clock
        self._bus = Bus(clock=clock)
        self._authorities: dict[str, HubAuthority] = {}
        self._admissions: dict[Identity, Admission] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._endings: dict[str, asyncio.Task[None]] = {}
        self._stack = AsyncExitStack()
        self._alarm: str | None = None
        self._policy: Policy | None = None
        self._store: AsyncStore | None = None
        self._allowlist: Allowlist | None = None
        self.open_admissions: dict[Identity, OpenAdmission] = {}

    # What it is made of

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return _opened(self._policy)

    @property
    def store(self) -> AsyncStore:
        """Where everything that must last is."""
        return _opened(self._store)

    @property
    def allowlist(self) -> Allowlist:
        """Who may be here: the record of every admission and approval."""
        return _opened(self._allowlist)

    @property
    def mode(self) -> Mode:
        """Whether decisions are carried out or only said."""
        return self._mode

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return self._clock()

    # Events

    def on[E: Event](self, kind: type[E], callback: Callable[[E], object]) -> Callable[[], None]:
        """Call `callback` with every event of `kind` or below. Returns an argument-free, idempotent
        unsubscribe."""
        return self._bus.on(kind, callback)

    def events[E: Event](
        self, kind: type[E], *, capacity: int = 1024, overflow: Overflow = Overflow.DROP_OLDEST
    ) -> AbstractAsyncContextManager[EventStream[E]]:
        """A stream of every event of `kind` or below, with a mailbox of `capacity` and the given rule for
        when it is full."""
        return self._bus.events(kind, capacity=capacity, overflow=overflow)

    def publish(self, event: Event) -> None:
        """Put an event on the bus. Never raises."""
        self._bus.publish(event)

    # Opening and closing

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._policy = await asyncio.to_thread(_policy, self._policy_source)
            self._store = await AsyncStore.open(self._home)
            stack.push_async_callback(self._store.aclose)
            self._allowlist = await Allowlist.load(self._store, clock=self._clock)
            stack.callback(self._bus.on(KeySent, self._on_key_sent))
            stack.callback(self._bus.on(Joined, self._on_joined))
            stack.callback(self._bus.on(Evicted, self._on_evicted))
            stack.callback(self._bus.on(ListeningClosed, self._on_listening_closed))
            stack.push_async_callback(self._settle)
            for radio in self._radios.values():
                await self._open_radio(radio, stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _open_radio(self, radio: Radio, stack: AsyncExitStack) -> None:
        authority = HubAuthority(self, radio)
        self._authorities[radio.name] = authority
        stack.push_async_callback(radio.close)
        try:
            await radio.open(authority)
            state = await radio.posture()
        except RadioError as error:
            self.publish(RadioLost(time=self.now(), radio=radio.name, reason=str(error), left_refusing=False))
            raise
        authority.network_id = state.network_id
        record = await self.store.see_network(radio.network, state.network_id, at=self.now())
        authority.exposed = record.exposed
        if record.adopted:
            authority.confirm_adoption()
        elif state.formed:
            await self.adopt(radio.name, by="hubsec: it formed the network itself", devices=())
        else:
            self.publish(
                AdoptionListed(
                    time=self.now(), radio=radio.name, devices=tuple(d.device for d in radio.devices())
                )
            )

    async def _settle(self) -> None:
        for admission in list(self._admissions.values()):
            self._end(admission, Outcome.CANCELLED, f"The hub closed before {admission.name} was in.")
            await self._ended(admission)
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # Letting in

    def admit(
        self,
        sticker: str | Sticker,
        *,
        name: str,
        device: str | None = None,
        device_class: str | None = None,
        maker: str | None = None,
        use: Use = Use.STANDING,
        expires_at: float | None = None,
        by: str = OPERATOR,
        radio: str | None = None,
    ) -> Admission:
        """Open for the device whose sticker this is, while the returned block lives.

        `sticker` is the text of any install code or Zigbee QR code; `device` is its EUI64 where the sticker
        doesn't say it.
        Raises :class:`~hubsec.errors.StickerError` for a text that can't be taken, and
        :class:`~hubsec.errors.Refused` where the
        policy does not let such a device in.
        """
        read = sticker if isinstance(sticker, Sticker) else read_sticker(sticker, device=device)
        return self._admission(
            read.addressed(),
            read.network,
            CredentialKind.INSTALL_CODE,
            read.credential,
            name=name,
            device_class=device_class,
            maker=maker,
            use=use,
            expires_at=expires_at,
            by=by,
            radio=radio,
        )

    def approve(
        self,
        knock: Knocked,
        *,
        name: str,
        device_class: str | None = None,
        use: Use = Use.STANDING,
        expires_at: float | None = None,
        by: str = OPERATOR,
    ) -> Admission:
        """Open for the device that knocked, while the returned block lives. It gets in at its next try.

        On Zigbee this sends the network key under a public key: whoever listens has it, and so has whoever
        spoofs this address. The
        device and the network are marked exposed from then on. Raises :class:`~hubsec.errors.Refused` where
        the policy takes no
        approvals.
        """
        if knock.device is None:
            raise Refused("A knock without a device can't be approved.", rule="approval")
        return self._admission(
            knock.device,
            self._radio(knock.radio).network,
            CredentialKind.APPROVAL,
            WELL_KNOWN_LINK_KEY,
            name=name,
            device_class=device_class,
            maker=None,
            use=use,
            expires_at=expires_at,
            by=by,
            radio=knock.radio,
        )

    def _admission(
        self,
        device: Identity,
        network: Network,
        credential: CredentialKind,
        link_key: Secret,
        *,
        name: str,
        device_class: str | None,
        maker: str | None,
        use: Use,
        expires_at: float | None,
        by: str,
        radio: str | None,
    ) -> Admission:
        chosen = self._radio(radio) if radio else self._radio_on(network)
        terms = self.policy.terms(credential, device_class, maker)
        order = AdmissionOrder(
            admission=f"admission-{secrets.token_hex(4)}",
            device=device,
            name=name,
            credential=credential,
            link_key=link_key,
            window=terms.window,
            exchange_limit=terms.exchange_limit,
            parents=terms.parents,
        )
        entry = Entry(
            device=device,
            network=network,
            credential=credential,
            label=name,
            approved_by=by,
            approved_at=self.now(),
            expires_at=expires_at,
            use=use,
            device_class=device_class,
            maker=maker,
        )
        return Admission(self, order, entry, radio=chosen.name)

    async def open_admission(self, admission: Admission) -> None:
        """Record it, open the radio, say so. :class:`Admission` calls this on entering its block."""
        device = admission.order.device
        radio, authority = self._radios[admission.radio], self._authorities[admission.radio]
        if not authority.adopted:
            raise Refused(
                f"The devices that {radio.name} already has are not confirmed: look at hub.posture(), "
                "then call hub.adopt().",
                rule="adoption",
            )
        if device in self._admissions:
            raise Refused(f"An admission for {device} is open already.", rule="admission")
        self._admissions[device] = admission
        by_code = admission.order.credential is CredentialKind.INSTALL_CODE
        try:
            admission.before = self.allowlist.get(device)
            if admission.before is not None:
                admission.before_key = await self.allowlist.credential(device)
            await self.recorded(
                self.allowlist.add(admission.entry, admission.order.link_key if by_code else None)
            )
            opened_at = self.now()
            self.open_admissions[device] = OpenAdmission(
                credential=admission.order.credential,
                opened_at=opened_at,
                expires_at=opened_at + admission.order.window,
                radio=radio.name,
            )
            await radio.admit(admission.order)
        except BaseException:
            await self._forget_admission(admission)
            raise
        admission.closes_at = opened_at + admission.order.window
        self._set_timer(admission, admission.order.window)
        self.publish(
            AdmissionOpened(
                time=self.now(),
                radio=admission.radio,
                device=device,
                correlation=admission.id,
                name=admission.name,
                credential=admission.order.credential,
                closes_at=admission.closes_at,
                exposed=admission.exposed,
            )
        )

    async def close_admission(self, admission: Admission) -> None:
        """Close the radio for it. :class:`Admission` calls this on leaving its block. Idempotent.

        A device that has been sent the key by then goes on to its exchange, and is judged by that.
        """
        if admission.key_sent and admission.outcome is None:
            await self._shut_window(admission)
        else:
            self._end(admission, Outcome.CANCELLED, f"{admission.name} had not come when its block was left.")
            await self._ended(admission)

    async def _shut_window(self, admission: Admission) -> None:
        """Nobody may ask for the key any more; who has it goes on to its exchange."""
        if admission.in_exchange:
            return
        admission.in_exchange = True
        device = admission.order.device
        self.open_admissions[device] = msgspec.structs.replace(
            self.open_admissions[device], expires_at=self.now()
        )
        self._set_timer(admission, admission.order.exchange_limit + EXCHANGE_SLACK)
        await self._radios[admission.radio].withdraw(admission.id, "Its window is over.")

    def _end(self, admission: Admission, outcome: Outcome, reason: str, device: Device | None = None) -> None:
        """The first word on how it ended counts, and shuts the radio for it."""
        if admission.end(outcome, reason, device):
            self._endings[admission.id] = asyncio.ensure_future(self._wind_up(admission))

    async def _ended(self, admission: Admission) -> None:
        ending = self._endings.get(admission.id)
        if ending is not None:
            await asyncio.shield(ending)

    async def _wind_up(self, admission: Admission) -> None:
        self.publish(
            AdmissionClosed(
                time=self.now(),
                radio=admission.radio,
                device=admission.order.device,
                correlation=admission.id,
                outcome=str(admission.outcome),
                reason=admission.reason,
            )
        )
        try:
            await self._radios[admission.radio].withdraw(admission.id, admission.reason)
        except RadioError as error:
            self.publish(
                RadioLost(time=self.now(), radio=admission.radio, reason=str(error), left_refusing=False)
            )
        try:
            await self._forget_admission(admission)
        except StoreError:
            _LOGGER.warning("The entry of %s outlived its admission.", admission.name)
        finally:
            self._endings.pop(admission.id, None)

    async def _forget_admission(self, admission: Admission) -> None:
        """Take a finished admission out. If it let nobody in, the device's entry is what it was before, or none."""
        device = admission.order.device
        self._admissions.pop(device, None)
        self.open_admissions.pop(device, None)
        timer = self._timers.pop(admission.id, None)
        if timer is not None:
            timer.cancel()
        if admission.outcome is Outcome.JOINED or device not in self.allowlist:
            return
        by = "hubsec: the admission ended without it"
        if admission.before is None:
            await self.recorded(self.allowlist.revoke(device, by=by))
        else:
            await self.recorded(self.allowlist.put_back(admission.before, admission.before_key, by=by))

    def _set_timer(self, admission: Admission, seconds: float) -> None:
        running = self._timers.pop(admission.id, None)
        if running is not None:
            running.cancel()
        self._timers[admission.id] = asyncio.get_running_loop().call_later(
            seconds, self._time_is_up, admission
        )

    def _time_is_up(self, admission: Admission) -> None:
        if admission.key_sent and not admission.in_exchange:
            self._spawn(self._shut_window(admission))
        else:
            self._end(
                admission,
                Outcome.EXPIRED,
                f"{admission.name} did not join within {admission.order.window:g} s.",
            )

    def _on_key_sent(self, event: KeySent) -> None:
        admission = self._admission_of(event)
        if admission is not None:
            admission.key_sent = True

    def _on_joined(self, event: Joined) -> None:
        admission = self._admission_of(event)
        entry = self.allowlist.get(admission.order.device) if admission else None
        if admission is not None and entry is not None:
            self._end(admission, Outcome.JOINED, f"{admission.name} joined.", device_of(entry))

    def _on_evicted(self, event: Evicted) -> None:
        admission = self._admission_of(event)
        if admission is not None:
            self._end(admission, Outcome.REFUSED, event.reason)

    def _admission_of(self, event: Event) -> Admission | None:
        if event.device is None:
            return None
        admission = self._admissions.get(event.device)
        return admission if admission is not None and admission.id == event.correlation else None

    def correlation(self, device: Identity | None) -> str:
        """The id of the admission that is open for `device`, or nothing."""
        admission = self._admissions.get(device) if device is not None else None
        return admission.id if admission is not None else ""

    @asynccontextmanager
    async def listen(
        self, seconds: float | None = None, *, by: str = OPERATOR, radio: str | None = None
    ) -> AsyncGenerator[EventStream[Knocked]]:
        """Hear knocks for `seconds` (the policy's longest by default) while the block lives: a stream of
        :class:`Knocked`.

        Nobody gets a key by knocking. Raises :class:`~hubsec.errors.Refused` where the policy does not
        listen, or not so long.
        """
        chosen = self._radio(radio) if radio else self._radio_on(Network.ZIGBEE)
        authority = self._authorities[chosen.name]
        length = self.policy.listening_length if seconds is None else seconds
        self.policy.check_listening(length)
        async with self._bus.events(Knocked, capacity=KNOCKS_KEPT, overflow=Overflow.DROP_NEWEST) as knocks:
            authority.listening = True
            try:
                await chosen.listen(length, by=by)
                self.publish(
                    ListeningOpened(time=self.now(), radio=chosen.name, by=by, closes_at=self.now() + length)
                )
                yield knocks
            finally:
                authority.listening = False
                await chosen.listen(0, by=by)

    def _on_listening_closed(self, event: ListeningClosed) -> None:
        authority = self._authorities.get(event.radio)
        if authority is not None:
            authority.listening = False

    # Putting out

    async def evict(self, device: str, *, by: str = OPERATOR, reason: str = "") -> Eviction:
        """Take `device` off the allowlist and make it leave. Says whether it did; on Zigbee it still holds
        the network key."""
        identity = Identity(device)
        entry = self.allowlist.get(identity)
        radio = self._radio_on(entry.network if entry else Network.ZIGBEE)
        if entry is not None:
            await self.recorded(self.allowlist.revoke(identity, by=by))
        self._authorities[radio.name].forget(identity)
        eviction = await radio.evict(identity)
        self.publish(
            Evicted(
                time=self.now(),
                radio=radio.name,
                device=identity,
                reason=reason or f"{by} asked for it.",
                confirmed=eviction.confirmed,
                still_holds_network_key=eviction.still_holds_network_key,
            )
        )
        return eviction

    async def quarantine(self, device: str, reason: str) -> None:
        """Shut `device` off until :meth:`release`."""
        await self.recorded(self.allowlist.update(Identity(device), quarantined=reason))

    async def release(self, device: str, *, by: str = OPERATOR) -> None:
        """End a quarantine."""
        entry = await self.recorded(self.allowlist.update(Identity(device), quarantined=None))
        self.publish(
            Released(
                time=self.now(), radio=self._radio_on(entry.network).name, device=Identity(device), by=by
            )
        )

    # Adoption and posture

    async def adopt(
        self, radio: str, *, by: str = OPERATOR, devices: Iterable[str] | None = None
    ) -> tuple[Entry, ...]:
        """Confirm the devices that a network has as its baseline; all that the radio lists, or just
        `devices`.

        From here on whoever is not on the allowlist is a stranger. Raises :class:`~hubsec.errors.Refused`
        for a device that the
        radio does not list.
        """
        chosen, authority = self._radio(radio), self._authorities[radio]
        if authority.network_id is None:
            raise Refused(f"{radio} has not said which network it is on.", rule="adoption")
        listed = {seen.device: seen for seen in chosen.devices()}
        wanted = listed.keys() if devices is None else [Identity(device) for device in devices]
        unknown = [device for device in wanted if device not in listed]
        if unknown:
            raise Refused(f"{radio} has no device {', '.join(unknown)}.", rule="adoption")
        entries = [
            Entry(
                device=device,
                network=chosen.network,
                credential=CredentialKind.ADOPTED,
                label=listed[device].name,
                approved_by=by,
                approved_at=self.now(),
                joined_at=self.now(),
                device_class=listed[device].device_class,
            )
            for device in wanted
        ]
        adopted = await self.recorded(
            self.allowlist.adopt(chosen.network, authority.network_id, entries, by=by)
        )
        authority.confirm_adoption()
        self.publish(
            AdoptionConfirmed(
                time=self.now(), radio=radio, devices=tuple(entry.device for entry in adopted), by=by
            )
        )
        return adopted

    def devices(self) -> tuple[Device, ...]:
        """Every device on the allowlist, by name."""
        return tuple(device_of(entry) for entry in self.allowlist.list())

    async def posture(self) -> Posture:
        """How every network stands against the policy, read back from the radios now."""
        networks = []
        for name, radio in self._radios.items():
            authority = self._authorities[name]
            networks.append(
                NetworkPosture(
                    radio=name,
                    state=await radio.posture(),
                    adopted=authority.adopted,
                    exposed=authority.exposed,
                    unconfirmed=() if authority.adopted else tuple(d.device for d in radio.devices()),
                )
            )
        return Posture(
            mode=self.mode,
            policy=self.policy.name,
            policy_hash=self.policy.hash,
            networks=tuple(networks),
            devices=self.devices(),
            alarm=self._alarm,
        )

    # Inside

    async def recorded[T](self, writing: Awaitable[T]) -> T:
        """Wait until `writing` is durable; a store that fails raises the standing alarm, one that works
        again ends it."""
        try:
            result = await writing
        except StoreError as error:
            if self._alarm is None:
                self.publish(StoreAlarm(time=self.now(), reason=str(error)))
            self._alarm = str(error)
            raise
        if self._alarm is not None:
            self._alarm = None
            self.publish(StoreRecovered(time=self.now()))
        return result

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _radio(self, name: str) -> Radio:
        try:
            return self._radios[name]
        except KeyError:
            raise Refused(
                f"This hub has no radio {name!r}; it has {', '.join(self._radios) or 'none'}.", rule="radio"
            ) from None

    def _radio_on(self, network: Network) -> Radio:
        fitting = [radio for radio in self._radios.values() if radio.network is network]
        if len(fitting) == 1:
            return fitting[0]
        raise Refused(
            f"This hub has {len(fitting)} radios on {network}; say which with radio=.", rule="radio"
        )


def _opened[T](part: T | None) -> T:
    if part is None:
        raise HubsecError("The hub is not open: use it inside `async with Hub(…) as hub`.")
    return part


def _policy(source: str | Path | Policy) -> Policy:
    return source if isinstance(source, Policy) else load_policy(source)
