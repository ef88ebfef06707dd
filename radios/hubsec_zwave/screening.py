"""What may pass between one client and the server, in both directions.

A :class:`Screen` is used by whoever stands between them, be it a proxy or a wrapper around a client, and does no I/O.
Its rules:

1. A command passes if the table has it, its role is covered, all its arguments are known and what they have to be, and
   no node that it names or reaches is shut out. The guard is asked about those that change who is on the network.
2. A result passes if this screen passed its command. It is stripped of what the role may not see, and of shut-out
   nodes.
3. An event passes if the table has it and its role is covered. Of a shut-out node only its removal passes.
4. What a client was not told of a node while it was shut out, it is told when the node is shut out no more:
   :meth:`Screen.release`.
5. Anything else is dropped or refused. Whatever is passed to it, a screen raises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

from hubsec.errors import HubsecError, Refused
from hubsec_zwave.arguments import BAD, check_depth, is_node, named_nodes
from hubsec_zwave.command import Access, Answer, Command, Scope
from hubsec_zwave.command_classes import ENTRY_CONTROL, names_nodes, role_for_class, role_for_value
from hubsec_zwave.commands import COMMANDS
from hubsec_zwave.roles import Role
from hubsec_zwave.server_events import EVENTS, Holds
from hubsec_zwave.stripping import (
    DEAD,
    shown_by_node,
    shown_network,
    shown_node,
    shut_node,
    without_pins_anywhere,
)

UNKNOWN_COMMAND: Final = "unknown-command"
ROLE: Final = "role"
QUARANTINE: Final = "quarantine"
S0_BY_DEFAULT: Final = "s0-by-default"
BUSY: Final = "too-many-unanswered"
JUDGE: Final = "not-judged"

MAX_UNANSWERED: Final = 1024
"""Commands of one client that the server has not answered. Home Assistant asks for a few at once for each node."""
MAX_MESSAGE_ID: Final = 128
"""Characters; clients use UUIDs, which have 36, or words."""
OURS: Final = "hubsec:"
"""Begins the ids of the screen's own commands."""

OLD_ERRORS: Final = 31
"""The last schema whose errors all look like those of Z-Wave."""
NO_ZWAVE_CODE: Final = -1
"""What the server gives as Z-Wave error code for an error that is none."""
REFUSED: Final = "hubsec_refused"
"""The error code of a refusal."""

QUESTIONS: Final = frozenset({"grant security classes", "validate dsk and enter pin", "inclusion aborted"})
"""The events of an inclusion that go to one client alone."""
UNKNOWN_CLASS: Final = {
    **{level: {"key": 0, "label": "Unknown"} for level in ("basic", "generic", "specific")},
    "mandatorySupportedCCs": [],
    "mandatoryControlledCCs": [],
}
"""A device class that says nothing, in the form of every schema."""

_LOGGED_NODE: Final = re.compile(r"\bNode 0*(\d{1,4})\b")
_RAW_LOGS: Final = frozenset({"serial"})
"""Logs of every byte to and from the controller, keys under the public temporary key of S0 among them."""


class Refusal(msgspec.Struct, frozen=True):
    """Why a message does not pass: a sentence for a person, and the rule's name."""

    reason: str
    rule: str


class Forward(msgspec.Struct, frozen=True):
    """What is to be sent to the server in a command's place, often the command itself."""

    message: Mapping[str, Any]


class Released(msgspec.Struct, frozen=True):
    """What is due to a client about nodes that are shut out no more: messages for it, and commands for the server."""

    messages: tuple[Mapping[str, Any], ...] = ()
    commands: tuple[Mapping[str, Any], ...] = ()


class Judge(Protocol):
    """The guard, as far as a screen needs it."""

    def silenced(self, node_id: int) -> str | None:
        """Why nothing of or to that node passes; None if it does. Constant time, no I/O.

        A client may hear of a new node before the guard does: there is a reason for one that it has not judged.
        """

    def rule(self, node_id: int) -> str:
        """By which rule nothing of or to a silenced node passes: it is quarantined, or awaits new keys."""

    def silent_nodes(self) -> frozenset[int]:
        """All of them that are known to be on the network."""

    async def command(self, asker: str, message: Mapping[str, Any]) -> Mapping[str, Any] | Refusal:
        """For commands that the table calls *judged*: the message to forward, perhaps cut to policy, or why not."""

    def heard(self, asker: str, event: Mapping[str, Any]) -> None:
        """An inclusion's question, which the server puts to the client that began it alone (:data:`QUESTIONS`)."""


