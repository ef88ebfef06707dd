"""A radio that hubsec does not enforce on, with zigpy-znp's own application: what is told; nothing is pretended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import zigpy_znp.commands as c
from zigpy.types import EUI64, NWK, KeyData
from zigpy_znp.types import Status
from zigpy_znp.zigbee.application import ControllerApplication

from hubsec import CANARY, Hub, NotEnforceable, canary
from hubsec.errors import RadioError, Refused
from hubsec.events import GuardAttached, GuardDetached, OpenRefused, Quarantined
from hubsec.identity import Identity, Mode
from hubsec.radio import AdmissionOrder
from hubsec.requests import OpenKind
from hubsec_zigbee import survey
from hubsec_zigbee.observed import GAPS, Observed
from tests.zigbee.guarded import ScriptedAuthority

NODE = EUI64.convert("00:12:4b:00:00:00:00:01")
KEY = KeyData(bytes(range(16)))
PATIENCE = 10
OLD_BUILD = 20200101
"""Z-Stack's build: one that has to be opened itself for its routers' sake, so that it hears of each opening."""


class Stick:
    """Answers Z-Stack's requests, and remembers them."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def request(self, request: Any, **_: Any) -> Any:
        self.asked.append(request)
        return SimpleNamespace(Status=Status.SUCCESS)

    async def request_callback_rsp(self, *, request: Any, **_: Any) -> Any:
        return await self.request(request)

    def opened(self) -> list[int]:
        """The seconds that it was told to open for, each time."""
        permits = [one for one in self.asked if isinstance(one, c.ZDO.MgmtPermitJoinReq.Req)]
        return [int(one.Duration) for one in permits]

    def codes(self) -> int:
        return sum(isinstance(one, c.AppConfig.BDBAddInstallCode.Req) for one in self.asked)


@pytest.fixture
def stick() -> Stick:
    return Stick()


@pytest.fixture
async def app(stick: Stick) -> AsyncIterator[ControllerApplication]:
    """zigpy-znp's application on that stick, as if it had started."""
    app = ControllerApplication({"device": {"path": "/dev/null"}, "database_path": None})
    app._znp = stick
    app._version_rsp = SimpleNamespace(CodeRevision=OLD_BUILD)

    async def send_packet(packet: Any) -> None:
        """Broadcasts go nowhere."""

    app.send_packet = send_packet
    yield app
    await app.permit_gp(0)  # It ends zigpy's own timer.


async def opened(app: ControllerApplication, call: str) -> None:
    if call == "permit":
        await app.permit(60)
    elif call == "permit to one":
        await app.permit(time_s=60)
    elif call == "permit_ncp":
        await app.permit_ncp(60)
    else:
        await app.permit_with_link_key(NODE, KEY, 1)


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ("permit", OpenKind.PERMIT),
        ("permit to one", OpenKind.PERMIT),
        ("permit_ncp", OpenKind.PERMIT),
        ("permit_with_link_key", OpenKind.PERMIT_LINK_KEY),
    ],
)
async def test_each_way_to_open_is_told_once_and_works(
    app: ControllerApplication, stick: Stick, call: str, kind: OpenKind
) -> None:
    authority = ScriptedAuthority(Mode.OBSERVE)
    radio = Observed.attach(app)
    await radio.open(authority)
    await opened(app, call)
    told = authority.of(OpenRefused)
    assert [(event.kind, event.enforced) for event in told] == [(kind, False)]
    assert bool(stick.opened()) is (call != "permit_ncp")  # Z-Stack does nothing for that one.
    assert stick.codes() == (kind is OpenKind.PERMIT_LINK_KEY)
    await radio.close()


async def test_closing_is_not_told(app: ControllerApplication, stick: Stick) -> None:
    authority = ScriptedAuthority(Mode.OBSERVE)
    radio = Observed.attach(app)
    await radio.open(authority)
    await app.permit(0)
    assert authority.of(OpenRefused) == []
    assert 0 in stick.opened()
    await radio.close()


