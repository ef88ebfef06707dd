"""Setting up, options and reconfiguring, over HTTP as the pages of Home Assistant do it."""

from __future__ import annotations

import pytest
from frontend import ABORT, CREATED, FORM, Frontend, entry_of, on_radio, own_policy, reloaded, unadopted
from homeassistant.config_entries import ConfigEntryState
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser, async_capture_events
from zha_house import Zha, ieee, until, zha_entry

from custom_components.hubsec.stacks import STACKS
from hubsec import RadioError
from hubsec.radio import Capabilities, Capability
from hubsec_zigbee.capabilities import CAPABILITIES

pytestmark = pytest.mark.usefixtures("enable_custom_integrations")


def loaded_twin(zha: Zha) -> MockConfigEntry:
    """Another entry of ZHA's, as if it ran the same network."""
    twin = zha_entry("/dev/null")
    twin.add_to_hass(zha.hass)
    twin.mock_state(zha.hass, ConfigEntryState.LOADED)
    return twin


# Setting up


async def test_a_network_is_set_up_to_be_observed(frontend: Frontend, zha: Zha) -> None:
    hass, lamp, lock = zha.hass, zha.house.lamp(), zha.house.lock()
    await zha.admitted(lamp)
    await zha.admitted(lock)
    page = await frontend.add()
    assert (page.type, page.step) == (FORM, "network")
    assert page.default("policy") == "home"
    assert page.default("mode") == "observe"
    page = await page.submit(policy="home", mode="observe")
    assert (page.type, page.step) == (FORM, "adopt")
    assert set(page.default("adopt")) == {ieee(lamp), ieee(lock)}
    assert all(device in label for device, label in page.choices("adopt").items())
    page = await page.submit(adopt=[ieee(lamp), ieee(lock)])
    assert page.type == CREATED
    await hass.async_block_till_done()

    entry = entry_of(hass)
    assert entry.title == zha.entry.title
    assert entry.unique_id == str(zha.app.state.network_info.extended_pan_id).replace(":", "")
    assert entry.options == {"policy": "home", "mode": "observe"}
    assert entry.data == {
        "stack": "zha",
        "stack_entry_id": zha.entry.entry_id,
    }  # The list is with the hub now.
    network = entry.runtime_data
    assert network.standing == "stands"
    assert {device.identity for device in network.hub.devices()} == {ieee(lamp), ieee(lock)}
    await zha.permit(1)
    await zha.close()


async def test_the_first_page_says_what_the_stick_can_and_that_enforcing_is_experimental(
    frontend: Frontend,
) -> None:
    page = await frontend.add()
    assert "Silicon Labs" in page.text
    assert "experimental" in page.text
    assert "Refuse the key that everybody knows: yes (" in page.text
    assert page.choices("mode").keys() == {"observe", "enforce"}


