"""Verifying: the chain from its first record to its last, and every signature on the way. Reads rows, and no disk.

The rules
1. Numbers rise by one. A number that is passed over was removed; one that comes again, or falls, was moved.
2. A record's hash is the one that its own text gives after the record before it. Else that record was changed, or
   another one was put in its place.
3. A checkpoint among the records speaks of the record before it, of this store, and is signed by the one key of this
   log. Another key takes over only behind a record that says that the vault's secrets were forgotten, and never where
   a key or a checkpoint from elsewhere is given.
4. What begins later than at record 1 begins where a signed checkpoint says that it was cut.
5. A checkpoint from elsewhere names the hash that its record has, by the same key, and no record that is missing at
   the end.
6. The first record at which any of this fails is named, and nothing behind it is looked at.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from hubsec.audit.chain import genesis, link, packed
from hubsec.audit.checkpoints import Checkpoint, read_checkpoint
from hubsec.audit.records import Kind
from hubsec.errors import AuditError

type Row = tuple[int, float, bytes, bytes | None, bytes, bytes, bytes]
"""A record as bytes: number, time, kind, device, correlation, body, hash."""
type Progress = Callable[[int], object]
"""Is told how many records have been verified, now and then."""

PROGRESS_EVERY: Final = 10_000
SECRETS_FORGOTTEN: Final = "secrets-forgotten"
"""The act after which the log has another key."""
_CHECKPOINT: Final = Kind.CHECKPOINT.encode()
_ACT: Final = Kind.ACT.encode()


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """A log that is whole, from record `first` to `last`; 0 and 0 for one without a record.

    `hash` is the last one's, hexadecimal. `signed_to` is the last number that a signature covers, None where none
    does: what is behind it is only as good as the disk. `keys` are the public keys that signed, in their order: more
    than one where the vault's secrets were forgotten, which is what somebody without the vault's key would write as
    well. `left_out` is how many records an export was made without. `by_vault`: the last of `keys` is the vault's own;
    where it could not be asked, as of an export, anybody may have signed. `not_compared` are the checkpoints from
    elsewhere, by number, that say nothing of this: their records were left out, or dropped.
    """

    store: str
    first: int
    last: int
    records: int
    hash: str
    checkpoints: int
    signed_to: int | None
    keys: tuple[str, ...]
    left_out: int = 0
    by_vault: bool = False
    not_compared: tuple[int, ...] = ()


class Verifier:
    """Takes rows in their order. `known` are checkpoints from elsewhere, `key` a public key from there."""

    def __init__(
        self,
        store: str,
        *,
        after: int = 0,
        previous: bytes | None = None,
        known: Sequence[Checkpoint] = (),
        key: str | None = None,
    ) -> None:
        self._store = store
        self._first: int | None = None
        self._last = after
        self._previous = genesis(store) if previous is None else previous
        self._records = self._checkpoints = self._left_out = 0
        self._signed_to: int | None = None
        self._keys = [] if key is None else [key]
        self._pinned = key is not None or bool(known)
        self._forgotten = False
        self._known: dict[int, Checkpoint] = {}
        self._compared: set[int] = set()
        for one in known:
            one.check()
            self._own(one, one.seq)
            other = self._known.setdefault(one.seq, one)
            if other.hash != one.hash:
                raise AuditError(
                    f"Two checkpoints from elsewhere disagree about record {one.seq}.",
                    fault="forged",
                    seq=one.seq,
                )
        self._compare(self._last)

    def leap(self, after: int, previous: bytes) -> None:
        """Some records were left out on purpose; the next one follows `previous`, which was record `after`'s hash."""
        if after <= self._last:
            raise AuditError(
                f"Record {after + 1} stands behind record {self._last}.", fault="reordered", seq=after + 1
            )
        self._left_out += after - self._last
        self._last, self._previous = after, previous
        self._compare(after)

    def feed(self, rows: Iterable[Row], progress: Progress | None = None) -> None:
        """Verify what follows. Raises :class:`~hubsec.errors.AuditError` for the first record that is wrong."""
        # Half a million times: what is looked up once is not looked up for each.
        last, previous, known, count = self._last, self._previous, self._known, self._records
        try:
            for seq, at, kind, device, correlation, body, digest in rows:
                if seq != last + 1:
                    raise _jump(last, seq)
                try:
                    named = None if device is None else device.decode()
                    own = packed((at, kind.decode(), named, correlation.decode(), body))
                    found = link(previous, seq, own)
                except (ValueError, TypeError, struct.error):
                    found = b""
                if found != digest:
                    raise _changed(seq)
                if kind == _CHECKPOINT:
                    self._checkpoint(seq, body, previous)
                elif kind == _ACT and not self._pinned and _forgets(body):
                    self._forgotten = True
                last, previous, count = seq, digest, count + 1
                if self._first is None:
                    self._first = seq
                if known and seq in known:
                    self._last, self._previous = last, previous
                    self._compare(seq)
                if progress is not None and not count % PROGRESS_EVERY:
                    progress(count)
        finally:
            self._last, self._previous, self._records = last, previous, count

    def done(self) -> Verified:
        """What was verified. Raises :class:`~hubsec.errors.AuditError` when a checkpoint from elsewhere knows more."""
        newest = max(self._known, default=0)
        if newest > self._last:
            raise AuditError(
                f"The newest records are missing: there are {self._last}, and the checkpoint is about record {newest}.",
                fault="cut",
                seq=self._last + 1,
            )
        return Verified(
            store=self._store,
            first=self._first or 0,
            last=self._last if self._first else 0,
            records=self._records,
            hash=self._previous.hex(),
            checkpoints=self._checkpoints,
            signed_to=self._signed_to,
            keys=tuple(self._keys),
            left_out=self._left_out,
            not_compared=tuple(sorted(self._known.keys() - self._compared)),
        )

    def _checkpoint(self, seq: int, body: bytes, previous: bytes) -> None:
        try:
            found = read_checkpoint(body)
            found.check()
            self._own(found, seq)
        except AuditError as error:
            raise AuditError(f"Record {seq}: {error}", fault=error.fault, seq=seq) from None
        if found.seq != seq - 1 or found.hash != previous.hex():
            raise AuditError(
                f"The checkpoint in record {seq} was signed over other records: something between the checkpoint "
                "before it and this one was written anew.",
                fault="forged",
                seq=seq if self._signed_to is None else self._signed_to + 1,
            )
        self._signed_to = found.seq
        self._checkpoints += 1

    def _own(self, checkpoint: Checkpoint, seq: int) -> None:
        if checkpoint.store != self._store:
            raise AuditError("The checkpoint is another store's.", fault="forged", seq=seq)
        if not self._keys or (self._forgotten and checkpoint.key != self._keys[-1]):
            self._keys.append(checkpoint.key)
            self._forgotten = False
        elif checkpoint.key != self._keys[-1]:
            raise AuditError(
                "The checkpoint is signed by another key than this log's.", fault="forged", seq=seq
            )

    def _compare(self, seq: int) -> None:
        known = self._known.get(seq)
        if known is None:
            return
        if known.hash != self._previous.hex():
            raise AuditError(
                f"Record {seq} is not the one that the checkpoint was made of: it, or one before it, was written anew.",
                fault="forged",
                seq=seq,
            )
        self._signed_to = max(seq, self._signed_to or 0)
        self._compared.add(seq)


