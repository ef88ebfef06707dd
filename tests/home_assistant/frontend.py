"""Home Assistant's pages, as a browser asks for them: flows and repairs over HTTP and the websocket, signed in as an
administrator, and the texts that a user reads there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MockHAClientWebSocket
from zha_house import Zha

import hubsec_zigbee.surveying
from hubsec_zigbee.capabilities import capabilities_of

FORM, ABORT, CREATED, MENU = "form", "abort", "create_entry", "menu"
"""What an answer of a flow may be."""

DOMAIN = "hubsec"
TEXTS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "custom_components" / DOMAIN / "translations" / "en.json").read_text("utf-8")
)
SET_UP = "/api/config/config_entries/flow"
OPTIONS = "/api/config/config_entries/options/flow"
REPAIR = "/api/repairs/issues/fix"


class Page:
    """One answer of a flow. `text` is all that a user reads of it; a placeholder that nobody filled in fails."""

    def __init__(self, flow: Flow, answer: dict[str, Any]) -> None:
        self._flow = flow
        self.answer = answer
        self.type: str = answer["type"]
        self.step: str | None = answer.get("step_id")
        self.reason: str | None = answer.get("reason")
        self.errors: dict[str, str] = answer.get("errors") or {}
        self.menu: list[str] = answer.get("menu_options", [])
        asked = answer["data_schema"] if self.type == FORM else []
        self.fields: dict[str, Any] = {field["name"]: field for field in asked}
        self.text = "" if self.type == "create_entry" else self._read()

    def choices(self, field: str) -> dict[str, str]:
        """What can be chosen there: value and label."""
        options = self.fields[field]["selector"]["select"]["options"]
        return {
            **{option: option for option in options if isinstance(option, str)},
            **{option["value"]: option["label"] for option in options if isinstance(option, dict)},
        }

    def default(self, field: str) -> Any:
        """What is there before the user does anything."""
        return self.fields[field].get("default")

    async def submit(self, **answers: Any) -> Page:
        """Send the form, and read what comes next."""
        return await self._flow.post(answers)

    async def choose(self, step: str) -> Page:
        """Choose from the menu."""
        return await self._flow.post({"next_step_id": step})

    def _read(self) -> str:
        texts, values = self._flow.texts, self.answer.get("description_placeholders") or {}
        if self.type == "abort":
            return _filled(texts["abort"][self.reason], values)
        step = texts["step"][self.step]
        said = [step["title"], step["description"]]
        for field in self.fields:
            said += [step["data"][field], step["data_description"][field]]
        said += [step["menu_options"][choice] for choice in self.menu]
        said += [texts["error"][error] for error in self.errors.values()]
        return "\n".join(_filled(one, values) for one in said)


def _filled(text: str, values: Mapping[str, str]) -> str:
    return text.format(**values)


class Flow:
    """A flow at its address; `texts` are the section of the translations that its pages use."""

    def __init__(self, client: TestClient[Any, Any], url: str, texts: Mapping[str, Any]) -> None:
        self._client = client
        self._url = url
        self.texts = texts

    async def begin(self, **how: Any) -> Page:
        """Open it."""
        page = await self._ask(self._url, how)
        self._url = f"{self._url}/{page.answer['flow_id']}"
        return page

    async def post(self, answers: dict[str, Any]) -> Page:
        """Send what the user entered."""
        return await self._ask(self._url, answers)

    async def _ask(self, url: str, sent: dict[str, Any]) -> Page:
        response = await self._client.post(url, json=sent)
        assert response.status == HTTPStatus.OK, (response.status, await response.text())
        return Page(self, await response.json())


class Frontend:
    """The pages of one Home Assistant."""

    def __init__(
        self, hass: HomeAssistant, client: TestClient[Any, Any], websocket: MockHAClientWebSocket
    ) -> None:
        self.hass = hass
        self.client = client
        self.websocket = websocket

    async def ask(self, command: str, **more: Any) -> Any:
        """Ask by the websocket; the result."""
        await self.websocket.send_json_auto_id({"type": command, **more})
        answer = await self.websocket.receive_json()
        assert answer["success"], answer
        return answer["result"]

    async def add(self) -> Page:
        """Add an integration: hubsec."""
        return await Flow(self.client, SET_UP, TEXTS["config"]).begin(handler=DOMAIN)

    async def reconfigure(self, entry_id: str) -> Page:
        """Reconfigure an entry of hubsec's."""
        return await Flow(self.client, SET_UP, TEXTS["config"]).begin(handler=DOMAIN, entry_id=entry_id)

    async def configure(self, entry_id: str) -> Page:
        """Change an entry's options."""
        return await Flow(self.client, OPTIONS, TEXTS["options"]).begin(handler=entry_id)

    async def repairs(self) -> dict[str, dict[str, Any]]:
        """hubsec's repairs that are shown, by kind; their texts are read, and filled in."""
        issues = (await self.ask("repairs/list_issues"))["issues"]
        shown = [one for one in issues if one["domain"] == DOMAIN and not one["ignored"]]
        for issue in shown:
            texts = TEXTS["issues"][issue["translation_key"]]
            assert issue["is_fixable"] == ("fix_flow" in texts)
            values = issue["translation_placeholders"]
            issue["text"] = "\n".join(
                _filled(texts[part], values) for part in ("title", "description") if part in texts
            )
        return {issue["translation_key"]: issue for issue in shown}

    async def mend(self, kind: str) -> Page:
        """Open the repair of that kind."""
        issue = (await self.repairs())[kind]
        texts = TEXTS["issues"][kind]["fix_flow"]
        return await Flow(self.client, REPAIR, texts).begin(handler=DOMAIN, issue_id=issue["issue_id"])

    # What several tests begin with

    async def set_up(self, *, policy: str = "home", mode: str = "observe") -> ConfigEntry:
        """Set hubsec up by its pages, with whoever is there."""
        page = await (await self.add()).submit(policy=policy, mode=mode)
        page = await page.submit(**({"adopt": page.default("adopt")} if page.step == "adopt" else {}))
        assert page.type == CREATED
        await self.hass.async_block_till_done()
        return entry_of(self.hass)


def entry_of(hass: HomeAssistant) -> ConfigEntry:
    """hubsec's one entry."""
    (entry,) = hass.config_entries.async_entries("hubsec")
    return entry


def own_policy(hass: HomeAssistant, name: str, text: str) -> None:
    """Write a policy where a user's own are."""
    folder = Path(hass.config.path("hubsec", "policies"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def on_radio(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    """Take the stick for one of that kind."""
    monkeypatch.setattr(hubsec_zigbee.surveying, "capabilities_of", lambda _: capabilities_of(library))


async def unadopted(zha: Zha) -> ConfigEntry:
    """An entry of hubsec's that observes a network whose devices nobody has confirmed."""
    network_id = str(zha.app.state.network_info.extended_pan_id).replace(":", "")
    entry = MockConfigEntry(
        domain="hubsec",
        title=zha.entry.title,
        unique_id=network_id,
        data={"stack": "zha", "stack_entry_id": zha.entry.entry_id},
        options={"policy": "home", "mode": "observe"},
    )
    entry.add_to_hass(zha.hass)
    assert await zha.hass.config_entries.async_setup(entry.entry_id)
    return entry


def reloaded(entry: ConfigEntry) -> bool:
    """Whether the entry is loaded as it says now."""
    return entry.state is ConfigEntryState.LOADED and not entry.runtime_data.outdated
