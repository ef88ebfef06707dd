"""Checkpoints: signatures over the log up to a record, and over what was dropped from its beginning.

Signed by Ed25519 (RFC 8032) are: a domain tag; the store's name with its length; number (8 bytes), time (a double),
hash (32 bytes) and public key (32 bytes); then one byte that says whether something was cut, and if so the first and
last number (8 bytes each) and the last hash of that. As JSON, hashes, keys and signatures are hexadecimal.
"""

from __future__ import annotations

import struct
from typing import Annotated, Final

import msgspec

from hubsec.errors import AuditError
from hubsec.secret import Secret

KEY_BYTES: Final = 32
# RFC 8032, 5.1.6: 64 bytes. The numbers are SQLite's: up to 2^63 - 1.
CHECKPOINT_BYTES: Final = 4096
"""More than any checkpoint takes as JSON: it has a name, three hashes or keys, and a signature."""
_TAG: Final = b"hubsec audit checkpoint 1\0"
_PLACE: Final = struct.Struct(">Qd")
_SPAN: Final = struct.Struct(">QQ")

type _Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
type _Hex32 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
type _Hex64 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{128}$")]


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """Records that are no longer there: from `first` to `last`, whose hash was `hash`."""

    first: _Number
    last: _Number
    hash: _Hex32

    @property
    def count(self) -> int:
        """How many that were."""
        return self.last - self.first + 1


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, tag_field="hubsec", tag="audit-checkpoint"):
    """Says that record `seq` of `store` had the hash `hash`; `at` is seconds since the epoch, `key` the public key.

    `seq` 0 stands for a log without a record.
    """

    store: Annotated[str, msgspec.Meta(max_length=64)]
    seq: _Number
    hash: _Hex32
    at: float
    key: _Hex32
    signature: _Hex64
    cut: Cut | None = None

    def check(self) -> None:
        """Raises :class:`~hubsec.errors.AuditError` unless its own key has signed it."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.key))
            key.verify(bytes.fromhex(self.signature), _message(self))
        except (InvalidSignature, ValueError, UnicodeError):
            raise AuditError(
                "The checkpoint's signature is not that of its key: it is forged, or damaged.",
                fault="forged",
                seq=self.seq,
            ) from None

    def encode(self) -> bytes:
        """As one line of JSON."""
        return msgspec.json.encode(self)


def _message(checkpoint: Checkpoint) -> bytes:
    name, cut = checkpoint.store.encode(), checkpoint.cut
    parts = [
        _TAG,
        len(name).to_bytes(4, "big"),
        name,
        _PLACE.pack(checkpoint.seq, checkpoint.at),
        bytes.fromhex(checkpoint.hash),
        bytes.fromhex(checkpoint.key),
        b"\0" if cut is None else b"\1",
    ]
    if cut is not None:
        parts += [_SPAN.pack(cut.first, cut.last), bytes.fromhex(cut.hash)]
    return b"".join(parts)


def read_checkpoint(data: bytes | str) -> Checkpoint:
    """The checkpoint that `data` is, its signature not looked at yet. Raises :class:`~hubsec.errors.AuditError`."""
    try:
        # One character more than the longest is no checkpoint, whatever it is.
        return msgspec.json.decode(data[: CHECKPOINT_BYTES + 1], type=Checkpoint)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise AuditError("That is no checkpoint of an audit log.", fault="malformed") from None


class Signer:
    """Signs checkpoints by a private key of 32 bytes."""

    def __init__(self, secret: Secret) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

        self._key = Ed25519PrivateKey.from_private_bytes(secret.reveal())
        self.key = self._key.public_key().public_bytes_raw().hex()

    def sign(self, store: str, seq: int, digest: bytes, *, at: float, cut: Cut | None = None) -> Checkpoint:
        """A checkpoint of `store` at record `seq`."""
        unsigned = Checkpoint(
            store=store, seq=seq, hash=digest.hex(), at=at, cut=cut, key=self.key, signature="0" * 128
        )
        signature = self._key.sign(_message(unsigned)).hex()
        return msgspec.structs.replace(unsigned, signature=signature)
