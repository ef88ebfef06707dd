"""The allowlist: who may be here, by which credential, on whose word, until when.

In memory it is a mapping from identity to :class:`~hubsec.entries.Entry`, which the policy looks into; on disk it is
the store's. A change is committed first and seen in the mapping after that, on the event loop, and always both:
cancelling the call that makes it parts nothing. Secrets stay sealed in the store.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple, Self, overload

import msgspec

from hubsec.entries import LABEL_LIMIT, Entry, Use
from hubsec.errors import EntryError, StickerError
from hubsec.identity import (
    SEALED,
    CredentialKind,
    Identity,
    Network,
    dsk_identity,
    identity_on,
    is_address,
    zwave_identity,
)
from hubsec.secret import Secret
from hubsec.store import AsyncStore

SECRET_BYTES: Final = 16
"""A link key and a DSK have 16 bytes each."""
# What may change once an entry is there. The rest says who it is and on whose word, which is a new entry's to say.
CHANGEABLE: Final = frozenset(
    {"label", "expires_at", "device_class", "maker", "joined_at", "marks", "pinned", "quarantined", "address"}
)
# Far above any house; what is imported is read into memory whole.
IMPORT_BYTES: Final = 8 * 1024 * 1024
EXPORT_FORMAT: Final = 1


class Imported(NamedTuple):
    """What became of an import: the entries that came in, and the devices that had one already and kept it."""

    added: tuple[Entry, ...]
    kept: tuple[Identity, ...]


class _Export(msgspec.Struct, frozen=True, kw_only=True):
    hubsec_allowlist: int
    entries: tuple[Entry, ...]


class Allowlist(Mapping[Identity, Entry]):
    """A live mapping: reading takes constant time and no I/O; iterating goes over the entries as they stood then.

    To be used on one event loop. Its coroutines raise :class:`~hubsec.errors.StoreError` when a change could not be
    committed: it is then not in the mapping either.
    """

    def __init__(
        self, store: AsyncStore, entries: Mapping[Identity, Entry], clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._entries = dict(entries)
        self._clock = clock

    @classmethod
    async def load(cls, store: AsyncStore, *, clock: Callable[[], float] = time.time) -> Self:
        """The allowlist of `store`. `clock` gives the time of changes, in seconds since the epoch, UTC."""
        return cls(store, await store.run(lambda blocking: blocking.entries(), writes=False), clock)

    @overload
    def get(self, device: Identity, /) -> Entry | None: ...

    @overload
    def get[T](self, device: Identity, /, default: T) -> Entry | T: ...

    def get[T](self, device: Identity, /, default: T | None = None) -> Entry | T | None:
        """The entry of `device`, or `default`. Asked for every frame, so it is no more than a look-up."""
        return self._entries.get(device, default)

    def __getitem__(self, device: Identity) -> Entry:
        return self._entries[device]

    def __iter__(self) -> Iterator[Identity]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    # Looking

    def expired(self, now: float) -> tuple[Entry, ...]:
        """The entries that have expired at `now`."""
        return tuple(e for e in self._entries.values() if e.expires_at is not None and e.expires_at <= now)

    def list(self) -> tuple[Entry, ...]:
        """Every entry, by label."""
        return tuple(sorted(self._entries.values(), key=lambda entry: (entry.label.casefold(), entry.device)))

    async def credential(self, device: Identity) -> Secret | None:
        """The link key or DSK of `device`, opened; None when it has none. Raises :class:`~hubsec.errors.SealError`."""
        return await self._store.run(lambda store: store.credential(device), writes=False)

    # Changing

    async def add(self, entry: Entry, secret: Secret | None = None) -> Entry:
        """Put `entry` on the list, in place of the device's present one if it has one.

        `secret` has 16 bytes: the link key of an entry by install code, or the DSK of one by that; entries by other
        credentials have none. Raises :class:`~hubsec.errors.EntryError` otherwise.
        """
        if (entry.credential in SEALED) != (secret is not None):
            raise EntryError(
                "An entry by install code or DSK comes with its secret, and no other entry with any."
            )
        if secret is not None and len(secret) != SECRET_BYTES:
            raise EntryError(f"A link key, or a DSK, has {SECRET_BYTES} bytes; this one has {len(secret)}.")
        checked = checked_entry(entry)
        by_dsk = checked.credential is CredentialKind.DSK
        if by_dsk and secret is not None and dsk_identity(secret.reveal()) != checked.device:
            raise EntryError("That is the DSK of another device.")
        return await self._store.run(
            lambda store: store.put(checked, secret, by=checked.approved_by, at=self._clock()),
            then=self._seen,
        )

    async def put_back(self, entry: Entry, secret: Secret | None, *, by: str) -> Entry:
        """Put `entry` on the list as it was before, with the secret that it still had: none when it was spent."""
        return await self._store.run(
            lambda store: store.put(entry, secret, by=by, at=self._clock()), then=self._seen
        )

    async def approve(
        self,
        device: Identity,
        *,
        network: Network,
        label: str,
        by: str,
        expires_at: float | None = None,
        use: Use = Use.STANDING,
        device_class: str | None = None,
        maker: str | None = None,
    ) -> Entry:
        """Put a device on the list on an operator's word alone, without a secret."""
        return await self.add(
            Entry(
                device=device,
                network=network,
                credential=CredentialKind.APPROVAL,
                label=label,
                approved_by=by,
                approved_at=self._clock(),
                expires_at=expires_at,
                use=use,
                device_class=device_class,
                maker=maker,
            )
        )

    async def adopt(
        self, network: Network, network_id: str, entries: Iterable[Entry], *, by: str
    ) -> tuple[Entry, ...]:
        """Confirm `entries` as the baseline of a network, and the network as adopted, in one transaction.

        Devices that are on the list already keep their entry. Returns what the list has now for each device.
        """
        baseline = [checked_entry(entry) for entry in entries]
        for entry in baseline:
            if entry.credential is not CredentialKind.ADOPTED or entry.network is not network:
                raise EntryError("A baseline has adopted devices of its own network only.")
        await self._store.run(
            lambda store: store.put_missing(
                baseline, by=by, at=self._clock(), what="adopted", adopting=(network, network_id)
            ),
            then=self._all_seen,
        )
        return tuple(self._entries[entry.device] for entry in baseline if entry.device in self._entries)

    async def update(self, device: Identity, /, *, by: str = "hubsec", **changes: object) -> Entry:
        """Put other values into an entry, of the fields in `CHANGEABLE`.

        Raises :class:`~hubsec.errors.EntryError` when there is no entry, or something else is to be changed.
        """
        other = sorted(changes.keys() - CHANGEABLE)
        if other:
            raise EntryError(f"{other[0]} of an entry does not change: make a new entry.")
        if "address" in changes and not (changes["address"] is None or _is_place(changes["address"])):
            raise EntryError(_NO_PLACE)
        return await self._store.run(
            lambda store: store.change(device, changes, by=by, at=self._clock()), then=self._seen
        )

    async def revoke(self, device: Identity, *, by: str) -> Entry:
        """Take a device off the list, and its secret with it; returns the entry that it had.

        Raises :class:`~hubsec.errors.EntryError` when it has none.
        """
        return await self._store.run(
            lambda store: store.remove(device, by=by, at=self._clock()), then=self._gone
        )

    async def spend(self, device: Identity, *, at: float | None = None, since: float | None = None) -> Entry:
        """Write down that a device has been let in, at the time of its first join; later calls change nothing.

        With `since` the first join from then on counts, such as from the opening of an admission. An entry for a single
        use loses its secret with that. Raises :class:`~hubsec.errors.EntryError` when there is no entry.
        """
        when = self._clock() if at is None else at
        return await self._store.run(
            lambda store: store.spend(device, by="hubsec", at=when, since=since), then=self._seen
        )

    # Carrying it elsewhere

    def export(self) -> bytes:
        """The list as JSON, without a single secret."""
        exported = _Export(hubsec_allowlist=EXPORT_FORMAT, entries=self.list())
        return msgspec.json.format(msgspec.json.encode(exported, order="deterministic"), indent=2)

    async def import_(self, data: bytes, *, by: str) -> Imported:
        """Take in the devices of an export that are not on the list, all of them or, on any error, none.

        An entry by install code or DSK comes without its secret: its device is known, but can't join anew. Raises
        :class:`~hubsec.errors.EntryError` when `data` is no export.
        """
        if len(data) > IMPORT_BYTES:
            raise EntryError(f"An export has at most {IMPORT_BYTES} bytes.")
        try:
            read = msgspec.json.decode(data, type=_Export)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            raise EntryError("The data is no export of an allowlist.") from None
        if read.hubsec_allowlist != EXPORT_FORMAT:
            raise EntryError(
                f"The export has format {read.hubsec_allowlist}; this hubsec reads {EXPORT_FORMAT}."
            )
        entries = [checked_entry(entry) for entry in read.entries]
        added = await self._store.run(
            lambda store: store.put_missing(entries, by=by, at=self._clock()), then=self._all_seen
        )
        new = {entry.device for entry in added}
        return Imported(added, tuple(dict.fromkeys(e.device for e in entries if e.device not in new)))

    # What follows a commit. A changed copy takes the mapping's place, so that whoever iterates is not disturbed.

    def _seen(self, entry: Entry) -> None:
        self._entries = {**self._entries, entry.device: entry}

    def _all_seen(self, entries: Iterable[Entry]) -> None:
        self._entries = {**self._entries, **{entry.device: entry for entry in entries}}

    def _gone(self, entry: Entry) -> None:
        self._entries = {device: kept for device, kept in self._entries.items() if device != entry.device}


