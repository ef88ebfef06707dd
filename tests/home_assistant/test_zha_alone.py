"""What Home Assistant's own ZHA does, unguarded: the ground that the guard's tests stand on."""

from __future__ import annotations

from zha_house import Zha


async def test_start(zha: Zha) -> None:
    lamp = zha.house.lamp()
    await zha.admitted(lamp)
    light = await zha.entity(lamp, "light")
    await zha.hass.services.async_call("light", "turn_on", {"entity_id": light}, blocking=True)
    assert lamp.is_on
