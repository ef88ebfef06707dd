"""What holds for whatever is asked of whatever policy, and whatever is given for a policy."""

from __future__ import annotations

from typing import Any

import msgspec
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubsec.decisions import Allow, Deny, Evict, Knock, Quarantine
from hubsec.entries import Entry, Pinned, Use
from hubsec.errors import PolicyError
from hubsec.identity import CredentialKind, Mark, Network, SecurityClass
from hubsec.policy import (
    Context,
    OpenAdmission,
    Policy,
    Rule,
    decide,
    load_policy,
)
from hubsec.policy.settings import FailedExchange
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
    APPROVAL,
    DECISIONS,
    DEVICE,
    LISTED,
    NOW,
    ROUTER,
    SEALED,
    STRANGER,
    joining,
    policy,
)

# Whatever is asked

identities = st.sampled_from([DEVICE, ROUTER, STRANGER])
radios = st.sampled_from(["r", "other"])
networks = st.sampled_from(Network)
words = st.one_of(st.none(), st.sampled_from(["lamp", "lock", "Sample"]), st.text(max_size=5))
times = st.floats(NOW - 2, NOW + 2)
marks = st.frozensets(st.sampled_from(Mark))
security_classes = st.none() | st.sampled_from(SecurityClass)
requests: st.SearchStrategy[Request] = st.one_of(
    st.builds(
        JoinRequest,
        radio=radios,
        network=networks,
        device=identities,
        parent=st.none() | identities,
        attempt=st.integers(-1, 300),
        kind=st.sampled_from(JoinKind),
        through_router=st.booleans(),
    ),
    st.builds(
        OpenRequest,
        radio=radios,
        network=networks,
        kind=st.sampled_from(OpenKind),
        asker=st.sampled_from(["host", "Host", "client:kitchen", ROUTER, ""]),
        seconds=st.integers(-1, 70000),
        device=st.none() | identities,
    ),
    st.builds(
        ExchangeRequest,
        radio=radios,
        network=networks,
        device=identities,
        link_key=st.none() | st.sampled_from(LinkKeyState),
        stack_revision=st.none() | st.integers(-1, 127),
        security_class=security_classes,
    ),
    st.builds(
        IdentifyRequest,
        radio=radios,
        network=networks,
        device=identities,
        device_class=words,
        manufacturer=words,
        model=words,
        security_class=security_classes,
    ),
    st.builds(PresenceRequest, radio=radios, network=networks, device=identities),
)
pinned = st.none() | st.builds(
    Pinned, device_class=words, manufacturer=words, model=words, security_class=security_classes
)
entries = st.builds(
    Entry,
    device=identities,
    network=networks,
    credential=st.sampled_from(CredentialKind),
    label=st.just(""),
    approved_by=st.just(""),
    approved_at=times,
    expires_at=st.none() | times,
    use=st.sampled_from(Use),
    device_class=words,
    maker=words,
    joined_at=st.none() | times,
    marks=marks,
    pinned=pinned,
    quarantined=st.none() | st.just("x"),
)
admissions = st.builds(
    OpenAdmission,
    credential=st.sampled_from(CredentialKind),
    opened_at=times,
    expires_at=times,
    radio=radios,
    parents=st.none() | st.frozensets(identities),
)
contexts = st.builds(
    Context,
    now=times,
    entries=st.dictionaries(identities, entries),
    admissions=st.dictionaries(identities, admissions),
    adopted=st.booleans(),
    listening=st.booleans(),
    knocks=st.integers(0, 100),
)
policies = st.sampled_from(
    [
        load_policy("home"),
        load_policy("strict"),
        policy(),
        joining(
            **LISTED,
            credentials=["approval", "install-code"],
            tclk="optional",
            makers=["Sample"],
            classes=["lamp", "other"],
        ),
        policy(
            "rejoining: {secured: entry, unsecured: verified}\n"
            "devices: {without-entry: report}\n"
            "opening: {green-power: open, host-inclusion: guarded}\n"
            "listening: {length: 3m}\n"
            "joining: {credentials: [approval, dsk, install-code], failed-exchange: weak, tclk: if-r21,"
            " security: s2-access-control, per-class: {lamp: {security: s2-authenticated}}}\n"
        ),
        policy(
            "devices: {without-entry: evict, identity-change: report}\n"
            "joining: {parents: coordinator, credentials: []}\n"
        ),
    ]
)
fast = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@fast
@given(requests, policies, contexts)
def test_every_request_gets_a_decision_and_always_the_same(
    request_: Request, rules: Policy, state: Context
) -> None:
    before = msgspec.json.encode(state)
    decision = decide(request_, rules, state)
    assert isinstance(decision, DECISIONS)
    assert decision.rule in {rule.value for rule in Rule}
    again = decide(
        msgspec.structs.replace(request_), rules, msgspec.structs.replace(state, entries=dict(state.entries))
    )
    assert again == decision
    assert msgspec.json.encode(state) == before


