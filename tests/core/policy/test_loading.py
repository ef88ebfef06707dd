"""What is taken for a policy, and what is said about everything else."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import yaml

from hubsec.errors import PolicyError
from hubsec.identity import CredentialKind, SecurityClass
from hubsec.policy import DeviceClass, Policy, load_policy, ready_policies
from hubsec.policy.keys import KEYS, duration_text, parse_duration
from hubsec.policy.loading import TEXT
from hubsec.policy.publish import effective, json_schema
from hubsec.policy.reading import MAX_BYTES, MAX_DEPTH, MAX_NODES, MAX_TOLD, read_text
from hubsec.policy.settings import HostInclusion, Joining, Parents, Settings, Tclk

MISTAKES: list[tuple[str, int | None, str | None, str]] = [
    # text, line, key, a part of what is allowed or of the problem
    ("policy: x\njoining:\n  window: 5m\n", 3, "joining.window", "4m14s"),
    ("policy: x\njoining:\n  window: 255s\n", 3, "joining.window", "4m14s"),
    ("policy: x\njoining:\n  window: 60\n", 3, "joining.window", "unit"),
    ("policy: x\njoining:\n  window: 3:00\n", 3, "joining.window", "unit"),
    ("policy: x\njoining:\n  window: 0s\n", 3, "joining.window", "1s"),
    ("policy: x\njoining:\n  window: ''\n", 3, "joining.window", "unit"),
    ("policy: x\njoining:\n  window: ٣m\n", 3, "joining.window", "unit"),
    ("policy: x\njoining:\n  window: 1m2h\n", 3, "joining.window", "unit"),
    ("policy: x\njoining:\n  window: 1h\n", 3, "joining.window", "4m14s"),
    ("policy: x\njoining:\n  smart-start-window: 8d\n", 3, "joining.smart-start-window", "7d"),
    (
        "policy: x\njoining:\n  smart-start-window: 604801s\n",
        3,
        "joining.smart-start-window",
        "out of bounds",
    ),
    ("policy: x\njoining:\n  smart-start-window: 0s\n", 3, "joining.smart-start-window", "1s"),
    ("policy: x\njoining:\n  security: s0\n", 3, "joining.security", "s2-authenticated, s2-access-control"),
    ("policy: x\njoining:\n  security: s2-unauthenticated\n", 3, "joining.security", "proves a DSK"),
    ("policy: x\njoining:\n  security: 2\n", 3, "joining.security", "s2-access-control"),
    ("policy: x\nopening:\n  host-inclusion: allow\n", 3, "opening.host-inclusion", "guarded"),
    ("policy: x\njoining:\n  windo: 3m\n", 3, "joining.windo", "window"),
    ("policy: x\njoining:\n  tclk: yes\n", 3, "joining.tclk", "if-r21"),
    ("policy: x\njoining:\n  attempts: true\n", 3, "joining.attempts", "from 1 to 255"),
    ("policy: x\njoining:\n  attempts: 1.5\n", 3, "joining.attempts", "from 1 to 255"),
    ("policy: x\njoining:\n  credentials: approval\n", 3, "joining.credentials", "list"),
    ("policy: x\njoining:\n  credentials: [adopted]\n", 3, "joining.credentials", "install-code"),
    ("policy: x\njoining:\n  credentials: [approval, approval]\n", 3, "joining.credentials", "twice"),
    ("policy: x\njoining:\n  makers: ['']\n", 3, "joining.makers", "maker"),
    ('policy: x\njoining:\n  makers: ["a\\nb"]\n', 3, "joining.makers", "printable"),
    ("policy: x\njoining:\n  makers: [IKEA, ikea]\n", 3, "joining.makers", "twice"),
    ("policy: x\njoining:\n  classes: [lamp, lapm]\n", 3, "joining.classes", "lamp"),
    ("policy: x\njoining:\n  per-class:\n    lok: {}\n", 4, "joining.per-class.lok", "lock"),
    (
        "policy: x\njoining:\n  per-class:\n    lock:\n      classes: any\n",
        5,
        "joining.per-class.lock.classes",
        "tclk",
    ),
    (
        "policy: x\njoining:\n  per-class:\n    lock:\n      tclk: no\n",
        5,
        "joining.per-class.lock.tclk",
        "required",
    ),
    ("policy: x\njoining:\n", 2, "joining", "window"),
    ("policy: x\njoining: []\n", 2, "joining", "window"),
    ("policy: x\njoining:\n  parents: listed\n", 2, "joining.routers", "EUI64"),
    ("policy: x\njoining:\n  routers: ['00:12:4b:00:01:02:03:04']\n", 3, "joining.routers", "no effect"),
    ("policy: x\njoining:\n  parents: listed\n  routers: [coordinator]\n", 4, "joining.routers", "EUI64"),
    ("policy: x\nlistening:\n  length: 3m1s\n", 3, "listening.length", "3m"),
    ("policy: x\nlistening:\n  knocks-per-minute: 5\n", 3, "listening.knocks-per-minute", "no effect"),
    ("policy: x\nopening:\n  host-permit: allow\n", 3, "opening.host-permit", "refuse"),
    ("policy: x\nrejoining:\n  unsecured: allow\n", 3, "rejoining.unsecured", "verified"),
    ("joining: {}\n", 1, "policy", "missing"),
    ("policy: Home\n", 1, "policy", "small letters"),
    ("policy: " + "a" * 33 + "\n", 1, "policy", "at most 32"),
    ("policy: x\npolicy: y\n", 2, "policy", "twice"),
    ("policy: x\nabout: [1]\n", 2, "about", "text"),
    ("policy: x\nfoo: 1\n", 2, "foo", "joining"),
    ('policy: x\n"fo\\no": 1\n', 2, "fo\\no", "joining"),
]

HOSTILE: dict[str, str | bytes] = {
    "empty": "\n",
    "a list": "- policy\n",
    "a word": "policy\n",
    "alias bomb": "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\npolicy: *c\n",
    "an anchor alone": "policy: &x home\n",
    "recursive alias": "&x policy: *x\n",
    "merge key": "policy: x\n<<: {about: y}\n",
    "include": "policy: !include /etc/passwd\n",
    "environment": "policy: !env_var HOME\n",
    "secret": "policy: !secret key\n",
    "python tag": "policy: !!python/object/apply:os.system ['true']\n",
    "standard tag": "policy: !!str home\n",
    "binary": "policy: !!binary aG9tZQ==\n",
    "non-specific tag": "policy: ! home\n",
    "NUL": "policy: x\x00\n",
    "tab": "policy: x\njoining:\n\twindow: 3m\n",
    "control character": "policy: \x07\n",
    "not UTF-8": b"policy: \xff\n",
    "UTF-16": "policy: home\n".encode("utf-16"),
    "lone surrogate": "policy: \ud800\n",
    "huge": "#" * (MAX_BYTES + 1) + "\n",
    "huge bytes": b"#" * (MAX_BYTES + 1),
    "deep list": "[" * 60_000 + "\n",
    "deep mapping": "{a: " * 60_000 + "\n",
    "deep blocks": "- " * 60_000 + "\n",
    "just too deep": "policy: " + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "\n",
    "many nodes": "policy: [" + "1," * MAX_NODES + "]\n",
    "second document": "policy: x\n---\npolicy: y\n",
    "number as key": "1: 2\npolicy: x\n",
    "boolean as key": "on: 2\npolicy: x\n",
    "list as key": "? [a]\n: b\n",
    "mapping as key": "? {a: b}\n: b\n",
    "bad date": "policy: 2024-99-99\n",
    "bad number": "policy: 0b_\n",
    "endless number": "policy: " + "9" * 5000 + "\n",
    "sexagesimal overflow": "policy: " + ":".join(["1"] * 400) + ".5\n",
    "unfinished": "policy: 'x\n",
    "directive": "%YAML 9.9\n---\npolicy: x\n",
    "not a number": "policy: x\njoining: {attempts: .nan}\n",
    "infinity": "policy: x\njoining: {attempts: .inf}\n",
}


@pytest.mark.parametrize(("text", "line", "key", "said"), MISTAKES, ids=[row[0][:60] for row in MISTAKES])
def test_a_mistake_is_named_with_its_place_and_what_is_allowed(
    tmp_path: Path, text: str, line: int, key: str, said: str
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError) as caught:
        load_policy(file)
    error = caught.value
    assert (error.file, error.line, error.key) == (str(file), line, key)
    assert str(error).startswith(f"{file}:{line}: {key}: ")
    assert said in str(error)
    assert "\n" not in str(error)


MANY = """policy: Mine
joining:
  windo: 3m
  classes: [lamp, lapm, plgu]
  attempts: 0
  per-class:
    lock: {tclk: never}
  routers: ['00:12:4b:00:01:02:03:04']
