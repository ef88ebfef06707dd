"""What passes a screen in both directions, and what of it; and that nothing that anybody sends does it harm."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubsec.errors import StoreError
from hubsec_zwave.commands import COMMANDS
from hubsec_zwave.gate.relay import encode, relay
from hubsec_zwave.roles import Role
from hubsec_zwave.screening import QUESTIONS, Forward, Refusal, Screen
from hubsec_zwave.server_events import EVENTS, Holds
from tests.zwave.fakes import FakeJudge

DSK = "12345-31425-07161-54321-11111-22222-33333-44444"
SHOWN_DSK = "00000-31425-07161-54321-11111-22222-33333-44444"
QR = "90" + DSK.replace("-", "") + "0" * 12
WHY = "It is a stranger."
OWN = "hubsec:client:test#1:1"
"""The first command of the screen's own."""
SWITCH, USER_CODE, ENTRY_CONTROL = 0x25, 0x63, 0x6F


def value(command_class: int = SWITCH, name: str = "currentValue", **more: Any) -> dict[str, Any]:
    return {"commandClass": command_class, "property": name, "endpoint": 0, "value": 1, **more}


def node(number: int = 5, **more: Any) -> dict[str, Any]:
    return {
        "nodeId": number,
        "index": 0,
        "status": 4,
        "ready": True,
        "isListening": True,
        "name": "Hall lamp",
        "location": "Hall",
        "dsk": DSK,
        "interviewStage": "Complete",
        "deviceClass": {"basic": {"key": 3, "label": "x"}},
        "deviceConfig": {"manufacturer": "Mallory"},
        "statistics": {"commandsTX": 5},
        "firmwareVersion": "6.66",
        "endpoints": [{"nodeId": number, "index": 0, "commandClasses": [{"id": SWITCH}]}],
        "values": [value(), value(USER_CODE, "userCode", propertyKey=1), value(USER_CODE, "adminCode")],
        **more,
    }


