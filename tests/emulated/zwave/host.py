"""A client of the server as plain as it can be: it shows what crosses the websocket, and answers the S2 dialog."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hubsec_emulated import ZWaveHouse

SCHEMA: Final = 50
DEFAULT, INSECURE, S0, S2 = 0, 2, 3, 4
"""Inclusion strategies."""
CLASSES: Final = {0: "S2_Unauthenticated", 1: "S2_Authenticated", 2: "S2_AccessControl", 7: "S0_Legacy"}


class CommandError(Exception):
    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(f"{answer.get('errorCode')}: {answer.get('zwaveErrorMessage')}")
        self.code = answer.get("zwaveErrorCodeName") or answer.get("errorCode")
        self.number = answer.get("zwaveErrorCode")


class Host:
    """Grants what is requested, or the `grant` classes; enters `pin`. Each may be False: the user says no."""

    def __init__(self, house: ZWaveHouse, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.house = house
        self.socket = socket
        self.events: list[dict[str, Any]] = []
        self.texts: list[str] = []
        self.state: dict[str, Any] = {}
        self.grant: list[int] | bool = True
        self.pin: str | bool = False
        self.delay = 0.0
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self.dialogs: set[asyncio.Task[Any]] = set()

    async def listen(self) -> None:
        async for message in self.socket:
            self.texts.append(message.data)
            told = message.json()
            if told["type"] == "result":
                self._answers.pop(told["messageId"]).set_result(told)
            elif told["type"] == "event":
                self.events.append(told["event"])
                self._react(told["event"])

    async def command(self, command: str, **more: Any) -> dict[str, Any]:
        name = str(len(self.texts)) + command
        answer = self._answers[name] = asyncio.get_running_loop().create_future()
        await self.socket.send_json({"messageId": name, "command": command, **more})
        told = await asyncio.wait_for(answer, 30)
        if not told["success"]:
            raise CommandError(told)
        result: dict[str, Any] = told["result"]
        return result

    def of(self, kind: str, source: str = "controller") -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == kind and event["source"] == source]

    async def event(self, kind: str, source: str = "controller", seconds: float = 30.0) -> dict[str, Any]:
        await self.house.wait_until(lambda: self.of(kind, source), seconds, what=f"The event {kind!r}")
        return self.of(kind, source)[-1]

    async def include(self, device: Any, strategy: int = DEFAULT, **options: Any) -> dict[str, Any]:
        """Let a device in with its button; how that ended, as `node added` tells it."""
        if device.security == "s2":
            self.pin = device.pin
        return await self.include_as_is(device, strategy, **options)

    async def include_as_is(self, device: Any, strategy: int = DEFAULT, **options: Any) -> dict[str, Any]:
        """The same with whatever `pin` says already."""
        self.events.clear()
        await self.command("controller.begin_inclusion", options={"strategy": strategy, **options})
        device.press_button()
        return await self.event("node added")

    async def highest(self, node_id: int) -> str:
        """The node's highest security class by name; "none" is the one that is not there."""
        number = (await self.command("node.get_highest_security_class", nodeId=node_id))[
            "highestSecurityClass"
        ]
        return CLASSES.get(number, "none")

    async def ready(self, node_id: int) -> None:
        await self.house.wait_until(
            lambda: any(event["nodeId"] == node_id for event in self.of("ready", "node")),
            what="The interview",
        )

    def values(self, node_id: int) -> list[tuple[str, Any]]:
        """Every value that clients were told to have changed: property and new value."""
        return [
            (event["args"]["property"], event["args"]["newValue"])
            for event in self.of("value updated", "node")
            if event["nodeId"] == node_id
        ]

    async def statistics(self, node_id: int) -> dict[str, int]:
        state = (await self.command("node.get_state", nodeId=node_id))["state"]
        result: dict[str, int] = state["statistics"]
        return result

    def _react(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "grant security classes":
                asked = event["requested"]
                classes = asked["securityClasses"] if self.grant is True else self.grant
                grant = {**asked, "securityClasses": classes} if classes is not False else False
                self._reply("controller.grant_security_classes", inclusionGrant=grant)
            case "validate dsk and enter pin":
                self._reply("controller.validate_dsk_and_enter_pin", pin=self.pin)

    def _reply(self, command: str, **more: Any) -> None:
        async def reply() -> None:
            await asyncio.sleep(self.delay)
            await self.command(command, **more)

        task = asyncio.ensure_future(reply())
        self.dialogs.add(task)
        task.add_done_callback(self.dialogs.discard)


@asynccontextmanager
async def connected(house: ZWaveHouse) -> AsyncIterator[Host]:
    async with aiohttp.ClientSession() as session, session.ws_connect(house.url, max_msg_size=0) as socket:
        version = await socket.receive_json()
        assert version["type"] == "version"
        host = Host(house, socket)
        listening = asyncio.ensure_future(host.listen())
        try:
            await host.command("initialize", schemaVersion=SCHEMA)
            host.state = (await host.command("start_listening"))["state"]
            yield host
        finally:
            tasks = [listening, *host.dialogs]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