@fast
@given(requests, policies, contexts)
def test_what_must_always_hold(request_: Request, rules: Policy, state: Context) -> None:
    decision = decide(request_, rules, state)
    joins = isinstance(request_, JoinRequest) and request_.kind in (JoinKind.JOIN, JoinKind.SMART_START)
    if joins:
        assert isinstance(decision, Allow | Deny | Knock)
    if isinstance(decision, Knock):
        assert request_.network is Network.ZIGBEE
    if isinstance(request_, OpenRequest):
        assert isinstance(decision, Allow | Deny)
        if isinstance(decision, Allow):
            assert state.adopted
            assert (request_.network, request_.kind, request_.asker) in OPENS
    if not state.adopted:
        assert not isinstance(decision, Quarantine | Evict | Knock)
    if (
        isinstance(request_, JoinRequest)
        and isinstance(decision, Allow)
        and request_.kind is not JoinKind.SECURED_REJOIN
    ):
        # The network key leaves: somebody said so for this device, by a credential that the policy takes.
        row = state.entries[request_.device]
        assert state.adopted
        assert decision.credential is row.credential
        assert row.credential in (APPROVAL, CredentialKind.DSK, CredentialKind.INSTALL_CODE)
        assert row.quarantined is None
        if joins:
            way = state.admissions[request_.device]
            assert way.expires_at > state.now
            assert way.credential is row.credential
            assert rules.terms(row.credential, row.device_class, row.maker).exposed == (
                Mark.EXPOSED in decision.marks
            )
    if isinstance(decision, Allow) and decision.credential is not None:
        if isinstance(request_, ExchangeRequest):
            assert (Mark.WEAK in decision.marks) == is_weak(request_, rules, state)
        if isinstance(request_, IdentifyRequest) and request_.network is Network.ZWAVE:
            holds_what_it_must(request_, state)


OPENS = {
    (Network.ZIGBEE, OpenKind.GREEN_POWER, "host"),
    (Network.ZWAVE, OpenKind.INCLUSION, "host"),
    (Network.ZWAVE, OpenKind.INCLUSION, "client:kitchen"),
}


def is_weak(request_: ExchangeRequest, rules: Policy, state: Context) -> bool:
    """Whether a device that may stay did not prove what the policy asks. Who is sure of nothing is held to prove a DSK
    at least, unless it was here before."""
    if request_.network is Network.ZIGBEE:
        return request_.link_key is not LinkKeyState.VERIFIED
    row, held = state.entries[request_.device], request_.security_class or SecurityClass.NONE
    assert held.proves_dsk or row.credential is CredentialKind.ADOPTED
    word = row.device_class
    if word is None and row.pinned is not None:
        word = row.pinned.device_class
    return held.rank < rules.least_security(word).rank


def holds_what_it_must(request_: IdentifyRequest, state: Context) -> None:
    row, held = state.entries[request_.device], request_.security_class
    if held is not None:
        assert held.proves_dsk or row.credential is CredentialKind.ADOPTED
        if row.pinned is not None and row.pinned.security_class is not None:
            assert held.rank >= row.pinned.security_class.rank


