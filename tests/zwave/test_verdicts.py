"""What is made of a device's answer, or of none: whether it has the server's keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
from zwave_js_server.exceptions import FailedZWaveCommand

from hubsec.errors import RadioError
from hubsec.identity import SecurityClass
from hubsec.reinclusion.shapes import Proof
from hubsec_zwave.limits import Limits
from hubsec_zwave.nodes import Node
from hubsec_zwave.reincluding import CANNOT_DECODE, Reincluding
from hubsec_zwave.station import Station
from hubsec_zwave.wire import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

LAMP: Final = Node(
    node_id=2,
    status=Status.ALIVE,
    interviewed=True,
    security=SecurityClass.S2_AUTHENTICATED,
    device_class=None,
    manufacturer=None,
    model=None,
    name="lamp",
    dsk=None,
    sleepy=False,
)
NEW: Final = msgspec.structs.replace(LAMP, interviewed=False)
DEAD: Final = msgspec.structs.replace(NEW, status=Status.DEAD)
PLAIN: Final = msgspec.structs.replace(LAMP, security=SecurityClass.NONE)
SLEEPY: Final = msgspec.structs.replace(LAMP, sleepy=True)
YES, NO = {"supported": True}, {"supported": False}
WORKS, PONG, NOBODY = {"response": {"status": 0xFF}}, {"responded": True}, {"responded": False}
BLIND, LOST = CANNOT_DECODE, -1


class Server:
    """Answers each command as it is told; a number is the error of a device, or of the connection."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def command(self, command: str, **arguments: Any) -> dict[str, Any]:
        name = arguments.get("methodName", command).rpartition(".")[2]
        self.asked.append(name)
        answer = self.answers.get(name, {})
        if isinstance(answer, dict):
            return answer
        error = RadioError("It did not.")
        if answer != LOST:
            error.__cause__ = FailedZWaveCommand("1", answer, "")
        raise error


def standing(node: Node | None, server: Server) -> Reincluding:
    station = Station("zwave-js", Limits())
    station.nodes.home_id = 0xC0FFEE01
    if node is not None:
        station.nodes._nodes[node.node_id] = node
    station.command = server.command  # type: ignore[method-assign]
    return Reincluding(station)


@pytest.mark.parametrize(
    ("node", "answers", "proof"),
    [
        (LAMP, {"supports_cc_api": YES, "setNormalPowerlevel": WORKS}, Proof.KEYED),
        (LAMP, {"supports_cc_api": YES, "setNormalPowerlevel": BLIND}, Proof.OTHER_KEYS),
        (LAMP, {"supports_cc_api": NO, "getSupportedCommands": {"response": [37]}}, Proof.KEYED),
        # A plain set that was acknowledged says nothing; what it supports, it has to say under its keys.
        (LAMP, {"supports_cc_api": YES, "setNormalPowerlevel": {}}, Proof.SILENT),
        (LAMP, {"supports_cc_api": YES, "setNormalPowerlevel": 204, "ping": PONG}, Proof.SILENT),
        (LAMP, {"supports_cc_api": YES, "setNormalPowerlevel": 204, "ping": NOBODY}, Proof.ABSENT),
        (LAMP, {"supports_cc_api": YES, "setNormalPowerlevel": LOST, "ping": LOST}, Proof.SILENT),
        (SLEEPY, {"supports_cc_api": YES, "setNormalPowerlevel": 204, "ping": NOBODY}, Proof.SILENT),
        (NEW, {"supports_cc_api": NO, "ping": NOBODY}, Proof.SILENT),
        (DEAD, {"supports_cc_api": NO, "ping": NOBODY}, Proof.ABSENT),
        (DEAD, {"supports_cc_api": NO, "ping": PONG}, Proof.SILENT),
        (PLAIN, {"supports_cc_api": YES, "setNormalPowerlevel": WORKS}, Proof.SILENT),
        (None, {"supports_cc_api": YES, "setNormalPowerlevel": WORKS}, Proof.SILENT),
    ],
)
async def test_only_what_a_device_says_under_the_servers_keys_proves_that_it_has_them(
    node: Node | None, answers: Mapping[str, Any], proof: Proof
) -> None:
    server = Server(answers)
    reincluding = standing(node, server)
    address = reincluding._station.nodes.address(2)
    assert await reincluding.proof(address) is proof


async def test_nobody_is_pinged_who_is_still_telling_what_it_can() -> None:
    """An interview takes its time; the pings of twenty devices would take more."""
    server = Server({"supports_cc_api": NO, "ping": PONG})
    reincluding = standing(NEW, server)
    assert await reincluding.proof(reincluding._station.nodes.address(2)) is Proof.SILENT
    assert server.asked == ["supports_cc_api"]
