"""The small parts: roster, payloads, capabilities, makers, what is imported when, and what a log shows."""

from __future__ import annotations

import contextlib
import functools
import logging
import subprocess
import sys
from typing import NoReturn

import pytest
from bellows.ash import NcpFailure
from bellows.types import NcpResetCode
from hypothesis import given
from hypothesis import strategies as st

from hubsec.errors import NotEnforceable, RadioError
from hubsec.identity import Identity
from hubsec.radio import Radio, Support
from hubsec_zigbee import CAPABILITIES, Bellows, capabilities_of, frames, require
from hubsec_zigbee.hosting import sanitized
from hubsec_zigbee.limits import MAX_TEXT
from hubsec_zigbee.makers import maker_of
from hubsec_zigbee.ncp import Ncp
from hubsec_zigbee.quiet import Quiet
from hubsec_zigbee.roster import MAX_DEVICES, Roster

A, B = Identity("00:12:4b:00:00:00:00:0a"), Identity("00:12:4b:00:00:00:00:0b")


def nobody(_: Identity) -> bool:
    return False


class TestRoster:
    def test_both_maps_agree_when_addresses_change_hands(self) -> None:
        roster = Roster()
        roster.learn(A, 0x1111, parent=0)
        roster.learn(A, 0x2222)
        assert roster.by_short == {0x2222: A}
        roster.learn(B, 0x2222)
        assert roster.by_short == {0x2222: B}
        assert roster.place(A) is None
        roster.forget(B)
        assert not roster.by_short

    def test_a_parent_is_kept_with_the_address(self) -> None:
        roster = Roster()
        roster.learn(A, 0x1111, parent=0x0001)
        roster.learn(A, 0x1111)
        assert roster.place(A) is not None
        assert roster.place(A).parent == 0x0001  # type: ignore[union-attr]
        roster.learn(A, 0x2222)
        assert roster.place(A).parent is None  # type: ignore[union-attr]

    def test_the_address_of_a_shut_off_device_is_not_given_away(self) -> None:
        roster = Roster()
        roster.learn(A, 0x1111)
        assert not roster.claim(B, 0x1111, lambda device: device == A)
        assert roster.by_short[0x1111] == A
        assert roster.claim(B, 0x1111, nobody)
        assert roster.by_short[0x1111] == B

    @pytest.mark.parametrize("short", [0x0000, 0xFFF8, 0xFFFC, 0xFFFF])
    def test_no_device_has_such_an_address(self, short: int) -> None:
        roster = Roster()
        roster.learn(A, short)
        assert not roster.by_short

    def test_a_liar_can_not_make_it_grow(self) -> None:
        roster = Roster()
        for number in range(MAX_DEVICES + 50):
            roster.learn(frames.identity_of(number + 1), number + 1)
        assert len(roster) == MAX_DEVICES == len(roster.by_short)


class TestFrames:
    def test_a_device_announces_itself(self) -> None:
        claim = frames.device_annce(bytes.fromhex("01 3412 0a000000004b1200 8e"))
        assert (claim.device, claim.short) == (A, 0x1234)

    def test_an_address_response_counts_if_it_is_a_success(self) -> None:
        assert frames.address_response(bytes.fromhex("01 00 0a000000004b1200 3412")) == frames.Claim(
            A, 0x1234
        )
        assert frames.address_response(bytes.fromhex("01 81")) is None

    def test_who_opens_for_how_long(self) -> None:
        assert frames.permit_joining(bytes.fromhex("01 fe 01")) == 254

    @pytest.mark.parametrize(
        ("payload", "opens", "window", "keys"),
        [
            ("19 01 02 0b b400", True, 180, False),
            ("19 01 02 01", True, 180, False),
            ("19 01 02 0a", False, 0, False),
            ("1d 3412 01 02 0b b400", True, 180, False),
            ("19 01 01 08 00 00", False, 0, True),
            ("19 01 01 10 00 00", False, 0, False),
            ("19 01 06 00", False, 0, True),
            ("18 01 02 0b b400", False, 0, False),
        ],
        ids=[
            "enter",
            "enter, no window",
            "exit",
            "manufacturer's",
            "pair",
            "unpair",
            "response",
            "not the cluster's",
        ],
    )
    def test_green_power(self, payload: str, opens: bool, window: int, keys: bool) -> None:
        order = frames.green_power_order(bytes.fromhex(payload))
        assert (order.opens, order.window, order.hands_out_keys) == (opens, window, keys)

    @pytest.mark.parametrize(
        ("flags", "more"),
        [("00", ""), ("01", "0a000000004b1200 01"), ("03", "0a000000004b1200 01 02 0500 0600")],
        ids=["plain", "with a time-out", "with a route"],
    )
    def test_a_unicast_in_a_custom_frame_is_found(self, flags: str, more: str) -> None:
        head = f"0900 00 {flags} 3412"
        aps_and_tag = "0000 3600 00 00 0000 0000 01 01"
        found = frames.xncp_frame(bytes.fromhex(f"{head} {aps_and_tag} {more} 01 fe 01"))
        assert found == frames.Outgoing(0, 0x36, b"\x01\xfe\x01", 0x1234)

    def test_a_custom_frame_that_sends_nothing_is_none(self) -> None:
        assert frames.xncp_frame(bytes.fromhex("0000 00")) is None
        with pytest.raises(frames.MalformedFrame, match="not known"):
            frames.xncp_frame(bytes.fromhex("3412 00"))

    @given(st.binary(max_size=40))
    def test_bad_bytes_are_one_kind_of_error(self, payload: bytes) -> None:
        for read in (
            frames.device_annce,
            frames.address_response,
            frames.permit_joining,
            frames.leave_response,
            frames.green_power_order,
            frames.xncp_frame,
        ):
            with contextlib.suppress(frames.MalformedFrame):
                read(payload)


