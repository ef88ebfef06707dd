"""``hubsec policy``: look at policies, check them, and run their cases.

Exit codes: 0 all is well; 1 a case failed; 2 a file can't be used, and the error says where and why.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hubsec.errors import PolicyError
from hubsec.policy.cases import Result, ready_cases, run_cases
from hubsec.policy.loading import CASES_SUFFIX, is_name, load_policy, ready_policies
from hubsec.policy.policy import Policy
from hubsec.policy.publish import effective, json_schema
from hubsec.policy.reading import Document, read_file

app = typer.Typer(no_args_is_help=True, help="Look at policies, check them, and run their cases.")

_Source = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A ready policy's name, or a YAML file.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Run(msgspec.Struct, frozen=True):
    """One policy's results as ``--json`` prints them."""

    policy: str
    hash: str
    passed: int
    failed: int
    cases: list[dict[str, object]]


def _told[**P](command: Callable[P, None]) -> Callable[P, None]:
    """The command, with a policy's mistakes told in a line each instead of a traceback."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except PolicyError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from error

    return wrapped


@app.command("list")
@_told
def list_policies(*, json: _Json = False) -> None:
    """List the ready policies."""
    policies = [(load_policy(name), ready) for name, ready in ready_policies().items()]
    if json:
        _print_json(
            [
                {
                    "name": policy.name,
                    "hash": policy.hash,
                    "about": policy.settings.about,
                    "cases": ready.cases is not None,
                }
                for policy, ready in policies
            ]
        )
        return
    table = Table("policy", "hash", "cases", "about")
    for policy, ready in policies:
        table.add_row(
            policy.name, policy.hash[:12], "yes" if ready.cases else "none", escape(policy.settings.about)
        )
    Console().print(table)


@app.command()
@_told
def show(source: _Source, *, json: _Json = False) -> None:
    """Show what holds in a policy, the defaults filled in."""
    policy = _load(source)
    values = effective(policy.settings)
    if json:
        _print_json({"hash": policy.hash, "settings": values})
        return
    table = Table("key", "value", title=f"{policy.name} {policy.hash[:12]}")
    for key, value in values.items():
        table.add_row(escape(key), escape(value))
    Console().print(table)


@app.command()
@_told
def check(
    file: Annotated[Path, typer.Argument(help="The policy's YAML file.")], *, json: _Json = False
) -> None:
    """Check a policy's file."""
    if is_name(str(file)) and not file.exists() and str(file) in ready_policies():
        raise PolicyError(f"{file} is a ready policy: see `hubsec policy show {file}`, or give a file.")
    policy = load_policy(file)
    if json:
        _print_json({"name": policy.name, "hash": policy.hash})
    else:
        typer.echo(f"{policy.name} is a policy: {policy.hash}")


@app.command()
@_told
def schema() -> None:
    """Print the JSON schema of policies, for editors."""
    _print_json(json_schema())


@app.command("test")
@_told
def run(
    source: Annotated[
        str | None, typer.Argument(metavar="[NAME|FILE]", help="Default: all ready policies that have cases.")
    ] = None,
    *,
    json: _Json = False,
) -> None:
    """Run a policy's cases. Those of a file stand beside it, in NAME.cases.yaml."""
    if source is None:
        names = [name for name, ready in ready_policies().items() if ready.cases is not None]
        runs = [_run(load_policy(name), ready_cases(name)) for name in names]
    else:
        runs = [_run(_load(source), _cases(source))]
    if json:
        _print_json([run for run, _ in runs])
    else:
        for run, results in runs:
            _print_results(run, results)
    if any(run.failed for run, _ in runs):
        raise typer.Exit(1)


def _load(source: str) -> Policy:
    return load_policy(source if is_name(source) else Path(source))


def _cases(source: str) -> Document:
    if is_name(source):
        return ready_cases(source)
    file = Path(source)
    return read_file(file.with_name(file.name.removesuffix(".yaml") + CASES_SUFFIX))


def _run(policy: Policy, document: Document) -> tuple[Run, tuple[Result, ...]]:
    results = run_cases(policy, document)
    failed = sum(not result.passed for result in results)
    run = Run(
        policy.name, policy.hash, len(results) - failed, failed, [result._asdict() for result in results]
    )
    return run, results


def _print_results(run: Run, results: tuple[Result, ...]) -> None:
    table = Table("", "line", "case", "answer", title=f"{run.policy} {run.hash[:12]}")
    for result in results:
        answer = result.expected if result.passed else f"{result.got}; expected {result.expected}"
        mark = "[green]passed[/green]" if result.passed else "[red]FAILED[/red]"
        table.add_row(mark, str(result.line or ""), escape(result.case), escape(answer))
    console = Console()
    console.print(table)
    console.print(f"{run.policy}: {run.passed} passed, {run.failed} failed")


def _print_json(value: object) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
