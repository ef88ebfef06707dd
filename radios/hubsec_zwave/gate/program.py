"""``hubsec gate``: the gate as a program, with a hub of its own that guards the server behind it."""

from __future__ import annotations

import asyncio
import signal
import ssl
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hubsec.errors import HubsecError, RadioError
from hubsec.events import Event
from hubsec.events_json import to_json
from hubsec.hub import Hub, default_home
from hubsec.identity import Mode
from hubsec.posture import NetworkPosture
from hubsec_zwave.gate.credentials import Client, Credentials, Issued
from hubsec_zwave.gate.probing import BYPASSABLE, LOOPBACK, Exposure, probe
from hubsec_zwave.gate.seen import Seen
from hubsec_zwave.roles import Role

DEFAULT_UPSTREAM: Final = "ws://127.0.0.1:3000"
DEFAULT_PORT: Final = 3001

app = typer.Typer(
    invoke_without_command=True, help="Stand in front of a Z-Wave JS server: credentials, roles, the policy."
)
clients = typer.Typer(no_args_is_help=True, help="Say who may use the gate.")
app.add_typer(clients, name="client")

_Home = Annotated[
    Path | None, typer.Option(help="The hub's folder; default: $HUBSEC_HOME, else the user's data folder.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@clients.callback()
def _clients() -> None:
    """Say who may use the gate."""


def _credentials(home: Path | None) -> Credentials:
    return Credentials(home if home is not None else default_home())


@clients.command("add")
def add(
    name: Annotated[str, typer.Argument(help="What it is called: a-z, 0-9 and hyphens.")],
    *,
    role: Annotated[
        Role,
        typer.Option(
            help="observe: read; control: have devices do things; include: let devices in and out as well;"
            " administer: all that the policy leaves."
        ),
    ],
    url: Annotated[str, typer.Option(help="The gate's URL, to put the credential into.")] = (
        f"ws://{LOOPBACK}:{DEFAULT_PORT}"
    ),
    home: _Home = None,
    as_json: _Json = False,
) -> None:
    """Let a client in, and show its credential, this once."""
    issued = _credentials(home).add(name, role)
    if as_json:
        shown = {"name": name, "role": role, "bearer": issued.bearer(), "url": issued.url(url)}
        typer.echo(msgspec.json.encode(shown).decode())
        return
    typer.echo(_issued(issued, url))


def _issued(issued: Issued, url: str) -> str:
    return "\n".join(
        (
            f"{issued.client.name} may {issued.client.role}. Its credential, which is shown this once:",
            f"  URL     {issued.url(url)}",
            f"  Bearer  {issued.bearer()}",
            "A client that is given the URL shows it in its logs and settings. Where it can send a header of its own,",
            "give it the other one; where it can't, give it no higher a role than it needs.",
            f"`hubsec gate client revoke {issued.client.name}` ends it.",
        )
    )


@clients.command("list")
def list_clients(*, home: _Home = None, as_json: _Json = False) -> None:
    """List who may use the gate; credentials are not kept, and so not shown."""
    known = _credentials(home).clients
    if as_json:
        typer.echo(msgspec.json.encode([_told(client) for client in known]).decode())
        return
    if not known:
        typer.echo("Nobody may use the gate. `hubsec gate client add` lets somebody in.")
        return
    table = Table("name", "role", title="Who may use the gate")
    for client in known:
        table.add_row(Text(client.name), Text(client.role))
    Console().print(table)


def _told(client: Client) -> dict[str, object]:
    return {"name": client.name, "role": client.role, "created": client.created}


@clients.command("revoke")
def revoke(name: Annotated[str, typer.Argument(help="Whose credential.")], *, home: _Home = None) -> None:
    """Let a client in no more. A gate that runs ends its connections."""
    _credentials(home).revoke(name)
    typer.echo(f"{name} is let in no more.")


class _Options(msgspec.Struct, frozen=True, kw_only=True):
    upstream: str
    host: str
    port: int
    tls: ssl.SSLContext | None
    plain: bool
    policy: str
    home: Path
    mode: Mode
    adopt: bool
    as_json: bool


@app.callback()
def gate(
    context: typer.Context,
    *,
    upstream: Annotated[str, typer.Option(help="The Z-Wave JS server.")] = DEFAULT_UPSTREAM,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = LOOPBACK,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="TCP port; 0 takes a free one.")
    ] = DEFAULT_PORT,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain, as PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key; default: in the same file.")] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Listen beyond loopback without TLS: somebody else encrypts.")
    ] = False,
    policy: Annotated[str, typer.Option(help="A ready policy's name, or a YAML file.")] = "home",
    home: _Home = None,
    mode: Annotated[
        Mode, typer.Option(help="observe: say only what the policy would have refused.")
    ] = Mode.ENFORCE,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Confirm the devices that are there as the baseline.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, one line for how it stands and one for each event.")
    ] = False,
) -> None:
    """Stand in front of a Z-Wave JS server until interrupted."""
    if context.invoked_subcommand is not None:
        return
    options = _Options(
        upstream=upstream,
        host=host,
        port=port,
        tls=_tls(tls_cert, tls_key),
        plain=plain,
        policy=policy,
        home=home if home is not None else default_home(),
        mode=mode,
        adopt=adopt,
        as_json=as_json,
    )
    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(_run(options))


