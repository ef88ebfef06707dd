"""Unmodified clients of the real server, through the gate, with the real guard behind it."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, ClientWebSocketResponse
from zwave_js_server.client import Client
from zwave_js_server.exceptions import CannotConnect, FailedCommand, FailedZWaveCommand

from hubsec.errors import RadioError
from hubsec_emulated.zwave.node import find_node
from hubsec_zwave.gate import Credentials, Gate
from hubsec_zwave.roles import Role
from tests.zwave import server_files
from tests.zwave.gate.conftest import QUICK, ask
from tests.zwave.guarded import S2, Guarded, own

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from hubsec_emulated import ZWaveHouse

PATIENCE = 60.0


class Front:
    """A gate in front of the house's server, with the guard behind it."""

    def __init__(self, guarded: Guarded, gate: Gate, credentials: Credentials) -> None:
        self.guarded = guarded
        self.gate = gate
        self.credentials = credentials

    def url(self, role: Role, name: str | None = None) -> str:
        return self.credentials.add(name or role, role).url(self.gate.url)


@pytest_asyncio.fixture
async def front(zwave_house: ZWaveHouse, folder: Path) -> AsyncIterator[Front]:
    credentials = Credentials(folder)
    async with own(zwave_house, folder) as guarded:

        def ready() -> str | None:
            try:
                guarded.radio.client  # noqa: B018 - it raises while there is none
            except RadioError as error:
                return str(error)
            return None

        async with Gate(
            zwave_house.url,
            guarded.radio.judge,
            credentials,
            limits=QUICK,
            ready=ready,
            watch=guarded.radio.watch,
        ) as gate:
            yield Front(guarded, gate, credentials)


@asynccontextmanager
async def python_client(url: str, schema: int = 50) -> AsyncIterator[tuple[Client, asyncio.Task[None]]]:
    """zwave-js-server-python, listening."""
    async with ClientSession() as session:
        client = Client(url, session, schema_version=schema)
        await client.connect()
        ready = asyncio.Event()
        listening = asyncio.create_task(client.listen(ready))
        async with asyncio.timeout(PATIENCE):
            await ready.wait()
        try:
            yield client, listening
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening


# The Python client


async def test_the_python_client_does_what_it_may_and_is_told_what_not(
    zwave_house: ZWaveHouse, front: Front
) -> None:
    lamp = zwave_house.lamp()
    await front.guarded.admit(lamp)
    assert lamp.node_id is not None
    async with python_client(front.url(Role.CONTROL)) as (client, _):
        assert client.driver is not None
        node = client.driver.controller.nodes[lamp.node_id]
        await zwave_house.wait_until(lambda: node.ready)
        assert await node.async_ping()
        (value,) = (one for one in node.values.values() if one.property_name == "targetValue")
        await node.async_set_value(value, 99)
        await zwave_house.wait_until(lambda: lamp.state == 99)
        with pytest.raises(FailedCommand, match="takes the role include; this client has control"):
            await client.driver.controller.async_begin_exclusion()
        with pytest.raises(FailedCommand, match="takes the role administer"):
            await client.driver.async_hard_reset()


@pytest.mark.parametrize("schema", [7, 31])
async def test_older_schemas_are_told_in_their_own_form(front: Front, schema: int) -> None:
    async with python_client(front.url(Role.INCLUDE), schema) as (client, _):
        with pytest.raises(FailedZWaveCommand, match="includes by S0 or without any security"):
            await client.async_send_command({"command": "controller.begin_inclusion"})
        with pytest.raises(FailedZWaveCommand, match="without any security"):
            await client.async_send_command(
                {"command": "controller.begin_inclusion", "includeNonSecure": True}
            )
        with pytest.raises(FailedZWaveCommand, match="takes the role administer"):
            await client.async_send_command({"command": "driver.soft_reset"})


async def test_its_repr_shows_the_credential_and_the_page_says_so(front: Front) -> None:
    """Why credentials in URLs are to have no more than they need."""
    url = front.url(Role.OBSERVE)
    async with python_client(url) as (client, _):
        assert url.split("@")[0] in repr(client)


async def test_whoever_is_revoked_is_gone_from_its_client(front: Front) -> None:
    async with python_client(front.url(Role.OBSERVE)) as (client, listening):
        front.credentials.revoke("observe")
        async with asyncio.timeout(PATIENCE):
            await listening
        assert not client.connected
        with pytest.raises(CannotConnect, match="401"):
            await Client(client.ws_server_url, client.aiohttp_session).connect()


