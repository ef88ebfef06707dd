"""What the store keeps besides the allowlist: decisions, and how a network stands."""

from __future__ import annotations

import msgspec

from hubsec.audit.records import Channel
from hubsec.decisions import Decision
from hubsec.entries import Entry
from hubsec.identity import Identity, Network
from hubsec.requests import Request


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One decision, as it was made.

    `at` is seconds since the epoch, `policy` the hash of the policy that decided, `correlation` the text that all
    events of this story carry. `by` is who asked and `channel` how, as the request says it.
    """

    at: float
    radio: str
    device: Identity | None
    request: Request
    decision: Decision
    policy: str
    correlation: str
    by: str = ""
    channel: Channel = Channel.RADIO


class StoredRecord(Record, frozen=True, kw_only=True):
    """A record with its number; numbers rise and are never used again."""

    id: int


class NetworkRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one network. `network_id` is its extended PAN id, or its home id; times are as everywhere.
    `rotated_at`: since when its present key is live; None where it is the one that it was first seen with."""

    network: Network
    network_id: str
    first_seen: float
    adopted_at: float | None = None
    adopted_by: str | None = None
    exposed_at: float | None = None
    exposed_reason: str | None = None
    rotated_at: float | None = None

    @property
    def adopted(self) -> bool:
        """Whether an operator has confirmed who is on it. Until then nobody unknown is taken for a stranger."""
        return self.adopted_at is not None

    @property
    def exposed(self) -> bool:
        """Whether its key must be taken to be known to whoever listened."""
        return self.exposed_at is not None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change of the allowlist. `entry` is as the change left it, or, for `revoked`, as it was. `policy` is the hash
    of the policy in force, empty where there was none."""

    id: int
    at: float
    device: Identity
    change: str
    changed_by: str
    channel: Channel
    policy: str
    entry: Entry
