"""hubsec's own actions on a Z-Wave network: letting in by a sticker, what is to be done by hand, and having somebody
leave."""

from __future__ import annotations

import asyncio
import logging

import pytest
from frontend import Frontend
from homeassistant.core import Context
from homeassistant.exceptions import ServiceValidationError
from pytest_homeassistant_custom_component.common import async_capture_events
from zha_house import until
from zwave_home import TITLE, Zwave, guarded_zwave

from hubsec.events import Denied, Evicted, Quarantined, RemovalAwaited

pytestmark = pytest.mark.usefixtures("enable_custom_integrations")


async def test_a_dsk_lets_in_its_device_once_its_button_is_pressed(zwave: Zwave, admin: Context) -> None:
    home = await guarded_zwave(zwave)
    told = async_capture_events(zwave.hass, "hubsec_event")
    lamp, stranger = zwave.house.lamp(), zwave.house.lamp()
    admitting = zwave.hass.async_create_task(
        home.call("admit", sticker=lamp.printed, name="Hall lamp", context=admin)
    )
    await until(home.notifications, "What is to be done")
    ((title, said),) = home.notifications().items()
    assert title == "Let Hall lamp in"
    assert said.startswith("Press its button, as its manual says for inclusion, before ")
    assert home.state("binary_sensor", "joining") == "on"
    stranger.press_button()
    await until(lambda: home.heard(Denied), "The stranger's being denied")
    await until(lambda: stranger.node_id is not None and not stranger.keys_held, "The stranger's end")
    lamp.press_button()
    answer = await admitting
    assert answer == {
        "network": TITLE,
        "device": home.identity(lamp),
        "name": "Hall lamp",
        "security": "included by its DSK; talks under S2, authenticated",
    }
    assert lamp.keys_held == {"S2_Authenticated"}
    await zwave.ready(lamp)
    light = await zwave.entity(lamp, "light")
    await zwave.hass.services.async_call("light", "turn_on", {"entity_id": light}, blocking=True)
    await until(lambda: lamp.state, "The lamp's light")
    sentences = [event.data["sentence"] for event in told]
    assert "Let Hall lamp in by its DSK: it talks under S2, authenticated" in sentences
    (joined,) = [event.data for event in told if event.data["type"] == "joined"]
    there = zwave.device_entry(lamp)
    assert there is not None
    assert joined["device"] == home.identity(lamp)
    assert lamp.pin not in str(sentences)
    assert zwave.device_entry(stranger) is None

    # New keys: there is the plan, and nobody here who could carry it out.
    plan = await home.call("plan_reinclusion", context=admin)
    (planned,) = [one for one in plan["devices"] if one["device"] == home.identity(lamp)]
    assert (planned["name"], planned["fate"]) == ("Hall lamp", "re-included")
    assert planned["seconds"] > 0
    assert plan["refusal"]
    with pytest.raises(ServiceValidationError, match="Z-Wave JS runs that server") as refused:
        await home.call("rotate_network_key", context=admin)
    assert refused.value.translation_key == "reinclusion_attached"
    with pytest.raises(ServiceValidationError):
        await home.call("plan_rotation", context=admin)


async def test_a_device_that_comes_by_itself_is_not_waited_for(zwave: Zwave, admin: Context) -> None:
    home = await guarded_zwave(zwave)
    lock = zwave.house.lock()
    answer = await home.call("admit", sticker=lock.sticker, name="Front door", context=admin)
    assert (answer["device"], answer["name"]) == (home.identity(lock), "Front door")
    assert answer["what_to_do"].startswith("Give it power. It comes in by itself")
    assert answer["closes_at"]
    assert not lock.keys_held
    assert list(home.notifications()) == ["Let Front door in"]
    lock.power_on()
    await until(lambda: lock.keys_held, "The lock's joining")
    await zwave.ready(lock)
    assert lock.keys_held == {"S2_AccessControl"}
    assert await zwave.entity(lock, "lock")
    await until(lambda: not home.notifications(), "The notification's going")

    listed = await home.call("list", context=admin)
    (entry,) = listed["allowlist"]
    assert (entry["device"], entry["address"]) == (home.identity(lock), zwave.address(lock))
    there = zwave.device_entry(lock)
    assert there is not None
    # It is one and the same, by its DSK, by where it is, and as Home Assistant knows it.
    for named in ({"device": home.identity(lock)}, {"device_id": there.id}):
        answer = await home.call("allow", **named, context=admin)
        assert answer["device"] == home.identity(lock)


