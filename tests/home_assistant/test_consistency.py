"""What the component's files say of each other: manifest, texts, icons, actions, pictures.

None of it needs a network, and what is read here is read as Home Assistant or its marketplace reads it.
"""

from __future__ import annotations

import ast
import json
import re
import struct
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import brand
import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPONENT = ROOT / "custom_components" / "hubsec"
SOURCES = {path: ast.parse(path.read_text()) for path in sorted(COMPONENT.rglob("*.py"))}


def load(name: str) -> Any:
    return json.loads((COMPONENT / name).read_text())


STRINGS = load("strings.json")
ICONS = load("icons.json")
ACTIONS = yaml.safe_load((COMPONENT / "services.yaml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def calls(name: str) -> Iterator[ast.Call]:
    """Every call of something of that name, or that ends so."""
    for tree in SOURCES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = (
                    node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                )
                if called.endswith(name):
                    yield node


def literals(node: ast.AST) -> set[str]:
    """Every text in there."""
    return {
        one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)
    }


ALL_TEXTS = {text for tree in SOURCES.values() for text in literals(tree)}


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, f"{path}.{key}" if path else key)
    else:
        yield path, tree


# The manifest


def test_the_manifest_has_what_a_custom_integration_needs_in_the_order_that_is_asked_for() -> None:
    manifest = load("manifest.json")
    keys = list(manifest)
    assert keys[:2] == ["domain", "name"]
    assert keys[2:] == sorted(keys[2:])
    needed = {"domain", "name", "version", "codeowners", "documentation", "issue_tracker", "iot_class"}
    assert needed | {"integration_type", "requirements", "config_flow"} <= set(keys)
    assert manifest["domain"] == COMPONENT.name
    assert manifest["config_flow"] is True
    assert all(owner.startswith("@") for owner in manifest["codeowners"])
    assert manifest["documentation"].startswith("https://")


def test_the_component_asks_for_its_own_version_of_hubsec_and_for_nothing_else() -> None:
    manifest = load("manifest.json")
    assert manifest["version"] == PROJECT["version"]
    assert manifest["requirements"] == [f"hubsec=={PROJECT['version']}"]


def test_hubsec_brings_no_radio_library_of_its_own() -> None:
    names = {re.split(r"[^A-Za-z0-9-]", dependency)[0].lower() for dependency in PROJECT["dependencies"]}
    assert names.isdisjoint({"zigpy", "bellows", "zha", "zwave-js-server-python"})


def test_the_marketplace_finds_it() -> None:
    hacs = json.loads((ROOT / "hacs.json").read_text())
    known = {
        *("name", "filename", "homeassistant", "zip_release", "hide_default_branch"),
        *("persistent_directory", "content_in_root", "hacs", "render_readme", "country"),
    }
    assert set(hacs) <= known
    assert hacs["name"] == load("manifest.json")["name"]
    assert hacs["homeassistant"] == "2025.4.4"


# Texts


def test_the_english_translation_is_the_texts_themselves() -> None:
    assert load("translations/en.json") == STRINGS


@pytest.mark.parametrize(("path", "text"), leaves(STRINGS), ids=[path for path, _ in leaves(STRINGS)])
def test_a_text_is_one_that_a_custom_integration_can_show(path: str, text: str) -> None:
    assert text
    assert text == text.strip()
    assert "[%key:" not in text
    assert not re.search(r"<[a-z]", text), "Home Assistant shows no HTML"
    assert "TODO" not in text


def test_every_entity_has_a_name_and_an_icon_or_a_class_that_brings_one() -> None:
    made = {}
    for call in calls("Description"):
        words = {word.arg: word.value for word in call.keywords}
        if "key" in words:
            domain = re.sub(
                r"(?<!^)([A-Z])", r"_\1", ast.unparse(call.func).removesuffix("EntityDescription")
            )
            made[ast.unparse(words["translation_key"])] = (domain, "device_class" in words)
    assert len(made) == 16
    by_platform = {
        (platform, key): entity
        for platform, keys in STRINGS["entity"].items()
        for key, entity in keys.items()
    }
    constants = {"_CONCERN_KEY": "concern", "EVENTS_KEY": "events"}
    keys = {constants.get(key, key.strip("'")): has_class for key, (_, has_class) in made.items()}
    assert {key for _, key in by_platform} == set(keys)
    for (platform, key), entity in by_platform.items():
        assert entity["name"]
        assert keys[key] or ICONS["entity"].get(platform, {}).get(key, {}).get("default", "").startswith(
            "mdi:"
        ), key
    iconed = {(platform, key) for platform, keys in ICONS["entity"].items() for key in keys}
    assert iconed <= set(by_platform)


def test_every_type_of_event_has_a_sentence() -> None:
    from custom_components.hubsec.sentences import with_sentence
    from hubsec.events_json import event_types

    assert with_sentence() == set(event_types())


def test_the_event_entity_and_the_triggers_name_the_same_types() -> None:
    from custom_components.hubsec.device_trigger import TYPES
    from custom_components.hubsec.event import OBSERVED

    shown = dict(STRINGS["entity"]["event"]["events"]["state_attributes"]["event_type"]["state"])
    assert shown.pop(OBSERVED)
    assert set(TYPES) == set(shown)
    assert STRINGS["device_automation"]["trigger_type"] == shown


def test_every_standing_and_concern_has_a_text() -> None:
    from custom_components.hubsec.network import Standing
    from custom_components.hubsec.residents import Concern

    sensors = STRINGS["entity"]["binary_sensor"]
    assert set(sensors["protected"]["state_attributes"]["guard"]["state"]) == set(Standing)
    assert set(sensors["concern"]["state_attributes"]["concerns"]["state"]) == set(Concern)


