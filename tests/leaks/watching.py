"""Holds every test to it: no secret that was used while it ran is in what it leaves, but sealed.

*Used* is whatever became a :class:`~hubsec.secret.Secret`: keys of install codes, DSKs, network keys, passphrases,
what opens a vault; and every key, install code and DSK of an emulated house. What a test *leaves* are the files in
its folder, log records of anybody, events that a bus was given, what errors of the project were made of, the
tracebacks of errors that a test expected (with the locals of the project's own functions), and what was printed.
Each is looked through in each form that :mod:`tests.leaks.finding` knows, when the test is over.

Secrets of modules and of fixtures that outlive a test are looked for in all tests of the run, a test's own in that test
alone. Programs that a test starts make secrets of their own, unknown here; they are looked through for those of the
test.

Files that hold secrets because that is what they are for are in :data:`EXPECTED`, each with its reason. A test that
writes one down itself says so: ``@pytest.mark.leaves_secrets("*.txt", reason="…")``, with a pattern for the file, or
one of ``log``, ``events``, ``errors``, ``tracebacks``, ``output``.
"""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import logging
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType
from typing import Any, Final

import _pytest.raises
import pytest

import hubsec
from hubsec.bus import Bus
from hubsec.errors import HubsecError
from hubsec.events_json import to_json
from hubsec.secret import Secret
from tests.leaks.finding import Finder, finds_pin, is_worth_looking_for

MARKER: Final = "leaves_secrets"
EXPECTED: Final = {
    "hubsec.key": "the vault's own key file: 0600, and what it protects against is said in docs/vault.md",
    "hubsec.key.new": "the same, on its way",
    "*.pcap": "a capture of an emulated house: its keys travel in it, as the captured protocol has it",
    "*.pcapng": "the same",
    "zigbee.db": "zigpy's own database; what becomes of backups in it, tests/zigbee/rotation/test_backups.py looks at",
    "zigbee_pc_keys": "the keys of an emulated house, written for Wireshark because somebody asked for them",
}
"""Names of files that are not looked through."""
PUBLIC: Final = frozenset(
    {
        b"ZigBeeAlliance09",  # R23, 4.4.3: the default trust center link key
        bytes.fromhex("814286865DC1C8B2C8CBC52E5D65D1B8"),  # the touchlink preconfigured link key, published
    }
)
"""Keys that everybody has."""
GIVEN: Final = {
    "*/hubsec/stickers/*": "it reads the text of a sticker, which whoever called it has in a variable, too",
    "*/hubsec/hub.py:Hub.admit": "the same",
    "*/hubsec_zigbee/hostcalls.py:HostCalls.*": "it stands where a host's function stood, which is given keys in the "
    "clear",
    "*/hubsec_zigbee/gate.py:Gate._*": "the same",
    "*:Observed._*": "the same",
    "*:Restoring._*": "it holds zigpy's own settings of a network, which show the key",
}
"""Functions whose local variables are not looked through."""
_PROJECT: Final = tuple(
    str(Path(hubsec.__file__).parents[1] / name)
    for name in ("hubsec/", "radios/hubsec_zigbee/", "radios/hubsec_zwave/", "policies/")
)
_EVENTS_AT_ONCE: Final = 2000


class _Place:
    """What one kind of thing left, each part with a word on where it is from."""

    def __init__(self) -> None:
        self.parts: list[tuple[str, bytes]] = []

    def add(self, source: str, text: str | bytes) -> None:
        self.parts.append((source, text if isinstance(text, bytes) else text.encode("utf-8", "replace")))


