"""A Zigbee network on an EZSP stick (Silicon Labs), through bellows: its own, or one that somebody else runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from hubsec.errors import HubsecError, RadioError
from hubsec.events import GuardAttached, GuardDetached, KeysDisagree
from hubsec.identity import Identity, Mode, Network, Standing
from hubsec.radio import AdmissionOrder, Authority, Capabilities, Eviction, RadioPosture, SeenDevice
from hubsec.rotation.radio import KeyRoute, KeyState, ReturnOrder
from hubsec.secret import Secret
from hubsec_zigbee.attached import Attachment, check_running
from hubsec_zigbee.backups import GAP_IN_CLEAR, SealedBackups
from hubsec_zigbee.capabilities import capabilities_of
from hubsec_zigbee.gate import Refusal, check_pinned
from hubsec_zigbee.guard import Guard
from hubsec_zigbee.hosting import Hosting
from hubsec_zigbee.limits import LAST_COMMANDS, Limits
from hubsec_zigbee.link_keys import LinkKeys
from hubsec_zigbee.own import guarded_application
from hubsec_zigbee.quiet import Quiet
from hubsec_zigbee.repairing import REMEMBERED, REMINDED, TO_REMIND, remembers_old_key
from hubsec_zigbee.restoring import Restoring

if TYPE_CHECKING:
    import zigpy.device

LOGGER = logging.getLogger(__package__)

LIBRARY: Final = "bellows"
_OWN: Final = "own"
_ATTACHED: Final = "attach"


class Bellows:
    """A radio for a hub.

    `url` is a serial port's path, or `tcp://host:port`. `database` is zigpy's own file, none unless given.
    `name` is what events call the radio. `config` is laid over what bellows is configured with, as zigpy
    documents it. `auto_form`:
    form a network where the stick has none. `limits` bounds what takes time. `link_keys`: "hashed", one secret for
    all, or "unique", a key in the stick's small table for each device, for a network that is formed so
    (:mod:`hubsec_zigbee.link_keys`); raises :class:`~hubsec.errors.RadioError` for anything else.
    `bring_back`: should the stick have a network key that the network has left since, because an old backup was
    restored to it, write the newest one to it; else it does not start.
    """

    def __init__(
        self,
        url: str,
        *,
        database: str | Path | None = None,
        name: str = LIBRARY,
        config: Mapping[str, Any] | None = None,
        auto_form: bool = True,
        limits: Limits | None = None,
        link_keys: LinkKeys | str = LinkKeys.HASHED,
        bring_back: bool = False,
    ) -> None:
        self._set_up(name, limits)
        self._guard.link_keys.kind = _link_keys(link_keys)
        self._restoring = Restoring(self._guard.desk, self._backups, bring_back=bring_back)
        self._auto_form = auto_form
        self._config: dict[str, Any] = {
            "device": {"path": url},
            "database_path": None if database is None else str(database),
            # One loop: a thread of its own would put frames between a decision and what follows from it.
            "use_thread": False,
            "ota": {"enabled": False},
            "topology_scan_enabled": False,
            **(config or {}),
        }

    @classmethod
    def attach(
        cls, app: Any, *, name: str = LIBRARY, limits: Limits | None = None, refusal: Refusal | None = None
    ) -> Self:
        """A radio on `app`, a running `bellows.zigbee.application.ControllerApplication`; it stands once it is opened.

        Whoever is refused by the guard gets :class:`~hubsec.errors.Refused`, or what `refusal` makes of it: a host has
        errors of its own that its users understand. Raises :class:`~hubsec.errors.RadioError` for anything else than
        such an application, and for a bellows whose insides are not the known ones."""
        check_running(app)
        radio = cls.__new__(cls)
        radio._set_up(name, limits, refusal)
        radio._attachment = Attachment(radio._guard, app)
        radio._app = app
        return radio

    def _set_up(self, name: str, limits: Limits | None, refusal: Refusal | None = None) -> None:
        self._name = name
        self._guard = Guard(name, limits or Limits(), refusal)
        self._backups = SealedBackups(self._guard.desk)
        self._quiet = Quiet()
        self._attachment: Attachment | None = None
        self._app: Any = None
        self._open = False
        self._closing: asyncio.Task[None] | None = None

    # What it is

    @property
    def name(self) -> str:
        """What events call it."""
        return self._name

    @property
    def network(self) -> Network:
        """Zigbee."""
        return Network.ZIGBEE

    @property
    def capabilities(self) -> Capabilities:
        """What bellows can do."""
        return capabilities_of(LIBRARY)

    @property
    def link_keys(self) -> LinkKeys:
        """How the network's link keys are made."""
        return self._guard.link_keys.kind

    @property
    def app(self) -> Any:
        """The zigpy application; raises :class:`~hubsec.errors.RadioError` before the radio is opened."""
        if self._app is None:
            raise RadioError(f"{self._name} is not open.")
        return self._app

    @property
    def guard(self) -> Guard:
        """The guard, for whoever measures or rotates."""
        return self._guard

    def device(self, device: str) -> zigpy.device.Device:
        """zigpy's object of a device. Raises :class:`~hubsec.errors.Quarantined` for one that is shut off, and
        :class:`~hubsec.errors.RadioError` for one that zigpy does not have."""
        identity, desk = Identity(device), self._guard.desk
        if desk.enforcing and desk.standing(identity) is Standing.QUARANTINED:
            raise self._guard.quarantined(identity)
        found: zigpy.device.Device = self._hosting().find(identity)
        return found

    def devices(self) -> Sequence[SeenDevice]:
        """Every device that zigpy has, the coordinator left out."""
        return self._hosting().seen()

    def _hosting(self) -> Hosting:
        if self._guard.hosting is None or not self._open:
            raise RadioError(f"{self._name} is not open.")
        return self._guard.hosting

    # Opening

    async def open(self, authority: Authority) -> None:
        """Start, or attach. On any failure the trust center is left refusing, in attach mode as it was."""
        if self._open or (self._closing is not None and not self._closing.done()):
            raise RadioError(f"{self._name} is open already.")
        self._guard.begin(authority)
        self._quiet.put_on()
        try:
            if self._attachment is None:
                await self._start()
            else:
                check_running(self._app)
                await self._attachment.put_on()
            await self._guard.stand(self._hosting_on(self._app))
            if self._attachment is not None and self._guard.enforcing:
                await self._attachment.shut_green_power()
        except BaseException as error:
            await self._give_up()
            if isinstance(error, HubsecError) or not isinstance(error, Exception):
                raise
            # Not chained: zigpy shows the network key where a stick does not fit its backup.
            told = f": {error}" if isinstance(error, OSError) else ""
            raise RadioError(f"{self._name} did not start: {type(error).__name__}{told}") from None
        self._open = True
        gaps = (await self._guard.posture()).gaps
        self._guard.desk.publish(
            GuardAttached, way=_OWN if self._attachment is None else _ATTACHED, gaps=gaps
        )
        if self._attachment is not None:
            await self._remind()

    async def _remind(self) -> None:
        """A host whose backups have a key that the network has left makes a new one, if it may be told to."""
        vault, remembers, repaired = self._guard.desk.authority.vault, False, False
        try:
            remembers = vault is not None and await remembers_old_key(self._app, vault)
            if remembers and self._guard.enforcing:
                await self.follow_key()
                repaired = True
        except HubsecError as error:
            LOGGER.warning("%s: zigpy's backups: %s", self._name, error)
        if remembers:
            repair = REMINDED if repaired else TO_REMIND
            self._guard.desk.publish(KeysDisagree, reason=REMEMBERED, repair=repair, repaired=repaired)

    async def _start(self) -> None:
        check_pinned()
        kind = guarded_application(self._guard, self._backups, self._restoring)
        await self._seal_backups()
        try:
            self._app = await kind.new(self._config, auto_form=self._auto_form)
            if self._backups.stands:
                await self._backups.started()
        except BaseException:
            # zigpy has disconnected, and left its database open.
            self._app = kind.instance
            raise

    async def _seal_backups(self) -> None:
        """Move zigpy's backups from its database to the vault; where that fails they stay, which is said."""
        database = self._config.get("database_path")
        if database is None or not self._backups.stands:
            return
        try:
            await self._backups.take_over(Path(database))
            self._guard.gaps.discard(GAP_IN_CLEAR)
        except HubsecError as error:
            LOGGER.warning("%s: zigpy's backups were not sealed: %s", self._name, error)
            self._guard.gaps.add(GAP_IN_CLEAR)

    def _hosting_on(self, app: Any) -> Hosting:
        guard = self._guard
        return Hosting(app, interviewed=guard.interviewed, lost=guard.lost)

    async def _give_up(self) -> None:
        await self._guard.stop()
        if self._attachment is not None:
            await self._attachment.take_off()
        elif self._app is not None:
            await self._leave_refusing()
            await self._shut_down()
        self._quiet.take_off()

    # Closing

    async def close(self) -> None:
        """Stop and leave the trust center refusing, or detach and leave what was there before. Idempotent."""
        if self._open:
            self._open = False
            # A task of its own: a caller that is cancelled leaves no guard behind that is half taken off.
            self._closing = asyncio.create_task(self._close(), name=f"hubsec close {self._name}")
        if self._closing is not None:
            await asyncio.shield(self._closing)

    async def _close(self) -> None:
        await self._guard.stop()
        if self._attachment is not None:
            restored = await self._attachment.take_off()
            reason = "It was detached."
        else:
            refusing = await self._leave_refusing()
            await self._shut_down()
            restored = False
            reason = "The radio was closed" + (" and left refusing." if refusing else ".")
        # What came in meanwhile has made work of its own.
        await self._guard.desk.settle()
        self._quiet.take_off()
        self._guard.desk.publish(GuardDetached, restored=restored, reason=reason)

    async def _leave_refusing(self) -> bool:
        guard = self._guard
        if not (guard.gate.on and guard.gate.network_up and guard.desk.authority.mode is Mode.ENFORCE):
            return False
        try:
            await guard.settings.leave_closed()
        except RadioError as error:
            LOGGER.warning("%s could not be read back as refusing: %s", self._name, error)
            return False
        return True

    async def _shut_down(self) -> None:
        app, self._app = self._app, None
        # A backup that the closing cuts in two would be told as a failure.
        app.backups.stop_periodic_backups()
        with contextlib.suppress(HubsecError):
            await self._backups.flush()
        await self._guard.desk.settle()
        await self._guard.gate.drain(LAST_COMMANDS)
        try:
            await app.shutdown()
        finally:
            self._guard.gate.take_off()

    # Orders

    async def admit(self, order: AdmissionOrder) -> None:
        """Open for that one device."""
        await self._guard.admit(order)

    async def withdraw(self, admission: str, reason: str) -> None:
        """End an admission early."""
        LOGGER.debug("%s: %s is withdrawn: %s", self._name, admission, reason)
        await self._guard.withdraw(admission)

    async def listen(self, seconds: float, *, by: str) -> None:
        """Hear knocks for that long, at most 180 s; 0 stops."""
        await self._guard.listen(seconds, by)

    async def evict(self, device: Identity) -> Eviction:
        """Make it leave, through its parent; says whether it did."""
        if not self._open:
            raise RadioError(f"{self._name} is not open.")
        return await self._guard.evict(device)

    # The network key: what a rotation asks of a radio (hubsec.rotation.radio.KeyRadio)

    async def key_state(self) -> KeyState:
        """The network keys, read back from the stick."""
        return await self._guard.rotating.key_state()

    async def key_routes(self) -> Sequence[KeyRoute]:
        """How each device that zigpy has can be given a key."""
        return await self._guard.rotating.key_routes()

    async def broadcast_next_key(self, key: Secret) -> None:
        """Stage `key`, and send it to everybody under the one in force."""
        await self._guard.rotating.broadcast_next_key(key)

    async def send_next_key(self, device: Identity, key: Secret) -> bool:
        """Stage `key`, and send it to `device` under its link key. Whether it answered something after that."""
        return await self._guard.rotating.send_next_key(device, key)

    async def switch_key(self) -> None:
        """Tell everybody to use the staged key, and use it; read back."""
        await self._guard.rotating.switch_key()

    async def answers(self, device: Identity) -> bool:
        """Whether `device` answers now, under the key in force."""
        return await self._guard.rotating.answers(device)

    def heard(self, callback: Callable[[Identity], None]) -> Callable[[], None]:
        """Call `callback` whenever a device is heard. Returns an idempotent unsubscribe."""
        return self._guard.rotating.heard(callback)

    async def follow_key(self) -> None:
        """Bring zigpy's record of the network to the key in force: its state, and a fresh backup in place of those
        with another key."""
        fresh = await self._hosting().follow_key()
        if self._attachment is None and self._backups.stands:
            await self._backups.follow(fresh)

    async def take_back(self, order: ReturnOrder) -> None:
        """Take back who lost the network key, for a while, where nobody else can come: see
        :mod:`hubsec_zigbee.taking_back`."""
        await self._guard.take_back(order)

    async def take_nobody_back(self, reason: str) -> None:
        """Shut that again."""
        await self._guard.take_nobody_back(reason)

    async def posture(self) -> RadioPosture:
        """How the radio stands, read back now."""
        return await self._guard.posture()


def _link_keys(text: str) -> LinkKeys:
    try:
        return LinkKeys(text)
    except ValueError:
        raise RadioError(f"link_keys is {' or '.join(LinkKeys)}, not {text!r}.") from None
