"""What clients of the server want to do about who is on the network: held to the policy, one command at a
time.

A client that begins an inclusion with S2 gets one under the policy, where the policy lets it: hubsec cuts what it
grants, and the DSK that its user confirms becomes an entry of the allowlist, on that client's word, before any key
leaves. An inclusion without S2, a backup that is to be put back, another network that is to be joined: those are
refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from hubsec.decisions import Allow
from hubsec.errors import HubsecError, Refused, StickerError
from hubsec.events import JoinFailed
from hubsec.identity import Identity, Network, SecurityClass, dsk_identity
from hubsec.reinclusion.radio import REINCLUSION
from hubsec.requests import JoinKind, JoinRequest, OpenKind
from hubsec.secret import Secret
from hubsec.stickers import read_sticker
from hubsec_zwave.including import SECURITY_CLASS, Including
from hubsec_zwave.inclusion import Inclusion
from hubsec_zwave.provisioning import Provisioning, without_node
from hubsec_zwave.removing import Removing
from hubsec_zwave.screening import Refusal
from hubsec_zwave.station import HOST, Station
from hubsec_zwave.wire import (
    EXCLUDE_ONLY,
    Provisioned,
    Strategy,
    classes_of,
    dsk_text,
    numbers_of,
    pin_text,
    read_pin,
    shown_identity,
    whole_dsk,
)

type Json = Mapping[str, Any]

DIALOG: Final = "dialog"
"""The rule that nobody answers what somebody else was asked."""
PROVISIONING: Final = "provisioning"
"""The rule that the provisioning list is the allowlist's mirror."""
_NOT_YOURS: Final = "Another client has begun this inclusion, and it alone may answer or end it."
_NOT_ASKED: Final = "Whoever asked for it has gone."
_MINUTE: Final = 60
_LEAST_PROVED: Final = SecurityClass.S2_AUTHENTICATED


