"""The actions, on the real ZHA: what they do, what they answer, who may call them, and what nobody gets to read."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest
import voluptuous as vol
from guarded import guarded
from homeassistant.core import Context, Event, HomeAssistant, ServiceCall
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError, Unauthorized, UnknownUser
from homeassistant.helpers.json import JSONEncoder
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockUser
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator, WebSocketGenerator
from zha_house import Zha, ieee, until

from hubsec import AdmissionEnded, Outcome
from hubsec_emulated.devices.device import Device

pytestmark = pytest.mark.usefixtures("enable_custom_integrations")

ACTIONS = {
    "admit": {"sticker": "83FE", "name": "Lamp"},
    "listen": {},
    "approve": {"device": "00:12:4b:00:00:00:00:01", "name": "Lamp"},
    "allow": {"device": "00:12:4b:00:00:00:00:01"},
    "revoke": {"device": "00:12:4b:00:00:00:00:01"},
    "evict": {"device": "00:12:4b:00:00:00:00:01"},
    "quarantine": {"device": "00:12:4b:00:00:00:00:01", "reason": "Why not."},
    "release": {"device": "00:12:4b:00:00:00:00:01"},
    "list": {},
    "plan_rotation": {},
    "rotate_network_key": {},
    "plan_reinclusion": {},
    "export_audit": {},
    "checkpoint_audit": {},
    "verify_audit": {},
}
"""Each with what it needs at least."""


def listed(answer: dict[str, Any], device: Device) -> dict[str, Any]:
    (row,) = [row for row in answer["allowlist"] if row["device"] == ieee(device)]
    return row


# What they do


async def test_admit_lets_in_the_device_of_the_sticker_and_says_how_safe_it_is(
    zha: Zha, admin: Context, hass_admin_user: MockUser
) -> None:
    home = await guarded(zha)
    lamp = zha.house.lamp()
    lamp.power_on()
    expires_at = dt_util.now() + timedelta(days=1)
    answer = await home.call(
        "admit",
        sticker=lamp.sticker,
        name="Hall lamp",
        device_class="lamp",
        expires_at=expires_at,
        single_use=True,
        config_entry_id=home.entry.entry_id,
        context=admin,
    )
    assert answer == {
        "network": "Emulated stick",
        "device": ieee(lamp),
        "name": "Hall lamp",
        "security": "joined by install code; holds a link key of its own",
    }
    await home.settled(lamp)
    row = listed(await home.call("list"), lamp)
    assert row["approved_by"] == hass_admin_user.name
    assert row["use"] == "single"
    assert row["device_class"] == "lamp"
    assert dt_util.parse_datetime(row["expires_at"]) == expires_at


async def test_admit_says_that_nobody_came(zha: Zha) -> None:
    home = await guarded(zha)
    lamp = zha.house.lamp()
    admitting = zha.hass.async_create_task(home.call("admit", sticker=lamp.sticker, name="Hall lamp"))
    await until(lambda: home.network.entrance.open_to, "Opening")
    await home.network.entrance.close()
    with pytest.raises(ServiceValidationError, match="Emulated stick: Somebody closed it"):
        await admitting


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - {Outcome.JOINED}))
async def test_only_an_admission_that_failed_is_worth_a_traceback(
    zha: Zha, monkeypatch: pytest.MonkeyPatch, outcome: Outcome
) -> None:
    home = await guarded(zha)

    async def ended(*_: object, **__: object) -> None:
        raise AdmissionEnded("It did not come in.", outcome=outcome)

    monkeypatch.setattr(home.network.entrance, "admit", ended)
    with pytest.raises(HomeAssistantError, match="Emulated stick: It did not come in") as raised:
        await home.call("admit", sticker=zha.house.lamp().sticker, name="Hall lamp")
    assert isinstance(raised.value, ServiceValidationError) is (outcome is not Outcome.FAILED)


async def test_a_knock_is_approved_at_its_next_try(zha: Zha) -> None:
    home = await guarded(zha)
    old = zha.house.lamp(install_code=None)
    with pytest.raises(ServiceValidationError, match="has not knocked lately"):
        await home.call("approve", device=ieee(old), name="Old lamp")
    answer = await home.call("listen", seconds=30)
    assert dt_util.parse_datetime(answer["closes_at"]) > dt_util.utcnow()
    old.power_on()
    await until(lambda: ieee(old) in home.network.entrance.knocks, "The knock")
    answer = await home.call("approve", device=ieee(old).upper(), name="Old lamp")
    assert answer["device"] == ieee(old)
    await home.settled(old)
    assert "exposed" in listed(await home.call("list"), old)["marks"]


async def test_a_device_is_quarantined_released_and_revoked(zha: Zha) -> None:
    home = await guarded(zha)
    lamp = zha.house.lamp()
    await home.admitted(lamp, "Hall lamp")
    device_id = zha.device_entry(lamp).id

    answer = await home.call("quarantine", device_id=device_id, reason="It blinks.")
    assert answer["security"].endswith("quarantined: It blinks.")
    assert listed(await home.call("list"), lamp)["quarantined"] == "It blinks."
    answer = await home.call("release", device_id=device_id)
    assert "quarantined" not in answer["security"]

    answer = await home.call("revoke", device_id=device_id)
    assert answer == {"network": "Emulated stick", "device": ieee(lamp), "name": "Hall lamp"}
    everything = await home.call("list")
    assert everything["allowlist"] == []
    (stranger,) = everything["unapproved"]
    assert stranger["concerns"] == ["no_entry"]

    answer = await home.call("allow", device_id=device_id, name="Lamp again")
    assert answer["security"] == "adopted"
    assert listed(await home.call("list"), lamp)["label"] == "Lamp again"


async def test_an_evicted_device_is_gone_and_that_is_said(zha: Zha) -> None:
    home = await guarded(zha)
    lamp = zha.house.lamp()
    await home.admitted(lamp, "Hall lamp")
    answer = await home.call("evict", device=ieee(lamp), reason="It is not ours.")
    assert answer["confirmed"] is True
    assert answer["still_holds_network_key"] is True
    assert (await home.call("list"))["allowlist"] == []


async def test_list_says_how_the_network_stands(zha: Zha) -> None:
    home = await guarded(zha)
    answer = await home.call("list")
    assert (answer["guard"], answer["protected"], answer["mode"]) == ("stands", True, "enforce")
    assert answer["networks"][0]["closed"] is True
    assert answer["networks"][0]["adopted"] is True
    json.dumps(answer)


# What the caller did wrong


@pytest.mark.parametrize(
    ("action", "said", "why"),
    [
        ("admit", {"sticker": "not one", "name": "Lamp"}, "Emulated stick: "),
        ("allow", {"device": "no address"}, "Emulated stick: An EUI64 is 16 hex digits"),
        ("allow", {"device_id": "none"}, "Emulated stick has no such device"),
        ("revoke", {"device": "00:12:4b:00:00:00:00:01"}, "Emulated stick: "),
        ("quarantine", {"device": "00:12:4b:00:00:00:00:01", "reason": "So."}, "Emulated stick: "),
        ("listen", {"seconds": 179}, "Emulated stick: "),
        ("list", {"config_entry_id": "another"}, "No network is protected by that entry"),
    ],
)
async def test_a_callers_mistake_is_said_as_one(
    zha: Zha, action: str, said: dict[str, Any], why: str
) -> None:
    home = await guarded(zha)
    with pytest.raises(ServiceValidationError, match=why):
        await home.call(action, **said)


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("admit", {"name": "Lamp"}),
        ("admit", {"sticker": 83, "name": "Lamp"}),
        ("admit", {"sticker": "83FE", "name": "Lamp", "device_class": "toaster"}),
        ("allow", {}),
        ("allow", {"device": "a", "device_id": "b"}),
        ("listen", {"seconds": 0}),
        ("quarantine", {"device": "00:12:4b:00:00:00:00:01"}),
    ],
)
async def test_what_an_action_does_not_take_never_reaches_it(
    zha: Zha, action: str, said: dict[str, Any]
) -> None:
    home = await guarded(zha)
    with pytest.raises(vol.Invalid):
        await home.call(action, **said)


async def test_a_network_that_only_observes_admits_nobody(zha: Zha) -> None:
    home = await guarded(zha, "observe")
    with pytest.raises(ServiceValidationError, match="only observes"):
        await home.call("admit", sticker=zha.house.lamp().sticker, name="Hall lamp")
    with pytest.raises(ServiceValidationError, match="only observes"):
        await home.call("listen")


async def test_nothing_is_asked_of_a_network_that_is_not_there(hass: HomeAssistant, zha: Zha) -> None:
    home = await guarded(zha)
    await zha.unload()
    await hass.async_block_till_done()
    with pytest.raises(ServiceValidationError, match="Emulated stick is not guarded now: ZHA is not running"):
        await home.call("list")
    await hass.config_entries.async_unload(home.entry.entry_id)
    with pytest.raises(ServiceValidationError, match="Emulated stick is not loaded"):
        await home.call("list")
    await hass.config_entries.async_remove(home.entry.entry_id)
    with pytest.raises(ServiceValidationError, match="No network is protected"):
        await home.call("list")


# Who may


async def test_only_administrators_may(zha: Zha, hass_read_only_user: MockUser) -> None:
    home = await guarded(zha)
    assert set(zha.hass.services.async_services_for_domain("hubsec")) == set(ACTIONS)
    for action, said in ACTIONS.items():
        for user_id, error in ((hass_read_only_user.id, Unauthorized), ("nobody", UnknownUser)):
            with pytest.raises(error):
                await home.call(action, context=Context(user_id=user_id), **said)


# What nobody gets to read


async def test_a_sticker_is_seen_by_nobody_but_the_guard(
    zha: Zha,
    hass_ws_client: WebSocketGenerator,
    hass_client: ClientSessionGenerator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    hass, seen = zha.hass, []
    home = await guarded(zha)
    caplog.set_level(logging.DEBUG)
    # The web server's own log of what it receives is no part of this; it is told in the action's docstring.
    for noisy in ("homeassistant.components.websocket_api.http.connection", "aiohttp"):
        caplog.set_level(logging.INFO, noisy)

    def see(event: Event) -> None:
        seen.append(json.dumps(event.as_dict(), cls=JSONEncoder, default=repr))

    hass.bus.async_listen("*", see)
    assert await async_setup_component(hass, "api", {})
    script = {
        "admit": {
            "fields": {"sticker": {}},
            "sequence": {
                "action": "hubsec.admit",
                "data": {"sticker": "{{ sticker }}", "name": "By script"},
            },
        }
    }
    assert await async_setup_component(hass, "script", {"script": script})
    page, client = await hass_ws_client(hass), await hass_client()

    async def by_page(sticker: str, name: str) -> None:
        data = {"sticker": sticker, "name": name}
        call = {"domain": "hubsec", "service": "admit", "service_data": data, "return_response": True}
        await page.send_json_auto_id({"type": "call_service", **call})
        answer = await page.receive_json(timeout=40)
        seen.append(json.dumps(answer))

    async def by_rest(sticker: str, name: str) -> None:
        answer = await client.post(
            "/api/services/hubsec/admit?return_response", json={"sticker": sticker, "name": name}
        )
        seen.append(await answer.text())

    for call in (by_page, by_rest):
        for wrong in (False, True):
            lamp = zha.house.lamp()
            sticker = lamp.sticker[:-1] + "0" if wrong else lamp.sticker
            lamp.power_on()
            await call(sticker, "Hall lamp")
            if not wrong:
                await home.settled(lamp)
            code = lamp.install_code.hex()
            for text in (*seen, caplog.text, repr(hass.states.async_all())):
                assert sticker not in text
                assert code.lower() not in text.lower()
    assert any('"hubsec"' in text and "call_service" in text and "REDACTED" in text for text in seen)


async def test_a_scripts_trace_has_a_word_in_the_stickers_place(zha: Zha) -> None:
    hass = zha.hass
    await guarded(zha)
    config = {
        "id": "let_in",
        "alias": "Let in",
        "triggers": {"trigger": "event", "event_type": "scanned"},
        "actions": {
            "action": "hubsec.admit",
            "data": {"sticker": "{{ trigger.event.data.code[::-1] }}", "name": "By script"},
        },
    }
    assert await async_setup_component(hass, "automation", {"automation": config})
    sticker = zha.house.lamp().sticker[:-1] + "0"  # A wrong one is refused at once, and the trace is whole.
    hass.bus.async_fire("scanned", {"code": sticker[::-1]})
    await hass.async_block_till_done()
    (traces,) = [runs for key, runs in hass.data["trace"].items() if key.startswith("automation.")]
    (trace,) = traces.values()
    text = json.dumps(trace.as_extended_dict(), cls=JSONEncoder, default=repr)
    assert "REDACTED" in text
    assert sticker not in text


async def test_a_sticker_is_refused_where_it_could_not_be_taken_out(zha: Zha) -> None:
    home = await guarded(zha)
    events: list[Event] = []
    home.hass.bus.async_listen("call_service", events.append)
    data: Any = MappingProxyType({"sticker": zha.house.lamp().sticker, "name": "Lamp"})
    with pytest.raises(vol.Invalid):
        await home.hass.services.async_call("hubsec", "admit", data, blocking=True)
    assert events == []


def test_a_call_shows_no_sticker(hass: HomeAssistant) -> None:
    from custom_components.hubsec.services import take_sticker

    data = {"sticker": "83FE", "name": "Lamp"}
    call = ServiceCall(hass, "hubsec", "admit", take_sticker(data))
    assert data["sticker"] == "**REDACTED**"
    assert "83FE" not in repr(call)
    assert call.data["sticker"].reveal() == b"83FE"
