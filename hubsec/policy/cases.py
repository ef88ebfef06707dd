"""Cases: what a policy must say, written down beside it, and run against it.

A case is a state of the network (`given`), a question (`when`) and the answer (`then`). A case that lets something
happen shows little by itself, so it must have a counterpart: a `but` that changes as little as it can, and is not
allowed. ``docs/policies.md`` has the format.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple, assert_never

import msgspec
from msgspec import inspect

from hubsec.decisions import Allow, Decision, Deny, Evict, Knock, Quarantine
from hubsec.entries import Entry, Pinned
from hubsec.errors import PolicyError, Refused
from hubsec.identity import Identity
from hubsec.policy.case_format import (
    DEVICES,
    NOW,
    RADIO,
    Case,
    Given,
    Kind,
    WhenAdmit,
    WhenExchange,
    WhenIdentify,
    WhenJoin,
    WhenListen,
    WhenOpen,
    WhenPresence,
)
from hubsec.policy.context import Context, OpenAdmission
from hubsec.policy.keys import duration_text
from hubsec.policy.loading import read_resource, ready_policy
from hubsec.policy.policy import Policy, decide
from hubsec.policy.reading import Document, Path_, all_of
from hubsec.requests import (
    ExchangeRequest,
    IdentifyRequest,
    JoinRequest,
    OpenRequest,
    PresenceRequest,
    Request,
)


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
                "security": terms.security,
                "smart_start_window": duration_text(terms.smart_start_window),
            }
        case WhenListen(seconds=seconds):
            try:
                policy.check_listening(seconds)
            except Refused as error:
                return {"decision": Kind.DENY, "rule": error.rule}
            return {"decision": Kind.ALLOW}
        case _:
            decision = decide(_request(case.when, case.given), policy, _context(case.given))
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


def _request(when: WhenJoin | WhenOpen | WhenExchange | WhenIdentify | WhenPresence, given: Given) -> Request:
    fields: dict[str, Any] = {"radio": RADIO, "network": given.network, **msgspec.structs.asdict(when)}
    device = DEVICES[given.network]
    match when:
        case WhenJoin():
            return JoinRequest(device=device, **fields)
        case WhenOpen():
            return OpenRequest(**fields)
        case WhenExchange():
            return ExchangeRequest(device=device, **fields)
        case WhenIdentify():
            return IdentifyRequest(device=device, **fields)
        case WhenPresence():
            return PresenceRequest(device=device, **fields)
        case _:
            assert_never(when)


def _context(given: Given) -> Context:
    entries: dict[Identity, Entry] = {}
    admissions: dict[Identity, OpenAdmission] = {}
    device = DEVICES[given.network]
    if (entry := given.entry) is not None:
        entries[device] = Entry(
            device=device,
            network=entry.network if entry.network is not None else given.network,
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
        admissions[device] = OpenAdmission(
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
