"""Deciding on a Z-Wave network: each pair of rows differs in what the rule is about."""

from __future__ import annotations

from typing import Any

import pytest

from hubsec.decisions import Allow, Decision, Deny, Evict, Quarantine
from hubsec.entries import Pinned, Use
from hubsec.identity import Mark, SecurityClass
from hubsec.policy import Context, DeviceClass, Policy, Rule, decide, load_policy, zwave_device_class
from hubsec.policy.rules import REASONS
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
    DSK,
    IN,
    NODE,
    NOW,
    about,
    admission,
    context,
    join,
    joining,
    opening,
    policy,
    zwave,
    zwave_entry,
)

NONE, S0, UNAUTHENTICATED, AUTHENTICATED, ACCESS_CONTROL = SecurityClass
PLAIN = policy()
WEAK_MAY_STAY = joining(**{"failed-exchange": "weak", "security": "s2-access-control"})
LOCKS = joining(**{"per-class": {"lock": {"security": "s2-access-control"}}})
HEARING = policy("listening: {length: 1m}\n")
GUARDED = policy("opening: {host-inclusion: guarded, green-power: open}\n")
EVICTING = policy("devices: {without-entry: evict}\n")
WAY = admission(credential=DSK)
WAS_IN = context(zwave_entry(**IN))
BASELINE = context(zwave_entry(credential=ADOPTED))


def admitted(**fields: Any) -> Context:
    return context(zwave_entry(**fields), WAY)


def was_in(**fields: Any) -> Context:
    return context(zwave_entry(**IN, **fields))


def asks(**fields: Any) -> JoinRequest:
    return zwave(join(**fields))


def holds(security: SecurityClass | None, **fields: Any) -> Request:
    return zwave(about(ExchangeRequest, security_class=security, **fields))


def says(security: SecurityClass | None = None, **fields: Any) -> Request:
    return zwave(about(IdentifyRequest, security_class=security, **fields))


def wants(kind: OpenKind, **fields: Any) -> OpenRequest:
    return zwave(opening(kind=kind, **{"seconds": 0, **fields}))


