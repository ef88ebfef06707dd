"""Deciding: security cases as rows, and what holds for whatever is asked of whatever policy."""

from __future__ import annotations

from typing import Any

import pytest

from hubsec.decisions import Allow, Decision, Deny, Evict, Knock, Quarantine
from hubsec.entries import Entry, Pinned, Use
from hubsec.identity import Identity, Mark, Network
from hubsec.policy import (
    Context,
    Policy,
    Rule,
    decide,
    load_policy,
)
from hubsec.policy.rules import REASONS
from hubsec.policy.settings import PERMIT_LIMIT
from hubsec.requests import (
    ExchangeRequest,
    IdentifyRequest,
    JoinKind,
    JoinRequest,
    LinkKeyState,
    OpenKind,
    OpenRequest,
    PresenceRequest,
    Request,
)
from tests.core.policy.shapes import (
    ADOPTED,
    APPROVAL,
    DECISIONS,
    DEVICE,
    IN,
    LISTED,
    NOW,
    ROUTER,
    STRANGER,
    about,
    admission,
    context,
    entry,
    join,
    joining,
    opening,
    policy,
)

PLAIN = policy()
ADMITTED = context(entry(), admission())
WAS_IN = context(entry(**IN))
NARROW = admission(parents=frozenset({ROUTER}))
APPROVED = admission(credential=APPROVAL)
THROUGH_LISTED = joining(**LISTED)
COORDINATOR = joining(parents="coordinator")
LAMPS = joining(classes=["lamp"])
SAMPLES = joining(makers=["Sample"])
NO_LOCK_BY_APPROVAL = joining(
    credentials=["approval", "install-code"], **{"per-class": {"lock": {"credentials": ["install-code"]}}}
)
LOCKS_OWE = joining(tclk="optional", **{"per-class": {"lock": {"tclk": "required"}}})
HEARING = policy("listening: {length: 1m}\n")
GREEN = policy("opening: {green-power: open}\n")
ENTRY_IS_ENOUGH = policy("rejoining: {secured: entry}\n")
VERIFIED_MAY = policy("rejoining: {unsecured: verified, secured: entry}\n")
VIA_ROUTER = join(through_router=True, parent=ROUTER)
VIA_STRANGER = join(through_router=True, parent=STRANGER)
VIA_UNKNOWN = join(through_router=True)
SECURED = join(kind=JoinKind.SECURED_REJOIN)
UNSECURED = join(kind=JoinKind.UNSECURED_REJOIN)
PROVED = about(ExchangeRequest, link_key=LinkKeyState.VERIFIED)
PRESENT = about(PresenceRequest)
GREEN_POWER = opening(kind=OpenKind.GREEN_POWER)


def admitted(**fields: Any) -> Context:
    return context(entry(**fields), admission())


def was_in(**fields: Any) -> Context:
    return context(entry(**IN, **fields))


def missing(**fields: Any) -> Request:
    return about(ExchangeRequest, link_key=LinkKeyState.MISSING, **fields)


def says(**fields: Any) -> Request:
    return about(IdentifyRequest, **fields)


def green_power(**fields: Any) -> Request:
    return opening(kind=OpenKind.GREEN_POWER, **fields)


