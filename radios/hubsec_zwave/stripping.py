"""What is taken out of what the server says: shut-out nodes, door codes, and the part of a DSK that is a device's PIN.

Nothing here changes what it was given; where there is nothing to take out, the same object comes back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from hubsec_zwave.command_classes import role_for_value
from hubsec_zwave.roles import Role

DEAD: Final = 3
"""zwave-js's NodeStatus for a node that does not answer."""

_KEPT: Final = frozenset(
    "nodeId index status ready isListening isFrequentListening isRouting isSecure isControllerNode supportsBeaming"
    " supportsSecurity protocol protocolVersion keepAwake highestSecurityClass deviceClass".split()
)
"""What the network itself knows of a node. All else is what the node has said, or was told."""

_DSK: Final = re.compile(r"(?<!\d)\d{5}((?:-\d{5}){7})(?!\d)")
"""A DSK as it is printed: eight groups of five digits, the first of which is the PIN (SDS11847, 2.1)."""
_DIGITS: Final = re.compile(r"\d{40,}")
"""A DSK without hyphens, as in the QR code that it is printed as."""
_HIDDEN: Final = "(hidden)"

type Shut = Callable[[int], str | None]
"""Why nothing of a node passes; None if it does."""


def without_pins(text: str) -> str:
    """`text` with the first group of every DSK in it as zeros, and without long runs of digits."""
    return _DIGITS.sub(_HIDDEN, _DSK.sub(r"00000\1", text))


def without_pins_anywhere(value: Any) -> Any:
    """The same for every text in `value`."""
    match value:
        case str():
            return without_pins(value)
        case Mapping():
            return {key: without_pins_anywhere(one) for key, one in value.items()}
        case list():
            return [without_pins_anywhere(one) for one in value]
        case _:
            return value


def shut_node(node: Mapping[str, Any]) -> dict[str, Any]:
    """What is shown of a node that is shut out: that it is there, not ready, dead, without values, name or location.

    Hosts delete a device that is not in the list. A controller is told by `isControllerNode` and by its class.
    """
    shown = {name: node[name] for name in _KEPT if name in node}
    number = node.get("nodeId")
    endpoint: dict[str, Any] = {"nodeId": number, "index": 0, "commandClasses": []}
    if "deviceClass" in node:
        endpoint["deviceClass"] = node["deviceClass"]
    shown |= {
        "status": DEAD,
        "ready": False,
        "interviewStage": "None" if isinstance(node.get("interviewStage"), str) else 0,
        "values": [],
        "endpoints": [endpoint],
    }
    if "commandClasses" in node:
        shown["commandClasses"] = []
    if "statistics" in node:
        shown["statistics"] = {
            "commandsTX": 0,
            "commandsRX": 0,
            "commandsDroppedRX": 0,
            "commandsDroppedTX": 0,
            "timeoutResponse": 0,
        }
    return shown


def shown_node(node: Mapping[str, Any], role: Role, shut: Shut) -> Mapping[str, Any]:
    """What somebody with `role` is shown of a node."""
    number = node.get("nodeId")
    if not isinstance(number, int) or shut(number) is not None:
        return shut_node(node)
    if role is Role.ADMINISTER:
        return node
    shown = dict(node)
    if isinstance(node.get("dsk"), str):
        shown["dsk"] = without_pins(node["dsk"])
    values = node.get("values")
    # Schemas before 4 have them as an object.
    if isinstance(values, list):
        shown["values"] = [value for value in values if _is_shown(value, role)]
    elif isinstance(values, Mapping):
        shown["values"] = {name: value for name, value in values.items() if _is_shown(value, role)}
    return shown


def _is_shown(value: object, role: Role) -> bool:
    if not isinstance(value, Mapping) or not isinstance(value.get("commandClass"), int):
        return False
    return role.covers(role_for_value(value["commandClass"], value.get("property")))


def shown_network(state: Mapping[str, Any], role: Role, shut: Shut) -> dict[str, Any]:
    """What somebody with `role` is shown of the whole network's state."""
    nodes = state.get("nodes")
    shown = dict(state)
    if isinstance(nodes, list):
        shown["nodes"] = [shown_node(node, role, shut) for node in nodes if isinstance(node, Mapping)]
    return shown


def shown_by_node(rows: Mapping[str, Any], shut: Shut) -> dict[str, Any]:
    """The rows of an object by node numbers that are not of nodes that are shut out."""
    return {name: row for name, row in rows.items() if name.isdecimal() and shut(int(name)) is None}