class Watch(logging.Handler):
    """Knows the secrets, and keeps what is left, until :meth:`judge`."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self._finder = Finder()
        self._own: set[bytes] = set()
        self._pins: set[str] = set()
        self._wide = 1  # what is made while modules are read lasts
        self._events: list[Any] = []
        self.places = {name: _Place() for name in ("log", "events", "errors", "tracebacks")}

    # What is known

    def learn(self, value: bytes) -> None:
        """Look for `value` from now on."""
        if value not in PUBLIC and is_worth_looking_for(value):
            if self._wide:
                self._finder.add(value)
            else:
                self._own.add(value)

    def learn_pin(self, pin: str) -> None:
        """Look for a PIN, in words alone."""
        self._pins.add(pin)

    @contextlib.contextmanager
    def lasting(self) -> Iterator[None]:
        """What is made meanwhile outlives the test."""
        self._wide += 1
        try:
            yield
        finally:
            self._wide -= 1

    # What is left

    def emit(self, record: logging.LogRecord) -> None:
        """A log record, with the error that it tells of."""
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 - another guard tells of it
            return
        if record.exc_info and record.exc_info[1] is not None:
            text += "".join(traceback.format_exception(record.exc_info[1]))
        self.places["log"].add(record.name, text)

    def published(self, event: Any) -> None:
        """An event that a bus was given."""
        self._events.append(event)
        if len(self._events) >= _EVENTS_AT_ONCE:
            self._write_events()

    def _write_events(self) -> None:
        for event in self._events:
            try:
                text: str | bytes = to_json(event)
            except HubsecError:
                text = repr(event)
            self.places["events"].add(type(event).__name__, text)
        self._events.clear()

    def raised(self, kind: type[HubsecError], values: Iterable[Any]) -> None:
        """What an error was made of: its text and attributes come of nothing else."""
        for value in values:
            self.places["errors"].add(kind.__name__, str(value))

    def expected(self, error: BaseException) -> None:
        """An error that a test waited for, with its causes and the locals of the project's functions."""
        place = self.places["tracebacks"]
        seen: set[int] = set()
        link: BaseException | None = error
        while link is not None and id(link) not in seen:
            seen.add(id(link))
            place.add(type(link).__name__, "".join(traceback.format_exception_only(link)))
            for frame, _ in traceback.walk_tb(link.__traceback__):
                if self._is_ours(frame.f_code):
                    for name, value in frame.f_locals.items():
                        with contextlib.suppress(Exception):
                            place.add(f"{frame.f_code.co_qualname}, {name}", repr(value))
            link = link.__cause__ or link.__context__

    @staticmethod
    def _is_ours(code: CodeType) -> bool:
        return code.co_filename.startswith(_PROJECT) and not any(
            fnmatch.fnmatch(f"{code.co_filename}:{code.co_qualname}", given) for given in GIVEN
        )

    # The end

    def begin(self) -> None:
        """A test begins: what is left of the one before is not its."""
        self._wide = 0
        self._forget()

    def _forget(self) -> None:
        self._own.clear()
        self._pins.clear()
        self._events.clear()
        for place in self.places.values():
            place.parts.clear()

    def judge(self, folder: Path | None, output: str, allowed: frozenset[str]) -> list[str]:
        """What of it is where it must not be, and forget all of it."""
        self._write_events()
        places = {name: place.parts for name, place in self.places.items()} | {
            "output": [("program", output.encode("utf-8", "replace"))]
        }
        with self._finder.also(self._own):
            trouble = [*self._said(places, allowed), *self._written(folder, allowed)]
        self._forget()
        return trouble

    def _said(
        self, places: Mapping[str, Sequence[tuple[str, bytes]]], allowed: frozenset[str]
    ) -> Iterator[str]:
        for name, parts in places.items():
            if name in allowed:
                continue
            whole = b"\n".join(text for _, text in parts)
            found = self._finder.find(whole)
            if found is not None:
                source = next((source for source, text in parts if self._finder.find(text)), "several")
                yield f"{_what(found[0])} is in its {name} ({source}), as {found[1]}"
            elif self._pins and finds_pin(self._pins, whole.decode("utf-8", "replace")):
                yield f"a PIN is in its {name}"

    def _written(self, folder: Path | None, allowed: frozenset[str]) -> Iterator[str]:
        for path in _files(folder):
            if any(fnmatch.fnmatch(path.name, name) for name in (*EXPECTED, *allowed)):
                continue
            found = self._finder.find(path.read_bytes())
            if found is not None:
                yield f"{_what(found[0])} is in the file {path.name}, as {found[1]}"


def _what(value: bytes) -> str:
    """Which secret, without it."""
    return f"a secret of {len(value)} bytes"


