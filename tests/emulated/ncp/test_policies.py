"""What the trust center decides: a row that passes and one that fails for every rule."""

from __future__ import annotations

import pytest

from hubsec_emulated.ncp.policies import (
    BOOT_JOIN_POLICY,
    JoinDecision,
    JoinPolicy,
    KeySource,
    KnownKeys,
    Verdict,
    decide,
)
from hubsec_emulated.stack.interface import DeviceUpdate

CLOSED = JoinPolicy(0)
JOINS = JoinPolicy.ALLOW_JOINS
REJOINS = JoinPolicy.ALLOW_UNSECURED_REJOINS
IGNORE = JoinPolicy.IGNORE_UNSECURED_REJOINS
CODES = JoinPolicy.JOINS_USE_INSTALL_CODE_KEY
DEFER = JoinPolicy.DEFER_JOINS

JOIN = DeviceUpdate.UNSECURED_JOIN
REJOIN = DeviceUpdate.UNSECURED_REJOIN

NOBODY = KnownKeys()
OWN = KnownKeys(own_transient=True)
WILD = KnownKeys(wildcard=True)
TABLE = KnownKeys(table=True)
UNIQUE = KnownKeys(unique_joiner=True)
GLOBAL = KnownKeys(hashed=False)
GLOBAL_BACK = KnownKeys(hashed=False, well_known_rejoin=True)

DENY = Verdict(JoinDecision.DENY_JOIN)
NOTHING = Verdict(JoinDecision.NO_ACTION)


def sends(source: KeySource) -> Verdict:
    return Verdict(JoinDecision.USE_PRECONFIGURED_KEY, source)


ROWS = [
    ("no joins: refused", JOIN, CLOSED, WILD, DENY),
    ("no joins: rejoins only", JOIN, REJOINS, WILD, DENY),
    ("joins: under the wildcard", JOIN, JOINS, WILD, sends(KeySource.WILDCARD)),
    ("joins: no key at all", JOIN, JOINS, NOBODY, DENY),
    (
        "joins: own key first",
        JOIN,
        JOINS,
        KnownKeys(own_transient=True, wildcard=True),
        sends(KeySource.OWN_TRANSIENT),
    ),
    (
        "joins: wildcard before table",
        JOIN,
        JOINS,
        KnownKeys(wildcard=True, table=True),
        sends(KeySource.WILDCARD),
    ),
    ("joins: under its table entry", JOIN, JOINS, TABLE, sends(KeySource.TABLE)),
    ("joins: under the global key", JOIN, JOINS, GLOBAL, sends(KeySource.GLOBAL)),
    ("joins: a unique joiner has no key to join under", JOIN, JOINS, UNIQUE, DENY),
    ("install codes: own key", JOIN, JOINS | CODES, OWN, sends(KeySource.OWN_TRANSIENT)),
    ("install codes: wildcard counts", JOIN, JOINS | CODES, WILD, sends(KeySource.WILDCARD)),
    ("install codes: none", JOIN, JOINS | CODES, NOBODY, DENY),
    ("install codes: a table entry is none", JOIN, JOINS | CODES, TABLE, DENY),
    ("install codes: the global key is none", JOIN, JOINS | CODES, GLOBAL, DENY),
    ("install codes without joins", JOIN, CODES, OWN, DENY),
    ("deferred: own key stays here", JOIN, JOINS | DEFER, OWN, NOTHING),
    ("deferred: nobody knows it", JOIN, JOINS | DEFER, NOBODY, NOTHING),
    ("deferred, install codes: no key", JOIN, JOINS | DEFER | CODES, NOBODY, DENY),
    ("deferred without joins", JOIN, DEFER, OWN, DENY),
    ("boot: open for joins", JOIN, BOOT_JOIN_POLICY, WILD, sends(KeySource.WILDCARD)),
    ("boot: open for rejoins", REJOIN, BOOT_JOIN_POLICY, UNIQUE, sends(KeySource.HASHED)),
    ("rejoin: not allowed", REJOIN, JOINS, UNIQUE, DENY),
    ("rejoin: allowed, joined under its own key", REJOIN, REJOINS, UNIQUE, sends(KeySource.HASHED)),
    ("rejoin: allowed, joined under a public key", REJOIN, REJOINS, NOBODY, DENY),
    ("rejoin: allowed, has an entry", REJOIN, REJOINS, TABLE, sends(KeySource.TABLE)),
    ("rejoin: transient keys don't count", REJOIN, REJOINS, OWN, DENY),
    ("rejoin: the wildcard neither", REJOIN, REJOINS, WILD, DENY),
    ("rejoin: global key refused", REJOIN, REJOINS, GLOBAL, DENY),
    ("rejoin: global key allowed", REJOIN, REJOINS, GLOBAL_BACK, sends(KeySource.GLOBAL)),
    ("rejoin: ignored", REJOIN, REJOINS | IGNORE, UNIQUE, NOTHING),
    ("rejoin: ignored though not allowed", REJOIN, IGNORE, UNIQUE, NOTHING),
    ("rejoin: not deferred", REJOIN, REJOINS | DEFER, UNIQUE, sends(KeySource.HASHED)),
    ("secured rejoin: whatever the policy", DeviceUpdate.SECURED_REJOIN, CLOSED, NOBODY, NOTHING),
    ("leave: whatever the policy", DeviceUpdate.LEFT, JOINS, WILD, NOTHING),
]


@pytest.mark.parametrize(
    ("update", "policy", "keys", "verdict"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_the_trust_center_decides(
    update: DeviceUpdate, policy: JoinPolicy, keys: KnownKeys, verdict: Verdict
) -> None:
    assert decide(update, policy, keys) == verdict
