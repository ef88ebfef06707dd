"""What Home Assistant's user reads when the guard refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from homeassistant.exceptions import ServiceValidationError

from hubsec import Refused

from .const import DOMAIN


class JoiningRefused(ServiceValidationError):
    """The guard stood in the way. `rule` is the rule's name; the text says why, and what to do: `advice` names the
    sentence by the rule, and all other rules have `refused`.

    Home Assistant logs this kind of error in one line, without a traceback.
    """

    def __init__(self, refused: Refused, *, network: str, advice: Mapping[str, str]) -> None:
        super().__init__(
            translation_domain=DOMAIN,
            translation_key=advice.get(refused.rule, "refused"),
            translation_placeholders={"network": network, "reason": refused.reason},
        )
        self.rule = refused.rule


def refusals(
    network: str, advice: Mapping[str, str], failure: type[Exception] | None
) -> Callable[[Refused], JoiningRefused]:
    """Makes the errors for the network of that name, of the kind `failure` as well where there is one: see
    :class:`.stacks.Stack`."""
    kind = JoiningRefused if failure is None else _failing(failure)

    def refusal(refused: Refused) -> JoiningRefused:
        return kind(refused, network=network, advice=advice)

    return refusal


class _Plain(Exception):
    """Between an error of Home Assistant's and one of a stack's, whose constructor takes other arguments."""

    def __init__(self, *args: object) -> None:
        Exception.__init__(self, *args)


def _failing(failure: type[Exception]) -> type[JoiningRefused]:
    class Failed(JoiningRefused, _Plain, failure):  # type: ignore[misc,valid-type] # it is known once the stack runs
        def __init__(self, refused: Refused, *, network: str, advice: Mapping[str, str]) -> None:
            JoiningRefused.__init__(self, refused, network=network, advice=advice)
            self.error_code = getattr(refused, "error_code", refused.rule)
            self.args = (str(self),)

    return Failed
