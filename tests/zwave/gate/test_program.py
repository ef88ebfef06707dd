"""`hubsec gate` as a program: what it prints, and that it does what it says."""

from __future__ import annotations

import asyncio
import json
import stat
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession, WSServerHandshakeError
from typer.testing import CliRunner

from hubsec.cli import application
from hubsec_zwave.gate import Credentials
from hubsec_zwave.gate.credentials import FILE
from hubsec_zwave.gate.probing import Exposure
from hubsec_zwave.roles import Role
from tests.zwave.gate.conftest import ask
from tests.zwave.gate.test_gate import certificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from click.testing import Result

    from hubsec_emulated import ZWaveHouse

PROGRAM = Path(sys.executable).with_name("hubsec")
PATIENCE = 60.0


def run(*arguments: str) -> Result:
    return CliRunner().invoke(application(), ["gate", *arguments])


# Clients


def test_a_client_is_added_shown_once_listed_and_revoked(folder: Path) -> None:
    home = ("--home", str(folder))
    added = run("client", "add", "ha", "--role", "include", "--url", "wss://hub.example:3001", *home)
    assert added.exit_code == 0
    (client,) = Credentials(folder).clients
    assert (client.name, client.role) == ("ha", Role.INCLUDE)
    secret = added.stdout.split("Bearer")[1].split()[0]
    assert f"wss://ha:{secret}@hub.example:3001" in added.stdout
    assert "logs" in added.stdout
    assert Credentials(folder).check(f"Bearer {secret}") == client
    listed = run("client", "list", *home)
    assert "ha" in listed.stdout
    assert "include" in listed.stdout
    assert secret not in listed.stdout
    assert client.digest not in listed.stdout
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    assert run("client", "revoke", "ha", *home).exit_code == 0
    assert Credentials(folder).clients == ()
    assert "Nobody" in run("client", "list", *home).stdout


def test_it_speaks_json(folder: Path) -> None:
    home = ("--home", str(folder), "--json")
    added = json.loads(run("client", "add", "dash", "--role", "observe", *home).stdout)
    assert added["url"] == f"ws://dash:{added['bearer']}@127.0.0.1:3001"
    (listed,) = json.loads(run("client", "list", *home).stdout)
    assert listed.keys() == {"name", "role", "created"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("client", "add", "HA", "--role", "observe"), "name"),
        (("client", "revoke", "nobody"), "There is no client nobody."),
        (("--host", "192.0.2.1"), "give the gate a certificate"),
        (("--tls-key", "key.pem"), "say --tls-cert as well"),
        (("--tls-cert", "none.pem"), "none.pem can't be used: No such file"),
        (("--upstream", "http://127.0.0.1"), "The server's URL"),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(folder: Path, arguments: tuple[str, ...], told: str) -> None:
    home = ("--home", str(folder))
    done = run(*arguments, *home) if arguments[0] == "client" else run(*home, *arguments)
    assert done.exit_code == 1
    assert done.stderr.startswith("hubsec: ")
    assert told in done.stderr


def test_a_key_that_is_none_is_said(folder: Path, tmp_path: Path) -> None:
    cert, _ = certificate(tmp_path)
    done = run("--home", str(folder), "--tls-cert", str(cert), "--tls-key", str(cert))
    assert done.exit_code == 1
    assert "can't be used" in done.stderr


def test_the_reasons_of_an_exposure_are_sentences() -> None:
    """What stands behind BYPASSABLE."""
    url = "ws://127.0.0.1:3000"
    assert not Exposure(upstream=url).bypassable
    for exposure in (
        Exposure(upstream=url, remote=True),
        Exposure(upstream=url, reachable=("192.0.2.7",)),
        Exposure(upstream=url, unsure="It could not be looked at."),
    ):
        assert exposure.bypassable
        assert exposure.reason.endswith(".")


# Running


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        PROGRAM, "gate", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        told = await process.stdout.readline()
    if not told and process.stderr is not None:
        pytest.fail((await process.stderr.read()).decode())
    return told.decode()


async def until(process: asyncio.subprocess.Process, what: str) -> dict[str, Any]:
    while True:
        told: dict[str, Any] = json.loads(await line(process))
        if told.get("gate") == what:
            return told


async def test_it_guards_a_server_until_it_is_ended(zwave_house: ZWaveHouse, folder: Path) -> None:
    credentials = Credentials(folder)
    dash = credentials.add("dash", Role.OBSERVE)
    options = ("--upstream", zwave_house.url, "--port", "0", "--home", str(folder), "--json")
    async with running(*options) as process, ClientSession() as http:
        standing = json.loads(await line(process))
        assert standing["url"].startswith("ws://127.0.0.1:")
        assert (standing["mode"], standing["policy"]) == ("enforce", "home")
        assert (standing["bypassable"], standing["gaps"], standing["reason"]) == (False, [], "")
        assert [client["name"] for client in standing["clients"]] == ["dash"]
        async with http.ws_connect(dash.url(standing["url"])) as socket:
            assert (await socket.receive_json())["type"] == "version"
            assert (await ask(socket, "start_listening"))["success"]
            assert not (await ask(socket, "driver.hard_reset"))["success"]
            assert "takes the role" in (await until(process, "refused"))["detail"]
            # Somebody is let in, and somebody out, while it runs.
            ha = Credentials(folder).add("ha", Role.INCLUDE)
            async with asyncio.timeout(PATIENCE):
                while True:
                    try:
                        other = await http.ws_connect(ha.url(standing["url"]))
                    except WSServerHandshakeError:
                        await asyncio.sleep(0.05)
                    else:
                        break
            assert (await other.receive_json())["type"] == "version"
            begun = await ask(other, "controller.begin_inclusion", options={"strategy": 2})
            assert begun["success"] is False
            Credentials(folder).revoke("dash")
            assert (await until(process, "revoked"))["asker"] == "client:dash#1"
            await other.close()
        process.terminate()
        async with asyncio.timeout(PATIENCE):
            assert await process.wait() == 0
        assert process.stderr is not None
        assert await process.stderr.read() == b""


async def test_it_says_how_it_stands(zwave_house: ZWaveHouse, folder: Path) -> None:
    async with running("--upstream", zwave_house.url, "--port", "0", "--home", str(folder)) as process:
        told = [await line(process) for _ in range(3)]
    assert "lets nobody in: `hubsec gate client add` makes a credential." in told[0]
    assert "answers on loopback alone" in told[1]
    assert told[2] == "The policy home is enforced.\n"


async def test_without_a_server_it_says_so(folder: Path) -> None:
    options = ("--upstream", "ws://127.0.0.1:9", "--port", "0", "--home", str(folder))
    async with running(*options) as process:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
        assert (process.returncode, out) == (1, b"")
        assert err.startswith(b"hubsec: The Z-Wave JS server can't be reached")
