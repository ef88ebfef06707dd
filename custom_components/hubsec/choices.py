"""What the flows ask and show: the pieces that their pages have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import voluptuous as vol
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.data_entry_flow import AbortFlow
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)

from hubsec import HubsecError, Mode, NotEnforceable, PolicyError, RadioError
from hubsec.radio import Capabilities, Capability, SeenDevice, Support, answering

from .const import CONF_ADOPT, CONF_MODE, CONF_POLICY, CONF_STACK_ENTRY, DOMAIN
from .policies import policies, policy
from .stacks import STACKS, Found

POLICY_INVALID = "policy_invalid"
"""The error under a policy that can't be used; the placeholder `problem` says where and why."""

# CommonMark 2.4: all of ASCII's punctuation may be escaped.
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


async def candidates(hass: HomeAssistant, *, but_for: str = "") -> dict[str, ConfigEntry]:
    """The entries whose networks can be protected and are not yet, by id. The entry with the id `but_for` protects
    none, as far as this goes."""
    return {
        entry.entry_id: entry
        for domain in STACKS
        for entry in hass.config_entries.async_entries(domain, include_ignore=False, include_disabled=False)
        if not await _taken(hass, entry, but_for)
    }


async def _taken(hass: HomeAssistant, entry: ConfigEntry, but_for: str) -> bool:
    """Whether another entry of hubsec's is for the network that `entry` runs; where that can't be seen, whether one
    follows `entry`."""
    networks = {
        one.unique_id
        for one in hass.config_entries.async_entries(DOMAIN)
        if one.entry_id != but_for and one.data.get(CONF_STACK_ENTRY) == entry.entry_id
    }
    if not networks or entry.state is not ConfigEntryState.LOADED:
        return bool(networks)
    stack = STACKS[entry.domain]
    try:
        with answering(stack.name):
            return (await stack.look(hass, entry)).network_id in networks
    except HubsecError:
        return True


async def look(hass: HomeAssistant, entry: ConfigEntry) -> Found:
    """The network that `entry` runs now. Ends the flow, saying what to do, where there is none to be seen."""
    stack = STACKS[entry.domain]
    if entry.state is not ConfigEntryState.LOADED:
        raise AbortFlow("not_loaded", {"title": plain(entry.title), "stack": stack.name})
    try:
        return await stack.look(hass, entry)
    except NotEnforceable as error:
        raise AbortFlow("unknown_radio", _problem(entry, error)) from error
    except RadioError as error:
        raise AbortFlow("not_running", _problem(entry, error)) from error


def _problem(entry: ConfigEntry, error: HubsecError) -> dict[str, str]:
    return {"title": plain(entry.title), "problem": plain(str(error))}


def which_network(entries: Mapping[str, ConfigEntry], default: str | None = None) -> vol.Schema:
    """Asks for one of those entries."""
    options = [
        SelectOptionDict(value=entry_id, label=f"{entry.title} ({STACKS[entry.domain].name})")
        for entry_id, entry in entries.items()
    ]
    field = vol.Required(CONF_STACK_ENTRY, default=default if default in entries else vol.UNDEFINED)
    return vol.Schema({field: _one_of(options)})


async def which_policy(hass: HomeAssistant, *, policy: str, mode: str, enforceable: bool) -> vol.Schema:
    """Asks for policy and mode. Ends the flow where no policy can be read at all."""
    try:
        known = await policies(hass)
    except PolicyError as error:
        raise AbortFlow("no_policies", {"problem": plain(str(error))}) from error
    options = [
        SelectOptionDict(value=name, label=f"{name}: {about}" if about else name)
        for name, about in known.items()
    ]
    modes = list(Mode) if enforceable else [Mode.OBSERVE]
    return vol.Schema(
        {
            vol.Required(CONF_POLICY, default=policy if policy in known else vol.UNDEFINED): _one_of(options),
            vol.Required(CONF_MODE, default=mode if mode in modes else Mode.OBSERVE.value): SelectSelector(
                SelectSelectorConfig(
                    options=[one.value for one in modes],
                    translation_key=CONF_MODE,
                    mode=SelectSelectorMode.LIST,
                )
            ),
        }
    )


async def wrong_with(hass: HomeAssistant, chosen: str) -> str | None:
    """What is wrong with a policy, and where; None when it can be used."""
    try:
        await policy(hass, chosen)
    except PolicyError as error:
        return _in_lines(error)
    return None


def which_devices(devices: Mapping[str, str]) -> vol.Schema:
    """Asks which of those devices belong here; all of them unless it is told otherwise."""
    options = [SelectOptionDict(value=device, label=label) for device, label in devices.items()]
    return vol.Schema(
        {
            vol.Required(CONF_ADOPT, default=list(devices)): SelectSelector(
                SelectSelectorConfig(options=options, multiple=True, mode=SelectSelectorMode.LIST)
            )
        }
    )


@callback
def labels(seen: Iterable[SeenDevice], called: Callable[[str], str | None]) -> dict[str, str]:
    """The devices' lines for a person, by identity: what the user calls them, what they say they are, the address."""
    lines = {}
    for device in seen:
        said = " ".join(part for part in (device.manufacturer, device.model) if part)
        name = called(device.device)
        parts = [part for part in (name, said if said != name else None) if part] or [device.name]
        lines[str(device.device)] = f"{', '.join(parts)} ({device.device})"
    return dict(sorted(lines.items(), key=lambda line: line[1].casefold()))


def plain(text: str) -> str:
    """`text` for a placeholder in Markdown, where it is to mean nothing but itself: a device chooses its own name."""
    return _PUNCTUATION.sub(r"\\\1", " ".join(text.split()))


def enforceable(capabilities: Capabilities) -> dict[str, str]:
    """A placeholder for each capability: whether this kind of stick has it, and what is behind that."""
    return {
        name: _in_words(held)
        for name in capabilities.__struct_fields__
        if isinstance(held := getattr(capabilities, name), Capability)
    }


def _in_words(held: Capability) -> str:
    match held.support:
        case Support.YES:
            return f"yes ({held.note})" if held.note else "yes"
        case Support.PARTLY | Support.NO:
            return f"{held.support}: {held.note}" if held.note else held.support.value


def _in_lines(error: PolicyError) -> str:
    """A policy's mistakes, in Markdown: one to a line."""
    return "  \n".join(str(error).splitlines())


def _one_of(options: Sequence[SelectOptionDict]) -> Any:
    return SelectSelector(SelectSelectorConfig(options=list(options), mode=SelectSelectorMode.DROPDOWN))
