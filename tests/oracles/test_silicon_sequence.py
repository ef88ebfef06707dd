"""Emulated devices and the emulated trust center do what silicon did, step by step; and the comparison can fail.

`pytest -s` prints both lists side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubsec_emulated.devices.device import Device
from hubsec_emulated.devices.onoff import Lamp
from hubsec_emulated.devices.sensor import ContactSensor
from hubsec_emulated.stack.exchange import Exchange, ExchangeStep
from hubsec_emulated.stack.joining import Joining
from hubsec_emulated.wire import zdo
from hubsec_emulated.wire.addresses import BROADCAST_RX_ON
from hubsec_emulated.wire.aps import ApsCommand, TrustCenterLinkKey
from hubsec_emulated.wire.crypto import install_code_key
from tests.oracles.emulated import (
    LAMP,
    NETWORK_KEY,
    SENSOR,
    STICKER,
    EmulatedNetwork,
    install_code_join,
    join_through_router,
    well_known_key_join,
)
from tests.oracles.silicon import (
    INSTALL_CODE_KEY,
    ROUTER,
    SLEEPY,
    Step,
    join_headers,
    join_steps,
    listen,
    real_capture,
    side_by_side,
)
from tests.oracles.tshark import second_opinion

KEYS = [install_code_key(STICKER)]


def of_silicon(name: str, device: int, first: int, last: int) -> list[Step]:
    frames = real_capture(f"emberznet-{name}.pcapng")
    return join_steps(frames, device, [INSTALL_CODE_KEY], first=first, last=last)


def of_emulation(network: EmulatedNetwork, device: int, last: int | None = None) -> list[Step]:
    return join_steps(network.frames(), device, KEYS, last=last)


def exchange_in(steps: list[Step]) -> list[Step]:
    """Return the exchange of the link key: from Node_Desc_req to Confirm-Key."""
    names = [step.command for step in steps]
    return steps[names.index("NodeDescReq") : names.index("ConfirmKey") + 1]


def differ(silicon: list[Step], emulated: list[Step]) -> str:
    return "\n" + side_by_side(silicon, emulated, ("silicon", "emulated"))


JOINS = [
    pytest.param(install_code_join, LAMP, ("join-install-code", ROUTER, 4, 54), id="install code, router"),
    pytest.param(
        install_code_join, SENSOR, ("join-install-code", SLEEPY, 55, 179), id="install code, sleepy"
    ),
    pytest.param(
        well_known_key_join, LAMP, ("join-well-known-key", ROUTER, 6, 65), id="well-known key, router"
    ),
    pytest.param(
        well_known_key_join, SENSOR, ("join-well-known-key", SLEEPY, 66, 186), id="well-known key, sleepy"
    ),
    pytest.param(join_through_router, SENSOR, ("hashed-link-keys", SLEEPY, 59, 193), id="through a router"),
]


@pytest.mark.parametrize(("run", "device", "capture"), JOINS)
def test_a_join_is_silicons(
    run: Callable[[], EmulatedNetwork], device: int, capture: tuple[str, int, int, int]
) -> None:
    silicon, emulated = of_silicon(*capture), of_emulation(run(), device)
    print(differ(silicon, emulated))  # noqa: T201 - what `pytest -s` is for
    assert silicon == emulated, differ(silicon, emulated)


@pytest.mark.parametrize(("run", "device", "capture"), JOINS)
def test_the_headers_of_a_join_are_silicons(
    run: Callable[[], EmulatedNetwork], device: int, capture: tuple[str, int, int, int]
) -> None:
    name, real, first, last = capture
    frames = real_capture(f"emberznet-{name}.pcapng")
    silicon = join_headers(frames, real, [INSTALL_CODE_KEY], first=first, last=last)
    emulated = join_headers(run().frames(), device, KEYS)
    for real_step, emulated_step in zip(silicon, emulated, strict=True):
        assert real_step == emulated_step


@pytest.mark.parametrize(
    ("device", "capture"),
    [(LAMP, ("join-install-code", ROUTER, 17, 46)), (SENSOR, ("join-well-known-key", SLEEPY, 123, 166))],
    ids=["router", "sleepy"],
)
def test_the_exchange_of_the_link_key_is_silicons(device: int, capture: tuple[str, int, int, int]) -> None:
    silicon = of_silicon(*capture)
    emulated = exchange_in(of_emulation(install_code_join(), device))
    assert len(silicon) == 6
    assert silicon == emulated, differ(silicon, emulated)


def test_the_router_of_the_network_joined_as_silicon_did() -> None:
    network = join_through_router()
    silicon = of_silicon("hashed-link-keys", ROUTER, 6, 56)
    emulated = of_emulation(network, LAMP, last=network.marks[0])
    assert silicon == emulated, differ(silicon, emulated)


# Emulations that leave out one step each: the comparison has to notice every one.


class _AsksNothing(Exchange):
    def start(self) -> None:
        self._attempts = 0
        self._to(ExchangeStep.REQUEST_KEY)


class _ProvesNothing(Exchange):
    def on_link_key(self, carried: TrustCenterLinkKey) -> None:
        links = self._node.link_keys
        links.trust_center_key, links.verified = carried.key, True
        self._end(ExchangeStep.DONE)


class _NegotiatesNothing(Joining):
    def _announce(self) -> None:
        node = self._node
        node.zdo.send(BROADCAST_RX_ON, zdo.DeviceAnnce(node.nwk.short, node.eui64, node.role.capability))
        node.nwk.end_device_initiator = True
        node.on_announced()


class LampWithoutNodeDescReq(Lamp):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.exchange = _AsksNothing(self)


class LampWithoutVerifyKey(Lamp):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.exchange = _ProvesNothing(self)


class LampWithoutExchange(Lamp):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options, exchanges_link_key=False)


class LampThatOpensNothing(Lamp):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.opens_network = False


class SensorWithoutTimeoutRequest(ContactSensor):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.joining = _NegotiatesNothing(self)


@pytest.mark.parametrize(
    ("kind", "left_out"),
    [
        (LampWithoutNodeDescReq, ["NodeDescReq", "NodeDescRsp"]),
        (LampWithoutVerifyKey, ["VerifyKey", "ConfirmKey"]),
        (
            LampWithoutExchange,
            [
                "NodeDescReq",
                "NodeDescRsp",
                "RequestKey",
                "TransportKey(TrustCenterLinkKey)",
                "VerifyKey",
                "ConfirmKey",
                "MgmtPermitJoiningReq",
            ],
        ),
        (LampThatOpensNothing, ["MgmtPermitJoiningReq"]),
    ],
)
def test_a_router_that_leaves_out_a_step_is_noticed(kind: type[Device], left_out: list[str]) -> None:
    silicon = of_silicon("join-install-code", ROUTER, 4, 54)
    emulated = of_emulation(install_code_join(lamp=kind), LAMP)
    assert silicon != emulated
    assert [step for step in silicon if step.command not in left_out] == emulated


def test_a_sleepy_device_that_leaves_out_a_step_is_noticed() -> None:
    silicon = of_silicon("join-install-code", SLEEPY, 55, 179)
    emulated = of_emulation(install_code_join(sensor=SensorWithoutTimeoutRequest), SENSOR)
    assert silicon != emulated
    assert [step for step in silicon if not step.command.startswith("EndDeviceTimeout")] == emulated


@pytest.mark.parametrize("secured", [True, False], ids=["the secured one", "the plain one"])
def test_a_router_that_reports_a_joiner_only_once_is_noticed(secured: bool) -> None:
    class LaconicLamp(Lamp):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            send = self.aps.send_command

            def say_it_once(dst: int, payload: bytes, **how: Any) -> Any:
                if payload[0] == ApsCommand.UPDATE_DEVICE and (how.get("key") is not None) is secured:
                    return None
                return send(dst, payload, **how)

            self.aps.send_command = say_it_once  # type: ignore[method-assign]

    silicon = of_silicon("hashed-link-keys", SLEEPY, 59, 193)
    emulated = of_emulation(join_through_router(lamp=LaconicLamp), SENSOR)
    assert silicon != emulated
    assert [step.command for step in emulated].count("UpdateDevice") == 1


# The recordings of these runs, to other ears.


@pytest.mark.slow
@pytest.mark.parametrize("run", [install_code_join, well_known_key_join, join_through_router])
def test_tshark_finds_nothing_wrong_with_the_emulated_air(
    run: Callable[[], EmulatedNetwork], tmp_path: Path
) -> None:
    network = run()
    opinion = second_opinion(network.save(tmp_path / "air.pcap"), KEYS)
    assert opinion.frames == len(network.heard) > 100
    assert (opinion.malformed, opinion.shut) == ([], [])
    assert NETWORK_KEY in opinion.learnt


def test_an_install_code_join_is_shut_to_who_has_the_public_keys() -> None:
    ear = listen(install_code_join().frames())
    assert not ear.has_network_key
    assert ear.report().opened == 0


@pytest.mark.slow
def test_an_install_code_join_is_shut_to_tshark_with_the_public_keys(tmp_path: Path) -> None:
    opinion = second_opinion(install_code_join().save(tmp_path / "air.pcap"))
    assert opinion.learnt == set()
    assert len(opinion.shut) > 50


@pytest.mark.parametrize("run", [well_known_key_join, join_through_router])
def test_a_join_without_install_code_is_public(run: Callable[[], EmulatedNetwork]) -> None:
    ear = listen(run().frames())
    assert ear.holds(NETWORK_KEY)
    assert {key.eui64 for key in ear.report().keys} >= {LAMP, SENSOR}
    assert ear.report().unopened == 0
