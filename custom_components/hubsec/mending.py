"""What the flows that mend an issue have in common.

A flow asks the network anew at each step: between two of them ZHA may have gone, or the device. What could not be done
is a sentence, and the issue stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import voluptuous as vol
from homeassistant.components.repairs import RepairsFlow
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.data_entry_flow import AbortFlow, FlowResult
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.selector import TextSelector

from .choices import plain
from .const import DOMAIN
from .naming import in_one_line
from .network import ProtectedNetwork

CONF_NAME: Final = "name"
_NOTHING_ASKED: Final = vol.Schema({})

type Input = dict[str, Any] | None


class Flow(RepairsFlow):
    """One issue's. It ends by itself where the entry is gone or not loaded.

    Its first step, `init`, is given the issue's id as its input: it only shows what comes next.
    """

    def __init__(self, entry_id: str, device: str) -> None:
        self._entry_id = entry_id
        self._device = device
        self._said: Mapping[str, str] = {}

    @property
    def _entry(self) -> ConfigEntry:
        entry = self.hass.config_entries.async_get_entry(self._entry_id)
        if entry is None or entry.state is not ConfigEntryState.LOADED:
            raise AbortFlow("not_loaded")
        return entry

    @property
    def _network(self) -> ProtectedNetwork:
        network: ProtectedNetwork = self._entry.runtime_data
        return network

    def _page(
        self,
        step: str,
        schema: vol.Schema = _NOTHING_ASKED,
        *,
        failure: str = "",
        **placeholders: str,
    ) -> FlowResult:
        """A page. `failure` is why the last try was for nothing, which is said on it."""
        return self.async_show_form(
            step_id=step,
            data_schema=schema,
            errors={"base": "failed"} if failure else None,
            description_placeholders={**self._told(), "failure": plain(failure), **placeholders},
        )

    def _told(self) -> Mapping[str, str]:
        """What the issue says; once it is mended, what it said."""
        issue = ir.async_get(self.hass).async_get_issue(DOMAIN, self.issue_id)
        self._said = (issue.translation_placeholders if issue is not None else None) or self._said
        return self._said

    def _mended(self) -> FlowResult:
        return self.async_create_entry(data={})

    def _naming(self, default: str) -> vol.Schema:
        return vol.Schema({vol.Required(CONF_NAME, default=default): TextSelector()})

    def _named(self, user_input: Mapping[str, Any]) -> str:
        """What the user calls the device, fit for a list; its address where nothing is left of that."""
        return in_one_line(user_input[CONF_NAME]) or self._device
