"""What is watched: the table of nodes, what each one said of itself, and inclusions that somebody else has begun."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from hubsec import load_policy
from hubsec.events import IdentityChanged, IdentityPinned, Malformed, OpenRefused, Quarantined, RemovalAwaited
from hubsec.identity import SecurityClass
from tests.zwave.guarded import S2, attached, host_client, own
from tests.zwave.test_quarantine import stranger_in

if TYPE_CHECKING:
    from pathlib import Path

    from hubsec_emulated import ZWaveHouse
    from tests.zwave.guarded import Guarded

LOCK = {"generic": {"key": 0x40, "label": "Entry Control"}, "specific": {"key": 3, "label": "Secure Keypad"}}


async def pinned_lamp(guarded: Guarded) -> dict[str, Any]:
    """A lamp that is in and interviewed; its state as the server tells it."""
    lamp = guarded.house.lamp(name="watched")
    await guarded.admit(lamp)
    await guarded.event(IdentityPinned)
    result = await guarded.radio._guard.station.command("node.get_state", nodeId=lamp.node_id)
    state: dict[str, Any] = result["state"]
    return state


def says(guarded: Guarded, state: dict[str, Any], **changes: Any) -> None:
    """The server tells of a node anew, in other words."""
    guarded.radio._guard.on_event(
        {"source": "node", "event": "ready", "nodeId": state["nodeId"], "nodeState": {**state, **changes}}
    )


async def test_a_node_that_says_something_else_of_itself_is_told(guarded: Guarded) -> None:
    state = await pinned_lamp(guarded)
    says(guarded, state, deviceConfig={"manufacturer": "Mallory", "label": "Lamp"})
    changed = await guarded.event(IdentityChanged, lambda event: event.field == "manufacturer")
    assert (changed.pinned, changed.seen) == ("0xffff", "Mallory")


async def test_a_lamp_that_becomes_a_lock_is_held_to_what_a_lock_must_hold(guarded: Guarded) -> None:
    state = await pinned_lamp(guarded)
    says(guarded, state, deviceClass=LOCK)
    await guarded.event(IdentityChanged, lambda event: event.field == "device_class")
    told = await guarded.event(Quarantined)
    assert told.rule == "security-class"
    assert guarded.is_shut_off(state["nodeId"])


async def test_a_node_that_holds_less_than_it_did_is_quarantined(guarded: Guarded) -> None:
    state = await pinned_lamp(guarded)
    says(guarded, state, highestSecurityClass=7)
    changed = await guarded.event(IdentityChanged, lambda event: event.field == "security_class")
    assert (changed.pinned, changed.seen) == (SecurityClass.S2_AUTHENTICATED, SecurityClass.S0)
    told = await guarded.event(Quarantined)
    assert told.rule == "security-class"
    assert guarded.is_shut_off(state["nodeId"])


async def test_a_policy_may_quarantine_whoever_says_something_else(
    zwave_house: ZWaveHouse, tmp_path: Path
) -> None:
    async with own(zwave_house, tmp_path, policy=load_policy("strict")) as guarded:
        lock = zwave_house.lock()
        await guarded.admit(lock, device_class="lock")
        await guarded.event(IdentityPinned)
        result = await guarded.radio._guard.station.command("node.get_state", nodeId=lock.node_id)
        says(guarded, result["state"], deviceConfig={"manufacturer": "Mallory", "label": "Lock"})
        told = await guarded.event(Quarantined)
        assert told.rule == "identity-change"


@pytest.mark.parametrize(
    "event",
    [
        {"source": "controller", "event": "node added"},
        {"source": "controller", "event": "node added", "node": {"nodeId": "5"}},
        {"source": "controller", "event": "node found", "node": {}},
        {"source": "controller", "event": "node removed", "node": None},
        {"source": "controller", "event": "node removed", "node": {"nodeId": 77}},
        {"source": "controller", "event": "inclusion state changed", "state": []},
        {"source": "node", "event": "ready", "nodeState": 7},
        {"source": "node", "event": "dead"},
        {"source": [], "event": {}},
        {},
    ],
    ids=str,
)
async def test_nonsense_of_the_servers_is_counted_and_breaks_nothing(
    guarded: Guarded, event: dict[str, Any]
) -> None:
    guarded.radio._guard.on_event(event)
    taken_in = asyncio.Event()
    guarded.radio._guard._after_events(taken_in.set)
    await asyncio.wait_for(taken_in.wait(), 5)
    for told in guarded.of(Malformed):
        assert told.layer == "events"
    assert (await guarded.hub.posture()).networks[0].state.closed
    assert not guarded.radio.judge.silent_nodes()


async def test_more_events_than_can_be_taken_are_told(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    full: asyncio.Queue[Any] = asyncio.Queue(1)
    full.put_nowait({"source": "controller", "event": "inclusion stopped"})
    monkeypatch.setattr(guarded.radio._guard, "_queue", full)
    guarded.radio._guard.on_event({"source": "controller", "event": "inclusion stopped"})
    assert (await guarded.event(Malformed)).layer == "events"
    full.get_nowait()


# Inclusions that somebody else has begun


async def test_a_question_of_a_strangers_inclusion_is_answered_with_no(
    zwave_house: ZWaveHouse, guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where stopping it came too late."""

    async def nothing(strategy: object) -> None:
        del strategy

    monkeypatch.setattr(guarded.radio._guard.including, "started", nothing)
    lamp = zwave_house.lamp()
    async with host_client(zwave_house) as host:
        host.pin = lamp.pin
        await host.command("controller.begin_inclusion", options={"strategy": S2})
        lamp.press_button()
        await guarded.event(RemovalAwaited)
        await guarded.until(lambda: host.errors, "The host's answer, when nobody asks any more")
    assert not lamp.keys_held
    assert guarded.is_shut_off(lamp.node_id or 0)


