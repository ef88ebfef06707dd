"""The keys an ear holds, and how it comes by more of them.

A keyring starts with the public keys and whatever else its owner has. From every frame that opens it learns what
that frame carries: the network key of a Transport-Key (also of a tunnelled one, and of a network-key update under
the old key) and the link keys of the key exchange. Keys that a trust center derives from a secret seed are never
learnt this way: the seed is not on the air.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from hubsec_emulated.errors import FrameError
from hubsec_emulated.wire.addresses import BROADCAST_FIRST, format_eui64
from hubsec_emulated.wire.aps import ApplicationLinkKey, NetworkKey, TransportKey, TrustCenterLinkKey
from hubsec_emulated.wire.crypto import KEY_SIZE, WELL_KNOWN_KEY, ZLL_KEY
from hubsec_emulated.wire.zdo import DeviceAnnce

if TYPE_CHECKING:
    from hubsec_emulated.capture.dissect import ApsLayer, Dissection

MAX_KEYS: Final = 512
"""Keys of one kind that a keyring holds: far above any house, low enough that a forged flood stays harmless."""
MAX_ADDRESSES: Final = 4096
"""Short addresses whose EUI64 a keyring remembers, the one not seen for longest going first: as above."""


class KeyKind(StrEnum):
    """What a key is for."""

    NETWORK = "network key"
    LINK = "link key"
    APPLICATION = "application link key"


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key with what is known of it. The value is a secret and stays out of repr; `name` tells keys apart.

    `eui64` is the device it was sent to (None: everybody, or unknown), `sequence` a network key's number. `given`
    keys came with the keyring, the others were learnt from frames under the key `learnt_under`.
    """

    kind: KeyKind
    name: str
    value: bytes = field(repr=False)
    eui64: int | None = None
    sequence: int | None = None
    given: bool = False
    learnt_under: str | None = None


class Keyring:
    """Keys by kind, and the EUI64s of the short addresses that were seen, which opening some frames needs."""

    def __init__(self, *, link_keys: Iterable[bytes] = (), network_keys: Iterable[bytes] = ()) -> None:
        self._keys: dict[tuple[KeyKind, bytes], KnownKey] = {}
        self._eui64s: dict[tuple[int | None, int], int] = {}
        self._add(KnownKey(KeyKind.LINK, "well-known link key", WELL_KNOWN_KEY, given=True))
        self._add(KnownKey(KeyKind.LINK, "ZLL link key", ZLL_KEY, given=True))
        for number, value in enumerate(link_keys, 1):
            self._add(KnownKey(KeyKind.LINK, f"given link key {number}", value, given=True))
        for number, value in enumerate(network_keys, 1):
            self._add(KnownKey(KeyKind.NETWORK, f"given network key {number}", value, given=True))

    def __repr__(self) -> str:
        return f"<Keyring {', '.join(key.name for key in self.keys)}>"

    @property
    def keys(self) -> tuple[KnownKey, ...]:
        """Every key, in the order in which they came."""
        return tuple(self._keys.values())

    @property
    def learnt(self) -> tuple[KnownKey, ...]:
        """The keys that were learnt from frames."""
        return tuple(key for key in self._keys.values() if not key.given)

    def network_keys(self, sequence: int | None = None) -> list[KnownKey]:
        """Return the network keys, those of this sequence number first."""
        keys = [key for key in self._keys.values() if key.kind is KeyKind.NETWORK]
        return sorted(keys, key=lambda key: key.sequence != sequence)

    def link_keys(self, *eui64s: int | None) -> list[KnownKey]:
        """Return the link keys, those of the given devices first."""
        keys = [key for key in self._keys.values() if key.kind is not KeyKind.NETWORK]
        return sorted(keys, key=lambda key: key.eui64 is None or key.eui64 not in eui64s)

    def eui64_of(self, pan: int | None, short: int) -> int | None:
        """Return the EUI64 last seen with a short address on a PAN."""
        return self._eui64s.get((pan, short))

    def eui64s(self, pan: int | None) -> list[int]:
        """Return every EUI64 that was seen on a PAN."""
        return list(dict.fromkeys(eui64 for (seen, _), eui64 in self._eui64s.items() if seen == pan))

    def learn(self, frame: Dissection) -> list[KnownKey]:
        """Take in what a frame tells: addresses, and keys. Return the keys that are new."""
        self._learn_addresses(frame)
        found = []
        layer = frame.aps
        while layer is not None:
            key = self._carried_key(layer, frame)
            if key is not None and self._add(key):
                found.append(key)
            layer = layer.tunnelled
        return found

    def _add(self, key: KnownKey) -> bool:
        if len(key.value) != KEY_SIZE:
            raise FrameError(f"A key has {KEY_SIZE} bytes, not {len(key.value)}.")
        place = (key.kind, key.value)
        if place in self._keys or sum(kind is key.kind for kind, _ in self._keys) >= MAX_KEYS:
            return False
        self._keys[place] = key
        return True

    def _carried_key(self, layer: ApsLayer, frame: Dissection) -> KnownKey | None:
        if not isinstance(layer.command, TransportKey):
            return None
        under = layer.key or (frame.nwk.key if frame.nwk is not None else None)
        by = under.name if under is not None else "no key"
        match layer.command.descriptor:
            case NetworkKey(key=value, sequence=sequence, dst=dst):
                name = f"network key {sequence}"
                return KnownKey(KeyKind.NETWORK, name, value, dst or None, sequence, learnt_under=by)
            case TrustCenterLinkKey(key=value, dst=dst):
                name = f"trust center link key of {format_eui64(dst)}"
                return KnownKey(KeyKind.LINK, name, value, dst, learnt_under=by)
            case ApplicationLinkKey(key=value, partner=partner):
                name = f"application link key with {format_eui64(partner)}"
                return KnownKey(KeyKind.APPLICATION, name, value, partner, learnt_under=by)

    def _learn_addresses(self, frame: Dissection) -> None:
        nwk, mac = frame.nwk, frame.mac
        if nwk is None:
            return
        pan = mac.dst_pan
        header = nwk.frame
        if header.src_ieee is not None:
            self._pair(pan, header.src, header.src_ieee)
        if header.dst_ieee is not None:
            self._pair(pan, header.dst, header.dst_ieee)
        # The auxiliary header names who transmitted this hop, not who sent the frame first.
        hop = nwk.aux.source if nwk.aux is not None and nwk.key is not None else None
        if hop is not None and mac.src is not None and not mac.src_long:
            self._pair(pan, mac.src, hop)
        if isinstance(frame.zdo, DeviceAnnce):
            self._pair(pan, frame.zdo.short, frame.zdo.eui64)

    def _pair(self, pan: int | None, short: int, eui64: int) -> None:
        if short < BROADCAST_FIRST:
            self._eui64s.pop((pan, short), None)
            self._eui64s[pan, short] = eui64
            if len(self._eui64s) > MAX_ADDRESSES:
                del self._eui64s[next(iter(self._eui64s))]
