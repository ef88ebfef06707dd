"""What ought not to happen: guests at the switch, devices with disguised names, a stack with other insides, openings
that end under whoever waits."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from frontend import Frontend
from guarded import GuardedZha, guarded
from homeassistant.auth.const import GROUP_ID_USER
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError, Unauthorized, UnknownUser
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import issue_registry as ir
from zha_house import Zha, ieee

import hubsec_zigbee.surveying
from hubsec_zigbee import Bellows

pytestmark = pytest.mark.usefixtures("enable_custom_integrations")


@pytest.mark.usefixtures("hass_admin_user")  # The first user owns the house.
@pytest.mark.parametrize(("mode", "action"), [("enforce", "turn_off"), ("observe", "turn_on")])
async def test_enforcement_is_switched_by_administrators_only(
    zha: Zha, hass: HomeAssistant, mode: str, action: str
) -> None:
    home = await guarded(zha, mode)
    # Home Assistant itself lets such a user switch every entity.
    guest = await hass.auth.async_create_user("Guest", group_ids=[GROUP_ID_USER])
    switch = {ATTR_ENTITY_ID: home.entity_id("switch", "enforcement")}
    for user_id, error in ((guest.id, Unauthorized), ("nobody", UnknownUser)):
        with pytest.raises(error):
            await hass.services.async_call(
                "switch", action, switch, blocking=True, context=Context(user_id=user_id)
            )
    assert home.entry.options["mode"] == mode


@pytest.mark.parametrize("action", ["turn_off", "toggle"])
@pytest.mark.parametrize("everything", [True, False])
async def test_an_automation_turns_enforcement_on_and_not_off(
    zha: Zha, hass: HomeAssistant, admin: Context, action: str, everything: bool
) -> None:
    home = await guarded(zha, "observe")
    switch = {ATTR_ENTITY_ID: home.entity_id("switch", "enforcement")}
    await hass.services.async_call("switch", "turn_on", switch, blocking=True, context=Context())
    await hass.async_block_till_done()
    assert home.state("binary_sensor", "protected") == "on"
    aimed = {ATTR_ENTITY_ID: "all"} if everything else switch
    with pytest.raises(ServiceValidationError, match="only an administrator turns enforcement off, by hand"):
        await hass.services.async_call("switch", action, aimed, blocking=True, context=Context())
    await hass.async_block_till_done()
    assert home.entry.options["mode"] == "enforce"
    assert home.state("binary_sensor", "protected") == "on"
    await hass.services.async_call("switch", action, switch, blocking=True, context=admin)
    await hass.async_block_till_done()
    assert home.entry.options["mode"] == "observe"


async def test_a_device_can_not_disguise_its_line(frontend: Frontend, zha: Zha) -> None:
    lamp = zha.house.lamp()
    await zha.admitted(lamp)
    await zha.entity(lamp, "light")
    entry = zha.device_entry(lamp)
    assert entry is not None
    name = "Hue \u202e(1:2:3)\n\u2066" + "x" * 1000
    dr.async_get(zha.hass).async_update_device(entry.id, name=name)
    page = await (await frontend.add()).submit(policy="home", mode="observe")
    line = page.choices("adopt")[ieee(lamp)]
    assert line.startswith("Hue (1:2:3)xxx")
    assert line.endswith(f" ({ieee(lamp)})")
    assert line.isprintable()
    assert len(line) < 200


def in_the_way(hass: HomeAssistant) -> None:
    """Put a file where the folder belongs."""
    Path(hass.config.path("hubsec")).write_text("No folder.")


@pytest.mark.parametrize("breaks", ["the folder", "the stack"])
async def test_whatever_goes_wrong_at_attaching_is_shown(
    zha: Zha, hass: HomeAssistant, breaks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(_: object) -> None:
        raise AttributeError("This version of the stack has other insides.")

    if breaks == "the folder":
        in_the_way(hass)
    else:
        monkeypatch.setattr(hubsec_zigbee.surveying, "survey", changed)
    home = await guarded(zha)
    assert home.entry.state is ConfigEntryState.LOADED
    # Without its folder there is no hub, but there is a radio, which is shut.
    standing, kind = ("shut", "shut") if breaks == "the folder" else ("failed", "guard_detached")
    assert home.attributes("binary_sensor", "protected")["guard"] == standing
    assert home.network.problem
    issues = [issue for domain, issue in ir.async_get(hass).issues if domain == "hubsec"]
    assert f"{home.entry.entry_id}_{kind}" in issues


async def unload(home: GuardedZha) -> None:
    """Unload the entry."""
    assert await home.hass.config_entries.async_unload(home.entry.entry_id)


async def close(home: GuardedZha) -> None:
    """Press the button."""
    await home.network.entrance.close()


@pytest.mark.parametrize("end", [unload, close])
async def test_whoever_waits_for_an_opening_that_is_ended_hears_of_it(
    zha: Zha, end: Callable[[GuardedZha], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, began, go_on = await guarded(zha), asyncio.Event(), asyncio.Event()
    listen = Bellows.listen

    async def slow(radio: Bellows, seconds: float, *, by: str) -> None:
        if seconds:
            began.set()
            await go_on.wait()
        await listen(radio, seconds, by=by)

    monkeypatch.setattr(Bellows, "listen", slow)
    asked = asyncio.create_task(home.call("listen"))
    await began.wait()
    await end(home)
    go_on.set()
    with pytest.raises(HomeAssistantError, match="Somebody closed it"):
        await asyncio.wait_for(asked, 5)
    assert home.network.entrance.listening_until is None


def files(folder: Path) -> list[Path]:
    """What is in it."""
    return sorted(folder.iterdir())


@pytest.mark.parametrize("fails", [True, False])
async def test_what_could_not_be_deleted_is_told(
    zha: Zha,
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fails: bool,
) -> None:
    home = await guarded(zha)
    folder, unlink = Path(hass.config.path("hubsec", str(home.entry.unique_id))), os.unlink
    held, *others = files(folder)

    def broken(path: str, **how: int) -> None:
        if fails and Path(path).name == held.name:
            raise OSError(errno.EROFS, "Read-only file system")
        unlink(path, **how)

    monkeypatch.setattr(os, "unlink", broken)
    await hass.config_entries.async_remove(home.entry.entry_id)
    told = [one.message for one in caplog.records if one.name == "custom_components.hubsec"]
    assert [str(folder) in one and "delete it by hand" in one for one in told] == ([True] if fails else [])
    assert held.exists() is fails
    assert not any(other.exists() for other in others)


@pytest.mark.parametrize(
    ("of_library", "found"),
    [
        (
            {"ezsp": {"hashed_tclk": "00112233445566778899aabbccddeeff"}},
            bytes.fromhex("00112233445566778899aabbccddeeff"),
        ),
        ({"ezsp": {"hashed_tclk": "no key at all"}}, b"no key at all"),
        ({"ezsp": {"hashed_tclk": 7}}, None),
        ({"ezsp": {"hashed_tclk": "\udc80"}}, None),
        ({"ezsp": None}, None),
        ([], None),
    ],
)
async def test_the_keys_are_found_beside_whatever_a_backup_holds(
    zha: Zha, of_library: object, found: bytes | None
) -> None:
    home = await guarded(zha)
    info = zha.app.state.network_info
    info.stack_specific = of_library
    secrets = home.network.secrets()
    assert info.network_key.key.serialize() in secrets
    assert found is None or found in secrets
