"""The wire between a client and its server: what the guard stands on, and what it does there."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from typing import TYPE_CHECKING, Any, Final

import pytest
import zwave_js_server.client
from zwave_js_server.client import Client
from zwave_js_server.const import __version__ as client_version
from zwave_js_server.exceptions import FailedCommand

from hubsec.canaries import CANARY, canary
from hubsec.errors import RadioError, Refused
from hubsec_zwave import CommandRefused, Role, Screen, ZwaveJs
from hubsec_zwave.link import Link, check_client
from hubsec_zwave.observing import Observer
from tests.zwave.fakes import FakeJudge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PRIVATE: Final[dict[str, dict[str, str]]] = {
    "0.73.1": {
        "_handle_incoming_message": "(self, msg: 'dict') -> 'None'",
        "_send_json_message": "(self, message: 'dict[str, Any]') -> 'None'",
        "_receive_json_or_raise": "(self) -> 'dict'",
    },
    "0.62.0": {
        "_handle_incoming_message": "(self, msg: 'dict') -> 'None'",
        "_send_json_message": "(self, message: 'dict[str, Any]') -> 'None'",
        "_receive_json_or_raise": "(self) -> 'dict'",
    },
}
"""What the guard stands on in each version of zwave-js-server-python that hubsec supports."""


class Wire(Client):
    """A client without a connection: it keeps what it would send, and what it is told."""

    def __init__(self) -> None:
        super().__init__("ws://127.0.0.1:9", None)  # type: ignore[arg-type]
        self.sent: list[dict[str, Any]] = []
        self.told: list[dict[str, Any]] = []
        self.driver = object()  # type: ignore[assignment]

    is_up = True

    @property
    def connected(self) -> bool:
        return self.is_up

    async def _send_json_message(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    def _handle_incoming_message(self, msg: dict[str, Any]) -> None:
        self.told.append(msg)


def link(
    wire: Wire, judge: FakeJudge | None = None, refusal: Callable[[Refused], Exception] | None = None
) -> tuple[Link, list[Mapping[str, Any]]]:
    heard: list[Mapping[str, Any]] = []
    made = Link(
        wire,
        screen=Screen("host", Role.ADMINISTER, judge or FakeJudge(), listening=True),
        heard=heard.append,
        dumped=lambda state: None,
        lost=lambda: None,
        refusal=refusal,
    )
    made.install()
    return made, heard


def test_the_private_names_of_this_client_are_the_known_ones() -> None:
    assert client_version in PRIVATE, "Look at link.py with this version at hand, then add it."
    for name, signature in PRIVATE[client_version].items():
        assert str(inspect.signature(getattr(Client, name))) == signature, name
    assert inspect.iscoroutinefunction(Client._send_json_message)
    assert not inspect.iscoroutinefunction(Client._handle_incoming_message)
    source = inspect.getsource(zwave_js_server.client)
    # All that is sent and all that comes goes through the instance's own attributes.
    assert source.count("self._client.send_json(") == 1
    assert source.count("self._client.receive()") == 1
    assert "self._handle_incoming_message(data)" in source
    assert "future = self._result_futures.get(" in source


async def test_a_client_without_them_is_refused() -> None:
    class Other(Client):
        _send_json_message = None  # type: ignore[assignment]

    with pytest.raises(RadioError):
        check_client(object())
    with pytest.raises(RadioError, match="guide on Z-Wave"):
        check_client(Other("ws://127.0.0.1:9", None))  # type: ignore[arg-type]
    with pytest.raises(RadioError, match="not listening"):
        ZwaveJs.attach(Client("ws://127.0.0.1:9", None))  # type: ignore[arg-type]


async def test_what_the_host_sends_is_judged() -> None:
    wire, judge = Wire(), FakeJudge({5: "It is a stranger."})
    link(wire, judge)
    sending = asyncio.ensure_future(wire.async_send_command({"command": "node.ping", "nodeId": 6}))
    await asyncio.sleep(0)
    assert [message["nodeId"] for message in wire.sent] == [6]
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    with pytest.raises(FailedCommand) as refused:
        await wire.async_send_command({"command": "node.ping", "nodeId": 5})
    assert isinstance(refused.value, CommandRefused)
    assert isinstance(refused.value, Refused)
    assert "It is a stranger." in str(refused.value)
    assert wire._result_futures == {}
    assert len(wire.sent) == 1


async def test_a_host_may_have_its_own_error() -> None:
    wire = Wire()
    link(wire, FakeJudge({5: "It is a stranger."}), refusal=lambda refused: PermissionError(refused.reason))
    with pytest.raises(PermissionError, match="stranger"):
        await wire.async_send_command({"command": "node.ping", "nodeId": 5})


async def test_what_the_guard_sends_goes_past_the_screen_and_its_answer_past_the_host() -> None:
    wire, judge = Wire(), FakeJudge({5: "It is a stranger."})
    made, _ = link(wire, judge)
    asking = asyncio.ensure_future(made.command("node.ping", nodeId=5, timeout=1))
    await asyncio.sleep(0)
    [sent] = wire.sent
    wire._handle_incoming_message(  # as the client's loop does
        {"type": "result", "success": True, "messageId": sent["messageId"], "result": {"responded": True}}
    )
    assert wire.told[-1]["messageId"] == sent["messageId"]
    wire._result_futures[sent["messageId"]].set_result({"responded": True})
    assert await asking == {"responded": True}
    assert judge.asked == []


async def test_no_answer_in_time_is_a_radio_error() -> None:
    made, _ = link(Wire())
    with pytest.raises(RadioError, match=r"did not answer node\.ping within 0\.01 s"):
        await made.command("node.ping", nodeId=5, timeout=0.01)


async def test_a_task_that_is_ended_ends_though_the_connection_is_gone() -> None:
    wire = Wire()
    made, _ = link(wire)

    async def again_and_again() -> None:
        while True:
            with contextlib.suppress(RadioError):
                await made.command("node.ping", nodeId=5, timeout=5)
            await asyncio.sleep(0.01)

    task = asyncio.ensure_future(again_and_again())
    await asyncio.sleep(0)
    wire.is_up = False
    task.cancel()
    await asyncio.wait({task}, timeout=1)
    assert task.cancelled()


async def test_an_answer_that_can_not_come_any_more_is_a_radio_error() -> None:
    wire = Wire()
    made, _ = link(wire)
    asking = asyncio.ensure_future(made.command("node.ping", nodeId=5, timeout=5))
    await asyncio.sleep(0)
    wire.is_up = False
    for future in wire._result_futures.values():
        future.cancel()
    with pytest.raises(RadioError, match="ended before"):
        await asking


async def test_the_guard_hears_before_the_screen_and_the_host_after() -> None:
    wire, judge = Wire(), FakeJudge({5: "It is a stranger."})
    _, heard = link(wire, judge)
    for node in (5, 6):
        wire._handle_incoming_message(
            {"type": "event", "event": {"source": "node", "event": "wake up", "nodeId": node}}
        )
    assert [event["nodeId"] for event in heard] == [5, 6]
    assert [message["event"]["nodeId"] for message in wire.told] == [6]


async def test_a_node_without_device_class_is_given_one_that_says_nothing() -> None:
    wire = Wire()
    link(wire)
    node = {"nodeId": 7, "deviceClass": None}
    wire._handle_incoming_message(
        {"type": "event", "event": {"source": "controller", "event": "node found", "node": node}}
    )
    assert wire.told[0]["event"]["node"]["deviceClass"]["generic"] == {"key": 0, "label": "Unknown"}


async def test_a_dump_that_nobody_asked_for_is_not_shown() -> None:
    wire = Wire()
    made, _ = link(wire)

    async def dump() -> dict[str, Any]:
        state = {"controller": {"homeId": 1, "ownNodeId": 1}, "nodes": []}
        message_id = zwave_js_server.client.START_LISTENING_MESSAGE_ID
        return {"type": "result", "success": True, "messageId": message_id, "result": {"state": state}}

    made._before["_receive_json_or_raise"] = dump
    assert (await wire._receive_json_or_raise())["success"] is False


async def test_a_canary_is_refused_in_observing_too() -> None:
    wire = Wire()
    made, _ = link(wire)
    made.renew(Observer("host", FakeJudge()))
    with canary(), pytest.raises(CommandRefused) as refused:
        await wire.async_send_command({"command": "controller.begin_inclusion"})
    assert refused.value.rule == CANARY
    assert wire.sent == []


async def test_it_takes_itself_out_again_and_back_comes_what_was_there() -> None:
    wire = Wire()

    def before(msg: dict[str, Any]) -> None:
        wire.told.append({"before": msg})

    wire._handle_incoming_message = before  # type: ignore[method-assign]
    made, heard = link(wire)
    assert made.stands
    assert made.remove()
    assert wire._handle_incoming_message is before
    assert "_send_json_message" not in wire.__dict__
    wire._handle_incoming_message({"type": "event", "event": {}})
    assert heard == []


async def test_who_has_wrapped_it_stays_and_everything_passes() -> None:
    wire = Wire()
    made, _ = link(wire, FakeJudge({5: "It is a stranger."}))
    inner = wire._send_json_message

    async def outer(message: dict[str, Any]) -> None:
        await inner(message)

    wire._send_json_message = outer  # type: ignore[method-assign]
    assert not made.stands
    assert not made.remove()
    await wire._send_json_message({"command": "node.ping", "nodeId": 5, "messageId": "1"})
    assert len(wire.sent) == 1


async def test_nothing_is_sent_between_a_loss_and_the_state_of_the_network() -> None:
    """What a client hears first after it was connected again has to be the answer to its own first question."""
    wire = Wire()
    arriving: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not arriving:
            raise ConnectionError
        return arriving.pop(0)

    wire._receive_json_or_raise = receive  # type: ignore[method-assign]
    made, _ = link(wire)
    with pytest.raises(ConnectionError):
        await wire._receive_json_or_raise()
    assert wire.connected  # Again, and nobody listens yet.
    assert not made.connected
    with pytest.raises(RadioError):
        await made.command("controller.is_failed_node", timeout=1, nodeId=2)
    with pytest.raises(RadioError):
        await made.ask({"command": "node.get_state", "nodeId": 2, "messageId": "1"})
    assert wire.sent == []
    state = {"controller": {"homeId": 1, "ownNodeId": 1}, "nodes": []}
    arriving.append(
        {"type": "result", "messageId": "start-listening", "success": True, "result": {"state": state}}
    )
    await wire._receive_json_or_raise()
    assert made.connected
