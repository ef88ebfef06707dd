"""From a document to settings: the checks.

voluptuous checks the structure. Its own error texts are not used, only where something is wrong: Home Assistant puts
another library in its place, whose texts differ. For the same reason only names that both have at top level are
imported, and only when a policy is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from types import ModuleType
from typing import Any

import msgspec

from hubsec.errors import PolicyError
from hubsec.policy.classes import DeviceClass
from hubsec.policy.keys import CLASS_SECTION, JOINING_KEYS, KEYS, BadValueError, Key
from hubsec.policy.reading import Document, Path_, all_of, shown
from hubsec.policy.settings import Joining, Parents, Settings

_KEY_AT: dict[Path_, Key] = {
    **{key.path: key for key in KEYS},
    **{
        (*CLASS_SECTION, device_class.value, *key.path): key
        for device_class in DeviceClass
        for key in JOINING_KEYS
    },
}


def _sections() -> dict[Path_, tuple[str, ...]]:
    """Every mapping of a policy with the keys it may have."""
    sections: dict[Path_, dict[str, None]] = {(): {}}
    for path in (*(key.path for key in KEYS), *_KEY_AT):
        for length in range(len(path)):
            sections.setdefault(path[:length], {})[str(path[length])] = None
    return {path: tuple(names) for path, names in sections.items()}


SECTIONS = _sections()
"""Every mapping of a policy, by its path, with the keys it may have."""


def settings_of(document: Document) -> Settings:
    """The settings that a document says. Raises :class:`~hubsec.errors.PolicyError` with all the mistakes in it."""
    import voluptuous as vol  # noqa: PLC0415 - lazily, and whatever stands in its place by then

    complaints: dict[Path_, str] = {}
    try:
        checked = vol.Schema(_structure(vol, (), complaints))(document.value)
    except vol.MultipleInvalid as error:
        paths = {tuple(_steps(each.path)) for each in error.errors}
        wrong = [_explained(document, path, complaints) for path in sorted(paths, key=_as_text)]
        # What stands in the right places is held to the rules between keys all the same.
        sound = _settings({"policy": "", **_sound(document.value, ())})
        wrong += _contradictions(document, sound, blamed=_blamed(paths))
        raise all_of(wrong) from None
    settings = _settings(checked)
    contradictions = _contradictions(document, settings)
    if contradictions:
        raise all_of(contradictions)
    return settings


def _as_text(path: Path_) -> list[str]:
    return [str(step) for step in path]


def _blamed(paths: AbstractSet[Path_]) -> AbstractSet[str | int]:
    """The keys that are wrong themselves; a class of devices that does not exist counts as its section."""
    return {CLASS_SECTION[-1] if path[:-1] == CLASS_SECTION else path[-1] for path in paths if path}


def _sound(value: object, path: Path_) -> dict[str, Any]:
    """What of a mapping is as it should be, parsed."""
    sound: dict[str, Any] = {}
    for name in SECTIONS[path]:
        if not isinstance(value, dict) or name not in value:
            continue
        key = _KEY_AT.get((*path, name))
        if key is None:
            sound[name] = _sound(value[name], (*path, name))
            continue
        with suppress(BadValueError):
            sound[name] = key.parse(value[name])
    return sound


def _structure(vol: ModuleType, path: Path_, complaints: dict[Path_, str]) -> object:
    """The voluptuous schema of what stands at `path`. What is wrong with a value goes to `complaints`."""
    key = _KEY_AT.get(path)
    if key is not None:
        return _validator(vol, key.parse, path, complaints)
    structure = {}
    for name in SECTIONS[path]:
        below = (*path, name)
        needed = below in _KEY_AT and _KEY_AT[below].default is None
        marker = vol.Required if needed else vol.Optional
        structure[marker(name)] = _structure(vol, below, complaints)
    return structure


def _validator(
    vol: ModuleType, parse: Callable[[object], object], path: Path_, complaints: dict[Path_, str]
) -> Callable[[object], object]:
    def validate(value: object) -> object:
        try:
            return parse(value)
        except BadValueError as error:
            complaints[path] = str(error)
            raise vol.Invalid("bad value") from error

    return validate


def _steps(path: list[Any]) -> Iterator[str | int]:
    """The steps of an error's path. They can be markers, which show their key as text."""
    for step in path:
        yield step if isinstance(step, int) else str(step)


def _explained(document: Document, path: Path_, complaints: dict[Path_, str]) -> PolicyError:
    """What is wrong at `path`, in our own words."""
    if path in complaints:
        return document.error(complaints[path], path, _KEY_AT[path].allowed)
    parent, found = path[:-1], document.value
    for step in parent:
        found = found[str(step)] if isinstance(found, dict) else None
    if path and path[-1] not in SECTIONS[parent]:
        return document.error("There is no such key.", path, SECTIONS[parent])
    if path and isinstance(found, dict):
        if path[-1] not in found:
            return document.error("It is missing.", path, _KEY_AT[path].allowed)
        found = found[path[-1]]
    return document.error(f"It must be a mapping, and is {shown(found)}.", path, SECTIONS[path])


def _settings(checked: dict[str, Any]) -> Settings:
    """Complete settings: the defaults filled in, each class's own keys on top of the general ones."""
    fields: dict[str, Any] = {}
    own: dict[str, Any] = {}
    general = {key.path[-1] for key in JOINING_KEYS}
    for key in KEYS:
        value: Any = checked
        for step in key.path:
            value = value.get(step, _ABSENT) if isinstance(value, dict) else _ABSENT
        if value is not _ABSENT:
            is_general = key.path[:-1] == ("joining",) and key.path[-1] in general
            (own if is_general else fields)[key.field] = value
    joining = Joining(**own)
    per_class = {
        DeviceClass(name): msgspec.structs.replace(
            joining, **{key.field: keys[key.path[-1]] for key in JOINING_KEYS if key.path[-1] in keys}
        )
        for name, keys in checked.get("joining", {}).get("per-class", {}).items()
    }
    return Settings(joining=joining, per_class=per_class, **fields)


_ABSENT = object()


def _contradictions(
    document: Document, settings: Settings, *, blamed: AbstractSet[str | int] = frozenset()
) -> list[PolicyError]:
    """What no key says by itself: keys that have no effect, or lack another one. `blamed` are the keys that have been
    found wrong already: nothing is concluded from those."""
    found = []
    if not blamed & {"joining", "per-class", "parents", "routers"}:
        found.append(_check_routers(document, settings))
    if not blamed & {"listening", "length", "knocks-per-minute"}:
        found.append(_check_listening(document, settings))
    return [error for error in found if error is not None]


def _check_routers(document: Document, settings: Settings) -> PolicyError | None:
    """A list that nothing uses, or a use without a list, is a mistake that would go unnoticed."""
    listed = any(
        joining.parents is Parents.LISTED for joining in (settings.joining, *settings.per_class.values())
    )
    path = ("joining", "routers")
    if listed and not settings.routers:
        return document.error("It is missing or empty, and parents says listed.", path, _KEY_AT[path].allowed)
    if settings.routers and not listed:
        return document.error("It has no effect while no parents says listed.", path)
    return None


def _check_listening(document: Document, settings: Settings) -> PolicyError | None:
    path = ("listening", "knocks-per-minute")
    written = isinstance(document.value, dict) and path[1] in document.value.get(path[0], {})
    if written and not settings.listening_length:
        return document.error("It has no effect while listening.length is 0s.", path)
    return None
