"""The co-processor's non-volatile memory: what a reset, and a power cut, leave in place.

Kept in memory, and in a JSON file if one is given: like the flash of a real stick it holds keys in clear, so the file
is made readable for its owner alone. Source of the set of tokens: EmberZNet ``stack-tokens``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from hubsec_emulated.errors import EmulationError

DEFAULT_EUI64 = 0x00_12_4B_00_0E_50_C0_DE
"""EUI64 of the emulated stick as it left the factory."""
NO_EUI64 = 0xFFFF_FFFF_FFFF_FFFF
"""An erased EUI64 token."""
COUNTER_RESERVE = 4096
"""Frame counters are written once in so many frames, and resume after a reset at the next multiple of it."""
KEY_LENGTH = 16
FILE_MODE = 0o600


@dataclass(slots=True)
class NetworkTokens:
    """Parameters of the network that the co-processor formed."""

    pan_id: int
    extended_pan_id: int
    channel: int
    tx_power: int = 8
    manager: int = 0
    update_id: int = 0
    channels: int = 0x07FF_F800


@dataclass(slots=True)
class KeyTokens:
    """The network key with its alternate, and the trust center's own link key.

    *trust_center_key* is the seed of hashed link keys or the global link key, as *bitmask* says. There are two slots:
    *alternate_key* is the next key while a change is under way; after the switch *previous_key* lies in that slot, and
    still opens frames, until a further key overwrites it [assumed].
    """

    network_key: bytes = field(repr=False)
    sequence: int
    trust_center_key: bytes = field(repr=False)
    bitmask: int
    trust_center: int
    alternate_key: bytes | None = field(default=None, repr=False)
    alternate_sequence: int = 0
    previous_key: bytes | None = field(default=None, repr=False)
    previous_sequence: int = 0

    def stage(self, key: bytes, sequence: int) -> None:
        """Put the next key into the second slot."""
        self.alternate_key, self.alternate_sequence = key, sequence
        self.previous_key, self.previous_sequence = None, 0

    def switch(self, key: bytes) -> None:
        """Use *key*, the alternate one; the one before changes places with it."""
        self.previous_key, self.previous_sequence = self.network_key, self.sequence
        self.network_key, self.sequence = key, self.alternate_sequence
        self.alternate_key, self.alternate_sequence = None, 0

    def held(self) -> dict[int, bytes]:
        """Every key by sequence number."""
        found = {self.sequence: self.network_key}
        if self.alternate_key is not None:
            found[self.alternate_sequence] = self.alternate_key
        if self.previous_key is not None:
            found[self.previous_sequence] = self.previous_key
        return found


@dataclass(slots=True)
class LinkKeyEntry:
    """One entry of the link key table."""

    eui64: int
    key: bytes = field(repr=False)
    authorized: bool = True


@dataclass(slots=True)
class ChildEntry:
    """One entry of the child table; *type* is an EmberNodeType."""

    eui64: int
    short: int
    type: int = 4


@dataclass(slots=True)
class Tokens:
    """All of the non-volatile state. Call :meth:`save` after a change."""

    manufactured_eui64: int = DEFAULT_EUI64
    restored_eui64: int = NO_EUI64
    custom_eui64: int = NO_EUI64
    boot_count: int = 0
    nwk_counter: int = 0
    aps_counter: int = 0
    network: NetworkTokens | None = None
    keys: KeyTokens | None = None
    link_keys: list[LinkKeyEntry | None] = field(default_factory=list)
    children: list[ChildEntry | None] = field(default_factory=list)
    unique_joiners: list[int] = field(default_factory=list)
    application: dict[str, bytes] = field(default_factory=dict, repr=False)
    path: Path | None = None

    @property
    def eui64(self) -> int:
        """The EUI64 in force: a restored one, else a custom one, else the manufactured one."""
        for candidate in (self.restored_eui64, self.custom_eui64):
            if candidate != NO_EUI64:
                return candidate
        return self.manufactured_eui64

    def reserve_counters(self) -> None:
        """Step the frame counters past everything that may have been sent since they were last written."""
        for name in ("nwk_counter", "aps_counter"):
            value = getattr(self, name)
            if value:
                setattr(self, name, (value // COUNTER_RESERVE + 1) * COUNTER_RESERVE)

    def forget_network(self, *, keep_counters: bool) -> None:
        """Back to a stick without a network; EUI64 tokens and boot counter stay."""
        self.network = None
        self.keys = None
        self.link_keys.clear()
        self.children.clear()
        self.unique_joiners.clear()
        if not keep_counters:
            self.nwk_counter = self.aps_counter = 0

    def wipe(self) -> None:
        """A blank stick from the factory, with its own EUI64 and nothing else."""
        self.forget_network(keep_counters=False)
        self.restored_eui64 = self.custom_eui64 = NO_EUI64
        self.application.clear()
        self.boot_count = 0
        self.save()

    def save(self) -> None:
        """Write the file, if there is one, in one step.

        :raises EmulationError: the file can't be written.
        """
        if self.path is None:
            return
        plain = {
            entry.name: _plain(getattr(self, entry.name)) for entry in fields(self) if entry.name != "path"
        }
        temporary = self.path.with_name(self.path.name + ".new")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(plain, file, indent=1)
            temporary.replace(self.path)
        except OSError as error:
            raise EmulationError(f"the tokens can't be written to {self.path}: {error.strerror}") from error

    @classmethod
    def load(cls, path: Path) -> Tokens:
        """Read the file, or start anew with it if there is none.

        :raises EmulationError: the file can't be read, or is not one that :meth:`save` wrote.
        """
        if not path.exists():
            return cls(path=path)
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
            return cls._from_plain(plain, path)
        except OSError as error:
            raise EmulationError(f"the tokens can't be read from {path}: {error.strerror}") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            # The cause would quote the file, which holds keys.
            raise EmulationError(f"{path} holds no tokens; remove it to start with a blank stick") from error

    @classmethod
    def _from_plain(cls, plain: dict[str, Any], path: Path) -> Tokens:
        tokens = cls(path=path)
        for name in (
            "manufactured_eui64",
            "restored_eui64",
            "custom_eui64",
            "boot_count",
            "nwk_counter",
            "aps_counter",
        ):
            setattr(tokens, name, int(plain[name]))
        if plain["network"] is not None:
            tokens.network = NetworkTokens(**{name: int(value) for name, value in plain["network"].items()})
        if plain["keys"] is not None:
            tokens.keys = KeyTokens(
                **_with_keys(
                    plain["keys"], "network_key", "trust_center_key", "alternate_key", "previous_key"
                )
            )
        tokens.link_keys = _entries(plain["link_keys"], lambda row: LinkKeyEntry(**_with_keys(row, "key")))
        tokens.children = _entries(plain["children"], lambda row: ChildEntry(**row))
        tokens.unique_joiners = [int(eui64) for eui64 in plain["unique_joiners"]]
        tokens.application = {name: bytes.fromhex(value) for name, value in plain["application"].items()}
        return tokens


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, NetworkTokens | KeyTokens | LinkKeyEntry | ChildEntry):
        return _plain(asdict(value))
    return value


def _with_keys(row: dict[str, Any], *names: str) -> dict[str, Any]:
    converted = dict(row)
    for name in names:
        # A file of before there were two slots has no previous key.
        if converted.get(name) is not None:
            converted[name] = bytes.fromhex(converted[name])
            if len(converted[name]) != KEY_LENGTH:
                raise ValueError("a key has 16 bytes")
    return converted


def _entries[Entry](rows: list[Any], make: Callable[[dict[str, Any]], Entry]) -> list[Entry | None]:
    return [None if row is None else make(row) for row in rows]
