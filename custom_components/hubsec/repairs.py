"""What mends an issue: one flow for each kind, as Home Assistant's repairs ask for it. Those for the keys are in
:mod:`.key_repairs`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from homeassistant.components.repairs import RepairsFlow
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResult
from homeassistant.util import dt as dt_util

from hubsec import HubsecError, Mode

from .adopting import adopt, unconfirmed
from .asking import page_context, page_user
from .choices import plain, which_devices
from .const import CONF_ADOPT, CONF_MODE, CONF_UNDERSTOOD
from .issues import DEVICE, ENTRY, KIND
from .key_repairs import DamagedFlow, InterruptedFlow, OverdueFlow, StaleFlow
from .kinds import Kind
from .mending import Flow, Input
from .network import ProtectedNetwork, Standing
from .telling import name_there, tell_choices

_STILL: Final = "It is still so."


class StrangerFlow(Flow):
    """A device is on the network that nobody let in: it may stay, or it must leave."""

    async def async_step_init(self, _: Input = None) -> FlowResult:
        """Which of the two. Where hubsec only observes, it makes nobody leave."""
        enforcing = self._network.mode is Mode.ENFORCE
        return self.async_show_menu(
            step_id="init" if enforcing else "observing",
            menu_options=["allow", "evict"] if enforcing else ["allow"],
            description_placeholders=self._told(),
        )

    async def async_step_observing(self, _: Input = None) -> FlowResult:
        """The same, where there is nothing else to choose."""
        return await self.async_step_init()

    async def async_step_allow(self, user_input: Input = None) -> FlowResult:
        """It may stay, under this name."""
        called = name_there(self._network, self._device) or self._device
        if user_input is None:
            return self._page("allow", self._naming(called))
        name = self._named(user_input)
        try:
            await self._network.guarded().allow(self._device, name=name, by=page_user())
        except HubsecError as error:
            return self._page("allow", self._naming(name), failure=str(error))
        return self._mended()

    async def async_step_evict(self, user_input: Input = None) -> FlowResult:
        """It must leave."""
        if user_input is None:
            return self._page("evict")
        try:
            eviction = await self._network.guarded().evict(self._device, by=page_user())
        except HubsecError as error:
            return self._page("evict", failure=str(error))
        left = "evicted" if eviction.confirmed else "unconfirmed"
        step = "awaited" if eviction.awaited else left
        return self._page(step, detail=plain(eviction.detail))

    async def async_step_evicted(self, _: Input = None) -> FlowResult:
        """It said that it left."""
        return self._mended()

    async def async_step_unconfirmed(self, _: Input = None) -> FlowResult:
        """It was told to leave, and did not say that it did."""
        return self._mended()

    async def async_step_awaited(self, _: Input = None) -> FlowResult:
        """Somebody is to press its button. Whether it has left is told by the issue's being gone."""
        return self.async_abort(reason="awaited", description_placeholders=self._told())


class LeavingFlow(StrangerFlow):
    """A Z-Wave device is to leave, and nothing can make it: somebody helps, or it may stay."""

    async def async_step_init(self, _: Input = None) -> FlowResult:
        """Which of the two."""
        return self.async_show_menu(
            step_id="init", menu_options=["evict", "allow"], description_placeholders=self._told()
        )


class KnockFlow(Flow):
    """A device knocked: it gets in at its next try, if its name is given here."""

    async def async_step_init(self, _: Input = None) -> FlowResult:
        """Begin."""
        return await self.async_step_approve()

    async def async_step_approve(self, user_input: Input = None) -> FlowResult:
        """What that costs, and what it is to be called."""
        maker = getattr(self._network.entrance.knocks.get(self._device), "maker", None)
        if user_input is None:
            return self._page("approve", self._naming(maker or self._device))
        name = self._named(user_input)
        try:
            closes_at = await self._network.entrance.approve(self._device, name=name, by=page_user())
        except HubsecError as error:
            return self._page("approve", self._naming(name), failure=str(error))
        closes = dt_util.as_local(dt_util.utc_from_timestamp(closes_at))
        return self._page("approved", name=plain(name), device=self._device, until=f"{closes:%H:%M:%S}")

    async def async_step_approved(self, _: Input = None) -> FlowResult:
        """What is to be done at the device."""
        return self._mended()


