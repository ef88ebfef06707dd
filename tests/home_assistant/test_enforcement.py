"""Every way in which Home Assistant opens a ZHA network meets the guard: the user reads why, and nobody gets in.

What each of them does unguarded is in test_zha_alone.py, or beside it here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from bellows.ezsp.protocol import ProtocolHandler
from guarded import REFUSAL, SHUT, GuardedZha, guarded, stick
from homeassistant.core import Context, ServiceCall
from homeassistant.exceptions import ServiceValidationError
from pytest_homeassistant_custom_component.typing import MockHAClientWebSocket, WebSocketGenerator
from zha_house import PATIENCE, Zha, ieee, until
from zigpy.types import EUI64

from hubsec.events import OpenRefused
from hubsec.identity import Mode
from hubsec.requests import OpenKind
from hubsec_emulated.house import House

pytestmark = pytest.mark.usefixtures("enable_custom_integrations")
WINDOW = 60
READING = ("get", "export", "networkState")
"""How the stick's commands begin that change nothing."""


class Setting:
    """A guarded house with a lamp that works, one that waits for its admission, and what a user has in hand."""

    def __init__(self, guard: GuardedZha, websocket: MockHAClientWebSocket, admin: Context) -> None:
        self.guard = guard
        self.zha = guard.zha
        self.websocket = websocket
        self.admin = admin
        self.lamp, self.new = guard.house.devices

    async def by_service(self, **more: Any) -> None:
        await self.zha.permit(WINDOW, context=self.admin, **more)

    async def by_page(self, **more: Any) -> None:
        answer = await self.zha.permit_on_page(self.websocket, WINDOW, **more)
        raise_answer(answer)

    @property
    def code(self) -> dict[str, Any]:
        assert self.new.install_code is not None
        return {"source_ieee": ieee(self.new), "install_code": self.new.install_code.hex()}

    @property
    def qr_code(self) -> dict[str, Any]:
        # Its pattern counts the address from the other end.
        assert self.new.install_code is not None
        address = self.new.eui64.to_bytes(8, "little").hex()
        return {"qr_code": f"Z:{address}$I:{self.new.install_code.hex()}"}


def raise_answer(answer: dict[str, Any]) -> None:
    """What the page was told, as an error."""
    if not answer["success"]:
        assert answer["error"]["translation_domain"] == "hubsec"
        raise ServiceValidationError(answer["error"]["message"])


@pytest.fixture
async def setting(zha: Zha, hass_ws_client: WebSocketGenerator, admin: Context) -> Setting:
    lamp, _new = zha.house.lamp(), zha.house.lamp()
    await zha.admitted(lamp)
    light = await zha.entity(lamp, "light")
    await until(lambda: zha.hass.states.get(light).state in ("on", "off"), "ZHA's reading its state")
    guard = await guarded(zha, adopt=[lamp])
    await guard.stands()
    return Setting(guard, await hass_ws_client(zha.hass), admin)


type Way = Callable[[Setting], Awaitable[Any]]

WAYS: dict[str, Way] = {
    "the service": lambda s: s.by_service(),
    "the service, on a router": lambda s: s.by_service(ieee=ieee(s.lamp)),
    "the service, on the coordinator": lambda s: s.by_service(ieee=str(s.zha.app.state.node_info.ieee)),
    "the service, with an install code": lambda s: s.by_service(**s.code),
    "the service, with a QR code": lambda s: s.by_service(**s.qr_code),
    "the page": lambda s: s.by_page(),
    "the page of a router": lambda s: s.by_page(ieee=ieee(s.lamp)),
    "the page, with an install code": lambda s: s.by_page(**s.code),
    "the page, with a QR code": lambda s: s.by_page(**s.qr_code),
    "permit_ncp": lambda s: s.zha.app.permit_ncp(WINDOW),
    "the router's own ZDO": lambda s: s.zha.app.get_device(EUI64.convert(ieee(s.lamp))).zdo.permit(WINDOW),
    "the coordinator's own ZDO": lambda s: s.zha.app._device.zdo.permit(WINDOW),
    "a command to the stick": lambda s: s.zha.app._ezsp.permitJoining(WINDOW),
}


