"""One afternoon of an unmodified zigpy host on an emulated house; the verdict is a line of JSON.

It runs under any interpreter that has bellows and zigpy, and needs nothing else of this project: the house is in a
process of its own. ``scenario.py URL EUI64=KEY EUI64= …``: a device with a key is let in by it, one without by the open
network. The first device is one that can be switched, and the last one is removed at the end.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bellows.zigbee.application import ControllerApplication
from zigpy.types import EUI64, KeyData

BASIC, IDENTIFY, ON_OFF = 0x0000, 0x0003, 0x0006
MODEL, IDENTIFY_TIME, IS_ON = 0x0005, 0x0000, 0x0000
ENDPOINT = 1
REPORT_ATTRIBUTES = 0x0A
WINDOW = 60
STEP_LIMIT = 60.0
"""Real seconds for any one step."""
LOOK = 0.05


async def until(predicate: Callable[[], object]) -> None:
    while not predicate():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(LOOK)


class Afternoon:
    """The steps, each on the state that the one before left."""

    def __init__(self, url: str, devices: list[tuple[str, bytes]], database: str, **settings: Any) -> None:
        self.devices = [(EUI64.convert(eui64), key) for eui64, key in devices]
        self.done: dict[str, Any] = {}
        self._config = {
            "device": {"path": url},
            "use_thread": False,
            "database_path": database,
            "backup_enabled": False,
            "network": {"channel": 15},
            **settings,
        }
        self._app: ControllerApplication | None = None

    @property
    def app(self) -> ControllerApplication:
        if self._app is None:
            raise RuntimeError("the host is not running")
        return self._app

    async def run(self) -> dict[str, Any]:
        steps: list[Callable[[], Awaitable[Any]]] = [
            self.form,
            self.join,
            self.read,
            self.write,
            self.command,
            self.report,
            self.restart,
            self.restore,
            self.remove,
        ]
        try:
            for step in steps:
                async with asyncio.timeout(STEP_LIMIT):
                    self.done[step.__name__] = await step()
        except Exception as error:  # noqa: BLE001 - whatever a host raises is the verdict
            self.done["failed"] = f"{step.__name__}: {error!r}"
        finally:
            await self.stop()
        return self.done

    async def start(self, *, form: bool) -> None:
        self._app = await ControllerApplication.new(self._config, auto_form=form)

    async def stop(self) -> None:
        app, self._app = self._app, None
        if app is not None:
            await app.shutdown()

    def cluster(self, number: int, cluster: int) -> Any:
        device = self.app.get_device(ieee=self.devices[number][0])
        return device.endpoints[ENDPOINT].in_clusters[cluster]

    async def form(self) -> int:
        await self.start(form=True)
        return int(self.app.state.network_info.channel)

    async def join(self) -> list[str]:
        for eui64, key in self.devices:
            if key:
                await self.app.permit_with_link_key(eui64, KeyData(key), WINDOW)
            else:
                await self.app.permit(WINDOW)
            await until(lambda eui64=eui64: eui64 in self.app.devices)
            await until(lambda eui64=eui64: self.app.devices[eui64].model)
        return [str(self.app.devices[eui64].model) for eui64, _ in self.devices]

    async def _attribute(self, number: int, cluster: int, attribute: int) -> Any:
        values, failed = await self.cluster(number, cluster).read_attributes([attribute], allow_cache=False)
        if failed:
            raise RuntimeError(f"reading failed: {failed}")
        return next(iter(values.values()))

    async def read(self) -> str:
        return str(await self._attribute(0, BASIC, MODEL))

    async def write(self) -> int:
        await self.cluster(0, IDENTIFY).write_attributes({IDENTIFY_TIME: 300})
        return int(await self._attribute(0, IDENTIFY, IDENTIFY_TIME))

    async def command(self) -> list[bool]:
        seen = []
        for command in ("on", "off", "toggle"):
            await getattr(self.cluster(0, ON_OFF), command)()
            seen.append(bool(await self._attribute(0, ON_OFF, IS_ON)))
        return seen

    async def report(self) -> bool:
        cluster = self.cluster(0, ON_OFF)
        came: list[Any] = []

        class Listener:
            def general_command(self, header: Any, arguments: Any) -> None:
                if header.command_id == REPORT_ATTRIBUTES:
                    came.extend(report.value.value for report in arguments.attribute_reports)

        await cluster.bind()
        await cluster.configure_reporting(IS_ON, 0, 600, 1)
        await cluster.off()
        cluster.add_listener(Listener())
        await cluster.on()
        await until(lambda: any(came))
        return True

    async def restart(self) -> str:
        await self.stop()
        await self.start(form=False)
        return await self.read()

    async def restore(self) -> bool:
        backup = await self.app.backups.create_backup(load_devices=True)
        before = backup.network_info.network_key.key
        await self.app.backups.restore_backup(backup, counter_increment=10_000)
        await self.stop()
        await self.start(form=False)
        same = bool(self.app.state.network_info.network_key.key == before)
        return same and bool(await self.read())

    async def remove(self) -> list[str]:
        eui64 = self.devices[-1][0]
        await self.app.remove(eui64)
        await until(lambda: eui64 not in self.app.devices)
        # The leave request is still on its way.
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                await until(lambda: False)
        return sorted(str(ieee) for ieee in self.app.devices)


async def main(url: str, devices: list[tuple[str, bytes]]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        return await Afternoon(url, devices, str(Path(folder) / "zigbee.db")).run()


if __name__ == "__main__":
    pairs = [argument.partition("=") for argument in sys.argv[2:]]
    verdict = asyncio.run(main(sys.argv[1], [(eui64, bytes.fromhex(key)) for eui64, _, key in pairs]))
    verdict["host"] = {name: version(name) for name in ("bellows", "zigpy")}
    sys.stdout.write(json.dumps(verdict) + "\n")
