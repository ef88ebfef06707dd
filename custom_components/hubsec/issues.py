"""What a user ought to mend, as Home Assistant's repairs: each is there as long as its reason is, and no longer.

Only what somebody can do something about is told here; all else is an event. What a user has chosen to ignore stays
ignored until its reason is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import Event as BusEvent
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.util import dt as dt_util

from hubsec import Hub, Identity, Mode, Network
from hubsec.events import (
    AdoptionConfirmed,
    Event,
    Evicted,
    Joined,
    Knocked,
    Quarantined,
    Released,
    StoreAlarm,
    StoreRecovered,
)
from hubsec.policy import Rule

from .choices import plain
from .const import CONF_STACK, CONF_STACK_ENTRY, DOMAIN
from .key_issues import KeyIssues
from .kinds import SEVERITY, UNFIXABLE, Issue, Kind, understood
from .network import ProtectedNetwork, Standing
from .stacks.zha import Zha
from .telling import device_at, name_there

KNOCK_KEPT: Final = timedelta(minutes=15)
"""After that, whoever knocked is not waiting at the door any more."""
_LOOK_FOR_OLD: Final = timedelta(minutes=1)
UNKNOWN: Final = "?"
"""Stands for what nobody knows."""
ENTRY: Final = "entry_id"
KIND: Final = "kind"
DEVICE: Final = "device"
"""What an issue's data say, for its fix flow."""
_DIGITS: Final = 8
"""Of a reason's hash: two of one network are told apart."""
_STRANGER: Final = frozenset({Rule.WITHOUT_ENTRY, Rule.NEVER_LET_IN})


