"""Properties of the chain, of exports and of checkpoints, whatever bytes come."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubsec.audit.chain import genesis, link, packed
from hubsec.audit.checkpoints import Cut, Signer, read_checkpoint
from hubsec.audit.exporting import export_lines, verify_export
from hubsec.audit.records import Kind, draft
from hubsec.audit.verifying import Row, Verifier
from hubsec.errors import AuditError, StoreError
from hubsec.secret import Secret

# No test may take long; the machine that runs it may be slow.
QUICK = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
STORE = "a store"
SIGNER = Signer(Secret(bytes(range(32))))

texts = st.text(max_size=12)
fields = st.tuples(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([kind for kind in Kind if kind is not Kind.CHECKPOINT]),
    st.none() | texts,
    texts,
    st.dictionaries(texts, st.integers() | texts, max_size=3),
)


def chained(given_fields: list[tuple[float, Kind, str | None, str, object]]) -> list[Row]:
    """These records as rows, with a checkpoint behind them."""
    previous, rows = genesis(STORE), []
    for seq, (at, kind, device, correlation, body) in enumerate(given_fields, 1):
        made = draft(at, kind, device, correlation, body)
        previous = link(previous, seq, made.own)
        rows.append(_row(seq, made.at, kind, device, correlation, made.body, previous))
    signed = SIGNER.sign(STORE, len(rows), previous, at=1.0)
    made = draft(1.0, Kind.CHECKPOINT, None, "", msgspec.Raw(signed.encode()))
    rows.append(
        _row(
            len(rows) + 1, 1.0, Kind.CHECKPOINT, None, "", made.body, link(previous, len(rows) + 1, made.own)
        )
    )
    return rows


def _row(
    seq: int, at: float, kind: Kind, device: str | None, correlation: str, body: str, digest: bytes
) -> Row:
    name = None if device is None else device.encode()
    return (seq, at, kind.encode(), name, correlation.encode(), body.encode(), digest)


def exported(rows: list[Row]) -> list[bytes]:
    lines: list[bytes] = []
    export_lines(rows, lines.append, store=STORE, after=0, previous=genesis(STORE))
    return lines


@QUICK
@given(st.lists(fields, max_size=6))
def test_what_was_chained_is_whole_and_so_is_its_export(
    records: list[tuple[float, Kind, str | None, str, object]],
) -> None:
    rows = chained(records)
    verifier = Verifier(STORE)
    verifier.feed(rows)
    found = verifier.done()
    assert (found.records, found.signed_to, found.keys) == (len(rows), len(records), (SIGNER.key,))
    assert verify_export(exported(rows)) == found


@QUICK
@given(st.lists(fields, min_size=2, max_size=6), st.data())
def test_no_order_and_no_choice_of_records_passes_for_another(
    records: list[tuple[float, Kind, str | None, str, object]], data: st.DataObject
) -> None:
    rows = chained(records)
    other = data.draw(st.permutations(rows))[: data.draw(st.integers(1, len(rows)))]
    verifier = Verifier(STORE)
    if other == rows[: len(other)]:
        verifier.feed(other)
        return
    with pytest.raises(AuditError):
        verifier.feed(other)


parts = st.tuples(
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=3),
    st.none() | st.text(max_size=3),
    st.text(max_size=3),
    st.binary(max_size=3),
)


@QUICK
@given(parts, parts)
def test_no_two_records_hash_the_same_bytes(
    one: tuple[float, str, str | None, str, bytes], other: tuple[float, str, str | None, str, bytes]
) -> None:
    # Zero and minus zero are equal, and packed apart: a record has the first only.
    same = one[1:] == other[1:] and repr(one[0]) == repr(other[0])
    assert (packed(one) == packed(other)) is same


@pytest.mark.parametrize("at", [math.nan, math.inf, -math.inf])
def test_no_record_is_of_no_time(at: float) -> None:
    with pytest.raises(StoreError):
        draft(at, Kind.ACT, None, "", {})
    assert repr(draft(-0.0, Kind.ACT, None, "", {}).at) == "0.0"


ROWS = chained([(1.5, Kind.ACT, "a", "b", {"act": "x", "n": n}) for n in range(3)])
EXPORT = b"".join(exported(ROWS))


@settings(QUICK, max_examples=250)
@given(st.integers(0, len(EXPORT) - 1), st.integers(0, 255))
def test_an_export_with_another_byte_is_another_text_of_the_same_or_is_told(place: int, byte: int) -> None:
    text = bytearray(EXPORT)
    text[place] = byte
    try:
        found = verify_export(bytes(text).splitlines(keepends=True))
    except AuditError:
        return
    # A field's name that nobody knows is passed over, and white space is none of a record's.
    assert (found.records, found.hash) == (len(ROWS), ROWS[-1][6].hex())


@QUICK
@given(st.lists(st.binary(max_size=80), max_size=4))
def test_no_bytes_are_anything_but_an_error(lines: list[bytes]) -> None:
    with pytest.raises(AuditError):
        verify_export(lines)
    with pytest.raises(AuditError):
        verify_export([EXPORT.splitlines(keepends=True)[0], *lines, b"{"])
    with pytest.raises(AuditError):
        read_checkpoint(b"".join(lines))


SIGNED = SIGNER.sign(STORE, 9, bytes(32), at=2.0, cut=Cut(first=1, last=4, hash="ab" * 32)).encode()


@settings(QUICK, max_examples=150)
@given(st.integers(0, len(SIGNED) - 1), st.integers(0, 255))
def test_a_checkpoint_with_another_byte_says_the_same_or_nothing(place: int, byte: int) -> None:
    text = bytearray(SIGNED)
    text[place] = byte
    try:
        found = read_checkpoint(bytes(text))
        found.check()
    except AuditError:
        return
    assert found.encode() == SIGNED
