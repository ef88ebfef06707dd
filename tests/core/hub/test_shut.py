"""In place of a hub: nobody joins, whoever is there goes on, and the radio is left as a hub leaves it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubsec import Hub, Mode, RadioError, Refused, Shut, Standing
from hubsec.decisions import Allow, Deny, Quarantine
from hubsec.events import Event, Left
from hubsec.requests import (
    ExchangeRequest,
    IdentifyRequest,
    JoinKind,
    JoinRequest,
    LinkKeyState,
    OpenKind,
    OpenRequest,
    PresenceRequest,
    Request,
)
from hubsec.shut import NO_HUB

from .conftest import LAMP, FakeRadio
from .zwave import ACCESS_CONTROL, LOCK, LOCK_DSK, NONE, ZwaveRadio, at

WHOSE = {"radio": "fake", "network": FakeRadio.network, "device": LAMP}
REASON = "The policy can't be read."
NODE = {"radio": "zwave", "network": ZwaveRadio.network, "device": LOCK}


@pytest.mark.parametrize(
    ("request_", "gets"),
    [
        (JoinRequest(**WHOSE, kind=JoinKind.JOIN), Deny),
        (JoinRequest(**WHOSE, kind=JoinKind.UNSECURED_REJOIN), Deny),
        (JoinRequest(**WHOSE, kind=JoinKind.SECURED_REJOIN), Allow),
        (OpenRequest(**WHOSE, kind=OpenKind.PERMIT, asker="host", seconds=60), Deny),
        (OpenRequest(**WHOSE, kind=OpenKind.GREEN_POWER, asker="host", seconds=60), Deny),
        (PresenceRequest(**WHOSE), Allow),
        (ExchangeRequest(**WHOSE, link_key=LinkKeyState.MISSING), Allow),
        (IdentifyRequest(**WHOSE), Allow),
        (JoinRequest(**NODE, kind=JoinKind.JOIN), Deny),
        (JoinRequest(**NODE, kind=JoinKind.SMART_START), Deny),
        (OpenRequest(**NODE, kind=OpenKind.INCLUSION, asker="host", seconds=60), Deny),
        (OpenRequest(**NODE, kind=OpenKind.TAKEOVER, asker="host", seconds=0), Deny),
        (ExchangeRequest(**NODE, security_class=NONE, address=at(12)), Allow),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_who_asks_in_gets_nothing_and_who_is_there_stays(request_: Request, gets: type) -> None:
    radio, told = FakeRadio(), list[Event]()
    async with Shut(radio, reason=REASON, tell=told.append):
        authority = radio.authority
        assert authority is not None
        decision = await authority.judge(request_)
        assert isinstance(decision, gets)
        assert decision.rule == NO_HUB
        assert decision.reason == REASON or gets is Allow
        assert authority.mode is Mode.ENFORCE
        assert authority.standing(LAMP) is Standing.ADOPTED
        assert authority.entry(LAMP) is None
        event = Left(time=authority.now(), device=LAMP)
        authority.publish(event)
    assert told == [event]
    assert radio.closed


async def test_a_radio_that_does_not_open_is_told() -> None:
    radio = FakeRadio()

    async def fails(_: object) -> None:
        raise OSError("no such port")

    radio.open = fails  # type: ignore[method-assign]
    with pytest.raises(RadioError, match="OSError"):
        async with Shut(radio, reason=REASON, tell=print):
            pass


async def test_nobody_vouches_and_nobody_is_known(tmp_path: Path) -> None:
    radio, told = ZwaveRadio(), list[Event]()
    async with Shut(radio, reason=REASON, tell=told.append):
        with pytest.raises(Refused, match="can't be read") as caught:
            await radio.vouch()
        assert caught.value.rule == NO_HUB
        assert radio.orders == {}
        assert radio.asked.least_security("lamp") is ACCESS_CONTROL
        assert radio.asked.entries() == ()
        assert await radio.asked.secret(LOCK) is None
        await radio.asked.condemn(at(12), "It came by somebody else's inclusion.")
        await radio.asked.departed(at(12))
        # There is nowhere to write it down, so that it goes on until there is a hub.
        assert radio.asked.standing(at(12)) is Standing.ADOPTED
    assert told == []
    async with Hub(radio, policy="home", home=tmp_path / "hub"):
        assert isinstance(await radio.there(at(12)), Quarantine)
        assert (await radio.vouch()).secret == LOCK_DSK