class Dialog:
    """The judged commands, each with what becomes of it."""

    def __init__(
        self, station: Station, including: Including, provisioning: Provisioning, removing: Removing
    ) -> None:
        self._station = station
        self._including = including
        self._provisioning = provisioning
        self._removing = removing
        self._excluder: str | None = None
        self._vouched_by: dict[Identity, str] = {}
        self._judges: dict[str, Callable[[str, Json], Awaitable[Json]]] = {
            "controller.begin_inclusion": self._begin,
            "controller.replace_failed_node": self._begin,
            "controller.stop_inclusion": self._stop,
            "controller.grant_security_classes": self._grant,
            "controller.validate_dsk_and_enter_pin": self._pin,
            "controller.cancel_secure_bootstrap_s2": self._cancel,
            "controller.provision_smart_start_node": self._provision,
            "controller.unprovision_smart_start_node": self._unprovision,
            "controller.begin_exclusion": self._begin_exclusion,
            "controller.stop_exclusion": self._stop_exclusion,
            "controller.remove_failed_node": self._pass,
            "controller.restore_nvm": self._restore,
            "controller.restore_nvm_raw": self._restore,
        }

    async def command(self, asker: str, message: Json) -> Json | Refusal:
        """What becomes of a judged command. In mode observe it is only asked about."""
        if not self._station.is_open:
            return Refusal("The hub is not open, so nobody can judge that.", "radio")
        if self._station.enforcing and not self._station.connected:
            return Refusal("hubsec has no connection to the server, and would not hear who comes.", "radio")
        judge = self._judges.get(str(message.get("command")), self._take_over)
        try:
            return await judge(asker, message)
        except StickerError as error:
            return Refusal(error.reason, "sticker")
        except Refused as refused:
            return Refusal(refused.reason, refused.rule)
        except HubsecError as error:
            return Refusal(str(error), "radio")

    # Inclusion

    async def _begin(self, asker: str, message: Json) -> Json:
        options = message.get("options")
        options = options if isinstance(options, Mapping) else {}
        strategy = options.get("strategy")
        safe = strategy in (Strategy.DEFAULT, Strategy.SECURITY_S2)
        await self._open(OpenKind.INCLUSION if safe else OpenKind.INSECURE_INCLUSION, asker, seconds=_MINUTE)
        if not self._station.enforcing:
            self._including.begun(asker)
            return message
        self._free()
        node_id = message.get("nodeId")
        if type(node_id) is int and self._station.holding(node_id) is not None:
            raise Refused("That place is kept for a device that awaits new keys.", rule=REINCLUSION)
        await self._removing.make_way()
        changed: dict[str, Any] = {"strategy": int(Strategy.SECURITY_S2)}
        planned = options.get("provisioning", options.get("dsk"))
        if planned is None:
            self._begun(asker)
            return {**message, "options": changed}
        async with self._vouched(asker, _read_planned(planned), None) as (device, secret):
            inclusion = self._begun(asker)
            try:
                changed["provisioning"] = await self._planned(inclusion, device, secret)
            except BaseException:
                if self._including.inclusion is inclusion:
                    self._including.over()
                raise
        return {**message, "options": changed}

    def _begun(self, asker: str) -> Inclusion:
        """From here on it is that client's; somebody else may have begun one meanwhile."""
        self._free()
        return self._including.begun(asker)

    def _free(self) -> None:
        running = self._including.inclusion
        if running is not None:
            raise Refused("The controller is busy with another inclusion.", rule=DIALOG)

    @asynccontextmanager
    async def _vouched(
        self, asker: str, secret: Secret, device_class: str | None, *, smart_start: bool = False
    ) -> AsyncIterator[tuple[Identity, Secret]]:
        """The device whose whole DSK a client names: it is vouched for by that, unless the block raises."""
        station, device = self._station, dsk_identity(secret.reveal())
        order, vouched = station.orders.get(device), None
        if order is None:
            order = vouched = await station.authority.vouch(
                secret, by=asker, device_class=device_class, smart_start=smart_start
            )
            station.orders[device] = order
            self._vouched_by[device] = _whose(asker)
        try:
            yield device, order.secret
        except BaseException as error:
            if vouched is not None and station.orders.get(device) is vouched:
                # Else it would come in by what is left of this: by an inclusion of hubsec's, or as active on the list.
                del station.orders[device]
                station.publish(
                    JoinFailed, device=device, correlation=vouched.admission, reason=str(error) or _NOT_ASKED
                )
            raise

    async def _planned(self, inclusion: Inclusion, device: Identity, secret: Secret) -> dict[str, Any]:
        """A provisioning entry for an inclusion in which nobody is asked again: what it grants is cut
        here."""
        station = self._station
        least = station.orders[device].least
        inclusion.grant([one for one in SecurityClass if one.rank >= _LEAST_PROVED.rank], [least])
        if not await self._including.join(inclusion, device):
            raise Refused(inclusion.refused or "", rule="join")
        return {"dsk": dsk_text(secret), "securityClasses": numbers_of(inclusion.granted)}

    async def _stop(self, asker: str, message: Json) -> Json:
        inclusion = self._including.inclusion
        if not self._station.enforcing or (inclusion is None and asker == HOST):
            return message
        # Where none is running, either: it has a wire of its own, and could come after a beginning that it was before.
        self._answerable(asker)
        return message

    async def _cancel(self, asker: str, message: Json) -> Json:
        if self._station.enforcing:
            self._answerable(asker)
        return message

    def _answerable(self, asker: str) -> Inclusion:
        inclusion = self._including.inclusion
        if inclusion is None:
            raise Refused("No inclusion is running.", rule=DIALOG)
        if not inclusion.may_answer(asker):
            raise Refused(_NOT_YOURS, rule=DIALOG)
        return inclusion

    # Answers

    def heard(self, asker: str, event: Json) -> None:
        """The server asks the client that began."""
        inclusion = self._including.inclusion
        if inclusion is None or not inclusion.may_answer(asker):
            return
        requested, shown = event.get("requested"), shown_identity(event.get("dsk"))
        if isinstance(requested, Mapping):
            inclusion.asked = classes_of(requested.get("securityClasses"))
        if shown is not None:
            inclusion.show(shown)

    async def _grant(self, asker: str, message: Json) -> Json:
        if not self._station.enforcing:
            return message
        inclusion, grant = self._answerable(asker), message.get("inclusionGrant")
        if not isinstance(grant, Mapping):
            return {**message, "inclusionGrant": False}
        asked = [one for one in classes_of(grant.get("securityClasses")) if one in inclusion.asked]
        least = [self._station.authority.least_security(inclusion.device_class)]
        granted = inclusion.grant(asked, least)
        if not granted:
            self._including.denied(inclusion, None, inclusion.refused or "", SECURITY_CLASS)
            return {**message, "inclusionGrant": False}
        return {
            **message,
            "inclusionGrant": {"securityClasses": numbers_of(granted), "clientSideAuth": False},
        }

    async def _pin(self, asker: str, message: Json) -> Json:
        if not self._station.enforcing:
            return message
        inclusion, pin = self._answerable(asker), read_pin(message.get("pin"))
        if pin is None:
            return {**message, "pin": False}
        if inclusion.shown is None:
            raise Refused("No device has shown its DSK yet.", rule=DIALOG)
        whole = whole_dsk(pin, inclusion.shown)
        try:
            async with self._vouched(asker, whole, inclusion.device_class) as (device, secret):
                if pin_text(secret) != pin:
                    raise Refused("The PIN is not the one of this device's sticker.", rule="pin")
                if not await self._including.join(inclusion, device):
                    raise Refused(inclusion.refused or "", rule="join")
                if self._including.inclusion is not inclusion:
                    raise Refused("That inclusion is over.", rule=DIALOG)
        except HubsecError:
            if self._including.inclusion is inclusion:
                # The device waits for an answer, and whoever asked is told why.
                await self._station.command("controller.validate_dsk_and_enter_pin", pin=False)
            raise
        return message

    # The provisioning list

    async def _provision(self, asker: str, message: Json) -> Json:
        entry = message.get("entry")
        await self._open(OpenKind.INCLUSION, asker)
        if not self._station.enforcing:
            return message
        if isinstance(entry, Mapping) and entry.get("status") == Provisioned.INACTIVE:
            return self._shut_again(asker, message)
        station = self._station
        async with self._vouched(asker, _read_planned(entry), None, smart_start=True) as (device, secret):
            decision = await station.judge(
                JoinRequest(
                    radio=station.name, network=station.network, device=device, kind=JoinKind.SMART_START
                )
            )
            if not isinstance(decision, Allow):
                raise Refused(decision.reason, rule=decision.rule)
            order = station.orders.get(device)
            if order is None:
                raise Refused("Its admission is over.", rule=PROVISIONING)
        granted = [one for one in SecurityClass if one.rank >= max(order.least.rank, _LEAST_PROVED.rank)]
        return {
            **message,
            "entry": {
                "dsk": dsk_text(secret),
                "securityClasses": numbers_of(granted),
                "status": int(Provisioned.ACTIVE),
            },
        }

    def _shut_again(self, asker: str, message: Json) -> Json:
        """An entry that lets nobody in. Whoever has vouched for a device takes that back by it, as another guard does
        that stands on a client of the gate's."""
        device = dsk_identity(_read_planned(message["entry"]).reveal())
        if device in self._station.orders and self._vouched_by.get(device) != _whose(asker):
            raise Refused(
                "The provisioning list follows hubsec's allowlist: admit the device.", rule=PROVISIONING
            )
        self._station.orders.pop(device, None)
        return {**message, "entry": without_node(message["entry"])}

    async def _unprovision(self, asker: str, message: Json) -> Json:  # noqa: ARG002 - the same for everybody
        if self._station.enforcing:
            raise Refused(
                "The provisioning list follows hubsec's allowlist: revoke the device there.",
                rule=PROVISIONING,
            )
        return message

    # Taking out, and taking over

    async def _begin_exclusion(self, asker: str, message: Json) -> Json:
        if not self._station.enforcing:
            return message
        self._free()
        self._excluder = asker
        changed = {name: value for name, value in message.items() if name not in ("unprovision", "strategy")}
        return {**changed, "options": {"strategy": EXCLUDE_ONLY}}

    async def _stop_exclusion(self, asker: str, message: Json) -> Json:
        mine = self._excluder == asker or (self._excluder is None and asker == HOST)
        if self._station.enforcing and (self._removing.excluding or not mine):
            raise Refused("Another client has begun this exclusion.", rule=DIALOG)
        self._excluder = None
        return message

    async def _pass(self, asker: str, message: Json) -> Json:  # noqa: ARG002 - the same for everybody
        return message

    async def _restore(self, asker: str, message: Json) -> Json:
        await self._open(OpenKind.RESTORE, asker)
        return message

    async def _take_over(self, asker: str, message: Json) -> Json:
        await self._open(OpenKind.TAKEOVER, asker)
        return message

    async def _open(self, kind: OpenKind, asker: str, *, seconds: int = 0) -> None:
        refused = await self._station.may_open(kind, asker, seconds=seconds)
        if refused is not None and self._station.enforcing:
            reason, rule = refused
            raise Refused(reason, rule=rule)


def _whose(asker: str) -> str:
    """The client whose connection that is."""
    return asker.partition("#")[0]


def _read_planned(planned: object) -> Secret:
    """The DSK that a client names, as text or in an entry. Raises :class:`~hubsec.errors.StickerError`."""
    text = planned.get("dsk") if isinstance(planned, Mapping) else planned
    if not isinstance(text, str):
        raise StickerError("A provisioning entry has a DSK.")
    sticker = read_sticker(text)
    if sticker.network is not Network.ZWAVE:
        raise StickerError("That is the sticker of a Zigbee device.")
    return sticker.credential