# Each pair of rows differs in what the rule is about: the first is allowed, the second is not.
JOINS: list[tuple[str, Policy, Context, JoinRequest, type[Decision], Rule]] = [
    ("admitted", PLAIN, ADMITTED, join(), Allow, Rule.INSTALL_CODE),
    ("another device's admission", PLAIN, ADMITTED, join(device=STRANGER), Deny, Rule.NO_ENTRY),
    ("in time", PLAIN, context(entry(), admission(expires_at=NOW + 0.1)), join(), Allow, Rule.INSTALL_CODE),
    ("too late", PLAIN, context(entry(), admission(expires_at=NOW)), join(), Deny, Rule.ADMISSION_OVER),
    ("through a listed router", THROUGH_LISTED, ADMITTED, VIA_ROUTER, Allow, Rule.INSTALL_CODE),
    ("through another router", THROUGH_LISTED, ADMITTED, VIA_STRANGER, Deny, Rule.PARENT),
    ("through the coordinator", THROUGH_LISTED, ADMITTED, join(), Allow, Rule.INSTALL_CODE),
    ("through an unknown router", THROUGH_LISTED, ADMITTED, VIA_UNKNOWN, Deny, Rule.PARENT),
    ("at the coordinator", COORDINATOR, ADMITTED, join(), Allow, Rule.INSTALL_CODE),
    ("not at the coordinator", COORDINATOR, ADMITTED, VIA_ROUTER, Deny, Rule.PARENT),
    ("a router of the admission", PLAIN, context(entry(), NARROW), VIA_ROUTER, Allow, Rule.INSTALL_CODE),
    ("an unknown router instead", PLAIN, context(entry(), NARROW), VIA_UNKNOWN, Deny, Rule.PARENT),
    ("the admission can't widen", COORDINATOR, context(entry(), NARROW), VIA_ROUTER, Deny, Rule.PARENT),
    ("a class that is taken", LAMPS, admitted(device_class="lamp"), join(), Allow, Rule.INSTALL_CODE),
    ("a class that is not", LAMPS, admitted(device_class="plug"), join(), Deny, Rule.DEVICE_CLASS),
    ("a class that nobody said", LAMPS, ADMITTED, join(), Deny, Rule.DEVICE_CLASS),
    ("a word that is no class", LAMPS, admitted(device_class="lmap"), join(), Deny, Rule.DEVICE_CLASS),
    (
        "a word that is no class is other",
        joining(classes=["other"]),
        admitted(device_class="lmap"),
        join(),
        Allow,
        Rule.INSTALL_CODE,
    ),
    ("a maker that is taken", SAMPLES, admitted(maker="SAMPLE"), join(), Allow, Rule.INSTALL_CODE),
    ("a maker that is not", SAMPLES, admitted(maker="Sampler"), join(), Deny, Rule.MAKER),
    ("a maker that nobody said", SAMPLES, ADMITTED, join(), Deny, Rule.MAKER),
    (
        "approval for a lamp",
        NO_LOCK_BY_APPROVAL,
        context(entry(credential=APPROVAL, device_class="lamp"), APPROVED),
        join(),
        Allow,
        Rule.APPROVAL,
    ),
    (
        "approval for a lock",
        NO_LOCK_BY_APPROVAL,
        context(entry(credential=APPROVAL, device_class="lock"), APPROVED),
        join(),
        Deny,
        Rule.CREDENTIAL,
    ),
    ("nobody may join", joining(credentials=[]), ADMITTED, join(), Deny, Rule.CREDENTIAL),
    (
        "the baseline's proof lets nobody in",
        PLAIN,
        context(entry(credential=ADOPTED), admission(credential=ADOPTED)),
        join(),
        Deny,
        Rule.CREDENTIAL,
    ),
    ("one join", PLAIN, admitted(use=Use.SINGLE), join(), Allow, Rule.INSTALL_CODE),
    (
        "one join, retried",
        PLAIN,
        admitted(use=Use.SINGLE, joined_at=NOW - 4),
        join(),
        Allow,
        Rule.INSTALL_CODE,
    ),
    (
        "one join, and another",
        PLAIN,
        admitted(use=Use.SINGLE, joined_at=NOW - 6),
        join(),
        Deny,
        Rule.ENTRY_SPENT,
    ),
    (
        "one join, approved anew since",
        PLAIN,
        admitted(use=Use.SINGLE, joined_at=NOW - 6, approved_at=NOW - 5.5),
        join(),
        Allow,
        Rule.INSTALL_CODE,
    ),
    ("again and again", PLAIN, admitted(joined_at=NOW - 6), join(), Allow, Rule.INSTALL_CODE),
    ("the entry's own time", PLAIN, admitted(expires_at=NOW + 0.1), join(), Allow, Rule.INSTALL_CODE),
    ("the entry's time is over", PLAIN, admitted(expires_at=NOW), join(), Deny, Rule.ENTRY_EXPIRED),
    ("the last try", joining(attempts=3), ADMITTED, join(attempt=3), Allow, Rule.INSTALL_CODE),
    ("one try more", joining(attempts=3), ADMITTED, join(attempt=4), Deny, Rule.ATTEMPTS),
    ("heard", HEARING, context(listening=True), join(), Knock, Rule.KNOCK),
    ("nobody listens", HEARING, context(), join(), Deny, Rule.NO_ENTRY),
    ("nobody may listen", PLAIN, context(listening=True), join(), Deny, Rule.NO_ENTRY),
    ("known, heard", HEARING, context(entry(), listening=True), join(), Knock, Rule.KNOCK),
    ("known, and nobody listens", HEARING, context(entry()), join(), Deny, Rule.NO_ADMISSION),
    (
        "quarantined is not heard",
        HEARING,
        context(entry(quarantined="x"), listening=True),
        join(),
        Deny,
        Rule.QUARANTINED,
    ),
    (
        "listening before adoption",
        HEARING,
        context(listening=True, adopted=False),
        join(),
        Deny,
        Rule.ADOPTION,
    ),
    (
        "verified rejoin",
        policy("rejoining: {unsecured: verified}\n"),
        WAS_IN,
        UNSECURED,
        Allow,
        Rule.VERIFIED_REJOIN,
    ),
    ("refused rejoin", PLAIN, WAS_IN, UNSECURED, Deny, Rule.UNSECURED_REJOIN),
    *(
        (f"rejoin, but {label}", VERIFIED_MAY, state, UNSECURED, Deny, rule)
        for label, state, rule in (
            ("weak", was_in(marks=frozenset({Mark.WEAK})), Rule.UNSECURED_REJOIN),
            ("exposed", was_in(marks=frozenset({Mark.EXPOSED})), Rule.UNSECURED_REJOIN),
            ("by approval", was_in(credential=APPROVAL), Rule.UNSECURED_REJOIN),
            ("by an earlier approval", was_in(approved_at=NOW - 1), Rule.UNSECURED_REJOIN),
            ("of the baseline", was_in(credential=ADOPTED), Rule.UNSECURED_REJOIN),
            ("never let in", context(entry()), Rule.UNSECURED_REJOIN),
            ("admitted only", ADMITTED, Rule.UNSECURED_REJOIN),
            ("unknown", context(), Rule.UNSECURED_REJOIN),
            ("quarantined", was_in(quarantined="x"), Rule.UNSECURED_REJOIN),
            ("expired", was_in(expires_at=NOW), Rule.UNSECURED_REJOIN),
            ("before adoption", context(entry(**IN), adopted=False), Rule.ADOPTION),
        )
    ),
    ("there with an entry", ENTRY_IS_ENOUGH, context(entry()), SECURED, Allow, Rule.ENTRY),
    ("there, never let in", PLAIN, context(entry()), SECURED, Quarantine, Rule.NEVER_LET_IN),
    (
        "there, admitted elsewhere",
        PLAIN,
        context(entry(), admission(radio="other")),
        SECURED,
        Quarantine,
        Rule.NEVER_LET_IN,
    ),
    ("there, unknown", PLAIN, context(), SECURED, Quarantine, Rule.WITHOUT_ENTRY),
    (
        "there, evicted",
        policy("devices: {without-entry: evict}\n"),
        context(),
        SECURED,
        Evict,
        Rule.WITHOUT_ENTRY,
    ),
    (
        "there, told of",
        policy("devices: {without-entry: report}\n"),
        context(),
        SECURED,
        Allow,
        Rule.WITHOUT_ENTRY,
    ),
    (
        "there, on the other network",
        PLAIN,
        WAS_IN,
        join(kind=JoinKind.SECURED_REJOIN, network=Network.ZWAVE),
        Quarantine,
        Rule.WITHOUT_ENTRY,
    ),
]

