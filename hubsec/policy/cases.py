"""Cases: what a policy must say, written down beside it, and run against it.

A case is a state of the network (`given`), a question (`when`) and the answer (`then`). A case that lets something
happen shows little by itself, so it must have a counterpart: a `but` that changes as little as it can, and is not
allowed. ``docs/policies.md`` has the format.
"""

from __future__ import annotations

import enum
import re
from typing import Any, NamedTuple, assert_never

import msgspec
from msgspec import inspect

from hubsec.decisions import Allow, Decision, Deny, Evict, Knock, Quarantine
from hubsec.entries import Entry, Pinned, Use
from hubsec.errors import PolicyError, Refused
from hubsec.identity import CredentialKind, Identity, Mark, Network
from hubsec.policy.context import Context, OpenAdmission
from hubsec.policy.keys import duration_text
from hubsec.policy.loading import read_resource, ready_policy
from hubsec.policy.policy import Policy, decide
from hubsec.policy.reading import Document, Path_, all_of
from hubsec.policy.settings import Tclk
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

NOW = 1_000_000.0
"""The time of every case, seconds since the epoch."""
RADIO = "radio"
"""The radio of every request in a case."""
DEVICE = Identity("00:12:4b:00:01:02:03:04")
"""The device of every case."""

_KEBAB: dict[str, Any] = {"frozen": True, "kw_only": True, "forbid_unknown_fields": True, "rename": "kebab"}


class _Strict(msgspec.Struct, **_KEBAB):
    """Root of what a case file may say."""


class GivenPinned(_Strict, **_KEBAB):
    """What the device said of itself at first."""

    device_class: str | None = None
    manufacturer: str | None = None
    model: str | None = None


class GivenEntry(_Strict, **_KEBAB):
    """The device's row of the allowlist. Times are seconds before and after the request."""

    credential: CredentialKind
    network: Network = Network.ZIGBEE
    joined_ago: int | None = None
    expires_in: int | None = None
    use: Use = Use.STANDING
    device_class: str | None = None
    maker: str | None = None
    marks: frozenset[Mark] = frozenset()
    quarantined: str | None = None
    pinned: GivenPinned | None = None


class GivenAdmission(_Strict, **_KEBAB):
    """The device's open admission. Times are seconds before and after the request."""

    credential: CredentialKind
    opened_ago: int = 5
    expires_in: int = 60
    radio: str = RADIO
    parents: frozenset[Identity] | None = None


class Given(_Strict, **_KEBAB):
    """The state of the network."""

    adopted: bool = True
    listening: bool = False
    knocks: int = 0
    entry: GivenEntry | None = None
    admission: GivenAdmission | None = None


class _When(_Strict, tag_field="request", **_KEBAB):
    """Root of the questions."""


class WhenJoin(_When, tag="join", **_KEBAB):
    """The device asks for the network key, or has come back."""

    kind: JoinKind = JoinKind.JOIN
    parent: Identity | None = None
    through_router: bool = False
    attempt: int = 1


class WhenOpen(_When, tag="open", **_KEBAB):
    """Somebody wants to open the network."""

    kind: OpenKind
    asker: str = "host"
    seconds: int = 60


class WhenExchange(_When, tag="exchange", **_KEBAB):
    """The device's link key exchange has ended."""

    link_key: LinkKeyState
    stack_revision: int | None = None


class WhenIdentify(_When, tag="identify", **_KEBAB):
    """The device says what it is."""

    device_class: str | None = None
    manufacturer: str | None = None
    model: str | None = None


class WhenPresence(_When, tag="presence", **_KEBAB):
    """The device is on the network and was not seen to join."""


class WhenAdmit(_When, tag="admit", **_KEBAB):
    """An operator wants to admit a device that is expected to be of that class and maker."""

    credential: CredentialKind
    device_class: str | None = None
    maker: str | None = None


class WhenListen(_When, tag="listen", **_KEBAB):
    """An operator wants to listen for knocks."""

    seconds: int


type When = WhenJoin | WhenOpen | WhenExchange | WhenIdentify | WhenPresence | WhenAdmit | WhenListen


