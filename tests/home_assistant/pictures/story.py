"""The story that the pictures tell, in the order in which a user lives it.

What a user does on a page is done by clicks there. What happens elsewhere, such as a device that is switched on, is
done in the house.
"""

from __future__ import annotations

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
FLOW: Final = "dialog-data-entry-flow"
TALL: Final = 900
"""Pixels of a window that is high enough for the longest page of the set-up,"""
NETWORK_TALL: Final = 1530
"""for the page of a network,"""
ACTION_TALL: Final = 1620
"""for an action with its answer,"""
LOGBOOK_TALL: Final = 900
"""for the logbook."""
SHORT: Final = 400
"""Pixels of a picture of something short."""


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
            self.meet,
            self.refuse,
            self.admit,
            self.rotate,
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
        zha, stranger = self._home.zha, self._home.house.stranger()
        await zha.permit()
        stranger.power_on()
        await zha.joined(stranger)
        await zha.close()
        await self._stage.tall(LOGBOOK_TALL)
        await self._stage.visit("/logbook")
        shown = ["would have refused the host", "would have quarantined"]
        await self._stage.picture("observing", shows=shown)
        await self._stage.tall()

    async def enforce(self) -> None:
        """Turn the switch on."""
        await self._stage.tall(NETWORK_TALL)
        await self._stage.visit(f"/config/devices/device/{self._device.id}")
        await self._page.locator("ha-entity-toggle").click()
        await until(lambda: self._states("protected", "on"), "Protecting the network")
        await self._stage.picture("network", shows=["Enforcement", "Close joining now", "Unapproved devices"])
        await self._stage.tall()

    async def meet(self) -> None:
        """The stranger that came in while hubsec only observed: whose is it?"""
        await self._stage.visit("/config/repairs")
        await self._page.get_by_text("An unapproved device").click()
        await self._stage.picture("stranger", self._flow, shows=["unapproved", "allow it", "make it leave"])
        await self._page.get_by_text("It is not mine").click()
        await self._press("Submit")
        await self._stage.picture("evicted", self._flow, shows=["still holds the network key"])
        await self._press("Submit")

    async def refuse(self) -> None:
        """ZHA's own page opens nothing any more, and does not say so; a notification does."""
        await self._stage.visit("/config/zha/add")
        await self._stage.sees("Searching for Zigbee devices")
        await self._page.locator("home-assistant-main").dispatch_event("hass-show-notifications")
        await self._stage.picture(
            "refused",
            top=SHORT,
            shows=[f"hubsec kept {STICK} closed", "hubsec.admit"],
        )

    async def admit(self) -> None:
        """Let a plug in by its sticker."""
        plug = self._home.house.plug()
        await self._stage.tall(ACTION_TALL)
        await self._stage.visit(f"/developer-tools/action?service={DOMAIN}.admit")
        await self._field("The text of the install code").fill(plug.sticker)
        await self._field("What the device is to be called").fill("Coffee machine")
        await self._press("Perform action")
        await until(lambda: self._states("joining", "on"), "The opening of the network")
        plug.power_on()
        await self._stage.picture("admit", shows=["Coffee machine", "joined by install code"])
        await self._stage.tall()

    async def rotate(self) -> None:
        """The stranger that was made to leave holds the network key: what would a change of it do to each device?"""
        await self._stage.tall(TALL)
        await self._stage.visit("/config/repairs")
        await self._page.get_by_text("ought to be changed").click()
        shown = ["Hall lamp", "Front door", "Coffee machine", "Change it now"]
        await self._stage.picture("rotation", self._flow, shows=shown)
        await self._stage.tall()

    async def approve(self) -> None:
        """Let an old lamp in that has no install code: listen, hear it knock, and approve it."""
        lamp = self._home.house.lamp(install_code=None)
        await self._stage.visit(f"/developer-tools/action?service={DOMAIN}.listen")
        await self._press("Perform action")
        await self._stage.sees("closes_at")
        lamp.power_on()
        await self._stage.visit("/config/repairs")
        await self._stage.picture("repairs", self._page.locator("ha-card"), shows=["A device asks to join"])
        await self._page.get_by_text("A device asks to join").click()
        await self._page.locator(f"{FLOW} input").fill("Old lamp")
        await self._stage.picture(
            "knock", self._flow, shows=["Let the device in?", ieee(lamp), "Whoever listens"]
        )
        await self._press("Submit")
        await self._stage.picture("approved", self._flow, shows=["Switch it on again", "Old lamp"])
        await self._press("Submit")
        lamp.power_off()
        lamp.power_on()
        await self._home.zha.joined(lamp)

    async def look_back(self) -> None:
        """What the logbook tells of all this."""
        await self._stage.tall(LOGBOOK_TALL)
        await self._stage.visit("/logbook")
        shown = [
            "let Old lamp in by approval",
            "ought to have a new network key",
            "Old lamp the network key under a public key",
        ]
        await self._stage.picture("logbook", shows=shown)

    # Pieces

    @property
    def _flow(self) -> Locator:
        return self._page.locator(f"{FLOW} .mdc-dialog__surface")

    @property
    def _device(self) -> dr.DeviceEntry:
        (entry,) = self._home.hass.config_entries.async_entries(DOMAIN)
        registry = dr.async_get(self._home.hass)
        (device,) = dr.async_entries_for_config_entry(registry, entry.entry_id)
        return device

    def _states(self, key: str, state: str) -> bool:
        """Whether the network's entity of that key is in that state."""
        hass = self._home.hass
        entities = er.async_entries_for_device(er.async_get(hass), self._device.id)
        (entity,) = (entity for entity in entities if entity.unique_id.endswith(f"-{key}"))
        return hass.states.is_state(entity.entity_id, state)

    def _field(self, described: str) -> Locator:
        """The field of an action with that description."""
        return self._page.locator("ha-settings-row").filter(has_text=described).locator("input")

    async def _press(self, button: str) -> None:
        await self._page.get_by_role("button", name=button, exact=True).click()

    async def _live_with(self, device: Device, name: str) -> None:
        zha = self._home.zha
        await zha.admitted(device)
        await until(lambda: zha.device_entry(device) is not None, f"The entry of {ieee(device)}")
        known = zha.device_entry(device)
        if known is not None:
            dr.async_get(self._home.hass).async_update_device(known.id, name_by_user=name)
