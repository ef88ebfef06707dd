"""hubsec does not keep Home Assistant waiting, says nothing in a run that is good, and no key gets into a log."""

from __future__ import annotations

import asyncio
import logging

import pytest
from guarded import GuardedZha, guarded
from homeassistant import block_async_io
from zha_house import Zha, until

from hubsec.events import Steered
from hubsec_emulated.attackers import PUBLIC_KEYS
from hubsec_emulated.house import House

pytestmark = pytest.mark.usefixtures("enable_custom_integrations")


def spellings(secret: bytes) -> set[str]:
    """How a log may show a secret."""
    digits = secret.hex()
    return {
        digits,
        digits.upper(),
        ":".join(digits[i : i + 2] for i in range(0, len(digits), 2)),
        repr(secret)[2:-1],
        repr(bytearray(secret)),
        ", ".join(map(str, secret)),
        ", ".join(map(hex, secret)),
    }


def secrets_of(house: House) -> dict[str, bytes]:
    """Every key and every install code of the house that not everybody has, by what it is."""
    rows = [line.split(",") for line in house.keys().splitlines()]
    keys = {name.strip('"'): bytes.fromhex(key.strip('"')) for key, _, name in rows}
    seed = house.tokens.keys
    assert seed is not None
    keys["seed of the link keys"] = seed.trust_center_key
    codes = {f"code of {one.name}": one.install_code for one in house.devices if one.install_code is not None}
    return {name: key for name, key in {**keys, **codes}.items() if key not in PUBLIC_KEYS}


async def lived_through(guard: GuardedZha) -> None:
    """What an ordinary day of a guard brings."""
    zha, house = guard.zha, guard.house
    await guard.stands()
    lamp = house.lamp()
    admission = asyncio.create_task(
        guard.hass.services.async_call(
            "hubsec", "admit", {"sticker": lamp.sticker, "name": "L"}, blocking=True
        )
    )
    await until(lambda: guard.network.entrance.open_to, "The opening")
    lamp.power_on()
    await admission
    await guard.works(lamp)
    await until(lambda: guard.heard(Steered), "The lamp's steering")
    assert await zha.reload()
    await guard.stands()
    await guard.works(lamp)
    await guard.reload()
    await guard.stands()
    await guard.unload()


@pytest.mark.usefixtures("disable_block_async_io")  # It is enabled here, and not for longer.
async def test_a_good_day_blocks_nothing_warns_of_nothing_and_shows_no_key(
    zha: Zha, caplog: pytest.LogCaptureFixture
) -> None:
    block_async_io.enable()
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    await lived_through(await guarded(zha))
    said = [record for record in caplog.records if record.name != "homeassistant.loader"]
    assert not [record.getMessage() for record in said if "Detected blocking call" in record.getMessage()]
    assert not [
        (record.name, record.getMessage())
        for record in said
        if record.levelno >= logging.WARNING and "hubsec" in f"{record.name} {record.getMessage()}"
    ]
    secrets = secrets_of(zha.house)
    assert {"network key 0", "link key of lamp 1", "code of lamp 1"} <= secrets.keys()
    shown = [
        (name, record.name, record.getMessage()[:300])
        for record in said
        for name, secret in secrets.items()
        for spelling in spellings(secret)
        if spelling in record.getMessage()
    ]
    assert shown == []