in_force = st.builds(
    Entry,
    device=st.just(SEALED),
    network=st.just(Network.ZWAVE),
    credential=st.sampled_from(CredentialKind),
    label=st.just(""),
    approved_by=st.just(""),
    approved_at=times,
    device_class=words,
    maker=words,
    joined_at=times,
    marks=marks,
    pinned=pinned,
)
about_it: st.SearchStrategy[ExchangeRequest | IdentifyRequest] = st.one_of(
    st.builds(
        ExchangeRequest,
        radio=radios,
        network=st.just(Network.ZWAVE),
        device=st.just(SEALED),
        link_key=st.none() | st.sampled_from(LinkKeyState),
        security_class=security_classes,
    ),
    st.builds(
        IdentifyRequest,
        radio=radios,
        network=st.just(Network.ZWAVE),
        device=st.just(SEALED),
        device_class=words,
        manufacturer=words,
        model=words,
        security_class=security_classes,
    ),
)


@fast
@given(about_it, policies, in_force, st.none() | admissions)
def test_a_z_wave_device_holds_what_is_asked_or_is_shut_off(
    request_: ExchangeRequest | IdentifyRequest, rules: Policy, row: Entry, way: OpenAdmission | None
) -> None:
    state = Context(
        now=NOW, entries={SEALED: row}, admissions={} if way is None else {SEALED: way}, adopted=True
    )
    decision = decide(request_, rules, state)
    assert isinstance(decision, Allow | Quarantine)
    if isinstance(decision, Quarantine):
        return
    assert decision.credential is row.credential
    if isinstance(request_, IdentifyRequest):
        holds_what_it_must(request_, state)
        return
    is_lesser = is_weak(request_, rules, state)
    assert (Mark.WEAK in decision.marks) == is_lesser
    if is_lesser and row.credential is not CredentialKind.ADOPTED:
        assert rules.settings.joining.failed_exchange is FailedExchange.WEAK


# Whatever is given for a policy

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.dates(),
    st.binary(max_size=4),
)
keys = st.one_of(
    scalars,
    st.sampled_from(
        [
            "policy",
            "joining",
            "tclk",
            "window",
            "per-class",
            "lock",
            "parents",
            "routers",
            "listening",
            "length",
        ]
    ),
)
values = st.one_of(scalars, st.sampled_from(["required", "3m", "any", "listed", "refuse", "home"]))
structures = st.recursive(
    values,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
PIECES = "policy:_ home NL __ - [ ] { } &a_ *a !x_ joining window 3m ' \" TAB # ? | > % --- ... << 0b_ 1:99. 2024-99-99"
fragments = st.lists(
    st.sampled_from(
        [
            *PIECES.replace("_", " ").replace("NL", "\n").replace("TAB", "\t").split(" "),
            "\x00",
            "\x85",
            "\ud800",
        ]
    )
).map("".join)


def is_policy_or_error(source: str | bytes) -> None:
    try:
        found = load_policy(source)
    except PolicyError as error:
        str(error).encode()
    else:
        assert isinstance(found, Policy)


@fast
@given(st.one_of(st.text(), fragments, st.text().map(lambda text: f"policy: x\njoining: {text}\n")))
def test_any_text_is_a_policy_or_an_error(text: str) -> None:
    is_policy_or_error(text)


@fast
@given(st.binary())
def test_any_bytes_are_a_policy_or_an_error(content: bytes) -> None:
    is_policy_or_error(content)


@fast
@given(structures, st.booleans())
def test_any_structure_is_a_policy_or_an_error(structure: object, named: bool) -> None:
    if named and isinstance(structure, dict):
        structure = {**structure, "policy": "x"}
    is_policy_or_error(yaml.safe_dump(structure, allow_unicode=True).encode("utf-8", "surrogatepass"))


@fast
@given(st.data())
def test_any_value_at_any_key_is_a_policy_or_an_error_there(data: st.DataObject) -> None:
    from hubsec.policy.keys import KEYS

    key = data.draw(st.sampled_from(KEYS))
    content: dict[str, Any] = {"policy": "x"}
    node = content
    for step in key.path[:-1]:
        node = node.setdefault(step, {})
    node[key.path[-1]] = data.draw(st.one_of(structures, st.lists(values, max_size=3)))
    is_policy_or_error(yaml.safe_dump(content))
