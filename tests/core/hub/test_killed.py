"""Killed at any moment, a hub has on record whatever its radio did, and goes on.

The program below forks a child for each moment, in which a hub lets devices in, listens and evicts, on a radio that
writes down what it does as it does it. The child kills itself with SIGKILL at its n-th step, before a statement of
SQLite, or as its radio does something for the n-th time.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from hubsec import Hub
from hubsec.audit import AuditRecord, Kind
from hubsec.identity import Identity, Standing
from hubsec.store import Store
from tests.core.hub.conftest import FakeRadio

PROGRAM = """
import asyncio, collections, itertools, os, signal, sqlite3, sys

from hubsec import Hub
from hubsec.events import KeySent
from hubsec.identity import zigbee_identity
from tests.core.hub.conftest import CODE, FakeRadio

def run(folder, moment):
    what, last = moment.split(":")
    counts = collections.Counter()
    out = os.open(folder + ".said", os.O_WRONLY | os.O_CREAT)

    def count(done):
        counts[done] += 1
        if done == what and counts[done] == int(last):
            os.kill(os.getpid(), signal.SIGKILL)

    def step(*_):
        count("step")

    def connect(*args, connect=sqlite3.connect, **kwargs):
        connection = connect(*args, **kwargs)
        connection.set_trace_callback(step)
        return connection

    def say(*words):
        os.write(out, (" ".join(words) + "\\n").encode())
        count(words[0])

    class Radio(FakeRadio):
        async def admit(self, order):
            say("admit", order.admission)
            await super().admit(order)

        async def listen(self, seconds, *, by):
            if seconds:
                say("listen")
            await super().listen(seconds, by=by)

        async def evict(self, device):
            say("evict", device)
            return await super().evict(device)

        def tell(self, event):
            if isinstance(event, KeySent):
                say("key", event.device)
            super().tell(event)

    async def live():
        radio = Radio()
        async with Hub(radio, home=folder) as hub:
            for n in itertools.count(1):
                text = f"00124B00{n:08X}"
                device = zigbee_identity(text)
                async with hub.admit(f"Z:{text}$I:{CODE}", name=f"Lamp {n}") as admission:
                    await radio.join(device)
                    await radio.exchange(device)
                    await admission.joined()
                if n % 2:
                    await hub.evict(device, by="Ada")
                async with hub.listen(10):
                    await radio.join(zigbee_identity("0012FF0000000001"))

    sqlite3.connect = connect
    asyncio.run(live())

for moment in sys.argv[2:]:
    child = os.fork()
    if not child:
        run(os.path.join(sys.argv[1], moment), moment)
    print(moment, os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)
"""
CHANCE = random.Random(5)
# The opening takes some 60 steps, and each device some 40.
MOMENTS = [
    *(f"step:{CHANCE.randrange(40, 400)}" for _ in range(6)),
    *(f"{what}:{CHANCE.randrange(1, 6)}" for what in ("admit", "key", "listen", "evict")),
]


def allowed(record: AuditRecord) -> Identity | None:
    """Whom that decision gave the key."""
    said = record.fields()
    granted = said["decision"]["type"] == "allow" and said["request"]["type"] == "join"
    return record.device if granted else None


@pytest.mark.slow
async def test_killed_at_a_moment(tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: ASYNC221 - nobody else is waiting
        [sys.executable, "-c", PROGRAM, str(tmp_path), *MOMENTS],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout.split() == [word for moment in MOMENTS for word in (moment, str(int(signal.SIGKILL)))]
    acted: Counter[str] = Counter()
    for moment in MOMENTS:
        home = tmp_path / moment
        said = [line.split() for line in (tmp_path / f"{moment}.said").read_text().splitlines()]
        acted.update(what for what, *_ in said)
        with Store(home, read_only=True) as store:
            newest = store.verify().last
            records = store.audit(limit=100_000)
        acts = [record.fields() for record in records if record.kind is Kind.ACT]
        opened = {act["correlation"] for act in acts if act["act"] == "admission-opened"}
        evicted = Counter(act["device"] for act in acts if act["act"] == "evict")
        keys = Counter(allowed(record) for record in records if record.kind is Kind.DECISION)
        keyed = Counter(Identity(words[0]) for what, *words in said if what == "key")
        left = Counter(Identity(words[0]) for what, *words in said if what == "evict")
        # Each thing that the radio did has its record.
        assert opened >= {words[0] for what, *words in said if what == "admit"}
        assert evicted >= left
        assert keys >= keyed
        listened = sum(act["act"] == "listening-opened" for act in acts)
        assert listened >= sum(what == "listen" for what, *_ in said)
        # It goes on with who was let in, and says behind which record.
        radio = FakeRadio()
        async with Hub(radio, home=home) as hub:
            assert (await hub.posture()).alarm is None
            (begun,) = await hub.store.audit(newest, kinds=[Kind.ACT], limit=1)
            assert (begun.seq, begun.fields()["act"]) == (newest + 1, "hub-opened")
            assert begun.fields()["details"]["after"] == newest
            assert {radio.asked.standing(device) for device in keyed.keys() - evicted.keys()} <= {
                Standing.APPROVED
            }
            assert left.keys().isdisjoint(hub.allowlist)
    # Some were killed early, and some long after; and the radio did each of these.
    assert {"admit", "key", "evict", "listen"} <= acted.keys()
    assert acted["key"] > 10
