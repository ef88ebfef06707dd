"""A hub's re-inclusions, on a radio in memory: what is refused, what is durable, what a crash leaves, what shows."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from hubsec import Hub, Mode
from hubsec.audit.records import Kind
from hubsec.errors import NotEnforceable, RadioError, Refused, StickerError, StoreError
from hubsec.events import (
    AdmissionClosed,
    Event,
    Reincluded,
    ReinclusionAwaits,
    ReinclusionEnded,
    ReinclusionStarted,
)
from hubsec.identity import CredentialKind
from hubsec.posture import ReinclusionPosture
from hubsec.reinclusion import journal
from hubsec.reinclusion.shapes import Phase, Stage
from hubsec.secret import Secret
from hubsec.store.sealed import SecretKind
from hubsec.vault import Vault
from tests.core.reinclusion.radio import OLD, ReincludingRadio, sticker
from tests.core.reinclusion.world import identity, place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from hubsec.reinclusions import Reinclusion

SOON = 10.0


@asynccontextmanager
async def opened(radio: ReincludingRadio, home: Path, **more: Any) -> AsyncIterator[Hub]:
    async with Hub(radio, home=home, **more) as hub:
        hub_told[id(hub)] = told = []
        hub.on(Event, told.append)
        yield hub


hub_told: dict[int, list[Event]] = {}


def told[E: Event](hub: Hub, kind: type[E]) -> list[E]:
    return [event for event in hub_told[id(hub)] if isinstance(event, kind)]


async def begun(hub: Hub, radio: ReincludingRadio, **more: Any) -> Reinclusion:
    await hub.adopt(radio.name)
    return await hub.reinclude(stickers=[sticker(number) for number in radio.keys], by="Ada", **more)


async def until(predicate: Callable[[], object]) -> None:
    async with asyncio.timeout(SOON):
        while not predicate():  # noqa: ASYNC110 - several things make it true
            await asyncio.sleep(0.001)


async def key_of(hub: Hub, name: str = "") -> bytes | None:
    vault = Vault(hub.store, hub.now)
    secret = await vault.get(SecretKind.NETWORK_KEY, f"zwave:c0ffee01:S2_Authenticated{name}")
    return None if secret is None else secret.reveal()


async def test_each_device_comes_back_and_its_keys_are_in_the_vault(tmp_path: Path) -> None:
    radio = ReincludingRadio(3)
    async with opened(radio, tmp_path) as hub:
        reinclusion = await begun(hub, radio, reason="A backup got out.")
        async with asyncio.timeout(SOON):
            progress = await reinclusion.ended()
        assert progress.done == 3
        assert (progress.missing, progress.by, progress.reason) == ((), "Ada", "A backup got out.")
        assert set(radio.keys.values()) == {radio.server} != {OLD}
        assert await key_of(hub) == radio.server
        await until(lambda: radio.held == {})
        assert [event.devices for event in told(hub, ReinclusionStarted)] == [3]
        assert [event.done for event in told(hub, Reincluded)] == [1, 2, 3]
        assert len(told(hub, ReinclusionAwaits)) == 3
        assert [event.missing for event in told(hub, ReinclusionEnded)] == [()]
        for number in radio.keys:
            entry = hub.allowlist[identity(number)]
            assert (entry.address, entry.label) == (place(number), f"device {number}")
            assert entry.credential is CredentialKind.DSK
            assert place(number) not in hub.allowlist, "it was adopted under its address"
        first = radio.server
        radio.resets = set(radio.keys)
        async with asyncio.timeout(SOON):
            # This time the allowlist has their DSKs.
            await (await hub.reinclude()).ended()
        assert await key_of(hub) == radio.server != first
        assert await key_of(hub, ":before") == first


async def test_from_before_the_restart_until_its_verdict_a_device_is_held(tmp_path: Path) -> None:
    radio = ReincludingRadio(2)
    radio.resets = {2}
    async with opened(radio, tmp_path) as hub:
        reinclusion = await begun(hub, radio)
        await until(lambda: reinclusion.progress.done)
        assert reinclusion.progress.current == identity(3)
        assert set(radio.held) == {place(3), identity(3)}
        await reinclusion.finish()
        assert (await reinclusion.ended()).missing == (identity(3),)
        assert place(3) in radio.held
        assert radio.orders == []
    # Its server is put back on the old key, and the device answers again.
    radio.server = OLD
    async with opened(radio, tmp_path) as hub:
        assert place(3) in radio.held, "from the first moment"
        await until(lambda: radio.held == {})
        found = hub.reinclusion()
        assert found is not None
        assert found.progress.stage is Stage.ENDED


async def test_the_posture_says_where_it_stands_and_how_the_last_one_ended(tmp_path: Path) -> None:
    radio = ReincludingRadio(2)
    radio.resets = {2}

    async def shown(hub: Hub) -> ReinclusionPosture | None:
        (network,) = (await hub.posture()).networks
        return network.reinclusion

    async with opened(radio, tmp_path) as hub:
        assert await shown(hub) is None
        before = (await hub.posture()).networks[0].keys
        assert before is not None
        assert not before.rotated
        reinclusion = await begun(hub, radio)
        await until(lambda: reinclusion.progress.current == identity(3))
        stands = await shown(hub)
        assert stands is not None
        assert stands.under_way == reinclusion.progress
        assert (stands.under_way.awaiting, stands.under_way.ended_at) == ((identity(3),), None)
        after = (await hub.posture()).networks[0].keys
        assert after is not None
        assert after.rotated, "a device has shown that the keys are live"
    async with opened(radio, tmp_path, mode=Mode.OBSERVE) as hub:
        stands = await shown(hub)
        assert stands is not None
        assert stands.under_way is not None
        assert stands.under_way.awaiting == (identity(3),), "as it was written down"
    async with opened(radio, tmp_path) as hub:
        found = hub.reinclusion()
        assert found is not None
        await found.finish()
        assert await shown(hub) == ReinclusionPosture(last=found.progress)
        assert found.progress.ended_at is not None
        steps = [record async for record in _steps(hub)]
        assert steps == ["drawn", "restarting", "proving", "including", "ended"]
        # The next one stands beside it.
        radio.keys, radio.resets = dict.fromkeys(radio.keys, radio.server), set()
        radio.say(up=False)
        radio.say(up=True)
        await until(lambda: radio.held == {})
        again = await hub.reinclude(stickers=[sticker(3)])
        stands = await shown(hub)
        assert stands is not None
        assert (stands.under_way, stands.last) == (again.progress, found.progress)


async def _steps(hub: Hub) -> AsyncIterator[str]:
    for record in await hub.store.run(lambda store: store.audit(kinds=[Kind.ACT]), writes=False):
        about = json.loads(record.body)
        if about["act"] == "reinclusion-step":
            yield about["details"]["stage"]


async def test_a_crash_is_gone_on_from_on_the_same_keys(tmp_path: Path) -> None:
    radio = ReincludingRadio(3)
    radio.resets = {2}
    async with opened(radio, tmp_path) as hub:
        reinclusion = await begun(hub, radio)
        await until(lambda: reinclusion.progress.done)
    server = radio.server
    radio.resets = {3, 4}
    async with opened(radio, tmp_path) as hub:
        found = hub.reinclusion(radio.name)
        assert found is not None
        async with asyncio.timeout(SOON):
            progress = await found.ended()
        assert progress.done == 3
        assert radio.server == server
        assert radio.restarts == 1


async def test_a_server_that_a_crash_has_left_down_is_started_on_the_journals_keys(tmp_path: Path) -> None:
    radio = ReincludingRadio(2)
    radio.resets = set()
    async with opened(radio, tmp_path) as hub:
        reinclusion = await begun(hub, radio)
        await until(lambda: reinclusion.progress.current)
    server, radio.server, radio.down = radio.server, b"", True
    async with opened(radio, tmp_path):
        assert radio.server == server
    radio.down, radio.reinclusion_refusal = True, "Nobody owns it."
    with pytest.raises(RadioError, match="down"):
        async with opened(radio, tmp_path):
            pass


async def test_a_restart_that_fails_stands_still_until_somebody_resumes(tmp_path: Path) -> None:
    radio = ReincludingRadio(2)
    radio.raises = [RadioError("It burns.")]
    async with opened(radio, tmp_path) as hub:
        reinclusion = await begun(hub, radio)
        await until(lambda: reinclusion.progress.standstill)
        assert "It burns." in (reinclusion.progress.standstill or "")
        assert radio.held
        assert radio.orders == []
        await reinclusion.resume()
        async with asyncio.timeout(SOON):
            assert (await reinclusion.ended()).done == 2


async def test_a_pause_lasts_and_a_skipped_device_comes_last(tmp_path: Path) -> None:
    radio = ReincludingRadio(3)
    radio.resets = set()
    async with opened(radio, tmp_path) as hub:
        reinclusion = await begun(hub, radio)
        await until(lambda: reinclusion.progress.current == identity(2))
        await reinclusion.skip(sticker(2))
        assert reinclusion.progress.current == identity(3)
        await reinclusion.pause()
        assert reinclusion.progress.current is None
    async with opened(radio, tmp_path) as hub:
        found = hub.reinclusion()
        assert found is not None
        radio.resets = set(radio.keys)
        assert found.progress.paused
        await found.resume()
        async with asyncio.timeout(SOON):
            assert (await found.ended()).done == 3


async def test_nothing_goes_on_while_its_journal_can_t_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    radio = ReincludingRadio(2)
    radio.resets = set()
    write, full = journal.write, [False]

    async def writing(*state: Any, at: float) -> None:
        if full[0]:
            raise StoreError("The disk is full.")
        await write(*state, at=at)

    monkeypatch.setattr(journal, "write", writing)
    async with opened(radio, tmp_path) as hub:
        reinclusion = await begun(hub, radio)
        await until(lambda: reinclusion.progress.current == identity(2))
        full[0] = True
        radio.resets = {2, 3}
        await asyncio.sleep(0.05)
        assert radio.keys[2] is None
        assert radio.orders == [], "its place is not open before that is on record"
        full[0] = False
        async with asyncio.timeout(SOON):
            assert (await reinclusion.ended()).done == 2


@pytest.mark.parametrize("known", ["adopted", "by its DSK"])
async def test_who_is_cut_off_between_its_keys_and_the_news_of_it_is_the_device_that_it_was(
    tmp_path: Path, known: str
) -> None:
    radio = ReincludingRadio(2)
    async with opened(radio, tmp_path) as hub:
        if known == "by its DSK":
            await begun(hub, radio)
            await found(hub).ended()
            radio.resets = set(radio.keys)
        radio.cuts = 2
        reinclusion = await begun(hub, radio)
        async with asyncio.timeout(SOON):
            assert (await reinclusion.ended()).missing == ()
        assert radio.cuts is None
        assert radio.recognized == [identity(2)]
        entry = hub.allowlist[identity(2)]
        assert (entry.address, entry.quarantined, entry.joined_at is None) == (place(2), None, False)
        assert await hub.allowlist.credential(identity(2)) is not None
        assert place(2) not in hub.allowlist
        await until(lambda: radio.held == {})
        # Nothing is left open for it, and nothing left behind when it ends.
        assert [event.outcome for event in told(hub, AdmissionClosed)][-2:] == ["joined", "joined"]


async def test_who_lost_its_keys_with_the_connection_need_not_be_waited_for(tmp_path: Path) -> None:
    """It was let in, so that its admission waits for it; but it was reset, and its place is open again at once."""
    radio = ReincludingRadio(2)
    async with opened(radio, tmp_path) as hub:
        radio.cuts, radio.loses = 2, True
        reinclusion = await begun(hub, radio)
        async with asyncio.timeout(SOON):
            assert (await reinclusion.ended()).missing == ()
        closed = [event.outcome for event in told(hub, AdmissionClosed) if event.device == identity(2)]
        assert closed == ["failed", "joined"]
        assert hub.allowlist[identity(2)].quarantined is None


async def test_the_sticker_of_an_adopted_device_is_kept_before_anything_is_done(tmp_path: Path) -> None:
    radio = ReincludingRadio(2)
    radio.resets = set()
    async with opened(radio, tmp_path) as hub:
        await hub.adopt(radio.name)
        adopted = hub.allowlist[place(2)]
        await hub.reinclude(stickers=[sticker(2), sticker(3)], by="Ada")
        assert radio.restarts == 0
        entry = hub.allowlist[identity(2)]
        assert (entry.label, entry.approved_by, entry.joined_at) == (adopted.label, "Ada", adopted.joined_at)
        records = await hub.store.run(lambda store: store.audit(), writes=False)
        said = [record.body for record in records]
        added = next(number for number, body in enumerate(said) if identity(2) in body)
        begins = next(number for number, body in enumerate(said) if "reinclusion-step" in body)
        assert added < begins


def found(hub: Hub) -> Reinclusion:
    reinclusion = hub.reinclusion()
    assert reinclusion is not None
    return reinclusion


async def test_a_lost_connection_and_an_inclusion_by_hand_are_taken_in(tmp_path: Path) -> None:
    radio = ReincludingRadio(2)
    radio.resets = {2}
    async with opened(radio, tmp_path) as hub:
        reinclusion = await begun(hub, radio)
        await until(lambda: reinclusion.progress.current == identity(3))
        radio.say(up=False)
        await until(lambda: reinclusion.progress.current is None)
        radio.say(up=True)
        await until(lambda: reinclusion.progress.current == identity(3))
        # A person admits it by its sticker, instead of waiting for its turn.
        radio.keys[3] = None
        async with hub.admit(sticker(3), name="By hand") as admission:
            await admission.joined()
        async with asyncio.timeout(SOON):
            assert (await reinclusion.ended()).done == 2


# What is refused


async def test_what_loses_a_device_is_not_begun_unless_told_to(tmp_path: Path) -> None:
    radio = ReincludingRadio(2)
    async with opened(radio, tmp_path) as hub:
        await hub.adopt(radio.name)
        with pytest.raises(Refused, match="device 3 would be lost"):
            await hub.reinclude(stickers=[sticker(2)])
        assert radio.server == OLD
        reinclusion = await hub.reinclude(stickers=[sticker(2)], anyway=True)
        async with asyncio.timeout(SOON):
            progress = await reinclusion.ended()
        assert progress.missing == (place(3),)
        assert place(3) in radio.held
        assert {one.phase for one in progress.devices} == {Phase.DONE, Phase.MISSING}


async def test_what_can_t_be_is_refused_by_its_reason(tmp_path: Path) -> None:
    radio = ReincludingRadio(1)
    async with opened(radio, tmp_path) as hub:
        with pytest.raises(Refused, match="not confirmed"):
            await hub.reinclude(stickers=[sticker(2)])
        await hub.adopt(radio.name)
        with pytest.raises(NotEnforceable, match="by its DSK"):
            await hub.reinclude()
        with pytest.raises(StickerError):
            await hub.plan_reinclusion(stickers=["83FED3407A939723A5C639B26916D505C3B5"])
        radio.keys[2] = None
        with pytest.raises(Refused, match="switch one on first"):
            await hub.reinclude(stickers=[sticker(2)])
        radio.keys[2] = OLD
        radio.reinclusion_refusal = "Nobody owns the server."
        with pytest.raises(NotEnforceable, match="Nobody owns"):
            await hub.reinclude(stickers=[sticker(2)])
        radio.reinclusion_refusal = None
        radio.resets = set()
        await hub.reinclude(stickers=[sticker(2)])
        with pytest.raises(Refused, match="under way"):
            await hub.reinclude(stickers=[sticker(2)])
    async with opened(radio, tmp_path, mode=Mode.OBSERVE) as hub:
        assert hub.reinclusion() is None
        with pytest.raises(Refused, match="observes"):
            await hub.reinclude(stickers=[sticker(2)])


@pytest.mark.parametrize(
    "change",
    [
        (b'"version":1', b'"version":2'),
        (b'"keys":{"S2', b'"keys":{"S2":"AAAA","S2'),
        (b'"keys":{"S2', b'"keys":{"S1":5,"S2'),
        (b'"keys":{"S2', b'"keys":{"S1":"=","S2'),
        (b"{", b""),
    ],
)
async def test_a_journal_that_can_t_be_read_is_no_reason_to_draw_new_keys(
    tmp_path: Path, change: tuple[bytes, bytes]
) -> None:
    radio = ReincludingRadio(1)
    radio.resets = set()
    async with opened(radio, tmp_path) as hub:
        await begun(hub, radio)
        await until(lambda: radio.restarts)
        server = radio.server
    async with opened(radio, tmp_path, mode=Mode.OBSERVE) as hub:
        vault, name = Vault(hub.store, hub.now), f"{journal.PREFIX}c0ffee01"
        written = await vault.get(SecretKind.JOURNAL, name)
        assert written is not None
        changed = written.reveal().replace(*change, 1)
        assert changed != written.reveal()
        await vault.put(SecretKind.JOURNAL, name, Secret(changed))
    with pytest.raises(StoreError, match="the hubsec that wrote it"):
        async with opened(radio, tmp_path):
            pass
    assert (radio.server, radio.restarts) == (server, 1)


async def test_nothing_that_is_told_has_a_key_in_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    radio = ReincludingRadio(2)
    radio.raises = [RadioError("It burns.")]
    async with opened(radio, tmp_path) as hub:
        reinclusion = await begun(hub, radio)
        await until(lambda: reinclusion.progress.standstill)
        await reinclusion.resume()
        async with asyncio.timeout(SOON):
            progress = await reinclusion.ended()
        said = f"{progress!r} {hub_told[id(hub)]!r} {reinclusion._running.machine.journal!r} {caplog.text}"
        for secret in (radio.server.hex(), repr(radio.server), str(list(radio.server)), sticker(2)):
            assert secret not in said