def _tls(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if cert is None:
        if key is not None:
            raise HubsecError("--tls-key is the key of a certificate: say --tls-cert as well.")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key)
    except OSError as error:
        raise HubsecError(
            f"--tls-cert: {cert} can't be used: {error.strerror or type(error).__name__}."
        ) from error
    return context


async def _run(options: _Options) -> None:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    credentials = Credentials(options.home)
    try:
        # They bring the client library in, which the commands about clients do not need.
        from hubsec_zwave.gate.server import Gate  # noqa: PLC0415
        from hubsec_zwave.radio import ZwaveJs  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        raise HubsecError(
            f'`hubsec gate` needs the package {missing.name}: pip install "hubsec[zwave]"'
        ) from missing
    exposure = await probe(options.upstream)
    radio = ZwaveJs(options.upstream, gaps=(BYPASSABLE,) if exposure.bypassable else ())

    def ready() -> str | None:
        try:
            radio.client  # noqa: B018 - it raises while there is none
        except RadioError as error:
            return str(error)
        return None

    door = Gate(
        options.upstream,
        radio.judge,
        credentials,
        host=options.host,
        port=options.port,
        tls=options.tls,
        plain=options.plain,
        ready=ready,
        watch=radio.watch,
        seen=lambda seen: _say(seen, as_json=options.as_json),
    )
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(
            Hub(radio, policy=options.policy, home=options.home, mode=options.mode)
        )
        if options.adopt:
            await hub.adopt(radio.name)
        await stack.enter_async_context(door)
        posture = await hub.posture()
        standing = _standing_json if options.as_json else _standing
        typer.echo(standing(options, door.url, exposure, credentials.clients, posture.networks[0]))
        stack.callback(hub.on(Event, lambda event: _say_event(event, as_json=options.as_json)))
        await asyncio.get_running_loop().create_future()


def _standing(
    options: _Options, url: str, exposure: Exposure, known: tuple[Client, ...], network: NetworkPosture
) -> str:
    who = ", ".join(f"{client.name} ({client.role})" for client in known)
    lines = [
        f"{url} lets in {who}."
        if who
        else f"{url} lets nobody in: `hubsec gate client add` makes a credential.",
        f"BYPASSABLE: {exposure.reason}"
        if exposure.bypassable
        else f"{options.upstream} answers on loopback alone: only programs on this machine get past the gate.",
        f"The policy {options.policy} is {'enforced' if options.mode is Mode.ENFORCE else 'only observed'}.",
    ]
    if not network.adopted:
        there = ", ".join(network.unconfirmed) or "none"
        lines.append(
            f"Until the devices that are there are confirmed, the policy is only observed: {there}. Look at them, and"
            " start the gate with --adopt once."
        )
    return "\n".join(lines)


def _standing_json(
    options: _Options, url: str, exposure: Exposure, known: tuple[Client, ...], network: NetworkPosture
) -> str:
    return msgspec.json.encode(
        {
            "url": url,
            "upstream": options.upstream,
            "bypassable": exposure.bypassable,
            "reason": exposure.reason,
            "gaps": network.state.gaps,
            "mode": options.mode,
            "policy": options.policy,
            "adopted": network.adopted,
            "unconfirmed": network.unconfirmed,
            "clients": [_told(client) for client in known],
        }
    ).decode()


def _say(seen: Seen, *, as_json: bool) -> None:
    if as_json:
        typer.echo(
            msgspec.json.encode({"gate": seen.kind, "asker": seen.asker, "detail": seen.detail}).decode()
        )
    else:
        typer.echo(f"{seen.asker} {seen.kind}{': ' if seen.detail else ''}{seen.detail}")


def _say_event(event: Event, *, as_json: bool) -> None:
    text = to_json(event).decode()
    typer.echo(text if as_json else f"{type(event).__name__} {text}")
