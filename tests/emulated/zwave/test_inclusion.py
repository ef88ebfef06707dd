"""Classic inclusion through the real server: what each kind of device ends as, whatever the client said it was."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.emulated.zwave.host import DEFAULT, INSECURE, S0, S2

if TYPE_CHECKING:
    from hubsec_emulated import ZWaveHouse
    from tests.emulated.zwave.host import Host

SECURE = {"lowSecurity": False}


def low(reason: int) -> dict[str, Any]:
    return {"lowSecurity": True, "lowSecurityReason": reason}


CANCELED, WRONG_PIN, S0_DOWNGRADE = low(0), low(6), low(8)


async def test_an_s2_device_comes_in_with_its_pin(zwave_house: ZWaveHouse, host: Host) -> None:
    lock = zwave_house.lock(requests=("S2_AccessControl", "S2_Authenticated", "S2_Unauthenticated"))
    added = await host.include(lock)
    assert added["result"] == SECURE
    assert await host.highest(added["node"]["nodeId"]) == "S2_AccessControl"
    assert lock.node_id == added["node"]["nodeId"] == 2
    await zwave_house.wait_until(lambda: lock.keys_held)
    assert lock.keys == {name: key for name, key in zwave_house.keys.items() if name != "S0_Legacy"}
    asked = (await host.event("validate dsk and enter pin"))["dsk"]
    assert lock.pin + asked == lock.dsk


async def test_a_device_waits_for_a_slow_user(zwave_house: ZWaveHouse, host: Host) -> None:
    """The device says again what it said ten of its seconds ago: here, every second."""
    lamp = zwave_house.lamp()
    host.delay = 1.5
    assert (await host.include(lamp))["result"] == SECURE
    await zwave_house.wait_until(lambda: "S2_Authenticated" in lamp.keys_held)


@dataclass(frozen=True)
class Case:
    """A device, how it is included, and what it ends as."""

    name: str
    kind: str = "lamp"
    security: str = "s2"
    strategy: int = DEFAULT
    options: dict[str, Any] = field(default_factory=dict)
    grant: list[int] | bool = True
    pin: str | bool | None = None
    result: dict[str, Any] = field(default_factory=lambda: SECURE)
    highest: str = "none"

    def __str__(self) -> str:
        return self.name


MATRIX = [
    Case("S2", highest="S2_Authenticated"),
    Case("S2 by name", strategy=S2, highest="S2_Authenticated"),
    Case("authenticated alone", grant=[1], highest="S2_Authenticated"),
    Case("unauthenticated alone", grant=[0], highest="S2_Unauthenticated"),
    Case("grant refused", grant=False, result=CANCELED),
    Case("nothing granted", grant=[], result=CANCELED),
    Case("DSK refused", pin=False, result=CANCELED),
    Case("PIN of four digits", pin="1234", result=CANCELED),
    Case("wrong PIN", pin="00001", result=WRONG_PIN),
    Case("S2 device without encryption", strategy=INSECURE),
    Case("S0 device", security="s0"),
    Case("S0 device, S2 wanted", security="s0", strategy=S2),
    Case("S0 device, forced", security="s0", options={"forceSecurity": True}, highest="S0_Legacy"),
    Case("S0 device, S0 wanted", security="s0", strategy=S0, highest="S0_Legacy"),
    Case("S0 lock", kind="lock", security="s0", highest="S0_Legacy"),
    Case("S2 device that asks for S0", security="s0-requesting", result=S0_DOWNGRADE, highest="S0_Legacy"),
    Case("no security", security="none"),
    Case("no security, S2 wanted", security="none", strategy=S2),
]


@pytest.mark.parametrize("case", MATRIX, ids=str)
async def test_what_a_device_ends_as(zwave_house: ZWaveHouse, host: Host, case: Case) -> None:
    device = getattr(zwave_house, case.kind)(security=case.security)
    host.grant = case.grant
    if case.pin is not None:
        host.pin = case.pin
        added = await host.include_as_is(device, case.strategy, **case.options)
    else:
        added = await host.include(device, case.strategy, **case.options)
    node_id = added["node"]["nodeId"]
    assert added["result"] == case.result
    assert await host.highest(node_id) == case.highest
    await zwave_house.settle()
    held = {"none"} if not device.keys_held else device.keys_held
    assert case.highest in held
    assert device.node_id == node_id
