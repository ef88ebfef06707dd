"""The tables against the server that they are for; and every row of them, passed and refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hubsec_zwave.arguments import FIRST_LONG_RANGE, LAST_LONG_RANGE, LAST_NODE, MAX_DEPTH, MAX_LIST, MAX_TEXT
from hubsec_zwave.command import Access, Command, Kind, Scope
from hubsec_zwave.commands import COMMANDS, MAX_SCHEMA, SERVER_VERSION
from hubsec_zwave.roles import Role
from hubsec_zwave.screening import Forward, Refusal, Screen
from hubsec_zwave.server_events import EVENTS
from tests.zwave import server_files
from tests.zwave.fakes import FakeJudge

SAMPLES: dict[Kind, Any] = {
    Kind.NODE: 5,
    Kind.SLOT: 5,
    Kind.NODES: [5, 6],
    Kind.ROUTE: {"repeaters": [6], "routeSpeed": 3},
    Kind.ROUTES: [{"repeaters": [6], "routeSpeed": 3}],
    Kind.TARGET: {"nodeId": 6},
    Kind.TARGETS: [{"nodeId": 6, "endpoint": 1}],
    Kind.ENTRY: 5,
    Kind.CLASS: 0x25,
    Kind.METHOD: "get",
    Kind.VALUE_ID: {"commandClass": 0x25, "endpoint": 0, "property": "targetValue"},
    Kind.INTEGER: 1,
    Kind.NUMBER: 1.5,
    Kind.FLAG: True,
    Kind.TEXT: "text",
    Kind.SCALAR: 1,
    Kind.FILE: "AAAA",
    Kind.FIELDS: {},
    Kind.LIST: [],
    Kind.ANY: None,
}
WRONG: dict[Kind, list[Any]] = {
    Kind.NODE: ["5", 0, -1, 5.0, True, LAST_NODE + 1, FIRST_LONG_RANGE - 1, LAST_LONG_RANGE + 1, None, [5]],
    Kind.SLOT: ["5", 0, 255, True, None],
    Kind.NODES: [5, [0], ["5"], [5, None], "56", {"0": 5}, None, [5] * (MAX_LIST + 1)],
    Kind.ROUTE: [[], {"repeaters": [0]}, {"repeaters": "6"}, {"nodeId": 6}, 6],
    Kind.ROUTES: [{}, [6], [{"repeaters": [0]}], "route"],
    Kind.TARGET: [{}, {"nodeId": "6"}, {"nodeId": 6, "bitAddress": 1}, 6, [6]],
    Kind.TARGETS: [{"nodeId": 6}, [6], [{}], "6"],
    Kind.ENTRY: [0, True, {}, [], "9" * (MAX_TEXT + 1)],
    Kind.CLASS: ["37", 37.5, True, None, {}],
    Kind.METHOD: [
        "constructor",
        "__proto__",
        "toString",
        "withOptions",
        "get()",
        "",
        1,
        None,
        "a" * 65,
        "Get",
    ],
    Kind.VALUE_ID: [{}, {"commandClass": "37"}, {"commandClass": 37, "__proto__": {}}, 37, None, [37]],
    Kind.INTEGER: ["1", 1.5, True, 2**53, [1], {}],
    Kind.NUMBER: ["1.5", True, [1], {}],
    Kind.FLAG: [1, "true", {}],
    Kind.TEXT: [1, True, {}, "a" * (MAX_TEXT + 1)],
    Kind.SCALAR: [{}, [], "a" * (MAX_TEXT + 1)],
    Kind.FILE: [1, {}, []],
    Kind.FIELDS: ["text", 1, []],
    Kind.LIST: ["text", 1, {}, [1] * (MAX_LIST + 1)],
    Kind.ANY: [],
}
INCLUSION = {"strategy": 4}


def sample(command: Command) -> dict[str, Any]:
    """A message that passes for an administrator."""
    message = {name: SAMPLES[kind] for name, kind in command.arguments.items()}
    if "options" in message and "includeNonSecure" in message:
        message["options"] = INCLUSION
        del message["includeNonSecure"]
    return {**message, "command": command.name, "messageId": "1"}


async def passed(command: dict[str, Any], role: Role, judge: FakeJudge | None = None) -> Forward | Refusal:
    return await Screen("client:test", role, judge or FakeJudge()).command(command)


# Against the server


def test_it_is_the_pinned_server() -> None:
    told = server_files.as_it_runs()
    assert (told["version"], told["maxSchemaVersion"]) == (SERVER_VERSION, MAX_SCHEMA)


def test_every_command_of_the_server_is_in_the_table_and_no_other() -> None:
    assert len(server_files.commands()) > 250
    assert server_files.commands() == set(COMMANDS)


def test_every_argument_of_the_server_is_in_the_table_and_no_other() -> None:
    told = server_files.arguments()
    assert {name: set(command.arguments) for name, command in COMMANDS.items()} == {
        name: told.get(name, set()) for name in COMMANDS
    }
    assert len({name for name in COMMANDS if told.get(name)}) > 150


def test_every_event_of_the_server_is_in_the_table_and_no_other() -> None:
    told = server_files.events()
    assert len(told) > 60
    assert told == {name for _, name in EVENTS}


# What goes with what


def by(role: Role) -> set[str]:
    return {name for name, command in COMMANDS.items() if command.role is role}


def test_what_changes_who_is_on_the_network_is_judged() -> None:
    judged = {name for name, command in COMMANDS.items() if command.judged}
    who = re.compile(
        r"inclusion|exclusion|grant_|validate_dsk|_failed_node$|provision_smart|bootstrap|hard_reset"
        r"|restore_nvm|external_nvm_write|joining_network|leaving_network"
    )
    assert judged == {name for name in COMMANDS if who.search(name)} - {"controller.is_failed_node"}
    assert judged <= by(Role.INCLUDE) | by(Role.ADMINISTER)


def test_what_reaches_below_the_network_is_the_administrator_s() -> None:
    below = re.compile(
        r"nvm|firmware_update_ot|begin_.*firmware|update_firmware|hard_reset|soft_reset|shutdown|bootloader|update_options"
        r"|zniffer|logs$|update_log_config|rf_region$|toggle_rf|admin_code|return_route|statistics|associations$|get_dsk"
    )
    reads = re.compile(r"\.(is_|get_(all_)?associations|get_.*_cached|get_rf_region|get_supported|query_)")
    expected = {name for name in COMMANDS if below.search(name) and not reads.search(name)}
    expected -= {"utils.guess_firmware_file_format", "driver.disable_statistics"}
    assert expected <= by(Role.ADMINISTER)


def test_whoever_only_observes_changes_nothing_and_sends_nothing() -> None:
    acts = re.compile(
        r"\.(set|add|remove|begin|stop|delete|start|update|refresh|poll|ping|invoke|interview|restore)_?"
    )
    assert not {name for name in by(Role.OBSERVE) if acts.search(name)}


def test_roles_contain_each_other() -> None:
    roles = list(Role)
    assert [role.rank for role in roles] == [0, 1, 2, 3]
    assert [[role.covers(needed) for needed in roles] for role in roles] == [
        [True, False, False, False],
        [True, True, False, False],
        [True, True, True, False],
        [True, True, True, True],
    ]


# Each command, with a row for each that was not as it should be


async def test_each_passes_for_its_role_and_not_below() -> None:
    wrong = []
    for command in COMMANDS.values():
        for role in Role:
            found = await passed(sample(command), role)
            if role.covers(command.role):
                good = found == Forward(sample(command))
            else:
                told = f"takes the role {command.role}; this client has {role}."
                good = isinstance(found, Refusal) and found.rule == "role" and told in found.reason
            if not good:
                wrong.append((command.name, role, found))
    assert wrong == []


async def test_the_arguments_of_each_are_what_they_have_to_be() -> None:
    wrong = []
    for command in COMMANDS.values():
        for name, kind in command.arguments.items():
            for bad in WRONG[kind]:
                found = await passed({**sample(command), name: bad}, Role.ADMINISTER)
                if not isinstance(found, Refusal) or found.rule not in ("bad-argument", "s0-by-default"):
                    wrong.append((command.name, name, bad, found))
    assert wrong == []


async def test_none_has_other_arguments() -> None:
    wrong = []
    for command in COMMANDS.values():
        for name in ("unknown", "__proto__", "constructor", "nodeid"):
            found = await passed({**sample(command), name: 1}, Role.ADMINISTER)
            if not isinstance(found, Refusal) or found.rule != "unknown-argument":
                wrong.append((command.name, name, found))
    assert wrong == []


async def test_whom_each_is_for_has_to_be_said() -> None:
    needed = {Kind.NODE, Kind.SLOT, Kind.NODES, Kind.CLASS, Kind.METHOD, Kind.VALUE_ID}
    wrong = []
    for command in COMMANDS.values():
        for name in sample(command).keys() & command.arguments.keys():
            message = sample(command)
            del message[name]
            rule = "bad-argument" if command.arguments[name] in needed else None
            if (command.name, name) == ("node.manually_idle_notification_value", "valueId"):
                rule = None
            if name == "options" and "includeNonSecure" in command.arguments:
                rule = "s0-by-default"
            found = await passed(message, Role.ADMINISTER)
            if (found.rule if isinstance(found, Refusal) else None) != rule:
                wrong.append((command.name, name, found))
    assert wrong == []


async def test_none_reaches_a_node_that_is_shut_out() -> None:
    """Neither the one that it is for nor one that is named anywhere in it; but such a node can be removed."""
    heard = {Kind.NODE, Kind.NODES, Kind.ROUTE, Kind.ROUTES, Kind.TARGET, Kind.TARGETS}
    wrong = []
    for command in COMMANDS.values():
        named = "".join(repr(SAMPLES[kind]) for kind in command.arguments.values() if kind in heard)
        for node in (5, 6):
            judge = FakeJudge({node: "It is a stranger."})
            found = await passed(sample(command), Role.ADMINISTER, judge)
            if str(node) in named or command.scope is Scope.EVERYBODY:
                good = isinstance(found, Refusal) and found.rule == "quarantine" and judge.asked == []
            else:
                good = found == Forward(sample(command))
            if not good:
                wrong.append((command.name, node, found))
    assert wrong == []


@pytest.mark.parametrize(
    "name", ["", "ping", "node.Ping", "node.ping ", "__proto__", "constructor", 5, None, [], {}]
)
async def test_no_other_command_passes(name: Any) -> None:
    found = await passed({"command": name, "messageId": "1"}, Role.ADMINISTER)
    assert isinstance(found, Refusal)
    assert found.rule == "unknown-command"


# Objects that change the server, or let somebody in


FIELDS = [
    ("driver.update_options", "options", {"attempts": {}, "userAgent": {}}, {"inclusionUserCallbacks": {}}),
    (
        "driver.update_options",
        "options",
        {"logConfig": {"level": "debug"}},
        {"logConfig": {"transports": []}},
    ),
    ("driver.update_options", "options", {"preferences": {}}, {"securityKeys": {}}),
    ("driver.update_options", "options", {"vendor": {}}, {"logConfig": "debug"}),
    ("driver.update_log_config", "config", {"enabled": True, "nodeFilter": [2]}, {"transports": []}),
    ("update_log_config", "config", {"level": "silly"}, {"raw": True}),
    (
        "controller.begin_inclusion",
        "options",
        {"strategy": 4, "dsk": "0"},
        {"strategy": 4, "userCallbacks": {}},
    ),
    ("controller.replace_failed_node", "options", {"strategy": 0}, {"strategy": 0, "__proto__": {}}),
    ("node.refresh_info", "options", {"waitForWakeup": True}, {"resetSecurityClasses": True}),
    ("controller.begin_exclusion", "options", {"strategy": 1}, {"strategy": 1, "unprovision": True}),
]


@pytest.mark.parametrize(("command", "argument", "good", "bad"), FIELDS)
async def test_an_object_has_the_fields_that_it_may_have(
    command: str, argument: str, good: dict[str, Any], bad: dict[str, Any]
) -> None:
    message = sample(COMMANDS[command])
    assert isinstance(await passed({**message, argument: good}, Role.ADMINISTER), Forward)
    found = await passed({**message, argument: bad}, Role.ADMINISTER)
    assert isinstance(found, Refusal)
    assert found.rule in ("unknown-argument", "bad-argument")


@pytest.mark.parametrize("name", ["controller.begin_inclusion", "controller.replace_failed_node"])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"options": None},
        {"includeNonSecure": True},
        {"includeNonSecure": False},
        {"options": {"strategy": 4}, "includeNonSecure": True},
    ],
)
async def test_an_inclusion_of_schema_7_is_refused_as_what_it_is(name: str, more: dict[str, Any]) -> None:
    node = {"nodeId": 5} if "nodeId" in COMMANDS[name].arguments else {}
    judge = FakeJudge()
    found = await passed({"command": name, "messageId": "1", **node, **more}, Role.ADMINISTER, judge)
    assert isinstance(found, Refusal)
    assert found.rule == "s0-by-default"
    assert "S0" in found.reason or "without any security" in found.reason
    assert judge.asked == []


# Command classes

SWITCH, CONFIGURATION, WAKE_UP, PROPRIETARY = 0x25, 0x70, 0x84, 0x91
ASSOCIATION, SECURITY, SECURITY_2, FIRMWARE, POWERLEVEL = 0x85, 0x98, 0x9F, 0x7A, 0x73
USER_CODE, USER_CREDENTIAL, ENTRY_CONTROL = 0x63, 0x83, 0x6F
CLASSES = [
    (Access.READ, SWITCH, "currentValue", Role.OBSERVE),
    (Access.READ, USER_CODE, "userCode", Role.CONTROL),
    (Access.READ, USER_CREDENTIAL, "credential", Role.CONTROL),
    (Access.READ, ENTRY_CONTROL, "keyCacheSize", Role.CONTROL),
    (Access.READ, USER_CODE, "adminCode", Role.ADMINISTER),
    (Access.READ, USER_CREDENTIAL, "adminPinCode", Role.ADMINISTER),
    (Access.WRITE, SWITCH, "targetValue", Role.CONTROL),
    (Access.WRITE, CONFIGURATION, "5", Role.CONTROL),
    (Access.WRITE, WAKE_UP, "wakeUpInterval", Role.CONTROL),
    (Access.WRITE, PROPRIETARY, "fibaro", Role.CONTROL),
    (Access.WRITE, USER_CODE, "userCode", Role.CONTROL),
    (Access.WRITE, USER_CODE, "adminCode", Role.ADMINISTER),
    (Access.WRITE, ASSOCIATION, "nodeIds", Role.ADMINISTER),
    (Access.WRITE, 0xEE, "unheardOf", Role.ADMINISTER),
    (Access.CALL, SWITCH, "set", Role.CONTROL),
    (Access.CALL, USER_CODE, "set", Role.CONTROL),
    (Access.CALL, USER_CODE, "setAdminCode", Role.ADMINISTER),
    (Access.CALL, USER_CREDENTIAL, "getAdminPinCode", Role.ADMINISTER),
    (Access.CALL, WAKE_UP, "setInterval", Role.ADMINISTER),
    (Access.CALL, PROPRIETARY, "sendData", Role.ADMINISTER),
    (Access.CALL, ASSOCIATION, "addNodeIds", Role.ADMINISTER),
    (Access.CALL, SECURITY, "setNetworkKey", Role.ADMINISTER),
    (Access.CALL, SECURITY_2, "sendNetworkKey", Role.ADMINISTER),
    (Access.CALL, FIRMWARE, "requestUpdate", Role.ADMINISTER),
    (Access.CALL, POWERLEVEL, "startNodeTest", Role.ADMINISTER),
    (Access.CALL, 0xEE, "unheardOf", Role.ADMINISTER),
]


@pytest.mark.parametrize(("access", "command_class", "name", "role"), CLASSES)
async def test_the_role_depends_on_the_command_class(
    access: Access, command_class: int, name: str, role: Role
) -> None:
    rows = [row for row in COMMANDS.values() if row.access is access]
    assert len(rows) >= 3
    for row in rows:
        message = sample(row)
        if "valueId" in message:
            message["valueId"] = {"commandClass": command_class, "property": name}
        elif access is Access.CALL:
            message |= {"commandClass": command_class, "methodName": name}
        else:
            continue  # it is about a class as a whole
        for client in Role:
            assert isinstance(await passed(message, client), Forward) is client.covers(role), (
                row.name,
                client,
            )


async def test_methods_that_may_name_any_node_reach_none_while_one_is_shut_out() -> None:
    call = {
        **sample(COMMANDS["endpoint.invoke_cc_api"]),
        "commandClass": ASSOCIATION,
        "methodName": "addNodeIds",
    }
    assert isinstance(await passed({**call, "args": [1, 7]}, Role.ADMINISTER), Forward)
    found = await passed({**call, "args": [1, 7]}, Role.ADMINISTER, FakeJudge({7: "It is a stranger."}))
    assert isinstance(found, Refusal)
    assert found.rule == "quarantine"


# Messages as such


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


SET = {
    "command": "node.set_value",
    "messageId": "1",
    "nodeId": 5,
    "valueId": {"commandClass": SWITCH, "property": "x"},
}


@pytest.mark.parametrize(
    "value",
    [2**53, -(2**53), nested(MAX_DEPTH), dict.fromkeys(map(str, range(MAX_LIST + 1))), {1: 2}, {5}, b"x"],
)
async def test_a_message_is_json_of_reasonable_size(value: Any) -> None:
    assert isinstance(await passed({**SET, "value": nested(MAX_DEPTH - 2)}, Role.CONTROL), Forward)
    found = await passed({**SET, "value": value}, Role.CONTROL)
    assert isinstance(found, Refusal)
    assert found.rule == "bad-argument"


@pytest.mark.parametrize("message_id", [None, 1, "", "a" * 129, "hubsec:client:test:1", ["1"], {}])
async def test_a_message_has_an_id_of_its_own(message_id: Any) -> None:
    found = await passed({**SET, "value": 1, "messageId": message_id}, Role.CONTROL)
    assert isinstance(found, Refusal) is (message_id != "")


@pytest.mark.parametrize("message", [None, 1, "node.ping", [], [SET]])
async def test_a_message_is_an_object(message: Any) -> None:
    assert isinstance(await passed(message, Role.ADMINISTER), Refusal)
