"""Every attack on every stage, and the table of them in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from .attacks import ATTACKS, HONEST_PATIENCE, NOTHING, Attack, table
from .stages import guarded, unguarded

PAGE = Path(__file__).parents[3] / "docs" / "attacks.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
SEED = 11

pytestmark = pytest.mark.hosts
each_attack = pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)


@each_attack
@pytest.mark.parametrize("to_all", [True, False], ids=["to all", "by code"])
async def test_unguarded_it_gets_what_the_table_says(attack: Attack, *, to_all: bool) -> None:
    async with unguarded(SEED, to_all=to_all) as stage:
        assert await attack.run(stage) == (attack.to_all if to_all else attack.by_code)


@each_attack
def test_unguarded_it_succeeds(attack: Attack) -> None:
    assert {attack.to_all, attack.by_code} != {NOTHING}


@each_attack
async def test_guarded_it_gets_what_the_table_says(attack: Attack, tmp_path: Path) -> None:
    async with guarded(SEED, tmp_path / "hub") as stage:
        got = await attack.run(stage)

        def said() -> bool:
            named = [event for event in stage.events if type(event).__name__ == attack.event]
            return any(attack.reason in getattr(event, "reason", "") for event in named)

        if attack.event not in ("", "AdmissionClosed"):  # An admission is closed with the hub, at the latest.
            await stage.house.wait_until(said, HONEST_PATIENCE, what=f"{attack.event}, said")
    assert got == attack.guarded
    assert said() or not attack.event


def test_the_page_has_this_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    assert text[begin:end].strip() == table().strip()
