"""What each kind of device ends as, for each kind of answer, with nobody in between and under each guard; and the table
of it in the documentation.

A row is a device and what its host does. The device's button is pressed before the host begins, so that it is in as
soon as anybody opens. The host answers as quickly as a person does.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from zwave_js_server.exceptions import BaseZwaveJSServerError

from hubsec.events import OpenRefused
from hubsec_emulated.errors import NotInTimeError
from tests.zwave.guarded import DEFAULT, INSECURE, OUTSIDE, S0, S2, STAGES, host_client, stage

if TYPE_CHECKING:
    from hubsec_emulated import ZWaveHouse
    from tests.zwave.guarded import Guarded, HostClient

PAGE = Path(__file__).parents[2] / "docs" / "z-wave-downgrades.md"

AUTHENTICATED: Final = "s2-authenticated"
UNAUTHENTICATED: Final = "s2-unauthenticated"
LISTED: Final = "s2-authenticated, on the allowlist"
SHUT_OFF: Final = "none, quarantined"
KEPT_OUT: Final = "not on the network, or quarantined"
"""Whether the guard stops a stranger's inclusion before a device has answered is a race."""
ASKED_ALL: Final = ("S2_Authenticated", "S2_Unauthenticated")


@dataclass(frozen=True)
class Row:
    """`guarded` is what it ends as where the host's client is under the guard. In the stage `own` the host goes past
    it, and whoever comes is kept out, or shut off, whatever it does."""

    name: str
    unguarded: str
    guarded: str
    kind: str = "lamp"
    security: str = "s2"
    requests: tuple[str, ...] | None = None
    strategy: int = DEFAULT
    options: dict[str, Any] = field(default_factory=dict)
    grant: list[int] | bool = True
    pin: str | bool | None = None

    def on(self, name: str) -> str:
        return {"unguarded": self.unguarded, "own": KEPT_OUT}.get(name, self.guarded)

    def __str__(self) -> str:
        return self.name


ROWS: Final = (
    Row("S2 device, its PIN entered", AUTHENTICATED, LISTED),
    Row("S2 device, S2 wanted", AUTHENTICATED, LISTED, strategy=S2),
    Row("S2 device, S2 Authenticated alone granted", AUTHENTICATED, LISTED, grant=[1]),
    Row("S2 device, S2 Unauthenticated alone granted", UNAUTHENTICATED, SHUT_OFF, grant=[0]),
    Row(
        "S2 device that asks for S2 Unauthenticated alone",
        UNAUTHENTICATED,
        SHUT_OFF,
        requests=("S2_Unauthenticated",),
    ),
    Row(
        "lock that asks for S2 Authenticated alone",
        AUTHENTICATED,
        SHUT_OFF,
        kind="lock",
        requests=("S2_Authenticated",),
    ),
    Row("S2 device, nothing granted", "none", SHUT_OFF, grant=False),
    Row("S2 device, an empty list granted", "none", SHUT_OFF, grant=[]),
    Row("S2 device, DSK refused", "none", SHUT_OFF, pin=False),
    Row("S2 device, PIN of four digits", "none", SHUT_OFF, pin="1234"),
    Row("S2 device, wrong PIN", "none", SHUT_OFF, pin="00001"),
    Row("S2 device, no security wanted", "none", OUTSIDE, strategy=INSECURE),
    Row("S0 device", "none", SHUT_OFF, security="s0"),
    Row("S0 device, S2 wanted", "none", SHUT_OFF, security="s0", strategy=S2),
    Row("S0 device, security forced", "s0", SHUT_OFF, security="s0", options={"forceSecurity": True}),
    Row("S0 device, S0 wanted", "s0", OUTSIDE, security="s0", strategy=S0),
    Row("S0 lock", "s0", SHUT_OFF, kind="lock", security="s0"),
    Row("S2 device that asks for S0", "s0", SHUT_OFF, security="s0-requesting"),
    Row("device without security", "none", SHUT_OFF, security="none"),
    Row("device without security, S2 wanted", "none", SHUT_OFF, security="none", strategy=S2),
)


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_what_it_ends_as(zwave_house: ZWaveHouse, tmp_path: Path, row: Row, name: str) -> None:
    house = zwave_house
    async with stage(name, house, tmp_path) as stood, host_client(house) as inspector:
        device = getattr(house, row.kind)(security=row.security, requests=row.requests)
        host = stood.host
        host.grant = row.grant
        host.pin = row.pin if row.pin is not None else device.pin if row.security == "s2" else False
        device.press_button()
        await house.settle()
        try:
            await host.command(
                "controller.begin_inclusion", options={"strategy": row.strategy, **row.options}
            )
        except BaseZwaveJSServerError:
            assert row.on(name) == OUTSIDE
        else:
            if name == "own" and stood.guarded is not None:
                await over(stood.guarded, inspector)
            else:
                with suppress(NotInTimeError):
                    await house.wait_until(lambda: device.node_id is not None, 5)
                if device.node_id is None:
                    device.press_button()  # On a busy machine the first time is long past.
                await inspector.event("node added")
            await house.settle()
            if stood.guarded is not None and await knows(inspector, device.node_id):
                await judged(stood.guarded, device.node_id)
        ended = await stood.ended(device, inspector)
        if name == "own":
            assert ended == OUTSIDE or ended.endswith("quarantined")
        else:
            assert ended == row.on(name)
        if name in ("attach", "gate") and "allowlist" not in row.on(name):
            assert not host.of("node added")


