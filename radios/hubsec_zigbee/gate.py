"""The choke point between bellows and its NCP.

Every EZSP command that the host sends and every callback that the NCP sends passes here. bellows makes a new protocol
handler after each reset, in `EZSP._switch_protocol_version`; the gate instruments each one's `command` and
`_handle_callback` before anything is sent through it. What it stands on in bellows is listed in :data:`PINNED`, and
:func:`check_pinned` refuses a bellows that lacks any of it.

The gate does not know what is allowed: it asks its :class:`Keeper`. It knows what has to be asked (:mod:`.rules`).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol, assert_never

import bellows.ezsp
from bellows.exception import EzspError
from bellows.ezsp.protocol import ProtocolHandler

from hubsec.canaries import refuse_canary
from hubsec.errors import Quarantined, RadioError, Refused
from hubsec.identity import Identity
from hubsec.requests import OpenKind
from hubsec_zigbee.frames import (
    GREEN_POWER_CLUSTER,
    MGMT_PERMIT_JOINING_REQ,
    ZDO_PROFILE,
    MalformedFrame,
    Outgoing,
    green_power_order,
    permit_joining,
    xncp_frame,
)
from hubsec_zigbee.rules import (
    GUARDED_CONFIGURATION,
    GUARDED_VALUES,
    HOST_COMMANDS,
    OWNED_POLICIES,
    WRITABLE_TOKENS,
    Rule,
)

PINNED: Final[Mapping[type, tuple[str, ...]]] = {
    bellows.ezsp.EZSP: ("_switch_protocol_version", "handle_callback", "is_ezsp_running", "ezsp_version"),
    ProtocolHandler: ("command", "__call__"),
}
_PROTOCOL: Final = "_protocol"
_COMMAND: Final = "command"
_CALLBACK: Final = "_handle_callback"
_SWITCH: Final = "_switch_protocol_version"
_DIRECT: Final = 0x00
"""EmberOutgoingMessageType OUTGOING_DIRECT: the message names its destination."""
_FIRST_BROADCAST: Final = 0xFFF8
_LOOK: Final = 0.01
"""Seconds between two looks for what is not acknowledged; an acknowledgement takes some milliseconds."""

Send = Callable[..., Awaitable[Any]]
Deliver = Callable[[str, Any], None]
Refusal = Callable[[Refused], Exception]


class Keeper(Protocol):
    """Who decides for the gate."""

    @property
    def enforcing(self) -> bool:
        """Whether a refusal is carried out, or only said."""

    @property
    def refusal(self) -> Refusal:
        """What the host's caller gets in place of a :class:`~hubsec.errors.Refused`."""

    async def before_start(self) -> None:
        """The host is about to bring the network up: close the trust center, and read it back. May raise."""

    async def ask_to_open(self, kind: OpenKind, seconds: int, device: Identity | None = None) -> None:
        """Raises :class:`~hubsec.errors.Refused` where the host may not open, and is enforced."""

    def host_closed(self) -> None:
        """The host closes the network, which it always may."""

    def ask_to_pair(self) -> None:
        """Raises :class:`~hubsec.errors.Refused` where no Green Power device may be given keys."""

    def ask_to_send(self, short: int) -> None:
        """Raises :class:`~hubsec.errors.Quarantined` for a shut-off device."""

    def host_policy(self, policy: int, value: int) -> None:
        """The host wanted this of a policy that is hubsec's."""

    def forms(self, state: Any) -> None:
        """The host sets the keys of a network that it is about to form; `state` may be changed."""

    def refused(self, command: str, reason: str) -> None:
        """The host sent a command that it may not, and is told so; or would be, if enforced."""

    def passes(self, args: Any) -> bool:
        """Whether an incomingMessageHandler reaches the host. Never raises."""

    def received(self, name: str, args: Any) -> bool:
        """Whether any other callback reaches the host. Never raises."""

    def restarted(self, version: int) -> None:
        """A protocol handler for that EZSP version begins: the NCP was reset, or its version is known now."""


def check_pinned(ezsp: object | None = None) -> None:
    """Raises :class:`~hubsec.errors.RadioError` for a bellows that does not have what the gate stands on."""
    missing = [
        f"{owner.__name__}.{name}"
        for owner, names in PINNED.items()
        for name in names
        if not hasattr(owner, name)
    ]
    if ezsp is not None and not missing:
        handler = getattr(ezsp, _PROTOCOL, None)
        if handler is not None and not hasattr(handler, _CALLBACK):
            missing.append(f"ProtocolHandler.{_CALLBACK}")
        if not hasattr(ezsp, _PROTOCOL):
            missing.append(f"EZSP.{_PROTOCOL}")
    if missing:
        raise RadioError(
            f"This bellows can't be guarded, it lacks {', '.join(missing)}. Use one from 0.44.1 to 1.2.1."
        )