class Issues:
    """One network's. They follow it from now on until the entry is unloaded."""

    def __init__(self, network: ProtectedNetwork) -> None:
        self._network = network
        self._hass = network.hass
        self._entry = network.entry
        self._hub: Hub | None = None
        self._alarm: str | None = None
        self._confirmed = False
        self._strangers: dict[str, Quarantined] = {}
        self._told: set[str] = set()
        self._keys = KeyIssues(network)
        for stop in (
            network.on_event(self._hear),
            network.on_change(self._follow),
            async_track_time_interval(self._hass, self._time_passes, _LOOK_FOR_OLD),
            self._hass.bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, self._registry_changes),
            self._withdraw,
        ):
            self._entry.async_on_unload(stop)

    @callback
    def _time_passes(self, _: datetime) -> None:
        self._follow()

    @callback
    def _withdraw(self) -> None:
        """The entry is unloaded. What is ignored stays, out of sight, so that a reload does not bring it up again."""
        for issue in _of(self._hass, self._entry.entry_id):
            if issue.dismissed_version is None:
                ir.async_delete_issue(self._hass, DOMAIN, issue.issue_id)

    # What is heard

    @callback
    def _hear(self, event: Event) -> None:
        match event:
            case Quarantined(device=str(device), rule=rule) if rule in _STRANGER:
                self._strangers[device] = event
            case Released(device=str(device)) | Joined(device=str(device)):
                self._strangers.pop(device, None)
            case Evicted(device=str(device), confirmed=True, enforced=True):
                self._strangers.pop(device, None)
            case AdoptionConfirmed():
                self._strangers.clear()
                self._confirmed = True
            case StoreAlarm():
                self._alarm = event.reason
            case StoreRecovered():
                self._alarm = None
            case _:
                pass

    @callback
    def _registry_changes(self, event: BusEvent[dr.EventDeviceRegistryUpdatedData]) -> None:
        """A stranger that the user removed in the stack is gone, as they were told to do; if it is not, it is told of
        again when it is heard."""
        if event.data["action"] != "remove":
            return
        gone = dr.async_get(self._hass).deleted_devices.get(event.data["device_id"])
        if gone is None or self._entry.data[CONF_STACK_ENTRY] not in gone.config_entries:
            return
        for address in self._network.stack.addresses(gone):
            device = device_at(self._network, address)
            if self._strangers.pop(device, None) is not None:
                if self._hub is not None:
                    self._hub.forget(device)
                self._follow()

    def _meet(self, hub: Hub | None) -> None:
        """Another hub: what was said of the one before counts as long as this one does not know better."""
        posture, self._hub, self._confirmed = self._network.posture, hub, False
        if hub is None:
            self._alarm = None
            return
        if posture is not None:
            self._alarm = posture.alarm
        for device in tuple(self._strangers):
            entry = hub.allowlist.get(Identity(device))
            if entry is not None and entry.joined_at is not None and entry.quarantined is None:
                del self._strangers[device]

    # What is wrong

    @callback
    def _follow(self) -> None:
        network, there = self._network, self._network.stack_entry
        if network.hub is not self._hub:
            self._meet(network.hub)
        loaded = there is not None and there.state is ConfigEntryState.LOADED
        if loaded and network.standing is Standing.WAITING:
            return  # It is about to stand, or not.
        wrong = {_issue_id(self._entry.entry_id, issue): issue for issue in self._wrong()}
        for gone in self._told - wrong.keys():
            ir.async_delete_issue(self._hass, DOMAIN, gone)
        self._told = set(wrong)
        for issue_id, issue in wrong.items():
            self._tell(issue_id, issue)

    def _tell(self, issue_id: str, issue: Issue) -> None:
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            issue_id,
            data={ENTRY: self._entry.entry_id, KIND: issue.kind.value, DEVICE: issue.device},
            is_fixable=issue.kind not in UNFIXABLE,
            severity=SEVERITY.get(issue.kind, ir.IssueSeverity.WARNING),
            translation_key=issue.kind.value,
            translation_placeholders={
                "network": plain(self._entry.title),
                "stack": self._network.stack.name,
                **issue.placeholders,
            },
        )

    def _wrong(self) -> Iterator[Issue]:
        yield from self._with_the_guard()
        yield from self._with_the_baseline()
        if self._alarm is not None and self._hub is not None and self._alarm == self._hub.store.fault:
            yield Issue(Kind.LOG_DAMAGED, None, {"problem": plain(self._alarm)}, self._alarm)
        elif self._alarm is not None:
            yield Issue(Kind.STORE_ALARM, None, {"problem": plain(self._alarm)})
        yield from self._on_the_network()
        yield from self._at_the_door()
        yield from self._keys.wrong()
        if self._entry.data[CONF_STACK] == Zha.domain and not understood(self._entry, Kind.ZHA_DIAGNOSTICS):
            yield Issue(Kind.ZHA_DIAGNOSTICS, None, {})

    def _with_the_guard(self) -> Iterator[Issue]:
        network = self._network
        problem = {"problem": plain(network.problem)}
        match network.standing:
            case Standing.SILENT | Standing.FAILED:
                yield Issue(Kind.GUARD_DETACHED, None, problem)
            case Standing.SHUT:
                yield Issue(Kind.SHUT, None, problem)
            case Standing.OTHER_NETWORK:
                ids = {"found": network.problem, "network_id": network.network_id}
                yield Issue(Kind.OTHER_NETWORK, None, ids)
            case Standing.UNENFORCEABLE if network.mode is Mode.ENFORCE:
                yield Issue(Kind.CANNOT_ENFORCE, None, problem)
            case Standing.WAITING if network.stack_entry is None:
                yield Issue(Kind.STACK_REMOVED, None, {})
            case _:
                pass

    def _with_the_baseline(self) -> Iterator[Issue]:
        posture = self._network.posture
        if posture is None or self._confirmed:
            return
        waiting = [one for one in posture.networks if not one.adopted]
        if waiting:
            devices = sum(len(one.unconfirmed) for one in waiting)
            yield Issue(Kind.NOT_ADOPTED, None, {"devices": str(devices)})

    def _on_the_network(self) -> Iterator[Issue]:
        network = self._network
        zwave = network.stack.network is Network.ZWAVE
        leaving = (
            []
            if network.posture is None
            else [device for one in network.posture.networks for device in one.state.leaving]
        )
        for stranger in self._strangers.values():
            if stranger.device not in leaving:
                kind = Kind.UNAPPROVED_ZWAVE_DEVICE if zwave else Kind.UNAPPROVED_DEVICE
                yield Issue(kind, stranger.device, self._named(str(stranger.device)))
        for device in leaving:
            entry = network.hub.allowlist.get(device) if network.hub is not None else None
            reason = entry.quarantined if entry is not None else None
            yield Issue(
                Kind.DEVICE_LEAVING, device, {**self._named(device), "reason": plain(reason or UNKNOWN)}
            )

    def _at_the_door(self) -> Iterator[Issue]:
        oldest = dt_util.utcnow().timestamp() - KNOCK_KEPT.total_seconds()
        for knock in self._network.entrance.knocks.values():
            if knock.time >= oldest:
                yield Issue(Kind.KNOCK, knock.device, self._knocking(knock))

    def _knocking(self, knock: Knocked) -> dict[str, str]:
        heard = dt_util.as_local(dt_util.utc_from_timestamp(knock.time))
        return {
            **self._named(str(knock.device)),
            "maker": plain(knock.maker) if knock.maker else UNKNOWN,
            "parent": UNKNOWN if knock.parent is None else self._name(knock.parent),
            "time": f"{heard:%H:%M:%S}",
        }

    def _named(self, device: str) -> dict[str, str]:
        return {"device": device, "name": self._name(device)}

    def _name(self, device: str) -> str:
        called = name_there(self._network, device)
        return plain(called) if called else device


@callback
def forget(hass: HomeAssistant, entry_id: str) -> None:
    """The entry is gone, and with it all that was to be said of it."""
    for issue in _of(hass, entry_id):
        ir.async_delete_issue(hass, DOMAIN, issue.issue_id)


def _of(hass: HomeAssistant, entry_id: str) -> list[ir.IssueEntry]:
    issues = ir.async_get(hass).issues.values()
    return [one for one in issues if one.domain == DOMAIN and one.issue_id.startswith(f"{entry_id}_")]


def _issue_id(entry_id: str, issue: Issue) -> str:
    reason = sha256(issue.reason.encode()).hexdigest()[:_DIGITS] if issue.reason else None
    return "_".join(part for part in (entry_id, issue.kind, issue.device, reason) if part)
