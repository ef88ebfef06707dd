"""EZSP frames: header, command tables by version, and both directions of the codec.

A frame is ``sequence, frame control, frame id, parameters``. The first version command of a connection has the legacy
header (three bytes, 1-byte id); everything else from version 8 on has the extended one (2-byte frame control whose
low bits of the second byte say 1, 2-byte id). Source: UG100 section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar

from hubsec_emulated.errors import FrameError
from hubsec_emulated.ncp.ezsp import v13, v14, v18
from hubsec_emulated.ncp.ezsp.status import InvalidCommand, Status
from hubsec_emulated.ncp.ezsp.types import (
    Schema,
    Values,
    Wire,
    decode_fields,
    encode_fields,
    parse_schema,
    wires,
)

SUPPORTED_VERSIONS = (13, 14, 18)
DEFAULT_VERSION = 14

VERSION_ID = 0x0000
LEGACY_VERSION_LENGTH = 4
"""A legacy version command: three bytes of header and the desired version."""
EXTENDED_HEADER = 5
FORMAT_MASK = 0x03
FORMAT_EXTENDED = 0x01
RESPONSE = 0x80
ASYNC_CALLBACK = 0x10


class InvalidFrameError(FrameError):
    """A frame that is answered by invalidCommand, for :attr:`reason`; *sequence* is None if it could not be read."""

    def __init__(self, message: str, reason: InvalidCommand, sequence: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.sequence = sequence


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """One line of a command table; *response* is None for a callback."""

    frame_id: int
    name: str
    request: Schema
    response: Schema | None
    present: Schema | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """A command from the host; *legacy* says that its header was the short one."""

    sequence: int
    name: str
    args: Values = field(repr=False)
    legacy: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A response or callback as a host reads it."""

    sequence: int
    name: str
    values: Values = field(repr=False)
    callback: bool = False


def _parse(table: str, known: Mapping[str, Wire]) -> dict[str, CommandSpec]:
    specs = {}
    for line in table.strip().splitlines():
        head, arrow, tail = line.partition("->")
        number, name, request = (*head.strip().split(" ", 2), "")[:3]
        specs[name] = CommandSpec(
            frame_id=int(number, 16),
            name=name,
            request=parse_schema(request, known),
            response=parse_schema(tail, known) if arrow else None,
        )
    return specs


def _with_deltas(version: int, known: Mapping[str, Wire]) -> dict[str, CommandSpec]:
    specs = _parse(v14.COMMANDS, known)
    if version < DEFAULT_VERSION:
        for name in v13.REMOVED:
            del specs[name]
        specs.update(_parse(v13.COMMANDS, known))
    elif version > DEFAULT_VERSION:
        specs.update(_parse(v18.COMMANDS, known))
    for name, spec in _parse(v14.PRESENT, known).items():
        short = specs[name]
        specs[name] = CommandSpec(short.frame_id, name, short.request, short.response, spec.response)
    return specs


def _fit(schema: Schema, values: Mapping[str, Any]) -> Values:
    """The values that this version's layout has room for: handlers give those of all versions."""
    return {entry.name: values[entry.name] for entry in schema if entry.name in values}