SMART = {"kind": JoinKind.SMART_START}
SPENT = {"use": Use.SINGLE, "joined_at": NOW - 6}
PINNED = was_in(pinned=Pinned(device_class="lamp", model="L1", security_class=AUTHENTICATED))
ROWS: list[tuple[str, Policy, Context, Request, type[Decision], Rule]] = [
    ("its DSK was given", PLAIN, admitted(), asks(), Allow, Rule.DSK),
    ("nobody gave its DSK", PLAIN, context(), asks(), Deny, Rule.NO_ENTRY),
    ("nobody knocks", HEARING, context(listening=True), asks(), Deny, Rule.NO_ENTRY),
    (
        "nobody knocks with an entry",
        HEARING,
        context(zwave_entry(), listening=True),
        asks(),
        Deny,
        Rule.NO_ADMISSION,
    ),
    ("no DSK is taken", joining(credentials=["install-code"]), admitted(), asks(), Deny, Rule.CREDENTIAL),
    (
        "the admission rests on another credential",
        PLAIN,
        context(zwave_entry(), admission(credential=APPROVAL)),
        asks(),
        Deny,
        Rule.CREDENTIAL_MISMATCH,
    ),
    (
        "the baseline's proof lets nobody in",
        PLAIN,
        context(zwave_entry(credential=ADOPTED), admission(credential=ADOPTED)),
        asks(),
        Deny,
        Rule.CREDENTIAL,
    ),
    ("by SmartStart", PLAIN, admitted(), asks(**SMART), Allow, Rule.DSK),
    ("by SmartStart, unknown", PLAIN, context(), asks(**SMART), Deny, Rule.NO_ENTRY),
    ("by SmartStart, unlisted", PLAIN, context(zwave_entry()), asks(**SMART), Deny, Rule.NO_ADMISSION),
    (
        "by SmartStart, before adoption",
        PLAIN,
        context(zwave_entry(), WAY, adopted=False),
        asks(**SMART),
        Deny,
        Rule.ADOPTION,
    ),
    ("by SmartStart, spent", PLAIN, admitted(**SPENT), asks(**SMART), Deny, Rule.ENTRY_SPENT),
    ("by SmartStart, quarantined", PLAIN, admitted(quarantined="x"), asks(**SMART), Deny, Rule.QUARANTINED),
    (
        "no network key is asked for again",
        policy("rejoining: {unsecured: verified}\n"),
        WAS_IN,
        asks(kind=JoinKind.UNSECURED_REJOIN),
        Deny,
        Rule.UNSECURED_REJOIN,
    ),
    ("there", PLAIN, WAS_IN, zwave(about(PresenceRequest)), Allow, Rule.KNOWN),
    ("there, unknown", PLAIN, context(), zwave(about(PresenceRequest)), Quarantine, Rule.WITHOUT_ENTRY),
    (
        "there, unknown, to leave",
        EVICTING,
        context(),
        zwave(about(PresenceRequest)),
        Evict,
        Rule.WITHOUT_ENTRY,
    ),
    # The keys that it ended up with
    ("as asked", PLAIN, WAS_IN, holds(AUTHENTICATED), Allow, Rule.SECURED),
    ("as asked, while it is admitted", PLAIN, admitted(), holds(AUTHENTICATED), Allow, Rule.SECURED),
    ("more than asked", PLAIN, WAS_IN, holds(ACCESS_CONTROL), Allow, Rule.SECURED),
    ("less than asked", PLAIN, WAS_IN, holds(UNAUTHENTICATED), Quarantine, Rule.SECURITY_CLASS),
    ("nothing", PLAIN, WAS_IN, holds(NONE), Quarantine, Rule.SECURITY_CLASS),
    ("nobody knows", PLAIN, WAS_IN, holds(None), Quarantine, Rule.SECURITY_CLASS),
    (
        "a link key is no security class",
        joining(tclk="optional"),
        WAS_IN,
        holds(None, link_key=LinkKeyState.VERIFIED, stack_revision=22),
        Quarantine,
        Rule.SECURITY_CLASS,
    ),
    ("a lock as asked", LOCKS, was_in(device_class="lock"), holds(ACCESS_CONTROL), Allow, Rule.SECURED),
    (
        "a lock with less",
        LOCKS,
        was_in(device_class="lock"),
        holds(AUTHENTICATED),
        Quarantine,
        Rule.SECURITY_CLASS,
    ),
    (
        "what says that it is a lock, with less",
        LOCKS,
        was_in(pinned=Pinned(device_class="lock")),
        holds(AUTHENTICATED),
        Quarantine,
        Rule.SECURITY_CLASS,
    ),
    ("less, and forgiven", WEAK_MAY_STAY, WAS_IN, holds(AUTHENTICATED), Allow, Rule.SECURITY_CLASS),
    (
        "unproved is not forgiven",
        WEAK_MAY_STAY,
        WAS_IN,
        holds(UNAUTHENTICATED),
        Quarantine,
        Rule.SECURITY_CLASS,
    ),
    ("S0 is not forgiven", WEAK_MAY_STAY, WAS_IN, holds(S0), Quarantine, Rule.SECURITY_CLASS),
    (
        "an approval forgives nothing",
        joining(**{"failed-exchange": "weak", "credentials": ["approval"]}),
        was_in(credential=APPROVAL),
        holds(UNAUTHENTICATED),
        Quarantine,
        Rule.SECURITY_CLASS,
    ),
    ("the baseline owes nothing", PLAIN, BASELINE, holds(NONE), Allow, Rule.SECURITY_NOT_OWED),
    ("the baseline may hold it", PLAIN, BASELINE, holds(AUTHENTICATED), Allow, Rule.SECURED),
    ("a stranger's keys", PLAIN, context(), holds(ACCESS_CONTROL), Quarantine, Rule.WITHOUT_ENTRY),
    ("let in by nobody", PLAIN, context(zwave_entry()), holds(ACCESS_CONTROL), Quarantine, Rule.NEVER_LET_IN),
    ("before adoption", PLAIN, context(adopted=False), holds(NONE), Allow, Rule.ADOPTION),
    # What it says of itself
    ("what it said", PLAIN, PINNED, says(AUTHENTICATED, device_class="lamp"), Allow, Rule.IDENTITY),
    ("it holds more now", PLAIN, PINNED, says(ACCESS_CONTROL), Allow, Rule.IDENTITY),
    ("it holds less now", PLAIN, PINNED, says(UNAUTHENTICATED), Quarantine, Rule.SECURITY_CLASS),
    ("it says nothing", PLAIN, PINNED, says(), Allow, Rule.IDENTITY),
    (
        "it holds less now, and changes are only told of",
        policy("devices: {identity-change: report}\n"),
        PINNED,
        says(S0),
        Quarantine,
        Rule.SECURITY_CLASS,
    ),
    (
        "a baseline device holds less now",
        PLAIN,
        context(zwave_entry(credential=ADOPTED, pinned=Pinned(security_class=S0))),
        says(NONE),
        Quarantine,
        Rule.SECURITY_CLASS,
    ),
    (
        "a baseline device holds what it held",
        LOCKS,
        context(zwave_entry(credential=ADOPTED, pinned=Pinned(security_class=S0))),
        says(S0, device_class="lock"),
        Allow,
        Rule.IDENTITY,
    ),
    (
        "it turns out to be a lamp",
        LOCKS,
        WAS_IN,
        says(AUTHENTICATED, device_class="lamp"),
        Allow,
        Rule.IDENTITY,
    ),
    (
        "it turns out to be a lock",
        LOCKS,
        WAS_IN,
        says(AUTHENTICATED, device_class="lock"),
        Quarantine,
        Rule.SECURITY_CLASS,
    ),
    (
        "it turns out to be a lock while it is admitted",
        LOCKS,
        admitted(),
        says(AUTHENTICATED, device_class="lock"),
        Quarantine,
        Rule.SECURITY_CLASS,
    ),
    (
        "it does not say again that it is a lock",
        LOCKS,
        was_in(device_class="lock"),
        says(AUTHENTICATED),
        Quarantine,
        Rule.SECURITY_CLASS,
    ),
    ("less, and forgiven here too", WEAK_MAY_STAY, WAS_IN, says(AUTHENTICATED), Allow, Rule.SECURITY_CLASS),
    ("unproved, and never forgiven", WEAK_MAY_STAY, WAS_IN, says(S0), Quarantine, Rule.SECURITY_CLASS),
    (
        "less and forgiven, but another model",
        WEAK_MAY_STAY,
        PINNED,
        says(AUTHENTICATED, model="L2"),
        Quarantine,
        Rule.IDENTITY_CHANGE,
    ),
    (
        "weak by its mark alone",
        joining(**{"per-class": {"lock": {"tclk": "required"}}}),
        was_in(marks=frozenset({Mark.WEAK})),
        says(AUTHENTICATED, device_class="lock"),
        Allow,
        Rule.IDENTITY,
    ),
    # Opening
    ("an inclusion", GUARDED, context(), wants(OpenKind.INCLUSION), Allow, Rule.GUARDED_INCLUSION),
    ("an inclusion refused", PLAIN, context(), wants(OpenKind.INCLUSION), Deny, Rule.HOST_INCLUSION),
    (
        "an inclusion by a client",
        GUARDED,
        context(),
        wants(OpenKind.INCLUSION, asker="client:kitchen"),
        Allow,
        Rule.GUARDED_INCLUSION,
    ),
    (
        "an inclusion by a node",
        GUARDED,
        context(),
        wants(OpenKind.INCLUSION, asker=NODE),
        Deny,
        Rule.NODE_PERMIT,
    ),
    (
        "an inclusion before adoption",
        GUARDED,
        context(adopted=False),
        wants(OpenKind.INCLUSION),
        Deny,
        Rule.ADOPTION,
    ),
    (
        "an inclusion on Zigbee",
        GUARDED,
        context(),
        opening(kind=OpenKind.INCLUSION),
        Deny,
        Rule.HOST_INCLUSION,
    ),
    (
        "a client on Zigbee",
        GUARDED,
        context(),
        opening(kind=OpenKind.INCLUSION, asker="client:kitchen"),
        Deny,
        Rule.NODE_PERMIT,
    ),
    ("without S2", GUARDED, context(), wants(OpenKind.INSECURE_INCLUSION), Deny, Rule.INSECURE_INCLUSION),
    ("a takeover", GUARDED, context(), wants(OpenKind.TAKEOVER), Deny, Rule.TAKEOVER),
    (
        "a backup by a client",
        GUARDED,
        context(),
        wants(OpenKind.RESTORE, asker="client:kitchen"),
        Deny,
        Rule.HOST_RESTORE,
    ),
    (
        "Green Power on Z-Wave",
        GUARDED,
        context(),
        wants(OpenKind.GREEN_POWER, seconds=60),
        Deny,
        Rule.GREEN_POWER_SHUT,
    ),
]


