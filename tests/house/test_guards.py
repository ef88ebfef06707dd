"""The guards of `tests/conftest.py` are tests of tests, so here is the proof that each of them can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.programs import run

pytestmark = pytest.mark.slow

CONFTEST = Path(__file__).parents[1] / "conftest.py"
INI = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""

BAD = """
import asyncio, logging, threading, time, warnings
import bellows.ash
import pytest

RELEASE = threading.Event()

async def test_clean():
    await asyncio.create_task(asyncio.sleep(0))
    asyncio.get_running_loop().call_later(60, print).cancel()
    thread = threading.Thread(target=RELEASE.wait, args=(0.05,))
    thread.start()
    logging.getLogger("hubsec.x").debug("%d of %s", 1, "two")

async def test_stray_task():
    test_stray_task.kept = asyncio.create_task(asyncio.sleep(60))

async def test_stray_timer():
    asyncio.get_running_loop().call_later(60, print)

def test_stray_task_of_an_own_loop():
    async def main():
        asyncio.create_task(asyncio.sleep(60))
    asyncio.run(main())

def test_stray_thread():
    threading.Thread(target=RELEASE.wait, args=(20,), daemon=True).start()

def test_bad_log_format():
    logging.getLogger("hubsec.x").debug("%d", "one")

async def test_error_that_nobody_fetched():
    async def fail():
        raise KeyError
    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task

async def left_behind(coroutine):
    task = asyncio.create_task(coroutine)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task

class AshProtocol:
    async def _send_data_frame(self, frame):
        raise RuntimeError("Connection has been closed")

async def test_host_leftover_is_clean():
    await left_behind(bellows.ash.AshProtocol._send_data_frame(None, None))

async def test_ours_with_the_name_of_a_host_leftover():
    await left_behind(AshProtocol()._send_data_frame(None))

async def test_another_task_of_the_host():
    await left_behind(bellows.ash.AshProtocol.send_data(None, None))

async def test_callback_that_raises():
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

def test_warning():
    warnings.warn("old", DeprecationWarning)

def test_unraisable():
    class Bad:
        def __del__(self):
            raise KeyError
    Bad()

async def test_never_awaited():
    asyncio.sleep(0)

def test_thread_that_raises():
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()

def test_after_all_of_them_clean():
    RELEASE.set()
"""

SKIPS = """
import pytest

@pytest.mark.skip(reason="tired")
def test_marked():
    pass

def test_calls():
    pytest.skip("no tshark")

@pytest.fixture
def absent():
    pytest.skip("no captures")

def test_fixture(absent):
    pass

@pytest.mark.xfail(reason="broken")
def test_expected():
    raise AssertionError

def test_runs():
    pass
"""


@pytest.fixture
def guarded(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(CONFTEST.read_text())
    pytester.makeini(INI)
    return pytester


def test_every_guard_fires(guarded: pytest.Pytester) -> None:
    guarded.makepyfile(BAD)
    result = guarded.runpytest_subprocess("-rA", "-p", "no:cacheprovider", "-p", "no:xdist")
    out = result.stdout.str()
    bad = [name for name in _tests(BAD) if "clean" not in name]
    for name in bad:
        assert any(f"{kind} test_every_guard_fires.py::{name}" in out for kind in ("FAILED", "ERROR")), name
    for name in set(_tests(BAD)) - set(bad):
        assert f"PASSED test_every_guard_fires.py::{name}" in out
        assert f"ERROR test_every_guard_fires.py::{name}" not in out
    for text in (
        "stray task",
        "stray timer",
        "stray thread",
        "bad log call",
        "asyncio: Task exception was never",
    ):
        assert text in out


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ("0", {"passed": 1, "skipped": 4, "xfailed": 1}),
        ("1", {"passed": 1, "failed": 2, "errors": 3}),
    ],
)
def test_skips(
    guarded: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, environment: str, expected: dict[str, int]
) -> None:
    monkeypatch.setenv("HUBSEC_NO_SKIP", environment)
    guarded.makepyfile(test_some=SKIPS, test_module="import pytest; pytest.importorskip('no_such_module')")
    result = guarded.runpytest_inprocess("-p", "no:xdist", "--continue-on-collection-errors")
    assert result.parseoutcomes() == expected


STRAY = """
import asyncio

class AshProtocol:
    async def _send_data_frame(self):
        raise RuntimeError("Connection has been closed")

async def main():
    asyncio.create_task(AshProtocol()._send_data_frame())
    await asyncio.sleep(0.01)

asyncio.run(main())
"""


def test_a_program_s_own_task_is_not_taken_for_a_host_leftover(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="Task exception was never retrieved"):
        run(STRAY, tmp_path)


def _tests(text: str) -> list[str]:
    lines = (line.strip().removeprefix("async ") for line in text.splitlines())
    return [line.removeprefix("def ").split("(")[0] for line in lines if line.startswith("def test_")]
