"""The hub: policies say, the hub decides, radios enforce.

One hub has one policy, one allowlist and any number of radios:

    async with Hub(Bellows(url), policy="home") as hub:
        hub.on(Denied, lambda e: print(f"refused {e.device}: {e.reason}"))
        async with hub.admit(sticker, name="Hall lamp") as admission:
            device = await admission.joined()
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self, overload

from hubsec.admission import Admission
from hubsec.admissions import Admissions
from hubsec.adoption import confirm, meet, present
from hubsec.allowlist import Allowlist
from hubsec.audit.records import OPERATOR, Channel
from hubsec.authority import HubAuthority
from hubsec.bus import STREAM_CAPACITY, Bus, EventStream, Overflow, SubscriptionError
from hubsec.device import Device, device_of
from hubsec.entries import Entry, Use
from hubsec.errors import EntryError, HubsecError, RadioError, Refused, StickerError, StoreError
from hubsec.events import Event, Knocked, Quarantined, Released
from hubsec.eviction import put_out
from hubsec.identity import (
    CredentialKind,
    Identity,
    Mode,
    Network,
    any_identity,
    is_address,
    network_of,
)
from hubsec.listening import listening
from hubsec.policy import Policy, load_policy
from hubsec.policy.classes import DeviceClass
from hubsec.posture import NetworkPosture, Posture
from hubsec.radio import Eviction, Radio, answering
from hubsec.reinclusions import Reinclusions
from hubsec.rekeying import Reincluding, RotatingKeys
from hubsec.replay import Replay
from hubsec.rotation.due import note_eviction
from hubsec.rotation.triggers import Rotating
from hubsec.rotations import Rotations
from hubsec.secret import Secret
from hubsec.state import HubState
from hubsec.stickers import Sticker, read_sticker
from hubsec.store import AsyncStore
from hubsec.store.ways import Unlock

HOME_VARIABLE: Final = "HUBSEC_HOME"
BY_OPERATOR: Final = "by-operator"
"""The rule that an operator's own word stands for, where an event names one."""
# Zigbee specification R23, 4.4.3 and 2.2.3: "ZigBeeAlliance09", the default global trust center link key. Known to
# everybody.
WELL_KNOWN_LINK_KEY: Final = Secret(b"ZigBeeAlliance09")


_CREDENTIALS: Final = {
    Network.ZIGBEE: CredentialKind.INSTALL_CODE,
    Network.ZWAVE: CredentialKind.DSK,
}


def default_home() -> Path:
    """Where a hub keeps its store when it is told nothing: `$HUBSEC_HOME`, or `hubsec` in the XDG data folder."""
    told = os.environ.get(HOME_VARIABLE)
    if told:
        return Path(told)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "hubsec"