@pytest.mark.parametrize(
    ("rules", "state", "request_", "kind", "rule"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_a_request_gets_its_decision(
    rules: Policy, state: Context, request_: Request, kind: type[Decision], rule: Rule
) -> None:
    decision = decide(request_, rules, state)
    assert (type(decision), decision.rule) == (kind, rule.value)
    assert decision.reason == REASONS[rule]


@pytest.mark.parametrize(
    ("request_", "state", "marks"),
    [
        (asks(), admitted(), set()),
        (holds(ACCESS_CONTROL), was_in(marks=frozenset({Mark.WEAK})), set()),
        (holds(AUTHENTICATED), WAS_IN, {Mark.WEAK}),
        (holds(NONE), BASELINE, {Mark.WEAK}),
        (holds(ACCESS_CONTROL), was_in(credential=APPROVAL), {Mark.EXPOSED}),
        (says(AUTHENTICATED), WAS_IN, {Mark.WEAK}),
        (says(ACCESS_CONTROL), WAS_IN, set()),
        (says(NONE), BASELINE, set()),
    ],
)
def test_what_is_lasting_and_wrong_is_said(request_: Request, state: Context, marks: set[Mark]) -> None:
    decision = decide(request_, WEAK_MAY_STAY, state)
    assert isinstance(decision, Allow)
    assert decision.marks == marks


@pytest.mark.parametrize("name", ["home", "strict"])
@pytest.mark.parametrize("security", [NONE, S0, UNAUTHENTICATED])
@pytest.mark.parametrize("device_class", [None, *DeviceClass])
def test_no_ready_policy_takes_less_than_a_proved_dsk(
    name: str, security: SecurityClass, device_class: str | None
) -> None:
    rules = load_policy(name)
    state = was_in(device_class=device_class)
    for request_ in (holds(security), says(security, device_class=device_class)):
        assert isinstance(decide(request_, rules, state), Quarantine)
    assert rules.least_security(device_class).proves_dsk


# Terms, and the classes that they depend on


def test_terms_say_what_a_z_wave_device_needs() -> None:
    rules = joining(
        **{
            "smart-start-window": "2d12h",
            "per-class": {"lock": {"security": "s2-access-control", "smart-start-window": "90s"}},
        }
    )
    terms = rules.terms(DSK, "lamp")
    assert (terms.security, terms.smart_start_window, terms.exposed) == (AUTHENTICATED, 216_000, False)
    assert (terms.window, terms.parents) == (180, None)
    lock = rules.terms(DSK, "lock")
    assert (lock.security, lock.smart_start_window) == (ACCESS_CONTROL, 90)
    assert rules.least_security("lock") is ACCESS_CONTROL
    for word in (None, "lamp", "nonsense"):
        assert rules.least_security(word) is AUTHENTICATED


def test_at_home_what_opens_the_house_needs_the_keys_of_locks() -> None:
    assert {word: load_policy("home").least_security(word) for word in DeviceClass} == {
        word: ACCESS_CONTROL
        if word in (DeviceClass.LOCK, DeviceClass.KEYPAD, DeviceClass.BARRIER)
        else AUTHENTICATED
        for word in DeviceClass
    }


DOOR_LOCK, ENTRY_CONTROL, BARRIER_OPERATOR, USER_CODE, SOUND_SWITCH = 0x62, 0x6F, 0x66, 0x63, 0x79
BINARY_SWITCH, MULTILEVEL_SENSOR, NOTIFICATION = 0x25, 0x31, 0x71


@pytest.mark.parametrize(
    ("generic", "specific", "command_classes", "expected"),
    [
        (0x40, 3, (), DeviceClass.LOCK),
        (0x40, 11, (), DeviceClass.KEYPAD),
        (0x40, 7, (), DeviceClass.BARRIER),
        (0x40, 0, (), DeviceClass.LOCK),
        (0x40, 11, (ENTRY_CONTROL, USER_CODE), DeviceClass.KEYPAD),
        (0x40, 3, (DOOR_LOCK, USER_CODE), DeviceClass.LOCK),
        (0x17, 1, (), DeviceClass.KEYPAD),
        (0x10, 1, (), DeviceClass.PLUG),
        (0x10, 2, (), DeviceClass.LAMP),
        (0x10, 5, (), DeviceClass.SIREN),
        (0x10, 6, (), DeviceClass.OTHER),
        (0x10, 0, (), DeviceClass.PLUG),
        (0x10, 1, (BINARY_SWITCH, DOOR_LOCK), DeviceClass.LOCK),
        (0x10, 1, (BINARY_SWITCH, BARRIER_OPERATOR), DeviceClass.BARRIER),
        (0x10, 1, (BINARY_SWITCH, SOUND_SWITCH), DeviceClass.SIREN),
        (0x10, 1, (BINARY_SWITCH, MULTILEVEL_SENSOR, NOTIFICATION), DeviceClass.PLUG),
        (0x11, 1, (), DeviceClass.LAMP),
        (0x11, 6, (), DeviceClass.COVER),
        (0x11, 8, (), DeviceClass.OTHER),
        (0x08, 6, (), DeviceClass.THERMOSTAT),
        (0x18, 1, (), DeviceClass.SWITCH),
        (0x02, 1, (), DeviceClass.OTHER),
        (0x07, 1, (NOTIFICATION,), DeviceClass.SENSOR),
        (0x07, 1, (NOTIFICATION, USER_CODE), DeviceClass.KEYPAD),
        (0x03, 18, (), DeviceClass.SIREN),
        (0, 0, (), DeviceClass.OTHER),
        (-1, 1 << 40, (-1, 1 << 40), DeviceClass.OTHER),
    ],
)
def test_a_device_has_the_class_that_needs_most_care(
    generic: int, specific: int, command_classes: tuple[int, ...], expected: DeviceClass
) -> None:
    assert zwave_device_class(generic, specific, command_classes) is expected