@pytest.mark.zigbee_house(record=True)
async def test_every_way_to_open_is_refused_with_a_sentence_and_nobody_gets_in(setting: Setting) -> None:
    guard, house = setting.guard, setting.zha.house
    strangers = [house.stranger(), house.stranger(parent=setting.lamp)]
    for stranger in strangers:
        stranger.power_on()
    for name, way in WAYS.items():
        before = len(guard.heard(OpenRefused))
        with pytest.raises(ServiceValidationError) as refused:
            await way(setting)
        assert str(refused.value) == REFUSAL, name
        assert stick(house) == SHUT, name
        told = {(event.asker, event.enforced) for event in guard.heard(OpenRefused)[before:]}
        assert told == {("host", True)}, name
    await house.sleep(30)
    setting.new.power_on()
    await house.sleep(30)
    assert not any(stranger.loot for stranger in strangers)
    assert not house.sniffer.has_network_key
    assert not setting.new.has_network_key
    assert not any(setting.zha.knows(stranger) for stranger in strangers)
    assert not setting.lamp.parenting.permit
    await guard.works(setting.lamp)


async def test_unguarded_what_goes_past_zhas_own_service_opens_as_well(zha: Zha) -> None:
    lamp, app = zha.house.lamp(), zha.app
    await zha.admitted(lamp)
    assert not lamp.parenting.permit
    await app.get_device(EUI64.convert(ieee(lamp))).zdo.permit(WINDOW)
    await until(lambda: lamp.parenting.permit, "The router's opening")
    for open_it in (app._device.zdo.permit, app.permit_ncp, app._ezsp.permitJoining):
        await app._ezsp.permitJoining(0)
        await until(lambda: not stick(zha.house).permits, "The stick's closing")
        await open_it(WINDOW)
        await until(lambda: stick(zha.house).permits, "The stick's opening")


async def test_closing_always_passes(setting: Setting) -> None:
    zha, app, before = setting.zha, setting.zha.app, len(setting.guard.heard(OpenRefused))
    await zha.permit(0, context=setting.admin)
    assert (await zha.permit_on_page(setting.websocket, 0))["success"]
    await zha.permit(0, ieee=ieee(setting.lamp))
    await app.permit_ncp(0)
    await app.get_device(EUI64.convert(ieee(setting.lamp))).zdo.permit(0)
    assert len(setting.guard.heard(OpenRefused)) == before
    assert stick(zha.house) == SHUT


# Backups, channels, Green Power


async def ask(websocket: MockHAClientWebSocket, command: str, **more: Any) -> dict[str, Any]:
    """What a page is answered."""
    await websocket.send_json_auto_id({"type": command, **more})
    answer: dict[str, Any] = await websocket.receive_json(timeout=PATIENCE)
    return answer


def sent_to(house: House) -> list[str]:
    """The names of the commands that the stick gets from now on."""
    names: list[str] = []
    house.server.ncp.on_command = lambda name, _args: names.append(name)
    return names


async def backup_of(websocket: MockHAClientWebSocket) -> dict[str, Any]:
    """A backup, as the page makes it."""
    answer = await ask(websocket, "zha/network/backups/create")
    backup: dict[str, Any] = answer["result"]["backup"]
    return backup


async def test_unguarded_a_backup_takes_the_place_of_the_network(
    zha: Zha, hass_ws_client: WebSocketGenerator
) -> None:
    websocket = await hass_ws_client(zha.hass)
    backup = await backup_of(websocket)
    backup["network_info"]["network_key"]["key"] = ":".join(["5a"] * 16)
    answer = await ask(websocket, "zha/network/backups/restore", backup=backup)
    assert answer["success"], answer
    assert b"\x5a" * 16 in zha.house.coordinator.keys.all().values()


