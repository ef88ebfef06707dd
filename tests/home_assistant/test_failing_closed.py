"""What is to be guarded, and can't be: the network stays shut, says why, and is guarded as soon as it can be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from guarded import SHUT, guarded, stick
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from zha_house import Zha, until

from hubsec_zigbee import Bellows

pytestmark = pytest.mark.usefixtures("enable_custom_integrations")

POLICY = "policy: ours\njoining:\n  credentials: [install-code]\n"


def policy_file(hass: HomeAssistant) -> Path:
    folder = Path(hass.config.path("hubsec", "policies"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "ours.yaml"


def damaged(hass: HomeAssistant, network_id: str) -> Path:
    """Its store is no database any more."""
    store = Path(hass.config.path("hubsec", network_id, "hubsec.db"))
    for file in store.parent.glob("hubsec.db*"):
        file.unlink()
    store.write_bytes(b"No database. " * 1000)
    store.chmod(0o600)
    return store


async def refused(zha: Zha) -> None:
    """ZHA can't open the network, and a stranger gets nothing."""
    with pytest.raises(HomeAssistantError):
        await zha.permit()
    stranger = zha.house.stranger()
    stranger.power_on()
    await zha.house.sleep(20)
    assert not stranger.loot
    stranger.power_off()
    assert stick(zha.house) == SHUT


@pytest.mark.parametrize("breaks", ["the policy", "the store"])
async def test_a_network_that_is_to_be_guarded_is_shut_until_it_can_be(
    zha: Zha, hass: HomeAssistant, breaks: str
) -> None:
    lamp = zha.house.lamp()
    await zha.admitted(lamp)
    light = await zha.entity(lamp, "light")
    policy = policy_file(hass)
    policy.write_text(POLICY)
    home = await guarded(zha, policy="ours.yaml", adopt=[lamp])
    assert home.network.standing == "stands"
    if breaks == "the policy":
        policy.write_text("policy: ours\njoining:\n  credentials: [everybody]\n")
    else:
        network_id = home.network.network_id
        await hass.config_entries.async_unload(home.entry.entry_id)
        store = damaged(hass, network_id)
        await hass.config_entries.async_setup(home.entry.entry_id)
    await zha.reload()
    await until(lambda: home.network.standing == "shut", "Shutting")
    assert home.state("binary_sensor", "protected") == "on"
    assert home.attributes("binary_sensor", "protected")["problem"]
    assert [issue for _, issue in ir.async_get(hass).issues if issue.endswith("_shut")]
    await refused(zha)
    with pytest.raises(HomeAssistantError, match="lets nobody in now"):
        await home.call("listen")
    # Whoever is there goes on.
    await hass.services.async_call("light", "turn_on", {"entity_id": light}, blocking=True)
    await until(lambda: lamp.is_on, "The light")
    # Looking again changes nothing, until it is mended.
    await home.network.mend()
    assert home.network.standing == "shut"
    if breaks == "the policy":
        policy.write_text(POLICY)
    else:
        store.unlink()
    await home.network.mend()
    assert home.network.standing == "stands"
    assert not [issue for _, issue in ir.async_get(hass).issues if issue.endswith("_shut")]
    await refused(zha)


async def test_a_network_that_is_only_observed_is_not_shut(zha: Zha, hass: HomeAssistant) -> None:
    policy_file(hass).write_text("policy: ours\njoining:\n  credentials: [everybody]\n")
    home = await guarded(zha, "observe", policy="ours.yaml")
    assert home.network.standing == "failed"
    assert home.state("binary_sensor", "protected") == "off"
    await zha.permit()
    await zha.close()


async def test_what_failed_is_tried_again(
    zha: Zha, hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Bellows.open

    async def fails(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(Bellows, "open", fails)
    home = await guarded(zha)
    assert home.network.standing == "failed"
    assert home.state("binary_sensor", "protected") == "off"
    monkeypatch.setattr(Bellows, "open", opened)
    await home.network.mend()
    assert home.network.standing == "stands"
    await refused(zha)


@pytest.mark.parametrize("way", ["unreadable", "not adopted"])
async def test_protected_is_what_was_read_back(
    zha: Zha, hass: HomeAssistant, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = await guarded(zha, adopt=None if way == "not adopted" else ())
    if way == "unreadable":
        assert home.state("binary_sensor", "protected") == "on"

        async def fails(_: object) -> None:
            raise TimeoutError

        monkeypatch.setattr(Bellows, "posture", fails)
    await home.network.look()
    await asyncio.sleep(0)
    assert home.network.standing == "stands"
    assert home.state("binary_sensor", "protected") == "off"