WEAK = entry(**IN, marks=frozenset({Mark.WEAK}))
REPORTING = policy("devices: {identity-change: report}\n")
PINNED = entry(**IN, pinned=Pinned(device_class="lamp", manufacturer="Sample", model="L1"))
OTHERS: list[tuple[str, Policy, Context, Request, type[Decision], Rule]] = [
    ("proved", PLAIN, WAS_IN, PROVED, Allow, Rule.EXCHANGED),
    (
        "failed",
        PLAIN,
        WAS_IN,
        about(ExchangeRequest, link_key=LinkKeyState.FAILED, stack_revision=20),
        Evict,
        Rule.FAILED_EXCHANGE,
    ),
    (
        "failed, stays",
        joining(**{"failed-exchange": "weak"}),
        WAS_IN,
        about(ExchangeRequest, link_key=LinkKeyState.FAILED),
        Allow,
        Rule.FAILED_EXCHANGE,
    ),
    ("old", joining(tclk="if-r21"), WAS_IN, missing(stack_revision=20), Allow, Rule.EXCHANGE_NOT_OWED),
    ("not old", joining(tclk="if-r21"), WAS_IN, missing(stack_revision=21), Evict, Rule.FAILED_EXCHANGE),
    ("does not say how old", joining(tclk="if-r21"), WAS_IN, missing(), Evict, Rule.FAILED_EXCHANGE),
    (
        "not asked for",
        joining(tclk="optional"),
        WAS_IN,
        missing(stack_revision=22),
        Allow,
        Rule.EXCHANGE_NOT_OWED,
    ),
    ("asked of locks", LOCKS_OWE, was_in(device_class="lock"), missing(), Evict, Rule.FAILED_EXCHANGE),
    (
        "asked of what says it is a lock",
        LOCKS_OWE,
        was_in(pinned=Pinned(device_class="lock")),
        missing(),
        Evict,
        Rule.FAILED_EXCHANGE,
    ),
    (
        "the baseline owes none",
        PLAIN,
        context(entry(credential=ADOPTED)),
        missing(),
        Allow,
        Rule.EXCHANGE_NOT_OWED,
    ),
    ("a stranger's", PLAIN, context(), PROVED, Quarantine, Rule.WITHOUT_ENTRY),
    ("a quarantined one's", PLAIN, was_in(quarantined="x"), PROVED, Quarantine, Rule.QUARANTINED),
    (
        "before adoption",
        PLAIN,
        context(adopted=False),
        about(ExchangeRequest, link_key=LinkKeyState.FAILED),
        Allow,
        Rule.ADOPTION,
    ),
    (
        "says what it said",
        PLAIN,
        context(PINNED),
        says(device_class="lamp", manufacturer="Sample", model="L1"),
        Allow,
        Rule.IDENTITY,
    ),
    ("says less", PLAIN, context(PINNED), says(), Allow, Rule.IDENTITY),
    ("another model", PLAIN, context(PINNED), says(model="L2"), Quarantine, Rule.IDENTITY_CHANGE),
    ("another model, told of", REPORTING, context(PINNED), says(model="L2"), Allow, Rule.IDENTITY_CHANGE),
    (
        "what is expected",
        PLAIN,
        was_in(device_class="lamp", maker="sample"),
        says(device_class="lamp", manufacturer="Sample"),
        Allow,
        Rule.IDENTITY,
    ),
    (
        "a class not expected",
        PLAIN,
        was_in(device_class="lamp"),
        says(device_class="lock"),
        Quarantine,
        Rule.IDENTITY_CHANGE,
    ),
    (
        "a maker not expected",
        PLAIN,
        was_in(maker="Simple"),
        says(manufacturer="Sample"),
        Quarantine,
        Rule.IDENTITY_CHANGE,
    ),
    (
        "a lamp by approval",
        NO_LOCK_BY_APPROVAL,
        was_in(credential=APPROVAL),
        says(device_class="lamp"),
        Allow,
        Rule.IDENTITY,
    ),
    (
        "a lock by approval",
        NO_LOCK_BY_APPROVAL,
        was_in(credential=APPROVAL),
        says(device_class="lock"),
        Quarantine,
        Rule.CREDENTIAL,
    ),
    (
        "a lock of the baseline",
        NO_LOCK_BY_APPROVAL,
        context(entry(credential=ADOPTED)),
        says(device_class="lock"),
        Allow,
        Rule.IDENTITY,
    ),
    ("a weak lamp", LOCKS_OWE, context(WEAK), says(device_class="lamp"), Allow, Rule.IDENTITY),
    ("a weak lock", LOCKS_OWE, context(WEAK), says(device_class="lock"), Evict, Rule.FAILED_EXCHANGE),
    (
        "a class that is not taken",
        LAMPS,
        was_in(device_class="lamp"),
        says(device_class="plug"),
        Quarantine,
        Rule.DEVICE_CLASS,
    ),
    (
        "a maker that is not taken",
        SAMPLES,
        was_in(maker="Sample"),
        says(manufacturer="Simple"),
        Quarantine,
        Rule.MAKER,
    ),
    ("present", PLAIN, WAS_IN, PRESENT, Allow, Rule.KNOWN),
    ("present, of the baseline", PLAIN, context(entry(credential=ADOPTED)), PRESENT, Allow, Rule.ADOPTED),
    ("present, unknown", PLAIN, context(), PRESENT, Quarantine, Rule.WITHOUT_ENTRY),
    ("present, expired", PLAIN, was_in(expires_at=NOW), PRESENT, Quarantine, Rule.ENTRY_EXPIRED),
    (
        "present, expired baseline",
        PLAIN,
        context(entry(credential=ADOPTED, expires_at=NOW)),
        PRESENT,
        Quarantine,
        Rule.ENTRY_EXPIRED,
    ),
    (
        "present, never let in",
        policy("devices: {without-entry: evict}\n"),
        context(entry()),
        PRESENT,
        Evict,
        Rule.NEVER_LET_IN,
    ),
    ("green power", GREEN, context(), GREEN_POWER, Allow, Rule.GREEN_POWER),
    ("green power shut", PLAIN, context(), GREEN_POWER, Deny, Rule.GREEN_POWER_SHUT),
    ("green power by a node", GREEN, context(), green_power(asker=ROUTER), Deny, Rule.NODE_PERMIT),
    (
        "green power for ever",
        GREEN,
        context(),
        green_power(seconds=PERMIT_LIMIT + 1),
        Deny,
        Rule.GREEN_POWER_LENGTH,
    ),
    ("green power before adoption", GREEN, context(adopted=False), GREEN_POWER, Deny, Rule.ADOPTION),
    ("permit", PLAIN, context(), opening(kind=OpenKind.PERMIT), Deny, Rule.HOST_PERMIT),
    (
        "permit with an admitted device's key",
        PLAIN,
        ADMITTED,
        opening(kind=OpenKind.PERMIT_LINK_KEY, device=DEVICE),
        Deny,
        Rule.HOST_PERMIT,
    ),
    (
        "permit by a node",
        PLAIN,
        context(),
        opening(kind=OpenKind.PERMIT, asker=ROUTER),
        Deny,
        Rule.NODE_PERMIT,
    ),
]