async def test_who_answers_at_once_lets_a_device_have_keys_and_it_is_shut_off_all_the_same(
    zwave_house: ZWaveHouse, guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: object) -> None:
        return

    monkeypatch.setattr(guarded.radio._guard.including, "started", nothing)
    monkeypatch.setattr(guarded.radio._guard.including, "_veto", nothing)
    lamp = zwave_house.lamp()
    async with host_client(zwave_house) as host:
        host.pin, host.delay = lamp.pin, 0.0
        await host.command("controller.begin_inclusion", options={"strategy": S2})
        lamp.press_button()
        await guarded.event(RemovalAwaited)
    assert lamp.keys_held
    assert guarded.is_shut_off(lamp.node_id or 0)
    node_id = lamp.node_id or 0
    assert guarded.hub.allowlist[guarded.address(node_id)].quarantined


async def test_an_inclusion_that_ran_when_the_guard_came_is_ended(
    zwave_house: ZWaveHouse, tmp_path: Path
) -> None:
    lamp = zwave_house.lamp()
    async with host_client(zwave_house) as host:
        await host.command("controller.begin_inclusion", options={"strategy": S2})
        async with own(zwave_house, tmp_path) as guarded:
            lamp.press_button()
            await zwave_house.settle()
            assert lamp.node_id is None
            assert (await guarded.hub.posture()).networks[0].state.closed
            assert not guarded.of(OpenRefused)


async def test_a_client_that_leaves_its_inclusion_open_keeps_nobody_busy(
    zwave_house: ZWaveHouse, tmp_path: Path
) -> None:
    from tests.zwave.guarded import SHORT

    limits = type(SHORT)(
        **{**{name: getattr(SHORT, name) for name in SHORT.__struct_fields__}, "bootstrap": 0.3}
    )
    async with (
        host_client(zwave_house) as host,
        attached(zwave_house, host.client, tmp_path, limits=limits) as guard,
    ):
        await host.command("controller.begin_inclusion", options={"strategy": S2})
        await guard.until(lambda: guard.radio._guard.including.inclusion is None, "Its end")
        await host.event("inclusion stopped")
        assert (await guard.hub.posture()).networks[0].state.closed


async def test_a_stranger_that_was_put_out_may_come_again_by_its_sticker(
    zwave_house: ZWaveHouse, guarded: Guarded
) -> None:
    stranger = await stranger_in(guarded)
    stranger.press_button()
    await guarded.until(lambda: stranger.node_id is None, "Its leaving")
    lamp = zwave_house.lamp(name="new")
    await guarded.admit(lamp)
