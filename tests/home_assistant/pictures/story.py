"""The story that the pictures tell, in the order in which a user lives it.

What a user does on a page is done by clicks there. What happens elsewhere, such as a device that is switched on, is done
in the house.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from homeassistant.components import persistent_notification
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from playwright.async_api import Locator
from zha_house import ieee, until

from hubsec_emulated.devices.device import Device

from .home import STICK, Home
from .stage import Stage

DOMAIN: Final = "hubsec"
FLOW: Final = "dialog-data-entry-flow .mdc-dialog__surface"
TALL: Final = 1150
"""Pixels of a window that is high enough for the longest page of the set-up."""


class Story:
    """Each scene begins where the one before has ended."""

    def __init__(self, home: Home, stage: Stage) -> None:
        self._home = home
        self._stage = stage
        self._page = stage.page

    @property
    def scenes(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        """All of them, in their order."""
        return (
            self.before,
            self.set_up,
            self.observe,
            self.enforce,
            self.refuse,
            self.admit,
            self.approve,
            self.look_back,
        )

    async def before(self) -> None:
        """A house as it was before hubsec came: with two devices, which the user has given names."""
        house = self._home.house
        await self._live_with(house.lamp(), "Hall lamp")
        await self._live_with(house.sensor(), "Front door")
        persistent_notification.async_dismiss_all(self._home.hass)

    async def set_up(self) -> None:
        """Add the integration: what the stick can hold, policy and mode, the devices that are there."""
        await self._stage.tall(TALL)
        await self._stage.visit(f"/config/integrations/dashboard/add?domain={DOMAIN}")
        await self._press("OK")
        await self._stage.picture("set-up", self._flow, shows=["home", "observe", "enforce", "experimental"])
        await self._press("Submit")
        await self._stage.picture("adopt", self._flow, shows=["Hall lamp", "Front door"])
        await self._press("Submit")
        await self._stage.sees("Success")
        await self._press("Finish")
        await self._stage.tall()

    async def observe(self) -> None:
        """Nothing has changed: ZHA still opens its network, and hubsec says what it would have done."""
        house, zha = self._home.house, self._home.zha
        await zha.permit()
        stranger = house.stranger()
        stranger.power_on()
        await until(lambda: stranger.joined, "The stranger's joining")
        await zha.close()
        await self._home.hass.async_block_till_done()
        await self._stage.visit("/logbook")
        await self._stage.picture("logbook", shows=["would have refused"])

    async def enforce(self) -> None:
        """Turn the switch on."""
        await self._stage.visit(f"/config/devices/device/{self._device.id}")
        await self._page.locator(f"ha-entity-toggle[aria-label*=Enforce], ha-entity-toggle").first.click()
        await self._stage.picture("network", shows=["Protected"])

    async def refuse(self) -> None:
        """ZHA's own page opens nothing any more."""
        await self._stage.visit("/config/zha/add")
        await self._stage.sees("Searching for Zigbee devices")
        await self._page.locator("home-assistant-main").dispatch_event("hass-show-notifications")
        await self._stage.picture("refused", shows=[f"hubsec kept {STICK} closed"])

    async def admit(self) -> None:
        """Let a plug in by its sticker."""

    async def approve(self) -> None:
        """Let an old lamp in that knocks."""

    async def look_back(self) -> None:
        """What the logbook tells of all this."""

    # Pieces

    @property
    def _flow(self) -> Locator:
        return self._page.locator(FLOW)

    @property
    def _device(self) -> dr.DeviceEntry:
        (entry,) = self._home.hass.config_entries.async_entries(DOMAIN)
        registry = dr.async_get(self._home.hass)
        (device,) = dr.async_entries_for_config_entry(registry, entry.entry_id)
        return device

    async def _press(self, button: str) -> None:
        await self._page.get_by_role("button", name=button, exact=True).click()

    async def _live_with(self, device: Device, name: str) -> None:
        zha = self._home.zha
        await zha.admitted(device)
        await until(lambda: zha.device_entry(device) is not None, f"The entry of {ieee(device)}")
        known = zha.device_entry(device)
        if known is not None:
            dr.async_get(self._home.hass).async_update_device(known.id, name_by_user=name)
