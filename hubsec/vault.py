"""The vault: every secret of a hub, sealed in its store, and opened for whoever needs it at the moment that it does.

What is sealed and how is :mod:`hubsec.store.sealing`'s; this is what the rest of a hub, and its radios, may ask.
"""

from __future__ import annotations

from collections.abc import Callable

from hubsec.secret import Secret
from hubsec.store import AsyncStore
from hubsec.store.sealed import SecretKind


class Vault:
    """The sealed secrets of `store`; `clock` gives seconds since the epoch, UTC.

    Every coroutine raises :class:`~hubsec.errors.StoreError` when the store fails, and
    :class:`~hubsec.errors.SealError` when what is there does not open.
    """

    def __init__(self, store: AsyncStore, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def put(self, kind: SecretKind, name: str, secret: Secret) -> None:
        """Keep `secret`, in place of the one of that kind and name; durable when this returns."""
        now = self._clock()
        await self._store.run(lambda store: store.seal(kind, name, secret, at=now))

    async def get(self, kind: SecretKind, name: str) -> Secret | None:
        """That secret, or None."""
        return await self._store.run(lambda store: store.unseal(kind, name), writes=False)

    async def names(self, kind: SecretKind) -> tuple[str, ...]:
        """Whose secrets of this kind there are."""
        return await self._store.run(lambda store: store.sealed_names(kind), writes=False)

    async def discard(self, kind: SecretKind, name: str) -> None:
        """Forget it, if it is there; durable when this returns."""
        await self._store.run(lambda store: store.discard(kind, name))
