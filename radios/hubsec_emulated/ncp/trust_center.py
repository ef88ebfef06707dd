"""The trust center of an EmberZNet coordinator; sans-I/O.

What happened comes in by the ``on_…`` methods, what is to be sent goes out by a :class:`KeyCarrier`, what the host has
to know by a :class:`TrustCenterObserver`. Marked [assumed] is what no public text or capture of EmberZNet says; the
reading taken is the one that gives away most.

Rules
1. Who comes is judged by :func:`hubsec_emulated.ncp.policies.decide`. The permit flag of the network plays no part in
   it: a router that still accepts associations gets keys out of the trust center.
2. After a reset the policy is ALLOW_JOINS | ALLOW_UNSECURED_REJOINS, key requests are answered with the current key
   [assumed], and no transient key is left.
3. The link key of a device is its own transient key, else its entry in the key table, else the wildcard transient key
   while the device has not verified a key since it joined under it, else the hashed or global key.
4. Request-Key is ignored with DENY; answered with the table entry or the hashed or global key with SEND_CURRENT_KEY;
   with GENERATE_NEW_KEY a random key goes out, into the transient table, and after verification into the key table.
5. Verify-Key with the right hash is confirmed under the verified key and ends the exchange: the device's own transient
   key is dropped. A wrong hash is answered by Confirm-Key with SECURITY_FAILURE. No Verify-Key within
   :data:`VERIFY_TIMEOUT` is reported.
6. A device whose join under its own, not public, transient key was verified is remembered: its hashed key is good for
   an unsecured rejoin, that of others is not [doc: the author of public EmberZNet captures].
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol

from hubsec_emulated.clock import Timer
from hubsec_emulated.ncp.policies import (
    BOOT_JOIN_POLICY,
    JoinDecision,
    JoinPolicy,
    KeyRequestPolicy,
    KeySource,
    KeyStatus,
    KnownKeys,
    decide,
    join_key,
)
from hubsec_emulated.ncp.port import KeyCarrier, SimulatedClock
from hubsec_emulated.ncp.tokens import LinkKeyEntry, Tokens
from hubsec_emulated.ncp.transient import WILDCARD_EUI64, TransientKeys
from hubsec_emulated.stack.interface import DeviceUpdate, JoinIndication
from hubsec_emulated.wire.crypto import KEY_SIZE, WELL_KNOWN_KEY, ZLL_KEY, hashed_tclk, verify_key_hash

USES_HASHED_LINK_KEY = 0x0080
"""Bit of the security bitmask that distinguishes TRUST_CENTER_USES_HASHED_LINK_KEY (0x0084) from a global key."""
VERIFY_TIMEOUT = 10.0
"""Simulated seconds from the answer to Request-Key to Verify-Key [assumed; a sleepy device takes 2 to 3.5]."""
STATUS_SUCCESS = 0x00
STATUS_SECURITY_FAILURE = 0xAD
"""Status of Confirm-Key (Zigbee specification table 2-27 and section 4.4.10)."""
PUBLIC_KEYS = frozenset((WELL_KNOWN_KEY, ZLL_KEY))


class TrustCenterObserver(Protocol):
    """Who tells the host."""

    def trust_center_join(self, join: JoinIndication, decision: JoinDecision) -> None:
        """A device came or went; the decision is taken already."""

    def key_establishment(self, eui64: int, status: KeyStatus) -> None:
        """A step of a link key exchange."""


class EmberTrustCenter:
    """Judge joins, key requests and key verifications; hold the policies and the transient keys.

    *random_source* makes new link keys. *table_size* gives the size of the key table at the moment of the call.
    """

    def __init__(
        self,
        carrier: KeyCarrier,
        observer: TrustCenterObserver,
        *,
        tokens: Tokens,
        clock: SimulatedClock,
        random_source: random.Random,
        table_size: Callable[[], int],
    ) -> None:
        self.carrier = carrier
        self.transient = TransientKeys(clock.now)
        self.policy = BOOT_JOIN_POLICY
        self.key_requests = KeyRequestPolicy.SEND_CURRENT_KEY
        self._well_known_until = 0.0
        self._observer = observer
        self._tokens = tokens
        self._clock = clock
        self._random = random_source
        self._table_size = table_size
        self._joined_under: dict[int, bytes] = {}
        self._exchanges: dict[int, tuple[bytes, Timer]] = {}

    def reset(self) -> None:
        """Lose what is in RAM (rule 2)."""
        self.policy = BOOT_JOIN_POLICY
        self.key_requests = KeyRequestPolicy.SEND_CURRENT_KEY
        self._well_known_until = 0.0
        self.transient = TransientKeys(self._clock.now)
        self._joined_under.clear()
        for _, timer in self._exchanges.values():
            timer.cancel()
        self._exchanges.clear()

    # Keys

    @property
    def well_known_rejoin(self) -> bool:
        """Whether a device may come back under a global link key."""
        return self._clock.now() < self._well_known_until

    def allow_well_known_rejoin(self, seconds: float) -> None:
        """Allow it for so long; 0 ends it."""
        self._well_known_until = self._clock.now() + seconds

    @property
    def hashed(self) -> bool:
        """Whether link keys are derived from a seed."""
        keys = self._tokens.keys
        return keys is not None and bool(keys.bitmask & USES_HASHED_LINK_KEY)

    def table_entry(self, eui64: int) -> LinkKeyEntry | None:
        """The key table's entry of *eui64*."""
        return next((entry for entry in self._tokens.link_keys if entry and entry.eui64 == eui64), None)

    def _base_key(self, eui64: int) -> bytes | None:
        keys = self._tokens.keys
        if keys is None:
            return None
        return hashed_tclk(keys.trust_center_key, eui64) if self.hashed else keys.trust_center_key

    def _key_of(self, eui64: int, source: KeySource) -> bytes | None:
        if source is KeySource.OWN_TRANSIENT or source is KeySource.WILDCARD:
            entry = self.transient.get(eui64 if source is KeySource.OWN_TRANSIENT else WILDCARD_EUI64)
            return entry.key if entry else None
        if source is KeySource.TABLE:
            row = self.table_entry(eui64)
            return row.key if row else None
        return self._base_key(eui64)

    def known_keys(self, eui64: int) -> KnownKeys:
        """What is held for *eui64*."""
        return KnownKeys(
            own_transient=self.transient.get(eui64) is not None,
            wildcard=self.transient.get(WILDCARD_EUI64) is not None,
            table=self.table_entry(eui64) is not None,
            hashed=self.hashed,
            unique_joiner=eui64 in self._tokens.unique_joiners,
            well_known_rejoin=self.well_known_rejoin,
        )

    def current_link_key(self, eui64: int) -> bytes | None:
        """The key that protects commands to a device of the network (rule 3); None without a network."""
        for source in (KeySource.OWN_TRANSIENT, KeySource.TABLE):
            key = self._key_of(eui64, source)
            if key is not None:
                return key
        return self._joined_under.get(eui64) or self._base_key(eui64)

    def link_keys(self, eui64: int) -> tuple[bytes, ...]:
        """The keys that a frame from *eui64* may be secured with, most likely first."""
        own = self.transient.get(eui64)
        candidates = [
            self._exchanges[eui64][0] if eui64 in self._exchanges else None,
            *(self._key_of(eui64, source) for source in (KeySource.OWN_TRANSIENT, KeySource.TABLE)),
            self._base_key(eui64),
            self._key_of(eui64, KeySource.WILDCARD),
            # A generated key took the place of the one that the device still asks under, should it ask again.
            self._joined_under.get(eui64) if own is not None and own.unconfirmed else None,
        ]
        return tuple(dict.fromkeys(key for key in candidates if key is not None))

    # Joining

    def may_rejoin_unsecured(self, eui64: int) -> bool:
        """Whether our own parent role lets *eui64* in without the network key."""
        verdict = decide(DeviceUpdate.UNSECURED_REJOIN, self.policy, self.known_keys(eui64))
        return verdict.decision is JoinDecision.USE_PRECONFIGURED_KEY

    def on_join(self, join: JoinIndication) -> None:
        """Judge, send the network key if that is the verdict, and report (rule 1)."""
        verdict = decide(join.status, self.policy, self.known_keys(join.eui64))
        if join.status is DeviceUpdate.LEFT:
            self._joined_under.pop(join.eui64, None)
            self._end_exchange(join.eui64)
        if verdict.source is not None:
            self._admit(join.eui64, join.short, join.parent, verdict.source)
        self._observer.trust_center_join(join, verdict.decision)

    def send_current_network_key(self, eui64: int, short: int, parent: int) -> bool:
        """unicastCurrentNetworkKey: False if there is no link key for *eui64*."""
        source = join_key(self.known_keys(eui64))
        return source is not None and self._admit(eui64, short, parent, source)

    def _admit(self, eui64: int, short: int, parent: int, source: KeySource) -> bool:
        key = self._key_of(eui64, source)
        if key is None:
            return False
        if source in (KeySource.OWN_TRANSIENT, KeySource.WILDCARD):
            self._joined_under[eui64] = key
            self._end_exchange(eui64)
        self.carrier.send_network_key(eui64, short, parent, key)
        return True

    # Link key exchange

    def on_request_key(self, eui64: int, short: int, partner: int | None, key_used: bytes) -> None:
        """Answer Request-Key as the policy says (rule 4); application link keys are not handed out."""
        if partner is not None:
            self._observer.key_establishment(eui64, KeyStatus.TC_REQUEST_KEY_TYPE_NOT_SUPPORTED)
            return
        if self.key_requests is KeyRequestPolicy.DENY:
            return
        if self.key_requests is KeyRequestPolicy.GENERATE_NEW_KEY:
            key: bytes | None = self._random.randbytes(KEY_SIZE)
        else:
            key = self._key_of(eui64, KeySource.TABLE) or self._base_key(eui64)
        if key is None:
            self._observer.key_establishment(eui64, KeyStatus.TC_NO_LINK_KEY_FOR_REQUESTER)
            return
        self._joined_under.setdefault(eui64, key_used)
        if self.key_requests is KeyRequestPolicy.GENERATE_NEW_KEY and not self.transient.add(
            eui64, key, unconfirmed=True
        ):
            self._observer.key_establishment(eui64, KeyStatus.KEY_TABLE_FULL)
            return
        self._end_exchange(eui64)
        self._exchanges[eui64] = (key, self._clock.call_later(VERIFY_TIMEOUT, self._verify_timeout, eui64))
        self.carrier.send_link_key(eui64, short, key, key_used)
        self._observer.key_establishment(eui64, KeyStatus.TC_RESPONDED_TO_KEY_REQUEST)

    def on_verify_key(self, eui64: int, short: int, key_hash: bytes) -> None:
        """Confirm the right key, refuse another (rule 5)."""
        under_way = self._exchanges.get(eui64)
        key = under_way[0] if under_way else self._key_of(eui64, KeySource.TABLE) or self._base_key(eui64)
        if key is None:
            return
        if verify_key_hash(key) != key_hash:
            self._end_exchange(eui64)
            self.carrier.send_confirm_key(eui64, short, STATUS_SECURITY_FAILURE, key)
            self._observer.key_establishment(eui64, KeyStatus.TC_REQUESTER_VERIFY_KEY_FAILURE)
            return
        self._end_exchange(eui64)
        generated = self.transient.get(eui64)
        if generated is not None and generated.unconfirmed and not self.store_link_key(eui64, key):
            self._observer.key_establishment(eui64, KeyStatus.KEY_TABLE_FULL)
            return
        self.transient.remove(eui64)
        joined_under = self._joined_under.pop(eui64, None)
        if under_way and joined_under is not None and joined_under != self._base_key(eui64):
            self._remember_join(eui64, joined_under)
        self.carrier.send_confirm_key(eui64, short, STATUS_SUCCESS, key)
        self._observer.key_establishment(eui64, KeyStatus.TC_REQUESTER_VERIFY_KEY_SUCCESS)

    def _remember_join(self, eui64: int, joined_under: bytes) -> None:
        wildcard = self.transient.get(WILDCARD_EUI64)
        shared = joined_under in PUBLIC_KEYS or (wildcard is not None and wildcard.key == joined_under)
        others = [joiner for joiner in self._tokens.unique_joiners if joiner != eui64]
        self._tokens.unique_joiners = others if shared else [*others, eui64]
        self._tokens.save()

    def _end_exchange(self, eui64: int) -> None:
        exchange = self._exchanges.pop(eui64, None)
        if exchange is not None:
            exchange[1].cancel()

    def _verify_timeout(self, eui64: int) -> None:
        del self._exchanges[eui64]
        self._observer.key_establishment(eui64, KeyStatus.TC_REQUESTER_VERIFY_KEY_TIMEOUT)

    # Key table

    def store_link_key(self, eui64: int, key: bytes, index: int | None = None) -> bool:
        """Put a key into the table: at *index*, else over the device's old entry, else into a free one.

        False if *index* is beyond the table, or no entry is free.
        """
        rows = self._tokens.link_keys
        rows.extend([None] * (self._table_size() - len(rows)))
        if index is None:
            taken = next((at for at, row in enumerate(rows) if row and row.eui64 == eui64), None)
            free = next((at for at, row in enumerate(rows[: self._table_size()]) if row is None), None)
            index = free if taken is None else taken
        if index is None or index >= self._table_size():
            return False
        rows[index] = LinkKeyEntry(eui64, key)
        self._tokens.save()
        return True

    def set_policy(self, policy: JoinPolicy) -> bool:
        """Set TRUST_CENTER_POLICY; False for SEND_KEY_IN_CLEAR, which this radio never does."""
        if policy & JoinPolicy.SEND_KEY_IN_CLEAR:
            return False
        self.policy = policy
        return True