class Codec:
    """Frames of one protocol version.

    :raises FrameError: from :meth:`for_version`, if the version is not one of :data:`SUPPORTED_VERSIONS`.
    """

    INVALID_COMMAND: ClassVar[str] = "invalidCommand"

    def __init__(self, version: int) -> None:
        self.version = version
        self.by_name = _with_deltas(version, wires(version))
        self.by_id = {spec.frame_id: spec for spec in self.by_name.values()}

    @staticmethod
    @cache
    def for_version(version: int) -> Codec:
        """The codec of *version*, made once."""
        if version not in SUPPORTED_VERSIONS:
            raise FrameError(f"EZSP version {version} is not one of {SUPPORTED_VERSIONS}")
        return Codec(version)

    def decode_command(self, frame: bytes) -> Command:
        """Read a frame from the host. Bytes after the parameters are ignored, as silicon does.

        :raises InvalidFrameError: it has no known header or id, or ends too early.
        """
        if len(frame) == LEGACY_VERSION_LENGTH and frame[2] == VERSION_ID:
            return Command(frame[0], "version", {"desired": frame[3]}, legacy=True)
        if len(frame) < EXTENDED_HEADER or frame[2] & FORMAT_MASK != FORMAT_EXTENDED:
            sequence = frame[0] if frame else None
            raise InvalidFrameError("no EZSP header", InvalidCommand.INVALID_VALUE, sequence)
        frame_id = int.from_bytes(frame[3:5], "little")
        spec = self.by_id.get(frame_id)
        if spec is None or spec.response is None:
            raise InvalidFrameError(
                f"no command has the id 0x{frame_id:04X}", InvalidCommand.INVALID_FRAME_ID, frame[0]
            )
        try:
            args, _ = decode_fields(spec.request, frame, EXTENDED_HEADER)
        except FrameError as error:
            raise InvalidFrameError(f"{spec.name}: {error}", InvalidCommand.TRUNCATED, frame[0]) from error
        return Command(frame[0], spec.name, args)

    def encode_response(self, command: Command, values: Mapping[str, Any]) -> bytes:
        """The response to *command*, with the kind of header that the command had."""
        spec = self.by_name[command.name]
        schema = spec.response or ()
        if spec.present is not None and values.get("status", Status.OK) == Status.OK:
            schema = spec.present
        encoded = encode_fields(schema, _fit(schema, values))
        if command.legacy:
            return bytes((command.sequence, RESPONSE, VERSION_ID)) + encoded
        return self._header(command.sequence, RESPONSE, spec.frame_id) + encoded

    def encode_invalid(self, sequence: int, reason: InvalidCommand) -> bytes:
        """An invalidCommand with its reason in the first of four bytes: hosts read one byte or all of them."""
        spec = self.by_name[self.INVALID_COMMAND]
        return self._header(sequence, RESPONSE, spec.frame_id) + encode_fields(
            spec.request, {"reason": reason}
        )

    def encode_callback(self, sequence: int, name: str, values: Mapping[str, Any]) -> bytes:
        """A callback; *sequence* has to be one that the host does not wait for any more."""
        spec = self.by_name[name]
        header = self._header(sequence, RESPONSE | ASYNC_CALLBACK, spec.frame_id)
        return header + encode_fields(spec.request, _fit(spec.request, values))

    @staticmethod
    def _header(sequence: int, control: int, frame_id: int) -> bytes:
        return bytes((sequence, control, FORMAT_EXTENDED)) + frame_id.to_bytes(2, "little")

    def encode_command(self, sequence: int, name: str, values: Mapping[str, Any]) -> bytes:
        """A command as a host sends it."""
        spec = self.by_name[name]
        return self._header(sequence, 0, spec.frame_id) + encode_fields(spec.request, values)

    def decode_answer(self, frame: bytes) -> Answer:
        """Read a response or callback, as a host does.

        :raises FrameError: it has no known header or id, or ends too early.
        """
        if len(frame) < EXTENDED_HEADER or frame[2] & FORMAT_MASK != FORMAT_EXTENDED:
            raise FrameError("no EZSP header")
        spec = self.by_id.get(int.from_bytes(frame[3:5], "little"))
        if spec is None:
            raise FrameError("no frame has this id")
        schema = spec.request if spec.response is None else spec.response
        values, end = decode_fields(schema, frame, EXTENDED_HEADER)
        if spec.present is not None and end < len(frame):
            values, _ = decode_fields(spec.present, frame, EXTENDED_HEADER)
        return Answer(frame[0], spec.name, values, callback=bool(frame[1] & ASYNC_CALLBACK))
