"""What tests have to know of the tasks that zigpy makes for itself."""

from __future__ import annotations

import asyncio
from typing import Final

_ANSWERING: Final = "CatchingTaskMixin.catching_coro"
_PATIENCE: Final = 20.0


def _answers() -> list[asyncio.Task[object]]:
    return [
        task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__qualname__", "") == _ANSWERING
    ]


async def zigpy_has_answered() -> None:
    """Wait for the tasks in which zigpy answers reports: it leaves them behind when it is shut down too soon.

    Raises TimeoutError where they take longer than a device that is there lets them.
    """
    async with asyncio.timeout(_PATIENCE):
        while answers := _answers():
            await asyncio.wait(answers)
