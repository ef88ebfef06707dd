"""The network key is changed, on the real ZHA: by the action, by the repair, through a reload; and an old database."""

from __future__ import annotations

import json
import shutil
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from frontend import ABORT, CREATED, FORM, MENU, Frontend
from guarded import GuardedZha, guarded
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import Context, Event
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.json import JSONEncoder
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockUser,
    async_capture_events,
    async_fire_time_changed,
)
from zha_house import Zha, ieee, until

import hubsec_zigbee.bellows
from custom_components.hubsec import key_issues
from custom_components.hubsec import network as network_module
from hubsec import Hub
from hubsec.audit.exporting import verify_export
from hubsec.rotation.machine import Pace
from hubsec.rotation.triggers import Rotating
from hubsec_zigbee.limits import Limits

pytestmark = pytest.mark.usefixtures("enable_custom_integrations", "quick")

ZIGPY_DATABASE = "zigbee.db"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits of a rotation, and for who does not answer, as fast as this house's air."""

    def hub(*radios: Any, **how: Any) -> Hub:
        return Hub(*radios, **how, rotating=Rotating(pace=Pace(asks=2).scaled(20.0)))

    monkeypatch.setattr(network_module, "Hub", hub)
    limits = Limits(probe_wait=0.5, sleepy_wait=1.0)
    monkeypatch.setattr(hubsec_zigbee.bellows, "Limits", lambda: limits)


def kinds(zha: Zha) -> set[str | None]:
    """The kinds of hubsec's repairs that are shown."""
    issues = ir.async_get(zha.hass).issues.values()
    return {
        issue.translation_key
        for issue in issues
        if issue.domain == "hubsec" and issue.active and issue.dismissed_version is None
    }


async def shown(home: GuardedZha, kind: str) -> None:
    """Wait until a repair of that kind is shown."""
    await until(lambda: kind in kinds(home.zha), f"The repair {kind}")


async def rotated(home: GuardedZha, before: bytes) -> bytes:
    """Wait until the sensors say that the network has another key than `before`, and return it."""
    await until(lambda: home.state("sensor", "last_rotation") != "unknown", "The change of the key")
    await until(lambda: home.state("sensor", "rotation") == "unavailable", "Its end")
    key = network_key(home)
    assert key != before
    return key


def network_key(home: GuardedZha) -> bytes:
    """The key on the stick."""
    key = home.house.coordinator.keys.key
    assert key is not None
    return key


async def inhabited(zha: Zha, *, evicted: bool = True) -> tuple[GuardedZha, Any, Any]:
    """A network with a lamp and a plug, both by their stickers; the plug was put out."""
    home = await guarded(zha)
    lamp, plug = zha.house.lamp(), zha.house.plug()
    await home.admitted(lamp, "Hall lamp")
    await home.admitted(plug, "Old plug")
    if evicted:
        await home.call("evict", device=ieee(plug))
        await until(lambda: home.state("binary_sensor", "rotation_overdue") == "on", "Its being overdue")
    return home, lamp, plug


def spell(key: bytes) -> tuple[str, ...]:
    """How a key might be written."""
    return key.hex(), key.hex(":"), str(list(key)), key[::-1].hex()


async def test_an_evicted_device_is_rotated_out_by_the_action_and_the_entities_follow(
    zha: Zha, admin: Context, hass_admin_user: MockUser
) -> None:
    told: list[Event] = async_capture_events(zha.hass, "hubsec_event")
    home, lamp, plug = await inhabited(zha)
    before = network_key(home)
    assert home.state("sensor", "rotation") == "unavailable"
    since = dt_util.parse_datetime(home.state("sensor", "key_since"))
    (why, *_) = home.attributes("binary_sensor", "rotation_overdue")["reasons"]
    assert ieee(plug) in why
    assert home.attributes("event", "events")["event_type"] == "rotation_overdue"

    plan = await home.call("plan_rotation")
    assert (plan["way"], plan["heals"], plan["why_not"]) == ("unicast", True, [])
    assert [(one["device"], one["name"], one["outlook"]) for one in plan["devices"]] == [
        (ieee(lamp), "Hall lamp", "gets it")
    ]
    assert network_key(home) == before

    answer = await home.call("rotate_network_key", reason="The plug was sold.", context=admin)
    assert answer["devices"] == plan["devices"]
    with pytest.raises(ServiceValidationError, match="under way already"):
        await home.call("rotate_network_key")
    await until(lambda: home.state("sensor", "rotation") != "unavailable", "Its being shown")
    assert 0 <= int(home.state("sensor", "rotation")) <= 100
    assert home.attributes("sensor", "rotation")["way"] == "unicast"

    key = await rotated(home, before)
    assert lamp.network_key == key
    assert plug.network_key != key
    assert home.state("binary_sensor", "rotation_overdue") == "off"
    assert home.state("sensor", "stragglers") == "0"
    assert dt_util.parse_datetime(home.state("sensor", "key_since")) > since
    await home.works(lamp)

    said = {event.data["type"]: event.data for event in told if "rotat" in event.data["type"]}
    assert said["rotation_started"]["by"] == hass_admin_user.name
    assert said["rotation_started"]["correlation"] == answer["rotation"]
    assert said["key_rotated"]["sentence"] == "Has a new network key, number 2"
    assert home.attributes("event", "events")["event_type"] == "key_rotated"
    everything = json.dumps([event.data for event in told], cls=JSONEncoder) + repr(
        zha.hass.states.async_all()
    )
    for one in (before, key):
        assert not any(text in everything for text in spell(one))