async def test_a_restart_of_the_server_costs_clients_a_reconnect_and_nothing_else(
    zwave_house: ZWaveHouse, front: Front
) -> None:
    url = front.url(Role.CONTROL)
    async with python_client(url) as (_, listening):
        await zwave_house.stop_server()
        async with asyncio.timeout(PATIENCE):
            await listening
        async with ClientSession() as session:
            with pytest.raises(CannotConnect, match="503"):
                await Client(url, session).connect()
    await zwave_house.start_server()

    async def back() -> None:
        while True:
            try:
                async with python_client(url) as (client, _):
                    assert client.driver is not None
                    return
            except CannotConnect:
                await asyncio.sleep(0.1)

    async with asyncio.timeout(PATIENCE):
        await back()


# What every schema is told


CHANGING = (0, 1, 2, 3, 4, 5, 7, 10, 14, 15, 16, 22, 25, 26, 28, 29, 30, 31, 32, 34, 35, 36, 42, 46, 47, 50)
"""The schemas that tell of a network otherwise than the one before."""


async def states(url: str, schema: int) -> Any:
    async with ClientSession() as session, session.ws_connect(url, max_msg_size=0) as socket:
        assert (await socket.receive_json())["type"] == "version"
        assert (await ask(socket, "set_api_schema", schemaVersion=schema))["success"]
        return (await ask(socket, "start_listening"))["result"]["state"]


async def test_every_schema_is_told_what_the_server_tells_it(zwave_house: ZWaveHouse, front: Front) -> None:
    lamp = zwave_house.lamp()
    await front.guarded.admit(lamp)
    url = front.url(Role.ADMINISTER)
    async with python_client(url) as (client, _):
        assert client.driver is not None
        assert lamp.node_id is not None
        node = client.driver.controller.nodes[lamp.node_id]
        await zwave_house.wait_until(lambda: node.ready)
    await zwave_house.settle()
    for schema in CHANGING:
        direct, through = await states(zwave_house.url, schema), await states(url, schema)
        for state in (direct, through):
            # They go on counting.
            state["controller"].pop("statistics")
            for node in state["nodes"]:
                node.pop("statistics", None)
                node.pop("lastSeen", None)
        assert through == direct, schema


# The JavaScript client


