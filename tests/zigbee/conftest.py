"""What bellows leaves behind at a shutdown is cleared away."""

from __future__ import annotations

import asyncio
from typing import Any

import bellows.ash
import pytest


@pytest.fixture(autouse=True)
def _frames_that_could_not_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """bellows goes on sending a frame whose caller was cancelled; nobody fetches what that raises when the
    connection ends, and asyncio complains when the task is collected. It is fetched, and nothing else is changed."""
    begin = getattr(bellows.ash, "create_eager_task", asyncio.create_task)

    def begun(*args: Any, **kwargs: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = begin(*args, **kwargs)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    monkeypatch.setattr(bellows.ash, "create_eager_task", begun, raising=False)