@pytest.mark.parametrize("key", STRINGS["exceptions"])
def test_a_text_of_an_error_is_raised_somewhere_with_the_words_it_has(key: str) -> None:
    assert set(STRINGS["exceptions"][key]) == {"message"}
    assert key in ALL_TEXTS
    placeholders = set(re.findall(r"{(\w+)}", STRINGS["exceptions"][key]["message"]))
    assert placeholders <= {"network", "reason", "radio", "stack", "devices", "path"}


def test_the_gap_of_backups_in_clear_is_the_one_that_the_guard_names() -> None:
    from custom_components.hubsec.key_issues import BACKUPS_IN_CLEAR
    from hubsec_zigbee.backups import GAP_IN_CLEAR

    assert BACKUPS_IN_CLEAR == GAP_IN_CLEAR


def test_every_kind_of_issue_has_texts_and_a_way_to_mend_it_where_it_says_so() -> None:
    from custom_components.hubsec.kinds import UNFIXABLE, Kind
    from custom_components.hubsec.repairs import _FLOWS

    issues = STRINGS["issues"]
    assert set(issues) == set(Kind)
    assert set(_FLOWS) == set(Kind) - UNFIXABLE
    assert {kind for kind in Kind if "fix_flow" not in issues[kind]} == UNFIXABLE


def test_every_error_that_is_named_has_a_text() -> None:
    named = {
        key
        for call in calls("")
        if any(word.arg == "translation_domain" for word in call.keywords)
        for word in call.keywords
        if word.arg == "translation_key"
        for key in literals(word.value)
    }
    assert len(named) >= 4
    assert named <= set(STRINGS["exceptions"])


# Actions


def test_actions_texts_icons_and_code_name_the_same_ones() -> None:
    from custom_components.hubsec.services import _ACTIONS

    assert set(ACTIONS) == set(_ACTIONS) == set(STRINGS["services"]) == set(ICONS["services"])


@pytest.mark.parametrize("action", ACTIONS)
def test_an_actions_fields_are_those_of_its_schema(action: str) -> None:
    import voluptuous as vol

    from custom_components.hubsec.services import _ACTIONS

    schema: Any = _ACTIONS[action][1]
    while isinstance(schema, vol.All):
        schema = next(one for one in schema.validators if isinstance(one, vol.Schema))
    taken = {str(key): isinstance(key, vol.Required) for key in schema.schema}
    offered = {name: field.get("required", False) for name, field in ACTIONS[action]["fields"].items()}
    assert offered == taken
    texts = STRINGS["services"][action]
    assert set(texts["fields"]) == set(offered)
    assert all(set(field) == {"name", "description"} for field in texts["fields"].values())
    assert texts["name"]
    assert texts["description"]


def test_selectors_have_a_text_for_every_option() -> None:
    from hubsec.policy.classes import DeviceClass

    select = ACTIONS["admit"]["fields"]["device_class"]["selector"]["select"]
    assert select["options"] == [one.value for one in DeviceClass]
    assert set(STRINGS["selector"][select["translation_key"]]["options"]) == set(select["options"])


def test_a_sticker_is_typed_unseen() -> None:
    assert ACTIONS["admit"]["fields"]["sticker"]["selector"] == {"text": {"type": "password"}}


def test_icons_are_named_as_home_assistant_names_them() -> None:
    for path, icon in leaves(ICONS):
        assert re.fullmatch(r"mdi:[a-z0-9-]+", icon), path


# Pictures


def size(picture: Path) -> tuple[int, int]:
    head = picture.read_bytes()[:33]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert head[25] == 6, "colour with transparency"
    width, height = struct.unpack(">II", head[16:24])
    return width, height


@pytest.mark.parametrize(("name", "side"), [("icon", 256), ("icon@2x", 512)])
def test_the_icon_is_square(name: str, side: int) -> None:
    assert size(COMPONENT / "brand" / f"{name}.png") == (side, side)


@pytest.mark.parametrize(("name", "least", "most"), [("logo", 128, 256), ("logo@2x", 256, 512)])
def test_the_logo_is_of_a_size_that_is_taken(name: str, least: int, most: int) -> None:
    width, height = size(COMPONENT / "brand" / f"{name}.png")
    assert least <= min(width, height) <= most
    assert width > height


def test_the_pictures_are_those_that_are_drawn() -> None:
    for name, (shapes, width, height) in brand.drawings().items():
        assert (COMPONENT / "brand" / f"{name}.svg").read_text() == brand.svg(shapes, width)
        for suffix, factor in (("", 1), ("@2x", 2)):
            drawn = brand.png(shapes, width, height * factor)
            assert size(COMPONENT / "brand" / f"{name}{suffix}.png") == drawn.size


# Itself


def test_every_rule_of_the_quality_scale_has_an_answer_with_a_reason() -> None:
    rules = yaml.safe_load((COMPONENT / "quality_scale.yaml").read_text())["rules"]
    assert len(rules) == 54
    for rule, answer in rules.items():
        if isinstance(answer, dict):
            assert answer["status"] in ("done", "exempt", "todo"), rule
            assert answer["comment"].strip(), rule
        else:
            assert answer == "done", f"{rule}: what is not done has a reason"


def test_nothing_is_taken_from_the_stack_before_it_runs() -> None:
    """ZHA or Z-Wave JS may not be installed: what they bring is imported when it is there."""
    for path, tree in SOURCES.items():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            for name in names:
                assert name.partition(".")[0] not in {"zigpy", "bellows", "zha", "zwave_js_server"}, path
                assert not name.startswith(
                    ("homeassistant.components.zha", "homeassistant.components.zwave_js")
                ), path
