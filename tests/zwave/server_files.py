"""What the pinned server says of itself: its commands as it runs, their arguments and its events as it was written."""

from __future__ import annotations

import asyncio
import functools
import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hubsec_emulated.zwave.node import find_modules, find_node

# Every enumeration of commands, whatever file it is in, and what the server says it is.
_SCRIPT = """
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
const lib = process.argv[1];
const found = {};
for (const name of readdirSync(lib, { recursive: true })) {
    if (!name.endsWith("command.js")) continue;
    const module = await import(pathToFileURL(join(lib, name)));
    for (const [key, value] of Object.entries(module)) found[key] = value;
}
const { version, maxSchemaVersion } = await import(pathToFileURL(join(lib, "const.js")));
console.log(JSON.stringify({ found, version, maxSchemaVersion }));
"""


@functools.cache
def modules() -> Path:
    """The pinned packages' folder."""
    # In a thread, for whoever asks may have a loop that runs.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, find_modules(find_node())).result() / "node_modules"


def library() -> Path:
    return modules() / "@zwave-js" / "server" / "dist-esm" / "lib"


@functools.cache
def as_it_runs() -> dict[str, Any]:
    """Its enumerations of commands by name and member, its version, its newest schema."""
    done = subprocess.run(
        [find_node().program, "--input-type=module", "-e", _SCRIPT, str(library())],
        capture_output=True,
        check=True,
        text=True,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def commands() -> set[str]:
    return {value for members in as_it_runs()["found"].values() for value in members.values()}


def arguments() -> dict[str, set[str]]:
    """The names of the arguments of each command, in all its forms."""
    interfaces: dict[str, tuple[str | None, str]] = {}
    forms: list[tuple[str | None, str]] = []
    for path in library().rglob("incoming_message.d.ts"):
        text = re.sub(r"//.*", "", path.read_text("utf-8"))
        for name, base, body in re.findall(
            r"interface (\w+)\s*(?:extends\s+(\w+)\s*)?\{(.*?)\n\}", text, re.DOTALL
        ):
            interfaces[name] = (base or None, body)
            forms.append((base or None, body))
        # A command with two forms is written as a type.
        for base, body in re.findall(r"export type \w+ = (\w+) & \{(.*?\}\));", text, re.DOTALL):
            forms.append((base, body))

    def own(body: str) -> set[str]:
        return set(re.findall(r"^ {4}(\w+)\??:", body, re.MULTILINE))

    def inherited(base: str | None) -> set[str]:
        if base is None or base not in interfaces:
            return set()
        return own(interfaces[base][1]) | inherited(interfaces[base][0])

    members = {
        f"{name}.{member}": value
        for name, enumeration in as_it_runs()["found"].items()
        for member, value in enumeration.items()
    }
    found: dict[str, set[str]] = {}
    for base, body in forms:
        for member in re.findall(r"\w+Command\.\w+", body):
            names = (own(body) | inherited(base)) - {"command", "messageId"}
            found.setdefault(members[member], set()).update(names)
    return found


def events() -> set[str]:
    """The names of its events, from every place that makes one."""
    found: set[str] = set()
    for path in library().rglob("*.js"):
        text = path.read_text("utf-8")
        found |= set(re.findall(r'event: "([a-z0-9 ]+)"', text))
        for names in re.findall(r"const events = \[(.*?)\]", text, re.DOTALL):
            found |= set(re.findall(r'"([a-z ]+)"', names))
        found |= set(re.findall(r'notify(?:Node|Endpoint)\(\w+, "([a-z ]+)"', text))
    return found
