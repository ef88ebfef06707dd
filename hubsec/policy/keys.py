"""Every key of a policy: what may stand there, what holds without it, and why it is there.

This table is the one place for it: the checks, the errors, ``hubsec policy schema`` and the reference page all come
from it.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from typing import NamedTuple

from hubsec.errors import StickerError
from hubsec.identity import CredentialKind, Identity, SecurityClass, zigbee_identity
from hubsec.policy.classes import DeviceClass
from hubsec.policy.reading import MAX_TOLD, shown
from hubsec.policy.settings import (
    ATTEMPTS_LIMIT,
    EXCHANGE_LIMIT,
    KNOCK_RATE_LIMIT,
    LISTENING_LIMIT,
    PERMIT_LIMIT,
    SMART_START_LIMIT,
    FailedExchange,
    GreenPower,
    HostInclusion,
    HostPermit,
    IdentityChange,
    Joining,
    Parents,
    SecuredRejoin,
    Settings,
    Tclk,
    UnsecuredRejoin,
    WithoutEntry,
)

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
"""What a policy's name looks like."""
MAX_NAME = 32
"""Longest name: it stands in every record of a decision."""
MAX_ABOUT = 500
"""Longest `about`."""
MAX_MAKERS = 100
"""Most makers in a policy."""
MAX_MAKER = 32
"""Longest maker, characters: the Basic cluster's ManufacturerName (ZCL 3.2.2.2.5) holds 32 bytes."""
MAX_ROUTERS = 250
"""Most listed routers."""

DURATION = "([0-9]{1,2}d)?([0-9]{1,3}h)?([0-9]{1,5}m)?([0-9]{1,6}s)?"
"""What a duration looks like; at least one of its parts is there. Seven days fit in each unit alone."""
_DURATION = re.compile(DURATION)
_UNITS = (("d", 24 * 3600), ("h", 3600), ("m", 60), ("s", 1))


class BadValueError(Exception):
    """A value that may not stand there; the argument says why, in a sentence. It never leaves this package."""


class Key(NamedTuple):
    """One key. `path` is where it stands, `field` the setting it makes; `parse` returns the setting or raises
    BadValueError.

    `default` is text as it would stand in the file, None for a key that must be there. `schema` is its JSON schema.
    """

    path: tuple[str, ...]
    field: str
    parse: Callable[[object], object]
    allowed: tuple[str, ...]
    default: str | None
    why: str
    schema: dict[str, object]


