"""Ways past the guard that a review has found: each was open, and is to stay shut."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from hubsec.decisions import Deny
from hubsec.entries import Entry
from hubsec.errors import RadioError, StoreError
from hubsec.events import RadioLost, RemovalAwaited
from hubsec.identity import CredentialKind, Identity, Network, zwave_address, zwave_identity
from hubsec.requests import JoinKind, JoinRequest, Request
from hubsec_zwave import ZwaveJs
from hubsec_zwave.command import Access
from hubsec_zwave.command_classes import USER_CODE, role_for_class, role_for_value
from hubsec_zwave.inclusion import HUBSEC, Inclusion
from hubsec_zwave.nodes import Nodes
from hubsec_zwave.roles import Role
from hubsec_zwave.screening import Refusal
from tests.emulated.zwave.host import connected
from tests.zwave.guarded import INSECURE, S2, attached, host_client, own

if TYPE_CHECKING:
    from pathlib import Path

    from hubsec_emulated import ZWaveHouse
    from tests.zwave.guarded import Guarded, HostClient

HOME = 0xC0FFEE01
LAMP = Identity("31425-07161-52741-00815-40962-11111-65535")
OTHER = Identity("00001-00002-00003-00004-00005-00006-00007")


def state(number: int, **more: Any) -> dict[str, Any]:
    return {"nodeId": number, "status": 4, "ready": True, "highestSecurityClass": 1, **more}


def entry(number: int) -> Entry:
    return Entry(
        device=LAMP,
        network=Network.ZWAVE,
        credential=CredentialKind.DSK,
        label="Lamp",
        approved_by="test",
        approved_at=0.0,
        joined_at=1.0,
        address=zwave_address(HOME, number),
    )


# Numbers that go to another device while nobody looks


def test_whoever_is_given_the_number_of_one_that_has_left_is_nobody() -> None:
    known = Nodes(HOME, 1)
    known.know([entry(5)])
    known.seen(state(5, highestSecurityClass=-1))
    assert known.identity(5) == "c0ffee01:5"


@pytest.mark.parametrize("number", [-1, 0, 7])
def test_one_under_keys_that_prove_nothing_is_not_who_the_entry_says(number: int) -> None:
    known = Nodes(HOME, 1)
    known.take([state(5, highestSecurityClass=number, ready=False)])
    known.know([entry(5)])
    assert known.identity(5) == "c0ffee01:5"


async def test_a_stranger_with_the_number_of_a_device_that_left_meanwhile_is_shut_off(
    zwave_house: ZWaveHouse, tmp_path: Path
) -> None:
    """The lamp is taken out while the hub is closed; its number is given to a stranger while it is open."""
    lamp = zwave_house.lamp()
    async with own(zwave_house, tmp_path) as guarded:
        device = await guarded.admit(lamp)
    node_id = lamp.node_id or 0
    async with host_client(zwave_house) as host:
        await host.command("controller.begin_exclusion", options={"strategy": 0})
        lamp.press_button()
        await host.event("node removed")
    async with own(zwave_house, tmp_path) as guarded:
        assert guarded.hub.allowlist[device].address is None
        guarded.radio._guard.on_event(
            {
                "source": "controller",
                "event": "node added",
                "node": state(node_id, highestSecurityClass=-1, ready=False),
            }
        )
        await guarded.event(RemovalAwaited)
        assert guarded.is_shut_off(node_id)


async def test_a_removal_that_nobody_heard_of_leaves_the_number_to_nobody(guarded: Guarded) -> None:
    lamp = guarded.house.lamp()
    device = await guarded.admit(lamp)
    node_id = lamp.node_id or 0
    guarded.radio._guard.on_event(
        {"source": "controller", "event": "node added", "node": state(node_id, highestSecurityClass=-1)}
    )
    await guarded.event(RemovalAwaited)
    assert guarded.is_shut_off(node_id)
    assert guarded.hub.allowlist[device].quarantined is None


async def test_one_put_in_a_devices_place_while_the_connection_was_lost_is_shut_off(
    zwave_house: ZWaveHouse, guarded: Guarded
) -> None:
    lamp = zwave_house.lamp()
    await guarded.admit(lamp)
    node_id = lamp.node_id or 0
    lamp.power_off()
    await zwave_house.settle()
    connection, link = guarded.radio._connection, guarded.radio._guard.station.link
    assert connection is not None
    assert link is not None
    assert link.client._client is not None
    connection._url, url = "ws://127.0.0.1:9", connection._url
    await link.client._client.close()
    await guarded.event(RadioLost)
    async with connected(zwave_house) as other:
        thief = zwave_house.lamp(security="none", name="thief")
        await other.command("controller.replace_failed_node", nodeId=node_id, options={"strategy": INSECURE})
        thief.press_button()
        await other.event("node added")
    assert thief.node_id == node_id
    connection._url = url
    await guarded.until(lambda: guarded.radio._guard.station.link is not None, "A connection")
    await guarded.until(lambda: guarded.is_shut_off(node_id), "The thief shut off")


# A guard that can't hear what becomes of it lets nobody begin


async def test_nobody_begins_while_the_guard_has_no_connection(guarded: Guarded) -> None:
    station = guarded.radio._guard.station
    link, station.link = station.link, None
    try:
        for command, arguments in (
            ("controller.begin_inclusion", {"options": {"strategy": S2}}),
            ("controller.replace_failed_node", {"nodeId": 5, "options": {"strategy": S2}}),
            ("controller.begin_exclusion", {}),
        ):
            answer = await guarded.radio.judge.command(
                "client:include#1", {"command": command, "messageId": "1", **arguments}
            )
            assert isinstance(answer, Refusal)
        assert guarded.radio._guard.including.inclusion is None
    finally:
        station.link = link


# Who was refused is not let in by what is left of having asked


async def test_an_entry_that_was_not_recorded_does_not_become_active_later(
    zwave_house: ZWaveHouse, host: HostClient, guard: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    lamp, station = zwave_house.lamp(), guard.radio._guard.station
    judge = station.judge

    async def full_for_smart_start(request: Request) -> Any:
        if isinstance(request, JoinRequest) and request.kind is JoinKind.SMART_START:
            return Deny("not-recorded", "The decision could not be recorded, so nothing was done.")
        return await judge(request)

    monkeypatch.setattr(station, "judge", full_for_smart_start)
    await host.refused("controller.provision_smart_start_node", entry=lamp.sticker)
    assert not station.orders
    await guard.radio._guard.provisioning.mirror()
    assert not await guard.radio._guard.provisioning.active()


async def test_a_pin_that_was_refused_opens_no_inclusion_of_hubsecs(
    zwave_house: ZWaveHouse, host: HostClient, guard: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    lamp, station = zwave_house.lamp(), guard.radio._guard.station
    judge = station.judge

    async def full_for_joining(request: Request) -> Any:
        if isinstance(request, JoinRequest):
            return Deny("not-recorded", "The decision could not be recorded, so nothing was done.")
        return await judge(request)

    monkeypatch.setattr(station, "judge", full_for_joining)
    host.pin = lamp.pin
    await host.command("controller.begin_inclusion", options={"strategy": S2})
    lamp.press_button()
    await guard.event(RemovalAwaited)
    assert not station.orders
    assert lamp.keys_held == set()
    assert guard.radio._guard.including.inclusion is None


async def test_whom_the_disk_is_too_full_to_quarantine_is_shut_off(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number's entry stays on a list that can't be written, and is about another device."""
    guard = guarded.radio._guard
    address = guarded.address(77)
    await guarded.hub.allowlist.add(
        Entry(
            device=address,
            network=Network.ZWAVE,
            credential=CredentialKind.ADOPTED,
            label="Adopted",
            approved_by="test",
            approved_at=0.0,
            joined_at=1.0,
        )
    )

    async def full(*_: object, **__: object) -> None:
        raise StoreError("The disk is full.")

    monkeypatch.setattr(guarded.hub.store, "record", full)
    monkeypatch.setattr(guarded.hub.store, "run", full)
    guard.on_event(
        {"source": "controller", "event": "node added", "node": state(77, highestSecurityClass=-1)}
    )
    taken_in = asyncio.Event()
    guard._after_events(taken_in.set)
    await asyncio.wait_for(taken_in.wait(), 5)
    assert guarded.is_shut_off(77)
    monkeypatch.undo()
    await guarded.until(lambda: guarded.hub.allowlist[address].quarantined is not None, "A quarantine")
    assert guarded.is_shut_off(77)


