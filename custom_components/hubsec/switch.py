"""Whether a network's policy is carried out, or only observed."""

from __future__ import annotations

from typing import Any

from homeassistant.components.switch import SwitchEntity, SwitchEntityDescription
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from hubsec import HubsecError, Mode

from .asking import administrators_only, asker, in_person
from .const import CONF_MODE, DOMAIN
from .entity import NetworkEntity
from .network import HubsecConfigEntry
from .telling import tell_choices

PARALLEL_UPDATES = 1


async def async_setup_entry(
    hass: HomeAssistant, entry: HubsecConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """The one switch."""
    description = SwitchEntityDescription(
        key="enforcement", translation_key="enforcement", entity_category=EntityCategory.CONFIG
    )
    async_add_entities([EnforcementSwitch(entry.runtime_data, description, guarded=False)])


class EnforcementSwitch(NetworkEntity, SwitchEntity):
    """The entry's mode. Who changes it is told on the bus; the guard is then made anew, by the entry's reload.

    It is for administrators: Home Assistant lets every user of the house switch whatever is an entity. Automations may
    turn it on, and not off: "everything off" takes every switch there is.
    """

    @property
    def is_on(self) -> bool:
        """Whether the user chose to enforce. Whether that holds now is what the sensor `protected` says."""
        return self.network.mode is Mode.ENFORCE

    async def async_turn_on(self, **kwargs: Any) -> None:
        """Enforce. Refused, saying what to do, where it can't be or nobody has confirmed the devices."""
        await administrators_only(self.hass, self._context)
        await self._check()
        await self._choose(Mode.ENFORCE)

    async def async_turn_off(self, **kwargs: Any) -> None:
        """Only observe. Refused where it is no administrator in person who asks."""
        await administrators_only(self.hass, self._context)
        if not in_person(self._context):
            raise self._refusal("off_by_hand_only")
        await self._choose(Mode.OBSERVE)

    async def _check(self) -> None:
        network, there = self.network, self.network.stack_entry
        try:
            if there is None or there.state is not ConfigEntryState.LOADED:
                raise self._refusal("enforce_not_running")
            found = await network.stack.look(self.hass, there)
            if not found.capabilities.enforced:
                raise self._refusal("enforce_not_enforceable", radio=found.radio)
            posture = await network.guarded().posture()
        except HubsecError as error:
            raise self._refusal("not_done", reason=str(error)) from error
        if not all(one.adopted for one in posture.networks):
            raise self._refusal("enforce_not_adopted")

    def _refusal(self, key: str, **words: str) -> ServiceValidationError:
        return ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key=key,
            translation_placeholders={
                "network": self.network.entry.title,
                "stack": self.network.stack.name,
                **words,
            },
        )

    async def _choose(self, mode: Mode) -> None:
        if self.network.mode is mode:
            return
        entry, by = self.network.entry, await asker(self.hass, self._context)
        options = {**entry.options, CONF_MODE: mode.value}
        tell_choices(self.hass, entry, options, by=by, context=self._context)
        self.hass.config_entries.async_update_entry(entry, options=options)
        self.async_write_ha_state()
