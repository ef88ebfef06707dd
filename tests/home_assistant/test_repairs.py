"""What a user is asked to mend, and what mends it: over HTTP as the repairs page does it."""

from __future__ import annotations

from typing import Any

import pytest
from frontend import ABORT, CREATED, FORM, MENU, Frontend, Page, on_radio, own_policy, reloaded, unadopted
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
    async_fire_time_changed,
)
from zha_house import Zha, ieee, until

import hubsec_zigbee.bellows
from hubsec import StoreError
from hubsec.events import Knocked
from hubsec_emulated.devices.onoff import Lamp, Plug
from hubsec_emulated.wire.crypto import WELL_KNOWN_KEY, hashed_tclk
from hubsec_zigbee.limits import Limits

pytestmark = pytest.mark.usefixtures("enable_custom_integrations")


NOTICES = {"zha_diagnostics", "plaintext_backups"}
"""What is said once of every network that ZHA runs."""


async def shown(frontend: Frontend, kind: str) -> None:
    """Wait until a repair of that kind is shown, and read it."""
    await until(lambda: kind in kinds(frontend), f"The repair {kind}")
    assert kind in await frontend.repairs()


async def gone(frontend: Frontend, kind: str) -> None:
    """Wait until none of that kind is shown."""
    await until(lambda: kind not in kinds(frontend), f"The end of the repair {kind}")


def kinds(frontend: Frontend) -> set[str | None]:
    """The kinds of hubsec's repairs."""
    issues = ir.async_get(frontend.hass).issues.values()
    return {issue.translation_key for issue in issues if issue.domain == "hubsec" and issue.active}


# A device that nobody let in


async def with_stranger(frontend: Frontend, zha: Zha, mode: str) -> tuple[ConfigEntry, Plug]:
    """A network with a lamp that was confirmed, and a plug that was left out and is heard."""
    lamp, plug = zha.house.lamp(), zha.house.plug()
    await zha.admitted(lamp)
    await zha.admitted(plug)
    await zha.entity(plug, "switch")
    page = await (await frontend.add()).submit(policy="home", mode=mode)
    assert (await page.submit(adopt=[ieee(lamp)])).type == CREATED
    await zha.hass.async_block_till_done()
    (entry,) = zha.hass.config_entries.async_entries("hubsec")
    assert "unapproved_device" not in await frontend.repairs()
    plug.press()
    await shown(frontend, "unapproved_device")
    return entry, plug


async def test_an_unapproved_device_is_allowed(frontend: Frontend, zha: Zha) -> None:
    entry, plug = await with_stranger(frontend, zha, "enforce")
    page = await frontend.mend("unapproved_device")
    assert (page.type, page.step, page.menu) == (MENU, "init", ["allow", "evict"])
    assert ieee(plug) in page.text
    page = await page.choose("allow")
    assert page.default("name") == zha.device_entry(plug).name
    assert (await page.submit(name="Kettle")).type == CREATED
    await gone(frontend, "unapproved_device")
    allowed = entry.runtime_data.hub.allowlist[ieee(plug)]
    assert (allowed.label, allowed.approved_by) == ("Kettle", "Mock User")
    await zha.hass.services.async_call(
        "switch", "toggle", {"entity_id": await zha.entity(plug, "switch")}, blocking=True
    )


@pytest.mark.parametrize(
    ("typed", "kept"), [("x" * 4000, "x" * 64), ("  Ket\n\u202etle ", "Kettle"), ("\t", None)]
)
async def test_a_name_is_made_to_fit(frontend: Frontend, zha: Zha, typed: str, kept: str | None) -> None:
    entry, plug = await with_stranger(frontend, zha, "enforce")
    page = await (await frontend.mend("unapproved_device")).choose("allow")
    assert (await page.submit(name=typed)).type == CREATED
    assert entry.runtime_data.hub.allowlist[ieee(plug)].label == (kept or ieee(plug))