def checked_entry(entry: Entry) -> Entry:
    """`entry`, with values of its own types only that fit each other, and an identity. Raises
    :class:`~hubsec.errors.EntryError`."""
    try:
        if len(entry.label) > LABEL_LIMIT:
            raise EntryError(f"A device's name has at most {LABEL_LIMIT} characters.")
        checked = msgspec.json.decode(msgspec.json.encode(entry), type=Entry)
    except (msgspec.MsgspecError, TypeError, UnicodeError):
        raise EntryError("An entry has a value that does not fit.") from None
    if checked != entry:
        # Such as a NaN, which JSON reads as None: as "never".
        raise EntryError("An entry has a value that does not fit.")
    try:
        canonical = identity_on(checked.network, checked.device)
    except StickerError as error:
        raise EntryError(error.reason) from None
    if checked.device != canonical:
        raise EntryError(f"An entry's device is an identity, as hubsec spells it: {canonical}.")
    if checked.network is not _NETWORK_OF.get(checked.credential, checked.network):
        raise EntryError(f"There is no {checked.credential} on {checked.network}.")
    if checked.credential is CredentialKind.DSK and is_address(checked.device):
        raise EntryError(
            "An entry by DSK is for the device whose DSK it is, and not for whoever is at an address."
        )
    if checked.network is not Network.ZWAVE and (checked.smart_start or checked.address is not None):
        raise EntryError("Only a Z-Wave device joins by SmartStart, or has an address.")
    if checked.address is not None and not _is_place(checked.address):
        raise EntryError(_NO_PLACE)
    return checked


_NETWORK_OF: Final = {CredentialKind.INSTALL_CODE: Network.ZIGBEE, CredentialKind.DSK: Network.ZWAVE}
_NO_PLACE: Final = "A device's address is its home id and node id, such as c0ffee01:12."


def _is_place(text: object) -> bool:
    """Whether that is an address on a Z-Wave network, as hubsec spells it."""
    try:
        return isinstance(text, str) and is_address(Identity(text)) and zwave_identity(text) == text
    except StickerError:
        return False
