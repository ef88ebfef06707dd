"""The policies that a user can choose: those that come with hubsec, and files of their own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from homeassistant.core import HomeAssistant

from hubsec import Policy, PolicyError, load_policy
from hubsec.policy.loading import CASES_SUFFIX, ready_policies

from .network import POLICY_SUFFIXES, policy_folder, policy_of


async def policies(hass: HomeAssistant) -> Mapping[str, str]:
    """What an entry's options may name, each with a line for a person: what the policy says of itself.

    A file of the user's own is listed whether or not it can be used: who chooses it is told what is wrong with it.
    """
    return await hass.async_add_executor_job(_policies, hass)


async def policy(hass: HomeAssistant, chosen: str) -> Policy:
    """The policy that `chosen` names. Raises :class:`hubsec.PolicyError`, which says where it is wrong."""
    return await hass.async_add_executor_job(load_policy, policy_of(hass, chosen))


def _policies(hass: HomeAssistant) -> Mapping[str, str]:
    ready = {name: load_policy(name).settings.about for name in ready_policies()}
    own = {name: _about(hass, name) for name in _files(hass)}
    return MappingProxyType({**ready, **own})


def _files(hass: HomeAssistant) -> list[str]:
    folder = policy_folder(hass)
    try:
        names = [file.name for file in folder.iterdir()]
    except OSError:
        return []  # Most users have none.
    return sorted(n for n in names if n.endswith(POLICY_SUFFIXES) and not n.endswith(CASES_SUFFIX))


def _about(hass: HomeAssistant, name: str) -> str:
    try:
        return load_policy(policy_of(hass, name)).settings.about
    except PolicyError as error:
        return f"Can't be used. {error.problem}"