async def test_an_unapproved_device_is_made_to_leave(frontend: Frontend, zha: Zha) -> None:
    _, plug = await with_stranger(frontend, zha, "enforce")
    page = await (await frontend.mend("unapproved_device")).choose("evict")
    assert plug.joined
    page = await page.submit()
    assert (page.type, page.step) == (FORM, "evicted")
    assert "still holds the network key" in page.text
    assert not plug.joined
    assert (await page.submit()).type == CREATED
    assert "unapproved_device" not in await frontend.repairs()


async def test_one_that_does_not_say_that_it_left_may_still_be_there(
    frontend: Frontend, zha: Zha, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Limits(evict_wait=1.0)  # Twenty seconds in this house.
    monkeypatch.setattr(hubsec_zigbee.bellows, "Limits", lambda: limits)
    _, plug = await with_stranger(frontend, zha, "enforce")
    page = await (await frontend.mend("unapproved_device")).choose("evict")
    plug.power_off()
    page = await page.submit()
    assert (page.type, page.step) == (FORM, "unconfirmed")
    assert "may still be there" in page.text
    assert (await page.submit()).type == CREATED


async def test_where_hubsec_observes_nobody_is_made_to_leave(frontend: Frontend, zha: Zha) -> None:
    entry, plug = await with_stranger(frontend, zha, "observe")
    page = await frontend.mend("unapproved_device")
    assert (page.step, page.menu) == ("observing", ["allow"])
    assert "can't make it leave" in page.text
    page = await page.choose("allow")
    assert (await page.submit(name="Kettle")).type == CREATED
    assert ieee(plug) in entry.runtime_data.hub.allowlist


async def test_who_removes_an_unapproved_device_in_zha_has_mended_it(frontend: Frontend, zha: Zha) -> None:
    _, plug = await with_stranger(frontend, zha, "observe")
    lamp = zha.house.devices[0]
    await zha.remove(lamp)
    await until(lambda: zha.device_entry(lamp) is None, "The lamp's removal")
    assert "unapproved_device" in await frontend.repairs()
    await zha.remove(plug)
    await gone(frontend, "unapproved_device")
    await until(lambda: not plug.joined, "The plug's leaving")
    await zha.hass.async_block_till_done()
    assert "unapproved_device" not in await frontend.repairs()
    # If it comes back, it is as unapproved as before.
    plug.power_off()
    await zha.admitted(plug)
    await shown(frontend, "unapproved_device")
    await zha.entity(plug, "switch")


async def test_what_a_device_calls_itself_is_no_markdown(frontend: Frontend, zha: Zha) -> None:
    registry = dr.async_get(zha.hass)
    lamp, plug = zha.house.lamp(), zha.house.plug()
    await zha.admitted(lamp)
    await zha.admitted(plug)
    await zha.entity(plug, "switch")
    registry.async_update_device(zha.device_entry(plug).id, name_by_user="[free](http://evil)")
    page = await (await frontend.add()).submit(policy="home", mode="enforce")
    await page.submit(adopt=[ieee(lamp)])
    await zha.hass.async_block_till_done()
    plug.press()
    await shown(frontend, "unapproved_device")
    page = await frontend.mend("unapproved_device")
    assert r"\[free\]\(http\:\/\/evil\)" in page.text


async def test_without_its_guard_nothing_is_mended(frontend: Frontend, zha: Zha) -> None:
    entry, _ = await with_stranger(frontend, zha, "enforce")
    page = await (await frontend.mend("unapproved_device")).choose("allow")
    await zha.unload()
    await zha.hass.async_block_till_done()
    page = await page.submit(name="Kettle")
    assert (page.type, page.errors) == (FORM, {"base": "failed"})
    assert "not guarded now" in page.text.replace("\\", "")
    assert await zha.hass.config_entries.async_unload(entry.entry_id)
    page = await page.submit(name="Kettle")
    assert (page.type, page.reason) == (ABORT, "not_loaded")


# A knock


async def knocked(frontend: Frontend, zha: Zha) -> tuple[ConfigEntry, Lamp]:
    """A lamp without an install code knocks while a user listens."""
    entry = await frontend.set_up(mode="enforce")
    lamp = zha.house.lamp(install_code=None)
    await entry.runtime_data.entrance.listen(None, by="a test")
    lamp.power_on()
    await shown(frontend, "knock")
    assert not lamp.joined
    return entry, lamp


async def test_a_knock_is_approved_and_the_device_gets_in_at_its_next_try(
    frontend: Frontend, zha: Zha
) -> None:
    entry, lamp = await knocked(frontend, zha)
    page = await frontend.mend("knock")
    assert (page.type, page.step) == (FORM, "approve")
    assert ieee(lamp) in page.text
    assert "Whoever listens" in page.text
    page = await page.submit(name="Hall lamp")
    assert (page.type, page.step) == (FORM, "approved")
    assert "next try" in page.text
    await gone(frontend, "knock")
    lamp.power_on()
    await until(lambda: lamp.joined and not entry.runtime_data.entrance.open_to, "The lamp's joining")
    assert (await page.submit()).type == CREATED
    assert entry.runtime_data.hub.allowlist[ieee(lamp)].label == "Hall lamp"
    assert entry.runtime_data.hub.allowlist[ieee(lamp)].approved_by == "Mock User"


async def test_a_knock_that_nobody_answers_is_forgotten(frontend: Frontend, zha: Zha) -> None:
    entry, lamp = await knocked(frontend, zha)
    async_fire_time_changed(zha.hass, dt_util.utcnow(), fire_all=True)
    assert "knock" in await frontend.repairs()
    entry.runtime_data.entrance.knocks[ieee(lamp)] = Knocked(
        time=dt_util.utcnow().timestamp() - 15 * 60, device=ieee(lamp), maker=None, parent=None
    )
    async_fire_time_changed(zha.hass, dt_util.utcnow(), fire_all=True)
    await gone(frontend, "knock")


async def test_a_knock_goes_with_the_hub_that_heard_it(frontend: Frontend, zha: Zha) -> None:
    _, lamp = await knocked(frontend, zha)
    page = await frontend.mend("knock")
    assert await zha.reload()
    await gone(frontend, "knock")
    page = await page.submit(name="Hall lamp")
    assert (page.type, page.errors) == (FORM, {"base": "failed"})
    assert "has not knocked lately" in page.text
    assert not lamp.joined


# The baseline


async def test_the_devices_of_a_network_are_confirmed(frontend: Frontend, zha: Zha) -> None:
    lamp, plug = zha.house.lamp(), zha.house.plug()
    await zha.admitted(lamp)
    await zha.admitted(plug)
    entry = await unadopted(zha)
    zha.hass.config_entries.async_update_entry(entry, options={"policy": "home", "mode": "enforce"})
    await until(lambda: reloaded(entry) and entry.runtime_data.posture is not None, "The guard's return")
    await shown(frontend, "not_adopted")
    page = await frontend.mend("not_adopted")
    assert (page.type, page.step) == (FORM, "adopt")
    assert set(page.default("adopt")) == {ieee(lamp), ieee(plug)}
    assert (await page.submit(adopt=[ieee(lamp)])).type == CREATED
    await gone(frontend, "not_adopted")
    assert entry.runtime_data.posture.networks[0].adopted
    assert [device.identity for device in entry.runtime_data.hub.devices()] == [ieee(lamp)]


async def test_an_empty_network_is_confirmed_as_empty_and_not_by_mistake(
    frontend: Frontend, zha: Zha
) -> None:
    entry = await unadopted(zha)
    page = await frontend.mend("not_adopted")
    assert (page.type, page.step) == (FORM, "nobody")
    await zha.unload()
    await zha.hass.async_block_till_done()
    page = await page.submit()
    assert (page.type, page.reason) == (ABORT, "failed")
    await zha.setup()
    await until(lambda: entry.runtime_data.posture is not None, "The guard's return")
    page = await frontend.mend("not_adopted")
    assert (await page.submit()).type == CREATED
    assert entry.runtime_data.posture.networks[0].adopted


async def test_a_confirmed_network_asks_for_nothing(frontend: Frontend) -> None:
    await frontend.set_up(mode="enforce")
    assert kinds(frontend) == NOTICES


# The guard


async def test_a_guard_that_can_not_stand_is_tried_again(frontend: Frontend, zha: Zha) -> None:
    own_policy(zha.hass, "mine.yaml", "policy: mine\n")
    entry = await frontend.set_up(policy="mine.yaml", mode="observe")
    own_policy(zha.hass, "mine.yaml", "policy: mine\njoining:\n  window: soon\n")
    assert await zha.hass.config_entries.async_reload(entry.entry_id)
    await shown(frontend, "guard_detached")
    page = await frontend.mend("guard_detached")
    assert (page.type, page.step) == (FORM, "failed")
    assert "mine.yaml:3" in page.text.replace("\\", "")
    page = await page.submit()
    assert (page.step, page.errors) == ("failed", {"base": "failed"})
    assert "guard_detached" in await frontend.repairs()
    own_policy(zha.hass, "mine.yaml", "policy: mine\n")
    assert (await page.submit()).type == CREATED
    assert entry.runtime_data.standing == "stands"
    await gone(frontend, "guard_detached")


async def test_what_opens_past_the_guard_is_told(
    frontend: Frontend, zha: Zha, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = await frontend.set_up(mode="enforce")
    permit = zha.hass.services.async_services_for_domain("zha")["permit"]

    async def past_the_guard(_: Any) -> None:
        """Opens the network by means of its own, say."""

    zha.hass.services.async_register("zha", "permit", past_the_guard)
    await zha.reload()
    zha.hass.services.async_register("zha", "permit", past_the_guard)
    await entry.runtime_data.attach_anew()
    await shown(frontend, "guard_detached")
    assert not entry.runtime_data.protected
    page = await frontend.mend("guard_detached")
    assert (page.type, page.step) == (FORM, "silent")
    page = await page.submit()
    assert (page.step, page.errors) == ("silent", {"base": "failed"})
    zha.hass.services.async_register("zha", "permit", permit.job.target, permit.schema)
    await zha.reload()
    await gone(frontend, "guard_detached")
    page = await page.submit()
    assert page.type == CREATED
    assert entry.runtime_data.protected


async def test_another_network_is_not_guarded_in_the_place_of_this_one(frontend: Frontend, zha: Zha) -> None:
    entry = MockConfigEntry(
        domain="hubsec",
        title="The old house",
        unique_id="00124b0001020304",
        data={"stack": "zha", "stack_entry_id": zha.entry.entry_id},
        options={"policy": "home", "mode": "enforce"},
    )
    entry.add_to_hass(zha.hass)
    assert await zha.hass.config_entries.async_setup(entry.entry_id)
    repairs = await frontend.repairs()
    assert not repairs["other_network"]["is_fixable"]
    assert "Reconfigure" in repairs["other_network"]["text"]
    await zha.permit(1)  # Nothing is enforced on it.
    await zha.close()


async def on_another_stick(
    frontend: Frontend, zha: Zha, monkeypatch: pytest.MonkeyPatch
) -> tuple[ConfigEntry, Page]:
    """Enforcing was chosen, then the stick was changed for one that hubsec does not enforce on."""
    entry = await frontend.set_up(mode="enforce")
    on_radio(monkeypatch, "znp")
    await zha.reload()
    await shown(frontend, "cannot_enforce")
    assert entry.runtime_data.standing == "unenforceable"
    page = await frontend.mend("cannot_enforce")
    assert (page.type, page.menu) == (MENU, ["observe", "remove"])
    assert "znp" in page.text
    return entry, page


async def test_on_a_stick_that_hubsec_does_not_enforce_on_it_only_observes(
    frontend: Frontend, zha: Zha, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry, page = await on_another_stick(frontend, zha, monkeypatch)
    told = async_capture_events(zha.hass, "hubsec_event")
    assert (await page.choose("observe")).type == CREATED
    await until(lambda: reloaded(entry), "The entry's reload")
    assert entry.options["mode"] == "observe"
    (changed,) = [event for event in told if event.data["type"] == "mode_changed"]
    assert changed.data["sentence"] == "Only observes from now on, on Mock User's word"
    assert changed.context.user_id is not None
    assert "cannot_enforce" not in await frontend.repairs()


async def test_or_its_entry_goes(frontend: Frontend, zha: Zha, monkeypatch: pytest.MonkeyPatch) -> None:
    entry, page = await on_another_stick(frontend, zha, monkeypatch)
    page = await page.choose("remove")
    assert page.type == FORM
    assert zha.hass.config_entries.async_get_entry(entry.entry_id) is entry
    assert (await page.submit()).type == CREATED
    assert zha.hass.config_entries.async_get_entry(entry.entry_id) is None
    assert await frontend.repairs() == {}


# The store


async def test_what_can_not_be_recorded_is_told_until_it_can(
    frontend: Frontend, zha: Zha, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = await frontend.set_up(mode="enforce")
    hub = entry.runtime_data.hub

    async def full(*_: object, **__: object) -> int:
        raise StoreError("The disk is full.")

    with monkeypatch.context() as broken:
        broken.setattr(hub.store, "record", full)
        with pytest.raises(HomeAssistantError):
            await zha.permit(60)
        await shown(frontend, "store_alarm")
        assert "The disk is full" in (await frontend.repairs())["store_alarm"]["text"]
    with pytest.raises(HomeAssistantError):
        await zha.permit(60)
    await gone(frontend, "store_alarm")


# What ZHA's own diagnostics say


async def test_zhas_own_diagnostics_give_every_link_key_away(frontend: Frontend, zha: Zha) -> None:
    lamp = zha.house.lamp()
    await zha.admitted(lamp)
    await until(lambda: lamp.trust_center_link_key_verified, "The lamp's link key exchange")
    response = await frontend.client.get(f"/api/diagnostics/config_entry/{zha.entry.entry_id}")
    found = (await response.json())["data"]["application_state"]["network_info"]
    assert found["network_key"] == "**REDACTED**"
    seed = bytes.fromhex(found["stack_specific"]["ezsp"]["hashed_tclk"])
    assert hashed_tclk(seed, lamp.eui64) == lamp.link_keys.trust_center_key
    assert bytes(found["tc_link_key"]["key"]) == WELL_KNOWN_KEY


async def test_each_notice_is_given_once(frontend: Frontend, zha: Zha) -> None:
    entry = await frontend.set_up()
    page = await frontend.mend("zha_diagnostics")
    assert page.type == FORM
    for leaked in ("hashed_tclk", "tc_link_key", "key_table"):
        assert leaked in page.text
    assert (await page.submit()).type == CREATED
    assert "zha_diagnostics" not in await frontend.repairs()
    page = await frontend.mend("plaintext_backups")
    assert "zigbee.db" in page.text
    assert (await page.submit()).type == CREATED
    assert await zha.hass.config_entries.async_reload(entry.entry_id)
    await until(lambda: entry.runtime_data.posture is not None, "The guard's return")
    assert NOTICES.isdisjoint(await frontend.repairs())


# Their end


async def test_what_is_ignored_stays_ignored_through_a_reload(frontend: Frontend, zha: Zha) -> None:
    entry = await frontend.set_up()
    issue = (await frontend.repairs())["zha_diagnostics"]
    await frontend.ask("repairs/ignore_issue", domain="hubsec", issue_id=issue["issue_id"], ignore=True)
    assert await zha.hass.config_entries.async_reload(entry.entry_id)
    assert "zha_diagnostics" not in await frontend.repairs()
    assert await zha.hass.config_entries.async_remove(entry.entry_id)
    assert kinds(frontend) == set()


async def test_repairs_go_with_the_entry(frontend: Frontend, zha: Zha) -> None:
    entry, _ = await with_stranger(frontend, zha, "enforce")
    assert kinds(frontend) == {*NOTICES, "unapproved_device"}
    assert await zha.hass.config_entries.async_unload(entry.entry_id)
    assert kinds(frontend) == set()
    assert entry.state is ConfigEntryState.NOT_LOADED
