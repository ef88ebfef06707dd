"""Unmodified bellows and zigpy on the co-processor, over loopback TCP: start, restart, restore, and a bad line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import pytest
from bellows.types import EzspPolicyId
from bellows.zigbee.application import ControllerApplication
from zigpy.types import EUI64, KeyData

from hubsec_emulated.errors import EmulationError
from hubsec_emulated.ncp.ash import ResetCode
from hubsec_emulated.ncp.ezsp import SUPPORTED_VERSIONS
from hubsec_emulated.ncp.faults import LineFaults
from hubsec_emulated.ncp.server import NcpServer
from hubsec_emulated.ncp.tokens import Tokens

pytestmark = pytest.mark.hosts
LINE_TIMEOUT = 60.0


async def comes(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - conditions of many kinds
            await asyncio.sleep(0.01)


class ServerFactory(Protocol):
    def __call__(self, **options: Any) -> AbstractAsyncContextManager[NcpServer]: ...


def config(url: str) -> dict[str, Any]:
    # With a channel zigpy forms the network at once instead of looking for a quiet one.
    return {
        "device": {"path": url},
        "use_thread": False,
        "database_path": None,
        "backup_enabled": False,
        "network": {"channel": 15},
    }


@asynccontextmanager
async def bellows_on(server: NcpServer, *, form: bool = True) -> AsyncIterator[ControllerApplication]:
    app = await ControllerApplication.new(config(server.url), auto_form=form)
    try:
        yield app
    finally:
        await app.shutdown()


@pytest.mark.parametrize("version", SUPPORTED_VERSIONS)
async def test_it_forms_restarts_and_moves_to_another_stick(server: ServerFactory, version: int) -> None:
    async with server(version=version) as first:
        async with bellows_on(first) as app:
            network = app.state.network_info
            assert network.channel == 15
            assert app.state.node_info.ieee == EUI64.convert("00:12:4b:00:0e:50:c0:de")
            key, seed = network.network_key.key, network.stack_specific["ezsp"]["hashed_tclk"]
        first_start = len(first.commands)
        async with bellows_on(first, form=False) as app:
            assert app.state.network_info.network_key.key == key
            assert app.state.network_info.stack_specific["ezsp"]["hashed_tclk"] == seed
            backup = await app.backups.create_backup(load_devices=True)
        names = [record.name for record in first.commands[first_start:]]
        assert names.index("networkInit") < names.index("setPolicy")
        assert "formNetwork" not in names
        assert not first.ncp.faults

    async with server(version=version, tokens=Tokens(manufactured_eui64=0x42)) as second:
        async with bellows_on(second) as app:
            assert app.state.network_info.network_key.key != key
            await app.backups.restore_backup(backup)
        async with bellows_on(second, form=False) as app:
            assert app.state.node_info.ieee == backup.node_info.ieee
            assert app.state.network_info.network_key.key == key == KeyData(second.tokens.keys.network_key)
            assert app.state.network_info.network_key.tx_counter > backup.network_info.network_key.tx_counter
            assert app.state.network_info.extended_pan_id == network.extended_pan_id


async def test_without_a_channel_it_looks_for_a_quiet_one(server: ServerFactory) -> None:
    async with server() as stick:
        settings = config(stick.url)
        settings["network"] = {}
        app = await ControllerApplication.new(settings, auto_form=True)
        await app.shutdown()
        assert [record.name for record in stick.commands].count("startScan") == 1
        assert [record.name for record in stick.commands].count("formNetwork") == 2


async def test_closing_a_network_leaves_the_wildcard_behind(server: ServerFactory) -> None:
    """What the guard exists for: the library's own way to close a network adds the well-known key."""
    async with server() as stick, bellows_on(stick):
        await comes(lambda: list(stick.ncp.trust_center.transient))
        assert [entry.eui64 for entry in stick.ncp.trust_center.transient] == [0xFFFFFFFFFFFFFFFF]


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param(LineFaults(chunk=3, delay=0.0), id="dribble"),
        pytest.param(LineFaults(duplicates=0.2), id="duplicates"),
        pytest.param(LineFaults(bit_errors=0.0004), id="bit errors", marks=pytest.mark.slow),
    ],
)
async def test_it_starts_over_a_bad_line(server: ServerFactory, faults: LineFaults) -> None:
    async with server(seed=5) as stick:
        async with bellows_on(stick):
            pass
        stick.faults = faults
        async with asyncio.timeout(LINE_TIMEOUT), bellows_on(stick, form=False) as app:
            assert app.state.network_info.channel == 15
        counters = stick.ash.counters
        assert not faults.bit_errors or counters.bad_crc + counters.retransmitted > 0


