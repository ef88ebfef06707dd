"""Events as JSON, and the schema that is published for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_type_hints

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubsec import events, events_schema
from hubsec.errors import HubsecError
from hubsec.events import Denied, Event, Joined
from hubsec.events_json import EventFormatError, event_types, from_json, json_schema, to_json
from hubsec.identity import CredentialKind, Identity, Mark
from hubsec.requests import JoinKind, LinkKeyState
from hubsec.secret import Secret

PUBLISHED = Path(__file__).parents[3] / "docs" / "events.schema.json"

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN: dict[type, st.SearchStrategy[Any]] = {
    msgspec.inspect.IntType: st.integers(-(2**63), 2**63 - 1),
    msgspec.inspect.FloatType: st.floats(allow_nan=False, allow_infinity=False),
    msgspec.inspect.BoolType: st.booleans(),
    msgspec.inspect.StrType: TEXT,
    msgspec.inspect.NoneType: st.none(),
}


def strategy(kind: msgspec.inspect.Type) -> st.SearchStrategy[Any]:
    match kind:
        case msgspec.inspect.EnumType():
            return st.sampled_from(list(kind.cls))
        case msgspec.inspect.UnionType():
            return st.one_of(strategy(one) for one in kind.types)
        case msgspec.inspect.FrozenSetType():
            return st.frozensets(strategy(kind.item_type), max_size=4)
        case msgspec.inspect.VarTupleType():
            return st.lists(strategy(kind.item_type), max_size=4).map(tuple)
        case msgspec.inspect.StructType():
            return st.builds(kind.cls, **{field.name: strategy(field.type) for field in kind.fields})
    return PLAIN[type(kind)]


ALL = st.sampled_from(event_types()).map(msgspec.inspect.type_info).flatmap(strategy)
VALIDATOR = jsonschema.Draft202012Validator(json_schema())


@given(ALL)
def test_every_event_comes_back_as_it_was_and_fits_the_schema(event: Event) -> None:
    data = to_json(event)
    assert b"\n" not in data
    back = from_json(data)
    assert back == event
    assert type(back) is type(event)
    VALIDATOR.validate(json.loads(data))


@pytest.mark.parametrize("kind", event_types())
def test_every_type_has_an_example_and_a_tag_that_says_what_it_is(kind: type[Event]) -> None:
    words = "".join(word.capitalize() for word in str(kind.__struct_config__.tag).split("-"))
    assert words == kind.__name__
    assert kind.__struct_config__.frozen
    assert kind.__doc__


def test_types_that_group_are_not_published_and_all_others_are() -> None:
    kinds = {thing for thing in vars(events).values() if isinstance(thing, type) and issubclass(thing, Event)}
    groups = kinds - set(event_types())
    assert groups == {base for kind in event_types() for base in kind.__mro__ if base in kinds} - set(
        event_types()
    )
    assert all(not issubclass(one, kind) or one is kind for one in event_types() for kind in event_types())


def test_text_for_a_reader_in_another_language() -> None:
    event = Joined(
        time=1_700_000_000.5,
        radio="zigbee",
        device=Identity("00:12:4b:00:01:02:03:04"),
        correlation="c",
        name="Hall lamp",
        credential=CredentialKind.INSTALL_CODE,
        link_key=LinkKeyState.VERIFIED,
        marks=frozenset({Mark.WEAK, Mark.EXPOSED}),
    )
    assert json.loads(to_json(event)) == {
        "event": "joined",
        "time": 1_700_000_000.5,
        "radio": "zigbee",
        "device": "00:12:4b:00:01:02:03:04",
        "correlation": "c",
        "name": "Hall lamp",
        "credential": "install-code",
        "link_key": "verified",
        "security_class": None,
        "marks": ["exposed", "weak"],
    }


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b'{"event":"no-such-thing","time":1}',
        b'{"event":"left"}',
        b'{"event":"left","time":"soon"}',
        b'{"event":"left","time":1e999}',
        b'{"event":"left","time":1,"radio":"\xff"}',
        "\ud800",
        b"[" * 100_000,
    ],
)
def test_what_is_not_an_event_is_refused_with_the_project_s_error(data: bytes | str) -> None:
    with pytest.raises(EventFormatError) as raised:
        from_json(data)
    assert isinstance(raised.value, HubsecError)
    assert raised.value.reason


@given(st.binary(max_size=80) | ALL.map(to_json).map(lambda data: data[:-2]))
def test_arbitrary_bytes_never_raise_anything_else(data: bytes) -> None:
    with pytest.raises(EventFormatError):
        from_json(data)


def test_an_unknown_field_is_passed_over() -> None:
    assert from_json(b'{"event":"left","time":1,"later":{"x":[1]}}') == events.Left(time=1.0)


def test_text_that_utf_8_can_not_hold_is_refused_with_the_project_s_error() -> None:
    with pytest.raises(EventFormatError):
        to_json(Denied(time=0.0, reason="\ud800", rule="", kind=JoinKind.JOIN))


def test_the_published_schema_is_the_generated_one() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == events_schema.text(), "run: make generate"


def test_the_schema_is_one_and_the_generator_writes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert len(json_schema()["oneOf"]) == len(event_types())
    events_schema.main([str(tmp_path / "schema.json")])
    events_schema.main([])
    assert (
        (tmp_path / "schema.json").read_text(encoding="utf-8")
        == capsys.readouterr().out
        == events_schema.text()
    )


# Secrets

HARMLESS = (
    msgspec.inspect.IntType,
    msgspec.inspect.FloatType,
    msgspec.inspect.BoolType,
    msgspec.inspect.StrType,
    msgspec.inspect.NoneType,
    msgspec.inspect.EnumType,
)


def can_carry_a_secret(kind: msgspec.inspect.Type) -> bool:
    """Whether a value of this type may be bytes, a Secret, or anything at all."""
    match kind:
        case msgspec.inspect.UnionType():
            return any(can_carry_a_secret(one) for one in kind.types)
        case msgspec.inspect.FrozenSetType() | msgspec.inspect.VarTupleType():
            return can_carry_a_secret(kind.item_type)
        case msgspec.inspect.StructType():
            return any(can_carry_a_secret(field.type) for field in kind.fields)
    return not isinstance(kind, HARMLESS)


@pytest.mark.parametrize("kind", event_types())
def test_no_event_has_room_for_a_secret(kind: type[Event]) -> None:
    assert not can_carry_a_secret(msgspec.inspect.type_info(kind))
    assert not any("key" in name and hint is str for name, hint in get_type_hints(kind).items())


@pytest.mark.parametrize(
    "field", [Secret, bytes, Any, dict[str, str], Secret | None, tuple[Secret, ...], list[str]]
)
def test_that_the_test_above_can_fail(field: Any) -> None:
    leaky = msgspec.defstruct("Leaky", [("value", field)])
    assert can_carry_a_secret(msgspec.inspect.type_info(leaky))
