"""The gate in front of a server that does nothing: who gets in, what passes, what ends whom."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientConnectionError, ClientSession, WSCloseCode, WSMsgType, WSServerHandshakeError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msgspec import structs

from hubsec.errors import HubsecError, RadioError
from hubsec_zwave.gate import Credentials, Exposure, Gate
from hubsec_zwave.gate.asking import gaps
from hubsec_zwave.roles import Role
from hubsec_zwave.screening import Refusal
from tests.zwave.fakes import FakeJudge
from tests.zwave.gate.conftest import QUICK, Stage, ask, basic
from tests.zwave.gate.upstream import running, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PING = {"messageId": "1", "command": "node.ping", "nodeId": 5}
VALUE = {
    "source": "node",
    "event": "value updated",
    "nodeId": 5,
    "args": {"commandClass": 37, "property": "currentValue", "newValue": True},
}


async def status(stage: Stage, headers: dict[str, str] | None = None, **options: Any) -> int:
    """How the gate answers somebody who wants to come in."""
    try:
        socket = await stage.http.ws_connect(stage.gate.url, headers=headers, **options)
    except WSServerHandshakeError as error:
        return error.status
    await socket.close()
    return 101


# Coming in


async def test_nobody_comes_in_without_a_credential(stage: Stage) -> None:
    issued = stage.issue(Role.OBSERVE, "dash")
    good = issued.bearer()
    wrong = [
        None,
        {},
        basic("dash", "wrong"),
        basic("other", good),
        basic("", good),
        basic("dash", good[:-1]),
        basic("dash", ""),
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {good}x"},
        {"Authorization": f"Bearer {issued.client.digest}"},
        {"Authorization": f"Digest {good}"},
        {"Authorization": "Basic ???"},
        {"Authorization": "Basic " + base64.b64encode(b"no colon").decode()},
        {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode()},
        {"Authorization": f"Bearer {good} {'x' * 2000}"},
    ]
    for headers in wrong:
        assert await status(stage, headers) == 401, headers
    assert stage.upstream.heard == []
    assert stage.upstream.sockets == []
    for headers in (basic("dash", good), {"Authorization": f"bearer {good}"}):
        assert await status(stage, headers) == 101


async def test_a_credential_may_stand_in_the_url(stage: Stage) -> None:
    issued = stage.issue(Role.OBSERVE, "dash")
    async with stage.http.ws_connect(issued.url(stage.gate.url)) as socket:
        assert (await socket.receive_json())["type"] == "version"
    assert stage.seen[0].asker == "client:dash#1"


async def test_wrong_ones_are_told_without_what_was_wrong_and_not_for_ever(stage: Stage) -> None:
    for _ in range(QUICK.failures + 5):
        async with stage.http.get(
            stage.gate.url.replace("ws", "http"), headers=basic("dash", "s3cret")
        ) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic ")
            assert answer.headers["Connection"] == "close"
    assert stage.kinds() == ["turned-away"] * QUICK.failures
    assert "s3cret" not in str(stage.seen)
    # And whoever shares that address comes in all the same.
    await (await stage.enter(Role.OBSERVE)).close()


async def test_there_is_nothing_but_the_websocket_and_that_is_not_for_web_pages(stage: Stage) -> None:
    headers = basic("observe", stage.issue(Role.OBSERVE).bearer())
    url = stage.gate.url.replace("ws", "http")
    for method, path, more, expected in (
        ("GET", "/", {}, 426),
        ("POST", "/", {}, 404),
        ("GET", "/health", {}, 404),
        (
            "GET",
            "/?x=1",
            {"Upgrade": "websocket", "Connection": "Upgrade", "Origin": "http://evil.example"},
            403,
        ),
    ):
        async with stage.http.request(method, url + path, headers=headers | more) as answer:
            assert answer.status == expected
    assert await status(stage, headers, origin="http://127.0.0.1") == 403
    assert await status(stage, headers) == 101


async def test_it_says_what_it_can_not_hold_to_whoever_has_a_credential(stage: Stage) -> None:
    url = stage.gate.url
    for told in ((), ("bypassable",)):
        exposure = Exposure(upstream=stage.upstream.url, remote=bool(told))
        stage.gate._exposure = exposure
        issued = stage.issue(Role.OBSERVE, f"dash{len(told)}")
        assert await gaps(issued.url(url), stage.http) == told
    assert await gaps(url, stage.http) is None
    assert await gaps(url.replace("ws://", "ws://dash:wrong@"), stage.http) is None
    assert await gaps(stage.upstream.url.replace("ws://", "ws://dash:wrong@"), stage.http) is None


async def test_nobody_is_let_in_while_the_guard_does_not_stand(folder: Path) -> None:
    why: list[str | None] = ["The guard has no connection to its server."]
    async with running() as upstream, ClientSession() as http:
        credentials = Credentials(folder)
        async with Gate(upstream.url, FakeJudge(), credentials, limits=QUICK, ready=lambda: why[0]) as gate:
            stage = Stage(upstream, FakeJudge(), credentials, gate, http)
            headers = basic("observe", stage.issue(Role.OBSERVE).bearer())
            assert await status(stage, headers) == 503
            assert upstream.sockets == []
            why[0] = None
            assert await status(stage, headers) == 101


async def test_there_is_room_for_so_many(stage: Stage) -> None:
    issued = stage.issue(Role.OBSERVE)
    sockets = [await stage.connect(issued) for _ in range(QUICK.per_client)]
    assert await status(stage, basic("observe", issued.bearer())) == 503
    await sockets.pop().close()
    await until(lambda: len(stage.gate.askers) < QUICK.per_client)
    sockets.append(await stage.connect(issued))
    other = await stage.connect(stage.issue(Role.OBSERVE, "other"))
    assert len(stage.gate.askers) == QUICK.per_client + 1
    for socket in (*sockets, other):
        await socket.close()


async def test_whoever_comes_and_says_nothing_is_put_out(stage: Stage) -> None:
    host, port = "127.0.0.1", stage.gate.port
    pairs = [await asyncio.open_connection(host, port) for _ in range(QUICK.connections + 10)]
    reader, writer = pairs[0]
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    # Those that there was no room for at once, the rest when their time is up.
    async with asyncio.timeout(5):
        for reader, writer in pairs:
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
    await (await stage.enter(Role.OBSERVE)).close()


# What passes


async def test_commands_and_answers_pass_and_refusals_do_not(stage: Stage) -> None:
    socket = await stage.enter(Role.CONTROL)
    stage.upstream.results["node.ping"] = {"responded": True}
    assert (await ask(socket, "node.ping", nodeId=5))["result"] == {"responded": True}
    for schema, told in ((31, "zwaveErrorMessage"), (50, "message")):
        assert (await ask(socket, "initialize", schemaVersion=schema))["success"]
        refused = await ask(socket, "driver.hard_reset")
        assert refused["success"] is False
        assert refused[told] == "driver.hard_reset takes the role administer; this client has control."
    assert not [text for text in stage.upstream.heard if "hard_reset" in text]
    assert stage.kinds() == ["entered", "refused", "refused"]
    assert stage.judge.asked == []
    await socket.close()


async def test_a_client_that_will_not_hear_no_costs_little(stage: Stage) -> None:
    """Each opening that is asked for is written down by the hub, and each refusal that is told by somebody else."""
    socket = await stage.enter(Role.INCLUDE)
    stage.judge.answer = Refusal("Not in this house.", "policy")
    for _ in range(100):
        refused = await ask(socket, "controller.begin_inclusion", options={"strategy": 4})
    assert refused["zwaveErrorMessage"] == "This client asks for too much: wait a little."
    assert len(stage.judge.asked) == QUICK.openings
    assert stage.kinds().count("refused") == QUICK.refusals
    # Which keeps it from nothing else.
    assert (await ask(socket, "node.ping", nodeId=5))["success"]
    await socket.close()


async def test_what_the_server_reads_is_what_was_looked_at(stage: Stage) -> None:
    """A text may say two things, of which one reader takes the first and another the last."""
    socket = await stage.enter(Role.CONTROL)
    text = '{"messageId":"1","command":"driver.hard_reset","nodeId":9,"command":"node.ping","nodeId":5}'
    await socket.send_str(text)
    assert (await socket.receive_json())["success"]
    (heard,) = stage.upstream.heard
    assert heard.count('"command"') == heard.count('"nodeId"') == 1
    assert json.loads(heard) == PING
    await socket.close()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x00", WSCloseCode.UNSUPPORTED_DATA),
        ("ping", WSCloseCode.INVALID_TEXT),
        ("[" * 100_000, WSCloseCode.INVALID_TEXT),
        ('{"messageId":"\\ud800"}', WSCloseCode.INVALID_TEXT),
    ],
)
async def test_what_is_no_message_ends_that_client_alone(stage: Stage, data: bytes | str, code: int) -> None:
    bad, good = await stage.enter(Role.ADMINISTER), await stage.enter(Role.OBSERVE)
    await (bad.send_bytes(data) if isinstance(data, bytes) else bad.send_str(data))
    closed = await bad.receive()
    assert (closed.type, closed.data) == (WSMsgType.CLOSE, code)
    assert (await ask(good, "start_listening"))["success"]
    assert stage.upstream.heard == ['{"messageId":"start_listening","command":"start_listening"}']
    await bad.close()
    await good.close()


@pytest.mark.parametrize("message", ["1", "null", "[]", "{}", '{"command":"node.ping"}', '{"messageId":5}'])
async def test_what_is_no_command_is_refused(stage: Stage, message: str) -> None:
    socket = await stage.enter(Role.ADMINISTER)
    await socket.send_str(message)
    refused = await socket.receive_json()
    assert refused["success"] is False
    assert stage.upstream.heard == []
    await socket.close()


async def test_a_file_is_as_long_as_an_administrator_has_it(stage: Stage) -> None:
    long = "A" * 300 * 1024
    socket = await stage.enter(Role.ADMINISTER)
    assert (await ask(socket, "utils.extract_firmware", file=long, format="bin"))["success"]
    await socket.close()
    socket = await stage.enter(Role.CONTROL)
    await socket.send_json({**PING, "nodeId": long})
    assert (await socket.receive()).data == WSCloseCode.MESSAGE_TOO_BIG
    await socket.close()


async def test_events_reach_everybody_as_they_came(stage: Stage) -> None:
    sockets = [await stage.enter(role) for role in Role]
    await stage.upstream.say(**VALUE)
    for socket in sockets:
        assert (await socket.receive()).data == json.dumps({"type": "event", "event": VALUE})
        await socket.close()


async def test_the_guard_knows_each_connection_by_a_name_of_its_own(stage: Stage) -> None:
    issued = stage.issue(Role.INCLUDE, "ha")
    sockets = [await stage.connect(issued), await stage.connect(issued)]
    for socket in sockets:
        assert (await ask(socket, "controller.stop_inclusion"))["success"]
        await socket.close()
    assert [asker for asker, _ in stage.judge.asked] == ["client:ha#1", "client:ha#2"]


async def test_what_the_guard_cuts_is_cut(stage: Stage) -> None:
    socket = await stage.enter(Role.INCLUDE)
    grant = {"securityClasses": [0, 1, 2], "clientSideAuth": False}
    stage.judge.answer = {"inclusionGrant": {**grant, "securityClasses": [2]}}
    await ask(socket, "controller.grant_security_classes", inclusionGrant=grant)
    assert json.loads(stage.upstream.heard[0])["inclusionGrant"]["securityClasses"] == [2]
    stage.judge.answer = Refusal("Not in this house.", "class")
    refused = await ask(socket, "controller.grant_security_classes", inclusionGrant=grant)
    assert (refused["success"], refused["zwaveErrorMessage"]) == (False, "Not in this house.")
    await socket.close()


# Being shut out


async def test_who_is_shut_out_is_dead_and_then_as_it_is(stage: Stage) -> None:
    stage.upstream.nodes = [{"nodeId": 5, "ready": True, "status": 4}]
    socket = await stage.enter(Role.OBSERVE)
    await ask(socket, "start_listening")
    stage.judge.silent = {5: "It is a stranger."}
    assert (await socket.receive_json())["event"] == {"source": "node", "event": "dead", "nodeId": 5}
    await stage.upstream.say(**VALUE)
    await stage.upstream.say(source="controller", event="inclusion started")
    assert (await socket.receive_json())["event"]["event"] == "inclusion started"
    stage.judge.silent = {}
    told = [(await socket.receive_json())["event"]["event"] for _ in range(2)]
    assert told == ["ready", "alive"]
    assert '"hubsec:client:' in stage.upstream.heard[-1]
    await socket.close()


async def test_a_guard_that_tells_of_changes_is_heard_at_once(folder: Path) -> None:
    told: list[Any] = []

    def watch(*calls: Any) -> Callable[[], None]:
        told.extend(calls)
        return told.clear

    judge, credentials = FakeJudge(), Credentials(folder)
    never = structs.replace(QUICK, look=60.0)
    async with running() as upstream, ClientSession() as http:
        upstream.nodes = [{"nodeId": 5, "ready": True, "status": 4}]
        async with Gate(upstream.url, judge, credentials, limits=never, watch=watch) as gate:
            socket = await Stage(upstream, judge, credentials, gate, http).enter(Role.OBSERVE)
            await ask(socket, "start_listening")
            shut_out, released = told
            judge.silent = {5: "It is a stranger."}
            shut_out(5)
            assert (await socket.receive_json())["event"]["event"] == "dead"
            judge.silent = {}
            released()
            assert (await socket.receive_json())["event"]["event"] == "ready"
            await socket.close()
        assert told == []


# What ends whom


async def test_a_client_that_leaves_takes_nothing_but_its_own_connection(stage: Stage) -> None:
    leaves, stays = await stage.enter(Role.OBSERVE), await stage.enter(Role.CONTROL)
    await until(lambda: len(stage.upstream.sockets) == 2)
    await leaves.close()
    await until(lambda: len(stage.upstream.sockets) == 1)
    assert (await ask(stays, "node.ping", nodeId=5))["success"]
    await stays.close()
    await until(lambda: stage.upstream.sockets == [])
    assert stage.kinds() == ["entered", "entered", "left", "left"]


async def test_a_server_that_goes_takes_its_clients_and_they_come_back_by_themselves(stage: Stage) -> None:
    issued = stage.issue(Role.CONTROL)
    sockets = [await stage.connect(issued) for _ in range(2)]
    await stage.upstream.stop()
    for socket in sockets:
        closed = await socket.receive()
        assert (closed.type, closed.data) == (WSMsgType.CLOSE, WSCloseCode.SERVICE_RESTART)
        await socket.close()
    for _ in range(2):
        assert await status(stage, basic("control", issued.bearer())) == 503
    await stage.upstream.start()
    socket = await stage.connect(issued)
    assert (await ask(socket, "node.ping", nodeId=5))["success"]
    await socket.close()


async def test_whoever_is_revoked_is_out_at_once_and_nobody_else(stage: Stage, folder: Path) -> None:
    issued = stage.issue(Role.ADMINISTER, "lost")
    lost, kept = await stage.connect(issued), await stage.enter(Role.CONTROL)
    Credentials(folder).revoke("lost")
    async with asyncio.timeout(1):
        closed = await lost.receive()
    assert (closed.type, closed.data) == (WSMsgType.CLOSE, WSCloseCode.POLICY_VIOLATION)
    assert await status(stage, basic("lost", issued.bearer())) == 401
    assert (await ask(kept, "node.ping", nodeId=5))["success"]
    # The name may be given again; the old credential stays what it is.
    again = Credentials(folder).add("lost", Role.OBSERVE)
    await until(lambda: stage.credentials.check(f"Bearer {again.bearer()}") is not None)
    assert await status(stage, basic("lost", issued.bearer())) == 401
    await lost.close()
    await kept.close()


async def test_a_list_of_clients_that_can_not_be_read_lets_nobody_in(stage: Stage, folder: Path) -> None:
    issued = stage.issue(Role.ADMINISTER)
    socket = await stage.connect(issued)
    (folder / "gate.json").write_text("{", encoding="utf-8")
    assert (await socket.receive()).data == WSCloseCode.POLICY_VIOLATION
    assert await status(stage, basic("administer", issued.bearer())) == 401
    assert stage.kinds().count("credentials") == 1
    await socket.close()


async def test_a_client_that_does_not_read_is_put_out_and_nobody_else(stage: Stage) -> None:
    slow, quick = await stage.enter(Role.OBSERVE), await stage.enter(Role.CONTROL)
    assert slow._conn is not None
    assert slow._conn.transport is not None
    slow._conn.transport.pause_reading()  # type: ignore[attr-defined]
    heard = 0

    async def listen() -> None:
        nonlocal heard
        async for _ in quick:
            heard += 1

    listening = asyncio.create_task(listen())
    event = {**VALUE, "args": {**VALUE["args"], "newValue": "x" * 60_000}}  # type: ignore[dict-item]
    sent = 0
    async with asyncio.timeout(10):
        while "slow" not in stage.kinds():
            await stage.upstream.say(**event)
            sent += 1
            await asyncio.sleep(0.005)
    await until(lambda: heard == sent)
    await until(lambda: [asker.split("#")[0] for asker in stage.gate.askers] == ["client:control"])
    await quick.close()
    await listening
    slow._conn.transport.abort()
    await slow.close()


@pytest.mark.parametrize("limits", [structs.replace(QUICK, heartbeat=0.1)])
async def test_a_client_that_is_silent_is_asked_whether_it_is_there(stage: Stage) -> None:
    here = await stage.enter(Role.OBSERVE)
    gone = await stage.connect(stage.issue(Role.CONTROL), autoping=False)
    answering = asyncio.create_task(here.receive())
    assert (await gone.receive()).type is WSMsgType.PING
    closed = await gone.receive()
    assert (closed.type, closed.extra) == (WSMsgType.CLOSE, "It does not answer.")
    await asyncio.sleep(0.3)
    assert stage.gate.askers == ("client:observe#1",)
    await stage.upstream.say(**VALUE)
    await answering
    await gone.close()
    await here.ping(b"and you?")
    await here.close()


async def test_a_gate_that_closes_says_so(folder: Path) -> None:
    async with running() as upstream, ClientSession() as http:
        credentials = Credentials(folder)
        gate = Gate(upstream.url, FakeJudge(), credentials, limits=QUICK)
        with pytest.raises(RadioError, match="not open"):
            _ = gate.port
        with pytest.raises(RadioError, match="not open"):
            _ = gate.exposure
        async with gate:
            socket = await Stage(upstream, FakeJudge(), credentials, gate, http).enter(Role.OBSERVE)
            closing = asyncio.create_task(gate.close())
            assert (await socket.receive()).data == WSCloseCode.GOING_AWAY
            await socket.close()
            await closing
        await until(lambda: upstream.sockets == [])
        with pytest.raises(ClientConnectionError):
            await http.get(f"http://127.0.0.1:{upstream.port + 1}")


# Where it listens


async def test_it_listens_beyond_loopback_with_a_certificate_only(folder: Path) -> None:
    credentials = Credentials(folder)
    for host in ("0.0.0.0", "::", "192.0.2.1", "gate.example"):  # noqa: S104 - it must not listen there
        with pytest.raises(HubsecError, match="certificate"):
            Gate("ws://127.0.0.1:1", FakeJudge(), credentials, host=host)
        Gate("ws://127.0.0.1:1", FakeJudge(), credentials, host=host, plain=True)
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        Gate("ws://127.0.0.1:1", FakeJudge(), credentials, host=host)


async def test_a_place_that_is_taken_is_told(stage: Stage, folder: Path) -> None:
    gate = Gate(stage.upstream.url, FakeJudge(), Credentials(folder), port=stage.gate.port)
    with pytest.raises(RadioError, match="can't listen"):
        await gate.open()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1", "127.0.0.1:3000", "ws://", "ws://a:b@127.0.0.1", "ws://x:99999", ""]
)
def test_a_server_s_url_is_one(folder: Path, url: str) -> None:
    with pytest.raises(HubsecError, match="server's URL"):
        Gate(url, FakeJudge(), Credentials(folder))


def certificate(folder: Path) -> tuple[Path, Path]:
    """One for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gate")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    cert_path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return cert_path, key_path


async def test_tls(folder: Path, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(cert, key)
    client = ssl.create_default_context(cafile=cert)
    async with running() as upstream, ClientSession() as http:
        credentials = Credentials(folder)
        issued = credentials.add("far", Role.CONTROL)
        async with Gate(upstream.url, FakeJudge(), credentials, tls=server, limits=QUICK) as gate:
            assert gate.url.startswith("wss://127.0.0.1:")
            async with http.ws_connect(issued.url(gate.url), ssl=client) as socket:
                assert (await socket.receive_json())["type"] == "version"
                assert (await ask(socket, "node.ping", nodeId=5))["success"]
            with pytest.raises(ClientConnectionError):
                await http.ws_connect(issued.url(gate.url.replace("wss", "ws")))
