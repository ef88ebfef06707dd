"""Whether a command's arguments are what they have to be, and which nodes they name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from hubsec.errors import Refused
from hubsec_zwave.command import Command, Kind

BAD: Final = "bad-argument"
UNKNOWN: Final = "unknown-argument"

FIRST_NODE: Final = 1
LAST_NODE: Final = 232
"""Z-Wave's mesh (ITU-T G.9959, table 7-1)."""
FIRST_LONG_RANGE: Final = 256
LAST_LONG_RANGE: Final = 4000
"""Z-Wave Long Range (Z-Wave Long Range PHY and MAC layer specification, 6.2.1)."""
MAX_LIST: Final = 4096
"""Items of a list: more than there are nodes."""
MAX_TEXT: Final = 4096
"""Characters of an argument that is no file. The longest that is needed is a SmartStart code of some hundred digits."""
MAX_DEPTH: Final = 12
"""How deep objects and lists may lie in each other; a route in a list of routes needs 4."""
MAX_NUMBER: Final = 2**53 - 1
"""Numbers beyond are not exact in JavaScript."""

_METHOD: Final = re.compile(r"[a-z][A-Za-z0-9]{0,63}")
_NOT_METHODS: Final = frozenset(
    "constructor hasOwnProperty isPrototypeOf propertyIsEnumerable toLocaleString toString valueOf withOptions"
    " withTXReport".split()
)
"""JavaScript's own, and those of zwave-js that give back objects of the driver."""

_VALUE_ID: Final = frozenset(
    "commandClass endpoint property propertyKey commandClassName propertyName propertyKeyName ccVersion".split()
)
_LOG_CONFIG: Final = frozenset(
    "enabled level logToFile maxFiles nodeFilter filename forceConsole showLogo".split()
)
_INCLUSION: Final = frozenset("strategy forceSecurity dsk provisioning".split())
_FIELDS: Final[dict[tuple[str, str], frozenset[str]]] = {
    ("controller.begin_inclusion", "options"): _INCLUSION,
    ("controller.replace_failed_node", "options"): _INCLUSION,
    ("controller.begin_exclusion", "options"): frozenset({"strategy"}),
    ("update_log_config", "config"): _LOG_CONFIG,
    ("driver.update_log_config", "config"): _LOG_CONFIG,
    # Not to forget which keys a node has, after which it would be spoken to without.
    ("node.refresh_info", "options"): frozenset({"waitForWakeup"}),
    # Not the callbacks of dialogs, which JSON can only break.
    ("driver.update_options", "options"): frozenset(
        "attempts disableOptimisticValueUpdate emitValueUpdateAfterSetValue interview logConfig preferences userAgent"
        " vendor".split()
    ),
}
"""What may be in an object that changes the server or lets somebody in."""


def _bad(name: str, wanted: str) -> Refused:
    return Refused(f"The argument {name} is not {wanted}.", rule=BAD)


def is_node(value: object) -> bool:
    """Whether this is a number that a node can have."""
    return (
        isinstance(value, int)
        and not isinstance(value, bool)
        and (FIRST_NODE <= value <= LAST_NODE or FIRST_LONG_RANGE <= value <= LAST_LONG_RANGE)
    )


def check_depth(value: object) -> None:
    """Hold a whole message to the limits of :data:`MAX_DEPTH` and :data:`MAX_LIST`, and to what JSON has.

    Raises :class:`~hubsec.errors.Refused`.
    """
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        below: list[object] = []
        for one in level:
            match one:
                case str() | bool() | None | float():
                    pass
                case int():
                    if abs(one) > MAX_NUMBER:
                        raise Refused("A number in it is too large.", rule=BAD)
                case Mapping():
                    if len(one) > MAX_LIST or not all(isinstance(key, str) for key in one):
                        raise Refused("An object in it is too large.", rule=BAD)
                    below += one.values()
                case list() | tuple():
                    below += one
                case _:
                    raise Refused("Something in it is not JSON.", rule=BAD)
        if not below:
            return
        level = below
    raise Refused("It is too deep.", rule=BAD)


def _node(name: str, value: Any) -> Iterable[int]:
    if not is_node(value):
        raise _bad(name, "the number of a node")
    return (value,)


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) <= MAX_LIST


def _list(name: str, value: Any) -> Sequence[Any]:
    if not _is_list(value):
        raise _bad(name, "a list of reasonable length")
    items: Sequence[Any] = value
    return items