async def test_a_change_goes_on_through_what_becomes_of_zha(
    zha: Zha, frontend: Frontend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_issues, "PATIENCE", timedelta(0))
    home = await guarded(zha)
    sensor = zha.house.sensor()
    lamp = zha.house.lamp()
    await home.admitted(lamp, "Hall lamp")
    await home.admitted(sensor, "Door sensor")
    before = network_key(home)
    sensor.power_off()  # It is out of reach, as one that sleeps.
    answer = await home.call("rotate_network_key", way="unicast")
    outlooks = {one["name"]: one["outlook"] for one in answer["devices"]}
    assert outlooks == {"Hall lamp": "gets it", "Door sensor": "when it wakes"}

    def waits_for() -> list[str]:
        return home.attributes("sensor", "rotation").get("waiting_for", [])

    await until(lambda: waits_for() == ["Door sensor"], "The delivery to the lamp")
    assert await zha.reload()
    await until(lambda: home.attributes("event", "events")["event_type"] == "rotation_resumed", "Going on")
    assert network_key(home) == before

    # ZHA stays away, even after a restart, when nobody remembers the change but the store: somebody may have to help.
    await zha.unload()
    await home.reload()
    await until(
        lambda: home.entity("rotation", "sensor") not in ("unavailable", None), "What was written down"
    )
    assert waits_for() == ["Door sensor"]
    assert home.attributes("sensor", "rotation")["trouble"] == "ZHA is not running."
    async_fire_time_changed(zha.hass, dt_util.utcnow() + timedelta(minutes=1), fire_all=True)
    await shown(home, "rotation_interrupted")
    page = await frontend.mend("rotation_interrupted")
    assert (page.type, page.step) == (FORM, "resume")
    assert "ZHA is not running" in page.text.replace("\\", "")
    assert (await page.submit()).type == CREATED
    assert zha.entry.state is ConfigEntryState.LOADED
    await until(lambda: "rotation_interrupted" not in kinds(zha), "The repair's end")
    sensor.power_on()
    key = await rotated(home, before)
    await until(lambda: sensor.network_key == key, "The sensor's key")
    assert home.state("sensor", "stragglers") == "0"


async def test_the_repair_shows_the_dry_run_and_leaves_it_or_starts(zha: Zha, frontend: Frontend) -> None:
    home, lamp, _ = await inhabited(zha)
    other = zha.house.lamp()
    await home.admitted(other, "Porch lamp")
    other.power_off()
    before = network_key(home)
    await shown(home, "rotation_overdue")
    page = await frontend.mend("rotation_overdue")
    assert (page.type, page.step, page.menu) == (MENU, "losing", ["start_losing", "leave"])
    assert "get it now (1): Hall lamp" in page.text
    assert "**are lost** (1): Porch lamp" in page.text
    page = await page.choose("leave")
    assert (page.type, page.reason) == (ABORT, "left")
    assert "rotation_overdue" not in kinds(zha)
    assert network_key(home) == before
    # Another reason is asked about, though the one before was left.
    third = zha.house.lamp()
    await home.admitted(third, "Lent lamp")
    await home.call("evict", device=ieee(third))
    await shown(home, "rotation_overdue")

    # The action loses nobody whom its caller has not named.
    with pytest.raises(ServiceValidationError, match=f"Porch lamp .{ieee(other)}."):
        await home.call("rotate_network_key")
    with pytest.raises(ServiceValidationError, match="does not name exactly"):
        await home.call("rotate_network_key", accept_losses=[ieee(lamp), ieee(other)])
    assert network_key(home) == before

    page = await (await frontend.mend("rotation_overdue")).choose("start_losing")
    assert (page.type, page.step) == (FORM, "start_losing")
    assert "Porch lamp" in page.text
    page = await page.submit()
    assert (page.type, page.step) == (FORM, "started")
    assert (await page.submit()).type == CREATED
    key = await rotated(home, before)
    assert lamp.network_key == key
    assert home.attributes("sensor", "stragglers")["devices"] == ["Porch lamp"]
    assert "rotation_overdue" not in kinds(zha)


