"""Setting a network up for protection, and changing that, in the user interface.

The flows only write into the entry. What follows from it is the entry's own business: it is made anew when it says
something else than before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import voluptuous as vol
from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
    OptionsFlow,
)
from homeassistant.core import callback
from homeassistant.data_entry_flow import AbortFlow

from hubsec import HubsecError, Mode

from .adopting import adopt, unconfirmed
from .asking import page_context, page_user
from .choices import (
    POLICY_INVALID,
    candidates,
    enforceable,
    labels,
    look,
    plain,
    which_devices,
    which_network,
    which_policy,
    wrong_with,
)
from .const import CONF_ADOPT, CONF_MODE, CONF_POLICY, CONF_STACK, CONF_STACK_ENTRY, DOMAIN
from .naming import in_one_line
from .network import DEFAULT_MODE, DEFAULT_POLICY, ProtectedNetwork
from .stacks import STACKS, Found
from .telling import registered, tell_choices


class HubsecConfigFlow(ConfigFlow, domain=DOMAIN):
    """One entry for each network: choose it, see what can be held there, choose a policy, confirm its devices."""

    VERSION = 1

    _there: ConfigEntry
    """What runs the chosen network; known, as the two below, from the step that chooses it on."""
    _found: Found
    _options: dict[str, Any]

    @staticmethod
    @callback
    def async_get_options_flow(_: ConfigEntry) -> OptionsFlow:
        """Policy and mode can be changed later."""
        return HubsecOptionsFlow()

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """The network."""
        entries = await candidates(self.hass)
        if not entries:
            protected = self._async_current_entries(include_ignore=False)
            raise AbortFlow("all_protected" if protected else "no_network")
        if user_input is not None and user_input[CONF_STACK_ENTRY] in entries:
            return await self._met(entries[user_input[CONF_STACK_ENTRY]])
        if len(entries) == 1:
            return await self._met(*entries.values())
        return self.async_show_form(step_id="user", data_schema=which_network(entries))

    async def _met(self, there: ConfigEntry) -> ConfigFlowResult:
        self._there, self._found = there, await look(self.hass, there)
        await self.async_set_unique_id(self._found.network_id)
        self._abort_if_unique_id_configured()
        if not self._found.capabilities.enforced:
            return await self.async_step_unguardable()
        return await self._choose(STACKS[there.domain].page, None)

    async def async_step_network(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """What can be held on this stick, and what is to be held."""
        return await self._choose("network", user_input)

    async def async_step_zwave(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """The same, on Z-Wave."""
        return await self._choose("zwave", user_input)

    async def async_step_unguardable(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """The same, for a stick that hubsec does not enforce on: nothing is pretended."""
        return await self._choose("unguardable", user_input)

    async def _choose(self, step: str, user_input: dict[str, Any] | None) -> ConfigFlowResult:
        there, found = self._there, self._found
        errors, wrong = {}, None
        if user_input is not None:
            wrong = await wrong_with(self.hass, user_input[CONF_POLICY])
            if wrong is None:
                self._options = user_input
                return await self.async_step_adopt()
            errors[CONF_POLICY] = POLICY_INVALID
        asked = user_input or {CONF_POLICY: DEFAULT_POLICY, CONF_MODE: DEFAULT_MODE.value}
        return self.async_show_form(
            step_id=step,
            data_schema=await which_policy(
                self.hass,
                policy=asked[CONF_POLICY],
                mode=asked[CONF_MODE],
                enforceable=found.capabilities.enforced,
            ),
            errors=errors,
            description_placeholders={
                "title": plain(there.title),
                "radio": found.radio,
                "devices": str(len(found.devices)),
                "problem": wrong or "",
                **enforceable(found.capabilities),
                **found.words,
            },
        )

    async def async_step_adopt(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """The devices that are there now: which of them belong there."""
        found = self._found
        if user_input is not None:
            return self._created(user_input[CONF_ADOPT])
        if not found.devices:
            return await self.async_step_nobody()
        return self.async_show_form(
            step_id="adopt",
            data_schema=which_devices(labels(found.devices, self._called)),
            description_placeholders={"devices": str(len(found.devices))},
        )

    @callback
    def _called(self, device: str) -> str | None:
        there = registered(self.hass, self._there.entry_id).get(device)
        return None if there is None else in_one_line(there.name_by_user or there.name)

    async def async_step_nobody(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """There is no device to confirm."""
        if user_input is not None:
            return self._created([])
        return self.async_show_form(step_id="nobody")

    def _created(self, devices: list[str]) -> ConfigFlowResult:
        self._abort_if_unique_id_configured()  # Somebody may have been quicker.
        return self.async_create_entry(
            title=self._there.title,
            data={
                CONF_STACK: self._there.domain,
                CONF_STACK_ENTRY: self._there.entry_id,
                CONF_ADOPT: devices,
            },
            options=self._options,
        )

    # Rebinding

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """The entry that runs the network now."""
        entry = self._get_reconfigure_entry()
        entries = await candidates(self.hass, but_for=entry.entry_id)
        if not entries:
            raise AbortFlow("no_network")
        errors = {}
        if user_input is not None and user_input[CONF_STACK_ENTRY] in entries:
            there = entries[user_input[CONF_STACK_ENTRY]]
            found = await look(self.hass, there)
            if found.network_id == entry.unique_id:
                data = {**entry.data, CONF_STACK: there.domain, CONF_STACK_ENTRY: there.entry_id}
                self.hass.config_entries.async_update_entry(entry, data=data)
                return self.async_abort(reason="reconfigure_successful")
            errors[CONF_STACK_ENTRY] = "other_network"
        return self.async_show_form(
            step_id=SOURCE_RECONFIGURE,
            data_schema=which_network(entries, entry.data[CONF_STACK_ENTRY]),
            errors=errors,
            description_placeholders={"title": plain(entry.title), "network_id": str(entry.unique_id)},
        )


class HubsecOptionsFlow(OptionsFlow):
    """Another policy, another mode. Who enforces on a network whose devices are not confirmed confirms them."""

    _options: dict[str, Any]

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Policy and mode."""
        now = self.config_entry.options
        asked: Mapping[str, Any] = user_input or {
            CONF_POLICY: now.get(CONF_POLICY, DEFAULT_POLICY),
            CONF_MODE: now.get(CONF_MODE, DEFAULT_MODE.value),
        }
        errors, wrong = {}, None
        if user_input is not None:
            wrong = await wrong_with(self.hass, user_input[CONF_POLICY])
            if wrong is None:
                self._options = user_input
                return await self.async_step_adopt()
            errors[CONF_POLICY] = POLICY_INVALID
        can = await self._enforceable()
        return self.async_show_form(
            step_id="init" if can else "unguardable",
            data_schema=await which_policy(
                self.hass, policy=asked[CONF_POLICY], mode=asked[CONF_MODE], enforceable=can
            ),
            errors=errors,
            description_placeholders={"title": plain(self.config_entry.title), "problem": wrong or ""},
        )

    async def async_step_unguardable(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """The same, for a stick that hubsec does not enforce on."""
        return await self.async_step_init(user_input)

    async def async_step_adopt(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Before anybody is held to a list, it is confirmed."""
        network = self._network
        if network is None or network.hub is None or self._options[CONF_MODE] != Mode.ENFORCE:
            return self._changed()
        try:
            if user_input is not None:
                await adopt(network, user_input.get(CONF_ADOPT, []), by=page_user())
            waiting = await unconfirmed(network)
        except HubsecError as error:
            return self.async_abort(reason="failed", description_placeholders={"problem": plain(str(error))})
        if waiting is None:
            return self._changed()
        return self.async_show_form(
            step_id="adopt" if waiting else "nobody",
            data_schema=which_devices(waiting) if waiting else vol.Schema({}),
            description_placeholders={"devices": str(len(waiting))},
        )

    async def async_step_nobody(self, _: dict[str, Any] | None = None) -> ConfigFlowResult:
        """There is no device to confirm, and that is what is confirmed."""
        return await self.async_step_adopt({CONF_ADOPT: []})

    def _changed(self) -> ConfigFlowResult:
        tell_choices(self.hass, self.config_entry, self._options, by=page_user(), context=page_context())
        return self.async_create_entry(data=self._options)

    @property
    def _network(self) -> ProtectedNetwork | None:
        """None while the entry is not loaded."""
        return self.config_entry.runtime_data if self.config_entry.state is ConfigEntryState.LOADED else None

    async def _enforceable(self) -> bool:
        """Whether hubsec enforces on the stick; where it can't be seen now, it is found out when it can."""
        there = self.hass.config_entries.async_get_entry(self.config_entry.data[CONF_STACK_ENTRY])
        try:
            found = None if there is None else await look(self.hass, there)
        except AbortFlow as unseen:
            return unseen.reason != "unknown_radio"
        return found is None or found.capabilities.enforced