class Kind(enum.StrEnum):
    """The decisions, by the names that cases use."""

    ALLOW = "allow"
    DENY = "deny"
    KNOCK = "knock"
    QUARANTINE = "quarantine"
    EVICT = "evict"


class Then(_Strict, **_KEBAB):
    """The answer: the decision's kind, and of the rest what matters to the case. The last five are an admission's
    terms."""

    decision: Kind
    rule: str | None = None
    marks: frozenset[Mark] | None = None
    window: str | None = None
    exchange_limit: str | None = None
    tclk: Tclk | None = None
    attempts: int | None = None
    parents: str | None = None


class Case(_Strict, **_KEBAB):
    """One case, complete: a counterpart has its case's parts filled in."""

    name: str
    when: When
    then: Then
    given: Given = Given()


class Result(NamedTuple):
    """How one case went. `expected` and `got` are sentences for a person, equal where the case passed."""

    case: str
    line: int | None
    passed: bool
    expected: str
    got: str


def read_cases(document: Document) -> tuple[str, tuple[tuple[Case, int | None], ...]]:
    """The policy's name that the cases are for, and each case with its line.

    Raises :class:`~hubsec.errors.PolicyError` with all mistakes, such as an allowed case without a counterpart.
    """
    root = document.value
    if not isinstance(root, dict) or set(root) != {"policy", "cases"}:
        raise document.error("A file of cases has two keys.", (), ("policy", "cases"))
    name, listed = root["policy"], root["cases"]
    if not isinstance(name, str):
        raise document.error("It must be a policy's name.", ("policy",))
    if not isinstance(listed, list) or not listed:
        raise document.error("It must be a list of at least one case.", ("cases",))
    cases: list[tuple[Case, int | None]] = []
    wrong: list[PolicyError] = []
    for place, item in enumerate(listed):
        try:
            cases += _with_counterparts(document, item, ("cases", place))
        except PolicyError as error:
            wrong += (error, *error.others)
    if wrong:
        raise all_of(wrong)
    return name, tuple(cases)


def _with_counterparts(document: Document, item: object, path: Path_) -> list[tuple[Case, int | None]]:
    """One case of the list, and its counterparts."""
    if not isinstance(item, dict):
        raise document.error("A case is a mapping.", path, ("name", "given", "when", "then", "but"))
    base = {key: value for key, value in item.items() if key != "but"}
    case = _case(document, base, path)
    cases = [(case, document.line(path))]
    variants = item.get("but", [])
    if not isinstance(variants, list):
        raise document.error("It must be a list of cases.", (*path, "but"))
    wrong: list[PolicyError] = []
    for below, changes in enumerate(variants):
        here: Path_ = (*path, "but", below)
        try:
            cases.append(
                (_case(document, _changed(document, base, changes, here), here), document.line(here))
            )
        except PolicyError as error:
            wrong.append(error)
    if wrong:
        raise all_of(wrong)
    if all(one.then.decision is Kind.ALLOW for one, _ in cases):
        raise document.error(_NO_COUNTERPART, path)
    return cases


def _changed(document: Document, base: dict[str, Any], changes: object, path: Path_) -> dict[str, Any]:
    """A counterpart, filled in from its case."""
    if not isinstance(changes, dict) or not {"name", "then"} <= set(changes):
        raise document.error("A counterpart has a name and a then, and what differs.", path)
    merged = {**_merged(base, changes), "then": changes["then"]}
    when = changes.get("when")
    if isinstance(when, dict) and "request" in when:
        merged["when"] = when
    return merged


def run_cases(policy: Policy, document: Document) -> tuple[Result, ...]:
    """Ask `policy` every question of the file. Raises :class:`~hubsec.errors.PolicyError` for a mistake in the file."""
    name, cases = read_cases(document)
    if name != policy.name:
        raise document.error(f"These cases are for {name}, and the policy is {policy.name}.", ("policy",))
    return tuple(_run(policy, case, line) for case, line in cases)


def ready_cases(name: str) -> Document:
    """The cases of a ready policy; blocking. Raises :class:`~hubsec.errors.PolicyError` if it has none."""
    cases = ready_policy(name).cases
    if cases is None:
        raise PolicyError(f"The policy {name} has no cases.")
    return read_resource(cases)


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


