"""Whether there is a way around the gate: who can reach the server that it stands in front of.

The server's port is tried at every address of this machine. A packet to an address of one's own does not leave the
machine; the addresses are asked from the kernel. What a firewall keeps away from outside is not seen from here, so that
an address which answers counts as reachable.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from typing import Final
from urllib.parse import urlsplit

import msgspec

from hubsec.errors import HubsecError

BYPASSABLE: Final = "bypassable"
"""The gap's name."""
LOOPBACK: Final = "127.0.0.1"
DEFAULT_PORT: Final = 3000
"""zwave-js-server's."""
PATIENCE: Final = 1.0
"""Seconds that an address has to answer; those of one's own machine take less than a thousandth."""

# rtnetlink(7): the kernel's list of addresses, where it can be asked for.
_ROUTE: Final = getattr(socket, "NETLINK_ROUTE", 0)
_FAMILY: Final = getattr(socket, "AF_NETLINK", None)
_GET_ADDRESSES: Final = 22
_NEW_ADDRESS: Final = 20
_DONE: Final = 3
_DUMP: Final = 0x301  # a request for the whole table
_HEADER: Final = struct.Struct("=IHHII")
_ADDRESS: Final = struct.Struct("=BBBBI")
_ATTRIBUTE: Final = struct.Struct("=HH")
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_UNREADABLE: Final = "The kernel's list of addresses can't be read."
_BUFFER: Final = 64 * 1024

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """How the server stands. `upstream` is its URL, `remote`: it is on another machine, `reachable`: the addresses of
    this machine, beyond loopback, at which it answers. `unsure` says what could not be looked at."""

    upstream: str
    remote: bool = False
    reachable: tuple[str, ...] = ()
    unsure: str = ""

    @property
    def bypassable(self) -> bool:
        """Whether somebody may get past the gate, as far as is known."""
        return self.remote or bool(self.reachable) or bool(self.unsure)

    @property
    def reason(self) -> str:
        """One sentence for a person; empty when there is no way around the gate that could be found."""
        if self.remote:
            return (
                f"{self.upstream} is on another machine: whoever reaches it there goes past the gate."
                " Run the gate beside the server, and the server on 127.0.0.1."
            )
        if self.reachable:
            return (
                f"{self.upstream} answers at {', '.join(self.reachable)} as well: whoever reaches it there goes past"
                " the gate. Start the server with --host 127.0.0.1."
            )
        return self.unsure


def split(upstream: str) -> tuple[str, int]:
    """Host and port of a server's URL. Raises :class:`~hubsec.errors.HubsecError` when it is none."""
    try:
        parts = urlsplit(upstream)
        port = parts.port or DEFAULT_PORT
    except ValueError:
        raise HubsecError("The server's URL can't be read: say ws://127.0.0.1:3000.") from None
    if parts.scheme not in ("ws", "wss") or not parts.hostname or parts.username or parts.password:
        raise HubsecError(
            "The server's URL begins with ws:// or wss:// and has a host, but no credential: say ws://127.0.0.1:3000."
        )
    return parts.hostname, port


def own_addresses() -> Sequence[str]:
    """The addresses of this machine beyond loopback, IPv6 link-local ones with their interface.

    Raises OSError where the kernel can't be asked.
    """
    if _FAMILY is None:
        raise OSError("This system has no rtnetlink.")
    found: list[str] = []
    with closing(socket.socket(_FAMILY, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _ROUTE)) as netlink:
        netlink.settimeout(PATIENCE)
        length = _HEADER.size + _ADDRESS.size
        netlink.send(_HEADER.pack(length, _GET_ADDRESSES, _DUMP, 1, 0) + _ADDRESS.pack(0, 0, 0, 0, 0))
        while True:
            done = False
            for kind, body in _messages(netlink.recv(_BUFFER)):
                done = done or kind == _DONE
                if kind == _NEW_ADDRESS and len(body) >= _ADDRESS.size:
                    found += _address(body)
                elif kind != _DONE:
                    raise OSError(_UNREADABLE)
            if done:
                return found


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(data)
        if not _HEADER.size <= length <= len(data):
            raise OSError(_UNREADABLE)
        yield kind, data[_HEADER.size : length]
        data = data[(length + 3) & ~3 :]


def _address(body: bytes) -> Iterator[str]:
    *_, index = _ADDRESS.unpack_from(body)
    attributes = body[_ADDRESS.size :]
    values = {}
    while len(attributes) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(attributes)
        if length < _ATTRIBUTE.size:
            return
        values[kind] = attributes[_ATTRIBUTE.size : length]
        attributes = attributes[(length + 3) & ~3 :]
    raw = values.get(_IFA_LOCAL) or values.get(_IFA_ADDRESS)
    if raw is None or len(raw) not in (4, 16):
        return
    address = ipaddress.ip_address(raw)
    if address.is_loopback:
        return
    if address.version == 6 and address.is_link_local:
        with suppress(OSError):
            yield f"{address}%{socket.if_indextoname(index)}"
        return
    yield str(address)


async def probe(upstream: str) -> Exposure:
    """Try whether the server can be reached past the gate. Raises :class:`~hubsec.errors.HubsecError` for a bad URL."""
    host, port = split(upstream)
    try:
        own = set(own_addresses())
    except OSError as error:
        return Exposure(
            upstream=upstream,
            unsure=f"This machine's addresses could not be read ({error}), and so not be tried:"
            f" see that {upstream} answers on loopback alone.",
        )
    try:
        where = {
            str(info[4][0])
            for info in await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        }
    except OSError:
        return Exposure(upstream=upstream, unsure=f"The name {host} is not known: say ws://127.0.0.1:{port}.")
    if any(not ipaddress.ip_address(one.partition("%")[0]).is_loopback and one not in own for one in where):
        return Exposure(upstream=upstream, remote=True)
    answers = await asyncio.gather(*(_answers(address, port) for address in sorted(own)))
    reachable = tuple(address for address, yes in zip(sorted(own), answers, strict=True) if yes)
    return Exposure(upstream=upstream, reachable=reachable)


async def _answers(address: str, port: int) -> bool:
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


def is_loopback(host: str) -> bool:
    """Whether `host` is an address, or the name, of loopback alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
