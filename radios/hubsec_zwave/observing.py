"""In a screen's place where a hub only observes: everything passes, and the guard is told what it would have judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubsec_zwave.commands import COMMANDS
from hubsec_zwave.screening import QUESTIONS, Forward, Judge, Refusal, Released


class Observer:
    """One client's traffic, unchanged; see :class:`~hubsec_zwave.screening.Screen`, whose methods it has."""

    def __init__(self, asker: str, judge: Judge) -> None:
        self._asker = asker
        self._judge = judge

    @property
    def withheld(self) -> bool:
        """Nothing is."""
        return False

    async def command(self, message: object) -> Forward | Refusal:
        """The message as it is. What the guard would have made of it is the guard's to say."""
        if not isinstance(message, Mapping):
            return Forward({})
        command = COMMANDS.get(str(message.get("command")))
        if command is not None and command.judged:
            await self._judge.command(self._asker, message)
        return Forward(message)

    def message(self, message: object) -> Mapping[str, Any] | None:
        """The same."""
        if not isinstance(message, Mapping):
            return None
        event = message.get("event")
        if isinstance(event, Mapping) and event.get("event") in QUESTIONS:
            self._judge.heard(self._asker, event)
        return message

    def shut_out(self, node_id: int) -> Mapping[str, Any] | None:  # noqa: ARG002 - nobody is
        """Nothing."""
        return None

    def release(self) -> Released:
        """Nothing."""
        return Released()
