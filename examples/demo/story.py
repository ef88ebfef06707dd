"""Telling what happens, on the terminal and for the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TextColumn


@dataclass
class Story:
    """Tells what happens, and notes what went otherwise."""

    console: Console
    lines: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    chapters: int = 0

    def _print(self, text: str) -> None:
        """Under its chapter, in a narrow terminal as well."""
        self.console.print(Padding(text, (0, 0, 0, 3), expand=False))

    def chapter(self, title: str, text: str) -> None:
        self.chapters += 1
        self.console.print(f"\n[bold]{self.chapters}. {escape(title)}[/bold]")
        self._print(f"[dim]{escape(text)}[/dim]")
        self.lines += ["", f"## {self.chapters}. {title}", "", text, ""]

    def say(self, text: str) -> None:
        self._print(escape(text))
        self.lines.append(f"- {text}")

    def note(self, text: str) -> None:
        """For the report alone."""
        self.lines.append(f"- {text}")

    def warn(self, text: str) -> None:
        self._print(f"[yellow]! {escape(text)}[/yellow]")
        self.lines.append(f"- **Warning:** {text}")

    @contextmanager
    def bar(self, what: str, total: float) -> Iterator[Callable[..., None]]:
        """A bar for what takes long. It is given a text, and how much further it is."""
        columns = (TextColumn("   {task.description}"), BarColumn(), TextColumn("{task.fields[now]}"))
        with Progress(*columns, console=self.console) as progress:
            task = progress.add_task(what, total=total, now="")

            def advance(now: str, by: float = 0.0) -> None:
                progress.update(task, advance=by, now=now)

            yield advance
            progress.update(task, completed=total, now="done")

    def check(self, claim: str, *, holds: bool) -> None:
        mark, style = ("✓", "green") if holds else ("✗", "bold red")
        self._print(f"[{style}]{mark}[/{style}] {escape(claim)}")
        self.lines.append(f"- {mark} {claim}")
        if not holds:
            self.failed.append(claim)
