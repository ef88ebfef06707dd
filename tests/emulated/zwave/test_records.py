"""What crossed the serial line, and what did not: keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hubsec_emulated import ZWaveHouse
from hubsec_emulated.errors import EmulationError

if TYPE_CHECKING:
    from tests.emulated.zwave.host import Host

NOTHING_SECRET = bytes(16)


async def test_no_key_and_no_pin_crosses_the_line_or_reaches_a_client(
    zwave_house: ZWaveHouse, host: Host
) -> None:
    zwave_house.record()
    lock = zwave_house.lock(
        requests=("S2_AccessControl", "S2_Authenticated", "S2_Unauthenticated", "S0_Legacy")
    )
    await host.include(lock)
    await host.ready(2)
    assert len(lock.keys) == 4
    plug = zwave_house.plug(security="s0")
    host.events.clear()
    await host.include(plug, 3)
    await host.ready(3)
    assert plug.keys_held == {"S0_Legacy"}
    plug.report(value=True)
    lock.report(value=False)
    await zwave_house.settle()
    line = b"".join(frame.data for frame in zwave_house.recording)
    assert len(zwave_house.recording) > 100
    assert line.count(lock.key_pair.public[2:]) == 1, "the recording has what crosses the line"
    secrets = {
        **{f"key {name}": key for name, key in zwave_house.keys.items()},
        "private key": lock.key_pair.private,
        "public key with its PIN": lock.key_pair.public,
    }
    kept = b"".join(path.read_bytes() for path in (zwave_house.folder / "cache").glob("*.jsonl")).lower()
    told = "".join(host.texts).lower().encode()
    places = {"line": line, "cache": kept, "websocket": told}
    assert [
        (name, place)
        for name, secret in secrets.items()
        for place, content in places.items()
        for shape in (secret, secret.hex().encode(), str(list(secret)).replace(" ", "").encode())
        if shape in content
    ] == []


async def test_nothing_is_recorded_unless_asked(zwave_house: ZWaveHouse, host: Host) -> None:
    await host.include(zwave_house.plug(security="none"))
    assert zwave_house.recording == []
    zwave_house.record()
    await host.command("node.ping", nodeId=2)
    await zwave_house.wait_until(lambda: any(frame.from_host for frame in zwave_house.recording))
    zwave_house.record(on=False)
    await zwave_house.settle()
    kept = len(zwave_house.recording)
    await host.command("node.ping", nodeId=2)
    await zwave_house.settle()
    assert len(zwave_house.recording) == kept


async def test_a_key_is_not_shown(zwave_house: ZWaveHouse) -> None:
    lamp = zwave_house.lamp()
    assert repr(lamp) == "<lamp 1: no node>"
    assert repr(lamp.key_pair) == "KeyPair(…)"


async def test_the_same_seed_makes_the_same_house() -> None:
    one, same, other = (ZWaveHouse(seed=seed, server=False) for seed in (5, 5, 6))
    assert one.keys == same.keys != other.keys
    assert one.home_id == same.home_id != other.home_id
    assert len(set(one.keys.values())) == 4
    assert NOTHING_SECRET not in one.keys.values()


async def test_a_house_is_used_inside_async_with(zwave_house: ZWaveHouse) -> None:
    house = ZWaveHouse()
    for use in (lambda: house.url, house.lamp, house.record):
        with pytest.raises(EmulationError, match="The house is not open"):
            use()
    with pytest.raises(EmulationError, match="open already"):
        await zwave_house.__aenter__()
    zwave_house.lamp(name="a")
    with pytest.raises(EmulationError, match="There is a a in the house already"):
        zwave_house.lock(name="a")
    with pytest.raises(EmulationError, match="has no S2"):
        _ = zwave_house.lamp(security="s0").sticker
