"""A whole Home Assistant, as a user starts it, in an emulated house.

Not the tests' harness: real pages on a port of this machine, a real database, ZHA and hubsec from their folders.
Nothing in it asks anybody outside this machine: what would is not set up.
"""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from homeassistant.auth.const import GROUP_ID_ADMIN
from homeassistant.bootstrap import async_setup_hass
from homeassistant.components.onboarding import STORAGE_KEY, STORAGE_VERSION
from homeassistant.components.onboarding.const import STEPS
from homeassistant.core import HomeAssistant
from homeassistant.runner import RuntimeConfig
from zha_house import CHANNEL, Zha, end_radio_tasks, socket_url, zha_entry

from hubsec_emulated.house import House
from hubsec_emulated.ncp.server import LOOPBACK

ROOT = Path(__file__).parents[3]
STICK = "Zigbee stick"
"""What the user has called ZHA's entry."""
USER = "Ada"
SEED = 7
SCALE = 4.0
"""Simulated seconds per second. hubsec, in there, opens windows by the clock on the wall, and the house's stick closes
them by its own: what is open for a minute stays so for as long as the story needs to get through."""
LOG = "home-assistant.log"
"""What Home Assistant writes down of its troubles, in its folder."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


def _configuration(port: int) -> dict[str, Any]:
    return {
        "homeassistant": {
            "name": "Home",
            "unit_system": "metric",
            "time_zone": "UTC",
            "language": "en",
            "country": "GB",
        },
        "http": {"server_host": LOOPBACK, "server_port": port},
        "frontend": {},
        "config": {},
        "history": {},
        "logbook": {},
        "logger": {"default": "warning"},
        # A channel, so that zigpy doesn't form a network for its energy scan first; and no index of updates is fetched.
        "zha": {"zigpy_config": {"network": {"channel": CHANNEL}, "ota": {"enabled": False}}},
    }


def _furnish(folder: Path, port: int) -> None:
    """Write what Home Assistant finds in its folder: its configuration, hubsec, and that somebody lives here."""
    (folder / "configuration.yaml").write_text(yaml.safe_dump(_configuration(port)))
    parts = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "custom_components", folder / "custom_components", ignore=parts)
    storage = folder / ".storage"
    storage.mkdir()
    welcomed = {"version": STORAGE_VERSION, "minor_version": 1, "key": STORAGE_KEY, "data": {"done": STEPS}}
    (storage / STORAGE_KEY).write_text(json.dumps(welcomed))


@dataclass(frozen=True)
class Home:
    """A running Home Assistant at `url`, with ZHA on the house's stick. `tokens` is what a browser that has logged in
    keeps."""

    hass: HomeAssistant
    house: House
    zha: Zha
    url: str
    tokens: dict[str, Any]


async def _log_in(hass: HomeAssistant, url: str) -> dict[str, Any]:
    user = await hass.auth.async_create_user(USER, group_ids=[GROUP_ID_ADMIN])
    client = f"{url}/"
    refresh = await hass.auth.async_create_refresh_token(user, client_id=client)
    lasts = int(refresh.access_token_expiration.total_seconds())
    return {
        "access_token": hass.auth.async_create_access_token(refresh),
        "token_type": "Bearer",
        "expires_in": lasts,
        "expires": int((time.time() + lasts) * 1000),
        "refresh_token": refresh.token,
        "hassUrl": url,
        "clientId": client,
        "ha_auth_provider": "homeassistant",
    }


@asynccontextmanager
async def home(folder: Path) -> AsyncIterator[Home]:
    """Start Home Assistant in that empty folder, and stop it at the end."""
    port = _free_port()
    _furnish(folder, port)
    url = f"http://{LOOPBACK}:{port}"
    async with House(seed=SEED, scale=SCALE, record=False) as house:
        hass = await async_setup_hass(RuntimeConfig(config_dir=str(folder), skip_pip=True))
        if hass is None or hass.config.recovery_mode:
            raise RuntimeError(f"Home Assistant did not start; its log is {folder / LOG}")
        await hass.async_start()
        entry = zha_entry(socket_url(house))
        zha = Zha(hass, house, entry)
        try:
            await hass.config_entries.async_add(entry)
            hass.config_entries.async_update_entry(entry, title=STICK)
            await zha.loaded()
            yield Home(hass, house, zha, url, await _log_in(hass, url))
        finally:
            await hass.async_stop(force=True)
            await end_radio_tasks()