class TestCapabilities:
    def test_only_bellows_is_enforced(self) -> None:
        assert [library for library, row in CAPABILITIES.items() if row.enforced] == ["bellows"]
        assert len(CAPABILITIES) == 8

    @pytest.mark.parametrize(
        "capability", ["link_key_join", "refuse_default_key", "deferred_approval", "forced_remove"]
    )
    def test_bellows_can(self, capability: str) -> None:
        assert require("bellows", capability).support is Support.YES

    @pytest.mark.parametrize(
        ("library", "capability"),
        [
            ("znp", "link_key_join"),
            ("xbee", "rotation"),
            ("deconz", "refuse_default_key"),
            ("bellows", "levitation"),
            ("radio", "rotation"),
        ],
        ids=["not enforced yet", "can't", "can't either", "no such capability", "no such library"],
    )
    def test_what_can_not_be_done_is_refused(self, library: str, capability: str) -> None:
        with pytest.raises(NotEnforceable) as refusal:
            require(library, capability)
        assert refusal.value.capability

    def test_a_row_says_what_stands_behind_it(self) -> None:
        for row in CAPABILITIES.values():
            for field in row.__struct_fields__[2:]:
                capability = getattr(row, field)
                assert capability.note or capability.support is not Support.PARTLY
        assert capabilities_of("bellows").library == "bellows"


def test_makers() -> None:
    assert maker_of(A) == "Texas Instruments"
    assert maker_of(Identity("02:00:00:00:00:00:00:01")) is None


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Lamp", "Lamp"),
        (" La\x1b[31mmp\n", "La[31mmp"),
        ("x" * 200, "x" * MAX_TEXT),
        ("\x00", None),
        (None, None),
        (7, None),
    ],
)
def test_what_a_device_says_is_made_fit_to_be_shown(said: object, shown: str | None) -> None:
    assert sanitized(said) == shown


def test_a_bellows_is_a_radio() -> None:
    radio = Bellows("tcp://127.0.0.1:1")
    assert isinstance(radio, Radio)
    assert (radio.name, radio.capabilities.library) == ("bellows", "bellows")


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    program = (
        "import sys, hubsec_zigbee; hubsec_zigbee.CAPABILITIES;"
        "assert not {'bellows', 'zigpy'} & set(sys.modules);"
        "hubsec_zigbee.Bellows; assert 'bellows' in sys.modules and 'hubsec_emulated' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_keys_stay_out_of_the_logs_of_bellows(caplog: pytest.LogCaptureFixture) -> None:
    quiet = Quiet()
    protocol, frames_of = logging.getLogger("bellows.ezsp.protocol"), logging.getLogger("bellows.ash")
    before = [list(logger.filters) for logger in (protocol, frames_of)]
    caplog.set_level(logging.DEBUG)
    quiet.put_on()
    quiet.put_on()
    protocol.debug("Sending command  %s: %s %s", "importTransientKey", ("secret",), {})
    protocol.debug(
        "Sending command  %s: %s %s after %0.2fs delay", "importTransientKey", ("secret",), {}, 0.5
    )
    protocol.debug("Sending command  %s: %s %s", "setPolicy", ("public",), {})
    frames_of.debug("Sending data  %s", "secret")
    frames_of.debug("Changing ACK timeout from %0.2f to %0.2f", 1.0, 2.0)
    quiet.take_off()
    assert "secret" not in caplog.text
    assert "public" in caplog.text
    assert "from 1.00 to 2.00" in caplog.text
    assert [list(logger.filters) for logger in (protocol, frames_of)] == before


def test_keys_stay_out_of_the_log_of_zigpys_database(caplog: pytest.LogCaptureFixture) -> None:
    quiet, database = Quiet(), logging.getLogger("aiosqlite")
    caplog.set_level(logging.DEBUG)
    quiet.put_on()
    for statement, value in (
        ("INSERT INTO network_backups_v13 VALUES (?)", "secret"),
        ("INSERT INTO devices_v13 VALUES (?)", "public"),
    ):
        call = functools.partial(print, statement, (value,))
        database.debug("executing %s", call)
        database.debug("operation %s completed", call)
    quiet.take_off()
    assert "secret" not in caplog.text
    assert caplog.text.count("public") == 2


class TestCommands:
    @pytest.mark.parametrize(
        "error",
        [
            NcpFailure(NcpResetCode.RESET_SOFTWARE),
            OSError,
            RuntimeError("Connection has been closed"),
            TimeoutError,
        ],
    )
    async def test_a_command_that_bellows_gives_up_is_a_radio_error(self, error: BaseException) -> None:
        async def command(*_: object) -> NoReturn:
            raise error

        with pytest.raises(RadioError, match="The NCP did not answer getPolicy"):
            await Ncp(command, lambda: 14).policy(0)
