"""No function, method or class that nobody calls: vulture's guesses, less what is called from outside."""

from __future__ import annotations

from typing import Any

import pytest
import vulture

# Called by who uses the project, by a library that found it by its name, or by Python.
FROM_OUTSIDE = {
    "__dir__": "Python, on dir()",
    "__getattr__": "Python, for a module's lazy names",
    "cluster_command": "zigpy, of a cluster's listener",
    "connection_lost": "asyncio, of a protocol",
    "connection_made": "asyncio, of a protocol",
    "data_received": "asyncio, of a protocol",
    "delete_password": "keyring, of a backend",
    "device_joined": "zigpy, of an application's listener",
    "general_command": "zigpy, of a cluster's listener",
    "get_password": "keyring, of a backend",
    "handle_message": "zigpy, of an application's listener",
    "network_backup_created": "zigpy, of a backup manager's listener",
    "request_callback_rsp": "zigpy-znp, of its stick",
    "set_password": "keyring, of a backend",
    "teardown": "hypothesis, of a state machine",
    "write_network_info": "zigpy, when it restores a backup",
}
KINDS = {"class", "function", "method", "property"}
DECORATORS = [
    "@command*",
    "@app.*",
    "@*.command*",
    "@*.callback*",
    "@pytest.fixture*",
    "@pytest.hookimpl*",
    "@given*",
    "@initialize*",
    "@invariant*",
    "@rule*",
    "@callback",
]
HOOKS = ["pytest_*", "test_*", "visit_*"]


def unused(paths: list[str]) -> dict[str, str]:
    """Name and place of everything that nobody calls."""
    looker = vulture.Vulture(ignore_decorators=DECORATORS, ignore_names=HOOKS)
    looker.scavenge(paths)
    found = looker.get_unused_code(min_confidence=60)
    return {item.name: f"{item.filename}:{item.first_lineno}" for item in found if item.typ in KINDS}


def test_nothing_is_there_that_nobody_calls(sources: Any) -> None:
    folders = [
        *sources.packages.values(),
        *(sources.root / name for name in ("tests", "benchmarks", "examples")),
    ]
    found = unused([str(folder) for folder in folders])
    assert {name: place for name, place in found.items() if name not in FROM_OUTSIDE} == {}


def test_that_the_test_above_can_fail(pytester: pytest.Pytester) -> None:
    path = pytester.makepyfile("def used(): pass\n\n\ndef dead(): pass\n\n\nused()")
    assert set(unused([str(path)])) == {"dead"}
