"""Two radios, one of each network, in one hub; adoption; and that the PIN of a Z-Wave device is shown nowhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from hubsec import Hub, Mode, NotEnforceable, Refused, Standing, StickerError
from hubsec.decisions import Allow, Knock, Quarantine
from hubsec.events import AdoptionConfirmed, AdoptionListed, Evicted, Quarantined, Released
from hubsec.events_json import to_json
from hubsec.identity import CredentialKind, Network
from hubsec.radio import SeenDevice
from hubsec.stickers import read_sticker

from .conftest import LAMP, FakeRadio, collect
from .conftest import STICKER as ZIGBEE_STICKER
from .zwave import (
    ACCESS_CONTROL,
    AUTHENTICATED,
    LOCK,
    LOCK_DSK,
    NONE,
    OTHER,
    SMART_START,
    STICKER,
    ZwaveRadio,
    at,
    let_lock_in,
)

NODE = at(12)
PIN = "34028"


@pytest.fixture
def zigbee() -> FakeRadio:
    return FakeRadio(name="zigbee")


@pytest.fixture
def zwave() -> ZwaveRadio:
    return ZwaveRadio()


@pytest.fixture
async def hub(zigbee: FakeRadio, zwave: ZwaveRadio, tmp_path: Path) -> AsyncIterator[Hub]:
    async with Hub(zigbee, zwave, policy="home", home=tmp_path / "hub") as hub:
        yield hub


async def let_both_in(hub: Hub, zigbee: FakeRadio, zwave: ZwaveRadio) -> None:
    await let_lock_in(hub, zwave)
    async with hub.admit(ZIGBEE_STICKER, name="Hall lamp") as admission:
        await zigbee.join(LAMP)
        await zigbee.exchange(LAMP)
        await admission.joined()
    zigbee.seen = (SeenDevice(device=LAMP, name="Lamp"),)
    zwave.seen = (SeenDevice(device=LOCK, name="Node 12"),)


# One of each


async def test_a_sticker_says_which_radio(hub: Hub, zigbee: FakeRadio, zwave: ZwaveRadio) -> None:
    async with hub.admit(STICKER, name="Front door"), hub.admit(ZIGBEE_STICKER, name="Hall lamp"):
        assert [order.device for order in zwave.orders.values()] == [LOCK]
        assert [order.device for order in zigbee.orders.values()] == [LAMP]
    assert len(hub.allowlist) == 0


async def test_a_sticker_is_no_good_on_the_other_network(
    hub: Hub, zigbee: FakeRadio, zwave: ZwaveRadio
) -> None:
    with pytest.raises(StickerError, match="sticker of a Z-Wave device"):
        hub.admit(STICKER, name="Front door", radio=zigbee.name)
    with pytest.raises(StickerError, match="sticker of a Zigbee device"):
        hub.admit(ZIGBEE_STICKER, name="Hall lamp", radio=zwave.name)


async def test_each_device_is_put_out_by_its_own_radio(
    hub: Hub, zigbee: FakeRadio, zwave: ZwaveRadio
) -> None:
    await let_both_in(hub, zigbee, zwave)
    events = collect(hub)
    for device in (LOCK, LAMP):
        await hub.quarantine(device, "It behaves oddly.")
        await hub.release(device)
    told = [(e.radio, e.device) for e in events if isinstance(e, Quarantined | Released)]
    assert told == [("zwave", LOCK)] * 2 + [("zigbee", LAMP)] * 2
    assert [e.device for e in zwave.asked.entries()] == [LOCK]
    assert [e.device for e in zigbee.asked.entries()] == [LAMP]
    await hub.evict(NODE)
    assert "evict" not in zigbee.calls
    assert list(hub.allowlist) == [LOCK, LAMP]
    await hub.evict(LAMP)
    assert zwave.calls.count("evict") == 1
    assert list(hub.allowlist) == [LOCK]
    assert [e.radio for e in events if isinstance(e, Evicted)] == ["zigbee"]


async def test_nobody_is_put_out_by_the_other_networks_radio(
    hub: Hub, zigbee: FakeRadio, zwave: ZwaveRadio
) -> None:
    await let_both_in(hub, zigbee, zwave)
    before = dict(hub.allowlist)
    for device, radio in ((LOCK, "zigbee"), (NODE, "zigbee"), (LAMP, "zwave"), (OTHER, "zigbee")):
        for call in (hub.evict(device, radio=radio), hub.allow(device, radio=radio)):
            with pytest.raises(Refused, match="another network"):
                await call
    assert dict(hub.allowlist) == before
    assert "evict" not in (*zigbee.calls, *zwave.calls)
    assert await zigbee.asked.secret(LOCK) is None
    assert await zwave.asked.secret(LAMP) is None
    assert await zwave.asked.secret(LOCK) == LOCK_DSK


async def test_only_zigbee_is_listened_on(hub: Hub, zigbee: FakeRadio, zwave: ZwaveRadio) -> None:
    async with hub.listen() as knocks:
        assert zigbee.listening
        assert isinstance(await zigbee.join(LAMP), Knock)
        assert (await anext(knocks)).radio == "zigbee"
        assert not isinstance(await zwave.shows(LOCK), Allow | Knock)
    assert "listen" not in zwave.calls
    zwave.raises["listen"] = NotEnforceable("Nobody knocks on Z-Wave.", capability="deferred_approval")
    with pytest.raises(NotEnforceable):
        await hub.listen(radio="zwave").__aenter__()
    async with hub.listen():
        pass


async def test_a_network_that_is_not_there_is_named(tmp_path: Path) -> None:
    async with Hub(ZwaveRadio(), policy="home", home=tmp_path / "one") as hub:
        with pytest.raises(Refused, match="no radio on zigbee"):
            hub.admit(ZIGBEE_STICKER, name="Hall lamp")
        with pytest.raises(Refused, match="no radio on zigbee"):
            hub.listen()
    async with Hub(FakeRadio(), policy="home", home=tmp_path / "two") as hub:
        with pytest.raises(Refused, match="no radio on zwave"):
            hub.admit(STICKER, name="Front door")
        with pytest.raises(Refused, match="no radio on zwave"):
            await hub.evict(NODE)


async def test_two_zwave_networks_have_each_their_own_nodes(tmp_path: Path) -> None:
    here, there = ZwaveRadio(name="here"), ZwaveRadio(name="there", network_id="badc0de5")
    async with Hub(here, there, policy="home", home=tmp_path / "hub") as hub:
        with pytest.raises(Refused, match="say which"):
            hub.admit(STICKER, name="Front door")
        await let_lock_in(hub, here)
        here.seen = (SeenDevice(device=LOCK, name="Node 12"),)
        elsewhere = at(12, 0xBADC0DE5)
        there.seen = (SeenDevice(device=elsewhere, name="Node 12"),)
        assert (await hub.allow(elsewhere)).identity == elsewhere
        await hub.evict(elsewhere)
        assert "evict" not in here.calls
        assert here.asked.standing(LOCK) is Standing.APPROVED
        assert there.asked.standing(elsewhere) is Standing.QUARANTINED


# Adoption


async def test_a_network_of_nodes_is_adopted_by_their_addresses(tmp_path: Path) -> None:
    seen = [
        SeenDevice(device=NODE, name="Old plug", device_class="plug"),
        SeenDevice(device=at(13), name="?"),
    ]
    radio = ZwaveRadio(formed=False, seen=seen)
    hub = Hub(radio, policy="home", home=tmp_path / "hub")
    events = collect(hub)
    async with hub:
        assert [e.devices for e in events if isinstance(e, AdoptionListed)] == [(NODE, at(13))]
        # Nobody is shut off, and nobody comes in.
        assert isinstance(await radio.there(NODE), Allow)
        assert isinstance(await radio.arrives(OTHER, 14, NONE), Allow)
        with pytest.raises(Refused, match="not confirmed"):
            await hub.admit(STICKER, name="Front door").__aenter__()
        with pytest.raises(Refused, match="confirm"):
            await radio.vouch()
        assert len(hub.allowlist) == 0
        await hub.adopt("zwave", devices=[NODE.upper()])
        assert [e.devices for e in events if isinstance(e, AdoptionConfirmed)] == [(NODE,)]
        assert radio.asked.standing(NODE) is Standing.ADOPTED
        assert isinstance(await radio.there(at(13)), Quarantine)
        # What was there before owes nothing; what it holds is written down all the same.
        assert isinstance(await radio.says(NODE, security_class=AUTHENTICATED), Allow)
        assert isinstance(await radio.says(NODE, security_class=NONE), Quarantine)
        assert hub.allowlist[NODE].address is None
    async with Hub(ZwaveRadio(formed=False), policy="home", home=tmp_path / "hub") as again:
        assert (await again.posture()).networks[0].adopted


async def test_a_lost_store_knows_devices_by_their_nodes(tmp_path: Path) -> None:
    radio = ZwaveRadio(formed=False, seen=[SeenDevice(device=NODE, name="Front door")])
    async with Hub(radio, policy="home", home=tmp_path / "lost") as hub:
        await hub.adopt("zwave")
        # It is included anew by its DSK, and its old place is nobody's then.
        await radio.departs(NODE)
        await let_lock_in(hub, radio, 13)
        assert list(hub.allowlist) == [LOCK]
        assert hub.allowlist[LOCK].credential is CredentialKind.DSK


async def test_what_is_carried_elsewhere_is_known_on_its_own_network_alone(tmp_path: Path) -> None:
    radio = ZwaveRadio()
    async with Hub(radio, policy="home", home=tmp_path / "one") as hub:
        await let_lock_in(hub, radio)
        exported = hub.allowlist.export()
    other = ZwaveRadio(network_id="badc0de5")
    async with Hub(other, policy="home", home=tmp_path / "two") as hub:
        await hub.allowlist.import_(exported, by="Ada")
        assert await other.asked.secret(LOCK) is None
        other.seen = (SeenDevice(device=at(12, 0xBADC0DE5), name="Node 12"),)
        with pytest.raises(Refused, match="not on the network"):
            await hub.evict(at(13))
        assert isinstance(await other.there(at(12, 0xBADC0DE5)), Quarantine)


# Secrets


def test_no_network_takes_the_others_identities() -> None:
    with pytest.raises(StickerError):
        read_sticker(ZIGBEE_STICKER, device=LOCK)
    assert read_sticker(STICKER).network is Network.ZWAVE


async def test_the_pin_is_shown_nowhere(
    hub: Hub, zwave: ZwaveRadio, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    events = collect(hub)
    shown: list[str] = []
    async with hub.admit(SMART_START, name="Front door") as admission:
        shown += [repr(admission.order), f"{admission.order}", repr(admission), repr(admission.entry)]
        for call in (
            hub.admit(STICKER, name="Again").__aenter__(),
            hub.quarantine(OTHER, "odd"),
            zwave.vouch(),
        ):
            with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is
                await call
            shown += [repr(caught.value), str(caught.value)]
    order = await zwave.vouch(by="client:kitchen")
    with pytest.raises(TypeError):
        msgspec.json.encode(order)
    await zwave.shows(LOCK)
    await zwave.arrives(LOCK, 12, ACCESS_CONTROL)
    zwave.seen = (SeenDevice(device=LOCK, name="Node 12"),)
    await hub.evict(STICKER)
    shown += [repr(order), repr(LOCK_DSK), caplog.text, repr(events), repr(await hub.posture())]
    shown += [repr(one) for one in (*await hub.store.changes(), *await hub.store.decisions())]
    shown += [to_json(event).decode() for event in events]
    shown += [hub.allowlist.export().decode(), repr(hub.devices())]
    # The label that nobody has given is by what every inclusion shows.
    assert {one.name for one in hub.devices()} == {f"Z-Wave device {LOCK[:5]}"}
    kept = b"".join(file.read_bytes() for file in (tmp_path / "hub").iterdir())
    assert len(events) >= 8
    for text in (*shown, kept.decode("latin-1")):
        assert f"{PIN}-" not in text
        assert LOCK_DSK.reveal().hex() not in text.casefold()
        assert LOCK_DSK.reveal().decode("latin-1") not in text


@pytest.mark.parametrize("mode", list(Mode))
async def test_the_secret_is_for_the_radio(tmp_path: Path, mode: Mode) -> None:
    radio = ZwaveRadio()
    async with Hub(radio, policy="home", home=tmp_path / "hub") as hub:
        await let_lock_in(hub, radio)
    radio = ZwaveRadio(formed=False)
    async with Hub(radio, policy="home", home=tmp_path / "hub", mode=mode):
        assert await radio.asked.secret(LOCK) == LOCK_DSK
        assert await radio.asked.secret(OTHER) is None