listening:
  knocks-per-minute: 5
zoo: 1
"""


def test_all_mistakes_of_a_file_are_told_at_once() -> None:
    with pytest.raises(PolicyError) as caught:
        load_policy(MANY)
    error = caught.value
    assert (error.line, error.key) == (1, "policy")
    assert [(each.line, each.key) for each in error.others] == [
        (3, "joining.windo"),
        (4, "joining.classes"),
        (5, "joining.attempts"),
        (7, "joining.per-class.lock.tclk"),
        (8, "joining.routers"),
        (10, "listening.knocks-per-minute"),
        (11, "zoo"),
    ]
    lines = str(error).splitlines()
    assert len(lines) == 8
    assert all(line.startswith(f"{TEXT}:{line.split(':')[1]}: ") for line in lines)
    assert "'lapm'" in lines[2]
    assert "'plgu'" in lines[2]


def test_nothing_is_concluded_from_what_is_wrong_itself() -> None:
    """`routers` may well have an effect, when `parents` is mended."""
    routers = "  routers: ['00:12:4b:00:01:02:03:04']\n"
    for wrong in ("  parents: lsited\n", "  per-class: {lok: {parents: listed}}\n"):
        with pytest.raises(PolicyError) as caught:
            load_policy(f"policy: x\njoining:\n{wrong}{routers}")
        assert caught.value.others == ()


def test_mistakes_beyond_a_screenful_are_counted() -> None:
    keys = "".join(f"k{number}: 1\n" for number in range(MAX_TOLD + 7))
    with pytest.raises(PolicyError) as caught:
        load_policy("policy: x\n" + keys)
    *told, last = str(caught.value).splitlines()
    assert len(told) == MAX_TOLD
    assert "7 more" in last
    with pytest.raises(PolicyError, match="5 more"):
        load_policy(f"policy: x\njoining:\n  makers: [{'1, ' * (MAX_TOLD + 5)}]\n")


def test_a_tab_is_called_by_its_name() -> None:
    for text in (
        "policy: x\njoining:\n\twindow: 3m\n",
        "policy: x\njoining:\n  window: 3m\n  \tattempts: 3\n",
    ):
        with pytest.raises(PolicyError, match="tabs are not allowed for indentation") as caught:
            load_policy(text)
        assert caught.value.line == text[: text.index("\t")].count("\n") + 1


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_no_policy(text: str | bytes, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(PolicyError) as caught:
        load_policy(text)
    assert len(str(caught.value)) < 1000
    # annotatedyaml logs what it can't read, which is how a whole file gets into a log.
    assert all(
        len(record.getMessage()) < 1000 for record in caplog.records if record.levelno >= logging.WARNING
    )


def test_the_same_text_without_the_hostile_part_is_a_policy() -> None:
    for text in (
        "policy: x\n",
        b"policy: x\n",
        "\ufeffpolicy: x\n",
        b"\xef\xbb\xbfpolicy: x\n",
        "--- {policy: x}\n",
    ):
        assert load_policy(text).name == "x"


@pytest.mark.parametrize(
    "path", ["no/such/file.yaml", "./missing.yaml", "/", "", "a\0b.yaml", "x" * 5000 + ".yaml"]
)
def test_what_is_no_file_is_no_policy(path: str) -> None:
    with pytest.raises(PolicyError):
        load_policy(path)


def test_an_unknown_ready_policy_names_those_that_exist() -> None:
    with pytest.raises(PolicyError) as caught:
        load_policy("house")
    assert {"home", "strict"} <= set(caught.value.allowed)


@pytest.mark.parametrize("name", ["home", "strict"])
def test_ready_policies_load_by_name_and_by_path(name: str) -> None:
    ready = ready_policies()[name]
    by_name = load_policy(name)
    assert by_name.name == name
    assert ready.cases is not None
    assert load_policy(ready.file.read_bytes()).hash == by_name.hash
    assert load_policy(Path(str(ready.file))).hash == by_name.hash
    assert load_policy(str(ready.file)).hash == by_name.hash


def test_what_is_not_said_is_on_the_safe_side() -> None:
    settings = load_policy("policy: x\n").settings
    assert settings == Settings(name="x")
    assert settings.joining == Joining(
        credentials=(CredentialKind.DSK, CredentialKind.INSTALL_CODE),
        tclk=Tclk.REQUIRED,
        security=SecurityClass.S2_AUTHENTICATED,
    )
    assert settings.host_inclusion is HostInclusion.REFUSE
    assert settings.listening_length == 0


def test_a_class_has_the_general_keys_where_it_has_none_of_its_own() -> None:
    settings = load_policy(
        """
        policy: x
        joining:
          credentials: [approval, install-code]
          window: 1m30s
          parents: listed
          routers: ["00:12:4B:00:01:02:03:04"]
          per-class:
            lock: {credentials: [install-code], parents: coordinator}
        """
    ).settings
    lock = settings.per_class[DeviceClass.LOCK]
    assert (lock.window, settings.joining.window) == (90, 90)
    assert lock.credentials == (CredentialKind.INSTALL_CODE,)
    assert lock.parents is Parents.COORDINATOR
    assert settings.joining.parents is Parents.LISTED
    assert settings.routers == ("00:12:4b:00:01:02:03:04",)


def test_the_hash_is_that_of_the_meaning() -> None:
    first = load_policy("policy: x\nabout: one\njoining: {window: 3m, makers: [b, A]}\n")
    second = load_policy("# no\njoining:\n  makers: [a, B]\n  window: 180s\npolicy: 'x'\nabout: two\n")
    assert first.hash == second.hash
    assert len(first.hash) == 64
    others = {
        load_policy(text).hash
        for text in (
            "policy: y\njoining: {window: 3m, makers: [a, b]}\n",
            "policy: x\njoining: {window: 3m, makers: [a]}\n",
            "policy: x\njoining: {window: 179s, makers: [a, b]}\n",
            "policy: x\njoining: {makers: [a, b], per-class: {lock: {window: 1s}}}\n",
        )
    }
    assert len(others) == 4
    assert first.hash not in others


def test_the_ready_policies_hashes_are_known() -> None:
    """Whoever changes what a ready policy means says so here: records of decisions carry the hash."""
    assert {name: load_policy(name).hash[:12] for name in ("home", "strict")} == HASHES


HASHES = {"home": "00caa7beb238", "strict": "bb8f2d3f5001"}


def test_a_policy_can_not_be_changed_and_shows_little() -> None:
    policy = load_policy("home")
    with pytest.raises(AttributeError):
        policy.hash = "0"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        policy.settings.joining.window = 9  # type: ignore[misc]
    assert repr(policy) == f"Policy('home', hash='{policy.hash[:12]}')"


@pytest.mark.parametrize("seconds", [0, 1, 59, 60, 61, 90, 180, 254, 3600, 12_672, 86_400, 604_800])
def test_durations_read_back_as_written(seconds: int) -> None:
    assert parse_duration(duration_text(seconds)) == seconds
    assert parse_duration(f"{seconds}s") == seconds
    pattern = json_schema()["properties"]["joining"]["properties"]["window"]["pattern"]
    assert re.search(pattern, duration_text(seconds))


@pytest.mark.parametrize(
    ("text", "seconds"), [("1d", 86_400), ("1h30m", 5400), ("1d1s", 86_401), ("7d", 604_800), ("90m", 5400)]
)
def test_durations_have_their_units(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("name", ["home", "strict"])
def test_what_is_shown_of_a_policy_is_that_policy(name: str) -> None:
    policy = load_policy(name)
    nested: dict[str, object] = {}
    for key, value in effective(policy.settings).items():
        node = nested
        *above, last = key.split(".")
        for step in above:
            node = node.setdefault(step, {})  # type: ignore[assignment]
        node[last] = yaml.safe_load(value)
    if not policy.listening_length:
        del nested["listening"]["knocks-per-minute"]  # type: ignore[attr-defined]
    assert load_policy(yaml.safe_dump(nested)).settings == policy.settings


def test_defaults_in_the_table_are_the_defaults() -> None:
    shown = effective(Settings(name="x"))
    for key in KEYS:
        if key.default is not None:
            assert shown[".".join(key.path)] == key.default.strip('"')


def test_the_published_schema_has_every_key_and_knows_no_other() -> None:
    schema = json.loads(msgspec.json.encode(json_schema()))
    assert schema["required"] == ["policy"]
    for key in KEYS:
        node = schema
        for step in key.path:
            assert node.get("additionalProperties") is False
            node = node["properties"][step]
        assert node["description"] == key.why
    lock = schema["properties"]["joining"]["properties"]["per-class"]["properties"]["lock"]
    assert "tclk" in lock["properties"]


def test_lines_are_those_of_keys_and_items() -> None:
    document = read_text("a:\n  b:\n    - c\n    - d: 1\n")
    assert document.line(("a", "b")) == 2
    assert document.line(("a", "b", 1, "d")) == 4
    assert document.line(("a", "b", 1, "x")) == 4
    assert document.line(("z",)) == 1


PROBE = """
import sys
{before}
from pathlib import Path
from hubsec.errors import PolicyError
from hubsec.policy import load_policy
assert load_policy("home").hash == {hash!r}
said = []
for text in {texts!r}:
    try:
        load_policy(text)
    except PolicyError as error:
        said.append(ascii(str(error)))