async def test_a_backup_is_not_restored_over_a_guarded_network(setting: Setting) -> None:
    guard, house, app = setting.guard, setting.zha.house, setting.zha.app
    backup = await backup_of(setting.websocket)
    backup["network_info"]["network_key"]["key"] = ":".join(["5a"] * 16)
    commands, keys = sent_to(house), house.coordinator.keys.all()
    answer = await ask(setting.websocket, "zha/network/backups/restore", backup=backup)
    assert not answer["success"]
    assert answer["error"]["message"].startswith(
        "hubsec lets no backup replace the network of Emulated stick. "
    )
    assert guard.heard(OpenRefused)[-1].kind is OpenKind.RESTORE
    # A restore begins by wiping the stick. What hubsec itself may be reading there meanwhile changes nothing.
    assert not [one for one in commands if not one.startswith(READING)]
    assert house.coordinator.keys.all() == keys
    assert setting.zha.app is app
    await guard.works(setting.lamp)
    await guard.stands()


async def test_a_channel_may_be_changed(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    # It opens nothing and moves no key. The emulated stick itself stays on its channel, guarded or not.
    monkeypatch.setattr("zigpy.application.CHANNEL_CHANGE_BROADCAST_DELAY_S", 0.0)
    refused, commands = len(setting.guard.heard(OpenRefused)), sent_to(setting.zha.house)
    change = asyncio.create_task(setting.zha.app.move_network_to_channel(20))
    await until(lambda: "sendUnicast" in commands, "The stick's order")
    await setting.zha.house.sleep(5)  # What bellows is sending is not cut off.
    change.cancel()
    await asyncio.gather(change, return_exceptions=True)
    assert commands.count("sendBroadcast") == 5
    assert len(setting.guard.heard(OpenRefused)) == refused


# The canary


async def past_everything(zha: Zha, seconds: int) -> None:
    """Open the network past application and gate, as nobody does by accident."""
    await ProtocolHandler.command(zha.app._ezsp._protocol, "permitJoining", seconds)


@pytest.mark.parametrize("mode", Mode)
async def test_a_service_that_goes_past_the_guard_is_noticed_and_shut(zha: Zha, mode: Mode) -> None:
    asked: list[int] = []

    async def permit(call: ServiceCall) -> None:
        asked.append(call.data["duration"])
        # In the mode that enforces, not even closing by it would close.
        await past_everything(zha, WINDOW if mode is Mode.ENFORCE else call.data["duration"])

    zha.hass.services.async_register("zha", "permit", permit)
    guard = await guarded(zha, mode)
    await guard.is_now("silent")
    assert asked == [1, 0]
    await until(lambda: not stick(zha.house).permits, "The closing", patience=WINDOW / 20 / 2)
    assert guard.entity("protected") == "off"
    # Once the way leads past the guard again, it can be tried anew.
    assert await zha.reload()
    await guard.is_now("stands")


async def test_a_service_that_fails_is_no_refusal(zha: Zha) -> None:
    async def permit(call: ServiceCall) -> None:
        raise RuntimeError("This is what a radio's library may raise.")

    zha.hass.services.async_register("zha", "permit", permit)
    guard = await guarded(zha)
    await guard.is_now("silent")


@pytest.mark.parametrize("mode", Mode)
async def test_a_wrapper_on_top_leads_to_the_gate(zha: Zha, mode: Mode) -> None:
    guard = await guarded(zha, mode)
    await guard.is_now("stands")
    app = zha.app

    async def wrapper(time_s: int = 60, node: Any = None) -> None:
        """Somebody else's, who asks nobody."""
        await type(app).permit(app, time_s=time_s, node=node)

    app.permit = wrapper
    if mode is Mode.ENFORCE:
        with pytest.raises(ServiceValidationError, match="hubsec"):
            await zha.permit()
        assert stick(zha.house) == SHUT
    await guard.network.attach_anew()
    await guard.is_now("stands")
    await guard.unload()
    assert app.permit is wrapper
