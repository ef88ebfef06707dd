"""What including devices anew takes of the server: to know whether a device reads it, whether it is silent, and to
free its place.

The command that the verdict rests on is one whose answer comes under the keys, or not at all: a plain "set" succeeds
on any device that acknowledges its frame. zwave-js supervises a set by itself where the device can (Supervision), and
says so by a status; where it could not, it gives none."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from zwave_js_server.exceptions import FailedZWaveCommand

from hubsec.errors import RadioError
from hubsec.identity import Identity, SecurityClass
from hubsec.reinclusion.radio import Place
from hubsec.reinclusion.shapes import Proof
from hubsec.secret import Secret
from hubsec_zwave.nodes import Node
from hubsec_zwave.station import Station

KEY_NAMES: Final = (
    "S0_Legacy",
    "S2_Unauthenticated",
    "S2_Authenticated",
    "S2_AccessControl",
    "LR_S2_Authenticated",
    "LR_S2_AccessControl",
)
"""The keys of a network. The first four are zwave-js's `securityKeys`; those that begin with :data:`LONG_RANGE` its
`securityKeysLongRange`, without that."""
LONG_RANGE: Final = "LR_"

POWERLEVEL: Final = 0x73
"""Mandatory for every Z-Wave Plus device (SDS14224, the role types' command classes)."""
SECURITY_2: Final = 0x9F
SUPERVISED: Final = frozenset({0x01, 0x02, 0xFF})
"""Working, failed, success (SDS13783, Supervision Report): each was said under the device's keys. 0, no support, is not
passed on: zwave-js then sends the command again without."""
CANNOT_DECODE: Final = 1405
"""zwave-js's `Security2CC_CannotDecode`: the device asked for a new nonce again and again."""

_READS_NOTHING: Final = frozenset({SecurityClass.NONE, SecurityClass.S0})


class ServerProcess(Protocol):
    """Who owns the server's process: an add-on, a container, a unit of systemd.

    hubsec hands it keys of 16 bytes each, by :data:`KEY_NAMES`; see :func:`server_keys`. It keeps them where the server
    reads them, and nobody else: the server can't be told otherwise than in the clear."""

    async def restart(self, keys: Mapping[str, Secret]) -> None:
        """End the server if it runs, and start it on these keys, from now on whenever it is started. Returns when it
        listens; whatever it raises says that it does not."""


def server_keys(keys: Mapping[str, Secret]) -> dict[str, dict[str, str]]:
    """`keys` as the settings of zwave-js have them (`securityKeys`, `securityKeysLongRange`), in hexadecimal digits.
    They are secrets: for a file that nobody else reads."""
    settings: dict[str, dict[str, str]] = {"securityKeys": {}, "securityKeysLongRange": {}}
    for name, key in keys.items():
        if name.startswith(LONG_RANGE):
            settings["securityKeysLongRange"][name.removeprefix(LONG_RANGE)] = key.reveal().hex()
        else:
            settings["securityKeys"][name] = key.reveal().hex()
    return settings


class Reincluding:
    """Asks the server, for devices that are included anew. `struck` are the nodes that it takes off the network
    itself."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._since: dict[Identity, float] = {}
        self._told: list[Callable[[bool], None]] = []

    def places(self) -> Sequence[Place]:
        """Every node but the controller."""
        nodes = self._station.nodes
        return tuple(
            Place(
                device=nodes.identity(node.node_id),
                place=nodes.address(node.node_id),
                name=node.name,
                security=node.security or SecurityClass.NONE,
                proved=node.proved,
                sleepy=node.sleepy,
            )
            for node in nodes
        )

    # Who listens for the connection

    def stands(self, callback: Callable[[bool], None]) -> Callable[[], None]:
        """Call `callback` whenever the connection is lost, or the guard stands on one again."""
        self._told.append(callback)

        def unsubscribe() -> None:
            with contextlib.suppress(ValueError):
                self._told.remove(callback)

        return unsubscribe

    def say(self, *, stands: bool) -> None:
        """It is so."""
        if not stands:
            self._since.clear()
        for callback in list(self._told):
            callback(stands)

    # Asking

    def node(self, place: Identity) -> Node | None:
        """The node at that address."""
        nodes = self._station.nodes
        return next((node for node in nodes if nodes.address(node.node_id) == place), None)

    async def proof(self, place: Identity) -> Proof:
        """Whether whoever is at `place` reads the server."""
        node = self.node(place)
        if node is None or node.security in _READS_NOTHING:
            return Proof.SILENT
        try:
            if await self._can(node.node_id, POWERLEVEL):
                said = await self._call(node.node_id, POWERLEVEL, "setNormalPowerlevel")
                if isinstance(said, Mapping) and said.get("status") in SUPERVISED:
                    return self._settled(place, Proof.KEYED)
            elif not node.interviewed and not self._has_waited(place):
                # What it can is not known yet.
                return await self._nothing(node) if node.dead else Proof.SILENT
            # It has no Powerlevel, or does not supervise it.
            answer = await self._call(node.node_id, SECURITY_2, "getSupportedCommands")
        except RadioError as error:
            cause = error.__cause__
            if isinstance(cause, FailedZWaveCommand) and cause.zwave_error_code == CANNOT_DECODE:
                return self._settled(place, Proof.OTHER_KEYS)
            return await self._nothing(node)
        return self._settled(place, Proof.KEYED) if isinstance(answer, list) else Proof.SILENT

    async def _nothing(self, node: Node) -> Proof:
        """What it means that a node has not answered; one that sleeps never does in time."""
        if node.sleepy:
            return Proof.SILENT
        with contextlib.suppress(RadioError):
            result = await self._station.command("node.ping", nodeId=node.node_id)
            return Proof.SILENT if result.get("responded") is True else Proof.ABSENT
        return Proof.SILENT

    def _has_waited(self, place: Identity) -> bool:
        now = self._station.now()
        return now - self._since.setdefault(place, now) > self._station.limits.interview

    def _settled(self, place: Identity, proof: Proof) -> Proof:
        self._since.pop(place, None)
        return proof

    async def _can(self, node_id: int, command_class: int) -> bool:
        result = await self._station.command(
            "endpoint.supports_cc_api", nodeId=node_id, endpoint=0, commandClass=command_class
        )
        return result.get("supported") is True

    async def _call(self, node_id: int, command_class: int, method: str) -> Any:
        result = await self._station.command(
            "endpoint.invoke_cc_api",
            nodeId=node_id,
            endpoint=0,
            commandClass=command_class,
            methodName=method,
            args=[],
        )
        return result.get("response")

    async def is_silent(self, place: Identity) -> bool:
        """Whether a ping to it is not answered; what is not there any more is silent as well."""
        node = self.node(place)
        if node is None:
            return True
        result = await self._station.command("node.ping", nodeId=node.node_id)
        return result.get("responded") is False

    async def strike_off(self, place: Identity) -> None:
        """Have the controller forget the silent node there."""
        node = self.node(place)
        if node is None:
            return
        self._station.struck.add(place)
        try:
            await self._station.command("controller.remove_failed_node", nodeId=node.node_id)
        except BaseException:
            self._station.struck.discard(place)
            raise