async def test_who_is_to_leave_is_shut_off_until_its_button_is_pressed(
    zwave: Zwave, zwave_frontend: Frontend, admin: Context
) -> None:
    lamp = await zwave.included(zwave.house.lamp())
    light = await zwave.entity(lamp, "light")
    home = await guarded_zwave(zwave, adopt=[lamp])
    answer = await home.call("evict", device=zwave.address(lamp), reason="It is not ours.", context=admin)
    assert answer["awaited"]
    assert "Nothing that is sent makes a living Z-Wave device leave: press its button now" in answer["detail"]
    assert zwave.state(light) == "unavailable"
    (told,) = home.notifications().values()
    assert "It is not ours." in told
    assert "Press its button before " in told
    await until(lambda: home.network.posture.networks[0].state.leaving, "The look at who is leaving")
    issue = (await zwave_frontend.repairs())["device_leaving"]
    assert issue["text"].startswith("Node 2 is to leave Emulated controller, and needs your hand")
    page = await zwave_frontend.mend("device_leaving")
    assert page.menu == ["evict", "allow"]
    assert "It is not ours" in page.text
    page = await (await page.choose("evict")).submit()
    assert page.step == "awaited"
    lamp.press_button()
    await until(lambda: home.heard(Evicted), "Its leaving")
    assert any(one.excluding_until is not None for one in home.heard(RemovalAwaited))
    await until(lambda: zwave.device_entry(lamp) is None, "Its going from Home Assistant")
    assert home.notifications() == {}
    await until(lambda: not home.network.posture.networks[0].state.leaving, "The look at who has left")
    assert "device_leaving" not in await zwave_frontend.repairs()
    assert len(home.network.hub.allowlist) == 0


async def test_a_stranger_is_shut_off_and_allowed_by_its_repair(
    zwave: Zwave, zwave_frontend: Frontend
) -> None:
    plug = await zwave.included(zwave.house.plug(security="none"))
    switch = await zwave.entity(plug, "switch")
    home = await guarded_zwave(zwave)
    await until(lambda: zwave.state(switch) == "unavailable", "The stranger's being shut off")
    await until(lambda: home.heard(Quarantined), "Its being judged")
    page = await zwave_frontend.mend("unapproved_zwave_device")
    assert page.menu == ["allow", "evict"]
    page = await page.choose("allow")
    await page.submit(name="Old plug")
    await until(lambda: zwave.state(switch) == "off", "Its coming back")
    assert home.network.hub.allowlist[zwave.address(plug)].label == "Old plug"
    assert not await zwave_frontend.repairs()


@pytest.mark.parametrize(
    ("action", "data", "said"),
    [
        ("listen", {}, "Z-Wave has no knock"),
        ("admit", {"sticker": "12345-12345", "name": "Lamp"}, ""),
        ("allow", {"device": "no address"}, "A Z-Wave device is named by its DSK"),
        ("evict", {"device": "c0ffee01:7"}, ""),
    ],
)
async def test_what_can_not_be_done_is_a_sentence(
    zwave: Zwave, admin: Context, action: str, data: dict[str, str], said: str
) -> None:
    home = await guarded_zwave(zwave)
    with pytest.raises(ServiceValidationError, match=f"{TITLE}: .*{said}") as refused:
        await home.call(action, **data, context=admin)
    assert "12345-12345" not in str(refused.value)


async def test_the_button_ends_an_admission(zwave: Zwave, admin: Context) -> None:
    home = await guarded_zwave(zwave)
    lamp = zwave.house.lamp()
    admitting = asyncio.ensure_future(home.call("admit", sticker=lamp.dsk, name="Lamp", context=admin))
    await until(lambda: home.state("binary_sensor", "joining") == "on", "The opening")
    await zwave.hass.services.async_call(
        "button", "press", {"entity_id": home.entity_id("button", "close_joining")}, blocking=True
    )
    with pytest.raises(ServiceValidationError, match="Somebody closed it"):
        await admitting
    lamp.press_button()
    await zwave.house.settle()
    assert lamp.node_id is None
    assert home.notifications() == {}


async def test_no_pin_is_in_the_log(zwave: Zwave, admin: Context, caplog: pytest.LogCaptureFixture) -> None:
    """At level debug the server's client logs all that it sends."""
    caplog.set_level(logging.DEBUG, "zwave_js_server")
    home = await guarded_zwave(zwave)
    lamp, plug = zwave.house.lamp(), zwave.house.plug()
    admitting = zwave.hass.async_create_task(home.call("admit", sticker=lamp.dsk, name="Lamp", context=admin))
    await until(home.notifications, "The opening")
    lamp.press_button()
    await admitting
    await home.call("admit", sticker=plug.sticker, name="Plug", context=admin)
    plug.power_on()
    await until(lambda: plug.keys_held, "The plug's joining")
    await zwave.ready(plug)
    assert "validate_dsk_and_enter_pin" in caplog.text
    assert f"…-{home.identity(plug)}" in caplog.text
    for device in (lamp, plug):
        assert device.dsk not in caplog.text
        assert device.sticker not in caplog.text
        assert f"'{device.pin}'" not in caplog.text