async def test_it_says_nothing_until_it_is_reset(server: ServerFactory) -> None:
    async with server() as stick:
        reader, writer = await asyncio.open_connection("127.0.0.1", stick.port)
        writer.write(b"\x81\x60\x59\x7e" * 10)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
        writer.write(bytes.fromhex("1a" * 32 + "c038bc7e"))
        assert await asyncio.wait_for(reader.readexactly(6), 20) == bytes.fromhex("c1020b0a527e")
        writer.close()
        await writer.wait_closed()


async def test_one_host_at_a_time(server: ServerFactory) -> None:
    async with server() as stick:
        _, first = await asyncio.open_connection("127.0.0.1", stick.port)
        await comes(lambda: stick.connected)
        reader, second = await asyncio.open_connection("127.0.0.1", stick.port)
        assert await asyncio.wait_for(reader.read(), 20) == b""
        assert stick.connected
        assert stick.refused_connections == 1
        for writer in (second, first):
            writer.close()
            await writer.wait_closed()
        await comes(lambda: not stick.connected)
        async with bellows_on(stick) as app:
            assert app.is_controller_running


async def test_a_host_that_comes_back_at_once_is_not_refused(server: ServerFactory) -> None:
    gone: list[asyncio.StreamWriter] = []
    async with server() as stick:
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", stick.port)
            writer.write(bytes.fromhex("c038bc7e"))
            assert await asyncio.wait_for(reader.readexactly(6), 20) == bytes.fromhex("c1020b0a527e")
            writer.close()
            gone.append(writer)
        assert stick.refused_connections == 0
        for writer in gone:
            await writer.wait_closed()


async def test_a_reset_of_its_own_is_noticed(server: ServerFactory) -> None:
    async with server() as stick, bellows_on(stick) as app:
        lost: asyncio.Queue[object] = asyncio.Queue()
        app.connection_lost = lost.put_nowait
        await app._ezsp.setPolicy(policyId=EzspPolicyId.TRUST_CENTER_POLICY, decisionId=0)
        assert stick.ncp.trust_center.policy == 0
        stick.reset(ResetCode.ASSERT)
        assert "NcpFailure" in repr(await asyncio.wait_for(lost.get(), 20))
        assert stick.ncp.trust_center.policy == 0x03


async def test_a_reset_that_nobody_saw_does_not_speak_to_the_next_host(server: ServerFactory) -> None:
    async with server() as stick:
        stick.reset()
        reader, writer = await asyncio.open_connection("127.0.0.1", stick.port)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
        writer.close()
        await writer.wait_closed()


async def test_the_network_survives_a_power_cut(server: ServerFactory) -> None:
    async with server() as stick:
        app = await ControllerApplication.new(config(stick.url), auto_form=True)
        key = app.state.network_info.network_key.key
        lost: asyncio.Queue[object] = asyncio.Queue()
        app.connection_lost = lost.put_nowait
        stick.power_cut()
        await asyncio.wait_for(lost.get(), 20)
        await app.shutdown()
        async with bellows_on(stick, form=False) as again:
            assert again.state.network_info.network_key.key == key


async def test_the_hook_sees_commands_in_order(server: ServerFactory) -> None:
    seen: list[str] = []
    async with server(on_command=lambda name, args: seen.append(name)) as stick:
        async with bellows_on(stick):
            pass
        assert seen == [record.name for record in stick.commands]
        assert seen[:2] == ["version", "version"]


async def test_an_address_in_use_is_an_error_of_the_project(server: ServerFactory) -> None:
    async with server() as stick:
        other = NcpServer(stick.ncp.coordinator, clock=stick.ncp.clock)
        with pytest.raises(EmulationError):
            _ = other.url
        with pytest.raises(EmulationError):
            await other.start(port=stick.port)
        await other.close()
