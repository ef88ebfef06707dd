"""The ready policies say what their cases say, and the cases notice when they don't."""

from __future__ import annotations

import copy
import functools
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from hubsec.errors import PolicyError
from hubsec.policy import DeviceClass, load_policy, ready_policies
from hubsec.policy.cases import ready_cases, run_cases
from hubsec.policy.command import app
from hubsec.policy.keys import CLASS_SECTION, JOINING_KEYS, KEYS, Key, duration_text, parse_duration
from hubsec.policy.publish import effective
from hubsec.policy.reading import read_text
from hubsec.policy.rules import Rule
from hubsec.policy.settings import SMART_START_LIMIT

READY = ["home", "strict"]
ROUTER = "00:12:4b:00:01:02:03:04"
ONE_VALUE = {"host-permit"}
"""Keys with one value only, which nothing can flip."""
runner = CliRunner()


@functools.cache
def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(ready_policies()[name].file.read_text())
    return content


def text_of(name: str) -> dict[str, Any]:
    return copy.deepcopy(read(name))


def other_values(key: Key, now: str) -> list[object]:
    """Every other value of a key; for numbers and durations the neighbours and the bounds."""
    match key.path[-1]:
        case "policy" | "about" | "routers":
            return []
        case "window":
            seconds = [1, 254, *around(now)]
        case "exchange-limit":
            seconds = [1, 120, *around(now)]
        case "smart-start-window":
            seconds = [1, SMART_START_LIMIT, *around(now)]
        case "length":
            # 0s is tried by the test of keys without effect.
            seconds = [1, 180, *(each for each in around(now) if each > 0)]
        case "attempts":
            return [number for number in (1, 255, int(now) - 1, int(now) + 1) if number != int(now)]
        case "knocks-per-minute":
            return [number for number in (1, 60, int(now) - 1, int(now) + 1) if number != int(now)]
        case "credentials":
            words = ["approval", "dsk", "install-code"]
            lists = [list(some) for count in range(4) for some in itertools.combinations(words, count)]
            return [each for each in lists if each != yaml.safe_load(now)]
        case "classes":
            return [[each.value for each in DeviceClass if each is not left] for left in DeviceClass]
        case "makers":
            return [["Sample"], []]
        case _:
            return [word for word in key.allowed if word != now]
    return [duration_text(each) for each in seconds if duration_text(each) != now]


def around(now: str) -> list[int]:
    seconds = parse_duration(now)
    return [seconds - 1, seconds + 1] if seconds else [1]


@functools.cache
def mutations(name: str) -> list[tuple[str, dict[str, Any]]]:
    """Each setting of a policy, flipped by itself; and each that a class has of its own, flipped or left out."""
    settings = effective(load_policy(name).settings)
    quiet = load_policy(name).listening_length == 0
    found: list[tuple[str, dict[str, Any]]] = []
    for key in KEYS:
        if key.path[-1] == "knocks-per-minute" and quiet:
            continue  # refused as having no effect, see test_a_rate_without_listening_is_refused
        found.extend(
            (f"{'.'.join(key.path)}={value}", flipped(name, key.path, value))
            for value in other_values(key, settings[".".join(key.path)])
        )
    written = text_of(name)["joining"].get("per-class", {})
    for device_class, own in written.items():
        for key in JOINING_KEYS:
            if key.path[0] not in own:
                continue
            path = (*CLASS_SECTION, device_class, *key.path)
            left_out = text_of(name)
            del left_out["joining"]["per-class"][device_class][key.path[0]]
            found.append((f"{'.'.join(path)} left out", left_out))
            found.extend(
                (f"{'.'.join(path)}={value}", flipped(name, path, value))
                for value in other_values(key, settings[".".join(path)])
            )
    return found


def flipped(name: str, path: tuple[str, ...], value: object) -> dict[str, Any]:
    policy = text_of(name)
    node = policy
    for step in path[:-1]:
        node = node.setdefault(step, {})
    node[path[-1]] = value
    if value == "listed":
        policy["joining"]["routers"] = [ROUTER]
    return policy


@pytest.mark.parametrize("name", READY)
def test_a_ready_policy_passes_its_cases(name: str) -> None:
    results = run_cases(load_policy(name), ready_cases(name))
    assert [result for result in results if not result.passed] == []
    assert len(results) > 50


@pytest.mark.parametrize("name", READY)
def test_flipping_any_single_setting_makes_a_case_fail(name: str) -> None:
    cases = ready_cases(name)
    unnoticed = [
        label
        for label, policy in mutations(name)
        if all(result.passed for result in run_cases(load_policy(json.dumps(policy, indent=1)), cases))
    ]
    assert unnoticed == []


@pytest.mark.parametrize("name", READY)
def test_the_mutations_reach_every_key(name: str) -> None:
    reached = {label.split("=", maxsplit=1)[0].split(".")[-1] for label, _ in mutations(name)}
    expected = {key.path[-1] for key in KEYS} - {"policy", "about", "routers"} - ONE_VALUE
    if name == "strict":
        expected -= {"knocks-per-minute"}
    assert expected <= reached


