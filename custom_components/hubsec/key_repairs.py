"""What mends the keys: a change that is overdue, one that does not go on, a stack that remembers an older key."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import voluptuous as vol
from homeassistant.config_entries import ConfigEntryState, OperationNotAllowed
from homeassistant.data_entry_flow import FlowResult
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.selector import TextSelector

from hubsec import HubsecError
from hubsec.rotation.shapes import DeviceOutlook, Outlook, RotationPlan

from .asking import page_user
from .choices import plain
from .const import DOMAIN
from .keys import under_way, why_not
from .mending import Flow, Input
from .naming import in_one_line
from .sentences import WAYS
from .telling import called

_NAMED: Final = 20
"""Devices of one line; the rest are counted."""
_MINUTE: Final = 60
_LINES: Final = {
    Outlook.GETS_IT: "get it now",
    Outlook.WHEN_IT_WAKES: "get it when they wake",
    Outlook.LEFT_OUT: "are left out",
    Outlook.LOST: "**are lost**",
}
_HEALS: Final = "Nothing speaks against it."
_AGAINST: Final = "What speaks against it:\n\n{}"
_REASON: Final = "It was overdue."
CONF_REASON: Final = "reason"
_WHY: Final = vol.Schema({vol.Required(CONF_REASON): TextSelector()})


class OverdueFlow(Flow):
    """The key ought to be changed: the dry run is shown, and then it is changed, or left as it is."""

    _plan: RotationPlan | None = None

    async def async_step_init(self, _: Input = None) -> FlowResult:
        """The dry run."""
        network = self._network
        try:
            plan = self._plan = await network.guarded().plan_rotation(network.stack.domain)
        except HubsecError as error:
            return self._failed(error)
        lost = plan.of(Outlook.LOST)
        objections = "\n".join(f"- {plain(one)}" for one in why_not(network, plan))
        return self.async_show_menu(
            step_id="losing" if lost else "plan",
            menu_options=["start_losing" if lost else "start", "leave"],
            description_placeholders={
                **self._told(),
                "way": WAYS[plan.way],
                "devices": self._devices(plan),
                "against": _AGAINST.format(objections) if objections else _HEALS,
                "minutes": f"{math.ceil(plan.seconds / _MINUTE)} min",
            },
        )

    async def async_step_plan(self, _: Input = None) -> FlowResult:
        """The same, where nobody is lost."""
        return await self.async_step_init()

    async def async_step_losing(self, _: Input = None) -> FlowResult:
        """The same, where somebody is."""
        return await self.async_step_init()

    async def async_step_start(self, _: Input = None) -> FlowResult:
        """Change it, as was shown."""
        return await self._start()

    async def async_step_start_losing(self, user_input: Input = None) -> FlowResult:
        """Who is lost; and change it all the same."""
        if user_input is None:
            lost = self._plan.of(Outlook.LOST) if self._plan is not None else ()
            return self._page("start_losing", lost="\n".join(self._advised(lost)))
        return await self._start()

    async def async_step_started(self, _: Input = None) -> FlowResult:
        """It is under way."""
        return self._mended()

    async def async_step_leave(self, _: Input = None) -> FlowResult:
        """The key stays: not to be told again, until the reason is gone and there is another one."""
        if ir.async_get(self.hass).async_get_issue(DOMAIN, self.issue_id) is not None:
            ir.async_ignore_issue(self.hass, DOMAIN, self.issue_id, ignore=True)
        return self.async_abort(reason="left", description_placeholders=self._told())

    async def _start(self) -> FlowResult:
        if self._plan is None:
            return self.async_abort(reason="changed", description_placeholders=self._told())
        network = self._network
        try:
            await network.guarded().rotate(self._plan, by=page_user(), reason=_REASON, anyway=True)
        except HubsecError as error:
            return self._failed(error)
        return self._page("started")

    def _failed(self, error: HubsecError) -> FlowResult:
        told = {**self._told(), "failure": plain(str(error))}
        return self.async_abort(reason="failed", description_placeholders=told)

    def _devices(self, plan: RotationPlan) -> str:
        return "\n".join(
            f"- {said} ({len(devices)}): {self._names(devices)}"
            for outlook, said in _LINES.items()
            if (devices := plan.of(outlook))
        )

    def _names(self, devices: Sequence[DeviceOutlook]) -> str:
        names = [plain(called(self._network, one.device)) for one in devices[:_NAMED]]
        more = len(devices) - len(names)
        return ", ".join([*names, *([f"{more} more"] if more else [])])

    def _advised(self, devices: Sequence[DeviceOutlook]) -> list[str]:
        return [f"- **{plain(called(self._network, one.device))}**: {plain(one.advice)}" for one in devices]


class InterruptedFlow(Flow):
    """A change of the key does not go on: bring back what it waits for."""

    async def async_step_init(self, _: Input = None) -> FlowResult:
        """Begin."""
        return await self.async_step_resume()

    async def async_step_resume(self, user_input: Input = None) -> FlowResult:
        """Where it stands; and go on."""
        if user_input is None:
            return self._page("resume")
        network, there = self._network, self._network.stack_entry
        if there is None:
            return self.async_abort(reason="changed", description_placeholders=self._told())
        try:
            if there.state is ConfigEntryState.LOADED:
                await network.attach_anew()
            else:
                await self.hass.config_entries.async_reload(there.entry_id)
                await network.follow()
        except OperationNotAllowed as error:
            return self._page("resume", failure=str(error))
        if network.hub is None:
            why = network.problem or f"{network.stack.name} is not running."
            return self._page("resume", failure=why)
        progress = under_way(network)
        if progress is not None and progress.trouble:
            return self._page("resume", failure=progress.trouble)
        return self._mended()


class DamagedFlow(Flow):
    """The end of the audit log is damaged, and nobody is let in: go on behind it, on somebody's word."""

    async def async_step_init(self, _: Input = None) -> FlowResult:
        """Begin."""
        return await self.async_step_accept()

    async def async_step_accept(self, user_input: Input = None) -> FlowResult:
        """What was found, and what it may mean; and go on."""
        if user_input is None:
            return self._page("accept", _WHY)
        reason = in_one_line(user_input[CONF_REASON])
        try:
            await self._network.guarded().accept_log(by=page_user(), reason=reason)
        except HubsecError as error:
            return self._page("accept", _WHY, failure=str(error))
        return self._mended()


class StaleFlow(Flow):
    """What the stack remembers of the network is older than its key: bring it to the key, while it is not loaded."""

    async def async_step_init(self, _: Input = None) -> FlowResult:
        """Begin."""
        return await self.async_step_mend()

    async def async_step_mend(self, user_input: Input = None) -> FlowResult:
        """What was found; and mend it."""
        if user_input is None:
            return self._page("mend")
        network = self._network
        try:
            await network.renew_stack()
        except (HubsecError, OperationNotAllowed) as error:
            return self._page("mend", failure=str(error))
        return self._mended()
