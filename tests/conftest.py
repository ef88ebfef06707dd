"""What every test is held to: it leaves nothing running, warns of nothing, logs nothing that can't be formatted, and
leaves no secret where it can be read (:mod:`tests.leaks.watching`).

A test that breaks one of these fails in its teardown. `tests/house/test_guards.py` shows that each guard
fires. Warnings and exceptions that nobody could catch are errors by `filterwarnings` in pyproject.toml.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import logging
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from tests.leaks import watching

if TYPE_CHECKING:
    from collections.abc import Generator

THREAD_GRACE = 1.0
"""Seconds that a thread which has been told to stop may take to be gone."""

PROJECT_LOGGERS = ("hubsec", "hubsec_zigbee", "hubsec_zwave", "hubsec_emulated", "hubsec_policies")

HOST_LEFTOVERS = frozenset(
    {("ash.py", "AshProtocol._send_data_frame"), ("ezsp/v8/__init__.py", "EZSPv8.pre_permit")}
)
"""What bellows leaves behind when its port is closed under a frame that waits for its acknowledgement, or under the
task that closes the start's window (until 1.1.0): tasks of its own whose failure it does not fetch. No use of its
API prevents that. Each is a file in its package and a coroutine in it, so that nothing of ours is taken for one."""

# What an example takes by the clock says how busy the machine is. Whoever wants to know how long a thing takes,
# measures it.
settings.register_profile("hubsec", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hubsec")

_trouble: list[str] = []
_close_runner = asyncio.Runner.close
_handle_exception = asyncio.BaseEventLoop.call_exception_handler
_bellows = importlib.util.find_spec("bellows")


def _is_host_leftover(task: object) -> bool:
    """Whether this is a task out of :data:`HOST_LEFTOVERS`, by the code that it ran and where that lies."""
    coroutine = task.get_coro() if isinstance(task, asyncio.Task) else None
    code = getattr(coroutine, "cr_code", None)
    if code is None or _bellows is None or _bellows.origin is None:
        return False
    file, folder = Path(code.co_filename), Path(_bellows.origin).parent
    return file.is_relative_to(folder) and (
        (file.relative_to(folder).as_posix(), code.co_qualname) in HOST_LEFTOVERS
    )


def _checked_exception(loop: asyncio.BaseEventLoop, context: dict[str, Any]) -> None:
    """Tell of what nobody caught or fetched as always, unless it is a host's leftover."""
    if not _is_host_leftover(context.get("future")):
        _handle_exception(loop, context)


def _checked_close(runner: asyncio.Runner) -> None:
    """Close an asyncio runner as always, but note first what is still alive in its loop."""
    loop = getattr(runner, "_loop", None)  # None in a runner that was never entered, or is closed already
    if loop is not None:
        _trouble.extend(f"stray task: {task!r}" for task in asyncio.all_tasks(loop))
        timers = getattr(loop, "_scheduled", ())
        _trouble.extend(f"stray timer: {timer!r}" for timer in timers if not timer.cancelled())
    _close_runner(runner)


class _LogGuard(logging.Handler):
    """Formats every record, whoever made it, and notes those that can't be; notes what asyncio complains of
    too."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception as error:  # noqa: BLE001 - whatever str() or % raises is the finding
            _trouble.append(f"bad log call at {record.pathname}:{record.lineno}: {record.msg!r}: {error!r}")
            return
        if record.name == "asyncio" and record.levelno >= logging.ERROR:
            _trouble.append(f"asyncio: {message}")


_log_guard = _LogGuard()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"{watching.MARKER}(*places, reason): what the test itself writes a secret into, and why"
    )
    watching.start()
    asyncio.Runner.close = _checked_close  # type: ignore[method-assign]
    asyncio.BaseEventLoop.call_exception_handler = _checked_exception  # type: ignore[method-assign]
    logging.getLogger().addHandler(_log_guard)
    for name in PROJECT_LOGGERS:
        logging.getLogger(name).setLevel(
            logging.DEBUG
        )  # so that debug calls are formatted and checked as well


def pytest_unconfigure(config: pytest.Config) -> None:
    del config
    watching.stop()
    asyncio.Runner.close = _close_runner  # type: ignore[method-assign]
    asyncio.BaseEventLoop.call_exception_handler = _handle_exception  # type: ignore[method-assign]
    logging.getLogger().removeHandler(_log_guard)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    _trouble.clear()
    watching.begin()
    item.stash[_THREADS] = frozenset(threading.enumerate())
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
    with watching.wide(fixturedef):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    folder = watching.folder_of(item)
    result = yield
    gc.collect(1)  # exceptions that nobody fetched are told when their task is collected
    deadline = time.monotonic() + THREAD_GRACE
    for thread in set(threading.enumerate()) - item.stash[_THREADS]:
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            _trouble.append(f"stray thread: {thread!r}")
    _trouble.extend(watching.verdict(item, folder))
    if _trouble:
        text = "\n".join(_trouble)
        _trouble.clear()
        pytest.fail(f"The test left something behind.\n{text}", pytrace=False)
    return result


_THREADS = pytest.StashKey[frozenset[threading.Thread]]()

# A skipped test proves nothing. Where everything that tests need ought to be there, HUBSEC_NO_SKIP=1 makes
# skips, and expected failures, failures.


def _skip_is_failure(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and os.environ.get("HUBSEC_NO_SKIP") == "1":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"Skipped under HUBSEC_NO_SKIP: {reason}"
        report.__dict__.pop("wasxfail", None)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _skip_is_failure(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _skip_is_failure(report)
    return report