class BaselineFlow(Flow):
    """The devices that the network has wait to be confirmed."""

    async def async_step_init(self, _: Input = None) -> FlowResult:
        """Begin."""
        return await self.async_step_adopt()

    async def async_step_adopt(self, user_input: Input = None) -> FlowResult:
        """Which of them belong here."""
        network = self._network
        try:
            if user_input is not None:
                await adopt(network, user_input.get(CONF_ADOPT, []), by=page_user())
                return self._mended()
            waiting = await unconfirmed(network)
        except HubsecError as error:
            return self.async_abort(
                reason="failed", description_placeholders={**self._told(), "failure": plain(str(error))}
            )
        if waiting is None:
            return self._mended()  # Somebody was quicker.
        return self._page("adopt", which_devices(waiting)) if waiting else self._page("nobody")

    async def async_step_nobody(self, _: Input = None) -> FlowResult:
        """There is none, and that is what is confirmed."""
        return await self.async_step_adopt({CONF_ADOPT: []})


class GuardFlow(Flow):
    """The guard does not stand: attach it anew, and try it."""

    async def async_step_init(self, _: Input = None) -> FlowResult:
        """What was found."""
        return self._found(self._network)

    async def async_step_failed(self, _: Input = None) -> FlowResult:
        """Try again."""
        network = self._network
        await network.attach_anew()
        return self._found(network, again=True)

    async def async_step_silent(self, _: Input = None) -> FlowResult:
        """Try again."""
        return await self.async_step_failed()

    def _found(self, network: ProtectedNetwork, *, again: bool = False) -> FlowResult:
        match network.standing:
            case Standing.STANDS:
                return self._mended()
            case Standing.SILENT:
                return self._page("silent", failure=_STILL if again else "")
            case Standing.FAILED:
                return self._page("failed", failure=network.problem if again else "")
            case _:
                return self.async_abort(reason="changed", description_placeholders=self._told())


class UnenforceableFlow(Flow):
    """hubsec can't enforce on this stick, and was told to: it only observes, or it goes."""

    async def async_step_init(self, _: Input = None) -> FlowResult:
        """Which of the two."""
        return self.async_show_menu(
            step_id="init", menu_options=["observe", "remove"], description_placeholders=self._told()
        )

    async def async_step_observe(self, _: Input = None) -> FlowResult:
        """Only observe from now on."""
        entry = self._entry
        options = {**entry.options, CONF_MODE: Mode.OBSERVE.value}
        tell_choices(self.hass, entry, options, by=page_user(), context=page_context())
        self.hass.config_entries.async_update_entry(entry, options=options)
        return self._mended()

    async def async_step_remove(self, user_input: Input = None) -> FlowResult:
        """Protect this network no more."""
        if user_input is None:
            return self._page("remove")
        await self.hass.config_entries.async_remove(self._entry.entry_id)
        return self._mended()


class NoticeFlow(Flow):
    """Something that hubsec can't mend, and that a user should know."""

    kind: ClassVar[Kind] = Kind.ZHA_DIAGNOSTICS

    async def async_step_init(self, _: Input = None) -> FlowResult:
        """What it is."""
        return self._page("understood")

    async def async_step_understood(self, _: Input = None) -> FlowResult:
        """It is not said again."""
        entry = self._entry
        told = sorted({*entry.data.get(CONF_UNDERSTOOD, ()), self.kind.value})
        self.hass.config_entries.async_update_entry(entry, data={**entry.data, CONF_UNDERSTOOD: told})
        return self._mended()


class BackupsFlow(NoticeFlow):
    """The stack keeps backups in clear text."""

    kind = Kind.PLAINTEXT_BACKUPS


_FLOWS: Mapping[Kind, type[Flow]] = {
    Kind.UNAPPROVED_DEVICE: StrangerFlow,
    Kind.UNAPPROVED_ZWAVE_DEVICE: StrangerFlow,
    Kind.DEVICE_LEAVING: LeavingFlow,
    Kind.KNOCK: KnockFlow,
    Kind.NOT_ADOPTED: BaselineFlow,
    Kind.GUARD_DETACHED: GuardFlow,
    Kind.CANNOT_ENFORCE: UnenforceableFlow,
    Kind.ZHA_DIAGNOSTICS: NoticeFlow,
    Kind.PLAINTEXT_BACKUPS: BackupsFlow,
    Kind.ROTATION_OVERDUE: OverdueFlow,
    Kind.ROTATION_INTERRUPTED: InterruptedFlow,
    Kind.STALE_DATABASE: StaleFlow,
    Kind.LOG_DAMAGED: DamagedFlow,
}


async def async_create_fix_flow(
    hass: HomeAssistant, issue_id: str, data: dict[str, str | int | float | None] | None
) -> RepairsFlow:
    """The flow that mends that issue."""
    about = data or {}
    return _FLOWS[Kind(str(about[KIND]))](str(about[ENTRY]), str(about[DEVICE] or ""))
