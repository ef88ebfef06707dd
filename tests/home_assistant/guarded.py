"""A network that hubsec protects, and what Home Assistant shows of it; one of ZHA's, and what its stick holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry
from zha_house import Zha, ieee, until

from hubsec.events import Event
from hubsec.identity import Mode
from hubsec_emulated.devices.device import Device
from hubsec_emulated.house import House

DOMAIN = "hubsec"
TITLE = "Emulated stick"
LOOKED = 10.0
"""Seconds after which what happened has been looked at, and shown, on a busy machine."""
SETTLED = 2.2
"""Seconds after which bellows' own task of each start has changed the policy (it sleeps for two)."""
REFUSAL = (
    f"hubsec keeps {TITLE} closed. The network opens for one device at a time, by an admission, and never for a host "
    "application. To let a device in, use the action hubsec.admit with its install code, or hubsec.listen, then "
    "switch the device on and approve it under Repairs"
)
"""What a user reads whom the policy of homes refuses. Home Assistant takes the last period off."""


class Stick(NamedTuple):
    """What decides on the stick who gets in, read in the emulation itself. `transient` are addresses."""

    trust_center: int
    key_requests: int
    transient: tuple[int, ...]
    permits: bool


SHUT = Stick(0x00, 0x50, (), permits=False)
"""A trust center that refuses everybody."""
ZHAS = Stick(0x01, 0x51, (0xFFFFFFFFFFFFFFFF,), permits=False)
"""How ZHA leaves it two seconds after a start, until the key for everybody runs out."""


def stick(house: House) -> Stick:
    """As it is now."""
    trust_center = house.server.ncp.trust_center
    return Stick(
        trust_center=int(trust_center.policy),
        key_requests=int(trust_center.key_requests),
        transient=tuple(entry.eui64 for entry in trust_center.transient),
        permits=bool(house.coordinator.parenting.permit),
    )


class Guarded:
    """hubsec's entry for the network that the entry `there` of another integration runs."""

    def __init__(self, hass: HomeAssistant, there: ConfigEntry, entry: ConfigEntry) -> None:
        self.hass = hass
        self.there = there
        self.entry = entry
        self._network: Any = getattr(entry, "runtime_data", None)

    @property
    def network(self) -> Any:
        """The component's `ProtectedNetwork`; another one after each reload of the entry, the last one while it is
        unloaded."""
        self._network = getattr(self.entry, "runtime_data", self._network)
        return self._network

    # The entry's life

    async def set_up(self) -> None:
        """Set the entry up."""
        assert await self.hass.config_entries.async_setup(self.entry.entry_id)
        self._network = self.entry.runtime_data

    async def unload(self) -> None:
        """Unload the entry."""
        assert await self.hass.config_entries.async_unload(self.entry.entry_id)

    async def reload(self) -> None:
        """Reload the entry."""
        assert await self.hass.config_entries.async_reload(self.entry.entry_id)

    async def remove(self) -> None:
        """Remove the entry, as a user does who has had enough."""
        await self.hass.config_entries.async_remove(self.entry.entry_id)

    async def choose(self, mode: Mode) -> None:
        """Choose another mode, as the options do, and wait until the guard was made anew."""
        before = self.network
        options = {**self.entry.options, "mode": mode.value}
        self.hass.config_entries.async_update_entry(self.entry, options=options)
        await until(lambda: self._made_anew(before), "The entry's reload")
        await self.hass.async_block_till_done()

    def _made_anew(self, before: object) -> bool:
        return self.entry.state is ConfigEntryState.LOADED and self.network is not before

    # What a user does

    async def call(self, action: str, *, context: Context | None = None, **data: Any) -> dict[str, Any]:
        """What that action of hubsec answers."""
        answer = await self.hass.services.async_call(
            DOMAIN, action, data, blocking=True, return_response=True, context=context
        )
        assert isinstance(answer, dict)
        return answer

    # What can be seen

    def entity_id(self, domain: str, key: str) -> str:
        """The network's entity of that key."""
        registry = er.async_get(self.hass)
        found = registry.async_get_entity_id(domain, DOMAIN, f"{self.entry.unique_id}-{key}")
        assert found is not None, (domain, key)
        return found

    def state(self, domain: str, key: str) -> str:
        """The state of that entity."""
        state = self.hass.states.get(self.entity_id(domain, key))
        assert state is not None
        return state.state

    def attributes(self, domain: str, key: str) -> dict[str, Any]:
        """The attributes of that entity."""
        state = self.hass.states.get(self.entity_id(domain, key))
        assert state is not None
        return dict(state.attributes)

    def entity(self, key: str, domain: str = "binary_sensor") -> str | None:
        """The state of an entity of the network, None when there is none."""
        unique_id = f"{self.entry.unique_id}-{key}"
        name = er.async_get(self.hass).async_get_entity_id(domain, DOMAIN, unique_id)
        state = None if name is None else self.hass.states.get(name)
        return None if state is None else state.state

    @property
    def standing(self) -> str:
        """How the guard stands."""
        return str(self.network.standing.value)

    def heard[E: Event](self, kind: type[E]) -> list[E]:
        """The latest events of that type since the entry was set up."""
        return [event for event in self.network.recent if isinstance(event, kind)]

    async def is_now(self, standing: str) -> None:
        """Wait until the guard stands so, and Home Assistant shows it."""
        await until(lambda: self.standing == standing, f"Standing {standing}")
        await self.hass.async_block_till_done()
        assert self.standing == standing
        enforces = standing == "stands" and self.network.mode is Mode.ENFORCE
        protected = "on" if enforces or standing == "shut" else "off"
        await until(lambda: self.entity("protected") == protected, f"The sensor's being {protected}", LOOKED)


