"""One decision, with an allowlist of ten entries and of 100,000: it ought to cost the same.

The limit is a function written for this one policy and question: it looks the device and its admission up, compares the
times and makes the answer. A time is that of the fastest of many short rounds, as the documentation of timeit advises:
what is slower is the machine's other work, which on a shared one goes on for seconds.
"""

from __future__ import annotations

import msgspec

from benchmarks.harness import Case, Row, measure, rows
from hubsec.decisions import Allow, Decision, Deny
from hubsec.entries import Entry
from hubsec.identity import CredentialKind, Identity, Network
from hubsec.policy import Context, OpenAdmission, decide, load_policy
from hubsec.requests import JoinKind, JoinRequest

SIZES = (10, 100_000)
LIMIT = 500.0
"""Nanoseconds that a decision may take."""
AIM = f"<= {LIMIT:g} ns"
GROWTH = 1.25
"""A decision with the long allowlist against one with the short one."""

ROUNDS, SAMPLE = 200, 0.005
"""How many rounds, and the seconds of each case's in them."""

NOW = 1_000.0


def identity(number: int) -> Identity:
    """A made-up EUI64."""
    digits = f"{0x00124B0000000000 + number:016x}"
    return Identity(":".join(digits[i : i + 2] for i in range(0, 16, 2)))


def entry(device: Identity) -> Entry:
    """An entry as the hub makes it for an install code."""
    return Entry(
        device=device,
        network=Network.ZIGBEE,
        credential=CredentialKind.INSTALL_CODE,
        label="lamp",
        approved_by="operator",
        approved_at=0.0,
    )


def request(device: Identity) -> JoinRequest:
    """It asks for the network key."""
    return JoinRequest(radio="bellows", network=Network.ZIGBEE, device=device, kind=JoinKind.JOIN)


def inline(asked: JoinRequest, context: Context) -> Decision:
    """The limit."""
    entry = context.entries.get(asked.device)
    if entry is None:
        return Deny("no-entry", "It is not on the allowlist.")
    opened = context.admissions.get(asked.device)
    if opened is None or opened.expires_at <= context.now or opened.credential is not entry.credential:
        return Deny("no-admission", "No admission is open for it.")
    return Allow("install-code", "It has an entry and an admission.", entry.credential)


def cases(size: int) -> dict[str, Case]:
    """An allowed join, and a stranger's."""
    policy = load_policy("home")
    entries = {identity(number): entry(identity(number)) for number in range(size)}
    lamp, stranger = identity(size // 2), identity(size + 1)
    opened = OpenAdmission(
        credential=CredentialKind.INSTALL_CODE, opened_at=NOW - 1, expires_at=NOW + 60, radio="bellows"
    )
    context = Context(now=NOW, entries=entries, admissions={lamp: opened}, adopted=True)
    allowed, denied = request(lamp), request(stranger)
    assert isinstance(decide(allowed, policy, context), Allow)
    assert isinstance(decide(denied, policy, context), Deny)
    assert isinstance(inline(allowed, context), Allow)
    assert isinstance(inline(denied, context), Deny)

    def limit(times: int) -> None:
        for _ in range(times):
            inline(allowed, context)

    def allow(times: int) -> None:
        for _ in range(times):
            decide(allowed, policy, context)

    def deny(times: int) -> None:
        for _ in range(times):
            decide(denied, policy, context)

    return {"inline function": limit, "allow": allow, "deny": deny}


def fastest(values: dict[str, list[float]]) -> dict[str, list[float]]:
    """The fastest round of each case."""
    return {name: [min(measured)] for name, measured in values.items()}


def run() -> list[Row]:
    """The lines of the table."""
    lines: list[Row] = []
    both: dict[str, Case] = {}
    for size in SIZES:
        some = cases(size)
        both[f"allow, {size:,} entries"] = some["allow"]
        values = fastest(measure(some, rounds=ROUNDS, sample=SAMPLE))
        title = f"decide, {size:,} entries"
        lines += [
            line if line.ratio is None else msgspec.structs.replace(line, aim=AIM, met=line.value <= LIMIT)
            for line in rows(title, values, ours=(), aim=None)
            if line.value is not None
        ]
    short, long = both
    lines.append(
        rows(
            "decide, growth",
            fastest(measure({short: both[short], long: both[long]}, rounds=ROUNDS, sample=SAMPLE)),
            ours=(long,),
            aim=GROWTH,
        )[1]
    )
    return lines
