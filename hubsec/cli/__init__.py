"""The `hubsec` program.

Commands that need a radio or the emulation come from whoever brings them, through the entry point group
`hubsec.commands`; the core's own are in this package.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import hubsec
from hubsec.cli import allowlist, audit, radios, reinclude, rotate, status, sticker, vault
from hubsec.errors import HubsecError
from hubsec.policy import command as policy

COMMANDS = "hubsec.commands"
EXIT_FAILED = 1


class Program(TyperGroup):
    """The program. An error of hubsec's is one line on stderr and exit code 1."""

    # What typer calls a context is click's own class, or a copy of it, as the version will have it.
    def invoke(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Run the command that was asked for."""
        try:
            return super().invoke(*args, **kwargs)
        except HubsecError as error:
            typer.echo(f"hubsec: {error}", err=True)
            raise typer.Exit(EXIT_FAILED) from error


def _print_version(asked: bool) -> None:  # noqa: FBT001 - typer calls it
    if asked:
        _version()
        raise typer.Exit


def application() -> typer.Typer:
    """The program with every command that is installed."""
    app = typer.Typer(
        name="hubsec",
        cls=Program,
        help="Enforces who may join a Zigbee or Z-Wave network.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(_program)
    app.command("version", help="Print the version.")(_version)
    app.command("radios", help="Say what each radio library can enforce.")(radios.show)
    app.add_typer(policy.app, name="policy", help="Read, check and test policies.")
    app.add_typer(sticker.app, name="sticker")
    app.add_typer(allowlist.app, name="allowlist")
    app.add_typer(audit.app, name="audit")
    app.add_typer(vault.app, name="vault")
    app.command("rotate")(rotate.rotate)
    app.command("reinclude")(reinclude.reinclude)
    app.command("status")(status.show)
    for point in sorted(entry_points(group=COMMANDS), key=lambda point: point.name):
        try:
            command = point.load()
        except ModuleNotFoundError as missing:
            app.command(point.name, help=f"Needs the package {missing.name}, which is not installed.")(
                _unavailable(point.name, str(missing.name))
            )
        else:
            app.add_typer(command, name=point.name)
    return app


def _program(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Enforces who may join a Zigbee or Z-Wave network."""


def _version() -> None:
    typer.echo(hubsec.__version__)


def _unavailable(name: str, package: str) -> Callable[[], None]:
    def command() -> None:
        raise HubsecError(
            f"`hubsec {name}` needs the package {package}: install hubsec with the extra that brings it."
        )

    return command


def main() -> None:
    """Run the program."""
    application()()
