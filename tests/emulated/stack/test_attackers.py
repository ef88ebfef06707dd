"""What the hostile nodes get, and what they don't, against a trust center that gives keys to known codes alone."""

from __future__ import annotations

import pytest

from hubsec_emulated.attackers import Impostor, Insider, OpenRouter, Rejoiner, Stranger, WrongCode
from hubsec_emulated.capture.sniffer import Sniffer
from hubsec_emulated.devices import Lamp
from hubsec_emulated.devices.device import Device
from hubsec_emulated.errors import EmulationError
from hubsec_emulated.wire.crypto import WELL_KNOWN_KEY, install_code_crc, install_code_key
from tests.emulated.stack.network import NETWORK_KEY, Network

CODE = bytes.fromhex("83FED3407A939723A5C639B26916D505")
CODE_WITH_CRC = CODE + install_code_crc(CODE)
GUESS = bytes(16) + install_code_crc(bytes(16))


@pytest.fixture
def guarded(network: Network) -> Network:
    """Nobody gets a key without a known install code, and nobody rejoins without security."""
    network.trust_center.default = None
    network.trust_center.rejoin_unsecured = False
    return network


def lamp(network: Network, **options: object) -> Lamp:
    device = Lamp(network.air, 0x00124B0000000777, install_code=CODE_WITH_CRC, channels=(15,), name="lamp")
    network.trust_center.allowed[device.eui64] = install_code_key(CODE_WITH_CRC)
    device.power_on()
    network.until(lambda: device.trust_center_link_key_verified)
    network.run(5)
    return device


def ear(network: Network, *keys: bytes) -> Sniffer:
    sniffer = Sniffer(keys)
    for sent in network.log:
        sniffer(sent.time, sent.psdu)
    return sniffer


def test_a_stranger_gets_in_where_the_well_known_key_is_good(network: Network) -> None:
    stranger = Stranger(network.air, 1, channels=(15,))
    stranger.power_on()
    network.until(lambda: stranger.loot.link_keys)
    assert stranger.loot.network_keys == {0: NETWORK_KEY}


def test_a_stranger_gets_nothing_where_it_is_not(guarded: Network) -> None:
    stranger = Stranger(guarded.air, 1, channels=(15,))
    stranger.power_on()
    guarded.run(60)
    assert stranger.joining.associations > 0
    assert not stranger.loot


def test_a_wrong_code_opens_nothing(guarded: Network) -> None:
    guarded.trust_center.allowed[1] = install_code_key(CODE_WITH_CRC)
    guesser = WrongCode(guarded.air, 1, install_code=GUESS, channels=(15,))
    guesser.power_on()
    guarded.run(60)
    assert guesser.joining.keyless > 0, "keys were sent, none could be read"
    assert not guesser.loot
    assert not ear(guarded).has_network_key


@pytest.mark.parametrize("with_code", [False, True])
def test_an_impostor_needs_the_code(guarded: Network, with_code: bool) -> None:
    victim = Device(guarded.air, 5, install_code=CODE_WITH_CRC)
    guarded.trust_center.allowed[5] = install_code_key(CODE_WITH_CRC)
    impostor = Impostor(guarded.air, victim, with_code=with_code, channels=(15,), name="impostor")
    impostor.power_on()
    guarded.run(30)
    assert bool(impostor.loot.network_keys) is with_code


def test_an_impostor_beside_its_victim_does_not_stop_it(guarded: Network) -> None:
    victim = lamp(guarded)
    impostor = Impostor(guarded.air, victim, channels=(15,), name="impostor")
    impostor.power_on()
    guarded.run(30)
    assert not impostor.loot
    assert victim.joined


def test_a_listener_with_the_code_reads_what_others_cannot(guarded: Network) -> None:
    lamp(guarded)
    assert not ear(guarded).has_network_key
    assert ear(guarded, install_code_key(CODE_WITH_CRC)).report().unopened == 0