async def javascript(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        find_node().program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


async def test_the_server_s_own_client_comes_in_by_its_url(front: Front) -> None:
    program = server_files.library().parent / "bin" / "client.js"
    process = await javascript(str(program), front.url(Role.OBSERVE), "--dump", "--schemaVersion", "50")
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            told = [json.loads(await process.stdout.readline()) for _ in range(3)]
    finally:
        process.terminate()
        await process.communicate()
    assert [one["type"] for one in told] == ["version", "result", "result"]
    assert told[2]["result"]["state"]["nodes"][0]["nodeId"] == 1


ASK_IN_JAVASCRIPT = """
const { default: WebSocket } = await import(process.argv[1]);
const socket = new WebSocket(process.argv[2], { headers: { authorization: `Bearer ${process.argv[3]}` } });
const asked = new Map();
const ask = (command, more) => new Promise((resolve, reject) => {
    const messageId = String(asked.size);
    asked.set(messageId, { resolve, reject });
    socket.send(JSON.stringify({ messageId, command, ...more }));
});
socket.on("message", (data) => {
    const message = JSON.parse(data);
    if (message.type !== "result") return;
    const { resolve, reject } = asked.get(message.messageId);
    if (message.success) resolve(message.result);
    else reject(new Error(`${message.errorCode}: ${message.message}`));
});
socket.on("unexpected-response", (_, response) => { console.log(response.statusCode); process.exit(); });
socket.on("open", async () => {
    await ask("set_api_schema", { schemaVersion: 50 });
    for (const command of ["driver.get_config", "driver.hard_reset"])
        await ask(command).then(() => console.log("done"), (error) => console.log(error.message));
    socket.close();
});
"""


async def test_a_javascript_client_is_rejected_with_the_reason(front: Front) -> None:
    issued = front.credentials.add("js", Role.OBSERVE)
    ws = server_files.modules() / "ws" / "wrapper.mjs"
    for secret, told in (
        (
            issued.bearer(),
            "done\nhubsec_refused: driver.hard_reset takes the role administer; this client has",
        ),
        ("wrong", "401"),
    ):
        process = await javascript(
            "--input-type=module", "-e", ASK_IN_JAVASCRIPT, ws.as_uri(), front.gate.url, secret
        )
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
        assert err == b""
        assert out.decode().startswith(told)


# A hostile client next to a good one

LOWEST = {"securityClasses": [0], "clientSideAuth": False}
HOSTILE = (
    {"command": "controller.grant_security_classes", "inclusionGrant": LOWEST},
    {"command": "controller.grant_security_classes", "inclusionGrant": False},
    {"command": "controller.validate_dsk_and_enter_pin", "pin": False},
    {"command": "controller.validate_dsk_and_enter_pin", "pin": "00000"},
    {"command": "controller.cancel_secure_bootstrap_s2", "reason": 9},
    {"command": "controller.stop_inclusion"},
    {"command": "controller.stop_exclusion"},
)


class Good:
    """Grants what is asked for and enters `pin`, each a moment later, as whoever sits before a page does."""

    def __init__(self, client: Client) -> None:
        assert client.driver is not None
        self.client = client
        self.pin = ""
        self.failed: list[Exception] = []
        self._tasks: set[asyncio.Task[None]] = set()
        controller = client.driver.controller
        controller.on("grant security classes", self._grant)
        controller.on("validate dsk and enter pin", self._enter)

    def _grant(self, event: dict[str, Any]) -> None:
        classes = [int(one) for one in event["requested_grant"].security_classes]
        grant = {"securityClasses": classes, "clientSideAuth": False}
        self._soon({"command": "controller.grant_security_classes", "inclusionGrant": grant})

    def _enter(self, event: dict[str, Any]) -> None:
        self._soon({"command": "controller.validate_dsk_and_enter_pin", "pin": self.pin})

    def _soon(self, command: dict[str, Any]) -> None:
        async def answer() -> None:
            await asyncio.sleep(0.1)
            try:
                await self.client.async_send_command(command)
            except FailedCommand as error:
                self.failed.append(error)

        task = asyncio.create_task(answer())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Hostile:
    """Answers everything all the time, and waits for nothing."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket
        self.sent = 0
        self.refused = 0
        self.passed: list[dict[str, Any]] = []

    async def send(self) -> None:
        while True:
            for answer in HOSTILE:
                self.sent += 1
                await self.socket.send_json({"messageId": str(self.sent), **answer})
            # As fast as one can that has to be told no before it may send more.
            while self.sent - self.refused - len(self.passed) > 60:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0)

    async def hear(self) -> None:
        async for message in self.socket:
            told = message.json()
            if told["type"] != "result":
                continue
            if told["success"]:
                self.passed.append(told)
            else:
                self.refused += 1


async def test_a_hostile_client_never_wins_against_a_good_one(zwave_house: ZWaveHouse, front: Front) -> None:
    """Three inclusions by a client that takes its time, beside one that has the same role and never stops answering."""
    async with (
        python_client(front.url(Role.INCLUDE, "good")) as (client, _),
        ClientSession() as session,
        session.ws_connect(front.url(Role.INCLUDE, "bad")) as socket,
    ):
        good = Good(client)
        hostile = Hostile(socket)
        assert (await socket.receive_json())["type"] == "version"
        tasks: list[asyncio.Task[None]] = []
        for _ in range(3):
            lamp = zwave_house.lamp(requests=("S2_Authenticated", "S2_Unauthenticated"))
            good.pin = lamp.pin
            await client.async_send_command(
                {"command": "controller.begin_inclusion", "options": {"strategy": S2}}
            )
            if not tasks:
                tasks = [asyncio.create_task(hostile.hear()), asyncio.create_task(hostile.send())]
            lamp.press_button()
            await zwave_house.wait_until(lambda lamp=lamp: lamp.keys_held, what="The lamp's keys")
            assert lamp.keys_held == {"S2_Authenticated"}
            number = lamp.node_id
            assert number is not None
            await zwave_house.wait_until(lambda number=number: not front.guarded.is_shut_off(number))
            await zwave_house.wait_until(lambda: front.guarded.radio._guard.including.inclusion is None)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert hostile.refused > 50
    assert hostile.passed == []
    assert good.failed == []
