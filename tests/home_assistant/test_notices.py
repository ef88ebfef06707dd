"""A refusal is seen by who caused it, whatever page they are on."""

from __future__ import annotations

from typing import Any

import pytest
from homeassistant.components.persistent_notification import _async_get_or_create_notifications
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator
from zha_house import Zha

pytestmark = pytest.mark.usefixtures("enable_custom_integrations")


TITLE = "[Stick](http://evil)"


async def _guarded(zha: Zha, mode: str) -> MockConfigEntry:
    network_id = str(zha.app.state.network_info.extended_pan_id).replace(":", "").lower()
    data = {"stack": "zha", "stack_entry_id": zha.entry.entry_id, "adopt": []}
    entry = MockConfigEntry(
        domain="hubsec", title=TITLE, unique_id=network_id, data=data, options={"mode": mode}
    )
    entry.add_to_hass(zha.hass)
    assert await zha.hass.config_entries.async_setup(entry.entry_id)
    return entry


def _shown(hass: HomeAssistant) -> list[dict[str, Any]]:
    return [dict(one) for one in _async_get_or_create_notifications(hass).values()]


async def test_a_refused_page_is_a_notification_until_hubsec_goes(
    zha: Zha, hass_ws_client: WebSocketGenerator
) -> None:
    entry = await _guarded(zha, "enforce")
    assert _shown(zha.hass) == []  # Not for the canary.
    page = await hass_ws_client(zha.hass)
    answer = await zha.permit_on_page(page)
    (shown,) = _shown(zha.hass)
    # The frontend shows the title as it is, and the message as Markdown.
    assert shown["title"] == f"hubsec kept {TITLE} closed"
    assert TITLE not in shown["message"]
    assert r"\[Stick\]\(http\:\/\/evil\)" in shown["message"]
    assert shown["message"].replace("\\", "") == answer["error"]["message"]

    with pytest.raises(HomeAssistantError):
        await zha.permit()
    assert len(_shown(zha.hass)) == 1

    assert await zha.hass.config_entries.async_unload(entry.entry_id)
    assert _shown(zha.hass) == []


async def test_what_is_only_observed_disturbs_nobody(zha: Zha) -> None:
    await _guarded(zha, "observe")
    await zha.permit()
    assert _shown(zha.hass) == []
    await zha.close()
