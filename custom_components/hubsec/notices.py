"""What a user has to see though the page that asked does not show it.

ZHA's page "Add device" goes on searching when its call is refused, and says nothing (seen in the frontend that Home
Assistant 2025.4.4 brings). So a refusal is a notification as well.
"""

from __future__ import annotations

from homeassistant.components import persistent_notification
from homeassistant.core import CALLBACK_TYPE, callback

from hubsec import Refused
from hubsec.events import Event, OpenRefused

from .choices import plain
from .const import DOMAIN
from .network import ProtectedNetwork
from .refusing import JoiningRefused

REFUSED_TITLE = "hubsec kept {network} closed"


def refused_notification_id(network: ProtectedNetwork) -> str:
    """The notification's, one for each network: the next refusal takes its place."""
    return f"{DOMAIN}_{network.entry.entry_id}_refused"


@callback
def notify_of_refusals(network: ProtectedNetwork) -> CALLBACK_TYPE:
    """Show a notification whenever the host was refused to open the network. What comes back ends that, and takes the
    notification away."""
    hass, title, known_as = network.hass, network.entry.title, refused_notification_id(network)

    @callback
    def hear(event: Event) -> None:
        if isinstance(event, OpenRefused) and event.enforced:
            # The text is Markdown. The title is none: it is shown as it is.
            refused = Refused(plain(event.reason), rule=event.rule)
            said = str(JoiningRefused(refused, network=plain(title)))
            persistent_notification.async_create(
                hass, said, title=REFUSED_TITLE.format(network=title), notification_id=known_as
            )

    end = network.on_event(hear)

    @callback
    def forget() -> None:
        end()
        persistent_notification.async_dismiss(hass, known_as)

    return forget
