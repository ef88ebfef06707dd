"""What happens at the gate, for whoever keeps an eye on it."""

from __future__ import annotations

import msgspec


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """`kind` is one of entered, left, refused, turned-away, revoked, slow and credentials (they can't be read).

    `asker` is a client's connection, or the address of one that was not let in. `detail` is a sentence without secrets.
    """

    kind: str
    asker: str
    detail: str = ""
