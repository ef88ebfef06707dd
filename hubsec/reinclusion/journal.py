"""What is durable of a re-inclusion: one record for each network, sealed in the vault, since it holds the keys."""

from __future__ import annotations

import base64
from typing import Annotated, Final

import msgspec

from hubsec.errors import StoreError
from hubsec.identity import DSK_BYTES, Identity, SecurityClass
from hubsec.reinclusion.shapes import (
    DeviceProgress,
    Manner,
    Phase,
    ReinclusionProgress,
    Stage,
)
from hubsec.secret import Secret
from hubsec.store import AsyncStore
from hubsec.store.sealed import SecretKind
from hubsec.vault import Vault

VERSION: Final = 1
PREFIX: Final = "reinclusion:"
"""Begins the journals' names; what follows is the network's id."""
MAX_DEVICES: Final = 4000
"""Node ids of a network (ITU-T G.9959 and its Long Range annex)."""
SECRET_SIZE: Final = DSK_BYTES
"""Bytes of each of its secrets: a DSK has as many as a key."""
MAX_KEYS: Final = 16
"""Far beyond the six of zwave-js."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One device: who it is, where, how it comes back, and where that stands. `least`: the security class that it
    must have then. `witness`: it is known to be on the old keys, so that it shows which ones the server has. `dsk` is
    sealed with the rest; None for one that is lost, and missing from the start."""

    device: Identity
    name: str
    place: Identity
    manner: Manner
    least: SecurityClass
    sleepy: bool
    witness: bool = False
    dsk: Secret | None
    phase: Phase = Phase.PENDING
    detail: str = ""

    def __repr__(self) -> str:
        return f"<{self.name}: {self.phase}>"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return []


class Journal(msgspec.Struct, frozen=True, kw_only=True):
    """Where a re-inclusion stands. `keys` are the new ones, by the server's names. `ended_at` is set by whoever writes
    down that it is over."""

    reinclusion: str
    radio: str
    network_id: str
    by: str
    reason: str
    started_at: float
    keys: Annotated[dict[str, Secret], msgspec.Meta(max_length=MAX_KEYS)]
    rows: Annotated[tuple[Row, ...], msgspec.Meta(max_length=MAX_DEVICES)]
    stage: Stage = Stage.DRAWN
    paused: bool = False
    ended_at: float | None = None
    version: int = VERSION

    def __repr__(self) -> str:
        return f"<{self.reinclusion}: {self.stage}>"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return []

    @property
    def held(self) -> dict[Identity, Identity]:
        """Who is shut off at this point: each address that is, with its device."""
        if self.stage is Stage.DRAWN:
            return {}
        return {row.place: row.device for row in self.rows if row.phase is not Phase.DONE}

    def row(self, device: Identity) -> Row | None:
        """The row of that device."""
        return next((row for row in self.rows if row.device == device), None)

    def progress(
        self, *, current: Identity | None = None, standstill: str | None = None
    ) -> ReinclusionProgress:
        """The same without its secrets."""
        return ReinclusionProgress(
            reinclusion=self.reinclusion,
            radio=self.radio,
            network_id=self.network_id,
            by=self.by,
            reason=self.reason,
            started_at=self.started_at,
            stage=self.stage,
            paused=self.paused,
            devices=tuple(
                DeviceProgress(
                    device=row.device,
                    name=row.name,
                    place=row.place,
                    manner=row.manner,
                    phase=row.phase,
                    detail=row.detail,
                )
                for row in self.rows
            ),
            current=current,
            standstill=standstill,
            ended_at=self.ended_at,
        )


def _encoded(value: object) -> object:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError


def _decoded(kind: type, value: object) -> object:
    if kind is not Secret:
        raise NotImplementedError
    secret = Secret(base64.b64decode(value, validate=True) if isinstance(value, str) else b"")
    if len(secret) != SECRET_SIZE:
        raise ValueError("It has another length.")  # Which msgspec makes an error of its own of.
    return secret


# What is sealed right after: nothing else can encode a secret.
_encoder = msgspec.json.Encoder(enc_hook=_encoded)
_decoder = msgspec.json.Decoder(Journal, dec_hook=_decoded)


async def write(store: AsyncStore, journal: Journal, progress: ReinclusionProgress, *, at: float) -> None:
    """Keep it in place of the one before, with `progress`, which is what shows of it; durable when this returns. `at`
    in seconds since the epoch."""
    secret, name = Secret(_encoder.encode(journal)), f"{PREFIX}{journal.network_id}"
    await store.run(lambda blocking: blocking.keep_reinclusion(progress, name=name, journal=secret, at=at))


async def read(vault: Vault, network_id: str) -> Journal | None:
    """The one of that network. Raises :class:`~hubsec.errors.StoreError` for one that can't be read: new keys are not
    drawn over it, for devices may be on the ones in it."""
    secret = await vault.get(SecretKind.JOURNAL, f"{PREFIX}{network_id}")
    if secret is None:
        return None
    try:
        journal = _decoder.decode(secret.reveal())
    except msgspec.MsgspecError:
        journal = None
    if journal is None or journal.version != VERSION:
        raise StoreError(
            f"The journal of the re-inclusion of {network_id} is not one that this hubsec can read. The "
            "network's new keys are "
            "in it: use the hubsec that wrote it."
        )
    return journal


async def networks(vault: Vault) -> tuple[str, ...]:
    """The networks that have a journal."""
    names = await vault.names(SecretKind.JOURNAL)
    return tuple(name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))