@pytest.mark.parametrize(
    ("rules", "state", "request_", "kind", "rule"),
    [row[1:] for row in (*JOINS, *OTHERS)],
    ids=[row[0] for row in (*JOINS, *OTHERS)],
)
def test_a_request_gets_its_decision(
    rules: Policy, state: Context, request_: Request, kind: type[Decision], rule: Rule
) -> None:
    decision = decide(request_, rules, state)
    assert (type(decision), decision.rule) == (kind, rule.value)
    assert decision.reason == REASONS[rule]


@pytest.mark.parametrize(
    ("request_", "row", "marks"),
    [
        (join(), entry(credential=APPROVAL), {Mark.EXPOSED}),
        (join(), entry(), set()),
        (
            about(ExchangeRequest, link_key=LinkKeyState.VERIFIED),
            entry(**IN, credential=APPROVAL),
            {Mark.EXPOSED},
        ),
        (about(ExchangeRequest, link_key=LinkKeyState.VERIFIED), WEAK, set()),
        (about(ExchangeRequest, link_key=LinkKeyState.MISSING, stack_revision=20), entry(**IN), {Mark.WEAK}),
        (
            about(ExchangeRequest, link_key=LinkKeyState.MISSING, stack_revision=20),
            entry(**IN, credential=APPROVAL),
            set(Mark),
        ),
        (about(PresenceRequest), WEAK, {Mark.WEAK}),
    ],
)
def test_what_is_lasting_and_wrong_is_said(request_: Request, row: Entry, marks: set[Mark]) -> None:
    rules = joining(credentials=["approval", "install-code"], tclk="if-r21")
    decision = decide(request_, rules, context(row, admission(credential=row.credential)))
    assert isinstance(decision, Allow)
    assert decision.marks == marks
    assert decision.credential is row.credential