def _files(folder: Path | None) -> Iterator[Path]:
    if folder is not None and folder.is_dir():
        yield from (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


# The hooks

_watch = Watch()
_undo: list[tuple[Any, str, Any]] = []


def _replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    before = vars(owner).get(name)
    _undo.append((owner, name, before))
    setattr(owner, name, make(getattr(owner, name)))


def _learning(make: Callable[..., None]) -> Callable[..., None]:
    def __init__(secret: Secret, value: bytes) -> None:  # noqa: N807 - it takes that one's place
        try:
            make(secret, value)
        except TypeError:
            del value
            raise
        _watch.learn(secret._value)

    return __init__


def _told(publish: Callable[..., None]) -> Callable[..., None]:
    def wrapper(bus: Bus, event: Any) -> None:
        _watch.published(event)
        publish(bus, event)

    return functools.wraps(publish)(wrapper)


def _new_error(cls: type[HubsecError], *values: Any, **named: Any) -> HubsecError:
    _watch.raised(cls, (*values, *named.values()))
    return Exception.__new__(cls, *values)


def _waited_for(leave: Callable[..., bool]) -> Callable[..., bool]:
    def wrapper(raises: Any, kind: Any, error: BaseException | None, trace: Any) -> bool:
        taken = leave(raises, kind, error, trace)
        if taken and error is not None:
            _watch.expected(error)
        return taken

    return wrapper


def _leaving(leave: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(house: Any, *trouble: Any) -> Any:
        for value in _keys_of(house):
            _watch.learn(value)
        for device in house.devices:
            # One without S2 has neither, and says so.
            with contextlib.suppress(HubsecError):
                if isinstance(pin := getattr(device, "pin", None), str):
                    _watch.learn_pin(pin)
        return await leave(house, *trouble)

    return wrapper


def _keys_of(house: Any) -> Iterator[bytes]:
    """Every key of an emulated house, of either network."""
    if isinstance(house.keys, dict):
        yield from house.keys.values()
        for device in house.devices:
            with contextlib.suppress(HubsecError):
                yield from (device.key_pair.dsk, device.key_pair.private)
        return
    for line in house.keys().splitlines():
        yield bytes.fromhex(line.split(",")[0].strip('"'))
    yield from (device.install_code for device in house.devices if device.install_code is not None)


def _installed(install: Callable[..., None]) -> Callable[..., None]:
    def wrapper(keys: Any, key: bytes, *rest: Any, **named: Any) -> None:
        _watch.learn(key)
        install(keys, key, *rest, **named)

    return functools.wraps(install)(wrapper)


def start() -> None:
    """Begin to watch. What is made from now on, while modules are read, is known for the whole run."""
    _replace(Secret, "__init__", _learning)
    _replace(Bus, "publish", _told)
    _replace(HubsecError, "__new__", lambda _: staticmethod(_new_error))
    _replace(_pytest.raises.RaisesExc, "__exit__", _waited_for)
    with contextlib.suppress(ModuleNotFoundError):
        from hubsec_emulated.house import House
        from hubsec_emulated.stack.keys import NetworkKeys
        from hubsec_emulated.zwave.house import ZWaveHouse

        _replace(House, "__aexit__", _leaving)
        _replace(ZWaveHouse, "__aexit__", _leaving)
        _replace(NetworkKeys, "install", _installed)
        _replace(NetworkKeys, "stage", _installed)
    logging.getLogger().addHandler(_watch)


def stop() -> None:
    """Leave everything as it was."""
    logging.getLogger().removeHandler(_watch)
    while _undo:
        owner, name, before = _undo.pop()
        if before is None:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


def begin() -> None:
    """A test begins."""
    _watch.begin()


def wide(fixture: Any) -> contextlib.AbstractContextManager[None]:
    """What is made while `fixture` is set up lasts as long as that does, unless it is a test's own."""
    return contextlib.nullcontext() if fixture.scope == "function" else _watch.lasting()


def verdict(item: pytest.Item, folder: Path | None) -> list[str]:
    """What is wrong with what `item` left."""
    allowed = frozenset(name for marker in item.iter_markers(MARKER) for name in marker.args)
    output = "\n".join(text for _, kind, text in item._report_sections if kind != "log")
    return _watch.judge(folder, output, allowed)


def folder_of(item: pytest.Item) -> Path | None:
    """The folder that `item` was given."""
    given = getattr(item, "funcargs", None) or {}
    folder = given.get("tmp_path")
    return folder if isinstance(folder, Path) else None
