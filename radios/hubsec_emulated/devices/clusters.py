"""Clusters as a device serves them: attributes with their types, and what its commands do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hubsec_emulated.wire.zcl import (
    AttributeStatus,
    DataType,
    ReadAttributesResponse,
    Value,
    WriteAttributes,
    WriteAttributesResponse,
    ZclStatus,
)


@dataclass(slots=True)
class AttributeSlot:
    """One attribute of a served cluster: `on_write` is told a value that a host wrote, after it was taken."""

    id: int
    type: DataType
    value: int | float | str | bytes | None
    writable: bool = False
    on_write: Callable[[], None] | None = None

    @property
    def typed(self) -> Value:
        """The value as it goes over the air."""
        return Value(self.type, self.value)


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of a cluster command: the `status` of a default response, or a response of the cluster's own."""

    status: ZclStatus = ZclStatus.SUCCESS
    response: int | None = None
    payload: bytes = b""


type CommandHandler = Callable[[bytes], CommandResult]
"""Called with a cluster command's payload; may raise FrameError, which is answered by MALFORMED_COMMAND."""


@dataclass(slots=True)
class ServedCluster:
    """A server cluster on one endpoint. `on_change` is told the id of each attribute whose value changed."""

    id: int
    attributes: dict[int, AttributeSlot] = field(default_factory=dict)
    commands: dict[int, CommandHandler] = field(default_factory=dict)
    on_change: Callable[[int], None] | None = None

    @classmethod
    def of(cls, cluster: int, slots: Iterable[AttributeSlot] = ()) -> ServedCluster:
        """A cluster with these attributes."""
        return cls(cluster, {slot.id: slot for slot in slots})

    def __getitem__(self, attribute: int) -> int | float | str | bytes | None:
        return self.attributes[attribute].value

    def __setitem__(self, attribute: int, value: float | str | bytes) -> None:
        slot = self.attributes[attribute]
        changed = slot.value != value
        slot.value = value
        if changed and self.on_change is not None:
            self.on_change(attribute)

    def read(self, attributes: Iterable[int]) -> ReadAttributesResponse:
        """Answer Read Attributes."""
        records = []
        for attribute in attributes:
            slot = self.attributes.get(attribute)
            if slot is None:
                records.append(AttributeStatus(attribute, ZclStatus.UNSUPPORTED_ATTRIBUTE))
            else:
                records.append(AttributeStatus(attribute, ZclStatus.SUCCESS, slot.typed))
        return ReadAttributesResponse(tuple(records))

    def write(self, request: WriteAttributes) -> WriteAttributesResponse:
        """Take what may be written, and answer Write Attributes."""
        failures = []
        for record in request.records:
            slot = self.attributes.get(record.attribute)
            if slot is None:
                failures.append((ZclStatus.UNSUPPORTED_ATTRIBUTE, record.attribute))
            elif not slot.writable:
                failures.append((ZclStatus.READ_ONLY, record.attribute))
            elif record.value.type != slot.type or record.value.value is None:
                failures.append((ZclStatus.INVALID_DATA_TYPE, record.attribute))
            else:
                self[record.attribute] = record.value.value
                if slot.on_write is not None:
                    slot.on_write()
        return WriteAttributesResponse(tuple(failures))
