"""Nonsense, in every argument: an error of hubsec's, and nothing done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hubsec import Hub, HubsecError, Mode, Network, Secret, Sticker, load_policy, read_sticker
from hubsec.errors import EntryError, PolicyError, Refused, StickerError
from hubsec.events import Knocked
from hubsec.stickers import Form

from .conftest import CODE, LAMP, STICKER, STRANGER, FakeRadio, let_in

NONSENSE: tuple[Any, ...] = (None, 5, 1.5, b"x", [], {}, object(), "", "nonsense", "\0", "\ud800")


def shown(value: object) -> str:
    return f"{type(value).__name__} {value!a}"[:24]


@pytest.mark.parametrize("value", NONSENSE, ids=shown)
async def test_nonsense_is_an_error_of_hubsecs(hub: Hub, radio: FakeRadio, value: Any) -> None:
    knock = Knocked(time=hub.now(), radio="fake", device=LAMP, maker=None, parent=None)
    asked: list[Callable[[], Any]] = [
        lambda: hub.admit(value, name="Hall lamp"),
        lambda: hub.admit(CODE, device=value, name="Hall lamp"),
        lambda: hub.admit(STICKER, name="Hall lamp", device_class=value or 5),
        lambda: hub.admit(STICKER, name="Hall lamp", use=value),
        lambda: hub.admit(STICKER, name="Hall lamp", radio=value or 5),
        lambda: hub.approve(value, name="Hall lamp"),
        lambda: hub.approve(knock, name="Hall lamp", use=value),
        lambda: load_policy(value),
        lambda: read_sticker(value),
    ]
    for ask in asked:
        with pytest.raises(HubsecError):
            ask()
    awaited: list[Callable[[], Awaitable[object]]] = [
        lambda: hub.evict(value),
        lambda: hub.quarantine(value, "odd"),
        lambda: hub.release(value),
        lambda: hub.adopt(value),
        lambda: hub.adopt("fake", devices=[value]),
        lambda: hub.listen(value if value is not None else "soon").__aenter__(),  # type: ignore[arg-type]
    ]
    for wait in awaited:
        if not (isinstance(value, float | int) and wait is awaited[-1]):
            with pytest.raises(HubsecError):
                await wait()
    assert radio.calls == ["open", "posture"]
    assert len(hub.allowlist) == 0


@pytest.mark.parametrize("value", [None, 5, b"x", [], object(), "\ud800"], ids=shown)
@pytest.mark.parametrize("field", ["name", "by"])
async def test_words_that_no_entry_can_hold_are_refused_at_once(hub: Hub, field: str, value: Any) -> None:
    words: dict[str, Any] = {"name": "Hall lamp", field: value}
    with pytest.raises(EntryError):
        hub.admit(STICKER, **words)


@pytest.mark.parametrize(
    ("expires_at", "fits"),
    [
        (None, True),
        (4e9, True),
        (float("nan"), False),  # JSON reads it as None, which is "never".
        (float("inf"), False),
        ("tomorrow", False),
        (1.0, False),
    ],
)
async def test_an_end_is_a_time_to_come(hub: Hub, expires_at: Any, *, fits: bool) -> None:
    if fits:
        assert hub.admit(STICKER, name="Hall lamp", expires_at=expires_at).entry.expires_at == expires_at
    else:
        with pytest.raises(HubsecError):
            hub.admit(STICKER, name="Hall lamp", expires_at=expires_at)


@pytest.mark.parametrize(("word", "fits"), [("lock", True), (None, True), ("Lock", False), ("lok", False)])
async def test_a_class_that_is_none_is_not_taken_for_another(
    hub: Hub, word: str | None, *, fits: bool
) -> None:
    if fits:
        hub.admit(STICKER, name="Front door", device_class=word)
    else:
        with pytest.raises(EntryError, match="lock, keypad"):
            hub.admit(STICKER, name="Front door", device_class=word)


@pytest.mark.parametrize(
    ("says", "named", "device"),
    [
        (LAMP, None, LAMP),
        (None, LAMP.upper().replace(":", "-"), LAMP),
        (LAMP, LAMP, LAMP),
        (None, None, None),
        (LAMP, STRANGER, None),
    ],
)
async def test_a_sticker_that_was_read_is_for_the_device_that_is_named(
    hub: Hub, says: Any, named: str | None, device: str | None
) -> None:
    sticker = Sticker(
        network=Network.ZIGBEE,
        form=Form.PLAIN,
        credential=Secret(bytes(16)),
        install_code=None,
        device=says,
    )
    if device is None:
        with pytest.raises(StickerError):
            hub.admit(sticker, name="Hall lamp", device=named)
    else:
        assert hub.admit(sticker, name="Hall lamp", device=named).device == device


@pytest.mark.parametrize("reason", [None, "", 5])
async def test_a_quarantine_without_a_reason_is_not_the_end_of_one(
    hub: Hub, radio: FakeRadio, reason: Any
) -> None:
    await let_in(hub, radio)
    await hub.quarantine(LAMP.upper(), "It behaves oddly.")
    with pytest.raises(EntryError):
        await hub.quarantine(LAMP, reason)
    assert hub.allowlist[LAMP].quarantined == "It behaves oddly."
    assert {change.changed_by for change in (await hub.store.changes(LAMP))[:1]} == {"operator"}


@pytest.mark.parametrize(
    ("mode", "means"), [("enforce", Mode.ENFORCE), ("observe", Mode.OBSERVE), ("off", None), (None, None)]
)
def test_a_mode_is_one_of_two(mode: Any, means: Mode | None) -> None:
    if means is None:
        with pytest.raises(HubsecError, match="enforce"):
            Hub(mode=mode)
    else:
        # A word that is no Mode would enforce nothing.
        assert Hub(mode=mode).mode is means


@pytest.mark.parametrize("home", [5, [], object()], ids=shown)
def test_a_home_is_a_path(home: Any) -> None:
    with pytest.raises(HubsecError, match="path"):
        Hub(home=home)


def test_a_hub_takes_radios() -> None:
    with pytest.raises(HubsecError, match="radios"):
        Hub(object())  # type: ignore[arg-type]
    with pytest.raises(HubsecError, match="same name"):
        Hub(FakeRadio(), FakeRadio())


@pytest.mark.parametrize("policy", [None, 5, [], "no-such-policy", "", Path("/no/such/file.yaml")], ids=shown)
async def test_a_hub_without_a_policy_does_not_open(tmp_path: Path, policy: Any) -> None:
    radio = FakeRadio()
    with pytest.raises(PolicyError):
        async with Hub(radio, policy=policy, home=tmp_path / "hub"):
            pytest.fail("opened")
    assert radio.calls == []
    assert not (tmp_path / "hub").exists()


async def test_a_hub_is_opened_once_and_says_so_when_it_is_shut(radio: FakeRadio, tmp_path: Path) -> None:
    hub = Hub(radio, home=tmp_path / "hub")
    calls: list[Callable[[], object]] = [
        lambda: hub.policy,
        lambda: hub.admit(STICKER, name="Hall lamp"),
        hub.devices,
        hub.listen,
    ]
    for opened in (False, True):
        if opened:
            async with hub:
                await let_in(hub, radio)
                with pytest.raises(HubsecError, match="once"):
                    await hub.__aenter__()
                assert hub.devices()
        for call in calls:
            with pytest.raises(HubsecError, match="not open"):
                call()
        with pytest.raises(HubsecError, match="not open"):
            await hub.evict(LAMP)
    with pytest.raises(HubsecError, match="once"):
        await hub.__aenter__()


async def test_an_observing_hub_opens_nothing_and_puts_nobody_out(radio: FakeRadio, tmp_path: Path) -> None:
    async with Hub(radio, mode=Mode.OBSERVE, home=tmp_path / "hub") as hub:
        with pytest.raises(Refused, match="observes"):
            await hub.admit(STICKER, name="Hall lamp").__aenter__()
        with pytest.raises(Refused, match="observes"):
            await hub.listen().__aenter__()
        with pytest.raises(Refused, match="observes"):
            await hub.evict(LAMP)
        assert len(hub.allowlist) == 0
    assert radio.calls == ["open", "posture", "close"]