def test_a_rate_without_listening_is_refused() -> None:
    with pytest.raises(PolicyError, match="no effect"):
        load_policy(yaml.safe_dump(flipped("strict", ("listening", "knocks-per-minute"), 1)))
    with pytest.raises(PolicyError, match="no effect"):
        load_policy(yaml.safe_dump(flipped("home", ("listening", "length"), "0s")))


CASES = "policy: home\ncases:\n"
ALLOWED = """
  - name: a
    given: {entry: {credential: install-code}, admission: {credential: install-code}}
    when: {request: join}
    then: {decision: allow, rule: install-code}
"""
BUT = """
    but:
      - name: b
        given: {entry: null}
        then: {decision: deny, rule: no-entry}
"""


def test_a_case_that_is_wrong_fails_and_says_how() -> None:
    text = CASES + ALLOWED.replace("rule: install-code", "rule: approval") + BUT
    first, second = run_cases(load_policy("home"), read_text(text))
    assert not first.passed
    assert (first.case, first.line) == ("a", 4)
    assert first.expected == "allow, rule approval"
    assert first.got == "allow, rule install-code, marks none"
    assert second.passed


def test_marks_are_held_to() -> None:
    text = CASES + ALLOWED.replace("rule: install-code", "marks: [weak]") + BUT
    assert [result.passed for result in run_cases(load_policy("home"), read_text(text))] == [False, True]


MISTAKES = {
    "no counterpart": (CASES + ALLOWED, "cases[0]", 4),
    "a counterpart that is allowed": (
        CASES + ALLOWED + "    but: [{name: b, then: {decision: allow}}]\n",
        "cases[0]",
        4,
    ),
    "a counterpart without an answer": (
        CASES + ALLOWED + "    but:\n      - name: b\n",
        "cases[0].but[0]",
        9,
    ),
    "counterparts that are no list": (CASES + ALLOWED + "    but: {}\n", "cases[0].but", 8),
    "an unknown decision": (CASES + ALLOWED.replace("allow", "maybe"), "cases[0].then.decision", 7),
    "an unknown key": (CASES + ALLOWED.replace("rule:", "role:"), "cases[0].then.role", 7),
    "an unknown request": (CASES + ALLOWED.replace("join}", "jump}"), "cases[0].when.request", 6),
    "a wrong type": (
        CASES + ALLOWED.replace("{request: join}", "{request: join, attempt: x}"),
        "cases[0].when.attempt",
        6,
    ),
    "another policy": ("policy: strict\ncases:\n" + ALLOWED + BUT, "policy", 1),
    "no cases": ("policy: home\ncases: []\n", "cases", 2),
    "a case that is none": ("policy: home\ncases: [1]\n", "cases[0]", 2),
    "a name that is none": ("policy: 1\ncases: []\n", "policy", 1),
    "another key": ("policy: home\ncases: []\nmore: 1\n", None, 1),
    "a list": ("- 1\n", None, 1),
}


