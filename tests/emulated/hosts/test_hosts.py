"""An afternoon of the installed host on an emulated house; `run.py` does the same with other versions of it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from hubsec_emulated.ncp.ezsp import SUPPORTED_VERSIONS


@pytest.fixture(scope="module")
def run() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hosts_run", Path(__file__).with_name("run.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.hosts
@pytest.mark.slow
@pytest.mark.parametrize("version", SUPPORTED_VERSIONS)
async def test_an_unmodified_host_spends_an_afternoon_in_the_house(run: ModuleType, version: int) -> None:
    verdict = await run.afternoon(sys.executable, version)
    assert verdict["wrong"] == []