class _Pending(msgspec.Struct, frozen=True):
    command: Command
    nodes: frozenset[int]
    schema: int | None = None


class Screen:
    """One client's traffic. `asker` is what the guard and its events call the client. `listening`: it has been told of
    the whole network already, when nothing stood in between."""

    def __init__(self, asker: str, role: Role, judge: Judge, *, listening: bool = False) -> None:
        self.asker = asker
        self.role = role
        self._judge = judge
        self._schema = 0
        self._listening = listening
        self._revived: set[int] = set()
        self._pending: dict[str, _Pending] = {}
        self._added: dict[int, Mapping[str, Any]] = {}
        self._missed: set[int] = set()
        # Of this screen alone: there may be another one behind it, whose commands are a client's here.
        self._ours = f"{OURS}{asker}:"
        self._own = 0

    @property
    def withheld(self) -> bool:
        """Whether :meth:`release` may have something to tell, now or later."""
        return bool(self._missed or self._revived)

    # From the client

    async def command(self, message: object) -> Forward | Refusal:
        """What becomes of a message of the client's."""
        try:
            return await self._command(message)
        except Refused as refused:
            return Refusal(refused.reason, refused.rule)
        except HubsecError as error:
            return Refusal(str(error), JUDGE)

    async def _command(self, message: object) -> Forward:
        if not isinstance(message, Mapping):
            raise Refused("A message is an object.", rule=BAD)
        message_id = self._message_id(message)
        command = self._row(message)
        check_depth(message)
        self._s0_by_default(command, message)
        nodes = named_nodes(command, message)
        self._class(command, message)
        self._audible(command, nodes)
        if command.judged:
            judged = await self._judge.command(self.asker, message)
            if isinstance(judged, Refusal):
                raise Refused(judged.reason, rule=judged.rule)
            # Neither what is asked nor whose answer it is changes.
            message = {**judged, "command": command.name, "messageId": message_id}
        self._expect(message_id, command, nodes, message)
        return Forward(message)

    def _message_id(self, message: Mapping[str, Any]) -> str:
        message_id = message.get("messageId")
        if not isinstance(message_id, str) or len(message_id) > MAX_MESSAGE_ID:
            raise Refused("A command has a messageId, a text of reasonable length.", rule=BAD)
        if message_id.startswith(self._ours) or message_id in self._pending:
            raise Refused("This messageId is in use.", rule=BAD)
        if len(self._pending) >= MAX_UNANSWERED:
            raise Refused(f"{MAX_UNANSWERED} commands are unanswered: wait for some.", rule=BUSY)
        return message_id

    def _row(self, message: Mapping[str, Any]) -> Command:
        name = message.get("command")
        command = COMMANDS.get(name) if isinstance(name, str) else None
        if command is None:
            raise Refused(f"The command {str(name)[:64]!r} is not known here.", rule=UNKNOWN_COMMAND)
        self._covered(command.role, command.name)
        return command

    def _covered(self, role: Role, what: str) -> None:
        if not self.role.covers(role):
            raise Refused(f"{what} takes the role {role}; this client has {self.role}.", rule=ROLE)

    def _s0_by_default(self, command: Command, message: Mapping[str, Any]) -> None:
        """Refuse what the server would take for an inclusion by S0: schema 7 and older have no `options`."""
        if "options" in command.arguments and "includeNonSecure" in command.arguments:
            if not isinstance(message.get("options"), Mapping):
                raise Refused(
                    f"{command.name} without options, as in schema 7 and older, includes by S0 or without any security:"
                    " use a client that speaks schema 8 or newer.",
                    rule=S0_BY_DEFAULT,
                )
            if "includeNonSecure" in message:
                raise Refused("includeNonSecure includes without any security.", rule=S0_BY_DEFAULT)

    def _class(self, command: Command, message: Mapping[str, Any]) -> None:
        if command.access is Access.PLAIN:
            return
        value_id = message.get("valueId")
        if isinstance(value_id, Mapping):
            number, name = value_id["commandClass"], str(value_id.get("property"))
        else:
            number, name = message["commandClass"], str(message.get("methodName", ""))
        self._covered(
            role_for_class(command.access, number, name), f"{command.name} for command class {number}"
        )
        if command.access is Access.CALL and names_nodes(number) and self._judge.silent_nodes():
            raise Refused(
                f"Methods of command class {number} may reach any node, and one is shut out.", rule=QUARANTINE
            )

    def _audible(self, command: Command, nodes: set[int]) -> None:
        for node in sorted(nodes):
            self._open(node)
        if command.scope is Scope.EVERYBODY and self._judge.silent_nodes():
            raise Refused(f"{command.name} is about all nodes, and one is shut out.", rule=QUARANTINE)

    def _open(self, node: int) -> None:
        reason = self._judge.silenced(node)
        if reason is not None:
            raise Refused(f"Node {node} is shut out: {reason}", rule=self._judge.rule(node))

    def _expect(self, message_id: str, command: Command, nodes: set[int], message: Mapping[str, Any]) -> None:
        schema = message.get("schemaVersion")
        if isinstance(schema, int):
            # The server takes it before it finds that it can't speak it.
            self._schema = schema
        self._pending[message_id] = _Pending(command, frozenset(nodes))

    def refused(self, message_id: object, refusal: Refusal) -> dict[str, Any]:
        """The result that tells a client of a refusal, in the form that the server gives errors in for its schema."""
        answer = {"type": "result", "success": False, "messageId": message_id}
        if self._schema <= OLD_ERRORS:
            return answer | {
                "errorCode": "zwave_error",
                "zwaveErrorCode": NO_ZWAVE_CODE,
                "zwaveErrorMessage": refusal.reason,
            }
        return answer | {"errorCode": REFUSED, "message": refusal.reason, "args": {"rule": refusal.rule}}

    # From the server

    def message(self, message: object) -> Mapping[str, Any] | None:
        """What the client is told of a message of the server's; None for nothing."""
        if not isinstance(message, Mapping):
            return None
        match message.get("type"):
            case "event":
                return self._event(message)
            case "result":
                return self._result(message)
            case "version":
                return message
            case _:
                return None

    def passes(self, source: str, name: str, node_id: int | None) -> bool | None:
        """Whether an event passes as it is, as far as these three say; None if it has to be looked at whole."""
        if source == "controller" and name in QUESTIONS:
            return None
        row = EVENTS.get((source, name))
        if row is None or not self.role.covers(row.role):
            return False
        if row.holds is Holds.NOTHING or (
            self.role is Role.ADMINISTER and row.holds in (Holds.VALUE, Holds.NOTIFICATION)
        ):
            return self._of(source, node_id)
        return None

    def passes_value(
        self, source: str, name: str, node_id: int | None, command_class: int, value_name: str | int | None
    ) -> bool | None:
        """The same for an event about a value of that class and name."""
        row = EVENTS.get((source, name))
        if row is None or row.holds is not Holds.VALUE or not self.role.covers(row.role):
            return None
        return self._of(source, node_id) and self.role.covers(role_for_value(command_class, value_name))

    def _of(self, source: str, node_id: object) -> bool:
        """Whether something of that node passes; notes it if not."""
        if node_id is None and source != "node":
            return True
        if not is_node(node_id) or not isinstance(node_id, int):
            return False
        if self._judge.silenced(node_id) is None:
            return True
        self._missed.add(node_id)
        return False

    def _event(self, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
        event = message.get("event")
        if not isinstance(event, Mapping):
            return None
        source, name, node_id = event.get("source"), event.get("event"), event.get("nodeId")
        if not isinstance(source, str) or not isinstance(name, str):
            return None
        if source == "controller" and name in QUESTIONS:
            self._judge.heard(self.asker, event)
        row = EVENTS.get((source, name))
        if row is None or not self.role.covers(row.role):
            return None
        match row.holds:
            case Holds.ADDED:
                return self._node_added(message, event)
            case Holds.REMOVED:
                return self._node_removed(message, event)
            case Holds.FOUND:
                return self._node_found(message, event)
            case Holds.LOG:
                return message if self._is_shown_line(event) else None
            case Holds.FRAME:
                return message if self._is_shown_frame(event) else None
        if not self._of(source, node_id):
            return None
        return self._of_node(message, event, row.holds)

    def _of_node(
        self, message: Mapping[str, Any], event: Mapping[str, Any], holds: Holds
    ) -> Mapping[str, Any] | None:
        if holds is Holds.STATE:
            state = event.get("nodeState")
            if not isinstance(state, Mapping):
                return message if state is None else None
            return {**message, "event": {**event, "nodeState": self._node(state)}}
        if holds is Holds.VALUE and self.role is not Role.ADMINISTER:
            args = event.get("args")
            number = args.get("commandClass") if isinstance(args, Mapping) else None
            if not isinstance(args, Mapping) or not isinstance(number, int):
                return None
            return message if self.role.covers(role_for_value(number, args.get("property"))) else None
        if holds is Holds.NOTIFICATION:
            # Schemas before 3 have those of the Notification class alone, and do not say so.
            typed = event.get("ccId") == ENTRY_CONTROL
            return None if typed and not self.role.covers(Role.CONTROL) else message
        return message

    def _node(self, state: Mapping[str, Any]) -> Mapping[str, Any]:
        return shown_node(state, self.role, self._judge.silenced)

    def _node_added(self, message: Mapping[str, Any], event: Mapping[str, Any]) -> Mapping[str, Any] | None:
        node = event.get("node")
        number = node.get("nodeId") if isinstance(node, Mapping) else None
        if not isinstance(node, Mapping) or not is_node(number) or not isinstance(number, int):
            return None
        if self._judge.silenced(number) is None:
            return {**message, "event": {**event, "node": self._node(node)}}
        self._added[number] = message
        self._missed.add(number)
        return None

    def _node_removed(self, message: Mapping[str, Any], event: Mapping[str, Any]) -> Mapping[str, Any] | None:
        node = event.get("node")
        number = node.get("nodeId") if isinstance(node, Mapping) else None
        if not isinstance(node, Mapping) or not is_node(number) or not isinstance(number, int):
            return None
        missed = number in self._missed
        self._missed.discard(number)
        if self._added.pop(number, None) is not None:
            # The client was never told that it is there.
            return None
        # It may be free of its shutting out already, being gone; what it was then is still nobody's business.
        shown = shut_node(node) if missed else self._node(node)
        return {**message, "event": {**event, "node": shown}}

    def _node_found(self, message: Mapping[str, Any], event: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Somebody is coming in, whom nobody can have judged yet: whoever includes has to know that, and gets no more.

        One that comes in another's place has no class; zwave-js-server-python up to 0.74.0 stops listening at that. It
        is given one that says nothing.
        """
        node = event.get("node")
        if not isinstance(node, Mapping) or not is_node(node.get("nodeId")):
            return None
        self._of("controller", node["nodeId"])
        if isinstance(node.get("deviceClass"), Mapping):
            return message
        return {**message, "event": {**event, "node": {**node, "deviceClass": UNKNOWN_CLASS}}}

    def _is_shown_line(self, event: Mapping[str, Any]) -> bool:
        context = event.get("context")
        if isinstance(context, Mapping):
            if context.get("source") in _RAW_LOGS:
                return False
            node_id = context.get("nodeId")
            if isinstance(node_id, int) and self._judge.silenced(node_id) is not None:
                return False
        if not self._judge.silent_nodes():
            return True
        lines = str(event.get("formattedMessage")) + str(event.get("message"))
        return all(self._judge.silenced(int(found)) is None for found in _LOGGED_NODE.findall(lines))

    def _is_shown_frame(self, event: Mapping[str, Any]) -> bool:
        frame = event.get("frame")
        if not isinstance(frame, Mapping):
            return False
        ends = (frame.get("sourceNodeId"), frame.get("destinationNodeId"))
        return all(not isinstance(end, int) or self._judge.silenced(end) is None for end in ends)

    def _result(self, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
        message_id = message.get("messageId")
        pending = self._pending.pop(message_id, None) if isinstance(message_id, str) else None
        if pending is None or not isinstance(message_id, str):
            return None
        if message_id.startswith(self._ours):
            return self._refreshed(message, pending)
        for node in sorted(pending.nodes):
            reason = self._judge.silenced(node)
            if reason is not None:
                rule = self._judge.rule(node)
                return self.refused(message_id, Refusal(f"Node {node} is shut out: {reason}", rule))
        result = message.get("result")
        if message.get("success") is not True or not isinstance(result, Mapping):
            return message
        shown = self._shown(pending.command.answer, result)
        return message if shown is result else {**message, "result": shown}

    def _shown(self, answer: Answer, result: Mapping[str, Any]) -> Mapping[str, Any]:
        match answer:
            case Answer.PLAIN:
                return result
            case Answer.NETWORK:
                return self._started(result)
            case Answer.NODE:
                return {
                    name: self._node(one) if isinstance(one, Mapping) else one for name, one in result.items()
                }
            case Answer.DSK:
                return result if self.role is Role.ADMINISTER else without_pins_anywhere(result)
            case Answer.BY_NODE:
                return {
                    name: shown_by_node(one, self._judge.silenced) if isinstance(one, Mapping) else one
                    for name, one in result.items()
                }

    def _started(self, result: Mapping[str, Any]) -> Mapping[str, Any]:
        state = result.get("state")
        if not isinstance(state, Mapping):
            return {}
        self._listening = True
        self._added.clear()
        shown = shown_network(state, self.role, self._judge.silenced)
        # Those that nobody has judged yet are shut out as well, and in nobody's list.
        self._missed = {
            node["nodeId"]
            for node in shown.get("nodes", ())
            if is_node(node.get("nodeId")) and self._judge.silenced(node["nodeId"]) is not None
        }
        return {"state": shown}

    # When a node is shut out, and when it is no more

    def shut_out(self, node_id: int) -> Mapping[str, Any] | None:
        """What the client is told of a node that is shut out from now on: that it is dead, so that what is shown of it
        is shown as gone. None where the client was told nothing of it before."""
        if not self._listening or node_id in self._added:
            return None
        self._missed.add(node_id)
        return {"type": "event", "event": {"source": "node", "event": "dead", "nodeId": node_id}}

    def release(self) -> Released:
        """What the client was not told of nodes that are shut out no more. To be called when that may be, and cheap.

        The answers to its commands go through :meth:`message`, which makes news for the client of them.
        """
        messages: list[Mapping[str, Any]] = [
            {"type": "event", "event": {"source": "node", "event": "alive", "nodeId": node}}
            for node in sorted(self._revived)
            if self._judge.silenced(node) is None
        ]
        self._revived.clear()
        commands: list[Mapping[str, Any]] = []
        for node in [node for node in sorted(self._missed) if self._judge.silenced(node) is None]:
            self._missed.discard(node)
            added = self._added.pop(node, None)
            if added is not None:
                messages.append(
                    {**added, "event": {**added["event"], "node": self._node(added["event"]["node"])}}
                )
            if self._listening:
                self._own += 1
                message_id = f"{self._ours}{self._own}"
                self._pending[message_id] = _Pending(COMMANDS["node.get_state"], frozenset({node}))
                commands.append({"messageId": message_id, "command": "node.get_state", "nodeId": node})
        return Released(tuple(messages), tuple(commands))

    def _refreshed(self, message: Mapping[str, Any], pending: _Pending) -> Mapping[str, Any] | None:
        """The news of a node that is ready, out of its state; one that is not will tell when it is."""
        result = message.get("result")
        state = result.get("state") if isinstance(result, Mapping) else None
        (node,) = pending.nodes
        if not isinstance(state, Mapping) or not self._of("node", node):
            return None
        if state.get("status") != DEAD:
            # Hosts look at a node again when it comes back to life, and it is to be as it is now when they do.
            self._revived.add(node)
        if state.get("ready") is not True:
            return None
        return {
            "type": "event",
            "event": {"source": "node", "event": "ready", "nodeId": node, "nodeState": self._node(state)},
        }
