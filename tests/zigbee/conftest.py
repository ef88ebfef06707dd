"""What tests with hosts in processes of their own share."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.zigbee.rotation.zygote import Zygote


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Generator[Zygote]:
    """Forks hosts, in milliseconds each."""
    with Zygote(tmp_path_factory.mktemp("hosts") / "errors") as started:
        yield started
