"""Whoever comes through the gate gets nothing of a device that awaits new keys, until it has them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest
from zwave_js_server.exceptions import FailedCommand

from hubsec.events import IdentityPinned
from hubsec.identity import Identity, SecurityClass
from hubsec.reinclusion import journal
from hubsec.reinclusion.radio import REINCLUSION
from hubsec.reinclusion.shapes import Manner, Phase, Stage
from hubsec.secret import Secret
from hubsec_zwave.gate import Credentials, Gate
from hubsec_zwave.roles import Role
from tests.zwave.gate.conftest import QUICK
from tests.zwave.guarded import Guarded, HostClient, host_client, own

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from hubsec_emulated import ZWaveDevice, ZWaveHouse

pytestmark = pytest.mark.slow

DIMMER: Final = {"commandClass": 38, "endpoint": 0, "property": "targetValue"}
LEVEL: Final = 41


@asynccontextmanager
async def through(house: ZWaveHouse, folder: Path) -> AsyncIterator[tuple[Guarded, HostClient]]:
    """A client with all rights, as `hubsec gate` lets it in."""
    credentials = Credentials(folder)
    issued = credentials.add("host", Role.ADMINISTER)
    async with own(house, folder) as guarded:
        gate = Gate(house.url, guarded.radio.judge, credentials, limits=QUICK, watch=guarded.radio.watch)
        async with gate, host_client(house, issued.url(gate.url)) as host:
            yield guarded, host
    credentials.revoke("host")


async def leave_one(guarded: Guarded, device: Identity, lamp: ZWaveDevice) -> None:
    """A re-inclusion that was under way when the hub was closed."""
    network_id = f"{guarded.house.home_id:08x}"
    left = journal.Journal(
        reinclusion="reinclusion-1",
        radio=guarded.radio.name,
        network_id=network_id,
        by="operator",
        reason="",
        started_at=guarded.hub.now(),
        keys={},
        stage=Stage.INCLUDING,
        paused=True,
        rows=(
            journal.Row(
                device=device,
                name=lamp.name,
                place=guarded.address(lamp.node_id or 0),
                manner=Manner.IN_PLACE,
                least=SecurityClass.S2_AUTHENTICATED,
                sleepy=False,
                dsk=Secret(bytes(range(16))),
                phase=Phase.KEYED,
            ),
        ),
    )
    await journal.write(guarded.hub.store, left, left.progress(), at=guarded.hub.now())


async def test_a_client_gets_nothing_of_a_device_that_awaits_new_keys(
    zwave_house: ZWaveHouse, folder: Path
) -> None:
    lamp = zwave_house.lamp()
    async with own(zwave_house, folder) as guarded:
        device = await guarded.admit(lamp)
        await guarded.event(IdentityPinned)
        await leave_one(guarded, device, lamp)
    node = lamp.node_id or 0
    async with through(zwave_house, folder) as (guarded, host):
        assert guarded.radio.judge.rule(node) == REINCLUSION
        assert not host.controller.nodes[node].values
        lamp.report(LEVEL)
        await zwave_house.wait_until(lambda: lamp.state == LEVEL)
        await zwave_house.settle()
        with pytest.raises(FailedCommand, match="included anew"):
            await host.command("node.set_value", nodeId=node, valueId=DIMMER, value=10)
        with pytest.raises(FailedCommand, match="included anew"):
            await host.command("node.ping", nodeId=node)
        assert not host.of("value updated", node)
        assert host.value(node) is None
        assert lamp.state == LEVEL
        # Given up, it stays so, until it answers under the server's keys, which it has here: at the next opening.
        reinclusion = guarded.hub.reinclusion()
        assert reinclusion is not None
        await reinclusion.finish()
        assert guarded.radio.judge.rule(node) == REINCLUSION
    async with through(zwave_house, folder) as (guarded, host):
        await guarded.until(lambda: not guarded.is_shut_off(node), "Its release")
        await guarded.until(lambda: host.value(node) == LEVEL, "Its value, for the client")
        await host.command("node.set_value", nodeId=node, valueId=DIMMER, value=10)
        await zwave_house.wait_until(lambda: lamp.state == 10)