def parse_duration(value: object) -> int:
    """Seconds, from text such as ``3m``, ``30s``, ``1m30s`` or ``1h``. Raises BadValueError."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or not match[0]:
        raise BadValueError(f"{shown(value)} is no duration with its unit.")
    parts = zip(match.groups(default="0_"), _UNITS, strict=True)
    return sum(int(part[:-1]) * seconds for part, (_, seconds) in parts)


def duration_text(seconds: int) -> str:
    """The shortest text that :func:`parse_duration` reads as `seconds`."""
    text, rest = "", seconds
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def _choice[E: enum.StrEnum](words: type[E]) -> Callable[[object], E]:
    def parse(value: object) -> E:
        if not isinstance(value, str) or value not in words:
            raise BadValueError(f"{shown(value)} is not allowed here.")
        return words(value)

    return parse


def _duration(least: int, most: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        seconds = parse_duration(value)
        if not least <= seconds <= most:
            raise BadValueError(f"{shown(value)} is out of bounds.")
        return seconds

    return parse


def _count(least: int, most: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise BadValueError(f"{shown(value)} is no number within the bounds.")
        return value

    return parse


def _list[T](item: Callable[[object], T], most: int) -> Callable[[object], tuple[T, ...]]:
    """A list without repetitions. Its order has no meaning, so it is sorted, and the policy's hash does not depend on
    it."""

    def parse(value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise BadValueError(f"{shown(value)} is no list.")
        if len(value) > most:
            raise BadValueError(f"The list has more than {most} items.")
        items, wrong = [], []
        for each in value:
            try:
                items.append(item(each))
            except BadValueError as error:
                wrong.append(str(error))
        if wrong:
            more = [f"So are {len(wrong) - MAX_TOLD} more."] if len(wrong) > MAX_TOLD else []
            raise BadValueError(" ".join([*dict.fromkeys(wrong[:MAX_TOLD]), *more]))
        if len(set(items)) < len(items):
            raise BadValueError("The list says something twice.")
        return tuple(sorted(items, key=str))

    return parse


def _any_or[T](parse_list: Callable[[object], tuple[T, ...]]) -> Callable[[object], tuple[T, ...] | None]:
    def parse(value: object) -> tuple[T, ...] | None:
        return None if value == "any" else parse_list(value)

    return parse


def _credential(value: object) -> CredentialKind:
    if not isinstance(value, str) or value not in _CREDENTIALS:
        raise BadValueError(f"{shown(value)} is no credential that a device can join by.")
    return CredentialKind(value)


def _maker(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_MAKER or not value.isprintable():
        raise BadValueError(f"{shown(value)} is no maker's name of 1 to {MAX_MAKER} printable characters.")
    return value.casefold()


def _router(value: object) -> Identity:
    try:
        return zigbee_identity(value if isinstance(value, str) else "")
    except StickerError as error:
        raise BadValueError(f"{shown(value)} is no EUI64.") from error


def _name(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_NAME or NAME.fullmatch(value) is None:
        raise BadValueError(f"{shown(value)} is no name for a policy.")
    return value


def _about(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_ABOUT:
        raise BadValueError(f"It is no text of at most {MAX_ABOUT} characters.")
    return value.strip()


def _security(value: object) -> SecurityClass:
    if not isinstance(value, str) or value not in _PROVING:
        raise BadValueError(f"{shown(value)} is no security class that proves a DSK.")
    return SecurityClass(value)


_CREDENTIALS = (CredentialKind.INSTALL_CODE.value, CredentialKind.DSK.value, CredentialKind.APPROVAL.value)
_PROVING = tuple(security.value for security in SecurityClass if security.proves_dsk)
_CLASSES = tuple(DeviceClass)
_HOUR = 3600


def _words(field: str, words: type[enum.StrEnum], default: enum.StrEnum, *path: str, why: str) -> Key:
    values = [word.value for word in words]
    return Key(path, field, _choice(words), tuple(values), default.value, why, {"enum": values})


def _seconds(field: str, least: int, most: int, default: int, *path: str, why: str) -> Key:
    such = "30s or 1m30s" if most < _HOUR else "30m or 12h"
    allowed = f"a duration from {duration_text(least)} to {duration_text(most)}, such as {such}"
    schema: dict[str, object] = {"type": "string", "pattern": f"^(?=.){DURATION}$"}
    return Key(path, field, _duration(least, most), (allowed,), duration_text(default), why, schema)


def _number(field: str, least: int, most: int, default: int, *path: str, why: str) -> Key:
    schema: dict[str, object] = {"type": "integer", "minimum": least, "maximum": most}
    allowed = (f"a whole number from {least} to {most}",)
    return Key(path, field, _count(least, most), allowed, str(default), why, schema)


def _array(items: dict[str, object], most: int) -> dict[str, object]:
    return {"type": "array", "items": items, "uniqueItems": True, "maxItems": most}


_TEXT: dict[str, object] = {"type": "string", "minLength": 1}
_DEFAULT = Settings(name="default")
_JOINING = Joining()

JOINING_KEYS: tuple[Key, ...] = (
    Key(
        ("credentials",),
        "credentials",
        _list(_credential, len(_CREDENTIALS)),
        ("a list of " + ", ".join(_CREDENTIALS) + "; an empty one lets nobody join",),
        "[dsk, install-code]",
        "By which proof a device may join: a Zigbee device by its install code, a Z-Wave device by the DSK on its "
        "sticker. An approval sends a Zigbee network's key under a key that everybody knows: who listens at that "
        "moment has the network, so the device and the network are marked exposed. On Z-Wave an approval does "
        "nothing: there nobody knocks first, and whoever presses a button in an open inclusion is on the network.",
        _array({"enum": list(_CREDENTIALS)}, len(_CREDENTIALS)),
    ),
    _words(
        "tclk",
        Tclk,
        _JOINING.tclk,
        "tclk",
        why="Zigbee: who must prove a trust center link key of its own after the join. `if-r21` asks it of devices "
        "whose node descriptor says stack revision 21 or later, and of those that do not say; older ones have no "
        "such exchange.",
    ),
    _words(
        "failed_exchange",
        FailedExchange,
        _JOINING.failed_exchange,
        "failed-exchange",
        why="What becomes of a device that did not prove the link key, or does not hold the security class, that is "
        "asked of it: it must leave, or it stays and is marked weak. Nothing makes a living Z-Wave device leave: "
        "`evict` quarantines it until somebody helps it out. One whose security class proves no DSK is never kept.",
    ),
    _seconds(
        "window",
        1,
        PERMIT_LIMIT,
        _JOINING.window,
        "window",
        why="How long an admission waits for its device. Zigbee's permit duration is one byte, and 255 can mean "
        "for ever, so 254 seconds is the longest there is.",
    ),
    _seconds(
        "exchange_limit",
        1,
        EXCHANGE_LIMIT,
        _JOINING.exchange_limit,
        "exchange-limit",
        why="Zigbee: how long the link key exchange may take after the join. The slowest one measured on real silicon "
        "took 10 seconds: less than 30 seconds turns away sound devices.",
    ),
    _number(
        "attempts",
        1,
        ATTEMPTS_LIMIT,
        _JOINING.attempts,
        "attempts",
        why="How often a device may try in one window. A sound device associates again every 2 to 3 seconds when "
        "it gets no answer.",
    ),
    _words(
        "parents",
        Parents,
        _JOINING.parents,
        "parents",
        why="Zigbee: through whom a device may join: anybody, the coordinator alone, or the coordinator and "
        "`joining.routers`. A key that travels through a router passes through that router's hands.",
    ),
    Key(
        ("security",),
        "security",
        _security,
        _PROVING,
        _JOINING.security.value,
        "Z-Wave: the least security class that a device must end up with; nothing below it is granted. Only these "
        "two prove that a device owns the DSK that it was let in by, so there is no lesser one to choose. "
        "`s2-access-control` is the key of locks and doors: other devices of the network can't listen in on it. A "
        "device that does not know that class can't get it.",
        {"enum": list(_PROVING)},
    ),
    _seconds(
        "smart_start_window",
        1,
        SMART_START_LIMIT,
        _JOINING.smart_start_window,
        "smart-start-window",
        why="Z-Wave: how long an admission waits for a device that joins by SmartStart, in the place of `window`. Such "
        "a device announces itself when it gets power, and then at growing intervals of up to 512 seconds; one that "
        "saves its battery may take up to 3 and a half hours. And somebody has to plug it in.",
    ),
)
"""The keys that a class of devices can have of its own."""

KEYS: tuple[Key, ...] = (
    Key(
        ("policy",),
        "name",
        _name,
        (f"small letters, digits and single hyphens, a letter first, at most {MAX_NAME}",),
        None,
        "The policy's name. It stands in every record, so give a changed policy a name of its own.",
        {"type": "string", "pattern": f"^{NAME.pattern}$", "maxLength": MAX_NAME},
    ),
    Key(
        ("about",),
        "about",
        _about,
        (f"a text of at most {MAX_ABOUT} characters",),
        '""',
        "What it is for. It is for people, and is no part of the policy's hash.",
        {"type": "string", "maxLength": MAX_ABOUT},
    ),
    Key(
        ("joining", "classes"),
        "classes",
        _any_or(_list(_choice(DeviceClass), len(_CLASSES))),
        ("any", "a list of " + ", ".join(_CLASSES)),
        "any",
        "Which classes of devices may join. With a list, an entry must say which class it expects; a device that "
        "turns out to be of another one is quarantined.",
        {"oneOf": [{"const": "any"}, _array({"enum": list(_CLASSES)}, len(_CLASSES))]},
    ),
    Key(
        ("joining", "makers"),
        "makers",
        _any_or(_list(_maker, MAX_MAKERS)),
        ("any", f"a list of at most {MAX_MAKERS} manufacturer names as devices say them"),
        "any",
        "Whose devices may join; upper and lower case are the same. With a list, an entry must say which maker it "
        "expects; a device that names another one is quarantined. Nothing proves what a device says.",
        {"oneOf": [{"const": "any"}, _array({**_TEXT, "maxLength": MAX_MAKER}, MAX_MAKERS)]},
    ),
    Key(
        ("joining", "routers"),
        "routers",
        _list(_router, MAX_ROUTERS),
        (f"a list of at most {MAX_ROUTERS} EUI64s such as 00:12:4b:00:01:02:03:04",),
        "[]",
        "The routers that devices may join through where `parents` says `listed`. The coordinator is always allowed.",
        _array(_TEXT, MAX_ROUTERS),
    ),
    *(key._replace(path=("joining", *key.path)) for key in JOINING_KEYS),
    _words(
        "secured_rejoin",
        SecuredRejoin,
        _DEFAULT.secured_rejoin,
        "rejoining",
        "secured",
        why="Who may come back with the network key in hand, or just be there: who was let in before, or whoever "
        "has an entry. Anybody else gets `devices.without-entry`.",
    ),
    _words(
        "unsecured_rejoin",
        UnsecuredRejoin,
        _DEFAULT.unsecured_rejoin,
        "rejoining",
        "unsecured",
        why="Who is sent the network key again when it says that it lost it: nobody, or who was let in by an "
        "install code and has proved a link key of its own. Some radios can open this for everybody only: "
        "they refuse it, but for a while that is asked for (`hub.take_back`), where nobody else has a key to come back "
        "with.",
    ),
    _words(
        "without_entry",
        WithoutEntry,
        _DEFAULT.without_entry,
        "devices",
        "without-entry",
        why="What becomes of a device that is on the network and has no entry, or one that expired. Nothing, "
        "before an operator has confirmed the network's baseline. A quarantined or evicted Zigbee device "
        "still holds the network key.",
    ),
    _words(
        "identity_change",
        IdentityChange,
        _DEFAULT.identity_change,
        "devices",
        "identity-change",
        why="What becomes of a device that says another class, manufacturer or model than it did at first, or "
        "than its entry expects.",
    ),
    _seconds(
        "listening_length",
        0,
        LISTENING_LIMIT,
        _DEFAULT.listening_length,
        "listening",
        "length",
        why="The longest time for which an operator may listen for knocks; `0s`: never. Routers show themselves "
        "open that long, though nobody gets a key.",
    ),
    _number(
        "knocks_per_minute",
        1,
        KNOCK_RATE_LIMIT,
        _DEFAULT.knocks_per_minute,
        "listening",
        "knocks-per-minute",
        why="How many knocks an operator is told of within a minute. Whoever is near can knock without end, under "
        "any number of names.",
    ),
    _words(
        "host_permit",
        HostPermit,
        _DEFAULT.host_permit,
        "opening",
        "host-permit",
        why="What a host application gets that asks to open the network. There is one answer, and it is written "
        "down so that nobody has to look for it: a network that is open is open to whoever comes.",
    ),
    _words(
        "host_inclusion",
        HostInclusion,
        _DEFAULT.host_inclusion,
        "opening",
        "host-inclusion",
        why="What a host application gets that starts a Z-Wave inclusion with S2. `refuse`: nothing. `guarded`: an "
        "inclusion on the policy's terms. What a device is granted is cut to what it may have, and the DSK that the "
        "host's user confirms becomes its entry. An inclusion without S2 is refused either way.",
    ),
    _words(
        "green_power",
        GreenPower,
        _DEFAULT.green_power,
        "opening",
        "green-power",
        why="Whether a host application may open Green Power commissioning. Those devices have no entry and prove "
        "nothing, and many stacks take them in although the network is closed.",
    ),
)
"""All keys, in the order in which the reference page lists them; those of a class stand in :data:`JOINING_KEYS`."""

CLASS_SECTION = ("joining", "per-class")
"""Where the keys of a class stand: a mapping of classes to :data:`JOINING_KEYS`."""
