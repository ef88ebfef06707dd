"""The trust center's exchanges, with a clock that stands still."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from hubsec_emulated.clock import VirtualClock
from hubsec_emulated.ncp.policies import (
    BOOT_JOIN_POLICY,
    JoinDecision,
    JoinPolicy,
    KeyRequestPolicy,
    KeyStatus,
)
from hubsec_emulated.ncp.tokens import KeyTokens, Tokens
from hubsec_emulated.ncp.transient import MAX_ENTRIES, WILDCARD_EUI64
from hubsec_emulated.ncp.trust_center import VERIFY_TIMEOUT, EmberTrustCenter
from hubsec_emulated.stack.interface import DeviceUpdate, JoinIndication
from hubsec_emulated.wire.crypto import WELL_KNOWN_KEY, hashed_tclk, verify_key_hash

DEVICE = 0x00124B0001020304
SHORT = 0x1234
SEED = b"S" * 16
CODE_KEY = b"I" * 16


@dataclass
class Bench:
    """The trust center with everything around it noted."""

    hashed: bool = True
    size: int = 4
    sent: list[tuple[object, ...]] = field(default_factory=list)
    joins: list[tuple[DeviceUpdate, JoinDecision]] = field(default_factory=list)
    statuses: list[KeyStatus] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = VirtualClock()
        self.tokens = Tokens(keys=KeyTokens(b"N" * 16, 0, SEED, 0x94 if self.hashed else 0x14, 1))
        self.center = EmberTrustCenter(
            self,
            self,
            tokens=self.tokens,
            clock=self.clock,
            random_source=random.Random(1),
            table_size=lambda: self.size,
        )

    def send_network_key(self, eui64, short, parent, link_key, *, key=None, key_seq=None) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        self.sent.append(("network key", eui64, short, parent, link_key))

    def send_link_key(self, eui64: int, short: int, new_key: bytes, under: bytes) -> None:
        self.sent.append(("link key", new_key, under))

    def send_confirm_key(self, eui64: int, short: int, status: int, key: bytes) -> None:
        self.sent.append(("confirm", status, key))

    def send_remove_device(self, parent_short: int, parent_eui64: int, target_eui64: int, key: bytes) -> None:
        self.sent.append(("remove", target_eui64))

    def trust_center_join(self, join: JoinIndication, decision: JoinDecision) -> None:
        self.joins.append((join.status, decision))

    def key_establishment(self, eui64: int, status: KeyStatus) -> None:
        self.statuses.append(status)

    def join(self, status: DeviceUpdate = DeviceUpdate.UNSECURED_JOIN, *, parent: int = 0) -> JoinDecision:
        self.center.on_join(JoinIndication(DEVICE, SHORT, parent, status))
        return self.joins[-1][1]

    def exchange(self, under: bytes) -> bytes:
        self.center.on_request_key(DEVICE, SHORT, None, under)
        key = self.sent[-1][1]
        assert isinstance(key, bytes)
        assert self.sent[-1] == ("link key", key, under)
        self.center.on_verify_key(DEVICE, SHORT, verify_key_hash(key))
        return key


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_default_key_join_gets_both_keys(bench: Bench) -> None:
    bench.center.transient.add(WILDCARD_EUI64, WELL_KNOWN_KEY)
    assert bench.join(parent=0x5678) is JoinDecision.USE_PRECONFIGURED_KEY
    assert bench.sent == [("network key", DEVICE, SHORT, 0x5678, WELL_KNOWN_KEY)]
    assert bench.center.current_link_key(DEVICE) == WELL_KNOWN_KEY
    assert bench.exchange(WELL_KNOWN_KEY) == hashed_tclk(SEED, DEVICE)
    assert bench.sent[-1] == ("confirm", 0, hashed_tclk(SEED, DEVICE))
    assert bench.center.current_link_key(DEVICE) == hashed_tclk(SEED, DEVICE)
    assert bench.statuses == [
        KeyStatus.TC_RESPONDED_TO_KEY_REQUEST,
        KeyStatus.TC_REQUESTER_VERIFY_KEY_SUCCESS,
    ]


def test_only_a_join_under_its_own_key_makes_an_unsecured_rejoin_possible(bench: Bench) -> None:
    bench.center.transient.add(WILDCARD_EUI64, WELL_KNOWN_KEY)
    bench.join()
    bench.exchange(WELL_KNOWN_KEY)
    assert bench.join(DeviceUpdate.UNSECURED_REJOIN) is JoinDecision.DENY_JOIN
    assert not bench.center.may_rejoin_unsecured(DEVICE)
    bench.center.transient.add(DEVICE, CODE_KEY)
    bench.join()
    bench.exchange(CODE_KEY)
    assert bench.center.may_rejoin_unsecured(DEVICE)
    assert bench.join(DeviceUpdate.UNSECURED_REJOIN) is JoinDecision.USE_PRECONFIGURED_KEY
    assert bench.sent[-1] == ("network key", DEVICE, SHORT, 0, hashed_tclk(SEED, DEVICE))
    # Joining again under a public key takes it back.
    bench.join()
    bench.exchange(WELL_KNOWN_KEY)
    assert not bench.center.may_rejoin_unsecured(DEVICE)


@pytest.mark.parametrize("shared", [WELL_KNOWN_KEY, b"W" * 16])
def test_a_key_that_others_have_too_is_not_its_own(bench: Bench, shared: bytes) -> None:
    bench.center.transient.add(WILDCARD_EUI64, shared)
    bench.center.transient.add(DEVICE, shared)
    bench.join()
    bench.exchange(shared)
    assert not bench.center.may_rejoin_unsecured(DEVICE)


def test_a_verified_device_keeps_no_transient_key(bench: Bench) -> None:
    bench.center.transient.add(DEVICE, CODE_KEY)
    bench.join()
    assert bench.center.current_link_key(DEVICE) == CODE_KEY
    bench.exchange(CODE_KEY)
    assert bench.center.transient.get(DEVICE) is None


def test_a_stranger_under_deferred_joins_gets_nothing_until_it_is_approved(bench: Bench) -> None:
    bench.center.set_policy(JoinPolicy.ALLOW_JOINS | JoinPolicy.DEFER_JOINS)
    assert bench.join() is JoinDecision.NO_ACTION
    assert not bench.center.send_current_network_key(DEVICE, SHORT, 0)
    assert bench.sent == []
    bench.center.transient.add(DEVICE, CODE_KEY)
    assert bench.center.send_current_network_key(DEVICE, SHORT, 0x5678)
    assert bench.sent == [("network key", DEVICE, SHORT, 0x5678, CODE_KEY)]


def test_a_global_key_is_there_for_everybody() -> None:
    bench = Bench(hashed=False)
    assert bench.join() is JoinDecision.USE_PRECONFIGURED_KEY
    assert bench.sent == [("network key", DEVICE, SHORT, 0, SEED)]
    assert bench.exchange(SEED) == SEED


def test_rejoins_under_a_global_key_end_by_themselves() -> None:
    bench = Bench(hashed=False)
    assert not bench.center.may_rejoin_unsecured(DEVICE)
    bench.center.allow_well_known_rejoin(90)
    bench.clock.advance(89)
    assert bench.center.may_rejoin_unsecured(DEVICE)
    bench.clock.advance(2)
    assert not bench.center.may_rejoin_unsecured(DEVICE)


def test_key_requests_may_be_ignored(bench: Bench) -> None:
    bench.center.key_requests = KeyRequestPolicy.DENY
    bench.center.on_request_key(DEVICE, SHORT, None, WELL_KNOWN_KEY)
    assert (bench.sent, bench.statuses) == ([], [])


def test_a_new_key_goes_into_the_table_once_it_is_verified(bench: Bench) -> None:
    bench.center.key_requests = KeyRequestPolicy.GENERATE_NEW_KEY
    key = bench.exchange(WELL_KNOWN_KEY)
    assert key != hashed_tclk(SEED, DEVICE)
    entry = bench.center.table_entry(DEVICE)
    assert entry is not None
    assert entry.key == key
    assert bench.center.current_link_key(DEVICE) == key
    assert bench.center.may_rejoin_unsecured(DEVICE)


def test_an_unverified_new_key_stays_out_of_the_table(bench: Bench) -> None:
    bench.center.key_requests = KeyRequestPolicy.GENERATE_NEW_KEY
    bench.center.on_request_key(DEVICE, SHORT, None, WELL_KNOWN_KEY)
    bench.center.on_verify_key(DEVICE, SHORT, verify_key_hash(b"x" * 16))
    assert bench.center.table_entry(DEVICE) is None
    assert bench.statuses[-1] is KeyStatus.TC_REQUESTER_VERIFY_KEY_FAILURE
    assert bench.sent[-1][:2] == ("confirm", 0xAD)


def test_a_full_table_is_reported_and_nothing_confirmed(bench: Bench) -> None:
    bench.size = 1
    assert bench.center.store_link_key(1, b"k" * 16)
    bench.center.key_requests = KeyRequestPolicy.GENERATE_NEW_KEY
    bench.exchange(WELL_KNOWN_KEY)
    assert bench.statuses[-1] is KeyStatus.KEY_TABLE_FULL
    assert bench.sent[-1][0] == "link key"


def test_the_table_takes_a_device_once(bench: Bench) -> None:
    assert bench.center.store_link_key(1, b"a" * 16)
    assert bench.center.store_link_key(1, b"b" * 16)
    assert bench.center.store_link_key(2, b"c" * 16, 3)
    assert not bench.center.store_link_key(3, b"d" * 16, 4)
    assert [row and row.eui64 for row in bench.tokens.link_keys] == [1, None, None, 2]


def test_a_device_that_does_not_verify_is_reported(bench: Bench) -> None:
    bench.center.on_request_key(DEVICE, SHORT, None, WELL_KNOWN_KEY)
    bench.clock.advance(VERIFY_TIMEOUT - 0.1)
    assert KeyStatus.TC_REQUESTER_VERIFY_KEY_TIMEOUT not in bench.statuses
    bench.clock.advance(0.2)
    assert bench.statuses[-1] is KeyStatus.TC_REQUESTER_VERIFY_KEY_TIMEOUT


def test_a_device_may_ask_twice(bench: Bench) -> None:
    bench.center.on_request_key(DEVICE, SHORT, None, WELL_KNOWN_KEY)
    bench.clock.advance(VERIFY_TIMEOUT - 1)
    bench.exchange(WELL_KNOWN_KEY)
    bench.clock.advance(VERIFY_TIMEOUT)
    assert bench.statuses[-1] is KeyStatus.TC_REQUESTER_VERIFY_KEY_SUCCESS


def test_application_keys_are_not_handed_out(bench: Bench) -> None:
    bench.center.on_request_key(DEVICE, SHORT, 5, WELL_KNOWN_KEY)
    assert bench.sent == []
    assert bench.statuses == [KeyStatus.TC_REQUEST_KEY_TYPE_NOT_SUPPORTED]


def test_without_a_network_there_is_no_key(bench: Bench) -> None:
    bench.tokens.keys = None
    assert bench.center.current_link_key(DEVICE) is None
    assert bench.center.link_keys(DEVICE) == ()
    bench.center.on_request_key(DEVICE, SHORT, None, WELL_KNOWN_KEY)
    bench.center.on_verify_key(DEVICE, SHORT, b"h" * 16)
    assert bench.sent == []


def test_transient_keys_expire(bench: Bench) -> None:
    bench.center.transient.add(WILDCARD_EUI64, WELL_KNOWN_KEY)
    bench.clock.advance(299)
    assert bench.join() is JoinDecision.USE_PRECONFIGURED_KEY
    bench.clock.advance(2)
    assert bench.join() is JoinDecision.DENY_JOIN
    assert WELL_KNOWN_KEY not in bench.center.link_keys(DEVICE)


def test_the_transient_table_is_bounded(bench: Bench) -> None:
    assert all(bench.center.transient.add(eui64, CODE_KEY) for eui64 in range(1, MAX_ENTRIES + 1))
    assert not bench.center.transient.add(DEVICE, CODE_KEY)
    assert bench.center.transient.add(1, CODE_KEY)


def test_a_reset_brings_the_boot_policy_and_no_transient_key(bench: Bench) -> None:
    bench.center.set_policy(JoinPolicy(0))
    bench.center.key_requests = KeyRequestPolicy.DENY
    bench.center.transient.add(WILDCARD_EUI64, WELL_KNOWN_KEY)
    bench.center.on_request_key(DEVICE, SHORT, None, WELL_KNOWN_KEY)
    bench.center.reset()
    assert bench.center.policy == BOOT_JOIN_POLICY == 0x03
    assert bench.center.key_requests is KeyRequestPolicy.SEND_CURRENT_KEY
    assert list(bench.center.transient) == []
    bench.clock.advance(100)
    assert KeyStatus.TC_REQUESTER_VERIFY_KEY_TIMEOUT not in bench.statuses


def test_keys_are_not_sent_in_clear(bench: Bench) -> None:
    assert not bench.center.set_policy(JoinPolicy.ALLOW_JOINS | JoinPolicy.SEND_KEY_IN_CLEAR)
    assert bench.center.policy == BOOT_JOIN_POLICY


def test_a_denied_join_does_not_disturb_a_device_in_its_exchange(bench: Bench) -> None:
    bench.center.transient.add(DEVICE, CODE_KEY)
    bench.join()
    bench.center.on_request_key(DEVICE, SHORT, None, CODE_KEY)
    bench.center.set_policy(JoinPolicy(0))
    assert bench.join() is JoinDecision.DENY_JOIN
    bench.center.on_verify_key(DEVICE, SHORT, verify_key_hash(hashed_tclk(SEED, DEVICE)))
    assert bench.statuses[-1] is KeyStatus.TC_REQUESTER_VERIFY_KEY_SUCCESS
    assert bench.center.may_rejoin_unsecured(DEVICE) is False
    bench.center.set_policy(JoinPolicy.ALLOW_UNSECURED_REJOINS)
    assert bench.center.may_rejoin_unsecured(DEVICE)


def test_a_leave_is_reported(bench: Bench) -> None:
    assert bench.join(DeviceUpdate.LEFT) is JoinDecision.NO_ACTION
    assert bench.sent == []