def anchored(checkpoint: Checkpoint, first: int) -> tuple[int, bytes]:
    """The number and hash that record `first` follows, as a signed cut says. Raises
    :class:`~hubsec.errors.AuditError` when it says something else, or is not signed."""
    checkpoint.check()
    cut = checkpoint.cut
    if cut is None or cut.last != first - 1:
        raise unsigned(first)
    return cut.last, bytes.fromhex(cut.hash)


def unsigned(first: int) -> AuditError:
    """The oldest records are missing, and nobody signed for that."""
    return AuditError(
        f"The log begins with record {first}, and no checkpoint signs that the older ones were dropped.",
        fault="truncated",
        seq=first,
    )


class _Acted(msgspec.Struct):
    act: str


def _forgets(body: bytes) -> bool:
    try:
        return msgspec.json.decode(body, type=_Acted).act == SECRETS_FORGOTTEN
    except msgspec.MsgspecError:
        return False


def _changed(seq: int) -> AuditError:
    return AuditError(
        f"Record {seq} was changed, or is not the one that followed record {seq - 1}.",
        fault="changed",
        seq=seq,
    )


def _jump(last: int, seq: int) -> AuditError:
    if seq <= last:
        return AuditError(f"Record {seq} stands behind record {last}.", fault="reordered", seq=seq)
    gone = f"Record {last + 1} was" if seq == last + 2 else f"Records {last + 1} to {seq - 1} were"
    return AuditError(f"{gone} removed.", fault="removed", seq=last + 1)
