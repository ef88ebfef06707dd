"""A network's audit log, read from disk beside the hub that writes it: verified, signed, and exported."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from homeassistant.core import CALLBACK_TYPE, HassJob, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers.event import async_call_later, async_track_time_interval

from hubsec import HubsecError
from hubsec.audit import Checkpoint, Verified
from hubsec.errors import AuditError
from hubsec.store import Store

from .const import DOMAIN
from .network import ProtectedNetwork

VERIFY_EVERY: Final = timedelta(days=1)
"""A log as long as it may get is read in a second (400,000 records)."""
VERIFY_AFTER: Final = timedelta(minutes=1)
"""After the start, when there is less to do."""
MOST_ANSWERED: Final = 1000
"""Records in one answer: some 400 kB, which goes through a browser."""
_OWNER_ONLY: Final = 0o600


class Exported(NamedTuple):
    """What was exported: how many records, and the number of the last one, None where there was none."""

    records: int
    last: int | None
    lines: list[Any]


class _EnoughError(Exception):
    """No more fits."""


def _read[T](home: Path, work: Callable[[Store], T]) -> T:
    store = Store(home, require_key=False, read_only=True)
    try:
        return work(store)
    finally:
        store.close()


async def verify(network: ProtectedNetwork, known: Sequence[Checkpoint] = ()) -> Verified:
    """Verify the network's log, against checkpoints from elsewhere as well. Raises :class:`hubsec.errors.AuditError`
    for the first record that is wrong, and :class:`hubsec.StoreError` where nothing can be read. What is found by its
    own signatures stands on the network until it is verified again."""
    run, home = network.hass.async_add_executor_job, network.home
    try:
        verified: Verified = await run(_read, home, lambda store: store.verify(known=known))
    except AuditError as error:
        if not known:
            network.found_broken(str(error))
        raise
    network.found_broken("")
    return verified


async def sign(network: ProtectedNetwork) -> Checkpoint:
    """A signature over the log as it is now, to be kept elsewhere. Raises :class:`hubsec.HubsecError`: without a hub
    nobody makes the key that signs, if there is none yet."""
    now = time.time()
    if network.hub is not None:
        return await network.hub.store.checkpoint(at=now)
    signed: Checkpoint = await network.hass.async_add_executor_job(
        _read, network.home, lambda store: store.checkpoint(at=now)
    )
    return signed


async def answer(network: ProtectedNetwork, *, since: int, limit: int) -> Exported:
    """The records after number `since`, as objects, the format's header first; `limit` at most."""
    lines: list[Any] = []

    def keep(line: bytes) -> None:
        if len(lines) > limit:
            raise _EnoughError
        lines.append(msgspec.json.decode(line))

    def export(store: Store) -> None:
        with contextlib.suppress(_EnoughError):
            store.export(keep, since=since)

    await network.hass.async_add_executor_job(_read, network.home, export)
    records = lines[1:]
    return Exported(len(records), records[-1]["seq"] if records else None, lines)


async def write(network: ProtectedNetwork, path: str, *, since: int) -> Exported:
    """The same, all of them, into a new file that only Home Assistant's own user can read. Raises
    :class:`ServiceValidationError` where it can't be made."""
    hass, target = network.hass, Path(path)
    if not await hass.async_add_executor_job(hass.config.is_allowed_path, path):
        raise _said("path_not_allowed", network, path)

    def export(store: Store) -> Exported:
        last: list[bytes] = []

        def keep(line: bytes) -> None:
            file.write(line)
            last[:] = [line]

        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "wb") as file:
            records = store.export(keep, since=since)
        return Exported(records, msgspec.json.decode(last[0])["seq"] if records else None, [])

    try:
        return await hass.async_add_executor_job(_read, network.home, export)
    except OSError as error:
        raise _said("file_not_written", network, path, error.strerror or type(error).__name__) from error


def _said(key: str, network: ProtectedNetwork, path: str, reason: str = "") -> ServiceValidationError:
    return ServiceValidationError(
        translation_domain=DOMAIN,
        translation_key=key,
        translation_placeholders={"network": network.entry.title, "path": path, "reason": reason},
    )


@callback
def keep_verifying(network: ProtectedNetwork) -> CALLBACK_TYPE:
    """Verify the log after the start, and every day. What comes back ends that."""

    async def look(_: datetime) -> None:
        try:
            await verify(network)
        except HubsecError:
            return  # It stands on the network; a store that can't be read is told elsewhere.

    ends = (
        async_call_later(
            network.hass, VERIFY_AFTER, HassJob(look, "hubsec verifies", cancel_on_shutdown=True)
        ),
        async_track_time_interval(network.hass, look, VERIFY_EVERY, cancel_on_shutdown=True),
    )

    @callback
    def stop() -> None:
        for end in ends:
            end()

    return stop