class Gate:
    """On one `EZSP` object at a time; `keeper` decides."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._ezsp: Any = None
        self._handlers: dict[int, tuple[Any, Send, Deliver]] = {}
        self._mine: dict[int, tuple[Any, Any]] = {}
        self._switch: Any = None
        self._switch_before: Any = None
        self._command_before: dict[int, Any] = {}
        self._up = False
        self._under_way = 0
        self._idle = asyncio.Event()
        self._over = False

    # On and off

    @property
    def on(self) -> bool:
        """Whether it stands."""
        return self._ezsp is not None

    @property
    def ezsp(self) -> Any:
        """The guarded `EZSP`; raises :class:`~hubsec.errors.RadioError` when there is none."""
        if self._ezsp is None:
            raise RadioError("The radio is not connected.")
        return self._ezsp

    @property
    def version(self) -> int:
        """The EZSP version that is spoken now."""
        return int(self.ezsp.ezsp_version)

    def put_on(self, ezsp: Any, *, network_up: bool) -> None:
        """Stand between `ezsp` and its host from now on."""
        check_pinned(ezsp)
        if self._ezsp is not None:
            self.take_off()
        self._ezsp = ezsp
        self._up = network_up
        self._over = False
        original = ezsp._switch_protocol_version

        def switch(version: int) -> None:
            original(version)
            self._up = False
            self._instrument()

        self._switch, self._switch_before = switch, vars(ezsp).get(_SWITCH)
        setattr(ezsp, _SWITCH, switch)
        if getattr(ezsp, _PROTOCOL) is not None:
            self._instrument()

    def take_off(self) -> bool:
        """Leave `ezsp` as it was. False where somebody wrapped what the gate had put on, so that it could only
        step aside."""
        ezsp, self._ezsp = self._ezsp, None
        if ezsp is None:
            return True
        clean = vars(ezsp).get(_SWITCH) is self._switch
        if clean:
            _put_back(ezsp, _SWITCH, self._switch_before)
        for handler, _, deliver in self._handlers.values():
            command, callback = self._mine[id(handler)][0], self._mine[id(handler)][1]
            if vars(handler).get(_COMMAND) is command and vars(handler).get(_CALLBACK) is callback:
                _put_back(handler, _COMMAND, self._command_before.get(id(handler)))
                setattr(handler, _CALLBACK, deliver)
            elif handler is getattr(ezsp, _PROTOCOL):
                clean = False
        self._handlers.clear()
        self._mine.clear()
        self._command_before.clear()
        return clean

    async def drain(self, seconds: float) -> None:
        """Take no more commands from the host, and wait that long for those that are under way.

        bellows leaves a task behind for each frame that waits for its acknowledgement when the port is closed, also
        where whoever sent its command was cancelled and waits no more.
        """
        self._over = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if self._under_way:
                    self._idle.clear()
                    await self._idle.wait()
                while self._unacknowledged():  # noqa: ASYNC110 - nothing tells
                    await asyncio.sleep(_LOOK)

    def _unacknowledged(self) -> bool:
        """Whether a frame waits for its acknowledgement, as far as this bellows shows that."""
        proxy = getattr(self._ezsp, "_gw", None)
        gateway = None if proxy is None else vars(proxy).get("_obj")  # The proxy hands out methods only.
        ash = getattr(gateway, "_transport", None)
        return bool(getattr(ash, "_pending_data_frames", None))

    def intact(self) -> bool:
        """Whether the gate is where it was put; it puts itself back where it is not."""
        ezsp = self._ezsp
        if ezsp is None:
            return False
        handler = getattr(ezsp, _PROTOCOL)
        here = handler is None or (
            id(handler) in self._mine
            and vars(handler).get(_COMMAND) is self._mine[id(handler)][0]
            and vars(handler).get(_CALLBACK) is self._mine[id(handler)][1]
            and vars(ezsp).get(_SWITCH) is self._switch
        )
        if not here:
            setattr(ezsp, _SWITCH, self._switch)
            self._instrument()
        return here

    def _instrument(self) -> None:
        ezsp = self._ezsp
        if ezsp is None:  # Stepped aside: somebody else holds on to our switch.
            return
        handler = getattr(ezsp, _PROTOCOL)
        for old, _, _ in list(self._handlers.values()):
            if old is not handler:  # Left behind by a reset.
                del self._handlers[id(old)], self._mine[id(old)]
                self._command_before.pop(id(old), None)
        if id(handler) not in self._handlers:
            send, deliver = getattr(handler, _COMMAND), getattr(handler, _CALLBACK)
            self._handlers[id(handler)] = (handler, send, deliver)
            self._command_before[id(handler)] = vars(handler).get(_COMMAND)
        _, send, deliver = self._handlers[id(handler)]
        command = functools.partial(self._host, handler, send)
        callback = functools.partial(self._receive, deliver)
        self._mine[id(handler)] = (command, callback)
        setattr(handler, _COMMAND, command)
        setattr(handler, _CALLBACK, callback)
        self._keeper.restarted(int(ezsp.ezsp_version))

    # The guard's own traffic

    async def raw(self, name: str, *args: object) -> Any:
        """Send a command past the rules. For the guard alone."""
        ezsp = self.ezsp
        if not ezsp.is_ezsp_running:
            raise RadioError("The NCP is being reset.")
        held = self._handlers.get(id(getattr(ezsp, _PROTOCOL)))
        if held is None:
            raise RadioError("The radio is not connected.")
        # Shielded: a command that is cancelled while it waits for its turn in bellows could keep the turn.
        sending = asyncio.ensure_future(held[1](name, *args))
        sending.add_done_callback(_fetched)
        return await asyncio.shield(sending)

    def deliver(self, name: str, args: Any) -> None:
        """Hand a callback to the host, past the keeper."""
        held = self._handlers.get(id(getattr(self._ezsp, _PROTOCOL, None)))
        if held is not None:
            held[2](name, args)

    @property
    def network_up(self) -> bool:
        """Whether the network may be up, as far as the gate saw."""
        return self._up

    # From the NCP

    def _receive(self, deliver: Deliver, name: str, args: Any) -> None:
        passes = (
            self._keeper.passes(args)
            if name == "incomingMessageHandler"
            else self._keeper.received(name, args)
        )
        if passes or self._ezsp is None:
            deliver(name, args)

    def network_is(self, *, up: bool) -> None:
        """The NCP said so."""
        self._up = up

    # From the host

    async def _host(self, handler: Any, send: Send, name: str, *args: Any, **kwargs: Any) -> Any:
        if self._ezsp is None:
            return await send(name, *args, **kwargs)
        if self._over:
            raise EzspError("The radio is being closed.")
        self._under_way += 1
        try:
            return await self._pass(handler, send, name, *args, **kwargs)
        except Refused as refused:
            raise self._keeper.refusal(refused) from refused
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def _pass(self, handler: Any, send: Send, name: str, *args: Any, **kwargs: Any) -> Any:
        keeper = self._keeper
        rule = HOST_COMMANDS.get(name, Rule.REFUSE)
        if rule is Rule.PASS:
            return await send(name, *args, **kwargs)
        fields = _fields(handler, name, args, kwargs)
        if rule is Rule.START:
            await keeper.before_start()
            answer = await send(name, *args, **kwargs)
            self._up = self._up or int(answer[0]) == 0
            return answer
        refuse_canary()  # It came past the application's own methods; this is where it ends.
        try:
            feigned = await self._judge(rule, name, fields)
        except MalformedFrame as error:
            feigned = self._no(name, f"its payload can't be judged ({error})")
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            feigned = self._no(name, f"its arguments can't be judged ({type(error).__name__})")
        if feigned and keeper.enforcing:
            return _done(handler, name)
        if rule is Rule.FORM and "state" in fields:
            keeper.forms(fields["state"])
        return await send(name, *args, **kwargs)

    async def _judge(self, rule: Rule, name: str, fields: Mapping[str, Any]) -> bool:
        """Whether the command is to be feigned; raises where it is refused, and comes back False where it passes."""
        match rule:
            case Rule.FEIGN:
                return True
            case Rule.REFUSE:
                return self._no(name, "it moves keys, or opens the network past hubsec")
            case Rule.POLICY:
                return self._judge_policy(int(fields["policyId"]), int(fields["decisionId"]))
            case Rule.VALUE | Rule.CONFIGURATION | Rule.TOKEN | Rule.FORM:
                self._judge_setting(rule, name, fields)
            case Rule.PERMIT | Rule.SEND | Rule.CUSTOM:
                try:
                    await self._judge_opening(rule, name, fields)
                except Quarantined:
                    if name != "sendReply":
                        raise
                    # bellows acknowledges fragments by a task of its own, which nobody waits for.
                    return True
            case Rule.PASS | Rule.START:
                pass  # Not judged.
            case _:
                assert_never(rule)
        return False

    def _judge_policy(self, policy: int, value: int) -> bool:
        if policy not in OWNED_POLICIES:
            return False
        self._keeper.host_policy(policy, value)
        return True

    def _judge_setting(self, rule: Rule, name: str, fields: Mapping[str, Any]) -> None:
        if rule is Rule.VALUE and int(fields["valueId"]) in GUARDED_VALUES:
            self._no(name, "that value changes the network's security")
        elif rule is Rule.CONFIGURATION:
            value = int(fields["value"])
            if GUARDED_CONFIGURATION.get(int(fields["configId"]), value) != value:
                self._no(name, "that setting would weaken the network's security")
        elif rule is Rule.TOKEN and int(fields["token"]) & 0xFFFF not in WRITABLE_TOKENS:
            self._no(name, "that token holds keys")
        elif rule is Rule.FORM and self._up:
            self._no(name, "keys are set while no network is up, and one is")

    async def _judge_opening(self, rule: Rule, name: str, fields: Mapping[str, Any]) -> None:
        if rule is Rule.PERMIT:
            await self._permitting(int(fields["duration"]))
            return
        message = xncp_frame(bytes(fields["payload"])) if rule is Rule.CUSTOM else _outgoing(name, fields)
        if message is not None:
            await self._sending(message)

    async def _permitting(self, seconds: int) -> None:
        if seconds:
            await self._keeper.ask_to_open(OpenKind.PERMIT, seconds)
        else:
            self._keeper.host_closed()

    async def _sending(self, message: Outgoing) -> None:
        if message.profile == ZDO_PROFILE and message.cluster == MGMT_PERMIT_JOINING_REQ:
            await self._permitting(permit_joining(message.payload))
        elif message.profile != ZDO_PROFILE and message.cluster == GREEN_POWER_CLUSTER:
            order = green_power_order(message.payload)
            if order.opens:
                await self._keeper.ask_to_open(OpenKind.GREEN_POWER, order.window)
            elif order.hands_out_keys:
                self._keeper.ask_to_pair()
        if message.destination is not None:
            self._keeper.ask_to_send(message.destination)

    def _no(self, name: str, why: str) -> bool:
        """The host may not: it is told where that is enforced, else only said."""
        reason = f"{name} is not the host's to send: {why}."
        self._keeper.refused(name, reason)
        if self._keeper.enforcing:
            raise Refused(reason, rule="raw-command")
        return False


def _put_back(owner: Any, name: str, before: Any) -> None:
    """Take off what the gate had put on: what somebody had put there before is there again."""
    if before is None:
        delattr(owner, name)
    else:
        setattr(owner, name, before)


def _fetched(sending: asyncio.Future[Any]) -> None:
    """Look at how a command ended whose caller may have been cancelled, so that asyncio does not complain of it."""
    if not sending.cancelled():
        sending.exception()


def _fields(handler: Any, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The command's arguments by their names."""
    entry = handler.COMMANDS.get(name)
    names = entry[1] if entry is not None and isinstance(entry[1], dict) else {}
    return {**dict(zip(names, args, strict=False)), **kwargs}


def _done(handler: Any, name: str) -> list[Any]:
    """An answer that says success, in the types of that EZSP version."""
    return [kind(0) for kind in handler.COMMANDS[name][2].values()]


def _outgoing(name: str, fields: Mapping[str, Any]) -> Outgoing:
    """What a send command of any EZSP version sends (the fields were renamed in version 14)."""
    aps = fields["aps_frame"] if "aps_frame" in fields else fields["apsFrame"]
    message = fields["message"] if "message" in fields else fields["messageContents"]
    destination: int | None = None
    if name == "sendReply":
        destination = int(fields["sender"])
    elif name == "sendUnicast":
        kind = fields["message_type"] if "message_type" in fields else fields["type"]
        if int(kind) != _DIRECT:
            raise MalformedFrame("ezsp", "a unicast has to name its destination")
        destination = int(fields["nwk"] if "nwk" in fields else fields["indexOrDestination"])
    if destination is not None and destination >= _FIRST_BROADCAST:
        destination = None
    return Outgoing(int(aps.profileId), int(aps.clusterId), bytes(message), destination)
