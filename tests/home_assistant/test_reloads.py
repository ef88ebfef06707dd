"""Whatever becomes of ZHA or of hubsec, in whatever order: the guard stands again as soon as there is something to
guard, says so, and says why as long as there is not."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from guarded import DOMAIN, SETTLED, SHUT, GuardedZha, guarded, stick
from homeassistant.config_entries import ConfigEntryDisabler, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.loader import DATA_CUSTOM_COMPONENTS
from zha_house import NOWHERE, Zha, ieee, socket_url, until, zha_entry

from hubsec.errors import HubsecError
from hubsec.events import GuardAttached, GuardDetached, Quarantined, RadioLost
from hubsec_emulated.devices.onoff import Lamp
from hubsec_emulated.house import House

pytestmark = pytest.mark.usefixtures("enable_custom_integrations")


@pytest.fixture
async def lamp(zha: Zha) -> Lamp:
    """On the network before hubsec."""
    lamp = zha.house.lamp()
    await zha.admitted(lamp)
    await zha.entity(lamp, "light")
    return lamp


@pytest.fixture
async def guard(zha: Zha, lamp: Lamp) -> GuardedZha:
    """A guard that stands; the lamp is adopted."""
    guard = await guarded(zha, adopt=[lamp])
    await guard.stands()
    return guard


async def says_why(guard: GuardedZha, why: str) -> None:
    """The actions of a guard that is not there say so."""
    for action, data in {
        "listen": {},
        "admit": {"sticker": "Z:00124B0000010009", "name": "Lamp"},
        "evict": {"device": "00:12:4b:00:00:01:00:09"},
    }.items():
        with pytest.raises(ServiceValidationError) as refused:
            await guard.hass.services.async_call(DOMAIN, action, data, blocking=True)
        assert why in str(refused.value), action


async def stands_as_ever(guard: GuardedZha, lamp: Lamp) -> None:
    await guard.stands()
    await guard.works(lamp)


async def test_hubsec_is_there_before_zha(zha: Zha, lamp: Lamp) -> None:
    assert await zha.unload()
    guard = GuardedZha.of(zha, network_id=network_id_of_house(zha), adopt=[lamp])
    await guard.set_up()
    await guard.is_now("waiting")
    assert guard.entity("joining") == "unavailable"
    await says_why(guard, "is not guarded now: ZHA is not running")

    assert await zha.setup()
    await stands_as_ever(guard, lamp)
    (attached,) = guard.heard(GuardAttached)
    assert "unguarded-start" in attached.gaps


def network_id_of_house(zha: Zha) -> str:
    """Read on the stick, as long as ZHA is not there."""
    parameters = zha.house.tokens.network
    assert parameters is not None
    return f"{parameters.extended_pan_id:016x}"


async def test_there_is_no_zha(hass: HomeAssistant, unstarted_zha: Zha) -> None:
    guard = GuardedZha.of(unstarted_zha, network_id="0011223344556677")
    await hass.config_entries.async_remove(unstarted_zha.entry.entry_id)
    await guard.set_up()
    await guard.is_now("waiting")
    await says_why(guard, "is not guarded now: ZHA is not running")
    await guard.remove()


async def test_zha_fails_and_comes_later(guard: GuardedZha, lamp: Lamp) -> None:
    zha = guard.zha
    zha.point_at(NOWHERE)
    assert not await zha.reload()
    assert zha.entry.state is ConfigEntryState.SETUP_RETRY
    await guard.is_now("waiting")
    await says_why(guard, "is not guarded now: ZHA is not running")
    zha.point_at(socket_url(zha.house))
    assert await zha.reload()
    await stands_as_ever(guard, lamp)


async def test_zha_is_reloaded_again_and_again(guard: GuardedZha, lamp: Lamp) -> None:
    zha = guard.zha
    for _ in range(2):
        before = zha.app
        assert await zha.reload()
        await stands_as_ever(guard, lamp)
        assert zha.app is not before
        assert "permit" not in vars(before)
    # Nobody waits for the guard.
    await asyncio.gather(zha.reload(), zha.reload(), zha.reload())
    await stands_as_ever(guard, lamp)
    attached, detached = guard.heard(GuardAttached), guard.heard(GuardDetached)
    assert len(attached) == len(detached) + 1
    assert not guard.heard(RadioLost)  # A stack that lets go by itself has lost nothing.
    # What bellows starts beside each of its starts comes now, and opens nothing.
    await asyncio.sleep(SETTLED)
    await guard.stands()


async def test_zha_is_reloaded_while_something_is_open(guard: GuardedZha, lamp: Lamp) -> None:
    zha, house = guard.zha, guard.house
    new, stranger = house.lamp(), house.stranger()
    entrance = guard.network.entrance
    admission = asyncio.create_task(entrance.admit(new.sticker, name="New lamp"))
    await until(lambda: entrance.open_to, "The opening")
    await entrance.listen(60, by="a test")
    assert guard.entity("joining") == "on"
    assert await zha.reload()
    with pytest.raises(HubsecError):
        await asyncio.wait_for(admission, 5)
    await stands_as_ever(guard, lamp)
    assert entrance.open_to == ()
    assert entrance.open_until is None
    assert entrance.knocks == {}
    # Both were there all along, and neither comes in; then one is let in.
    stranger.power_on()
    new.power_on()
    await house.sleep(30)
    assert not new.has_network_key
    device = await entrance.admit(new.sticker, name="New lamp")
    assert device.name == "New lamp"
    assert not stranger.loot


async def test_the_connection_breaks(guard: GuardedZha, lamp: Lamp) -> None:
    zha, app = guard.zha, guard.zha.app
    zha.house.server.power_cut()
    await until(lambda: zha.entry.state is not ConfigEntryState.LOADED, "The loss of the connection")
    await zha.loaded()
    assert zha.app is not app
    await stands_as_ever(guard, lamp)
    (lost,) = guard.heard(RadioLost)
    assert lost.left_refusing


async def test_the_stick_is_gone_for_a_while(guard: GuardedZha, lamp: Lamp) -> None:
    zha = guard.zha
    async with zha.without_stick():
        await until(lambda: zha.entry.state is ConfigEntryState.SETUP_RETRY, "ZHA's giving up for now")
        await guard.is_now("waiting")
        await says_why(guard, "is not guarded now: ZHA is not running")
    assert stick(zha.house) == SHUT
    assert await zha.reload()
    await stands_as_ever(guard, lamp)


async def test_zha_is_removed_and_comes_back_as_another(
    guard: GuardedZha, lamp: Lamp, hass: HomeAssistant
) -> None:
    house = guard.house
    await hass.config_entries.async_remove(guard.zha.entry.entry_id)
    await guard.is_now("waiting")
    assert stick(house) == SHUT
    again = Zha(hass, house)
    assert await again.setup()
    await guard.is_now("waiting")  # It is not told that this is the same network.
    # What the reconfiguration of the entry does.
    data = {**guard.entry.data, "stack_entry_id": again.entry.entry_id}
    hass.config_entries.async_update_entry(guard.entry, data=data)
    guard.zha = again
    await until(lambda: guard.entry.state is ConfigEntryState.LOADED, "The entry's reload")
    await stands_as_ever(guard, lamp)
    await again.stop()


async def test_zha_is_disabled_and_enabled(guard: GuardedZha, lamp: Lamp, hass: HomeAssistant) -> None:
    entry = guard.zha.entry
    await hass.config_entries.async_set_disabled_by(entry.entry_id, ConfigEntryDisabler.USER)
    await guard.is_now("waiting")
    assert stick(guard.house) == SHUT
    await hass.config_entries.async_set_disabled_by(entry.entry_id, None)
    await stands_as_ever(guard, lamp)


async def test_hubsec_is_reloaded_alone_and_both_at_once(guard: GuardedZha, lamp: Lamp) -> None:
    app = guard.zha.app
    await guard.reload()
    assert guard.zha.app is app
    await stands_as_ever(guard, lamp)
    await asyncio.gather(guard.reload(), guard.zha.reload())
    await stands_as_ever(guard, lamp)
    await asyncio.gather(guard.zha.reload(), guard.reload(), guard.zha.reload())
    await stands_as_ever(guard, lamp)


async def test_home_assistant_is_restarted(guard: GuardedZha, lamp: Lamp) -> None:
    before = guard.network
    async with guard.zha.restarted() as zha:
        assert stick(zha.house) == SHUT
        assert before.hub is None
        zha.hass.data.pop(DATA_CUSTOM_COMPONENTS)
        entry = zha.hass.config_entries.async_get_entry(guard.entry.entry_id)
        assert entry is not None
        again = GuardedZha(zha, entry)
        # ZHA comes first: the manifest says so.
        await zha.started()
        await again.set_up()
        await stands_as_ever(again, lamp)
        await again.unload()


async def test_who_came_while_the_guard_was_away_is_found(guard: GuardedZha, lamp: Lamp) -> None:
    zha = guard.zha
    await guard.unload()
    stranger = zha.house.plug(install_code=None)
    await zha.admitted(stranger)
    switch = await zha.entity(stranger, "switch")
    await guard.set_up()
    await stands_as_ever(guard, lamp)
    await until(lambda: guard.heard(Quarantined), "The finding")
    (quarantined,) = guard.heard(Quarantined)
    assert quarantined.device == ieee(stranger)
    before = stranger.is_on
    with pytest.raises(ServiceValidationError, match="hubsec lets nothing through to this device"):
        await guard.hass.services.async_call("switch", "toggle", {"entity_id": switch}, blocking=True)
    assert stranger.is_on is before


async def test_another_network_is_not_touched(zha: Zha) -> None:
    before = stick(zha.house)
    guard = GuardedZha.of(zha, network_id="0011223344556677")
    await guard.set_up()
    await guard.is_now("other_network")
    await says_why(guard, "is not guarded now")
    await zha.permit()
    await zha.close()
    assert stick(zha.house).transient == before.transient
    assert "permit" not in vars(zha.app)


async def test_what_keeps_the_guard_away_is_said_and_can_be_tried_again(
    zha: Zha, hass: HomeAssistant
) -> None:
    in_the_way = Path(hass.config.path(DOMAIN))
    in_the_way.write_text("This is no folder.")
    guard = await guarded(zha)
    await guard.is_now("shut")
    assert guard.network.problem
    await says_why(guard, f"lets nobody in now: {guard.network.problem}")
    in_the_way.unlink()
    await guard.network.mend()
    await guard.stands()


async def test_a_stick_that_bellows_serves_in_a_thread_of_its_own(house: House, hass: HomeAssistant) -> None:
    # That is how ZHA runs every stick but those behind socket://.
    zha = Zha(hass, house, zha_entry(house.url))
    zha.entry.add_to_hass(hass)
    await zha.started()
    try:
        assert "bellows.thread_0" in {thread.name for thread in threading.enumerate()}
        guard, lamp = await guarded(zha), house.lamp()
        await guard.stands()
        lamp.power_on()
        await guard.network.entrance.admit(lamp.sticker, name="Lamp")
        await stands_as_ever(guard, lamp)
        assert await zha.reload()
        await stands_as_ever(guard, lamp)
        assert not guard.heard(RadioLost)
        house.server.power_cut()
        await until(lambda: zha.entry.state is not ConfigEntryState.LOADED, "The loss of the connection")
        await zha.loaded()
        await stands_as_ever(guard, lamp)
        assert guard.heard(RadioLost)
        await guard.unload()
    finally:
        await zha.stop()
