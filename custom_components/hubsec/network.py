"""A protected network: hubsec's hub, attached to whatever runs the network now.

The rules:

1. The guard is attached whenever the stack's entry is loaded, and to what runs then: a reload makes another object.
2. When the stack goes away under the guard (unloaded, reloaded, failed, Home Assistant stops), nothing is given back:
   the trust center is left refusing until the stack is there again. When this entry goes away, it is left as it was
   found.
3. It stands only once a canary, asked by the stack's own public way, was refused. Otherwise it says that it does not.
4. One thing at a time: attaching and detaching wait for each other, and the last word counts.
5. Failing is failing closed: a network that is to be guarded, and whose policy or store can't be opened, is shut.
6. What goes wrong is a state that can be seen, never a failed set-up: ZHA may be absent, late or broken for days.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntry,
    ConfigEntryChange,
    ConfigEntryState,
)
from homeassistant.const import EVENT_HOMEASSISTANT_FINAL_WRITE
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.dispatcher import async_dispatcher_connect

from hubsec import (
    Hub,
    HubsecError,
    Mode,
    Network,
    NotEnforceable,
    PolicyError,
    Posture,
    RadioError,
    Refused,
    Shut,
    StoreError,
    load_policy,
)
from hubsec.audit import Channel
from hubsec.events import Drifted, Event, KeyDelivered, RadioLost
from hubsec.radio import Radio, RadioPosture, SeenDevice, answering
from hubsec.rotation.shapes import RotationProgress
from hubsec.store import AsyncStore
from hubsec.vault import Vault

from .const import CONF_ADOPT, CONF_MODE, CONF_POLICY, CONF_STACK, CONF_STACK_ENTRY, DOMAIN
from .entrance import Entrance
from .refusing import refusals
from .stacks import STACKS, Found, Stack, Stale
from .waiting import waiting_change

_LOGGER = logging.getLogger(__name__)

type HubsecConfigEntry = ConfigEntry[ProtectedNetwork]

DEFAULT_POLICY = "home"
DEFAULT_MODE = Mode.OBSERVE
HOME_FOLDER = DOMAIN
"""In Home Assistant's configuration folder; in it each network has a folder, readable by its owner only."""
POLICY_FOLDER = "policies"
"""In that folder: a user's own policies, as YAML."""
POLICY_SUFFIXES = (".yaml", ".yml")
_NO_HUB = (PolicyError, StoreError, OSError)
"""Why there may be no hub although the radio is there."""
BYPASSED = "bypassed"
"""The gap of a Z-Wave guard that something else was put in the place of."""
EVENTS_KEPT = 50
"""The latest events, for the diagnostics."""


class Standing(enum.StrEnum):
    """How the guard stands."""

    WAITING = "waiting"
    """The stack is not loaded."""
    STANDS = "stands"
    """It is attached, and a canary was refused."""
    SILENT = "silent"
    """It is attached, but a canary was not refused: something opens this network past the guard."""
    UNENFORCEABLE = "unenforceable"
    """hubsec can't enforce on this radio."""
    OTHER_NETWORK = "other_network"
    """The stack runs another network than the one that this entry protects."""
    SHUT = "shut"
    """It is attached, but policy or store can't be opened: nobody joins until they can."""
    FAILED = "failed"
    """It could not be attached."""


def _listed[L](listeners: list[L], listener: L) -> CALLBACK_TYPE:
    """Put `listener` on the list; what comes back takes it off."""
    listeners.append(listener)

    @callback
    def take_off() -> None:
        if listener in listeners:
            listeners.remove(listener)

    return take_off


def _choices(entry: ConfigEntry) -> tuple[object, ...]:
    return entry.data[CONF_STACK_ENTRY], entry.options.get(CONF_MODE), entry.options.get(CONF_POLICY)


def _kept(state: RadioPosture) -> bool:
    """Whether it is open to nobody but whom hubsec opened it to."""
    if state.network is Network.ZWAVE:
        # Whoever has begun an inclusion, the guard answers what it asks.
        return BYPASSED not in state.gaps
    return state.closed or bool(state.open_to) or state.listening


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def home_of(hass: HomeAssistant, network_id: str) -> Path:
    """The folder of a network's store and its key file."""
    return Path(hass.config.path(HOME_FOLDER, network_id))


def policy_folder(hass: HomeAssistant) -> Path:
    """Where a user's own policies are."""
    return Path(hass.config.path(HOME_FOLDER, POLICY_FOLDER))