import voluptuous
assert {by!r} in voluptuous.Schema.__module__, voluptuous.Schema.__module__
print(*said, sep="\\n")
"""
BEFORE = {
    "voluptuous": ("", "voluptuous"),
    "probatio, as Home Assistant installs it": (
        "from probatio.compat import install_as_voluptuous; install_as_voluptuous()",
        "probatio",
    ),
    "probatio under voluptuous' name": (
        "import annotatedyaml, probatio; sys.modules['voluptuous'] = probatio",
        "probatio",
    ),
}


def test_both_validation_libraries_lead_to_the_same_errors() -> None:
    texts = [*(row[0] for row in MISTAKES), MANY]
    answers = {}
    for label, (before, by) in BEFORE.items():
        code = PROBE.format(before=before, hash=load_policy("home").hash, texts=texts, by=by)
        answers[label] = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
        ).stdout.splitlines()
    first, *others = answers.values()
    assert len(first) == len(texts)
    assert all(other == first for other in others)


def test_importing_the_policies_loads_no_yaml_and_no_voluptuous() -> None:
    code = (
        "import sys, hubsec.policy; "
        "heavy = {'yaml', 'annotatedyaml', 'voluptuous', 'probatio', 'typer', 'rich', 'hubsec_policies'}; "
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_policy_is_what_loading_returns() -> None:
    assert isinstance(load_policy("strict"), Policy)
