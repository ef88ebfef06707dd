"""The log as lines of JSON: for other programs, and for who keeps it elsewhere.

The first line is a header: ``hubsec_audit`` (the format's number), ``store``, ``after`` and ``previous`` (the number
and hash that the first record follows) and ``complete`` (whether no kind was left out). Each further line is a
record: ``seq``, ``at``, ``kind``, ``device``, ``correlation``, ``hash`` (hexadecimal) and ``body`` (an object), and
``previous`` where records before it were left out. A line verifies as long as nobody formats its body anew: what is
hashed are the body's own bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, Final

import msgspec

from hubsec.audit.checkpoints import Checkpoint
from hubsec.audit.records import Kind
from hubsec.audit.verifying import Progress, Row, Verified, Verifier
from hubsec.errors import AuditError

EXPORT_FORMAT: Final = 1
# The longest body is an event that lists devices; a network of 4,096, each with its identity, needs 200 kB.
LINE_BYTES: Final = 4 * 1024 * 1024

type _Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
type _Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class _Header(msgspec.Struct, frozen=True, kw_only=True):
    hubsec_audit: int
    store: Annotated[str, msgspec.Meta(max_length=64)]
    after: _Number
    previous: _Hash
    complete: bool


class _Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    seq: _Number
    at: float
    kind: Kind
    device: str | None
    correlation: str
    hash: _Hash
    body: msgspec.Raw
    previous: _Hash | None = None


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(_Line)


def export_lines(
    rows: Iterable[Row],
    write: Callable[[bytes], object],
    *,
    store: str,
    after: int,
    previous: bytes,
    kinds: Sequence[Kind] = (),
) -> int:
    """Write the header and the records that are of these kinds, or all; returns how many records those were.

    `rows` follow record `after`, whose hash is `previous`. Each call of `write` gets one line with its line break.
    """
    header = _Header(
        hubsec_audit=EXPORT_FORMAT, store=store, after=after, previous=previous.hex(), complete=not kinds
    )
    write(_encoder.encode(header) + b"\n")
    wanted = {kind.encode() for kind in kinds}
    count, follows = 0, True
    for seq, at, kind, device, correlation, body, digest in rows:
        if wanted and kind not in wanted:
            follows, previous = False, digest
            continue
        line = _Line(
            seq=seq,
            at=at,
            kind=_kind(seq, kind),
            device=None if device is None else device.decode(),
            correlation=correlation.decode(),
            hash=digest.hex(),
            body=msgspec.Raw(body),
            previous=None if follows else previous.hex(),
        )
        write(_encoder.encode(line) + b"\n")
        count, follows, previous = count + 1, True, digest
    return count


def _kind(seq: int, kind: bytes) -> Kind:
    try:
        return Kind(kind.decode())
    except ValueError:
        raise AuditError(f"Record {seq} was changed: it is of no kind.", fault="changed", seq=seq) from None


def verify_export(
    lines: Iterable[bytes],
    *,
    known: Sequence[Checkpoint] = (),
    key: str | None = None,
    progress: Progress | None = None,
) -> Verified:
    """Verify an export, line by line. Raises :class:`~hubsec.errors.AuditError` for the first that is wrong."""
    numbered = enumerate(lines, 1)
    try:
        header = msgspec.json.decode(_bounded(*next(numbered, (1, b""))), type=_Header)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise AuditError("That is no export of an audit log.", fault="malformed") from None
    if header.hubsec_audit != EXPORT_FORMAT:
        raise AuditError(
            f"The export has format {header.hubsec_audit}; this hubsec reads {EXPORT_FORMAT}.",
            fault="malformed",
        )
    previous = bytes.fromhex(header.previous) if header.after else None
    verifier = Verifier(header.store, after=header.after, previous=previous, known=known, key=key)
    for line in _read(numbered):
        if line.previous is not None:
            if header.complete:
                raise AuditError(
                    f"Records before {line.seq} were left out of an export that says that it is complete.",
                    fault="removed",
                    seq=line.seq,
                )
            verifier.leap(line.seq - 1, bytes.fromhex(line.previous))
        verifier.feed([_row(line)], progress)
    return verifier.done()


def _read(numbered: Iterator[tuple[int, bytes]]) -> Iterator[_Line]:
    for number, text in numbered:
        try:
            yield _decoder.decode(_bounded(number, text))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise AuditError(
                f"Line {number} of the export is no record: it was damaged, or cut off.", fault="malformed"
            ) from None


def _bounded(number: int, text: bytes) -> bytes:
    if len(text) > LINE_BYTES:
        raise AuditError(f"Line {number} of the export is too long.", fault="malformed")
    return text


def _row(line: _Line) -> Row:
    device = None if line.device is None else line.device.encode()
    return (
        line.seq,
        line.at,
        line.kind.encode(),
        device,
        line.correlation.encode(),
        bytes(line.body),
        bytes.fromhex(line.hash),
    )
