"""Every attack on both stages, and the table of them in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from .attacks import ATTACKS, NOTHING, Attack, table
from .stages import guarded, unguarded

PAGE = Path(__file__).parents[3] / "docs" / "attacks.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
SEED = 11

pytestmark = pytest.mark.hosts
each_attack = pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)


@each_attack
async def test_unguarded_it_succeeds(attack: Attack) -> None:
    async with unguarded(SEED) as stage:
        assert await attack.run(stage) == attack.unguarded
    assert attack.unguarded != NOTHING


@each_attack
async def test_guarded_it_gets_what_the_table_says(attack: Attack, tmp_path: Path) -> None:
    async with guarded(SEED, tmp_path / "hub") as stage:
        got = await attack.run(stage)
    said = [event for event in stage.events if type(event).__name__ == attack.event]
    assert got == attack.guarded
    if attack.event:
        assert said, [type(event).__name__ for event in stage.events]
        assert attack.reason in getattr(said[0], "reason", "")


def test_the_page_has_this_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    assert text[begin:end].strip() == table().strip()
