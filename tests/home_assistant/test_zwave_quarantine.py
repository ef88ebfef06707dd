"""Quarantine on Z-Wave: what Home Assistant's own entities see of a device that is shut off, and how one leaves."""

from __future__ import annotations

import asyncio

import pytest
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import Context, State, callback
from zha_house import until
from zwave_home import GuardedZwave, Zwave, guarded_zwave

from hubsec.events import Quarantined

pytestmark = pytest.mark.usefixtures("enable_custom_integrations")

LATER = 0.5
"""Seconds within which a report would have come through: it takes a hundredth of that."""


async def reports(home: GuardedZwave, device: object, value: object) -> None:
    """Have the device say that, and give it time to get through."""
    device.report(value)  # type: ignore[attr-defined]
    await home.zwave.house.settle()
    await asyncio.sleep(LATER)
    await home.hass.async_block_till_done()


async def test_entities_of_a_quarantined_device_see_nothing_until_it_is_released(
    zwave: Zwave, admin: Context
) -> None:
    lamp = await zwave.included(zwave.house.lamp())
    plug = await zwave.included(zwave.house.plug())
    light, switch = await zwave.entity(lamp, "light"), await zwave.entity(plug, "switch")
    home = await guarded_zwave(zwave, adopt=[lamp, plug])
    assert home.standing == "stands"
    await reports(home, lamp, 50)
    assert zwave.state(light) == "on"

    await home.call("quarantine", device=zwave.address(lamp), reason="It blinks.", context=admin)
    await until(lambda: zwave.state(light) == STATE_UNAVAILABLE, "The light's going")
    seen: list[State | None] = []
    home.hass.bus.async_listen("state_changed", callback(lambda event: seen.append(event.data["new_state"])))
    await reports(home, lamp, 0)
    await reports(home, plug, True)
    assert zwave.state(switch) == "on"
    assert not [one for one in seen if one is not None and one.entity_id == light]
    assert zwave.controller.nodes[lamp.node_id].values  # It is known, and dead.
    # And it obeys nobody.
    with pytest.raises(Exception, match="hubsec lets nothing through to this device"):
        await home.hass.services.async_call(
            "zwave_js",
            "set_value",
            {
                "device_id": zwave.device_entry(lamp).id,
                "command_class": 38,
                "property": "targetValue",
                "value": 99,
            },
            blocking=True,
        )
    assert lamp.state == 0

    await home.call("release", device=zwave.address(lamp), context=admin)
    await until(lambda: zwave.state(light) == "off", "The light's coming back, as it is now")
    await reports(home, lamp, 99)
    assert zwave.state(light) == "on"
    assert [one.device for one in home.heard(Quarantined)] == [zwave.address(lamp)]
