"""What Home Assistant's user reads when the guard refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from homeassistant.exceptions import ServiceValidationError

from hubsec import Refused

from .const import DOMAIN

_ADVICE: Final = {
    "host-permit": "refused_host_permit",
    "host-restore": "refused_restore",
    "green-power-shut": "refused_green_power",
    "quarantine": "refused_quarantined",
    "raw-command": "refused_raw_command",
}
"""By the rule that refused: the sentence that says what to do. All others get `refused`."""


class JoiningRefused(ServiceValidationError):
    """The guard stood in the way. `rule` is the rule's name; the text says why, and what to do.

    Home Assistant logs this kind of error in one line, without a traceback.
    """

    def __init__(self, refused: Refused, *, network: str) -> None:
        super().__init__(
            translation_domain=DOMAIN,
            translation_key=_ADVICE.get(refused.rule, "refused"),
            translation_placeholders={"network": network, "reason": refused.reason},
        )
        self.rule = refused.rule


def refusals(network: str) -> Callable[[Refused], JoiningRefused]:
    """Makes the errors for the network of that name."""

    def refusal(refused: Refused) -> JoiningRefused:
        return JoiningRefused(refused, network=network)

    return refusal
