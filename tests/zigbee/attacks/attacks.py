"""What an attacker does, as programs that run on either stage, and what each one is to come away with.

A row of the table is an :class:`Attack`: its program returns what the attacker got, as words. The words must
be those of the row on every stage: bellows that opens its network to all, bellows that opens it by install code, and
the guarded one. The program is the same on each. An attack that gets nothing on either unguarded stage would prove
nothing: a test refuses it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from hubsec_emulated.attackers import Attacker
from hubsec_emulated.devices.device import Device
from hubsec_emulated.house import NotInTimeError

from .stages import Stage

NOTHING: Final = "nothing"
NETWORK_KEY: Final = "the network key"
LINK_KEY: Final = "a link key of its own"
OPENING: Final = "an open network, and with it the network key for a stranger"
PATIENCE: Final = 40.0
"""Simulated seconds an attacker is given: an honest device is through the whole exchange in 10. The house runs 20 times
as fast as time, so that a busy machine eats the rest."""
HONEST_PATIENCE: Final = 200.0
"""An honest device is only waited for: it gets all the time that a busy machine may take."""


@dataclass(frozen=True)
class Attack:
    """One row. `event` and `reason` are what hubsec says of it: the event's name, and a word of its
    reason."""

    name: str
    story: str
    run: Callable[[Stage], Awaitable[str]]
    to_all: str
    by_code: str
    guarded: str
    event: str = ""
    reason: str = ""
    remark: str = ""


async def _gets(stage: Stage, attacker: Attacker) -> str:
    house = stage.house
    try:
        await house.wait_until(lambda: attacker.loot.network_keys, PATIENCE)
    except NotInTimeError:
        return NOTHING
    held = house.coordinator.keys.all().values()
    return NETWORK_KEY if set(attacker.loot.network_keys.values()) & set(held) else NOTHING


def _ear(stage: Stage) -> str:
    """What the sniffer, who holds the public keys, has of the network."""
    keys = stage.house.coordinator.keys.all().values()
    return NETWORK_KEY if any(stage.house.sniffer.holds(key) for key in keys) else NOTHING


async def _in(stage: Stage, device: Device) -> None:
    await stage.house.wait_until(
        lambda: device.joined and device.trust_center_link_key_verified, HONEST_PATIENCE
    )


async def stranger(stage: Stage) -> str:
    lamp, attacker = stage.house.lamp(), stage.house.stranger()
    async with stage.window(lamp, lamp.sticker):
        attacker.power_on()
        return await _gets(stage, attacker)


async def wrong_code(stage: Stage) -> str:
    attacker, decoy = stage.house.wrong_code(), stage.house.lamp()
    sticker = f"Z:{attacker.eui64:016X}$I:{decoy.sticker.rpartition('$I:')[2]}"
    async with stage.window(attacker, sticker):
        attacker.power_on()
        return await _gets(stage, attacker)


async def impostor(stage: Stage) -> str:
    lamp = stage.house.lamp()
    attacker = stage.house.impostor(lamp)
    async with stage.window(lamp, lamp.sticker):
        attacker.power_on()
        return await _gets(stage, attacker)


async def impostor_with_code(stage: Stage) -> str:
    lamp = stage.house.lamp()
    attacker = stage.house.impostor(lamp, with_code=True)
    async with stage.window(lamp, lamp.sticker):
        attacker.power_on()
        return await _gets(stage, attacker)


async def left_out(stage: Stage) -> str:
    router, lamp, plug = stage.house.lamp(), stage.house.lamp(), stage.house.plug()
    for device in (router, lamp):
        async with stage.install_code(device, device.sticker):
            device.power_on()
            await _in(stage, device)
    own_key = lamp.link_keys.trust_center_key
    assert own_key is not None
    attacker = stage.house.rejoiner(lamp, keys=[own_key], parent=router)
    lamp.power_off()
    async with stage.window(plug, plug.sticker):
        attacker.power_on()
        return await _gets(stage, attacker)


async def insider_asks(stage: Stage) -> str:
    attacker = stage.house.insider()
    attacker.ask_for_link_key()
    try:
        await stage.house.wait_until(lambda: attacker.loot.link_keys, PATIENCE)
    except NotInTimeError:
        return NOTHING
    return LINK_KEY


async def rogue_opening(stage: Stage) -> str:
    insider, attacker = stage.house.insider(), stage.house.stranger()
    insider.open_network()
    await stage.house.sleep(1)
    attacker.power_on()
    got = await _gets(stage, attacker)
    return OPENING if got == NETWORK_KEY else NOTHING


async def open_router(stage: Stage) -> str:
    router = stage.house.open_router()
    async with stage.install_code(router, router.sticker):
        router.power_on()
        await _in(stage, router)
    await stage.house.sleep(60)
    attacker = stage.house.stranger(parent=router)
    attacker.power_on()
    return await _gets(stage, attacker)


async def listener(stage: Stage) -> str:
    lamp = stage.house.lamp(well_known=True)
    async with stage.window(lamp, lamp.sticker):
        lamp.power_on()
        await _in(stage, lamp)
    return _ear(stage)


async def listener_at_an_approval(stage: Stage) -> str:
    plug = stage.house.plug(install_code=None)
    async with stage.by_hand(plug):
        await _in(stage, plug)
    return _ear(stage)


ATTACKS: Final = (
    Attack(
        "Stranger",
        "A device that nobody invited joins with the well-known key, while a lamp is let in by its install code.",
        stranger,
        to_all=NETWORK_KEY,
        by_code=NETWORK_KEY,
        guarded=NOTHING,
        event="Denied",
        reason="no entry",
        remark="bellows leaves the well-known key in the table for everybody, even in an install code window.",
    ),
    Attack(
        "Wrong install code",
        "A device whose install code is not the one on its sticker tries every key it has.",
        wrong_code,
        to_all=NETWORK_KEY,
        by_code=NOTHING,
        guarded=NOTHING,
        event="AdmissionClosed",
        remark="It is answered under the code that it does not hold. A network that is open to all asks for none.",
    ),
    Attack(
        "Spoofed address",
        "Somebody joins under the address of the lamp that is being let in, without its install code.",
        impostor,
        to_all=NETWORK_KEY,
        by_code=NOTHING,
        guarded=NOTHING,
        event="AdmissionClosed",
        remark="It is answered under the lamp's code, which it can't open. It never appears in zigpy.",
    ),
    Attack(
        "Spoofed address, with the code",
        "The same, by somebody who has read the sticker.",
        impostor_with_code,
        to_all=NETWORK_KEY,
        by_code=NETWORK_KEY,
        guarded=NETWORK_KEY,
        event="KeySent",
        remark="Whoever holds an install code *is* that device. Keep stickers as you keep keys.",
    ),
    Attack(
        "Unsecured rejoin",
        "Somebody with the link key of a device that was here says that it lost the network key, while a window is "
        "open.",
        left_out,
        to_all=NETWORK_KEY,
        by_code=NOTHING,
        guarded=NOTHING,
        event="Denied",
        reason="network key again",
        remark="bellows answers unsecured rejoins in every window that is open to all.",
    ),
    Attack(
        "Link key for an insider",
        "A node that has got hold of the network key asks the trust center for a link key.",
        insider_asks,
        to_all=LINK_KEY,
        by_code=LINK_KEY,
        guarded=NOTHING,
        remark="Nobody is asked for a decision: the trust center ignores such requests outside an exchange.",
    ),
    Attack(
        "Rogue opening",
        "A node that has got hold of the network key tells every router to accept strangers.",
        rogue_opening,
        to_all=OPENING,
        by_code=OPENING,
        guarded=NOTHING,
        event="RogueOpening",
        remark="The routers are told to close again. Until they do, the trust center refuses all the same.",
    ),
    Attack(
        "Router that never closes",
        "A stranger joins a closed network through a router whose permit flag is stuck.",
        open_router,
        to_all=NETWORK_KEY,
        by_code=NETWORK_KEY,
        guarded=NOTHING,
        event="Denied",
        remark="bellows' trust center goes on sending keys when the network is closed.",
    ),
    Attack(
        "Listener",
        "A sniffer with every public key records how a device joins.",
        listener,
        to_all=NETWORK_KEY,
        by_code=NOTHING,
        guarded=NOTHING,
        event="Joined",
        remark="Guarded, the lamp joins by its install code.",
    ),
    Attack(
        "Listener at an approval",
        "The same, when a device without install code is approved.",
        listener_at_an_approval,
        to_all=NETWORK_KEY,
        by_code=NETWORK_KEY,
        guarded=NETWORK_KEY,
        event="Exposed",
        remark="A device without install code can't be told apart from a listener. Event, device and posture say so.",
    ),
)

TOUCHLINK: Final = (
    "Touchlink",
    "A remote within reach resets or takes over a lamp by inter-PAN frames.",
    "not enforceable by a hub: no frame of it passes the coordinator. Buy lamps whose touchlink can be switched off.",
)


def table() -> str:
    """The rows as Markdown, for the documentation."""
    lines = [
        "| attack | bellows, open to all | bellows, open by install code | guarded | hubsec says |",
        "| --- | --- | --- | --- | --- |",
    ]
    for attack in ATTACKS:
        said = f"`{attack.event}`" if attack.event else "—"
        gets = f"{attack.to_all} | {attack.by_code} | {attack.guarded}"
        lines.append(f"| **{attack.name}.** {attack.story} {attack.remark} | {gets} | {said} |")
    name, story, verdict = TOUCHLINK
    lines.append(f"| **{name}.** {story} | the lamp | the lamp | the lamp: {verdict} | — |")
    return "\n".join(lines) + "\n"
