"""How handler modules say which EZSP commands they answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

type Args = Mapping[str, Any]
type Result = Mapping[str, Any] | None
type Handler = Callable[[Args], Result]

_MARK = "_ezsp_commands"


def command[Method: Callable[..., Result]](*names: str) -> Callable[[Method], Method]:
    """Let a method answer the EZSP commands of these names.

    The method gets the decoded parameters and returns the response's fields; what it leaves out goes out as zero, with
    None for an empty response or a mere OK.
    """

    def mark(method: Method) -> Method:
        setattr(method, _MARK, names)
        return method

    return mark


class CommandGroup:
    """A set of handlers that belong together."""

    def handlers(self) -> dict[str, Handler]:
        """The marked methods by the name of the command that they answer."""
        found: dict[str, Handler] = {}
        for attribute in dir(type(self)):
            for name in getattr(getattr(type(self), attribute), _MARK, ()):
                found[name] = getattr(self, attribute)
        return found

    def reset(self) -> None:
        """Lose what a reset of the co-processor loses; a group without RAM of its own has nothing to do."""