async def test_an_old_database_that_was_put_back_is_brought_to_the_key(zha: Zha, frontend: Frontend) -> None:
    home, lamp, _ = await inhabited(zha, evicted=False)
    before = network_key(home)
    database = Path(zha.hass.config.path(ZIGPY_DATABASE))
    await zha.unload()
    old = database.with_suffix(".old")
    shutil.copy(database, old)
    await zha.setup()
    await home.is_now("stands")
    await home.call("rotate_network_key", way="broadcast")
    key = await rotated(home, before)
    await zha.unload()
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    shutil.copy(old, database)

    assert not await zha.setup()
    assert zha.entry.state is ConfigEntryState.SETUP_ERROR
    await shown(home, "stale_database")
    page = await frontend.mend("stale_database")
    assert (page.type, page.step) == (FORM, "mend")
    assert 'Do not choose "Restore backup"' in page.text
    assert (await page.submit()).type == CREATED
    assert zha.entry.state is ConfigEntryState.LOADED
    await home.is_now("stands")
    assert "stale_database" not in kinds(zha)
    assert network_key(home) == key
    await home.works(lamp)


def tamper(home: GuardedZha, record: int | None = None) -> None:
    """Change that record of the audit log, or the newest one, as somebody does who can write to the disk."""
    with sqlite3.connect(home.network.home / "hubsec.db") as changed:
        triggers = changed.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            changed.execute(f"DROP TRIGGER {name}")
        changed.execute(
            "UPDATE audit SET at = at + 1 WHERE seq = ifnull(?, (SELECT max(seq) FROM audit))", (record,)
        )
        for _, again in triggers:
            changed.execute(again)
    changed.close()


async def test_the_audit_log_is_exported_and_verified_until_somebody_changes_it(
    zha: Zha, frontend: Frontend, tmp_path: Path
) -> None:
    home = await guarded(zha)
    zha.hass.config.allowlist_external_dirs = {str(tmp_path / "out")}
    (tmp_path / "out").mkdir()
    whole = await home.call("verify_audit")
    assert whole["whole"] is True
    assert whole["records"] >= 1
    assert home.state("binary_sensor", "store_alarm") == "off"
    assert home.attributes("binary_sensor", "store_alarm")["verified"] is not None

    first = await home.call("checkpoint_audit")
    assert first["record"] >= whole["last"]
    await home.reload()
    await home.is_now("stands")
    signed = await home.call("checkpoint_audit")
    for one in (first, signed):
        against = await home.call("verify_audit", checkpoint=one["checkpoint"])
        assert (against["whole"], list(against["not_compared"])) == (True, [])
    assert against["last"] >= signed["record"] > first["record"]

    answer = await home.call("export_audit", limit=2)
    assert (answer["records"], answer["last"], len(answer["lines"])) == (2, 2, 3)
    rest = await home.call("export_audit", since=answer["last"])
    assert rest["lines"][1]["seq"] == 3
    path = tmp_path / "out" / "audit.jsonl"
    written = await home.call("export_audit", path=str(path))
    lines = path.read_bytes().splitlines()
    assert len(lines) == written["records"] + 1
    assert verify_export(lines).last == written["last"]
    assert path.stat().st_mode & 0o777 == 0o600
    for wrong, why in ((str(path), "File exists"), (str(tmp_path / "x.jsonl"), "may not write")):
        with pytest.raises(ServiceValidationError, match=why):
            await home.call("export_audit", path=wrong)
    assert len(path.read_bytes().splitlines()) == len(lines)

    tamper(home, 2)
    broken = await home.call("verify_audit")
    assert (broken["whole"], broken["record"], broken["fault"]) == (False, 2, "changed")
    await shown(home, "audit_broken")
    assert home.state("binary_sensor", "store_alarm") == "on"
    assert "Record 2" in home.attributes("binary_sensor", "store_alarm")["problem"]
    repair = (await frontend.repairs())["audit_broken"]
    assert not repair["is_fixable"]
    assert "Record 2 was changed" in repair["text"]


async def test_with_a_damaged_log_nobody_is_let_in_until_somebody_has_looked(
    zha: Zha, frontend: Frontend
) -> None:
    home = await guarded(zha)
    await home.unload()
    tamper(home)
    await home.set_up()
    await home.is_now("stands")
    await shown(home, "log_damaged")
    lamp = zha.house.lamp()
    with pytest.raises(HomeAssistantError, match="damaged"):
        await home.call("admit", sticker=lamp.sticker, name="Hall lamp")
    page = await frontend.mend("log_damaged")
    assert (page.type, page.step) == (FORM, "accept")
    assert (await page.submit(reason="The disk was dying.")).type == CREATED
    await until(lambda: "log_damaged" not in kinds(zha), "The repair's end")
    await home.admitted(lamp, "Hall lamp")
    exported = await home.call("export_audit")
    (accepted,) = [line for line in exported["lines"] if "log-accepted" in str(line)]
    assert "The disk was dying." in str(accepted)
