"""Whether the way around the gate is found: over addresses of this machine's own, and without asking anybody else."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING

import pytest

from hubsec_zwave.gate import probe, probing
from hubsec_zwave.gate.probing import is_loopback, own_addresses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OWN = "127.0.0.2"
"""Stands for an address of this machine beyond loopback: what runs tests may have none."""


async def _hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.fixture
async def narrow() -> AsyncIterator[int]:
    """The port of a server on 127.0.0.1 alone."""
    async with await asyncio.start_server(_hang_up, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def wide() -> AsyncIterator[int]:
    """The port of a server that is reached at another address as well."""
    async with await asyncio.start_server(_hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with await asyncio.start_server(_hang_up, OWN, port):
            yield port


def test_the_kernel_tells_this_machine_s_addresses() -> None:
    """The one that a socket would send from to the rest of the world is among them, if there is one."""
    found = own_addresses()
    assert not any(ipaddress.ip_address(one.partition("%")[0]).is_loopback for one in found)
    assert len(set(found)) == len(found)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unsent:
        try:
            unsent.connect(("192.0.2.1", 9))  # sends nothing: it picks an address
        except OSError:
            return
        assert unsent.getsockname()[0] in found


async def test_a_server_on_loopback_alone_is_not_gone_past(
    narrow: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "own_addresses", lambda: [OWN])
    found = await probe(f"ws://127.0.0.1:{narrow}")
    assert (found.bypassable, found.reachable, found.reason) == (False, (), "")


async def test_one_that_is_reached_at_another_address_is(wide: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "own_addresses", lambda: [OWN, "127.0.0.3"])
    found = await probe(f"ws://127.0.0.1:{wide}")
    assert (found.bypassable, found.remote, found.reachable) == (True, False, (OWN,))
    assert OWN in found.reason
    assert "--host 127.0.0.1" in found.reason


async def test_one_that_is_called_by_such_an_address_is_none_of_another_machine(
    wide: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "own_addresses", lambda: [OWN])
    assert not (await probe(f"ws://{OWN}:{wide}")).remote


async def test_one_on_another_machine_can_be_gone_past_and_is_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def connect(*_: object, **__: object) -> None:
        raise AssertionError("It was asked.")

    monkeypatch.setattr(asyncio, "open_connection", connect)
    found = await probe("ws://192.0.2.1:3000")
    assert (found.bypassable, found.remote) == (True, True)
    assert "another machine" in found.reason


async def test_what_could_not_be_looked_at_is_not_taken_for_safe(
    narrow: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown() -> list[str]:
        raise OSError("This system has no rtnetlink.")

    monkeypatch.setattr(probing, "own_addresses", unknown)
    found = await probe(f"ws://127.0.0.1:{narrow}")
    assert found.bypassable
    assert "could not be read" in found.reason


@pytest.mark.parametrize(
    "data", [b"\x01", b"\x04\0\0\0" + bytes(12), b"\xff\xff\0\0" + bytes(12), b"\x10\0\0\0\x14\0" + bytes(10)]
)
def test_a_list_that_can_not_be_read_is_an_error_and_no_empty_list(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Netlink:
        def __init__(self, *_: object) -> None:
            self.answers = [data]

        def settimeout(self, seconds: float) -> None:
            pass

        def send(self, request: bytes) -> None:
            pass

        def recv(self, size: int) -> bytes:
            if not self.answers:
                raise TimeoutError
            return self.answers.pop()

        def close(self) -> None:
            pass

    monkeypatch.setattr(socket, "socket", Netlink)
    with pytest.raises(OSError):  # noqa: PT011 - whichever
        own_addresses()


def test_what_loopback_is() -> None:
    assert [is_loopback(one) for one in ("127.0.0.1", "::1", "localhost", "127.1.2.3")] == [True] * 4
    assert [is_loopback(one) for one in ("0.0.0.0", "::", "10.0.0.1", "localhost.example", "")] == [False] * 5  # noqa: S104