# Two at once


async def test_two_that_begin_at_once_have_one_inclusion(guarded: Guarded) -> None:
    def begin(asker: str, dsk: str) -> Any:
        message = {
            "command": "controller.begin_inclusion",
            "messageId": "1",
            "options": {"strategy": S2, "provisioning": dsk},
        }
        return guarded.radio.judge.command(asker, message)

    lamp, plug = guarded.house.lamp(), guarded.house.plug()
    answers = await asyncio.gather(begin("client:one#1", lamp.dsk), begin("client:two#2", plug.dsk))
    assert sum(isinstance(answer, Refusal) for answer in answers) == 1
    inclusion = guarded.radio._guard.including.inclusion
    assert inclusion is not None
    assert inclusion.owner == ("client:one#1" if isinstance(answers[1], Refusal) else "client:two#2")


def test_what_one_node_was_allowed_is_nothing_to_the_next() -> None:
    inclusion = Inclusion(HUBSEC)
    inclusion.found(5, None)
    inclusion.allow(LAMP)
    inclusion.found(6, None)
    assert inclusion.allowed is None


# The provisioning list


async def test_an_inactive_entry_names_no_node(zwave_house: ZWaveHouse, guarded: Guarded) -> None:
    """By the number in an entry the server tells by which entry a node came in."""
    lamp = zwave_house.lamp()
    message = {
        "command": "controller.provision_smart_start_node",
        "messageId": "1",
        "entry": {"dsk": lamp.dsk, "securityClasses": [1], "status": 1, "nodeId": 12},
    }
    passed = await guarded.radio.judge.command("client:include#1", message)
    assert not isinstance(passed, Refusal)
    assert passed["entry"] == {"dsk": lamp.dsk, "securityClasses": [1], "status": 1}
    assert zwave_identity(lamp.dsk) not in guarded.hub.allowlist


