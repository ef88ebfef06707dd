"""Killed at any moment, the store has what it said it has, and opens again.

The program below forks a child for each folder, which kills itself with SIGKILL at its n-th step: before a statement of
SQLite, or before a call that makes a file or its name durable. The child writes down each piece of work when its commit
has returned.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from hubsec.entries import Entry, Pinned
from hubsec.identity import Identity, Network, SecurityClass
from hubsec.secret import Secret
from hubsec.store import Store
from tests.core.store.made import KEY, entry, record

PROGRAM = """
import itertools, os, signal, sqlite3, sys

from hubsec.entries import Entry, Pinned
from hubsec.identity import *
from hubsec.requests import *
from hubsec.decisions import Deny
from hubsec.secret import Secret
from hubsec.store import Record, Store

def run(folder, last):
    steps = itertools.count(1)
    out = os.open(folder + ".said", os.O_WRONLY | os.O_CREAT)

    def step(*_):
        if next(steps) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(call):
        def wrapper(*args, **kwargs):
            step()
            return call(*args, **kwargs)
        return wrapper

    def connect(*args, connect=sqlite3.connect, **kwargs):
        connection = connect(*args, **kwargs)
        connection.set_trace_callback(step)
        return connection

    def say(*words):
        os.write(out, (" ".join(map(str, words)) + "\\n").encode())

    sqlite3.connect = connect
    for name in ("open", "fsync", "link", "unlink"):
        setattr(os, name, counted(getattr(os, name)))
    store = Store(folder)
    say("opened")
    for n in itertools.count(1):
        secret = Secret(n.to_bytes(16))
        if n % 2:
            device, network = zigbee_identity(f"{n:016x}"), Network.ZIGBEE
            kind = CredentialKind.INSTALL_CODE
        else:
            device, network = dsk_identity(secret.reveal()), Network.ZWAVE
            kind = CredentialKind.DSK
        entry = Entry(device=device, network=network, credential=kind, label="x", approved_by="Ada", approved_at=1.0,
                      smart_start=network is Network.ZWAVE)
        store.put(entry, secret, by="Ada", at=1.0)
        say("put", device)
        if network is Network.ZWAVE:
            pinned = Pinned(security_class=SecurityClass.S2_AUTHENTICATED)
            store.change(device, {"address": zwave_address(1, n), "pinned": pinned}, by="Ada", at=1.0)
            say("moved", device, zwave_address(1, n))
        request = JoinRequest(radio="r", network=network, device=device, kind=JoinKind.JOIN)
        say("record", store.record(Record(at=1.0, radio="r", device=device, request=request,
                                          decision=Deny(rule="a", reason="b"), policy="p", correlation="c")))
        if n % 5 == 0 or n % 6 == 0:
            store.remove(device, by="Ada", at=2.0)
            say("removed", device)

for last in map(int, sys.argv[2:]):
    child = os.fork()
    if not child:
        run(os.path.join(sys.argv[1], str(last)), last)
    print(last, os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)
"""


def check(folder: Path, said: list[str]) -> None:
    """What was said is there; what is there is whole."""
    with Store(folder) as store:
        entries, decisions = store.entries(), {record.id for record in store.decisions(limit=10_000)}
        # The log is whole, and what it says of the allowlist is what the allowlist is: one transaction, or none.
        assert store.verify().last == store.tail()[0]
        logged: dict[Identity, Entry] = {}
        for change in reversed(store.changes(limit=10_000)):
            logged[change.device] = change.entry
            if change.change == "revoked":
                del logged[change.device]
        assert logged == entries
        standing: set[Identity] = set()
        moved: dict[Identity, str] = {}
        for line in said:
            match line.split():
                case ["put", device]:
                    standing.add(Identity(device))
                case ["removed", device]:
                    standing.discard(Identity(device))
                    moved.pop(Identity(device), None)
                case ["moved", device, address]:
                    moved[Identity(device)] = address
                case ["record", number]:
                    assert int(number) in decisions
        # The one piece of work that was under way may have been done, or not.
        assert len(standing ^ entries.keys()) <= 1
        for device, found in entries.items():
            on_zwave = found.network is Network.ZWAVE
            groups = device.split("-") if on_zwave else [device.replace(":", "")]
            number = int("".join(f"{int(one):04x}" for one in groups) if on_zwave else groups[0], 16)
            assert store.credential(device) == Secret(number.to_bytes(16))
            # Both columns of one change, or neither.
            assert (found.address is None) is (found.pinned is None)
            assert found.smart_start is on_zwave
            if device in moved:
                assert found.address == moved[device]
                assert found.pinned == Pinned(security_class=SecurityClass.S2_AUTHENTICATED)
        store.put(entry(), KEY, by="Ada", at=3.0)
    with Store(folder) as store:
        assert store.credential(entry().device) == KEY


# The first steps make folder, database and key; every third of these is tried. The rest is drawn.
STEPS = [*range(1, 60, 3), *random.Random(1).sample(range(60, 400), 12)]


def test_killed_at_a_step(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), *map(str, STEPS)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split() == [word for last in STEPS for word in (str(last), str(int(signal.SIGKILL)))]
    opened = moved = 0
    for last in STEPS:
        said = (tmp_path / f"{last}.said").read_text().splitlines()
        opened += "opened" in said
        moved += any(line.startswith("moved") for line in said)
        check(tmp_path / str(last), said)
    # Some were killed before there was a store, and some long after.
    assert 10 <= opened <= len(STEPS) - 10
    assert moved > 5


def test_a_group_that_was_killed_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    program = f"""
import asyncio, os, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from made import record
from hubsec.store import AsyncStore

async def one(store):
    while True:
        number = await store.record(record())
        os.write(1, f"{{number}}\\n".encode())

async def main():
    async with AsyncStore({str(folder)!r}) as store:
        await asyncio.gather(*(one(store) for _ in range(16)))

asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        said = [running.stdout.readline() for _ in range(17)]
        time.sleep(0.1)
        running.kill()
        said += running.communicate(timeout=30)[0].splitlines(keepends=True)
    acknowledged = {int(line) for line in said if line.endswith("\n")}
    with Store(folder) as store:
        found = {each.id for each in store.decisions(limit=1_000_000)}
        assert acknowledged <= found
        assert len(acknowledged) > 16
        assert store.record(record()) > max(found)
        assert store.verify().records == store.tail()[0]
