"""A secret shows nothing, whoever looks."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import logging
import marshal
import pickle
import pprint
import reprlib
import traceback
from collections.abc import Callable
from string import Template

import msgspec
import pytest
import yaml
from rich.console import Console
from rich.pretty import pretty_repr
from rich.traceback import Traceback

from hubsec.secret import Secret

VALUE = bytes.fromhex("66B6900981E1EE3CA4206B6B861C02BB")
SECRET = Secret(VALUE)


@dataclasses.dataclass
class Holder:
    secret: Secret


class Struct(msgspec.Struct):
    secret: Secret


def fail(secret: Secret) -> None:
    if secret:
        raise ValueError("wrong")


def raised(call: Callable[[], object]) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whichever
        call()
    return caught.value


def with_locals() -> str:
    error = raised(lambda: fail(SECRET))
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def with_rich_locals() -> str:
    error = raised(lambda: fail(SECRET))
    console = Console(file=io.StringIO(), width=200)
    console.print(Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def logged() -> str:
    stream = io.StringIO()
    logger = logging.getLogger("tests.secret")
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    logger.warning("%s %r %s", SECRET, SECRET, [SECRET])
    logger.warning("%(key)s", {"key": SECRET})
    try:
        fail(SECRET)
    except ValueError:
        logger.exception("with %s", SECRET)
    finally:
        logger.removeHandler(handler)
    return stream.getvalue()


SHOWN: dict[str, Callable[[], object]] = {
    "repr": lambda: repr(SECRET),
    "str": lambda: str(SECRET),
    "ascii": lambda: ascii(SECRET),
    "format": lambda: format(SECRET),
    "format, padded": lambda: format(SECRET, ">40"),
    "f-string": lambda: f"{SECRET} {SECRET!r} {SECRET!s} {SECRET!a} {SECRET=} {SECRET:x}",
    "percent": lambda: "%s %r %a" % (SECRET, SECRET, SECRET),  # noqa: UP031 - that is what is tried
    "str.format": lambda: "{} {0!r}".replace("{}", "{0}").format(SECRET),
    "template": lambda: Template("$key").substitute(key=SECRET),
    "in a list": lambda: str([SECRET]),
    "in a dictionary": lambda: repr({"key": SECRET}),
    "as a key": lambda: repr({SECRET: 1}),
    "in a dataclass": lambda: repr(Holder(SECRET)),
    "dataclasses.asdict": lambda: repr(dataclasses.asdict(Holder(SECRET))),
    "dataclasses.astuple": lambda: repr(dataclasses.astuple(Holder(SECRET))),
    "in a struct": lambda: repr(Struct(SECRET)),
    "msgspec.structs.asdict": lambda: repr(msgspec.structs.asdict(Struct(SECRET))),
    "copy": lambda: repr(copy.copy(SECRET)),
    "deepcopy": lambda: repr(copy.deepcopy([SECRET])),
    "pprint": lambda: pprint.pformat([SECRET]),
    "reprlib": lambda: reprlib.repr([SECRET]),
    "rich": lambda: pretty_repr([SECRET]),
    "dir": lambda: repr(dir(SECRET)),
    "error": lambda: str(ValueError(SECRET)),
    "KeyError": lambda: str(KeyError(SECRET)),
    "json with a default": lambda: json.dumps(SECRET, default=str),
    "logging": logged,
    "traceback with locals": with_locals,
    "rich's traceback with locals": with_rich_locals,
}
REFUSED: dict[str, Callable[[], object]] = {
    "vars": lambda: vars(SECRET),
    "pickle": lambda: pickle.dumps(SECRET),
    "pickle, oldest": lambda: pickle.dumps(SECRET, 0),
    "pickle of what holds it": lambda: pickle.dumps(Holder(SECRET)),
    "state": SECRET.__getstate__,
    "reduce": lambda: SECRET.__reduce_ex__(5),
    "marshal": lambda: marshal.dumps(SECRET),
    "json": lambda: json.dumps({"key": SECRET}),
    "msgspec json": lambda: msgspec.json.encode(SECRET),
    "msgspec json of a struct": lambda: msgspec.json.encode(Struct(SECRET)),
    "msgspec msgpack": lambda: msgspec.msgpack.encode(Struct(SECRET)),
    "msgspec.to_builtins": lambda: msgspec.to_builtins(Struct(SECRET)),
    "yaml": lambda: yaml.dump(SECRET),
    "bytes": lambda: bytes(SECRET),  # type: ignore[call-overload]
    "iterating": lambda: list(SECRET),  # type: ignore[call-overload]
    "an item": lambda: SECRET[0],  # type: ignore[index]
    "int": lambda: int(SECRET),  # type: ignore[call-overload]
    "percent d": lambda: "%d" % SECRET,  # type: ignore[str-format]  # noqa: UP031 - the same
    "made of text": lambda: Secret(VALUE.hex()),  # type: ignore[arg-type]
    "made of a number": lambda: Secret(int.from_bytes(VALUE)),  # type: ignore[arg-type]
    "made of numbers": lambda: Secret(list(VALUE)),  # type: ignore[arg-type]
}


def shown_in(text: str) -> list[str]:
    """In which forms the value stands in `text`."""
    ints = ", ".join(map(str, VALUE))
    forms = {
        "raw": VALUE.decode("latin1"),
        "repr": repr(VALUE)[2:-1],
        "hex": VALUE.hex(),
        "upper": VALUE.hex().upper(),
        "colons": VALUE.hex(":"),
        "list": ints,
        "int": str(int.from_bytes(VALUE)),
    }
    return [name for name, form in forms.items() if form in text]


@pytest.mark.parametrize("how", SHOWN)
def test_it_is_not_shown(how: str) -> None:
    text = str(SHOWN[how]())
    assert shown_in(text) == []


@pytest.mark.parametrize("how", REFUSED)
def test_it_is_not_written_down(how: str) -> None:
    error = raised(REFUSED[how])
    assert isinstance(error, TypeError | ValueError)
    report = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    # The test's own names hold the value; what is below them must not.
    inside = report.rpartition(f'"{__file__}"')[2]
    assert shown_in(str(error)) == []
    assert shown_in(inside.partition("File ")[2]) == []


@pytest.mark.parametrize("form", ["raw", "repr", "hex", "upper", "colons", "list", "int"])
def test_that_the_tests_above_can_fail(form: str) -> None:
    known = {
        "raw": VALUE.decode("latin1"),
        "repr": repr(VALUE),
        "hex": VALUE.hex(),
        "upper": VALUE.hex().upper(),
        "colons": VALUE.hex(":"),
        "list": repr(list(VALUE)),
        "int": str(int.from_bytes(VALUE)),
    }
    assert form in shown_in(f"key: {known[form]}")


def test_it_is_equal_to_itself_and_to_no_bytes() -> None:
    assert Secret(VALUE) == SECRET
    assert Secret(VALUE[:-1]) != SECRET
    assert SECRET != VALUE
    assert hash(Secret(VALUE)) == hash(Secret(b""))
    assert copy.deepcopy(SECRET) is SECRET
    assert SECRET.reveal() == VALUE
    assert Secret(bytearray(VALUE)).reveal() == VALUE
    assert Secret(memoryview(VALUE)).reveal() == VALUE