def policy_of(hass: HomeAssistant, chosen: str) -> str | Path:
    """What `chosen` in an entry's options stands for: a ready policy by its name, a user's own by its file's."""
    if chosen.endswith(POLICY_SUFFIXES):
        return policy_folder(hass) / Path(chosen).name
    return chosen


class ProtectedNetwork:
    """One entry's network. `standing` and `problem` say how the guard stands, and why if it doesn't.

    `hub` is there while the guard is attached, `posture` and `seen` (the devices that the stack knows, the coordinator
    left out) since it was last looked at, `recent` for good. `stale` says why the stack can't start where that is a
    matter of network keys, `broken` what was wrong with the audit log at `verified_at`. `waiting` is the change of the
    network key that waits for the guard, as it was last written down; None while there is a hub. Listeners are called
    after each change and each event.
    """

    def __init__(self, hass: HomeAssistant, entry: HubsecConfigEntry) -> None:
        self.hass = hass
        self.entry = entry
        self.stack: Stack = STACKS[entry.data[CONF_STACK]]
        self.standing = Standing.WAITING
        self.problem = ""
        self.stale: Stale | None = None
        self.broken = ""
        self.verified_at: float | None = None
        self.waiting: RotationProgress | None = None
        self.hub: Hub | None = None
        self.posture: Posture | None = None
        self.seen: tuple[SeenDevice, ...] = ()
        self.recent: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self._made_of = _choices(entry)
        self._radio: Radio | None = None
        self._running: object | None = None
        self._attached: AsyncExitStack | None = None
        self._turn = asyncio.Lock()
        self._stopped = False
        self._changed: list[CALLBACK_TYPE] = []
        self._heard: list[Callable[[Event], None]] = []
        self.entrance = Entrance(self)

    # What it is

    @property
    def network_id(self) -> str:
        """What names it for good."""
        return str(self.entry.unique_id)

    @property
    def home(self) -> Path:
        """The folder of its store and key file."""
        return home_of(self.hass, self.network_id)

    @property
    def mode(self) -> Mode:
        """What the user chose. A word that this version does not know, such as a later one's, is taken for enforce."""
        chosen = self.entry.options.get(CONF_MODE, DEFAULT_MODE)
        return Mode(chosen) if chosen in list(Mode) else Mode.ENFORCE

    @property
    def policy(self) -> str | Path:
        """A ready policy's name, or the path of the user's own."""
        return policy_of(self.hass, str(self.entry.options.get(CONF_POLICY, DEFAULT_POLICY)))

    @property
    def outdated(self) -> bool:
        """Whether the entry says something else than when this network was made: it is to be made anew."""
        return self._made_of != _choices(self.entry)

    @property
    def protected(self) -> bool:
        """Whether nobody joins now but by what the policy says, as last read back from the radio."""
        if self.standing is Standing.SHUT:
            return True
        posture = self.posture
        return (
            self.standing is Standing.STANDS
            and self.mode is Mode.ENFORCE
            and posture is not None
            and all(one.adopted and one.state.running and _kept(one.state) for one in posture.networks)
        )

    @property
    def stack_entry(self) -> ConfigEntry | None:
        """The entry of what runs the network; None when it is gone."""
        return self.hass.config_entries.async_get_entry(self.entry.data[CONF_STACK_ENTRY])

    def _stack_is_loaded(self) -> bool:
        there = self.stack_entry
        return there is not None and there.state is ConfigEntryState.LOADED

    def secrets(self) -> tuple[bytes, ...]:
        """Every key that the stack holds, so that none of them is shown; none while the guard is not attached."""
        return self.stack.secrets(self.stack_entry, self._running) if self._running is not None else ()

    def guarded(self) -> Hub:
        """The hub. Raises :class:`hubsec.Refused`, saying what to do, while the guard is not attached."""
        if self.hub is None:
            how = "lets nobody in" if self.standing is Standing.SHUT else "is not guarded"
            why = self.problem or f"{self.stack.name} is not running"
            raise Refused(f"{self.entry.title} {how} now: {why}", rule="detached")
        return self.hub

    # Who wants to know

    @callback
    def on_change(self, listener: CALLBACK_TYPE) -> CALLBACK_TYPE:
        """Call `listener` after each change of how the guard stands and after each event."""
        return _listed(self._changed, listener)

    @callback
    def on_event(self, listener: Callable[[Event], None]) -> CALLBACK_TYPE:
        """Call `listener` with each of hubsec's events, whichever hub it comes from."""
        return _listed(self._heard, listener)

    @callback
    def _tell(self) -> None:
        for listener in tuple(self._changed):
            listener()

    @callback
    def _hear(self, event: Event) -> None:
        if isinstance(event, RadioLost) and self.hub is None and not self._stack_is_loaded():
            return  # The stack was unloaded while the guard was being put on. It has lost nothing.
        if not isinstance(event, KeyDelivered):  # One for each device, and again: nothing else would be left.
            self.recent.append(event)
        for listener in tuple(self._heard):
            listener(event)
        if isinstance(event, (Drifted, RadioLost)):
            _LOGGER.warning("%s: %s", self.entry.title, type(event).__name__)
        self._tell()

    @callback
    def found_broken(self, problem: str) -> None:
        """What is wrong with the audit log, which was read just now; nothing when it is whole."""
        self.broken, self.verified_at = problem, time.time()
        self._tell()

    # Its life

    async def start(self) -> None:
        """Attach if the stack is there, and follow it from now on."""
        entry, hass = self.entry, self.hass
        entry.async_on_unload(await self.stack.hush(hass))
        entry.async_on_unload(
            async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, self._entry_changed)
        )
        entry.async_on_unload(
            hass.bus.async_listen_once(EVENT_HOMEASSISTANT_FINAL_WRITE, self._home_assistant_stops)
        )
        await self.follow()

    async def stop(self) -> None:
        """Detach, and leave the trust center and the stack's methods as they were found."""
        async with self._turn:
            self._stopped = True
            await self._detach(Standing.WAITING)

    async def _home_assistant_stops(self, _: object) -> None:
        # By now the stack has let go of its radio, so nothing is given back: it stays shut while nobody is at home.
        await self.stop()

    @callback
    def _entry_changed(self, change: ConfigEntryChange, entry: ConfigEntry) -> None:
        if entry.entry_id != self.entry.data[CONF_STACK_ENTRY]:
            return
        # While it unloads, the guard stays on, so that nothing is given back to a stack that is about to go.
        if change is ConfigEntryChange.REMOVED or entry.state is not ConfigEntryState.UNLOAD_IN_PROGRESS:
            self.entry.async_create_task(self.hass, self.follow(), f"{DOMAIN} follows {entry.domain}")

    async def follow(self) -> None:
        """Bring the guard to where the stack is now."""
        async with self._turn:
            if self._stopped:
                return
            await self._follow()
            self.waiting = await waiting_change(self.home, self.network_id) if self.hub is None else None
            self._tell()

    async def _follow(self) -> None:
        there = self.stack_entry
        if there is None or not self._stack_is_loaded():
            await self._detach(Standing.WAITING)
            await self._examine(there)
            return
        self.stale = None
        try:
            # Whatever a later version of the stack raises is a state, too (rule 5).
            with answering(self.stack.name):
                running = await self.stack.running(self.hass, there)
                if running is self._running:
                    return
                await self._detach(Standing.WAITING)
                await self._attach(there, running)
        except NotEnforceable as error:
            await self._detach(Standing.UNENFORCEABLE, str(error))
        except HubsecError as error:
            if self._stack_is_loaded():
                await self._detach(Standing.FAILED, str(error))
            else:  # It went away meanwhile.
                await self._detach(Standing.WAITING)

    async def _examine(self, there: ConfigEntry | None) -> None:
        """Whether the stack can't start because of what it remembers."""
        self.stale = None
        if there is None or there.state is not ConfigEntryState.SETUP_ERROR:
            return
        try:
            async with self._vault(read_only=True) as vault:
                self.stale = await self.stack.stale(self.hass, there, vault, self.network_id)
        except (HubsecError, OSError) as error:
            _LOGGER.debug("%s: looking at what %s remembers: %s", self.entry.title, self.stack.name, error)

    @contextlib.asynccontextmanager
    async def _vault(self, *, read_only: bool = False) -> AsyncGenerator[Vault]:
        """The vault of a store that no hub has open."""
        async with AsyncStore(self.home, read_only=read_only) as store:
            yield Vault(store, time.time)

    async def renew_stack(self) -> None:
        """Unload the stack, bring what it remembers to the key in use, and load it again, whatever came of it.

        Raises :class:`hubsec.HubsecError`, and :class:`homeassistant.config_entries.OperationNotAllowed`.
        """
        entries, there = self.hass.config_entries, self.stack_entry
        if there is None:
            raise Refused(f"What ran {self.entry.title} is gone.", rule="detached")
        async with self._turn:
            await entries.async_unload(there.entry_id)
            await self._detach(Standing.WAITING)
            try:
                async with self._vault() as vault:
                    await self.stack.renew(self.hass, there, vault)
            finally:
                self.stale = None
                await entries.async_setup(there.entry_id)
        await self.follow()
        if not self._stack_is_loaded():
            raise RadioError(
                f"{self.stack.name} does not load all the same. Look at its entry and its own repairs."
            )

    async def attach_anew(self) -> None:
        """Detach, and attach again, even where all seems well."""
        async with self._turn:
            self._running = None
        await self.follow()

    async def _attach(self, there: ConfigEntry, running: object) -> None:
        found = await self.stack.look(self.hass, there)
        if found.network_id != self.network_id:
            self._stand(Standing.OTHER_NETWORK, found.network_id)
            return
        radio = await self._guard(there, running)
        try:
            async with AsyncExitStack() as stack:
                await self.hass.async_add_executor_job(_make_private, self.home)
                hub = Hub(
                    radio,
                    policy=self.policy,
                    mode=self.mode,
                    home=self.home,
                    channel=Channel.HOME_ASSISTANT,
                )
                hub.on(Event, self._hear)
                await stack.enter_async_context(hub)
                await self._adopt(hub, radio.name, found)
                self.hub, self._radio, self._running = hub, radio, running
                self._attached = stack.pop_all()
        except _NO_HUB as error:
            if self.mode is not Mode.ENFORCE:
                raise
            await self._shut(there, running, str(error))
            return
        sang = await self.stack.sing(self.hass, there)
        await self.look()
        self._stand(Standing.STANDS if sang else Standing.SILENT)

    async def _guard(self, there: ConfigEntry, running: object) -> Radio:
        refusal = refusals(self.entry.title, self.stack.advice, await self.stack.failure(self.hass))
        return await self.stack.radio(self.hass, there, running, refusal=refusal)

    async def _shut(self, there: ConfigEntry, running: object, problem: str) -> None:
        """There is no hub to be had, and this network was to be guarded: it stays shut meanwhile."""
        radio = await self._guard(there, running)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(Shut(radio, reason=problem, tell=self._hear))
            self._running = running
            self._attached = stack.pop_all()
        self._stand(Standing.SHUT, problem)

    async def mend(self) -> None:
        """Try again what failed, if it may have been mended meanwhile."""
        if self.standing is Standing.FAILED:
            await self.follow()
        elif self.standing is Standing.SHUT:
            # Looked at first, for attaching anew leaves the network unguarded for a moment.
            with contextlib.suppress(HubsecError, OSError):
                await self.hass.async_add_executor_job(load_policy, self.policy)
                await (await AsyncStore.open(self.home)).aclose()
                await self.attach_anew()

    async def _adopt(self, hub: Hub, radio: str, found: Found) -> None:
        """Write down the baseline that the user confirmed before there was a hub to keep it."""
        if CONF_ADOPT not in self.entry.data:
            return
        there = {device.device for device in found.devices}
        await hub.adopt(radio, devices=[one for one in self.entry.data[CONF_ADOPT] if one in there])
        kept = {key: value for key, value in self.entry.data.items() if key != CONF_ADOPT}
        self.hass.config_entries.async_update_entry(self.entry, data=kept)

    async def _detach(self, standing: Standing, problem: str = "") -> None:
        attached, self._attached = self._attached, None
        self.hub = self.posture = self._radio = self._running = None
        self.seen = ()
        self.entrance.forget()
        try:
            if attached is not None:
                await attached.aclose()
        except HubsecError as error:
            _LOGGER.warning("%s: detaching: %s", self.entry.title, error)
        finally:
            self._stand(standing, problem)

    async def look(self) -> None:
        """Read the posture back from the radio, and who is there."""
        hub, radio = self.hub, self._radio
        if hub is None or radio is None:
            return
        posture, seen = None, self.seen
        # What can't be read back is not known: it is not what it was before.
        with contextlib.suppress(HubsecError), answering(radio.name):
            posture, seen = await hub.posture(), tuple(radio.devices())
        if self.hub is hub:
            self.posture, self.seen = posture, seen
            self._tell()

    @callback
    def _stand(self, standing: Standing, problem: str = "") -> None:
        self.standing, self.problem = standing, problem
        self._tell()