def _fields(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _bad(name, "an object")
    return value


def _nodes(name: str, value: Any) -> Iterable[int]:
    return [node for one in _list(name, value) for node in _node(name, one)]


def _route(name: str, value: Any) -> Iterable[int]:
    route = _fields(name, value)
    if not set(route) <= {"repeaters", "routeSpeed"}:
        raise _bad(name, "a route")
    return _nodes(name, route.get("repeaters", ()))


def _routes(name: str, value: Any) -> Iterable[int]:
    return [node for one in _list(name, value) for node in _route(name, one)]


def _target(name: str, value: Any) -> Iterable[int]:
    target = _fields(name, value)
    if not set(target) <= {"nodeId", "endpoint"}:
        raise _bad(name, "an association's other end")
    return _node(name, target.get("nodeId"))


def _targets(name: str, value: Any) -> Iterable[int]:
    return [node for one in _list(name, value) for node in _target(name, one)]


def _plain(test: Callable[[Any], bool], wanted: str) -> Callable[[str, Any], Iterable[int]]:
    def check(name: str, value: Any) -> Iterable[int]:
        if not test(value):
            raise _bad(name, wanted)
        return ()

    return check


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_NUMBER


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_NUMBER


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT


def _is_method(value: object) -> bool:
    return isinstance(value, str) and _METHOD.fullmatch(value) is not None and value not in _NOT_METHODS


def _is_scalar(value: object) -> bool:
    return isinstance(value, bool) or _is_text(value) or _is_number(value)


def _is_value_id(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and set(value) <= _VALUE_ID
        and _is_integer(value.get("commandClass"))
        and all(_is_scalar(one) or one is None for one in value.values())
    )


_CHECKS: Final[dict[Kind, Callable[[str, Any], Iterable[int]]]] = {
    Kind.NODE: _node,
    Kind.SLOT: _plain(is_node, "the number of a node"),
    Kind.NODES: _nodes,
    Kind.ROUTE: _route,
    Kind.ROUTES: _routes,
    Kind.TARGET: _target,
    Kind.TARGETS: _targets,
    Kind.ENTRY: _plain(lambda value: is_node(value) or _is_text(value), "a DSK or the number of a node"),
    Kind.CLASS: _plain(_is_integer, "the number of a command class"),
    Kind.METHOD: _plain(_is_method, "the name of a method"),
    Kind.VALUE_ID: _plain(_is_value_id, "a value's id"),
    Kind.INTEGER: _plain(_is_integer, "a whole number"),
    Kind.NUMBER: _plain(_is_number, "a number"),
    Kind.FLAG: _plain(lambda value: isinstance(value, bool), "true or false"),
    Kind.TEXT: _plain(_is_text, "a text of reasonable length"),
    Kind.SCALAR: _plain(_is_scalar, "a text, a number or a flag"),
    Kind.FILE: _plain(lambda value: isinstance(value, str), "a file in base64"),
    Kind.FIELDS: _plain(lambda value: isinstance(value, Mapping), "an object"),
    Kind.LIST: _plain(_is_list, "a list of reasonable length"),
    Kind.ANY: _plain(lambda value: True, "anything"),  # noqa: ARG005 - whatever it is
}
_NEEDED: Final = frozenset({Kind.NODE, Kind.SLOT, Kind.NODES, Kind.CLASS, Kind.METHOD, Kind.VALUE_ID})
"""What has to be there, for whom a command is for depends on it. The rest is the server's to miss."""
_EITHER: Final = frozenset({("node.manually_idle_notification_value", "valueId")})
"""That command has two forms, one without a value's id."""


def named_nodes(command: Command, message: Mapping[str, Any]) -> set[int]:
    """The nodes that `message` names, once its arguments are found to be what `command` has.

    A null stands for an argument that is not there. Raises :class:`~hubsec.errors.Refused`.
    """
    named: set[int] = set()
    for name, value in message.items():
        if name in ("command", "messageId"):
            continue
        kind = command.arguments.get(name)
        if kind is None:
            raise Refused(f"{command.name} has no argument {name[:64]!r}.", rule=UNKNOWN)
        if value is None and kind not in _NEEDED:
            continue
        named.update(_CHECKS[kind](name, value))
        allowed = _FIELDS.get((command.name, name))
        if allowed is not None:
            _known(name, value, allowed)
    for name, kind in command.arguments.items():
        if kind in _NEEDED and name not in message and (command.name, name) not in _EITHER:
            raise Refused(f"{command.name} needs the argument {name}.", rule=BAD)
    return named


def _known(name: str, fields: Mapping[str, Any], allowed: frozenset[str]) -> None:
    unknown = sorted(set(fields) - allowed)
    if unknown:
        raise Refused(f"{name} has no {unknown[0][:64]!r}.", rule=UNKNOWN)
    inner = fields.get("logConfig")
    if inner is not None:
        _known("logConfig", _fields("logConfig", inner), _LOG_CONFIG)