@pytest.mark.parametrize(
    ("name", "knocks", "kind"), [("home", 11, Knock), ("home", 12, Deny), ("home", 10_000, Deny)]
)
def test_knocks_have_a_rate(name: str, knocks: int, kind: type[Decision]) -> None:
    assert type(decide(join(), load_policy(name), context(listening=True, knocks=knocks))) is kind


def test_every_rule_has_its_sentence() -> None:
    assert set(REASONS) == set(Rule)
    assert all(reason.endswith(".") and len(reason) < 120 for reason in REASONS.values())


def test_every_type_of_request_gets_a_decision_from_every_ready_policy() -> None:
    asked: dict[type, Request] = {
        JoinRequest: join(),
        OpenRequest: opening(kind=OpenKind.PERMIT),
        ExchangeRequest: about(ExchangeRequest, link_key=LinkKeyState.MISSING),
        IdentifyRequest: about(IdentifyRequest),
        PresenceRequest: about(PresenceRequest),
    }
    assert set(asked) == set(Request.__args__)
    for rules in (load_policy("home"), load_policy("strict")):
        for request_ in asked.values():
            for state in (context(), context(entry(), admission()), context(adopted=False)):
                assert isinstance(decide(request_, rules, state), DECISIONS)


def test_what_is_no_request_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(AssertionError):
        decide("open, please", load_policy("home"), context())  # type: ignore[arg-type]


def test_a_hundred_thousand_entries_are_looked_up_not_searched() -> None:
    class Counting(dict[Identity, Entry]):
        lookups = 0

        def get(self, key: Identity, default: Any = None, /) -> Any:
            Counting.lookups += 1
            return super().get(key, default)

        def __iter__(self) -> Any:
            raise AssertionError("searched")

    many = Counting({Identity(f"{number:016x}"): entry() for number in range(100_000)})
    many[DEVICE] = entry()
    state = context(entries=many, admissions={DEVICE: admission()})
    assert isinstance(decide(join(), load_policy("home"), state), Allow)
    assert Counting.lookups == 1
