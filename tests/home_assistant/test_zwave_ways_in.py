"""Each way in that the pages of Z-Wave JS have: what is refused, what the user reads; what comes in, and as what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.typing import WebSocketGenerator
from zha_house import until
from zwave_home import DEFAULT, INSECURE, S0, S2, TITLE, AddDevice, Zwave, guarded_zwave
from zwave_js_server.const import InclusionStrategy

from hubsec.events import Denied, Joined, JoinFailed, OpenRefused, RemovalAwaited

pytestmark = pytest.mark.usefixtures("enable_custom_integrations")

AIR = "Without S2, a device's keys go over the air for whoever listens, or it has none."
NO_S2 = (
    f"hubsec includes nobody without S2 on {TITLE}. {AIR} Include the device with S2, or use the action hubsec.admit "
    "with the DSK or QR code on its sticker. To include a device that has no S2, choose observe in the options of "
    "hubsec first"
)
RESTORE = (
    f"hubsec lets no backup replace the network of {TITLE}. A backup brings other keys, and devices that nobody has "
    "judged. To restore one all the same, choose observe in the options of hubsec first"
)
TAKEOVER = (
    f"hubsec leaves the controller of {TITLE} as it is. A controller that is wiped, or joins another network, is lost "
    "to this one. To do it all the same, choose observe in the options of hubsec first"
)
LIST = (
    f"hubsec keeps the SmartStart list of {TITLE} as its allowlist says. The provisioning list follows hubsec's "
    "allowlist: revoke the device there. Use the action hubsec.admit to let a device in, and hubsec.revoke to take it "
    "off"
)
CLOSED = (
    f"hubsec keeps {TITLE} closed. The policy does not let a host application begin an inclusion. To let a device in, "
    "use the action hubsec.admit with the DSK or QR code on its sticker"
)


def ways(dsk: str) -> Iterator[tuple[str, dict[str, Any], str]]:
    """What the pages ask, and what they show then."""
    yield "add_node", {"inclusion_strategy": INSECURE}, NO_S2
    yield "add_node", {"inclusion_strategy": S0}, NO_S2
    yield "hard_reset_controller", {}, TAKEOVER
    yield "restore_nvm", {"data": "AAAA"}, RESTORE
    yield "unprovision_smart_start_node", {"dsk": dsk}, LIST


async def test_every_other_way_in_is_refused_with_a_sentence(
    zwave: Zwave, hass_ws_client: WebSocketGenerator
) -> None:
    old = await zwave.included(zwave.house.plug(security="none"))
    home = await guarded_zwave(zwave, adopt=[old])
    page = AddDevice(zwave, await hass_ws_client(zwave.hass))
    assert home.notifications() == {}  # Not for the canary.
    asked = list(ways(zwave.house.lamp().dsk))
    gone = zwave.device_entry(old)
    assert gone is not None
    asked.append(("replace_failed_node", {"device_id": gone.id, "inclusion_strategy": INSECURE}, NO_S2))
    for command, more, said in asked:
        answer = await page.ask(command, **more)
        assert (answer["success"], answer["error"]["code"]) == (False, "hubsec_refused"), command
        assert answer["error"]["message"].rstrip(".") == said, command
        assert zwave.house.devices[0].node_id in zwave.controller.nodes
    # What has no page: other integrations and scripts go by the controller's own methods, and get an error of theirs.
    with pytest.raises(HomeAssistantError) as refused:
        await zwave.controller.async_begin_inclusion(InclusionStrategy.SECURITY_S0)
    assert str(refused.value).rstrip(".") == NO_S2
    (title, shown), *more_shown = home.notifications().items()
    assert (title, more_shown) == (f"hubsec kept {TITLE} closed", [])
    assert shown.rstrip(".") == NO_S2
    assert {one.asker for one in home.heard(OpenRefused)} == {"host"}
    (network,) = (await home.network.hub.posture()).networks
    assert network.state.closed


async def test_a_strict_policy_lets_no_page_include_anybody(
    zwave: Zwave, hass_ws_client: WebSocketGenerator
) -> None:
    await guarded_zwave(zwave, policy="strict")
    page = AddDevice(zwave, await hass_ws_client(zwave.hass))
    lamp = zwave.house.lamp()
    parsed = (await page.ask("parse_qr_code_string", qr_code_string=lamp.sticker))["result"]
    for command, more in (
        ("add_node", {"inclusion_strategy": DEFAULT}),
        ("add_node", {"inclusion_strategy": S2, "dsk": lamp.dsk}),
        ("provision_smart_start_node", {"qr_provisioning_information": parsed}),
    ):
        answer = await page.ask(command, **more)
        assert not answer["success"], command
        assert answer["error"]["message"].rstrip(".") == CLOSED, command


async def test_what_is_only_observed_is_refused_nowhere(
    zwave: Zwave, hass_ws_client: WebSocketGenerator
) -> None:
    home = await guarded_zwave(zwave, "observe")
    assert home.standing == "stands"
    page = AddDevice(zwave, await hass_ws_client(zwave.hass))
    assert (await page.ask("add_node", inclusion_strategy=INSECURE))["success"]
    assert [one.enforced for one in home.heard(OpenRefused) if one.asker == "host"] == [False]
    assert (await page.ask("stop_inclusion"))["success"]
    assert home.notifications() == {}


async def test_the_page_adds_a_device_under_the_policy(
    zwave: Zwave, hass_ws_client: WebSocketGenerator
) -> None:
    home = await guarded_zwave(zwave)
    page = AddDevice(zwave, await hass_ws_client(zwave.hass))
    lamp = zwave.house.lamp()
    # The page grants whatever is asked for.
    assert (await page.ask("subscribe_s2_inclusion"))["success"]
    assert (await page.ask("add_node", inclusion_strategy=DEFAULT))["success"]
    lamp.press_button()
    requested = (await page.hear("grant security classes"))["requested_grant"]["securityClasses"]
    assert sorted(requested) == [0, 1]
    shown = (await page.hear("validate dsk and enter pin"))["dsk"]
    assert shown.endswith(home.identity(lamp))
    assert home.identity(lamp) not in home.network.hub.allowlist
    assert (await page.ask("validate_dsk_and_enter_pin", pin=lamp.pin))["success"]
    await page.hear("node added")
    await zwave.ready(lamp)
    # What it asked for is cut to what the policy takes, and what the user typed is an entry now.
    assert lamp.keys_held == {"S2_Authenticated"}
    entry = home.network.hub.allowlist[home.identity(lamp)]
    assert (entry.approved_by, entry.address) == ("host", zwave.address(lamp))
    assert await zwave.entity(lamp, "light")
    (joined,) = home.heard(Joined)
    assert joined.device == home.identity(lamp)
    assert home.notifications() == {}


async def test_a_lock_that_asks_for_too_little_is_shut_off(
    zwave: Zwave, hass_ws_client: WebSocketGenerator
) -> None:
    home = await guarded_zwave(zwave)
    page = AddDevice(zwave, await hass_ws_client(zwave.hass))
    lock = zwave.house.lock(requests=("S2_Authenticated", "S2_Unauthenticated"))
    assert (await page.ask("subscribe_s2_inclusion"))["success"]
    assert (await page.ask("add_node", inclusion_strategy=S2))["success"]
    lock.press_button()
    await until(lambda: home.heard(RemovalAwaited), "The lock's being told to leave")
    await zwave.hass.async_block_till_done()
    assert not lock.keys_held
    assert zwave.device_entry(lock) is None  # Home Assistant has not even heard of it.
    (denied,) = home.heard(Denied)
    assert "s2-authenticated at most, and the policy wants s2-access-control" in denied.reason
    told = home.notifications()
    assert denied.reason in told[f"A device did not come in on {TITLE}"]
    (leaving,) = (text for title, text in told.items() if title.endswith(f"is to leave {TITLE}"))
    assert (
        "Nothing that is sent makes it leave, and it is shut off until it has left. Press its button"
        in leaving
    )


async def test_a_wrong_pin_lets_nobody_in(zwave: Zwave, hass_ws_client: WebSocketGenerator) -> None:
    home = await guarded_zwave(zwave)
    page = AddDevice(zwave, await hass_ws_client(zwave.hass))
    lamp = zwave.house.lamp()
    assert (await page.ask("subscribe_s2_inclusion"))["success"]
    assert (await page.ask("add_node", inclusion_strategy=S2))["success"]
    lamp.press_button()
    await page.hear("validate dsk and enter pin")
    wrong = f"{(int(lamp.pin) + 1) % 65536:05}"
    assert (await page.ask("validate_dsk_and_enter_pin", pin=wrong))["success"]
    await until(lambda: home.heard(JoinFailed), "The failing")
    await zwave.hass.async_block_till_done()
    assert not lamp.keys_held
    assert zwave.device_entry(lamp) is None
    assert "a wrong PIN" in home.notifications()[f"A device did not come in on {TITLE}"]


async def test_a_scanned_code_lets_its_device_in_by_itself(
    zwave: Zwave, hass_ws_client: WebSocketGenerator
) -> None:
    home = await guarded_zwave(zwave)
    page = AddDevice(zwave, await hass_ws_client(zwave.hass))
    plug, stranger = zwave.house.plug(), zwave.house.plug()
    parsed = (await page.ask("parse_qr_code_string", qr_code_string=plug.sticker))["result"]
    assert (await page.ask("provision_smart_start_node", qr_provisioning_information=parsed))["success"]
    # The policy's classes, whatever the code says.
    (listed,) = (await page.ask("get_provisioning_entries"))["result"]
    assert sorted(listed["securityClasses"]) == [1, 2]
    (told,) = home.notifications().values()
    assert told.startswith("Give it power. It comes in by itself")
    stranger.power_on()
    plug.power_on()
    await until(lambda: home.heard(Joined), "The plug's joining")
    await zwave.ready(plug)
    assert plug.keys_held == {"S2_Authenticated"}
    assert not stranger.keys_held
    assert home.notifications() == {}
