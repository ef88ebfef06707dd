"""A process that has everything imported that a host needs, and forks one when it is told to, in milliseconds.

`Zygote` starts it and is its other end. It runs `python -m tests.zigbee.rotation.zygote FD`, and has neither threads
nor an event loop of its own, so that a fork of it is a whole program.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any, Self

MESSAGE = 65536
"""Bytes that an order has at most."""


class Zygote:
    """Usable in a `with` statement. `errors` is a file for whatever it and its children complain of."""

    def __init__(self, errors: Path) -> None:
        self._errors = errors
        self._line, self._process = None, None

    def __enter__(self) -> Self:
        self._line, other = socket.socketpair()
        with other, self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __spec__.name, str(other.fileno())],
                pass_fds=(other.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()
        self._process.wait()

    def fork(self, order: dict[str, Any]) -> tuple[int, socket.socket]:
        """A new host: its process id, and this end of the line to it."""
        mine, its = socket.socketpair()
        with its:
            socket.send_fds(self._line, [json.dumps({"fork": order}).encode()], [its.fileno()])
            return self._answer(), mine

    def wait(self, pid: int) -> int:
        """How it ended: what it exited with, or the signal as a negative number. Waits for that."""
        self._line.send(json.dumps({"wait": pid}).encode())
        return self._answer()

    def _answer(self) -> int:
        answer = self._line.recv(MESSAGE)
        assert answer, f"It is gone: {self.errors}"
        return int(answer)

    @property
    def errors(self) -> str:
        """The end of what it and its children complained of."""
        return self._errors.read_text()[-4000:]


def main(line: socket.socket) -> None:
    """Until the other end goes."""
    from tests.zigbee.rotation import host

    host.rehearse()
    gc.collect()
    gc.freeze()  # What is there already is nobody's garbage, and its pages stay shared.
    while True:
        data, fds, _, _ = socket.recv_fds(line, MESSAGE, 1)
        if not data:
            return
        message = json.loads(data)
        if "wait" in message:
            _, status = os.waitpid(message["wait"], 0)
            line.send(str(os.waitstatus_to_exitcode(status)).encode())
            continue
        pid = os.fork()
        if not pid:
            line.close()
            code = 1
            try:
                host.run(socket.socket(fileno=fds[0]), message["fork"])
                code = 0
            except BaseException:  # noqa: BLE001 - the fork must not go on as the zygote
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        for fd in fds:
            os.close(fd)
        line.send(str(pid).encode())


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
