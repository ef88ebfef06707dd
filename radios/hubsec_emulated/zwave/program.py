"""The emulation's processes: the Node program with the stick and the devices, and the server that it starts.

They belong to no event loop, so that several tests can use the same ones one after another. They end with this process,
however that ends: the Node program when its standard input closes, the server when the Node program's does.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

from hubsec_emulated.errors import EmulationError
from hubsec_emulated.zwave.node import SOURCES, Node, find_modules, find_node

LOOPBACK: Final = "127.0.0.1"
"""The only address that anything here listens on or connects to."""
START_TIMEOUT: Final = 60.0
"""Seconds for both processes to be ready; they take two, or many times that on a machine that is busy."""
END_TIMEOUT: Final = 5.0
"""Seconds for the processes to end by themselves before they are killed."""

_CHUNK: Final = 65_536
_KEPT_NOISE: Final = 2_000
_LOOK: Final = 0.01

type Event = dict[str, Any]


class Program:
    """The Node program as a process, its lines of JSON, and the folder of its server.

    `listener` gets every event while a loop is attached. `begun` says that a house was made on it, `dead` that its
    process has ended.
    """

    def __init__(self, node: Node, modules: Path) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="zwave-house-", ignore_cleanup_errors=True)
        self.port = free_port()
        self.listener: Callable[[Event], None] = _ignore
        self.begun = False
        self.dead = False
        self._ended = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._input = bytearray()
        self._output = bytearray()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        environment = {
            name: value for name, value in os.environ.items() if name not in {"NODE_OPTIONS", "NODE_ENV"}
        }
        self._process = subprocess.Popen(  # noqa: S603 - our own program on the Node.js that was found
            [node.program, SOURCES / "main.mjs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={
                **environment,
                "HUBSEC_ZWAVE_MODULES": str(modules),
                "HUBSEC_ZWAVE_FOLDER": self.folder.name,
            },
            process_group=0,  # Ctrl-C is for Python, which then ends it in order
        )
        self._stdin = _pipe(self._process.stdin)
        self._stdout = _pipe(self._process.stdout)

    @property
    def pid(self) -> int:
        """Of the Node program."""
        return self._process.pid

    def attach(self, listener: Callable[[Event], None]) -> None:
        """Give events to `listener` in the running loop, until `detach`."""
        self._loop = asyncio.get_running_loop()
        self.listener = listener
        self._loop.add_reader(self._stdout, self._readable)
        self._flush()

    def detach(self) -> None:
        """Let go of the loop."""
        if self._loop is not None:
            self._loop.remove_reader(self._stdout)
            self._loop.remove_writer(self._stdin)
        self._loop = None
        self.listener = _ignore

    def send(self, do: str, fields: Mapping[str, object]) -> None:
        """Tell it to do something. What it is told is done in order."""
        self._output += json.dumps({"do": do, **fields}).encode() + b"\n"
        self._flush()

    def said(self) -> str:
        """The end of what the process wrote when it failed."""
        size = os.fstat(self._errors.fileno()).st_size
        end = os.pread(self._errors.fileno(), _KEPT_NOISE, max(0, size - _KEPT_NOISE))
        return end.decode(errors="replace").strip()

    async def end(self) -> None:
        """End both processes and wait for it; kill what does not end by itself."""
        if self._ended:
            return
        self._close_input()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + END_TIMEOUT
        while self._process.poll() is None and loop.time() < deadline:  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(_LOOK)
        self._finish()

    def end_now(self) -> None:
        """The same without a loop."""
        if self._ended:
            return
        self._close_input()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_TIMEOUT)
        self._finish()

    def _close_input(self) -> None:
        self.detach()
        self.dead = True
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()

    def _finish(self) -> None:
        self._ended = True
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()
        self.folder.cleanup()

    def _readable(self) -> None:
        try:
            chunk = os.read(self._stdout, _CHUNK)
        except BlockingIOError:
            return
        if not chunk:
            self.dead = True
            listener = self.listener
            self.detach()
            listener({"event": "end"})
            return
        self._input += chunk
        *lines, rest = self._input.split(b"\n")
        self._input = bytearray(rest)
        for line in lines:
            self.listener(json.loads(line))

    def _flush(self) -> None:
        while self._output and not self.dead:
            try:
                written = os.write(self._stdin, self._output[:_CHUNK])
            except BlockingIOError:
                if self._loop is not None:
                    self._loop.add_writer(self._stdin, self._flush)
                return
            except BrokenPipeError:
                return  # the end of its output says so, too
            del self._output[:written]
        if self._loop is not None:
            self._loop.remove_writer(self._stdin)


async def start() -> Program:
    """Start the Node program on the Node.js and the packages of this machine.

    :raises EmulationError: there is no Node.js, or the packages can't be installed.
    """
    node = find_node()
    return Program(node, await find_modules(node))


def free_port() -> int:
    """A TCP port that nobody listens on at the moment."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        port: int = taken.getsockname()[1]
        return port


def _pipe(stream: IO[bytes] | None) -> int:
    if stream is None:
        raise EmulationError("The process was started without pipes.")
    os.set_blocking(stream.fileno(), False)
    return stream.fileno()


def _ignore(event: Event) -> None:
    del event