@pytest.mark.parametrize(("text", "key", "line"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_in_a_file_of_cases_is_named_with_its_place(text: str, key: str | None, line: int) -> None:
    with pytest.raises(PolicyError) as caught:
        run_cases(load_policy("home"), read_text(text, file="x.cases.yaml"))
    assert (caught.value.file, caught.value.key, caught.value.line) == ("x.cases.yaml", key, line)


def told(text: str) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        run_cases(load_policy("home"), read_text(text, file="x.cases.yaml"))
    return caught.value


@pytest.mark.parametrize(
    ("before", "after", "problem", "allowed"),
    [
        ("allow", "maybe", "'maybe' is not allowed here.", ("allow", "deny", "knock", "quarantine", "evict")),
        ("decision: allow, ", "", "It is missing.", ("allow", "deny", "knock", "quarantine", "evict")),
        ("rule:", "role:", "There is no such key.", ("decision", "rule", "marks")),
        ("request: join", "request: jump", "'jump' is not allowed here.", ("join", "open", "exchange")),
        ("request: join", "", "It is missing.", ("join", "open", "exchange")),
        ("request: join", "request: join, way: 1", "There is no such key.", ("request", "kind", "parent")),
        ("request: join", "request: open", "It is missing.", ("permit", "permit-link-key", "green-power")),
        ("install-code}, adm", "code}, adm", "'code' is not allowed here.", ("install-code", "approval")),
        ("{request: join}", "{request: join, attempt: x}", "It must be a whole number, and is text.", ()),
        ("{request: join}", "[join]", "It must be a mapping, and is a list.", ("join", "open")),
        ("rule: install-code", "marks: [bad]", "'bad' is not allowed here.", ("exposed", "weak")),
    ],
)
def test_a_mistake_in_a_case_says_what_is_allowed(
    before: str, after: str, problem: str, allowed: tuple[str, ...]
) -> None:
    error = told(CASES + ALLOWED.replace(before, after, 1) + BUT)
    assert error.problem == problem
    assert set(allowed) <= set(error.allowed)
    assert bool(allowed) is bool(error.allowed)


def test_all_mistakes_of_a_file_of_cases_are_told_at_once() -> None:
    but = BUT.replace("decision: deny", "decision: no") + "      - name: c\n"
    error = told(CASES + ALLOWED + but + ALLOWED + "  - {}\n")
    assert [error.line, *(each.line for each in error.others)] == [12, 13, 15, 19]
    assert [line.split(":")[1] for line in str(error).splitlines()] == ["12", "13", "15", "19"]


def test_a_case_without_counterpart_is_told_what_to_write() -> None:
    problem = told(CASES + ALLOWED).problem
    written = problem.partition("`")[2].partition("`")[0]
    assert len(run_cases(load_policy("home"), read_text(CASES + ALLOWED + f"    {written}\n"))) == 2


@pytest.mark.parametrize("name", READY)
def test_cases_name_rules_that_exist(name: str) -> None:
    known = {rule.value for rule in Rule}
    text = ready_policies()[name].cases
    assert text is not None

    def rules(node: object) -> set[str]:
        if isinstance(node, dict):
            own = {node["rule"]} if "rule" in node else set()
            return own.union(*(rules(value) for value in node.values()))
        return set().union(*map(rules, node)) if isinstance(node, list) else set()

    assert rules(yaml.safe_load(text.read_text())) <= known


# The command


def write(folder: Path, cases: str) -> str:
    policy = folder / "home.yaml"
    policy.write_text(ready_policies()["home"].file.read_text())
    (folder / "home.cases.yaml").write_text(cases)
    return str(policy)


def test_the_command_runs_all_ready_policies() -> None:
    result = runner.invoke(app, ["test"])
    assert result.exit_code == 0
    assert "home: " in result.output
    assert "strict: " in result.output
    assert "FAILED" not in result.output


def test_the_command_prints_json() -> None:
    result = runner.invoke(app, ["test", "strict", "--json"])
    (run,) = json.loads(result.output)
    assert (run["policy"], run["failed"]) == ("strict", 0)
    assert run["passed"] == len(run["cases"])
    assert {"case", "line", "passed", "expected", "got"} == set(run["cases"][0])


def test_a_failed_case_ends_the_command_with_1(tmp_path: Path) -> None:
    file = write(tmp_path, CASES + ALLOWED.replace("rule: install-code", "rule: approval") + BUT)
    result = runner.invoke(app, ["test", file])
    assert result.exit_code == 1
    assert "1 passed, 1 failed" in result.output
    assert "FAILED" in result.output
    assert json.loads(runner.invoke(app, ["test", file, "--json"]).output)[0]["failed"] == 1


def test_a_passing_file_ends_the_command_with_0(tmp_path: Path) -> None:
    assert runner.invoke(app, ["test", write(tmp_path, CASES + ALLOWED + BUT)]).exit_code == 0


@pytest.mark.parametrize(
    "arguments", [["test", "nobody"], ["test", "./no.yaml"], ["show", "nobody"], ["check", "./no.yaml"]]
)
def test_what_can_not_be_used_ends_the_command_with_2(arguments: list[str]) -> None:
    result = runner.invoke(app, arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert result.output.strip()


def test_a_file_without_cases_ends_the_command_with_2(tmp_path: Path) -> None:
    file = Path(write(tmp_path, ""))
    file.with_name("home.cases.yaml").unlink()
    assert runner.invoke(app, ["test", str(file)]).exit_code == 2


def test_the_command_checks_a_file(tmp_path: Path) -> None:
    file = write(tmp_path, "")
    policy = load_policy("home")
    assert policy.hash in runner.invoke(app, ["check", file]).output
    assert json.loads(runner.invoke(app, ["check", file, "--json"]).output) == {
        "name": "home",
        "hash": policy.hash,
    }


def test_a_ready_policy_s_name_is_no_file_to_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = runner.invoke(app, ["check", "home"])
    assert result.exit_code == 2
    assert "home is a ready policy" in result.output
    assert "hubsec policy show home" in result.output
    Path("home").write_text("policy: mine\n")
    assert "mine is a policy" in runner.invoke(app, ["check", "home"]).output


def test_the_command_lists_and_shows() -> None:
    names = [each["name"] for each in json.loads(runner.invoke(app, ["list", "--json"]).output)]
    assert names == READY
    assert "home" in runner.invoke(app, ["list"]).output
    shown = json.loads(runner.invoke(app, ["show", "home", "--json"]).output)
    assert shown == {"hash": load_policy("home").hash, "settings": effective(load_policy("home").settings)}
    assert "joining.tclk" in runner.invoke(app, ["show", "home"]).output


def test_the_command_prints_the_schema() -> None:
    assert json.loads(runner.invoke(app, ["schema"]).output)["title"] == "hubsec policy"