@dataclass(frozen=True)
class Comer:
    """Who presses its button while hubsec admits a lamp, or a lock, by its DSK, and what it ends as. `invited`: the DSK
    is its own."""

    name: str
    ended: str
    kind: str = "lamp"
    security: str = "s2"
    requests: tuple[str, ...] | None = None
    invited: bool = True

    def __str__(self) -> str:
        return self.name


COMERS: Final = (
    Comer("S2 device, by its DSK", LISTED),
    Comer("lock, by its DSK", "s2-access-control, on the allowlist", kind="lock"),
    Comer(
        "S2 device, by its DSK, that asks for S2 Unauthenticated alone",
        SHUT_OFF,
        requests=("S2_Unauthenticated",),
    ),
    Comer(
        "lock, by its DSK, that asks for S2 Authenticated alone",
        SHUT_OFF,
        kind="lock",
        requests=("S2_Authenticated",),
    ),
    Comer("another S2 device in its place", SHUT_OFF, invited=False),
    Comer("S0 device in its place", SHUT_OFF, security="s0", invited=False),
    Comer("device that asks for S0 in its place", SHUT_OFF, security="s0-requesting", invited=False),
    Comer("device without security in its place", SHUT_OFF, security="none", invited=False),
)


@pytest.mark.parametrize("comer", COMERS, ids=str)
async def test_what_it_ends_as_where_hubsec_includes(
    zwave_house: ZWaveHouse, tmp_path: Path, comer: Comer
) -> None:
    house = zwave_house
    async with stage("own", house, tmp_path) as stood, host_client(house) as inspector:
        guarded = stood.guarded
        assert guarded is not None
        device = getattr(house, comer.kind)(security=comer.security, requests=comer.requests)
        awaited = device if comer.invited else getattr(house, comer.kind)(name="who was invited")
        async with guarded.hub.admit(awaited.dsk, name="Awaited", device_class=comer.kind):
            device.press_button()
            await inspector.event("node added")
            await house.settle()
            await judged(guarded, device.node_id)
        assert await stood.ended(device, inspector) == comer.ended


def test_hubsec_includes_nobody_as_less_than_its_policy_asks() -> None:
    """A row that must fail beside each that passes."""
    for passing in (comer for comer in COMERS if comer.ended != SHUT_OFF):
        assert any(
            comer.kind == passing.kind and comer.invited and comer.ended == SHUT_OFF for comer in COMERS
        )


async def over(guarded: Guarded, inspector: HostClient) -> None:
    """Wait until a stranger's inclusion has ended."""
    await guarded.event(OpenRefused)
    state = inspector.controller
    await guarded.until(lambda: state.inclusion_state not in (1, 3), "The end of the inclusion")
    await guarded.until(lambda: guarded.radio._guard.including.inclusion is None, "The guard's word on it")


async def knows(inspector: HostClient, node_id: int | None) -> bool:
    """Whether the server has that node; one that came just when its inclusion was stopped it may not know."""
    try:
        await inspector.command("node.get_state", nodeId=node_id)
    except BaseZwaveJSServerError:
        return False
    return True


async def judged(guarded: Guarded, node_id: int) -> None:
    """Wait until the guard has taken the node's arrival in."""
    await guarded.until(
        lambda: (
            node_id in guarded.radio._guard.station.nodes and node_id not in guarded.radio._guard._arriving
        ),
        "The judgement",
    )


def test_unguarded_every_downgrade_succeeds() -> None:
    """Or the table would prove nothing."""
    for row in ROWS:
        assert row.unguarded != OUTSIDE
        if row.guarded != LISTED:
            assert "quarantined" not in row.unguarded


def tables() -> dict[str, str]:
    """The rows as Markdown, by the name that the documentation's marks have."""
    own = ["| who comes while hubsec admits | ended as |", "| --- | --- |"]
    own += [f"| {comer.name} | {comer.ended} |" for comer in COMERS]
    return {"table": hosts_table(), "own": "\n".join(own) + "\n"}


def hosts_table() -> str:
    lines = [
        "| what comes, and what the host does | unguarded | host beside hubsec | hubsec attached, or its gate |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| {row.name} | {row.unguarded} | {KEPT_OUT} | {row.guarded} |" for row in ROWS]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", ["table", "own"])
def test_the_page_has_this_table(name: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    begin, end = (f"<!-- {name}: {mark} -->\n" for mark in ("begin", "end"))
    shown = text[text.index(begin) + len(begin) : text.index(end)]
    assert shown.strip() == tables()[name].strip()