@pytest.mark.parametrize("call", ["permit", "permit_ncp", "permit_with_link_key"])
async def test_a_canary_is_refused_before_the_stick_hears_of_it(
    app: ControllerApplication, stick: Stick, call: str
) -> None:
    radio = Observed.attach(app)
    await radio.open(ScriptedAuthority(Mode.OBSERVE))
    with canary(), pytest.raises(Refused) as refused:
        await opened(app, call)
    assert refused.value.rule == CANARY
    assert stick.asked == []
    await radio.close()


async def test_it_leaves_the_application_as_it_was(app: ControllerApplication) -> None:
    before = dict(vars(app))
    authority = ScriptedAuthority(Mode.OBSERVE)
    radio = Observed.attach(app)
    await radio.open(authority)
    assert vars(app).keys() > before.keys()
    await radio.close()
    await radio.close()
    assert vars(app) == before
    assert [event.restored for event in authority.of(GuardDetached)] == [True]


async def test_a_wrapper_of_somebody_else_is_left_alone(app: ControllerApplication) -> None:
    authority = ScriptedAuthority(Mode.OBSERVE)
    radio = Observed.attach(app)
    await radio.open(authority)

    async def theirs(*args: Any, **more: Any) -> None:
        """Somebody's own."""

    app.permit = theirs
    await radio.close()
    assert app.permit is theirs
    assert [event.restored for event in authority.of(GuardDetached)] == [False]


async def test_a_hub_that_enforces_is_refused_and_told_why(
    app: ControllerApplication, tmp_path: Path
) -> None:
    before = dict(vars(app))
    with pytest.raises(NotEnforceable, match="does not enforce on a znp radio yet"):
        async with Hub(Observed.attach(app), mode=Mode.ENFORCE, home=tmp_path / "hub"):
            pass
    assert vars(app) == before


async def test_it_says_by_name_what_it_can_not(app: ControllerApplication) -> None:
    authority = ScriptedAuthority(Mode.OBSERVE)
    radio = Observed.attach(app)
    await radio.open(authority)
    posture = await radio.posture()
    assert (posture.closed, posture.gaps) == (False, GAPS)
    assert [event.gaps for event in authority.of(GuardAttached)] == [GAPS]
    order = AdmissionOrder(
        admission="1",
        device=Identity(str(NODE)),
        name="lamp",
        credential="install-code",  # type: ignore[arg-type]
        secret=None,  # type: ignore[arg-type]
        window=1,
        exchange_limit=1,
    )
    for asked in (radio.admit(order), radio.listen(60, by="Ada"), radio.evict(Identity(str(NODE)))):
        with pytest.raises(NotEnforceable):
            await asked
    await radio.listen(0, by="Ada")
    await radio.close()


async def test_a_device_without_entry_is_told(app: ControllerApplication, tmp_path: Path) -> None:
    app.state.network_info.extended_pan_id = EUI64.convert("00:12:4b:00:00:00:00:aa")
    app.add_device(NODE, NWK(0x1234))
    events: list[Quarantined] = []
    hub = Hub(Observed.attach(app), mode=Mode.OBSERVE, home=tmp_path / "hub")
    told = asyncio.Event()
    hub.on(Quarantined, events.append)
    hub.on(Quarantined, lambda _: told.set())
    async with hub:
        await hub.adopt("zigpy", devices=())
        app.listener_event("device_initialized", app.devices[NODE])
        async with asyncio.timeout(PATIENCE):
            await told.wait()
    assert [(event.device, event.enforced) for event in events] == [(str(NODE), False)]


async def test_what_is_no_zigpy_application_is_refused() -> None:
    with pytest.raises(RadioError, match="no zigpy application"):
        Observed.attach(object())


def test_a_survey_reads_without_touching(app: ControllerApplication) -> None:
    app.state.network_info.extended_pan_id = EUI64.convert("00:12:4b:00:00:00:00:aa")
    before = dict(vars(app))
    found = survey(app)
    assert (found.network_id, found.capabilities.library, found.devices) == ("00124b00000000aa", "znp", ())
    assert not found.capabilities.enforced
    assert vars(app) == before