_NO_COUNTERPART = (
    "It is allowed, so it needs a counterpart that is not. Write one under it, such as "
    "`but: [{name: It has no entry, given: {entry: null}, then: {decision: deny, rule: no-entry}}]`."
)
_MISSING = re.compile(r"Object missing required field `(.+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.+)`")
_NO_SUCH_VALUE = re.compile(r"Invalid (?:enum )?value (.+)", re.DOTALL)
_WRONG_TYPE = re.compile(r"Expected `(.+)`, got `(.+)`")
_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "str": "text",
    "int": "a whole number",
    "bool": "true or false",
    "null": "nothing",
}
_AT = re.compile(r"(.*?)(?: - at `(?:key in )?\$?(.*)`)?", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[([0-9]+)\]")


def _case(document: Document, item: dict[str, Any], path: Path_) -> Case:
    try:
        return msgspec.convert(item, Case)
    except msgspec.ValidationError as error:
        match = _AT.fullmatch(str(error))
        problem, where = (match[1], match[2] or "") if match is not None else (str(error), "")
        steps = tuple(word or int(number) for word, number in _STEP.findall(where))
        raise _explained(document, item, problem, (*path, *steps), steps) from error


def _explained(
    document: Document, item: dict[str, Any], problem: str, path: Path_, steps: Path_
) -> PolicyError:
    """msgspec's complaint about what stands at `steps` of a case, in our own words."""
    if missing := _MISSING.fullmatch(problem):
        allowed = _allowed(item, (*steps, missing[1]))
        return document.error("It is missing.", (*path, missing[1]), allowed)
    if unknown := _UNKNOWN.fullmatch(problem):
        return document.error("There is no such key.", (*path, unknown[1]), _allowed(item, steps))
    if value := _NO_SUCH_VALUE.fullmatch(problem):
        return document.error(f"{value[1]} is not allowed here.", path, _allowed(item, steps))
    if types := _WRONG_TYPE.fullmatch(problem):
        wanted = " or ".join(_TYPES.get(word.strip(), word.strip()) for word in types[1].split("|"))
        found = _TYPES.get(types[2], types[2])
        return document.error(f"It must be {wanted}, and is {found}.", path, _allowed(item, steps))
    return document.error(f"{problem}.", path)


def _allowed(item: object, steps: Path_) -> tuple[str, ...]:
    """What may stand at `steps` of a case: an enumeration's words, a mapping's keys, the names of the questions."""
    kind, value = inspect.type_info(Case), item
    for step in steps:
        kind = _within(kind, value, step)
        value = value.get(step) if isinstance(value, dict) else None
    match _mapping(kind, value) or _words(kind):
        case inspect.EnumType(cls=words):
            return tuple(word.value for word in words)
        case inspect.StructType(fields=fields):
            tag = ("request",) if isinstance(value, dict) and "request" in value else ()
            return (*tag, *(field.encode_name for field in fields))
        case inspect.UnionType(types=types):
            return tuple(str(one.tag) for one in types if isinstance(one, inspect.StructType))
        case _:
            return ()


def _within(kind: inspect.Type, value: object, step: str | int) -> inspect.Type:
    """The type of what stands at `step` of a value of that type."""
    match _mapping(kind, value) or _words(kind):
        case inspect.StructType(fields=fields):
            return next((field.type for field in fields if field.encode_name == step), kind)
        case inspect.FrozenSetType(item_type=inner):
            return inner
        case _:
            return kind


def _mapping(kind: inspect.Type, value: object) -> inspect.StructType | None:
    """The mapping that is meant; of several that have a tag, the one that `value` names."""
    tag = value.get("request") if isinstance(value, dict) else None
    types = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    for one in types:
        if isinstance(one, inspect.StructType) and one.tag in (None, tag):
            return one
    return None


def _words(kind: inspect.Type) -> inspect.Type:
    """The type itself, without the None that may stand in its place."""
    if isinstance(kind, inspect.UnionType):
        types = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
        return types[0] if len(types) == 1 else kind
    return kind


def _run(policy: Policy, case: Case, line: int | None) -> Result:
    then = case.then
    got = _answer(policy, case)
    expected = {key: value for key, value in msgspec.structs.asdict(then).items() if value is not None}
    found = {key: got.get(key) for key in expected}
    return Result(case.name, line, expected == found, _sentence(expected), _sentence(got))


def _sentence(answer: dict[str, Any]) -> str:
    words = [str(answer["decision"])]
    for key, value in answer.items():
        if key != "decision" and value is not None:
            text = "+".join(sorted(value)) or "none" if isinstance(value, frozenset) else str(value)
            words.append(f"{key.replace('_', '-')} {text}")
    return ", ".join(words)


def _answer(policy: Policy, case: Case) -> dict[str, Any]:
    """What the policy says, in the fields of :class:`Then`."""
    match case.when:
        case WhenAdmit(credential=credential, device_class=device_class, maker=maker):
            try:
                terms = policy.terms(credential, device_class, maker)
            except Refused as error:
                return {"decision": Kind.DENY, "rule": error.rule}
            routers = None if terms.parents is None else " ".join(sorted(terms.parents))
            parents = "any" if routers is None else routers or "coordinator"
            return {
                "decision": Kind.ALLOW,
                "window": duration_text(terms.window),
                "exchange_limit": duration_text(terms.exchange_limit),
                "tclk": terms.tclk,
                "attempts": terms.attempts,
                "parents": parents,
            }
        case WhenListen(seconds=seconds):
            try:
                policy.check_listening(seconds)
            except Refused as error:
                return {"decision": Kind.DENY, "rule": error.rule}
            return {"decision": Kind.ALLOW}
        case _:
            decision = decide(_request(case.when), policy, _context(case.given))
            answer: dict[str, Any] = {"decision": _kind(decision), "rule": decision.rule}
            if isinstance(decision, Allow):
                answer["marks"] = decision.marks
            return answer


def _kind(decision: Decision) -> Kind:
    match decision:
        case Allow():
            return Kind.ALLOW
        case Deny():
            return Kind.DENY
        case Knock():
            return Kind.KNOCK
        case Quarantine():
            return Kind.QUARANTINE
        case Evict():
            return Kind.EVICT
        case _:
            assert_never(decision)


def _request(
    when: WhenJoin | WhenOpen | WhenExchange | WhenIdentify | WhenPresence,
) -> Request:
    fields: dict[str, Any] = {"radio": RADIO, "network": Network.ZIGBEE, **msgspec.structs.asdict(when)}
    match when:
        case WhenJoin():
            return JoinRequest(device=DEVICE, **fields)
        case WhenOpen():
            return OpenRequest(**fields)
        case WhenExchange():
            return ExchangeRequest(device=DEVICE, **fields)
        case WhenIdentify():
            return IdentifyRequest(device=DEVICE, **fields)
        case WhenPresence():
            return PresenceRequest(device=DEVICE, **fields)
        case _:
            assert_never(when)


def _context(given: Given) -> Context:
    entries: dict[Identity, Entry] = {}
    admissions: dict[Identity, OpenAdmission] = {}
    if (entry := given.entry) is not None:
        entries[DEVICE] = Entry(
            device=DEVICE,
            network=entry.network,
            credential=entry.credential,
            label="the device",
            approved_by="the operator",
            approved_at=0.0,
            expires_at=None if entry.expires_in is None else NOW + entry.expires_in,
            use=entry.use,
            device_class=entry.device_class,
            maker=entry.maker,
            joined_at=None if entry.joined_ago is None else NOW - entry.joined_ago,
            marks=entry.marks,
            pinned=None if entry.pinned is None else Pinned(**msgspec.structs.asdict(entry.pinned)),
            quarantined=entry.quarantined,
        )
    if (admission := given.admission) is not None:
        admissions[DEVICE] = OpenAdmission(
            credential=admission.credential,
            opened_at=NOW - admission.opened_ago,
            expires_at=NOW + admission.expires_in,
            radio=admission.radio,
            parents=admission.parents,
        )
    return Context(
        now=NOW,
        entries=entries,
        admissions=admissions,
        adopted=given.adopted,
        listening=given.listening,
        knocks=given.knocks,
    )
