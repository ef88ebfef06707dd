"""The unmodified Python client on the emulated network: what Home Assistant uses."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import aiohttp
from zwave_js_server.client import Client
from zwave_js_server.const import SecurityClass

if TYPE_CHECKING:
    from hubsec_emulated import ZWaveHouse


async def test_a_lamp_by_smart_start(zwave_house: ZWaveHouse) -> None:
    lamp = zwave_house.lamp()
    async with aiohttp.ClientSession() as session:
        client = Client(zwave_house.url, session)
        await client.connect()
        ready = asyncio.Event()
        listening = asyncio.create_task(client.listen(ready))
        try:
            await asyncio.wait_for(ready.wait(), 10)
            assert client.driver is not None
            controller = client.driver.controller
            assert controller.home_id == zwave_house.home_id
            await controller.async_provision_smart_start_node(lamp.sticker)
            lamp.power_on()
            await zwave_house.wait_until(lambda: 2 in controller.nodes and controller.nodes[2].ready)
            node = controller.nodes[2]
            assert await node.async_get_highest_security_class() is SecurityClass.S2_AUTHENTICATED
            level = next(value for value in node.values.values() if value.property_name == "targetValue")
            await node.async_set_value(level, 50)
            await zwave_house.wait_until(lambda: lamp.state == 50)
            lamp.report(60)
            shown = next(value for value in node.values.values() if value.property_name == "currentValue")
            await zwave_house.wait_until(lambda: shown.value == 60)
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
            await client.disconnect()
