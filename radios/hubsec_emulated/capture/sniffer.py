"""The attacker's ear: hears every frame, keeps it, and opens what its keys open, now or later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from hubsec_emulated.capture.dissect import Dissection, Layer, dissect
from hubsec_emulated.capture.keyring import KeyKind, Keyring, KnownKey
from hubsec_emulated.errors import FrameError


@dataclass(frozen=True, slots=True)
class Heard:
    """A frame as the ear has it: when it was on the air (seconds), and what could be read of it."""

    seconds: float
    frame: Dissection


@dataclass(frozen=True, slots=True)
class SnifferReport:
    """What an ear knows.

    `keys` were learnt from the air, with their kind, for whom they are and under which key they came; the public and
    given ones are not among them. `opened` and `unopened` count the secured frames, `unopened_layers` says at which
    layer the unopened ones stayed shut, `by_key` how many layers each key opened, by its name. `malformed` frames had
    a layer that made no sense, or were no frames at all.
    """

    frames: int
    secured: int
    opened: int
    keys: tuple[KnownKey, ...]
    unopened_layers: dict[Layer, int] = field(default_factory=dict)
    by_key: dict[str, int] = field(default_factory=dict)
    malformed: int = 0

    @property
    def unopened(self) -> int:
        """How many secured frames have a layer that no key opened."""
        return self.secured - self.opened


class Sniffer:
    """An ear on the air. It always holds the well-known and the ZLL key; `keys` are more link keys that it has.

    It is patient: it keeps every frame and tries the shut ones again whenever it has learnt a key, so that it knows
    at last what the keys of the whole recording open. Call it with (seconds, psdu) for each frame on the air.
    """

    def __init__(self, keys: Iterable[bytes] = (), *, network_keys: Iterable[bytes] = ()) -> None:
        self._keyring = Keyring(link_keys=keys, network_keys=network_keys)
        self._recorded: list[tuple[float, bytes, bool]] = []
        self._read: list[Dissection | None] = []
        self._shut: list[int] = []

    def __repr__(self) -> str:
        return f"<Sniffer {len(self._recorded)} frames, {len(self._keyring.keys)} keys>"

    def __call__(self, seconds: float, psdu: bytes, *, has_fcs: bool = True) -> None:
        """Record a frame. Nothing is opened before somebody asks."""
        self._recorded.append((seconds, psdu, has_fcs))

    @property
    def has_network_key(self) -> bool:
        """Whether it holds any network key, learnt or given. A forged one counts: see :meth:`holds` for a real one."""
        self._listen()
        return any(key.kind is KeyKind.NETWORK for key in self._keyring.keys)

    def holds(self, key: bytes) -> bool:
        """Say whether this very key is among those it holds, of whatever kind."""
        self._listen()
        return any(known.value == key for known in self._keyring.keys)

    @property
    def keyring(self) -> Keyring:
        """Every key it holds by now."""
        self._listen()
        return self._keyring

    def heard(self, first: int = 1, last: int | None = None) -> list[Heard]:
        """Return the frames in order as far as they could be read, without what is no frame.

        `first` and `last` count everything that was recorded, from 1.
        """
        self._listen()
        window = slice(first - 1, last)
        return [
            Heard(seconds, frame)
            for (seconds, _, _), frame in zip(self._recorded[window], self._read[window], strict=True)
            if frame is not None
        ]

    def report(self) -> SnifferReport:
        """Say what it could open with everything it has learnt up to now."""
        self._listen()
        frames = [frame for frame in self._read if frame is not None]
        secured = [frame for frame in frames if frame.secured]
        shut = Counter(frame.shut for frame in secured if frame.shut is not None)
        by_key = Counter(key.name for frame in secured for key in frame.opened_by.values())
        return SnifferReport(
            frames=len(self._read),
            secured=len(secured),
            opened=len(secured) - shut.total(),
            keys=self._keyring.learnt,
            unopened_layers=dict(shut),
            by_key=dict(by_key),
            malformed=sum(frame is None or frame.malformed is not None for frame in self._read),
        )

    def keys_for_wireshark(self) -> str:
        """Return every key as the lines of Wireshark's `zigbee_pc_keys` file. These are the secrets themselves."""
        self._listen()
        return "".join(
            f'"{key.value.hex()}","Normal","{key.name.replace(":", "")}"\n' for key in self._keyring.keys
        )

    def _listen(self) -> None:
        learnt = False
        for number in range(len(self._read), len(self._recorded)):
            _, psdu, has_fcs = self._recorded[number]
            try:
                frame = dissect(psdu, self._keyring, has_fcs=has_fcs)
            except FrameError:
                self._read.append(None)
                continue
            self._read.append(frame)
            learnt |= bool(self._keyring.learn(frame))
            if frame.shut is not None:
                self._shut.append(number)
        while learnt:
            learnt = False
            still_shut = []
            for number in self._shut:
                _, psdu, has_fcs = self._recorded[number]
                frame = dissect(psdu, self._keyring, has_fcs=has_fcs)
                self._read[number] = frame
                learnt |= bool(self._keyring.learn(frame))
                if frame.shut is not None:
                    still_shut.append(number)
            self._shut = still_shut