class Hub(RotatingKeys, Reincluding):
    """One policy, one allowlist, any number of radios; open while its ``async with`` block lives, once.

    `policy` is a ready policy's name, a path to a YAML file, or a :class:`~hubsec.policy.Policy`. `home` is the folder
    of the store, owner-only; see :func:`default_home`. `unlock` is the way to the key of what is sealed in it:
    :class:`~hubsec.store.ways.KeyFile`, `Passphrase` or `OsKeyring`; by default what the store says, and a key file
    for a new one. `mode` is `enforce` unless told otherwise.
    `rotating` says which changes of the network key begin by themselves: none, unless told otherwise.
    `channel` is how whoever calls this hub asks, as the audit log has it.

    Whatever goes wrong is a :class:`~hubsec.errors.HubsecError`: outside the block too, where everything but
    subscribing says that the hub is not open.
    """

    def __init__(
        self,
        *radios: Radio,
        policy: str | Path | Policy = "home",
        mode: Mode = Mode.ENFORCE,
        home: str | Path | None = None,
        unlock: Unlock | None = None,
        clock: Callable[[], float] = time.time,
        rotating: Rotating | None = None,
        channel: Channel = Channel.API,
    ) -> None:
        if not all(isinstance(radio, Radio) for radio in radios):
            raise HubsecError("A hub takes radios: objects with what hubsec.Radio asks for.")
        names = [radio.name for radio in radios]
        if len(set(names)) != len(names):
            raise HubsecError(f"Two radios of one hub have the same name: {', '.join(sorted(names))}.")
        self._radios = {radio.name: radio for radio in radios}
        self._policy = policy
        try:
            self._mode, self._channel = Mode(mode), Channel(channel)
            self._home = Path(home) if home is not None else default_home()
        except ValueError:
            raise HubsecError(
                f"A hub's mode is one of: {', '.join(Mode)}; its channel one of: {', '.join(Channel)}."
            ) from None
        except TypeError:
            raise HubsecError("A hub's home is a path.") from None
        self._unlock = unlock
        self._clock = clock
        self._bus = Bus(clock=clock)
        self._stack: AsyncExitStack | None = None
        self._authorities: dict[str, HubAuthority] = {}
        self._rotating = Rotating() if rotating is None else rotating
        self._open: tuple[HubState, Admissions, Rotations, Reinclusions] | None = None

    # What it is made of

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._state.policy

    @property
    def store(self) -> AsyncStore:
        """Where everything that must last is."""
        return self._state.store

    @property
    def allowlist(self) -> Allowlist:
        """Who may be here: the record of every admission and approval."""
        return self._state.allowlist

    @property
    def mode(self) -> Mode:
        """Whether decisions are carried out or only said."""
        return self._mode

    async def rewrap(self, unlock: Unlock, *, by: str = OPERATOR) -> None:
        """Let `unlock` open the hub's store from now on, and nothing else any more. No secret is sealed anew; the
        next hub over this home is to be given `unlock`. Raises :class:`~hubsec.errors.StoreError`."""
        await self.store.rewrap(unlock, by=by, at=self.now())

    async def accept_log(self, *, by: str = OPERATOR, reason: str = "") -> bool:
        """Go on behind an audit log that was found to be damaged: from here on devices may be let in again. The damage
        stays in it, and so does who accepted it. Whether there was any."""
        return await self._state.recorder.accept_log(by=by, reason=reason)

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return self._clock()

    # Events

    def on[E: Event](self, kind: type[E], callback: Callable[[E], object]) -> Callable[[], None]:
        """Call `callback` with every event of `kind` or below. Returns an argument-free, idempotent unsubscribe."""
        return self._bus.on(kind, callback)

    @overload
    def events[E: Event](
        self, kind: type[E], *, capacity: int = STREAM_CAPACITY, overflow: Overflow = Overflow.DROP_OLDEST
    ) -> AbstractAsyncContextManager[EventStream[E]]: ...

    @overload
    def events[E: Event](
        self, kind: type[E], *, capacity: int = STREAM_CAPACITY, since: int
    ) -> AbstractAsyncContextManager[Replay[E]]: ...

    def events[E: Event](
        self,
        kind: type[E],
        *,
        capacity: int = STREAM_CAPACITY,
        overflow: Overflow = Overflow.DROP_OLDEST,
        since: int | None = None,
    ) -> AbstractAsyncContextManager[EventStream[E] | Replay[E]]:
        """A stream of every event of `kind` or below, with a mailbox of `capacity` and the given rule for when it is
        full.

        With `since` it begins with those that the audit log has after the record of that number, 0 for all, and goes on
        with those of the present: see :mod:`hubsec.replay`. A full mailbox then loses nothing. It ends when the hub
        closes.
        """
        if since is None:
            return self._bus.events(kind, capacity=capacity, overflow=overflow)
        if not _is_event(kind) or capacity < 1 or not _number(since):
            raise SubscriptionError(
                "A replay is of a type of event, since a record's number, with a mailbox of at least one."
            )
        state = self._state
        return Replay(state.recorder, state.store, kind, since=since, capacity=capacity)

    # Opening and closing

    async def __aenter__(self) -> Self:
        if self._stack is not None:
            raise HubsecError("A hub is opened once: make another one.")
        self._stack = AsyncExitStack()
        async with AsyncExitStack() as stack:
            stack.callback(self._bus.close)
            policy = self._policy
            if not isinstance(policy, Policy):
                policy = await asyncio.to_thread(load_policy, policy)
            store = await AsyncStore.open(self._home, unlock=self._unlock)
            stack.push_async_callback(store.aclose)
            state = HubState(
                mode=self._mode,
                clock=self._clock,
                bus=self._bus,
                policy=policy,
                store=store,
                allowlist=await Allowlist.load(store, clock=self._clock),
                channel=self._channel,
            )
            stack.callback(self._bus.on(Event, state.recorder.on_event))
            stack.push_async_callback(state.recorder.close)
            with suppress(StoreError):
                # It is told as the alarm, and tried again before anything is decided.
                await state.recorder.introduce()
            state.recorder.look_at_log()
            admissions = Admissions(state, self._authorities)
            stack.callback(self._bus.on(Event, admissions.on_event))
            rotations = Rotations(state, self._authorities, admissions, self._rotating)
            stack.callback(self._bus.on(Event, rotations.on_event))
            reinclusions = Reinclusions(state, self._authorities, admissions)
            stack.callback(self._bus.on(Event, reinclusions.on_event))
            for radio in self._radios.values():
                authority = self._authorities[radio.name] = HubAuthority(state, admissions, radio)
                await self._open_radio(state, reinclusions, authority, stack)
            # What is last in the stack goes first: admissions end while the radios can still be told.
            stack.push_async_callback(rotations.settle)
            stack.push_async_callback(admissions.settle)
            stack.push_async_callback(reinclusions.settle)
            self._open = state, admissions, rotations, reinclusions
            stack.callback(self._shut)
            for authority in self._authorities.values():
                await rotations.resume(authority)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stack is not None:
            await self._stack.aclose()

    def _shut(self) -> None:
        self._open = None

    async def _open_radio(
        self, state: HubState, reinclusions: Reinclusions, authority: HubAuthority, stack: AsyncExitStack
    ) -> None:
        radio = authority.radio

        async def close() -> None:
            with answering(radio.name):
                await radio.close()

        stack.push_async_callback(close)
        try:
            with answering(radio.name):
                await reinclusions.open(authority)
                seen = await radio.posture()
            await meet(state, authority, seen)
            await reinclusions.resume(authority)
            stack.push_async_callback(reinclusions.settle)
        except RadioError as error:
            state.lost(radio.name, str(error))
            raise

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
        smart_start: bool | None = None,
    ) -> Admission:
        """Open for the device whose sticker this is, while the returned block lives.

        `sticker` is the text of any install code, DSK, Zigbee or Z-Wave QR code; `device` is the EUI64 where a Zigbee
        sticker doesn't say it. `device_class` is one of :class:`~hubsec.policy.classes.DeviceClass`. `smart_start`: a
        Z-Wave device is to come by itself once it has power, and not by a button; by default as its sticker says.
        Raises :class:`~hubsec.errors.StickerError` for a text that can't be taken,
        :class:`~hubsec.errors.EntryError` for words that don't fit an entry, and :class:`~hubsec.errors.Refused` where
        the policy does not let such a device in.
        """
        read = sticker if isinstance(sticker, Sticker) else read_sticker(sticker, device=device)
        entry = self._entry(
            read.addressed(device),
            read.network,
            _CREDENTIALS[read.network],
            smart_start=read.smart_start if smart_start is None else smart_start,
            name=name,
            device_class=device_class,
            maker=maker,
            use=use,
            expires_at=expires_at,
            by=by,
        )
        chosen = self._authority(radio) if radio is not None else self._authority_on(read.network)
        if chosen.radio.network is not read.network:
            whose = "Z-Wave" if read.network is Network.ZWAVE else "Zigbee"
            raise StickerError(f"That is the sticker of a {whose} device, and {radio} runs another network.")
        return self._admissions.make(entry, read.credential, radio=chosen.radio.name)

    def approve(
        self,
        knock: Knocked,
        *,
        name: str,
        device_class: str | None = None,
        maker: str | None = None,
        use: Use = Use.STANDING,
        expires_at: float | None = None,
        by: str = OPERATOR,
    ) -> Admission:
        """Open for the device that knocked, while the returned block lives. It gets in at its next try.

        On Zigbee this sends the network key under a public key: whoever listens has it, and so has whoever spoofs this
        address. The device and the network are marked exposed from then on. Raises :class:`~hubsec.errors.Refused`
        where the policy takes no approvals, and on Z-Wave, where nobody can be let in without a DSK.
        """
        match knock:
            case Knocked(device=str(device)):
                pass
            case _:
                raise Refused("What is approved is a knock, of a device: see hub.listen().", rule="approval")
        chosen = self._authority(knock.radio)
        if chosen.radio.network is not Network.ZIGBEE:
            raise Refused("Only Zigbee has approvals: admit a Z-Wave device by its DSK.", rule="approval")
        entry = self._entry(
            device,
            chosen.radio.network,
            CredentialKind.APPROVAL,
            name=name,
            device_class=device_class,
            maker=maker,
            use=use,
            expires_at=expires_at,
            by=by,
        )
        return self._admissions.make(entry, WELL_KNOWN_LINK_KEY, radio=chosen.radio.name)

    def _entry(
        self,
        device: Identity,
        network: Network,
        credential: CredentialKind,
        *,
        name: str,
        device_class: str | None,
        maker: str | None,
        use: Use,
        expires_at: float | None,
        by: str,
        smart_start: bool = False,
    ) -> Entry:
        if device_class is not None and device_class not in list(DeviceClass):
            # A policy takes an unknown word for "other", so that a slip of the pen would loosen what it asks of a
            # lock.
            raise EntryError(f"A device's class is one of: {', '.join(DeviceClass)}.")
        return Entry(
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
            smart_start=smart_start,
        )

    def listen(
        self, seconds: float | None = None, *, by: str = OPERATOR, radio: str | None = None
    ) -> AbstractAsyncContextManager[EventStream[Knocked]]:
        """Hear knocks for `seconds` (the policy's longest by default) while the block lives: a stream of
        :class:`Knocked`, which ends when the window does. One window at a time on each radio.

        Nobody gets a key by knocking. Entering raises :class:`~hubsec.errors.Refused` where the policy does not
        listen, or not so long.
        """
        chosen = self._authority(radio) if radio is not None else self._authority_on(Network.ZIGBEE)
        length = self.policy.listening_length if seconds is None else seconds
        return listening(self._state, chosen, length, by=by)

    # Putting out

    async def evict(
        self, device: str, *, by: str = OPERATOR, reason: str = "", radio: str | None = None
    ) -> Eviction:
        """Take `device` off the allowlist, end its admission, and make it leave. Says whether it did; on Zigbee it
        still holds the network key. Where it takes somebody's hand, as on Z-Wave, the device is quarantined until it
        has left, and its entry stays as long; one that is not there is taken off the list, and that is all.

        `radio` says which, where the hub has several and none or more than one of them lists the device. Raises
        :class:`~hubsec.errors.RadioError` when the radio could not tell it to; it is off the list all the same.
        """
        state, identity = self._state, self._identity(device)
        authority = self._authority_of(identity, radio)
        if not state.enforcing:
            raise Refused("This hub only observes: it makes nobody leave.", rule="mode")
        if authority.entered(identity):
            # Before it is told, so that no crash makes anybody forget who has the key.
            await note_eviction(state, authority, identity)
        return await put_out(
            state, self._admissions, authority, identity, by=by, why=reason or f"{by} asked for it."
        )

    async def quarantine(self, device: str, reason: str, *, by: str = OPERATOR) -> None:
        """Shut `device` off until :meth:`release`. Raises :class:`~hubsec.errors.EntryError` when it has no entry, or
        there is no reason."""
        state, identity = self._state, self._identity(device)
        if not _text(reason):
            # None in its place would be the end of a quarantine.
            raise EntryError("A quarantine has a reason.")
        await state.recorded(state.allowlist.update(identity, by=by, quarantined=reason))
        state.publish(
            Quarantined(
                time=self.now(),
                radio=self._radio_name(identity),
                device=identity,
                correlation=self._admissions.correlation(identity),
                reason=reason,
                rule=BY_OPERATOR,
                enforced=state.enforcing,
            )
        )

    async def allow(
        self, device: str, *, name: str | None = None, by: str = OPERATOR, radio: str | None = None
    ) -> Device:
        """Let a device stay that is on the network without an entry, or is quarantined: on `by`'s word, which
        proves nothing of who it is.

        It may stay and be used; to join anew it needs a sticker or an approval. `name` is what it is called, by
        default what it calls itself. Raises :class:`~hubsec.errors.Refused` before the network is adopted, and for a
        device that neither the radio lists nor anybody has heard.
        """
        state, identity = self._state, self._identity(device)
        authority = self._authority_of(identity, radio)
        authority.must_be_adopted()
        entry = state.allowlist.get(identity)
        if entry is None or entry.joined_at is None or entry.credential is CredentialKind.NONE:
            # A sticker that it has not joined by proves nothing of it.
            entry = present(authority, identity, at=self.now(), by=by, name=name)
            await state.recorded(state.allowlist.add(entry))
        else:
            label = entry.label if name is None else name
            await state.recorded(
                state.allowlist.update(identity, by=by, label=label, quarantined=None, expires_at=None)
            )
        authority.forget(identity)
        state.publish(Released(time=self.now(), radio=authority.radio.name, device=identity, by=by))
        return device_of(state.allowlist[identity])

    def forget(self, device: str) -> None:
        """Ask anew how `device`, which has no entry, stands when it is next heard: its host has removed it."""
        identity = self._identity(device)
        for authority in self._authorities.values():
            authority.forget(identity)

    async def release(self, device: str, *, by: str = OPERATOR) -> None:
        """End a quarantine. Raises :class:`~hubsec.errors.EntryError` when the device has no entry.

        One that was to leave is a device without an entry in force then: :meth:`allow` lets it stay.
        """
        state, identity = self._state, self._identity(device)
        await state.recorded(state.allowlist.update(identity, by=by, quarantined=None))
        state.publish(Released(time=self.now(), radio=self._radio_name(identity), device=identity, by=by))

    # Adoption and posture

    async def adopt(
        self, radio: str, *, by: str = OPERATOR, devices: Iterable[str] | None = None
    ) -> tuple[Entry, ...]:
        """Confirm the devices that a network has as its baseline; all that the radio lists, or just `devices`.

        From here on whoever is not on the allowlist is a stranger. Where the host has lost its list, the devices are
        those that have been heard. Raises :class:`~hubsec.errors.Refused` for a device that is not among them, and for
        an empty list that is not given as one.
        """
        return await confirm(self._state, self._authority(radio), by=by, devices=devices)

    def devices(self) -> tuple[Device, ...]:
        """Every device on the allowlist, by name."""
        return tuple(device_of(entry) for entry in self.allowlist.list())

    async def posture(self) -> Posture:
        """How every network stands against the policy, read back from the radios now.

        Raises :class:`~hubsec.errors.RadioError` when one of them can't be read.
        """
        state, networks = self._state, []
        for name, authority in self._authorities.items():
            with answering(name):
                seen = await authority.radio.posture()
            networks.append(
                NetworkPosture(
                    radio=name,
                    state=seen,
                    adopted=authority.adopted,
                    exposed=authority.exposed,
                    unconfirmed=() if authority.adopted else tuple(d.device for d in authority.devices()),
                    keys=await self._rotations.posture(authority),
                    reinclusion=await self._reinclusions.posture(authority),
                )
            )
        return Posture(
            mode=self.mode,
            policy=state.policy.name,
            policy_hash=state.policy.hash,
            networks=tuple(networks),
            devices=self.devices(),
            alarm=state.alarm,
        )

    # Inside

    @property
    def _state(self) -> HubState:
        return self._opened()[0]

    @property
    def _admissions(self) -> Admissions:
        return self._opened()[1]

    @property
    def _rotations(self) -> Rotations:
        return self._opened()[2]

    @property
    def _reinclusions(self) -> Reinclusions:
        return self._opened()[3]

    def _opened(self) -> tuple[HubState, Admissions, Rotations, Reinclusions]:
        if self._open is None:
            raise HubsecError("The hub is not open: use it inside `async with Hub(…) as hub`.")
        return self._open

    def _identity(self, device: str) -> Identity:
        """The identity that `device` spells, as the allowlist has it."""
        known = Identity(_text(device))
        if known in self.allowlist:
            return known
        identity = any_identity(device)
        if is_address(identity) and identity not in self.allowlist:
            # Whoever is known by its DSK may be named by where it is, too.
            return next((e.device for e in self.allowlist.values() if e.address == identity), identity)
        return identity

    def _authority(self, radio: str) -> HubAuthority:
        self._opened()
        found = self._authorities.get(_text(radio))
        if found is None:
            names = ", ".join(self._radios) or "none"
            raise Refused(f"This hub has no radio {radio!r}; it has {names}.", rule="radio")
        return found

    def _authority_on(self, network: Network) -> HubAuthority:
        self._opened()
        return self._only(
            [one for one in self._authorities.values() if one.radio.network is network], network
        )

    def _authority_of(self, device: Identity, radio: str | None = None) -> HubAuthority:
        """The radio whose network `device` is on: the one that is named; else the one that lists it, where there are
        several."""
        entry = self.allowlist.get(device)
        network = entry.network if entry is not None else network_of(device)
        if radio is not None:
            named = self._authority(radio)
            if named.radio.network is not network:
                raise Refused(
                    f"{device} is a device on {network}, and {radio} runs another network.", rule="radio"
                )
            return named
        fitting = [one for one in self._authorities.values() if one.radio.network is network]
        if len(fitting) > 1:
            fitting = [one for one in fitting if any(seen.device == device for seen in one.devices())]
        return self._only(fitting, network)

    def _only(self, fitting: list[HubAuthority], network: Network) -> HubAuthority:
        if len(fitting) == 1:
            return fitting[0]
        if not any(one.radio.network is network for one in self._authorities.values()):
            raise Refused(f"This hub has no radio on {network}.", rule="radio")
        raise Refused(
            f"{len(fitting)} radios of this hub on {network} come into question; say which with radio=.",
            rule="radio",
        )

    def _radio_name(self, device: Identity) -> str:
        """The radio whose network `device` is on, as events name it; nothing where that is not known."""
        try:
            return self._authority_of(device).radio.name
        except HubsecError:
            return ""


def _is_event(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Event)


def _number(value: object) -> bool:
    """Whether that may be a record's number, or 0. True is none."""
    return type(value) is int and 0 <= value < 1 << 63


def _text(value: object) -> str:
    """`value` if it is text; else nothing, which is nobody's name."""
    return value if isinstance(value, str) else ""
