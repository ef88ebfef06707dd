"""What a user has to see though the page that asked does not show it, and what they have to do with their own hands.

ZHA's page "Add device" goes on searching when its call is refused, and says nothing (seen in the frontend that Home
Assistant 2025.4.4 brings). So a refusal is a notification as well. On Z-Wave a button has to be pressed for a device to
come or to go, and a page that is answered by hubsec says too little of why.
"""

from __future__ import annotations

from typing import Final

from homeassistant.components import persistent_notification
from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.util import dt as dt_util

from hubsec import Identity, Network, Refused
from hubsec.events import (
    AdmissionClosed,
    AdmissionOpened,
    Denied,
    Event,
    Evicted,
    Joined,
    JoinFailed,
    Left,
    OpenRefused,
    Released,
    RemovalAwaited,
)

from .choices import plain
from .const import DOMAIN
from .network import ProtectedNetwork
from .refusing import JoiningRefused
from .telling import called

REFUSED_TITLE = "hubsec kept {network} closed"
ADMITTING_TITLE: Final = "Let {device} in"
LEAVING_TITLE: Final = "{device} is to leave {network}"
_HOST: Final = "host"
"""Whom hubsec's records name for what the stack's own pages ask."""
FAILED_TITLE: Final = "A device did not come in on {network}"


def what_to_do(network: ProtectedNetwork, device: str, closes_at: float) -> str:
    """What somebody has to do for a device whose admission is open until `closes_at`, which is a time of day where that
    is today."""
    entry = network.hub.allowlist.get(Identity(device)) if network.hub is not None else None
    until = _clock(closes_at)
    if network.stack.network is Network.ZIGBEE:
        return f"Switch it on, or reset it, before {until}."
    if entry is not None and entry.smart_start:
        return f"Give it power. It comes in by itself, within some minutes, until {until}."
    return f"Press its button, as its manual says for inclusion, before {until}."


class _Notices:
    """One network's. `known_as` are the notifications that are shown, which go with the entry."""

    def __init__(self, network: ProtectedNetwork) -> None:
        self._network = network
        self._hass = network.hass
        self._title = network.entry.title
        self._known_as: set[str] = set()

    @callback
    def hear(self, event: Event) -> None:
        match event:
            case OpenRefused(enforced=True):
                self._refused(event)
            case Denied(enforced=True) | JoinFailed() if self._by_hand:
                self._failed(event)
            case AdmissionOpened(device=str(device)) if self._by_hand and not self._answered_on_a_page(
                device
            ):
                said = what_to_do(self._network, device, event.closes_at)
                title = ADMITTING_TITLE.format(device=event.name)
                self._show(f"admission_{device}", plain(said), title)
            case AdmissionClosed(device=str(device)):
                self._take_away(f"admission_{device}")
            case RemovalAwaited(device=str(device)):
                self._leaving(event, device)
            case Evicted(device=str(device)) | Left(device=str(device)) | Released(device=str(device)):
                self._take_away(f"leaving_{device}")
            case Joined():
                self._take_away("failed")
            case _:
                pass

    @property
    def _by_hand(self) -> bool:
        """Whether devices come and go by somebody's hand here, on a page that does not say all."""
        return self._network.stack.network is Network.ZWAVE

    def _answered_on_a_page(self, device: str) -> bool:
        """Whether its admission is that of a PIN which somebody has typed on the stack's own page: it is there."""
        entry = self._network.hub.allowlist.get(Identity(device)) if self._network.hub is not None else None
        return entry is not None and entry.approved_by == _HOST and not entry.smart_start

    def _refused(self, event: OpenRefused) -> None:
        # The text is Markdown. The title is none: it is shown as it is.
        refused = Refused(plain(event.reason), rule=event.rule)
        error = JoiningRefused(refused, network=plain(self._title), advice=self._network.stack.advice)
        self._show("refused", str(error), REFUSED_TITLE.format(network=self._title))

    def _failed(self, event: Denied | JoinFailed) -> None:
        who = called(self._network, event.device)
        self._show("failed", plain(f"{who}: {event.reason}"), FAILED_TITLE.format(network=self._title))

    def _leaving(self, event: RemovalAwaited, device: str) -> None:
        button = (
            f"Press its button before {_clock(event.excluding_until)}, as for exclusion, or switch it off."
            if event.excluding_until is not None
            else "Switch it off, or open its repair and press its button then."
        )
        said = f"{event.reason} Nothing that is sent makes it leave, and it is shut off until it has left. {button}"
        title = LEAVING_TITLE.format(device=called(self._network, device), network=self._title)
        self._show(f"leaving_{device}", plain(said), title)

    def _show(self, what: str, said: str, title: str) -> None:
        known_as = f"{DOMAIN}_{self._network.entry.entry_id}_{what}"
        self._known_as.add(known_as)
        persistent_notification.async_create(self._hass, said, title=title, notification_id=known_as)

    def _take_away(self, what: str) -> None:
        known_as = f"{DOMAIN}_{self._network.entry.entry_id}_{what}"
        if known_as in self._known_as:
            self._known_as.discard(known_as)
            persistent_notification.async_dismiss(self._hass, known_as)

    @callback
    def forget(self) -> None:
        for known_as in self._known_as:
            persistent_notification.async_dismiss(self._hass, known_as)
        self._known_as.clear()


@callback
def notify(network: ProtectedNetwork) -> CALLBACK_TYPE:
    """Show a notification whenever the host was refused to open the network, and whenever somebody has to do something
    by hand. What comes back ends that, and takes the notifications away."""
    notices = _Notices(network)
    end = network.on_event(notices.hear)

    @callback
    def forget() -> None:
        end()
        notices.forget()

    return forget


def _clock(time: float) -> str:
    local = dt_util.as_local(dt_util.utc_from_timestamp(time))
    return local.strftime("%H:%M:%S" if local.date() == dt_util.now().date() else "%a %H:%M")