def event(source: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": "event", "event": {"source": source, "event": name, **more}}


def screen(role: Role = Role.ADMINISTER, silent: dict[int, str] | None = None) -> tuple[Screen, FakeJudge]:
    judge = FakeJudge(silent)
    return Screen("client:test#1", role, judge), judge


async def asked(screen: Screen, command: str, **more: Any) -> None:
    message = {"command": command, "messageId": "1", **more}
    assert await screen.command(message) == Forward(message)


def answer(**result: Any) -> dict[str, Any]:
    return {"type": "result", "success": True, "messageId": "1", "result": result}


def shown(message: Any) -> Any:
    assert message is not None
    return message["result"]


# Results


async def test_a_result_passes_once_and_only_if_it_was_asked_for() -> None:
    it, _ = screen()
    assert it.message(answer(responded=True)) is None
    await asked(it, "node.ping", nodeId=5)
    told = answer(responded=True)
    assert it.message(told) is told
    assert it.message(told) is None


async def test_an_id_is_not_used_twice_at_a_time() -> None:
    """Else the answer to one command could pass as the answer to another."""
    it, _ = screen(Role.INCLUDE)
    await asked(it, "controller.get_provisioning_entries")
    again = await it.command({"command": "node.ping", "messageId": "1", "nodeId": 5})
    assert isinstance(again, Refusal)
    assert shown(it.message(answer(entries=[{"dsk": DSK}]))) == {"entries": [{"dsk": SHOWN_DSK}]}
    await asked(it, "node.ping", nodeId=5)


async def test_a_client_that_waits_for_too_much_is_to_wait() -> None:
    it, _ = screen()
    for number in range(1024):
        message = {"command": "node.ping", "messageId": str(number), "nodeId": 5}
        assert isinstance(await it.command(message), Forward)
    found = await it.command({"command": "node.ping", "messageId": "more", "nodeId": 5})
    assert isinstance(found, Refusal)
    assert found.rule == "too-many-unanswered"
    it.message({**answer(), "messageId": "7"})
    assert isinstance(await it.command({"command": "node.ping", "messageId": "more", "nodeId": 5}), Forward)


async def test_a_result_of_a_node_that_is_shut_out_meanwhile_is_refused() -> None:
    it, judge = screen()
    await asked(it, "node.get_state", nodeId=5)
    judge.silent = {5: WHY}
    told = it.message(answer(state=node()))
    assert told is not None
    assert told["success"] is False
    assert WHY in str(told)
    assert "Mallory" not in str(told)


# What is in it

ROLES = list(Role)


@pytest.mark.parametrize("role", ROLES)
async def test_the_state_has_what_a_role_may_see(role: Role) -> None:
    it, _ = screen(role, {6: WHY})
    await asked(it, "start_listening")
    state = {"driver": {}, "controller": {"homeId": 1}, "nodes": [node(5), node(6, name="<b>rogue</b>")]}
    before = copy.deepcopy(state)
    found = shown(it.message(answer(state=state)))["state"]
    assert state == before
    assert (found["driver"], found["controller"]) == ({}, {"homeId": 1})
    open_one, shut_one = found["nodes"]
    names = [one["property"] for one in open_one["values"]]
    assert names == ["currentValue", "userCode", "adminCode"][: 1 + (role.rank >= 1) + (role.rank >= 3)]
    assert open_one["dsk"] == (DSK if role is Role.ADMINISTER else SHOWN_DSK)
    assert open_one["name"] == "Hall lamp"
    assert {name: shut_one.get(name) for name in ("nodeId", "ready", "status", "values", "isListening")} == {
        "nodeId": 6,
        "ready": False,
        "status": 3,
        "values": [],
        "isListening": True,
    }
    assert not shut_one.keys() & {"name", "location", "dsk", "deviceConfig", "firmwareVersion"}
    assert "rogue" not in str(found)
    assert shut_one["endpoints"][0]["commandClasses"] == []


def test_old_schemas_have_the_same_taken_out() -> None:
    """They have values as an object, command classes at the node, and numbers for stages."""
    from hubsec_zwave.stripping import shown_node, shut_node

    old = node(values={"a": value(), "b": value(USER_CODE, "userCode")}, commandClasses=[1], interviewStage=5)
    assert list(shown_node(old, Role.OBSERVE, lambda _: None)["values"]) == ["a"]
    shut = shut_node(old)
    assert (shut["commandClasses"], shut["interviewStage"], shut["values"]) == ([], 0, [])


ENTRIES = [
    ("controller.get_provisioning_entries", {}, {"entries": [{"dsk": DSK, "nodeId": 5, "qr": QR}]}),
    (
        "controller.get_provisioning_entry",
        {"dskOrNodeId": 5},
        {"entry": {"dsk": DSK, "more": [f"a {DSK} b"]}},
    ),
    ("node.create_dump", {"nodeId": 5}, {"dump": {"dsk": DSK, "values": {}}}),
]


@pytest.mark.parametrize(("command", "arguments", "result"), ENTRIES)
async def test_pins_are_for_administrators(command: str, arguments: dict[str, Any], result: Any) -> None:
    for role in ROLES:
        if not role.covers(COMMANDS[command].role):
            continue
        it, _ = screen(role)
        await asked(it, command, **arguments)
        found = str(shown(it.message(answer(**result))))
        assert (DSK[:5] in found) is (role is Role.ADMINISTER)
        assert (DSK[6:] in found) is True


async def test_what_is_told_by_node_leaves_out_who_is_shut_out() -> None:
    it, _ = screen(silent={6: WHY})
    await asked(it, "controller.get_known_lifeline_routes")
    found = shown(it.message(answer(routes={"5": {}, "6": {}, "x": {}})))
    assert found == {"routes": {"5": {}}}


async def test_one_node_is_shown_as_in_the_whole() -> None:
    it, _ = screen(Role.OBSERVE)
    await asked(it, "endpoint.try_get_node", nodeId=5)
    found = shown(it.message(answer(node=node())))["node"]
    assert (len(found["values"]), found["dsk"]) == (1, SHOWN_DSK)
    await asked(it, "endpoint.try_get_node", nodeId=5)
    assert shown(it.message(answer(node=None))) == {"node": None}


async def test_an_error_of_the_server_passes_as_it_is() -> None:
    it, _ = screen(Role.INCLUDE)
    await asked(it, "controller.get_provisioning_entries")
    error = {
        "type": "result",
        "success": False,
        "messageId": "1",
        "errorCode": "unknown_error",
        "message": "x",
    }
    assert it.message(error) is error


# Refusals


@pytest.mark.parametrize("schema", [0, 7, 31, 32, 50])
async def test_a_refusal_has_the_form_of_the_schema(schema: int) -> None:
    it, _ = screen(Role.OBSERVE)
    await asked(it, "initialize", schemaVersion=schema)
    found = it.refused("9", Refusal("A sentence.", "a-rule"))
    told = {"type": "result", "success": False, "messageId": "9"}
    if schema <= 31:
        told |= {"errorCode": "zwave_error", "zwaveErrorCode": -1, "zwaveErrorMessage": "A sentence."}
    else:
        told |= {"errorCode": "hubsec_refused", "message": "A sentence.", "args": {"rule": "a-rule"}}
    assert found == told


# The guard


async def test_the_guard_may_refuse_or_cut() -> None:
    it, judge = screen(Role.INCLUDE)
    begin = {"command": "controller.begin_inclusion", "messageId": "1", "options": {"strategy": 0}}
    judge.answer = Refusal("Not now.", "not-now")
    assert await it.command(begin) == Refusal("Not now.", "not-now")
    judge.answer = StoreError("The disk is full.")
    assert await it.command(begin) == Refusal("The disk is full.", "not-judged")
    judge.answer = {"options": {"strategy": 4}, "command": "driver.hard_reset", "messageId": "other"}
    cut = await it.command(begin)
    assert isinstance(cut, Forward)
    assert cut.message == {**begin, "options": {"strategy": 4}}
    assert {asker for asker, _ in judge.asked} == {"client:test#1"}
    assert it.message(answer(success=True)) is not None


@pytest.mark.parametrize("name", sorted(QUESTIONS))
async def test_the_guard_hears_what_a_client_is_asked(name: str) -> None:
    for role in ROLES:
        it, judge = screen(role)
        message = event("controller", name, dsk="-31425-07161")
        told = relay(it, encode(message))
        assert judge.questions == [("client:test#1", message["event"])]
        assert (told is not None) is role.covers(Role.INCLUDE)


# Events


def samples() -> list[Any]:
    """One of each, of node 5."""
    holding: dict[Holds, dict[str, Any]] = {
        Holds.ADDED: {"node": node()},
        Holds.REMOVED: {"node": node()},
        Holds.FOUND: {"node": {"nodeId": 5, "deviceClass": {}}},
        Holds.STATE: {"nodeState": node()},
        Holds.VALUE: {"args": value()},
        Holds.NOTIFICATION: {"ccId": 0x71},
        Holds.FRAME: {"frame": {"sourceNodeId": 5, "destinationNodeId": 1}},
        Holds.LOG: {"context": {"nodeId": 5, "source": "controller"}, "formattedMessage": "text"},
        Holds.NOTHING: {},
    }
    return [
        pytest.param(
            event(source, name, **({"nodeId": 5} if source == "node" else {}), **holding[row.holds]),
            row.role,
            id=f"{source}: {name}",
        )
        for (source, name), row in EVENTS.items()
    ]


@pytest.mark.parametrize(("message", "needed"), samples())
def test_an_event_passes_for_its_role_and_not_below(message: dict[str, Any], needed: Role) -> None:
    for role in ROLES:
        it, _ = screen(role)
        whole = it.message(message)
        assert (whole is not None) is role.covers(needed)
        # And a text that is glanced at passes as one that is read.
        it, _ = screen(role)
        text = relay(it, encode(message))
        assert text == (None if whole is None else encode(whole))


@pytest.mark.parametrize(("message", "needed"), samples())
def test_of_a_node_that_is_shut_out_only_its_coming_and_its_removal_pass(
    message: dict[str, Any], needed: Role
) -> None:
    about = message["event"]
    it, _ = screen(silent={5: WHY})
    text = relay(it, encode(message))
    of_it = "nodeId" in str(about) or "NodeId" in str(about)
    assert (text is None) is (of_it and about["event"] not in ("node found", "node removed"))
    if about["event"] == "node removed":
        assert "Mallory" not in str(text)


def test_a_lock_s_codes_are_not_for_whoever_only_observes() -> None:
    messages = [
        (event("node", "value updated", nodeId=5, args=value(USER_CODE, "userCode")), Role.CONTROL),
        (event("node", "value updated", nodeId=5, args=value(USER_CODE, "adminCode")), Role.ADMINISTER),
        (event("node", "value updated", nodeId=5, args=value(USER_CODE, ["adminCode"])), Role.CONTROL),  # type: ignore[arg-type]
        (event("node", "metadata updated", nodeId=5, args=value(USER_CODE, "adminCode")), Role.ADMINISTER),
        (
            event("node", "notification", nodeId=5, ccId=ENTRY_CONTROL, args={"eventData": "1234"}),
            Role.CONTROL,
        ),
        (event("node", "credential added", nodeId=5, args={"data": "1234"}), Role.CONTROL),
    ]
    for message, needed in messages:
        for role in ROLES:
            assert (relay(screen(role)[0], encode(message)) is not None) is role.covers(needed)


LINES = [
    ({"context": {"source": "controller", "nodeId": 6}, "formattedMessage": "x"}, False),
    ({"context": {"source": "driver"}, "formattedMessage": ["« [Node 006] [REQ]", "more"]}, False),
    ({"context": {"source": "driver"}, "message": "[Node 006] is"}, False),
    ({"context": {"source": "driver"}, "formattedMessage": "« [Node 060] [REQ]"}, True),
    ({"context": {"source": "serial"}, "formattedMessage": "« 0x01"}, False),
    ({"context": {"source": "controller", "nodeId": 5}, "formattedMessage": "x"}, True),
    ({"formattedMessage": "x"}, True),
]


@pytest.mark.parametrize(("line", "passes"), LINES)
def test_a_log_says_nothing_of_who_is_shut_out_nor_raw_bytes(line: dict[str, Any], passes: bool) -> None:
    it, _ = screen(silent={6: WHY})
    assert (it.message(event("driver", "logging", **line)) is not None) is passes


def test_a_log_says_whatever_else_it_says_while_nobody_is_shut_out() -> None:
    it, _ = screen()
    assert it.message(event("driver", "logging", context={"source": "driver"}, formattedMessage="[Node 006]"))


def test_a_node_without_a_class_is_given_one_that_says_nothing() -> None:
    """zwave-js-server-python's listening ends at a node that replaces another, which has none."""
    it, _ = screen()
    found = it.message(event("controller", "node found", node={"nodeId": 5, "deviceClass": None}))
    assert found is not None
    assert found["event"]["node"]["deviceClass"]["generic"] == {"key": 0, "label": "Unknown"}


@pytest.mark.parametrize(
    "message",
    [
        event("driver", "keys", key="secret"),
        event("nobody", "ready"),
        event("node", "value updated", args=value()),
        event("node", "value updated", nodeId="5", args=value()),
        event("node", "ready", nodeId=5, nodeState="text"),
        event("controller", "node added"),
        event("controller", "node added", node={"nodeId": "5"}),
        event("controller", "node removed", node=5),
        event("controller", "node found", node=None),
        event("zniffer", "frame", frame=None),
        {"type": "event", "event": "ready"},
        {"type": "event", "event": {"source": [], "event": {}}},
        {"type": "event", "event": {"source": "controller", "event": ["grant security classes"]}},
        {"type": "result", "messageId": ["1"]},
        {"type": "greeting"},
        {},
        [],
        None,
    ],
)
def test_what_nobody_knows_does_not_pass(message: Any) -> None:
    it, _ = screen()
    assert it.message(message) is None
    assert relay(it, encode(message)) is None


@pytest.mark.parametrize("args", [None, {}, {"commandClass": "37"}, "text", {"commandClass": 37.5}])
def test_a_value_of_no_class_is_for_whoever_may_see_all(args: Any) -> None:
    message = event("node", "value updated", nodeId=5, args=args)
    for role in ROLES:
        assert (screen(role)[0].message(message) is not None) is (role is Role.ADMINISTER)
        assert (relay(screen(role)[0], encode(message)) is not None) is (role is Role.ADMINISTER)


def test_the_version_passes() -> None:
    it, _ = screen(Role.OBSERVE)
    version = {"type": "version", "homeId": 1, "maxSchemaVersion": 50}
    assert it.message(version) is version


# Being shut out, and being so no more


async def listening(
    role: Role = Role.OBSERVE, silent: dict[int, str] | None = None
) -> tuple[Screen, FakeJudge]:
    it, judge = screen(role, silent)
    await asked(it, "start_listening")
    it.message(answer(state={"nodes": [node(5), node(6)]}))
    return it, judge


async def test_whoever_is_shut_out_is_told_to_be_dead_and_then_as_it_is() -> None:
    it, judge = await listening()
    judge.silent = {5: WHY}
    assert it.shut_out(5) == event("node", "dead", nodeId=5)
    assert it.withheld
    assert it.release().commands == ()
    judge.silent = {}
    released = it.release()
    assert released.messages == ()
    (command,) = released.commands
    assert command == {"messageId": OWN, "command": "node.get_state", "nodeId": 5}
    ready = it.message({**answer(state=node(5)), "messageId": OWN})
    assert ready is not None
    assert ready["event"]["event"] == "ready"
    assert ready["event"]["nodeState"]["dsk"] == SHOWN_DSK
    assert it.release().messages == (event("node", "alive", nodeId=5),)
    assert not it.withheld


async def test_a_node_that_came_while_it_was_shut_out_is_told_when_it_is_not() -> None:
    it, judge = await listening()
    judge.silent = {7: WHY}
    assert it.message(event("controller", "node added", node=node(7), result={})) is None
    assert it.message(event("node", "ready", nodeId=7, nodeState=node(7))) is None
    judge.silent = {}
    released = it.release()
    (added,) = released.messages
    assert added["event"]["event"] == "node added"
    assert added["event"]["node"]["dsk"] == SHOWN_DSK
    assert [command["nodeId"] for command in released.commands] == [7]
    # It is not ready yet, and will say so itself.
    assert it.message({**answer(state=node(7, ready=False)), "messageId": OWN}) is None


async def test_a_node_that_nobody_was_told_of_is_not_told_to_be_gone() -> None:
    """Clients stop listening at the removal of a node that they do not know."""
    it, judge = await listening()
    judge.silent = {7: WHY}
    it.message(event("controller", "node added", node=node(7)))
    assert it.message(event("controller", "node removed", node=node(7))) is None
    assert not it.withheld


async def test_what_was_shut_out_is_gone_as_that_even_if_it_is_forgiven() -> None:
    it, judge = await listening(silent={6: WHY})
    judge.silent = {}
    gone = it.message(event("controller", "node removed", node=node(6)))
    assert "Mallory" not in str(gone)
    assert gone is not None
    assert gone["event"]["node"]["nodeId"] == 6


async def test_one_that_is_shut_out_again_at_once_is_not_told() -> None:
    it, judge = await listening(silent={6: WHY})
    judge.silent = {}
    assert len(it.release().commands) == 1
    judge.silent = {6: WHY}
    assert it.message({**answer(state=node(6)), "messageId": OWN}) is None
    assert it.withheld


async def test_whoever_does_not_listen_is_told_nothing() -> None:
    it, judge = screen()
    judge.silent = {5: WHY}
    assert it.shut_out(5) is None
    judge.silent = {}
    assert it.release().commands == ()


# Whatever is sent

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.integers(0, 9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
NODE_IDS = st.sampled_from([1, 5, 6, 7, "5", None, 256])


@st.composite
def commands(draw: st.DrawFn) -> dict[str, Any]:
    """A command of the table with arguments that are now and then what they have to be."""
    from tests.zwave.test_commands import sample

    command = COMMANDS[draw(st.sampled_from(sorted(COMMANDS)))]
    message = sample(command)
    for name in draw(st.lists(st.sampled_from([*sorted(message), "more"]), max_size=2)):
        message[name] = draw(JSON | NODE_IDS)
    if "nodeId" in message:
        message["nodeId"] = draw(NODE_IDS)
    return message


@settings(max_examples=150, deadline=None)
@given(message=commands() | JSON, role=st.sampled_from(ROLES))
async def test_a_command_passes_or_is_refused_and_reaches_nobody_who_is_shut_out(
    message: Any, role: Role
) -> None:
    it, _ = screen(role, {6: WHY})
    found = await it.command(message)
    if isinstance(found, Refusal):
        assert found.reason
        assert found.rule
        assert it.refused(None, found)["success"] is False
        return
    command = COMMANDS[found.message["command"]]
    assert role.covers(command.role)
    if (
        not command.judged
        and "remove_node_from_all" not in command.name
        and command.name != "controller.is_failed_node"
    ):
        named = {key: found.message[key] for key in found.message.keys() & {"nodeId", "nodeIDs", "repeaters"}}
        assert 6 not in named.values()
        assert all(6 not in one for one in named.values() if isinstance(one, list))


@settings(max_examples=150, deadline=None)
@given(
    known=st.sampled_from(sorted(EVENTS)),
    fields=st.dictionaries(
        st.sampled_from(
            ["nodeId", "node", "nodeState", "args", "ccId", "frame", "context", "formattedMessage"]
        ),
        JSON | NODE_IDS | st.builds(node, st.sampled_from([5, 6])),
        max_size=4,
    ),
    role=st.sampled_from(ROLES),
)
def test_an_event_passes_or_not_and_glanced_at_as_when_it_is_read(
    known: tuple[str, str], fields: dict[str, Any], role: Role
) -> None:
    message = event(*known, **fields)
    whole = screen(role, {6: WHY})[0].message(message)
    text = relay(screen(role, {6: WHY})[0], encode(message))
    assert text == (None if whole is None else encode(whole))
    if known[0] == "node" and fields.get("nodeId") == 6:
        assert whole is None


@settings(max_examples=150, deadline=None)
@given(text=st.text() | JSON.map(lambda value: encode({"type": "event", "event": value})) | JSON.map(encode))
def test_no_text_of_a_server_harms_the_relay(text: str) -> None:
    assert relay(screen()[0], text) in (None, text)


def test_half_a_character_passes() -> None:
    """JavaScript writes one that a device has given itself for a name as an escape."""
    state = '{"nodeId":5,"name":"\\ud800"}'
    text = f'{{"type":"event","event":{{"source":"node","event":"ready","nodeId":5,"nodeState":{state}}}}}'
    assert relay(screen()[0], text) == text
    assert "\\ud800" in str(relay(screen(Role.OBSERVE)[0], text))
