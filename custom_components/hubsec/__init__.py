"""hubsec in Home Assistant: a guard on the networks that other integrations run."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.typing import ConfigType

from .audit import keep_verifying
from .const import DOMAIN, PLATFORMS
from .issues import Issues, forget
from .network import HubsecConfigEntry, ProtectedNetwork, home_of
from .notices import notify
from .services import async_setup_services
from .telling import tell
from .watching import watch

_LOGGER = logging.getLogger(__name__)

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Set up what all entries share."""
    async_setup_services(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: HubsecConfigEntry) -> bool:
    """Protect a network. Whether its stack is there yet makes no difference."""
    network = entry.runtime_data = ProtectedNetwork(hass, entry)
    Issues(network)
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    entry.async_on_unload(entry.add_update_listener(_options_changed))
    for follow in (notify, tell, watch, keep_verifying):
        entry.async_on_unload(follow(network))
    await network.start()
    return True


async def async_unload_entry(hass: HomeAssistant, entry: HubsecConfigEntry) -> bool:
    """Leave the network as it was found."""
    unloaded = await hass.config_entries.async_unload_platforms(entry, PLATFORMS)
    if unloaded:
        await entry.runtime_data.stop()
    return unloaded


async def async_remove_entry(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Forget the network: its allowlist, its records and their key."""
    forget(hass, entry.entry_id)
    home = home_of(hass, str(entry.unique_id))
    await hass.async_add_executor_job(_forget, home)


async def _options_changed(hass: HomeAssistant, entry: HubsecConfigEntry) -> None:
    if entry.runtime_data.outdated:
        hass.config_entries.async_schedule_reload(entry.entry_id)


def _forget(home: Path) -> None:
    failed: list[BaseException] = []
    shutil.rmtree(home, onexc=lambda _function, _path, error: failed.append(error))
    if failed and home.exists():
        _LOGGER.warning(
            "The folder %s could not be deleted (%s). It holds a network's records and their key: delete it by hand",
            home,
            getattr(failed[0], "strerror", None) or type(failed[0]).__name__,
        )
