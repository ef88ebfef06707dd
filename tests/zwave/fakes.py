"""A guard that says what a test wants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hubsec.errors import HubsecError
from hubsec_zwave.screening import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping


class FakeJudge:
    """`silent`: why each node is shut out. `asked`: the judged commands; `questions`: what the server has asked."""

    def __init__(self, silent: dict[int, str] | None = None) -> None:
        self.silent = dict(silent or {})
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.questions: list[tuple[str, Mapping[str, Any]]] = []
        self.answer: Refusal | HubsecError | dict[str, Any] | None = None
        """What becomes of a judged command: refused, failed, with other arguments; None: as it is."""

    def silenced(self, node_id: int) -> str | None:
        return self.silent.get(node_id)

    def rule(self, node_id: int) -> str:
        return "quarantine"

    def silent_nodes(self) -> frozenset[int]:
        return frozenset(self.silent)

    async def command(self, asker: str, message: Mapping[str, Any]) -> Mapping[str, Any] | Refusal:
        self.asked.append((asker, message))
        if isinstance(self.answer, HubsecError):
            raise self.answer
        if isinstance(self.answer, dict):
            return {**message, **self.answer}
        return message if self.answer is None else self.answer

    def heard(self, asker: str, event: Mapping[str, Any]) -> None:
        self.questions.append((asker, event))