@pytest.mark.parametrize("library", sorted(set(CAPABILITIES) - {"bellows"}))
async def test_on_a_stick_that_hubsec_does_not_enforce_on_nothing_is_pretended(
    frontend: Frontend, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    on_radio(monkeypatch, library)
    page = await frontend.add()
    assert page.step == "unguardable"
    assert "can't enforce here yet" in page.text
    assert page.choices("mode").keys() == {"observe"}
    for name in Capabilities.__struct_fields__:
        held = getattr(CAPABILITIES[library], name)
        assert not isinstance(held, Capability) or held.note in page.text


async def test_enforce_is_refused_on_such_a_stick(
    frontend: Frontend, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_radio(monkeypatch, "znp")
    page = await frontend.add()
    with pytest.raises(AssertionError, match="400"):
        await page.submit(policy="home", mode="enforce")
    page = await page.submit(policy="home", mode="observe")
    page = await page.submit()
    assert page.type == CREATED
    await frontend.hass.async_block_till_done()
    network = entry_of(frontend.hass).runtime_data
    assert (network.standing, network.protected) == ("stands", False)  # It watches.
    assert "cannot_enforce" not in await frontend.repairs()


async def test_a_radio_that_nothing_is_known_of(frontend: Frontend, monkeypatch: pytest.MonkeyPatch) -> None:
    on_radio(monkeypatch, "abacus")
    page = await frontend.add()
    assert (page.type, page.reason) == (ABORT, "unknown_radio")
    assert "abacus" in page.text


async def test_a_network_without_devices_has_nobody_to_confirm(frontend: Frontend, zha: Zha) -> None:
    page = await (await frontend.add()).submit(policy="strict", mode="enforce")
    assert (page.type, page.step) == (FORM, "nobody")
    assert (await page.submit()).type == CREATED
    await zha.hass.async_block_till_done()
    network = entry_of(zha.hass).runtime_data
    assert network.protected
    assert network.posture.networks[0].adopted
    with pytest.raises(HomeAssistantError):
        await zha.permit(60)


async def test_whom_the_user_leaves_out_is_a_stranger(frontend: Frontend, zha: Zha) -> None:
    lamp, plug = zha.house.lamp(), zha.house.plug()
    await zha.admitted(lamp)
    await zha.admitted(plug)
    page = await (await frontend.add()).submit(policy="home", mode="enforce")
    assert (await page.submit(adopt=[ieee(lamp)])).type == CREATED
    await zha.hass.async_block_till_done()
    assert [device.identity for device in entry_of(zha.hass).runtime_data.hub.devices()] == [ieee(lamp)]


async def test_a_device_that_is_not_there_can_not_be_confirmed(frontend: Frontend, zha: Zha) -> None:
    lamp = zha.house.lamp()
    await zha.admitted(lamp)
    await zha.entity(lamp, "light")
    page = await (await frontend.add()).submit(policy="home", mode="observe")
    with pytest.raises(AssertionError, match="400"):
        await page.submit(adopt=["00:12:4b:00:01:02:03:04"])


@pytest.mark.parametrize(
    "state", [ConfigEntryState.NOT_LOADED, ConfigEntryState.SETUP_RETRY, ConfigEntryState.SETUP_ERROR]
)
async def test_a_network_that_does_not_run_can_not_be_seen(
    frontend: Frontend, zha: Zha, state: ConfigEntryState
) -> None:
    await zha.unload()
    zha.entry.mock_state(zha.hass, state)
    page = await frontend.add()
    assert (page.type, page.reason) == (ABORT, "not_loaded")
    assert zha.entry.title in page.text
    zha.entry.mock_state(zha.hass, ConfigEntryState.NOT_LOADED)


@pytest.mark.parametrize("loaded", [True, False])
async def test_what_a_network_is_called_is_no_markdown(
    frontend: Frontend, zha: Zha, monkeypatch: pytest.MonkeyPatch, loaded: bool
) -> None:
    zha.hass.config_entries.async_update_entry(zha.entry, title="[free](http://evil)")

    async def broken(*_: object) -> None:
        raise RadioError("![It](http://evil) is broken.")

    if loaded:
        monkeypatch.setattr(STACKS["zha"], "look", broken)
    else:
        await zha.unload()
    page = await frontend.add()
    assert (page.type, page.reason) == (ABORT, "not_running" if loaded else "not_loaded")
    assert r"\[free\]\(http\:\/\/evil\)" in page.text
    assert (r"\!\[It\]\(http\:\/\/evil\) is broken\." in page.text) is loaded


async def test_a_network_is_protected_once(frontend: Frontend, zha: Zha) -> None:
    await frontend.set_up()
    page = await frontend.add()
    assert (page.type, page.reason) == (ABORT, "all_protected")


async def test_an_entry_for_another_network_protects_nothing_of_this_one(
    frontend: Frontend, zha: Zha
) -> None:
    old = MockConfigEntry(
        domain="hubsec",
        title="The old house",
        unique_id="00124b0001020304",
        data={"stack": "zha", "stack_entry_id": zha.entry.entry_id},
        options={"policy": "home", "mode": "enforce"},
    )
    old.add_to_hass(zha.hass)
    assert await zha.hass.config_entries.async_setup(old.entry_id)
    assert "other_network" in await frontend.repairs()
    page = await (await frontend.add()).submit(policy="home", mode="enforce")
    assert (await page.submit()).type == CREATED
    await zha.hass.async_block_till_done()
    (new,) = [one for one in zha.hass.config_entries.async_entries("hubsec") if one is not old]
    assert new.runtime_data.protected
    assert old.runtime_data.standing == "other_network"
    with pytest.raises(HomeAssistantError, match="hubsec keeps Emulated stick closed"):
        await zha.permit()
    assert (await frontend.add()).reason == "all_protected"
    # Which network it is can't be seen now.
    assert await zha.hass.config_entries.async_remove(new.entry_id)
    await zha.unload()
    assert (await frontend.add()).reason == "all_protected"


async def test_the_same_network_at_another_entry_is_the_same_network(frontend: Frontend, zha: Zha) -> None:
    await frontend.set_up()
    again = loaded_twin(zha)
    page = await frontend.add()
    assert (page.type, page.reason) == (ABORT, "already_configured")
    again.mock_state(zha.hass, ConfigEntryState.NOT_LOADED)


async def test_two_windows_at_once(frontend: Frontend) -> None:
    await frontend.add()
    assert (await frontend.add()).reason == "already_in_progress"


async def test_of_several_networks_one_is_chosen(frontend: Frontend, zha: Zha) -> None:
    other = zha_entry("/dev/null")
    other.add_to_hass(zha.hass)
    page = await frontend.add()
    assert (page.type, page.step) == (FORM, "user")
    assert page.choices("stack_entry_id").keys() == {zha.entry.entry_id, other.entry_id}
    assert (await page.submit(stack_entry_id=zha.entry.entry_id)).step == "network"
    page = await frontend.add()
    assert (await page.submit(stack_entry_id=other.entry_id)).reason == "not_loaded"


async def test_without_a_network_it_says_what_to_do(frontend: Frontend, zha: Zha) -> None:
    await zha.hass.config_entries.async_remove(zha.entry.entry_id)
    page = await frontend.add()
    assert (page.type, page.reason) == (ABORT, "no_network")
    assert "Zigbee2MQTT" in page.text


# Policies of the user's own


async def test_an_own_policy_can_be_chosen(frontend: Frontend, zha: Zha) -> None:
    own_policy(zha.hass, "mine.yaml", "policy: mine\nabout: Just mine.\n")
    own_policy(zha.hass, "mine.cases.yaml", "")
    page = await frontend.add()
    assert page.choices("policy").keys() == {"home", "strict", "mine.yaml"}
    assert page.choices("policy")["mine.yaml"] == "mine.yaml: Just mine."
    await (await page.submit(policy="mine.yaml", mode="observe")).submit()
    await zha.hass.async_block_till_done()
    assert entry_of(zha.hass).runtime_data.hub.policy.name == "mine"


async def test_a_wrong_policy_is_shown_with_its_line(frontend: Frontend, zha: Zha) -> None:
    own_policy(zha.hass, "wrong.yaml", "policy: wrong\njoining:\n  window: soon\n")
    page = await (await frontend.add()).submit(policy="wrong.yaml", mode="observe")
    assert page.errors == {"policy": "policy_invalid"}
    assert "wrong.yaml:3: joining.window" in page.text
    own_policy(zha.hass, "wrong.yaml", "policy: wrong\njoining:\n  window: 1m\n")
    assert (await page.submit(policy="wrong.yaml", mode="observe")).step == "nobody"


async def test_a_policy_is_chosen_from_the_list_and_nowhere_else(frontend: Frontend) -> None:
    page = await frontend.add()
    with pytest.raises(AssertionError, match="400"):
        await page.submit(policy="../../secrets.yaml", mode="observe")


# Options


async def test_another_mode_takes_effect(frontend: Frontend, zha: Zha) -> None:
    await frontend.set_up()
    entry = entry_of(zha.hass)
    await zha.permit(1)
    await zha.close()
    page = await frontend.configure(entry.entry_id)
    assert (page.type, page.step) == (FORM, "init")
    assert (page.default("policy"), page.default("mode")) == ("home", "observe")
    assert (await page.submit(policy="strict", mode="enforce")).type == CREATED
    await until(lambda: reloaded(entry) and entry.runtime_data.protected, "The guard's standing anew")
    assert entry.runtime_data.hub.policy.name == "strict"
    with pytest.raises(HomeAssistantError):
        await zha.permit(60)


async def test_what_the_options_change_is_told_and_who_did_it(
    frontend: Frontend, zha: Zha, hass_admin_user: MockUser
) -> None:
    entry = await frontend.set_up()
    told = async_capture_events(zha.hass, "hubsec_event")
    chosen: list[tuple[str, str]] = [("home", "observe"), ("strict", "observe"), ("strict", "enforce")]
    for policy, mode in chosen:
        assert (
            await (await frontend.configure(entry.entry_id)).submit(policy=policy, mode=mode)
        ).type == CREATED
        await until(
            lambda: reloaded(entry) and entry.runtime_data.hub is not None, "The guard's standing anew"
        )
        await zha.hass.async_block_till_done()
    changes = [event for event in told if event.data["type"] in ("policy_changed", "mode_changed")]
    assert [event.data["sentence"] for event in changes] == [
        f"Has the policy strict from now on, on {hass_admin_user.name}'s word",
        f"Enforces its policy from now on, on {hass_admin_user.name}'s word",
    ]
    assert [(event.data.get("policy"), event.data.get("mode")) for event in changes] == [
        ("strict", None),
        (None, "enforce"),
    ]
    assert {event.context.user_id for event in changes} == {hass_admin_user.id}
    assert {event.data["entry_id"] for event in changes} == {entry.entry_id}


async def test_options_take_no_wrong_policy(frontend: Frontend, zha: Zha) -> None:
    await frontend.set_up()
    own_policy(zha.hass, "wrong.yaml", "policy: wrong\njoining:\n  window: soon\n")
    page = await (await frontend.configure(entry_of(zha.hass).entry_id)).submit(
        policy="wrong.yaml", mode="enforce"
    )
    assert page.errors == {"policy": "policy_invalid"}
    assert "wrong.yaml:3" in page.text
    assert entry_of(zha.hass).options["policy"] == "home"


async def test_options_offer_no_enforcing_where_hubsec_does_not(
    frontend: Frontend, zha: Zha, monkeypatch: pytest.MonkeyPatch
) -> None:
    await frontend.set_up()
    on_radio(monkeypatch, "deconz")
    page = await frontend.configure(entry_of(zha.hass).entry_id)
    assert page.step == "unguardable"
    assert page.choices("mode").keys() == {"observe"}
    assert (await page.submit(policy="strict", mode="observe")).type == CREATED
    await zha.hass.async_block_till_done()


async def test_options_can_be_changed_while_zha_is_away(frontend: Frontend, zha: Zha) -> None:
    await frontend.set_up()
    await zha.unload()
    page = await frontend.configure(entry_of(zha.hass).entry_id)
    assert (await page.submit(policy="home", mode="enforce")).type == CREATED
    await zha.hass.async_block_till_done()
    await zha.setup()
    await until(lambda: entry_of(zha.hass).runtime_data.protected, "The guard's standing")


async def test_who_enforces_confirms_the_devices_first(frontend: Frontend, zha: Zha) -> None:
    lamp = zha.house.lamp()
    await zha.admitted(lamp)
    entry = await unadopted(zha)
    page = await (await frontend.configure(entry.entry_id)).submit(policy="home", mode="enforce")
    assert (page.type, page.step) == (FORM, "adopt")
    assert page.default("adopt") == [ieee(lamp)]
    assert entry.options["mode"] == "observe"  # Not before it is done.
    assert (await page.submit(adopt=[ieee(lamp)])).type == CREATED
    await until(lambda: reloaded(entry) and entry.runtime_data.protected, "The guard's standing anew")
    (device,) = entry.runtime_data.hub.devices()
    assert device.identity == ieee(lamp)
    assert entry.runtime_data.hub.allowlist[device.identity].approved_by == "Mock User"


async def test_who_goes_on_observing_does_not(frontend: Frontend, zha: Zha) -> None:
    await zha.admitted(zha.house.lamp())
    entry = await unadopted(zha)
    page = await (await frontend.configure(entry.entry_id)).submit(policy="strict", mode="observe")
    assert page.type == CREATED
    await zha.hass.async_block_till_done()


# Reconfiguring


async def test_zha_is_removed_and_added_anew(frontend: Frontend, zha: Zha) -> None:
    await frontend.set_up()
    entry, before = entry_of(zha.hass), entry_of(zha.hass).unique_id
    await zha.hass.config_entries.async_remove(zha.entry.entry_id)
    await zha.hass.async_block_till_done()
    repairs = await frontend.repairs()
    assert "Reconfigure" in repairs["stack_removed"]["text"]
    new = zha_entry(zha.entry.data["device"]["path"])
    new.add_to_hass(zha.hass)
    zha.entry = new
    await zha.setup()
    page = await frontend.reconfigure(entry.entry_id)
    assert (page.type, page.step) == (FORM, "reconfigure")
    page = await page.submit(stack_entry_id=new.entry_id)
    assert (page.type, page.reason) == (ABORT, "reconfigure_successful")
    await until(lambda: reloaded(entry) and entry.runtime_data.standing == "stands", "The guard's standing")
    assert entry.unique_id == before
    assert entry.data["stack_entry_id"] == new.entry_id
    assert "stack_removed" not in await frontend.repairs()


async def test_another_network_is_not_taken_for_it(frontend: Frontend, zha: Zha) -> None:
    entry = MockConfigEntry(
        domain="hubsec",
        title="The old house",
        unique_id="00124b0001020304",
        data={"stack": "zha", "stack_entry_id": "gone"},
        options={"policy": "home", "mode": "observe"},
    )
    entry.add_to_hass(zha.hass)
    assert await zha.hass.config_entries.async_setup(entry.entry_id)
    page = await frontend.reconfigure(entry.entry_id)
    page = await page.submit(stack_entry_id=zha.entry.entry_id)
    assert page.errors == {"stack_entry_id": "other_network"}
    assert "00124b0001020304" in page.text
    assert entry.data["stack_entry_id"] == "gone"


async def test_an_entry_that_another_one_of_hubsecs_follows_is_not_offered(
    frontend: Frontend, zha: Zha
) -> None:
    await frontend.set_up()
    other = MockConfigEntry(
        domain="hubsec", unique_id="00124b0001020304", data={"stack": "zha", "stack_entry_id": "gone"}
    )
    other.add_to_hass(zha.hass)
    page = await frontend.reconfigure(other.entry_id)
    assert (page.type, page.reason) == (ABORT, "no_network")