@pytest.mark.parametrize("answered", [False, True])
def test_a_rejoiner_lives_on_a_trust_center_that_answers_it(network: Network, answered: bool) -> None:
    network.coordinator.permit_joining(0)
    network.trust_center.rejoin_unsecured = answered
    rejoiner = Rejoiner(network.air, 9, channels=(15,))
    rejoiner.power_on()
    network.run(30)
    assert bool(rejoiner.loot.network_keys) is answered, "a closed permit flag is no obstacle to a rejoin"


def test_a_rejoiner_as_a_known_device_needs_its_link_key(guarded: Network) -> None:
    victim = lamp(guarded)
    guarded.trust_center.rejoin_unsecured = True
    for keys, succeeds in (((), False), ((guarded.trust_center.unique[victim.eui64],), True)):
        rejoiner = Rejoiner(
            guarded.air,
            victim.eui64,
            short=victim.short,
            keys=keys,
            channels=(15,),
            name=f"rejoiner {succeeds}",
        )
        rejoiner.power_on()
        guarded.run(30)
        assert bool(rejoiner.loot.network_keys) is succeeds
        rejoiner.power_off()


def insider(network: Network) -> Insider:
    node = Insider(network.air, 0xBAD, channels=(15,), name="insider")
    node.infiltrate(network.coordinator)
    return node


def test_an_insider_commands_and_expels_without_any_link_key(guarded: Network) -> None:
    victim = lamp(guarded)
    node = insider(guarded)
    node.switch(victim)
    guarded.run(5)
    assert victim.is_on
    node.expel(victim)
    guarded.run(5)
    assert not victim.joined
    assert node.loot.commands == ["On/Off reached lamp", "Mgmt_Leave reached lamp"]


def test_an_insider_opens_routers_for_others(guarded: Network) -> None:
    lamp(guarded)
    guarded.run(300)
    assert not guarded.coordinator.parenting.permit
    node = insider(guarded)
    node.open_network()
    guarded.run(5)
    assert len(node.loot.commands) == 2, "coordinator and lamp"


def test_an_insider_asks_for_a_link_key(network: Network) -> None:
    node = insider(network)
    node.ask_for_link_key(under=bytes(16))
    network.run(30)
    assert not node.loot.link_keys
    node.ask_for_link_key(under=WELL_KNOWN_KEY)
    network.run(30)
    assert len(node.loot.link_keys) == 1


def test_an_insider_with_yesterdays_key_is_still_obeyed_until_another_key_follows(guarded: Network) -> None:
    victim = lamp(guarded)
    guarded.update_network_key(bytes(16), 1)
    guarded.run(5)
    node = Insider(guarded.air, 0xBAD, channels=(15,), name="insider")
    node.infiltrate(guarded.coordinator, network_key=NETWORK_KEY, seq=0)
    node.switch(victim)
    guarded.run(10)
    assert victim.is_on
    guarded.update_network_key(bytes(15) + b"\1", 2)
    guarded.run(5)
    node.keys.install(NETWORK_KEY, 0)
    node.switch(victim, on=False)
    guarded.run(30)
    assert victim.is_on


def test_an_open_router_lets_a_stranger_knock_on_a_closed_network(network: Network) -> None:
    router = OpenRouter(network.air, 0x777, install_code=None, channels=(15,), name="open")
    router.power_on()
    network.until(lambda: router.trust_center_link_key_verified)
    network.run(400)
    router.parenting.permit_joining(0)
    network.coordinator.permit_joining(0)

    stranger = Stranger(network.air, 1, channels=(15,))
    stranger.power_on()
    network.until(lambda: stranger.loot.network_keys)
    assert stranger.nwk.parent == router.short


def test_what_makes_no_sense_is_refused(network: Network) -> None:
    with pytest.raises(EmulationError, match="install code"):
        WrongCode(network.air, 1)
    with pytest.raises(EmulationError, match="no install code"):
        Impostor(network.air, Device(network.air, 5), with_code=True)
    network.coordinator.keys.forget()
    with pytest.raises(EmulationError, match="no network"):
        Insider(network.air, 1).infiltrate(network.coordinator)
