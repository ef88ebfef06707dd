"""The co-processor's commands as such, from a host without a serial line over a radio without air."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubsec_emulated.clock import VirtualClock
from hubsec_emulated.ncp.ezsp import Codec, Status
from hubsec_emulated.ncp.ncp import Ncp
from hubsec_emulated.ncp.tokens import Tokens
from tests.emulated.ncp.commands import DEVICE, EVERY_VERSION, Host, indication


class NullRadio:
    """Enough of a radio for commands that need none."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


def test_before_the_version_every_command_is_refused(host: Host) -> None:
    host.ncp.power_off()
    host.ncp.handle_frame(host.ncp.codec.encode_command(7, "nop", {}))
    assert (host.answers[-1].name, host.answers[-1].values["reason"]) == ("invalidCommand", 0x30)
    assert host("version", desired=14)["protocol"] == 14
    assert host("nop") == {}


def test_an_unknown_command_is_counted_and_refused(host: Host) -> None:
    host.ncp.handle_frame(bytes.fromhex("660001fff0"))
    assert (host.answers[-1].name, host.answers[-1].sequence) == ("invalidCommand", 0x66)
    assert host.ncp.faults["INVALID_FRAME_ID"] == 1


@EVERY_VERSION
def test_every_command_of_the_table_is_implemented(host: Host) -> None:
    commands = {name for name, spec in host.ncp.codec.by_name.items() if spec.response is not None}
    unanswered = []
    for name in sorted(commands - {"tokenFactoryReset", "leaveNetwork"}):
        host.ncp.handle_frame(host.ncp.codec.encode_command(1, name, {}))
        if host.answers[-1].name == "invalidCommand":
            unanswered.append(name)
    assert unanswered == []


def test_a_callback_carries_the_sequence_that_was_answered_last(host: Host) -> None:
    host("nop")
    host.radio.on_data(indication())
    assert host.answers[-1].callback
    assert host.answers[-1].sequence == host.sequence


def test_what_a_command_brings_about_follows_its_response(host: Host) -> None:
    host.form()
    host("permitJoining", duration=60)
    assert [answer.name for answer in host.answers[-2:]] == ["permitJoining", "stackStatusHandler"]


def test_callbacks_wait_for_the_version(host: Host) -> None:
    host.ncp.power_off()
    before = len(host.answers)
    host.radio.on_data(indication())
    assert len(host.answers) == before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    frames=st.lists(st.binary(max_size=120), max_size=5),
    name=st.integers(0, 0x120),
    body=st.binary(max_size=120),
)
def test_no_frame_brings_it_down(host: Host, frames: list[bytes], name: int, body: bytes) -> None:
    for frame in (*frames, bytes((1, 0, 1)) + name.to_bytes(2, "little") + body):
        host.ncp.handle_frame(frame)


def test_the_record_and_the_hook_see_every_command(host: Host) -> None:
    seen: list[str] = []
    host.ncp.on_command = lambda name, args: seen.append(name)
    host("nop")
    host("permitJoining", duration=3)
    assert seen == ["nop", "permitJoining"]
    assert (host.ncp.commands[-1].name, host.ncp.commands[-1].args) == ("permitJoining", {"duration": 3})


def test_the_record_shows_no_key(host: Host) -> None:
    host("importTransientKey", eui64=DEVICE, key=b"secret-of-16-byt")
    assert "secret" not in repr(list(host.ncp.commands))
    host.form()
    assert "NNNN" not in repr(host.radio.formed)


def test_small_talk(host: Host) -> None:
    assert host("echo", data=b"hello")["data"] == b"hello"
    assert host("customFrame", payload=b"\x00\x00")["status"] != Status.OK
    assert host("getNodeId")["node"] == 0xFFFE
    assert host("getMfgToken", token=1)["data"].startswith(b"hubsec")
    assert host("getMfgToken", token=9)["data"] == b""
    assert host("getValue", value_id=0x99)["status"] == Status.NOT_FOUND
    assert host("setValue", value_id=0x99, value=b"")["status"] == Status.NOT_FOUND
    assert host("setValue", value_id=0x43, value=b"ab")["status"] == Status.OK
    assert host("getValue", value_id=0x43)["value"] == b"ab"
    assert host("getValue", value_id=0x23)["value"] == bytes(4)


def test_the_same_seed_gives_the_same_randomness() -> None:
    def numbers(seed: int) -> list[bytes]:
        frames: list[bytes] = []
        clock = VirtualClock()
        ncp = Ncp(NullRadio(), Tokens(), clock, seed=seed)
        ncp.send = frames.append
        for name in ("version", "getRandomNumber", "getRandomNumber"):
            ncp.handle_frame(Codec.for_version(14).encode_command(1, name, {}))
        return frames

    assert numbers(1) == numbers(1) != numbers(2)