class GuardedZha(Guarded):
    """hubsec's entry for `zha`."""

    def __init__(self, zha: Zha, entry: ConfigEntry) -> None:
        super().__init__(zha.hass, zha.entry, entry)
        self.zha = zha

    @classmethod
    def of(
        cls, zha: Zha, *, network_id: str, mode: str = Mode.ENFORCE, adopt: Iterable[Device] = ()
    ) -> GuardedZha:
        """It, before it is set up."""
        entry = hubsec_entry(zha.entry, network_id, mode, [ieee(device) for device in adopt])
        entry.add_to_hass(zha.hass)
        return cls(zha, entry)

    @property
    def house(self) -> House:
        """The house."""
        return self.zha.house

    async def stands(self) -> None:
        """Wait until the guard stands; it is read back, on the stick itself as well, and refuses ZHA's service."""
        await self.is_now("stands")
        await until(lambda: self.entity("joining") == "off", "The look at what is closed", LOOKED)
        (network,) = self.network.posture.networks
        assert network.state.closed
        assert network.state.running
        assert network.adopted
        assert stick(self.house) == SHUT
        with pytest.raises(ServiceValidationError) as refused:
            await self.zha.permit()
        assert str(refused.value) == REFUSAL
        assert stick(self.house) == SHUT

    async def works(self, lamp: Any) -> None:
        """Switch the lamp over through Home Assistant."""
        light, before = await self.zha.entity(lamp, "light"), lamp.is_on
        await until(lambda: self.hass.states.get(light).state in ("on", "off"), "The light's state")
        await self.hass.services.async_call(
            "light", "turn_off" if before else "turn_on", {"entity_id": light}, blocking=True
        )
        assert lamp.is_on is not before

    async def admitted(self, device: Device, name: str) -> dict[str, Any]:
        """Let the device in by its sticker."""
        device.power_on()
        answer = await self.call("admit", sticker=device.sticker, name=name)
        await self.settled(device)
        return answer

    async def settled(self, device: Device) -> None:
        """Wait until ZHA has done all that it does with a new device: unloaded in the middle of it, it leaves a thread
        behind."""
        await self.zha.joined(device)
        await until(lambda: self.zha.device_entry(device), f"{device.name} in Home Assistant")
        await self.hass.async_block_till_done()


def network_id(zha: Zha) -> str:
    """What names the network that ZHA runs now."""
    return str(zha.app.state.network_info.extended_pan_id).replace(":", "").lower()


def hubsec_entry(
    there: ConfigEntry, network_id: str, mode: str, adopt: Iterable[str] | None, policy: str = "home"
) -> MockConfigEntry:
    """An entry as hubsec's config flow makes it, with the devices that were confirmed; none was, where that is None."""
    data: dict[str, Any] = {"stack": there.domain, "stack_entry_id": there.entry_id}
    if adopt is not None:
        data["adopt"] = list(adopt)
    return MockConfigEntry(
        domain=DOMAIN,
        title=there.title,
        unique_id=network_id,
        data=data,
        options={"mode": str(mode), "policy": policy},
    )


async def guarded(
    zha: Zha, mode: str = Mode.ENFORCE, *, adopt: Iterable[Device] | None = (), policy: str = "home"
) -> GuardedZha:
    """hubsec, set up on a ZHA that is loaded."""
    known = None if adopt is None else [ieee(device) for device in adopt]
    entry = hubsec_entry(zha.entry, network_id(zha), mode, known, policy)
    entry.add_to_hass(zha.hass)
    made = GuardedZha(zha, entry)
    await made.set_up()
    await zha.hass.async_block_till_done()
    return made