# Door codes


@pytest.mark.parametrize("method", ["setValue", "pollValue", "schedulePoll", "setAdminCode"])
def test_the_code_above_all_codes_is_the_administrators_by_whatever_method(method: str) -> None:
    assert role_for_class(Access.CALL, USER_CODE, method) is Role.ADMINISTER


def test_the_old_name_of_that_code_is_the_administrators_too() -> None:
    assert role_for_class(Access.WRITE, USER_CODE, "masterCode") is Role.ADMINISTER
    assert role_for_value(USER_CODE, "masterCode") is Role.ADMINISTER


# A connection that breaks in the very moment of sending


async def test_a_connection_that_breaks_while_it_is_written_to_is_the_radios_error(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no error of hubsec's would end the guard's listening for good."""
    link = guarded.radio._guard.station.link
    assert link is not None
    assert link.client._client is not None

    async def closing(*_: object, **__: object) -> None:
        raise ConnectionResetError("Cannot write to closing transport")

    monkeypatch.setattr(link.client._client, "send_json", closing)
    with pytest.raises(RadioError):
        await link.command("controller.get_state", timeout=1.0)
    with pytest.raises(RadioError):
        await link.ask({"messageId": "1", "command": "controller.get_state"})


# Secrets


@pytest.mark.parametrize("attaching", [False, True], ids=["own", "attach"])
async def test_no_pin_and_no_dsk_is_logged(
    zwave_house: ZWaveHouse, tmp_path: Path, caplog: pytest.LogCaptureFixture, *, attaching: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    lamp = zwave_house.lamp()
    async with host_client(zwave_house) as host, AsyncExitStack() as stack:
        guard = await stack.enter_async_context(
            attached(zwave_house, host.client, tmp_path) if attaching else own(zwave_house, tmp_path)
        )
        await guard.admit(lamp)
        caplog.handler.flush()
        lines = [
            record.getMessage() for record in caplog.records if record.name.startswith("zwave_js_server")
        ]
    assert any("controller.validate_dsk_and_enter_pin" in line for line in lines)
    assert not [line for line in lines if lamp.dsk in line or f"'pin': '{lamp.pin}'" in line]


# A guard that is not there yet, or no more


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("controller.grant_security_classes", {"inclusionGrant": {"securityClasses": [0]}}),
        ("controller.validate_dsk_and_enter_pin", {"pin": "12345"}),
        ("controller.begin_inclusion", {"options": {"strategy": S2}}),
        ("controller.begin_exclusion", {}),
        ("controller.remove_failed_node", {"nodeId": 5}),
        ("controller.unprovision_smart_start_node", {"dskOrNodeId": 5}),
        ("driver.hard_reset", {}),
    ],
)
async def test_before_the_hub_is_open_nothing_passes_its_gate(
    command: str, arguments: dict[str, Any]
) -> None:
    judge = ZwaveJs("ws://127.0.0.1:9").judge
    assert judge.silenced(5) is not None
    answer = await judge.command("client:x#1", {"command": command, "messageId": "1", **arguments})
    assert isinstance(answer, Refusal)


async def test_when_the_hub_has_closed_nothing_passes_its_gate(
    zwave_house: ZWaveHouse, tmp_path: Path
) -> None:
    async with own(zwave_house, tmp_path) as guarded:
        await guarded.admit(zwave_house.lamp())
        (node,) = guarded.radio._guard.station.nodes
        assert not guarded.is_shut_off(node.node_id)
    assert guarded.is_shut_off(node.node_id)
    assert guarded.radio.judge.silent_nodes() == {node.node_id}


async def test_one_in_an_adopted_devices_place_that_is_never_interviewed_is_shut_off(
    zwave_house: ZWaveHouse, tmp_path: Path
) -> None:
    """An adopted device is called by its address, which somebody may be given while the hub is closed."""
    lamp = zwave_house.lamp()
    async with host_client(zwave_house) as host:
        host.pin = lamp.pin
        await host.command("controller.begin_inclusion", options={"strategy": S2})
        lamp.press_button()
        added = await host.event("node added")
        node_id = added["node"]["nodeId"]
        await host.event("ready", node_id)
    async with own(zwave_house, tmp_path) as guarded:
        await guarded.hub.adopt("zwave-js")
        address = guarded.address(node_id)
        await guarded.until(lambda: guarded.hub.allowlist[address].pinned is not None, "What is pinned")
        assert not guarded.is_shut_off(node_id)
        nodes = guarded.radio._guard.station.nodes
        nodes.take([state(node_id, highestSecurityClass=-1, ready=False)])
        await guarded.until(lambda: guarded.is_shut_off(node_id), "The other one shut off")
        assert guarded.hub.allowlist[address].quarantined is not None
