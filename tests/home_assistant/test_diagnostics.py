"""What is sent along with a report holds no key of the house, in whatever form; system health says how it stands."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

import pytest
from guarded import guarded
from homeassistant.components.diagnostics import REDACTED
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import get_system_health_info
from pytest_homeassistant_custom_component.components.diagnostics import get_diagnostics_for_config_entry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from zha_house import Zha, ieee

from hubsec.secret import Secret

pytestmark = pytest.mark.usefixtures("enable_custom_integrations")

KEY = bytes.fromhex("5a39c0ffee0102030405060708090a0b")


def forms(key: bytes) -> Iterable[str]:
    """A key as anybody might write it down."""
    for text in (key.hex(), key.hex(":"), key.hex("-"), key.hex(" "), key.hex(",")):
        yield text
        yield text.upper()
    yield base64.b64encode(key).decode()
    yield base64.urlsafe_b64encode(key).decode().rstrip("=")
    yield json.dumps(list(key))
    yield json.dumps(list(key))[1:-1].replace(" ", "")


async def test_no_key_of_the_house_is_in_the_diagnostics(
    hass: HomeAssistant, zha: Zha, hass_client: ClientSessionGenerator
) -> None:
    assert await async_setup_component(hass, "diagnostics", {})
    home = await guarded(zha)
    lamp, lock = zha.house.lamp(), zha.house.lock()
    await home.admitted(lamp, "Hall lamp")
    # Somebody takes the sticker's code for the name.
    await home.admitted(lock, lock.install_code.hex())
    await home.call("listen")
    with pytest.raises(HomeAssistantError):
        await zha.permit()

    await zha.app.backups.create_backup(load_devices=True)
    info = zha.app.state.network_info
    keys = {
        "network key": info.network_key.key.serialize(),
        "trust center link key": info.tc_link_key.key.serialize(),
        **{f"link key {i}": key.key.serialize() for i, key in enumerate(info.key_table)},
        "hashed": bytes.fromhex(info.stack_specific["ezsp"]["hashed_tclk"]),
        "lamp's install code": lamp.install_code,
        "lock's install code": lock.install_code,
    }
    for device in (lamp, lock):
        credential = await home.network.hub.allowlist.credential(ieee(device))
        assert credential is not None
        keys[f"{device.name}'s install code's key"] = credential.reveal()
    assert len(keys) >= 7, keys.keys()

    client = await hass_client()
    answer = await client.get(f"/api/diagnostics/config_entry/{home.entry.entry_id}")
    file = await answer.json()  # With what Home Assistant puts there itself.
    dump = file["data"]
    for name, key in keys.items():
        for form in forms(key):
            assert form not in json.dumps(file), name
    text = json.dumps(dump)
    assert dump["guard"]["standing"] == "stands"
    assert dump["versions"]["zha"] == "0.0.56"
    assert [entry["label"] for entry in dump["allowlist"]] == [REDACTED, "Hall lamp"]
    assert {"open_refused", "joined"} <= {event["type"] for event in dump["events"]}
    # Nor is the house to be found by it.
    for device in (lamp, lock):
        assert ieee(device) not in text
        assert ieee(device).replace(":", "") not in text
    assert home.entry.unique_id not in text
    # But each device can be told from the others, all through the file.
    (row,) = [entry for entry in dump["allowlist"] if entry["label"] == "Hall lamp"]
    assert row["device"].startswith("00:12:4b#")
    assert row["device"] in {event["device"] for event in dump["events"] if event["type"] == "joined"}
    assert row["device"] in {device["device"] for device in dump["devices"]}


async def test_diagnostics_are_there_while_zha_is_not(
    hass: HomeAssistant, zha: Zha, hass_client: ClientSessionGenerator
) -> None:
    assert await async_setup_component(hass, "diagnostics", {})
    home = await guarded(zha)
    await zha.unload()
    await hass.async_block_till_done()
    dump = await get_diagnostics_for_config_entry(hass, hass_client, home.entry)
    assert dump["guard"] == {"standing": "waiting", "problem": "", "protected": False}
    assert dump["posture"] is None
    assert dump["allowlist"] is None


@pytest.mark.parametrize("form", [*forms(KEY), f"the key is {KEY.hex()}!"])
def test_a_key_is_found_in_every_form(hass: HomeAssistant, form: str) -> None:
    from custom_components.hubsec.redacting import Redactor

    cleaned = Redactor([KEY]).clean({"any": [form, {"where": form}], form: 1})
    assert form not in json.dumps(cleaned)
    assert REDACTED in json.dumps(cleaned)


@pytest.mark.parametrize(
    "value", [KEY, bytearray(KEY), Secret(KEY), object(), list(KEY), tuple(KEY), [0, *KEY, 1]]
)
def test_a_key_is_found_in_every_type(hass: HomeAssistant, value: Any) -> None:
    from custom_components.hubsec.redacting import Redactor

    assert Redactor([KEY]).clean({"value": value}) == {"value": REDACTED}


@pytest.mark.parametrize(
    "value",
    ["Hall lamp", "2026-11-22T16:53:57.941764+00:00", "0x50", 7, 1.5, None, True, [1, 2, 3], {"a": ["b"]}],
)
def test_what_is_no_secret_is_left(hass: HomeAssistant, value: Any) -> None:
    from custom_components.hubsec.redacting import Redactor

    assert Redactor([KEY]).clean(value) == value


def test_what_looks_like_a_key_goes_though_nobody_holds_it(hass: HomeAssistant) -> None:
    from custom_components.hubsec.redacting import Redactor

    assert Redactor([]).clean("83FED3407A939723A5C639B26916D505C3B5") == REDACTED
    assert Redactor([]).clean("83FE D340 7A93 9723 A5C6 39B2 6916 D505 C3B5") == REDACTED


def test_an_address_goes_by_a_number_in_whatever_form_it_stands(hass: HomeAssistant) -> None:
    from custom_components.hubsec.redacting import Redactor

    cleaner = Redactor([])
    first = cleaner.clean("refused 00:12:4b:00:00:01:00:01 again")
    assert first == "refused 00:12:4b#1 again"
    assert cleaner.clean(["00124B0000010001", "00:12:4b:00:00:01:00:02"]) == ["00:12:4b#1", "00:12:4b#2"]


async def test_system_health_says_which_networks_are_protected(hass: HomeAssistant, zha: Zha) -> None:
    assert await async_setup_component(hass, "system_health", {})
    home = await guarded(zha)
    await hass.async_block_till_done()
    assert await get_system_health_info(hass, "hubsec") == {
        "version": "0.1.0",
        "networks": 1,
        "protected": 1,
        "unprotected": "none",
    }
    await zha.unload()
    await hass.async_block_till_done()
    info = await get_system_health_info(hass, "hubsec")
    assert (info["protected"], info["unprotected"]) == (0, "Emulated stick (waiting)")
    assert home.network.standing == "waiting"
